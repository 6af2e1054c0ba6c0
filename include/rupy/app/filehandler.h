/* filehandler.h -- answers out of files: a folder below a path, or one file
 * that a handler has chosen. */
#ifndef RUPY_APP_FILEHANDLER_H
#define RUPY_APP_FILEHANDLER_H

#include "rupy/app/exchange.h"
#include "rupy/files/files.h"
#include "rupy/files/mime.h"

/* One file as the answer. */
struct rp_file_answer {
    struct rp_file *file; /* lent */
    /* 200: Range and conditions count; another: it is sent whole. */
    int status;
    /* An application's fields win over what is made of the file: ETag,
     * Last-Modified, Cache-Control, Content-Type, Content-Encoding. */
    const struct rp_field *fields;
    unsigned nfields;
    struct rp_str content_type;
    struct rp_str cache_control; /* empty: none */
    enum rp_coding coding;       /* RP_N_CODINGS: none */
    bool varies;                 /* by Accept-Encoding */
};

/* Send it, or what the request's conditions make of it (200, 206, 304, 412,
 * 416), and end the exchange. */
void rp_exchange_answer_file(struct rp_exchange *x,
                             const struct rp_file_answer *a);

/* The files that the worker keeps open, and its time. */
struct rp_files *rp_exchange_files(const struct rp_exchange *x);
double rp_exchange_now(const struct rp_exchange *x);

/* ---- A folder ---- */

struct rp_file_mount_config {
    const char *prefix;    /* "/static" or "/", for rp_file_mount_takes() */
    const char *directory; /* absolute */
    const char *index;     /* "index.html"; "": none */
    int64_t max_age;       /* seconds; 0: ask each time; below 0: not said */
    bool precompressed;    /* send name.br and the like to who takes them */
    bool dot_files;        /* serve what begins with a dot */
    const struct rp_mime *types; /* beside those that are built in */
    size_t ntypes;
};

struct rp_file_mount;

/* Everything is copied.  NULL: out of memory. */
struct rp_file_mount *rp_file_mount_new(const struct rp_file_mount_config *c);
/* NULL is fine. */
void rp_file_mount_free(struct rp_file_mount *m);

/* What answers GET and HEAD.  The first parameter of the match is what stands
 * behind the folder's own slash; without any the client is sent to that
 * slash.  Lives as long as the mount. */
const struct rp_handler *rp_file_mount_handler(const struct rp_file_mount *m);
bool rp_file_mount_is_handler(const struct rp_handler *h);
/* Is the path (as it is routed) below the prefix?  *rest is what stands behind
 * its slash; rest->p NULL: there is no slash. */
bool rp_file_mount_takes(const struct rp_file_mount *m, struct rp_str path,
                         struct rp_str *rest);

struct rp_file_found {
    struct rp_file *file;                      /* with 200: a reference */
    struct rp_str content_type, cache_control; /* as long as the mount */
    enum rp_coding coding;
    bool varies;
};

/* Look up what the request wants of the folder: 200 and *found, 301 to the
 * same with a slash, 403, 404, 500, 503. */
int rp_file_mount_find(struct rp_file_mount *m, struct rp_files *files,
                       const struct rp_request *r, struct rp_str rest,
                       double now, struct rp_file_found *found);
/* The value of Location that adds a slash to the request's path: relative, so
 * that it never leads to another host and is right behind any proxy.  In the
 * arena; {NULL, 0}: no memory. */
struct rp_str rp_file_add_slash(struct rp_arena *a, const struct rp_request *r);

#endif
