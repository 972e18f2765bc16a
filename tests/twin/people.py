"""Small patients and services that fail on demand."""

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl

from novamind.records import Allergy, Condition, MedicationCourse, PatientRecord, signal_frame, symptom_frame
from novamind.twin.case import Case
from novamind.twin.domain import Options

TODAY = date(2025, 6, 1)


def diary(values: list[float], symptom: str = "PHQ-9", end: date = TODAY) -> pl.DataFrame:
    days = pl.date_range(date.fromordinal(end.toordinal() - len(values) + 1), end, eager=True)
    return pl.DataFrame({"timestamp": days, "value": values, "symptom": symptom, "patient_id": "p"})


def record(
    medications: tuple[str, ...] = (),
    genotype: dict[str, str] | None = None,
    conditions: tuple[str, ...] = (),
    allergies: tuple[str, ...] = (),
    symptoms: pl.DataFrame | None = None,
    signals: pl.DataFrame | None = None,
    dose_mg: float | None = None,
) -> PatientRecord:
    return PatientRecord(
        "p",
        symptoms=None if symptoms is None else symptom_frame(symptoms),
        signals=None if signals is None else signal_frame(signals),
        medications=tuple(MedicationCourse(name, date(2025, 1, 1), dose_mg=dose_mg) for name in medications),
        genotype=genotype or {},
        conditions=tuple(Condition(word, word=word) for word in conditions),
        allergies=tuple(Allergy(name, medication=name) for name in allergies),
    )


def case(**known: Any) -> Case:
    return Case(record(**known), TODAY)


class Scripted:
    """An analysis that does, call by call, what its script says."""

    def __init__(self, name: str, script: Callable[[int], Any], version: str = "1", inputs: Any = None) -> None:
        self.name, self.version, self.script, self.calls = name, version, script, 0
        self._inputs = inputs or (lambda case: (case.record.patient_id,))

    def lacking(self, case: Case, options: Options) -> str | None:
        return None

    def inputs(self, case: Case, options: Options) -> tuple[object, ...]:
        return self._inputs(case)  # type: ignore[no-any-return]

    async def run(self, case: Case, options: Options) -> Any:
        self.calls += 1
        return self.script(self.calls)


def fails(error: Exception) -> Callable[[int], Any]:
    def script(_: int) -> Any:
        raise error

    return script
