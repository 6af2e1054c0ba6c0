/* watch.c -- inotify(7) on a tree of folders.
 *
 * The kernel watches folders, not trees: each gets a watch of its own, a new
 * one when it appears.  What is no source of the application (hidden folders,
 * caches, virtual environments) is not entered. */
#include "rupy/serve/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDERS_MAX = 8192, DEPTH_MAX = 32 };

static const uint32_t events = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                               IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;

struct folder {
    int wd;
    char *path;
};

struct rp_watch {
    const struct rp_config *config;
    int fd;
    struct folder *folders;
    size_t n, cap;
    bool is_full; /* and that was said */
};

/* One of the patterns: a name, or with a slash a path. */
static bool
is_matched(const struct rp_strs *patterns, const char *folder, const char *name)
{
    char path[PATH_MAX], whole[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
        (int)sizeof(path))
        return false;
    for (size_t i = 0; i < patterns->n; i++) {
        const char *p = patterns->v[i];
        if (!strchr(p, '/')) {
            if (fnmatch(p, name, 0) == 0)
                return true;
        } else if (fnmatch(realpath(p, whole) ? whole : p, path, 0) == 0) {
            return true;
        }
    }
    return false;
}

/* A file whose change counts. */
static bool
counts(const struct rp_watch *w, const char *folder, const char *name)
{
    static const char *const usual[] = {"*.py"};
    static const struct rp_strs sources = {.v = (const char **)usual, .n = 1};
    const struct rp_config *c = w->config;

    if (is_matched(&c->reload_exclude, folder, name))
        return false;
    if (is_matched(&c->reload_include, folder, name))
        return true;
    /* Editors lock .#app.py. */
    return name[0] != '.' && is_matched(&sources, folder, name);
}

/* Not the application's own, or not wanted. */
static bool
is_skipped(const struct rp_watch *w, const char *folder, const char *name)
{
    char path[PATH_MAX];

    if (name[0] == '.' || strcmp(name, "__pycache__") == 0 ||
        strcmp(name, "node_modules") == 0 ||
        is_matched(&w->config->reload_exclude, folder, name))
        return true;
    /* A virtual environment. */
    return snprintf(path, sizeof(path), "%s/%s/pyvenv.cfg", folder, name) >=
               (int)sizeof(path) ||
           access(path, F_OK) == 0;
}

static bool
has_room(struct rp_watch *w)
{
    size_t cap = w->cap == 0 ? 64 : 2 * w->cap;
    struct folder *folders;

    if (w->n < w->cap)
        return true;
    folders =
        w->n < FOLDERS_MAX ? realloc(w->folders, cap * sizeof(*folders)) : NULL;
    if (!folders)
        return false;
    w->folders = folders;
    w->cap = cap;
    return true;
}

/* One folder, known once.  false: it cannot be watched. */
static bool
add_folder(struct rp_watch *w, const char *path)
{
    int wd = -1;
    char *copy = NULL;

    if (has_room(w) && (copy = strdup(path)))
        wd = inotify_add_watch(w->fd, path, events);
    if (wd >= 0) {
        for (size_t i = 0; i < w->n; i++)
            if (w->folders[i].wd == wd) {
                free(copy);
                return true;
            }
        w->folders[w->n++] = (struct folder){wd, copy};
        return true;
    }
    free(copy);
    if (copy && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return false;
    if (!w->is_full)
        rp_warn("--reload: not all folders are watched, %zu are: say "
                "--reload-exclude, or raise fs.inotify.max_user_watches",
                w->n);
    w->is_full = true;
    return false;
}

static bool
is_folder(const char *parent, const struct dirent *e)
{
    char path[PATH_MAX];
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return snprintf(path, sizeof(path), "%s/%s", parent, e->d_name) <
               (int)sizeof(path) &&
           lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The tree below path.  Return true when there is a file in it that counts. */
static bool
add_tree(struct rp_watch *w, const char *path, int depth)
{
    char below[PATH_MAX];
    const struct dirent *e;
    bool found = false;
    DIR *dir;

    /* Watched before it is read: what comes between is seen twice. */
    if (depth > DEPTH_MAX || !add_folder(w, path) || !(dir = opendir(path)))
        return false;
    /* cppcheck-suppress readdirCalled ; a stream of its own */
    while ((e = readdir(dir))) {
        if (!is_folder(path, e)) {
            found = found || counts(w, path, e->d_name);
            continue;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            is_skipped(w, path, e->d_name) ||
            snprintf(below, sizeof(below), "%s/%s", path, e->d_name) >=
                (int)sizeof(below))
            continue;
        found = add_tree(w, below, depth + 1) || found;
    }
    closedir(dir);
    return found;
}

static void
add_root(struct rp_watch *w, const char *path)
{
    char whole[PATH_MAX];

    if (realpath(path, whole))
        add_tree(w, whole, 0);
    else
        rp_log_errno(RP_LOG_WARNING, "--reload: %s is not watched", path);
}

/* The folder of a file that has one: path/to/app.py:app, path/to/x.html. */
static void
add_folder_of(struct rp_watch *w, const char *file)
{
    char path[PATH_MAX];
    const char *slash = file ? strrchr(file, '/') : NULL;

    if (!slash || slash == file ||
        snprintf(path, sizeof(path), "%.*s", (int)(slash - file), file) >=
            (int)sizeof(path))
        return;
    char whole[PATH_MAX];
    if (realpath(path, whole))
        add_folder(w, whole);
}

struct rp_watch *
rp_watch_new(const struct rp_config *c)
{
    struct rp_watch *w = calloc(1, sizeof(*w));

    if (w)
        *w = (struct rp_watch){.config = c,
                               .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (!w || w->fd < 0) {
        rp_log_errno(RP_LOG_CRITICAL, "--reload: files cannot be watched");
        free(w);
        return NULL;
    }
    add_root(w, ".");
    for (size_t i = 0; i < c->app_dirs.n; i++)
        add_root(w, c->app_dirs.v[i]);
    for (size_t i = 0; i < c->reload_dirs.n; i++)
        add_root(w, c->reload_dirs.v[i]);
    for (size_t i = 0; i < c->reload_include.n; i++)
        add_folder_of(w, c->reload_include.v[i]);
    add_folder_of(w, c->app);
    rp_info("watching %zu folders for changes", w->n);
    return w;
}

void
rp_watch_free(struct rp_watch *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n; i++)
        free(w->folders[i].path);
    free(w->folders);
    close(w->fd);
    free(w);
}

int
rp_watch_fd(const struct rp_watch *w)
{
    return w->fd;
}

static struct folder *
find(struct rp_watch *w, int wd)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->folders[i].wd == wd)
            return &w->folders[i];
    return NULL;
}

static void
forget(struct rp_watch *w, struct folder *f)
{
    free(f->path);
    *f = w->folders[--w->n];
}

/* A folder went elsewhere: what is below it has other names now.  Return true
 * when it was one of ours. */
static bool
drop_tree(struct rp_watch *w, const char *path)
{
    size_t length = strlen(path);
    bool found = false;

    for (size_t i = 0; i < w->n; i++) {
        const char *p = w->folders[i].path;
        if (strncmp(p, path, length) != 0 ||
            (p[length] != '\0' && p[length] != '/'))
            continue;
        /* IN_IGNORED follows, and finds it gone. */
        inotify_rm_watch(w->fd, w->folders[i].wd);
        forget(w, &w->folders[i--]);
        found = true;
    }
    return found;
}

static bool
on_event(struct rp_watch *w, const struct inotify_event *e)
{
    struct folder *f = find(w, e->wd);
    char path[PATH_MAX];

    if (e->mask & IN_Q_OVERFLOW)
        return true;
    if (!f)
        return false;
    if (e->mask & IN_IGNORED) {
        forget(w, f);
        return false;
    }
    if (e->len == 0)
        return false;
    if (!(e->mask & IN_ISDIR))
        return counts(w, f->path, e->name);
    if (snprintf(path, sizeof(path), "%s/%s", f->path, e->name) >=
        (int)sizeof(path))
        return false;
    if (e->mask & IN_MOVED_FROM)
        return drop_tree(w, path);
    if (!(e->mask & (IN_CREATE | IN_MOVED_TO)) ||
        is_skipped(w, f->path, e->name))
        return false;
    return add_tree(w, path, 0);
}

bool
rp_watch_read(struct rp_watch *w, char *name, size_t n)
{
    _Alignas(struct inotify_event) char text[16384];
    bool changed = false;
    ssize_t got;

    while ((got = read(w->fd, text, sizeof(text))) > 0)
        for (char *p = text; p < text + got;) {
            const struct inotify_event *e = (const void *)p;
            if (on_event(w, e) && !changed) {
                changed = true;
                snprintf(name, n, "%s", e->len > 0 ? e->name : "many files");
            }
            p += sizeof(*e) + e->len;
        }
    return changed;
}
