#include "rupy/base/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/base/clock.h"

void
rp_outlet_init(struct rp_outlet *o, int fd)
{
    char path[32];
    struct stat st;

    *o = (struct rp_outlet){.fd = fd, .own = -1};
    if (fstat(fd, &st) < 0)
        return;
    o->is_socket = S_ISSOCK(st.st_mode);
    o->is_pipe = S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd));
    if (!o->is_pipe)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    o->own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void
rp_outlet_fini(struct rp_outlet *o)
{
    if (o->own >= 0)
        close(o->own);
    o->own = -1;
}

/* Is there room, or will be within so many milliseconds? */
static bool
has_room(const struct rp_outlet *o, int ms)
{
    struct pollfd pfd = {.fd = o->fd, .events = POLLOUT};

    return poll(&pfd, 1, ms) > 0;
}

/* As much as is written at once or not at all, and ends a line if any does. */
static size_t
piece(const char *p, size_t n)
{
    const char *end;

    if (n <= PIPE_BUF)
        return n;
    end = memrchr(p, '\n', PIPE_BUF);
    return end ? (size_t)(end + 1 - p) : PIPE_BUF;
}

/* How much of p..p+n was written; 0: there is no room now; -1 and errno. */
static ssize_t
write_some(const struct rp_outlet *o, const char *p, size_t n)
{
    ssize_t k;

    do {
        if (o->is_socket)
            k = send(o->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        else if (!o->is_pipe)
            k = write(o->fd, p, n);
        else if (o->own >= 0)
            k = write(o->own, p, piece(p, n));
        else if (has_room(o, 0)) /* there is room for PIPE_BUF */
            k = write(o->fd, p, piece(p, n));
        else
            return 0;
    } while (k < 0 && errno == EINTR);
    if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return k;
}

int
rp_outlet_flush(struct rp_outlet *o, struct rp_buf *b, int ms)
{
    double end = ms > 0 ? rp_clock_mono() + ms / 1e3 : 0;
    size_t done = 0;
    ssize_t k = 0;

    while (done < b->n) {
        k = write_some(o, b->p + done, b->n - done);
        if (k < 0)
            break;
        done += (size_t)k;
        if (k == 0 && (ms <= 0 || rp_clock_mono() >= end || !has_room(o, ms)))
            break;
    }
    rp_buf_del(b, done);
    return k < 0 ? -1 : 0;
}
