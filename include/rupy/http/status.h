/* status.h -- status codes and what each is called (RFC 9110 15). */
#ifndef RUPY_HTTP_STATUS_H
#define RUPY_HTTP_STATUS_H

#include "rupy/base/str.h"

/* "Not Found"; "Unknown" for a code that has no name. */
struct rp_str rp_status_reason(int status);
/* "HTTP/1.1 404 Not Found\r\n", for 100 to 999; lives as long as the program
 * for the codes that have a name, otherwise {NULL, 0}. */
struct rp_str rp_status_line(int status);
/* 1xx, 204 and 304 never carry content (RFC 9110 6.4.1). */
bool rp_status_has_content(int status);

#endif
