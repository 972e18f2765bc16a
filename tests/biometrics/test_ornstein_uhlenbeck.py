"""The banded algebra agrees with dense matrices, and the fit finds what the series was made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls

from novamind.biometrics import ornstein_uhlenbeck as module
from novamind.biometrics.domain import Floats
from novamind.biometrics.ornstein_uhlenbeck import Inertia, Regression, Whitening, draw, fit_regression, inertia_of_grid
from tests.biometrics.conftest import inertia
from tests.golden import check_golden


def dense(times: np.ndarray, process: Inertia) -> np.ndarray:
    return process.covariance(times[:, None] - times[None, :]) + process.noise * np.eye(len(times))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    fast=st.floats(0.5, 20),
    slow=st.floats(25, 600),
    shares=st.tuples(st.floats(0.05, 1), st.floats(0.05, 1), st.floats(0.05, 1)),
)
def test_likelihood_and_solve_agree_with_a_dense_cholesky(
    seed: int, fast: float, slow: float, shares: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 30, 25))
    process = Inertia(np.array([fast, slow]), np.array(shares[:2]), shares[2])
    columns = rng.standard_normal((25, 3))
    whitening = Whitening(times, process)
    covariance = dense(times, process)
    assert np.allclose(whitening(columns), np.linalg.solve(covariance, columns), rtol=1e-6, atol=1e-8)
    factor = np.linalg.cholesky(covariance)
    assert whitening.log_determinant == pytest.approx(2 * np.log(np.diag(factor)).sum(), abs=1e-6)


def test_hours_without_a_measurement_carry_no_information() -> None:
    rng = np.random.default_rng(1)
    times, seen = np.arange(30.0), rng.random(30) < 0.6
    process = Inertia(np.array([2.0, 50.0]), np.array([0.5, 0.3]), 0.2)
    values = np.where(seen, rng.standard_normal(30), 0.0)
    whole = Whitening(times, process, seen.astype(float))(values[:, None])[:, 0]
    part = np.linalg.solve(dense(times[seen], process), values[seen])
    assert np.allclose(whole[seen], part)
    assert not whole[~seen].any()


def test_projection_takes_the_covariates_out() -> None:
    rng = np.random.default_rng(2)
    times = np.sort(rng.uniform(0, 900, 150))
    design = np.column_stack([np.ones(150), np.cos(times / 4), np.sin(times / 4)])
    fitted = fit_regression(times, rng.standard_normal(150), design)
    assert np.allclose(fitted.project(design), 0, atol=1e-8)
    column = rng.standard_normal((150, 1))
    assert np.allclose(design.T @ fitted.project(column), 0, atol=1e-8)


def test_fit_finds_how_fast_a_series_forgets_and_how_sure_that_is() -> None:
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 4000, 900))
    process = Inertia(np.array([6.0, 150.0]), np.array([0.5, 0.2]), 0.3)

    def near(one: Inertia) -> float:
        return float(one.covariance(np.array([6.0]))[0] / (one.variances.sum() + one.noise))

    fits = [fit_regression(times, series, np.ones((900, 1))) for series in draw([process] * 12, times, rng).T]
    assert np.mean([near(fit.inertia) for fit in fits]) == pytest.approx(near(process), abs=0.06)
    plausible = np.array([[near(one) for one in fit.plausible(200, rng)] for fit in fits])
    low, high = np.quantile(plausible, [0.05, 0.95], axis=1)
    assert ((low <= near(process)) & (near(process) <= high)).sum() >= 9
    assert (high - low).max() < 0.3


def test_drawn_series_follow_their_processes() -> None:
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.uniform(0.5, 12, 40))
    process = Inertia(np.array([5.0, 60.0]), np.array([0.5, 0.3]), 0.2)
    drawn = draw([process] * 20_000, times, rng)
    assert np.allclose(drawn @ drawn.T / 20_000, dense(times, process), atol=0.05)


def test_grid_fit_finds_the_time_constant_through_gaps() -> None:
    rng = np.random.default_rng(4)
    values = inertia(rng, 4000, 12.0)
    values[rng.random(4000) < 0.3] = np.nan
    fitted = inertia_of_grid(values)
    assert fitted.covariance(np.array([12.0]))[0] / values[~np.isnan(values)].var() == pytest.approx(
        np.exp(-1), abs=0.1
    )


# -- against dense Gaussians and by formula ----------------------------------------------------------------------------


def test_the_covariance_is_that_of_two_processes() -> None:
    process = Inertia(np.array([2.0, 50.0]), np.array([0.5, 0.3]), 0.2)
    assert process.covariance(np.array([0.0, 4.0, -4.0])) == pytest.approx(
        [0.8, *[0.5 * np.exp(-2) + 0.3 * np.exp(-0.08)] * 2]
    )


def test_the_state_is_the_posterior_mean_of_the_process() -> None:
    rng = np.random.default_rng(6)
    times = np.cumsum(rng.uniform(0.1, 20, 30))
    process = Inertia(np.array([4.0, 70.0]), np.array([0.6, 0.3]), 0.25)
    columns = rng.standard_normal((30, 2))
    smooth = process.covariance(times[:, None] - times)
    expected = smooth @ np.linalg.solve(dense(times, process), columns)
    assert Whitening(times, process).state(columns) == pytest.approx(expected)


def test_reports_at_one_instant_count_as_a_minute_apart() -> None:
    process = Inertia(np.array([4.0, 70.0]), np.array([0.6, 0.3]), 0.25)
    columns = np.eye(3)
    together = Whitening(np.array([0.0, 5.0, 5.0]), process)(columns)
    assert together == pytest.approx(Whitening(np.array([0.0, 5.0, 5.02]), process)(columns))
    assert together != pytest.approx(Whitening(np.array([0.0, 5.0, 5.04]), process)(columns), abs=1e-4)


def test_where_nothing_was_measured_the_likelihood_is_that_of_the_others() -> None:
    rng = np.random.default_rng(7)
    times, seen = np.arange(20.0), rng.random(20) < 0.6
    process = Inertia(np.array([2.0, 50.0]), np.array([0.5, 0.3]), 0.2)
    found = Whitening(times, process, seen.astype(float)).log_determinant
    assert found == pytest.approx(np.linalg.slogdet(dense(times[seen], process))[1])


def test_what_is_no_covariance_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        Whitening(np.arange(5.0), Inertia(np.array([2.0, 50.0]), np.array([0.5, 0.3]), -0.2), np.ones(5))


MEAN, SD = np.array([np.log(6.0), np.log(80.0), 0.0, 0.0]), np.array([0.8, 0.8, 1.2, 1.2])


def restricted(theta: Floats, times: Floats, outcome: Floats, design: Floats) -> tuple[float, float]:
    """Minus twice the restricted log likelihood of a Gaussian written out in full, with the prior; and the scale."""
    fast, slow = np.exp(np.clip(theta[0], np.log(0.5), np.log(36))), np.exp(np.clip(theta[1], np.log(20), np.log(700)))
    parts = np.exp(np.clip([theta[2], theta[3], 0.0], -5, 5))
    parts /= parts.sum()
    process = Inertia(np.array([fast, max(slow, 1.5 * fast)]), parts[:2], max(parts[2], 0.02))
    covariance = dense(times, process)
    inverse = np.linalg.inv(covariance)
    gram = design.T @ inverse @ design
    rest = outcome - design @ np.linalg.solve(gram, design.T @ inverse @ outcome)
    free = len(times) - design.shape[1]
    square = rest @ inverse @ rest / free
    determinants = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(gram)[1]
    return float(free * np.log(square) + determinants + (((theta - MEAN) / SD) ** 2).sum()), float(np.sqrt(square))


@pytest.fixture(scope="module", params=[0, 1])
def fitted(request: pytest.FixtureRequest) -> tuple[Floats, Floats, Floats, Regression]:
    rng = np.random.default_rng([8, request.param])
    times = np.sort(rng.uniform(0, 300, 45))
    design = np.column_stack([np.ones(45), np.cos(times / 24)])
    process = Inertia(np.array([8.0, 60.0]), np.array([0.6, 0.2]), 0.2 + request.param)
    outcome = draw([process], times, rng)[:, 0] + design @ [1.0, 0.5]
    return times, outcome, design, fit_regression(times, outcome, design)


def test_the_fit_is_the_restricted_likelihoods_best_within_its_patience(
    fitted: tuple[Floats, Floats, Floats, Regression],
) -> None:
    times, outcome, design, fit = fitted
    start = np.vstack([MEAN, MEAN + np.diag([0.7, 0.7, -1.0, -1.0])])
    options = {"maxfev": 90, "xatol": 0.05, "fatol": 0.05, "initial_simplex": start}
    slow = minimize(lambda t: restricted(t, times, outcome, design)[0], MEAN, method="Nelder-Mead", options=options)
    assert fit.centre == pytest.approx(slow.x, rel=1e-4)
    assert fit.scale == pytest.approx(restricted(slow.x, times, outcome, design)[1], rel=1e-4)
    best = minimize(lambda t: restricted(t, times, outcome, design)[0], slow.x, method="Nelder-Mead")
    assert slow.fun - best.fun < 0.2


def test_how_sure_the_fit_is_comes_from_the_curvature(fitted: tuple[Floats, Floats, Floats, Regression]) -> None:
    times, outcome, design, fit = fitted
    curvature = np.empty((4, 4))

    def loss(step: Floats) -> float:
        return restricted(fit.centre + step, times, outcome, design)[0]

    steps = 0.5 * np.eye(4)
    for i in range(4):
        for j in range(4):
            far = loss(steps[i] + steps[j]) if i != j else loss(-steps[i]) + 3 * loss(steps[i]) - 3 * loss(0 * steps[0])
            curvature[i, j] = far - loss(steps[i]) - loss(steps[j]) + loss(0 * steps[0])
    values, vectors = np.linalg.eigh(curvature / 0.25 / 2)
    expected = vectors @ np.diag(1 / np.maximum(values, 1 / 1.2**2)) @ vectors.T
    assert fit.spread @ fit.spread.T == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_plausible_processes_scatter_as_the_fit_is_sure() -> None:
    fit = fit_regression(*_plain(9))
    drawn = fit.plausible(4000, np.random.default_rng(1))
    logs = np.log([one.time_constants for one in drawn])
    spread = np.sqrt(np.diag(fit.spread @ fit.spread.T))[:2]
    middle = (logs > np.log([0.51, 20.1])) & (logs < np.log([35.9, 699]))
    assert np.median(logs[:, 0]) == pytest.approx(fit.centre[0], abs=0.1)
    quarter = np.quantile(logs[:, 0], [0.25, 0.75])
    assert np.ptp(quarter) == pytest.approx(2 * 0.6745 * spread[0], rel=0.15)
    assert middle.mean() > 0.5
    assert len(drawn) == 4000


def _plain(seed: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 400, 60))
    process = Inertia(np.array([8.0, 60.0]), np.array([0.6, 0.2]), 0.2)
    return times, draw([process], times, rng)[:, 0], np.ones((60, 1))


def test_a_covariate_told_twice_counts_once() -> None:
    times, outcome, design = _plain(10)
    once = fit_regression(times, outcome, np.column_stack([design, np.sin(times)]))
    twice = fit_regression(times, outcome, np.column_stack([design, np.sin(times), 2 * np.sin(times)]))
    assert twice.centre == pytest.approx(once.centre, abs=0.05)
    assert twice.scale == pytest.approx(once.scale, rel=0.02)
    column = np.random.default_rng(0).standard_normal((60, 1))
    assert twice.project(column) == pytest.approx(once.project(column), abs=0.05)


def test_a_series_that_its_covariates_explain_entirely_has_a_scale_of_next_to_nothing() -> None:
    times, _, design = _plain(11)
    assert fit_regression(times, 3 * design[:, 0], design).scale < 1e-4


@pytest.mark.parametrize(
    ("theta", "fast", "slow", "shares", "noise"),
    [
        ([np.log(6), np.log(80), 0.0, 0.0], 6, 80, [1 / 3, 1 / 3], 1 / 3),
        ([-9.0, 0.0, 0.0, 0.0], 0.5, 20, [1 / 3, 1 / 3], 1 / 3),
        ([9.0, 9.0, 0.0, 0.0], 36, 700, [1 / 3, 1 / 3], 1 / 3),
        ([np.log(30), np.log(22), 0.0, 0.0], 30, 45, [1 / 3, 1 / 3], 1 / 3),  # slow is half as slow again as fast
        ([1.0, 4.0, 9.0, 9.0], np.e, np.exp(4), [0.5 / (1 + np.exp(-5) / 2)] * 2, 0.02),
        ([1.0, 4.0, -9.0, -9.0], np.e, np.exp(4), [np.exp(-5) / (1 + 2 * np.exp(-5))] * 2, 1 / (1 + 2 * np.exp(-5))),
    ],
)
def test_parameters_stay_within_their_limits(
    theta: list[float], fast: float, slow: float, shares: list[float], noise: float
) -> None:
    found = module._inertia(np.array(theta))
    assert found.time_constants == pytest.approx([fast, slow])
    assert found.variances == pytest.approx(shares)
    assert found.noise == pytest.approx(noise)


def test_draws_are_those_they_were() -> None:
    rng = np.random.default_rng(12)
    processes = [Inertia(np.array([3.0, 60.0]), np.array([0.5, 0.3]), 0.2),
                 Inertia(np.array([9.0, 90.0]), np.array([0.1, 0.8]), 0.4)]  # fmt: skip
    drawn = draw(processes, np.array([0.0, 1.0, 1.5, 20.0, 300.0]), rng)
    check_golden(__file__, "draws", drawn)


def slow_grid_fits(values: Floats) -> dict[tuple[float, float], tuple[float, Floats]]:
    """Sums of products pair by pair, and a non-negative fit for each pair of time constants: its miss and amounts."""
    longest = min(240, len(values) // 3)
    lags, covariance, pairs = [], [], []
    for lag in sorted({0, *np.round(np.geomspace(1, longest, 40)).astype(int).tolist()}):
        products = values[lag:] * values[: len(values) - lag]
        if np.isfinite(products).any():
            lags.append(lag)
            pairs.append(np.isfinite(products).sum())
            covariance.append(np.nansum(products) / pairs[-1])
    lag, weight = np.array(lags), np.sqrt(np.array(pairs) / (1 + np.array(lags)))
    fits = {}
    for fast in (0.7, 1.5, 3.0, 6.0, 12.0):
        for slow in (24.0, 60.0, 150.0, 400.0):
            terms = np.column_stack([np.exp(-lag / fast), np.exp(-lag / slow), lag == 0])
            amount, miss = nnls(terms * weight[:, None], np.array(covariance) * weight)
            least = np.array([1e-3, 1e-3, 0.02]) * max(covariance[0], 1e-9)
            fits[fast, slow] = miss, np.maximum(amount, least)
    return fits


@pytest.mark.parametrize(
    ("hours", "gaps", "tau"), [(90, 0.0, 2.0), (300, 0.5, 10.0), (1200, 0.2, 100.0), (31, 0.7, 1.0)]
)
def test_the_fit_to_a_grid_agrees_with_one_by_hand(hours: int, gaps: float, tau: float) -> None:
    rng = np.random.default_rng(hours)
    values = inertia(rng, hours, tau) + 0.4 * rng.standard_normal(hours)
    values[rng.random(hours) < gaps] = np.nan
    ours, slow = inertia_of_grid(values), slow_grid_fits(values)
    miss, amount = slow[tuple(ours.time_constants.tolist())]
    assert miss == pytest.approx(min(each for each, _ in slow.values()), rel=1e-9)
    assert [*ours.variances, ours.noise] == pytest.approx(amount.tolist())


def test_a_still_series_keeps_a_little_of_everything() -> None:
    still = inertia_of_grid(np.zeros(100))
    assert still.variances == pytest.approx([1e-12, 1e-12])
    assert still.noise == pytest.approx(2e-11)


def test_of_fits_that_are_equally_good_the_first_counts() -> None:
    """A series without a slow part fits any slow constant: rounding must not choose one."""
    for seed in range(12):
        values = inertia(np.random.default_rng(seed), 300, 3.0)
        fits = slow_grid_fits(values)
        least = min(miss for miss, _ in fits.values())
        first = next(constants for constants, (miss, _) in fits.items() if miss <= least * (1 + 1e-7))
        assert tuple(inertia_of_grid(values).time_constants) == first
