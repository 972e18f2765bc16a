"""Fitbit and Withings against recorded answers on loopback, and how far each device is fetched."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from novamind.errors import (
    AuthenticationError,
    DataProcessingError,
    InsufficientDataError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.records.wearables import read_wearables, withings_api
from novamind.records.wearables.connectors import FitbitConnector, WithingsConnector
from novamind.records.wearables.sync import SyncState, synchronise
from tests.records.maker_input import read, utc
from tests.records.maker_server import MakerServer, maker_server
from tests.records.wearable_input import export_file

START, END = date(2024, 5, 1), date(2024, 5, 2)
EPOCH = datetime(2024, 5, 1, 6, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[MakerServer]:
    with maker_server() as running:
        yield running


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


FITBIT: dict[str, Any] = {
    "/1.2/user/-/sleep": {"sleep": [{
        "dateOfSleep": "2024-05-02", "startTime": "2024-05-01T23:30:00.000", "endTime": "2024-05-02T06:30:00.000",
        "minutesAsleep": 390, "efficiency": 93}]},
    "/1/user/-/activities/heart": {"activities-heart": [{"dateTime": "2024-05-01", "value": {"restingHeartRate": 58}}]},
    "/1/user/-/activities/steps": {"activities-steps": [{"dateTime": "2024-05-01", "value": "8000"}]},
    "/1/user/-/activities/distance": {"activities-distance": []},
    "/1/user/-/activities/calories": {"activities-calories": []},
    "/1/user/-/hrv": {"hrv": [{"dateTime": "2024-05-02", "value": {"dailyRmssd": 41.5}}]},
    "/1/user/-/br": {"br": []},
    "/1/user/-/spo2": [{"dateTime": "2024-05-02", "value": {"avg": 96.1, "min": 93, "max": 99}}],
    "/1/user/-/temp/skin": {"tempSkin": []},
}  # fmt: skip


def fitbit(server: MakerServer) -> FitbitConnector:
    server.documents = lambda path, _query: (200, FITBIT[path.partition("/date/")[0]])
    return FitbitConnector("access-1", base_url=server.url, attempts=1)


def test_fitbits_series_read_as_an_export(server: MakerServer, tmp_path: Path) -> None:
    with fitbit(server) as connector:
        documents = connector.documents(START, END)
    file = tmp_path / "fitbit.json"
    file.write_text(json.dumps(documents))
    frame = read_wearables(file, timezone="Europe/Berlin").frame
    rows = dict(frame.select("signal", "value").rows())
    assert {name: rows[name] for name in ("daily_steps", "resting_heart_rate", "sleep_duration", "sleep_in_bed")} == {
        "daily_steps": 8_000, "resting_heart_rate": 58, "sleep_duration": 390, "sleep_in_bed": 420,
    }  # fmt: skip
    assert {96.1, 41.5} <= set(rows.values())
    assert {path.rsplit("/date/")[1] for path, _ in server.asked} == {"2024-05-01/2024-05-02.json"}
    assert len(server.asked) == len(FITBIT)


def test_a_long_span_is_asked_for_in_months(server: MakerServer) -> None:
    with fitbit(server) as connector:
        connector.documents(date(2024, 1, 1), date(2024, 2, 5))
    asked = [path.rsplit("/date/")[1] for path, _ in server.asked if "/hrv/" in path]
    assert asked == ["2024-01-01/2024-01-30.json", "2024-01-31/2024-02-05.json"]


@pytest.mark.parametrize("answer", [{"sleep": 7}, {}, [7], 7])
def test_an_answer_of_another_form_is_refused(server: MakerServer, answer: Any) -> None:
    server.documents = lambda _path, _query: (200, answer)
    with (
        FitbitConnector("access-1", base_url=server.url, attempts=1) as connector,
        pytest.raises(DataProcessingError, match="its interface has changed"),
    ):
        connector.documents(START, END)


WEIGHT = {
    "date": seconds(EPOCH),
    "attrib": 0,
    "timezone": "America/New_York",
    "measures": [
        {"value": 652, "unit": -1, "type": 1},
        {"value": 20_500, "unit": -3, "type": 6},
        {"value": 7, "unit": 0, "type": 99},
    ],
}
TYPED_IN = {"date": seconds(EPOCH), "attrib": 2, "measures": [{"value": 121, "unit": 0, "type": 10}]}
DAY = {"date": "2024-05-01", "timezone": "Europe/Paris", "steps": 8_000, "distance": 6_000.5, "brand": 18}
NIGHT = {"startdate": seconds(EPOCH), "enddate": seconds(EPOCH + timedelta(hours=8)), "timezone": "Europe/Paris",
         "date": "2024-05-01", "data": {"total_sleep_time": 25_200, "sleep_efficiency": 0.91, "hr_average": 55,
                                        "sleep_score": None, "unknown": 3}}  # fmt: skip
ACCOUNT = {"timezone": "Europe/Paris", "measuregrps": [WEIGHT, TYPED_IN], "activities": [DAY], "series": [NIGHT]}


def withings(server: MakerServer, *pages: dict[str, Any]) -> WithingsConnector:
    answers = {"getmeas": list(pages) or [{"measuregrps": [WEIGHT], "timezone": "Europe/Paris"}],
               "getactivity": [{"activities": [DAY]}], "getsummary": [{"series": [NIGHT], "more": False}]}  # fmt: skip
    server.documents = lambda _path, query: (200, {"status": 0, "body": answers[query["action"]].pop(0)})
    return WithingsConnector("access-1", base_url=server.url, attempts=1)


def test_withings_documents_read_as_an_export(server: MakerServer, tmp_path: Path) -> None:
    with withings(server) as connector:
        documents = connector.documents(START, END)
    assert documents == {
        "measuregrps": [WEIGHT], "activities": [DAY], "series": [NIGHT], "timezone": "Europe/Paris"
    }  # fmt: skip
    forms = {form["action"]: form for _, form in server.asked}
    assert (forms["getmeas"]["startdate"], forms["getmeas"]["enddate"]) == (
        str(seconds(datetime(2024, 5, 1, tzinfo=UTC))), str(seconds(datetime(2024, 5, 3, tzinfo=UTC))))  # fmt: skip
    assert forms["getsummary"]["startdateymd"] == "2024-05-01"
    assert "sleep_score" in forms["getsummary"]["data_fields"]
    file = tmp_path / "withings.json"
    file.write_text(json.dumps(documents))
    record = read_wearables(file)
    assert record.frame.filter(signal="weight").select("timestamp", "value", "utc_offset_minutes").rows() == [
        (utc(2024, 5, 1, 2), 65.2, -240)
    ]


def test_pages_are_followed_and_circles_end(server: MakerServer) -> None:
    page = {"measuregrps": [WEIGHT], "more": 1}
    with withings(server, page | {"offset": 1}, page | {"offset": 2}, {"measuregrps": [], "more": 0}) as connector:
        assert len(connector.documents(START, END)["measuregrps"]) == 2
    assert [form.get("offset") for _, form in server.asked if form["action"] == "getmeas"] == [None, "1", "2"]
    for circle in ([page | {"offset": 1}] * 2, [page]):
        with withings(server, *circle) as connector, pytest.raises(DataProcessingError, match="without end"):
            connector.documents(START, END)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 401, "body": {}}, AuthenticationError), ({"status": 601}, ServiceUnavailableError),
        ({"status": 2555}, ServiceUnavailableError), ({"status": 503}, DataProcessingError), ([], DataProcessingError),
        ({"status": 0, "body": {"measuregrps": {}}}, DataProcessingError),
    ],
)  # fmt: skip
def test_withings_says_in_the_answer_what_went_wrong(server: MakerServer, answer: Any, error: type[Exception]) -> None:
    server.documents = lambda _path, _query: (200, answer)
    with WithingsConnector("access-1", base_url=server.url, attempts=1) as connector, pytest.raises(error):
        connector.documents(START, END)


class TestAnswersOfWithings:
    def test_measures_days_and_nights(self) -> None:
        found = read(withings_api, "w.json", ACCOUNT)
        assert found.clocks == {"offset"}
        at, midnight = utc(2024, 5, 1, 6), utc(2024, 4, 30, 22)
        assert found.rows("signal", "start", "value", "unit", device="wearable", row=1, offset=-14_400) == [
            ("weight", at, pytest.approx(65.2), "kg"), ("body_fat", at, pytest.approx(20.5), "%"),
        ]  # fmt: skip
        assert found.rows("signal", "value", "offset", device="manual") == [("blood_pressure_systolic", 121.0, 7_200)]
        assert found.rows("signal", "start", "value", "offset", row=3) == [
            ("daily_steps", midnight, 8_000.0, 7_200), ("daily_distance", midnight, 6_000.5, 7_200),
        ]  # fmt: skip
        night = {"start": utc(2024, 5, 1, 6), "end": utc(2024, 5, 1, 14)}
        assert found.values(**night) == {
            "sleep_in_bed": 0, "sleep_duration": 25_200, "sleep_efficiency": 0.91, "daily_heart_rate": 55,
        }  # fmt: skip
        assert found.left_out() == {"sleep_score": 1}
        assert found.tally.unread == {"Withings measure of another kind": 1, "Withings unknown": 1}

    def test_an_answer_as_it_came(self) -> None:
        found = read(withings_api, "w.json", {"status": 0, "body": {"measuregrps": [TYPED_IN]}})
        assert found.clocks == {"utc"}  # no place is named: it is asked for

    @pytest.mark.parametrize(
        "document",
        [
            {"measuregrps": []},
            {"activities": [{"steps": 1}]},
            {"series": [{"x": 1}]},
            {"status": 0, "body": 7},
            [ACCOUNT],
        ],
    )
    def test_other_documents(self, document: Any) -> None:
        assert not withings_api.recognised(export_file("w.json", json.dumps(document)))


NOW = datetime(2024, 5, 20, 9)  # noqa: DTZ001 - the person's clock


class TestSync:
    def test_the_first_fetch_asks_for_all_and_the_next_for_what_may_have_changed(self) -> None:
        state = SyncState("Oura", "ring")
        assert state.span(date(2024, 1, 1), NOW.date()) == (date(2024, 1, 1), date(2024, 5, 20))
        spans: list[tuple[date, date]] = []

        class Fake:
            def documents(self, start: date, end: date) -> dict[str, Any]:
                spans.append((start, end))
                return {"sleep": []}

        documents, state = synchronise(Fake(), state, first_day=date(2024, 5, 1), now=NOW)
        assert documents == {"sleep": []}
        assert (state.complete_until, state.fetched_at, state.failure) == (date(2024, 5, 19), NOW, None)
        synchronise(Fake(), state, first_day=date(2024, 5, 1), now=NOW + timedelta(days=2))
        assert spans == [(date(2024, 5, 1), date(2024, 5, 20)), (date(2024, 5, 17), date(2024, 5, 22))]

    def test_a_failure_keeps_the_state_and_says_why_without_stopping_other_devices(self, server: MakerServer) -> None:
        server.valid = set()
        before = SyncState("Fitbit", "wrist", date(2024, 5, 10), NOW)
        with FitbitConnector("access-1", base_url=server.url, attempts=1) as connector:
            documents, state = synchronise(connector, before, first_day=date(2024, 5, 1), now=NOW)
        assert documents is None
        assert (state.complete_until, state.fetched_at) == (date(2024, 5, 10), NOW)
        assert state.failure == "the wearable's service refuses the access token: renew it"
        with fitbit(server) as connector:
            server.valid = {"access-1"}
            documents, state = synchronise(connector, state, first_day=date(2024, 5, 1), now=NOW)
        assert (documents is not None, state.failure) == (True, None)
        assert server.asked[0][0].endswith("/2024-05-08/2024-05-20.json")

    @pytest.mark.parametrize(
        "state",
        [SyncState("Oura", "ring"), SyncState("Oura", "ring", date(2024, 5, 1), NOW, "x"),
         SyncState("Oura", "ring", date(2024, 5, 1), EPOCH)],
    )  # fmt: skip
    def test_a_state_is_kept_as_json(self, state: SyncState) -> None:
        assert SyncState.from_dict(json.loads(json.dumps(state.to_dict()))) == state

    @pytest.mark.parametrize(
        "values", [{}, {"service": "x"}, SyncState("a", "b").to_dict() | {"complete_until": "soon"}]
    )
    def test_a_state_of_another_form_is_refused(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="begin the sync anew"):
            SyncState.from_dict(values)

    def test_the_first_day_may_lie_ahead(self) -> None:
        assert SyncState("Oura", "ring").span(date(2024, 6, 1), NOW.date()) == (NOW.date(), NOW.date())
        later = SyncState("Oura", "ring", date(2024, 5, 30))
        assert later.span(date(2024, 5, 1), NOW.date()) == (NOW.date(), NOW.date())


def test_an_answer_of_withings_without_documents_is_withings_and_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "withings.json"
    file.write_text(json.dumps({"measuregrps": [], "activities": [], "series": [], "timezone": "Europe/Berlin"}))
    with pytest.raises(InsufficientDataError, match=r"holds no samples \(Withings \(API\)\)"):
        read_wearables(file)
    assert not withings_api.recognised(export_file("a.json", '{"series": [], "activities": []}'))
