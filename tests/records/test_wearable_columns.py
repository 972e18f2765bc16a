"""Tables of makers: what a cell, a row and a heading may be; and where a clock stood, by its neighbours."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.records.wearables.columns import Columns, table_of, text_of, timed
from novamind.records.wearables.json_files import moments
from novamind.records.wearables.offsets import Offsets
from novamind.records.wearables.samples import NO_VALUE, Batch, Clock, Tally, frame_of
from tests.records.maker_input import utc


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfa,b\n", "a,b\n"), ("ä".encode(), "ä"), ("ä".encode("cp1252"), "ä"),
        ("ä\n".encode("utf-16"), "ä\n"), (b"", ""),
    ],
)  # fmt: skip
def test_encodings(data: bytes, text: str) -> None:
    assert text_of(data) == text


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", [(1, "1", "2")]), ("a,b\n1,2,\n3\n", [(1, "1", "2"), (2, "3", "")]),
        ('a,b\n"1,5","x\ny"\n', [(1, "1,5", "x\ny")]), ("a,b\r\n1,2\r\n", [(1, "1", "2")]), ("a,b\n", []),
        ('"a\nx",b\n1,2\n', [(1, "1", "2")]), (" a , b \n 1 ,2\n", [(1, " 1 ", "2")]),
    ],
)  # fmt: skip
def test_rows(text: str, rows: list[tuple[object, ...]]) -> None:
    table = table_of(text, "f.csv", Tally())
    assert table.rows() == rows
    assert table.columns[2] == "b"


def test_headings_that_repeat_or_are_empty_stay_apart() -> None:
    assert table_of("a,a,,b\n1,2,3,4\n", "f.csv", Tally()).columns == ["row", "a", "a 2", "column 3", "b"]
    assert table_of("x\nx\na;b\n1;2\n", "f.csv", Tally(), separator=";", skip_lines=2).rows() == [(1, "1", "2")]
    assert table_of("1,2\n", "f.csv", Tally(), headings=("a", "b")).rows() == [(1, "1", "2")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no headings"), (",,\n1,2,3\n", "has no headings"), ("a,b\n1,2,3\n", "do not fit its headings"),
        ("a,b\n1,2,,,5\n", "do not fit its headings"), ("a,b\n1,2\n" + 4 * "1,2,3\n", "do not fit its headings"),
        ('a,b\n1,"2\n', "do not fit its headings"),
    ],
)  # fmt: skip
def test_what_is_no_table(text: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=rf"^f\.csv: .*{reason}"):
        table_of(text, "f.csv", Tally())


@pytest.mark.parametrize(
    ("text", "rows", "misfit"),
    [
        ("a,b\n1,2\n3,4,5\n6,7\n", [(1, "1", "2"), (3, "6", "7")], "row 2 left out"),
        ("a,b\n1,2\n3,4,,,5\n6\n", [(1, "1", "2"), (3, "6", "")], "row 2 left out"),
        (
            'a,b\n"1,5","say ""x"""\n3,"4\n6,7\n\n',
            [(1, "1,5", 'say "x"'), (3, "6", "7"), (4, "", "")],
            "row 2 left out",
        ),
        ("a,b\n" + 3 * "1,2,3\n" + "1,2\n", [(4, "1", "2")], "row 1 and 2 more left out"),
        ("a,b\n" + 4 * "1,2,3\n" + 36 * "1,2\n", [(n, "1", "2") for n in range(5, 41)], "row 1 and 3 more left out"),
    ],
    ids=["wide", "wider", "open quote", "three", "a tenth"],
)
def test_a_few_rows_that_do_not_fit_are_left_out_and_named(text: str, rows: list[object], misfit: str) -> None:
    tally = Tally()
    assert table_of(text, "f.csv", tally).rows() == rows
    assert tally.skipped == {f"{misfit}: the cells do not fit the headings": ["f.csv"]}
    assert tally.files_named == 1


def cells(*values: str) -> pl.DataFrame:
    table = table_of("t,v\n" + "".join(f'2024-03-01T07:00:00+01:00,"{value}"\n' for value in values), "f.csv", Tally())
    return timed(table, table["t"])


@pytest.mark.parametrize("empty", ["", " ", "--", "NaN", "null", "None", "N/A", "no data"])
def test_an_empty_cell_says_that_nothing_was_measured(empty: str) -> None:
    columns = Columns("f.csv", "Maker", tally := Tally())
    columns.add(cells("61", empty), "v", "heart_rate", "bpm")
    (batch,) = columns.batches("local")
    assert batch.samples["value"].to_list() == [61.0]
    (entry,) = tally.left_out_rows()
    assert (entry["signal"], entry["reason"], entry["rows"], entry["first_row"]) == ("heart_rate", NO_VALUE, 1, 2)
    assert tally.rows_read == 1


def test_a_word_is_no_number_and_is_left_to_the_common_rules() -> None:
    columns = Columns("f.csv", "Maker", tally := Tally())
    columns.add(cells("61", "high", "0", "-1"), "v", "heart_rate", "bpm")
    columns.add(cells("61"), "not there", "steps", "count")
    (batch,) = columns.batches("local")
    assert batch.samples["value"].to_list() == [61.0, None, 0.0, -1.0]
    assert tally.left_out == {}


def test_zero_is_missing_where_the_maker_says_so() -> None:
    columns = Columns("f.csv", "Maker", tally := Tally())
    columns.add(cells("61", "0", "-1", "0.0"), "v", "heart_rate", "bpm", zero_is_missing=True)
    (batch,) = columns.batches("local")
    assert (batch.samples["value"].to_list(), tally.left_out_rows()[0]["rows"]) == ([61.0], 3)


def test_columns_that_are_not_read_are_counted_by_name() -> None:
    table = table_of("t,v,w,x\n2024-03-01,1,2,\n2024-03-02,1,,\n", "f.csv", Tally())
    columns = Columns("f.csv", "Maker", tally := Tally())
    columns.add(timed(table, table["t"]), "v", "steps", "count")
    columns.name_the_rest(table, ("t",))
    assert tally.unread == {"Maker w": 1}


def test_rows_with_and_without_an_offset_are_two_batches() -> None:
    table = table_of("t,v\n2024-03-01T07:00:00+01:00,1\n2024-03-01T07:00:00,2\n", "f.csv", Tally())
    columns = Columns("f.csv", "Maker", Tally())
    columns.add(timed(table, table["t"]), "v", "steps", "count")
    assert [(batch.clock, batch.samples["value"].to_list()) for batch in columns.batches("utc")] == [
        ("offset", [1.0]), ("utc", [2.0]),
    ]  # fmt: skip
    assert list(Columns("f.csv", "Maker", Tally()).batches("utc")) == []


class TestOffsets:
    PLACES = ("2024-03-01T23:00:00-05:00", "2024-03-10T23:00:00+01:00", "2024-03-10", None, "x")

    def placed(self, clock: Clock, *starts: datetime) -> dict[str, list[tuple[datetime, int | None]]]:
        samples = frame_of(
            {"row": range(len(starts)), "start": list(starts), "end": [s + timedelta(hours=1) for s in starts]}
        )
        batches = Offsets(moments(self.PLACES)).placed(Batch(samples, clock, "f"))
        return {batch.clock: batch.samples.select("start", "offset").rows() for batch in batches}

    def test_the_nearest_offset_within_a_day_and_a_half_counts(self) -> None:
        near, far = utc(2024, 3, 3, 16), utc(2024, 3, 3, 16, 0, 1)  # 36 hours after 04:00 in UTC, and a second more
        assert self.placed("utc", near, far) == {"offset": [(near, -18_000)], "utc": [(far, None)]}
        assert self.placed("utc", utc(2024, 3, 10)) == {"offset": [(utc(2024, 3, 10), 3_600)]}

    def test_a_wall_clock_becomes_an_instant(self) -> None:
        assert self.placed("local", utc(2024, 3, 2)) == {"offset": [(utc(2024, 3, 2, 5), -18_000)]}

    def test_no_place_is_known(self) -> None:
        samples = frame_of({"row": [1], "start": [utc(2024, 3, 2)]})
        (batch,) = Offsets(moments([])).placed(Batch(samples, "utc", "f"))
        assert (batch.clock, batch.samples["offset"].to_list()) == ("utc", [None])
