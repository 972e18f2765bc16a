"""What the service needs of a detector."""

from typing import Protocol

from novamind.biometrics.domain import Floats, PairInputs


class LinkDetector(Protocol):
    """Anything that says how likely each pair of a person is directly linked."""

    @property
    def version(self) -> str:
        """Name and digest of what decides."""
        ...

    def log_odds(self, pairs: PairInputs) -> Floats:
        """``(pairs,)``: calibrated log odds of a direct link."""
        ...
