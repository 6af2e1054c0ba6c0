/* syslog.c -- lines to a syslog daemon. */
#include "rupy/base/syslog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "rupy/base/clock.h"
#include "rupy/base/dgram.h"

#include "logline.h"

enum { TEXT_MAX = 1500 }; /* of a line: what every daemon takes, escaped */

/* As the log itself, it belongs to the process. */
static struct {
    int fd; /* -1: closed, or to be opened again */
    bool is_open;
    struct rp_dgram to;
    int facility;
    char tag[64], host[64];
    double tried; /* when it was opened last */
    unsigned long lost;
} the_syslog = {.fd = -1};

static const struct {
    const char *name;
    int number;
} facilities[] = {
    {"kern", LOG_KERN},     {"user", LOG_USER},         {"mail", LOG_MAIL},
    {"daemon", LOG_DAEMON}, {"auth", LOG_AUTH},         {"syslog", LOG_SYSLOG},
    {"lpr", LOG_LPR},       {"news", LOG_NEWS},         {"uucp", LOG_UUCP},
    {"cron", LOG_CRON},     {"authpriv", LOG_AUTHPRIV}, {"ftp", LOG_FTP},
    {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},     {"local2", LOG_LOCAL2},
    {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5},
    {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
};

int
rp_syslog_facility(const char *name)
{
    for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
        if (strcasecmp(name, facilities[i].name) == 0)
            return facilities[i].number;
    return -1;
}

/* ---- Where to ---- */

const char *
rp_syslog_check(struct rp_str addr)
{
    return rp_dgram_check(addr);
}

static int
connect_it(void)
{
    the_syslog.tried = rp_clock_mono();
    the_syslog.fd = rp_dgram_open(&the_syslog.to);
    return the_syslog.fd < 0 ? -1 : 0;
}

int
rp_syslog_open(const char *addr, int facility, const char *tag)
{
    rp_syslog_close();
    snprintf(the_syslog.tag, sizeof(the_syslog.tag), "%s", tag);
    for (char *p = the_syslog.tag; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '[' || *p == ':')
            *p = '_';
    the_syslog.facility = facility;
    the_syslog.lost = 0;
    if (gethostname(the_syslog.host, sizeof(the_syslog.host)) < 0 ||
        the_syslog.host[0] == '\0')
        memcpy(the_syslog.host, "-", 2);
    the_syslog.host[sizeof(the_syslog.host) - 1] = '\0';
    if (rp_dgram_resolve(&the_syslog.to, (struct rp_str){addr, strlen(addr)}) <
        0) {
        errno = EHOSTUNREACH;
        return -1;
    }
    if (connect_it() < 0)
        return -1;
    the_syslog.is_open = true;
    return 0;
}

void
rp_syslog_close(void)
{
    if (the_syslog.fd >= 0)
        close(the_syslog.fd);
    the_syslog.fd = -1;
    the_syslog.is_open = false;
}

bool
rp_syslog_is_open(void)
{
    return the_syslog.is_open;
}

/* ---- Lines ---- */

static int
write_head(char *dst, size_t size, int priority)
{
    time_t now = time(NULL);
    char stamp[40];
    struct tm tm;

    if (the_syslog.to.is_udp) { /* RFC 5424 6 */
        gmtime_r(&now, &tm);
        strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
        return snprintf(dst, size, "<%d>1 %s %s %s %ld - - ",
                        the_syslog.facility | priority, stamp, the_syslog.host,
                        the_syslog.tag, (long)getpid());
    }
    /* RFC 3164 4.1.2, in the words of the C locale */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    localtime_r(&now, &tm);
    return snprintf(dst, size, "<%d>%.3s %2d %02d:%02d:%02d %s[%ld]: ",
                    the_syslog.facility | priority, months + 3 * tm.tm_mon,
                    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                    the_syslog.tag, (long)getpid());
}

/* false: it did not go out. */
static bool
send_line(const char *line, size_t n)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (the_syslog.fd >= 0 &&
            send(the_syslog.fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        if (the_syslog.fd >= 0 &&
            (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE))
            return false;
        /* The daemon was started anew, and has made its socket anew.  Over
         * UDP this is the answer to the line before. */
        if (the_syslog.fd >= 0)
            close(the_syslog.fd);
        the_syslog.fd = -1;
        if (rp_clock_mono() - the_syslog.tried < 1 || connect_it() < 0)
            return false;
    }
    return false;
}

void
rp_syslog_write(int priority, const char *text, size_t n)
{
    char line[4 * TEXT_MAX + 256];
    int saved = errno, len;

    if (!the_syslog.is_open)
        return;
    if (the_syslog.lost > 0) {
        len = write_head(line, sizeof(line), LOG_WARNING);
        len += snprintf(line + len, 64, "%lu lines to syslog were lost",
                        the_syslog.lost);
        if (send_line(line, (size_t)len))
            the_syslog.lost = 0;
    }
    len = write_head(line, 256, priority);
    n = n < TEXT_MAX ? n : TEXT_MAX;
    n = (size_t)len + rp_log_escape(line + len, false, text, n);
    if (!send_line(line, n))
        the_syslog.lost++;
    errno = saved;
}
