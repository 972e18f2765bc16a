"""A forecast is computed once for a question, kept until the record changes or the day does, and never unseen."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest

from novamind.errors import AuthorizationError, InsufficientDataError, NotFoundError, ServiceUnavailableError
from novamind.records.tables.frames import SeriesKey
from novamind.server import forecast_cache
from novamind.server.forecast_cache import ForecastCache
from novamind.symptoms.endpoints import ForecastsBody
from tests.server.parts import ADMIN, NOBODYS, P, Q
from tests.twin.people import forecast


class Made(list[Any]):
    """Forecasts made by hand."""

    skipped: ClassVar = {SeriesKey("p", "craving"): "too few reports"}


MADE = Made([forecast([5.0] * 20)])


class Clinic:
    """Who may, the revision, the forecast: each as a test sets it."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.at: Any = 7
        self.made: Any = MADE
        self.told: Any = None

    async def revision(self, *asked: Any) -> Any:
        self.calls.append(("revision", *asked))
        return "access", self._given(self.at)

    async def forecast(self, *asked: Any) -> Any:
        self.calls.append(("forecast", *asked))
        return self._given(self.made)

    async def note_forecast_read(self, *asked: Any) -> None:
        self.calls.append(("note_forecast_read", *asked))
        self._given(self.told)

    @property
    def computed(self) -> int:
        return sum(call[0] == "forecast" for call in self.calls)

    @staticmethod
    def _given(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value


class Shelf:
    """Keeps what it is given, under all that it is given with it."""

    def __init__(self) -> None:
        self.kept: dict[Any, bytes] = {}

    async def get(self, *key: Any) -> bytes | None:
        return self.kept.get(key)

    async def put(self, *key: Any, value: bytes) -> None:
        self.kept[key] = value


class SessionLookup(datetime):
    """A clock that stands still until it is moved."""

    at = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        assert tz is UTC
        return cls.at


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[SessionLookup]:
    monkeypatch.setattr(forecast_cache, "datetime", SessionLookup)
    monkeypatch.setattr(SessionLookup, "at", SessionLookup.at)
    return SessionLookup


def cache(clinic: Clinic, shelf: Shelf | None = None, version: str = "m-1") -> ForecastCache:
    return ForecastCache(clinic, shelf or Shelf(), version)  # type: ignore[arg-type]


def asked(
    one: ForecastCache,
    patient_id: UUID = P,
    horizon: int = 14,
    threshold: float | None = 10.0,
    who: Any = ADMIN,
    **explain: bool,
) -> bytes:
    return asyncio.run(one.json(who, patient_id, horizon, threshold, **explain))


def test_one_question_is_computed_once_and_the_audit_is_told_of_a_kept_answer() -> None:
    clinic, shelf = Clinic(), Shelf()
    one = cache(clinic, shelf)
    first = asked(one)
    assert first == ForecastsBody.of(MADE, 10.0).model_dump_json().encode()  # type: ignore[arg-type]
    told = json.loads(first)
    assert told["forecasts"][0]["risk"]["threshold"] == 10.0
    assert clinic.calls == [("revision", ADMIN, P), ("forecast", ADMIN, P, 14)], "reading is in the audit already"
    assert shelf.kept == {(P, 7, "forecast", "m-1", "2026-03-01", "14", "10.0", "False"): first}
    clinic.calls.clear()
    assert asked(one) == first
    assert clinic.calls == [("revision", ADMIN, P), ("note_forecast_read", "access", P)]


def test_a_series_that_is_not_forecast_is_named_with_its_reason() -> None:
    told = json.loads(asked(cache(Clinic())))
    assert told["skipped"] == [{"symptom": "craving", "patient_id": "p", "reason": "too few reports"}]


@pytest.mark.parametrize(
    "other",
    [{"patient_id": Q}, {"horizon": 7}, {"threshold": None}, {"threshold": 11.0}, {"explain": True}],
    ids=lambda one: str(*one),
)
def test_another_question_is_computed_anew_and_both_are_kept(other: dict[str, Any]) -> None:
    clinic = Clinic()
    one = cache(clinic)
    for _ in range(2):
        asked(one)
        asked(one, **other)
    assert clinic.computed == 2


def test_a_change_of_the_record_makes_another_forecast() -> None:
    clinic = Clinic()
    one = cache(clinic)
    asked(one)
    clinic.at = 8
    asked(one)
    asked(one)
    assert clinic.computed == 2


def test_a_forecast_of_yesterday_is_none_of_today(clock: type[SessionLookup]) -> None:
    clinic = Clinic()
    one = cache(clinic)
    asked(one)
    clock.at = datetime(2026, 3, 2, tzinfo=UTC)
    asked(one)
    clock.at = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
    asked(one)
    assert clinic.computed == 2


def test_another_model_never_answers_from_an_earlier_ones_forecast() -> None:
    clinic, shelf = Clinic(), Shelf()
    for version in ("m-1", "m-2", "m-1"):
        asked(cache(clinic, shelf, version))
    assert clinic.computed == 2


@pytest.mark.parametrize("error", [AuthorizationError("x"), NotFoundError("x"), ServiceUnavailableError("x")])
def test_who_may_not_see_the_record_sees_no_kept_forecast(error: Exception) -> None:
    clinic = Clinic()
    one = cache(clinic)
    asked(one)
    clinic.at = error
    clinic.calls.clear()
    with pytest.raises(type(error)):
        asked(one, who=NOBODYS)
    assert clinic.calls == [("revision", NOBODYS, P)], "whoever asks is looked at each time"


def test_what_the_audit_cannot_be_told_of_is_not_handed_out() -> None:
    clinic = Clinic()
    one = cache(clinic)
    asked(one)
    clinic.told = ServiceUnavailableError("the audit does not answer")
    with pytest.raises(ServiceUnavailableError):
        asked(one)


def test_a_failure_is_not_kept() -> None:
    clinic, shelf = Clinic(), Shelf()
    one = cache(clinic, shelf)
    clinic.made = InsufficientDataError("there are no symptom reports yet")
    with pytest.raises(InsufficientDataError):
        asked(one)
    assert shelf.kept == {}
    clinic.made = MADE
    asked(one)
    assert (clinic.computed, len(shelf.kept)) == (2, 1)
