/* worker.h -- what a worker knows of its master, and may say to it.
 *
 * Master and worker hold the two ends of a socket pair.  The worker says that
 * it is ready through it; end of file on it means that the master is dead,
 * since nobody else holds the other end.  (PR_SET_PDEATHSIG would not do: it
 * is lost on a change of credentials, and cannot be watched by a loop.)
 *
 * In the child all signals are unblocked and have their default action, but
 * for SIGPIPE, which is ignored, and SIGINT, SIGQUIT, SIGHUP, SIGUSR1 and
 * SIGUSR2, which do nothing: a terminal, or kill(-pgid), sends them to the
 * whole process group, and it is the master who decides what they mean.
 * By the time a worker says that it is ready it must handle SIGTERM (finish
 * what is in flight, then exit 0), and may handle SIGUSR1 (reopen log files).
 * SIGABRT comes when it is taken for hung: print stacks and die; two seconds
 * later comes SIGKILL. */
#ifndef RUPY_MASTER_WORKER_H
#define RUPY_MASTER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "rupy/base/clock.h"
#include "rupy/master/scoreboard.h"

struct rp_worker {
    /* Which of the wanted workers this is, from 0; never above max_workers.
     * A worker that replaces another takes its seat, and with it whatever the
     * service keeps per seat (a SO_REUSEPORT socket, a CPU). */
    uint32_t seat;
    uint32_t generation; /* 1, and one more for each reload */
    uint32_t round;      /* workers that start together share it */
    int fd;              /* to the master; -1: there is none */
    int given;           /* by rp_master_ops.on_start(), or -1 */
    struct rp_worker_slot *slot;
    struct rp_board *board;
};

/* A process that serves without a master: slot 0 of the board, no fd.  All
 * functions below may be called on it. */
void rp_worker_init_alone(struct rp_worker *w, struct rp_board *board);

/* "I can serve."  Return 0, or -1 and errno (EPIPE: the master is dead). */
int rp_worker_say_ready(struct rp_worker *w);

/* "Replace me when it suits": too many requests, too old, too fat.  The
 * master starts another one and sends SIGTERM when that is ready; until then
 * go on serving.  Return as rp_worker_say_ready(). */
int rp_worker_ask_recycle(struct rp_worker *w, enum rp_recycle_reason why);

/* Becomes readable when the master is dead, or has something to say.
 * -1: no master. */
int rp_worker_alive_fd(const struct rp_worker *w);
/* To be asked when that descriptor is readable: read what is there, and
 * return true when the master is dead.  Never waits. */
bool rp_worker_is_orphan(struct rp_worker *w);
/* The next byte that the master has said, of rp_master_say(); 0: none now.
 * To be asked before rp_worker_is_orphan(), which drops what is there; a dead
 * master says nothing. */
char rp_worker_hear(struct rp_worker *w);

/* Not this worker alone was told to go, and nobody else takes over. */
bool rp_worker_all_stop(const struct rp_worker *w);

/* True for the first of the workers that started together: a failure to load
 * the application is the same in all of them, and one traceback is enough.
 * That one does not hear SIGTERM from then on, so that it comes to tell. */
bool rp_worker_may_report_boot_failure(struct rp_worker *w);

/* The loop turned.  At least once a second, idle or not; a worker silent for
 * config.timeout is taken for hung. */
static inline void
rp_worker_tick(struct rp_worker *w)
{
    atomic_store_explicit(&w->slot->tick_ns, rp_clock_mono_ns(),
                          memory_order_relaxed);
}

#endif
