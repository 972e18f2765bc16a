"""The days from which a record is forecast: its last one, and earlier ones, to see who was right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novamind.symptoms.forecaster.features import Summary, summarise
from novamind.symptoms.forecaster.preprocessing import Histories


@dataclass(frozen=True)
class Origins:
    """One batch of records seen from several days.

    Attributes
    ----------
    histories
        The records up to their last day.
    back
        How many days before the last day each origin lies, 0 for the last day itself.
    rows
        For each origin the series that are forecast from it.
    summaries
        For each origin the summary of those series, of days up to that origin only.
    """

    histories: Histories
    back: tuple[int, ...]
    rows: tuple[NDArray[np.int64], ...]
    summaries: tuple[Summary, ...]

    @classmethod
    def present(cls, histories: Histories) -> "Origins":
        """Return the last day only, of every series; each needs at least one report."""
        return cls(histories, (0,), (np.arange(len(histories)),), (summarise(histories),))

    def and_earlier(self, back: Sequence[int], reports: int, outcome_days: int) -> "Origins":
        """Add origins ``back`` days earlier.

        A series counts there if it had at least ``reports`` reports by then, and any in the ``outcome_days`` after.
        """
        origins = [(0, self.rows[0], self.summaries[0])]
        values = self.histories.values
        seen = np.isfinite(values)
        for days in back:
            if days >= values.shape[1]:
                break
            eligible = (seen[:, :-days].sum(1) >= reports) & seen[:, -days:][:, :outcome_days].any(1)
            rows = np.flatnonzero(eligible)
            if len(rows):
                origins.append((days, rows, summarise(self.histories.before(days).rows(rows))))
        days_back, rows_of, summaries = zip(*origins, strict=True)
        return Origins(self.histories, days_back, rows_of, summaries)
