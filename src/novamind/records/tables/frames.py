"""Long frames at the door: pandas or Polars in, checked numpy columns out.

Symptoms come as ``timestamp, value [, patient_id, symptom]``, signals as ``timestamp, value, signal [,
patient_id, unit]``; ``date`` may stand for ``timestamp``; other columns are ignored. Rows are counted from 1.
The rules:

- Times are ``datetime`` or ``date`` columns or ISO 8601 text, from 1900 on and not after today. All of them
  have a timezone or none has. A time without one is local time; a time with one counts by its own wall clock,
  or by the clock of ``timezone`` where that is given.
- Rows may stand in any order: they are sorted by series (patient, then name, as text) and time.
- A repeated row (same series, time and value) is dropped. Two different values of one series at one time are
  refused.
- Values are numbers or text that reads as one, with a decimal point. Null, ``NaN`` and empty text mean that
  no report was given; such a row gives way to a value at the same time. Infinite values are refused, and
  values off the scale where one is given.
- Messages name rows and columns, never what stands in them.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np
import polars as pl
from narwhals.typing import EagerAllowed, IntoDataFrame, IntoSeries
from numpy.typing import NDArray

from novamind.errors import InsufficientDataError, ValidationError
from novamind.summary import Summarised, Summary, counted
from novamind.timeline import local_from_utc, parse_timezone

Times = NDArray[np.datetime64]
Offsets = NDArray[np.timedelta64]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: What a series is called where the frame has no ``symptom`` column.
UNNAMED_SYMPTOM = "symptom"

_NAMED_ROWS = 5
_SHOWN_COLUMNS = 12
_EARLIEST = np.datetime64("1900-01-01")
_MISSING_TEXT = ("", "na", "n/a", "nan", "null", "none")
_ISO_8601 = (
    r"^(\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r" ?(?:([Zz])|([+-])(\d{2})(?::?(\d{2}))?)?)?$"
)


class SeriesKey(NamedTuple):
    """Whose series it is (``None`` in a frame without ``patient_id``) and of which symptom or signal."""

    patient_id: str | None
    name: str


@dataclass(frozen=True, slots=True, repr=False)
class LongFrame(Summarised):
    """Checked observations, sorted by series and time.

    Attributes
    ----------
    series
        One key per series, sorted.
    series_index
        ``(rows,)``, non-decreasing: which series each row belongs to.
    timestamps
        ``(rows,)``, ``datetime64[us]``, local wall-clock time.
    utc_offset
        ``(rows,)``, ``timedelta64[s]``, local time minus UTC; ``None`` where times came without timezone.
    values
        ``(rows,)``; ``NaN`` where no report was given.
    units
        One per series; ``None`` where the frame names none.
    backend
        The kind of frame that came in, for :func:`native_frame`.
    """

    series: tuple[SeriesKey, ...]
    series_index: Integers
    timestamps: Times
    utc_offset: Offsets | None
    values: Floats
    units: tuple[str | None, ...]
    backend: nw.Implementation

    def __len__(self) -> int:
        return len(self.values)

    def _summary(self) -> Summary:
        lengths = np.bincount(self.series_index, minlength=len(self.series)).tolist()
        rows = ((key.name, unit, n) for key, unit, n in zip(self.series, self.units, lengths, strict=True))
        text = f"{counted(len(self), 'row')} of {counted(len(self.series), 'series', 'series')}"
        return Summary(text, ("series", "unit", "rows"), rows)

    def part(self, series: int) -> slice:
        """Return the rows of one series as a slice."""
        low, high = np.searchsorted(self.series_index, [series, series + 1])
        return slice(int(low), int(high))


def require_columns(columns: Sequence[str], needed: Sequence[str]) -> None:
    """Refuse a table that lacks a column; name the needed columns, the present ones and the nearest name."""
    folded = {name.casefold().strip(): name for name in columns}
    for name in needed:
        if name in columns:
            continue
        shown = ", ".join(f"'{column[:40]}'" for column in columns[:_SHOWN_COLUMNS]) or "none"
        more = f" and {len(columns) - _SHOWN_COLUMNS} more" if len(columns) > _SHOWN_COLUMNS else ""
        near = difflib.get_close_matches(name, folded, n=1)
        hint = f"; did you mean '{folded[near[0]][:40]}'? Then rename it" if near else ""
        wanted = " and ".join(f"'{column}'" for column in needed)
        raise ValidationError(f"the column '{name}' is missing: {wanted} are needed, the table has {shown}{more}{hint}")


def symptom_frame(
    frame: IntoDataFrame,
    *,
    scale: tuple[float, float] | None = None,
    today: date | None = None,
    timezone: str | None = None,
) -> LongFrame:
    """Check and return a frame of symptom reports.

    Parameters
    ----------
    frame
        pandas or Polars (or another eager frame that narwhals knows): ``timestamp, value [, patient_id,
        symptom]``.
    scale
        Smallest and largest value that can occur; not checked where not given.
    today
        The last local day that may occur; the present day where not given.
    timezone
        IANA name; times that carry a timezone are brought to this clock.

    Raises
    ------
    ValidationError
        A rule of this module is broken; the message names rows and column.
    InsufficientDataError
        The frame has no rows.
    """
    return _long_frame(frame, "symptom", UNNAMED_SYMPTOM, scale, today, timezone)


def signal_frame(frame: IntoDataFrame, *, today: date | None = None, timezone: str | None = None) -> LongFrame:
    """Check and return a frame of biometric signals: ``timestamp, value, signal [, patient_id, unit]``.

    As :func:`symptom_frame`; one signal of one patient must keep one unit. Local times may come with
    ``utc_offset_minutes``, how far the clock was ahead of UTC, as :mod:`novamind.records.wearables` writes it.
    """
    return _long_frame(frame, "signal", None, None, today, timezone)


def native_frame(columns: Mapping[str, Sequence[Any] | NDArray[Any]], backend: nw.Implementation) -> Any:
    """Return columns of equal length as a frame of the kind that came in."""
    return nw.from_dict(columns, backend=cast("EagerAllowed", backend)).to_native()


def _long_frame(
    native: IntoDataFrame,
    name_column: str,
    default_name: str | None,
    scale: tuple[float, float] | None,
    today: date | None,
    timezone: str | None,
) -> LongFrame:
    zone = None if timezone is None else parse_timezone(timezone)
    frame = _opened(native)
    time_column = "date" if "date" in frame.columns and "timestamp" not in frame.columns else "timestamp"
    needed = [time_column, "value"] if default_name else [time_column, "value", name_column]
    require_columns(frame.columns, needed)
    if len(frame) == 0:
        raise InsufficientDataError("the table has no rows: give at least one observation")

    local, utc_offset = parse_times(frame[time_column], time_column, zone)
    if name_column == "signal" and utc_offset is None and "utc_offset_minutes" in frame.columns:
        local, utc_offset = _with_offsets(local, frame["utc_offset_minutes"], zone)
    _check_days(local, utc_offset, time_column, today, zone)
    patients = _texts(frame["patient_id"], "patient_id") if "patient_id" in frame.columns else None
    names = _texts(frame[name_column], name_column) if name_column in frame.columns else None
    values = parse_numbers(frame["value"], "value")
    if scale is not None:
        _check_scale(values, scale)

    series, index = _series(patients, names, default_name or name_column, len(frame))
    units = _units(frame["unit"], index, len(series)) if name_column == "signal" and "unit" in frame.columns else None
    instant = local if utc_offset is None else local - utc_offset
    keep = _sorted_distinct(index, instant, local, values, f"patient, {name_column} and {time_column}")
    return LongFrame(
        series=series,
        series_index=index[keep],
        timestamps=local[keep],
        utc_offset=None if utc_offset is None else utc_offset[keep],
        values=values[keep],
        units=units or (None,) * len(series),
        backend=frame.implementation,
    )


def _opened(native: IntoDataFrame) -> nw.DataFrame[Any]:
    try:
        frame = nw.from_native(native, eager_only=True)
        names = frame.columns
    except TypeError as error:
        raise ValidationError("give a pandas or Polars DataFrame (a LazyFrame must be collected first)") from error
    except nw.exceptions.DuplicateError as error:
        raise ValidationError("two columns of the table have the same name: rename one") from error
    if not all(isinstance(name, str) for name in names):
        raise ValidationError("the table's columns must have names (text), e.g. 'timestamp' and 'value'")
    return frame


def _rows(wrong: Mask | Integers) -> str:
    """Return row names as the user counts them."""
    numbers = np.flatnonzero(wrong) + 1 if wrong.dtype == bool else np.sort(wrong) + 1
    named = ", ".join(str(number) for number in numbers[:_NAMED_ROWS])
    more = f" and {len(numbers) - _NAMED_ROWS} more" if len(numbers) > _NAMED_ROWS else ""
    return f"row{'s' if len(numbers) > 1 else ''} {named}{more}"


def _refuse(wrong: Mask, column: str, reason: str) -> None:
    if wrong.any():
        raise ValidationError(f"{_rows(wrong)}, column '{column}': {reason}")


def _nulls(column: nw.Series[Any]) -> Mask:
    return column.is_null().to_numpy().astype(bool)


def _texts(column: nw.Series[Any], name: str) -> pl.Series:
    """Return ids and names as text; whole numbers have no decimal point, even where pandas made floats of them."""
    _refuse(_nulls(column), name, "is empty")
    if column.dtype.is_integer() or column.dtype == nw.String:
        texts = column.to_polars().cast(pl.String).str.strip_chars()
    else:
        items = column.to_list()
        if column.dtype.is_float():
            items = [int(item) if item.is_integer() else item for item in items]
        texts = pl.Series([str(item) for item in items], dtype=pl.String).str.strip_chars()
    _refuse((texts == "").to_numpy(), name, "is empty")
    return texts


def parse_numbers(series: IntoSeries, name: str) -> Floats:
    """Return the numbers of a column; text that reads as a number counts, an empty cell is ``NaN``."""
    column = nw.from_native(series, series_only=True)
    if column.dtype.is_numeric():
        values = np.array(column.cast(nw.Float64).to_numpy(), dtype=np.float64)
    else:
        nulls = _nulls(column)
        items = [None if null else str(item) for item, null in zip(column.to_list(), nulls, strict=True)]
        texts = pl.Series(items, dtype=pl.String).str.strip_chars()
        parsed = texts.cast(pl.Float64, strict=False)
        absent = nulls | texts.str.to_lowercase().is_in(_MISSING_TEXT).fill_null(value=True).to_numpy()
        wrong = parsed.is_null().to_numpy() & ~absent
        comma = texts.str.contains(r"^[+-]?\d+,\d+$").fill_null(value=False).to_numpy()
        _refuse(wrong & comma, name, "has a decimal comma: write a decimal point")
        _refuse(wrong, name, "is not a number")
        values = parsed.fill_null(np.nan).to_numpy().copy()
    _refuse(np.isinf(values), name, "is infinite: leave it empty where no value was given")
    return values


def _check_scale(values: Floats, scale: tuple[float, float]) -> None:
    try:
        low, high = (float(end) for end in scale)
    except (TypeError, ValueError) as error:
        raise ValidationError("scale must be (low, high), e.g. (0, 27)") from error
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValidationError("scale must be (low, high) with two finite numbers and low < high")
    off = (values < low) | (values > high)
    _refuse(off, "value", f"is off the scale, which runs from {low:g} to {high:g}")


def parse_times(series: IntoSeries, name: str, zone: ZoneInfo | None = None) -> tuple[Times, Offsets | None]:
    """Return local times of a column and, where it has timezones, their offsets; messages call it ``name``."""
    column = nw.from_native(series, series_only=True)
    _refuse(_nulls(column), name, "is empty: every row needs a time")
    dtype = column.dtype
    if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
        local = _microseconds(column.dt.replace_time_zone(None))
        utc = _microseconds(column.dt.convert_time_zone("UTC").dt.replace_time_zone(None))
        offset: Offsets | None = (local - utc).astype("timedelta64[s]")
    elif isinstance(dtype, nw.Datetime | nw.Date):
        local, offset = _microseconds(column), None
    elif dtype.is_numeric() or dtype == nw.Boolean:
        raise ValidationError(f"the column '{name}' holds {dtype}, not times: write e.g. 2024-01-31T08:30+01:00")
    else:
        local, offset = _parsed_times(column, name)
    if zone is not None and offset is not None:
        return local_from_utc(local - offset, zone)
    return local, offset


def _with_offsets(local: Times, column: nw.Series[Any], zone: ZoneInfo | None) -> tuple[Times, Offsets | None]:
    minutes = parse_numbers(column, column.name)
    absent = np.isnan(minutes)
    if absent.all():
        return local, None
    _refuse(absent, column.name, "is empty while other rows have one: give it to all or to none")
    _refuse(
        (minutes % 1 != 0) | (np.abs(minutes) >= 24 * 60), column.name, "is not a whole number of minutes below a day"
    )
    offset = (minutes * 60).astype("timedelta64[s]")
    return (local, offset) if zone is None else local_from_utc(local - offset, zone)


def _microseconds(column: nw.Series[Any]) -> Times:
    return column.to_numpy().astype("datetime64[us]")


def _parsed_times(column: nw.Series[Any], name: str) -> tuple[Times, Offsets | None]:
    items = [item.isoformat() if isinstance(item, date) else str(item) for item in column.to_list()]
    fields = pl.Series(items, dtype=pl.String).str.strip_chars().str.extract_groups(_ISO_8601).struct.unnest()
    day, hour, minute, second, fraction, utc, sign, offset_hour, offset_minute = fields.get_columns()

    def whole(text: pl.Series) -> Integers:
        return text.cast(pl.Int64).fill_null(0).to_numpy()

    days = day.str.to_date("%Y-%m-%d", strict=False)
    hours, minutes, seconds = whole(hour), whole(minute), whole(second)
    offset_hours, offset_minutes = whole(offset_hour), whole(offset_minute)
    impossible = (hours > 23) | (minutes > 59) | (seconds > 59) | (offset_hours > 23) | (offset_minutes > 59)
    _refuse(
        days.is_null().to_numpy() | impossible,
        name,
        "is not an ISO 8601 time such as 2024-01-31T08:30 or 2024-01-31",
    )
    microseconds = whole(fraction.str.pad_end(6, "0").str.slice(0, 6))
    local = days.to_numpy().astype("datetime64[us]") + (
        (hours * 3600 + minutes * 60 + seconds) * 1_000_000 + microseconds
    ).astype("timedelta64[us]")

    aware = (utc.is_not_null() | sign.is_not_null()).to_numpy()
    if not aware.any():
        return local, None
    if not aware.all():
        raise ValidationError(
            f"column '{name}': {_rows(aware)} with a timezone, {_rows(~aware)} without: give one to all or to none"
        )
    direction = np.where((sign == "-").fill_null(value=False).to_numpy(), -1, 1)
    return local, (direction * (offset_hours * 3600 + offset_minutes * 60)).astype("timedelta64[s]")


def _check_days(local: Times, utc_offset: Offsets | None, name: str, today: date | None, zone: ZoneInfo | None) -> None:
    last: np.datetime64 | Times
    if today is not None:
        last = np.datetime64(today, "D")
    elif utc_offset is not None:  # the present day where the report was given
        last = (np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us") + utc_offset).astype("datetime64[D]")
    else:
        last = np.datetime64(datetime.now(UTC).astimezone(zone).date(), "D")
    _refuse(local < _EARLIEST, name, "lies before 1900: look for a mistyped year")
    _refuse(local.astype("datetime64[D]") > last, name, "lies in the future")


def _series(
    patients: pl.Series | None, names: pl.Series | None, default_name: str, n_rows: int
) -> tuple[tuple[SeriesKey, ...], Integers]:
    """Return the sorted keys, and the key of each row as an index."""
    patient_of_row, patient_ids = _coded(patients, n_rows)
    name_of_row, series_names = _coded(names, n_rows)
    pairs, index = np.unique(patient_of_row * len(series_names) + name_of_row, return_inverse=True)
    keys = [divmod(int(pair), len(series_names)) for pair in pairs]
    return tuple(SeriesKey(patient_ids[p], series_names[n] or default_name) for p, n in keys), index.astype(np.int64)


def _coded(texts: pl.Series | None, n_rows: int) -> tuple[Integers, list[str | None]]:
    if texts is None:
        return np.zeros(n_rows, np.int64), [None]
    return texts.rank("dense").cast(pl.Int64).to_numpy() - 1, texts.unique().sort().to_list()


def _units(column: nw.Series[Any], index: Integers, n_series: int) -> tuple[str | None, ...]:
    if column.dtype == nw.String:
        items = column.to_polars()
    else:
        nulls = _nulls(column)
        texts = [None if null else str(item) for item, null in zip(column.to_list(), nulls, strict=True)]
        items = pl.Series(texts, dtype=pl.String)
    code, texts = _coded(items.str.strip_chars().fill_null(""), len(items))
    first = np.zeros(n_series, np.int64)
    first[index[::-1]] = code[::-1]
    _refuse(code != first[index], "unit", "differs from an earlier row of the same signal: convert to one unit")
    return tuple(texts[unit] or None for unit in first)


def _sorted_distinct(index: Integers, instant: Times, local: Times, values: Floats, key_names: str) -> Integers:
    """Return row positions in order of series and time, without repeats; refuse contradictions."""
    absent = np.isnan(values)
    order = np.lexsort((local, absent, instant, index))
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (np.diff(index[order]) != 0) | (np.diff(instant[order]) != np.timedelta64(0))
    first = order[np.flatnonzero(starts)[np.cumsum(starts) - 1]]  # of the rows with the same series and time
    contradicts = ~absent[order] & (values[order] != values[first])
    if contradicts.any():
        rows = np.unique(np.concatenate([order[contradicts], first[contradicts]]))
        raise ValidationError(
            f"{_rows(rows)}, column 'value': different values for the same {key_names}: keep one; "
            "where the table holds several series, name the columns 'patient_id', 'symptom' or 'signal'"
        )
    return order[starts]
