"""What the room needs from outside: a place for trained models."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

    from novamind.populations.domain import TwinType
    from novamind.populations.results import TwinModelMetrics


class TrainedModel(Protocol):
    """A trained generator as a repository keeps it."""

    twin_type: "TwinType"
    brand: str
    target: str | None
    declared_rules: tuple[str, ...]
    seed: int
    metrics: "TwinModelMetrics | None"
    trained_at: "datetime | None"

    def to_bytes(self) -> bytes:
        """Write the whole model as one file."""


class ModelRepository(Protocol):
    """Where trained models are kept; `novamind.populations.TwinRepository` is one."""

    def save_model(self, generator: TrainedModel) -> UUID:
        """Store a trained generator and return its id."""


#: Opens the repository of the settings. The room's front door sets it, so that no method knows the database.
open_default_repository: Callable[[], ModelRepository]
