"""What clears a drug, and how much of it is left: the one formula behind review and simulation.

With f the fraction of oral clearance through a route and a its activity relative to normal, clearance is the sum of
``1 - sum(f) + sum(f a)`` of normal and exposure its reciprocal (Rowland and Matin 1973, doi:10.1007/BF01059791). A
fraction is solved from one published exposure ratio per drug and gene (``facts/exposure.csv``); the others are the
shares of ``facts/substrates.csv``, estimates with a wide range. What no share is tabled for is in the remainder, which
nothing changes.

One functional allele out of two leaves half the activity, unless the drug's own ratio at that genotype is tabled
(``one_functional``): then activity is raised to the power that reproduces it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from novamind.drugs.domain import Source
from novamind.drugs.enzymes import INDUCED, INHIBITED, Modulator, acting_on, substrates
from novamind.drugs.tables import rows, source

_Amount = TypeVar("_Amount", float, NDArray[np.float64])
# An estimated share spans from this much below to as much above itself; what is excreted unchanged has been measured.
_ESTIMATE = 0.3
_EXCRETED = 0.1
# A measured induction without an interval spans from this factor below to as much above.
_INDUCTION = 1.25


@dataclass(frozen=True, slots=True)
class Route:
    """Fraction of a drug's clearance through one route, with its bounds.

    ``solved`` where it follows from a published ratio. ``power`` bends the scale of genetic activity for this drug; 1
    leaves it as it is.
    """

    drug: str
    route: str
    share: float
    low: float
    high: float
    source: Source
    solved: bool = False
    power: float = 1.0

    def bent(self, activity: float, genetic: float | None = None) -> float:
        """Return the activity on this drug's scale; only the genetic part (before co-medication) is bent."""
        own = activity if genetic is None else genetic
        return activity * own ** (self.power - 1) if own > 0 else 0.0

    def ratio(self, activity: float, genetic: float | None = None) -> float:
        """Return exposure relative to normal activity, other routes as usual; infinite when nothing is left."""
        return exposure_ratio({self.route: self.share}, {self.route: self.bent(activity, genetic)})

    def activity_at(self, ratio: float) -> float:
        """Return the activity at which exposure is ``ratio`` times normal, at least 0."""
        return max((1 / ratio - 1 + self.share) / self.share, 0.0)


def fraction_metabolised(ratio: float, activity: float) -> float:
    """Return the fraction of clearance through a route, from the exposure ratio at a known activity (not 1)."""
    return min(max((1 - 1 / ratio) / (1 - activity), 0.0), 1.0)


def relative_clearance(shares: Mapping[str, float], activity: Mapping[str, _Amount]) -> _Amount | float:
    """Return clearance relative to normal: the sum over routes of share times activity; a route not named is normal."""
    total: _Amount | float = 1.0 - sum(shares.values())
    for route, share in shares.items():
        total = total + share * activity.get(route, 1.0)
    return total


def exposure_ratio(shares: Mapping[str, float], activity: Mapping[str, float]) -> float:
    """Return the reciprocal of the relative clearance; infinite where nothing clears the drug."""
    clearance = relative_clearance(shares, activity)
    return math.inf if clearance <= 1e-12 else 1 / clearance


@cache
def _solved() -> Mapping[tuple[str, str], Route]:
    by_route = {}
    for r in rows("exposure"):
        activity = float(r["activity"])
        point, low, high = (fraction_metabolised(float(r[k] or r["ratio"]), activity) for k in ("ratio", "low", "high"))
        power = 1.0
        if r["one_functional"]:
            half = (1 / float(r["one_functional"]) - (1 - point)) / point
            power = math.log(half) / math.log(0.5)
        by_route[r["drug"], r["gene"]] = Route(r["drug"], r["gene"], point, low, high, source(r), True, power)
    return by_route


@cache
def routes(drug: str) -> tuple[Route, ...]:
    """Return the routes with a share: those solved from a published ratio first, then by share."""
    solved = {route: of for (name, route), of in _solved().items() if name == drug}
    estimated = []
    for s in substrates(drug):
        if s.share is not None and s.route not in solved:
            doubt = _EXCRETED if s.route == "renal" else _ESTIMATE
            ends = (s.share * (1 - doubt), min(s.share * (1 + doubt), 1.0))
            estimated.append(Route(drug, s.route, s.share, *ends, s.source))
    return (*solved.values(), *sorted(estimated, key=lambda r: -r.share))


def shares(drug: str) -> dict[str, float]:
    """Return the fraction of clearance by route; what is left to 1 is changed by nothing in the tables."""
    return {r.route: r.share for r in routes(drug)}


@cache
def phenotype_activities(enzyme: str) -> Mapping[str, float]:
    """Return the activity of an enzyme by phenotype (CPIC's term in lower case), relative to two normal alleles."""
    return {r["phenotype"].lower(): float(r["activity"]) for r in rows("activities") if r["enzyme"] == enzyme}


@cache
def share_left(enzyme: str) -> Mapping[str, float]:
    """Return the activity of an enzyme by the class of what acts on it, and of smokers where it has been measured."""
    terms = {f"{strength} inhibitor": point for strength, (point, _, _) in INHIBITED.items()}
    terms |= {f"{strength} inducer": point for strength, (point, _, _) in INDUCED.items()}
    smoking = effect(enzyme, ("tobacco smoking",))
    return terms if smoking is None else terms | {"smoker": smoking.share}


@dataclass(frozen=True, slots=True)
class Measured:
    """Activity of a route beside an inhibitor or inducer, solved from one published exposure ratio."""

    share: float
    low: float
    high: float
    source: Source


@cache
def measured() -> Mapping[tuple[str, str], Measured]:
    """Return what was measured, by drug and enzyme; without a published interval the range is that of the class."""
    by_pair = {}
    classes = {(m.drug, m.enzyme): m for r in rows("inhibition") for m in acting_on(r["enzyme"], [r["drug"]])}
    for r in rows("inhibition"):
        route = next(p for p in routes(r["substrate"]) if p.route == r["enzyme"])
        modulator = classes[r["drug"], r["enzyme"]]
        share = route.activity_at(float(r["ratio"]))
        inhibits = modulator.effect == "inhibitor"
        _, least, most = _class_range(modulator) if inhibits else (share, share / _INDUCTION, share * _INDUCTION)
        low = route.activity_at(float(r["high"])) if r["high"] else min(least, share)
        high = route.activity_at(float(r["low"])) if r["low"] else max(most, share)
        by_pair[r["drug"], r["enzyme"]] = Measured(share, low, high, source(r))
    return by_pair


def _class_range(m: Modulator) -> tuple[float, float, float]:
    """Return the activity by class: point, low, high. A class that nobody read may also be no effect at all."""
    point, low, high = (INHIBITED if m.effect == "inhibitor" else INDUCED)[m.strength]
    if not m.checked:
        low, high = min(low, 1.0), max(high, 1.0)
    return point, low, high


def share_under(m: Modulator) -> tuple[float, float, float]:
    """Return the activity beside a modulator at its usual dose, relative to that without it: point, low, high."""
    own = measured().get((m.drug, m.enzyme))
    return (own.share, own.low, own.high) if own else _class_range(m)


@dataclass(frozen=True, slots=True)
class Effect:
    """What co-medication makes of a route: the activity relative to that without it, and who acts.

    ``measured`` are the drugs whose own published ratio decides the point.
    """

    share: float
    low: float
    high: float
    modulators: tuple[Modulator, ...]
    measured: tuple[str, ...] = ()


@lru_cache(maxsize=16384)
def effect(route: str, comedications: tuple[str, ...], but: str | None = None) -> Effect | None:
    """Return what the co-medication does to a route; None where nothing with a class acts on it.

    The strongest inhibitor decides, so adding one never raises the activity; likewise the strongest inducer. Inhibition
    and induction multiply.
    """
    acting = [m for m in acting_on(route, comedications, but) if m.classed]
    inhibitors = [m for m in acting if m.effect == "inhibitor"]
    inducers = [m for m in acting if m.effect == "inducer"]
    if not acting:
        return None
    less, more = [share_under(m) for m in inhibitors], [share_under(m) for m in inducers]
    point, low, high = (min((of[k] for of in less), default=1.0) for k in range(3))
    deciding = tuple(m.drug for m in inhibitors if (m.drug, route) in measured() and share_under(m)[0] == point)
    factor = tuple(max((of[k] for of in more), default=1.0) for k in range(3))
    deciding += tuple(m.drug for m in inducers if (m.drug, route) in measured() and share_under(m)[0] == factor[0])
    return Effect(point * factor[0], low * factor[1], high * factor[2], (*inhibitors, *inducers), deciding)


def comedicated(routes_of: Iterable[str], comedications: Sequence[str], but: str | None = None) -> dict[str, Effect]:
    """Return the effect on each route that the co-medication changes."""
    taken = tuple(comedications)
    effects = {route: effect(route, taken, but) for route in dict.fromkeys(routes_of)}
    return {route: of for route, of in effects.items() if of is not None}
