"""Empatica: sessions that count seconds from their start in UTC, and tables of minutes."""

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import empatica
from tests.records.maker_input import read, utc
from tests.records.wearable_input import export_file

START = "1614556800.00"  # 2021-03-01T00:00:00Z


@pytest.mark.parametrize(
    ("name", "signal", "unit"),
    [
        ("HR.csv", "heart_rate", "bpm"),
        ("EDA.csv", "electrodermal_activity", "µS"),
        ("TEMP.csv", "skin_temperature", "°C"),
    ],
)
@pytest.mark.parametrize("rate", [1, 4])
def test_samples_follow_their_rate(name: str, signal: str, unit: str, rate: int) -> None:
    found = read(empatica, f"1614556800_A00000/{name}", f"{START}\n{rate:.6f}\n61.00\n0.0\n61.50\n")
    assert found.clocks == {"utc"}
    assert found.rows("signal", "start", "end", "value", "unit") == [
        (signal, at := utc(2021, 3, 1, seconds=place / rate), at, value, unit)
        for place, value in enumerate((61.0, 0.0, 61.5))
    ]


def test_beats_are_seconds_after_the_start() -> None:
    found = read(empatica, "IBI.csv", f"{START}, IBI\n10.125,0.812\n10.9375,0.8125\n")
    assert found.rows("signal", "start", "value", "unit") == [
        ("rr_interval", utc(2021, 3, 1, seconds=10.125), 0.812, "s"),
        ("rr_interval", utc(2021, 3, 1, seconds=10.9375), 0.8125, "s"),
    ]


def test_marks_of_the_button() -> None:
    found = read(empatica, "tags.csv", "1614556826.30\n1614556900.00\n")
    assert found.rows("signal", "start", "value") == [
        ("event_mark", utc(2021, 3, 1, seconds=26.3), 1.0), ("event_mark", utc(2021, 3, 1, seconds=100), 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("ACC.csv", f"{START},{START},{START}\n32,32,32\n-11,40,50\n", "holds a raw signal"),
        ("BVP.csv", f"{START}\n64\n0.1\n", "holds a raw signal"),
        ("info.txt", "EDA.csv\nIBI.csv\n", "holds no signal"),
        ("HR.csv", f"{START}\n", "has no start and rate"),
        ("HR.csv", f"{START}\n0\n61\n", "has no start and rate"),
        ("HR.csv", f"{START}\nx\n61\n", "has no start and rate"),
    ],
)
def test_what_is_not_read_says_why(name: str, content: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        read(empatica, name, content)


MINUTES = """timestamp_unix,timestamp_iso,participant_full_id,{column},missing_value_reason
1614556800000,2021-03-01T00:00:00Z,1-1-007,{value},
1614556860000,2021-03-01T00:01:00Z,1-1-007,,device_not_recording
"""


@pytest.mark.parametrize(
    ("column", "value", "signal", "unit"),
    [
        ("pulse_rate_bpm", 61, "heart_rate", "bpm"), ("prv_rmssd_ms", 40.5, "hrv_rmssd", "ms"),
        ("respiratory_rate_brpm", 14, "respiratory_rate", "breaths/min"),
        ("eda_scl_usiemens", 0.4, "electrodermal_activity", "µS"),
        ("temperature_celsius", 33.2, "skin_temperature", "°C"), ("step_counts", 0, "steps", "count"),
        ("activity_counts", 12, "activity_counts", "count"),
    ],
)  # fmt: skip
def test_minutes_of_the_embrace(column: str, value: float, signal: str, unit: str) -> None:
    found = read(empatica, "1-1-007_2021-03-01.csv", MINUTES.format(column=column, value=value))
    assert found.rows("patient_id", "signal", "start", "end", "value", "unit") == [
        ("1-1-007", signal, utc(2021, 3, 1), utc(2021, 3, 1, 0, 1), value, unit)
    ]
    assert found.left_out() == {signal: 1}


def test_another_column_of_the_embrace_is_counted() -> None:
    found = read(empatica, "x.csv", MINUTES.format(column="met", value=1.2))
    assert (found.rows("value"), found.tally.unread) == ([], {"Empatica EmbracePlus met": 1})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("HR.csv", "time,bpm\n1,2\n"),
        ("HR.csv", "12\n1\n61\n"),
        ("other.csv", f"{START}\n1\n61\n"),
        ("info.txt", "hello"),
    ],
)
def test_other_files_are_not_empaticas(name: str, content: str) -> None:
    assert not empatica.recognised(export_file(name, content))
