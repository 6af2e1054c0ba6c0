/* metrics.h -- the scoreboard as text. */
#ifndef RUPY_SERVE_METRICS_H
#define RUPY_SERVE_METRICS_H

#include "rupy/base/buf.h"
#include "rupy/master/master.h"
#include "rupy/serve/admin.h"

/* Prometheus text format 0.0.4, summed over all workers that were and are.
 * 0, or -1 (no memory). */
int rp_metrics_write(struct rp_buf *out, const struct rp_master_view *v,
                     const struct rp_admin_sockets *sockets);
/* TCP connections that wait to be accepted, and how many may. */
void rp_metrics_backlog(const struct rp_admin_sockets *sockets,
                        unsigned *waiting, unsigned *room);
/* JSON: the service, and each worker with what it does. */
int rp_status_write(struct rp_buf *out, const struct rp_master_view *v);

#endif
