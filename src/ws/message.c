#include "rupy/ws/message.h"

/* So that sums with it do not overflow. */
static const size_t MOST = SIZE_MAX / 4;

enum {
    KEEP = 4096,  /* a larger buffer is not kept between messages */
    PIECE = 4096, /* of compressed payload, unmasked on the stack */
};

void
rp_ws_reader_init(struct rp_ws_reader *r, const struct rp_ws_limits *lim,
                  struct rp_ws_deflate *deflate)
{
    *r = (struct rp_ws_reader){.limits = *lim, .deflate = deflate};
    if (lim->message == 0 || lim->message > MOST)
        r->limits.message = MOST;
    rp_buf_init(&r->message, r->limits.message);
    rp_ws_frame_init(&r->frame, deflate != NULL ? RP_WS_RSV1 : 0);
}

void
rp_ws_reader_fini(struct rp_ws_reader *r)
{
    rp_buf_fini(&r->message);
}

/* What was handed out is used: the buffer is for the next. */
static void
forget_delivered(struct rp_ws_reader *r)
{
    if (!r->delivered)
        return;
    r->delivered = false;
    if (r->message.cap > KEEP)
        rp_buf_fini(&r->message);
    rp_buf_reset(&r->message);
}

/* Compressed payload hardly grows: what is far beyond the limit holds blocks
 * of nothing, which would never end. */
static uint64_t
wire_limit(const struct rp_ws_reader *r)
{
    uint64_t max = r->limits.message;

    return r->compressed ? max + max / 8 + 1024 : max;
}

/* The head of a data frame is whole. */
static int
on_data_head(struct rp_ws_reader *r)
{
    const struct rp_ws_frame *f = &r->frame;

    if (f->opcode == RP_WS_CONTINUATION) {
        if (r->opcode == 0)
            return RP_WS_BAD_CONTINUATION;
    } else {
        if (r->opcode != 0)
            return RP_WS_UNFINISHED;
        r->opcode = f->opcode;
        r->compressed = f->rsv1;
        r->fragments = 0;
        r->wire = 0;
        r->utf8 = (struct rp_utf8){0};
    }
    /* Before a byte of it is kept. */
    if (f->n > wire_limit(r) - r->wire)
        return RP_WS_TOO_BIG;
    r->wire += f->n;
    r->fragments++;
    if (r->limits.fragments != 0 && r->fragments > r->limits.fragments)
        return RP_WS_TOO_MANY_FRAGMENTS;
    return 0;
}

/* Text from `at` on is new in the message. */
static int
check_text(struct rp_ws_reader *r, size_t at)
{
    if (r->opcode == RP_WS_TEXT && r->message.n > at &&
        !rp_utf8_feed(&r->utf8, r->message.p + at, r->message.n - at))
        return RP_WS_BAD_UTF8;
    return 0;
}

static int
take_plain(struct rp_ws_reader *r, const char *p, size_t n)
{
    size_t at = r->message.n;

    if (rp_buf_reserve(&r->message, n) < 0)
        return RP_WS_NO_MEMORY;
    rp_ws_frame_unmask(&r->frame, r->message.p + at, p, n);
    r->message.n += n;
    return check_text(r, at);
}

static int
take_compressed(struct rp_ws_reader *r, const char *p, size_t n)
{
    char piece[PIECE];
    int err = 0;

    while (err == 0 && n > 0) {
        size_t k = n < PIECE ? n : PIECE, at = r->message.n;
        int bad;

        rp_ws_frame_unmask(&r->frame, piece, p, k);
        err = rp_ws_inflate(r->deflate, piece, k, false, &r->message,
                            r->limits.message);
        /* Text that came out before an error is judged first, or the verdict
         * would depend on the split. */
        bad = check_text(r, at);
        if (bad < 0)
            err = bad;
        p += k;
        n -= k;
    }
    return err;
}

static int
take(struct rp_ws_reader *r, const char *p, size_t n)
{
    if (rp_ws_opcode_is_control(r->frame.opcode)) {
        rp_ws_frame_unmask(&r->frame, r->control + r->ncontrol, p, n);
        r->ncontrol = (uint8_t)(r->ncontrol + n);
        return 0;
    }
    if (n == 0)
        return 0;
    return r->compressed ? take_compressed(r, p, n) : take_plain(r, p, n);
}

/* RFC 6455 5.5.1, 7.4. */
static int
read_close(struct rp_ws_reader *r, struct rp_ws_message *m)
{
    const uint8_t *p = (const uint8_t *)r->control;

    m->code = RP_WS_NO_CODE;
    m->data.n = 0;
    if (r->ncontrol == 0)
        return 0;
    if (r->ncontrol == 1)
        return RP_WS_BAD_CLOSE;
    m->code = (uint16_t)(p[0] << 8 | p[1]);
    m->data = (struct rp_str){r->control + 2, r->ncontrol - 2u};
    if (!rp_ws_code_is_valid(m->code))
        return RP_WS_BAD_CLOSE;
    return rp_utf8_is_valid(m->data) ? 0 : RP_WS_BAD_UTF8;
}

static int
end_control(struct rp_ws_reader *r, struct rp_ws_message *m)
{
    int err = 0;

    m->opcode = r->frame.opcode;
    m->data = (struct rp_str){r->control, r->ncontrol};
    if (m->opcode == RP_WS_CLOSE) {
        err = read_close(r, m);
        r->closed = true;
    }
    r->ncontrol = 0;
    return err;
}

static int
end_data(struct rp_ws_reader *r, struct rp_ws_message *m)
{
    if (!r->frame.fin)
        return 0;
    if (r->compressed) {
        size_t at = r->message.n;
        int err = rp_ws_inflate(r->deflate, NULL, 0, true, &r->message,
                                r->limits.message);
        int bad = check_text(r, at);

        if (bad < 0 || err < 0)
            return bad < 0 ? bad : err;
    }
    if (r->opcode == RP_WS_TEXT && !rp_utf8_is_complete(&r->utf8))
        return RP_WS_BAD_UTF8;
    m->opcode = r->opcode;
    m->data = (struct rp_str){r->message.p, r->message.n};
    r->opcode = 0;
    r->delivered = true;
    return 0;
}

/* The payload of the frame is complete. */
static int
end_frame(struct rp_ws_reader *r, struct rp_ws_message *m)
{
    rp_ws_frame_next(&r->frame);
    if (rp_ws_opcode_is_control(r->frame.opcode))
        return end_control(r, m);
    return end_data(r, m);
}

/* A part of a head, or of a payload.  Return how much was used. */
static ssize_t
step(struct rp_ws_reader *r, const char *p, size_t n, struct rp_ws_message *m)
{
    struct rp_ws_frame *f = &r->frame;
    ssize_t used = 0;
    int err = 0;

    if (!f->whole) {
        used = rp_ws_frame_feed(f, p, n);
        if (used < 0 || !f->whole)
            return used;
        if (!rp_ws_opcode_is_control(f->opcode))
            err = on_data_head(r);
    } else {
        used = (ssize_t)(n < f->left ? n : f->left);
        err = take(r, p, (size_t)used);
    }
    if (err == 0 && f->left == 0)
        err = end_frame(r, m);
    return err < 0 ? err : used;
}

ssize_t
rp_ws_reader_feed(struct rp_ws_reader *r, const char *p, size_t n,
                  struct rp_ws_message *m)
{
    size_t used = 0;

    *m = (struct rp_ws_message){.opcode = 0};
    if (r->err < 0)
        return r->err;
    if (r->closed)
        return (ssize_t)n;
    forget_delivered(r);
    while (used < n && m->opcode == 0) {
        ssize_t k = step(r, p + used, n - used, m);

        if (k < 0) {
            m->opcode = 0;
            r->err = (int)k;
            return k;
        }
        used += (size_t)k;
    }
    return (ssize_t)used;
}

static int
write_compressed(struct rp_buf *out, struct rp_ws_deflate *d, unsigned opcode,
                 const void *p, size_t n)
{
    const size_t before = out->n;
    size_t size;
    unsigned k;
    char head[10];

    /* Its length is known when it is done: room for the longest head. */
    if (rp_buf_reserve(out, sizeof(head)) < 0)
        return -1;
    out->n += sizeof(head);
    if (rp_ws_deflate(d, p, n, out) < 0) {
        out->n = before;
        return -1;
    }
    size = out->n - before - sizeof(head);
    k = rp_ws_head_write(head, opcode | RP_WS_RSV1, size);
    memcpy(out->p + before, head, k);
    if (k < sizeof(head))
        memmove(out->p + before + k, out->p + before + sizeof(head), size);
    out->n = before + k + size;
    return 0;
}

int
rp_ws_message_write(struct rp_buf *out, struct rp_ws_deflate *d,
                    unsigned opcode, const void *p, size_t n)
{
    if (d != NULL && rp_ws_deflate_wants(d, n))
        return write_compressed(out, d, opcode, p, n);
    return rp_ws_frame_write(out, opcode, p, n);
}
