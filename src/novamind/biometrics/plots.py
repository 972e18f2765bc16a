"""Pictures of links: one function, one picture.

Blue and vermilion for the two signs, greys for what was not confirmed: colours that differ for any colour vision.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import altair as alt
import numpy as np

from novamind.biometrics.anomalies import Anomaly
from novamind.biometrics.domain import CausalGraph, Floats, LagProfile, Link, PersonSeries
from novamind.biometrics.early_warning import EarlyWarning

_MORE, _LESS, _MUTED, _TEXT, _GRID, _BAND = "#b34700", "#1f6aa5", "#5a5a5a", "#222222", "#e8e8e8", "#d6e6f3"
_PALE = "#cfcfcf"
_FONT = "Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
_WIDTH = 640


class LinkedPerson(Protocol):
    """One person's decided links."""

    @property
    def links(self) -> tuple[Link, ...]:
        """One a pair of signal and symptom."""


class WatchedPerson(LinkedPerson, Protocol):
    """One person's links, with the series and the alarms in it."""

    @property
    def series(self) -> PersonSeries:
        """Signals by the hour and reports at their own times."""

    @property
    def deviations(self) -> Mapping[str, Floats]:
        """Every usable signal against the person's own baseline, by the hour, in SD."""

    @property
    def anomalies(self) -> Mapping[str, tuple[Anomaly, ...]]:
        """Departures of each signal from its baseline."""

    @property
    def early_warning(self) -> tuple[EarlyWarning, ...]:
        """Moves of confirmed leading signals."""


def lag_profile(link: Link, profile: LagProfile) -> alt.LayerChart:
    """Draw how strongly a signal goes with a symptom at every lag, and where the lag lies.

    Parameters
    ----------
    link
        The decided pair.
    profile
        Its profile.

    Returns
    -------
    altair.LayerChart
        z-values over the lag in hours; a band for the 90 % interval and a rule for the median of a detected link.
    """
    rows = [{"lag": int(h), "z": round(float(z), 3)} for h, z in zip(profile.lags, profile.z, strict=True)]
    title = f"hours by which {_plain(link.signal)} leads (−: follows)"
    extent = alt.Scale(domain=[int(profile.lags[0]), int(profile.lags[-1])], nice=False)
    x = alt.X("lag:Q", title=title, scale=extent, axis=alt.Axis(grid=False))
    line = alt.Chart(alt.InlineData(rows)).mark_line(color=_TEXT, strokeWidth=1.5).encode(
        x=x, y=alt.Y("z:Q", title="z-value after all corrections")
    )  # fmt: skip
    zero = alt.Chart(alt.InlineData([{"z": 0}])).mark_rule(color=_PALE).encode(y="z:Q")
    layers: list[alt.Chart] = [zero, line]
    if link.detected:
        where = [{"lag": link.lag_hours, "low": link.lag_low - 0.5, "high": link.lag_high + 0.5}]
        band = (
            alt.Chart(alt.InlineData(where))
            .mark_rect(color=_BAND)
            .encode(x=alt.X("low:Q", title=title, scale=extent), x2="high:Q")
        )
        colour = _MORE if link.sign > 0 else _LESS
        rule = alt.Chart(alt.InlineData(where)).mark_rule(color=colour, strokeWidth=2).encode(x=x)  # fmt: skip
        layers = [band, zero, line, rule]
        subtitle = (
            f"Link confirmed: lag {link.lag_hours:.0f} h (90 %: {link.lag_low:.0f} to {link.lag_high:.0f}), "
            f"effect {link.effect:+.2f}, q {link.q_value:.3f}"
        )
    else:
        why = f"; the apparent link comes from: {_plain(link.explained_by)}" if link.explained_by else ""
        subtitle = f"No link confirmed (q {link.q_value:.2f}){why}"
    return _finish(layers, 260, f"{_plain(link.signal)} and {_plain(link.symptom)}".capitalize(), subtitle)


def link_map(person: LinkedPerson, max_lag_hours: int) -> alt.LayerChart:
    """Draw every pair of one person: signals by symptoms, coloured where a link is confirmed, with its lag."""
    largest = max([0.3, *(abs(link.effect) for link in person.links if link.detected)])
    rows = [
        {
            "signal": _plain(link.signal),
            "symptom": _plain(link.symptom),
            "effect": round(link.effect, 3) if link.detected else None,
            "text": f"{link.lag_hours:+.0f} h" if link.detected else _plain(link.explained_by or ""),
            "detected": link.detected,
            "ink": _MUTED if not link.detected else "white" if abs(link.effect) > 0.6 * largest else _TEXT,
        }
        for link in person.links
    ]
    data = alt.InlineData(rows)
    x = alt.X("symptom:N", title=None, sort=None, axis=alt.Axis(labelAngle=0, orient="top", domain=False, ticks=False))
    y = alt.Y("signal:N", title=None, sort=None, axis=alt.Axis(domain=False, ticks=False))
    empty = alt.Chart(data).mark_rect(stroke="white", strokeWidth=2, color="#f0f0ee").encode(x=x, y=y)
    shades = alt.Scale(domain=[-largest, 0, largest], range=[_LESS, "#f7f7f7", _MORE])
    cells = (
        alt.Chart(alt.InlineData([row for row in rows if row["detected"]]))
        .mark_rect(stroke="white", strokeWidth=2)
        .encode(x=x, y=y, color=alt.Color("effect:Q", title="standardised effect", scale=shades))
    )
    texts = [
        alt.Chart(alt.InlineData([row for row in rows if row["ink"] == ink]))
        .mark_text(fontSize=12, color=ink)
        .encode(x=x, y=y, text="text:N")
        for ink in dict.fromkeys(str(row["ink"]) for row in rows)
    ]
    confirmed = sum(link.detected for link in person.links)
    subtitle = (
        f"{confirmed} of {len(rows)} pairs confirmed within {max_lag_hours} h; + the signal leads. "
        "Grey: not confirmed, with what makes it look linked"
    )
    height = 44 * len({row["signal"] for row in rows})
    return _finish([empty, cells, *texts], height, "Which signals go with which symptoms", subtitle)


def graph_chart(graph: CausalGraph) -> alt.LayerChart:
    """Draw the graph: signals left, symptoms right; arrows from what is earlier, dashes for what only explains."""
    confounders = [e.source for e in graph.edges if e.kind == "explains" and e.source not in graph.signals]
    left = list(graph.signals)
    middle = list(dict.fromkeys(confounders))
    rise = max(len(left) - 1, len(graph.symptoms) - 1, 1)
    spots = {name: (0.0, rise * (i + 0.5) / len(left)) for i, name in enumerate(left)}
    spots |= {name: (1.0, rise * (i + 0.5) / len(graph.symptoms)) for i, name in enumerate(graph.symptoms)}
    spots |= {name: (0.5, rise + 0.6 + 0.5 * i) for i, name in enumerate(middle)}
    lines, tips, labels = [], [], []
    for edge in graph.edges:
        (x0, y0), (x1, y1) = spots[edge.source], spots[edge.target]
        lines.append({"x": x0, "y": y0, "x2": x1, "y2": y1, "kind": edge.kind, "effect": edge.effect or 0.0})
        if edge.kind == "leads":
            angle = float(np.degrees(np.arctan2((x1 - x0) * _WIDTH / 1.7, (y1 - y0) * 60)))
            tips.append(
                {"x": x0 + 0.93 * (x1 - x0), "y": y0 + 0.93 * (y1 - y0), "angle": 180 - angle, "effect": edge.effect}
            )
        if edge.effect is not None:
            labels.append(
                {
                    "x": x0 + 0.4 * (x1 - x0),
                    "y": y0 + 0.4 * (y1 - y0),
                    "text": f"{edge.lag_hours:.0f} h, {edge.effect:+.2f}",
                }
            )
    nodes = [{"x": x, "y": y, "name": _plain(name)} for name, (x, y) in spots.items()]
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.35, 1.35]))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(reverse=True))
    colour = alt.condition("datum.effect > 0", alt.value(_MORE), alt.value(_LESS))
    explains = [row for row in lines if row["kind"] == "explains"]
    leads = [row for row in lines if row["kind"] != "explains"]
    layers: list[alt.Chart] = []
    if explains:
        layers.append(
            alt.Chart(alt.InlineData(explains))
            .mark_rule(color=_PALE, strokeDash=[4, 4])
            .encode(x=x, y=y, x2="x2", y2="y2")
        )
    if leads:
        layers.append(
            alt.Chart(alt.InlineData(leads)).mark_rule(strokeWidth=2).encode(x=x, y=y, x2="x2", y2="y2", color=colour)
        )
        label_base = alt.Chart(alt.InlineData(labels)).encode(x=x, y=y, text="text:N")
        layers.append(
            label_base.mark_text(fontSize=11, stroke="white", strokeWidth=8, strokeJoin="round")
        )  # so that lines do not cross it
        layers.append(label_base.mark_text(fontSize=11, color=_TEXT))
    if tips:
        layers.append(
            alt.Chart(alt.InlineData(tips)).mark_point(shape="triangle-up", filled=True, size=110, opacity=1).encode(
                x=x, y=y, angle=alt.Angle("angle:Q", scale=None), color=colour
            )
        )  # fmt: skip
    sides: list[tuple[float, Literal["left", "right", "center"], int, int]] = [
        (0, "right", -8, 0),
        (1, "left", 8, 0),
        (0.5, "center", 0, 12),
    ]
    for side, align, dx, dy in sides:
        rows = [node for node in nodes if node["x"] == side]
        if rows:
            layers.append(
                alt.Chart(alt.InlineData(rows)).mark_text(align=align, dx=dx, dy=dy, fontSize=13, color=_TEXT).encode(
                    x=x, y=y, text="name:N"
                )
            )  # fmt: skip
    subtitle = "Arrows from what comes first, with lag and effect; dashes: what explains an apparent link"
    return _finish(layers, 60 * (rise + 1) + 40 * len(middle), "What goes before what", subtitle)


def timeline(person: WatchedPerson) -> alt.LayerChart:
    """Draw signals against their own baselines, with anomalies and warnings, and the symptoms below, day by day.

    Signals that lead a symptom or left their baseline are shown; all where none does. Each row is a daily mean in SD,
    cut off at 3.
    """
    series = person.series
    first = series.start.astype("datetime64[D]")
    lead = int((series.start - first) / np.timedelta64(1, "h"))
    speaking = {link.signal for link in person.links if link.leads} | {k for k, v in person.anomalies.items() if v}
    signals = [name for name in person.deviations if name in speaking or not speaking]
    symptoms = list(dict.fromkeys(link.symptom for link in person.links))
    rows, names, spans = [], [], []
    for place, name in enumerate(signals + symptoms):
        at: Floats = np.arange(series.hours, dtype=float) + lead
        if name in signals:
            values = person.deviations[name]
        else:
            at, values = series.report_hours + lead, series.reports[:, series.symptoms.index(name)]
            values = (values - np.nanmean(values)) / np.nanstd(values)
        observed = np.isfinite(values)
        day = np.floor(at[observed] / 24).astype(int)
        if not len(day):
            continue
        count = np.bincount(day)
        mean = np.bincount(day, values[observed]) / np.maximum(count, 1)
        names.append({"y": -place, "name": _plain(name)})
        days = np.flatnonzero(count)
        runs = np.cumsum(np.diff(days, prepend=days[0]) > 1)  # no line through days without a value
        heights = np.clip(mean[days], -3, 3) / 7 - place
        rows += [
            {"day": str(first + int(d)), "y": float(height), "of": f"{name} {run}", "symptom": name in symptoms}
            for d, height, run in zip(days, heights, runs, strict=True)
        ]
        for anomaly in person.anomalies.get(name, ()):
            begin, end = ((hour + lead) // 24 for hour in (anomaly.start_hour, anomaly.alarm_hour))
            spans.append(
                {"day": str(first + begin), "end": str(first + end + 1), "y": -place - 0.45, "top": -place + 0.45}
            )
    marks = [
        {"day": str(first + (warning.hour + lead) // 24), "y": 0.4 - signals.index(warning.signal)}
        for warning in person.early_warning
    ]
    low, high = -len(signals + symptoms) + 0.4, 0.6
    x = alt.X("day:T", title=None, axis=alt.Axis(format="%-d %b %Y", tickCount=6, grid=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[low, high], nice=False))
    layers: list[alt.Chart] = []
    if spans:
        layers.append(
            alt.Chart(alt.InlineData(spans)).mark_rect(color=_BAND).encode(
                x=x, x2="end:T", y=y, y2="top:Q"
            )
        )  # fmt: skip
    layers.append(alt.Chart(alt.InlineData(names)).mark_rule(color=_GRID).encode(y=y))
    for symptom, colour in ((False, _TEXT), (True, _MUTED)):
        part = [row for row in rows if row["symptom"] is symptom]
        if part:
            layers.append(
                alt.Chart(alt.InlineData(part))
                .mark_line(color=colour, strokeWidth=1.2, point=alt.OverlayMarkDef(size=6, color=colour))
                .encode(x=x, y=y, detail="of:N")
            )
    if marks:
        layers.append(
            alt.Chart(alt.InlineData(marks)).mark_point(
                shape="triangle-down", filled=True, size=70, opacity=1, color=_MORE
            ).encode(x=x, y=y)
        )  # fmt: skip
    layers.append(
        alt.Chart(alt.InlineData(names)).mark_text(align="right", dx=-10, fontSize=12, color=_TEXT).encode(
            x=alt.value(0), y=y, text="name:N"
        )
    )  # fmt: skip
    alarms = sum(map(len, person.anomalies.values()))
    subtitle = (
        f"Daily means in SD. Blue: departures from the own baseline ({alarms}). "
        f"Triangles: warnings of confirmed leading signals ({len(marks)})"
    )
    return _finish(layers, 62 * len(signals + symptoms), "Signals against their baselines, and symptoms", subtitle)


def save(chart: alt.LayerChart, path: Path) -> None:
    """Write a chart as ``.png`` (at twice its size, for print) or ``.svg``, without browser or network."""
    chart.save(path, scale_factor=2)


def _plain(name: str | None) -> str:
    return (name or "").replace("_", " ")


def _finish(layers: list[Any], height: int, title: str, subtitle: str) -> alt.LayerChart:
    chart: alt.LayerChart = (
        alt.layer(*layers)
        .properties(
            width=_WIDTH,
            height=height,
            description=f"{title}. {subtitle}.",
            title=alt.TitleParams(
                title, subtitle=subtitle, anchor="start", fontSize=18, subtitleFontSize=12, subtitleColor=_MUTED,
                offset=18,
            ),
        )
        .configure(font=_FONT, background="white", padding=14)
        .configure_view(stroke=None)
        .configure_axis(
            gridColor=_GRID, labelColor=_TEXT, labelFontSize=12, titleColor=_MUTED, titleFontSize=12,
            titleFontWeight="normal", titlePadding=10, labelLimit=200,
        )
        .configure_legend(labelColor=_TEXT, titleColor=_MUTED, titleFontWeight="normal", orient="bottom")
    )  # fmt: skip
    return chart
