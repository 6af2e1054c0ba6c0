#include "rupy/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rupy/base/syslog.h"

#include "logline.h"

enum { TEXT_SIZE = RP_LOG_TEXT_SIZE };

/* One log for the process: the signal handlers' flags and this are the only
 * state that does not hang on an object. */
static struct {
    int fd;
    enum rp_log_level level;
    char name[32];
    struct rp_log_style style;
    void (*on_text)(void *arg, const char *text);
    void *on_text_arg;
} the_log = {
    .fd = STDERR_FILENO,
    .level = RP_LOG_INFO,
    .style = {.name = the_log.name},
};

static const char *const levels[] = {
    [RP_LOG_TRACE] = "trace", [RP_LOG_DEBUG] = "debug",
    [RP_LOG_INFO] = "info",   [RP_LOG_WARNING] = "warning",
    [RP_LOG_ERROR] = "error", [RP_LOG_CRITICAL] = "critical",
};

enum { NLEVELS = sizeof(levels) / sizeof(levels[0]) };

static bool
has_env(const char *name)
{
    const char *v = getenv(name);

    return v != NULL && *v != '\0';
}

static bool
is_coloured(int fd)
{
    const char *term = getenv("TERM");

    if (has_env("NO_COLOR"))
        return false;
    if (has_env("FORCE_COLOR"))
        return true;
    return isatty(fd) && (term == NULL || strcmp(term, "dumb") != 0);
}

/* systemd says which stream leads to its journal (systemd.exec(5)). */
static bool
is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char text[64];

    if (stream == NULL || fstat(fd, &st) < 0)
        return false;
    snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    return strcmp(stream, text) == 0;
}

void
rp_log_init(int fd, enum rp_log_level level, int colour)
{
    the_log.fd = fd;
    the_log.level = level;
    the_log.style.format = RP_LOG_TEXT;
    the_log.style.journal = is_journal(fd);
    the_log.style.colour =
        colour >= 0 ? colour != 0 : !the_log.style.journal && is_coloured(fd);
}

void
rp_log_set_format(enum rp_log_format format)
{
    the_log.style.format = format;
}

int
rp_log_fd(void)
{
    return the_log.fd;
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
        if (strcasecmp(name, levels[i]) == 0)
            return i;
    return -1;
}

const char *
rp_log_level_name(enum rp_log_level level)
{
    return levels[level];
}

/* A second write for a rest would mix lines; whoever made the log a pipe that
 * is full loses the line, not the server. */
static void
write_bytes(const char *p, size_t n)
{
    ssize_t w;

    do
        w = write(the_log.fd, p, n);
    while (w < 0 && errno == EINTR);
}

static void
write_line(enum rp_log_level level, const char *text, size_t n)
{
    char line[RP_LOG_LINE_SIZE];

    write_bytes(line, rp_log_line(line, &the_log.style, level, text, n));
    rp_syslog_write(rp_log_priority(level), text, n);
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

/* One object, whatever it costs in length: a tool that reads JSON wants the
 * lines together. */
static void
write_json_text(const char *text, size_t n)
{
    char *line = malloc(6 * n + RP_LOG_LINE_SIZE);
    size_t len;

    if (!line)
        return;
    len = rp_log_line(line, &the_log.style, RP_LOG_ERROR, text, n);
    write_bytes(line, len);
    free(line);
}

/* Each line, with the mark of its priority where the journal reads one. */
static void
write_plain_text(const char *text, size_t n)
{
    size_t count = 1, len = 0;

    for (size_t i = 0; i < n; i++)
        count += text[i] == '\n';
    char *lines = malloc(4 * n + 4 * count);
    if (!lines)
        return;
    for (size_t at = 0; at < n; at++) {
        size_t end = at + strcspn(text + at, "\n");
        if (the_log.style.journal) {
            memcpy(lines + len, "<3>", 3); /* as the error that it explains */
            len += 3;
        }
        while (at < end) {
            size_t run = strcspn(text + at, "\n\t");
            len += rp_log_escape(lines + len, false, text + at, run);
            at += run;
            if (at < end) {
                lines[len++] = '\t';
                at++;
            }
        }
        lines[len++] = '\n';
    }
    write_bytes(lines, len);
    free(lines);
}

void
rp_log_text(const char *text)
{
    size_t n = strlen(text);

    if (the_log.on_text)
        the_log.on_text(the_log.on_text_arg, text);
    if (the_log.style.format == RP_LOG_JSON)
        write_json_text(text, n);
    else
        write_plain_text(text, n);
    for (size_t at = 0; rp_syslog_is_open() && at < n;) {
        size_t line = strcspn(text + at, "\n");
        rp_syslog_write(rp_log_priority(RP_LOG_ERROR), text + at, line);
        at += line + 1;
    }
}

void
rp_log_set_listener(void (*on_text)(void *arg, const char *text), void *arg)
{
    the_log.on_text = on_text;
    the_log.on_text_arg = arg;
}
