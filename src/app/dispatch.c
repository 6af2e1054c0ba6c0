/* dispatch.c -- which handler answers a request. */
#include "rupy/app/filehandler.h"
#include "rupy/app/impl.h"
#include "rupy/base/log.h"
#include "rupy/http/url.h"

/* The path that routes are matched on: decoded but for %2F and %25.  In place
 * when nothing is encoded, which is nearly always. */
static int
route_path(struct rp_exchange *x, struct rp_str *out)
{
    struct rp_str path = x->request.path;

    *out = path;
    if (!memchr(path.p, '%', path.n))
        return 0;
    char *p = rp_arena_alloc(&x->arena, path.n);
    if (!p)
        return -1;
    *out = (struct rp_str){p, rp_url_decode_route(p, path)};
    return 0;
}

/* Is the path below a folder of --static?  0 or the status, as rp_dispatch();
 * -1: it is not. */
static int
dispatch_to_mount(struct rp_exchange *x, struct rp_str path,
                  struct rp_buf *allow)
{
    const struct rp_request *r = &x->request;
    struct rp_service *v = x->v;
    struct rp_str rest;
    size_t i = 0;

    while (i < v->nmounts && !rp_file_mount_takes(v->mounts[i], path, &rest))
        i++;
    if (i == v->nmounts)
        return -1;
    if (r->method != RP_METHOD_GET && r->method != RP_METHOD_HEAD) {
        rp_buf_add_str(allow, RP_STR("GET, HEAD, OPTIONS"));
        return r->method == RP_METHOD_OPTIONS ? 204
               : r->method == RP_METHOD_OTHER ? 501
                                              : 405;
    }
    x->handler = rp_file_mount_handler(v->mounts[i]);
    x->match.nparams = rest.p != NULL;
    x->match.params[0] = rest;
    return 0;
}

/* Does a route of WebSockets match? */
static bool
match_websocket(struct rp_exchange *x, struct rp_router *router,
                struct rp_str path)
{
    return x->v->wsocks.on &&
           rp_router_match(router, RP_ROUTE_WEBSOCKET, path, &x->match, NULL) ==
               RP_ROUTE_FOUND;
}

void
rp_exchange_choose_handler(struct rp_exchange *x, const struct rp_handler *h)
{
    bool handshake = x->request.upgrade_websocket && x->v->wsocks.on;

    x->handler = handshake && h->websocket ? h->websocket : h;
}

int
rp_exchange_route(struct rp_exchange *x, struct rp_router *router,
                  struct rp_str path, struct rp_buf *allow)
{
    const struct rp_request *r = &x->request;

    if (r->upgrade_websocket && match_websocket(x, router, path)) {
        x->handler = &((struct rp_route *)x->match.route)->handler;
        return 0;
    }
    switch (rp_router_match(router, r->method_name, path, &x->match, allow)) {
    case RP_ROUTE_FOUND:
        rp_exchange_choose_handler(
            x, &((struct rp_route *)x->match.route)->handler);
        return 0;
    case RP_ROUTE_NOT_FOUND:
        return 404;
    case RP_ROUTE_NOT_ALLOWED:
        /* A method nobody knows is 501, one that is not for this resource
         * is 405 (RFC 9110 9.1). */
        if (r->method == RP_METHOD_GET && match_websocket(x, router, path))
            return 426;
        return r->method == RP_METHOD_OTHER ? 501 : 405;
    case RP_ROUTE_OPTIONS:
        return 204;
    case RP_ROUTE_LIMIT:
        rp_warn("404: a route's regex hit its match limit on %.*s",
                RP_STR_ARG(r->path));
        return 404;
    }
    return 404;
}

int
rp_dispatch(struct rp_exchange *x, struct rp_buf *allow)
{
    struct rp_service *v = x->v;
    const struct rp_request *r = &x->request;
    struct rp_str path;

    if ((v->request_id || v->trace_context) && rp_exchange_identify(x) < 0)
        return 503;
    if (r->has_forwarded && rp_exchange_forward(x) < 0)
        return 503;
    if (v->nhosts > 0 && !rp_exchange_is_for_us(x))
        return 400;
    if (v->refuse_underscores && rp_exchange_has_underscore(x))
        return 400;
    /* Only a proxy or an origin that echoes could serve these, and we are
     * neither (RFC 9110 9.3.6, 9.3.8). */
    if (r->method == RP_METHOD_CONNECT || r->method == RP_METHOD_TRACE)
        return 501;
    /* About the server, not about a resource of it (RFC 9110 9.3.7). */
    if (r->method == RP_METHOD_OPTIONS && rp_str_eq(r->path, RP_STR("*"))) {
        static const struct rp_str methods =
            RP_STR("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        return rp_buf_add_str(allow, methods) < 0 ? 503 : 204;
    }
    if (v->nmounts > 0) {
        int status =
            route_path(x, &path) < 0 ? 503 : dispatch_to_mount(x, path, allow);
        if (status >= 0)
            return status;
    }
    if (!v->router) {
        rp_exchange_choose_handler(x, &v->root);
        return 0;
    }
    if (route_path(x, &path) < 0)
        return 503;
    int status = rp_exchange_route(x, v->router, path, allow);
    if (v->root.ops && v->root.ops->found)
        return v->root.ops->found(v->root.self, x, path, status, allow);
    return status;
}
