/* setup.c -- from the configuration to what all connections of a worker share.
 */
#include "rupy/serve/setup.h"

#include <errno.h>

#include "rupy/base/clock.h"

/* The words were read once already: only memory can fail now. */
int
rp_setup_trust(struct rp_trust *t, const struct rp_strs *l)
{
    const char *why;

    for (size_t i = 0; i < l->n; i++) {
        struct rp_str s = {l->v[i], strlen(l->v[i])};
        if (rp_trust_add(t, s, &why) < 0)
            return -1;
    }
    return 0;
}

static int
set_front(struct rp_service *v, const struct rp_config *c)
{
    v->forwarded.what = c->forwarded_what;
    v->forwarded.hops = (unsigned)c->forwarded_hops;
    v->forwarded.strip = c->strip_untrusted;
    v->hosts = c->allowed_hosts.v;
    v->nhosts = c->allowed_hosts.n;
    v->refuse_underscores = c->header_map == RP_HEADER_REFUSE;
    for (size_t i = 0; i < c->allowed_hosts.n; i++)
        if (strcmp(c->allowed_hosts.v[i], "*") == 0)
            v->nhosts = 0;
    return rp_setup_trust(&v->forwarded.trust, &c->forwarded_allow_ips);
}

static void
set_websockets(struct rp_service *v, const struct rp_config *c)
{
    struct rp_wsock_config *to = &v->wsocks.config;
    struct rp_ws_deflate_options deflate = to->deflate;

    *to = c->wsock;
    to->queue = (uint32_t)c->ws_max_queue;
    to->limits.fragments = (uint32_t)c->ws_max_fragments;
    to->deflate = deflate;
    to->deflate.on = c->wsock.deflate.on;
    to->deflate.window_bits = (uint8_t)c->ws_window;
    v->wsocks.on = c->ws;
}

static int
make_logs(struct rp_service *v, const struct rp_config *c, int access_fd,
          const struct rp_worker *w)
{
    v->slow = c->log_slow;
    v->request_id = c->request_id;
    v->trace_context = c->trace_context;
    v->timed = v->slow > 0 || v->on_request;
    v->accounts = v->timed || access_fd >= 0;
    if (access_fd < 0)
        return 0;
    v->access = rp_access_new(&(struct rp_access_options){
        .fd = access_fd,
        .format = c->access_log_format,
        .fields = c->access_log_fields.v,
        .nfields = c->access_log_fields.n,
        .skip = c->access_log_skip.v,
        .nskip = c->access_log_skip.n,
        .sample = c->access_log_sample,
        .worker = w->seat + 1,
    });
    if (!v->access) {
        errno = ENOMEM;
        return -1;
    }
    v->timed = v->timed || rp_access_wants_first(v->access);
    return 0;
}

int
rp_setup_service(struct rp_service *v, const struct rp_config *c, int access_fd,
                 const struct rp_worker *w, struct rp_buf *extra)
{
    if (set_front(v, c) < 0) {
        errno = ENOMEM;
        return -1;
    }
    v->limits = c->limits;
    v->max_active = (uint32_t)c->limit_concurrency;
    v->keep_alive = c->deadlines.keep_alive > 0;
    v->keep_alive_requests = (uint32_t)c->keep_alive_requests;
    set_websockets(v, c);
    v->counters = &w->slot->counters;
    rp_response_consts_init(&v->consts, c->date_header,
                            c->server_header ? "rupy-serve" : NULL);
    rp_buf_init(extra, 0);
    for (size_t i = 0; i < c->headers.n; i++)
        rp_buf_addf(extra, "%s\r\n", c->headers.v[i]);
    v->consts.extra = (struct rp_str){extra->p, extra->n};
    rp_response_consts_set_time(&v->consts, (int64_t)rp_clock_wall());
    return make_logs(v, c, access_fd, w);
}
