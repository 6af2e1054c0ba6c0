/* fuzz_proxyproto.c -- a byte for the mode, then a connection's first bytes.
 *
 * Byte by byte it comes to the same as at once; nothing behind the header is
 * looked at, and no header is longer than its limit. */
#include <stdlib.h>

/* Its folder is the event loop's, which is not linked here; the parser itself
 * needs no more than base. */
#include "../../src/net/proxyproto.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
require(bool fact)
{
    if (!fact)
        abort();
}

static int
parse_copy(enum rp_proxyproto_mode mode, const uint8_t *p, size_t n,
           struct rp_proxyproto *h)
{
    char *copy = malloc(n > 0 ? n : 1);
    int rc;

    require(copy != NULL);
    memcpy(copy, p, n);
    rc = rp_proxyproto_parse(mode, copy, n, h);
    free(copy);
    return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const enum rp_proxyproto_mode modes[] = {
        RP_PROXYPROTO_V1, RP_PROXYPROTO_V2, RP_PROXYPROTO_AUTO};
    enum rp_proxyproto_mode mode;
    struct rp_proxyproto whole, part;
    int rc, slow = 0;

    if (n < 1)
        return 0;
    mode = modes[data[0] % 3];
    rc = parse_copy(mode, ++data, --n, &whole);
    for (size_t k = 0; k <= n && slow == 0; k++)
        slow = parse_copy(mode, data, k, &part);
    require(rc == slow);
    require(rc <= (int)n && rc <= RP_PROXYPROTO_V2_MAX);
    require(rc != 0 || n < RP_PROXYPROTO_V2_MAX);
    if (rc < 0)
        require(rp_proxyproto_err_text(rc)[0] != 'u');
    if (rc <= 0)
        return 0;
    require(whole.has_address == part.has_address);
    require(memcmp(&whole.client, &part.client, sizeof(whole.client)) == 0);
    require(memcmp(&whole.server, &part.server, sizeof(whole.server)) == 0);
    require(whole.client_port == part.client_port);
    return 0;
}
