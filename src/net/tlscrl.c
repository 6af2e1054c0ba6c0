/* tlscrl.c -- certificates of clients that were revoked (RFC 5280 5), and
 * sessions from before. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "rupy/base/log.h"

#include "tlsctx.h"

static void
warn_of_date(const X509_CRL *crl, const char *path)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

    if (next && X509_cmp_current_time(next) < 0)
        rp_warn("a list of revoked certificates in %s is out of date: clients "
                "of its authority are refused",
                path);
}

/* Only the client's own certificate is looked up: for more, every authority
 * above it would need a list. */
int
rp_tls_load_crl(SSL_CTX *ctx, const char *path, const struct rp_tls_where *w)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *file = BIO_new_file(path, "re");
    X509_CRL *crl;
    int n = 0, ok = 1;

    if (!file)
        return rp_tls_fail(w, "--ssl-crl: cannot read %s: %s", path,
                           strerror(errno));
    while (ok && (crl = PEM_read_bio_X509_CRL(file, NULL, NULL, NULL))) {
        ok = X509_STORE_add_crl(store, crl);
        warn_of_date(crl, path);
        X509_CRL_free(crl);
        n++;
    }
    BIO_free(file);
    /* It ends where no more begins; what is broken is no end. */
    if (!ok || n == 0 ||
        ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return rp_tls_fail(w,
                           "--ssl-crl: %s is no file of lists of revoked "
                           "certificates (%s)",
                           path, rp_tls_reason());
    ERR_clear_error();
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return 0;
}

/* What is resumed is not verified again: a session is good only while those
 * who are trusted, and those who are not any more, are the same.  Of a folder
 * OpenSSL has read nothing yet.  All workers come to the same. */
void
rp_tls_bind_sessions(SSL_CTX *ctx, uint64_t authorities)
{
    STACK_OF(X509_OBJECT) *all =
        X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    unsigned char id[SSL_MAX_SID_CTX_LENGTH] = "rupy", md[EVP_MAX_MD_SIZE];

    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509_OBJECT *o = sk_X509_OBJECT_value(all, i);
        const X509 *cert = X509_OBJECT_get0_X509(o);
        X509_CRL *crl = X509_OBJECT_get0_X509_CRL(o);
        unsigned n = 0;

        if (cert)
            X509_digest(cert, EVP_sha256(), md, &n);
        else if (crl)
            X509_CRL_digest(crl, EVP_sha256(), md, &n);
        for (unsigned k = 0; k < n && k < sizeof(id); k++)
            id[k] ^= md[k];
    }
    for (unsigned k = 0; k < sizeof(authorities); k++)
        id[k] ^= (unsigned char)(authorities >> 8 * k);
    SSL_CTX_set_session_id_context(ctx, id, sizeof(id));
}
