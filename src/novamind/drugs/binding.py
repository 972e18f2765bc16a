"""What drugs bind: affinities measured in vitro and, preferred, what PET and SPECT measured in people.

``affinities.csv`` holds Ki or Kd in nM (``>`` means none up to that concentration; ``irreversible`` inhibitors have no
constant), ``occupancy.csv`` the plasma level, daily dose or single dose that holds half of the maximum in vivo, and
``enzyme_turnover.csv`` how fast an enzyme that was destroyed comes back. Metabolites that are drugs of their own are
looked up under one name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

from novamind.drugs.domain import Evidence, Source
from novamind.drugs.tables import rows, source
from novamind.errors import NotFoundError

TRANSPORTERS = ("SERT", "NET", "DAT")
RECEPTORS = (
    *("5-HT1A", "5-HT2A", "5-HT2C", "5-HT3", "5-HT7", "D2", "D3", "H1"),
    *("M1", "M2", "M3", "M4", "M5", "alpha1", "alpha2", "mu"),
)
#: The benzodiazepine site of GABA-A receptors (positive modulators) and the channel of NMDA receptors (blockers).
SITES = ("GABA-A", "NMDA")
ENZYMES = ("MAO-A", "MAO-B")
TARGETS = (*TRANSPORTERS, *RECEPTORS, *SITES, *ENZYMES)

Per = Literal["ng/mL", "ng/mL with metabolite", "mg/day", "mg single"]
#: Compound to the name under which its rows stand: the same molecule or its mirror images.
_SAME = {
    "9-hydroxyrisperidone": "paliperidone",
    "O-desmethylvenlafaxine": "desvenlafaxine",
    "dexamfetamine": "amphetamine",
    "dexmethylphenidate": "methylphenidate",
    "armodafinil": "modafinil",
    "desmethyldiazepam": "nordazepam",
}


@dataclass(frozen=True, slots=True)
class Affinity:
    """How tightly a compound binds a target in vitro.

    ``nanomolar`` is Ki or Kd, missing for irreversible inhibitors. ``intrinsic_activity`` is 0 for an antagonist,
    blocker or modulator and 1 for a full agonist; at a transporter it is a releaser's share of full efflux.
    """

    compound: str
    target: str
    nanomolar: float | None
    intrinsic_activity: float
    irreversible: bool
    source: Source
    note: str


@dataclass(frozen=True, slots=True)
class InVivo:
    """What was measured in people (the source says where it was not): ``ec50`` holds half of ``maximum``.

    ``per`` is the unit of ``ec50``: plasma level of the drug (of the drug alone in people who have its metabolite too,
    or of what is active where nothing is added), dose a day on average over a day at steady state (taken
    in ``doses_a_day``), or one dose at its peak.
    ``derived`` says how the figures follow from what was printed, where they were not.
    """

    drug: str
    target: str
    ec50: float
    per: Per
    doses_a_day: int
    maximum: float
    source: Source
    derived: str

    @property
    def verified(self) -> bool:
        """Whether every figure was seen in a text and none was assumed."""
        return self.source.evidence is not Evidence.UNVERIFIED and "assumed" not in self.derived


@cache
def _affinities() -> Mapping[str, Mapping[str, Affinity]]:
    tabled: dict[str, dict[str, Affinity]] = {}
    for row in rows("affinities"):
        if row["relation"] == ">":
            continue
        tabled.setdefault(row["compound"], {})[row["target"]] = Affinity(
            row["compound"],
            row["target"],
            float(row["nanomolar"]) if row["nanomolar"] else None,
            float(row["intrinsic_activity"]),
            row["relation"] == "irreversible",
            source(row),
            row["note"],
        )
    return tabled


@cache
def _in_vivo() -> Mapping[str, Mapping[str, InVivo]]:
    tabled: dict[str, dict[str, InVivo]] = {}
    for row in rows("occupancy"):
        tabled.setdefault(row["drug"], {})[row["target"]] = InVivo(
            row["drug"],
            row["target"],
            float(row["ec50"]),
            cast(Per, row["per"]),
            int(row["doses_a_day"] or 1),
            float(row["maximum"]),
            source(row),
            row["derived"],
        )
    return tabled


def compounds() -> tuple[str, ...]:
    """Return every drug and metabolite with a tabled affinity or occupancy, under each of its names."""
    tabled = {*_affinities(), *_in_vivo()}
    return tuple(sorted(tabled | {name for name, same in _SAME.items() if same in tabled}))


def tabled_name(compound: str) -> str:
    """Return the name under which the rows of a compound stand, its own where it has rows or none are known."""
    return _SAME.get(compound, compound)


def affinities(compound: str) -> Mapping[str, Affinity]:
    """Return by target what a drug or metabolite binds; empty where nothing is tabled or nothing binds."""
    return _affinities().get(tabled_name(compound), {})


def in_vivo(drug: str) -> Mapping[str, InVivo]:
    """Return by target what was measured in vivo, the drug's main target first; empty where nothing is tabled."""
    return _in_vivo().get(drug, {})


def occupancy_at_dose(drug: str, target: str, dose_mg: float) -> float:
    """Return the share held by a dose straight from a published half-maximal dose, without any kinetics.

    Parameters
    ----------
    dose_mg
        A day or once, as ``in_vivo(drug)[target].per`` says.

    Raises
    ------
    NotFoundError
        No half-maximal dose of the drug at the target is tabled.
    """
    measured = in_vivo(drug).get(target)
    if measured is None or measured.per.startswith("ng/mL"):
        raise NotFoundError(f"no half-maximal dose of {drug} at {target} is in our tables; simulate the drug instead")
    return measured.maximum * dose_mg / (measured.ec50 + dose_mg)


@cache
def enzyme_half_lives() -> Mapping[str, float]:
    """Return by enzyme the half-life of its turnover, in days."""
    return {row["target"]: float(row["half_life_days"]) for row in rows("enzyme_turnover") if source(row)}
