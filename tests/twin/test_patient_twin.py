"""The front door: from any kind of record to insights, what-if, report and FHIR."""

import asyncio
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fhir.resources.R4B import get_fhir_model_class
from typer.testing import CliRunner

import novamind as nm
from novamind.cli import app
from novamind.errors import DataProcessingError, InsufficientDataError, NovamindError, ValidationError
from novamind.records import read_fhir, record_bundle, write_patient_directory
from novamind.records.tables.frames import SeriesKey
from novamind.symptoms.domain import Scale, SymptomForecast
from novamind.twin import DigitalTwinIntegrationService, Insights, patient
from novamind.twin import case as case_module
from novamind.twin.analyses import SYMPTOMS
from novamind.twin.report import render
from tests.twin.people import TODAY, Scripted, diary, forecast, full_insights, record

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

    from novamind.twin import PatientTwin

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
        "correlate",
        "advice",
        "simulate",
        "replayed",
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


# -- the front door at its edges


def test_a_twin_is_of_the_persons_today_unless_another_day_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls(2025, 3, 4, 23, 59, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(case_module, "datetime", Clock)
    here, ahead = date(2025, 3, 4), date(2025, 3, 5)
    assert nm.PatientTwin(record()).case.today == here
    assert nm.PatientTwin(replace(record(), timezone="Pacific/Auckland")).case.today == ahead
    assert nm.PatientTwin(record(), today=TODAY).case.today == TODAY
    assert nm.PatientTwin.from_frames("p", medications=["Zoloft"]).case.today == here
    assert nm.PatientTwin.from_frames("p", timezone="Europe/Berlin").case.today == ahead
    assert nm.PatientTwin.from_frames().record.patient_id == "patient"


def test_own_scales_and_called_genes_of_frames_reach_the_case() -> None:
    twin = nm.PatientTwin.from_frames(
        symptoms=diary([4.0, 5], "mood").drop("patient_id"),
        scales={"mood": (0, 10)},
        genotype=nm.pharmacogenomics.genotype({"CYP2D6": "*4/*4"}),
    )
    assert twin.case.scales == {"mood": Scale(0, 10)}
    assert twin.case.genotype["CYP2D6"].name == "*4/*4"
    assert nm.PatientTwin(record(symptoms=diary([4.0], "mood")), own_scales={"mood": Scale(0, 5)}).case.scales


def test_genes_called_from_a_file_go_before_reported_ones(tmp_path: Path) -> None:
    write_patient_directory(record(genotype={"CYP2D6": "*1/*1", "CYP2C19": "*2/*2"}), tmp_path / "p")
    (tmp_path / "p" / "genotype.csv").write_text("gene,diplotype\nCYP2D6,*4/*4\n")
    twin = nm.PatientTwin.from_directory(tmp_path / "p")
    assert {gene: one.name for gene, one in twin.case.genotype.items()} == {"CYP2D6": "*4/*4", "CYP2C19": "*2/*2"}
    (tmp_path / "p" / "genotype.txt").write_text("x")
    with pytest.raises(ValidationError, match=r"genotype.txt and genotype.csv both exist: keep one genotype file"):
        nm.PatientTwin.from_directory(tmp_path / "p")


@pytest.mark.parametrize(
    "name", ["genotype.vcf", "genotype.vcf.gz", "genotype.txt", "genotype.csv", "genotype.tsv", "genotype.json"]
)
def test_each_kind_of_genotype_file_is_looked_for(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patient_directory(record(), tmp_path / "p")
    (tmp_path / "p" / name).write_text("")
    seen: list[Path] = []
    monkeypatch.setattr(patient, "read_genotype", lambda file: seen.append(file) or {})
    nm.PatientTwin.from_directory(tmp_path / "p")
    assert seen == [tmp_path / "p" / name]


@pytest.mark.parametrize("seed", [-1, True, 1.0, "1", None])
def test_a_seed_is_a_whole_number_from_zero(seed: Any) -> None:
    with pytest.raises(ValidationError, match="seed must be a whole number of at least 0"):
        nm.PatientTwin.simulated(seed)


def test_a_seed_of_zero_is_the_default() -> None:
    assert record_bundle(nm.PatientTwin.simulated().record) == record_bundle(nm.PatientTwin.simulated(0).record)


def test_the_services_are_made_once_or_given() -> None:
    twin = nm.PatientTwin(record(), today=TODAY)
    assert twin.service is twin.service
    given = DigitalTwinIntegrationService([Scripted("a", lambda _: 1)])
    assert set(nm.PatientTwin(record(), service=given).insights().results) == {"a"}


def test_an_error_within_a_running_loop_is_the_callers() -> None:
    twin = nm.PatientTwin(record(), today=TODAY)

    async def notebook() -> None:
        twin.insights({"forecast_days": 0})

    with pytest.raises(ValidationError, match="forecast_days"):
        asyncio.run(notebook())


@dataclass(frozen=True)
class ByHand:
    """Forecasts that no model made."""

    forecasts: tuple[SymptomForecast, ...]
    skipped: Mapping[SeriesKey, str]

    def __iter__(self) -> Iterator[SymptomForecast]:
        return iter(self.forecasts)


@pytest.fixture
def forecasts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Forecasts made by hand instead of by the model; what was asked for."""
    asked: list[Any] = []

    class Service:
        model = SimpleNamespace(version="by hand")

        def forecast(self, reports: Any, horizon: int, *, scale: Any, covariates: Any, today: date) -> ByHand:
            del today
            asked.append((reports, horizon, scale, covariates))
            if len(reports) < 4:
                raise InsufficientDataError("too few")
            last = reports["timestamp"].max().date()
            shift = np.timedelta64((TODAY - last).days, "D")
            one = forecast(reports["value"].to_list(), middle=9, spread=4)
            return ByHand((replace(one, days=one.days - shift, history_days=one.history_days - shift),), {})

    monkeypatch.setattr("novamind.symptoms.service.default_service", Service)
    return asked


def test_a_forecast_is_asked_with_scales_and_treatments_for_two_weeks_or_so_many_days(forecasts: list[Any]) -> None:
    reports = diary([1.0, 2, float("nan"), 4, 5]).vstack(diary([7.0], "mood"))
    twin = nm.PatientTwin(record(("sertraline",), symptoms=reports), today=TODAY)
    found = twin.forecast()
    assert list(found.skipped) == [SeriesKey("p", "mood")]
    twin.forecast(3)
    ((rows, horizon, scales, covariates), (_, other, _, _)) = forecasts
    assert rows["value"].to_list() == pytest.approx([1.0, 2, float("nan"), 4, 5], nan_ok=True)
    assert (horizon, other, list(scales)) == (14, 3, ["PHQ-9"])
    assert covariates.rows() == [("p", datetime.combine(date(2025, 1, 1), time()), "treatment_start", 1.0)]
    with pytest.raises(ValidationError, match="option 'forecast_days' must be a whole number from 1 to 30"):
        twin.forecast(31)


@pytest.mark.parametrize(
    ("symptoms", "lacks"),
    [
        (None, "the record holds no symptom reports"),
        (diary([1.0] * 9, "mood"), "no symptom of the record has a known range, as PHQ-9 has"),
    ],
)
def test_without_a_known_range_there_is_no_forecast(symptoms: Any, lacks: str) -> None:
    with pytest.raises(InsufficientDataError, match=lacks):
        nm.PatientTwin(record(symptoms=symptoms), today=TODAY).forecast()


@pytest.mark.parametrize("days", [0, 31, True, 2.0, "3"])
def test_a_replay_goes_back_one_to_thirty_days(days: Any, forecasts: list[Any]) -> None:
    twin = nm.PatientTwin(record(symptoms=diary([9.0] * 40)), today=TODAY)
    with pytest.raises(ValidationError, match="days must be a whole number from 1 to 30"):
        twin.replayed(days)
    with pytest.raises(ValidationError, match="days must be a whole number from 1 to 30"):
        nm.PatientTwin(record(), today=TODAY).replayed(days)
    for right in (1, 30):
        twin.replayed(right)
        assert forecasts[-1][1] == right


def test_a_replay_knows_the_reports_up_to_its_day_and_is_held_against_the_later_ones(forecasts: list[Any]) -> None:
    values = [8.0, 9, 10, 9, 11, 12, 13, 14, 15, 16]
    (found,) = nm.PatientTwin(record(symptoms=diary(values)), today=TODAY).replayed(3)
    ((known, horizon, _, _),) = forecasts
    assert (known["value"].to_list(), horizon) == (values[:7], 3)
    assert (found.made_on, found.reports, found.replayed) == (TODAY - timedelta(days=3), 3, True)
    assert found.mean_error == pytest.approx((5 + 6 + 7) / 3)


def test_a_replay_with_too_few_reports_on_either_side_is_left_out(forecasts: list[Any]) -> None:
    assert nm.PatientTwin(record(symptoms=diary([9.0] * 6)), today=TODAY).replayed(3) == ()
    assert nm.PatientTwin(record(symptoms=diary([9.0])), today=TODAY).replayed(3) == ()
    assert nm.PatientTwin(record(), today=TODAY).replayed(3) == ()
    nm.PatientTwin(record(symptoms=diary([9.0] * 40)), today=TODAY).replayed()
    assert forecasts[-1][1] == 14


def test_a_report_holds_the_insights_the_replay_and_the_what_ifs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nm.PatientTwin, "insights", lambda _: full_insights())
    real = nm.PatientTwin.replayed
    monkeypatch.setattr(nm.PatientTwin, "replayed", lambda _: (full_insights().tracking[1],))
    seen: list[Any] = []
    monkeypatch.setattr("novamind.twin.report.render", lambda *known: seen.append(known) or "ä page")
    twin = nm.PatientTwin(record(symptoms=diary([9.0])), today=TODAY)
    file = twin.report(str(tmp_path / "out.html"), ("what if",))  # type: ignore[arg-type]
    assert file == tmp_path / "out.html"
    assert file.read_bytes() == "ä page".encode()
    ((insights, shown, asked),) = seen
    assert insights.tracking == (*full_insights().tracking, full_insights().tracking[1])
    assert (shown, asked) == (twin.case, ("what if",))
    monkeypatch.setattr(nm.PatientTwin, "replayed", real)
    nm.PatientTwin(record(), today=TODAY).report(tmp_path / "none.html")
    assert seen[-1][0].tracking == full_insights().tracking, "nothing is replayed without an instrument"
    with pytest.raises(DataProcessingError, match=r"^x.html cannot be written: No such file or directory$"):
        twin.report(tmp_path / "no" / "x.html")


def test_a_record_goes_out_without_results_unless_they_are_given() -> None:
    twin = nm.PatientTwin(record(("citalopram",), symptoms=diary([9.0])), today=TODAY)
    assert twin.to_fhir() == record_bundle(twin.record)
    whole = twin.to_fhir(full_insights())
    assert len(whole["entry"]) == len(record_bundle(twin.record)["entry"]) + 6


def test_the_package_has_the_names_that_it_states_and_no_other() -> None:
    import novamind.twin as room

    assert {name: getattr(room, name).__name__ for name in room.__all__} == {name: name for name in room.__all__}
    with pytest.raises(AttributeError, match=r"module 'novamind.twin' has no attribute 'Nothing'"):
        room.Nothing  # noqa: B018


def test_every_public_signature_of_the_twin_is_typed() -> None:
    for name, member in vars(nm.PatientTwin).items():
        if name.startswith("_") and name != "__init__":
            continue
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        annotations = inspect.get_annotations(function)
        assert set(inspect.signature(function).parameters) - {"self", "cls"} <= set(annotations), name
        assert "return" in annotations, name
        assert not [hint for hint in annotations.values() if "Any" in str(hint)], name


def test_what_of_a_genotype_file_was_not_read_is_in_the_notes(tmp_path: Path) -> None:
    (tmp_path / "patient.json").write_text('{"patient_id": "p"}')
    array = "i50\t1\t5\tAG\nkgp7\t1\t5\tAG\nrs4244285\t10\t6\tGG\n"
    (tmp_path / "genotype.txt").write_text(array)
    notes = nm.PatientTwin.from_directory(tmp_path).case.notes
    assert "Names that are no rs numbers were passed over: 1 i, 1 kgp." in notes
