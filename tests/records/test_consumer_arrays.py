"""Raw files of 23andMe and AncestryDNA: calls, no-calls, and what is no such file."""

from pathlib import Path

import pytest

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.genotypes.consumer_arrays import read_consumer_array, read_text


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("rs1\t10\t5\tAG", ("A", "G")), ("rs1\t10\t5\tga", ("G", "A")), ("i1\t10\t5\tCT", ("C", "T")),
        ("rs1\t10\t5\tII", ("I", "I")), ("rs1\t10\t5\tDI", ("D", "I")), ("rs1\t10\t5\tA\tG", ("A", "G")),
        ('"rs1","10","5","AG"', ("A", "G")), ("rs1,10,5,A,G", ("A", "G")), ("rs1\t10\t5\t--", None),
        ("rs1\t10\t5\t0\t0", None), ("rs1\tX\t5\tA", None), ("rs1\t10\t5\tAN", None), ("rs1\t10\t5\tAGT", None),
        ("rs1\t10\t5\t", None),
    ],
)  # fmt: skip
def test_one_line(line: str, call: tuple[str, str] | None) -> None:
    found = read_consumer_array(f"# x\nrsid\ta\tb\tc\n\n{line}\nrs9\t1\t1\tCC\n".encode())
    assert found == ({} if call is None else {line.strip('"').split("\t")[0].split(",")[0].strip('"'): call}) | {
        "rs9": ("C", "C")
    }


@pytest.mark.parametrize(
    "line", ["rs1\t10\tAG", "rs1\t1\t1\tA\tG\tx", "rs\t10\t5\tAG", "xrs1\t10\t5\tAG", "rs1x\t1\t1\tAG", "7\t1\t1\tAG"]
)
def test_another_line_is_named(line: str) -> None:
    with pytest.raises(DataProcessingError, match="line 2 is not a 23andMe or AncestryDNA line"):
        read_consumer_array(f"RSID,x\n{line}\n".encode())


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
