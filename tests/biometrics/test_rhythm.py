"""What is taken out of both sides before a lead is looked for: an illness that nobody logged."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm

from novamind.biometrics import rhythm
from novamind.biometrics.domain import Floats, PersonSeries
from novamind.biometrics.ornstein_uhlenbeck import Inertia, Whitening
from novamind.biometrics.rhythm import hourly_groups, prepare
from tests.biometrics.conftest import MONDAY, inertia, rich
from tests.cohorts.summary import summary
from tests.golden import check_golden

SIGNALS = ("hrv", "heart_rate", "steps", "skin_temp", "resp_rate")
DAYS, BEGIN, END = 60, 24 * 30, 24 * 34
ALL = np.arange(len(SIGNALS))


def ill() -> PersonSeries:
    """Five vital signs, and four days on which they move by 2 SD as they do in an infection."""
    rng = np.random.default_rng(11)
    level = np.column_stack([inertia(rng, 24 * DAYS, 5.0) for _ in SIGNALS])
    level[BEGIN:END] += 2.0 * np.array([-1, 1, -1, 1, 1])
    at = np.arange(24 * DAYS - 1, step=8) + 0.5
    return PersonSeries(
        signals=SIGNALS, symptoms=("mood",), start=MONDAY.astype("datetime64[h]"), hourly=level,
        offset=np.zeros(len(SIGNALS)), report_hours=at, reports=rng.integers(0, 5, (len(at), 1)).astype(float),
        measured=np.isfinite(level),
    )  # fmt: skip


def test_an_illness_that_nobody_logged_is_taken_out_of_both_sides() -> None:
    person = ill()
    prepared = prepare(person, ALL)
    days = prepared.illness.reshape(DAYS, 24).mean(1) > 0.5
    assert set(range(30, 34)) <= set(np.flatnonzero(days))
    assert days.sum() <= 8
    assert "illness" in prepared.design_names
    assert abs(np.nanmean(prepared.signals[BEGIN:END], axis=0)).max() < 0.6
    # Nobody said that it was one, so it is not called one.
    groups = hourly_groups(person, prepared)
    assert "possible illness" in groups
    assert "illness" not in groups


@pytest.mark.parametrize("logged", [np.zeros(24 * DAYS), (np.arange(24 * DAYS) // 24 == 3).astype(float)])
def test_where_a_log_is_kept_it_is_believed(logged: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    person = replace(ill(), confounders={"illness": logged})
    prepared = prepare(person, ALL)
    assert np.array_equal(prepared.illness, logged)
    assert "possible illness" not in hourly_groups(person, prepared)


# -- the parts, each by its rule ---------------------------------------------------------------------------------------


def test_normal_scores_are_quantiles_of_ranks_with_unit_variance() -> None:
    values = np.array([3.0, np.nan, -1.0, 100.0, 3.0])
    raw = norm.ppf(np.array([2.5, 1, 4, 2.5]) / 5)  # ties share their ranks
    expected = (raw - raw.mean()) / raw.std()
    scores = rhythm.normal_scores(values)
    assert scores[[0, 2, 3, 4]] == pytest.approx(expected)
    assert np.isnan(scores[1])
    assert rhythm.normal_scores(np.array([2.0, 2.0, np.nan])).tolist()[:2] == [0, 0]
    assert np.isnan(rhythm.normal_scores(np.full(3, np.nan))).all()


@pytest.mark.parametrize(
    ("start", "hour", "clock", "weekend"),
    [
        ("2024-01-05T23", 0.0, 23.0, False),  # Friday night
        ("2024-01-05T23", 1.0, 0.0, True),
        ("2024-01-06T00", 47.5, 23.5, True),  # Sunday, half an hour before midnight
        ("2024-01-06T00", 48.0, 0.0, False),
        ("1969-12-27T06", 0.25, 6.25, True),  # before 1970
        ("2024-02-29T12", 0.0, 12.0, False),
    ],
)
def test_clock_and_weekend(start: str, hour: float, clock: float, weekend: bool) -> None:
    person = replace(ill(), start=np.datetime64(start, "h"))
    told, free = rhythm._clock(person, np.array([hour]))
    assert told[0] == clock
    assert bool(free[0]) is weekend


def test_a_trend_has_mean_0_and_variance_1() -> None:
    trend = rhythm._trend(np.arange(2000.0), 2000)
    assert trend.mean() == pytest.approx(0, abs=1e-3)
    assert trend.std() == pytest.approx(1, abs=1e-3)
    assert (np.diff(trend) > 0).all()
    assert np.isfinite(rhythm._trend(np.arange(1.0), 0)).all()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_slopes_are_what_a_clock_an_hour_late_adds(order: int) -> None:
    clock, step = np.arange(0, 24, 0.5), 1e-6
    waves, slopes = rhythm._harmonics(clock, order)
    late, _ = rhythm._harmonics(clock - step, order)
    assert waves.shape == slopes.shape == (48, 2 * order)
    assert slopes == pytest.approx((late - waves) / step, abs=1e-5)
    assert waves[0].tolist() == [1, 0] * order
    again, _ = rhythm._harmonics(clock + 24, order)
    assert again == pytest.approx(waves)


def test_what_is_taken_out_is_gone_and_the_slope_is_told() -> None:
    rng = np.random.default_rng(2)
    clock = np.arange(240.0) % 24
    waves, slopes = rhythm._harmonics(clock, 2)
    design = np.column_stack([np.ones(240), waves, rng.standard_normal(240)])
    weights = np.array([5.0, 1.0, -2.0, 0.5, 0.25, 3.0])
    scores = (design @ weights)[:, None].repeat(2, axis=1)
    scores[::7, 0] = np.nan
    scores[8:, 1] = np.nan
    residual, late = rhythm._without(scores, design, slopes)
    assert np.nanmax(np.abs(residual[:, 0])) < 1e-9
    np.testing.assert_array_equal(np.isnan(residual), np.isnan(scores))
    assert late[:, 0] == pytest.approx(slopes @ weights[1:5])
    # Eight values for six columns are too few to tell anything.
    assert residual[:8, 1].tolist() == [0] * 8
    assert not late[:, 1].any()
    scores[8, 1] = 99.0
    told, slope = rhythm._without(scores, design, slopes)
    assert np.abs(told[:9, 1]).max() > 1e-9
    assert slope[:, 1].any()


def delayed(days: int, spread: float = 1.5, seed: int = 3, signals: int = 3) -> tuple[Floats, Floats, Floats]:
    """Signals that follow one clock which runs late by a random time each day: residuals, slopes, delays."""
    rng = np.random.default_rng(seed)
    delay = rng.normal(0, spread, days)
    hour = np.arange(24 * days)
    slopes = np.column_stack([np.sin(2 * np.pi * hour / 24 + k) for k in range(signals)])
    residual = slopes * delay.repeat(24)[:, None] + 0.7 * rng.standard_normal(slopes.shape)
    return residual, slopes, delay


def test_how_late_each_day_ran_is_found_at_its_noon() -> None:
    residual, slopes, delay = delayed(60)
    found = rhythm._sleep_timing(residual, slopes)
    at_noon = found[12::24]
    assert np.corrcoef(at_noon, delay)[0, 1] > 0.97
    assert 0.6 < np.polyfit(delay, at_noon, 1)[0] < 1  # drawn to 0
    assert found[24] == pytest.approx((at_noon[0] + at_noon[1]) / 2, abs=0.01)
    assert found[0] == at_noon[0]
    alone = rhythm._sleep_timing(residual[:, :1], slopes[:, :1])
    assert not alone.any()  # one signal alone shows nothing shared


def test_sleep_timing_by_its_formulas() -> None:
    """The same, written out day by day."""
    residual, slopes, _ = delayed(20, seed=4)
    residual[30:50, 0] = residual[100:180, 1] = np.nan
    days = np.arange(480) // 24
    each, told = np.full((20, 3), np.nan), np.zeros((20, 3), bool)
    weight = np.array([[np.sum(slopes[(days == d) & ~np.isnan(residual[:, b]), b] ** 2) for b in range(3)]
                       for d in range(20)])  # fmt: skip
    for d in range(20):
        for b in range(3):
            known = (days == d) & ~np.isnan(residual[:, b])
            told[d, b] = weight[d, b] > 0.25 * np.median(weight[:, b])
            if told[d, b]:
                each[d, b] = (slopes[known, b] * residual[known, b]).sum() / weight[d, b]
    spread = np.nanvar(each, axis=0)
    total = (told / spread).sum(1)
    common = np.nansum(np.where(told, each / spread, 0), axis=1) / total
    products = weights = 0.0
    for a, b in ((1, 0), (2, 0), (2, 1)):
        both = told[:, a] & told[:, b]
        w = both.sum() / np.sqrt(spread[a] * spread[b])
        products += w * np.cov(each[both, a], each[both, b])[0, 1]
        weights += w
    shared = products / weights
    expected = common * shared / (shared + 1 / total)
    found = rhythm._sleep_timing(residual, slopes)
    assert found[12::24] == pytest.approx(expected)


def test_a_week_is_needed_to_tell_sleep_timing() -> None:
    for hours, told in ((7 * 24 - 1, False), (7 * 24, True)):
        residual, slopes, _ = delayed(8, spread=3.0)
        assert rhythm._sleep_timing(residual[:hours], slopes[:hours]).any() == told


def test_clocks_that_agree_in_nothing_were_never_late() -> None:
    rng = np.random.default_rng(5)
    _, slopes, _ = delayed(60)
    delays = rng.normal(0, 1.5, (60, 3))
    delays[:, 1] = -delays[:, 0]
    found = rhythm._sleep_timing(slopes * delays.repeat(24, axis=0), slopes)
    assert np.abs(found).max() < 0.2


DIRECTIONS = {
    "hrv": -1, "rmssd": -1, "heart_rate_variability": -1, "steps": -1, "activity": -1, "spo2": -1,
    "oxygen_saturation": -1,
    "heart_rate": 1, "resting_heart_rate": 1, "resting_hr": 1, "skin_temp": 1, "skin_temperature": 1,
    "temperature": 1, "body_temperature": 1, "resp_rate": 1, "respiratory_rate": 1, "sleep": 1, "sleep_duration": 1,
}  # fmt: skip


def test_an_infection_moves_vital_signs_as_published() -> None:
    """Radin et al. 2020: resting heart rate and sleep up, activity down; Natarajan et al. 2020: breathing up,
    variability down; fever raises temperatures; oxygen falls (Mishra et al. 2020)."""
    assert DIRECTIONS == rhythm.ILLNESS_DIRECTION


def test_an_illness_needs_three_signals_worn_and_moving_the_right_way() -> None:
    person = ill()
    found = prepare(person, ALL).illness
    assert found.max() == pytest.approx(1, abs=0.05)
    assert not prepare(person, ALL[:2]).illness.any()
    assert prepare(person, ALL[:3]).illness.any()
    mirrored = replace(person, signals=("heart_rate", "hrv", "spo2_deviation", "spo2", "rmssd"))
    assert prepare(mirrored, ALL).illness[BEGIN + 24 : END - 24].max() < 0.1
    named_in_capitals = replace(person, signals=tuple(name.upper() for name in SIGNALS))
    assert np.array_equal(prepare(named_in_capitals, ALL).illness, found)
    thin = person.hourly.copy()
    thin[np.arange(24 * DAYS) % 5 > 0, 2:] = np.nan  # a fifth of the hours is not more than a fifth
    assert not prepare(replace(person, hourly=thin), ALL).illness.any()


class White:
    """A signal that nothing is known of beforehand: as it is."""

    def __call__(self, columns: Floats) -> Floats:
        return columns


def episode(statistic: float, sides: tuple[int, ...], hours: int = 900, days: int = 4) -> Floats:
    """What is found of some days on which each signal moves alike, by so much that they add up to a statistic."""
    height = np.sqrt(statistic / (24 * days) / sum(1.0 if side > 0 else -0.5 for side in sides))
    residual = np.zeros((hours, len(sides)))
    residual[60 : 60 + 24 * days] = height * np.array(sides)
    names = ("heart_rate", "temperature", "resp_rate", "sleep")[: len(sides)]
    return rhythm._illness(residual, (White(),) * len(sides), names)


@pytest.mark.parametrize("days", [2, 3, 4, 5, 6, 7])
def test_an_episode_counts_from_a_statistic_of_14(days: int) -> None:
    box = np.zeros(900)
    box[60 : 60 + 24 * days] = 1
    assert episode(14.2, (1, 1, 1), days=days) == pytest.approx(gaussian_filter1d(box, 8))
    assert not episode(13.8, (1, 1, 1), days=days).any()


def test_a_signal_that_moves_the_wrong_way_counts_half_against() -> None:
    assert episode(14.2, (1, 1, 1, -1)).any()
    assert not episode(13.8, (1, 1, 1, -1)).any()


def test_an_episode_is_a_third_of_the_record_at_most() -> None:
    assert episode(20.0, (1, 1, 1), hours=144, days=2).any()
    assert not episode(20.0, (1, 1, 1), hours=143, days=2).any()


def test_several_illnesses_are_found_up_to_four() -> None:
    rng = np.random.default_rng(6)
    days = 150
    level = np.column_stack([inertia(rng, 24 * days, 5.0) for _ in SIGNALS])
    begins = [24 * d for d in (10, 40, 70, 100, 130)]
    for begin in begins:
        level[begin : begin + 96] += 3.0 * np.array([-1, 1, -1, 1, 1])
    person = replace(ill(), hourly=level)
    found = prepare(person, ALL).illness
    assert sum(found[begin + 48] > 0.5 for begin in begins) == 4


def test_information_about_an_episode_is_that_of_its_dense_covariance() -> None:
    process = Inertia(np.array([3.0, 60.0]), np.array([0.5, 0.3]), 0.2)
    hour = np.arange(120.0)
    (known,) = rhythm._information(48, [Whitening(hour, process)], 120)
    episode = (np.abs(hour - 59.5) < 24).astype(float)
    covariance = process.covariance(hour[:, None] - hour) + 0.2 * np.eye(120)
    assert known == pytest.approx(episode @ np.linalg.solve(covariance, episode))


def parts(prepared: rhythm.Prepared) -> dict[str, Any]:
    wave = np.sin(np.arange(len(prepared.signals)))[:, None]
    return {
        "signals": [summary(column) for column in prepared.signals.T],
        "inertia": tuple(process.inertia for process in prepared.processes),
        "whitening": [summary(process.whitening(wave)) for process in prepared.processes],
        "design": dict(enumerate(zip(prepared.design_names, map(summary, prepared.design.T), strict=True))),
        "illness": summary(prepared.illness),
        "jitter": summary(prepared.jitter),
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_records_are_prepared_as_they_were(seed: int) -> None:
    person = rich(seed)
    prepared = prepare(person, np.array([0, 1, 2, 4]))
    groups = {name: [summary(c) for c in columns.T] for name, columns in hourly_groups(person, prepared).items()}
    check_golden(__file__, f"prepared {seed}", {**parts(prepared), "groups": groups}, 1e-5, 1e-7)


def test_a_record_with_a_log_is_prepared_as_it_was() -> None:
    logged = rich(2, days=20)
    logged.confounders["illness"] = (np.arange(480) // 48 == 4) * 1.0
    check_golden(__file__, "prepared with a log", parts(prepare(logged, np.arange(5))), 1e-5, 1e-7)
    short = replace(ill(), hourly=ill().hourly[:160], report_hours=np.arange(5, 160, 8.0), reports=np.zeros((20, 1)))
    check_golden(__file__, "prepared six days", parts(prepare(short, ALL)), 1e-5, 1e-7)


def test_reports_are_corrected_for_what_is_known_at_their_time() -> None:
    person = replace(ill(), confounders={"medication": np.arange(24 * DAYS) / 100, "calendar": np.zeros(24 * DAYS)})
    person = replace(person, report_hours=np.array([1.5, 30.0, 24 * 5 + 3.25, 24 * 12 + 7.75]))
    design, names = rhythm._report_design(person, np.zeros(24 * DAYS), np.zeros(24 * DAYS))
    assert names == ("level", *["time of day"] * 4, "weekday", "trend", "medication")  # what never changes is left out
    assert design[:, 0].tolist() == [1] * 4
    assert design[:, 7] == pytest.approx(person.report_hours / 100)
    assert design[:, 5].tolist() == [0, 0, 1, 1]
    jitter, sick = np.arange(24 * DAYS) / 50, (np.arange(24 * DAYS) > 100) * 1.0
    design, names = rhythm._report_design(person, jitter, sick)
    assert names[8:] == ("illness", "sleep timing", "sleep timing")
    assert design[:, 8].tolist() == [0, 0, 1, 1]
    assert design[:, 9:] == pytest.approx(design[:, 1:3] * (person.report_hours / 50)[:, None])


def test_groups_have_the_names_that_people_read() -> None:
    person = replace(ill(), confounders={"medication": np.arange(24.0 * DAYS)})
    prepared = prepare(person, ALL)
    groups = hourly_groups(person, prepared)
    assert list(groups) == ["time of day", "weekday", "trend", "medication", "possible illness",
                            *(["sleep timing"] if prepared.jitter.any() else [])]  # fmt: skip
    assert {name: columns.shape[1] for name, columns in groups.items()} == {
        name: {"time of day": 4, "sleep timing": 2}.get(name, 1) for name in groups
    }
    quiet = replace(prepared, illness=np.zeros(24 * DAYS), jitter=np.zeros(24 * DAYS))
    assert list(hourly_groups(person, quiet)) == ["time of day", "weekday", "trend", "medication"]
