"""Design a real experiment: how many, in which strata, and what is written down beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations.domain import checked_seed
from novamind.populations.interventions.clusters import Clusters
from novamind.populations.population import TwinPopulation
from novamind.summary import Summarised, Summary, counted

_MAX_STRATA: Final = 200
_MIN_CLUSTERS: Final = 4  # units count as clusters of one


@dataclass(frozen=True)
class TrialPlan:
    """How a two-arm experiment is to be run and analysed.

    Parameters
    ----------
    alpha
        Two-sided significance level, 0 < alpha < 0.5.
    power
        Chance of finding the effect that it is sized for, alpha < power < 1.
    treated_share
        Share of the units that is treated, above 0 and below 1.
    adjust
        Whether the analysis adjusts for the twin's expected outcome.
    cluster_size
        Units that are assigned together, such as the accounts of one territory; their mean where sizes differ.
    intraclass_correlation
        Correlation of outcomes within such a cluster, 0 to 1.
    cluster_size_cv
        Standard deviation of the clusters' sizes over their mean.

    Raises
    ------
    ValidationError
        If a value is outside its range.
    """

    alpha: float = 0.05
    power: float = 0.8
    treated_share: float = 0.5
    adjust: bool = True
    cluster_size: float = 1
    intraclass_correlation: float = 0.0
    cluster_size_cv: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise ValidationError("alpha must be above 0 and below 0.5")
        if not self.alpha < self.power < 1:
            raise ValidationError("power must be above alpha and below 1")
        if not 0 < self.treated_share < 1:
            raise ValidationError("treated_share must be above 0 and below 1")
        if not 1 <= self.cluster_size < np.inf or not 0 <= self.intraclass_correlation <= 1:
            raise ValidationError("cluster_size must be at least 1 and intraclass_correlation between 0 and 1")
        if not 0 <= self.cluster_size_cv < np.inf:
            raise ValidationError("cluster_size_cv must be a number of at least 0")

    def with_clusters(self, clusters: Clusters, *, cautious: bool = False) -> "TrialPlan":
        """Plan to assign whole clusters like these, at the estimated correlation or, cautiously, its upper limit."""
        return replace(
            self,
            cluster_size=clusters.mean_size,
            intraclass_correlation=clusters.high if cautious else clusters.correlation,
            cluster_size_cv=clusters.size_cv,
        )

    @property
    def design_effect(self) -> float:
        """Factor that clustering puts on the sample size, ``1 + (m - 1) * intraclass correlation``.

        Where sizes differ, ``m`` is the size of a unit's own cluster on average, ``mean * (1 + cv^2)`` (Eldridge,
        Ashby and Kerry 2006).
        """
        own = self.cluster_size * (1 + self.cluster_size_cv**2)
        return 1 + (own - 1) * self.intraclass_correlation

    @property
    def reach(self) -> float:
        """Standard errors that the effect must measure to be found with this power."""
        return float(ndtri(1 - self.alpha / 2) + ndtri(self.power))


@dataclass(frozen=True, repr=False)
class ExperimentDesign(Summarised):
    """A sized experiment.

    Parameters
    ----------
    plan
        What it was sized for.
    sample_size, treated, control
        Units altogether and per arm.
    clusters_per_arm
        With clusters: (treated, control).
    outcome_sd, residual_sd
        Spread of the outcome, and the spread that the analysis works with: what is left after adjusting for
        the twin's expected outcome, or the outcome's own.
    registration
        Text for a pre-registration.
    """

    minimum_effect: float
    plan: TrialPlan
    sample_size: int
    treated: int
    control: int
    outcome_sd: float
    residual_sd: float
    clusters_per_arm: tuple[int, int] | None
    strata: tuple[str, ...]
    registration: str

    def _summary(self) -> Summary:
        text = (
            f"{counted(self.sample_size, 'unit')} ({self.treated:,} treated, {self.control:,} control) "
            f"to find an effect of {self.minimum_effect:.3g}"
        )
        rows = [("units", self.treated, self.control)]
        rows += [("clusters", *self.clusters_per_arm)] if self.clusters_per_arm else []
        return Summary(text, ("", "treated", "control"), rows)


class ExperimentDesigner:
    """Power, sample size and allocation from a population's outcome variance.

    Formulas for two means with a normal reference, or for clusters Student's t with two degrees of freedom fewer
    than clusters (Donner and Klar 2000); Deng et al. 2013 for the variance that a prediction made before the
    experiment removes.

    Parameters
    ----------
    population
        Twins of those who would be in the experiment.
    plan
        How it is run and analysed.
    """

    def __init__(self, population: TwinPopulation, plan: TrialPlan | None = None) -> None:
        self.population, self.plan = population, plan or TrialPlan()
        outcome, expected = population.baseline_behavior, population.expected_outcome
        self.outcome_sd = float(outcome.std(ddof=1)) if len(outcome) > 1 else 0.0
        if self.outcome_sd == 0:
            raise InsufficientDataError("the population's outcome does not vary; no experiment can be sized from it")
        r = float(np.corrcoef(outcome, expected)[0, 1]) if self.plan.adjust and np.ptp(expected) > 0 else 0.0
        self.residual_sd = self.outcome_sd * float(np.sqrt(max(1 - r**2, 0.0)))

    def design(self, minimum_effect: float, *, strata: Sequence[str] = ()) -> ExperimentDesign:
        """Size an experiment that finds ``minimum_effect``.

        Raises
        ------
        ValidationError
            If the effect is 0 or no number, or a stratum is unknown.
        """
        if not (np.isfinite(minimum_effect) and minimum_effect != 0):
            raise ValidationError("minimum_effect must be a number other than 0")
        plan, share = self.plan, self.plan.treated_share
        total = (plan.reach * self.residual_sd / minimum_effect) ** 2 / (share * (1 - share)) * plan.design_effect
        treated, control = int(np.ceil(total * share)), int(np.ceil(total * (1 - share)))
        clusters = None
        if plan.cluster_size > 1:
            count = max(int(np.ceil(total / plan.cluster_size)), _MIN_CLUSTERS)
            while self.power(minimum_effect, count * plan.cluster_size) < plan.power:
                count += 1
            clusters = max(int(np.ceil(count * share)), 2), max(int(np.ceil(count * (1 - share))), 2)
            treated, control = (int(np.ceil(arm * plan.cluster_size)) for arm in clusters)
        named = self._strata(strata)
        return ExperimentDesign(
            minimum_effect=minimum_effect,
            plan=plan,
            sample_size=treated + control,
            treated=treated,
            control=control,
            outcome_sd=self.outcome_sd,
            residual_sd=self.residual_sd,
            clusters_per_arm=clusters,
            strata=named,
            registration=self._registration(minimum_effect, treated, control, clusters, named),
        )

    def power(self, effect: float, sample_size: float) -> float:
        """Return the chance of finding an effect with so many units altogether."""
        return self._power(abs(effect) / self._error(sample_size), sample_size)

    def _power(self, errors: float, sample_size: float) -> float:
        """Return the chance of finding an effect of so many standard errors."""
        tail = 1 - self.plan.alpha / 2
        if self.plan.cluster_size == 1:
            limit = ndtri(tail)
            return float(ndtr(errors - limit) + ndtr(-errors - limit))
        freedom = sample_size / self.plan.cluster_size - 2
        limit = stdtrit(freedom, tail)
        return float(1 - nctdtr(freedom, errors, limit) + nctdtr(freedom, errors, -limit))

    def minimum_detectable_effect(self, sample_size: float) -> float:
        """Return the smallest effect that the plan's power detects."""
        from scipy.optimize import brentq  # slow to import

        error, power = self._error(sample_size), self.plan.power
        most = 2 * self.plan.reach
        while self._power(most, sample_size) < power:
            most *= 2
        return float(error * brentq(lambda errors: self._power(errors, sample_size) - power, 0.0, most))

    def allocate(
        self, twins: int, *, strata: Sequence[str] = (), cluster: str | None = None, seed: int = 0
    ) -> NDArray[np.int64]:
        """Assign the first ``twins`` twins to 1 (treated) or 0 within strata, shape (twins,).

        Within a stratum, neighbours by expected outcome form blocks, each treated in the plan's proportion. With a
        ``cluster`` column all twins of a cluster get the same, and clusters that are neighbours by their mean
        expected outcome form the blocks.

        Raises
        ------
        ValidationError
            If there are not so many twins; a column is unknown; a stratum has too many values or divides a
            cluster; or there are fewer than four clusters.
        """
        if not 2 <= twins <= len(self.population):
            raise ValidationError(f"the number of twins to allocate must be between 2 and {len(self.population):,}")
        key = np.zeros(twins, dtype=np.int64)
        for name in self._strata(strata):
            codes = self._codes(name, twins)
            key = key * (int(codes.max()) + 1) + codes
        expected = self.population.expected_outcome[:twins]
        rng = np.random.default_rng(checked_seed(seed))
        if cluster is None:
            return self._assign(key, expected, rng)
        self._check_column(cluster, "cluster by")
        label = self._codes(cluster, twins)
        _, first, size = np.unique(label, return_index=True, return_counts=True)
        if len(first) < _MIN_CLUSTERS:
            raise ValidationError(f"column {cluster!r} has {len(first)} clusters; at least {_MIN_CLUSTERS} are needed")
        if (key != key[first][label]).any():
            raise ValidationError(f"a stratum divides clusters of {cluster!r}; stratify by what a cluster shares")
        return self._assign(key[first], np.bincount(label, weights=expected) / size, rng)[label]

    def _assign(
        self, key: NDArray[np.int64], expected: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Assign units in blocks of neighbours by stratum and expected outcome."""
        n, share = len(key), self.plan.treated_share
        order = np.lexsort((expected, key))
        steps = np.floor((np.arange(n + 1)) * share + rng.random()).astype(np.int64)
        out = np.empty(n, dtype=np.int64)
        out[order] = np.diff(steps)
        block = max(round(1 / min(share, 1 - share)), 2)
        for start in range(0, n, block):
            rows = order[start : start + block]
            out[rows] = rng.permutation(out[rows])
        return out

    def _codes(self, name: str, twins: int) -> NDArray[np.int64]:
        values = self.population.features.values[name][:twins]
        return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)

    def _strata(self, names: Sequence[str]) -> tuple[str, ...]:
        for name in names:
            self._check_column(name, "stratify by")
            if len(np.unique(self.population.features.values[name])) > _MAX_STRATA:
                raise ValidationError(f"column {name!r} has too many values to stratify by")
        return tuple(names)

    def _check_column(self, name: str, purpose: str) -> None:
        if name not in {c.name for c in self.population.features.columns}:
            raise ValidationError(f"there is no column {name!r} to {purpose}")

    def _error(self, sample_size: float) -> float:
        """Give the standard error of the difference in means."""
        least = _MIN_CLUSTERS * self.plan.cluster_size
        if not least <= sample_size < np.inf:
            raise ValidationError(f"sample_size must be at least {least:g}")
        share = self.plan.treated_share
        return float(self.residual_sd * np.sqrt(self.plan.design_effect / (sample_size * share * (1 - share))))

    def _registration(
        self, effect: float, treated: int, control: int, clusters: tuple[int, int] | None, strata: Sequence[str]
    ) -> str:
        plan, outcome = self.plan, self.population.target.name
        blocks = f"strata of {', '.join(strata)}" if strata else "blocks of the twins' expected outcome"
        adjusted = ", adjusted for the twin's expected outcome, fixed before the start" if plan.adjust else ""
        lines = [
            f"Question: does the intervention change {outcome} of {self.population.brand} by at least {effect:g}?",
            f"Units: {self.population.twin_type.value}; {treated:,} treated, {control:,} control, "
            f"assigned at random within {blocks}.",
            f"Primary analysis: difference in means of {outcome}{adjusted}; two-sided test at {plan.alpha:g}, "
            f"power {plan.power:g}.",
        ]
        if clusters is not None:
            lines.append(
                f"Clusters, assigned whole: {clusters[0]} treated and {clusters[1]} control of {plan.cluster_size:.3g} "
                f"units on average; intraclass correlation {plan.intraclass_correlation:.3g}; cluster-robust errors "
                f"and Student's t with {sum(clusters) - 2} degrees of freedom."
            )
        lines += [
            "Stopping: at the planned size only. Missing outcomes: reported per arm, analysed as seen and by bounds.",
            "Subgroups named here are the only confirmatory ones; the twin's simulation is no evidence of the effect.",
        ]
        return "\n".join(lines)
