/* hooks.h -- a configuration file in Python: reading it, and calling the
 * functions in it.
 *
 * Needs no Python.h of its callers. */
#ifndef RUPY_PY_HOOKS_H
#define RUPY_PY_HOOKS_H

#include "rupy/app/access.h"

struct _object; /* PyObject */

/* Up to on_exit they are called in the process of the master's hooks, the
 * others in a worker. */
#define RP_PY_HOOKS(X)                                                         \
    X(ON_STARTING, "on_starting")                                              \
    X(ON_READY, "on_ready")                                                    \
    X(ON_RELOAD, "on_reload")                                                  \
    X(PRE_FORK, "pre_fork")                                                    \
    X(WORKER_TIMEOUT, "worker_timeout")                                        \
    X(CHILD_EXIT, "child_exit")                                                \
    X(ON_EXIT, "on_exit")                                                      \
    X(POST_FORK, "post_fork")                                                  \
    X(WORKER_READY, "worker_ready")                                            \
    X(WORKER_EXIT, "worker_exit")                                              \
    X(LOG_REQUEST, "log_request")

enum rp_py_hook {
#define X(name, text) RP_PY_HOOK_##name,
    RP_PY_HOOKS(X)
#undef X
        RP_N_PY_HOOKS
};

enum {
    RP_PY_MASTER_HOOKS = (1u << (RP_PY_HOOK_ON_EXIT + 1)) - 1,
    RP_PY_WORKER_HOOKS = (1u << RP_N_PY_HOOKS) - 1 - RP_PY_MASTER_HOOKS,
};

/* What has hooks, as it was read. */
struct rp_py_file {
    const char *path, *name;    /* of the file, and as a module */
    const char *const *folders; /* for what it imports */
    size_t nfolders;
    struct rp_str source;
    unsigned hooks; /* 1 << enum rp_py_hook, each that it has */
};

/* NULL: there is none of that number. */
const char *rp_py_hook_name(unsigned hook);

/* ---- processes of their own ---- */

/* Run what `spec` names and write what is in it to fd, in TOML, as
 * rupy/_conffile.py says.  The exit status. */
int rp_py_read_config(const char *spec, const char *const *app_dirs,
                      size_t napp_dirs, int fd);
/* Call the hooks of the master, as it says on the socket fd (taken), until it
 * closes that; see rupy/_hooks.py.  The exit status. */
int rp_py_serve_hooks(const struct rp_py_file *f, int fd);

/* ---- a worker, with the GIL held ---- */

struct rp_py_hooks;

struct rp_py_hooks_config {
    const struct rp_py_file *file; /* lent */
    unsigned number;               /* of the worker, from 1 */
    unsigned generation;
    int stacks; /* where stacks go on SIGABRT; -1: to stderr */
};

/* Run the file and call post_fork.  NULL: there are no hooks, or the log says
 * why not. */
struct rp_py_hooks *rp_py_hooks_new(const struct rp_py_hooks_config *c);
void rp_py_hooks_free(struct rp_py_hooks *h);
/* NULL for h is fine from here on.  All of them log what a hook raises. */
void rp_py_hooks_ready(struct rp_py_hooks *h, struct _object *app);
void rp_py_hooks_ended(struct rp_py_hooks *h, int status);
/* A request is over: an rp_service.on_request.  The hook is called by
 * rp_py_hooks_turn(), when nothing else is on the stack. */
void rp_py_hooks_record(void *h, const struct rp_access_record *r);
void rp_py_hooks_turn(struct rp_py_hooks *h);

#endif
