"""Fitbit, file by file: series, days, nights and tables."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import fitbit
from novamind.records.wearables.samples import Batch, Tally

AT = datetime(2023, 7, 1, 6)  # noqa: DTZ001


def shown(batches: list[Batch]) -> list[tuple[Any, ...]]:
    return [
        (number, signal, start, None if start is None else (end - start).total_seconds(), value, unit)
        for batch in batches
        for number, signal, start, end, value, unit in batch.samples.select(
            "row", "signal", "start", "end", "value", "unit"
        ).rows()
    ]


def rows(name: str, document: Any) -> tuple[list[tuple[Any, ...]], list[str], dict[str, int]]:
    tally = Tally()
    batches = list(fitbit.json_batches(name, document, tally))
    assert {(b.file, *b.samples["source"].unique()) for b in batches} <= {(name, "Fitbit")}
    return shown(batches), [b.clock for b in batches], tally.unread


@pytest.mark.parametrize(
    ("name", "signal", "seconds", "unit"),
    [
        ("heart_rate-2023-07-01.json", "heart_rate", 0, "bpm"),
        ("steps-2023-07-01.json", "steps", 60, "count"),
        ("distance-2023-07-01.json", "distance", 60, "cm"),
        ("calories-2023-07-01.json", "total_energy", 60, "kcal"),
        ("resting_heart_rate-2023.json", "resting_heart_rate", 0, "bpm"),
        ("a/b/Fitbit_Steps-1.json", "steps", 60, "count"),
    ],
)
def test_a_series_is_told_by_its_name(name: str, signal: str, seconds: int, unit: str) -> None:
    entry = {"dateTime": "07/01/23 06:00:00", "value": "61"}
    clock = "local" if signal == "resting_heart_rate" else "utc"
    assert rows(name, [entry]) == ([(1, signal, AT, float(seconds), 61.0, unit)], [clock], {})
    wall = {"dateTime": "2023-07-01T06:00:00", "value": 61}
    assert rows(name, [wall]) == ([(1, signal, AT, float(seconds), 61.0, unit)], ["local"], {})
    assert fitbit.document_recognised(name, [entry])


def test_values_inside_a_series() -> None:
    def entry(value: Any, minute: int = 0) -> dict[str, Any]:
        return {"dateTime": f"07/01/23 06:{minute:02d}:00", "value": value}

    beats = [entry({"bpm": 61, "confidence": 1}), entry({"bpm": 70, "confidence": 0}, 1), entry({"bpm": 62}, 2), 7]
    found, clocks, unread = rows("heart_rate-1.json", beats)
    assert [(row[0], row[4]) for row in found] == [(1, 61.0), (3, 62.0), (4, None)]
    assert (clocks, unread) == (["utc"], {"Fitbit heart rate without confidence": 1})
    steps, _, _ = rows(
        "steps-1.json", [entry({"bpm": 5, "confidence": 0}), entry({"value": 6}), entry({"bpm": 1, "value": 2})]
    )
    assert [row[4] for row in steps] == [5.0, 6.0, 1.0]
    days = [entry({"value": 0.0}), entry({"value": None}, 1), entry(0, 2), entry({"value": 55.5}, 3), entry(54, 4)]
    resting, _, unread = rows("resting_heart_rate-1.json", days)
    assert [(row[0], row[4]) for row in resting] == [(4, 55.5), (5, 54.0)]
    assert unread == {"Fitbit day without resting heart rate": 3}
    assert rows("steps-1.json", [entry(0)])[0][0][4] == 0.0


def test_the_archives_time_is_month_day_year() -> None:
    found, _, _ = rows(
        "steps-1.json", [{"dateTime": "12/31/09 23:59:58", "value": 1}, {"dateTime": "2/31/9", "value": 1}]
    )
    assert [row[2] for row in found] == [datetime(2009, 12, 31, 23, 59, 58), None]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("key", "entry", "signal", "seconds", "unit"),
    [
        ("activities-steps", {"value": "61"}, "daily_steps", 86_400, "count"),
        ("activities-distance", {"value": "61"}, "daily_distance", 86_400, "km"),
        ("activities-calories", {"value": "61"}, "daily_total_energy", 86_400, "kcal"),
        ("activities-floors", {"value": "61"}, "daily_floors", 86_400, "count"),
        ("activities-heart", {"value": {"restingHeartRate": 61}}, "resting_heart_rate", 0, "bpm"),
        ("hrv", {"value": {"dailyRmssd": 61, "deepRmssd": 1}}, "hrv_rmssd", 0, "ms"),
        ("br", {"value": {"breathingRate": 61}}, "respiratory_rate", 0, "breaths/min"),
        ("tempSkin", {"value": {"nightlyRelative": 61}}, "skin_temperature_deviation", 0, "°C"),
        ("spo2", {"value": {"avg": 61, "min": 1}}, "oxygen_saturation", 0, "%"),
    ],
)
def test_each_day_of_the_web_api(key: str, entry: dict[str, Any], signal: str, seconds: int, unit: str) -> None:
    document = {key: [{"dateTime": "2023-07-01"} | entry]}
    midnight = datetime(2023, 7, 1)  # noqa: DTZ001
    assert rows("x.json", document) == ([(1, signal, midnight, float(seconds), 61.0, unit)], ["local"], {})
    assert fitbit.document_recognised("x.json", document)
    broken, _, unread = rows("x.json", {key: [{"dateTime": "2023-07-01", "value": 7}, 7]})
    if key == "activities-heart":
        assert (broken, unread) == ([], {"Fitbit day without resting heart rate": 2})
    else:
        assert [row[0] for row in broken] == [1, 2]
    assert rows("x.json", {key: {"value": 7}}) == ([], [], {})


@pytest.mark.parametrize(
    ("key", "signal", "seconds", "unit"),
    [
        ("activities-heart", "heart_rate", 0, "bpm"), ("activities-steps", "steps", 60, "count"),
        ("activities-distance", "distance", 60, "km"), ("activities-calories", "total_energy", 60, "kcal"),
    ],
)  # fmt: skip
def test_each_minute_of_the_web_api_stands_on_the_day_of_its_answer(
    key: str, signal: str, seconds: int, unit: str
) -> None:
    minutes = {"dataset": [{"time": "06:00:00", "value": 3}, {"time": "06:01:00", "value": 4}], "datasetInterval": 1}
    document = {key: [{"dateTime": "2023-07-01", "value": {}}], f"{key}-intraday": minutes}
    found = [row for row in rows("x.json", document)[0] if row[1] == signal]
    assert found == [
        (1, signal, AT, float(seconds), 3.0, unit),
        (2, signal, AT + timedelta(minutes=1), float(seconds), 4.0, unit),
    ]
    with pytest.raises(ValidationError, match=f"x.json: '{key}-intraday' has times without a day"):
        rows("x.json", {f"{key}-intraday": minutes})
    assert fitbit.document_recognised("x.json", {f"{key}-intraday": minutes})
    assert rows("x.json", {f"{key}-intraday": None}) == ([], [], {})


def night(*data: tuple[int, int, str], short: tuple[tuple[int, int, str], ...] = (), **more: Any) -> dict[str, Any]:
    def parts(spans: Any) -> list[dict[str, Any]]:
        return [
            {"dateTime": (AT + timedelta(minutes=m)).isoformat(), "seconds": 60 * n, "level": lv} for m, n, lv in spans
        ]

    return {
        "dateOfSleep": "2023-07-01", "startTime": AT.isoformat(), "endTime": (AT + timedelta(hours=8)).isoformat(),
        "minutesAsleep": 420, "levels": {"data": parts(data), "shortData": parts(short)},
    } | more  # fmt: skip


def stages(*data: tuple[int, int, str], short: tuple[tuple[int, int, str], ...] = ()) -> list[tuple[str, float, float]]:
    found, _, _ = rows("sleep-1.json", [night(*data, short=short)])
    return sorted(
        (signal, (start - AT).total_seconds() / 60, length / 60) for _, signal, start, length, _, _ in found[2:]
    )


def test_a_night() -> None:
    found, clocks, unread = rows("sleep-1.json", [night(efficiency=93), night(minutesAsleep=0, levels=None)])
    assert (clocks, unread) == (["local"], {})
    assert found == [
        (1, "sleep_in_bed", AT, 28_800.0, 0.0, "min"),
        (1, "sleep_duration", AT, 0.0, 420.0, "min"),
        (1, "sleep_efficiency", AT, 0.0, 93.0, "%"),
        (2, "sleep_in_bed", AT, 28_800.0, 0.0, "min"),
        (2, "sleep_duration", AT, 0.0, 0.0, "min"),
    ]
    assert rows("x.json", {"sleep": [night(efficiency=93)]})[0] == found[:3]


@pytest.mark.parametrize(
    ("level", "signals"),
    [
        ("light", ["sleep_asleep", "sleep_light"]), ("deep", ["sleep_asleep", "sleep_deep"]),
        ("rem", ["sleep_asleep", "sleep_rem"]), ("asleep", ["sleep_asleep"]), ("wake", ["sleep_awake"]),
        ("awake", ["sleep_awake"]), ("restless", ["sleep_awake"]), ("unknown", []),
    ],
)  # fmt: skip
def test_each_level_of_sleep(level: str, signals: list[str]) -> None:
    assert stages((5, 30, level)) == [(signal, 5, 30) for signal in signals]


@pytest.mark.parametrize(
    ("short", "asleep", "awake"),
    [
        ((), [(10, 30)], []),
        (((20, 5, "wake"),), [(10, 10), (25, 15)], [(20, 5)]),
        (((10, 5, "wake"),), [(15, 25)], [(10, 5)]),
        (((35, 5, "wake"),), [(10, 25)], [(35, 5)]),
        (((5, 10, "wake"),), [(15, 25)], [(5, 10)]),
        (((35, 10, "wake"),), [(10, 25)], [(35, 10)]),
        (((0, 10, "wake"), (40, 5, "wake")), [(10, 30)], [(0, 10), (40, 5)]),
        (((0, 60, "wake"),), [], [(0, 60)]),
        (((30, 2, "wake"), (15, 5, "wake")), [(10, 5), (20, 10), (32, 8)], [(15, 5), (30, 2)]),
        (((15, 10, "wake"), (20, 10, "wake")), [(10, 5), (30, 10)], [(15, 10), (20, 10)]),
    ],
)
def test_a_short_awakening_is_cut_out_of_its_stage(
    short: tuple[tuple[int, int, str], ...], asleep: list[tuple[int, int]], awake: list[tuple[int, int]]
) -> None:
    found = stages((10, 30, "deep"), short=short)
    assert [(start, length) for signal, start, length in found if signal == "sleep_deep"] == asleep
    assert [(start, length) for signal, start, length in found if signal == "sleep_asleep"] == asleep
    assert [(start, length) for signal, start, length in found if signal == "sleep_awake"] == awake


def test_an_awakening_inside_a_waking_stage_takes_nothing_from_it() -> None:
    for level in ("wake", "awake"):
        assert stages((10, 30, level), short=((20, 5, "wake"),)) == [("sleep_awake", 10, 30), ("sleep_awake", 20, 5)]
    assert stages((10, 30, "restless"), short=((20, 5, "wake"),)) == [
        ("sleep_awake", 10, 10), ("sleep_awake", 20, 5), ("sleep_awake", 25, 15),
    ]  # fmt: skip


def test_a_part_of_a_night_without_a_time_or_length_counts_nothing() -> None:
    broken = [
        {"dateTime": None, "seconds": 60, "level": "deep"},
        {"dateTime": AT.isoformat(), "seconds": None, "level": "deep"},
    ]
    found, _, _ = rows("sleep-1.json", [night(levels={"data": broken, "shortData": None})])
    assert [row[1] for row in found] == ["sleep_in_bed", "sleep_duration"]


@pytest.mark.parametrize(
    ("name", "column", "signal", "unit"),
    [
        ("Daily Heart Rate Variability Summary - 2023-07-(1).csv", "rmssd", "hrv_rmssd", "ms"),
        ("Heart Rate Variability Details - 2023-07-01.csv", "rmssd", "hrv_rmssd", "ms"),
        ("Daily SpO2 - 2023-07-01.csv", "average_value", "oxygen_saturation", "%"),
        ("a/Minute SpO2 - 2023-07-01.csv", "value", "oxygen_saturation", "%"),
        ("Daily Respiratory Rate Summary - 2023.csv", "daily_respiratory_rate", "respiratory_rate", "breaths/min"),
    ],
)
def test_each_table_of_takeout(name: str, column: str, signal: str, unit: str) -> None:
    tally = Tally()
    content = f"\ufefftimestamp,{column},x\n2023-07-01T06:00:00,41.5,9\n2023-07-01T06:05:00,,9\n".encode()
    batches = list(fitbit.table_batches(name, content, tally))
    assert shown(batches) == [(1, signal, AT, 0.0, 41.5, unit), (2, signal, AT + timedelta(minutes=5), 0.0, None, unit)]
    assert tally.unread == {}
    for header in (f"time,{column}", "timestamp,other"):
        with pytest.raises(ValidationError, match=f"the columns 'timestamp' and '{column}' are needed"):
            list(fitbit.table_batches(name, f"{header}\n1,2\n".encode(), tally))
    with pytest.raises(ValidationError, match="is not a readable CSV file: export it again"):
        list(fitbit.table_batches(name, b"\xff", tally))
    assert list(fitbit.table_batches(name, b"", tally)) == []


def test_another_table_is_counted() -> None:
    tally = Tally()
    assert list(fitbit.table_batches("Profile.csv", b"a\n1\n", tally)) == []
    assert tally.unread == {"Fitbit table of another kind": 1}


@pytest.mark.parametrize(
    ("name", "document", "known"),
    [
        ("x.json", [night()], True),
        ("x.json", {"sleep": [night()]}, True),
        ("x.json", {"sleep": []}, False),
        ("x.json", {"sleep": {}}, False),
        ("x.json", {}, False),
        ("steps-1.json", [], False),
        ("steps-1.json", [7], False),
        ("steps-1.json", [{"time": 1}], False),
        ("my-steps-1.json", [{"dateTime": 1}], False),
        ("steps-1.json", 7, False),
        ("steps-1.json", [{"dateTime": 1}], True),
        ("x.json", {"hrv": []}, True),
        ("x.json", [{}], False),
    ],
)
def test_which_documents_are_fitbits(name: str, document: Any, known: bool) -> None:
    assert fitbit.document_recognised(name, document) is known
