"""Expected exposure of a drug for one genotype and co-medication, in words and figures.

The figures come from :mod:`novamind.drugs.exposure`, which the simulation shares; here gene results become activities,
and what the figure counts with is said.
"""

from collections.abc import Iterable, Mapping, Sequence

from novamind.drugs.clearance import Effect, Route, comedicated, phenotype_activities, routes
from novamind.drugs.exposure import Activity, Ratio, ratios, routes_counted
from novamind.drugs.organs import OrganEffect, organ_effect
from novamind.pharmacogenomics.domain import Exposure, GeneResult

# An untested gene below this share of clearance is not worth a word.
_NOTABLE_SHARE = 0.1


def genes_of(drug: str) -> tuple[str, ...]:
    """Return the genes whose result changes the drug's expected exposure, the largest share first."""
    return tuple(route for route in routes_counted(drug) if phenotype_activities(route))


def expected(
    drug: str,
    readings: Mapping[str, GeneResult],
    comedications: Sequence[str] = (),
    organs: OrganEffect | None = None,
) -> tuple[Exposure, ...]:
    """Return the expected exposure of each analyte of a drug.

    Parameters
    ----------
    drug
        Generic name.
    readings
        Gene results after co-medication.
    comedications
        Generic names of the other drugs; they act on the routes that no gene result speaks for.
    organs
        What this person's age, kidney and liver do to the drug.

    Returns
    -------
    tuple of Exposure
        One per analyte; a single one without a figure where there is none, saying why.
    """
    genes = genes_of(drug)
    typed = {gene: readings[gene] for gene in genes if gene in readings}
    effects = {
        route: of for route, of in comedicated(routes_counted(drug), comedications, drug).items() if route not in typed
    }
    organs = organs or organ_effect(drug)
    source = next((r.source for r in routes(drug)), next(iter(organs.sources), None))
    if not typed and not effects and not organs.parts:
        missing = f"{genes[0]} was not tested." if genes else "No published exposure ratio by genotype in our tables."
        return (Exposure(drug, None, None, None, missing, source if genes else None),)
    if unknown := [gene for gene, reading in typed.items() if reading.activity is None]:
        return (Exposure(drug, None, None, None, f"The activity of this {unknown[0]} result is not known.", source),)
    activity = {gene: _activity(reading) for gene, reading in typed.items()}
    activity |= {route: Activity(of.share, of.low, of.high, 1.0) for route, of in effects.items()}
    if organs.renal_activity != 1.0:
        activity["renal"] = Activity(organs.renal_activity, organs.renal_activity, organs.renal_activity)
    basis = "; ".join(part for part in (_basis(drug, typed, effects), *organs.parts) if part)
    if organs.missing:
        basis += f"; no figure of this drug for {' and '.join(organs.missing)}"
    figures = ratios(drug, activity) or (Ratio(drug, 1.0, 1.0, 1.0),)
    return tuple(
        Exposure(r.analyte, r.ratio * organs.ratio, r.low * organs.low, r.high * organs.high, basis, source)
        for r in figures
    )


def _activity(reading: GeneResult) -> Activity:
    point = reading.activity or 0.0
    low, high = (point if of is None else of for of in (reading.activity_low, reading.activity_high))
    return Activity(point, low, high, reading.genetic_activity)


def _basis(drug: str, typed: Mapping[str, GeneResult], effects: Mapping[str, Effect]) -> str:
    """Return what the figure counts with, and which genes it counts as normal."""
    parts = [_part(r, typed.get(r.route), effects.get(r.route)) for r in routes(drug)]
    counted = "; ".join(part for part in parts if part)
    if any(reading.provisional for reading in typed.values()):
        counted += "; provisional genotype"
    share_of = {r.route: r.share for r in routes(drug)}
    untested = [g for g in genes_of(drug) if g not in typed and share_of.get(g, 0.0) >= _NOTABLE_SHARE]
    normal = f"not tested and counted as normal: {', '.join(untested)}" if untested else ""
    return "; ".join(part for part in (counted, normal) if part)


def _part(route: Route, reading: GeneResult | None, effect: Effect | None) -> str:
    about = "" if route.solved else "about "
    if reading is not None:
        return (
            f"{about}{route.share:.0%} of clearance through {route.route},"
            f" activity {reading.activity or 0.0:.0%} of two normal alleles"
        )
    if effect is not None:
        who = " and ".join(dict.fromkeys(m.drug for m in effect.modulators))
        doubt = "" if all(m.checked for m in effect.modulators) else " (class not confirmed)"
        return f"{about}{route.share:.0%} through {route.route}, activity {effect.share:.0%} beside {who}{doubt}"
    return ""


def span(exposures: Iterable[Exposure]) -> Exposure:
    """Return the joint exposure of an ambiguous genotype: the range of all, a ratio only if they agree."""
    readings = tuple(exposures)
    figures = [e for e in readings if e.ratio is not None and e.low is not None and e.high is not None]
    if len(figures) < len(readings) or len({e.ratio for e in figures}) == 1:
        return next((e for e in readings if e.ratio is None), readings[0])
    low, high = (
        min(e.low for e in figures if e.low is not None),
        max(e.high for e in figures if e.high is not None),
    )
    ratios_of = sorted(e.ratio for e in figures if e.ratio is not None)
    basis = f"Ambiguous genotype: {ratios_of[0]:.2f} to {ratios_of[-1]:.2f} over its readings."
    return Exposure(readings[0].analyte, None, low, high, basis, readings[0].source)
