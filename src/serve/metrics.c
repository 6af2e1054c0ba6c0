/* metrics.c -- what is on the scoreboard, for machines to read. */
#include "rupy/serve/metrics.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rupy/base/clock.h"

#define P "rupy_serve_"

static int
family(struct rp_buf *out, const char *name, const char *type, const char *help)
{
    return rp_buf_addf(out, "# HELP " P "%s %s\n# TYPE " P "%s %s\n", name,
                       help, name, type);
}

static int
one(struct rp_buf *out, const char *name, const char *type, const char *help,
    double value)
{
    if (family(out, name, type, help) < 0)
        return -1;
    return rp_buf_addf(out, P "%s %.17g\n", name, value);
}

static int
responses(struct rp_buf *out, const struct rp_totals *t)
{
    int r = family(out, "responses_total", "counter",
                   "Answers by class of status; none: there was no answer.");

    for (unsigned i = 0; i < 6 && r == 0; i++) {
        char code[8] = "none";
        if (i > 0)
            snprintf(code, sizeof(code), "%uxx", i);
        r = rp_buf_addf(out, P "responses_total{code=\"%s\"} %llu\n", code,
                        (unsigned long long)t->responses[i]);
    }
    return r;
}

static int
latency(struct rp_buf *out, const struct rp_totals *t)
{
    static const double ends[] = RP_LATENCY_ENDS;
    const char *name = "request_duration_seconds";
    uint64_t sum = 0;
    int r = family(out, name, "histogram",
                   "From the end of the head to the end of the answer.");

    for (unsigned i = 0; i < RP_LATENCIES && r == 0; i++) {
        char end[16] = "+Inf";
        if (i < RP_LATENCIES - 1)
            snprintf(end, sizeof(end), "%g", ends[i]);
        sum += t->latencies[i];
        r = rp_buf_addf(out, P "%s_bucket{le=\"%s\"} %llu\n", name, end,
                        (unsigned long long)sum);
    }
    if (r == 0)
        r = rp_buf_addf(out, P "%s_sum %.6f\n" P "%s_count %llu\n", name,
                        (double)t->latency_us / 1e6, name,
                        (unsigned long long)sum);
    return r;
}

/* Only where there are any. */
static int
handshakes(struct rp_buf *out, const struct rp_totals *t)
{
    if (t->handshakes == 0)
        return 0;
    if (family(out, "tls_handshakes_total", "counter",
               "TLS connections, by who encrypts.") < 0)
        return -1;
    return rp_buf_addf(out,
                       P "tls_handshakes_total{by=\"kernel\"} %llu\n" P
                         "tls_handshakes_total{by=\"openssl\"} %llu\n",
                       (unsigned long long)t->in_kernel,
                       (unsigned long long)(t->handshakes - t->in_kernel));
}

static int
workers(struct rp_buf *out, const struct rp_board *b)
{
    int r = family(out, "workers", "gauge", "Worker processes by state.");

    for (int s = RP_WORKER_STARTING; s <= RP_WORKER_DYING && r == 0; s++)
        r = rp_buf_addf(out, P "workers{state=\"%s\"} %u\n",
                        rp_worker_state_name((enum rp_worker_state)s),
                        rp_board_count(b, (enum rp_worker_state)s));
    return r;
}

/* In pages of /proc/PID/statm; bytes, 0: not known. */
static uint64_t
resident_memory(int pid)
{
    char path[40];
    unsigned long size, resident = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    f = fopen(path, "re");
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int
each_worker(struct rp_buf *out, const struct rp_board *b)
{
    int r = family(out, "worker_resident_memory_bytes", "gauge",
                   "Resident memory of each worker.");

    for (uint32_t i = 0; i < b->n && r == 0; i++) {
        int pid = atomic_load(&b->slots[i].pid);
        if (pid > 0)
            r = rp_buf_addf(
                out,
                P "worker_resident_memory_bytes{worker=\"%u\",pid=\"%d\"} "
                  "%llu\n",
                atomic_load(&b->slots[i].seat) + 1, pid,
                (unsigned long long)resident_memory(pid));
    }
    if (r == 0)
        r = family(out, "worker_loop_lag_seconds", "gauge",
                   "How late each worker's last timer fired.");
    for (uint32_t i = 0; i < b->n && r == 0; i++) {
        int pid = atomic_load(&b->slots[i].pid);
        if (pid > 0)
            r = rp_buf_addf(
                out,
                P "worker_loop_lag_seconds{worker=\"%u\",pid=\"%d\"} "
                  "%.6f\n",
                atomic_load(&b->slots[i].seat) + 1, pid,
                atomic_load(&b->slots[i].counters.loop_lag_us) / 1e6);
    }
    return r;
}

static int
restarts(struct rp_buf *out, const struct rp_board *b)
{
    int r = family(out, "worker_restarts_total", "counter",
                   "Workers that were replaced, by reason.");

    for (int i = 0; i < RP_N_RECYCLES && r == 0; i++)
        r = rp_buf_addf(out, P "worker_restarts_total{reason=\"%s\"} %u\n",
                        rp_recycle_name((enum rp_recycle_reason)i),
                        atomic_load(&b->recycled[i]));
    if (r == 0)
        r = rp_buf_addf(out,
                        P "worker_restarts_total{reason=\"hang\"} %u\n" P
                          "worker_restarts_total{reason=\"death\"} %u\n",
                        atomic_load(&b->aborted),
                        atomic_load(&b->deaths) - atomic_load(&b->aborted));
    return r;
}

/* tcp_info of a listening socket: connections that wait to be accepted, and
 * how many may (tcp(7); the kernel puts them into these two members). */
void
rp_metrics_backlog(const struct rp_admin_sockets *sockets, unsigned *waiting,
                   unsigned *room)
{
    *waiting = *room = 0;
    for (size_t i = 0; i < sockets->n; i++) {
        struct tcp_info info;
        socklen_t n = sizeof(info);
        if (getsockopt(sockets->fds[i], IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
            continue;
        *waiting += info.tcpi_unacked;
        *room += info.tcpi_sacked;
    }
}

static int
backlog(struct rp_buf *out, const struct rp_admin_sockets *sockets)
{
    unsigned waiting, room;

    rp_metrics_backlog(sockets, &waiting, &room);
    if (one(out, "backlog", "gauge", "TCP connections that wait for a worker.",
            waiting) < 0)
        return -1;
    return one(out, "backlog_limit", "gauge", "How many of them may.", room);
}

int
rp_metrics_write(struct rp_buf *out, const struct rp_master_view *v,
                 const struct rp_admin_sockets *sockets)
{
    const struct rp_board *b = v->board;
    struct rp_totals t;

    rp_board_sum(b, &t);
    if (one(out, "requests_total", "counter", "Requests begun.",
            (double)t.requests) < 0 ||
        responses(out, &t) < 0 || latency(out, &t) < 0 ||
        one(out, "requests_in_progress", "gauge", "Requests in work.",
            t.active) < 0 ||
        one(out, "connections", "gauge", "Open connections.", t.connections) <
            0 ||
        one(out, "connections_total", "counter", "Connections accepted.",
            (double)t.accepted) < 0 ||
        handshakes(out, &t) < 0 ||
        one(out, "received_bytes_total", "counter", "Bytes read from clients.",
            (double)t.bytes_in) < 0 ||
        one(out, "sent_bytes_total", "counter", "Bytes sent to clients.",
            (double)t.bytes_out) < 0 ||
        one(out, "gil_wait_seconds_total", "counter",
            "Time that event loops waited for the interpreter.",
            (double)t.gil_wait_ns / 1e9) < 0)
        return -1;
    if (workers(out, b) < 0 ||
        one(out, "workers_wanted", "gauge", "Workers that should be ready.",
            v->wanted) < 0 ||
        one(out, "generation", "gauge", "One more for each reload.",
            v->generation) < 0 ||
        one(out, "reloads_total", "counter", "Reloads begun.",
            atomic_load(&b->reloads)) < 0 ||
        one(out, "reload_failures_total", "counter", "Reloads given up.",
            atomic_load(&b->reload_failures)) < 0 ||
        restarts(out, b) < 0 || each_worker(out, b) < 0)
        return -1;
    return backlog(out, sockets);
}

/* ---- JSON ---- */

static int
json_string(struct rp_buf *out, const char *p, size_t n)
{
    int r = rp_buf_add(out, "\"", 1);

    for (size_t i = 0; i < n && r == 0; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < ' ' || c == '"' || c == '\\' || c >= 0x7f)
            r = rp_buf_addf(out, "\\u%04x", c);
        else
            r = rp_buf_add(out, &p[i], 1);
    }
    return r < 0 ? r : rp_buf_add(out, "\"", 1);
}

static int
worker(struct rp_buf *out, const struct rp_worker_slot *s, uint64_t now)
{
    char current[RP_CURRENT_MAX + 1];
    struct rp_totals t;
    size_t n = rp_slot_get_current(s, current, sizeof(current));
    int pid = atomic_load(&s->pid);

    rp_slot_get_counters(s, &t);
    if (rp_buf_addf(
            out,
            "{\"worker\":%u,\"pid\":%d,\"state\":\"%s\",\"generation\":%u,"
            "\"age\":%.1f,\"requests\":%llu,\"active\":%llu,"
            "\"connections\":%llu,\"rss\":%llu,\"loop_lag\":%.6f,"
            "\"current\":",
            atomic_load(&s->seat) + 1, pid,
            rp_worker_state_name((enum rp_worker_state)atomic_load(&s->state)),
            atomic_load(&s->generation),
            (double)(now - atomic_load(&s->started_ns)) / 1e9,
            (unsigned long long)t.requests, (unsigned long long)t.active,
            (unsigned long long)t.connections,
            (unsigned long long)resident_memory(pid),
            atomic_load(&s->counters.loop_lag_us) / 1e6) < 0)
        return -1;
    if ((n > 0 ? json_string(out, current, n) : rp_buf_add(out, "null", 4)) < 0)
        return -1;
    return rp_buf_add(out, "}", 1);
}

int
rp_status_write(struct rp_buf *out, const struct rp_master_view *v)
{
    const struct rp_board *b = v->board;
    uint64_t now = rp_clock_mono_ns();
    struct rp_totals t;
    bool first = true;

    rp_board_sum(b, &t);
    if (rp_buf_addf(
            out,
            "{\"version\":\"" RP_VERSION "\",\"pid\":%d,\"state\":\"%s\","
            "\"generation\":%u,\"template\":%d,\"reloading\":%s,"
            "\"reload_error\":",
            (int)getpid(), v->stopping ? "stopping" : "serving", v->generation,
            (int)v->template, v->rolling ? "true" : "false") < 0 ||
        json_string(out, v->reload_error, strlen(v->reload_error)) < 0 ||
        rp_buf_addf(
            out,
            ",\"other_master\":%d,\"workers_wanted\":%u,\"workers_ready\":%u,"
            "\"requests\":%llu,\"active\":%llu,\"connections\":%llu,"
            "\"workers\":[",
            (int)v->other, v->wanted, rp_board_count(b, RP_WORKER_READY),
            (unsigned long long)t.requests, (unsigned long long)t.active,
            (unsigned long long)t.connections) < 0)
        return -1;
    for (uint32_t i = 0; i < b->n; i++) {
        if (atomic_load(&b->slots[i].state) == RP_WORKER_FREE)
            continue;
        if (!first && rp_buf_add(out, ",", 1) < 0)
            return -1;
        if (worker(out, &b->slots[i], now) < 0)
            return -1;
        first = false;
    }
    return rp_buf_add(out, "]}\n", 3);
}
