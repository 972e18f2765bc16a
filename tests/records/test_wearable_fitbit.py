"""Fitbit's JSON, file by file: series, days and nights."""

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
    return (
        shown(batches),
        [b.clock for b in batches],
        {e["signal"]: e["rows"] for e in tally.left_out_rows()} | tally.unread,
    )


@pytest.mark.parametrize(
    ("name", "signal", "seconds", "unit"),
    [
        ("heart_rate-2023-07-01.json", "heart_rate", 0, "bpm"),
        ("steps-2023-07-01.json", "steps", 60, "count"),
        ("distance-2023-07-01.json", "distance", 60, "cm"),
        ("calories-2023-07-01.json", "total_energy", 60, "kcal"),
        ("resting_heart_rate-2023.json", "resting_heart_rate", 86_400, "bpm"),
        ("demographic_vo2_max-2023.json", "vo2_max", 86_400, "mL/kg/min"),
        ("a/b/Fitbit_Steps-1.json", "steps", 60, "count"),
    ],
)
def test_a_series_is_told_by_its_name(name: str, signal: str, seconds: int, unit: str) -> None:
    entry = {"dateTime": "07/01/23 06:00:00", "value": "61"}
    clock = "utc" if signal in ("heart_rate", "steps", "distance") else "local"
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
    assert (clocks, unread) == (["utc"], {"heart_rate": 1})
    steps, _, _ = rows(
        "steps-1.json", [entry({"bpm": 5, "confidence": 0}), entry({"value": 6}), entry({"bpm": 1, "value": 2})]
    )
    assert [row[4] for row in steps] == [5.0, 6.0, 1.0]
    days = [entry({"value": 0.0}), entry({"value": None}, 1), entry(0, 2), entry({"value": 55.5}, 3), entry(54, 4)]
    resting, _, unread = rows("resting_heart_rate-1.json", days)
    assert [(row[0], row[4]) for row in resting] == [(4, 55.5), (5, 54.0)]
    assert unread == {"resting_heart_rate": 3}
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
        ("activities-heart", {"value": {"restingHeartRate": 61}}, "resting_heart_rate", 86_400, "bpm"),
        ("hrv", {"value": {"dailyRmssd": 61, "deepRmssd": 1}}, "daily_hrv_rmssd", 86_400, "ms"),
        ("br", {"value": {"breathingRate": 61}}, "daily_respiratory_rate", 86_400, "breaths/min"),
        ("tempSkin", {"value": {"nightlyRelative": 61}}, "skin_temperature_deviation", 86_400, "°C"),
        ("spo2", {"value": {"avg": 61, "min": 1}}, "daily_oxygen_saturation", 86_400, "%"),
    ],
)
def test_each_day_of_the_web_api(key: str, entry: dict[str, Any], signal: str, seconds: int, unit: str) -> None:
    document = {key: [{"dateTime": "2023-07-01"} | entry]}
    midnight = datetime(2023, 7, 1)  # noqa: DTZ001
    assert rows("x.json", document) == ([(1, signal, midnight, float(seconds), 61.0, unit)], ["local"], {})
    assert fitbit.document_recognised("x.json", document)
    broken, _, unread = rows("x.json", {key: [{"dateTime": "2023-07-01", "value": 7}, 7]})
    if key == "activities-heart":
        assert (broken, unread) == ([], {"resting_heart_rate": 2})
    else:
        assert [row[0] for row in broken] == [1, 2]
    assert rows("x.json", {key: {"value": 7}, "summary": {}}) == ([], [], {f"Fitbit {key}": 1})


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


def test_the_minutes_of_a_night_in_an_answer() -> None:
    minutes = [{"minute": f"2023-07-01T06:0{n}:00.000", "value": {"rmssd": 20.5 + n, "coverage": 1}} for n in (0, 5)]
    document = {"hrv": [{"dateTime": "2023-07-01", "minutes": minutes}], "other": [1]}
    found, _, unread = rows("x.json", document)
    assert [row[:5] for row in found] == [
        (1, "hrv_rmssd", AT, 0.0, 20.5), (1, "hrv_rmssd", AT + timedelta(minutes=5), 0.0, 25.5),
    ]  # fmt: skip
    assert unread == {"Fitbit other": 1}
    spo2 = {"spo2": [{"dateTime": "2023-07-01", "minutes": [{"minute": "2023-07-01T06:00:00", "value": 95.2}]}]}
    assert rows("x.json", spo2)[0] == [(1, "oxygen_saturation", AT, 0.0, 95.2, "%")]
    whole_night = {"value": {"fullSleepSummary": {"breathingRate": 17.8}, "deepSleepSummary": {"breathingRate": 16}}}
    breaths = rows("x.json", {"br": [{"dateTime": "2023-07-01", **whole_night}]})[0]
    assert [row[1:2] + row[4:5] for row in breaths] == [("daily_respiratory_rate", 17.8)]


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


def test_a_year_of_two_digits_is_not_in_the_future() -> None:
    entries = [{"dateTime": f"06/24/{year} 16:00:10", "value": 1} for year in ("68", "69", "95")]
    found, _, _ = rows("steps-1.json", entries)
    assert [row[2].year for row in found] == [2068, 1969, 1995]


@pytest.mark.parametrize(
    ("interval", "kind", "seconds"),
    [(15, "minute", 900), (1, "minute", 60), (5, "minute", 300), (None, None, 60), (30, "second", 30)],
)
def test_an_interval_keeps_its_length(interval: int | None, kind: str | None, seconds: int) -> None:
    part = {"dataset": [{"time": "06:00:00", "value": 4000}], "datasetInterval": interval, "datasetType": kind}
    document = {"activities-steps": [{"dateTime": "2023-07-01", "value": "4000"}], "activities-steps-intraday": part}
    assert (1, "steps", AT, float(seconds), 4000.0, "count") in rows("x.json", document)[0]
    heart = {"activities-heart": document["activities-steps"], "activities-heart-intraday": part}
    assert [row[3] for row in rows("x.json", heart)[0]] == [0.0]


def test_a_night_typed_in_is_of_another_device() -> None:
    nights = [night(logType="manual"), night(logType="auto_detected"), 7]
    tally = Tally()
    batches = list(fitbit.json_batches("sleep-1.json", nights, tally))
    assert [b.samples["device"].unique().to_list() for b in batches] == [["wearable"], ["manual"]]
    assert [b.samples["row"].unique().to_list() for b in batches] == [[2], [1]]
    assert tally.unread == {"Fitbit sleep of another layout": 1}


@pytest.mark.parametrize("name", ["altitude", "weight", "exercise", "very_active_minutes", "run_vo2_max"])
def test_other_series_are_counted(name: str) -> None:
    assert rows(f"{name}-2023-07-01.json", [{"dateTime": 1}, {"logId": 1}]) == ([], [], {f"Fitbit {name}": 2})


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
        ("exercise-0.json", [{"logId": 1}], True),
        ("stepsize-1.json", [{"dateTime": 1}], False),
        ("steps-1.json", 7, False),
        ("steps-1.json", [{"dateTime": 1}], True),
        ("x.json", {"hrv": []}, True),
        ("x.json", [{}], False),
    ],
)
def test_which_documents_are_fitbits(name: str, document: Any, known: bool) -> None:
    assert fitbit.document_recognised(name, document) is known
