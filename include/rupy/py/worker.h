/* worker.h -- the Python half of a worker, as the service sees it.
 *
 * Needs no Python.h of its callers. */
#ifndef RUPY_PY_WORKER_H
#define RUPY_PY_WORKER_H

#include "rupy/app/exchange.h"

struct _object;     /* PyObject */
struct rp_py_hooks; /* hooks.h */
struct ev_loop;

/* What the worker's Python half asks for, in this order. */
struct rp_py_worker_ops {
    /* Make a server on ev.  router is NULL when root answers everything.
     * 0, or -1 and errno. */
    int (*attach)(void *arg, struct ev_loop *ev, struct rp_router *router,
                  const struct rp_handler *root);
    /* Once per turn of the loop, see rp_loop_set_turn(). */
    int (*turn)(void *arg);
    /* The application is up: accept, and say that the worker is ready.  When
     * the worker was told to stop and nothing is left to do, or the graceful
     * deadline has passed, stopped(stopped_arg) is called once.
     * 0, or -1 and errno. */
    int (*start)(void *arg, void (*stopped)(void *), void *stopped_arg);
    /* The application has forked, and this is the child: close what belongs
     * to the parent's clients. */
    void (*forked)(void *arg);
    /* The loop is about to go: drop what is left, stop every watcher. */
    void (*detach)(void *arg);
    /* A boot failure may be printed here: nobody else prints the same. */
    bool (*may_report)(void *arg);
    /* Seconds until the graceful deadline, once it was told to stop; below 0:
     * there is none. */
    double (*left)(void *arg);
    /* Between start() and detach(): serve a connected socket, which is taken,
     * as one of that client. */
    void (*adopt)(void *arg, int fd, const char *host, uint16_t port);
    /* The same time: be told to stop. */
    void (*stop)(void *arg);
};

struct rp_py_worker_config {
    const char *app; /* "module:attr" */
    bool factory;
    const char *interface; /* "auto", "rupy", "asgi", "wsgi" */
    const char *root_path; /* ASGI root_path, WSGI SCRIPT_NAME; "" */
    const char *lifespan;  /* "auto", "on", "off" */
    bool early_hints;      /* applications may send 103 */
    bool keep_underscores; /* WSGI sees fields with one in their name */
    size_t body_buffer;    /* bytes of content in memory; see --body-buffer */
    const char *const *app_dirs;
    size_t napp_dirs;
    double graceful_timeout; /* seconds */
    const char *log_config;  /* file for Python's logging; NULL */
    bool debug;              /* tracebacks in answers */
    bool cancel_on_disconnect;
    unsigned workers;          /* of the service, this one included */
    unsigned threads;          /* for handlers that are not async; 0: inline */
    double queue_timeout;      /* seconds they may wait for one; 0: no limit */
    uint64_t *tick;            /* heartbeat, NULL: none */
    uint64_t *gil_wait;        /* see rp_loop_set_gil_wait(); NULL: not asked */
    bool opentelemetry;        /* a span for each request */
    const char *service;       /* what it is called there */
    struct rp_py_hooks *hooks; /* lent; NULL: none */
    bool only_load;            /* the application, and do not serve it */
    struct _object *run; /* called with the Worker, borrowed; NULL: the run()
                           * of rupy/_worker.py or rupy/_plain.py */
};

/* Load the application (or take `app`, borrowed, when it is not NULL), serve
 * it until told to stop, and return the exit status: 0, 3 (it did not boot), 4
 * (it could not be loaded), 2 (the loop broke).  With the GIL held. */
int rp_py_worker_run(const struct rp_py_worker_config *c, struct _object *app,
                     const struct rp_py_worker_ops *ops, void *arg);

/* The Python stacks of all threads, on stderr.  With the GIL held. */
void rp_py_dump_stacks(void);

/* Around fork(2), when an interpreter is running. */
void rp_py_before_fork(void);
void rp_py_after_fork_parent(void);
void rp_py_after_fork_child(void);

#endif
