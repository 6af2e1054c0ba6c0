/* Who encrypts, and what the socket is given when it is the kernel. */
#include <check.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run.h"
#include "rupy/base/log.h"
#include "rupy/net/impl.h"

struct stage {
    struct ev_loop *loop;
    struct rp_service service;
    struct rp_server *server;
};

static void
stage_init(struct stage *s)
{
    struct rp_server_config config = {.max_connections = 8};

    memset(s, 0, sizeof(*s));
    s->loop = ev_loop_new(EVFLAG_AUTO);
    if (!s->loop || rp_service_init(&s->service) < 0)
        abort();
    s->server = rp_server_new(s->loop, &s->service, &config);
    if (!s->server)
        abort();
}

static void
stage_fini(struct stage *s)
{
    rp_server_free(s->server);
    rp_service_fini(&s->service);
    ev_loop_destroy(s->loop);
}

/* The end of a socket whose kernel says yes, or no. */
static long
answer_ktls(BIO *b, int cmd, long n, void *p)
{
    (void)n, (void)p;
    return cmd == BIO_CTRL_GET_KTLS_SEND ? (BIO_get_data(b) ? 1 : 0) : 1;
}

START_TEST(what_the_socket_says_decides)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "fake");
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct stage s;
    static int yes;

    stage_init(&s);
    BIO_meth_set_ctrl(m, answer_ktls);
    for (int has = 0; has < 2; has++) {
        SSL *ssl = SSL_new(ctx);
        BIO *bio = BIO_new(m);

        BIO_set_init(bio, 1);
        BIO_set_data(bio, has ? &yes : NULL);
        SSL_set_bio(ssl, bio, bio);
        ck_assert_int_eq(rp_tls_find_kernel(s.server, ssl), has);
        SSL_free(ssl);
    }
    ck_assert_uint_eq(s.service.counters->handshakes, 2);
    ck_assert_uint_eq(s.service.counters->in_kernel, 1);
    SSL_CTX_free(ctx);
    BIO_meth_free(m);
    stage_fini(&s);
}
END_TEST

static void
nothing(void *arg)
{
    (void)arg;
}

/* There is no SSL to ask: whoever did would crash. */
START_TEST(the_kernel_is_given_what_is_to_be_encrypted)
{
    char path[] = "/tmp/tlskernelXXXXXX", got[64] = "";
    struct rp_peer peer = {.is_unix = true};
    struct stage s;
    struct rp_conn *c;
    int fds[2], file = mkstemp(path);

    ck_assert_int_ge(file, 0);
    unlink(path);
    ck_assert_int_eq(write(file, "0123456789", 10), 10);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    stage_init(&s);
    rp_conn_open(s.server, fds[1], &peer);
    c = rp_container_of(s.server->conns.next, struct rp_conn, all);
    c->tls = rp_tls_conn_new();
    c->tls->done = c->tls->kernel = true;
    ck_assert_int_eq(rp_buf_add(&c->sink.out, "head ", 5), 0);
    ck_assert_int_eq(rp_sink_add_file(&c->sink, file, 3, 4, nothing, NULL), 0);
    ck_assert_int_eq(rp_buf_add(&c->sink.out, " tail", 5), 0);
    rp_conn_flush(c);
    ck_assert_uint_eq(rp_sink_queued(&c->sink), 0);
    ck_assert_int_eq(read(fds[0], got, sizeof(got)), 14);
    ck_assert_str_eq(got, "head 3456 tail");
    /* Nothing more behind what was said to be the end. */
    c->tls->over = true;
    ck_assert_int_eq(rp_buf_add(&c->sink.out, "more", 4), 0);
    rp_conn_flush(c);
    ck_assert_int_eq(c->state, RP_CONN_DEAD);
    ck_assert_int_eq(read(fds[0], got, sizeof(got)), 0);
    close(file);
    close(fds[0]);
    stage_fini(&s);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    rp_log_set_level(RP_LOG_CRITICAL);
    tcase_add_test(t, what_the_socket_says_decides);
    tcase_add_test(t, the_kernel_is_given_what_is_to_be_encrypted);
    return run_tests("net/tlskernel", t);
}
