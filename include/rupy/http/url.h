/* url.h -- percent-encoding, paths and query strings (RFC 3986). */
#ifndef RUPY_HTTP_URL_H
#define RUPY_HTTP_URL_H

#include "rupy/base/str.h"

/* Decode %HH into dst, which has room for s.n bytes; a '%' that two hex
 * digits do not follow stays.  Return the length.  dst may be s.p. */
size_t rp_url_decode(char *dst, struct rp_str s);
/* The same, and '+' is a space (application/x-www-form-urlencoded). */
size_t rp_url_decode_form(char *dst, struct rp_str s);
/* Decode for matching: as rp_url_decode(), but %2F and %25 stay encoded (in
 * upper case), so that only a '/' of the sender separates segments. */
size_t rp_url_decode_route(char *dst, struct rp_str s);
/* A segment of the decoded path is "." or "..". */
bool rp_url_has_dot_segment(struct rp_str path);
/* Encode all but unreserved characters, and '/' when it may stay; dst has
 * room for 3 * s.n. */
size_t rp_url_encode(char *dst, struct rp_str s, bool keep_slash);

/* Walk over name=value pairs between '&': *rest is what is left, at first the
 * whole query.  Both slices are still encoded.  Return false at the end. */
bool rp_url_next_pair(struct rp_str *rest, struct rp_str *name,
                      struct rp_str *value);

#endif
