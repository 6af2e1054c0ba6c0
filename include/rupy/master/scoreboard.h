/* scoreboard.h -- what each worker is doing, in memory that all of them share.
 *
 * The master makes it before the first fork: one anonymous shared mapping, a
 * slot per living process.  A worker writes its own slot with relaxed atomics
 * and no system call; the master, and whoever answers /metrics, only read.
 * The first line of a slot belongs to the master, the others to the worker. */
#ifndef RUPY_MASTER_SCOREBOARD_H
#define RUPY_MASTER_SCOREBOARD_H

#include <stddef.h>

#include "rupy/base/counters.h"

enum {
    RP_CACHE_LINE = 64,
};

/* A worker's life.  The drawing is in src/master/master.c. */
#define RP_WORKER_STATES(X)                                                    \
    X(FREE, "free")                                                            \
    X(STARTING, "starting")                                                    \
    X(READY, "ready")                                                          \
    X(RETIRING, "retiring")                                                    \
    X(DYING, "dying")

enum rp_worker_state {
#define X(name, text) RP_WORKER_##name,
    RP_WORKER_STATES(X)
#undef X
};

/* Why a worker asks to be replaced. */
#define RP_RECYCLES(X)                                                         \
    X(REQUESTS, "requests")                                                    \
    X(LIFETIME, "lifetime")                                                    \
    X(RSS, "memory")                                                           \
    X(STUCK, "stuck")                                                          \
    X(ASKED, "asked")

enum rp_recycle_reason {
#define X(name, text) RP_RECYCLE_##name,
    RP_RECYCLES(X)
#undef X
        RP_N_RECYCLES
};

struct rp_worker_slot {
    /* Written by the master. */
    _Alignas(RP_CACHE_LINE) _Atomic int32_t pid; /* 0: the slot is free */
    _Atomic int32_t state;                       /* enum rp_worker_state */
    _Atomic uint32_t seat;                       /* see worker.h */
    _Atomic uint32_t generation;
    _Atomic uint64_t started_ns; /* rp_clock_mono_ns() at the fork */
    _Atomic uint64_t ready_ns;   /* 0: not yet */

    /* Written by the worker. */
    _Alignas(RP_CACHE_LINE) _Atomic uint64_t tick_ns; /* its loop turned */
    _Alignas(RP_CACHE_LINE) struct rp_counters counters;
};

/* The counters of a slot, or of all of them, as plain numbers. */
struct rp_totals {
    uint64_t requests, accepted, bytes_in, bytes_out;
    uint64_t handshakes, in_kernel;
    uint64_t connections, active;
    uint64_t responses[6];
    uint64_t latencies[RP_LATENCIES], latency_us, gil_wait_ns;
};

struct rp_board {
    /* Written by the master. */
    uint32_t n;                   /* slots; never changes */
    _Atomic uint32_t wanted;      /* workers that should be ready */
    _Atomic uint32_t stopping;    /* 1: readiness probes must fail */
    _Atomic uint32_t handed_over; /* 1: stopping, and others serve on */
    _Atomic uint32_t deaths;  /* workers that ended without being asked to */
    _Atomic uint32_t aborted; /* of them, by the master: they hung */
    _Atomic uint32_t recycled[RP_N_RECYCLES]; /* by the reason they gave */
    _Atomic uint32_t reloads, reload_failures;
    struct rp_totals gone; /* what workers counted that are no more */

    /* Written by workers: the last boot round whose failure was reported. */
    _Alignas(RP_CACHE_LINE) _Atomic uint32_t reported_round;

    struct rp_worker_slot slots[];
};

/* A board of n free slots, or NULL and errno.  Children of the caller share
 * it; rp_board_free() ends the caller's view of it only. */
struct rp_board *rp_board_new(uint32_t n);
void rp_board_free(struct rp_board *b);

/* Give the slot to a new process: counters at zero, state STARTING, the tick
 * set to now.  To be called before the fork; the pid comes after it. */
void rp_board_open_slot(struct rp_board *b, uint32_t slot, uint32_t seat,
                        uint32_t generation);
/* The process is gone: its counters go to b->gone, the slot is FREE. */
void rp_board_close_slot(struct rp_board *b, uint32_t slot);

void rp_slot_get_counters(const struct rp_worker_slot *s,
                          struct rp_totals *out);
/* Sum of the living and the gone.  Only the master may ask: it is the one
 * that moves counters from the ones to the others. */
void rp_board_sum(const struct rp_board *b, struct rp_totals *out);
/* How many slots are in this state. */
uint32_t rp_board_count(const struct rp_board *b, enum rp_worker_state state);
const char *rp_worker_state_name(enum rp_worker_state state);
const char *rp_recycle_name(enum rp_recycle_reason why);

/* Copy what is being worked on, "GET /path", with a NUL to out, size bytes
 * of room.  Return its length; 0 when nothing is in flight.  May be torn when
 * the worker is writing just now. */
size_t rp_slot_get_current(const struct rp_worker_slot *s, char *out,
                           size_t size);

#endif
