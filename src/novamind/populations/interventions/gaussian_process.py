"""One Gaussian process per treatment arm, for small evidence whose surfaces bend.

Radial kernel with a length scale per covariate plus a linear kernel, fitted by marginal likelihood
(Rasmussen and Williams 2006, chapter 5); the effect is the difference of the two arms (Alaa and van der
Schaar 2017 study such models for individual effects). Exact, hence cubic in the rows of an arm.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

Floats = NDArray[np.float64]
MAX_ROWS: Final = 800
_ROUNDS: Final = 60
_JITTER: Final = 1e-6
_PRIOR_PRECISION: Final = 0.25


class ArmSurface:
    """Outcome of one arm as a function of standardised covariates, shape (rows, covariates).

    Attributes
    ----------
    log_evidence
        Log marginal likelihood of the arm's outcomes, without the constant ``-n/2 log(2 pi)``.
    """

    def __init__(self, Z: Floats, y: Floats) -> None:
        n, d = Z.shape
        self.Z, self.centre, self.unit = Z, float(y.mean()), float(y.std()) or 1.0
        scaled = (y - self.centre) / self.unit
        squares = (Z[:, None, :] - Z[None]) ** 2
        linear = Z @ Z.T + 1.0
        usual = np.log(1.0 / d)

        def negative(theta: Floats) -> tuple[float, Floats]:
            weight = np.exp(theta[:d])
            radial = np.exp(theta[d] - 0.5 * (squares @ weight))
            covariance = radial + np.exp(theta[d + 1]) * linear + (np.exp(theta[d + 2]) + _JITTER) * np.eye(n)
            try:
                factor = cho_factor(covariance, lower=True)
            except LinAlgError:
                return 1e10, np.zeros(d + 3)
            alpha = cho_solve(factor, scaled)
            value = 0.5 * scaled @ alpha + np.log(np.diag(factor[0])).sum()
            slope = cho_solve(factor, np.eye(n)) - np.outer(alpha, alpha)
            pull = slope * radial
            gradient = np.empty(d + 3)
            gradient[:d] = -0.25 * np.tensordot(pull, squares, axes=2) * weight
            gradient[d] = 0.5 * pull.sum()
            gradient[d + 1] = 0.5 * np.exp(theta[d + 1]) * (slope * linear).sum()
            gradient[d + 2] = 0.5 * np.exp(theta[d + 2]) * np.trace(slope)
            # A weak prior keeps length scales of idle covariates from drifting.
            away = theta[:d] - usual
            gradient[:d] += _PRIOR_PRECISION * away
            return float(value + 0.5 * _PRIOR_PRECISION * (away**2).sum()), gradient

        start = np.r_[np.full(d, usual), 0.0, -2.0, -1.0]
        bounds = [(-12.0, 3.0)] * d + [(-8.0, 8.0), (-8.0, 8.0), (-10.0, 2.0)]
        from scipy.optimize import minimize  # slow to import

        optimum = minimize(negative, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ROUNDS})
        self.weight, self.amplitude, self.slope = (
            np.exp(optimum.x[:d]),
            np.exp(optimum.x[d]),
            np.exp(optimum.x[d + 1]),
        )
        noise = np.exp(optimum.x[d + 2]) + _JITTER
        radial = self.amplitude * np.exp(-0.5 * (squares @ self.weight))
        self.factor = cho_factor(radial + self.slope * linear + noise * np.eye(n), lower=True)
        self.alpha = cho_solve(self.factor, scaled)
        self.log_evidence = -float(
            0.5 * scaled @ self.alpha + np.log(np.diag(self.factor[0])).sum() + n * np.log(self.unit)
        )

    def _cross(self, Z: Floats) -> Floats:
        a, b = Z * np.sqrt(self.weight), self.Z * np.sqrt(self.weight)
        distance = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
        near = self.amplitude * np.exp(-0.5 * np.maximum(distance, 0.0))
        return np.asarray(near + self.slope * (Z @ self.Z.T + 1.0))

    def mean(self, Z: Floats) -> Floats:
        """Expect an outcome for each row."""
        return np.asarray(self._cross(Z) @ self.alpha * self.unit + self.centre)

    def variance(self, Z: Floats) -> Floats:
        """Return the posterior variance of the expected outcome per row."""
        cross = self._cross(Z)
        prior = self.amplitude + self.slope * ((Z**2).sum(axis=1) + 1.0)
        left = prior - np.einsum("ij,ji->i", cross, cho_solve(self.factor, cross.T))
        return np.asarray(np.maximum(left, 0.0) * self.unit**2)
