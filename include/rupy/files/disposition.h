/* disposition.h -- what a download is to be called. */
#ifndef RUPY_FILES_DISPOSITION_H
#define RUPY_FILES_DISPOSITION_H

#include "rupy/base/buf.h"

/* Append the value of Content-Disposition (RFC 6266) for a file of that name,
 * which is UTF-8, neither empty nor with a slash or control bytes.  What is
 * not plain ASCII goes into filename* (RFC 8187), behind a filename for old
 * clients.  0, or -1 (no memory). */
int rp_disposition_add(struct rp_buf *out, struct rp_str name, bool is_inline);
/* May a file be called that? */
bool rp_disposition_is_name(struct rp_str name);

#endif
