#include "rupy/http/parser.h"

#include <http_parser.h>
#include <stdio.h>

#include "rupy/http/memo.h"
#include "rupy/http/target.h"

static const struct {
    int status;
    const char *text;
} errs[] = {
#define X(name, status, text)                                                  \
    [RP_HTTP_##name - RP_HTTP_ERR_MIN] = {status, text},
    RP_HTTP_ERRS(X)
#undef X
};

enum { NERRS = sizeof(errs) / sizeof(errs[0]) };

int
rp_http_err_status(int err)
{
    int i = err - RP_HTTP_ERR_MIN;

    return i > 0 && i < NERRS ? errs[i].status : 500;
}

const char *
rp_http_err_text(int err)
{
    int i = err - RP_HTTP_ERR_MIN;

    return i > 0 && i < NERRS ? errs[i].text : "unknown error";
}

void
rp_parser_init(struct rp_parser *ps, struct rp_memos *memos)
{
    *ps = (struct rp_parser){.memos = memos};
}

void
rp_parser_fini(struct rp_parser *ps)
{
    rp_memo_set(&ps->memo, NULL);
    *ps = (struct rp_parser){.memos = NULL};
}

/* What http-parser's callbacks fill. */
struct split {
    struct rp_field *fields;
    unsigned n, max;
    struct rp_str target;
    bool complete;
};

static int
on_url(http_parser *hp, const char *p, size_t n)
{
    struct split *s = hp->data;

    s->target = (struct rp_str){p, n};
    return 0;
}

/* The head has no folds and is shown in pieces that end behind a value, so
 * names and values come in one piece each, but for an empty one behind that
 * value; were it otherwise, the sum would tell. */
static int
on_name(http_parser *hp, const char *p, size_t n)
{
    struct split *s = hp->data;

    if (s->n == s->max)
        return -1;
    s->fields[s->n].name = (struct rp_str){p, n};
    s->fields[s->n].value = (struct rp_str){p + n, 0};
    s->n++;
    return 0;
}

static int
on_value(http_parser *hp, const char *p, size_t n)
{
    struct split *s = hp->data;

    if (s->n == 0)
        return -1;
    if (n == 0)
        return 0;
    s->fields[s->n - 1].value = rp_str_trim((struct rp_str){p, n});
    return 0;
}

/* 1: no content follows.  It would follow, but its framing is not
 * http-parser's business; neither are upgrades. */
static int
on_complete(http_parser *hp)
{
    struct split *s = hp->data;

    s->complete = true;
    hp->upgrade = 0;
    return 1;
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_complete,
};

/* http-parser has a fixed list of methods; the others are shown to it as GET,
 * which has the same grammar. */
static bool
is_known_to_http_parser(enum rp_method m)
{
    return m != RP_METHOD_QUERY && m != RP_METHOD_OTHER;
}

static bool
show(http_parser *hp, const char *p, size_t n)
{
    /* No bytes would mean the end of the connection. */
    return n == 0 || (http_parser_execute(hp, &settings, p, n) == n &&
                      HTTP_PARSER_ERRNO(hp) == HPE_OK);
}

/* Let http-parser split the head p..p+n, which the scan found faultless, and
 * see whether both read it alike. */
static int
split_head(const struct rp_scan *sc, const char *p, struct split *s,
           enum rp_method method)
{
    http_parser hp;
    const char *from = p + sc->start;
    const char *end = p + sc->i;
    uint32_t sum = 0;

    http_parser_init(&hp, HTTP_REQUEST);
    hp.data = s;
    /* Its own rules about the two framing fields go by the beginning of a
     * name: "Transfer-Encodings" with Content-Length is an error to it. */
    hp.lenient_http_headers = 1;
    /* A global of the library; ours is the limit that counts. */
    if (sc->i >= HTTP_MAX_HEADER_SIZE)
        http_parser_set_max_header_size(UINT32_MAX);
    if (!is_known_to_http_parser(method)) {
        if (!show(&hp, "GET", 3))
            return RP_HTTP_BAD_REQUEST;
        from += sc->method_n;
    }
    /* It does not take HTAB behind a length or a coding, which RFC 9112 5.1
     * has every recipient take: that stays hidden from it. */
    if (sc->ows_n > 0) {
        if (!show(&hp, from, (size_t)(p + sc->ows - from)))
            return RP_HTTP_BAD_REQUEST;
        from = p + sc->ows + sc->ows_n;
    }
    if (!show(&hp, from, (size_t)(end - from)) || !s->complete)
        return RP_HTTP_BAD_REQUEST;
    for (unsigned i = 0; i < s->n; i++)
        sum = rp_scan_mix(sum, (size_t)(s->fields[i].name.p - p),
                          s->fields[i].name.n, s->fields[i].value.n);
    if (s->n != sc->nfields || sum != sc->sum ||
        s->target.p != p + sc->target || s->target.n != sc->target_n)
        return RP_HTTP_BAD_REQUEST;
    return 0;
}

static int
fill_request_line(struct rp_request *r, const struct rp_scan *s, const char *p)
{
    r->method_name = (struct rp_str){p + s->start, s->method_n};
    r->method = rp_method_from_str(r->method_name);
    r->target = (struct rp_str){p + s->target, s->target_n};
    r->minor = s->minor;
    return rp_target_parse(r);
}

/* The scan is over: say what the field lines said. */
static int
fill_from_scan(struct rp_request *r, const struct rp_scan *s, const char *p)
{
    struct rp_str host = {p + s->host, s->host_n};
    unsigned seen = s->seen;
    bool close = seen & RP_SAID_CLOSE;

    r->content_length = seen & RP_SEEN_LENGTH ? s->length : -1;
    r->chunked = seen & RP_SEEN_CODING;
    r->keep_alive = !close && (s->minor >= 1 || (seen & RP_SAID_KEEP_ALIVE));
    r->expect_continue = (seen & RP_SEEN_EXPECT) && rp_request_has_content(r);
    r->upgrade_websocket = r->method == RP_METHOD_GET && s->minor >= 1 &&
                           (seen & RP_SAID_UPGRADE) &&
                           (seen & RP_SEEN_WEBSOCKET) &&
                           !rp_request_has_content(r);
    r->has_forwarded = seen & RP_SEEN_FORWARDED;
    r->has_id = r->has_trace = false;
    if (!(seen & RP_SEEN_HOST))
        return 0;
    if (r->host.n == 0)
        r->host = host;
    else if (r->method != RP_METHOD_CONNECT && !rp_str_ieq(r->host, host))
        return RP_HTTP_BAD_HOST;
    return 0;
}

/* A memo knows nothing of authorities in targets. */
static bool
may_use_memo(const struct rp_parser *ps, const struct rp_request *r)
{
    return ps->memos != NULL && r->minor == 1 && r->host.n == 0;
}

static void
fill_from_memo(struct rp_request *r, const struct rp_memo *memo)
{
    r->host = memo->host;
    r->fields = memo->fields;
    r->nfields = memo->nfields;
    r->block_id = memo->id;
    r->content_length = -1;
    r->chunked = false;
    r->keep_alive = memo->keep_alive;
    r->expect_continue = false;
    r->upgrade_websocket = false;
    r->has_forwarded = memo->has_forwarded;
    r->has_id = r->has_trace = false;
}

/* Is the block behind the request line one that we know?  Return the length
 * of the head, or 0. */
static int
match_memo(struct rp_parser *ps, const struct rp_limits *lim, const char *p,
           size_t n, struct rp_request *r)
{
    size_t at = ps->scan.block;
    struct rp_memo *memo = rp_memos_match(ps->memos, ps->memo, p + at, n - at);

    /* The limits may be others than those it was made under. */
    if (memo == NULL || memo->nfields > lim->request_fields ||
        memo->longest > lim->request_field_size)
        return 0;
    rp_memo_set(&ps->memo, memo);
    fill_from_memo(r, memo);
    ps->scan = (struct rp_scan){.i = 0};
    return (int)(at + memo->text.n);
}

static void
keep_memo(struct rp_parser *ps, const char *p, struct rp_request *r)
{
    const unsigned open =
        RP_SEEN_LENGTH | RP_SEEN_CODING | RP_SEEN_EXPECT | RP_SEEN_UPGRADE;
    const struct rp_scan *s = &ps->scan;
    struct rp_str block = {p + s->block, s->i - s->block};
    struct rp_memo *memo;

    if ((s->seen & open) || block.n > RP_MEMO_MAX_SIZE ||
        s->nfields > RP_MEMO_MAX_FIELDS)
        return;
    memo = rp_memos_add(ps->memos, block, r, s->longest);
    if (memo == NULL)
        return;
    rp_memo_set(&ps->memo, memo);
    r->block_id = memo->id;
}

/* The head p..p+n is complete and in order. */
static int
finish(struct rp_parser *ps, const struct rp_limits *lim, const char *p,
       struct rp_field *fields, struct rp_request *r)
{
    struct split split = {.fields = fields, .max = lim->request_fields};
    bool use_memo = may_use_memo(ps, r);
    int rc, n = (int)ps->scan.i;

    rc = fill_from_scan(r, &ps->scan, p);
    if (rc == 0)
        rc = split_head(&ps->scan, p, &split, r->method);
    if (rc < 0)
        return rc;
    r->fields = fields;
    r->nfields = split.n;
    r->block_id = 0;
    if (use_memo)
        keep_memo(ps, p, r);
    ps->scan = (struct rp_scan){.i = 0};
    return n;
}

static int
parse(struct rp_parser *ps, const struct rp_limits *lim, const char *p,
      size_t n, struct rp_field *fields, struct rp_request *r)
{
    struct rp_scan *s = &ps->scan;
    bool fresh = s->block == 0;
    int rc;

    rc = rp_scan_request_line(s, lim, p, n);
    if (rc <= 0)
        return rc;
    /* The target is looked at as soon as the line is there, and once more when
     * r is filled in another call; not in every call between, which would be
     * quadratic. */
    if (fresh) {
        rc = fill_request_line(r, s, p);
        if (rc < 0)
            return rc;
        if (may_use_memo(ps, r)) {
            rc = match_memo(ps, lim, p, n, r);
            if (rc > 0)
                return rc;
        }
    }
    rc = rp_scan_fields(s, lim, p, n);
    if (rc <= 0)
        return rc;
    if (!fresh)
        fill_request_line(r, s, p);
    return finish(ps, lim, p, fields, r);
}

int
rp_parser_head(struct rp_parser *ps, const struct rp_limits *lim, const char *p,
               size_t n, struct rp_field *fields, struct rp_request *r)
{
    int rc;

    if (ps->err != 0)
        return ps->err;
    /* Bytes over the limit are not looked at, so what is wrong before them
     * is told whether they came together or not. */
    rc = parse(ps, lim, p, n < lim->header_size ? n : lim->header_size, fields,
               r);
    if (rc == 0 && n > lim->header_size)
        rc = RP_HTTP_LARGE_HEAD;
    if (rc < 0)
        ps->err = rc;
    return rc;
}

static bool
rebase(struct rp_str *s, const char *old, size_t n, const char *new)
{
    uintptr_t at = (uintptr_t)s->p, from = (uintptr_t)old;

    if (s->p == NULL || at < from || at + s->n > from + n)
        return false;
    s->p = new + (at - from);
    return true;
}

void
rp_request_rebase(struct rp_request *r, const char *old, size_t n,
                  const char *new, struct rp_field *fields)
{
    rebase(&r->method_name, old, n, new);
    rebase(&r->target, old, n, new);
    rebase(&r->path, old, n, new);
    rebase(&r->query, old, n, new);
    rebase(&r->host, old, n, new);
    if (r->nfields == 0 || (uintptr_t)r->fields[0].name.p < (uintptr_t)old ||
        (uintptr_t)r->fields[0].name.p >= (uintptr_t)old + n)
        return;
    for (unsigned i = 0; i < r->nfields; i++) {
        fields[i] = r->fields[i];
        rebase(&fields[i].name, old, n, new);
        rebase(&fields[i].value, old, n, new);
    }
    r->fields = fields;
}

void
rp_parser_version(char *out, size_t n)
{
    unsigned long v = http_parser_version();

    snprintf(out, n, "%lu.%lu.%lu", v >> 16 & 255, v >> 8 & 255, v & 255);
}
