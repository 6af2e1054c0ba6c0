/* syslog.h -- the log's second way out: datagrams to a syslog daemon.
 *
 * RFC 3164 on a unix socket, RFC 5424 over UDP.  Nothing waits: what the
 * daemon does not take is lost, and counted. */
#ifndef RUPY_BASE_SYSLOG_H
#define RUPY_BASE_SYSLOG_H

#include <stdbool.h>

#include "rupy/base/str.h"

/* addr: "/dev/log", "unix:PATH", "HOST:PORT" or "udp://HOST:PORT".
 * What is wrong with it, or NULL. */
const char *rp_syslog_check(struct rp_str addr);
/* "daemon", "local0": its number; -1. */
int rp_syslog_facility(const char *name);
/* From now on; tag is what lines are from, copied.  Names are looked up here
 * and now.  0, or -1 and errno (EHOSTUNREACH: no such host). */
int rp_syslog_open(const char *addr, int facility, const char *tag);
void rp_syslog_close(void);
bool rp_syslog_is_open(void);
/* One line, escaped here; nothing when it is not open. */
void rp_syslog_write(int priority, const char *text, size_t n);

#endif
