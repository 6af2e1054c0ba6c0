/* One state per thing that is awaited:
 *
 *   START -> METHOD -> TARGET -> VERSION -> VERSION_LF -> LINE
 *     |  ^
 *     v  | once
 *   START_LF
 *
 *   LINE -> NAME -> VALUE -> VALUE_LF -> LINE
 *     |
 *     v
 *   END_LF -> DONE */
#include "rupy/http/scan.h"

#include "rupy/http/chars.h"
#include "rupy/http/parser.h"

enum state {
    START,
    START_LF,
    METHOD,
    TARGET,
    VERSION,
    VERSION_LF,
    LINE,
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    DONE,
};

/* Why c may not stand here, when `otherwise` is what a printable byte gets. */
static int
why_bad(char c, int otherwise)
{
    if (c == '\r' || c == '\n')
        return RP_HTTP_BAD_LINE_END;
    if ((unsigned char)c < 0x20 || c == 0x7f)
        return RP_HTTP_BAD_BYTE;
    return otherwise;
}

/* "HTTP/" DIGIT "." DIGIT, one byte of it (RFC 9112 2.3). */
static bool
is_version_byte(struct rp_scan *s, size_t k, char c)
{
    static const char want[] = "HTTP/d.d";

    if (want[k] != 'd')
        return c == want[k];
    if (c < '0' || c > '9')
        return false;
    if (k == 5)
        s->major = (uint8_t)(c - '0');
    else
        s->minor = (uint8_t)(c - '0');
    return true;
}

static int
scan_start(struct rp_scan *s, const char *p, size_t n)
{
    char c = p[s->i];

    if (c == '\r') {
        /* RFC 9112 2.2: one empty line in front may be there. */
        if (s->start > 0)
            return RP_HTTP_BAD_REQUEST;
        s->state = START_LF;
        s->i++;
        return 1;
    }
    if (c == 0x16 && s->i == 0) {
        /* A handshake record of TLS, any version: 22, 3. */
        if (n < 2)
            return 0;
        return p[1] == 3 ? RP_HTTP_TLS : RP_HTTP_BAD_BYTE;
    }
    s->state = METHOD;
    return 1;
}

static int
scan_method(struct rp_scan *s, const struct rp_limits *lim, const char *p,
            size_t n)
{
    size_t i = s->i, len;

    while (i < n && rp_char_is(p[i], RP_CHAR_TOKEN) &&
           i - s->start <= RP_MAX_METHOD)
        i++;
    s->i = (uint32_t)i;
    len = i - s->start;
    if (len > RP_MAX_METHOD)
        return RP_HTTP_LONG_METHOD;
    if (len > lim->request_line)
        return RP_HTTP_LONG_TARGET;
    if (i == n)
        return 0;
    if (p[i] != ' ')
        return why_bad(p[i], RP_HTTP_BAD_METHOD);
    if (len == 0)
        return RP_HTTP_BAD_REQUEST_LINE;
    s->method_n = (uint32_t)len;
    s->i = s->target = (uint32_t)i + 1;
    s->state = TARGET;
    return 1;
}

static int
scan_target(struct rp_scan *s, const struct rp_limits *lim, const char *p,
            size_t n)
{
    size_t i = s->i, end = s->start + (size_t)lim->request_line;

    if (end > n)
        end = n;
    while (i < end && rp_char_is(p[i], RP_CHAR_TARGET))
        i++;
    s->i = (uint32_t)i;
    if (i == n)
        return 0;
    if (i >= end)
        return RP_HTTP_LONG_TARGET;
    if (p[i] != ' ') {
        /* The line ends here: HTTP/0.9, or no version. */
        if (p[i] == '\r')
            return RP_HTTP_BAD_REQUEST_LINE;
        return why_bad(p[i], RP_HTTP_BAD_TARGET);
    }
    s->target_n = (uint32_t)i - s->target;
    if (s->target_n == 0)
        return RP_HTTP_BAD_REQUEST_LINE;
    s->i = s->mark = (uint32_t)i + 1;
    s->state = VERSION;
    return 1;
}

static int
scan_version(struct rp_scan *s, const struct rp_limits *lim, const char *p,
             size_t n)
{
    /* What nearly everybody sends, in one piece. */
    if (s->i == s->mark && n - s->i >= 9 &&
        s->mark + 8 - s->start <= lim->request_line &&
        memcmp(p + s->i, "HTTP/1.1\r", 9) == 0) {
        s->major = s->minor = 1;
        s->i += 9;
        s->state = VERSION_LF;
        return 1;
    }
    for (; s->i < n; s->i++) {
        size_t k = s->i - s->mark;
        char c = p[s->i];

        if (k == 8 && c == '\r') {
            s->i++;
            s->state = VERSION_LF;
            return 1;
        }
        if (s->i - s->start >= lim->request_line)
            return RP_HTTP_LONG_TARGET;
        if (k == 8 || !is_version_byte(s, k, c))
            return why_bad(c, RP_HTTP_BAD_REQUEST_LINE);
    }
    return 0;
}

static int
end_request_line(struct rp_scan *s)
{
    s->i++;
    s->block = s->line = s->i;
    s->state = LINE;
    /* RFC 9110 2.5 lets a server take 1.2 for 1.1; nobody sends it. */
    if (s->major != 1 || s->minor > 1)
        return RP_HTTP_BAD_VERSION;
    return 1;
}

int
rp_scan_request_line(struct rp_scan *s, const struct rp_limits *lim,
                     const char *p, size_t n)
{
    while (s->state < LINE) {
        int rc = 1;

        if (s->i >= n)
            return 0;
        switch ((enum state)s->state) {
        case START:
            rc = scan_start(s, p, n);
            break;
        case START_LF:
            if (p[s->i] != '\n')
                return RP_HTTP_BAD_LINE_END;
            s->start = ++s->i;
            s->state = START;
            break;
        case METHOD:
            rc = scan_method(s, lim, p, n);
            break;
        case TARGET:
            rc = scan_target(s, lim, p, n);
            break;
        case VERSION:
            rc = scan_version(s, lim, p, n);
            break;
        case VERSION_LF:
            if (p[s->i] != '\n')
                return RP_HTTP_BAD_LINE_END;
            rc = end_request_line(s);
            break;
        case LINE:
        case NAME:
        case VALUE:
        case VALUE_LF:
        case END_LF:
        case DONE:
            break;
        }
        if (rc <= 0)
            return rc;
    }
    return 1;
}

static int
scan_line_start(struct rp_scan *s, const struct rp_limits *lim, const char *p)
{
    char c = p[s->i];

    s->line = s->i;
    if (c == '\r') {
        s->i++;
        s->state = END_LF;
        return 1;
    }
    if (c == ' ' || c == '\t')
        return RP_HTTP_OBS_FOLD;
    if (!rp_char_is(c, RP_CHAR_TOKEN))
        return why_bad(c, RP_HTTP_BAD_FIELD);
    if (s->nfields >= lim->request_fields || s->nfields >= RP_MAX_FIELDS)
        return RP_HTTP_LARGE_HEAD;
    s->nfields++;
    s->state = NAME;
    return 1;
}

static int
scan_name(struct rp_scan *s, const struct rp_limits *lim, const char *p,
          size_t n)
{
    size_t i = s->i, end = s->line + (size_t)lim->request_field_size;

    if (end > n)
        end = n;
    while (i < end && rp_char_is(p[i], RP_CHAR_TOKEN))
        i++;
    s->i = (uint32_t)i;
    if (i == n)
        return 0;
    if (i >= end)
        return RP_HTTP_LARGE_HEAD;
    /* White space in front of the colon, too, is refused here: RFC 9112 5.1. */
    if (p[i] != ':')
        return why_bad(p[i], RP_HTTP_BAD_FIELD);
    s->i = s->mark = (uint32_t)i + 1;
    s->state = VALUE;
    return 1;
}

/* Where the first byte stands that is not part of a value, or end.  Eight
 * bytes at a time: below 0x20 (HTAB among them, so look again), or 0x7f. */
static size_t
skip_value(const char *p, size_t i, size_t end)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;

    for (;;) {
        while (end - i >= 8) {
            uint64_t x, del;

            memcpy(&x, p + i, 8);
            del = x ^ (ones * 0x7f);
            if ((((x - ones * 0x20) & ~x) | ((del - ones) & ~del)) & high)
                break;
            i += 8;
        }
        /* At most eight steps, unless they are HTABs. */
        for (size_t stop = end - i >= 8 ? i + 8 : end; i < stop; i++)
            if (!rp_char_is(p[i], RP_CHAR_VALUE))
                return i;
        if (i == end)
            return i;
    }
}

static int
scan_value(struct rp_scan *s, const struct rp_limits *lim, const char *p,
           size_t n)
{
    size_t most = s->line + (size_t)lim->request_field_size;
    size_t i = skip_value(p, s->i, most < n ? most : n);

    s->i = (uint32_t)i;
    if (i == n)
        return 0;
    if (p[i] != '\r')
        return i >= most ? RP_HTTP_LARGE_HEAD : why_bad(p[i], RP_HTTP_BAD_BYTE);
    s->i++;
    s->state = VALUE_LF;
    return 1;
}

static int
end_field(struct rp_scan *s, const char *p)
{
    struct rp_str name = {p + s->line, s->mark - s->line - 1};
    struct rp_str value;
    uint32_t len = s->i - 1 - s->line;
    unsigned framing = s->seen & (RP_SEEN_LENGTH | RP_SEEN_CODING);
    int rc;

    if (p[s->i] != '\n')
        return RP_HTTP_BAD_LINE_END;
    value = rp_str_trim((struct rp_str){p + s->mark, s->i - 1 - s->mark});
    s->sum = rp_scan_mix(s->sum, s->line, name.n, value.n);
    if (len > s->longest)
        s->longest = len;
    rc = rp_scan_field(s, name, value, p);
    if (framing != (s->seen & (RP_SEEN_LENGTH | RP_SEEN_CODING))) {
        s->ows = (uint32_t)(value.p + value.n - p);
        s->ows_n = s->i - 1 - s->ows;
    }
    s->i++;
    s->state = LINE;
    return rc;
}

int
rp_scan_fields(struct rp_scan *s, const struct rp_limits *lim, const char *p,
               size_t n)
{
    while (s->state != DONE) {
        int rc = 1;

        if (s->i >= n)
            return 0;
        switch ((enum state)s->state) {
        case LINE:
            rc = scan_line_start(s, lim, p);
            break;
        case NAME:
            rc = scan_name(s, lim, p, n);
            break;
        case VALUE:
            rc = scan_value(s, lim, p, n);
            break;
        case VALUE_LF:
            rc = end_field(s, p);
            if (rc == 0)
                continue;
            break;
        case END_LF:
            if (p[s->i] != '\n')
                return RP_HTTP_BAD_LINE_END;
            s->i++;
            s->state = DONE;
            rc = rp_scan_end(s);
            if (rc == 0)
                return 1;
            break;
        case START:
        case START_LF:
        case METHOD:
        case TARGET:
        case VERSION:
        case VERSION_LF:
        case DONE:
            return RP_HTTP_BAD_REQUEST;
        }
        if (rc <= 0)
            return rc;
    }
    return 1;
}
