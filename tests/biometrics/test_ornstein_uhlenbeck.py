"""The banded algebra agrees with dense matrices, and the fit finds what the series was made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.biometrics.ornstein_uhlenbeck import Inertia, Whitening, fit_regression, inertia_of_grid
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


def test_fit_finds_how_fast_a_series_forgets() -> None:
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 4000, 900))
    process = Inertia(np.array([6.0, 150.0]), np.array([0.5, 0.2]), 0.3)
    fitted = [fit_regression(times, process.draw(times, 1, rng)[:, 0], np.ones((900, 1))).inertia for _ in range(6)]
    near = [f.covariance(np.array([6.0]))[0] / (f.variances.sum() + f.noise) for f in fitted]
    assert np.mean(near) == pytest.approx(process.covariance(np.array([6.0]))[0], abs=0.06)


def test_grid_fit_finds_the_time_constant_through_gaps() -> None:
    rng = np.random.default_rng(4)
    values = inertia(rng, 4000, 12.0)
    values[rng.random(4000) < 0.3] = np.nan
    fitted = inertia_of_grid(values)
    assert fitted.covariance(np.array([12.0]))[0] / values[~np.isnan(values)].var() == pytest.approx(
        np.exp(-1), abs=0.1
    )
