/* test_path.c -- what a URL may ask for, and that nothing leads out. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "files/tree.h"
#include "run.h"
#include "rupy/files/files.h"

#define NO NULL

static const struct {
    const char *rest;
    const char *want; /* NULL: refused */
    bool is_dir;
    const char *why;
} urls[] = {
    {"a.txt", "a.txt", false, "a file"},
    {"", "", true, "the folder itself"},
    {"sub/", "sub", true, "a folder"},
    {"sub/b.txt", "sub/b.txt", false, "a file in a folder"},
    {"...", NO, false, "a name that begins with dots is a dot file"},
    {"a..b", "a..b", false, "dots inside a name"},
    {"..", NO, false, "the folder above"},
    {"../secret", NO, false, "above"},
    {"sub/../../secret", NO, false, "above, by a detour"},
    {"sub/..", NO, false, "a dot segment, though it stays inside"},
    {".", NO, false, "a dot segment"},
    {"./a.txt", NO, false, "a dot segment in front"},
    {"..%2Fsecret", NO, false, "an encoded slash"},
    {"sub%2Fb.txt", NO, false, "an encoded slash, though it stays inside"},
    {"%252e%252e", "%2e%2e", false, "encoded twice is a name with a percent"},
    {"per%25cent", "per%cent", false, "a percent"},
    {"/etc/passwd", NO, false, "an absolute path inside the URL"},
    {"/", NO, true, "a double slash"},
    {"sub//b.txt", NO, false, "a double slash in the middle"},
    {"sub//", NO, true, "a double slash at the end"},
    {"..\\secret", NO, false, "a backslash"},
    {"back\\slash", NO, false, "a backslash in a name that exists"},
    {".env", NO, false, "a dot file"},
    {".git/config", NO, false, "below a dot folder"},
    {"sub/.hidden", NO, false, "a dot file further down"},
};

START_TEST(a_url_stands_for_a_path_below_the_folder_or_for_none)
{
    char out[RP_FILES_PATH_MAX];
    struct rp_str rest = {urls[_i].rest, strlen(urls[_i].rest)};
    bool is_dir;
    int n = rp_files_path(out, rest, false, &is_dir);

    if (!urls[_i].want) {
        ck_assert_msg(n == -1, "%s: %s", urls[_i].rest, urls[_i].why);
        return;
    }
    ck_assert_msg(n == (int)strlen(urls[_i].want), "%s: %d: %s", urls[_i].rest,
                  n, urls[_i].why);
    ck_assert_str_eq(out, urls[_i].want);
    ck_assert_msg(is_dir == urls[_i].is_dir, "%s: %s", urls[_i].rest,
                  urls[_i].why);
}
END_TEST

START_TEST(dot_files_are_served_only_when_asked_and_dot_segments_never)
{
    char out[RP_FILES_PATH_MAX];
    bool is_dir;

    ck_assert_int_gt(rp_files_path(out, RP_STR(".env"), true, &is_dir), 0);
    ck_assert_int_gt(rp_files_path(out, RP_STR("..."), true, &is_dir), 0);
    ck_assert_int_eq(rp_files_path(out, RP_STR(".."), true, &is_dir), -1);
    ck_assert_int_eq(rp_files_path(out, RP_STR("a/."), true, &is_dir), -1);
}
END_TEST

START_TEST(a_nul_is_refused)
{
    char out[RP_FILES_PATH_MAX];
    bool is_dir;

    ck_assert_int_eq(
        rp_files_path(out, (struct rp_str){"a.txt\0.html", 11}, false, &is_dir),
        -1);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
    static char longest[RP_FILES_PATH_MAX];
    char out[RP_FILES_PATH_MAX];
    bool is_dir;

    memset(longest, 'a', sizeof(longest));
    ck_assert_int_eq(rp_files_path(out,
                                   (struct rp_str){longest, sizeof(longest)},
                                   false, &is_dir),
                     -1);
    ck_assert_int_eq(
        rp_files_path(out, (struct rp_str){longest, sizeof(longest) - 1}, false,
                      &is_dir),
        (int)sizeof(longest) - 1);
}
END_TEST

/* ---- Opening: the same by the kernel and by hand ---- */

static const struct {
    const char *path;
    const char *want; /* content; NULL: errno */
    int err;
    const char *why;
} opens[] = {
    {"a.txt", "alpha", 0, "a file"},
    {"sub/deep/c.txt", "gamma", 0, "further down"},
    {"link", "alpha", 0, "a link to a neighbour"},
    {"sub/uplink", "alpha", 0, "a link upwards that stays inside"},
    {"sub/deep/chain", "alpha", 0, "a link to a link"},
    {"dirlink/c.txt", "gamma", 0, "through a link to a folder"},
    {"nothing", NULL, ENOENT, "it is not there"},
    {"dangling", NULL, ENOENT, "a link to what is not there"},
    {"a.txt/x", NULL, ENOTDIR, "a file is no folder"},
    {"out", NULL, EXDEV, "a link that leads out"},
    {"out2", NULL, EXDEV, "a link that leads out by a detour"},
    {"../secret", NULL, EXDEV, "dots that lead out"},
    {"sub/../../secret", NULL, EXDEV, "dots that lead out by a detour"},
    {"/etc/passwd", NULL, EXDEV, "an absolute path"},
    {"absolute", NULL, EXDEV, "an absolute link"},
    {"rootlink/a.txt", NULL, EXDEV, "an absolute link that leads inside"},
    {"magic", NULL, EXDEV, "through /proc"},
    {"loop", NULL, ELOOP, "a link to itself"},
    {"sock", NULL, ENXIO, "a socket"},
    {"fifo", NULL, ENXIO, "a fifo, without waiting for its writer"},
    {"sub", NULL, EISDIR, "a folder"},
    {"", NULL, EISDIR, "the folder itself"},
};

enum { NOPENS = sizeof(opens) / sizeof(opens[0]) };

static void
check_open(int i, bool by_hand)
{
    int root = open(tree_make(), O_PATH | O_DIRECTORY);
    bool none = by_hand;
    int fd = rp_files_open(root, opens[i].path, &none);
    struct rp_file *file = fd < 0 ? NULL : rp_file_new(fd);
    int err = errno;

    if (!by_hand)
        ck_assert_msg(!none, "openat2(2) is missing");
    if (opens[i].want) {
        ck_assert_msg(file != NULL, "%s: %s: %s", opens[i].path, strerror(err),
                      opens[i].why);
        ck_assert_uint_eq(file->size, strlen(opens[i].want));
        ck_assert_mem_eq(file->content, opens[i].want, file->size);
        rp_file_unref(file);
    } else {
        ck_assert_msg(file == NULL && err == opens[i].err, "%s: %s: %s",
                      opens[i].path, strerror(err), opens[i].why);
    }
    close(root);
    tree_remove();
}

START_TEST(the_kernel_opens_what_is_below_and_nothing_else)
{
    check_open(_i, false);
}
END_TEST

START_TEST(so_does_walking_by_hand)
{
    check_open(_i, true);
}
END_TEST

START_TEST(walking_leaves_no_descriptor_behind)
{
    int root = open(tree_make(), O_PATH | O_DIRECTORY);
    int before = dup(root), after;

    close(before);
    for (int i = 0; i < NOPENS; i++) {
        int fd = rp_files_walk(root, opens[i].path);
        if (fd >= 0)
            close(fd);
    }
    after = dup(root);
    ck_assert_int_eq(after, before);
    close(after);
    close(root);
    tree_remove();
}
END_TEST

int
main(void)
{
    TCase *tc = tcase_create("path");

    tcase_add_loop_test(tc,
                        a_url_stands_for_a_path_below_the_folder_or_for_none, 0,
                        (int)(sizeof(urls) / sizeof(urls[0])));
    tcase_add_test(tc,
                   dot_files_are_served_only_when_asked_and_dot_segments_never);
    tcase_add_test(tc, a_nul_is_refused);
    tcase_add_test(tc, a_path_that_is_too_long_is_refused);
    tcase_add_loop_test(tc, the_kernel_opens_what_is_below_and_nothing_else, 0,
                        NOPENS);
    tcase_add_loop_test(tc, so_does_walking_by_hand, 0, NOPENS);
    tcase_add_test(tc, walking_leaves_no_descriptor_behind);
    return run_tests("path", tc);
}
