/* Any form, any boundary: whole or in pieces, the same comes out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rupy/http/multipart.h"

struct result {
    int err;
    struct rp_buf out;
};

static void
say(struct result *r, const char *p, size_t n)
{
    if (rp_buf_add(&r->out, p, n) < 0)
        abort();
}

static size_t
next_piece(uint32_t *seed, size_t left)
{
    if (*seed == 0)
        return left;
    *seed = *seed * 1103515245 + 12345;
    return 1 + (*seed >> 16) % (left < 16 ? left : 16);
}

static int
feed_piece(struct rp_multipart *m, struct result *r, const char *p, size_t n)
{
    enum rp_multipart_event event;
    struct rp_str data;
    size_t used = 0;

    do {
        ssize_t k = rp_multipart_feed(m, p + used, n - used, &event, &data);
        if (k < 0)
            return (int)k;
        used += (size_t)k;
        if (used > n)
            abort();
        if (event == RP_MULTIPART_PART) {
            say(r, "\1", 1);
            say(r, m->name.p, m->name.n);
            say(r, "\2", 1);
            say(r, m->filename.p, m->filename.n);
            for (unsigned i = 0; i < m->nfields; i++)
                say(r, m->fields[i].value.p, m->fields[i].value.n);
            say(r, "\3", 1);
        } else if (event == RP_MULTIPART_DATA) {
            if (data.n == 0)
                abort();
            say(r, data.p, data.n);
        } else if (event != RP_MULTIPART_MORE) {
            say(r, "\4", 1);
        }
    } while (event != RP_MULTIPART_MORE);
    if (used != n)
        abort();
    return 0;
}

/* seed: of the sizes of the pieces; 0 shows it whole. */
static struct result
feed(const struct rp_form_limits *lim, struct rp_str boundary, const uint8_t *p,
     size_t n, uint32_t seed)
{
    struct result r = {0};
    struct rp_multipart m;
    size_t used = 0;

    r.err = rp_multipart_init(&m, boundary, lim);
    while (r.err == 0 && used < n) {
        size_t piece = next_piece(&seed, n - used);
        char *copy = malloc(piece);
        memcpy(copy, p + used, piece);
        r.err = feed_piece(&m, &r, copy, piece);
        used += piece;
        free(copy);
    }
    if (r.err == 0)
        r.err = rp_multipart_finish(&m);
    rp_multipart_fini(&m);
    return r;
}

static struct result
feed_url(const struct rp_form_limits *lim, const uint8_t *p, size_t n,
         uint32_t seed)
{
    struct result r = {0};
    struct rp_urlform f;
    size_t used = 0;
    bool pair = false;

    rp_urlform_init(&f, lim);
    while (r.err == 0 && used < n) {
        size_t piece = next_piece(&seed, n - used), k = 0;
        char *copy = malloc(piece);
        memcpy(copy, p + used, piece);
        while (r.err == 0 && k < piece) {
            ssize_t got = rp_urlform_feed(&f, copy + k, piece - k, &pair);
            if (got < 0) {
                r.err = (int)got;
                break;
            }
            k += (size_t)got;
            if (pair) {
                say(&r, f.name.p, f.name.n);
                say(&r, "\1", 1);
                say(&r, f.value.p, f.value.n);
            }
        }
        used += piece;
        free(copy);
    }
    if (r.err == 0)
        r.err = rp_urlform_finish(&f, &pair);
    rp_urlform_fini(&f);
    return r;
}

static void
compare(struct result a, struct result b)
{
    if (a.err != b.err ||
        (a.err == 0 &&
         (a.out.n != b.out.n ||
          (a.out.n > 0 && memcmp(a.out.p, b.out.p, a.out.n) != 0))))
        abort();
    rp_buf_fini(&a.out);
    rp_buf_fini(&b.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct rp_form_limits lim = {4, 256, 32, 64};
    uint32_t seed;

    if (n < 2)
        return 0;
    seed = (uint32_t)(p[0] << 8 | p[1]) + 1;
    p += 2;
    n -= 2;
    rp_multipart_boundary((struct rp_str){(const char *)p, n});
    compare(feed(&lim, RP_STR("xx"), p, n, 0),
            feed(&lim, RP_STR("xx"), p, n, seed));
    compare(feed_url(&lim, p, n, 0), feed_url(&lim, p, n, seed));
    return 0;
}
