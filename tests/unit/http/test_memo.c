/* Blocks of field lines that repeat: recognised, counted, given up; and the
 * request that comes out is the one that comes out without. */
#include <check.h>
#include <stdlib.h>

#include "heads.h"
#include "run.h"
#include "rupy/http/memo.h"

static const struct rp_limits lim = RP_LIMITS_DEFAULT;
static struct rp_field fields[RP_MAX_FIELDS];

#define H "Host: a\r\n"

/* 1 when the fields came out of a memo, 0 when out of the bytes. */
static int
parse(struct rp_parser *ps, const char *text, struct outcome *o)
{
    size_t n = strlen(text);
    char *p = malloc(n);
    struct rp_request r;
    int hit;

    memcpy(p, text, n);
    o->rc = rp_parser_head(ps, &lim, p, n, fields, &r);
    o->text[0] = '\0';
    if (o->rc > 0)
        outcome_render(o, &r);
    hit = o->rc > 0 && r.fields != fields;
    free(p);
    return hit;
}

START_TEST(a_block_that_repeats_is_recognised_with_any_request_line)
{
    struct rp_memos *m = rp_memos_new(4);
    struct rp_parser ps, plain;
    static const char *const lines[] = {
        "GET / HTTP/1.1\r\n", "HEAD /b?c HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.1\r\n", "DELETE /x HTTP/1.1\r\n"};
    struct outcome o, want;

    rp_parser_init(&ps, m);
    rp_parser_init(&plain, NULL);
    for (int i = 0; i < 4; i++) {
        char text[128];

        snprintf(text, sizeof(text), "%s" H "X: y\r\nConnection: close\r\n\r\n",
                 lines[i]);
        /* Kept when it comes twice, so the third is the first hit. */
        ck_assert_int_eq(parse(&ps, text, &o), i >= 2);
        parse(&plain, text, &want);
        ck_assert_int_eq(o.rc, want.rc);
        ck_assert_str_eq(o.text, want.text);
    }
    rp_parser_fini(&ps);
    rp_parser_fini(&plain);
    rp_memos_free(m);
}
END_TEST

START_TEST(another_connection_recognises_it_at_its_first_request)
{
    struct rp_memos *m = rp_memos_new(4);
    struct rp_parser a, b;
    struct outcome o;

    rp_parser_init(&a, m);
    rp_parser_init(&b, m);
    parse(&a, "GET / HTTP/1.1\r\n" H "\r\n", &o);
    parse(&a, "GET / HTTP/1.1\r\n" H "\r\n", &o);
    ck_assert_int_eq(parse(&b, "GET /b HTTP/1.1\r\n" H "\r\n", &o), 1);
    ck_assert_ptr_eq(a.memo, b.memo);
    ck_assert_uint_eq(a.memo->refs, 3);
    rp_parser_fini(&a);
    rp_parser_fini(&b);
    rp_memos_free(m);
}
END_TEST

static const struct {
    const char *text, *why;
} never[] = {
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n", "content"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", "a length"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "chunked"},
    {"GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n", "Expect"},
    {"GET / HTTP/1.1\r\n" H "Upgrade: x\r\n\r\n", "Upgrade"},
    {"GET / HTTP/1.0\r\n" H "\r\n", "1.0"},
    {"GET http://a/ HTTP/1.1\r\n" H "\r\n", "absolute-form"},
    {"CONNECT a:1 HTTP/1.1\r\n" H "\r\n", "authority-form"},
};

START_TEST(blocks_that_leave_something_to_decide_are_never_kept)
{
    struct rp_memos *m = rp_memos_new(4);
    struct rp_parser ps;
    struct outcome o;

    rp_parser_init(&ps, m);
    for (int i = 0; i < 4; i++) {
        ck_assert_msg(parse(&ps, never[_i].text, &o) == 0, "%s", never[_i].why);
        ck_assert_int_gt(o.rc, 0);
        ck_assert_ptr_null(ps.memo);
    }
    rp_parser_fini(&ps);
    rp_memos_free(m);
}
END_TEST

START_TEST(a_memo_does_not_answer_for_another_version_or_form)
{
    struct rp_memos *m = rp_memos_new(4);
    struct rp_parser ps;
    struct outcome o;

    rp_parser_init(&ps, m);
    for (int i = 0; i < 3; i++)
        parse(&ps, "GET / HTTP/1.1\r\n" H "\r\n", &o);
    ck_assert_int_eq(parse(&ps, "GET / HTTP/1.0\r\n" H "\r\n", &o), 0);
    ck_assert_str_eq(o.text, "GET / / ? @a 1.0 -1 [Host=a]");
    ck_assert_int_eq(parse(&ps, "GET / HTTP/1.1\r\n" H "\r\n", &o), 1);
    parse(&ps, "GET http://b/ HTTP/1.1\r\n" H "\r\n", &o);
    ck_assert_int_eq(o.rc, RP_HTTP_BAD_HOST);
    rp_parser_fini(&ps);
    rp_memos_free(m);
}
END_TEST

START_TEST(a_memo_obeys_the_limits_of_the_parser_that_asks)
{
    struct rp_memos *m = rp_memos_new(4);
    static const char text[] = "GET / HTTP/1.1\r\n" H "X: y\r\n\r\n";
    const struct rp_limits few = {8190, 1, 8190, 65536, 0};
    const struct rp_limits thin = {8190, 100, 6, 65536, 0};
    const struct rp_limits small = {8190, 100, 8190, sizeof(text) - 2, 0};
    const struct rp_limits *const t[] = {&few, &thin, &small};
    struct rp_parser ps, other;
    struct rp_request r;
    struct outcome o;

    rp_parser_init(&ps, m);
    for (int i = 0; i < 3; i++)
        parse(&ps, text, &o);
    for (int i = 0; i < 3; i++) {
        rp_parser_init(&other, m);
        ck_assert_int_eq(
            rp_parser_head(&other, t[i], text, sizeof(text) - 1, fields, &r),
            RP_HTTP_LARGE_HEAD);
        rp_parser_fini(&other);
    }
    rp_parser_fini(&ps);
    rp_memos_free(m);
}
END_TEST

START_TEST(the_least_used_block_goes_and_its_holder_keeps_it)
{
    struct rp_memos *m = rp_memos_new(2);
    struct rp_parser ps, other;
    struct outcome o;
    char text[64];

    rp_parser_init(&ps, m);
    rp_parser_init(&other, m);
    for (int i = 0; i < 2; i++)
        parse(&ps, "GET / HTTP/1.1\r\n" H "\r\n", &o);
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" H "X: %d\r\n\r\n",
                 i / 2);
        parse(&other, text, &o);
    }
    ck_assert_uint_eq(ps.memo->refs, 1);
    ck_assert_int_eq(parse(&ps, "GET /a HTTP/1.1\r\n" H "\r\n", &o), 1);
    ck_assert_str_eq(o.text, "GET /a /a ? @a 1.1 -1 keep [Host=a]");
    rp_parser_fini(&ps);
    rp_parser_fini(&other);
    rp_memos_free(m);
}
END_TEST

START_TEST(a_large_block_is_not_kept)
{
    struct rp_memos *m = rp_memos_new(2);
    struct rp_parser ps;
    struct outcome o;
    char text[RP_MEMO_MAX_SIZE + 64];

    for (int more = 0; more < 2; more++) {
        int fill = RP_MEMO_MAX_SIZE - (int)strlen(H "X: \r\n\r\n") + more;

        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" H "X: %0*d\r\n\r\n",
                 fill, 7);
        rp_parser_init(&ps, m);
        parse(&ps, text, &o);
        parse(&ps, text, &o);
        ck_assert_int_eq(parse(&ps, text, &o), more == 0);
        rp_parser_fini(&ps);
    }
    rp_memos_free(m);
}
END_TEST

START_TEST(a_cut_inside_the_block_changes_nothing)
{
    static const char text[] = "GET / HTTP/1.1\r\n" H "X: y\r\n\r\n";
    const size_t n = sizeof(text) - 1;
    struct rp_memos *m = rp_memos_new(2);
    struct rp_parser ps;
    struct guard guard;
    struct outcome o;

    guard_init(&guard, n);
    rp_parser_init(&ps, m);
    for (int round = 0; round < 2; round++)
        for (size_t cut = 0; cut < n; cut++) {
            const size_t ends[] = {cut, n};

            parse_pieces(&ps, &lim, &guard, text, ends, 2, &o);
            ck_assert_int_eq(o.rc, (int)n);
            ck_assert_str_eq(o.text, "GET / / ? @a 1.1 -1 keep [Host=a] [X=y]");
        }
    rp_parser_fini(&ps);
    rp_memos_free(m);
    guard_fini(&guard);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("memo");

    tcase_add_test(t, a_block_that_repeats_is_recognised_with_any_request_line);
    tcase_add_test(t, another_connection_recognises_it_at_its_first_request);
    tcase_add_loop_test(t, blocks_that_leave_something_to_decide_are_never_kept,
                        0, sizeof(never) / sizeof(never[0]));
    tcase_add_test(t, a_memo_does_not_answer_for_another_version_or_form);
    tcase_add_test(t, a_memo_obeys_the_limits_of_the_parser_that_asks);
    tcase_add_test(t, the_least_used_block_goes_and_its_holder_keeps_it);
    tcase_add_test(t, a_large_block_is_not_kept);
    tcase_add_test(t, a_cut_inside_the_block_changes_nothing);
    return run_tests("http/memo", t);
}
