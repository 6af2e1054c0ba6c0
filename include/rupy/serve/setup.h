/* setup.h -- a service as the configuration says. */
#ifndef RUPY_SERVE_SETUP_H
#define RUPY_SERVE_SETUP_H

#include "rupy/app/service.h"
#include "rupy/master/worker.h"
#include "rupy/serve/config.h"

/* Fill v, which was initialised: limits, headers, proxies, WebSockets, logs.
 * extra, which must outlive it, gets the field lines of --header.  c is lent.
 * 0, or -1 and errno (no memory). */
int rp_setup_service(struct rp_service *v, const struct rp_config *c,
                     int access_fd, const struct rp_worker *w,
                     struct rp_buf *extra);
/* Addresses and networks that were checked; 0, or -1 (no memory). */
int rp_setup_trust(struct rp_trust *t, const struct rp_strs *l);

#endif
