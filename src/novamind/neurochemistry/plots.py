"""Pictures of a course: one function, one picture."""

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import altair as alt
import polars as pl

from novamind.drugs.domain import Severity
from novamind.drugs.exposure import therapeutic_ranges
from novamind.drugs.kinetics import kinetics
from novamind.neurochemistry.domain import BrainRegion, Neurotransmitter
from novamind.neurochemistry.graph import projection_weights
from novamind.neurochemistry.reference import LEAVES, as_transmitter
from novamind.neurochemistry.regimen import RegimenStep

_WIDTH, _HEIGHT = 620, 200
#: Told apart with any colour vision (Okabe & Ito 2008).
_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_RANGE_COLOUR = "#efeeea"
#: Targets occupied less than this at their peak are left out of the picture.
_SMALLEST_OCCUPANCY = 0.05
#: Lines that a chart of occupancies holds and stays legible.
_MOST_TARGETS = 7
#: Targets of which a regimen's picture has a panel.
_MAIN_TARGETS = 3
#: Bars shorter than this share of the course have no words: they would lie over the next one's.
_NARROWEST_BAR = 0.05
_SEVERE = (Severity.CONTRAINDICATED, Severity.MAJOR)
#: Occupancies to compare with: response to extrapyramidal effects (Kapur 2000); five drugs (Meyer 2004).
_D2_RANGE = (0.65, 0.78, "D2 65-78 %, response to extrapyramidal effects")
_SERT_RANGE = (0.76, 0.85, "SERT 76-85 %, reached at minimum therapeutic doses")
#: Where each region stands in the graph: a side view with the forehead to the left (x, y in tenths of the brain).
_PLACES = {
    "prefrontal_cortex": (0.6, 6.8),
    "orbitofrontal_cortex": (1.0, 4.8),
    "anterior_cingulate_cortex": (2.6, 7.2),
    "insula": (2.4, 4.2),
    "parietal_cortex": (6.6, 8.4),
    "temporal_cortex": (3.2, 1.6),
    "occipital_cortex": (9.2, 5.8),
    "thalamus": (5.4, 5.6),
    "hippocampus": (5.2, 2.4),
    "amygdala": (3.8, 2.9),
    "nucleus_accumbens": (2.6, 5.4),
    "caudate": (3.6, 6.4),
    "putamen": (3.5, 5.0),
    "pallidum": (4.3, 4.4),
    "hypothalamus": (4.6, 3.6),
    "cerebellum": (8.6, 2.2),
    "brain_stem": (7.0, 1.2),
    "raphe_nuclei": (6.8, 3.2),
    "locus_coeruleus": (7.6, 3.9),
    "ventral_tegmental_area": (5.8, 3.9),
    "substantia_nigra": (6.1, 4.7),
}


class CourseFrames(Protocol):
    """One regimen's course as frames; ``low`` and ``high`` are the 90 % band, null without ensemble."""

    @property
    def drug(self) -> str:
        """Its name in the tables."""

    @property
    def weeks(self) -> int:
        """Length of the course."""

    @property
    def concentration(self) -> pl.DataFrame:
        """``time_hours, compound, value, low, high, unit``."""

    @property
    def occupancy(self) -> pl.DataFrame:
        """``time_hours, target, value, low, high, basis``; empty where none is known."""

    @property
    def transmitters(self) -> pl.DataFrame:
        """``day, region, transmitter, level, low, high``."""

    @property
    def symptom_effect(self) -> pl.DataFrame:
        """``day, outcome, value, low, high``; empty where nothing is given."""

    @property
    def symptom_note(self) -> str:
        """What the symptom effect is worth, or why it is not given."""


class ShadedDays(Protocol):
    """Days on which two drugs meet that have a caution."""

    @property
    def first_day(self) -> int:
        """From 1."""

    @property
    def last_day(self) -> int:
        """From 1."""

    @property
    def severity(self) -> Severity:
        """The worst of the cautions."""


class RegimenFrames(Protocol):
    """A whole regimen's course as frames; ``low`` and ``high`` are the 90 % band, null without ensemble."""

    @property
    def steps(self) -> Sequence[RegimenStep]:
        """The regimen, in days."""

    @property
    def weeks(self) -> int:
        """Length of the course."""

    @property
    def overlaps(self) -> Sequence[ShadedDays]:
        """Cautions by day, the most serious first."""

    @property
    def concentration(self) -> pl.DataFrame:
        """``day, drug, compound, value, low, high, unit``."""

    @property
    def occupancy(self) -> pl.DataFrame:
        """``day, drug, target, value, low, high``."""


def _words(name: str) -> str:
    return name.replace("_", " ")


def plot_concentration(course: CourseFrames) -> alt.LayerChart:
    """Draw plasma concentrations over the therapeutic reference range, with the 90 % band where there is one."""
    drug = kinetics(course.drug)
    frame = course.concentration.with_columns(day=pl.col("time_hours") / 24)
    title = f"{drug.name} in plasma ({drug.concentration_unit})"
    usual = therapeutic_ranges().get(drug.name)
    shaded = []
    if usual is not None and (usual.basis == "parent" or drug.metabolite is not None):
        if usual.basis == "sum":
            total = (
                frame.group_by("day", maintain_order=True)
                .agg(pl.col("value").sum())
                .with_columns(
                    compound=pl.lit(usual.analyte), low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64)
                )
            )
            frame = pl.concat([frame, total.select("compound", "day", "value", "low", "high")], how="diagonal")
        reference = pl.DataFrame({"low": [usual.low], "high": [usual.high]})
        shaded = [alt.Chart(reference).mark_rect(color=_RANGE_COLOUR).encode(y=alt.Y("low:Q"), y2="high:Q")]
        title += f"; shaded: reference range of {usual.analyte}"
    return _layers(*shaded, *_lines(frame, "compound", drug.concentration_unit)).properties(
        width=_WIDTH, height=_HEIGHT, title=title
    )


def plot_occupancy(course: CourseFrames) -> alt.LayerChart:
    """Draw the occupancy of the targets that are held most; those that are hardly occupied are left out.

    The target of the shaded range is drawn whatever its place.
    """
    frame = course.occupancy.with_columns(day=pl.col("time_hours") / 24)
    peaks = frame.group_by("target").agg(pl.col("value").max()).sort("value", "target", descending=True)
    touched = peaks.filter(pl.col("value") >= _SMALLEST_OCCUPANCY)["target"].to_list()
    low, high, meaning = _D2_RANGE if "D2" in touched else _SERT_RANGE
    first = [name for name in ("D2", "SERT") if name in touched][:1]
    drawn = [*first, *(name for name in touched if name not in first)][:_MOST_TARGETS]
    left_out = f"; {len(touched) - len(drawn)} more are held" if len(touched) > len(drawn) else ""
    shown = frame.filter(pl.col("target").is_in(drawn))
    band = alt.Chart(pl.DataFrame({"low": [low], "high": [high]})).mark_rect(color=_RANGE_COLOUR)
    band = band.encode(y="low:Q", y2="high:Q")
    return _layers(band, *_lines(shown, "target", "occupancy", (0.0, 1.0))).properties(
        width=_WIDTH, height=_HEIGHT, title=f"Occupancy; shaded: {meaning}{left_out}"
    )


def plot_regions(course: CourseFrames, transmitter: Neurotransmitter | str = Neurotransmitter.SEROTONIN) -> alt.Chart:
    """Draw a region x time heat map of one transmitter."""
    name = as_transmitter(transmitter)
    frame = course.transmitters.filter(pl.col("transmitter") == name.value).with_columns(
        region=pl.col("region").str.replace_all("_", " ")
    )
    highest = max([2.0, *frame["level"]])
    return cast(
        alt.Chart,
        alt.Chart(frame.select("day", "region", "level"))
        .mark_rect()
        .encode(
            x=alt.X("day:O", axis=alt.Axis(title="day", values=list(range(7, course.weeks * 7 + 1, 7)), labelAngle=0)),
            y=alt.Y("region:N", title=None, sort="-color"),
            color=alt.Color(
                "level:Q",
                title="times baseline",
                scale=alt.Scale(scheme="blueorange", domain=[0.0, 1.0, highest]),
            ),
        )
        .properties(width=_WIDTH, height=18 * frame["region"].n_unique(), title=f"{name.value}, relative to baseline"),
    )


def plot_symptom_effect(course: CourseFrames) -> alt.LayerChart:
    """Draw the symptom effect with what it is worth underneath the title."""
    depression = "depression" in course.symptom_effect["outcome"]
    label = "standardised mean difference" if depression else "position in range; change of prolactin"
    return _layers(*_lines(course.symptom_effect, "outcome", label)).properties(
        width=_WIDTH,
        height=_HEIGHT,
        title=alt.TitleParams("Symptom effect", subtitle=course.symptom_note),
    )


def plot_course(course: CourseFrames) -> alt.VConcatChart:
    """Draw one regimen: concentration, occupancy, serotonin by region and symptom effect where they are given."""
    parts: list[alt.Chart | alt.LayerChart] = [plot_concentration(course)]
    if not course.occupancy.is_empty():
        parts += [plot_occupancy(course), plot_regions(course, _most_moved(course))]
    if not course.symptom_effect.is_empty():
        parts.append(plot_symptom_effect(course))
    return _stack(parts)


def _most_moved(course: CourseFrames) -> str:
    """Return the transmitter whose level is furthest from baseline somewhere; serotonin where none moves."""
    moved = course.transmitters.group_by("transmitter", maintain_order=True).agg((pl.col("level") - 1.0).abs().max())
    if moved.is_empty() or (moved["level"].max() or 0.0) == 0.0:
        return Neurotransmitter.SEROTONIN.value
    return str(moved.sort("level", descending=True, maintain_order=True)["transmitter"][0])


def plot_comparison(courses: Mapping[str, CourseFrames]) -> alt.VConcatChart:
    """Draw several regimens over one another: their drug in plasma and the target they occupy most."""
    plasma, occupancies = [], []
    for name, course in courses.items():
        label = pl.lit(name).alias("regimen")
        day = (pl.col("time_hours") / 24).alias("day")
        plasma.append(course.concentration.filter(pl.col("compound") == course.drug).with_columns(label, day))
        if not course.occupancy.is_empty():
            main = course.occupancy.group_by("target").agg(pl.col("value").mean()).sort("value")["target"][-1]
            occupancies.append(
                course.occupancy.filter(pl.col("target") == main).with_columns(
                    pl.lit(f"{name}: {main}").alias("regimen"), day
                )
            )
    units = sorted({kinetics(course.drug).concentration_unit for course in courses.values()})
    unit_label = f"in plasma ({' or '.join(units)})"
    charts = [_layers(*_lines(pl.concat(plasma), "regimen", unit_label)).properties(width=_WIDTH, height=_HEIGHT)]
    if occupancies:
        charts.append(
            _layers(*_lines(pl.concat(occupancies), "regimen", "occupancy", (0.0, 1.0))).properties(
                width=_WIDTH, height=_HEIGHT
            )
        )
    return _stack(charts)


def plot_regimen(course: RegimenFrames, today: int | None = None) -> alt.VConcatChart:
    """Draw doses, the level of each drug, and the targets that are held most, below one another.

    Days with a severe caution are shaded in red, with another one in amber; a grey band is the reference range. Solid
    lines of occupancy are all drugs together, dashed ones what a drug would hold alone. ``today`` is the day on which
    the past ends; a line marks it.
    """
    days = course.weeks * 7
    parts: list[alt.Chart | alt.LayerChart] = [_doses(course, days, today)]
    parts += [_level_panel(course, drug, days) for drug in course.concentration["drug"].unique(maintain_order=True)]
    parts += [_target_panel(course, target, days) for target in _main_targets(course.occupancy)]
    return _stack(parts)


def _shading(course: RegimenFrames) -> list[alt.Chart]:
    """Return one shaded band for each overlap with a caution, the severe ones on top."""
    if not course.overlaps:
        return []
    bands = [
        {
            "from": overlap.first_day - 1,
            "until": overlap.last_day,
            "care": "contraindicated or major" if overlap.severity in _SEVERE else "other caution",
        }
        for overlap in reversed(course.overlaps)
    ]
    colour = alt.Color(
        "care:N",
        title="days with",
        scale=alt.Scale(domain=["contraindicated or major", "other caution"], range=["#d7301f", "#fdbb84"]),
    )
    chart = alt.Chart(alt.InlineData(values=bands)).mark_rect(opacity=0.18)
    return [chart.encode(x=alt.X("from:Q"), x2="until:Q", color=colour)]


def _doses(course: RegimenFrames, days: int, today: int | None) -> alt.LayerChart:
    """Return a bar for each step with its dose."""
    bars = [
        {"drug": step.drug, "from": step.start_day, "until": min(step.stop_day, days), "dose": _dose_words(step, days)}
        for step in course.steps
    ]
    x = alt.X("from:Q", title="day", scale=alt.Scale(domain=[0, days], nice=False))
    base = alt.Chart(alt.InlineData(values=bars)).encode(y=alt.Y("drug:N", title=None))
    bar = base.mark_bar(opacity=0.55, color="#56b4e9", stroke="#ffffff", height=18).encode(x=x, x2="until:Q")
    text = base.mark_text(align="left", dx=4, fontSize=10).encode(x=x, text="dose:N")
    height = 28 * len({step.drug for step in course.steps})
    mark = [] if today is None else [alt.Chart(alt.InlineData(values=[{"from": today}])).mark_rule().encode(x=x)]
    ending = "" if today is None else f"; the line, day {today}, is today"
    return _layers(*_shading(course), bar, text, *mark).properties(
        width=_WIDTH, height=height, title=f"Doses (daily where no rhythm is named){ending}"
    )


def _dose_words(step: RegimenStep, days: int) -> str:
    if min(step.stop_day, days) - step.start_day < _NARROWEST_BAR * days:
        return ""
    if step.dose_mg is None:
        return "taken"
    rhythm = {24.0: "", 12.0: " twice daily", 8.0: " three times daily"}.get(step.interval_hours)
    return f"{step.dose_mg:g} mg{rhythm if rhythm is not None else f' every {step.interval_hours / 24:g} days'}"


def _level_panel(course: RegimenFrames, drug: str, days: int) -> alt.LayerChart:
    frame = course.concentration.filter(pl.col("drug") == drug)
    unit, usual = frame["unit"][0], therapeutic_ranges().get(drug)
    shaded, title = [], f"{drug} in plasma ({unit}), daily mean"
    if usual is not None and usual.unit == unit and usual.basis == "parent":
        reference = alt.Chart(alt.InlineData(values=[{"low": usual.low, "high": usual.high}]))
        shaded = [reference.mark_rect(color=_RANGE_COLOUR).encode(y="low:Q", y2="high:Q")]
        title += "; grey: reference range"
    lines = _lines(frame, "compound", unit, days=days)
    return _layers(*shaded, *lines).properties(width=_WIDTH, height=110, title=title)


def _main_targets(occupancy: pl.DataFrame) -> list[str]:
    peaks = occupancy.filter(pl.col("drug") == "all").group_by("target").agg(pl.col("value").max())
    main = peaks.filter(pl.col("value") >= _SMALLEST_OCCUPANCY).sort("value", "target", descending=True)
    return [str(target) for target in main["target"][:_MAIN_TARGETS]]


def _target_panel(course: RegimenFrames, target: str, days: int) -> alt.LayerChart:
    frame = course.occupancy.filter(pl.col("target") == target)
    together = frame.filter(pl.col("drug") == "all").with_columns(pl.lit("all together").alias("held by"))
    alone = frame.filter(pl.col("drug") != "all").with_columns((pl.col("drug") + pl.lit(" alone")).alias("held by"))
    solid = _lines(together, "held by", "occupancy", (0.0, 1.0), days)
    dashed = _lines(alone, "held by", "occupancy", (0.0, 1.0), days)[-1].mark_line(strokeDash=[4, 3])
    return _layers(*solid, dashed).properties(width=_WIDTH, height=110, title=f"Occupancy of {target}")


def plot_graph(
    transmitter: Neurotransmitter | str, deviations: Mapping[BrainRegion, float] | None = None
) -> alt.LayerChart:
    """Draw the projections of one transmitter, and deviations from baseline where given."""
    name = as_transmitter(transmitter)
    weights = projection_weights(name)
    edges = [
        {
            "x": _PLACES[source][0],
            "y": _PLACES[source][1],
            "x2": _PLACES[target][0],
            "y2": _PLACES[target][1],
            "weight": float(weights[i, j]),
        }
        for j, source in enumerate(LEAVES)
        for i, target in enumerate(LEAVES)
        if weights[i, j] > 0
    ]
    values = {region.value: value for region, value in (deviations or {}).items()}
    nodes = [
        {"x": x, "y": y, "region": _words(leaf), "deviation": values.get(leaf)} for leaf, (x, y) in _PLACES.items()
    ]
    x, y = (alt.X("x:Q", axis=None), alt.Y("y:Q", axis=None))
    limit = max((abs(value) for value in values.values()), default=0.0) or 1.0
    lines = (
        alt.Chart(alt.InlineData(values=edges))
        .mark_rule(color="#9a9a9a")
        .encode(
            x=x,
            y=y,
            x2="x2:Q",
            y2="y2:Q",
            opacity=alt.Opacity("weight:Q", scale=alt.Scale(range=[0.25, 1]), legend=None),
            size=alt.value(1.5),
        )
    )
    points = alt.Chart(alt.InlineData(values=nodes)).encode(x=x, y=y)
    # Regions without a value of their own stay grey.
    rings = points.mark_circle(size=220, stroke="#3a3a3a", strokeWidth=0.8, opacity=1, color="#e8e8e8")
    layers = [lines, rings]
    if values:
        colour = alt.Scale(scheme="blueorange", domain=[-limit, limit])
        layers.append(
            points.transform_filter("isValid(datum.deviation)")
            .mark_circle(size=200, opacity=1)
            .encode(color=alt.Color("deviation:Q", title="deviation", scale=colour))
        )
    labels = points.mark_text(dy=-14, fontSize=10).encode(text="region:N")
    return _layers(*layers, labels).properties(
        width=720, height=480, title=f"Projections of {name.value}; darker lines are denser"
    )


def _layers(*charts: alt.Chart) -> alt.LayerChart:
    # The stubs let every layer be a facet too; charts without facets layer to one chart.
    return cast(alt.LayerChart, alt.layer(*charts))


def _stack(charts: Sequence[alt.Chart | alt.LayerChart]) -> alt.VConcatChart:
    return cast(
        alt.VConcatChart,
        alt.vconcat(*charts).resolve_scale(color="independent").configure_view(stroke=None),
    )


def _lines(
    frame: pl.DataFrame, label: str, title: str, domain: Sequence[float] | None = None, days: int | None = None
) -> list[alt.Chart]:
    """Return lines by ``label`` over days, under them their bands if the frame has any."""
    scale = alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=True)
    colour = alt.Color(f"{label}:N", title=None, scale=alt.Scale(range=list(_PALETTE)))
    base = alt.Chart(frame.select("day", label, "value", "low", "high")).encode(
        x=alt.X("day:Q", title="day", scale=alt.Scale(domain=[0, days], nice=False) if days else alt.Scale(nice=False))
    )
    parts = []
    if frame["low"].is_not_null().any():
        parts.append(
            base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=title, scale=scale), y2="high:Q", color=colour)
        )
    parts.append(base.mark_line(strokeWidth=1.5).encode(y=alt.Y("value:Q", title=title, scale=scale), color=colour))
    return parts
