#include "rupy/http/response.h"

#include "rupy/http/date.h"
#include "rupy/http/status.h"

enum {
    DATE_LINE = sizeof("Date: \r\n") - 1 + RP_DATE_SIZE,
    /* Status line, Content-Type, Content-Length or Transfer-Encoding,
     * Connection, the empty line: everything but what has a length of its
     * own. */
    FIXED_PART = 256,
};

void
rp_response_consts_init(struct rp_response_consts *c, bool date_on,
                        const char *server)
{
    size_t n = server != NULL ? strnlen(server, sizeof(c->server) - 1) : 0;

    *c = (struct rp_response_consts){.second = -1, .date_on = date_on};
    if (n > 0 && rp_is_field_value((struct rp_str){server, n}))
        memcpy(c->server, server, n);
    rp_response_consts_set_time(c, 0);
}

static char *
put(char *d, const void *p, size_t n)
{
    memcpy(d, p, n);
    return d + n;
}

#define PUT(d, lit) put(d, lit, sizeof(lit) - 1)

static char *
put_str(char *d, struct rp_str s)
{
    return s.n > 0 ? put(d, s.p, s.n) : d;
}

void
rp_response_consts_set_time(struct rp_response_consts *c, int64_t second)
{
    char *d = c->text;

    if (second == c->second)
        return;
    c->second = second;
    if (c->date_on) {
        d = PUT(d, "Date: ");
        rp_date_format(d, second);
        d = PUT(d + RP_DATE_SIZE, "\r\n");
    }
    if (c->server[0] != '\0') {
        d = PUT(d, "Server: ");
        d = put(d, c->server, strlen(c->server));
        d = PUT(d, "\r\n");
    }
    c->text_n = (size_t)(d - c->text);
}

enum rp_framing
rp_response_framing(int status, bool is_head, int minor, int64_t length,
                    bool *close)
{
    if (!rp_status_has_content(status))
        return RP_FRAMING_NONE;
    if (status == 205) /* RFC 9110 15.3.6: ends right after its head */
        return RP_FRAMING_LENGTH;
    if (length >= 0)
        return RP_FRAMING_LENGTH;
    if (is_head)
        return RP_FRAMING_NONE;
    if (minor >= 1)
        return RP_FRAMING_CHUNKED;
    /* RFC 9112 6.1: no transfer coding to an HTTP/1.0 client. */
    *close = true;
    return RP_FRAMING_CLOSE;
}

int
rp_response_check_field(const struct rp_field *f)
{
    if (!rp_is_token(f->name) || !rp_is_field_value(f->value))
        return -1;
    if ((f->name.n == 14 && rp_str_ieq(f->name, RP_STR("content-length"))) ||
        (f->name.n == 4 && rp_str_ieq(f->name, RP_STR("date"))))
        return 1;
    return rp_is_hop_by_hop(f->name);
}

static char *
put_u64(char *d, uint64_t v)
{
    char digits[20];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return put(d, digits + i, sizeof(digits) - i);
}

static char *
put_status_line(char *d, int status, struct rp_str reason)
{
    struct rp_str line = rp_status_line(status);

    if (line.n > 0 && reason.n == 0)
        return put_str(d, line);
    d = PUT(d, "HTTP/1.1 ");
    *d++ = (char)('0' + status / 100 % 10);
    *d++ = (char)('0' + status / 10 % 10);
    *d++ = (char)('0' + status % 10);
    if (reason.n == 0)
        return PUT(d, " Unknown\r\n");
    *d++ = ' ';
    d = put_str(d, reason);
    return PUT(d, "\r\n");
}

static char *
put_field(char *d, const struct rp_field *f)
{
    d = put_str(d, f->name);
    d = PUT(d, ": ");
    d = put_str(d, f->value);
    return PUT(d, "\r\n");
}

static char *
put_framing(char *d, const struct rp_response_head *h)
{
    switch (h->framing) {
    case RP_FRAMING_LENGTH:
        d = PUT(d, "Content-Length: ");
        d = put_u64(d, h->status == 205 ? 0 : h->length);
        return PUT(d, "\r\n");
    case RP_FRAMING_CHUNKED:
        return PUT(d, "Transfer-Encoding: chunked\r\n");
    case RP_FRAMING_NONE:
    case RP_FRAMING_CLOSE:
        break;
    }
    return d;
}

int
rp_response_write_head(struct rp_buf *out, const struct rp_response_consts *c,
                       const struct rp_response_head *h)
{
    size_t room = FIXED_PART + h->reason.n + h->content_type.n +
                  h->connection.n + h->more.n + c->text_n + c->extra.n;
    bool own_server = false;
    char *d;

    for (unsigned i = 0; i < h->nfields; i++)
        room += h->fields[i].name.n + h->fields[i].value.n + 4;
    if (rp_buf_reserve(out, room) < 0)
        return -1;
    d = put_status_line(out->p + out->n, h->status, h->reason);
    for (unsigned i = 0; i < h->nfields; i++) {
        const struct rp_field *f = &h->fields[i];

        if (!h->clean && rp_response_check_field(f) != 0)
            continue;
        if (f->name.n == 6 && rp_str_ieq(f->name, RP_STR("server"))) {
            if (own_server)
                continue;
            own_server = true;
        }
        d = put_field(d, f);
    }
    if (h->content_type.n > 0) {
        d = PUT(d, "Content-Type: ");
        d = put_str(d, h->content_type);
        d = PUT(d, "\r\n");
    }
    d = put_framing(d, h);
    if (h->status == 426) /* RFC 9110 15.5.22; there is only this one */
        d = PUT(d, "Upgrade: websocket\r\n");
    if (h->connection.n > 0) {
        d = PUT(d, "Connection: ");
        d = put_str(d, h->connection);
        d = PUT(d, "\r\n");
    }
    /* Date stands first in the text, Server behind it; there is one Server,
     * and the application's wins. */
    if (!own_server)
        d = put(d, c->text, c->text_n);
    else if (c->date_on)
        d = put(d, c->text, DATE_LINE);
    if (h->more.n > 0)
        d = put_str(d, h->more);
    d = put_str(d, c->extra);
    d = PUT(d, "\r\n");
    out->n = (size_t)(d - out->p);
    return 0;
}

int
rp_response_write_chunk_head(struct rp_buf *out, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    char text[2 * sizeof(n) + 2];
    size_t i = sizeof(text);

    text[--i] = '\n';
    text[--i] = '\r';
    do {
        text[--i] = hex[n & 15];
        n >>= 4;
    } while (n > 0);
    return rp_buf_add(out, text + i, sizeof(text) - i);
}
