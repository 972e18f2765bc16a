"""What people hold: insights and what-ifs, with their pictures and their JSON."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novamind.twin.domain import Findings
from novamind.twin.treatment import SimulatedTreatment

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Insights(Findings):
    """Everything at one time: results, what is missing, recommendations, and how earlier forecasts did."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        from novamind.twin.codec import InsightsBody

        return InsightsBody.of(self).model_dump(mode="json")


@dataclass(frozen=True)
class WhatIf(SimulatedTreatment):
    """One drug at one dose in this patient."""

    def plot(self) -> "alt.LayerChart | alt.FacetChart":
        """Draw the plasma level of this patient beside the reference."""
        from novamind.twin.plots import level_chart

        return level_chart(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        from novamind.twin.codec import WhatIfBody

        return WhatIfBody.of(self).model_dump(mode="json")
