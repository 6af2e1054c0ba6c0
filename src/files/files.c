/* files.c -- the cache: a hash table over entries in the order of their last
 * use. */
#include "rupy/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "rupy/base/list.h"

enum { BUCKETS = 512 }; /* a power of two */

struct entry {
    struct rp_list chain; /* of its bucket */
    struct rp_list used;  /* the one used last comes first */
    const struct rp_files_root *root;
    struct rp_file *file;
    double checked;
    double beside_checked; /* 0: never */
    unsigned beside;       /* bits of enum rp_coding: what lies beside it */
    size_t n;
    char path[]; /* with a NUL */
};

struct rp_files {
    struct rp_list buckets[BUCKETS];
    struct rp_list used;
    unsigned n, max;
    bool by_hand; /* there is no openat2(2) */
};

struct rp_files *
rp_files_new(unsigned max)
{
    struct rp_files *f = malloc(sizeof(*f));

    if (!f)
        return NULL;
    for (unsigned i = 0; i < BUCKETS; i++)
        rp_list_init(&f->buckets[i]);
    rp_list_init(&f->used);
    f->n = 0;
    f->max = max;
    f->by_hand = false;
    return f;
}

static void
drop(struct rp_files *f, struct entry *e)
{
    rp_list_del(&e->chain);
    rp_list_del(&e->used);
    rp_file_unref(e->file);
    free(e);
    f->n--;
}

void
rp_files_drop(struct rp_files *f)
{
    while (!rp_list_is_empty(&f->used))
        drop(f, rp_container_of(f->used.next, struct entry, used));
}

void
rp_files_free(struct rp_files *f)
{
    if (!f)
        return;
    rp_files_drop(f);
    free(f);
}

/* FNV-1a; whoever makes paths collide must have put the files there. */
static struct rp_list *
bucket_of(struct rp_files *f, const char *path, size_t n)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)path[i]) * 16777619u;
    return &f->buckets[(h ^ h >> 16) & (BUCKETS - 1)];
}

static struct entry *
find(struct rp_list *bucket, const struct rp_files_root *root, const char *path,
     size_t n)
{
    for (struct rp_list *l = bucket->next; l != bucket; l = l->next) {
        struct entry *e = rp_container_of(l, struct entry, chain);
        if (e->root == root && e->n == n && memcmp(e->path, path, n) == 0)
            return e;
    }
    return NULL;
}

/* The descriptor of the folder itself, opened anew from time to time: it may
 * have been replaced as a whole. */
static int
open_root(struct rp_files_root *root, double now)
{
    int fd;

    if (root->fd >= 0 && now - root->opened < RP_FILES_FRESH)
        return root->fd;
    fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE ? root->fd : -1;
    if (root->fd >= 0)
        close(root->fd);
    root->fd = fd;
    root->opened = now;
    return fd;
}

static int
open_fd(struct rp_files *f, struct rp_files_root *root, const char *path,
        double now)
{
    int dir = open_root(root, now);

    return dir < 0 ? -1 : rp_files_open(dir, path, &f->by_hand);
}

static bool
is_short_of_fds(int err)
{
    return err == EMFILE || err == ENFILE;
}

static bool
is_same(const struct rp_file *a, const struct rp_file *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime.tv_sec == b->mtime.tv_sec &&
           a->mtime.tv_nsec == b->mtime.tv_nsec &&
           a->ctime.tv_sec == b->ctime.tv_sec &&
           a->ctime.tv_nsec == b->ctime.tv_nsec;
}

/* Look again at a file that is known.  0, or -1 and errno: it is gone, and so
 * is the entry. */
static int
refresh(struct rp_files *f, struct rp_files_root *root, struct entry *e,
        double now)
{
    int fd = open_fd(f, root, e->path, now), err = errno;
    struct rp_file *file = fd < 0 ? NULL : rp_file_new(fd);

    if (!file) {
        if (fd >= 0)
            err = errno;
        /* What was true a second ago is better than no answer. */
        if (is_short_of_fds(err))
            return 0;
        drop(f, e);
        errno = err;
        return -1;
    }
    e->checked = now;
    if (is_same(e->file, file)) {
        rp_file_unref(file);
        return 0;
    }
    rp_file_unref(e->file);
    e->file = file;
    e->beside_checked = 0;
    return 0;
}

static struct rp_file *
open_new(struct rp_files *f, struct rp_files_root *root, const char *path,
         double now)
{
    int fd = open_fd(f, root, path, now);

    if (fd < 0 && is_short_of_fds(errno) && f->n > 0) {
        rp_files_drop(f);
        fd = open_fd(f, root, path, now);
    }
    return fd < 0 ? NULL : rp_file_new(fd);
}

/* The entry of path, now the first of `used`; NULL and errno.  Without memory
 * for one, errno is ENOMEM. */
static struct entry *
look_up(struct rp_files *f, struct rp_files_root *root, const char *path,
        double now)
{
    size_t n = strlen(path);
    struct rp_list *bucket = bucket_of(f, path, n);
    struct entry *e = find(bucket, root, path, n);
    struct rp_file *file;

    if (e) {
        if (now - e->checked >= RP_FILES_FRESH && refresh(f, root, e, now) < 0)
            return NULL;
        rp_list_del(&e->used);
        rp_list_add(f->used.next, &e->used);
        return e;
    }
    file = open_new(f, root, path, now);
    if (!file)
        return NULL;
    e = malloc(sizeof(*e) + n + 1);
    if (!e) {
        rp_file_unref(file);
        errno = ENOMEM;
        return NULL;
    }
    if (f->n == f->max)
        drop(f, rp_container_of(f->used.prev, struct entry, used));
    e->root = root;
    e->file = file;
    e->checked = now;
    e->beside_checked = 0;
    e->beside = 0;
    e->n = n;
    memcpy(e->path, path, n + 1);
    rp_list_add(bucket, &e->chain);
    rp_list_add(f->used.next, &e->used);
    f->n++;
    return e;
}

struct rp_file *
rp_files_get(struct rp_files *f, struct rp_files_root *root, const char *path,
             double now)
{
    struct entry *e = look_up(f, root, path, now);

    return e ? rp_file_ref(e->file) : NULL;
}

/* path with the extension of a coding; false: it would be too long. */
static bool
add_ext(char out[RP_FILES_PATH_MAX], const char *path, enum rp_coding c)
{
    size_t n = strlen(path);
    struct rp_str ext = rp_coding_ext(c);

    if (n + ext.n >= RP_FILES_PATH_MAX)
        return false;
    memcpy(out, path, n);
    memcpy(out + n, ext.p, ext.n);
    out[n + ext.n] = '\0';
    return true;
}

/* What lies beside it?  An older one is of an older version of the file; by
 * the second, as archives keep no more. */
static unsigned
look_beside(struct rp_files *f, struct rp_files_root *root, const char *path,
            const struct rp_file *file, double now)
{
    char other[RP_FILES_PATH_MAX];
    unsigned beside = 0;

    for (int c = 0; c < RP_N_CODINGS; c++) {
        struct entry *e;
        if (!add_ext(other, path, (enum rp_coding)c))
            continue;
        e = look_up(f, root, other, now);
        if (e && e->file->mtime.tv_sec >= file->mtime.tv_sec)
            beside |= 1u << c;
    }
    return beside;
}

struct rp_file *
rp_files_get_coded(struct rp_files *f, struct rp_files_root *root,
                   const char *path, double now, const enum rp_coding *accepted,
                   unsigned n, enum rp_coding *coding, bool *varies)
{
    struct entry *e = look_up(f, root, path, now);
    char other[RP_FILES_PATH_MAX];
    struct rp_file *file;
    unsigned beside;

    *coding = RP_N_CODINGS;
    *varies = false;
    if (!e)
        return NULL;
    file = rp_file_ref(e->file);
    if (e->beside_checked == 0 || now - e->beside_checked >= RP_FILES_FRESH) {
        beside = look_beside(f, root, path, file, now);
        /* With few descriptors left that may have dropped it. */
        e = find(bucket_of(f, path, strlen(path)), root, path, strlen(path));
        if (e) {
            e->beside = beside;
            e->beside_checked = now;
        }
    } else {
        beside = e->beside;
    }
    *varies = beside != 0;
    for (unsigned i = 0; i < n; i++) {
        if (!(beside & 1u << accepted[i]) ||
            !add_ext(other, path, accepted[i]) ||
            !(e = look_up(f, root, other, now)))
            continue;
        rp_file_unref(file);
        *coding = accepted[i];
        return rp_file_ref(e->file);
    }
    return file;
}
