"""Files are read as text or refused with a sentence that says which row and what to do."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.records import read_table, require_columns
from novamind.settings import Settings

PRIVATE = "secret-4711"  # stands in each malformed file; no message may repeat it


def write(folder: Path, content: bytes, name: str = "table.csv") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_reads_each_dialect_as_text(tmp_path: Path, separator: str, line_end: str, mark: bytes) -> None:
    lines = [["patient_id", "value"], ["007", "7.50"], ["008", ""], ["", ""]]
    text = line_end.join(separator.join(cells) for cells in lines[:3]) + line_end * 2
    table = read_table(write(tmp_path, mark + text.encode()))
    assert table.to_dict(as_series=False) == {"patient_id": ["007", "008"], "value": ["7.50", None]}


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(str.strip)


@given(st.lists(st.tuples(cells, st.one_of(st.none(), cells)), min_size=1, max_size=20))
@settings(max_examples=50)
def test_what_polars_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str | None]]
) -> None:
    table = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    file = tmp_path_factory.mktemp("tables") / "table.csv"
    table.write_csv(file)
    assert read_table(file).equals(table)
    table.write_parquet(file.with_suffix(".parquet"))
    assert read_table(file.with_suffix(".parquet")).equals(table)


def test_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, b"timestamp,value\n")).shape == (0, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no header"),
        (b"\na,b\n1,2\n", "no header"),
        (b"2024-01-01,secret-4711\n2024-01-02,8\n", "looks like data"),
        (b"secret-4711,-.5\n", "looks like data"),
        (b"a,a\n1,2\n", "same name"),
        (b"a,b\n1,2\n1,secret-4711,3\n", "row 2 has 3 cell"),
        (b"a,b\n1,2\nsecret-4711\n", "row 2 has 1 cell"),
        (b"a,b\n1,2,3\nsecret-4711\n", "row 1 has 3 cell"),
        (b'a,b\n"x,y",2\n"secret-4711,3"\n', "row 2 has 1 cell"),
        (b'a,b\n"x\ny",2\n"secret-4711,3"\n', "row 2 has 1 cell"),
        (b"a,b\n1,2\n\nsecret-4711,4\n", "row 2 is blank"),
        (b'a,b\n1,2\n"secret-4711,3\n4,5\n', "row 2 cannot be read: a quote"),
        (b"a,b\n1,2\nsecret-4711,\xe9\n", "row 2 is not UTF-8"),
        (b"\xe9,b\n1,2\n", "the header is not UTF-8"),
        ("a,b\nsecret-4711,2\n".encode("utf-16"), "CSV UTF-8"),
        (b"a,b\nsecret-4711,\x00\n", "CSV UTF-8"),
    ],
)
def test_refuses_malformed_csv(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        read_table(write(tmp_path, content))
    assert PRIVATE not in str(caught.value)
    assert str(caught.value).startswith("table.csv")


def test_refuses_a_large_file_before_reading_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "large.csv"
    with file.open("wb") as sparse:
        sparse.truncate(2**30)  # one GiB that takes no room on disk
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("the file was read"))
    with pytest.raises(ValidationError, match=r"1,024\.0 MiB, limit 256\.0 MiB.*NOVAMIND_MAX_FILE_BYTES"):
        read_table(file)


def test_limit_comes_from_settings_and_holds_for_unpacked_parquet(tmp_path: Path) -> None:
    file = tmp_path / "zeros.parquet"
    pl.DataFrame({"a": [0] * 100_000}).write_parquet(file)
    assert file.stat().st_size < 10_000
    assert read_table(file).height == 100_000
    with pytest.raises(ValidationError, match="unpacked, is larger"):
        read_table(file, Settings(max_file_bytes=10_000))
    with pytest.raises(ValidationError, match="larger than the limit"):
        read_table(write(tmp_path, b"a,b\n1,2\n"), Settings(max_file_bytes=4))


def test_refuses_what_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        read_table(tmp_path / "nothing.csv")
    with pytest.raises(ValidationError, match=r"CSV .* or Parquet"):
        read_table(write(tmp_path, b"x", "table.xlsx"))
    for content in (b"", b"PAR1", b"a,b\n1,2\n"):
        with pytest.raises(ValidationError, match="not a readable Parquet"):
            read_table(write(tmp_path, content, "table.parquet"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValidationError, match="is a folder"):
        read_table(tmp_path / "folder.csv")


def test_file_that_the_system_withholds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    file = write(tmp_path, b"a,b\n1,2\n")
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(DataProcessingError, match="Permission denied"):
        read_table(file)


def test_missing_column_names_what_is_there_and_what_is_near() -> None:
    require_columns(["value", "timestamp", "x"], ["timestamp", "value"])
    with pytest.raises(ValidationError, match=r"'value' is missing.*has 'timestamp', 'Values'; did you mean 'Values'"):
        require_columns(["timestamp", "Values"], ["timestamp", "value"])
    with pytest.raises(ValidationError, match="the table has none"):
        require_columns([], ["timestamp"])
    with pytest.raises(ValidationError, match=r"and 8 more$"):
        require_columns([f"q{number}" for number in range(20)], ["timestamp"])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".CSV", ".parquet", ".pq"])
def test_the_kind_of_a_table_is_told_by_its_name(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"t{suffix}"
    if suffix in (".parquet", ".pq"):
        pl.DataFrame({"a": [1]}).write_parquet(file)
        assert read_table(file).rows() == [(1,)]
    else:
        file.write_bytes(b"a\tb\n1\t2\n")
        assert read_table(str(file)).rows() == [("1", "2")]


def test_the_separator_is_the_one_that_makes_most_columns(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, b"a;b;c,d\n1;2;3\n")).columns == ["a", "b", "c,d"]
    assert read_table(write(tmp_path, b'"a,x";b\n1;2\n')).columns == ["a,x", "b"]
    assert read_table(write(tmp_path, b"a\n1\n2\n")).rows() == [("1",), ("2",)]


def test_limits_hold_exactly(tmp_path: Path) -> None:
    file = write(tmp_path, b"a,b\n1,2\n")
    assert read_table(file, Settings(max_file_bytes=8)).height == 1
    with pytest.raises(ValidationError, match=r"limit 0\.0 MiB\): split it by patient"):
        read_table(file, Settings(max_file_bytes=7))
    packed = tmp_path / "zeros.parquet"
    pl.DataFrame({"a": [0] * 1000, "b": [0] * 1000}).write_parquet(packed)
    assert read_table(packed, Settings(max_file_bytes=16_000)).height == 1000  # 8 bytes a cell
    with pytest.raises(ValidationError, match="unpacked, is larger than the limit"):
        read_table(packed, Settings(max_file_bytes=15_999))


def test_the_longest_header(tmp_path: Path) -> None:
    def header(length: int) -> bytes:
        return b"a" * (length - 2) + b",b\n1,2\n"

    assert read_table(write(tmp_path, header(65_536))).height == 1
    with pytest.raises(ValidationError, match="the header is longer than 65,536 characters: check its line ends"):
        read_table(write(tmp_path, header(65_537)))


@pytest.mark.parametrize("header", [b"a,2024-01-01", b"a, 7", b"a,+7", b"a,-.7", b"7a,b"])
def test_a_header_of_numbers_is_data(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(ValidationError, match="looks like data: add a header row that names the columns"):
        read_table(write(tmp_path, header + b"\n1,2\n"))
    assert read_table(write(tmp_path, b"a,x7\n1,2\n")).columns == ["a", "x7"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'a,b\n"1"x,2\n', "row 1 cannot be read: a quote is opened but not closed"),
        (b'a,b\n"x",1\n2\n', "row 2 has 1 cell\\(s\\), the header 2: check its separators and quotes"),
        (b"\xef\xbb\xbf\n1\n", "has no header: the first row must name the columns"),
        (b"a,b\n1,2\n3,\xff\n", "row 2 is not UTF-8 text: save the file as 'CSV UTF-8'"),
        (b"\n\xff", "row 1 is not UTF-8 text: save the file as 'CSV UTF-8'"),
        (b'"a,b\n1,2\n', "row 0 cannot be read: a quote is opened but not closed"),
    ],
)
def test_the_row_of_a_flaw(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read_table(write(tmp_path, content))


def test_quoted_cells_may_hold_separators_and_line_ends(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, b'a,b\n"x,y","1\n2"\n')).rows() == [("x,y", "1\n2")]


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (
            ["timestamp", "vlaue"],
            "the column 'value' is missing: 'timestamp' and 'value' are needed, "
            "the table has 'timestamp', 'vlaue'; did you mean 'vlaue'? Then rename it",
        ),
        (["timestamp", " Value "], "the table has 'timestamp', ' Value '; did you mean ' Value '? Then rename it"),
        (
            ["timestamp", "x"],
            "the column 'value' is missing: 'timestamp' and 'value' are needed, the table has 'timestamp', 'x'",
        ),
        ([f"q{n}" for n in range(12)], "'q10', 'q11'"),
        ([f"q{n}" for n in range(13)], "'q10', 'q11' and 1 more"),
        (["timestamp", "x" * 50], f"'timestamp', '{'x' * 40}'"),
    ],
)
def test_a_missing_column_is_named_beside_what_is_there(there: list[str], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        require_columns(there, ["timestamp", "value"])
    assert message in str(caught.value)
    assert str(caught.value).endswith(message) or "missing" not in message


def test_a_size_is_told_in_mebibytes(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    with file.open("wb") as sparse:
        sparse.truncate(3 * 2**20 + 2**19)
    with pytest.raises(ValidationError, match=r"x\.csv is larger than the limit \(3\.5 MiB, limit 1\.0 MiB\)"):
        read_table(file, Settings(max_file_bytes=2**20))


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, f"a,b\n{'x' * 200_000},1\n2,3\n".encode()))  # longer than the csv module takes
    assert [len(cell) for cell in table["a"]] == [200_000, 1]
