"""The kinetic parameters of each drug: the one set that review and simulation share.

Clearances are oral (dose over area under the curve) for a 70 kg adult with normal enzymes; half-life is volume over
clearance. The routes of clearance are those of :mod:`novamind.drugs.clearance`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from novamind.drugs.clearance import shares
from novamind.drugs.tables import rows
from novamind.errors import NotFoundError

Levels = NDArray[np.float64]
#: Creatinine clearance at which the renal clearances of the table hold, mL/min.
REFERENCE_CREATININE_CLEARANCE = 100.0
_TEXT = frozenset({"concentration_unit", "metabolite", "metabolite_formed_by", "inactivated_enzyme"})


@dataclass(frozen=True, slots=True)
class DrugKinetics:
    """One drug's parameters as tabled, for a 70 kg adult with normal enzymes. Rates per hour, volumes in litres.

    ``fraction_by`` holds the share of clearance by each route; what is left is changed by nothing.
    ``metabolite_clearance`` and ``metabolite_volume`` are per formed fraction of the parent's dose;
    ``metabolite_fraction_by`` are the routes of the metabolite itself.
    """

    name: str
    molar_mass: float
    concentration_unit: str
    clearance: float
    clearance_cv: float
    volume: float
    absorption_rate: float
    usual_dose: float
    fraction_by: Mapping[str, float]
    unbound_fraction: float | None = None
    peripheral_volume: float | None = None
    intercompartmental_clearance: float | None = None
    metabolite: str | None = None
    metabolite_clearance: float = 1.0
    metabolite_volume: float = 1.0
    metabolite_formed_by: str = "all"
    metabolite_unbound_fraction: float | None = None
    metabolite_molar_mass: float | None = None
    inactivated_enzyme: str | None = None
    inactivation_rate: float = 0.0
    inactivation_constant: float = 1.0
    enzyme_turnover: float = 0.0
    metabolite_fraction_by: Mapping[str, float] = field(default_factory=dict)

    @property
    def per_litre(self) -> float:
        """Factor from mg/L to the drug's concentration unit."""
        return {"ng/mL": 1000.0, "mg/L": 1.0, "mmol/L": 1.0 / self.molar_mass}[self.concentration_unit]

    @property
    def renal(self) -> bool:
        """Whether the kidney clears most of it, so that the liver takes nothing at the first pass."""
        return self.fraction_by.get("renal", 0.0) >= 0.5


@cache
def _drugs() -> Mapping[str, DrugKinetics]:
    figures: dict[str, dict[str, str]] = {}
    for row in rows("kinetics"):
        figures.setdefault(row["drug"], {})[row["parameter"]] = row["value"]
    return {
        name: DrugKinetics(
            name=name,
            fraction_by=shares(name),
            metabolite_fraction_by=shares(row.get("metabolite", "")),
            **{key: value if key in _TEXT else float(value) for key, value in row.items()},  # type: ignore[arg-type]
        )
        for name, row in figures.items()
    }


def drug_names() -> tuple[str, ...]:
    """Return the drugs with tabled kinetics."""
    return tuple(sorted(_drugs()))


def kinetics(drug: str) -> DrugKinetics:
    """Return the drug's parameters.

    Raises
    ------
    NotFoundError
        No kinetics are tabled for the drug.
    """
    parameters = _drugs().get(drug.strip().lower()) if isinstance(drug, str) else None
    if parameters is None:
        raise NotFoundError(f"no kinetics for this drug; choose one of {', '.join(drug_names())}")
    return parameters


def enzyme_left(drug: DrugKinetics, level_at: Callable[[Levels], Levels], people: int = 1) -> Levels:
    """Return the share of the enzyme that a drug which destroys it leaves at steady state, by bisection.

    Parameters
    ----------
    drug
        A drug with an ``inactivated_enzyme``.
    level_at
        The average level, in the drug's unit, that each share of the enzyme would give.
    people
        Length of the arrays.
    """
    low, high = np.zeros(people), np.ones(people)
    left = 0.5 * (low + high)
    for _ in range(60):
        left = 0.5 * (low + high)
        level = level_at(left)
        loss = drug.inactivation_rate * level / (drug.inactivation_constant + level)
        above = drug.enzyme_turnover / (drug.enzyme_turnover + loss) > left
        low, high = np.where(above, left, low), np.where(above, high, left)
    return np.asarray(left)


def metabolite_share(drug: DrugKinetics) -> float:
    """Return the level of the active metabolite relative to the parent at steady state; 0 without one."""
    return drug.clearance / drug.metabolite_clearance if drug.metabolite else 0.0
