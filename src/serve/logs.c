/* logs.c -- --log-file, --log-format, --log-syslog and --capture-output. */
#include "rupy/serve/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "rupy/base/syslog.h"

static bool
has_file(const struct rp_config *c)
{
    return strcmp(c->log_file, "-") != 0;
}

static int
open_file(const struct rp_config *c)
{
    return open(c->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

/* 0, or -1 after a line in the log. */
static int
open_syslog(const struct rp_config *c)
{
    const char *addr = c->log_syslog;

    if (!addr) {
        rp_syslog_close();
        return 0;
    }
    if (strcmp(addr, "-") == 0)
        addr = "/dev/log";
    if (rp_syslog_open(addr, rp_syslog_facility(c->log_syslog_facility),
                       c->log_syslog_prefix) == 0)
        return 0;
    rp_log_errno(RP_LOG_CRITICAL, "cannot reach syslog at %s", addr);
    return -1;
}

int
rp_logs_open(const struct rp_config *c)
{
    int old = rp_log_fd(), fd = STDERR_FILENO;

    if (has_file(c) && (fd = open_file(c)) < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "cannot write the log %s", c->log_file);
        return -1;
    }
    if (open_syslog(c) < 0) {
        if (fd != STDERR_FILENO)
            close(fd);
        return -1;
    }
    rp_log_init(fd, (enum rp_log_level)c->log_level, -1);
    rp_log_set_format((enum rp_log_format)c->log_format);
    if (old > STDERR_FILENO && old != fd)
        close(old);
    return 0;
}

void
rp_logs_capture(const struct rp_config *c)
{
    if (!c->capture_output || !has_file(c))
        return;
    if (dup2(rp_log_fd(), STDOUT_FILENO) < 0 ||
        dup2(rp_log_fd(), STDERR_FILENO) < 0)
        rp_log_errno(RP_LOG_ERROR, "--capture-output");
}

void
rp_logs_reopen(const struct rp_config *c, bool capture)
{
    int fd;

    if (!has_file(c))
        return;
    fd = open_file(c);
    if (fd < 0 || dup3(fd, rp_log_fd(), O_CLOEXEC) < 0)
        rp_log_errno(RP_LOG_ERROR, "the log is not reopened");
    else if (capture)
        rp_logs_capture(c);
    if (fd >= 0)
        close(fd);
}

int
rp_access_open(const struct rp_config *c)
{
    if (strcmp(c->access_log, "-") == 0)
        return STDOUT_FILENO;
    return open(c->access_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

int
rp_access_reopen(const struct rp_config *c, int fd)
{
    int opened = rp_access_open(c), r = 0;

    if (opened == STDOUT_FILENO)
        return 0;
    if (opened < 0 || dup3(opened, fd, O_CLOEXEC) < 0) {
        rp_log_errno(RP_LOG_ERROR, "access log not reopened");
        r = -1;
    }
    if (opened >= 0)
        close(opened);
    return r;
}
