/* test_loop.c -- the contract of loop.h, as the server uses it: from libev's
 * callbacks, from the ring, with the loop hidden. */
#include "embed.h"
#include "run.h"

#include <check.h>

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

int
main(void)
{
    TCase *t = tcase_create("loop");

    tcase_add_checked_fixture(t, embed_setup, embed_teardown);
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
    return run_tests("loop", t);
}
