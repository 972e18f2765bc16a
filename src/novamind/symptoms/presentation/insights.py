"""What a forecast says, in sentences: only what its numbers carry, and nothing firm when they are weak."""

import numpy as np

from novamind.symptoms.domain import SymptomForecast
from novamind.symptoms.instruments import Instrument
from novamind.symptoms.presentation import wording


def insights(forecast: SymptomForecast, instrument: Instrument | None = None) -> tuple[str, ...]:
    """Return the sentences in order of weight.

    Parameters
    ----------
    instrument
        The questionnaire, if it is a known one: its published cut-offs are then named.
    """
    scale = forecast.scale
    sentences = [wording.headline(forecast)]
    firm = forecast.reliability.level != "low"
    if not firm:
        sentences.append(f"Low reliability: {'; '.join(forecast.reliability.reasons)}. Read the range, not the middle.")
    trend = forecast.trend
    if firm and trend.direction in ("worsening", "improving"):
        sentences.append(wording.trend(scale, trend))
    if instrument is not None and instrument.cut_offs:
        sentences.extend(_cut_off_sentence(forecast, instrument))
    if firm and any(abs(shift) > 0.01 * scale.range for shift in forecast.covariates.values()):
        sentences.append(wording.covariates(scale, forecast.covariates))
    low, high = forecast.interval(0.8)
    width = float(np.mean(high - low)) / scale.range
    if width > 0.5:
        sentences.append(
            "The forecast leaves more than half of the scale open: it says little beyond the person's range."
        )
    return tuple(sentences)


def _cut_off_sentence(forecast: SymptomForecast, instrument: Instrument) -> list[str]:
    last = forecast.history[np.isfinite(forecast.history)][-1]
    worse_high = forecast.scale.worse == "high"
    ahead = [c for c in instrument.cut_offs if (c.value > last if worse_high else c.value < last)]
    if not ahead:
        return []
    cut = ahead[0]
    risk = forecast.risk(cut.value)
    peak = float(risk.probability.max())
    if peak < 0.05:
        return []
    return [
        f"The chance of reaching {wording.beyond(forecast.scale, cut.value)} ({cut.meaning} by {cut.source}) is at "
        f"most {wording.percent(peak)} on any of the next {wording.days_in_words(forecast.horizon)}."
    ]
