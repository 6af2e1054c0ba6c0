/* links.h -- connections to other servers on one ev_loop: the network's side
 * of app/link.h. */
#ifndef RUPY_NET_LINKS_H
#define RUPY_NET_LINKS_H

#include "rupy/app/link.h"

struct ev_loop;

/* NULL: out of memory. */
struct rp_links *rp_links_new(struct ev_loop *loop);
/* The worker is to stop: keep no connection any more, and tell the users. */
void rp_links_retire(struct rp_links *all);
/* After the last user; idle connections close.  NULL is fine. */
void rp_links_free(struct rp_links *all);
/* In the child of a fork: close the sockets, and nothing else. */
void rp_links_forked(struct rp_links *all);

#endif
