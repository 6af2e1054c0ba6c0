/* python.c -- what is handed down to the interpreter. */
#include "rupy/serve/python.h"

#include "rupy/py/interp.h"

int
rp_python_start(const struct rp_config *c, const struct rp_door *door,
                char *error, size_t n)
{
    struct rp_interp_options o = {
        .venv = c->venv,
        .init_core = door->init_core,
    };

    return rp_interp_is_running() ? 0 : rp_interp_init(&o, error, n);
}

void
rp_python_config(struct rp_py_worker_config *p, const struct rp_config *c,
                 const struct rp_door *door)
{
    *p = (struct rp_py_worker_config){
        .app = c->app,
        .factory = c->factory,
        .interface = rp_config_interface(c),
        .root_path = c->root_path ? c->root_path : "",
        .lifespan = rp_config_lifespan(c),
        .early_hints = c->early_hints,
        .keep_underscores = c->header_map == RP_HEADER_KEEP,
        .only_load = door->check,
        .body_buffer = (size_t)c->body_buffer,
        .app_dirs = c->app_dirs.v,
        .napp_dirs = c->app_dirs.n,
        .graceful_timeout = c->graceful_timeout,
        .debug = c->debug,
        .log_config = c->log_config,
        .workers = (unsigned)c->workers,
        .threads = (unsigned)c->threads,
        .cancel_on_disconnect = c->cancel_on_disconnect,
        .queue_timeout = c->queue_timeout,
        .opentelemetry = c->opentelemetry,
        .service = c->name  ? c->name
                   : c->app ? c->app
                            : "rupy",
        .run = door->run,
    };
}
