#include "rupy/ws/offer.h"

#include "rupy/http/chars.h"

enum { MIN_BITS = 8, MAX_BITS = 15, OURS_MIN = 9 };

/* What one offer says; bits: 0 was not said. */
struct offer {
    bool server_no_context_takeover, client_no_context_takeover;
    bool client_bits_said; /* maybe without a value */
    uint8_t server_bits, client_bits;
};

/* A value as it is written, still with its quotes; has: there was one. */
struct param {
    struct rp_str name, value;
    bool has_value;
};

static void
skip_space(struct rp_str *s)
{
    while (s->n > 0 && (*s->p == ' ' || *s->p == '\t')) {
        s->p++;
        s->n--;
    }
}

static bool
skip_char(struct rp_str *s, char c)
{
    skip_space(s);
    if (s->n == 0 || *s->p != c)
        return false;
    s->p++;
    s->n--;
    skip_space(s);
    return true;
}

static struct rp_str
take_token(struct rp_str *s)
{
    struct rp_str t = {s->p, 0};

    while (t.n < s->n && rp_char_is(s->p[t.n], RP_CHAR_TOKEN))
        t.n++;
    s->p += t.n;
    s->n -= t.n;
    return t;
}

/* A token, plain or in quotes (RFC 6455 9.1: the same after unquoting).  One
 * with a backslash in it is a value nobody needs: no token. */
static struct rp_str
take_value(struct rp_str *s)
{
    bool quoted = s->n > 0 && *s->p == '"';
    struct rp_str t;

    if (quoted) {
        s->p++;
        s->n--;
    }
    t = take_token(s);
    if (quoted && (s->n == 0 || *s->p != '"'))
        return (struct rp_str){NULL, 0};
    if (quoted) {
        s->p++;
        s->n--;
    }
    return t;
}

/* 8 to 15, decimal, without leading zeros (RFC 7692 7.1.2). */
static bool
take_bits(struct rp_str s, uint8_t *bits)
{
    uint64_t v;

    if (s.n == 0 || s.n > 2 || s.p[0] == '0' || rp_str_to_u64(s, &v) < 0 ||
        v < MIN_BITS || v > MAX_BITS)
        return false;
    *bits = (uint8_t)v;
    return true;
}

static bool
take_flag(const struct param *p, bool *flag)
{
    if (*flag || p->has_value)
        return false;
    *flag = true;
    return true;
}

/* Names are compared without case, values are not. */
static bool
take_param(const struct param *p, struct offer *o)
{
    if (rp_str_ieq(p->name, RP_STR("server_no_context_takeover")))
        return take_flag(p, &o->server_no_context_takeover);
    if (rp_str_ieq(p->name, RP_STR("client_no_context_takeover")))
        return take_flag(p, &o->client_no_context_takeover);
    if (rp_str_ieq(p->name, RP_STR("server_max_window_bits")))
        return o->server_bits == 0 && p->has_value &&
               take_bits(p->value, &o->server_bits);
    if (rp_str_ieq(p->name, RP_STR("client_max_window_bits"))) {
        if (o->client_bits_said)
            return false;
        o->client_bits_said = true;
        return !p->has_value || take_bits(p->value, &o->client_bits);
    }
    return false;
}

/* One offer, up to its comma or the end.  Return 1 when it is a
 * permessage-deflate that is understood whole, 0 when it is to be passed
 * over, -1 when the line is malformed. */
static int
read_offer(struct rp_str *s, struct offer *o)
{
    struct rp_str name = take_token(s);
    bool good = rp_str_ieq(name, RP_STR("permessage-deflate"));

    *o = (struct offer){0};
    if (name.n == 0)
        return -1;
    while (skip_char(s, ';')) {
        struct param p = {.name = take_token(s)};

        if (p.name.n == 0)
            return -1;
        p.has_value = skip_char(s, '=');
        if (p.has_value) {
            p.value = take_value(s);
            if (p.value.n == 0)
                return -1;
        }
        good = good && take_param(&p, o);
    }
    skip_space(s);
    if (s->n > 0 && *s->p != ',')
        return -1;
    return good;
}

static uint8_t
smaller(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

static bool
agree(const struct offer *f, const struct rp_ws_deflate_options *o,
      struct rp_ws_deflate_params *p)
{
    /* zlib cannot compress with a window of 256 bytes. */
    if (f->server_bits != 0 && f->server_bits < OURS_MIN)
        return false;
    *p = (struct rp_ws_deflate_params){
        .on = true,
        .server_no_context_takeover =
            f->server_no_context_takeover || o->no_context_takeover,
        .client_no_context_takeover =
            f->client_no_context_takeover || o->no_context_takeover,
        .server_bits = o->window_bits,
        .client_bits = MAX_BITS,
    };
    p->server_bits_said = f->server_bits != 0;
    if (p->server_bits_said)
        p->server_bits = smaller(f->server_bits, o->window_bits);
    /* Unless it says that it can, the client may use all of its window
     * (RFC 7692 7.1.2.2). */
    if (f->client_bits_said)
        p->client_bits = f->client_bits != 0
                             ? smaller(f->client_bits, o->window_bits)
                             : o->window_bits;
    return true;
}

/* -1: the line is malformed, and what was behind it is not looked at. */
static int
choose_in_line(struct rp_str line, const struct rp_ws_deflate_options *o,
               struct rp_ws_deflate_params *params)
{
    struct offer f;
    int got = 0;

    skip_space(&line);
    while (line.n > 0) {
        if (skip_char(&line, ','))
            continue;
        got = read_offer(&line, &f);
        if (got < 0 || (got > 0 && agree(&f, o, params)))
            return got;
    }
    return 0;
}

bool
rp_ws_offer_choose(const struct rp_field *v, unsigned n,
                   const struct rp_ws_deflate_options *o,
                   struct rp_ws_deflate_params *params)
{
    for (unsigned i = 0; i < n; i++) {
        if (rp_str_ieq(v[i].name, RP_STR("sec-websocket-extensions")) &&
            choose_in_line(v[i].value, o, params) > 0)
            return true;
    }
    *params = (struct rp_ws_deflate_params){.on = false};
    return false;
}

int
rp_ws_offer_write(struct rp_buf *out, const struct rp_ws_deflate_params *p)
{
    const size_t before = out->n;

    if (rp_buf_add_str(out, RP_STR("permessage-deflate")) < 0 ||
        (p->server_no_context_takeover &&
         rp_buf_add_str(out, RP_STR("; server_no_context_takeover")) < 0) ||
        (p->client_no_context_takeover &&
         rp_buf_add_str(out, RP_STR("; client_no_context_takeover")) < 0) ||
        (p->server_bits_said &&
         rp_buf_addf(out, "; server_max_window_bits=%u", p->server_bits) < 0) ||
        (p->client_bits < MAX_BITS &&
         rp_buf_addf(out, "; client_max_window_bits=%u", p->client_bits) < 0)) {
        out->n = before;
        return -1;
    }
    return 0;
}
