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
