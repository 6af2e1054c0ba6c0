/* Addresses, and who is trusted. */
#include <check.h>

#include "guard.h"
#include "run.h"
#include "rupy/base/trust.h"

static struct rp_str
as_str(const char *p)
{
    return (struct rp_str){p, strlen(p)};
}

static const struct {
    const char *text, *want; /* NULL: refused */
} addresses[] = {
    {"192.0.2.1", "192.0.2.1"},
    {"0.0.0.0", "0.0.0.0"},
    {"255.99.100.10", "255.99.100.10"},
    {"9.109.200.101", "9.109.200.101"},
    {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
    {"::", "::"},
    {"::ffff:192.0.2.1", "192.0.2.1"},
    {"::ffff:c000:201", "192.0.2.1"},
    {"1111:2222:3333:4444:5555:6666:255.255.255.255",
     "1111:2222:3333:4444:5555:6666:ffff:ffff"},
    {"", NULL},
    {"192.0.2", NULL},
    {"192.0.2.256", NULL},
    {"192.0.2.010", NULL},
    {"0x7f.1", NULL},
    {"2130706433", NULL},
    {" 192.0.2.1", NULL},
    {"192.0.2.1 ", NULL},
    {"192.0.2.1:80", NULL},
    {"[::1]", NULL},
    {"fe80::1%eth0", NULL},
    {":::", NULL},
    {"localhost", NULL},
    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa", NULL},
};

START_TEST(an_address_is_read_to_its_end_or_refused)
{
    struct rp_str text = as_str(addresses[_i].text);
    const char *want = addresses[_i].want;
    char got[RP_ADDR_TEXT];
    struct rp_addr a;
    struct guard g;
    int rc;

    guard_init(&g, 64);
    text.p = guard_set(&g, text.p, text.n);
    rc = rp_addr_parse(&a, text);
    ck_assert_int_eq(rc, want ? 0 : -1);
    if (want) {
        rp_addr_format(&a, got);
        ck_assert_str_eq(got, want);
    }
    guard_fini(&g);
}
END_TEST

START_TEST(a_nul_does_not_end_an_address)
{
    struct rp_addr a;

    ck_assert_int_eq(rp_addr_parse(&a, RP_STR("192.0.2.1\0x")), -1);
}
END_TEST

static const struct {
    const char *list, *addr;
    bool want;
} trusts[] = {
    {"", "127.0.0.1", false},
    {"none", "127.0.0.1", false},
    {"*", "127.0.0.1", true},
    {"*", "unix:", true},
    {"unix:", "unix:", true},
    {"unix:", "127.0.0.1", false},
    {"127.0.0.1", "unix:", false},
    {"127.0.0.1", "127.0.0.1", true},
    {"127.0.0.1", "127.0.0.2", false},
    {"127.0.0.1", "::ffff:127.0.0.1", true},
    {"::ffff:127.0.0.1", "127.0.0.1", true},
    {"10.0.0.0/8", "10.255.255.255", true},
    {"10.0.0.0/8", "11.0.0.0", false},
    {"10.0.0.0/8", "9.255.255.255", false},
    {"192.0.2.128/25", "192.0.2.127", false},
    {"192.0.2.128/25", "192.0.2.128", true},
    {"192.0.2.4/30", "192.0.2.7", true},
    {"192.0.2.4/30", "192.0.2.8", false},
    {"192.0.2.1/32", "192.0.2.1", true},
    {"192.0.2.1/32", "192.0.2.0", false},
    {"0.0.0.0/0", "203.0.113.9", true},
    {"0.0.0.0/0", "2001:db8::1", false},
    {"::/0", "2001:db8::1", true},
    {"::/0", "203.0.113.9", false},
    {"::ffff:10.0.0.0/104", "10.1.2.3", true},
    {"2001:db8::/33", "2001:db8:7fff::1", true},
    {"2001:db8::/33", "2001:db8:8000::1", false},
    {"::1/128", "::1", true},
    {"::1/128", "::", false},
    {"a::1 192.0.2.1 10.0.0.0/8 b::/16 unix: 198.51.100.7", "198.51.100.7",
     true},
    {"a::1 192.0.2.1 10.0.0.0/8 b::/16 unix: 198.51.100.7", "b::5", true},
    {"a::1 192.0.2.1 10.0.0.0/8 b::/16 unix: 198.51.100.7", "unix:", true},
    {"a::1 192.0.2.1 10.0.0.0/8 b::/16 unix: 198.51.100.7", "c::", false},
};

START_TEST(a_peer_is_trusted_by_address_network_or_kind)
{
    struct rp_trust t = {.n = 0};
    struct rp_addr addr = {.is_unix = true};
    const char *p = trusts[_i].list, *why;

    while (*p) {
        size_t n = strcspn(p, " ");
        ck_assert_int_eq(rp_trust_add(&t, (struct rp_str){p, n}, &why), 0);
        p += n + (p[n] == ' ');
    }
    if (strcmp(trusts[_i].addr, "unix:") != 0)
        ck_assert_int_eq(rp_addr_parse(&addr, as_str(trusts[_i].addr)), 0);
    ck_assert(rp_trust_has(&t, &addr) == trusts[_i].want);
    rp_trust_fini(&t);
}
END_TEST

static const char *const bad[] = {
    "",           "localhost",    "10.0.0.1/8",    "10.0.0.0/33", "10.0.0.0/",
    "10.0.0.0/a", "10.0.0.0/-1",  "10.0.0/8",      "::1/129",     "::1/64",
    "/8",         "127.0.0.1:80", "::ffff:0:0/80", "unix",        "unix:/run/x",
    "**",         "10.0.0.0/8/8",
};

START_TEST(a_bad_entry_is_refused_with_a_reason)
{
    struct rp_trust t = {.n = 0};
    const char *why = NULL;

    ck_assert_int_eq(rp_trust_add(&t, as_str(bad[_i]), &why), -1);
    ck_assert_ptr_nonnull(why);
    ck_assert_uint_eq(t.n, 0);
    rp_trust_fini(&t);
}
END_TEST

#define N(table) (int)(sizeof(table) / sizeof(table[0]))

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, an_address_is_read_to_its_end_or_refused, 0,
                        N(addresses));
    tcase_add_test(t, a_nul_does_not_end_an_address);
    tcase_add_loop_test(t, a_peer_is_trusted_by_address_network_or_kind, 0,
                        N(trusts));
    tcase_add_loop_test(t, a_bad_entry_is_refused_with_a_reason, 0, N(bad));
    return run_tests("base/trust", t);
}
