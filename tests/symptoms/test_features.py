"""Every feature equals its plain definition, and none looks past the origin."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.features import FEATURES, Summary, summarise
from novamind.symptoms.forecaster.preprocessing import Histories
from tests.golden import check_golden
from tests.symptoms.diaries import varied

Row = tuple[list[float], int]  # daily values up to the origin, weekday of the day after it


def naive(values: list[float], next_weekday: int) -> dict[str, float]:
    """The definitions in the words of :mod:`novamind.symptoms.forecaster.features`, one record at a time."""
    reports = [(age, v) for age, v in enumerate(reversed(values)) if not np.isnan(v)]  # latest first
    everything = [v for _, v in reports]
    recent = [v for k, (age, v) in enumerate(reports) if age < 28 or k < 8]
    n, r = len(everything), len(recent)

    level = (r * np.mean(recent) + 3 * np.mean(everything)) / (r + 3)
    usual = 0.012 + 0.06 * level * (1 - level)
    spread = np.sqrt((r * np.var(recent) + 3 * np.var(everything) + 2 * usual) / (r + 5))

    def last_days(days: int) -> float:
        within = [v for age, v in reports if age < days]
        return float(np.mean(within)) if within else level

    def fading(keep: float, towards_level: float = 0.0) -> float:
        weights = [keep**age for age, _ in reports]
        total = sum(w * v for w, (_, v) in zip(weights, reports, strict=True)) + towards_level * level
        return float(total / (sum(weights) + towards_level))

    week = [v for age, v in reports if age < 7]
    pairs = [(a, b) for a, b in itertools.pairwise(values) if not np.isnan(a + b)]
    centred = [(a - np.mean(everything)) * (b - np.mean(everything)) for a, b in pairs]
    month = [(-age, v) for k, (age, v) in enumerate(reports) if age < 28]
    days = np.array([d for d, _ in month]) - np.mean([d for d, _ in month]) if month else np.zeros(0)
    rise = sum(days * [v for _, v in month]) / (sum(days**2) + 200) * 7

    eight_weeks: dict[int, list[float]] = {}
    for age, v in reports:
        if age < 56:
            eight_weeks.setdefault((next_weekday - 1 - age) % 7, []).append(v)

    def weekday_effect(ahead: int) -> float:
        """Empirical Bayes: mean squares of an analysis of variance in unequal groups, the first above twice chance."""
        groups = list(eight_weeks.values())
        here = eight_weeks.get((next_weekday + ahead) % 7)
        if here is None or len(groups) < 2:
            return 0.0
        pooled = [v for group in groups for v in group]
        between = sum(len(g) * (np.mean(g) - np.mean(pooled)) ** 2 for g in groups) / (len(groups) - 1)
        within = (sum(len(g) * np.var(g) for g in groups) + 4 * spread**2) / (len(pooled) - len(groups) + 4)
        size = (len(pooled) - sum(len(g) ** 2 for g in groups) / len(pooled)) / (len(groups) - 1)
        component = max(between - 2 * within, 0) / size
        believed = component / (component + within / len(here))
        return float(believed * (np.mean(here) - np.mean(pooled)) / spread)

    values_of = {
        "last": everything[0],
        "previous": everything[1] if n > 1 else everything[0],
        "mean_3": np.mean(everything[:3]),
        "mean_7_days": last_days(7),
        "mean_14_days": last_days(14),
        "fast_level": fading(0.7, towards_level=0.3),
        "slow_level": fading(0.93),
        "all_mean": np.mean(everything),
        "low_quantile": np.nanquantile(recent, 0.1),
        "median": np.nanquantile(recent, 0.5),
        "high_quantile": np.nanquantile(recent, 0.9),
        "maximum": max(everything),
    }
    return {
        "level": level,
        "spread": spread,
        **{name: (value - level) / spread for name, value in values_of.items()},
        "recent_spread": (np.std(week) if week else 0.0) / spread,
        "all_spread": np.std(everything) / spread,
        "jumpiness": (np.mean([abs(b - a) for a, b in pairs]) if pairs else 0.0) / spread,
        "slope": rise / spread,
        "inertia": sum(centred) / ((np.var(everything) + 0.003) * (len(pairs) + 5)),
        "floor_share": everything.count(0) / n,
        "ceiling_share": everything.count(1) / n,
        "repeat_share": np.mean([a == b for a, b in pairs]) if pairs else 0.0,
        "reports": min(n, 120),
        "recent_reports": sum(age < 28 for age, _ in reports),
        "gap": min(reports[0][0], 60),
        "record_days": min(reports[-1][0] + 1, 200),
        **{f"weekday_effect+{ahead}": weekday_effect(ahead) for ahead in range(7)},
    }


def records() -> list[Row]:
    """Short and long, dense and sparse, constant, at an end of the scale, silent for weeks."""
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for i in range(60):
        days = int(rng.integers(5, 150))
        values = np.clip(np.round(rng.normal(rng.random(), 0.2, days) * 8) / 8, 0, 1)
        values[rng.random(days) < rng.choice([0, 0.3, 0.8])] = np.nan
        values[0] = 0.25
        if i % 6 == 0:
            values[-min(days - 1, 40) :] = np.nan
        if i % 10 == 0:
            values[np.isfinite(values)] = (i // 10) / 5
        rows.append((values.tolist(), int(rng.integers(0, 7))))
    return rows


def histories(rows: list[Row], width: int = 150) -> Histories:
    values = np.full((len(rows), width), np.nan, np.float32)
    for row, (record, _) in zip(values, rows, strict=True):
        row[width - len(record) :] = record
    return Histories.untreated(
        values, np.full(len(rows), 1 / 8, np.float32), np.array([weekday for _, weekday in rows])
    )


def columns(summary: Summary) -> dict[str, np.ndarray]:
    day_by_day = summary.per_day(np.arange(1, 8))
    named = {name: day_by_day[:, 0, i] for i, name in enumerate(FEATURES)}
    effect = list(FEATURES).index("weekday_effect")
    return named | {f"weekday_effect+{ahead}": day_by_day[:, ahead, effect] for ahead in range(7)}


def assert_same_summary(a: Summary, b: Summary) -> None:
    """Up to rounding of sums, which may run over a different number of empty days."""
    for name in ("level", "spread", "recent_quantiles", "reports", "weekday_means", "table"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=3e-5, err_msg=name)


EXPECTED = [naive(*row) for row in records()]


@pytest.mark.parametrize("name", EXPECTED[0])
def test_feature_equals_its_definition(name: str) -> None:
    got = columns(summarise(histories(records())))[name]
    np.testing.assert_allclose(got, [row[name] for row in EXPECTED], atol=2e-4)


def test_every_feature_has_a_meaning_and_a_finite_value() -> None:
    table = summarise(histories(records())).per_day(np.arange(1, 31))
    assert table.shape == (60, 30, len(FEATURES))
    assert np.isfinite(table).all()
    assert len(set(FEATURES.values())) == len(FEATURES)


def test_recent_quantiles_are_those_of_numpy() -> None:
    rows = records()
    got = summarise(histories(rows)).recent_quantiles
    for quantiles, (values, _) in zip(got, rows, strict=True):
        reports = [(age, v) for age, v in enumerate(reversed(values)) if not np.isnan(v)]
        recent = [v for k, (age, v) in enumerate(reports) if age < 28 or k < 8]
        np.testing.assert_allclose(quantiles, np.nanquantile(recent, LEVELS), atol=1e-6)


def test_weekday_and_horizon_are_those_of_the_day_ahead() -> None:
    rows = records()
    table = summarise(histories(rows)).per_day(np.array([1, 2, 8, 30]))
    weekday, horizon = (list(FEATURES).index(name) for name in ("weekday", "horizon"))
    assert (table[..., horizon] == [1, 2, 8, 30]).all()
    for row, (_, first) in zip(table, rows, strict=True):
        assert row[:, weekday].tolist() == [first, (first + 1) % 7, first, (first + 29) % 7]


def test_a_weekly_rhythm_is_believed_as_far_as_the_record_shows_it() -> None:
    """Nearly in full where it is clear, in part where it is as large as the noise, hardly ever where there is none."""
    rng = np.random.default_rng(1)
    day = np.arange(70) % 7
    noise = 0.03 * rng.standard_normal((500, 70))
    for weekend, low, high in ((0.3, 0.29, 0.31), (0.03, 0.008, 0.015), (0.0, -0.002, 0.002)):
        values = (0.4 + weekend * (day >= 5) + noise).astype(np.float32)
        summary = summarise(Histories.untreated(values, np.zeros(500, np.float32), np.zeros(500, int)))
        effect = summary.weekday_effect(np.arange(1, 8))[0] * summary.spread[:, None]
        assert low < (effect[:, 5:].mean(1) - effect[:, :5].mean(1)).mean() < high
    assert (effect == 0).all(1).mean() > 0.9


def test_unknown_dates_have_no_weekday_effect() -> None:
    dated = histories(records())
    undated = summarise(replace(dated, weekday=np.full(60, -1)))
    effect, weekday = undated.weekday_effect(np.arange(1, 15))
    assert not effect.any()
    assert (weekday == -1).all()
    np.testing.assert_array_equal(undated.table, summarise(dated).table)


@pytest.mark.parametrize("back", [1, 7, 21])
def test_no_feature_looks_past_the_origin(back: int) -> None:
    rows = [row for row in records() if len(row[0]) > back + 4]
    for change in (np.nan, 0.0, 1.0):
        changed = [(values[:-back] + [change] * back, weekday) for values, weekday in rows]
        assert_same_summary(summarise(histories(rows).before(back)), summarise(histories(changed).before(back)))


@pytest.mark.parametrize("back", [1, 5, 7, 20])
def test_an_earlier_origin_is_the_record_as_it_stood(back: int) -> None:
    rows = [row for row in records() if len(row[0]) > back + 4]
    stood = [(values[:-back], (weekday - back) % 7) for values, weekday in rows]
    assert_same_summary(summarise(histories(rows).before(back)), summarise(histories(stood)))


@pytest.mark.parametrize("width", [151, 200, 364])
def test_days_before_the_record_say_nothing(width: int) -> None:
    rows = records()
    assert_same_summary(summarise(histories(rows)), summarise(histories(rows, width)))


def test_a_row_is_summarised_as_if_alone() -> None:
    rows = records()
    together = summarise(histories(rows))
    for i in range(0, 60, 7):
        assert_same_summary(together.row(i), summarise(histories(rows[i : i + 1])))


SHAPES: tuple[Callable[[np.ndarray], np.ndarray], ...] = (lambda v: v / 2, lambda v: v / 2 + 0.25, lambda v: 1 - v)


@pytest.mark.parametrize("name", ["last", "mean_7_days", "fast_level", "slow_level", "all_mean", "median"])
def test_standardised_features_follow_the_record(name: str) -> None:
    """Moved up, a record keeps each feature's side of the person's level; mirrored, every side changes."""
    original = histories(records())
    sides = []
    for shape in SHAPES:
        moved = replace(original, values=shape(original.values).astype(np.float32))
        sides.append(np.round(columns(summarise(moved))[name], 4))
    assert (np.sign(sides[0]) == np.sign(sides[1])).all()
    assert (np.sign(sides[0]) == -np.sign(sides[2])).all()


@pytest.mark.parametrize("days", [3, 30, 130])
def test_summaries_are_what_they_were(days: int) -> None:
    whole = varied()
    present = np.isfinite(whole.values[:, -days:]).any(1)
    summary = summarise(replace(whole, values=whole.values[:, -days:]).rows(present))
    ahead = np.array([1, 2, 7, 30])
    answer = {
        "level": summary.level,
        "spread": summary.spread,
        "reports": summary.reports,
        "recent_quantiles": summary.recent_quantiles[:, ::4],
        "weekday_means": summary.weekday_means,
        "effect": summary.weekday_effect(ahead),
        "table": {name: summary.table[:, i] for i, name in enumerate(list(FEATURES)[:-3])},
        "per_day": summary.per_day(ahead)[:, :, -4:].reshape(-1, 4)[::3],
    }
    check_golden(__file__, f"features_{days}", answer, relative=1e-4, absolute=3e-5)
