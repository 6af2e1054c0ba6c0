/* permessage-deflate: the examples of RFC 7692, windows, memory. */
#include <check.h>

#include "../guard.h"
#include "run.h"
#include "rupy/ws/deflate.h"
#include "rupy/ws/frame.h"

enum { ROOM = 1 << 20 };

static struct rp_ws_deflate_options options = {
    .on = true, .window_bits = 12, .level = 6, .threshold = 1};

static void
init(struct rp_ws_deflate *d, unsigned server_bits, unsigned client_bits,
     bool server_forgets, bool client_forgets)
{
    struct rp_ws_deflate_params p = {
        .on = true,
        .server_no_context_takeover = server_forgets,
        .client_no_context_takeover = client_forgets,
        .server_bits = (uint8_t)server_bits,
        .client_bits = (uint8_t)client_bits,
    };

    rp_ws_deflate_init(d, &p, &options);
}

static struct rp_str
str(const struct rp_buf *b)
{
    return (struct rp_str){b->p, b->n};
}

/* Compress s as a message of its own; out has nothing else. */
static void
compress(struct rp_ws_deflate *d, struct rp_str s, struct rp_buf *out)
{
    rp_buf_reset(out);
    ck_assert_int_eq(rp_ws_deflate(d, s.p, s.n, out), 0);
}

START_TEST(the_examples_of_the_rfc_come_out)
{
    struct rp_ws_deflate d;
    struct rp_buf out;

    rp_buf_init(&out, 0);
    init(&d, 15, 15, false, false);
    compress(&d, RP_STR("Hello"), &out);
    ck_assert(rp_str_eq(str(&out), RP_STR("\xf2\x48\xcd\xc9\xc9\x07\x00")));
    compress(&d, RP_STR("Hello"), &out);
    ck_assert(rp_str_eq(str(&out), RP_STR("\xf2\x00\x11\x00\x00")));
    rp_ws_deflate_fini(&d);
    /* RFC 7692 7.1.1.1 */
    init(&d, 15, 15, true, false);
    for (int i = 0; i < 3; i++) {
        compress(&d, RP_STR("Hello"), &out);
        ck_assert(rp_str_eq(str(&out), RP_STR("\xf2\x48\xcd\xc9\xc9\x07\x00")));
    }
    rp_ws_deflate_fini(&d);
    rp_buf_fini(&out);
}
END_TEST

START_TEST(a_client_that_keeps_no_context_cannot_refer_to_it)
{
    static const char first[] = "\xf2\x48\xcd\xc9\xc9\x07";
    static const char again[] = "\xf2\x00\x11\x00";
    struct rp_ws_deflate d;
    struct rp_buf out;

    rp_buf_init(&out, 0);
    init(&d, 15, 15, false, true);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(rp_ws_inflate(&d, first, 7, true, &out, ROOM), 0);
    ck_assert(rp_str_eq(str(&out), RP_STR("HelloHello")));
    ck_assert_int_eq(rp_ws_inflate(&d, again, 5, true, &out, ROOM),
                     RP_WS_BAD_DEFLATE);
    rp_ws_deflate_fini(&d);
    rp_buf_fini(&out);
}
END_TEST

/* Text that compresses, with repetitions far apart. */
static void
fill(char *p, size_t n, unsigned seed)
{
    uint32_t v = seed + 1;

    for (size_t i = 0; i < n; i++) {
        v = v * 1103515245 + 12345;
        p[i] = i > 3000 && (v >> 16) % 64 ? p[i - 3000] : (char)(v >> 16);
    }
}

START_TEST(what_goes_in_comes_out_for_every_window)
{
    unsigned bits = (unsigned)_i / 2 + 9;
    bool forgets = _i % 2;
    static char text[70000];
    struct rp_ws_deflate d;
    struct rp_buf small, out;
    struct guard guard;

    guard_init(&guard, ROOM);
    rp_buf_init(&small, 0);
    rp_buf_init(&out, ROOM);
    init(&d, bits, bits, forgets, forgets);
    for (unsigned k = 0; k < 12; k++) {
        size_t n = k * k * k * 40 + 1, done = 0, step = k * 5 + 1;

        fill(text, n, k);
        compress(&d, (struct rp_str){text, n}, &small);
        rp_buf_reset(&out);
        while (done < small.n) {
            size_t part = small.n - done < step ? small.n - done : step;
            const char *p = guard_set(&guard, small.p + done, part);

            done += part;
            ck_assert_int_eq(
                rp_ws_inflate(&d, p, part, done == small.n, &out, n), 0);
        }
        ck_assert(rp_str_eq(str(&out), (struct rp_str){text, n}));
    }
    rp_ws_deflate_fini(&d);
    ck_assert_uint_eq(d.memory, 0);
    rp_buf_fini(&small);
    rp_buf_fini(&out);
    guard_fini(&guard);
}
END_TEST

START_TEST(contexts_are_made_when_needed_and_their_memory_is_known)
{
    struct rp_ws_deflate d;
    struct rp_buf out;
    size_t one;

    rp_buf_init(&out, 0);
    init(&d, 12, 12, false, false);
    ck_assert_uint_eq(d.memory, 0);
    ck_assert_int_eq(rp_ws_inflate(&d, "\0", 1, true, &out, ROOM), 0);
    one = d.memory;
    ck_assert_uint_gt(one, 0);
    ck_assert_uint_lt(one, 16 * 1024);
    compress(&d, RP_STR("Hello"), &out);
    ck_assert_uint_gt(d.memory, one);
    ck_assert_uint_lt(d.memory, 64 * 1024);
    rp_ws_deflate_fini(&d);
    ck_assert_uint_eq(d.memory, 0);
    rp_buf_fini(&out);
}
END_TEST

START_TEST(inflating_stops_at_the_limit_exactly)
{
    struct rp_ws_deflate d;
    struct rp_buf small, out;
    static char zeros[5000];

    rp_buf_init(&small, 0);
    for (size_t max = 4998; max <= 5002; max++) {
        int want = max < 5000 ? RP_WS_TOO_BIG : 0;

        rp_buf_init(&out, 0);
        init(&d, 15, 15, false, false);
        compress(&d, (struct rp_str){zeros, sizeof(zeros)}, &small);
        ck_assert_int_eq(rp_ws_inflate(&d, small.p, small.n, true, &out, max),
                         want);
        ck_assert_uint_eq(out.n, max < 5000 ? max : 5000);
        rp_ws_deflate_fini(&d);
        rp_buf_fini(&out);
    }
    rp_buf_fini(&small);
}
END_TEST

START_TEST(a_buffer_that_may_not_grow_fails_the_message)
{
    static char text[70000];
    struct rp_ws_deflate d;
    struct rp_buf out;

    fill(text, sizeof(text), 1);
    rp_buf_init(&out, 3000);
    rp_buf_add(&out, "x", 1);
    init(&d, 12, 12, false, false);
    ck_assert_int_eq(rp_ws_deflate(&d, text, sizeof(text), &out), -1);
    ck_assert_uint_eq(out.n, 1);
    rp_ws_deflate_fini(&d);
    rp_buf_fini(&out);
}
END_TEST

START_TEST(short_messages_are_not_worth_it)
{
    struct rp_ws_deflate d;

    options.threshold = 10;
    init(&d, 12, 12, false, false);
    ck_assert(!rp_ws_deflate_wants(&d, 9));
    ck_assert(rp_ws_deflate_wants(&d, 10));
    options.threshold = 0;
    init(&d, 12, 12, false, false);
    ck_assert(!rp_ws_deflate_wants(&d, 0));
    ck_assert(rp_ws_deflate_wants(&d, 1));
    d.params.on = false;
    ck_assert(!rp_ws_deflate_wants(&d, 1));
    options.threshold = 1;
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_test(t, the_examples_of_the_rfc_come_out);
    tcase_add_test(t, a_client_that_keeps_no_context_cannot_refer_to_it);
    tcase_add_loop_test(t, what_goes_in_comes_out_for_every_window, 0, 14);
    tcase_add_test(t, contexts_are_made_when_needed_and_their_memory_is_known);
    tcase_add_test(t, inflating_stops_at_the_limit_exactly);
    tcase_add_test(t, a_buffer_that_may_not_grow_fails_the_message);
    tcase_add_test(t, short_messages_are_not_worth_it);
    return run_tests("ws/deflate", t);
}
