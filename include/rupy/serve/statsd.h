/* statsd.h -- what the scoreboard says, to a statsd daemon.
 *
 * The master sends: counters as what they grew by, gauges as they are, and
 * durations as timers of the buckets that the scoreboard has.  A few datagrams
 * each interval, whatever the load, and nothing waits for the daemon. */
#ifndef RUPY_SERVE_STATSD_H
#define RUPY_SERVE_STATSD_H

#include "rupy/master/master.h"
#include "rupy/serve/admin.h"
#include "rupy/serve/config.h"

struct rp_statsd;

/* What is wrong with a prefix, or with a tag; NULL. */
const char *rp_statsd_check_prefix(struct rp_str prefix);
const char *rp_statsd_check_tag(struct rp_str tag);

/* *out is NULL when there is nobody to send to; else m gets a board.  sockets
 * are lent.  0, or -1 after a line in the log. */
int rp_statsd_new(struct rp_statsd **out, const struct rp_config *c,
                  const struct rp_admin_sockets *sockets,
                  struct rp_master_config *m);
/* Send what is due.  Does not wait. */
void rp_statsd_turn(struct rp_statsd *s);
/* In a forked child: close what is the master's. */
void rp_statsd_forked(struct rp_statsd *s);
/* The last workers are gone: send what they have counted, and free. */
void rp_statsd_end(struct rp_statsd *s);

#endif
