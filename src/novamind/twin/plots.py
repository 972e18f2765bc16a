"""Pictures of the twin: one function, one picture."""

import altair as alt
import polars as pl

from novamind.twin.treatment import SimulatedTreatment

_PERSON, _REFERENCE = "#003f66", "#b34700"


def level_chart(asked: SimulatedTreatment) -> alt.LayerChart | alt.FacetChart:
    """Draw the daily mean plasma level of patient and reference, with 90 % bands and the usual range."""
    rows = []
    for who, course in (("this patient", asked.course), ("normal metaboliser", asked.reference)):
        parent = course.concentration.filter(pl.col("compound") == course.concentration["compound"][0])
        daily = parent.group_by((pl.col("time_hours") // 24 + 1).alias("day"), maintain_order=True).agg(
            pl.col("value", "low", "high").mean()
        )
        rows += [row | {"who": who} for row in daily.iter_rows(named=True)]
    base = alt.Chart(alt.InlineData(values=rows))
    colour = alt.Color(
        "who:N",
        title=None,
        scale=alt.Scale(domain=["this patient", "normal metaboliser"], range=[_PERSON, _REFERENCE]),
        legend=alt.Legend(orient="top"),
    )
    x = alt.X("day:Q", title="Day of treatment")
    y = alt.Y("value:Q", title=f"Plasma level ({asked.unit}), daily mean")
    layers = [
        base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("low:Q", title=""), y2="high:Q", color=colour),
        base.mark_line().encode(x=x, y=y, color=colour, strokeDash=alt.StrokeDash("who:N", legend=None)),
    ]
    level = asked.review.therapeutic_range
    if level is not None and level.unit == asked.unit and level.analyte == asked.drug:
        ends = alt.Chart(alt.InlineData(values=[{"end": level.low}, {"end": level.high}]))
        layers.append(ends.mark_rule(color="#777", strokeDash=[3, 3]).encode(y="end:Q"))
    return alt.layer(*layers).properties(width=560, height=220)
