/* errorpage.h -- --reload: an application that cannot be loaded is answered
 * for, with the reason, until a file changes. */
#ifndef RUPY_SERVE_ERRORPAGE_H
#define RUPY_SERVE_ERRORPAGE_H

#include "rupy/base/buf.h"
#include "rupy/serve/worker.h"

/* In a worker: keep what is logged as text, tracebacks above all.  The buffer
 * is made, and is the caller's. */
void rp_errorpage_listen(struct rp_buf *text);
/* Be a worker whose every answer is 500 with that text, until told to stop;
 * return the exit status. */
int rp_errorpage_run(const struct rp_listeners *l, struct rp_worker *w,
                     const struct rp_buf *text);

#endif
