"""What a symptom forecast is: scales, quantiles, trend, risk, reliability. Pure values and rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ValidationError
from novamind.summary import Summarised, Summary, clipped, counted
from novamind.symptoms.interpolation import interpolate, on_steps

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

#: The levels at which every forecast is computed and calibrated; others are interpolated between them.
LEVELS: Floats = np.array([0.025, *(round(0.05 * i, 2) for i in range(1, 20)), 0.975])
#: Places among them of the median and of the ends of the 80 % interval.
MEDIAN, LOW_80, HIGH_80 = (int(np.abs(LEVELS - level).argmin()) for level in (0.5, 0.1, 0.9))


@dataclass(frozen=True, slots=True)
class Scale:
    """An instrument's range.

    Parameters
    ----------
    low, high
        Smallest and largest value the instrument can give.
    step
        Distance between neighbouring values where only whole steps can occur (1 for PHQ-9), ``None`` for
        continuous scales, and where it is not known.
    worse
        Which end of the scale means more suffering.
    """

    low: float
    high: float
    step: float | None = None
    worse: Literal["high", "low"] = "high"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise ValidationError("scale must be (low, high) with two finite numbers and low < high")
        if self.step is not None and not (0 < self.step <= (self.high - self.low) * (1 + 1e-9)):
            raise ValidationError("step must be positive and no larger than the scale's range, or None")
        if self.worse not in ("high", "low"):
            raise ValidationError("worse must be 'high' or 'low'")

    @property
    def range(self) -> float:
        """Width of the scale in its own units."""
        return self.high - self.low

    @property
    def unit_step(self) -> float:
        """The step as a share of the range; 0 for a continuous scale."""
        return 0.0 if self.step is None else self.step / self.range

    def in_steps(self, count: int) -> "Scale":
        """Return the same range in ``count`` steps."""
        return replace(self, step=self.range / count)

    def to_unit(self, values: Floats) -> Floats:
        """Map onto 0 (best) to 1 (worst)."""
        unit = (values - self.low) / self.range
        return 1.0 - unit if self.worse == "low" else unit

    def from_unit(self, unit: Floats) -> Floats:
        """Inverse of :meth:`to_unit` for values; for quantiles also reverse their order if ``worse='low'``."""
        return self.low + (1.0 - unit if self.worse == "low" else unit) * self.range

    def snap(self, values: Floats) -> Floats:
        """Round to the nearest value that can occur and clip to the range."""
        return snapped(values, self.low, self.high, self.step or 0.0)


def snapped(values: Floats, low: Floats | float, high: Floats | float, step: Floats | float) -> Floats:
    """Return each value at the nearest one that its scale allows; the three broadcast, a step of 0 leaves values."""
    return np.clip(low + on_steps(values - low, step), low, high)


class Interval(NamedTuple):
    """Lower and upper bound per day, each of shape ``(horizon,)``, in the instrument's units."""

    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Trend:
    """Change per week over the recent record, with its 95 % interval, in the instrument's units.

    ``probability_worsening`` is the posterior probability that the slope points to more suffering.
    ``direction`` is ``uncertain`` unless that probability is above 0.9 or below 0.1.
    """

    per_week: float
    low: float
    high: float
    probability_worsening: float
    direction: Literal["worsening", "improving", "stable", "uncertain"]
    days: int


@dataclass(frozen=True, slots=True)
class RiskPeriod:
    """A run of days on which crossing the threshold is at least as likely as ``Risk.alert_probability``."""

    start: np.datetime64
    end: np.datetime64
    peak_probability: float


@dataclass(frozen=True, slots=True)
class Risk:
    """Probability per day of being at the threshold or beyond it on the suffering side."""

    threshold: float
    probability: Floats
    alert_probability: float
    periods: tuple[RiskPeriod, ...]


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far the forecast can be leaned on, and why."""

    level: Literal["high", "medium", "low"]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One model of the ensemble.

    ``weight`` is its share in this forecast, averaged over the horizon. ``own_error`` is its mean CRPS on earlier
    days of this person's own record, in percent of the scale's range; ``None`` where the record is too short to
    tell. ``validation_error`` is the same on the simulated validation cohort.
    """

    name: str
    weight: float
    own_error: float | None
    validation_error: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """Which parts of the record moved a forecast, and how far.

    Attributes
    ----------
    neutral
        What the same model forecasts with every report at the person's own mean and nothing known beside the reports:
        quantiles at :data:`LEVELS`, ``(horizon, 21)``, in the instrument's units.
    shifts
        Part of the record to how far it moves each of these quantiles, ``(horizon, 21)``. ``neutral`` and all shifts
        add up to :attr:`SymptomForecast.continuous_quantiles`.
    """

    neutral: Floats
    shifts: Mapping[str, Floats]

    def in_units_of(self, scale: Scale) -> "Explanation":
        """Return an explanation on the unit scale in the units of ``scale``."""
        order = slice(None, None, 1 if scale.worse == "high" else -1)
        sign = scale.range if scale.worse == "high" else -scale.range
        shifts = {name: sign * shift[:, order] for name, shift in self.shifts.items()}
        return Explanation(scale.from_unit(self.neutral)[:, order], shifts)


@dataclass(frozen=True, repr=False)
class SymptomForecast(Summarised):
    """A forecast of one symptom of one person: everything needed to draw, store, send and audit it.

    Attributes
    ----------
    history_days, history
        Calendar days of the record, and the mean report of each day, ``NaN`` where there was none, in the
        instrument's units; both ``(days,)``.
    days
        The forecast's days, ``(horizon,)``; the first is the day after the last day of history.
    quantile_levels, quantiles
        ``(levels,)`` and ``(horizon, levels)``, non-decreasing along the levels, inside the scale and on its steps.
    continuous_quantiles
        The calibrated quantiles at :data:`LEVELS` before rounding to steps, ``(horizon, 21)``.
    coverage
        Measured share of validation outcomes inside the central intervals, by nominal level.
    explain
        Works out :attr:`explanation`, which takes several times as long as the forecast, when it is first asked for.
    covariates
        How far each signal or known start of treatment moved the middle one week ahead, in the instrument's units.
    """

    symptom: str
    patient_id: str | None
    scale: Scale
    history_days: Days
    history: Floats
    days: Days
    quantile_levels: Floats
    quantiles: Floats
    continuous_quantiles: Floats
    trend: Trend
    reliability: Reliability
    members: tuple[Member, ...]
    explain: Callable[[], Explanation] = field(repr=False, compare=False)
    coverage: Mapping[float, float]
    model_version: str
    seed: int
    covariates: Mapping[str, float] = field(default_factory=dict)
    insights: tuple[str, ...] = field(default=())

    @property
    def horizon(self) -> int:
        """Number of forecast days."""
        return len(self.days)

    @cached_property
    def median(self) -> Floats:
        """The middle of the forecast per day, ``(horizon,)``, on the scale's steps."""
        return self.scale.snap(at_levels(self.continuous_quantiles, np.array([0.5]))[:, 0])

    @cached_property
    def explanation(self) -> Explanation:
        """Which parts of the record moved this forecast, and how far."""
        return self.explain()

    @property
    def importance(self) -> Mapping[str, float]:
        """How far each part of the record moved the median a week ahead, in the instrument's units, largest first."""
        place = week_ahead(self.horizon), MEDIAN
        moved = {name: float(shift[place]) for name, shift in self.explanation.shifts.items()}
        return dict(sorted(moved.items(), key=lambda item: -abs(item[1])))

    def _summary(self) -> Summary:
        text = (
            f"{clipped(self.symptom)}, {counted(self.horizon, 'day')} from {self.days[0]}; "
            f"trend {self.trend.direction}, reliability {self.reliability.level}; {self.model_version}"
        )
        low, high = self.interval(0.8)
        rows = zip(self.days, self.median.tolist(), low.tolist(), high.tolist(), strict=True)
        return Summary(text, ("day", "median", "80 % from", "to"), rows)

    def interval(self, level: float = 0.8) -> Interval:
        """Return the central interval for ``level`` of the outcomes; ``0 < level <= 0.95``."""
        if not 0 < level <= 0.95:
            raise ValidationError("interval level must be above 0 and at most 0.95, e.g. 0.8")
        ends = self.scale.snap(at_levels(self.continuous_quantiles, np.array([(1 - level) / 2, (1 + level) / 2])))
        return Interval(ends[:, 0], ends[:, 1])

    def risk(self, threshold: float, alert_probability: float = 0.5) -> Risk:
        """Return the probability of reaching ``threshold`` or worse on each day.

        Parameters
        ----------
        threshold
            In the instrument's units, inside its range, e.g. 15 on PHQ-9.
        alert_probability
            Days at or above it are joined to :class:`RiskPeriod` s.

        Notes
        -----
        The distribution function is interpolated linearly between the calibrated quantiles, and outside them
        towards the ends of the scale; on a scale with steps half a step is added for continuity.
        """
        scale = self.scale
        if not scale.low <= threshold <= scale.high:
            raise ValidationError(f"threshold must lie on the instrument's scale, {scale.low:g} to {scale.high:g}")
        if not 0 < alert_probability < 1:
            raise ValidationError("alert_probability must be between 0 and 1")
        half_step = (scale.step or 0.0) / 2
        cut = threshold - half_step if scale.worse == "high" else threshold + half_step
        probability = np.empty(self.horizon)
        levels = np.concatenate([[0.0], LEVELS, [1.0]])
        for day, row in enumerate(self.continuous_quantiles):
            ends = np.concatenate([[scale.low - half_step], row, [scale.high + half_step]])
            # A strictly rising grid keeps the interpolation defined where quantiles tie; ties at the cut reach it.
            order = np.arange(len(ends)) - (0 if scale.worse == "high" else len(ends) - 1)
            below = float(np.interp(cut, ends + order * 1e-9 * scale.range, levels))
            probability[day] = 1 - below if scale.worse == "high" else below
        return Risk(
            threshold, probability, alert_probability, self._periods(probability >= alert_probability, probability)
        )

    def _periods(self, alert: NDArray[np.bool_], probability: Floats) -> tuple[RiskPeriod, ...]:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], alert, [False]]).astype(int)))
        return tuple(
            RiskPeriod(self.days[start], self.days[end - 1], float(probability[start:end].max()))
            for start, end in zip(edges[::2], edges[1::2], strict=True)
        )


def week_ahead(horizon: int) -> int:
    """Return the index of the day a week ahead, or of the last one of a shorter forecast."""
    return min(7, horizon) - 1


def at_levels(quantiles: Floats, levels: Floats) -> Floats:
    """Return quantiles ``(..., 21)`` at :data:`LEVELS` read at other levels, linearly between the calibrated ones."""
    return interpolate(quantiles, LEVELS, levels, -1)
