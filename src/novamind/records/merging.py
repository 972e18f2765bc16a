"""Two records of one person as one: what a second file says beside the first."""

from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from novamind.errors import ValidationError
from novamind.records.patient import PatientRecord
from novamind.records.tables.frames import Integers, LongFrame, SeriesKey
from novamind.timeline import local_from_utc, parse_timezone, utc_from_local

_T = TypeVar("_T", bound=Hashable)


def merged(record: PatientRecord, other: PatientRecord) -> PatientRecord:
    """Return a record with everything that another one of the same person holds.

    What both hold alike counts once. Without ``timezone`` the record takes the other's; where one is known, times
    without an offset get that of its clock, so that reports and signals can be laid beside each other.

    Raises
    ------
    ValidationError
        They contradict each other (a time zone, a gene's result, a value of one series at one time), or times of one
        name a clock and those of the other none; the message says what to do.
    """
    zone = record.timezone or other.timezone
    if other.timezone not in (None, zone):
        raise ValidationError("the record has another time zone than the file: give the record's (--timezone)")
    differing = [gene for gene, result in other.genotype.items() if record.genotype.get(gene, result) != result]
    if differing:
        raise ValidationError(f"the record has another result of {', '.join(sorted(differing))}: correct one of them")
    return replace(
        record,
        timezone=zone,
        demographics={**other.demographics, **record.demographics},
        symptoms=_joined(record, record.symptoms, other.symptoms, zone),
        signals=_joined(record, record.signals, other.signals, zone),
        genotype={**other.genotype, **record.genotype},
        medications=_distinct((*record.medications, *other.medications)),
        conditions=_distinct((*record.conditions, *other.conditions)),
        allergies=_distinct((*record.allergies, *other.allergies)),
        procedures=_distinct((*record.procedures, *other.procedures)),
        consents=_distinct((*record.consents, *other.consents)),
        symptom_sources=(),
        signal_sources=(),
        genotype_sources={},
        not_understood=(*record.not_understood, *other.not_understood),
    )


def _distinct(items: Iterable[_T]) -> tuple[_T, ...]:
    """Return items without those that differ in where they were read alone."""
    return tuple({replace(item, source=""): item for item in reversed(tuple(items))}.values())[::-1]  # type: ignore[type-var]


def _joined(
    record: PatientRecord, mine: LongFrame | None, other: LongFrame | None, zone: str | None
) -> LongFrame | None:
    """Return the rows of two frames as one frame, sorted."""
    if mine is None or other is None:
        frame = mine if other is None else other
        owned = None if frame is None else _owned(frame, record.patient_id)
        return owned if owned is None or zone is None else _on_clock(owned, zone)
    first, second = (_owned(frame, record.patient_id) for frame in (mine, other))
    if zone is not None or (first.utc_offset is None) != (second.utc_offset is None):
        first, second = _on_clock(first, zone), _on_clock(second, zone)
    units = dict(zip((key.name for key in first.series), first.units, strict=True))
    for key, unit in zip(second.series, second.units, strict=True):
        if units.setdefault(key.name, unit) != unit:
            raise ValidationError(f"{key.name[:40]} has another unit in the record than in the file: convert one")
    names = sorted(units)
    index = np.concatenate([_index(frame, names) for frame in (first, second)])
    local = np.concatenate([first.timestamps, second.timestamps])
    offset = None
    if first.utc_offset is not None and second.utc_offset is not None:
        offset = np.concatenate([first.utc_offset, second.utc_offset])
    values = np.concatenate([first.values, second.values])
    instant = local if offset is None else local - offset
    order = np.lexsort((np.isnan(values), instant, index))
    repeats = np.zeros(len(order), bool)
    repeats[1:] = (np.diff(index[order]) == 0) & (np.diff(instant[order]) == np.timedelta64(0))
    before = np.concatenate([order[:1], order[:-1]])
    differing = repeats & ~np.isnan(values[order]) & (values[order] != values[before])
    if differing.any():
        raise ValidationError(
            f"{int(differing.sum())} value(s) of the file differ from those of the record at the same time: take the "
            "file that is right alone, or write it to another directory"
        )
    kept = order[~repeats]
    return LongFrame(
        series=tuple(SeriesKey(record.patient_id, name) for name in names),
        series_index=index[kept],
        timestamps=local[kept],
        utc_offset=None if offset is None else offset[kept],
        values=values[kept],
        units=tuple(units[name] for name in names),
        backend=first.backend,
    )


def _owned(frame: LongFrame, patient_id: str) -> LongFrame:
    return replace(frame, series=tuple(SeriesKey(patient_id, key.name) for key in frame.series))


def _index(frame: LongFrame, names: list[str]) -> Integers:
    places = np.array([names.index(key.name) for key in frame.series], np.int64)
    return places[frame.series_index]


def _on_clock(frame: LongFrame, zone: str | None) -> LongFrame:
    """Return a frame whose times have offsets, by the clock that the person lives by."""
    if frame.utc_offset is not None:
        return frame
    if zone is None:
        raise ValidationError(
            "some times of record and file name their offset to UTC and some do not: give the timezone that the person "
            "lives by (--timezone Europe/Berlin)"
        )
    clock = parse_timezone(zone)
    local, offset = local_from_utc(utc_from_local(frame.timestamps, clock), clock)
    return replace(frame, timestamps=local, utc_offset=offset)
