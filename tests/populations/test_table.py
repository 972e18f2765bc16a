"""Tables at the door: what each kind of column becomes and comes back as."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from novamind.errors import ValidationError
from novamind.populations import table
from novamind.populations.table import Column, Table, concatenate, read
from tests.populations import by_hand

NAN = by_hand.NAN


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([1, 2, 3], 0),
        ([1.0, 2.0], 0),
        ([0.5, 2.0], 1),
        ([0.25, 1e6 + 0.25], 2),
        ([0.125], 3),
        ([0.0625], 4),
        ([0.03125], None),
        ([1e-8], None),
        ([123_456_789.4], 1),
        ([1.0 + 2e-9, 1.0], None),
        ([1e-20, 1.0], None),
        ([0.1 + 0.2], 1),
        ([-0.75], 2),
        ([12_345_678_901.1], 1),
    ],
)
def test_decimal_places_are_those_that_every_value_keeps(values: list[float], decimals: int | None) -> None:
    assert read(pl.DataFrame({"x": values, "y": values}))["x"].decimals == decimals


def test_columns_are_described_and_encoded() -> None:
    frame = pl.DataFrame(
        {
            "words": ["b", None, "a", "b"],
            "flags": [True, False, None, True],
            "whole": [3, None, 1, 2],
            "share": [0.123456, NAN, 1.0, 2.0],
            "day": pl.Series(["2020-01-02"] * 4).str.to_date(),
        }
    )
    found = read(frame)
    assert found.columns == (
        Column("words", "category", ("a", "b", None)),
        Column("flags", "category", (False, True, None)),
        Column("whole", "number", (), 0),
        Column("share", "number", (), None),
        Column("day", "category", ("2020-01-02",)),
    )
    assert found.values["words"].tolist() == [1, 2, 0, 1]
    assert found.values["words"].dtype == np.int32
    assert found.values["flags"].tolist() == [1, 0, 2, 1]
    np.testing.assert_array_equal(found.values["whole"], [3, NAN, 1, 2])
    np.testing.assert_array_equal(found.values["share"], [0.123456, NAN, 1.0, 2.0])
    assert found.backend == "polars"
    assert read(frame.to_pandas()).backend == "pandas"


def test_a_column_comes_back_as_it_was_held() -> None:
    words, flags = Column("w", "category", ("a", None)), Column("f", "category", (False, True))
    assert words.decode(np.array([1, 0])).tolist() == [None, "a"]
    assert flags.decode(np.array([1, 0])).dtype == bool
    gappy = Column("g", "category", (False, True, None)).decode(np.array([2, 1]))
    assert gappy.tolist() == [None, True]
    assert Column("n", "number", decimals=0).decode(np.array([1.0, 2.0])).dtype == np.int64
    assert Column("n", "number", decimals=0).decode(np.array([1.0, NAN])).dtype == float
    assert Column("n", "number", decimals=1).decode(np.array([1.0, 2.0])).dtype == float


def test_a_table_goes_back_to_the_kind_of_frame_it_came_in() -> None:
    known = by_hand.table()
    shown = known.to_native()
    assert isinstance(shown, pl.DataFrame)
    assert shown.schema == {
        "specialty": pl.String,
        "region": pl.String,
        "covered": pl.Boolean,
        "decile": pl.Int64,
        "visits": pl.Int64,
        "score": pl.Float64,
    }
    assert shown["specialty"].to_list()[:4] == ["hematology", "oncology", "oncology", None]
    assert shown["visits"].to_list()[:3] == [3, None, 0]
    assert shown["score"].to_list()[1:3] == [0.5, None]
    pandas = by_hand.table("pandas").to_native()
    assert isinstance(pandas, pd.DataFrame)
    assert pandas["visits"].dtype == float
    assert pandas["decile"].dtype == np.int64
    for frame in (shown, pandas):
        again = read(frame)
        for name, values in known.values.items():
            np.testing.assert_array_equal(again.values[name], values)


def test_rows_and_columns_are_kept() -> None:
    known = by_hand.table("pandas")
    some = known.take(np.array([3, 0])).only(("score", "specialty"))
    assert [c.name for c in some.columns] == ["score", "specialty"]
    assert list(some.values) == ["score", "specialty"]
    assert some.values["specialty"].tolist() == [2, 0]
    assert (len(some), some.backend) == (2, "pandas")
    joined = concatenate([some.values, known.only(("score", "specialty")).values])
    assert len(joined["score"]) == 14
    assert joined["specialty"][:3].tolist() == [2, 0, 0]


def test_a_schema_gives_codes_order_and_columns() -> None:
    schema = (Column("n", "number", decimals=0), Column("w", "category", ("a", "b", None)))
    found = read(pd.DataFrame({"w": ["b", None], "extra": [1, 2], "n": [1.5, 2.0]}), schema=schema)
    assert found.columns == schema
    assert found.values["w"].tolist() == [1, 2]
    assert list(found.values) == ["n", "w"]
    assert found.backend == "pandas"
    for frame, message in (
        ({"n": [1.0]}, r"lacks the column\(s\) w that the model was trained on"),
        ({"x": [1.0]}, r"lacks the column\(s\) n, w"),
        ({"n": ["1"], "w": ["a"]}, "column 'n' must hold numbers"),
        ({"n": [1.0] * 3, "w": ["c", "d", "c"]}, r"holds 2 level\(s\) that training never saw; known levels are a, b"),
    ):
        with pytest.raises(ValidationError, match=message):
            read(pl.DataFrame(frame), schema=schema)


def test_at_most_twelve_known_levels_are_listed() -> None:
    levels = tuple(f"v{i:02d}" for i in range(14))
    with pytest.raises(ValidationError, match=r"v10, v11$"):
        read(pl.DataFrame({"w": ["z"]}), schema=(Column("w", "category", levels),))


@pytest.mark.parametrize("levels", [1_000, 1_001])
def test_a_thousand_levels_are_the_most(levels: int) -> None:
    frame = pl.DataFrame({"k": [f"v{i}" for i in range(levels)]})
    if levels <= 1_000:
        assert len(read(frame)["k"].levels) == 1_000
    else:
        with pytest.raises(ValidationError, match="has 1,001 different values"):
            read(frame)
    assert (table.MAX_LEVELS, table.DISCRETE_LEVELS, table.LARGEST) == (1_000, 30, 1e30)


@pytest.mark.parametrize(("value", "fits"), [(1e30, True), (-1e30, True), (1.01e30, False), (float("-inf"), False)])
def test_a_number_that_single_precision_cannot_square_is_refused(value: float, fits: bool) -> None:
    frame = pl.DataFrame({"x": [value, None]})
    if fits:
        assert read(frame).values["x"][0] == value
    else:
        with pytest.raises(ValidationError, match=r"'x' holds an infinite or huge value.* up to 1e\+30"):
            read(frame)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"x": pl.Series([None, None], dtype=pl.Float64)}), "'x' has no value at all; drop it"),
        (pl.DataFrame(), "has no columns"),
        (pl.DataFrame({"a\x00b": [1]}), "must be printable text; rename 'a.x00b'"),
        (pl.DataFrame({"": [1]}), "must be printable text"),
        (pd.DataFrame({3: [1]}), "rename 3"),
        ([1, 2], "as a pandas or Polars frame"),
        (pl.Series([1]), "as a pandas or Polars frame"),
    ],
)
def test_what_is_no_table_is_refused(frame: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(frame)


def test_a_table_knows_its_columns_by_name() -> None:
    known: Table = by_hand.table()
    assert known["decile"] == Column("decile", "number", (), 0)
    assert len(known) == 12
