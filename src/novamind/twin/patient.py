"""One patient's twin: the front door for notebooks and scripts."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from novamind.errors import DataProcessingError, ValidationError
from novamind.neurochemistry.regimen import RegimenStep, read_regimen
from novamind.pharmacogenomics import Review, read_genotype
from novamind.pharmacogenomics.domain import Diplotype
from novamind.records import Allergy, Condition, MedicationCourse, PatientRecord, read_fhir, read_patient_directory
from novamind.summary import Summarised, Summary
from novamind.symptoms.domain import Scale
from novamind.twin.case import Case, read_case, today_in
from novamind.twin.domain import ForecastCheck, Options
from novamind.twin.results import Insights, RegimenWhatIf, WhatIf
from novamind.twin.service import DigitalTwinIntegrationService
from novamind.twin.what_if import DEFAULT_ENSEMBLE, DEFAULT_WEEKS

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame
    from pydantic import JsonValue

    from novamind.biometrics.results import Correlations
    from novamind.records.patient import Demographics
    from novamind.symptoms.results import Forecasts

_T = TypeVar("_T")
_GENOTYPE_FILES = ("genotype.vcf", "genotype.vcf.gz", "genotype.txt", "genotype.csv", "genotype.tsv", "genotype.json")


class PatientTwin(Summarised):
    """A patient's record, with the services as methods.

    Parameters
    ----------
    record
        What is known.
    called
        Genes called from a file; they go before the record's reported results.
    service
        The joined services; those of this package where not given.
    today
        The present day, which decides what is taken now.
    own_scales
        Ranges of symptoms that are no known instrument.
    """

    def __init__(
        self,
        record: PatientRecord,
        called: Mapping[str, Diplotype] | None = None,
        service: DigitalTwinIntegrationService | None = None,
        today: date | None = None,
        own_scales: Mapping[str, Scale] | None = None,
    ) -> None:
        self.record = record
        self.case = Case(record, today or today_in(record.timezone), called or {}, dict(own_scales or {}))
        self._service = service

    @classmethod
    def from_fhir(
        cls,
        source: str | Path | bytes | Mapping[str, object],
        patient_id: str | None = None,
        timezone: str | None = None,
    ) -> Self:
        """Return the twin of a patient in FHIR R4, as :func:`novamind.records.read_fhir` reads it.

        ``timezone`` is the clock that the person lives by where the file does not name it.
        """
        patients = read_fhir(source)
        return cls(_in_zone(patients.record if patient_id is None else patients.of(patient_id), timezone))

    @classmethod
    def from_frames(
        cls,
        patient_id: str = "patient",
        *,
        symptoms: "IntoDataFrame | None" = None,
        scales: Mapping[str, Scale | tuple[float, float] | tuple[float, float, float | None]] | None = None,
        biometrics: "IntoDataFrame | None" = None,
        genotype: Mapping[str, str | Diplotype] | None = None,
        vcf: str | Path | bytes | None = None,
        outside_calls: Mapping[str, str] | None = None,
        medications: Sequence[str | MedicationCourse | Mapping[str, object]] = (),
        conditions: Sequence[str | Condition] = (),
        allergies: Sequence[str | Allergy] = (),
        demographics: "Demographics | None" = None,
        timezone: str | None = None,
    ) -> Self:
        """Return a twin from frames and lists, as :func:`novamind.twin.case.read_case` takes them."""
        patient_data = {
            "symptoms": symptoms,
            "scales": scales,
            "biometrics": biometrics,
            "genotype": genotype,
            "vcf": vcf,
            "outside_calls": outside_calls,
            "medications": medications,
            "conditions": conditions,
            "allergies": allergies,
            "demographics": demographics,
            "timezone": timezone,
        }
        case = read_case(patient_id, patient_data, datetime.now(UTC).date())
        return cls(case.record, case.called, own_scales=case.own_scales)

    @classmethod
    def from_directory(cls, path: str | Path, timezone: str | None = None) -> Self:
        """Return a twin from a patient's directory, with its ``genotype.*`` file (VCF, array, table, FHIR).

        ``timezone`` is the clock that the person lives by where ``patient.json`` does not name it.
        """
        record = _in_zone(read_patient_directory(path), timezone)
        files = [Path(path) / name for name in _GENOTYPE_FILES if (Path(path) / name).exists()]
        if len(files) > 1:
            raise ValidationError(f"{files[0].name} and {files[1].name} both exist: keep one genotype file")
        return cls(record, read_genotype(files[0]) if files else None)

    @classmethod
    def simulated(cls, seed: int = 0) -> Self:
        """Return a simulated person with symptoms, signals, genotype and medication."""
        from novamind.twin.simulated import simulated_record

        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValidationError("seed must be a whole number of at least 0")
        return cls(simulated_record(seed))

    @property
    def service(self) -> DigitalTwinIntegrationService:
        """Return the joined services, made at first use."""
        if self._service is None:
            self._service = DigitalTwinIntegrationService()
        return self._service

    def insights(self, options: Options | Mapping[str, bool | int] | None = None) -> Insights:
        """Run every service and join the results; ``.missing`` names each absent result with the reason."""
        service = self.service
        return _now(lambda: service.generate_comprehensive_patient_insights(self.record.patient_id, self.case, options))

    def forecast(self, horizon: int = 14) -> "Forecasts":
        """Forecast every symptom whose range is known, with starts of treatment and signals.

        Raises
        ------
        InsufficientDataError
            The record has no such symptom, or too few reports.
        """
        service = self.service
        return _now(lambda: service.forecast(self.case, horizon))

    def correlate(self, lookback_days: int = 30) -> "Correlations":
        """Find which signals go before which symptoms."""
        service = self.service
        return _now(lambda: service.correlate(self.case, lookback_days))

    def advice(self, medication: str | None = None) -> Review:
        """Review one drug, or every psychiatric drug and everything that is taken, for this person."""
        service = self.service
        return _now(lambda: service.advice(self.case, medication))

    def simulate(self) -> Mapping[str, WhatIf]:
        """Simulate each current medication that has a dose and tabled kinetics."""
        service = self.service
        return _now(lambda: service.simulate(self.case))

    def what_if(
        self,
        drug: str,
        dose_mg: float,
        *,
        interval_hours: float = 24.0,
        weeks: int = DEFAULT_WEEKS,
        ensemble: int = DEFAULT_ENSEMBLE,
        seed: int = 0,
    ) -> WhatIf:
        """Simulate a drug at a dose in this patient, as :func:`novamind.twin.what_if.what_if`."""
        service = self.service
        return _now(
            lambda: service.what_if(
                self.case, drug, dose_mg, interval_hours=interval_hours, weeks=weeks, ensemble=ensemble, seed=seed
            )
        )

    def what_if_regimen(
        self, steps: Sequence[RegimenStep | Sequence[object] | Mapping[str, object]] = (), *, weeks: int = DEFAULT_WEEKS
    ) -> RegimenWhatIf:
        """Simulate other steps beside what is taken, as :func:`novamind.twin.regimen.what_if_regimen`."""
        service = self.service
        return _now(lambda: service.what_if_regimen(self.case, read_regimen(steps) if steps else (), weeks=weeks))

    def what_if_switch(self, old: str, new: str, new_dose_mg: float | None = None) -> RegimenWhatIf:
        """Propose a change of drugs, as :func:`novamind.twin.regimen.what_if_switch`."""
        service = self.service
        return _now(lambda: service.what_if_switch(self.case, old, new, new_dose_mg))

    def replayed(self, days: int = 14) -> tuple[ForecastCheck, ...]:
        """Return whether forecasts from ``days`` before the record's end would have held; they are made now."""
        service = self.service
        return _now(lambda: service.replayed(self.case, days))

    def report(self, path: str | Path, what_ifs: tuple[WhatIf, ...] = ()) -> Path:
        """Write insights as one HTML file that opens anywhere, and return its path.

        Raises
        ------
        DataProcessingError
            The file cannot be written.
        """
        from novamind.twin.report import render

        file = Path(path)
        insights = self.insights()
        text = render(replace(insights, tracking=(*insights.tracking, *self.replayed())), self.case, what_ifs)
        try:
            file.write_text(text, "utf-8")
        except OSError as error:
            raise DataProcessingError(f"{file.name} cannot be written: {error.strerror}") from error
        return file

    def to_fhir(self, insights: Insights | None = None) -> "dict[str, JsonValue]":
        """Return the record as a FHIR R4 Bundle, with the insights as RiskAssessment, Observation, DiagnosticReport."""
        from novamind.twin.fhir_export import to_fhir

        return to_fhir(self.record, insights)

    def _summary(self) -> Summary:
        text, header, rows = self.record._summary()
        return Summary(f"{text}; as of {self.case.today}", header, rows)


def _in_zone(record: PatientRecord, timezone: str | None) -> PatientRecord:
    if timezone is None or timezone == record.timezone:
        return record
    if record.timezone is not None:
        raise ValidationError("the record names another timezone: leave the timezone out, or correct the record")
    return replace(record, timezone=timezone)


def _now(make: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run a coroutine from synchronous code, also where an event loop is running already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    ended: list[_T] = []
    failed: list[BaseException] = []

    def inside() -> None:
        try:
            ended.append(asyncio.run(make()))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=inside, name="novamind-insights")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return ended[0]
