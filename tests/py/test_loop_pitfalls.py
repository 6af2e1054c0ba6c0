"""Every known pitfall of an event loop like ours has a test.

The first table is the list of what goes wrong with loops and driven tasks
from the application's side, the second what was found while such loops were
built and measured (in ours and in others').  A line names the tests that fail
when the pitfall is back; what is checked here is that they are still there.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

AWAIT, END = "py/test_drive_await.py", "py/test_drive_end.py"
LIFE, TASK = "py/test_drive_life.py", "py/test_drive_task.py"
CORE, FILES = "py/test_loop_core.py", "py/test_loop_files.py"
PROCESS, STREAMS = "py/test_loop_process.py", "py/test_loop_transports.py"
STORIES, SERVED = "stories.py", "serve/test_loop_stories.py"
START = "serve/test_loop_start.py"
CLIENTS, THREADS = "serve/test_clients.py", "serve/test_loop_threads.py"
LEAKS, FORKS = "serve/test_leaks_await.py", "serve/test_forks.py"
GONE, HANDLERS = "serve/test_disconnect.py", "serve/test_handlers.py"
PROCESSES, SUITE = "serve/test_processes.py", "py/test_asyncio_suite.py"
UNIT_LOOP, UNIT_DRIVE = "unit/aio/test_loop.c", "unit/aio/test_drive.c"

Table = dict[int, tuple[str, list[tuple[str, str]]]]

APPLICATIONS: Table = {
    1: (
        "timeouts, nested, and while CancelledError is caught",
        [
            (TASK, "a_timeout_before_the_first_wait_and_after"),
            (TASK, "nested_timeouts_end_the_right_one"),
            (TASK, "a_handler_that_catches_its_cancellation_may_wait_again"),
            (STORIES, "timeout_nested"),
            (STORIES, "timeout_caught_and_awaited_again"),
        ],
    ),
    2: (
        "TaskGroup, gather, wait, shield; cancelling the parent",
        [
            (TASK, "a_failing_child_interrupts_the_body_of_its_group"),
            (TASK, "gather_wait_and_shield"),
            (TASK, "cancelling_the_parent_cancels_what_it_waits_for"),
            (STORIES, "task_group"),
            (STORIES, "gather_and_shield"),
        ],
    ),
    3: (
        "cancel before, in and after the first wait; messages; uncancel",
        [
            (TASK, "cancelled_by_itself_before_the_first_wait"),
            (TASK, "cancelled_by_itself_at_a_bare_yield"),
            (TASK, "cancelled_from_outside_with_a_message"),
            (TASK, "cancel_that_is_taken_back_is_not_delivered_from_3_13_on"),
            (TASK, "cancel_while_the_wake_up_is_already_queued"),
            (TASK, "cancel_after_the_end_is_refused"),
        ],
    ),
    4: (
        "contexts: not the next request's, not the server's, inherited",
        [
            (LIFE, "variables_of_one_request_are_not_seen_by_the_next"),
            (
                LIFE,
                "handlers_see_what_start_up_has_set_and_not_who_starts_them",
            ),
            (LIFE, "tasks_and_middleware_share_and_inherit_the_context"),
            (SERVED, "variables_of_a_request_stay_in_it"),
        ],
    ),
    5: (
        "tasks that are used again although somebody kept them",
        [
            (LIFE, "nothing_of_a_task_is_left_for_the_next_request"),
            (LIFE, "a_kept_task_is_finished_like_any"),
            (LIFE, "a_weak_reference_dies_with_the_request"),
            (AWAIT, "other_tasks_may_await_a_handlers_task"),
        ],
    ),
    6: (
        "exceptions: reported once, interrupts leave, done callbacks",
        [
            (AWAIT, "an_exception_is_handed_over_once_and_never_logged"),
            (AWAIT, "interrupts_leave_the_loop"),
            (AWAIT, "an_error_in_a_done_callback_is_reported"),
            (
                CORE,
                "errors_of_callbacks_are_reported_once_and_the_loop_goes_on",
            ),
            (SERVED, "a_handler_that_asks_the_process_to_end_costs_one_worker"),
        ],
    ),
    7: (
        "other loops' futures, generators, itself, plain objects",
        [
            (AWAIT, "wrong_yields_raise_in_asyncios_words_and_can_be_caught"),
            (STORIES, "bad_yields"),
        ],
    ),
    8: (
        "futures written in Python",
        [(AWAIT, "a_future_written_in_python_is_waited_for")],
    ),
    9: (
        "all_tasks(), names, repr and stack while it waits",
        [
            (TASK, "names_repr_stack_and_coro_are_those_of_a_task"),
            (END, "all_tasks_of_one_loop_are_not_those_of_another"),
            (STORIES, "is_among_all_tasks"),
        ],
    ),
    10: (
        "pending tasks at shutdown: cancelled, awaited with a limit, closed",
        [
            (END, "waiting_handlers_are_cancelled_and_waited_for"),
            (END, "closing_a_loop_closes_what_still_waits"),
            (SERVED, "handlers_that_wait_are_cancelled_at_the_deadline"),
            (SERVED, "background_tasks_end_with_the_worker"),
        ],
    ),
    11: (
        "async generators: finalised, and closed when the client goes",
        [
            (END, "async_generators_are_closed"),
            (STORIES, "generator_left_in_the_middle"),
            (SERVED, "a_stream_is_closed_in_its_context_when_the_client_goes"),
        ],
    ),
    12: (
        "executors, to_thread, subprocesses, signals, DNS",
        [
            (END, "executors_threads_dns_and_subprocesses"),
            (END, "signals_reach_a_handler"),
            (CLIENTS, "fifty_handlers_with_a_client_at_once"),
            (SERVED, "signals_of_the_application_reach_it"),
        ],
    ),
    13: (
        "anyio: groups, scopes, threads, the portal",
        [
            (END, "anyio"),
            (CLIENTS, "fifty_handlers_with_a_client_at_once"),
        ],
    ),
    14: (
        "a file closed while it is watched, its number used again at once",
        [
            (FILES, "a_closed_fd_harms_nobody"),
            (FILES, "a_number_used_again_gets_its_events"),
            (FILES, "a_duplicate_of_a_closed_fd_does_not_keep_the_loop_awake"),
            (
                FILES,
                "the_new_owner_of_a_number_is_heard_beside_a_stale_duplicate",
            ),
            (
                STREAMS,
                "a_socket_closed_behind_it_sends_nothing_to_the_next_file",
            ),
        ],
    ),
    15: (
        "callbacks from callbacks, callbacks without end, 10,000 of them",
        [
            (CORE, "a_callback_from_a_callback_runs_in_the_next_turn"),
            (CORE, "a_callback_that_adds_itself_does_not_starve_io_or_timers"),
            (CORE, "ready_callbacks_delay_io_by_no_more_than_one_turn"),
            (SERVED, "a_busy_loop_still_accepts_reads_and_answers"),
        ],
    ),
    16: (
        "call_soon_threadsafe after close, and in a signal handler",
        [
            (PROCESS, "threadsafe_calls_after_close_raise"),
            (PROCESS, "signal_handlers_run_and_threadsafe_works_in_them"),
        ],
    ),
    17: (
        "run_until_complete in start-up; stop() by the application",
        [
            (START, "start_up_cannot_run_the_loop_a_second_time"),
            (SERVED, "a_handler_that_stops_the_loop_does_not_stop_the_service"),
            (END, "stop_called_by_a_handler_ends_the_turn_only"),
        ],
    ),
    18: (
        "asyncio.run() in a handler",
        [
            (AWAIT, "a_nested_run_fails_with_asyncios_own_error"),
            (STORIES, "run_inside"),
            (STORIES, "run_until_complete_inside"),
        ],
    ),
    19: (
        "greenlets switch stacks in the middle of a step",
        [
            (END, "greenlets_may_switch_inside_a_step"),
            (CLIENTS, "fifty_handlers_with_a_client_at_once"),
        ],
    ),
    20: (
        "debug mode",
        [
            (SERVED, "stories_end_the_same_in_debug_mode"),
            (CORE, "debug_mode_knows_the_thread_and_slow_callbacks"),
            (PROCESS, "debug_mode_may_be_switched_while_the_loop_runs"),
        ],
    ),
}

LOOPS: Table = {
    1: (
        "current_task() differs before and after a wait, or is no Task",
        [(TASK, "the_current_task_is_one_task_from_first_to_last")],
    ),
    2: (
        "timeouts that never fire, or leave cancelling() above zero",
        [
            (TASK, "a_timeout_before_the_first_wait_and_after"),
            (TASK, "nested_timeouts_end_the_right_one"),
            (STORIES, "wait_for"),
        ],
    ),
    3: (
        "a child of a TaskGroup fails, and the body goes on",
        [
            (TASK, "a_failing_child_interrupts_the_body_of_its_group"),
            (STORIES, "task_group_fails"),
        ],
    ),
    4: (
        "an exception is caught, and the next wait hangs",
        [
            (
                TASK,
                "an_exception_of_a_future_may_be_caught_and_waiting_goes_on",
            ),
        ],
    ),
    5: (
        "cancelled before the first wait; uncancel; the message",
        [
            (TASK, "cancelled_by_itself_before_the_first_wait"),
            (TASK, "cancelled_from_outside_with_a_message"),
            (STORIES, "cancel_itself"),
        ],
    ),
    6: (
        "variables leak into the next request or from who reads",
        [
            (LIFE, "variables_of_one_request_are_not_seen_by_the_next"),
            (
                LIFE,
                "handlers_see_what_start_up_has_set_and_not_who_starts_them",
            ),
            (SERVED, "variables_of_a_request_stay_in_it"),
            (START, "a_request_after_a_paused_upload_has_a_fresh_context"),
        ],
    ),
    7: (
        "a task keeps a name, a count, an attribute, a callback, a message",
        [(LIFE, "nothing_of_a_task_is_left_for_the_next_request")],
    ),
    8: (
        '"never retrieved" for what the server has logged',
        [(AWAIT, "an_exception_is_handed_over_once_and_never_logged")],
    ),
    9: (
        "interrupts that are swallowed in C",
        [
            (AWAIT, "interrupts_leave_the_loop"),
            (CORE, "interrupts_leave_run_forever_and_lose_nothing"),
            (STREAMS, "interrupts_in_protocols_leave_the_loop"),
            (UNIT_LOOP, "an_interrupt_in_a_libev_callback_leaves_run_forever"),
        ],
    ),
    10: (
        "what is yielded: None, futures of every kind, anything else",
        [
            (AWAIT, "wrong_yields_raise_in_asyncios_words_and_can_be_caught"),
            (AWAIT, "a_future_written_in_python_is_waited_for"),
            (AWAIT, "a_future_that_wakes_twice_wakes_once"),
        ],
    ),
    11: (
        "the ring drops the only reference of a task",
        [
            (UNIT_DRIVE, "a_forgotten_handler_goes_on_unheard"),
            (UNIT_DRIVE, "all_are_cancelled_at_once_and_forgotten_ones_too"),
            (TASK, "cancel_while_the_wake_up_is_already_queued"),
        ],
    ),
    12: (
        "_add_callback is not ours: signals are lost",
        [
            (PROCESS, "signal_handlers_run_and_threadsafe_works_in_them"),
            (SUITE, "cpythons_tests_of_asyncio_pass_on_the_loop"),
        ],
    ),
    13: (
        "libev aborts the process on a closed file",
        [(FILES, "a_closed_fd_harms_nobody")],
    ),
    14: (
        "a number used again gets no events",
        [(FILES, "a_number_used_again_gets_its_events")],
    ),
    15: (
        "timers: early, late after the first was cancelled, out of order",
        [
            (CORE, "timers_are_never_early"),
            (
                CORE,
                "the_next_timer_is_waited_for_after_the_first_was_cancelled",
            ),
            (CORE, "timers_run_in_order_of_time_and_equal_ones_as_made"),
        ],
    ),
    16: (
        "a wake-up is missed between the look at the ring and the wait",
        [
            (PROCESS, "calls_from_threads_wake_the_loop"),
            (PROCESS, "executor_round_trips_miss_no_wake_up"),
        ],
    ),
    17: (
        "no root task: anyio starts a thread for every request",
        [(START, "anyio_uses_its_threads_again")],
    ),
    18: (
        "libev reaps children that are not its own",
        [
            (PROCESS, "children_belong_to_who_started_them"),
            (STORIES, "exit_codes"),
        ],
    ),
    19: (
        "synchronous handlers see a running loop",
        [
            (SERVED, "sync_handlers_see_no_running_loop"),
            (UNIT_LOOP, "inline_code_sees_no_loop_and_what_follows_does"),
        ],
    ),
    20: (
        "a child of a fork keeps the clients' connections open",
        [
            (FORKS, "a_forked_child_keeps_no_connection_open"),
            (PROCESS, "a_forked_child_does_not_touch_its_parents_files"),
        ],
    ),
    21: (
        "the GIL is held while threads of the pool are joined",
        [
            (THREADS, "the_server_ends_while_threads_are_busy"),
            (PROCESS, "the_gil_is_given_away_for_waits_and_for_nothing_else"),
        ],
    ),
    22: (
        "starvation by sleep(0), pipelining, accepting",
        [
            (SERVED, "a_busy_loop_still_accepts_reads_and_answers"),
            (CORE, "a_callback_that_adds_itself_does_not_starve_io_or_timers"),
            (UNIT_LOOP, "skipped_polls_still_come_to_files"),
        ],
    ),
    23: (
        "loops and handles that nobody frees",
        [
            (PROCESS, "a_closed_loop_is_freed_with_all_it_held"),
            (PROCESS, "a_loop_that_nobody_closed_is_collected"),
            (LEAKS, "waiting_leaves_nothing_behind"),
            (STREAMS, "messages_leave_no_objects_behind"),
        ],
    ),
    24: (
        "a handler ends its connection or the loop inside libev's callback",
        [
            (SERVED, "a_handler_that_stops_the_loop_does_not_stop_the_service"),
            (SERVED, "a_handler_can_see_that_its_client_is_gone"),
            (GONE, "a_handler_is_cancelled_when_that_was_asked_for"),
        ],
    ),
    25: (
        "run_until_complete() in an async handler",
        [
            (STORIES, "run_until_complete_inside"),
            (PROCESS, "nested_runs_fail_with_asyncios_own_errors"),
        ],
    ),
    26: (
        "memory is mapped for every recv()",
        [(PROCESS, "messages_are_received_into_small_buffers")],
    ),
    27: (
        "debug mode crashes or does otherwise",
        [
            (SERVED, "stories_end_the_same_in_debug_mode"),
            (STREAMS, "transports_do_as_asyncios_do"),
        ],
    ),
    28: (
        "a task factory is not asked",
        [(END, "a_task_factory_sees_every_handler")],
    ),
    29: (
        "create_task() with the arguments of each version",
        [(PROCESS, "create_task_takes_the_arguments_of_its_version")],
    ),
    30: (
        "eager starts from another thread",
        [
            (END, "an_eager_task_factory_answers_at_once"),
            (CORE, "debug_mode_knows_the_thread_and_slow_callbacks"),
            (PROCESS, "loops_in_threads_do_not_meet"),
        ],
    ),
    31: (
        "greenlets switch the C stack",
        [(END, "greenlets_may_switch_inside_a_step")],
    ),
    32: (
        "LIBEV_FLAGS selects another backend",
        [(PROCESS, "the_environment_does_not_choose_the_backend")],
    ),
    33: (
        "tests that trust reference counts of one object",
        [(LIFE, "many_handlers_leave_no_objects_behind")],
    ),
}


def names_in(path: Path) -> set[str]:
    """What the file tests, without the prefix that pytest needs."""
    text = path.read_text()
    if path.suffix == ".c":
        return set(re.findall(r"START_TEST\((\w+)\)", text))
    return {
        node.name.removeprefix("test_")
        for node in ast.parse(text).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


@pytest.mark.parametrize(
    ("table", "count"),
    [(APPLICATIONS, 20), (LOOPS, 33)],
    ids=["applications", "loops"],
)
def test_every_pitfall_has_a_test(table: Table, count: int) -> None:
    assert list(table) == list(range(1, count + 1))
    known = {}
    missing = []
    for number, (what, tests) in table.items():
        assert tests, what
        for file, name in tests:
            if file not in known:
                known[file] = names_in(TESTS / file)
            if name not in known[file]:
                missing.append(f"{number} ({what}): {file}: {name}")
    assert not missing, "\n".join(missing)
