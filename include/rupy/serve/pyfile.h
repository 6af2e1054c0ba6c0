/* pyfile.h -- a configuration file in Python, read by a process of its own:
 * the master runs no Python. */
#ifndef RUPY_SERVE_PYFILE_H
#define RUPY_SERVE_PYFILE_H

#include "rupy/serve/config.h"
#include "rupy/serve/toml.h"

/* x.py, or python:module. */
bool rp_pyfile_is(const char *name);
/* What is in c->file, in the TOML of rupy/_conffile.py.  0, or -1 with
 * c->error. */
int rp_pyfile_read(struct rp_config *c, struct rp_buf *text);
/* Keep what hooks need of it: c->python.  0, or -1 with c->error. */
int rp_pyfile_keep(struct rp_config *c, const struct rp_toml *root);

#endif
