"""Who is cleared by which enzyme, transporter or organ, and who changes these.

An enzyme under co-medication keeps a share of its activity. The class of an inhibitor or inducer spans a range,
because the FDA defines it by one: strong is at least a 5-fold exposure of a sensitive substrate, moderate 2- to 5-fold,
weak 1.25- to 2-fold (Clinical Drug Interaction Studies, 2020). Where a drug's own ratio has been published
(``facts/inhibition.csv``), the share that this ratio leaves is used (inhibition ratio of Ohno 2007, Clin Pharmacokinet
46:681). A class that nobody read counts too, with a range that begins at no effect.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from novamind.drugs.domain import Evidence, Source
from novamind.drugs.tables import rows, source

# Share of the activity that is left: point, low, high. Moderate is CPIC's half, its range widened to what was seen with
# duloxetine (1.8- and 2.4-fold, PMC6709421): 0.2 would be a 5-fold, 0.8 a 1.25-fold exposure.
INHIBITED: Mapping[str, tuple[float, float, float]] = {
    "strong": (0.05, 0.0, 0.2),
    "moderate": (0.5, 0.2, 0.8),
    "weak": (0.65, 0.5, 1.0),
}
# Multiple of the activity under induction: the FDA's classes by fall in exposure (80 %, 50-80 %, 20-50 %).
INDUCED: Mapping[str, tuple[float, float, float]] = {
    "strong": (5.0, 5.0, 10.0),
    "moderate": (3.0, 2.0, 5.0),
    "weak": (1.5, 1.25, 2.0),
}


@dataclass(frozen=True, slots=True)
class Substrate:
    """One way out of the body: an enzyme, a transporter or ``renal``.

    ``role`` is ``major``, ``minor`` or ``none`` (studied, not a route); ``share`` the fraction of oral clearance where
    one is tabled.
    """

    drug: str
    route: str
    role: str
    share: float | None
    source: Source


@dataclass(frozen=True, slots=True)
class Modulator:
    """One drug acting on one enzyme or transporter; the effect lasts ``washout_days`` after the last dose."""

    drug: str
    enzyme: str
    effect: str
    strength: str
    mechanism: str
    washout_days: int
    source: Source

    @property
    def checked(self) -> bool:
        """Whether its class was read somewhere, and so may change a phenotype."""
        return self.source.evidence is not Evidence.UNVERIFIED

    @property
    def classed(self) -> bool:
        """Whether it has a class, and so changes expected exposure."""
        return self.strength in (INHIBITED if self.effect == "inhibitor" else INDUCED)

    @property
    def applied(self) -> bool:
        """Whether it may change a phenotype: a class that was read somewhere."""
        return self.checked and self.classed

    @property
    def sentence(self) -> str:
        """For example ``paroxetine is a strong CYP2D6 inhibitor``."""
        return f"{self.drug} is a {self.strength} {self.enzyme} {self.effect}"


@dataclass(frozen=True, slots=True)
class Metabolite:
    """A metabolite, whether it acts, and the route that forms it."""

    drug: str
    name: str
    active: bool
    formed_by: str
    source: Source


def substrates(drug: str) -> tuple[Substrate, ...]:
    """Return the routes of a drug; empty for a drug outside the tables."""
    return all_substrates().get(drug, ())


def modulators(drug: str) -> tuple[Modulator, ...]:
    """Return what a drug does to enzymes and transporters; empty for a drug outside the tables or without effect."""
    return all_modulators().get(drug, ())


def metabolites(drug: str) -> tuple[Metabolite, ...]:
    """Return the metabolites of a drug that are tabled."""
    return _all_metabolites().get(drug, ())


@cache
def all_substrates() -> Mapping[str, tuple[Substrate, ...]]:
    """Return the routes by drug."""
    by_drug: dict[str, list[Substrate]] = {}
    for r in rows("substrates"):
        share = float(r["share"]) if r["share"] else None
        by_drug.setdefault(r["drug"], []).append(Substrate(r["drug"], r["route"], r["role"], share, source(r)))
    return {drug: tuple(of) for drug, of in by_drug.items()}


@cache
def all_modulators() -> Mapping[str, tuple[Modulator, ...]]:
    """Return inhibitors and inducers by drug."""
    by_drug: dict[str, list[Modulator]] = {}
    for r in rows("modulators"):
        by_drug.setdefault(r["drug"], []).append(
            Modulator(
                r["drug"],
                r["enzyme"],
                r["effect"],
                r["strength"],
                r["mechanism"],
                int(r["washout_days"]),
                source(r),
            )
        )
    return {drug: tuple(of) for drug, of in by_drug.items()}


@cache
def _all_metabolites() -> Mapping[str, tuple[Metabolite, ...]]:
    by_drug: dict[str, list[Metabolite]] = {}
    for r in rows("metabolites"):
        metabolite = Metabolite(
            r["drug"], r["metabolite"].replace(";", ","), r["active"] == "yes", r["formed_by"], source(r)
        )
        by_drug.setdefault(r["drug"], []).append(metabolite)
    return {drug: tuple(of) for drug, of in by_drug.items()}


def acting_on(enzyme: str, comedications: Iterable[str], but: str | None = None) -> tuple[Modulator, ...]:
    """Return the modulators of an enzyme in a co-medication list; the drug that is looked up itself is left out.

    A drug's own inhibition is already in its guideline and its measured levels, so it never acts on itself.
    """
    return tuple(
        m for name in dict.fromkeys(comedications) if name != but for m in modulators(name) if m.enzyme == enzyme
    )
