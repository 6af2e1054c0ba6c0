/* HTTP/1.1 on one connection: answers that nobody reads, and calls at the
 * wrong moment. */
#include <check.h>
#include <stdlib.h>

#include "fake.h"
#include "run.h"
#include "rupy/base/counters.h"
#include "rupy/base/log.h"

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST "\r\n"

static void
feed(struct fake *f, const char *s)
{
    fake_feed(f, s, strlen(s));
}

static unsigned
count(const struct rp_buf *b, const char *what)
{
    size_t n = strlen(what);
    unsigned found = 0;

    for (size_t i = 0; i + n <= b->n; i++)
        found += memcmp(b->p + i, what, n) == 0;
    return found;
}

/* RFC 9110 15.3.6: what stood behind the head would be taken for the next
 * answer. */
START_TEST(an_answer_205_has_no_content)
{
    struct fake f;
    struct rp_answer a = {.status = 205, .content = RP_STR("no content")};

    fake_init(&f);
    feed(&f, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    rp_exchange_answer(f.held, &a);
    ck_assert_uint_eq(count(&f.out, "no content"), 0);
    ck_assert_uint_eq(count(&f.out, "Content-Length: 0\r\n\r\n"), 1);

    feed(&f, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    rp_exchange_head(f.held, 205, NULL, 0, RP_STR(""), -1);
    rp_exchange_write(f.held, "no content", 10);
    rp_exchange_end(f.held);
    ck_assert_uint_eq(count(&f.out, "no content"), 0);
    fake_fini(&f);
}
END_TEST

/* RFC 9110 15.2: interim responses come before the final one. */
START_TEST(no_100_is_sent_behind_the_head_of_the_answer)
{
    struct fake f;

    fake_init(&f);
    f.deaf = true;
    feed(&f, "POST /pieces HTTP/1.1\r\n" HOST
             "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    ck_assert_ptr_nonnull(f.held);
    rp_exchange_head(f.held, 200, NULL, 0, RP_STR(""), 2);
    rp_exchange_want_content(f.held);
    rp_exchange_write(f.held, "ok", 2);
    rp_exchange_end(f.held);
    ck_assert_uint_eq(count(&f.out, "100 Continue"), 0);
    ck_assert(f.closed);
    fake_fini(&f);
}
END_TEST

START_TEST(a_refused_request_is_counted_once)
{
    struct fake f;

    fake_init(&f);
    f.service.limits.body = 10;
    feed(&f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n");
    ck_assert_uint_eq(count(&f.out, "HTTP/1.1 413 "), 1);
    ck_assert_uint_eq(f.service.counters->requests, 1);
    fake_fini(&f);
}
END_TEST

static void
nobody_reads(struct rp_sink *s)
{
    (void)s;
}

/* The client takes all that is queued. */
static unsigned
read_all(struct fake *f)
{
    unsigned n;

    n = count(&f->sink.out, "HTTP/1.1 200 OK\r\n");
    rp_sink_sent(&f->sink, rp_sink_queued(&f->sink));
    if (f->sink.over) {
        f->sink.over = false;
        f->session->ops->drained(f->session);
    }
    if (f->resumed)
        fake_feed(f, "", 0);
    return n;
}

START_TEST(requests_wait_while_their_client_does_not_read)
{
    enum { N = 20000 };
    struct fake f;
    struct rp_sink_ops ops;
    unsigned answered = 0;

    fake_init(&f);
    ops = *f.sink.ops;
    ops.wake = nobody_reads;
    f.sink.ops = &ops;
    for (int i = 0; i < N; i++)
        if (rp_buf_add(&f.in, GET, sizeof(GET) - 1) < 0)
            abort();
    fake_feed(&f, "", 0);
    ck_assert_uint_lt(rp_sink_queued(&f.sink), RP_SINK_HIGH + 64 * 1024);
    for (int i = 0; i < N && answered < N; i++)
        answered += read_all(&f);
    ck_assert_uint_eq(answered, N);
    ck_assert_uint_eq(f.in.n, 0);
    fake_fini(&f);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    rp_log_set_level(RP_LOG_CRITICAL); /* errors are what is tested */
    tcase_add_test(t, an_answer_205_has_no_content);
    tcase_add_test(t, no_100_is_sent_behind_the_head_of_the_answer);
    tcase_add_test(t, a_refused_request_is_counted_once);
    tcase_add_test(t, requests_wait_while_their_client_does_not_read);
    return run_tests("app/h1_edges", t);
}
