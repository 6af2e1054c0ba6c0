/* test_files.c -- the cache of open files, media types, names of downloads. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/tree.h"
#include "run.h"
#include "rupy/files/disposition.h"
#include "rupy/files/files.h"
#include "rupy/files/mime.h"

static struct rp_files *files;
static struct rp_files_root root;

static void
setup(void)
{
    files = rp_files_new(8);
    ck_assert_int_eq(rp_files_root_init(&root, tree_make()), 0);
}

static void
teardown(void)
{
    rp_files_free(files);
    rp_files_root_fini(&root);
    tree_remove();
}

/* What the cache says at that time; NULL: nothing. */
static const char *
content_at(const char *path, double now)
{
    static char text[64];
    struct rp_file *file = rp_files_get(files, &root, path, now);

    if (!file)
        return NULL;
    ck_assert_uint_lt(file->size, sizeof(text));
    memcpy(text, file->content, file->size);
    text[file->size] = '\0';
    rp_file_unref(file);
    return text;
}

static void
replace(const char *name, const char *text)
{
    char to[512];

    tree_write("new", text, 0);
    strcpy(to, tree_path(name));
    ck_assert_int_eq(rename(tree_path("new"), to), 0);
}

START_TEST(a_file_replaced_by_rename_is_seen_within_a_second)
{
    ck_assert_str_eq(content_at("a.txt", 100), "alpha");
    replace("a.txt", "other");
    ck_assert_str_eq(content_at("a.txt", 100.5), "alpha");
    ck_assert_str_eq(content_at("a.txt", 101), "other");
}
END_TEST

START_TEST(a_file_that_is_gone_is_gone_within_a_second)
{
    ck_assert_str_eq(content_at("a.txt", 100), "alpha");
    ck_assert_int_eq(unlink(tree_path("a.txt")), 0);
    ck_assert_ptr_null(content_at("a.txt", 101));
    ck_assert_int_eq(errno, ENOENT);
    tree_write("a.txt", "back", 0);
    ck_assert_str_eq(content_at("a.txt", 101), "back");
}
END_TEST

START_TEST(the_whole_folder_may_be_replaced)
{
    char old[512], moved[512];

    ck_assert_str_eq(content_at("a.txt", 100), "alpha");
    strcpy(old, tree_path(""));
    strcpy(moved, tree_path("../old"));
    ck_assert_int_eq(rename(old, moved), 0);
    ck_assert_int_eq(mkdir(old, 0755), 0);
    tree_write("a.txt", "new folder", 0);
    ck_assert_str_eq(content_at("a.txt", 102), "new folder");
}
END_TEST

START_TEST(who_sends_a_file_keeps_it_as_it_was)
{
    struct rp_file *file = rp_files_get(files, &root, "a.txt", 100);

    replace("a.txt", "other");
    ck_assert_str_eq(content_at("a.txt", 102), "other");
    ck_assert_mem_eq(file->content, "alpha", 5);
    rp_file_unref(file);
}
END_TEST

static int
count_fds(void)
{
    int fd = open("/dev/null", O_RDONLY), n = 0;

    for (int i = 0; i < fd + 64; i++)
        n += fcntl(i, F_GETFD) >= 0;
    close(fd);
    return n - 1;
}

static void
make_big(const char *name)
{
    tree_write(name, "", 0);
    ck_assert_int_eq(truncate(tree_path(name), RP_FILES_SMALL + 1), 0);
}

START_TEST(no_more_files_than_the_limit_are_kept_open)
{
    char name[32];
    int before;

    for (int i = 0; i < 30; i++) {
        sprintf(name, "big%d", i);
        make_big(name);
    }
    before = count_fds();
    for (int i = 0; i < 30; i++) {
        struct rp_file *file;
        sprintf(name, "big%d", i);
        file = rp_files_get(files, &root, name, 100);
        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(file->fd, 0);
        rp_file_unref(file);
    }
    ck_assert_int_le(count_fds() - before, 8 + 1); /* and the folder's */
    rp_files_drop(files);
    ck_assert_int_le(count_fds() - before, 1);
}
END_TEST

START_TEST(a_small_file_takes_no_descriptor)
{
    struct rp_file *file = rp_files_get(files, &root, "a.txt", 100);

    ck_assert_int_eq(file->fd, -1);
    ck_assert_ptr_nonnull(file->content);
    rp_file_unref(file);
}
END_TEST

START_TEST(without_descriptors_what_is_known_is_still_served)
{
    struct rlimit limit, few;
    int fds[64], n = 0;

    make_big("big");
    make_big("big2");
    rp_file_unref(rp_files_get(files, &root, "big", 100));
    getrlimit(RLIMIT_NOFILE, &limit);
    few = limit;
    few.rlim_cur = 40;
    setrlimit(RLIMIT_NOFILE, &few);
    while (n < 64 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    ck_assert_int_lt(n, 64);
    /* Stale, but there. */
    struct rp_file *file = rp_files_get(files, &root, "big", 105);
    ck_assert_ptr_nonnull(file);
    rp_file_unref(file);
    /* Another takes the place of what is kept. */
    file = rp_files_get(files, &root, "big2", 105);
    ck_assert_ptr_nonnull(file);
    /* And when none is left, it is said so. */
    ck_assert_ptr_null(rp_files_get(files, &root, "big", 105));
    ck_assert_int_eq(errno, EMFILE);
    rp_file_unref(file);
    while (n > 0)
        close(fds[--n]);
    setrlimit(RLIMIT_NOFILE, &limit);
}
END_TEST

START_TEST(entity_tags_differ_when_files_do)
{
    struct rp_file *a, *b;

    tree_write("one", "same size", 1000);
    tree_write("two", "same size", 1001);
    a = rp_files_get(files, &root, "one", 100);
    b = rp_files_get(files, &root, "two", 100);
    ck_assert_int_eq(a->etag[0], '"');
    ck_assert_int_eq(a->etag[a->etag_n - 1], '"');
    ck_assert_str_ne(a->etag, b->etag);
    ck_assert_mem_eq(a->modified, "Thu, 01 Jan 1970 00:16:40 GMT", 29);
    rp_file_unref(a);
    rp_file_unref(b);
}
END_TEST

/* ---- Beside the file ---- */

static enum rp_coding
coding_at(double now, unsigned n, bool *varies)
{
    static const enum rp_coding all[] = {RP_CODING_BR, RP_CODING_ZSTD,
                                         RP_CODING_GZIP};
    enum rp_coding coding;
    struct rp_file *file =
        rp_files_get_coded(files, &root, "s.css", now, all, n, &coding, varies);

    ck_assert_ptr_nonnull(file);
    rp_file_unref(file);
    return coding;
}

START_TEST(a_coded_file_beside_it_is_sent_unless_it_is_older)
{
    bool varies;

    tree_write("s.css", "plain", 1000);
    ck_assert_int_eq(coding_at(100, 3, &varies), RP_N_CODINGS);
    ck_assert(!varies);
    tree_write("s.css.gz", "old", 999);
    ck_assert_int_eq(coding_at(102, 3, &varies), RP_N_CODINGS);
    ck_assert(!varies);
    tree_write("s.css.gz", "same age", 1000);
    ck_assert_int_eq(coding_at(104, 3, &varies), RP_CODING_GZIP);
    ck_assert(varies);
    tree_write("s.css.br", "newer", 1001);
    ck_assert_int_eq(coding_at(106, 3, &varies), RP_CODING_BR);
    ck_assert_int_eq(coding_at(106, 0, &varies), RP_N_CODINGS);
    ck_assert(varies);
}
END_TEST

/* ---- Media types ---- */

START_TEST(a_name_tells_the_media_type)
{
    static const struct {
        const char *path, *want;
    } rows[] = {
        {"index.html", "text/html; charset=utf-8"},
        {"a/b.CSS", "text/css; charset=utf-8"},
        {"app.js", "text/javascript; charset=utf-8"},
        {"x.tar.gz", "application/gzip"},
        {"3.3gp", "video/3gpp"},
        {"z.zst", "application/zstd"},
        {"photo.JPEG", "image/jpeg"},
        {"font.woff2", "font/woff2"},
        {"README", "application/octet-stream"},
        {"html", "application/octet-stream"},
        {".html", "application/octet-stream"},
        {"a/.html", "application/octet-stream"},
        {"a.html/README", "application/octet-stream"},
        {"a.", "application/octet-stream"},
        {"a.averylongextension", "application/octet-stream"},
        {"", "application/octet-stream"},
        {"x.wat", "text/x-wat"},
        {"x.tar.own", "application/x-own"},
        {"plain.txt", "text/mine"},
    };
    static const struct rp_mime own[] = {
        {{"wat", 3}, {"text/x-wat", 10}},
        {{"tar.own", 7}, {"application/x-own", 17}},
        {{"txt", 3}, {"text/mine", 9}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rp_str path = {rows[i].path, strlen(rows[i].path)};
        struct rp_str got = rp_mime_find(path, own, 3);
        struct rp_str want = {rows[i].want, strlen(rows[i].want)};
        ck_assert_msg(rp_str_eq(got, want), "%s: %.*s", rows[i].path,
                      RP_STR_ARG(got));
    }
}
END_TEST

/* ---- Names of downloads ---- */

START_TEST(a_download_has_a_name_in_every_script)
{
    static const struct {
        const char *name, *want;
        bool is_inline;
    } rows[] = {
        {"a.txt", "attachment; filename=\"a.txt\"", false},
        {"a.txt", "inline; filename=\"a.txt\"", true},
        {"a b.txt", "attachment; filename=\"a b.txt\"", false},
        {"say \"hi\"\\", "attachment; filename=\"say \\\"hi\\\"\\\\\"", false},
        {"\xc3\xbc.txt",
         "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt", false},
        {"\xe2\x82\xac rates",
         "attachment; filename=\"_ rates\"; filename*=UTF-8''%E2%82%AC%20rates",
         false},
        {"100%.txt",
         "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt",
         false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rp_str name = {rows[i].name, strlen(rows[i].name)};
        struct rp_buf b;
        rp_buf_init(&b, 0);
        ck_assert_int_eq(rp_disposition_add(&b, name, rows[i].is_inline), 0);
        ck_assert_msg(b.n == strlen(rows[i].want) &&
                          memcmp(b.p, rows[i].want, b.n) == 0,
                      "%s: %.*s", rows[i].name, (int)b.n, b.p);
        rp_buf_fini(&b);
    }
}
END_TEST

START_TEST(a_name_that_could_do_harm_is_none)
{
    ck_assert(rp_disposition_is_name(RP_STR("a.txt")));
    ck_assert(!rp_disposition_is_name(RP_STR("")));
    ck_assert(!rp_disposition_is_name(RP_STR("a/b")));
    ck_assert(!rp_disposition_is_name(RP_STR("a\r\nX: y")));
    ck_assert(!rp_disposition_is_name(RP_STR("\xff")));
}
END_TEST

int
main(void)
{
    TCase *tc = tcase_create("files");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_file_replaced_by_rename_is_seen_within_a_second);
    tcase_add_test(tc, a_file_that_is_gone_is_gone_within_a_second);
    tcase_add_test(tc, the_whole_folder_may_be_replaced);
    tcase_add_test(tc, who_sends_a_file_keeps_it_as_it_was);
    tcase_add_test(tc, no_more_files_than_the_limit_are_kept_open);
    tcase_add_test(tc, a_small_file_takes_no_descriptor);
    tcase_add_test(tc, without_descriptors_what_is_known_is_still_served);
    tcase_add_test(tc, entity_tags_differ_when_files_do);
    tcase_add_test(tc, a_coded_file_beside_it_is_sent_unless_it_is_older);
    tcase_add_test(tc, a_name_tells_the_media_type);
    tcase_add_test(tc, a_download_has_a_name_in_every_script);
    tcase_add_test(tc, a_name_that_could_do_harm_is_none);
    return run_tests("files", tc);
}
