/* log.h -- the server's own log: one event, one line, on stderr or in a file,
 * and also to syslog when rp_syslog_open() was called.
 *
 * A line is written by a single write(2), so lines of several processes do
 * not mix.  Control bytes are escaped as \xHH: what a peer sent can be
 * logged as it is. */
#ifndef RUPY_BASE_LOG_H
#define RUPY_BASE_LOG_H

#include <stdarg.h>

enum rp_log_level {
    RP_LOG_TRACE,
    RP_LOG_DEBUG,
    RP_LOG_INFO,
    RP_LOG_WARNING,
    RP_LOG_ERROR,
    RP_LOG_CRITICAL,
};

enum rp_log_format { RP_LOG_TEXT, RP_LOG_JSON };

/* As text, with a mark of the priority in front of each line, "<6>", and
 * without the time when systemd's journal reads fd.  Colour: -1 when fd is a terminal (NO_COLOR, FORCE_COLOR are honoured),
 * 0 never, 1 always. */
void rp_log_init(int fd, enum rp_log_level level, int colour);
void rp_log_set_format(enum rp_log_format format);
/* Where it is written. */
int rp_log_fd(void);
/* Who speaks, "master" or "worker 3"; copied, at most 31 bytes. */
void rp_log_set_name(const char *name);
void rp_log_set_level(enum rp_log_level level);
enum rp_log_level rp_log_level(void);
/* -1: no such level. */
int rp_log_level_from_name(const char *name);
const char *rp_log_level_name(enum rp_log_level level);

/* 2026-11-23 10:00:00 +0000 [pid] [info] worker 3: text */
void rp_log(enum rp_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void rp_logv(enum rp_log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* The same, with ": " and the text of errno behind it. */
void rp_log_errno(enum rp_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Many lines that belong to the line before: a traceback.  Control bytes but
 * line feeds and tabs are escaped. */
void rp_log_text(const char *text);
/* What rp_log_text() is given, on_text is told too.  NULL: nobody is. */
void rp_log_set_listener(void (*on_text)(void *arg, const char *text),
                         void *arg);

#define rp_debug(...)                                                          \
    do {                                                                       \
        if (rp_log_level() <= RP_LOG_DEBUG)                                    \
            rp_log(RP_LOG_DEBUG, __VA_ARGS__);                                 \
    } while (0)
#define rp_info(...) rp_log(RP_LOG_INFO, __VA_ARGS__)
#define rp_warn(...) rp_log(RP_LOG_WARNING, __VA_ARGS__)
#define rp_error(...) rp_log(RP_LOG_ERROR, __VA_ARGS__)

#endif
