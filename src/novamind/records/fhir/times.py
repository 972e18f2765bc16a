"""Where a period of FHIR counts.

A period counts at its end, as a night counts on the day of waking. A period that ends at a midnight holds nothing of
the day that begins then: it counts on the day before, a whole day (00:00 to the next 00:00) at its start.
"""

from datetime import date, datetime, timedelta, tzinfo


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
    if _day(end, zone) < _day(start, zone):
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


def _day(when: datetime | date, zone: tzinfo | None) -> date:
    """Return the local day: in the person's timezone, else by the offset that came with the time."""
    if not isinstance(when, datetime):
        return when
    return (when if zone is None else when.astimezone(zone)).date()
