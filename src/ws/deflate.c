/* deflate.c -- zlib's raw streams, one each way, cut into messages by
 * sync flushes whose last four bytes stay off the wire (RFC 7692 7.2). */
#include "rupy/ws/deflate.h"

#include <stdlib.h>
#include <zlib.h>

#include "rupy/ws/frame.h"

enum {
    /* zlib has no smaller window when it compresses, and wants none when it
     * inflates: a larger one than the sender's does no harm. */
    MIN_BITS = 9,
    MIN_ROOM = 1024, /* for inflate() to write to */
    TAIL = 4,        /* 00 00 ff ff */
    /* Ends of a stream in one message.  Each costs a copy of the window, and
     * two bytes on the wire. */
    MAX_ENDS = 16,
    BETWEEN_BLOCKS = 128, /* in data_type, says zlib.h at inflate() */
    SIZE_PART = 16, /* in front of each of zlib's blocks; keeps alignment */
};

void
rp_ws_deflate_init(struct rp_ws_deflate *d,
                   const struct rp_ws_deflate_params *params,
                   const struct rp_ws_deflate_options *o)
{
    *d = (struct rp_ws_deflate){
        .params = *params, .threshold = o->threshold, .level = o->level};
}

static voidpf
count_alloc(voidpf opaque, uInt items, uInt size)
{
    struct rp_ws_deflate *d = opaque;
    size_t n = (size_t)items * size;
    char *p;

    if (n > SIZE_MAX - SIZE_PART)
        return NULL;
    p = malloc(n + SIZE_PART);
    if (p == NULL)
        return NULL;
    memcpy(p, &n, sizeof(n));
    d->memory += n;
    return p + SIZE_PART;
}

static void
count_free(voidpf opaque, voidpf address)
{
    struct rp_ws_deflate *d = opaque;
    char *p = (char *)address - SIZE_PART;
    size_t n;

    memcpy(&n, p, sizeof(n));
    d->memory -= n;
    free(p);
}

static z_stream *
new_stream(struct rp_ws_deflate *d)
{
    z_stream *z = count_alloc(d, 1, sizeof(*z));

    if (z != NULL)
        *z =
            (z_stream){.zalloc = count_alloc, .zfree = count_free, .opaque = d};
    return z;
}

static int
bits(unsigned agreed)
{
    return (int)(agreed < MIN_BITS ? MIN_BITS : agreed);
}

static int
open_in(struct rp_ws_deflate *d)
{
    z_stream *z = new_stream(d);

    if (z == NULL)
        return -1;
    if (inflateInit2(z, -bits(d->params.client_bits)) != Z_OK) {
        count_free(d, z);
        return -1;
    }
    d->in = z;
    return 0;
}

static int
open_out(struct rp_ws_deflate *d)
{
    int window = bits(d->params.server_bits);
    /* zlib's hash takes 2^(level + 9) bytes: as much as suits the window. */
    int mem_level = window - 7;
    z_stream *z = new_stream(d);

    if (z == NULL)
        return -1;
    if (deflateInit2(z, d->level, Z_DEFLATED, -window, mem_level,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        count_free(d, z);
        return -1;
    }
    d->out = z;
    return 0;
}

void
rp_ws_deflate_fini(struct rp_ws_deflate *d)
{
    if (d->in != NULL) {
        inflateEnd(d->in);
        count_free(d, d->in);
    }
    if (d->out != NULL) {
        deflateEnd(d->out);
        count_free(d, d->out);
    }
    d->in = d->out = NULL;
}

/* A block with BFINAL ended the stream, but not the message nor the window
 * (RFC 7692 7.2.3.4): go on with a new stream that knows the old one's. */
static int
restart(struct rp_ws_deflate *d)
{
    unsigned char *window;
    uInt n = 0;
    int err = 0;

    if (d->ends++ == MAX_ENDS)
        return RP_WS_BAD_DEFLATE;
    window = malloc(1 << MAX_WBITS);
    if (window == NULL)
        return RP_WS_NO_MEMORY;
    if (inflateGetDictionary(d->in, window, &n) != Z_OK ||
        inflateReset(d->in) != Z_OK ||
        inflateSetDictionary(d->in, window, n) != Z_OK)
        err = RP_WS_BAD_DEFLATE;
    free(window);
    return err;
}

/* One call of inflate().  Return 0 or an error; *more: there may be more to
 * come from what it was given. */
static int
inflate_some(struct rp_ws_deflate *d, struct rp_buf *out, size_t max,
             bool *more)
{
    z_stream *z = d->in;
    unsigned char beyond;
    size_t room;
    int ret;

    if (out->n < max) {
        size_t want = max - out->n < MIN_ROOM ? max - out->n : MIN_ROOM;

        if (rp_buf_reserve(out, want) < 0)
            return RP_WS_NO_MEMORY;
        room = out->cap - out->n;
        if (room > max - out->n)
            room = max - out->n;
        if (room > UINT32_MAX / 2)
            room = UINT32_MAX / 2;
        z->next_out = (unsigned char *)out->p + out->n;
    } else {
        /* No room, but the stream may still have to end: what writes here is
         * over the limit. */
        room = 1;
        z->next_out = &beyond;
    }
    z->avail_out = (uInt)room;
    ret = inflate(z, Z_SYNC_FLUSH);
    room -= z->avail_out;
    /* What came out before a fault counts: it is the same for any split. */
    if (out->n < max)
        out->n += room;
    else if (room > 0)
        return RP_WS_TOO_BIG;
    if (ret != Z_OK && ret != Z_STREAM_END && ret != Z_BUF_ERROR)
        return ret == Z_MEM_ERROR ? RP_WS_NO_MEMORY : RP_WS_BAD_DEFLATE;
    *more = ret != Z_BUF_ERROR && (z->avail_in > 0 || z->avail_out == 0);
    return ret == Z_STREAM_END ? restart(d) : 0;
}

static int
inflate_all(struct rp_ws_deflate *d, const char *p, size_t n,
            struct rp_buf *out, size_t max)
{
    bool more = n > 0;
    int err = 0;

    d->in->next_in = (z_const unsigned char *)(uintptr_t)p;
    d->in->avail_in = (uInt)n;
    while (err == 0 && more)
        err = inflate_some(d, out, max, &more);
    return err;
}

int
rp_ws_inflate(struct rp_ws_deflate *d, const char *p, size_t n, bool fin,
              struct rp_buf *out, size_t max)
{
    int err = 0;

    if (d->in == NULL && open_in(d) < 0)
        return RP_WS_NO_MEMORY;
    while (err == 0 && n > 0) {
        size_t part = n < UINT32_MAX / 2 ? n : UINT32_MAX / 2;

        err = inflate_all(d, p, part, out, max);
        p += part;
        n -= part;
    }
    if (err < 0 || !fin)
        return err;
    err = inflate_all(d, "\0\0\xff\xff", TAIL, out, max);
    d->ends = 0;
    /* Inside a block still: the message was cut short. */
    if (err == 0 && !(d->in->data_type & BETWEEN_BLOCKS))
        return RP_WS_BAD_DEFLATE;
    if (err == 0 && d->params.client_no_context_takeover)
        inflateReset(d->in);
    return err;
}

int
rp_ws_deflate(struct rp_ws_deflate *d, const void *p, size_t n,
              struct rp_buf *out)
{
    const size_t before = out->n;
    const char *at = p;
    z_stream *z;

    if (d->out == NULL && open_out(d) < 0)
        return -1;
    z = d->out;
    do {
        size_t part = n < UINT32_MAX / 2 ? n : UINT32_MAX / 2;

        z->next_in = (z_const unsigned char *)(uintptr_t)at;
        z->avail_in = (uInt)part;
        at += part;
        n -= part;
        do {
            size_t room;

            if (rp_buf_reserve(out, part / 4 + MIN_ROOM) < 0)
                goto fail;
            room = out->cap - out->n;
            if (room > UINT32_MAX / 2)
                room = UINT32_MAX / 2;
            z->next_out = (unsigned char *)out->p + out->n;
            z->avail_out = (uInt)room;
            deflate(z, n > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH);
            out->n += room - z->avail_out;
        } while (z->avail_out == 0);
    } while (n > 0);
    out->n -= TAIL;
    if (d->params.server_no_context_takeover)
        deflateReset(z);
    return 0;

fail:
    out->n = before;
    return -1;
}
