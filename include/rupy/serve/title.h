/* title.h -- what ps and top show of a process. */
#ifndef RUPY_SERVE_TITLE_H
#define RUPY_SERVE_TITLE_H

#include "rupy/serve/serve.h"

/* "rupy-serve: ROLE [NAME]", as far as there is room for it. */
void rp_title_set(const struct rp_config *c, const struct rp_door *door,
                  const char *role);

#endif
