/* The queue of bytes to send: order, partial writes, what is released when. */
#include <check.h>

#include "run.h"
#include "rupy/app/sink.h"

static int released;

static void
release(void *arg)
{
    released += *(int *)arg;
}

static void
sink_init(struct rp_sink *s)
{
    memset(s, 0, sizeof(*s));
    rp_buf_init(&s->out, 0);
    released = 0;
}

static int one = 1, ten = 10, hundred = 100;

/* "ab" [CDE] "f" [GH] as stretches: 4; refs count 1 and 10. */
static void
fill(struct rp_sink *s)
{
    sink_init(s);
    rp_buf_add(&s->out, "ab", 2);
    ck_assert_int_eq(rp_sink_add_ref(s, "CDE", 3, release, &one), 0);
    rp_buf_add(&s->out, "f", 1);
    ck_assert_int_eq(rp_sink_add_ref(s, "GH", 2, release, &ten), 0);
}

START_TEST(bytes_and_refs_leave_in_the_order_they_came)
{
    static const char want[] = "abCDEfGH";
    struct rp_sink s;

    /* Whatever the kernel takes of it at a time. */
    for (size_t step = 1; step <= 8; step++) {
        char got[16];
        size_t n = 0;

        fill(&s);
        while (rp_sink_queued(&s) > 0) {
            struct rp_str v[8];
            unsigned k = rp_sink_peek(&s, v, 8);
            size_t left = step;

            for (unsigned i = 0; i < k && left > 0; i++) {
                size_t m = v[i].n < left ? v[i].n : left;
                memcpy(got + n, v[i].p, m);
                n += m;
                left -= m;
            }
            rp_sink_sent(&s, step - left);
        }
        ck_assert_uint_eq(n, 8);
        ck_assert_int_eq(memcmp(got, want, 8), 0);
        ck_assert_int_eq(released, 11);
        rp_sink_fini(&s);
    }
}
END_TEST

START_TEST(peek_stops_at_as_many_as_were_asked_for)
{
    struct rp_str v[8];
    struct rp_sink s;

    fill(&s);
    ck_assert_uint_eq(rp_sink_peek(&s, v, 8), 4);
    for (unsigned max = 1; max <= 4; max++)
        ck_assert_uint_eq(rp_sink_peek(&s, v, max), max);
    rp_sink_fini(&s);
}
END_TEST

START_TEST(a_ref_is_released_when_its_last_byte_is_sent)
{
    struct rp_sink s;

    fill(&s);
    rp_sink_sent(&s, 4);
    ck_assert_int_eq(released, 0);
    rp_sink_sent(&s, 1);
    ck_assert_int_eq(released, 1);
    rp_sink_fini(&s);
    ck_assert_int_eq(released, 11);
}
END_TEST

START_TEST(a_file_stands_alone_and_moves_on_by_what_was_sent)
{
    struct rp_str v[8];
    struct rp_sink s;

    fill(&s);
    ck_assert_int_eq(rp_sink_add_file(&s, 7, 100, 50, release, &hundred), 0);
    rp_buf_add(&s.out, "z", 1);
    ck_assert_uint_eq(rp_sink_queued(&s), 59);
    ck_assert_uint_eq(rp_sink_peek(&s, v, 8), 4);
    ck_assert_ptr_null(rp_sink_peek_file(&s));
    rp_sink_sent(&s, 8);
    ck_assert_uint_eq(rp_sink_peek(&s, v, 8), 0);
    ck_assert_int_eq(rp_sink_peek_file(&s)->fd, 7);
    rp_sink_sent(&s, 20);
    ck_assert_int_eq(rp_sink_peek_file(&s)->off, 120);
    ck_assert_uint_eq(rp_sink_peek_file(&s)->n, 30);
    ck_assert_int_eq(released, 11);
    rp_sink_sent(&s, 30);
    ck_assert_int_eq(released, 111);
    ck_assert_ptr_null(rp_sink_peek_file(&s));
    ck_assert_uint_eq(rp_sink_peek(&s, v, 8), 1);
    rp_sink_fini(&s);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_test(t, bytes_and_refs_leave_in_the_order_they_came);
    tcase_add_test(t, peek_stops_at_as_many_as_were_asked_for);
    tcase_add_test(t, a_ref_is_released_when_its_last_byte_is_sent);
    tcase_add_test(t, a_file_stands_alone_and_moves_on_by_what_was_sent);
    return run_tests("app/sink", t);
}
