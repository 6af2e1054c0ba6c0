/* access.h -- the access log from inside, for its three files. */
#ifndef RUPY_APP_ACCESS_INSIDE_H
#define RUPY_APP_ACCESS_INSIDE_H

#include "rupy/app/access.h"

/* What an atom tells. */
enum rp_access_kind {
    RP_ACCESS_NOTHING, /* only the text in front */
    RP_ACCESS_DASH,
    RP_ACCESS_PEER,
    RP_ACCESS_USER,
    RP_ACCESS_TIME,
    RP_ACCESS_LINE,
    RP_ACCESS_BYTES_OR_DASH,
    RP_ACCESS_SECONDS,
    RP_ACCESS_FIRST,
    RP_ACCESS_PID,

    RP_ACCESS_STATUS, /* whole numbers from here on */
    RP_ACCESS_BYTES,
    RP_ACCESS_RECEIVED,
    RP_ACCESS_WHOLE_SECONDS,
    RP_ACCESS_MILLISECONDS,
    RP_ACCESS_MICROSECONDS,
    RP_ACCESS_WORKER,

    RP_ACCESS_METHOD, /* text from here on */
    RP_ACCESS_PATH,
    RP_ACCESS_QUERY,
    RP_ACCESS_PROTOCOL,
    RP_ACCESS_HOST,
    RP_ACCESS_FIELD, /* of the request; name says which */
    RP_ACCESS_SENT,  /* of the answer; index says which */
    RP_ACCESS_ID,
    RP_ACCESS_TRACE,
    RP_ACCESS_SPAN,
};

struct rp_access_piece {
    struct rp_str text; /* in front of it */
    enum rp_access_kind kind;
    struct rp_str name;
    unsigned index;
    bool of_request; /* of a JSON member: left out when there is none */
};

struct rp_access_rule {
    struct rp_str glob;
    int low, high; /* statuses */
};

enum { RP_ACCESS_PIECES = 64, RP_ACCESS_SENTS = 16 };

struct rp_access_format {
    bool json;
    bool first; /* some piece wants it */
    struct rp_access_piece pieces[RP_ACCESS_PIECES];
    unsigned n;
    struct rp_str sent[RP_ACCESS_SENTS]; /* fields of the answer */
    unsigned nsent;
};

/* NULL, or what is wrong.  Slices point into the texts. */
const char *rp_access_compile(struct rp_access_format *f, struct rp_str text,
                              const char *const *fields, size_t nfields);
const char *rp_access_rule_parse(struct rp_access_rule *rule,
                                 struct rp_str text);
bool rp_access_rule_fits(const struct rp_access_rule *rule, struct rp_str path,
                         int status);
/* The name in Authorization: Basic (RFC 7617), at most n bytes of it in out;
 * its length, 0: none. */
size_t rp_access_user(struct rp_str authorization, char *out, size_t n);

#endif
