/* scoreboard.c -- one shared mapping, a slot per process. */

#include "rupy/master/scoreboard.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "rupy/base/clock.h"

#define get(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define set(field, v) atomic_store_explicit(&(field), (v), memory_order_relaxed)

/* Two workers must never write into the same line. */
_Static_assert(sizeof(struct rp_worker_slot) % RP_CACHE_LINE == 0, "slot");
_Static_assert(offsetof(struct rp_board, slots) % RP_CACHE_LINE == 0, "slots");
_Static_assert(offsetof(struct rp_worker_slot, tick_ns) == RP_CACHE_LINE,
               "the master's fields share a line with the worker's");

static size_t
board_size(uint32_t n)
{
    return sizeof(struct rp_board) + (size_t)n * sizeof(struct rp_worker_slot);
}

struct rp_board *
rp_board_new(uint32_t n)
{
    struct rp_board *b = mmap(NULL, board_size(n), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (b == MAP_FAILED)
        return NULL;
    b->n = n;
    return b;
}

void
rp_board_free(struct rp_board *b)
{
    if (b)
        munmap(b, board_size(b->n));
}

void
rp_board_open_slot(struct rp_board *b, uint32_t slot, uint32_t seat,
                   uint32_t generation)
{
    struct rp_worker_slot *s = &b->slots[slot];
    uint64_t now = rp_clock_mono_ns();

    memset(s, 0, sizeof(*s));
    set(s->seat, seat);
    set(s->generation, generation);
    set(s->started_ns, now);
    set(s->tick_ns, now);
    set(s->state, RP_WORKER_STARTING);
}

static void
add_totals(struct rp_totals *to, const struct rp_totals *from)
{
    to->requests += from->requests;
    to->accepted += from->accepted;
    to->bytes_in += from->bytes_in;
    to->bytes_out += from->bytes_out;
    to->handshakes += from->handshakes;
    to->in_kernel += from->in_kernel;
    to->connections += from->connections;
    to->active += from->active;
    for (size_t i = 0; i < 6; i++)
        to->responses[i] += from->responses[i];
    for (size_t i = 0; i < RP_LATENCIES; i++)
        to->latencies[i] += from->latencies[i];
    to->latency_us += from->latency_us;
    to->gil_wait_ns += from->gil_wait_ns;
}

void
rp_board_close_slot(struct rp_board *b, uint32_t slot)
{
    struct rp_worker_slot *s = &b->slots[slot];
    struct rp_totals t;

    rp_slot_get_counters(s, &t);
    /* What was active died with the process. */
    t.connections = t.active = 0;
    add_totals(&b->gone, &t);
    memset(s, 0, sizeof(*s));
}

void
rp_slot_get_counters(const struct rp_worker_slot *s, struct rp_totals *out)
{
    const struct rp_counters *c = &s->counters;

    out->requests = get(c->requests);
    out->accepted = get(c->accepted);
    out->bytes_in = get(c->bytes_in);
    out->bytes_out = get(c->bytes_out);
    out->handshakes = get(c->handshakes);
    out->in_kernel = get(c->in_kernel);
    out->connections = get(c->connections);
    out->active = get(c->active);
    for (size_t i = 0; i < 6; i++)
        out->responses[i] = get(c->responses[i]);
    for (size_t i = 0; i < RP_LATENCIES; i++)
        out->latencies[i] = get(c->latencies[i]);
    out->latency_us = get(c->latency_us);
    out->gil_wait_ns = get(c->gil_wait_ns);
}

void
rp_board_sum(const struct rp_board *b, struct rp_totals *out)
{
    *out = b->gone;
    for (uint32_t i = 0; i < b->n; i++) {
        struct rp_totals t;

        rp_slot_get_counters(&b->slots[i], &t);
        add_totals(out, &t);
    }
}

uint32_t
rp_board_count(const struct rp_board *b, enum rp_worker_state state)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < b->n; i++)
        count += get(b->slots[i].state) == (int32_t)state;
    return count;
}

const char *
rp_recycle_name(enum rp_recycle_reason why)
{
    static const char *const names[] = {
#define X(name, text) [RP_RECYCLE_##name] = text,
        RP_RECYCLES(X)
#undef X
    };

    return names[why];
}

const char *
rp_worker_state_name(enum rp_worker_state state)
{
    static const char *const names[] = {
#define X(name, text) [RP_WORKER_##name] = text,
        RP_WORKER_STATES(X)
#undef X
    };

    return names[state];
}

size_t
rp_slot_get_current(const struct rp_worker_slot *s, char *out, size_t size)
{
    const struct rp_counters *c = &s->counters;
    size_t n = get(c->active) > 0 ? get(c->current_n) : 0;

    /* A worker gone wild may have written anything here. */
    if (n > sizeof(c->current))
        n = sizeof(c->current);
    if (n > size - 1)
        n = size - 1;
    memcpy(out, c->current, n);
    out[n] = '\0';
    return n;
}
