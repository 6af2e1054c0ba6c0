/* access.c -- the access line, in the combined format or as JSON. */
#include "rupy/app/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/base/fd.h"
#include "rupy/base/log.h"

enum {
    LINES_MAX = 256 * 1024, /* lines are dropped beyond that */
    FIELD_MAX = 8 * 1024,   /* of what a client sent, in one line */
};

struct rp_access {
    int fd;
    enum rp_access_format format;
    struct rp_buf lines;
    int64_t second; /* that `time` is of */
    char time[40];  /* 23/Nov/2026:10:00:00 +0000, or ISO 8601 */
    uint64_t lost;  /* lines, since the last complaint */
};

struct rp_access *
rp_access_new(int fd, enum rp_access_format format)
{
    struct rp_access *a = calloc(1, sizeof(*a));

    if (!a)
        return NULL;
    a->fd = fd;
    a->format = format;
    a->second = -1;
    rp_buf_init(&a->lines, LINES_MAX);
    return a;
}

void
rp_access_free(struct rp_access *a)
{
    if (!a)
        return;
    rp_access_flush(a);
    rp_buf_fini(&a->lines);
    free(a);
}

void
rp_access_set_fd(struct rp_access *a, int fd)
{
    rp_access_flush(a);
    a->fd = fd;
}

/* The time is rendered once a second. */
static void
set_time(struct rp_access *a)
{
    double now = rp_clock_wall();
    time_t t = (time_t)now;
    struct tm tm;

    if ((int64_t)t == a->second)
        return;
    a->second = (int64_t)t;
    if (a->format == RP_ACCESS_JSON) {
        gmtime_r(&t, &tm);
        strftime(a->time, sizeof(a->time), "%Y-%m-%dT%H:%M:%SZ", &tm);
        return;
    }
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    gmtime_r(&t, &tm);
    snprintf(a->time, sizeof(a->time), "%02d/%.3s/%04d:%02d:%02d:%02d +0000",
             tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour,
             tm.tm_min, tm.tm_sec);
}

static bool
is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* What a peer sent, so that it cannot end the field, the line, or speak to a
 * terminal: \xHH in a combined line, \u00HH in JSON. */
static void
add_escaped(struct rp_access *a, struct rp_str s)
{
    static const char hex[] = "0123456789abcdef";
    struct rp_buf *b = &a->lines;
    size_t n = s.n < FIELD_MAX ? s.n : FIELD_MAX;

    if (rp_buf_reserve(b, n * 6) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char *p = b->p + b->n;
        if (is_plain(c)) {
            *p = (char)c;
            b->n++;
        } else if (a->format == RP_ACCESS_JSON) {
            memcpy(p, "\\u00", 4);
            p[4] = hex[c >> 4];
            p[5] = hex[c & 15];
            b->n += 6;
        } else {
            p[0] = '\\';
            p[1] = 'x';
            p[2] = hex[c >> 4];
            p[3] = hex[c & 15];
            b->n += 4;
        }
    }
}

static void
add_lit(struct rp_access *a, const char *s)
{
    rp_buf_add(&a->lines, s, strlen(s));
}

static struct rp_str
field_of(const struct rp_access_record *r, struct rp_str name)
{
    const struct rp_field *f =
        r->request
            ? rp_fields_find(r->request->fields, r->request->nfields, name)
            : NULL;

    return f ? f->value : (struct rp_str){NULL, 0};
}

static void
add_or_dash(struct rp_access *a, struct rp_str s)
{
    if (s.n == 0)
        add_lit(a, "-");
    else
        add_escaped(a, s);
}

/* host - - [time] "GET / HTTP/1.1" 200 13 "referer" "agent" seconds */
static void
add_combined(struct rp_access *a, const struct rp_access_record *r)
{
    const struct rp_request *q = r->request;

    add_lit(a, r->peer[0] ? r->peer : "unix:");
    rp_buf_addf(&a->lines, " - - [%s] \"", a->time);
    if (q) {
        add_escaped(a, q->method_name);
        add_lit(a, " ");
        add_escaped(a, q->target);
        add_lit(a, q->minor ? " HTTP/1.1" : " HTTP/1.0");
    } else {
        add_lit(a, "-");
    }
    rp_buf_addf(&a->lines, "\" %d %llu \"", r->status,
                (unsigned long long)r->bytes);
    add_or_dash(a, field_of(r, RP_STR("referer")));
    add_lit(a, "\" \"");
    add_or_dash(a, field_of(r, RP_STR("user-agent")));
    rp_buf_addf(&a->lines, "\" %.6f\n", r->seconds);
}

static void
add_member(struct rp_access *a, const char *name, struct rp_str value)
{
    rp_buf_addf(&a->lines, ",\"%s\":\"", name);
    add_escaped(a, value);
    add_lit(a, "\"");
}

static void
add_json(struct rp_access *a, const struct rp_access_record *r)
{
    const struct rp_request *q = r->request;
    struct rp_str peer = {r->peer, strlen(r->peer)};

    rp_buf_addf(&a->lines, "{\"time\":\"%s\"", a->time);
    add_member(a, "remote", peer);
    if (q) {
        add_member(a, "method", q->method_name);
        add_member(a, "path", q->path);
        add_member(a, "query", q->query);
        add_member(a, "protocol",
                   q->minor ? RP_STR("HTTP/1.1") : RP_STR("HTTP/1.0"));
        add_member(a, "host", q->host);
        add_member(a, "referer", field_of(r, RP_STR("referer")));
        add_member(a, "user_agent", field_of(r, RP_STR("user-agent")));
    }
    rp_buf_addf(&a->lines, ",\"status\":%d,\"bytes\":%llu,\"seconds\":%.6f}\n",
                r->status, (unsigned long long)r->bytes, r->seconds);
}

void
rp_access_add(struct rp_access *a, const struct rp_access_record *r)
{
    size_t before = a->lines.n;

    /* The longest line that can be: a whole one, or none. */
    if (rp_buf_reserve(&a->lines, 1024) < 0) {
        rp_access_flush(a);
        if (rp_buf_reserve(&a->lines, 1024) < 0) {
            a->lost++;
            return;
        }
    }
    set_time(a);
    if (a->format == RP_ACCESS_JSON)
        add_json(a, r);
    else
        add_combined(a, r);
    if (a->lines.n == before || a->lines.p[a->lines.n - 1] != '\n') {
        a->lines.n = before;
        a->lost++;
    }
}

void
rp_access_flush(struct rp_access *a)
{
    if (a->lines.n == 0)
        return;
    if (rp_fd_write_all(a->fd, a->lines.p, a->lines.n) < 0)
        a->lost++;
    else if (a->lost > 0) {
        rp_warn("access log: %llu lines were lost",
                (unsigned long long)a->lost);
        a->lost = 0;
    }
    rp_buf_reset(&a->lines);
}
