"""What the simple experts learn: how far a deviation lasts, and how far reports stray."""

import numpy as np
import pytest

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster import experts
from novamind.symptoms.forecaster.experts import EXPERTS, GROUPS, Expert, by_group, fit_expert
from novamind.symptoms.forecaster.features import FEATURES, Summary, summarise
from novamind.symptoms.forecaster.origins import Origins
from novamind.symptoms.forecaster.preprocessing import Histories
from tests.golden import check_golden
from tests.symptoms.diaries import varied

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


def test_each_expert_is_the_idea_it_is_named_after() -> None:
    assert (
        ("own mean", (), 8.0),
        ("damped level", ("fast_level", "slow_level", "all_mean"), np.inf),
        ("last week", ("weekday_effect", "mean_7_days"), np.inf),
    ) == EXPERTS


def expert(signals: tuple[str, ...], damping: float, shape: float, own: float) -> Expert:
    return Expert(
        "one",
        signals,
        np.full((*GROUPS, len(signals)), damping, np.float32),
        np.full((*GROUPS, len(LEVELS)), shape, np.float32),
        own,
    )


def said(one: Expert, horizon: int = 9) -> np.ndarray:
    return one.quantiles(Origins.present(varied()), [horizon])[0]


def test_a_shape_stands_on_the_level_in_units_of_the_spread() -> None:
    summary = summarise(varied())
    expected = np.clip(summary.level + 0.7 * summary.spread, 0, 1)
    np.testing.assert_allclose(
        said(expert((), 0, 0.7, np.inf)), expected[:, None, None] + np.zeros((1, 9, 21)), atol=1e-6
    )


@pytest.mark.parametrize("own", [8.0, 20.0])
def test_own_quantiles_weigh_by_the_reports_of_four_weeks(own: float) -> None:
    summary = summarise(varied())
    reports = np.minimum(summary.reports, 28)
    trust = (reports / (reports + own))[:, None]
    shape = (summary.level - 0.3 * summary.spread)[:, None]
    expected = np.clip(trust * summary.recent_quantiles + (1 - trust) * shape, 0, 1)
    np.testing.assert_allclose(said(expert((), 0, -0.3, own))[:, 4], expected, atol=1e-6)


def test_a_deviation_counts_less_by_a_tenth_for_each_silent_day_and_a_weekday_counts_on_its_day() -> None:
    summary = summarise(varied())
    column = {name: summary.table[:, i] for i, name in enumerate(list(FEATURES)[:-3])}
    fresh = 0.9 ** column["gap"]
    weekday = summary.weekday_effect(np.arange(1, 10))[0]
    deviation = 0.5 * (column["mean_7_days"] * fresh)[:, None] + 0.5 * weekday
    expected = np.clip(summary.level[:, None] + summary.spread[:, None] * deviation, 0, 1)
    found = said(expert(("weekday_effect", "mean_7_days"), 0.5, 0.0, np.inf))[..., 10]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.ptp(found[0]) > 0.05  # the first record has a rhythm


def test_groups_and_their_middles_are_those_that_the_weights_were_found_with() -> None:
    assert experts.HORIZON_GROUPS.tolist() == [1, 3, 7, 14, 30]
    assert experts.REPORT_GROUPS.tolist() == [10, 20, 35, 60]
    assert GROUPS == (5, 5)
    # Where a middle lies, the group's own value is read; half way to the next the mean of both.
    table = np.arange(25, dtype=np.float32).reshape(5, 5, 1)
    at = by_group(table, 30, np.array([7, 11, 15, 21, 27, 36.5, 46, 68, 90, 500], np.float32))[..., 0]
    np.testing.assert_allclose(at[:, 0], [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4], atol=1e-5)
    np.testing.assert_allclose(at[0, [0, 10, 29]], [0, 15, 20], atol=1e-5)
    np.testing.assert_allclose(at[0, [1, 2, 4, 6]], [10 / 3, 35 / 6, 55 / 6, 10 + 7.5 / 5.5], atol=1e-4)


def test_damping_is_shrunk_as_by_ten_observations(summary: Summary) -> None:
    """Ridge of 10 on standardised signals, group by group, and the shape is the quantiles of what is left."""
    rng = np.random.default_rng(5)
    future = outcome(summary, rng.standard_normal((PERSONS, 1)))
    fitted = fit_expert("one", ("slow_level",), np.inf, summary, future)
    group = (summary.reports > 20) & (summary.reports <= 35)
    column = summary.table[:, list(FEATURES).index("slow_level")] * 0.9 ** summary.table[:, list(FEATURES).index("gap")]
    x = np.repeat(column[group], 4)
    y = ((future - summary.level[:, None]) / summary.spread[:, None])[group][:, 3:7].ravel()
    share = (x @ y) / (x @ x + 10)
    assert fitted.damping[2, 2, 0] == pytest.approx(share, rel=1e-3)
    np.testing.assert_allclose(fitted.shape[2, 2], np.quantile(y - share * x, LEVELS), atol=1e-4)
    assert (fitted.name, fitted.signals, fitted.empirical_reports) == ("one", ("slow_level",), np.inf)


def test_experts_are_what_they_were(summary: Summary) -> None:
    future = outcome(summary, 0.2)
    future[np.random.default_rng(6).random(future.shape) < 0.3] = np.nan
    answer = {}
    for definition in EXPERTS:
        fitted = fit_expert(*definition, summary, future)
        answer[fitted.name] = {
            "damping": fitted.damping,
            "shape": fitted.shape[::2, ::2, ::5],
            "said": said(fitted, 30)[:, ::6, ::5],
        }
    check_golden(__file__, "experts", answer, relative=1e-4, absolute=1e-5)
