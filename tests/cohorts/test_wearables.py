"""Simulated wearables: seeded, with the truth that they say."""

import numpy as np
import pytest

from novamind.cohorts.wearables import DENSE_WEARABLES, WearableSettings, simulate_wearables, without_links
from novamind.errors import ValidationError


def test_a_person_does_not_depend_on_how_many_are_drawn() -> None:
    whole, part = simulate_wearables(4, seed=3), simulate_wearables(1, seed=3, first=2)
    assert np.array_equal(whole[2].hourly, part[0].hourly, equal_nan=True)
    assert whole[2].pairs == part[0].pairs
    assert not np.array_equal(whole[1].report_hours, part[0].report_hours)


def test_persons_are_what_they_should_be() -> None:
    settings = WearableSettings(days=(28, 60))
    for patient in simulate_wearables(12, seed=1, settings=settings):
        hours = len(patient.hourly)
        assert 28 * 24 <= hours <= 60 * 24
        assert patient.hourly.shape[1] == len(patient.signals) == len(set(patient.signals))
        assert len(patient.pairs) == len(patient.signals) * len(patient.symptoms)
        assert (np.diff(patient.report_hours) > 0).all()
        assert patient.report_hours[-1] < hours
        assert 0 < np.isfinite(patient.hourly).mean() < 1
        assert np.nanmin(patient.reports) >= 0
        for pair in patient.pairs:
            assert (pair.effect != 0) == (pair.kind == "direct")
            assert abs(pair.lag_hours) <= 200


def test_every_kind_of_pair_occurs_and_links_can_be_left_out() -> None:
    kinds = {p.kind for patient in simulate_wearables(25, seed=2) for p in patient.pairs}
    assert kinds == {"direct", "mediated", "common", "external", "null"}
    bare = without_links(WearableSettings())
    assert {p.kind for patient in simulate_wearables(25, seed=2, settings=bare) for p in patient.pairs} <= {
        "external",
        "null",
    }


def test_a_link_can_be_seen_where_the_data_are_dense() -> None:
    """The lagged signal goes with the symptom, in the direction that the truth says."""
    right = []
    for patient in simulate_wearables(15, seed=4, settings=DENSE_WEARABLES):
        for pair in patient.pairs:
            if pair.kind == "direct" and abs(pair.effect) > 0.5 and 0 <= pair.lag_hours < 100:
                cell = np.round(patient.report_hours - pair.lag_hours).astype(int)
                inside = cell >= 0
                x = patient.hourly[cell[inside], pair.signal]
                y = patient.reports[inside, pair.symptom]
                both = np.isfinite(x) & np.isfinite(y)
                right.append(np.corrcoef(x[both], y[both])[0, 1] * pair.effect > 0)
    assert len(right) >= 3
    assert np.mean(right) > 0.7


def test_nobody_is_an_error() -> None:
    with pytest.raises(ValidationError):
        simulate_wearables(0)
