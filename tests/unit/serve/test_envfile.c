/* What --chdir, --env and --env-file make of the environment. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "run.h"
#include "rupy/serve/config.h"

static struct rp_config config;
static char folder[64], file[80];

static void
set_up(void)
{
    rp_config_init(&config);
    snprintf(folder, sizeof(folder), "/tmp/rupy-env.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/env", folder);
}

static void
tear_down(void)
{
    unlink(file);
    rmdir(folder);
    rp_config_fini(&config);
}

static void
set(const char *name, const char *value)
{
    int r = rp_config_set(&config, (struct rp_str){name, strlen(name)},
                          (struct rp_str){value, strlen(value)},
                          RP_SOURCE_COMMAND_LINE);

    ck_assert_msg(r == 0, "%s", config.error);
}

static void
write_file(const char *text)
{
    FILE *f = fopen(file, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    set("env-file", file);
}

static const struct {
    const char *line;
    const char *want; /* of A; NULL: not set */
} good[] = {
    {"A=1", "1"},
    {"A=1\r\n", "1"},
    {"  export A = two words  ", "two words"},
    {"A=", ""},
    {"A=x=y", "x=y"},
    {"A=1 # one", "1"},
    {"A=a#b", "a#b"},
    {"A=#b", ""},
    {"A='$HOME \\n' # c", "$HOME \\n"},
    {"A=\"a\\nb \\\"c\\\" \\$d \\q\"", "a\nb \"c\" $d \\q"},
    {"# A=1", NULL},
    {"", NULL},
    {"A=1\nA=2", "2"},
};

START_TEST(a_line_sets_a_variable)
{
    unsetenv("A");
    write_file(good[_i].line);
    ck_assert_msg(rp_config_enter(&config) == 0, "%s", config.error);
    if (good[_i].want == NULL)
        ck_assert_ptr_null(getenv("A"));
    else
        ck_assert_str_eq(getenv("A"), good[_i].want);
}
END_TEST

static const char *const bad[] = {
    "A", "=1", "1A=1", "A B=1", "A='x", "A=\"x\\\"", "A='x'y",
};

START_TEST(a_line_that_is_wrong_is_named_by_its_number)
{
    char text[64];

    snprintf(text, sizeof(text), "# first\n%s\n", bad[_i]);
    write_file(text);
    ck_assert_int_eq(rp_config_enter(&config), -1);
    ck_assert_msg(strstr(config.error, "/env:2: ") != NULL, "%s", config.error);
}
END_TEST

START_TEST(the_environment_wins_over_the_file_and_env_over_both)
{
    setenv("A", "real", 1);
    setenv("B", "real", 1);
    unsetenv("C");
    set("env", "B=given");
    write_file("A=file\nB=file\nC=file\n");
    ck_assert_int_eq(rp_config_enter(&config), 0);
    ck_assert_str_eq(getenv("A"), "real");
    ck_assert_str_eq(getenv("B"), "given");
    ck_assert_str_eq(getenv("C"), "file");
}
END_TEST

START_TEST(paths_are_looked_up_after_chdir)
{
    char now[PATH_MAX];

    unsetenv("A");
    set("chdir", folder);
    write_file("A=1\n");
    config.env_files.n = 0;
    set("env-file", "env");
    ck_assert_msg(rp_config_enter(&config) == 0, "%s", config.error);
    ck_assert_ptr_nonnull(getcwd(now, sizeof(now)));
    ck_assert_str_eq(now, folder);
    ck_assert_str_eq(getenv("A"), "1");
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(what_is_not_there_is_named)
{
    set("env-file", "/nonexistent/env");
    ck_assert_int_eq(rp_config_enter(&config), -1);
    ck_assert_str_eq(config.error, "--env-file: /nonexistent/env: No such "
                                   "file or directory");
    set("chdir", "/nonexistent");
    ck_assert_int_eq(rp_config_enter(&config), -1);
    ck_assert_str_eq(config.error,
                     "--chdir: /nonexistent: No such file or directory");
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int
main(void)
{
    TCase *t = tcase_create("envfile");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_line_sets_a_variable, 0, COUNT(good));
    tcase_add_loop_test(t, a_line_that_is_wrong_is_named_by_its_number, 0,
                        COUNT(bad));
    tcase_add_test(t, the_environment_wins_over_the_file_and_env_over_both);
    tcase_add_test(t, paths_are_looked_up_after_chdir);
    tcase_add_test(t, what_is_not_there_is_named);
    return run_tests("envfile", t);
}
