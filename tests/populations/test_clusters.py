"""Clusters: unequal sizes by the formulas of analysis of variance, and each limit."""

import numpy as np
import pytest
from scipy import stats

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations import measure_clusters


def test_the_correlation_and_its_interval_for_unequal_clusters() -> None:
    rng = np.random.default_rng(3)
    sizes = np.array([1, 2, 3, 4, 5, 6, 7, 8, 2, 2, 9])
    label = np.repeat(np.arange(11), sizes)
    y = rng.normal(size=11)[label] + rng.normal(size=len(label)) + 5.0
    found = measure_clusters(y, [f"T{c}" for c in label])
    groups = [y[label == c] for c in range(11)]
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (49 - 11)
    between = sum(len(g) * (g.mean() - y.mean()) ** 2 for g in groups) / 10
    typical = (49 - (sizes**2).sum() / 49) / 10
    assert stats.f_oneway(*groups).statistic == pytest.approx(between / within)
    assert found.correlation == pytest.approx((between - within) / (between + (typical - 1) * within))
    ratios = between / within / stats.f.ppf([0.975, 0.025], 10, 38)
    assert (found.low, found.high) == pytest.approx(tuple(np.clip((ratios - 1) / (ratios + typical - 1), 0, 1)))
    assert (found.count, found.mean_size) == (11, pytest.approx(49 / 11))
    assert found.size_cv == pytest.approx(np.std(sizes) / np.mean(sizes))


def test_a_negative_estimate_counts_as_none() -> None:
    y = np.tile([0.0, 1.0], 10)
    found = measure_clusters(y, np.repeat(np.arange(10), 2))
    assert (found.correlation, found.low) == (0.0, 0.0)


def test_what_was_expected_is_taken_off() -> None:
    rng = np.random.default_rng(4)
    y, expected, label = rng.normal(size=40), rng.normal(size=40), np.repeat(np.arange(10), 4)
    assert measure_clusters(y + expected, label, expected) == measure_clusters(y + expected - expected, label)
    assert measure_clusters(y, label, expected) == measure_clusters(y - expected, label)


@pytest.mark.parametrize("missing", ["None", "nan", "NaT", "<NA>", None, float("nan")])
def test_a_unit_without_a_cluster_is_refused(missing: str | float | None) -> None:
    with pytest.raises(ValidationError, match="missing for some units"):
        measure_clusters(np.arange(24.0), [missing, *np.repeat(np.arange(12), 2)[1:].tolist()])


def test_ten_clusters_with_one_pair_are_enough() -> None:
    y = np.arange(11.0) ** 1.5
    assert measure_clusters(y, [*range(10), 9]).count == 10
    for label in ([*range(9), 8, 8], list(range(11))):
        with pytest.raises(InsufficientDataError, match="at least 10 clusters, some of them of two or more"):
            measure_clusters(y, label)
    for label in (np.zeros((11, 1)), [[c] for c in range(11)]):
        with pytest.raises(ValidationError, match="one outcome, one cluster"):
            measure_clusters(y[:, None], label)
    with pytest.raises(InsufficientDataError, match="does not vary within"):
        measure_clusters(np.ones(20), np.repeat(np.arange(10), 2))


@pytest.mark.parametrize(("share", "fits"), [(0.7e-12, False), (1.4e-12, True)])
def test_a_millionth_of_a_millionth_of_the_variance_within_is_nothing(share: float, fits: bool) -> None:
    y = np.repeat(np.arange(10.0), 2)
    y[0] += np.sqrt(share * y.var() * 20)  # a difference d within one of ten pairs: d^2 / 2 / 10
    if fits:
        assert measure_clusters(y, np.repeat(np.arange(10), 2)).correlation > 0.999
    else:
        with pytest.raises(InsufficientDataError, match="does not vary within"):
            measure_clusters(y, np.repeat(np.arange(10), 2))
