/* Stories: start, death, back-off, hanging, the master's own death. */
#include <string.h>
#include <unistd.h>

#include "toy.h"

START_TEST(workers_start_and_become_ready)
{
    struct toy t;

    toy_init(&t, 3, toy_serve);
    toy_start_all(&t);
    wait_for(t.facts->ready_calls == 1);
    ck_assert_uint_eq(t.facts->starts, 3);
    ck_assert_uint_eq(t.facts->before_forks, 3);
    ck_assert_uint_eq(t.facts->after_parents, 3);
    ck_assert_uint_eq(t.facts->after_children, 3);
    ck_assert_uint_gt(t.facts->turns, 0);
    ck_assert_uint_eq(t.board->wanted, 3);
    toy_signal(&t, SIGTERM);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_OK);
    ck_assert_uint_eq(t.facts->terms, 3);
    ck_assert_uint_eq(t.facts->ready_calls, 1);
    toy_fini(&t);
}
END_TEST

static void
set_current(struct rp_worker_slot *s, const char *path)
{
    rp_counters_set_current(&s->counters, RP_STR("GET"),
                            (struct rp_str){path, strlen(path)});
    atomic_store(&s->counters.active, 1);
}

static int
serve_one_request(struct toy *t, struct rp_worker *w)
{
    rp_count(w->slot->counters.requests, 41);
    set_current(w->slot, "/slow");
    return toy_serve(t, w);
}

START_TEST(a_killed_worker_is_replaced_within_a_second)
{
    struct toy t;
    double killed_at;
    struct rp_totals sum;

    toy_init(&t, 2, serve_one_request);
    t.config.backoff_min = TOY_PATIENCE;
    toy_start_all(&t);
    killed_at = rp_clock_mono();
    ck_assert_int_eq(kill(toy_pid(&t, 0), SIGSEGV), 0);
    wait_for(t.facts->starts == 3 && toy_ready(&t) == 2);
    ck_assert_double_lt(rp_clock_mono() - killed_at, 1.0);
    ck_assert_uint_eq(t.board->deaths, 1);
    ck_assert_uint_eq(toy_log_count(&t, "killed by SIGSEGV"), 1);
    ck_assert_uint_eq(toy_log_count(&t, "requests: 41"), 1);
    ck_assert_uint_eq(toy_log_count(&t, "in flight: GET /slow"), 1);
    rp_board_sum(t.board, &sum);
    ck_assert_uint_eq(sum.requests, 3 * 41);
    toy_stop(&t);
}
END_TEST

static int
crash_when_ready(struct toy *t, struct rp_worker *w)
{
    if (w->seat == 0)
        return toy_serve(t, w);
    rp_worker_say_ready(w);
    return 7;
}

START_TEST(a_crash_loop_backs_off_and_the_others_serve)
{
    struct toy t;
    double began;

    toy_init(&t, 2, crash_when_ready);
    t.config.backoff_min = 0.1;
    toy_start(&t);
    began = rp_clock_mono();
    /* Seat 1: at once, at once, then after 0.1, 0.2 and 0.4 seconds. */
    wait_for(t.facts->starts == 1 + 5);
    ck_assert_double_ge(rp_clock_mono() - began, 0.65);
    wait_for(toy_log_count(&t, "exited with status 7") >= 5);
    wait_for(toy_ready(&t) == 1);
    toy_stop(&t);
}
END_TEST

START_TEST(who_has_lived_long_enough_is_replaced_at_once_again)
{
    struct toy t;

    toy_init(&t, 1, toy_serve);
    t.config.backoff_min = 2 * TOY_PATIENCE;
    t.config.healthy_after = 0.001;
    toy_start(&t);
    for (uint32_t i = 1; i <= 3; i++) {
        wait_for(t.facts->starts == i && toy_ready(&t) == 1);
        double ready = rp_clock_mono();
        wait_for(rp_clock_mono() - ready > t.config.healthy_after);
        kill(toy_pid(&t, 0), SIGKILL);
        wait_for(t.facts->starts == i + 1);
    }
    toy_fini(&t);
}
END_TEST

static int
fail_slowly(struct toy *t, struct rp_worker *w)
{
    if (t->facts->starts == 1)
        return toy_serve(t, w);
    for (int i = 0; i < 25; i++)
        toy_nap();
    return RP_EXIT_BOOT;
}

START_TEST(a_start_that_fails_late_is_not_tried_at_once_again)
{
    struct toy t;

    toy_init(&t, 1, fail_slowly);
    t.config.backoff_min = 2 * TOY_PATIENCE;
    t.config.healthy_after = 0.001;
    toy_start(&t);
    wait_for(toy_ready(&t) == 1);
    kill(toy_pid(&t, 0), SIGKILL);
    wait_for(toy_log_count(&t, "exited with status 3") == 1);
    for (int i = 0; i < 50; i++)
        toy_nap();
    ck_assert_uint_eq(t.facts->starts, 2);
    toy_fini(&t);
}
END_TEST

static int
report(struct toy *t, struct rp_worker *w, int status)
{
    if (rp_worker_may_report_boot_failure(w))
        atomic_fetch_add(&t->facts->reports, 1);
    return status;
}

static int
fail_to_boot(struct toy *t, struct rp_worker *w)
{
    return report(t, w, RP_EXIT_BOOT);
}

static int
fail_to_load(struct toy *t, struct rp_worker *w)
{
    return report(t, w, RP_EXIT_APP);
}

START_TEST(a_boot_failure_ends_the_service_with_3_and_is_told_once)
{
    struct toy t;

    toy_init(&t, 4, fail_to_boot);
    toy_start(&t);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_BOOT);
    ck_assert_uint_eq(t.facts->reports, 1);
    ck_assert_uint_eq(toy_log_count(&t, "giving up"), 1);
    ck_assert_uint_le(t.facts->starts, 4);
    toy_fini(&t);
}
END_TEST

static int
fail_to_boot_and_report_slowly(struct toy *t, struct rp_worker *w)
{
    if (!rp_worker_may_report_boot_failure(w))
        return RP_EXIT_BOOT;
    /* The others have ended, and the master has told everybody to go. */
    for (int i = 0; i < 100; i++)
        toy_nap();
    atomic_fetch_add(&t->facts->reports, 1);
    return RP_EXIT_BOOT;
}

START_TEST(who_reports_a_boot_failure_comes_to_its_end)
{
    struct toy t;

    toy_init(&t, 4, fail_to_boot_and_report_slowly);
    toy_start(&t);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_BOOT);
    ck_assert_uint_eq(t.facts->reports, 1);
    toy_fini(&t);
}
END_TEST

START_TEST(an_application_that_does_not_load_ends_it_with_4)
{
    struct toy t;

    toy_init(&t, 4, fail_to_load);
    toy_start(&t);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_APP);
    ck_assert_uint_eq(t.facts->reports, 1);
    ck_assert_uint_le(t.facts->starts, 4);
    ck_assert_uint_eq(t.facts->ready_calls, 0);
    toy_fini(&t);
}
END_TEST

static int
crash_in_boot(struct toy *t, struct rp_worker *w)
{
    (void)t;
    (void)w;
    raise(SIGSEGV);
    return 0;
}

START_TEST(three_crashes_before_ready_are_enough)
{
    struct toy t;

    toy_init(&t, 1, crash_in_boot);
    t.config.backoff_min = 0.05;
    toy_start(&t);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_BOOT);
    ck_assert_uint_eq(t.facts->starts, 3);
    toy_fini(&t);
}
END_TEST

static int
fail_later(struct toy *t, struct rp_worker *w)
{
    if (t->facts->broken)
        return report(t, w, RP_EXIT_APP);
    return toy_serve(t, w);
}

START_TEST(once_somebody_was_ready_a_boot_failure_is_retried)
{
    struct toy t;

    toy_init(&t, 1, fail_later);
    t.config.backoff_min = 0.02;
    toy_start_all(&t);
    t.facts->broken = 1;
    kill(toy_pid(&t, 0), SIGKILL);
    wait_for(t.facts->starts >= 6);
    /* Each attempt is a round of its own. */
    ck_assert_uint_ge(t.facts->reports, 4);
    t.facts->broken = 0;
    wait_for(toy_ready(&t) == 1);
    toy_stop(&t);
}
END_TEST

static int
never_ready(struct toy *t, struct rp_worker *w)
{
    toy_catch_term(t);
    while (!toy_turn(t, w))
        ;
    return 0;
}

START_TEST(a_worker_that_does_not_get_ready_is_aborted)
{
    struct toy t;

    toy_init(&t, 1, never_ready);
    t.config.startup_timeout = 0.1;
    t.config.boot_failures = 1;
    toy_start(&t);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_BOOT);
    ck_assert_uint_eq(t.facts->aborts, 1);
    ck_assert_uint_eq(toy_log_count(&t, "not ready after 0."), 1);
    toy_fini(&t);
}
END_TEST

static int
hang_when_told(struct toy *t, struct rp_worker *w)
{
    bool first = t->facts->starts == 1;

    if (!first)
        return toy_serve(t, w);
    toy_catch_term(t);
    set_current(w->slot, "/hang");
    rp_worker_say_ready(w);
    while (!t->facts->go)
        toy_turn(t, w);
    while (t->facts->go)
        toy_nap();
    return 0;
}

START_TEST(a_hung_worker_gets_an_abort_and_a_successor)
{
    struct toy t;

    toy_init(&t, 1, hang_when_told);
    t.config.timeout = 0.5;
    toy_start_all(&t);
    t.facts->go = 1;
    wait_for(t.facts->starts == 2 && toy_ready(&t) == 1);
    ck_assert_uint_eq(t.facts->aborts, 1);
    ck_assert_uint_eq(toy_log_count(&t, "silent for"), 1);
    ck_assert_uint_eq(toy_log_count(&t, "killed by SIGABRT"), 1);
    ck_assert_uint_ge(toy_log_count(&t, "in flight: GET /hang"), 1);
    toy_stop(&t);
}
END_TEST

static int
hang_and_ignore_abort(struct toy *t, struct rp_worker *w)
{
    if (t->facts->starts > 1)
        return toy_serve(t, w);
    signal(SIGABRT, SIG_IGN);
    rp_worker_say_ready(w);
    while (!t->facts->go)
        toy_nap();
    return 0;
}

START_TEST(who_survives_the_abort_is_killed)
{
    struct toy t;

    toy_init(&t, 1, hang_and_ignore_abort);
    t.config.timeout = 0.5;
    toy_start(&t);
    wait_for(toy_log_count(&t, "silent for") == 1);
    /* It is not dead yet, and counts as little as a hang as as a death. */
    ck_assert_uint_eq(t.board->aborted, 0);
    wait_for(t.facts->starts == 2 && toy_ready(&t) == 1);
    ck_assert_uint_eq(toy_log_count(&t, "killed by SIGKILL"), 1);
    ck_assert_uint_eq(t.board->aborted, 1);
    ck_assert_uint_eq(t.board->deaths, 1);
    toy_fini(&t);
}
END_TEST

static int
hang_in_the_second_seat(struct toy *t, struct rp_worker *w)
{
    if (w->seat == 0)
        return toy_serve(t, w);
    signal(SIGABRT, SIG_IGN);
    rp_worker_say_ready(w);
    while (!t->facts->go)
        toy_nap();
    return 0;
}

START_TEST(who_hangs_and_is_not_wanted_any_more_was_no_death)
{
    struct toy t;

    toy_init(&t, 2, hang_in_the_second_seat);
    t.config.timeout = 0.5;
    toy_start(&t);
    wait_for(toy_log_count(&t, "silent for") == 1);
    toy_signal(&t, SIGTTOU);
    wait_for(t.board->wanted == 1);
    wait_for(toy_log_count(&t, "killed by SIGKILL") == 1);
    wait_for(rp_board_count(t.board, RP_WORKER_FREE) == t.board->n - 1);
    ck_assert_uint_ge(t.board->deaths, t.board->aborted);
    toy_fini(&t);
}
END_TEST

START_TEST(a_stopped_master_does_not_blame_the_workers_for_it)
{
    struct toy t;
    double until;
    uint32_t turns;

    /* Everybody is stopped for longer than the timeout; the master wakes
     * first and sees old ticks. */
    toy_init(&t, 1, toy_serve);
    t.config.timeout = 2.0;
    toy_start_all(&t);
    ck_assert_int_eq(kill(-t.master, SIGSTOP), 0);
    until = rp_clock_mono() + 2.5;
    wait_for(rp_clock_mono() > until);
    turns = t.facts->turns;
    toy_signal(&t, SIGCONT);
    wait_for(t.facts->turns > turns);
    kill(-t.master, SIGCONT);
    toy_signal(&t, SIGTERM);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_OK);
    ck_assert_uint_eq(t.facts->aborts, 0);
    ck_assert_uint_eq(t.facts->starts, 1);
    toy_fini(&t);
}
END_TEST

static int
last_one_stays(struct toy *t, struct rp_worker *w)
{
    if (w->seat < 2)
        return toy_serve(t, w);
    rp_worker_say_ready(w);
    while (!t->facts->go) {
        rp_worker_tick(w);
        toy_nap();
    }
    return 0;
}

START_TEST(who_was_forked_later_does_not_hide_the_masters_death)
{
    struct toy t;

    /* The last one inherits the master's ends of all the others' pairs. */
    toy_init(&t, 3, last_one_stays);
    toy_start_all(&t);
    toy_signal(&t, SIGKILL);
    wait_for(t.facts->orphans == 2);
    t.facts->go = 1;
    toy_fini(&t);
}
END_TEST

START_TEST(workers_leave_when_the_master_is_killed)
{
    struct toy t;

    toy_init(&t, 3, toy_serve);
    toy_start_all(&t);
    toy_signal(&t, SIGKILL);
    wait_for(t.facts->orphans == 3);
    ck_assert_uint_eq(t.facts->terms, 0);
    toy_fini(&t);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        workers_start_and_become_ready,
        a_killed_worker_is_replaced_within_a_second,
        a_crash_loop_backs_off_and_the_others_serve,
        who_has_lived_long_enough_is_replaced_at_once_again,
        a_start_that_fails_late_is_not_tried_at_once_again,
        a_boot_failure_ends_the_service_with_3_and_is_told_once,
        who_reports_a_boot_failure_comes_to_its_end,
        an_application_that_does_not_load_ends_it_with_4,
        three_crashes_before_ready_are_enough,
        once_somebody_was_ready_a_boot_failure_is_retried,
        a_worker_that_does_not_get_ready_is_aborted,
        a_hung_worker_gets_an_abort_and_a_successor,
        who_survives_the_abort_is_killed,
        who_hangs_and_is_not_wanted_any_more_was_no_death,
        a_stopped_master_does_not_blame_the_workers_for_it,
        workers_leave_when_the_master_is_killed,
        who_was_forked_later_does_not_hide_the_masters_death,
    };

    return toy_run_suite("life", tests, sizeof(tests) / sizeof(tests[0]));
}
