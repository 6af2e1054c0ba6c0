/* Options about proxies and hosts. */
#include <check.h>

#include "run.h"
#include "rupy/serve/config.h"

static struct rp_config config;

static void
set_up(void)
{
    rp_config_init(&config);
}

static void
tear_down(void)
{
    rp_config_fini(&config);
}

static int
set(const char *name, const char *value)
{
    return rp_config_set(&config, (struct rp_str){name, strlen(name)},
                         (struct rp_str){value, strlen(value)},
                         RP_SOURCE_COMMAND_LINE);
}

START_TEST(only_the_own_host_is_trusted_by_default)
{
    ck_assert_int_eq(rp_config_finish(&config), 0);
    ck_assert_uint_eq(config.forwarded_allow_ips.n, 3);
    ck_assert_str_eq(config.forwarded_allow_ips.v[2], "unix:");
    ck_assert_uint_eq(config.forwarded_what,
                      RP_FORWARDED_FOR | RP_FORWARDED_PROTO);
    ck_assert(config.strip_untrusted);
    ck_assert_int_eq(config.proxy_protocol, RP_PROXYPROTO_OFF);
    ck_assert_uint_eq(config.proxy_protocol_from.n, 2);
    ck_assert_str_eq(config.allowed_hosts.v[0], "*");
}
END_TEST

START_TEST(a_list_replaces_the_default_and_grows_by_repeating)
{
    ck_assert_int_eq(set("forwarded-allow-ips", "10.0.0.0/8, ::1"), 0);
    ck_assert_int_eq(set("forwarded_allow_ips", "unix:"), 0);
    ck_assert_uint_eq(config.forwarded_allow_ips.n, 3);
    ck_assert_str_eq(config.forwarded_allow_ips.v[1], "::1");
    ck_assert_int_eq(set("allowed-host", ".example.com"), 0);
    ck_assert_uint_eq(config.allowed_hosts.n, 1);
    ck_assert_int_eq(set("forwarded", "rfc7239,for"), 0);
    ck_assert_int_eq(rp_config_finish(&config), 0);
    ck_assert_uint_eq(config.forwarded_what,
                      RP_FORWARDED_RFC7239 | RP_FORWARDED_FOR);
}
END_TEST

START_TEST(the_variable_of_others_is_read)
{
    char name[] = "rupy-serve", *argv[] = {name, name, NULL};
    char text[] = "FORWARDED_ALLOW_IPS=10.0.0.0/8,*", *env[] = {text, NULL};

    ck_assert_int_eq(rp_config_from_argv(&config, 2, argv, env), 0);
    ck_assert_uint_eq(config.forwarded_allow_ips.n, 2);
    text[strlen(text) - 1] = '?';
    tear_down();
    set_up();
    ck_assert_int_eq(rp_config_from_argv(&config, 2, argv, env), -1);
    ck_assert_ptr_nonnull(strstr(config.error, "FORWARDED_ALLOW_IPS: '?' is"));
}
END_TEST

static const struct {
    const char *name, *value;
} bad[] = {
    {"forwarded-allow-ips", "10.0.0.1/8"},
    {"forwarded-allow-ips", "localhost"},
    {"forwarded-allow-ips", ""},
    {"forwarded-allow-ips", "::1,,::2"},
    {"proxy-protocol-from", "::1/200"},
    {"proxy-protocol", "v3"},
    {"forwarded", "for,evil"},
    {"forwarded-hops", "-1"},
    {"forwarded-hops", "65"},
    {"allowed-host", "a:80"},
    {"allowed-host", "http://a"},
};

START_TEST(a_mistake_is_one_line)
{
    ck_assert_int_eq(set(bad[_i].name, bad[_i].value), -1);
    ck_assert_ptr_eq(strstr(config.error, bad[_i].name), config.error);
    ck_assert_ptr_null(strchr(config.error, '\n'));
}
END_TEST

START_TEST(off_goes_with_nothing_else)
{
    ck_assert_int_eq(set("forwarded", "off,for"), 0);
    ck_assert_int_eq(rp_config_finish(&config), -1);
    ck_assert_ptr_nonnull(strstr(config.error, "--forwarded: off"));
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, only_the_own_host_is_trusted_by_default);
    tcase_add_test(t, a_list_replaces_the_default_and_grows_by_repeating);
    tcase_add_test(t, the_variable_of_others_is_read);
    tcase_add_loop_test(t, a_mistake_is_one_line, 0,
                        (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(t, off_goes_with_nothing_else);
    return run_tests("serve/front_options", t);
}
