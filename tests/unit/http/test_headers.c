/* What stands in a field, a host, a list, a cookie. */
#include <check.h>

#include "../guard.h"
#include "run.h"
#include "rupy/http/cookie.h"
#include "rupy/http/headers.h"
#include "rupy/http/method.h"
#include "rupy/http/status.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

START_TEST(hosts)
{
    static const struct {
        const char *p;
        bool want;
    } t[] = {
        {"localhost", true},
        {"localhost:", true},
        {"LOCALHOST:80", true},
        {"local_host", true},
        {"localhost.", true},
        {"local%68ost", true},
        {"127.0.0.1:65535", true},
        {"a!$&'()*+;=~-b", true},
        {"[::1]", true},
        {"[::1]:", true},
        {"[::1]:80", true},
        {"[::ffff:192.0.2.1]", true},
        {"[v1.a:b]", true},
        {"a:00080", true},
        {"", false},
        {":80", false},
        {":", false},
        {"a b", false},
        {"a,b", false},
        {"a/b", false},
        {"a?b", false},
        {"a#b", false},
        {"u@a", false},
        {"u:p@a", false},
        {"http://a", false},
        {"a:80:80", false},
        {"a:x", false},
        {"a:-1", false},
        {"a:+1", false},
        {"a:65536", false},
        {"a:99999999999999999999", false},
        {"[::1", false},
        {"::1", false},
        {"[]", false},
        {"[::1]x", false},
        {"[::1]x:80", false},
        {"[127.0.0.1]", false},
        {"[fe80::1%25e]", false},
        {"[1:2:3:4:5:6:7:8:9]", false},
        {"[v1.]", false},
        {"[v.a]", false},
        {"[v1]", false},
        {"a[::1]", false},
        {"a%", false},
        {"a%4", false},
        {"a%4g", false},
        {"a%00", false},
        {"a%0d%0a", false},
        {"a%7f", false},
        {"<a>", false},
        {"a\\b", false},
        {"a\"", false},
        {"a|b", false},
        {"a{", false},
        {"a^", false},
        {"a`", false},
        {"l\xf6", false},
        {"a\x01", false},
        {"a\t", false},
    };
    struct guard g;

    guard_init(&g, 64);
    for (size_t i = 0; i < COUNT(t); i++) {
        size_t n = strlen(t[i].p);
        struct rp_str s = {guard_set(&g, t[i].p, n), n};

        ck_assert_msg(rp_is_host(s) == t[i].want, "%s", t[i].p);
    }
    ck_assert(!rp_is_host(RP_STR("a\0b")));
    ck_assert(!rp_is_host(RP_STR("[::1\0]")));
    guard_fini(&g);
}
END_TEST

START_TEST(every_byte_as_token_and_as_value)
{
    static const char tchars[] = "!#$%&'*+-.^_`|~";

    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        bool alnum = (i >= '0' && i <= '9') || (i >= 'A' && i <= 'Z') ||
                     (i >= 'a' && i <= 'z');
        bool tchar = alnum || (i != 0 && strchr(tchars, i) != NULL);
        bool value = i == '\t' || (i >= 0x20 && i != 0x7f);

        ck_assert_int_eq(rp_is_token((struct rp_str){&c, 1}), tchar);
        ck_assert_int_eq(rp_is_field_value((struct rp_str){&c, 1}), value);
    }
    ck_assert(!rp_is_token((struct rp_str){"", 0}));
    ck_assert(rp_is_field_value((struct rp_str){"", 0}));
}
END_TEST

START_TEST(lists_are_parsed_over_all_lines)
{
    const struct rp_field v[] = {
        {RP_STR("connection"), RP_STR(" , a,,\tkeep-alive ,")},
        {RP_STR("X"), RP_STR("close")},
        {RP_STR("Connection"), RP_STR("b, \"c, d\"")},
    };
    struct rp_str name = RP_STR("CONNECTION");

    ck_assert(rp_fields_list_has(v, 3, name, RP_STR("Keep-Alive")));
    ck_assert(rp_fields_list_has(v, 3, name, RP_STR("B")));
    ck_assert(!rp_fields_list_has(v, 3, name, RP_STR("close")));
    ck_assert(!rp_fields_list_has(v, 3, name, RP_STR("")));
    ck_assert(!rp_fields_list_has(v, 3, name, RP_STR("keep")));
    ck_assert_ptr_eq(rp_fields_find(v, 3, RP_STR("x")), &v[1]);
    ck_assert_ptr_null(rp_fields_find(v, 3, RP_STR("y")));
    ck_assert_ptr_null(rp_fields_find(NULL, 0, RP_STR("y")));
}
END_TEST

START_TEST(fields_of_one_connection)
{
    static const char *const yes[] = {
        "Connection", "KEEP-ALIVE", "Proxy-Authenticate", "proxy-connection",
        "te",         "Trailer",    "transfer-encoding",  "Upgrade"};
    static const char *const no[] = {
        "",      "t",      "tea",       "Trailers",   "Content-Length",
        "proxy", "Proxy-", "X-Proxy-A", "Connections"};

    for (size_t i = 0; i < COUNT(yes); i++)
        ck_assert_msg(rp_is_hop_by_hop((struct rp_str){yes[i], strlen(yes[i])}),
                      "%s", yes[i]);
    for (size_t i = 0; i < COUNT(no); i++)
        ck_assert_msg(!rp_is_hop_by_hop((struct rp_str){no[i], strlen(no[i])}),
                      "%s", no[i]);
}
END_TEST

START_TEST(cookies_in_order)
{
    struct rp_str rest = RP_STR("a=1; b=\"x y\";;c; d=e=f ;=g;h=");
    static const char *const want[] = {"a",   "1", "b", "x y", "d",
                                       "e=f", "",  "g", "h",   ""};
    struct rp_str name, value;
    size_t i;

    for (i = 0; rp_cookie_next(&rest, &name, &value); i += 2) {
        ck_assert_uint_lt(i, COUNT(want));
        ck_assert(rp_str_eq(name, (struct rp_str){want[i], strlen(want[i])}));
        ck_assert(rp_str_eq(value,
                            (struct rp_str){want[i + 1], strlen(want[i + 1])}));
    }
    ck_assert_uint_eq(i, COUNT(want));
}
END_TEST

START_TEST(parts_of_set_cookie)
{
    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        bool value = i > 0x20 && i < 0x7f && strchr("\",;\\", i) == NULL;
        bool attr = i >= 0x20 && i < 0x7f && i != ';';

        ck_assert_int_eq(rp_is_cookie_value((struct rp_str){&c, 1}), value);
        ck_assert_int_eq(rp_is_cookie_attr((struct rp_str){&c, 1}), attr);
    }
}
END_TEST

START_TEST(methods_and_statuses)
{
    ck_assert_int_eq(rp_method_from_str(RP_STR("QUERY")), RP_METHOD_QUERY);
    ck_assert_int_eq(rp_method_from_str(RP_STR("get")), RP_METHOD_OTHER);
    ck_assert_int_eq(rp_method_from_str(RP_STR("")), RP_METHOD_OTHER);
    ck_assert(rp_str_eq(rp_method_name(RP_METHOD_PATCH), RP_STR("PATCH")));
    ck_assert_ptr_null(rp_method_name(RP_METHOD_OTHER).p);
    ck_assert(rp_str_eq(rp_status_reason(404), RP_STR("Not Found")));
    ck_assert(rp_str_eq(rp_status_reason(299), RP_STR("Unknown")));
    ck_assert(rp_str_eq(rp_status_reason(999), RP_STR("Unknown")));
    ck_assert(
        rp_str_eq(rp_status_line(103), RP_STR("HTTP/1.1 103 Early Hints\r\n")));
    ck_assert_ptr_null(rp_status_line(299).p);
    ck_assert_ptr_null(rp_status_line(99).p);
    ck_assert_ptr_null(rp_status_line(512).p);
    ck_assert(rp_status_has_content(200) && rp_status_has_content(205));
    ck_assert(!rp_status_has_content(103) && !rp_status_has_content(204) &&
              !rp_status_has_content(304));
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_test(t, hosts);
    tcase_add_test(t, every_byte_as_token_and_as_value);
    tcase_add_test(t, lists_are_parsed_over_all_lines);
    tcase_add_test(t, fields_of_one_connection);
    tcase_add_test(t, cookies_in_order);
    tcase_add_test(t, parts_of_set_cookie);
    tcase_add_test(t, methods_and_statuses);
    return run_tests("http/headers", t);
}
