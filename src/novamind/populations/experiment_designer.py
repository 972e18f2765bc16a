"""Design a real experiment: how many, in which strata, and what is written down beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import ndtr, ndtri

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations.population import TwinPopulation

_MAX_STRATA: Final = 200


@dataclass(frozen=True)
class ExperimentDesign:
    """A two-arm design.

    Parameters
    ----------
    sample_size, treated, control
        Units altogether and per arm.
    clusters_per_arm
        With clusters: (treated, control).
    outcome_sd, residual_sd
        Spread of the outcome, and what is left of it after adjusting for the twin's expected outcome.
    design_effect
        Factor that clustering puts on the sample size, ``1 + (m - 1) * intraclass correlation``.
    registration
        Text for a pre-registration.
    """

    minimum_effect: float
    alpha: float
    power: float
    sample_size: int
    treated: int
    control: int
    outcome_sd: float
    residual_sd: float
    design_effect: float
    clusters_per_arm: tuple[int, int] | None
    strata: tuple[str, ...]
    registration: str


class ExperimentDesigner:
    """Power, sample size and allocation from a population's outcome variance.

    Formulas for two means with a normal reference (Donner and Klar 2000 for clusters; Deng et al. 2013 for
    the variance that a prediction made before the experiment removes).

    Parameters
    ----------
    population
        Twins of those who would be in the experiment.
    """

    def __init__(self, population: TwinPopulation) -> None:
        self.population = population
        outcome, expected = population.baseline_behavior, population.expected_outcome
        self.outcome_sd = float(outcome.std(ddof=1)) if len(outcome) > 1 else 0.0
        if self.outcome_sd == 0:
            raise InsufficientDataError("The population's outcome does not vary; no experiment can be sized from it.")
        r = float(np.corrcoef(outcome, expected)[0, 1]) if np.ptp(expected) > 0 else 0.0
        self.residual_sd = self.outcome_sd * float(np.sqrt(max(1 - r**2, 0.0)))

    def design(
        self,
        minimum_effect: float,
        *,
        alpha: float = 0.05,
        power: float = 0.8,
        treated_share: float = 0.5,
        adjust: bool = True,
        cluster_size: int = 1,
        intraclass_correlation: float = 0.0,
        strata: Sequence[str] = (),
    ) -> ExperimentDesign:
        """Size an experiment that finds ``minimum_effect``.

        Raises
        ------
        ValidationError
            If an argument is out of range or a stratum is unknown.
        """
        _check(alpha, power, treated_share, cluster_size, intraclass_correlation)
        if not (np.isfinite(minimum_effect) and minimum_effect != 0):
            raise ValidationError("minimum_effect must be a number other than 0.")
        self._strata(strata)
        sd = self.residual_sd if adjust else self.outcome_sd
        inflation = 1 + (cluster_size - 1) * intraclass_correlation
        reach = float(ndtri(1 - alpha / 2) + ndtri(power))
        total = reach**2 * sd**2 / minimum_effect**2 / (treated_share * (1 - treated_share)) * inflation
        treated, control = int(np.ceil(total * treated_share)), int(np.ceil(total * (1 - treated_share)))
        clusters = None
        if cluster_size > 1:
            clusters = int(np.ceil(treated / cluster_size)), int(np.ceil(control / cluster_size))
            treated, control = clusters[0] * cluster_size, clusters[1] * cluster_size
        text = self._registration(
            minimum_effect,
            alpha,
            power,
            treated,
            control,
            adjust,
            clusters,
            cluster_size,
            intraclass_correlation,
            strata,
        )
        return ExperimentDesign(
            minimum_effect,
            alpha,
            power,
            treated + control,
            treated,
            control,
            self.outcome_sd,
            sd,
            inflation,
            clusters,
            tuple(strata),
            text,
        )

    def power(
        self,
        effect: float,
        sample_size: int,
        *,
        alpha: float = 0.05,
        treated_share: float = 0.5,
        adjust: bool = True,
        cluster_size: int = 1,
        intraclass_correlation: float = 0.0,
    ) -> float:
        """Chance of finding an effect with so many units altogether."""
        error = self._error(sample_size, alpha, treated_share, adjust, cluster_size, intraclass_correlation)
        z, limit = effect / error, ndtri(1 - alpha / 2)
        return float(ndtr(z - limit) + ndtr(-z - limit))

    def minimum_detectable_effect(
        self,
        sample_size: int,
        *,
        alpha: float = 0.05,
        power: float = 0.8,
        treated_share: float = 0.5,
        adjust: bool = True,
        cluster_size: int = 1,
        intraclass_correlation: float = 0.0,
    ) -> float:
        """Smallest effect found with the given power."""
        error = self._error(sample_size, alpha, treated_share, adjust, cluster_size, intraclass_correlation)
        _check(alpha, power, treated_share, cluster_size, intraclass_correlation)
        return float((ndtri(1 - alpha / 2) + ndtri(power)) * error)

    def allocate(
        self, twins: int, *, strata: Sequence[str] = (), treated_share: float = 0.5, seed: int = 0
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Assign the first ``twins`` twins to 1 (treated) or 0 within strata, shape (twins,).

        Without named strata, twins are stratified by expected outcome (blocks of neighbours).
        """
        if not 2 <= twins <= len(self.population):
            raise ValidationError(f"The number of twins to allocate must be between 2 and {len(self.population):,}.")
        if not 0 < treated_share < 1:
            raise ValidationError("treated_share must be above 0 and below 1.")
        rng = np.random.default_rng(seed)
        key = np.zeros(twins, dtype=np.int64)
        for name in self._strata(strata):
            _, codes = np.unique(self.population.features.values[name][:twins], return_inverse=True)
            key = key * (int(codes.max()) + 1) + codes
        # Along (stratum, expected outcome) every run of neighbours is treated in the same proportion.
        order = np.lexsort((self.population.expected_outcome[:twins], key))
        steps = np.floor((np.arange(twins + 1)) * treated_share + rng.random()).astype(np.int64)
        out = np.empty(twins, dtype=np.int64)
        out[order] = np.diff(steps)
        block = max(round(1 / min(treated_share, 1 - treated_share)), 2)
        for start in range(0, twins, block):
            rows = order[start : start + block]
            out[rows] = rng.permutation(out[rows])
        return out

    def _strata(self, names: Sequence[str]) -> tuple[str, ...]:
        known = {c.name for c in self.population.features.columns}
        for name in names:
            if name not in known:
                raise ValidationError(f"There is no column {name!r} to stratify by.")
            if len(np.unique(self.population.features.values[name])) > _MAX_STRATA:
                raise ValidationError(f"Column {name!r} has too many values to stratify by.")
        return tuple(names)

    def _error(
        self, sample_size: int, alpha: float, share: float, adjust: bool, cluster_size: int, icc: float
    ) -> float:
        _check(alpha, 0.8, share, cluster_size, icc)
        if sample_size < 4:
            raise ValidationError("sample_size must be at least 4.")
        sd = self.residual_sd if adjust else self.outcome_sd
        return float(sd * np.sqrt((1 + (cluster_size - 1) * icc) / (sample_size * share * (1 - share))))

    def _registration(
        self,
        effect: float,
        alpha: float,
        power: float,
        treated: int,
        control: int,
        adjust: bool,
        clusters: tuple[int, int] | None,
        cluster_size: int,
        icc: float,
        strata: Sequence[str],
    ) -> str:
        units = self.population.twin_type.value
        lines = [
            f"Question: does the intervention change {self.population.target.name} of "
            f"{self.population.brand} by at least {effect:g}?",
            f"Units: {units}; {treated:,} treated, {control:,} control, assigned at random"
            + (
                f" within strata of {', '.join(strata)}."
                if strata
                else " within blocks of the twins' expected outcome."
            ),
            f"Primary analysis: difference in means of {self.population.target.name}"
            + (", adjusted for the twin's expected outcome, fixed before the start" if adjust else "")
            + f"; two-sided test at {alpha:g}, power {power:g}.",
        ]
        if clusters is not None:
            lines.append(
                f"Clusters: {clusters[0]} treated and {clusters[1]} control of {cluster_size}; "
                f"intraclass correlation {icc:g}; cluster-robust errors."
            )
        lines.append(
            "Stopping: at the planned size only. Missing outcomes: reported per "
            "arm, analysed as observed and by bounds."
        )
        lines.append(
            "Subgroups named here are the only confirmatory ones; the twin's simulation is no evidence of the effect."
        )
        return "\n".join(lines)


def _check(alpha: float, power: float, share: float, cluster_size: int, icc: float) -> None:
    if not 0 < alpha < 0.5:
        raise ValidationError("alpha must be above 0 and below 0.5.")
    if not alpha < power < 1:
        raise ValidationError("power must be above alpha and below 1.")
    if not 0 < share < 1:
        raise ValidationError("treated_share must be above 0 and below 1.")
    if cluster_size < 1 or not 0 <= icc <= 1:
        raise ValidationError("cluster_size must be at least 1 and intraclass_correlation between 0 and 1.")
