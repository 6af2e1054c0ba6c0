/* bare.c -- the yardstick: libev and http-parser, and nothing else.
 *
 * The same bytes out as rupy-serve with rupy.examples.hello, the same parsing
 * (head split, fields recorded, pipelined requests answered by one write), no
 * limits, no strict rules, no timers, no routes, no Python.  What a real
 * server loses against this is its own; what this one costs is the kernel's
 * and the parser's.
 *
 *   bare PORT */
#include <arpa/inet.h>
#include <ev.h>
#include <http_parser.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 65536, FIELDS = 100 };

struct slice {
    const char *p;
    size_t n;
};

struct conn {
    ev_io io;
    http_parser parser;
    struct slice url, names[FIELDS], values[FIELDS];
    int nfields;
    char *out;
    size_t out_n;
};

static char in[READ_SIZE], outs[READ_SIZE * 8], answer[512];
static size_t answer_n;

static void
render(struct ev_loop *loop, ev_timer *w, int revents)
{
    char date[64];
    time_t now = time(NULL);
    struct tm tm;

    (void)loop, (void)w, (void)revents;
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    answer_n = (size_t)snprintf(answer, sizeof(answer),
                                "HTTP/1.1 200 OK\r\nDate: %s\r\n"
                                "Content-Type: text/plain; charset=utf-8\r\n"
                                "Content-Length: 13\r\n\r\nHello, World!",
                                date);
}

static int
on_url(http_parser *p, const char *at, size_t n)
{
    struct conn *c = p->data;

    c->url = (struct slice){at, n};
    return 0;
}

static int
on_name(http_parser *p, const char *at, size_t n)
{
    struct conn *c = p->data;

    if (c->nfields < FIELDS)
        c->names[c->nfields] = (struct slice){at, n};
    return 0;
}

static int
on_value(http_parser *p, const char *at, size_t n)
{
    struct conn *c = p->data;

    if (c->nfields < FIELDS)
        c->values[c->nfields++] = (struct slice){at, n};
    return 0;
}

static int
on_complete(http_parser *p)
{
    struct conn *c = p->data;

    memcpy(c->out + c->out_n, answer, answer_n);
    c->out_n += answer_n;
    c->nfields = 0;
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_message_complete = on_complete,
};

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
    struct conn *c = (struct conn *)w;
    ssize_t n = read(w->fd, in, sizeof(in));

    (void)revents;
    c->out = outs;
    c->out_n = 0;
    if (n <= 0 || http_parser_execute(&c->parser, &settings, in, (size_t)n) !=
                      (size_t)n) {
        ev_io_stop(loop, w);
        close(w->fd);
        free(c);
        return;
    }
    if (c->out_n > 0 && write(w->fd, c->out, c->out_n) < 0)
        perror("write");
}

static void
on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
    int one = 1, fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK);
    struct conn *c;

    (void)revents;
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    http_parser_init(&c->parser, HTTP_REQUEST);
    c->parser.data = c;
    ev_io_init(&c->io, on_readable, fd, EV_READ);
    ev_io_start(loop, &c->io);
}

int
main(int argc, char **argv)
{
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    struct sockaddr_in a = {.sin_family = AF_INET};
    ev_timer second;
    ev_io listener;
    int one = 1, fd;

    if (argc != 2 || !loop) {
        fputs("usage: bare PORT\n", stderr);
        return 1;
    }
    a.sin_port = htons((uint16_t)strtol(argv[1], NULL, 10));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(fd, 1024) < 0) {
        perror("bare");
        return 1;
    }
    render(loop, NULL, 0);
    ev_timer_init(&second, render, 1, 1);
    ev_timer_start(loop, &second);
    ev_io_init(&listener, on_accept, fd, EV_READ);
    ev_io_start(loop, &listener);
    ev_run(loop, 0);
    return 0;
}
