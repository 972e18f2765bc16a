"""One arm's surface: what was fitted is the best there is, and its posterior is that of the textbook."""

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from novamind.populations.interventions import gaussian_process
from novamind.populations.interventions.gaussian_process import ArmSurface
from tests.golden import check_golden


def world(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 2))
    return Z, 3 + 2 * np.sin(1.5 * Z[:, 0]) + 0.8 * Z[:, 1] + 0.3 * rng.normal(size=n)


def kernel(weight: np.ndarray, amplitude: float, slope: float, A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Radial with a length scale per covariate, and linear with an intercept; typed a second time."""
    distance = (weight * (A[:, None] - B[None]) ** 2).sum(axis=2)
    return amplitude * np.exp(-distance / 2) + slope * (1 + A @ B.T)


def objective(theta: np.ndarray, Z: np.ndarray, scaled: np.ndarray) -> float:
    """Log marginal likelihood of scaled outcomes with the weak prior on length scales."""
    noise = np.exp(theta[4]) + 1e-6
    covariance = kernel(np.exp(theta[:2]), np.exp(theta[2]), np.exp(theta[3]), Z, Z) + noise * np.eye(len(Z))
    prior = 0.5 * 0.25 * ((theta[:2] - np.log(1 / 2)) ** 2).sum()
    return float(stats.multivariate_normal.logpdf(scaled, np.zeros(len(Z)), covariance) - prior)


def fitted(surface: ArmSurface) -> np.ndarray:
    """Parameters, the noise read back from the factor."""
    factor = np.tril(surface.factor[0])
    radial = kernel(surface.weight, surface.amplitude, surface.slope, surface.Z, surface.Z)
    noise = (factor @ factor.T - radial)[0, 0] - 1e-6
    return np.log([*surface.weight, surface.amplitude, surface.slope, noise])


def test_what_was_fitted_is_where_the_likelihood_is_highest() -> None:
    Z, y = world()
    surface = ArmSurface(Z, y)
    scaled = (y - y.mean()) / y.std()
    theta = fitted(surface)
    best = objective(theta, Z, scaled)
    for i in range(5):
        for step in (0.2, -0.2):
            assert objective(theta + step * np.eye(5)[i], Z, scaled) < best + 1e-3
    slope = [
        (objective(theta + 1e-4 * e, Z, scaled) - objective(theta - 1e-4 * e, Z, scaled)) / 2e-4 for e in np.eye(5)
    ]
    np.testing.assert_allclose(slope, 0, atol=0.1)
    # It bends along the first covariate alone.
    assert surface.weight[0] > 3 * surface.weight[1]
    # The likelihood of the outcomes themselves, without the constant.
    prior = 0.5 * 0.25 * ((theta[:2] - np.log(1 / 2)) ** 2).sum()
    constant = 20 * np.log(2 * np.pi)
    assert surface.log_evidence == pytest.approx(best + prior + constant - 40 * np.log(y.std()))


def test_the_posterior_is_that_of_the_textbook() -> None:
    Z, y = world()
    surface = ArmSurface(Z, y)
    fresh = np.random.default_rng(1).normal(size=(7, 2)) * 2
    theta = fitted(surface)
    own = kernel(surface.weight, surface.amplitude, surface.slope, Z, Z) + (np.exp(theta[4]) + 1e-6) * np.eye(40)
    cross = kernel(surface.weight, surface.amplitude, surface.slope, fresh, Z)
    prior = kernel(surface.weight, surface.amplitude, surface.slope, fresh, fresh)
    mean = y.mean() + cross @ np.linalg.solve(own, y - y.mean())
    variance = y.var() * np.diag(prior - cross @ np.linalg.solve(own, cross.T))
    np.testing.assert_allclose(surface.mean(fresh), mean, rtol=1e-6)
    np.testing.assert_allclose(surface.variance(fresh), variance, rtol=1e-5)
    assert (surface.variance(Z) < surface.variance(Z + 5)).all()


def test_an_outcome_that_does_not_vary_has_no_surface() -> None:
    Z, _ = world(30)
    surface = ArmSurface(Z, np.full(30, 4.0))
    assert surface.unit == 1.0
    np.testing.assert_allclose(surface.mean(Z), 4.0)
    assert (surface.variance(Z) >= 0).all()


def test_a_matrix_that_cannot_be_factorised_is_a_bad_fit_and_no_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    factored = gaussian_process.cho_factor
    calls: list[int] = []

    def first_fails(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise gaussian_process.LinAlgError
        return factored(*args, **options)

    Z, y = world()
    undisturbed = ArmSurface(Z, y).log_evidence
    monkeypatch.setattr(gaussian_process, "cho_factor", first_fails)
    assert ArmSurface(Z, y).log_evidence == pytest.approx(undisturbed, abs=1.0)
    assert len(calls) > 3


def test_the_search_starts_at_usual_length_scales_and_stays_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    minimize = optimize.minimize

    def noted(objective: Any, start: np.ndarray, **how: Any) -> Any:
        asked.append((objective, start, how))
        return minimize(objective, start, **how)

    monkeypatch.setattr(optimize, "minimize", noted)
    Z, y = world()
    ArmSurface(Z, y)
    ((negative, start, how),) = asked
    np.testing.assert_allclose(start, [np.log(0.5), np.log(0.5), 0, -2, -1])
    assert how["bounds"] == [(-12, 3), (-12, 3), (-8, 8), (-8, 8), (-10, 2)]
    assert (how["jac"], how["method"], how["options"]) == (True, "L-BFGS-B", {"maxiter": 60})
    scaled, constant = (y - y.mean()) / y.std(), 20 * np.log(2 * np.pi)
    rng = np.random.default_rng(3)
    for _ in range(4):
        theta = rng.normal(size=5)
        value, gradient = negative(theta)
        assert value == pytest.approx(-objective(theta, Z, scaled) - constant)
        numeric = [
            (objective(theta - 1e-5 * e, Z, scaled) - objective(theta + 1e-5 * e, Z, scaled)) / 2e-5 for e in np.eye(5)
        ]
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-4)

    def fails(*_: object, **__: object) -> None:
        raise gaussian_process.LinAlgError

    monkeypatch.setattr(gaussian_process, "cho_factor", fails)
    value, gradient = negative(start)
    assert value >= 1e9
    assert gradient.tolist() == [0] * 5


def test_surfaces_as_they_are() -> None:
    assert gaussian_process.MAX_ROWS == 800
    rows = []
    for seed in range(3):
        surface = ArmSurface(*world(35, seed))
        fresh = np.random.default_rng(9).normal(size=(3, 2))
        rows.append([fitted(surface), surface.log_evidence, surface.mean(fresh), surface.variance(fresh)])
    check_golden(__file__, "arm_surfaces", rows, relative=1e-3, absolute=1e-3)
