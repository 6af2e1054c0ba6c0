/* What is awaited:
 *
 *   START -> AFTER -> AFTER_LF -> HEADER -> DATA -> AFTER ...
 *              \____> AFTER_DASH -> TAIL
 *
 * A boundary cannot have a CR in it, so the delimiter, which begins with one,
 * overlaps with no end of itself: after a mismatch the search goes on with
 * the byte that did not match. */
#include "rupy/http/multipart.h"

#include "rupy/http/chars.h"

enum state {
    START, /* the first delimiter, which needs no CRLF in front */
    AFTER, /* behind a delimiter: CRLF or "--" */
    AFTER_LF,
    AFTER_DASH,
    HEADER,
    DATA,
    TAIL, /* behind the last delimiter */
};

enum { TAIL_MAX = 16 };

/* bchars, RFC 2046 5.1.1; a space may not be the last. */
static bool
is_boundary(struct rp_str s)
{
    if (s.n == 0 || s.n > RP_MULTIPART_BOUNDARY || s.p[s.n - 1] == ' ')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') &&
            !((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z') &&
            memchr("'()+_,-./:=? ", s.p[i], 13) == NULL)
            return false;
    return true;
}

int
rp_multipart_init(struct rp_multipart *m, struct rp_str boundary,
                  const struct rp_form_limits *lim)
{
    *m = (struct rp_multipart){.lim = *lim, .state = START, .matched = 2};
    rp_buf_init(&m->header, lim->header_size);
    rp_buf_init(&m->decoded, lim->header_size);
    if (!is_boundary(boundary)) {
        m->err = RP_FORM_BAD_BOUNDARY;
        return m->err;
    }
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.p, boundary.n);
    m->delimiter_n = (unsigned)boundary.n + 4;
    return 0;
}

void
rp_multipart_fini(struct rp_multipart *m)
{
    rp_buf_fini(&m->header);
    rp_buf_fini(&m->decoded);
}

/* How far p..p+n goes on with the delimiter. */
static size_t
match(struct rp_multipart *m, const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && m->matched < m->delimiter_n &&
           p[i] == m->delimiter[m->matched]) {
        i++;
        m->matched++;
    }
    return i;
}

static size_t
feed_start(struct rp_multipart *m, const char *p, size_t n)
{
    size_t i;

    /* Some clients put an empty line in front. */
    if (m->matched == 2 && m->ntail == 0 && p[0] == '\r')
        m->matched = 0;
    m->ntail = 1;
    i = match(m, p, n);
    if (m->matched == m->delimiter_n) {
        m->state = AFTER;
        m->matched = 0;
    } else if (i < n) {
        m->err = RP_FORM_BAD_START;
    }
    return i;
}

/* Bytes of a part, up to what may be a delimiter. */
static size_t
feed_data(struct rp_multipart *m, const char *p, size_t n,
          enum rp_multipart_event *event, struct rp_str *data)
{
    const char *from = p, *end = p + n, *cr = end;
    size_t used = 0;

    if (m->matched == 0) {
        /* A CR counts only if the delimiter, or the end, follows. */
        while ((cr = memchr(from, '\r', (size_t)(end - from))) != NULL) {
            used = match(m, cr, (size_t)(end - cr));
            if (m->matched == m->delimiter_n || cr + used == end)
                break;
            m->matched = 0;
            from = cr + 1;
        }
        if (cr != p) {
            m->matched = 0;
            *data = (struct rp_str){p, cr != NULL ? (size_t)(cr - p) : n};
            *event = RP_MULTIPART_DATA;
            return data->n;
        }
    } else {
        used = match(m, p, n);
    }
    if (m->matched == m->delimiter_n) {
        m->matched = 0;
        m->state = AFTER;
        *event = RP_MULTIPART_PART_END;
    } else if (used < n) {
        /* It was none: what was held back is data. */
        *data = (struct rp_str){m->delimiter, m->matched};
        *event = RP_MULTIPART_DATA;
        m->matched = 0;
    }
    return used;
}

/* The empty line behind the header, or a header that is one, is complete. */
static bool
is_header_end(const struct rp_buf *b)
{
    return (b->n == 2 && memcmp(b->p, "\r\n", 2) == 0) ||
           (b->n >= 4 && memcmp(b->p + b->n - 4, "\r\n\r\n", 4) == 0);
}

static bool
may_stand_in_header(const struct rp_buf *b, char c)
{
    bool after_cr = b->n > 0 && b->p[b->n - 1] == '\r';

    if (after_cr || c == '\n')
        return after_cr && c == '\n';
    return c == '\r' || rp_char_is(c, RP_CHAR_VALUE);
}

static size_t
feed_header(struct rp_multipart *m, const char *p, size_t n,
            enum rp_multipart_event *event)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (!may_stand_in_header(&m->header, p[i])) {
            m->err = RP_FORM_BAD_HEADER;
            return i;
        }
        if (rp_buf_add(&m->header, p + i, 1) < 0) {
            m->err = m->header.n == m->lim.header_size ? RP_FORM_LARGE_HEADER
                                                       : RP_FORM_NO_MEMORY;
            return i;
        }
        if (p[i] == '\n' && is_header_end(&m->header)) {
            m->err = rp_multipart_parse_header(m);
            m->state = DATA;
            *event = RP_MULTIPART_PART;
            return i + 1;
        }
    }
    return n;
}

/* One byte around a delimiter. */
static void
feed_byte(struct rp_multipart *m, char c, enum rp_multipart_event *event)
{
    switch ((enum state)m->state) {
    case AFTER:
        m->state = c == '\r' ? AFTER_LF : AFTER_DASH;
        if (c != '\r' && c != '-')
            m->err = RP_FORM_BAD_DELIMITER;
        break;
    case AFTER_LF:
        m->state = HEADER;
        rp_buf_reset(&m->header);
        if (c != '\n')
            m->err = RP_FORM_BAD_DELIMITER;
        else if (++m->nparts > m->lim.parts)
            m->err = RP_FORM_MANY_PARTS;
        break;
    case AFTER_DASH:
        m->state = TAIL;
        m->ntail = 0;
        *event = RP_MULTIPART_END;
        if (c != '-')
            m->err = RP_FORM_BAD_DELIMITER;
        break;
    case TAIL:
        if ((c != '\r' && c != '\n') || ++m->ntail > TAIL_MAX)
            m->err = RP_FORM_BAD_END;
        break;
    case START:
    case HEADER:
    case DATA:
        break;
    }
}

ssize_t
rp_multipart_feed(struct rp_multipart *m, const char *p, size_t n,
                  enum rp_multipart_event *event, struct rp_str *data)
{
    size_t used = 0;

    *event = RP_MULTIPART_MORE;
    *data = (struct rp_str){p, 0};
    while (m->err == 0 && used < n && *event == RP_MULTIPART_MORE) {
        switch ((enum state)m->state) {
        case START:
            used += feed_start(m, p + used, n - used);
            break;
        case HEADER:
            used += feed_header(m, p + used, n - used, event);
            break;
        case DATA:
            used += feed_data(m, p + used, n - used, event, data);
            break;
        case AFTER:
        case AFTER_LF:
        case AFTER_DASH:
        case TAIL:
            feed_byte(m, p[used++], event);
            break;
        }
    }
    return m->err != 0 ? m->err : (ssize_t)used;
}

int
rp_multipart_finish(struct rp_multipart *m)
{
    if (m->err == 0 && m->state != TAIL)
        m->err = RP_FORM_CUT;
    return m->err;
}
