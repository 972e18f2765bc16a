"""Philips actigraphs: Actiware's export (Actiwatch), ``.awd``, and Actical's export.

- Actiware and Actical write sections with a table each, in the program's language; English, German, French and Dutch
  headings of the epochs are known, and English and Dutch kinds of interval.
- Times are the device's clock. Day and month: :mod:`.device_dates`. Numbers may have a decimal comma.
- A rest interval is the time in bed, and its sleep time the night's; latency and efficiency stand in the sleep interval
  inside. Where an export has one kind of interval alone, that one gives all. Rows that sum intervals up (n, minimum,
  mean ...) are no nights.
- Counts of epochs while the watch was off the wrist are no measurement.
- ``.awd``: seven lines (identity, day, time, epoch in quarters of a minute, age, serial number, sex), then counts.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, text_of
from novamind.records.wearables.device_dates import day_first, parse_moment, parse_moments
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.samples import Batch

MAKER = "Philips"

_INTERVALS = ("Interval Type", "Intervaltype")
_REST, _SLEEP = ("REST", "RUST"), ("SLEEP", "SLAAP")
_OTHER_INTERVALS = ("ACTIVE", "ACTIEF", "DAILY", "DAGELIJKS", "EXCLUDED", "UITGEZONDERD", "FORCED", "CUSTOM")
_NIGHT = {
    "Sleep Time": "sleep_duration",
    "Slaaptijd": "sleep_duration",
    "Efficiency": "sleep_efficiency",
    "Efficiëntie": "sleep_efficiency",
    "Onset Latency": "sleep_latency",
    "Latentietijd": "sleep_latency",
}
_EPOCHS = {
    "Line": "line", "Zeile": "line", "Ligne": "line", "Lijn": "line",
    "Date": "date", "Datum": "date",
    "Time": "time", "Zeit": "time", "Heure": "time", "Tijd": "time",
    "Off-Wrist Status": "off wrist", "Status niet-om-pols": "off wrist", "Status „Nicht am Handgelenk“": "off wrist",
    "Activity": "activity", "Aktivität": "activity", "Activité": "activity", "Activiteit": "activity",
    "Activity Counts": "activity", "Steps": "steps",
    "Marker": "marker", "Markierung": "marker", "Marqueur": "marker", "Markering": "marker",
    "White Light": "light", "Weißes Licht": "light", "Lumière blanche": "light", "Wit licht": "light",
}  # fmt: skip
_MEASURES = {
    "activity": ("activity_counts", "count"),
    "steps": ("steps", "count"),
    "light": ("illuminance", "lx"),
}
_AWD_LINES = 7
_QUARTER_SECONDS = 15


def recognised(file: ExportFile) -> bool:
    """Return whether a file was written by Actiware or Actical, or is an ``.awd``."""
    if file.suffix in (".awd", ".mtn"):
        return True
    text = file.head_text
    program = "Actiware" in text.partition("\n")[0] or "Actical" in text[:2_000]
    return file.suffix in (".csv", ".txt") and (program or "- epoch-by-epoch data -" in text.lower())


def batches(file: ExportFile, context: Context) -> Iterator[Batch]:
    """Return samples of one export.

    Raises
    ------
    ValidationError
        It has no intervals and no epochs that can be read, or its dates can be read in two ways.
    """
    columns = Columns(file.path, MAKER, context.tally)
    if file.suffix == ".mtn":
        raise ValidationError(f"{file.path}: export its epochs from MotionWare as a table in .csv")
    text = text_of(file.read())
    if file.suffix == ".awd":
        _awd(text, columns)
    else:
        _sections(text, columns)
    yield from columns.batches("local")


def _sections(text: str, columns: Columns) -> None:
    lines = text.splitlines()
    separator = ";" if text[:20_000].count(";") > text[:20_000].count(",") else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    intervals = _table(rows, lambda row: row[0] in _INTERVALS)
    epochs = _table(rows, lambda row: {"line", "date", "time", "activity"} <= {_EPOCHS.get(cell) for cell in row})
    epochs = epochs or _table(
        _joined_headings(rows), lambda row: {"date", "time", "activity"} <= {_EPOCHS.get(c) for c in row}
    )
    if not intervals and not epochs:
        raise ValidationError(f"{columns.file}: its headings are in a language that is not known: export it in English")
    days = [row[place] for row in intervals[1:] if len(row) > 8 for place in (2, 5)]
    heading = [_EPOCHS.get(cell, cell) for cell in epochs[0]] if epochs else []
    days += [row[heading.index("date")] for row in epochs[1:]] if epochs else []
    leads = day_first(sorted(set(days)), columns.file)
    _nights(intervals, leads, columns)
    if epochs:
        _epochs(heading, epochs[1:], leads, columns)


def _table(rows: Sequence[list[str]], is_heading: Callable[[list[str]], bool]) -> list[list[str]]:
    """Return a heading and the rows below it, to the next line of dashes."""
    start = next((number for number, row in enumerate(rows) if row and is_heading(row)), None)
    if start is None:
        return []
    table = [rows[start]]
    for row in rows[start + 1 :]:
        if row and row[0].startswith("-----"):
            break
        if any(row):
            table.append(row)
    return table


def _joined_headings(rows: list[list[str]]) -> list[list[str]]:
    """Return Actical's epochs; their headings stand in several lines, as ``Activity`` above ``Counts``."""
    section = next((n for n, row in enumerate(rows) if row and "epoch-by-epoch" in row[0].lower()), len(rows))
    below = rows[section:]
    first = next((n for n, row in enumerate(below) if len(row) > 3 and row[0] in ("0", "1")), None)
    if first is None:
        return []
    end = first
    while end and not any(below[end - 1]):
        end -= 1
    start = end
    while start and any(below[start - 1]) and not below[start - 1][0].startswith("--"):
        start -= 1
    parts = [row + [""] * (len(below[first]) - len(row)) for row in below[start:end]]
    return [[" ".join(filter(None, cells)) for cells in zip(*parts, strict=False)], *below[first:]]


def _nights(table: list[list[str]], leads: bool, columns: Columns) -> None:
    if not table:
        return
    names = {place: _NIGHT[name] for place, name in enumerate(table[0]) if name in _NIGHT}
    numbered = [(n, row) for n, row in enumerate(table[1:], start=1) if len(row) > 8 and row[1].isdigit()]
    if len(table) - 1 > len(numbered):
        columns.tally.not_read(f"{MAKER} row that sums intervals up", len(table) - 1 - len(numbered))
    kinds = {row[0].upper() for _, row in numbered}
    both = bool(kinds & set(_REST)) and bool(kinds & set(_SLEEP))
    records = []
    for number, row in numbered:
        kind = row[0].upper()
        if kind not in (*_REST, *_SLEEP):
            name = row[0].title() if kind in _OTHER_INTERVALS else "of an unknown kind"
            columns.tally.not_read(f"{MAKER} interval {name}")
            continue
        start, end = parse_moment(row[2], row[4], day_leads=leads), parse_moment(row[5], row[7], day_leads=leads)
        record: dict[str, object] = {"row": number, "rest": kind in _REST, "start": start, "end": end}
        for place, signal in names.items():
            if not both or (kind in _REST) == (signal == "sleep_duration"):
                record[signal] = row[place].replace(",", ".")
        records.append(record)
    if not records:
        return
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "row": pl.Int64,
        "rest": pl.Boolean,
        "start": pl.Datetime("us"),
        "end": pl.Datetime("us"),
        **dict.fromkeys(_NIGHT.values(), pl.String),
    }
    frame = pl.DataFrame(records, schema=schema).with_columns(pl.lit(None, pl.Int32).alias("offset"))
    columns.add_spans(frame.filter("rest"), "sleep_in_bed")
    for signal, unit in (("sleep_duration", "min"), ("sleep_efficiency", "%"), ("sleep_latency", "min")):
        columns.add(frame.filter(pl.col(signal).is_not_null()), signal, signal, unit)


def _epochs(heading: list[str], rows: list[list[str]], leads: bool, columns: Columns) -> None:
    width = len(heading)
    names = [name or f"column {place}" for place, name in enumerate(heading)]
    filled = [row[:width] + [""] * (width - len(row)) for row in rows]
    table = pl.DataFrame(filled, schema=dict.fromkeys(names, pl.String), orient="row").with_row_index("row", offset=1)
    table = table.with_columns(
        pl.col("row").cast(pl.Int64), pl.col("^.*$").exclude("row").str.replace(",", ".", literal=True)
    )
    start = parse_moments(table["date"], table["time"], day_leads=leads)
    table = table.with_columns(start.alias("start"), pl.lit(None, pl.Int32).alias("offset"))
    length = table["start"].diff().drop_nulls().mode().min()
    table = table.with_columns((pl.col("start") + (length or timedelta(0))).alias("end"))
    if "off wrist" in names:
        off = pl.col("off wrist").str.strip_chars() == "1"
        for name, (signal, _) in _MEASURES.items():
            unworn = table.filter(off) if name in names else table.clear()
            if len(unworn):
                columns.tally.no_value(signal, int(unworn["row"][0]), columns.file, len(unworn))
        table = table.filter(~off)
    columns.add_all(table, _MEASURES)
    if "marker" in names:
        pressed = table.filter(pl.col("marker").str.strip_chars() == "1")
        columns.add_values(pressed.with_columns(pl.col("start").alias("end")), pl.lit(1.0), "event_mark", "count")
    columns.name_the_rest(table, ("line", "date", "time", "off wrist", "marker"))


def _awd(text: str, columns: Columns) -> None:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    start = parse_moment(lines[1], lines[2], day_leads=False) if len(lines) > _AWD_LINES else None
    quarters = lines[3] if len(lines) > _AWD_LINES else ""
    if start is None or not re.fullmatch(r"\d{1,2}", quarters) or int(quarters) not in (1, 2, 4, 8, 20):
        raise ValidationError(
            f"{columns.file}: its day, time or epoch cannot be read: export it as a table from Actiware"
        )
    epoch = timedelta(seconds=_QUARTER_SECONDS * int(quarters))
    cells = [re.split(r"[\s,]+", line, maxsplit=1) for line in lines[_AWD_LINES:]]
    table = pl.DataFrame({"activity": [cell[0] for cell in cells]}).with_row_index("row", offset=1)
    table = table.with_columns(
        pl.col("row").cast(pl.Int64),
        (pl.lit(start) + (pl.col("row") - 1) * epoch).cast(pl.Datetime("us")).alias("start"),
        pl.lit(None, pl.Int32).alias("offset"),
    ).with_columns((pl.col("start") + epoch).alias("end"))
    columns.add(table, "activity", "activity_counts", "count")
    pressed = table.filter(pl.Series([line.rstrip().endswith("M") for line in lines[_AWD_LINES:]], dtype=pl.Boolean))
    columns.add_values(pressed.with_columns(pl.col("start").alias("end")), pl.lit(1.0), "event_mark", "count")
