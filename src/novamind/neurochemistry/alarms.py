"""Levels against their reference range: when the daily mean is above it, or above the level to act on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from novamind.drugs.exposure import TherapeuticRange, therapeutic_ranges
from novamind.drugs.kinetics import kinetics
from novamind.neurochemistry.domain import Floats

_HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class LevelAlarm:
    """A level that is too high for a while.

    Attributes
    ----------
    bound
        What is exceeded: ``alert level`` where one is tabled and exceeded, else ``reference range``.
    first_day, last_day
        First and last day (from 1) on which the median of the daily mean is above it.
    highest
        Highest daily mean, in ``unit``.
    """

    drug: str
    analyte: str
    bound: str
    limit: float
    highest: float
    unit: str
    first_day: int
    last_day: int
    source: str

    @property
    def sentence(self) -> str:
        """The same in words."""
        days = f"day {self.first_day}" if self.first_day == self.last_day else f"days {self.first_day}-{self.last_day}"
        return (
            f"{self.analyte} reaches {self.highest:.3g} {self.unit}, above the {self.bound} of {self.limit:g}"
            f" {self.unit} ({days})."
        )


def analyte_level(drug: str, levels: Mapping[str, Floats]) -> tuple[TherapeuticRange, Floats] | None:
    """Return the reference range of a drug with the level that it is about; ``None`` where there is none."""
    usual = therapeutic_ranges().get(drug)
    if usual is None or usual.unit != kinetics(drug).concentration_unit:
        return None
    if usual.basis == "parent":
        return (usual, levels[drug]) if usual.analyte == drug else None
    if usual.basis == "sum" and len(levels) > 1:
        return usual, np.sum(list(levels.values()), axis=0)
    return (usual, levels[usual.analyte]) if usual.analyte in levels else None


def level_alarms(drug: str, levels: Mapping[str, Floats]) -> tuple[LevelAlarm, ...]:
    """Return the alarms of one drug's hourly levels, ``(patients, times)``; none where no range is tabled."""
    analyte = analyte_level(drug, levels)
    if analyte is None:
        return ()
    usual, level = analyte
    days = level.shape[1] // _HOURS_PER_DAY
    middle = np.median(level[:, : days * _HOURS_PER_DAY].reshape(level.shape[0], days, -1).mean(axis=2), axis=0)
    for bound, limit in (("alert level", usual.alert), ("reference range", usual.high)):
        above = np.flatnonzero(middle > limit) if limit is not None else np.zeros(0)
        if limit is not None and above.size:
            first, last = int(above[0]) + 1, int(above[-1]) + 1
            highest = float(middle.max())
            return (LevelAlarm(drug, usual.analyte, bound, limit, highest, usual.unit, first, last, str(usual.source)),)
    return ()
