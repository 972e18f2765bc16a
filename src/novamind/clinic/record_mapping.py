"""Mapping between stored records and the record that the services take, once in each direction.

A stored piece that cannot be read any more (a rule has changed since, a clock was wrong) is left out and named in the
record's ``not_understood``; it never takes the rest of the record with it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from novamind.clinic.domain import PatientSummary, Piece, SignalSamples, SymptomReport
from novamind.errors import NovamindError, ValidationError
from novamind.infrastructure.patient_store import Kind, Samples, StoredRecord
from novamind.records import (
    Allergy,
    Coding,
    Condition,
    Consent,
    LongFrame,
    MedicationCourse,
    NotUnderstood,
    PatientRecord,
    Procedure,
    signal_frame,
    symptom_frame,
)
from novamind.records.signals import EARLIER_NAMES, SIGNALS
from novamind.symptoms.domain import Scale
from novamind.symptoms.instruments import recognise, series_name
from novamind.timeline import parse_timezone
from novamind.twin.domain import ForecastMade, Options, Priority, RecommendationMade, Snapshot

#: Lists of a record that are stored piece by piece under one kind, and what each holds.
LISTS: Final = {"conditions": Condition, "allergies": Allergy, "procedures": Procedure, "consents": Consent}
#: What a correction does not say: the code, where it was read, the word that rules know, the drug of an allergy.
_ORIGIN: Final = ("code", "source", "word", "medication")
_GENOMICS_WITHDRAWN: Final = NotUnderstood("genotype", "not used: the patient withdrew consent to genomics")
_ONE_CLOCK: Final = NotUnderstood("timezone", "the patient has none; signals and reports are taken to be by one clock")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The first moment that is read: frames begin with 1900, and clocks may differ by a day.
FIRST: Final = datetime(1901, 1, 1, tzinfo=UTC)
_DAY: Final = 86_400_000  # of milliseconds: as far as clocks may differ
_T = TypeVar("_T")


def contents_of(record: PatientRecord, export: str = "", since: int | None = None) -> dict[Kind, list[Any]]:
    """Return everything that a record holds, as the store takes it; ``export`` and ``since`` as in :class:`Samples`."""
    genes = [{"genes": dict(record.genotype), "sources": dict(record.genotype_sources)}] if record.genotype else []
    return {
        Kind.SYMPTOM_REPORT: _reports_of(record),
        Kind.BIOMETRIC_SAMPLES: _samples_of(record, export, since),
        Kind.MEDICATION: [json_fields(course) for course in record.medications],
        Kind.GENOTYPE: genes,
        Kind.CONDITION: [{"list": name, **json_fields(item)} for name in LISTS for item in getattr(record, name)],
    }


def snapshot_content(snapshot: Snapshot) -> dict[str, Any]:
    """Return insights as the store takes them."""
    forecasts = [
        json_fields(forecast) | {"days": [day.isoformat() for day in forecast.days]} for forecast in snapshot.forecasts
    ]
    return {
        "made_on": snapshot.made_on.isoformat(),
        "forecasts": forecasts,
        "recommendations": [json_fields(recommendation) for recommendation in snapshot.recommendations],
        "options": None if snapshot.options is None else asdict(snapshot.options),
        "model_version": dict(snapshot.model_versions),
    }


def snapshot_of(patient_id: str, stored: StoredRecord) -> Snapshot:
    """Return stored insights."""
    content = mapping_of(stored)
    return Snapshot(
        patient_id,
        date.fromisoformat(content["made_on"]),
        tuple(map(_forecast_made, content["forecasts"])),
        tuple(RecommendationMade(Priority(o["priority"]), o["topic"], o["text"]) for o in content["recommendations"]),
        None if content["options"] is None else Options(**content["options"]),
        content["model_version"],
    )


def _forecast_made(content: Mapping[str, Any]) -> ForecastMade:
    return ForecastMade(
        content["symptom"],
        Scale(**content["scale"]),
        tuple(map(date.fromisoformat, content["days"])),
        tuple(map(tuple, content["quantiles"])),
        content.get("threshold"),
        content.get("warned"),
        content["model_version"],
        date.fromisoformat(content["history_until"]),
    )


def report_content(report: SymptomReport) -> dict[str, Any]:
    """Return a report as the store takes it, under the one name of its series."""
    content: dict[str, Any] = {
        "symptom": report.series,
        "timestamp": report.timestamp.isoformat(),
        "value": report.value,
    }
    return content


def readable(stored: Iterable[StoredRecord], read: Callable[[StoredRecord], _T]) -> tuple[list[_T], list[StoredRecord]]:
    """Return what can be read, and the records that cannot because a rule has changed since they were stored."""
    values, unread = [], []
    for record in stored:
        try:
            values.append(read(record))
        except (NovamindError, ArithmeticError, AttributeError, KeyError, OSError, TypeError, ValueError):
            unread.append(record)
    return values, unread


def piece_content(piece: Piece) -> tuple[Kind, Any]:
    """Return the kind under which a piece is stored, and its content."""
    match piece:
        case SymptomReport():
            return Kind.SYMPTOM_REPORT, report_content(piece)
        case SignalSamples():
            return Kind.BIOMETRIC_SAMPLES, in_series_unit(samples_of(piece))[0]
        case MedicationCourse():
            return Kind.MEDICATION, json_fields(piece)
        case Condition():
            return Kind.CONDITION, {"list": "conditions", **json_fields(piece)}
        case Allergy():
            return Kind.CONDITION, {"list": "allergies", **json_fields(piece)}
        case _:
            return Kind.GENOTYPE, {"genes": dict(piece)}


def with_origin(content: Any, stored: Any) -> Any:
    """Return a corrected piece with what its stored version says of its origin, where both name the same thing.

    A correction does not say where a piece came from or how a file coded it. Without its code or word a condition, or
    without its drug an allergy, would warn of nothing.
    """
    if not isinstance(content, dict) or not isinstance(stored, dict):
        return content
    name = "name" if "list" in content else "medication"
    if name not in content or content[name] != stored.get(name):
        return content
    return {key: stored[key] for key in _ORIGIN if key in stored} | content


def record_of(
    summary: PatientSummary,
    reports: Sequence[StoredRecord],
    samples: Sequence[StoredRecord],
    medications: Sequence[StoredRecord],
    listed: Sequence[StoredRecord],
    genotype: tuple[Sequence[StoredRecord], bool],
) -> PatientRecord:
    """Return the patient's record from what is stored. It names the pieces that cannot be read.

    Parameters
    ----------
    genotype
        Stored results of genes, and whether the patient's decision closes them.
    """
    results, withdrawn = genotype
    details = dict(summary.details)
    unread: list[NotUnderstood] = [_GENOMICS_WITHDRAWN] if withdrawn else []
    zone = _zone(details.pop("timezone", None), unread)
    if born := details.pop("birth_date", None):
        details["birth_year"] = int(born[:4])
    details.pop("name", None)
    patient_id = str(summary.patient_id)
    pieces = _each(listed, piece_of, unread)
    lists: dict[str, Any] = {name: tuple(item for kind, item in pieces if kind == name) for name in LISTS}
    symptoms = _symptoms(patient_id, reports, zone, unread)
    return PatientRecord(
        patient_id,
        timezone=zone,
        demographics=details,
        symptoms=symptoms,
        signals=_signals(patient_id, samples, zone, symptoms, unread),
        medications=tuple(_each(medications, course_of, unread)),
        genotype=genes_of(results, unread),
        not_understood=tuple(unread),
        **lists,
    )


def genes_of(stored: Sequence[StoredRecord], unread: list[NotUnderstood]) -> dict[str, str]:
    """Return gene to result; of several results of a gene the last stored one counts."""
    return {gene: result for genes in _each(stored, results_of, unread) for gene, result in genes.items()}


def results_of(stored: StoredRecord) -> dict[str, str]:
    """Return the results of genes that were stored together."""
    genes = mapping_of(stored)["genes"]
    if not all(isinstance(text, str) and text.strip() for pair in genes.items() for text in pair):
        raise ValidationError("a stored result of a gene is no text")
    return dict(genes)


def scales_of(stored_scales: Sequence[StoredRecord], reports: Sequence[StoredRecord]) -> dict[str, Scale]:
    """Return series to scale, for series that are no known instrument; see :func:`stored_scales_of`."""
    return {name: scale for name, (_, scale) in stored_scales_of(stored_scales, reports).items()}


def stored_scales_of(
    stored_scales: Sequence[StoredRecord], reports: Sequence[StoredRecord]
) -> dict[str, tuple[StoredRecord, Scale]]:
    """Return series to scale and the record that holds it, for series that are no known instrument.

    A scale counts for as long as its series has a report: once all are withdrawn, the next one begins the series anew.
    Where a series has no scale of its own stored, the one that came with its first report counts: so did databases
    that are older than stored scales.
    """
    own, _ = readable(stored_scales, lambda record: (record, _scale(record)))
    borne, _ = readable(reports, lambda record: (record, _scale(record)))
    places = {name: (record, scale) for record, (name, scale) in (*reversed(borne), *own)}
    names = set(readable(reports, _series_of)[0])
    return {name: place for name, place in places.items() if name in names and recognise(name) is None}


def _series_of(stored: StoredRecord) -> str:
    return series_name(mapping_of(stored)["symptom"])


def _scale(stored: StoredRecord) -> tuple[str, Scale]:
    return _series_of(stored), Scale(**mapping_of(stored)["scale"])


def units_of(stored: Sequence[StoredRecord]) -> dict[str, str]:
    """Return the unit of each stored signal, that of its first stretch."""
    units: dict[str, str] = {}
    for record in stored:
        if isinstance(record.content, Samples):
            units.setdefault(record.content.signal, record.content.unit)
    return units


def _each(stored: Iterable[StoredRecord], read: Callable[[StoredRecord], _T], unread: list[NotUnderstood]) -> list[_T]:
    """Return what can be read; add the rest to ``unread``."""
    values, strange = readable(stored, read)
    unread += [
        NotUnderstood(f"{record.kind} {record.record_id}", "stored, but it cannot be read; correct it")
        for record in strange
    ]
    return values


def _zone(name: str | None, unread: list[NotUnderstood]) -> str | None:
    """Return the patient's time zone; ``None`` where the name is missing or not known (any more), and UTC counts."""
    try:
        return None if name is None else parse_timezone(name).key
    except ValidationError:
        unread.append(NotUnderstood("timezone", "its name is not known; days are those of UTC"))
        return None


def piece_of(stored: StoredRecord) -> tuple[str, Any]:
    """Return a stored condition, allergy or their kin, with the list of the record to which it belongs."""
    content = dict(mapping_of(stored))
    name = content.pop("list")
    return name, LISTS[name](**_coded(content))


def mapping_of(stored: StoredRecord) -> Mapping[str, Any]:
    """Return the content of a stored record that holds a mapping."""
    if isinstance(stored.content, Samples):
        raise ValidationError("a record that should be a mapping holds samples")
    return stored.content


def samples_of(stretch: SignalSamples) -> Samples:
    """Return a stretch of a signal as the store takes it."""
    if len(stretch.timestamps) != len(stretch.values):
        raise ValidationError("a stretch of a signal needs as many timestamps as values")
    milliseconds = [(when - _EPOCH) // timedelta(milliseconds=1) for when in stretch.timestamps]
    return Samples(stretch.signal, stretch.unit, np.array(milliseconds, np.int64), np.array(stretch.values, np.float64))


def json_fields(value: Any) -> dict[str, Any]:
    """Return the fields of a record's dataclass as JSON can hold them, without empty ones."""
    return {
        name: part.isoformat() if isinstance(part, date) else part
        for name, part in asdict(value).items()
        if part not in (None, "")
    }


def course_of(stored: StoredRecord) -> MedicationCourse:
    """Return a stored course of a medication."""
    read: dict[str, Any] = dict(mapping_of(stored))
    for name in ("start", "end"):
        read[name] = date.fromisoformat(read[name]) if read.get(name) else None
    return MedicationCourse(**_coded(read))


def _coded(content: Mapping[str, Any]) -> dict[str, Any]:
    read = dict(content)
    if read.get("code"):
        read["code"] = Coding(**read["code"])
    return read


def report_of(stored: StoredRecord) -> tuple[str, datetime, float]:
    """Return series, moment and value of a stored report; raise for one off its scale or out of time."""
    content = mapping_of(stored)
    value, when = float(content["value"]), datetime.fromisoformat(content["timestamp"])
    instrument = recognise(content["symptom"])
    if (
        not math.isfinite(value)
        or not FIRST.year <= when.year <= 2200
        or (instrument and not instrument.scale.low <= value <= instrument.scale.high)
    ):
        raise ValidationError("a stored report is off its scale or out of time")
    if when > datetime.now(when.tzinfo) + timedelta(days=1):
        raise ValidationError("a stored report lies in the future")
    name = series_name(content["symptom"])
    if not name:
        raise ValidationError("a stored report names no symptom")
    return name, when, value


def _symptoms(
    patient_id: str, stored: Sequence[StoredRecord], zone: str | None, unread: list[NotUnderstood]
) -> LongFrame | None:
    """Return reports as a frame; of two at one time the last stored one counts.

    Where every report has an offset they are brought to the patient's clock, as signals are, or keep their own if that
    is not known; else all count as local wall-clock times.
    """
    reports = _each(stored, report_of, unread)
    if not reports:
        return None
    if any(when.tzinfo is None for _, when, _ in reports):
        reports = [(name, when.replace(tzinfo=None), value) for name, when, value in reports]
    latest = {(name, when): value for name, when, value in reports}
    frame = pl.DataFrame(
        {
            "symptom": [name for name, _ in latest],
            "timestamp": [when.isoformat() for _, when in latest],
            "value": list(latest.values()),
        }
    )
    return symptom_frame(frame.with_columns(patient_id=pl.lit(patient_id)), today=_last_day(), timezone=zone)


def _last_day() -> date:
    """Return the last local day that may occur: clocks may differ by a day, and no zone is a day ahead of UTC.

    Each report and sample was looked at before; one that lies further ahead is named, and the others are kept.
    """
    return (datetime.now(UTC) + timedelta(days=2)).date()


def in_series_unit(samples: Samples, unit: str | None = None) -> tuple[Samples, int]:
    """Return a stretch in one unit without impossible values, and the number of values dropped.

    Parameters
    ----------
    unit
        That of the series so far; the stretch's own where not given.

    Raises
    ------
    ValidationError
        If the unit cannot be brought to that of the series, or is none in which the signal is measured.
    """
    unit = samples.unit if unit is None else unit
    signal = SIGNALS.get(samples.signal)
    ways = [None if signal is None else signal.conversion(name) for name in (samples.unit, unit)]
    if samples.unit != unit or signal is not None:
        if None in ways:
            hint = f"; it is measured in {signal.fitting_units}" if signal is not None else ""
            raise ValidationError(f"the unit of a signal cannot be brought to that of its series{hint}")
        (factor, shift), (factor_there, shift_there) = ways  # type: ignore[misc]
        canonical = samples.values * factor + shift
        keep = (
            np.ones(len(canonical), bool) if signal is None else (canonical >= signal.low) & (canonical <= signal.high)
        )
        values = canonical[keep] if samples.unit != unit else samples.values[keep]
        if samples.unit != unit:
            values = (values - shift_there) / factor_there
        return replace(samples, unit=unit, timestamps=samples.timestamps[keep], values=values), int((~keep).sum())
    return samples, 0


def _signals(
    patient_id: str,
    stored: Sequence[StoredRecord],
    zone: str | None,
    symptoms: LongFrame | None,
    unread: list[NotUnderstood],
) -> LongFrame | None:
    """Return samples as a frame in the patient's local time, each signal in the unit of its first stretch.

    Where the patient's zone is not known the clock of the reports counts, so that both have one; reports that name no
    clock are taken to be by that of the signals, and a note says so.
    """
    units: dict[str, str] = {}

    def stretch(record: StoredRecord) -> pl.DataFrame:
        if not isinstance(record.content, Samples):
            raise ValidationError("a stored stretch of a signal holds no samples")
        name = EARLIER_NAMES.get(record.content.signal, record.content.signal)
        part, dropped = in_series_unit(replace(record.content, signal=name), units.get(name))
        early = part.timestamps < (FIRST - _EPOCH) // timedelta(milliseconds=1)
        late = part.timestamps > (datetime.now(UTC) - _EPOCH) // timedelta(milliseconds=1) + _DAY
        kept = ~(early | late)
        units.setdefault(part.signal, part.unit)
        for count, why in (
            (dropped, "are none that a living person's device can show"),
            (int(early.sum()), f"lie before {FIRST.year}"),
            (int(late.sum()), "lie in the future"),
        ):
            if count:
                unread.append(
                    NotUnderstood(f"{record.kind} {record.record_id}", f"{count} value(s) of {part.signal} {why}")
                )
        return pl.DataFrame({"timestamp": part.timestamps[kept], "value": part.values[kept]}).with_columns(
            pl.from_epoch("timestamp", "ms").dt.cast_time_unit("us"),
            signal=pl.lit(part.signal),
            unit=pl.lit(part.unit),
            patient_id=pl.lit(patient_id),
        )

    parts = [part for part in _each(_newest_exports(stored), stretch, unread) if len(part)]
    if not parts:
        return None
    frame = pl.concat(parts).unique(("signal", "timestamp"), keep="last", maintain_order=True)
    if zone is None and symptoms is not None and symptoms.utc_offset is not None:
        offsets = _offsets(frame["timestamp"].to_numpy(), symptoms)
        local = frame.with_columns(
            timestamp=pl.col("timestamp") + pl.Series(offsets.astype("timedelta64[us]")),
            utc_offset_minutes=pl.Series(offsets.astype("timedelta64[m]").astype(np.int64)),
        )
        return signal_frame(local, today=_last_day())
    if zone is None and symptoms is not None:
        unread.append(_ONE_CLOCK)
        return signal_frame(frame, today=_last_day())
    aware = frame.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC"))
    return signal_frame(aware, today=_last_day(), timezone=zone or "UTC")


def _newest_exports(stored: Sequence[StoredRecord]) -> list[StoredRecord]:
    """Return stretches of samples without what a later export of the same kind covers.

    An export that grew is resolved anew: a watch that synchronised late takes the place of the phone's steps.
    """
    covered: dict[tuple[str, str], list[tuple[int, int]]] = {}
    newest = []
    for record in reversed(stored):
        samples = record.content
        if isinstance(samples, Samples) and samples.export and len(samples.timestamps):
            spans = covered.setdefault((samples.export, samples.signal), [])
            kept = np.ones(len(samples.timestamps), bool)
            for first, last in spans:
                kept &= (samples.timestamps < first) | (samples.timestamps > last)
            first, last = int(samples.timestamps.min()), int(samples.timestamps.max())
            spans.append((first if samples.since is None else min(first, samples.since), last))
            record = replace(
                record,
                content=replace(samples, timestamps=samples.timestamps[kept], values=samples.values[kept]),
            )
        newest.append(record)
    return newest[::-1]


def _offsets(instants: NDArray[np.datetime64], symptoms: LongFrame) -> NDArray[np.timedelta64]:
    """Return how far the reports' clock was ahead of UTC at some instants, by the report before or the first."""
    assert symptoms.utc_offset is not None  # noqa: S101 - the caller has asked
    reported = symptoms.timestamps - symptoms.utc_offset
    order = np.argsort(reported, kind="stable")
    before = np.searchsorted(reported[order], instants.astype("datetime64[us]"), side="right") - 1
    offsets: NDArray[np.timedelta64] = symptoms.utc_offset[order][np.maximum(before, 0)]
    return offsets


def _reports_of(record: PatientRecord) -> list[dict[str, Any]]:
    frame = record.symptoms
    if frame is None:
        return []
    offset = frame.utc_offset
    rows = []
    for i in range(len(frame)):
        if not np.isfinite(frame.values[i]):
            continue
        suffix = "" if offset is None else _offset(int(offset[i].astype(int)))
        when = frame.timestamps[i].item().isoformat() + suffix
        name = frame.series[frame.series_index[i]].name
        rows.append({"symptom": series_name(name), "timestamp": when, "value": float(frame.values[i])})
    return rows


def _offset(seconds: int) -> str:
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _samples_of(record: PatientRecord, export: str, since: int | None) -> list[Samples]:
    frame = record.signals
    if frame is None:
        return []
    instants = frame.timestamps if frame.utc_offset is None else frame.timestamps - frame.utc_offset
    stretches = []
    for i, key in enumerate(frame.series):
        rows = frame.part(i)
        kept = np.isfinite(frame.values[rows])
        stretches.append(
            Samples(
                key.name,
                frame.units[i] or "",
                instants[rows][kept].astype("datetime64[ms]").astype(np.int64),
                frame.values[rows][kept],
                export,
                since,
            )
        )
    return [stretch for stretch in stretches if len(stretch.values)]
