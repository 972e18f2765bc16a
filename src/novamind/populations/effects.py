"""The effect of a treatment for everyone: one Bayesian regression whose effect part shrinks to the average.

Outcome = m(x) + (treated - share treated) * effect(x) + noise, where m and effect are each a sum of a linear
part, a piecewise part (hinges and steps at quantiles) and a Gaussian-process part (radial kernel on landmark
rows: Williams and Seeger 2001). Each part has its own prior variance, set by the evidence procedure of
MacKay (1992, "Bayesian interpolation"), so that an effect which does not vary is estimated as constant.
Small evidence (at most 800 rows an arm) is also given to
one Gaussian process per arm, and the individual effects come from whichever has the higher evidence. The
average effect is doubly robust (augmented inverse propensity weighting, cross-fitted; Robins, Rotnitzky and
Zhao 1994; Chernozhukov et al. 2018), with a variance that does not trust the model.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from novamind.errors import InsufficientDataError, ModelInferenceError
from novamind.populations.gaussian_process import MAX_ROWS, ArmSurface

MIN_PER_ARM: Final = 30
CLIP: Final = 0.01
_LARGE: Final = 20_000
_SWEEPS: Final = 20
_FOLDS: Final = 5
_PRUNED: Final = 1e5
_NEGLIGIBLE: Final = 1e-4

Floats = NDArray[np.float64]


class Basis:
    """Linear, piecewise and kernel features of a matrix of covariates, shape (rows, covariates)."""

    def __init__(self, X: Floats, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.mean, spread = X.mean(axis=0), X.std(axis=0)
        self.kept = spread > 1e-12
        if not self.kept.any():
            raise InsufficientDataError("No covariate varies; give at least one that does.")
        self.spread = spread[self.kept]
        Z = self.standard(X)
        count = 9 if len(X) > _LARGE else 5
        self.knots = [
            np.unique(np.quantile(z, np.linspace(0, 1, count + 2)[1:-1])) if len(np.unique(z)) > 6 else np.zeros(0)
            for z in Z.T
        ]
        self.landmarks = Z[rng.permutation(len(Z))[: 100 if len(X) > _LARGE else 150]]
        sample = Z[rng.permutation(len(Z))[:500]]
        distance = _squared_distances(sample, sample)
        self.scale = float(np.median(distance[distance > 0]))
        value, vector = np.linalg.eigh(self._kernel(self.landmarks))
        strong = value > 1e-8 * value[-1]
        self.whiten = vector[:, strong] / np.sqrt(value[strong])

    def standard(self, X: Floats) -> Floats:
        """Covariates that vary, at mean 0 and standard deviation 1."""
        return np.asarray((X - self.mean)[:, self.kept] / self.spread)

    def _kernel(self, Z: Floats) -> Floats:
        return np.asarray(np.exp(-0.5 * _squared_distances(Z, self.landmarks) / self.scale))

    def parts(self, X: Floats) -> list[Floats]:
        """Feature blocks, each of shape (rows, features of the block)."""
        Z = self.standard(X)
        pieces = [
            f for z, knots in zip(Z.T, self.knots, strict=True) for k in knots for f in (np.maximum(z - k, 0), z > k)
        ]
        return [
            Z,
            np.column_stack(pieces) if pieces else np.zeros((len(Z), 0)),
            self._kernel(Z) @ self.whiten,
        ]

    def combine(self, X: Floats, weights: Floats) -> Floats:
        """``[1, parts(X)] @ weights`` without building the whitened kernel."""
        Z = self.standard(X)
        d, last = Z.shape[1], len(weights) - self.whiten.shape[1]
        total = weights[0] + Z @ weights[1 : 1 + d]
        at = 1 + d
        for z, knots in zip(Z.T, self.knots, strict=True):
            for k in knots:
                above = z > k
                total += np.where(above, weights[at] * (z - k) + weights[at + 1], 0.0)
                at += 2
        pull = (self.whiten @ weights[last:]).astype(np.float32)
        if np.abs(pull).sum() < _NEGLIGIBLE:
            return np.asarray(total)
        z, marks = Z.astype(np.float32), self.landmarks.astype(np.float32)
        near = np.exp(-0.5 / np.float32(self.scale) * _squared_distances(z, marks))
        return np.asarray(total + near @ pull)


def _squared_distances(A: NDArray[Any], B: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.maximum((A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2 * A @ B.T, 0.0))


def _posterior(gram: Floats, moment: Floats, precision: Floats, beta: float) -> tuple[Floats, Floats, float]:
    """Mean, covariance and log determinant of the weights' posterior."""
    factor, info = lapack.dpotrf(beta * gram + np.diag(precision), lower=1)
    if info:
        raise ModelInferenceError("The effect model is numerically singular; drop covariates that repeat one another.")
    covariance, _ = lapack.dpotri(factor, lower=1)
    covariance = np.tril(covariance) + np.tril(covariance, -1).T
    return beta * covariance @ moment, covariance, 2 * float(np.log(np.diag(factor)).sum())


class EffectModel:
    """Individual and average effects of a binary treatment.

    Parameters
    ----------
    seed
        Seed of landmarks and folds.

    Attributes
    ----------
    average_effect, standard_error
        Doubly robust average over the evidence and its standard error.
    propensity
        Cross-fitted chance of treatment per row of the evidence.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, X: Floats, treated: NDArray[np.int64], y: Floats, *, randomised: bool = False) -> "EffectModel":
        """Fit on covariates (rows, covariates), a 0/1 treatment and an outcome.

        Raises
        ------
        InsufficientDataError
            With fewer than 30 rows in either arm, or a constant outcome.
        """
        if min(int(treated.sum()), int(len(treated) - treated.sum())) < MIN_PER_ARM:
            raise InsufficientDataError(
                f"An effect needs at least {MIN_PER_ARM} treated and {MIN_PER_ARM} untreated rows."
            )
        if np.ptp(y) == 0:
            raise InsufficientDataError("The outcome is the same in every row; no effect can be estimated.")
        self.share = float(treated.mean())
        self.centre, self.unit = float(y.mean()), float(y.std())
        basis = Basis(X, self.seed)
        evidence, self.precision, self.beta, self.block = self._evidence_procedure(
            basis, X, treated, (y - self.centre) / self.unit
        )
        self.basis, (gram, moment, Phi) = basis, self._sums
        self.weights, self.covariance, _ = _posterior(gram, moment, self.precision[self.block], self.beta)
        self._average(X, treated, y, Phi, gram, randomised)
        self.arms = self._arms(X, treated, y, evidence - len(y) * np.log(self.unit))
        return self

    def _arms(
        self, X: Floats, treated: NDArray[np.int64], y: Floats, evidence: float
    ) -> tuple[ArmSurface, ArmSurface] | None:
        """Gaussian processes per arm where the arms are small and the evidence prefers them."""
        if max(int(treated.sum()), int((1 - treated).sum())) > MAX_ROWS:
            return None
        Z = self.basis.standard(X)
        arms = ArmSurface(Z[treated == 0], y[treated == 0]), ArmSurface(Z[treated == 1], y[treated == 1])
        return arms if arms[0].log_evidence + arms[1].log_evidence > evidence else None

    def _design(self, basis: Basis, X: Floats, contrast: NDArray[Any]) -> tuple[Floats, NDArray[np.int64]]:
        parts = [np.ones((len(X), 1)), *basis.parts(X)]
        half = np.hstack(parts)
        block = np.repeat(np.arange(len(parts)), [p.shape[1] for p in parts])
        return np.hstack([half, half * contrast[:, None]]), np.r_[block, block + len(parts)]

    def _evidence_procedure(
        self, basis: Basis, X: Floats, treated: NDArray[np.int64], y: Floats
    ) -> tuple[float, Floats, float, NDArray[np.int64]]:
        Phi, block = self._design(basis, X, treated - self.share)
        gram, moment, total, n = Phi.T @ Phi, Phi.T @ y, float(y @ y), len(y)
        count = int(block[-1]) + 1
        free = [b for b in range(count) if b not in (0, count // 2) and (block == b).any()]
        precision, beta, evidence = np.ones(count), 2.0, -np.inf
        precision[[0, count // 2]] = 1e-6
        for _ in range(_SWEEPS):
            weights, covariance, log_det = _posterior(gram, moment, precision[block], beta)
            used = 1 - precision[block] * np.diag(covariance)
            residual: Any = max(total - 2 * weights @ moment + weights @ gram @ weights, 1e-9 * total)
            evidence = 0.5 * (
                np.log(precision[block]).sum()
                + n * np.log(beta)
                - beta * residual
                - (precision[block] * weights**2).sum()
                - log_det
            )
            before = precision.copy()
            for b in free:
                here = block == b
                precision[b] = np.clip(used[here].sum() / max(float((weights[here] ** 2).sum()), 1e-12), 1e-6, _PRUNED)
            beta = float(max(n - used.sum(), 1.0) / residual)
            if np.abs(np.log(precision / before)).max() < 0.05:
                break
        self._sums = gram, moment, Phi
        return float(evidence), precision, beta, block

    def _average(
        self, X: Floats, treated: NDArray[np.int64], y: Floats, Phi: Floats, gram: Floats, randomised: bool
    ) -> None:
        n, half = len(y), Phi.shape[1] // 2
        scaled = (y - self.centre) / self.unit
        moment = Phi.T @ scaled
        self.propensity = np.full(n, self.share) if randomised else propensity(X, treated, self.seed)
        fold = np.random.default_rng(self.seed).permutation(n) % _FOLDS
        score = np.empty(n)
        for k in range(_FOLDS):
            out = fold == k
            part = Phi[out]
            weights, _, _ = _posterior(
                gram - part.T @ part, moment - part.T @ scaled[out], self.precision[self.block], self.beta
            )
            base, effect = part[:, :half] @ weights[:half], part[:, :half] @ weights[half:]
            t, e = treated[out], np.clip(self.propensity[out], CLIP, 1 - CLIP)
            left = scaled[out] - base - (t - self.share) * effect
            score[out] = effect + left * (t / e - (1 - t) / (1 - e))
        self.average_effect = float(score.mean() * self.unit)
        self.standard_error = float(score.std(ddof=1) / np.sqrt(n) * self.unit)
        self.anchor = Phi[:, :half].mean(axis=0)
        del self._sums

    def _rows(self, X: Floats) -> Floats:
        return np.hstack([np.ones((len(X), 1)), *self.basis.parts(X)])

    def effect(self, X: Floats) -> Floats:
        """Individual effect, shape (rows,)."""
        if self.arms is not None:
            Z = self.basis.standard(X)
            return self.arms[1].mean(Z) - self.arms[0].mean(Z)
        half = len(self.weights) // 2
        shift = self.average_effect - self.unit * float(self.anchor @ self.weights[half:])
        return np.asarray(self.unit * self.basis.combine(X, self.weights[half:]) + shift)

    def spread(self, X: Floats) -> Floats:
        """Posterior standard deviation of the individual effect, shape (rows,)."""
        if self.arms is not None:
            Z = self.basis.standard(X)
            return np.asarray(np.sqrt(self.arms[0].variance(Z) + self.arms[1].variance(Z)))
        half = len(self.weights) // 2
        rows = self._rows(X)
        variance = ((rows @ self.covariance[half:, half:]) * rows).sum(axis=1)
        return np.asarray(self.unit * np.sqrt(np.maximum(variance, 0.0)))

    def standard_error_at(self, X: Floats) -> float:
        """Give the standard error of the average effect over these rows.

        The error is that of the evidence's average and of the step from the evidence's covariates to these;
        the number of rows does not enter.
        """
        half = len(self.weights) // 2
        step = self._rows(X).mean(axis=0) - self.anchor
        variance = self.unit**2 * float(step @ self.covariance[half:, half:] @ step)
        return float(np.sqrt(self.standard_error**2 + max(variance, 0.0)))


def propensity(X: Floats, treated: NDArray[np.int64], seed: int = 0) -> Floats:
    """Cross-fitted chance of treatment by logistic regression on covariates and their hinges."""
    from sklearn.linear_model import LogisticRegression

    basis = Basis(X, seed)
    features = np.hstack(basis.parts(X)[:2])
    fold = np.random.default_rng(seed + 1).permutation(len(X)) % _FOLDS
    chance = np.empty(len(X))
    for k in range(_FOLDS):
        out = fold == k
        model = LogisticRegression(C=0.1, max_iter=300, tol=1e-3).fit(features[~out], treated[~out])
        chance[out] = model.predict_proba(features[out])[:, 1]
    return chance
