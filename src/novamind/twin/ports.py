"""Ports of the twin: the four services, a store of results, a memory of earlier insights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from novamind.twin.case import Case
    from novamind.twin.domain import Options, Snapshot


class Analysis(Protocol):
    """One service as the twin runs it."""

    @property
    def name(self) -> str:
        """Return the name that people read."""
        ...

    @property
    def version(self) -> str:
        """Return the version of model and tables; another version never answers from an earlier result."""
        ...

    def lacking(self, case: "Case", options: "Options") -> str | None:
        """Return what the record lacks for this analysis; ``None`` where it can run."""
        ...

    def inputs(self, case: "Case", options: "Options") -> tuple[object, ...]:
        """Return everything that the result depends on; equal inputs give an equal result."""
        ...

    async def run(self, case: "Case", options: "Options") -> Any:
        """Compute and return the result, in a thread of its own."""
        ...


class BiometricCorrelations(Protocol):
    """The service of the biometrics room."""

    @property
    def version(self) -> str:
        """Return the version of the detector."""
        ...

    async def analyze_correlations(self, patient_data: Mapping[str, Any], biometric_data: Any = None) -> Any:
        """Return links between signals and symptoms (:class:`novamind.biometrics.Correlations`)."""
        ...


class ResultStore(Protocol):
    """A store of results to be used again. A store outside this process must keep them encrypted."""

    def get(self, key: str) -> Any | None:
        """Return the result, or ``None``."""
        ...

    def put(self, key: str, value: Any) -> None:
        """Keep a result."""
        ...


class InsightHistory(Protocol):
    """Earlier insights, for callers that do not hand them over with the question."""

    def earlier(self, patient_id: str) -> tuple["Snapshot", ...]:
        """Return the snapshots of a patient, oldest first."""
        ...

    def keep(self, snapshot: "Snapshot") -> None:
        """Remember a snapshot."""
        ...
