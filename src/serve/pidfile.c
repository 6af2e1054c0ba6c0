/* pidfile.c -- written, locked, renamed, removed. */
#include "rupy/serve/pidfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "rupy/base/log.h"

int
rp_pidfile_write(struct rp_pidfile *p, const char *path, bool has_old)
{
    char text[16];
    int n;

    p->fd = -1;
    if (!path)
        return 0;
    /* The old master has the name itself as long as it lives. */
    n = snprintf(p->path, sizeof(p->path), "%s%s", path, has_old ? ".2" : "");
    if (n < 0 || (size_t)n >= sizeof(p->path)) {
        rp_log(RP_LOG_CRITICAL, "the path of the pid file is too long");
        return -1;
    }
    p->fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (p->fd < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "cannot write the pid file %s", p->path);
        return -1;
    }
    if (flock(p->fd, LOCK_EX | LOCK_NB) < 0) {
        rp_log(RP_LOG_CRITICAL,
               "the pid file %s is locked: is it running already?", p->path);
        /* Its file, not ours to remove. */
        rp_pidfile_forked(p);
        return -1;
    }
    n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(p->fd, 0) < 0 || write(p->fd, text, (size_t)n) != n) {
        rp_log_errno(RP_LOG_CRITICAL, "cannot write the pid file %s", p->path);
        return -1;
    }
    return 0;
}

void
rp_pidfile_succeed(struct rp_pidfile *p, const char *path)
{
    if (p->fd < 0)
        return;
    if (rename(p->path, path) < 0)
        rp_log_errno(RP_LOG_ERROR, "cannot rename the pid file %s", p->path);
    else
        snprintf(p->path, sizeof(p->path), "%s", path);
}

void
rp_pidfile_forked(struct rp_pidfile *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

void
rp_pidfile_remove(struct rp_pidfile *p)
{
    if (p->fd < 0)
        return;
    unlink(p->path);
    rp_pidfile_forked(p);
}
