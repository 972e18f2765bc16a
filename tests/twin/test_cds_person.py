"""Facts of the person out of a request, and directions in words: closed forms, limits from both sides."""

from typing import Any

import pytest

from novamind.drugs.domain import Product, Strength
from novamind.twin.cds.directions import Directions, read_directions
from novamind.twin.cds.dosage import form_of, read_dose
from novamind.twin.cds.person import ckd_epi, cockcroft_gault, read_person
from novamind.twin.cds.services import LABORATORY
from tests.twin.cds_requests import LOINC, PATIENT, condition, dose, measured
from tests.twin.people import TODAY


def person(*resources: Any, conditions: tuple[str, ...] = (), listed: bool = True) -> Any:
    return read_person(resources, conditions, TODAY, listed=listed)


@pytest.mark.parametrize(
    ("creatinine", "age", "weight", "sex", "clearance"),
    [(1.0, 40, 72, "male", 100.0), (1.0, 40, 72, "female", 85.0), (2.0, 80, 60, "female", 21.25)],
)
def test_creatinine_clearance_by_cockcroft_and_gault(
    creatinine: float, age: float, weight: float, sex: str, clearance: float
) -> None:
    assert cockcroft_gault(creatinine, age, weight, sex) == pytest.approx(clearance)


@pytest.mark.parametrize(
    ("creatinine", "age", "sex", "egfr"),
    # at kappa both powers are 1; twice kappa gives 2 ** -1.2, half of it 0.5 ** alpha
    [
        (0.9, 50, "male", 142 * 0.9938**50),
        (0.7, 50, "female", 142 * 1.012 * 0.9938**50),
        (1.8, 0, "male", 142 * 2**-1.2),
        (0.45, 0, "male", 142 * 0.5**-0.302),
        (0.35, 0, "female", 142 * 1.012 * 0.5**-0.241),
    ],
)
def test_egfr_by_ckd_epi_of_2021(creatinine: float, age: float, sex: str, egfr: float) -> None:
    assert ckd_epi(creatinine, age, sex) == pytest.approx(egfr)


def test_egfr_agrees_with_published_values() -> None:
    """The calculator of the National Kidney Foundation: 60-year-old man, 1.2 mg/dL: 69; woman: 52."""
    assert (round(ckd_epi(1.2, 60, "male")), round(ckd_epi(1.2, 60, "female"))) == (69, 52)


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("1981-06-01", 44.0), ("1981-06-02", 43.0), ("1981", 44.0), ("1981-06", 44.0), ("1981-07", 43.0), (None, None),
        (1981, None), ("2025-07-01", None), ("1800-01-01", None), ("x" * 12, None),
    ],
)  # fmt: skip
def test_age_is_of_the_birth_date_and_the_oldest_that_a_part_of_it_allows(born: Any, age: float | None) -> None:
    assert person(PATIENT | {"birthDate": born}).facts.age == age


@pytest.mark.parametrize(("gender", "sex"), [("female", "female"), ("male", "male"), ("other", None), (7, None)])
def test_sex_is_female_or_male_or_not_known(gender: Any, sex: str | None) -> None:
    assert person(PATIENT | {"gender": gender}).facts.sex == sex


def test_kidney_values_are_reported_or_computed_and_the_latest_counts() -> None:
    weight, old = measured("29463-7", 60, "kg"), measured("2160-0", 1.0, "mg/dL", "2025-01-01")
    facts = person(PATIENT, weight, old, measured("14682-9", 176.8, "umol/L")).facts  # 2.0 mg/dL
    assert facts.creatinine_clearance == pytest.approx((140 - 44) * 60 / (72 * 2.0) * 0.85, rel=1e-3)
    assert facts.egfr == pytest.approx(ckd_epi(2.0, 44, "female"), rel=1e-3)
    reported = person(
        PATIENT, weight, old, measured("33914-3", 25, "mL/min/{1.73_m2}"), measured("2164-2", 31, "mL/min")
    )
    assert (reported.facts.egfr, reported.facts.creatinine_clearance) == (25, 31)
    pounds = person(PATIENT, measured("3141-9", 132.277, "[lb_av]")).facts
    assert pounds.weight_kg == pytest.approx(60, rel=1e-3)


@pytest.mark.parametrize(
    ("observation", "is_used"),
    [
        (measured("2160-0", 1.0, "mg/dL", "2024-06-01"), True),
        (measured("2160-0", 1.0, "mg/dL", "2024-05-31"), False),
        (measured("2160-0", 1.0, "mg/dL", "2025-06-03"), False),
        (measured("2160-0", 1.0, "mg/dL", "2025"), False),
        (measured("2160-0", 1.0, "kg"), False),
        (measured("2160-0", 100.0, "mg/dL"), False),
        (measured("2160-0", 1.0, "mg/dL", valueQuantity={"value": 1, "code": "mg/dL", "comparator": "<"}), False),
        (measured("2160-0", 1.0, "mg/dL", valueQuantity={"value": True, "code": "mg/dL"}), False),
    ],
)
def test_a_value_counts_for_a_year_and_one_that_is_not_used_is_named(observation: Any, is_used: bool) -> None:
    result = person(PATIENT, observation)
    assert (result.facts.egfr is not None) is is_used
    assert bool(result.remarks) is not is_used


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered"])
def test_a_value_that_is_none_yet_or_no_more_is_none(status: str) -> None:
    assert person(PATIENT, measured("2160-0", 1.0, "mg/dL", status=status)).facts.egfr is None


def test_children_have_no_estimate_of_adults() -> None:
    child = person(
        PATIENT | {"birthDate": "2010-01-01"}, measured("2160-0", 1.0, "mg/dL"), measured("29463-7", 40, "kg")
    )
    assert (child.facts.egfr, child.facts.creatinine_clearance, child.facts.weight_kg) == (None, None, 40)


@pytest.mark.parametrize(
    ("texts", "words", "listed", "grade"),
    [
        ((), (), True, "none"),
        ((), (), False, None),
        ((), ("liver disease",), True, None),
        (("Liver cirrhosis, Child-Pugh B",), ("liver disease",), True, "B"),
        (("Child-Pugh class C cirrhosis", "Child Pugh A"), ("liver disease",), True, "C"),
        (("Child abuse",), (), True, "none"),
    ],
)
def test_the_liver_is_healthy_only_where_conditions_were_sent(
    texts: tuple[str, ...], words: tuple[str, ...], listed: bool, grade: str | None
) -> None:
    facts = person(PATIENT, *map(condition, texts), conditions=words, listed=listed).facts
    assert facts.child_pugh == grade


@pytest.mark.parametrize(
    ("value", "grade"),
    [({"valueCodeableConcept": {"text": "Class B"}}, "B"), ({"valueString": "C"}, "C"), ({"valueString": "7"}, "none")],
)
def test_a_child_pugh_class_may_be_an_observation(value: Any, grade: str) -> None:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "Child-Pugh score"}} | value
    assert person(PATIENT, observation).facts.child_pugh == grade


#: The long names of LOINC, shortened; entered apart from the source.
LOINC_NAMES = {
    "weight": {"29463-7": "body weight", "3141-9": "body weight, measured"},
    "creatinine": {
        "2160-0": "mass, serum or plasma", "14682-9": "moles, serum or plasma", "38483-4": "mass, blood",
        "59826-8": "moles, blood",
    },
    "crcl": {"2164-2": "24 hour urine and serum", "35591-7": "predicted by Cockcroft-Gault formula"},
    "egfr": {
        "33914-3": "MDRD", "48642-3": "MDRD, non-black", "50044-7": "MDRD, female", "77147-7": "MDRD",
        "50210-4": "cystatin C", "62238-1": "CKD-EPI 2009", "69405-9": "per 1.73 sq M", "88294-4": "CKD-EPI, non-black",
        "98979-8": "CKD-EPI 2021", "98980-6": "CKD-EPI 2021, creatinine and cystatin C",
    },
    "pregnancy": {"82810-3": "pregnancy status"},
}  # fmt: skip


def test_the_codes_of_values_are_these() -> None:
    assert {code: name for name, codes in LOINC_NAMES.items() for code in codes} == LABORATORY


def test_pregnancy_is_a_condition_or_an_observation() -> None:
    def status(code: str) -> Any:
        concept = {"coding": [{"system": LOINC, "code": code}]}
        return measured("82810-3", 0, "", valueQuantity=None, valueCodeableConcept=concept)

    assert person(PATIENT, conditions=("pregnancy",)).facts.pregnant is True
    assert [person(PATIENT, status(code)).facts.pregnant for code in ("LA15173-0", "LA26683-5", "LA4489-6")] == [
        True,
        False,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "amount", "unit", "hours"),
    [
        ("Take 1 tablet by mouth twice daily", 1, "tablet", 12),
        ("2 tabs BID", 2, "tabs", 12),
        ("20 mg once daily", 20, "mg", 24),
        ("20 mg/day", 20, "mg", 24),
        ("1-0-1", 2, "tablet", 24),
        ("1-0-0-½ Tabletten", 1.5, "tablet", 24),
        ("1-2 tablets every 4 to 6 hours as needed for pain", 2, "tablets", 4),
        ("half a tablet at bedtime", 0.5, "tablet", 24),
        ("one tablet every morning and at bedtime", 1, "tablet", 12),
        ("1,5 Tabletten täglich", 1.5, "tabletten", 24),
        ("alle 8 Stunden 50 mg", 50, "mg", 8),
        ("zweimal täglich 25 mg", 25, "mg", 12),
        ("40 mg every other day", 40, "mg", 48),
        ("100 mg every 4 weeks", 100, "mg", 672),
        ("1 tablet once weekly", 1, "tablet", 168),
        ("b.i.d.", None, "", 12),
        ("0.125 mg daily", 0.125, "mg", 24),
        ("1000 mg q8h", 1000, "mg", 8),
    ],
)
def test_directions_are_read_word_by_word(text: str, amount: float | None, unit: str, hours: float) -> None:
    assert read_directions(text) == Directions(amount, unit, hours)


@pytest.mark.parametrize(
    "text",
    [
        "as directed", "1,000 mg daily", "1.000 mg täglich", "0 mg daily", "1 tablet (20 mg) daily",
        "10 mg in the morning and 20 mg at night", "1 tablet daily, increase after a week", "once daily twice daily",
        "once daily in the morning and at night", "20 mg/5 ml daily", "do not take 2 tablets daily", "", "x" * 401,
        "1-0-1 20 mg", "take one and a half tablets daily", "q0h",
        f"20 mg daily {'by mouth ' * 50}",
    ],
)  # fmt: skip
def test_directions_with_any_doubt_are_not_read(text: str) -> None:
    assert read_directions(text) is None


def _product(**more: Any) -> Product:
    return Product("x", ("haloperidol",), **more)


def test_volumes_and_patches_count_by_their_strength_and_depots_keep_their_rhythm() -> None:
    syrup = _product(strengths=(Strength(20, "mg", 5, "ml"),))
    assert read_dose(dose(10, unit="mL"), syrup).of["haloperidol"].daily_mg == pytest.approx(40)
    patch = _product(strengths=(Strength(0.25, "mg", 1, "h"),), form="patch")
    assert read_dose(dose(1, unit="patch"), patch).of["haloperidol"].daily_mg == pytest.approx(6)
    assert form_of(patch) == "transdermal"
    depot = _product(strengths=(Strength(100, "mg", 1, "ml"),), release="depot")
    monthly = [{"text": "1 ml every 4 weeks"}]
    (dosage,) = read_dose(monthly, depot).of.values()
    assert (dosage.mg, dosage.every_hours, dosage.form) == (100, 672, "depot")
    assert read_dose(dose(1, unit="mL"), patch).remark
    assert read_dose(dose(1, unit="tablet"), syrup).remark


def test_a_combination_has_the_dose_of_each_part_or_none() -> None:
    both = Product("x", ("paracetamol", "codeine"), (Strength(300, "mg"), Strength(30, "mg")))
    assert {drug: of.daily_mg for drug, of in read_dose(dose(2, 4, "tablet"), both).of.items()} == {
        "paracetamol": 2400,
        "codeine": 240,
    }
    assert read_dose(dose(2, 4, "mg"), both).of == {}


@pytest.mark.parametrize(
    ("release", "form", "route", "word"),
    [("extended", "tablet", "oral", "extended"), ("", "tablet", "oral", ""), ("", "", "sublingual", "sublingual"),
     ("delayed", "capsule", "", ""), ("", "", "intramuscular", "intramuscular"),
     ("", "", "transdermal", "transdermal")],
)  # fmt: skip
def test_the_form_is_in_the_words_of_limits(release: str, form: str, route: str, word: str) -> None:
    assert form_of(_product(release=release, form=form, route=route)) == word
