"""Plain correlations beside scipy's, and the name of what makes a link only look like one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, pearsonr, spearmanr

from novamind.biometrics import spurious_links
from novamind.biometrics.domain import Floats, PersonSeries
from novamind.biometrics.engine import PersonProfile, analyse
from novamind.biometrics.spurious_links import explanation, plain_correlations
from tests.biometrics.conftest import inertia, person, rich
from tests.golden import check_golden


def window_mean(values: Floats, cell: int) -> float:
    near = values[max(cell - 3, 0) : cell + 4]
    return float(np.nanmean(near)) if np.isfinite(near).any() else np.nan


@pytest.mark.parametrize("lag", [-20.0, -0.5, 0.0, 9.0, 30.0])
def test_plain_correlations_are_those_of_the_mean_within_three_hours(lag: float) -> None:
    record = rich()
    for signal, symptom in ((0, 0), (1, 0), (2, 1)):
        cells = np.round(record.report_hours - lag).astype(int)
        values = record.hourly[:, signal]
        x = np.array([window_mean(values, cell) if 0 <= cell < record.hours else np.nan for cell in cells])
        both = np.isfinite(x) & np.isfinite(record.reports[:, symptom])
        y = record.reports[both, symptom]
        found = plain_correlations(record, symptom, signal, lag)
        assert found == pytest.approx((pearsonr(x[both], y)[0], spearmanr(x[both], y)[0]))


def test_ten_pairs_are_needed_and_both_must_vary() -> None:
    record = person(days=20)
    for pairs in (9, 10):
        answers = np.full(record.reports.shape, np.nan)
        answers[:pairs, 0] = np.arange(pairs)
        found = plain_correlations(replace(record, reports=answers), 0, 0, 0.0)
        assert (found == (0.0, 0.0)) == (pairs == 9)
    assert plain_correlations(replace(record, reports=np.ones_like(record.reports)), 0, 0, 0.0) == (0, 0)
    assert plain_correlations(replace(record, hourly=np.ones_like(record.hourly)), 0, 0, 0.0) == (0, 0)


def test_running_means_are_over_what_was_measured() -> None:
    values = np.array([np.nan] * 8 + [1.0, 3.0] + [np.nan] * 5 + [5.0])
    found = spurious_links._windowed(values)
    expected = [window_mean(values, cell) for cell in range(16)]
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert found[~np.isnan(found)] == pytest.approx(np.array(expected)[~np.isnan(found)])


def test_a_lagged_cell_beyond_the_record_is_nothing() -> None:
    series = np.array([10.0, 11.0, 12.0])
    at = np.array([4.0, 5.0, 6.4, 7.0, 7.6, 3.6])
    found = spurious_links._aligned(series, at, 5.0)
    assert np.array_equal(found, [np.nan, 10, 11, 12, np.nan, np.nan], equal_nan=True)


def test_partial_correlation_is_that_of_residuals_each_at_its_own_time() -> None:
    rng = np.random.default_rng(0)
    course = inertia(rng, 400, 20.0)
    at = np.arange(20.0, 380.0, 6)
    x = course[(at - 12).astype(int)] + 0.5 * rng.standard_normal(60)
    y = course[at.astype(int)] + 0.5 * rng.standard_normal(60)
    x[5] = y[7] = np.nan
    found = spurious_links._partial(x, y, course[:, None], at, 12.0)
    both = np.isfinite(x) & np.isfinite(y)
    rest_x = x[both] - np.polyval(
        np.polyfit(course[(at - 12).astype(int)][both], x[both], 1), course[(at - 12).astype(int)][both]
    )
    rest_y = y[both] - np.polyval(np.polyfit(course[at.astype(int)][both], y[both], 1), course[at.astype(int)][both])
    assert found == pytest.approx(pearsonr(rest_x, rest_y)[0])
    assert spurious_links._partial(np.full(60, 3.0), y, np.zeros((400, 0)), at, 0.0) == 0


def test_too_few_pairs_explain_nothing() -> None:
    """Ten more than columns."""
    at = np.arange(0.0, 60)
    course = np.sin(np.arange(60.0))[:, None]
    values = np.cos(at**1.5)
    for pairs, told in ((11, False), (12, True)):
        y = np.where(at < pairs, np.cos(at), np.nan)
        assert np.isfinite(spurious_links._partial(values, y, course, at, 0.0)) == told


def shared(cause: Floats, strength: float = 1.5, seed: int = 1, **changes: Any) -> PersonSeries:
    """Steps and anxiety that both follow a cause by the hour, and nothing else."""
    rng = np.random.default_rng(seed)
    hours = len(cause)
    at = np.sort(rng.uniform(0, hours - 1, hours // 6))
    base = person(days=hours // 24)
    steps = strength * cause + inertia(rng, hours, 2.0)
    reports = strength * cause[at.astype(int)] + inertia(rng, hours, 5.0)[at.astype(int)] + rng.standard_normal(len(at))
    return replace(
        base, signals=("noise", "steps"), hourly=np.column_stack([inertia(rng, hours, 3.0), steps]), report_hours=at,
        reports=reports[:, None], **changes,
    )  # fmt: skip


HOUR = np.arange(24 * 42)


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        (np.cos(2 * np.pi * HOUR / 24), "time of day"),
        ((HOUR // 24 % 7 >= 5) * 2.0, "weekday"),
        ((HOUR - HOUR.mean()) / HOUR.std(), "trend"),
        ((HOUR > 600) * 2.0, "medication"),
    ],
)
def test_the_cause_of_an_apparent_link_is_named(cause: Floats, name: str) -> None:
    courses = {"medication": (HOUR > 600) * 1.0} if name == "medication" else {}
    found = analyse(shared(cause, confounders=courses), max_lag=24, draws=20)
    assert explanation(found, found.symptoms[0], 1) == name


def test_where_nothing_is_apparent_there_is_nothing_to_explain() -> None:
    found = analyse(shared(np.cos(2 * np.pi * HOUR / 24)), max_lag=24, draws=20)
    assert explanation(found, found.symptoms[0], 0) is None


def test_what_nothing_known_explains_is_inertia() -> None:
    slow = np.sin(2 * np.pi * HOUR / 170 + 1)
    found = analyse(shared(slow), max_lag=24, draws=20)
    assert explanation(found, found.symptoms[0], 1) == "inertia"


def held(found: PersonProfile, rows: list[list[float]], signals: tuple[int, ...]) -> Any:
    return replace(found.symptoms[0], selected=signals, shared=np.array(rows))


def test_another_signal_that_takes_the_evidence_is_the_cause() -> None:
    found = analyse(shared(np.cos(2 * np.pi * HOUR / 24)), max_lag=24, draws=20)
    taken = [[0.0, 0.0], [1.01, 0.0]]
    assert explanation(found, held(found, taken, (0,)), 1) == "noise"
    assert explanation(found, held(found, [[0, 0], [1.0, 0]], (0,)), 1) == "time of day"  # a little is no cause
    assert explanation(found, held(found, taken, ()), 1) == "time of day"
    assert explanation(found, held(found, taken, (1, 0)), 1) == "time of day"  # the strongest has no rival
    assert explanation(found, held(found, taken, (0, 1)), 1) == "noise"


def test_explanations_of_a_record_are_those_they_were(analysed: PersonProfile) -> None:
    told = [[explanation(analysed, symptom, i) for i in range(5)] for symptom in analysed.symptoms]
    check_golden(__file__, "explanations", told)


@pytest.mark.parametrize("left", [0.69, 0.71])
def test_three_tenths_must_go_for_an_explanation(left: float, monkeypatch: pytest.MonkeyPatch) -> None:
    found = analyse(shared(np.cos(2 * np.pi * HOUR / 24)), max_lag=24, draws=20)
    lags = np.arange(-24, 25, 6)
    plain = []
    for lag in lags:
        x = spurious_links._aligned(
            spurious_links._windowed(found.person.hourly[:, 1]), found.person.report_hours, float(lag)
        )
        known = np.isfinite(x)
        plain.append((known.sum(), pearsonr(x[known], found.person.reports[known, 0])[0]))
    best = max(range(len(lags)), key=lambda i: abs(np.arctanh(plain[i][1])) * np.sqrt(plain[i][0] - 3))
    asked: list[float] = []

    def partial(_x: Floats, _y: Floats, columns: Floats, _at: Floats, lag: float) -> float:
        asked.append(lag)
        return -left * plain[best][1] if columns.shape[1] == 4 else 2.0

    monkeypatch.setattr(spurious_links, "_partial", partial)
    assert explanation(found, found.symptoms[0], 1) == ("time of day" if left < 0.7 else "inertia")
    assert set(asked) == {float(lags[best])}


@pytest.mark.parametrize(("beyond", "told"), [(-0.02, False), (0.02, True)])
def test_an_apparent_link_is_one_at_5_percent_over_all_lags(
    beyond: float, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine lags, both sides: 18 times the tail beyond z is 0.05."""
    found = analyse(shared(np.cos(2 * np.pi * HOUR / 24)), max_lag=24, draws=20)
    z = norm.isf(0.05 / 18) + beyond
    correlation = float(np.tanh(z / np.sqrt(len(found.person.report_hours) - 3)))
    monkeypatch.setattr(spurious_links, "_r", lambda *_: correlation)
    monkeypatch.setattr(spurious_links, "_partial", lambda *_: 0.0)
    monkeypatch.setattr(spurious_links, "_aligned", lambda _series, at, _lag: np.sin(at))
    assert (explanation(found, found.symptoms[0], 1) is not None) == told
