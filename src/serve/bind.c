/* bind.c -- addresses as text, and as listening sockets have them. */
#include "rupy/serve/bind.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char wanted[] =
    "is no address: want HOST:PORT, :PORT, [::1]:PORT, unix:PATH, fd://N or "
    "systemd";

/* With a NUL behind it; NULL: out of memory. */
static const char *
copy_text(struct rp_arena *a, struct rp_str s)
{
    char *text = rp_arena_alloc(a, s.n + 1);

    if (text == NULL)
        return NULL;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return text;
}

static int
refuse(const char **why, const char *text)
{
    *why = text;
    return -1;
}

int
rp_bind_make_tcp(struct rp_bind *b, struct rp_arena *a, const char *host,
                 int port, const char **why)
{
    size_t n = strlen(host) + 16;
    char *text = rp_arena_alloc(a, n);

    if (text == NULL)
        return refuse(why, "is too long");
    if (host[0] == '\0' || strpbrk(host, "/[] \t@") != NULL)
        return refuse(why, "is no host name or address");
    if (port < 0 || port > 65535)
        return refuse(why, "has a port that is not between 0 and 65535");
    snprintf(text, n, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host,
             port);
    *b = (struct rp_bind){.kind = RP_BIND_TCP,
                          .text = text,
                          .host = host,
                          .port = (uint16_t)port,
                          .fd = -1};
    return 0;
}

int
rp_bind_make_unix(struct rp_bind *b, struct rp_arena *a, const char *path,
                  const char **why)
{
    struct sockaddr_un address;
    size_t n = strlen(path) + sizeof("unix:");
    char *text = rp_arena_alloc(a, n);

    if (text == NULL)
        return refuse(why, "is too long");
    if (path[0] == '\0' || strcmp(path, "@") == 0)
        return refuse(why, "has no path");
    if (strlen(path) >= sizeof(address.sun_path))
        return refuse(why, "is too long: a socket's path has at most 107 "
                           "bytes");
    snprintf(text, n, "unix:%s", path);
    *b = (struct rp_bind){
        .kind = RP_BIND_UNIX, .text = text, .path = path, .fd = -1};
    return 0;
}

/* What stands behind fd://. */
static int
parse_fd(struct rp_bind *b, struct rp_arena *a, struct rp_str text,
         struct rp_str number, const char **why)
{
    uint64_t v;

    if (rp_str_to_u64(number, &v) < 0 || v > 65535)
        return refuse(why, "is no descriptor: want fd://N");
    *b = (struct rp_bind){
        .kind = RP_BIND_FD, .fd = (int)v, .text = copy_text(a, text)};
    return b->text == NULL ? refuse(why, "is too long") : 0;
}

/* What stands behind systemd, with its colon, or nothing. */
static int
parse_systemd(struct rp_bind *b, struct rp_arena *a, struct rp_str text,
              struct rp_str rest, const char **why)
{
    *b = (struct rp_bind){
        .kind = RP_BIND_SYSTEMD, .fd = -1, .text = copy_text(a, text)};
    if (rest.n == 1)
        return refuse(why, "has no name behind the colon");
    if (rest.n > 0)
        b->path = copy_text(a, (struct rp_str){rest.p + 1, rest.n - 1});
    return b->text == NULL || (rest.n > 0 && b->path == NULL)
               ? refuse(why, "is too long")
               : 0;
}

/* The last colon that is not inside of brackets. */
static int
parse_tcp(struct rp_bind *b, struct rp_arena *a, struct rp_str text,
          const char **why)
{
    const char *colon = memrchr(text.p, ':', text.n);
    uint64_t port;

    if (colon == NULL)
        return refuse(why, wanted);
    struct rp_str host = {text.p, (size_t)(colon - text.p)};
    struct rp_str digits = {colon + 1, text.n - host.n - 1};
    if (rp_str_to_u64(digits, &port) < 0)
        return refuse(why, wanted);
    if (port > 65535)
        return refuse(why, "has a port that is not between 0 and 65535");
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        struct in6_addr unused;
        host.p++;
        host.n -= 2;
        const char *inside = copy_text(a, host);
        if (inside == NULL || inet_pton(AF_INET6, inside, &unused) != 1)
            return refuse(why, "has no IPv6 address in its brackets");
    } else if (memchr(host.p, ':', host.n) != NULL) {
        return refuse(why, "is ambiguous: put an IPv6 address in brackets");
    }
    if (host.n == 0)
        host = RP_STR("0.0.0.0");
    const char *name = copy_text(a, host);
    if (name == NULL)
        return refuse(why, "is too long");
    return rp_bind_make_tcp(b, a, name, (int)port, why);
}

int
rp_bind_parse(struct rp_bind *b, struct rp_arena *a, struct rp_str text,
              const char **why)
{
    static const struct rp_str to_unix = {"unix:", 5}, to_fd = {"fd://", 5};
    static const struct rp_str to_systemd = {"systemd", 7};
    struct rp_str rest = {text.p + 5, text.n - 5};

    if (rp_str_eq(text, to_systemd) ||
        (rp_str_has_prefix(text, to_systemd) && text.p[to_systemd.n] == ':'))
        return parse_systemd(
            b, a, text,
            (struct rp_str){text.p + to_systemd.n, text.n - to_systemd.n}, why);
    if (rp_str_has_prefix(text, to_fd))
        return parse_fd(b, a, text, rest, why);
    if (!rp_str_has_prefix(text, to_unix))
        return parse_tcp(b, a, text, why);
    /* unix:///run/x is how URLs have it. */
    if (rp_str_has_prefix(rest, RP_STR("///"))) {
        rest.p += 2;
        rest.n -= 2;
    }
    const char *path = copy_text(a, rest);
    if (path == NULL)
        return refuse(why, "is too long");
    return rp_bind_make_unix(b, a, path, why);
}

static void
describe_unix(const struct sockaddr_un *u, socklen_t n, char *out, size_t cap)
{
    size_t length = n - offsetof(struct sockaddr_un, sun_path);
    bool is_abstract = length > 0 && u->sun_path[0] == '\0';

    if (is_abstract)
        snprintf(out, cap, "unix:@%.*s", (int)length - 1, u->sun_path + 1);
    else
        snprintf(out, cap, "unix:%.*s", (int)strnlen(u->sun_path, length),
                 u->sun_path);
}

void
rp_bind_describe(int fd, char *out, size_t n)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } a;
    socklen_t length = sizeof(a);
    char host[INET6_ADDRSTRLEN];

    if (getsockname(fd, &a.any, &length) == 0) {
        if (a.any.sa_family == AF_INET) {
            inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host));
            snprintf(out, n, "%s:%d", host, ntohs(a.v4.sin_port));
            return;
        }
        if (a.any.sa_family == AF_INET6) {
            inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof(host));
            snprintf(out, n, "[%s]:%d", host, ntohs(a.v6.sin6_port));
            return;
        }
        if (a.any.sa_family == AF_UNIX &&
            length > offsetof(struct sockaddr_un, sun_path)) {
            describe_unix(&a.local, length, out, n);
            return;
        }
    }
    snprintf(out, n, "fd://%d", fd);
}
