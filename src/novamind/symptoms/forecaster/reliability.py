"""How far a forecast can be leaned on, with reasons: what the record holds, and how it was forecast before."""

import numpy as np

from novamind.symptoms.domain import Floats, Reliability


def reliability(history: Floats, ratio: float, scored_days: int, reports_per_day: float) -> Reliability:
    """Grade a forecast.

    Parameters
    ----------
    history
        ``(days,)`` daily values up to the origin, ``NaN`` where there was no report.
    ratio
        Size of earlier forecasts' errors on this record beside what was forecast, 1 as expected.
    scored_days
        How many past days that ratio rests on.
    reports_per_day
        Mean number of reports on days with any.

    Notes
    -----
    ``low`` with any grave reason, ``medium`` with any other, ``high`` with none. The limits are where the error on
    simulated patients leaves the range that the record's own length and density explain (docs/forecasting.md).
    """
    reported = np.isfinite(history)
    reports = int(reported.sum())
    gap = int(len(history) - 1 - np.flatnonzero(reported)[-1])
    recent = float(reported[-28:].mean())
    grave: list[str] = []
    minor: list[str] = []
    if reports < 8:
        grave.append(f"only {reports} days with reports")
    elif reports < 20:
        minor.append(f"{reports} days with reports; 20 or more tell the person's own pattern")
    if gap > 14:
        grave.append(f"no report in the last {gap} days")
    elif gap > 4:
        minor.append(f"no report in the last {gap} days")
    if recent < 0.25:
        grave.append(f"reports on {100 * recent:.0f} % of the last {min(28, len(history))} days")
    elif recent < 0.6:
        minor.append(f"reports on {100 * recent:.0f} % of the last {min(28, len(history))} days")
    if reports >= 8 and np.ptp(history[reported]) == 0:
        minor.append("every report is the same, so the person's variation is not known")
    if scored_days >= 7 and ratio > 1.8:
        grave.append(f"earlier forecasts of this record erred {ratio:.1f} times as far as stated")
    elif scored_days >= 7 and ratio > 1.35:
        minor.append(f"earlier forecasts of this record erred {ratio:.1f} times as far as stated")
    if grave:
        return Reliability("low", (*grave, *minor))
    if minor:
        return Reliability("medium", tuple(minor))
    rests = [f"{reports} days with reports, {100 * recent:.0f} % of the last {min(28, len(history))} days"]
    if scored_days >= 7:
        rests.append(f"earlier forecasts of this record erred {ratio:.1f} times as far as stated")
    if reports_per_day > 1.3:
        rests.append(f"{reports_per_day:.1f} reports a day, averaged")
    return Reliability("high", tuple(rests))
