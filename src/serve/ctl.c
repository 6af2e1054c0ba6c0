/* ctl.c -- one request over the control socket, and its answer on stdout. */
#include "rupy/serve/ctl.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "rupy/base/buf.h"
#include "rupy/master/master.h"
#include "rupy/serve/admin.h"

enum {
    ANSWER_MAX = 16 * 1024 * 1024,
    WAIT = 10,          /* seconds for an answer ... */
    WAIT_RELOAD = 3600, /* ... and for the end of a reload, at most */
};

static const char usage[] =
    "usage: rupy-serve ctl [--socket PATH | --name NAME] COMMAND\n"
    "\n"
    "  status            the service and its workers, as JSON\n"
    "  metrics           what Prometheus gets\n"
    "  ready             0 when it serves, else 1\n"
    "  reload [--wait]   replace every worker; wait for the end of it\n"
    "  upgrade           start the program anew beside the old one\n"
    "  recycle [PID]     replace one worker, or each\n"
    "  add [N]           so many workers more\n"
    "  remove [N]        so many less\n"
    "  stacks [PID]      Python stacks of one worker, or of each, to the log\n"
    "  reopen            open log files anew\n"
    "  log-level LEVEL   trace, debug, info, warning, error or critical\n"
    "  stop              stop, in peace\n";

static const struct command {
    const char *name, *method, *target;
    const char *argument; /* its parameter, NULL: none */
    bool needed;
} commands[] = {
    {"status", "GET", "/-/status", NULL, false},
    {"metrics", "GET", "/metrics", NULL, false},
    {"ready", "GET", "/-/ready", NULL, false},
    {"reload", "POST", "/reload", NULL, false},
    {"upgrade", "POST", "/upgrade", NULL, false},
    {"recycle", "POST", "/recycle", "pid", false},
    {"add", "POST", "/add", "n", false},
    {"remove", "POST", "/remove", "n", false},
    {"stacks", "POST", "/stacks", "pid", false},
    {"reopen", "POST", "/reopen", NULL, false},
    {"log-level", "POST", "/log-level", "level", true},
    {"stop", "POST", "/stop", NULL, false},
};

static int __attribute__((format(printf, 1, 2))) fail(const char *fmt, ...)
{
    va_list ap;

    fputs("rupy-serve ctl: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return RP_EXIT_USAGE;
}

/* ---- Which service ---- */

/* The one that runs, when there is only one.  0, or -1 after a line. */
static int
find_socket(char *path, size_t n)
{
    glob_t found;
    int r = -1;

    if (rp_admin_default_path("*", path, n) < 0) {
        fail("which service? --socket PATH (what --control-socket says)");
        return -1;
    }
    /* The star became a dash, as it is no plain character. */
    *strrchr(path, '-') = '*';
    if (glob(path, 0, NULL, &found) != 0) {
        fail("no service is running here: there is no %s", path);
        return -1;
    }
    if (found.gl_pathc > 1) {
        fail("which one? --socket, of these:");
        for (size_t i = 0; i < found.gl_pathc; i++)
            fprintf(stderr, "  %s\n", found.gl_pathv[i]);
    } else if (strlen(found.gl_pathv[0]) < n) {
        memcpy(path, found.gl_pathv[0], strlen(found.gl_pathv[0]) + 1);
        r = 0;
    }
    globfree(&found);
    return r;
}

static int
open_socket(const char *path, int seconds)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = seconds};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path)) {
        fail("%s: the path is too long", path);
        goto fail;
    }
    memcpy(address.sun_path, path, strlen(path));
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        /* A master that hangs has a queue that is full. */
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        fail("%s: %s", path,
             errno == EAGAIN ? "it takes too long" : strerror(errno));
        goto fail;
    }
    return fd;
fail:
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- One request ---- */

/* The whole answer, which ends with the connection.  0, or -1 after a line. */
static int
ask(int fd, const char *method, const char *target, struct rp_buf *answer)
{
    char request[256];
    int n = snprintf(request, sizeof(request),
                     "%s %s HTTP/1.1\r\nHost: localhost\r\n"
                     "Connection: close\r\nContent-Length: 0\r\n\r\n",
                     method, target);
    ssize_t got = 0;

    if (n >= (int)sizeof(request)) {
        fail("the argument is too long");
        return -1;
    }
    if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n) {
        fail("the master does not listen: %s", strerror(errno));
        return -1;
    }
    while (rp_buf_reserve(answer, 65536) == 0 &&
           (got = recv(fd, answer->p + answer->n, 65536, 0)) > 0)
        answer->n += (size_t)got;
    if (got < 0) {
        fail("no answer: %s",
             errno == EAGAIN ? "it takes too long" : strerror(errno));
        return -1;
    }
    return 0;
}

static int
show(const struct rp_buf *answer)
{
    const char *body =
        answer->n > 0 ? memmem(answer->p, answer->n, "\r\n\r\n", 4) : NULL;
    bool ok;

    if (!body || answer->n < 12)
        return fail("no answer: is it the socket of a rupy-serve?");
    body += 4;
    ok = answer->p[9] == '2';
    fwrite(body, 1, answer->n - (size_t)(body - answer->p),
           ok ? stdout : stderr);
    return ok && fflush(stdout) == 0 ? RP_EXIT_OK : RP_EXIT_USAGE;
}

static int
run(const struct command *c, const char *path, const char *argument, bool wait)
{
    struct rp_buf answer;
    char target[128];
    int fd = open_socket(path, wait ? WAIT_RELOAD : WAIT);
    int status = RP_EXIT_USAGE;

    if (fd < 0)
        return status;
    snprintf(target, sizeof(target), "%s%s%s%s%s", c->target,
             argument || wait ? "?" : "", wait ? "wait" : "",
             argument ? c->argument : "", argument ? "=" : "");
    if (argument)
        strncat(target, argument, sizeof(target) - strlen(target) - 1);
    rp_buf_init(&answer, ANSWER_MAX);
    if (ask(fd, c->method, target, &answer) == 0)
        status = show(&answer);
    rp_buf_fini(&answer);
    close(fd);
    return status;
}

/* Anything else would have to be encoded. */
static bool
is_word(const char *s)
{
    return *s != '\0' && strlen(s) < 32 &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789")] == '\0';
}

int
rp_ctl_main(int argc, char *const *argv)
{
    const char *name = NULL, *argument = NULL;
    const struct command *c = NULL;
    char path[256] = "";
    bool wait = false;

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            fputs(usage, stdout);
            return RP_EXIT_OK;
        } else if (strcmp(word, "--socket") == 0 && i + 1 < argc) {
            snprintf(path, sizeof(path), "%s", argv[++i]);
        } else if (strcmp(word, "--name") == 0 && i + 1 < argc) {
            name = argv[++i];
        } else if (strcmp(word, "--wait") == 0 && c &&
                   strcmp(c->name, "reload") == 0) {
            wait = true;
        } else if (!c) {
            for (size_t k = 0; k < sizeof(commands) / sizeof(commands[0]); k++)
                if (strcmp(word, commands[k].name) == 0)
                    c = &commands[k];
            if (!c)
                return fail("%s is no command; --help names them", word);
        } else if (c->argument && !argument && is_word(word)) {
            argument = word;
        } else {
            return fail("%s: %s is one word too many", c->name, word);
        }
    }
    if (!c) {
        fputs(usage, stderr);
        return RP_EXIT_USAGE;
    }
    if (c->needed && !argument)
        return fail("%s: which %s?", c->name, c->argument);
    if (name && rp_admin_default_path(name, path, sizeof(path)) < 0)
        return fail("--name: no place for sockets; say --socket PATH");
    if (!path[0] && find_socket(path, sizeof(path)) < 0)
        return RP_EXIT_USAGE;
    return run(c, path, argument, wait);
}
