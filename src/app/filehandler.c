/* filehandler.c -- a folder below a path: which file a request is about. */
#include "rupy/app/filehandler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rupy/app/impl.h"
#include "rupy/base/log.h"

struct rp_file_mount {
    struct rp_handler handler;
    struct rp_files_root root;
    struct rp_arena arena; /* of all that is below */
    struct rp_str prefix;  /* without a slash at its end */
    struct rp_str index, cache_control;
    struct rp_mime *types;
    size_t ntypes;
    bool precompressed, dot_files;
};

static void mount_start(void *self, struct rp_exchange *x);
static void mount_stop(void *self, struct rp_exchange *x);

static const struct rp_handler_ops mount_ops = {
    .start = mount_start,
    .stop = mount_stop,
};

enum { MOUNT_MAX = 1024 * 1024 }; /* bytes of names and types */

/* ---- Life ---- */

static int
copy(struct rp_arena *a, struct rp_str *out, struct rp_str s)
{
    *out = (struct rp_str){"", 0};
    if (s.n > 0)
        *out = rp_arena_copy(a, s);
    return out->p ? 0 : -1;
}

static struct rp_str
as_str(const char *text)
{
    return (struct rp_str){text, strlen(text)};
}

static int
copy_types(struct rp_file_mount *m, const struct rp_file_mount_config *c)
{
    if (c->ntypes == 0)
        return 0;
    m->types = rp_arena_alloc(&m->arena, c->ntypes * sizeof(*m->types));
    if (!m->types)
        return -1;
    for (; m->ntypes < c->ntypes; m->ntypes++)
        if (copy(&m->arena, &m->types[m->ntypes].ext, c->types[m->ntypes].ext) <
                0 ||
            copy(&m->arena, &m->types[m->ntypes].type,
                 c->types[m->ntypes].type) < 0)
            return -1;
    return 0;
}

static int
set_cache_control(struct rp_file_mount *m, int64_t max_age)
{
    char text[48];

    if (max_age < 0)
        return 0;
    if (max_age == 0)
        return copy(&m->arena, &m->cache_control, RP_STR("no-cache"));
    snprintf(text, sizeof(text), "public, max-age=%lld", (long long)max_age);
    return copy(&m->arena, &m->cache_control, as_str(text));
}

struct rp_file_mount *
rp_file_mount_new(const struct rp_file_mount_config *c)
{
    struct rp_file_mount *m = calloc(1, sizeof(*m));
    struct rp_str prefix = as_str(c->prefix);

    if (!m)
        return NULL;
    m->handler = (struct rp_handler){.ops = &mount_ops, .self = m};
    rp_arena_init(&m->arena, MOUNT_MAX);
    m->precompressed = c->precompressed;
    m->dot_files = c->dot_files;
    while (prefix.n > 0 && prefix.p[prefix.n - 1] == '/')
        prefix.n--;
    if (rp_files_root_init(&m->root, c->directory) < 0 ||
        copy(&m->arena, &m->prefix, prefix) < 0 ||
        copy(&m->arena, &m->index, as_str(c->index)) < 0 ||
        set_cache_control(m, c->max_age) < 0 || copy_types(m, c) < 0) {
        rp_file_mount_free(m);
        return NULL;
    }
    return m;
}

void
rp_file_mount_free(struct rp_file_mount *m)
{
    if (!m)
        return;
    rp_files_root_fini(&m->root);
    rp_arena_fini(&m->arena);
    free(m);
}

/* ---- Looking up ---- */

bool
rp_file_mount_takes(const struct rp_file_mount *m, struct rp_str path,
                    struct rp_str *rest)
{
    if (!rp_str_has_prefix(path, m->prefix))
        return false;
    *rest = (struct rp_str){NULL, 0};
    if (path.n == m->prefix.n)
        return true;
    if (path.p[m->prefix.n] != '/')
        return false;
    rest->p = path.p + m->prefix.n + 1;
    rest->n = path.n - m->prefix.n - 1;
    return true;
}

/* The status that says why a file could not be opened. */
static int
status_of_errno(int err, const char *path)
{
    switch (err) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EXDEV:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:
    case ENODEV:
    case EINVAL:
        return 404;
    case EACCES:
    case EPERM:
        return 403;
    }
    errno = err;
    rp_log_errno(RP_LOG_ERROR, "static file %s", path);
    return err == EMFILE || err == ENFILE || err == ENOMEM ? 503 : 500;
}

/* path/index into out.  false: there is no index, or it would be too long. */
static bool
add_index(const struct rp_file_mount *m, char *path)
{
    size_t n = strlen(path);

    if (m->index.n == 0 || n + 1 + m->index.n >= RP_FILES_PATH_MAX)
        return false;
    if (n > 0)
        path[n++] = '/';
    memcpy(path + n, m->index.p, m->index.n);
    path[n + m->index.n] = '\0';
    return true;
}

static struct rp_file *
get(struct rp_file_mount *m, struct rp_files *files, const struct rp_request *r,
    const char *path, double now, struct rp_file_found *found)
{
    enum rp_coding accepted[RP_N_CODINGS];

    found->coding = RP_N_CODINGS;
    found->varies = false;
    if (!m->precompressed)
        return rp_files_get(files, &m->root, path, now);
    return rp_files_get_coded(files, &m->root, path, now, accepted,
                              rp_codings_accepted(r, accepted), &found->coding,
                              &found->varies);
}

int
rp_file_mount_find(struct rp_file_mount *m, struct rp_files *files,
                   const struct rp_request *r, struct rp_str rest, double now,
                   struct rp_file_found *found)
{
    char path[RP_FILES_PATH_MAX];
    bool is_dir;

    if (rp_files_path(path, rest, m->dot_files, &is_dir) < 0 ||
        (is_dir && !add_index(m, path)))
        return 404;
    found->file = get(m, files, r, path, now, found);
    if (!found->file && errno == EISDIR && !is_dir && add_index(m, path)) {
        struct rp_file *index = rp_files_get(files, &m->root, path, now);
        if (index) {
            rp_file_unref(index);
            return 301;
        }
    }
    if (!found->file)
        return status_of_errno(errno, path);
    found->content_type = rp_mime_find(as_str(path), m->types, m->ntypes);
    found->cache_control = m->cache_control;
    return 200;
}

struct rp_str
rp_file_add_slash(struct rp_arena *a, const struct rp_request *r)
{
    const char *slash = memrchr(r->path.p, '/', r->path.n);
    struct rp_str last = r->path, out;
    char *d;

    if (slash) {
        last.p = slash + 1;
        last.n = (size_t)(r->path.p + r->path.n - last.p);
    }
    out.n = 2 + last.n + 1 + (r->query.n > 0 ? 1 + r->query.n : 0);
    out.p = d = rp_arena_alloc(a, out.n);
    if (!d)
        return (struct rp_str){NULL, 0};
    /* "./", as a segment with a colon would begin with a scheme
     * (RFC 3986 4.2). */
    memcpy(d, "./", 2);
    memcpy(d + 2, last.p, last.n);
    d += 2 + last.n;
    *d++ = '/';
    if (r->query.n > 0) {
        *d++ = '?';
        memcpy(d, r->query.p, r->query.n);
    }
    return out;
}

/* ---- The handler ---- */

static void
redirect(struct rp_exchange *x)
{
    struct rp_field f = {
        RP_STR("Location"),
        rp_file_add_slash(&x->arena, rp_exchange_request(x)),
    };

    if (f.value.p)
        rp_exchange_answer_plain(x, 301, &f, 1);
    else
        rp_exchange_answer_busy(x);
}

static void
mount_start(void *self, struct rp_exchange *x)
{
    struct rp_file_mount *m = self;
    struct rp_file_found found;
    int status;

    if (x->match.nparams == 0) {
        redirect(x);
        return;
    }
    status = rp_file_mount_find(m, x->v->files, &x->request, x->match.params[0],
                                x->v->now, &found);
    if (status == 200) {
        struct rp_file_answer a = {
            .file = found.file,
            .status = 200,
            .content_type = found.content_type,
            .cache_control = found.cache_control,
            .coding = found.coding,
            .varies = found.varies,
        };
        rp_exchange_answer_file(x, &a);
        rp_file_unref(found.file);
    } else if (status == 301) {
        redirect(x);
    } else if (status == 503) {
        rp_exchange_answer_busy(x);
    } else {
        rp_exchange_answer_status(x, status);
    }
}

/* It answers at once: there is nothing to stop. */
static void
mount_stop(void *self, struct rp_exchange *x)
{
    (void)self, (void)x;
}

bool
rp_file_mount_is_handler(const struct rp_handler *h)
{
    return h->ops == &mount_ops;
}

const struct rp_handler *
rp_file_mount_handler(const struct rp_file_mount *m)
{
    return &m->handler;
}
