/* exchange_fields.c -- field lines around an answer: early hints in front of
 * its head, trailers behind its content. */
#include "rupy/app/impl.h"

static int
check(const struct rp_field *fields, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (rp_response_check_field(&fields[i]) < 0)
            return -1;
    return 0;
}

static int
add_lines(struct rp_buf *out, const struct rp_field *fields, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (rp_response_check_field(&fields[i]) != 0)
            continue;
        if (rp_buf_add_str(out, fields[i].name) < 0 ||
            rp_buf_add(out, ": ", 2) < 0 ||
            rp_buf_add_str(out, fields[i].value) < 0 ||
            rp_buf_add(out, "\r\n", 2) < 0)
            return -1;
    }
    return rp_buf_add(out, "\r\n", 2);
}

int
rp_exchange_early_hints(struct rp_exchange *x, const struct rp_field *fields,
                        unsigned nfields)
{
    struct rp_buf *out = &x->sink->out;
    size_t before = out->n;

    x = x->root;
    if (check(fields, nfields) < 0)
        return -1;
    /* RFC 9110 15.2: no 1xx to an HTTP/1.0 client. */
    if (x->request.minor == 0 || x->status != 0)
        return 0;
    if (rp_buf_add_str(out, RP_STR("HTTP/1.1 103 Early Hints\r\n")) < 0 ||
        add_lines(out, fields, nfields) < 0)
        out->n = before; /* hints are worth no error */
    x->sink->ops->wake(x->sink);
    return 0;
}

void
rp_exchange_end_trailers(struct rp_exchange *x, const struct rp_field *fields,
                         unsigned nfields)
{
    struct rp_buf *out = &x->sink->out;
    size_t before = out->n;
    bool mute = x->root->request.method == RP_METHOD_HEAD;

    if (x->framing == RP_FRAMING_CHUNKED && !mute && !x->failed &&
        nfields > 0) {
        if (rp_buf_add(out, "0\r\n", 3) == 0 &&
            add_lines(out, fields, nfields) == 0)
            x->framing = RP_FRAMING_NONE; /* its end is told */
        else
            out->n = before;
    }
    rp_exchange_end(x);
}
