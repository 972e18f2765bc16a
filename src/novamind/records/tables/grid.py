"""Tables as spreadsheets and study platforms write them: any file in, one grid of text cells out.

CSV with comma, semicolon, tab or bar (found from the first lines, or from Excel's ``sep=`` line) in UTF-8, in UTF-16
with its mark, or in a declared encoding; ``.xlsx``; Parquet. Lines above the header, empty rows, empty columns and a
numbered index are passed over and named in ``remarks``. Rows count from 1 below the header, as in the file.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl

from novamind.errors import ValidationError
from novamind.records.tables.files import parse_table
from novamind.records.tables.spreadsheet import cell_text, read_sheets
from novamind.records.tables.times import looks_like_times

_DELIMITERS: Final = (",", ";", "\t", "|")
_LINES_LOOKED_AT: Final = 60
_MOST_FILLED, _MOST_CELLS = 6_000_000, 40_000_000  # what fits into a gigabyte
_LITERAL: Final = re.compile(r'^="([^"]*)"$')  # how Excel is told to leave a text as it is
_LONGEST_HEADER: Final = 262_144  # characters; some ten thousand columns
_SHOWN: Final = 8
_EXPORT_INSTEAD: Final = {
    ".xls": "an old Excel file", ".xlsb": "a binary Excel file", ".ods": "an OpenDocument table",
    ".numbers": "a file of Numbers", ".sav": "an SPSS file", ".dta": "a Stata file", ".rds": "an R file",
    ".rdata": "an R file",
}  # fmt: skip

TABLE_SUFFIXES: Final = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells as text, stripped; ``None`` where a cell is empty.

    Attributes
    ----------
    columns
        Names, each once.
    cells
        One list a column.
    rows
        The number of each row as the file counts it, from 1 below the header.
    decimal_comma
        Whether cells with a comma are likely to be decimal numbers: the file is separated by something else.
    remarks
        What was passed over, in sentences.
    typed
        Whether numbers came as numbers, so that their point is decimal.
    """

    columns: tuple[str, ...]
    cells: tuple[list[str | None], ...]
    rows: tuple[int, ...]
    decimal_comma: bool
    remarks: tuple[str, ...] = ()
    typed: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[str | None]:
        return self.cells[self.columns.index(column)]

    def without_column(self, column: str, remark: str) -> "Grid":
        """Return the grid without a column, and a remark on why."""
        i = self.columns.index(column)
        columns, cells = ((*parts[:i], *parts[i + 1 :]) for parts in (self.columns, self.cells))
        return replace(self, columns=columns, cells=cells, remarks=(*self.remarks, remark))

    def renamed(self, columns: Sequence[str]) -> "Grid":
        """Return the grid with other names of its columns."""
        return replace(self, columns=tuple(columns))

    def without_rows(self, positions: Iterable[int]) -> "Grid":
        """Return the grid without the rows at some positions."""
        dropped = set(positions)
        kept = [i for i in range(len(self)) if i not in dropped]
        cells = tuple([column[i] for i in kept] for column in self.cells)
        return replace(self, cells=cells, rows=tuple(self.rows[i] for i in kept))


def is_table(name: str) -> bool:
    """Return whether a file's name ends like a table's, also one that has to be saved in another way first."""
    return name.lower().endswith((*TABLE_SUFFIXES, *_EXPORT_INSTEAD))


def read_grid(data: bytes, name: str, limit: int, encoding: str | None = None, sheet: str | None = None) -> Grid:
    """Return the grid in a file's content.

    Parameters
    ----------
    name
        The file's name; its ending decides between spreadsheet, Parquet and text.
    limit
        Largest number of bytes, also unpacked.
    encoding
        Name of the text's encoding, where it is neither UTF-8 nor marked UTF-16.
    sheet
        Which sheet of a spreadsheet; needed where several hold cells.

    Raises
    ------
    ValidationError
        The content is no readable table; the message says what to do.
    """
    suffix = Path(name).suffix.lower()
    if suffix in _EXPORT_INSTEAD:
        raise ValidationError(f"{name} is {_EXPORT_INSTEAD[suffix]}: save it as .xlsx or 'CSV UTF-8'")
    if len(data) > limit:
        raise ValidationError(f"{name} is larger than the limit of {limit / 2**20:,.0f} MiB: split it by patient")
    if suffix in (".parquet", ".pq"):
        table = parse_table(name, data, limit)
        return replace(
            _grid([list(table.columns), *_parquet_rows(table)], name, 0, (), decimal_comma=False), typed=True
        )
    if suffix in (".xlsx", ".xlsm") or data.startswith(b"PK\x03\x04"):
        lines, remarks = _chosen_sheet(data, name, limit, sheet)
        skipped = _lines_above(lines)
        return replace(_grid(lines, name, skipped, remarks, decimal_comma=True), typed=True)
    if sheet is not None:
        raise ValidationError(f"{name} is no spreadsheet: leave the sheet out")
    text = _decoded(data, name, encoding)
    delimiter, declared = _delimiter(text, name)
    lines = list(_text_rows(text, delimiter, name))
    skipped = declared + _lines_above(lines[declared:])
    return _grid(lines, name, skipped, (), decimal_comma=delimiter != ",")


def _decoded(data: bytes, name: str, encoding: str | None) -> str:
    marked = next((e for mark, e in _MARKS if data.startswith(mark)), None)
    try:
        chosen = encoding or marked or "utf-8"
        text = data.decode("utf-8-sig" if codecs.lookup(chosen).name == "utf-8" else chosen)
    except LookupError as error:
        raise ValidationError(f"{name}: no encoding of that name; give e.g. latin-1, cp1252 or utf-16") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValidationError(
            f"{name}: line {line} is not {chosen} text: declare the encoding, e.g. latin-1 or cp1252 for an old export "
            "of Excel, or save the file as 'CSV UTF-8'"
        ) from error
    if "\0" in text:
        raise ValidationError(f"{name} holds zero bytes, so it is no plain text: save it as 'CSV UTF-8'")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def _delimiter(text: str, name: str) -> tuple[str, int]:
    """Return what separates cells, and how many lines say so themselves."""
    first = text.split("\n", 1)[0]
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4], 1
    if len(first) > _LONGEST_HEADER:
        raise ValidationError(f"{name}: the header is longer than {_LONGEST_HEADER:,} characters: check its line ends")
    head = "\n".join(text.split("\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT])

    def width(delimiter: str) -> tuple[int, int]:
        """Return the number of lines that agree on more than one cell, and that number of cells."""
        try:
            counts = Counter(len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row)
        except csv.Error:
            return 0, 0
        cells, lines = max(counts.items(), key=lambda pair: pair[1], default=(0, 0))
        return (lines, cells) if cells > 1 else (0, 0)

    return max(_DELIMITERS, key=width), 0


def _text_rows(text: str, delimiter: str, name: str) -> Iterable[list[str | None]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    filled = total = 0
    try:
        for row in reader:
            cells = [_LITERAL.sub(r"\1", cell.strip()) or None for cell in row]
            filled, total = filled + len(cells) - cells.count(None), total + len(cells)
            if filled > _MOST_FILLED or total > _MOST_CELLS:
                raise ValidationError(f"{name} has more cells than a table of reports: split it by patient")
            yield cells
    except csv.Error as error:
        raise ValidationError(
            f"{name}: line {reader.line_num} cannot be read: a cell is longer than any report, or a quote is opened "
            "but not closed, or has text behind it"
        ) from error


def _parquet_rows(table: pl.DataFrame) -> Iterable[list[str | None]]:
    return zip(*(_column_texts(column) for column in table.get_columns()), strict=True)  # type: ignore[return-value]


def _column_texts(column: pl.Series) -> list[str | None]:
    if isinstance(column.dtype, pl.Datetime):
        zone = "%:z" if column.dtype.time_zone else ""
        return column.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{zone}").to_list()
    return [cell_text(value) for value in column.to_list()]


def _chosen_sheet(
    data: bytes, name: str, limit: int, sheet: str | None
) -> tuple[list[list[str | None]], tuple[str, ...]]:
    sheets, titles = read_sheets(data, name, limit, sheet)
    if sheet is not None and sheet not in titles:
        raise ValidationError(f"{name} has no sheet of that name: choose from {_listed(titles)}")
    filled = [title for title, rows in sheets.items() if any(any(row) for row in rows)]
    if not filled:
        raise ValidationError(f"{name} has no cells: give a sheet with a header row")
    if len(filled) > 1:
        raise ValidationError(f"{name} has several sheets with cells: choose one from {_listed(filled)} (--sheet)")
    others = [title for title in titles if title != filled[0] and title in sheets]
    return sheets[filled[0]], tuple(f"sheet '{title}' is empty" for title in others)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name[:40]}'" for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _lines_above(lines: Sequence[Sequence[str | None]]) -> int:
    """Return how many lines stand above the header: comments, titles, empty lines."""
    widths = Counter(sum(map(bool, row)) for row in islice(lines, _LINES_LOOKED_AT))
    usual = max((width for width in widths if width > 1), key=lambda width: widths[width], default=1)
    for i, row in enumerate(islice(lines, _LINES_LOOKED_AT)):
        filled = [cell for cell in row if cell]
        if filled and not (filled[0].startswith("#") and len(filled[0]) > 1) and len(filled) > (1 if usual > 1 else 0):
            return i
    return 0


def _grid(
    lines: Sequence[Sequence[str | None]], name: str, skipped: int, remarks: tuple[str, ...], *, decimal_comma: bool
) -> Grid:
    if len(lines) <= skipped or not any(lines[skipped]):
        raise ValidationError(f"{name} has no header: the first row must name the columns")
    header, body = list(lines[skipped]), lines[skipped + 1 :]
    if sum(map(_looks_like_data, header)) * 2 >= len([cell for cell in header if cell]):
        raise ValidationError(f"{name}: the first row looks like data: add a header row that names the columns")
    notes = [*remarks]
    if skipped:
        notes.append(f"{skipped} line(s) above the header passed over")
    width = len(header)
    long = [i for i, row in enumerate(body, 1) if any(row[width:])]
    if long:
        raise ValidationError(
            f"{name}: row {long[0]}{f' and {len(long) - 1} more' if len(long) > 1 else ''} have more cells than the "
            f"header, which has {width}: check the separators and quotes"
        )
    kept = [i for i, row in enumerate(body) if any(row)]
    trailing = len(body) - (kept[-1] + 1 if kept else 0)
    if empty := len(body) - len(kept) - trailing:
        notes.append(f"{empty} empty row(s) passed over")
    if short := sum(len(body[i]) < width for i in kept):
        notes.append(f"{short} row(s) end before the header does: their missing cells count as empty")
    cells = [[body[i][j] if j < len(body[i]) else None for i in kept] for j in range(width)]
    columns, chosen = [], []
    for j, title in enumerate(header):
        if title is None and looks_like_times(cells[j]):  # as Garmin Connect leaves it
            title = f"column {j + 1}"
        if title is None:
            notes += [f"column {j + 1} has no name: passed over"] if any(cells[j]) else []
            continue
        columns.append(" ".join(title.split()))
        chosen.append(cells[j])
    repeated = [column for column, count in Counter(columns).items() if count > 1]
    if repeated:
        raise ValidationError(f"{name}: several columns are called {_listed(repeated)}: rename all but one")
    return Grid(tuple(columns), tuple(chosen), tuple(i + 1 for i in kept), decimal_comma, tuple(notes))


def _looks_like_data(cell: str | None) -> bool:
    """Return whether a header cell is a number or a date; such a cell must not be shown either."""
    text = (cell or "").lstrip("+-")
    return text[:1].isdigit() and set(text) <= set("0123456789.,:-/TZ ")
