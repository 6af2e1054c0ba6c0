/* tlsfacts.c -- what was agreed on with a client, as text. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "rupy/net/impl.h"

/* What is in a BIO of memory, which goes; NULL. */
static char *
take_text(BIO *bio)
{
    char *data, *text = NULL;
    long n = BIO_get_mem_data(bio, &data);

    if (n > 0)
        text = strndup(data, (size_t)n);
    BIO_free(bio);
    return text;
}

static char *
to_pem(X509 *cert)
{
    BIO *bio = cert ? BIO_new(BIO_s_mem()) : NULL;

    if (!bio)
        return NULL;
    PEM_write_bio_X509(bio, cert);
    return take_text(bio);
}

static char *
name_of(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (!bio)
        return NULL;
    X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0,
                       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    return take_text(bio);
}

/* The client's own certificate, and those that it has sent behind it; a
 * client that resumes sends none, and only its own is remembered. */
static int
add_client(struct rp_tls_facts *f, SSL *ssl, X509 *own)
{
    STACK_OF(X509) *rest = SSL_get_peer_cert_chain(ssl);
    int n = rest ? sk_X509_num(rest) : 0;
    long verdict = SSL_get_verify_result(ssl);

    f->client_chain = calloc((size_t)n + 1, sizeof(*f->client_chain));
    if (!f->client_chain)
        return -1;
    for (int i = -1; i < n; i++) {
        char *pem = to_pem(i < 0 ? own : sk_X509_value(rest, i));
        if (!pem)
            return -1;
        f->client_chain[f->nclient_chain++] = pem;
    }
    f->client_name = name_of(own);
    if (verdict != X509_V_OK)
        f->client_error = X509_verify_cert_error_string(verdict);
    return f->client_name ? 0 : -1;
}

struct rp_tls_facts *
rp_tls_facts_new(SSL *ssl)
{
    struct rp_tls_facts *f = calloc(1, sizeof(*f));
    X509 *own = SSL_get1_peer_certificate(ssl);
    int bad = 0;

    if (f) {
        f->version = SSL_version(ssl);
        f->cipher = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl));
        f->server_cert = to_pem(SSL_get_certificate(ssl));
        bad = own ? add_client(f, ssl, own) : 0;
    }
    X509_free(own);
    ERR_clear_error();
    if (f && (bad || !f->server_cert)) {
        rp_tls_facts_free(f);
        f = NULL;
    }
    return f;
}

static void
free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

void
rp_tls_facts_free(struct rp_tls_facts *f)
{
    if (!f)
        return;
    for (unsigned i = 0; i < f->nclient_chain; i++)
        free_text(f->client_chain[i]);
    free(f->client_chain);
    free_text(f->client_name);
    free_text(f->server_cert);
    free(f);
}
