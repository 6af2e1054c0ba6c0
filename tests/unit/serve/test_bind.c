/* Addresses: what is understood, and the sockets that come of it. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "run.h"
#include "rupy/base/log.h"
#include "rupy/serve/bind.h"

static struct rp_arena arena;
static struct rp_bind_options options;
static char folder[64], path[96], text[128], error[512];

static void
set_up(void)
{
    rp_arena_init(&arena, 1 << 20);
    options = (struct rp_bind_options){.backlog = 16, .uds_mode = 0660};
    snprintf(folder, sizeof(folder), "/tmp/rupy-bind.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    snprintf(text, sizeof(text), "unix:%s", path);
}

static void
tear_down(void)
{
    unlink(path);
    rmdir(folder);
    rp_arena_fini(&arena);
}

static struct rp_bind
must_parse(const char *s)
{
    struct rp_bind b;
    const char *why = "";

    ck_assert_msg(
        rp_bind_parse(&b, &arena, (struct rp_str){s, strlen(s)}, &why) == 0,
        "%s %s", s, why);
    return b;
}

static int
must_open(const struct rp_bind *b)
{
    int fd = rp_bind_open(b, &options, error, sizeof(error));

    ck_assert_msg(fd >= 0, "%s", error);
    return fd;
}

static const struct {
    const char *given;
    enum rp_bind_kind kind;
    const char *shown;
} good[] = {
    {"127.0.0.1:8000", RP_BIND_TCP, "127.0.0.1:8000"},
    {":80", RP_BIND_TCP, "0.0.0.0:80"},
    {"[::1]:0", RP_BIND_TCP, "[::1]:0"},
    {"[::]:65535", RP_BIND_TCP, "[::]:65535"},
    {"localhost:1", RP_BIND_TCP, "localhost:1"},
    {"unix:/run/a b", RP_BIND_UNIX, "unix:/run/a b"},
    {"unix:///run/a", RP_BIND_UNIX, "unix:/run/a"},
    {"unix:rel", RP_BIND_UNIX, "unix:rel"},
    {"unix:@name", RP_BIND_UNIX, "unix:@name"},
    {"fd://3", RP_BIND_FD, "fd://3"},
};

START_TEST(an_address_is_understood)
{
    struct rp_bind b = must_parse(good[_i].given);

    ck_assert_int_eq(b.kind, good[_i].kind);
    ck_assert_str_eq(b.text, good[_i].shown);
}
END_TEST

static const char *const bad[] = {
    "",
    "8000",
    "host",
    "host:",
    "host:http",
    ":-1",
    ":65536",
    "::1:80",
    "[::1]",
    "[1.2.3.4]:80",
    "[x]:80",
    "a b:80",
    "[::1:80",
    "http://a:80",
    "unix:",
    "unix:@",
    "fd://",
    "fd://x",
    "fd://-1",
    "user@host:80",
    "fd://99999999999999999999999",
};

START_TEST(what_is_no_address_is_refused_with_a_reason)
{
    struct rp_bind b;
    const char *why = NULL;
    struct rp_str s = {bad[_i], strlen(bad[_i])};

    ck_assert_msg(rp_bind_parse(&b, &arena, s, &why) == -1, "%s", bad[_i]);
    ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(a_path_that_does_not_fit_is_refused)
{
    struct rp_bind b;
    const char *why;
    char given[128];

    memset(given, 'x', sizeof(given));
    memcpy(given, "unix:", 5);
    ck_assert_int_eq(
        rp_bind_parse(&b, &arena, (struct rp_str){given, 5 + 107}, &why), 0);
    ck_assert_int_eq(
        rp_bind_parse(&b, &arena, (struct rp_str){given, 5 + 108}, &why), -1);
    ck_assert_ptr_nonnull(strstr(why, "too long"));
}
END_TEST

START_TEST(port_0_is_a_port_that_is_told)
{
    struct rp_bind b = must_parse("127.0.0.1:0");
    int fd = must_open(&b), on = 0;
    socklen_t n = sizeof(on);
    char shown[64];
    unsigned port = 0;

    rp_bind_describe(fd, shown, sizeof(shown));
    ck_assert_int_eq(sscanf(shown, "127.0.0.1:%u", &port), 1);
    ck_assert_uint_gt(port, 0);
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n);
    ck_assert_int_eq(on, 1);
    getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, &n);
    ck_assert_int_eq(on, 1);

    b.port = (uint16_t)port;
    b.text = "127.0.0.1:that";
    ck_assert_int_eq(rp_bind_open(&b, &options, error, sizeof(error)), -1);
    ck_assert_ptr_nonnull(strstr(error, "cannot bind 127.0.0.1:that: Address "
                                        "already in use; "));
    close(fd);
}
END_TEST

START_TEST(reuse_port_lets_two_sockets_have_one_port)
{
    struct rp_bind b = must_parse("127.0.0.1:0");
    char shown[64];
    unsigned port;

    options.reuse_port = true;
    int first = must_open(&b);
    rp_bind_describe(first, shown, sizeof(shown));
    sscanf(shown, "127.0.0.1:%u", &port);
    b.port = (uint16_t)port;
    int second = must_open(&b);
    close(first);
    close(second);
}
END_TEST

START_TEST(a_host_name_is_looked_up)
{
    struct rp_bind b = must_parse("localhost:0");
    int fd = must_open(&b);
    char shown[64];

    rp_bind_describe(fd, shown, sizeof(shown));
    ck_assert(strncmp(shown, "127.0.0.1:", 10) == 0 ||
              strncmp(shown, "[::1]:", 6) == 0);
    close(fd);
}
END_TEST

START_TEST(an_address_of_another_machine_is_told)
{
    struct rp_bind b = must_parse("192.0.2.1:0");

    ck_assert_int_eq(rp_bind_open(&b, &options, error, sizeof(error)), -1);
    ck_assert_ptr_nonnull(strstr(error, "no interface of this machine"));
}
END_TEST

START_TEST(a_socket_file_has_its_mode_under_any_umask)
{
    struct rp_bind b = must_parse(text);
    struct stat st;
    char shown[128];

    mode_t old = umask(0077);
    int fd = must_open(&b);
    umask(old);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0660);
    rp_bind_describe(fd, shown, sizeof(shown));
    ck_assert_str_eq(shown, text);
    rp_bind_close(&b, fd, true);
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(a_socket_file_is_replaced_only_when_nobody_answers)
{
    struct rp_bind b = must_parse(text);
    int fd = must_open(&b);

    ck_assert_int_eq(rp_bind_open(&b, &options, error, sizeof(error)), -1);
    ck_assert_ptr_nonnull(strstr(error, "another process listens there"));
    ck_assert_int_eq(access(path, F_OK), 0);
    rp_bind_close(&b, fd, false);
    ck_assert_int_eq(access(path, F_OK), 0);
    rp_bind_close(&b, must_open(&b), true);
}
END_TEST

START_TEST(a_full_queue_is_an_answer_too)
{
    struct rp_bind b = must_parse(text);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int clients[8], n = 0;

    options.backlog = 1;
    int fd = must_open(&b);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    while (n < 8) {
        clients[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int r =
            connect(clients[n++], (struct sockaddr *)&address, sizeof(address));
        if (r < 0 && errno == EAGAIN)
            break;
    }
    ck_assert_int_lt(n, 8);
    ck_assert_int_eq(rp_bind_open(&b, &options, error, sizeof(error)), -1);
    ck_assert_ptr_nonnull(strstr(error, "another process listens there"));
    while (n > 0)
        close(clients[--n]);
    rp_bind_close(&b, fd, true);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
    struct rp_bind b = must_parse(text);

    close(open(path, O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(rp_bind_open(&b, &options, error, sizeof(error)), -1);
    ck_assert_ptr_nonnull(strstr(error, "is no socket; remove it"));
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_folder_that_is_missing_is_told)
{
    char given[160];

    snprintf(given, sizeof(given), "unix:%s/none/s", folder);
    struct rp_bind b = must_parse(given);
    ck_assert_int_eq(rp_bind_open(&b, &options, error, sizeof(error)), -1);
    ck_assert_ptr_nonnull(strstr(error, "make the folder first"));
}
END_TEST

START_TEST(the_abstract_namespace_leaves_no_file)
{
    char given[64], shown[64];

    snprintf(given, sizeof(given), "unix:@rupy-bind-%ld", (long)getpid());
    struct rp_bind b = must_parse(given);
    int fd = must_open(&b);
    rp_bind_describe(fd, shown, sizeof(shown));
    ck_assert_str_eq(shown, given);
    rp_bind_close(&b, fd, true);
}
END_TEST

START_TEST(an_inherited_socket_is_used_as_it_is)
{
    struct rp_bind tcp = must_parse("127.0.0.1:0");
    int fd = must_open(&tcp);
    char given[32];

    fcntl(fd, F_SETFL, 0);
    snprintf(given, sizeof(given), "fd://%d", fd);
    struct rp_bind b = must_parse(given);
    ck_assert_int_eq(must_open(&b), fd);
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(fd);
    ck_assert_int_eq(rp_bind_open(&b, &options, error, sizeof(error)), -1);
    ck_assert_ptr_nonnull(strstr(error, "it must be an open socket"));

    fd = socket(AF_INET, SOCK_DGRAM, 0);
    b.fd = fd;
    ck_assert_int_eq(rp_bind_open(&b, &options, error, sizeof(error)), -1);
    ck_assert_ptr_nonnull(strstr(error, "not a stream socket"));
    close(fd);
}
END_TEST

START_TEST(a_backlog_that_is_cut_is_logged)
{
    FILE *f = fopen("/proc/sys/net/core/somaxconn", "r");
    struct rp_bind b = must_parse("127.0.0.1:0");
    char line[512] = "";
    int somaxconn = 0, fds[2];

    if (f == NULL || fscanf(f, "%d", &somaxconn) != 1 || somaxconn >= 65535)
        somaxconn = 0; /* nothing is above it */
    if (f != NULL)
        fclose(f);
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    rp_log_init(fds[1], RP_LOG_INFO, 0);
    options.backlog = somaxconn + 1;
    close(must_open(&b));
    ssize_t n = read(fds[0], line, sizeof(line) - 1);
    rp_log_init(STDERR_FILENO, RP_LOG_INFO, 0);
    close(fds[0]);
    close(fds[1]);
    if (somaxconn == 0)
        ck_assert_int_eq(n, -1);
    else
        ck_assert_msg(strstr(line, "is cut to net.core.somaxconn") != NULL,
                      "%s", line);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int
main(void)
{
    TCase *t = tcase_create("bind");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, an_address_is_understood, 0, COUNT(good));
    tcase_add_loop_test(t, what_is_no_address_is_refused_with_a_reason, 0,
                        COUNT(bad));
    tcase_add_test(t, a_path_that_does_not_fit_is_refused);
    tcase_add_test(t, port_0_is_a_port_that_is_told);
    tcase_add_test(t, reuse_port_lets_two_sockets_have_one_port);
    tcase_add_test(t, a_host_name_is_looked_up);
    tcase_add_test(t, an_address_of_another_machine_is_told);
    tcase_add_test(t, a_socket_file_has_its_mode_under_any_umask);
    tcase_add_test(t, a_socket_file_is_replaced_only_when_nobody_answers);
    tcase_add_test(t, a_full_queue_is_an_answer_too);
    tcase_add_test(t, a_file_that_is_no_socket_is_left_alone);
    tcase_add_test(t, a_folder_that_is_missing_is_told);
    tcase_add_test(t, the_abstract_namespace_leaves_no_file);
    tcase_add_test(t, an_inherited_socket_is_used_as_it_is);
    tcase_add_test(t, a_backlog_that_is_cut_is_logged);
    return run_tests("bind", t);
}
