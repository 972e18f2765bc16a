"""What the service needs of a detector."""

from typing import Protocol

from novamind.biometrics.domain import Floats, PairInputs


class LinkDetector(Protocol):
    """The estimator of how likely each pair of a person is directly linked."""

    @property
    def version(self) -> str:
        """Name and digest of what decides."""
        ...

    def log_odds(self, pairs: PairInputs) -> Floats:
        """Return calibrated log odds of a direct link, ``(pairs,)``."""
        ...
