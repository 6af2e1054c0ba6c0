#include "wsfake.h"

#include <stdio.h>
#include <stdlib.h>

static void
on_message(void *self, struct rp_wsock *w, bool text, struct rp_str data)
{
    struct wsfake *s = self;

    s->got = data.n;
    rp_buf_addf(&s->told, "%c(", text ? 'T' : 'B');
    rp_buf_add_str(&s->told, data);
    rp_buf_add(&s->told, ")", 1);
    if (s->close_on_message)
        rp_wsock_close(w, (unsigned)s->close_on_message, RP_STR("enough"));
    else if (!s->quiet)
        rp_wsock_send(w, text, data.p, data.n);
    if (!s->holds)
        rp_wsock_taken(w, data.n);
}

static void
on_close(void *self, struct rp_wsock *w, unsigned code, struct rp_str reason)
{
    struct wsfake *s = self;

    ck_assert_ptr_eq(w, s->w);
    rp_buf_addf(&s->told, "C%u(%.*s)", code, RP_STR_ARG(reason));
}

static void
on_drained(void *self, struct rp_wsock *w)
{
    struct wsfake *s = self;

    (void)w;
    rp_buf_add(&s->told, "D", 1);
}

const struct rp_wsock_ops wsfake_handler = {
    .message = on_message, .close = on_close, .drained = on_drained};

void
wsfake_connect(struct wsfake *s, const struct rp_ws_handshake *h)
{
    static const struct rp_ws_handshake plain = {.deflate = {.on = false}};

    fake_connect(&s->f);
    s->f.session->ops->gone(s->f.session);
    s->f.session = NULL;
    rp_buf_reset(&s->told);
    ck_assert_int_eq(rp_wsock_new(&s->all, &s->f.sink, &wsfake_handler, s,
                                  h ? h : &plain, &s->f.service.consts,
                                  RP_STR(""), NULL, 0, &s->w),
                     0);
    ck_assert(rp_str_has_prefix((struct rp_str){s->f.out.p, s->f.out.n},
                                RP_STR("HTTP/1.1 101 ")));
    ck_assert_int_eq(s->f.wait, RP_WAIT_HANDLER);
    rp_buf_reset(&s->f.out);
    s->f.session = rp_wsock_session(s->w);
}

void
wsfake_init(struct wsfake *s)
{
    memset(s, 0, sizeof(*s));
    fake_init(&s->f);
    s->f.service.now = 1000;
    rp_wsocks_init(&s->all, &RP_WSOCK_CONFIG_DEFAULT, &s->f.service.now);
    rp_buf_init(&s->told, 0);
    wsfake_connect(s, NULL);
}

void
wsfake_gone(struct wsfake *s)
{
    s->f.session->ops->gone(s->f.session);
    s->f.session = NULL;
}

void
wsfake_fini(struct wsfake *s)
{
    fake_fini(&s->f);
    ck_assert_uint_eq(s->all.n, 0);
    ck_assert(rp_list_is_empty(&s->all.all));
    rp_buf_fini(&s->told);
}

void
wsfake_feed(struct wsfake *s, unsigned first, const char *p, size_t n)
{
    struct rp_buf in;

    rp_buf_init(&in, 0);
    client_frame(&in, first, p, n);
    fake_feed(&s->f, in.p, in.n);
    rp_buf_fini(&in);
}

void
wsfake_tick(struct wsfake *s, double seconds)
{
    s->f.service.now += seconds;
    rp_wsocks_tick(&s->all);
}

void
wsfake_sent(struct wsfake *s, const char *p, size_t n)
{
    ck_assert_msg(s->f.out.n == n && (n == 0 || memcmp(s->f.out.p, p, n) == 0),
                  "sent %zu bytes: %.*s", s->f.out.n, (int)s->f.out.n,
                  s->f.out.p);
    rp_buf_reset(&s->f.out);
}

void
wsfake_told(struct wsfake *s, const char *want)
{
    ck_assert_msg(
        s->told.n == strlen(want) &&
            (s->told.n == 0 || memcmp(s->told.p, want, s->told.n) == 0),
        "told %.*s, want %s", (int)s->told.n, s->told.p, want);
    rp_buf_reset(&s->told);
}
