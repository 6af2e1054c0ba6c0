/* template.c -- the inside of a template: orders come, workers are forked. */
#include "rupy/master/template.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rupy/base/log.h"

#include "state.h"

/* ---- Forking ---- */

static _Noreturn void
be_worker(const struct rp_template *t, const struct rp_template_ops *ops,
          void *arg, const struct rp_order *o, const int fds[RP_ORDER_FDS])
{
    struct rp_worker self = {
        .seat = o->seat,
        .generation = t->generation,
        .round = o->round,
        .fd = fds[0],
        .given = fds[1],
        .slot = &t->board->slots[o->slot],
        .board = t->board,
    };
    pid_t pid = getpid();

    /* Nobody there: it was told to go before it began. */
    if (send(self.fd, &pid, sizeof(pid), MSG_NOSIGNAL) != (ssize_t)sizeof(pid))
        _exit(RP_EXIT_OK);
    close(t->fd);
    rp_life_live(ops->after_fork_child, ops->child, arg, &self);
}

/* The process in between ends at once, and the master inherits its child. */
static void
fork_worker(const struct rp_template *t, const struct rp_template_ops *ops,
            void *arg, const struct rp_order *o, const int fds[RP_ORDER_FDS])
{
    pid_t pid;

    if (ops->before_fork)
        ops->before_fork(arg);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        pid = fork();
        if (pid == 0)
            be_worker(t, ops, arg, o, fds);
        if (pid < 0)
            rp_log_errno(RP_LOG_ERROR, "cannot fork worker %u", o->seat + 1);
        _exit(0);
    }
    if (pid < 0)
        rp_log_errno(RP_LOG_ERROR, "cannot fork worker %u", o->seat + 1);
    if (ops->after_fork_parent)
        ops->after_fork_parent(arg);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* ---- The master's words ---- */

/* Receive one message: its length, 0 at the end, -1 and errno.  fds is what
 * came with it, or -1. */
static ssize_t
receive(int from, void *p, size_t n, int fds[RP_ORDER_FDS])
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(RP_ORDER_FDS * sizeof(int))];
    } control;
    struct iovec v = {.iov_base = p, .iov_len = n};
    struct msghdr m = {
        .msg_iov = &v,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t got = recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&m);

    for (int i = 0; i < RP_ORDER_FDS; i++)
        fds[i] = -1;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    return got;
}

static void
wait_for_words(const struct rp_template *t, const struct rp_template_ops *ops,
               void *arg)
{
    struct pollfd p = {.fd = t->fd, .events = POLLIN};

    if (ops->wait)
        ops->wait(arg, t->fd);
    else
        poll(&p, 1, -1);
}

int
rp_template_serve(struct rp_template *t, const struct rp_template_ops *ops,
                  void *arg)
{
    static const char ready = RP_TEMPLATE_READY;

    if (send(t->fd, &ready, 1, MSG_NOSIGNAL) != 1)
        return RP_EXIT_OK;
    for (;;) {
        union {
            struct rp_order order;
            char word;
        } said;
        int fds[RP_ORDER_FDS];
        ssize_t n;

        wait_for_words(t, ops, arg);
        n = receive(t->fd, &said, sizeof(said), fds);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return RP_EXIT_OK;
        if (n == (ssize_t)sizeof(said.order) && fds[0] >= 0)
            fork_worker(t, ops, arg, &said.order, fds);
        else if (n == (ssize_t)sizeof(said.order))
            rp_error("no descriptor left for worker %u", said.order.seat + 1);
        else if (n == 1 && ops->hear)
            ops->hear(arg, said.word);
        /* The master sees the end of a pair that no worker has. */
        for (int i = 0; i < RP_ORDER_FDS; i++)
            if (fds[i] >= 0)
                close(fds[i]);
    }
}

void
rp_template_fail(struct rp_template *t, const char *why)
{
    char text[RP_TEMPLATE_WHY];
    int n = snprintf(text, sizeof(text), "%c%s", RP_TEMPLATE_FAILED, why);

    if (n >= (int)sizeof(text))
        n = sizeof(text) - 1;
    if (send(t->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        rp_debug("the master does not hear why");
}
