/* Heads of frames: what is taken, what is refused, at any cut; masks. */
#include <check.h>
#include <stdio.h>

#include "../guard.h"
#include "run.h"
#include "rupy/ws/frame.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define S(lit) lit, sizeof(lit) - 1
#define KEY "\x01\x02\x03\x04"

static struct guard guard;

static void
set_up(void)
{
    guard_init(&guard, 4096);
}

static void
tear_down(void)
{
    guard_fini(&guard);
}

static const struct {
    const char *p;
    size_t n;
    unsigned rsv;
    int want; /* the opcode, or why not */
    bool fin;
    uint64_t length;
    const char *why;
} heads[] = {
    {S("\x81\x85" KEY), 0, RP_WS_TEXT, true, 5, "text"},
    {S("\x02\x80" KEY), 0, RP_WS_BINARY, false, 0, "binary, to be continued"},
    {S("\x80\xfd" KEY), 0, RP_WS_CONTINUATION, true, 125, "continuation"},
    {S("\x88\x82" KEY), 0, RP_WS_CLOSE, true, 2, "close"},
    {S("\x89\xfd" KEY), 0, RP_WS_PING, true, 125, "the longest ping"},
    {S("\x8a\x80" KEY), 0, RP_WS_PONG, true, 0, "pong"},
    {S("\x81\xfe\x00\x7e" KEY), 0, RP_WS_TEXT, true, 126, "16 bits"},
    {S("\x81\xfe\xff\xff" KEY), 0, RP_WS_TEXT, true, 65535, "all 16 bits"},
    {S("\x81\xff\0\0\0\0\0\1\0\0" KEY), 0, RP_WS_TEXT, true, 65536, "64 bits"},
    {S("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" KEY), 0, RP_WS_TEXT, true,
     INT64_MAX, "the longest there is"},
    {S("\xc1\x85" KEY), RP_WS_RSV1, RP_WS_TEXT, true, 5, "compressed"},
    {S("\x42\x85" KEY), RP_WS_RSV1, RP_WS_BINARY, false, 5, "compressed"},
    {S("\x81\x05"), 0, RP_WS_UNMASKED, 0, 0, "no mask (RFC 6455 5.1)"},
    {S("\x88\x00"), 0, RP_WS_UNMASKED, 0, 0, "no mask on a close"},
    {S("\xc1"), 0, RP_WS_BAD_RSV, 0, 0, "RSV1 was not agreed on"},
    {S("\xa1"), RP_WS_RSV1, RP_WS_BAD_RSV, 0, 0, "RSV2"},
    {S("\x91"), RP_WS_RSV1, RP_WS_BAD_RSV, 0, 0, "RSV3"},
    {S("\xf1"), RP_WS_RSV1, RP_WS_BAD_RSV, 0, 0, "all of them"},
    {S("\xc0"), RP_WS_RSV1, RP_WS_BAD_RSV, 0, 0,
     "RSV1 on a continuation (RFC 7692 6.1)"},
    {S("\xc9"), RP_WS_RSV1, RP_WS_BAD_RSV, 0, 0, "RSV1 on a ping"},
    {S("\xc8"), RP_WS_RSV1, RP_WS_BAD_RSV, 0, 0, "RSV1 on a close"},
    {S("\x83"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 3"},
    {S("\x84"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 4"},
    {S("\x05"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 5"},
    {S("\x86"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 6"},
    {S("\x87"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 7"},
    {S("\x8b"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 11"},
    {S("\x8c"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 12"},
    {S("\x0d"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 13"},
    {S("\x8e"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 14"},
    {S("\x8f"), 0, RP_WS_BAD_OPCODE, 0, 0, "opcode 15"},
    {S("\x09"), 0, RP_WS_BAD_CONTROL, 0, 0, "fragmented ping"},
    {S("\x0a"), 0, RP_WS_BAD_CONTROL, 0, 0, "fragmented pong"},
    {S("\x08"), 0, RP_WS_BAD_CONTROL, 0, 0, "fragmented close"},
    {S("\x89\xfe"), 0, RP_WS_BAD_CONTROL, 0, 0, "ping of 126 bytes or more"},
    {S("\x88\xff"), 0, RP_WS_BAD_CONTROL, 0, 0, "close of 65536 or more"},
    {S("\x81\xfe\x00\x7d"), 0, RP_WS_BAD_LENGTH, 0, 0, "125 in 16 bits"},
    {S("\x81\xfe\x00\x00"), 0, RP_WS_BAD_LENGTH, 0, 0, "0 in 16 bits"},
    {S("\x81\xff\0\0\0\0\0\0\xff\xff"), 0, RP_WS_BAD_LENGTH, 0, 0,
     "65535 in 64 bits"},
    {S("\x81\xff\x80\0\0\0\0\1\0\0"), 0, RP_WS_BAD_LENGTH, 0, 0,
     "the most significant bit"},
};

/* Feed it up to cut, then in pieces of `step`.  Return what head() says. */
static int
feed(struct rp_ws_frame *f, int i, size_t cut, size_t step)
{
    size_t n = heads[i].n, used = 0, end = cut;

    rp_ws_frame_init(f, (uint8_t)heads[i].rsv);
    while (!f->whole) {
        const char *p = guard_set(&guard, heads[i].p + used, end - used);
        ssize_t k = rp_ws_frame_feed(f, p, end - used);

        if (k < 0)
            return (int)k;
        used += (size_t)k;
        ck_assert_uint_eq(used, end);
        if (end == n)
            break;
        end = end + step < n ? end + step : n;
    }
    ck_assert_msg(f->whole, "%s: not whole", heads[i].why);
    return f->opcode;
}

START_TEST(heads_are_judged_at_any_cut)
{
    for (size_t cut = 0; cut <= heads[_i].n + 1; cut++) {
        bool last = cut == heads[_i].n + 1;
        struct rp_ws_frame f;
        int got = feed(&f, _i, last ? 0 : cut, last ? 1 : heads[_i].n);

        ck_assert_msg(got == heads[_i].want, "%s, cut at %zu: %d, want %d",
                      heads[_i].why, cut, got, heads[_i].want);
        if (got < 0)
            continue;
        ck_assert_uint_eq(f.fin, heads[_i].fin);
        ck_assert_uint_eq(f.n, heads[_i].length);
        ck_assert_uint_eq(f.left, f.n);
        ck_assert_uint_eq(f.rsv1, heads[_i].rsv != 0);
    }
}
END_TEST

START_TEST(a_head_uses_no_byte_of_the_payload)
{
    struct rp_ws_frame f;

    rp_ws_frame_init(&f, 0);
    ck_assert_int_eq(rp_ws_frame_feed(&f, "\x81\x85" KEY "hello", 11), 6);
    ck_assert(f.whole);
    ck_assert_int_eq(rp_ws_frame_feed(&f, "hello", 5), 0);
    rp_ws_frame_next(&f);
    ck_assert_int_eq(rp_ws_frame_feed(&f, "\x82\x80" KEY, 6), 6);
    ck_assert_uint_eq(f.opcode, RP_WS_BINARY);
}
END_TEST

START_TEST(masks_come_off_at_any_cut_and_alignment)
{
    static const uint8_t key[4] = {0x9a, 0x01, 0xf0, 0x33};
    enum { N = 43 };

    for (size_t cut = 0; cut <= N; cut++) {
        for (size_t shift = 0; shift < 8; shift++) {
            char plain[N], masked[N], room[N + 8], *to = room + shift;
            struct rp_ws_frame f;
            const char *p;

            for (size_t i = 0; i < N; i++) {
                plain[i] = (char)(i * 7);
                masked[i] = (char)(plain[i] ^ key[i & 3]);
            }
            rp_ws_frame_init(&f, 0);
            rp_ws_frame_feed(&f, "\x82\xab\x9a\x01\xf0\x33", 6);
            ck_assert(f.whole);
            p = guard_set(&guard, masked, cut);
            rp_ws_frame_unmask(&f, to, p, cut);
            p = guard_set(&guard, masked + cut, N - cut);
            rp_ws_frame_unmask(&f, to + cut, p, N - cut);
            ck_assert(memcmp(to, plain, N) == 0);
            ck_assert_uint_eq(f.left, 0);
        }
    }
}
END_TEST

static const struct {
    unsigned first;
    uint64_t n;
    const char *want;
    unsigned size;
} written[] = {
    {RP_WS_TEXT, 0, S("\x81\x00")},
    {RP_WS_BINARY, 125, S("\x82\x7d")},
    {RP_WS_TEXT, 126, S("\x81\x7e\x00\x7e")},
    {RP_WS_TEXT, 65535, S("\x81\x7e\xff\xff")},
    {RP_WS_TEXT | RP_WS_RSV1, 65536, S("\xc1\x7f\0\0\0\0\0\1\0\0")},
    {RP_WS_PONG, 3, S("\x8a\x03")},
};

START_TEST(heads_are_written_in_their_shortest_form_without_a_mask)
{
    char head[10];
    unsigned k = rp_ws_head_write(head, written[_i].first, written[_i].n);

    ck_assert_uint_eq(k, written[_i].size);
    ck_assert(memcmp(head, written[_i].want, k) == 0);
}
END_TEST

START_TEST(codes_are_those_of_the_registry)
{
    static const struct {
        unsigned first, last;
        bool valid;
    } ranges[] = {{0, 999, false},     {1000, 1003, true},  {1004, 1006, false},
                  {1007, 1014, true},  {1015, 2999, false}, {3000, 4999, true},
                  {5000, 65535, false}};

    for (size_t i = 0; i < COUNT(ranges); i++)
        for (unsigned c = ranges[i].first; c <= ranges[i].last; c++)
            if (rp_ws_code_is_valid(c) != ranges[i].valid)
                ck_abort_msg("%u", c);
}
END_TEST

START_TEST(a_close_frame_has_code_and_reason)
{
    char longer[200];
    struct rp_buf out;

    rp_buf_init(&out, 0);
    rp_ws_close_write(&out, 1000, RP_STR("bye"));
    rp_ws_close_write(&out, RP_WS_NO_CODE, RP_STR("nobody sees this"));
    ck_assert_uint_eq(out.n, 9);
    ck_assert(memcmp(out.p,
                     "\x88\x05\x03\xe8"
                     "bye\x88\x00",
                     9) == 0);
    rp_buf_reset(&out);
    /* 61 characters of two bytes, and half of the next. */
    for (size_t i = 0; i < sizeof(longer); i++)
        longer[i] = i & 1 ? '\xa9' : '\xc3';
    rp_ws_close_write(&out, 1001, (struct rp_str){longer, sizeof(longer)});
    ck_assert_uint_eq(out.n, 2 + 2 + 122);
    ck_assert_int_eq(out.p[1], 124);
    rp_buf_fini(&out);
}
END_TEST

START_TEST(every_error_has_a_code_and_a_text)
{
    for (int e = RP_WS_ERR_MIN + 1; e <= RP_WS_NO_MEMORY; e++) {
        ck_assert(rp_ws_code_is_valid((unsigned)rp_ws_err_code(e)));
        ck_assert_str_ne(rp_ws_err_text(e), "unknown error");
    }
    ck_assert_int_eq(rp_ws_err_code(RP_WS_TOO_BIG), 1009);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_unchecked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, heads_are_judged_at_any_cut, 0, (int)COUNT(heads));
    tcase_add_test(t, a_head_uses_no_byte_of_the_payload);
    tcase_add_test(t, masks_come_off_at_any_cut_and_alignment);
    tcase_add_loop_test(t,
                        heads_are_written_in_their_shortest_form_without_a_mask,
                        0, (int)COUNT(written));
    tcase_add_test(t, codes_are_those_of_the_registry);
    tcase_add_test(t, a_close_frame_has_code_and_reason);
    tcase_add_test(t, every_error_has_a_code_and_a_text);
    return run_tests("ws/frame", t);
}
