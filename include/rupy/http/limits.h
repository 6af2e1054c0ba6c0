/* limits.h -- how much of a request is taken, each by its option's name. */
#ifndef RUPY_HTTP_LIMITS_H
#define RUPY_HTTP_LIMITS_H

#include <stdint.h>

enum {
    RP_MAX_FIELDS = 1000,       /* what --limit-request-fields may be set to */
    RP_MAX_METHOD = 32,         /* bytes of a method name, else 501 */
    RP_MAX_TRAILER_FIELDS = 32, /* per message */
    RP_MAX_TRAILER_SIZE = 8192,
    RP_MAX_CHUNK_EXT_LINE = 4096,
    RP_MAX_CHUNK_EXT_TOTAL = 16384,
    RP_MAX_REPLY_HEAD = 65536, /* of an answer that is read, not written */
    RP_MAX_REPLY_FIELDS = 128,
    RP_MAX_CONNECTION_OPTIONS = 32, /* named by Connection, of what goes on */
};

struct rp_limits {
    uint32_t request_line;       /* 8190, without CRLF; over it 414 */
    uint32_t request_fields;     /* 100; over it 431 */
    uint32_t request_field_size; /* 8190, a line without CRLF; over it 431 */
    uint32_t header_size;        /* 65536, the whole head; over it 431 */
    uint64_t body;               /* 0: none; over it 413 */
};

#define RP_LIMITS_DEFAULT ((struct rp_limits){8190, 100, 8190, 65536, 0})

#endif
