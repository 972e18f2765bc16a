"""ActiGraph: tables of epochs that ActiLife writes (``...60sec.csv``), with or without headings and times.

- Ten lines about the recording stand first. Times are the device's clock, also where a ``TimeStamp`` ends in ``Z``: it
  equals the ``Start Time`` beside it.
- The form that the first line states for dates need not be theirs: :mod:`.device_dates`. A start behind the download
  would be a wrong reading, too.
- Without headings, the columns follow from the recording's mode, a sum of: 1 steps, 2 heart rate, 4 second axis,
  8 third axis, 16 light, 32 inclinometer (ActiLife's manual, "Mode").
- Counts add up over epochs; how much a person moved is comparable between recordings of the same device and filter.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, table_of, text_of
from novamind.records.wearables.device_dates import day_first, parse_clock, parse_moment, parse_moments
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch

MAKER = "ActiGraph"

_FIRST_LINE = re.compile(r"-+ Data (?:Table )?File Created By ActiGraph", re.IGNORECASE)
_OTHER_SUFFIXES = (".agd", ".gt3x", ".gt9x", ".dat")
_DATE_FORM = re.compile(r"date format (\S+)", re.IGNORECASE)
_MEASURES = {
    "axis1": ("activity_counts", "count"),
    "axis2": ("activity_counts_axis2", "count"),
    "axis3": ("activity_counts_axis3", "count"),
    "activity": ("activity_counts", "count"),
    "steps": ("steps", "count"),
    "lux": ("illuminance", "lx"),
    "hr": ("heart_rate", "bpm"),
}
_STEPS, _HEART_RATE, _AXIS2, _AXIS3, _LIGHT, _INCLINOMETER = 1, 2, 4, 8, 16, 32
_TIMES = ("timestamp", "date", "time", "epoch")


def recognised(file: ExportFile) -> bool:
    """Return whether a file was written by ActiLife."""
    return file.suffix in _OTHER_SUFFIXES[:-1] or (
        file.suffix in (".csv", ".txt", ".dat") and bool(_FIRST_LINE.match(file.head_text.lstrip(' "')))
    )


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one table.

    Raises
    ------
    ValidationError
        It holds no epochs, or its times or columns cannot be told for certain.
    """
    if file.suffix in _OTHER_SUFFIXES:
        raise ValidationError(f"{file.path}: export its epochs from ActiLife, as a table in .csv with headings")
    text = text_of(file.read())
    header = _Header(text, file.path)
    table = table_of(
        text, file.path, context.tally,
        separator=header.separator, skip_lines=header.lines, headings=header.headings,
    )  # fmt: skip
    table = table.rename({name: name.lower().replace(" ", "") for name in table.columns})
    columns = Columns(file.path, MAKER, context.tally)
    rows = _timed(table, header, file.path)
    columns.add_all(rows, _MEASURES)
    columns.name_the_rest(table, _TIMES)
    yield from columns.batches("local")


class _Header:
    """The lines before the table."""

    def __init__(self, text: str, file: str) -> None:
        lines = [line.strip(' ",;') for line in text.splitlines()[:30]]
        ends = [number for number, line in enumerate(lines) if number and line and not line.strip("-")]
        if not ends:
            raise ValidationError(f"{file}: its heading is cut off: export it again from ActiLife")
        self.lines = ends[0] + 1
        above = "\n".join(lines[: self.lines])
        first_row = text.splitlines()[self.lines] if len(text.splitlines()) > self.lines else ""
        self.separator = ";" if first_row.count(";") > first_row.count(",") else ","
        form = _DATE_FORM.search(lines[0])
        self.date_form = form[1] if form else None
        self.start_day, self.download_day = (_value(above, f"{what} Date") for what in ("Start", "Download"))
        self.start_clock, self.download_clock = (_value(above, f"{what} Time") for what in ("Start", "Download"))
        period = parse_clock(_value(above, r"Epoch Period \(hh:mm:ss\)") or "")
        self.epoch = timedelta(0) if period is None else period - datetime(1900, 1, 1)  # noqa: DTZ001
        if not self.epoch:
            raise ValidationError(f"{file}: holds no epochs but raw acceleration: export epochs from ActiLife")
        mode = re.search(r"Mode\s*=\s*(\d+)", above)
        cells = [cell.strip(' "') for cell in first_row.split(self.separator)]
        self.headings = (
            None
            if any(re.search("[a-z]", cell, re.IGNORECASE) for cell in cells[-3:])
            else _headings(None if mode is None else int(mode[1]), len(cells), file)
        )


def _value(above: str, name: str) -> str | None:
    match = re.search(rf"^{name}\s+(.+)$", above, re.MULTILINE | re.IGNORECASE)
    return match[1].strip() if match else None


def _headings(mode: int | None, width: int, file: str) -> list[str]:
    if mode is None or mode & _HEART_RATE:
        raise ValidationError(f"{file}: its columns have no headings: export it from ActiLife with headings")
    names = [
        "axis1",
        *(["axis2"] if mode & _AXIS2 else []),
        *(["axis3"] if mode & _AXIS3 else []),
        *(["steps"] if mode & _STEPS else []),
        *(["lux"] if mode & _LIGHT else []),
        *(
            [f"inclinometer {position}" for position in ("off", "standing", "sitting", "lying")]
            if mode & _INCLINOMETER
            else []
        ),
    ]
    if width < len(names):
        raise ValidationError(f"{file}: has fewer columns than its mode says: export it from ActiLife with headings")
    return [*names, *(f"empty {number}" for number in range(width - len(names)))]


def _timed(table: pl.DataFrame, header: _Header, file: str) -> pl.DataFrame:
    """Return the rows with their start and end on the device's clock."""
    if "timestamp" in table.columns:
        clock = pl.col("timestamp").str.strip_chars().str.strip_chars_end("Zz").str.replace("T", " ")
        start = clock.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    elif {"date", "time"} <= set(table.columns):
        leads = _order(header, len(table), file, table["date"].unique().to_list())
        start = pl.lit(parse_moments(table["date"], table["time"], day_leads=leads))
    else:
        first = parse_moment(header.start_day, header.start_clock, day_leads=_order(header, len(table), file, []))
        if first is None:
            raise ValidationError(f"{file}: its start cannot be read: export it from ActiLife with times")
        start = pl.lit(first) + (pl.col("row") - 1) * header.epoch
    return table.with_columns(
        start.cast(pl.Datetime("us")).alias("start"), pl.lit(None, pl.Int32).alias("offset")
    ).with_columns((pl.col("start") + header.epoch).alias("end"))


def _order(header: _Header, epochs: int, file: str, days: list[str]) -> bool:
    """Return whether the day stands before the month: the recording ends before it is downloaded."""
    fits = []
    for leads in (False, True):
        start = parse_moment(header.start_day, header.start_clock, day_leads=leads)
        download = parse_moment(header.download_day, header.download_clock, day_leads=leads)
        if start and download and start + epochs * header.epoch <= download + timedelta(days=1):
            fits.append(leads)
    texts = [text for text in (header.start_day, header.download_day, *days) if text]
    try:
        return day_first(texts, file)
    except ValidationError:
        return fits[0] if len(fits) == 1 else day_first(texts, file, header.date_form)
