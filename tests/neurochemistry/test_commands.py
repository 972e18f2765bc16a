import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from novamind.errors import DataProcessingError
from novamind.neurochemistry import commands, simulation, training
from tests.golden import check_golden

RUNNER = CliRunner()
APP, TRAIN = typer.Typer(), typer.Typer()
commands.register(APP, TRAIN)
APP.add_typer(TRAIN, name="train")


def output(*arguments: str) -> Any:
    result = RUNNER.invoke(APP, list(arguments))
    assert result.exit_code == 0, result.exception
    return result


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("escitalopram", ["--dose-mg", "10", "--cyp2c19", "Poor Metabolizer", "--ensemble", "3", "--seed", "4"]),
        ("aripiprazole", ["--dose-mg", "10", "--cyp2d6", "0.5", "--cyp3a4", "1.5", "--ensemble", "0"]),
        ("lithium", ["--dose-mg", "450", "--every", "12", "--creatinine-clearance", "60", "--ensemble", "2"]),
        ("bupropion", ["--dose-mg", "150", "--cyp2b6", "Poor Metabolizer", "--ensemble", "0"]),
    ],
)
def test_the_summary_of_a_regimen(name: str, arguments: list[str]) -> None:
    result = output("simulate", name, "--weeks", "1", *arguments)
    check_golden(__file__, f"summary_{name}", result.stdout.splitlines())
    size = arguments[arguments.index("--ensemble") + 1]
    assert result.stderr == (f"simulating {size} members ...\n" if size != "0" else "")


def test_every_option_reaches_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Stub:
        def to_dict(self) -> dict[str, Any]:
            return {"answer": 1}

    def run(*values: Any, **named: Any) -> Stub:
        asked.append((values, named))
        return Stub()

    monkeypatch.setattr(simulation, "simulate", run)
    monkeypatch.setattr(commands, "_summary", lambda _: "in words")
    result = output("simulate", "sertraline", "--dose-mg", "50", "--json")
    assert json.loads(result.stdout) == {"answer": 1}
    assert result.stderr == ""
    assert asked.pop() == (("sertraline", 50.0, 24.0, 12, {}, None, None, 100.0, 1.0, 200, 0), {})
    enzymes = [("--cyp2c19", "Rapid"), ("--cyp2d6", "1.5"), ("--cyp2b6", "poor"), ("--cyp3a4", "0")]
    rest = ["--every", "12", "--weeks", "3", "--creatinine-clearance", "44", "--ensemble", "7", "--seed", "8", "--json"]
    output("simulate", "sertraline", "--dose-mg", "50", *(word for pair in enzymes for word in pair), *rest)
    phenotypes = {"CYP2C19": "Rapid", "CYP2D6": 1.5, "CYP2B6": "poor", "CYP3A4": 0.0}
    assert asked.pop() == (("sertraline", 50.0, 12.0, 3, phenotypes, None, None, 44.0, 1.0, 7, 8), {})


def test_a_picture_is_written_and_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    saved: list[tuple[str, float]] = []

    class Picture:
        def save(self, path: str, scale_factor: float) -> None:
            saved.append((path, scale_factor))
            if path.endswith(".txt"):
                raise ValueError("unknown format")
            if "nowhere" in path:
                raise OSError("no such folder")

    monkeypatch.setattr(simulation.Simulation, "plot", lambda _: Picture())
    short = ["simulate", "lithium", "--dose-mg", "300", "--weeks", "1", "--ensemble", "0"]
    result = output(*short, "--out", str(tmp_path / "a.png"))
    assert saved == [(str(tmp_path / "a.png"), 2)]
    assert result.stdout.splitlines()[-1] == f"Picture       {tmp_path / 'a.png'}"
    assert "Picture" not in output(*short, "--out", str(tmp_path / "a.png"), "--json").stdout
    assert "Picture" not in output(*short).stdout
    for name in ("a.txt", "nowhere/a.png"):
        failure = RUNNER.invoke(APP, [*short, "--out", name]).exception
        assert isinstance(failure, DataProcessingError)
        assert "a .png or .svg path" in str(failure)


def test_training_goes_to_the_room_or_where_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[Path, int]] = []

    def train(folder: Path, seed: int, progress: training.Progress) -> dict[str, float]:
        asked.append((folder, seed))
        progress("half way")
        return {"r2": 0.5}

    monkeypatch.setattr(training, "train", train)
    result = output("train", "neurochemistry")
    assert json.loads(result.stdout) == {"r2": 0.5}
    assert result.stderr == "half way\n"
    output("train", "neurochemistry", "--seed", "3", "--out", str(tmp_path))
    assert asked == [(Path(commands.__file__).parent, 0), (tmp_path, 3)]


def test_help_shows_examples() -> None:
    assert "novamind simulate lithium --dose-mg 450" in output("simulate", "--help").stdout
    assert "novamind train neurochemistry --seed 0" in output("train", "neurochemistry", "--help").stdout


@pytest.mark.parametrize(("text", "value"), [("2", 2.0), ("0.5", 0.5), ("Poor Metabolizer", "Poor Metabolizer")])
def test_a_phenotype_is_a_number_or_a_term(text: str, value: str | float) -> None:
    assert commands._number_or_term(text) == value


def test_a_summary_speaks_of_the_last_day_alone() -> None:
    names = [f"compound {letter}" for letter in "qwertyuiopasdf"]
    band = {"low": [None] * 28, "high": [None] * 28}
    concentration = pl.DataFrame(
        {
            "time_hours": [143.0] * 14 + [144.0] * 14,
            "compound": names * 2,
            "unit": ["mg/L"] * 28,
            "value": [99.0] * 14 + [float(number) for number in range(14)],
        }
        | band,
        schema_overrides={"low": pl.Float64, "high": pl.Float64},
    )
    targets = ["H1", "D2", "5-HT2A", "SERT"]
    occupancy = pl.DataFrame(
        {
            "time_hours": [150.0] * 4 + [143.0],
            "target": [*targets, "SERT"],
            "basis": ["affinity_ratio"] * 5,
            "value": [0.01, 0.3, 0.00999, 0.9, 0.1],
            "low": [0.005, 0.2, 0.001, 0.8, 0.0],
            "high": [0.02, 0.4, 0.02, 0.95, 0.2],
        }
    )
    transmitters = pl.DataFrame(
        {
            "day": [7, 6, 7],
            "region": ["prefrontal_cortex", "prefrontal_cortex", "amygdala"],
            "transmitter": ["dopamine"] * 3,
            "level": [1.25, 2.5, 3.5],
            "low": [None, None, None],
            "high": [None, None, None],
        }
    )
    effect = pl.DataFrame(
        {
            "day": [6, 7, 7],
            "outcome": ["depression", "depression", "response"],
            "value": [0.1, 0.2, 0.5],
            "low": [0.0, 0.1, 0.4],
            "high": [0.2, 0.3, 0.6],
        }
    )
    course = SimpleNamespace(
        drug="x",
        weeks=1,
        concentration=concentration,
        occupancy=occupancy,
        transmitters=transmitters,
        symptom_effect=effect,
        symptom_note="A note.",
        alarms=(),
    )
    lines = commands._summary(course).splitlines()  # type: ignore[arg-type]
    assert lines[0] == "x, day 7: mean over the last day"
    assert [line.split()[:4] for line in lines[1:15]] == [
        [*name.split(), f"{number:.2f}", "mg/L"] for number, name in enumerate(names)
    ]
    assert [" ".join(line.split()) for line in lines[15:]] == [
        "SERT occupancy 0.90 (affinity ratio) 90 % 0.80 to 0.95",
        "D2 occupancy 0.30 (affinity ratio) 90 % 0.20 to 0.40",
        "H1 occupancy 0.01 (affinity ratio) 90 % 0.01 to 0.02",
        "frontal dopamine 1.25 times baseline",
        "depression 0.20 standardised difference 90 % 0.10 to 0.30",
        "response 0.50 of its range 90 % 0.40 to 0.60",
        "A note.",
    ]
