/* form.h -- application/x-www-form-urlencoded (WHATWG URL 5.1), fed in any
 * pieces; and what is wrong with a form, of either kind. */
#ifndef RUPY_HTTP_FORM_H
#define RUPY_HTTP_FORM_H

#include <sys/types.h>

#include "rupy/base/buf.h"

/* Why a form was refused, the status that says so, and the text for both the
 * client and the log. */
#define RP_FORM_ERRS(X)                                                        \
    X(BAD_BOUNDARY, 400, "multipart/form-data without a boundary that may be") \
    X(BAD_START, 400, "the form does not begin with its boundary")             \
    X(BAD_DELIMITER, 400, "malformed boundary line in the form")               \
    X(BAD_HEADER, 400, "malformed header in a part of the form")               \
    X(BAD_DISPOSITION, 400, "a part of the form has no usable name")           \
    X(BAD_CODING, 400, "a part of the form has a transfer encoding")           \
    X(BAD_END, 400, "bytes behind the end of the form")                        \
    X(CUT, 400, "the form is cut off")                                         \
    X(LARGE_HEADER, 413, "the header of a part of the form is too large")      \
    X(LONG_NAME, 413, "a name in the form is too long")                        \
    X(LARGE_FIELD, 413, "a field of the form is too large")                    \
    X(MANY_PARTS, 413, "the form has too many parts")                          \
    X(NO_MEMORY, 503, "out of memory")

enum rp_form_err {
    RP_FORM_ERR_MIN = -100,
#define X(name, status, text) RP_FORM_##name,
    RP_FORM_ERRS(X)
#undef X
};

int rp_form_err_status(int err);
const char *rp_form_err_text(int err);

struct rp_form_limits {
    uint32_t parts;       /* fields and files */
    uint32_t header_size; /* of one part */
    uint32_t name_size;   /* of a field's or a file's name, decoded */
    uint32_t field_size;  /* of a value, decoded; url-encoded forms only */
};

struct rp_urlform {
    struct rp_form_limits lim;
    struct rp_buf raw; /* the pair that comes, still encoded */
    struct rp_str name, value;
    uint32_t npairs;
    int err;
    bool given; /* the pair in raw was told */
};

void rp_urlform_init(struct rp_urlform *f, const struct rp_form_limits *lim);
void rp_urlform_fini(struct rp_urlform *f);
/* Return how much of p..p+n was used, or an enum rp_form_err, and the same
 * again after it.  *pair: name and value are a pair, good until the next
 * call; call again with the rest.  Any split gives the same pairs. */
ssize_t rp_urlform_feed(struct rp_urlform *f, const char *p, size_t n,
                        bool *pair);
/* The content ends here.  0, or an enum rp_form_err; *pair as above. */
int rp_urlform_finish(struct rp_urlform *f, bool *pair);

#endif
