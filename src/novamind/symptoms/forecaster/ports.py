"""What the ensemble needs of a member."""

from collections.abc import Sequence
from typing import Protocol

from novamind.symptoms.forecaster.origins import Origins
from novamind.symptoms.forecaster.preprocessing import Array


class Forecaster(Protocol):
    """Anything that forecasts a batch of records."""

    @property
    def name(self) -> str:
        """What people read, e.g. ``boosted trees``."""
        ...

    def quantiles(self, origins: Origins, horizons: Sequence[int]) -> tuple[Array, ...]:
        """Return quantiles at ``LEVELS`` on the unit scale, non-decreasing, within 0..1.

        One array an origin, ``(rows of that origin, its horizon, 21)``.
        """
        ...
