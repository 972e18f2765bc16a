"""A token tells a day and the days before it, in the units in which the network reads it."""

from dataclasses import replace

import numpy as np
import pytest

from novamind.symptoms.forecaster.daily_tokens import CHANNELS, CONTEXT_DAYS, HORIZONS, tokenise
from novamind.symptoms.forecaster.preprocessing import Histories
from tests.golden import check_golden
from tests.symptoms.diaries import varied


def test_sizes_are_those_of_the_shipped_network() -> None:
    assert (CONTEXT_DAYS, CHANNELS) == (96, 20)
    assert HORIZONS.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 21, 25, 30]


def by_definition(values: np.ndarray, step: float, weekday: int, treated: float) -> np.ndarray:
    """The 20 channels of the last day of one record, and its level and spread, one number at a time."""
    days = len(values)
    seen = np.isfinite(values)
    all_reports, recent, week = (part[np.isfinite(part)] for part in (values, values[-28:], values[-7:]))
    mean = all_reports.mean() if len(all_reports) else 0.4
    variance = all_reports.var() if len(all_reports) else 0.0
    level = (recent.sum() + 3 * mean) / (len(recent) + 3)
    prior = 0.012 + 0.06 * level * (1 - level)
    spread = np.sqrt((((recent - level) ** 2).sum() + 3 * variance + 2 * prior) / (len(recent) + 5))
    first = int(np.argmax(seen)) if seen.any() else days
    gap = int(np.argmax(seen[::-1])) if seen.any() else 0
    angle = 2 * np.pi * ((weekday - 1) % 7) / 7
    value = values[-1]
    told = np.isfinite(treated)
    channels = [
        float(seen[-1]),
        float(seen.any()),
        np.clip((value - level) / spread, -6, 6) if seen[-1] else 0,
        value if seen[-1] else 0,
        level,
        4 * spread,
        np.clip(((week.mean() if len(week) else level) - level) / spread, -6, 6),
        np.clip((mean - level) / spread, -6, 6),
        np.sqrt(variance) / spread,
        len(recent) / 14 - 1,
        np.log1p(len(all_reports)) / 2 - 1,
        np.log1p(days - 1 - first) / 3 if seen.any() else 0,
        np.log1p(gap) / 2,
        (all_reports <= 1e-6).sum() / max(len(all_reports), 1),
        5 * step,
        float(step > 0),
        np.sin(angle) if weekday >= 0 else 0,
        np.cos(angle) if weekday >= 0 else 0,
        float(told),
        np.log1p(treated) / 3 if told else 0,
    ]
    return np.array([*channels, level, spread])


@pytest.mark.parametrize("days", [1, 5, 40, 100, 130])
def test_the_last_token_is_what_its_channels_mean(days: int) -> None:
    """Each record of the varied ones, cut to several lengths: also those that have not begun by then."""
    whole = varied()
    records = replace(whole, values=whole.values[:, -days:])
    tokens = tokenise(records)
    assert tokens.channels.shape == (len(records), min(days, CONTEXT_DAYS), CHANNELS)
    for i in range(len(records)):
        expected = by_definition(
            records.values[i].astype(float), float(records.step[i]), int(records.weekday[i]), float(records.treated[i])
        )
        found = np.array([*tokens.channels[i, -1], tokens.level[i, -1], tokens.spread[i, -1]])
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("back", [1, 6, 28, 40])
def test_an_earlier_token_is_the_last_one_of_the_record_as_it_stood(back: int) -> None:
    records = varied()
    now, then = tokenise(records), tokenise(records.before(back))
    np.testing.assert_allclose(now.channels[:, -1 - back], then.channels[:, -1], atol=1e-5)
    np.testing.assert_allclose(now.level[:, -1 - back], then.level[:, -1], atol=1e-6)
    np.testing.assert_allclose(now.spread[:, -1 - back], then.spread[:, -1], atol=1e-6)


def test_a_record_far_from_its_recent_days_is_cut_at_six_spreads() -> None:
    values = np.full((2, 364), 0.999, np.float32)
    values[:, -30:] = 0.001
    values[1] = 1 - values[1]
    channels = tokenise(Histories.untreated(values, np.zeros(2, np.float32), np.zeros(2, int))).channels
    assert channels[:, -1, 7].tolist() == [6, -6]


def test_tokens_are_what_they_were() -> None:
    tokens = tokenise(varied(), 90)
    answer = {
        "channels": tokens.channels[::3, ::11],
        "level": tokens.level[:, ::13],
        "spread": tokens.spread[:, ::13],
    }
    check_golden(__file__, "tokens", answer, relative=1e-4, absolute=1e-5)
