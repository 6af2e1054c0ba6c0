/* renew.h -- a configuration made again, while the service runs. */
#ifndef RUPY_SERVE_RENEW_H
#define RUPY_SERVE_RENEW_H

#include "rupy/serve/config.h"

/* What a configuration was made of: words, environment and folder at the
 * start of the program, before anything has changed them. */
struct rp_origin {
    struct rp_arena arena;
    int argc;
    char **argv, **environ_;
    int folder;
};

/* Copies.  0, or -1 and errno. */
int rp_origin_init(struct rp_origin *o, int argc, char *const *argv,
                   char *const *environ_);
void rp_origin_fini(struct rp_origin *o);
/* In a forked child: the folder is closed, since whoever has it open can leave
 * a --chroot by it. */
void rp_origin_forked(const struct rp_origin *o);

/* The configuration as it is now, by c->origin: the file was read anew, and
 * what only a restart can change is as in c, with a warning.  To be given to
 * rp_config_free().  NULL: it is not right, or there is no origin; then
 * the log says why, and nothing has changed. */
struct rp_config *rp_config_renew(const struct rp_config *c);
void rp_config_free(struct rp_config *c);

#endif
