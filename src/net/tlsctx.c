/* tlsctx.c -- all certificates: the first, those of names, and reading them
 * again when the files change. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/base/log.h"

#include "tlsctx.h"

/* ---- Names ---- */

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct rp_tls_named *)a)->name,
                  ((const struct rp_tls_named *)b)->name);
}

static SSL_CTX *
find(const struct rp_tls_set *s, char *name)
{
    struct rp_tls_named key = {.name = name}, *found;

    if (s->n == 0)
        return NULL;
    found = bsearch(&key, s->names, s->n, sizeof(*s->names), by_name);
    return found ? found->ctx : NULL;
}

int
rp_tls_on_name(SSL *ssl, int *alert, void *arg)
{
    const struct rp_tls *t = arg;
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char name[NAME_MAX_N + 1], *dot;
    SSL_CTX *ctx;
    size_t n;

    (void)alert;
    n = asked ? strlen(asked) : 0;
    if (n == 0 || n > NAME_MAX_N)
        return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; i <= n; i++)
        name[i] = (char)tolower((unsigned char)asked[i]);
    ctx = find(&t->set, name);
    dot = strchr(name, '.');
    if (!ctx && dot && dot > name) {
        dot[-1] = '*';
        ctx = find(&t->set, dot - 1);
    }
    if (ctx)
        SSL_set_SSL_CTX(ssl, ctx);
    return SSL_TLSEXT_ERR_OK;
}

static void
fini_set(struct rp_tls_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        SSL_CTX_free(s->names[i].ctx);
        free(s->names[i].name);
    }
    free(s->names);
    SSL_CTX_free(s->first);
}

/* ---- The folder ---- */

static const struct {
    const char *cert, *key;
} in_folder[] = {{"fullchain.pem", "privkey.pem"}, {"tls.crt", "tls.key"}};

static bool
is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* What an entry of the folder is for; false: nothing of ours. */
static bool
find_pair(const char *dir, const char *entry, char *cert, char *key, char *name)
{
    size_t n = strlen(entry);

    if (entry[0] == '.' || n > NAME_MAX_N)
        return false;
    memcpy(name, entry, n + 1);
    snprintf(cert, PATH_N, "%s/%s", dir, entry);
    if (n > 4 && strcmp(entry + n - 4, ".crt") == 0 && is_there(cert)) {
        name[n - 4] = '\0';
        snprintf(key, PATH_N, "%s/%s.key", dir, name);
        return true;
    }
    for (size_t i = 0; i < sizeof(in_folder) / sizeof(in_folder[0]); i++) {
        snprintf(cert, PATH_N, "%s/%s/%s", dir, entry, in_folder[i].cert);
        snprintf(key, PATH_N, "%s/%s/%s", dir, entry, in_folder[i].key);
        if (is_there(cert))
            return true;
    }
    return false;
}

static int
add_name(struct rp_tls_set *s, char *name, SSL_CTX *ctx)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct rp_tls_named *names = realloc(s->names, cap * sizeof(*names));
        if (!names)
            return -1;
        s->names = names;
        s->cap = cap;
    }
    for (char *p = name; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (strncmp(name, "_.", 2) == 0)
        name[0] = '*';
    s->names[s->n].name = strdup(name);
    if (!s->names[s->n].name)
        return -1;
    s->names[s->n++].ctx = ctx;
    return 0;
}

static int
read_folder(struct rp_tls *t, struct rp_tls_set *s,
            const struct rp_tls_where *w)
{
    char cert[PATH_N], key[PATH_N], name[NAME_MAX_N + 1];
    DIR *d = opendir(t->o.sni);
    struct dirent *e;
    SSL_CTX *ctx;
    int rc = -1;

    if (!d)
        return rp_tls_fail(w, "--ssl-sni: cannot read %s: %s", t->o.sni,
                           strerror(errno));
    /* cppcheck-suppress readdirCalled ; a stream of our own */
    while ((e = readdir(d))) {
        if (!find_pair(t->o.sni, e->d_name, cert, key, name))
            continue;
        if (s->n == NAMES_MAX) {
            rp_tls_fail(w, "--ssl-sni: more than %d certificates in %s",
                        NAMES_MAX, t->o.sni);
            goto out;
        }
        ctx = rp_tls_make_ctx(t, cert, key, w);
        if (!ctx)
            goto out;
        rp_tls_warn_of_dates(ctx, cert);
        if (add_name(s, name, ctx) < 0) {
            SSL_CTX_free(ctx);
            rp_tls_fail(w, "out of memory");
            goto out;
        }
    }
    if (s->n > 0)
        qsort(s->names, s->n, sizeof(*s->names), by_name);
    rc = 0;
out:
    closedir(d);
    return rc;
}

/* ---- All of it ---- */

static uint64_t
mix(uint64_t h, uint64_t v)
{
    h ^= v;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

/* Of one file: what changes when it is replaced. */
static uint64_t
mark_file(const char *path)
{
    struct stat st;

    if (!path || stat(path, &st) < 0)
        return 1;
    return mix(mix(mix((uint64_t)st.st_ino, (uint64_t)st.st_size),
                   (uint64_t)st.st_mtim.tv_sec),
               (uint64_t)st.st_mtim.tv_nsec);
}

/* Of a file, or of all that is in a folder. */
static uint64_t
mark_authorities(const char *path)
{
    uint64_t h = mark_file(path);
    DIR *d = path ? opendir(path) : NULL;
    char file[PATH_N];
    struct dirent *e;

    if (!d)
        return h;
    /* In any order. */
    /* cppcheck-suppress readdirCalled ; as above */
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        h += mark_file(file);
    }
    closedir(d);
    return h;
}

/* 0, or -1 with the reason and nothing left in *s. */
static int
read_all(struct rp_tls *t, struct rp_tls_set *s, const struct rp_tls_where *w)
{
    const struct rp_tls_options *o = &t->o;

    *s = (struct rp_tls_set){0};
    t->authorities = mark_authorities(o->ca_certs);
    s->first = rp_tls_make_ctx(t, o->certfile,
                               o->keyfile ? o->keyfile : o->certfile, w);
    if (!s->first)
        return -1;
    if (o->sni && read_folder(t, s, w) < 0) {
        fini_set(s);
        *s = (struct rp_tls_set){0};
        return -1;
    }
    rp_tls_warn_of_dates(s->first, o->certfile);
    return 0;
}

static uint64_t
mark_folder(const char *dir)
{
    char cert[PATH_N], key[PATH_N], name[NAME_MAX_N + 1];
    DIR *d = opendir(dir);
    struct dirent *e;
    uint64_t h = 0;

    if (!d)
        return 0;
    /* In any order. */
    /* cppcheck-suppress readdirCalled ; as above */
    while ((e = readdir(d)))
        if (find_pair(dir, e->d_name, cert, key, name))
            h += mix(mark_file(cert), mark_file(key));
    closedir(d);
    return h;
}

static uint64_t
mark_all(const struct rp_tls_options *o)
{
    uint64_t h = mix(mark_file(o->certfile), mark_file(o->keyfile));

    h = mix(h, mark_authorities(o->ca_certs));
    h = mix(h, mark_file(o->crl));
    return mix(h, o->sni ? mark_folder(o->sni) : 0);
}

void
rp_tls_look(struct rp_tls *t)
{
    uint64_t mark = mark_all(&t->o);
    char error[512] = "";
    struct rp_tls_set s;

    if (mark == t->mark)
        return;
    /* Also when they are not right: said once, until they change again. */
    t->mark = mark;
    if (read_all(t, &s, &(struct rp_tls_where){error, sizeof(error)}) < 0) {
        rp_error("certificates not read again, the old ones stay: %s", error);
        return;
    }
    fini_set(&t->set);
    t->set = s;
    rp_info("certificates read again");
}

static int
copy_options(struct rp_tls_options *to, const struct rp_tls_options *from)
{
    const char *const in[] = {from->certfile, from->keyfile, from->password,
                              from->ca_certs, from->ciphers, from->sni,
                              from->crl};
    const char **const out[] = {&to->certfile, &to->keyfile, &to->password,
                                &to->ca_certs, &to->ciphers, &to->sni,
                                &to->crl};

    *to = *from;
    for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++)
        *out[i] = in[i] ? strdup(in[i]) : NULL;
    for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++)
        if (in[i] && !*out[i])
            return -1;
    return 0;
}

struct rp_tls *
rp_tls_new(const struct rp_tls_options *o, char *error, size_t n)
{
    const struct rp_tls_where w = {error, n};
    struct rp_tls *t = calloc(1, sizeof(*t));

    if (!t || copy_options(&t->o, o) < 0 ||
        RAND_bytes(t->keys, sizeof(t->keys)) != 1) {
        rp_tls_fail(&w, "TLS: no memory, or no random bytes");
        rp_tls_free(t);
        return NULL;
    }
    /* Before they are read: what changes meanwhile is seen by the next look. */
    t->mark = mark_all(&t->o);
    if (read_all(t, &t->set, &w) < 0) {
        rp_tls_free(t);
        return NULL;
    }
    return t;
}

void
rp_tls_free(struct rp_tls *t)
{
    if (!t)
        return;
    const char *const texts[] = {t->o.certfile, t->o.keyfile, t->o.password,
                                 t->o.ca_certs, t->o.ciphers, t->o.sni,
                                 t->o.crl};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free((void *)(uintptr_t)texts[i]);
    fini_set(&t->set);
    OPENSSL_cleanse(t->keys, sizeof(t->keys));
    free(t);
}

SSL *
rp_tls_accept(struct rp_tls *t, int fd)
{
    SSL *ssl = SSL_new(t->set.first);

    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    if (ssl)
        SSL_set_accept_state(ssl);
    ERR_clear_error();
    return ssl;
}
