"""What the shell shows of a wearable's export."""

import itertools
from typing import Any

import pytest

from novamind.records import commands
from novamind.records.wearables import SignalCoverage, WearableSummary
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
    texts = [commands._text(one) for one in (summary(), full, summary(left_out=tuple(left(n) for n in range(12))))]
    assert texts[0].splitlines() == [
        "Oura: 12,345 of 20,000 samples kept",
        "signal                              unit        rows          days   hours  first day to last",
        "heart_rate                           bpm      12,345      7 of 32     12 %  2024-05-01 to 2024-06-01",
    ]
    assert "and 1 more kinds: see --json" in texts[1]
    assert "more kinds" not in texts[2]
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
