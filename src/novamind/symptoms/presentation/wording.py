"""A forecast in plain words and round numbers, the same in the picture, the report and the shell."""

from collections.abc import Mapping

import numpy as np

from novamind.symptoms.domain import MEDIAN, Member, Risk, Scale, SymptomForecast, Trend, week_ahead

_DIRECTIONS = {
    "worsening": "Getting worse",
    "improving": "Getting better",
    "stable": "Stable",
    "uncertain": "No clear direction",
}


def number(scale: Scale, value: float, finer: int = 0) -> str:
    """Write a value as exactly as its scale deserves: whole where steps are, else to about 1 % of the range.

    Averages, slopes and errors ask for at least ``finer`` decimals.
    """
    whole = scale.step is not None and float(scale.step).is_integer() and float(scale.low).is_integer()
    decimals = max(finer, 0 if whole else 2 - int(np.floor(np.log10(scale.range))))
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0 turns -0.0 into 0.0


def span(scale: Scale, low: float, high: float) -> str:
    """Write an interval: ``8 to 21``, and ``8`` where both ends are the same."""
    first, last = number(scale, low), number(scale, high)
    return first if first == last else f"{first} to {last}"


def percent(probability: float) -> str:
    """Write a probability; never as impossible or certain."""
    if probability < 0.01:
        return "under 1 %"
    if probability > 0.99:
        return "over 99 %"
    return f"{100 * probability:.0f} %"


def date(day: np.datetime64) -> str:
    """Write a day as ``14 Mar 2025``."""
    moment = day.astype("datetime64[D]").item()
    return f"{moment.day} {moment:%b %Y}"


def period(first: np.datetime64, last: np.datetime64) -> str:
    """Write a span of days once, without repeating what both ends share."""
    start, end = first.astype("datetime64[D]").item(), last.astype("datetime64[D]").item()
    if start == end:
        return date(last)
    if start.year != end.year:
        return f"{date(first)} to {date(last)}"
    return f"{start.day}{'' if start.month == end.month else f' {start:%b}'} to {date(last)}"


def days_in_words(count: int) -> str:
    """Return ``day`` or ``14 days``, to follow ``the next``."""
    return "day" if count == 1 else f"{count} days"


def beyond(scale: Scale, threshold: float) -> str:
    """Return ``15 or higher`` where high values are worse, ``50 or lower`` where low values are."""
    return f"{number(scale, threshold)} or {'higher' if scale.worse == 'high' else 'lower'}"


def headline(forecast: SymptomForecast) -> str:
    """Say where the forecast ends up, how sure that is, and where the person comes from."""
    scale = forecast.scale
    low, high = (bound[-1] for bound in forecast.interval(0.8))
    bounds = number(scale, low), number(scale, high)
    likely = f"exactly {bounds[0]}" if bounds[0] == bounds[1] else f"between {bounds[0]} and {bounds[1]}"
    recent = forecast.history[-28:]
    if np.isfinite(recent).any():
        average = number(scale, float(np.nanmean(recent)), 1)
        before = f"The last {days_in_words(len(recent))} of the record averaged {average}."
    else:
        last = forecast.history_days[np.isfinite(forecast.history)][-1]
        before = f"The last report is of {date(last)}."
    return (
        f"{forecast.symptom} is expected around {number(scale, forecast.median[-1])} on "
        f"{date(forecast.days[-1])}, 4 times in 5 {likely}. {before}"
    )


def covariates(scale: Scale, moved: Mapping[str, float]) -> str:
    """Return by how much each signal and start of treatment moved the middle a week ahead, the largest first."""
    named = sorted(moved.items(), key=lambda item: -abs(item[1]))
    each = ", ".join(f"{name.replace('_', ' ')} {signed(scale, shift)}" for name, shift in named)
    return f"Treatment and signals move the middle a week ahead: {each}."


def importance(forecast: SymptomForecast) -> str:
    """Say which parts of the record move the middle a week ahead, the largest first, and from where."""
    scale, day = forecast.scale, week_ahead(forecast.horizon)
    moved = {name: signed(scale, shift) for name, shift in forecast.importance.items()}
    each = ", ".join(f"{name} {shift}" for name, shift in moved.items() if float(shift))
    neutral = number(scale, forecast.explanation.neutral[day, MEDIAN], 2)
    alone = " and without treatment or signals" if forecast.covariates else ""
    return (
        f"With every report at the person's own mean{alone}, the middle of {date(forecast.days[day])} would be "
        f"{neutral}. " + (f"It moves from there by: {each}." if each else "Nothing in the record moves it from there.")
    )


def trend(scale: Scale, trend: Trend) -> str:
    """Say the recent change per week with its uncertainty."""
    if trend.low <= -scale.range and trend.high >= scale.range:
        return f"Unknown: too few reports in the last {days_in_words(trend.days)}."
    slope, low, high = (signed(scale, value) for value in (trend.per_week, trend.low, trend.high))
    return (
        f"{_DIRECTIONS[trend.direction]}: {slope} points a week over the last {days_in_words(trend.days)} "
        f"(95 % interval {low} to {high}); probability of worsening {percent(trend.probability_worsening)}."
    )


def risk(forecast: SymptomForecast, risk: Risk) -> str:
    """Say when the threshold is likely to be reached, or how far it is from that."""
    what, alert = beyond(forecast.scale, risk.threshold), percent(risk.alert_probability)
    if risk.periods:
        when = ", ".join(f"{period(p.start, p.end)} (up to {percent(p.peak_probability)})" for p in risk.periods)
        return f"The probability of {what} is {alert} or more on {when}."
    peak = int(np.argmax(risk.probability))
    return (
        f"The probability of {what} stays below {alert}; it is highest on {date(forecast.days[peak])}, "
        f"with {percent(float(risk.probability[peak]))}."
    )


def member(scale: Scale, member: Member) -> str:
    """Name a model, its share, and its error on this record, else on the validation cohort, in points."""
    error, where = member.own_error, "on this record"
    if error is None:
        error, where = member.validation_error, "on the validation cohort"
    return f"{member.name} {percent(member.weight)} (error {number(scale, error * scale.range / 100, 2)} {where})"


def signed(scale: Scale, value: float) -> str:
    """Write a change with its sign."""
    text = number(scale, value, 2)
    return text if text.startswith("-") else f"+{text}"
