"""The breaker opens after failures in a row, rests, lets one probe through, and closes when it succeeds."""

from hypothesis import given
from hypothesis import strategies as st

from novamind.twin.breaker import CircuitBreaker, State


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_opens_rests_probes_and_closes() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=3, rest_seconds=10, clock=clock)
    for _ in range(3):
        assert breaker.allow()
        breaker.failed()
    assert breaker.state is State.OPEN
    assert not breaker.allow()
    clock.now = 10
    assert breaker.state is State.HALF_OPEN
    assert breaker.allow()
    assert not breaker.allow(), "one probe at a time"
    breaker.failed()
    assert breaker.state is State.OPEN
    clock.now = 20
    assert breaker.allow()
    breaker.succeeded()
    assert breaker.state is State.CLOSED


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = CircuitBreaker(failures=2)
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.state is State.CLOSED


@given(st.lists(st.sampled_from(["ok", "bad", "wait"]), max_size=60))
def test_it_never_lets_a_call_through_while_it_rests(events: list[str]) -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=3, rest_seconds=10, clock=clock)
    in_a_row, opened = 0, None
    for event in events:
        if event == "wait":
            clock.now += 4
            continue
        allowed = breaker.allow()
        assert allowed is (opened is None or clock.now - opened >= 10)
        if not allowed:
            continue
        if event == "ok":
            breaker.succeeded()
            in_a_row, opened = 0, None
        else:
            breaker.failed()
            in_a_row += 1
            if opened is not None or in_a_row >= 3:
                opened = clock.now


def test_by_itself_it_opens_at_the_third_failure_and_rests_half_a_minute() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock=clock)
    assert (breaker.failures, breaker.rest_seconds) == (3, 30.0)
    for state in (State.CLOSED, State.CLOSED, State.OPEN):
        breaker.failed()
        assert breaker.state is state
    clock.now = 29.999
    assert breaker.state is State.OPEN
    assert not breaker.allow()
    clock.now = 30.0
    assert breaker.state is State.HALF_OPEN


def test_the_rest_is_counted_from_the_failure_that_opened_it() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=1, rest_seconds=10, clock=clock)
    clock.now = 100
    breaker.failed()
    clock.now = 109.5
    assert breaker.state is State.OPEN
    clock.now = 110
    assert breaker.allow()
    breaker.failed()  # one failed probe is enough, and the rest begins anew
    clock.now = 119.5
    assert not breaker.allow()
    clock.now = 120
    assert breaker.allow()


def test_after_a_probe_that_came_back_failures_are_counted_from_the_first() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=2, rest_seconds=10, clock=clock)
    breaker.failed()
    breaker.failed()
    clock.now = 10
    assert breaker.allow()
    breaker.succeeded()
    assert breaker.allow()
    assert breaker.allow(), "a closed one lets everybody through, not only one probe"
    breaker.failed()
    assert breaker.state is State.CLOSED
    breaker.failed()
    assert breaker.state is State.OPEN


def test_states_have_the_names_that_people_read() -> None:
    assert [str(state) for state in State] == ["closed", "open", "half open"]
