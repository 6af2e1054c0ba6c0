/* errorpage.c -- a server with one answer. */
#include "rupy/serve/errorpage.h"

#include <ev.h>
#include <signal.h>

#include "rupy/base/clock.h"
#include "rupy/net/server.h"

enum { TEXT_MAX = 256 * 1024, PAGE_MAX = 8 * TEXT_MAX };

static const double heartbeat = 1.0;
static const double end_max = 3.0; /* seconds, for who is connected */

struct page {
    struct rp_worker *worker;
    struct ev_loop *ev;
    struct rp_service service;
    struct rp_server *server;
    struct rp_str text;
    struct rp_buf html;
    bool stopped;
};

/* ---- What was said ---- */

static void
on_text(void *arg, const char *text)
{
    struct rp_buf *b = arg;
    size_t n = strlen(text);

    /* The first failure says most; what does not fit is in the log. */
    if (b->n + n <= TEXT_MAX)
        rp_buf_add(b, text, n);
}

void
rp_errorpage_listen(struct rp_buf *text)
{
    rp_buf_init(text, TEXT_MAX);
    rp_log_set_listener(on_text, text);
}

/* ---- The answer ---- */

static void
add_escaped(struct rp_buf *b, struct rp_str s)
{
    for (size_t i = 0; i < s.n; i++)
        switch (s.p[i]) {
        case '<':
            rp_buf_addf(b, "&lt;");
            break;
        case '>':
            rp_buf_addf(b, "&gt;");
            break;
        case '&':
            rp_buf_addf(b, "&amp;");
            break;
        default:
            rp_buf_add(b, s.p + i, 1);
        }
}

static void
make_html(struct page *p)
{
    rp_buf_init(&p->html, PAGE_MAX);
    rp_buf_addf(&p->html,
                "<!doctype html>\n<meta charset=utf-8>\n"
                "<title>The application cannot be loaded</title>\n"
                "<style>body { font-family: sans-serif; margin: 2em }\n"
                "pre { background: #f6f6f6; padding: 1em; overflow: auto }"
                "</style>\n"
                "<h1>The application cannot be loaded</h1>\n<pre>");
    add_escaped(&p->html, p->text);
    rp_buf_addf(&p->html,
                "</pre>\n<p>It is loaded again as soon as a file changes.\n");
}

static bool
takes_html(const struct rp_exchange *x)
{
    const struct rp_request *r = rp_exchange_request(x);
    const struct rp_field *f =
        rp_fields_find(r->fields, r->nfields, RP_STR("Accept"));

    return f && memmem(f->value.p, f->value.n, "text/html", 9);
}

static void
start(void *self, struct rp_exchange *x)
{
    struct page *p = self;
    struct rp_field fresh = {RP_STR("Cache-Control"), RP_STR("no-store")};
    struct rp_answer a = {
        .status = 500,
        .fields = &fresh,
        .nfields = 1,
        .content_type = RP_STR("text/plain; charset=utf-8"),
        .content = p->text,
    };

    if (takes_html(x)) {
        a.content_type = RP_STR("text/html; charset=utf-8");
        a.content = (struct rp_str){p->html.p, p->html.n};
    }
    rp_exchange_answer(x, &a);
}

/* Nothing is kept. */
static void
stop(void *self, struct rp_exchange *x)
{
    (void)self, (void)x;
}

static const struct rp_handler_ops ops = {.start = start, .stop = stop};

/* ---- Life ---- */

static void
on_term(struct ev_loop *loop, ev_signal *w, int revents)
{
    struct page *p = w->data;

    (void)loop, (void)revents;
    p->stopped = true;
}

static void
on_master(struct ev_loop *loop, ev_io *w, int revents)
{
    struct page *p = w->data;

    (void)loop, (void)revents;
    if (rp_worker_is_orphan(p->worker))
        p->stopped = true;
}

static void
on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
    const struct page *p = w->data;

    (void)loop, (void)revents;
    rp_worker_tick(p->worker);
}

static void
turn(struct page *p)
{
    ev_run(p->ev, rp_server_turn(p->server) ? EVRUN_NOWAIT : EVRUN_ONCE);
}

/* Who has connected is answered; who only may ask once more is not waited
 * for. */
static void
end(struct page *p)
{
    double until = rp_clock_mono() + end_max;

    rp_server_retire(p->server, 0, true);
    while (rp_server_connections(p->server) > 0 && rp_clock_mono() < until)
        turn(p);
    rp_server_turn(p->server);
}

static int
serve(struct page *p, const struct rp_listeners *l)
{
    ev_signal term;
    ev_timer tick;
    ev_io master;
    int fd = rp_worker_alive_fd(p->worker);

    for (size_t i = 0; i < l->n; i++)
        if (rp_server_listen(p->server, l->fds[i]) < 0)
            return RP_EXIT_INTERNAL;
    ev_signal_init(&term, on_term, SIGTERM);
    ev_timer_init(&tick, on_tick, heartbeat, heartbeat);
    ev_io_init(&master, on_master, fd, EV_READ);
    term.data = tick.data = master.data = p;
    ev_signal_start(p->ev, &term);
    ev_timer_start(p->ev, &tick);
    if (fd >= 0)
        ev_io_start(p->ev, &master);
    if (rp_worker_say_ready(p->worker) < 0)
        p->stopped = true;
    while (!p->stopped)
        turn(p);
    ev_io_stop(p->ev, &master); /* its end would wake each turn */
    end(p);
    ev_signal_stop(p->ev, &term);
    ev_timer_stop(p->ev, &tick);
    return RP_EXIT_OK;
}

int
rp_errorpage_run(const struct rp_listeners *l, struct rp_worker *w,
                 const struct rp_buf *text)
{
    struct rp_server_config config = {
        .deadlines = RP_DEADLINES_DEFAULT,
        .max_connections = 256,
        .nodelay = true,
    };
    struct page p = {.worker = w, .text = {text->p, text->n}};
    int status = RP_EXIT_BOOT;

    rp_log_set_listener(NULL, NULL);
    if (text->n == 0)
        p.text = RP_STR("The log says why the application cannot be loaded.\n");
    rp_warn("answering 500 with the reason until a file changes");
    make_html(&p);
    p.ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (p.ev && rp_service_init(&p.service) == 0) {
        p.service.limits.body = 1 << 20;
        p.service.root = (struct rp_handler){.ops = &ops, .self = &p};
        p.server = rp_server_new(p.ev, &p.service, &config);
        if (p.server) {
            status = serve(&p, l);
            rp_server_free(p.server);
        }
        rp_service_fini(&p.service);
    }
    if (p.ev)
        ev_loop_destroy(p.ev);
    rp_buf_fini(&p.html);
    return status;
}
