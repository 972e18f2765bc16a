"""Pictures of a forecast: one function, one picture.

Blues of rising depth, greys and one vermilion: told apart with any colour vision, and in black and white.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import altair as alt
import numpy as np
import vl_convert
from numpy.typing import NDArray

from novamind.symptoms.domain import Days, Floats, SymptomForecast
from novamind.symptoms.presentation.wording import beyond, days_in_words, number, period

#: Days of record in the picture, and up to twice as many to hold so many reports.
SHOWN_DAYS, SHOWN_REPORTS = 90, 8

#: Central intervals from the widest to the narrowest: colour, and what the band means in words.
BANDS = {
    0.95: ("#d6e6f3", "95 %: 19 times in 20"),
    0.8: ("#a3c9e5", "80 %: 4 times in 5"),
    0.5: ("#68a5d0", "50 %: every other time"),
}
_GAP = ("no reports", "#efeeea")
_ALERT, _DOT, _GRID, _LINK, _MEDIAN, _MUTED, _TEXT = (
    "#b34700", "#3a3a3a", "#e8e8e8", "#9a9a9a", "#003f66", "#5a5a5a", "#222222"
)  # fmt: skip
_FONT = "Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
_WIDTH, _FAN_HEIGHT, _RISK_HEIGHT = 760, 330, 120
_HALF_DAY = np.timedelta64(12, "h")

Span = tuple[np.datetime64, np.datetime64]


def fan_chart(forecast: SymptomForecast, threshold: float | None = None, title: str | None = None) -> alt.LayerChart:
    """Draw the record and its forecast as a fan that can be read without training.

    Parameters
    ----------
    forecast
        The forecast to draw, with the last :data:`SHOWN_DAYS` days of the record, more if reports are rare.
    threshold
        A value on the instrument's scale to draw as a line, e.g. 15 on PHQ-9.
    title
        The symptom and the number of days when ``None``. No patient is named in a picture.

    Returns
    -------
    altair.LayerChart
        One dot per reported day, joined where the record is unbroken, shade where it is not for long; the
        median and the intervals that are stated to hold 50, 80 and 95 % of the outcomes, each day a plateau;
        over the instrument's whole range.

    Raises
    ------
    ValidationError
        If ``threshold`` is off the instrument's scale.
    """
    scale, days, median = forecast.scale, forecast.days, forecast.median
    back = _days_back(forecast.history)
    shown, reports = forecast.history_days[-back:], forecast.history[-back:]
    stretch, gaps = _stretches(shown, reports)
    fills = dict([*((meaning, colour) for colour, meaning in BANDS.values()), *([_GAP] if gaps else [])])

    x = _day_axis(shown[0], days[-1], origin=days[0])
    in_view = alt.Scale(domain=[scale.low, scale.high], nice=False, zero=False)
    axis = alt.Axis(title=_value_title(forecast), values=_ticks(scale.low, scale.high), format="~g")
    y = alt.Y("value:Q", scale=in_view, axis=axis)
    y_low = alt.Y("low:Q", scale=in_view, axis=axis)
    fill = alt.Fill(
        "band:N",
        scale=alt.Scale(domain=list(fills), range=list(fills.values())),
        legend=alt.Legend(title="Where the coming reports are expected"),
    )

    no_reports = _layer(
        {"day": _ms(start), "end": _ms(end), "low": scale.low, "high": scale.high, "band": _GAP[0]}
        for start, end in gaps
    )
    bands = _layer(
        {"day": day, "low": low, "high": high, "band": meaning}
        for level, (_, meaning) in BANDS.items()
        for day, low, high in _plateaus(days, *forecast.interval(level))
    )
    middle = _layer({"day": day, "value": value} for day, value in _plateaus(days, median))
    seen = _layer(
        {"day": _ms(day), "value": float(report), "stretch": int(part)}
        for day, report, part in zip(shown, reports, stretch, strict=True)
        if not np.isnan(report)
    )
    layers = [
        no_reports.mark_rect().encode(x=x, x2="end", y=y_low, y2="high", fill=fill),
        bands.mark_area(interpolate="step-after").encode(x=x, y=y_low, y2="high", fill=fill),
        middle.mark_line(interpolate="step-after", color=_MEDIAN, strokeWidth=2.2).encode(x=x, y=y),
        seen.mark_line(color=_LINK, strokeWidth=1).encode(x=x, y=y, detail="stretch:N"),
        seen.mark_point(shape="circle", filled=True, size=26, color=_DOT, opacity=1).encode(x=x, y=y),
        *_origin(x, days[0]),
    ]
    labels = [(float(median[-1]), f"median {number(scale, median[-1])}", _MEDIAN)]
    if threshold is not None:
        forecast.risk(threshold)  # refuses a threshold off the scale
        layers.append(_level_line(y, threshold))
        labels.append((threshold, f"threshold {number(scale, threshold)}", _ALERT))
    layers += _end_labels(x, y, days[-1], labels, apart=scale.range * 16 / _FAN_HEIGHT)
    return _finish(
        layers,
        _FAN_HEIGHT,
        title or f"{forecast.symptom}: the next {days_in_words(forecast.horizon)}",
        f"Reports {period(shown[0], shown[-1])}, forecast {period(days[0], days[-1])}",
    )


def risk_chart(forecast: SymptomForecast, threshold: float, alert_probability: float = 0.5) -> alt.LayerChart:
    """Draw the probability per day of being at ``threshold`` or beyond it on the suffering side.

    Parameters
    ----------
    forecast
        The forecast to draw.
    threshold
        In the instrument's units, on its scale, e.g. 15 on PHQ-9.
    alert_probability
        Drawn as a line; days at or above it are darker.

    Raises
    ------
    ValidationError
        If ``threshold`` is off the scale, or ``alert_probability`` not between 0 and 1.
    """
    risk, days = forecast.risk(threshold, alert_probability), forecast.days
    x = _day_axis(days[0], days[-1], origin=days[0])
    y = alt.Y(
        "value:Q",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(title="probability", format=".0%", values=[0, 0.25, 0.5, 0.75, 1]),
    )
    bars = _layer(
        {
            "day": _ms(day - 0.8 * _HALF_DAY),
            "end": _ms(day + 0.8 * _HALF_DAY),
            "value": float(probability),
            "colour": BANDS[0.5 if probability >= alert_probability else 0.8][0],
        }
        for day, probability in zip(days, risk.probability, strict=True)
    )
    layers = [
        bars.mark_rect().encode(x=x, x2="end", y=y, y2=alt.datum(0), color=alt.Color("colour:N", scale=None)),
        _level_line(y, alert_probability),
        *_end_labels(x, y, days[-1], [(alert_probability, f"alert from {alert_probability:.0%}", _ALERT)]),
    ]
    return _finish(
        layers,
        _RISK_HEIGHT,
        f"Probability of {forecast.symptom} {beyond(forecast.scale, threshold)}",
        f"On each day, {period(days[0], days[-1])}",
    )


def to_svg(chart: alt.LayerChart | alt.FacetChart | alt.VConcatChart) -> str:
    """Render a chart as SVG text, without browser or network."""
    return str(vl_convert.vegalite_to_svg(chart.to_dict()))


def save(chart: alt.LayerChart, path: Path) -> None:
    """Write a chart as ``.png`` (at twice its size, for print) or ``.svg``, without browser or network."""
    chart.save(path, scale_factor=2)


def _layer(rows: Iterable[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(list(rows)))


def _ms(day: np.datetime64) -> int:
    return int(day.astype("datetime64[ms]").astype(np.int64))


def _plateaus(days: Days, *columns: Floats) -> Iterator[tuple[float, ...]]:
    """Return the corners of a step line on which each day's values last from noon before to noon after."""
    edges = [*(days - _HALF_DAY), days[-1] + _HALF_DAY]
    rows = zip(*(np.append(column, column[-1]).tolist() for column in columns), strict=True)
    for edge, row in zip(edges, rows, strict=True):
        yield _ms(edge), *row


def _days_back(reports: Floats) -> int:
    ago = len(reports) - np.flatnonzero(~np.isnan(reports))
    return int(max(min(max(ago[-SHOWN_REPORTS:][0], SHOWN_DAYS), 2 * SHOWN_DAYS), ago[-1] + 7))


def _stretches(days: Days, reports: Floats) -> tuple[NDArray[np.int64], list[Span]]:
    """Tell the unbroken stretches of the record and its long gaps by the person's own rhythm.

    A stretch ends where the next report is over 1.5 usual distances away; a gap is long from 2.5.
    """
    seen = np.flatnonzero(~np.isnan(reports))
    distance = np.diff(seen)
    usual = np.median(distance) if len(distance) else 1.0
    stretch = np.zeros(len(days), dtype=np.int64)
    stretch[seen[1:]] = np.cumsum(distance > 1.5 * usual)
    ends = np.append(seen[1:], len(days))  # silence may also close the record
    long = ends - seen > 2.5 * usual
    return stretch, [
        (days[before] + _HALF_DAY, days[after - 1] + _HALF_DAY)
        for before, after in zip(seen[long], ends[long], strict=True)
    ]


def _day_axis(first: np.datetime64, last: np.datetime64, origin: np.datetime64) -> alt.X:
    """Whole days in UTC, so that no machine's time zone shifts them; ticks count from the origin."""
    span = int((last - first).astype(int)) + 1
    step = 7 * max(1, round(span / 70)) if span > 21 else max(1, span // 7)
    ticks = [origin + np.timedelta64(step * k, "D") for k in range(-span // step, span // step + 1)]
    return alt.X(
        "day:T",
        scale=alt.Scale(type="utc", domain=[_ms(first - _HALF_DAY), _ms(last + _HALF_DAY)], nice=False),
        axis=alt.Axis(
            title=None,
            values=[_ms(tick) for tick in ticks if first <= tick <= last],
            labelExpr="utcFormat(datum.value, '%-d %b')",
        ),
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return both ends of the range, and round values between them that keep clear of the ends."""
    span = high - low
    decade = 10 ** np.floor(np.log10(span / 4))
    step = decade * max(m for m in (1, 2, 5) if span / (decade * m) >= 4)
    inner = np.arange(np.ceil(low / step), high / step) * step
    clear = (inner - low > 0.05 * span) & (high - inner > 0.05 * span)
    return [low, *inner[clear].tolist(), high]


def _value_title(forecast: SymptomForecast) -> str:
    return f"{forecast.symptom} (higher is {'worse' if forecast.scale.worse == 'high' else 'better'})"


def _origin(x: alt.X, first: np.datetime64) -> list[alt.Chart]:
    """Mark where the record ends and the forecast begins, labelled above the plot."""
    row = _layer([{"day": _ms(first - _HALF_DAY), "label": "forecast →"}])
    return [
        row.mark_rule(color=_MUTED, strokeDash=[3, 3]).encode(x=x),
        row.mark_text(align="left", baseline="bottom", dy=-4, color=_MUTED, fontSize=12).encode(
            x=x, y=alt.value(0), text="label:N"
        ),
    ]


def _level_line(y: alt.Y, value: float) -> alt.Chart:
    line = _layer([{"value": value}]).mark_rule(color=_ALERT, strokeDash=[7, 4], strokeWidth=1.5)
    return cast(alt.Chart, line.encode(y=y))


def _end_labels(
    x: alt.X, y: alt.Y, last: np.datetime64, labels: list[tuple[float, str, str]], apart: float = 0.0
) -> list[alt.Chart]:
    """Name one or two lines beside their right ends, the names at least ``apart`` units from one another."""
    places = np.array([value for value, _, _ in labels])
    if np.ptp(places) < apart:
        rank = np.argsort(np.argsort(places, kind="stable"))
        places = places.mean() + apart * (rank - rank.mean())
    return [
        _layer([{"day": _ms(last + _HALF_DAY), "value": place, "label": text}])
        .mark_text(align="left", baseline="middle", dx=6, color=colour, fontSize=12, fontWeight="bold")
        .encode(x=x, y=y, text="label:N")
        for place, (_, text, colour) in zip(places.tolist(), labels, strict=True)
    ]


def _finish(layers: list[alt.Chart], height: int, title: str, subtitle: str) -> alt.LayerChart:
    chart: alt.LayerChart = (
        alt.layer(*layers)
        .properties(
            width=_WIDTH,
            height=height,
            description=f"{title}. {subtitle}.",
            title=alt.TitleParams(
                title,
                subtitle=subtitle,
                anchor="start",
                fontSize=18,
                subtitleFontSize=12,
                subtitleColor=_MUTED,
            ),
        )
        .configure(font=_FONT, background="white", padding=14)
        .configure_view(stroke=None)
        .configure_mark(aria=False)
        .configure_title(offset=24, limit=_WIDTH)
        .configure_axis(
            aria=False,
            gridColor=_GRID,
            domainColor=_LINK,
            tickColor=_LINK,
            labelColor=_TEXT,
            labelFontSize=12,
            titleColor=_MUTED,
            titleFontSize=12,
            titleFontWeight="normal",
            titleLimit=height,
            titlePadding=10,
        )
        .configure_axisX(grid=False)
        .configure_legend(
            aria=False,
            orient="bottom",
            columnPadding=22,
            labelColor=_TEXT,
            labelFontSize=12,
            labelLimit=0,
            symbolSize=180,
            symbolStrokeWidth=0,
            symbolType="square",
            titleColor=_MUTED,
            titleFontSize=12,
            titleFontWeight="normal",
            titleLimit=0,
        )
    )
    return chart
