"""Several measurements of one person at the same moments, in order of time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal, Self, TypedDict
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike, NDArray

from novamind.errors import InsufficientDataError, ValidationError
from novamind.timeline.clock import parse_instant
from novamind.timeline.identifiers import Identifier, parse_identifier

Floats = NDArray[np.float64]
Missing = Literal["refuse", "keep"]


class FeatureStatistics(TypedDict):
    """What one feature looks like over the values that are there.

    ``std`` is the population standard deviation (divisor ``n``), exactly 0 for a constant. All but ``n`` are
    ``None`` where every value is missing.
    """

    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    n: int


class PaddedSequence(TypedDict):
    """A sequence brought to a fixed length.

    ``values`` (max_length, features), 0 where padded or missing; ``mask`` (max_length,), true on real steps;
    ``observed`` (max_length, features), true on values that were measured; ``seq_len``, how many steps are
    real.
    """

    values: Floats
    mask: NDArray[np.bool_]
    observed: NDArray[np.bool_]
    seq_len: int


@dataclass(frozen=True, eq=False)
class TemporalSequence:
    """Values of several features at strictly increasing moments.

    Parameters
    ----------
    sequence_id
        UUID or text.
    feature_names
        One distinct name per column of ``values``.
    timestamps
        Timezone-aware moments (``datetime`` or ISO 8601 text), strictly increasing; local time is kept.
    values
        Shape (steps, features); copied and made read-only.
    patient_id
        Whose values they are; ``None`` where that does not matter.
    metadata
        Further facts; copied.
    missing
        ``"refuse"`` a ``NaN``, or ``"keep"`` it as a value that was not measured. Infinite values are always
        refused.

    Raises
    ------
    ValidationError
        Where one of these rules is broken; the message names the step (first = 1) and the feature.
    InsufficientDataError
        Without a single step or feature.
    """

    sequence_id: Identifier
    feature_names: tuple[str, ...]
    timestamps: tuple[datetime, ...]
    values: Floats
    patient_id: Identifier | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    missing: Missing = "refuse"

    def __init__(
        self,
        sequence_id: Identifier,
        feature_names: Sequence[str],
        timestamps: Sequence[datetime | str],
        values: ArrayLike,
        patient_id: Identifier | None = None,
        metadata: Mapping[str, Any] | None = None,
        missing: Missing = "refuse",
    ) -> None:
        if missing not in ("refuse", "keep"):
            raise ValidationError("missing must be 'refuse' or 'keep'")
        names = _checked_names(feature_names)
        moments = tuple(parse_instant(moment, f"timestamp {step}") for step, moment in enumerate(timestamps, 1))
        checked = {
            "sequence_id": parse_identifier(sequence_id, "sequence_id"),
            "feature_names": names,
            "timestamps": _checked_order(moments),
            "values": _checked_values(values, len(moments), names, missing),
            "patient_id": None if patient_id is None else parse_identifier(patient_id, "patient_id"),
            "metadata": dict(metadata or {}),
            "missing": missing,
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def create(
        cls,
        feature_names: Sequence[str],
        timestamps: Sequence[datetime | str],
        values: ArrayLike,
        patient_id: Identifier | None = None,
        metadata: Mapping[str, Any] | None = None,
        missing: Missing = "refuse",
    ) -> Self:
        """Return a sequence under a new id."""
        return cls(uuid4(), feature_names, timestamps, values, patient_id, metadata, missing)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TemporalSequence):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.sequence_id, self.feature_names, self.sequence_length))

    @property
    def sequence_length(self) -> int:
        """Number of steps."""
        return len(self.timestamps)

    @property
    def feature_dimension(self) -> int:
        """Number of features."""
        return len(self.feature_names)

    def to_numpy_arrays(self) -> tuple[Floats, Floats]:
        """Return pairs for learning one step ahead.

        Returns
        -------
        X, y
            Each (steps - 1, features): all steps but the last, and all steps but the first.
        """
        return self.values[:-1].copy(), self.values[1:].copy()

    def to_padded_tensor(self, max_length: int) -> PaddedSequence:
        """Return the sequence at ``max_length`` steps.

        A longer sequence keeps its last (most recent) steps; a shorter one is padded with zeros at the end.
        """
        if isinstance(max_length, bool) or not isinstance(max_length, int | np.integer) or max_length < 1:
            raise ValidationError("max_length must be a whole number of at least 1")
        recent = self.values[-max_length:]
        observed = np.zeros((max_length, self.feature_dimension), dtype=bool)
        observed[: len(recent)] = ~np.isnan(recent)
        values = np.zeros(observed.shape)
        values[: len(recent)] = np.nan_to_num(recent, nan=0.0)
        return {
            "values": values,
            "mask": np.arange(max_length) < len(recent),
            "observed": observed,
            "seq_len": len(recent),
        }

    def extract_subsequence(self, start_index: int, end_index: int) -> "TemporalSequence":
        """Return steps ``start_index`` (from 0) up to, not including, ``end_index``, under a new id."""
        if not 0 <= start_index < end_index <= self.sequence_length:
            raise ValidationError(
                f"a subsequence needs 0 <= start_index < end_index <= {self.sequence_length}, the length"
            )
        part = slice(start_index, end_index)
        return TemporalSequence.create(
            self.feature_names,
            self.timestamps[part],
            self.values[part],
            self.patient_id,
            self.metadata,
            self.missing,
        )

    def get_feature_statistics(self) -> dict[str, FeatureStatistics]:
        """Return statistics of each feature over the values that are there."""
        return {name: _statistics(column) for name, column in zip(self.feature_names, self.values.T, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, a missing one as ``None``; JSON-ready where the metadata are."""
        return {
            "sequence_id": str(self.sequence_id),
            "patient_id": None if self.patient_id is None else str(self.patient_id),
            "feature_names": list(self.feature_names),
            "timestamps": [moment.isoformat() for moment in self.timestamps],
            "values": [[None if np.isnan(value) else value for value in row] for row in self.values.tolist()],
            "sequence_length": self.sequence_length,
            "feature_dimension": self.feature_dimension,
            "metadata": dict(self.metadata),
            "missing": self.missing,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the sequence that :meth:`to_dict` wrote; each timestamp keeps its offset from UTC."""
        lacking = [name for name in ("sequence_id", "feature_names", "timestamps", "values") if name not in data]
        if lacking:
            raise ValidationError(f"the sequence lacks {', '.join(lacking)}")
        return cls(
            data["sequence_id"],
            data["feature_names"],
            data["timestamps"],
            data["values"],
            data.get("patient_id"),
            data.get("metadata"),
            data.get("missing", "refuse"),
        )


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValidationError("feature_names must be a list of non-empty texts")
    if not names:
        raise InsufficientDataError("a sequence needs at least one feature")
    if len(set(names)) < len(names):
        raise ValidationError("feature_names must be distinct")
    return tuple(names)


def _checked_order(moments: tuple[datetime, ...]) -> tuple[datetime, ...]:
    if not moments:
        raise InsufficientDataError("a sequence needs at least one step")
    # Compared in UTC: datetimes of one timezone compare by the wall clock, which runs back in autumn.
    instants = [moment.astimezone(UTC) for moment in moments]
    for step, (earlier, later) in enumerate(pairwise(instants), 2):
        if later <= earlier:
            raise ValidationError(
                f"timestamp {step} is not later than the one before: sort the steps and give each moment once"
            )
    return moments


def _checked_values(values: ArrayLike, steps: int, names: tuple[str, ...], missing: Missing) -> Floats:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValidationError("values must be numbers, one row per timestamp and one column per feature") from error
    if array.shape != (steps, len(names)):
        raise ValidationError(
            f"values must have the shape (timestamps, features) = ({steps}, {len(names)}), not {array.shape}"
        )
    refused = ~np.isfinite(array) if missing == "refuse" else np.isinf(array)
    if refused.any():
        step, column = np.argwhere(refused)[0]
        hint = "" if missing == "keep" else "; missing='keep' allows NaN"
        raise ValidationError(f"the value of '{names[column]}' at step {step + 1} is not a finite number{hint}")
    array.flags.writeable = False
    return array


def _statistics(column: Floats) -> FeatureStatistics:
    present = column[~np.isnan(column)]
    if not present.size:
        return {"mean": None, "std": None, "min": None, "max": None, "n": 0}
    low, high = float(present.min()), float(present.max())
    if low == high:  # rounding in the mean would leave a constant with a tiny spread
        return {"mean": low, "std": 0.0, "min": low, "max": high, "n": present.size}
    return {
        "mean": float(present.mean()),
        "std": float(present.std()),
        "min": low,
        "max": high,
        "n": present.size,
    }
