"""The use case: comprehensive insights for one patient, from all services at once."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from cachetools import TTLCache

from novamind.errors import InsufficientDataError, ServiceUnavailableError, ValidationError
from novamind.neurochemistry.regimen import RegimenStep
from novamind.pharmacogenomics import Review
from novamind.records import PatientRecord
from novamind.twin.analyses import default_analyses, review_of
from novamind.twin.breaker import CircuitBreaker
from novamind.twin.case import Case, read_case
from novamind.twin.domain import (
    BIOMETRICS,
    COURSES,
    MEDICATIONS,
    SYMPTOMS,
    ForecastCheck,
    Options,
    ServiceResult,
    Snapshot,
    Status,
)
from novamind.twin.execution import Bulkhead, CallOutcome, Guard
from novamind.twin.ports import Analysis, InsightHistory, ResultStore
from novamind.twin.recommendations import recommendations
from novamind.twin.regimen import what_if_regimen, what_if_switch
from novamind.twin.results import Insights, RegimenWhatIf, WhatIf
from novamind.twin.tracking import MemoryHistory, check, daily_reports, forecast_made, snapshot, track
from novamind.twin.what_if import what_if

if TYPE_CHECKING:
    from novamind.biometrics.results import Correlations
    from novamind.symptoms.results import Forecasts

_INCLUDED_BY = {
    SYMPTOMS: "include_symptom_forecast",
    BIOMETRICS: "include_biometric_correlations",
    MEDICATIONS: "include_medication_predictions",
    COURSES: "include_medication_predictions",
}


class MemoryStore:
    """Results in this process, least recently used out first."""

    def __init__(self, entries: int = 256, seconds: float = 3600) -> None:
        self._results: TTLCache[str, Any] = TTLCache(entries, seconds)
        self._lock = Lock()

    def get(self, key: str) -> Any | None:
        """Return the result, or ``None``."""
        with self._lock:
            return self._results.get(key)

    def put(self, key: str, value: Any) -> None:
        """Keep a result."""
        with self._lock:
            self._results[key] = value


class DigitalTwinIntegrationService:
    """Joins the services: in parallel, each guarded, with partial results that say what is missing and why.

    Parameters
    ----------
    analyses
        The services; the four rooms of this package where not given.
    guards
        Service name to its :class:`Guard`; services without one get the defaults.
    store
        Where results wait to be used again while their inputs stay the same.
    history
        Where earlier insights are remembered, to see whether they held, unless they come with the question.
    today
        The present day.
    """

    def __init__(
        self,
        analyses: Sequence[Analysis] | None = None,
        guards: Mapping[str, Guard] | None = None,
        store: ResultStore | None = None,
        history: InsightHistory | None = None,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self.analyses = tuple(default_analyses() if analyses is None else analyses)
        self.guards = {a.name: Guard(CircuitBreaker(), Bulkhead()) for a in self.analyses} | dict(guards or {})
        self.store = MemoryStore() if store is None else store
        self.history = MemoryHistory() if history is None else history
        self.today = today

    async def generate_comprehensive_patient_insights(
        self,
        patient_id: str,
        patient_data: PatientRecord | Mapping[str, Any] | Case,
        options: Options | Mapping[str, Any] | None = None,
    ) -> Insights:
        """Run every service that the options include and join the results.

        Parameters
        ----------
        patient_data
            A record, or a mapping as :func:`novamind.twin.case.read_case` takes it.
        options
            ``include_symptom_forecast, include_biometric_correlations, include_medication_predictions`` (this one
            also simulates the current medication), ``forecast_days``, ``biometric_lookback_days``.

        Raises
        ------
        ValidationError
            The data or an option breaks a rule. A failing service raises nothing: see ``Insights.missing``.
        """
        chosen = Options.of(options)
        case = patient_data if isinstance(patient_data, Case) else read_case(patient_id, patient_data, self.today())
        return await self.insights(case, chosen)

    async def forecast(self, case: Case, horizon: int = 14) -> "Forecasts":
        """Forecast every series whose range is known; ``.skipped`` names the others.

        Raises
        ------
        InsufficientDataError
            If there is nothing to forecast.
        ServiceUnavailableError
            If the model fails, or takes too long; after some such ends it is left alone for a while.
        """
        forecasts: Forecasts = (await self._require_result(SYMPTOMS, case, Options(forecast_days=horizon))).value
        return forecasts

    async def correlate(self, case: Case, lookback_days: int = 30) -> "Correlations":
        """Find links between signals and symptoms; errors as of :meth:`forecast`."""
        options = Options(biometric_lookback_days=lookback_days)
        links: Correlations = (await self._require_result(BIOMETRICS, case, options)).value
        return links

    async def advice(self, case: Case, medication: str | None = None) -> Review:
        """Review one drug, or every psychiatric drug and everything that is taken, for this person."""
        if medication is not None:
            return await asyncio.to_thread(review_of, case, medication)
        review: Review = (await self._require_result(MEDICATIONS, case, Options())).value
        return review

    async def simulate(self, case: Case) -> Mapping[str, WhatIf]:
        """Simulate each current medication that has a dose and tabled kinetics; errors as of :meth:`forecast`."""
        courses: Mapping[str, WhatIf] = (await self._require_result(COURSES, case, Options())).value
        return courses

    async def what_if(self, case: Case, drug: str, dose_mg: float, **options: Any) -> WhatIf:
        """Simulate a drug at a dose in this person; options as of :func:`novamind.twin.what_if.what_if`."""
        return await asyncio.to_thread(what_if, case, drug, dose_mg, **options)

    async def what_if_regimen(self, case: Case, steps: Sequence[RegimenStep], **options: Any) -> RegimenWhatIf:
        """Simulate other steps beside what is taken; options as of :func:`novamind.twin.regimen.what_if_regimen`."""
        return await asyncio.to_thread(what_if_regimen, case, steps, **options)

    async def what_if_switch(self, case: Case, old: str, new: str, new_dose_mg: float | None = None) -> RegimenWhatIf:
        """Propose a change of drugs, as of :func:`novamind.twin.regimen.what_if_switch`."""
        return await asyncio.to_thread(what_if_switch, case, old, new, new_dose_mg)

    async def insights(
        self,
        case: Case,
        options: Options | Mapping[str, Any] | None = None,
        earlier: Sequence[Snapshot] | None = None,
    ) -> Insights:
        """Run every service and join the results; see :meth:`generate_comprehensive_patient_insights`.

        Parameters
        ----------
        earlier
            Earlier snapshots, oldest first. Their owner keeps the snapshot of these insights too
            (:func:`novamind.twin.tracking.snapshot`). Where not given, :attr:`history` counts, and keeps this one.
        """
        chosen, patient_id = Options.of(options), case.record.patient_id
        remembered = self.history.earlier(patient_id) if earlier is None else earlier
        results = await asyncio.gather(*(self._result(analysis, case, chosen) for analysis in self.analyses))
        by_name = {result.service: result for result in results}
        insights = Insights(
            patient_id,
            case.today,
            chosen,
            by_name,
            recommendations(case, by_name),
            await asyncio.to_thread(track, remembered, case),
            case.notes,
        )
        if earlier is None and (taken := snapshot(insights)) is not None and taken not in remembered:
            self.history.keep(taken)
        return insights

    async def replayed(self, case: Case, days: int = 14) -> tuple[ForecastCheck, ...]:
        """Return whether forecasts from ``days`` before the record's end would have held.

        The forecasts are made now from the record up to that day, so they test the method on this record. The
        insights' ``tracking`` says whether the forecasts given at the time held. Symptoms with too few reports
        before or after that day are left out.
        """
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 30:
            raise ValidationError("days must be a whole number from 1 to 30")
        if case.symptoms is None:
            return ()
        last: datetime = max(case.symptoms["timestamp"].to_list())
        try:
            forecasts = await self.forecast(case.until((last - timedelta(days=days)).date()), days)
        except InsufficientDataError:
            return ()
        reports = daily_reports(case)
        checks = (
            check(forecast.history_until, forecast, reports.get(forecast.symptom, {}), replayed=True)
            for forecast in map(forecast_made, forecasts)
        )
        return tuple(outcome for outcome in checks if outcome.reports)

    def model_version(self, name: str) -> str:
        """Return the version of the model or the tables that a service answers from.

        Raises
        ------
        ServiceUnavailableError
            If there is no service of that name.
        """
        return self._analysis(name).version

    def _analysis(self, name: str) -> Analysis:
        analysis = next((candidate for candidate in self.analyses if candidate.name == name), None)
        if analysis is None:
            raise ServiceUnavailableError(f"the service '{name}' is not installed")
        return analysis

    async def _require_result(self, name: str, case: Case, options: Options) -> ServiceResult:
        """Return the result of one service.

        Raises
        ------
        InsufficientDataError
            If the record holds too little.
        ServiceUnavailableError
            If the service is not installed, fails or does not come back in time.
        """
        result = await self._result(self._analysis(name), case, options)
        if result.status is Status.AVAILABLE:
            return result
        error = InsufficientDataError if result.status is Status.NO_DATA else ServiceUnavailableError
        raise error(result.reason)

    async def _result(self, analysis: Analysis, case: Case, options: Options) -> ServiceResult:
        name = analysis.name
        included = _INCLUDED_BY.get(name)
        if included is not None and not getattr(options, included):
            return ServiceResult(name, Status.NOT_ASKED, reason=f"option '{included}' is off")

        async def work() -> tuple[Any, str, bool]:
            # Inside the guard: loading a model or digesting a record can fail or hang as the analysis itself can.
            reason = analysis.lacking(case, options)
            if reason is not None:
                return _Lacking(reason), "", False
            version = analysis.version
            key = _key(name, version, analysis.inputs(case, options))
            stored = self.store.get(key)
            if stored is not None:
                return stored, version, True
            value = await analysis.run(case, options)
            self.store.put(key, value)
            return value, version, False

        ended: CallOutcome = await self.guards[name].call(work)
        if ended.status is not Status.AVAILABLE:
            return ServiceResult(name, ended.status, reason=ended.reason, attempts=ended.attempts)
        value, version, reused = ended.value
        if isinstance(value, _Lacking):
            return ServiceResult(name, Status.NO_DATA, reason=value.reason)
        return ServiceResult(name, Status.AVAILABLE, value, "", version, reused, ended.attempts)


class _Lacking:
    def __init__(self, reason: str) -> None:
        self.reason = reason


def _key(name: str, version: str, inputs: tuple[object, ...]) -> str:
    """Return a digest; the store never sees the inputs themselves."""
    return hashlib.sha256(repr((name, version, inputs)).encode()).hexdigest()
