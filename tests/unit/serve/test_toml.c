/* The TOML reader: what is read, what is refused, and in which line. */
#include <check.h>
#include <stdio.h>

#include "rupy/base/buf.h"
#include "rupy/serve/toml.h"

#include "../guard.h"
#include "run.h"

/* The tree as one line of text: {a=i1,b=[s"x",t"..."]}. */
static void
print(struct rp_buf *b, const struct rp_toml *t)
{
    const char *close = t->type == RP_TOML_ARRAY ? "]" : "}";

    switch (t->type) {
    case RP_TOML_STRING:
        rp_buf_addf(b, "\"%.*s\"", RP_STR_ARG(t->text));
        return;
    case RP_TOML_TIME:
        rp_buf_addf(b, "time(%.*s)", RP_STR_ARG(t->text));
        return;
    case RP_TOML_INTEGER:
        rp_buf_addf(b, "%lld", (long long)t->integer);
        return;
    case RP_TOML_FLOAT:
        rp_buf_addf(b, "f%g", t->number);
        return;
    case RP_TOML_BOOLEAN:
        rp_buf_addf(b, "%s", t->on ? "true" : "false");
        return;
    case RP_TOML_ARRAY:
        rp_buf_addf(b, "[");
        break;
    case RP_TOML_TABLE:
        rp_buf_addf(b, "{");
        break;
    }
    for (const struct rp_toml *m = t->first; m; m = m->next) {
        if (t->type == RP_TOML_TABLE)
            rp_buf_addf(b, "%.*s=", RP_STR_ARG(m->key));
        print(b, m);
        if (m->next)
            rp_buf_addf(b, ",");
    }
    rp_buf_addf(b, "%s", close);
}

static const struct {
    const char *text, *want;
} good[] = {
    {"", "{}"},
    {"\n\r\n# only a comment", "{}"},
    {"\xef\xbb\xbf"
     "a=1",
     "{a=1}"},
    {"a = 1 # one\r\nb = 2", "{a=1,b=2}"},
    {"a-b_C9 = true\n'q .k' = false\n\"\" = 0", "{a-b_C9=true,q .k=false,=0}"},
    {"a = [ 1, 2,\n # why\n 3,\n]", "{a=[1,2,3]}"},
    {"a = []\nb = {}", "{a=[],b={}}"},
    {"a = { b = 1, c.d = 'x' }", "{a={b=1,c={d=\"x\"}}}"},
    {"a.b = 1\na . c = 2", "{a={b=1,c=2}}"},
    {"[a.b]\nc = 1\n[a]\nd = 2", "{a={b={c=1},d=2}}"},
    {"[ a . 'b' ]\n[a.c]", "{a={b={},c={}}}"},
    {"[a]\nb.c = 1\n[a.b.d]\ne = 2", "{a={b={c=1,d={e=2}}}}"},
    {"[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2", "{a=[{x=1},{b={y=2}}]}"},
    {"a = 'c:\\x'\nb = \"\\t\\\"\\\\\\u00e9\\U0001F600\"",
     "{a=\"c:\\x\",b=\"\t\"\\\xc3\xa9\xf0\x9f\x98\x80\"}"},
    {"a = \"\\u20ac\"", "{a=\"\xe2\x82\xac\"}"},
    {"a = \"\"\"\none\r\ntwo \\\n   three\"\"\"", "{a=\"one\ntwo three\"}"},
    {"a = '''\n'' \\'''\nb = ''\nc = \"\"\"\"\"\"",
     "{a=\"'' \\\",b=\"\",c=\"\"}"},
    {"a = \"\"\"\"x\"\"\"\"\"", "{a=\"\"x\"\"\"}"},
    {"a = +1_000\nb = -0\nc = 0xfF\nd = 0o17\ne = 0b101",
     "{a=1000,b=0,c=255,d=15,e=5}"},
    {"a = 9223372036854775807\nb = -9223372036854775808",
     "{a=9223372036854775807,b=-9223372036854775808}"},
    {"a = 1.5\nb = 1e3\nc = -2.5E-1\nd = inf\ne = -inf\nf = 1_0.5",
     "{a=f1.5,b=f1000,c=f-0.25,d=finf,e=f-inf,f=f10.5}"},
    {"a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.5-07:00\n"
     "c = 1979-05-27 # day\nd = 07:32:00",
     "{a=time(1979-05-27T07:32:00Z),b=time(1979-05-27 07:32:00.5-07:00),"
     "c=time(1979-05-27),d=time(07:32:00)}"},
};

START_TEST(what_is_right_is_read)
{
    struct rp_arena a;
    struct rp_buf b;
    unsigned line = 0;
    const char *why = "";
    size_t n = strlen(good[_i].text);
    struct guard g;

    guard_init(&g, n);
    rp_arena_init(&a, 0);
    rp_buf_init(&b, 0);
    struct rp_toml *t = rp_toml_read(
        &a, (struct rp_str){guard_set(&g, good[_i].text, n), n}, &line, &why);
    guard_fini(&g); /* the tree has copies of all that it says */
    ck_assert_msg(t != NULL, "%s: %u: %s", good[_i].text, line, why);
    print(&b, t);
    rp_buf_add(&b, "", 1);
    ck_assert_str_eq(b.p, good[_i].want);
    rp_buf_fini(&b);
    rp_arena_fini(&a);
}
END_TEST

static const struct {
    const char *text;
    unsigned line;
    const char *why; /* a part of it */
} bad[] = {
    {"a", 1, "'='"},
    {"a =", 1, "value is wanted"},
    {"a = 1 b = 2", 1, "line should end"},
    {"\n\na = x", 3, "no value"},
    {"a = 1\na = 2", 2, "already"},
    {"a = 1\na.b = 2", 2, "elsewhere"},
    {"[a]\n[a]", 2, "already"},
    {"a = 1\n[a]", 2, "already"},
    {"a = 1\n[a.b]", 2, "already"},
    {"a = {}\n[a.b]", 2, "already"},
    {"a = { b.c = 1 }\na.b.d = 1", 2, "elsewhere"},
    {"a = []\n[[a]]", 2, "already"},
    {"[[a]]\n[a]", 2, "already"},
    {"[a]\n[[a]]", 2, "already"},
    {"a.b = 1\n[a]", 2, "already"},
    {"[a.b.c]\n[a]\nb.d = 1", 3, "elsewhere"},
    {"[a", 1, "']'"},
    {"[[a]\n", 1, "']'"},
    {"[]", 1, "key is wanted"},
    {"= 1", 1, "key is wanted"},
    {"a. = 1", 1, "key is wanted"},
    {"\"\"\"a\"\"\" = 1", 1, "one line"},
    {"a = [1\n2]", 2, "','"},
    {"a = [1,,2]", 1, "value is wanted"},
    {"a = [1", 1, "','"},
    {"a = { b = 1, }", 1, "key is wanted"},
    {"a = { b = 1\n}", 1, "'}'"},
    {"a = \"x", 1, "not closed"},
    {"a = \"x\ny\"", 1, "not closed"},
    {"a = '''x\n\n", 3, "not closed"},
    {"a = \"\\x\"", 1, "escape"},
    {"a = \"\\ud800\"", 1, "Unicode"},
    {"a = \"\\u12\"", 1, "Unicode"},
    {"a = \"\\U00110000\"", 1, "Unicode"},
    {"a = \"x\x01\"", 1, "control"},
    {"# x\x7f", 1, "control"},
    {"a = 'x\ry'", 1, "control"},
    {"a = 01", 1, "no number"},
    {"a = 1__0", 1, "no number"},
    {"a = _1", 1, "no value"},
    {"a = 1_", 1, "no number"},
    {"a = 1.", 1, "no number"},
    {"a = .5", 1, "no value"},
    {"a = 1e", 1, "no number"},
    {"a = +0x1", 1, "no number"},
    {"a = 0b2", 1, "no number"},
    {"a = 0x", 1, "no number"},
    {"a = 9223372036854775808", 1, "no number"},
    {"a = 30s", 1, "text has quotes"},
    {"a = on", 1, "text has quotes"},
    {"a = True", 1, "text has quotes"},
    {"a = 1979-05-27T07:32", 1, "no number"},
    {"a = 1979-05-27 07:32:00.", 1, "no number"},
    {"a = \"\xff\"", 0, "UTF-8"},
    {"a\0b = 1", 1, "'='"},
};

START_TEST(what_is_wrong_is_refused_with_its_line)
{
    struct rp_arena a;
    unsigned line = 99;
    const char *why = "";
    size_t n = strlen(bad[_i].text);
    struct guard g;

    guard_init(&g, n);
    rp_arena_init(&a, 0);
    ck_assert_ptr_null(rp_toml_read(
        &a, (struct rp_str){guard_set(&g, bad[_i].text, n), n}, &line, &why));
    ck_assert_msg(strstr(why, bad[_i].why) != NULL, "%s: %s", bad[_i].text,
                  why);
    ck_assert_msg(line == bad[_i].line, "%s: line %u", bad[_i].text, line);
    guard_fini(&g);
    rp_arena_fini(&a);
}
END_TEST

/* The deepest that is read, and one more. */
START_TEST(nesting_has_a_limit)
{
    for (int more = 0; more < 2; more++) {
        char text[200] = "a=";
        struct rp_arena a;
        unsigned line;
        const char *why;

        size_t deep = (size_t)RP_TOML_DEPTH + (size_t)more;
        memset(text + 2, '[', deep);
        memset(text + 2 + deep, ']', deep);
        rp_arena_init(&a, 0);
        struct rp_toml *t =
            rp_toml_read(&a, (struct rp_str){text, strlen(text)}, &line, &why);
        ck_assert_int_eq(t != NULL, more == 0);
        rp_arena_fini(&a);
    }
}
END_TEST

START_TEST(memory_has_a_limit)
{
    struct rp_arena a;
    struct rp_buf b;
    unsigned line;
    const char *why;

    rp_buf_init(&b, 0);
    for (int i = 0; i < 1000; i++)
        rp_buf_addf(&b, "key%d = %d\n", i, i);
    rp_arena_init(&a, 16384);
    ck_assert_ptr_null(
        rp_toml_read(&a, (struct rp_str){b.p, b.n}, &line, &why));
    rp_arena_fini(&a);
    rp_arena_init(&a, 1 << 20);
    ck_assert_ptr_nonnull(
        rp_toml_read(&a, (struct rp_str){b.p, b.n}, &line, &why));
    rp_arena_fini(&a);
    rp_buf_fini(&b);
}
END_TEST

int
main(void)
{
    TCase *tc = tcase_create("toml");

    tcase_add_loop_test(tc, what_is_right_is_read, 0,
                        sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(tc, what_is_wrong_is_refused_with_its_line, 0,
                        sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, nesting_has_a_limit);
    tcase_add_test(tc, memory_has_a_limit);
    return run_tests("toml", tc);
}
