"""The table of signals: every unit against a second value, every limit on both sides."""

from dataclasses import asdict
from datetime import datetime, timedelta

import polars as pl
import pytest
from scipy import constants as c

from novamind.errors import NotFoundError
from novamind.records.wearables.samples import Batch, Tally, frame_of, valid_rows
from novamind.records.wearables.signals import DAILY_HOURS, SIGNALS, conversions, daily_names, signal_named
from tests.golden import check_golden

START = datetime(2024, 5, 1, 8)  # noqa: DTZ001
#: Glucose C6H12O6 by the standard atomic weights of IUPAC (2021): C 12.011, H 1.008, O 15.999.
GLUCOSE = 6 * 12.011 + 12 * 1.008 + 6 * 15.999
FAHRENHEIT = (c.degree_Fahrenheit, float(c.convert_temperature(0, "F", "C")))

#: One of each unit in the signal's own unit, and what its zero is: exact definitions and CODATA, in scipy.constants.
SECOND: dict[str, dict[str, tuple[float, float]]] = {
    "bpm": {"bpm": (1, 0), "count/min": (1, 0), "beats/min": (1, 0), "/min": (1, 0), "count/s": (c.minute, 0),
            "hz": (c.minute, 0)},
    "ms": {"ms": (1, 0), "s": (1 / c.milli, 0), "sec": (1 / c.milli, 0)},
    "breaths/min": dict.fromkeys(("breaths/min", "count/min", "bpm", "brpm", "/min"), (1, 0)),
    "%": {"%": (1, 0), "percent": (1, 0), "fraction": (1 / c.centi, 0)},
    "°C": {**dict.fromkeys(("°c", "degc", "c", "cel"), (1, 0)),
           **dict.fromkeys(("degf", "f", "°f", "[degf]"), FAHRENHEIT), "k": (1, -c.zero_Celsius)},
    "count": dict.fromkeys(("count", "steps", "floors", "{steps}", "{count}", "1"), (1, 0)),
    "m": {"m": (1, 0), "km": (c.kilo, 0), "cm": (c.centi, 0), "mi": (c.mile, 0), "ft": (c.foot, 0), "yd": (c.yard, 0),
          "in": (c.inch, 0)},
    "kcal": {"kcal": (1, 0), "cal": (1, 0), "kj": (1 / c.calorie, 0), "j": (1 / (c.kilo * c.calorie), 0)},
    "min": {"min": (1, 0), "s": (1 / c.minute, 0), "sec": (1 / c.minute, 0), "ms": (c.milli / c.minute, 0),
            "h": (c.hour / c.minute, 0), "hr": (c.hour / c.minute, 0)},
    "kg": {"kg": (1, 0), "lb": (c.pound, 0), "lbs": (c.pound, 0), "g": (c.gram, 0), "st": (c.stone, 0)},
    "mg/dL": {"mg/dl": (1, 0), "mmol<180.15588000005408>/l": (GLUCOSE / 10, 0), "mmol/l": (GLUCOSE / 10, 0)},
    "mL/kg/min": dict.fromkeys(("ml/kg/min", "ml/min·kg", "ml/(kg*min)"), (1, 0)),
    "dB": dict.fromkeys(("db", "dbaspl", "dba"), (1, 0)),
    "µS": dict.fromkeys(("µs", "us", "microsiemens"), (1, 0)),
    "score": {"score": (1, 0)},
    "lx": {"lx": (1, 0), "lux": (1, 0)},
    "0/1": {"0/1": (1, 0)},
    "mmHg": {"mmhg": (1, 0)},
}  # fmt: skip


def sample(
    signal: str, value: float | None, unit: str, length: timedelta = timedelta(0), row: int = 1
) -> dict[str, object]:
    return {
        "row": row,
        "signal": signal,
        "start": START,
        "end": START + length,
        "value": value,
        "unit": unit,
        "offset": 0,
    }


def kept(*rows: dict[str, object]) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    frame = frame_of({name: [row[name] for row in rows] for name in rows[0]})
    tally = Tally()
    found = valid_rows(Batch(frame, "offset", "x.csv"), None, datetime(2025, 1, 1), tally)  # noqa: DTZ001
    return found, tally.left_out_rows()


def test_every_unit_is_worth_what_a_second_source_says() -> None:
    known = {(signal, unit): (factor, shift) for signal, unit, factor, shift in conversions()}
    assert set(known) == {(s.name, unit) for s in SIGNALS.values() for unit in SECOND[s.unit]}
    for (name, unit), (factor, shift) in known.items():
        second = SECOND[SIGNALS[name].unit][unit]
        assert factor == pytest.approx(second[0], rel=1e-6), (name, unit)
        assert shift == pytest.approx(second[1], rel=1e-6), (name, unit)


@pytest.mark.parametrize(
    ("signal", "value", "unit", "canonical"),
    [
        ("body_temperature", 98.6, "degF", 37.0),
        ("body_temperature", 310.15, "K", 37.0),
        ("skin_temperature", 95.0, " °F ", 35.0),
        ("weight", 11, "st", 69.85322498),
        ("weight", 72_000, "g", 72.0),
        ("distance", 26.2188, "mi", 42_195.07),
        ("active_energy", 418.4, "kJ", 100.0),
        ("blood_glucose", 5.5, "mmol/L", 99.0857),
        ("heart_rate", 1.2, "Hz", 72.0),
        ("rr_interval", 0.8, "s", 800.0),
        ("oxygen_saturation", 0.97, "fraction", 97.0),
        ("sleep_duration", 7.5, "h", 450.0),
        ("sleep_latency", 90_000, "ms", 1.5),
    ],
)
def test_a_value_is_brought_to_its_one_unit(signal: str, value: float, unit: str, canonical: float) -> None:
    found, _ = kept(sample(signal, value, unit))
    assert found["value"].to_list() == [pytest.approx(canonical, rel=1e-5)]


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_each_range_holds_its_ends_and_nothing_beyond(name: str) -> None:
    signal = SIGNALS[name]
    if signal.aggregation == "interval":  # the value is the length of the row: 0 to 26 hours
        rows = [sample(name, 0, "min", timedelta(minutes=m), row) for row, m in enumerate((0, 26 * 60, 26 * 60 + 1), 1)]
    else:
        step = (signal.high - signal.low) / 1e6
        values = (signal.low - step, signal.low, signal.high, signal.high + step)
        rows = [sample(name, value, signal.unit, row=row) for row, value in enumerate(values)]
    found, left = kept(*rows)
    assert sorted(found["row"]) == [1, 2]
    if signal.aggregation == "interval":
        assert found["value"].to_list() == [0.0, 1560.0]
        assert [entry["reason"] for entry in left] == ["lasts longer than a day"]
    else:
        assert {(entry["first_row"], entry["reason"]) for entry in left} == {
            (0, "value lies below the plausible range"),
            (3, "value lies above the plausible range"),
        }


def test_ranges_hold_what_people_reach() -> None:
    """Values in the literature that a device may show; no range may refuse them."""
    reached = {
        "heart_rate": (27, 220),  # athletes asleep; greatest of a youth (220 - age)
        "body_temperature": (28, 42.3),  # moderate hypothermia; the end of a clinical thermometer
        "respiratory_rate": (6, 45), "oxygen_saturation": (60, 100), "rr_interval": (272, 2200),
        "steps": (0, 25_000), "daily_steps": (0, 150_000), "weight": (25, 350), "body_fat": (3, 70),
        "blood_pressure_systolic": (60, 260), "blood_pressure_diastolic": (30, 160), "blood_glucose": (25, 600),
        "vo2_max": (10, 97),  # the highest that was measured
        "sleep_duration": (0, 25 * 60), "sleep_efficiency": (0, 100), "sound_level": (0, 130),
    }  # fmt: skip
    for name, (low, high) in reached.items():
        assert SIGNALS[name].low <= low < high <= SIGNALS[name].high, name


def test_heart_rate_and_its_interval_are_inverse() -> None:
    rate, interval = SIGNALS["heart_rate"], SIGNALS["rr_interval"]
    assert (60_000 / interval.high, 60_000 / interval.low) == (rate.low, rate.high)


def test_what_is_counted_is_summed_and_what_is_measured_is_averaged() -> None:
    by_kind = {
        kind: {s.name for s in SIGNALS.values() if s.aggregation == kind} for kind in ("sum", "interval", "mean")
    }
    sleep = {f"sleep_{stage}" for stage in ("asleep", "in_bed", "awake", "light", "deep", "rem")}
    assert by_kind["interval"] == sleep | {"sedentary"}
    counted = ("steps", "distance", "active_energy", "basal_energy", "total_energy", "floors")
    minutes = ("exercise", "daily_exercise", "active_zone_minutes", "workout", "daylight")
    actigraph = ("activity_counts", "activity_counts_axis2", "activity_counts_axis3", "event_mark")
    assert by_kind["sum"] == {*counted, *(f"daily_{name}" for name in counted), *minutes, *actigraph}
    assert sum(map(len, by_kind.values())) == len(SIGNALS)


def test_the_total_of_a_day_is_a_signal_of_its_own() -> None:
    sums = ("steps", "distance", "active_energy", "basal_energy", "total_energy", "floors")
    means = ("heart_rate", "hrv_rmssd", "respiratory_rate", "oxygen_saturation", "skin_temperature", "stress_score")
    assert daily_names() == {name: f"daily_{name}" for name in (*sums, *means, "exercise", "sleep_duration", "mood_valence")}
    for name, daily in daily_names().items():
        assert SIGNALS[daily].unit == SIGNALS[name].unit
        assert (SIGNALS[daily].high > SIGNALS[name].high) == (name in sums)


def test_twenty_hours_make_a_day() -> None:
    almost = timedelta(hours=20) - timedelta(seconds=1)
    found, _ = kept(
        *(sample("steps", 9, "count", length, row) for row, length in enumerate((almost, timedelta(hours=20)))),
        sample("heart_rate", 60, "bpm", timedelta(hours=24), 2),
    )
    assert found["signal"].to_list() == ["steps", "daily_steps", "daily_heart_rate"]
    assert DAILY_HOURS == 20


def test_a_signal_is_found_by_name_or_refused() -> None:
    assert signal_named("steps").unit == "count"
    assert all(name == signal.name for name, signal in SIGNALS.items())
    with pytest.raises(NotFoundError, match="no wearable signal has that name"):
        signal_named("aura")


def test_the_table_of_signals_is_as_it_was_read() -> None:
    check_golden(__file__, "wearable_signals", [list(asdict(signal).values()) for signal in SIGNALS.values()])
