/* clock.h -- monotonic time for deadlines, wall time for people. */
#ifndef RUPY_BASE_CLOCK_H
#define RUPY_BASE_CLOCK_H

#include <stdint.h>

/* Seconds since an arbitrary start; never goes back. */
double rp_clock_mono(void);
/* The same in nanoseconds. */
uint64_t rp_clock_mono_ns(void);
/* Seconds since 1970-01-01 UTC, with fraction. */
double rp_clock_wall(void);
/* The whole seconds of it, a few milliseconds late and much cheaper. */
int64_t rp_clock_wall_second(void);

#endif
