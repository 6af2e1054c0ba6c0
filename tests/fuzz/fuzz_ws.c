/* Any bytes of a client, any limits, compression or not: whole or in pieces,
 * the same messages come of them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rupy/ws/message.h"

struct result {
    int err;
    struct rp_buf out;
};

static void
add(struct rp_buf *out, const void *p, size_t n)
{
    if (rp_buf_add(out, p, n) < 0)
        abort();
}

static void
add_event(struct result *res, const struct rp_ws_message *m,
          const struct rp_ws_limits *lim)
{
    uint32_t head[3] = {m->opcode, m->code, (uint32_t)m->data.n};

    if (m->data.n > lim->message && m->data.n > RP_WS_CONTROL_MAX)
        abort();
    if ((m->opcode == RP_WS_TEXT || m->opcode == RP_WS_CLOSE) &&
        !rp_utf8_is_valid(m->data))
        abort();
    if (m->opcode == RP_WS_CLOSE && m->code != RP_WS_NO_CODE &&
        !rp_ws_code_is_valid(m->code))
        abort();
    add(&res->out, head, sizeof(head));
    add(&res->out, m->data.p, m->data.n);
}

/* seed: of the sizes of the pieces; 0 shows it whole. */
static struct result
feed(const struct rp_ws_limits *lim, bool compressed, bool forgets,
     const uint8_t *p, size_t n, uint32_t seed)
{
    /* The largest window, so that every distance is in it: see message.h. */
    const struct rp_ws_deflate_params params = {
        .on = true,
        .client_no_context_takeover = forgets,
        .server_bits = 15,
        .client_bits = 15,
    };
    struct result res = {.err = 0};
    struct rp_ws_deflate d;
    struct rp_ws_reader r;
    size_t done = 0;

    rp_ws_deflate_init(&d, &params, &RP_WS_DEFLATE_DEFAULT);
    rp_ws_reader_init(&r, lim, compressed ? &d : NULL);
    while (res.err == 0 && done < n) {
        size_t piece = n - done;
        struct rp_ws_message m;
        ssize_t used;
        char *copy;

        if (seed != 0) {
            seed = seed * 1103515245 + 12345;
            piece = 1 + (seed >> 16) % (piece < 16 ? piece : 16);
        }
        copy = malloc(piece);
        memcpy(copy, p + done, piece);
        used = rp_ws_reader_feed(&r, copy, piece, &m);
        free(copy);
        if (used < 0) {
            res.err = (int)used;
            break;
        }
        if (used == 0 || (size_t)used > piece ||
            (m.opcode == 0 && (size_t)used != piece))
            abort();
        if (m.opcode != 0)
            add_event(&res, &m, lim);
        if (r.message.cap > lim->message && r.message.cap > 4096)
            abort();
        done += (size_t)used;
    }
    rp_ws_reader_fini(&r);
    rp_ws_deflate_fini(&d);
    if (d.memory != 0)
        abort();
    return res;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct rp_ws_limits lim;
    struct result a, b;
    bool compressed, forgets;
    uint32_t seed;

    if (n < 4)
        return 0;
    lim = (struct rp_ws_limits){.message = 1u + p[0] * 64u,
                                .fragments = 1u + p[1] % 32};
    compressed = p[2] & 1;
    forgets = p[2] & 2;
    seed = (uint32_t)(p[2] << 8 | p[3]) + 1;
    p += 4;
    n -= 4;
    a = feed(&lim, compressed, forgets, p, n, 0);
    b = feed(&lim, compressed, forgets, p, n, seed);
    if (a.err != b.err || a.out.n != b.out.n ||
        (a.out.n > 0 && memcmp(a.out.p, b.out.p, a.out.n) != 0))
        abort();
    rp_buf_fini(&a.out);
    rp_buf_fini(&b.out);
    return 0;
}
