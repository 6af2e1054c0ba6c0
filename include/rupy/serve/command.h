/* command.h -- the program: options, --help and its like, then the service.
 *
 * The same for the ELF program and for `python -m rupy`. */
#ifndef RUPY_SERVE_COMMAND_H
#define RUPY_SERVE_COMMAND_H

#include <stddef.h>

struct rp_config;
struct rp_door; /* serve.h */

/* Do what argv and environ_ say; return the exit status.  argv[0] is
 * skipped. */
int rp_command_main(int argc, char *const *argv, char *const *environ_,
                    const struct rp_door *door);
/* What must be done between rp_config_finish() and rp_serve_main(): --chdir,
 * --env, --env-file.  0, or -1 with c->error. */
int rp_command_prepare(struct rp_config *c);
/* The line that --version prints, without the newline. */
void rp_command_version(char *out, size_t n);

#endif
