"""Turn frames into one person's series: signals by the local hour, reports at their own times.

The rules:

- A cell holds the mean of the samples in its local hour; the mean distance of the samples from the full hour is kept.
- A signal measured every half day or less often (a night's sleep, a resting heart rate) holds from its sample on until
  the next, for one usual distance and 36 hours at most. Its lags are no finer than that.
- Reports of which none has a time of day (all at 00:00) count at noon; their lags are good to half a day.
- Samples outside the reports' period, widened by the longest lag and a week, are left out: a device whose clock jumped
  years away does not lengthen the record.
- Times are wall-clock times: in spring the skipped hour is empty, in autumn the repeated one has one cell.
"""

from collections.abc import Iterator
from typing import Any

import narwhals as nw
import numpy as np

from novamind.biometrics.domain import Floats, Mask, PersonSeries
from novamind.errors import InsufficientDataError, ValidationError
from novamind.records.tables.frames import LongFrame, signal_frame

_SPARSE, _LONGEST_HOLD = 12.0, 36.0
#: Days over which a medication's effect is taken to come in; onset of antidepressants within two weeks: Taylor et al.
#: 2006 (Arch Gen Psychiatry 63:1217).
_ONSET_DAYS = 14
_MARGIN_HOURS = 168
_HOUR = np.timedelta64(1, "h")


def persons(
    biometrics: LongFrame, symptoms: LongFrame, max_lag: int, courses: dict[str, Any]
) -> Iterator[tuple[str | None, PersonSeries]]:
    """Yield every person who has signals and reports, with the patient's id.

    Parameters
    ----------
    biometrics, symptoms
        Checked long frames.
    max_lag
        Hours.
    courses
        Confounder name to frame or ``None``; see :func:`course`.

    Raises
    ------
    InsufficientDataError
        If nobody has both signals and reports.
    """
    signal_rows = _by_patient(biometrics)
    symptom_rows = _by_patient(symptoms)
    both = [patient for patient in symptom_rows if patient in signal_rows]
    if not both:
        raise InsufficientDataError(
            "no person has both signals and reports: the 'patient_id' of the two tables must agree, or be in neither"
        )
    opened = {name: nw.from_native(frame, eager_only=True) for name, frame in courses.items() if frame is not None}
    for patient in both:
        yield (
            patient,
            _person(patient, biometrics, signal_rows[patient], symptoms, symptom_rows[patient], max_lag, opened),
        )


def _by_patient(frame: LongFrame) -> dict[str | None, list[int]]:
    out: dict[str | None, list[int]] = {}
    for i, key in enumerate(frame.series):
        out.setdefault(key.patient_id, []).append(i)
    return out


def _person(
    patient: str | None,
    biometrics: LongFrame,
    signals: list[int],
    symptoms: LongFrame,
    items: list[int],
    max_lag: int,
    courses: dict[str, nw.DataFrame[Any]],
) -> PersonSeries:
    stamps = [_reported(symptoms, i) for i in items]
    times = np.unique(np.concatenate([t for t, _ in stamps]))
    if not len(times):
        times = np.array([symptoms.timestamps[symptoms.part(items[0])][0]])
    margin = (max_lag + _MARGIN_HOURS) * _HOUR
    low, high = times[0] - margin, times[-1] + margin
    first, last = times[0], times[-1]
    kept = []
    for i in signals:
        rows = biometrics.part(i)
        when, value = biometrics.timestamps[rows], biometrics.values[rows]
        inside = (when >= low) & (when <= high) & np.isfinite(value)
        kept.append((when[inside], value[inside]))
        if inside.any():
            first, last = min(first, when[inside][0]), max(last, when[inside][-1])
    start = first.astype("datetime64[D]").astype("datetime64[h]")
    hours = int((last - start) / _HOUR) + 1
    hourly = np.full((hours, len(signals)), np.nan)
    measured = np.zeros(hourly.shape, bool)
    offset = np.zeros(len(signals))
    for b, (when, value) in enumerate(kept):
        hourly[:, b], measured[:, b], offset[b] = _cells(when, value, start, hours)
    reports = np.full((len(times), len(items)), np.nan)
    for s, (when, value) in enumerate(stamps):
        reports[np.searchsorted(times, when), s] = value
    return PersonSeries(
        signals=tuple(biometrics.series[i].name for i in signals),
        symptoms=tuple(symptoms.series[i].name for i in items),
        start=start,
        hourly=hourly,
        offset=offset,
        report_hours=(times - start) / _HOUR,
        reports=reports,
        measured=measured,
        confounders={
            name: values
            for name, frame in courses.items()
            if (values := course(frame, name, patient, start, hours)) is not None
        },
    )


def _reported(frame: LongFrame, series: int) -> tuple[Any, Floats]:
    rows = frame.part(series)
    when, value = frame.timestamps[rows], frame.values[rows]
    answered = np.isfinite(value)
    when, value = when[answered], value[answered]
    if len(when) and (when == when.astype("datetime64[D]")).all():
        when = when + 12 * _HOUR
    # Both passes of a repeated hour in autumn: the later report stays.
    last = np.append(np.diff(when) > np.timedelta64(0), [True]) if len(when) else np.zeros(0, bool)
    return when[last], value[last]


def _cells(when: Any, value: Floats, start: np.datetime64, hours: int) -> tuple[Floats, Mask, float]:
    out = np.full(hours, np.nan)
    if not len(when):
        return out, np.zeros(hours, bool), 0.0
    at = (when - start) / _HOUR
    cell = np.clip(np.floor(at).astype(np.int64), 0, hours - 1)
    counts = np.bincount(cell, minlength=hours)
    sums = np.bincount(cell, weights=value, minlength=hours)
    np.divide(sums, counts, out=out, where=counts > 0)
    # Rounding in a sum must not make different means of equal samples.
    np.clip(out, value.min(), value.max(), out=out)
    filled = np.flatnonzero(counts)
    usual = float(np.median(np.diff(filled))) if len(filled) > 1 else 0.0
    if usual >= _SPARSE:
        reach = int(min(np.ceil(usual), _LONGEST_HOLD))
        source = np.maximum.accumulate(np.where(counts > 0, np.arange(hours), -1))
        covered = (source >= 0) & (np.arange(hours) - source < reach)
        out = np.where(covered, out[np.maximum(source, 0)], np.nan)
        return out, counts > 0, 0.0
    return out, counts > 0, float((at - np.floor(at)).mean())


def course(frame: nw.DataFrame[Any], name: str, patient: str | None, start: np.datetime64, hours: int) -> Floats | None:
    """Return a confounder by the hour, ``(hours,)``, or ``None`` where it holds nothing of this person.

    A frame with ``start`` (and ``end``) says when the confounder was present; a medication comes in over 14 days. A
    frame with ``timestamp, value`` gives its strength from each time on. ``patient_id`` may stand in either. An
    illness log without a row of this person says that there was no illness.
    """
    if "patient_id" in frame.columns and patient is not None:
        frame = frame.filter(nw.col("patient_id").cast(nw.String) == patient)
    hour = start + np.arange(hours) * _HOUR
    out = np.zeros(hours)
    if "start" in frame.columns:
        begins = _instants(frame, "start", name)
        ends = _instants(frame, "end", name) if "end" in frame.columns else np.full(len(begins), np.datetime64("NaT"))
        for begin, end in zip(begins, ends, strict=True):
            if np.isnat(begin):
                raise ValidationError(f"{name}: column 'start' is empty in a row: every row needs one")
            if name == "medication":
                out += np.clip((hour - begin) / (24 * _ONSET_DAYS * _HOUR), 0, 1)
                if not np.isnat(end):
                    out -= np.clip((hour - end) / (24 * _ONSET_DAYS * _HOUR), 0, 1)
            else:
                stop = hour[-1] + _HOUR if np.isnat(end) else end
                out = np.maximum(out, ((hour >= begin) & (hour < stop)).astype(float))
    elif {"timestamp", "value"} <= set(frame.columns):
        if len(frame):
            checked = signal_frame(frame.select("timestamp", "value").with_columns(signal=nw.lit(name)).to_native())
            at = np.searchsorted(checked.timestamps, hour, side="right") - 1
            out = np.where(at >= 0, np.nan_to_num(checked.values)[np.maximum(at, 0)], 0.0)
    else:
        raise ValidationError(f"{name} needs the columns 'start' and 'end', or 'timestamp' and 'value'")
    return out if np.ptp(out) > 0 or name == "illness" else None


def _instants(frame: nw.DataFrame[Any], column: str, name: str) -> Any:
    values = frame[column]
    if values.dtype == nw.String:
        try:
            return np.array([np.datetime64(v if v else "NaT", "us") for v in values.to_list()], "datetime64[us]")
        except ValueError as error:
            raise ValidationError(
                f"{name}: column '{column}' holds something that is no date such as 2024-01-31"
            ) from error
    if isinstance(values.dtype, nw.Datetime | nw.Date):
        if isinstance(values.dtype, nw.Datetime) and values.dtype.time_zone is not None:
            values = values.dt.replace_time_zone(None)
        return values.to_numpy().astype("datetime64[us]")
    raise ValidationError(f"{name}: column '{column}' must hold dates")
