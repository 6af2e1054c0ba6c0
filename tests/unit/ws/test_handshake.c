/* The opening handshake: who is let in, and what the answer says. */
#include <check.h>
#include <stdio.h>

#include "../guard.h"
#include "run.h"
#include "rupy/ws/handshake.h"
#include "rupy/ws/offer.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UP "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define START "GET /chat HTTP/1.1\r\nHost: a\r\n"
#define OFFER "Sec-WebSocket-Extensions: "
#define PROTO "Sec-WebSocket-Protocol: "

/* Parsed from memory that ends before a page nobody may touch. */
static struct rp_request request;
static struct rp_field fields[32];
static struct rp_parser parser;
static struct guard guard;

static void
set_up(void)
{
    guard_init(&guard, 8192);
    rp_parser_init(&parser, NULL);
}

static void
tear_down(void)
{
    rp_parser_fini(&parser);
    guard_fini(&guard);
}

static void
parse(const char *start, const char *more)
{
    struct rp_limits lim = RP_LIMITS_DEFAULT;
    char head[4096];
    int n;

    lim.request_fields = COUNT(fields);
    n = snprintf(head, sizeof(head), "%s%s\r\n", start, more);
    ck_assert_int_lt(n, (int)sizeof(head));
    n = rp_parser_head(&parser, &lim, guard_set(&guard, head, (size_t)n),
                       (size_t)n, fields, &request);
    ck_assert_int_gt(n, 0);
}

static const struct {
    const char *start, *more;
    int want;
    const char *why;
} handshakes[] = {
    {START UP, KEY VERSION, 0, "the RFC's own"},
    {START,
     "upgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n"
     "sec-websocket-version: 13\r\n"
     "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
     0, "any case"},
    {START UP, KEY VERSION "Content-Length: 0\r\n", 0, "a length of nothing"},
    {START, KEY VERSION, RP_WS_NO_UPGRADE, "no Upgrade"},
    {"POST / HTTP/1.1\r\nHost: a\r\n" UP, KEY VERSION, RP_WS_NO_UPGRADE,
     "no GET"},
    {"GET / HTTP/1.0\r\nHost: a\r\n" UP, KEY VERSION, RP_WS_NO_UPGRADE,
     "HTTP/1.0"},
    {START UP, KEY, RP_WS_BAD_VERSION, "no version"},
    {START UP, KEY "Sec-WebSocket-Version: 8\r\n", RP_WS_BAD_VERSION, "8"},
    {START UP, KEY "Sec-WebSocket-Version: 013\r\n", RP_WS_BAD_VERSION, "013"},
    {START UP, KEY VERSION VERSION, RP_WS_BAD_VERSION, "twice"},
    {START UP, KEY "Sec-WebSocket-Version: 13, 8\r\n", RP_WS_BAD_VERSION,
     "two of them"},
    {START UP, VERSION, RP_WS_BAD_KEY, "no key"},
    {START UP, KEY KEY VERSION, RP_WS_BAD_KEY, "two keys"},
    {START UP, VERSION "Sec-WebSocket-Key:\r\n", RP_WS_BAD_KEY, "empty"},
    {START UP, VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n",
     RP_WS_BAD_KEY, "15 bytes"},
    {START UP, VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=\r\n",
     RP_WS_BAD_KEY, "17 bytes"},
    {START UP, VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n",
     RP_WS_BAD_KEY, "no padding"},
    {START UP, VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n",
     RP_WS_BAD_KEY, "unused bits are set"},
    {START UP, VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2*jZQ==\r\n",
     RP_WS_BAD_KEY, "no base64"},
    {START UP, KEY VERSION "Content-Length: 1\r\n", RP_WS_NO_UPGRADE,
     "content would stand before the first frame"},
    {START UP, KEY VERSION "Transfer-Encoding: chunked\r\n", RP_WS_NO_UPGRADE,
     "chunks"},
    {START UP, KEY VERSION PROTO "chat, super chat\r\n", RP_WS_BAD_OFFER,
     "a subprotocol that is no token"},
};

START_TEST(handshakes_are_judged)
{
    struct rp_ws_handshake h;
    int got;

    parse(handshakes[_i].start, handshakes[_i].more);
    got = rp_ws_handshake_check(&request, NULL, &h);
    ck_assert_msg(got == handshakes[_i].want, "%s: %d", handshakes[_i].why,
                  got);
    ck_assert(!h.deflate.on);
}
END_TEST

START_TEST(a_refusal_says_how_to_do_better)
{
    struct rp_field v[2];

    ck_assert_int_eq(rp_ws_handshake_err_status(RP_WS_BAD_KEY), 400);
    ck_assert_uint_eq(rp_ws_handshake_err_fields(RP_WS_BAD_KEY, v), 0);
    ck_assert_int_eq(rp_ws_handshake_err_status(RP_WS_BAD_VERSION), 426);
    ck_assert_uint_eq(rp_ws_handshake_err_fields(RP_WS_BAD_VERSION, v), 2);
    ck_assert(rp_str_eq(v[0].name, RP_STR("sec-websocket-version")));
    ck_assert(rp_str_eq(v[0].value, RP_STR("13")));
    ck_assert_str_ne(rp_ws_handshake_err_text(RP_WS_BAD_FIELD),
                     "unknown error");
}
END_TEST

#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define SWITCH                                                                 \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"               \
    "Connection: Upgrade\r\n" ACCEPT

static const struct {
    struct rp_field field;
    const char *subprotocol;
    int err;
    const char *want;
} answers[] = {
    {{{NULL, 0}, {NULL, 0}}, "", 0, SWITCH "\r\n"},
    {{{NULL, 0}, {NULL, 0}},
     "chat.v2",
     0,
     SWITCH "Sec-WebSocket-Protocol: chat.v2\r\n\r\n"},
    {{{NULL, 0}, {NULL, 0}}, "a\r\nb", RP_WS_BAD_SUBPROTOCOL, ""},
    {{{"set-cookie", 10}, {"a=b", 3}}, "", 0, SWITCH "set-cookie: a=b\r\n\r\n"},
    {{{"Connection", 10}, {"close", 5}}, "", 0, SWITCH "\r\n"},
    {{{"content-length", 14}, {"5", 1}}, "", 0, SWITCH "\r\n"},
    {{{"x", 1}, {"a\r\nb: c", 7}}, "", RP_WS_BAD_FIELD, ""},
    {{{"x y", 3}, {"a", 1}}, "", RP_WS_BAD_FIELD, ""},
    {{{"Sec-WebSocket-Protocol", 22}, {"chat", 4}}, "", RP_WS_BAD_FIELD, ""},
    {{{"sec-websocket-extensions", 24}, {"x", 1}}, "", RP_WS_BAD_FIELD, ""},
    {{{"sec-websocket-accept", 20}, {"x", 1}}, "", RP_WS_BAD_FIELD, ""},
};

START_TEST(the_answer_is_ours_and_the_fields_the_applications)
{
    struct rp_response_consts c;
    struct rp_ws_handshake h;
    struct rp_buf out;
    struct rp_str sub = {answers[_i].subprotocol,
                         strlen(answers[_i].subprotocol)};

    parse(START UP, KEY VERSION);
    ck_assert_int_eq(rp_ws_handshake_check(&request, NULL, &h), 0);
    rp_response_consts_init(&c, false, NULL);
    rp_buf_init(&out, 0);
    ck_assert_int_eq(rp_ws_handshake_write(&out, &h, &c, sub,
                                           &answers[_i].field,
                                           answers[_i].field.name.n > 0),
                     answers[_i].err);
    ck_assert_msg(
        out.n == strlen(answers[_i].want) &&
            (out.n == 0 || memcmp(out.p, answers[_i].want, out.n) == 0),
        "%.*s", (int)out.n, out.p);
    rp_buf_fini(&out);
    /* Out of memory: nothing is left half written. */
    rp_buf_init(&out, 3 * strlen(KEY) + 100);
    ck_assert_int_eq(rp_buf_add(&out, KEY KEY KEY, 3 * strlen(KEY)), 0);
    if (answers[_i].err == 0)
        ck_assert_int_eq(rp_ws_handshake_write(&out, &h, &c, sub, NULL, 0), -1);
    ck_assert_uint_eq(out.n, 3 * strlen(KEY));
    rp_buf_fini(&out);
}
END_TEST

START_TEST(subprotocols_are_walked_in_order_over_all_lines)
{
    static const char *const want[] = {"a", "b", "c", "D"};
    struct rp_ws_offers at = {0};
    struct rp_str name;
    size_t n = 0;

    parse(START UP,
          KEY VERSION PROTO "a, b ,,\r\nX: y\r\n" PROTO "c\r\n" PROTO "D\r\n");
    while (rp_ws_subprotocol_next(&request, &at, &name)) {
        ck_assert_uint_lt(n, COUNT(want));
        ck_assert(rp_str_eq(name, (struct rp_str){want[n], 1}));
        n++;
    }
    ck_assert_uint_eq(n, COUNT(want));
    ck_assert(rp_ws_subprotocol_is_offered(&request, RP_STR("c")));
    ck_assert(!rp_ws_subprotocol_is_offered(&request, RP_STR("d")));
    ck_assert(!rp_ws_subprotocol_is_offered(&request, RP_STR("")));
}
END_TEST

#define PMD "permessage-deflate"

/* With windows of 12 bits on our side; want NULL: declined. */
static const struct {
    const char *offer, *want;
} offers[] = {
    {PMD, PMD},
    {"PerMessage-Deflate", PMD},
    {PMD "; client_max_window_bits", PMD "; client_max_window_bits=12"},
    {PMD "; client_max_window_bits=10", PMD "; client_max_window_bits=10"},
    {PMD ";client_max_window_bits=\"15\"", PMD "; client_max_window_bits=12"},
    {PMD "; client_max_window_bits=8", PMD "; client_max_window_bits=8"},
    {PMD "; server_max_window_bits=10", PMD "; server_max_window_bits=10"},
    {PMD "; server_max_window_bits=15", PMD "; server_max_window_bits=12"},
    {PMD "; server_no_context_takeover", PMD "; server_no_context_takeover"},
    {PMD "; client_no_context_takeover", PMD "; client_no_context_takeover"},
    {PMD " ; server_no_context_takeover ;\tclient_max_window_bits = 9",
     PMD "; server_no_context_takeover; client_max_window_bits=9"},
    {PMD "; server_max_window_bits=8, " PMD, PMD},
    {PMD "; server_max_window_bits=8", NULL},
    {PMD "; foo, " PMD "; server_max_window_bits=11",
     PMD "; server_max_window_bits=11"},
    {"x-webkit-deflate-frame, " PMD, PMD},
    {"a; b=\"c\"; d, ,, " PMD, PMD},
    {PMD "\r\n" OFFER PMD "; server_max_window_bits=11", PMD},
    {"bbf-usp-protocol\r\n" OFFER PMD, PMD},
    {"", NULL},
    {"permessage-deflat", NULL},
    {PMD "; unknown", NULL},
    {PMD "; server_no_context_takeover=1", NULL},
    {PMD "; server_no_context_takeover; server_no_context_takeover", NULL},
    {PMD "; client_max_window_bits; client_max_window_bits=10", NULL},
    {PMD "; server_max_window_bits", NULL},
    {PMD "; server_max_window_bits=7", NULL},
    {PMD "; server_max_window_bits=16", NULL},
    {PMD "; server_max_window_bits=012", NULL},
    {PMD "; server_max_window_bits=1e1", NULL},
    {PMD "; server_max_window_bits=10; server_max_window_bits=10", NULL},
    {PMD "; client_max_window_bits=7", NULL},
    {PMD "; client_max_window_bits=", NULL},
    {PMD "; client_max_window_bits=\"10", NULL},
    {PMD "; client_max_window_bits=\"1\\0\"", NULL},
    {PMD ";", NULL},
    {PMD " x", NULL},
    {"; " PMD, NULL},
    {"=, " PMD, NULL},
};

START_TEST(offers_of_compression_are_taken_or_declined)
{
    struct rp_ws_deflate_options o = RP_WS_DEFLATE_DEFAULT;
    struct rp_ws_handshake h;
    struct rp_buf out;
    char more[1024];

    snprintf(more, sizeof(more), VERSION KEY OFFER "%s\r\n", offers[_i].offer);
    parse(START UP, more);
    ck_assert_int_eq(rp_ws_handshake_check(&request, &o, &h), 0);
    ck_assert_msg(!h.deflate.on, "it is off");
    o.on = true;
    ck_assert_int_eq(rp_ws_handshake_check(&request, &o, &h), 0);
    ck_assert_msg(h.deflate.on == (offers[_i].want != NULL), "%s",
                  offers[_i].offer);
    if (!h.deflate.on)
        return;
    rp_buf_init(&out, 0);
    ck_assert_int_eq(rp_ws_offer_write(&out, &h.deflate), 0);
    ck_assert_msg(out.n == strlen(offers[_i].want) &&
                      memcmp(out.p, offers[_i].want, out.n) == 0,
                  "%s: %.*s", offers[_i].offer, (int)out.n, out.p);
    rp_buf_fini(&out);
}
END_TEST

START_TEST(an_offer_is_read_to_its_end_and_no_further)
{
    struct rp_ws_deflate_options o = RP_WS_DEFLATE_DEFAULT;
    struct rp_ws_deflate_params p;

    for (size_t i = 0; i < COUNT(offers); i++) {
        size_t n = strlen(offers[i].offer);

        for (size_t k = 0; k <= n; k++) {
            struct rp_field f = {RP_STR("sec-websocket-extensions"),
                                 {guard_set(&guard, offers[i].offer, k), k}};
            bool got = rp_ws_offer_choose(&f, 1, &o, &p);

            ck_assert_uint_eq(got, p.on);
            ck_assert(!got || (p.server_bits >= 9 && p.server_bits <= 12));
        }
    }
}
END_TEST

START_TEST(the_operator_may_want_no_context_takeover)
{
    struct rp_ws_deflate_options o = RP_WS_DEFLATE_DEFAULT;
    struct rp_ws_handshake h;

    o.on = o.no_context_takeover = true;
    parse(START UP, KEY VERSION OFFER PMD "\r\n");
    ck_assert_int_eq(rp_ws_handshake_check(&request, &o, &h), 0);
    ck_assert(h.deflate.on && h.deflate.server_no_context_takeover &&
              h.deflate.client_no_context_takeover);
    /* Nothing was said of its window: it may be the largest there is. */
    ck_assert_uint_eq(h.deflate.client_bits, 15);
    ck_assert_uint_eq(h.deflate.server_bits, 12);
}
END_TEST

START_TEST(sha1_and_base64_are_right)
{
    static const struct {
        const char *in, *hash;
    } sums[] = {
        {"", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="},
        {"abc", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "hJg+RBw70m66rkqh+VEp5eVGcPE="},
        /* Lengths around what fits into the last block: 55 and 64. */
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "wci73CJ5bijA4VFj0giZtlYh1lo="},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "AJi6gktcFkJ716ESKlpEKiXsZE0="},
    };
    char text[32];
    uint8_t hash[RP_SHA1_SIZE], back[8];

    for (size_t i = 0; i < COUNT(sums); i++) {
        size_t n = strlen(sums[i].in);

        rp_sha1(guard_set(&guard, sums[i].in, n), n, hash);
        rp_base64_encode(hash, sizeof(hash), text);
        ck_assert_msg(memcmp(text, sums[i].hash, 28) == 0, "%s: %.28s",
                      sums[i].in, text);
    }
    for (size_t n = 0; n < 6; n++) {
        size_t k = RP_BASE64_SIZE(n);

        rp_base64_encode("\xff\x00\xfe\x3f\x80", n, text);
        ck_assert_int_eq(rp_base64_decode((struct rp_str){text, k}, back, n),
                         (ssize_t)n);
        ck_assert(memcmp(back, "\xff\x00\xfe\x3f\x80", n) == 0);
        if (n > 0)
            ck_assert_int_eq(
                rp_base64_decode((struct rp_str){text, k}, back, n - 1), -1);
    }
    ck_assert_int_eq(rp_base64_decode(RP_STR("===="), back, 8), -1);
    ck_assert_int_eq(rp_base64_decode(RP_STR("A==="), back, 8), -1);
    ck_assert_int_eq(rp_base64_decode(RP_STR("AA=A"), back, 8), -1);
    ck_assert_int_eq(rp_base64_decode(RP_STR("AA\0="), back, 8), -1);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, handshakes_are_judged, 0, (int)COUNT(handshakes));
    tcase_add_test(t, a_refusal_says_how_to_do_better);
    tcase_add_loop_test(t, the_answer_is_ours_and_the_fields_the_applications,
                        0, (int)COUNT(answers));
    tcase_add_test(t, subprotocols_are_walked_in_order_over_all_lines);
    tcase_add_loop_test(t, offers_of_compression_are_taken_or_declined, 0,
                        (int)COUNT(offers));
    tcase_add_test(t, an_offer_is_read_to_its_end_and_no_further);
    tcase_add_test(t, the_operator_may_want_no_context_takeover);
    tcase_add_test(t, sha1_and_base64_are_right);
    return run_tests("ws/handshake", t);
}
