/* The content: framing that is refused, framing that is taken, at any cut. */
#include <check.h>

#include "../guard.h"
#include "run.h"
#include "rupy/http/content.h"

static struct guard guard;

static void
set_up(void)
{
    guard_init(&guard, 1 << 21);
}

static void
tear_down(void)
{
    guard_fini(&guard);
}

struct result {
    int err;
    bool done;
    size_t used;
    size_t n; /* of data */
    char data[256];
};

/* Feed p..p+n in pieces that end at first, then every `step` bytes. */
static struct result
feed(const struct rp_request *r, uint64_t max, const char *p, size_t n,
     size_t first, size_t step)
{
    struct rp_limits lim = RP_LIMITS_DEFAULT;
    struct result res = {.err = 0};
    struct rp_content c;
    size_t end = first;

    lim.body = max;
    res.err = rp_content_init(&c, r, &lim);
    while (res.err == 0 && !rp_content_is_done(&c)) {
        struct rp_str data;
        const char *at;
        ssize_t used;

        if (res.used == end) {
            if (end == n)
                break;
            end = end + step < n ? end + step : n;
            continue;
        }
        at = guard_set(&guard, p + res.used, end - res.used);
        used = rp_content_feed(&c, at, end - res.used, &data);
        if (used == 0) /* not ck_assert(): a write(2) for every byte */
            ck_abort_msg("nothing was used up");
        if (used < 0) {
            res.err = (int)used;
            ck_assert_int_eq(rp_content_feed(&c, at, 1, &data), used);
            break;
        }
        for (size_t i = 0; i < data.n; i++, res.n++)
            if (res.n < sizeof(res.data) - 1)
                res.data[res.n] = data.p[i];
        res.used += (size_t)used;
    }
    res.done = rp_content_is_done(&c);
    return res;
}

static void
check_all_ways(const struct rp_request *r, uint64_t max, const char *p,
               size_t n, int err, bool done, const char *data, const char *why)
{
    for (size_t cut = 0; cut <= n + 1; cut++) {
        /* The last two: whole, and byte by byte. */
        size_t step = cut == n + 1 ? 1 : n;
        struct result o = feed(r, max, p, n, cut <= n ? cut : 0, step);

        ck_assert_msg(o.err == err, "%s, cut at %zu: %s", why, cut,
                      o.err ? rp_http_err_text(o.err) : "ok");
        ck_assert_msg(o.done == done, "%s, cut at %zu: done", why, cut);
        if (err == 0)
            ck_assert_msg(strcmp(o.data, data) == 0, "%s, cut at %zu: %s", why,
                          cut, o.data);
        if (done)
            ck_assert_msg(n - o.used == strlen("GET"), "%s: used %zu", why,
                          o.used);
    }
}

#define S(lit) lit, sizeof(lit) - 1

static const struct {
    const char *p;
    size_t n;
    const char *data, *why;
} taken[] = {
    {S("0\r\n\r\nGET"), "", "no content"},
    {S("5\r\nhello\r\n0\r\n\r\nGET"), "hello", "one chunk"},
    {S("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\nGET"),
     "01234567890123456789", "both cases"},
    {S("0005\r\nhello\r\n000\r\n\r\nGET"), "hello", "leading zeros"},
    {S("0000000000000005\r\nhello\r\n0\r\n\r\nGET"), "hello", "16 digits"},
    {S("5;a=b;c;d=\"x;\\\"\xff\t\"\r\nhello\r\n0;last\r\n\r\nGET"), "hello",
     "extensions"},
    {S("5 ;a\r\nhello\r\n0\r\n\r\nGET"), "hello", "BWS: RFC 9112 7.1.1"},
    {S("5\t; a \t= \tb ; c=\"\" ;d\r\nhello\r\n0\r\n\r\nGET"), "hello",
     "BWS wherever it may be"},
    {S("5\r\n0\r\n\r\n\r\n0\r\n\r\nGET"), "0\r\n\r\n", "framing as content"},
    {S("1\r\na\r\n0\r\nX-T: v\r\nY:\r\n\r\nGET"), "a", "trailer section"},
    {S("1\r\na\r\n0\r\nX:GET / HTTP/1.1\r\n\r\nGET"), "a", "a legal trailer"},
    {S("0\r\nContent-Type: text/evil\r\nConnection: close\r\n\r\nGET"), "",
     "forbidden there: dropped"},
    {S("0\r\nHostile: x\r\nTransfer-Encodings: x\r\n\r\nGET"), "",
     "longer names than the forbidden"},
};

START_TEST(chunks_are_taken_at_any_cut)
{
    const struct rp_request r = {.chunked = true, .content_length = -1};

    check_all_ways(&r, 0, taken[_i].p, taken[_i].n, 0, true, taken[_i].data,
                   taken[_i].why);
}
END_TEST

static const struct {
    const char *p;
    size_t n;
    int want;
    const char *why;
} refused[] = {
    {S("\r\n"), RP_HTTP_BAD_CHUNK, "no size"},
    {S(";a\r\n"), RP_HTTP_BAD_CHUNK, "no size, extension"},
    {S("+5\r\n"), RP_HTTP_BAD_CHUNK, "sign"},
    {S("-0\r\n"), RP_HTTP_BAD_CHUNK, "sign"},
    {S("0x5\r\n"), RP_HTTP_BAD_CHUNK, "0x"},
    {S("0_5\r\n"), RP_HTTP_BAD_CHUNK, "underscore"},
    {S("5 \r\n"), RP_HTTP_BAD_CHUNK, "SP behind the size"},
    {S("5\t\r\n"), RP_HTTP_BAD_CHUNK, "HTAB behind the size"},
    {S(" 5\r\n"), RP_HTTP_BAD_CHUNK, "SP in front"},
    {S("5 5\r\n"), RP_HTTP_BAD_CHUNK, "two sizes"},
    {S("5g\r\n"), RP_HTTP_BAD_CHUNK, "no hex digit"},
    {S("5.\r\n"), RP_HTTP_BAD_CHUNK, "dot"},
    {S("\xb5\r\n"), RP_HTTP_BAD_CHUNK, "0xb5 is no digit"},
    {S("8000000000000000\r\n"), RP_HTTP_BAD_CHUNK, "2^63"},
    {S("10000000000000005\r\n"), RP_HTTP_BAD_CHUNK, "17 digits"},
    {S("00000000000000005\r\n"), RP_HTTP_BAD_CHUNK, "17 digits, small"},
    {S("5\nhello"), RP_HTTP_BAD_CHUNK, "LF ends the size"},
    {S("5\rhello"), RP_HTTP_BAD_CHUNK, "CR ends the size"},
    {S("5\r\nhello\n"), RP_HTTP_BAD_CHUNK, "LF ends the data"},
    {S("5\r\nhello\r0"), RP_HTTP_BAD_CHUNK, "CR ends the data"},
    {S("5\r\nhello0\r\n"), RP_HTTP_BAD_CHUNK, "nothing ends the data"},
    {S("5\r\nhelloXX"), RP_HTTP_BAD_CHUNK, "two bytes end the data"},
    {S("5\r\nhello\r\n\r\n"), RP_HTTP_BAD_CHUNK, "an empty line too much"},
    {S("5;\r\n"), RP_HTTP_BAD_CHUNK, "empty extension"},
    {S("5;;a\r\n"), RP_HTTP_BAD_CHUNK, "empty extension"},
    {S("5;a \r\n"), RP_HTTP_BAD_CHUNK, "white space at the end"},
    {S("5;a=\r\n"), RP_HTTP_BAD_CHUNK, "no value"},
    {S("5;a=b c\r\n"), RP_HTTP_BAD_CHUNK, "two values"},
    {S("5;a=\"b\"c\r\n"), RP_HTTP_BAD_CHUNK, "behind the quote"},
    {S("5;a=\"b\r\n"), RP_HTTP_BAD_CHUNK, "open quote"},
    {S("5;a=\"b\\\n"), RP_HTTP_BAD_CHUNK, "quoted LF"},
    {S("5;a=\"\x7f"), RP_HTTP_BAD_CHUNK, "quoted DEL"},
    {S("5;a[=x\r\n"), RP_HTTP_BAD_CHUNK, "no token"},
    {S("5;a\0b\r\n"), RP_HTTP_BAD_CHUNK, "NUL"},
    {S("5;\nhello"), RP_HTTP_BAD_CHUNK, "LF in an extension"},
    {S("5;a\rX\r\n"), RP_HTTP_BAD_CHUNK, "CR in an extension"},
    {S("5;a=b\r\rX"), RP_HTTP_BAD_CHUNK, "CR CR"},
    {S("0\n"), RP_HTTP_BAD_CHUNK, "LF ends the last chunk"},
    {S("0\r\n\n"), RP_HTTP_BAD_TRAILER, "LF ends it all"},
    {S("0\r\n\rX"), RP_HTTP_BAD_TRAILER, "CR and any byte"},
    {S("0\r\nXXGET / HTTP/1.1\r\n"), RP_HTTP_BAD_TRAILER, "no colon"},
    {S("0\r\nX\r\n"), RP_HTTP_BAD_TRAILER, "no colon"},
    {S("0\r\n: x\r\n"), RP_HTTP_BAD_TRAILER, "no name"},
    {S("0\r\nX : x\r\n"), RP_HTTP_BAD_TRAILER, "SP before the colon"},
    {S("0\r\nX: x\r\n y\r\n"), RP_HTTP_BAD_TRAILER, "fold"},
    {S("0\r\nX: x\ny\r\n"), RP_HTTP_BAD_TRAILER, "LF"},
    {S("0\r\nX: x\ry"), RP_HTTP_BAD_TRAILER, "CR"},
    {S("0\r\nX: a\0b\r\n"), RP_HTTP_BAD_TRAILER, "NUL"},
    {S("0\r\nhOst: x\r\n"), RP_HTTP_BAD_TRAILER, "Host"},
    {S("0\r\nContent-Length: 5\r\n"), RP_HTTP_BAD_TRAILER, "length"},
    {S("0\r\ntransfer-encoding: x\r\n"), RP_HTTP_BAD_TRAILER, "coding"},
};

START_TEST(bad_chunks_are_refused_at_any_cut)
{
    const struct rp_request r = {.chunked = true, .content_length = -1};

    check_all_ways(&r, 0, refused[_i].p, refused[_i].n, refused[_i].want, false,
                   "", refused[_i].why);
}
END_TEST

START_TEST(a_length_counts_bytes)
{
    const struct rp_request none = {.content_length = -1};
    const struct rp_request zero = {.content_length = 0};
    const struct rp_request five = {.content_length = 5};

    check_all_ways(&none, 0, "GET", 3, 0, true, "", "no length, no content");
    check_all_ways(&zero, 0, "GET", 3, 0, true, "", "zero");
    check_all_ways(&five, 5, "helloGET", 8, 0, true, "hello", "five");
    check_all_ways(&five, 0, "hell", 4, 0, false, "hell", "four of five");
    check_all_ways(&five, 4, "", 0, RP_HTTP_LARGE_CONTENT, false, "", "limit");
}
END_TEST

START_TEST(too_large_content_is_refused_by_the_size_that_says_so)
{
    const struct rp_request r = {.chunked = true, .content_length = -1};

    check_all_ways(&r, 5, S("2\r\nab\r\n3\r\ncde\r\n0\r\n\r\nGET"), 0, true,
                   "abcde", "exactly the limit");
    check_all_ways(&r, 5, S("2\r\nab\r\n4\r"), RP_HTTP_LARGE_CONTENT, false, "",
                   "one more");
    check_all_ways(&r, 5, S("7fffffffffffffff;"), RP_HTTP_LARGE_CONTENT, false,
                   "", "before its first byte");
}
END_TEST

/* head, n times unit, tail. */
static char *
repeat(const char *head, const char *unit, size_t n, const char *tail)
{
    size_t u = strlen(unit);
    char *p = malloc(strlen(head) + n * u + strlen(tail) + 1), *d = p;

    d = stpcpy(d, head);
    for (size_t i = 0; i < n; i++)
        d = stpcpy(d, unit);
    strcpy(d, tail);
    return p;
}

START_TEST(each_limit_of_the_framing_holds)
{
    const struct {
        const char *head, *unit;
        size_t n;
        const char *tail;
        int want;
        const char *why;
    } t[] = {
        {"1;", "a", 4095, "\r\nx\r\n0\r\n\r\nGET", 0, "extension of 4096"},
        {"1;", "a", 4096, "\r\nx\r\n", RP_HTTP_BAD_CHUNK, "4097"},
        {"", "2;aaaaaaa\r\nxx\r\n", 2048, "0\r\n\r\nGET", 0, "16384 in all"},
        {"", "2;aaaaaaa\r\nxx\r\n", 2048, "0;a\r\n", RP_HTTP_BAD_CHUNK,
         "16385 in all"},
        {"0\r\n", "X: y\r\n", 32, "\r\nGET", 0, "32 trailer fields"},
        {"0\r\n", "X: y\r\n", 33, "", RP_HTTP_BAD_TRAILER, "33"},
        {"0\r\nX:", "y", 8192 - 6, "\r\n\r\nGET", 0, "trailer of 8192"},
        {"0\r\nX:", "y", 8192 - 5, "\r\n\r\n", RP_HTTP_BAD_TRAILER, "8193"},
        {"", "1\r\na\r\n", 50000, "0\r\n\r\nGET", 0, "small chunks"},
        {"", "0000000000000001\r\na\r\n", 5000, "", RP_HTTP_CHUNK_OVERHEAD,
         "zeros"},
        {"", "0000000000000001\r\na\r\n", 3000, "0\r\n\r\nGET", 0,
         "zeros, a few"},
    };
    const struct rp_request r = {.chunked = true, .content_length = -1};

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char *p = repeat(t[i].head, t[i].unit, t[i].n, t[i].tail);
        size_t n = strlen(p);

        for (int k = 0; k < 3; k++) {
            struct result o =
                feed(&r, 0, p, n, k == 0 ? n : n / 2, k == 2 ? 1 : n);

            ck_assert_msg(o.err == t[i].want, "%s: %d", t[i].why, o.err);
            ck_assert_msg(o.done == (o.err == 0), "%s", t[i].why);
        }
        free(p);
    }
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("content");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, chunks_are_taken_at_any_cut, 0,
                        sizeof(taken) / sizeof(taken[0]));
    tcase_add_loop_test(t, bad_chunks_are_refused_at_any_cut, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(t, a_length_counts_bytes);
    tcase_add_test(t, too_large_content_is_refused_by_the_size_that_says_so);
    tcase_add_test(t, each_limit_of_the_framing_holds);
    tcase_set_timeout(t, 30);
    return run_tests("http/content", t);
}
