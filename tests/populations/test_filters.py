"""Filters: what each condition keeps, and what each mistake is told."""

import re
from typing import Any

import numpy as np
import pytest

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations import PopulationFilter
from novamind.populations.filters import inside, matching, resolve
from novamind.populations.table import Column, Table
from tests.populations import by_hand

COLUMNS = by_hand.table().columns
INF = float("inf")


@pytest.mark.parametrize(
    ("name", "wanted", "expected"),
    [
        ("specialty", "oncology", [1]),
        ("specialty", ["oncology", "hematology", "oncology"], [0, 1]),
        ("specialty", ("oncology", "hematology"), [0, 1]),
        ("specialty", {"oncology"}, [1]),
        ("specialty", None, [2]),
        ("specialty", [None, "oncology"], [1, 2]),
        ("covered", True, [1]),
        ("covered", [False, True], [0, 1]),
        ("decile", 3, [3.0]),
        ("decile", [5, 1, 5], [1.0, 5.0]),
        ("decile", (1, 3), (1.0, 3.0)),
        ("decile", (2, 2), (2.0, 2.0)),
        ("decile", (None, 3), (-INF, 3.0)),
        ("decile", (3, None), (3.0, INF)),
        ("decile", np.array([4, 2]), [2.0, 4.0]),
    ],
)
def test_conditions_are_read(name: str, wanted: Any, expected: Any) -> None:
    found = resolve({name: wanted}, COLUMNS)
    assert list(found) == [name]
    if isinstance(expected, tuple):
        assert found[name] == expected
    else:
        assert np.array_equal(found[name], expected)
        assert found[name].dtype == (np.int32 if name in ("specialty", "covered") else float)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"speciality": "oncology"}, "there is no column 'speciality' to filter on. Did you mean 'specialty'?"),
        ({"DECILES": 1}, "Did you mean 'decile'?"),
        ({"viper": 1}, "Did you mean 'covered'?"),  # half alike is near enough
        ({"revs": 1}, "Known: specialty,"),  # four in nine is not
        ({"xyz": 1}, "Known: specialty, region, covered, decile, visits, score."),
        ({"specialty": "oncolgy"}, "'specialty' has no level 'oncolgy'. Did you mean 'oncology'?"),
        ({"specialty": ["oncology", "xyz"]}, "has no level 'xyz'. Known: hematology, oncology, None."),
        ({"specialty": 1}, "has no level '1'"),
        ({"covered": "True"}, "has no level 'True'"),
        ({"specialty": []}, "the filter on 'specialty' is empty; list at least one level"),
        ({"specialty": (1, 2)}, "holds categories; filter it by a list of levels, not by a range"),
        ({"specialty": (None, 2)}, "not by a range"),
        ({"specialty": ("oncology", None, "x")}, "has no level 'x'"),
        ({"decile": (1, 2, 3)}, "a range on 'decile' is a (low, high) pair"),
        ({"decile": (3, 1)}, "has its low end above its high end"),
        ({"decile": (by_hand.NAN, 1)}, "has its low end above its high end"),
        ({"decile": ("a", 1)}, "column 'decile' holds numbers"),
        ({"decile": "a"}, "column 'decile' holds numbers"),
        ({"decile": []}, "must list at least one number"),
        ({"decile": [1.0, by_hand.NAN]}, "must list at least one number"),
        (["specialty"], "give filters as a PopulationFilter or as column -> condition"),
    ],
)
def test_mistakes_are_named(filters: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        resolve(filters, COLUMNS)


def test_at_most_twelve_names_are_listed() -> None:
    twelve, thirteen = ([Column(f"c{i:02d}", "number") for i in range(n)] for n in (12, 13))
    with pytest.raises(ValidationError, match=r"Known: c00, .*, c11\.$"):
        resolve({"zzzz": 1}, twelve)
    with pytest.raises(ValidationError, match=r"Known: c00, .*, c11 \.\.\.\.$"):
        resolve({"zzzz": 1}, thirteen)


def test_the_specification_and_tables_name_some_columns_differently() -> None:
    columns = (Column("geographic_region", "category", ("N",)), Column("tier", "number", decimals=0))
    wanted = PopulationFilter(tier=2, region="N")
    assert list(resolve(wanted, columns)) == ["tier", "geographic_region"]
    assert list(resolve({"tier": 1}, (Column("priority_tier", "number"),))) == ["priority_tier"]
    assert list(resolve({"tier": 1}, (Column("tier", "number"), Column("priority_tier", "number")))) == ["tier"]
    assert resolve(None, columns) == {}
    assert resolve({}, columns) == {}
    with pytest.raises(ValidationError, match="no column 'geographic_region'"):
        resolve({"geographic_region": "N"}, (Column("region", "category", ("N",)),))


def test_the_ends_of_a_range_belong_to_it_and_gaps_to_nothing() -> None:
    values = np.array([0.9, 1.0, 2.0, 3.0, 3.1, by_hand.NAN])
    assert inside(values, (1.0, 3.0)).tolist() == [False, True, True, True, False, False]
    assert inside(values, (-INF, INF)).tolist() == [True] * 5 + [False]
    assert inside(values, np.array([2.0, 9.0])).tolist() == [False, False, True, False, False, False]


def test_rows_must_meet_every_condition() -> None:
    table = by_hand.table()
    conditions = resolve({"specialty": "oncology", "decile": (2, 8)}, COLUMNS)
    assert np.flatnonzero(matching(table, conditions)).tolist() == [1, 2, 5, 7]
    assert matching(table, {}).all()


def test_the_condition_whose_removal_frees_most_rows_is_named() -> None:
    table = by_hand.table()
    conditions = resolve({"specialty": "oncology", "region": "north", "decile": (4, 7)}, COLUMNS)
    # Without specialty rows 3 and 6 match, without the others none or one.
    with pytest.raises(InsufficientDataError, match=r"relax the filter on 'specialty' \(2 of 12 rows match"):
        matching(table, conditions)
    two = Table(table.columns, table.values, "polars")
    none = resolve({"decile": (11, 12), "visits": (50, 60)}, COLUMNS)
    with pytest.raises(InsufficientDataError, match="even with any one of them dropped"):
        matching(two, none)
