"""The room's tables: every figure with unit, source, licence and whether its source was re-read.

``status`` is ``read`` (checked at the source), ``derived`` (computed from read figures as the row says),
``recalled`` (carried from memory of the source, not re-read), ``secondary`` (seen only in a work that cites it)
or ``assumed``.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np

from novamind.errors import NotFoundError, ValidationError
from novamind.neurochemistry.domain import (
    BrainRegion,
    Floats,
    Neurotransmitter,
    ReceptorProfile,
    ReceptorSubtype,
    ReceptorType,
)

Row = Mapping[str, str]


@cache
def table(name: str) -> tuple[Row, ...]:
    """Return the rows of ``reference/<name>.csv`` as read, every value a string."""
    text = resources.files(__package__).joinpath("reference", f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


#: Simulated regions, in the order of every region axis. Three of them (caudate, putamen, pallidum) have no
#: ``BrainRegion`` of their own and are seen through composites.
LEAVES: tuple[str, ...] = tuple(row["region"] for row in table("regions") if row["kind"] == "leaf")


@cache
def region_weights(region: BrainRegion) -> Floats:
    """Return weights over ``LEAVES`` that sum to 1; times the leaves' values they give the region's value.

    Raises
    ------
    NotFoundError
        The region has no map.
    """
    rows = {row["region"]: row for row in table("regions")}
    row = rows[region.value]
    if row["kind"] == "unmapped":
        raise NotFoundError(f"{region.value} has no map here ({row['note']}); choose another region")
    parts = row["parts"].split() or [region.value]
    weights = np.zeros(len(LEAVES))
    for part in parts:
        weights[LEAVES.index(part)] = float(rows[part]["volume"]) if len(parts) > 1 else 1.0
    return np.asarray(weights / weights.sum())


#: Regions with a value: leaves that can be named, and composites.
MAPPED_REGIONS: tuple[BrainRegion, ...] = tuple(
    region
    for region in BrainRegion
    if {row["region"]: row["kind"] for row in table("regions")}[region.value] != "unmapped"
)


def as_region(region: BrainRegion | str) -> BrainRegion:
    """Return the region of that name, or raise a ``ValidationError`` that lists the names."""
    try:
        return BrainRegion(region)
    except ValueError:
        raise ValidationError(f"unknown brain region; choose one of {', '.join(BrainRegion)}") from None


def as_transmitter(neurotransmitter: Neurotransmitter | str) -> Neurotransmitter:
    """Return the transmitter of that name, or raise a ``ValidationError`` that lists the names."""
    try:
        return Neurotransmitter(neurotransmitter)
    except ValueError:
        raise ValidationError(f"unknown neurotransmitter; choose one of {', '.join(Neurotransmitter)}") from None


@cache
def transporter_density(transporter: str) -> Floats:
    """Return relative density over ``LEAVES``: 0 where absent, else doubling per published grade (1, 2, 4, 8)."""
    grades = {row["region"]: int(row["grade"]) for row in table("transporters") if row["transporter"] == transporter}
    return np.array([2.0 ** (grades[leaf] - 1) if grades[leaf] else 0.0 for leaf in LEAVES])


@cache
def innervation(transmitter: Neurotransmitter) -> Mapping[str, tuple[str, float]]:
    """Return by leaf, the nucleus included, the nucleus that supplies it and the density of its terminals.

    Empty for transmitters other than the monoamines; leaves without a clearing transporter are left out.
    """
    supplied: dict[str, tuple[str, float]] = {}
    for row in table("nuclei"):
        if row["transmitter"] != transmitter:
            continue
        density = np.sum([transporter_density(name) for name in row["weighted_by"].split()], axis=0)
        named = {*row["targets"].split(), row["nucleus"]}
        for leaf, value in zip(LEAVES, density, strict=True):
            if value > 0 and (leaf in named or "*" in named):
                supplied.setdefault(leaf, (row["nucleus"], float(value)))
    return supplied


@cache
def receptor_profiles() -> tuple[ReceptorProfile, ...]:
    """Return every published receptor density that may be shipped; regions not listed have none."""
    return tuple(
        ReceptorProfile(
            BrainRegion(row["region"]),
            Neurotransmitter(row["transmitter"]),
            ReceptorType(row["receptor_type"]),
            ReceptorSubtype(row["receptor"]),
            float(row["density"]),
            row["unit"],
            row["source"],
            row["licence"],
        )
        for row in table("densities")
    )
