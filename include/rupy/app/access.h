/* access.h -- the access line: one request, one line, to one file. */
#ifndef RUPY_APP_ACCESS_H
#define RUPY_APP_ACCESS_H

#include "rupy/base/buf.h"
#include "rupy/http/parser.h"

enum rp_access_format { RP_ACCESS_COMBINED, RP_ACCESS_JSON };

struct rp_access;

struct rp_access_record {
    const char *peer;                 /* address, "" for a unix socket */
    const struct rp_request *request; /* NULL: it could not be parsed */
    int status;
    uint64_t bytes; /* of content sent */
    double seconds; /* from head to last byte handed over */
};

/* Lines go to fd, which stays the caller's, in writes of whole lines.  NULL:
 * out of memory. */
struct rp_access *rp_access_new(int fd, enum rp_access_format format);
void rp_access_free(struct rp_access *a);
/* From now on to that fd (the log was rotated). */
void rp_access_set_fd(struct rp_access *a, int fd);
/* Add a line.  Control bytes, quotes and backslashes are escaped. */
void rp_access_add(struct rp_access *a, const struct rp_access_record *r);
/* Write what was added; called once per turn of the loop. */
void rp_access_flush(struct rp_access *a);

#endif
