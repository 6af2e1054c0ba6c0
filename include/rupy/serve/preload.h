/* preload.h -- --preload: the application is imported once, in a template
 * process, and workers are forked from there. */
#ifndef RUPY_SERVE_PRELOAD_H
#define RUPY_SERVE_PRELOAD_H

#include "rupy/master/template.h"
#include "rupy/serve/worker.h"

/* In a template that is whom workers shall be, and has nothing of the
 * master's any more: import, fork as it is told, return the exit status. */
int rp_preload_run(const struct rp_config *c, const struct rp_door *door,
                   const struct rp_listeners *l, struct rp_template *t);

#endif
