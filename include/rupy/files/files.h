/* files.h -- open files, kept open for a short while: the cache of one
 * worker.
 *
 * What it says was true at most RP_FILES_FRESH seconds ago.  A file that is
 * being sent stays what it was when it was found, whatever replaces it. */
#ifndef RUPY_FILES_FILES_H
#define RUPY_FILES_FILES_H

#include <sys/types.h>
#include <time.h>

#include "rupy/files/path.h"
#include "rupy/files/select.h"
#include "rupy/http/date.h"

enum {
    RP_FILES_MAX = 512,         /* kept open or in memory */
    RP_FILES_SMALL = 16 * 1024, /* up to here in memory */
};
#define RP_FILES_FRESH 1.0 /* seconds */

/* A regular file as it was when it was opened. */
struct rp_file {
    unsigned refs;
    int fd;              /* -1: all of it is in content */
    const char *content; /* NULL: to be read from fd */
    uint64_t size;
    dev_t dev;
    ino_t ino;
    struct timespec mtime, ctime;
    char etag[40]; /* strong, with its quotes */
    unsigned etag_n;
    char modified[RP_DATE_SIZE]; /* Last-Modified */
};

/* Take over fd, which is closed on failure.  NULL and errno: EISDIR, ENXIO
 * (neither a file nor a folder), ENOMEM.  The first reference is the
 * caller's. */
struct rp_file *rp_file_new(int fd);
/* By its path, which may be any.  As rp_file_new(), and what open(2) says. */
struct rp_file *rp_file_open(const char *path);
static inline struct rp_file *
rp_file_ref(struct rp_file *file)
{
    file->refs++;
    return file;
}
/* As pread(2), of a file that is not in memory. */
ssize_t rp_file_read(const struct rp_file *file, void *p, size_t n,
                     uint64_t off);
/* Give up a reference; void *, as it is what releases a stretch of a sink. */
void rp_file_unref(void *file);

/* A folder whose files are served. */
struct rp_files_root {
    char *path; /* owned */
    int fd;     /* -1: not open */
    double opened;
};

/* path is copied.  0, or -1 (no memory). */
int rp_files_root_init(struct rp_files_root *root, const char *path);
void rp_files_root_fini(struct rp_files_root *root);

struct rp_files;

/* At most max files, 8 or more.  NULL: out of memory. */
struct rp_files *rp_files_new(unsigned max);
/* NULL is fine. */
void rp_files_free(struct rp_files *f);

/* The file path (see rp_files_path()) of root; now: monotonic seconds.  A new
 * reference, or NULL and errno: ENOENT and what open(2) says, EXDEV it is
 * outside, EISDIR, ENXIO. */
struct rp_file *rp_files_get(struct rp_files *f, struct rp_files_root *root,
                             const char *path, double now);
/* The same, or, of the files that lie beside it with the extension of a
 * coding and are not older, the first of accepted[0..n).  *coding:
 * RP_N_CODINGS when it is the file itself; *varies: others would have got
 * another. */
struct rp_file *rp_files_get_coded(struct rp_files *f,
                                   struct rp_files_root *root, const char *path,
                                   double now, const enum rp_coding *accepted,
                                   unsigned n, enum rp_coding *coding,
                                   bool *varies);
/* Give up what is kept and not being sent, for its descriptors. */
void rp_files_drop(struct rp_files *f);

#endif
