"""Local wall-clock time and instants, vectorised over ``datetime64`` arrays.

People sleep, take tablets and answer diaries by the clock on their wall, so local time is what this house
computes with; the offset from UTC is kept beside it where it is known. Two rules settle the days on which
clocks change, both those of :pep:`495` with ``fold=0``:

- a local time that occurred twice (autumn) means its first occurrence unless an offset says otherwise;
- a local time that was skipped (spring) is read with the offset before the change, i.e. moved forward.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ValidationError

Times = NDArray[np.datetime64]
Offsets = NDArray[np.timedelta64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400
# Outside these years, which mistyped dates reach, the offset of the nearer end is used.
_FIRST_SECOND, _LAST_SECOND = -70 * 365 * _DAY, 230 * 365 * _DAY


def parse_instant(value: object, name: str) -> datetime:
    """Return one timestamp, checked: a timezone-aware ``datetime`` or its ISO 8601 text."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValidationError(f"{name} is not an ISO 8601 time such as 2024-01-31T08:30+01:00") from error
    if not isinstance(value, datetime):
        raise ValidationError(f"{name} must be a datetime or its ISO 8601 text")
    if value.utcoffset() is None:
        raise ValidationError(f"{name} has no timezone: give one, e.g. datetime(..., tzinfo=ZoneInfo('Europe/Berlin'))")
    return value


def parse_timezone(name: str) -> ZoneInfo:
    """Return an IANA timezone by its name, e.g. ``Europe/Berlin``."""
    try:
        return ZoneInfo(name)
    # ZoneInfo also raises ValueError (path-like names), OSError (a folder of the database) and TypeError.
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise ValidationError("the timezone is unknown: give an IANA name such as 'Europe/Berlin'") from error


def local_from_utc(utc: Times, timezone: ZoneInfo) -> tuple[Times, Offsets]:
    """Return local wall-clock times of instants, and their offsets from UTC.

    Parameters
    ----------
    utc
        ``datetime64`` array without ``NaT``, any shape and unit.
    timezone
        Where the clock hangs.

    Returns
    -------
    local, utc_offset
        Same shape as ``utc``: ``datetime64[us]`` and ``timedelta64[s]``, with ``local = utc + utc_offset``.
    """
    utc = utc.astype("datetime64[us]")
    if utc.size == 0:
        return utc, np.zeros(utc.shape, "timedelta64[s]")
    starts, offsets = offset_periods(utc.min(), utc.max(), timezone)
    offset = offsets[np.searchsorted(starts, utc, side="right") - 1]
    return utc + offset, offset


def utc_from_local(local: Times, timezone: ZoneInfo) -> Times:
    """Return instants of local wall-clock times, ``datetime64[us]``, by the two rules in the module's docstring."""
    local = local.astype("datetime64[us]")
    if local.size == 0:
        return local
    margin = np.timedelta64(2, "D")  # offsets are below a day, so the instants lie inside
    starts, offsets = offset_periods(local.min() - margin, local.max() + margin, timezone)
    # The clock's reading at which each period ends, by its own offset: an ambiguous time belongs to the
    # earlier one.
    period = np.searchsorted(starts[1:] + offsets[:-1], local, side="right")
    skipped = (local < starts[period] + offsets[period]) & (period > 0)
    return local - offsets[period - skipped]


def offset_periods(start: np.datetime64, end: np.datetime64, timezone: ZoneInfo) -> tuple[Times, Offsets]:
    """Return the periods of a span of instants, split at each change of the offset from UTC.

    Returns
    -------
    starts, offsets
        First instant of each period, ``datetime64[s]`` in UTC, and its offset, ``timedelta64[s]``. The first
        period starts at or before ``start``; the last holds ``end``. Two changes within one day that cancel
        each other are not seen.
    """
    first, last = (int(instant.astype("datetime64[s]").astype(np.int64)) for instant in (start, end))
    starts, offsets = [first], [_offset_seconds(first, timezone)]
    begin, stop = _clamped(first), _clamped(last)
    for before, after in pairwise([*range(begin, stop, _DAY), stop]):
        if _offset_seconds(after, timezone) == offsets[-1]:
            continue
        while after - before > 1:
            middle = (before + after) // 2
            if _offset_seconds(middle, timezone) == offsets[-1]:
                before = middle
            else:
                after = middle
        starts.append(after)
        offsets.append(_offset_seconds(after, timezone))
    return np.array(starts, "datetime64[s]"), np.array(offsets, "timedelta64[s]")


def _offset_seconds(utc_second: int, timezone: ZoneInfo) -> int:
    offset = (_EPOCH + timedelta(seconds=_clamped(utc_second))).astimezone(timezone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def _clamped(utc_second: int) -> int:
    return min(max(utc_second, _FIRST_SECOND), _LAST_SECOND)
