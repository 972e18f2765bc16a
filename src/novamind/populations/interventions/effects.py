"""The effect of a treatment for everyone: one Bayesian regression whose effect part shrinks to the average.

Outcome = m(x) + (treated - share treated) * effect(x) + noise, where m and effect are each a sum of a linear
part, a piecewise part (hinges and steps at quantiles) and a Gaussian-process part (radial kernel on landmark
rows: Williams and Seeger 2001). The line and the pieces of each covariate and the Gaussian process have a prior
variance of their own, set by the evidence procedure of MacKay (1992, "Bayesian interpolation"; automatic
relevance determination), so that an effect which does not vary, or not with a covariate, is estimated so.
Whether the effect is linear, and whether its covariates share one prior variance, is not decided but averaged over:
all four posteriors count by their evidence (Hoeting et al. 1999, "Bayesian model averaging"). Small evidence (at
most 800 rows an arm) is also given to one Gaussian process per arm, and the individual effects come from whichever
has the higher evidence.
The average effect is doubly robust (augmented inverse propensity weighting, cross-fitted; Robins, Rotnitzky and
Zhao 1994; Chernozhukov et al. 2018), with a variance that does not trust the model.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from novamind.errors import InsufficientDataError, ModelInferenceError
from novamind.populations.interventions.gaussian_process import MAX_ROWS, ArmSurface

MIN_PER_ARM: Final = 30
CLIP: Final = 0.01
_LARGE: Final = 20_000
_SWEEPS: Final = 20
_FOLDS: Final = 5
_FLAT: Final = 1e-6
_PRUNED: Final = 1e5
_ABSENT: Final = 1e9
"""Prior precision of what a model does not have."""
_SETTLED: Final = 0.05
_FREEDOM: Final = 0.24
"""Log evidence that one more prior variance must bring: twice what it brings where there is nothing to find, as in
Akaike's criterion. That is E[(t^2 - 1 - log t^2) / 2; t^2 > 1] = 0.12 for a standard normal t (MacKay's optimum)."""
_NEGLIGIBLE: Final = 1e-4
_UNLIKELY: Final = 1e-3
"""A prior of less chance is left out of the average."""

Floats = NDArray[np.float64]
Prior = tuple[float, Floats, float]
"""How likely it is, the prior precision of each weight, the noise precision."""


class Basis:
    """Linear, piecewise and kernel features of a matrix of covariates, shape (rows, covariates)."""

    def __init__(self, X: Floats, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.mean, spread = X.mean(axis=0), X.std(axis=0)
        self.kept = spread > 1e-12
        if not self.kept.any():
            raise InsufficientDataError("no covariate varies; give at least one that does")
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
        """Return the covariates that vary, at mean 0 and standard deviation 1."""
        return np.asarray((X - self.mean)[:, self.kept] / self.spread)

    def _kernel(self, Z: Floats) -> Floats:
        return np.asarray(np.exp(-0.5 * _squared_distances(Z, self.landmarks) / self.scale))

    def parts(self, X: Floats) -> list[Floats]:
        """Return feature blocks, each of shape (rows, features of the block)."""
        Z = self.standard(X)
        pieces = [
            f for z, knots in zip(Z.T, self.knots, strict=True) for k in knots for f in (np.maximum(z - k, 0), z > k)
        ]
        return [
            Z,
            np.column_stack(pieces) if pieces else np.zeros((len(Z), 0)),
            self._kernel(Z) @ self.whiten,
        ]

    def groups(self, *, by_covariate: bool) -> NDArray[np.int64]:
        """Return the prior group of each feature: 0 for the intercept, then one number a group, ascending."""
        d, step = len(self.knots), int(by_covariate)
        pieces = [np.full(2 * len(k), 1 + d + step * j) for j, k in enumerate(self.knots)]
        label = np.concatenate([[0], 1 + step * np.arange(d), *pieces, np.full(self.whiten.shape[1], 1 + 2 * d)])
        return np.asarray(np.unique(label, return_inverse=True)[1], dtype=np.int64)

    def rows(self, X: Floats) -> Floats:
        """Return intercept and all parts, shape (rows, features)."""
        return np.hstack([np.ones((len(X), 1)), *self.parts(X)])

    def combine(self, X: Floats, weights: Floats) -> Floats:
        """``rows(X) @ weights`` without building the whitened kernel."""
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


def _moments(
    rows: Floats, treated: NDArray[np.int64], y: Floats, share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``P'P`` and ``P'y`` of the design ``P = [rows, (treated - share) * rows]``, from each arm's own."""
    own, outcome = [], []
    for arm in (0, 1):
        part = rows[treated == arm]
        own.append(part.T @ part)
        outcome.append(part.T @ y[treated == arm])
    gram, mixed, effect = (own[0] * (-share) ** power + own[1] * (1 - share) ** power for power in (0, 1, 2))
    return np.block([[gram, mixed], [mixed, effect]]), np.concatenate(
        [outcome[0] + outcome[1], outcome[0] * -share + outcome[1] * (1 - share)]
    )


def _evidence_procedure(
    gram: Floats, moment: Floats, total: float, n: int, main: NDArray[np.int64], effect: NDArray[np.int64]
) -> tuple[float, Floats, float]:
    """Log evidence, prior precision per weight and noise precision, given who shares a prior variance."""
    flat = [0, int(main[-1]) + 1]
    block = np.r_[main, effect + flat[1]]
    precision, beta, evidence = np.ones(int(block[-1]) + 1), 2.0, -np.inf
    precision[flat] = _FLAT
    for _ in range(_SWEEPS):
        each = precision[block]
        weights, covariance, log_det = _posterior(gram, moment, each, beta)
        used = 1 - each * np.diag(covariance)
        residual = max(float(total - 2 * weights @ moment + weights @ gram @ weights), 1e-9 * total)
        evidence = 0.5 * (np.log(each).sum() + n * np.log(beta) - beta * residual - (each * weights**2).sum() - log_det)
        before = precision
        precision = np.bincount(block, used) / np.maximum(np.bincount(block, weights**2), 1e-12)
        precision = np.clip(precision, _FLAT, _PRUNED)
        precision[flat] = _FLAT
        beta = float(max(n - used.sum(), 1.0) / residual)
        if np.abs(np.log(precision / before)).max() < _SETTLED:
            break
    return float(evidence), precision[block], beta


def _posterior(gram: Floats, moment: Floats, precision: Floats, beta: float) -> tuple[Floats, Floats, float]:
    """Return mean, covariance and log determinant of the weights' posterior."""
    factor, info = lapack.dpotrf(beta * gram + np.diag(precision), lower=1)
    if info:
        raise ModelInferenceError("the effect model is numerically singular; drop covariates that repeat one another")
    covariance, _ = lapack.dpotri(factor, lower=1)  # the upper half is zero
    covariance += covariance.T
    np.fill_diagonal(covariance, np.diag(covariance) / 2)
    return beta * covariance @ moment, covariance, 2 * float(np.log(np.diag(factor)).sum())


def averaged_posterior(gram: Floats, moment: Floats, priors: Sequence[Prior]) -> tuple[Floats, Floats]:
    """Return mean and covariance of the weights over the posteriors of several priors."""
    posteriors = [_posterior(gram, moment, precision, beta)[:2] for _, precision, beta in priors]
    mean = np.sum([p * own for (p, *_), (own, _) in zip(priors, posteriors, strict=True)], axis=0)
    spread = [
        p * (covariance + np.outer(own - mean, own - mean))
        for (p, *_), (own, covariance) in zip(priors, posteriors, strict=True)
    ]
    return np.asarray(mean), np.asarray(np.sum(spread, axis=0))


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
                f"an effect needs at least {MIN_PER_ARM} treated and {MIN_PER_ARM} untreated rows"
            )
        if np.ptp(y) == 0:
            raise InsufficientDataError("the outcome is the same in every row; no effect can be estimated")
        self.share = float(treated.mean())
        self.centre, self.unit = float(y.mean()), float(y.std())
        self.basis = Basis(X, self.seed)
        rows, scaled = self.basis.rows(X), (y - self.centre) / self.unit
        fold = np.random.default_rng(self.seed).permutation(len(y)) % _FOLDS
        folds = [_moments(rows[fold == k], treated[fold == k], scaled[fold == k], self.share) for k in range(_FOLDS)]
        gram, moment = (np.sum(part, axis=0) for part in zip(*folds, strict=True))
        priors, evidence = self._priors(gram, moment, float(scaled @ scaled), len(y))
        self.weights, self.covariance = averaged_posterior(gram, moment, priors)
        held_out = [averaged_posterior(gram - g, moment - m, priors)[0] for g, m in folds]
        self.propensity = np.full(len(y), self.share) if randomised else propensity(X, treated, self.seed)
        self._average(rows, treated, scaled, fold, held_out)
        self.arms = self._arms(X, treated, y, evidence - len(y) * np.log(self.unit))
        return self

    def _arms(
        self, X: Floats, treated: NDArray[np.int64], y: Floats, evidence: float
    ) -> tuple[ArmSurface, ArmSurface] | None:
        """Return Gaussian processes per arm where the arms are small and the evidence prefers them."""
        if max(int(treated.sum()), int((1 - treated).sum())) > MAX_ROWS:
            return None
        Z = self.basis.standard(X)
        arms = ArmSurface(Z[treated == 0], y[treated == 0]), ArmSurface(Z[treated == 1], y[treated == 1])
        return arms if arms[0].log_evidence + arms[1].log_evidence > evidence else None

    def _priors(self, gram: Floats, moment: Floats, total: float, n: int) -> tuple[list[Prior], float]:
        """Give the priors that count, and the log evidence of all together.

        The effect is a line or not, and its covariates share one variance or have one each, which the evidence must
        pay for.
        """
        each, shared = (self.basis.groups(by_covariate=fine) for fine in (True, False))
        line = 1 + len(self.basis.knots)  # the intercept and the linear part come first
        fits, score = [], []
        for effect in (shared, each, shared[:line], each[:line]):
            kept = slice(len(each) + len(effect))
            evidence, precision, beta = _evidence_procedure(gram[kept, kept], moment[kept], total, n, each, effect)
            fits.append((np.r_[precision, np.full(len(each) - len(effect), _ABSENT)], beta))
            score.append(evidence - _FREEDOM * (effect[-1] - shared[-1]))
        together = float(np.logaddexp.reduce(score))
        likely = np.exp(np.array(score) - together)
        likely[likely < _UNLIKELY] = 0.0
        chance = likely / likely.sum()
        priors = [(float(p), *fit) for p, fit in zip(chance, fits, strict=True) if p > 0]
        return priors, together - float(np.log(len(fits)))

    def _average(
        self, rows: Floats, treated: NDArray[np.int64], y: Floats, fold: NDArray[np.int64], held_out: Sequence[Floats]
    ) -> None:
        n, half = rows.shape
        score = np.empty(n)
        for k, weights in enumerate(held_out):
            out = fold == k
            base, effect = rows[out] @ weights[:half], rows[out] @ weights[half:]
            t, e = treated[out], np.clip(self.propensity[out], CLIP, 1 - CLIP)
            left = y[out] - base - (t - self.share) * effect
            score[out] = effect + left * (t / e - (1 - t) / (1 - e))
        self.average_effect = float(score.mean() * self.unit)
        self.standard_error = float(score.std(ddof=1) / np.sqrt(n) * self.unit)
        self.anchor = rows.mean(axis=0)

    def effect(self, X: Floats) -> Floats:
        """Return the individual effect, shape (rows,)."""
        if self.arms is not None:
            Z = self.basis.standard(X)
            return self.arms[1].mean(Z) - self.arms[0].mean(Z)
        half = len(self.weights) // 2
        shift = self.average_effect - self.unit * float(self.anchor @ self.weights[half:])
        return np.asarray(self.unit * self.basis.combine(X, self.weights[half:]) + shift)

    def spread(self, X: Floats) -> Floats:
        """Return the posterior standard deviation of the individual effect, shape (rows,)."""
        if self.arms is not None:
            Z = self.basis.standard(X)
            return np.asarray(np.sqrt(self.arms[0].variance(Z) + self.arms[1].variance(Z)))
        half = len(self.weights) // 2
        rows = self.basis.rows(X)
        variance = ((rows @ self.covariance[half:, half:]) * rows).sum(axis=1)
        return np.asarray(self.unit * np.sqrt(np.maximum(variance, 0.0)))

    def standard_error_at(self, X: Floats) -> float:
        """Give the standard error of the average effect over these rows.

        The error is that of the evidence's average and of the step from the evidence's covariates to these;
        the number of rows does not enter.
        """
        half = len(self.weights) // 2
        step = self.basis.rows(X).mean(axis=0) - self.anchor
        variance = self.unit**2 * float(step @ self.covariance[half:, half:] @ step)
        return float(np.sqrt(self.standard_error**2 + max(variance, 0.0)))


def propensity(X: Floats, treated: NDArray[np.int64], seed: int = 0) -> Floats:
    """Return the cross-fitted chance of treatment by logistic regression on covariates and their hinges."""
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
