/* logline.h -- a line of the log, as bytes; for log.c. */
#ifndef RUPY_BASE_LOGLINE_H
#define RUPY_BASE_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "rupy/base/log.h"

enum {
    RP_LOG_TEXT_SIZE = 4096, /* of the message, before escaping */
    RP_LOG_LINE_SIZE = 6 * RP_LOG_TEXT_SIZE + 256,
};

struct rp_log_style {
    enum rp_log_format format;
    bool colour;
    bool journal; /* systemd's: "<6>" in front, and no time */
    const char *name;
};

/* The whole line with its newline into dst, of RP_LOG_LINE_SIZE bytes; n is at
 * most RP_LOG_TEXT_SIZE.  Its length. */
size_t rp_log_line(char *dst, const struct rp_log_style *style,
                   enum rp_log_level level, const char *text, size_t n);
/* Control bytes and what is not UTF-8 as \xHH, or as JSON has it; dst has
 * room for 4, or 6, times n. */
size_t rp_log_escape(char *dst, bool json, const char *text, size_t n);
/* Of syslog(3). */
int rp_log_priority(enum rp_log_level level);

#endif
