/* daemon.c -- two forks and a pipe. */
#include "rupy/serve/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rupy/base/fd.h"
#include "rupy/master/master.h"
#include "rupy/py/interp.h"
#include "rupy/py/worker.h"
#include "rupy/serve/logs.h"

/* fork(2), with Python when it is up. */
static pid_t
fork_process(void)
{
    bool python = rp_interp_is_running();
    pid_t pid;

    if (python)
        rp_py_before_fork();
    fflush(NULL);
    pid = fork();
    if (python && pid == 0)
        rp_py_after_fork_child();
    else if (python)
        rp_py_after_fork_parent();
    return pid;
}

/* One byte, or the end of the daemon.  No deadline: the daemon has its own,
 * and its end is noticed. */
static int
wait_for_outcome(int fd)
{
    unsigned char status;
    ssize_t n;

    do
        n = read(fd, &status, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 ? status : RP_EXIT_INTERNAL;
}

int
rp_daemon_start(struct rp_daemon *d)
{
    int fds[2], status;
    pid_t pid;

    d->fd = -1;
    if (pipe2(fds, O_CLOEXEC) < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "--daemon");
        return RP_EXIT_INTERNAL;
    }
    pid = fork_process();
    if (pid < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "--daemon");
        close(fds[0]);
        close(fds[1]);
        return RP_EXIT_INTERNAL;
    }
    if (pid > 0) {
        close(fds[1]);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        status = wait_for_outcome(fds[0]);
        close(fds[0]);
        return status;
    }
    close(fds[0]);
    /* The leader of a session could get a terminal again; its child cannot. */
    setsid();
    pid = fork_process();
    if (pid != 0)
        _exit(0);
    d->fd = fds[1];
    return -1;
}

void
rp_daemon_detach(const struct rp_config *c)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
        rp_log_errno(RP_LOG_ERROR, "--daemon: /dev/null");
    if (strcmp(c->log_file, "-") != 0)
        rp_logs_capture(c);
    else if (fd >= 0 &&
             (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0))
        rp_log_errno(RP_LOG_ERROR, "--daemon: /dev/null");
    if (fd > STDERR_FILENO)
        close(fd);
}

void
rp_daemon_tell(struct rp_daemon *d, int status)
{
    unsigned char byte = (unsigned char)status;

    if (d->fd < 0)
        return;
    if (rp_fd_write_all(d->fd, &byte, 1) < 0)
        rp_debug("who started the daemon did not wait for it");
    rp_daemon_forked(d);
}

void
rp_daemon_forked(struct rp_daemon *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}
