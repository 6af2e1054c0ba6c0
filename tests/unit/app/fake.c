#include "fake.h"

#include <stdlib.h>

#include "guard.h"

/* ---- The sink ---- */

/* Everything queued goes out at once. */
static void
flush(struct fake *f)
{
    struct rp_str v[8];
    unsigned n;

    while ((n = rp_sink_peek(&f->sink, v, 8)) > 0) {
        size_t sent = 0;
        for (unsigned i = 0; i < n; i++) {
            if (rp_buf_add_str(&f->out, v[i]) < 0)
                abort();
            sent += v[i].n;
        }
        rp_sink_sent(&f->sink, sent);
    }
}

static void
fake_wake(struct rp_sink *s)
{
    flush((struct fake *)s);
}

static void
fake_wait(struct rp_sink *s, enum rp_wait what)
{
    ((struct fake *)s)->wait = what;
}

static void
fake_resume(struct rp_sink *s)
{
    ((struct fake *)s)->resumed = true;
}

static void
fake_close(struct rp_sink *s, bool linger)
{
    struct fake *f = (struct fake *)s;

    flush(f);
    f->closed = true;
    f->lingers |= linger;
}

static void
fake_abort(struct rp_sink *s)
{
    struct fake *f = (struct fake *)s;

    f->closed = f->aborted = true;
}

static const struct rp_sink_ops sink_ops = {
    .wake = fake_wake,
    .wait = fake_wait,
    .resume = fake_resume,
    .close = fake_close,
    .abort = fake_abort,
};

/* ---- Handlers: self is the fake ---- */

static void
answer(struct rp_exchange *x, struct rp_str content)
{
    struct rp_answer a = {.status = 200, .content = content};

    rp_exchange_answer(x, &a);
}

static void
hello_start(void *self, struct rp_exchange *x)
{
    ((struct fake *)self)->started++;
    answer(x, RP_STR("hello"));
}

static void
echo_start(void *self, struct rp_exchange *x)
{
    ((struct fake *)self)->started++;
    answer(x, rp_exchange_content(x));
}

static void
param_start(void *self, struct rp_exchange *x)
{
    ((struct fake *)self)->started++;
    answer(x, rp_exchange_match(x)->params[0]);
}

static void
hold_start(void *self, struct rp_exchange *x)
{
    struct fake *f = self;

    f->started++;
    f->held = x;
}

static void
hold_stop(void *self, struct rp_exchange *x)
{
    struct fake *f = self;

    (void)x;
    f->stopped++;
    f->held = NULL;
}

static void
hold_eof(void *self, struct rp_exchange *x)
{
    (void)x;
    ((struct fake *)self)->eofs++;
}

static void
hold_drained(void *self, struct rp_exchange *x)
{
    (void)x;
    ((struct fake *)self)->drained++;
}

static void
pieces_go_on(struct fake *f, struct rp_exchange *x)
{
    struct rp_str content = rp_exchange_content(x);

    f->pieces += content.n > 0;
    if (rp_buf_add_str(&f->got, content) < 0)
        abort();
    rp_exchange_take_content(x, content.n);
    switch (rp_exchange_content_end(x)) {
    case RP_CONTENT_COMES:
        rp_exchange_want_content(x);
        break;
    case RP_CONTENT_COMPLETE:
        f->held = NULL;
        answer(x, (struct rp_str){f->got.p, f->got.n});
        break;
    case RP_CONTENT_CUT:
        f->held = NULL;
        answer(x, RP_STR("cut"));
        break;
    }
}

static void
pieces_start(void *self, struct rp_exchange *x)
{
    struct fake *f = self;

    f->started++;
    f->held = x;
    rp_buf_reset(&f->got);
    if (!f->deaf)
        pieces_go_on(f, x);
}

static void
pieces_content(void *self, struct rp_exchange *x)
{
    pieces_go_on(self, x);
}

static void
send_pieces(struct rp_exchange *x, int64_t length)
{
    rp_exchange_head(x, 200, NULL, 0, RP_STR("text/plain"), length);
    rp_exchange_write(x, "one", 3);
    rp_exchange_write(x, "two", 3);
    rp_exchange_end(x);
}

static void
stream_start(void *self, struct rp_exchange *x)
{
    (void)self;
    send_pieces(x, -1);
}

static void
short_start(void *self, struct rp_exchange *x)
{
    (void)self;
    send_pieces(x, 10);
}

static void
long_start(void *self, struct rp_exchange *x)
{
    (void)self;
    send_pieces(x, 4);
}

static void
split_start(void *self, struct rp_exchange *x)
{
    struct rp_field f = {RP_STR("x-a"), RP_STR("1\nset-cookie: a=b")};
    struct rp_answer a = {
        .status = 200, .fields = &f, .nfields = 1, .content = RP_STR("no")};

    (void)self;
    rp_exchange_answer(x, &a);
}

static const struct rp_handler_ops hello = {.start = hello_start};
static const struct rp_handler_ops echo = {.start = echo_start};
static const struct rp_handler_ops param = {.start = param_start};
static const struct rp_handler_ops hold = {.start = hold_start,
                                           .stop = hold_stop,
                                           .eof = hold_eof,
                                           .drained = hold_drained};
static const struct rp_handler_ops stream = {.start = stream_start};
static const struct rp_handler_ops pieces = {.start = pieces_start,
                                             .stop = hold_stop,
                                             .eof = pieces_content,
                                             .content = pieces_content};
static const struct rp_handler_ops too_short = {.start = short_start};
static const struct rp_handler_ops too_long = {.start = long_start};
static const struct rp_handler_ops split = {.start = split_start};

static const struct {
    const char *method, *pattern;
    const struct rp_handler_ops *ops;
} table[] = {
    {"GET", "/", &hello},         {"POST", "/echo", &echo},
    {"GET", "/u/<x>", &param},    {"GET", "/hold", &hold},
    {"GET", "/stream", &stream},  {"GET", "/short", &too_short},
    {"POST", "/pieces", &pieces}, {"GET", "/long", &too_long},
    {"GET", "/split", &split},
};

enum { NROUTES = sizeof(table) / sizeof(table[0]) };

/* ---- The fake ---- */

static struct rp_str
str(const char *s)
{
    return (struct rp_str){s, strlen(s)};
}

void
fake_init(struct fake *f)
{
    static struct rp_route routes[NROUTES];
    char err[256];

    memset(f, 0, sizeof(*f));
    if (rp_service_init(&f->service) < 0)
        abort();
    rp_response_consts_init(&f->service.consts, false, NULL);
    f->service.router = rp_router_new();
    for (int i = 0; i < NROUTES; i++) {
        routes[i].handler =
            (struct rp_handler){table[i].ops, f, table[i].ops == &pieces};
        if (rp_router_add(f->service.router, str(table[i].pattern),
                          str(table[i].method), &routes[i], err,
                          sizeof(err)) < 0)
            abort();
    }
    if (rp_router_compile(f->service.router, err, sizeof(err)) < 0)
        abort();
    f->sink.ops = &sink_ops;
    rp_buf_init(&f->sink.out, 0);
    rp_buf_init(&f->in, 0);
    rp_buf_init(&f->out, 0);
    rp_buf_init(&f->got, 0);
    fake_connect(f);
}

static void
disconnect(struct fake *f)
{
    if (f->session)
        f->session->ops->gone(f->session);
    f->session = NULL;
}

void
fake_fini(struct fake *f)
{
    disconnect(f);
    rp_sink_fini(&f->sink);
    rp_buf_fini(&f->in);
    rp_buf_fini(&f->out);
    rp_buf_fini(&f->got);
    rp_router_free(f->service.router);
    rp_service_fini(&f->service);
}

void
fake_connect(struct fake *f)
{
    static const struct rp_peer peer = {.host = "192.0.2.1", .port = 1};

    disconnect(f);
    rp_buf_reset(&f->in);
    rp_buf_reset(&f->out);
    rp_buf_reset(&f->sink.out);
    f->closed = f->lingers = f->aborted = f->resumed = false;
    f->session = rp_h1_new(&f->service, &f->sink, &peer);
    if (!f->session)
        abort();
}

/* The session reads from memory that ends before a guard page, and that is
 * gone when feed() returns: what it still needs it must have copied. */
static size_t
feed_guarded(struct fake *f)
{
    struct guard g;
    size_t used;

    guard_init(&g, f->in.n);
    used = f->session->ops->feed(f->session, guard_set(&g, f->in.p, f->in.n),
                                 f->in.n);
    guard_fini(&g);
    return used;
}

void
fake_feed(struct fake *f, const char *p, size_t n)
{
    if (rp_buf_add(&f->in, p, n) < 0)
        abort();
    do {
        f->resumed = false;
        if (f->closed || f->in.n == 0)
            return;
        rp_buf_del(&f->in, feed_guarded(f));
    } while (f->resumed);
}

void
fake_eof(struct fake *f)
{
    if (!f->closed)
        f->session->ops->eof(f->session);
}
