/* account.c -- what the logs say about a request that is over. */
#include "rupy/app/access.h"
#include "rupy/app/impl.h"
#include "rupy/base/clock.h"
#include "rupy/base/log.h"

/* Where the time went.  A phase that was not reached has none. */
static void
warn_slow(const struct rp_exchange *x, int status, double end)
{
    const struct rp_request *r = &x->request;
    double told = x->told > 0 ? x->told : end;
    double ran = x->ran > 0 ? x->ran : told;
    double first = x->first >= 0 ? x->began + x->first : end;

    if (ran > first) /* answered from the queue */
        ran = first;
    rp_warn("slow: %.*s %.*s: %d after %.3f s: read %.3f, queue %.3f, app "
            "%.3f, write %.3f%s%.*s",
            RP_STR_ARG(r->method_name), RP_STR_ARG(r->path), status,
            end - x->began, told - x->began, ran - told, first - ran,
            end - first, x->id.n > 0 ? ", id " : "", RP_STR_ARG(x->id));
}

void
rp_exchange_account(const struct rp_exchange *x, int status, uint64_t bytes)
{
    const struct rp_service *v = x->v;
    double end = rp_clock_mono();

    if (v->slow > 0 && end - x->began >= v->slow)
        warn_slow(x, status, end);
    rp_service_account(v, &(struct rp_access_record){
                              .peer = rp_exchange_client(x)->host,
                              .request = &x->request,
                              .status = status,
                              .bytes = bytes,
                              .received = x->received,
                              .seconds = end - x->began,
                              .first = x->first,
                              .id = x->id,
                              .trace = x->trace,
                              .span = x->span,
                              .logged = x->logged,
                          });
}

void
rp_service_account(const struct rp_service *v, const struct rp_access_record *r)
{
    if (v->access)
        rp_access_add(v->access, r);
    if (v->on_request)
        v->on_request(v->on_request_arg, r);
}

void
rp_exchange_set_running(struct rp_exchange *x)
{
    if (x->v->timed)
        x->root->ran = rp_clock_mono();
}
