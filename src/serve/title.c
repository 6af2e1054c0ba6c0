/* title.c -- over the words of the command line, which ps reads. */
#include "rupy/serve/title.h"

#include <stdio.h>
#include <sys/prctl.h>

void
rp_title_set(const struct rp_config *c, const struct rp_door *door,
             const char *role)
{
    const char *name = c->name ? c->name : c->app ? c->app : "python";
    char text[256];

    snprintf(text, sizeof(text), "rupy-serve: %s [%s]", role, name);
    prctl(PR_SET_NAME, "rupy-serve");
    if (!door->title || door->title_n == 0)
        return;
    memset(door->title, 0, door->title_n);
    strncpy(door->title, text, door->title_n - 1);
}
