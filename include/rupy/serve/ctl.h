/* ctl.h -- rupy-serve ctl: orders for a running master. */
#ifndef RUPY_SERVE_CTL_H
#define RUPY_SERVE_CTL_H

/* argv[0] is "ctl".  Return the exit status: 0 done, 1 refused or failed (the
 * reason is on stderr). */
int rp_ctl_main(int argc, char *const *argv);

#endif
