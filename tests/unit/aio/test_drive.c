/* test_drive.c -- the contract of drive.h: started, cancelled, forgotten. */
#include "embed.h"
#include "run.h"

#include <check.h>

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
    TCase *t = tcase_create("drive");

    tcase_add_checked_fixture(t, embed_setup, embed_teardown);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, a_handler_is_driven_from_a_libev_callback);
    tcase_add_test(t,
                   a_cancelled_handler_is_done_with_its_error_in_a_later_turn);
    tcase_add_test(t, a_forgotten_handler_goes_on_unheard);
    tcase_add_test(t, the_error_of_a_forgotten_handler_is_reported_once);
    tcase_add_test(t, all_are_cancelled_at_once_and_forgotten_ones_too);
    tcase_add_test(t, handlers_start_in_the_captured_context);
    tcase_add_test(t, awaitables_are_told_from_values);
    return run_tests("drive", t);
}
