/* value.h -- values of options as text: 30s, 64k, on, 0660. */
#ifndef RUPY_SERVE_VALUE_H
#define RUPY_SERVE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "rupy/base/buf.h"

/* All return 0, or -1 and leave *out alone.  No blanks are skipped. */

/* 30, 1.5, 500ms, 30s, 5m, 1h30m, 2d, 0, off: seconds. */
int rp_value_duration(struct rp_str s, double *out);
/* 65536, 64k, 10M, 1G (of 1024; "kb" and "kib" are the same), 0, off. */
int rp_value_size(struct rp_str s, uint64_t *out);
/* on off true false yes no 1 0, in any case. */
int rp_value_flag(struct rp_str s, bool *out);
/* Decimal, with a sign. */
int rp_value_int(struct rp_str s, int *out);
/* 0.25; a number from 0 to 1. */
int rp_value_fraction(struct rp_str s, double *out);
/* Octal, 0 to 0777. */
int rp_value_mode(struct rp_str s, int *out);

/* The shortest text that reads back as the same value: "1h30m", "64k". */
int rp_value_add_duration(struct rp_buf *b, double seconds);
int rp_value_add_size(struct rp_buf *b, uint64_t bytes);

#endif
