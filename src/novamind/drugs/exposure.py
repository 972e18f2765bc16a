"""Expected concentration at the same dose: parent, and parent with active metabolite where levels are read so.

Each ratio has an interval that is never a point: the bounds of the shares and activities, widened by the spread of the
published ratios that are not parameters (``facts/exposure_checks.csv``) around the model.
"""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from novamind.drugs.clearance import Route, comedicated, exposure_ratio, relative_clearance, routes, shares
from novamind.drugs.domain import Source
from novamind.drugs.kinetics import Levels, drug_names, enzyme_left, kinetics, metabolite_share
from novamind.drugs.tables import rows, source

_Z95 = 1.959964
# At the ends of their ranges the routes together clear at most this; something else always clears a little.
_MOST = 0.98


@dataclass(frozen=True, slots=True)
class TherapeuticRange:
    """Reference range of a plasma level; ``alert`` is the level to act on.

    ``basis`` tells whose level it is: ``parent``, ``sum`` (with the active metabolite) or ``metabolite``.
    """

    analyte: str
    low: float
    high: float
    unit: str
    alert: float | None
    source: Source
    basis: str = "parent"


@cache
def therapeutic_ranges() -> Mapping[str, TherapeuticRange]:
    """Return the reference ranges by drug."""
    return {
        r["drug"]: TherapeuticRange(
            r["analyte"],
            float(r["low"]),
            float(r["high"]),
            r["unit"],
            float(r["alert"]) if r["alert"] else None,
            source(r),
            r["basis"],
        )
        for r in rows("therapeutic_ranges")
    }


@dataclass(frozen=True, slots=True)
class Activity:
    """How active one route is relative to normal: point and range; ``genetic`` is the part before co-medication."""

    point: float
    low: float
    high: float
    genetic: float | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """Exposure of one analyte relative to normal clearance at the same dose."""

    analyte: str
    ratio: float
    low: float
    high: float


def under_comedication(drug: str, comedications: Sequence[str]) -> dict[str, Activity]:
    """Return the activity of the drug's routes beside other drugs (``tobacco smoking`` among them), genes normal."""
    effects = comedicated(routes_counted(drug), comedications, drug)
    return {route: Activity(e.share, e.low, e.high, 1.0) for route, e in effects.items()}


def analytes(drug: str) -> tuple[str, ...]:
    """Return what a level of the drug can mean: the sum first where its range is one of the sum, then the parent."""
    usual = therapeutic_ranges().get(drug)
    with_metabolite = drug in drug_names() and kinetics(drug).metabolite is not None
    if usual and usual.basis == "sum" and with_metabolite:
        return usual.analyte, f"{drug} alone"
    return (drug,)


@cache
def routes_counted(drug: str) -> tuple[str, ...]:
    """Return the routes whose activity changes a figure: the drug's, and its metabolite's where the sum is read."""
    own = shares(drug)
    of_metabolite = kinetics(drug).metabolite_fraction_by if len(analytes(drug)) > 1 else {}
    return tuple(dict.fromkeys((*own, *of_metabolite)))


def ratios(drug: str, activity: Mapping[str, Activity]) -> tuple[Ratio, ...]:
    """Return the expected exposure of each analyte; empty for a drug without any share in the tables.

    Parameters
    ----------
    drug
        Generic name.
    activity
        Route to activity; a route that is not named is normal.
    """
    return _ratios(drug, frozenset(activity.items()))


@lru_cache(4096)
def _ratios(drug: str, activities: frozenset[tuple[str, Activity]]) -> tuple[Ratio, ...]:
    """Return the same, once for each genotype and co-medication that was asked about: the same few recur."""
    activity = dict(sorted(activities, key=lambda of: of[0]))
    of = routes(drug)
    if not of:
        return ()
    spread = math.exp(_Z95 * model_log_sd())
    names = analytes(drug)
    own = kinetics(drug).inactivated_enzyme if drug in drug_names() else None
    changed = activity.keys() | ({own} if own else set())
    figures = []
    for index, name in enumerate(names):
        whole = index + 1 < len(names)
        point = _level(drug, of, {r: a.point for r, a in activity.items()}, activity, whole)
        bounds = [
            _level(
                drug,
                _at(of, side, changed),
                {r: a.low if slow else a.high for r, a in activity.items()},
                activity,
                whole,
            )
            for side, slow in itertools.product(("low", "high"), (True, False))
        ]
        figures.append(Ratio(name, point, min(*bounds, point) / spread, max(*bounds, point) * spread))
    return tuple(figures)


def _at(of: Sequence[Route], side: str, changed: Collection[str]) -> dict[str, float]:
    """Return the shares that matter at one end of their range, scaled back where together they exceed the whole."""
    ends = {r.route: getattr(r, side) for r in of if r.route in changed}
    total = max(sum(ends.values()) / _MOST, 1.0)
    return {route: share / total for route, share in ends.items()}


def _level(
    drug: str,
    of: Sequence[Route] | Mapping[str, float],
    points: Mapping[str, float],
    activity: Mapping[str, Activity],
    whole: bool,
) -> float:
    """Return the level relative to normal, of the parent or of the ``whole`` with its metabolite."""
    fractions = of if isinstance(of, Mapping) else {r.route: r.share for r in of}
    bent = {r.route: r.bent(points[r.route], activity[r.route].genetic) for r in routes(drug) if r.route in points}
    parent = _parent(drug, fractions, bent)
    if not whole:
        return parent
    parameters = kinetics(drug)
    weight = metabolite_share(parameters)
    own = {route: points[route] for route in activity} | bent
    formed = 1.0
    if parameters.metabolite_formed_by != "all":
        formed = bent.get(parameters.metabolite_formed_by, 1.0) / relative_clearance(fractions, bent)
    metabolite = formed * exposure_ratio(parameters.metabolite_fraction_by, own)
    return (parent + weight * metabolite) / (1.0 + weight)


def _parent(drug: str, fractions: Mapping[str, float], activity: Mapping[str, float]) -> float:
    """Return the level of the parent relative to normal, at steady state of the usual dose where that matters.

    A drug that destroys its own enzyme (paroxetine) takes from normal metabolisers what poor ones never had.
    """
    parameters = kinetics(drug) if drug in drug_names() else None
    if parameters is None or parameters.inactivated_enzyme is None:
        return exposure_ratio(fractions, activity)
    enzyme, rate = parameters.inactivated_enzyme, parameters.usual_dose / 24.0 * parameters.per_litre

    def steady(activity: Mapping[str, float]) -> float:
        def level(left: Levels) -> Levels:
            with_loss = {route: np.asarray(value) for route, value in activity.items()}
            with_loss[enzyme] = activity.get(enzyme, 1.0) * left
            return np.atleast_1d(rate / (parameters.clearance * relative_clearance(fractions, with_loss)))

        return float(level(enzyme_left(parameters, level))[0])

    return steady(activity) / steady({})


@cache
def held_out_log_errors() -> tuple[float, ...]:
    """Return the log error of every published ratio that is not a parameter (``facts/exposure_checks.csv``)."""
    errors = []
    for r in rows("exposure_checks"):
        names, value = analytes(r["drug"]), float(r["activity"])
        whole = r["analyte"] == names[0] and len(names) > 1
        activity = {r["gene"]: Activity(value, value, value)}
        predicted = _level(r["drug"], routes(r["drug"]), {r["gene"]: value}, activity, whole)
        errors.append(math.log(predicted / float(r["ratio"])))
    return tuple(errors)


@cache
def model_log_sd() -> float:
    """Return the spread of the held-out ratios around the model: populations, doses and designs differ."""
    errors = held_out_log_errors()
    return math.sqrt(sum(e * e for e in errors) / len(errors))
