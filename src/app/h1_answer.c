/* h1_answer.c -- answers that no handler gives. */
#include <stdio.h>

#include "rupy/app/access.h"
#include "rupy/app/h1.h"
#include "rupy/base/log.h"
#include "rupy/http/status.h"

void
rp_h1_refuse(struct rp_h1 *h, int err)
{
    int status = rp_http_err_status(err);
    struct rp_str reason = rp_status_reason(status);
    struct rp_field later = {RP_STR("Retry-After"), RP_STR("1")};
    char text[64];
    int n =
        snprintf(text, sizeof(text), "%d %.*s\n", status, RP_STR_ARG(reason));
    struct rp_response_head head = {
        .status = status,
        .fields = &later,
        .nfields = status == 503,
        .content_type = RP_STR("text/plain; charset=utf-8"),
        .framing = RP_FRAMING_LENGTH,
        .length = (uint64_t)n,
        .connection = RP_STR("close"),
    };
    bool counted = h->x != NULL;
    bool answered = h->x && rp_exchange_has_head(h->x);

    rp_debug("%s: %d: %s", h->peer->host, status, rp_http_err_text(err));
    if (status != 0 && !answered && counted && h->v->accounts)
        rp_exchange_account(h->x, status, (uint64_t)n);
    rp_h1_forget(h);
    if (status == 0 || answered) {
        /* No text for a client that speaks TLS, and none in the middle of
         * another answer. */
        rp_h1_enter(h, RP_H1_CLOSED);
        h->sink->ops->abort(h->sink);
        return;
    }
    if (rp_response_write_head(&h->sink->out, &h->v->consts, &head) == 0)
        rp_buf_add(&h->sink->out, text, (size_t)n);
    if (!counted)
        rp_count(h->v->counters->requests, 1);
    rp_count(h->v->counters->responses[status / 100], 1);
    if (h->v->accounts && !counted)
        rp_service_account(h->v, &(struct rp_access_record){
                                     .peer = h->peer->host,
                                     .status = status,
                                     .bytes = (uint64_t)n,
                                     .first = -1,
                                 });
    rp_h1_close(h, true);
}

void
rp_h1_answer_status(struct rp_exchange *x, int status,
                    const struct rp_buf *allow)
{
    rp_exchange_answer_routing(x, status, (struct rp_str){allow->p, allow->n});
}
