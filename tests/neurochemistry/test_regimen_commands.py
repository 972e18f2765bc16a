"""Regimens, changes of drugs and measured levels from the shell and over REST."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import NovamindError
from novamind.neurochemistry.course import simulate_regimen
from novamind.neurochemistry.endpoints import router
from novamind.neurochemistry.measured_levels import update
from novamind.neurochemistry.switching import cross_taper


def shell(*words: str) -> str:
    answer = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def asked(path: str, question: dict[str, Any]) -> httpx.Response:
    application = FastAPI()
    application.include_router(router())

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://clinic") as client:
            return await client.post(f"/neurochemistry/{path}", json=question)

    return asyncio.run(ask())


def test_words_are_steps() -> None:
    printed = shell(
        "simulate", "--take", "risperidone 4 mg", "--take", "Paxil 20 every 24 h from 7 until 14", "--take",
        "smoking until 10", "--take", "paliperidone 156 every 672 from 10 as depot", "--weeks", "3", "--ensemble", "0",
        "--json",
    )  # fmt: skip
    steps = [
        ("risperidone", 4),
        ("paroxetine", 20, 24, 7, 14),
        ("smoking", None, 24, 0, 10),
        ("paliperidone", 156, 672, 10, None, "depot"),
    ]
    assert json.loads(printed) == simulate_regimen(steps, weeks=3).to_dict()


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_file_holds_a_regimen_by_dates(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"regimen.{kind}"
    rows = [
        {"drug": "quetiapine", "dose_mg": 150, "interval_hours": 12, "start": "2026-01-01", "stop": "2026-01-15"},
        {"drug": "lithium", "dose_mg": 600, "start": "2026-01-08"},
    ]
    if kind == "json":
        path.write_text(json.dumps(rows), "utf-8")
    else:
        path.write_text(
            "\ufeffdrug,dose_mg,interval_hours,start,stop,form\nquetiapine,150,12,2026-01-01,2026-01-15,\n"
            "lithium,600,,2026-01-08,,\n",
            "utf-8",
        )
    document = json.loads(shell("simulate", "--regimen", str(path), "--weeks", "3", "--ensemble", "0", "--json"))
    assert document == simulate_regimen([("quetiapine", 150, 12, 0, 14), ("lithium", 600, 24, 7)], weeks=3).to_dict()


def test_a_summary_names_cautions_alarms_and_what_is_left_out(tmp_path: Path) -> None:
    picture = tmp_path / "regimen.svg"
    printed = shell(
        "simulate", "--take", "phenelzine 45 until 7", "--take", "sertraline 50 from 10", "--take", "ibuprofen 400",
        "--take", "lithium 900", "--creatinine-clearance", "30", "--weeks", "3", "--ensemble", "0", "--out",
        str(picture),
    )  # fmt: skip
    assert "Caution     [contraindicated] Days 11-20, sertraline after phenelzine was stopped" in printed
    assert "Alarm       lithium reaches" in printed
    assert "Note        Ibuprofen has no kinetics" in printed
    assert "Dose        lithium 900 mg every 24 h: 900 mg/day is above" in printed
    assert picture.read_text("utf-8").startswith("<svg")
    assert "Alarm" in shell(
        "simulate", "lithium", "--dose-mg", "10000", "--every", "8", "--ensemble", "0", "--weeks", "1"
    )


def test_a_change_of_drugs_is_printed_with_its_source() -> None:
    printed = shell("switch", "sertraline", "mirtazapine", "--new-dose-mg", "30", "--ensemble", "0")
    assert printed.startswith(cross_taper("sertraline", "mirtazapine", None, 30).sentence)
    assert "mirtazapine 15 mg every 24 h, from day 14 until day 21" in printed
    document = json.loads(shell("switch", "sertraline", "mirtazapine", "--ensemble", "0", "--json"))
    assert document == cross_taper("sertraline", "mirtazapine").to_dict()
    assert asked("switches", {"old": "sertraline", "new": "mirtazapine"}).json() == document


def test_levels_are_read_and_a_dose_is_named() -> None:
    words = ["levels", "clozapine", "--take", "clozapine 300", "--level", "650 on 28 after 12", "--low", "350"]
    result = update([("clozapine", 650, 28, 12)], [("clozapine", 300)])
    advice = result.dose_for(350, 600)
    printed = shell(*words, "--high", "600")
    assert advice.sentence in printed
    assert "650 ng/mL measured" in printed
    document = json.loads(shell(*words, "--high", "600", "--json"))
    assert document["clearance_factor"]["value"] == pytest.approx(result.clearance_factor.value)
    assert document["advice"]["sentence"] == advice.sentence
    question = {
        "levels": [{"drug": "clozapine", "value": 650, "day": 28, "hours_since_dose": 12}],
        "steps": [{"drug": "clozapine", "dose_mg": 300}],
        "low": 350,
        "high": 600,
    }
    assert asked("levels", question).json() == document
    surprising = shell("levels", "lithium", "--take", "lithium 600", "--level", "9 on 20 after 12")
    assert "Note        The level on day" in surprising


def test_a_regimen_over_rest_is_the_rooms() -> None:
    question = {"steps": [{"drug": "lithium", "dose_mg": 600, "missed": [3]}], "weeks": 2, "ensemble": 0}
    answer = asked("regimens", question)
    assert answer.status_code == 200
    step = {"drug": "lithium", "dose_mg": 600, "missed": (3,)}
    assert answer.json() == simulate_regimen([step], weeks=2).to_dict()


@pytest.mark.parametrize(
    "question",
    [
        {"steps": []},
        {"steps": [{"drug": "lithium", "dose_mg": -1}]},
        {"steps": [{"drug": "lithium", "dose": 600}]},
        {"steps": [{"drug": "lithium", "dose_mg": 600, "form": "patch"}]},
        {"steps": [{"drug": "lithium", "dose_mg": 600}] * 101},
        {"steps": [{"drug": "lithium", "dose_mg": 600}], "weeks": 27},
    ],
    ids=lambda question: str(question)[:60],
)
def test_a_regimen_that_is_none_is_refused_by_its_form(question: dict[str, Any]) -> None:
    assert asked("regimens", question).status_code == 422


@pytest.mark.parametrize(
    "words",
    [
        ["simulate"],
        ["simulate", "lithium", "--dose-mg", "600", "--take", "lithium 600"],
        ["simulate", "--take", "lithium 600", "--dose-mg", "600"],
        ["simulate", "--take", "lithium 600", "--every", "12"],
        ["simulate", "--take", ""],
        ["simulate", "--take", "lithium"],
        ["simulate", "--take", "lithium 600 as patch"],
        ["simulate", "--regimen", "nowhere.csv"],
        ["levels", "lithium", "--take", "lithium 600", "--level", "a lot"],
        ["levels", "lithium", "--level", "0.8 on 20"],
        ["switch", "sertraline", "lithium"],
        ["switch", "sertraline", "sertraline"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_read_is_one_sentence(words: list[str]) -> None:
    with pytest.raises(NovamindError) as refusal:
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "[1, 2]", "[{\"drug\": ", "drug,dose_mg\n", "drug,dose_mg\nlithium,much\n",
     "drug,dose_mg,start\nlithium,600,2026-13-45\n", "drug,dose\nlithium,600\n"],
    ids=["empty", "no steps", "object", "numbers", "torn", "header alone", "no number", "no date", "other columns"],
)  # fmt: skip
def test_a_file_that_is_no_regimen_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "regimen.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(NovamindError):
        CliRunner().invoke(app, ["simulate", "--regimen", str(path)], catch_exceptions=False)
