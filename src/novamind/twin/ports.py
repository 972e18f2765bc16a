"""What the twin needs from outside: the four services, a place for results, a memory of earlier insights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from novamind.twin.case import Case
    from novamind.twin.domain import Options, Snapshot


class Analysis(Protocol):
    """One service as the twin runs it."""

    @property
    def name(self) -> str:
        """What people read."""
        ...

    @property
    def version(self) -> str:
        """Identifies model and tables; another version never answers from an earlier result."""
        ...

    def lacking(self, case: "Case", options: "Options") -> str | None:
        """What the record lacks for this analysis; ``None`` where it can run."""
        ...

    def inputs(self, case: "Case", options: "Options") -> tuple[object, ...]:
        """Everything that the result depends on; equal inputs give an equal result."""
        ...

    async def run(self, case: "Case", options: "Options") -> Any:
        """Compute the result; runs in a thread of its own."""
        ...


class BiometricCorrelations(Protocol):
    """What the biometrics room serves."""

    @property
    def version(self) -> str:
        """Identifies what decides."""
        ...

    async def analyze_correlations(self, patient_data: Mapping[str, Any], biometric_data: Any = None) -> Any:
        """Links between signals and symptoms (:class:`novamind.biometrics.Correlations`)."""
        ...


class ResultStore(Protocol):
    """Where results wait to be used again. A store outside this process must keep them encrypted."""

    def get(self, key: str) -> Any | None:
        """The result, or ``None``."""
        ...

    def put(self, key: str, value: Any) -> None:
        """Keep a result."""
        ...


class InsightHistory(Protocol):
    """Earlier insights, where nobody hands them over with the question."""

    def earlier(self, patient_id: str) -> tuple["Snapshot", ...]:
        """Snapshots of a patient, oldest first."""
        ...

    def keep(self, snapshot: "Snapshot") -> None:
        """Remember one."""
        ...
