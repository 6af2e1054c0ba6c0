/* toy.h -- a service of toy workers, to tell stories about signals.
 *
 * The master runs in a child of the test, in a process group of its own, and
 * logs into memory.  Toys and test share a page of facts.  Every process has
 * an alarm, so that none outlives a test that was killed. */
#ifndef TOY_H
#define TOY_H

#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "rupy/base/clock.h"
#include "rupy/master/master.h"
#include "rupy/master/template.h"

enum { TOY_PATIENCE = 10 };

struct toy_facts {
    _Atomic uint32_t starts, terms, usr1s, orphans, reports, aborts;
    _Atomic uint32_t ready_calls, reopens, reloads, turns;
    _Atomic uint32_t upgrades;
    _Atomic uint32_t before_forks, after_parents, after_children;
    _Atomic uint32_t imports, words;
    /* Switches for the toys to obey. */
    _Atomic uint32_t go, broken, refuses;
};

struct toy;
typedef int toy_child(struct toy *t, struct rp_worker *w);

struct toy {
    struct rp_master_config config;
    toy_child *child;
    /* With config.preload: 0, or the exit status; NULL is 0. */
    int (*import)(struct toy *t, struct rp_template *template);
    struct toy_facts *facts;
    struct rp_board *board;
    pid_t master;
    int log;
    char text[65536];
};

/* Short deadlines where a story is about them, endless ones elsewhere. */
void toy_init(struct toy *t, uint32_t workers, toy_child *child);
void toy_start(struct toy *t);
/* Start, and wait until all of its workers are ready. */
void toy_start_all(struct toy *t);
/* SIGTERM, and it must leave as it should; the end of most stories. */
void toy_stop(struct toy *t);
void toy_fini(struct toy *t);
void toy_signal(struct toy *t, int sig);
/* Exit status of the master, or -1 when it does not end in time. */
int toy_wait_exit(struct toy *t);
/* The pid in the slot; wait for it first. */
pid_t toy_pid(const struct toy *t, uint32_t slot);
/* How often the log contains it. */
unsigned toy_log_count(struct toy *t, const char *what);
uint32_t toy_ready(const struct toy *t);
/* The workers that are ready all have this generation. */
bool toy_all_generation(const struct toy *t, uint32_t generation);
void toy_nap(void);

/* Say ready, tick, leave on SIGTERM or when orphaned. */
int toy_serve(struct toy *t, struct rp_worker *w);
/* One step of that: wait a moment for a signal or the master's death.
 * Return true when it is time to leave. */
bool toy_turn(struct toy *t, struct rp_worker *w);
void toy_catch_term(struct toy *t);
extern volatile sig_atomic_t toy_got_term;

#define wait_for(cond)                                                         \
    do {                                                                       \
        double until_ = rp_clock_mono() + TOY_PATIENCE;                        \
        while (!(cond) && rp_clock_mono() < until_)                            \
            toy_nap();                                                         \
        ck_assert_msg(cond, "in vain: %s", #cond);                             \
    } while (0)

/* Run the suite of the one test case; the exit status of the program. */
int toy_run_suite(const char *name, const TTest *const *tests, size_t n);

#endif
