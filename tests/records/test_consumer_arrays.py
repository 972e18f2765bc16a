"""Raw files of consumer arrays: calls, no-calls, names that are no rs numbers, and what is no such file."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.genotypes.consumer_arrays import read_consumer_array
from novamind.records.genotypes.files import read_text


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("rs1\t10\t5\tAG", ("A", "G")), ("rs1\t10\t5\tga", ("G", "A")), ("rs1\t10\t5\tA/G", ("A", "G")),
        ("rs1\t10\t5\tII", ("I", "I")), ("rs1\t10\t5\tDI", ("D", "I")), ("rs1\t10\t5\tA\tG", ("A", "G")),
        ('"rs1","10","5","AG"', ("A", "G")), ("rs1,10,5,A,G", ("A", "G")),
        ("rs1;10;5;AG", ("A", "G")), ("RS1\t10\t5\tAG", ("A", "G")), ("rs1\t10\t5\t--", None),
        ("rs1 chr10 5 AG", ("A", "G")), ("rs1\t--\t--\tAG", ("A", "G")), ("rs1\t26\t5\tAG", ("A", "G")),
        ("rs1\t10\t5\t0\t0", None), ("rs1\tX\t5\tA", None), ("rs1\t10\t5\tAN", None), ("rs1\t10\t5\tAGT", None),
        ("rs1\t10\t5\t", None), ("rs1\t10\t5\t-\t-", None), ("rs1\t10\t5\tNN", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_line(line: str, call: tuple[str, str] | None, end: str) -> None:
    array = read_consumer_array(f"# x{end}rsid only{end}{end}{line}{end}rs9\t1\t1\tCC{end}".encode())
    assert array.calls == ({} if call is None else {"rs1": call}) | {"rs9": ("C", "C")}


def test_a_remark_between_variants_is_no_variant() -> None:
    array = read_consumer_array(
        b"rsid\tchromosome\tposition\tgenotype\nrs1\t10\t5\tAG\n# rs2\t1\t1\tCC\n\nrs9\t1\t1\tCC\n"
    )
    assert array.calls == {"rs1": ("A", "G"), "rs9": ("C", "C")}


@pytest.mark.parametrize("line", ["rs1\t10\tAG", "rs1\t1\t1\tA\tG\tx", "rs2", "rs1\tten\t5\tAG", "rs1\t1\tx\tAG"])
def test_another_line_is_named(line: str) -> None:
    with pytest.raises(DataProcessingError, match="line 3 is not a line of a consumer array"):
        read_consumer_array(f"RSID,x\nrs9\t1\t1\tCC\n{line}\n".encode())


@pytest.mark.parametrize(
    ("header", "rows", "plus"),
    [
        ("# rsid\tchromosome\tposition\tgenotype", ["rs1\t1\t5\tAG"], True),
        ("rsid\tchromosome\tposition\tallele1\tallele2", ["rs1\t1\t5\tA\tG"], True),
        ("rsid\tchromosome\tposition\tallele_1\tallele_2", ["rs1\t1\t5\tA\tG"], True),
        ("RSID,CHROMOSOME,POSITION,RESULT", ['"rs1","1","5","AG"'], True),
        ("# MARKERNAME\tCHROM\tPOS\tGT", ["rs1\tchr1\t5\tA/G"], True),
        ("[Header]\nx\t\ty\n[Data]\nSample\tSNP Name\tChr\tPosition\tAllele1 - Forward\tAllele2 - Forward",
         ["7\trs1\t1\t5\tA\tG"], False),
        ("SNP Name\tIrsID\tAllele1...Top\tAllele2...Top\tAllele1...Plus\tAllele2...Plus\tChr\tPosition",
         ["x1\trs1\tT\tC\tA\tG\t1\t5"], True),
    ],
)  # fmt: skip
def test_the_columns_of_each_vendor(header: str, rows: list[str], plus: bool) -> None:
    """As 23andMe, AncestryDNA, Sano, MyHeritage, CircleDNA and Illumina's GenomeStudio name them."""
    array = read_consumer_array("\n".join([header, *rows]).encode())
    assert (array.calls, array.on_plus_strand) == ({"rs1": ("A", "G")}, plus)


def test_a_report_of_strands_that_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataProcessingError, match="no alleles of the plus or forward strand"):
        read_consumer_array(b"SNP Name\tChr\tPosition\tAllele1 - Top\tAllele2 - Top\nrs1\t1\t5\tA\tG\n")


def test_names_that_are_no_rs_numbers_are_passed_over_and_counted() -> None:
    names = ["i50", "i7001", "kgp30", "Affx-9", "AFFX-SP-01", "AX-7", "VGXS3", "chr1:5:A", "1:5", "xrs1", "."]
    lines = "".join(f"{name}\t1\t5\tAG\n" for name in names)
    array = read_consumer_array(f"# rsid\tchromosome\tposition\tgenotype\n{lines}rs9\t1\t1\tCC\n".encode())
    assert array.calls == {"rs9": ("C", "C")}
    assert array.passed_over == {"i": 2, "kgp": 1, "Affx": 2, "ax": 1, "vgxs": 1, "other": 4}


def test_one_rs_number_with_different_letters_is_missing() -> None:
    lines = ["rs1\t1\t5\tAG", "rs1\t1\t5\tGA", "rs2\t1\t6\tAA", "rs2\t1\t6\tGG", "rs2\t1\t6\tAA", "rs3\t1\t7\t--",
             "rs3\t1\t7\tCT"]  # fmt: skip
    array = read_consumer_array("\n".join(lines).encode())
    assert array.calls == {"rs1": ("A", "G"), "rs3": ("C", "T")}
    assert array.contradicting == {"rs2"}


def test_a_zip_or_gzip_with_one_file_is_unpacked() -> None:
    text = b"rs1\t1\t5\tAG\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("genome_x_v5.txt", text)
    assert (
        read_consumer_array(stream.getvalue()) == read_consumer_array(gzip.compress(text)) == read_consumer_array(text)
    )


def test_a_file_without_a_call_is_refused() -> None:
    with pytest.raises(DataProcessingError, match="holds no called variant"):
        read_consumer_array(b'"rsid","x"\nrs1\t1\t1\t--\n')


def test_text_within_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.txt"
    file.write_bytes(b"\xef\xbb\xbf12345")
    monkeypatch.setenv("NOVAMIND_MAX_FILE_BYTES", "8")
    assert read_text(file, "file") == read_text(file.read_bytes(), "file") == "12345"
    monkeypatch.setenv("NOVAMIND_MAX_FILE_BYTES", "7")
    for source in (file, file.read_bytes()):
        with pytest.raises(ValidationError, match="the file is larger than 7 bytes; raise NOVAMIND_MAX_FILE_BYTES"):
            read_text(source, "file")
    with pytest.raises(DataProcessingError, match="cannot open the file: No such file"):
        read_text(tmp_path / "none", "file")
    with pytest.raises(DataProcessingError, match="the file is not UTF-8 text"):
        read_text(b"\xff", "file")
