"""Expected concentration at the same dose, from the share of clearance that an enzyme carries.

With f the fraction of clearance through the enzyme and a its activity relative to two normal alleles,
clearance is ``1 - f + f a`` of normal and exposure its reciprocal (Rowland and Matin 1973,
doi:10.1007/BF01059791).
f is solved from one published exposure ratio per drug and gene (``knowledge/exposure.csv``); every other
published ratio is left for checking. What has no published ratio has no figure.

One functional allele out of two leaves half the activity, unless the drug's own ratio at that genotype is tabled
(``one_functional``): then activity is raised to the power that reproduces it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from novamind.drugs.domain import Source
from novamind.drugs.facts import source
from novamind.pharmacogenomics.domain import Exposure, GeneResult
from novamind.pharmacogenomics.knowledge import rows

_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Pathway:
    """Fraction of a drug's clearance through one enzyme, with the bounds of its ratio's interval.

    ``power`` bends the scale of genetic activity for this drug; 1 leaves it as it is.
    """

    drug: str
    analyte: str
    gene: str
    fraction: float
    fraction_low: float
    fraction_high: float
    source: Source
    power: float = 1.0

    def ratio(self, activity: float, genetic: float | None = None) -> float:
        """Return exposure relative to normal activity; infinite when nothing else clears the drug.

        ``genetic`` is the activity before co-medication, where that differs: only this part is bent.
        """
        own = activity if genetic is None else genetic
        bent = own ** (self.power - 1) if own > 0 else 0.0
        clearance = 1 - self.fraction + self.fraction * activity * bent
        return math.inf if clearance <= 0 else 1 / clearance

    def activity_at(self, ratio: float) -> float:
        """Return the share of the enzyme that is left when exposure is ``ratio`` times normal, from 0 to 1."""
        return min(max((1 / ratio - 1 + self.fraction) / self.fraction, 0.0), 1.0)


def fraction_metabolised(ratio: float, activity: float) -> float:
    """Return the fraction of clearance through an enzyme, from the exposure ratio at a known activity (not 1)."""
    return min(max((1 - 1 / ratio) / (1 - activity), 0.0), 1.0)


@cache
def pathways() -> dict[str, tuple[Pathway, ...]]:
    """Return the pathways by drug; for risperidone the active moiety comes first."""
    by_drug: dict[str, list[Pathway]] = {}
    for r in rows("exposure"):
        activity = float(r["activity"])
        point, low, high = (fraction_metabolised(float(r[k] or r["ratio"]), activity) for k in ("ratio", "low", "high"))
        power = 1.0
        if r["one_functional"]:
            half = (1 / float(r["one_functional"]) - (1 - point)) / point
            power = math.log(half) / math.log(0.5)
        pathway = Pathway(r["drug"], r["analyte"], r["gene"], point, low, high, source(r), power)
        by_drug.setdefault(r["drug"], []).append(pathway)
    return {drug: tuple(of) for drug, of in by_drug.items()}


@cache
def held_out_log_errors() -> tuple[float, ...]:
    """Return the log error of every published ratio that is not a parameter (``knowledge/exposure_checks.csv``)."""
    errors = []
    for r in rows("exposure_checks"):
        paths = [p for p in pathways()[r["drug"]] if p.gene == r["gene"]]
        path = next((p for p in paths if p.analyte == r["analyte"]), paths[0])
        errors.append(math.log(path.ratio(float(r["activity"])) / float(r["ratio"])))
    return tuple(errors)


@cache
def model_log_sd() -> float:
    """Return the spread of the held-out ratios around the model: populations, doses and designs differ."""
    errors = held_out_log_errors()
    return math.sqrt(sum(e * e for e in errors) / len(errors))


def expected(drug: str, readings: Mapping[str, GeneResult]) -> tuple[Exposure, ...]:
    """Return the expected exposure of each analyte of a drug.

    Parameters
    ----------
    drug
        Generic name.
    readings
        Gene results after co-medication.

    Returns
    -------
    tuple of Exposure
        One per analyte with a published ratio; a single one without a figure when there is none, saying why.
    """
    drug_pathways = pathways().get(drug, ())
    if not drug_pathways:
        return (Exposure(drug, None, None, None, "No published exposure ratio by genotype in our tables."),)
    return tuple(_exposure(pathway, readings.get(pathway.gene)) for pathway in drug_pathways)


def _exposure(pathway: Pathway, reading: GeneResult | None) -> Exposure:
    if reading is None:
        return Exposure(pathway.analyte, None, None, None, f"{pathway.gene} was not tested.", pathway.source)
    if reading.activity is None:
        return Exposure(
            pathway.analyte,
            None,
            None,
            None,
            f"The activity of this {pathway.gene} result is not known.",
            pathway.source,
        )
    ratio = pathway.ratio(reading.activity, reading.genetic_activity)
    spread = math.exp(_Z95 * model_log_sd()) if reading.activity != 1 else 1.0
    bounds = [
        replace(pathway, fraction=f).ratio(a, reading.genetic_activity)
        for f in (pathway.fraction_low, pathway.fraction_high)
        for a in (_or(reading.activity_low, reading.activity), _or(reading.activity_high, reading.activity))
    ]
    basis = (
        f"{pathway.fraction:.0%} of clearance through {pathway.gene},"
        f" activity {reading.activity:.0%} of two normal alleles"
        + ("; provisional genotype" if reading.provisional else "")
    )
    return Exposure(
        pathway.analyte,
        ratio,
        min(*bounds, ratio) / spread,
        max(*bounds, ratio) * spread,
        basis,
        pathway.source,
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


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
    ratios = sorted(e.ratio for e in figures if e.ratio is not None)
    basis = f"Ambiguous genotype: {ratios[0]:.2f} to {ratios[-1]:.2f} over its readings."
    return Exposure(readings[0].analyte, None, low, high, basis, readings[0].source)


@dataclass(frozen=True, slots=True)
class TherapeuticRange:
    """Reference range of a plasma level; ``alert`` is the level to act on."""

    analyte: str
    low: float
    high: float
    unit: str
    alert: float | None
    source: Source


@cache
def therapeutic_ranges() -> dict[str, TherapeuticRange]:
    """Return the reference ranges by drug."""
    return {
        r["drug"]: TherapeuticRange(
            r["analyte"],
            float(r["low"]),
            float(r["high"]),
            r["unit"],
            float(r["alert"]) if r["alert"] else None,
            source(r),
        )
        for r in rows("therapeutic_ranges")
    }
