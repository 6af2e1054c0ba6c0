#include "rupy/serve/statics.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "rupy/app/filehandler.h"

enum { PREFIX_MAX = 1024 };

int
rp_statics_check(struct rp_config *c)
{
    struct stat st;

    for (size_t i = 0; i < c->statics.n; i++) {
        const char *dir = strchr(c->statics.v[i], '=') + 1;
        if (stat(dir, &st) < 0)
            return rp_config_fail(c, "--static: '%s': %s", dir,
                                  strerror(errno));
        if (!S_ISDIR(st.st_mode))
            return rp_config_fail(c, "--static: '%s' is no folder", dir);
    }
    return 0;
}

/* URL=DIR.  NULL and errno. */
static struct rp_file_mount *
make(const char *text, double expires)
{
    const char *equals = strchr(text, '=');
    size_t n = (size_t)(equals - text);
    struct rp_file_mount *m = NULL;
    char prefix[PREFIX_MAX], *dir;

    if (n >= sizeof(prefix)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(prefix, text, n);
    prefix[n] = '\0';
    dir = realpath(equals + 1, NULL);
    if (!dir)
        return NULL;
    m = rp_file_mount_new(&(struct rp_file_mount_config){
        .prefix = prefix,
        .directory = dir,
        .index = "index.html",
        .max_age = (int64_t)expires,
        .precompressed = true,
    });
    free(dir);
    if (!m)
        errno = ENOMEM;
    return m;
}

static size_t
prefix_length(const char *text)
{
    return strcspn(text, "=");
}

/* The longest prefix comes first; of two that are the same, the first. */
static void
insert(struct rp_statics *s, const char **texts, struct rp_file_mount *m,
       const char *text)
{
    size_t at = s->n++;

    for (; at > 0 && prefix_length(texts[at - 1]) < prefix_length(text); at--) {
        s->mounts[at] = s->mounts[at - 1];
        texts[at] = texts[at - 1];
    }
    s->mounts[at] = m;
    texts[at] = text;
}

int
rp_statics_init(struct rp_statics *s, const struct rp_config *c,
                struct rp_service *v)
{
    size_t n = c->statics.n;
    const char **texts = NULL;
    struct rp_file_mount *m;
    int rc = -1;

    if (n == 0)
        return 0;
    s->mounts = calloc(n, sizeof(*s->mounts));
    texts = calloc(n, sizeof(*texts));
    if (!s->mounts || !texts)
        goto out;
    for (size_t i = 0; i < n; i++) {
        m = make(c->statics.v[i], c->static_expires);
        if (!m)
            goto out;
        insert(s, texts, m, c->statics.v[i]);
    }
    v->mounts = s->mounts;
    v->nmounts = s->n;
    rc = 0;
out:
    free(texts);
    return rc;
}

void
rp_statics_fini(struct rp_statics *s)
{
    for (size_t i = 0; i < s->n; i++)
        rp_file_mount_free(s->mounts[i]);
    free(s->mounts);
    *s = (struct rp_statics){NULL, 0};
}
