#include "rupy/files/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
    OPEN_TRIES = 8, /* a rename can disturb a look-up */
    DEPTH_MAX = 64, /* folders inside each other, when walking */
    LINKS_MAX = 16, /* symbolic links on the way, when walking */
};

/* ---- From the URL ---- */

/* Is the segment that begins at p, of n bytes, one that may be asked for? */
static bool
is_good_segment(const char *p, size_t n, bool dot_files)
{
    if (n == 0 || (p[0] == '.' && !dot_files))
        return false;
    if (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.')))
        return false;
    return memchr(p, '\\', n) == NULL && memchr(p, '\0', n) == NULL;
}

/* Decode the two escapes that are left.  The length, or -1: a slash. */
static ssize_t
decode(char *out, struct rp_str s)
{
    char *d = out;

    for (size_t i = 0; i < s.n; i++) {
        if (s.n - i >= 3 && memcmp(s.p + i, "%2F", 3) == 0)
            return -1;
        *d++ = s.p[i];
        if (s.n - i >= 3 && memcmp(s.p + i, "%25", 3) == 0)
            i += 2;
    }
    return d - out;
}

int
rp_files_path(char out[RP_FILES_PATH_MAX], struct rp_str rest, bool dot_files,
              bool *is_dir)
{
    size_t start = 0;
    ssize_t n;

    *is_dir = rest.n == 0 || rest.p[rest.n - 1] == '/';
    if (rest.n >= RP_FILES_PATH_MAX)
        return -1;
    if (rest.n > 0 && *is_dir)
        rest.n--;
    else if (rest.n == 0) {
        out[0] = '\0';
        return 0;
    }
    n = decode(out, rest);
    if (n < 0)
        return -1;
    for (size_t i = 0; i <= (size_t)n; i++) {
        if (i < (size_t)n && out[i] != '/')
            continue;
        if (!is_good_segment(out + start, i - start, dot_files))
            return -1;
        start = i + 1;
    }
    out[n] = '\0';
    return (int)n;
}

/* ---- By the kernel ---- */

int
rp_files_open(int root, const char *path, bool *by_hand)
{
    struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };

    for (int i = 0; i < OPEN_TRIES && !*by_hand; i++) {
        long fd =
            syscall(SYS_openat2, root, path[0] ? path : ".", &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        /* Old kernels do not have it, old sandboxes forbid it. */
        if (errno == ENOSYS || errno == EPERM)
            *by_hand = true;
        else if (errno != EAGAIN && errno != EINTR)
            return -1;
    }
    return *by_hand ? rp_files_walk(root, path) : -1;
}

/* ---- By hand ---- */

/* The folders from root down to where we are, and what is left to walk. */
struct walk {
    int fds[DEPTH_MAX];
    unsigned n;
    unsigned links;
    char left[RP_FILES_PATH_MAX];
};

static int
fail(int err)
{
    errno = err;
    return -1;
}

static int
top(const struct walk *w)
{
    return w->fds[w->n - 1];
}

/* Take the next component off the front, into name.  false: none is left. */
static bool
next_name(struct walk *w, char name[NAME_MAX + 1], int *err)
{
    size_t skip = strspn(w->left, "/");
    size_t n = strcspn(w->left + skip, "/");

    *err = n > NAME_MAX ? ENAMETOOLONG : 0;
    if (n == 0 || *err)
        return false;
    memcpy(name, w->left + skip, n);
    name[n] = '\0';
    memmove(w->left, w->left + skip + n, strlen(w->left + skip + n) + 1);
    return true;
}

/* Go on where the link fd, which is closed, points to. */
static int
follow(struct walk *w, int fd)
{
    char target[RP_FILES_PATH_MAX];
    ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
    size_t left = strlen(w->left);

    close(fd);
    if (n < 0)
        return -1;
    if (n == 0 || target[0] == '/')
        return fail(EXDEV);
    if (++w->links > LINKS_MAX)
        return fail(ELOOP);
    if ((size_t)n + left >= sizeof(w->left))
        return fail(ENAMETOOLONG);
    /* What is left is empty or begins with a slash. */
    memmove(w->left + n, w->left, left + 1);
    memcpy(w->left, target, (size_t)n);
    return 0;
}

static int
go_up(struct walk *w)
{
    if (w->n == 1)
        return fail(EXDEV);
    close(w->fds[--w->n]);
    return 0;
}

/* One component: 0 and further, or -1, or 1 when *out is the open file. */
static int
step(struct walk *w, const char *name, int *out)
{
    struct stat st;
    int fd;

    if (strcmp(name, ".") == 0)
        return 0;
    if (strcmp(name, "..") == 0)
        return go_up(w);
    fd = openat(top(w), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0) {
        close(fd);
        return -1;
    }
    if (S_ISLNK(st.st_mode))
        return follow(w, fd);
    if (S_ISDIR(st.st_mode)) {
        if (w->n == DEPTH_MAX) {
            close(fd);
            return fail(ELOOP);
        }
        w->fds[w->n++] = fd;
        return 0;
    }
    close(fd);
    if (w->left[0] != '\0')
        return fail(ENOTDIR);
    *out = openat(top(w), name, OPEN_FLAGS | O_NOFOLLOW);
    return *out < 0 ? -1 : 1;
}

int
rp_files_walk(int root, const char *path)
{
    struct walk w = {.fds = {root}, .n = 1};
    char name[NAME_MAX + 1];
    int fd = -1, rc = 0, err;

    if (path[0] == '/')
        return fail(EXDEV);
    if (strlen(path) >= sizeof(w.left))
        return fail(ENAMETOOLONG);
    memcpy(w.left, path, strlen(path) + 1);
    while (rc == 0 && next_name(&w, name, &err))
        rc = step(&w, name, &fd);
    if (rc == 0 && err)
        rc = fail(err);
    if (rc == 0)
        fd = openat(top(&w), ".", OPEN_FLAGS | O_DIRECTORY);
    err = errno;
    while (w.n > 1)
        close(w.fds[--w.n]);
    errno = err;
    return fd;
}
