#include "rupy/files/disposition.h"

#include "rupy/base/utf8.h"
#include "rupy/http/url.h"

bool
rp_disposition_is_name(struct rp_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c < 0x20 || c == 0x7f || c == '/')
            return false;
    }
    return name.n > 0 && rp_utf8_is_valid(name);
}

/* Nothing that a client might decode: '%' is taken for an escape by some. */
static bool
is_plain(struct rp_str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] >= 0x80 || name.p[i] == '%')
            return false;
    return true;
}

/* As a quoted-string, with "_" for each character that is not ASCII. */
static void
put_quoted(struct rp_buf *out, struct rp_str name)
{
    char *d = out->p + out->n;

    *d++ = '"';
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c >= 0x80 && c < 0xc0)
            continue;
        if (c == '"' || c == '\\')
            *d++ = '\\';
        *d++ = c >= 0x80 || c == '%' ? '_' : (char)c;
    }
    *d++ = '"';
    out->n = (size_t)(d - out->p);
}

int
rp_disposition_add(struct rp_buf *out, struct rp_str name, bool is_inline)
{
    struct rp_str type = is_inline ? RP_STR("inline") : RP_STR("attachment");

    if (rp_buf_reserve(out, 5 * name.n + 64) < 0)
        return -1;
    rp_buf_add_str(out, type);
    rp_buf_add_str(out, RP_STR("; filename="));
    put_quoted(out, name);
    if (is_plain(name))
        return 0;
    rp_buf_add_str(out, RP_STR("; filename*=UTF-8''"));
    out->n += rp_url_encode(out->p + out->n, name, false);
    return 0;
}
