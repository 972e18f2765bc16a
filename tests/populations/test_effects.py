"""The effect model, part by part: each moment, posterior and evidence against its closed form."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from novamind.errors import InsufficientDataError, ModelInferenceError
from novamind.populations.interventions import effects
from novamind.populations.interventions.effects import Basis, EffectModel, propensity
from tests.golden import check_golden


def covariates(n: int = 120, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [rng.normal(5, 2, n), np.full(n, 3.0), rng.integers(0, 3, n), rng.integers(0, 7, n), rng.exponential(size=n)]
    )


def test_constants_of_the_method() -> None:
    assert (effects.MIN_PER_ARM, effects.CLIP) == (30, 0.01)
    assert (effects._SWEEPS, effects._FOLDS, effects._LARGE) == (20, 5, 20_000)
    # The evidence of MacKay's optimum where there is nothing to find: E[(t^2 - 1 - log t^2) / 2; t^2 > 1], twice.
    t = np.linspace(1, 12, 200_001)
    gain = 2 * np.trapezoid(stats.norm.pdf(t) * (t**2 - 1 - np.log(t**2)) / 2, t)
    assert pytest.approx(2 * gain, abs=0.01) == effects._FREEDOM


def test_covariates_that_vary_are_standardised() -> None:
    X = covariates()
    basis = Basis(X, 0)
    Z = basis.standard(X)
    assert basis.kept.tolist() == [True, False, True, True, True]
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=0), 1)
    np.testing.assert_allclose(basis.standard(X[:2] + 1), (X[:2] + 1 - X.mean(axis=0))[:, basis.kept] / basis.spread)
    with pytest.raises(InsufficientDataError, match="no covariate varies"):
        Basis(np.ones((50, 2)), 0)


def test_hinges_and_steps_stand_at_quantiles_of_what_has_more_than_six_values() -> None:
    X = covariates()
    basis = Basis(X, 0)
    Z = basis.standard(X)
    sixths = np.arange(1, 6) / 6
    assert [len(k) for k in basis.knots] == [5, 0, 5, 5] or len(np.unique(X[:, 3])) < 7
    np.testing.assert_allclose(basis.knots[0], np.quantile(Z[:, 0], sixths))
    linear, pieces, near = basis.parts(X)
    np.testing.assert_array_equal(linear, Z)
    first = basis.knots[0][0]
    np.testing.assert_array_equal(pieces[:, 0], np.maximum(Z[:, 0] - first, 0))
    np.testing.assert_array_equal(pieces[:, 1], Z[:, 0] > first)
    assert pieces.shape == (120, 2 * sum(map(len, basis.knots)))
    six, seven = (Basis(np.column_stack([np.arange(40) % v, np.arange(40.0)]), 0).knots[0] for v in (6, 7))
    assert (len(six), len(seven) > 0) == (0, True)
    few = Basis((np.arange(60) % 3)[:, None].astype(float), 0).parts((np.arange(6) % 3)[:, None].astype(float))
    assert few[1].shape == (6, 0)
    assert near.shape[0] == 120


def test_the_kernel_is_radial_on_landmarks_and_whitened() -> None:
    X = covariates()
    basis = Basis(X, 0)
    Z = basis.standard(X)
    assert {*map(tuple, basis.landmarks)} <= {*map(tuple, Z)}
    assert len(basis.landmarks) == 120
    assert len(Basis(covariates(400), 0).landmarks) == 150
    pairs = ((Z[:, None] - Z[None]) ** 2).sum(axis=2)
    assert basis.scale == pytest.approx(np.median(pairs[pairs > 1e-9]), rel=0.01)
    gram = np.exp(-((basis.landmarks[:, None] - basis.landmarks[None]) ** 2).sum(axis=2) / 2 / basis.scale)
    # Whitened: its rows on the landmarks have the kernel as their products.
    white = basis._kernel(basis.landmarks) @ basis.whiten
    np.testing.assert_allclose(white @ white.T, gram, atol=1e-5)
    np.testing.assert_allclose(basis.parts(X)[2], basis._kernel(Z) @ basis.whiten)
    assert not np.array_equal(Basis(X, 1).landmarks, basis.landmarks)


def test_many_rows_have_more_knots_and_fewer_landmarks() -> None:
    n = 20_001
    X = np.random.default_rng(0).normal(size=(n, 1))
    large, small = Basis(X, 0), Basis(X[:-1], 0)
    assert (len(large.knots[0]), len(large.landmarks)) == (9, 100)
    assert (len(small.knots[0]), len(small.landmarks)) == (5, 150)
    np.testing.assert_allclose(large.knots[0], np.quantile(large.standard(X)[:, 0], np.arange(1, 10) / 10))


def test_groups_of_features_that_share_a_variance() -> None:
    basis = Basis(np.column_stack([np.arange(40) % 3, np.arange(40) % 9, np.arange(40.0)]), 0)
    own, shared = basis.groups(by_covariate=True), basis.groups(by_covariate=False)
    a, b = (2 * len(k) for k in basis.knots[1:])
    kernel = basis.whiten.shape[1]
    assert own.tolist() == [0, 1, 2, 3, *[4] * a, *[5] * b, *[6] * kernel]
    assert shared.tolist() == [0, 1, 1, 1, *[2] * (a + b), *[3] * kernel]
    assert own.size == basis.rows(np.ones((1, 3))).shape[1]


def test_a_combination_is_that_of_all_features() -> None:
    X = covariates()
    basis = Basis(X, 0)
    rows = basis.rows(X)
    assert (rows[:, 0] == 1).all()
    np.testing.assert_array_equal(rows[:, 1:5], basis.standard(X))
    weights = np.random.default_rng(1).normal(size=rows.shape[1])
    weights[-basis.whiten.shape[1] :] *= 1e-2
    np.testing.assert_allclose(basis.combine(X, weights), rows @ weights, atol=2e-3)
    line = np.r_[weights[: -basis.whiten.shape[1]], np.zeros(basis.whiten.shape[1])]
    np.testing.assert_allclose(basis.combine(X, line), rows @ line, rtol=1e-9)


def test_distances() -> None:
    A, B = np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[3.0, 4.0], [1.0, 2.0], [0.0, 1.0]])
    np.testing.assert_allclose(effects._squared_distances(A, B), [[25, 5, 1], [8, 0, 2]])
    near = np.full((1, 2), 1e8) + 1e-3
    assert effects._squared_distances(near, near)[0, 0] == 0.0


def test_moments_are_those_of_the_whole_design() -> None:
    rng = np.random.default_rng(2)
    rows, treated, y = rng.normal(size=(30, 3)), rng.integers(0, 2, 30), rng.normal(size=30)
    design = np.hstack([rows, (treated - 0.3)[:, None] * rows])
    gram, moment = effects._moments(rows, treated, y, 0.3)
    np.testing.assert_allclose(gram, design.T @ design)
    np.testing.assert_allclose(moment, design.T @ y)


def test_the_posterior_of_the_weights() -> None:
    rng = np.random.default_rng(3)
    design, y, precision = rng.normal(size=(20, 4)), rng.normal(size=20), np.array([0.5, 1.0, 2.0, 4.0])
    gram = design.T @ design
    mean, covariance, log_det = effects._posterior(gram, design.T @ y, precision, 3.0)
    inverse = 3 * gram + np.diag(precision)
    np.testing.assert_allclose(covariance, np.linalg.inv(inverse))
    np.testing.assert_allclose(mean, np.linalg.solve(inverse, 3 * design.T @ y))
    assert log_det == pytest.approx(np.linalg.slogdet(inverse)[1])
    with pytest.raises(ModelInferenceError, match="numerically singular"):
        effects._posterior(-gram, design.T @ y, precision, 3.0)


def evidence_world(variances: Sequence[float], noise: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Sixty weights of each variance after an intercept, and the noise's variance."""
    rng = np.random.default_rng(seed)
    group = np.r_[0, np.repeat(np.arange(1, 1 + len(variances)), 60)]
    design = np.column_stack([np.ones(2_000), rng.normal(size=(2_000, 60 * len(variances)))])
    weights = np.r_[0.3, rng.normal(size=60 * len(variances)) * np.repeat(np.sqrt(variances), 60)]
    y = design @ weights + np.sqrt(noise) * rng.normal(size=2_000)
    return design, y, group, weights


def test_the_prior_variances_and_the_noise_are_found() -> None:
    design, y, group, weights = evidence_world([4.0, 0.01], 0.5)
    # The second half of the groups are the effect's; an intercept opens it.
    main, effect = group[:61], np.r_[0, group[61:] - 1]
    full = np.column_stack([design[:, :61], np.zeros(2_000), design[:, 61:]])
    gram, moment = full.T @ full, full.T @ y
    evidence, precision, beta = effects._evidence_procedure(gram, moment, float(y @ y), 2_000, main, effect)
    assert precision[0] == precision[61] == 1e-6
    for of, drawn in ((precision[1:61], weights[1:61]), (precision[62:], weights[61:])):
        assert np.ptp(of) == 0
        assert of[0] == pytest.approx(1 / np.mean(drawn**2), rel=0.25)
    assert beta == pytest.approx(1 / 0.5, rel=0.1)
    # Twice as much or half as much prior variance makes the outcomes less likely.
    best = marginal(full, y, precision, beta)
    assert evidence == pytest.approx(best + 1_000 * np.log(2 * np.pi), abs=1.0)
    for part in (slice(1, 61), slice(62, None)):
        for factor in (0.5, 2.0):
            other = precision.copy()
            other[part] *= factor
            assert marginal(full, y, other, beta) < best


def marginal(design: np.ndarray, y: np.ndarray, precision: np.ndarray, beta: float) -> float:
    """Log likelihood of the outcomes with the weights integrated out, by the matrix lemmas."""
    inverse = beta * design.T @ design + np.diag(precision)
    log_det = np.linalg.slogdet(inverse)[1] - np.log(precision).sum() - len(y) * np.log(beta)
    pull = beta * design.T @ y
    square = beta * y @ y - pull @ np.linalg.solve(inverse, pull)
    return float(-0.5 * (len(y) * np.log(2 * np.pi) + log_det + square))


def test_the_evidence_of_the_first_sweep_is_the_marginal_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "_SWEEPS", 1)
    rng = np.random.default_rng(4)
    design, y = rng.normal(size=(25, 6)), rng.normal(size=25)
    gram, moment = design.T @ design, design.T @ y
    label = np.array([0, 1, 2])
    evidence, precision, beta = effects._evidence_procedure(gram, moment, float(y @ y), 25, label, label)
    start = np.array([1e-6, 1, 1, 1e-6, 1, 1])
    covariance = np.eye(25) / 2.0 + design @ np.diag(1 / start) @ design.T
    exact = stats.multivariate_normal.logpdf(y, np.zeros(25), covariance) + 12.5 * np.log(2 * np.pi)
    assert evidence == pytest.approx(exact, abs=1e-4)
    # MacKay's step: effective weights over their squares, and rows left over the residual.
    weights, posterior, _ = effects._posterior(gram, moment, start, 2.0)
    used = 1 - start * np.diag(posterior)
    np.testing.assert_allclose(precision[[1, 2, 4, 5]], (used / weights**2)[[1, 2, 4, 5]])
    assert precision[0] == precision[3] == 1e-6
    residual = ((y - design @ weights) ** 2).sum()
    assert beta == pytest.approx((25 - used.sum()) / residual)


def test_weights_that_are_not_needed_are_shrunk_to_nothing() -> None:
    design, y, group, _ = evidence_world([1e-12], 1.0)
    label = np.array([0, *group[1:]])
    full = np.column_stack([design, np.zeros((2_000, 2))])
    precision = effects._evidence_procedure(full.T @ full, full.T @ y, float(y @ y), 2_000, label, np.array([0, 1]))[1]
    assert 300 < precision[1] <= 1e5
    assert 1e-6 <= precision[-1] <= 1e5


def trial(n: int = 300, seed: int = 0, bend: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    treated = rng.integers(0, 2, n)
    y = 7 + 3 * X[:, 0] + treated * (1 + 0.5 * X[:, 1] + bend * np.sin(2 * X[:, 0])) + rng.normal(size=n)
    return X, treated, y


def test_the_average_is_doubly_robust() -> None:
    X, treated, y = trial()
    model = EffectModel(3)
    model.basis, model.share, model.unit = Basis(X, 3), 0.4, 2.5
    rng = np.random.default_rng(5)
    rows = model.basis.rows(X)
    fold = rng.integers(0, 2, 300)
    weights = [rng.normal(size=2 * rows.shape[1]) * 0.1 for _ in range(2)]
    model.propensity = np.r_[np.full(299, 0.3), 0.001]
    treated[-1], treated[0] = 1, 0
    model._average(rows, treated, y, fold, weights)
    half, scores = rows.shape[1], []
    for i in range(300):
        own = weights[fold[i]]
        base, effect = rows[i] @ own[:half], rows[i] @ own[half:]
        chance = max(model.propensity[i], 0.01)  # clipped
        one, none = base + 0.6 * effect, base - 0.4 * effect
        seen = (y[i] - one) / chance if treated[i] else -(y[i] - none) / (1 - chance)
        scores.append(one - none + seen)
    assert model.average_effect == pytest.approx(2.5 * np.mean(scores))
    assert model.standard_error == pytest.approx(2.5 * np.std(scores, ddof=1) / np.sqrt(300))
    np.testing.assert_allclose(model.anchor, rows.mean(axis=0))


@pytest.mark.parametrize(("treated", "fits"), [(29, False), (30, True), (50, True), (51, False)])
def test_thirty_rows_an_arm_are_enough(treated: int, fits: bool) -> None:
    X, _, y = trial(80)
    arm = (np.arange(80) < treated).astype(int)
    if fits:
        assert EffectModel().fit(X, arm, y, randomised=True).share == treated / 80
    else:
        with pytest.raises(InsufficientDataError, match="at least 30 treated and 30 untreated"):
            EffectModel().fit(X, arm, y, randomised=True)
    with pytest.raises(InsufficientDataError, match="the same in every row"):
        EffectModel().fit(X, (np.arange(80) < 40).astype(int), np.ones(80), randomised=True)


def test_individual_effects_are_those_of_the_posterior_moved_to_the_average() -> None:
    X, treated, y = trial()
    model = EffectModel().fit(X, treated, y, randomised=True)
    assert (model.propensity == treated.mean()).all()
    assert (model.centre, model.unit, model.seed) == (pytest.approx(y.mean()), pytest.approx(y.std()), 0)
    model.arms = None
    half = len(model.weights) // 2
    rows = model.basis.rows(X)
    raw = y.std() * rows @ model.weights[half:]
    np.testing.assert_allclose(model.effect(X), raw - raw.mean() + model.average_effect, atol=2e-3)
    covariance = model.covariance[half:, half:]
    np.testing.assert_allclose(model.spread(X), y.std() * np.sqrt(np.einsum("ij,jk,ik->i", rows, covariance, rows)))
    step = model.basis.rows(X[:50] + 1).mean(axis=0) - rows.mean(axis=0)
    expected = np.sqrt(model.standard_error**2 + y.var() * step @ covariance @ step)
    assert model.standard_error_at(X[:50] + 1) == pytest.approx(expected)
    assert model.standard_error_at(X) == pytest.approx(model.standard_error)


def test_the_weights_are_the_average_over_priors_and_each_fold_is_held_out() -> None:
    X, treated, y = trial(150, 4)
    model = EffectModel(1).fit(X, treated, y, randomised=True)
    scaled, rows = (y - y.mean()) / y.std(), model.basis.rows(X)
    gram, moment = effects._moments(rows, treated, scaled, treated.mean())
    priors, _ = model._priors(gram, moment, float(scaled @ scaled), 150)
    assert sum(p for p, *_ in priors) == pytest.approx(1.0)
    assert 1 <= len(priors) <= 4
    mean, covariance = effects.averaged_posterior(gram, moment, priors)
    np.testing.assert_allclose(model.weights, mean, atol=1e-8)
    np.testing.assert_allclose(model.covariance, covariance, atol=1e-8)
    fold = np.random.default_rng(1).permutation(150) % 5
    held_out = []
    for k in range(5):
        part = effects._moments(rows[fold != k], treated[fold != k], scaled[fold != k], treated.mean())
        held_out.append(effects.averaged_posterior(*part, priors)[0])
    again = EffectModel(1)
    again.share, again.unit, again.propensity = model.share, model.unit, model.propensity
    again._average(rows, treated, scaled, fold, held_out)
    assert again.average_effect == pytest.approx(model.average_effect, rel=1e-6)
    assert again.standard_error == pytest.approx(model.standard_error, rel=1e-6)


def test_a_surface_that_bends_is_told_by_one_process_an_arm_where_arms_are_small() -> None:
    X, treated, y = trial(300, 2, bend=2.0)
    model = EffectModel().fit(X, treated, y, randomised=True)
    assert model.arms is not None
    Z = model.basis.standard(X)
    control, active = model.arms
    np.testing.assert_array_equal(control.Z, Z[treated == 0])
    np.testing.assert_array_equal(active.Z, Z[treated == 1])
    np.testing.assert_allclose(model.effect(X), active.mean(Z) - control.mean(Z))
    np.testing.assert_allclose(model.spread(X), np.sqrt(active.variance(Z) + control.variance(Z)))
    assert np.corrcoef(model.effect(X), 0.5 * X[:, 1] + 2 * np.sin(2 * X[:, 0]))[0, 1] > 0.9


@pytest.mark.parametrize(("rows", "allowed"), [(800, True), (801, False)])
def test_eight_hundred_rows_an_arm_are_the_most_for_a_process(
    rows: int, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sure:
        def __init__(self, *_: np.ndarray) -> None:
            self.log_evidence = 1.0

    monkeypatch.setattr(effects, "ArmSurface", Sure)
    X = np.random.default_rng(0).normal(size=(rows + 40, 1))
    model = EffectModel()
    model.basis = Basis(X, 0)
    for arm in ((np.arange(rows + 40) < rows).astype(int), (np.arange(rows + 40) >= rows).astype(int)):
        assert (model._arms(X, arm, X[:, 0], 1.999) is not None) is allowed
        assert model._arms(X, arm, X[:, 0], 2.0) is None  # no more evidence, no process


def test_the_chance_of_treatment_is_told_by_models_that_did_not_see_the_row() -> None:
    rng = np.random.default_rng(6)
    X = rng.normal(size=(3_000, 2))
    truth = 1 / (1 + np.exp(-1.2 * X[:, 0] + 0.5))
    treated = (rng.random(3_000) < truth).astype(int)
    found = propensity(X, treated)
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.04
    assert found.mean() == pytest.approx(treated.mean(), abs=0.005)
    # Where treatment is a coin that covariates know nothing of, a row's own coin must not be seen.
    seen = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X, coin = rng.normal(size=(400, 2)), rng.integers(0, 2, 400)
        seen.append(np.corrcoef(propensity(X, coin), coin)[0, 1])
    assert np.mean(seen) < 0


def test_intervals_of_the_average_are_neither_too_narrow_nor_too_wide() -> None:
    # 400 trials: 95 % of them must be covered, not 90 % or 68 % or 99 %; nine out of ten at 1.645 errors.
    inside = {1.0: 0, 1.645: 0, 1.96: 0}
    for seed in range(400):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(200, 1))
        treated = rng.integers(0, 2, 200)
        y = X[:, 0] + treated * (0.3 + 0.3 * X[:, 0]) + rng.normal(size=200)
        model = EffectModel()
        model.basis, model.share, model.unit = LINE, float(treated.mean()), 1.0
        rows = np.column_stack([np.ones(200), X])
        model.propensity = np.full(200, model.share)
        fold = rng.permutation(200) % 5
        held_out = []
        for k in range(5):
            gram, moment = effects._moments(rows[fold != k], treated[fold != k], y[fold != k], model.share)
            held_out.append(np.linalg.solve(gram, moment))
        model._average(rows, treated, y, fold, held_out)
        for reach in inside:
            inside[reach] += abs(model.average_effect - 0.3) < reach * model.standard_error
    assert 0.925 < inside[1.96] / 400 < 0.975
    assert 0.86 < inside[1.645] / 400 < 0.935
    assert 0.62 < inside[1.0] / 400 < 0.74


LINE = Basis(np.arange(6.0)[:, None], 0)


def test_effects_as_they_are() -> None:
    shown = []
    for seed, randomised in ((0, True), (1, False)):
        X, treated, y = trial(160, seed, bend=0.3 * seed)
        model = EffectModel(seed).fit(X, treated, y, randomised=randomised)
        linear = model.arms is None
        model.arms = None
        shown.append(
            {
                "average": model.average_effect,
                "error": model.standard_error,
                "linear": linear,
                "propensity": model.propensity[:6],
                "effects": model.effect(X[:6]),
                "spread": model.spread(X[:6]),
                "elsewhere": model.standard_error_at(X[:10] + 1),
            }
        )
    check_golden(__file__, "effects", shown, relative=1e-3, absolute=1e-4)


def test_the_sweeps_end_once_the_variances_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    design, y, group, _ = evidence_world([1.0], 1.0)
    gram, moment = design.T @ design, design.T @ y
    label, none = np.r_[0, group[1:]], np.array([0])
    full = np.zeros((62, 62))
    full[:61, :61] = gram
    asked: list[np.ndarray] = []
    posterior = effects._posterior

    def noted(gram: np.ndarray, moment: np.ndarray, precision: np.ndarray, beta: float) -> tuple[np.ndarray, ...]:
        asked.append(precision.copy())
        return posterior(gram, moment, precision, beta)

    monkeypatch.setattr(effects, "_posterior", noted)
    last = effects._evidence_procedure(full, np.r_[moment, 0.0], float(y @ y), 2_000, label, none)[1]
    steps = [np.abs(np.log(b / a)).max() for a, b in zip(asked, [*asked[1:], last], strict=True)]
    assert 2 <= len(asked) < 20
    assert steps[-1] < 0.05
    assert all(step >= 0.05 for step in steps[:-1])


def test_the_length_scale_is_told_by_five_hundred_rows() -> None:
    X = np.random.default_rng(0).normal(size=(700, 2))
    basis = Basis(X, 4)
    rng = np.random.default_rng(4)
    rng.permutation(700)
    Z = basis.standard(X)[rng.permutation(700)[:500]]
    pairs = effects._squared_distances(Z, Z)
    assert basis.scale == pytest.approx(np.median(pairs[pairs > 0]), rel=1e-9)


def test_four_priors_are_weighed_by_their_evidence_less_what_their_variances_cost() -> None:
    X, treated, y = trial(150, 4)
    scaled = (y - y.mean()) / y.std()
    model = EffectModel(1)
    model.basis = Basis(X, 1)
    rows = model.basis.rows(X)
    gram, moment = effects._moments(rows, treated, scaled, float(treated.mean()))
    total, features = float(scaled @ scaled), rows.shape[1]
    each, shared = (model.basis.groups(by_covariate=fine) for fine in (True, False))
    scores, fits = [], []
    # Piecewise or a line, with one variance for all covariates or one each; the last costs one variance more (of two
    # covariates), and three parts less where the effect is a line.
    for effect, extra in ((shared, 0), (each, 2), (shared[:3], -2), (each[:3], -1)):
        n = features + len(effect)
        evidence, precision, beta = effects._evidence_procedure(gram[:n, :n], moment[:n], total, 150, each, effect)
        scores.append(evidence - 0.24 * extra)
        fits.append((np.r_[precision, np.full(2 * features - n, 1e9)], beta))
    chance = np.exp(np.array(scores) - max(scores))
    evidence = max(scores) + np.log(chance.sum()) - np.log(4)
    chance /= chance.sum()
    kept = [(p, fit) for p, fit in zip(chance, fits, strict=True) if p >= 1e-3]
    priors, together = model._priors(gram, moment, total, 150)
    assert together == pytest.approx(evidence)
    assert [p for p, *_ in priors] == pytest.approx([p / sum(q for q, _ in kept) for p, _ in kept])
    for (_, precision, beta), (_, fit) in zip(priors, kept, strict=True):
        np.testing.assert_allclose(precision, fit[0])
        assert beta == pytest.approx(fit[1])


def test_processes_are_compared_by_the_evidence_of_the_outcomes_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(EffectModel, "_arms", lambda *of: asked.append(of[-1]))
    X, treated, y = trial(150, 4)
    model = EffectModel(1).fit(X, treated, y, randomised=True)
    rows = model.basis.rows(X)
    gram, moment = effects._moments(rows, treated, (y - y.mean()) / y.std(), float(treated.mean()))
    evidence = model._priors(gram, moment, 150.0, 150)[1]
    assert asked == [pytest.approx(evidence - 150 * np.log(y.std()), abs=1e-4)]


def test_the_chance_of_treatment_is_a_ridge_regression_on_lines_and_hinges(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn import linear_model

    asked: list[dict[str, float]] = []

    class Half:
        def __init__(self, **options: float) -> None:
            asked.append(options)

        def fit(self, rows: np.ndarray, treated: np.ndarray) -> "Half":
            self.seen = len(rows), rows.shape[1], treated.mean()
            return self

        def predict_proba(self, rows: np.ndarray) -> np.ndarray:
            return np.column_stack([np.zeros(len(rows)), np.full(len(rows), self.seen[2])])

    monkeypatch.setattr(linear_model, "LogisticRegression", Half)
    X = np.random.default_rng(0).normal(size=(100, 2))
    treated = (np.arange(100) < 30).astype(int)
    found = propensity(X, treated, 8)
    assert asked == [{"C": 0.1, "max_iter": 300, "tol": 1e-3}] * 5
    fold = np.random.default_rng(9).permutation(100) % 5
    np.testing.assert_allclose(found, [treated[fold != fold[i]].mean() for i in range(100)])
