/* Stories: reload and recycling, without ever serving with fewer. */
#include <string.h>
#include <unistd.h>

#include "toy.h"

static int
fail_if_broken(struct toy *t, struct rp_worker *w)
{
    if (t->facts->broken)
        return RP_EXIT_APP;
    return toy_serve(t, w);
}

START_TEST(hup_replaces_every_worker_and_never_has_fewer)
{
    struct toy t;
    double until = rp_clock_mono() + TOY_PATIENCE;
    uint32_t least = 3, most = 0;

    toy_init(&t, 3, toy_serve);
    toy_start_all(&t);
    toy_signal(&t, SIGHUP);
    while (toy_log_count(&t, "generation 2 serves") == 0) {
        uint32_t ready = toy_ready(&t);

        least = ready < least ? ready : least;
        most = ready > most ? ready : most;
        ck_assert(rp_clock_mono() < until);
    }
    ck_assert_uint_eq(least, 3);
    ck_assert_uint_le(most, 4);
    ck_assert_uint_eq(toy_ready(&t), 3);
    ck_assert(toy_all_generation(&t, 2));
    wait_for(t.facts->terms == 3);
    ck_assert_uint_eq(t.facts->starts, 6);
    ck_assert_uint_eq(t.facts->reloads, 1);
    ck_assert_uint_eq(t.board->deaths, 0);
    toy_stop(&t);
}
END_TEST

START_TEST(a_generation_that_does_not_boot_is_given_up)
{
    struct toy t;

    toy_init(&t, 2, fail_if_broken);
    toy_start_all(&t);
    t.facts->broken = 1;
    toy_signal(&t, SIGHUP);
    wait_for(toy_log_count(&t, "reload given up") == 1);
    ck_assert_uint_eq(toy_ready(&t), 2);
    ck_assert(toy_all_generation(&t, 1));
    ck_assert_uint_eq(t.facts->starts, 3);
    ck_assert_uint_eq(t.facts->terms, 0);
    /* Repaired, and once more. */
    t.facts->broken = 0;
    toy_signal(&t, SIGHUP);
    wait_for(toy_log_count(&t, "generation 3 serves") == 1);
    ck_assert(toy_all_generation(&t, 3));
    toy_stop(&t);
}
END_TEST

static int
hang_if_broken(struct toy *t, struct rp_worker *w)
{
    while (t->facts->broken && w->generation == 2)
        toy_nap();
    return toy_serve(t, w);
}

START_TEST(hup_during_a_reload_ends_at_the_newest)
{
    struct toy t;

    toy_init(&t, 2, hang_if_broken);
    toy_start_all(&t);
    t.facts->broken = 1;
    toy_signal(&t, SIGHUP);
    wait_for(rp_board_count(t.board, RP_WORKER_STARTING) == 1);
    toy_signal(&t, SIGHUP);
    wait_for(t.facts->reloads == 2);
    t.facts->broken = 0;
    wait_for(toy_log_count(&t, "generation 3 serves") == 1);
    ck_assert(toy_all_generation(&t, 3));
    ck_assert_uint_eq(toy_ready(&t), 2);
    toy_fini(&t);
}
END_TEST

START_TEST(an_old_worker_that_dies_during_the_reload_is_not_missed)
{
    struct toy t;
    pid_t old;

    toy_init(&t, 1, hang_if_broken);
    toy_start_all(&t);
    old = toy_pid(&t, 0);
    t.facts->broken = 1;
    toy_signal(&t, SIGHUP);
    wait_for(rp_board_count(t.board, RP_WORKER_STARTING) == 1);
    kill(old, SIGKILL);
    wait_for(t.board->deaths == 1);
    t.facts->broken = 0;
    wait_for(toy_log_count(&t, "generation 2 serves") == 1);
    ck_assert_uint_eq(t.facts->starts, 2);
    toy_fini(&t);
}
END_TEST

static int
wait_in_second(struct toy *t, struct rp_worker *w)
{
    while (w->generation == 2 && !t->facts->go)
        toy_nap();
    return toy_serve(t, w);
}

START_TEST(a_reload_that_is_refused_does_not_end_one_that_is_under_way)
{
    struct toy t;

    toy_init(&t, 3, wait_in_second);
    toy_start(&t);
    wait_for(toy_ready(&t) == 3);
    toy_signal(&t, SIGHUP);
    wait_for(rp_board_count(t.board, RP_WORKER_STARTING) == 1);
    t.facts->refuses = 1;
    toy_signal(&t, SIGHUP);
    wait_for(t.facts->reloads == 2);
    t.facts->go = 1;
    wait_for(toy_log_count(&t, "generation 2 serves") == 1);
    ck_assert(toy_all_generation(&t, 2));
    ck_assert_uint_eq(t.board->reload_failures, 1);
    toy_fini(&t);
}
END_TEST

static int
leave_slowly(struct toy *t, struct rp_worker *w)
{
    toy_serve(t, w);
    while (!t->facts->go)
        toy_nap();
    return 0;
}

START_TEST(many_reloads_wait_for_room_on_the_board)
{
    struct toy t;

    toy_init(&t, 4, leave_slowly);
    toy_start_all(&t);
    toy_signal(&t, SIGHUP);
    wait_for(toy_log_count(&t, "generation 2 serves") == 1);
    toy_signal(&t, SIGHUP);
    wait_for(t.facts->reloads == 2);
    /* Four serve and four retire: no slot is free. */
    ck_assert_uint_eq(t.facts->starts, 8);
    ck_assert_uint_eq(toy_ready(&t), 4);
    t.facts->go = 1;
    wait_for(toy_log_count(&t, "generation 3 serves") == 1);
    toy_fini(&t);
}
END_TEST

static int
recycle_once(struct toy *t, struct rp_worker *w)
{
    if (t->facts->starts > 1)
        return toy_serve(t, w);
    toy_catch_term(t);
    rp_worker_say_ready(w);
    while (!toy_turn(t, w))
        if (t->facts->go == 1) {
            t->facts->go = 2;
            rp_worker_ask_recycle(w, RP_RECYCLE_LIFETIME);
        }
    return 0;
}

START_TEST(a_worker_that_asks_is_replaced_before_it_goes)
{
    struct toy t;

    toy_init(&t, 1, recycle_once);
    toy_start_all(&t);
    t.facts->go = 1;
    wait_for(t.facts->starts == 2 && t.facts->terms == 1);
    wait_for(toy_ready(&t) == 1 &&
             rp_board_count(t.board, RP_WORKER_FREE) == t.board->n - 1);
    ck_assert_uint_eq(t.board->deaths, 0);
    ck_assert_uint_eq(t.board->recycled[RP_RECYCLE_LIFETIME], 1);
    ck_assert_uint_eq(t.board->recycled[RP_RECYCLE_RSS], 0);
    toy_stop(&t);
}
END_TEST

/* The first four ask; who comes after them is not ready until told. */
static int
recycle_all(struct toy *t, struct rp_worker *w)
{
    bool is_first = t->facts->starts <= 4 && w->slot->seat < 4 && !t->facts->go;

    if (!is_first)
        while (t->facts->go < 2)
            toy_nap();
    toy_catch_term(t);
    rp_worker_say_ready(w);
    if (is_first) {
        while (!t->facts->go)
            if (toy_turn(t, w))
                return 0;
        rp_worker_ask_recycle(w, RP_RECYCLE_REQUESTS);
    }
    while (!toy_turn(t, w))
        ;
    return 0;
}

START_TEST(no_more_are_replaced_at_once_than_there_are_tokens)
{
    struct toy t;

    toy_init(&t, 4, recycle_all);
    t.config.recycle_parallel = 2;
    toy_start_all(&t);
    t.facts->go = 1;
    wait_for(t.board->recycled[RP_RECYCLE_REQUESTS] == 4);
    wait_for(t.facts->starts == 6);
    for (int i = 0; i < 25; i++)
        toy_nap();
    ck_assert_uint_eq(t.facts->starts, 6);
    ck_assert_uint_eq(t.facts->terms, 0);
    t.facts->go = 2;
    wait_for(t.facts->starts == 8 && t.facts->terms == 4 && toy_ready(&t) == 4);
    ck_assert_uint_eq(t.board->deaths, 0);
    toy_fini(&t);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        hup_replaces_every_worker_and_never_has_fewer,
        a_generation_that_does_not_boot_is_given_up,
        hup_during_a_reload_ends_at_the_newest,
        a_reload_that_is_refused_does_not_end_one_that_is_under_way,
        an_old_worker_that_dies_during_the_reload_is_not_missed,
        many_reloads_wait_for_room_on_the_board,
        a_worker_that_asks_is_replaced_before_it_goes,
        no_more_are_replaced_at_once_than_there_are_tokens,
    };

    return toy_run_suite("roll", tests, sizeof(tests) / sizeof(tests[0]));
}
