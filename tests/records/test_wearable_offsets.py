"""Rows without an offset take that of the times near them in the same export; a timezone that is given goes before."""

from pathlib import Path

import pytest

from novamind.errors import ValidationError
from novamind.records.wearables import read_wearables
from novamind.records.wearables.offsets import times_in
from tests.records.maker_input import utc

IDENTIFIER = "893fd6db-18ac-476f-926f-b14580234d91"
#: ``{maker: (files, signal without an offset and its wall clock, what makes it a week later)}``
EXPORTS = {
    "Withings": (
        {
            "sleep.csv": 'from,to,"light (s)","deep (s)"\n'
            "2025-07-01T23:00:00-04:00,2025-07-02T06:00:00-04:00,12000,6000\n",
            "weight.csv": 'Date,"Weight (kg)"\n2025-07-02 07:00:00,75\n',
        },
        ("weight", utc(2025, 7, 2, 7)),
        ("2025-07-02 07", "2025-07-09 07"),
    ),
    "Polar": (
        {
            f"sleep_result_1-{IDENTIFIER}.json": '[{"evaluation": {"asleepDuration": "PT6H"}, "sleepResult": '
            '{"hypnogram": {"sleepStart": "2025-07-01T23:00:00-04:00", "sleepEnd": "2025-07-02T06:00:00-04:00"}}}]',
            f"activity-2025-07-02-{IDENTIFIER}.json": '{"date": "2025-07-02", "summary": {"stepCount": 6000}}',
        },
        ("daily_steps", utc(2025, 7, 2)),
        ('"2025-07-02"', '"2025-07-09"'),
    ),
    "Samsung Health": (
        {
            "com.samsung.shealth.stress.2.csv": "com.samsung.shealth.stress,1,1\nstart_time,time_offset,score\n"
            "2025-07-02 16:00:00.000,UTC-0400,30,\n",
            "com.samsung.shealth.step_daily_trend.1.csv": "com.samsung.shealth.step_daily_trend,1,1\n"
            "day_time,source_type,count\n1751414400000,-2,6000,\n",
            "com.samsung.shealth.vitality_score.1.csv": "com.samsung.shealth.vitality_score,1,1\nx\n1,\n",
        },
        ("daily_steps", utc(2025, 7, 2)),
        ("1751414400000", "1752019200000"),
    ),
}


def export(folder: Path, maker: str, *, later: bool = False) -> Path:
    files, _, (near, far) = EXPORTS[maker]
    for name, text in files.items():
        (folder / name).write_text(text.replace(near, far) if later and near in text else text)
    (folder / "0.csv").write_bytes(b"\x00\xff,\n1")
    return folder


@pytest.mark.parametrize("maker", EXPORTS)
def test_a_row_has_the_offset_of_the_times_near_it(tmp_path: Path, maker: str) -> None:
    signal, start = EXPORTS[maker][1]
    rows = read_wearables(export(tmp_path, maker)).frame
    assert rows["utc_offset_minutes"].unique().to_list() == [-240]
    assert rows.filter(signal=signal)["timestamp"].to_list() == [start]


@pytest.mark.parametrize("maker", EXPORTS)
def test_a_timezone_that_is_given_goes_before(tmp_path: Path, maker: str) -> None:
    signal, start = EXPORTS[maker][1]
    rows = read_wearables(export(tmp_path, maker), timezone="America/Chicago").frame
    assert rows["utc_offset_minutes"].unique().to_list() == [-300]
    assert rows.filter(signal=signal)["timestamp"].to_list() == [start]


@pytest.mark.parametrize("maker", EXPORTS)
def test_a_row_far_from_all_places_asks_for_the_timezone(tmp_path: Path, maker: str) -> None:
    with pytest.raises(ValidationError, match="give the timezone"):
        read_wearables(export(tmp_path, maker, later=True))


def test_times_in_a_text() -> None:
    text = '{"a": "2025-07-01T23:00:00.5-04:00", "b": "2025-07-01 23:00+0200", "c": "2025-07-01T23", "d": "23:00-04"}'
    assert times_in(text).rows() == [(utc(2025, 7, 1, 21), 7_200), (utc(2025, 7, 2, 3, seconds=0.5), -14_400)]


def test_days_keep_their_sums_where_the_clock_goes_forward(tmp_path: Path) -> None:
    (tmp_path / "com.samsung.shealth.step_daily_trend.1.csv").write_text(
        "com.samsung.shealth.step_daily_trend,1,1\nday_time,source_type,count\n"
        "1711756800000,-2,5000,\n1711843200000,-2,6000,\n1711929600000,-2,7000,\n"
    )
    (tmp_path / "com.samsung.shealth.stress.2.csv").write_text(
        "com.samsung.shealth.stress,1,1\nstart_time,time_offset,score\n"
        "2024-03-30 11:00:00.000,UTC+0100,30,\n2024-03-31 10:00:00.000,UTC+0200,31,\n"
    )
    days = read_wearables(tmp_path).frame.filter(signal="daily_steps").select("timestamp", "value").rows()
    assert days == [(utc(2024, 3, 30), 5_000.0), (utc(2024, 3, 31), 6_000.0), (utc(2024, 4, 1), 7_000.0)]
