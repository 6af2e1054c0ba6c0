/* tlscert.c -- a context of OpenSSL for one certificate, its key, and what is
 * asked of clients. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/base/log.h"

#include "tlsctx.h"

int
rp_tls_fail(const struct rp_tls_where *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(w->error, w->n, fmt, ap);
    va_end(ap);
    ERR_clear_error();
    return -1;
}

const char *
rp_tls_reason(void)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());

    return why ? why : "unknown error";
}

/* Of the key, without the end of its line.  0, or -1. */
static int
read_password(const char *from, char *out, const struct rp_tls_where *w)
{
    const char *text = from;
    ssize_t n;
    int fd;

    if (strncmp(from, "env:", 4) == 0) {
        text = getenv(from + 4);
        if (!text)
            return rp_tls_fail(w, "--ssl-keyfile-password: no variable %s",
                               from + 4);
    } else if (strncmp(from, "file:", 5) == 0) {
        fd = open(from + 5, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, out, PASSWORD_MAX - 1);
        if (n < 0)
            rp_tls_fail(w, "--ssl-keyfile-password: cannot read %s: %s",
                        from + 5, strerror(errno));
        if (fd >= 0)
            close(fd);
        if (n < 0)
            return -1;
        out[n] = '\0';
        out[strcspn(out, "\r\n")] = '\0';
        return 0;
    }
    if (strlen(text) >= PASSWORD_MAX)
        return rp_tls_fail(w, "--ssl-keyfile-password is longer than %d bytes",
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
check_readable(const char *option, const char *path,
               const struct rp_tls_where *w)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return rp_tls_fail(w, "%s: cannot read %s: %s", option, path,
                           strerror(errno));
    close(fd);
    return 0;
}

static int
load_key(SSL_CTX *ctx, const struct rp_tls_options *o, const char *cert,
         const char *key, const struct rp_tls_where *w)
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
        return rp_tls_fail(
            w, "--ssl-keyfile: %s does not fit the certificate %s", key, cert);
    if (reason == PEM_R_BAD_PASSWORD_READ || !o->password)
        return rp_tls_fail(
            w,
            "--ssl-keyfile: no key in %s, or one with a password: "
            "give --ssl-keyfile-password (%s)",
            key, rp_tls_reason());
    return rp_tls_fail(
        w, "--ssl-keyfile: no key in %s, or the password is wrong (%s)", key,
        rp_tls_reason());
}

static int
load_pair(SSL_CTX *ctx, const struct rp_tls_options *o, const char *cert,
          const char *key, const struct rp_tls_where *w)
{
    if (check_readable("--ssl-certfile", cert, w) < 0 ||
        check_readable("--ssl-keyfile", key, w) < 0)
        return -1;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return rp_tls_fail(w, "--ssl-certfile: %s cannot be used: %s", cert,
                           rp_tls_reason());
    return load_key(ctx, o, cert, key, w);
}

static int
load_clients(SSL_CTX *ctx, const struct rp_tls *t, const struct rp_tls_where *w)
{
    const struct rp_tls_options *o = &t->o;
    STACK_OF(X509_NAME) * names;
    struct stat st;
    bool is_dir;

    if (o->verify == RP_TLS_VERIFY_NONE)
        return 0;
    if (stat(o->ca_certs, &st) < 0)
        return rp_tls_fail(w, "--ssl-ca-certs: cannot read %s: %s", o->ca_certs,
                           strerror(errno));
    is_dir = S_ISDIR(st.st_mode);
    if (SSL_CTX_load_verify_locations(ctx, is_dir ? NULL : o->ca_certs,
                                      is_dir ? o->ca_certs : NULL) != 1)
        return rp_tls_fail(w, "--ssl-ca-certs: no certificates in %s (%s)",
                           o->ca_certs, rp_tls_reason());
    if (!is_dir) {
        names = SSL_load_client_CA_file(o->ca_certs);
        if (!names)
            return rp_tls_fail(w, "--ssl-ca-certs: no certificates in %s (%s)",
                               o->ca_certs, rp_tls_reason());
        SSL_CTX_set_client_CA_list(ctx, names);
    }
    SSL_CTX_set_verify(ctx,
                       SSL_VERIFY_PEER | (o->verify == RP_TLS_VERIFY_REQUIRE
                                              ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                              : 0),
                       NULL);
    if (o->crl && rp_tls_load_crl(ctx, o->crl, w) < 0)
        return -1;
    rp_tls_bind_sessions(ctx, t->authorities);
    return 0;
}

/* Those of TLS 1.3 have names and a list of their own. */
static int
set_ciphers(SSL_CTX *ctx, const char *ciphers, const struct rp_tls_where *w)
{
    char *old = calloc(1, strlen(ciphers) + 1);
    char *new = calloc(1, strlen(ciphers) + 1);
    int rc = -1;

    if (!old || !new) {
        rp_tls_fail(w, "out of memory");
        goto out;
    }
    for (const char *p = ciphers; *p != '\0';) {
        size_t n = strcspn(p, ":, ");
        char *to = strncmp(p, "TLS_", 4) == 0 ? new : old;
        size_t used = strlen(to);

        /* Both have room for all of it, and a colon more. */
        if (n > 0 && used > 0)
            to[used++] = ':';
        memcpy(to + used, p, n);
        to[used + n] = '\0';
        p += n;
        p += strspn(p, ":, ");
    }
    if ((*old != '\0' && SSL_CTX_set_cipher_list(ctx, old) != 1) ||
        (*new != '\0' && SSL_CTX_set_ciphersuites(ctx, new) != 1))
        rp_tls_fail(w, "--ssl-ciphers: '%s': %s", ciphers, rp_tls_reason());
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

/* NULL, with the reason. */
SSL_CTX *
rp_tls_make_ctx(struct rp_tls *t, const char *cert, const char *key,
                const struct rp_tls_where *w)
{
    const struct rp_tls_options *o = &t->o;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx) {
        rp_tls_fail(w, "OpenSSL: %s", rp_tls_reason());
        return NULL;
    }
    SSL_CTX_set_min_proto_version(
        ctx, o->min_version == RP_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_ENABLE_KTLS);
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
        SSL_CTX_set_tlsext_servername_callback(ctx, rp_tls_on_name);
        SSL_CTX_set_tlsext_servername_arg(ctx, t);
    }
    if (load_pair(ctx, o, cert, key, w) < 0 || load_clients(ctx, t, w) < 0 ||
        (o->ciphers && set_ciphers(ctx, o->ciphers, w) < 0)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

void
rp_tls_warn_of_dates(SSL_CTX *ctx, const char *cert)
{
    X509 *x = SSL_CTX_get0_certificate(ctx);

    if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
        rp_warn("the certificate %s has expired: clients will refuse it", cert);
    else if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
        rp_warn("the certificate %s is not valid yet: clients will refuse it",
                cert);
}
