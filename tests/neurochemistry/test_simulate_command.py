import json

import pytest
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import NotFoundError, ValidationError

RUNNER = CliRunner()


def test_a_regimen_is_summed_up():
    result = RUNNER.invoke(
        app, ["simulate", "escitalopram", "--dose-mg", "10", "--weeks", "2", "--cyp2c19", "Poor Metabolizer"]
    )
    assert result.exit_code == 0
    assert "SERT occupancy" in result.stdout
    assert "not a forecast for one person" in result.stdout


def test_json_is_one_document(tmp_path):
    picture = tmp_path / "course.svg"
    result = RUNNER.invoke(
        app,
        ["simulate", "lithium", "--dose-mg", "450", "--every", "12", "--weeks", "1", "--json", "--out", str(picture)],
    )
    assert json.loads(result.stdout)["symptom_note"].startswith("Not given")
    assert picture.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["simulate", "nothing", "--dose-mg", "10"], NotFoundError),
        (["simulate", "sertraline", "--dose-mg=-1"], ValidationError),
        (["simulate", "sertraline", "--dose-mg", "50", "--cyp2d6", "quick"], ValidationError),
    ],
)
def test_bad_input_is_one_of_our_errors(arguments, error):
    assert isinstance(RUNNER.invoke(app, arguments).exception, error)


def test_help_has_an_example():
    assert "novamind simulate escitalopram" in RUNNER.invoke(app, ["simulate", "--help"]).stdout
    assert "novamind train neurochemistry" in RUNNER.invoke(app, ["train", "neurochemistry", "--help"]).stdout
