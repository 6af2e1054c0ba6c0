/* cpus.h -- how many workers this machine, or this container, has CPU for. */
#ifndef RUPY_SERVE_CPUS_H
#define RUPY_SERVE_CPUS_H

/* CPUs that this process may run on; at least 1. */
int rp_cpus_affinity(void);
/* CPUs' worth of time that the control groups allow (v2 cpu.max and v1
 * cpu.cfs_quota_us; the least on the way up counts), or 0 when they set no
 * limit.  root stands before every path: "" outside tests. */
double rp_cpus_quota(const char *root);
/* The lesser of the two, rounded up; at least 1. */
int rp_cpus_combine(int affinity, double quota);
/* What --workers auto means here. */
int rp_workers_auto(const char *root);

#endif
