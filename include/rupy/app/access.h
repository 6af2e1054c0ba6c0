/* access.h -- the access log: one request, one line, to one file.
 *
 * A format is compiled once, to a list of pieces: text, and an atom behind
 * it.  What a line costs is what its atoms cost. */
#ifndef RUPY_APP_ACCESS_H
#define RUPY_APP_ACCESS_H

#include "rupy/base/arena.h"
#include "rupy/base/buf.h"
#include "rupy/http/parser.h"

struct rp_access;

/* All strings are lent for the life of the log. */
struct rp_access_options {
    int fd;
    const char *format;        /* "combined", "json", or text with atoms */
    const char *const *fields; /* of "json" */
    size_t nfields;            /* 0: the usual ones */
    const char *const *skip;   /* rules; a request that fits one has no line */
    size_t nskip;
    double sample;   /* of the lines, this share; 1: all */
    unsigned worker; /* its number, for %(wid)s */
};

struct rp_access_record {
    const char *peer;                 /* address, "" for a unix socket */
    const struct rp_request *request; /* NULL: it could not be parsed */
    int status;
    uint64_t bytes;    /* of content sent */
    uint64_t received; /* bytes of the request, head and content */
    double seconds;    /* from head to last byte handed over */
    double first;      /* from head to the head of the answer; < 0: unknown */
    struct rp_str id;  /* of the request */
    struct rp_str trace, span;   /* W3C trace context */
    const struct rp_str *logged; /* of rp_access_capture() */
};

/* What is wrong with it, or NULL. */
const char *rp_access_check_format(struct rp_str format);
/* "status", or an atom such as {host}i. */
const char *rp_access_check_field(struct rp_str name);
/* PATH-GLOB[,STATUS]: "/static/" and a star, "*,2xx", "/health,404". */
const char *rp_access_check_skip(struct rp_str rule);

/* Lines go to o->fd, which stays the caller's, in writes of whole lines.
 * What is in o was checked.  NULL: out of memory. */
struct rp_access *rp_access_new(const struct rp_access_options *o);
/* Whoever reads has a second for what is left. */
void rp_access_free(struct rp_access *a);
/* From now on to that fd (the log was rotated). */
void rp_access_set_fd(struct rp_access *a, int fd);
/* The format tells when the answer began: rp_access_record.first. */
bool rp_access_wants_first(const struct rp_access *a);
/* What the format tells of an answer's fields, copied to the arena; NULL:
 * nothing, or no memory. */
const struct rp_str *rp_access_capture(const struct rp_access *a,
                                       struct rp_arena *arena,
                                       const struct rp_field *fields,
                                       unsigned nfields,
                                       struct rp_str content_type);
/* Add a line.  Control bytes, quotes and backslashes are escaped. */
void rp_access_add(struct rp_access *a, const struct rp_access_record *r);
/* Write what was added, as much as there is room for; called once per turn of
 * the loop, which does not wait for whoever reads.  Lines beyond 256 KiB are
 * dropped, and the log tells how many when there is room again. */
void rp_access_flush(struct rp_access *a);

#endif
