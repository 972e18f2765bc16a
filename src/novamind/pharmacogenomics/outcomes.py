"""Published efficacy and side effects, and how exposure shifts a side effect where a basis exists."""

from collections.abc import Iterable
from functools import cache

from novamind.drugs.tables import source
from novamind.pharmacogenomics.domain import Efficacy, Exposure, GeneResult, Phenotype, SideEffect
from novamind.pharmacogenomics.knowledge import rows

_SHORT = {Phenotype.POOR: "PM", Phenotype.ULTRARAPID: "UM"}


@cache
def efficacy() -> dict[str, tuple[Efficacy, ...]]:
    """Return odds ratios against placebo by drug: response, and dropout where the abstract gives it."""
    by_drug: dict[str, list[Efficacy]] = {}
    for r in rows("efficacy"):
        by_drug.setdefault(r["drug"], []).append(
            Efficacy(float(r["odds_ratio"]), float(r["low"]), float(r["high"]), r["outcome"], source(r))
        )
    return {drug: tuple(of) for drug, of in by_drug.items()}


@cache
def _side_effects() -> dict[str, tuple[dict[str, str], ...]]:
    by_drug: dict[str, list[dict[str, str]]] = {}
    for r in rows("side_effects"):
        by_drug.setdefault(r["drug"], []).append(r)
    return {drug: tuple(of) for drug, of in by_drug.items()}


def side_effects(drug: str, readings: Iterable[GeneResult], exposure: Exposure) -> tuple[SideEffect, ...]:
    """Return the published side-effect risks that apply to this patient.

    Parameters
    ----------
    drug
        Generic name.
    readings
        Gene results; risks of carriers are listed only for carriers.
    exposure
        Expected exposure; an effect measured at two doses is scaled along the line through them. All others are
        left as published: a rate seen in trials does not scale with the level in a known way.
    """
    carried = set()
    for reading in readings:
        carried |= {f"{reading.gene}{allele}" for allele, on in reading.markers if on}
        if reading.phenotype in _SHORT:
            carried.add(f"{reading.gene} {_SHORT[reading.phenotype]}")
    return tuple(
        SideEffect(r["effect"], r["risk"], r["comparison"] or None, _scaled(r, exposure), r["note"], source(r))
        for r in _side_effects().get(drug, ())
        if not r["carrier"] or r["carrier"] in carried
    )


def _scaled(row: dict[str, str], exposure: Exposure) -> str | None:
    if not row["slope_ms"] or exposure.low is None or exposure.high is None:
        return None
    at_one, slope = float(row["risk"].removesuffix(" ms")), float(row["slope_ms"])
    low, high = (at_one + slope * (ratio - 1) for ratio in (exposure.low, exposure.high))
    centre = f"{at_one + slope * (exposure.ratio - 1):.0f} ms, " if exposure.ratio is not None else ""
    return f"{centre}{low:.0f} to {high:.0f} ms at the same dose"
