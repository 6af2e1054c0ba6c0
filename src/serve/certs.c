#include "rupy/serve/certs.h"

int
rp_certs_check(struct rp_config *c)
{
    const struct {
        const char *name, *value;
    } others[] = {
        {"--ssl-keyfile", c->ssl_keyfile},
        {"--ssl-keyfile-password", c->ssl_keyfile_password},
        {"--ssl-ca-certs", c->ssl_ca_certs},
        {"--ssl-crl", c->ssl_crl},
        {"--ssl-ciphers", c->ssl_ciphers},
        {"--ssl-sni", c->ssl_sni},
        {"--ssl-verify", c->ssl_verify != RP_TLS_VERIFY_NONE ? "" : NULL},
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (others[i].value != NULL && c->ssl_certfile == NULL)
            return rp_config_fail(c, "%s needs --ssl-certfile", others[i].name);
    if (c->ssl_verify != RP_TLS_VERIFY_NONE && c->ssl_ca_certs == NULL)
        return rp_config_fail(c, "--ssl-verify needs --ssl-ca-certs: whose "
                                 "certificates clients may show");
    if (c->ssl_crl != NULL && c->ssl_verify == RP_TLS_VERIFY_NONE)
        return rp_config_fail(c, "--ssl-crl needs --ssl-verify: no "
                                 "certificates of clients are asked for");
    return 0;
}

int
rp_certs_load(const struct rp_config *c, struct rp_tls **tls, char *error,
              size_t n)
{
    *tls = NULL;
    if (c->ssl_certfile == NULL)
        return 0;
    *tls = rp_tls_new(
        &(struct rp_tls_options){
            .certfile = c->ssl_certfile,
            .keyfile = c->ssl_keyfile,
            .password = c->ssl_keyfile_password,
            .ca_certs = c->ssl_ca_certs,
            .crl = c->ssl_crl,
            .ciphers = c->ssl_ciphers,
            .sni = c->ssl_sni,
            .verify = (enum rp_tls_verify)c->ssl_verify,
            .min_version = (enum rp_tls_version)c->ssl_min_version,
        },
        error, n);
    return *tls == NULL ? -1 : 0;
}
