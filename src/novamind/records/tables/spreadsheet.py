"""Sheets of an ``.xlsx`` file as rows of text; dates are native there and become ISO texts.

A spreadsheet is a zip of XML. What would unpack to far more than one, declares a document type, or claims more cells
than a table of reports has is refused before or while it is read.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Any, Final

from novamind.errors import ValidationError

#: Reports of a person for a century, a hundred columns wide.
_MOST_CELLS: Final = 4_000_000
#: Parts beside the sheets and their texts are small; they are read whole.
_LARGEST_PART: Final = 8 << 20
_LARGE_PARTS: Final = ("xl/worksheets/", "xl/sharedStrings.xml", "xl/media/")
#: Sheets of numbers compress five to thirty times.
_GREATEST_RATIO: Final = 150
_SMALL: Final = 4 << 20
#: A formula without its result, as programs leave it that do not calculate; an empty text is a result.
_UNCALCULATED: Final = re.compile(
    rb'<c\b(?![^>]*\bt="str")[^>]*>\s*<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>'
)
_LONGEST_FORMULA: Final = 16_384  # bytes; Excel allows 8,192 characters
_DAMAGED: Final = (
    OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, SyntaxError, zipfile.BadZipFile,
    NotImplementedError, RuntimeError, EOFError,
)  # fmt: skip

Rows = list[list[str | None]]


def read_sheets(data: bytes, name: str, limit: int, sheet: str | None = None) -> tuple[dict[str, Rows], list[str]]:
    """Return the rows of each sheet, or of one, and the titles of all.

    Raises
    ------
    ValidationError
        The content is no spreadsheet, or one that no spreadsheet program writes.
    """
    from openpyxl import load_workbook  # a spreadsheet is rare; nothing else needs it

    try:
        _check_archive(data, name, limit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of styles and extensions that change no cell
            workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            sheets, cells = {}, 0
            for entry in workbook.worksheets:
                if sheet in (None, entry.title):
                    entry.reset_dimensions()  # rows are as wide as their cells, not as the file claims
                    sheets[entry.title], cells = _rows(entry.iter_rows(values_only=True), name, cells)
        return sheets, list(workbook.sheetnames)
    except ValidationError:
        raise
    except _DAMAGED as error:
        raise ValidationError(f"{name} is not a readable .xlsx file: save it again as .xlsx or 'CSV UTF-8'") from error


def _check_archive(data: bytes, name: str, limit: int) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        small = all(m.file_size <= _LARGEST_PART or m.filename.startswith(_LARGE_PARTS) for m in members)
        if unpacked > min(limit, max(_SMALL, _GREATEST_RATIO * len(data))) or not small:
            raise ValidationError(f"{name} unpacks to more than a table of reports would: save it as 'CSV UTF-8'")
        for member in members:
            with archive.open(member) as part:
                if b"<!DOCTYPE" in part.read(4096).upper():
                    raise ValidationError(f"{name} declares a document type, which no spreadsheet program writes")
            if member.filename.startswith("xl/worksheets/") and _is_uncalculated(archive, member):
                raise ValidationError(
                    f"{name} holds formulas without their results: open it in a spreadsheet program and save it again"
                )


def _is_uncalculated(archive: zipfile.ZipFile, sheet: zipfile.ZipInfo) -> bool:
    """Return whether a formula of a sheet has no result: its cell would look empty."""
    before = b""
    with archive.open(sheet) as part:
        while piece := part.read(1 << 20):
            if b"<f" in (text := before + piece) and _UNCALCULATED.search(text):
                return True
            before = text[-_LONGEST_FORMULA:]
    return False


def _rows(sheet: Iterable[Sequence[Any]], name: str, cells: int) -> tuple[Rows, int]:
    rows: Rows = []
    for row in sheet:
        cells += max(len(row), 1)
        if cells > _MOST_CELLS:
            raise ValidationError(f"{name} has more than {_MOST_CELLS:,} cells: save the sheet of reports alone")
        rows.append([cell_text(value) for value in row])
    return rows, cells


def cell_text(value: object) -> str | None:
    """Return a typed value as the text of a cell; ``None`` where it is empty or nothing that is read."""
    if value is None or isinstance(value, bytes | list | dict):
        return None
    if isinstance(value, datetime):
        midnight = value.time() == time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).strip() or None
