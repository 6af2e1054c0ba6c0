/* listen.c -- listening sockets, and what to do when one cannot be had. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rupy/base/fd.h"
#include "rupy/base/log.h"
#include "rupy/serve/bind.h"

/* The kernel cuts a longer backlog without a word. */
static void
check_backlog(int backlog)
{
    FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");
    char line[32];

    if (f == NULL)
        return;
    if (fgets(line, sizeof(line), f) != NULL &&
        strtol(line, NULL, 10) < backlog)
        rp_warn("backlog %d is cut to net.core.somaxconn %ld; raise it with "
                "sysctl, or lower --backlog",
                backlog, strtol(line, NULL, 10));
    fclose(f);
}

/* What an operator can do about it; "" when the errno says it all. */
static const char *
advice(const struct rp_bind *b, int error)
{
    bool is_tcp = b->kind == RP_BIND_TCP;

    switch (error) {
    case EADDRINUSE:
        return is_tcp ? "; another process listens there, `ss -ltnp` names it"
                      : "";
    case EACCES:
    case EPERM:
        if (!is_tcp)
            return "; the folder must be writable for this user";
        return b->port < 1024 ? "; ports below 1024 need root or "
                                "CAP_NET_BIND_SERVICE"
                              : "";
    case EADDRNOTAVAIL:
        return "; no interface of this machine has that address (0.0.0.0 is "
               "all of them)";
    case EAFNOSUPPORT:
        return "; this machine has no IPv6, use an IPv4 address";
    case ENOENT:
        return is_tcp ? "" : "; make the folder first";
    default:
        return "";
    }
}

static int
fail_errno(const struct rp_bind *b, int code, char *error, size_t n)
{
    return rp_fail(error, n, "cannot bind %s: %s%s", b->text, strerror(code),
                   advice(b, code));
}

/* -1 and errno. */
static int
open_address(const struct addrinfo *a, const struct rp_bind_options *o)
{
    int one = 1;
    int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        (o->reuse_port &&
         setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
        (a->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
        bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, o->backlog) < 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

static int
open_tcp(const struct rp_bind *b, const struct rp_bind_options *o, char *error,
         size_t n)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char port[8];
    int fd = -1, code = EADDRNOTAVAIL;

    snprintf(port, sizeof(port), "%d", b->port);
    int r = getaddrinfo(b->host, port, &hints, &list);
    if (r != 0)
        return rp_fail(error, n, "cannot bind %s: host %s: %s", b->text,
                       b->host,
                       r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = open_address(a, o);
        /* Of several failures the first says most. */
        if (fd < 0 && a == list)
            code = errno;
    }
    freeaddrinfo(list);
    return fd >= 0 ? fd : fail_errno(b, code, error, n);
}

/* Length of the address; a path that is too long was refused by parse. */
static socklen_t
make_address(const struct rp_bind *b, struct sockaddr_un *address)
{
    size_t n = strlen(b->path);

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, b->path, n);
    if (b->path[0] != '@')
        return sizeof(*address);
    address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

/* Somebody takes connections there, or has a queue of them. */
static bool
is_answered(const struct sockaddr_un *address, socklen_t length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return true;
    bool answered =
        connect(fd, (const struct sockaddr *)address, length) == 0 ||
        (errno != ECONNREFUSED && errno != ENOENT);
    close(fd);
    return answered;
}

static int
remove_stale(const struct rp_bind *b, const struct sockaddr_un *address,
             socklen_t length, char *error, size_t n)
{
    struct stat st;

    if (lstat(b->path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return rp_fail(error, n,
                       "cannot bind %s: the file is there and is no socket; "
                       "remove it, or choose another path",
                       b->text);
    if (is_answered(address, length))
        return rp_fail(
            error, n,
            "cannot bind %s: another process listens there, `ss -lxp` "
            "names it",
            b->text);
    if (unlink(b->path) < 0 && errno != ENOENT)
        return fail_errno(b, errno, error, n);
    return 0;
}

static int
open_unix(const struct rp_bind *b, const struct rp_bind_options *o, char *error,
          size_t n)
{
    struct sockaddr_un address;
    socklen_t length = make_address(b, &address);
    bool is_file = b->path[0] != '@';
    int code;

    if (is_file && remove_stale(b, &address, length, error, n) < 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_errno(b, errno, error, n);
    /* On Linux the file gets the mode of the socket less the umask: with
     * fchmod first it is never open to more than it shall be. */
    if (is_file && fchmod(fd, (mode_t)o->uds_mode) < 0)
        goto fail;
    if (bind(fd, (struct sockaddr *)&address, length) < 0)
        goto fail;
    if (is_file && chmod(b->path, (mode_t)o->uds_mode) < 0)
        goto fail;
    if (listen(fd, o->backlog) < 0)
        goto fail;
    return fd;

fail:
    code = errno;
    close(fd);
    return fail_errno(b, code, error, n);
}

/* From systemd it listens already, from others it may only be bound. */
static int
open_fd(const struct rp_bind *b, const struct rp_bind_options *o, char *error,
        size_t n)
{
    int type = 0, listens = 0;
    socklen_t length = sizeof(int);

    if (getsockopt(b->fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
        return rp_fail(error, n, "cannot use %s: %s; it must be an open socket",
                       b->text, strerror(errno));
    if (type != SOCK_STREAM)
        return rp_fail(error, n, "cannot use %s: not a stream socket", b->text);
    if (getsockopt(b->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) < 0 ||
        (!listens && listen(b->fd, o->backlog) < 0) ||
        rp_fd_set_nonblock(b->fd) < 0 || rp_fd_set_cloexec(b->fd, 1) < 0)
        return rp_fail(error, n, "cannot use %s: %s", b->text, strerror(errno));
    return b->fd;
}

int
rp_bind_open(const struct rp_bind *b, const struct rp_bind_options *o,
             char *error, size_t n)
{
    switch (b->kind) {
    case RP_BIND_TCP:
        check_backlog(o->backlog);
        return open_tcp(b, o, error, n);
    case RP_BIND_UNIX:
        check_backlog(o->backlog);
        return open_unix(b, o, error, n);
    case RP_BIND_FD:
        return open_fd(b, o, error, n);
    case RP_BIND_SYSTEMD:
        break;
    }
    return rp_fail(error, n, "cannot bind %s: only --bind takes such sockets",
                   b->text);
}

void
rp_bind_close(const struct rp_bind *b, int fd, bool remove)
{
    if (remove && b->kind == RP_BIND_UNIX && b->path[0] != '@')
        unlink(b->path);
    close(fd);
}
