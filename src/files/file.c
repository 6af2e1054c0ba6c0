/* file.c -- one open file, and a folder that files are looked for in. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/files/files.h"

enum { READ_TRIES = 3 };

/* All of it, as long as it is st->st_size bytes.  NULL: it is not, or there
 * is no memory. */
static char *
read_whole(int fd, const struct stat *st)
{
    size_t n = (size_t)st->st_size;
    char *p = malloc(n + 1);
    ssize_t k = p ? pread(fd, p, n + 1, 0) : -1;

    if (k == (ssize_t)n)
        return p;
    free(p);
    return NULL;
}

static bool
is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Read a small file into memory; one that changes all the while stays on
 * disk. */
static void
load(struct rp_file *file, struct stat *st)
{
    for (int i = 0; i < READ_TRIES && st->st_size <= RP_FILES_SMALL; i++) {
        struct stat after;
        char *content = read_whole(file->fd, st);

        if (fstat(file->fd, &after) < 0) {
            free(content);
            return;
        }
        if (content && after.st_size == st->st_size &&
            is_same_time(after.st_mtim, st->st_mtim)) {
            file->content = content;
            close(file->fd);
            file->fd = -1;
            return;
        }
        free(content);
        *st = after;
    }
}

static void
describe(struct rp_file *file, const struct stat *st)
{
    uint64_t ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u +
                  (uint64_t)st->st_mtim.tv_nsec;

    file->size = (uint64_t)st->st_size;
    file->dev = st->st_dev;
    file->ino = st->st_ino;
    file->mtime = st->st_mtim;
    file->ctime = st->st_ctim;
    file->etag_n = (unsigned)snprintf(file->etag, sizeof(file->etag),
                                      "\"%llx-%llx\"", (unsigned long long)ns,
                                      (unsigned long long)file->size);
    rp_date_format(file->modified, st->st_mtim.tv_sec);
}

struct rp_file *
rp_file_new(int fd)
{
    struct rp_file *file = NULL;
    struct stat st;
    int err = 0;

    if (fstat(fd, &st) < 0)
        err = errno;
    else if (S_ISDIR(st.st_mode))
        err = EISDIR;
    else if (!S_ISREG(st.st_mode))
        err = ENXIO;
    else if (!(file = calloc(1, sizeof(*file))))
        err = ENOMEM;
    if (err) {
        close(fd);
        errno = err;
        return NULL;
    }
    file->refs = 1;
    file->fd = fd;
    load(file, &st);
    describe(file, &st);
    return file;
}

struct rp_file *
rp_file_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    return fd < 0 ? NULL : rp_file_new(fd);
}

ssize_t
rp_file_read(const struct rp_file *file, void *p, size_t n, uint64_t off)
{
    return pread(file->fd, p, n, (off_t)off);
}

void
rp_file_unref(void *arg)
{
    struct rp_file *file = arg;

    if (--file->refs > 0)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free((void *)(uintptr_t)file->content);
    free(file);
}

int
rp_files_root_init(struct rp_files_root *root, const char *path)
{
    root->path = strdup(path);
    root->fd = -1;
    root->opened = 0;
    return root->path ? 0 : -1;
}

void
rp_files_root_fini(struct rp_files_root *root)
{
    free(root->path);
    root->path = NULL;
    if (root->fd >= 0)
        close(root->fd);
    root->fd = -1;
}
