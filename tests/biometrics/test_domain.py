"""What a link, a profile and a series say of themselves."""

import numpy as np
import pytest

from novamind.biometrics import domain
from novamind.biometrics.domain import LagProfile, PersonSeries
from tests.biometrics.test_monitoring import link


@pytest.mark.parametrize(
    ("detected", "low", "leads"), [(True, 1.0, True), (True, 0.0, False), (True, -1.0, False), (False, 1.0, False)]
)
def test_a_signal_leads_where_no_lag_of_0_is_possible(detected: bool, low: float, leads: bool) -> None:
    assert link(detected=detected, lag_low=low).leads is leads


@pytest.mark.parametrize(
    ("reports", "q", "level"),
    [
        (200, 0.01, "high"),
        (199.9, 0.01, "medium"),
        (200, 0.0101, "medium"),
        (60, 0.1, "medium"),
        (59.9, 0.1, "low"),
        (60, 0.101, "low"),
        (1000, 0.2, "low"),
    ],
)
def test_reliability_of_a_link_by_effective_reports_and_q(reports: float, q: float, level: str) -> None:
    assert link(n_effective=reports, q_value=q).reliability == level


def test_lags_lie_evenly_on_both_sides_of_0() -> None:
    assert LagProfile(np.zeros(7), np.zeros(7)).lags.tolist() == [-3, -2, -1, 0, 1, 2, 3]


def test_a_cell_begins_at_its_local_hour(record: PersonSeries) -> None:
    assert record.at(0) == np.datetime64("2024-01-01T00:00:00")
    assert record.at(25) == np.datetime64("2024-01-02T01:00:00")
    assert record.at(25).dtype == np.dtype("datetime64[us]")
    assert record.hours == 50 * 24


def test_intervals_hold_nine_tenths() -> None:
    assert domain.INTERVAL == 0.9
