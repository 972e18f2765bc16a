"""What a file was understood to hold, before anything of it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from novamind.errors import NotFoundError, ValidationError
from novamind.records.fhir.patients import Claims
from novamind.records.patient import PatientRecord
from novamind.records.tables.frames import LongFrame
from novamind.records.tables.observations import LeftOut
from novamind.records.tables.profile import TableProfile
from novamind.summary import Summarised, Summary, counted

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """One series of a file, over all persons; ``kind`` is ``symptom`` or ``signal``."""

    name: str
    kind: str
    unit: str | None
    persons: int
    rows: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FileImport(Summarised):
    """What a file was understood to hold. Nothing is stored yet.

    Attributes
    ----------
    kind
        In words: a long table, a REDCap export, FHIR R4 ...
    rows
        Rows, samples or resources that were looked at.
    records
        Person to record.
    zone
        The clock that days are counted by: an IANA name, or a sentence where none is named.
    guesses
        What was not declared and how it was understood, in sentences.
    left_out
        What was not taken, with reasons and counts.
    profile
        What was declared; it can be saved and used for the next file of this kind.
    claims
        Person to what the file says of who they are, where it says anything.
    export
        The kind of wearable export, where it holds everything since its beginning: a later one replaces an earlier.
    """

    kind: str
    rows: int
    records: Mapping[str, PatientRecord]
    zone: str
    guesses: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    profile: TableProfile = field(default_factory=TableProfile)
    claims: Mapping[str, Claims] = field(default_factory=dict)
    export: str = ""

    @property
    def persons(self) -> tuple[str, ...]:
        """Return the ids of the persons."""
        return tuple(self.records)

    @property
    def record(self) -> PatientRecord:
        """Return the record of the one person.

        Raises
        ------
        ValidationError
            There are several.
        """
        if len(self.records) != 1:
            raise ValidationError(
                f"the file holds {len(self.records)} persons: choose one of .records, or .of(patient_id)"
            )
        return next(iter(self.records.values()))

    def of(self, patient_id: str) -> PatientRecord:
        """Return the record of one person."""
        if patient_id not in self.records:
            raise NotFoundError(f"no such person in the file, which holds {len(self.records)}")
        return self.records[patient_id]

    @property
    def series(self) -> tuple[SeriesSummary, ...]:
        """Return the series of all persons."""
        rows: dict[tuple[str, str, str | None], list[tuple[int, date, date]]] = {}
        for record in self.records.values():
            for kind, frame in (("symptom", record.symptoms), ("signal", record.signals)):
                for name, unit, span in _spans(frame) if frame is not None else ():
                    rows.setdefault((kind, name, unit), []).append(span)
        return tuple(
            SeriesSummary(
                name, kind, unit, len(spans), sum(n for n, _, _ in spans), min(f for _, f, _ in spans),
                max(last for _, _, last in spans),
            )
            for (kind, name, unit), spans in sorted(rows.items(), key=lambda item: (item[0][0] == "signal", item[0][1]))
        )  # fmt: skip

    @property
    def frame(self) -> pl.DataFrame:
        """Return all values in one long frame: patient_id, timestamp (local), series, value, unit, kind."""
        parts = [
            _long(record.patient_id, kind, frame)
            for record in self.records.values()
            for kind, frame in (("symptom", record.symptoms), ("signal", record.signals))
            if frame is not None
        ]
        return pl.concat(parts) if parts else _long("", "", None)

    def plot(self) -> "alt.VConcatChart":
        """Draw each series over its days, without the ids of persons."""
        from novamind.records.plots import plot_series

        return plot_series(self.frame)

    def to_dict(self) -> dict[str, Any]:
        """Return what was understood as JSON can hold it; ids of persons are in it, their values are not."""
        from novamind.records.codec import FileImportBody

        return FileImportBody.of(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        series = self.series
        genes = sum(len(record.genotype) for record in self.records.values())
        others = sum(
            len(part)
            for record in self.records.values()
            for part in (record.medications, record.conditions, record.allergies, record.procedures, record.consents)
        )
        texts = [f"{self.kind}, {counted(self.rows, 'row')}", counted(len(self.records), "person")]
        texts += [counted(len(series), "series", "series")]
        texts += [counted(genes, "gene result")] if genes else []
        texts += [counted(others, "other entry", "other entries")] if others else []
        texts += [f"{sum(entry.count for entry in self.left_out):,} left out"]
        rows = [(s.name, s.unit, s.rows, s.first_day, s.last_day) for s in series]
        return Summary("; ".join(texts), ("series", "unit", "rows", "first day", "last day"), rows)


def _spans(frame: LongFrame) -> list[tuple[str, str | None, tuple[int, date, date]]]:
    """Return name, unit, and number of values with their first and last day."""
    spans = []
    for i, key in enumerate(frame.series):
        days = frame.timestamps[frame.part(i)].astype("datetime64[D]")
        spans.append((key.name, frame.units[i], (len(days), days[0].item(), days[-1].item())))
    return spans


def _long(patient_id: str, kind: str, frame: LongFrame | None) -> pl.DataFrame:
    index = np.zeros(0, np.int64) if frame is None else frame.series_index
    names = [] if frame is None else [frame.series[i].name for i in index]
    units = [] if frame is None else [frame.units[i] for i in index]
    return pl.DataFrame(
        {
            "patient_id": pl.Series([patient_id] * len(index), dtype=pl.String),
            "timestamp": pl.Series([] if frame is None else frame.timestamps, dtype=pl.Datetime("us")),
            "series": pl.Series(names, dtype=pl.String),
            "value": pl.Series([] if frame is None else frame.values, dtype=pl.Float64),
            "unit": pl.Series(units, dtype=pl.String),
            "kind": pl.Series([kind] * len(index), dtype=pl.String),
        }
    )
