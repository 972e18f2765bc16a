"""The shell: links in words and as JSON, pictures, one line on bad input."""

import json
import pickle
import sys
from pathlib import Path

import polars as pl
import pytest

import novamind as nm
from novamind.cli import main
from tests.biometrics.conftest import Frames, frames, person


def shell(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["novamind", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.fixture
def files(tables: Frames, tmp_path: Path) -> tuple[Path, Path]:
    tables.biometrics.write_csv(tmp_path / "signals.csv")
    tables.symptoms.write_csv(tmp_path / "reports.csv")
    return tmp_path / "signals.csv", tmp_path / "reports.csv"


def test_says_what_it_found(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = files[0].parent / "pictures"
    assert shell(monkeypatch, "correlate", *files, "--out", out) == 0
    said = capsys.readouterr().out
    assert "1 of 2 pairs confirmed" in said
    assert "hrv" in said
    assert {path.name for path in out.iterdir()} == {"links.png", "graph.png", "profile.png", "timeline.png"}


def test_json_for_several_patients_with_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [frames(person(seed, days=30), f"p{seed}") for seed in (1, 2, 3)]
    signals, reports = pl.concat(p.biometrics for p in people), pl.concat(p.symptoms for p in people)
    signals.write_parquet(tmp_path / "signals.parquet")
    reports.write_parquet(tmp_path / "reports.parquet")
    assert shell(monkeypatch, "correlate", tmp_path / "signals.parquet", tmp_path / "reports.parquet", "--json",
                 "--workers", 2, "--max-lag-hours", 48) == 0  # fmt: skip
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert [p["patient_id"] for p in document["persons"]] == ["p1", "p2", "p3"]
    assert "3 of 3 patients analysed" in told.err
    assert "3 of 3 patients told" in told.err
    alone = nm.biometrics.correlate(signals, reports, max_lag_hours=48)
    assert document["persons"] == json.loads(json.dumps([p.to_dict() for p in alone.persons]))
    # Where there are many, processes tell them.
    assert [pickle.loads(pickle.dumps(p)).to_dict() for p in alone.persons] == [p.to_dict() for p in alone.persons]  # noqa: S301
    assert {"signal", "symptom", "detected", "lag_hours"} <= set(document["persons"][0]["links"][0])


def test_bad_input_is_one_line(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell(monkeypatch, "correlate", files[1], files[1]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'signal'" in error
    assert shell(monkeypatch, "correlate", *files, "--fdr", 0) == 2
    assert shell(monkeypatch, "train", "biometrics", "--out", files[0].parent / "m", "--preset", "tiny") == 2
    assert shell(monkeypatch, "train", "biometrics", "--out", files[0].parent / "m", "--network", "oracle") == 2


def test_help_has_an_example(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert shell(monkeypatch, "correlate", "--help") == 0
    assert "novamind correlate signals.csv reports.csv" in capsys.readouterr().out
