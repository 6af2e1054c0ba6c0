/* bytes.h -- numbers in network byte order, at any address. */
#ifndef RUPY_BASE_BYTES_H
#define RUPY_BASE_BYTES_H

#include <endian.h>

#include "rupy/base/str.h"

static inline uint32_t
rp_get_be32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static inline void
rp_put_be16(void *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof(v));
}

static inline void
rp_put_be32(void *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void
rp_put_be64(void *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof(v));
}

#endif
