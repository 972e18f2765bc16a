"""A guard turns whatever happens to a call into a status, counts it for the breaker, and tries again what may pass."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import stamina

from novamind.errors import (
    DataProcessingError,
    InsufficientDataError,
    ModelInferenceError,
    NotFoundError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.twin import execution
from novamind.twin.breaker import CircuitBreaker, State
from novamind.twin.domain import Status
from novamind.twin.execution import Bulkhead, CallOutcome, Guard
from tests.patience import patient


def guard(attempts: int = 1, failures: int = 1, limit: float = patient(5)) -> Guard:
    return Guard(CircuitBreaker(failures, 60), Bulkhead(), limit, attempts, first_wait=0.0)


def work(*script: Any) -> tuple[Callable[[], Any], list[int]]:
    """Work that gives or raises, call by call, what the script says."""
    calls: list[int] = []

    async def run() -> Any:
        step = script[len(calls)]
        calls.append(len(calls))
        if isinstance(step, Exception):
            raise step
        return step

    return run, calls


def called(around: Guard, *script: Any) -> tuple[CallOutcome, int]:
    run, calls = work(*script)
    return asyncio.run(around.call(run)), len(calls)


@pytest.mark.parametrize(
    ("error", "status", "reason", "state"),
    [
        (ValidationError("wrong"), Status.NO_DATA, "wrong", State.CLOSED),
        (InsufficientDataError("few"), Status.NO_DATA, "few", State.CLOSED),
        (NotFoundError("none"), Status.NO_DATA, "none", State.CLOSED),
        (DataProcessingError("torn"), Status.FAILED, "torn", State.OPEN),
        (ModelInferenceError("bad model"), Status.FAILED, "bad model", State.OPEN),
        (ServiceUnavailableError("away"), Status.FAILED, "away", State.OPEN),
        (ZeroDivisionError("secret"), Status.FAILED, "an error inside the service (ZeroDivisionError)", State.OPEN),
    ],
)
def test_how_each_error_ends_and_whether_the_breaker_counts_it(
    error: Exception, status: Status, reason: str, state: State
) -> None:
    around = guard()
    ended, calls = called(around, error)
    assert ended == CallOutcome(status, None, reason, 1)
    assert calls == 1
    assert around.breaker.state is state


def test_an_answer_is_given_with_how_often_it_was_tried_and_closes_the_breaker() -> None:
    around = guard(failures=2)
    around.breaker.failed()
    assert called(around, 17) == (CallOutcome(Status.AVAILABLE, 17, "", 1), 1)
    around.breaker.failed()
    assert around.breaker.state is State.CLOSED, "the success between them counts"


@pytest.mark.parametrize(
    "error", [ServiceUnavailableError("x"), ModelInferenceError("x"), ConnectionResetError(), BlockingIOError()]
)
def test_what_may_pass_is_tried_again_until_the_tries_are_used_up(error: Exception) -> None:
    assert called(guard(attempts=3), error, error, "well") == (CallOutcome(Status.AVAILABLE, "well", "", 3), 3)
    ended, calls = called(guard(attempts=2), error, error, "well")
    assert (ended.status, ended.attempts, calls) == (Status.FAILED, 2, 2)


@pytest.mark.parametrize("error", [ValidationError("x"), DataProcessingError("x"), KeyError("x"), OSError("x")])
def test_what_will_not_pass_is_tried_once(error: Exception) -> None:
    assert called(guard(attempts=3), error, "well")[1] == 1


def test_bad_input_closes_a_half_open_breaker_since_the_service_answers() -> None:
    clock = [0.0]
    around = Guard(CircuitBreaker(1, 10, lambda: clock[0]), Bulkhead(), patient(5), 1)
    around.breaker.failed()
    clock[0] = 10
    assert called(around, ValidationError("x"))[0].status is Status.NO_DATA
    assert around.breaker.state is State.CLOSED


def test_an_open_breaker_says_for_how_long_and_nothing_is_run() -> None:
    around = guard()
    around.breaker.failed()
    ended, calls = called(around, "well")
    assert ended == CallOutcome(Status.UNAVAILABLE, None, "left alone for 60 s after repeated failures", 0)
    assert calls == 0


def test_what_hangs_is_given_up_and_counted_as_a_failure() -> None:
    free = threading.Event()
    around = guard(limit=0.05)

    async def hang() -> None:
        free.wait(patient(30))

    ended = asyncio.run(around.call(hang))
    free.set()
    assert ended == CallOutcome(Status.TIMED_OUT, None, "no answer within 0.05 s", 1)
    assert around.breaker.state is State.OPEN


def test_a_caller_who_goes_away_leaves_no_probe_behind_that_blocks_the_next() -> None:
    clock = [0.0]
    around = Guard(CircuitBreaker(1, 10, lambda: clock[0]), Bulkhead(), patient(30), 1)
    around.breaker.failed()
    clock[0] = 10
    free, inside = threading.Event(), threading.Event()

    async def hang() -> None:
        inside.set()
        free.wait(patient(30))

    async def leave() -> None:
        asking = asyncio.ensure_future(around.call(hang))
        assert await asyncio.to_thread(inside.wait, patient(10))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(leave())
    free.set()
    assert around.breaker.state is State.OPEN
    clock[0] = 20
    assert around.breaker.allow()


def test_a_bulkhead_has_so_many_threads_and_no_more() -> None:
    """Two at once where there are two threads: a third waits until one of them is free."""
    inside, free = threading.Semaphore(0), threading.Event()

    async def hang() -> str:
        inside.release()
        free.wait(patient(30))
        return "done"

    bulkhead = Bulkhead(2)
    before = threading.active_count()
    ends = [bulkhead.submit(hang) for _ in range(4)]
    assert inside.acquire(timeout=patient(5))
    assert inside.acquire(timeout=patient(5))
    assert threading.active_count() - before == 2
    assert not inside.acquire(timeout=0.05)
    assert ends[3].cancel(), "what has not begun can still be taken back"
    free.set()
    assert [end.result(patient(5)) for end in ends[:3]] == ["done"] * 3
    assert all(one.daemon for one in threading.enumerate() if one.name == "novamind-bulkhead")


def test_a_bulkhead_by_itself_has_four_threads_and_outlives_every_error() -> None:
    bulkhead = Bulkhead()
    assert bulkhead._threads == 4

    async def exits() -> None:
        raise SystemExit(3)

    async def well() -> int:
        return 1

    for _ in range(5):
        assert isinstance(bulkhead.submit(exits).exception(patient(5)), SystemExit)
    assert bulkhead.submit(well).result(patient(5)) == 1


def test_the_limits_that_hold_where_nobody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    around = Guard(CircuitBreaker(), Bulkhead())
    right = stamina.retry_context

    def noted(**how: Any) -> Any:
        asked.append(how)
        return right(**how)

    monkeypatch.setattr(execution.stamina, "retry_context", noted)
    called(around, 1)
    assert asked == [
        {
            "on": (ServiceUnavailableError, ModelInferenceError, ConnectionError, BlockingIOError),
            "attempts": 3,
            "timeout": 15.0,
            "wait_initial": 0.1,
            "wait_max": 2.0,
            "wait_jitter": 0.1,
        }
    ]


def test_nothing_of_an_error_is_written_by_the_library_that_tries_again() -> None:
    assert stamina.instrumentation.get_on_retry_hooks() == ()
