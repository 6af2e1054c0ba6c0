/* What single field lines mean for Host, the framing and the connection. */
#include "rupy/http/forwarded.h"
#include "rupy/http/parser.h"
#include "rupy/http/scan.h"

static int
on_host(struct rp_scan *s, struct rp_str value, const char *p)
{
    /* RFC 9112 3.2: more than one, though the same, or an invalid one. */
    if ((s->seen & RP_SEEN_HOST) || !rp_is_host(value))
        return RP_HTTP_BAD_HOST;
    s->seen |= RP_SEEN_HOST;
    s->host = (uint32_t)(value.p - p);
    s->host_n = (uint32_t)value.n;
    return 0;
}

/* RFC 9112 6.3.  "00" and "05" are numbers by the grammar, but octal to some,
 * and no sender writes them. */
static int
on_content_length(struct rp_scan *s, struct rp_str value)
{
    uint64_t v;

    if (s->seen & RP_SEEN_CODING)
        return RP_HTTP_LENGTH_AND_CODING;
    if ((s->seen & RP_SEEN_LENGTH) || rp_str_to_u64(value, &v) < 0 ||
        (value.n > 1 && value.p[0] == '0'))
        return RP_HTTP_BAD_LENGTH;
    s->seen |= RP_SEEN_LENGTH;
    s->length = (int64_t)v;
    return 0;
}

/* Why a value that is not exactly "chunked" is refused.  A coding that we do
 * not know is 501 (RFC 9112 6.1); a list that does not parse, or that has
 * chunked elsewhere than at its end, is 400 (RFC 9112 6.3). */
static int
why_bad_coding(struct rp_str value)
{
    struct rp_str rest = value, member = {NULL, 0};
    unsigned commas = 0, members = 0;

    for (size_t i = 0; i < value.n; i++)
        commas += value.p[i] == ',';
    while (rp_list_next(&rest, &member)) {
        members++;
        if (!rp_is_token(member))
            return RP_HTTP_BAD_CODING;
        if (rp_str_ieq(member, RP_STR("chunked")) && members <= commas)
            return RP_HTTP_BAD_CODING;
    }
    return members == commas + 1 ? RP_HTTP_UNKNOWN_CODING : RP_HTTP_BAD_CODING;
}

static int
on_transfer_encoding(struct rp_scan *s, struct rp_str value)
{
    /* RFC 9112 6.1: in HTTP/1.0 it is faulty framing. */
    if (s->minor == 0)
        return RP_HTTP_BAD_CODING;
    if (s->seen & RP_SEEN_LENGTH)
        return RP_HTTP_LENGTH_AND_CODING;
    if (s->seen & RP_SEEN_CODING)
        return RP_HTTP_REPEATED_FIELD;
    if (!rp_str_ieq(value, RP_STR("chunked")))
        return why_bad_coding(value);
    s->seen |= RP_SEEN_CODING;
    return 0;
}

/* RFC 9110 7.6.1.  Fields that it names stay what they are: to take
 * Content-Length away because Connection lists it would be smuggling. */
static int
on_connection(struct rp_scan *s, struct rp_str value)
{
    struct rp_str option;

    while (rp_list_next(&value, &option)) {
        if (rp_str_ieq(option, RP_STR("close")))
            s->seen |= RP_SAID_CLOSE;
        else if (rp_str_ieq(option, RP_STR("keep-alive")))
            s->seen |= RP_SAID_KEEP_ALIVE;
        else if (rp_str_ieq(option, RP_STR("upgrade")))
            s->seen |= RP_SAID_UPGRADE;
    }
    return 0;
}

static int
on_expect(struct rp_scan *s, struct rp_str value)
{
    struct rp_str rest = value, member;
    bool any = false;

    if (s->minor == 0) /* RFC 9110 10.1.1: MUST be ignored there */
        return 0;
    while (rp_list_next(&rest, &member)) {
        if (!rp_str_ieq(member, RP_STR("100-continue")))
            return RP_HTTP_BAD_EXPECT;
        any = true;
    }
    if (!any)
        return RP_HTTP_BAD_EXPECT;
    s->seen |= RP_SEEN_EXPECT;
    return 0;
}

static int
on_upgrade(struct rp_scan *s, struct rp_str value)
{
    struct rp_str protocol;

    s->seen |= RP_SEEN_UPGRADE;
    while (rp_list_next(&value, &protocol))
        if (rp_str_ieq(protocol, RP_STR("websocket")))
            s->seen |= RP_SEEN_WEBSOCKET;
    return 0;
}

/* RFC 9110 5.3: a singleton twice is malformed, and who picks which differs. */
static int
on_content_type(struct rp_scan *s)
{
    if (s->seen & RP_SEEN_TYPE)
        return RP_HTTP_REPEATED_FIELD;
    s->seen |= RP_SEEN_TYPE;
    return 0;
}

int
rp_scan_field(struct rp_scan *s, struct rp_str name, struct rp_str value,
              const char *p)
{
    char first = name.p[0] | 0x20;

    if ((first == 'x' || first == 'f') && rp_forwarded_is_field(name))
        s->seen |= RP_SEEN_FORWARDED;
    switch (name.n) {
    case 4:
        if (rp_str_ieq(name, RP_STR("host")))
            return on_host(s, value, p);
        break;
    case 6:
        if (rp_str_ieq(name, RP_STR("expect")))
            return on_expect(s, value);
        break;
    case 7:
        if (rp_str_ieq(name, RP_STR("upgrade")))
            return on_upgrade(s, value);
        break;
    case 10:
        if (rp_str_ieq(name, RP_STR("connection")))
            return on_connection(s, value);
        break;
    case 12:
        if (rp_str_ieq(name, RP_STR("content-type")))
            return on_content_type(s);
        break;
    case 14:
        if (rp_str_ieq(name, RP_STR("content-length")))
            return on_content_length(s, value);
        break;
    case 17:
        if (rp_str_ieq(name, RP_STR("transfer-encoding")))
            return on_transfer_encoding(s, value);
        break;
    }
    return 0;
}

int
rp_scan_end(const struct rp_scan *s)
{
    if (s->minor >= 1 && !(s->seen & RP_SEEN_HOST))
        return RP_HTTP_BAD_HOST;
    return 0;
}
