#include "rupy/base/trust.h"

#include <arpa/inet.h>
#include <stdlib.h>

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

enum { MAPPED_BITS = 8 * sizeof(mapped), MAX_NETS = 4096 };

int
rp_addr_parse(struct rp_addr *a, struct rp_str text)
{
    char copy[RP_ADDR_TEXT];

    if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n))
        return -1;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    *a = (struct rp_addr){.is_v4 = !memchr(copy, ':', text.n)};
    if (a->is_v4) {
        memcpy(a->bytes, mapped, sizeof(mapped));
        return inet_pton(AF_INET, copy, a->bytes + sizeof(mapped)) - 1;
    }
    if (inet_pton(AF_INET6, copy, a->bytes) != 1)
        return -1;
    a->is_v4 = memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
    return 0;
}

/* inet_ntop() goes through printf, and this is done per request. */
static void
format_v4(const unsigned char *bytes, char *out)
{
    for (int i = 0; i < 4; i++) {
        unsigned v = bytes[i];
        if (v >= 100)
            *out++ = (char)('0' + v / 100);
        if (v >= 10)
            *out++ = (char)('0' + v / 10 % 10);
        *out++ = (char)('0' + v % 10);
        *out++ = i < 3 ? '.' : '\0';
    }
}

void
rp_addr_format(const struct rp_addr *a, char out[RP_ADDR_TEXT])
{
    out[0] = '\0';
    if (a->is_unix)
        return;
    if (a->is_v4)
        format_v4(a->bytes + sizeof(mapped), out);
    else
        inet_ntop(AF_INET6, a->bytes, out, RP_ADDR_TEXT);
}

/* Are the first so many bits the same? */
static bool
begins_alike(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 &&
           (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static bool
has_host_bits(const struct rp_net *net)
{
    struct rp_net zero = {.bits = net->bits};

    memcpy(zero.addr.bytes, net->addr.bytes, net->bits / 8);
    if (net->bits % 8)
        zero.addr.bytes[net->bits / 8] =
            net->addr.bytes[net->bits / 8] & (0xff00u >> net->bits % 8);
    return memcmp(zero.addr.bytes, net->addr.bytes, 16) != 0;
}

static int
parse_net(struct rp_net *net, struct rp_str text, const char **why)
{
    const char *slash = memchr(text.p, '/', text.n);
    struct rp_str addr = {text.p, slash ? (size_t)(slash - text.p) : text.n};
    struct rp_str bits = {slash ? slash + 1 : text.p, 0};
    bool as_v6;
    uint64_t v;

    if (rp_addr_parse(&net->addr, addr) < 0) {
        *why = "is no address, network such as 192.0.2.0/24, unix:, * or none";
        return -1;
    }
    net->bits = 128;
    if (!slash)
        return 0;
    bits.n = text.n - addr.n - 1;
    as_v6 = memchr(addr.p, ':', addr.n) != NULL;
    if (rp_str_to_u64(bits, &v) < 0 || v > (as_v6 ? 128 : 32)) {
        *why = "has a prefix length that its address does not";
        return -1;
    }
    net->bits = (unsigned)v + (as_v6 ? 0 : MAPPED_BITS);
    if (has_host_bits(net)) {
        *why = "has bits set behind its prefix";
        return -1;
    }
    return 0;
}

int
rp_trust_add(struct rp_trust *t, struct rp_str text, const char **why)
{
    struct rp_net net;

    if (rp_str_eq(text, RP_STR("*"))) {
        t->all = true;
        return 0;
    }
    if (rp_str_eq(text, RP_STR("unix:"))) {
        t->unix_sockets = true;
        return 0;
    }
    if (rp_str_eq(text, RP_STR("none")))
        return 0;
    if (parse_net(&net, text, why) < 0)
        return -1;
    if (t->n == t->cap) {
        unsigned cap = t->cap ? 2 * t->cap : 4;
        struct rp_net *v = NULL;

        if (cap <= MAX_NETS)
            v = realloc(t->nets, cap * sizeof(*v));
        if (!v) {
            *why = "is one too many";
            return -1;
        }
        t->nets = v;
        t->cap = cap;
    }
    t->nets[t->n++] = net;
    return 0;
}

bool
rp_trust_has(const struct rp_trust *t, const struct rp_addr *a)
{
    if (t->all)
        return true;
    if (a->is_unix)
        return t->unix_sockets;
    for (unsigned i = 0; i < t->n; i++)
        if (t->nets[i].addr.is_v4 == a->is_v4 &&
            begins_alike(t->nets[i].addr.bytes, a->bytes, t->nets[i].bits))
            return true;
    return false;
}

void
rp_trust_fini(struct rp_trust *t)
{
    free(t->nets);
    *t = (struct rp_trust){.nets = NULL};
}
