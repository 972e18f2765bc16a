"""How long tests wait for what must happen: one factor for all of them, so that a busy machine fails none."""

import os

#: ``NOVAMIND_TEST_PATIENCE`` scales every wait and pytest's limit for a test. A wait costs its time only where it ends
#: in a failure, so the factor is generous by itself.
PATIENCE = float(os.environ.get("NOVAMIND_TEST_PATIENCE", "5"))


def patient(seconds: float) -> float:
    """Return how long to wait for something that takes ``seconds`` at most on a quiet machine; 1 s at the least."""
    return max(1.0, seconds) * PATIENCE
