"""What to watch and what to say: more information for less burden first, and nothing where little is known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.biometrics import monitoring
from novamind.biometrics.domain import Link
from novamind.biometrics.monitoring import DEVICES, insights, monitoring_plan
from novamind.errors import ValidationError
from novamind.records.wearables import SIGNALS
from tests.golden import check_golden


def link(signal: str = "heart_rate", symptom: str = "anxiety", effect: float = 0.4, **changes: Any) -> Link:
    given_values: dict[str, Any] = {
        "patient_id": None, "detected": True, "score": 4.0, "p_value": 1e-4, "sign": 1 if effect > 0 else -1,
        "explained_by": None, "pearson": 0.0, "spearman": 0.0,
        "lag_hours": 20.0, "lag_low": 15.0, "lag_high": 25.0, "effect_low": effect - 0.1, "effect_high": effect + 0.1,
        "q_value": 0.005, "n_effective": 250.0, **changes,
    }  # fmt: skip
    return Link(signal=signal, symptom=symptom, effect=effect, **given_values)


def test_information_per_minute_orders_the_plan() -> None:
    plan = monitoring_plan(
        [link("weight", effect=0.5), link("heart_rate", effect=0.3), link("rr_interval", effect=0.5)]
    )
    assert [item.signal for item in plan] == ["weight", "heart_rate", "rr_interval"]
    assert plan[0].information == pytest.approx(0.5**2 - (0.2 / 3.29) ** 2, rel=1e-3)


def test_the_second_signal_of_a_device_costs_little_and_adds_what_is_left() -> None:
    first, second = monitoring_plan([link("heart_rate", effect=0.6), link("steps", effect=0.5)])
    assert second.burden_minutes == pytest.approx(first.burden_minutes / 10)
    assert second.information == pytest.approx((1 - first.information) * (0.5**2 - (0.2 / 3.29) ** 2), rel=1e-3)


def test_noise_earns_nothing_and_low_reliability_is_not_planned() -> None:
    assert monitoring_plan([link(effect=0.1, effect_low=-0.4, effect_high=0.6)]) == ()
    assert monitoring_plan([link(n_effective=10.0)]) == ()
    assert insights([link(n_effective=10.0)]) == ()
    assert monitoring_plan([]) == insights([]) == ()


def test_a_persons_own_burden_goes_before_the_table() -> None:
    links = [link("weight"), link("heart_rate")]
    assert monitoring_plan(links, burden_minutes={"weight": 60.0})[0].signal == "heart_rate"
    with pytest.raises(ValidationError, match="above 0"):
        monitoring_plan(links, burden_minutes={"weight": 0.0})


@given(st.lists(st.tuples(st.sampled_from(sorted(SIGNALS)), st.sampled_from("abc"), st.floats(-0.9, 0.9)), max_size=12))
def test_a_plan_names_each_signal_once_and_never_more_than_the_symptoms_vary(
    rows: list[tuple[str, str, float]],
) -> None:
    plan = monitoring_plan([link(signal, symptom, effect) for signal, symptom, effect in rows])
    assert len({item.signal for item in plan}) == len(plan)
    assert sum(item.information for item in plan) <= 3
    assert all(item.information > 0 and item.burden_minutes > 0 for item in plan)


def test_an_insight_says_lead_direction_size_and_an_offer() -> None:
    (said,) = insights([link("hrv_rmssd", "anxiety", -0.35)])
    assert "higher hrv rmssd tends to be followed by less anxiety about 20 h later (15 h to 25 h)" in said.text
    assert "-0.35 SD (-0.45 to -0.25)" in said.text
    assert "not proof of a cause" in said.text
    assert said.action is not None
    assert said.action.startswith("It may be worth")


def test_what_follows_or_goes_along_is_said_without_an_action() -> None:
    follows, along = insights(
        [
            link("hrv_rmssd", effect=-0.5, lag_hours=-20.0, lag_low=-25.0, lag_high=-15.0),
            link("steps", effect=0.2, lag_low=-4.0),
        ]
    )
    assert "more anxiety tends to be followed by lower hrv rmssd about 20 h later (15 h to 25 h)" in follows.text
    assert "gives no warning" in follows.text
    assert "which comes first is not clear" in along.text
    assert follows.action is along.action is None
    assert monitoring_plan([link(lag_low=-4.0)]) == ()


def test_insights_stand_strongest_first_and_never_order() -> None:
    told = insights([link("steps", effect=0.2), link("sleep_duration", effect=-0.5), link("unheard_of", effect=0.3)])
    assert [one.signal for one in told] == ["sleep_duration", "unheard_of", "steps"]
    for one in told:
        assert one.action is not None
        assert not any(word in one.action.lower() for word in ("must", "should", "increase", "stop", "dose"))


def test_the_table_of_devices_holds_signals_once() -> None:
    named = [signal for _, signals in DEVICES.values() for signal in signals]
    assert len(named) == len(set(named))


#: Our assumption of a person's minutes a day, entered a second time: what each device measures.
MINUTES = {
    "phone": (0.5, "daylight phone_steps screen_time sound_level"),
    "wrist": (
        3.0,
        "active_energy daily_steps distance exercise floors heart_rate resting_heart_rate steps walking_heart_rate",
    ),
    "wrist at night": (
        5.0,
        "body_battery hrv hrv_rmssd hrv_sdnn oxygen_saturation readiness_score resp_rate respiratory_rate skin_temp "
        "skin_temperature skin_temperature_deviation sleep sleep_asleep sleep_awake sleep_deep sleep_duration "
        "sleep_efficiency sleep_in_bed sleep_latency sleep_light sleep_rem stress_score",
    ),
    "chest strap": (15.0, "electrodermal_activity rr_interval"),
    "scale": (2.0, "body_fat weight"),
    "cuff": (6.0, "blood_pressure_diastolic blood_pressure_systolic"),
}


def test_devices_cost_and_measure_what_the_second_table_says() -> None:
    assert {name: (minutes, " ".join(sorted(names))) for name, (minutes, names) in DEVICES.items()} == MINUTES


@pytest.mark.parametrize("device", MINUTES)
def test_each_signal_stands_on_its_device(device: str) -> None:
    minutes, names = MINUTES[device]
    for name in names.split():
        (item,) = monitoring_plan([link(name)])
        assert (item.device, item.burden_minutes) == (device, minutes)
    (other,) = monitoring_plan([link("unheard_of")])
    assert (other.device, other.burden_minutes) == ("unheard_of", 5.0)


ASKED = {
    "how the nights went": ["sleep", "sleep_rem", "sleep_duration"],
    "what went before such days: load, rest": ["hrv", "hrv_sdnn", "rr_interval"],
    "arousal, stimulants": ["heart_rate", "resting_heart_rate", "respiratory_rate", "resp_rate"],
    "active and quiet days": ["steps", "daily_steps", "active_energy", "exercise"],
    "menstrual cycle": ["skin_temp", "skin_temperature_deviation"],
    "breathing at night": ["oxygen_saturation"],
    "talking through with the person": ["weight", "phone_steps", "walking_heart_rate", "screen_time"],
}


@pytest.mark.parametrize(("words", "signal"), [(words, name) for words, names in ASKED.items() for name in names])
def test_what_may_be_asked_of_each_signal(words: str, signal: str) -> None:
    (said,) = insights([link(signal)])
    assert said.action is not None
    assert words in said.action
    assert said.action.endswith(".")


def test_information_is_the_squared_effect_less_its_squared_error() -> None:
    (item,) = monitoring_plan([link(effect=0.5, effect_low=0.2, effect_high=0.8)])
    error = 0.6 / (2 * 1.6448536)
    assert item.information == pytest.approx(0.25 - error**2, rel=1e-6)
    assert item.information_per_minute == pytest.approx(item.information / 3.0)
    (all_of_it,) = monitoring_plan([link(effect=1.4)])
    assert all_of_it.information == 1


def test_several_symptoms_add_up_and_stand_largest_first() -> None:
    (item,) = monitoring_plan([link(symptom="mood", effect=0.3), link(symptom="anxiety", effect=0.6)])
    assert item.symptoms == ("anxiety", "mood")
    assert item.information == pytest.approx(0.36 + 0.09 - 2 * (0.1 / 1.6448536) ** 2, rel=1e-6)


def test_equal_offers_stand_by_name_from_the_end() -> None:
    assert [one.signal for one in monitoring_plan([link("floors"), link("steps", "mood")])] == ["steps", "floors"]


def test_a_persons_burden_is_kept_though_the_device_is_worn() -> None:
    plan = monitoring_plan([link("steps", effect=0.6), link("heart_rate")], burden_minutes={"heart_rate": 4.0})
    assert [item.burden_minutes for item in plan] == [3.0, 4.0]
    assert monitoring_plan([link("steps")], burden_minutes={"steps": 0.001})[0].burden_minutes == 0.001
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValidationError, match="burden_minutes must be above 0"):
            monitoring_plan([link("steps")], burden_minutes={"steps": wrong})


def test_what_adds_nothing_is_left_out_though_others_follow() -> None:
    whole = link("steps", effect=1.0, effect_low=1.0, effect_high=1.0)
    plan = monitoring_plan([whole, link("heart_rate", effect=0.5), link("weight", "mood")])
    assert [item.signal for item in plan] == ["steps", "weight"]


LINKS = [
    link("hrv", "anxiety", -0.35),
    link("steps", "low_mood", 0.31, lag_hours=47.4, lag_low=30.0, lag_high=72.0, n_effective=80.0),
    link("sleep_duration", "anxiety", -0.5, lag_hours=-20.0, lag_low=-25.0, lag_high=-15.0),
    link("sleep_duration", "low_mood", 0.5, lag_hours=-60.0, lag_low=-90.0, lag_high=-1.0),
    link("skin_temp", "low_mood", -0.3, lag_hours=2.0, lag_low=-4.0, lag_high=9.0),
    link("skin_temp", "anxiety", 0.29, lag_hours=-2.0, lag_low=-4.0, lag_high=0.0),
    link("weight", "anxiety", 0.6, lag_hours=48.0, lag_low=24.0, lag_high=60.0),
    link("rr_interval", "anxiety", 0.7, detected=False),
]


def test_plan_and_words_are_those_they_were() -> None:
    check_golden(__file__, "plan", monitoring_plan(LINKS))
    check_golden(__file__, "words", insights(LINKS))


def test_of_equal_effects_the_first_name_stands_first() -> None:
    told = insights([link("b", "x"), link("a", "y"), link("a", "x"), link("c", "x", -0.4)])
    assert [(one.signal, one.symptom) for one in told] == [("a", "x"), ("a", "y"), ("b", "x"), ("c", "x")]


def test_no_name_of_an_action_begins_another() -> None:
    starts = list(monitoring._ACTIONS)
    assert not [(a, b) for a in starts for b in starts if a != b and b.startswith(a)]
