/* serve.h -- from a configuration to a running service. */
#ifndef RUPY_SERVE_SERVE_H
#define RUPY_SERVE_SERVE_H

#include "rupy/master/master.h"
#include "rupy/serve/config.h"

struct _object; /* PyObject */

/* Where the interpreter and the application come from. */
struct rp_door {
    /* The module rupy._core, for an interpreter that this process starts;
     * NULL: one is running already, and its GIL is held. */
    struct _object *(*init_core)(void);
    struct _object *app; /* borrowed; NULL: config->app says which */
    char *title;         /* argv of the program, one stretch of memory; NULL */
    size_t title_n;
    bool alone;          /* serve in this process, if one worker is enough */
    bool take_signals;   /* TERM, INT and QUIT stop it; only in a main thread */
    bool inside;         /* nobody listens: connections are given to the worker,
                        * and so is the word to stop */
    bool check;          /* see rp_serve_check() */
    struct _object *run; /* see rp_py_worker_config; NULL */
};

/* Serve until told to stop; return the exit status (enum rp_exit of
 * master.h).  The configuration is finished and stays the caller's. */
int rp_serve_main(struct rp_config *config, const struct rp_door *door);
/* Only load the application, in this process: RP_EXIT_OK, or what a worker
 * that could not would end with, after a line in the log. */
int rp_serve_check(struct rp_config *config, const struct rp_door *door);

#endif
