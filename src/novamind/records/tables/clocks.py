"""One clock for what two tables say of a person, so that hours between their rows mean hours.

An offset such as ``-08:00`` says where the clock hung; ``Z`` and ``+00:00`` say when something was, and not where.
"""

from dataclasses import replace

import numpy as np

from novamind.errors import ValidationError
from novamind.records.tables.frames import Integers, LongFrame, Offsets, Times
from novamind.timeline import local_from_utc, parse_timezone

_UTC = "times are UTC and name no place: days and hours of the day are those of UTC; give a timezone for local ones"


def in_zone(frame: LongFrame, timezone: str) -> LongFrame:
    """Return a frame by the clock of an IANA timezone; times without an offset are of that clock already."""
    if frame.utc_offset is None:
        return frame
    local, offset = local_from_utc(frame.timestamps - frame.utc_offset, parse_timezone(timezone))
    return replace(frame, timestamps=local, utc_offset=offset)


def utc_alone(frame: LongFrame) -> dict[str | None, str]:
    """Return a note for each person all of whose times are in UTC."""
    if frame.utc_offset is None:
        return {}
    placed = {frame.series[i].patient_id for i in np.unique(frame.series_index[frame.utc_offset.astype(bool)])}
    return {key.patient_id: _UTC for key in frame.series if key.patient_id not in placed}


def on_one_clock(signals: LongFrame, reports: LongFrame) -> tuple[LongFrame, LongFrame, dict[str | None, str]]:
    """Return both frames with each person's times on one clock, and a note for each person whose clock is UTC.

    Where one table names a place and the other has UTC or another place, the signals' offsets hold, else those of the
    reports; each row takes the offset that was in use nearest to it in time.

    Raises
    ------
    ValidationError
        Times of one frame have an offset and those of the other have none.
    """
    if (signals.utc_offset is None) != (reports.utc_offset is None):
        aware, naive = ("signals", "reports") if reports.utc_offset is None else ("reports", "signals")
        raise ValidationError(
            f"the times of the {aware} have an offset from UTC and those of the {naive} have none: "
            "give the timezone that the person lives by, e.g. timezone='Europe/Berlin'"
        )
    if signals.utc_offset is None or reports.utc_offset is None:
        return signals, reports, {}
    notes: dict[str | None, str] = {}
    moved = [
        (signals.timestamps.copy(), signals.utc_offset.copy()),
        (reports.timestamps.copy(), reports.utc_offset.copy()),
    ]
    rows_by_patient = [_rows_by_patient(frame) for frame in (signals, reports)]
    for patient in dict.fromkeys((*rows_by_patient[0], *rows_by_patient[1])):
        rows = [rows_of.get(patient, slice(0)) for rows_of in rows_by_patient]
        places = [i for i, (_, offset) in enumerate(moved) if offset[rows[i]].any()]
        if not places:
            notes[patient] = _UTC
            continue
        instants, offsets = _clock(*moved[places[0]], rows[places[0]])
        for i, (local, offset) in enumerate(moved):
            utc = local[rows[i]] - offset[rows[i]]
            offset[rows[i]] = offsets[_nearest(instants, utc)]
            local[rows[i]] = utc + offset[rows[i]]
    (signal_times, signal_offsets), (report_times, report_offsets) = moved
    return (
        replace(signals, timestamps=signal_times, utc_offset=signal_offsets),
        replace(reports, timestamps=report_times, utc_offset=report_offsets),
        notes,
    )


def _rows_by_patient(frame: LongFrame) -> dict[str | None, slice]:
    """Return the rows of each person, which stand together because series are sorted by person."""
    ends = np.searchsorted(frame.series_index, np.arange(len(frame.series)), side="right").tolist()
    rows: dict[str | None, slice] = {}
    begin = 0
    for key, end in zip(frame.series, ends, strict=True):
        first = rows[key.patient_id].start if key.patient_id in rows else begin
        rows[key.patient_id] = slice(first, end)
        begin = end
    return rows


def _clock(local: Times, offset: Offsets, rows: slice) -> tuple[Times, Offsets]:
    """Return the instants of rows in their order, and the offset in use at each."""
    instants = local[rows] - offset[rows]
    order = np.argsort(instants, kind="stable")
    return instants[order], offset[rows][order]


def _nearest(instants: Times, wanted: Times) -> Integers:
    last = len(instants) - 1
    after = np.searchsorted(instants, wanted).clip(0, last)
    before = (after - 1).clip(0, last)
    return np.where(wanted - instants[before] <= instants[after] - wanted, before, after)
