/* ready.c -- the socket pair between master and worker, seen from both ends.
 *
 * One byte is one message.  A pair instead of two pipes: one descriptor on
 * each side, and end of file in both directions. */

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "rupy/master/worker.h"

#include "state.h"

int
rp_ready_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                      fds);
}

enum rp_said
rp_ready_hear(int fd)
{
    char c;
    ssize_t n;

    do
        n = recv(fd, &c, 1, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? RP_SAID_NOTHING : RP_SAID_GOODBYE;
    if (n == 0)
        return RP_SAID_GOODBYE;
    return (enum rp_said)c;
}

static int
say(struct rp_worker *w, enum rp_said what)
{
    char c = (char)what;
    ssize_t n;

    if (w->fd < 0)
        return 0;
    do
        n = send(w->fd, &c, 1, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == 1 ? 0 : -1;
}

void
rp_worker_init_alone(struct rp_worker *w, struct rp_board *board)
{
    rp_board_open_slot(board, 0, 0, 1);
    *w = (struct rp_worker){
        .generation = 1,
        .round = 1,
        .fd = -1,
        .given = -1,
        .slot = &board->slots[0],
        .board = board,
    };
}

int
rp_worker_say_ready(struct rp_worker *w)
{
    /* The tick was set before the fork; a slow start must not look like a
     * loop that hangs. */
    rp_worker_tick(w);
    if (w->fd < 0) {
        atomic_store(&w->slot->ready_ns, rp_clock_mono_ns());
        atomic_store(&w->slot->state, RP_WORKER_READY);
    }
    return say(w, RP_SAID_READY);
}

int
rp_worker_ask_recycle(struct rp_worker *w, enum rp_recycle_reason why)
{
    return say(w, (enum rp_said)(RP_SAID_RECYCLE + (int)why));
}

int
rp_worker_alive_fd(const struct rp_worker *w)
{
    return w->fd;
}

char
rp_worker_hear(struct rp_worker *w)
{
    enum rp_said said = w->fd < 0 ? RP_SAID_NOTHING : rp_ready_hear(w->fd);

    return said == RP_SAID_GOODBYE ? 0 : (char)said;
}

bool
rp_worker_is_orphan(struct rp_worker *w)
{
    enum rp_said said;

    if (w->fd < 0)
        return false;
    /* The master says nothing so far; what a newer one may say is not ours. */
    do
        said = rp_ready_hear(w->fd);
    while (said != RP_SAID_NOTHING && said != RP_SAID_GOODBYE);
    return said == RP_SAID_GOODBYE;
}

bool
rp_worker_all_stop(const struct rp_worker *w)
{
    return atomic_load(&w->board->stopping) &&
           !atomic_load(&w->board->handed_over);
}

static void
do_nothing(int sig)
{
    (void)sig;
}

bool
rp_worker_may_report_boot_failure(struct rp_worker *w)
{
    uint32_t told = atomic_load(&w->board->reported_round);
    struct sigaction nop = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    struct sigaction old;

    /* Another that has nothing to report may have ended already, and then the
     * master sends all others home.  Without one the process, and what its
     * signals mean, may be somebody else's. */
    if (w->fd >= 0)
        sigaction(SIGTERM, &nop, &old);
    while (told < w->round)
        if (atomic_compare_exchange_weak(&w->board->reported_round, &told,
                                         w->round))
            return true;
    if (w->fd >= 0)
        sigaction(SIGTERM, &old, NULL);
    return false;
}
