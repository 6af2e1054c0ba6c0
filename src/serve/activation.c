/* activation.c -- LISTEN_FDS: descriptors from 3 on, and their names. */
#include "rupy/serve/activation.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rupy/base/fd.h"

void
rp_activation_init(struct rp_activation *a)
{
    const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    const char *names = getenv("LISTEN_FDNAMES");

    memset(a, 0, sizeof(*a));
    /* Variables of another process, whose child we are, say nothing. */
    if (fds && pid && strtol(pid, NULL, 10) == (long)getpid()) {
        long n = strtol(fds, NULL, 10);
        a->n = n < 0 ? 0 : n > RP_ACTIVATION_MAX ? RP_ACTIVATION_MAX : (int)n;
        a->names = names ? strdup(names) : NULL;
    }
    if (a->names) {
        a->names_n = strlen(a->names) + 1;
        for (char *p = a->names; (p = strchr(p, ':'));)
            *p++ = '\0';
    }
    for (int i = 0; i < a->n; i++)
        rp_fd_set_cloexec(RP_ACTIVATION_FIRST + i, 1);
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
    unsetenv("LISTEN_PIDFDID");
}

void
rp_activation_fini(struct rp_activation *a)
{
    free(a->names);
    a->names = NULL;
}

/* "unknown" is what systemd calls one without a name. */
static const char *
name_of(const struct rp_activation *a, int i)
{
    const char *p = a->names;

    for (; p && i > 0; i--) {
        p += strlen(p) + 1;
        if (p >= a->names + a->names_n)
            p = NULL;
    }
    return p ? p : "unknown";
}

int
rp_activation_take(struct rp_activation *a, const char *name)
{
    for (int i = 0; i < a->n; i++) {
        if (a->taken[i] || (name && strcmp(name, name_of(a, i)) != 0))
            continue;
        a->taken[i] = true;
        return RP_ACTIVATION_FIRST + i;
    }
    return -1;
}

int
rp_activation_close_rest(struct rp_activation *a)
{
    int left = 0;

    for (int i = 0; i < a->n; i++)
        if (!a->taken[i]) {
            a->taken[i] = true;
            close(RP_ACTIVATION_FIRST + i);
            left++;
        }
    return left;
}
