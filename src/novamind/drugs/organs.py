"""What age, kidney and liver do to exposure.

A drug with a renal share is cleared by the kidney in proportion to creatinine clearance; for the others, and for the
liver and age, the published ratio of the drug itself counts (``facts/organs.csv``). Nothing is carried over from one
drug to another: what is not in the table is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from novamind.drugs.clearance import shares
from novamind.drugs.domain import Source
from novamind.drugs.kinetics import REFERENCE_CREATININE_CLEARANCE
from novamind.drugs.tables import rows, source

# Studies of 6 to 12 people: their ratios spread by about this factor either way.
_SPREAD = 1.4
_OLD = 65
# The range of creatinine clearance that the kinetics are for, mL/min; beyond it the end counts.
_CLEARANCE = (5.0, 250.0)
_LIVER = {"A": "liver A", "B": "liver B", "C": "liver C"}


@dataclass(frozen=True, slots=True)
class OrganEffect:
    """Exposure relative to that with healthy organs; ``parts`` say why, ``missing`` what the tables lack.

    ``renal_activity`` is the share of the renal clearance that is left, already in ``parts`` but not in ``ratio``.
    """

    ratio: float
    low: float
    high: float
    renal_activity: float
    parts: tuple[str, ...]
    missing: tuple[str, ...]
    sources: tuple[Source, ...]


@cache
def _ratios() -> Mapping[tuple[str, str], tuple[float, Source]]:
    return {(r["drug"], r["state"]): (float(r["ratio"]), source(r)) for r in rows("organs")}


def organ_effect(
    drug: str,
    age: float | None = None,
    creatinine_clearance: float | None = None,
    child_pugh: str | None = None,
) -> OrganEffect:
    """Return what a person's age, kidney and liver do to the exposure of a drug.

    Parameters
    ----------
    drug
        Generic name.
    age
        Years; from 65 on the drug's published ratio of older people counts.
    creatinine_clearance
        mL/min.
    child_pugh
        ``"A"``, ``"B"`` or ``"C"``; ``None`` or ``"none"`` for a healthy or unknown liver.
    """
    renal = 1.0
    parts, missing, states = [], [], []
    if creatinine_clearance is not None:
        if "renal" in shares(drug):
            counted = min(max(creatinine_clearance, _CLEARANCE[0]), _CLEARANCE[1])
            renal = counted / REFERENCE_CREATININE_CLEARANCE
            beyond = "" if counted == creatinine_clearance else f", counted as {counted:g}"
            parts.append(f"creatinine clearance {creatinine_clearance:g} mL/min{beyond}")
        elif state := _kidney(creatinine_clearance):
            states.append(state)
    if child_pugh in _LIVER:
        states.append(_LIVER[child_pugh])
    if age is not None and age >= _OLD:
        states.append(f"age from {_OLD}")
    ratio = 1.0
    cited = []
    for state in states:
        published = _ratios().get((drug, state))
        if published is None:
            missing.append(state)
        else:
            ratio *= published[0]
            parts.append(f"{state}: {published[0]:.2f} times")
            cited.append(published[1])
    spread = _SPREAD ** len(cited)
    return OrganEffect(ratio, ratio / spread, ratio * spread, renal, tuple(parts), tuple(missing), tuple(cited))


def _kidney(creatinine_clearance: float) -> str | None:
    for limit, state in ((15, "kidney below 15"), (30, "kidney 15-29"), (60, "kidney 30-59"), (90, "kidney 60-89")):
        if creatinine_clearance < limit:
            return state
    return None
