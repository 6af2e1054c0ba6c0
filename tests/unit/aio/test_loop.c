/* test_loop.c -- the contracts of loop.h and drive.h, as the server uses
 * them: from libev's callbacks, from the ring, with the loop hidden. */
#include "rupy/aio/drive.h"
#include "rupy/aio/loop.h"

#include <check.h>
#include <ev.h>
#include <stdlib.h>

#ifndef RP_PYTHON_EXECUTABLE
#define RP_PYTHON_EXECUTABLE "python3"
#endif

/* What the tests share lives here; each runs in a process of its own. */
static struct rp_loop *loop;
static PyObject *globals;
static struct {
    char text[256]; /* what happened, a letter each */
    int turns;
    struct rp_task *task;
    struct ev_timer timer;
} seen;

static struct PyModuleDef core;

static int
core_exec(PyObject *m)
{
    return rp_aio_exec(m);
}

static int
core_traverse(PyObject *m, visitproc visit, void *arg)
{
    struct rp_aio_state *state = PyModule_GetState(m);

    return state ? rp_aio_traverse(state, visit, arg) : 0;
}

static int
core_clear(PyObject *m)
{
    struct rp_aio_state *state = PyModule_GetState(m);

    if (state)
        rp_aio_clear(state);
    return 0;
}

static PyModuleDef_Slot core_slots[] = {{Py_mod_exec, (void *)core_exec},
                                        {0, NULL}};

static struct PyModuleDef core = {PyModuleDef_HEAD_INIT,
                                  "_rupy",
                                  NULL,
                                  sizeof(struct rp_aio_state),
                                  NULL,
                                  core_slots,
                                  core_traverse,
                                  core_clear,
                                  NULL};

static PyObject *
init_core(void)
{
    return PyModuleDef_Init(&core);
}

/* Run Python code; the test fails when it raises. */
static void
python(const char *code)
{
    PyObject *r = PyRun_String(code, Py_file_input, globals, globals);

    if (!r)
        PyErr_Print();
    ck_assert_ptr_nonnull(r);
    Py_DECREF(r);
}

static PyObject *
value_of(const char *expression)
{
    PyObject *r = PyRun_String(expression, Py_eval_input, globals, globals);

    if (!r)
        PyErr_Print();
    ck_assert_ptr_nonnull(r);
    return r;
}

static bool
is_true(const char *expression)
{
    PyObject *r = value_of(expression);
    bool yes = PyObject_IsTrue(r) == 1;

    Py_DECREF(r);
    return yes;
}

static void
note(const char *s)
{
    strncat(seen.text, s, sizeof(seen.text) - strlen(seen.text) - 1);
}

static void
setup(void)
{
    PyConfig config;
    PyStatus status;
    PyObject *o;

    ck_assert_int_eq(PyImport_AppendInittab("_rupy", init_core), 0);
    PyConfig_InitPythonConfig(&config);
    config.install_signal_handlers = 0;
    status = PyConfig_SetBytesString(&config, &config.program_name,
                                     RP_PYTHON_EXECUTABLE);
    ck_assert(!PyStatus_Exception(status));
    status = Py_InitializeFromConfig(&config);
    ck_assert(!PyStatus_Exception(status));
    PyConfig_Clear(&config);
    globals = PyDict_New();
    /* the Python half of the loop alone, without the framework around */
    python("import sys, types, asyncio\n"
           "import _rupy\n"
           "package = types.ModuleType('rupy')\n"
           "package.__path__ = ['rupy']\n"
           "sys.modules['rupy'] = package\n"
           "sys.modules['rupy._core'] = package._core = _rupy\n"
           "from rupy._loop import EventLoop\n"
           "loop = EventLoop()\n"
           "reports = []\n"
           "loop.set_exception_handler(lambda _, c: reports.append(c))\n");
    o = PyDict_GetItemString(globals, "loop");
    loop = rp_loop_from_object(o);
    ck_assert_ptr_nonnull(loop);
    ck_assert_ptr_eq(rp_loop_object(loop), o);
    memset(&seen, 0, sizeof(seen));
}

static void
teardown(void)
{
    python("loop.close()");
    ck_assert_int_eq(rp_loop_is_closed(loop), 1);
    ck_assert_ptr_null(rp_loop_ev(loop));
    Py_DECREF(globals);
    ck_assert_int_eq(Py_FinalizeEx(), 0);
}

static void
stop_loop(void)
{
    python("loop.stop()");
}

static void
note_a(void *arg)
{
    (void)arg;
    note("a");
}

static void
note_b_and_stop(void *arg)
{
    (void)arg;
    note("b");
    stop_loop();
}

static void
on_done(void *arg, PyObject *result)
{
    ck_assert_ptr_eq(arg, &seen);
    if (result) {
        note("=");
        note(PyUnicode_AsUTF8(result));
    } else {
        PyObject *type, *value, *tb;

        PyErr_Fetch(&type, &value, &tb);
        ck_assert_ptr_nonnull(type);
        note("!");
        note(((PyTypeObject *)type)->tp_name);
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(tb);
    }
    ck_assert_ptr_null(PyErr_Occurred());
}

/* Start the coroutine of an expression. */
static enum rp_drive
start(const char *expression)
{
    PyObject *result;
    enum rp_drive how;

    how = rp_drive_start(loop, value_of(expression), on_done, &seen, &result,
                         &seen.task);
    if (how == RP_DRIVE_DONE) {
        on_done(&seen, result);
        Py_DECREF(result);
    } else if (how == RP_DRIVE_ERROR) {
        on_done(&seen, NULL);
    }
    return how;
}

/* ---- the ring and the turn ---- */

START_TEST(other_objects_are_no_loops)
{
    ck_assert_ptr_null(rp_loop_from_object(Py_None));
    ck_assert(PyErr_ExceptionMatches(PyExc_TypeError));
    PyErr_Clear();
}
END_TEST

START_TEST(c_functions_run_in_order_with_pythons)
{
    python("order = []");
    ck_assert_int_eq(rp_loop_call_soon(loop, note_a, NULL), 0);
    python("loop.call_soon(order.append, 1)");
    ck_assert_int_eq(rp_loop_call_threadsafe(loop, note_b_and_stop, NULL), 0);
    python("loop.run_forever()");
    ck_assert_str_eq(seen.text, "ab");
    ck_assert(is_true("order == [1]"));
}
END_TEST

START_TEST(nothing_can_be_queued_on_a_closed_loop)
{
    python("loop.close()");
    ck_assert_int_eq(rp_loop_call_soon(loop, note_a, NULL), -1);
    ck_assert(PyErr_ExceptionMatches(PyExc_RuntimeError));
    PyErr_Clear();
    ck_assert_int_eq(start("asyncio.sleep(0)"), RP_DRIVE_ERROR);
    ck_assert_str_eq(seen.text, "!RuntimeError");
}
END_TEST

static int
three_turns(void *arg)
{
    (void)arg;
    note("t");
    if (++seen.turns < 3)
        return 1;
    stop_loop();
    return 0;
}

START_TEST(a_turn_that_has_more_to_do_is_called_again_without_waiting)
{
    uint64_t tick = 0;

    rp_loop_set_tick(loop, &tick);
    rp_loop_set_turn(loop, three_turns, NULL);
    rp_loop_call_soon(loop, note_a, NULL);
    /* nothing else would wake the loop */
    python("loop.run_forever()");
    ck_assert_str_eq(seen.text, "attt");
    ck_assert_uint_gt(tick, 0);
}
END_TEST

static void
spin(void *arg)
{
    if (++seen.turns < 100)
        rp_loop_call_soon(loop, spin, arg);
    else
        stop_loop();
}

START_TEST(skipped_polls_still_come_to_files)
{
    rp_loop_set_poll_skip(loop, 16, UINT64_MAX);
    python("import os\n"
           "r, w = os.pipe()\n"
           "got = []\n"
           "loop.add_reader(r, lambda: got.append(os.read(r, 1)))\n"
           "os.write(w, b'x')\n");
    rp_loop_call_soon(loop, spin, NULL);
    python("loop.run_forever()\n"
           "loop.remove_reader(r)\n"
           "os.close(r); os.close(w)\n");
    ck_assert_int_eq(seen.turns, 100);
    ck_assert(is_true("got == [b'x']"));
}
END_TEST

/* ---- exceptions from C ---- */

static void
interrupt(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev;
    (void)w;
    (void)revents;
    note("i");
    PyErr_SetNone(PyExc_KeyboardInterrupt);
    rp_loop_take_exception(loop);
    ck_assert_ptr_null(PyErr_Occurred());
}

START_TEST(an_interrupt_in_a_libev_callback_leaves_run_forever)
{
    ev_timer_init(&seen.timer, interrupt, 0.001, 0.);
    ev_timer_start(rp_loop_ev(loop), &seen.timer);
    python("try:\n"
           "    loop.run_forever()\n"
           "except KeyboardInterrupt:\n"
           "    left = True\n");
    ck_assert(is_true("left and not loop.is_running() and not reports"));
    ck_assert_str_eq(seen.text, "i");
}
END_TEST

static void
fail_in_c(void *arg)
{
    (void)arg;
    PyErr_SetString(PyExc_ValueError, "from C");
    rp_loop_take_exception(loop);
}

START_TEST(other_exceptions_are_reported_and_the_loop_goes_on)
{
    rp_loop_call_soon(loop, fail_in_c, NULL);
    rp_loop_call_soon(loop, note_b_and_stop, NULL);
    python("loop.run_forever()");
    ck_assert_str_eq(seen.text, "b");
    ck_assert(is_true("[str(r['exception']) for r in reports] == ['from C']"));
}
END_TEST

/* ---- the hidden loop ---- */

static void
sync_then_async(void *arg)
{
    (void)arg;
    ck_assert_int_eq(rp_loop_hide(loop), 0);
    ck_assert(is_true("asyncio._get_running_loop() is None"));
    ck_assert_int_eq(rp_loop_hide(loop), 0);
    ck_assert_int_eq(start("handler()"), RP_DRIVE_DONE);
    ck_assert_int_eq(rp_loop_hide(loop), 0);
    python("loop.call_soon(look)");
}

START_TEST(inline_code_sees_no_loop_and_what_follows_does)
{
    python("async def handler():\n"
           "    return str(asyncio.get_running_loop() is loop)\n"
           "def look():\n"
           "    global saw\n"
           "    saw = asyncio.get_running_loop() is loop\n"
           "    loop.stop()\n");
    rp_loop_call_soon(loop, sync_then_async, NULL);
    python("loop.run_forever()");
    ck_assert_str_eq(seen.text, "=True");
    ck_assert(is_true("saw and asyncio._get_running_loop() is None"));
}
END_TEST

START_TEST(a_loop_that_does_not_run_cannot_be_hidden_or_shown)
{
    ck_assert_int_eq(rp_loop_hide(loop), 0);
    ck_assert_int_eq(rp_loop_show(loop), 0);
    ck_assert(is_true("asyncio._get_running_loop() is None"));
}
END_TEST

/* ---- driving ---- */

static void
drive_from_libev(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev;
    (void)w;
    (void)revents;
    ck_assert_int_eq(start("handler()"), RP_DRIVE_WAITS);
    note("w");
    ck_assert_uint_eq(rp_drive_count(loop), 1);
}

START_TEST(a_handler_is_driven_from_a_libev_callback)
{
    python("async def handler():\n"
           "    me = asyncio.current_task()\n"
           "    await asyncio.sleep(0.001)\n"
           "    loop.call_soon(loop.stop)\n"
           "    return str(me is asyncio.current_task())\n");
    ev_timer_init(&seen.timer, drive_from_libev, 0.001, 0.);
    ev_timer_start(rp_loop_ev(loop), &seen.timer);
    python("loop.run_forever()");
    ck_assert_str_eq(seen.text, "w=True");
    ck_assert_uint_eq(rp_drive_count(loop), 0);
}
END_TEST

static void
drive(void *arg)
{
    start(arg);
}

/* Drive handler() until it waits, or ends. */
static void
drive_handler(void)
{
    rp_loop_call_soon(loop, drive, (void *)"handler()");
    python("loop.call_soon(loop.stop)\n"
           "loop.run_forever()\n");
}

START_TEST(a_cancelled_handler_is_done_with_its_error_in_a_later_turn)
{
    python("async def handler():\n"
           "    await asyncio.sleep(100)\n");
    drive_handler();
    ck_assert_uint_eq(rp_drive_count(loop), 1);
    ck_assert_int_eq(rp_drive_cancel(seen.task), 0);
    ck_assert_str_eq(seen.text, "");
    python("loop.call_soon(loop.stop); loop.run_forever()\n"
           "loop.call_soon(loop.stop); loop.run_forever()\n");
    ck_assert_str_eq(seen.text, "!CancelledError");
    ck_assert_uint_eq(rp_drive_count(loop), 0);
}
END_TEST

START_TEST(a_forgotten_handler_goes_on_unheard)
{
    python("async def handler():\n"
           "    global went_on\n"
           "    await asyncio.sleep(0)\n"
           "    went_on = True\n");
    drive_handler();
    rp_drive_forget(seen.task);
    python("loop.call_soon(loop.stop); loop.run_forever()\n");
    ck_assert(is_true("went_on and not reports"));
    ck_assert_str_eq(seen.text, "");
    ck_assert_uint_eq(rp_drive_count(loop), 0);
}
END_TEST

START_TEST(the_error_of_a_forgotten_handler_is_reported_once)
{
    python("async def handler():\n"
           "    await asyncio.sleep(0)\n"
           "    raise ValueError('alone')\n");
    drive_handler();
    rp_drive_forget(seen.task);
    python("loop.call_soon(loop.stop); loop.run_forever()\n");
    ck_assert(is_true("[str(r['exception']) for r in reports] == ['alone']"));
    ck_assert_str_eq(seen.text, "");
}
END_TEST

START_TEST(all_are_cancelled_at_once_and_forgotten_ones_too)
{
    python("ended = 0\n"
           "async def handler():\n"
           "    global ended\n"
           "    try:\n"
           "        await asyncio.sleep(100)\n"
           "    finally:\n"
           "        ended += 1\n");
    drive_handler();
    rp_drive_forget(seen.task);
    drive_handler();
    drive_handler();
    ck_assert_uint_eq(rp_drive_cancel_all(loop), 3);
    python("loop.call_soon(loop.stop); loop.run_forever()\n"
           "loop.call_soon(loop.stop); loop.run_forever()\n");
    ck_assert(is_true("ended == 3 and not reports"));
    ck_assert_str_eq(seen.text, "!CancelledError!CancelledError");
}
END_TEST

START_TEST(handlers_start_in_the_captured_context)
{
    python("import contextvars\n"
           "var = contextvars.ContextVar('var', default='no')\n"
           "async def handler():\n"
           "    old = var.get()\n"
           "    var.set('mine')\n"
           "    return old\n"
           "token = var.set('start-up')\n");
    ck_assert_int_eq(rp_loop_capture_context(loop), 0);
    python("var.reset(token)");
    drive_handler();
    drive_handler();
    ck_assert_str_eq(seen.text, "=start-up=start-up");
    ck_assert(is_true("var.get() == 'no'"));
}
END_TEST

START_TEST(awaitables_are_told_from_values)
{
    static const struct {
        const char *expression;
        int want;
    } cases[] = {
        {"5", 0},
        {"'text'", 0},
        {"(i for i in ())", 0},
        {"asyncio.sleep", 0},
        {"loop.create_future()", 1},
        {"type('A', (), {'__await__': lambda self: iter(())})()", 1},
        {"__import__('types').coroutine(lambda: (yield))()", 1},
    };
    PyObject *o;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        o = value_of(cases[i].expression);
        ck_assert_msg(rp_drive_is_awaitable(o) == cases[i].want, "%s",
                      cases[i].expression);
        ck_assert_ptr_null(PyErr_Occurred());
        Py_DECREF(o);
    }
    o = value_of("asyncio.sleep(0)");
    ck_assert_int_eq(rp_drive_is_awaitable(o), 1);
    Py_DECREF(PyObject_CallMethod(o, "close", NULL));
    Py_DECREF(o);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("aio");
    TCase *t = tcase_create("loop");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, other_objects_are_no_loops);
    tcase_add_test(t, c_functions_run_in_order_with_pythons);
    tcase_add_test(t, nothing_can_be_queued_on_a_closed_loop);
    tcase_add_test(t,
                   a_turn_that_has_more_to_do_is_called_again_without_waiting);
    tcase_add_test(t, skipped_polls_still_come_to_files);
    tcase_add_test(t, an_interrupt_in_a_libev_callback_leaves_run_forever);
    tcase_add_test(t, other_exceptions_are_reported_and_the_loop_goes_on);
    tcase_add_test(t, inline_code_sees_no_loop_and_what_follows_does);
    tcase_add_test(t, a_loop_that_does_not_run_cannot_be_hidden_or_shown);
    tcase_add_test(t, a_handler_is_driven_from_a_libev_callback);
    tcase_add_test(t,
                   a_cancelled_handler_is_done_with_its_error_in_a_later_turn);
    tcase_add_test(t, a_forgotten_handler_goes_on_unheard);
    tcase_add_test(t, the_error_of_a_forgotten_handler_is_reported_once);
    tcase_add_test(t, all_are_cancelled_at_once_and_forgotten_ones_too);
    tcase_add_test(t, handlers_start_in_the_captured_context);
    tcase_add_test(t, awaitables_are_told_from_values);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
