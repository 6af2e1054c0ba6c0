/* fd.h -- small things done to file descriptors. */
#ifndef RUPY_BASE_FD_H
#define RUPY_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

/* All return 0, or -1 and errno. */
int rp_fd_set_nonblock(int fd);
int rp_fd_set_cloexec(int fd, int on);
/* A pipe, close-on-exec and non-blocking at both ends. */
int rp_fd_pipe(int fds[2]);
/* Write all of it, waiting where it must (log files, start-up). */
int rp_fd_write_all(int fd, const void *p, size_t n);

#endif
