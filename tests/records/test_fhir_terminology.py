"""What codes mean: LOINC against a second entry, units against scipy, names and strengths as they are written."""

import pytest
from scipy import constants as c

from novamind.drugs import conditions
from novamind.drugs.conditions import SNOMED, condition_of
from novamind.drugs.names import ATC, RXNORM, find
from novamind.records import read_fhir
from novamind.records.fhir.terminology import (
    LOINC,
    OWN,
    UCUM,
    ingredients,
    strength_mg,
)
from novamind.records.signals import SIGNALS
from tests.records.fhir_input import bundle, observation, patient

#: LOINC code -> our name, unit in UCUM, and one of each other unit in ours (exact definitions; scipy.constants).
SECOND: dict[str, tuple[str, str, dict[str, float]]] = {
    "8867-4": ("heart_rate", "bpm", {"/min": 1, "{Beats}/min": 1, "1/min": 1, "beats/min": 1, "Hz": c.minute}),
    "40443-4": ("resting_heart_rate", "bpm", {"{beats}/min": 1, "1/min": 1, "beats/min": 1}),
    "80404-7": ("hrv_sdnn", "ms", {"s": 1 / c.milli}),
    "9279-1": ("respiratory_rate", "breaths/min", {"/min": 1, "{breaths}/min": 1, "1/min": 1}),
    "59408-5": ("oxygen_saturation", "%", {"1": 100}),
    "2708-6": ("oxygen_saturation", "%", {}),
    "8310-5": ("body_temperature", "°C", {"Cel": 1}),
    "8480-6": ("blood_pressure_systolic", "mmHg", {"mm[Hg]": 1, "kPa": c.kilo / c.mmHg}),
    "8462-4": ("blood_pressure_diastolic", "mmHg", {"mm[Hg]": 1}),
    "29463-7": ("weight", "kg", {"g": c.gram, "[lb_av]": c.pound, "lbs": c.pound}),
    "8302-2": ("height", "cm", {"m": 1 / c.centi, "[in_i]": c.inch / c.centi, "[ft_i]": c.foot / c.centi}),
    "39156-5": ("body_mass_index", "kg/m²", {"kg/m2": 1}),
    "93832-4": ("sleep_duration", "min", {"h": c.hour / c.minute, "hours": c.hour / c.minute}),
    "55423-8": ("steps", "count", {"1": 1, "steps": 1, "{steps}": 1, "{#}": 1, "/{tot}": 1}),
    "41950-7": ("daily_steps", "count", {"/d": 1, "{steps}/d": 1, "{#}/d": 1, "1/(24.h)": 1}),
    "41981-2": ("total_energy", "kcal", {"Cal": 1, "kJ": 1 / c.calorie}),
    "2339-0": ("blood_glucose", "mg/dL", {"mmol/L": 18.0156}),
}


def test_code_systems_are_those_that_hl7_registers() -> None:
    assert (LOINC, UCUM, SNOMED) == ("http://loinc.org", "http://unitsofmeasure.org", "http://snomed.info/sct")
    assert (RXNORM, ATC) == ("http://www.nlm.nih.gov/research/umls/rxnorm", "http://www.whocc.no/atc")
    assert OWN == "urn:novamind"


@pytest.mark.parametrize(
    ("code", "unit", "factor"),
    [(code, u, f) for code, (_, own, others) in SECOND.items() for u, f in {own: 1.0, **others}.items()],
)
@pytest.mark.parametrize("key", ["code", "unit"])
def test_a_value_in_any_known_unit_becomes_the_same(code: str, unit: str, factor: float, key: str) -> None:
    signal = SIGNALS[SECOND[code][0]]
    value = (signal.low + signal.high) / 2 / factor
    given = observation(code, 0, valueQuantity={"value": value, key: unit})
    record = read_fhir(bundle(patient(), given)).record
    assert record.signals is not None
    assert (record.signals.series[0].name, record.signals.units) == (SECOND[code][0], (SECOND[code][1],))
    assert record.signals.values.tolist() == [pytest.approx(value * factor, rel=1e-6)]


def test_fahrenheit_is_shifted_and_a_code_goes_before_its_text() -> None:
    for quantity in (
        {"code": "[degF]"},
        {"unit": "°F"},
        {"code": "[degF]", "unit": "Cel"},
        {"code": "deg F", "unit": "F"},
    ):
        given = observation("8310-5", 0, valueQuantity={"value": 98.6, **quantity})
        record = read_fhir(bundle(patient(), given)).record
        assert record.signals is not None
        assert record.signals.values.tolist() == [pytest.approx(37.0)]


def test_a_small_calorie_is_one_where_it_is_a_code() -> None:
    given = observation("41981-2", 0, valueQuantity={"value": 4200.0, "code": "cal"})
    assert read_fhir(bundle(patient(), given)).record.signals.values.tolist() == [pytest.approx(4.2)]  # type: ignore[union-attr]
    written = observation("41981-2", 0, valueQuantity={"value": 4200.0, "unit": "cal"})
    assert read_fhir(bundle(patient(), written)).record.signals is None


def test_a_value_in_another_unit_is_not_guessed() -> None:
    for unit in ("Cel", "kg", "beats", "", None):
        found = read_fhir(bundle(patient(), observation("8867-4", 0, valueQuantity={"value": 61.0, "code": unit})))
        assert found.record.signals is None
        assert found.outcome.issues[0].diagnostics == "heart_rate in a unit that is not read (bpm, /min, Hz are)"


@pytest.mark.parametrize(
    ("system", "code", "name"),
    [
        (RXNORM, "36437", "sertraline"),
        (RXNORM, "N06AB06", None),
        ("http://www.whocc.no/atc", "N06AB06", "sertraline"),
        ("http://fhir.de/CodeSystem/bfarm/atc", "N06AB06", "sertraline"),
        ("urn:oid:2.16.840.1.113883.6.73", "N06AB06", "sertraline"),
        ("http://fhir.de/CodeSystem/bfarm/atc", "36437", None),
        (ATC, "N02BA01", "aspirin"),
        (ATC, "B01AC06", "aspirin"),
        (ATC, "N06AB", None),
        (RXNORM, "", None),
        ("urn:other", "36437", None),
    ],
)
def test_a_medication_by_code(system: str, code: str, name: str | None) -> None:
    product = find(code, system)
    assert (product.drug if product else None) == name


@pytest.mark.parametrize(
    ("system", "code", "word"),
    [
        ("http://hl7.org/fhir/sid/icd-10", "F32", "depression"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "F32.1", "depression"),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "F33.2", "depression"),
        ("urn:ICD10", "F31.81", "bipolar disorder"),
        ("http://hl7.org/fhir/sid/icd-10", "F34.1", None),
        ("http://hl7.org/fhir/sid/icd-10", "E87.6", "hypokalemia"),
        ("http://hl7.org/fhir/sid/icd-10", "E87.1", None),
        ("http://hl7.org/fhir/sid/icd-10", "I45.8", None),
        ("http://hl7.org/fhir/sid/icd-10", "I45.81", "long qt"),
        ("http://hl7.org/fhir/sid/icd-10", "F10.239", "alcohol withdrawal"),
        ("http://hl7.org/fhir/sid/icd-10", "F10.20", None),
        ("http://hl7.org/fhir/sid/icd-10", "I", None),
        ("http://hl7.org/fhir/sid/icd-10", "", None),
        ("http://hl7.org/fhir/sid/icd-9", "F32", None),
        (SNOMED, "35489007", "depression"),
        (SNOMED, "354890071", None),
        (SNOMED, "F32", None),
        ("http://hl7.org/fhir/sid/icd-10", "35489007", None),
    ],
)
def test_a_condition_by_the_longest_category_that_begins_its_code(system: str, code: str, word: str | None) -> None:
    assert condition_of(system, code) == word


def test_of_two_categories_the_longer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "_condition_codes", lambda: ({"F1": "a", "F10.2": "b", "F10": "c"}, {}))
    found = [condition_of("http://hl7.org/fhir/sid/icd-10", code) for code in ("F10.23", "F10.2", "F10.1", "F11", "F2")]
    assert found == ["b", "b", "c", "a", None]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Fluoxetine 25 MG", ("fluoxetine",)),
        ("fluoxetine", ("fluoxetine",)),
        ("24 HR Venlafaxine 75 MG Extended Release Oral Tablet [Effexor]", ("venlafaxine",)),
        ("12 hr bupropion hydrochloride 100 MG [Wellbutrin SR]", ("bupropion",)),
        ("A 1 MG / B 2 MG Oral Tablet", ("a", "b")),
        ("Codeine 30 MG / codeine 15 MG", ("codeine",)),
        ("Amphetamine/Dextro 5 MG", ("amphetamine/dextro",)),
        ("[Zoloft] Sertraline", ("sertraline",)),
        ("Lithium Carbonate 300 MG", ("lithium",)),
        ("valproic acid delayed release", ("valproic acid",)),
        ("Citalopram, tablets.", ("citalopram",)),
        ("5-HTP", ("5-htp",)),
        ("5-HTP 50", ("5-htp 50",)),
        ("  Two   Words ", ("two words",)),
        ("sodium", ("sodium",)),
        ("Oral Tablet", ("oral",)),
        ("24 HR", ("24 hr",)),
        ("", ("",)),
    ],
)
def test_substances_are_read_out_of_a_products_text(text: str, names: tuple[str, ...]) -> None:
    assert ingredients(text) == names


@pytest.mark.parametrize(
    "word",
    [
        "acetate",
        "anhydrous",
        "besylate",
        "bitartrate",
        "calcium",
        "capsule",
        "capsules",
        "carbonate",
        "chloride",
        "citrate",
        "delayed",
        "extended",
        "fumarate",
        "gel",
        "hcl",
        "hydrobromide",
        "hydrochloride",
        "injectable",
        "injection",
        "maleate",
        "mesylate",
        "oral",
        "oxalate",
        "phosphate",
        "pill",
        "potassium",
        "product",
        "release",
        "sodium",
        "solution",
        "succinate",
        "sulfate",
        "tablet",
        "tablets",
        "tartrate",
        "topical",
    ],
)
def test_salt_and_form_are_no_part_of_the_substance(word: str) -> None:
    assert ingredients(f"Xyzin {word}") == ("xyzin",)
    assert ingredients(f"{word} xyzin") == (f"{word} xyzin",)


@pytest.mark.parametrize(
    ("text", "strength"),
    [
        ("Sertraline 50 MG Oral Tablet", 50),
        ("Sertraline 50mg", 50),
        ("lithium 12.5 mg", 12.5),
        ("0.25 MG alprazolam", 0.25),
        ("Sertraline 20 MG/ML Oral Solution", None),
        ("Sertraline 20 MG / ML", None),
        ("A 1 MG / B 2 MG", None),
        ("A 1 MG B 2 MG", None),
        ("A 1 MG / B", None),
        ("Sertraline 0 MG", None),
        ("Sertraline", None),
        ("Sertraline 50 MGX", None),
        ("Sertraline 1234567 MG", None),
        ("1.50 MG of 2.5", 1.5),
        ("1.2.5 MG", None),
    ],
)
def test_the_strength_of_one_unit(text: str, strength: float | None) -> None:
    assert strength_mg(text) == strength
