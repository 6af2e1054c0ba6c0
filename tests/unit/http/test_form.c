/* Url-encoded forms and cookies: pairs out of bytes, at any cut. */
#include <check.h>

#include "../guard.h"
#include "run.h"
#include "rupy/http/cookie.h"
#include "rupy/http/form.h"

static struct guard guard;

static void
set_up(void)
{
    guard_init(&guard, 1 << 16);
}

static void
tear_down(void)
{
    guard_fini(&guard);
}

struct result {
    int err;
    size_t n;
    char text[256];
};

static void
say_pair(struct result *r, struct rp_str name, struct rp_str value)
{
    struct rp_str words[] = {RP_STR("["), name, RP_STR("="), value,
                             RP_STR("]")};

    for (size_t i = 0; i < 5; i++) {
        ck_assert_uint_le(r->n + words[i].n, sizeof(r->text));
        memcpy(r->text + r->n, words[i].p, words[i].n);
        r->n += words[i].n;
    }
}

static struct result
feed(const char *p, size_t n, size_t first, size_t step)
{
    struct rp_form_limits lim = {4, 200, 6, 10};
    struct result r = {.err = 0};
    struct rp_urlform f;
    size_t start = 0, end = first < n ? first : n;
    bool pair = false;

    rp_urlform_init(&f, &lim);
    while (r.err == 0 && start < n) {
        const char *at = guard_set(&guard, p + start, end - start);
        size_t used = 0;
        while (r.err == 0 && used < end - start) {
            ssize_t k =
                rp_urlform_feed(&f, at + used, end - start - used, &pair);
            if (k < 0)
                r.err = (int)k;
            else
                used += (size_t)k;
            if (k >= 0 && pair)
                say_pair(&r, f.name, f.value);
        }
        start = end;
        end = end + step < n ? end + step : n;
    }
    if (r.err == 0) {
        r.err = rp_urlform_finish(&f, &pair);
        if (pair)
            say_pair(&r, f.name, f.value);
    }
    rp_urlform_fini(&f);
    return r;
}

static const struct {
    const char *form;
    int err;
    const char *want;
    const char *why;
} forms[] = {
    {"", 0, "", "nothing"},
    {"a=b", 0, "[a=b]", "a pair"},
    {"a=b&c=d&a=", 0, "[a=b][c=d][a=]", "three"},
    {"a&=b&&", 0, "[a=][=b]", "halves, and nothing between"},
    {"a=b=c", 0, "[a=b=c]", "a second equals sign"},
    {"a+b=%2b+%26", 0, "[a b=+ &]", "plus and percent"},
    {"%C3%A4=%e2%82%ac", 0, "[\xc3\xa4=\xe2\x82\xac]", "UTF-8"},
    {"a=%&b=%4&c=%zz", 0, "[a=%][b=%4][c=%zz]", "no percent-encoding"},
    {"a;b=c", 0, "[a;b=c]", "a semicolon separates nothing"},
    {"%31%32%33%34%35%36=1", 0, "[123456=1]", "names count decoded"},
    {"1234567=1", RP_FORM_LONG_NAME, "", "a long name"},
    {"1234567890123456789012345678901234567890123456789012345",
     RP_FORM_LONG_NAME, "", "one that never ends"},
    {"a=12345678901", RP_FORM_LARGE_FIELD, "", "a large value"},
    {"a=1234567890123456789012345678901234567890123456789012345",
     RP_FORM_LARGE_FIELD, "", "one that never ends"},
    {"a=1&b=2&c=3&d=4&e=5", RP_FORM_MANY_PARTS, "[a=1][b=2][c=3][d=4]",
     "five pairs"},
};

START_TEST(pairs_are_found_at_any_cut)
{
    const char *p = forms[_i].form, *want = forms[_i].want;
    size_t n = strlen(p);

    for (size_t cut = 0; cut <= n; cut++) {
        for (size_t step = 1; step <= n + 1; step += n) {
            struct result r = feed(p, n, cut, step);
            ck_assert_msg(r.err == forms[_i].err, "%s, cut at %zu: %d",
                          forms[_i].why, cut, r.err);
            ck_assert_msg(r.n == strlen(want) && memcmp(r.text, want, r.n) == 0,
                          "%s, cut at %zu: %.*s", forms[_i].why, cut, (int)r.n,
                          r.text);
            if (n == 0)
                break;
        }
    }
}
END_TEST

static const struct {
    const char *field, *want, *why;
} cookies[] = {
    {"a=b", "[a=b]", "one"},
    {"a=b; c=d;e=f", "[a=b][c=d][e=f]", "three, with and without a space"},
    {"a=\"b c\"", "[a=b c]", "a quoted value"},
    {"a=\"b", "[a=\"b]", "half a quote stays"},
    {"a=b\"c\"", "[a=b\"c\"]", "quotes within stay"},
    {"a=b=c", "[a=b=c]", "a second equals sign"},
    {"a", "", "no pair"},
    {"a; b=c", "[b=c]", "no pair in front of one"},
    {";;; a=b;;", "[a=b]", "nothing between"},
    {" a = b ", "[a=b]", "spaces"},
    {"a=; =b", "[a=][=b]", "halves"},
    {"a=1; a=2", "[a=1][a=2]", "a name twice"},
};

START_TEST(cookies_are_pairs_between_semicolons)
{
    struct result r = {.err = 0};
    size_t n = strlen(cookies[_i].field);
    struct rp_str rest = {guard_set(&guard, cookies[_i].field, n), n};
    struct rp_str name, value;

    while (rp_cookie_next(&rest, &name, &value))
        say_pair(&r, name, value);
    ck_assert_msg(r.n == strlen(cookies[_i].want) &&
                      memcmp(r.text, cookies[_i].want, r.n) == 0,
                  "%s: %.*s", cookies[_i].why, (int)r.n, r.text);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("form");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, pairs_are_found_at_any_cut, 0,
                        sizeof(forms) / sizeof(forms[0]));
    tcase_add_loop_test(t, cookies_are_pairs_between_semicolons, 0,
                        sizeof(cookies) / sizeof(cookies[0]));
    return run_tests("http/form", t);
}
