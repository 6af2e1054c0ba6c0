/* tlsctx.c -- contexts of OpenSSL: certificates, keys, names, and reading
 * them again when the files change. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/base/log.h"
#include "rupy/net/impl.h"

enum {
    NAMES_MAX = 100000, /* certificates in the folder */
    NAME_MAX_N = 255,   /* bytes of a name (RFC 1035 2.3.4) */
    PASSWORD_MAX = 1024,
    TICKET_KEYS = 80, /* bytes that OpenSSL wants */
    PATH_N = 4096,
};

/* A certificate for those who ask for a name. */
struct named {
    char *name; /* in lower case; "*.x" is all below x */
    SSL_CTX *ctx;
};

struct set {
    SSL_CTX *first; /* who asks for no name, or for an unknown one */
    struct named *names;
    size_t n, cap;
};

struct rp_tls {
    struct rp_tls_options o; /* strings are ours */
    unsigned char keys[TICKET_KEYS];
    struct set set;
    uint64_t mark; /* of the files, when they were read */
};

struct where {
    char *error;
    size_t n;
};

static int __attribute__((format(printf, 2, 3)))
fail(const struct where *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(w->error, w->n, fmt, ap);
    va_end(ap);
    ERR_clear_error();
    return -1;
}

static const char *
openssl_reason(void)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());

    return why ? why : "unknown error";
}

/* ---- One context ---- */

/* Of the key, without the end of its line.  0, or -1. */
static int
read_password(const char *from, char *out, const struct where *w)
{
    const char *text = from;
    ssize_t n;
    int fd;

    if (strncmp(from, "env:", 4) == 0) {
        text = getenv(from + 4);
        if (!text)
            return fail(w, "--ssl-keyfile-password: no variable %s", from + 4);
    } else if (strncmp(from, "file:", 5) == 0) {
        fd = open(from + 5, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, out, PASSWORD_MAX - 1);
        if (n < 0)
            fail(w, "--ssl-keyfile-password: cannot read %s: %s", from + 5,
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        if (n < 0)
            return -1;
        out[n] = '\0';
        out[strcspn(out, "\r\n")] = '\0';
        return 0;
    }
    if (strlen(text) >= PASSWORD_MAX)
        return fail(w, "--ssl-keyfile-password is longer than %d bytes",
                    PASSWORD_MAX - 1);
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

/* Without one OpenSSL would ask at the terminal. */
static int
on_password(char *out, int size, int writing, void *arg)
{
    size_t n = arg ? strlen(arg) : 0;

    (void)writing;
    if (!arg || n > (size_t)size)
        return -1;
    memcpy(out, arg, n);
    return (int)n;
}

static int
check_readable(const char *option, const char *path, const struct where *w)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fail(w, "%s: cannot read %s: %s", option, path, strerror(errno));
    close(fd);
    return 0;
}

static int
load_key(SSL_CTX *ctx, const struct rp_tls_options *o, const char *cert,
         const char *key, const struct where *w)
{
    char password[PASSWORD_MAX];
    int ok, reason;

    if (o->password && read_password(o->password, password, w) < 0)
        return -1;
    SSL_CTX_set_default_passwd_cb(ctx, on_password);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, o->password ? password : NULL);
    ok = SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    OPENSSL_cleanse(password, sizeof(password));
    if (ok == 1 && SSL_CTX_check_private_key(ctx) == 1)
        return 0;
    reason = ERR_GET_REASON(ERR_peek_last_error());
    if (reason == X509_R_KEY_VALUES_MISMATCH ||
        reason == X509_R_KEY_TYPE_MISMATCH)
        return fail(w, "--ssl-keyfile: %s does not fit the certificate %s", key,
                    cert);
    if (reason == PEM_R_BAD_PASSWORD_READ || !o->password)
        return fail(w,
                    "--ssl-keyfile: no key in %s, or one with a password: "
                    "give --ssl-keyfile-password (%s)",
                    key, openssl_reason());
    return fail(w, "--ssl-keyfile: no key in %s, or the password is wrong (%s)",
                key, openssl_reason());
}

static int
load_pair(SSL_CTX *ctx, const struct rp_tls_options *o, const char *cert,
          const char *key, const struct where *w)
{
    if (check_readable("--ssl-certfile", cert, w) < 0 ||
        check_readable("--ssl-keyfile", key, w) < 0)
        return -1;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return fail(w, "--ssl-certfile: %s cannot be used: %s", cert,
                    openssl_reason());
    return load_key(ctx, o, cert, key, w);
}

static int
load_clients(SSL_CTX *ctx, const struct rp_tls_options *o,
             const struct where *w)
{
    STACK_OF(X509_NAME) * names;
    struct stat st;
    bool is_dir;

    if (o->verify == RP_TLS_VERIFY_NONE)
        return 0;
    if (stat(o->ca_certs, &st) < 0)
        return fail(w, "--ssl-ca-certs: cannot read %s: %s", o->ca_certs,
                    strerror(errno));
    is_dir = S_ISDIR(st.st_mode);
    if (SSL_CTX_load_verify_locations(ctx, is_dir ? NULL : o->ca_certs,
                                      is_dir ? o->ca_certs : NULL) != 1)
        return fail(w, "--ssl-ca-certs: no certificates in %s (%s)",
                    o->ca_certs, openssl_reason());
    if (!is_dir) {
        names = SSL_load_client_CA_file(o->ca_certs);
        if (!names)
            return fail(w, "--ssl-ca-certs: no certificates in %s (%s)",
                        o->ca_certs, openssl_reason());
        SSL_CTX_set_client_CA_list(ctx, names);
    }
    SSL_CTX_set_verify(ctx,
                       SSL_VERIFY_PEER | (o->verify == RP_TLS_VERIFY_REQUIRE
                                              ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                              : 0),
                       NULL);
    return 0;
}

/* Those of TLS 1.3 have names and a list of their own. */
static int
set_ciphers(SSL_CTX *ctx, const char *ciphers, const struct where *w)
{
    char *old = calloc(1, strlen(ciphers) + 1);
    char *new = calloc(1, strlen(ciphers) + 1);
    int rc = -1;

    if (!old || !new) {
        fail(w, "out of memory");
        goto out;
    }
    for (const char *p = ciphers; *p != '\0';) {
        size_t n = strcspn(p, ":, ");
        char *to = strncmp(p, "TLS_", 4) == 0 ? new : old;
        if (n > 0 && *to != '\0')
            strncat(to, ":", 1);
        strncat(to, p, n);
        p += n;
        p += strspn(p, ":, ");
    }
    if ((*old != '\0' && SSL_CTX_set_cipher_list(ctx, old) != 1) ||
        (*new != '\0' && SSL_CTX_set_ciphersuites(ctx, new) != 1))
        fail(w, "--ssl-ciphers: '%s': %s", ciphers, openssl_reason());
    else
        rc = 0;
out:
    free(old);
    free(new);
    return rc;
}

/* RFC 7301: the first of ours that the client has, or no connection. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n,
        const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\010http/1.1\010http/1.0";
    unsigned char *found;

    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&found, n, ours, sizeof(ours) - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

static int on_name(SSL *ssl, int *alert, void *arg);

/* NULL, with the reason. */
static SSL_CTX *
make_ctx(struct rp_tls *t, const char *cert, const char *key,
         const struct where *w)
{
    const struct rp_tls_options *o = &t->o;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx) {
        fail(w, "OpenSSL: %s", openssl_reason());
        return NULL;
    }
    SSL_CTX_set_min_proto_version(
        ctx, o->min_version == RP_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    /* One read(2) for the head of a record and the rest of it. */
    SSL_CTX_set_read_ahead(ctx, 1);
    /* Sessions are with the clients, as tickets. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"rupy", 4);
    SSL_CTX_set_tlsext_ticket_keys(ctx, t->keys, sizeof(t->keys));
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    if (o->sni) {
        SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
        SSL_CTX_set_tlsext_servername_arg(ctx, t);
    }
    if (load_pair(ctx, o, cert, key, w) < 0 || load_clients(ctx, o, w) < 0 ||
        (o->ciphers && set_ciphers(ctx, o->ciphers, w) < 0)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static void
warn_of_dates(SSL_CTX *ctx, const char *cert)
{
    X509 *x = SSL_CTX_get0_certificate(ctx);

    if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
        rp_warn("the certificate %s has expired: clients will refuse it", cert);
    else if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
        rp_warn("the certificate %s is not valid yet: clients will refuse it",
                cert);
}

/* ---- Names ---- */

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name,
                  ((const struct named *)b)->name);
}

static SSL_CTX *
find(const struct set *s, char *name)
{
    struct named key = {.name = name}, *found;

    if (s->n == 0)
        return NULL;
    found = bsearch(&key, s->names, s->n, sizeof(*s->names), by_name);
    return found ? found->ctx : NULL;
}

static int
on_name(SSL *ssl, int *alert, void *arg)
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
fini_set(struct set *s)
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
add_name(struct set *s, char *name, SSL_CTX *ctx)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct named *names = realloc(s->names, cap * sizeof(*names));
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
read_folder(struct rp_tls *t, struct set *s, const struct where *w)
{
    char cert[PATH_N], key[PATH_N], name[NAME_MAX_N + 1];
    DIR *d = opendir(t->o.sni);
    struct dirent *e;
    SSL_CTX *ctx;
    int rc = -1;

    if (!d)
        return fail(w, "--ssl-sni: cannot read %s: %s", t->o.sni,
                    strerror(errno));
    /* cppcheck-suppress readdirCalled ; a stream of our own */
    while ((e = readdir(d))) {
        if (!find_pair(t->o.sni, e->d_name, cert, key, name))
            continue;
        if (s->n == NAMES_MAX) {
            fail(w, "--ssl-sni: more than %d certificates in %s", NAMES_MAX,
                 t->o.sni);
            goto out;
        }
        ctx = make_ctx(t, cert, key, w);
        if (!ctx)
            goto out;
        warn_of_dates(ctx, cert);
        if (add_name(s, name, ctx) < 0) {
            SSL_CTX_free(ctx);
            fail(w, "out of memory");
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

/* 0, or -1 with the reason and nothing left in *s. */
static int
read_all(struct rp_tls *t, struct set *s, const struct where *w)
{
    const struct rp_tls_options *o = &t->o;

    *s = (struct set){0};
    s->first =
        make_ctx(t, o->certfile, o->keyfile ? o->keyfile : o->certfile, w);
    if (!s->first)
        return -1;
    if (o->sni && read_folder(t, s, w) < 0) {
        fini_set(s);
        *s = (struct set){0};
        return -1;
    }
    warn_of_dates(s->first, o->certfile);
    return 0;
}

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

    h = mix(h, mark_file(o->ca_certs));
    return mix(h, o->sni ? mark_folder(o->sni) : 0);
}

void
rp_tls_look(struct rp_tls *t)
{
    uint64_t mark = mark_all(&t->o);
    char error[512] = "";
    struct set s;

    if (mark == t->mark)
        return;
    /* Also when they are not right: said once, until they change again. */
    t->mark = mark;
    if (read_all(t, &s, &(struct where){error, sizeof(error)}) < 0) {
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
                              from->ca_certs, from->ciphers, from->sni};
    const char **const out[] = {&to->certfile, &to->keyfile, &to->password,
                                &to->ca_certs, &to->ciphers, &to->sni};

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
    const struct where w = {error, n};
    struct rp_tls *t = calloc(1, sizeof(*t));

    if (!t || copy_options(&t->o, o) < 0 ||
        RAND_bytes(t->keys, sizeof(t->keys)) != 1) {
        fail(&w, "TLS: no memory, or no random bytes");
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
                                 t->o.ca_certs, t->o.ciphers, t->o.sni};
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
