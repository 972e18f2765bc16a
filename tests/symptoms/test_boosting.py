"""The boosted trees learn quantiles of what they are shown."""

import numpy as np
import pytest

from novamind.symptoms.forecaster.boosting import BoostedQuantiles, fit_booster
from novamind.symptoms.forecaster.features import FEATURES, Summary, summarise
from novamind.symptoms.forecaster.preprocessing import Histories
from novamind.symptoms.training import PARAMETERS

LAST = list(FEATURES).index("last")


@pytest.fixture(scope="module")
def summary() -> Summary:
    """400 diaries of 60 days."""
    rng = np.random.default_rng(0)
    values = np.clip(0.5 + 0.15 * rng.standard_normal((400, 60)), 0, 1).astype(np.float32)
    return summarise(Histories.untreated(values, np.zeros(400, np.float32), rng.integers(0, 7, 400)))


@pytest.fixture(scope="module")
def trees(summary: Summary) -> BoostedQuantiles:
    """Fitted where the next report is the latest one (in units of spread) and uniform noise around it."""
    rng = np.random.default_rng(1)
    rows = np.concatenate([summary.per_day(np.array([day]))[:, 0] for day in (1, 3, 7, 14, 30)] * 4)
    target = rows[:, LAST] + rng.uniform(-1, 1, len(rows)).astype(np.float32)
    weight = np.ones(len(rows), np.float32)
    return BoostedQuantiles(fit_booster(rows, target, weight, parameters=PARAMETERS, rounds=40, seed=0))


def test_quantiles_are_those_of_the_target(trees: BoostedQuantiles, summary: Summary) -> None:
    z = np.sort(trees.booster.inplace_predict(summary.per_day(np.array([7]))[:, 0]), axis=1)
    typical = np.abs(summary.table[:, LAST]) < 1
    around = np.median(z[typical] - summary.table[typical, LAST, None], axis=0)
    np.testing.assert_allclose(around[[2, 10, 18]], [-0.8, 0, 0.8], atol=0.25)


def test_the_same_seed_grows_the_same_trees(summary: Summary) -> None:
    rows = summary.per_day(np.array([1]))[:, 0]
    data = (rows, rows[:, LAST].copy(), np.ones(len(rows), np.float32))
    a, b, c = (fit_booster(*data, parameters=PARAMETERS, rounds=3, seed=seed).save_raw("json") for seed in (0, 0, 1))
    assert a == b
    assert a != c
