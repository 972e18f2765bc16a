"""The use cases: check what came in, scan every person, decide every pair once."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from datetime import date
from functools import lru_cache, partial
from itertools import starmap
from multiprocessing import get_context
from operator import attrgetter
from typing import Any

import numpy as np

from novamind.biometrics.alignment import persons
from novamind.biometrics.decision import Candidates, analysed_pairs, decided_links
from novamind.biometrics.detector import SHIPPED, AmortisedDetector
from novamind.biometrics.domain import PersonSeries
from novamind.biometrics.ports import LinkDetector
from novamind.biometrics.results import Correlations, PersonLinks
from novamind.biometrics.screening import screened
from novamind.errors import InsufficientDataError, ValidationError
from novamind.records.tables.clocks import on_one_clock
from novamind.records.tables.frames import signal_frame, symptom_frame
from novamind.settings import Settings

MAX_LAG_HOURS = 168
_PATIENT = attrgetter("patient_id")
_OPTIONS = {"max_lag_hours", "fdr", "calendar", "medication", "illness", "timezone", "today", "seed"}

Progress = Callable[[int, int], None]


class BiometricCorrelationService:
    """Which signals go before which symptoms, of one person or of many.

    Parameters
    ----------
    detector
        Says how likely each pair is linked.
    min_effect
        Links with a smaller standardised effect are not reported as detected; a filter after the decision, never
        instead of it.
    """

    def __init__(self, detector: LinkDetector, min_effect: float = 0.0) -> None:
        self.detector = detector
        self.min_effect = min_effect

    @property
    def version(self) -> str:
        """Of the detector."""
        return self.detector.version

    def correlate(
        self,
        biometrics: Any,
        symptoms: Any,
        max_lag_hours: int = MAX_LAG_HOURS,
        fdr: float = 0.1,
        *,
        calendar: Any = None,
        medication: Any = None,
        illness: Any = None,
        timezone: str | None = None,
        today: date | None = None,
        seed: int = 0,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> Correlations:
        """Return the links of every person of two long frames; see :func:`novamind.biometrics.correlate`.

        Parameters
        ----------
        today
            The last local day that may occur; the present day here where not given.
        workers
            Processes; each person's result is the same whatever their number.
        progress
            Called with the number of persons done and of all.
        """
        _check(max_lag_hours, fdr, seed, workers)
        signals = signal_frame(biometrics, today=today, timezone=timezone)
        reports = symptom_frame(symptoms, today=today, timezone=timezone)
        signals, reports, left_out = screened(signals, reports)
        clocks: Mapping[str | None, str] = {}
        if timezone is None:
            signals, reports, clocks = on_one_clock(signals, reports)
        patients = set(map(_PATIENT, signals.series)) & set(map(_PATIENT, reports.series))
        courses = {"calendar": calendar, "medication": medication, "illness": illness}
        people = persons(signals, reports, max_lag_hours, courses)
        workers = min(workers, max(len(patients), 1))
        if workers > 1:
            analysed = _spread(people, max_lag_hours, seed, workers)
        else:
            analysed = starmap(partial(analysed_pairs, max_lag=max_lag_hours, seed=seed), people)
        results: list[PersonLinks] = []
        for pairs in analysed:
            notes = left_out.get(pairs.patient_id, [])
            if pairs.patient_id in clocks:
                notes = [clocks[pairs.patient_id], *notes]
            results.append(self._decided(pairs, fdr, notes))
            if progress:
                progress(len(results), len(patients))
        if not any(map(attrgetter("links"), results)):
            reasons = sorted({reason for person in results for reason in person.skipped.values()})
            raise InsufficientDataError(f"no pair could be analysed: {'; '.join(reasons[:5])}")
        results.sort(key=_PATIENT)
        return Correlations(
            persons=tuple(results),
            fdr=fdr,
            max_lag_hours=max_lag_hours,
            model_version=self.detector.version,
            seed=seed,
            backend=signals.backend,
        )

    async def analyze_correlations(self, patient_data: Mapping[str, Any], biometric_data: Any = None) -> Correlations:
        """Return one patient's links, from ``patient_id``, ``symptoms``, ``biometrics`` and options in one mapping.

        Options are those of :func:`novamind.biometrics.correlate`. Rows of other patients are refused.
        """
        options = dict(patient_data)
        own = options.pop("biometrics", None)
        biometrics = own if biometric_data is None else biometric_data
        patient, symptoms = options.pop("patient_id", None), options.pop("symptoms", None)
        if symptoms is None or biometrics is None:
            raise ValidationError("patient_data needs 'symptoms' and 'biometrics', two long frames")
        if unknown := sorted(set(options) - _OPTIONS):
            raise ValidationError(f"patient_data has unknown entries: {', '.join(unknown)}")
        correlations = await asyncio.to_thread(self.correlate, biometrics, symptoms, **options)
        if {person.patient_id for person in correlations.persons} - {patient, None}:
            raise ValidationError("the tables hold rows of another patient than patient_id: filter them first")
        return correlations

    async def analyze_lag_correlations(
        self, biometric_data: Any, mental_health_data: Any, max_lag: int = 7
    ) -> Correlations:
        """Return the links of every person, with the longest lag in days."""
        if isinstance(max_lag, bool) or not isinstance(max_lag, int | np.integer) or not 1 <= max_lag <= 7:
            raise ValidationError("max_lag must be 1 to 7 days")
        return await asyncio.to_thread(self.correlate, biometric_data, mental_health_data, 24 * int(max_lag))

    def decide(
        self, person: PersonSeries, max_lag_hours: int = MAX_LAG_HOURS, fdr: float = 0.1, seed: int = 0
    ) -> PersonLinks:
        """Return one person's links, from series that are lined up already."""
        _check(max_lag_hours, fdr, seed, 1)
        return self._decided(analysed_pairs(None, person, max_lag_hours, seed), fdr, ())

    def _decided(self, pairs: Candidates, fdr: float, notes: Iterable[str]) -> PersonLinks:
        odds = self.detector.log_odds(pairs.inputs) if pairs.inputs is not None else np.zeros(0)
        return PersonLinks(
            pairs.patient_id,
            tuple(decided_links(pairs, odds, fdr, self.min_effect)),
            pairs.profiles,
            pairs.skipped | pairs.unconfirmable,
            pairs.reliability,
            pairs.series,
            pairs.seed,
            self.detector.version,
            tuple(notes),
        )


def _spread(
    people: Iterable[tuple[str | None, PersonSeries]], max_lag: int, seed: int, workers: int
) -> Iterator[Candidates]:
    """Yield every person's pairs as workers end them, few persons at a time in memory."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        running: set[Future[Candidates]] = set()
        for patient, person in people:
            running.add(pool.submit(analysed_pairs, patient, person, max_lag, seed))
            if len(running) >= 4 * workers:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        for future in running:
            yield future.result()


def one_thread() -> None:
    """Limit numerical libraries to one thread: processes are the parallelism, and more threads would compete."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _check(max_lag_hours: int, fdr: float, seed: int, workers: int) -> None:
    if isinstance(max_lag_hours, bool) or not isinstance(max_lag_hours, int | np.integer):
        raise ValidationError(f"max_lag_hours must be a whole number of hours, 1 to {MAX_LAG_HOURS}")
    if not 1 <= max_lag_hours <= MAX_LAG_HOURS:
        raise ValidationError(f"max_lag_hours must be 1 to {MAX_LAG_HOURS}")
    if isinstance(fdr, bool) or not isinstance(fdr, int | float) or not 0 < fdr < 0.5:
        raise ValidationError("fdr must be above 0 and below 0.5, e.g. 0.1")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValidationError("seed must be a whole number from 0")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValidationError("workers must be 1 or more")


@lru_cache(maxsize=1)
def default_service() -> BiometricCorrelationService:
    """Return the service with the configured detector, loaded once per process."""
    settings = Settings()
    return BiometricCorrelationService(
        AmortisedDetector.load(settings.biometric_model_path or SHIPPED), settings.correlation_threshold
    )
