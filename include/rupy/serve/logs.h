/* logs.h -- where the server's own log goes, by the options. */
#ifndef RUPY_SERVE_LOGS_H
#define RUPY_SERVE_LOGS_H

#include "rupy/serve/config.h"

/* Open --log-file and --log-syslog and write there from now on; what was open
 * before is closed.  0, or -1 after a line in the log that was. */
int rp_logs_open(const struct rp_config *c);
/* The file was rotated: open it again.  Level and syslog stay as they are.
 * capture: what it says of --capture-output holds for this process. */
void rp_logs_reopen(const struct rp_config *c, bool capture);
/* In a worker: --capture-output. */
void rp_logs_capture(const struct rp_config *c);

/* The file that the access log goes to, opened for appending; stdout for "-".
 * -1 and errno. */
int rp_access_open(const struct rp_config *c);
/* It was rotated: open it again as fd.  0, or -1 after a line in the log. */
int rp_access_reopen(const struct rp_config *c, int fd);

#endif
