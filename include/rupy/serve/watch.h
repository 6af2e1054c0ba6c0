/* watch.h -- files below some folders, and whether one of them has changed. */
#ifndef RUPY_SERVE_WATCH_H
#define RUPY_SERVE_WATCH_H

#include "rupy/serve/config.h"

struct rp_watch;

/* Watch what --reload watches: the folders of the application, the current
 * one, --reload-dir.  c is lent.  NULL after a line in the log. */
struct rp_watch *rp_watch_new(const struct rp_config *c);
void rp_watch_free(struct rp_watch *w);
/* Readable when something has happened. */
int rp_watch_fd(const struct rp_watch *w);
/* Take what has happened.  Return true when a file that counts was written,
 * made, moved or deleted; name is the first of them. */
bool rp_watch_read(struct rp_watch *w, char *name, size_t n);

#endif
