/* cookie.h -- the Cookie field, read as RFC 6265 5.4 sends it, and the parts
 * of Set-Cookie checked (RFC 6265 4.1). */
#ifndef RUPY_HTTP_COOKIE_H
#define RUPY_HTTP_COOKIE_H

#include "rupy/base/str.h"

/* Walk over name=value pairs between ';'.  Quotes around a value are taken
 * off.  Linear in the length.  Return false at the end. */
bool rp_cookie_next(struct rp_str *rest, struct rp_str *name,
                    struct rp_str *value);
/* cookie-octets only: what a value may hold unquoted. */
bool rp_is_cookie_value(struct rp_str s);
/* av-octets: what Path and Domain may hold. */
bool rp_is_cookie_attr(struct rp_str s);

#endif
