/* One connection over a socket pair: deadlines, half-close, slow readers. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run.h"
#include "rupy/base/clock.h"
#include "rupy/base/log.h"
#include "rupy/net/impl.h"

#define POST(n) "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " n "\r\n\r\n"

enum { MUCH = 1 << 20 };

struct stage {
    struct ev_loop *loop;
    struct rp_service service;
    struct rp_server *server;
    struct rp_exchange *x; /* of the handler, until it ends or is stopped */
    int client;
    bool writes;    /* the handler answers at once, until that is much */
    uint64_t taken; /* content */
    enum rp_content_end end;
};

static void
take(void *self, struct rp_exchange *x)
{
    struct stage *s = self;
    size_t n = rp_exchange_content(x).n;

    s->taken += n;
    s->end = rp_exchange_content_end(x);
    rp_exchange_take_content(x, n);
    if (s->end == RP_CONTENT_COMES)
        rp_exchange_want_content(x);
}

static void
start(void *self, struct rp_exchange *x)
{
    struct stage *s = self;
    static const char piece[64 * 1024];

    s->x = x;
    if (!s->writes)
        return;
    rp_exchange_head(x, 200, NULL, 0, RP_STR(""), -1);
    for (int i = 0; i < MUCH / (int)sizeof(piece); i++)
        rp_exchange_write(x, piece, sizeof(piece));
    rp_exchange_want_content(x);
}

static void
stop(void *self, struct rp_exchange *x)
{
    (void)x;
    ((struct stage *)self)->x = NULL;
}

static const struct rp_handler_ops ops = {
    .start = start, .stop = stop, .eof = take, .content = take};

static void
stage_init(struct stage *s, const struct rp_deadlines *d)
{
    struct rp_server_config config = {.deadlines = *d, .max_connections = 8};
    struct rp_peer peer = {.is_unix = true};
    int fds[2];

    memset(s, 0, sizeof(*s));
    s->loop = ev_loop_new(EVFLAG_AUTO);
    if (!s->loop || rp_service_init(&s->service) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
        abort();
    s->service.root = (struct rp_handler){&ops, s, true};
    s->server = rp_server_new(s->loop, &s->service, &config);
    if (!s->server)
        abort();
    s->client = fds[0];
    rp_conn_open(s->server, fds[1], &peer);
}

static void
stage_fini(struct stage *s)
{
    rp_server_free(s->server);
    rp_service_fini(&s->service);
    ev_loop_destroy(s->loop);
    close(s->client);
}

static void
turn(struct stage *s, bool wait)
{
    ev_run(s->loop, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
    rp_server_turn(s->server);
}

/* Send n bytes while the server reads them; false: it takes no more. */
static bool
send_all(struct stage *s, const char *p, size_t n)
{
    for (int idle = 0; n > 0 && idle < 100;) {
        ssize_t k = send(s->client, p, n, MSG_NOSIGNAL);
        if (k > 0) {
            p += k;
            n -= (size_t)k;
            idle = 0;
        } else {
            idle++;
        }
        turn(s, false);
    }
    return n == 0;
}

/* The handler has answered in part and waits for content that does not come,
 * from a client that does not read. */
START_TEST(no_timer_is_left_of_a_connection_that_timed_out)
{
    struct rp_deadlines d = {.content = 0.05, .send = 0.2};
    struct stage s;
    struct rp_conn *c;
    double end = rp_clock_mono() + 5;

    stage_init(&s, &d);
    s.writes = true;
    c = rp_container_of(s.server->conns.next, struct rp_conn, all);
    ck_assert(send_all(&s, POST("10"), sizeof(POST("10")) - 1));
    ck_assert_ptr_nonnull(s.x);
    turn(&s, false);
    ck_assert(c->stuck);
    while (s.x && rp_clock_mono() < end) {
        /* Not rp_server_turn(): it frees what is looked at below. */
        ev_run(s.loop, EVRUN_ONCE);
    }
    ck_assert_ptr_null(s.x);
    ck_assert_uint_eq(rp_server_connections(s.server), 0);
    ck_assert_int_eq(c->state, RP_CONN_DEAD);
    ck_assert(!ev_is_active(&c->timer));
    ck_assert(!ev_is_active(&c->io));
    stage_fini(&s);
}
END_TEST

/* The end of the connection is told when all that came before it was taken. */
START_TEST(content_that_waits_for_the_handler_is_not_cut_by_a_half_close)
{
    enum { N = 150000 };
    static const char content[N];
    struct stage s;
    double end = rp_clock_mono() + 5;

    stage_init(&s, &RP_DEADLINES_DEFAULT);
    ck_assert(send_all(&s, POST("150000"), sizeof(POST("150000")) - 1));
    ck_assert(send_all(&s, content, N));
    shutdown(s.client, SHUT_WR);
    s.end = RP_CONTENT_COMES;
    for (int i = 0; i < 10; i++)
        turn(&s, false);
    ck_assert_ptr_nonnull(s.x);
    ck_assert_int_ne(s.end, RP_CONTENT_CUT);
    take(&s, s.x);
    while (s.end == RP_CONTENT_COMES && rp_clock_mono() < end)
        turn(&s, false);
    ck_assert_int_eq(s.end, RP_CONTENT_COMPLETE);
    ck_assert_uint_eq(s.taken, N);
    stage_fini(&s);
}
END_TEST

/* One that has asked before may ask the next server; one that has just come
 * was taken from the queue, and will find nobody else. */
START_TEST(who_has_just_come_is_heard_at_the_end)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct rp_deadlines d = {0};
    struct stage s;
    double end = rp_clock_mono() + 5;

    stage_init(&s, &d);
    rp_server_retire(s.server, 0, false);
    for (int i = 0; i < 5; i++)
        turn(&s, false);
    ck_assert_uint_eq(rp_server_connections(s.server), 1);
    ck_assert(send_all(&s, get, sizeof(get) - 1));
    ck_assert_ptr_nonnull(s.x);
    rp_exchange_answer_status(s.x, 404);
    /* The answer says close. */
    while (rp_server_connections(s.server) > 0 && rp_clock_mono() < end)
        turn(&s, false);
    ck_assert_uint_eq(rp_server_connections(s.server), 0);
    stage_fini(&s);

    stage_init(&s, &d);
    rp_server_retire(s.server, 0, false);
    /* But not for long. */
    end = rp_clock_mono() + 5;
    while (rp_server_connections(s.server) > 0 && rp_clock_mono() < end)
        turn(&s, true);
    ck_assert_uint_eq(rp_server_connections(s.server), 0);
    stage_fini(&s);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    rp_log_set_level(RP_LOG_CRITICAL);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, no_timer_is_left_of_a_connection_that_timed_out);
    tcase_add_test(
        t, content_that_waits_for_the_handler_is_not_cut_by_a_half_close);
    tcase_add_test(t, who_has_just_come_is_heard_at_the_end);
    return run_tests("net/conn", t);
}
