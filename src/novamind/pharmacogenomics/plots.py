"""Pictures of a review: one function, one picture."""

from collections.abc import Mapping
from typing import Protocol

import altair as alt

from novamind.pharmacogenomics.drug_review import DrugReview


class ReviewedDrugs(Protocol):
    """Drugs that were reviewed for one patient."""

    @property
    def drugs(self) -> Mapping[str, DrugReview]:
        """Reviews by generic name."""


def exposure_chart(review: ReviewedDrugs) -> alt.LayerChart | alt.FacetChart:
    """Draw the exposure of each drug with its interval, on a logarithmic scale around 1."""
    rows = [
        {
            "drug": d.drug if e.analyte == d.drug else f"{d.drug} ({e.analyte})",
            "ratio": e.ratio,
            "low": e.low,
            "high": e.high,
        }
        for d in review.drugs.values()
        for e in d.exposures
        if e.low is not None and e.high is not None
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    scale = alt.Scale(type="log", nice=False, padding=12)
    y = alt.Y(
        "drug:N",
        title=None,
        sort=alt.EncodingSortField("high", order="descending"),
        axis=alt.Axis(labelLimit=280),
    )
    bars = base.mark_rule(strokeWidth=5, opacity=0.35, color="#2b6c8f").encode(
        x=alt.X(
            "low:Q",
            title="Concentration at the same dose, normal metaboliser = 1 (95 % interval)",
            scale=scale,
            axis=alt.Axis(values=[0.25, 0.5, 1, 2, 5, 10, 20], format="~g"),
        ),
        x2="high:Q",
        y=y,
    )
    points = base.transform_filter("datum.ratio != null").mark_point(filled=True, size=70, color="#12384d", opacity=1)
    reference = (
        alt.Chart(alt.InlineData(values=[{"one": 1}]))
        .mark_rule(color="#888", strokeDash=[4, 3])
        .encode(x=alt.X("one:Q", scale=scale))
    )
    return alt.layer(reference, bars, points.encode(x=alt.X("ratio:Q", scale=scale), y=y)).properties(
        width=430, height=alt.Step(24)
    )
