"""Spreadsheets that no spreadsheet program writes are refused, and soon."""

import io
import time
import zipfile
from collections.abc import Callable
from datetime import datetime

import openpyxl
import pytest

from novamind.errors import ValidationError
from novamind.records.tables.spreadsheet import cell_text, read_sheets
from tests.patience import patient

LIMIT = 1 << 28


def workbook(cells: int = 3) -> bytes:
    book = openpyxl.Workbook()
    for i in range(cells):
        book["Sheet"].append([datetime(2025, 1, 1 + i), i])  # noqa: DTZ001 - cells have no zone
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def changed(change: Callable[[str, bytes], bytes]) -> bytes:
    """A workbook with its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook())) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


def sheet_of(rows: str) -> bytes:
    head, tail = b"<sheetData>", b"</sheetData>"

    def change(name: str, part: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return part
        return part[: part.index(head)] + head + rows.encode() + part[part.index(tail) :]

    return changed(change)


def cell(place: str) -> str:
    return f'<c r="{place}"><v>1</v></c>'


def padded(part: bytes) -> bytes:
    return part.replace(b"</", b" " * 9_000_000 + b"</", 1)


HOSTILE = {
    "a document type": changed(lambda n, p: b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + p if n.endswith("sheet1.xml") else p),
    "a large part": changed(lambda n, p: padded(p) if n == "xl/styles.xml" else p),
    "zeros": changed(lambda n, p: p + b" " * 200_000_000 if n.endswith("sheet1.xml") else p),
    "wide rows": sheet_of("".join(f'<row r="{i}">{cell(f"XFD{i}")}</row>' for i in range(1, 2000))),
    "no zip": b"PK\x03\x04 and nothing",
    "no workbook": changed(lambda n, p: b"" if n == "xl/workbook.xml" else p),
    "open tags": changed(lambda n, p: p[: len(p) // 2] if n.endswith("sheet1.xml") else p),
    "deep": changed(lambda n, p: b"<a>" * 200_000 if n.endswith("sheet1.xml") else p),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_program_writes_is_refused(name: str) -> None:
    begun = time.process_time()
    with pytest.raises(ValidationError, match=r"t\.xlsx"):
        read_sheets(HOSTILE[name], "t.xlsx", LIMIT)
    assert time.process_time() - begun < patient(10)


def test_rows_far_down_are_read_without_filling_the_memory() -> None:
    sheets, _ = read_sheets(
        sheet_of(f'<row r="1">{cell("A1")}</row><row r="200000">{cell("B200000")}</row>'), "t", LIMIT
    )
    (rows,) = sheets.values()
    assert (rows[0], rows[-1], len(rows)) == (["1"], [None, "1"], 200_000)


def test_one_sheet_is_read_where_one_is_named() -> None:
    sheets, titles = read_sheets(workbook(), "t", LIMIT, "Sheet")
    assert (titles, sheets["Sheet"][0]) == (["Sheet"], ["2025-01-01", "0"])
    assert read_sheets(workbook(), "t", LIMIT, "Other") == ({}, ["Sheet"])


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), (" a ", "a"), ("", None), (7.0, "7"), (7.5, "7.5"), (True, "True"), (b"x", None), (1e300, "1e+300")],
)
def test_values_as_texts(value: object, text: str | None) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize(
    ("cell", "is_calculated"),
    [
        ('<c r="A2"><f>1+1</f><v>2</v></c>', True),
        ('<c r="A2"><f t="shared" si="0"/><v>2</v></c>', True),
        ('<c r="A2" t="str"><f>IF(B2,1,"")</f><v></v></c>', True),
        ('<c r="A2"><f>1+1</f></c>', False),
        ('<c r="A2"><f>1+1</f><v></v></c>', False),
        ('<c r="A2" s="1"><f t="shared" si="0"/><v /></c>', False),
    ],
)
def test_formulas_without_results_are_refused(cell: str, is_calculated: bool) -> None:
    # Wherever a piece of the sheet ends that is looked at.
    for padding in (0, (1 << 20) - 250, (1 << 20) - 270):
        content = sheet_of(
            f'<row r="1"><c r="A1" t="inlineStr"><is><t>{"x" * padding}</t></is></c></row><row r="2">{cell}</row>'
        )
        if is_calculated:
            assert len(read_sheets(content, "t.xlsx", LIMIT)[0]["Sheet"]) == 2
        else:
            with pytest.raises(
                ValidationError, match="formulas without their results: open it in a spreadsheet program"
            ):
                read_sheets(content, "t.xlsx", LIMIT)
