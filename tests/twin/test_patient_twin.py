"""The front door: from any kind of record to insights, what-if, report and FHIR."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from typer.testing import CliRunner

import novamind as nm
from novamind.cli import app
from novamind.errors import InsufficientDataError, NovamindError, ValidationError
from novamind.records import read_fhir, record_bundle, write_patient_directory
from novamind.twin import Insights
from novamind.twin.analyses import SYMPTOMS
from novamind.twin.report import render
from tests.twin.people import TODAY, diary, record

INTEROP = Path(__file__).parents[3] / "shared" / "data" / "interop"
needs_interop = pytest.mark.skipif(not INTEROP.is_dir(), reason="the shared interoperability data are not here")


@pytest.fixture(scope="module")
def twin() -> Any:
    return nm.PatientTwin(
        record(
            ("citalopram", "nortriptyline"),
            {"CYP2D6": "*4/*4", "CYP2C19": "*2/*2"},
            ("long qt",),
            symptoms=diary([8.0, 9, 10, 9, 11, 12] * 12),
            dose_mg=20,
        ),
        today=TODAY,
    )


@pytest.fixture(scope="module")
def insights(twin: Any) -> Insights:
    return twin.insights()  # type: ignore[no-any-return]


def test_the_names_that_must_hold() -> None:
    import inspect

    from novamind.twin import DigitalTwinIntegrationService, PatientTwin

    asked = inspect.signature(DigitalTwinIntegrationService.generate_comprehensive_patient_insights)
    assert list(asked.parameters) == ["self", "patient_id", "patient_data", "options"]
    assert nm.PatientTwin is PatientTwin
    for name in (
        "from_fhir",
        "from_frames",
        "from_directory",
        "simulated",
        "insights",
        "forecast",
        "what_if",
        "report",
    ):
        assert callable(getattr(PatientTwin, name))


def test_every_way_in_gives_the_same_forecast(tmp_path: Path) -> None:
    frame = diary([8.0, 9, 10, 9, 11, 12] * 5)
    known = record(symptoms=frame)
    write_patient_directory(known, tmp_path / "p")
    (tmp_path / "p" / "genotype.csv").write_text("gene,diplotype\nCYP2D6,*4/*4\n")
    (tmp_path / "b.json").write_text(json.dumps(record_bundle(known)))
    twins = [
        nm.PatientTwin.from_frames("p", symptoms=frame),
        nm.PatientTwin.from_directory(tmp_path / "p"),
        nm.PatientTwin.from_fhir(tmp_path / "b.json"),
    ]
    first, *others = (twin.forecast(7)[0].median.tolist() for twin in twins)
    assert others == [first, first]
    assert twins[1].case.genotype["CYP2D6"].name == "*4/*4"


def test_insights_work_inside_a_running_event_loop(twin: Any) -> None:
    async def notebook() -> Insights:
        return twin.insights()  # type: ignore[no-any-return]

    assert asyncio.run(notebook()).patient_id == "p"


def test_same_seed_same_person() -> None:
    one, same, other = (nm.PatientTwin.simulated(seed=s).record for s in (3, 3, 4))
    assert record_bundle(one) == record_bundle(same) != record_bundle(other)
    assert one.genotype
    assert one.medications
    assert one.signals is not None
    with pytest.raises(ValidationError):
        nm.PatientTwin.simulated(seed=-1)


def test_a_record_without_symptoms_says_so() -> None:
    empty = nm.PatientTwin(record(), today=TODAY)
    with pytest.raises(InsufficientDataError):
        empty.forecast()
    found = empty.insights()
    assert "no symptom reports" in found.missing[SYMPTOMS]
    assert found.recommendations == ()
    assert "Nothing in the results asks for action" in render(found, empty.case)


def test_results_go_out_as_valid_fhir_and_do_not_come_back_as_measurements(twin: Any, insights: Insights) -> None:
    bundle = twin.to_fhir(insights)
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert {"RiskAssessment", "DiagnosticReport", "Observation"} <= set(kinds)
    for entry in bundle["entry"]:
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])
    assert len({entry["fullUrl"] for entry in bundle["entry"]}) == len(bundle["entry"])
    back = read_fhir(bundle).record
    assert len(back.symptoms) == len(twin.record.symptoms)  # type: ignore[arg-type]


def test_the_report_is_one_safe_page(twin: Any, insights: Insights, tmp_path: Path) -> None:
    file = twin.report(tmp_path / "out.html", (twin.what_if("sertraline", 50, weeks=2, ensemble=10),))
    page = file.read_text()
    for section in (
        "What to consider",
        "Did earlier forecasts hold?",
        "What if",
        "Not known:",
        "Clinical judgement decides",
    ):
        assert section in page
    assert "<script" not in page
    assert "not available" in page or "no data" in page
    outside = set(re.findall(r"https?://[^\s\"<]+", page)) - set(re.findall(r'href="(https?://[^"]+)"', page))
    assert {url for url in outside if "w3.org" not in url} == set()
    for one in insights.recommendations:
        assert one.reliability_reason.split(";")[0].split("'")[0] in page


def test_the_report_escapes_what_a_record_brings() -> None:
    nasty = nm.PatientTwin.from_frames(
        "<script>x</script>",
        medications=["<b>drug</b>"],
        conditions=["<i>c</i>"],
        genotype={"CYP2D6": "*1/*1", "<u>": "x"},
    )
    page = render(nasty.insights(), nasty.case)
    assert not [tag for tag in ("<script", "<b>", "<i>", "<u>") if tag in page]


@needs_interop
def test_a_hospital_record_from_import_to_export() -> None:
    file = INTEROP / "r4_bundles" / "Milan_Beatty_e78d0ed2-1b54-4c30-90ae-f7405af1e402.json"
    twin = nm.PatientTwin.from_fhir(file)
    found = twin.insights()
    assert "fluoxetine" in found.results["pharmacogenomics"].value
    assert json.dumps(found.to_dict(), allow_nan=False)
    for entry in twin.to_fhir(found)["entry"]:
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])


def test_the_command(tmp_path: Path) -> None:
    bundle = tmp_path / "b.json"
    bundle.write_text(json.dumps(record_bundle(record(("paroxetine",), {"CYP2D6": "*4/*4"}, dose_mg=20))))
    shell = CliRunner()
    told = shell.invoke(app, ["insights", str(bundle), "--what-if", "sertraline 50", "--json"], catch_exceptions=False)
    document = json.loads(told.stdout)
    assert document["recommendations"][0]["topic"] == "paroxetine now taken"
    assert document["what_if"][0]["drug"] == "sertraline"
    out = tmp_path / "r.html"
    shown = shell.invoke(app, ["insights", str(bundle), "--out", str(out)], catch_exceptions=False)
    assert "Review paroxetine" in shown.stdout
    assert out.exists()
    assert "Example" in shell.invoke(app, ["insights", "--help"]).stdout


@pytest.mark.parametrize("options", [["--what-if", "sertraline"], ["--days", "99"], ["--patient", "q"]])
def test_the_command_refuses_in_one_line(options: list[str], tmp_path: Path) -> None:
    bundle = tmp_path / "b.json"
    bundle.write_text(json.dumps(record_bundle(record())))
    failed = CliRunner().invoke(app, ["insights", str(bundle), "--json", *options])
    assert isinstance(failed.exception, NovamindError)
    assert "\n" not in str(failed.exception)
