/* upgrade.c -- how this process was started, and doing it again. */
#include "rupy/serve/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rupy/base/log.h"
#include "rupy/master/master.h"

#define FDS "RUPY_SERVE_UPGRADE_FDS"
#define PPID "RUPY_SERVE_UPGRADE_PPID"

enum { TEXT_MAX = 4 * 1024 * 1024 };

/* The words of such a file, each ended by NUL, in one stretch of memory that
 * begins with the pointers.  NULL: it cannot be read. */
static char **
read_words(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct rp_buf text;
    char **words = NULL;
    char *p;
    size_t n = 0;
    ssize_t got = -1;

    rp_buf_init(&text, TEXT_MAX);
    while (fd >= 0 && rp_buf_reserve(&text, 4096) == 0 &&
           (got = read(fd, text.p + text.n, 4096)) > 0)
        text.n += (size_t)got;
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\0';
    if (got == 0 && text.n > 0 && text.p[text.n - 1] == '\0')
        words = malloc((n + 1) * sizeof(*words) + text.n);
    if (words) {
        p = memcpy(words + n + 1, text.p, text.n);
        for (size_t i = 0; i < n; i++, p += strlen(p) + 1)
            words[i] = p;
        words[n] = NULL;
    }
    rp_buf_fini(&text);
    return words;
}

/* The variables are meant for us.  Not those of another, in a shell that a
 * worker had started, say: that master lives, and is not our parent. */
static bool
is_heir(long old)
{
    if (old == (long)getppid())
        return true;
    /* It has ended before we could look; its sockets are ours alone. */
    return old > 0 && kill((pid_t)old, 0) < 0 && errno == ESRCH;
}

void
rp_upgrade_init(struct rp_upgrade *u, const char *folder)
{
    const char *sockets = getenv(FDS), *ppid = getenv(PPID);

    *u = (struct rp_upgrade){.folder = folder};
    rp_buf_init(&u->gifts, 0);
    u->argv = read_words("/proc/self/cmdline");
    u->environ_ = read_words("/proc/self/environ");
    if (sockets && ppid && is_heir(strtol(ppid, NULL, 10))) {
        u->sockets = strdup(sockets);
        if (strtol(ppid, NULL, 10) == (long)getppid())
            u->old = getppid();
    }
    unsetenv(FDS);
    unsetenv(PPID);
}

void
rp_upgrade_fini(struct rp_upgrade *u)
{
    free(u->argv);
    free(u->environ_);
    free(u->sockets);
    rp_buf_fini(&u->gifts);
}

/* The descriptor of the line at *p, which is moved to the next one; *address
 * is what stands behind it.  -1: there is no more. */
static int
next_socket(char **p, struct rp_str *address)
{
    char *line = *p, *equals;
    long fd;

    if (!line || *line == '\0')
        return -1;
    fd = strtol(line, &equals, 10);
    if (*equals != '=' || fd < 0 || fd > INT32_MAX)
        return -1;
    address->p = equals + 1;
    address->n = strcspn(equals + 1, "\n");
    *p = equals + 1 + address->n;
    if (**p == '\n')
        ++*p;
    return (int)fd;
}

int
rp_upgrade_take(struct rp_upgrade *u, const char *address)
{
    struct rp_str wanted = {address, strlen(address)}, here;
    char *p = u->sockets;
    int fd;

    for (char *line = p; (fd = next_socket(&p, &here)) >= 0; line = p)
        if (rp_str_eq(here, wanted) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) {
            /* Taken: out of the list. */
            memmove(line, p, strlen(p) + 1);
            return fd;
        }
    return -1;
}

void
rp_upgrade_close_rest(struct rp_upgrade *u)
{
    struct rp_str address;
    char *p = u->sockets;
    int fd;

    while ((fd = next_socket(&p, &address)) >= 0)
        close(fd);
    free(u->sockets);
    u->sockets = NULL;
}

bool
rp_upgrade_has_old(struct rp_upgrade *u)
{
    if (u->old > 0 && getppid() != u->old)
        u->old = 0;
    return u->old > 0;
}

/* environ_ with the two variables, to be used once. */
static char **
make_environment(char **environ_, char *fds, char *ppid)
{
    size_t n = 0, kept = 0;
    char **e;

    while (environ_[n])
        n++;
    e = calloc(n + 3, sizeof(*e));
    if (!e)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ_[i], FDS "=", sizeof(FDS)) != 0 &&
            strncmp(environ_[i], PPID "=", sizeof(PPID)) != 0)
            e[kept++] = environ_[i];
    e[kept++] = fds;
    e[kept++] = ppid;
    return e;
}

void
rp_upgrade_give(struct rp_upgrade *u, int fd, const char *name)
{
    fcntl(fd, F_SETFD, 0);
    rp_buf_addf(&u->gifts, "%s%d=%s\n", u->gifts.n == 0 ? FDS "=" : "", fd,
                name);
}

int
rp_upgrade_exec(struct rp_upgrade *u)
{
    char ppid[64];
    char **e = NULL;

    if (!u->argv || !u->argv[0] || !u->environ_) {
        rp_error("SIGUSR2: how the server was started is not known: is /proc "
                 "there?");
        return RP_EXIT_INTERNAL;
    }
    snprintf(ppid, sizeof(ppid), PPID "=%d", (int)getppid());
    if (rp_buf_add(&u->gifts, "", 1) == 0)
        e = make_environment(u->environ_, u->gifts.p, ppid);
    if (!u->folder || chdir(u->folder) < 0) {
        rp_log_errno(RP_LOG_ERROR, "SIGUSR2: cannot enter %s again",
                     u->folder ? u->folder : "the folder of the start");
        return RP_EXIT_INTERNAL;
    }
    if (e)
        execvpe(u->argv[0], u->argv, e);
    rp_log_errno(RP_LOG_ERROR, "SIGUSR2: cannot execute %s", u->argv[0]);
    return RP_EXIT_INTERNAL;
}
