/* fuzz_forwarded.c -- a byte of rules, then field lines.
 *
 * Whatever they say: what is found lies inside of them, a host and a prefix
 * are what they should be, nothing is found that was not asked for, and what
 * stands in front of an untrusted address changes nothing. */
#include <stdlib.h>

#include "rupy/http/forwarded.h"
#include "rupy/http/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { FIELDS_MAX = 32 };

static void
require(bool fact)
{
    if (!fact)
        abort();
}

static bool
is_inside(struct rp_str s, struct rp_str all)
{
    return s.n == 0 || (s.p >= all.p && s.p + s.n <= all.p + all.n);
}

static unsigned
split(struct rp_str rest, struct rp_field *v)
{
    static const struct rp_str names[] = {
        {"x-forwarded-for", 15},  {"x-forwarded-proto", 17},
        {"x-forwarded-host", 16}, {"x-forwarded-port", 16},
        {"forwarded", 9},         {"x-forwarded-prefix", 18},
    };
    unsigned k = 0;

    while (rest.n > 0 && k < FIELDS_MAX) {
        const char *lf = memchr(rest.p, '\n', rest.n);
        size_t line = lf ? (size_t)(lf - rest.p) : rest.n;

        v[k].name = names[(unsigned char)rest.p[0] % 6];
        if (line > 0)
            v[k++].value = rp_str_trim((struct rp_str){rest.p + 1, line - 1});
        rest.p += line + (lf != NULL);
        rest.n -= line + (lf != NULL);
    }
    return k;
}

static void
check(const struct rp_forwarded_rules *rules, const struct rp_forwarded *f,
      struct rp_str all)
{
    char text[RP_ADDR_TEXT];
    struct rp_addr again;

    require(is_inside(f->host, all) && is_inside(f->prefix, all));
    require(f->host.n == 0 || rp_is_host(f->host));
    require(f->prefix.n == 0 ||
            (f->prefix.p[0] == '/' && f->prefix.p[f->prefix.n - 1] != '/' &&
             !memmem(f->prefix.p, f->prefix.n, "//", 2)));
    require(!f->has_client || (rules->what & RP_FORWARDED_FOR));
    require(!f->has_scheme || (rules->what & RP_FORWARDED_PROTO));
    require(f->host.n == 0 || (rules->what & RP_FORWARDED_HOST));
    if (!f->has_client || f->client.is_unix)
        return;
    rp_addr_format(&f->client, text);
    require(rp_addr_parse(&again, (struct rp_str){text, strlen(text)}) == 0);
    require(memcmp(again.bytes, f->client.bytes, 16) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct rp_forwarded_rules rules = {.what = 0};
    struct rp_field v[FIELDS_MAX + 1];
    struct rp_str all;
    struct rp_forwarded f, forged;
    const char *why, *pattern = ".a.example";
    unsigned k;

    if (n < 2)
        return 0;
    all = (struct rp_str){(const char *)data + 2, n - 2};
    rules.what = data[0] & 63;
    rules.hops = data[1] & 3;
    require(rp_trust_add(&rules.trust, RP_STR("10.0.0.0/8"), &why) == 0);
    k = split(all, v + 1);
    rp_forwarded_read(&rules, v + 1, k, &f);
    check(&rules, &f, all);
    rp_hosts_allow(&pattern, 1, all);
    rp_forwarded_is_disguised(all);
    rp_trust_add(&rules.trust, all, &why);
    /* The client puts a line of its own in front. */
    if (f.has_client && rules.hops == 0 &&
        !rp_trust_has(&rules.trust, &f.client)) {
        v[0].name = rules.what & RP_FORWARDED_RFC7239
                        ? RP_STR("forwarded")
                        : RP_STR("x-forwarded-for");
        v[0].value = rules.what & RP_FORWARDED_RFC7239 ? RP_STR("for=6.6.6.6")
                                                       : RP_STR("6.6.6.6");
        rp_forwarded_read(&rules, v, k + 1, &forged);
        require(memcmp(&f.client, &forged.client, sizeof(f.client)) == 0);
    }
    rp_trust_fini(&rules.trust);
    return 0;
}
