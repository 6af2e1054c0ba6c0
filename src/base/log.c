#include "rupy/base/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT_SIZE = 4096, /* of the message, before escaping */
    LINE_SIZE = 4 * TEXT_SIZE + 128,
};

/* One log for the process: the signal handlers' flags and this are the only
 * state that does not hang on an object. */
static struct {
    int fd;
    enum rp_log_level level;
    bool colour;
    char name[32];
} the_log = {STDERR_FILENO, RP_LOG_INFO, false, ""};

static const struct {
    const char *name;
    const char *colour;
} levels[] = {
    [RP_LOG_TRACE] = {"trace", "\033[2m"},
    [RP_LOG_DEBUG] = {"debug", "\033[36m"},
    [RP_LOG_INFO] = {"info", "\033[32m"},
    [RP_LOG_WARNING] = {"warning", "\033[33m"},
    [RP_LOG_ERROR] = {"error", "\033[31m"},
    [RP_LOG_CRITICAL] = {"critical", "\033[1;31m"},
};

enum { NLEVELS = sizeof(levels) / sizeof(levels[0]) };

static bool
has_env(const char *name)
{
    const char *v = getenv(name);

    return v != NULL && *v != '\0';
}

void
rp_log_init(int fd, enum rp_log_level level, int colour)
{
    const char *term = getenv("TERM");

    the_log.fd = fd;
    the_log.level = level;
    if (colour >= 0)
        the_log.colour = colour != 0;
    else if (has_env("NO_COLOR"))
        the_log.colour = false;
    else if (has_env("FORCE_COLOR"))
        the_log.colour = true;
    else
        the_log.colour =
            isatty(fd) && (term == NULL || strcmp(term, "dumb") != 0);
}

void
rp_log_set_name(const char *name)
{
    size_t n = strnlen(name, sizeof(the_log.name) - 1);

    memcpy(the_log.name, name, n);
    the_log.name[n] = '\0';
}

void
rp_log_set_level(enum rp_log_level level)
{
    the_log.level = level;
}

enum rp_log_level
rp_log_level(void)
{
    return the_log.level;
}

int
rp_log_level_from_name(const char *name)
{
    for (int i = 0; i < NLEVELS; i++)
        if (strcasecmp(name, levels[i].name) == 0)
            return i;
    return -1;
}

const char *
rp_log_level_name(enum rp_log_level level)
{
    return levels[level].name;
}

/* Length of the UTF-8 sequence at s that may stand in a line, 0 when there is
 * none: not well-formed (RFC 3629 4), or one of the C1 controls, which
 * terminals obey like those below 0x20. */
static size_t
utf8_len(const unsigned char *s, size_t n)
{
    size_t len;
    unsigned min = 0x80, max = 0xbf; /* of the second byte */

    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        len = 2;
        min = s[0] == 0xc2 ? 0xa0 : min;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        len = 3;
        min = s[0] == 0xe0 ? 0xa0 : min;
        max = s[0] == 0xed ? 0x9f : max;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        len = 4;
        min = s[0] == 0xf0 ? 0x90 : min;
        max = s[0] == 0xf4 ? 0x8f : max;
    } else {
        return 0;
    }
    if (n < len || s[1] < min || s[1] > max)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

static size_t
escape(char *dst, const char *text, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)text;
    char *d = dst;

    for (size_t i = 0; i < n;) {
        size_t len = s[i] >= 0x20 && s[i] < 0x7f ? 1 : utf8_len(s + i, n - i);

        if (len > 0) {
            memcpy(d, s + i, len);
            d += len;
            i += len;
            continue;
        }
        *d++ = '\\';
        *d++ = 'x';
        *d++ = hex[s[i] >> 4];
        *d++ = hex[s[i] & 15];
        i++;
    }
    return (size_t)(d - dst);
}

static size_t
write_stamp(char *dst, size_t size, enum rp_log_level level)
{
    struct tm tm;
    time_t now = time(NULL);
    long off;
    int n;

    localtime_r(&now, &tm);
    off = tm.tm_gmtoff < 0 ? -tm.tm_gmtoff : tm.tm_gmtoff;
    n = snprintf(dst, size,
                 "%04d-%02d-%02d %02d:%02d:%02d %c%02ld%02ld [%ld] [%s%s%s] "
                 "%s%s",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                 tm.tm_min, tm.tm_sec, tm.tm_gmtoff < 0 ? '-' : '+', off / 3600,
                 off / 60 % 60, (long)getpid(),
                 the_log.colour ? levels[level].colour : "", levels[level].name,
                 the_log.colour ? "\033[0m" : "", the_log.name,
                 the_log.name[0] != '\0' ? ": " : "");
    return n < 0 ? 0 : (size_t)n;
}

static void
write_line(enum rp_log_level level, const char *text, size_t n)
{
    char line[LINE_SIZE + 1];
    size_t len = write_stamp(line, sizeof(line), level);
    ssize_t w;

    len += escape(line + len, text, n);
    line[len++] = '\n';
    /* A second write for a rest would mix lines; whoever made the log a pipe
     * that is full loses the line, not the server. */
    do
        w = write(the_log.fd, line, len);
    while (w < 0 && errno == EINTR);
}

/* What vsnprintf() wrote into TEXT_SIZE bytes; a cut text ends in dots. */
static size_t
end_text(char *text, int n)
{
    if (n < 0)
        return 0;
    if (n < TEXT_SIZE)
        return (size_t)n;
    memcpy(text + TEXT_SIZE - 4, "...", 4);
    return TEXT_SIZE - 1;
}

void
rp_logv(enum rp_log_level level, const char *fmt, va_list ap)
{
    char text[TEXT_SIZE];
    int saved = errno;

    if (level < the_log.level)
        return;
    write_line(level, text,
               end_text(text, vsnprintf(text, sizeof(text), fmt, ap)));
    errno = saved;
}

void
rp_log(enum rp_log_level level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    rp_logv(level, fmt, ap);
    va_end(ap);
}

void
rp_log_errno(enum rp_log_level level, const char *fmt, ...)
{
    int saved = errno;
    char text[TEXT_SIZE], why[128];
    va_list ap;
    size_t n;
    int more;

    if (level < the_log.level)
        return;
    va_start(ap, fmt);
    n = end_text(text, vsnprintf(text, sizeof(text), fmt, ap));
    va_end(ap);
    more = snprintf(text + n, sizeof(text) - n, ": %s",
                    strerror_r(saved, why, sizeof(why)));
    write_line(level, text, end_text(text, (int)n + more));
    errno = saved;
}

void
rp_log_text(const char *text)
{
    size_t n = strlen(text), len = 0;
    char *lines = malloc(4 * n + 2);
    ssize_t w;

    if (!lines)
        return;
    for (size_t at = 0; at < n;) {
        size_t run = strcspn(text + at, "\n\t");
        len += escape(lines + len, text + at, run);
        at += run;
        if (at < n)
            lines[len++] = text[at++];
    }
    if (len > 0 && lines[len - 1] != '\n')
        lines[len++] = '\n';
    do
        w = write(the_log.fd, lines, len);
    while (w < 0 && errno == EINTR);
    free(lines);
}
