#include "rupy/http/reply.h"

#include <http_parser.h>

#include "rupy/http/chars.h"
#include "rupy/http/status.h"

enum {
    VERSION_N = sizeof("HTTP/1.1 ") - 1,
    STATUS_LINE_MIN = VERSION_N + 3, /* without a reason */
};

/* ---- Where the head ends ---- */

/* "HTTP/1." DIGIT SP, refused at its first wrong byte. */
static int
check_version(const char *p, size_t n)
{
    static const char want[] = "HTTP/d.d ";

    for (size_t i = 0; i < VERSION_N && i < n; i++) {
        bool digit = p[i] >= '0' && p[i] <= '9';

        if (want[i] != 'd' ? p[i] != want[i] : !digit)
            return RP_HTTP_BAD_STATUS_LINE;
        if ((i == 5 && p[i] != '1') || (i == 7 && p[i] > '1'))
            return RP_HTTP_BAD_VERSION;
    }
    return 0;
}

/* Return the length of the head, 0 when its end has not come, or an enum
 * rp_http_err. */
static int
find_end(struct rp_reply_parser *ps, const char *p, size_t n)
{
    int rc = ps->at < VERSION_N ? check_version(p, n) : 0;

    while (rc == 0 && ps->at < n) {
        const char *lf = memchr(p + ps->at, '\n', n - ps->at);
        size_t i = lf ? (size_t)(lf - p) : n;

        if (!lf) {
            ps->at = (uint32_t)n;
            break;
        }
        if (i == ps->line || p[i - 1] != '\r')
            return RP_HTTP_BAD_LINE_END;
        ps->at = (uint32_t)i + 1;
        if (i - 1 == ps->line)
            return (int)i + 1;
        ps->line = ps->at;
    }
    return rc;
}

/* ---- What its lines say ---- */

struct lines {
    struct rp_field *fields;
    unsigned n;
    bool complete; /* http-parser came to the end */
    unsigned length, coding;
    bool close, keep_alive, upgrade, websocket;
};

static bool
has_only(struct rp_str s, unsigned what)
{
    for (size_t i = 0; i < s.n; i++)
        if (!rp_char_is(s.p[i], what))
            return false;
    return true;
}

static int
on_length(struct rp_reply *r, struct lines *l, struct rp_str value)
{
    uint64_t v;

    /* RFC 9112 6.3; one that is repeated with the same value as well. */
    if (l->length++ > 0 || rp_str_to_u64(value, &v) < 0 ||
        (value.n > 1 && value.p[0] == '0'))
        return RP_HTTP_BAD_LENGTH;
    r->content_length = (int64_t)v;
    return 0;
}

static int
on_coding(struct rp_reply *r, struct lines *l, struct rp_str value)
{
    if (r->minor == 0)
        return RP_HTTP_BAD_CODING;
    if (l->coding++ > 0)
        return RP_HTTP_REPEATED_FIELD;
    if (!rp_str_ieq(value, RP_STR("chunked")))
        return RP_HTTP_UNKNOWN_CODING;
    r->chunked = true;
    return 0;
}

static int
on_field(struct rp_reply *r, struct lines *l, const struct rp_field *f)
{
    struct rp_str rest = f->value, member;

    if (rp_str_ieq(f->name, RP_STR("content-length")))
        return on_length(r, l, f->value);
    if (rp_str_ieq(f->name, RP_STR("transfer-encoding")))
        return on_coding(r, l, f->value);
    if (rp_str_ieq(f->name, RP_STR("connection"))) {
        while (rp_list_next(&rest, &member)) {
            l->close |= rp_str_ieq(member, RP_STR("close"));
            l->keep_alive |= rp_str_ieq(member, RP_STR("keep-alive"));
            l->upgrade |= rp_str_ieq(member, RP_STR("upgrade"));
        }
    } else if (rp_str_ieq(f->name, RP_STR("upgrade"))) {
        l->websocket = rp_str_ieq(f->value, RP_STR("websocket"));
    }
    return 0;
}

/* Split and check one line without its end. */
static int
read_line(struct rp_reply *r, struct lines *l, struct rp_str line)
{
    const char *colon = memchr(line.p, ':', line.n);
    struct rp_field *f = &l->fields[l->n];

    if (line.p[0] == ' ' || line.p[0] == '\t')
        return RP_HTTP_OBS_FOLD;
    if (!colon)
        return RP_HTTP_BAD_FIELD;
    if (l->n == RP_MAX_REPLY_FIELDS)
        return RP_HTTP_LARGE_HEAD;
    f->name = (struct rp_str){line.p, (size_t)(colon - line.p)};
    f->value = rp_str_trim(
        (struct rp_str){colon + 1, (size_t)(line.p + line.n - colon) - 1});
    if (!rp_is_token(f->name))
        return RP_HTTP_BAD_FIELD;
    if (!has_only(f->value, RP_CHAR_VALUE))
        return RP_HTTP_BAD_BYTE;
    l->n++;
    return on_field(r, l, f);
}

static int
read_status_line(struct rp_reply *r, struct rp_str line)
{
    int status = 0;

    if (line.n < STATUS_LINE_MIN)
        return RP_HTTP_BAD_STATUS_LINE;
    for (size_t i = VERSION_N; i < STATUS_LINE_MIN; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return RP_HTTP_BAD_STATUS_LINE;
        status = status * 10 + line.p[i] - '0';
    }
    r->minor = line.p[7] - '0';
    r->status = status;
    r->reason = (struct rp_str){line.p + line.n, 0};
    if (line.n > STATUS_LINE_MIN) {
        if (line.p[STATUS_LINE_MIN] != ' ')
            return RP_HTTP_BAD_STATUS_LINE;
        r->reason = rp_str_trim((struct rp_str){line.p + STATUS_LINE_MIN,
                                                line.n - STATUS_LINE_MIN});
    }
    if (status < 100 || status > 599 || !has_only(r->reason, RP_CHAR_VALUE))
        return RP_HTTP_BAD_STATUS_LINE;
    return 0;
}

/* The head p..p+n has its end. */
static int
read_lines(struct rp_reply *r, struct lines *l, const char *p, size_t n)
{
    const char *end = p + n - 2;
    const char *lf = memchr(p, '\n', n);
    int rc = read_status_line(r, (struct rp_str){p, (size_t)(lf - p) - 1});

    for (p = lf + 1; rc == 0 && p < end; p = lf + 1) {
        lf = memchr(p, '\n', (size_t)(end - p));
        rc = read_line(r, l, (struct rp_str){p, (size_t)(lf - p) - 1});
    }
    return rc;
}

static int
fill(struct rp_reply *r, const struct lines *l)
{
    if (l->length > 0 && l->coding > 0)
        return RP_HTTP_LENGTH_AND_CODING;
    r->fields = l->fields;
    r->nfields = l->n;
    r->keep_alive = !l->close && (r->minor >= 1 || l->keep_alive);
    r->upgrade_websocket = r->status == 101 && l->upgrade && l->websocket;
    /* There must be none (RFC 9112 6.1, RFC 9110 8.6), so who knows what
     * follows.  The length of a 304 is that of a 200. */
    if ((l->coding > 0 && !rp_status_has_content(r->status)) ||
        (r->content_length > 0 && r->status == 204))
        r->keep_alive = false;
    return 0;
}

/* ---- A second reader ---- */

static int
on_name(http_parser *hp, const char *p, size_t n)
{
    struct lines *l = hp->data;
    const struct rp_field *f = &l->fields[l->n];

    if (f->name.p != p || f->name.n != n)
        return -1;
    l->n++;
    return 0;
}

static int
on_value(http_parser *hp, const char *p, size_t n)
{
    const struct lines *l = hp->data;
    struct rp_str value = rp_str_trim((struct rp_str){p, n});

    if (l->n == 0)
        return -1;
    return n == 0 || rp_str_eq(l->fields[l->n - 1].value, value) ? 0 : -1;
}

/* 1: no content follows.  It would follow, but its framing is not
 * http-parser's business; neither are upgrades. */
static int
on_complete(http_parser *hp)
{
    struct lines *l = hp->data;

    l->complete = true;
    hp->upgrade = 0;
    return 1;
}

/* Does http-parser read the same from it? */
static bool
is_read_alike(const struct rp_reply *r, const char *p, size_t n)
{
    static const http_parser_settings settings = {
        .on_header_field = on_name,
        .on_header_value = on_value,
        .on_headers_complete = on_complete,
    };
    struct rp_field none = {{NULL, 0}, {NULL, 0}};
    struct lines l = {.fields = r->nfields > 0
                                    ? (struct rp_field *)(uintptr_t)r->fields
                                    : &none};
    http_parser hp;

    http_parser_init(&hp, HTTP_RESPONSE);
    hp.data = &l;
    /* Its own rules about the two framing fields go by the beginning of a
     * name. */
    hp.lenient_http_headers = 1;
    /* A global of the library; ours is the limit that counts. */
    if (n >= HTTP_MAX_HEADER_SIZE)
        http_parser_set_max_header_size(UINT32_MAX);
    return http_parser_execute(&hp, &settings, p, n) == n &&
           HTTP_PARSER_ERRNO(&hp) == HPE_OK && l.complete &&
           l.n == r->nfields && hp.status_code == (unsigned)r->status;
}

int
rp_reply_head(struct rp_reply_parser *ps, const char *p, size_t n,
              struct rp_field *fields, struct rp_reply *r)
{
    struct lines l = {.fields = fields};
    int rc, end;

    if (ps->err != 0)
        return ps->err;
    end = rc = find_end(ps, p, n < RP_MAX_REPLY_HEAD ? n : RP_MAX_REPLY_HEAD);
    if (rc == 0 && n > RP_MAX_REPLY_HEAD)
        rc = RP_HTTP_LARGE_HEAD;
    if (rc > 0) {
        *r = (struct rp_reply){.content_length = -1};
        rc = read_lines(r, &l, p, (size_t)end);
        if (rc == 0)
            rc = fill(r, &l);
        if (rc == 0 && !is_read_alike(r, p, (size_t)end))
            rc = RP_HTTP_BAD_FIELD;
        if (rc == 0) {
            *ps = (struct rp_reply_parser){.at = 0};
            return end;
        }
    }
    if (rc < 0)
        ps->err = rc;
    return rc;
}

bool
rp_reply_has_content(const struct rp_reply *r, enum rp_method method,
                     int64_t *length)
{
    *length = r->content_length;
    return method != RP_METHOD_HEAD && rp_status_has_content(r->status) &&
           (r->chunked || r->content_length != 0);
}
