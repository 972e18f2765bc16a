"""Occupancy to transmitters: release, uptake and autoreceptor feedback of the three monoamine systems.

Every level is relative to the drug-free baseline (1). Fast chemistry is in quasi-steady state, slow adaptation relaxes
exponentially and is solved exactly for inputs that are constant within a step.

*Uptake.* A region clears its transmitter by transporters in proportion to their density and by everything
else; blocking a share of the transporters raises the level that a given release sustains (``clearance ratio``).

*Feedback.* The level around the cell bodies inhibits firing through autoreceptors (5-HT1A in the raphe, D2 in the
midbrain, alpha2 in the locus coeruleus) along a Hill curve. Terminals inhibit their own release likewise. Part of
release does not depend on firing.

*Adaptation.* Autoreceptor sensitivity relaxes towards the value at which the sustained stimulation no longer
reaches the cell (desensitisation, time constant in days, the same at every dose); transporters are lost in
proportion to occupancy.

*Enzymes and releasers.* What monoamine oxidase does not destroy is stored and released: with a share ``f`` of the
turnover through an enzyme, blocking a share ``i`` of it raises the store to ``1 / (1 - f i)``. A releaser that a
transporter carries in (amphetamine) lets transmitter out through it, in proportion to the carriers it holds.

*Coupling.* Serotonin restrains the ventral tegmental area and the locus coeruleus through 5-HT2C receptors at its
resting tone already: antagonists alone raise firing and frontal release of both, 5-HT2A antagonists do not
(Gobert 2000 Synapse 36:205). Above that tone it also inhibits the locus coeruleus through 5-HT2A receptors (Szabo &
Blier 2001 Brain Res 922:9; Quesseveur 2013 Exp Brain Res 226:285). Both log-linearly; 5-HT2C has the same gain in both
nuclei, and 5-HT2A what is left of the published fall of locus coeruleus firing.

Structure after Artigas 1996 (Trends Neurosci 19:378), Blier & de Montigny 1994 (Trends Pharmacol Sci 15:220) and
Best 2010 (Theor Biol Med Model 7:34). ``Parameters`` are drawn from stated ranges and kept where they fit the
calibration checks (``training.draw_ensemble``); the ranges are in ``PRIOR``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np
from scipy.special import expit

from novamind.neurochemistry.amino_acids import (
    AMINO_ACID_PRIOR,
    AMINO_ACIDS,
    Balance,
    amino_acid_levels,
    drawn_balances,
)
from novamind.neurochemistry.domain import Floats, Neurotransmitter
from novamind.neurochemistry.reference import LEAVES, innervation, table, transporter_density

#: Stimulation by a full agonist on all autoreceptors, in multiples of the baseline level. A modelling choice:
#: any value far above ``autoreceptor_threshold`` gives the same.
FULL_AGONIST = 10.0
#: Rise of release, in multiples of baseline, when every carrier runs backwards. A modelling choice of the size of what
#: low doses of amphetamine do to dopamine and noradrenaline of rats (Kuczenski & Segal 1997 J Neurochem 68:2032).
FULL_EFFLUX = 3.0
#: Share of a transmitter's turnover through each monoamine oxidase. Adult mice without MAO-A hold about twice the
#: serotonin and noradrenaline, and little more dopamine (Cases 1995 Science 268:1763); dopamine's shares are assumed.
OXIDISED: Mapping[Neurotransmitter, Mapping[str, float]] = {
    Neurotransmitter.SEROTONIN: {"MAO-A": 0.5},
    Neurotransmitter.NOREPINEPHRINE: {"MAO-A": 0.5},
    Neurotransmitter.DOPAMINE: {"MAO-A": 0.2, "MAO-B": 0.2},
}
#: Receptor blockade never takes a signal below this share of baseline (keeps the logarithm finite).
SIGNAL_FLOOR = 0.05
#: Newton steps on firing stop at a change below this; the next step would change it by about its square.
FIRING_TOLERANCE = 1e-7
MONOAMINES = (Neurotransmitter.SEROTONIN, Neurotransmitter.NOREPINEPHRINE, Neurotransmitter.DOPAMINE)
HOURS_PER_DAY = 24.0

#: Parameter to (low, high, what fixes the range). Drawn uniformly, then filtered by the calibration checks.
PRIOR: Mapping[str, tuple[float, float, str]] = {
    "serotonin_other_clearance": (0.05, 0.4, "non-SERT share of uptake, Daws 2009 Pharmacol Ther 121:89"),
    "norepinephrine_other_clearance": (0.1, 0.8, "non-NET share of uptake, assumed wide"),
    "dopamine_other_clearance": (0.1, 0.8, "non-DAT share of uptake, Jones 1998 J Neurosci 18:1979"),
    "autoreceptor_inhibition": (0.6, 1.0, "maximal fall of raphe firing, Sprouse & Aghajanian 1987"),
    "autoreceptor_threshold": (1.5, 4.0, "low tone at rest: antagonists alone do little, Fornal 1996"),
    "autoreceptor_hill": (1.5, 5.0, "steepness of firing against 5-HT, assumed wide"),
    "tonic_release": (0.1, 0.6, "release left when firing stops, Hjorth & Auerbach 1994"),
    "terminal_inhibition": (0.0, 0.3, "5-HT1B control of release, Trillat 1997"),
    "desensitisation_days": (2.0, 10.0, "Le Poul 1995; Chaput 1986"),
    "desensitisation_extent": (0.6, 1.2, "share of stimulation compensated, homeostatic at 1"),
    "transporter_loss": (0.0, 0.3, "SERT lost at full occupancy, Benmansour 1999"),
    "transporter_days": (5.0, 20.0, "Benmansour 1999 J Neurosci 19:10494"),
    "serotonin_to_norepinephrine": (0.2, 0.6, "fall of locus coeruleus firing on SSRIs, Szabo & Blier 2001"),
    "serotonin_to_dopamine": (0.1, 0.5, "fall of ventral tegmental firing on SSRIs, Dremencov 2009"),
    "symptom_days": (5.0, 30.0, "fixed by the published onset, Taylor 2006"),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """One value per patient, arrays of shape ``(patients, 1)``; meaning and ranges as in the priors."""

    serotonin_other_clearance: Floats
    norepinephrine_other_clearance: Floats
    dopamine_other_clearance: Floats
    autoreceptor_inhibition: Floats
    autoreceptor_threshold: Floats
    autoreceptor_hill: Floats
    tonic_release: Floats
    terminal_inhibition: Floats
    desensitisation_days: Floats
    desensitisation_extent: Floats
    transporter_loss: Floats
    transporter_days: Floats
    serotonin_to_norepinephrine: Floats
    serotonin_to_dopamine: Floats
    symptom_days: Floats
    gaba_restraint: Floats
    glutamate_drive: Floats
    gaba_modulation: Floats
    nmda_share: Floats

    @classmethod
    def from_columns(cls, columns: Mapping[str, Floats]) -> "Parameters":
        """Return the sets made of one array of shape ``(patients,)`` per name.

        The balance of amino acids, which no check judges, is drawn where the columns do not hold it.
        """
        columns = drawn_balances(len(columns["symptom_days"])) | dict(columns)
        return cls(**{field.name: np.asarray(columns[field.name], dtype=np.float64)[:, None] for field in fields(cls)})

    def take(self, rows: "np.typing.NDArray[np.intp]") -> "Parameters":
        """Return the given patients' sets, repeats allowed."""
        return Parameters(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def count(self) -> int:
        """Number of patients."""
        return int(self.symptom_days.shape[0])


@cache
def ensemble() -> Parameters:
    """Return the shipped parameter sets, which fit the calibration checks equally well."""
    rows = table("ensemble")
    return Parameters.from_columns({name: np.array([float(row[name]) for row in rows]) for name in PRIOR})


@cache
def typical() -> Parameters:
    """Return the shipped set nearest to the ensemble's median, which a run without ensemble uses.

    Its balance of amino acids is the middle of the ranges.
    """
    sets = ensemble()
    values = np.concatenate([getattr(sets, name) for name in PRIOR], axis=1)
    spread = np.maximum(values.std(axis=0), 1e-12)
    distance = (((values - np.median(values, axis=0)) / spread) ** 2).sum(axis=1)
    middle = {name: np.full((1, 1), 0.5 * (low + high)) for name, (low, high, _) in AMINO_ACID_PRIOR.items()}
    return replace(sets.take(np.array([int(distance.argmin())])), **middle)


def relax(target: Floats, start: float, days: Floats, step_hours: float) -> Floats:
    """Return the exact exponential approach to ``target``, constant within each step; ``(patients, times)``."""
    from scipy.signal import lfilter  # a quarter of a second to import

    kept = np.broadcast_to(np.exp(-step_hours / HOURS_PER_DAY / days)[:, 0], target.shape[:1])
    result = np.empty_like(target)
    result[:, 0] = start
    # Patients with the same time constant are filtered in one call.
    for share in np.unique(kept):
        rows = np.flatnonzero(kept == share)
        initial = np.full((rows.size, 1), share * start)
        result[rows, 1:] = lfilter([1.0 - share], [1.0, -share], target[rows, :-1], axis=1, zi=initial)[0]
    return result


def firing_rate(drive: Floats, agonism: Floats, parameters: Parameters) -> Floats:
    """Return the firing rate, relative to baseline, whose level inhibits the cell to exactly that firing.

    Parameters
    ----------
    drive
        Autoreceptor stimulation at baseline release (sensitivity x clearance ratio x input); 1 without drug.
    agonism
        Stimulation by bound agonists, in multiples of the baseline level.

    Returns
    -------
    ndarray
        Relative to baseline. The right-hand side falls with firing, so the root is unique; Newton steps
        stay inside a shrinking bracket.
    """
    strength, threshold = parameters.autoreceptor_inhibition, parameters.autoreceptor_threshold
    hill, tonic = parameters.autoreceptor_hill, parameters.tonic_release
    at_rest = 1.0 - strength / (1.0 + threshold**hill)
    low = np.broadcast_to((1.0 - strength) / at_rest, drive.shape)
    high = np.broadcast_to(1.0 / at_rest, drive.shape)
    slope = drive * (1.0 - tonic)
    offset = drive * tonic + agonism
    log_threshold = np.log(threshold)
    firing = np.ones_like(drive)
    for _ in range(60):
        stimulation = np.maximum(offset + slope * firing, 1e-12)
        inhibition = expit(hill * (np.log(stimulation) - log_threshold))
        error = firing - (1.0 - strength * inhibition) / at_rest
        low, high = np.where(error < 0, firing, low), np.where(error < 0, high, firing)
        steepness = strength * hill * inhibition * (1.0 - inhibition) / stimulation * slope / at_rest
        step = firing - error / (1.0 + steepness)
        following = np.where((step < low) | (step > high), 0.5 * (low + high), step)
        if np.abs(following - firing).max() < FIRING_TOLERANCE:
            return following
        firing = following
    return firing


def _clearance_ratio(free: Mapping[str, Floats], density: Mapping[str, float], other: Floats) -> Floats:
    """Return the level that baseline release sustains: total uptake at rest over uptake with ``free`` transporters."""
    total = sum(density.values()) + other
    return total / (sum(density[name] * free[name] for name in density) + other)


@dataclass(frozen=True, slots=True)
class _System:
    transmitter: Neurotransmitter
    nucleus: str
    transporters: tuple[str, ...]
    autoreceptor: str
    terminal_autoreceptor: str
    other_clearance: str


_SYSTEMS = (
    _System(
        Neurotransmitter.SEROTONIN,
        "raphe_nuclei",
        ("SERT",),
        "5-HT1A",
        "5-HT1B",
        "serotonin_other_clearance",
    ),
    _System(
        Neurotransmitter.NOREPINEPHRINE,
        "locus_coeruleus",
        ("NET",),
        "alpha2",
        "alpha2",
        "norepinephrine_other_clearance",
    ),
    _System(
        Neurotransmitter.DOPAMINE,
        "ventral_tegmental_area",
        ("DAT", "NET"),
        "D2",
        "D2",
        "dopamine_other_clearance",
    ),
    _System(
        Neurotransmitter.DOPAMINE,
        "substantia_nigra",
        ("DAT", "NET"),
        "D2",
        "D2",
        "dopamine_other_clearance",
    ),
)


@dataclass(frozen=True, slots=True)
class Chemistry:
    """What the three systems do over time; every array ``(patients, times)``, relative to baseline.

    ``levels`` holds extracellular levels by transmitter and leaf; leaves that share transporters and nucleus share an
    array. Glutamate and GABA are there where something acts on them. ``sensitivity`` is that of the nucleus'
    autoreceptors.
    """

    firing: Mapping[str, Floats]
    sensitivity: Mapping[str, Floats]
    levels: Mapping[Neurotransmitter, Mapping[str, Floats]]


def simulate_chemistry(
    occupied: Mapping[str, Floats],
    activated: Mapping[str, Floats],
    parameters: Parameters,
    step_hours: float,
    release: Mapping[Neurotransmitter, Floats] | None = None,
) -> Chemistry:
    """Return firing, sensitivity and levels of the systems under given occupancies.

    Parameters
    ----------
    occupied, activated
        Target to array ``(patients, times)`` as :class:`~novamind.neurochemistry.occupancy.Occupancy` holds;
        a missing target is free. At least one array, here or in ``release``, sets the number of times.
    parameters
        One set a patient, or one for all.
    step_hours
        Distance of the times, starting at the first dose.
    release
        Transmitter to a factor on release and firing drive (1 = baseline), for treatments that are no drug of
        the tables.
    """
    release = release or {}
    shape = np.broadcast_shapes(
        *(array.shape for array in (*occupied.values(), *release.values())), (parameters.count, 1)
    )
    zeros, ones = np.zeros(shape), np.ones(shape)
    occupancy = {name: np.broadcast_to(array, shape) for name, array in occupied.items()}
    agonist = {name: np.broadcast_to(array, shape) for name, array in activated.items()}
    free = {
        name: (1.0 - occupancy[name])
        * relax(1.0 - parameters.transporter_loss * occupancy[name], 1.0, parameters.transporter_days, step_hours)
        if name in occupancy
        else ones
        for name in ("SERT", "NET", "DAT")
    }
    firing: dict[str, Floats] = {}
    sensitivity: dict[str, Floats] = {}
    levels: dict[Neurotransmitter, dict[str, Floats]] = {name: {} for name in MONOAMINES}
    for system in _SYSTEMS:
        other = getattr(parameters, system.other_clearance)
        blocked = occupancy.get(system.autoreceptor, zeros)
        agonism = FULL_AGONIST * agonist.get(system.autoreceptor, zeros)
        pull = np.broadcast_to(release.get(system.transmitter, ones), shape) * np.exp(
            _coupling(system, levels[Neurotransmitter.SEROTONIN], occupancy, parameters)
        )

        turnover = ones
        for enzyme, share in OXIDISED[system.transmitter].items():
            turnover = turnover - share * occupancy.get(enzyme, zeros)

        def ratio(leaf: str, system: _System = system, other: Floats = other, turnover: Floats = turnover) -> Floats:
            density = {name: float(transporter_density(name)[LEAVES.index(leaf)]) for name in system.transporters}
            reversed_share = sum(density[name] * agonist.get(name, zeros) for name in density) / sum(density.values())
            return _clearance_ratio(free, density, other) / turnover * (1.0 + FULL_EFFLUX * reversed_share)

        around = ratio(system.nucleus)
        stimulation = np.maximum(around * (1.0 - blocked) * pull + agonism, SIGNAL_FLOOR)
        adapted = _adapted(stimulation, parameters, step_hours)
        rate = firing_rate(around * (1.0 - blocked) * adapted * pull, agonism * adapted, parameters)
        released = (parameters.tonic_release + (1.0 - parameters.tonic_release) * rate) * pull
        firing[system.nucleus] = rate * pull
        blocked_terminal = occupancy.get(system.terminal_autoreceptor, zeros)
        terminal_agonism = FULL_AGONIST * agonist.get(system.terminal_autoreceptor, zeros)
        sensitivity[system.nucleus] = adapted
        shared: dict[tuple[float, ...], Floats] = {}
        for leaf, (nucleus, _) in innervation(system.transmitter).items():
            if nucleus != system.nucleus:
                continue
            key = tuple(float(transporter_density(name)[LEAVES.index(leaf)]) for name in system.transporters)
            if key not in shared:
                shared[key] = _terminal_level(
                    ratio(leaf), pull, released, blocked_terminal, terminal_agonism, parameters, step_hours
                )
            levels[system.transmitter][leaf] = shared[key]
    if {"GABA-A", "NMDA", *AMINO_ACIDS} & {*occupancy, *release}:
        local = amino_acid_levels(
            occupancy, release, Balance(**{name: getattr(parameters, name) for name in AMINO_ACID_PRIOR})
        )
        levels |= {name: dict.fromkeys(LEAVES, np.broadcast_to(level, shape)) for name, level in local.items()}
    return Chemistry(firing, sensitivity, levels)


def _adapted(stimulation: Floats, parameters: Parameters, step_hours: float) -> Floats:
    """Return autoreceptor sensitivity; its logarithm relaxes to minus a share of the logarithm of the stimulation."""
    target = -parameters.desensitisation_extent * np.log(stimulation)
    return np.exp(relax(target, 0.0, parameters.desensitisation_days, step_hours))


def _coupling(
    system: _System, serotonin: Mapping[str, Floats], occupancy: Mapping[str, Floats], parameters: Parameters
) -> Floats | float:
    """Return the logarithm of the input that serotonin leaves to the nucleus; 0 at baseline."""
    if system.nucleus not in ("locus_coeruleus", "ventral_tegmental_area"):
        return 0.0
    around = serotonin[system.nucleus]
    tone = np.log(np.maximum(around * (1.0 - occupancy.get("5-HT2C", 0.0)), SIGNAL_FLOOR))
    if system.nucleus == "ventral_tegmental_area":
        return -parameters.serotonin_to_dopamine * tone
    whole = parameters.serotonin_to_norepinephrine
    at_rest = np.minimum(parameters.serotonin_to_dopamine, whole)
    excess = np.log(np.maximum(around * (1.0 - occupancy.get("5-HT2A", 0.0)), 1.0))
    return -at_rest * tone - (whole - at_rest) * excess


def _terminal_level(
    ratio: Floats,
    pull: Floats,
    released: Floats,
    blocked: Floats,
    agonism: Floats,
    parameters: Parameters,
    step_hours: float,
) -> Floats:
    """Return the level at a terminal whose own autoreceptors divide release: the positive root of a quadratic."""
    strength = parameters.terminal_inhibition
    stimulation = np.maximum(ratio * (1.0 - blocked) * pull + agonism, SIGNAL_FLOOR)
    adapted = _adapted(stimulation, parameters, step_hours)
    squared = strength * adapted * (1.0 - blocked)
    linear = 1.0 + strength * adapted * agonism
    constant = ratio * released * (1.0 + strength)
    return 2.0 * constant / (linear + np.sqrt(linear**2 + 4.0 * squared * constant))
