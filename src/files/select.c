#include "rupy/files/select.h"

#include "rupy/http/date.h"

/* The fields of a request that matter here, found in one pass. */
struct conditions {
    struct rp_str match, none_match, modified, unmodified, range, if_range;
    unsigned nmatch, nnone_match, nranges;
};

/* Of lists over several lines, each is asked by itself: see find(). */
static void
collect(const struct rp_request *r, struct conditions *c)
{
    memset(c, 0, sizeof(*c));
    for (unsigned i = 0; i < r->nfields; i++) {
        struct rp_str name = r->fields[i].name, value = r->fields[i].value;

        switch (name.n) {
        case 5:
            if (rp_str_ieq(name, RP_STR("range"))) {
                c->range = value;
                c->nranges++;
            }
            break;
        case 8:
            if (rp_str_ieq(name, RP_STR("if-match")))
                c->nmatch++;
            else if (rp_str_ieq(name, RP_STR("if-range")))
                c->if_range = value;
            break;
        case 13:
            if (rp_str_ieq(name, RP_STR("if-none-match")))
                c->nnone_match++;
            break;
        case 17:
            if (rp_str_ieq(name, RP_STR("if-modified-since")))
                c->modified = value;
            break;
        case 19:
            if (rp_str_ieq(name, RP_STR("if-unmodified-since")))
                c->unmodified = value;
            break;
        }
    }
}

/* Take the next entity-tag off the front of a list (RFC 9110 8.8.3), its
 * quotes included; *weak: it had W/ in front.  false: no more, or malformed. */
static bool
next_etag(struct rp_str *rest, struct rp_str *tag, bool *weak)
{
    const char *end;

    while (rest->n > 0 &&
           (rest->p[0] == ' ' || rest->p[0] == '\t' || rest->p[0] == ',')) {
        rest->p++;
        rest->n--;
    }
    *weak = rest->n >= 2 && rest->p[0] == 'W' && rest->p[1] == '/';
    if (*weak) {
        rest->p += 2;
        rest->n -= 2;
    }
    if (rest->n < 2 || rest->p[0] != '"')
        return false;
    end = memchr(rest->p + 1, '"', rest->n - 1);
    if (!end)
        return false;
    *tag = (struct rp_str){rest->p, (size_t)(end + 1 - rest->p)};
    rest->p += tag->n;
    rest->n -= tag->n;
    return true;
}

/* RFC 9110 8.8.3.2.  Ours may be weak only when an application set it. */
static bool
is_listed(struct rp_str list, struct rp_str own, bool strong)
{
    bool own_weak = own.n >= 2 && own.p[0] == 'W', weak;
    struct rp_str tag;

    if (own.n == 0)
        return false;
    if (own_weak)
        own = (struct rp_str){own.p + 2, own.n - 2};
    while (next_etag(&list, &tag, &weak))
        if (rp_str_eq(tag, own) && !(strong && (weak || own_weak)))
            return true;
    return false;
}

/* Does any line of that field list our entity-tag, or "*"? */
static bool
matches(const struct rp_request *r, struct rp_str name, struct rp_str own,
        bool strong)
{
    for (unsigned i = 0; i < r->nfields; i++)
        if (rp_str_ieq(r->fields[i].name, name) &&
            (rp_str_eq(r->fields[i].value, RP_STR("*")) ||
             is_listed(r->fields[i].value, own, strong)))
            return true;
    return false;
}

/* RFC 9110 13.1.5: only what surely is the same file goes on in the middle. */
static bool
if_range_holds(struct rp_str value, const struct rp_validators *v, int64_t now)
{
    struct rp_str tag;
    int64_t date;
    bool weak;

    if (value.n == 0)
        return true;
    if (value.p[0] == '"' || value.p[0] == 'W') {
        struct rp_str rest = value;
        return next_etag(&rest, &tag, &weak) && rest.n == 0 &&
               is_listed(value, v->etag, true);
    }
    /* A date is a strong validator when the file is older than that
     * (RFC 9110 8.8.2.2). */
    date = rp_date_parse(value);
    return date >= 0 && date == v->modified && now > date;
}

/* The order of RFC 9110 13.2.2.  0: all conditions hold. */
static int
judge(const struct rp_request *r, const struct conditions *c,
      const struct rp_validators *v)
{
    int64_t date;

    if (c->nmatch > 0) {
        if (!matches(r, RP_STR("if-match"), v->etag, true))
            return 412;
    } else if (c->unmodified.n > 0 && v->modified >= 0) {
        date = rp_date_parse(c->unmodified);
        if (date >= 0 && v->modified > date)
            return 412;
    }
    if (c->nnone_match > 0) {
        if (matches(r, RP_STR("if-none-match"), v->etag, false))
            return 304;
    } else if (c->modified.n > 0 && v->modified >= 0) {
        date = rp_date_parse(c->modified);
        if (date >= 0 && v->modified <= date)
            return 304;
    }
    return 0;
}

void
rp_select(const struct rp_request *r, const struct rp_validators *v,
          int64_t now, struct rp_selection *s)
{
    struct conditions c;
    int n;

    collect(r, &c);
    s->n = 0;
    s->status = judge(r, &c, v);
    if (s->status != 0)
        return;
    s->status = 200;
    /* RFC 9110 14.2: Range is about GET, and the last condition. */
    if (c.nranges != 1 || r->method != RP_METHOD_GET ||
        !if_range_holds(c.if_range, v, now))
        return;
    n = rp_ranges_parse(c.range, v->size, s->ranges);
    if (n < 0) {
        s->status = 416;
    } else if (n > 0) {
        s->status = 206;
        s->n = (unsigned)n;
    }
}
