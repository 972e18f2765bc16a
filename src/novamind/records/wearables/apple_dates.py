"""Dates of Apple Health's export, in any language: ``2024-09-21 07:57:00 +1000``, as the phone shows times.

The export takes over the phone's settings. On the 12-hour clock it is ``7:57:00 am``, with a narrow no-break space
before the half of the day, in the phone's language and its digits. In the Buddhist calendar 2024 is the year 2567.
"""

import re
import unicodedata
from datetime import datetime, timedelta

import polars as pl

from novamind.records.tables.day_halves import half_of_day

_PLAIN_BYTES = len("2024-09-21 07:57:00 +1000")
_STAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})\s+(\D*?)\s*(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,6})\d*)?\s*(\D*?)\s*([+-])(\d{2}):?(\d{2})$"
)
_BUDDHIST = 543
_BUDDHIST_YEARS = range(2400, 2700)


def instants(texts: pl.Series) -> pl.DataFrame:
    """Return dates as ``instant`` in UTC and ``offset``, the seconds by which the wall clock was ahead.

    Text that is no date gives null in both.
    """
    text = pl.col("text")
    plain = (text.str.len_bytes() == _PLAIN_BYTES) & ~text.str.slice(0, 4).is_between(
        pl.lit(str(_BUDDHIST_YEARS.start)), pl.lit(str(_BUDDHIST_YEARS.stop))
    )
    digits = text.str.slice(20)
    ahead = (
        digits.str.slice(1, 2).cast(pl.Int32, strict=False) * 3600
        + digits.str.slice(3, 2).cast(pl.Int32, strict=False) * 60
    )
    offset = pl.when(digits.str.starts_with("-")).then(-ahead).when(digits.str.starts_with("+")).then(ahead)
    local = text.str.slice(0, 19).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    frame = texts.alias("text").to_frame().with_columns(offset=pl.when(plain).then(offset))
    frame = frame.with_columns(instant=pl.when(plain).then(local) - pl.duration(seconds="offset"))
    other = frame["instant"].is_null() & frame["text"].is_not_null()
    if other.any():
        read = {text: _read(text) for text in frame["text"].filter(other).unique()}
        pairs = [
            read.get(text, (None, None)) if is_other else (None, None)
            for text, is_other in zip(texts, other, strict=True)
        ]
        moments, offsets = zip(*pairs, strict=True)
        frame = frame.with_columns(
            pl.col("instant").fill_null(pl.Series(moments, dtype=pl.Datetime("us"))),
            pl.col("offset").fill_null(pl.Series(offsets, dtype=pl.Int32)),
        )
    return frame.select("instant", pl.when(pl.col("instant").is_not_null()).then("offset"))


def _read(text: str) -> tuple[datetime | None, int | None]:
    """Return one date of another form than the plain one."""
    digits = "".join(str(unicodedata.decimal(sign, sign)) for sign in text.strip())
    stamp = _STAMP.match(digits)
    if stamp is None:
        return None, None
    year, month, day, before, hour, minute, second, fraction, after, sign, hours, minutes = stamp.groups()
    half = half_of_day(words) if (words := before or after) else ""
    if half is None or (half and not 1 <= int(hour) <= 12):
        return None, None
    clock = int(hour) % 12 + (12 if half == "pm" else 0) if half else int(hour)
    gregorian = int(year) - (_BUDDHIST if int(year) in _BUDDHIST_YEARS else 0)
    offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1)
    try:
        local = datetime.fromisoformat(f"{gregorian:04d}-{int(month):02d}-{int(day):02d}T{clock:02d}:{minute}:{second}")
    except ValueError:
        return None, None
    return local + timedelta(microseconds=int((fraction or "").ljust(6, "0")), seconds=-offset), offset
