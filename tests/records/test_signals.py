"""The table of signals: every unit against a second value, every limit on both sides."""

import subprocess
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from scipy import constants as c

from novamind.errors import NotFoundError
from novamind.records.signals import DAILY_HOURS, EARLIER_NAMES, SIGNAL_OF_LOINC, SIGNALS, daily_names, signal_named
from novamind.records.units import conversion
from novamind.records.wearables.samples import Batch, Tally, frame_of, valid_rows
from tests.golden import check_golden

START = datetime(2024, 5, 1, 8)  # noqa: DTZ001
#: Glucose C6H12O6 by the standard atomic weights of IUPAC (2021): C 12.011, H 1.008, O 15.999.
GLUCOSE = 6 * 12.011 + 12 * 1.008 + 6 * 15.999
FAHRENHEIT = (c.degree_Fahrenheit, float(c.convert_temperature(0, "F", "C")))
NAUGHT = 0.0

#: One of each unit in the signal's own unit, and what its zero is: exact definitions and CODATA, in scipy.constants.
SECOND: dict[str, dict[str, tuple[float, float]]] = {
    "bpm": {**dict.fromkeys(("bpm", "BPM", "count/min", "beats/min", "/min", "1/min", "{Beats}/min", "min-1"), (1, 0)),
            **dict.fromkeys(("beats/minute", "Beats per minute", "beat / min"), (1, 0)),
            **dict.fromkeys(("count/s", "Hz", "hz", "1/s", "s-1"), (c.minute, 0)), "/h": (c.minute / c.hour, 0)},
    "ms": {"ms": (1, 0), "s": (1 / c.milli, 0), "sec": (1 / c.milli, 0), "us": (c.micro / c.milli, 0)},
    "breaths/min": dict.fromkeys(("breaths/min", "count/min", "bpm", "brpm", "/min", "{Breaths}/min"), (1, 0)),
    "%": {"%": (1, 0), "percent": (1, 0), "fraction": (1 / c.centi, 0), "1": (1 / c.centi, 0)},
    "°C": {**dict.fromkeys(("°C", "degC", "c", "Cel", "C"), (1, 0)),
           **dict.fromkeys(("degF", "F", "°F", "[degF]", "deg F"), FAHRENHEIT), "K": (1, -c.zero_Celsius)},
    "count": {**dict.fromkeys(("count", "steps", "floors", "{steps}", "{count}", "1", "/{tot}"), (1, 0)),
              "10*3": (c.kilo, 0)},
    "m": {"m": (1, 0), "km": (c.kilo, 0), "cm": (c.centi, 0), "ft": (c.foot, 0), "yd": (c.yard, 0), "in": (c.inch, 0),
          **dict.fromkeys(("mi", "[mi_i]", "Miles"), (c.mile, 0)), "[in_i]": (c.inch, 0), "[ft_i]": (c.foot, 0)},
    "cm": {"cm": (1, 0), "m": (1 / c.centi, 0), "[in_i]": (c.inch / c.centi, 0), "in": (c.inch / c.centi, 0),
           "mm": (c.milli / c.centi, 0)},
    "kcal": {**dict.fromkeys(("kcal", "Cal", "[Cal]", "Calories"), (1, 0)), "J": (1 / (c.kilo * c.calorie), 0),
             **dict.fromkeys(("kJ", "kj"), (1 / c.calorie, 0)), "MJ": (c.kilo / c.calorie, 0)},
    "min": {"min": (1, 0), "s": (1 / c.minute, 0), "sec": (1 / c.minute, 0), "ms": (c.milli / c.minute, 0),
            "h": (c.hour / c.minute, 0), "hr": (c.hour / c.minute, 0), "Hours": (c.hour / c.minute, 0)},
    "kg": {"kg": (1, 0), "lb": (c.pound, 0), "lbs": (c.pound, 0), "[lb_av]": (c.pound, 0), "g": (c.gram, 0),
           "st": (c.stone, 0), "[stone_av]": (c.stone, 0), "[oz_av]": (c.oz, 0)},
    "kg/m²": {"kg/m²": (1, 0), "kg/m2": (1, 0), "g/cm2": (c.gram / c.centi**2, 0),
              "[lb_av]/[in_i]2": (c.pound / c.inch**2, 0)},
    "mg/dL": {"mg/dL": (1, 0), "mg/dl": (1, 0), "MG/DL": (1, 0), "g/L": (1 / c.milli * c.deci, 0),
              "mmol/L": (GLUCOSE / 10, 0),
              "mmol<180.15588000005408>/L": (GLUCOSE / 10, 0), "umol/L": (GLUCOSE / 10 * c.milli, 0)},
    "mL/kg/min": {**dict.fromkeys(("mL/kg/min", "mL/min·kg", "ml/(kg*min)", "mL/(kg.min)", "mL/min/kg"), (1, 0)),
                  "[MET]": (3.5, 0)},
    "dB": dict.fromkeys(("dB", "dBASPL", "dBA", "dB[SPL]"), (1, 0)),
    "µS": {**dict.fromkeys(("µS", "uS", "microsiemens"), (1, 0)), "S": (1 / c.micro, 0)},
    "score": dict.fromkeys(("score", "{score}", "1"), (1, 0)),
    "lx": {"lx": (1, 0), "lux": (1, 0), "klx": (c.kilo, 0)},
    "0/1": {"0/1": (1, 0)},
    "mmHg": {"mmHg": (1, 0), "mm[Hg]": (1, 0), "kPa": (c.kilo / c.mmHg, 0), "Pa": (1 / c.mmHg, 0),
             "cm[H2O]": (98.0665 / c.mmHg, 0)},
}  # fmt: skip
#: Units that measure something else than each.
STRANGE = {"bpm": "Cel", "ms": "m", "breaths/min": "kg", "%": "kg", "°C": "kcal", "count": "%", "m": "kg", "cm": "s",
           "kcal": "m", "min": "m", "kg": "L", "kg/m²": "kg", "mg/dL": "mg", "mL/kg/min": "mL", "dB": "m", "µS": "V",
           "score": "%", "lx": "cd", "0/1": "%", "mmHg": "kg"}  # fmt: skip


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


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_every_unit_is_worth_what_a_second_source_says(name: str) -> None:
    signal = SIGNALS[name]
    for unit, (factor, shift) in SECOND[signal.unit].items():
        way = signal.conversion(unit)
        assert way is not None, unit
        assert way.factor == pytest.approx(factor, rel=1e-6), unit
        assert way.shift == pytest.approx(NAUGHT if name == "skin_temperature_deviation" else shift, rel=1e-6), unit
    assert signal.conversion(STRANGE[signal.unit]) is None
    assert signal.conversion("furlong") is signal.conversion("") is None
    assert signal.conversion(signal.ucum, coded=True) == (1, 0)


def test_a_factor_is_exact_so_that_a_limit_stays_a_limit() -> None:
    """59 and 113 °F are 15 and 45 °C, both ends of the range of skin temperature."""
    assert SIGNALS["skin_temperature"].conversion("[degF]") == (5 / 9, -160 / 9)
    assert SIGNALS["weight"].conversion("[lb_av]") == (0.45359237, 0)
    assert SIGNALS["height"].conversion("[in_i]") == (2.54, 0)


def test_a_rate_of_a_day_is_a_days_total() -> None:
    steps, energy = SIGNALS["daily_steps"], SIGNALS["daily_total_energy"]
    for unit in ("/d", "{steps}/d", "1/(24.h)", "1", "{steps}", "steps/day", "steps per day"):
        assert steps.conversion(unit) == (1, 0)
    assert energy.conversion("kJ/d") == (pytest.approx(1 / c.calorie), 0)
    assert SIGNALS["steps"].conversion("/d") is None
    assert SIGNALS["total_energy"].conversion("kJ/d") is None


def test_a_calorie_in_lower_case_is_read_where_it_is_a_code_alone() -> None:
    energy = SIGNALS["active_energy"]
    assert energy.conversion("cal") is None
    assert energy.conversion("cal", coded=True) == (pytest.approx(c.milli), 0)


def test_an_amount_of_substance_is_a_mass_for_glucose_alone() -> None:
    assert conversion("mmol/L", "mg/dL") is None
    assert conversion("mmol/L", "mg/dL", 2.0) == (pytest.approx(0.2), 0)
    assert SIGNALS["weight"].conversion("mol") is None


@pytest.mark.parametrize(
    "unit",
    ["m" * 41, "m99999999", "10*999", "((((m", "m{", "{}", "", "  ", "/", "..", "[x]", "[pH]", "m/0", "\x00", "1" * 300,
     "m" * 10_000, "B[W]", "kg}", "{a}.{b}"],
)  # fmt: skip
def test_what_is_no_unit_ends_soon_in_none(unit: str) -> None:
    assert conversion(unit, "km") is None


def test_the_units_that_fit_are_named() -> None:
    assert SIGNALS["heart_rate"].fitting_units == "bpm, /min, Hz"
    assert SIGNALS["weight"].fitting_units == "kg, g, [lb_av]"
    for signal in SIGNALS.values():
        for unit in signal.fitting_units.split(", "):
            assert signal.conversion(unit) is not None, (signal.name, unit)


#: LOINC long common names: what each code measures, entered apart from the source.
CODES = {
    "8867-4": "heart_rate", "40443-4": "resting_heart_rate", "80404-7": "hrv_sdnn", "9279-1": "respiratory_rate",
    "59408-5": "oxygen_saturation", "2708-6": "oxygen_saturation", "8310-5": "body_temperature",
    "8480-6": "blood_pressure_systolic", "8462-4": "blood_pressure_diastolic", "29463-7": "weight", "3141-9": "weight",
    "8302-2": "height", "39156-5": "body_mass_index", "41982-0": "body_fat", "93832-4": "sleep_duration",
    "93830-8": "sleep_light_duration", "93831-6": "sleep_deep_duration", "93829-0": "sleep_rem_duration",
    "55423-8": "steps", "41950-7": "daily_steps", "41981-2": "total_energy", "41979-6": "daily_total_energy",
    "2339-0": "blood_glucose", "15074-8": "blood_glucose", "41653-7": "blood_glucose",
}  # fmt: skip


def test_each_code_means_what_loinc_says() -> None:
    assert {code: signal.name for code, signal in SIGNAL_OF_LOINC.items()} == CODES


def test_to_what_stretch_a_value_belongs() -> None:
    kinds = {kind: {s.name for s in SIGNALS.values() if s.kind == kind} for kind in
             ("instant", "interval", "cumulative", "nightly", "daily")}  # fmt: skip
    assert sum(map(len, kinds.values())) == len(SIGNALS)
    assert {name for name in SIGNALS if name.startswith("daily_")} <= kinds["daily"]
    assert {"sleep_duration", "sleep_efficiency", "sleep_score", "skin_temperature_deviation"} <= kinds["nightly"]
    assert {"resting_heart_rate", "readiness_score", "journal_alcohol"} <= kinds["daily"]
    assert {"heart_rate", "weight", "blood_glucose", "mood_valence"} <= kinds["instant"]
    assert {"sleep_asleep", "sedentary"} <= kinds["interval"]
    assert {"steps", "active_energy", "daylight"} <= kinds["cumulative"]


def test_common_units_do_not_load_the_library() -> None:
    """Pint takes half a second; an import of the usual files must not wait for it."""
    program = (
        "import sys\nfrom novamind.records.signals import SIGNALS\n"
        "for s in SIGNALS.values(): s.conversion(s.unit); s.conversion(s.ucum)\n"
        "SIGNALS['heart_rate'].conversion('count/min'); SIGNALS['steps'].conversion('count')\n"
        "print([m for m in ('pint', 'lark', 'ucumvert') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("signal", "value", "unit", "canonical"),
    [
        ("body_temperature", 98.6, "degF", 37.0),
        ("body_temperature", 310.15, "K", 37.0),
        ("skin_temperature", 95.0, " °F ", 35.0),
        ("weight", 11, "st", 69.85322498),
        ("weight", 150, "[lb_av]", 68.0388555),
        ("blood_pressure_systolic", 16, "kPa", 120.0099),
        ("active_energy", 420, "Cal", 420.0),
        ("skin_temperature_deviation", 1.8, "degF", 1.0),
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
    assert daily_names() == {
        name: f"daily_{name}" for name in (*sums, *means, "exercise", "sleep_duration", "mood_valence")
    }
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
    with pytest.raises(NotFoundError, match="no signal has that name"):
        signal_named("aura")


def test_the_table_of_signals_is_as_it_was_read() -> None:
    check_golden(__file__, "signals", [list(asdict(signal).values()) for signal in SIGNALS.values()])


def test_earlier_names_lead_to_signals_and_are_none_themselves() -> None:
    assert set(EARLIER_NAMES.values()) <= set(SIGNALS)
    assert not set(EARLIER_NAMES) & set(SIGNALS)
    assert EARLIER_NAMES["heart_rate_variability_sdnn"] == "hrv_sdnn"


def test_the_page_lists_every_signal() -> None:
    """Prints the table as it should stand in docs/signals.md when it does not."""
    rows = ["| signal | unit | UCUM | LOINC | kind | range | meaning |", "|---|---|---|---|---|---|---|"]
    for s in SIGNALS.values():
        codes = f"`{s.ucum}` | {' '.join(s.loinc)} | {s.kind}"
        rows.append(f"| `{s.name}` | {s.unit} | {codes} | {s.low:g} to {s.high:g} | {s.meaning} |")
    page = Path(__file__).parents[2] / "docs" / "signals.md"
    assert "\n".join(rows) in page.read_text("utf-8"), "\n".join(rows)
