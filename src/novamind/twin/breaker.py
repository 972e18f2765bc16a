"""A circuit breaker: a service that keeps failing is left alone for a while, then probed with one call.

Nygard 2018, Release It!, 2nd edition, chapter 5. Bad input is no failure of the service and is not counted.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from threading import Lock


class State(StrEnum):
    """Closed lets calls through, open refuses them, half open lets one through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class CircuitBreaker:
    """Counts failures in a row.

    Parameters
    ----------
    failures
        After how many failures in a row it opens.
    rest_seconds
        How long it stays open before one call may probe the service.
    clock
        Seconds that only go forward.
    """

    def __init__(
        self, failures: int = 3, rest_seconds: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.failures, self.rest_seconds, self._clock = failures, rest_seconds, clock
        self._in_a_row = 0
        self._opened: float | None = None
        self._probing = False
        self._lock = Lock()

    @property
    def state(self) -> State:
        """Return the present state."""
        with self._lock:
            return self._state()

    def _state(self) -> State:
        if self._opened is None:
            return State.CLOSED
        return State.HALF_OPEN if self._clock() - self._opened >= self.rest_seconds else State.OPEN

    def allow(self) -> bool:
        """Return whether a call may go through; in the half-open state only the first one may."""
        with self._lock:
            state = self._state()
            if state is State.HALF_OPEN and not self._probing:
                self._probing = True
                return True
            return state is State.CLOSED

    def succeeded(self) -> None:
        """Note that a call came back. A call that was refused for its input counts: the service answered."""
        with self._lock:
            self._in_a_row, self._opened, self._probing = 0, None, False

    def failed(self) -> None:
        """Note that a call failed or took too long."""
        with self._lock:
            self._in_a_row += 1
            if self._probing or self._in_a_row >= self.failures:
                self._opened = self._clock()
            self._probing = False
