#include "rupy/base/dgram.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

static struct rp_str
strip(struct rp_str s, struct rp_str prefix)
{
    if (rp_str_has_prefix(s, prefix)) {
        s.p += prefix.n;
        s.n -= prefix.n;
    }
    return s;
}

/* true: it is a path, in *path. */
static bool
is_path(struct rp_str addr, struct rp_str *path)
{
    *path = strip(addr, RP_STR("unix:"));
    /* unix:///run/x is how URLs have it. */
    if (path->n < addr.n && rp_str_has_prefix(*path, RP_STR("///"))) {
        path->p += 2;
        path->n -= 2;
    }
    return path->n > 0 && path->p[0] == '/';
}

/* HOST:PORT, [::1]:514; host of 256 bytes, port of 8.  0 or -1. */
static int
split_host(struct rp_str s, char *host, char *port)
{
    const char *colon;
    uint64_t number;

    s = strip(s, RP_STR("udp://"));
    colon = memrchr(s.p, ':', s.n);
    if (!colon)
        return -1;
    struct rp_str h = {s.p, (size_t)(colon - s.p)};
    struct rp_str p = {colon + 1, s.n - h.n - 1};
    if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
        h = (struct rp_str){h.p + 1, h.n - 2};
    if (h.n == 0 || h.n > 255 || rp_str_to_u64(p, &number) < 0 || number == 0 ||
        number > 65535)
        return -1;
    memcpy(host, h.p, h.n);
    host[h.n] = '\0';
    snprintf(port, 8, "%u", (unsigned)number);
    return 0;
}

const char *
rp_dgram_check(struct rp_str addr)
{
    char host[256], port[8];
    struct rp_str path;

    if (is_path(addr, &path))
        return path.n < sizeof(((struct sockaddr_un *)0)->sun_path)
                   ? NULL
                   : "is longer than the path of a socket may be";
    return split_host(addr, host, port) < 0
               ? "is neither /PATH, unix:/PATH nor HOST:PORT"
               : NULL;
}

int
rp_dgram_resolve(struct rp_dgram *d, struct rp_str addr)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found, *best;
    struct sockaddr_un *un = (struct sockaddr_un *)&d->addr;
    char host[256], port[8];
    struct rp_str path;

    memset(d, 0, sizeof(*d));
    d->is_udp = !is_path(addr, &path);
    if (!d->is_udp) {
        if (path.n >= sizeof(un->sun_path))
            return -1;
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, path.p, path.n);
        d->addr_n = sizeof(*un);
        return 0;
    }
    if (split_host(addr, host, port) < 0 ||
        getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    best = found;
    for (struct addrinfo *a = found; a; a = a->ai_next)
        if (a->ai_family == AF_INET) {
            best = a;
            break;
        }
    memcpy(&d->addr, best->ai_addr, best->ai_addrlen);
    d->addr_n = best->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int
rp_dgram_open(const struct rp_dgram *d)
{
    int fd =
        socket(d->addr.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int code;

    if (fd >= 0 &&
        connect(fd, (const struct sockaddr *)&d->addr, d->addr_n) == 0)
        return fd;
    code = errno;
    if (fd >= 0)
        close(fd);
    errno = code;
    return -1;
}
