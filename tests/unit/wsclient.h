/* wsclient.h -- frames as a client sends them: masked. */
#ifndef RUPY_TESTS_WSCLIENT_H
#define RUPY_TESTS_WSCLIENT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rupy/base/buf.h"

/* A frame of the test tables; first: FIN, RSV, opcode. */
struct cframe {
    unsigned first;
    const char *p;
    size_t n;
};

enum { FIN = 0x80, RSV1 = 0x40 };

/* Append the frame; `form`: bytes of the length field, 0 for the shortest. */
static inline void
client_frame_form(struct rp_buf *out, unsigned first, const char *p, size_t n,
                  unsigned form)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t head[14] = {(uint8_t)first};
    unsigned k = 2;

    if (form == 0)
        form = n < 126 ? 1 : n < 65536 ? 2 : 8;
    head[1] = (uint8_t)(0x80 | (form == 1 ? n : form == 2 ? 126 : 127));
    for (unsigned i = 0; form > 1 && i < form; i++)
        head[k++] = (uint8_t)(n >> 8 * (form - 1 - i));
    memcpy(head + k, key, 4);
    if (rp_buf_add(out, head, k + 4) < 0 || rp_buf_reserve(out, n) < 0)
        abort();
    for (size_t i = 0; i < n; i++)
        out->p[out->n++] = (char)((uint8_t)p[i] ^ key[i & 3]);
}

static inline void
client_frame(struct rp_buf *out, unsigned first, const char *p, size_t n)
{
    client_frame_form(out, first, p, n, 0);
}

#endif
