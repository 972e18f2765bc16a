"""Glutamate and GABA: the local balance of excitation and inhibition, and how modulators and blockers shift it.

Principal cells release glutamate and are restrained by GABA; interneurons release GABA and are driven by glutamate,
part of it through NMDA receptors (disinhibition under ketamine: Moghaddam 1997 J Neurosci 17:2921; Homayoun & Moghaddam
2007 J Neurosci 27:11496). Levels are relative to baseline (1), log-linear about it and in quasi-steady state::

    ln glutamate = ln release - restraint (ln GABA + ln(1 + modulation x occupied GABA-A))
    ln GABA      = ln release + drive (ln glutamate + ln(1 - share through NMDA x blocked NMDA))

The balance is the same in every region, because no published figure tells regions apart, and nothing adapts over days:
tolerance is left out. ``AMINO_ACID_PRIOR`` are modelling choices; no check chose among them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from novamind.neurochemistry.domain import Floats, Neurotransmitter

AMINO_ACIDS = (Neurotransmitter.GLUTAMATE, Neurotransmitter.GABA)
#: Parameter to (low, high, what it is).
AMINO_ACID_PRIOR: Mapping[str, tuple[float, float, str]] = {
    "gaba_restraint": (0.3, 0.9, "how far glutamate release follows inhibition, assumed wide"),
    "glutamate_drive": (0.3, 0.9, "how far GABA release follows excitation, assumed wide"),
    "gaba_modulation": (1.0, 2.0, "charge that a full benzodiazepine site adds at synaptic GABA, Mohler 2002"),
    "nmda_share": (0.4, 0.8, "share of interneuron drive through NMDA receptors, assumed wide"),
}


@dataclass(frozen=True, slots=True)
class Balance:
    """One balance a patient, arrays of shape ``(patients, 1)``; meaning and ranges as in ``AMINO_ACID_PRIOR``."""

    gaba_restraint: Floats
    glutamate_drive: Floats
    gaba_modulation: Floats
    nmda_share: Floats


def drawn_balances(count: int) -> dict[str, Floats]:
    """Return seeded draws over the ranges, one column a parameter; the same for the same count."""
    rng = np.random.default_rng(0)
    return {name: rng.uniform(low, high, count) for name, (low, high, _) in AMINO_ACID_PRIOR.items()}


def amino_acid_levels(
    occupied: Mapping[str, Floats],
    release: Mapping[Neurotransmitter, Floats],
    balance: Balance,
) -> dict[Neurotransmitter, Floats]:
    """Return the levels of glutamate and GABA relative to baseline.

    Parameters
    ----------
    occupied
        Target to array ``(patients, times)``; ``GABA-A`` and ``NMDA`` count, a missing one is free.
    release
        Transmitter to a factor on its release; missing is 1.
    """
    inhibition = np.log1p(balance.gaba_modulation * occupied.get("GABA-A", 0.0))
    excitation = np.log1p(-balance.nmda_share * occupied.get("NMDA", 0.0))
    glutamate, gaba = (np.log(release.get(name, np.ones((1, 1)))) for name in AMINO_ACIDS)
    restraint, drive = balance.gaba_restraint, balance.glutamate_drive
    excited = (glutamate - restraint * (gaba + drive * excitation + inhibition)) / (1.0 + restraint * drive)
    return {
        Neurotransmitter.GLUTAMATE: np.exp(excited),
        Neurotransmitter.GABA: np.exp(gaba + drive * (excited + excitation)),
    }
