"""The room's shell commands: any file in, a patient's directory out; a wearable's export in, one long table out."""

import json
import sys
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from novamind.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from novamind.records.intake import GeneCaller
    from novamind.records.patient import PatientRecord
    from novamind.records.results import FileImport
    from novamind.records.wearables import WearableSummary
    from novamind.records.wearables.services import MakerService

_EXAMPLES = """\b
Examples:
  novamind wearables export.zip --out signals.parquet
  novamind wearables Takeout/ --timezone Europe/Berlin --patient p-17 --json
"""
_IMPORT_EXAMPLES = """\b
Examples:
  novamind import diary.xlsx --dates de --into patient.dir
  novamind import export.csv --map timestamp=Datum --map PHQ-9=Summe --missing 999 --save-profile study.json
  novamind import redcap --url https://redcap.example.org/api/ --patient 17 --into patient.dir
  novamind import Takeout.zip --timezone Europe/Berlin --into patient.dir
  novamind import genome.vcf.gz --absent-is-reference --into patient.dir
  novamind import oura --since 2026-01-01 --timezone Europe/Berlin --into patient.dir
"""
_EVENT_DAY = ("--event-day", "week_4=28")
#: What is asked of a maker's service where nothing says from when on.
_FIRST_DAYS = timedelta(days=89)
_LINES_OF_LEFT_OUT = 12
_KINDS_NAMED = 5


def register(app: typer.Typer, call_genes: "Callable[[], GeneCaller]") -> None:
    """Add this room's commands to the shell; ``call_genes`` gives what calls the genes of a genotype file."""
    app.command(epilog=_EXAMPLES)(wearables)

    @app.command("import", epilog=_IMPORT_EXAMPLES)
    def import_(
        file: Annotated[
            Path,
            typer.Argument(
                help="Table, wearable export, FHIR, genotype file; - for a table on stdin; oura, fitbit or withings "
                "for the maker's service."
            ),
        ],
        into: Annotated[
            Path | None, typer.Option(help="Patient's directory, new or to add to; a folder of them for several.")
        ] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what was understood and write nothing.")] = False,
        columns: Annotated[
            list[str] | None,
            typer.Option("--map", help="Role or series and its column, e.g. timestamp=Datum or PHQ-9=Summe; repeat."),
        ] = None,
        profile: Annotated[Path | None, typer.Option(help="A saved profile; options go before it.")] = None,
        save_profile: Annotated[Path | None, typer.Option(help="Save what was declared for the next file.")] = None,
        instrument: Annotated[str | None, typer.Option(help="Questionnaire of scores or items, e.g. PHQ-9.")] = None,
        timezone: Annotated[str | None, typer.Option(help="Clock the person lives by, e.g. Europe/Berlin.")] = None,
        dates: Annotated[
            str | None, typer.Option(help="Form of dates: iso, de (31.12.2025), uk, us, epoch, epoch-ms, excel.")
        ] = None,
        decimal: Annotated[str | None, typer.Option(help="Decimal mark: point or comma.")] = None,
        missing: Annotated[
            list[str] | None, typer.Option(help="Code for a missing value, e.g. 999; none says there is none; repeat.")
        ] = None,
        encoding: Annotated[str | None, typer.Option(help="Encoding of a text file, e.g. latin-1.")] = None,
        sheet: Annotated[str | None, typer.Option(help="Sheet of a spreadsheet.")] = None,
        aggregate: Annotated[
            str | None, typer.Option(help="One value a day: mean, median, min, max, sum, first or last.")
        ] = None,
        start: Annotated[str | None, typer.Option(help="First day, where rows only count days: 2025-12-31.")] = None,
        beeps: Annotated[str | None, typer.Option(help="Times of the beeps of a day, e.g. 09:00,13:00,17:00.")] = None,
        event_day: Annotated[
            list[str] | None,
            typer.Option(help="Event and its day after the person's first date: week_4=28; repeat."),
        ] = None,
        patient: Annotated[str | None, typer.Option(help="Whose rows are read; whose they are if none says.")] = None,
        sample: Annotated[str | None, typer.Option(help="Whose genotype, in a VCF of several samples.")] = None,
        absent_is_reference: Annotated[
            bool,
            typer.Option(
                "--absent-is-reference", help="A VCF lists every variant of a whole genome: other positions are normal."
            ),
        ] = False,
        since: Annotated[str | None, typer.Option(help="With a maker's service: first day, e.g. 2026-01-01.")] = None,
        url: Annotated[
            str | None, typer.Option(help="With redcap as FILE: its API; the token is NOVAMIND_REDCAP_TOKEN.")
        ] = None,
        report: Annotated[str | None, typer.Option(help="With --url: number of a report.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    ) -> None:
        """Read any file, show what was understood, and write a patient's directory.

        Columns, dates and codes are guessed only where nothing else is possible, and every guess is printed. What is
        left out is counted with its reason. Nothing is written without --into.
        """
        from novamind.records.intake import import_file

        declared = {
            "dates": dates,
            "decimal": decimal,
            "missing": tuple(missing or ()),
            "encoding": encoding,
            "sheet": sheet,
            "aggregate": aggregate,
            "start": start,
            "beeps": tuple(beeps.split(",")) if beeps else (),
            "event_days": {
                event: _whole(days) for event, days in _pairs(event_day, "--event-day", "week_4=28").items()
            },
        }
        record = None
        if into is not None and (into / "patient.json").exists():
            from novamind.records.directory import read_patient_directory

            record = read_patient_directory(into)
            timezone = timezone or record.timezone
        content, name = _content(file, url, report), Path("stdin") if str(file) == "-" else file
        if content is None and (service := _service(file)) is not None:
            content, name = _fetched(service, since, timezone, record), Path(f"{service.key}.json")
        elif since is not None:
            raise ValidationError("--since belongs to a maker's service: novamind import oura --since 2026-01-01")
        understood = import_file(
            name,
            _pairs(columns, "--map", "timestamp=Datum") or None,
            timezone,
            instrument,
            profile=profile,
            patient_id=patient,
            sample=sample,
            absent_is_reference=absent_is_reference,
            content=content,
            call_genes=call_genes(),
            **{name: value for name, value in declared.items() if value},  # type: ignore[arg-type]
        )
        if save_profile is not None:
            understood.profile.save(save_profile)
        written = _write(understood, into) if into is not None and not dry_run else ()
        if as_json:
            print(json.dumps(understood.to_dict() | {"written": [str(path) for path in written]}, allow_nan=False))
            return
        print(_understood(understood))
        for path in written:
            print(f"Written       {path}")
        if not written:
            print("Nothing was written: give --into DIRECTORY" if into is None else "Nothing was written (--dry-run)")


def _content(file: Path, url: str | None, report: str | None) -> bytes | None:
    """Return what does not come from a file: standard input, or the records of a REDCap project."""
    if url is None and report is None:
        return sys.stdin.buffer.read() if str(file) == "-" else None
    if url is None or str(file) != "redcap":
        raise ValidationError("a project of REDCap is read by: novamind import redcap --url https://.../api/")
    from novamind.records.redcap import fetch_records

    return fetch_records(url, report=report)


def _service(file: Path) -> "MakerService | None":
    """Return the maker's service that stands in the place of a file, if any does."""
    from novamind.records.wearables.browser_agreement import CALLBACK
    from novamind.records.wearables.services import CONNECTED, INSTEAD, maker_of_name, maker_services
    from novamind.settings import Settings

    if str(file).lower() not in (*CONNECTED, *INSTEAD) or file.exists():
        return None
    return maker_of_name(maker_services(Settings().device_services, CALLBACK), str(file))


def _fetched(service: "MakerService", since: str | None, timezone: str | None, record: "PatientRecord | None") -> bytes:
    """Return what a maker has of whole days, until yesterday; days that the record has are not asked for."""
    from novamind.records.wearables.browser_agreement import fetched_documents
    from novamind.timeline import parse_timezone

    if timezone is None:
        raise ValidationError("days are counted by the clock that the person lives by: give --timezone Europe/Berlin")
    last_day = datetime.now(parse_timezone(timezone)).date() - timedelta(days=1)
    try:
        first_day = last_day - _FIRST_DAYS if since is None else date.fromisoformat(since)
    except ValueError as error:
        raise ValidationError("--since must be a day such as 2026-01-01") from error
    if since is None and record is not None and record.signals is not None:
        first_day = record.signals.timestamps.max().astype("datetime64[D]").item() + timedelta(days=1)
    if first_day > last_day:
        raise ValidationError("there is no whole day to fetch: the record has signals until yesterday, or give --since")

    def show(url: str) -> None:
        print(f"Agree in a browser on this machine: {url}", file=sys.stderr, flush=True)

    return json.dumps(fetched_documents(service, first_day, last_day, show)).encode()


def _pairs(texts: list[str] | None, option: str, example: str) -> dict[str, str]:
    parts = [text.partition("=") for text in texts or ()]
    pairs = {name.strip(): rest.strip() for name, mark, rest in parts if name and mark and rest}
    if len(pairs) < len(parts):
        raise ValidationError(f"{option} must be written as {example}, each name once")
    return pairs


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValidationError("--event-day must end with a whole number of days, as in week_4=28") from error


def _write(understood: "FileImport", into: Path) -> tuple[Path, ...]:
    """Write a directory a person, or add to one that is there, and return where."""
    from novamind.records.directory import (
        read_patient_directory,
        replace_patient_directory,
        write_patient_directory,
    )
    from novamind.records.merging import merged

    records = understood.records
    if (into / "patient.json").exists():
        replace_patient_directory(merged(read_patient_directory(into), understood.record), into)
        return (into,)
    places = [into] if len(records) == 1 else [into / f"{i:03d}" for i in range(1, len(records) + 1)]
    for record, place in zip(records.values(), places, strict=True):
        write_patient_directory(record, place)
    return tuple(places)


def _understood(understood: "FileImport") -> str:
    lines = [understood._summary().text, f"Clock         {understood.zone}"]
    if understood.series:
        lines.append(f"{'series':<32}{'unit':>10}{'rows':>10}{'persons':>9}  first day to last")
        lines += [
            f"{entry.name[:31]:<32}{entry.unit or '':>10}{entry.rows:>10,}{entry.persons:>9,}  "
            f"{entry.first_day} to {entry.last_day}"
            for entry in understood.series
        ]
    if len(understood.records) == 1 and understood.record.genotype:
        lines.append("Genes")
        lines += [f"  {gene:<12}{result}" for gene, result in understood.record.genotype.items()]
    if understood.guesses:
        lines += ["Understood", *(f"  {guess}" for guess in understood.guesses)]
    if understood.left_out:
        lines.append("Left out")
        lines += [
            f"{entry.count:>9,}  {entry.what}: {entry.reason}"
            + (f" (first: row {entry.first_row})" if entry.first_row else "")
            for entry in understood.left_out[:_LINES_OF_LEFT_OUT]
        ]
        if len(understood.left_out) > _LINES_OF_LEFT_OUT:
            lines.append(f"           and {len(understood.left_out) - _LINES_OF_LEFT_OUT} more kinds: see --json")
    return "\n".join(lines)


def wearables(
    file: Annotated[
        Path,
        typer.Argument(help="Export of a wearable (file, folder or .zip; Apple, Fitbit, Garmin ...), or a long table."),
    ],
    out: Annotated[Path, typer.Option(help="Path of the long table (Parquet).")] = Path("signals.parquet"),
    patient: Annotated[str, typer.Option(help="Id of the person.")] = "1",
    timezone: Annotated[
        str | None, typer.Option(help="Time zone in which the person lives, e.g. Europe/Berlin.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Turn a wearable's export into one long table of signals; print its coverage and what was left out.

    Each signal gets one unit. Devices that overlap are counted once. Times keep the wall clock and its offset.
    """
    from novamind.records.wearables import convert_wearables

    shown = _Progress(sys.stderr.isatty() and not as_json)
    summary = convert_wearables(file, out, patient_id=patient, timezone=timezone, progress=shown)
    shown.done()
    if as_json:
        print(json.dumps(summary.to_dict(), allow_nan=False))
        return
    print(_text(summary))
    print(f"Written       {out}")


class _Progress:
    """Bytes read, on one line of a terminal, twice a second."""

    def __init__(self, shown: bool) -> None:
        self._shown, self._last = shown, 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._shown and now - self._last > 0.5:
            self._last = now
            share = f"{100 * done / total:3.0f} %" if total else ""
            print(
                f"\rread {done / 2**20:,.0f} of {total / 2**20:,.0f} MiB  {share}", end="", file=sys.stderr, flush=True
            )

    def done(self) -> None:
        if self._shown and self._last:
            print("\r\033[K", end="", file=sys.stderr)


def _text(summary: "WearableSummary") -> str:
    lines = [
        f"{summary.format}: {summary.rows_kept:,} of {summary.rows_read:,} samples kept",
        f"{'signal':<28}{'unit':>12}{'rows':>12}{'days':>14}{'hours':>8}  first day to last",
    ]
    lines += [
        f"{entry.signal:<28}{entry.unit:>12}{entry.rows:>12,}{entry.days_with_values:>7} of {entry.days:<4}"
        f"{100 * entry.hours_share:>5.0f} %  {entry.first_day} to {entry.last_day}"
        for entry in summary.coverage
    ]
    if summary.left_out:
        lines.append("Left out")
        lines += [
            f"{entry['rows']:>12,}  {entry['signal']}: {entry['reason']} (first: row {entry['first_row']})"
            for entry in summary.left_out[:_LINES_OF_LEFT_OUT]
        ]
        if len(summary.left_out) > _LINES_OF_LEFT_OUT:
            lines.append(f"              and {len(summary.left_out) - _LINES_OF_LEFT_OUT} more kinds: see --json")
    if summary.shortened:
        lines.append(f"Shortened     {summary.shortened:,} rows, by the time that another row already counted")
    if summary.non_wear_hours:
        lines.append(f"Not worn      {summary.non_wear_hours:,.1f} h without heart rate (pauses of 90 min or more)")
    if summary.before_2000:
        lines.append(f"Before 2000   {summary.before_2000:,} rows, as all of their files; check the dates")
    if summary.unread:
        count, kinds = sum(summary.unread.values()), sorted(summary.unread, key=lambda kind: -summary.unread[kind])
        named = f"{', '.join(kinds[:_KINDS_NAMED])}{', ...' if len(kinds) > _KINDS_NAMED else ''}"
        lines.append(f"Not read      {count:,} records of {len(kinds)} other kinds ({named}): see --json")
    if summary.files_left_out:
        lines.append(f"Files         {summary.files_read:,} read; left out, or not read to their end:")
        lines += [
            f"{len(paths):>12,}  {paths[0]}{' and others' if len(paths) > 1 else ''}: {reason}"
            for reason, paths in list(summary.files_left_out.items())[:_LINES_OF_LEFT_OUT]
        ]
        if len(summary.files_left_out) > _LINES_OF_LEFT_OUT:
            lines.append(
                f"              and {len(summary.files_left_out) - _LINES_OF_LEFT_OUT} more reasons: see --json"
            )
    return "\n".join(lines)
