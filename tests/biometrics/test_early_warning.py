"""Early warnings: only confirmed leads speak, at the stated rate, before the symptom, with what they rest on."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from novamind.biometrics import early_warning
from novamind.biometrics.domain import Floats, Link
from novamind.biometrics.early_warning import early_warnings, recent_mean
from novamind.errors import ValidationError
from tests.golden import check_golden

ROW: dict[str, Any] = {
    "patient_id": None, "signal": "hrv", "symptom": "anxiety", "detected": True, "score": 4.0, "p_value": 0.0001,
    "q_value": 0.005,
    "lag_hours": 30.0, "lag_low": 24.0, "lag_high": 36.0, "sign": -1, "effect": -0.4, "effect_low": -0.5,
    "effect_high": -0.3, "explained_by": None, "n_effective": 250.0, "pearson": -0.2, "spearman": -0.2,
}  # fmt: skip


def link(**changes: Any) -> Link:
    return Link(**{**ROW, **changes})


def quiet(seed: int = 0, days: int = 120, constant: float = 6.0) -> Floats:
    keep = np.exp(-1 / constant)
    push = np.random.default_rng(seed).standard_normal(days * 24 + 200) * np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], push)[200:]


@pytest.mark.parametrize(
    "changes",
    [
        {"detected": False},
        {"lag_hours": -12.0, "lag_low": -20.0, "lag_high": -4.0},
        {"lag_hours": 12.0, "lag_low": -4.0},
        {"lag_hours": float("nan"), "lag_low": float("nan"), "lag_high": float("nan")},
        {"n_effective": 20.0},
        {"q_value": 0.3},
    ],
)
def test_what_is_not_confirmed_or_does_not_lead_has_no_voice(changes: dict[str, Any]) -> None:
    deviation = quiet()
    deviation[100 * 24 :] -= 10
    assert early_warnings({"hrv": deviation}, [link()])
    assert early_warnings({"hrv": deviation}, [link(**changes)]) == ()


def test_a_move_of_the_leading_signal_warns_with_all_that_is_known() -> None:
    deviation = quiet()
    deviation[100 * 24 : 103 * 24] -= 4.0
    found = [one for one in early_warnings({"hrv": deviation}, [link()]) if one.hour >= 100 * 24]
    first = found[0]
    assert 0 <= first.hour - 100 * 24 <= 24
    assert first.symptom == "anxiety"
    assert first.direction == 1  # less variability, more anxiety
    assert first.deviation < 0 < first.expected_change
    assert first.expected_low <= first.expected_change <= first.expected_high
    assert (first.horizon_low, first.horizon_hours, first.horizon_high) == (12.0, 18.0, 24.0)
    assert first.reliability == "high"
    assert "30 h (24 to 36)" in first.evidence


def test_what_is_too_small_to_matter_is_not_said() -> None:
    deviation = quiet()
    deviation[100 * 24 : 103 * 24] -= 4.0
    small = link(effect=-0.02, effect_low=-0.03, effect_high=-0.01)
    assert early_warnings({"hrv": deviation}, [small]) == ()


@pytest.mark.parametrize("constant", [2.0, 6.0, 30.0])
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_quiet_signals_warn_at_about_the_stated_rate(constant: float, share: float) -> None:
    rng = np.random.default_rng(7)
    count = 0
    for seed in range(25):
        deviation = quiet(seed, constant=constant)
        deviation[rng.random(len(deviation)) < share] = np.nan
        count += len(early_warnings({"hrv": deviation}, [link()], warnings_per_quarter=4.0, least_expected=0.0))
    per_quarter = count / (25 * (120 - 29) / 91)
    assert 1.5 <= per_quarter <= 5.5


def test_two_leading_signals_share_the_rate() -> None:
    deviations = {"hrv": quiet(1), "sleep": quiet(2)}
    links = [link(), link(signal="sleep")]
    both = early_warnings(deviations, links, least_expected=0.0)
    single = [early_warnings({one.signal: deviations[one.signal]}, [one], least_expected=0.0) for one in links]
    assert len(both) <= sum(map(len, single))
    assert [one.hour for one in both] == sorted(one.hour for one in both)


def test_only_the_past_decides() -> None:
    deviation = quiet(3)
    changed = deviation.copy()
    changed[90 * 24 :] = 30.0
    before = [one for one in early_warnings({"hrv": deviation}, [link()]) if one.hour < 90 * 24]
    after = [one for one in early_warnings({"hrv": changed}, [link()]) if one.hour < 90 * 24]
    assert before == after


def test_warnings_come_before_a_symptom_that_follows() -> None:
    """A symptom that the signal drives 40 h later moves in the direction said more often than usual."""
    said, usual = [], []
    for seed in range(40):
        driver = quiet(seed, constant=12.0)
        symptom = -0.6 * np.concatenate([np.zeros(40), driver[:-40]]) + 0.8 * quiet(seed + 500, constant=12.0)
        own = link(lag_hours=40.0, lag_low=36.0, lag_high=44.0, effect=-0.6, effect_low=-0.7, effect_high=-0.5)
        for warning in early_warnings({"hrv": driver}, [own]):
            at = warning.hour + int(warning.horizon_low), warning.hour + int(warning.horizon_high) + 1
            if at[1] < len(symptom):
                assert at[0] > warning.hour
                said.append(warning.direction * symptom[at[0] : at[1]].mean() > 0.5)
                usual.append(warning.direction * symptom[28 * 24 :].mean() > 0.5)
    assert len(said) > 60
    assert np.mean(said) > 0.6
    assert np.mean(usual) < 0.1


def test_a_signal_that_was_not_given_is_named() -> None:
    with pytest.raises(ValidationError, match="hrv"):
        early_warnings({}, [link()])
    with pytest.raises(ValidationError, match="above 0"):
        early_warnings({"hrv": quiet()}, [link()], warnings_per_quarter=0)


def test_constant_empty_and_short_signals_are_quiet() -> None:
    for deviation in (np.zeros(3000), np.full(3000, np.nan), np.zeros(3), np.zeros(0)):
        assert early_warnings({"hrv": deviation}, [link()]) == ()


def test_the_recent_mean_needs_recent_values() -> None:
    values = np.full(200, np.nan)
    values[50:60] = 2.0
    mean = recent_mean(values)
    assert mean[59] == pytest.approx(2.0)
    assert np.isnan(mean[:50]).all()
    assert np.isnan(mean[100:]).all()


# -- by formula --------------------------------------------------------------------------------------------------------


def test_the_recent_mean_is_the_exponentially_weighted_one_of_twelve_hours() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(120)
    values[rng.random(120) < 0.5] = np.nan
    mean = recent_mean(values)
    for hour in range(120):
        past = np.arange(hour + 1)
        share = (1 - np.exp(-1 / 12)) * np.exp(-(hour - past) / 12)
        known = ~np.isnan(values[past])
        weight = share[known].sum()
        if weight >= 0.25:
            assert mean[hour] == pytest.approx((share[known] * values[past][known]).sum() / weight)
        else:
            assert np.isnan(mean[hour])
    assert np.isfinite(recent_mean(np.ones(4))[3])  # 28 % of the weight
    assert np.isnan(recent_mean(np.ones(4))[2])  # 22 %


def slow_moves(deviation: Floats, per_quarter: float) -> list[tuple[int, float]]:
    """Hour by hour, with the level told anew from all that came before the day."""
    mean = recent_mean(deviation)
    moves: list[tuple[int, float]] = []
    inside, pause_until = True, -1
    for hour in range(len(mean)):
        before = hour - hour % 24
        past, raw = mean[:before][~np.isnan(mean[:before])], deviation[:before][~np.isnan(deviation[:before])]
        if len(past) < 672 or np.isnan(mean[hour]):
            continue
        middle, spread = np.median(past), past.std()
        upward = sum(1 for a, b in pairwise(past) if a <= middle < b)
        rate = max((upward / len(past)) / (per_quarter / 2 / 2184), 1.5)
        level = np.sqrt(2 * np.log(rate))
        height = (mean[hour] - middle) / spread
        if abs(height) < level / 2:
            inside = True
        elif abs(height) >= level and inside and hour >= pause_until:
            inside, pause_until = False, hour + 24
            moves.append((hour, float((mean[hour] - middle) / raw.std())))
    return moves


@pytest.mark.parametrize(
    ("seed", "constant", "rate"), [(1, 6.0, 4.0), (2, 2.0, 30.0), (3, 30.0, 12.0), (4, 1.0, 200.0)]
)
def test_moves_are_crossings_of_the_level_that_rice_gives(seed: int, constant: float, rate: float) -> None:
    deviation = quiet(seed, days=60, constant=constant)
    deviation[np.random.default_rng(seed).random(len(deviation)) < 0.2] = np.nan
    deviation[1100:1130] += 3
    found, slow = early_warning._moves(deviation, rate), slow_moves(deviation, rate)
    assert [hour for hour, _ in found] == [hour for hour, _ in slow]
    assert [size for _, size in found] == pytest.approx([size for _, size in slow])
    assert found


def test_four_weeks_of_past_are_needed() -> None:
    deviation = quiet(5, days=40)
    deviation[27 * 24 :] += 20
    hours = [hour for hour, _ in early_warning._moves(deviation, 4.0)]
    assert hours
    assert hours[0] >= 28 * 24
    later = np.concatenate([np.full(5 * 24, np.nan), deviation])
    assert min(hour for hour, _ in early_warning._moves(later, 4.0)) >= 33 * 24


def test_the_rate_is_shared_by_the_signals_that_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(early_warning, "_moves", lambda _, rate: asked.append(rate) or [])
    early_warnings({"hrv": quiet(), "sleep": quiet()}, [link(), link(symptom="mood"), link(signal="sleep")])
    early_warnings({"hrv": quiet()}, [link()], warnings_per_quarter=1.0)
    assert asked == [2.0, 2.0, 1.0]


@pytest.mark.parametrize(("effect", "said"), [(0.05, 1), (0.0499, 0), (-0.05, 1), (-0.0499, 0)])
def test_a_tenth_of_an_sd_is_worth_a_warning(effect: float, said: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_warning, "_moves", lambda *_: [(700, 2.0)])
    assert len(early_warnings({"hrv": quiet()}, [link(effect=effect)])) == said
    assert len(early_warnings({"hrv": quiet()}, [link(effect=effect)], least_expected=0.0)) == 1


def test_warnings_stand_by_hour_and_the_largest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_warning, "_moves", lambda *_: [(700, 2.0), (650, -1.5)])
    found = early_warnings(
        {"hrv": quiet()}, [link(symptom="small", effect=0.2), link(symptom="large", effect=-0.4), link(symptom="mood")]
    )
    assert [(one.hour, one.symptom) for one in found] == [
        (650, "large"), (650, "mood"), (650, "small"), (700, "large"), (700, "mood"), (700, "small"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "deviation"),
    [
        ({}, -2.0),
        ({"q_value": 0.0009, "lag_hours": 10.0, "lag_low": 2.0, "lag_high": 60.0}, 1.25),
        ({"effect": 0.3, "effect_low": 0.1, "effect_high": 0.5, "q_value": 0.001, "n_effective": 60.4}, 0.84),
    ],
)
def test_a_warning_says_all_that_it_rests_on(changes: dict[str, Any], deviation: float) -> None:
    found = early_warning._warning(link(**changes), 700, deviation)
    name = f"warning at {deviation}"
    check_golden(__file__, name, found)
    assert found.expected_change == pytest.approx(link(**changes).effect * deviation)
    assert found.direction == np.sign(found.expected_change)
    assert found.horizon_low == max(link(**changes).lag_low - 12, 0)
    assert found.expected_low <= found.expected_change <= found.expected_high


@pytest.mark.parametrize(
    ("options", "ok"),
    [
        ({"warnings_per_quarter": 0.0}, False),
        ({"warnings_per_quarter": float("nan")}, False),
        ({"warnings_per_quarter": 1e-6}, True),
        ({"least_expected": -1e-9}, False),
        ({"least_expected": 0.0}, True),
        ({"least_expected": float("nan")}, False),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], ok: bool) -> None:
    if ok:
        assert isinstance(early_warnings({"hrv": quiet()}, [link()], **options), tuple)
    else:
        with pytest.raises(ValidationError, match="warnings_per_quarter must be above 0 and least_expected at least 0"):
            early_warnings({"hrv": quiet()}, [link()], **options)


def test_all_signals_without_deviations_are_named_in_order() -> None:
    with pytest.raises(ValidationError, match=r"^no deviations are given for heart_rate, sleep$"):
        early_warnings({"hrv": quiet()}, [link(), link(signal="sleep"), link(signal="heart_rate")])
    assert early_warnings({"hrv": quiet()}, [link(signal="sleep", detected=False)]) == ()
