/* Stories: what the operator may send, and what comes of it. */
#include <string.h>
#include <unistd.h>

#include "toy.h"

/* After SIGTERM, finish a request that takes until the test says go. */
static int
leave_slowly(struct toy *t, struct rp_worker *w)
{
    toy_serve(t, w);
    while (!t->facts->go)
        toy_nap();
    return 0;
}

static int
ignore_term(struct toy *t, struct rp_worker *w)
{
    signal(SIGTERM, SIG_IGN);
    rp_worker_say_ready(w);
    while (!t->facts->go) {
        rp_worker_tick(w);
        toy_nap();
    }
    return 0;
}

START_TEST(term_waits_for_a_slow_worker)
{
    struct toy t;

    toy_init(&t, 2, leave_slowly);
    toy_start_all(&t);
    toy_signal(&t, SIGTERM);
    wait_for(t.facts->terms == 2);
    ck_assert_uint_eq(t.board->stopping, 1);
    ck_assert_uint_eq(rp_board_count(t.board, RP_WORKER_RETIRING), 2);
    t.facts->go = 1;
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_OK);
    ck_assert_uint_eq(toy_log_count(&t, "killing"), 0);
    ck_assert_uint_eq(t.facts->starts, 2);
    toy_fini(&t);
}
END_TEST

START_TEST(who_ignores_term_is_killed_at_the_graceful_deadline)
{
    struct toy t;
    double sent_at;

    toy_init(&t, 2, ignore_term);
    t.config.graceful_timeout = 0.3;
    toy_start_all(&t);
    sent_at = rp_clock_mono();
    toy_signal(&t, SIGTERM);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_OK);
    ck_assert_double_ge(rp_clock_mono() - sent_at, 0.3);
    ck_assert_uint_eq(toy_log_count(&t, "graceful deadline"), 2);
    toy_fini(&t);
}
END_TEST

START_TEST(quit_is_as_term)
{
    struct toy t;

    toy_init(&t, 1, toy_serve);
    toy_start_all(&t);
    toy_signal(&t, SIGQUIT);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_OK);
    ck_assert_uint_eq(t.facts->terms, 1);
    toy_fini(&t);
}
END_TEST

START_TEST(one_interrupt_is_graceful_and_two_are_quick)
{
    struct toy t;
    double sent_at;

    toy_init(&t, 2, leave_slowly);
    toy_start_all(&t);
    /* As a terminal does it: to all of the group. */
    kill(-t.master, SIGINT);
    wait_for(t.facts->terms == 2);
    sent_at = rp_clock_mono();
    kill(-t.master, SIGINT);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_OK);
    ck_assert_double_ge(rp_clock_mono() - sent_at, 0.9);
    ck_assert_double_lt(rp_clock_mono() - sent_at, 5.0);
    toy_fini(&t);
}
END_TEST

START_TEST(term_during_the_start_stops_it)
{
    struct toy t;

    toy_init(&t, 2, toy_serve);
    toy_start(&t);
    wait_for(t.facts->starts > 0);
    toy_stop(&t);
}
END_TEST

START_TEST(ttin_and_ttou_move_between_one_and_the_maximum)
{
    struct toy t;

    toy_init(&t, 2, toy_serve);
    t.config.max_workers = 3;
    toy_start_all(&t);
    toy_signal(&t, SIGTTIN);
    wait_for(toy_ready(&t) == 3);
    toy_signal(&t, SIGTTIN);
    toy_signal(&t, SIGTTOU);
    wait_for(t.board->wanted == 2 && toy_ready(&t) == 2);
    toy_signal(&t, SIGTTOU);
    wait_for(t.board->wanted == 1 && toy_ready(&t) == 1);
    toy_signal(&t, SIGTTOU);
    toy_signal(&t, SIGUSR1);
    wait_for(t.facts->reopens == 1);
    ck_assert_uint_eq(t.board->wanted, 1);
    ck_assert_uint_eq(toy_ready(&t), 1);
    ck_assert_uint_eq(t.board->deaths, 0);
    toy_stop(&t);
}
END_TEST

START_TEST(usr1_reopens_here_and_in_the_workers)
{
    struct toy t;

    toy_init(&t, 2, toy_serve);
    toy_start_all(&t);
    toy_signal(&t, SIGUSR1);
    wait_for(t.facts->reopens == 1 && t.facts->usr1s == 2);
    ck_assert_uint_eq(toy_ready(&t), 2);
    toy_fini(&t);
}
END_TEST

static int
start_late(struct toy *t, struct rp_worker *w)
{
    toy_catch_term(t);
    while (!t->facts->go)
        if (toy_turn(t, w))
            return 0;
    return toy_serve(t, w);
}

START_TEST(usr1_reaches_a_worker_that_still_starts_when_it_is_ready)
{
    struct toy t;

    toy_init(&t, 1, start_late);
    toy_start(&t);
    wait_for(t.facts->starts == 1);
    toy_signal(&t, SIGUSR1);
    wait_for(t.facts->reopens == 1);
    ck_assert_uint_eq(t.facts->usr1s, 0);
    t.facts->go = 1;
    wait_for(toy_ready(&t) == 1 && t.facts->usr1s == 1);
    toy_fini(&t);
}
END_TEST

START_TEST(winch_sends_the_workers_home_and_hup_calls_them_back)
{
    struct toy t;

    toy_init(&t, 2, toy_serve);
    toy_start_all(&t);
    toy_signal(&t, SIGWINCH);
    wait_for(t.facts->terms == 2 &&
             rp_board_count(t.board, RP_WORKER_FREE) == t.board->n);
    ck_assert_uint_eq(t.board->wanted, 0);
    /* One less than none is none. */
    toy_signal(&t, SIGTTOU);
    toy_signal(&t, SIGUSR1);
    wait_for(t.facts->reopens == 1);
    ck_assert_uint_eq(t.board->wanted, 0);
    toy_signal(&t, SIGTTIN);
    wait_for(toy_ready(&t) == 1);
    toy_signal(&t, SIGWINCH);
    wait_for(t.board->wanted == 0);
    toy_signal(&t, SIGHUP);
    wait_for(toy_ready(&t) == 2 && toy_all_generation(&t, 2));
    ck_assert_uint_eq(t.board->deaths, 0);
    toy_stop(&t);
}
END_TEST

START_TEST(usr2_starts_another_master_and_only_one)
{
    struct toy t;

    toy_init(&t, 1, toy_serve);
    toy_start_all(&t);
    toy_signal(&t, SIGUSR2);
    wait_for(t.facts->upgrades == 1);
    toy_signal(&t, SIGUSR2);
    wait_for(toy_log_count(&t, "is there already") == 1);
    ck_assert_uint_eq(t.facts->upgrades, 1);
    /* It failed: another one may be tried. */
    t.facts->broken = 1;
    wait_for(toy_log_count(&t, "exited with status 7: this one goes on") == 1);
    t.facts->broken = 0;
    toy_signal(&t, SIGUSR2);
    wait_for(t.facts->upgrades == 2);
    t.facts->broken = 1;
    wait_for(toy_log_count(&t, "exited with status 7: this one goes on") == 2);
    ck_assert_uint_eq(toy_ready(&t), 1);
    toy_stop(&t);
}
END_TEST

START_TEST(with_a_shutdown_delay_workers_go_on_for_so_long)
{
    struct toy t;
    double start;

    toy_init(&t, 1, toy_serve);
    t.config.shutdown_delay = 0.5;
    toy_start_all(&t);
    start = rp_clock_mono();
    toy_signal(&t, SIGTERM);
    wait_for(t.board->stopping == 1);
    ck_assert_uint_eq(toy_ready(&t), 1);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_OK);
    ck_assert(rp_clock_mono() - start >= 0.5);
    toy_fini(&t);
}
END_TEST

START_TEST(a_second_term_ends_the_shutdown_delay)
{
    struct toy t;

    toy_init(&t, 1, toy_serve);
    t.config.shutdown_delay = 3600;
    toy_start_all(&t);
    toy_signal(&t, SIGTERM);
    wait_for(t.board->stopping == 1);
    ck_assert_uint_eq(t.facts->terms, 0);
    toy_stop(&t);
}
END_TEST

static int
say_ready_when_told(struct toy *t, struct rp_worker *w)
{
    while (!t->facts->go)
        toy_nap();
    return toy_serve(t, w);
}

START_TEST(a_worker_that_starts_survives_what_is_sent_to_the_group)
{
    struct toy t;

    toy_init(&t, 1, say_ready_when_told);
    toy_start(&t);
    wait_for(t.facts->starts == 1);
    kill(-t.master, SIGUSR1);
    kill(-t.master, SIGUSR2);
    wait_for(t.facts->reopens == 1);
    t.facts->go = 1;
    wait_for(toy_ready(&t) == 1);
    ck_assert_uint_eq(t.facts->starts, 1);
    toy_fini(&t);
}
END_TEST

static int
look_at_signals(struct toy *t, struct rp_worker *w)
{
    sigset_t mask;
    struct sigaction sa;

    sigprocmask(SIG_SETMASK, NULL, &mask);
    sigaction(SIGTERM, NULL, &sa);
    if (sa.sa_handler == SIG_DFL && !sigismember(&mask, SIGTERM) &&
        !sigismember(&mask, SIGCHLD) && !sigismember(&mask, SIGUSR2))
        atomic_fetch_add(&t->facts->reports, 1);
    return toy_serve(t, w);
}

START_TEST(the_child_starts_with_a_clean_mask_and_clean_actions)
{
    struct toy t;
    sigset_t some;

    toy_init(&t, 1, look_at_signals);
    /* Whoever starts the master may block what it likes. */
    sigemptyset(&some);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGCHLD);
    sigaddset(&some, SIGUSR2);
    sigprocmask(SIG_BLOCK, &some, NULL);
    toy_start(&t);
    sigprocmask(SIG_UNBLOCK, &some, NULL);
    wait_for(toy_ready(&t) == 1);
    ck_assert_uint_eq(t.facts->reports, 1);
    toy_stop(&t);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        term_waits_for_a_slow_worker,
        who_ignores_term_is_killed_at_the_graceful_deadline,
        quit_is_as_term,
        one_interrupt_is_graceful_and_two_are_quick,
        term_during_the_start_stops_it,
        ttin_and_ttou_move_between_one_and_the_maximum,
        usr1_reopens_here_and_in_the_workers,
        usr1_reaches_a_worker_that_still_starts_when_it_is_ready,
        winch_sends_the_workers_home_and_hup_calls_them_back,
        usr2_starts_another_master_and_only_one,
        with_a_shutdown_delay_workers_go_on_for_so_long,
        a_second_term_ends_the_shutdown_delay,
        a_worker_that_starts_survives_what_is_sent_to_the_group,
        the_child_starts_with_a_clean_mask_and_clean_actions,
    };

    return toy_run_suite("signals", tests, sizeof(tests) / sizeof(tests[0]));
}
