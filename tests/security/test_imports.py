"""C06 and C07 of the attack plan: files that are meant to break what reads them, through the route that takes files."""

import csv
import gzip
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from novamind.errors import DataProcessingError, ValidationError
from novamind.infrastructure import spreadsheet
from novamind.infrastructure.spreadsheet import without_apostrophes, without_formulas
from novamind.populations.endpoints import read_csv
from novamind.records import MedicationCourse, PatientRecord, read_patient_directory, write_patient_directory
from novamind.records.genotypes.vcf import read_vcf
from tests.server.world import NOT_EXPLODED, World
from tests.uploads import store
from tests.weak import must_fail

HEADER = b"timestamp,value,symptom\n"
AT = b"2026-03-30T08:00:00,9,"
SECRET = "CANARY-in-a-file"  # noqa: S105
TABLES = {
    "columns": b",".join(b"c%d" % i for i in range(20_000)) + b"\n" + b"," * 19_999 + b"\n",
    "commas": b"," * 1_000_000,
    "one line": b"x" * 5_000_000,
    "long name": b"timestamp," + b"v" * 1_000_000 + b",symptom\n" + AT,
    "long number": HEADER + b"2026-03-30T08:00:00," + b"9" * 10_000_000 + b",PHQ-9\n",
    "long text": HEADER + AT + b'"' + b"P" * 10_000_000 + b'"\n',
    "open quote": HEADER + AT + b'"PHQ-9\n' + AT * 10_000,
    "quotes": HEADER + b'"' * 1_000_001,
    "two encodings": HEADER + AT + "Müdigkeit\n".encode() + AT + "Müdigkeit\n".encode("latin-1"),
    "UTF-16": (HEADER + AT).decode().encode("utf-16"),
    "NUL": HEADER + AT + b"PHQ-9\0\n",
    "nothing": b"",
    "line ends": b"\n" * 1_000_000,
    "formula": HEADER + b"2026-03-30T08:00:00,=1+1,PHQ-9\n",
    "secret": HEADER + f"{SECRET},{SECRET},{SECRET}\n".encode(),
}


def sent(world: World, name: str, content: bytes) -> Any:
    at = f"/patients/{world.patients['P2']}/upload"
    return store(lambda data: world.call("POST", at, "C11", files={"file": (name, content)}, data=data))


def stored(world: World) -> Any:
    at = f"/api/v1/patients/{world.patients['P2']}/reports"
    return world.call("GET", at, "C11").json()


def test_c06_tables_that_would_fill_the_memory_or_cannot_be_read_are_refused(small_world: World) -> None:
    before, begun, wrong = stored(small_world), time.process_time(), []
    disguised = [
        (suffix, name) for suffix in (".parquet", ".json", ".xml", ".zip", ".fit") for name in ("NUL", "secret")
    ]
    for suffix, name in [*((".csv", name) for name in TABLES), *disguised]:
        answer = sent(small_world, f"table{suffix}", TABLES[name])
        if answer.status_code != 422 or SECRET in answer.text or len(answer.text) > 2000:
            wrong.append(f"{suffix} {name}: {answer.status_code}")
    assert wrong == []
    assert stored(small_world) == before
    assert time.process_time() - begun < 2 * NOT_EXPLODED
    assert sent(small_world, "table.csv", HEADER + AT + b"PHQ-9\n").status_code == 201  # it is not all that is refused


@pytest.mark.weak("tables are read by readers without limits", "C06")
def test_c06_the_tables_do_break_readers_without_limits() -> None:
    with pytest.raises(csv.Error):
        list(csv.reader(TABLES["long name"].decode().splitlines()))
    assert pl.read_csv(TABLES["columns"]).width == 20_000


@pytest.mark.parametrize("name", ["columns", "commas", "one line"])
def test_c06_tables_of_populations_are_bounded_too(name: str) -> None:
    with pytest.raises(DataProcessingError, match="header"):
        read_csv(TABLES[name])


FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\tx", "'=1+1", "''-1")


@pytest.mark.weak("cells are written as they are", "C06")
def test_c06_no_cell_of_an_exported_table_is_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pl.DataFrame({"text": [*FORMULAS, "plain", "a=b", "'quoted'", None], "number": [-1.5] * 11})
    assert without_apostrophes(without_formulas(texts)).equals(texts)
    courses = tuple(MedicationCourse(text, date(2026, 1, 1)) for text in ("=1+1", "@SUM(A1)", "lithium"))
    record = PatientRecord("p-1", medications=courses)

    def formulas(folder: str) -> list[str]:
        write_patient_directory(record, tmp_path / folder)
        assert read_patient_directory(tmp_path / folder).medications == courses
        with (tmp_path / folder / "medications.csv").open() as file:
            return [cell for row in csv.reader(file) for cell in row if cell[:1] in set("=+-@\t\r")]

    assert formulas("safe") == []
    monkeypatch.setattr(spreadsheet, "_FORMULA", "(never)")
    assert formulas("plain") == ["=1+1", "@SUM(A1)"]


# --- C07: variants ---

HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts\n"
LINE = f"chr10\t100\t{SECRET}\tG\tA\t.\tPASS\t.\tGT\t0/1\n"
WANTED = {"chr10": frozenset({100})}
VARIANTS = {
    "a million alleles": HEAD + LINE.replace("\tA\t", "\t" + "A," * 1_000_000 + "A\t"),
    "a line without end": HEAD + "chr10\t100\t" + "x" * 20_000_000,
    "GRCh37": HEAD.replace("#CHROM", "##reference=GRCh37\n#CHROM") + LINE,
    "hg19 by its lengths": HEAD.replace("#CHROM", "##contig=<ID=chr10,length=135534747>\n#CHROM") + LINE,
    "no header line": "##fileformat=VCFv4.2\n" + LINE,
    "no columns": HEAD + LINE + f"{SECRET}\n",
    "no VCF": SECRET,
}


def refused_and_not_repeated(read: Callable[..., object], name: str) -> None:
    with pytest.raises((DataProcessingError, ValidationError)) as caught:
        read(VARIANTS[name].encode(), WANTED)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", VARIANTS)
def test_c07_variant_files_that_attack_are_refused_at_their_line_and_not_repeated(name: str) -> None:
    refused_and_not_repeated(read_vcf, name)


def read_line_by_line(content: bytes, _wanted: object) -> list[str]:
    lines = content.decode().splitlines()
    for line in lines:
        if line[:1] != "#" and len(line.split("\t")) < 10:
            raise DataProcessingError(f"cannot read {line}")
    return lines


@pytest.mark.weak("lines are split and repeated, and nobody asks which genome they are of", "C07")
def test_c07_fails_where_lines_are_only_split() -> None:
    for name in VARIANTS:
        must_fail(refused_and_not_repeated, read_line_by_line, name)


def test_c07_a_negative_position_is_no_position_and_a_plain_file_is_read() -> None:
    with pytest.raises(DataProcessingError, match="has no number as its position") as refusal:
        read_vcf((HEAD + LINE.replace("\t100\t", "\t-100\t")).encode(), WANTED)
    assert "-100" not in str(refusal.value)
    assert len(read_vcf((HEAD + LINE).encode(), WANTED).records) == 1


def test_c07_a_bomb_of_blocks_is_not_unpacked_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(HEAD.encode()) + gzip.compress(b"#" + b" " * 1_000_000 + b"\n") * 200
    monkeypatch.setenv("NOVAMIND_MAX_FILE_BYTES", "1000000")
    (tmp_path / "bomb.vcf.gz").write_bytes(bomb)
    begun = time.process_time()
    with pytest.raises((DataProcessingError, ValidationError)):
        read_vcf(tmp_path / "bomb.vcf.gz", WANTED)
    assert time.process_time() - begun < NOT_EXPLODED


def test_c07_the_server_takes_no_variant_files(small_world: World) -> None:
    for name in ("x.vcf", "x.vcf.gz", "x.vcf.csv", "x.bgz", "x.vcf.zip"):
        for content in (HEAD + LINE, VARIANTS["GRCh37"]):
            answer = sent(small_world, name, content.encode())
            assert answer.status_code == 422, name
            assert SECRET not in answer.text
