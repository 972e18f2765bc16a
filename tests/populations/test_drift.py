"""The drift test: each likelihood ratio, each limit and what a quiet year spends, against closed forms."""

import numpy as np
import pytest
from scipy import stats

from novamind.errors import InsufficientDataError, ValidationError
from novamind.populations.fidelity import drift
from novamind.populations.fidelity.drift import SequentialDriftTest
from tests.golden import check_golden

#: (shift, scale, weight) of what the errors may have become; typed a second time.
ALTERNATIVES = ((0.0, 1.15, 0.3), (0.0, 1.3, 0.3), (0.0, 2.0, 0.3), (-0.3, 1.0, 0.05), (0.3, 1.0, 0.05))


class Fixed:
    """A generator of random numbers that always gives the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self, size: int) -> np.ndarray:
        return np.full(size, self.value)


def ratios_of(scores: np.ndarray) -> np.ndarray:
    """Likelihood of the scores under each alternative over that of standard normal ones."""
    quiet = stats.norm.logpdf(scores).sum()
    return np.exp([stats.norm.logpdf(scores, shift, scale).sum() - quiet for shift, scale, _ in ALTERNATIVES])


@pytest.mark.parametrize("n", [1, 2, 17])
def test_a_week_multiplies_each_ratio_by_its_likelihood_ratio(n: int) -> None:
    scores = np.random.default_rng(n).normal(0.2, 1.4, n)
    weights = np.array([weight for *_, weight in ALTERNATIVES])
    zero, before = np.zeros(5), np.array([0.1, 2.0, 0.0, 3.0, 0.5])
    first = drift._step(zero, 1, n, scores.sum(), (scores**2).sum())
    np.testing.assert_allclose(first, weights * ratios_of(scores), rtol=1e-12)
    later = drift._step(before, 2, n, scores.sum(), (scores**2).sum())
    np.testing.assert_allclose(later, (before + 0.01 * weights) * ratios_of(scores), rtol=1e-12)
    paths = drift._step(np.stack([zero, before]), 3, n, np.full(2, scores.sum()), np.full(2, (scores**2).sum()))
    np.testing.assert_allclose(paths[1], later, rtol=1e-12)


def test_no_ratio_grows_beyond_what_single_precision_holds() -> None:
    most = drift._step(np.full(5, np.exp(80.0)), 2, 1, np.array(0.0), np.array(1e9))
    assert most[0] == most[2] == np.exp(80.0)
    assert np.isfinite(most.astype(np.float32)).all()


@pytest.mark.parametrize(
    ("week", "share"), [(0, 0.0), (1, np.log(2) / np.log(53)), (26, np.log(27) / np.log(53)), (52, 1.0), (104, 2.0)]
)
def test_false_alarms_may_use_up_alpha_in_the_year_and_faster_at_first(week: int, share: float) -> None:
    assert drift._spent(week) == pytest.approx(share)


def test_the_limits_ring_for_as_many_quiet_paths_as_may() -> None:
    for alpha, counts in ((0.03, (30,)), (0.03, (30, 1, 40)), (0.2, (1, 2))):
        quiet = drift._quiet(alpha, counts)
        assert quiet.rung.sum() == int(alpha * drift._spent(len(counts)) * 20_000)
        assert quiet.ratios.shape == (20_000, 5)


def test_a_quiet_path_has_normal_sums_and_chi_square_squares() -> None:
    # One alternative of larger scale alone tells the sum of squares, one of a shift the sum.
    quiet = drift._quiet(0.03, (8,)).ratios
    shift = (np.log(quiet[:, 4] / 0.05) + 8 * 0.3**2 / 2) / 0.3
    squares = (np.log(quiet[:, 2] / 0.3) + 8 * np.log(2)) / 0.5 / (1 - 1 / 4)
    assert stats.kstest(shift, "norm", (0, np.sqrt(8))).pvalue > 0.001
    assert stats.kstest(squares, "chi2", (8,)).pvalue > 0.001
    alone = drift._quiet(0.03, (1,)).ratios
    total = (np.log(alone[:, 4] / 0.05) + 0.3**2 / 2) / 0.3
    np.testing.assert_allclose((np.log(alone[:, 2] / 0.3) + np.log(2)) / 0.375, total**2, rtol=1e-2, atol=1e-2)


def test_nothing_rings_where_not_one_path_may() -> None:
    quiet = drift._quiet(1e-6, (30,))
    assert quiet.limit == np.inf
    assert not quiet.rung.any()


def test_weeks_without_outcomes_change_nothing() -> None:
    before, empty = drift._quiet(0.03, (30,)), drift._quiet(0.03, (30, 0))
    assert empty.limit == np.inf
    assert np.array_equal(empty.ratios, before.ratios)
    assert np.array_equal(empty.rung, before.rung)
    start = drift._quiet(0.03, ())
    assert start.limit == np.inf
    assert not start.rung.any()
    assert not start.ratios.any()


@pytest.mark.parametrize(("alpha", "low", "high"), [(0.03, 0.024, 0.036), (0.2, 0.18, 0.22)])
def test_fresh_quiet_years_ring_as_often_as_promised(alpha: float, low: float, high: float) -> None:
    rng, n, weeks, paths = np.random.default_rng(77), 20, 52, 6_000
    ratios, rung = np.zeros((paths, 5)), np.zeros(paths, dtype=bool)
    for week in range(1, weeks + 1):
        scores = rng.normal(size=(paths, n))
        ratios = drift._step(ratios, week, n, scores.sum(axis=1), (scores**2).sum(axis=1))
        rung |= ratios.sum(axis=1) >= drift._quiet(alpha, (n,) * week).limit
    assert low < rung.mean() < high
    drift._quiet.cache_clear()


def test_limits_as_they_are() -> None:
    counts = (30, 30, 0, 1, 12, 60)
    limits = [drift._quiet(0.03, counts[: i + 1]).limit for i in range(6)]
    check_golden(__file__, "drift_limits", limits, relative=1e-4)


def started(**options: float) -> SequentialDriftTest:
    return SequentialDriftTest(np.arange(1.0, 51.0), **options)


@pytest.mark.parametrize("alpha", [0.001, 0.5])
def test_fifty_errors_and_an_alpha_at_its_limits_are_enough(alpha: float) -> None:
    assert started(alpha=alpha).alpha == alpha
    assert started().alpha == drift.ALPHA == 0.03
    assert (drift.WEEKS, drift.MIN_REFERENCE) == (52, 50)


@pytest.mark.parametrize("alpha", [0.0009, 0.501, float("nan")])
def test_another_alpha_is_refused(alpha: float) -> None:
    with pytest.raises(ValidationError, match=r"between 0\.001 and 0\.5"):
        started(alpha=alpha)


def test_too_few_or_missing_errors_are_refused() -> None:
    with pytest.raises(InsufficientDataError, match="at least 50 reference errors; it has 49"):
        SequentialDriftTest(np.arange(49.0))
    with pytest.raises(ValidationError, match="reference errors must be numbers"):
        SequentialDriftTest(np.r_[np.arange(50.0), np.nan])
    with pytest.raises(ValidationError, match="leave missing outcomes out"):
        started().update(np.array([1.0, np.inf]))


@pytest.mark.parametrize(
    ("new", "ranks"),
    [
        ([10.5], [10.5 / 51]),  # ten below, half of the one place
        ([10.0], [10.0 / 51]),  # nine below, half of the two places it shares
        ([10.5, 10.7], [10.5 / 51, 11.5 / 52]),  # the first of the week counts for the second
        ([10.7, 10.5], [10.7 // 1 / 51 + 0.5 / 51, 10.5 / 52]),  # but not the other way round
        ([10.5, 10.5], [10.5 / 51, 11.0 / 52]),  # a tie within the week
        ([99.0, 0.0], [50.5 / 51, 0.5 / 52]),
    ],
)
def test_an_error_is_ranked_among_all_before_it(new: list[float], ranks: list[float]) -> None:
    test = started()
    test._rng = Fixed(0.5)
    np.testing.assert_allclose(test._rank(np.array(new)), ranks)
    np.testing.assert_array_equal(test._past_errors, np.sort(np.r_[np.arange(1.0, 51.0), new]))


@pytest.mark.parametrize(("value", "chance", "rank"), [(0.0, 0.0, 1e-12), (99.0, 1.0, 1 - 1e-12)])
def test_no_rank_is_zero_or_one(value: float, chance: float, rank: float) -> None:
    test = started()
    test._rng = Fixed(chance)
    assert test._rank(np.array([value])) == [rank]


def test_evidence_is_the_sum_of_ratios_over_the_limit_and_the_first_alarm_stays() -> None:
    test = started()
    test._rng = Fixed(0.5)
    assert not test.update(np.zeros(0))
    assert (test.week, test.evidence, test.alarm_week) == (1, 0.0, None)
    scores = stats.norm.ppf([10.5 / 51, 40.5 / 52])
    test.update(np.array([10.5, 39.5]))
    # A change that begins later than in the first week has a hundredth of its weight.
    expected = 0.01 * (np.array([w for *_, w in ALTERNATIVES]) * ratios_of(scores)).sum()
    assert test.evidence == pytest.approx(expected / drift._quiet(0.03, (0, 2)).limit)
    assert test.week == 2
    loud = np.r_[np.full(30, 1e3), np.full(30, -1e3)]
    assert test.update(loud)
    assert test.alarm_week == 3
    assert test.evidence > 1
    assert test.update(loud)
    assert test.alarm_week == 3


def test_the_alarm_rings_at_the_limit_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 7.0
    monkeypatch.setattr(drift, "_quiet", lambda *_: drift._Quiet(limit, np.zeros((1, 5)), np.zeros(1, dtype=bool)))
    for ratio, rings in ((7.0, True), (6.999, False)):
        monkeypatch.setattr(drift, "_step", lambda *_, r=ratio: np.array([r, 0.0, 0.0, 0.0, 0.0]))
        assert started().update(np.array([3.0])) is rings


def test_the_seed_breaks_ties() -> None:
    ties = np.full(40, 25.0)
    one, again, other = started(), started(), started(seed=1)
    for test in (one, again, other):
        test.update(ties)
    assert one.evidence == again.evidence != other.evidence
