import json
from pathlib import Path
from typing import Any

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
    result = output("simulate", "sertraline", "--dose-mg", "50", "--json")
    assert json.loads(result.stdout) == {"answer": 1}
    assert result.stderr == ""
    plain = {"phenotypes": {}, "creatinine_clearance": 100.0, "ensemble": 200, "seed": 0}
    assert asked.pop() == (("sertraline", 50.0, 24.0, 12), plain)
    enzymes = [("--cyp2c19", "Rapid"), ("--cyp2d6", "1.5"), ("--cyp2b6", "poor"), ("--cyp3a4", "0")]
    rest = ["--every", "12", "--weeks", "3", "--creatinine-clearance", "44", "--ensemble", "7", "--seed", "8", "--json"]
    output("simulate", "sertraline", "--dose-mg", "50", *(word for pair in enzymes for word in pair), *rest)
    phenotypes = {"CYP2C19": "Rapid", "CYP2D6": 1.5, "CYP2B6": "poor", "CYP3A4": 0.0}
    named = {"phenotypes": phenotypes, "creatinine_clearance": 44.0, "ensemble": 7, "seed": 8}
    assert asked.pop() == (("sertraline", 50.0, 12.0, 3), named)


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
