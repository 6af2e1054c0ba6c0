/* The board: what a slot looks like, and what becomes of its counters. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "toy.h"

START_TEST(slots_share_no_cache_line)
{
    struct rp_board *b = rp_board_new(3);

    for (uint32_t i = 0; i < b->n; i++) {
        const struct rp_worker_slot *s = &b->slots[i];

        ck_assert_uint_eq((uintptr_t)s % RP_CACHE_LINE, 0);
        ck_assert_uint_eq((uintptr_t)&s->tick_ns % RP_CACHE_LINE, 0);
        ck_assert_uint_eq((uintptr_t)&s->counters % RP_CACHE_LINE, 0);
    }
    rp_board_free(b);
}
END_TEST

START_TEST(what_a_child_counts_the_parent_sees)
{
    struct rp_board *b = rp_board_new(2);
    struct rp_totals sum;
    int status;
    pid_t pid;

    rp_board_open_slot(b, 1, 0, 1);
    pid = fork();
    if (pid == 0) {
        rp_count(b->slots[1].counters.requests, 7);
        rp_count(b->slots[1].counters.responses[2], 6);
        rp_count(b->slots[1].counters.responses[5], 1);
        rp_count(b->slots[1].counters.active, 3);
        rp_count(b->slots[1].counters.active, -1);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    rp_board_sum(b, &sum);
    ck_assert_uint_eq(sum.requests, 7);
    ck_assert_uint_eq(sum.responses[2], 6);
    ck_assert_uint_eq(sum.responses[5], 1);
    ck_assert_uint_eq(sum.active, 2);
    rp_board_free(b);
}
END_TEST

START_TEST(totals_survive_a_worker_and_what_was_active_does_not)
{
    struct rp_board *b = rp_board_new(2);
    struct rp_totals sum;

    rp_board_open_slot(b, 0, 0, 1);
    rp_count(b->slots[0].counters.requests, 5);
    rp_count(b->slots[0].counters.bytes_out, 500);
    rp_count(b->slots[0].counters.connections, 2);
    rp_board_close_slot(b, 0);
    rp_board_open_slot(b, 0, 0, 2);
    rp_count(b->slots[0].counters.requests, 1);
    rp_board_sum(b, &sum);
    ck_assert_uint_eq(sum.requests, 6);
    ck_assert_uint_eq(sum.bytes_out, 500);
    ck_assert_uint_eq(sum.connections, 0);
    rp_board_free(b);
}
END_TEST

static void
set_current(struct rp_worker_slot *s, const char *path)
{
    rp_counters_set_current(&s->counters, RP_STR("GET"),
                            (struct rp_str){path, strlen(path)});
    atomic_store(&s->counters.active, 1);
}

START_TEST(a_new_worker_finds_a_clean_slot)
{
    struct rp_board *b = rp_board_new(1);
    struct rp_worker_slot *s = &b->slots[0];

    rp_board_open_slot(b, 0, 3, 2);
    ck_assert_uint_eq(rp_board_count(b, RP_WORKER_STARTING), 1);
    set_current(s, "/");
    rp_count(s->counters.requests, 1);
    rp_board_close_slot(b, 0);
    ck_assert_uint_eq(rp_board_count(b, RP_WORKER_FREE), 1);
    rp_board_open_slot(b, 0, 4, 3);
    ck_assert_uint_eq(s->seat, 4);
    ck_assert_uint_eq(s->generation, 3);
    ck_assert_uint_eq(s->counters.requests, 0);
    ck_assert_uint_eq(s->counters.current_n, 0);
    ck_assert_uint_gt(s->tick_ns, 0);
    rp_board_free(b);
}
END_TEST

START_TEST(the_request_in_flight_is_cut_to_the_room_there_is)
{
    struct rp_board *b = rp_board_new(1);
    struct rp_worker_slot *s = &b->slots[0];
    struct rp_counters *c = &s->counters;
    char out[RP_CURRENT_MAX + 1];

    ck_assert_uint_eq(rp_slot_get_current(s, out, sizeof(out)), 0);
    ck_assert_str_eq(out, "");
    set_current(s, "/a");
    ck_assert_uint_eq(rp_slot_get_current(s, out, sizeof(out)), 6);
    ck_assert_str_eq(out, "GET /a");
    ck_assert_uint_eq(rp_slot_get_current(s, out, 4), 3);
    ck_assert_str_eq(out, "GET");
    /* A worker that overwrote its own memory must not harm the master. */
    memset(c->current, 'y', sizeof(c->current));
    c->current_n = UINT32_MAX;
    ck_assert_uint_eq(rp_slot_get_current(s, out, sizeof(out)), RP_CURRENT_MAX);
    ck_assert_uint_eq(strlen(out), RP_CURRENT_MAX);
    /* What stands there was answered. */
    c->active = 0;
    ck_assert_uint_eq(rp_slot_get_current(s, out, sizeof(out)), 0);
    ck_assert_str_eq(out, "");
    rp_board_free(b);
}
END_TEST

START_TEST(states_have_names)
{
    ck_assert_str_eq(rp_worker_state_name(RP_WORKER_FREE), "free");
    ck_assert_str_eq(rp_worker_state_name(RP_WORKER_DYING), "dying");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        slots_share_no_cache_line,
        what_a_child_counts_the_parent_sees,
        totals_survive_a_worker_and_what_was_active_does_not,
        a_new_worker_finds_a_clean_slot,
        the_request_in_flight_is_cut_to_the_room_there_is,
        states_have_names,
    };

    return toy_run_suite("scoreboard", tests, sizeof(tests) / sizeof(tests[0]));
}
