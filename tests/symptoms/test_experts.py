"""What the simple experts learn: how far a deviation lasts, and how far reports stray."""

import numpy as np
import pytest

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.experts import EXPERTS, GROUPS, fit_expert
from novamind.symptoms.features import FEATURES, Summary, summarise
from novamind.symptoms.preprocessing import Histories

PERSONS = 1500


@pytest.fixture(scope="module")
def summary() -> Summary:
    """Diaries of 6 to 90 days without any pattern."""
    rng = np.random.default_rng(0)
    values = (0.5 + 0.1 * rng.standard_normal((PERSONS, 90))).astype(np.float32)
    values[np.arange(90) < 90 - rng.integers(6, 91, PERSONS)[:, None]] = np.nan
    return summarise(Histories.untreated(values, np.zeros(PERSONS, np.float32), rng.integers(0, 7, PERSONS)))


def outcome(summary: Summary, deviation: np.ndarray | float, noise: float = 0.5) -> np.ndarray:
    """30 days at ``deviation`` from the person's level in units of their spread, and normal noise around it."""
    rng = np.random.default_rng(1)
    around = deviation + noise * rng.standard_normal((PERSONS, 30))
    return (summary.level[:, None] + summary.spread[:, None] * around).astype(np.float32)


def test_damping_is_the_share_of_a_deviation_that_lasts(summary: Summary) -> None:
    signal = summary.table[:, list(FEATURES).index("mean_7_days")][:, None]
    lasting = np.where(np.arange(30) < 7, 0.6, 0.2)
    expert = fit_expert("this week", ("mean_7_days",), np.inf, summary, outcome(summary, signal * lasting))
    assert expert.damping.shape == (*GROUPS, 1)
    damping = expert.damping[..., 0]
    # Shrinkage takes some where there is little to learn from: short records stray little from their own level.
    assert damping[:3, 2:].mean() == pytest.approx(0.6, abs=0.1)
    assert damping[3:, 2:].mean() == pytest.approx(0.2, abs=0.1)


def test_the_shape_is_that_of_the_errors(summary: Summary) -> None:
    expert = fit_expert("own mean", (), np.inf, summary, outcome(summary, 0.3, noise=0.8))
    expected = np.quantile(0.3 + 0.8 * np.random.default_rng(2).standard_normal(200_000), LEVELS)
    assert expert.shape.shape == (*GROUPS, 21)
    np.testing.assert_allclose(expert.shape.mean((0, 1)), expected, atol=0.08)


def test_missing_outcomes_teach_nothing(summary: Summary) -> None:
    future = outcome(summary, 0.0)
    gone = np.random.default_rng(3).random(future.shape) < 0.4
    some = fit_expert("own mean", (), np.inf, summary, np.where(gone, np.nan, future))
    whole = fit_expert("own mean", (), np.inf, summary, future)
    np.testing.assert_allclose(some.shape.mean((0, 1)), whole.shape.mean((0, 1)), atol=0.05)
    assert np.isfinite(some.shape).all()


def test_every_expert_reads_known_features() -> None:
    for name, signals, own_reports in EXPERTS:
        assert name
        assert set(signals) <= set(FEATURES)
        assert own_reports > 0
    assert len({name for name, *_ in EXPERTS}) == len(EXPERTS)
