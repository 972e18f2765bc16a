"""A picture of what a file holds: one strip a series, a point a value, on the days of its clock."""

import altair as alt
import polars as pl

_WIDTH, _HEIGHT = 620, 60
_COLOUR = "#0072b2"  # told apart with any colour vision (Okabe & Ito 2008)
#: More points a series would only cover each other.
_MOST_POINTS = 2_000
_MOST_SERIES = 30


def plot_series(frame: pl.DataFrame) -> alt.VConcatChart:
    """Draw each series of a long frame (``timestamp, series, value, unit``), the longest first, persons together.

    Of a series with more than 2,000 values as many are drawn, evenly chosen; at most 30 series are drawn.
    """
    counts = frame.group_by("series").len().sort(["len", "series"], descending=[True, False])
    return alt.vconcat(*(_strip(frame, name) for name in counts["series"].head(_MOST_SERIES)), spacing=6)


def _strip(frame: pl.DataFrame, name: str) -> alt.Chart:
    rows = frame.filter(pl.col("series") == name).sort("timestamp")
    unit = next(iter(rows["unit"].drop_nulls()), "")
    points = rows.gather_every(max(1, -(-len(rows) // _MOST_POINTS))).select(
        pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S"), "value"
    )
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(points.to_dicts()), width=_WIDTH, height=_HEIGHT)
        .mark_point(filled=True, size=12, color=_COLOUR)
        .encode(
            alt.X("timestamp:T", title=None),
            alt.Y("value:Q", title=[name[:30], unit][: 2 if unit else 1], scale=alt.Scale(zero=False)),
        )
    )
    return chart
