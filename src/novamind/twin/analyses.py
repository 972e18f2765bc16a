"""The four services as the twin runs them: what each needs, what its result depends on, and its call."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import version as package_version
from typing import TYPE_CHECKING, Any

import polars as pl

from novamind.drugs.catalogue import psychiatric
from novamind.errors import InsufficientDataError
from novamind.pharmacogenomics import Review, recommend
from novamind.records import MedicationCourse
from novamind.records.tables.frames import SeriesKey
from novamind.twin.case import Case
from novamind.twin.domain import BIOMETRICS, COURSES, MEDICATIONS, SYMPTOMS, Options
from novamind.twin.ports import Analysis, BiometricCorrelations
from novamind.twin.results import WhatIf
from novamind.twin.what_if import what_if

if TYPE_CHECKING:
    from novamind.symptoms.service import SymptomForecastingService

_UNSCALED = "its range is not known; give it once for the whole series"
#: Members of the ensemble for each current medication.
_ENSEMBLE = 50


def default_analyses() -> tuple[Analysis, ...]:
    """Return the four analyses of this package: forecasts, links, medication reviews and simulated courses."""
    return SymptomForecasts(), BiometricLinks(), MedicationReviews(), TreatmentCourses()


@dataclass
class SymptomForecasts:
    """Forecast of every symptom whose scale is known."""

    service: "SymptomForecastingService | None" = None
    name: str = SYMPTOMS

    def _service(self) -> "SymptomForecastingService":
        if self.service is None:
            from novamind.symptoms.service import default_service

            self.service = default_service()
        return self.service

    @property
    def version(self) -> str:
        """Return the version of the symptom model."""
        return self._service().model.version

    def lacking(self, case: Case, options: Options) -> str | None:  # noqa: ARG002
        """Return what the record lacks: reports on a scale that is known."""
        if case.record.symptoms is None:
            return "the record holds no symptom reports"
        return None if case.symptoms is not None else "no symptom of the record has a known range, as PHQ-9 has"

    def inputs(self, case: Case, options: Options) -> tuple[object, ...]:
        """Return reports, scales, covariates and the horizon."""
        return (
            _content(case.symptoms),
            tuple(case.scales.items()),
            case.unscaled,
            _content(case.covariates),
            options.forecast_days,
        )

    async def run(self, case: Case, options: Options) -> Any:
        """Return the forecasts, with the series that could not be forecast in ``.skipped``."""
        made = self._service().forecast(
            case.symptoms,
            options.forecast_days,
            scale=case.scales,
            covariates=case.covariates,
            today=case.last_day,
        )
        unscaled = {SeriesKey(case.record.patient_id, name): _UNSCALED for name in case.unscaled}
        return replace(made, skipped={**made.skipped, **unscaled})


@dataclass
class BiometricLinks:
    """Links between signals and symptoms, by the biometrics room."""

    service: BiometricCorrelations | None = None
    name: str = BIOMETRICS

    def _service(self) -> BiometricCorrelations:
        if self.service is None:
            from novamind.biometrics.service import default_service

            self.service = default_service()
        return self.service

    @property
    def version(self) -> str:
        """Return the version of the detector."""
        return self._service().version

    def lacking(self, case: Case, options: Options) -> str | None:  # noqa: ARG002
        """Return what the record lacks: signals, or symptom reports to link them with."""
        if case.signals is None:
            return case.unused_signals or "the record holds no signals of wearables or vital signs"
        return None if case.observed is not None else "the record holds no symptom reports to link signals with"

    def inputs(self, case: Case, options: Options) -> tuple[object, ...]:
        """Return symptoms with their scales, signals, the lookback, and when medications began and ended."""
        return (
            _content(case.observed),
            tuple(case.scales.items()),
            _content(case.signals),
            options.biometric_lookback_days,
            tuple((course.start, course.end) for course in case.record.medications if _dated(course)),
        )

    async def run(self, case: Case, options: Options) -> Any:
        """Return the biometrics room's own result, with the record's medications as known common causes."""
        record, signals, symptoms = case.record, case.signals, case.observed
        assert signals is not None  # noqa: S101 - lacking() was asked before
        assert symptoms is not None  # noqa: S101
        begin = max(signals["timestamp"].max(), symptoms["timestamp"].max()) - timedelta(  # type: ignore[type-var, operator]
            days=options.biometric_lookback_days
        )
        recent = [frame.filter(frame["timestamp"] >= begin) for frame in (symptoms, signals)]
        if not all(map(len, recent)):
            raise InsufficientDataError(
                f"the last {options.biometric_lookback_days} days of the record do not hold both signals and symptom "
                f"reports: look further back (biometric_lookback_days)"
            )
        patient: dict[str, Any] = {"patient_id": record.patient_id, "symptoms": recent[0], "today": case.last_day}
        courses = [(course.start, course.end) for course in record.medications if _dated(course)]
        if courses:
            patient["medication"] = pl.DataFrame(courses, {"start": pl.Date, "end": pl.Date}, orient="row")
        return await self._service().analyze_correlations(patient, recent[1])


@dataclass
class MedicationReviews:
    """Every psychiatric drug and everything that is taken, for this genotype and co-medication."""

    name: str = MEDICATIONS

    @property
    def version(self) -> str:
        """Return the version of the packaged tables."""
        return f"tables of novamind {package_version('novamind')}"

    def lacking(self, case: Case, options: Options) -> str | None:  # noqa: ARG002
        """Return ``None``: without a genotype, cautions of co-medication and conditions still hold."""
        return None

    def inputs(self, case: Case, options: Options) -> tuple[object, ...]:  # noqa: ARG002
        """Return what the review takes: genotype, medication with doses, what was stopped, conditions, the person."""
        return (
            tuple(sorted(map(repr, case.genotype.items()))),
            case.unread_genes,
            tuple(sorted(case.medications)),
            case.conditions,
            case.allergens,
            tuple(sorted((drug, repr(dosage)) for drug, dosage in case.doses.items())),
            tuple(sorted(map(repr, case.stopped.items()))),
            repr(case.person),
        )

    async def run(self, case: Case, options: Options) -> Review:  # noqa: ARG002
        """Return one review of every psychiatric drug and everything that is taken."""
        return review_of(case)


def review_of(case: Case, medication: str | None = None) -> Review:
    """Return the review of one drug, or of every psychiatric drug and everything that is taken."""
    asked = (*psychiatric(), *case.medications) if medication is None else (medication,)
    review = recommend(
        case.genotype,
        tuple(dict.fromkeys(asked)),
        tuple(case.medications),
        case.conditions,
        case.allergens,
        stopped=case.stopped,
        doses=case.doses,
        person=case.person,
    )
    return replace(review, notes=(*review.notes, *case.unread_genes))


@dataclass
class TreatmentCourses:
    """Simulated course of each current medication that has a dose and known kinetics."""

    name: str = COURSES

    @property
    def version(self) -> str:
        """Return the version of the simulation."""
        from novamind.neurochemistry import Simulation

        return str(Simulation.__dataclass_fields__["model_version"].default)

    def lacking(self, case: Case, options: Options) -> str | None:  # noqa: ARG002
        """Return what the record lacks: a current medication that can be simulated."""
        if not case.medications:
            return "no current medication is recorded"
        return None if _simulated(case) else "no current medication has both a daily dose and tabled kinetics"

    def inputs(self, case: Case, options: Options) -> tuple[object, ...]:
        """Return what the simulations take."""
        return (*MedicationReviews().inputs(case, options), tuple(_simulated(case).items()))

    async def run(self, case: Case, options: Options) -> Mapping[str, WhatIf]:  # noqa: ARG002
        """Return drug to its course at the present dose."""
        return {drug: what_if(case, drug, dose, ensemble=_ENSEMBLE) for drug, dose in _simulated(case).items()}


def _dated(course: MedicationCourse) -> bool:
    """Return whether the first and the last day of a course are known."""
    return course.start is not None and not (course.stopped and course.end is None)


def _simulated(case: Case) -> dict[str, float]:
    from novamind.neurochemistry import drug_names

    return {
        name: course.dose_mg
        for name, course in case.medications.items()
        if course.dose_mg is not None and name in drug_names()
    }


def _content(frame: pl.DataFrame | None) -> tuple[object, ...]:
    """Return the content of a table of reports or signals in a form that can be compared and digested."""
    if frame is None:
        return ()
    return tuple(
        tuple(frame[name]) if frame[name].dtype == pl.String else frame[name].to_numpy().tobytes()
        for name in frame.columns
    )
