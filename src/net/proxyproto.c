/* proxyproto.c -- parsing the header that HAProxy's proxy-protocol.txt
 * describes; sections are of that document. */
#include "rupy/net/proxyproto.h"

#include <arpa/inet.h>

static const char *const texts[] = {
#define X(name, text) [RP_PROXYPROTO_##name - RP_PROXYPROTO_ERR_MIN] = (text),
    RP_PROXYPROTO_ERRS(X)
#undef X
};

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const char word[6] = "PROXY ";

enum {
    HEAD = 16, /* of version 2: signature, version, family, length */
    TCP4 = 12, /* bytes of addresses and ports */
    TCP6 = 36,
};

const char *
rp_proxyproto_err_text(int err)
{
    int i = err - RP_PROXYPROTO_ERR_MIN;

    return i > 0 && i < (int)(sizeof(texts) / sizeof(texts[0]))
               ? texts[i]
               : "unknown error";
}

/* ---- Version 1, 2.1 ---- */

/* What stands in front of the next SP; false: there is none. */
static bool
next_word(struct rp_str *rest, struct rp_str *out)
{
    const char *sp = memchr(rest->p, ' ', rest->n);

    if (!sp)
        return false;
    *out = (struct rp_str){rest->p, (size_t)(sp - rest->p)};
    rest->p += out->n + 1;
    rest->n -= out->n + 1;
    return true;
}

/* "no leading zero" but 0 itself, at most 65535. */
static int
parse_port(struct rp_str s, uint16_t *out)
{
    uint64_t v;

    if (s.n > 5 || rp_str_to_u64(s, &v) < 0 || v > 65535 ||
        (s.n > 1 && s.p[0] == '0'))
        return -1;
    *out = (uint16_t)v;
    return 0;
}

static int
parse_addr(struct rp_str s, bool v4, struct rp_addr *out)
{
    if ((memchr(s.p, ':', s.n) == NULL) != v4)
        return -1;
    return rp_addr_parse(out, s);
}

/* The line behind "PROXY ", without its CRLF. */
static int
parse_line(struct rp_str rest, struct rp_proxyproto *h)
{
    struct rp_str family, client, server, port;
    bool v4;

    /* Whatever stands behind it is to be ignored. */
    if (rp_str_eq(rest, RP_STR("UNKNOWN")) ||
        rp_str_has_prefix(rest, RP_STR("UNKNOWN ")))
        return 0;
    if (!next_word(&rest, &family))
        return RP_PROXYPROTO_BAD_LINE;
    v4 = rp_str_eq(family, RP_STR("TCP4"));
    if (!v4 && !rp_str_eq(family, RP_STR("TCP6")))
        return RP_PROXYPROTO_BAD_FAMILY;
    if (!next_word(&rest, &client) || !next_word(&rest, &server) ||
        !next_word(&rest, &port))
        return RP_PROXYPROTO_BAD_LINE;
    if (parse_addr(client, v4, &h->client) < 0 ||
        parse_addr(server, v4, &h->server) < 0 ||
        parse_port(port, &h->client_port) < 0 ||
        parse_port(rest, &h->server_port) < 0)
        return RP_PROXYPROTO_BAD_ADDRESS;
    h->has_address = true;
    return 0;
}

static int
parse_v1(const char *p, size_t n, struct rp_proxyproto *h)
{
    size_t max = n < RP_PROXYPROTO_V1_MAX ? n : RP_PROXYPROTO_V1_MAX;
    const char *cr = memchr(p, '\r', max), *lf = memchr(p, '\n', max);
    size_t end = cr ? (size_t)(cr - p) : 0;
    int rc;

    if (lf && (!cr || lf != cr + 1))
        return RP_PROXYPROTO_BAD_LINE;
    if (!cr || end + 1 == max)
        return n >= RP_PROXYPROTO_V1_MAX ? RP_PROXYPROTO_TOO_LONG : 0;
    if (!lf)
        return RP_PROXYPROTO_BAD_LINE;
    rc = parse_line((struct rp_str){p + sizeof(word), end - sizeof(word)}, h);
    return rc < 0 ? rc : (int)end + 2;
}

/* ---- Version 2, 2.2 ---- */

static uint16_t
get_be16(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

/* Client and server, of k bytes each, and their ports. */
static void
get_addresses(struct rp_proxyproto *h, const char *p, int family, size_t k)
{
    char text[RP_ADDR_TEXT];

    inet_ntop(family, p, text, sizeof(text));
    rp_addr_parse(&h->client, (struct rp_str){text, strlen(text)});
    inet_ntop(family, p + k, text, sizeof(text));
    rp_addr_parse(&h->server, (struct rp_str){text, strlen(text)});
    h->client_port = get_be16(p + 2 * k);
    h->server_port = get_be16(p + 2 * k + 2);
    h->has_address = true;
}

static int
parse_v2(const char *p, size_t n, struct rp_proxyproto *h)
{
    unsigned command, family;
    size_t len;

    if (n < sizeof(signature) + 1)
        return 0;
    command = (unsigned char)p[12];
    if (command != 0x20 && command != 0x21)
        return RP_PROXYPROTO_BAD_VERSION;
    if (n < HEAD)
        return 0;
    family = (unsigned char)p[13];
    len = get_be16(p + 14);
    if (len > RP_PROXYPROTO_V2_MAX - HEAD)
        return RP_PROXYPROTO_TOO_LONG;
    /* "other values ... must be rejected"; of LOCAL they are ignored. */
    if (command == 0x21 && (family >> 4 > 3 || (family & 15) > 2))
        return RP_PROXYPROTO_BAD_FAMILY;
    if (command == 0x21 &&
        ((family == 0x11 && len < TCP4) || (family == 0x21 && len < TCP6)))
        return RP_PROXYPROTO_BAD_ADDRESS;
    if (n < HEAD + len)
        return 0;
    if (command == 0x21 && family == 0x11)
        get_addresses(h, p + HEAD, AF_INET, 4);
    else if (command == 0x21 && family == 0x21)
        get_addresses(h, p + HEAD, AF_INET6, 16);
    return (int)(HEAD + len);
}

static bool
may_be(const char *p, size_t n, const char *begin, size_t len)
{
    return memcmp(p, begin, n < len ? n : len) == 0;
}

int
rp_proxyproto_parse(enum rp_proxyproto_mode mode, const char *p, size_t n,
                    struct rp_proxyproto *h)
{
    *h = (struct rp_proxyproto){.has_address = false};
    if (n == 0)
        return 0;
    if (mode != RP_PROXYPROTO_V2 && may_be(p, n, word, sizeof(word)))
        return n < sizeof(word) ? 0 : parse_v1(p, n, h);
    if (mode != RP_PROXYPROTO_V1 && may_be(p, n, signature, sizeof(signature)))
        return parse_v2(p, n, h);
    return RP_PROXYPROTO_NONE;
}
