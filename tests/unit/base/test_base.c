/* The ground floor: slices, buffers, arenas, lists, descriptors, the log. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "run.h"
#include "rupy/base/arena.h"
#include "rupy/base/buf.h"
#include "rupy/base/clock.h"
#include "rupy/base/fd.h"
#include "rupy/base/list.h"
#include "rupy/base/log.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static struct rp_str
str(const char *s)
{
    return (struct rp_str){s, strlen(s)};
}

START_TEST(slices_compare)
{
    ck_assert(rp_str_ieq(RP_STR("aZ-[@`{"), RP_STR("Az-[@`{")));
    ck_assert(!rp_str_ieq(RP_STR("["), RP_STR("{")));
    ck_assert(!rp_str_ieq(RP_STR("@"), RP_STR("`")));
    ck_assert(!rp_str_ieq(RP_STR("\xc4"), RP_STR("\xe4")));
    ck_assert(!rp_str_ieq(RP_STR("a"), RP_STR("ab")));
    ck_assert(rp_str_eq((struct rp_str){NULL, 0}, RP_STR("")));
    ck_assert(rp_str_has_prefix(RP_STR("abc"), RP_STR("ab")));
    ck_assert(rp_str_has_prefix(RP_STR("abc"), (struct rp_str){NULL, 0}));
    ck_assert(!rp_str_has_prefix(RP_STR("a"), RP_STR("ab")));
    ck_assert(rp_str_eq(rp_str_trim(RP_STR(" \t a b\t ")), RP_STR("a b")));
    ck_assert(rp_str_eq(rp_str_trim(RP_STR("\x0b\xa0")), RP_STR("\x0b\xa0")));
    ck_assert_uint_eq(rp_str_trim(RP_STR(" \t ")).n, 0);
}
END_TEST

START_TEST(numbers_are_digits_and_nothing_else)
{
    static const char *const bad[] = {"",
                                      "+1",
                                      "-1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1_0",
                                      "1.",
                                      "9223372036854775808",
                                      "9999999999999999999",
                                      "00000000000000000001",
                                      "\xb2"};
    uint64_t v = 7;

    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(rp_str_to_u64(str(bad[i]), &v) == -1, "%s", bad[i]);
    ck_assert_uint_eq(v, 7);
    ck_assert_int_eq(rp_str_to_u64(RP_STR("9223372036854775807"), &v), 0);
    ck_assert_uint_eq(v, INT64_MAX);
    ck_assert_int_eq(rp_str_to_u64(RP_STR("0"), &v), 0);
    ck_assert_uint_eq(v, 0);
}
END_TEST

START_TEST(a_buffer_grows_up_to_its_ceiling)
{
    struct rp_buf b;

    rp_buf_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(rp_buf_add(&b, "0123456789", 10), 0);
    errno = 0;
    ck_assert_int_eq(rp_buf_add(&b, "x", 1), -1);
    ck_assert_int_eq(errno, EFBIG);
    ck_assert_uint_eq(b.n, 1000);
    ck_assert_int_eq(rp_buf_reserve(&b, SIZE_MAX), -1);
    ck_assert_int_eq(errno, ENOMEM);
    rp_buf_del(&b, 995);
    ck_assert_uint_eq(b.n, 5);
    ck_assert_mem_eq(b.p, "56789", 5);
    rp_buf_del(&b, 9);
    ck_assert_uint_eq(b.n, 0);
    rp_buf_fini(&b);
}
END_TEST

START_TEST(a_buffer_takes_text)
{
    struct rp_buf b;

    rp_buf_init(&b, 0);
    ck_assert_int_eq(rp_buf_add_u64(&b, 0), 0);
    ck_assert_int_eq(rp_buf_add_u64(&b, UINT64_MAX), 0);
    ck_assert_int_eq(rp_buf_addf(&b, "[%s %d]", "x", -5), 0);
    ck_assert_int_eq(rp_buf_add_str(&b, (struct rp_str){NULL, 0}), 0);
    ck_assert_uint_eq(b.n, strlen("018446744073709551615[x -5]"));
    ck_assert_mem_eq(b.p, "018446744073709551615[x -5]", b.n);
    rp_buf_reset(&b);
    ck_assert_uint_eq(b.n, 0);
    rp_buf_fini(&b);
}
END_TEST

START_TEST(an_arena_gives_aligned_memory_and_takes_it_back)
{
    struct rp_arena a;
    char *p[200];
    size_t kept;

    rp_arena_init(&a, 0);
    for (size_t i = 0; i < COUNT(p); i++) {
        p[i] = rp_arena_alloc(&a, i * 7);
        ck_assert_ptr_nonnull(p[i]);
        ck_assert_uint_eq((uintptr_t)p[i] % _Alignof(max_align_t), 0);
        memset(p[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < COUNT(p); i++)
        for (size_t k = 0; k < i * 7; k++)
            ck_assert_int_eq((unsigned char)p[i][k], (int)i);
    ck_assert(rp_arena_alloc(&a, 0) != rp_arena_alloc(&a, 0));
    rp_arena_reset(&a);
    kept = a.used;
    ck_assert_uint_gt(kept, 0);
    ck_assert_uint_le(kept, 4096);
    ck_assert_ptr_nonnull(rp_arena_alloc(&a, 100));
    ck_assert_uint_eq(a.used, kept);
    ck_assert_ptr_null(rp_arena_alloc(&a, SIZE_MAX));
    rp_arena_fini(&a);
}
END_TEST

START_TEST(an_arena_stays_under_its_ceiling)
{
    struct rp_arena a;
    size_t got = 0;

    rp_arena_init(&a, 10000);
    ck_assert_ptr_null(rp_arena_alloc(&a, 10000));
    while (rp_arena_alloc(&a, 100) != NULL)
        got += 100;
    ck_assert_uint_gt(got, 7000);
    ck_assert_uint_le(a.used, 10000);
    ck_assert_ptr_null(rp_arena_copy(&a, (struct rp_str){"x", 5000}).p);
    rp_arena_reset(&a);
    ck_assert(rp_str_eq(rp_arena_copy(&a, RP_STR("abc")), RP_STR("abc")));
    rp_arena_fini(&a);
}
END_TEST

START_TEST(a_list_keeps_its_order)
{
    struct item {
        int v;
        struct rp_list l;
    } t[3] = {{1, {0}}, {2, {0}}, {3, {0}}};
    struct rp_list head;
    int i = 1;

    rp_list_init(&head);
    ck_assert(rp_list_is_empty(&head));
    for (int k = 0; k < 3; k++)
        rp_list_add(&head, &t[k].l);
    for (struct rp_list *l = head.next; l != &head; l = l->next, i++)
        ck_assert_int_eq(rp_container_of(l, struct item, l)->v, i);
    ck_assert_int_eq(i, 4);
    rp_list_del(&t[1].l);
    rp_list_del(&t[1].l);
    ck_assert_ptr_eq(t[0].l.next, &t[2].l);
}
END_TEST

START_TEST(clocks_go_forward)
{
    uint64_t a = rp_clock_mono_ns();
    double b = rp_clock_mono();

    ck_assert_uint_le(a, rp_clock_mono_ns());
    ck_assert_double_ge(b, (double)a / 1e9 - 1e-6);
    ck_assert_double_gt(rp_clock_wall(), 1.6e9);
}
END_TEST

static void *
drain(void *arg)
{
    size_t total = 0;
    char buf[4096];
    ssize_t n;

    while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
        total += (size_t)n;
    return (void *)total;
}

START_TEST(write_all_waits_for_a_slow_reader)
{
    enum { SIZE = 1 << 20 };
    char *p = calloc(1, SIZE);
    pthread_t reader;
    void *got;
    int fds[2];

    ck_assert_int_eq(rp_fd_pipe(fds), 0);
    ck_assert_int_ne(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(rp_fd_set_cloexec(fds[0], 0), 0);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, 0), 0);
    ck_assert_int_eq(pthread_create(&reader, NULL, drain, &fds[0]), 0);
    ck_assert_int_eq(rp_fd_write_all(fds[1], p, SIZE), 0);
    close(fds[1]);
    pthread_join(reader, &got);
    ck_assert_uint_eq((size_t)got, SIZE);
    ck_assert_int_eq(rp_fd_set_nonblock(fds[0]), 0);
    ck_assert_int_ne(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    close(fds[0]);
    ck_assert_int_eq(rp_fd_set_nonblock(fds[0]), -1);
    free(p);
}
END_TEST

/* What the log wrote since the last call, as a string. */
static const char *
logged(int fd)
{
    static char text[32768];
    ssize_t n = read(fd, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

START_TEST(a_line_of_the_log)
{
    char want[64];
    const char *got;
    int fds[2], y, mo, d, h, mi, s, off, at = 0;

    ck_assert_int_eq(rp_fd_pipe(fds), 0);
    rp_log_init(fds[1], RP_LOG_INFO, 0);
    rp_log_set_name("worker 3");
    rp_info("sent %d", 503);
    got = logged(fds[0]);
    ck_assert_int_eq(sscanf(got, "%4d-%2d-%2d %2d:%2d:%2d %5d %n", &y, &mo, &d,
                            &h, &mi, &s, &off, &at),
                     7);
    snprintf(want, sizeof(want), "[%d] [info] worker 3: sent 503\n",
             (int)getpid());
    ck_assert_str_eq(got + at, want);
    rp_log_set_name("0123456789012345678901234567890123456789");
    errno = ENOENT;
    rp_log_errno(RP_LOG_ERROR, "open %s", "x");
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_ptr_nonnull(strstr(logged(fds[0]),
                                 "[error] 0123456789012345678901234567890: "
                                 "open x: No such file or directory\n"));
}
END_TEST

START_TEST(what_a_peer_sent_is_escaped)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        {"a\nb\r\x1b[31m\t\x7f", "a\\x0ab\\x0d\\x1b[31m\\x09\\x7f"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
         "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xc0\xaf", "\\xc0\\xaf"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xc2\x9b"
         "1m",
         "\\xc2\\x9b"
         "1m"},
        {"\\x41", "\\x41"},
    };
    char want[128];
    int fds[2];

    ck_assert_int_eq(rp_fd_pipe(fds), 0);
    rp_log_init(fds[1], RP_LOG_TRACE, 0);
    rp_log_set_name("");
    for (size_t i = 0; i < COUNT(t); i++) {
        rp_warn("%s", t[i].in);
        snprintf(want, sizeof(want), "[warning] %s\n", t[i].out);
        ck_assert_ptr_nonnull(strstr(logged(fds[0]), want));
    }
}
END_TEST

START_TEST(long_texts_are_cut_and_levels_are_obeyed)
{
    static char text[6000];
    const char *got;
    int fds[2];

    memset(text, '\n', sizeof(text) - 1);
    ck_assert_int_eq(rp_fd_pipe(fds), 0);
    rp_log_init(fds[1], RP_LOG_WARNING, 0);
    rp_info("nothing");
    rp_debug("nothing");
    ck_assert_str_eq(logged(fds[0]), "");
    rp_error("%s", text);
    got = logged(fds[0]);
    ck_assert_str_eq(got + strlen(got) - 8, "\\x0a...\n");
    ck_assert_ptr_eq(strchr(got, '\n'), got + strlen(got) - 1);
    for (int i = RP_LOG_TRACE; i <= RP_LOG_CRITICAL; i++)
        ck_assert_int_eq(
            rp_log_level_from_name(rp_log_level_name((enum rp_log_level)i)), i);
    ck_assert_int_eq(rp_log_level_from_name("loud"), -1);
    rp_log_set_level(RP_LOG_DEBUG);
    rp_debug("something");
    ck_assert_ptr_nonnull(strstr(logged(fds[0]), "[debug] "));
}
END_TEST

START_TEST(colour_is_for_those_who_ask)
{
    static const struct {
        int colour;
        const char *no, *force;
        bool want;
    } t[] = {{-1, "", "", false},
             {-1, "", "1", true},
             {-1, "1", "1", false},
             {1, "1", "", true},
             {0, "", "1", false}};
    int fds[2];

    ck_assert_int_eq(rp_fd_pipe(fds), 0);
    for (size_t i = 0; i < COUNT(t); i++) {
        setenv("NO_COLOR", t[i].no, 1);
        setenv("FORCE_COLOR", t[i].force, 1);
        rp_log_init(fds[1], RP_LOG_INFO, t[i].colour);
        rp_info("x");
        ck_assert_int_eq(strchr(logged(fds[0]), '\033') != NULL, t[i].want);
    }
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("all");

    tcase_add_test(t, slices_compare);
    tcase_add_test(t, numbers_are_digits_and_nothing_else);
    tcase_add_test(t, a_buffer_grows_up_to_its_ceiling);
    tcase_add_test(t, a_buffer_takes_text);
    tcase_add_test(t, an_arena_gives_aligned_memory_and_takes_it_back);
    tcase_add_test(t, an_arena_stays_under_its_ceiling);
    tcase_add_test(t, a_list_keeps_its_order);
    tcase_add_test(t, clocks_go_forward);
    tcase_add_test(t, write_all_waits_for_a_slow_reader);
    tcase_add_test(t, a_line_of_the_log);
    tcase_add_test(t, what_a_peer_sent_is_escaped);
    tcase_add_test(t, long_texts_are_cut_and_levels_are_obeyed);
    tcase_add_test(t, colour_is_for_those_who_ask);
    return run_tests("base", t);
}
