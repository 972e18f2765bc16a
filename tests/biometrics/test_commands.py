"""The shell: links in words and as JSON, pictures, one line on bad input."""

import io
import json
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

import novamind as nm
from novamind.biometrics import commands, plots, service, training
from novamind.biometrics.results import Correlations
from novamind.cli import main
from novamind.errors import DataProcessingError, ValidationError
from tests.biometrics.conftest import Frames, frames, pair, person, result, together
from tests.golden import check_golden


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
    assert "3 of 3 patients described" in told.err
    alone = nm.biometrics.correlate(signals, reports, max_lag_hours=48)
    assert document == json.loads(json.dumps(alone.to_dict())) | {"files": {}}
    # Where there are many, processes write them.
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


# -- what is printed ---------------------------------------------------------------------------------------------------


def test_a_summary_says_all_of_a_person() -> None:
    check_golden(
        __file__, "summaries", [commands._summary(one).split("\n") for one in (result("p1"), result(None, "low"))]
    )


def test_a_summary_of_nothing_has_no_table() -> None:
    bare = replace(result(), links=result().links[3:4], skipped={})
    bare.__dict__["early_warning"] = ()
    said = commands._summary(bare)
    assert said.startswith("0 of 1 pairs confirmed\n\nOnly apparent 1 pairs; they come from time of day (1)\n")
    assert "q" not in said.split("\n")[1]


def test_the_last_five_warnings_are_shown() -> None:
    person_links = result()
    one = person_links.early_warning[0]
    person_links.__dict__["early_warning"] = tuple(replace(one, hour=100 + i, direction=(-1) ** i) for i in range(7))
    lines = [line for line in commands._summary(person_links).split("\n") if line.startswith("Warning")]
    assert [line[14:30] for line in lines] == [f"2024-01-07 {hour:02}:00" for hour in (11, 12, 13, 14, 15)]
    assert ["rise" in line for line in lines] == [True, False, True, False, True]


def test_causes_stand_by_how_often_they_were() -> None:
    apart = {"detected": False, "q_value": 0.5}
    links = [pair("a", explained_by="weekday", **apart), pair("b", explained_by="trend", **apart),
             pair("c", explained_by="trend", **apart), pair("d", **apart)]  # fmt: skip
    said = commands._summary(replace(result(), links=tuple(links)))
    assert "Only apparent 3 pairs; they come from trend (2), weekday (1)" in said


def test_the_json_document_holds_the_request_and_its_persons() -> None:
    found = together(result())
    assert found.to_dict() == {
        "fdr": 0.1, "max_lag_hours": 72, "persons": [found.person().to_dict()], "model_version": "by hand", "seed": 4,
    }  # fmt: skip


class Terminal(io.StringIO):
    """Standard error that is a screen."""

    def isatty(self) -> bool:
        return True


def test_a_screen_shows_a_bar_of_forty(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    commands._bar("described", 1, 4)
    assert screen.getvalue() == f"\r[{'#' * 10}{'.' * 30}] 1 of 4 patients described"
    commands._bar("described", 4, 4)
    assert screen.getvalue().endswith(f"\r[{'#' * 40}] 4 of 4 patients described\n")


@pytest.mark.parametrize(
    ("of", "said"),
    [(1, []), (2, [1, 2]), (3, [1, 2, 3]), (25, [*range(2, 25, 2), 25]), (100, [*range(10, 101, 10)])],
)
def test_elsewhere_a_line_is_written_every_tenth(of: int, said: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    for done in range(1, of + 1):
        commands._bar("analysed", done, of)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [f"{done} of {of} patients analysed" for done in said]


class Pool:
    """Processes that are this one."""

    sizes: ClassVar[list[int]] = []

    def __init__(self, workers: int, **_: Any) -> None:
        Pool.sizes.append(workers)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    map = staticmethod(map)


@pytest.mark.parametrize(("persons", "workers", "used"), [(10, 2, []), (11, 2, [2]), (11, 1, []), (30, 7, [7])])
def test_processes_tell_where_it_is_worth_their_start(
    persons: int, workers: int, used: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", Pool)
    Pool.sizes.clear()
    found = together(*(replace(result(), patient_id=str(i)) for i in [*range(persons)]))
    assert commands._of_every_person(lambda one: one.patient_id, found, workers) == [str(i) for i in range(persons)]
    assert Pool.sizes == used
    assert capsys.readouterr().err.splitlines()[-1] == f"{persons} of {persons} patients described"


def test_pictures_are_of_one_patient_and_of_the_surest_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda chart, path: drawn.append((chart.to_dict()["title"]["text"], path)))
    sure = replace(result(), links=tuple(replace(k, score=float(i == 3)) for i, k in enumerate(result().links)))
    files = commands._write(together(sure), tmp_path / "a" / "b")
    assert files == {
        "Map": tmp_path / "a/b/links.png",
        "Graph": tmp_path / "a/b/graph.png",
        "Timeline": tmp_path / "a/b/timeline.png",
        "Profile": tmp_path / "a/b/profile.png",
    }
    assert drawn == [
        ("Which signals go with which symptoms", files["Map"]),
        ("What goes before what", files["Graph"]),
        ("Signals against their baselines, and symptoms", files["Timeline"]),
        ("Steps and anxiety", files["Profile"]),
    ]
    assert commands._write(together(sure), tmp_path / "a" / "b") == files
    with pytest.raises(ValidationError, match="pictures are drawn of a single patient"):
        commands._write(together(sure, sure), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataProcessingError, match=r"file/x cannot be written: .*; give another --out"):
        commands._write(together(sure), tmp_path / "file" / "x")


class Service:
    """Gives a result by hand, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def correlate(self, *what: Any, **options: Any) -> Correlations:
        self.asked.append((what, options))
        return together(result())


def test_the_shell_asks_for_what_was_typed(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = Service()
    monkeypatch.setattr(service, "default_service", lambda: ours)
    (files[0].parent / "course.csv").write_text("start\n2024-01-02\n")
    course = files[0].parent / "course.csv"
    assert shell(monkeypatch, "correlate", *files, "--workers", 3) == 0
    assert capsys.readouterr().out == commands._summary(result()) + "\n"
    logs = ("--illness", course, "--medication", course, "--calendar", course)
    options = ("--max-lag-hours", 24, "--fdr", 0.2, "--seed", 7, "--json")
    assert shell(monkeypatch, "correlate", *files, *options, *logs) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["files"] == {}
    assert document["persons"][0]["reliability"]["level"] == "high"
    (_, _, *plain), passed = ours.asked[0]
    assert plain == [168, 0.1]
    assert {name: passed[name] for name in ("calendar", "medication", "illness", "seed", "workers")} == {
        "calendar": None, "medication": None, "illness": None, "seed": 0, "workers": 3,
    }  # fmt: skip
    (signals, reports, *asked), passed = ours.asked[1]
    assert (asked, passed["seed"], passed["workers"]) == ([24, 0.2], 7, os.cpu_count())
    assert len(signals) > len(reports)
    for name in ("calendar", "medication", "illness"):
        assert passed[name].columns == ["start"]
    passed["progress"](2, 2)
    assert "2 of 2 patients analysed" in capsys.readouterr().err


def test_pictures_are_named_below_the_summary(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service, "default_service", Service)
    monkeypatch.setattr(commands, "_write", lambda *_: {"Map": Path("x/links.png")})
    assert shell(monkeypatch, "correlate", *files, "--out", "x") == 0
    assert capsys.readouterr().out.endswith("\nMap         x/links.png\n")


def test_training_is_asked_for_by_preset_and_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def train(*what: Any, progress: Any, **options: Any) -> dict[str, Any]:
        progress("half way")
        asked.append((what, options))
        return {"auc": 0.9, "pairs": 3}

    monkeypatch.setattr(training, "train", train)
    assert shell(monkeypatch, "train", "biometrics", "--out", "m") == 0
    told = capsys.readouterr()
    assert told.out == f"{'auc':<32}0.9\n{'pairs':<32}3\n"
    assert told.err.endswith("      0 s  half way\n")
    assert shell(monkeypatch, "train", "biometrics", "--out", "m", "--preset", "full", "--network", "lstm", "--seed", 3,
                 "--workers", 5, "--json") == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out) == {"auc": 0.9, "pairs": 3}
    presets = training.PRESETS
    assert asked == [
        ((presets["compact"], "detector"), {"seed": 0, "out": Path("m"), "workers": os.cpu_count()}),
        ((presets["full"], "lstm"), {"seed": 3, "out": Path("m"), "workers": 5}),
    ]


def test_help_is_what_it_was(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for words, said in (
        (("train", "biometrics"), ("novamind train biometrics --seed 0 --out model", "pip install 'novamind")),
        (("correlate",), ("--illness illness.csv --fdr 0.2 --json", "--max-lag-hours", "--json")),
    ):
        assert shell(monkeypatch, *words, "--help") == 0
        out = capsys.readouterr().out
        assert all(part in out for part in said), words
