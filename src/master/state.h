/* state.h -- what the files of this folder share.
 *
 * The master thinks in two tables.  A *seat* is one of the workers that
 * should exist; a *worker* is a process, and lives in a slot of the board.
 * A seat has a holder, and while that is being replaced a successor; a worker
 * that was told to go belongs to no seat any more. */
#ifndef RUPY_MASTER_STATE_H
#define RUPY_MASTER_STATE_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "rupy/master/master.h"
#include "rupy/master/template.h"

#define NOBODY UINT32_MAX
#define NEVER (1.0 / 0.0)

struct worker {
    pid_t pid; /* 0: free, or a template was ordered to fork it */
    enum rp_worker_state state;
    uint32_t slot, seat, generation;
    int fd; /* our end of the pair, -1 when the worker closed its own */
    double started_at;
    double ready_at; /* 0: never was */
    double deadline; /* what happens then depends on the state */
    bool wants_recycle;
    bool aborted;      /* see struct rp_master_death */
    bool owes_reopen;  /* its log files are those of before a SIGUSR1 */
    uint32_t template; /* while pid is 0: its slot */
};

enum template_state {
    TEMPLATE_NONE,
    TEMPLATE_STARTING, /* it prepares */
    TEMPLATE_READY,    /* it forks */
    TEMPLATE_ABORTING, /* it hangs */
    TEMPLATE_ENDING,   /* it was killed, as nobody needs it */
};

enum {
    RP_TEMPLATES = 4, /* the present one, a fresh one, some on their way */
    RP_ORDER_FDS = 2,
    RP_TEMPLATE_WHY = 128, /* bytes of a reason, with what stands before it */
};

struct template_process {
    pid_t pid;
    enum template_state state;
    int fd; /* our end of the pair, -1: closed */
    uint32_t generation;
    double started_at, deadline;
    char why[RP_TEMPLATE_WHY]; /* it fails, in its own words; "" */
};

struct seat {
    uint32_t holder, successor; /* slots, or NOBODY */
    double not_before;          /* do not fork for it earlier */
    double backoff;             /* how long the next death will delay it */
};

struct rp_master {
    struct rp_master_config config;
    const struct rp_master_ops *ops;
    void *arg;
    struct rp_board *board;
    struct worker *workers; /* board->n */
    struct seat *seats;     /* config.max_workers */
    struct pollfd *fds;
    uint32_t wanted; /* seats in use; 0 after WINCH */
    uint32_t generation;
    uint32_t last_generation; /* of any reload, given up or not */

    /* With config.preload, see templates.c. */
    struct template_process templates[RP_TEMPLATES];
    uint32_t present, fresh;     /* slots, or NOBODY */
    bool renew;                  /* a fresh one is wanted and not there */
    uint32_t present_generation; /* of the present one, or who follows it */
    double template_not_before, template_backoff; /* as of a seat */

    uint32_t round;     /* see struct rp_worker */
    uint32_t failures;  /* boot failures before anybody was ready */
    bool was_ready;     /* somebody, once */
    double stop_at;     /* the end of the shutdown delay, or NEVER */
    pid_t upgrade;      /* the other master, 0: none */
    uint64_t oom_kills; /* of our memory cgroup, when last looked at */
    bool rolling;       /* seats of an older generation are to be replaced */
    uint32_t reloads;   /* that have ended */
    char reload_error[160]; /* of the last one, "" */
    bool stopping;
    bool interrupted; /* stopping because of SIGINT */
    int status;       /* what rp_master_run() will return */
    int wake_fd;
    double now;     /* of this turn */
    double woke_at; /* when the master last found that it had lost time */
};

/* -- life.c: one worker, from fork to the last signal ---------------------- */

/* Fork a worker into a free slot, or order a template to do it, which is
 * ready, unless its slot is NOBODY.  Return the slot; NOBODY when the system
 * refused (logged) or all slots are taken. */
uint32_t rp_life_start(struct rp_master *m, uint32_t seat, uint32_t template);
/* fork(2) with all that belongs to it; the child has all signals blocked. */
pid_t rp_life_fork(struct rp_master *m);
/* The rest of a worker's life, in its process. */
_Noreturn void rp_life_live(void (*after_fork)(void *arg),
                            int (*child)(void *arg, struct rp_worker *w),
                            void *arg, struct rp_worker *self);
void rp_life_ready(struct rp_master *m, struct worker *w);
/* SIGTERM, with so many seconds until SIGKILL. */
void rp_life_retire(struct rp_master *m, struct worker *w, double grace);
/* Look at deadlines and ticks; abort or kill who has passed one. */
void rp_life_watch(struct rp_master *m);
/* When rp_life_watch() should be called next. */
double rp_life_next_deadline(const struct rp_master *m);
/* It is to be replaced when it suits. */
void rp_life_ask_recycle(struct rp_master *m, struct worker *w,
                         enum rp_recycle_reason why);
/* Read what the worker said; react to it. */
void rp_life_listen(struct rp_master *m, struct worker *w);
/* Fork, and become another master there.  0: the system refused (logged). */
pid_t rp_life_upgrade(struct rp_master *m);
/* The process is no more: give the slot back. */
void rp_life_end(struct rp_master *m, struct worker *w);

/* -- reap.c ---------------------------------------------------------------- */

/* Collect every child that has ended; log, count, draw conclusions. */
void rp_reap(struct rp_master *m);
/* Its template is gone, or could not fork: there is no such process. */
void rp_reap_unborn(struct rp_master *m, struct worker *w);
/* `who` did not boot.  Before anybody was ready the service may end. */
void rp_reap_boot_failure(struct rp_master *m, const char *who, int status);
/* "killed by SIGSEGV (core dumped)", "exited with status 1"; is_ours: it was
 * us who killed it. */
void rp_reap_describe(struct rp_master *m, int status, bool is_ours, char *out,
                      size_t size);

/* -- templates.c: whom workers are forked from ----------------------------- */

void rp_templates_init(struct rp_master *m);
/* Fork those that are missing. */
void rp_templates_fill(struct rp_master *m);
/* A reload: make a fresh one, of m->generation. */
void rp_templates_renew(struct rp_master *m);
/* The reload is given up: the one that is there goes on. */
void rp_templates_give_up(struct rp_master *m);
/* The service stops: no more will be forked. */
void rp_templates_stop(struct rp_master *m);
bool rp_templates_are_gone(const struct rp_master *m);
/* Where to fork a worker, which replaces another or has an empty seat.
 * NOBODY: not yet. */
uint32_t rp_templates_pick(const struct rp_master *m, bool replaces);
/* Have w forked, whose end of the pair is fd; given is as in rp_worker.
 * 0, or -1 and errno. */
int rp_templates_order(struct rp_master *m, const struct worker *w, int fd,
                       int given);
/* It was ordered, and nothing came of it. */
void rp_templates_abort(struct rp_master *m, uint32_t slot);
void rp_templates_say(struct rp_master *m, char c);
void rp_templates_on_worker_ready(struct rp_master *m, const struct worker *w);
/* Read what it said; react to it. */
void rp_templates_listen(struct rp_master *m, uint32_t slot);
void rp_templates_on_death(struct rp_master *m, struct template_process *t,
                           int status);
/* Look at deadlines. */
void rp_templates_watch(struct rp_master *m);
/* When watch or fill should be called next. */
double rp_templates_next_deadline(const struct rp_master *m);

/* What is sent to a template, with the worker's end of its pair, and what it
 * is given. */
struct rp_order {
    uint32_t slot, seat, round;
};

/* And what comes from there: the first byte of a message. */
enum {
    RP_TEMPLATE_READY = 'R',
    RP_TEMPLATE_FAILED = 'F', /* and why */
};

/* -- seats.c: who should exist --------------------------------------------- */

void rp_seats_init(struct rp_master *m);
/* Fork for seats that are empty; replace one worker that is outdated. */
void rp_seats_fill(struct rp_master *m);
/* When rp_seats_fill() should be called next. */
double rp_seats_next_start(const struct rp_master *m);
/* w is ready: if it was a successor, it takes the seat. */
void rp_seats_on_ready(struct rp_master *m, struct worker *w);
/* w has died.  Return true when it had a seat: nobody asked it to go. */
bool rp_seats_on_death(struct rp_master *m, struct worker *w);
/* A new worker did not boot: if it belonged to a roll, that is over. */
void rp_seats_on_boot_failure(struct rp_master *m, const struct worker *w);
void rp_seats_set_wanted(struct rp_master *m, uint32_t wanted);
/* WINCH: every worker leaves, in peace; the service goes on without. */
void rp_seats_clear(struct rp_master *m);
void rp_seats_roll(struct rp_master *m);
/* Empty every seat now; the next turn fills them with a new generation. */
void rp_seats_restart(struct rp_master *m, double grace);
/* Send everybody home, and make `status` the status of the service. */
void rp_seats_stop(struct rp_master *m, int status, double grace);

/* The reload is over, for this reason, or well when it is NULL. */
void rp_seats_end_roll(struct rp_master *m, const char *error);

/* -- signals.c ------------------------------------------------------------- */

struct rp_signals {
    struct sigaction old_actions[NSIG];
    sigset_t old_mask;
    int pipe[2];
};

/* Install handlers.  Return the descriptor that wakes the loop, or -1 and
 * errno.  fini puts back what was there before. */
int rp_signals_init(struct rp_signals *s);
void rp_signals_fini(struct rp_signals *s);
/* As if it had come. */
void rp_signals_raise(int sig);
/* The signal that came, or 0: none left.  Each is reported once, however
 * often it came. */
int rp_signals_take(void);
/* Empty the pipe; to be called before taking. */
void rp_signals_drain(void);
void rp_signals_block_all(sigset_t *old);
/* In the child, all blocked: see worker.h for what it does. */
void rp_signals_reset_in_child(void);
/* "SIGSEGV" */
const char *rp_signal_name(int sig, char *out, size_t size);

/* -- oom.c ----------------------------------------------------------------- */

/* How often the kernel has killed a process of our memory cgroup for want of
 * memory; 0 also where that cannot be known. */
uint64_t rp_oom_kills(void);

/* -- ready.c: the socket pair ---------------------------------------------- */

enum rp_said {
    RP_SAID_NOTHING,
    RP_SAID_READY = 'R',
    RP_SAID_RECYCLE =
        'a', /* and behind it one for each enum rp_recycle_reason */
    RP_SAID_RECYCLE_LAST = RP_SAID_RECYCLE + RP_N_RECYCLES - 1,
    RP_SAID_GOODBYE = -1, /* its end is closed */
};

/* fds[0] is the master's.  Return 0, or -1 and errno. */
int rp_ready_pair(int fds[2]);
/* The next thing said, without waiting. */
enum rp_said rp_ready_hear(int fd);

#endif
