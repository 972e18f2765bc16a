"""Any file in: recognise what it is, read it by the room's reader, and say what was understood before it is kept.

A patient's directory, FHIR R4, a wearable's export (by maker), a genotype file, or else a table.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol, Unpack

import numpy as np
import polars as pl

from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.records.directory import read_patient_directory
from novamind.records.fhir.reader import FhirImport, read_fhir
from novamind.records.patient import PatientRecord
from novamind.records.recognition import ImportedFile
from novamind.records.results import FileImport
from novamind.records.tables.columns import is_role, named_of
from novamind.records.tables.frames import LongFrame, signal_frame, symptom_frame
from novamind.records.tables.grid import Grid, read_grid
from novamind.records.tables.interpretation import interpret, zone_words
from novamind.records.tables.observations import LeftOut, Observation
from novamind.records.tables.platforms import layout_of, refuse_unnamed_persons
from novamind.records.tables.profile import Declared, TableProfile, load_profile
from novamind.records.tables.times import utc_offset_text
from novamind.records.wearables.formats import GROWING
from novamind.records.wearables.reader import read_wearables
from novamind.records.wearables.results import WearableRecord
from novamind.settings import Settings
from novamind.timeline import parse_timezone

_ABSENT = "positions that the file does not list are taken as reference, as was declared"


class CalledGene(Protocol):
    """A gene as a genotype file shows it."""

    @property
    def name(self) -> str:
        """The pair of alleles, the tested markers, or ``not called``."""

    @property
    def reported(self) -> str | None:
        """A reported phenotype, where that is all there is."""

    @property
    def provisional(self) -> bool:
        """Whether unseen positions could change the call."""

    @property
    def ambiguous(self) -> bool:
        """Whether several pairs explain the data."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the reader of the result has to know, one sentence each."""


class GeneCaller(Protocol):
    """What calls the genes of a genotype file: ``nm.pharmacogenomics.read_genotype``."""

    def __call__(
        self, source: bytes, sample: str | None = None, /, *, absent_is_reference: bool = False
    ) -> Mapping[str, CalledGene]:
        """Return gene to its call."""
        ...


def import_file(
    path: str | Path,
    mapping: Mapping[str, str] | None = None,
    timezone: str | None = None,
    instrument: str | None = None,
    *,
    profile: TableProfile | str | Path | None = None,
    patient_id: str | None = None,
    sample: str | None = None,
    absent_is_reference: bool = False,
    content: bytes | None = None,
    call_genes: GeneCaller | None = None,
    today: date | None = None,
    settings: Settings | None = None,
    **declared: Unpack[Declared],
) -> FileImport:
    """Return what a file holds, as it was understood; nothing is stored.

    Parameters
    ----------
    path
        A table (CSV, ``.xlsx``, Parquet; REDCap, m-Path, Qualtrics), a wearable's export, FHIR R4, a genotype file, or
        a patient's directory.
    mapping
        Role or name of a series to the column that holds it: ``{"timestamp": "Datum", "PHQ-9": "Summe"}``.
    timezone
        IANA name of the clock that the person lives by. Without it days of times in UTC are UTC days, and ``zone`` says
        so.
    instrument
        Questionnaire whose scores or items a table holds, where its columns do not say it.
    profile
        What is declared about a table, or the path of a saved profile; single fields (``dates="de"``,
        ``missing=("999",)``) can be given beside it and go first.
    patient_id
        Whose rows are read where a table names persons; whose all are where the file names none.
    sample
        Whose genotype, in a VCF of several samples.
    absent_is_reference
        Whether a VCF lists every variant of a whole genome, so that positions that it does not list are normal.
    content
        The file's content, where it is not on the disk; ``path`` then only names it.
    call_genes
        What calls the genes of a genotype file.
    today
        No report is later; the present day where not given.
    settings
        Where the limits on sizes come from.

    Raises
    ------
    ValidationError, InsufficientDataError
        The file cannot be read as it is, holds nothing that can be used, or something has to be declared first.
    NotFoundError, DataProcessingError
        It does not exist, or the system does not let us read it.
    """
    base = load_profile(profile) if isinstance(profile, str | Path) else profile or TableProfile()
    named = {"mapping": mapping, "timezone": timezone, "instrument": instrument}
    try:
        chosen = replace(base, **{k: v for k, v in named.items() if v is not None}, **declared)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValidationError("an option of that name is not known; see the fields of TableProfile") from error
    zone = None if chosen.timezone is None else parse_timezone(chosen.timezone).key
    settings, path = settings or Settings(), Path(path)
    if content is None and not path.exists():
        raise NotFoundError(f"{path.name} does not exist: check the path")
    if content is None and path.is_dir():
        return _noted(_folder(path, chosen, patient_id, zone, today, settings))
    file = ImportedFile(path, content, settings.max_file_bytes)
    if file.is_fhir:
        source = path if content is None else content
        imported = read_fhir(source, timezone=zone, today=today, settings=settings)
        return _noted(_of_person(_of_fhir(imported, chosen), patient_id))
    if file.genes is not None:
        return _noted(_of_genes(file.genes, chosen, patient_id, sample, call_genes, absent_is_reference))
    if absent_is_reference or sample is not None:
        raise ValidationError("a sample and absent positions are of a genotype file, which this is not: leave them out")
    if (table := file.table) is not None:
        return _of_table(*table, chosen, patient_id, today, settings)
    with file.on_disk() as place:
        export = read_wearables(place, patient_id=patient_id or "1", timezone=zone, settings=settings)
    return _noted(_of_wearables(export, chosen, today))


def _noted(imported: FileImport) -> FileImport:
    """Return an import of what is no table, with a note where something was declared about tables."""
    if imported.profile == TableProfile(timezone=imported.profile.timezone):
        return imported
    note = "what was declared about tables is not used: the file is none"
    return replace(imported, guesses=(*imported.guesses, note))


def _of_person(imported: FileImport, patient_id: str | None) -> FileImport:
    """Return the part of an import that is one person's, where one is asked for."""
    return imported if patient_id is None else replace(imported, records={patient_id: imported.of(patient_id)})


def _folder(
    path: Path, profile: TableProfile, patient_id: str | None, zone: str | None, today: date | None, settings: Settings
) -> FileImport:
    if (path / "patient.json").exists():
        record = read_patient_directory(path, today=today, settings=settings)
        records = {record.patient_id: record}
        return _of_person(
            FileImport("patient directory", _rows(record), records, _zone(record), profile=profile), patient_id
        )
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in (".json", ".ndjson", ".jsonl"))
    if files and ImportedFile(files[0], None, settings.max_file_bytes).is_fhir:
        imported = read_fhir(path, timezone=zone, today=today, settings=settings)
        return _of_person(_of_fhir(imported, profile), patient_id)
    return _of_wearables(
        read_wearables(path, patient_id=patient_id or "1", timezone=zone, settings=settings), profile, today
    )


def _of_table(
    content: bytes, name: str, profile: TableProfile, patient_id: str | None, today: date | None, settings: Settings
) -> FileImport:
    grid = read_grid(content, name, settings.max_file_bytes, profile.encoding, profile.sheet)
    if not len(grid):
        raise InsufficientDataError(f"{name} has a header and no rows: give at least one report")
    zone_name, column = profile.timezone, None if profile.timezone else _zone_column(grid)
    if column is not None:
        zone_name = next(filter(None, grid[column]))
        grid = grid.without_column(column, f"times are read by the clock that column '{column[:40]}' names")
    body, layout = layout_of(grid, profile)
    refuse_unnamed_persons(body, layout, patient_id)
    zone = None if zone_name is None else parse_timezone(zone_name)
    understood = interpret(body, layout, profile, patient_id=patient_id, zone=zone, today=today)
    if not understood.observations:
        whys = understood.left_out[:3]
        why = "; ".join(f"{_public(entry.what)}: {entry.reason} ({entry.count})" for entry in whys)
        raise InsufficientDataError(f"{name} holds no report that can be used" + (f": {why}" if why else ""))
    by_person: dict[str, list[Observation]] = defaultdict(list)
    for observation in understood.observations:
        by_person[observation.patient_id].append(observation)
    key = None if zone is None else zone.key
    records = {
        person: PatientRecord(
            person,
            key,
            symptoms=_frame([row for row in rows if not row.is_signal], key, today),
            signals=_frame([row for row in rows if row.is_signal], key, today),
        )
        for person, rows in sorted(by_person.items())
    }
    return FileImport(
        understood.kind, understood.rows, records, understood.zone, understood.guesses, understood.left_out, profile
    )


def _public(what: str) -> str:
    """Return what a reason is about, as an error may name it: an instrument or a column, and no cell."""
    return what if what == "row" or what.startswith("column '") or named_of(what) else "a series"


def _zone_column(grid: Grid) -> str | None:
    """Return the column that names the time zone of all rows."""
    for column in grid.columns:
        zones = set(filter(None, grid[column])) if is_role(column, "zone") else set()
        if len(zones) == 1:
            with suppress(ValidationError):
                parse_timezone(zones.pop())
                return column
    return None


def _frame(observations: list[Observation], zone: str | None, today: date | None) -> LongFrame | None:
    if not observations:
        return None

    def written(observation: Observation) -> str:
        offset = "" if observation.offset is None else utc_offset_text(observation.offset)
        return f"{observation.local.isoformat()}{offset}"

    table = pl.DataFrame(
        {
            "patient_id": [observation.patient_id for observation in observations],
            "timestamp": [written(observation) for observation in observations],
            "value": [observation.value for observation in observations],
        }
    )
    names = pl.Series([observation.series for observation in observations])
    if not observations[0].is_signal:
        return symptom_frame(table.with_columns(symptom=names), today=today, timezone=zone)
    units = pl.Series([observation.unit for observation in observations])
    return signal_frame(table.with_columns(signal=names, unit=units), today=today, timezone=zone)


def _of_fhir(imported: FhirImport, profile: TableProfile) -> FileImport:
    records = {record.patient_id: record for record in imported.records}
    zones = {_zone(record) for record in imported.records}
    left_out = tuple(
        LeftOut("resource", issue.diagnostics, issue.count)
        for issue in imported.outcome.issues
        if issue.severity != "information"
    )
    notes = tuple(issue.diagnostics for issue in imported.outcome.issues if issue.severity == "information")
    rows = sum(map(_rows, imported.records))
    zone = zones.pop() if len(zones) == 1 else "of each person"
    return FileImport("FHIR R4", rows, records, zone, notes, left_out, profile, imported.claims)


def _of_wearables(export: WearableRecord, profile: TableProfile, today: date | None) -> FileImport:
    summary = export.summary
    records = {}
    columns = ("patient_id", "timestamp", "signal", "value", "unit", "utc_offset_minutes")
    for (person,), rows in export.frame.select(columns).group_by("patient_id", maintain_order=True):
        frame = signal_frame(rows, today=today, timezone=profile.timezone)
        records[str(person)] = PatientRecord(str(person), profile.timezone, signals=frame)
    left_out = [LeftOut(e["signal"], e["reason"], e["rows"], e["first_row"]) for e in summary.left_out]
    left_out += [LeftOut(kind, "is no signal that is read", count) for kind, count in summary.unread.items()]
    for reason, paths in summary.files_left_out.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        left_out.append(LeftOut(f"file {paths[0]}{more}", reason, len(paths)))
    guesses = [f"{summary.files_read} file(s) read"]
    guesses += [f"{summary.shortened} row(s) shortened by time that another row counts"] if summary.shortened else []
    if summary.before_2000:
        guesses.append(f"{summary.before_2000:,} row(s) lie before 2000, as all of their files do; check the dates")
    zone = profile.timezone or _zone(next(iter(records.values())))
    kind, grows = f"wearable export: {summary.format}", summary.format in GROWING
    return FileImport(
        kind, summary.rows_read, records, zone, tuple(guesses), tuple(left_out), profile, export=kind if grows else ""
    )


def _of_genes(
    content: bytes,
    profile: TableProfile,
    patient_id: str | None,
    sample: str | None,
    call_genes: GeneCaller | None,
    absent_is_reference: bool,
) -> FileImport:
    if call_genes is None:
        raise ValidationError(
            "a genotype file: its genes are called by nm.pharmacogenomics.read_genotype; give that as call_genes, or "
            "use novamind import"
        )
    called = call_genes(content, sample, absent_is_reference=absent_is_reference)
    genes, left_out = {}, []
    for gene, call in called.items():
        remarks = " ".join(remark.removeprefix(f"{gene}: ") for remark in call.warnings)
        if call.name == "not called":
            left_out.append(LeftOut(gene, f"is not called: {remarks or 'the file does not cover it'}", 1))
        elif call.provisional or call.ambiguous:
            why = (
                "several pairs of alleles explain it" if call.ambiguous else "positions that could change it are unseen"
            )
            left_out.append(LeftOut(gene, f"is provisional, so it is not kept as a result: {why}", 1))
        else:
            genes[gene] = call.reported or call.name
            if remarks:
                left_out.append(LeftOut(f"{gene}, which is kept", remarks, 1))
    left_out += [LeftOut("genotype file", note, 1) for note in getattr(called, "notes", ())]
    if not genes:
        provisional = any(call.provisional for call in called.values())
        raise InsufficientDataError(
            "no gene is called with certainty: "
            + (
                "positions that could change the calls are unseen; if the file lists every variant of a genome, say "
                "that absent positions are reference (--absent-is-reference), else import"
                if provisional
                else "import"
            )
            + " a panel with star alleles"
        )
    record = PatientRecord(patient_id or "1", profile.timezone, genotype=genes)
    return FileImport(
        "genotype file",
        len(called),
        {record.patient_id: record},
        "none: a genotype has no time",
        (_ABSENT,) if absent_is_reference else (),
        tuple(left_out),
        profile,
    )


def _rows(record: PatientRecord) -> int:
    frames = (0 if frame is None else len(frame) for frame in (record.symptoms, record.signals))
    return sum(frames) + len(record.medications) + len(record.conditions) + len(record.genotype)


def _zone(record: PatientRecord) -> str:
    frames = [frame for frame in (record.symptoms, record.signals) if frame is not None]
    seconds = {int(o) for f in frames if f.utc_offset is not None for o in np.unique(f.utc_offset.astype(np.int64))}
    return zone_words({timedelta(seconds=offset) for offset in seconds}, record.timezone)
