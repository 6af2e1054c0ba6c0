/* The worker's side of the socket pair. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "toy.h"

static void
pair(struct rp_worker *w, struct rp_board *b, int *master)
{
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    rp_worker_init_alone(w, b);
    w->fd = fds[1];
    *master = fds[0];
}

START_TEST(ready_and_recycle_are_two_different_bytes)
{
    struct rp_board *b = rp_board_new(1);
    struct rp_worker w;
    char said[8];
    int master;

    pair(&w, b, &master);
    ck_assert_int_eq(rp_worker_say_ready(&w), 0);
    ck_assert_int_eq(rp_worker_ask_recycle(&w, RP_RECYCLE_RSS), 0);
    ck_assert_int_eq(read(master, said, sizeof(said)), 2);
    ck_assert_int_ne(said[0], said[1]);
    close(master);
    close(w.fd);
    rp_board_free(b);
}
END_TEST

START_TEST(a_worker_is_an_orphan_when_the_master_has_gone)
{
    struct rp_board *b = rp_board_new(1);
    struct rp_worker w;
    int master;

    pair(&w, b, &master);
    ck_assert(!rp_worker_is_orphan(&w));
    /* A message of a newer master is no reason to leave. */
    ck_assert_int_eq(write(master, "??", 2), 2);
    ck_assert(!rp_worker_is_orphan(&w));
    close(master);
    ck_assert(rp_worker_is_orphan(&w));
    ck_assert_int_eq(rp_worker_say_ready(&w), -1);
    ck_assert_int_eq(errno, EPIPE);
    close(w.fd);
    rp_board_free(b);
}
END_TEST

START_TEST(it_is_an_orphan_too_when_the_master_did_not_read_to_the_end)
{
    struct rp_board *b = rp_board_new(1);
    struct rp_worker w;
    int master;

    pair(&w, b, &master);
    ck_assert_int_eq(rp_worker_say_ready(&w), 0);
    close(master);
    ck_assert(rp_worker_is_orphan(&w));
    close(w.fd);
    rp_board_free(b);
}
END_TEST

START_TEST(a_worker_without_master_is_ready_and_no_orphan)
{
    struct rp_board *b = rp_board_new(1);
    struct rp_worker w;

    rp_worker_init_alone(&w, b);
    ck_assert_int_eq(rp_worker_alive_fd(&w), -1);
    ck_assert_int_eq(rp_worker_say_ready(&w), 0);
    ck_assert_int_eq(rp_worker_ask_recycle(&w, RP_RECYCLE_RSS), 0);
    ck_assert_uint_eq(rp_board_count(b, RP_WORKER_READY), 1);
    ck_assert(!rp_worker_is_orphan(&w));
    rp_board_free(b);
}
END_TEST

START_TEST(one_of_each_round_may_report_its_failure)
{
    struct rp_board *b = rp_board_new(1);
    struct rp_worker w;

    rp_worker_init_alone(&w, b);
    ck_assert(rp_worker_may_report_boot_failure(&w));
    ck_assert(!rp_worker_may_report_boot_failure(&w));
    w.round = 3;
    ck_assert(rp_worker_may_report_boot_failure(&w));
    w.round = 2;
    ck_assert(!rp_worker_may_report_boot_failure(&w));
    rp_board_free(b);
}
END_TEST

static bool
term_ends_us(void)
{
    struct sigaction sa;

    sigaction(SIGTERM, NULL, &sa);
    return sa.sa_handler == SIG_DFL;
}

START_TEST(who_may_report_does_not_hear_sigterm_from_its_master)
{
    struct rp_board *b = rp_board_new(1);
    struct rp_worker w;
    int master;

    signal(SIGTERM, SIG_DFL);
    rp_worker_init_alone(&w, b);
    ck_assert(rp_worker_may_report_boot_failure(&w));
    ck_assert(term_ends_us());
    pair(&w, b, &master);
    ck_assert(!rp_worker_may_report_boot_failure(&w));
    ck_assert(term_ends_us());
    w.round = 2;
    ck_assert(rp_worker_may_report_boot_failure(&w));
    ck_assert(!term_ends_us());
    signal(SIGTERM, SIG_DFL);
    close(master);
    close(w.fd);
    rp_board_free(b);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        ready_and_recycle_are_two_different_bytes,
        a_worker_is_an_orphan_when_the_master_has_gone,
        it_is_an_orphan_too_when_the_master_did_not_read_to_the_end,
        a_worker_without_master_is_ready_and_no_orphan,
        one_of_each_round_may_report_its_failure,
        who_may_report_does_not_hear_sigterm_from_its_master,
    };

    return toy_run_suite("ready", tests, sizeof(tests) / sizeof(tests[0]));
}
