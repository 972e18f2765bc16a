"""The scan finds a lag, moves with it, and conditions as ordinary regression does."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.ndimage import gaussian_filter1d
from scipy.stats import binom, norm

from novamind.biometrics import lag_scan, rhythm
from novamind.biometrics.decision import lag_interval
from novamind.biometrics.domain import Floats, PersonSeries
from novamind.biometrics.engine import PersonProfile, analyse
from novamind.biometrics.features import lag_posterior, z_values
from novamind.biometrics.lag_scan import Scan, tail_probability
from novamind.biometrics.ornstein_uhlenbeck import Regression, draw, fit_regression
from tests.biometrics.conftest import LAG, person


@pytest.mark.parametrize("shift", [0, -30, 21])
def test_shifting_the_signal_shifts_the_lag(shift: int) -> None:
    (found,) = analyse(person(shift=shift), draws=20).symptoms
    middle, low, high = lag_interval(lag_posterior(found.marginal))
    # A signal moved so far that the symptom leads it is found at a negative lag.
    assert middle[0] == pytest.approx(LAG + shift, abs=2)
    assert low[0] <= LAG + shift <= high[0]
    assert found.evidence[0] > 10 > 1 > found.evidence[1]


def test_no_scale_changes_anything() -> None:
    record = person()
    stretched = replace(record, hourly=record.hourly**2 * 7, reports=record.reports * 3 + 11)
    here, there = (analyse(r, draws=20).symptoms[0] for r in (record, stretched))
    assert np.array_equal(here.evidence, there.evidence)
    assert np.array_equal(here.p_value, there.p_value)


def scanned(fitted: Regression, columns: Floats) -> tuple[Scan, Floats]:
    """The profiles, and the regressors projected and in units of the reports' scale."""
    projected = fitted.project(columns.reshape(len(columns), -1)) / fitted.scale**2
    return lag_scan.scan(columns, projected, fitted.outcome), projected


def test_conditioning_is_what_adding_a_covariate_does() -> None:
    rng = np.random.default_rng(5)
    times = np.sort(rng.uniform(0, 600, 120))
    columns = rng.standard_normal((120, 2, 4, 5))
    fitted = fit_regression(times, rng.standard_normal(120), np.ones((120, 1)))
    flat = columns.reshape(120, -1)
    profile, projected = scanned(fitted, columns)
    wider = replace(fitted, design=np.column_stack([fitted.design, flat[:, [3, 17]]]))
    expected, _ = scanned(wider, columns)
    conditional = lag_scan.conditioned(profile, columns, projected, [3, 17])
    others = np.setdiff1d(np.arange(flat.shape[1]), [3, 17])
    assert np.allclose(conditional.score.ravel()[others], expected.score.ravel()[others])
    assert np.allclose(conditional.information.ravel()[others], expected.information.ravel()[others])


def test_bayes_factor_has_mean_one_without_a_link() -> None:
    """Which is what makes it evidence: chance exceeds k at most once in k."""
    rng = np.random.default_rng(6)
    information = np.full((1, 4, 30), 80.0)
    z = rng.standard_normal((4000, 4, 30))
    factors = np.exp([lag_scan.evidence(Scan(one[None] * np.sqrt(80.0), information))[0] for one in z])
    assert factors.mean() == pytest.approx(1, abs=0.05)
    assert (factors > 10).mean() < 0.1


def test_tail_probability_goes_beyond_the_draws_and_never_rises() -> None:
    draws = np.random.default_rng(7).exponential(size=(400, 3))
    p = np.array([tail_probability(np.full(3, x), draws)[0][0] for x in np.linspace(0, 12, 60)])
    assert (np.diff(p) <= 1e-12).all()
    assert p[-1] == pytest.approx(np.exp(-12), rel=2)


def rare(seed: int, answers: int) -> PersonSeries:
    """Reports of which few differ from the commonest, and which go with no signal."""
    record = person(seed, days=60, effect=0.0)
    reports = np.zeros((len(record.report_hours), 1))
    reports[np.random.default_rng(seed).choice(len(reports), answers, replace=False)] = 1.0
    return replace(record, reports=reports)


def test_rare_answers_beside_a_signal_worn_for_days_are_tempered() -> None:
    """A handful of events that fall into a short coverage go with anything; ordinary records count in full."""

    def tempering(one: PersonSeries, seed: int) -> float:
        return analyse(one, max_lag=72, seed=seed, draws=200).symptoms[0].tempering

    def worn_briefly(one: PersonSeries) -> PersonSeries:
        hourly = np.full(one.hourly.shape, np.nan)
        hourly[480:672] = one.hourly[480:672]
        return replace(one, hourly=hourly)

    usual = [person(seed, days=60, effect=0.0) for seed in range(3)]
    assert max(tempering(worn_briefly(rare(seed, 5)), seed) for seed in range(3)) < 0.7
    assert min(tempering(worn_briefly(one), seed) for seed, one in enumerate(usual)) > 0.7
    assert min(tempering(one, seed) for seed, one in enumerate(usual)) > 0.7


@pytest.mark.parametrize("answers", [4, 12])
def test_rare_answers_keep_the_stated_rate(answers: int) -> None:
    p = np.concatenate(
        [s.p_value for seed in range(40) for s in analyse(rare(seed, answers), max_lag=72, draws=60).symptoms]
    )
    alarms = int((p < 0.05).sum())
    assert alarms <= binom.ppf(0.999, len(p), 0.05), f"{alarms} of {len(p)}"


# -- each part by its formula ------------------------------------------------------------------------------------------


def test_near_lags_are_likelier_and_two_thirds_of_the_prior_lie_ahead() -> None:
    prior = np.exp(lag_scan.log_prior(3, 50))
    assert prior.sum() == pytest.approx(1)
    assert prior[:3].sum() == pytest.approx(0.65)
    assert prior[3].sum() == pytest.approx(0.35)
    assert prior[0] == pytest.approx(prior[2])
    assert prior[:, 24] == pytest.approx(prior[:, 0] / 2)  # half after a day
    assert prior[0, 10] / prior[0, 0] == pytest.approx(24 / 34)


@pytest.mark.parametrize(("score", "information"), [(30.0, 100.0), (-5.0, 80.0), (0.0, 9.0), (120.0, 300.0)])
def test_the_bayes_factor_is_the_integral_over_effects(score: float, information: float) -> None:
    """Effects normal with SD 0.12 or 0.3, each half, against none; the likelihood is normal."""

    def marginal(size: float) -> float:
        def density(effect: float) -> float:
            return float(np.exp(score * effect - information * effect**2 / 2) * norm.pdf(effect, 0, size))

        centre = score / information
        return float(quad(density, centre - 2, centre + 2, points=[centre, 0.0], limit=400)[0])

    found = lag_scan.log_bayes_factor(Scan(np.array([score]), np.array([information])))
    assert found[0] == pytest.approx(np.log((marginal(0.12) + marginal(0.3)) / 2), abs=1e-6)


def test_evidence_is_the_bayes_factor_averaged_over_the_prior() -> None:
    rng = np.random.default_rng(8)
    profile = Scan(20 * rng.standard_normal((3, 4, 12)), rng.uniform(50, 150, (3, 4, 12)))
    factors = np.exp(lag_scan.log_bayes_factor(profile))
    expected = np.log((factors * np.exp(lag_scan.log_prior(3, 12))).sum((1, 2)))
    assert lag_scan.evidence(profile) == pytest.approx(expected)
    huge = Scan(np.full((1, 4, 2), 1e5), np.full((1, 4, 2), 1e3))
    assert np.isfinite(lag_scan.evidence(huge)).all()


def test_z_is_the_score_in_standard_errors_and_0_without_information() -> None:
    z = z_values(Scan(np.array([6.0, 5.0, -1.0, 1.0]), np.array([4.0, 0.0, 1e-6, 1.1e-6])))
    assert z == pytest.approx([3.0, 0.0, 0.0, 1 / np.sqrt(1.1e-6)])


def test_convolution_agrees_with_numpy() -> None:
    rng = np.random.default_rng(9)
    for n in (40, 64, 127):
        series, kernel = rng.standard_normal(n), rng.standard_normal(11)
        assert lag_scan._convolved(series, kernel) == pytest.approx(np.convolve(series, kernel, "same"))


def test_smoothed_courses_have_mean_0_and_unit_variance_and_are_smoother_with_each_kernel(
    analysed: PersonProfile,
) -> None:
    smoothed = analysed.prepared.courses
    assert smoothed.shape == (len(analysed.signals), 3, analysed.person.hours)
    assert smoothed.mean(-1) == pytest.approx(0, abs=1e-9)
    assert smoothed.std(-1) == pytest.approx(1)
    rough = np.abs(np.diff(smoothed, axis=-1)).mean(-1)
    assert (np.diff(rough, axis=1) < 0).all()
    first = analysed.prepared.processes[0]
    course = first.whitening.state(np.nan_to_num(analysed.prepared.signals[:, [0]]))[:, 0]
    assert first.course == pytest.approx(course)
    assert smoothed[0, 0] == pytest.approx((course - course.mean()) / course.std())
    wide = gaussian_filter1d(course, 6.0, mode="constant")
    assert smoothed[0, 2] == pytest.approx((wide - wide.mean()) / wide.std())
    flat = replace(first, course=np.zeros_like(course))
    assert not rhythm._smoothed((flat,), len(course)).any()


def test_regressors_are_the_courses_at_the_reports_less_the_lag(analysed: PersonProfile) -> None:
    prepared, (symptom, *_) = analysed.prepared, analysed.symptoms
    hours = analysed.person.hours
    smoothed = prepared.courses
    times = np.array([0.25, 17.75, 300.5, hours - 1.25])
    offset = np.array([0.5, 0.0, 0.25, 0.0, 0.1])
    memory = symptom.regression.inertia.covariance(lag_scan.MEMORY)
    columns = lag_scan.regressors(prepared, memory, times, offset, 30)
    assert columns.shape == (4, 5, 4, 31)
    hour = np.arange(hours, dtype=float)
    own = symptom.regression.inertia.covariance(np.arange(-144.0, 145))
    for b in range(5):
        fresh = prepared.processes[b].whitening(np.nan_to_num(prepared.signals[:, [b]]))[:, 0]
        backward = np.convolve(fresh, own, "full")[144 : 144 + hours]
        for kernel, series in enumerate((*smoothed[b], backward / backward.std())):
            padded_hour = np.concatenate([[-1.0], hour, [hours]])
            padded = np.concatenate([[0.0], series, [0.0]])  # nothing beyond the record
            for lag in (0, 1, 7, 30):
                at = times - offset[b] + (lag if kernel == 3 else -lag)
                expected = np.interp(at, padded_hour, padded, left=0.0, right=0.0)
                assert columns[:, b, kernel, lag] == pytest.approx(expected, abs=1e-9)


def test_a_scan_is_generalised_least_squares() -> None:
    rng = np.random.default_rng(10)
    times = np.sort(rng.uniform(0, 300, 50))
    fitted = fit_regression(times, rng.standard_normal(50), np.ones((50, 1)))
    columns = rng.standard_normal((50, 1, 4, 2))
    profile, projected = scanned(fitted, columns)
    covariance = fitted.inertia.covariance(times[:, None] - times) + fitted.inertia.noise * np.eye(50)
    inverse = np.linalg.inv(covariance * fitted.scale**2)
    weight = inverse - inverse.sum(1, keepdims=True) @ inverse.sum(0, keepdims=True) / inverse.sum()
    flat = columns.reshape(50, 8)
    assert projected == pytest.approx(weight @ flat)
    assert profile.score.ravel() == pytest.approx(flat.T @ weight @ fitted.outcome)
    assert profile.information.ravel() == pytest.approx(np.diag(flat.T @ weight @ flat))
    # Held twice is held once, and what is held leaves nothing of itself.
    once, twice = (lag_scan.conditioned(profile, columns, projected, chosen) for chosen in ([3], [3, 3]))
    assert twice.score == pytest.approx(once.score, abs=1e-9)
    assert once.information.ravel()[3] == pytest.approx(0, abs=1e-9)
    assert (once.information >= 0).all()


def test_chance_is_evidence_of_drawn_reports_with_the_same_answers() -> None:
    """Draw by draw: ranks of a drawn series get the person's answers, and are scanned with a scale of their own."""
    rng = np.random.default_rng(11)
    times = np.sort(rng.uniform(0, 300, 40))
    outcome = np.round(rng.standard_normal(40))
    fitted = fit_regression(times, outcome, np.column_stack([np.ones(40), np.sin(times)]))
    columns = rng.standard_normal((40, 2, 4, 3))
    profile, _ = scanned(fitted, columns)
    found = lag_scan.chance(columns, profile, fitted.simulated(times, 6, np.random.default_rng(5)))
    again = np.random.default_rng(5)
    series = draw(fitted.plausible(6, again), times, again)
    flat = columns.reshape(40, -1)
    for i in range(6):
        answers = np.sort(outcome)[series[:, i].argsort().argsort()]
        projected = fitted.project(answers[:, None])[:, 0]
        scale = np.sqrt(answers @ projected / 38)
        score = (flat.T @ projected / (scale * fitted.scale)).reshape(2, 4, 3)
        assert found[i] == pytest.approx(lag_scan.evidence(Scan(score, profile.information)), abs=1e-8)


def test_constants_of_the_scan() -> None:
    assert (rhythm.KERNELS, lag_scan.EFFECTS) == ((0.0, 2.5, 6.0), (0.12, 0.3))
