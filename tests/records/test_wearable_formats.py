"""The table of makers: who reads a file, and what the page says of it."""

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from polars.exceptions import PolarsError

from novamind.records.wearables import formats
from novamind.records.wearables.files import Context, ExportFile
from novamind.records.wearables.formats import MAKERS, maker_of
from novamind.records.wearables.samples import Batch, Tally
from tests.records.wearable_input import export_file

PAGE = Path(__file__).parents[2] / "docs/wearables.md"
_TABLE = re.compile(r"(<!-- formats -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def table() -> str:
    rows = ["| export | what it is |", "| --- | --- |"]
    for maker in MAKERS:
        assert isinstance(maker, ModuleType)
        about = re.sub(r"``", "`", " ".join((maker.__doc__ or "").split("\n\n")[0].split()))
        rows.append(f"| {maker.MAKER} | {about} |")
    return "\n".join(rows) + "\n"


def test_the_page_has_every_format() -> None:
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("NOVAMIND_GOLDEN") == "write":
        PAGE.write_text(_TABLE.sub(lambda place: place[1] + table() + place[3], page), encoding="utf-8")
    ((_, rows, _),) = _TABLE.findall(PAGE.read_text(encoding="utf-8"))
    assert rows == table(), "renew the page: NOVAMIND_GOLDEN=write"


def test_at_least_eighteen_makers_and_platforms_are_read() -> None:
    assert len({maker.MAKER for maker in MAKERS}) >= 18


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("generic_bpm.json", '{"samples": [{"bpm": 61, "timestamp": "2025-03-01T07:00:00"}]}'),
        ("x.json", "{}"), ("x.json", "[]"), ("x.json", "3"), ("x.json", '[{"value": 3}]'),
        ("x.json", '{"data": [{"value": 3, "timestamp": "2025-03-01T07:00:00"}]}'),
        ("x.json", '{"heart_rate": [{"time": "2025-03-01T07:00:00", "value": 61}]}'),
        ("x.csv", "timestamp,value\n2025-03-01T07:00:00,61\n"), ("x.csv", "date,steps\n2025-03-01,61\n"),
        ("steps.csv", "time,steps\n2025-03-01,61\n"), ("sleep.csv", "start,end\n1,2\n"), ("x.xml", "<HealthData2/>"),
        ("README.txt", "About"), ("x.png", "PNG"), ("no ending", "x"), ("x.csv", "\x00\x01"),
    ],
)  # fmt: skip
def test_what_anybody_may_write_is_nobodys(name: str, content: str) -> None:
    if name == "x.xml":
        content = "<HealthDat a='1'/>"
    assert maker_of(export_file(name, content)) is None


def test_a_failure_of_any_kind_inside_a_reader_stays_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    failure: list[Exception] = []

    class Broken:
        MAKER = "Broken"

        def recognised(self, _file: ExportFile) -> bool:
            return True

        def batches(self, _file: ExportFile, _context: Context) -> Iterator[Batch]:
            raise failure[-1]
            yield

    whole = SimpleNamespace(files=[export_file("a.csv", "a"), export_file("b.csv", "b")], alone=False)
    monkeypatch.setattr(formats, "MAKERS", (Broken(),))
    for error, reason in (
        (KeyError("x"), "has another layout than Broken gives it"),
        (csv.Error("x"), "has another layout than Broken gives it"),
        (PolarsError("x"), "has another layout than Broken gives it"),
        (RecursionError(), "cannot be read: it is damaged or locked: unpack it with its password, or export it again"),
        (PermissionError(13, "Permission denied"), "cannot be read: Permission denied"),
    ):
        failure.append(error)
        tally = Tally()
        assert list(formats.batches(whole, tally, None, lambda *_: None)) == []  # type: ignore[arg-type]
        assert tally.skipped == {reason: ["a.csv", "b.csv"]}


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("run.tcx", "give the original .fit"), ("run.GPX", "give the original .fit"), ("a.cwa", "give epochs"),
        ("a.bin", "give epochs"), ("1-1-001_01.avro", "give Empatica's digital biomarkers"),
    ],
)  # fmt: skip
def test_files_of_devices_that_are_not_read_say_what_to_give_instead(name: str, advice: str) -> None:
    tally = Tally()
    whole = SimpleNamespace(files=[export_file(name, b"\x00\x01 x")], alone=False)
    assert list(formats.batches(whole, tally, None, lambda *_: None)) == []  # type: ignore[arg-type]
    ((reason, files),) = tally.skipped.items()
    assert (advice in reason, files) == (True, [name])
