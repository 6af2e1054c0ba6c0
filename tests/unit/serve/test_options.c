/* Options: values, sources and what is said about mistakes. */
#include <check.h>
#include <stdlib.h>

#include "run.h"
#include "rupy/serve/config.h"
#include "rupy/serve/value.h"

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

static struct rp_str
as_str(const char *p)
{
    return (struct rp_str){p, strlen(p)};
}

enum { MAX_WORDS = 12 };

/* Two lists of words, each up to the first NULL. */
static int
parse(char *const *words, char *const *environment)
{
    char name[] = "rupy-serve", *argv[MAX_WORDS + 2] = {name};
    int argc = 1;

    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = words[argc - 1];
    return rp_config_from_argv(&config, argc, argv, environment);
}

#define WORDS(...) ((char *[MAX_WORDS]){__VA_ARGS__})
#define NO_ENV ((char *[1]){NULL})

static const char *
source(const char *name)
{
    static char text[96];

    rp_config_source(&config, rp_option_find(as_str(name)), text, sizeof(text));
    return text;
}

static const struct {
    const char *text;
    double want; /* -1: refused */
} durations[] = {
    {"30", 30},       {"1.5", 1.5},    {"500ms", 0.5}, {"30s", 30},
    {"5m", 300},      {"1h30m", 5400}, {"2d", 172800}, {"0", 0},
    {"off", 0},       {"OFF", 0},      {"0.5s", 0.5},  {"1m30s", 90},
    {"1s500ms", 1.5}, {"1.5h", 5400},  {"", -1},       {"s", -1},
    {"-1", -1},       {"30 s", -1},    {"1h30", -1},   {"30m1h", -1},
    {"1s1s", -1},     {"1e3", -1},     {".5", -1},     {"1.", -1},
    {"inf", -1},      {"1w", -1},      {"on", -1},     {"1111111111111", -1},
};

START_TEST(a_duration_is_read_with_and_without_units)
{
    double v = -1;
    int r = rp_value_duration(as_str(durations[_i].text), &v);

    ck_assert_msg((r == 0 ? v : -1) == durations[_i].want, "'%s' gave %f",
                  durations[_i].text, r == 0 ? v : -1);
}
END_TEST

static const struct {
    const char *text;
    long long want; /* -1: refused */
} sizes[] = {
    {"65536", 65536}, {"64k", 65536},   {"64K", 65536},
    {"64kb", 65536},  {"64KiB", 65536}, {"10M", 10485760},
    {"1G", 1 << 30},  {"1.5k", 1536},   {"0", 0},
    {"off", 0},       {"12b", 12},      {"1.5", -1},
    {"", -1},         {"k", -1},        {"-1", -1},
    {"1kk", -1},      {"1 k", -1},      {"1x", -1},
    {"0x10", -1},     {"1kib2", -1},    {"99999999999T", -1},
};

START_TEST(a_size_is_read_with_and_without_units)
{
    uint64_t v = 0;
    int r = rp_value_size(as_str(sizes[_i].text), &v);

    ck_assert_msg((r == 0 ? (long long)v : -1) == sizes[_i].want,
                  "'%s' gave %lld", sizes[_i].text, r == 0 ? (long long)v : -1);
}
END_TEST

static const struct {
    double seconds;
    const char *want;
} shown_durations[] = {
    {0, "0"},      {0.5, "500ms"},  {75, "75s"},
    {60, "1m"},    {3600, "1h"},    {5400, "90m"},
    {86400, "1d"}, {1.5, "1500ms"}, {0.0005, "0.0005s"},
};

START_TEST(a_duration_is_shown_as_it_can_be_read)
{
    struct rp_buf b;
    double back;

    rp_buf_init(&b, 64);
    ck_assert_int_eq(rp_value_add_duration(&b, shown_durations[_i].seconds), 0);
    struct rp_str s = {b.p, b.n};
    ck_assert_msg(rp_str_eq(s, as_str(shown_durations[_i].want)),
                  "%f shown as %.*s", shown_durations[_i].seconds,
                  RP_STR_ARG(s));
    ck_assert_int_eq(rp_value_duration(s, &back), 0);
    ck_assert_double_eq_tol(back, shown_durations[_i].seconds, 1e-9);
    rp_buf_fini(&b);
}
END_TEST

START_TEST(a_size_is_shown_in_the_largest_unit_that_divides_it)
{
    struct rp_buf b;

    rp_buf_init(&b, 64);
    ck_assert_int_eq(rp_value_add_size(&b, 65536), 0);
    ck_assert_int_eq(rp_value_add_size(&b, 8190), 0);
    ck_assert_int_eq(rp_value_add_size(&b, 3u << 30), 0);
    ck_assert(rp_str_eq((struct rp_str){b.p, b.n}, RP_STR("64k81903G")));
    rp_buf_fini(&b);
}
END_TEST

START_TEST(without_anything_the_defaults_hold)
{
    ck_assert_int_eq(parse(WORDS("app:app"), NO_ENV), 0);
    ck_assert_str_eq(config.app, "app:app");
    ck_assert_int_eq(config.workers, 1);
    ck_assert_int_eq(config.max_workers, 4);
    ck_assert_uint_eq(config.nbinds, 1);
    ck_assert_str_eq(config.binds[0].text, "127.0.0.1:8000");
    ck_assert_double_eq(config.deadlines.keep_alive, 75);
    ck_assert_double_eq(config.deadlines.first_byte, 30);
    ck_assert_double_eq(config.deadlines.linger, 5);
    ck_assert_uint_eq(config.limits.request_line, 8190);
    ck_assert_uint_eq(config.limits.request_fields, 100);
    ck_assert_uint_eq(config.limits.header_size, 65536);
    ck_assert_uint_eq(config.limits.body, 0);
    ck_assert_int_eq(config.uds_mode, 0660);
    ck_assert_int_eq(config.log_level, RP_LOG_INFO);
    ck_assert(config.date_header && !config.server_header);
    ck_assert_ptr_null(config.access_log);
    ck_assert_str_eq(source("workers"), "default");
}
END_TEST

START_TEST(every_form_of_an_option_is_taken)
{
    ck_assert_int_eq(
        parse(WORDS("-w4", "--keep-alive=5m", "-t", "10", "--no-date-header",
                    "--server-header", "--limit_body", "10M", "app"),
              NO_ENV),
        0);
    ck_assert_int_eq(config.workers, 4);
    ck_assert_double_eq(config.deadlines.keep_alive, 300);
    ck_assert_double_eq(config.timeout, 10);
    ck_assert(!config.date_header && config.server_header);
    ck_assert_uint_eq(config.limits.body, 10 << 20);
    ck_assert_str_eq(source("keep-alive"), "command line");
}
END_TEST

START_TEST(aliases_of_other_servers_are_taken)
{
    ck_assert_int_eq(
        parse(WORDS("--timeout-keep-alive", "9", "--worker-connections=7",
                    "--pidfile", "/p", "--pythonpath", "/a", "app"),
              NO_ENV),
        0);
    ck_assert_double_eq(config.deadlines.keep_alive, 9);
    ck_assert_int_eq(config.limit_connections, 7);
    ck_assert_str_eq(config.pid, "/p");
    ck_assert_str_eq(config.app_dirs.v[0], "/a");
}
END_TEST

START_TEST(after_two_dashes_everything_is_an_application)
{
    ck_assert_int_eq(parse(WORDS("--", "-w"), NO_ENV), 0);
    ck_assert_str_eq(config.app, "-w");
}
END_TEST

static const struct {
    const char *word, *next, *file, *app;
} access_logs[] = {
    {"--access-log", "m:app", "-", "m:app"},
    {"--access-log", "-", "-", NULL},
    {"--access-log", "/var/log/a", "/var/log/a", NULL},
    {"--access-log", "./a", "./a", NULL},
    {"--access-log=a.log", "m:app", "a.log", "m:app"},
    {"--access-log=off", "m:app", NULL, "m:app"},
    {"--no-access-log", "m:app", NULL, "m:app"},
};

START_TEST(access_log_never_takes_the_application_for_a_file)
{
    char first[32], second[32];

    snprintf(first, sizeof(first), "%s", access_logs[_i].word);
    snprintf(second, sizeof(second), "%s", access_logs[_i].next);
    parse(WORDS(first, second), NO_ENV);
    if (access_logs[_i].file == NULL)
        ck_assert_ptr_null(config.access_log);
    else
        ck_assert_str_eq(config.access_log, access_logs[_i].file);
    if (access_logs[_i].app == NULL)
        ck_assert_ptr_null(config.app);
    else
        ck_assert_str_eq(config.app, access_logs[_i].app);
}
END_TEST

START_TEST(the_higher_source_wins_in_whatever_order_they_come)
{
    ck_assert_int_eq(
        parse(WORDS("-w", "5", "app"),
              WORDS("RUPY_SERVE_WORKERS=3", "WEB_CONCURRENCY=2",
                    "RUPY_SERVE_CMD_ARGS=-w 4 --threads 8",
                    "RUPY_SERVE_THREADS=7", "PORT=81", "RUPY_SERVE_BACKLOG=9")),
        0);
    ck_assert_int_eq(config.workers, 5);
    ck_assert_str_eq(source("workers"), "command line");
    ck_assert_int_eq(config.threads, 8);
    ck_assert_str_eq(source("threads"), "env RUPY_SERVE_CMD_ARGS");
    ck_assert_int_eq(config.backlog, 9);
    ck_assert_str_eq(source("backlog"), "env RUPY_SERVE_BACKLOG");
    ck_assert_str_eq(source("port"), "env PORT");
    ck_assert_int_eq(rp_config_set(&config, RP_STR("backlog"), RP_STR("11"),
                                   RP_SOURCE_PYTHON),
                     0);
    ck_assert_int_eq(config.backlog, 11);
    ck_assert_int_eq(
        rp_config_set(&config, RP_STR("backlog"), RP_STR("12"), RP_SOURCE_ENV),
        0);
    ck_assert_int_eq(config.backlog, 11);
}
END_TEST

START_TEST(a_list_is_replaced_by_a_higher_source_and_added_to_by_its_own)
{
    ck_assert_int_eq(
        parse(WORDS("--header", "a: 1", "--header", "b: 2, 3", "app"),
              WORDS("RUPY_SERVE_HEADER=c: 3", "RUPY_SERVE_APP_DIR=/x\n/y,z\n",
                    "RUPY_SERVE_BIND=:1,unix:/s")),
        0);
    ck_assert_uint_eq(config.headers.n, 2);
    ck_assert_str_eq(config.headers.v[1], "b: 2, 3");
    ck_assert_uint_eq(config.app_dirs.n, 2);
    ck_assert_str_eq(config.app_dirs.v[1], "/y,z");
    ck_assert_uint_eq(config.nbinds, 2);
    ck_assert_str_eq(config.binds[1].text, "unix:/s");
}
END_TEST

static const struct {
    const char *word, *first, *second, *want; /* NULL: refused */
} addresses[] = {
    {"--workers=1", "A=", "A=", "127.0.0.1:8000"},
    {"--workers=1", "PORT=81", "A=", "0.0.0.0:81"},
    {"--workers=1", "PORT=", "A=", "127.0.0.1:8000"},
    {"--host=::1", "PORT=81", "A=", "[::1]:81"},
    {"--port=82", "PORT=81", "A=", "127.0.0.1:82"},
    {"--workers=1", "RUPY_SERVE_PORT=82", "PORT=81", "127.0.0.1:82"},
    {"--bind=1.2.3.4:5", "PORT=81", "A=", "1.2.3.4:5"},
    {"--uds=/run/x", "RUPY_SERVE_BIND=:9", "PORT=81", "unix:/run/x"},
    {"--fd=3", "RUPY_SERVE_UDS=/x", "A=", "fd://3"},
    {"--port=0", "RUPY_SERVE_HOST=a.b", "A=", "a.b:0"},
    {"--workers=1", "RUPY_SERVE_PORT=82", "RUPY_SERVE_UDS=/x", NULL},
    {"--workers=1", "RUPY_SERVE_BIND=:82", "RUPY_SERVE_HOST=x", NULL},
    {"--host=/x", "A=", "A=", NULL},
};

START_TEST(the_highest_source_says_where_to_listen)
{
    char word[32], first[32], second[32], app[] = "app";

    snprintf(word, sizeof(word), "%s", addresses[_i].word);
    snprintf(first, sizeof(first), "%s", addresses[_i].first);
    snprintf(second, sizeof(second), "%s", addresses[_i].second);
    int r = parse(WORDS(word, app), WORDS(first, second));
    if (addresses[_i].want == NULL) {
        ck_assert_int_eq(r, -1);
        return;
    }
    ck_assert_msg(r == 0, "%s", config.error);
    ck_assert_uint_eq(config.nbinds, 1);
    ck_assert_str_eq(config.binds[0].text, addresses[_i].want);
}
END_TEST

static const struct {
    const char *word, *variable, *want;
} mistakes[] = {
    {"--worker=3", "A=",
     "there is no option --worker; did you mean "
     "--workers?"},
    {"--keepalive=3", "A=", "did you mean --keep-alive?"},
    {"--no-factry", "A=", "did you mean --no-factory?"},
    {"--xyzzy", "A=", "there is no option --xyzzy; --help lists all"},
    {"-Z", "A=", "there is no option -Z"},
    {"--workers", "A=", "--workers needs a value: --workers N|auto"},
    {"--workers=4x", "A=", "--workers: '4x' is no number, nor auto"},
    {"--workers=0", "A=", "--workers: 0 is not between 1 and 1024"},
    {"-w0", "A=", "-w: 0 is not between 1 and 1024"},
    {"--factory=maybe", "A=", "--factory: 'maybe' is neither on nor off"},
    {"--no-factory=on", "A=", "--no-factory takes no value"},
    {"--no-workers", "A=", "--workers has no --no- form"},
    {"--log-level=loud", "A=", "--log-level: 'loud' is none of: trace "},
    {"--interface=cgi",
     "A=", "--interface: 'cgi' is none of: auto rupy asgi wsgi"},
    {"--uds-mode=888", "A=", "--uds-mode: '888' is no octal mode"},
    {"--limit-body=ten", "A=", "--limit-body: 'ten' is no size such as"},
    {"--limit-request-fields=1001", "A=", "is not between 1 and 1000"},
    {"--keep-alive=1h30", "A=", "--keep-alive: '1h30' is no duration"},
    {"--header=Date: x", "A=", "'Date: x' is set by the server itself"},
    {"--header=no colon", "A=", "is not NAME: VALUE"},
    {"--header=a:b\nc:d", "A=", "'a:b?c:d' has a control character in it"},
    {"--env=novalue", "A=", "--env: 'novalue' is not KEY=VALUE"},
    {"--bind=8000", "A=", "--bind: '8000' is no address: want HOST:PORT"},
    {"--max-workers=1", "WEB_CONCURRENCY=2",
     "--max-workers: 1 is less than "
     "the 2 of --workers"},
    {"--app=", "A=", "--app is empty"},
    {"--factory", "RUPY_SERVE_WORKER=3",
     "there is no variable "
     "RUPY_SERVE_WORKER; did you mean "
     "RUPY_SERVE_WORKERS?"},
    {"--factory", "RUPY_SERVE_WORKERS=x", "RUPY_SERVE_WORKERS: 'x' is no "},
    {"--factory", "RUPY_SERVE_XYZZY=1", "no variable RUPY_SERVE_XYZZY"},
    {"--factory", "RUPY_SERVE_HELP=1", "no variable RUPY_SERVE_HELP"},
    {"--factory", "RUPY_SERVE_PORT=tcp://10.0.0.1:80", "Kubernetes"},
    {"--factory", "RUPY_SERVE_SERVICE_HOST=10.0.0.1", "Kubernetes"},
    {"--factory", "WEB_CONCURRENCY=x", "WEB_CONCURRENCY: 'x' is no number"},
    {"--factory", "RUPY_SERVE_CMD_ARGS=-w 'x", "a quote is not closed"},
    {"--factory", "RUPY_SERVE_CMD_ARGS=-w x", "RUPY_SERVE_CMD_ARGS: -w: "},
};

START_TEST(a_mistake_is_told_in_one_line)
{
    char word[64], variable[64], app[] = "app";

    snprintf(word, sizeof(word), "%s", mistakes[_i].word);
    snprintf(variable, sizeof(variable), "%s", mistakes[_i].variable);
    ck_assert_int_eq(parse(strcmp(word, "--workers") == 0 ? WORDS(app, word)
                                                          : WORDS(word, app),
                           WORDS(variable)),
                     -1);
    ck_assert_msg(strstr(config.error, mistakes[_i].want) != NULL,
                  "%s gave: %s", word, config.error);
    ck_assert_ptr_null(strchr(config.error, '\n'));
}
END_TEST

START_TEST(an_application_is_needed_and_one_is_enough)
{
    ck_assert_int_eq(parse(WORDS("-w1"), NO_ENV), -1);
    ck_assert_ptr_nonnull(strstr(config.error, "which application?"));
    tear_down();
    set_up();
    ck_assert_int_eq(parse(WORDS("a", "b"), NO_ENV), -1);
    ck_assert_ptr_nonnull(strstr(config.error, "'b' is one application too"));
    tear_down();
    set_up();
    ck_assert_int_eq(parse(WORDS("b"), WORDS("RUPY_SERVE_APP=a")), 0);
    ck_assert_str_eq(config.app, "b");
}
END_TEST

START_TEST(help_and_version_do_not_mind_the_environment)
{
    ck_assert_int_eq(parse(WORDS("--help", "http"), WORDS("RUPY_SERVE_X=1")),
                     0);
    ck_assert_int_eq(config.action, RP_ACTION_HELP);
    ck_assert_int_eq(config.help_group, RP_GROUP_HTTP);
    ck_assert_int_eq(parse(WORDS("--version"), WORDS("RUPY_SERVE_X=1")), 0);
    ck_assert_int_eq(config.action, RP_ACTION_VERSION);
    ck_assert_int_eq(parse(WORDS("--print-config", "json"), NO_ENV), 0);
    ck_assert_int_eq(config.action, RP_ACTION_PRINT_JSON);
}
END_TEST

static const struct {
    const char *text;
    const char *want; /* words with | between; NULL: refused */
} lines[] = {
    {"", ""},
    {"  a\tb  c ", "a|b|c"},
    {"'a b' \"c d\"", "a b|c d"},
    {"a'b c'd", "ab cd"},
    {"''", ""},
    {"x '' y", "x||y"},
    {"a\\ b \\'c", "a b|'c"},
    {"\"a\\\"b\\n\" '\\'", "a\"b\\n|\\"},
    {"'open", NULL},
    {"\"open", NULL},
};

START_TEST(a_line_is_split_as_a_shell_does)
{
    struct rp_strs words = {0};
    char joined[128] = "";
    size_t n = 0;
    int r = rp_config_split(&config.arena, as_str(lines[_i].text), &words);

    if (lines[_i].want == NULL) {
        ck_assert_int_eq(r, -1);
        return;
    }
    ck_assert_int_eq(r, 0);
    for (size_t i = 0; i < words.n; i++)
        n += (size_t)snprintf(joined + n, sizeof(joined) - n, "%s%s",
                              i > 0 ? "|" : "", words.v[i]);
    ck_assert_str_eq(joined, lines[_i].want);
}
END_TEST

START_TEST(the_table_is_sound)
{
    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        ck_assert_uint_eq(rp_option_index(o), i);
        ck_assert_ptr_eq(rp_option_find(as_str(o->name)), o);
        if (o->letter != 0)
            ck_assert_ptr_eq(rp_option_find_letter(o->letter), o);
        ck_assert_ptr_nonnull(o->arg);
        ck_assert_ptr_nonnull(o->help);
        ck_assert(o->help[strlen(o->help) - 1] != '.');
        for (unsigned j = 0; j < i; j++)
            ck_assert_msg(rp_option_at(j)->size == 0 ||
                              rp_option_at(j)->offset != o->offset,
                          "--%s and --%s share a field", o->name,
                          rp_option_at(j)->name);
    }
}
END_TEST

START_TEST(help_fits_80_columns)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(f);
    rp_option_help(f, RP_N_GROUPS);
    fclose(f);
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, "\n");
        ck_assert_msg(n < 80, "%.*s", (int)n, p);
        p += n + (p[n] == '\n');
    }
    for (unsigned i = 0; i < rp_option_count(); i++)
        ck_assert_ptr_nonnull(strstr(text, rp_option_at(i)->name));
    free(text);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int
main(void)
{
    TCase *t = tcase_create("options");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_duration_is_read_with_and_without_units, 0,
                        COUNT(durations));
    tcase_add_loop_test(t, a_size_is_read_with_and_without_units, 0,
                        COUNT(sizes));
    tcase_add_loop_test(t, a_duration_is_shown_as_it_can_be_read, 0,
                        COUNT(shown_durations));
    tcase_add_test(t, a_size_is_shown_in_the_largest_unit_that_divides_it);
    tcase_add_test(t, without_anything_the_defaults_hold);
    tcase_add_test(t, every_form_of_an_option_is_taken);
    tcase_add_test(t, aliases_of_other_servers_are_taken);
    tcase_add_test(t, after_two_dashes_everything_is_an_application);
    tcase_add_loop_test(t, access_log_never_takes_the_application_for_a_file, 0,
                        COUNT(access_logs));
    tcase_add_test(t, the_higher_source_wins_in_whatever_order_they_come);
    tcase_add_test(
        t, a_list_is_replaced_by_a_higher_source_and_added_to_by_its_own);
    tcase_add_loop_test(t, the_highest_source_says_where_to_listen, 0,
                        COUNT(addresses));
    tcase_add_loop_test(t, a_mistake_is_told_in_one_line, 0, COUNT(mistakes));
    tcase_add_test(t, an_application_is_needed_and_one_is_enough);
    tcase_add_test(t, help_and_version_do_not_mind_the_environment);
    tcase_add_loop_test(t, a_line_is_split_as_a_shell_does, 0, COUNT(lines));
    tcase_add_test(t, the_table_is_sound);
    tcase_add_test(t, help_fits_80_columns);
    return run_tests("options", t);
}
