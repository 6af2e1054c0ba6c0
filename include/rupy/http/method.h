/* method.h -- request methods (RFC 9110 9, RFC 5789, RFC 10008). */
#ifndef RUPY_HTTP_METHOD_H
#define RUPY_HTTP_METHOD_H

#include "rupy/base/str.h"

/* clang-format off */
#define RP_METHODS(X)                                                          \
    X(GET) X(HEAD) X(POST) X(PUT) X(PATCH) X(DELETE) X(OPTIONS) X(QUERY)       \
    X(TRACE) X(CONNECT)
/* clang-format on */

enum rp_method {
#define X(name) RP_METHOD_##name,
    RP_METHODS(X)
#undef X
        RP_METHOD_OTHER, /* any other token: its name says which */
};

/* Methods are case-sensitive (RFC 9110 9.1). */
enum rp_method rp_method_from_str(struct rp_str s);
/* {NULL, 0} for RP_METHOD_OTHER. */
struct rp_str rp_method_name(enum rp_method m);

#endif
