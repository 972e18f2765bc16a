"""Samples out of tables: rows with a time, columns with a measure each.

Cells are text. A cell that is empty says that nothing was measured, which is counted; other text that is no number is
left out under its own reason. Columns that are not read are counted by name.
"""

import codecs
import csv
import io
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from novamind.errors import ValidationError
from novamind.records.wearables.json_files import moments
from novamind.records.wearables.samples import Batch, Clock, Tally, frame_of

_BEYOND = "cells beyond the headings"
_LONGEST_HEADING = 60
#: More rows than these, and than this share, do not fit the headings by accident.
_MOST_MISFITS, _MOST_SHARE = 3, 0.1
#: How makers write that a cell has no value, in lower case.
_EMPTY = ("", "--", "-", "nan", "null", "none", "n/a", "no data")


def text_of(data: bytes) -> str:
    """Return a text file's content: UTF-16 with its mark, UTF-8, or else Windows-1252.

    Windows programs of actigraphs write the last one; digits and English headings are the same in it as in UTF-8.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def table_of(
    text: str,
    file: str,
    tally: Tally,
    *,
    separator: str = ",",
    skip_lines: int = 0,
    headings: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return a table's cells as text, with ``row`` counted from 1.

    A few rows that do not fit the headings are left out and named; many mean that the table is another one.

    Parameters
    ----------
    skip_lines
        Lines before the headings.
    headings
        Names of the columns, where the table has none of its own.

    Raises
    ------
    ValidationError
        The text is no table with headings.
    """
    lines = text.splitlines(keepends=True)[skip_lines:]
    if headings is None:
        reader = csv.reader(lines, delimiter=separator)
        headings = next(reader, [])
        lines = lines[reader.line_num :]
    names = _unique([heading.strip() for heading in headings])
    if not any(heading.strip() for heading in headings):
        raise ValidationError(f"{file}: has no headings: export it again")
    numbered = separator.join(str(number) for number in range(len(names) + 1))
    try:
        table = pl.read_csv(
            io.BytesIO("".join([numbered, "\n", *lines]).encode()), infer_schema=False, separator=separator
        ).fill_null("")
        table.columns = [*names, _BEYOND]
        fits = bool((table[_BEYOND].str.strip_chars() == "").all())
    except pl.exceptions.PolarsError:
        fits = False
    if fits:
        return table.drop(_BEYOND).with_row_index("row", offset=1).with_columns(pl.col("row").cast(pl.Int64))
    return _fitting_rows(lines, names, separator, file, tally)


def _fitting_rows(lines: list[str], names: list[str], separator: str, file: str, tally: Tally) -> pl.DataFrame:
    """Return the lines that are rows of the table, each read by itself, so that a quote that stays open ends there."""
    rows: list[tuple[int | str, ...]] = []
    misfits: list[int] = []
    for number, line in enumerate(lines, start=1):
        cells = next(csv.reader([line], delimiter=separator), [])
        if line.count('"') % 2 or any(cell.strip() for cell in cells[len(names) :]):
            misfits.append(number)
        else:
            rows.append((number, *cells[: len(names)], *[""] * (len(names) - len(cells))))
    if len(misfits) > max(_MOST_MISFITS, _MOST_SHARE * len(lines)) or not rows:
        raise ValidationError(f"{file}: its rows do not fit its headings: export it again")
    more = f" and {len(misfits) - 1:,} more" if len(misfits) > 1 else ""
    tally.skip_file(file, f"row {misfits[0]:,}{more} left out: the cells do not fit the headings")
    return pl.DataFrame(rows, schema={"row": pl.Int64, **dict.fromkeys(names, pl.String)}, orient="row")


def _unique(names: list[str]) -> list[str]:
    """Return the names, a repeated or empty one with its number."""
    seen: dict[str, int] = {}
    unique = []
    for number, name in enumerate(names, start=1):
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if name and seen[name] == 1 else f"{name or 'column'} {number}")
    return unique


def number_of(column: str) -> pl.Expr:
    """Return a column's text as numbers; what is no number is null."""
    return pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)


def timed(
    table: pl.DataFrame, start: pl.Series, end: pl.Series | None = None, offset: pl.Series | None = None
) -> pl.DataFrame:
    """Return a table with ``start``, ``end`` and ``offset`` from ISO 8601 texts.

    The text's own offset counts; where it has none, the times are as written and ``offset`` (seconds ahead of UTC)
    only says where the clock stood.
    """
    begins = moments(start.to_list())
    ends = begins if end is None else moments(end.to_list())
    return table.with_columns(
        begins["instant"].alias("start"),
        ends["instant"].fill_null(begins["instant"]).alias("end"),
        (begins["offset"] if offset is None else begins["offset"].fill_null(offset)).alias("offset"),
    )


@dataclass(slots=True)
class Columns:
    """Collects samples from tables with ``row``, ``start``, ``end`` and ``offset``.

    Columns ``source`` and ``device`` go before the values given here.
    """

    file: str
    source: str
    tally: Tally
    device: str = "wearable"
    _parts: list[pl.DataFrame] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)

    def add(self, table: pl.DataFrame, column: str, signal: str, unit: str, *, zero_is_missing: bool = False) -> None:
        """Add a column of values, if the table has it.

        ``zero_is_missing``: the maker writes zero, or less, where nothing could be measured.
        """
        if column not in table.columns:
            return
        self._used.add(column)
        empty = pl.col(column).str.strip_chars().str.to_lowercase().is_in(_EMPTY)
        if zero_is_missing:
            empty |= (number_of(column) <= 0).fill_null(value=False)
        missing = table.filter(empty)
        if len(missing):
            self.tally.no_value(signal, int(missing["row"][0]), self.file, len(missing))
        self._take(table.filter(~empty), signal, unit, number_of(column))

    def add_all(
        self, table: pl.DataFrame, measures: Mapping[str, tuple[str, str]], *, zero_is_missing: bool = False
    ) -> None:
        """Add each column that is there: ``{column: (signal, unit)}``."""
        for column, (signal, unit) in measures.items():
            self.add(table, column, signal, unit, zero_is_missing=zero_is_missing)

    def add_values(self, table: pl.DataFrame, value: pl.Expr, signal: str, unit: str) -> None:
        """Add one computed value a row; rows without one are counted."""
        rows = table.with_columns(value.alias("computed value"))
        missing = rows.filter(pl.col("computed value").is_null())
        if len(missing):
            self.tally.no_value(signal, int(missing["row"][0]), self.file, len(missing))
        self._take(rows.filter(pl.col("computed value").is_not_null()), signal, unit, pl.col("computed value"))

    def add_spans(self, table: pl.DataFrame, *signals: str) -> None:
        """Add rows that last from ``start`` to ``end``: their length is the value."""
        for signal in signals:
            self._take(table, signal, "min", pl.lit(0.0))

    def ignore(self, column: str) -> None:
        """Take a column as read: its values came in otherwise."""
        self._used.add(column)

    def name_the_rest(self, table: pl.DataFrame, passed: Container[str]) -> None:
        """Count the filled cells of columns that hold no signal, but for those that describe the row."""
        for name in table.columns:
            if name not in self._used and name not in passed and table.schema[name] == pl.String:
                filled = int((~table[name].str.strip_chars().str.to_lowercase().is_in(_EMPTY)).sum())
                if filled:
                    self.tally.not_read(f"{self.source} {name[:_LONGEST_HEADING]}", filled)

    def batches(self, without_offset: Clock) -> Iterator[Batch]:
        """Return the samples: those whose offset is known, and the others, on the clock that they are written on."""
        if not self._parts:
            return
        samples = pl.concat(self._parts)
        has_offset = samples["offset"].is_not_null()
        if has_offset.any():
            yield Batch(samples.filter(has_offset), "offset", self.file)
        if not has_offset.all():
            yield Batch(samples.filter(~has_offset), without_offset, self.file)

    def _take(self, rows: pl.DataFrame, signal: str, unit: str, value: pl.Expr) -> None:
        if not len(rows):
            return
        columns = rows.select("row", "start", "end", "offset", value.cast(pl.Float64).alias("value"))

        def constant(text: str) -> pl.Series:
            return pl.repeat(text, len(rows), dtype=pl.String, eager=True)

        self._parts.append(
            frame_of(
                {
                    **columns.to_dict(),
                    "signal": constant(signal),
                    "unit": constant(unit),
                    "source": rows["source"] if "source" in rows.columns else constant(self.source),
                    "patient_id": rows["patient_id"] if "patient_id" in rows.columns else None,
                    "device": rows["device"] if "device" in rows.columns else constant(self.device),
                }
            )
        )
