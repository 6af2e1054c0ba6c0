/* interp.h -- the embedded interpreter: start, stop, which one it is.
 *
 * Only for the program; the extension module lives in an interpreter that is
 * running already.  Needs no Python.h of its callers. */
#ifndef RUPY_PY_INTERP_H
#define RUPY_PY_INTERP_H

#include <stdbool.h>
#include <stddef.h>

struct _object; /* PyObject */

struct rp_interp_options {
    /* Path of this program, to find rupy/ beside it; NULL: /proc/self/exe. */
    const char *program;
    /* Prefix of a virtual environment; NULL: $VIRTUAL_ENV, if that is set. */
    const char *venv;
    /* Makes the module that is importable as _rupy and rupy._core. */
    struct _object *(*init_core)(void);
};

/* Start the interpreter that this program was built for, in this process and
 * thread, which then holds the GIL.  Signal dispositions stay as they are, but
 * for those of faulthandler: after a crash or SIGABRT the stacks of all
 * threads are on stderr.
 * Return 0, or -1 with one line in error. */
int rp_interp_init(const struct rp_interp_options *o, char *error, size_t n);
/* Before exit, with the GIL: wait for non-daemon threads, run atexit
 * functions, flush stdout and stderr.  What fails there is printed and
 * otherwise ignored.  With finalize the interpreter is torn down too
 * (sanitizer builds: leaks then mean something). */
void rp_interp_fini(bool finalize);

bool rp_interp_is_running(void);
/* os.environ is a copy from when Python started: put in it what the process
 * has set since.  With the GIL; 0, or -1 after the exception was printed. */
int rp_interp_sync_environ(void);
/* "CPython 3.11.7, libpython static" */
void rp_interp_version(char *out, size_t n);

#endif
