"""The simulated truth is the truth: parameters can be recovered, each setting does what it says and nothing else."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.cohorts import OTHER_POPULATION, PLAIN_AUTOREGRESSION, CohortSettings, Trajectories, simulate
from novamind.errors import ValidationError
from tests.cohorts.summary import summary
from tests.golden import check_golden

POPULATIONS = (CohortSettings(), OTHER_POPULATION, PLAIN_AUTOREGRESSION)


def likeness_of_neighbours(paths: np.ndarray) -> np.ndarray:
    """Lag-one autocorrelation per row."""
    centred = paths.astype(float) - paths.mean(1, keepdims=True)
    return (centred[:, 1:] * centred[:, :-1]).sum(1) / (centred**2).sum(1)


def same(a: Trajectories, b: Trajectories) -> bool:
    return all(getattr(a, f.name).tobytes() == getattr(b, f.name).tobytes() for f in fields(Trajectories))


def moved_by(days: int = 240, persons: int = 400, **changes: float) -> tuple[Trajectories, np.ndarray]:
    """A cohort with one cause switched on, and how far it moves each person from their own twin without it.

    The twin has the same seed, so that what is not caused by the setting cancels; in units of the person's spread.
    """
    without = simulate(persons, days, seed=5, settings=PLAIN_AUTOREGRESSION)
    cohort = simulate(persons, days, seed=5, settings=replace(PLAIN_AUTOREGRESSION, **changes))
    return cohort, (cohort.expected - without.expected) / without.spread[:, None]


@pytest.mark.parametrize("population", POPULATIONS)
def test_same_seed_same_bytes(population: CohortSettings) -> None:
    once, again, other = (simulate(40, 60, seed=seed, settings=population) for seed in (3, 3, 4))
    assert same(once, again)
    assert not any(np.array_equal(once.severity[i], other.severity[i]) for i in range(40))


def test_the_default_population_needs_no_naming() -> None:
    assert same(simulate(5, 30, seed=0), simulate(5, 30, seed=0, settings=CohortSettings()))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(7, 70), st.integers(0, 2**32), st.sampled_from(POPULATIONS))
def test_reports_lie_on_their_instrument(persons: int, days: int, seed: int, population: CohortSettings) -> None:
    cohort = simulate(persons, days, seed=seed, settings=population)
    given_reports = cohort.reports[np.isfinite(cohort.reports)]
    assert cohort.reports.shape == cohort.severity.shape == cohort.expected.shape == (persons, days)
    assert ((given_reports >= 0) & (given_reports <= 1)).all()
    assert np.isfinite(cohort.severity).all()
    assert np.isfinite(cohort.expected).all()
    stepped = cohort.step > 0
    answers = cohort.reports[stepped] / cohort.step[stepped, None]
    assert np.nanmax(np.abs(answers - np.round(answers)), initial=0) < 1e-3
    assert ((cohort.weekday >= 0) & (cohort.weekday <= 6)).all()
    for day in (cohort.treatment_day, cohort.shift_day):
        assert ((day >= -1) & (day < days)).all()
    assert ((cohort.inertia >= 0) & (cohort.inertia < 1)).all()
    assert (cohort.spread > 0).all()


@pytest.mark.parametrize(("persons", "days", "seed"), [(0, 30, 0), (5, 6, 0), (5, 30, -1)])
def test_sizes_out_of_range_are_refused(persons: int, days: int, seed: int) -> None:
    with pytest.raises(ValidationError, match="at least 1 person, 7 days and a seed of 0 or more"):
        simulate(persons, days, seed=seed)


def test_inertia_is_recovered_from_the_true_path() -> None:
    almost_no_noise = replace(PLAIN_AUTOREGRESSION, noise_a=1.0, noise_b=1e6)
    cohort = simulate(200, 1500, seed=1, settings=almost_no_noise)
    estimate = likeness_of_neighbours(cohort.severity)
    assert np.corrcoef(estimate, cohort.inertia)[0, 1] > 0.98
    assert abs(np.mean(estimate - cohort.inertia)) < 0.01


def test_noise_hides_inertia_by_its_share() -> None:
    cohort = simulate(400, 1000, seed=2, settings=PLAIN_AUTOREGRESSION)
    assert np.mean(likeness_of_neighbours(cohort.expected) - cohort.inertia) == pytest.approx(0, abs=0.01)
    visible = (1 - cohort.noise_share) * cohort.inertia
    assert np.mean(likeness_of_neighbours(cohort.severity) - visible) == pytest.approx(0, abs=0.01)


def test_severity_is_what_was_expected_plus_noise_that_nobody_could_expect() -> None:
    cohort = simulate(400, 600, seed=3, settings=PLAIN_AUTOREGRESSION)
    noise = (cohort.severity - cohort.expected) / cohort.spread[:, None]
    error = 1 / np.sqrt(noise.size)
    assert abs(noise.mean()) < 5 * error
    assert abs(likeness_of_neighbours(noise).mean()) < 5 * error + 1 / 600
    follows = np.mean([np.corrcoef(n[1:], e[:-1])[0, 1] for n, e in zip(noise, cohort.expected, strict=True)])
    assert abs(follows) < 5 * error
    assert np.mean(noise.var(1) / cohort.noise_share) == pytest.approx(1, abs=0.05)


def test_level_and_spread_are_those_of_the_path() -> None:
    cohort = simulate(400, 1500, seed=4, settings=PLAIN_AUTOREGRESSION)
    assert np.mean((cohort.severity.mean(1) - cohort.level) / cohort.spread) == pytest.approx(0, abs=0.02)
    assert np.mean(cohort.severity.std(1) / cohort.spread) == pytest.approx(1, abs=0.03)


def test_drift_is_slow() -> None:
    drifting = replace(PLAIN_AUTOREGRESSION, drift_a=1e6, drift_b=1.0)
    still = simulate(300, 600, seed=6, settings=PLAIN_AUTOREGRESSION)
    moving = simulate(300, 600, seed=6, settings=drifting)

    def between_months(cohort: Trajectories) -> float:
        months = cohort.expected.reshape(300, 20, 30).mean(2)
        return float(np.mean(months.std(1) / cohort.spread))

    assert between_months(moving) > 2 * between_months(still)
    assert likeness_of_neighbours(moving.expected).mean() > 0.9


def test_treatment_lowers_what_is_expected_from_its_first_day_on() -> None:
    cohort, effect = moved_by(treatment_probability=1.0, relapse_probability=0.0)
    since = np.arange(effect.shape[1]) - cohort.treatment_day[:, None]
    assert (cohort.treatment_day >= 0).all()
    assert np.abs(effect[since <= 0]).max() < 1e-5
    by_week = [effect[(since > 7 * week) & (since <= 7 * (week + 1))].mean() for week in range(12)]
    assert by_week[0] < 0
    assert np.all(np.diff(by_week[:5]) < 0)  # response builds up over weeks
    assert by_week[-1] < -0.8  # about one usual variation


def test_relapse_takes_the_effect_of_treatment_away_again() -> None:
    kept = moved_by(days=400, treatment_probability=1.0, relapse_probability=0.0)
    lost = moved_by(days=400, treatment_probability=1.0, relapse_probability=1.0)
    late = np.arange(400) - kept[0].treatment_day[:, None] > 200
    assert kept[1][late].mean() < -0.8
    assert abs(lost[1][late].mean()) < 0.02


def test_shifts_are_abrupt_and_stay() -> None:
    cohort, effect = moved_by(shift_rate=1.0)
    jumps = np.abs(np.diff(effect, axis=1)) > 1e-4
    assert (jumps.sum(1) <= 2).all()
    last = np.array([np.flatnonzero(row)[-1] + 1 if row.any() else -1 for row in jumps])
    assert np.array_equal(last, cohort.shift_day)
    once_per_120_days = jumps.sum(1).mean() / 2
    assert once_per_120_days == pytest.approx(1.0, abs=0.1)


def test_the_weekly_rhythm_repeats_and_adds_nothing() -> None:
    _, effect = moved_by(days=210, weekly_sd=0.3)
    assert np.abs(effect[:, 7:] - effect[:, :-7]).max() < 1e-4
    assert np.abs(effect.mean(1)).max() < 1e-4
    assert effect.std(1).mean() > 0.1


def test_one_in_ten_lives_by_the_week() -> None:
    _, effect = moved_by(days=70, rhythmic_sd=0.6)
    assert np.abs(effect[:, 7:] - effect[:, :-7]).max() < 1e-4
    moved = np.ptp(effect, axis=1) > 1e-3
    assert moved.mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / len(moved)))
    assert np.ptp(effect[moved], axis=1).mean() > 0.5  # of the person's own variation


def test_episodes_come_and_go() -> None:
    _, effect = moved_by(days=400, episode_probability=1.0)
    share_ill = np.mean(np.abs(effect) > 0.5, axis=1)
    assert effect.mean() > 0.2  # an episode is a bad time
    assert np.median(share_ill) < 0.5  # wellness lasts longer
    assert np.mean((np.abs(effect).min(1) < 0.1) & (np.abs(effect).max(1) > 0.5)) > 0.7


def test_spikes_are_single_extreme_days() -> None:
    def extreme(rate: float) -> float:
        cohort = simulate(400, 240, seed=5, settings=replace(PLAIN_AUTOREGRESSION, spike_rate=rate))
        return float(np.mean((cohort.severity - cohort.expected) / cohort.spread[:, None] > 3))

    assert extreme(0.05) > 3 * extreme(0.0)


def test_first_days_are_reported_as_worse_than_they_are() -> None:
    plain = simulate(3000, 40, seed=7, settings=PLAIN_AUTOREGRESSION)
    elevated = simulate(3000, 40, seed=7, settings=replace(PLAIN_AUTOREGRESSION, elevation_sd=1.0))
    assert np.array_equal(plain.severity, elevated.severity)
    excess = np.nanmean(elevated.reports - plain.reports, axis=0)
    assert excess[0] > 0.01
    assert excess[:3].mean() > excess[5:10].mean()
    assert np.abs(excess[-5:]).max() < 1e-3


def test_sticky_people_repeat_themselves() -> None:
    def repeats(probability: float) -> float:
        cohort = simulate(1000, 60, seed=8, settings=replace(PLAIN_AUTOREGRESSION, sticky_probability=probability))
        now, before = cohort.reports[:, 1:], cohort.reports[:, :-1]
        return float(np.mean((now == before)[np.isfinite(now + before)]))

    assert repeats(1.0) > repeats(0.0) + 0.15


@pytest.mark.parametrize("every", [2, 3])
def test_sparse_reporters_keep_to_their_days(every: int) -> None:
    schedule = replace(PLAIN_AUTOREGRESSION, sparse_probability=1.0, sparse_every=(every,))
    cohort = simulate(300, 120, seed=9, settings=schedule)
    gaps = np.concatenate([np.diff(np.flatnonzero(np.isfinite(row))) for row in cohort.reports])
    assert (gaps % every == 0).all()
    assert np.isfinite(cohort.reports).mean() == pytest.approx(0.9 / every, abs=0.02)


def test_the_reporting_rate_is_the_one_that_was_asked_for() -> None:
    def rates(share: float) -> np.ndarray:
        asked = replace(PLAIN_AUTOREGRESSION, compliance_a=1e6 * share, compliance_b=1e6 * (1 - share))
        return np.isfinite(simulate(2000, 120, seed=10, settings=asked).reports).mean(1)

    for share in (0.5, 0.8):
        assert rates(share).mean() == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize("habit", ["tiring", "weekend_rest", "avoidance"])
def test_habits_leave_days_out(habit: str) -> None:
    asked = replace(PLAIN_AUTOREGRESSION, **{f"{habit}_probability": 1.0})
    cohort = simulate(2000, 120, seed=10, settings=asked)
    given = np.isfinite(cohort.reports)
    assert 0.5 < given.mean() < 0.95
    if habit == "tiring":
        assert given[:, -30:].mean() < given[:, :30].mean() - 0.1
    elif habit == "weekend_rest":
        weekend = (cohort.weekday[:, None] + np.arange(120)) % 7 >= 5
        assert given[~weekend].mean() == 1
        assert given[weekend].mean() < 0.7
    else:
        assert cohort.severity[~given].mean() > cohort.severity[given].mean() + 0.1


def test_the_plain_population_always_reports() -> None:
    assert np.isfinite(simulate(500, 120, seed=16, settings=PLAIN_AUTOREGRESSION).reports).all()


@pytest.mark.parametrize("every", [7, 14, 28])
def test_sparse_reporters_keep_about_one_appointment_a_period(every: int) -> None:
    schedule = replace(PLAIN_AUTOREGRESSION, sparse_probability=1.0, sparse_every=(every,))
    cohort = simulate(300, 280, seed=9, settings=schedule)
    gaps = np.concatenate([np.diff(np.flatnonzero(np.isfinite(row))) for row in cohort.reports])
    assert gaps.min() >= every - 2
    off = gaps % every
    assert (np.minimum(off, every - off) <= 2).all()


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_so_many_of_the_treated_respond(share: float) -> None:
    cohort, moved = moved_by(treatment_probability=1.0, response_probability=share, relapse_probability=0.0)
    begun = cohort.treatment_day < 180
    assert (np.abs(moved[begun, -1]) > 1e-3).mean() == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize(
    "change", [{"inertia_a": -1}, {"spread_median": -0.1}, {"spike_rate": 2.0}, {"sparse_every": ()}, {"noise_b": 0.0}]
)
def test_impossible_populations_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        replace(CohortSettings(), **change)


@pytest.mark.parametrize(
    "change", [{"burst_probability": 1.0}, {"habit_probability": 1.0}, {"compliance_b": 5.0, "compliance_a": 5.0}]
)
def test_gaps_and_habits_cost_reports(change: dict[str, float]) -> None:
    full = replace(CohortSettings(), sparse_probability=0.0, burst_probability=0.0, habit_probability=0.0)
    whole = np.isfinite(simulate(1500, 120, seed=11, settings=full).reports)
    fewer = np.isfinite(simulate(1500, 120, seed=11, settings=replace(full, **change)).reports)
    assert fewer.mean() < whole.mean() - 0.05


def test_bursts_are_days_in_a_row() -> None:
    always = replace(PLAIN_AUTOREGRESSION, compliance_a=8e5, compliance_b=2e5)
    singly = np.isnan(simulate(1500, 120, seed=12, settings=always).reports)
    bursts = np.isnan(simulate(1500, 120, seed=12, settings=replace(always, burst_probability=1.0)).reports)

    def stays_away(missing: np.ndarray) -> float:
        return float(missing[:, 1:][missing[:, :-1]].mean())

    assert stays_away(bursts) > stays_away(singly) + 0.2


def test_reporting_falls_as_the_weeks_go_on() -> None:
    by_week = np.isfinite(simulate(3000, 119, seed=13).reports).reshape(3000, 17, 7).mean((0, 2))
    assert by_week[:4].mean() > by_week[-4:].mean() + 0.05


def test_distress_has_no_ceiling_but_its_report_has() -> None:
    cohort = simulate(1000, 120, seed=14)
    assert (cohort.severity > 1).any()
    assert (cohort.severity < 0).any()
    answers = cohort.reports[np.isfinite(cohort.reports)]
    at_floor, at_ceiling = np.mean(answers == 0), np.mean(answers == 1)
    assert 0.05 < at_ceiling + 0.02 < at_floor < 0.4


def test_days_are_as_alike_as_those_of_published_diaries() -> None:
    cohort = simulate(2000, 120, seed=15)
    reports = cohort.reports[np.isfinite(cohort.reports).sum(1) > 60]
    centred = reports - np.nanmean(reports, axis=1, keepdims=True)
    variance = np.nanmean(centred**2, axis=1)
    alike = np.nanmean(centred[:, 1:] * centred[:, :-1], axis=1)[variance > 0] / variance[variance > 0]
    assert 0.1 < np.median(alike) < 0.4  # module docstring: inertia of negative affect


def test_the_plain_population_has_nothing_but_level_autoregression_and_noise() -> None:
    cohort = simulate(300, 120, seed=16, settings=PLAIN_AUTOREGRESSION)
    assert (cohort.treatment_day == -1).all()
    assert (cohort.shift_day == -1).all()
    assert cohort.drift_share.max() < 1e-3


#: Everybody has everything: each line of the simulator decides something.
EVERYTHING = replace(
    CohortSettings(),
    **{
        f.name: 1.0
        for f in fields(CohortSettings)
        if f.name.endswith("_probability") and not f.name.startswith(("sparse", "sticky"))
    },
    spike_rate=0.1,
    sparse_probability=0.4,
    sticky_probability=0.5,
)
GOLDEN_COHORTS = {
    "default": (CohortSettings(), 250, 60, 0),
    "default over a week": (CohortSettings(), 90, 7, 1),
    "default over a year": (CohortSettings(), 40, 364, 2),
    "other": (OTHER_POPULATION, 250, 60, 3),
    "plain": (PLAIN_AUTOREGRESSION, 120, 40, 4),
    "everything": (EVERYTHING, 250, 90, 5),
    "one person": (EVERYTHING, 1, 30, 6),
}


@pytest.mark.parametrize("name", GOLDEN_COHORTS)
def test_a_seed_draws_the_cohort_that_it_drew(name: str) -> None:
    population, persons, days, seed = GOLDEN_COHORTS[name]
    cohort = simulate(persons, days, seed=seed, settings=population)
    drawn = {f.name: summary(getattr(cohort, f.name)) for f in fields(Trajectories)}
    check_golden(__file__, f"cohort {name}", drawn, relative=1e-5, absolute=1e-6)


def test_a_whole_diary_is_the_one_that_it_was() -> None:
    cohort = simulate(6, 40, seed=12)
    check_golden(__file__, "six diaries", {"step": cohort.step, "reports": cohort.reports}, 1e-5, 1e-6)


def test_the_populations_are_the_documented_ones() -> None:
    check_golden(__file__, "populations", [CohortSettings(), OTHER_POPULATION, PLAIN_AUTOREGRESSION])


def test_the_smallest_cohort_is_one_person_a_week_and_seed_0() -> None:
    assert simulate(1, 7, seed=0).reports.shape == (1, 7)


@pytest.mark.parametrize("field", [f.name for f in fields(CohortSettings) if f.name != "sparse_every"])
def test_each_number_of_a_population_has_its_limits(field: str) -> None:
    """Shapes are above 0; shares lie between 0 and 1, both included; all else is a finite number from 0."""
    shape = field.endswith(("_a", "_b"))
    share = field.endswith("_probability") or field == "spike_rate"
    allowed = [1e-9, 1.0, *([] if shape else [0.0]), *([] if share else [7.0])]
    refused = [-1e-9, float("inf"), float("nan"), *([0.0] if shape else []), *([1.000001] if share else [])]
    for number in allowed:
        assert getattr(replace(CohortSettings(), **{field: number}), field) == number
    said = "positive" if shape else "between 0 and 1" if share else "a finite number of 0 or more"
    for number in refused:
        with pytest.raises(ValidationError, match=f"^{field} of a simulated population must be {said}$"):
            replace(CohortSettings(), **{field: number})


def test_schedules_are_whole_days() -> None:
    assert replace(CohortSettings(), sparse_every=(1,)).sparse_every == (1,)
    for refused in ((), (0,), (2, 0)):
        with pytest.raises(ValidationError, match="sparse_every of a simulated population must be whole numbers"):
            replace(CohortSettings(), sparse_every=refused)
    with pytest.raises(ValidationError, match="a finite number of 0 or more"):
        replace(CohortSettings(), sparse_every=(2, -1))


def test_sticky_people_repeat_the_day_before_and_nothing_else() -> None:
    never, always = (
        simulate(300, 40, seed=21, settings=replace(PLAIN_AUTOREGRESSION, sticky_probability=p)) for p in (0.0, 1.0)
    )
    own, copied = always.reports[:, 1:] == never.reports[:, 1:], always.reports[:, 1:] == always.reports[:, :-1]
    assert (own | copied).all()
    assert np.array_equal(never.reports[:, 0], always.reports[:, 0])


def test_sparse_reporters_have_the_stated_share() -> None:
    schedule = replace(PLAIN_AUTOREGRESSION, sparse_probability=0.25, sparse_every=(7,))
    rates = np.isfinite(simulate(3000, 70, seed=22, settings=schedule).reports).mean(1)
    assert (rates < 0.5).mean() == pytest.approx(0.25, abs=0.04)
    assert rates[rates < 0.5].mean() == pytest.approx(0.9 / 7, abs=0.01)


def test_reports_of_a_single_item_are_severity_in_steps() -> None:
    """Without habits and elevation a single item is the symptom: the nearest step of its own scale."""
    cohort = simulate(800, 30, seed=23, settings=PLAIN_AUTOREGRESSION)
    step = np.where(cohort.step > 0, cohort.step, 1.0)[:, None]
    nearest = np.round(np.clip(cohort.severity, 0, 1) / step) * step
    as_felt = (np.abs(nearest - cohort.reports) < 1e-5).all(1) & (cohort.step > 0)
    # 42 % of people answer a single item, 75 % of those in ten categories or fewer, which are told.
    assert as_felt.mean() == pytest.approx(0.42 * 0.75, abs=0.05)
