/* What is awaited, in chunked content (RFC 9112 7.1):
 *
 *   SIZE -> [SIZE_SPACE] -> [extensions] -> SIZE_LF -> DATA -> DATA_CR ->
 *     ^                                        |            DATA_LF --+
 *     +----------------------------------------|----------------------+
 *                                last chunk    v
 *   DONE <- END_LF <- TRAILER -> TRAILER_NAME -> TRAILER_VALUE -> TRAILER_LF
 *                        ^                                            |
 *                        +--------------------------------------------+
 *
 *   extensions: EXT_START -> EXT_NAME -> [EXT_NAME_SPACE] -> EXT_VALUE ->
 *               EXT_TOKEN | EXT_QUOTED <-> EXT_ESCAPE -> EXT_END */
#include "rupy/http/content.h"

#include "rupy/http/chars.h"

enum state {
    DONE,
    PLAIN, /* length-delimited */
    SIZE,
    SIZE_SPACE, /* BWS behind the size: an extension must follow */
    EXT_START,  /* behind ';' */
    EXT_NAME,
    EXT_NAME_SPACE, /* BWS behind the name: '=' or ';' must follow */
    EXT_VALUE,      /* behind '=' */
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_ESCAPE, /* behind '\' in a quoted-string */
    EXT_END,    /* behind the closing quote */
    EXT_SPACE,  /* BWS behind a value: ';' must follow */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
};

enum {
    MAX_DIGITS = 16,
    FREE_FRAMING = 65536, /* more framing than this must carry content: */
    FRAMING_RATIO = 16,   /* a byte of it for so many */
};

int
rp_content_init(struct rp_content *c, const struct rp_request *r,
                const struct rp_limits *lim)
{
    *c = (struct rp_content){.state = DONE, .max = lim->body};
    if (r->chunked) {
        c->state = SIZE;
    } else if (r->content_length > 0) {
        c->state = PLAIN;
        c->left = (uint64_t)r->content_length;
        if (c->max != 0 && c->left > c->max)
            c->err = RP_HTTP_LARGE_CONTENT;
    }
    return c->err;
}

void
rp_content_init_reply(struct rp_content *c, bool chunked, int64_t length)
{
    *c = (struct rp_content){.state = DONE};
    if (chunked) {
        c->state = SIZE;
    } else if (length != 0) {
        c->state = PLAIN;
        c->left = length < 0 ? UINT64_MAX : (uint64_t)length;
    }
}

bool
rp_content_is_done(const struct rp_content *c)
{
    return c->state == DONE && c->err == 0;
}

static bool
is_bws(char b)
{
    return b == ' ' || b == '\t';
}

static int
on_size_digit(struct rp_content *c, char b)
{
    int v = rp_char_hex(b);

    if (v < 0 || c->digits == MAX_DIGITS)
        return RP_HTTP_BAD_CHUNK;
    c->left = c->left << 4 | (uint64_t)v;
    c->digits++;
    /* RFC 9112 7.1: anticipate large numerals. */
    return c->left > INT64_MAX ? RP_HTTP_BAD_CHUNK : 0;
}

/* The size stands: may so much come? */
static int
on_size(struct rp_content *c)
{
    if (c->digits == 0)
        return RP_HTTP_BAD_CHUNK;
    if (c->max != 0 && c->left > c->max - c->total)
        return RP_HTTP_LARGE_CONTENT;
    return 0;
}

/* What may follow the size, an extension's name or its value: the next
 * extension, the end of the line, or `space` first (RFC 9112 7.1.1). */
static int
on_part_end(struct rp_content *c, char b, enum state space)
{
    if (b == ';')
        c->state = EXT_START;
    else if (b == '\r')
        c->state = SIZE_LF;
    else if (is_bws(b))
        c->state = space;
    else
        return RP_HTTP_BAD_CHUNK;
    return 0;
}

/* One byte of chunk-ext.  It is checked and forgotten: RFC 9112 7.1.1 has
 * recipients ignore what they do not know, and we know none. */
static int
on_ext_byte(struct rp_content *c, char b)
{
    bool is_token = rp_char_is(b, RP_CHAR_TOKEN);

    switch ((enum state)c->state) {
    case EXT_START:
        if (is_token)
            c->state = EXT_NAME;
        return is_token || is_bws(b) ? 0 : RP_HTTP_BAD_CHUNK;
    case EXT_NAME:
        if (is_token)
            return 0;
        if (b != '=')
            return on_part_end(c, b, EXT_NAME_SPACE);
        c->state = EXT_VALUE;
        return 0;
    case EXT_NAME_SPACE:
        if (b == '=' || b == ';')
            c->state = b == '=' ? EXT_VALUE : EXT_START;
        return b == '=' || b == ';' || is_bws(b) ? 0 : RP_HTTP_BAD_CHUNK;
    case EXT_VALUE:
        if (is_token || b == '"')
            c->state = b == '"' ? EXT_QUOTED : EXT_TOKEN;
        return is_token || b == '"' || is_bws(b) ? 0 : RP_HTTP_BAD_CHUNK;
    case EXT_TOKEN:
        return is_token ? 0 : on_part_end(c, b, EXT_SPACE);
    case EXT_QUOTED:
        if (b == '"')
            c->state = EXT_END;
        else if (b == '\\')
            c->state = EXT_ESCAPE;
        return rp_char_is(b, RP_CHAR_VALUE) ? 0 : RP_HTTP_BAD_CHUNK;
    case EXT_ESCAPE:
        c->state = EXT_QUOTED;
        return rp_char_is(b, RP_CHAR_VALUE) ? 0 : RP_HTTP_BAD_CHUNK;
    case EXT_END:
        return on_part_end(c, b, EXT_SPACE);
    case SIZE_SPACE:
    case EXT_SPACE:
        if (b == ';')
            c->state = EXT_START;
        return b == ';' || is_bws(b) ? 0 : RP_HTTP_BAD_CHUNK;
    case DONE:
    case PLAIN:
    case SIZE:
    case SIZE_LF:
    case DATA:
    case DATA_CR:
    case DATA_LF:
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
    case TRAILER_LF:
    case END_LF:
        break;
    }
    return RP_HTTP_BAD_CHUNK;
}

static int
on_ext(struct rp_content *c, char b)
{
    int rc;

    rc = on_ext_byte(c, b);
    if (rc < 0 || c->state == SIZE_LF)
        return rc;
    if (++c->line > RP_MAX_CHUNK_EXT_LINE || ++c->ext > RP_MAX_CHUNK_EXT_TOTAL)
        return RP_HTTP_BAD_CHUNK;
    return 0;
}

/* The line with the size is over. */
static int
on_size_end(struct rp_content *c)
{
    if (c->framing > FREE_FRAMING && c->total < c->framing / FRAMING_RATIO)
        return RP_HTTP_CHUNK_OVERHEAD;
    c->digits = 0;
    c->line = 0;
    c->state = c->left > 0 ? DATA : TRAILER;
    return 0;
}

/* Anything that is framing must be known to be dropped here; a sender that
 * puts it into the trailer section means somebody else to see it. */
static bool
is_forbidden_trailer(const struct rp_content *c)
{
    struct rp_str name = {c->name, c->name_n};

    return rp_str_ieq(name, RP_STR("content-length")) ||
           rp_str_ieq(name, RP_STR("transfer-encoding")) ||
           rp_str_ieq(name, RP_STR("host"));
}

static int
on_trailer_name(struct rp_content *c, char b)
{
    if (b == ':') {
        c->state = TRAILER_VALUE;
        return is_forbidden_trailer(c) ? RP_HTTP_BAD_TRAILER : 0;
    }
    if (!rp_char_is(b, RP_CHAR_TOKEN))
        return RP_HTTP_BAD_TRAILER;
    /* A name that fills the room is longer than any that is looked for. */
    if (c->name_n < sizeof(c->name))
        c->name[c->name_n++] = b;
    return 0;
}

static int
on_trailer_start(struct rp_content *c, char b)
{
    if (b == '\r') {
        c->state = END_LF;
        return 0;
    }
    if (b == ':' || ++c->ntrailers > RP_MAX_TRAILER_FIELDS)
        return RP_HTTP_BAD_TRAILER;
    c->state = TRAILER_NAME;
    c->name_n = 0;
    return on_trailer_name(c, b);
}

static int
on_trailer_byte(struct rp_content *c, char b)
{
    if (++c->trailer > RP_MAX_TRAILER_SIZE)
        return RP_HTTP_BAD_TRAILER;
    switch ((enum state)c->state) {
    case TRAILER:
        return on_trailer_start(c, b);
    case TRAILER_NAME:
        return on_trailer_name(c, b);
    case TRAILER_VALUE:
        if (b == '\r')
            c->state = TRAILER_LF;
        else if (!rp_char_is(b, RP_CHAR_VALUE))
            return RP_HTTP_BAD_TRAILER;
        return 0;
    case TRAILER_LF:
        c->state = TRAILER;
        return b == '\n' ? 0 : RP_HTTP_BAD_TRAILER;
    case END_LF:
        c->state = DONE;
        return b == '\n' ? 0 : RP_HTTP_BAD_TRAILER;
    case DONE:
    case PLAIN:
    case SIZE:
    case SIZE_SPACE:
    case EXT_START:
    case EXT_NAME:
    case EXT_NAME_SPACE:
    case EXT_VALUE:
    case EXT_TOKEN:
    case EXT_QUOTED:
    case EXT_ESCAPE:
    case EXT_END:
    case EXT_SPACE:
    case SIZE_LF:
    case DATA:
    case DATA_CR:
    case DATA_LF:
        break;
    }
    return RP_HTTP_BAD_TRAILER;
}

/* The byte that ends the size belongs to what follows. */
static int
on_size_byte(struct rp_content *c, char b)
{
    int rc;

    if (rp_char_is(b, RP_CHAR_HEX))
        return on_size_digit(c, b);
    rc = on_size(c);
    if (rc == 0)
        rc = on_part_end(c, b, SIZE_SPACE);
    if (rc == 0 && c->state != SIZE_LF) {
        c->line++;
        if (++c->ext > RP_MAX_CHUNK_EXT_TOTAL)
            rc = RP_HTTP_BAD_CHUNK;
    }
    return rc;
}

static int
on_framing_byte(struct rp_content *c, char b)
{
    c->framing++;
    switch ((enum state)c->state) {
    case SIZE:
        return on_size_byte(c, b);
    case SIZE_SPACE:
    case EXT_START:
    case EXT_NAME:
    case EXT_NAME_SPACE:
    case EXT_VALUE:
    case EXT_TOKEN:
    case EXT_QUOTED:
    case EXT_ESCAPE:
    case EXT_END:
    case EXT_SPACE:
        return on_ext(c, b);
    case SIZE_LF:
        return b == '\n' ? on_size_end(c) : RP_HTTP_BAD_CHUNK;
    case DATA_CR:
        c->state = DATA_LF;
        return b == '\r' ? 0 : RP_HTTP_BAD_CHUNK;
    case DATA_LF:
        c->state = SIZE;
        return b == '\n' ? 0 : RP_HTTP_BAD_CHUNK;
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
    case TRAILER_LF:
    case END_LF:
        return on_trailer_byte(c, b);
    case DONE:
    case PLAIN:
    case DATA:
        break;
    }
    return RP_HTTP_BAD_CHUNK;
}

/* n bytes from p on, as far as they are content. */
static size_t
take_data(struct rp_content *c, const char *p, size_t n, struct rp_str *data)
{
    if (n > c->left)
        n = (size_t)c->left;
    *data = (struct rp_str){p, n};
    c->left -= n;
    c->total += n;
    if (c->left == 0)
        c->state = c->state == PLAIN ? DONE : DATA_CR;
    return n;
}

ssize_t
rp_content_feed(struct rp_content *c, const char *p, size_t n,
                struct rp_str *data)
{
    size_t i = 0;

    *data = (struct rp_str){p, 0};
    if (c->err != 0)
        return c->err;
    while (i < n && c->state != DONE) {
        if (c->state == PLAIN || c->state == DATA)
            return (ssize_t)(i + take_data(c, p + i, n - i, data));
        c->err = on_framing_byte(c, p[i]);
        if (c->err != 0)
            return c->err;
        i++;
    }
    return (ssize_t)i;
}
