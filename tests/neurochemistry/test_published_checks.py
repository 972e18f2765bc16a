import numpy as np
import pytest

from novamind.neurochemistry.dynamics import ensemble
from novamind.neurochemistry.published_checks import fits_calibration, run_checks

#: Findings that the twin does not reproduce; docs/neurochemistry.md says why.
MISSED = {3, 9, 14, 17}


@pytest.fixture(scope="module")
def results():
    return {result.number: result for result in run_checks()}


def test_thirteen_of_seventeen_findings_are_met_and_the_others_are_known(results):
    assert sorted(results) == list(range(1, 18))
    assert {number for number, result in results.items() if not result.passed} == MISSED


def test_what_is_missed_is_listed_with_a_value_or_a_reason(results):
    for number in MISSED:
        assert results[number].model or results[number].note


def test_every_shipped_set_meets_every_calibration_check(results):
    assert fits_calibration(ensemble()).all()
    for result in results.values():
        if result.role == "calibration" and result.ensemble_share is not None:
            assert result.ensemble_share == 1.0


def test_the_potentiation_was_predicted_not_fitted(results):
    assert results[11].role == "prediction"
    assert results[11].ensemble_share > 0.9


def test_what_follows_from_the_tables_or_was_built_for_a_check_is_no_prediction(results):
    assert results[4].role == "input"
    assert results[10].role == "structure"


def test_values_are_plain_and_finite(results):
    for result in results.values():
        assert all(isinstance(value, float) and np.isfinite(value) for value in result.model.values())
