# ruff: noqa: DTZ001 - wall-clock times
"""From a path to one long frame: formats found, clocks kept, rows accounted for, the shell's command."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import DataProcessingError, InsufficientDataError, NotFoundError, ValidationError
from novamind.records import signal_frame
from novamind.records.wearables import COLUMNS, SIGNALS, convert_wearables, read_wearables
from novamind.records.wearables.samples import BATCH, Batch, Tally, frame_of, taken


def table(tmp_path: Path, frame: pl.DataFrame) -> Path:
    file = tmp_path / "signals.csv"
    frame.write_csv(file)
    return file


def long(**columns: object) -> pl.DataFrame:
    return pl.DataFrame(
        {"timestamp": ["2024-05-01T08:00:00+02:00"], "signal": ["heart_rate"], "value": [60.0], **columns}
    )


def test_a_long_table_with_its_own_units_and_persons(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "timestamp": ["2024-05-01T08:00:00+02:00"] * 3,
            "signal": ["weight", "weight", "steps"],
            "value": [154.324, 80.0, 12.0],
            "unit": ["lb", "kg", "count"],
            "patient_id": ["a", "b", "b"],
            "source": ["scale", "scale", "watch"],
        }
    )
    record = read_wearables(table(tmp_path, frame))
    rows = record.frame.select("patient_id", "signal", "value", "unit", "source").rows()
    assert rows == [
        ("a", "weight", pytest.approx(70.0, rel=1e-5), "kg", "scale"),
        ("b", "steps", 12.0, "count", "watch"),
        ("b", "weight", 80.0, "kg", "scale"),
    ]
    assert {(one.patient_id, one.signal) for one in record.summary.coverage} == {
        ("a", "weight"),
        ("b", "steps"),
        ("b", "weight"),
    }


def test_a_signal_of_another_name_is_left_out_by_name(tmp_path: Path) -> None:
    file = table(tmp_path, pl.concat([long(), long(signal=["aura"])]))
    (left,) = read_wearables(file).summary.left_out
    assert (left["signal"], left["first_row"]) == ("aura", 2)


def test_what_comes_out_goes_in_at_the_next_door(tmp_path: Path) -> None:
    file = table(tmp_path, pl.DataFrame({
        "timestamp": ["2023-10-29T02:30:00+02:00", "2023-10-29T02:30:00+01:00"],
        "signal": ["heart_rate"] * 2,
        "value": [60.0, 70.0],
    }))  # fmt: skip
    frame = read_wearables(file).frame
    assert tuple(frame.columns) == COLUMNS
    for native in (frame, frame.to_pandas()):
        checked = signal_frame(native)
        assert checked.values.tolist() == [60.0, 70.0]
        assert checked.utc_offset is not None
        assert checked.utc_offset.astype("int64").tolist() == [7200, 3600]
        assert checked.units == ("bpm",)
    moved = signal_frame(frame, timezone="UTC")
    assert moved.timestamps.tolist() == [datetime(2023, 10, 29, 0, 30), datetime(2023, 10, 29, 1, 30)]


def test_offsets_at_the_door_are_all_or_none() -> None:
    frame = pd.DataFrame(
        {
            "timestamp": ["2024-05-01", "2024-05-02"],
            "signal": "hrv",
            "value": [1.0, 2.0],
            "utc_offset_minutes": [60, None],
        }
    )
    with pytest.raises(ValidationError, match="row 2, column 'utc_offset_minutes': is empty"):
        signal_frame(frame)
    with pytest.raises(ValidationError, match="whole number of minutes"):
        signal_frame(frame.assign(utc_offset_minutes=[60, 5000]))
    assert signal_frame(frame.assign(utc_offset_minutes=[None, None])).utc_offset is None


def test_spring_skips_an_hour_and_local_times_move_forward(tmp_path: Path) -> None:
    frame = long(timestamp=["2024-03-31T02:30:00"])
    row = read_wearables(table(tmp_path, frame), timezone="Europe/Berlin").frame.row(0, named=True)
    assert (row["timestamp"], row["utc_offset_minutes"]) == (datetime(2024, 3, 31, 3, 30), 120)


def test_a_local_time_that_autumn_repeats_is_its_first_pass(tmp_path: Path) -> None:
    frame = long(timestamp=["2023-10-29T02:30:00"])
    row = read_wearables(table(tmp_path, frame), timezone="Europe/Berlin").frame.row(0, named=True)
    assert (row["timestamp"], row["utc_offset_minutes"]) == (datetime(2023, 10, 29, 2, 30), 120)


def test_the_future_is_left_out(tmp_path: Path) -> None:
    file = table(tmp_path, pl.concat([long(), long(timestamp=["2024-06-01T08:00:00+02:00"])]))
    record = read_wearables(file, now=datetime(2024, 5, 2, tzinfo=UTC))
    assert record.summary.left_out[0]["reason"] == "time lies in the future"


def test_three_samples_and_a_constant_are_a_record(tmp_path: Path) -> None:
    stamps = [f"2024-05-01T0{hour}:00:00Z" for hour in range(3)]
    frame = pl.DataFrame({"timestamp": stamps, "signal": ["heart_rate"] * 3, "value": [60.0] * 3})
    (cover,) = read_wearables(table(tmp_path, frame)).summary.coverage
    assert (cover.rows, cover.days_with_values, cover.days, cover.hours_with_values) == (3, 1, 1, 3)
    assert cover.hours_share == pytest.approx(0.125)


def test_reading_and_converting_give_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stamps = [f"2024-0{m}-{d:02d}T{h:02d}:00:00Z" for m in (1, 2, 3) for d in range(1, 29) for h in range(24)]
    frame = pl.DataFrame(
        {
            "timestamp": stamps,
            "signal": ["steps"] * len(stamps),
            "value": rng.integers(0, 500, len(stamps)).astype(float),
        }
    )
    file, out = table(tmp_path, frame), tmp_path / "out.parquet"
    record = read_wearables(file)
    assert convert_wearables(file, out) == record.summary
    assert pl.read_parquet(out).equals(record.frame)
    assert record.frame["value"].sum() == frame["value"].sum()


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("none.json", None, NotFoundError),
        ("photo.jpg", b"x", ValidationError),
        ("x.xml", b"<html/>", ValidationError),
        ("x.csv", b"a,b\n1,2\n", ValidationError),
        ("x.zip", b"PK", DataProcessingError),
        ("empty.csv", b"timestamp,signal,value\n", InsufficientDataError),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, content: bytes | None, error: type) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(error):
        read_wearables(file)


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    with pytest.raises(InsufficientDataError, match="no sample"):
        read_wearables(tmp_path)


def test_out_must_be_parquet(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"\.parquet"):
        convert_wearables(table(tmp_path, long()), tmp_path / "x.csv")


numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(-300, 300))
moments = st.one_of(
    st.none(),
    st.datetimes(datetime(1960, 1, 1), datetime(2030, 1, 1)),
    st.datetimes(datetime(2024, 1, 1), datetime(2024, 2, 1)),
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*SIGNALS, "?"]), moments, moments, numbers, st.sampled_from(["bpm", "%", "x", "count"])
        ),
        max_size=30,
    )
)
@settings(max_examples=100, deadline=None)
def test_whatever_comes_every_row_is_kept_or_counted_and_no_value_is_nan(rows: list[tuple]) -> None:
    signal, start, end, value, unit = zip(*rows, strict=True) if rows else ([],) * 5
    frame = frame_of({
        "row": list(range(1, len(rows) + 1)), "signal": list(signal), "start": list(start), "end": list(end),
        "value": list(value), "unit": list(unit), "offset": [0] * len(rows),
    })  # fmt: skip
    tally = Tally()
    kept = taken(Batch(frame, "offset", "x"), None, datetime(2025, 1, 1), tally)
    assert len(kept) + sum(entry["rows"] for entry in tally.left_out_rows()) == len(rows) == tally.rows_read
    assert kept["value"].is_finite().all()
    assert set(kept.columns) == set(BATCH) - {"unit"}
    for name, low_high in (
        kept.group_by("signal")
        .agg(pl.col("value").min().alias("low"), pl.col("value").max().alias("high"))
        .rows_by_key("signal")
        .items()
    ):
        low, high = low_high[0]
        assert SIGNALS[name].low <= low <= high <= SIGNALS[name].high


def test_daily_totals_are_another_signal() -> None:
    day = datetime(2024, 5, 1)
    frame = frame_of(
        {
            "row": [1, 2],
            "signal": ["steps"] * 2,
            "start": [day, day],
            "end": [day + timedelta(days=1), day + timedelta(hours=1)],
            "value": [9000.0, 100.0],
            "unit": ["count"] * 2,
            "offset": [0, 0],
        }
    )
    kept = taken(Batch(frame, "offset", "x"), None, datetime(2025, 1, 1), Tally())
    assert kept["signal"].to_list() == ["daily_steps", "steps"]


class TestCommand:
    def test_prints_coverage_and_what_was_left_out(self, tmp_path: Path) -> None:
        file, out = table(tmp_path, pl.concat([long(), long(value=[900.0])])), tmp_path / "s.parquet"
        result = CliRunner().invoke(app, ["wearables", str(file), "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert "1 of 2 samples kept" in result.output
        assert "heart_rate: value lies above the plausible range (first: row 2)" in result.output
        assert pl.read_parquet(out)["value"].to_list() == [60.0]

    def test_json_is_one_document(self, tmp_path: Path) -> None:
        file, out = table(tmp_path, long()), tmp_path / "s.parquet"
        result = CliRunner().invoke(app, ["wearables", str(file), "--out", str(out), "--json", "--patient", "p"])
        summary = json.loads(result.output)
        assert summary["rows_kept"] == 1
        assert summary["coverage"][0]["patient_id"] == "p"
