"""Bad input: one clear line, exit code 2, no person's value in it; and what only looks bad is forecast honestly."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from novamind.symptoms.service import default_service
from tests.symptoms.conftest import Shell

DAYS = [f"2025-01-{day:02d}" for day in range(1, 29)]
GOOD = [f"{day},{9 + i % 4}" for i, day in enumerate(DAYS)]
TOMORROW = datetime.now(UTC).date() + timedelta(days=2)


def table(folder: Path, rows: list[str], header: str = "timestamp,value") -> Path:
    path = folder / "record.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        ([], "no rows"),
        (GOOD[:1], "at least 4 days with reports"),
        (GOOD[:3], "at least 4 days with reports"),
        ([f"{day}," for day in DAYS], "at least 4 days with reports"),
        ([*GOOD, "2025-02-01,28"], "off its scale, which runs from 0 to 27"),
        ([*GOOD, "2025-02-01,-1"], "off its scale, which runs from 0 to 27"),
        ([*GOOD, "2025-02-01,inf"], "row 29, column 'value': is infinite"),
        ([*GOOD, "2025-02-01,CANARY"], "row 29, column 'value': is not a number"),
        ([*GOOD, '2025-02-01,"7,5"'], "row 29, column 'value': has a decimal comma"),
        ([*GOOD, "2025-01-28,22"], "rows 28, 29, column 'value': different values for the same"),
        ([*GOOD, f"{TOMORROW},9"], "row 29, column 'timestamp': lies in the future"),
        ([*GOOD, "2025-02-30,9"], "row 29, column 'timestamp': is not an ISO 8601 time"),
        ([*GOOD, "0025-02-01,9"], "row 29, column 'timestamp': lies before 1900"),
        ([*GOOD, "CANARY,9"], "row 29, column 'timestamp': is not an ISO 8601 time"),
        ([*GOOD, ",9"], "row 29, column 'timestamp': is"),
        ([*GOOD, "2025-02-01,9,9"], "row 29 has 3 cell"),
    ],
)
def test_bad_rows(shell: Shell, tmp_path: Path, rows: list[str], answer: str) -> None:
    ran = shell("forecast", table(tmp_path, rows), "--instrument", "PHQ-9")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("novamind: ")
    assert ran.err.count("\n") == 1
    assert answer in ran.err
    assert "CANARY" not in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (("--horizon", "0"), "horizon must be 1 to 30 days"),
        (("--horizon", "31"), "horizon must be 1 to 30 days"),
        (("--horizon", "-1"), "horizon must be 1 to 30 days"),
        (("--horizon", "x"), "Invalid value for '--horizon'"),
        (("--horizon", "1.5"), "Invalid value for '--horizon'"),
        (("--horizon",), "'--horizon' requires an argument"),
        (("--threshold", "28"), "threshold must lie on the instrument's scale, 0 to 27"),
        (("--threshold", "nan"), "threshold must lie on the instrument's scale, 0 to 27"),
        (("--levels", "a,b"), "--levels must be numbers"),
        (("--levels", "0.9,0.1"), "quantile_levels must be rising"),
        (("--levels", "0,1"), "quantile_levels must lie in"),
        (("--levels", "nan"), "quantile_levels must"),
        (("--symptom", "sleep"), "no such symptom in the file"),
        (("--patient", "p-1"), "no such patient in the file"),
        (("--scale", "0,27"), "give --instrument or --scale, not both"),
        (("--step", "1"), "--step and --worse describe a --scale"),
        (("--nonsense",), "No such option: --nonsense"),
    ],
)
def test_bad_options(shell: Shell, tmp_path: Path, options: tuple[str, ...], answer: str) -> None:
    ran = shell("forecast", table(tmp_path, GOOD), "--instrument", "PHQ-9", *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert answer in ran.err
    assert not (tmp_path / "forecast").exists()


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ((), "'symptom' is not a known instrument: give --instrument, or its range"),
        (("--instrument", "PHQ-99"), "did you mean PHQ-9?"),
        (("--scale", "0"), "--scale must be two numbers"),
        (("--scale", "0,x"), "--scale must be numbers"),
        (("--scale", "27,0"), "low < high"),
        (("--scale", "0,nan"), "low < high"),
        (("--scale", "0,27", "--step", "0"), "step must be positive"),
        (("--scale", "0,27", "--worse", "up"), "worse must be 'high' or 'low'"),
    ],
)
def test_bad_scales(shell: Shell, tmp_path: Path, options: tuple[str, ...], answer: str) -> None:
    ran = shell("forecast", table(tmp_path, GOOD), *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert answer in ran.err


def test_bad_files(shell: Shell, tmp_path: Path) -> None:
    def answer(path: Path) -> str:
        ran = shell("forecast", path, "--instrument", "PHQ-9")
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        return ran.err

    assert "does not exist" in answer(tmp_path / "nothing.csv")
    (tmp_path / "empty.csv").touch()
    assert "no header" in answer(tmp_path / "empty.csv")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    assert "give a CSV" in answer(tmp_path / "image.png")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    assert "not a readable Parquet file" in answer(tmp_path / "bad.parquet")
    (tmp_path / "binary.csv").write_bytes(os.urandom(4096) + b"\xff\x00")
    assert "UTF-8" in answer(tmp_path / "binary.csv")
    assert "the column 'timestamp' is missing" in answer(table(tmp_path, GOOD, "day,value"))
    with (tmp_path / "huge.csv").open("wb") as huge:
        huge.truncate(2**30)  # a gigabyte, refused by its size
    assert "larger than the limit" in answer(tmp_path / "huge.csv")
    (tmp_path / "folder").mkdir()
    assert "patient.json" in answer(tmp_path / "folder")


def test_an_unwritable_folder(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    ran = shell("forecast", table(tmp_path, GOOD), "--instrument", "PHQ-9", "--out", "taken")
    assert ran.code == 2
    assert "taken cannot be written" in ran.err


def test_order_and_repeats_change_nothing(shell: Shell, tmp_path: Path) -> None:
    def run(rows: list[str]) -> str:
        ran = shell("forecast", table(tmp_path, rows), "--instrument", "PHQ-9", "--json")
        assert ran.code == 0
        return ran.out

    assert run(GOOD) == run(GOOD[::-1]) == run([*GOOD, *GOOD[5:9]])


@pytest.mark.parametrize("value", [0, 14, 27])
def test_a_constant_series_is_forecast_with_honest_intervals(shell: Shell, tmp_path: Path, value: int) -> None:
    ran = shell("forecast", table(tmp_path, [f"{day},{value}" for day in DAYS]), "--instrument", "PHQ-9", "--json")
    assert ran.code == 0
    document = json.loads(ran.out, parse_constant=pytest.fail)  # NaN or Infinity fail
    assert all(abs(median - value) <= 1 for median in document["median"])
    (widest,) = [interval for interval in document["intervals"] if interval["level"] == 0.95]
    for low, high in zip(widest["low"], widest["high"], strict=True):
        assert 0 <= low <= value <= high <= 27
    assert any("every report is the same" in reason for reason in document["reliability_reasons"])


@pytest.mark.parametrize("seed", ["-1", "x"])
def test_bad_demo(shell: Shell, seed: str) -> None:
    ran = shell("demo", "--seed", seed)
    assert (ran.code, ran.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LOG_LEVEL", "CANARY"), ("MAX_FORECAST_HORIZON", "31"), ("MAX_FILE_BYTES", "CANARY")],
)
def test_bad_configuration(shell: Shell, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(f"NOVAMIND_{variable}", value)
    ran = shell("demo")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert f"NOVAMIND_{variable}: Input should be" in ran.err
    assert "CANARY" not in ran.err


def test_a_folder_without_a_model(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOVAMIND_SYMPTOM_MODEL_PATH", str(tmp_path))
    default_service.cache_clear()
    ran = shell("demo")
    default_service.cache_clear()
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "no complete symptom model" in ran.err
