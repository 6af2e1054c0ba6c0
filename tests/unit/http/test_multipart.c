/* Multipart forms: what is taken and what is refused, at any cut. */
#include <check.h>
#include <stdio.h>

#include "../guard.h"
#include "run.h"
#include "rupy/http/multipart.h"

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

#define LIMITS ((struct rp_form_limits){4, 200, 20, 100})

struct result {
    int err;
    size_t n;
    char text[1024]; /* what came, in words */
};

static void
say(struct result *r, const char *p, size_t n)
{
    ck_assert_uint_le(r->n + n, sizeof(r->text));
    if (n > 0)
        memcpy(r->text + r->n, p, n);
    r->n += n;
}

static void
say_part(struct result *r, const struct rp_multipart *m)
{
    say(r, "[", 1);
    say(r, m->name.p, m->name.n);
    if (m->filename.p != NULL) {
        say(r, "|", 1);
        say(r, m->filename.p, m->filename.n);
    }
    if (m->content_type.n > 0) {
        say(r, " ", 1);
        say(r, m->content_type.p, m->content_type.n);
    }
    say(r, "]", 1);
}

/* Feed p..p+n in pieces that end at first, then every `step` bytes. */
static struct result
feed(const char *p, size_t n, size_t first, size_t step)
{
    struct rp_form_limits lim = LIMITS;
    struct rp_multipart m;
    struct result r = {.err = 0};
    size_t start = 0, end = first < n ? first : n;

    r.err = rp_multipart_init(&m, RP_STR("xx"), &lim);
    while (r.err == 0 && start < n) {
        const char *at = guard_set(&guard, p + start, end - start);
        size_t used = 0;
        enum rp_multipart_event event;
        do {
            struct rp_str data;
            ssize_t k = rp_multipart_feed(&m, at + used, end - start - used,
                                          &event, &data);
            if (k < 0) {
                r.err = (int)k;
                ck_assert_int_eq(rp_multipart_feed(&m, at, 1, &event, &data),
                                 k);
                break;
            }
            used += (size_t)k;
            if (event == RP_MULTIPART_PART)
                say_part(&r, &m);
            else if (event == RP_MULTIPART_DATA)
                say(&r, data.p, data.n);
            else if (event == RP_MULTIPART_PART_END)
                say(&r, ";", 1);
            else if (event == RP_MULTIPART_END)
                say(&r, ".", 1);
        } while (event != RP_MULTIPART_MORE);
        start = end;
        end = end + step < n ? end + step : n;
    }
    if (r.err == 0)
        r.err = rp_multipart_finish(&m);
    rp_multipart_fini(&m);
    return r;
}

#define CD "Content-Disposition: form-data; "
#define ONE(header, data) "--xx\r\n" header "\r\n\r\n" data "\r\n--xx--\r\n"
#define CASE(form) form, sizeof(form) - 1

static const struct {
    const char *form;
    size_t n;
    const char *want;
    const char *why;
} taken[] = {
    {CASE(ONE(CD "name=\"a\"", "1")), "[a]1;.", "a field"},
    {CASE(ONE(CD "name=\"a\"", "")), "[a];.", "an empty one"},
    {CASE(ONE(CD "name=a", "1")), "[a]1;.", "a name without quotes"},
    {CASE("--xx\r\n" CD "name=\"a\"\r\n\r\n1\r\n--xx\r\n" CD
          "name=\"b\"\r\n\r\n2\r\n--xx--"),
     "[a]1;[b]2;.", "two, and no line end behind"},
    {CASE("\r\n" ONE(CD "name=\"a\"", "1")), "[a]1;.", "an empty line first"},
    {CASE("--xx--\r\n"), ".", "no field: what FormData without entries sends"},
    {CASE(ONE("content-DISPOSITION:form-data;name=\"a\"", "1")), "[a]1;.",
     "names in any case, no spaces"},
    {CASE(ONE(CD "name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain",
              "\r\n\r")),
     "[f|x.txt text/plain]\r\n\r;.", "line ends in a file"},
    {CASE(ONE(CD "name=\"f\"; filename=\"\"\r\n"
                 "Content-Type: application/octet-stream",
              "")),
     "[f| application/octet-stream];.", "a file input that was left empty"},
    {CASE(ONE(CD "name=\"a\"", "\r\n-\r\n--\r\n--x\r\r\n--xy")),
     "[a]\r\n-\r\n--\r\n--x\r\r\n--xy;.", "nearly the delimiter"},
    {CASE(ONE(CD "name=\"a\"", "--xx\r\n--x")), "[a]--xx\r\n--x;.",
     "the boundary within a line"},
    {CASE(ONE(CD "name=\"%22%0D%0A%41%\"", "1")), "[\"\r\n%41%]1;.",
     "browsers encode three bytes and no other"},
    {CASE(ONE(CD "name=\"a\\\"b\\\\c\\d\"", "1")), "[a\"b\\c\\d]1;.",
     "backslashes, as curl and requests write them"},
    {CASE(ONE(CD "name=\"f\"; filename=\"C:\\dir\\x\"", "1")),
     "[f|C:\\dir\\x]1;.", "backslashes, as browsers leave them"},
    {CASE(ONE(CD "name=\"f\"; filename=\"x\\\"", "1")), "[f|x\\]1;.",
     "a backslash at the end, which browsers do not escape"},
    {CASE(ONE(CD "name=\"f\"; filename=\"a;b=\xc3\xa4\"", "1")),
     "[f|a;b=\xc3\xa4]1;.", "UTF-8 and a semicolon in quotes"},
    {CASE(ONE(CD "name=\"f\"; filename=\"a\"; filename*=UTF-8''%e2%82%ac", "")),
     "[f|\xe2\x82\xac];.", "filename* comes first"},
    {CASE(ONE(CD "name=\"f\"; filename*=iso-8859-1'en'%e4b", "")),
     "[f|\xc3\xa4"
     "b];.",
     "in latin-1"},
    {CASE(ONE(CD "size=3; name=\"a\";", "1")), "[a]1;.",
     "a parameter that nobody knows, and an empty one"},
    {CASE(ONE(CD "name=\"a\"\r\nContent-Transfer-Encoding: 8bit", "1")),
     "[a]1;.", "a coding that is none"},
};

START_TEST(forms_are_taken_at_any_cut)
{
    const char *p = taken[_i].form, *want = taken[_i].want;
    size_t n = taken[_i].n;

    for (size_t cut = 0; cut <= n; cut++) {
        for (size_t step = 1; step <= n; step += n - 1) {
            struct result r = feed(p, n, cut, step);
            ck_assert_msg(r.err == 0, "%s, cut at %zu: %s", taken[_i].why, cut,
                          r.err ? rp_form_err_text(r.err) : "");
            ck_assert_msg(r.n == strlen(want) && memcmp(r.text, want, r.n) == 0,
                          "%s, cut at %zu: %.*s", taken[_i].why, cut, (int)r.n,
                          r.text);
            if (n == 1)
                break;
        }
    }
}
END_TEST

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
    const char *form;
    size_t n;
    int err;
    const char *why;
} refused[] = {
    {CASE("nothing"), RP_FORM_BAD_START, "no boundary"},
    {CASE("--xy\r\n"), RP_FORM_BAD_START, "another boundary"},
    {CASE("\r\n\r\n--xx\r\n"), RP_FORM_BAD_START, "two empty lines"},
    {CASE("preamble\r\n--xx\r\n"), RP_FORM_BAD_START, "a preamble"},
    {CASE("--xx \r\n"), RP_FORM_BAD_DELIMITER, "a space behind it"},
    {CASE("--xx\n"), RP_FORM_BAD_DELIMITER, "a bare LF"},
    {CASE("--xx-\r\n"), RP_FORM_BAD_DELIMITER, "one dash"},
    {CASE("--xxy\r\n"), RP_FORM_BAD_DELIMITER, "a longer boundary"},
    {CASE("--xx\r\r\n"), RP_FORM_BAD_DELIMITER, "two CR"},
    {CASE(ONE("", "1")), RP_FORM_BAD_DISPOSITION, "no header"},
    {CASE(ONE("X: y", "1")), RP_FORM_BAD_DISPOSITION, "no disposition"},
    {CASE(ONE(CD, "1")), RP_FORM_BAD_DISPOSITION, "no name"},
    {CASE(ONE("Content-Disposition: attachment; name=\"a\"", "1")),
     RP_FORM_BAD_DISPOSITION, "another disposition"},
    {CASE(ONE(CD "name=\"a", "1")), RP_FORM_BAD_DISPOSITION, "an open quote"},
    {CASE(ONE(CD "name=\"a\" b", "1")), RP_FORM_BAD_DISPOSITION,
     "something behind the quote"},
    {CASE(ONE(CD "name=\"a\"; name=\"b\"", "1")), RP_FORM_BAD_DISPOSITION,
     "two names"},
    {CASE(ONE(CD "name=\"a\"; filename*=utf-8'%41", "1")),
     RP_FORM_BAD_DISPOSITION, "a filename* without a language"},
    {CASE(ONE(CD "name=\"a\"; filename*=utf-8''%4", "1")),
     RP_FORM_BAD_DISPOSITION, "half a byte in it"},
    {CASE(ONE(CD "name=\"a\"; filename*=koi8-r''a", "1")),
     RP_FORM_BAD_DISPOSITION, "a charset that is not to be used"},
    {CASE(ONE(CD "name=\"a\"\r\n" CD "name=\"b\"", "1")), RP_FORM_BAD_HEADER,
     "two dispositions"},
    {CASE(ONE(CD "\r\n name=\"a\"", "1")), RP_FORM_BAD_HEADER, "a folded line"},
    {CASE(ONE("X", "1")), RP_FORM_BAD_HEADER, "no colon"},
    {CASE(ONE(CD "name=\"a\0b\"", "1")), RP_FORM_BAD_HEADER, "a NUL"},
    {CASE(ONE(CD "name=\"a\"\n", "1")), RP_FORM_BAD_HEADER, "a bare LF"},
    {CASE(ONE(CD "name=\"a\"\rb", "1")), RP_FORM_BAD_HEADER, "a bare CR"},
    {CASE(ONE(CD "name=\"a\"\r\nContent-Transfer-Encoding: base64", "1")),
     RP_FORM_BAD_CODING, "base64"},
    {CASE("--xx--\r\nmore"), RP_FORM_BAD_END, "an epilogue"},
    {CASE("--xx--\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"), RP_FORM_BAD_END,
     "too many line ends"},
    {CASE(""), RP_FORM_CUT, "nothing at all"},
    {CASE("--x"), RP_FORM_CUT, "cut in the boundary"},
    {CASE("--xx\r\n" CD), RP_FORM_CUT, "cut in a header"},
    {CASE("--xx\r\n" CD "name=\"a\"\r\n\r\n1\r\n--xx"), RP_FORM_CUT,
     "cut behind the boundary"},
    {CASE("--xx\r\n" CD "name=\"a\"\r\n\r\n1\r\n--xx-"), RP_FORM_CUT,
     "cut before the last dash"},
    {CASE(ONE("X: " HUNDRED HUNDRED, "1")), RP_FORM_LARGE_HEADER,
     "a large header"},
    {CASE(ONE(CD "name=\"" TEN TEN "1\"", "1")), RP_FORM_LONG_NAME,
     "a long name"},
    {CASE(ONE(CD "name=\"a\"; filename=\"" TEN TEN "1\"", "1")),
     RP_FORM_LONG_NAME, "a long file name"},
    {CASE("--xx\r\n" CD "name=\"a\"\r\n\r\n\r\n--xx\r\n" CD
          "name=\"a\"\r\n\r\n\r\n--xx\r\n" CD
          "name=\"a\"\r\n\r\n\r\n--xx\r\n" CD "name=\"a\"\r\n\r\n\r\n--xx\r\n"),
     RP_FORM_MANY_PARTS, "five parts"},
    {CASE(ONE("a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:\r\nj:\r\n"
              "k:\r\nl:\r\nm:\r\nn:\r\no:\r\np:\r\nq:",
              "1")),
     RP_FORM_LARGE_HEADER, "seventeen fields"},
};

START_TEST(bad_forms_are_refused_at_any_cut)
{
    const char *p = refused[_i].form;
    size_t n = refused[_i].n;

    for (size_t cut = 0; cut <= n; cut++) {
        for (size_t step = 1; step <= n + 1; step += n) {
            struct result r = feed(p, n, cut, step);
            ck_assert_msg(r.err == refused[_i].err, "%s, cut at %zu: %s",
                          refused[_i].why, cut,
                          r.err ? rp_form_err_text(r.err) : "taken");
            if (n == 0)
                break;
        }
    }
}
END_TEST

static const struct {
    const char *type;
    const char *want; /* NULL: none */
} types[] = {
    {"multipart/form-data; boundary=abc", "abc"},
    {"multipart/form-data;boundary=\"a b=c\"", "a b=c"},
    {"multipart/form-data; charset=utf-8; BOUNDARY=a; x=y", "a"},
    {"multipart/form-data; x=\"boundary=b\"; boundary=a", "a"},
    {"multipart/form-data", NULL},
    {"multipart/form-data; boundary", NULL},
    {"multipart/form-data; boundary=\"a", NULL},
    {"multipart/form-data; x y; boundary=a", NULL},
    {"", NULL},
};

START_TEST(the_boundary_is_found_in_the_content_type)
{
    struct rp_str type = {types[_i].type, strlen(types[_i].type)};
    struct rp_str got = rp_multipart_boundary(type);

    if (types[_i].want == NULL)
        ck_assert_ptr_null(got.p);
    else
        ck_assert(rp_str_eq(
            got, (struct rp_str){types[_i].want, strlen(types[_i].want)}));
}
END_TEST

START_TEST(a_boundary_that_may_not_be_is_refused)
{
    static const char *const bad[] = {"", "a ", "a\r", "a@b", HUNDRED};
    struct rp_form_limits lim = LIMITS;
    struct rp_multipart m;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rp_str s = {bad[i], strlen(bad[i])};
        ck_assert_int_eq(rp_multipart_init(&m, s, &lim), RP_FORM_BAD_BOUNDARY);
        ck_assert_int_eq(rp_multipart_finish(&m), RP_FORM_BAD_BOUNDARY);
        rp_multipart_fini(&m);
    }
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("multipart");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, forms_are_taken_at_any_cut, 0,
                        sizeof(taken) / sizeof(taken[0]));
    tcase_add_loop_test(t, bad_forms_are_refused_at_any_cut, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_loop_test(t, the_boundary_is_found_in_the_content_type, 0,
                        sizeof(types) / sizeof(types[0]));
    tcase_add_test(t, a_boundary_that_may_not_be_is_refused);
    tcase_set_timeout(t, 30);
    return run_tests("http/multipart", t);
}
