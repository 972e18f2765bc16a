"""A population of twins: columns of arrays, one twin when asked for one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from novamind.errors import NotFoundError
from novamind.populations.domain import DigitalTwin, PopulationFilter, TwinType
from novamind.populations.filters import matching, resolve
from novamind.populations.table import Column, Table
from novamind.summary import Summarised, Summary, clipped, counted

_INDEX_BITS = 40
_INDEX_MASK = (1 << _INDEX_BITS) - 1


@dataclass(frozen=True, repr=False)
class TwinPopulation(Summarised):
    """Twins drawn from one model.

    Parameters
    ----------
    features
        Feature table, shape (twins, features).
    target
        The outcome's column.
    baseline_behavior
        Drawn outcome without any intervention (mean and residual noise), shape (twins,).
    expected_outcome, outcome_low, outcome_high
        Its mean and 95 % interval, shape (twins,).
    """

    population_id: UUID
    model_id: UUID | None
    twin_type: TwinType
    brand: str
    target: Column
    features: Table
    baseline_behavior: NDArray[np.float64]
    expected_outcome: NDArray[np.float64]
    outcome_low: NDArray[np.float64]
    outcome_high: NDArray[np.float64]
    filters: Mapping[str, Any]
    seed: int
    created_at: datetime
    name: str = ""
    first_index: int = 0

    def __len__(self) -> int:
        return len(self.features)

    def _summary(self) -> Summary:
        text = (
            f"{counted(len(self), 'synthetic twin')} ({self.twin_type}) of {clipped(self.brand)}, "
            f"{counted(len(self.features.columns), 'feature')}, outcome {clipped(self.target.name)}, seed {self.seed}"
        )
        outcomes = (("drawn outcome", self.baseline_behavior), ("expected outcome", self.expected_outcome))
        quartiles = ((name, *np.quantile(values, (0.25, 0.5, 0.75)).tolist()) for name, values in outcomes)
        return Summary(text, ("figure", "lower quartile", "median", "upper quartile"), quartiles)

    @property
    def frame(self) -> Any:
        """Features and drawn outcome, as the kind of frame that trained the model."""
        outcome = {self.target.name: self.target.decode(self.baseline_behavior)}
        native = self.features.to_native()
        if self.features.backend == "pandas":
            return native.assign(**outcome)
        return native.with_columns(**{name: _series(values) for name, values in outcome.items()})

    def twin_id(self, index: int) -> UUID:
        """Identify the twin in row ``index``: the population's id with the row in its last 40 bits."""
        return UUID(int=(self.population_id.int & ~_INDEX_MASK) | (self.first_index + index))

    def index(self, twin_id: UUID) -> int:
        """Return the row of a twin.

        Raises
        ------
        NotFoundError
            If it is none of this population.
        """
        row = (twin_id.int & _INDEX_MASK) - self.first_index
        if (twin_id.int ^ self.population_id.int) >> _INDEX_BITS or not 0 <= row < len(self):
            raise NotFoundError("this twin does not belong to the population")
        return row

    def twin(self, index: int) -> DigitalTwin:
        """Return one twin by row; a missing value is ``None``."""
        if not 0 <= index < len(self):
            raise NotFoundError(f"the population has {len(self):,} twins, numbered from 0")
        decoded = {c.name: c.decode(self.features.values[c.name][index : index + 1])[0] for c in self.features.columns}
        row = {name: None if v != v else v.item() if isinstance(v, np.generic) else v for name, v in decoded.items()}
        return DigitalTwin(
            self.twin_id(index),
            row,
            float(self.baseline_behavior[index]),
            float(self.expected_outcome[index]),
            self.model_id,
        )

    def select(self, filters: PopulationFilter | Mapping[str, Any] | None) -> NDArray[np.bool_]:
        """Return the twins (mask) that a filter keeps.

        Raises
        ------
        ValidationError
            If the filter names an unknown column or level.
        InsufficientDataError
            If it keeps no twin; the message says which condition to relax.
        """
        return matching(self.features, resolve(filters, self.features.columns))

    def take(self, rows: NDArray[Any]) -> "TwinPopulation":
        """Keep these rows; twin identifiers are renumbered."""
        return replace(
            self,
            features=self.features.take(rows),
            baseline_behavior=self.baseline_behavior[rows],
            expected_outcome=self.expected_outcome[rows],
            outcome_low=self.outcome_low[rows],
            outcome_high=self.outcome_high[rows],
        )


def _series(values: NDArray[Any]) -> Any:
    import polars as pl

    return pl.Series(values)
