/* coding.c -- Accept-Encoding (RFC 9110 12.5.3). */
#include "rupy/files/select.h"

struct rp_str
rp_coding_token(enum rp_coding c)
{
    static const struct rp_str tokens[] = {
#define X(name, token, ext) {token, sizeof(token) - 1},
        RP_CODINGS(X)
#undef X
    };

    return tokens[c];
}

struct rp_str
rp_coding_ext(enum rp_coding c)
{
    static const struct rp_str exts[] = {
#define X(name, token, ext) {ext, sizeof(ext) - 1},
        RP_CODINGS(X)
#undef X
    };

    return exts[c];
}

/* qvalue in thousandths (RFC 9110 12.4.2), or -1: it is none. */
static int
parse_q(struct rp_str s)
{
    int q, unit = 100;

    if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') ||
        (s.n > 1 && s.p[1] != '.'))
        return -1;
    q = (s.p[0] - '0') * 1000;
    for (size_t i = 2; i < s.n; i++, unit /= 10) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        q += (s.p[i] - '0') * unit;
    }
    return q <= 1000 ? q : -1;
}

/* Split "gzip;q=0.5".  false: malformed. */
static bool
parse_member(struct rp_str s, struct rp_str *token, int *q)
{
    const char *semi = memchr(s.p, ';', s.n);

    *q = 1000;
    *token = s;
    if (!semi)
        return true;
    token->n = (size_t)(semi - s.p);
    *token = rp_str_trim(*token);
    s = rp_str_trim((struct rp_str){semi + 1, s.n - (size_t)(semi + 1 - s.p)});
    if (s.n < 2 || (s.p[0] | 0x20) != 'q' || s.p[1] != '=')
        return false;
    *q = parse_q((struct rp_str){s.p + 2, s.n - 2});
    return *q >= 0;
}

enum { IDENTITY = RP_N_CODINGS, ANY, N_WEIGHTS, UNSAID = -1 };

static void
weigh(struct rp_str list, int weights[N_WEIGHTS])
{
    struct rp_str member, token;
    int q;

    while (rp_list_next(&list, &member)) {
        if (!parse_member(member, &token, &q))
            continue;
        for (int c = 0; c < RP_N_CODINGS; c++)
            if (rp_str_ieq(token, rp_coding_token((enum rp_coding)c)))
                weights[c] = q;
        if (rp_str_ieq(token, RP_STR("x-gzip"))) /* RFC 9110 8.4.1.3 */
            weights[RP_CODING_GZIP] = q;
        else if (rp_str_ieq(token, RP_STR("identity")))
            weights[IDENTITY] = q;
        else if (rp_str_eq(token, RP_STR("*")))
            weights[ANY] = q;
    }
}

unsigned
rp_codings_accepted(const struct rp_request *r,
                    enum rp_coding out[RP_N_CODINGS])
{
    int weights[N_WEIGHTS];
    unsigned n = 0;

    for (int i = 0; i < N_WEIGHTS; i++)
        weights[i] = UNSAID;
    for (unsigned i = 0; i < r->nfields; i++)
        if (r->fields[i].name.n == 15 &&
            rp_str_ieq(r->fields[i].name, RP_STR("accept-encoding")))
            weigh(r->fields[i].value, weights);
    for (int c = 0; c < RP_N_CODINGS; c++) {
        int q = weights[c] != UNSAID ? weights[c] : weights[ANY];
        unsigned at = n;

        if (q <= 0 || q < weights[IDENTITY])
            continue;
        for (; at > 0; at--) {
            int before = weights[out[at - 1]];
            if ((before != UNSAID ? before : weights[ANY]) >= q)
                break;
            out[at] = out[at - 1];
        }
        out[at] = (enum rp_coding)c;
        n++;
    }
    return n;
}
