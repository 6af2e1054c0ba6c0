#include "rupy/serve/statsd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/base/dgram.h"
#include "rupy/serve/metrics.h"

enum {
    PACKET = 1432,    /* bytes: what goes through an Ethernet in one piece */
    LINE = 1024,      /* bytes */
    TAGS_MAX = 512,   /* bytes of all tags */
    PREFIX_MAX = 128, /* bytes */
};

/* What was sent of the counters. */
struct sent {
    struct rp_totals t;
    uint64_t restarts;
};

struct rp_statsd {
    struct rp_dgram to;
    int fd;      /* -1: not open */
    bool failed; /* in this interval, or ... */
    bool told;   /* ... before, and the log knows */
    double interval, due;
    const struct rp_admin_sockets *sockets;
    struct rp_board *board;
    struct sent before;
    char prefix[PREFIX_MAX + 2]; /* with its dot */
    char tags[TAGS_MAX + 3];     /* "|#a,b:c", "" */
    char packet[PACKET];
    size_t n;
};

/* ---- Options ---- */

const char *
rp_statsd_check_prefix(struct rp_str prefix)
{
    if (prefix.n > PREFIX_MAX)
        return "is too long";
    for (size_t i = 0; i < prefix.n; i++) {
        char c = prefix.p[i], lower = c | 0x20;
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '_' && c != '-')
            return "is made of other than letters, digits, dots, _ and -";
    }
    return NULL;
}

const char *
rp_statsd_check_tag(struct rp_str tag)
{
    for (size_t i = 0; i < tag.n; i++) {
        unsigned char c = (unsigned char)tag.p[i];
        if (c <= ' ' || c == '|' || c == 0x7f)
            return "is no tag: no blanks and no | may be in it";
    }
    return NULL;
}

static int
set_texts(struct rp_statsd *s, const struct rp_config *c)
{
    size_t n = 0;

    snprintf(s->prefix, sizeof(s->prefix) - 1, "%s", c->statsd_prefix);
    n = strlen(s->prefix);
    if (s->prefix[n - 1] != '.')
        s->prefix[n] = '.';
    n = 0;
    for (size_t i = 0; i < c->statsd_tags.n; i++) {
        int k = snprintf(s->tags + n, sizeof(s->tags) - n, "%s%s",
                         i == 0 ? "|#" : ",", c->statsd_tags.v[i]);
        n += (size_t)k;
        if (n >= sizeof(s->tags)) {
            rp_log(RP_LOG_CRITICAL, "--statsd-tags: more than %d bytes",
                   TAGS_MAX);
            return -1;
        }
    }
    return 0;
}

/* ---- Datagrams ---- */

/* The second time is for UDP, where an error is the answer to what was sent
 * before, and this was not sent. */
static bool
send_packet(struct rp_statsd *s)
{
    if (s->fd < 0)
        s->fd = rp_dgram_open(&s->to);
    if (s->fd < 0)
        return false;
    if (send(s->fd, s->packet, s->n, MSG_NOSIGNAL) >= 0)
        return true;
    if (s->to.is_udp && errno == ECONNREFUSED &&
        send(s->fd, s->packet, s->n, MSG_NOSIGNAL) >= 0)
        errno = ECONNREFUSED;
    return false;
}

/* Somebody who is not there is tried again in the next interval. */
static void
flush(struct rp_statsd *s)
{
    if (s->n > 0 && !send_packet(s)) {
        if (!s->told)
            rp_log_errno(RP_LOG_WARNING,
                         "--statsd-host: nobody takes the metrics");
        s->failed = s->told = true;
        /* A daemon that starts anew makes its socket anew. */
        if (s->fd >= 0 && !s->to.is_udp) {
            close(s->fd);
            s->fd = -1;
        }
    }
    s->n = 0;
}

/* rate: one of so many that it stands for. */
static void
add(struct rp_statsd *s, const char *name, double value, const char *type,
    uint64_t rate)
{
    char line[LINE], sample[32] = "";
    int k;

    if (rate > 1)
        snprintf(sample, sizeof(sample), "|@%.9g", 1.0 / (double)rate);
    k = snprintf(line, sizeof(line), "%s%s:%.15g|%s%s%s\n", s->prefix, name,
                 value, type, sample, s->tags);
    if (k < 0 || (size_t)k >= sizeof(line))
        return;
    if (s->n + (size_t)k > sizeof(s->packet))
        flush(s);
    memcpy(s->packet + s->n, line, (size_t)k);
    s->n += (size_t)k;
}

static void
gauge(struct rp_statsd *s, const char *name, double value)
{
    add(s, name, value, "g", 1);
}

static void
counter(struct rp_statsd *s, const char *name, uint64_t now, uint64_t before)
{
    if (now > before)
        add(s, name, (double)(now - before), "c", 1);
}

/* ---- What is said ---- */

/* What a bucket's requests took, by its middle; those of the last one, which
 * has no end, as long as it begins with. */
static double
middle(unsigned i)
{
    static const double ends[RP_LATENCIES - 1] = RP_LATENCY_ENDS;
    double low = i > 0 ? ends[i - 1] : 0;

    return i == RP_LATENCIES - 1 ? low : (low + ends[i]) / 2;
}

/* A timer for each bucket.  The sum of all is known exactly: what the middles
 * are off by is shared out, as far as the ends of the buckets allow. */
static void
durations(struct rp_statsd *s, const struct rp_totals *t)
{
    static const double ends[RP_LATENCIES - 1] = RP_LATENCY_ENDS;
    const struct rp_totals *before = &s->before.t;
    double sum = (double)(t->latency_us - before->latency_us) / 1e6;
    double guess = 0;

    for (unsigned i = 0; i < RP_LATENCIES; i++)
        guess += middle(i) * (double)(t->latencies[i] - before->latencies[i]);
    for (unsigned i = 0; i < RP_LATENCIES; i++) {
        uint64_t n = t->latencies[i] - before->latencies[i];
        double v = guess > 0 ? middle(i) * sum / guess : 0;
        if (n == 0)
            continue;
        if (i > 0 && v < ends[i - 1])
            v = ends[i - 1];
        if (i < RP_LATENCIES - 1 && v > ends[i])
            v = ends[i];
        add(s, "request.duration", v * 1e3, "ms", n);
    }
}

static uint64_t
count_restarts(const struct rp_board *b)
{
    uint64_t n = atomic_load(&b->deaths);

    for (int i = 0; i < RP_N_RECYCLES; i++)
        n += atomic_load(&b->recycled[i]);
    return n;
}

static void
counters(struct rp_statsd *s, const struct sent *now)
{
    const struct rp_totals *t = &now->t, *before = &s->before.t;
    uint64_t answered = 0, answered_before = 0;
    char name[] = "request.status.0xx";

    for (unsigned i = 0; i < 6; i++) {
        answered += t->responses[i];
        answered_before += before->responses[i];
    }
    counter(s, "requests", answered, answered_before);
    for (unsigned i = 1; i < 6; i++) {
        name[sizeof("request.status.") - 1] = (char)('0' + i);
        counter(s, name, t->responses[i], before->responses[i]);
    }
    counter(s, "request.status.none", t->responses[0], before->responses[0]);
    durations(s, t);
    counter(s, "connections.accepted", t->accepted, before->accepted);
    counter(s, "bytes.received", t->bytes_in, before->bytes_in);
    counter(s, "bytes.sent", t->bytes_out, before->bytes_out);
    counter(s, "worker.restarts", now->restarts, s->before.restarts);
}

static void
say(struct rp_statsd *s)
{
    const struct rp_board *b = s->board;
    struct sent now = {.restarts = count_restarts(b)};
    unsigned waiting, room;

    rp_board_sum(b, &now.t);
    s->failed = false;
    counters(s, &now);
    rp_metrics_backlog(s->sockets, &waiting, &room);
    gauge(s, "workers", rp_board_count(b, RP_WORKER_READY));
    gauge(s, "connections", (double)now.t.connections);
    gauge(s, "requests.active", (double)now.t.active);
    gauge(s, "backlog", waiting);
    flush(s);
    s->told = s->failed;
    s->before = now;
}

void
rp_statsd_turn(struct rp_statsd *s)
{
    double now = rp_clock_mono();

    if (!s || now < s->due)
        return;
    /* Not more often after a pause. */
    s->due = now + s->interval;
    say(s);
}

/* ---- Life ---- */

int
rp_statsd_new(struct rp_statsd **out, const struct rp_config *c,
              const struct rp_admin_sockets *sockets,
              struct rp_master_config *m)
{
    struct rp_statsd *s;

    *out = NULL;
    if (!c->statsd_host)
        return 0;
    s = calloc(1, sizeof(*s));
    if (!s || !(s->board = rp_board_new(rp_master_slots(m)))) {
        rp_log_errno(RP_LOG_CRITICAL, "--statsd-host");
        free(s);
        return -1;
    }
    s->fd = -1;
    s->sockets = sockets;
    s->interval = c->statsd_interval;
    s->due = rp_clock_mono() + s->interval;
    if (set_texts(s, c) < 0) {
        rp_board_free(s->board);
        free(s);
        return -1;
    }
    if (rp_dgram_resolve(&s->to, (struct rp_str){c->statsd_host,
                                                 strlen(c->statsd_host)}) < 0) {
        /* The service is worth more than its metrics. */
        rp_error("--statsd-host: %s is not found: nothing is sent until a "
                 "restart",
                 c->statsd_host);
        rp_board_free(s->board);
        free(s);
        return 0;
    }
    m->board = s->board;
    *out = s;
    return 0;
}

void
rp_statsd_forked(struct rp_statsd *s)
{
    if (s && s->fd >= 0)
        close(s->fd);
}

void
rp_statsd_end(struct rp_statsd *s)
{
    if (!s)
        return;
    say(s);
    if (s->fd >= 0)
        close(s->fd);
    rp_board_free(s->board);
    free(s);
}
