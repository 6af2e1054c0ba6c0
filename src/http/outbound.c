#include "rupy/http/outbound.h"

#include <errno.h>

#include "rupy/http/forwarded.h"

struct options {
    struct rp_str v[RP_MAX_CONNECTION_OPTIONS];
    unsigned n;
};

/* What the Connection fields name, but "close" and the like, which are no
 * names of fields that anybody sends on.  0, or -1: too many. */
static int
read_options(const struct rp_field *fields, unsigned n, struct options *o)
{
    o->n = 0;
    for (unsigned i = 0; i < n; i++) {
        struct rp_str rest = fields[i].value, member;

        if (!rp_str_ieq(fields[i].name, RP_STR("connection")))
            continue;
        while (rp_list_next(&rest, &member)) {
            if (rp_str_ieq(member, RP_STR("close")) ||
                rp_str_ieq(member, RP_STR("keep-alive")) ||
                rp_str_ieq(member, RP_STR("upgrade")))
                continue;
            if (o->n == RP_MAX_CONNECTION_OPTIONS)
                return -1;
            o->v[o->n++] = member;
        }
    }
    return 0;
}

static bool
is_named(const struct options *o, struct rp_str name)
{
    for (unsigned i = 0; i < o->n; i++)
        if (rp_str_ieq(o->v[i], name))
            return true;
    return false;
}

int
rp_fields_pass_on(const struct rp_field *fields, unsigned n,
                  struct rp_field *out)
{
    struct options named;
    int k = 0;

    if (read_options(fields, n, &named) < 0)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        struct rp_str name = fields[i].name;

        if (!rp_is_hop_by_hop(name) && !is_named(&named, name) &&
            !rp_str_ieq(name, RP_STR("content-length")))
            out[k++] = fields[i];
    }
    return k;
}

bool
rp_method_is_idempotent(enum rp_method m)
{
    return m == RP_METHOD_GET || m == RP_METHOD_HEAD ||
           m == RP_METHOD_OPTIONS || m == RP_METHOD_PUT ||
           m == RP_METHOD_DELETE;
}

/* ---- The head ---- */

static void
add_field(struct rp_buf *out, struct rp_str name, struct rp_str value)
{
    rp_buf_add_str(out, name);
    rp_buf_add(out, ": ", 2);
    rp_buf_add_str(out, value);
    rp_buf_add(out, "\r\n", 2);
}

/* Expect is ours to meet: content is asked for when there is somebody to take
 * it. */
static bool
goes_on(struct rp_str name)
{
    return !rp_str_ieq(name, RP_STR("host")) &&
           !rp_str_ieq(name, RP_STR("expect")) && !rp_forwarded_is_field(name);
}

static void
add_forwarded(struct rp_buf *out, const struct rp_outbound *o)
{
    const struct rp_request *r = o->request;
    bool first = true;

    rp_buf_add_str(out, RP_STR("X-Forwarded-For: "));
    for (unsigned i = 0; o->trusted && i < r->nfields; i++) {
        if (!rp_str_ieq(r->fields[i].name, RP_STR("x-forwarded-for")) ||
            r->fields[i].value.n == 0)
            continue;
        if (!first)
            rp_buf_add(out, ", ", 2);
        rp_buf_add_str(out, r->fields[i].value);
        first = false;
    }
    if (!first)
        rp_buf_add(out, ", ", 2);
    rp_buf_add_str(out, o->client.n > 0 ? o->client : RP_STR("unknown"));
    rp_buf_add(out, "\r\n", 2);
    add_field(out, RP_STR("X-Forwarded-Proto"), o->scheme);
    if (r->host.n > 0)
        add_field(out, RP_STR("X-Forwarded-Host"), r->host);
    if (o->prefix.n > 0)
        add_field(out, RP_STR("X-Forwarded-Prefix"), o->prefix);
}

static void
add_framing(struct rp_buf *out, const struct rp_request *r)
{
    if (r->chunked) {
        rp_buf_add_str(out, RP_STR("Transfer-Encoding: chunked\r\n"));
    } else if (r->content_length >= 0) {
        rp_buf_add_str(out, RP_STR("Content-Length: "));
        rp_buf_add_u64(out, (uint64_t)r->content_length);
        rp_buf_add(out, "\r\n", 2);
    }
}

/* More than the head can come to, so that nothing below can fail. */
static size_t
room_for(const struct rp_outbound *o)
{
    const struct rp_request *r = o->request;
    size_t room = 512 + r->method_name.n + o->target.n + o->host.n +
                  o->client.n + o->scheme.n + o->prefix.n + r->host.n;

    for (unsigned i = 0; i < r->nfields; i++)
        room += r->fields[i].name.n + r->fields[i].value.n + 4;
    return room;
}

int
rp_outbound_write_head(struct rp_buf *out, const struct rp_outbound *o)
{
    const struct rp_request *r = o->request;
    /* One more than are taken: X-Request-ID may be added. */
    struct rp_field fields[RP_MAX_FIELDS + 1];
    int n = rp_fields_pass_on(r->fields, r->nfields, fields);

    if (n < 0) {
        errno = EINVAL;
        return -1;
    }
    if (rp_buf_reserve(out, room_for(o)) < 0)
        return -1;
    rp_buf_add_str(out, r->method_name);
    rp_buf_add(out, " ", 1);
    rp_buf_add_str(out, o->target);
    rp_buf_add_str(out, RP_STR(" HTTP/1.1\r\n"));
    add_field(out, RP_STR("Host"), o->host);
    for (int i = 0; i < n; i++)
        if (goes_on(fields[i].name))
            add_field(out, fields[i].name, fields[i].value);
    add_framing(out, r);
    add_forwarded(out, o);
    if (o->upgrade)
        rp_buf_add_str(out, RP_STR("Connection: Upgrade\r\n"
                                   "Upgrade: websocket\r\n"));
    rp_buf_add(out, "\r\n", 2);
    return 0;
}
