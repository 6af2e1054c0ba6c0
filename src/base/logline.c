/* logline.c -- a line of the log: as text, as systemd's journal wants it, or as
 * JSON. */
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "logline.h"

static const struct {
    const char *colour;
    int priority;
} looks[] = {
    [RP_LOG_TRACE] = {"\033[2m", LOG_DEBUG},
    [RP_LOG_DEBUG] = {"\033[36m", LOG_DEBUG},
    [RP_LOG_INFO] = {"\033[32m", LOG_INFO},
    [RP_LOG_WARNING] = {"\033[33m", LOG_WARNING},
    [RP_LOG_ERROR] = {"\033[31m", LOG_ERR},
    [RP_LOG_CRITICAL] = {"\033[1;31m", LOG_CRIT},
};

int
rp_log_priority(enum rp_log_level level)
{
    return looks[level].priority;
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

size_t
rp_log_escape(char *dst, bool json, const char *text, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)text;
    const char *mark = json ? "\\u00" : "\\x";
    size_t width = strlen(mark);
    char *d = dst;

    for (size_t i = 0; i < n;) {
        bool is_special = json && (s[i] == '"' || s[i] == '\\');
        size_t len = is_special                    ? 0
                     : s[i] >= 0x20 && s[i] < 0x7f ? 1
                                                   : utf8_len(s + i, n - i);

        if (len > 0) {
            memcpy(d, s + i, len);
            d += len;
            i += len;
            continue;
        }
        memcpy(d, mark, width);
        d += width;
        *d++ = hex[s[i] >> 4];
        *d++ = hex[s[i] & 15];
        i++;
    }
    return (size_t)(d - dst);
}

/* "2026-11-23 10:00:00 +0000", or with a T and no blank. */
static void
write_time(char *dst, size_t size, bool json)
{
    struct tm tm;
    time_t now = time(NULL);
    long off;

    localtime_r(&now, &tm);
    off = tm.tm_gmtoff < 0 ? -tm.tm_gmtoff : tm.tm_gmtoff;
    snprintf(dst, size,
             json ? "%04d-%02d-%02dT%02d:%02d:%02d%c%02ld:%02ld"
                  : "%04d-%02d-%02d %02d:%02d:%02d %c%02ld%02ld",
             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec, tm.tm_gmtoff < 0 ? '-' : '+', off / 3600,
             off / 60 % 60);
}

static size_t
json_line(char *dst, const struct rp_log_style *style, enum rp_log_level level,
          const char *text, size_t n)
{
    char stamp[64];
    size_t len;

    write_time(stamp, sizeof(stamp), true);
    len = (size_t)snprintf(
        dst, 256,
        "{\"time\":\"%s\",\"level\":\"%s\",\"pid\":%ld,\"name\":\"%.31s\","
        "\"message\":\"",
        stamp, rp_log_level_name(level), (long)getpid(), style->name);
    len += rp_log_escape(dst + len, true, text, n);
    memcpy(dst + len, "\"}\n", 3);
    return len + 3;
}

size_t
rp_log_line(char *dst, const struct rp_log_style *style,
            enum rp_log_level level, const char *text, size_t n)
{
    const char *on = style->colour ? looks[level].colour : "";
    char stamp[64];
    size_t len;

    if (style->format == RP_LOG_JSON)
        return json_line(dst, style, level, text, n);
    write_time(stamp, sizeof(stamp), false);
    if (style->journal)
        snprintf(stamp, sizeof(stamp), "<%d>", rp_log_priority(level));
    len = (size_t)snprintf(dst, 256, "%s%s[%ld] [%s%s%s] %.31s%s", stamp,
                           style->journal ? "" : " ", (long)getpid(), on,
                           rp_log_level_name(level),
                           style->colour ? "\033[0m" : "", style->name,
                           style->name[0] != '\0' ? ": " : "");
    len += rp_log_escape(dst + len, false, text, n);
    dst[len] = '\n';
    return len + 1;
}
