"""The shell says what the Python API says, writes picture and report, and names no patient where it need not."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import novamind as nm
from novamind.errors import DataProcessingError, ValidationError
from novamind.records.tables.frames import UNNAMED_SYMPTOM
from novamind.symptoms import training
from novamind.symptoms.commands import FORECAST_MADE, _measured_with, _scales, _summary
from novamind.symptoms.domain import Scale
from novamind.symptoms.instruments import find
from tests.golden import check_golden
from tests.symptoms.conftest import MakeForecast, Shell


@pytest.fixture
def many(tmp_path: Path, diary: Path) -> Path:
    """Two patients with two symptoms each, as Parquet."""
    one = pl.read_csv(diary, try_parse_dates=True)
    parts = [
        one.with_columns(patient_id=pl.lit(patient), symptom=pl.lit(symptom))
        for patient in ("CANARY-1", "CANARY-2")
        for symptom in ("PHQ_9", "mood")
    ]
    path = tmp_path / "many.parquet"
    pl.concat(parts).write_parquet(path)
    return path


def test_summary_picture_and_report(shell: Shell, diary: Path) -> None:
    ran = shell("forecast", diary, "--instrument", "phq9", "--threshold", "15")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("PHQ-9 is expected around ")
    assert lines[2].split() == ["median", "80", "%", "95", "%", "15", "or", "higher"]
    assert len([line for line in lines if line.endswith(" %") and " to " in line]) >= 14
    for fact in ("Trend", "Risk", "Moved by", "Reliability", "Models"):
        assert any(line.startswith(fact) for line in lines)
    picture, report = (Path(line.split()[1]) for line in lines[-2:])
    assert (str(picture), str(report)) == ("forecast/phq-9.png", "forecast/phq-9.html")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Kroenke" in report.read_text()


def test_json_is_one_document_that_equals_the_python_api(shell: Shell, diary: Path) -> None:
    ran = shell(
        "forecast", diary, "--scale", "0,27", "--step", "1", "--levels", "0.1,0.5,0.9", "--horizon", "3",
        "--threshold", "12", "--explain", "--json",
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    same = nm.symptoms.forecast(pl.read_csv(diary), horizon=3, quantile_levels=(0.1, 0.5, 0.9), scale=(0, 27), step=1)
    assert document == same.to_dict(12, explain=True) | {
        "symptom": document["symptom"],
        "instrument": None,
        "files": {},
    }
    assert document["quantile_levels"] == [0.1, 0.5, 0.9]
    assert document["risk"]["probability"] == same.risk(12).probability.tolist()
    assert {path.name for path in Path().iterdir()} == {"diary.csv"}


def test_timestamps_that_only_count_days(shell: Shell, diary: Path) -> None:
    document = json.loads(shell("forecast", diary, "--instrument", "PHQ-9", "--undated", "--json").out)
    assert document["explanation"] is None
    history = pl.read_csv(diary).with_columns(symptom=pl.lit("PHQ-9"))
    undated, dated = (nm.symptoms.forecast(history, dated=dated) for dated in (False, True))
    np.testing.assert_array_equal(document["quantiles"], undated.quantiles)
    assert (undated.continuous_quantiles != dated.continuous_quantiles).any()


def test_json_with_out_writes_the_files_it_names(shell: Shell, diary: Path) -> None:
    ran = shell("forecast", diary, "--instrument", "PHQ-9", "--json", "--out", "there/deep")
    files = json.loads(ran.out)["files"]
    assert files == {"picture": "there/deep/phq-9.png", "report": "there/deep/phq-9.html"}
    assert all(Path(path).stat().st_size > 10_000 for path in files.values())


def test_same_seed_same_bytes(shell: Shell, diary: Path) -> None:
    for folder in ("one", "two"):
        assert shell("forecast", diary, "--instrument", "PHQ-9", "--out", folder).code == 0
    for name in ("phq-9.png", "phq-9.html"):
        assert (Path("one") / name).read_bytes() == (Path("two") / name).read_bytes()


def test_one_of_several_series(shell: Shell, many: Path) -> None:
    ran = shell("forecast", many, "--patient", "CANARY-2", "--symptom", "phq 9", "--json")
    document = json.loads(ran.out)
    assert (document["patient_id"], document["symptom"], document["instrument"]) == ("CANARY-2", "PHQ_9", "PHQ-9")


@pytest.mark.parametrize(
    ("choice", "answer"),
    [
        ((), "the file holds 2 patients: choose one with --patient"),
        (("--symptom", "mood"), "the file holds 2 patients: choose one with --patient"),
        (("--patient", "X"), "no such patient in the file, which holds 2: check --patient"),
        (("--patient", "CANARY-1"), "the file holds 2 symptoms: choose one with --symptom: PHQ_9, mood"),
        (
            ("--patient", "CANARY-1", "--symptom", "moood"),
            "no such symptom in the file, which holds PHQ_9, mood; did you mean mood?",
        ),
        (("--patient", "CANARY-1", "--symptom", "xyz"), "no such symptom in the file, which holds PHQ_9, mood"),
    ],
)
def test_a_missing_choice_lists_symptoms_and_only_counts_patients(
    shell: Shell, many: Path, choice: tuple[str, ...], answer: str
) -> None:
    ran = shell("forecast", many, *choice)
    assert (ran.code, ran.out, ran.err) == (2, "", f"novamind: {answer}\n")


def test_long_lists_of_symptoms_are_cut(shell: Shell, tmp_path: Path) -> None:
    rows = [f"2025-01-0{1 + i % 9},3,item {i:02d}" for i in range(30)]
    path = tmp_path / "items.csv"
    path.write_text("timestamp,value,symptom\n" + "\n".join(rows))
    assert shell("forecast", path).err.endswith("item 19 and 10 more\n")


def test_files_are_named_after_the_symptom_never_the_patient(shell: Shell, many: Path) -> None:
    shell("forecast", many, "--patient", "CANARY-1", "--symptom", "PHQ_9", "--out", "out")
    assert {path.name for path in Path("out").iterdir()} == {"phq-9.png", "phq-9.html"}


@pytest.mark.parametrize("symptom", ["../../etc/passwd", "a/b", "Müdigkeit", "心情", "..", "x" * 300])
def test_any_symptom_gives_a_plain_file_name_inside_the_folder(
    shell: Shell, many: Path, symptom: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.parquet"
    pl.read_parquet(many).filter(patient_id="CANARY-1", symptom="PHQ_9").with_columns(
        symptom=pl.lit(symptom)
    ).write_parquet(path)
    assert shell("forecast", path, "--scale", "0,27", "--out", "out").code == 0
    assert len(list(Path("out").iterdir())) == 2
    assert not {p.name for p in tmp_path.iterdir()} - {"out", "diary.csv", "many.parquet", "odd.parquet"}


def test_a_patients_directory(shell: Shell, diary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "patient"
    folder.mkdir()
    (folder / "patient.json").write_text('{"patient_id": "p-17", "timezone": "Europe/Berlin"}')
    ran = shell("forecast", folder)
    assert ran.code == 2
    assert "no symptoms.csv" in ran.err
    pl.read_csv(diary).with_columns(symptom=pl.lit("PHQ-9")).write_csv(folder / "symptoms.csv")
    document = json.loads(shell("forecast", folder, "--json").out)
    assert (document["patient_id"], document["symptom"]) == ("p-17", "PHQ-9")


def test_a_scale_where_low_is_worse_and_negative_values(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "mood.csv"
    path.write_text("timestamp,value\n" + "\n".join(f"2025-01-{day:02d},{(day % 5) - 2}" for day in range(1, 29)))
    document = json.loads(shell("forecast", path, "--scale", "-3,3", "--step", "1", "--worse", "low", "--json").out)
    assert document["scale"] == {"low": -3, "high": 3, "step": 1, "worse": "low"}


def test_demo_needs_nothing_and_repeats_itself(shell: Shell) -> None:
    first = shell("demo", "--out", "first", "--seed", "7")
    shell("demo", "--out", "second", "--seed", "7")
    assert (first.code, first.err) == (0, "")
    assert first.out.splitlines()[-1].split() == ["Report", "first/phq-9.html"]
    for name in ("phq-9.png", "phq-9.html"):
        assert (Path("first") / name).read_bytes() == (Path("second") / name).read_bytes()
    assert "simulated-7" in Path("first/phq-9.html").read_text()
    other = json.loads(shell("demo", "--seed", "8", "--json").out)
    assert other["patient_id"] == "simulated-8"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_any_seed_has_a_patient_worth_showing(shell: Shell, seed: int) -> None:
    document = json.loads(shell("demo", "--seed", seed, "--json").out)
    assert 5 <= document["median"][0] <= 20


@pytest.mark.parametrize("command", ["forecast", "demo"])
def test_help_shows_an_example(shell: Shell, command: str) -> None:
    ran = shell(command, "--help")
    assert ran.code == 0
    assert f"novamind {command} " in ran.out.split("Example", 1)[1]


def test_without_a_command_the_shell_helps(shell: Shell) -> None:
    ran = shell()
    assert ran.code == 0
    assert "forecast" in ran.out


def test_a_forecast_is_logged_without_the_patient(shell: Shell, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVAMIND_LOG_LEVEL", "INFO")
    ran = shell("forecast", many, "--patient", "CANARY-1", "--symptom", "PHQ_9", "--json")
    line = json.loads(ran.err)
    assert (line["message"], line["horizon"], line["level"]) == (FORECAST_MADE, 14, "info")
    assert line["duration_ms"] > 0
    assert "CANARY" not in ran.err
    assert json.loads(ran.out)["patient_id"] == "CANARY-1"


def test_summaries_are_what_they_were(make_forecast: MakeForecast) -> None:
    forecast = make_forecast(horizon=4)
    better = make_forecast(horizon=2, scale=Scale(0, 100, 4, "low"), patient_id=None)
    answer = {
        "threshold": _summary(replace(forecast, covariates={"sleep": 1.0}), 15.0).splitlines(),
        "plain": _summary(better, None).splitlines(),
    }
    check_golden(__file__, "commands", answer)


def test_help_is_what_it_was(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")
    pages = {}
    for words in (("forecast",), ("demo",), ("train", "symptoms")):
        said = shell(*words, "--help").out.split()
        pages[" ".join(words)] = said[said.index(words[-1]) :]  # before it stands how the tests were started
    check_golden(__file__, "help", pages)


@pytest.mark.parametrize(
    ("text", "scales"),
    [
        ('{"mood": {"low": 0, "high": 10, "step": 1, "worse": "low"}}', {"mood": Scale(0, 10, 1, "low")}),
        ("{", None), ("[1]", None), ('{"mood": 5}', None), ('{"mood": {"low": 0}}', None),
    ],
)  # fmt: skip
def test_scales_in_a_file(tmp_path: Path, text: str, scales: dict[str, Scale] | None) -> None:
    file = tmp_path / "scales.json"
    file.write_text(text)
    if scales is None:
        with pytest.raises(ValidationError, match="--scales must be JSON such as"):
            _scales(file)
    else:
        assert _scales(file) == scales
    assert _scales(None) is None
    with pytest.raises(DataProcessingError, match="cannot be read: No such file"):
        _scales(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"step": 1.0}, "--step and --worse describe a --scale"),
        ({"worse": "low"}, "--step and --worse describe a --scale"),
        ({"name": "mood"}, "'mood' is not a known instrument: give --instrument, or its range"),
        ({"instrument": "PHQ-9", "scale": "0,27"}, "give --instrument or --scale, not both"),
        ({"scale": "0,1,2"}, "--scale must be two numbers"),
        ({"scale": "0"}, "--scale must be two numbers"),
        ({"scale": "0;1"}, "--scale must be numbers with commas between, e.g. --scale 0,10"),
    ],
)
def test_what_a_series_is_measured_with_is_refused(options: dict[str, Any], answer: str) -> None:
    usual = {"name": "PHQ-9", "instrument": None, "scale": None, "step": None, "worse": "high"}
    with pytest.raises(ValidationError, match=answer):
        _measured_with(**{**usual, **options})


def test_what_a_series_is_measured_with() -> None:
    phq9 = find("PHQ-9")
    assert _measured_with("phq_9", None, None, None, "high") == ("phq_9", phq9.scale, phq9)
    assert _measured_with("value", "PHQ-9", None, None, "high") == ("value", phq9.scale, phq9)
    assert _measured_with(UNNAMED_SYMPTOM, "phq9", None, None, "high") == ("PHQ-9", phq9.scale, phq9)
    assert _measured_with("mood", None, "0,10", 2.0, "low") == ("mood", Scale(0, 10, 2, "low"), None)


def test_training_tells_its_stages_and_what_it_measured(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, diary: Path
) -> None:
    calls: list[dict[str, Any]] = []

    def trained(preset: Any, *, progress: Any, **options: Any) -> Any:
        progress("weighing the members")
        calls.append({"preset": preset, **options})
        return SimpleNamespace(version="v-1", validation_error={"own mean": 5.678}, coverage={0.8: 0.8125})

    monkeypatch.setattr(training, "train", trained)
    ran = shell("train", "symptoms", "--out", "m")
    assert (ran.code, ran.out.splitlines()) == (
        0, ["Model       v-1 in m", "CRPS        own mean 5.68 %", "Coverage    80 %: 0.812"],
    )  # fmt: skip
    assert ran.err.split() == ["0", "s", "weighing", "the", "members"]
    assert calls[0] | {"progress": None} == {
        "preset": training.PRESETS["compact"], "seed": 0, "out": Path("m"), "name": "symptoms-compact", "diaries": [],
        "progress": None,
    }  # fmt: skip
    scales = tmp_path / "s.json"
    scales.write_text('{"symptom": {"low": 0, "high": 27, "step": 1}}')
    ran = shell(
        "train", "symptoms", "--preset", "smoke", "--seed", 3, "--out", "m", "--data", diary, "--scales", scales,
        "--undated", "symptom", "--json",
    )  # fmt: skip
    assert json.loads(ran.out) == {"version": "v-1", "error": {"own mean": 5.678}, "coverage": {"0.8": 0.8125}}
    assert (calls[1]["name"], calls[1]["seed"]) == ("symptoms-smoke-own", 3)
    (own,) = calls[1]["diaries"]
    assert (own.weekday, own.step) == (-1, pytest.approx(1 / 27))
    ran = shell("train", "symptoms", "--preset", "huge", "--out", "m")
    assert (ran.code, ran.err) == (2, "novamind: no preset of that name: choose compact, full, smoke\n")
