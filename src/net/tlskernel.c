/* tlskernel.c -- TLS whose records the kernel makes.
 *
 * Where Linux has it (CONFIG_TLS, the module tls) and knows the cipher,
 * OpenSSL gives the keys for sending to the kernel at the end of the
 * handshake.  The socket then takes what a plain one takes, write(2), writev(2)
 * and sendfile(2), and a file goes out without ever being in this process.
 *
 * SSL_write() would do as well, but not with the buffers here: a record that
 * did not go out in full is sent on from where it was at first (OpenSSL 3.0,
 * ssl3_write_pending(), with kernel TLS keeps no copy), and ours may have moved
 * by then.  What else there is to say, alerts and the end, OpenSSL says. */
#include <openssl/ssl.h>

#include "rupy/base/log.h"
#include "rupy/net/impl.h"

bool
rp_tls_find_kernel(struct rp_server *s, struct ssl_st *ssl)
{
    bool found = BIO_get_ktls_send(SSL_get_wbio(ssl));

    rp_count(s->service->counters->handshakes, 1);
    rp_count(s->service->counters->in_kernel, found);
    if (!s->told_kernel)
        rp_debug(found ? "TLS: the kernel encrypts (%s)"
                       : "TLS: OpenSSL encrypts: the kernel has no TLS, or "
                         "not this cipher (%s)",
                 SSL_get_cipher_name(ssl));
    s->told_kernel = true;
    return found;
}
