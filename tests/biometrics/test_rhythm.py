"""What is taken out of both sides before a lead is looked for: an illness that nobody logged."""

from dataclasses import replace

import numpy as np
import pytest

from novamind.biometrics.domain import PersonSeries
from novamind.biometrics.rhythm import hourly_groups, prepare
from tests.biometrics.conftest import MONDAY, inertia

SIGNALS = ("hrv", "heart_rate", "steps", "skin_temp", "resp_rate")
DAYS, BEGIN, END = 60, 24 * 30, 24 * 34
ALL = np.arange(len(SIGNALS))


def ill() -> PersonSeries:
    """Five vital signs, and four days on which they move by 2 SD as they do in an infection."""
    rng = np.random.default_rng(11)
    level = np.column_stack([inertia(rng, 24 * DAYS, 5.0) for _ in SIGNALS])
    level[BEGIN:END] += 2.0 * np.array([-1, 1, -1, 1, 1])
    at = np.arange(24 * DAYS - 1, step=8) + 0.5
    return PersonSeries(
        signals=SIGNALS, symptoms=("mood",), start=MONDAY.astype("datetime64[h]"), hourly=level,
        offset=np.zeros(len(SIGNALS)), report_hours=at, reports=rng.integers(0, 5, (len(at), 1)).astype(float),
    )  # fmt: skip


def test_an_illness_that_nobody_logged_is_taken_out_of_both_sides() -> None:
    person = ill()
    prepared = prepare(person, ALL)
    days = prepared.illness.reshape(DAYS, 24).mean(1) > 0.5
    assert set(range(30, 34)) <= set(np.flatnonzero(days))
    assert days.sum() <= 8
    assert "illness" in prepared.design_names
    assert abs(np.nanmean(prepared.signals[BEGIN:END], axis=0)).max() < 0.6
    # Nobody said that it was one, so it is not called one.
    groups = hourly_groups(person, prepared)
    assert "possible illness" in groups
    assert "illness" not in groups


@pytest.mark.parametrize("logged", [np.zeros(24 * DAYS), (np.arange(24 * DAYS) // 24 == 3).astype(float)])
def test_where_a_log_is_kept_it_is_believed(logged: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    person = replace(ill(), confounders={"illness": logged})
    prepared = prepare(person, ALL)
    assert np.array_equal(prepared.illness, logged)
    assert "possible illness" not in hourly_groups(person, prepared)
