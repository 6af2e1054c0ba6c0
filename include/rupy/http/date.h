/* date.h -- dates on the wire (RFC 9110 5.6.7). */
#ifndef RUPY_HTTP_DATE_H
#define RUPY_HTTP_DATE_H

#include <stdint.h>

#include "rupy/base/str.h"

enum { RP_DATE_SIZE = 29 };

/* IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT"; no NUL behind it. */
void rp_date_format(char dst[RP_DATE_SIZE], int64_t seconds);
/* All three formats of RFC 9110 5.6.7; -1 when it is none. */
int64_t rp_date_parse(struct rp_str s);

#endif
