/* master.h -- keep a number of worker processes alive.
 *
 * The master owns pids, one socket pair per worker and the scoreboard, and
 * knows nothing of what the workers do.  It is single-threaded.
 *
 *   TERM QUIT   workers get SIGTERM, and SIGKILL at the graceful deadline;
 *               with a shutdown delay they go on for that long before, and
 *               the second signal ends the delay
 *   INT         the same without a delay; the second time the deadline is one
 *               second
 *   HUP         replace every worker: start one, wait until it is ready,
 *               retire one old.  If a new one does not boot, the old ones stay
 *   TTIN TTOU   one worker more, one less (1..max_workers)
 *   USR1        reopen log files: ops->reopen_logs, then the ready workers
 *   USR2        ops->upgrade: another master, beside this one
 *   WINCH       every worker leaves, the master stays: HUP brings them back,
 *               TTIN one of them.  Only from a process: a terminal sends it
 *               when its window changes */
#ifndef RUPY_MASTER_MASTER_H
#define RUPY_MASTER_MASTER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rupy/master/scoreboard.h"
#include "rupy/master/worker.h"

/* Exit status of the service, and of a worker that could not start. */
enum rp_exit {
    RP_EXIT_OK = 0,
    RP_EXIT_USAGE = 1,
    RP_EXIT_INTERNAL = 2,
    RP_EXIT_BOOT = 3, /* a worker failed to boot */
    RP_EXIT_APP = 4,  /* the application failed to load */
    RP_EXIT_BIND = 5,
};

/* Times are in seconds. */
struct rp_master_config {
    uint32_t workers;
    uint32_t max_workers;    /* ceiling for TTIN */
    double timeout;          /* silence of a loop; 0: not watched */
    double startup_timeout;  /* fork to ready; 0: no limit */
    double graceful_timeout; /* SIGTERM to SIGKILL */
    double shutdown_delay;   /* asked to stop to SIGTERM; see board->stopping */
    uint32_t recycle_parallel; /* workers that may be on their way to replace
                                * another, at the same time */
    uint32_t boot_failures;    /* in a row, when none ever was ready */
    double backoff_min;   /* the first replacement is immediate, then this, */
    double backoff_max;   /* doubled up to this, */
    double healthy_after; /* until one has lived so long: a crash now and then,
                             * or a kill, costs no delay; a loop of them does */
    struct rp_board *board; /* lent, rp_master_slots() slots; NULL: its own */
    bool preload;           /* see template.h; a reload does not change it */
};

struct rp_master;
struct rp_template;

/* How a worker ended. */
struct rp_master_death {
    pid_t pid;
    uint32_t slot, seat, generation;
    int status;   /* of waitpid(2) */
    bool aborted; /* by the master: it was silent, or never ready */
};

/* All may be NULL but child, and preload where it is asked for. */
struct rp_master_ops {
    /* Runs in the forked child.  What it returns is the exit status: of the
     * process, and with RP_EXIT_BOOT and RP_EXIT_APP before any worker was
     * ready, of the service.  w and what it points to live as long as the
     * process. */
    int (*child)(void *arg, struct rp_worker *w);
    /* With config.preload, instead of child: runs in a forked child, prepares
     * what workers share, and calls rp_template_serve().  What it returns is
     * the exit status, as above. */
    int (*preload)(void *arg, struct rp_template *t);

    /* Around fork(2); after_fork_parent also when it failed. */
    void (*before_fork)(void *arg);
    void (*after_fork_parent)(void *arg);
    void (*after_fork_child)(void *arg);

    /* A worker is about to be forked: before before_fork().  Return a
     * descriptor that it shall have as well, which stays yours, or -1. */
    int (*on_start)(void *arg, uint32_t slot, uint32_t seat,
                    uint32_t generation);
    /* A worker is no more, and was reaped. */
    void (*on_death)(void *arg, const struct rp_master_death *d);

    /* Once: the first worker is ready, the service answers. */
    void (*on_ready)(void *arg);
    /* SIGHUP.  May change config, but for max_workers and board.
     * Return 0, or -1 (and say why) to keep everything as it is. */
    int (*on_reload)(void *arg, struct rp_master_config *config);
    /* The service is about to stop: before any worker hears of it.  other:
     * the master that SIGUSR2 has started and that goes on, or 0.  Return
     * whether some other process goes on serving on the same sockets. */
    bool (*on_stop)(void *arg, pid_t other);
    void (*reopen_logs)(void *arg);
    /* SIGUSR2, in a forked child: become another master by execve(2).
     * Return, if at all, an exit status.  NULL: the signal is ignored. */
    int (*upgrade)(void *arg);
    /* Each turn of the master's loop, before it waits.  Return a descriptor
     * that shall end the wait when it is readable, or -1.  The descriptor of
     * an epoll or a libev loop will do: so other things (metrics, a control
     * socket) live in the master.  Must not block.  m is good for the calls
     * below, until rp_master_run() returns. */
    int (*on_turn)(void *arg, struct rp_master *m);
};

/* The defaults that the manual promises; one worker. */
void rp_master_config_init(struct rp_master_config *c);
/* How many slots a board for this configuration must have: every worker may
 * have a retiring predecessor. */
uint32_t rp_master_slots(const struct rp_master_config *c);

/* Run until told to stop; returns the exit status of the service, an enum
 * rp_exit, when all workers are gone.  Only one at a time in a process, in
 * its only thread.  Signal dispositions and mask are put back at the end. */
int rp_master_run(const struct rp_master_config *config,
                  const struct rp_master_ops *ops, void *arg);

/* Signals that rp_master_run() hears wait for it from now on; without it their
 * default action is the end of the process.  Those that stop it only if
 * stops.  They are held again when it returns.  before: the mask that was, or
 * NULL. */
void rp_master_hold_signals(bool stops, sigset_t *before);
/* Drop those that came too late; this is the mask again. */
void rp_master_release_signals(const sigset_t *before);

/* TERM, QUIT or INT has come and nobody has looked at it yet.  Whoever waits
 * for something in on_reload() should do so no longer. */
bool rp_master_is_told_to_stop(void);

/* ---- from on_turn ---- */

/* How things stand. */
struct rp_master_view {
    const struct rp_board *board;
    uint32_t wanted, generation;
    uint32_t reloads; /* that ended, well or not */
    bool rolling;     /* a reload is not over */
    bool stopping;
    pid_t other;              /* the master that SIGUSR2 started, 0: none */
    pid_t template;           /* whom workers are forked from, 0: none */
    const char *reload_error; /* of the last one; "": it went well */
};

void rp_master_look(const struct rp_master *m, struct rp_master_view *v);
/* As if this signal had come, in this turn or the next. */
void rp_master_signal(struct rp_master *m, int sig);
/* So many workers, as far as the configuration allows. */
void rp_master_set_workers(struct rp_master *m, uint32_t n);
/* Replace this worker, or all when pid is 0.  Return how many that will be. */
uint32_t rp_master_recycle(struct rp_master *m, pid_t pid);
/* Every worker goes within so many seconds, and new ones start at once; who
 * connects between the two waits. */
void rp_master_restart(struct rp_master *m, double grace);
/* A signal for this worker, or for all that are ready when pid is 0.  Return
 * how many there were. */
uint32_t rp_master_tell(struct rp_master *m, pid_t pid, int sig);
/* Say a byte to every worker, see rp_worker_hear(). */
void rp_master_say(struct rp_master *m, char c);

#endif
