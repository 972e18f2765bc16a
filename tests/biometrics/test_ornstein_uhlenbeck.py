"""The banded algebra agrees with dense matrices, and the fit finds what the series was made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.biometrics.ornstein_uhlenbeck import Inertia, Whitening, draw, fit_regression, inertia_of_grid
from tests.biometrics.conftest import inertia


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
