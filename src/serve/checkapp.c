/* checkapp.c -- --check-app: a worker that only loads the application. */
#include <unistd.h>

#include "rupy/serve/serve.h"
#include "rupy/serve/worker.h"

int
rp_serve_check(struct rp_config *config, const struct rp_door *door)
{
    const struct rp_listeners nowhere = {.access_fd = -1};
    struct rp_door checking = *door;
    struct rp_board *board = rp_board_new(1);
    struct rp_worker w;
    int status;

    rp_log_init(STDERR_FILENO, (enum rp_log_level)config->log_level, -1);
    if (!board) {
        rp_log_errno(RP_LOG_CRITICAL, "no shared memory");
        return RP_EXIT_INTERNAL;
    }
    rp_worker_init_alone(&w, board);
    checking.check = true;
    /* What it says is for who asks. */
    config->capture_output = false;
    status = rp_worker_run(config, &checking, &nowhere, &w);
    rp_board_free(board);
    return status;
}
