"""The use cases: check what came in, scan every person, decide every pair once."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from datetime import date
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

import numpy as np

from novamind.biometrics import decision
from novamind.biometrics.alignment import persons
from novamind.biometrics.detector import SHIPPED, AmortisedDetector
from novamind.biometrics.domain import LagProfile, Link, PairInputs, PersonSeries
from novamind.biometrics.engine import PersonProfile, SymptomProfile, analyse
from novamind.biometrics.features import lag_posterior, pair_inputs
from novamind.biometrics.ports import LinkDetector
from novamind.biometrics.results import Correlations, PersonLinks, reliability
from novamind.biometrics.spurious_links import explanation, plain_correlations
from novamind.errors import InsufficientDataError, ValidationError
from novamind.records.tables.frames import signal_frame, symptom_frame
from novamind.settings import Settings

MAX_LAG_HOURS = 168
#: Chance alone must not give such evidence more often than this, whatever the detector says.
_CHANCE_LEVEL = 0.05
#: Below this a p-value would say more of the exponential tail than of the draws.
_LEAST_P = 1e-6
_OPTIONS = {"max_lag_hours", "fdr", "calendar", "medication", "illness", "today", "seed"}

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
        signals, reports = signal_frame(biometrics, today=today), symptom_frame(symptoms, today=today)
        both = {key.patient_id for key in signals.series} & {key.patient_id for key in reports.series}
        courses = {"calendar": calendar, "medication": medication, "illness": illness}
        people = persons(signals, reports, max_lag_hours, courses)
        answers = _analysed(people, max_lag_hours, seed, min(workers, max(len(both), 1)))
        results: list[PersonLinks] = []
        for answer in answers:
            results.append(self._decided(answer, fdr))
            if progress:
                progress(len(results), len(both))
        if not any(person.links for person in results):
            reasons = sorted({reason for person in results for reason in person.skipped.values()})
            raise InsufficientDataError(f"no pair could be analysed: {'; '.join(reasons[:5])}")
        results.sort(key=lambda person: person.patient_id or "")
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
        return self._decided(_answer(None, person, max_lag_hours, seed), fdr)

    def _decided(self, answer: "_Answer", fdr: float) -> PersonLinks:
        links: list[Link] = []
        if answer.pairs is not None:
            odds = self.detector.log_odds(answer.pairs)
            q = decision.q_values(odds)
            for k, figures in enumerate(answer.pair_figures):
                detected = bool(
                    figures["symptom"] not in answer.unconfirmable
                    and q[k] <= fdr
                    and figures["p_value"] <= _CHANCE_LEVEL
                    and figures["effect_low"] * figures["effect_high"] > 0
                    and abs(figures["effect"]) >= self.min_effect
                )
                explained = None if detected else answer.explained[k]
                links.append(
                    Link(
                        patient_id=answer.patient_id,
                        detected=detected,
                        score=float(odds[k]),
                        q_value=float(q[k]),
                        explained_by=explained,
                        **figures,
                    )
                )
        return PersonLinks(
            answer.patient_id,
            tuple(links),
            answer.profiles,
            answer.skipped | answer.unconfirmable,
            answer.reliability,
            answer.series,
            answer.seed,
            self.detector.version,
        )


class _Answer:
    """One person's analysis as a worker sends it back: small enough for many thousands."""

    def __init__(self, patient_id: str | None, analysis: PersonProfile, seed: int) -> None:
        self.seed = seed
        self.patient_id, self.series = patient_id, analysis.person
        self.skipped, self.unconfirmable = analysis.skipped, analysis.unconfirmable
        self.pairs: PairInputs | None = pair_inputs(analysis) if analysis.symptoms else None
        self.pair_figures: list[dict[str, Any]] = []
        self.explained: list[str | None] = []
        self.profiles: dict[tuple[str, str], LagProfile] = {}
        person = analysis.person
        coverage = np.isfinite(person.hourly[:, analysis.signals]).mean(0)
        span = float(np.ptp(person.report_hours)) / 24 if len(person.report_hours) else 0.0
        self.reliability = reliability(span, len(person.report_hours), coverage.tolist())
        for symptom in analysis.symptoms:
            self._add_symptom(analysis, symptom)

    def _add_symptom(self, analysis: PersonProfile, symptom: SymptomProfile) -> None:
        person = analysis.person
        posterior = lag_posterior(symptom.conditional)
        middle, low, high = decision.lag_interval(posterior)
        effect, effect_low, effect_high, information = decision.effects(symptom.conditional)
        z = decision.strongest(symptom.conditional)
        name = person.symptoms[symptom.symptom]
        for i, b in enumerate(analysis.signals):
            pearson, spearman = plain_correlations(person, symptom.symptom, int(b), float(middle[i]))
            self.pair_figures.append(
                {
                    "signal": person.signals[b],
                    "symptom": name,
                    "p_value": max(float(symptom.p_value[i]), _LEAST_P),
                    "lag_hours": float(middle[i]),
                    "lag_low": float(low[i]),
                    "lag_high": float(high[i]),
                    "sign": 1 if effect[i] >= 0 else -1,
                    "effect": float(effect[i]),
                    "effect_low": float(effect_low[i]),
                    "effect_high": float(effect_high[i]),
                    "n_effective": float(min(information[i] * symptom.regression.scale**2, symptom.reports)),
                    "pearson": pearson,
                    "spearman": spearman,
                }
            )
            self.explained.append(explanation(analysis, symptom, i))
            self.profiles[person.signals[b], name] = LagProfile(
                z[i].astype(np.float32), posterior[i].astype(np.float32)
            )


def _answer(patient_id: str | None, person: PersonSeries, max_lag: int, seed: int) -> _Answer:
    return _Answer(patient_id, analyse(person, max_lag, seed), seed)


def _analysed(
    people: Iterable[tuple[str | None, PersonSeries]], max_lag: int, seed: int, workers: int
) -> Iterator[_Answer]:
    """Yield every person's answer; several workers give them as they end, few at a time in memory."""
    if workers == 1:
        for patient, person in people:
            yield _answer(patient, person, max_lag, seed)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        running: set[Future[_Answer]] = set()
        for patient, person in people:
            running.add(pool.submit(_answer, patient, person, max_lag, seed))
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
