"""Insights and what-ifs as people use them, with their pictures and their JSON."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novamind.summary import Summarised, Summary, counted
from novamind.twin.domain import Findings
from novamind.twin.treatment import SimulatedRegimen, SimulatedTreatment

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True, repr=False)
class Insights(Summarised, Findings):
    """Everything at one time: results, what is missing, recommendations, and how earlier forecasts did."""

    def to_dict(self) -> dict[str, Any]:
        """Return the insights in plain JSON types."""
        from novamind.twin.codec import InsightsBody

        return InsightsBody.of(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        lacking = f"; without {', '.join(self.missing)}" if self.missing else ""
        rows = [
            (recommendation.priority.words, recommendation.topic, recommendation.text, recommendation.reliability)
            for recommendation in self.recommendations
        ]
        text = f"{counted(len(rows), 'recommendation')} of {self.made_on}{lacking}"
        return Summary(text, ("when", "topic", "recommendation", "reliability"), rows)


@dataclass(frozen=True, repr=False)
class WhatIf(Summarised, SimulatedTreatment):
    """One drug at one dose in this patient."""

    def plot(self) -> "alt.LayerChart | alt.FacetChart":
        """Draw the plasma level of this patient beside the reference."""
        from novamind.twin.plots import level_chart

        return level_chart(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the what-if in plain JSON types."""
        from novamind.twin.codec import WhatIfBody

        return WhatIfBody.of(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        rows: list[tuple[object, ...]] = [("plasma level", self.level.value, self.level.low, self.level.high)]
        rows += [(f"{target} occupancy", span.value, span.low, span.high) for target, span in self.occupancy.items()]
        rows += [(outcome, span.value, span.low, span.high) for outcome, span in self.symptom_effects.items()]
        text = f"{self.drug}, {self.dose_mg:g} mg every {self.interval_hours:g} h for {counted(self.weeks, 'week')}: "
        return Summary(text + self.review.verdict, ("figure", "value", "low", "high"), rows)


@dataclass(frozen=True, repr=False)
class RegimenWhatIf(Summarised, SimulatedRegimen):
    """What this patient takes, with other steps from today on."""

    def plot(self) -> "alt.VConcatChart":
        """Draw doses, levels and occupancies over time, with days of cautions shaded."""
        from novamind.neurochemistry.plots import plot_regimen

        return plot_regimen(self.simulation, self.today)

    def to_dict(self) -> dict[str, Any]:
        """Return the regimen in plain JSON types."""
        from novamind.twin.codec import RegimenWhatIfBody

        return RegimenWhatIfBody.of(self).model_dump(mode="json")

    def _summary(self) -> Summary:
        rows: list[tuple[object, ...]] = [
            (
                step.words,
                f"day {step.start_day - self.today:g}",
                "" if step.stop is None else step.stop_day - self.today,
            )
            for step in self.simulation.steps
        ]
        text = f"{counted(len(rows), 'step')}, {counted(len(self.simulation.overlaps), 'caution')} by day"
        return Summary(text, ("step", "from (0 is today)", "until"), rows)
