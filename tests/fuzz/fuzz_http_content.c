/* Any chunked content, any limit: whole or in pieces, the same comes out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rupy/http/content.h"

struct result {
    int err;
    bool done;
    size_t used, n;
    char *data;
};

/* seed: of the sizes of the pieces; 0 shows it whole. */
static struct result
feed(const struct rp_request *r, const struct rp_limits *lim, const uint8_t *p,
     size_t n, uint32_t seed)
{
    struct result res = {.data = malloc(n + 1)};
    struct rp_content c;

    res.err = rp_content_init(&c, r, lim);
    while (res.err == 0 && res.used < n && !rp_content_is_done(&c)) {
        size_t piece = n - res.used;
        struct rp_str data;
        ssize_t used;
        char *copy;

        if (seed != 0) {
            seed = seed * 1103515245 + 12345;
            piece = 1 + (seed >> 16) % (piece < 16 ? piece : 16);
        }
        copy = malloc(piece);
        memcpy(copy, p + res.used, piece);
        used = rp_content_feed(&c, copy, piece, &data);
        if (used == 0 || used > (ssize_t)piece)
            abort();
        if (used > 0) {
            if (data.n > (size_t)used || data.p < copy ||
                data.p + data.n > copy + used)
                abort();
            memcpy(res.data + res.n, data.p, data.n);
            res.n += data.n;
            res.used += (size_t)used;
        } else {
            res.err = (int)used;
        }
        free(copy);
    }
    res.done = rp_content_is_done(&c);
    if (lim->body != 0 && res.n > lim->body)
        abort();
    return res;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct rp_limits lim = RP_LIMITS_DEFAULT;
    struct rp_request r = {.content_length = -1, .chunked = true};
    struct result a, b;
    uint32_t seed;

    if (n < 3)
        return 0;
    lim.body = p[0];
    seed = (uint32_t)(p[1] << 8 | p[2]) + 1;
    p += 3;
    n -= 3;
    a = feed(&r, &lim, p, n, 0);
    b = feed(&r, &lim, p, n, seed);
    if (a.err != b.err || a.done != b.done || a.n != b.n ||
        memcmp(a.data, b.data, a.n) != 0 || (a.err == 0 && a.used != b.used))
        abort();
    free(a.data);
    free(b.data);
    return 0;
}
