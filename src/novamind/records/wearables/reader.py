"""From an export to one long frame: every file read, every row checked, every minute counted once, the rest named."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from novamind.errors import DataProcessingError, InsufficientDataError, ValidationError
from novamind.records.signals import SIGNALS
from novamind.records.wearables.coverage import CoverageCount
from novamind.records.wearables.files import Export
from novamind.records.wearables.formats import batches
from novamind.records.wearables.nights import OTHER_SOURCE, Nights, is_sleep
from novamind.records.wearables.non_wear import NonWear
from novamind.records.wearables.overlaps import resolve
from novamind.records.wearables.persons import Persons
from novamind.records.wearables.results import WearableRecord, WearableSummary
from novamind.records.wearables.samples import Tally, valid_rows
from novamind.records.wearables.spill import SealedFolder, Spill
from novamind.settings import Settings
from novamind.timeline import parse_timezone

Progress = Callable[[int, int], None]

#: The columns of every frame: ``timestamp`` and ``end`` on the wall clock, which was ahead of UTC by the offset.
COLUMNS = (
    "patient_id", "timestamp", "signal", "value", "unit", "end", "utc_offset_minutes", "source", "device",
)  # fmt: skip
_ZERO_NOT_WORN = "zero while the device was not worn"


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
        A file, a folder or a ``.zip`` of the makers in :data:`novamind.records.wearables.formats.MAKERS`, or a long
        table in CSV or Parquet. A folder or archive may hold archives and files of several makers.
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
        The file is missing; breaks a rule of its format; holds no sample that can be used; cannot be read. In a folder
        or archive, a file of which the last two are true is named in ``summary.files_left_out`` instead.
    """
    with _resolved(path, patient_id, timezone, settings, now, progress) as done:
        frame = pl.concat([done.disk.read(part) for part in done.parts])
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
            _lazy(done.disk, done.parts).sink_parquet(unfinished)
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
    disk: SealedFolder = field(init=False)
    _folder: str = ""

    def __enter__(self) -> "_resolved":
        zone = None if self.timezone is None else parse_timezone(self.timezone)
        latest = (self.now or datetime.now(UTC)).replace(tzinfo=None) + timedelta(days=1)
        tally = Tally()
        self._folder = tempfile.mkdtemp(prefix="novamind-")
        try:
            self.disk = SealedFolder(Path(self._folder))
            spill, formats = Spill(self.disk, self.patient_id), []
            limit = (self.settings or Settings()).max_file_bytes
            with Export(Path(self.path), limit, tally) as export:
                persons = Persons(file.path for file in export.files)
                for maker, batch in batches(export, tally, zone, self.progress):
                    formats += [maker] if maker not in formats else []
                    rows = valid_rows(batch, zone, latest, tally)
                    persons.take(batch.file, rows)
                    spill.take(rows)
            persons.refuse_two()
            spill.flush()
            if not spill.rows:
                reasons = [*sorted({entry["reason"] for entry in tally.left_out_rows()}), *sorted(tally.skipped)]
                more = f" and {len(reasons) - 3} more reasons" if len(reasons) > 3 else ""
                why = f" ({'; '.join(reasons[:3])}{more})" if reasons else ""
                raise InsufficientDataError(f"{Path(self.path).name}: holds no sample that can be used{why}")
            self._resolve(spill, tally, ", ".join(formats))
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder)

    def _resolve(self, spill: Spill, tally: Tally, formats: str) -> None:
        coverage, shortened, pauses = [], 0, []
        for patient in sorted({patient for patient, _ in spill.rows}):
            non_wear = NonWear()
            signals = sorted(signal for owner, signal in spill.rows if owner == patient)
            nights = self._nights(spill, patient, [signal for signal in signals if is_sleep(signal)])
            written: dict[str, list[Path]] = {}
            # Heart rate first: it shows when the device was worn.
            for signal in sorted(signals, key=lambda name: (name != "heart_rate", name)):
                cover = CoverageCount(patient, signal)
                written[signal] = []
                for month, samples in spill.months(patient, signal):
                    inside = ~pl.col("context") & (pl.col("month") == month)
                    if nights is not None and is_sleep(signal):
                        chosen = nights.chosen(samples)
                        tally.leave_out(samples.filter(~chosen).filter(inside), OTHER_SOURCE, formats)
                        samples = samples.filter(chosen)
                        if not len(samples):
                            continue
                    solved = resolve(samples, spill.rows[patient, signal])
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
                        self.disk.write(frame, part)
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
            files_read=tally.files_read,
            files_left_out={reason: tuple(paths) for reason, paths in sorted(tally.skipped.items())},
            before_2000=tally.old,
        )

    @staticmethod
    def _nights(spill: Spill, patient: str, signals: list[str]) -> Nights | None:
        columns = ("signal", "start", "end", "source", "device")
        rows = [
            samples.filter(~pl.col("context")).select(columns)
            for signal in signals
            for _, samples in spill.months(patient, signal)
        ]
        return Nights(pl.concat(rows)) if rows else None


def _lazy(disk: SealedFolder, parts: list[Path]) -> pl.LazyFrame:
    """Return the parts as one frame that is read part by part."""

    def frames(
        columns: list[str] | None, predicate: pl.Expr | None, _rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        for part in parts:
            frame = disk.read(part)
            frame = frame if columns is None else frame.select(columns)
            yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(frames, schema=disk.read(parts[0]).schema)


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
