/* multipart.h -- multipart/form-data (RFC 7578, RFC 2046 5.1.1), as browsers
 * send it (HTML 4.10.21.8), fed in any pieces. */
#ifndef RUPY_HTTP_MULTIPART_H
#define RUPY_HTTP_MULTIPART_H

#include "rupy/http/form.h"
#include "rupy/http/headers.h"

enum {
    RP_MULTIPART_BOUNDARY = 70, /* RFC 2046 5.1.1 */
    RP_MULTIPART_FIELDS = 16,   /* header fields of one part */
};

enum rp_multipart_event {
    RP_MULTIPART_MORE, /* all was used: feed more, or finish */
    RP_MULTIPART_PART, /* a part begins: its name and header are there */
    RP_MULTIPART_DATA, /* some of what it holds */
    RP_MULTIPART_PART_END,
    RP_MULTIPART_END, /* of the form; only line ends may follow */
};

struct rp_multipart {
    struct rp_form_limits lim;
    char delimiter[RP_MULTIPART_BOUNDARY + 4]; /* CRLF, "--", boundary */
    unsigned delimiter_n;
    unsigned matched; /* bytes of it seen */
    int err;
    uint8_t state;
    uint32_t nparts, ntail;
    struct rp_buf header;  /* of the part, as received */
    struct rp_buf decoded; /* its names */

    /* With RP_MULTIPART_PART, until the next call.  Names are decoded, but
     * their bytes are whatever the client sent. */
    struct rp_str name;
    struct rp_str filename;     /* {NULL, 0}: not a file */
    struct rp_str content_type; /* empty: none */
    struct rp_field fields[RP_MULTIPART_FIELDS];
    unsigned nfields;
};

/* The boundary of a Content-Type, without quotes, or {NULL, 0}. */
struct rp_str rp_multipart_boundary(struct rp_str content_type);

/* Return 0, or RP_FORM_BAD_BOUNDARY. */
int rp_multipart_init(struct rp_multipart *m, struct rp_str boundary,
                      const struct rp_form_limits *lim);
void rp_multipart_fini(struct rp_multipart *m);
/* Return how much of p..p+n was used, which may be nothing when there is an
 * event, or an enum rp_form_err, and the same again after it.  Call again with
 * the rest until the event is MORE.  *data goes with DATA. */
ssize_t rp_multipart_feed(struct rp_multipart *m, const char *p, size_t n,
                          enum rp_multipart_event *event, struct rp_str *data);
/* The content ends here.  0, or an enum rp_form_err. */
int rp_multipart_finish(struct rp_multipart *m);

/* A part's header section, split and understood: fills in m.  For
 * multipart.c.  0, or an enum rp_form_err. */
int rp_multipart_parse_header(struct rp_multipart *m);

#endif
