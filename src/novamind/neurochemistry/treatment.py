"""Sustained changes named by transmitter or by target, and how two of them interact.

A treatment either raises or lowers the release of a transmitter, or holds targets. Interactions are read off a
factorial simulation, ``E(AB) - E(A) - E(B) + E(0)``, on the linear scale relative to baseline: 0 where the two do not
meet, negative where one takes away from the other, positive where one lets the other do more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from novamind.drugs.binding import RECEPTORS, TARGETS
from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.amino_acids import AMINO_ACIDS
from novamind.neurochemistry.domain import BrainRegion, Floats, Neurotransmitter, is_number
from novamind.neurochemistry.dynamics import (
    FULL_AGONIST,
    MONOAMINES,
    Chemistry,
    Parameters,
    simulate_chemistry,
    typical,
)
from novamind.neurochemistry.reference import as_region, as_transmitter
from novamind.neurochemistry.simulation import region_level

#: Smallest and largest sustained relative change of release that is simulated.
EFFECT_RANGE = (-0.9, 5.0)
#: Transmitters with a dynamic model.
MODELLED = (*MONOAMINES, *AMINO_ACIDS)
_RECEPTOR_TRANSMITTER = {
    **dict.fromkeys(("5-HT1A", "5-HT2A", "5-HT2C", "5-HT3", "5-HT7"), Neurotransmitter.SEROTONIN),
    **dict.fromkeys(("D2", "D3"), Neurotransmitter.DOPAMINE),
    **dict.fromkeys(("alpha1", "alpha2"), Neurotransmitter.NOREPINEPHRINE),
}


def check_effect(effect: float) -> float:
    """Return the effect, or raise ``ValidationError`` outside ``EFFECT_RANGE``."""
    low, high = EFFECT_RANGE
    if not is_number(effect, low, high):
        raise ValidationError(f"a treatment effect must lie between {low} and {high} (relative change of release)")
    return float(effect)


def as_modelled(neurotransmitter: Neurotransmitter | str) -> Neurotransmitter:
    """Return the transmitter, or raise ``NotFoundError`` where it has no dynamic model."""
    transmitter = as_transmitter(neurotransmitter)
    if transmitter not in MODELLED:
        raise NotFoundError(f"no dynamic model of {transmitter.value} is given; choose one of {', '.join(MODELLED)}")
    return transmitter


@dataclass(frozen=True, slots=True)
class Treatment:
    """A sustained change.

    Parameters
    ----------
    release
        Transmitter to relative change of its release (0.5 = half as much again).
    occupied
        Target to the share occupied (0 to below 1).
    intrinsic_activity
        Target to what the ligand does there: 0 blocks (default), 1 activates fully.
    """

    release: Mapping[Neurotransmitter, float] = field(default_factory=dict)
    occupied: Mapping[str, float] = field(default_factory=dict)
    intrinsic_activity: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for transmitter, effect in self.release.items():
            as_modelled(transmitter)
            check_effect(effect)
        for target, share in self.occupied.items():
            if target not in TARGETS:
                raise ValidationError(f"unknown target {target!r}; choose one of {', '.join(TARGETS)}")
            if not is_number(share, 0, 1) or share == 1:
                raise ValidationError("an occupied share must be at least 0 and below 1")
        for target, activity in self.intrinsic_activity.items():
            if target not in RECEPTORS or not is_number(activity, 0, 1):
                raise ValidationError("intrinsic activity is a number from 0 to 1 for a receptor")

    def __add__(self, other: "Treatment") -> "Treatment":
        """Return both at once: relative changes of release multiply, ligands compete for a target."""
        release = dict(self.release)
        for transmitter, effect in other.release.items():
            release[transmitter] = (1.0 + release.get(transmitter, 0.0)) * (1.0 + effect) - 1.0
        occupied, activity = dict(self.occupied), dict(self.intrinsic_activity)
        for target, share in other.occupied.items():
            mine = occupied.get(target, 0.0)
            pressures = np.array([mine / (1.0 - mine), share / (1.0 - share)])
            total = pressures.sum()
            if total > 0 and target in RECEPTORS:
                activities = (activity.get(target, 0.0), other.intrinsic_activity.get(target, 0.0))
                activity[target] = float(pressures @ activities / total)
            occupied[target] = float(total / (1.0 + total))
        return Treatment(release, occupied, activity)

    def chemistry(self, days: float, parameters: Parameters | None = None, step_hours: float = 12.0) -> Chemistry:
        """Return the treatment simulated from day 0; the last time is ``days``."""
        times = round(days * 24 / step_hours) + 1
        ones = np.ones((1, times))
        return simulate_chemistry(
            {target: share * ones for target, share in self.occupied.items()},
            {
                target: self.occupied.get(target, 0.0) * activity * ones
                for target, activity in self.intrinsic_activity.items()
            },
            parameters or typical(),
            step_hours,
            dict.fromkeys(AMINO_ACIDS, ones)
            | {transmitter: (1.0 + effect) * ones for transmitter, effect in self.release.items()},
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an interaction is measured on.

    The level of ``transmitter`` in ``region`` after ``days``, or with ``receptor`` the signal through that receptor:
    the level on the free share plus what bound agonists give. Relative to baseline.
    """

    transmitter: Neurotransmitter
    region: BrainRegion
    days: float = 42.0
    receptor: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "transmitter", as_modelled(self.transmitter))
        object.__setattr__(self, "region", as_region(self.region))
        if not is_number(self.days, 0.5, 730):
            raise ValidationError("days must lie between 0.5 and 730")
        if self.receptor is not None and _RECEPTOR_TRANSMITTER.get(self.receptor) != self.transmitter:
            raise ValidationError(f"receptor must be one that {self.transmitter.value} acts on")

    def value(self, treatment: Treatment, parameters: Parameters | None = None) -> Floats:
        """Return the value under the treatment, one a parameter set."""
        chemistry = treatment.chemistry(self.days, parameters)
        level = region_level(chemistry, self.transmitter, self.region)[:, -1]
        if self.receptor is None:
            return level
        occupied = treatment.occupied.get(self.receptor, 0.0)
        return level * (1.0 - occupied) + FULL_AGONIST * occupied * treatment.intrinsic_activity.get(self.receptor, 0.0)


def interaction(first: Treatment, second: Treatment, outcome: Outcome, parameters: Parameters | None = None) -> Floats:
    """Return ``E(AB) - E(A) - E(B) + E(0)``, one a parameter set (the typical one by default)."""
    nothing = Treatment()
    return (
        outcome.value(first + second, parameters)
        - outcome.value(first, parameters)
        - outcome.value(second, parameters)
        + outcome.value(nothing, parameters)
    )
