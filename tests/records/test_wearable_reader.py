# ruff: noqa: DTZ001 - wall-clock times
"""From a path to one long frame: formats found, clocks kept, rows accounted for, the shell's command."""

import itertools
import json
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import DataProcessingError, InsufficientDataError, NotFoundError, ValidationError
from novamind.records import signal_frame
from novamind.records.wearables import COLUMNS, SIGNALS, WearableRecord, convert_wearables, read_wearables, spill
from novamind.records.wearables.samples import BATCH, Batch, Tally, frame_of, valid_rows
from novamind.settings import Settings
from tests.golden import check_golden
from tests.records.fit_file import fit_file


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


def test_a_table_in_utc_needs_the_place(tmp_path: Path) -> None:
    zulu, offset = "2024-05-01T21:30:00Z", "2024-05-01T23:30:00+02:00"
    aware = pl.Series([datetime(2024, 5, 1, 21, 30)]).dt.replace_time_zone("UTC")
    parquet = tmp_path / "x.parquet"
    long(timestamp=aware).write_parquet(parquet)
    for file in (table(tmp_path, long(timestamp=[zulu])), parquet):
        with pytest.raises(ValidationError, match="keeps its times in UTC and does not say where the person lives"):
            read_wearables(file)
        assert read_wearables(file, timezone="Asia/Tokyo").frame["timestamp"].to_list() == [datetime(2024, 5, 2, 6, 30)]
    mixed = table(tmp_path, pl.concat([long(timestamp=[zulu]), long(timestamp=[offset])]))
    frame = read_wearables(mixed, timezone="Europe/Berlin").frame
    assert frame.select("timestamp", "utc_offset_minutes").rows() == [(datetime(2024, 5, 1, 23, 30), 120)]


def test_a_table_that_was_written_here_is_read_as_it_was(tmp_path: Path) -> None:
    frame = long(timestamp=["2023-10-29T02:30:00+01:00"])
    record = read_wearables(table(tmp_path, frame))
    for name in ("again.csv", "again.parquet"):
        write = record.frame.write_csv if name.endswith("csv") else record.frame.write_parquet
        write(tmp_path / name)
        again = read_wearables(tmp_path / name).frame
        assert again.equals(record.frame)


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
    stamps = [f"2024-05-01T0{hour}:00:00+00:00" for hour in range(3)]
    frame = pl.DataFrame({"timestamp": stamps, "signal": ["heart_rate"] * 3, "value": [60.0] * 3})
    (cover,) = read_wearables(table(tmp_path, frame)).summary.coverage
    assert (cover.rows, cover.days_with_values, cover.days, cover.hours_with_values) == (3, 1, 1, 3)
    assert cover.hours_share == pytest.approx(0.125)


def test_reading_and_converting_give_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stamps = [f"2024-0{m}-{d:02d}T{h:02d}:00:00+00:00" for m in (1, 2, 3) for d in range(1, 29) for h in range(24)]
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
    kept = valid_rows(Batch(frame, "offset", "x"), None, datetime(2025, 1, 1), tally)
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
    kept = valid_rows(Batch(frame, "offset", "x"), None, datetime(2025, 1, 1), Tally())
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


# -- what a path holds
HEART = {"data": [{"bpm": 61, "source": "awake", "timestamp": "2024-05-01T08:00:00+05:30"}]}
STEPS = [{"dateTime": "2024-05-01T08:00:00", "value": "12"}]
POINT = {"heart_rate": {"value": 60, "unit": "bpm"}, "effective_time_frame": {"date_time": "2024-05-01T08:00:00+00:00"}}


@pytest.mark.parametrize(
    ("name", "document", "found"),
    [
        ("x.json", HEART, "Oura"),
        ("x.jsonl", HEART, "Oura"),
        ("x.ndjson", POINT, "Open mHealth"),
        ("X.JSON", POINT, "Open mHealth"),
        ("steps-1.json", STEPS, "Fitbit"),
    ],
)
def test_a_document_is_known_by_what_it_holds(tmp_path: Path, name: str, document: object, found: str) -> None:
    file = tmp_path / name
    file.write_text(json.dumps(document))
    seen: list[tuple[int, int]] = []
    assert read_wearables(file, progress=lambda done, total: seen.append((done, total))).summary.format == found
    assert seen == [(file.stat().st_size, file.stat().st_size)]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".parquet", ".pq"])
def test_a_long_table_is_known_by_its_name(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"t{suffix}"
    if suffix in (".parquet", ".pq"):
        long().write_parquet(file)
    else:
        long().write_csv(file)
    assert read_wearables(file).summary.format == "long table"


def test_what_is_no_export_says_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    with pytest.raises(
        ValidationError, match=r"x\.pdf: is of no kind that is read here: give an export of Apple Health, Fitbit"
    ):
        read_wearables(tmp_path / "x.pdf")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(
        ValidationError, match=r"x\.json: is of no kind .* or a long table \(timestamp, signal, value\)"
    ):
        read_wearables(tmp_path / "x.json")
    with pytest.raises(NotFoundError, match=r"none\.json does not exist: check the path"):
        read_wearables(tmp_path / "none.json")
    (tmp_path / "x.zip").write_bytes(b"no")
    with pytest.raises(DataProcessingError, match=r"x\.zip cannot be read: it is damaged"):
        read_wearables(tmp_path / "x.zip")


def contents() -> dict[str, bytes]:
    return {
        "a/oura.json": json.dumps(HEART).encode(),
        "a/point.json": json.dumps(
            {**POINT, "effective_time_frame": {"date_time": "2024-05-02T08:00:00+05:30"}}
        ).encode(),
        "b/Daily SpO2 - 1.csv": b"timestamp,average_value\n2024-05-01T08:00:00Z,96\n",
        "b/other.csv": b"x\n1\n",
        "b/other.json": b"{}",
        "c.txt": b"x",
        "d.fit": fit_file(
            ("monitoring_info", {"timestamp": datetime(2024, 5, 1), "local_timestamp": datetime(2024, 5, 1, 5, 30)}),
            ("record", {"timestamp": datetime(2024, 5, 3), "heart_rate": 62}),
        ),
    }


def test_a_folder_and_an_archive_of_several_makers(tmp_path: Path) -> None:
    folder, file = tmp_path / "all", tmp_path / "all.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.mkdir("empty")
        for name, content in contents().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            archive.writestr(name, content)
    total = sum(map(len, contents().values()))
    lines = list(itertools.accumulate(map(len, contents().values())))
    seen: list[tuple[int, int]] = []
    record = read_wearables(folder, timezone="Asia/Kolkata", progress=lambda done, whole: seen.append((done, whole)))
    assert record.summary.format == "Oura, Open mHealth, Fitbit, Garmin FIT"
    assert record.frame["value"].to_list() == [96.0, 61.0, 60.0, 62.0]
    assert record.summary.files_read == 4
    assert record.summary.files_left_out == {
        "is of no kind that is read here": ("b/other.json",),
        "is of no kind that is read here: import a table of reports by itself": ("b/other.csv", "c.txt"),
    }
    assert [at for at in seen if at[1] == total] == [(done, total) for done in lines]
    seen.clear()
    packed = read_wearables(file, timezone="Asia/Kolkata", progress=lambda done, whole: seen.append((done, whole)))
    assert packed.frame.equals(record.frame)
    assert packed.summary == record.summary
    assert seen == [(done, total) for done in lines]


def test_an_apple_export_does_not_hide_the_other_files_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "export.xml").write_text(
        '<HealthData><Record type="HKQuantityTypeIdentifierStepCount" sourceName="x" unit="count" value="5"'
        ' startDate="2024-05-01 08:00:00 +0530" endDate="2024-05-01 08:10:00 +0530"/></HealthData>'
    )
    (tmp_path / "oura.json").write_text(json.dumps(HEART))
    record = read_wearables(tmp_path)
    assert (record.summary.format, record.frame["signal"].to_list()) == (
        "Apple Health, Oura",
        ["heart_rate", "steps"],
    )


def test_limits_on_files_that_are_read_whole(tmp_path: Path) -> None:
    content = json.dumps(HEART).encode()
    (tmp_path / "f").mkdir()
    file, packed = tmp_path / "f" / "x.json", tmp_path / "x.zip"
    file.write_bytes(content)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/x.json", content)
    for path in (file, file.parent, packed):
        assert read_wearables(path, settings=Settings(max_file_bytes=len(content))).summary.rows_kept == 1
        with pytest.raises(ValidationError, match="larger than the limit: raise NOVAMIND_MAX_FILE_BYTES"):
            read_wearables(path, settings=Settings(max_file_bytes=len(content) - 1))


# -- months, days and hours
def rows_of(tmp_path: Path, rows: list[tuple[str, str, str, float]], **options: object) -> WearableRecord:
    columns = {"timestamp": pl.String, "end": pl.String, "signal": pl.String, "value": pl.Float64}
    return read_wearables(table(tmp_path, pl.DataFrame(rows, schema=columns, orient="row")), **options)  # type: ignore[arg-type]


def test_a_year_meets_the_next_without_counting_twice(tmp_path: Path) -> None:
    rows = [
        ("2023-12-31T23:00", "2024-01-01T01:00", "steps", 200.0),
        ("2023-12-31T23:30", "2024-01-01T00:30", "steps", 100.0),
        ("2024-01-01T00:30", "2024-01-01T02:00", "steps", 90.0),
        ("2024-02-01T00:00", "2024-02-01T01:00", "steps", 9.0),
    ]
    record = rows_of(tmp_path, rows)
    assert record.frame.select("timestamp", "value", "utc_offset_minutes").rows() == [
        (datetime(2023, 12, 31, 23), 200.0, None),
        (datetime(2024, 1, 1, 1), 60.0, None),
        (datetime(2024, 2, 1), 9.0, None),
    ]
    assert (record.summary.shortened, record.summary.rows_read, record.summary.rows_kept) == (1, 4, 3)
    assert record.summary.left_out[0]["reason"] == "an earlier row of the same source already counted this time"
    (cover,) = record.summary.coverage
    assert (cover.first_day, cover.last_day, cover.days, cover.days_with_values) == ("2023-12-31", "2024-02-01", 33, 3)
    assert (cover.hours_with_values, cover.hours_share, cover.sources) == (3, round(3 / (24 * 33), 4), ("table",))


def test_rows_go_through_the_disk_in_pieces_without_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    starts = np.datetime64("2023-12-25T00:00") + np.sort(rng.integers(0, 20 * 1440, 60)).astype("timedelta64[m]")
    ends = starts + rng.integers(0, 600, 60).astype("timedelta64[m]")
    rows = [
        (f"{start}+05:30", f"{end}+05:30", ("steps", "heart_rate")[n % 2], 50.0 + n)
        for n, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    whole = rows_of(tmp_path, rows)
    monkeypatch.setattr(spill, "SPILL_ROWS", 1)
    folder = tmp_path / "parts"
    folder.mkdir()
    for n in range(3):
        part = [{"timestamp": a, "end": b, "signal": s, "value": v} for a, b, s, v in rows[n::3]]
        points = [
            {
                ("step_count" if p["signal"] == "steps" else "heart_rate"): {
                    "value": p["value"],
                    "unit": "count" if p["signal"] == "steps" else "bpm",
                },
                "effective_time_frame": {
                    "time_interval": {"start_date_time": p["timestamp"], "end_date_time": p["end"]}
                },
            }
            for p in part
        ]
        (folder / f"{n}.json").write_text(json.dumps(points))
    pieces = read_wearables(folder)
    columns = ("timestamp", "signal", "value", "utc_offset_minutes")
    steps = pl.col("signal") == "steps"
    assert pieces.frame.filter(steps).select(columns).equals(whole.frame.filter(steps).select(columns))
    assert pieces.summary.shortened == whole.summary.shortened > 0
    assert pieces.summary.format == "Open mHealth"
    check_golden(__file__, "wearable_pieces", [whole.frame.drop("patient_id"), whole.summary.to_dict()])


def test_local_times_and_offsets_do_not_mix_without_a_timezone(tmp_path: Path) -> None:
    (tmp_path / "steps-1.json").write_text(json.dumps(STEPS))
    (tmp_path / "oura.json").write_text(json.dumps(HEART))
    with pytest.raises(
        ValidationError, match="some times of the export have a timezone and some have none: give the timezone"
    ):
        read_wearables(tmp_path)
    record = read_wearables(tmp_path, timezone="Asia/Kathmandu")
    assert record.frame.select("timestamp", "signal", "utc_offset_minutes").rows() == [
        (datetime(2024, 5, 1, 8, 15), "heart_rate", 345), (datetime(2024, 5, 1, 8), "steps", 345),
    ]  # fmt: skip


def test_half_hour_clocks_put_a_row_on_its_own_day_and_hour(tmp_path: Path) -> None:
    stamps = ["2024-05-01T00:10:00+05:30", "2024-05-01T00:50:00+05:30", "2024-05-01T23:50:00+05:30"]
    frame = pl.DataFrame({"timestamp": stamps, "signal": ["heart_rate"] * 3, "value": [60.0, 61.0, 62.0]})
    (cover,) = read_wearables(table(tmp_path, frame)).summary.coverage
    assert (cover.days, cover.days_with_values) == (1, 1)
    # hours are those of UTC, so that the hour that autumn repeats stays two: 18:40, 19:20 and 18:20
    assert (cover.hours_with_values, cover.hours_share) == (3, 0.125)


def test_hours_of_a_day_with_a_repeated_hour_are_at_most_all(tmp_path: Path) -> None:
    stamps = [f"2023-10-28T{h:02d}:30:00Z" for h in range(22, 24)] + [f"2023-10-29T{h:02d}:30:00Z" for h in range(23)]
    frame = pl.DataFrame({"timestamp": stamps, "signal": ["heart_rate"] * 25, "value": [60.0] * 25})
    (cover,) = read_wearables(table(tmp_path, frame), timezone="Europe/Berlin").summary.coverage
    assert (cover.days, cover.hours_with_values, cover.hours_share) == (1, 25, 1.0)


def test_zeros_while_not_worn_are_left_out_of_sums_only(tmp_path: Path) -> None:
    beats = [
        (f"2024-05-01T{h:02d}:{m:02d}", f"2024-05-01T{h:02d}:{m:02d}", "heart_rate", 60.0)
        for h, m in ((8, 0), (9, 30), (9, 40))
    ]
    rest = [
        ("2024-05-01T09:00", "2024-05-01T09:10", "steps", 0.0),
        ("2024-05-01T09:10", "2024-05-01T09:20", "steps", 7.0),
        ("2024-05-01T09:35", "2024-05-01T09:38", "steps", 0.0),
        ("2024-05-01T09:05", "2024-05-01T09:05", "stress_score", 0.0),
    ]
    record = rows_of(tmp_path, beats + rest)
    assert record.frame.filter(pl.col("signal") == "steps")["value"].to_list() == [7.0, 0.0]
    assert record.frame.filter(pl.col("signal") == "stress_score")["value"].to_list() == [0.0]
    assert record.summary.non_wear_hours == 1.5
    assert [(e["signal"], e["reason"]) for e in record.summary.left_out] == [
        ("steps", "zero while the device was not worn")
    ]
    assert record.non_wear.rows() == [("1", datetime(2024, 5, 1, 8), datetime(2024, 5, 1, 9, 30), None)]


def test_nothing_later_than_a_day_after_now(tmp_path: Path) -> None:
    now = datetime(2024, 5, 1, 8, tzinfo=UTC)
    stamps = ["2024-05-02T08:00:00+00:00", "2024-05-02T08:00:01+00:00"]
    frame = pl.DataFrame({"timestamp": stamps, "signal": ["heart_rate"] * 2, "value": [60.0, 61.0]})
    record = read_wearables(table(tmp_path, frame), now=now)
    assert record.frame["value"].to_list() == [60.0]
    assert record.summary.left_out[0]["reason"] == "time lies in the future"


def test_what_is_left_behind_on_the_disk_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "spill"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    read_wearables(table(tmp_path, long()))
    assert list(folder.iterdir()) == []
    with pytest.raises(
        InsufficientDataError, match=r"signals\.csv: holds no sample that can be used \(signal is not in the table"
    ):
        read_wearables(table(tmp_path, long(signal=["aura"])))
    assert list(folder.iterdir()) == []


def test_a_table_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "none" / "s.pq"
    with pytest.raises(DataProcessingError, match=r"s\.pq cannot be written: its folder does not exist or is closed"):
        convert_wearables(table(tmp_path, long()), out)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["signals.csv"]
    assert convert_wearables(table(tmp_path, long()), tmp_path / "s.PQ").rows_kept == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["s.PQ", "signals.csv"]


def test_persons_of_one_table_stay_apart(tmp_path: Path) -> None:
    frame = pl.concat([long(patient_id=["b"]), long(patient_id=["a"]), long(patient_id=[None])])
    record = read_wearables(table(tmp_path, frame), patient_id="me")
    assert record.frame["patient_id"].to_list() == ["a", "b", "me"]
    assert [one.patient_id for one in record.summary.coverage] == ["a", "b", "me"]
    assert tuple(record.frame.columns) == COLUMNS == (
        "patient_id", "timestamp", "signal", "value", "unit", "end", "utc_offset_minutes", "source", "device",
    )  # fmt: skip


@pytest.mark.parametrize("zone", ["", "+05:30"])
def test_the_last_second_of_a_month_is_of_its_day_and_an_hour_begins_on_the_minute(tmp_path: Path, zone: str) -> None:
    stamps = [f"2024-01-31T{clock}{zone}" for clock in ("12:30:00", "13:29:59", "23:59:59")]
    frame = pl.DataFrame({"timestamp": stamps, "signal": ["heart_rate"] * 3, "value": [60.0, 61.0, 62.0]})
    (cover,) = read_wearables(table(tmp_path, frame)).summary.coverage
    assert (cover.days_with_values, cover.hours_with_values) == (1, 2 if zone else 3)
    minutes = pl.DataFrame({"timestamp": [f"2024-01-31T12:{m}:00" for m in ("00", "30")], "signal": ["heart_rate"] * 2,
                            "value": [60.0, 61.0]})  # fmt: skip
    assert read_wearables(table(tmp_path, minutes)).summary.coverage[0].hours_with_values == 1


def test_what_lies_on_the_disk_is_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, disk = long(), spill.SealedFolder(tmp_path)
    for name in ("a", "b"):
        disk.write(frame, tmp_path / name)
        assert disk.read(tmp_path / name).equals(frame)
    contents = [(tmp_path / name).read_bytes() for name in ("a", "b")]
    assert contents[0] != contents[1], "each file has a nonce of its own"
    with pytest.raises(InvalidTag):
        spill.SealedFolder(tmp_path).read(tmp_path / "a")
    seen: list[bytes] = []
    write = spill.SealedFolder.write

    def noted(self: spill.SealedFolder, part: pl.DataFrame, path: Path) -> None:
        write(self, part, path)
        seen.append(path.read_bytes())

    monkeypatch.setattr(spill.SealedFolder, "write", noted)
    convert_wearables(table(tmp_path, long()), tmp_path / "out.parquet")
    assert seen
    assert not any(b"heart_rate" in content or b"ARROW" in content for content in seen)
