"""Which parts of the record moved a forecast: Shapley values of the whole forecaster, not of one member.

A report is the person's own mean, and the usual deviation on its weekday, and the rest, which belongs to a part by how
long before the last report it was made. Without a part its deviations are 0: the reports stay, at the mean. Every
combination of parts is a record, and is forecast as any record is, by all members with the weights and the calibration
that it would have. A part's share is its mean effect over all orders in which the parts can be added (Shapley 1953; of
predictions: Strumbelj & Kononenko 2014, Knowl Inf Syst 41:647). The shares add up to the forecast less the neutral one,
and a part that changes nothing has none.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from novamind.symptoms.domain import Explanation, Floats
from novamind.symptoms.forecaster.covariates import informed
from novamind.symptoms.forecaster.features import Summary
from novamind.symptoms.forecaster.model import SymptomModel
from novamind.symptoms.forecaster.preprocessing import Array, Histories

#: Parts of every record; the first four by the age of the reports.
RECORD_PARTS = ("last report", "the week before", "the three weeks before", "earlier reports", "weekday")
#: Days before the last report from which on a report belongs to each of them.
_BEGIN = np.array([0, 1, 8, 29])
#: Parts of what is known beside the reports.
TREATMENT, SIGNALS = "treatment started", "signals"
#: Most rows that the model forecasts for one explanation: the record's combinations, without and with the treatment.
MOST_ROWS = 2 * 2 ** len(RECORD_PARTS)


def explain(model: SymptomModel, summary: Summary, forecast: Array, signal_shift: Floats) -> Explanation:
    """Return what moved one series' forecast, on the unit scale.

    Parameters
    ----------
    summary
        Of that series alone.
    forecast
        ``(horizon, 21)`` on the unit scale.
    signal_shift
        ``(horizon,)``: how far all signals together moved it.
    """
    record = summary.histories
    values = combinations(summary)
    seen = np.isfinite(record.values[0])
    # Combinations that differ by an empty part are one record.
    _, first, place = np.unique(values[:, seen], axis=0, return_index=True, return_inverse=True)
    treated = np.array([np.nan, *record.treated[np.isfinite(record.treated)]], np.float32)
    rows = len(treated) * len(first)
    records = Histories(
        values=np.concatenate([values[first, seen.argmax() :]] * len(treated)),
        step=np.repeat(record.step, rows),
        weekday=np.repeat(record.weekday, rows),
        treated=np.repeat(treated, len(first)),
    )
    by_treatment = np.split(model.predict(records, len(forecast)).quantiles, len(treated))
    forecasts = [quantiles[place.ravel()] for quantiles in by_treatment]
    names, shifts = list(RECORD_PARTS), [np.zeros_like(signal_shift)]
    if len(forecasts) > 1:
        names.append(TREATMENT)
    if signal_shift.any():
        names.append(SIGNALS)
        shifts.append(signal_shift)
    # In the order of `members`: a further part doubles the combinations, first without it and then with it.
    quantiles = np.concatenate([informed(forecasts[0], variant, shift) for shift in shifts for variant in forecasts])
    # Single precision depends a little on the batch: all combinations move by what the whole record differs.
    exact = quantiles.astype(np.float64) + (forecast.astype(np.float64) - quantiles[-1])
    return Explanation(exact[0], dict(zip(names, shapley_values(exact), strict=True)))


def combinations(summary: Summary) -> Array:
    """Return a record with every combination of its parts, ``(2 ** parts, days)``, from none of them to all."""
    values = summary.histories.values[0].astype(np.float64)
    seen, day = np.isfinite(values), np.arange(len(values))
    week = summary.weekday_effect(np.arange(1, 8))[0][0] * summary.spread[0]
    weekday = week[(day - len(day)) % 7]
    mean = np.nanmean(values)
    rest = values - mean - weekday
    part = np.searchsorted(_BEGIN, np.flatnonzero(seen)[-1] - day, "right") - 1
    parts = np.where(seen, [*(np.where(part == i, rest, 0) for i in range(len(_BEGIN))), weekday], 0)
    out: Array = np.where(seen, np.clip(mean + members(len(parts)) @ parts, 0, 1), np.nan).astype(np.float32)
    return out


def members(parts: int) -> NDArray[np.int64]:
    """Return which part is in which combination, ``(2 ** parts, parts)``, as the digits of the combination's number."""
    return np.arange(2**parts)[:, None] >> np.arange(parts) & 1


def shapley_values(values: Floats) -> Floats:
    """Return each part's mean effect over all orders, ``(parts, ...)``, of values ``(2 ** parts, ...)``."""
    parts = len(values).bit_length() - 1
    present = members(parts) > 0
    shares = []
    for part in range(parts):
        there = present[:, part]
        weights = 1 / (parts * comb(parts - 1, present[there].sum(1) - 1))
        # Each combination beside the same one without the part: where they are equal, the share is exactly 0.
        shares.append(np.tensordot(weights, values[there] - values[~there], 1))
    return np.array(shares)
