"""Tables out of CSV and Parquet files.

A file is refused before it is read where it is larger than ``Settings.max_file_bytes``
(``NOVAMIND_MAX_FILE_BYTES``); a Parquet file also where its unpacked columns would be. CSV is UTF-8 with one
header row, separated by comma, semicolon or tab (found from the header); every cell is read as text, so that
an id ``007`` stays one, and is given its type at the door (:mod:`novamind.records.tables.frames`). Rows are counted
from 1 below the header.
"""

import csv
import io
from pathlib import Path

import polars as pl

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.settings import Settings

_CSV_SUFFIXES = (".csv", ".tsv", ".txt")
_PARQUET_SUFFIXES = (".parquet", ".pq")
_BYTES_PER_CELL = 8
_LONGEST_HEADER = 65_536  # characters; below the limit of the csv module's fields, and no room for a million columns


def read_table(path: str | Path, settings: Settings | None = None) -> pl.DataFrame:
    """Return one table.

    Parameters
    ----------
    path
        A ``.csv``, ``.tsv``, ``.txt``, ``.parquet`` or ``.pq`` file.
    settings
        Where the limit on the size comes from; the environment where not given.

    Raises
    ------
    NotFoundError
        The file does not exist.
    ValidationError
        The file is too large, of another kind, or malformed; the message names the row where there is one.
    DataProcessingError
        The file exists but the system does not let us read it.
    """
    path = Path(path)
    limit = (settings or Settings()).max_file_bytes
    suffix = path.suffix.lower()
    if suffix not in _CSV_SUFFIXES + _PARQUET_SUFFIXES:
        raise ValidationError(f"{path.name}: give a CSV (.csv, .tsv, .txt) or Parquet (.parquet) file")
    return parse_table(path.name, read_bytes(path, limit), limit)


def parse_table(name: str, data: bytes, limit: int) -> pl.DataFrame:
    """Return the table in a file's content, by the ending of its name; errors as :func:`read_table`."""
    if name.lower().endswith(_PARQUET_SUFFIXES):
        return _parse_parquet(data, name, limit)
    return _parse_csv(data, name)


def read_bytes(path: Path, limit: int) -> bytes:
    """Return a whole file of at most ``limit`` bytes; errors as :func:`read_table`."""
    try:
        if path.is_dir():
            raise ValidationError(f"{path.name} is a folder: give a file")
        size = path.stat().st_size
        if size > limit:
            raise ValidationError(_too_large(path.name, size, limit))
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{path.name} does not exist: check the path") from error
    except OSError as error:
        raise DataProcessingError(f"{path.name} cannot be read: {error.strerror}") from error


def _too_large(name: str, size: int, limit: int) -> str:
    return (
        f"{name} is larger than the limit ({size / 2**20:,.1f} MiB, limit {limit / 2**20:,.1f} MiB): "
        "split it by patient or raise NOVAMIND_MAX_FILE_BYTES"
    )


def _parse_parquet(data: bytes, name: str, limit: int) -> pl.DataFrame:
    try:
        lazy = pl.scan_parquet(io.BytesIO(data))
        rows = lazy.select(pl.len()).collect().item()
        cells = rows * len(lazy.collect_schema())
        if cells * _BYTES_PER_CELL > limit:
            raise ValidationError(_too_large(f"{name}, unpacked,", cells * _BYTES_PER_CELL, limit))
        return lazy.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValidationError(f"{name} is not a readable Parquet file: write it again") from error


def _parse_csv(data: bytes, name: str) -> pl.DataFrame:
    text = _decoded(data, name)
    header, separator = _header(text, name)
    try:
        # Polars fills a short row with nulls; counting separators finds out whether there is one.
        if '"' in text or text.count(separator) != (len(header) - 1) * (text.count("\n") + 1):
            _check_rows(text, separator, len(header), name)
        return pl.read_csv(io.BytesIO(text.encode()), separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        _check_rows(text, separator, len(header), name)
        raise ValidationError(f"{name} is not a readable CSV file: check its quotes and separators") from error


def _decoded(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise ValidationError(f"{name} is not UTF-8 text: save it as 'CSV UTF-8'")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start)
        where = f"row {line}" if line else "the header"
        raise ValidationError(f"{name}: {where} is not UTF-8 text: save the file as 'CSV UTF-8'") from error
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def _header(text: str, name: str) -> tuple[list[str], str]:
    first = text.split("\n", 1)[0]
    if not first.strip():
        raise ValidationError(f"{name} has no header: the first row must name the columns")
    if len(first) > _LONGEST_HEADER:
        raise ValidationError(f"{name}: the header is longer than {_LONGEST_HEADER:,} characters: check its line ends")
    header, separator = max(
        ((next(csv.reader([first], delimiter=candidate)), candidate) for candidate in ",;\t"),
        key=lambda pair: len(pair[0]),
    )
    if any(_looks_like_data(cell) for cell in header):
        raise ValidationError(f"{name}: the first row looks like data: add a header row that names the columns")
    if len(set(header)) < len(header):
        raise ValidationError(f"{name}: two columns have the same name: rename one")
    return header, separator


def _looks_like_data(cell: str) -> bool:
    """Return whether a header cell starts like a number or a date; such a cell must not be shown either."""
    return cell.strip().lstrip("+-.")[:1].isdigit()


def _check_rows(text: str, separator: str, n_columns: int, name: str) -> None:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    row = -1
    try:
        for row, cells in enumerate(reader):
            if len(cells) != n_columns:
                problem = "is blank" if not cells else f"has {len(cells)} cell(s), the header {n_columns}"
                raise ValidationError(f"{name}: row {row} {problem}: check its separators and quotes")
    except csv.Error as error:
        raise ValidationError(
            f"{name}: row {row + 1} cannot be read: a quote is opened but not closed, or a cell is too long"
        ) from error
