/* renew.c -- SIGHUP: the configuration is read again.
 *
 * One that is not right changes nothing; what a running service cannot change
 * stays, and the log says so. */
#include "rupy/serve/renew.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { ORIGIN_MAX = 8 << 20 };

/* ---- Where it came from ---- */

static char **
copy_words(struct rp_arena *a, char *const *words, int n)
{
    char **copy = rp_arena_alloc(a, ((size_t)n + 1) * sizeof(*copy));

    for (int i = 0; copy != NULL && i < n; i++) {
        size_t size = strlen(words[i]) + 1;
        copy[i] = rp_arena_alloc(a, size);
        if (copy[i] == NULL)
            return NULL;
        memcpy(copy[i], words[i], size);
    }
    if (copy != NULL)
        copy[n] = NULL;
    return copy;
}

int
rp_origin_init(struct rp_origin *o, int argc, char *const *argv,
               char *const *environ_)
{
    int n = 0;

    while (environ_[n] != NULL)
        n++;
    rp_arena_init(&o->arena, ORIGIN_MAX);
    o->argc = argc;
    o->argv = copy_words(&o->arena, argv, argc);
    o->environ_ = copy_words(&o->arena, environ_, n);
    o->folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (o->argv != NULL && o->environ_ != NULL)
        return 0;
    rp_origin_fini(o);
    errno = ENOMEM;
    return -1;
}

void
rp_origin_fini(struct rp_origin *o)
{
    if (o->folder >= 0)
        close(o->folder);
    rp_arena_fini(&o->arena);
}

void
rp_origin_forked(const struct rp_origin *o)
{
    if (o && o->folder >= 0)
        close(o->folder);
}

/* ---- Two configurations ---- */

static bool
same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_list(const struct rp_strs *a, const struct rp_strs *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->v[i], b->v[i]) != 0)
            return false;
    return true;
}

bool
rp_config_is_same(const struct rp_config *a, const struct rp_config *b,
                  const struct rp_option *o)
{
    const void *x = (const char *)a + o->offset;
    const void *y = (const char *)b + o->offset;

    switch (o->type) {
    case RP_OPTION_STRING:
    case RP_OPTION_LOGFILE:
        return same_text(*(const char *const *)x, *(const char *const *)y);
    case RP_OPTION_LIST:
    case RP_OPTION_ADDRESSES:
        return same_list(x, y);
    case RP_OPTION_FLAG:
    case RP_OPTION_INTEGER:
    case RP_OPTION_WORKERS:
    case RP_OPTION_DURATION:
    case RP_OPTION_FRACTION:
    case RP_OPTION_SIZE:
    case RP_OPTION_ENUM:
    case RP_OPTION_MODE:
        return memcmp(x, y, o->size) == 0;
    case RP_OPTION_ACTION:
        break;
    }
    return true;
}

int
rp_config_copy(struct rp_config *c, const struct rp_config *from,
               const struct rp_option *o)
{
    void *to = (char *)c + o->offset;
    const void *of = (const char *)from + o->offset;
    unsigned i = rp_option_index(o);
    struct rp_strs list = {0};

    c->sources[i] = from->sources[i];
    c->lines[i] = from->lines[i];
    if (o->type == RP_OPTION_LIST || o->type == RP_OPTION_ADDRESSES) {
        const struct rp_strs *old = of;
        for (size_t k = 0; k < old->n; k++)
            if (rp_strs_add(&list, &c->arena,
                            (struct rp_str){old->v[k], strlen(old->v[k])}) < 0)
                return rp_config_fail(c, "out of memory");
        *(struct rp_strs *)to = list;
        return 0;
    }
    if (o->type != RP_OPTION_STRING && o->type != RP_OPTION_LOGFILE) {
        memcpy(to, of, o->size);
        return 0;
    }
    const char *text = *(const char *const *)of;
    if (text == NULL) {
        *(const char **)to = NULL;
        return 0;
    }
    struct rp_str copy =
        rp_arena_copy(&c->arena, (struct rp_str){text, strlen(text) + 1});
    *(const char **)to = copy.p;
    return copy.p == NULL ? rp_config_fail(c, "out of memory") : 0;
}

/* ---- Reading again ---- */

/* In the folder that the program was started in. */
static int
read_again(struct rp_config *c)
{
    const struct rp_origin *o = c->origin;
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), r;

    if (here < 0 || o->folder < 0 || fchdir(o->folder) < 0) {
        r = rp_config_fail(c, "the folder it was started in: %s",
                           strerror(errno));
    } else {
        r = rp_config_read(c, o->argc, o->argv, o->environ_);
        if (fchdir(here) < 0 && r == 0)
            r = rp_config_fail(c, "the working folder: %s", strerror(errno));
    }
    if (here >= 0)
        close(here);
    return r;
}

static int
keep_fixed(struct rp_config *c, const struct rp_config *now)
{
    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        if (!o->fixed)
            continue;
        /* What was not said follows from the number of workers, once. */
        bool was_said = c->sources[i] != RP_SOURCE_DEFAULT ||
                        now->sources[i] != RP_SOURCE_DEFAULT;
        /* Nor is it a change that --dev will say this again. */
        if (c->dev && now->dev && strcmp(o->name, "reload") == 0)
            was_said = false;
        if (was_said && !rp_config_is_same(c, now, o))
            rp_warn("reload: --%s is changed by a restart only; it stays",
                    o->name);
        if (rp_config_copy(c, now, o) < 0)
            return -1;
    }
    return 0;
}

static void
tell_changes(const struct rp_config *c, const struct rp_config *now)
{
    char names[512] = "";
    size_t n = 0;

    for (unsigned i = 0; i < rp_option_count(); i++) {
        const struct rp_option *o = rp_option_at(i);
        if (n < sizeof(names) && !rp_config_is_same(c, now, o))
            n += (size_t)snprintf(names + n, sizeof(names) - n, " --%s",
                                  o->name);
    }
    if (n > 0)
        rp_info("reload: changed:%s", names);
}

struct rp_config *
rp_config_renew(const struct rp_config *now)
{
    struct rp_config *c = malloc(sizeof(*c));

    if (c == NULL) {
        rp_log_errno(RP_LOG_ERROR, "reload given up");
        return NULL;
    }
    rp_config_init(c);
    c->origin = now->origin;
    c->door = now->door;
    c->is_running = true;
    /* A file that was there and is gone is a mistake, not a wish for the
     * defaults. */
    if (read_again(c) == 0 && now->file != NULL && c->file == NULL)
        rp_config_fail(c, "%s is gone", now->file);
    if (c->error[0] == '\0' && keep_fixed(c, now) == 0 &&
        rp_config_finish(c) == 0) {
        tell_changes(c, now);
        return c;
    }
    rp_error("reload given up, all stays as it is: %s", c->error);
    rp_config_free(c);
    return NULL;
}

void
rp_config_free(struct rp_config *c)
{
    if (c == NULL)
        return;
    rp_config_fini(c);
    free(c);
}
