/* counters.h -- what one worker counts, in memory that others read.
 *
 * It lies in shared memory when there is a master; the one writer uses
 * relaxed stores, which cost what plain ones do. */
#ifndef RUPY_BASE_COUNTERS_H
#define RUPY_BASE_COUNTERS_H

#include <stdatomic.h>

#include "rupy/base/str.h"

enum {
    RP_CURRENT_MAX = 128,
    RP_LATENCIES = 14, /* buckets, the last one without an upper end */
};

/* Upper ends of the others, in seconds: 1 ms doubled, less and less exactly,
 * as is the custom of Prometheus. */
#define RP_LATENCY_ENDS                                                        \
    {                                                                          \
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 \
    }

struct rp_counters {
    _Atomic uint64_t requests;     /* begun */
    _Atomic uint64_t responses[6]; /* by status / 100; [0]: none was sent */
    _Atomic uint64_t bytes_in, bytes_out;
    _Atomic uint64_t accepted;
    _Atomic uint64_t handshakes; /* of TLS */
    _Atomic uint64_t in_kernel;  /* of them, those that it encrypts for */
    _Atomic uint64_t latencies[RP_LATENCIES]; /* requests answered within */
    _Atomic uint64_t latency_us;              /* and their sum */
    _Atomic uint64_t gil_wait_ns; /* waited for the GIL after the poll */
    _Atomic uint32_t loop_lag_us; /* how late the last timer was */
    _Atomic uint32_t connections; /* open now */
    _Atomic uint32_t active;      /* requests being handled now */
    /* Method and path of the request begun last, n bytes without NUL: what is
     * in flight while active is not 0. */
    _Atomic uint32_t current_n;
    char current[RP_CURRENT_MAX];
};

#define rp_count(field, n)                                                     \
    atomic_store_explicit(                                                     \
        &(field), atomic_load_explicit(&(field), memory_order_relaxed) + (n),  \
        memory_order_relaxed)

/* A request was answered after so many seconds. */
static inline void
rp_counters_add_latency(struct rp_counters *c, double seconds)
{
    static const double ends[RP_LATENCIES - 1] = RP_LATENCY_ENDS;
    unsigned i = 0;

    while (i < RP_LATENCIES - 1 && seconds > ends[i])
        i++;
    rp_count(c->latencies[i], 1);
    rp_count(c->latency_us, (uint64_t)(seconds * 1e6));
}

/* Say what is worked on, "GET /path", cut to its room. */
static inline void
rp_counters_set_current(struct rp_counters *c, struct rp_str method,
                        struct rp_str path)
{
    size_t room = RP_CURRENT_MAX - method.n - 1;

    if (path.n > room)
        path.n = room;
    memcpy(c->current, method.p, method.n);
    c->current[method.n] = ' ';
    memcpy(c->current + method.n + 1, path.p, path.n);
    atomic_store_explicit(&c->current_n, (uint32_t)(method.n + 1 + path.n),
                          memory_order_relaxed);
}

#endif
