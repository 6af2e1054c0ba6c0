/* What proxies say, and how much of it is believed. */
#include <check.h>
#include <stdio.h>

#include "guard.h"
#include "heads.h"
#include "run.h"
#include "rupy/http/forwarded.h"
#include "rupy/http/hosts.h"

enum {
    F = RP_FORWARDED_FOR,
    P = RP_FORWARDED_PROTO,
    H = RP_FORWARDED_HOST,
    O = RP_FORWARDED_PORT,
    X = RP_FORWARDED_PREFIX,
    R = RP_FORWARDED_RFC7239,
    ALL = F | P | H | O | X,
};

#define XFF "X-Forwarded-For: "

/* The peer is trusted, as are 10.0.0.0/8, fd00::/8 and unix sockets. */
static const struct {
    unsigned what, hops;
    const char *fields, *want;
} cases[] = {
    {F | P, 0, "", ""},
    {F | P, 0, XFF "192.0.2.1", "192.0.2.1:0"},
    {F | P, 0, "x-FORWARDED-for:192.0.2.1", "192.0.2.1:0"},
    {F | P, 0, XFF "192.0.2.1:4711", "192.0.2.1:4711"},
    {F | P, 0, XFF "2001:DB8::1", "2001:db8::1:0"},
    {F | P, 0, XFF "[2001:db8::1]", "2001:db8::1:0"},
    {F | P, 0, XFF "[2001:db8::1]:80", "2001:db8::1:80"},
    {F | P, 0, XFF "::ffff:192.0.2.1", "192.0.2.1:0"},
    {F | P, 0, XFF "unix:", "unix"},
    /* right to left */
    {F | P, 0, XFF "6.6.6.6, 192.0.2.1", "192.0.2.1:0"},
    {F | P, 0, XFF "6.6.6.6, 192.0.2.1, 10.0.0.1", "192.0.2.1:0"},
    {F | P, 0, XFF "6.6.6.6,192.0.2.1 ,\t10.0.0.1:99, fd00::5", "192.0.2.1:0"},
    {F | P, 0, XFF "192.0.2.1, unix:, 10.0.0.1", "192.0.2.1:0"},
    {F | P, 0, XFF "10.0.0.2, 10.0.0.1", "10.0.0.2:0"},
    {F | P, 0, XFF "6.6.6.6\n" XFF "192.0.2.1\n" XFF "10.0.0.1", "192.0.2.1:0"},
    {F | P, 0, XFF "6.6.6.6\nA: b\n" XFF "192.0.2.1", "192.0.2.1:0"},
    {F | P, 0, XFF "192.0.2.1, , ,10.0.0.1,", "192.0.2.1:0"},
    {F | P, 0, XFF "\n" XFF ",", ""},
    /* garbage stops it */
    {F | P, 0, XFF "unknown", ""},
    {F | P, 0, XFF "192.0.2.1, unknown, 10.0.0.1", "10.0.0.1:0"},
    {F | P, 0, XFF "192.0.2.1, 10.0.0.1x", ""},
    {F | P, 0, XFF "192.0.2.1:65536", ""},
    {F | P, 0, XFF "192.0.2.1:0", ""},
    {F | P, 0, XFF "192.0.2.1:", ""},
    {F | P, 0, XFF "[2001:db8::1", ""},
    {F | P, 0, XFF "[2001:db8::1]x", ""},
    {F | P, 0, XFF "[192.0.2.1]", ""},
    {F | P, 0, XFF "[]", ""},
    {F | P, 0, XFF "\"192.0.2.1\"", ""},
    {F | P, 0, XFF "192.0.2.1 10.0.0.1", ""},
    /* nobody else's business */
    {F | P, 0, "X_Forwarded_For: 192.0.2.1", ""},
    {F | P, 0, "X-Real-IP: 192.0.2.1\nForwarded: for=192.0.2.1", ""},
    {P, 0, XFF "192.0.2.1", ""},
    {0, 0, XFF "192.0.2.1\nX-Forwarded-Proto: https", ""},
    /* scheme, host, port, prefix */
    {F | P, 0, "X-Forwarded-Proto: https", " https"},
    {F | P, 0, "X-Forwarded-Proto: HTTP", " http"},
    {F | P, 0, "X-Forwarded-Proto: wss", " https"},
    {F | P, 0, "X-Forwarded-Proto: ws", " http"},
    {F | P, 0, "X-Forwarded-Proto: javascript", ""},
    {F, 0, "X-Forwarded-Proto: https", ""},
    {F | P, 0, XFF "192.0.2.1\nX-Forwarded-Proto: https, http",
     "192.0.2.1:0 http"},
    {F | P, 0, XFF "192.0.2.1, 10.0.0.1\nX-Forwarded-Proto: https, http",
     "192.0.2.1:0 https"},
    {F | P, 0, XFF "192.0.2.1, 10.0.0.1\nX-Forwarded-Proto: https",
     "192.0.2.1:0 https"},
    {F | P, 0,
     XFF "6.6.6.6, 192.0.2.1, 10.0.0.1\n"
         "X-Forwarded-Proto: ws, https, http",
     "192.0.2.1:0 https"},
    {ALL, 0, "X-Forwarded-Host: a.example:81", " host a.example:81"},
    {ALL, 0, "X-Forwarded-Host: evil, a.example", " host a.example"},
    {ALL, 0, "X-Forwarded-Host: a/b", ""},
    {ALL, 0, "X-Forwarded-Host: a@b", ""},
    {F | P, 0, "X-Forwarded-Host: a.example", ""},
    {ALL, 0, "X-Forwarded-Port: 8443", " port 8443"},
    {ALL, 0, "X-Forwarded-Port: 0", ""},
    {ALL, 0, "X-Forwarded-Port: 70000", ""},
    {ALL, 0, "X-Forwarded-Port: +80", ""},
    {ALL, 0, "X-Forwarded-Prefix: /shop/", " prefix /shop"},
    {ALL, 0, "X-Forwarded-Prefix: /a/b-c", " prefix /a/b-c"},
    {ALL, 0, "X-Forwarded-Prefix: /", ""},
    {ALL, 0, "X-Forwarded-Prefix: shop", ""},
    {ALL, 0, "X-Forwarded-Prefix: //evil.example", ""},
    {ALL, 0, "X-Forwarded-Prefix: /a//b", ""},
    {ALL, 0, "X-Forwarded-Prefix: /a/../b", ""},
    {ALL, 0, "X-Forwarded-Prefix: /a?b", ""},
    {ALL, 0, "X-Forwarded-Prefix: /a\"b", ""},
    /* a fixed number of them */
    {F | P, 1, XFF "192.0.2.1, 10.0.0.1", "10.0.0.1:0"},
    {F | P, 2, XFF "6.6.6.6, 192.0.2.1, 198.51.100.1", "192.0.2.1:0"},
    {F | P, 2, XFF "192.0.2.1, unknown", "192.0.2.1:0"},
    {F | P, 2, XFF "unknown, 192.0.2.1", ""},
    {F | P, 3, XFF "192.0.2.1, 198.51.100.1", ""},
    {F | P, 2, XFF "192.0.2.1, 10.0.0.1\nX-Forwarded-Proto: https, http",
     "192.0.2.1:0 https"},
    /* RFC 7239 */
    {R | F | P, 0, "Forwarded: for=192.0.2.1", "192.0.2.1:0"},
    {R | F | P, 0, "Forwarded: For=\"192.0.2.1:4711\";Proto=https",
     "192.0.2.1:4711 https"},
    {R | F | P, 0, "Forwarded: for=\"[2001:db8::1]:80\"", "2001:db8::1:80"},
    {R | F | P, 0,
     "Forwarded: for=6.6.6.6, for=192.0.2.1;proto=https, for=10.0.0.1",
     "192.0.2.1:0 https"},
    {R | F | P, 0,
     "Forwarded: for=6.6.6.6;proto=https\nForwarded: "
     "for=192.0.2.1;proto=http",
     "192.0.2.1:0 http"},
    {R | F | P, 0, "Forwarded: for=192.0.2.1;by=10.0.0.1;x=\"a,b;c\\\"d\"",
     "192.0.2.1:0"},
    {R | F | P | H, 0, "Forwarded: host=\"a.example:81\";for=192.0.2.1",
     "192.0.2.1:0 host a.example:81"},
    {R | F | P, 0, "Forwarded: host=a.example", ""},
    {R | F | P, 0, "Forwarded: for=_hidden;proto=https", " https"},
    {R | F | P, 0, "Forwarded: for=unknown, for=10.0.0.1", "10.0.0.1:0"},
    {R | F | P, 0, "Forwarded: proto=https", " https"},
    {R | F | P, 0, "Forwarded: , for=192.0.2.1 , ,", "192.0.2.1:0"},
    {R | F | P, 0, XFF "192.0.2.1", ""},
    {R | F | P, 2, "Forwarded: for=192.0.2.1;proto=https, for=10.0.0.1",
     "192.0.2.1:0 https"},
    {R | F | P, 2, "Forwarded: for=192.0.2.1;proto=https", ""},
    /* what the client leaves open does not swallow what the proxy adds */
    {R | F | P, 0, "Forwarded: for=\"6.6.6.6, for=192.0.2.1", ""},
    {R | F | P, 0, "Forwarded: for=\"6.6.6.6, for=\"[2001:db8::1]\"", ""},
    {R | F | P, 0, "Forwarded: x=\"\nForwarded: for=192.0.2.1", "192.0.2.1:0"},
    {R | F | P, 0, "Forwarded: for=\"6.6.6.6\\", ""},
    {R | F | P, 0, "Forwarded: for=6.6.6.6;for=192.0.2.1", ""},
    {R | F | P, 0, "Forwarded: for=192.0.2.1:80", ""},
    {R | F | P, 0, "Forwarded: for", ""},
    {R | F | P, 0, "Forwarded: for=", ""},
    {R | F | P, 0, "Forwarded: for =192.0.2.1", ""},
    {R | F | P, 0, "Forwarded: =192.0.2.1", ""},
    {R | F | P, 0, "Forwarded: for=192.0.2.1 proto=https", ""},
};

static unsigned
split(const char *text, struct guard *g, struct rp_field *v)
{
    size_t n = strlen(text);
    const char *p = guard_set(g, text, n), *end = p + n;
    unsigned k = 0;

    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        const char *stop = lf ? lf : end;
        const char *colon = memchr(p, ':', (size_t)(stop - p));

        v[k].name = (struct rp_str){p, (size_t)(colon - p)};
        v[k++].value =
            rp_str_trim((struct rp_str){colon + 1, (size_t)(stop - colon) - 1});
        p = stop + (lf != NULL);
    }
    return k;
}

static void
render(const struct rp_forwarded *f, char out[300])
{
    char addr[RP_ADDR_TEXT];
    int n = 0;

    out[0] = '\0';
    if (f->has_client && f->client.is_unix) {
        n += snprintf(out, 300, "unix");
    } else if (f->has_client) {
        rp_addr_format(&f->client, addr);
        n += snprintf(out, 300, "%s:%u", addr, f->client_port);
    }
    if (f->has_scheme)
        n += snprintf(out + n, 10, " http%s", f->is_https ? "s" : "");
    if (f->host.n > 0)
        n += snprintf(out + n, 100, " host %.*s", RP_STR_ARG(f->host));
    if (f->port > 0)
        n += snprintf(out + n, 20, " port %u", f->port);
    if (f->prefix.n > 0)
        snprintf(out + n, 100, " prefix %.*s", RP_STR_ARG(f->prefix));
}

static void
trust_some(struct rp_trust *t)
{
    const char *why;

    ck_assert_int_eq(rp_trust_add(t, RP_STR("10.0.0.0/8"), &why), 0);
    ck_assert_int_eq(rp_trust_add(t, RP_STR("fd00::/8"), &why), 0);
    ck_assert_int_eq(rp_trust_add(t, RP_STR("unix:"), &why), 0);
}

START_TEST(as_much_is_believed_as_trusted_proxies_wrote)
{
    struct rp_forwarded_rules rules = {.what = cases[_i].what,
                                       .hops = cases[_i].hops};
    struct rp_forwarded f;
    struct rp_field v[8];
    struct guard g;
    char text[300];

    trust_some(&rules.trust);
    guard_init(&g, 512);
    rp_forwarded_read(&rules, v, split(cases[_i].fields, &g, v), &f);
    render(&f, text);
    ck_assert_msg(strcmp(text, cases[_i].want) == 0, "%s gave '%s'",
                  cases[_i].fields, text);
    guard_fini(&g);
    rp_trust_fini(&rules.trust);
}
END_TEST

/* A client may send what looks like many proxies of ours. */
START_TEST(the_walk_ends_after_so_many_steps)
{
    struct rp_forwarded_rules rules = {.what = F};
    struct rp_forwarded f;
    struct rp_field v[RP_FORWARDED_MAX + 2];
    char addr[RP_ADDR_TEXT];

    trust_some(&rules.trust);
    for (unsigned i = 0; i < RP_FORWARDED_MAX + 2; i++) {
        v[i].name = RP_STR("x-forwarded-for");
        v[i].value = i == 2 ? RP_STR("10.0.0.2") : RP_STR("10.0.0.1");
    }
    rp_forwarded_read(&rules, v, RP_FORWARDED_MAX + 2, &f);
    rp_addr_format(&f.client, addr);
    ck_assert_str_eq(addr, "10.0.0.2");
    for (unsigned i = 0; i < RP_FORWARDED_MAX + 2; i++) {
        v[i].name = RP_STR("forwarded");
        v[i].value = i == 2 ? RP_STR("for=10.0.0.2") : RP_STR("for=10.0.0.1");
    }
    rules.what |= R;
    rp_forwarded_read(&rules, v, RP_FORWARDED_MAX + 2, &f);
    rp_addr_format(&f.client, addr);
    ck_assert_str_eq(addr, "10.0.0.2");
    rp_trust_fini(&rules.trust);
}
END_TEST

static const struct {
    const char *name;
    bool is_field, is_disguised;
} names[] = {
    {"X-Forwarded-For", true, false},    {"x-forwarded-proto", true, false},
    {"X-Forwarded-Server", true, false}, {"Forwarded", true, false},
    {"X-Real-IP", true, false},          {"X_Forwarded_For", true, true},
    {"X-Forwarded_For", true, true},     {"x_real-ip", true, true},
    {"Forwarded-For", false, false},     {"X-Forwarded", false, false},
    {"X-Forwarder-For", false, false},   {"Host", false, false},
    {"X-Real-IPs", false, false},        {"My_Header", false, false},
};

START_TEST(fields_of_proxies_are_known_by_name_also_in_a_head)
{
    struct rp_str name = {names[_i].name, strlen(names[_i].name)};
    struct rp_limits lim = RP_LIMITS_DEFAULT;
    struct rp_memos *memos = rp_memos_new(4);
    struct rp_field fields[RP_MAX_FIELDS];
    struct rp_request r;
    struct rp_parser ps;
    char head[200];
    int n;

    ck_assert(rp_forwarded_is_field(name) == names[_i].is_field);
    ck_assert(rp_forwarded_is_disguised(name) == names[_i].is_disguised);
    n = snprintf(head, sizeof(head),
                 "GET / HTTP/1.1\r\n%s: a\r\n%sA: b\r\n\r\n", names[_i].name,
                 _i == 11 ? "" : "Host: a\r\n");
    /* The third time it comes out of a memo. */
    rp_parser_init(&ps, memos);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(rp_parser_head(&ps, &lim, head, (size_t)n, fields, &r),
                         n);
        ck_assert(r.has_forwarded == names[_i].is_field);
    }
    ck_assert(r.block_id != 0);
    rp_parser_fini(&ps);
    rp_memos_free(memos);
}
END_TEST

static const struct {
    const char *words;
    unsigned want; /* 999: refused */
} options[] = {
    {"off", 0},
    {"x-forwarded", F | P},
    {"for proto", F | P},
    {"HOST", H},
    {"for proto host port prefix", ALL},
    {"rfc7239", R | F | P},
    {"rfc7239 for host", R | F | H},
    {"x-forwarded host", F | P | H},
    {"rfc7239 prefix", 999},
    {"off for", 999},
    {"forr", 999},
    {"", 999},
};

START_TEST(the_words_of_the_option_are_read)
{
    const char *p = options[_i].words, *why = NULL;
    unsigned what = 0;
    int rc = 0;

    do {
        size_t n = strcspn(p, " ");
        rc = rp_forwarded_add(&what, (struct rp_str){p, n}, &why);
        p += n + (p[n] == ' ');
    } while (rc == 0 && *p);
    if (rc == 0)
        rc = rp_forwarded_finish(&what, &why);
    ck_assert_int_eq(rc, options[_i].want == 999 ? -1 : 0);
    if (rc == 0)
        ck_assert_uint_eq(what, options[_i].want);
    else
        ck_assert_ptr_nonnull(why);
}
END_TEST

static const struct {
    const char *pattern, *host;
    bool want;
} hosts[] = {
    {"*", "a", true},
    {"*", "", true},
    {"a.example", "a.example", true},
    {"a.example", "A.Example:8080", true},
    {"A.example", "a.example.", true},
    {"a.example", "a.example.:80", true},
    {"a.example", "b.a.example", false},
    {"a.example", "aa.example", false},
    {"a.example", "a.example.evil", false},
    {"a.example", "", false},
    {".a.example", "a.example", true},
    {".a.example", "b.a.example", true},
    {".a.example", "c.b.a.example:1", true},
    {".a.example", "ba.example", false},
    {".a.example", ".a.example", false},
    {"*.a.example", "b.a.example", true},
    {"*.a.example", "a.example", false},
    {"[::1]", "[::1]:80", true},
    {"[::1]", "[::1]", true},
    {"[::1]", "[::2]", false},
    {"192.0.2.1", "192.0.2.1:80", true},
};

START_TEST(a_host_fits_a_pattern_or_does_not)
{
    struct rp_str host = {hosts[_i].host, strlen(hosts[_i].host)};
    struct guard g;

    guard_init(&g, 64);
    host.p = guard_set(&g, host.p, host.n);
    ck_assert_ptr_null(rp_hosts_check(
        (struct rp_str){hosts[_i].pattern, strlen(hosts[_i].pattern)}));
    ck_assert(rp_hosts_allow(&hosts[_i].pattern, 1, host) == hosts[_i].want);
    guard_fini(&g);
}
END_TEST

static const char *const bad_hosts[] = {
    "", ".", "*.", "a:80", "a b", "*.*.a", "a*", "..a", "http://a", "[::1]:80",
};

START_TEST(a_pattern_that_fits_nothing_is_refused)
{
    ck_assert_ptr_nonnull(
        rp_hosts_check((struct rp_str){bad_hosts[_i], strlen(bad_hosts[_i])}));
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof(table[0]))

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, as_much_is_believed_as_trusted_proxies_wrote, 0,
                        N(cases));
    tcase_add_test(t, the_walk_ends_after_so_many_steps);
    tcase_add_loop_test(t, fields_of_proxies_are_known_by_name_also_in_a_head,
                        0, N(names));
    tcase_add_loop_test(t, the_words_of_the_option_are_read, 0, N(options));
    tcase_add_loop_test(t, a_host_fits_a_pattern_or_does_not, 0, N(hosts));
    tcase_add_loop_test(t, a_pattern_that_fits_nothing_is_refused, 0,
                        N(bad_hosts));
    return run_tests("http/forwarded", t);
}
