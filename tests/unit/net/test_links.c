/* Connections to other servers: what users do when they are told. */
#include <check.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "run.h"

#include "rupy/base/clock.h"
#include "rupy/net/links_impl.h"

enum { USERS = 4 };

struct user {
    struct stage *stage;
    struct rp_link *link; /* NULL: none, or told of its end */
    struct user *victim;  /* whose link is closed when this one is told */
    bool asks_again;      /* and opens another */
    unsigned opens, fails, retires, drains;
    enum rp_link_err err;
};

struct stage {
    struct ev_loop *loop;
    struct rp_links *links;
    struct rp_backend to;
    struct user users[USERS];
};

static void open_link(struct user *u);

static void
drop(struct user *u)
{
    struct rp_link *l = u->link;

    u->link = NULL;
    if (l)
        l->links->ops->close(l, false);
}

static void
told(struct user *u)
{
    if (u->victim)
        drop(u->victim);
    if (u->asks_again) {
        u->asks_again = false;
        open_link(u);
    }
}

static void
on_open(void *self)
{
    ((struct user *)self)->opens++;
}

static void
on_drained(void *self)
{
    ((struct user *)self)->drains++;
}

static void
on_fail(void *self, enum rp_link_err err, int code)
{
    struct user *u = self;

    (void)code;
    u->link = NULL;
    u->fails++;
    u->err = err;
    told(u);
}

static void
on_retire(void *self)
{
    struct user *u = self;

    u->retires++;
    drop(u);
    told(u);
}

static const struct rp_link_user link_user = {
    .open = on_open,
    .drained = on_drained,
    .fail = on_fail,
    .retire = on_retire,
};

static void
open_link(struct user *u)
{
    struct rp_links *all = u->stage->links;

    u->link = all->ops->open(all, &u->stage->to, false, &link_user, u);
    ck_assert_ptr_nonnull(u->link);
}

static void
stage_init(struct stage *s, const char *host, const char *port)
{
    memset(s, 0, sizeof(*s));
    s->to = (struct rp_backend){.max = 8, .connect = 60, .idle = 60};
    snprintf(s->to.host, sizeof(s->to.host), "%s", host);
    snprintf(s->to.port, sizeof(s->to.port), "%s", port);
    s->loop = ev_loop_new(EVFLAG_AUTO);
    s->links = s->loop ? rp_links_new(s->loop) : NULL;
    if (!s->links)
        abort();
    for (int i = 0; i < USERS; i++)
        s->users[i].stage = s;
}

static void
stage_fini(struct stage *s)
{
    for (int i = 0; i < USERS; i++)
        drop(&s->users[i]);
    rp_links_free(s->links);
    ev_loop_destroy(s->loop);
}

/* Who is told of a failure closes the link that would be told next. */
START_TEST(a_link_may_be_closed_by_who_is_told_that_another_is_broken)
{
    struct stage s;
    double end = rp_clock_mono() + 10;

    stage_init(&s, "/no/such/socket", "");
    for (int i = 0; i < 3; i++)
        open_link(&s.users[i]);
    s.users[0].victim = &s.users[1];
    s.users[0].asks_again = true;
    while (s.users[0].fails < 2 && rp_clock_mono() < end)
        ev_run(s.loop, EVRUN_ONCE);
    ck_assert_uint_eq(s.users[0].fails, 2);
    ck_assert_uint_eq(s.users[1].fails, 0);
    ck_assert_uint_eq(s.users[2].fails, 1);
    ck_assert_int_eq(s.users[2].err, RP_LINK_CONNECT);
    stage_fini(&s);
}
END_TEST

/* The same with a name that is not known; whoever asks again then has another
 * look-up to wait for. */
START_TEST(a_link_may_be_closed_and_opened_by_who_is_told_of_no_name)
{
    struct stage s;
    struct rp_link_pool *pool;

    stage_init(&s, "no-such-name.invalid", "80");
    for (int i = 0; i < 3; i++)
        open_link(&s.users[i]);
    s.users[0].victim = &s.users[1];
    s.users[0].asks_again = true;
    pool = ((struct rp_link_conn *)s.users[0].link)->pool;
    rp_link_pool_on_found(pool, NULL, EAI_NONAME);
    ck_assert_uint_eq(s.users[0].fails, 1);
    ck_assert_ptr_nonnull(s.users[0].link);
    ck_assert_uint_eq(s.users[1].fails, 0);
    ck_assert_uint_eq(s.users[2].fails, 1);
    ck_assert_int_eq(s.users[2].err, RP_LINK_NAME);
    stage_fini(&s);
}
END_TEST

/* A socket that takes connections, in a folder that is made. */
static int
listen_at(char *path, size_t n)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/rupy-links-XXXXXX";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!mkdtemp(folder) || fd < 0)
        abort();
    snprintf(path, n, "%s/s", folder);
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || listen(fd, 8) < 0)
        abort();
    return fd;
}

static void
remove_socket(int fd, char *path)
{
    close(fd);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

START_TEST(a_link_may_be_closed_by_who_is_told_to_stop)
{
    struct stage s;
    char path[64];
    int fd = listen_at(path, sizeof(path));
    double end = rp_clock_mono() + 10;

    stage_init(&s, path, "");
    for (int i = 0; i < 3; i++)
        open_link(&s.users[i]);
    while (!s.users[2].link->is_open && rp_clock_mono() < end)
        ev_run(s.loop, EVRUN_ONCE);
    s.users[0].victim = &s.users[1];
    rp_links_retire(s.links);
    ck_assert_uint_eq(s.users[0].retires, 1);
    ck_assert_uint_eq(s.users[1].retires, 0);
    ck_assert_uint_eq(s.users[2].retires, 1);
    stage_fini(&s);
    remove_socket(fd, path);
}
END_TEST

/* Until that many were told so, or for too long. */
static void
run_until(struct stage *s, const unsigned *n, unsigned want)
{
    double end = rp_clock_mono() + 5;

    while (*n < want && rp_clock_mono() < end)
        ev_run(s->loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(*n, want);
}

/* The other side may read between the call that says so and the next. */
START_TEST(who_found_a_link_full_is_told_when_all_of_it_was_sent_at_once)
{
    struct stage s;
    char path[64];
    int fd = listen_at(path, sizeof(path)), size = 1024 * 1024;
    struct user *u = &s.users[0];

    stage_init(&s, path, "");
    open_link(u);
    run_until(&s, &u->opens, 1);
    setsockopt(((struct rp_link_conn *)u->link)->io.fd, SOL_SOCKET, SO_SNDBUF,
               &size, sizeof(size));
    ck_assert_int_eq(rp_buf_reserve(&u->link->out, RP_LINK_HIGH), 0);
    memset(u->link->out.p, 'x', RP_LINK_HIGH);
    u->link->out.n = RP_LINK_HIGH;
    ck_assert(rp_link_is_full(u->link));
    s.links->ops->flush(u->link);
    ck_assert_uint_eq(u->link->out.n, 0);
    run_until(&s, &u->drains, 1);
    stage_fini(&s);
    remove_socket(fd, path);
}
END_TEST

START_TEST(who_waits_gets_the_descriptor_of_who_is_done)
{
    struct stage s;
    char path[64];
    int fd = listen_at(path, sizeof(path)), taken;
    struct user *u = s.users;

    stage_init(&s, path, "");
    s.to.max = s.to.queue = 1;
    s.to.wait = 60;
    open_link(&u[0]);
    run_until(&s, &u[0].opens, 1);
    open_link(&u[1]);
    ck_assert(!u[1].link->is_open);
    taken = ((struct rp_link_conn *)u[0].link)->io.fd;
    s.links->ops->close(u[0].link, true);
    u[0].link = NULL;
    run_until(&s, &u[1].opens, 1);
    ck_assert(u[1].link->is_open && u[1].link->reused);
    /* Of a copy, epoll(7) would tell under the number that was closed. */
    ck_assert_int_eq(((struct rp_link_conn *)u[1].link)->io.fd, taken);
    stage_fini(&s);
    remove_socket(fd, path);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 30);
    tcase_add_test(t,
                   a_link_may_be_closed_by_who_is_told_that_another_is_broken);
    tcase_add_test(t,
                   a_link_may_be_closed_and_opened_by_who_is_told_of_no_name);
    tcase_add_test(t, a_link_may_be_closed_by_who_is_told_to_stop);
    tcase_add_test(
        t, who_found_a_link_full_is_told_when_all_of_it_was_sent_at_once);
    tcase_add_test(t, who_waits_gets_the_descriptor_of_who_is_done);
    return run_tests("net/links", t);
}
