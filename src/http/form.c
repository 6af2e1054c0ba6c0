#include "rupy/http/form.h"

#include "rupy/http/url.h"

static const struct {
    int status;
    const char *text;
} errs[] = {
#define X(name, status, text)                                                  \
    [RP_FORM_##name - RP_FORM_ERR_MIN] = {status, text},
    RP_FORM_ERRS(X)
#undef X
};

int
rp_form_err_status(int err)
{
    return errs[err - RP_FORM_ERR_MIN].status;
}

const char *
rp_form_err_text(int err)
{
    return errs[err - RP_FORM_ERR_MIN].text;
}

void
rp_urlform_init(struct rp_urlform *f, const struct rp_form_limits *lim)
{
    *f = (struct rp_urlform){.lim = *lim};
    /* A byte is three at most, and there is a '='. */
    rp_buf_init(&f->raw, 3 * ((size_t)lim->name_size + lim->field_size) + 1);
}

void
rp_urlform_fini(struct rp_urlform *f)
{
    rp_buf_fini(&f->raw);
}

/* A pair is whole: decode it where it lies.  WHATWG URL 5.1: an empty one is
 * none, and one without '=' has an empty value. */
static int
on_pair(struct rp_urlform *f, bool *pair)
{
    struct rp_str raw = {f->raw.p, f->raw.n}, value = {NULL, 0};
    const char *eq;

    f->given = true;
    if (raw.n == 0)
        return 0;
    if (++f->npairs > f->lim.parts)
        return RP_FORM_MANY_PARTS;
    eq = memchr(raw.p, '=', raw.n);
    if (eq != NULL) {
        value = (struct rp_str){eq + 1, (size_t)(raw.p + raw.n - eq) - 1};
        raw.n = (size_t)(eq - raw.p);
    }
    f->name = (struct rp_str){raw.p, rp_url_decode_form(f->raw.p, raw)};
    if (f->name.n > f->lim.name_size)
        return RP_FORM_LONG_NAME;
    f->value = (struct rp_str){"", 0};
    if (value.n > 0) {
        f->value.p = value.p;
        f->value.n = rp_url_decode_form(f->raw.p + (value.p - raw.p), value);
    }
    if (f->value.n > f->lim.field_size)
        return RP_FORM_LARGE_FIELD;
    *pair = true;
    return 0;
}

/* More of a pair.  What is longer than any that may be is refused before it
 * is whole: the same error as then. */
static int
keep(struct rp_urlform *f, const char *p, size_t n)
{
    const char *eq;

    if (f->given)
        rp_buf_reset(&f->raw);
    f->given = false;
    if (rp_buf_add(&f->raw, p, n) == 0)
        return 0;
    if (f->raw.max - f->raw.n >= n)
        return RP_FORM_NO_MEMORY;
    if (f->npairs >= f->lim.parts)
        return RP_FORM_MANY_PARTS;
    eq = f->raw.n > 0 ? memchr(f->raw.p, '=', f->raw.n) : NULL;
    if (eq == NULL) {
        size_t room = f->raw.max - f->raw.n;
        return memchr(p, '=', room) == NULL ? RP_FORM_LONG_NAME
                                            : RP_FORM_LARGE_FIELD;
    }
    return RP_FORM_LARGE_FIELD;
}

ssize_t
rp_urlform_feed(struct rp_urlform *f, const char *p, size_t n, bool *pair)
{
    size_t used = 0;

    *pair = false;
    while (f->err == 0 && used < n && !*pair) {
        const char *end = memchr(p + used, '&', n - used);
        size_t k = end != NULL ? (size_t)(end - p) - used : n - used;
        f->err = keep(f, p + used, k);
        used += k + (end != NULL);
        if (f->err == 0 && end != NULL)
            f->err = on_pair(f, pair);
    }
    return f->err != 0 ? f->err : (ssize_t)used;
}

int
rp_urlform_finish(struct rp_urlform *f, bool *pair)
{
    *pair = false;
    if (f->err == 0 && !f->given)
        f->err = on_pair(f, pair);
    return f->err;
}
