"""What moves signals and symptoms together without either leading: the clock, the week, sleep timing, illness.

Everything here ends in columns that are taken out of both sides before a lead is looked for.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtri
from scipy.stats import rankdata

from novamind.biometrics.domain import Floats, Integers, PersonSeries
from novamind.biometrics.ornstein_uhlenbeck import HourlyProcess, Whitening, fit_grid

#: Standard deviations, in hours, of the kernels through which a signal may act.
KERNELS = (0.0, 2.5, 6.0)
_SIGNAL_HARMONICS, _REPORT_HARMONICS = 3, 2
#: Direction in which an acute infection moves a signal (Mishra et al. 2020, Nat Biomed Eng 4:1208; Radin et al. 2020,
#: Lancet Digit Health 2:e85; Natarajan, Su & Heneghan 2020, npj Digit Med 3:156).
ILLNESS_DIRECTION = {
    "hrv": -1, "rmssd": -1, "heart_rate_variability": -1, "heart_rate": 1, "resting_heart_rate": 1, "resting_hr": 1,
    "steps": -1, "activity": -1, "skin_temp": 1, "skin_temperature": 1, "temperature": 1, "body_temperature": 1,
    "resp_rate": 1, "respiratory_rate": 1, "spo2": -1, "oxygen_saturation": -1, "sleep": 1, "sleep_duration": 1,
}  # fmt: skip
_ILLNESS_DAYS = (2, 3, 4, 5, 6, 7)
_ILLNESS_STEP = 6
#: Least statistic (a sum of one-sided squares over signals) at which an episode is taken out. Chance exceeds it in most
#: records: a needless column costs little, a missed illness is taken for a link.
_ILLNESS_THRESHOLD = 14.0
_ILLNESS_MOST = 4


@dataclass(frozen=True)
class Prepared:
    """Signals without their rhythms, and what the reports are to be corrected for.

    Attributes
    ----------
    signals
        ``(hours, signals)`` normal scores without rhythm, ``NaN`` where not measured.
    processes
        Per signal.
    courses
        ``(signals, kernels, hours)`` each signal's course through each kernel, with unit variance.
    design
        ``(reports, p)`` covariates of the reports; ``design_names`` says what they are.
    illness
        ``(hours,)`` illness as logged or as detected in the signals, 0 to 1.
    jitter
        ``(hours,)`` by how many hours the person's clock ran late, estimated from the signals.
    """

    signals: Floats
    processes: tuple[HourlyProcess, ...]
    courses: Floats
    design: Floats
    design_names: tuple[str, ...]
    illness: Floats
    jitter: Floats


def normal_scores(values: Floats) -> Floats:
    """Return ranks as quantiles of the normal distribution (van der Waerden), with unit variance; ``NaN`` stays."""
    seen = np.isfinite(values)
    scores = np.full(values.shape, np.nan)
    n = int(seen.sum())
    if n:
        raw = ndtri(rankdata(values[seen]) / (n + 1))
        raw -= raw.mean()
        spread = raw.std()
        scores[seen] = raw / spread if spread > 0 else 0.0
    return scores


def prepare(person: PersonSeries, signals: Integers) -> Prepared:
    """Return the chosen signals without rhythm, week, trend and confounders, and the covariates of the reports."""
    hours = len(person.hourly)
    hour = np.arange(hours, dtype=float)
    clock, weekend = _clock(person, hour)
    covariates = np.column_stack([weekend, _trend(hour, hours), *person.confounders.values()])
    waves, slopes = _harmonics(clock, _SIGNAL_HARMONICS)
    design = np.column_stack([np.ones(hours), waves, covariates])
    scores = np.zeros((hours, len(signals)))
    for i, b in enumerate(signals):
        scores[:, i] = normal_scores(person.hourly[:, b])
    residual, rhythm_slope = _without(scores, design, slopes)
    jitter = _sleep_timing(residual, rhythm_slope)
    turned = waves[:, :2] * jitter[:, None]
    illness = person.confounders.get("illness", np.zeros(hours))
    residual, _ = _without(scores, np.column_stack([design, turned]), slopes)
    processes = tuple(map(fit_grid, residual.T))
    if "illness" not in person.confounders:
        whitening = tuple(process.whitening for process in processes)
        illness = _illness(residual, whitening, tuple(person.signals[b] for b in signals))
        if illness.any():
            design = np.column_stack([design, illness])
            residual, _ = _without(scores, np.column_stack([design, turned]), slopes)
            processes = tuple(map(fit_grid, residual.T))
    columns, names = _report_design(person, jitter, illness)
    return Prepared(residual, processes, _smoothed(processes, hours), columns, names, illness, jitter)


def _smoothed(processes: tuple[HourlyProcess, ...], hours: int) -> Floats:
    """Return each course through each kernel, ``(signals, kernels, hours)``, with unit variance."""
    courses = np.zeros((len(processes), len(KERNELS), hours))
    for b, process in enumerate(processes):
        for k, width in enumerate(KERNELS):
            series = gaussian_filter1d(process.course, width, mode="constant") if width else process.course
            spread = series.std()
            courses[b, k] = (series - series.mean()) / spread if spread > 1e-6 else 0.0
    return courses


def _clock(person: PersonSeries, hours: Floats) -> tuple[Floats, Floats]:
    """Return hour of the day and weekend indicator at hours since the record's start."""
    first = person.start.astype("datetime64[h]").astype(np.int64) + hours
    days = np.floor(first / 24).astype(np.int64)
    return np.mod(first, 24), ((days + 3) % 7 >= 5).astype(float)  # 1970-01-01 was a Thursday


def _trend(hours: Floats, length: int) -> Floats:
    return np.asarray((hours - length / 2) / max(length, 1) * np.sqrt(12))


def _harmonics(clock: Floats, order: int) -> tuple[Floats, Floats]:
    """Return cosines and sines of the day, and their derivatives by the clock's delay (per hour)."""
    turn = 2 * np.pi / 24
    waves, slopes = [], []
    for k in range(1, order + 1):
        c, s = np.cos(k * turn * clock), np.sin(k * turn * clock)
        waves += [c, s]
        slopes += [k * turn * s, -k * turn * c]
    return np.column_stack(waves), np.column_stack(slopes)


def _without(scores: Floats, design: Floats, slopes: Floats) -> tuple[Floats, Floats]:
    """Return least-squares residuals of each signal, and what a clock one hour late would add to it."""
    residual = np.full(scores.shape, np.nan)
    late = np.zeros(scores.shape)
    for b in range(scores.shape[1]):
        seen = np.isfinite(scores[:, b])
        if seen.sum() <= design.shape[1] + 2:
            residual[seen, b] = 0.0
            continue
        weights = np.linalg.lstsq(design[seen], scores[seen, b], rcond=None)[0]
        residual[seen, b] = scores[seen, b] - design[seen] @ weights
        late[:, b] = slopes @ weights[1 : 1 + slopes.shape[1]]
    return residual, late


def _sleep_timing(residual: Floats, late: Floats) -> Floats:
    """Return by how many hours each day ran late, ``(hours,)``, shrunk towards 0 as far as the signals do not show it.

    Day by day the residuals of all signals are regressed on what a late clock would have added; the reliability comes
    from the agreement of signals measured on the same days.
    """
    hours, signals = residual.shape
    days = hours // 24
    if days < 7:
        return np.zeros(hours)
    # A "day" of sleep timing runs from noon to noon: nights stay whole.
    edge = np.minimum(np.arange(hours) // 24, days - 1)
    seen = np.isfinite(residual)
    numerator = np.zeros((days, signals))
    weight = np.zeros((days, signals))
    for b in range(signals):
        # Neighbouring hours repeat each other: information is that of a few independent samples a day.
        gain = np.where(seen[:, b], late[:, b], 0.0)
        numerator[:, b] = np.bincount(edge, gain * np.where(seen[:, b], residual[:, b], 0.0), days)
        weight[:, b] = np.bincount(edge, gain**2, days)
    informative = weight > 0.25 * np.maximum(np.median(weight, axis=0), 1e-9)
    each = np.where(informative, numerator / np.maximum(weight, 1e-9), np.nan)
    spread = np.array([np.nanvar(each[:, b]) if informative[:, b].sum() > 6 else np.inf for b in range(signals)])
    precision = np.where(informative, 1 / np.maximum(spread, 1e-3), 0.0)
    total = precision.sum(1)
    common = np.nansum(np.where(informative, each, 0.0) * precision, axis=1) / np.maximum(total, 1e-9)
    # Between-signal covariance of the day's delays is the variance of what they share.
    products, weights = 0.0, 0.0
    for a in range(signals):
        for b in range(a):
            both = informative[:, a] & informative[:, b]
            if both.sum() > 6 and np.isfinite(spread[a]) and np.isfinite(spread[b]):
                w = both.sum() / np.sqrt(spread[a] * spread[b])
                products += w * np.cov(each[both, a], each[both, b])[0, 1]
                weights += w
    shared = max(products / weights, 0.0) if weights > 0 else 0.0
    shrunk = common * (shared / (shared + 1 / np.maximum(total, 1e-9)))
    return np.asarray(np.interp(np.arange(hours), np.arange(days) * 24 + 12.0, shrunk))


def _illness(residual: Floats, whitening: tuple[Whitening, ...], names: tuple[str, ...]) -> Floats:
    """Return episodes in which several vital signs move together for days as in an infection, ``(hours,)``, 0 to 1."""
    hours = len(residual)
    direction = np.array([ILLNESS_DIRECTION.get(name.casefold(), 0) for name in names])
    usable = [b for b in np.flatnonzero(direction) if np.isfinite(residual[:, b]).mean() > 0.2]
    illness = np.zeros(hours)
    if len(usable) < 3:
        return illness
    filled = np.nan_to_num(residual)
    spans = [24 * days for days in _ILLNESS_DAYS if 24 * days * 3 <= hours]
    information = {span: _information(span, [whitening[b] for b in usable], hours) for span in spans}
    for _ in range(_ILLNESS_MOST):
        best = (_ILLNESS_THRESHOLD, 0, 0)
        score = np.column_stack([whitening[b](filled[:, [b]])[:, 0] for b in usable])
        running = np.vstack([np.zeros(len(usable)), np.cumsum(score, axis=0)])
        for span, span_information in information.items():
            starts = np.arange(0, hours - span, _ILLNESS_STEP)
            sums = (running[starts + span] - running[starts]) * direction[usable]
            statistic = (
                np.maximum(sums, 0) ** 2 / span_information - 0.5 * np.maximum(-sums, 0) ** 2 / span_information
            ).sum(1)
            k = int(statistic.argmax())
            if statistic[k] > best[0]:
                best = (float(statistic[k]), int(starts[k]), span)
        if not best[2]:
            break
        episode = np.zeros(hours)
        episode[best[1] : best[1] + best[2]] = 1
        illness = np.maximum(illness, gaussian_filter1d(episode, 8))
        for b in usable:
            w = whitening[b](illness[:, None])[:, 0]
            filled[:, b] -= np.isfinite(residual[:, b]) * illness * (w @ filled[:, b]) / max(w @ illness, 1e-9)
    return illness


def _information(span: int, whitenings: list[Whitening], hours: int) -> Floats:
    """Return each signal's information about an episode of ``span`` hours in mid-record, ``(signals,)``."""
    middle = np.zeros((hours, 1))
    middle[hours // 2 - span // 2 : hours // 2 + span // 2] = 1
    return np.array([max(float(middle[:, 0] @ whitened(middle)[:, 0]), 1e-9) for whitened in whitenings])


def _report_design(person: PersonSeries, jitter: Floats, illness: Floats) -> tuple[Floats, tuple[str, ...]]:
    at = person.report_hours
    clock, weekend = _clock(person, at)
    waves, _ = _harmonics(clock, _REPORT_HARMONICS)
    hours = len(person.hourly)
    hour = np.arange(hours)
    columns = [np.ones(len(at)), *waves.T, weekend, _trend(at, hours)]
    names = ["level", *["time of day"] * waves.shape[1], "weekday", "trend"]
    for name, series in person.confounders.items():
        columns.append(np.interp(at, hour, series))
        names.append(name)
    if "illness" not in person.confounders and illness.any():
        columns.append(np.interp(at, hour, illness))
        names.append("illness")
    if jitter.any():
        late = np.interp(at, hour, jitter)
        columns += [waves[:, 0] * late, waves[:, 1] * late]
        names += ["sleep timing"] * 2
    kept = [i for i, column in enumerate(columns) if i == 0 or np.ptp(column) > 0]
    return np.column_stack([columns[i] for i in kept]), tuple(names[i] for i in kept)


def hourly_groups(person: PersonSeries, prepared: Prepared) -> dict[str, Floats]:
    """Return the columns of each confounder by the hour, ``(hours, columns)``, under the name that people read."""
    hours = len(person.hourly)
    hour = np.arange(hours, dtype=float)
    clock, weekend = _clock(person, hour)
    waves, _ = _harmonics(clock, _REPORT_HARMONICS)
    groups = {"time of day": waves, "weekday": weekend[:, None], "trend": _trend(hour, hours)[:, None]}
    groups |= {name: values[:, None] for name, values in person.confounders.items()}
    if "illness" not in groups and prepared.illness.any():
        groups["possible illness"] = prepared.illness[:, None]
    if prepared.jitter.any():
        groups["sleep timing"] = waves[:, :2] * prepared.jitter[:, None]
    return groups
