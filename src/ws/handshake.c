#include "rupy/ws/handshake.h"

#include "rupy/ws/offer.h"

enum { KEY_SIZE = 16 };

int
rp_ws_handshake_err_status(int err)
{
    switch ((enum rp_ws_handshake_err)err) {
#define X(name, status, text)                                                  \
    case RP_WS_##name:                                                         \
        return status;
        RP_WS_HANDSHAKE_ERRS(X)
#undef X
    case RP_WS_HANDSHAKE_ERR_MIN:
        break;
    }
    return 500;
}

const char *
rp_ws_handshake_err_text(int err)
{
    switch ((enum rp_ws_handshake_err)err) {
#define X(name, status, text)                                                  \
    case RP_WS_##name:                                                         \
        return text;
        RP_WS_HANDSHAKE_ERRS(X)
#undef X
    case RP_WS_HANDSHAKE_ERR_MIN:
        break;
    }
    return "unknown error";
}

unsigned
rp_ws_handshake_err_fields(int err, struct rp_field v[2])
{
    if (rp_ws_handshake_err_status(err) != 426)
        return 0;
    v[0] = (struct rp_field){RP_STR("sec-websocket-version"), RP_STR("13")};
    v[1] = (struct rp_field){RP_STR("upgrade"), RP_STR("websocket")};
    return 2;
}

/* The only field of that name, or NULL. */
static const struct rp_field *
find_single(const struct rp_request *r, struct rp_str name)
{
    const struct rp_field *f = rp_fields_find(r->fields, r->nfields, name);
    unsigned behind;

    if (f == NULL)
        return NULL;
    behind = r->nfields - (unsigned)(f + 1 - r->fields);
    return rp_fields_find(f + 1, behind, name) == NULL ? f : NULL;
}

static bool
key_is_valid(struct rp_str key)
{
    uint8_t bytes[KEY_SIZE];

    return rp_base64_decode(key, bytes, sizeof(bytes)) == KEY_SIZE;
}

static void
make_accept(struct rp_str key, char *out)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[RP_BASE64_SIZE(KEY_SIZE) + sizeof(guid) - 1];
    uint8_t hash[RP_SHA1_SIZE];

    memcpy(text, key.p, RP_BASE64_SIZE(KEY_SIZE));
    memcpy(text + RP_BASE64_SIZE(KEY_SIZE), guid, sizeof(guid) - 1);
    rp_sha1(text, sizeof(text), hash);
    rp_base64_encode(hash, sizeof(hash), out);
}

int
rp_ws_handshake_check(const struct rp_request *r,
                      const struct rp_ws_deflate_options *o,
                      struct rp_ws_handshake *h)
{
    struct rp_ws_offers at = {0};
    const struct rp_field *f;
    struct rp_str name;

    *h = (struct rp_ws_handshake){.deflate = {.on = false}};
    if (!r->upgrade_websocket)
        return RP_WS_NO_UPGRADE;
    f = find_single(r, RP_STR("sec-websocket-version"));
    if (f == NULL || !rp_str_eq(f->value, RP_STR("13")))
        return RP_WS_BAD_VERSION;
    f = find_single(r, RP_STR("sec-websocket-key"));
    if (f == NULL || !key_is_valid(f->value))
        return RP_WS_BAD_KEY;
    while (rp_ws_subprotocol_next(r, &at, &name))
        if (!rp_is_token(name))
            return RP_WS_BAD_OFFER;
    make_accept(f->value, h->accept);
    if (o != NULL && o->on)
        rp_ws_offer_choose(r->fields, r->nfields, o, &h->deflate);
    return 0;
}

bool
rp_ws_subprotocol_next(const struct rp_request *r, struct rp_ws_offers *at,
                       struct rp_str *name)
{
    while (!rp_list_next(&at->rest, name)) {
        const struct rp_field *f;

        if (at->line == r->nfields)
            return false;
        f = &r->fields[at->line++];
        if (rp_str_ieq(f->name, RP_STR("sec-websocket-protocol")))
            at->rest = f->value;
    }
    return true;
}

bool
rp_ws_subprotocol_is_offered(const struct rp_request *r, struct rp_str name)
{
    struct rp_ws_offers at = {0};
    struct rp_str offer;

    while (rp_ws_subprotocol_next(r, &at, &offer))
        if (rp_str_eq(offer, name))
            return true;
    return false;
}

/* 0 send, 1 leave out, RP_WS_BAD_FIELD refuse. */
static int
check_field(const struct rp_field *f)
{
    static const struct rp_str prefix = {"sec-websocket-", 14};
    int k = rp_response_check_field(f);

    if (k < 0)
        return RP_WS_BAD_FIELD;
    /* Accept, Extensions, Protocol, Version: what was agreed on is ours. */
    if (f->name.n >= prefix.n &&
        rp_str_ieq((struct rp_str){f->name.p, prefix.n}, prefix))
        return RP_WS_BAD_FIELD;
    return k;
}

static int
add_field(struct rp_buf *out, struct rp_str name, struct rp_str value)
{
    if (rp_buf_add_str(out, name) < 0 || rp_buf_add(out, ": ", 2) < 0 ||
        rp_buf_add_str(out, value) < 0 || rp_buf_add(out, "\r\n", 2) < 0)
        return -1;
    return 0;
}

static int
write_own(struct rp_buf *out, const struct rp_ws_handshake *h,
          struct rp_str subprotocol)
{
    static const char start[] = "HTTP/1.1 101 Switching Protocols\r\n"
                                "Upgrade: websocket\r\n"
                                "Connection: Upgrade\r\n";
    struct rp_str accept = {h->accept, sizeof(h->accept)};

    if (rp_buf_add(out, start, sizeof(start) - 1) < 0 ||
        add_field(out, RP_STR("Sec-WebSocket-Accept"), accept) < 0)
        return -1;
    if (subprotocol.n > 0 &&
        add_field(out, RP_STR("Sec-WebSocket-Protocol"), subprotocol) < 0)
        return -1;
    if (!h->deflate.on)
        return 0;
    if (rp_buf_add_str(out, RP_STR("Sec-WebSocket-Extensions: ")) < 0 ||
        rp_ws_offer_write(out, &h->deflate) < 0 ||
        rp_buf_add(out, "\r\n", 2) < 0)
        return -1;
    return 0;
}

int
rp_ws_handshake_write(struct rp_buf *out, const struct rp_ws_handshake *h,
                      const struct rp_response_consts *c,
                      struct rp_str subprotocol, const struct rp_field *fields,
                      unsigned nfields)
{
    const size_t before = out->n;

    if (subprotocol.n > 0 && !rp_is_token(subprotocol))
        return RP_WS_BAD_SUBPROTOCOL;
    for (unsigned i = 0; i < nfields; i++)
        if (check_field(&fields[i]) < 0)
            return RP_WS_BAD_FIELD;
    if (write_own(out, h, subprotocol) < 0)
        goto fail;
    for (unsigned i = 0; i < nfields; i++)
        if (check_field(&fields[i]) == 0 &&
            add_field(out, fields[i].name, fields[i].value) < 0)
            goto fail;
    if (rp_buf_add(out, c->text, c->text_n) < 0 ||
        rp_buf_add_str(out, c->extra) < 0 || rp_buf_add(out, "\r\n", 2) < 0)
        goto fail;
    return 0;

fail:
    out->n = before;
    return -1;
}
