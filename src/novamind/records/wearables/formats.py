"""The makers whose exports are read, and which of them reads a file.

A maker is a module with the door of :class:`Maker`. Adding one is a file and a line in :data:`MAKERS`. A maker knows
its files by their names and folders, and by what only it writes into them, never by a field that anybody may use:
whose a file is decides on which clock its times are.
"""

import csv
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from polars.exceptions import PolarsError

from novamind.errors import DataProcessingError, InsufficientDataError, NovamindError, ValidationError
from novamind.records.wearables import (
    actigraph,
    apple_health,
    empatica,
    fitabase,
    fitbit,
    garmin,
    garmin_connect,
    google_fit,
    health_auto_export,
    health_connect,
    long_table,
    open_mhealth,
    oura,
    oura_v1,
    philips,
    polar,
    radar_base,
    samsung,
    takeout,
    whoop,
    withings,
    withings_api,
)
from novamind.records.wearables.files import DAMAGED, Context, Export, ExportFile
from novamind.records.wearables.samples import Batch, Tally

Progress = Callable[[int, int], None]


class Maker(Protocol):
    """Interface of a module that reads one maker's files."""

    #: The maker as people call it.
    MAKER: str

    def recognised(self, file: ExportFile, /) -> bool:
        """Return whether a file is one of this maker's."""
        ...

    def batches(self, file: ExportFile, context: Context, /) -> Iterator[Batch]:
        """Return the samples of a file that was recognised; count in ``context.tally`` what is not read.

        Raises
        ------
        ValidationError, DataProcessingError
            The file cannot be read; the message starts with its path and says what to do.
        """
        ...


#: In the order in which they are asked: the first that recognises a file reads it. Open mHealth and long tables belong
#: to no maker and are asked last.
MAKERS: tuple[Maker, ...] = (
    apple_health,
    fitbit,
    fitabase,
    takeout,
    google_fit,
    health_connect,
    garmin,
    garmin_connect,
    oura,
    oura_v1,
    whoop,
    samsung,
    withings,
    withings_api,
    polar,
    empatica,
    actigraph,
    philips,
    radar_base,
    health_auto_export,
    open_mhealth,
    long_table,
)

#: Makers whose export holds everything since its beginning, so that a later one replaces an earlier.
GROWING = (apple_health.MAKER, health_connect.MAKER)

_OTHER_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".7z", ".rar", ".bz2", ".xz")
_ADVICE = (
    ": give an export of "
    + ", ".join(dict.fromkeys(maker.MAKER for maker in MAKERS[:-1]))
    + ", or a long table (timestamp, signal, value) in .csv or .parquet"
)
_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".pq")
_TABLE_ALONE = ": import a table of reports by itself"
_ACCELERATION = "holds raw acceleration, which is not read: give epochs as a long table (timestamp, signal, value)"
_TRACK = "is the track of one activity, which is not read: give the original .fit, or the account's export"
#: What people hold of their devices and is not read: ``{ending: what to give instead}``.
_INSTEAD = {
    ".tcx": _TRACK,
    ".gpx": _TRACK,
    ".cwa": _ACCELERATION,
    ".bin": _ACCELERATION,
    ".avro": "holds raw signals, which are not read: give Empatica's digital biomarkers, tables in .csv",
}
#: What a document of another layout raises where a maker's reader does not look twice.
_MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, csv.Error, PolarsError)


def maker_of(file: ExportFile) -> Maker | None:
    """Return who reads a file, or ``None``."""
    return next((maker for maker in MAKERS if maker.recognised(file)), None)


def batches(export: Export, tally: Tally, zone: ZoneInfo | None, progress: Progress) -> Iterator[tuple[str, Batch]]:
    """Return the samples of all files, each batch with its maker.

    A file that cannot be read is named in the tally and does not stop the others, unless it is all there is.

    Raises
    ------
    ValidationError, DataProcessingError
        The only file is of no maker that is known here, or cannot be read.
    """
    total, done, memory = sum(file.size for file in export.files), 0, dict[str, Any]()
    for file in export.files:
        context = Context(tally, export.files, zone, _advance(progress, done, total), memory)
        maker = None
        try:
            maker = maker_of(file)
            if file.head.strip().lower() in (b"", b"no data"):
                raise InsufficientDataError(f"{file.path}: holds no data")
            if maker is None and file.path.lower().endswith(_OTHER_ARCHIVES):
                raise ValidationError(f"{file.path}: is an archive of a kind that is not opened here: unpack it")
            if maker is None and file.suffix in _INSTEAD:
                raise ValidationError(f"{file.path}: {_INSTEAD[file.suffix]}")
            if maker is None:
                table = _TABLE_ALONE if file.suffix in _TABLES else ""
                advice = _ADVICE if export.alone else table
                raise ValidationError(f"{file.path}: is of no kind that is read here{advice}")
            used, named = False, tally.files_named
            for part in file.parts():
                tally.before = part.before
                for batch in maker.batches(part, context):
                    used = True
                    yield maker.MAKER, batch.moved(part.before)
            if used:
                tally.files_read += 1
            elif tally.files_named == named:
                tally.skip_file(file.path, f"holds no samples ({maker.MAKER})")
        except (ValidationError, DataProcessingError, *DAMAGED, *_MALFORMED) as error:
            failure = _failure(file, maker, error)
            if export.alone:
                raise failure from error
            tally.skip_file(file.path, str(failure).removeprefix(f"{file.path}: "))
        tally.before = 0
        file.close()
        done += file.size
        progress(done, total)


def _failure(file: ExportFile, maker: Maker | None, error: Exception) -> NovamindError:
    """Return what went wrong with a file, as people read it."""
    if isinstance(error, NovamindError):
        return error
    if isinstance(error, DAMAGED):
        reason = (
            getattr(error, "strerror", None)
            or "it is damaged or locked: unpack it with its password, or export it again"
        )
        return DataProcessingError(f"{file.path}: cannot be read: {reason}")
    return ValidationError(f"{file.path}: has another layout than {maker.MAKER if maker else 'an export'} gives it")


def _advance(progress: Progress, done: int, total: int) -> Progress:
    return lambda read, _whole: progress(done + read, total)
