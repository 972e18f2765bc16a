"""Numbers that stand for no value are left out and counted; what cannot be is refused."""

import numpy as np
import polars as pl
import pytest

from novamind.biometrics.screening import NO_VALUE, screened
from novamind.errors import ValidationError
from novamind.records import LongFrame, signal_frame, symptom_frame

REPORTS = symptom_frame(
    pl.DataFrame({"timestamp": ["2024-01-01"], "value": [1.0], "symptom": "mood", "patient_id": "a"})
)


def signals(name: str, values: list[float], unit: str | None = None) -> LongFrame:
    days = [f"2024-01-{day:02d}" for day in range(1, len(values) + 1)]
    table = pl.DataFrame({"timestamp": days, "value": values, "signal": name, "patient_id": "a"})
    return signal_frame(table if unit is None else table.with_columns(unit=pl.lit(unit)))


def reports(name: str, values: list[float]) -> LongFrame:
    days = [f"2024-01-{day:02d}" for day in range(1, len(values) + 1)]
    return symptom_frame(pl.DataFrame({"timestamp": days, "value": values, "symptom": name, "patient_id": "a"}))


def kept(frame: LongFrame) -> list[float]:
    return frame.values[np.isfinite(frame.values)].tolist()


@pytest.mark.parametrize(
    ("name", "values", "left"),
    [
        ("heart_rate", [61.0, -1.0, 0.0, 255.0, 62.0], [61.0, 62.0]),
        ("heart_rate", [61.0, 251.0, 24.0], [61.0, 251.0, 24.0]),  # odd, but no number that stands for nothing
        ("oxygen_saturation", [97.0, 0.0, 99.0, 77.0, 88.0], [97.0, 99.0, 77.0, 88.0]),
        ("steps", [0.0, -1.0, 99.0, 999.0], [0.0, 99.0, 999.0]),
        ("screen_time", [0.0, -1.0, 3.0], [0.0, 3.0]),  # of no known range
        ("skin_temperature_deviation", [-1.0, 0.0, -2.0, 99.0], [-1.0, 0.0, -2.0]),
        ("own signal", [-1.0, 0.0, 999.0], [-1.0, 0.0, 999.0]),
    ],
)
def test_numbers_that_stand_for_no_value_are_left_out_where_they_cannot_be_one(
    name: str, values: list[float], left: list[float]
) -> None:
    screened_signals, _, notes = screened(signals(name, values), REPORTS)
    assert kept(screened_signals) == left
    gone = len(values) - len(left)
    assert [line.startswith(f"{name}: {gone} of {len(values)} values left out") for line in notes.get("a", [])] == (
        [True] if gone else []
    )


def test_a_note_names_the_numbers() -> None:
    notes = screened(signals("heart_rate", [61.0, 0.0, -1.0, 0.0]), REPORTS)[2]
    assert notes == {"a": ["heart_rate: 3 of 4 values left out, because -1 or 0 stands for no value"]}


def test_a_range_counts_in_its_own_unit() -> None:
    assert kept(screened(signals("body_temperature", [0.0, 37.0], "\u00b0C"), REPORTS)[0]) == [37.0]
    assert kept(screened(signals("body_temperature", [0.0, 98.6], "degF"), REPORTS)[0]) == [0.0, 98.6]


@pytest.mark.parametrize("name", ["Step_Count", "counts", "sleep_duration", "exercise_minutes", "distance", "calories",
                                  "screen_time", "walking_heart_rate", "resting_hr", "hrv_sdnn", "rmssd", "resp_rate",
                                  "respiratory_rate", "spo2", "oxygen_saturation"])  # fmt: skip
def test_counts_and_durations_are_not_negative(name: str) -> None:
    with pytest.raises(ValidationError, match=f"^2 of 3 values of '{name}' cannot be, which runs from 0 on"):
        screened(signals(name, [-0.5, 60.0, -3.0]), REPORTS)


def test_what_may_be_negative_and_how_large_anything_may_be() -> None:
    assert kept(screened(signals("own signal", [1e12, -1e12, 3.0]), REPORTS)[0]) == [1e12, -1e12, 3.0]
    for value in (1.001e12, -1.001e12):
        with pytest.raises(ValidationError, match="1 of 2 values of 'own signal' cannot be"):
            screened(signals("own signal", [3.0, value]), REPORTS)


@pytest.mark.parametrize(
    ("name", "values", "left"),
    [
        ("PHQ-9", [0.0, 27.0, 999.0, -9.0, 99.0], [0.0, 27.0]),
        ("phq9", [0.0, 88.0], [0.0]),
        ("PHQ-9 item 3", [0.0, 3.0, 9999.0], [0.0, 3.0]),
        ("WHO-5", [77.0, 100.0, 999.0], [77.0, 100.0]),
        ("mood", [0.0, 999.0], [0.0, 999.0]),  # of no known scale
    ],
)
def test_reports_of_a_known_instrument_are_on_its_scale(name: str, values: list[float], left: list[float]) -> None:
    _, answered, notes = screened(signals("own signal", [1.0]), reports(name, values))
    assert kept(answered) == left
    assert bool(notes) == (len(left) < len(values))


@pytest.mark.parametrize(("name", "value"), [("PHQ-9", 28.0), ("PHQ-9", -3.0), ("PHQ-9 item 3", 4.0), ("WHO-5", 101.0)])
def test_other_values_off_the_scale_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=f"^1 of 2 values of '{name}' cannot be, which runs from 0 to"):
        screened(signals("own signal", [1.0]), reports(name, [1.0, value]))


def test_the_numbers_are_those_of_devices_and_study_platforms() -> None:
    assert {-1, 0, 255, 65535, 99, 999, -9, -99, 32767} <= set(NO_VALUE)
    assert 1 not in NO_VALUE
