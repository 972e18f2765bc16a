"""Guarded execution of one analysis: its own threads, a time limit, retries, a circuit breaker."""

import asyncio
import queue
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any

import stamina
import stamina.instrumentation

from novamind.errors import (
    InsufficientDataError,
    ModelInferenceError,
    NotFoundError,
    NovamindError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.twin.breaker import CircuitBreaker
from novamind.twin.domain import Status

#: Errors that may be gone at the next try.
TRANSIENT = (ServiceUnavailableError, ModelInferenceError, ConnectionError, BlockingIOError)
_BAD_INPUT = (ValidationError, InsufficientDataError, NotFoundError)

# stamina's own hook logs the error as it is, which may hold a person's values.
stamina.instrumentation.set_on_retry_hooks(())

Work = Callable[[], Coroutine[Any, Any, Any]]


class Bulkhead:
    """A few daemon threads for one service: when it hangs, only these hang, and the process can still end."""

    def __init__(self, threads: int = 4) -> None:
        self._threads, self._started = threads, 0
        self._waiting: queue.SimpleQueue[tuple[Work, Future[Any]]] = queue.SimpleQueue()
        self._lock = Lock()

    def submit(self, work: Work) -> Future[Any]:
        """Run a coroutine to its end in one of the threads, and return its future."""
        future: Future[Any] = Future()
        self._waiting.put((work, future))
        with self._lock:
            if self._started < self._threads:
                self._started += 1
                Thread(target=self._serve, name="novamind-bulkhead", daemon=True).start()
        return future

    def _serve(self) -> None:
        while True:
            work, future = self._waiting.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(asyncio.run(work()))
            except BaseException as error:  # noqa: BLE001 - the bulkhead: whatever happens inside stays with this call
                future.set_exception(error)


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """Outcome of a call."""

    status: Status
    value: Any = None
    reason: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Guard:
    """Protection of one service.

    Parameters
    ----------
    limit_seconds
        For the whole call with its retries.
    attempts
        How often a transient error is tried in all; the waits between grow from ``first_wait`` with jitter.
    """

    breaker: CircuitBreaker
    bulkhead: Bulkhead
    limit_seconds: float = 15.0
    attempts: int = 3
    first_wait: float = 0.1

    async def call(self, work: Work) -> CallOutcome:
        """Run the work and return how it ended; a failure becomes a status with a reason, never an exception."""
        if not self.breaker.allow():
            rest = f"left alone for {self.breaker.rest_seconds:g} s after repeated failures"
            return CallOutcome(Status.UNAVAILABLE, reason=rest)
        tries = [0]
        settled = False
        try:
            value = await asyncio.wait_for(self._retried(work, tries), self.limit_seconds)
        except TimeoutError:
            self.breaker.failed()
            settled = True
            return CallOutcome(Status.TIMED_OUT, reason=f"no answer within {self.limit_seconds:g} s", attempts=tries[0])
        except _BAD_INPUT as error:
            self.breaker.succeeded()
            settled = True
            return CallOutcome(Status.NO_DATA, reason=str(error), attempts=tries[0])
        except NovamindError as error:
            self.breaker.failed()
            settled = True
            return CallOutcome(Status.FAILED, reason=str(error), attempts=tries[0])
        except Exception as error:  # noqa: BLE001 - an accident in one service must not take the others down
            self.breaker.failed()
            settled = True
            # The message may hold a person's values; the kind of error does not.
            reason = f"an error inside the service ({type(error).__name__})"
            return CallOutcome(Status.FAILED, reason=reason, attempts=tries[0])
        else:
            self.breaker.succeeded()
            settled = True
            return CallOutcome(Status.AVAILABLE, value, attempts=tries[0])
        finally:
            if not settled:  # cancelled from outside: a probe must not block the next one
                self.breaker.failed()

    async def _retried(self, work: Work, tries: list[int]) -> Any:
        async for attempt in stamina.retry_context(
            on=TRANSIENT,
            attempts=self.attempts,
            timeout=self.limit_seconds,
            wait_initial=self.first_wait,
            wait_max=2.0,
            wait_jitter=self.first_wait,
        ):
            with attempt:
                tries[0] += 1
                return await asyncio.wrap_future(self.bulkhead.submit(work))
        raise ServiceUnavailableError("the service was not tried")
