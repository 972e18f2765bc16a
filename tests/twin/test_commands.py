"""``novamind insights``: what is printed and written, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from novamind.cli import app
from novamind.errors import DataProcessingError, ValidationError
from novamind.records import record_bundle, write_patient_directory
from novamind.twin.commands import _drug_and_dose, _summary
from novamind.twin.patient import PatientTwin
from tests.golden import check_golden
from tests.twin.people import full_insights, record

PATIENT = record(("paroxetine",), {"CYP2D6": "*4/*4"}, dose_mg=20)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The command with insights that are known; gives what it printed, and what the services were asked."""
    asked: list[Any] = []

    def insights(twin: PatientTwin, options: Any = None) -> Any:
        asked.append((twin, options))
        return full_insights()

    monkeypatch.setattr(PatientTwin, "insights", insights)
    bundle = tmp_path / "b.json"
    bundle.write_text(json.dumps(record_bundle(PATIENT)))

    def run(*words: str, source: Path = bundle) -> Any:
        told = CliRunner().invoke(app, ["insights", str(source), *words], catch_exceptions=False)
        assert told.exit_code == 0
        return told, asked

    return run


def test_the_answer_in_words() -> None:
    nothing = replace(full_insights(), recommendations=(), results={}, tracking=(), notes=())
    check_golden(
        __file__,
        "summary",
        {"full": _summary(full_insights()).split("\n"), "nothing": _summary(nothing).split("\n")},
    )


def test_words_by_default_with_each_what_if_and_where_the_report_went(shell: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    told, asked = shell("--what-if", "sertraline 50", "--what-if", "lithium 900mg", "--out", str(out))
    assert told.stderr.startswith("reading the record, running the services ...\n")
    assert told.stdout.startswith(_summary(full_insights()))
    rest = told.stdout.removeprefix(_summary(full_insights())).strip().split("\n")
    assert [line.split(":")[0] for line in rest] == [
        "What if sertraline 50 mg",
        "What if lithium 900 mg",
        f"Report      {out}",
    ]
    check_golden(__file__, "what_if_lines", rest[:2])
    assert '<h2 id="whatif">What if</h2>' in out.read_text("utf-8")
    assert asked[0][1] == {"forecast_days": 14, "biometric_lookback_days": 30}


def test_a_course_without_a_band_is_told_without_one(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = PatientTwin.what_if
    monkeypatch.setattr(PatientTwin, "what_if", lambda twin, drug, dose: right(twin, drug, dose, weeks=1, ensemble=0))
    told, _ = shell("--what-if", "sertraline 50")
    last = told.stdout.strip().split("\n")[-1]
    assert "90 %" not in last
    assert last.endswith(" ng/mL, 1.00 times a normal metaboliser's")


def test_json_is_one_document_and_nothing_else(shell: Any) -> None:
    told, asked = shell("--json", "--days", "3", "--lookback", "60", "--what-if", "sertraline 50")
    assert told.stderr == ""
    document = json.loads(told.stdout)
    assert document["what_if"][0]["drug"] == "sertraline"
    del document["what_if"]
    assert document == json.loads(json.dumps(full_insights().to_dict()))
    assert asked[0][1] == {"forecast_days": 3, "biometric_lookback_days": 60}


def test_a_patient_is_chosen_out_of_a_file_and_a_directory_holds_one(shell: Any, tmp_path: Path) -> None:
    other = replace(PATIENT, patient_id="q", medications=())
    entries = [one for known in (PATIENT, other) for one in record_bundle(known)["entry"]]
    both = tmp_path / "both.json"
    both.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    _, asked = shell("--patient", "q", source=both)
    assert asked[-1][0].record.patient_id == "q"
    folder = tmp_path / "folder"
    write_patient_directory(PATIENT, folder)
    _, asked = shell(source=folder)
    assert asked[-1][0].record.patient_id == "p"
    with pytest.raises(ValidationError, match="a patient's directory holds one patient"):
        shell("--patient", "p", source=folder)
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    (bundles / "b.json").write_text(json.dumps(record_bundle(PATIENT)))
    _, asked = shell("--patient", "p", source=bundles)
    assert asked[-1][0].record.medications[0].medication == "paroxetine"


def test_a_report_that_cannot_be_written_is_one_line(shell: Any, tmp_path: Path) -> None:
    says = r"^nowhere.html cannot be written: No such file or directory; give another --out$"
    with pytest.raises(DataProcessingError, match=says):
        shell("--out", str(tmp_path / "no" / "nowhere.html"))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("sertraline 50", ("sertraline", 50.0)),
        (" aripiprazole lauroxil 441.5MG ", ("aripiprazole lauroxil", 441.5)),
        ("lithium 1e3", ("lithium", 1000.0)),
    ],
)
def test_a_drug_and_its_dose(text: str, read: tuple[str, float]) -> None:
    assert _drug_and_dose(text) == read


@pytest.mark.parametrize("text", ["sertraline", "50", "", "sertraline 50 mg", "sertraline fifty"])
def test_what_is_no_drug_with_a_dose(text: str) -> None:
    with pytest.raises(
        ValidationError, match=r'--what-if needs a drug and a dose in mg, e.g. --what-if "sertraline 50"'
    ):
        _drug_and_dose(text)


def test_two_pieces_of_evidence_are_shown_of_each() -> None:
    shown = _summary(full_insights()).split("\n\n")[0].split("\n")
    counts = [len(one.evidence) for one in full_insights().recommendations]
    assert max(counts) > 2
    assert len([line for line in shown if line.startswith("    ") and "reliability" not in line]) == sum(
        min(2, n) for n in counts
    )
