/* embed.h -- an interpreter with a loop, for the tests of this folder. */
#ifndef RUPY_TESTS_EMBED_H
#define RUPY_TESTS_EMBED_H

#include "rupy/aio/drive.h"
#include "rupy/aio/loop.h"

#include <ev.h>
#include <stdbool.h>

/* Each test runs in a process of its own, so that these are its own too. */
extern struct rp_loop *loop;
extern struct seen {
    char text[256]; /* what happened, a letter each */
    int turns;
    struct rp_task *task;
    struct ev_timer timer;
} seen;

/* The fixture: an interpreter whose globals have `loop`, and `reports`, what
 * the loop's exception handler got. */
void embed_setup(void);
void embed_teardown(void);

/* Run Python code; the test fails when it raises. */
void python(const char *code);
/* New reference. */
PyObject *value_of(const char *expression);
bool is_true(const char *expression);

void note(const char *s);
void stop_loop(void);
/* Start the coroutine of an expression; how it ends is noted: "=result" or
 * "!Exception". */
enum rp_drive start(const char *expression);

#endif
