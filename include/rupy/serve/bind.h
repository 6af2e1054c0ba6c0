/* bind.h -- addresses to listen on, and the sockets made of them. */
#ifndef RUPY_SERVE_BIND_H
#define RUPY_SERVE_BIND_H

#include <stdbool.h>
#include <stdint.h>

#include "rupy/base/arena.h"

enum rp_bind_kind { RP_BIND_TCP, RP_BIND_UNIX, RP_BIND_FD, RP_BIND_SYSTEMD };

struct rp_bind {
    enum rp_bind_kind kind;
    const char *text; /* as it is shown: "127.0.0.1:8000", "unix:/run/x" */
    const char *host; /* tcp: name or address, without brackets */
    uint16_t port;    /* tcp: 0 lets the kernel choose */
    const char *path; /* unix: "@name" in the abstract namespace; systemd: the
                       * name of the sockets, NULL: all */
    int fd;           /* fd: the number */
};

struct rp_bind_options {
    int backlog;
    int uds_mode;    /* permission bits of a socket file */
    bool reuse_port; /* SO_REUSEPORT, for TCP */
};

/* HOST:PORT, :PORT (all IPv4 addresses), [ADDRESS]:PORT, unix:PATH,
 * unix:@NAME, fd://N, systemd, systemd:NAME.  Strings are made in the arena.
 * Return 0, or -1 with the reason, a constant, in *why. */
int rp_bind_parse(struct rp_bind *b, struct rp_arena *a, struct rp_str text,
                  const char **why);
/* Of the parts: a host name or address without brackets; a path or @NAME. */
int rp_bind_make_tcp(struct rp_bind *b, struct rp_arena *a, const char *host,
                     int port, const char **why);
int rp_bind_make_unix(struct rp_bind *b, struct rp_arena *a, const char *path,
                      const char **why);

/* A listening socket, non-blocking and close-on-exec; yours.  Of a host name
 * the first address that can be bound is taken.  A socket file on which
 * nobody answers is replaced.  A backlog that the kernel will cut is logged.
 * Those of systemd are not opened but taken, see activation.h.
 * Return the descriptor, or -1 with one line in error that says what to do
 * (and which address, so the caller adds nothing). */
int rp_bind_open(const struct rp_bind *b, const struct rp_bind_options *o,
                 char *error, size_t n);
/* Close fd; with remove, delete the socket file too (not on an upgrade, where
 * somebody else goes on listening). */
void rp_bind_close(const struct rp_bind *b, int fd, bool remove);
/* The address that fd really has: "127.0.0.1:8000", "[::1]:8000",
 * "unix:/run/x", "unix:@name"; "fd://N" when it cannot be told. */
void rp_bind_describe(int fd, char *out, size_t n);

#endif
