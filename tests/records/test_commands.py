"""What the shell shows of a wearable's export."""

import io
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from novamind.cli import app
from novamind.records import commands
from novamind.records.wearables import SignalCoverage, WearableSummary, convert_wearables, read_wearables
from tests.golden import check_golden


def left(number: int) -> dict[str, Any]:
    return {
        "signal": f"signal {number}",
        "reason": "why",
        "rows": 1000 * number,
        "first_file": "f",
        "first_row": number,
    }


def summary(**more: Any) -> WearableSummary:
    cover = SignalCoverage("p", "heart_rate", "bpm", 12_345, "2024-05-01", "2024-06-01", 32, 7, 100, 0.125, ("watch",))
    plain = {"format": "Oura", "rows_read": 20_000, "rows_kept": 12_345, "coverage": (cover,), "left_out": (),
             "shortened": 0, "unread": {}, "non_wear_hours": 0.0}  # fmt: skip
    return WearableSummary(**plain | more)


def test_the_summary_as_text() -> None:
    full = summary(
        left_out=tuple(left(n) for n in range(13)), shortened=1234, unread={"a": 1000, "b": 1}, non_wear_hours=1234.56
    )
    files = summary(
        unread={str(n): n for n in range(7)}, files_read=24,
        files_left_out={"holds no data": ("a/b.csv",), "is of no kind": ("c.txt", "d.txt")},
    )  # fmt: skip
    many = summary(files_left_out={f"why {n}": ("a",) for n in range(13)})
    reports = (summary(), full, summary(left_out=tuple(left(n) for n in range(12))), files, many)
    texts = [commands._text(one) for one in reports]
    assert texts[0].splitlines() == [
        "Oura: 12,345 of 20,000 samples kept",
        "signal                              unit        rows          days   hours  first day to last",
        "heart_rate                           bpm      12,345      7 of 32     12 %  2024-05-01 to 2024-06-01",
    ]
    assert "and 1 more kinds: see --json" in texts[1]
    assert "more kinds" not in texts[2]
    assert "Not read      21 records of 7 other kinds (6, 5, 4, 3, 2, ...): see --json" in texts[3].splitlines()
    assert texts[3].splitlines()[-3:] == [
        "Files         24 read; left out, or not read to their end:",
        "           1  a/b.csv: holds no data",
        "           2  c.txt and others: is of no kind",
    ]
    assert texts[4].endswith("and 1 more reasons: see --json")
    check_golden(__file__, "wearable_command", [text.splitlines() for text in texts])


def test_progress_is_shown_on_a_terminal_twice_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.chain([10.0, 10.5, 10.6, 11.0, 11.2], itertools.repeat(99.0))
    monkeypatch.setattr(commands.time, "monotonic", lambda: next(clock))
    shown = commands._Progress(True)
    for done in (1, 2, 3, 4, 5):
        shown(done * 2**20, 4 * 2**20)
    assert capsys.readouterr().err.split("\r")[1:] == [
        "read 1 of 4 MiB   25 %", "read 3 of 4 MiB   75 %", "read 5 of 4 MiB  125 %",
    ]  # fmt: skip
    shown(2**20, 0)
    assert capsys.readouterr().err == "\rread 1 of 0 MiB  "
    shown.done()
    assert capsys.readouterr().err == "\r\033[K"


def test_without_a_terminal_no_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (commands._Progress(False), commands._Progress(True)):
        if not shown._shown:
            shown(1, 2)
        shown.done()
    assert capsys.readouterr().err == ""


def test_the_command_by_its_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("timestamp,signal,value\n2024-05-01T08:00:00+05:30,heart_rate,61\n")
    told = CliRunner().invoke(app, ["wearables", "t.csv"])
    assert (told.exit_code, told.output.splitlines()[-1]) == (0, "Written       signals.parquet")
    assert pl.read_parquet("signals.parquet").select("patient_id", "utc_offset_minutes").rows() == [("1", 330)]
    moved = CliRunner().invoke(
        app, ["wearables", "t.csv", "--out", "o.pq", "--patient", "p", "--timezone", "Asia/Kathmandu", "--json"]
    )
    assert json.loads(moved.output)["coverage"][0]["patient_id"] == "p"
    assert pl.read_parquet("o.pq").select("patient_id", "utc_offset_minutes").rows() == [("p", 345)]
    assert read_wearables("t.csv").frame["patient_id"].to_list() == ["1"]
    convert_wearables("t.csv", "d.parquet")
    assert pl.read_parquet("d.parquet")["patient_id"].to_list() == ["1"]


@pytest.mark.parametrize(
    ("terminal", "option", "shown"), [(True, [], True), (True, ["--json"], False), (False, [], False)]
)
def test_progress_is_for_people_at_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool, option: list[str], shown: bool
) -> None:
    seen: list[bool] = []

    class Progress:
        def __init__(self, shown: bool) -> None:
            seen.append(shown)

        def __call__(self, done: int, total: int) -> None:
            seen.append(done == total)

        def done(self) -> None:
            seen.append(True)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    monkeypatch.setattr(commands, "_Progress", Progress)
    monkeypatch.setattr(sys, "stderr", Terminal())
    file = tmp_path / "t.csv"
    file.write_text("timestamp,signal,value\n2024-05-01T08:00:00+05:30,heart_rate,61\n")
    commands.wearables(file, tmp_path / "o.parquet", as_json=bool(option))
    assert seen == [shown, True, True]
