/* identify.c -- which request it is: its id (X-Request-ID), and its place in a
 * trace (W3C Trace Context). */
#include <stdlib.h>
#include <sys/random.h>

#include "rupy/app/impl.h"
#include "rupy/base/clock.h"

enum { ID_MAX = 128, ID_MADE = 32 };

#define ID_NAME "X-Request-ID"

void
rp_ids_init(struct rp_ids *ids)
{
    if (getrandom(ids->state, sizeof(ids->state), 0) !=
        (ssize_t)sizeof(ids->state)) {
        ids->state[0] = (uint64_t)(rp_clock_wall() * 1e9);
        ids->state[1] = (uint64_t)(rp_clock_mono() * 1e9);
    }
}

/* splitmix64: every state comes once in 2^64, and neighbours look unlike. */
static uint64_t
next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void
make_id(struct rp_ids *ids, char *out)
{
    static const char hex[] = "0123456789abcdef";

    for (int half = 0; half < 2; half++) {
        uint64_t v = next_random(&ids->state[half]);
        for (int i = 0; i < ID_MADE / 2; i++, v >>= 4)
            *out++ = hex[v & 15];
    }
}

/* What may stand in logs, URLs and shells without quotes. */
static bool
is_good_id(struct rp_str s)
{
    static const char extra[] = "-._~+/=:@";

    for (size_t i = 0; i < s.n; i++) {
        char lower = s.p[i] | 0x20;
        if (!(lower >= 'a' && lower <= 'z') &&
            !(s.p[i] >= '0' && s.p[i] <= '9') &&
            (s.p[i] == '\0' || !strchr(extra, s.p[i])))
            return false;
    }
    return s.n > 0 && s.n <= ID_MAX;
}

/* The one field of that name; NULL when there is none or there are several. */
static const struct rp_field *
find_only(const struct rp_request *r, struct rp_str name)
{
    const struct rp_field *found = rp_fields_find(r->fields, r->nfields, name);

    if (!found)
        return NULL;
    unsigned rest = r->nfields - (unsigned)(found + 1 - r->fields);
    return rp_fields_find(found + 1, rest, name) ? NULL : found;
}

/* The request has this field, and no other of its name. */
static void
set_field(struct rp_exchange *x, struct rp_str name, struct rp_str value)
{
    struct rp_request *r = &x->request;
    unsigned n = 0;

    for (unsigned i = 0; i < r->nfields; i++)
        if (!rp_str_ieq(r->fields[i].name, name))
            x->fields[n++] = r->fields[i];
    x->fields[n++] = (struct rp_field){name, value};
    r->fields = x->fields;
    r->nfields = n;
    r->block_id = 0; /* it never comes again */
}

static int
identify(struct rp_exchange *x)
{
    struct rp_service *v = x->v;
    const struct rp_field *given = find_only(&x->request, RP_STR(ID_NAME));

    if (given && is_good_id(given->value) &&
        rp_peer_is_trusted(&v->forwarded.trust, x->peer)) {
        x->id = rp_arena_copy(&x->arena, given->value);
        x->request.has_id = true;
        return x->id.p ? 0 : -1;
    }
    char *made = rp_arena_alloc(&x->arena, ID_MADE);
    if (!made)
        return -1;
    make_id(&v->ids, made);
    x->id = (struct rp_str){made, ID_MADE};
    x->request.has_id = true;
    set_field(x, RP_STR(ID_NAME), x->id);
    return 0;
}

/* ---- Trace context, W3C level 1 and 2 ---- */

/* Lower-case digits, not all of them 0. */
static bool
is_hex(const char *p, size_t n, bool may_be_zero)
{
    bool is_zero = true;

    for (size_t i = 0; i < n; i++) {
        if (!(p[i] >= '0' && p[i] <= '9') && !(p[i] >= 'a' && p[i] <= 'f'))
            return false;
        is_zero = is_zero && p[i] == '0';
    }
    return may_be_zero || !is_zero;
}

bool
rp_trace_parse(struct rp_str s, struct rp_str *trace, struct rp_str *span)
{
    enum { VERSION = 0, TRACE = 3, SPAN = 36, FLAGS = 53, LENGTH = 55 };

    if (s.n < LENGTH || s.p[TRACE - 1] != '-' || s.p[SPAN - 1] != '-' ||
        s.p[FLAGS - 1] != '-' || !is_hex(s.p + VERSION, 2, true) ||
        !is_hex(s.p + TRACE, 32, false) || !is_hex(s.p + SPAN, 16, false) ||
        !is_hex(s.p + FLAGS, 2, true))
        return false;
    /* A later version may have more behind these; ff is none. */
    if (memcmp(s.p, "ff", 2) == 0 ||
        (s.n > LENGTH && (memcmp(s.p, "00", 2) == 0 || s.p[LENGTH] != '-')))
        return false;
    *trace = (struct rp_str){s.p + TRACE, 32};
    *span = (struct rp_str){s.p + SPAN, 16};
    return true;
}

static int
find_trace(struct rp_exchange *x)
{
    const struct rp_field *f = find_only(&x->request, RP_STR("traceparent"));
    struct rp_str trace, span;

    if (!f || !rp_trace_parse(f->value, &trace, &span))
        return 0;
    x->trace = rp_arena_copy(&x->arena, trace);
    x->span = rp_arena_copy(&x->arena, span);
    x->request.has_trace = true;
    return x->trace.p && x->span.p ? 0 : -1;
}

int
rp_exchange_identify(struct rp_exchange *x)
{
    if (x->v->request_id && identify(x) < 0)
        return -1;
    return x->v->trace_context ? find_trace(x) : 0;
}

struct rp_str
rp_exchange_id(const struct rp_exchange *x)
{
    return x->root->id;
}

/* Room behind the head for "X-Request-ID: ...\r\n". */
struct rp_str
rp_exchange_id_line(const struct rp_exchange *x, const struct rp_field *fields,
                    unsigned nfields, char *out)
{
    size_t n = 0;

    if (x->id.n == 0 || rp_fields_find(fields, nfields, RP_STR(ID_NAME)))
        return (struct rp_str){NULL, 0};
    memcpy(out, ID_NAME ": ", sizeof(ID_NAME) + 1);
    n = sizeof(ID_NAME) + 1;
    memcpy(out + n, x->id.p, x->id.n);
    n += x->id.n;
    memcpy(out + n, "\r\n", 2);
    return (struct rp_str){out, n + 2};
}
