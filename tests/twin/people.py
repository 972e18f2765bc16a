"""Small patients and services that fail on demand."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import date
from functools import cache
from types import SimpleNamespace
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from novamind.biometrics.domain import CausalGraph, Link
from novamind.biometrics.domain import Reliability as LinkReliability
from novamind.pharmacogenomics import DrugReview, Review, recommend
from novamind.records import Allergy, Condition, MedicationCourse, PatientRecord, signal_frame, symptom_frame
from novamind.records.tables.frames import SeriesKey
from novamind.symptoms.domain import LEVELS, Explanation, Member, Reliability, Scale, SymptomForecast, Trend
from novamind.twin.analyses import BIOMETRICS, COURSES, MEDICATIONS, SYMPTOMS
from novamind.twin.case import Case
from novamind.twin.domain import ForecastCheck, Options, ServiceResult, Status
from novamind.twin.recommendations import recommendations
from novamind.twin.results import Insights
from novamind.twin.what_if import what_if

TODAY = date(2025, 6, 1)
PHQ9, WHO5 = Scale(0, 27, step=1), Scale(0, 100, step=4, worse="low")


def diary(values: list[float], symptom: str = "PHQ-9", end: date = TODAY) -> pl.DataFrame:
    days = pl.date_range(date.fromordinal(end.toordinal() - len(values) + 1), end, eager=True)
    return pl.DataFrame({"timestamp": days, "value": values, "symptom": symptom, "patient_id": "p"})


def record(
    medications: tuple[str, ...] = (),
    genotype: dict[str, str] | None = None,
    conditions: tuple[str, ...] = (),
    allergies: tuple[str, ...] = (),
    symptoms: pl.DataFrame | None = None,
    signals: pl.DataFrame | None = None,
    dose_mg: float | None = None,
) -> PatientRecord:
    return PatientRecord(
        "p",
        symptoms=None if symptoms is None else symptom_frame(symptoms),
        signals=None if signals is None else signal_frame(signals),
        medications=tuple(MedicationCourse(name, date(2025, 1, 1), dose_mg=dose_mg) for name in medications),
        genotype=genotype or {},
        conditions=tuple(Condition(word, word=word) for word in conditions),
        allergies=tuple(Allergy(name, medication=name) for name in allergies),
    )


def case(**known: Any) -> Case:
    return Case(record(**known), TODAY)


class Scripted:
    """An analysis that does, call by call, what its script says."""

    def __init__(self, name: str, script: Callable[[int], Any], version: str = "1", inputs: Any = None) -> None:
        self.name, self.version, self.script, self.calls = name, version, script, 0
        self._inputs = inputs or (lambda case: (case.record.patient_id,))

    def lacking(self, *_: object) -> str | None:
        return None

    def inputs(self, case: Case, _: Options) -> tuple[object, ...]:
        return self._inputs(case)  # type: ignore[no-any-return]

    async def run(self, *_: object) -> Any:
        self.calls += 1
        return self.script(self.calls)


def fails(error: Exception) -> Callable[[int], Any]:
    def script(_: int) -> Any:
        raise error

    return script


def forecast(
    history: list[float],
    symptom: str = "PHQ-9",
    scale: Scale = PHQ9,
    middle: float = 12.0,
    spread: float = 10.0,
    drift: float = 0.0,
    **change: Any,
) -> SymptomForecast:
    """A forecast made by hand: quantiles straight from ``middle - spread`` to ``middle + spread``, and a drift."""
    first = np.datetime64(TODAY) - len(history) + 1
    days = np.datetime64(TODAY) + 1 + np.arange(5)
    centre = middle + drift * np.arange(5)
    quantiles = np.clip(centre[:, None] + spread * (2 * LEVELS - 1), scale.low, scale.high)
    known: dict[str, Any] = {
        "symptom": symptom,
        "patient_id": "p",
        "scale": scale,
        "history_days": first + np.arange(len(history)),
        "history": np.array(history),
        "days": days,
        "quantile_levels": LEVELS,
        "quantiles": scale.snap(quantiles),
        "continuous_quantiles": quantiles,
        "trend": Trend(0.5, -0.2, 1.2, 0.85, "uncertain", 28),
        "reliability": Reliability("medium", ("few reports", "long gaps")),
        "members": (Member("trees", 0.7, None, 4.0), Member("mean", 0.3, 5.0, 6.0)),
        "explain": lambda: Explanation(quantiles - 1.5, {"last report": np.full(quantiles.shape, 1.5)}),
        "coverage": {0.8: 0.812, 0.95: 0.946},
        "model_version": "symptoms-test",
        "seed": 7,
    }
    return SymptomForecast(**known | change)


class Fixed(Review):
    """A review that stays as it is whatever is stopped."""

    def without(self, drug: str, asked: Sequence[str] | None = None) -> Review:  # noqa: ARG002
        return replace(self, drugs={name: of for name, of in self.drugs.items() if asked is None or name in asked})


def fixed(review: Review, **drugs: DrugReview) -> Review:
    """The same review of other drugs, which stays as it is whatever is stopped."""
    return Fixed(**{field.name: getattr(review, field.name) for field in fields(review)} | {"drugs": drugs})


def available(name: str, value: Any) -> dict[str, ServiceResult]:
    return {name: ServiceResult(name, Status.AVAILABLE, value, model_version="v1")}


class Forecasts(tuple[SymptomForecast, ...]):
    """Forecasts with what could not be forecast, as the symptoms room gives them."""

    skipped: dict[Any, str]

    @classmethod
    def of(cls, *forecasts: SymptomForecast, skipped: dict[Any, str] | None = None) -> "Forecasts":
        made = cls(forecasts)
        made.skipped = skipped or {}
        return made


def spec(chart: Any) -> dict[str, Any]:
    """The picture's description with its data in their places, not under the name of a digest."""
    with alt.data_transformers.enable("default", consolidate_datasets=False):
        return dict(chart.to_dict())


class Links:
    """What the biometrics room gives of one person, as far as the twin reads it: one link that was not confirmed."""

    def person(self) -> Any:
        return SimpleNamespace(
            patient_id="p",
            links=(
                Link("p", "hrv", "PHQ-9", False, -1.5, 0.2, 0.4, 30.0, 12, 40, 1, 0.1, 0, 0.3, None, 45.0, 0.1, 0.2),
            ),
            graph=CausalGraph("p", ("hrv",), ("PHQ-9",), ()),
            skipped={"steps": "too few samples"},
            notes=("times are UTC",),
            reliability=LinkReliability("low", ("30 days",)),
            insights=(),
            anomalies={},
            change_points={},
            early_warning=(),
            monitoring_plan=(),
            series=None,
            model_version="v1",
            seed=0,
        )


@cache
def full_case() -> Case:
    """A patient of whom something of everything is known."""
    known = record(
        ("citalopram", "atomoxetine", "Obscurol"),
        {"CYP2D6": "*4/*4", "CYP2C19": "*2/*2", "CYP2C9": "nonsense"},
        ("long qt", "gout"),
        ("sertraline",),
        symptoms=diary([8.0, 9, 11] * 8),
        dose_mg=20,
    )
    return Case(known, TODAY)


@cache
def full_insights() -> Insights:
    """Everything that can be said of that patient, from forecasts made by hand and small simulations."""
    patient = full_case()
    asked = ("citalopram", "atomoxetine", "codeine")
    taken = tuple(patient.medications)
    review = recommend(patient.genotype, asked, taken, patient.conditions, patient.allergens)
    forecasts = Forecasts.of(
        forecast([8.0, 9, 11] * 8, middle=9, spread=6, drift=1),
        forecast([60.0, 48] * 8, "WHO-5", WHO5, middle=50, spread=30),
        forecast([4.0, 5] * 8, "mood", Scale(0, 10), middle=5, spread=3),
        skipped={SeriesKey("p", "GAD-7"): "too few reports"},
    )
    courses = {name: what_if(patient, name, 20, weeks=1, ensemble=3) for name in ("citalopram", "atomoxetine")}
    results = {
        **available(SYMPTOMS, forecasts),
        **available(BIOMETRICS, Links()),
        **available(MEDICATIONS, review),
        **available(COURSES, courses),
        "late": ServiceResult("late", Status.TIMED_OUT, reason="no answer within 15 s"),
    }
    checks = (
        ForecastCheck("PHQ-9", TODAY, 14, 8, 0.75, 0.875, 1.256, 15.0, 0.421, True, "m"),
        ForecastCheck("GAD-7", TODAY, 7, 0, None, None, None, None, None, None, "m", replayed=True),
    )
    said = recommendations(patient, results)
    return Insights("p", TODAY, Options(forecast_days=5), results, said, checks, patient.notes)
