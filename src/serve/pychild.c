/* pychild.c -- processes that run Python beside the workers. */
#include "rupy/serve/pychild.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/py/interp.h"
#include "rupy/py/worker.h"
#include "rupy/serve/logs.h"
#include "rupy/serve/python.h"

enum { CHILD_FD = 3 };

/* ---- The child ---- */

static void
do_nothing(int sig)
{
    (void)sig;
}

/* All are blocked.  Not SIG_IGN: what the child executes would inherit it. */
static void
reset_signals(bool deaf)
{
    static const int group_wide[] = {SIGTERM, SIGINT,  SIGQUIT, SIGHUP,
                                     SIGUSR1, SIGUSR2, SIGWINCH};
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    struct sigaction nop = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    for (size_t i = 0; deaf && i < sizeof(group_wide) / sizeof(*group_wide);
         i++)
        sigaction(group_wide[i], &nop, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
start_python(const struct rp_config *c)
{
    char error[512];

    if (!c->door->init_core) {
        rp_py_after_fork_child();
        return 0;
    }
    if (rp_python_start(c, c->door, error, sizeof(error)) == 0)
        return 0;
    rp_log(RP_LOG_CRITICAL, "%s", error);
    return -1;
}

static _Noreturn void
be_child(const struct rp_pychild_config *p, int fd, pid_t master)
{
    const struct rp_config *c = p->config;
    int status = EXIT_FAILURE;

    reset_signals(p->deaf);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master)
        _exit(EXIT_FAILURE);
    if (p->environ_)
        environ = p->environ_;
    rp_logs_capture(c);
    /* Sockets of the service must not be kept open here, nor the workers'
     * ends of what tells them that the master is dead. */
    if ((fd != CHILD_FD && dup3(fd, CHILD_FD, O_CLOEXEC) < 0) ||
        close_range(CHILD_FD + 1, ~0U, 0) < 0)
        _exit(EXIT_FAILURE);
    rp_log_init(STDERR_FILENO, rp_log_level(), -1);
    if (start_python(c) == 0)
        status = p->run(c, CHILD_FD);
    if (c->door->init_core && rp_interp_is_running())
        rp_interp_fini(false);
    fflush(NULL);
    _exit(status);
}

/* ---- The master ---- */

int
rp_pychild_start(struct rp_pychild *p, const struct rp_pychild_config *c)
{
    bool is_running = rp_interp_is_running();
    pid_t master = getpid();
    sigset_t all, mask;
    int fds[2];

    if (socketpair(AF_UNIX, c->type | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    if (is_running)
        rp_py_before_fork();
    fflush(NULL);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask);
    p->pid = fork();
    if (p->pid == 0)
        be_child(c, fds[1], master);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (is_running)
        rp_py_after_fork_parent();
    close(fds[1]);
    if (p->pid < 0) {
        close(fds[0]);
        return -1;
    }
    p->fd = fds[0];
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    return 0;
}

void
rp_pychild_kill(struct rp_pychild *p)
{
    if (p->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
    else if (p->pid > 0)
        kill(p->pid, SIGKILL);
}

int
rp_pychild_end(struct rp_pychild *p, double deadline)
{
    struct pollfd end = {.fd = p->pidfd, .events = POLLIN};
    int status = 0, left;

    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    do {
        left = (int)ceil(fmax(0, deadline - rp_clock_mono()) * 1e3);
    } while (p->pidfd >= 0 && poll(&end, 1, left) < 0 && errno == EINTR);
    if (!(end.revents & POLLIN))
        rp_pychild_kill(p);
    while (p->pid > 0 && waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    rp_pychild_close(p);
    return status;
}

void
rp_pychild_close(struct rp_pychild *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->pidfd >= 0)
        close(p->pidfd);
    *p = (struct rp_pychild){.fd = -1, .pidfd = -1};
}
