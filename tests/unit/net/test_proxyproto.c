/* PROXY headers: what they say, in one piece, cut anywhere, cut short. */
#include <check.h>
#include <stdio.h>

#include "guard.h"
#include "run.h"
#include "rupy/net/proxyproto.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define S(lit) (lit), sizeof(lit) - 1
#define TEN "xxxxxxxxxx"
#define V4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb"
#define V6                                                                     \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"                                 \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"                                         \
    "\xff\xff\0\x50"
/* A family whose addresses take 216 bytes. */
#define N216 N54 N54 N54 N54
#define N54 TEN TEN TEN TEN TEN "xxxx"

#define V1 RP_PROXYPROTO_V1
#define V2 RP_PROXYPROTO_V2
#define AUTO RP_PROXYPROTO_AUTO

static const struct {
    enum rp_proxyproto_mode mode;
    const char *p;
    size_t n;
    int rc;           /* 0: all of n; else the error */
    const char *want; /* "" without addresses */
} cases[] = {
    {V1, S("PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n"), 0,
     "192.0.2.1:12345 198.51.100.2:443"},
    {AUTO, S("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n"), 0,
     "2001:db8::1:65535 ::1:0"},
    {V1, S("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), 0, "192.0.2.1:1 ::1:2"},
    {V1, S("PROXY UNKNOWN\r\n"), 0, ""},
    {V1, S("PROXY UNKNOWN what ever \x01 1 2\r\n"), 0, ""},
    {V1,
     S("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535 " TEN TEN TEN
       "xxxxxxxx\r\n"),
     0, ""},
    {V1, S("PROXY UNKNOWN " TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "\r\n"),
     RP_PROXYPROTO_TOO_LONG, NULL},
    {V1, S("GET / HTTP/1.1\r\n"), RP_PROXYPROTO_NONE, NULL},
    {V1, S("proxy TCP4"), RP_PROXYPROTO_NONE, NULL},
    {V1, S("PROXX"), RP_PROXYPROTO_NONE, NULL},
    {V1, S("PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n"),
     RP_PROXYPROTO_BAD_FAMILY, NULL},
    {V1, S("PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n"),
     RP_PROXYPROTO_BAD_ADDRESS, NULL},
    {V1, S("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n"),
     RP_PROXYPROTO_BAD_ADDRESS, NULL},
    {V1, S("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n"), RP_PROXYPROTO_BAD_LINE,
     NULL},
    {V1, S("PROXY TCP4\r\n"), RP_PROXYPROTO_BAD_LINE, NULL},
    {V1, S("PROXY \r\n"), RP_PROXYPROTO_BAD_LINE, NULL},
    {V1, S("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n"),
     RP_PROXYPROTO_BAD_FAMILY, NULL},
    {V1, S("PROXY UNKNOWNX\r\n"), RP_PROXYPROTO_BAD_LINE, NULL},
    {V1, S("PROXY TCP4 ::1 ::1 1 2\r\n"), RP_PROXYPROTO_BAD_ADDRESS, NULL},
    {V1, S("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), RP_PROXYPROTO_BAD_ADDRESS,
     NULL},
    {V1, S("PROXY TCP4 192.0.2.1 host 1 2\r\n"), RP_PROXYPROTO_BAD_ADDRESS,
     NULL},
    {V1, S("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"),
     RP_PROXYPROTO_BAD_ADDRESS, NULL},
    {V1, S("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"),
     RP_PROXYPROTO_BAD_ADDRESS, NULL},
    {V1, S("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n"),
     RP_PROXYPROTO_BAD_ADDRESS, NULL},
    {V1, S("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"), RP_PROXYPROTO_BAD_LINE,
     NULL},
    {V1, S("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rx"), RP_PROXYPROTO_BAD_LINE,
     NULL},
    {V1, S(SIG "\x21\x11\0\x0c" V4), RP_PROXYPROTO_NONE, NULL},
    {V2, S(SIG "\x21\x11\0\x0c" V4), 0, "192.0.2.1:12345 198.51.100.2:443"},
    {AUTO, S(SIG "\x21\x21\0\x24" V6), 0, "2001:db8::1:65535 ::1:80"},
    {V2, S(SIG "\x21\x11\0\x13" V4 "\x04\0\x04" TEN), -1, NULL},
    {V2,
     S(SIG "\x21\x11\0\x13" V4 "\x04\0\x04"
           "abcd"),
     0, "192.0.2.1:12345 198.51.100.2:443"},
    {V2, S(SIG "\x20\0\0\0"), 0, ""},
    {V2, S(SIG "\x20\xff\0\x01x"), 0, ""},
    {V2, S(SIG "\x20\x11\0\0"), 0, ""},
    {V2, S(SIG "\x21\0\0\x03tlv"), 0, ""},
    {V2, S(SIG "\x21\x12\0\x0c" V4), 0, ""},
    {V2, S(SIG "\x21\x31\0\xd8" N216), 0, ""},
    {V2, S(SIG "\x21\x11\0\x0b"), RP_PROXYPROTO_BAD_ADDRESS, NULL},
    {V2, S(SIG "\x21\x21\0\x23"), RP_PROXYPROTO_BAD_ADDRESS, NULL},
    {V2, S(SIG "\x21\x13\0\x0c"), RP_PROXYPROTO_BAD_FAMILY, NULL},
    {V2, S(SIG "\x21\x41\0\x0c"), RP_PROXYPROTO_BAD_FAMILY, NULL},
    {V2, S(SIG "\x22\x11\0\x0c"), RP_PROXYPROTO_BAD_VERSION, NULL},
    {V2, S(SIG "\x11\x11\0\x0c"), RP_PROXYPROTO_BAD_VERSION, NULL},
    {V2, S(SIG "\x21\x11\x02\x09"), RP_PROXYPROTO_TOO_LONG, NULL},
    {V2, S("\r\n\r\n\0\r\nQUIX"), RP_PROXYPROTO_NONE, NULL},
    {V2, S("PROXY UNKNOWN\r\n"), RP_PROXYPROTO_NONE, NULL},
    {V2, S("\r\n\r\nGET"), RP_PROXYPROTO_NONE, NULL},
};

static void
render(const struct rp_proxyproto *h, char out[200])
{
    char client[RP_ADDR_TEXT], server[RP_ADDR_TEXT];

    out[0] = '\0';
    if (!h->has_address)
        return;
    rp_addr_format(&h->client, client);
    rp_addr_format(&h->server, server);
    snprintf(out, 200, "%s:%u %s:%u", client, h->client_port, server,
             h->server_port);
}

/* Bytes behind a header are HTTP's, and every shorter beginning of it asks
 * for more or fails as the whole does; no byte behind it is looked at. */
START_TEST(a_header_says_the_same_however_it_is_cut)
{
    enum rp_proxyproto_mode mode = cases[_i].mode;
    size_t n = cases[_i].n;
    struct rp_proxyproto h;
    char text[200], with_more[700];
    struct guard g;
    bool decided = false;

    if (cases[_i].rc == -1)
        n -= sizeof(TEN) - 1 - 4; /* the header ends inside of TEN */
    guard_init(&g, sizeof(with_more));
    for (size_t k = 0; k <= n; k++) {
        int rc =
            rp_proxyproto_parse(mode, guard_set(&g, cases[_i].p, k), k, &h);

        if (cases[_i].rc < -1) {
            ck_assert(rc == cases[_i].rc || (rc == 0 && !decided));
            decided |= rc != 0;
            ck_assert(k < n || decided);
        } else {
            ck_assert_int_eq(rc, k < n ? 0 : (int)n);
        }
    }
    if (cases[_i].rc == 0) {
        render(&h, text);
        ck_assert_str_eq(text, cases[_i].want);
        memcpy(with_more, cases[_i].p, n);
        memcpy(with_more + n, "GET / HTTP/1.1\r\n", 16);
        ck_assert_int_eq(rp_proxyproto_parse(mode,
                                             guard_set(&g, with_more, n + 16),
                                             n + 16, &h),
                         (int)n);
    }
    guard_fini(&g);
}
END_TEST

START_TEST(the_longest_headers_are_taken_and_no_byte_more)
{
    static char v1[RP_PROXYPROTO_V1_MAX + 1], v2[RP_PROXYPROTO_V2_MAX + 1];
    const size_t v2_len = RP_PROXYPROTO_V2_MAX - 16;
    struct rp_proxyproto h;

    memset(v1, 'x', sizeof(v1));
    memcpy(v1, "PROXY UNKNOWN ", 14);
    ck_assert_int_eq(rp_proxyproto_parse(V1, v1, RP_PROXYPROTO_V1_MAX - 1, &h),
                     0);
    ck_assert_int_eq(rp_proxyproto_parse(V1, v1, RP_PROXYPROTO_V1_MAX, &h),
                     RP_PROXYPROTO_TOO_LONG);
    memcpy(v1 + RP_PROXYPROTO_V1_MAX - 1, "\r\n", 2);
    ck_assert_int_eq(rp_proxyproto_parse(V1, v1, sizeof(v1), &h),
                     RP_PROXYPROTO_TOO_LONG);
    memcpy(v1 + RP_PROXYPROTO_V1_MAX - 2, "\r\n", 2);
    ck_assert_int_eq(rp_proxyproto_parse(V1, v1, sizeof(v1), &h),
                     RP_PROXYPROTO_V1_MAX);

    memcpy(v2, SIG "\x21\0", 14);
    v2[14] = (char)(v2_len >> 8);
    v2[15] = (char)v2_len;
    ck_assert_int_eq(rp_proxyproto_parse(V2, v2, sizeof(v2), &h),
                     RP_PROXYPROTO_V2_MAX);
    v2[15]++;
    ck_assert_int_eq(rp_proxyproto_parse(V2, v2, 16, &h),
                     RP_PROXYPROTO_TOO_LONG);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, a_header_says_the_same_however_it_is_cut, 0,
                        (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(t, the_longest_headers_are_taken_and_no_byte_more);
    return run_tests("net/proxyproto", t);
}
