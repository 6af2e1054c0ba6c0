/* outlet.h -- where lines go that nobody must wait for: a file, a pipe, a
 * terminal, a socket, whoever else has it too.
 *
 * A pipe that nobody reads would hold up its writer.  Whether writes wait
 * belongs to what was opened, and others have that too; so a pipe is opened
 * once more. */
#ifndef RUPY_BASE_OUTLET_H
#define RUPY_BASE_OUTLET_H

#include <stdbool.h>

#include "rupy/base/buf.h"

struct rp_outlet {
    int fd;         /* lent */
    int own;        /* what is written to instead, or -1 */
    bool is_socket; /* one that sends */
    bool is_pipe;   /* what may be full: whole lines, of PIPE_BUF at most */
};

/* fd, lent, stays open until fini(). */
void rp_outlet_init(struct rp_outlet *o, int fd);
void rp_outlet_fini(struct rp_outlet *o);
/* Write what is in b, whole lines, and take out of it what was written: what
 * there is room for, or will be within so many milliseconds; 0 does not wait.
 * 0, or -1 and errno. */
int rp_outlet_flush(struct rp_outlet *o, struct rp_buf *b, int ms);

#endif
