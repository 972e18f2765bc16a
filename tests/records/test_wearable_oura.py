"""Oura, field by field: what each collection holds, and when."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from novamind.records.wearables import oura
from novamind.records.wearables.samples import Tally

START = "2024-05-01T00:10:00+05:30"
AT = datetime(2024, 4, 30, 18, 40)  # noqa: DTZ001 - in UTC


def rows(document: Any) -> tuple[list[tuple[Any, ...]], dict[str, int]]:
    tally = Tally()
    found = [
        (number, signal, start, (end - start).total_seconds() if start else None, value, unit)
        for batch in oura.json_batches("f", document, tally)
        for number, signal, start, end, value, unit in batch.samples.select(
            "row", "signal", "start", "end", "value", "unit"
        ).rows()
    ]
    return found, tally.unread


def of(signal: str, document: Any) -> list[tuple[Any, ...]]:
    return [row[2:] for row in rows(document)[0] if row[1] == signal]


def night(**more: Any) -> dict[str, Any]:
    return {"bedtime_start": START, "bedtime_end": "2024-05-01T08:10:00+05:30", "type": "long_sleep"} | more


def minutes(count: float) -> datetime:
    return AT + timedelta(minutes=count)


def test_the_night_as_a_whole() -> None:
    told = {
        "total_sleep_duration": 27_000,
        "latency": 600,
        "efficiency": 93,
        "average_breath": 14.5,
        "lowest_heart_rate": 48,
    }
    found, unread = rows([night(**told)])
    assert unread == {}
    assert found == [
        (1, "sleep_in_bed", AT, 28_800.0, 0.0, "min"),
        (1, "sleep_duration", AT, 0.0, 27_000.0, "s"),
        (1, "sleep_latency", AT, 0.0, 600.0, "s"),
        (1, "sleep_efficiency", AT, 0.0, 93.0, "%"),
        (1, "respiratory_rate", AT, 0.0, 14.5, "breaths/min"),
        (1, "resting_heart_rate", AT, 0.0, 48.0, "bpm"),
    ]
    assert [row[1] for row in rows([night()])[0]] == ["sleep_in_bed"]
    zero = rows([night(latency=0)])[0]
    assert zero[1][4] == 0.0


@pytest.mark.parametrize("kind", ["deleted", "rest"])
def test_what_is_no_sleep(kind: str) -> None:
    assert rows([night(type=kind)]) == ([], {})
    assert len(rows([night(type=None)])[0]) == 1


def test_stages_of_five_minutes_run_together() -> None:
    found, _ = rows([night(sleep_phase_5_min="4421133x2")])
    assert [(signal, start, length) for _, signal, start, length, _, _ in found[1:]] == [
        ("sleep_awake", minutes(0), 600.0),
        ("sleep_asleep", minutes(10), 300.0), ("sleep_light", minutes(10), 300.0),
        ("sleep_asleep", minutes(15), 600.0), ("sleep_deep", minutes(15), 600.0),
        ("sleep_asleep", minutes(25), 600.0), ("sleep_rem", minutes(25), 600.0),
        ("sleep_asleep", minutes(40), 300.0), ("sleep_light", minutes(40), 300.0),
    ]  # fmt: skip


def test_what_was_measured_in_the_night_keeps_its_own_interval() -> None:
    beats = {"timestamp": START, "interval": 300, "items": [None, 52, 0, 50.5]}
    assert of("heart_rate", [night(heart_rate=beats)]) == [
        (minutes(5), 0.0, 52.0, "bpm"), (minutes(10), 0.0, 0.0, "bpm"), (minutes(15), 0.0, 50.5, "bpm"),
    ]  # fmt: skip
    assert of("hrv_rmssd", [night(hrv={"timestamp": START, "interval": 60, "items": [40, 41]})]) == [
        (minutes(0), 0.0, 40.0, "ms"), (minutes(1), 0.0, 41.0, "ms"),
    ]  # fmt: skip
    assert of("hrv_rmssd", [night(hrv={"timestamp": START, "items": [40, 41]})])[1][0] == minutes(0)
    assert of("hrv_rmssd", [night(hrv={"timestamp": 7, "interval": 60, "items": [40]})])[0][0] is None
    assert of("hrv_rmssd", [night(hrv={"timestamp": START, "items": None})]) == of("hrv_rmssd", [night(hrv=[40])]) == []


DAY = {"day": "2024-05-01"}
MIDNIGHT = datetime(2024, 5, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"bpm": 61, "timestamp": START}, [("heart_rate", AT, 0.0, 61.0, "bpm")]),
        (
            {"equivalent_walking_distance": 6000, "steps": 8000, "active_calories": 300, "total_calories": 2100, **DAY},
            [
                ("daily_steps", MIDNIGHT, 86_400.0, 8000.0, "count"),
                ("daily_distance", MIDNIGHT, 86_400.0, 6000.0, "m"),
                ("daily_active_energy", MIDNIGHT, 86_400.0, 300.0, "kcal"),
                ("daily_total_energy", MIDNIGHT, 86_400.0, 2100.0, "kcal"),
            ],
        ),
        ({"equivalent_walking_distance": 5, "timestamp": START, **DAY}, [("daily_distance", AT, 86_400.0, 5.0, "m")]),
        ({"equivalent_walking_distance": None, **DAY}, []),
        (
            {"temperature_deviation": -0.2, "score": 80, **DAY},
            [
                ("readiness_score", MIDNIGHT, 0.0, 80.0, "score"),
                ("skin_temperature_deviation", MIDNIGHT, 0.0, -0.2, "°C"),
            ],
        ),
        (
            {"temperature_deviation": None, "score": 80, "timestamp": START, **DAY},
            [("readiness_score", AT, 0.0, 80.0, "score")],
        ),
        ({"spo2_percentage": {"average": 96.5}, **DAY}, [("oxygen_saturation", MIDNIGHT, 0.0, 96.5, "%")]),
        ({"spo2_percentage": {"average": 0}, **DAY}, []),
        ({"spo2_percentage": None, **DAY}, []),
        ({"vo2_max": 41, **DAY}, [("vo2_max", MIDNIGHT, 0.0, 41.0, "mL/kg/min")]),
        ({"vo2_max": 41, "timestamp": START, **DAY}, [("vo2_max", AT, 0.0, 41.0, "mL/kg/min")]),
        ({"vo2_max": None, **DAY}, []),
    ],
)
def test_each_collection(document: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    found, unread = rows({"x": {"data": [document]}})
    assert ([row[1:] for row in found], unread) == (expected, {})


@pytest.mark.parametrize(
    ("document", "known"),
    [
        ({"data": [night()]}, True),
        ({"sleep": {"data": [night()]}}, True),
        ([night()], True),
        ({"sleep": [night()]}, True),
        ({"other": [7], "heartrate": [{"bpm": 60}]}, True),
        ({"data": []}, False),
        ([], False),
        ({"data": [7]}, False),
        ({"a": 7}, False),
        (7, False),
        ({"data": [{"mood": 3}]}, False),
        ({"data": [{"mood": 3}, night()]}, False),
    ],
)
def test_which_documents_are_ouras(document: Any, known: bool) -> None:
    assert oura.document_recognised(document) is known


@pytest.mark.parametrize(
    ("mark", "collection"),
    [
        ("bedtime_start", "sleep"), ("bpm", "heartrate"), ("equivalent_walking_distance", "daily_activity"),
        ("temperature_deviation", "daily_readiness"), ("spo2_percentage", "daily_spo2"), ("vo2_max", "vO2_max"),
        ("mood", None),
    ],
)  # fmt: skip
def test_which_collection_a_document_belongs_to(mark: str, collection: str | None) -> None:
    assert oura.collection_of({mark: None}) == collection
    assert oura.collection_of([mark]) is None


def test_documents_are_numbered_through_all_collections_and_others_are_counted() -> None:
    document = {
        "heartrate": [{"bpm": 60, "timestamp": START}, {"mood": 3}],
        "b": {"data": [{"bpm": 61, "timestamp": START}]},
    }
    found, unread = rows(document)
    assert ([row[0] for row in found], unread) == ([1, 3], {"Oura document of another kind": 1})
    (batch,) = oura.json_batches("f", document, Tally())
    assert (batch.file, batch.samples["source"].unique().to_list()) == ("f", ["Oura"])
