/* Messages: what comes of the frames of a client, at any cut.  The tables
 * follow the sections of the Autobahn test suite. */
#include <check.h>
#include <stdio.h>

#include "../guard.h"
#include "../wsclient.h"
#include "run.h"
#include "rupy/ws/message.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define S(lit) lit, sizeof(lit) - 1
#define X16 "xxxxxxxxxxxxxxxx"
#define X125 X16 X16 X16 X16 X16 X16 X16 "xxxxxxxxxxxxx"
#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

enum { CONT = 0, TEXT = 1, BIN = 2, CLOSE = 8, PING = 9, PONG = 10 };

static struct guard guard;

static void
set_up(void)
{
    guard_init(&guard, 1 << 20);
}

static void
tear_down(void)
{
    guard_fini(&guard);
}

/* What came of it: T(text) B(binary) P(ping) O(pong) C1000(reason) !1002 */

static void
add_event(struct rp_buf *out, const struct rp_ws_message *m)
{
    if (m->opcode == RP_WS_CLOSE)
        rp_buf_addf(out, "C%u(", m->code);
    else
        rp_buf_addf(out, "%c(", "?TB??????PO"[m->opcode]);
    rp_buf_add_str(out, m->data);
    rp_buf_add(out, ")", 1);
}

/* Feed p..p+n up to cut, then in pieces of `step`, each before the guard. */
static void
run(struct rp_buf *out, const struct rp_ws_limits *lim,
    struct rp_ws_deflate *deflate, struct rp_str in, size_t cut, size_t step)
{
    struct rp_ws_reader r;
    size_t done = 0, end = cut;

    rp_buf_reset(out);
    rp_ws_reader_init(&r, lim, deflate);
    while (done < in.n) {
        struct rp_ws_message m;
        const char *p = guard_set(&guard, in.p + done, end - done);
        ssize_t k = rp_ws_reader_feed(&r, p, end - done, &m);

        if (k < 0) {
            rp_buf_addf(out, "!%d", rp_ws_err_code((int)k));
            ck_assert_int_eq(rp_ws_reader_feed(&r, p, end - done, &m), k);
            break;
        }
        done += (size_t)k;
        if (m.opcode != 0)
            add_event(out, &m);
        else if (done != end)
            ck_abort_msg("input was left without an event");
        if (done == end)
            end = end + step < in.n ? end + step : in.n;
    }
    rp_ws_reader_fini(&r);
}

static void
check_run(struct rp_str in, const struct rp_ws_limits *lim,
          const struct rp_ws_deflate_params *params, struct rp_str want,
          const char *why)
{
    struct rp_buf out;

    rp_buf_init(&out, 0);
    for (size_t cut = 0; cut <= in.n + 1; cut++) {
        struct rp_ws_deflate d;
        bool last = cut == in.n + 1;

        if (params != NULL)
            rp_ws_deflate_init(&d, params, &RP_WS_DEFLATE_DEFAULT);
        run(&out, lim, params != NULL ? &d : NULL, in, last ? 0 : cut,
            last ? 1 : in.n);
        if (params != NULL)
            rp_ws_deflate_fini(&d);
        if (!rp_str_eq((struct rp_str){out.p, out.n}, want))
            ck_abort_msg("%s, cut at %zu: %.*s, want %.*s", why, cut,
                         (int)out.n, out.p, RP_STR_ARG(want));
    }
    rp_buf_fini(&out);
}

struct row {
    struct cframe frames[7];
    struct rp_str want;
    const char *why;
};

static void
check_row(const struct row *row, const struct rp_ws_limits *lim,
          const struct rp_ws_deflate_params *params)
{
    struct rp_buf in;

    rp_buf_init(&in, 0);
    for (size_t i = 0; i < 7 && row->frames[i].p != NULL; i++)
        client_frame(&in, row->frames[i].first, row->frames[i].p,
                     row->frames[i].n);
    check_run((struct rp_str){in.p, in.n}, lim, params, row->want, row->why);
    rp_buf_fini(&in);
}

#define W(lit)                                                                 \
    {                                                                          \
        lit, sizeof(lit) - 1                                                   \
    }

static const struct row rows[] = {
    /* 1: framing */
    {{{FIN | TEXT, S("")}}, W("T()"), "1.1.1 empty text"},
    {{{FIN | BIN, S("")}}, W("B()"), "1.2.1 empty binary"},
    {{{FIN | TEXT, S(X125)}}, W("T(" X125 ")"), "1.1.2"},
    {{{FIN | TEXT, S(X125 "x")}}, W("T(" X125 "x)"), "1.1.3"},
    {{{FIN | BIN, S(X125 "\0\xff")}}, W("B(" X125 "\0\xff)"), "1.2.4"},
    /* 2: pings and pongs */
    {{{FIN | PING, S("")}}, W("P()"), "2.1"},
    {{{FIN | PING, S("Hello, world!")}}, W("P(Hello, world!)"), "2.2"},
    {{{FIN | PING, S("\0\xff\xfe")}}, W("P(\0\xff\xfe)"), "2.3 not text"},
    {{{FIN | PING, S(X125)}}, W("P(" X125 ")"), "2.4"},
    {{{FIN | PING, S(X125 "x")}}, W("!1002"), "2.5 126 bytes"},
    {{{FIN | PONG, S("unsolicited")}, {FIN | PING, S("x")}},
     W("O(unsolicited)P(x)"),
     "2.9"},
    {{{FIN | PING, S("1")}, {FIN | PING, S("2")}, {FIN | PING, S("3")}},
     W("P(1)P(2)P(3)"),
     "2.10"},
    /* 3: reserved bits */
    {{{FIN | RSV1 | TEXT, S("x")}}, W("!1002"), "3.1 not agreed on"},
    {{{FIN | TEXT, S("a")}, {FIN | 0x20 | TEXT, S("b")}, {FIN | PING, S("c")}},
     W("T(a)!1002"),
     "3.2"},
    {{{FIN | TEXT, S("a")}, {FIN | 0x10 | PING, S("")}}, W("T(a)!1002"), "3.6"},
    /* 4: opcodes */
    {{{FIN | TEXT, S("a")}, {FIN | 3, S("b")}}, W("T(a)!1002"), "4.1.3"},
    {{{FIN | TEXT, S("a")}, {FIN | 12, S("b")}}, W("T(a)!1002"), "4.2.3"},
    /* 5: fragments */
    {{{PING, S("a")}, {FIN | CONT, S("b")}}, W("!1002"), "5.1"},
    {{{TEXT, S("fragment1")}, {FIN | CONT, S("fragment2")}},
     W("T(fragment1fragment2)"),
     "5.3"},
    {{{TEXT, S("a")}, {FIN | PING, S("p")}, {FIN | CONT, S("b")}},
     W("P(p)T(ab)"),
     "5.6 a ping in between"},
    {{{FIN | CONT, S("a")}, {FIN | TEXT, S("b")}}, W("!1002"), "5.9"},
    {{{CONT, S("a")}}, W("!1002"), "5.12"},
    {{{TEXT, S("a")}, {FIN | CONT, S("b")}, {CONT, S("c")}},
     W("T(ab)!1002"),
     "5.15"},
    {{{CONT, S("a")}, {TEXT, S("b")}, {FIN | CONT, S("c")}},
     W("!1002"),
     "5.16"},
    {{{TEXT, S("a")}, {FIN | TEXT, S("b")}}, W("!1002"), "5.18"},
    {{{TEXT, S("a")}, {FIN | BIN, S("b")}}, W("!1002"), "5.18 another kind"},
    {{{TEXT, S("1")},
      {CONT, S("2")},
      {FIN | PING, S("p")},
      {CONT, S("3")},
      {FIN | PONG, S("q")},
      {FIN | CONT, S("5")},
      {FIN | BIN, S("b")}},
     W("P(p)O(q)T(1235)B(b)"),
     "5.19"},
    {{{TEXT, S("")}, {CONT, S("")}, {FIN | CONT, S("")}}, W("T()"), "6.1.2"},
    {{{TEXT, S("")}, {CONT, S("middle")}, {FIN | CONT, S("")}},
     W("T(middle)"),
     "6.1.3"},
    /* 6: UTF-8 */
    {{{FIN | TEXT, S("Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0"
                     "\xc3\xa1-UTF-8!!")}},
     W("T(Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1"
       "-UTF-8!!)"),
     "6.2.1"},
    {{{TEXT, S("\xce")},
      {CONT, S("\xba\xe1")},
      {CONT, S("\xbd")},
      {FIN | CONT, S("\xb9\xcf\x83")}},
     W("T(\xce\xba\xe1\xbd\xb9\xcf\x83)"),
     "6.2.3 characters over frames"},
    {{{FIN | TEXT, S(KOSME "\xed\xa0\x80"
                           "edited")}},
     W("!1007"),
     "6.3.1"},
    {{{TEXT, S(KOSME)}, {CONT, S("\xf4\x90\x80\x80")}},
     W("!1007"),
     "6.4.1 fails fast: before the last fragment"},
    {{{TEXT, S(KOSME "\xf4")}, {CONT, S("\x90")}}, W("!1007"), "6.4.2"},
    {{{FIN | TEXT, S("\xce")}}, W("!1007"), "6.6.1 cut off"},
    {{{FIN | TEXT, S("\xf4\x8f\xbf\xbf")}}, W("T(\xf4\x8f\xbf\xbf)"), "6.9.4"},
    {{{FIN | TEXT, S("\0")}}, W("T(\0)"), "6.7.1"},
    {{{FIN | TEXT, S("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")}},
     W("T(\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf)"),
     "6.7.2 to 6.9.3: the ends of the ranges"},
    {{{FIN | TEXT, S("\xf0\x90\x80\x80\xed\x9f\xbf\xee\x80\x80")}},
     W("T(\xf0\x90\x80\x80\xed\x9f\xbf\xee\x80\x80)"),
     "6.7.4, 6.11"},
    {{{FIN | TEXT, S("\xf8\x88\x80\x80\x80")}}, W("!1007"), "6.8.1"},
    {{{FIN | TEXT, S("\xfc\x84\x80\x80\x80\x80")}}, W("!1007"), "6.8.2"},
    {{{FIN | TEXT, S("\xf4\x90\x80\x80")}}, W("!1007"), "6.10.2 too high"},
    {{{FIN | TEXT, S("\x80")}}, W("!1007"), "6.12.1"},
    {{{FIN | TEXT, S("\xbf\x80")}}, W("!1007"), "6.12.4"},
    {{{FIN | TEXT, S("\xc0 \xc1 ")}}, W("!1007"), "6.13.1"},
    {{{FIN | TEXT, S("\xe0 \xe1 ")}}, W("!1007"), "6.13.2"},
    {{{FIN | TEXT, S("\xc0\xaf")}}, W("!1007"), "6.15.1 overlong"},
    {{{FIN | TEXT, S("\xe0\x80\xaf")}}, W("!1007"), "6.15.2 overlong"},
    {{{FIN | TEXT, S("\xf0\x80\x80\xaf")}}, W("!1007"), "6.15.3 overlong"},
    {{{FIN | TEXT, S("\xc1\xbf")}}, W("!1007"), "6.17.1"},
    {{{FIN | TEXT, S("\xf0\x8f\xbf\xbf")}}, W("!1007"), "6.17.3"},
    {{{FIN | TEXT, S("\xe0\x80\x80")}}, W("!1007"), "6.18.2"},
    {{{FIN | TEXT, S("\xed\xa0\x80")}}, W("!1007"), "6.20.1 surrogate"},
    {{{FIN | TEXT, S("\xed\xaf\xbf\xed\xbf\xbf")}}, W("!1007"), "6.21.8"},
    {{{FIN | TEXT, S("xxxxxxxxxxxxxxxx\xff")}},
     W("!1007"),
     "behind many good ones"},
    {{{FIN | BIN, S("\xff\xfe")}}, W("B(\xff\xfe)"), "binary may be anything"},
    /* 7: the end */
    {{{FIN | TEXT, S("a")}, {FIN | CLOSE, S("\x03\xe8")}},
     W("T(a)C1000()"),
     "7.1.1"},
    {{{FIN | CLOSE, S("")}, {FIN | CLOSE, S("")}}, W("C1005()"), "7.1.2"},
    {{{FIN | CLOSE, S("")}, {FIN | PING, S("")}}, W("C1005()"), "7.1.3"},
    {{{FIN | CLOSE, S("")}, {FIN | TEXT, S("a")}}, W("C1005()"), "7.1.4"},
    {{{TEXT, S("a")}, {FIN | CLOSE, S("")}, {FIN | CONT, S("b")}},
     W("C1005()"),
     "7.1.5"},
    {{{FIN | CLOSE, S("")}, {15, S("b")}},
     W("C1005()"),
     "what follows is not looked at"},
    {{{FIN | CLOSE, S("\x03")}}, W("!1002"), "7.3.2 a code of one byte"},
    {{{FIN | CLOSE, S("\x03\xe8Hello World!")}},
     W("C1000(Hello World!)"),
     "7.3.4"},
    {{{FIN | CLOSE, S("\x03\xe8" X16 X16 X16 X16 X16 X16 X16 "xxxxxxxxxxx")}},
     W("C1000(" X16 X16 X16 X16 X16 X16 X16 "xxxxxxxxxxx)"),
     "7.3.5"},
    {{{FIN | CLOSE, S("\x03\xe8" X125)}}, W("!1002"), "7.3.6"},
    {{{FIN | CLOSE, S("\x03\xe8" KOSME "\xed\xa0\x80")}}, W("!1007"), "7.5.1"},
    {{{FIN | CLOSE, S("\x03\xe8\xce")}}, W("!1007"), "cut off"},
    {{{FIN | CLOSE, S("\x03\xeb")}}, W("C1003()"), "7.7.4"},
    {{{FIN | CLOSE, S("\x03\xf6")}}, W("C1014()"), "bad gateway"},
    {{{FIN | CLOSE, S("\x0b\xb8")}}, W("C3000()"), "7.7.10"},
    {{{FIN | CLOSE, S("\x13\x87")}}, W("C4999()"), "7.7.13"},
    {{{FIN | CLOSE, S("\x00\x00")}}, W("!1002"), "7.9.1"},
    {{{FIN | CLOSE, S("\x03\xe7")}}, W("!1002"), "7.9.2 999"},
    {{{FIN | CLOSE, S("\x03\xec")}}, W("!1002"), "7.9.3 1004"},
    {{{FIN | CLOSE, S("\x03\xed")}}, W("!1002"), "7.9.4 1005"},
    {{{FIN | CLOSE, S("\x03\xee")}}, W("!1002"), "7.9.5 1006"},
    {{{FIN | CLOSE, S("\x03\xf8")}}, W("!1002"), "7.9.7 1016"},
    {{{FIN | CLOSE, S("\x0b\xb7")}}, W("!1002"), "7.9.11 2999"},
    {{{FIN | CLOSE, S("\x13\x88")}}, W("!1002"), "7.13.1 5000"},
};

START_TEST(frames_make_messages_at_any_cut)
{
    struct rp_ws_limits lim = RP_WS_LIMITS_DEFAULT;

    check_row(&rows[_i], &lim, NULL);
}
END_TEST

/* 12 and 13: RFC 7692 7.2.3. */
static const struct row compressed[] = {
    {{{FIN | RSV1 | TEXT, S("\xf2\x48\xcd\xc9\xc9\x07\x00")},
      {FIN | RSV1 | TEXT, S("\xf2\x00\x11\x00\x00")}},
     W("T(Hello)T(Hello)"),
     "the window goes on"},
    {{{RSV1 | TEXT, S("\xf2\x48\xcd")},
      {FIN | PING, S("p")},
      {CONT, S("")},
      {FIN | CONT, S("\xc9\xc9\x07\x00")}},
     W("P(p)T(Hello)"),
     "in fragments"},
    {{{FIN | RSV1 | BIN, S("\x00\x05\x00\xfa\xffHello\x00")}},
     W("B(Hello)"),
     "a block that is not compressed"},
    {{{FIN | RSV1 | TEXT, S("\xf3\x48\xcd\xc9\xc9\x07\x00\x00")},
      {FIN | RSV1 | TEXT, S("\xf2\x00\x11\x00\x00")}},
     W("T(Hello)T(Hello)"),
     "BFINAL ends the stream, not the window"},
    {{{FIN | RSV1 | TEXT,
       S("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")}},
     W("T(Hello)"),
     "two blocks"},
    {{{FIN | RSV1 | TEXT, S("\x00")}, {FIN | TEXT, S("plain")}},
     W("T()T(plain)"),
     "an empty message, and one as it is"},
    {{{FIN | RSV1 | TEXT, S("")}},
     W("!1007"),
     "an empty message has a byte (RFC 7692 7.2.3.6)"},
    {{{RSV1 | TEXT, S("\xf2\x48\xcd")}, {FIN | RSV1 | CONT, S("\xc9\xc9")}},
     W("!1002"),
     "RSV1 on a continuation"},
    {{{FIN | RSV1 | PING, S("\x00")}}, W("!1002"), "RSV1 on a ping"},
    {{{FIN | RSV1 | TEXT, S("\xff\xff\xff")}}, W("!1007"), "not compressed"},
    {{{FIN | RSV1 | TEXT, S("\x00\x05\x00\xfa\xffHe")}},
     W("!1007"),
     "cut short"},
    {{{FIN | RSV1 | TEXT, S("\x00\x02\x00\xfd\xff\xc3\x28\x00")}},
     W("!1007"),
     "what comes out is not UTF-8"},
    {{{RSV1 | TEXT, S("\x00\x02\x00\xfd\xff\xc3\x28\xff\xff")}},
     W("!1007"),
     "said before the rest comes"},
    {{{FIN | RSV1 | TEXT, S("\xf2\x00\x11\x00\x00")}},
     W("!1007"),
     "refers to what never was"},
};

static const struct rp_ws_deflate_params keeps = {
    .on = true, .server_bits = 12, .client_bits = 15};

START_TEST(compressed_frames_make_messages_at_any_cut)
{
    struct rp_ws_limits lim = RP_WS_LIMITS_DEFAULT;

    check_row(&compressed[_i], &lim, &keeps);
}
END_TEST

static const struct row limited[] = {
    {{{FIN | BIN, S("12345678")}}, W("B(12345678)"), "as much as is allowed"},
    {{{FIN | BIN, S("123456789")}}, W("!1009"), "a byte more"},
    {{{BIN, S("12345")}, {FIN | PING, S("ping of 10")}, {CONT, S("6789")}},
     W("P(ping of 10)!1009"),
     "a byte more, assembled"},
    {{{BIN, S("1")}, {CONT, S("2")}, {FIN | CONT, S("3")}},
     W("B(123)"),
     "as many fragments as are allowed"},
    {{{BIN, S("1")}, {CONT, S("")}, {CONT, S("")}, {CONT, S("")}},
     W("!1008"),
     "one more, though empty"},
    {{{FIN | RSV1 | TEXT, S("\x00\x08\x00\xf7\xff"
                            "12345678\x00")}},
     W("T(12345678)"),
     "as much as is allowed, compressed"},
    {{{FIN | RSV1 | TEXT, S("\x00\x09\x00\xf6\xff"
                            "123456789\x00")}},
     W("!1009"),
     "a byte more, compressed"},
};

START_TEST(limits_hold_at_any_cut)
{
    struct rp_ws_limits lim = {.message = 8, .fragments = 3};

    check_row(&limited[_i], &lim, &keeps);
}
END_TEST

START_TEST(a_length_over_the_limit_is_refused_before_memory_is_taken)
{
    static const char head[] =
        "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4";
    struct rp_ws_limits lim = RP_WS_LIMITS_DEFAULT;
    struct rp_ws_reader r;
    struct rp_ws_message m;

    rp_ws_reader_init(&r, &lim, NULL);
    ck_assert_int_eq(rp_ws_reader_feed(&r, head, 14, &m), RP_WS_TOO_BIG);
    ck_assert_uint_eq(r.message.cap, 0);
    rp_ws_reader_fini(&r);
    /* Announced and allowed: still no more than what has come. */
    rp_ws_reader_init(&r, &lim, NULL);
    ck_assert_int_eq(rp_ws_reader_feed(
                         &r, "\x82\xff\0\0\0\0\0\x0f\xff\xff\1\2\3\4x", 15, &m),
                     15);
    ck_assert_uint_le(r.message.cap, 4096);
    rp_ws_reader_fini(&r);
}
END_TEST

START_TEST(a_bomb_does_not_go_off)
{
    struct rp_ws_limits lim = {.message = 100 * 1024, .fragments = 16};
    struct rp_ws_deflate d;
    struct rp_ws_reader r;
    struct rp_ws_message m;
    struct rp_buf bomb, in;
    char *zeros = calloc(1, 8 << 20);
    ssize_t k;

    rp_buf_init(&bomb, 0);
    rp_buf_init(&in, 0);
    rp_ws_deflate_init(&d, &keeps, &RP_WS_DEFLATE_DEFAULT);
    ck_assert_int_eq(rp_ws_deflate(&d, zeros, 8 << 20, &bomb), 0);
    ck_assert_uint_lt(bomb.n, 100 * 1024);
    client_frame(&in, FIN | RSV1 | BIN, bomb.p, bomb.n);
    rp_ws_reader_init(&r, &lim, &d);
    k = rp_ws_reader_feed(&r, in.p, in.n, &m);
    ck_assert_int_eq(k, RP_WS_TOO_BIG);
    ck_assert_uint_le(r.message.cap, lim.message);
    rp_ws_reader_fini(&r);
    rp_ws_deflate_fini(&d);
    rp_buf_fini(&bomb);
    rp_buf_fini(&in);
    free(zeros);
}
END_TEST

START_TEST(blocks_of_nothing_do_not_go_on_for_ever)
{
    static char nothing[2048];
    struct rp_ws_limits lim = {.message = 16, .fragments = 16};
    struct rp_buf in, out;
    struct rp_ws_deflate d;

    rp_buf_init(&in, 0);
    rp_buf_init(&out, 0);
    client_frame(&in, FIN | RSV1 | BIN, nothing, sizeof(nothing));
    rp_ws_deflate_init(&d, &keeps, &RP_WS_DEFLATE_DEFAULT);
    run(&out, &lim, &d, (struct rp_str){in.p, in.n}, in.n, in.n);
    ck_assert(rp_str_eq((struct rp_str){out.p, out.n}, RP_STR("!1009")));
    /* Nor do ends of streams, each of which costs a copy of the window. */
    for (size_t i = 0; i + 1 < sizeof(nothing); i += 2)
        memcpy(nothing + i, "\x03\x00", 2);
    rp_buf_reset(&in);
    client_frame(&in, FIN | RSV1 | BIN, nothing, 1000);
    run(&out, &lim, &d, (struct rp_str){in.p, in.n}, in.n, in.n);
    ck_assert(rp_str_eq((struct rp_str){out.p, out.n}, RP_STR("!1007")));
    rp_ws_deflate_fini(&d);
    rp_buf_fini(&in);
    rp_buf_fini(&out);
}
END_TEST

/* 9 and 12: sizes, kinds, fragments. */
static const size_t sizes[] = {0,    1,     125,   126,    127,    128,
                               4095, 65535, 65536, 262144, 1048576};

START_TEST(a_message_of_every_size_comes_back)
{
    struct rp_ws_limits lim = RP_WS_LIMITS_DEFAULT;
    size_t n = sizes[_i], piece = n / 7 + 1;
    char *text = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        text[i] = (char)("{\"key\": 0123456789}\n"[i % 20] + i / 400 % 3);
    for (int c = 0; c < 2; c++) {
        struct rp_ws_deflate d;
        struct rp_ws_reader r;
        struct rp_ws_message m = {0};
        struct rp_buf server, in;
        size_t head, used = 0;
        unsigned first;

        rp_buf_init(&server, 0);
        rp_buf_init(&in, 0);
        rp_ws_deflate_init(&d, &keeps, &RP_WS_DEFLATE_DEFAULT);
        ck_assert_int_eq(
            rp_ws_message_write(&server, c ? &d : NULL, RP_WS_TEXT, text, n),
            0);
        /* The payload again as a client's, in fragments. */
        first = (uint8_t)server.p[0];
        ck_assert_uint_eq(first & RSV1, c && n >= 512 ? RSV1 : 0);
        ck_assert(!(server.p[1] & 0x80));
        head = server.p[1] == 126 ? 4 : server.p[1] == 127 ? 10 : 2;
        if (first & RSV1)
            ck_assert_uint_lt(server.n, n / 4);
        else
            ck_assert_uint_eq(server.n, head + n);
        for (size_t at = head; at == head || at < server.n; at += piece) {
            size_t k = server.n - at < piece ? server.n - at : piece;
            unsigned fin = at + k == server.n ? FIN : 0;
            client_frame(&in, at == head ? (first & 0x7f) | fin : fin,
                         server.p + at, k);
        }
        rp_ws_reader_init(&r, &lim, &d);
        while (used < in.n) {
            size_t k = in.n - used < 997 ? in.n - used : 997;
            ssize_t got = rp_ws_reader_feed(&r, in.p + used, k, &m);
            ck_assert_int_gt(got, 0);
            used += (size_t)got;
        }
        ck_assert_uint_eq(m.opcode, RP_WS_TEXT);
        ck_assert_uint_eq(m.data.n, n);
        ck_assert(n == 0 || memcmp(m.data.p, text, n) == 0);
        /* What was large is not kept. */
        rp_ws_reader_feed(&r, "\x89", 1, &m);
        ck_assert_uint_le(r.message.cap, 4096);
        rp_ws_reader_fini(&r);
        rp_ws_deflate_fini(&d);
        rp_buf_fini(&server);
        rp_buf_fini(&in);
    }
    free(text);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, frames_make_messages_at_any_cut, 0,
                        (int)COUNT(rows));
    tcase_add_loop_test(t, compressed_frames_make_messages_at_any_cut, 0,
                        (int)COUNT(compressed));
    tcase_add_loop_test(t, limits_hold_at_any_cut, 0, (int)COUNT(limited));
    tcase_add_test(t,
                   a_length_over_the_limit_is_refused_before_memory_is_taken);
    tcase_add_test(t, a_bomb_does_not_go_off);
    tcase_add_test(t, blocks_of_nothing_do_not_go_on_for_ever);
    tcase_add_loop_test(t, a_message_of_every_size_comes_back, 0,
                        (int)COUNT(sizes));
    return run_tests("ws/message", t);
}
