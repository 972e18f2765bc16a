"""What each service needs, what its result depends on, and with what it is asked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from novamind.errors import InsufficientDataError
from novamind.records import Allergy, MedicationCourse, PatientRecord
from novamind.records.tables.frames import SeriesKey
from novamind.symptoms.domain import Scale
from novamind.twin import analyses
from novamind.twin.analyses import (
    BiometricLinks,
    MedicationReviews,
    SymptomForecasts,
    TreatmentCourses,
    default_analyses,
    review_of,
)
from novamind.twin.case import Case
from novamind.twin.domain import Options
from tests.twin.people import PHQ9, TODAY, case, diary, record

DAY = timedelta(days=1)
UNKNOWN = "no symptom of the record has a known range, as PHQ-9 has"
UNSCALED = "its range is not known; give it once for the whole series"
NOT_SIMULATED = "no current medication has both a daily dose and tabled kinetics"
BOTH = pl.concat([diary([1.0, 2, 3]), diary([4.0, 5], "mood")])
MOOD = {"mood": Scale(0, 10)}


def signals(days: int = 3, end: date = TODAY, value: float = 7.0) -> pl.DataFrame:
    when = pl.date_range(end - (days - 1) * DAY, end, eager=True)
    return pl.DataFrame({"timestamp": when, "value": value, "signal": "sleep_duration", "unit": "h", "patient_id": "p"})


class Noting:
    """A service that keeps what it was asked."""

    version = "noting-1"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def analyze_correlations(self, patient_data: Any, biometric_data: Any = None) -> str:
        self.asked.append((patient_data, biometric_data))
        return "links"

    def forecast(self, *asked: Any, **known: Any) -> "Made":
        self.asked.append((asked, known))
        return Made({SeriesKey("p", "GAD-7"): "too few reports"})


@dataclass(frozen=True)
class Made:
    """Forecasts, as far as the twin touches them."""

    skipped: dict[SeriesKey, str]


def run(analysis: Any, patient: Case, options: Options | None = None) -> Any:
    return asyncio.run(analysis.run(patient, options or Options()))


def test_the_four_rooms_in_their_order() -> None:
    names = [one.name for one in default_analyses()]
    assert names == ["symptoms", "biometrics", "pharmacogenomics", "neurochemistry"]


@pytest.mark.parametrize(
    ("analysis", "patient", "lacks"),
    [
        (SymptomForecasts(), case(), "the record holds no symptom reports"),
        (SymptomForecasts(), case(symptoms=diary([1.0], "mood")), UNKNOWN),
        (SymptomForecasts(), case(symptoms=diary([28.0])), UNKNOWN),
        (SymptomForecasts(), case(symptoms=diary([1.0])), None),
        (SymptomForecasts(), case(symptoms=BOTH), None),
        (SymptomForecasts(), Case(record(symptoms=diary([1.0], "mood")), TODAY, own_scales=MOOD), None),
        (BiometricLinks(), case(symptoms=diary([1.0])), "the record holds no signals of wearables or vital signs"),
        (BiometricLinks(), case(signals=signals()), "the record holds no symptom reports to link signals with"),
        (BiometricLinks(), case(signals=signals(), symptoms=diary([1.0], "mood")), None),
        (MedicationReviews(), case(), None),
        (TreatmentCourses(), case(), "no current medication is recorded"),
        (TreatmentCourses(), case(medications=("sertraline",)), NOT_SIMULATED),
        (TreatmentCourses(), case(medications=("codeine",), dose_mg=30), NOT_SIMULATED),
        (TreatmentCourses(), case(medications=("sertraline",), dose_mg=50), None),
    ],
)
def test_what_a_service_lacks(analysis: Any, patient: Case, lacks: str | None) -> None:
    assert analysis.lacking(patient, Options()) == lacks


def same(analysis: Any, one: Case, other: Case, options: Options | None = None) -> bool:
    return bool(analysis.inputs(one, Options()) == analysis.inputs(other, options or Options()))


def test_a_forecast_depends_on_the_reports_of_a_known_range_and_the_horizon() -> None:
    base = case(symptoms=BOTH)
    assert same(SymptomForecasts(), base, case(symptoms=BOTH, conditions=("long qt",), genotype={"CYP2D6": "*1/*1"}))
    assert same(SymptomForecasts(), base, case(symptoms=pl.concat([diary([1.0, 2, 3]), diary([9.0], "mood")])))
    assert same(SymptomForecasts(), base, case(symptoms=pl.concat([diary([1.0, 2, 3], "phq9"), diary([9.0], "mood")])))
    assert not same(SymptomForecasts(), base, case(symptoms=diary([1.0, 2, 3]))), "what is not forecast is named too"
    assert not same(SymptomForecasts(), base, case(symptoms=pl.concat([diary([1.0, 2, 4]), diary([4.0, 5], "mood")])))
    assert not same(SymptomForecasts(), base, case(symptoms=diary([1.0, 2, 3], end=TODAY - DAY)))
    assert not same(SymptomForecasts(), base, case(symptoms=diary([1.0, 2, 3], "GAD-7")))
    assert not same(SymptomForecasts(), base, base, Options(forecast_days=15))
    assert same(SymptomForecasts(), base, base, Options(biometric_lookback_days=31))


def test_a_forecast_depends_on_scales_signals_and_treatments() -> None:
    base = record(symptoms=BOTH)
    scaled = Case(base, TODAY, own_scales=MOOD)
    assert not same(SymptomForecasts(), Case(base, TODAY), scaled)
    assert not same(SymptomForecasts(), scaled, Case(base, TODAY, own_scales={"mood": Scale(0, 20)}))
    assert same(SymptomForecasts(), scaled, Case(base, TODAY, own_scales=MOOD | {"calm": Scale(0, 5)}))
    assert not same(SymptomForecasts(), Case(base, TODAY), case(symptoms=BOTH, signals=signals()))
    assert not same(
        SymptomForecasts(), case(symptoms=BOTH, signals=signals()), case(symptoms=BOTH, signals=signals(value=8.0))
    )
    assert not same(SymptomForecasts(), Case(base, TODAY), case(symptoms=BOTH, medications=("lithium",)))
    assert same(SymptomForecasts(), Case(base, TODAY), case(symptoms=BOTH, medications=("ibuprofen",)))
    begun = [
        Case(replace(base, medications=(MedicationCourse("lithium", TODAY - back * DAY),)), TODAY) for back in (0, 9)
    ]
    assert not same(SymptomForecasts(), *begun)


def test_links_depend_on_all_reports_signals_lookback_and_dated_courses() -> None:
    base = case(symptoms=BOTH, signals=signals())
    assert not same(BiometricLinks(), base, case(symptoms=diary([1.0, 2, 3]), signals=signals()))
    assert not same(BiometricLinks(), base, case(symptoms=BOTH, signals=signals(value=8.0)))
    assert not same(BiometricLinks(), base, case(symptoms=BOTH, signals=signals().with_columns(unit=pl.lit("min"))))
    assert not same(BiometricLinks(), base, base, Options(biometric_lookback_days=31))
    assert same(BiometricLinks(), base, base, Options(forecast_days=15))
    course = replace(base.record, medications=(MedicationCourse("lithium", TODAY),))
    undated = replace(base.record, medications=(MedicationCourse("lithium", None),))
    assert not same(BiometricLinks(), base, Case(course, TODAY))
    assert same(BiometricLinks(), base, Case(undated, TODAY))


def test_a_review_depends_on_genes_drugs_and_conditions_whatever_their_order() -> None:
    base = case(medications=("lithium", "sertraline"), genotype={"CYP2D6": "*1/*1", "CYP2C19": "*2/*2"})
    turned = case(medications=("sertraline", "lithium"), genotype={"CYP2C19": "*2/*2", "CYP2D6": "*1/*1"})
    for analysis in (MedicationReviews(), TreatmentCourses()):
        assert same(analysis, base, turned)
        assert not same(analysis, base, case(medications=("lithium", "sertraline"), genotype={"CYP2D6": "*1/*1"}))
        assert not same(analysis, base, case(medications=("lithium",), genotype=base.record.genotype))
        with_condition = case(
            medications=("lithium", "sertraline"), genotype=base.record.genotype, conditions=("long qt",)
        )
        assert not same(analysis, base, with_condition)
        allergic = case(medications=("lithium", "sertraline"), genotype=base.record.genotype, allergies=("citalopram",))
        assert not same(analysis, base, allergic)
        unread = case(medications=("lithium", "sertraline"), genotype={**base.record.genotype, "CYP2C9": "nonsense"})
        assert not same(analysis, base, unread)


def test_reviews_and_simulated_courses_depend_on_the_dose() -> None:
    one, other = (case(medications=("sertraline",), dose_mg=dose) for dose in (50, 100))
    assert not same(MedicationReviews(), one, other)
    assert not same(TreatmentCourses(), one, other)


def test_versions_name_the_model_or_the_tables() -> None:
    assert MedicationReviews().version == f"tables of novamind {version('novamind')}"
    assert TreatmentCourses().version == "neurochemistry-1"
    assert BiometricLinks(Noting()).version == "noting-1"
    model = SimpleNamespace(model=SimpleNamespace(version="symptoms-7"))
    assert SymptomForecasts(model).version == "symptoms-7"  # type: ignore[arg-type]


def test_a_forecast_is_asked_with_all_that_the_case_knows_for_so_many_days() -> None:
    service = Noting()
    reports = pl.concat([BOTH, diary([6.0, 99.0], "GAD_7"), diary([2.0], "sleep"), diary([3.0], "pain")])
    patient = Case(record(("lithium",), symptoms=reports, signals=signals()), TODAY, own_scales=MOOD)
    made = run(SymptomForecasts(service), patient, Options(forecast_days=9))  # type: ignore[arg-type]
    (((table, days), known),) = service.asked
    assert days == 9
    assert table.filter(pl.col("symptom") == "PHQ-9")["value"].to_list() == [1.0, 2.0, 3.0]
    assert table.filter(pl.col("symptom") == "mood")["value"].to_list() == [4.0, 5.0]
    assert table.filter(pl.col("symptom") == "GAD-7")["value"].to_list() == [6.0], "off the scale is not asked about"
    assert set(table["symptom"]) == {"PHQ-9", "mood", "GAD-7"}
    assert set(known) == {"scale", "covariates", "today"}
    assert known["today"] == TODAY, "the patient's own day"
    assert known["scale"] == patient.scales == {"PHQ-9": PHQ9, "GAD-7": Scale(0, 21, step=1), **MOOD}
    assert known["covariates"]["signal"].to_list() == ["sleep_duration"] * 3 + ["treatment_start"]
    assert made.skipped == {
        SeriesKey("p", "GAD-7"): "too few reports",
        SeriesKey("p", "sleep"): UNSCALED,
        SeriesKey("p", "pain"): UNSCALED,
    }
    run(SymptomForecasts(service), case(symptoms=BOTH))  # type: ignore[arg-type]
    assert service.asked[1][1]["covariates"] is None


def test_a_symptom_without_a_range_is_named_beside_the_forecasts() -> None:
    """With the room's own service; seven items that came with no range were dropped without a word once."""
    items = [diary([1.0, 2], f"PHQ-9 item {number}") for number in range(1, 8)]
    made = run(SymptomForecasts(), case(symptoms=pl.concat([diary([8.0, 9, 10, 9] * 3), *items])))
    assert [forecast.symptom for forecast in made] == ["PHQ-9"]
    assert {key.name: reason for key, reason in made.skipped.items()} == {
        f"PHQ-9 item {number}": UNSCALED for number in range(1, 8)
    }


COURSES = {
    "begun": (MedicationCourse("lithium", TODAY - DAY), True),
    "begun and ended": (MedicationCourse("lithium", TODAY - 9 * DAY, TODAY - DAY), True),
    "stopped on a known day": (MedicationCourse("lithium", TODAY - 9 * DAY, TODAY - DAY, stopped=True), True),
    "stopped, nobody knows when": (MedicationCourse("lithium", TODAY - 9 * DAY, stopped=True), False),
    "begun, nobody knows when": (MedicationCourse("lithium", None), False),
}


@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES.keys())
def test_links_are_asked_with_courses_whose_days_are_known(course: tuple[MedicationCourse, bool]) -> None:
    service = Noting()
    known = replace(record(symptoms=BOTH, signals=signals()), medications=(course[0],))
    assert run(BiometricLinks(service), Case(known, TODAY)) == "links"
    ((asked, samples),) = service.asked
    assert asked["patient_id"] == "p"
    assert asked["symptoms"]["symptom"].to_list() == ["PHQ-9"] * 3 + ["mood"] * 2
    assert samples.select("signal", "value", "unit").rows() == [("sleep_duration", 7.0, "h")] * 3
    if course[1]:
        assert asked["medication"].rows() == [(course[0].start, course[0].end)]
        assert asked["medication"].schema == {"start": pl.Date, "end": pl.Date}
    else:
        assert "medication" not in asked


@pytest.mark.parametrize(
    ("last_report", "last_signal"), [(TODAY, TODAY - 2 * DAY), (TODAY - 2 * DAY, TODAY)], ids=["report", "signal"]
)
def test_the_lookback_is_counted_from_the_last_observation_of_either_kind(last_report: date, last_signal: date) -> None:
    service = Noting()
    known = record(symptoms=diary([1.0] * 20, end=last_report), signals=signals(20, last_signal))
    run(BiometricLinks(service), Case(known, TODAY), Options(biometric_lookback_days=7))
    ((asked, samples),) = service.asked
    for table, last in ((asked["symptoms"], last_report), (samples, last_signal)):
        assert table["timestamp"].min().date() == TODAY - 7 * DAY, "the day itself still counts"
        assert table["timestamp"].max().date() == last


@pytest.mark.parametrize("late", ["symptoms", "signals"])
def test_where_the_two_do_not_meet_in_the_lookback_that_is_said(late: str) -> None:
    old = TODAY - 40 * DAY
    known = (
        record(symptoms=diary([1.0] * 3), signals=signals(end=old))
        if late == "symptoms"
        else record(symptoms=diary([1.0] * 3, end=old), signals=signals())
    )
    with pytest.raises(InsufficientDataError, match="the last 30 days of the record do not hold both"):
        run(BiometricLinks(Noting()), Case(known, TODAY))


def test_a_review_has_every_psychiatric_drug_and_whatever_else_is_taken() -> None:
    patient = case(medications=("codeine", "sertraline", "Obscurol"), conditions=("long qt",))
    review = run(MedicationReviews(), patient)
    assert {"codeine", "Obscurol", "sertraline", "citalopram", "haloperidol"} <= set(review.drugs)
    assert list(review.drugs)[-2:] == ["codeine", "Obscurol"]
    assert review.conditions == ("long qt",)
    assert set(review.comedications) == {"codeine", "sertraline"}
    usual = run(MedicationReviews(), case(medications=("sertraline",)))
    assert "codeine" not in usual.drugs


def test_a_review_rests_on_all_that_the_record_says() -> None:
    """One way to the review: whoever asks, of every drug or of one, gets the same words on it."""
    known = replace(
        record(("codeine", "sertraline"), {"CYP2C19": "*2/*2", "CYP2C9": "nonsense"}, ("long qt",)),
        allergies=(Allergy("Celexa"), Allergy("penicillin")),
        demographics={"birth_year": TODAY.year - 20},
    )
    patient = Case(known, TODAY)
    every, one = review_of(patient), review_of(patient, "escitalopram")
    assert list(one) == ["escitalopram"]
    assert one["escitalopram"] == every["escitalopram"]
    for review in (every, one, run(MedicationReviews(), patient)):
        assert review.conditions == ("long qt", "age under 25")
        assert review.allergies == ("citalopram",)
        assert review.comedications == ("codeine", "sertraline")
        assert set(review.genotype) == {"CYP2C19"}
        assert review.notes == (
            "Allergies to drugs outside the medication tables were not checked: penicillin.",
            "The result of CYP2C9 is in an unknown notation and was not used.",
        )
        assert review["escitalopram"].against == (
            "It is one half of citalopram: the label rules it out after an allergy to citalopram."
        )
    assert list(review_of(patient, "Lexapro")) == ["escitalopram"]
    assert run(MedicationReviews(), patient) == every


def test_each_drug_that_can_be_is_simulated_at_its_dose(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def noted(patient: Case, drug: str, dose: float, **how: Any) -> str:
        asked.append((patient.record.patient_id, drug, dose, how))
        return f"course of {drug}"

    monkeypatch.setattr(analyses, "what_if", noted)
    courses = (
        MedicationCourse("Zoloft", None, dose_mg=50),
        MedicationCourse("codeine", None, dose_mg=30),
        MedicationCourse("paroxetine", None),
    )
    found = run(TreatmentCourses(), Case(PatientRecord("p", medications=courses), TODAY))
    assert found == {"sertraline": "course of sertraline"}
    assert asked == [("p", "sertraline", 50, {"ensemble": 50})]


def test_services_are_made_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from novamind.biometrics import service as biometrics
    from novamind.symptoms import service as symptoms

    made: list[Noting] = []

    def new() -> Noting:
        made.append(Noting())
        return made[-1]

    monkeypatch.setattr(biometrics, "default_service", new)
    monkeypatch.setattr(symptoms, "default_service", new)
    for analysis in (BiometricLinks(), SymptomForecasts()):
        once: Callable[[], Any] = analysis._service
        assert once() is once() is made[-1]
    assert len(made) == 2
