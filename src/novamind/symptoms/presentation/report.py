"""A forecast as one HTML file that opens anywhere: no script, no request, light and dark, printable."""

from pathlib import Path

import numpy as np

from novamind.pages import environment
from novamind.symptoms.domain import HIGH_80, LOW_80, SymptomForecast, week_ahead
from novamind.symptoms.instruments import Instrument
from novamind.symptoms.presentation import wording
from novamind.symptoms.presentation.plots import fan_chart, risk_chart, to_svg

_TEMPLATE = "report.html"

_environment = environment(Path(__file__).parent)
_environment.filters |= {"date": wording.date, "percent": wording.percent}


def render(forecast: SymptomForecast, threshold: float | None = None, instrument: Instrument | None = None) -> str:
    """Write the report of one forecast.

    Parameters
    ----------
    forecast
        What to report.
    threshold
        In the instrument's units; adds the risk and its picture.
    instrument
        Adds what the score means, and the probability of each published cut-off with its source.

    Returns
    -------
    str
        A complete HTML document. The same forecast gives the same bytes. It names the patient as the record does:
        keep it as you keep the record.

    Raises
    ------
    ValidationError
        If ``threshold`` is off the instrument's scale.
    """
    scale = forecast.scale

    def shown(value: float, finer: int = 0) -> str:
        return wording.number(scale, value, finer)

    risk = None if threshold is None else forecast.risk(threshold)
    intervals = {level: forecast.interval(level) for level in (0.5, 0.8, 0.95)}
    headline, trend = wording.headline(forecast), wording.trend(scale, forecast.trend)
    day, shifts = week_ahead(forecast.horizon), forecast.explanation.shifts
    largest = max((abs(shift) for shift in forecast.importance.values()), default=0) or 1.0
    return _environment.get_template(_TEMPLATE).render(
        forecast=forecast,
        instrument=instrument,
        headline=headline,
        trend=trend,
        insights=[sentence for sentence in forecast.insights if sentence not in (headline, trend)],
        risk=None if risk is None else wording.risk(forecast, risk),
        picture=to_svg(fan_chart(forecast, threshold)),
        risk_picture=None if threshold is None else to_svg(risk_chart(forecast, threshold)),
        days=[
            {
                "date": day,
                "median": shown(forecast.median[i]),
                "intervals": [wording.span(scale, low[i], high[i]) for low, high in intervals.values()],
                "risk": None if risk is None else float(risk.probability[i]),
            }
            for i, day in enumerate(forecast.days)
        ],
        cut_offs=[
            {
                "score": wording.beyond(scale, cut.value),
                "meaning": cut.meaning,
                "probability": float(forecast.risk(cut.value).probability[-1]),
                "source": cut.source,
            }
            for cut in (instrument.cut_offs if instrument else ())
        ],
        members=[
            {
                "name": member.name,
                "weight": member.weight,
                "own": None if member.own_error is None else shown(member.own_error * scale.range / 100, 2),
                "validation": shown(member.validation_error * scale.range / 100, 2),
            }
            for member in sorted(forecast.members, key=lambda member: -member.weight)
        ],
        importance=wording.importance(forecast),
        parts=[
            {
                "name": name,
                "median": wording.signed(scale, median),
                "width": wording.signed(scale, shifts[name][day, HIGH_80] - shifts[name][day, LOW_80]),
                "share": abs(median) / largest if float(wording.signed(scale, median)) else 0,
                "worse": (median > 0) == (scale.worse == "high"),
            }
            for name, median in forecast.importance.items()
        ],
        reports=int(np.isfinite(forecast.history).sum()),
        scale=f"{shown(scale.low)} to {shown(scale.high)}",
        step=None if scale.step is None else f"{scale.step:g}",
    )
