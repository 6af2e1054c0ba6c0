/* access.c -- the access log: lines, rendered from a compiled format. */
#include "access.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/base/log.h"
#include "rupy/base/outlet.h"

#include "access_text.h"

enum {
    LINES_MAX = 256 * 1024, /* lines are dropped beyond that */
    USER_MAX = 64,
    LAST_MS = 1000, /* for the last lines, to whoever is slow to read */
};

struct rp_access {
    struct rp_outlet out;
    struct rp_access_format format;
    struct rp_access_rule *rules;
    size_t nrules;
    double sample, share; /* what has gathered; a line costs 1 */
    unsigned worker, pid;
    struct rp_access_text text; /* whole lines */
    int64_t second;             /* that `time` is of */
    char time[40];              /* [23/Nov/2026:10:00:00 +0000], or ISO 8601 */
    size_t time_n;
    uint64_t lost; /* lines, since the last complaint */
};

struct rp_access *
rp_access_new(const struct rp_access_options *o)
{
    struct rp_access *a = calloc(1, sizeof(*a));
    const char *format = o->format ? o->format : "combined";

    if (!a)
        return NULL;
    rp_outlet_init(&a->out, o->fd);
    rp_access_compile(&a->format, (struct rp_str){format, strlen(format)},
                      o->fields, o->nfields);
    if (o->nskip > 0) {
        a->rules = calloc(o->nskip, sizeof(*a->rules));
        if (!a->rules) {
            rp_outlet_fini(&a->out);
            free(a);
            return NULL;
        }
    }
    for (size_t i = 0; i < o->nskip; i++)
        rp_access_rule_parse(&a->rules[a->nrules++],
                             (struct rp_str){o->skip[i], strlen(o->skip[i])});
    a->sample = o->sample;
    a->worker = o->worker;
    a->pid = (unsigned)getpid();
    a->second = -1;
    rp_buf_init(&a->text.b, LINES_MAX);
    a->text.json = a->format.json;
    return a;
}

/* What was added goes nowhere. */
static void
lose(struct rp_access *a)
{
    for (size_t i = 0; i < a->text.b.n; i++)
        a->lost += a->text.b.p[i] == '\n';
    rp_buf_reset(&a->text.b);
}

static void
complain(struct rp_access *a)
{
    if (a->lost > 0)
        rp_warn("access log: %llu lines were lost",
                (unsigned long long)a->lost);
    a->lost = 0;
}

void
rp_access_free(struct rp_access *a)
{
    if (!a)
        return;
    rp_outlet_flush(&a->out, &a->text.b, LAST_MS);
    lose(a);
    complain(a);
    rp_outlet_fini(&a->out);
    rp_buf_fini(&a->text.b);
    free(a->rules);
    free(a);
}

void
rp_access_set_fd(struct rp_access *a, int fd)
{
    rp_access_flush(a);
    rp_outlet_fini(&a->out);
    rp_outlet_init(&a->out, fd);
}

bool
rp_access_wants_first(const struct rp_access *a)
{
    return a->format.first;
}

const struct rp_str *
rp_access_capture(const struct rp_access *a, struct rp_arena *arena,
                  const struct rp_field *fields, unsigned nfields,
                  struct rp_str content_type)
{
    const struct rp_access_format *f = &a->format;
    struct rp_str *values;

    if (f->nsent == 0)
        return NULL;
    values = rp_arena_alloc(arena, f->nsent * sizeof(*values));
    for (unsigned i = 0; values && i < f->nsent; i++) {
        const struct rp_field *found =
            rp_fields_find(fields, nfields, f->sent[i]);
        struct rp_str value = found ? found->value : (struct rp_str){NULL, 0};
        if (!found && rp_str_ieq(f->sent[i], RP_STR("content-type")))
            value = content_type;
        values[i] = value.n > 0 ? rp_arena_copy(arena, value)
                                : (struct rp_str){NULL, 0};
    }
    return values;
}

/* The time is rendered once a second. */
static void
set_time(struct rp_access *a)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = rp_clock_wall_second();
    struct tm tm;

    if ((int64_t)t == a->second)
        return;
    a->second = (int64_t)t;
    gmtime_r(&t, &tm);
    if (a->format.json)
        strftime(a->time, sizeof(a->time), "%Y-%m-%dT%H:%M:%SZ", &tm);
    else
        snprintf(a->time, sizeof(a->time),
                 "[%02d/%.3s/%04d:%02d:%02d:%02d +0000]", tm.tm_mday,
                 months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);
    a->time_n = strlen(a->time);
}

/* ---- Atoms ---- */

static struct rp_str
field_of(const struct rp_access_record *r, struct rp_str name)
{
    const struct rp_field *f =
        r->request
            ? rp_fields_find(r->request->fields, r->request->nfields, name)
            : NULL;

    return f ? f->value : (struct rp_str){NULL, 0};
}

/* Text: what is not there is a dash; in JSON it has quotes. */
static void
put_text(struct rp_access *a, struct rp_str s)
{
    if (a->format.json)
        PUT(&a->text, "\"");
    else if (s.n == 0)
        PUT(&a->text, "-");
    put_escaped(&a->text, s);
    if (a->format.json)
        PUT(&a->text, "\"");
}

static void
put_line(struct rp_access *a, const struct rp_request *q)
{
    if (!q) {
        PUT(&a->text, "-");
        return;
    }
    if (a->format.json)
        PUT(&a->text, "\"");
    put_escaped(&a->text, q->method_name);
    PUT(&a->text, " ");
    put_escaped(&a->text, q->target);
    put(&a->text, q->minor ? " HTTP/1.1" : " HTTP/1.0", 9);
    if (a->format.json)
        PUT(&a->text, "\"");
}

static void
put_user(struct rp_access *a, const struct rp_access_record *r)
{
    char name[USER_MAX];
    size_t n = rp_access_user(field_of(r, RP_STR("authorization")), name,
                              sizeof(name));

    put_text(a, (struct rp_str){name, n});
}

static void
put_peer(struct rp_access *a, const char *peer)
{
    if (!peer[0] && !a->format.json)
        PUT(&a->text, "unix:");
    else
        put_text(a, (struct rp_str){peer, strlen(peer)});
}

static void
put_time(struct rp_access *a)
{
    put(&a->text, "\"", a->format.json);
    put(&a->text, a->time, a->time_n);
    put(&a->text, "\"", a->format.json);
}

static void
put_first(struct rp_access *a, double first)
{
    if (first >= 0)
        put_seconds(&a->text, first);
    else if (a->format.json)
        PUT(&a->text, "null");
    else
        PUT(&a->text, "-");
}

static void
put_pid(struct rp_access *a)
{
    put(&a->text, "<", !a->format.json);
    put_u64(&a->text, a->pid);
    put(&a->text, ">", !a->format.json);
}

static struct rp_str
protocol_of(const struct rp_request *q)
{
    return q->minor == 1   ? RP_STR("HTTP/1.1")
           : q->minor == 0 ? RP_STR("HTTP/1.0")
                           : RP_STR("");
}

/* Of the kinds that are text. */
static struct rp_str
text_of(const struct rp_access_piece *p, const struct rp_access_record *r)
{
    static const struct rp_request none = {.minor = -1};
    const struct rp_request *q = r->request ? r->request : &none;

    switch (p->kind) {
    case RP_ACCESS_METHOD:
        return q->method_name;
    case RP_ACCESS_PATH:
        return q->path;
    case RP_ACCESS_QUERY:
        return q->query;
    case RP_ACCESS_PROTOCOL:
        return protocol_of(q);
    case RP_ACCESS_HOST:
        return q->host;
    case RP_ACCESS_FIELD:
        return field_of(r, p->name);
    case RP_ACCESS_SENT:
        return r->logged ? r->logged[p->index] : RP_STR("");
    case RP_ACCESS_ID:
        return r->id;
    case RP_ACCESS_TRACE:
        return r->trace;
    case RP_ACCESS_SPAN:
        return r->span;
    default:
        return RP_STR("");
    }
}

/* Of those that are whole numbers. */
static uint64_t
number_of(const struct rp_access *a, enum rp_access_kind kind,
          const struct rp_access_record *r)
{
    switch (kind) {
    case RP_ACCESS_STATUS:
        return (uint64_t)r->status;
    case RP_ACCESS_BYTES:
        return r->bytes;
    case RP_ACCESS_RECEIVED:
        return r->received;
    case RP_ACCESS_WHOLE_SECONDS:
        return microseconds(r->seconds) / 1000000;
    case RP_ACCESS_MILLISECONDS:
        return microseconds(r->seconds) / 1000;
    case RP_ACCESS_MICROSECONDS:
        return microseconds(r->seconds);
    case RP_ACCESS_WORKER:
        return a->worker;
    default:
        return 0;
    }
}

/* Those that are neither. */
static void
put_other(struct rp_access *a, enum rp_access_kind kind,
          const struct rp_access_record *r)
{
    switch (kind) {
    case RP_ACCESS_DASH:
        PUT(&a->text, "-");
        return;
    case RP_ACCESS_PEER:
        put_peer(a, r->peer);
        return;
    case RP_ACCESS_USER:
        put_user(a, r);
        return;
    case RP_ACCESS_TIME:
        put_time(a);
        return;
    case RP_ACCESS_LINE:
        put_line(a, r->request);
        return;
    case RP_ACCESS_BYTES_OR_DASH:
        if (r->bytes > 0)
            put_u64(&a->text, r->bytes);
        else
            PUT(&a->text, "-");
        return;
    case RP_ACCESS_SECONDS:
        put_seconds(&a->text, r->seconds);
        return;
    case RP_ACCESS_FIRST:
        put_first(a, r->first);
        return;
    case RP_ACCESS_PID:
        put_pid(a);
        return;
    default:
        return;
    }
}

static void
put_atom(struct rp_access *a, const struct rp_access_piece *p,
         const struct rp_access_record *r)
{
    if (p->kind >= RP_ACCESS_METHOD)
        put_text(a, text_of(p, r));
    else if (p->kind >= RP_ACCESS_STATUS)
        put_u64(&a->text, number_of(a, p->kind, r));
    else
        put_other(a, p->kind, r);
}

/* ---- Lines ---- */

static void
put_all(struct rp_access *a, const struct rp_access_record *r)
{
    const struct rp_access_format *f = &a->format;
    bool is_first = true;

    for (unsigned i = 0; i < f->n; i++) {
        const struct rp_access_piece *p = &f->pieces[i];
        if (!f->json) {
            put(&a->text, p->text.p, p->text.n);
        } else if (p->of_request && !r->request) {
            continue;
        } else {
            put(&a->text, is_first ? "{\"" : ",\"", 2);
            put(&a->text, p->text.p, p->text.n);
            PUT(&a->text, "\":");
            is_first = false;
        }
        put_atom(a, p, r);
    }
    if (f->json && is_first)
        PUT(&a->text, "{");
    if (f->json)
        PUT(&a->text, "}");
    PUT(&a->text, "\n");
}

/* No line: a rule says so, or it is not in the sample.  The server's own
 * failures always are. */
static bool
is_left_out(struct rp_access *a, const struct rp_access_record *r)
{
    struct rp_str path = r->request ? r->request->path : RP_STR("");

    for (size_t i = 0; i < a->nrules; i++)
        if (rp_access_rule_fits(&a->rules[i], path, r->status))
            return true;
    if (a->sample >= 1 || r->status >= 500)
        return false;
    a->share += a->sample;
    if (a->share < 1)
        return true;
    a->share -= 1;
    return false;
}

void
rp_access_add(struct rp_access *a, const struct rp_access_record *r)
{
    size_t before;

    if (is_left_out(a, r))
        return;
    set_time(a);
    for (int attempt = 0; attempt < 2; attempt++) {
        a->text.full = false;
        before = a->text.b.n;
        put_all(a, r);
        if (!a->text.full)
            return;
        /* A whole line, or none. */
        a->text.b.n = before;
        rp_access_flush(a);
    }
    a->lost++;
}

void
rp_access_flush(struct rp_access *a)
{
    if (a->text.b.n == 0)
        return;
    if (rp_outlet_flush(&a->out, &a->text.b, 0) < 0)
        lose(a);
    else if (a->text.b.n == 0)
        complain(a);
}
