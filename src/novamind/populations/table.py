"""A training table at the door: pandas or Polars in, numpy columns inside, the same kind out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from novamind.errors import ValidationError

MAX_LEVELS = 1_000
"""More levels than this is an identifier or free text, and a twin of it would be a copy of a person."""

DISCRETE_LEVELS = 30
"""A number with at most this many different values is treated as discrete."""

LARGEST = 1e30
"""Numbers beyond this overflow single precision once they are squared or summed."""

Arrays = dict[str, NDArray[Any]]
Kind = Literal["category", "number"]


@dataclass(frozen=True)
class Column:
    """What is known about one column.

    Parameters
    ----------
    name
        Name in the caller's frame.
    kind
        ``category`` (strings, booleans: held as codes) or ``number`` (held as float64, NaN is missing).
    levels
        Values of a category in code order; ``None`` stands for missing and comes last.
    decimals
        Decimal places that every training value keeps (0: whole numbers); ``None`` for full precision.
    """

    name: str
    kind: Kind
    levels: tuple[str | bool | None, ...] = ()
    decimals: int | None = None

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give the caller's values back for held ones: whole numbers as int64 where none is missing."""
        if self.kind == "category":
            whole = all(isinstance(level, bool) for level in self.levels)
            return np.asarray(np.asarray(self.levels, dtype=bool if whole else object)[values])
        return values.astype(np.int64) if self.decimals == 0 and not np.isnan(values).any() else values


@dataclass(frozen=True)
class Table:
    """Columns of equal length, encoded.

    Parameters
    ----------
    columns
        Descriptions, in the caller's order.
    values
        Column name -> codes (category, int32) or float64 (number).
    backend
        ``pandas`` or ``polars``: the kind to hand back.
    """

    columns: tuple[Column, ...]
    values: Arrays
    backend: str

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def take(self, rows: NDArray[Any]) -> "Table":
        """Keep these rows (indices or a mask)."""
        return Table(self.columns, {name: v[rows] for name, v in self.values.items()}, self.backend)

    def only(self, names: tuple[str, ...]) -> "Table":
        """Keep these columns, in this order."""
        return Table(tuple(self[name] for name in names), {name: self.values[name] for name in names}, self.backend)

    def to_native(self) -> Any:
        """Build the frame the caller knows, in the caller's kind.

        A whole-number column with missing values is nullable ``Int64`` in Polars and float in pandas.
        """
        if self.backend == "pandas":
            return nw.from_dict(
                {c.name: c.decode(self.values[c.name]) for c in self.columns}, backend="pandas"
            ).to_native()
        return self.to_polars()

    def to_polars(self) -> Any:
        """Build a Polars frame; categories become strings or Booleans, column by column."""
        import polars as pl

        series = []
        for column in self.columns:
            values = self.values[column.name]
            if column.kind == "number":
                numbers = pl.Series(column.name, values, nan_to_null=True)
                series.append(numbers.cast(pl.Int64) if column.decimals == 0 else numbers)
                continue
            series.append(pl.Series(column.name, list(column.levels)).gather(values))
        return pl.DataFrame(series)


def read(frame: Any, *, schema: tuple[Column, ...] | None = None) -> Table:
    """Encode a pandas or Polars frame; with a ``schema`` its columns, levels and order are required.

    Raises
    ------
    ValidationError
        If it is no frame, a column cannot be used, or the frame does not fit the schema.
    """
    try:
        data = nw.from_native(frame, eager_only=True)
        names = data.columns
    except TypeError as error:
        raise ValidationError("give the table as a pandas or Polars frame") from error
    except nw.exceptions.DuplicateError as error:
        raise ValidationError("two columns of the table have the same name; rename one") from error
    backend = "pandas" if data.implementation.is_pandas_like() else "polars"
    if schema is not None:
        absent = [column.name for column in schema if column.name not in names]
        if absent:
            raise ValidationError(f"the table lacks the column(s) {', '.join(absent)} that the model was trained on")
        values = {column.name: _encode(data[column.name], column) for column in schema}
        return Table(schema, values, backend)
    if not names:
        raise ValidationError("the table has no columns")
    odd = next((name for name in names if not (isinstance(name, str) and name.strip() and name.isprintable())), None)
    if odd is not None:
        raise ValidationError(f"column names must be printable text; rename {odd!r}")
    columns = tuple(_describe(data[name]) for name in names)
    return Table(columns, {column.name: _encode(data[column.name], column) for column in columns}, backend)


def _describe(series: Any) -> Column:
    name, dtype = series.name, series.dtype
    if dtype.is_numeric():
        values = _numbers(series)
        present = values[~np.isnan(values)]
        if not present.size:
            raise ValidationError(f"column {name!r} has no value at all; drop it")
        return Column(name, "number", decimals=_decimals(present))
    listed = _labels(series)
    levels = sorted({v for v in listed if v is not None}, key=str)
    if len(levels) > MAX_LEVELS:
        raise ValidationError(
            f"column {name!r} has {len(levels):,} different values: an "
            "identifier or free text cannot be twinned; "
            f"drop it or group it to at most {MAX_LEVELS:,} levels"
        )
    return Column(name, "category", levels=(*levels, None) if None in listed else tuple(levels))


def _encode(series: Any, column: Column) -> NDArray[Any]:
    if column.kind == "number":
        if not series.dtype.is_numeric():
            raise ValidationError(f"column {column.name!r} must hold numbers, as it did in training")
        return _numbers(series)
    code = {level: np.int32(i) for i, level in enumerate(column.levels)}
    listed = _labels(series)
    unknown = sorted({str(v) for v in listed if v not in code})
    if unknown:
        raise ValidationError(
            f"column {column.name!r} holds {len(unknown)} level(s) that training never saw; "
            f"known levels are {', '.join(map(str, column.levels[:12]))}"
        )
    return np.fromiter((code[v] for v in listed), np.int32, len(listed))


def _numbers(series: Any) -> NDArray[np.float64]:
    missing = series.is_null().to_numpy()
    values = np.array(series.fill_null(0).cast(nw.Float64).to_numpy(), dtype=float)
    values[missing] = np.nan
    if (np.abs(values) > LARGEST).any():
        raise ValidationError(
            f"column {series.name!r} holds an infinite or huge value; replace it by a number up to {LARGEST:g} "
            "or leave it missing"
        )
    return values


def _labels(series: Any) -> list[str | bool | None]:
    boolean = series.dtype == nw.Boolean
    missing = series.is_null().to_list()
    return [None if gone else bool(v) if boolean else str(v) for v, gone in zip(series.to_list(), missing, strict=True)]


def _decimals(values: NDArray[np.float64]) -> int | None:
    for places in range(5):
        # Both bounds: a share of 1e-8 is no whole number, and neither is 123,456,789.4.
        slack = np.minimum(1e-9 * np.abs(values), 10.0 ** -(places + 6))
        if (np.abs(values - np.round(values, places)) <= slack).all():
            return places
    return None


def concatenate(parts: Sequence[Mapping[str, NDArray[Any]]]) -> Arrays:
    """Join blocks of columns row-wise."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
