"""Days as the programs of actigraphs write them, with day or month first as the computer's settings had it.

The order is found from all days of the file together, never guessed: a first part above 12 is a day, a second one above
12 says that the first is a month. Where both orders remain, what the file states about itself counts, if it agrees with
how its days are written.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from novamind.errors import ValidationError

_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$")
_NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})$")
_MONTH_NAMED = ("%d-%b-%Y", "%d-%b-%y", "%d %b %Y")
_MONTHS = 12


def day_first(texts: Sequence[str], file: str, form: str | None = None) -> bool:
    """Return whether the day stands before the month.

    Parameters
    ----------
    texts
        Days of the file.
    form
        The form that the file says it uses, as ``dd/MM/yyyy``.

    Raises
    ------
    ValidationError
        Both orders fit, or neither does.
    """
    numeric = [match for text in texts if (match := _NUMERIC.match(text.strip()))]
    day_leads = all(int(match[3]) <= _MONTHS for match in numeric)
    month_leads = all(int(match[1]) <= _MONTHS for match in numeric)
    if day_leads != month_leads:
        return day_leads
    if not numeric:
        return False
    if day_leads and form and all(match[2] in form for match in numeric):
        return form.lower().startswith("d")
    raise ValidationError(f"{file}: its dates can be read in two ways: export it with dates as yyyy-MM-dd")


def parse_day(text: str, *, day_leads: bool) -> date | None:
    """Return a day, or ``None`` where the text is none."""
    text = text.strip()
    try:
        if match := _ISO.match(text):
            return date(int(match[1]), int(match[2]), int(match[3]))
        if match := _NUMERIC.match(text):
            first, second = int(match[1]), int(match[3])
            return date(int(match[4]), second if day_leads else first, first if day_leads else second)
    except ValueError:
        return None
    for pattern in _MONTH_NAMED:
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - the device's own clock
        except ValueError:
            continue
    return None


def parse_moment(day: str | None, clock: str | None, *, day_leads: bool) -> datetime | None:
    """Return a day and a time of day, on the device's clock, or ``None`` where either is none."""
    parsed = None if day is None else parse_day(day, day_leads=day_leads)
    time = None if clock is None else parse_clock(clock)
    return None if parsed is None or time is None else datetime.combine(parsed, time.time())


def parse_moments(days: pl.Series, clocks: pl.Series, *, day_leads: bool) -> pl.Series:
    """Return days and times of day together, one a row; few of each differ, and each is read once."""
    day_of = {text: parse_day(text, day_leads=day_leads) for text in days.unique()}
    time_of = {text: moment.time() if (moment := parse_clock(text)) else None for text in clocks.unique()}
    dates = days.replace_strict(day_of, return_dtype=pl.Date)
    times = clocks.replace_strict(time_of, return_dtype=pl.Time)
    both = pl.DataFrame({"day": dates, "time": times})
    return both.select(pl.col("day").dt.combine(pl.col("time")).cast(pl.Datetime("us"))).to_series()


def parse_clock(text: str) -> datetime | None:
    """Return a time of day, on 1 January 1900; 24 hours, or 12 with AM or PM."""
    for form in ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p"):
        try:
            return datetime.strptime(text.strip(), form)  # noqa: DTZ007 - the device's own clock
        except ValueError:
            continue
    return None
