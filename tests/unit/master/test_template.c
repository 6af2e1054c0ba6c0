/* Stories: workers that are forked from a template. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "toy.h"

static void
preload(struct toy *t, uint32_t workers, toy_child *child)
{
    toy_init(t, workers, child);
    t->config.preload = true;
}

/* The pid in the last line of the log that contains it. */
static pid_t
template_pid(struct toy *t)
{
    static const char what[] = "template (pid ";
    const char *last = NULL;

    toy_log_count(t, what);
    for (char *p = t->text; (p = strstr(p, what)) != NULL; p++)
        if (strstr(p, ") started") == strchr(p, ')'))
            last = p;
    ck_assert_ptr_nonnull(last);
    return (pid_t)strtol(last + sizeof(what) - 1, NULL, 10);
}

static int
parent_is_the_master(struct toy *t, struct rp_worker *w)
{
    /* The process in between may not have ended yet. */
    for (int i = 0; i < 1000 && getppid() != (pid_t)t->facts->go; i++)
        toy_nap();
    if (getppid() != (pid_t)t->facts->go)
        return RP_EXIT_BOOT;
    return toy_serve(t, w);
}

START_TEST(workers_are_children_of_the_master)
{
    struct toy t;

    preload(&t, 3, parent_is_the_master);
    toy_start(&t);
    t.facts->go = (uint32_t)t.master;
    wait_for(toy_ready(&t) == 3);
    ck_assert_uint_eq(t.facts->imports, 1);
    ck_assert_uint_eq(t.facts->starts, 3);
    /* One fork of the master's; each worker's two count as one. */
    ck_assert_uint_eq(t.facts->before_forks, 1 + 3);
    ck_assert_uint_eq(t.facts->after_parents, 1 + 3);
    ck_assert_uint_eq(t.facts->after_children, 1 + 3);
    toy_signal(&t, SIGTERM);
    ck_assert_int_eq(toy_wait_exit(&t), RP_EXIT_OK);
    ck_assert_uint_eq(t.facts->terms, 3);
    toy_fini(&t);
}
END_TEST

START_TEST(a_killed_worker_is_forked_again_from_the_same_template)
{
    struct toy t;

    preload(&t, 2, toy_serve);
    toy_start_all(&t);
    kill(toy_pid(&t, 0), SIGSEGV);
    wait_for(t.facts->starts == 3 && toy_ready(&t) == 2);
    ck_assert_uint_eq(toy_log_count(&t, "killed by SIGSEGV"), 1);
    ck_assert_uint_eq(t.board->deaths, 1);
    ck_assert_uint_eq(t.facts->imports, 1);
    toy_stop(&t);
}
END_TEST

START_TEST(hup_forks_from_a_fresh_template)
{
    struct toy t;
    pid_t first;

    preload(&t, 3, toy_serve);
    toy_start_all(&t);
    first = template_pid(&t);
    toy_signal(&t, SIGHUP);
    wait_for(toy_log_count(&t, "generation 2 serves") == 1);
    ck_assert(toy_all_generation(&t, 2));
    ck_assert_uint_eq(t.facts->imports, 2);
    ck_assert_int_ne(template_pid(&t), first);
    wait_for(kill(first, 0) < 0);
    /* And who dies now is forked from that. */
    kill(toy_pid(&t, 3), SIGKILL);
    wait_for(t.facts->starts == 7 && toy_ready(&t) == 3);
    ck_assert(toy_all_generation(&t, 2));
    ck_assert_uint_eq(t.facts->imports, 2);
    toy_stop(&t);
}
END_TEST

static int
fail_if_broken(struct toy *t, struct rp_template *template)
{
    if (!t->facts->broken)
        return 0;
    rp_template_fail(template, "ImportError: no luck");
    return RP_EXIT_APP;
}

START_TEST(a_fresh_template_that_fails_leaves_the_old_one)
{
    struct toy t;
    pid_t first;

    preload(&t, 2, toy_serve);
    t.import = fail_if_broken;
    toy_start_all(&t);
    first = template_pid(&t);
    t.facts->broken = 1;
    toy_signal(&t, SIGHUP);
    wait_for(toy_log_count(&t, "reload given up: ImportError: no luck") == 1);
    ck_assert_uint_eq(toy_ready(&t), 2);
    ck_assert_uint_eq(t.facts->terms, 0);
    ck_assert_int_eq(kill(first, 0), 0);
    /* It still forks, broken as the files are. */
    kill(toy_pid(&t, 0), SIGKILL);
    wait_for(t.facts->starts == 3 && toy_ready(&t) == 2);
    ck_assert(toy_all_generation(&t, 1));
    /* Repaired, and once more. */
    t.facts->broken = 0;
    toy_signal(&t, SIGHUP);
    wait_for(toy_log_count(&t, "generation 3 serves") == 1);
    ck_assert(toy_all_generation(&t, 3));
    toy_stop(&t);
}
END_TEST

static int
fail_in_second(struct toy *t, struct rp_worker *w)
{
    return w->generation == 2 ? RP_EXIT_BOOT : toy_serve(t, w);
}

START_TEST(workers_that_do_not_boot_take_their_template_with_them)
{
    struct toy t;
    pid_t first;

    preload(&t, 2, fail_in_second);
    toy_start_all(&t);
    first = template_pid(&t);
    toy_signal(&t, SIGHUP);
    wait_for(toy_log_count(&t, "reload given up") == 1);
    ck_assert_int_ne(template_pid(&t), first);
    wait_for(kill(template_pid(&t), 0) < 0);
    kill(toy_pid(&t, 0), SIGKILL);
    wait_for(toy_ready(&t) == 2 && t.board->deaths == 2);
    ck_assert(toy_all_generation(&t, 1));
    toy_stop(&t);
}
END_TEST

START_TEST(a_template_that_dies_is_replaced_and_workers_live_on)
{
    struct toy t;
    pid_t first;

    preload(&t, 2, toy_serve);
    t.config.backoff_min = 0.02;
    toy_start_all(&t);
    for (uint32_t i = 1; i <= 3; i++) {
        first = template_pid(&t);
        kill(first, SIGKILL);
        wait_for(t.facts->imports == i + 1);
        wait_for(toy_log_count(&t, ") ready after") >= 2 + 1 + i);
    }
    ck_assert_uint_eq(toy_log_count(&t, "another takes its place"), 3);
    ck_assert_uint_eq(t.facts->starts, 2);
    kill(toy_pid(&t, 1), SIGKILL);
    wait_for(t.facts->starts == 3 && toy_ready(&t) == 2);
    ck_assert_uint_eq(t.board->deaths, 1);
    toy_stop(&t);
}
END_TEST

static int
wait_in_second(struct toy *t, struct rp_template *template)
{
    while (template->generation == 2 && !t->facts->go)
        toy_nap();
    return 0;
}

START_TEST(a_fresh_template_fills_the_seat_that_the_old_one_left_empty)
{
    struct toy t;
    pid_t old;

    preload(&t, 2, toy_serve);
    t.import = wait_in_second;
    t.config.backoff_min = 1;
    toy_start_all(&t);
    old = template_pid(&t);
    toy_signal(&t, SIGHUP);
    wait_for(t.facts->imports == 2);
    /* The second to die is not replaced before a second has passed. */
    for (uint32_t i = 1; i <= 2; i++) {
        kill(toy_pid(&t, 0), SIGKILL);
        wait_for(t.board->deaths == i);
        wait_for(i == 2 || toy_ready(&t) == 2);
    }
    ck_assert_uint_eq(toy_ready(&t), 1);
    t.facts->go = 1;
    wait_for(toy_log_count(&t, "generation 2\n") >= 2);
    kill(old, SIGKILL);
    wait_for(toy_log_count(&t, "generation 2 serves") == 1);
    ck_assert(toy_all_generation(&t, 2));
    toy_stop(&t);
}
END_TEST

/* Two processes dead at once: nothing may be lost, whoever is reaped first. */
START_TEST(templates_and_workers_die_all_the_time)
{
    struct toy t;

    preload(&t, 4, toy_serve);
    t.config.backoff_min = t.config.backoff_max = 0.001;
    toy_start_all(&t);
    for (uint32_t i = 0; i < 30; i++) {
        pid_t worker = toy_pid(&t, i % 4);

        kill(template_pid(&t), SIGKILL);
        if (worker > 0)
            kill(worker, SIGKILL);
        toy_nap();
    }
    wait_for(toy_ready(&t) == 4);
    wait_for(rp_board_count(t.board, RP_WORKER_FREE) == t.board->n - 4);
    toy_stop(&t);
}
END_TEST

static int
exit_4(struct toy *t, struct rp_template *template)
{
    (void)t, (void)template;
    return RP_EXIT_APP;
}

static int
exit_3(struct toy *t, struct rp_template *template)
{
    (void)t, (void)template;
    return RP_EXIT_BOOT;
}

static int
crash(struct toy *t, struct rp_template *template)
{
    (void)t, (void)template;
    raise(SIGSEGV);
    return 0;
}

static int
hang(struct toy *t, struct rp_template *template)
{
    (void)t, (void)template;
    toy_catch_term(t);
    while (t->facts)
        toy_nap();
    return 0;
}

static const struct {
    int (*import)(struct toy *t, struct rp_template *template);
    int status;
    uint32_t imports;
    const char *said;
} bad_starts[] = {
    {exit_4, RP_EXIT_APP, 1, "the application failed to load: giving up"},
    {exit_3, RP_EXIT_BOOT, 1, "the template failed to boot: giving up"},
    {crash, RP_EXIT_BOOT, 3, "killed by SIGSEGV"},
    {hang, RP_EXIT_BOOT, 3, "not ready after 0."},
};

START_TEST(a_template_that_cannot_prepare_ends_the_service)
{
    for (size_t i = 0; i < sizeof(bad_starts) / sizeof(bad_starts[0]); i++) {
        struct toy t;

        preload(&t, 2, toy_serve);
        t.import = bad_starts[i].import;
        t.config.backoff_min = 0.02;
        if (t.import == hang)
            t.config.startup_timeout = 0.1;
        toy_start(&t);
        ck_assert_int_eq(toy_wait_exit(&t), bad_starts[i].status);
        ck_assert_uint_eq(t.facts->imports, bad_starts[i].imports);
        ck_assert_uint_eq(toy_log_count(&t, bad_starts[i].said),
                          bad_starts[i].imports);
        ck_assert_uint_eq(t.facts->starts, 0);
        toy_fini(&t);
    }
}
END_TEST

static int
hang_once_ready(struct toy *t, struct rp_template *template)
{
    if (t->facts->go)
        hang(t, template);
    return 0;
}

START_TEST(a_reload_that_hangs_in_its_import_is_given_up)
{
    struct toy t;

    preload(&t, 2, toy_serve);
    t.import = hang_once_ready;
    t.config.startup_timeout = 0.5;
    toy_start_all(&t);
    t.facts->go = 1;
    toy_signal(&t, SIGHUP);
    wait_for(toy_log_count(&t, "reload given up: template") == 1);
    ck_assert_uint_eq(t.facts->aborts, 1);
    ck_assert_uint_eq(toy_ready(&t), 2);
    ck_assert(toy_all_generation(&t, 1));
    toy_stop(&t);
}
END_TEST

START_TEST(term_does_not_wait_for_an_import)
{
    struct toy t;

    preload(&t, 2, toy_serve);
    t.import = hang_once_ready;
    toy_start_all(&t);
    t.facts->go = 1;
    toy_signal(&t, SIGHUP);
    wait_for(t.facts->imports == 2);
    toy_stop(&t);
}
END_TEST

START_TEST(hups_on_end_reach_the_newest)
{
    struct toy t;

    preload(&t, 2, toy_serve);
    toy_start(&t);
    /* The first come while it prepares for the first time. */
    wait_for(t.facts->imports == 1);
    for (int i = 0; i < 20; i++) {
        toy_signal(&t, SIGHUP);
        toy_nap();
    }
    wait_for(toy_ready(&t) == 2 &&
             toy_log_count(&t, "reload: generation") == t.board->reloads &&
             rp_board_count(t.board, RP_WORKER_FREE) == t.board->n - 2);
    wait_for(toy_all_generation(&t, t.board->reloads + 1));
    ck_assert_uint_eq(toy_log_count(&t, "given up"), 0);
    toy_stop(&t);
}
END_TEST

/* A template that is stopped gets an order that it does not obey. */
START_TEST(a_template_that_does_not_fork_is_aborted)
{
    struct toy t;

    preload(&t, 1, toy_serve);
    t.config.startup_timeout = 0.5;
    t.config.backoff_min = 0.02;
    toy_start_all(&t);
    kill(template_pid(&t), SIGSTOP);
    kill(toy_pid(&t, 0), SIGKILL);
    wait_for(toy_log_count(&t, "does not fork: aborting it") == 1);
    wait_for(toy_ready(&t) == 1);
    ck_assert_uint_eq(t.facts->imports, 2);
    ck_assert_uint_eq(toy_log_count(&t, "was not forked"), 1);
    toy_stop(&t);
}
END_TEST

START_TEST(who_was_ordered_and_is_not_there_yet_is_told_to_go)
{
    struct toy t;

    preload(&t, 1, toy_serve);
    toy_start_all(&t);
    kill(template_pid(&t), SIGSTOP);
    toy_signal(&t, SIGTTIN);
    wait_for(rp_board_count(t.board, RP_WORKER_STARTING) == 1);
    toy_signal(&t, SIGTTOU);
    wait_for(rp_board_count(t.board, RP_WORKER_RETIRING) == 1);
    kill(template_pid(&t), SIGCONT);
    wait_for(rp_board_count(t.board, RP_WORKER_FREE) == t.board->n - 1);
    ck_assert_uint_eq(toy_ready(&t), 1);
    toy_stop(&t);
}
END_TEST

START_TEST(usr1_reaches_the_template_and_who_starts)
{
    struct toy t;

    preload(&t, 1, toy_serve);
    toy_start_all(&t);
    kill(template_pid(&t), SIGSTOP);
    toy_signal(&t, SIGTTIN);
    wait_for(rp_board_count(t.board, RP_WORKER_STARTING) == 1);
    toy_signal(&t, SIGUSR1);
    wait_for(t.facts->usr1s == 1);
    kill(template_pid(&t), SIGCONT);
    wait_for(toy_ready(&t) == 2 && t.facts->words == 1);
    wait_for(t.facts->usr1s == 2);
    toy_stop(&t);
}
END_TEST

START_TEST(all_end_when_the_master_is_killed)
{
    struct toy t;
    pid_t template;

    preload(&t, 2, toy_serve);
    toy_start_all(&t);
    template = template_pid(&t);
    toy_signal(&t, SIGKILL);
    wait_for(t.facts->orphans == 2);
    wait_for(kill(template, 0) < 0);
    toy_fini(&t);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        workers_are_children_of_the_master,
        a_killed_worker_is_forked_again_from_the_same_template,
        hup_forks_from_a_fresh_template,
        a_fresh_template_that_fails_leaves_the_old_one,
        workers_that_do_not_boot_take_their_template_with_them,
        a_template_that_dies_is_replaced_and_workers_live_on,
        a_fresh_template_fills_the_seat_that_the_old_one_left_empty,
        templates_and_workers_die_all_the_time,
        a_template_that_cannot_prepare_ends_the_service,
        a_reload_that_hangs_in_its_import_is_given_up,
        term_does_not_wait_for_an_import,
        hups_on_end_reach_the_newest,
        a_template_that_does_not_fork_is_aborted,
        who_was_ordered_and_is_not_there_yet_is_told_to_go,
        usr1_reaches_the_template_and_who_starts,
        all_end_when_the_master_is_killed,
    };

    return toy_run_suite("template", tests, sizeof(tests) / sizeof(tests[0]));
}
