/* Heads of answers: what is taken and what is refused, at any cut. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "../guard.h"
#include "run.h"
#include "rupy/http/content.h"
#include "rupy/http/reply.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define OK "HTTP/1.1 200 OK\r\n"

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

/* Show p..p+n in pieces that end at first, then every `step` bytes, and say
 * what came of it. */
static const char *
parse(const char *p, size_t n, size_t first, size_t step)
{
    static char text[2048];
    struct rp_field fields[RP_MAX_REPLY_FIELDS];
    struct rp_reply_parser ps = {.at = 0};
    struct rp_reply r;
    size_t end = first < n ? first : n;
    int k = 0, m;

    for (;;) {
        k = rp_reply_head(&ps, guard_set(&guard, p, end), end, fields, &r);
        if (k != 0 || end == n)
            break;
        end = end + step < n ? end + step : n;
    }
    if (k < 0) {
        ck_assert_int_eq(rp_reply_head(&ps, "x", 1, fields, &r), k);
        snprintf(text, sizeof(text), "%s", rp_http_err_text(k));
        return text;
    }
    if (k == 0)
        return "more";
    m = snprintf(text, sizeof(text), "%d 1.%d %d [%.*s] %lld%s%s%s", k, r.minor,
                 r.status, RP_STR_ARG(r.reason), (long long)r.content_length,
                 r.chunked ? " chunked" : "", r.keep_alive ? " keep" : "",
                 r.upgrade_websocket ? " ws" : "");
    for (unsigned i = 0; i < r.nfields; i++)
        m += snprintf(text + m, sizeof(text) - (size_t)m, "|%.*s=%.*s",
                      RP_STR_ARG(r.fields[i].name),
                      RP_STR_ARG(r.fields[i].value));
    return text;
}

static const struct {
    const char *input, *want, *why;
} table[] = {
    {OK "\r\n", "19 1.1 200 [OK] -1 keep", "no fields"},
    {OK "A: b\r\nC:  d e \t\r\n\r\nrest", "36 1.1 200 [OK] -1 keep|A=b|C=d e",
     "what follows is left alone"},
    {"HTTP/1.1 200\r\n\r\n", "16 1.1 200 [] -1 keep",
     "no reason, and no space: many write it so"},
    {"HTTP/1.1 204 \r\n\r\n", "17 1.1 204 [] -1 keep", "an empty reason"},
    {"HTTP/1.0 200 OK\r\n\r\n", "19 1.0 200 [OK] -1", "1.0 closes"},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
     "43 1.0 200 [OK] -1 keep|Connection=keep-alive", "unless it says not"},
    {OK "Connection: x, Close\r\n\r\n",
     "41 1.1 200 [OK] -1|Connection=x, Close", "in any case, in a list"},
    {OK "Content-Length: 5\r\n\r\n", "38 1.1 200 [OK] 5 keep|Content-Length=5",
     "a length"},
    {OK "Transfer-Encoding: Chunked\r\n\r\n",
     "47 1.1 200 [OK] -1 chunked keep|Transfer-Encoding=Chunked", "chunked"},
    {"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
     "47 1.1 204 [No] -1 chunked|Transfer-Encoding=chunked",
     "there may be chunks or not: never used again"},
    {"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n",
     "38 1.1 204 [No] 5|Content-Length=5", "the same with a length"},
    {"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n",
     "38 1.1 204 [No] 0 keep|Content-Length=0", "many say so"},
    {"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n",
     "38 1.1 304 [No] 5 keep|Content-Length=5", "the length of a 200"},
    {"HTTP/1.1 101 S\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n",
     "59 1.1 101 [S] -1 keep ws|Upgrade=WebSocket|Connection=Upgrade",
     "an upgrade"},
    {"HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
     "53 1.1 101 [S] -1 keep|Upgrade=h2c|Connection=Upgrade", "to another"},
    {OK "X: \xe4\r\n\r\n", "25 1.1 200 [OK] -1 keep|X=\xe4", "obs-text"},
    {OK "Content-Lengths: 3\r\nTransfer-Encodings: x\r\n\r\n",
     "62 1.1 200 [OK] -1 keep|Content-Lengths=3|Transfer-Encodings=x",
     "names that only begin like those that frame"},
    {OK "X-Empty:\r\n\r\n", "29 1.1 200 [OK] -1 keep|X-Empty=", "no value"},
    {"", "more", "nothing"},
    {OK "A: b\r\n", "more", "no end"},

    {"HTTP/1.1 200 OK\n\n", "CR or LF out of place", "bare LF"},
    {OK "A: b\nC: d\r\n\r\n", "CR or LF out of place", "bare LF in fields"},
    {OK "A: b\rC: d\r\n\r\n", "control byte in the head", "bare CR"},
    {OK "A: b\0c\r\n\r\n", "control byte in the head", "NUL"},
    {OK "A: b\r\n c\r\n\r\n", "folded field line", "RFC 9112 5.2"},
    {OK " A: b\r\n\r\n", "folded field line", "in front of the first"},
    {OK "A b\r\n\r\n", "malformed field line", "no colon"},
    {OK "A : b\r\n\r\n", "malformed field line", "a space before it"},
    {OK ": b\r\n\r\n", "malformed field line", "no name"},
    {"\r\n" OK "\r\n", "malformed status line", "an empty line in front"},
    {"hello", "malformed status line", "another protocol"},
    {"HTTP/2.0 200 OK\r\n\r\n", "HTTP version not supported", "2.0"},
    {"HTTP/1.2 200 OK\r\n\r\n", "HTTP version not supported", "1.2"},
    {"HTTP/1.10 200 OK\r\n\r\n", "malformed status line", "two digits"},
    {"HTTP/1.1  200 OK\r\n\r\n", "malformed status line", "two spaces"},
    {"HTTP/1.1 20 OK\r\n\r\n", "malformed status line", "two digits"},
    {"HTTP/1.1 2000 OK\r\n\r\n", "malformed status line", "four digits"},
    {"HTTP/1.1 200OK\r\n\r\n", "malformed status line", "no space"},
    {"HTTP/1.1 099 OK\r\n\r\n", "malformed status line", "below 100"},
    {"HTTP/1.1 600 OK\r\n\r\n", "malformed status line", "no such class"},
    {"HTTP/1.1 200 O\x01K\r\n\r\n", "malformed status line", "a control byte"},
    {OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
     "malformed or repeated Content-Length", "twice, though the same"},
    {OK "Content-Length: 5, 5\r\n\r\n", "malformed or repeated Content-Length",
     "a list"},
    {OK "Content-Length: +5\r\n\r\n", "malformed or repeated Content-Length",
     "a sign"},
    {OK "Content-Length: 05\r\n\r\n", "malformed or repeated Content-Length",
     "octal to some"},
    {OK "Content-Length: \r\n\r\n", "malformed or repeated Content-Length",
     "nothing"},
    {OK "Content-Length: 99999999999999999999\r\n\r\n",
     "malformed or repeated Content-Length", "too large"},
    {OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
     "Content-Length with Transfer-Encoding", "two framings"},
    {OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
     "Content-Length with Transfer-Encoding", "the other way"},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "unknown transfer coding",
     "a coding that we do not take off"},
    {OK "Transfer-Encoding: identity\r\n\r\n", "unknown transfer coding",
     "abolished"},
    {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     "a field that may stand once stands twice", "chunked twice"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     "malformed Transfer-Encoding", "not in 1.0"},
};

START_TEST(heads_are_read_alike_at_any_cut)
{
    const char *p = table[_i].input;
    size_t n = strlen(p);

    if (strcmp(table[_i].why, "NUL") == 0)
        n = sizeof(OK "A: b\0c\r\n\r\n") - 1;
    for (size_t cut = 0; cut <= n + 1; cut++) {
        /* The last: byte by byte. */
        const char *got =
            cut == n + 1 ? parse(p, n, 1, 1) : parse(p, n, cut, n);
        ck_assert_msg(strcmp(got, table[_i].want) == 0, "%s, cut at %zu: %s",
                      table[_i].why, cut, got);
    }
}
END_TEST

START_TEST(a_head_has_limits)
{
    size_t n = RP_MAX_REPLY_HEAD + 8;
    char *p = malloc(n);

    memset(p, 'a', n);
    memcpy(p, OK "A: ", sizeof(OK "A: ") - 1);
    ck_assert_str_eq(parse(p, n, n, n), "head too large");
    ck_assert_str_eq(parse(p, n, 1, 4096), "head too large");
    memcpy(p + RP_MAX_REPLY_HEAD - 4, "\r\n\r\n", 4);
    ck_assert_int_eq(atoi(parse(p, n, n, n)), RP_MAX_REPLY_HEAD);
    free(p);
}
END_TEST

START_TEST(fields_have_a_limit)
{
    char p[RP_MAX_REPLY_FIELDS * 8 + 64];
    int n = snprintf(p, sizeof(p), "%s", OK);

    for (int i = 0; i < RP_MAX_REPLY_FIELDS; i++)
        n += snprintf(p + n, sizeof(p) - (size_t)n, "A: b\r\n");
    snprintf(p + n, sizeof(p) - (size_t)n, "\r\n");
    ck_assert_int_eq(atoi(parse(p, (size_t)n + 2, 7, 100)), n + 2);
    n += snprintf(p + n, sizeof(p) - (size_t)n, "A: b\r\n\r\n");
    ck_assert_str_eq(parse(p, (size_t)n, 7, 100), "head too large");
}
END_TEST

START_TEST(which_answers_have_content)
{
    static const struct {
        int status;
        enum rp_method method;
        int64_t length;
        bool chunked, want;
    } t[] = {
        {200, RP_METHOD_GET, -1, false, true},
        {200, RP_METHOD_GET, 5, false, true},
        {200, RP_METHOD_GET, 0, false, false},
        {200, RP_METHOD_POST, -1, true, true},
        {200, RP_METHOD_HEAD, 5, false, false},
        {200, RP_METHOD_HEAD, -1, true, false},
        {204, RP_METHOD_GET, 5, false, false},
        {304, RP_METHOD_GET, 5, false, false},
        {404, RP_METHOD_GET, -1, true, true},
    };

    for (size_t i = 0; i < COUNT(t); i++) {
        struct rp_reply r = {.status = t[i].status,
                             .content_length = t[i].length,
                             .chunked = t[i].chunked};
        int64_t length;

        ck_assert_msg(rp_reply_has_content(&r, t[i].method, &length) ==
                          t[i].want,
                      "row %zu", i);
        ck_assert_int_eq(length, t[i].length);
    }
}
END_TEST

START_TEST(content_until_the_end_is_never_done)
{
    struct rp_content c;
    struct rp_str data;

    rp_content_init_reply(&c, false, -1);
    ck_assert_int_eq(rp_content_feed(&c, "abc", 3, &data), 3);
    ck_assert_uint_eq(data.n, 3);
    ck_assert(!rp_content_is_done(&c));
    rp_content_init_reply(&c, false, 2);
    ck_assert_int_eq(rp_content_feed(&c, "abc", 3, &data), 2);
    ck_assert(rp_content_is_done(&c));
    rp_content_init_reply(&c, false, 0);
    ck_assert(rp_content_is_done(&c));
    rp_content_init_reply(&c, true, -1);
    ck_assert(!rp_content_is_done(&c));
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("reply");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, heads_are_read_alike_at_any_cut, 0, COUNT(table));
    tcase_add_test(t, a_head_has_limits);
    tcase_add_test(t, fields_have_a_limit);
    tcase_add_test(t, which_answers_have_content);
    tcase_add_test(t, content_until_the_end_is_never_done);
    return run_tests("reply", t);
}
