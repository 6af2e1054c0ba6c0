/* hosts.h -- which hosts requests may be for. */
#ifndef RUPY_HTTP_HOSTS_H
#define RUPY_HTTP_HOSTS_H

#include "rupy/base/str.h"

/* What is wrong with a pattern, a constant, or NULL: a host without a port;
 * ".example.com" for that domain and all below it, "*.example.com" for those
 * below it; "*" for every host. */
const char *rp_hosts_check(struct rp_str pattern);
/* Does a host, with or without a port, fit one of n patterns?  Case does not
 * count, nor does a dot at its end; an empty one fits "*" only. */
bool rp_hosts_allow(const char *const *patterns, size_t n, struct rp_str host);

#endif
