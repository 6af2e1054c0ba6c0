/* signals.c -- signals become flags and a byte in a pipe.
 *
 * A handler sets its flag before it writes the byte, and the loop empties the
 * pipe before it looks at the flags: a signal can come at any moment and is
 * neither lost nor waited for. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rupy/base/fd.h"

#include "state.h"

/* In this order they are taken: a stop outweighs whatever else came. */
static const int ours[] = {
    SIGTERM, SIGQUIT, SIGINT,  SIGCHLD, SIGHUP,
    SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH,
};

enum { N_OURS = sizeof(ours) / sizeof(ours[0]) };

static volatile sig_atomic_t pending[N_OURS];
static volatile sig_atomic_t wake_rd = -1, wake_wr = -1;

static void
on_signal(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    ssize_t n;

    (void)context;
    /* A terminal whose window changes: the kernel sends it, nobody asked. */
    if (sig == SIGWINCH && info->si_code == SI_KERNEL)
        return;
    for (size_t i = 0; i < N_OURS; i++)
        if (ours[i] == sig)
            pending[i] = 1;
    /* A full pipe wakes the loop as well. */
    n = write((int)wake_wr, "", 1);
    (void)n;
    errno = saved;
}

int
rp_signals_init(struct rp_signals *s)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigset_t mine;

    if (rp_fd_pipe(s->pipe) < 0)
        return -1;
    wake_rd = s->pipe[0];
    wake_wr = s->pipe[1];
    sigfillset(&sa.sa_mask);
    sigemptyset(&mine);
    for (size_t i = 0; i < N_OURS; i++) {
        pending[i] = 0;
        sigaction(ours[i], &sa, &s->old_actions[ours[i]]);
        sigaddset(&mine, ours[i]);
    }
    /* Who reads metrics may go in the middle. */
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN},
              &s->old_actions[SIGPIPE]);
    /* Whoever started us may have left them blocked. */
    sigprocmask(SIG_UNBLOCK, &mine, &s->old_mask);
    return s->pipe[0];
}

void
rp_signals_fini(struct rp_signals *s)
{
    sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
    for (size_t i = 0; i < N_OURS; i++)
        sigaction(ours[i], &s->old_actions[ours[i]], NULL);
    sigaction(SIGPIPE, &s->old_actions[SIGPIPE], NULL);
    close(s->pipe[0]);
    close(s->pipe[1]);
    wake_rd = wake_wr = -1;
}

static bool
is_stop(int sig)
{
    return sig == SIGTERM || sig == SIGQUIT || sig == SIGINT;
}

static void
fill_held(bool stops, sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < N_OURS; i++)
        if (ours[i] != SIGCHLD && (stops || !is_stop(ours[i])))
            sigaddset(set, ours[i]);
}

void
rp_master_hold_signals(bool stops, sigset_t *before)
{
    sigset_t held;

    fill_held(stops, &held);
    sigprocmask(SIG_BLOCK, &held, before);
}

void
rp_master_release_signals(const sigset_t *before)
{
    sigset_t held;

    fill_held(true, &held);
    while (sigtimedwait(&held, NULL, &(struct timespec){0}) > 0)
        ;
    sigprocmask(SIG_SETMASK, before, NULL);
}

void
rp_signals_raise(int sig)
{
    for (size_t i = 0; i < N_OURS; i++)
        if (ours[i] == sig)
            pending[i] = 1;
    if (write((int)wake_wr, "", 1) < 0)
        return; /* full: the loop wakes as well */
}

int
rp_signals_take(void)
{
    for (size_t i = 0; i < N_OURS; i++)
        if (pending[i]) {
            pending[i] = 0;
            return ours[i];
        }
    return 0;
}

bool
rp_master_is_told_to_stop(void)
{
    for (size_t i = 0; ours[i] != SIGCHLD; i++)
        if (pending[i])
            return true;
    return false;
}

void
rp_signals_drain(void)
{
    char buf[64];
    ssize_t n;

    do
        n = read((int)wake_rd, buf, sizeof(buf));
    while (n == (ssize_t)sizeof(buf) || (n < 0 && errno == EINTR));
}

void
rp_signals_block_all(sigset_t *old)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, old);
}

static void
do_nothing(int sig)
{
    (void)sig;
}

void
rp_signals_reset_in_child(void)
{
    static const int group_wide[] = {SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    struct sigaction ign = {.sa_handler = SIG_IGN};
    /* Not SIG_IGN: that would be inherited by what the application executes,
     * where a handler becomes the default again. */
    struct sigaction nop = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL);
    sigaction(SIGPIPE, &ign, NULL);
    for (size_t i = 0; i < sizeof(group_wide) / sizeof(group_wide[0]); i++)
        sigaction(group_wide[i], &nop, NULL);
    close((int)wake_rd);
    close((int)wake_wr);
    wake_rd = wake_wr = -1;
    for (size_t i = 0; i < N_OURS; i++)
        pending[i] = 0;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

const char *
rp_signal_name(int sig, char *out, size_t size)
{
    const char *abbrev = sigabbrev_np(sig);

    if (abbrev)
        snprintf(out, size, "SIG%s", abbrev);
    else
        snprintf(out, size, "signal %d", sig);
    return out;
}
