/* sockets.c -- an address is a socket, or, of systemd, some of them. */
#include "rupy/serve/sockets.h"

#include <linux/filter.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void
rp_sockets_init(struct rp_sockets *s)
{
    *s = (struct rp_sockets){.listeners = {.access_fd = -1}};
    rp_activation_init(&s->activation);
}

/* 0, or -1 after a line in the log; then fd is closed. */
static int
add(struct rp_sockets *s, int fd, size_t bind)
{
    struct rp_listeners *l = &s->listeners;

    if (l->n == RP_LISTEN_MAX) {
        rp_log(RP_LOG_CRITICAL, "cannot listen on more than %d sockets",
               RP_LISTEN_MAX);
        close(fd);
        return -1;
    }
    if (l->n == s->cap) {
        size_t cap = s->cap + 8;
        int *fds = realloc(l->fds, cap * sizeof(*fds));
        size_t *of = fds ? realloc(s->of, cap * sizeof(*of)) : NULL;

        if (fds)
            l->fds = fds;
        if (of)
            s->of = of;
        if (!of) {
            rp_log_errno(RP_LOG_CRITICAL, "cannot listen");
            close(fd);
            return -1;
        }
        s->cap = cap;
    }
    s->of[l->n] = bind;
    l->fds[l->n++] = fd;
    return 0;
}

/* One of those that systemd has passed; -1: no more, -2: it cannot be used,
 * after a line in the log. */
static int
take_of_systemd(struct rp_sockets *s, const struct rp_bind *b,
                const struct rp_bind_options *o)
{
    struct rp_bind given = *b;
    char text[256];
    int fd;

    given.fd = rp_activation_take(&s->activation, b->path);
    if (given.fd < 0)
        return -1;
    given.kind = RP_BIND_FD;
    fd = rp_bind_open(&given, o, text, sizeof(text));
    if (fd >= 0)
        return fd;
    rp_log(RP_LOG_CRITICAL, "%s", text);
    return -2;
}

/* Connections inherit it.  A client that is gone without a word is noticed
 * after twice the time. */
static void
set_keepalive(int fd, double seconds)
{
    int on = 1, idle = (int)ceil(seconds), count = 3, every;

    every = (idle + count - 1) / count;
    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count)) < 0)
        rp_log_errno(RP_LOG_WARNING, "--tcp-keepalive");
}

/* The next socket for this address, the k-th: as take_of_systemd(). */
static int
next_socket(struct rp_sockets *s, const struct rp_bind *b,
            const struct rp_bind_options *o, struct rp_upgrade *u, size_t k)
{
    char text[256];
    int fd;

    if (k > 0 && b->kind != RP_BIND_SYSTEMD)
        return -1;
    fd = rp_upgrade_take(u, b->text);
    if (fd >= 0)
        return fd;
    if (b->kind == RP_BIND_SYSTEMD)
        return take_of_systemd(s, b, o);
    fd = rp_bind_open(b, o, text, sizeof(text));
    if (fd >= 0)
        return fd;
    rp_log(RP_LOG_CRITICAL, "%s", text);
    return -2;
}

static int
open_one(struct rp_sockets *s, const struct rp_config *c, size_t bind,
         struct rp_upgrade *u, const struct rp_identity *id)
{
    const struct rp_bind *b = &c->binds[bind];
    struct rp_bind_options o = {
        .backlog = c->backlog,
        .uds_mode = c->uds_mode,
    };
    char text[256];
    size_t k = 0;
    int fd;

    for (; (fd = next_socket(s, b, &o, u, k)) >= 0; k++) {
        if (add(s, fd, bind) < 0)
            return -1;
        if (b->kind == RP_BIND_UNIX &&
            rp_identity_own_socket(id, b->path) < 0) {
            rp_log_errno(RP_LOG_CRITICAL, "cannot give %s to --%s", b->text,
                         c->uds_owner ? "uds-owner" : "user");
            return -1;
        }
        rp_bind_describe(fd, text, sizeof(text));
        if (c->tcp_keepalive > 0 && strncmp(text, "unix:", 5) != 0)
            set_keepalive(fd, c->tcp_keepalive);
        rp_info("listening on %s%s",
                strncmp(text, "unix:", 5) == 0 ? ""
                : s->listeners.tls             ? "https://"
                                               : "http://",
                text);
    }
    if (fd == -1 && k == 0)
        rp_log(RP_LOG_CRITICAL,
               "cannot bind %s: systemd has passed no such socket; start a "
               ".socket unit%s%s",
               b->text, b->path ? " with FileDescriptorName=" : "",
               b->path ? b->path : "");
    return fd == -1 && k > 0 ? 0 : -1;
}

int
rp_sockets_open(struct rp_sockets *s, const struct rp_config *c,
                struct rp_upgrade *u, const struct rp_identity *id)
{
    int left;

    /* Who names one takes it before who takes any. */
    for (int named = 1; named >= 0; named--)
        for (size_t i = 0; i < c->nbinds; i++) {
            const struct rp_bind *b = &c->binds[i];
            bool any = b->kind == RP_BIND_SYSTEMD && !b->path;
            if (any == !named && open_one(s, c, i, u, id) < 0)
                return -1;
        }
    left = rp_activation_close_rest(&s->activation);
    if (left > 0)
        rp_warn("%d sockets of systemd are not used: --bind systemd takes "
                "them",
                left);
    return 0;
}

void
rp_sockets_give(const struct rp_sockets *s, const struct rp_config *c,
                struct rp_upgrade *u)
{
    for (size_t i = 0; i < s->listeners.n; i++)
        rp_upgrade_give(u, s->listeners.fds[i], c->binds[s->of[i]].text);
}

/* Where filters are not to be had, it is as without. */
void
rp_sockets_stop(struct rp_sockets *s, const struct rp_config *c)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop};

    s->stopped = true;
    for (size_t i = 0; i < s->listeners.n; i++) {
        const struct rp_bind *b = &c->binds[s->of[i]];

        if (b->kind == RP_BIND_UNIX && b->path[0] != '@')
            unlink(b->path);
        else if (b->kind == RP_BIND_TCP)
            setsockopt(s->listeners.fds[i], SOL_SOCKET, SO_ATTACH_FILTER,
                       &program, sizeof(program));
    }
}

void
rp_sockets_close(struct rp_sockets *s, const struct rp_config *c, bool remove)
{
    /* A file that is there after a stop is that of somebody who came since. */
    remove = remove && !s->stopped;
    for (size_t i = 0; i < s->listeners.n; i++)
        rp_bind_close(&c->binds[s->of[i]], s->listeners.fds[i], remove);
    free(s->listeners.fds);
    free(s->of);
    if (s->listeners.access_fd > STDOUT_FILENO)
        close(s->listeners.access_fd);
    rp_activation_close_rest(&s->activation);
    rp_activation_fini(&s->activation);
}
