"""From an export to one long frame: find the format, check every row, count every minute once, say what was left out.

Rows go through a folder of temporary files, by person, signal and local month, so that memory holds one month of one
signal and not the export. A month is resolved with a day on either side of it, longer than any row is, so that it does
not matter where months meet.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from novamind.errors import DataProcessingError, InsufficientDataError, NotFoundError, ValidationError
from novamind.records.tables.files import read_bytes
from novamind.records.wearables import apple_health, fitbit, long_table, open_mhealth, oura
from novamind.records.wearables.json_files import parsed
from novamind.records.wearables.non_wear import NonWear
from novamind.records.wearables.overlaps import resolve
from novamind.records.wearables.samples import LONGEST, Batch, Tally, valid_rows
from novamind.records.wearables.signals import SIGNALS
from novamind.settings import Settings
from novamind.summary import Summarised, Summary, clipped, counted
from novamind.timeline import parse_timezone

Progress = Callable[[int, int], None]

#: The columns of every frame: ``timestamp`` and ``end`` on the wall clock, which was ahead of UTC by the offset.
COLUMNS = (
    "patient_id", "timestamp", "signal", "value", "unit", "end", "utc_offset_minutes", "source", "device",
)  # fmt: skip
_SPILL_ROWS = 250_000
_ZERO_NOT_WORN = "zero while the device was not worn"
_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class SignalCoverage:
    """How much of a record one signal fills.

    Attributes
    ----------
    first_day, last_day
        ISO dates, local.
    days, days_with_values
        Days from the first to the last, and those of them with a value.
    hours_with_values
        Hours in which a row starts.
    hours_share
        The same as a share of the hours from the first to the last day.
    """

    patient_id: str
    signal: str
    unit: str
    rows: int
    first_day: str
    last_day: str
    days: int
    days_with_values: int
    hours_with_values: int
    hours_share: float
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class WearableSummary(Summarised):
    """Counts of an export: what was read, kept and left out.

    ``rows_read`` counts samples as they stand in the export (a stage of sleep is two: asleep, and the stage), and is
    ``rows_kept`` plus the rows of ``left_out``. ``shortened`` rows lost the part of their time that another row already
    counted. ``unread`` counts records that are no signal of ours.
    """

    format: str
    rows_read: int
    rows_kept: int
    coverage: tuple[SignalCoverage, ...]
    left_out: tuple[dict[str, Any], ...]
    shortened: int
    unread: dict[str, int]
    non_wear_hours: float

    def to_dict(self) -> dict[str, Any]:
        """Return the summary in plain values, for JSON."""
        return asdict(self)

    def _summary(self) -> Summary:
        rows = ((c.signal, c.unit, c.rows, c.first_day, c.last_day, c.days_with_values) for c in self.coverage)
        text = f"{clipped(self.format)}: {counted(self.rows_kept, 'row')} of {self.rows_read:,} kept"
        return Summary(text, ("signal", "unit", "rows", "first day", "last day", "days with values"), rows)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WearableRecord(Summarised):
    """One long frame (:data:`COLUMNS`, sorted by person, signal and time), pauses in wearing, and the summary."""

    frame: pl.DataFrame
    non_wear: pl.DataFrame
    summary: WearableSummary

    def _summary(self) -> Summary:
        return self.summary._summary()


def read_wearables(
    path: str | Path,
    *,
    patient_id: str = "1",
    timezone: str | None = None,
    settings: Settings | None = None,
    now: datetime | None = None,
    progress: Progress = lambda _done, _total: None,
) -> WearableRecord:
    """Return a wearable's export in memory.

    Parameters
    ----------
    path
        Apple Health ``export.xml`` or ``.zip``; a folder, ``.zip`` or JSON file of Fitbit, Oura or Open mHealth; a
        Garmin ``.fit`` file; a long table in CSV or Parquet. A folder or archive may hold several files.
    patient_id
        Whose export it is; a table's own ``patient_id`` goes before.
    timezone
        IANA name of the clock the person lives by. Times with an offset are brought to it, times without one are
        read by it. Needed where a file writes UTC only.
    settings
        Where the limit on the size of files that are read whole comes from; ``export.xml`` is streamed and has none.
    now
        No sample is later, plus a day; the present where not given.
    progress
        Called with bytes read and bytes there are.

    Raises
    ------
    NotFoundError, ValidationError, InsufficientDataError, DataProcessingError
        The file is missing; breaks a rule of its format; holds no sample that can be used; cannot be read.
    """
    with _resolved(path, patient_id, timezone, settings, now, progress) as done:
        frame = pl.concat([pl.read_ipc(part) for part in done.parts])
        return WearableRecord(frame, done.non_wear, done.summary)


def convert_wearables(
    path: str | Path,
    out: str | Path,
    *,
    patient_id: str = "1",
    timezone: str | None = None,
    settings: Settings | None = None,
    now: datetime | None = None,
    progress: Progress = lambda _done, _total: None,
) -> WearableSummary:
    """Write the long frame of :func:`read_wearables` to a Parquet file and return the summary."""
    out = Path(out)
    if out.suffix.lower() not in (".parquet", ".pq"):
        raise ValidationError(f"{out.name}: give a path that ends in .parquet")
    with _resolved(path, patient_id, timezone, settings, now, progress) as done:
        unfinished = out.with_name(f".{out.name}.unfinished")
        try:
            pl.scan_ipc(done.parts).sink_parquet(unfinished)
            unfinished.replace(out)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            reason = error.strerror or "its folder does not exist or is closed"  # Polars names no reason
            raise DataProcessingError(f"{out.name} cannot be written: {reason}") from error
        return done.summary


@dataclass(slots=True)
class _resolved:  # noqa: N801 - a context manager, used like a function
    """Resolved parts on disk while the block runs."""

    path: str | Path
    patient_id: str
    timezone: str | None
    settings: Settings | None
    now: datetime | None
    progress: Progress
    parts: list[Path] = field(default_factory=list)
    non_wear: pl.DataFrame = field(default_factory=pl.DataFrame)
    summary: WearableSummary = field(init=False)
    _folder: str = ""

    def __enter__(self) -> "_resolved":
        zone = None if self.timezone is None else parse_timezone(self.timezone)
        latest = (self.now or datetime.now(UTC)).replace(tzinfo=None) + timedelta(days=1)
        tally = Tally()
        self._folder = tempfile.mkdtemp(prefix="novamind-")
        try:
            source = _Source(Path(self.path), self.settings or Settings(), tally, self.progress)
            spill = _Spill(Path(self._folder), self.patient_id)
            for batch in source.batches():
                spill.take(valid_rows(batch, zone, latest, tally))
            spill.flush()
            if not spill.rows:
                reasons = sorted({entry["reason"] for entry in tally.left_out_rows()})
                why = f" ({'; '.join(reasons)})" if reasons else ""
                raise InsufficientDataError(f"{Path(self.path).name}: holds no sample that can be used{why}")
            self._resolve(spill, tally, source.format)
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder)

    def _resolve(self, spill: "_Spill", tally: Tally, formats: str) -> None:
        coverage, shortened, pauses = [], 0, []
        for patient in sorted({patient for patient, _ in spill.rows}):
            non_wear = NonWear()
            signals = sorted(signal for owner, signal in spill.rows if owner == patient)
            written: dict[str, list[Path]] = {}
            # Heart rate first: it shows when the device was worn.
            for signal in sorted(signals, key=lambda name: (name != "heart_rate", name)):
                cover = _Cover(patient, signal)
                written[signal] = []
                for month, samples in spill.months(patient, signal):
                    solved = resolve(samples, spill.rows[patient, signal])
                    inside = ~pl.col("context") & (pl.col("month") == month)
                    for (reason,), rows in solved.left_out.filter(inside).group_by("reason"):
                        tally.leave_out(rows, str(reason), formats)
                    kept = solved.samples.filter(inside)
                    shortened += int(kept["shortened"].sum())
                    if signal == "heart_rate":
                        non_wear.take(kept)
                    elif SIGNALS[signal].aggregation == "sum":
                        idle = non_wear.idle(kept)
                        tally.leave_out(kept.filter(idle), _ZERO_NOT_WORN, formats)
                        kept = kept.filter(~idle)
                    if len(kept):
                        frame = _final(kept)
                        cover.take(frame)
                        part = spill.folder(patient, signal) / f"{month}.done"
                        frame.write_ipc(part)
                        written[signal].append(part)
                if cover.rows:
                    coverage.append(cover.finished())
            self.parts += [part for signal in signals for part in written[signal]]
            pauses.append(non_wear.frame().select(pl.lit(patient).alias("patient_id"), pl.all()))
        self.non_wear = pl.concat(pauses)
        hours = float((self.non_wear["end"] - self.non_wear["start"]).dt.total_seconds().sum()) / 3_600
        self.summary = WearableSummary(
            format=formats,
            rows_read=tally.rows_read,
            rows_kept=sum(entry.rows for entry in coverage),
            coverage=tuple(sorted(coverage, key=lambda entry: (entry.patient_id, entry.signal))),
            left_out=tuple(tally.left_out_rows()),
            shortened=shortened,
            unread=dict(sorted(tally.unread.items())),
            non_wear_hours=round(hours, 1),
        )


class _Source:
    """Finds out what a path holds."""

    def __init__(self, path: Path, settings: Settings, tally: Tally, progress: Progress) -> None:
        self.path, self.format = path, ""
        self._settings, self._tally, self._progress = settings, tally, progress

    def batches(self) -> Iterator[Batch]:
        path = self.path
        if not path.exists():
            raise NotFoundError(f"{path.name} does not exist: check the path")
        try:
            if path.is_dir():
                yield from self._folder()
            elif path.suffix.lower() == ".zip":
                yield from self._archive()
            else:
                yield from self._file(path)
        except (OSError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or "it is damaged"
            raise DataProcessingError(f"{path.name} cannot be read: {reason}") from error

    def _file(self, path: Path) -> Iterator[Batch]:
        suffix, size = path.suffix.lower(), path.stat().st_size
        if suffix == ".xml":
            self._add_format("Apple Health")
            yield from apple_health.batches(path, self._tally, self._progress)
            return
        if suffix == ".fit":
            from novamind.records.wearables import garmin

            self._add_format("Garmin FIT")
            yield from garmin.batches(path, self._tally)
        elif suffix in _TABLES:
            self._add_format("long table")
            yield from long_table.batches(path, self._settings)
        elif suffix in (".json", ".ndjson", ".jsonl"):
            yield from self._document(path.name, read_bytes(path, self._settings.max_file_bytes))
        else:
            raise ValidationError(
                f"{path.name}: give export.xml or its .zip (Apple Health), .json (Fitbit, Oura, Open mHealth), "
                ".fit (Garmin), or a long table in .csv or .parquet"
            )
        self._progress(size, size)

    def _document(self, name: str, data: bytes, *, alone: bool = True) -> Iterator[Batch]:
        document = parsed(data, name)
        if fitbit.recognised(name, document):
            self._add_format("Fitbit")
            yield from fitbit.json_batches(name, document, self._tally)
        elif oura.recognised(document):
            self._add_format("Oura")
            yield from oura.json_batches(name, document, self._tally)
        elif open_mhealth.recognised(document):
            self._add_format("Open mHealth")
            yield from open_mhealth.json_batches(name, document, self._tally)
        elif alone:
            raise ValidationError(f"{name}: is not a JSON export of Fitbit, Oura or Open mHealth that is known here")
        else:
            self._tally.not_read("JSON file of another kind")

    def _archive(self) -> Iterator[Batch]:
        with zipfile.ZipFile(self.path) as archive:
            if apple_health.export_member(archive) is not None:
                self._add_format("Apple Health")
                yield from apple_health.batches(self.path, self._tally, self._progress)
                return
            members = [member for member in archive.infolist() if not member.is_dir()]
            total, done = sum(member.file_size for member in members), 0
            for member in sorted(members, key=lambda info: info.filename):
                limit = self._settings.max_file_bytes
                if member.file_size > limit:
                    raise ValidationError(
                        f"{member.filename} in {self.path.name} is larger than the limit: raise NOVAMIND_MAX_FILE_BYTES"
                    )
                with archive.open(member) as stream:
                    data = stream.read(limit + 1)
                yield from self._member(member.filename, data)
                done += member.file_size
                self._progress(done, total)

    def _folder(self) -> Iterator[Batch]:
        files = sorted(file for file in self.path.rglob("*") if file.is_file())
        if any(file.name == "export.xml" for file in files):
            yield from self._file(next(file for file in files if file.name == "export.xml"))
            return
        total, done = sum(file.stat().st_size for file in files), 0
        for file in files:
            if file.suffix.lower() == ".fit":
                yield from self._file(file)
            else:
                yield from self._member(
                    str(file.relative_to(self.path)), read_bytes(file, self._settings.max_file_bytes)
                )
            done += file.stat().st_size
            self._progress(done, total)

    def _member(self, name: str, data: bytes) -> Iterator[Batch]:
        suffix = Path(name).suffix.lower()
        if suffix == ".csv":
            unread_before = len(self._tally.unread)
            yield from fitbit.table_batches(name, data, self._tally)
            if len(self._tally.unread) == unread_before:
                self._add_format("Fitbit")
        elif suffix in (".json", ".ndjson", ".jsonl"):
            yield from self._document(name, data, alone=False)
        else:
            self._tally.not_read("file of another kind")

    def _add_format(self, name: str) -> None:
        if name not in self.format:
            self.format = f"{self.format}, {name}" if self.format else name


class _Spill:
    """Rows on disk by person, signal and local month."""

    def __init__(self, root: Path, patient_id: str) -> None:
        self.rows: dict[tuple[str, str], dict[str, int]] = {}
        self._root, self._patient_id = root, patient_id
        self._samples: list[pl.DataFrame] = []
        self._number = 0
        self._folders: dict[tuple[str, str], Path] = {}
        self._offsets: set[bool] = set()

    def take(self, samples: pl.DataFrame) -> None:
        if not len(samples):
            return
        self._offsets |= set(samples["offset"].is_not_null().unique())
        if len(self._offsets) > 1:
            raise ValidationError(
                "some times of the export have a timezone and some have none: give the timezone the person lives by, "
                "e.g. Europe/Berlin"
            )
        self._samples.append(samples)
        if sum(map(len, self._samples)) >= _SPILL_ROWS:
            self.flush()

    def flush(self) -> None:
        if not self._samples:
            return
        frame = pl.concat(self._samples).with_columns(pl.col("patient_id").fill_null(self._patient_id))
        self._samples = []
        for patient, signal, source, count in (
            frame.group_by("patient_id", "signal", "source").agg(pl.len()).iter_rows()
        ):
            sources = self.rows.setdefault((patient, signal), {})
            sources[source] = sources.get(source, 0) + count
        local = pl.duration(seconds=pl.col("offset").fill_null(0))
        start, end = pl.col("start") + local, pl.col("end") + local
        frame = frame.with_columns(_month(start).alias("month"), pl.lit(value=False).alias("context"))
        before = frame.with_columns(_month(start - LONGEST).alias("other"))
        after = frame.with_columns(_month(end + LONGEST).alias("other"))
        context = [
            side.filter(pl.col("other") != pl.col("month"))
            .with_columns(month="other", context=pl.lit(value=True))
            .drop("other")
            for side in (before, after)
        ]
        self._number += 1
        for (patient, signal, month), part in pl.concat([frame, *context]).group_by("patient_id", "signal", "month"):
            part.write_ipc(self.folder(str(patient), str(signal)) / f"{month}-{self._number}.rows")

    def months(self, patient: str, signal: str) -> Iterator[tuple[int, pl.DataFrame]]:
        folder = self.folder(patient, signal)
        files: dict[int, list[Path]] = {}
        for file in sorted(folder.glob("*.rows")):
            files.setdefault(int(file.name.split("-")[0]), []).append(file)
        for month in sorted(files):
            frame = pl.concat([pl.read_ipc(file) for file in files[month]])
            if not frame["context"].all():
                yield month, frame

    def folder(self, patient: str, signal: str) -> Path:
        key = (patient, signal)
        if key not in self._folders:
            self._folders[key] = self._root / str(len(self._folders))
            self._folders[key].mkdir()
        return self._folders[key]


def _month(local: pl.Expr) -> pl.Expr:
    return local.dt.year().cast(pl.Int32) * 12 + local.dt.month()


def _final(samples: pl.DataFrame) -> pl.DataFrame:
    local = pl.duration(seconds=pl.col("offset").fill_null(0))
    return samples.select(
        "patient_id",
        (pl.col("start") + local).alias("timestamp"),
        "signal",
        "value",
        pl.lit(SIGNALS[samples["signal"][0]].unit).alias("unit"),
        (pl.col("end") + local).alias("end"),
        (pl.col("offset") // 60).cast(pl.Int16).alias("utc_offset_minutes"),
        "source",
        "device",
    )


class _Cover:
    """Counts one signal's coverage; a local day lies in one month, so months add up."""

    def __init__(self, patient: str, signal: str) -> None:
        self.rows = 0
        self._patient, self._signal = patient, signal
        self._days = self._hours = 0
        self._first: Any = None
        self._last: Any = None
        self._sources: set[str] = set()

    def take(self, frame: pl.DataFrame) -> None:
        days = frame["timestamp"].dt.date()
        self.rows += len(frame)
        self._days += days.n_unique()
        offset = pl.col("utc_offset_minutes").fill_null(0)
        self._hours += frame.select(
            (pl.col("timestamp") - pl.duration(minutes=offset)).dt.truncate("1h").n_unique()
        ).item()
        self._first = days.min() if self._first is None else min(self._first, days.min())
        self._last = days.max() if self._last is None else max(self._last, days.max())
        self._sources |= set(frame["source"].unique())

    def finished(self) -> SignalCoverage:
        days = (self._last - self._first).days + 1
        return SignalCoverage(
            self._patient,
            self._signal,
            SIGNALS[self._signal].unit,
            self.rows,
            self._first.isoformat(),
            self._last.isoformat(),
            days,
            self._days,
            self._hours,
            round(min(self._hours / (24 * days), 1.0), 4),
            tuple(sorted(self._sources)),
        )
