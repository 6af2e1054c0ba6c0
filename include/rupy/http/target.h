/* target.h -- the four forms of a request target (RFC 9112 3.2). */
#ifndef RUPY_HTTP_TARGET_H
#define RUPY_HTTP_TARGET_H

#include "rupy/http/parser.h"

/* Take r->target apart, whose bytes the scan let pass, for r->method: into
 * r->path and r->query, and r->host when the target has an authority (empty
 * when it has none).  Return 0 or RP_HTTP_BAD_TARGET. */
int rp_target_parse(struct rp_request *r);

#endif
