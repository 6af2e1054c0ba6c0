/* fileanswer.c -- a file, as a whole or in parts, or only the news that the
 * client has it already. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "rupy/app/filehandler.h"
#include "rupy/app/impl.h"
#include "rupy/base/log.h"
#include "rupy/http/status.h"

enum {
    OWN_FIELDS = 8,     /* that are made of the file, at most */
    ETAG_SIZE = 48,     /* that of the file, with a coding's name in it */
    BOUNDARY_SIZE = 32, /* hexadecimal digits */
    RANGE_SIZE = 80,    /* of a Content-Range */
};

/* An answer as it is put together. */
struct draft {
    struct rp_exchange *x;
    const struct rp_file_answer *a;
    struct rp_file *file;
    struct rp_selection selection;
    struct rp_validators validators;
    struct rp_str content_type;
    struct rp_field own[OWN_FIELDS], *fields; /* own, or in the arena */
    unsigned nfields;
    char etag[ETAG_SIZE];
    char range[RANGE_SIZE];
};

struct rp_files *
rp_exchange_files(const struct rp_exchange *x)
{
    return x->v->files;
}

double
rp_exchange_now(const struct rp_exchange *x)
{
    return x->v->now;
}

static struct rp_str
find_own(const struct rp_file_answer *a, struct rp_str name)
{
    const struct rp_field *f = rp_fields_find(a->fields, a->nfields, name);

    return f ? f->value : (struct rp_str){NULL, 0};
}

/* Add a field, unless the application has it already. */
static void
add(struct draft *d, struct rp_str name, struct rp_str value)
{
    if (value.n > 0 && !find_own(d->a, name).p)
        d->fields[d->nfields++] = (struct rp_field){name, value};
}

/* The file's entity-tag; that of a coded one differs, as its bytes do
 * (RFC 9110 8.8.3.3). */
static struct rp_str
make_etag(struct draft *d)
{
    const struct rp_file *file = d->file;
    struct rp_str own = find_own(d->a, RP_STR("etag"));
    int n;

    if (own.p)
        return own;
    if (d->a->coding == RP_N_CODINGS)
        return (struct rp_str){file->etag, file->etag_n};
    n = snprintf(d->etag, sizeof(d->etag), "%.*s-%.*s\"", (int)file->etag_n - 1,
                 file->etag, RP_STR_ARG(rp_coding_token(d->a->coding)));
    return (struct rp_str){d->etag, (size_t)n};
}

static void
make_validators(struct draft *d)
{
    struct rp_str modified = find_own(d->a, RP_STR("last-modified"));

    d->validators.etag = make_etag(d);
    d->validators.size = d->file->size;
    d->validators.modified =
        modified.p ? rp_date_parse(modified) : d->file->mtime.tv_sec;
    /* RFC 9110 8.8.2.1: not later than the answer itself. */
    if (!modified.p && d->validators.modified > d->x->v->consts.second)
        d->validators.modified = d->x->v->consts.second;
}

/* The fields that every answer about the file has, 304 too. */
static int
make_fields(struct draft *d)
{
    const struct rp_file_answer *a = d->a;
    char *modified = NULL;

    d->fields = d->own;
    if (a->nfields > 0) {
        d->fields = rp_arena_alloc(&d->x->arena, (a->nfields + OWN_FIELDS) *
                                                     sizeof(*d->fields));
        if (!d->fields)
            return -1;
        memcpy(d->fields, a->fields, a->nfields * sizeof(*a->fields));
        d->nfields = a->nfields;
    }
    if (d->validators.modified < d->file->mtime.tv_sec) {
        modified = rp_arena_alloc(&d->x->arena, RP_DATE_SIZE);
        if (!modified)
            return -1;
        rp_date_format(modified, d->validators.modified);
    }
    add(d, RP_STR("ETag"), d->validators.etag);
    add(d, RP_STR("Last-Modified"),
        (struct rp_str){modified ? modified : d->file->modified, RP_DATE_SIZE});
    add(d, RP_STR("Cache-Control"), a->cache_control);
    if (a->varies)
        add(d, RP_STR("Vary"), RP_STR("Accept-Encoding"));
    return 0;
}

/* What more an answer with the file's bytes has. */
static void
add_content_fields(struct draft *d)
{
    if (d->a->status == 200)
        add(d, RP_STR("Accept-Ranges"), RP_STR("bytes"));
    if (d->a->coding != RP_N_CODINGS)
        add(d, RP_STR("Content-Encoding"), rp_coding_token(d->a->coding));
}

/* ---- Sending ---- */

static void
send_range(struct draft *d, uint64_t first, uint64_t n)
{
    struct rp_file *file = d->file;

    if (file->content)
        rp_exchange_write(d->x, file->content + first, (size_t)n);
    else if (n > 0)
        rp_exchange_send_file(d->x, file->fd, (off_t)first, (size_t)n,
                              rp_file_unref, rp_file_ref(file));
}

/* Send the head.  false: a field may not go out, and 500 was the answer. */
static bool
send_head(struct draft *d, int status, uint64_t length)
{
    struct rp_exchange *x = d->x;

    if (rp_exchange_head(x, status, d->fields, d->nfields, d->content_type,
                         (int64_t)length) == 0)
        return true;
    rp_error("%.*s %.*s: 500: the answer has a status or a field that must "
             "not go out",
             RP_STR_ARG(x->request.method_name), RP_STR_ARG(x->request.path));
    rp_exchange_answer_status(x, 500);
    return false;
}

static void
send_one(struct draft *d, int status, uint64_t first, uint64_t n)
{
    if (!send_head(d, status, n))
        return;
    send_range(d, first, n);
    rp_exchange_end(d->x);
}

static size_t
format_range(char out[RANGE_SIZE], const struct rp_range *r, uint64_t size)
{
    return (size_t)snprintf(out, RANGE_SIZE,
                            "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r->first,
                            r->first + r->n - 1, size);
}

/* 412 and 416 are about the request, not about the file. */
static void
refuse(struct draft *d)
{
    struct rp_field f = {RP_STR("Content-Range"), {d->range, 0}};

    f.value.n = (size_t)snprintf(d->range, sizeof(d->range), "bytes */%" PRIu64,
                                 d->file->size);
    rp_exchange_answer_plain(d->x, d->selection.status, &f,
                             d->selection.status == 416);
}

static void
answer_not_modified(struct draft *d)
{
    struct rp_answer a = {
        .status = 304, .fields = d->fields, .nfields = d->nfields};

    rp_exchange_answer(d->x, &a);
}

/* ---- Several parts: multipart/byteranges (RFC 9110 14.6) ---- */

/* Bytes that nobody knows beforehand, so that no file has them in it. */
static void
make_boundary(char out[BOUNDARY_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[BOUNDARY_SIZE / 2] = {0};

    /* With none, which is only at boot, the name is as good as any. */
    (void)!getrandom(bytes, sizeof(bytes), GRND_NONBLOCK);
    for (int i = 0; i < BOUNDARY_SIZE; i++)
        out[i] = hex[bytes[i / 2] >> (i % 2 * 4) & 15];
}

/* The texts in front of each part and behind the last into b; ends[i]: where
 * the i-th ends.  0, or -1 (no memory). */
static int
make_part_heads(struct draft *d, const char *boundary, struct rp_buf *b,
                size_t ends[RP_RANGES_MAX + 1])
{
    const struct rp_selection *s = &d->selection;
    unsigned i;

    for (i = 0; i < s->n; i++) {
        size_t n = format_range(d->range, &s->ranges[i], d->file->size);
        if (rp_buf_addf(b, "\r\n--%.*s\r\n", BOUNDARY_SIZE, boundary) < 0)
            return -1;
        if (d->content_type.n > 0 &&
            (rp_buf_add_str(b, RP_STR("Content-Type: ")) < 0 ||
             rp_buf_add_str(b, d->content_type) < 0 ||
             rp_buf_add(b, "\r\n", 2) < 0))
            return -1;
        if (rp_buf_addf(b, "Content-Range: %.*s\r\n\r\n", (int)n, d->range) < 0)
            return -1;
        ends[i] = b->n;
    }
    if (rp_buf_addf(b, "\r\n--%.*s--\r\n", BOUNDARY_SIZE, boundary) < 0)
        return -1;
    ends[i] = b->n;
    return 0;
}

/* The type of the parts stands in them. */
static void
take_out_content_type(struct draft *d)
{
    unsigned n = 0;

    for (unsigned i = 0; i < d->nfields; i++)
        if (!rp_str_ieq(d->fields[i].name, RP_STR("content-type")))
            d->fields[n++] = d->fields[i];
    d->nfields = n;
}

static void
send_parts(struct draft *d)
{
    const struct rp_selection *s = &d->selection;
    struct rp_str own = find_own(d->a, RP_STR("content-type"));
    char boundary[BOUNDARY_SIZE], type[64];
    size_t ends[RP_RANGES_MAX + 1], at = 0;
    uint64_t length = 0;
    struct rp_buf heads;

    rp_buf_init(&heads, 0);
    make_boundary(boundary);
    if (own.p) {
        d->content_type = own;
        take_out_content_type(d);
    }
    if (make_part_heads(d, boundary, &heads, ends) < 0) {
        rp_exchange_answer_busy(d->x);
        goto out;
    }
    d->content_type = (struct rp_str){
        type, (size_t)snprintf(type, sizeof(type),
                               "multipart/byteranges; boundary=%.*s",
                               BOUNDARY_SIZE, boundary)};
    for (unsigned i = 0; i < s->n; i++)
        length += s->ranges[i].n;
    if (!send_head(d, 206, length + heads.n))
        goto out;
    for (unsigned i = 0; i <= s->n; i++) {
        rp_exchange_write(d->x, heads.p + at, ends[i] - at);
        at = ends[i];
        if (i < s->n)
            send_range(d, s->ranges[i].first, s->ranges[i].n);
    }
    rp_exchange_end(d->x);
out:
    rp_buf_fini(&heads);
}

void
rp_exchange_answer_file(struct rp_exchange *x, const struct rp_file_answer *a)
{
    struct draft d = {
        .x = x, .a = a, .file = a->file, .content_type = a->content_type};

    make_validators(&d);
    d.selection.status = a->status;
    if (a->status == 200)
        rp_select(&x->request, &d.validators, x->v->consts.second,
                  &d.selection);
    if (find_own(a, RP_STR("content-type")).p)
        d.content_type = (struct rp_str){NULL, 0};
    if (d.selection.status == 412 || d.selection.status == 416) {
        refuse(&d);
        return;
    }
    if (make_fields(&d) < 0) {
        rp_exchange_answer_busy(x);
        return;
    }
    if (d.selection.status == 304) {
        answer_not_modified(&d);
        return;
    }
    add_content_fields(&d);
    if (d.selection.n > 1) {
        send_parts(&d);
    } else if (d.selection.n == 1) {
        const struct rp_range *r = &d.selection.ranges[0];
        size_t n = format_range(d.range, r, a->file->size);
        add(&d, RP_STR("Content-Range"), (struct rp_str){d.range, n});
        send_one(&d, 206, r->first, r->n);
    } else {
        send_one(&d, d.selection.status, 0, a->file->size);
    }
}
