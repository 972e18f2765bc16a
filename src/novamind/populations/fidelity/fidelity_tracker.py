"""How right the twins were: per twin, per population, per model, and whether it is time to train again."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.populations.fidelity.drift import ALPHA, SequentialDriftTest
from novamind.populations.population import TwinPopulation
from novamind.populations.results import FidelityReport
from novamind.summary import Summarised, Summary

MIN_PAIRS: Final = 10
_GRADES: Final = ((0.9, "excellent"), (0.8, "good"), (0.6, "fair"))


@dataclass(frozen=True)
class FidelityRecord:
    """One prediction and what came of it; ``error`` is actual less predicted."""

    twin_id: UUID
    predicted: float
    actual: float
    error: float
    tracked_at: datetime


class FidelityLedger(Protocol):
    """Where records and grades are kept; `novamind.populations.TwinRepository` is one."""

    def load_population(self, population_id: UUID) -> TwinPopulation:
        """Return a stored population; `NotFoundError` if there is none."""

    def save_fidelity(self, records: Sequence[FidelityRecord]) -> None:
        """Keep outcomes compared with predictions."""

    def fidelity_history(self, twin_id: UUID) -> tuple[FidelityRecord, ...]:
        """Everything kept about one twin, oldest first."""

    def save_snapshot(self, report: FidelityReport) -> None:
        """Keep a population's grade."""

    def fidelity_snapshots(
        self, *, population_id: UUID | None = None, model_id: UUID | None = None
    ) -> tuple[FidelityReport, ...]:
        """Grades of a population or of a model, oldest first."""


class _Memory:
    """A ledger that lasts as long as the process."""

    def __init__(self) -> None:
        self._records: dict[UUID, list[FidelityRecord]] = defaultdict(list)
        self._snapshots: list[FidelityReport] = []

    def load_population(self, population_id: UUID) -> TwinPopulation:
        del population_id
        raise NotFoundError("this population is not known to the tracker; register() it first")

    def save_fidelity(self, records: Sequence[FidelityRecord]) -> None:
        for record in records:
            self._records[record.twin_id].append(record)

    def fidelity_history(self, twin_id: UUID) -> tuple[FidelityRecord, ...]:
        return tuple(self._records.get(twin_id, ()))

    def save_snapshot(self, report: FidelityReport) -> None:
        self._snapshots.append(report)

    def fidelity_snapshots(
        self, *, population_id: UUID | None = None, model_id: UUID | None = None
    ) -> tuple[FidelityReport, ...]:
        return tuple(
            r for r in self._snapshots if population_id in (None, r.population_id) and model_id in (None, r.model_id)
        )


@dataclass(frozen=True, repr=False)
class DriftReport(Summarised):
    """Whether a model has drifted.

    Parameters
    ----------
    retrain
        The sequential test rang: the only trigger.
    evidence
        Evidence of a change as a multiple of the limit in the last week; the test rings at 1.
    indicators
        Rules of thumb (error, correlation, coverage) as sentences. They ring falsely too often to act on
        alone: at 30 outcomes a week, error + 20 % does so every year.
    """

    retrain: bool
    evidence: float
    alpha: float
    alarm_week: int | None
    indicators: tuple[str, ...]

    def _summary(self) -> Summary:
        verdict = "retrain" if self.retrain else "no drift shown"
        rows: list[tuple[str, object]] = [
            ("evidence over its limit", self.evidence),
            ("alarm in week", self.alarm_week),
        ]
        rows += [("rule of thumb", indicator) for indicator in self.indicators]
        return Summary(f"{verdict}; evidence {self.evidence:.2f} of the limit", ("figure", "value"), rows)


class FidelityTracker:
    """Compare what twins predicted with what happened.

    Parameters
    ----------
    ledger
        Where records and grades are kept, such as a `TwinRepository`; in memory when omitted.

    Examples
    --------
    >>> tracker = FidelityTracker()                                        # doctest: +SKIP
    >>> tracker.register(population)                                       # doctest: +SKIP
    >>> tracker.calculate_fidelity(population.population_id, actual).mae   # doctest: +SKIP
    """

    def __init__(self, ledger: FidelityLedger | None = None) -> None:
        self._ledger: FidelityLedger = ledger or _Memory()
        self._populations: dict[UUID, TwinPopulation] = {}

    def register(self, population: TwinPopulation) -> None:
        """Make a population's predictions known."""
        self._populations[population.population_id] = population

    def track(self, twin_id: UUID, predicted: float, actual: float | None) -> FidelityRecord | None:
        """Note one outcome; a missing one is skipped and gives ``None``.

        Raises
        ------
        ValidationError
            If the prediction is no number.
        """
        if not np.isfinite(predicted):
            raise ValidationError("the predicted value must be a number")
        if actual is None or not np.isfinite(actual):
            return None
        error = float(actual) - float(predicted)
        record = FidelityRecord(twin_id, float(predicted), float(actual), error, datetime.now(UTC))
        self._ledger.save_fidelity([record])
        return record

    def history(self, twin_id: UUID) -> tuple[FidelityRecord, ...]:
        """Return everything noted about one twin, oldest first."""
        return self._ledger.fidelity_history(twin_id)

    def calculate_fidelity(
        self, population_id: UUID, actual: Sequence[float] | NDArray[Any] | Mapping[UUID, float]
    ) -> FidelityReport:
        """Grade a population against outcomes; missing ones are skipped and counted.

        Parameters
        ----------
        actual
            One outcome per twin in row order (NaN is missing), or twin id -> outcome.

        Raises
        ------
        NotFoundError
            If the population is not known here.
        ValidationError
            If the outcomes do not fit the population.
        InsufficientDataError
            With fewer than ten known outcomes.
        """
        population = self._population(population_id)
        seen = np.full(len(population), np.nan)
        try:
            if isinstance(actual, Mapping):
                rows = [population.index(twin_id) for twin_id in actual]
                seen[rows] = np.array(list(actual.values()), dtype=float)
            else:
                seen = np.array(list(actual), dtype=float)
        except (TypeError, ValueError) as error:
            raise ValidationError("outcomes must be numbers; leave missing ones as NaN or None") from error
        if len(seen) != len(population):
            raise ValidationError(
                f"there are {len(seen):,} outcomes for {len(population):,} twins; give one per twin, in row order"
            )
        report = grade(population.expected_outcome, seen, population.outcome_low, population.outcome_high)
        report = replace(
            report, model_id=population.model_id, population_id=population_id, measured_at=datetime.now(UTC)
        )
        self._ledger.save_snapshot(report)
        return report

    def snapshots(self, population_id: UUID) -> tuple[FidelityReport, ...]:
        """Return all grades of a population, oldest first."""
        return self._ledger.fidelity_snapshots(population_id=population_id)

    def model_report(self, model_id: UUID) -> FidelityReport:
        """Return the latest grade of each of a model's populations, pooled by the number of outcomes.

        Raises
        ------
        NotFoundError
            If no population of this model was graded.
        """
        latest = list({r.population_id: r for r in self._ledger.fidelity_snapshots(model_id=model_id)}.values())
        if not latest:
            raise NotFoundError("no population of this model has been graded yet")
        weight = np.array([r.sample_size for r in latest], dtype=float)

        def pooled(name: str) -> float:
            return float(np.average([getattr(r, name) for r in latest], weights=weight))

        correlation = pooled("correlation")
        return replace(
            latest[0],
            mae=pooled("mae"),
            rmse=float(np.sqrt(np.average([r.rmse**2 for r in latest], weights=weight))),
            correlation=correlation,
            coverage_95=pooled("coverage_95"),
            sample_size=int(weight.sum()),
            missing=sum(r.missing for r in latest),
            outliers=sum(r.outliers for r in latest),
            bias=pooled("bias"),
            calibration_slope=pooled("calibration_slope"),
            grade=_grade(correlation),
            population_id=None,
            warnings=tuple(dict.fromkeys(w for r in latest for w in r.warnings)),
        )

    def check_drift(
        self,
        current: FidelityReport | NDArray[Any] | Sequence[NDArray[Any]],
        baseline: FidelityReport | NDArray[Any],
        *,
        alpha: float = ALPHA,
        retrain: Callable[[], Any] | None = None,
    ) -> DriftReport:
        """Decide whether a model must be trained again.

        Parameters
        ----------
        current
            Signed errors since the baseline: one array, or one array per week. Or a report, to see the
            rule-of-thumb indicators alone.
        baseline
            Signed errors of the model when it was sound, at least 50; or a report beside a report.
        alpha
            Chance of a false alarm in a year.
        retrain
            Called when the test rings, for example ``lambda: generator.retrain(new_table)``.
        """
        if isinstance(current, FidelityReport) and isinstance(baseline, FidelityReport):
            return DriftReport(False, 0.0, alpha, None, _indicators(current, baseline.mae))
        if isinstance(current, FidelityReport) or isinstance(baseline, FidelityReport):
            raise ValidationError("give errors for both current and baseline, or reports for both")
        reference = np.asarray(baseline, dtype=float)
        weeks = (
            [np.asarray(week, dtype=float) for week in current]
            if _is_weekly(current)
            else [np.asarray(current, dtype=float)]
        )
        test = SequentialDriftTest(reference, alpha=alpha)
        for week in weeks:
            test.update(week[~np.isnan(week)])
        recent = np.concatenate(weeks)
        recent = recent[~np.isnan(recent)]
        notes = []
        if recent.size and np.abs(recent).mean() > 1.2 * np.abs(reference).mean():
            notes.append("Mean absolute error is more than 20 % above the baseline.")
        if test.alarm_week is not None and retrain is not None:
            retrain()
        return DriftReport(test.alarm_week is not None, test.evidence, alpha, test.alarm_week, tuple(notes))

    def _population(self, population_id: UUID) -> TwinPopulation:
        if population_id not in self._populations:
            self.register(self._ledger.load_population(population_id))
        return self._populations[population_id]


def _is_weekly(current: Any) -> bool:
    return not isinstance(current, np.ndarray) and len(current) > 0 and np.ndim(current[0]) == 1


def grade(
    predicted: NDArray[np.float64],
    actual: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> FidelityReport:
    """Return metrics over the known outcomes; outliers are errors beyond three robust standard deviations."""
    graded = np.isfinite(actual)
    n = int(graded.sum())
    if n < MIN_PAIRS:
        raise InsufficientDataError(f"grading needs at least {MIN_PAIRS} known outcomes; there are {n}")
    p, a = predicted[graded], actual[graded]
    error = a - p
    perfect = bool(np.allclose(error, 0.0, atol=1e-12 * max(1.0, float(np.abs(a).max()))))
    varied = np.ptp(p) > 0 and np.ptp(a) > 0
    correlation = 1.0 if perfect else float(np.corrcoef(p, a)[0, 1]) if varied else 0.0
    slope = 1.0 if perfect else float(np.polyfit(p, a, 1)[0]) if varied else 0.0
    spread = float(np.median(np.abs(error - np.median(error))) * 1.4826) or float(error.std())
    report = FidelityReport(
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt(np.mean(error**2))),
        correlation=correlation,
        coverage_95=float(np.mean((a >= low[graded]) & (a <= high[graded]))),
        sample_size=n,
        missing=int((~graded).sum()),
        outliers=0 if perfect or spread == 0 else int(np.sum(np.abs(error - np.median(error)) > 3 * spread)),
        calibration_slope=slope,
        bias=float(error.mean()),
        grade="perfect" if perfect else _grade(correlation),
        warnings=(),
    )
    return replace(report, warnings=_indicators(report, None))


def _grade(correlation: float) -> str:
    return next((name for limit, name in _GRADES if correlation >= limit), "poor")


def _indicators(report: FidelityReport, baseline_mae: float | None) -> tuple[str, ...]:
    notes = []
    if baseline_mae is not None and report.mae > 1.2 * baseline_mae:
        notes.append(
            "Mean absolute error is more than 20 % above the baseline: an "
            "indicator; the drift test decides on retraining."
        )
    if report.correlation < 0.7:
        notes.append(
            "Correlation is below 0.7. For yearly change this is usual; judge by "
            "coverage and by error against a naive forecast."
        )
    if report.coverage_95 < 0.90:
        notes.append("The 95 % intervals cover less than 90 %: investigate.")
    return tuple(notes)
