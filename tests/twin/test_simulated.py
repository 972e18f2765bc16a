"""A simulated person: what is true of it, and the same person for the same seed."""

from datetime import timedelta

import numpy as np
import pytest

from novamind.neurochemistry import drug_names
from novamind.records import PatientRecord
from novamind.twin.case import Case
from novamind.twin.simulated import simulated_record
from tests.golden import check_golden
from tests.twin.people import TODAY


@pytest.fixture(scope="module")
def people() -> list[PatientRecord]:
    return [simulated_record(seed) for seed in range(24)]


def daily(known: PatientRecord, name: str) -> tuple[np.ndarray, np.ndarray]:
    frame = known.signals
    assert frame is not None
    rows = frame.part([key.name for key in frame.series].index(name))
    return frame.timestamps[rows].astype("datetime64[D]"), frame.values[rows]


def test_sleep_falls_a_day_after_severity_and_variability_a_day_before() -> None:
    """Regression over many people finds the slopes and lags that went in, and nothing at other lags."""
    found: dict[str, list[float]] = {"sleep": [], "variability": []}
    lags: dict[str, list[int]] = {"sleep": [], "variability": []}
    for seed in range(30):
        known = simulated_record(seed)
        assert known.symptoms is not None
        at = known.symptoms.timestamps.astype("datetime64[D]").astype(float)
        for name, signal, form, lag in (
            ("sleep", "sleep_duration", lambda v: v, 1),
            ("variability", "hrv_sdnn", np.log, -1),
        ):
            days, values = daily(known, signal)
            y = form(values)
            fits = {}
            for shift in (-2, -1, 0, 1, 2):
                x = np.interp(days.astype(float) - shift, at, known.symptoms.values)
                slope, start = np.polyfit(x, y, 1)
                fits[shift] = (np.std(y - start - slope * x), slope)
            found[name].append(fits[lag][1])
            lags[name].append(min(fits, key=lambda shift: fits[shift][0]))
    assert np.median(found["sleep"]) == pytest.approx(-0.06, abs=0.01)
    assert np.median(found["variability"]) == pytest.approx(-0.025, abs=0.003)
    assert max(set(lags["sleep"]), key=lags["sleep"].count) == 1
    assert max(set(lags["variability"]), key=lags["variability"].count) == -1


def test_everybody_has_something_of_everything(people: list[PatientRecord]) -> None:
    for known in people:
        (course,) = known.medications
        assert course.medication in drug_names()
        assert course.start is not None
        assert known.symptoms is not None
        first = known.symptoms.timestamps[0].astype("datetime64[D]").item()
        assert timedelta(days=1) <= course.start - first <= timedelta(days=29)
        assert 1955 <= known.demographics["birth_year"] <= 2003  # type: ignore[operator]
        assert set(Case(known, TODAY).genotype) == {"CYP2D6", "CYP2C19"}
        assert [one.word for one in known.conditions] == ["depression"]
        signals = known.signals
        assert signals is not None
        assert dict(zip((key.name for key in signals.series), signals.units, strict=True)) == {
            "sleep_duration": "h",
            "hrv_sdnn": "ms",
        }
        days, _ = daily(known, "sleep_duration")
        assert days[0] == known.symptoms.timestamps[0].astype("datetime64[D]") + 1
        assert days[-1] == known.symptoms.timestamps[-1].astype("datetime64[D]") - 1
    assert len({known.medications[0].medication for known in people}) == 4
    assert {known.genotype["CYP2D6"] for known in people} == {"*1/*1", "*1/*4", "*4/*4", "*1/*41"}
    assert {known.genotype["CYP2C19"] for known in people} == {"*1/*1", "*1/*2", "*1/*17", "*2/*2"}
    doses = {(known.medications[0].medication, known.medications[0].dose_mg) for known in people}
    assert doses == {("sertraline", 100.0), ("escitalopram", 10.0), ("venlafaxine", 150.0), ("paroxetine", 20.0)}


def test_the_same_seed_is_the_same_person(people: list[PatientRecord]) -> None:
    def told(known: PatientRecord) -> dict[str, object]:
        assert known.symptoms is not None
        sleep, variability = (daily(known, name)[1] for name in ("sleep_duration", "hrv_sdnn"))
        return {
            "who": known.patient_id,
            "born": known.demographics,
            "reports": [len(known.symptoms), known.symptoms.values[:10], known.symptoms.values.sum()],
            "sleep": [len(sleep), sleep[:8], sleep.sum()],
            "variability": [len(variability), variability[:8], variability.sum()],
            "medications": known.medications,
            "genotype": known.genotype,
        }

    check_golden(__file__, "simulated", [told(known) for known in people[:3]])
