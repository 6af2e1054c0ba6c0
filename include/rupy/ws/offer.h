/* offer.h -- offers in Sec-WebSocket-Extensions (RFC 6455 9.1), and whether
 * permessage-deflate can be agreed on (RFC 7692 7.1). */
#ifndef RUPY_WS_OFFER_H
#define RUPY_WS_OFFER_H

#include "rupy/http/headers.h"
#include "rupy/ws/deflate.h"

/* The first offer among the fields that can be taken.  An offer of another
 * extension, or with anything that is not understood, is declined by leaving
 * it out (RFC 7692 7.1).  true: *params is what was agreed on. */
bool rp_ws_offer_choose(const struct rp_field *v, unsigned n,
                        const struct rp_ws_deflate_options *o,
                        struct rp_ws_deflate_params *params);
/* Append the value of the answer's field.  Return 0 or -1 (no memory). */
int rp_ws_offer_write(struct rp_buf *out,
                      const struct rp_ws_deflate_params *params);

#endif
