"""Where an effect comes from: estimated from data, transported from elsewhere, or assumed."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations import wall
from novamind.populations.domain import EffectSource, InterventionType, checked_seed
from novamind.populations.generation.outcome_model import THREADS
from novamind.populations.interventions.effects import EffectModel
from novamind.populations.table import Table, read

PRIOR_MEAN_EFFECTS: Final[Mapping[str, float]] = {
    InterventionType.EMAIL_CAMPAIGN: 0.05,
    InterventionType.CALL_FREQUENCY_INCREASE: 0.08,
    InterventionType.SPEAKER_PROGRAM_INVITATION: 0.12,
    InterventionType.EDUCATIONAL_CONTENT_SHARE: 0.06,
    InterventionType.PEER_TO_PEER_REFERRAL: 0.10,
}
"""Prior means of the specification. No study stands behind them, hence the prior spread below."""
PRIOR_RELATIVE_SPREAD: Final = 1.0
"""Standard deviation of an assumed effect as a multiple of its mean: no effect, or twice as much, is
plausible."""
TRANSPORT_RELATIVE_SPREAD: Final = 0.5
"""Standard deviation between populations as a share of the effect, added when evidence comes from another
one."""

_OVERLAP: Final = (0.05, 0.95)
_MAX_OUTSIDE: Final = 0.10
_PLACEBO_Z: Final = 2.58
_BLOCK: Final = 25_000
SAMPLE: Final = 5_000
"""Twins, evenly spaced, that stand for all where their mean covariates are needed."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AssumedEffect:
    """A prior: the same effect for every twin, with a wide interval."""

    mean: float
    spread_of_mean: float
    source: EffectSource = EffectSource.ASSUMED

    @classmethod
    def of(cls, intervention_type: str) -> "AssumedEffect":
        """Return the prior of a known campaign.

        Raises
        ------
        ValidationError
            If none is known.
        """
        if intervention_type not in PRIOR_MEAN_EFFECTS:
            raise ValidationError(
                f"no prior is known for {str(intervention_type)!r}; give evidence from a pilot, "
                f"or use one of {', '.join(PRIOR_MEAN_EFFECTS)}"
            )
        mean = PRIOR_MEAN_EFFECTS[intervention_type]
        return cls(mean, mean * PRIOR_RELATIVE_SPREAD)

    @property
    def checks(self) -> tuple[str, ...]:
        """What stands behind it."""
        return (
            f"Assumption: prior mean {self.mean:.3f}, prior standard deviation "
            f"{self.spread_of_mean:.3f}; no data stand behind it.",
        )

    @property
    def failures(self) -> tuple[str, ...]:
        """A prior has no check to fail."""
        return ()

    def individual(self, twins: Table) -> Floats:
        """Effect per twin."""
        return np.full(len(twins), self.mean)

    def spread(self, twins: Table) -> Floats:
        """Give the standard deviation of the effect per twin."""
        return np.full(len(twins), self.spread_of_mean)

    def standard_error(self, twins: Table, average: float) -> float:
        """Give the standard error of the average effect over these twins."""
        del twins, average
        return self.spread_of_mean


class EstimatedEffect:
    """An effect estimated from a pilot, a trial or observational data.

    Parameters
    ----------
    data
        pandas or Polars frame with covariates, a 0/1 treatment and an outcome.
    treatment, outcome
        Their column names.
    covariates
        Columns to use; all others when omitted.
    randomised
        Whether treatment was assigned by chance; otherwise propensities are estimated and overlap is
        required.
    placebo_outcome
        An outcome from before the treatment: an effect on it discredits the analysis.
    seed
        Same seed, same result.

    Attributes
    ----------
    checks, failures
        What was checked, as sentences; a failure means that no claim is made.

    Raises
    ------
    ValidationError
        If a column is absent, the treatment is not 0/1 or the outcome is missing.
    InsufficientDataError
        With fewer than 30 rows in an arm.
    """

    source = EffectSource.ESTIMATED

    def __init__(
        self,
        data: Any,
        *,
        treatment: str = "treated",
        outcome: str = "y",
        covariates: Sequence[str] | None = None,
        randomised: bool,
        placebo_outcome: str | None = None,
        seed: int = 0,
    ) -> None:
        seed = checked_seed(seed)
        table = read(data)
        available = [c.name for c in table.columns]
        roles = [treatment, outcome, *([placebo_outcome] if placebo_outcome else [])]
        names = tuple(covariates) if covariates is not None else tuple(n for n in available if n not in roles)
        for name in (*roles, *names):
            if name not in available:
                raise ValidationError(f"the evidence has no column {name!r}")
        if len({*roles, *names}) < len(roles) + len(names):
            raise ValidationError("treatment, outcome, placebo outcome and covariates must be different columns")
        if not names:
            raise ValidationError("the evidence needs at least one covariate that the twins have as well")
        wall.inspect(table.only((*roles, *names)))
        t, y = _measured(table, treatment), _measured(table, outcome)
        if not np.isin(t, (0.0, 1.0)).all():
            raise ValidationError(f"the treatment column {treatment!r} must hold 0 and 1 only")
        if np.isnan(y).any():
            raise ValidationError(
                f"the outcome {outcome!r} is missing in {int(np.isnan(y).sum())} rows; drop those rows"
            )
        self.columns = table.only(names).columns
        self._fills = {c.name: _median(table.values[c.name]) for c in self.columns if c.kind == "number"}
        X = self._matrix(table)
        treated = t.astype(np.int64)
        self.model = EffectModel(seed).fit(X, treated, y, randomised=randomised)
        self._support = X.min(axis=0), X.max(axis=0)
        self.randomised = randomised
        notes, failures = self._diagnose(
            X, treated, y, _measured(table, placebo_outcome) if placebo_outcome else None, seed
        )
        self.checks, self.failures = tuple(notes), tuple(failures)

    def _matrix(self, table: Table) -> Floats:
        """Build covariates: numbers (gaps at the median, flagged), logarithms of skewed ones, levels."""
        own = {c.name: c for c in table.columns}
        absent = [c.name for c in self.columns if c.name not in own]
        if absent:
            raise ValidationError(
                f"the twins lack the column(s) {', '.join(absent)} that the evidence uses; name shared covariates"
            )
        parts: list[Floats] = []
        for column in self.columns:
            values = table.values[column.name]
            if column.kind == "number":
                gap = np.isnan(values)
                filled = np.where(gap, self._fills[column.name][0], values)
                parts += [filled, gap.astype(float)]
                if self._fills[column.name][1]:
                    parts.append(np.log1p(np.maximum(filled, 0.0)))
            else:
                there = own[column.name].levels
                parts += [
                    (np.array([v == level for v in there], dtype=bool)[values]).astype(float) for level in column.levels
                ]
        return np.column_stack(parts)

    def _diagnose(
        self, X: Floats, treated: NDArray[np.int64], y: Floats, placebo: Floats | None, seed: int
    ) -> tuple[list[str], list[str]]:
        notes: list[str] = []
        failures: list[str] = []
        model = self.model
        outside = float(np.mean((model.propensity < _OVERLAP[0]) | (model.propensity > _OVERLAP[1])))
        if not self.randomised:
            text = f"Overlap: {outside:.1%} of rows have a chance of treatment outside {_OVERLAP[0]}-{_OVERLAP[1]}"
            (failures if outside > _MAX_OUTSIDE else notes).append(
                text + (" (limit 10 %)." if outside > _MAX_OUTSIDE else ".")
            )
        shuffled = EffectModel(seed).fit(X, np.random.default_rng(seed + 17).permutation(treated), y, randomised=True)
        z = shuffled.average_effect / shuffled.standard_error
        (failures if abs(z) > 3.3 else notes).append(
            f"Placebo treatment (shuffled): effect at {z:+.1f} standard errors."
        )
        if placebo is not None:
            seen = ~np.isnan(placebo)
            if np.ptp(placebo[seen]) == 0:
                raise ValidationError("the placebo outcome is the same in every row; name one that varies")
            before = EffectModel(seed).fit(X[seen], treated[seen], placebo[seen], randomised=self.randomised)
            z = before.average_effect / before.standard_error
            (failures if abs(z) > _PLACEBO_Z else notes).append(
                f"Placebo outcome (before treatment): effect at {z:+.1f} standard errors."
            )
        elif not self.randomised:
            notes.append(
                "No placebo outcome was given; unmeasured confounding is only bounded by the robustness value."
            )
        if not self.randomised:
            notes.append(
                f"Sensitivity: {self.robustness_value():.1%} (share of residual variance "
                "that a confounder of both sides must explain)."
            )
        return notes, failures

    def robustness_value(self) -> float:
        """Say how strong a hidden confounder must be to undo the average (Cinelli and Hazlett 2020)."""
        f = abs(self.model.average_effect / self.model.standard_error) / np.sqrt(len(self.model.propensity))
        return float(0.5 * (np.sqrt(f**4 + 4 * f**2) - f**2))

    def outside_support(self, twins: Table) -> float:
        """Return the share of twins with a covariate beyond the range of the evidence."""
        X = self._matrix(twins)
        return float(np.mean(((self._support[0] - 1e-9 > X) | (self._support[1] + 1e-9 < X)).any(axis=1)))

    def individual(self, twins: Table) -> Floats:
        """Effect per twin, shape (twins,)."""
        blocks = [twins.take(np.arange(i, min(i + _BLOCK, len(twins)))) for i in range(0, len(twins), _BLOCK)]
        with ThreadPoolExecutor(THREADS) as pool:
            return np.concatenate(list(pool.map(lambda block: self.model.effect(self._matrix(block)), blocks)))

    def spread(self, twins: Table) -> Floats:
        """Posterior standard deviation of the effect per twin."""
        return self.model.spread(self._matrix(twins))

    def standard_error(self, twins: Table, average: float) -> float:
        """Give the standard error of the average effect over these twins."""
        del average
        return self.model.standard_error_at(self._matrix(_sample(twins)))


class TransportedEffect:
    """An effect estimated in another population, carried over with a stated spread between populations."""

    source = EffectSource.TRANSPORTED

    def __init__(self, estimated: EstimatedEffect, relative_spread: float = TRANSPORT_RELATIVE_SPREAD) -> None:
        if not relative_spread > 0:
            raise ValidationError("relative_spread must be above 0: another population is never exactly the same")
        self.estimated, self.relative_spread = estimated, relative_spread
        self.failures = estimated.failures

    @property
    def checks(self) -> tuple[str, ...]:
        """What stands behind it."""
        return (
            "Transported: a between-population standard deviation of "
            f"{self.relative_spread:.0%} of the effect is added.",
            *self.estimated.checks,
        )

    def individual(self, twins: Table) -> Floats:
        """Effect per twin.

        Raises
        ------
        InsufficientDataError
            If more than half of the twins lie outside the evidence's range.
        """
        if self.estimated.outside_support(_sample(twins)) > 0.5:
            raise InsufficientDataError(
                "more than half of the twins lie outside the range of the evidence; it cannot be transported to them"
            )
        return self.estimated.individual(twins)

    def spread(self, twins: Table) -> Floats:
        """Give the standard deviation of the effect per twin."""
        effect = self.estimated.individual(twins)
        return np.hypot(self.estimated.spread(twins), self.relative_spread * np.abs(effect))

    def standard_error(self, twins: Table, average: float) -> float:
        """Give the standard error of the average effect over these twins."""
        return float(np.hypot(self.estimated.standard_error(twins, average), self.relative_spread * abs(average)))


def _sample(twins: Table) -> Table:
    """Return at most 5,000 twins, evenly spaced: enough for the mean covariates that an error needs."""
    return twins if len(twins) <= SAMPLE else twins.take(np.linspace(0, len(twins) - 1, SAMPLE).astype(np.int64))


Evidence = AssumedEffect | EstimatedEffect | TransportedEffect


def _measured(table: Table, name: str) -> Floats:
    """Values of a column that holds numbers or true/false; words have no order that could be meant."""
    column = table[name]
    if column.kind == "category" and not all(isinstance(level, bool) for level in column.levels):
        raise ValidationError(f"column {name!r} must hold numbers or true/false, without missing values in the latter")
    return table.values[name].astype(float)


def _median(values: Floats) -> tuple[float, bool]:
    present = values[~np.isnan(values)]
    middle, spread = float(np.median(present)), float(present.std())
    skewed = bool(present.min() >= 0 and spread > 0 and np.mean(((present - present.mean()) / spread) ** 3) > 2)
    return middle, skewed
