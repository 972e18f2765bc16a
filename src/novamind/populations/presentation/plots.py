"""Charts of population twins; one function, one picture."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from novamind.errors import ValidationError
from novamind.populations.results import FidelityReport, SimulationResult, TwinModelMetrics
from novamind.populations.table import Table

_BINS = 40
_COLOURS = alt.Scale(domain=["real", "twins"], range=["#4c78a8", "#f58518"])


def marginals(real: Table, twins: Table, columns: Sequence[str] | None = None) -> Any:
    """Return a chart of the distribution of each column, real rows against twins."""
    names = list(columns or [c.name for c in real.columns])
    charts = []
    for name in names:
        column = real[name]
        rows: list[dict[str, Any]] = []
        edges = np.unique(np.nanquantile(real.values[name].astype(float), np.linspace(0, 1, _BINS + 1)))
        for label, table in (("real", real), ("twins", twins)):
            values = table.values[name]
            if column.kind == "category":
                share = np.bincount(values, minlength=len(column.levels)) / len(values)
                rows += [{"value": str(v), "share": s, "of": label} for v, s in zip(column.levels, share, strict=True)]
                continue
            present = np.sort(values[~np.isnan(values)])
            rows += [
                {
                    "value": float(e),
                    "share": float(np.searchsorted(present, e, "right") / len(present)),
                    "of": label,
                }
                for e in edges
            ]
        chart = alt.Chart(alt.InlineData(values=rows)).encode(color=alt.Color("of:N", scale=_COLOURS, title=None))
        if column.kind == "category":
            drawn = chart.mark_bar().encode(
                x=alt.X("value:N", title=None), xOffset="of:N", y=alt.Y("share:Q", title="share")
            )
        else:
            drawn = chart.mark_line(interpolate="step-after").encode(
                x=alt.X("value:Q", title=None),
                y=alt.Y("share:Q", title="cumulative share"),
                strokeDash=alt.StrokeDash("of:N", title=None),
            )
        charts.append(drawn.properties(width=220, height=140, title=name))
    return alt.concat(*charts, columns=3)


def associations(real: Table, twins: Table) -> Any:
    """Return a chart of the rank correlations of the number columns, real and twins side by side."""
    names = [c.name for c in real.columns if c.kind == "number"]
    rows = []
    for label, table in (("real", real), ("twins", twins)):
        ranks = np.column_stack([_ranks(table.values[n].astype(float)) for n in names])
        matrix = np.corrcoef(ranks.T)
        rows += [
            {"a": a, "b": b, "of": label, "correlation": float(matrix[i, j])}
            for i, a in enumerate(names)
            for j, b in enumerate(names)
        ]
    chart = alt.Chart(alt.InlineData(values=rows)).mark_rect()
    return chart.encode(
        x=alt.X("a:N", sort=names, title=None),
        y=alt.Y("b:N", sort=names, title=None),
        color=alt.Color("correlation:Q", scale=alt.Scale(scheme="redblue", domain=[-1, 1], reverse=True)),
        column=alt.Column("of:N", title=None),
    ).properties(width=260, height=260)


def effects(result: SimulationResult) -> Any:
    """Return a chart of average and group effects with 95 % intervals, one row each."""
    low, high = result.interval
    rows = [{"group": "all twins", "effect": result.average_treatment_effect, "low": low, "high": high}]
    rows += [
        {"group": f"{g.group}: {g.level}", "effect": g.effect, "low": g.low, "high": g.high}
        for groups in result.heterogeneity.values()
        for g in groups
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("group:N", sort=[str(r["group"]) for r in rows], title=None)
    )
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=f"effect ({result.source})"), x2="high:Q")
    points = base.mark_point(filled=True, size=60).encode(x="effect:Q")
    limit = alt.Chart(alt.InlineData(values=[{"x": result.minimum_effect}])).mark_rule(strokeDash=[4, 4], color="#888")
    return (bars + points + limit.encode(x="x:Q")).properties(width=420, title=f"Advice: {result.recommendation}")


def fidelity(reports: Sequence[FidelityReport]) -> Any:
    """Return a chart of the error and coverage of a population's grades over time."""
    if not reports:
        raise ValidationError("there is no grade to draw yet; call calculate_fidelity() first")
    rows = [
        {"grade": i + 1, "measure": name, "value": value}
        for i, r in enumerate(reports)
        for name, value in (("mean absolute error", r.mae), ("coverage of 95 % intervals", r.coverage_95))
    ]
    chart = alt.Chart(alt.InlineData(values=rows)).mark_line(point=True)
    return (
        chart.encode(x=alt.X("grade:O", title="grade"), y=alt.Y("value:Q", title=None))
        .properties(width=360, height=120)
        .facet(row=alt.Row("measure:N", title=None))
        .resolve_scale(y="independent")
    )


def feature_importance(metrics: TwinModelMetrics) -> Any:
    """Return a chart of each feature's share of the explained variation, largest first."""
    rows = [{"feature": name, "share": share} for name, share in metrics.feature_importance.items()]
    chart = alt.Chart(alt.InlineData(values=rows)).mark_bar()
    return chart.encode(
        x=alt.X("share:Q", title="share of explained variation"), y=alt.Y("feature:N", sort="-x", title=None)
    ).properties(width=360)


def _ranks(values: Any) -> Any:
    filled = np.where(np.isnan(values), np.nanmedian(values), values)
    _, inverse, count = np.unique(filled, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[inverse]
