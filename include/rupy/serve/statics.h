/* statics.h -- the folders of --static. */
#ifndef RUPY_SERVE_STATICS_H
#define RUPY_SERVE_STATICS_H

#include "rupy/app/service.h"
#include "rupy/serve/config.h"

struct rp_statics {
    struct rp_file_mount **mounts;
    size_t n;
};

/* Are they all there?  After --chdir.  0, or -1 with the reason in c. */
int rp_statics_check(struct rp_config *c);
/* Make them and give them to the service, which must go first.  0, or -1 and
 * errno. */
int rp_statics_init(struct rp_statics *s, const struct rp_config *c,
                    struct rp_service *v);
/* All zeros is none, and what this leaves. */
void rp_statics_fini(struct rp_statics *s);

#endif
