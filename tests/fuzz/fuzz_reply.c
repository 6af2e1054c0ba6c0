/* Any answer of a backend: whole or in pieces, the same comes out. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rupy/http/content.h"
#include "rupy/http/reply.h"

struct result {
    int rc; /* of the head, or of the content */
    size_t used, n;
    char *data; /* the head in words, then content */
};

static void
add(struct result *r, struct rp_str s)
{
    if (s.n > 0)
        memcpy(r->data + r->n, s.p, s.n);
    r->n += s.n;
    r->data[r->n++] = '|';
}

static void
add_head(struct result *res, const struct rp_reply *r)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "%d %d %lld %d%d%d", r->minor,
                     r->status, (long long)r->content_length, r->chunked,
                     r->keep_alive, r->upgrade_websocket);

    add(res, (struct rp_str){text, (size_t)n});
    add(res, r->reason);
    for (unsigned i = 0; i < r->nfields; i++) {
        add(res, r->fields[i].name);
        add(res, r->fields[i].value);
    }
}

/* Bytes up to `end` in memory of their own, so that a read behind it shows. */
static char *
copy(const uint8_t *p, size_t n)
{
    char *c = malloc(n ? n : 1);

    memcpy(c, p, n);
    return c;
}

static size_t
next_piece(uint32_t *seed, size_t left)
{
    size_t piece;

    if (*seed == 0)
        return left;
    *seed = *seed * 1103515245 + 12345;
    piece = 1 + (*seed >> 16) % 24;
    return piece < left ? piece : left;
}

/* seed: of the sizes of the pieces; 0 shows it whole. */
static struct result
feed(const uint8_t *p, size_t n, uint32_t seed)
{
    struct result res = {.data = malloc(8 * n + 256)};
    struct rp_field fields[RP_MAX_REPLY_FIELDS];
    struct rp_reply_parser ps = {.at = 0};
    struct rp_content c;
    struct rp_reply r;
    size_t end = 0;
    int64_t length;

    while (res.rc == 0 && end < n) {
        char *at;

        end += next_piece(&seed, n - end);
        at = copy(p, end);
        res.rc = rp_reply_head(&ps, at, end, fields, &r);
        if (res.rc > 0)
            add_head(&res, &r);
        free(at);
    }
    if (res.rc <= 0)
        return res;
    res.used = (size_t)res.rc;
    if (!rp_reply_has_content(&r, RP_METHOD_GET, &length))
        return res;
    rp_content_init_reply(&c, r.chunked, length);
    while (res.rc > 0 && res.used < n && !rp_content_is_done(&c)) {
        size_t piece = next_piece(&seed, n - res.used);
        char *at = copy(p + res.used, piece);
        struct rp_str data;
        ssize_t k = rp_content_feed(&c, at, piece, &data);

        if (k == 0 || k > (ssize_t)piece)
            abort();
        if (k > 0) {
            memcpy(res.data + res.n, data.p, data.n);
            res.n += data.n;
            res.used += (size_t)k;
        } else {
            res.rc = (int)k;
        }
        free(at);
    }
    return res;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct result a, b;

    if (n < 2)
        return 0;
    a = feed(p + 2, n - 2, 0);
    b = feed(p + 2, n - 2, (uint32_t)(p[0] << 8 | p[1]) + 1);
    if (a.rc != b.rc || a.n != b.n || memcmp(a.data, b.data, a.n) != 0 ||
        (a.rc > 0 && a.used != b.used))
        abort();
    free(a.data);
    free(b.data);
    return 0;
}
