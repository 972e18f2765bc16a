"""What to watch and what to say: more information for less burden first, and nothing where little is known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novamind.biometrics.domain import Link
from novamind.biometrics.monitoring import DEVICES, insights, monitoring_plan
from novamind.errors import ValidationError
from novamind.records.wearables import SIGNALS


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
