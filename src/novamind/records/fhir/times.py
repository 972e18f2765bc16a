"""Times of FHIR: what a text says, where a period counts, and how dates and times come to one clock.

A full date or a time with its timezone is read (R4, ``dateTime`` and ``instant``). A period counts at its end, as a
night counts on the day of waking. A period that ends at a midnight holds nothing of the day that begins then: it counts
on the day before, a whole day (00:00 to the next 00:00) at its start.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?)?)?")
_TIME = re.compile(r"(.{19})(?:\.(\d+))?(.+)")


def is_date(text: str) -> bool:
    """Return whether a text is a FHIR date, as exact as it may be, that the calendar and the clock have."""
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(f"{text[:10]}{'-01-01'[len(text[:10]) - 4 :] if len(text) < 10 else ''}")
        if "T" in text:
            datetime.fromisoformat(re.sub(r"\.\d+", "", text))
    except ValueError:
        return False
    return True


def moment(text: str | None) -> datetime | date | None:
    """Return a full date, or a time with its timezone; ``None`` for anything else."""
    if text is None or len(text) < 10 or not is_date(text):
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        return date.fromisoformat(text)
    whole, fraction, zone = match.groups()
    return datetime.fromisoformat(f"{whole}.{(fraction or '0')[:6]:0<6}{zone}")


def day_of(when: datetime | date, zone: tzinfo | None) -> date:
    """Return the local day: in the record's timezone, else by the offset that came with the time."""
    if not isinstance(when, datetime):
        return when
    return (when if zone is None else when.astimezone(zone)).date()


def of_period(
    start: datetime | date | None, end: datetime | date | None, zone: tzinfo | None
) -> datetime | date | None:
    """Return when a period counts; ``None`` where it has neither end, or ends before it starts."""
    if end is None or start is None:
        when = end if start is None else start
        return _before_midnight(None, when, zone) if start is None and isinstance(when, datetime) else when
    if isinstance(start, datetime) and isinstance(end, datetime):
        if end < start:
            return None
        return _before_midnight(start, end, zone)
    if day_of(end, zone) < day_of(start, zone):
        return None
    return _before_midnight(None, end, zone) if isinstance(end, datetime) else end


def _before_midnight(start: datetime | None, end: datetime, zone: tzinfo | None) -> datetime:
    """Return the end; of a period that ends at a midnight the later of its start and the beginning of its last day."""
    local = end if zone is None else end.astimezone(zone)
    if (local.hour, local.minute, local.second, local.microsecond) != (0, 0, 0, 0) or start == end:
        return end
    clock = local.tzinfo if zone is None else zone
    begin = datetime.combine(local.date() - timedelta(days=1), datetime.min.time(), tzinfo=clock)
    if start is None:
        return begin
    first = start if zone is None else start.astimezone(zone)
    return start if first.replace(tzinfo=None) >= begin.replace(tzinfo=None) else begin


def instant(when: datetime | date) -> datetime | date:
    """Return the time in UTC, so that equal instants are equal; a date stays a date."""
    return when.astimezone(UTC) if isinstance(when, datetime) else when


def midnights(days: Iterable[date], times: Iterable[datetime], zone: tzinfo | None) -> dict[date, datetime]:
    """Return each day's midnight: in the record's timezone, else by the offset of the nearest of the times."""
    timed = sorted(times)
    on = [time.date() for time in timed]

    def clock(day: date) -> tzinfo:
        if zone is not None:
            return zone
        at = bisect_left(on, day)
        near = min({max(at - 1, 0), min(at, len(on) - 1)}, key=lambda i: (abs(on[i] - day), i))
        return timezone(timed[near].utcoffset() or timedelta())

    return {day: datetime(day.year, day.month, day.day, tzinfo=clock(day)) for day in days}
