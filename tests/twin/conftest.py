"""The twin's own limit of 15 s stays 15 s on a quiet machine; a busy one gets the patience of all tests."""

from functools import partial

import pytest

from novamind.twin import service
from novamind.twin.execution import Guard
from tests.patience import patient


@pytest.fixture(autouse=True, scope="session")
def patient_guards() -> None:
    service.Guard = partial(Guard, limit_seconds=patient(15))  # type: ignore[misc, assignment]
