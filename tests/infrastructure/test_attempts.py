"""Attempts are counted for one what and one who, in windows that end at their moment."""

from datetime import timedelta

import pytest

from novamind.infrastructure.identity.attempts import AttemptCounter, TooManyAttemptsError
from novamind.infrastructure.identity.tables import Attempts
from tests.infrastructure.clinic import Clinic, Clock

MINUTE = timedelta(seconds=60)


@pytest.fixture
def attempts(clinic: Clinic, clock: Clock) -> AttemptCounter:
    del clock
    return clinic.identity.attempts


def refused(clinic: Clinic, what: str, who: str, limit: int) -> int | None:
    """After how many seconds it is worth trying again; none if it is let pass."""
    try:
        clinic.run(clinic.identity.attempts.check(what, who, limit))
    except TooManyAttemptsError as error:
        return error.seconds if str(error) == "too many attempts; wait before you try again" else -1
    return None


def test_a_check_refuses_at_the_limit_and_not_below_it(clinic: Clinic, attempts: AttemptCounter) -> None:
    assert refused(clinic, "login", "ada", 1) is None
    assert [clinic.run(attempts.count("login", "ada", MINUTE)) for _ in range(3)] == [1, 2, 3]
    assert refused(clinic, "login", "ada", 4) is None
    assert refused(clinic, "login", "ada", 3) == 61
    assert refused(clinic, "login", "ada", 2) == 61
    assert refused(clinic, "login", "bob", 1) is None
    assert refused(clinic, "client", "ada", 1) is None


def test_a_window_begins_with_its_first_attempt_and_is_over_at_its_end(
    clinic: Clinic, clock: Clock, attempts: AttemptCounter
) -> None:
    clinic.run(attempts.count("login", "ada", MINUTE))
    clock.move(30)
    assert clinic.run(attempts.count("login", "ada", MINUTE)) == 2
    assert refused(clinic, "login", "ada", 2) == 31
    clock.move(29.5)
    assert refused(clinic, "login", "ada", 2) == 1
    assert clinic.run(attempts.count("login", "ada", MINUTE)) == 3
    clock.move(0.5)
    assert refused(clinic, "login", "ada", 2) is None
    assert clinic.run(attempts.count("login", "ada", MINUTE)) == 1
    assert refused(clinic, "login", "ada", 1) == 61


def test_taking_lets_as_many_pass_as_the_limit_says(clinic: Clinic, clock: Clock, attempts: AttemptCounter) -> None:
    for _ in range(3):
        clinic.run(attempts.take("emergency", "ada", 3, MINUTE))
    for _ in range(2):
        with pytest.raises(TooManyAttemptsError):
            clinic.run(attempts.take("emergency", "ada", 3, MINUTE))
    clinic.run(attempts.take("emergency", "bob", 3, MINUTE))
    clock.move(60)
    clinic.run(attempts.take("emergency", "ada", 3, MINUTE))


def test_after_a_success_counting_begins_anew_for_this_one_alone(clinic: Clinic, attempts: AttemptCounter) -> None:
    for who in ("ada", "ada", "bob"):
        clinic.run(attempts.count("login", who, MINUTE))
    clinic.run(attempts.forget("login", "ada"))
    clinic.run(attempts.forget("client", "bob"))
    assert clinic.run(attempts.count("login", "ada", MINUTE)) == 1
    assert clinic.run(attempts.count("login", "bob", MINUTE)) == 2


def test_something_comes_once_until_its_time_and_what_is_over_is_swept(
    clinic: Clinic, clock: Clock, attempts: AttemptCounter
) -> None:
    def first(what: str, who: str) -> bool:
        async def work() -> bool:
            async with clinic.foundation.database.transaction() as session:
                return await attempts.once(session, what, who, clock.at + MINUTE)

        came = clinic.run(work())
        assert isinstance(came, bool)
        return came

    clinic.run(attempts.count("login", "ada", timedelta(seconds=20)))
    assert [first("hook", "a"), first("hook", "a"), first("hook", "b"), first("passkey", "a")] == [
        True,
        False,
        True,
        True,
    ]
    (row,) = [row for row in clinic.rows(Attempts) if row.digest == attempts._digest("hook", "a")]
    assert (row.count, row.ends_at) == (1, clock.at + MINUTE)
    assert len(clinic.rows(Attempts)) == 4
    clock.move(20)
    assert not first("hook", "a")
    assert len(clinic.rows(Attempts)) == 3
    clock.move(40)
    assert first("hook", "a")
    assert len(clinic.rows(Attempts)) == 1


def test_who_tried_what_is_kept_as_a_keyed_digest(clinic: Clinic, attempts: AttemptCounter) -> None:
    clinic.run(attempts.count("login", "ada", MINUTE))
    (row,) = clinic.rows(Attempts)
    assert row.digest == clinic.foundation.index.keyed("attempts", "login", "ada")
