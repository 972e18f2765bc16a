"""Dose to plasma: one- and two-compartment oral models with active metabolites, solved in closed form.

Between two doses the model is linear, so its state (gut, plasma, periphery, metabolite) is a sum of
exponentials whose rates and amplitudes follow from the eigenvectors of the rate matrix; a dose adds to the gut.
Missed doses, titration and stopping are amounts in the schedule. The liver is well stirred (Pang & Rowland
1977): oral AUC is dose over intrinsic clearance, and first pass and half-life follow from it. A drug that
destroys its own enzyme (paroxetine, CYP2D6) has its clearance updated at every dose from the exact solution of
enzyme turnover. What else is taken, and what depots release, changes from day to day; within a day it is constant, and
the solution stays exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from novamind.drugs.clearance import phenotype_activities, relative_clearance, share_left
from novamind.drugs.kinetics import REFERENCE_CREATININE_CLEARANCE, DrugKinetics, drug_names, enzyme_left, kinetics
from novamind.errors import ValidationError
from novamind.neurochemistry.domain import Floats, is_number

__all__ = [
    "HEPATIC_FLOW",
    "REFERENCE_CREATININE_CLEARANCE",
    "DayByDay",
    "DrugKinetics",
    "Physiology",
    "Schedule",
    "concentrations",
    "drug_names",
    "enzyme_activity",
    "kinetics",
    "steady_state_average",
]

#: Liver blood flow of an adult, L/h (Davies & Morris 1993 Pharm Res 10:1093).
HEPATIC_FLOW = 90.0
#: A single dose beyond this multiple of the drug's usual daily dose is refused as a slip of the pen.
MAXIMUM_DOSE_MULTIPLE = 20.0
_ENZYMES = (
    "CYP1A2", "CYP2A6", "CYP2B6", "CYP2C19", "CYP2C8", "CYP2C9", "CYP2D6", "CYP2E1", "CYP3A4", "UGT", "UGT1A4",
)  # fmt: skip
_HIGHEST_ACTIVITY = 16.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Doses taken: times in hours (increasing) and amounts in mg, shape ``(doses,)`` or ``(patients, doses)``.

    A missed dose is an amount of 0.
    """

    times_hours: Floats
    amounts_mg: Floats

    def __post_init__(self) -> None:
        times = np.asarray(self.times_hours, dtype=np.float64)
        amounts = np.asarray(self.amounts_mg, dtype=np.float64)
        object.__setattr__(self, "times_hours", times)
        object.__setattr__(self, "amounts_mg", amounts)
        if times.ndim != 1 or times.size == 0 or amounts.shape[-1:] != times.shape or amounts.ndim > 2:
            raise ValidationError("a schedule needs one amount per dose time, and at least one dose")
        if not (np.isfinite(times).all() and np.isfinite(amounts).all()):
            raise ValidationError("dose times and amounts must be finite numbers")
        if times[0] < 0 or (np.diff(times) <= 0).any():
            raise ValidationError("dose times must start at 0 or later and increase")
        if (amounts < 0).any():
            raise ValidationError("dose amounts must be at least 0 mg")

    @classmethod
    def regular(
        cls, dose_mg: float, interval_hours: float, duration_hours: float, missed: Sequence[int] = ()
    ) -> "Schedule":
        """Return the same dose every ``interval_hours`` up to ``duration_hours``; ``missed`` holds doses, from 0."""
        if not is_number(dose_mg, 0):
            raise ValidationError("dose_mg must be a number of at least 0")
        if not is_number(interval_hours, 1, 24 * 14):
            raise ValidationError("interval_hours must lie between 1 hour and 14 days")
        times = np.arange(0.0, duration_hours, interval_hours)
        amounts = np.full(times.size, float(dose_mg))
        if not set(missed) <= set(range(times.size)):
            raise ValidationError(f"missed doses must be numbered from 0 to {times.size - 1}")
        amounts[list(missed)] = 0.0
        return cls(times, amounts)

    def check(self, drug: DrugKinetics) -> None:
        """Refuse single amounts far beyond any use of the drug."""
        largest = float(self.amounts_mg.max())
        limit = MAXIMUM_DOSE_MULTIPLE * drug.usual_dose
        if largest > limit:
            raise ValidationError(f"a single dose of {drug.name} above {limit:g} mg is refused; give the amount in mg")


def enzyme_activity(
    phenotypes: Mapping[str, str | float] | None = None, inhibitors: Mapping[str, str | float] | None = None
) -> dict[str, float]:
    """Return the activity of each enzyme relative to normal.

    Parameters
    ----------
    phenotypes
        Per enzyme a CPIC term (``"Poor Metabolizer"``) or an activity score on the scale where two normal
        alleles make 2.
    inhibitors
        Per enzyme ``"strong"``, ``"moderate"``, ``"weak"`` (inhibitor), ``"strong inducer"`` and so on, or the
        activity relative to that without co-medication; ``"smoker"`` for CYP1A2.

    Raises
    ------
    ValidationError
        Unknown enzyme, a term without a tabled activity (``"Indeterminate"`` has none) or a number out of range.
    """
    activity = dict.fromkeys(_ENZYMES, 1.0)
    for states, full, inherited in ((phenotypes, 2.0, True), (inhibitors, 1.0, False)):
        if not isinstance(states, Mapping | None):
            raise ValidationError("phenotypes and inhibitors map an enzyme to its state, e.g. {'CYP2D6': ...}")
        for enzyme, value in (states or {}).items():
            if enzyme not in _ENZYMES:
                raise ValidationError(f"unknown enzyme; choose one of {', '.join(_ENZYMES)}")
            if is_number(value, 0, _HIGHEST_ACTIVITY):
                activity[enzyme] *= float(value) / full
                continue
            terms = phenotype_activities(enzyme) if inherited else share_left(enzyme)
            suffix = "metabolizer" if inherited else "inhibitor"
            word = value.strip().lower() if isinstance(value, str) else ""
            words = (word, f"{word} {suffix}", word.removeprefix("likely "), f"{word.removeprefix('likely ')} {suffix}")
            term = next((term for term in words if term in terms), None)
            if term is None:
                choices = ", ".join([*terms, f"a number from 0 to {_HIGHEST_ACTIVITY:g}"])
                raise ValidationError(
                    f"no activity is tabled for this state of {enzyme}; known are: {choices}; "
                    f"leave {enzyme} out where its state is not known"
                )
            activity[enzyme] *= terms[term]
    return activity


@dataclass(frozen=True, slots=True)
class Physiology:
    """What a batch of patients brings to a drug. Every array has shape ``(patients,)``.

    ``clearance_factor`` is the patients' own deviation from the typical clearance (1 = typical), and
    ``metabolite_clearance_factor`` that of the active metabolite.
    """

    activity: Mapping[str, Floats]
    clearance_factor: Floats
    creatinine_clearance: Floats
    metabolite_clearance_factor: Floats | float = 1.0

    @classmethod
    def typical(
        cls,
        activity: Mapping[str, float] | None = None,
        clearance_factor: Floats | None = None,
        creatinine_clearance: float = REFERENCE_CREATININE_CLEARANCE,
    ) -> "Physiology":
        """Return patients that differ in ``clearance_factor`` only; one typical patient without it."""
        if not is_number(creatinine_clearance, 5, 250):
            raise ValidationError("creatinine clearance must lie between 5 and 250 mL/min")
        factor = np.ones(1) if clearance_factor is None else np.asarray(clearance_factor, dtype=np.float64)
        ones = np.ones(factor.size)
        return cls(
            {enzyme: value * ones for enzyme, value in (activity or enzyme_activity()).items()},
            factor,
            creatinine_clearance * ones,
        )

    def relative_clearance(self, drug: DrugKinetics, enzyme_left: Floats | float = 1.0) -> Floats:
        """Return intrinsic clearance relative to the typical patient; ``enzyme_left`` scales the inactivated enzyme."""
        activity = {route: self._activity(drug, route, enzyme_left) for route in drug.fraction_by}
        return np.asarray(relative_clearance(drug.fraction_by, activity) * self.clearance_factor)

    def formed_fraction(self, drug: DrugKinetics, enzyme_left: Floats | float = 1.0) -> Floats:
        """Return the share of the dose that becomes the active metabolite, relative to the typical patient's share."""
        if drug.metabolite_formed_by == "all":
            return np.ones(self.clearance_factor.size)
        route = self._activity(drug, drug.metabolite_formed_by, enzyme_left) * self.clearance_factor
        return route / self.relative_clearance(drug, enzyme_left)

    def relative_metabolite_clearance(self, drug: DrugKinetics, enzyme_left: Floats | float = 1.0) -> Floats:
        """Return the clearance of the active metabolite relative to the typical patient."""
        activity = {route: self._activity(drug, route, enzyme_left) for route in drug.metabolite_fraction_by}
        relative = relative_clearance(drug.metabolite_fraction_by, activity) * np.ones(self.clearance_factor.size)
        return np.asarray(relative * self.metabolite_clearance_factor)

    def repeated(self, count: int) -> "Physiology":
        """Return one patient ``count`` times."""
        ones = np.ones(count)
        activity = {route: share * ones for route, share in self.activity.items()}
        return Physiology(
            activity,
            self.clearance_factor * ones,
            self.creatinine_clearance * ones,
            self.metabolite_clearance_factor * ones,
        )

    def beside(self, shares: Mapping[str, Floats]) -> "Physiology":
        """Return the patients with the activity of each route multiplied by what others leave or make of it."""
        ones = np.ones(self.clearance_factor.size)
        changed = {route: self.activity.get(route, ones) * share for route, share in shares.items()}
        return replace(self, activity={**self.activity, **changed})

    def _activity(self, drug: DrugKinetics, enzyme: str, enzyme_left: Floats | float) -> Floats:
        if enzyme == "renal":
            return self.creatinine_clearance / REFERENCE_CREATININE_CLEARANCE
        left = enzyme_left if enzyme == drug.inactivated_enzyme else 1.0
        return self.activity.get(enzyme, np.ones(self.clearance_factor.size)) * left


@dataclass(frozen=True, slots=True)
class DayByDay:
    """What changes from day to day, counted from the schedule's zero; the last day goes on.

    ``shares`` holds by route the activity relative to the patients' own, ``(patients or 1, days)``; ``released_mg``
    what depots release, ``(days,)``, as mg by mouth.
    """

    released_mg: Floats
    shares: Mapping[str, Floats] = field(default_factory=dict)

    def on(self, day: int) -> dict[str, Floats]:
        """Return the activity of each route on a day."""
        return {route: share[:, min(day, share.shape[1] - 1)] for route, share in self.shares.items()}

    def released_on(self, day: int) -> float:
        """Return what depots release on a day, mg an hour."""
        return float(self.released_mg[min(day, self.released_mg.size - 1)]) / 24.0


@dataclass(frozen=True, slots=True)
class _Modes:
    """Eigendecomposition of the rate matrix: ``state(t) = vectors @ (exp(rates t) * (inverse @ state(0)))``."""

    rates: Floats
    vectors: Floats
    inverse: Floats

    def amplitudes(self, state: Floats) -> Floats:
        return np.asarray(np.einsum("pij,pj->pi", self.inverse, state))

    def advance(self, state: Floats, hours: float) -> Floats:
        return np.asarray(np.einsum("pij,pj->pi", self.vectors, np.exp(self.rates * hours) * self.amplitudes(state)))

    def settled(self, into_plasma: float) -> Floats:
        """Return the state at which a constant inflow into plasma (mg/h) is in balance."""
        return np.asarray(np.einsum("pij,pj->pi", self.vectors, -self.inverse[:, :, 1] * into_plasma / self.rates))


def _modes(drug: DrugKinetics, patients: Physiology, enzyme_left: Floats | float = 1.0) -> _Modes:
    """Return the rates between (gut, plasma, periphery, metabolite); amounts in mg of parent."""
    intrinsic = drug.clearance * patients.relative_clearance(drug, enzyme_left)
    formed = patients.formed_fraction(drug, enzyme_left)
    if drug.renal:
        passed, elimination, volume = np.ones_like(intrinsic), intrinsic, drug.volume
    else:
        passed = HEPATIC_FLOW / (HEPATIC_FLOW + intrinsic)
        elimination = intrinsic * passed
        volume = drug.volume * HEPATIC_FLOW / (HEPATIC_FLOW + drug.clearance)
    matrix = np.zeros((intrinsic.size, 4, 4))
    leaving = elimination / volume
    # Equal rates have no eigenvector of their own; a relative nudge of 1e-6 keeps the decomposition regular.
    absorption = drug.absorption_rate * _nudge(drug.absorption_rate, leaving)
    matrix[:, 0, 0] = -absorption
    matrix[:, 1, 0] = passed * absorption
    matrix[:, 3, 0] = (1.0 - passed) * formed * absorption
    matrix[:, 1, 1] = -leaving
    matrix[:, 3, 1] = formed * leaving
    if drug.peripheral_volume is not None and drug.intercompartmental_clearance is not None:
        out = drug.intercompartmental_clearance / volume
        back = drug.intercompartmental_clearance / drug.peripheral_volume
        matrix[:, 1, 1] -= out
        matrix[:, 2, 1] = out
        matrix[:, 1, 2] = back
        matrix[:, 2, 2] = -back
    else:
        matrix[:, 2, 2] = -1.0
    clearing = np.full(intrinsic.size, 2.0)
    if drug.metabolite:
        own = patients.relative_metabolite_clearance(drug, enzyme_left)
        clearing = drug.metabolite_clearance / drug.metabolite_volume * own
    matrix[:, 3, 3] = -clearing / _nudge(clearing, leaving) / _nudge(clearing, absorption)
    rates, vectors = np.linalg.eig(matrix)
    return _Modes(rates.real, vectors.real, np.linalg.inv(vectors.real))


def _nudge(rate: Floats | float, others: Floats) -> Floats:
    return np.where(np.abs(others / rate - 1.0) < 2e-6, 1.000003, 1.0)


def concentrations(
    drug: DrugKinetics,
    schedule: Schedule,
    times_hours: Floats,
    patients: Physiology | None = None,
    daily: DayByDay | None = None,
) -> dict[str, Floats]:
    """Return the plasma concentration of the drug, and of its active metabolite where it has one.

    Parameters
    ----------
    times_hours
        Increasing times, hours since the schedule's zero, shape ``(times,)``.
    daily
        What changes from day to day: enzymes under other drugs, and what depots release.

    Returns
    -------
    dict
        Compound to array ``(patients, times)`` in ``drug.concentration_unit``.

    Raises
    ------
    ValidationError
        Times that do not increase, or a dose far beyond any use of the drug.
    """
    schedule.check(drug)
    times = np.asarray(times_hours, dtype=np.float64)
    if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValidationError("times must be finite and increase")
    patients = patients or Physiology.typical()
    count = patients.clearance_factor.size
    starts, amounts = _pieces(schedule, times, daily)
    amounts = np.broadcast_to(amounts, (count, starts.size))
    first_pass = 1.0 if drug.renal else HEPATIC_FLOW / (HEPATIC_FLOW + drug.clearance)
    volume = drug.volume * first_pass
    parent = np.zeros((count, times.size))
    metabolite = np.zeros((count, times.size))
    state = np.zeros((count, 4))
    enzyme = np.ones(count)
    shares: dict[str, Floats] = {}
    modes = _modes(drug, patients)
    ends = np.append(starts[1:], np.inf)
    edges = np.searchsorted(times, np.append(starts, np.inf), side="left")
    for dose, (start, end) in enumerate(zip(starts, ends, strict=True)):
        state[:, 0] += amounts[:, dose]
        rest = np.zeros((count, 4))
        if daily is not None:
            day = int(start // 24.0)
            changed = daily.on(day)
            if any((share != shares.get(route, 1.0)).any() for route, share in changed.items()):
                shares = changed
                modes = _modes(drug, patients.beside(shares), enzyme)
            if released := daily.released_on(day):
                # An injection passes the liver by: what is given as mg by mouth loses the typical first pass.
                rest = modes.settled(released * first_pass)
        amplitude = modes.amplitudes(state - rest)
        window = slice(edges[dose], edges[dose + 1])
        if window.stop > window.start:
            decay = np.exp(modes.rates[:, :, None] * (times[window] - start)) * amplitude[:, :, None]
            parent[:, window] = np.einsum("pk,pkt->pt", modes.vectors[:, 1], decay) + rest[:, 1:2]
            metabolite[:, window] = np.einsum("pk,pkt->pt", modes.vectors[:, 3], decay) + rest[:, 3:]
        if np.isinf(end):
            break
        hours = float(end - start)
        state = modes.advance(state - rest, hours) + rest
        if drug.inactivated_enzyme:
            integral = (1.0 - np.exp(modes.rates * hours)) / -modes.rates * amplitude
            average = np.einsum("pk,pk->p", modes.vectors[:, 1], integral) / hours + rest[:, 1]
            average = average / volume * drug.per_litre
            loss = drug.inactivation_rate * average / (drug.inactivation_constant + average)
            level = drug.enzyme_turnover / (drug.enzyme_turnover + loss)
            enzyme = level + (enzyme - level) * np.exp(-(drug.enzyme_turnover + loss) * hours)
            modes = _modes(drug, patients.beside(shares), enzyme)
    # Eigenvector round-off can leave -1e-17 where the exact value is 0.
    result = {drug.name: np.maximum(parent, 0.0) / volume * drug.per_litre}
    if drug.metabolite:
        result[drug.metabolite] = np.maximum(metabolite, 0.0) / drug.metabolite_volume * drug.per_litre
    return result


def _pieces(schedule: Schedule, times: Floats, daily: DayByDay | None) -> tuple[Floats, Floats]:
    """Return the times between which nothing changes, and the amount taken at each."""
    if daily is None:
        return schedule.times_hours, schedule.amounts_mg
    last = max(float(times[-1]) if times.size else 0.0, float(schedule.times_hours[-1]))
    starts = np.union1d(schedule.times_hours, np.arange(0.0, last + 24.0, 24.0))
    amounts = np.zeros((*schedule.amounts_mg.shape[:-1], starts.size))
    amounts[..., np.searchsorted(starts, schedule.times_hours)] = schedule.amounts_mg
    return starts, amounts


def steady_state_average(
    drug: DrugKinetics, dose_mg: float, interval_hours: float = 24.0, patients: Physiology | None = None
) -> dict[str, Floats]:
    """Return the average concentration once accumulation is complete, per compound, shape ``(patients,)``.

    For linear drugs this is dose / (interval x intrinsic clearance). For a drug that inactivates its enzyme the
    clearance is solved for the level that it produces itself, by bisection on the enzyme that is left.
    """
    patients = patients or Physiology.typical()
    rate = dose_mg / interval_hours * drug.per_litre

    def parent(enzyme_left: Floats | float) -> Floats:
        return rate / (drug.clearance * patients.relative_clearance(drug, enzyme_left))

    left: Floats | float = 1.0
    if drug.inactivated_enzyme:
        left = enzyme_left(drug, parent, patients.clearance_factor.size)
    result = {drug.name: parent(left)}
    if drug.metabolite:
        clearance = drug.metabolite_clearance * patients.relative_metabolite_clearance(drug, left)
        result[drug.metabolite] = rate * patients.formed_fraction(drug, left) / clearance
    return result
