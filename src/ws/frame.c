/* frame.c -- frames as they are on the wire (RFC 6455 5.2).
 *
 *      0 FIN RSV1-3 opcode | MASK length-7 | length-16 or -64 | mask | payload
 *
 * A head is judged byte by byte as it comes, so that any split gives the same
 * verdict, and a client that is wrong is told without waiting for the rest. */
#include "rupy/ws/frame.h"

#include "rupy/base/bytes.h"

enum {
    FIN = 0x80,
    RSV = 0x70,
    OPCODE = 0x0f,
    MASK = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
};

int
rp_ws_err_code(int err)
{
    switch ((enum rp_ws_err)err) {
#define X(name, code, text)                                                    \
    case RP_WS_##name:                                                         \
        return code;
        RP_WS_ERRS(X)
#undef X
    case RP_WS_ERR_MIN:
        break;
    }
    return RP_WS_INTERNAL_ERROR;
}

const char *
rp_ws_err_text(int err)
{
    switch ((enum rp_ws_err)err) {
#define X(name, code, text)                                                    \
    case RP_WS_##name:                                                         \
        return text;
        RP_WS_ERRS(X)
#undef X
    case RP_WS_ERR_MIN:
        break;
    }
    return "unknown error";
}

static bool
opcode_is_known(unsigned opcode)
{
    return opcode <= RP_WS_BINARY ||
           (opcode >= RP_WS_CLOSE && opcode <= RP_WS_PONG);
}

/* Only what begins a message can be compressed (RFC 7692 6.1). */
static bool
may_be_compressed(unsigned opcode)
{
    return opcode == RP_WS_TEXT || opcode == RP_WS_BINARY;
}

static int
check_first(const struct rp_ws_frame *f)
{
    unsigned rsv = f->raw[0] & RSV, opcode = f->raw[0] & OPCODE;

    if ((rsv & ~(unsigned)f->rsv) != 0)
        return RP_WS_BAD_RSV;
    if (!opcode_is_known(opcode))
        return RP_WS_BAD_OPCODE;
    if (rsv != 0 && !may_be_compressed(opcode))
        return RP_WS_BAD_RSV;
    if (rp_ws_opcode_is_control(opcode) && !(f->raw[0] & FIN))
        return RP_WS_BAD_CONTROL;
    return 0;
}

static int
check_second(const struct rp_ws_frame *f)
{
    if (!(f->raw[1] & MASK))
        return RP_WS_UNMASKED;
    if (rp_ws_opcode_is_control(f->raw[0] & OPCODE) &&
        (f->raw[1] & LENGTH) > RP_WS_CONTROL_MAX)
        return RP_WS_BAD_CONTROL;
    return 0;
}

/* Bytes of the extended length. */
static unsigned
extended(const struct rp_ws_frame *f)
{
    unsigned n = f->raw[1] & LENGTH;

    return n == LENGTH_16 ? 2 : n == LENGTH_64 ? 8 : 0;
}

static int
read_length(struct rp_ws_frame *f, unsigned size)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < size; i++)
        n = n << 8 | f->raw[2 + i];
    /* RFC 6455 5.2: the most significant bit is 0, the form the shortest. */
    if (size == 8 && (n > INT64_MAX || n <= UINT16_MAX))
        return RP_WS_BAD_LENGTH;
    if (size == 2 && n < LENGTH_16)
        return RP_WS_BAD_LENGTH;
    f->n = size > 0 ? n : f->raw[1] & LENGTH;
    return 0;
}

/* raw has one byte more.  Return 0 or why it cannot be. */
static int
step(struct rp_ws_frame *f)
{
    unsigned size;
    int err = 0;

    if (f->have == 1)
        return check_first(f);
    size = extended(f);
    if (f->have == 2)
        err = check_second(f);
    if (err == 0 && f->have == 2 + size)
        err = read_length(f, size);
    if (err < 0 || f->have < 2 + size + 4)
        return err;
    f->fin = f->raw[0] & FIN;
    f->rsv1 = f->raw[0] & RP_WS_RSV1;
    f->opcode = f->raw[0] & OPCODE;
    f->left = f->n;
    f->phase = 0;
    /* The mask where rp_ws_frame_unmask() looks for it. */
    memmove(f->raw, f->raw + 2 + size, 4);
    f->whole = true;
    return 0;
}

ssize_t
rp_ws_frame_feed(struct rp_ws_frame *f, const char *p, size_t n)
{
    size_t used = 0;

    while (!f->whole && used < n) {
        int err;

        f->raw[f->have++] = (uint8_t)p[used++];
        err = step(f);
        if (err < 0)
            return err;
    }
    return (ssize_t)used;
}

void
rp_ws_frame_unmask(struct rp_ws_frame *f, char *to, const char *p, size_t n)
{
    uint8_t key[8];
    uint64_t mask, v;
    size_t i = 0;

    for (unsigned k = 0; k < 8; k++)
        key[k] = f->raw[(f->phase + k) & 3];
    memcpy(&mask, key, sizeof(mask));
    for (; n - i >= 8; i += 8) {
        memcpy(&v, p + i, sizeof(v));
        v ^= mask;
        memcpy(to + i, &v, sizeof(v));
    }
    for (unsigned k = 0; i < n; i++, k++)
        to[i] = (char)((uint8_t)p[i] ^ key[k]);
    f->phase = (uint8_t)((f->phase + n) & 3);
    f->left -= n;
}

unsigned
rp_ws_head_write(char to[10], unsigned first, uint64_t n)
{
    to[0] = (char)(FIN | first);
    if (n < LENGTH_16) {
        to[1] = (char)n;
        return 2;
    }
    if (n <= UINT16_MAX) {
        to[1] = LENGTH_16;
        rp_put_be16(to + 2, (uint16_t)n);
        return 4;
    }
    to[1] = LENGTH_64;
    rp_put_be64(to + 2, n);
    return 10;
}

int
rp_ws_frame_write(struct rp_buf *out, unsigned opcode, const void *p, size_t n)
{
    char head[10];
    unsigned k = rp_ws_head_write(head, opcode, n);

    if (n > SIZE_MAX - k || rp_buf_reserve(out, k + n) < 0)
        return -1;
    rp_buf_add(out, head, k);
    rp_buf_add(out, p, n);
    return 0;
}

bool
rp_ws_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

int
rp_ws_close_write(struct rp_buf *out, unsigned code, struct rp_str reason)
{
    char payload[RP_WS_CONTROL_MAX];

    if (code == RP_WS_NO_CODE)
        return rp_ws_frame_write(out, RP_WS_CLOSE, NULL, 0);
    if (reason.n > RP_WS_CLOSE_REASON_MAX) {
        reason.n = RP_WS_CLOSE_REASON_MAX;
        while (reason.n > 0 && ((uint8_t)reason.p[reason.n] & 0xc0) == 0x80)
            reason.n--;
    }
    rp_put_be16(payload, (uint16_t)code);
    if (reason.n > 0)
        memcpy(payload + 2, reason.p, reason.n);
    return rp_ws_frame_write(out, RP_WS_CLOSE, payload, 2 + reason.n);
}
