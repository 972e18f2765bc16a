"""What the ensemble needs of a member."""

from typing import Protocol

from novamind.symptoms.features import Summary
from novamind.symptoms.preprocessing import Array


class Forecaster(Protocol):
    """Anything that turns a batch of summarised histories into quantiles."""

    @property
    def name(self) -> str:
        """What people read, e.g. ``boosted trees``."""
        ...

    def quantiles(self, summary: Summary, horizon: int) -> Array:
        """Quantiles at ``LEVELS`` on the unit scale, ``(series, horizon, 21)``, non-decreasing, in 0..1."""
        ...
