"""Dose limits: both sides of each kind of limit, what is missing is named, and the maxima a second time."""

import re

import pytest

from novamind.drugs.domain import Severity
from novamind.drugs.limits import Dosage, PatientFacts, dose_cautions, limits, unlimited
from novamind.drugs.names import normalise
from novamind.drugs.tables import rows
from novamind.errors import ValidationError
from tests.drugs.tables import shared_rows

HEALTHY = PatientFacts(
    age=40, sex="male", weight_kg=75, creatinine_clearance=100, egfr=100, child_pugh="none", smoker=False
)
NORMAL = dict.fromkeys(("CYP2D6", "CYP2C19", "CYP2C9", "CYP3A4"), ("normal",))


def facts(**known: object) -> PatientFacts:
    return PatientFacts(**{name: getattr(HEALTHY, name) for name in HEALTHY.__dataclass_fields__} | known)


def alarms(drug: str, dosage: Dosage | float, person: PatientFacts = HEALTHY, **more: object) -> list[str]:
    given = dosage if isinstance(dosage, Dosage) else Dosage(dosage)
    options = {"phenotypes": NORMAL} | more
    return [c.text for c in dose_cautions(drug, given, person, **options) if c.severity is not Severity.INFORMATION]


# drug, dose allowed, dose above, and what is different from a healthy adult
CASES = [
    ("sertraline", 200, 201, {}, {}),
    ("citalopram", 40, 41, {"age": 60}, {}),
    ("citalopram", 20, 40, {"age": 61}, {}),
    ("citalopram", 20, 40, {"age": 70}, {}),
    ("citalopram", 20, 21, {"child_pugh": "A"}, {}),
    ("citalopram", 20, 60, {}, {"phenotypes": NORMAL | {"CYP2C19": ("poor",)}}),
    ("citalopram", 40, 41, {}, {"phenotypes": NORMAL | {"CYP2C19": ("intermediate",)}}),
    ("citalopram", 20, 40, {}, {"comedications": ("omeprazole",)}),
    ("citalopram", 20, 40, {}, {"comedications": ("fluconazole",)}),
    ("escitalopram", 10, 20, {"age": 65}, {}),
    ("aripiprazole", 30, 50, {}, {}),
    ("aripiprazole", 10, 15, {}, {"phenotypes": NORMAL | {"CYP2D6": ("normal", "poor")}}),
    ("aripiprazole", 15, 16, {}, {"comedications": ("paroxetine",)}),
    ("lithium", 1800, 1801, {}, {}),
    ("lithium", 600, 900, {"creatinine_clearance": 30}, {}),
    ("paliperidone", 3, 6, {"creatinine_clearance": 49}, {}),
    ("paliperidone", 6, 12, {"creatinine_clearance": 50}, {}),
    ("paliperidone", 12, 13, {"creatinine_clearance": 80}, {}),
    ("vortioxetine", 10, 20, {"age": 65}, {}),
    ("lurasidone", 80, 81, {}, {"comedications": ("diltiazem",)}),
    ("lurasidone", 120, 121, {}, {"conditions": ("bipolar disorder",)}),
    ("quetiapine", 133, 134, {}, {"comedications": ("ketoconazole",)}),
    ("gabapentin", 300, 400, {"creatinine_clearance": 15}, {}),
    ("atomoxetine", 80, 100, {}, {"phenotypes": NORMAL | {"CYP2D6": ("poor",)}}),
    ("acamprosate", 1332, 1998, {"weight_kg": 55}, {}),
    ("valproate", 60 * 75, 60 * 75 + 1, {}, {}),
    ("zolpidem", Dosage(5, form="immediate"), Dosage(10, form="immediate"), {"sex": "female"}, {}),
    ("zolpidem", Dosage(10, form="immediate"), Dosage(12.5, form="immediate"), {}, {}),
    ("zolpidem", Dosage(12.5, form="extended"), Dosage(13, form="extended"), {}, {}),
    ("aripiprazole", Dosage(400, 28 * 24, "depot"), Dosage(441, 28 * 24, "depot"), {}, {}),
    ("aripiprazole", Dosage(960, 60 * 24, "depot"), Dosage(961, 60 * 24, "depot"), {}, {}),
    ("asenapine", Dosage(7.6, form="transdermal"), Dosage(10, form="transdermal"), {}, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("drug", "allowed", "above", "person", "more"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)]
)
def test_a_dose_at_the_limit_is_allowed_and_one_above_it_is_an_alarm(
    drug: str,
    allowed: Dosage | float,
    above: Dosage | float,
    person: dict[str, object],
    more: dict[str, object],
) -> None:
    assert alarms(drug, allowed, facts(**person), **more) == []
    assert any("is above" in text for text in alarms(drug, above, facts(**person), **more))


@pytest.mark.parametrize(
    ("drug", "person", "more", "severity"),
    [
        ("lithium", {"creatinine_clearance": 29}, {}, Severity.MAJOR),
        ("duloxetine", {"child_pugh": "B"}, {}, Severity.MAJOR),
        ("acamprosate", {"creatinine_clearance": 30}, {}, Severity.CONTRAINDICATED),
        ("agomelatine", {"child_pugh": "A"}, {}, Severity.CONTRAINDICATED),
        ("phenelzine", {"creatinine_clearance": 20}, {}, Severity.CONTRAINDICATED),
        ("thioridazine", {}, {"phenotypes": NORMAL | {"CYP2D6": ("poor",)}}, Severity.CONTRAINDICATED),
        ("alprazolam", {}, {"comedications": ("ketoconazole",)}, Severity.CONTRAINDICATED),
    ],
)
def test_what_is_not_to_be_used_is_said_without_a_dose(
    drug: str, person: dict[str, object], more: dict[str, object], severity: Severity
) -> None:
    cautions = dose_cautions(drug, None, facts(**person), **({"phenotypes": NORMAL} | more))
    assert [(c.severity, c.text[:14]) for c in cautions] == [(severity, "Not to be used")]
    assert dose_cautions(drug, None, HEALTHY, NORMAL) == ()


@pytest.mark.parametrize(
    ("drug", "dose", "missing"),
    [
        ("citalopram", 40, {"age", "liver function (Child-Pugh)", "a result of CYP2C19", "eGFR"}),
        ("citalopram", 20, {"eGFR"}),
        ("aripiprazole", 20, {"a result of CYP2D6"}),
        ("lithium", 900, {"creatinine clearance"}),
        ("valproate", 1000, {"liver function (Child-Pugh)", "weight"}),
        ("venlafaxine", 300, {"creatinine clearance", "liver function (Child-Pugh)", "the form"}),
        ("sertraline", 100, {"liver function (Child-Pugh)"}),
    ],
)
def test_a_limit_that_cannot_be_checked_says_what_is_missing(drug: str, dose: float, missing: set[str]) -> None:
    texts = [c.text for c in dose_cautions(drug, Dosage(dose))]
    named = {re.search(r"was not checked: (.+) is missing\.", text)[1] for text in texts}
    assert named == missing
    assert dose_cautions(drug, Dosage(dose), HEALTHY, NORMAL) == () or drug == "venlafaxine"


def test_the_alarm_names_dose_limit_reason_and_section() -> None:
    (caution,) = dose_cautions("citalopram", Dosage(20, 12), facts(age=62), NORMAL)
    assert caution.text == "40 mg/day is above 20 mg/day, the maximum above 60 years."
    assert (caution.cause, caution.section) == ("dose", "Celexa US label 2")
    (inhibited,) = dose_cautions("aripiprazole", Dosage(20), HEALTHY, NORMAL, ("fluoxetine",))
    assert inhibited.text == (
        "20 mg/day is above 15 mg/day, 50% of the usual maximum with fluoxetine (CYP2D6 inhibitor strong)."
    )
    (kidney,) = dose_cautions("lithium", Dosage(900), facts(creatinine_clearance=30), NORMAL)
    assert kidney.text.endswith("at creatinine clearance from 10 mL/min to 50 mL/min.")


def test_an_unknown_form_is_an_alarm_only_above_the_maximum_of_every_form() -> None:
    assert alarms("venlafaxine", 376) == ["376 mg/day is above 375 mg/day, the maximum in the immediate-release form."]
    assert alarms("venlafaxine", 375) == []
    assert alarms("venlafaxine", Dosage(300, form="extended")) != []
    kidney = facts(creatinine_clearance=20)
    assert alarms("memantine", 14, kidney) == []
    assert alarms("memantine", 15, kidney) == [
        "15 mg/day is above 14 mg/day, the maximum at creatinine clearance from 5 mL/min to below 30 mL/min in the"
        " extended-release form."
    ]


@pytest.mark.parametrize(
    ("drug", "dose", "person", "says"),
    [
        ("zolpidem", 10, {}, "The limit of 5 mg/day in women in the immediate-release form was not checked: the form"),
        ("zolpidem", 10, {"sex": "male", "age": 40}, None),
        ("zolpidem", 10, {"sex": "female"}, "10 mg/day is above 6.25 mg/day, the maximum in women in the extended"),
        ("zolpidem", 6, {"sex": "female"}, "The limit of 5 mg/day in women in the immediate-release form was not"),
        ("methylphenidate", 70, {}, "The limit of 54 mg/day below 13 years in the extended-release form was not"),
        ("methylphenidate", 70, {"age": 30}, "The limit of 60 mg/day in the immediate-release form was not checked"),
        ("methylphenidate", 73, {"age": 30}, "73 mg/day is above 72 mg/day, the maximum from 18 years in the extended"),
    ],
)
def test_a_fact_that_is_missing_beside_the_form_is_named(
    drug: str, dose: float, person: dict[str, object], says: str | None
) -> None:
    texts = [c.text for c in dose_cautions(drug, Dosage(dose), PatientFacts(**person)) if "-release form" in c.text]
    assert len(texts) == (says is not None)
    assert all(text.startswith(says or "") for text in texts)


def test_creatinine_clearance_and_egfr_stand_in_for_each_other() -> None:
    only_egfr = PatientFacts(egfr=20)
    assert [c.text for c in dose_cautions("lithium", None, only_egfr)][:1] == [
        "Not to be used at creatinine clearance below 30 mL/min."
    ]
    both = PatientFacts(creatinine_clearance=90, egfr=20)
    assert dose_cautions("lithium", None, both) == ()


def test_a_drug_without_a_limit_is_named() -> None:
    assert unlimited(("sertraline", "montelukast")) == ("montelukast",)
    assert dose_cautions("montelukast", Dosage(1e6), HEALTHY, NORMAL) == ()


@pytest.mark.parametrize("known", [{"mg": 0}, {"mg": -1}, {"mg": float("nan")}, {"mg": 5, "every_hours": 0}])
def test_a_dosage_is_above_zero(known: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Dosage(**known)


@pytest.mark.parametrize("known", [{"age": -1}, {"egfr": float("nan")}, {"sex": "m"}, {"child_pugh": "D"}])
def test_facts_of_a_person_are_checked(known: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PatientFacts(**known)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (17, ("age under 18", "age under 25")),
        (18, ("age under 25",)),
        (25, ()),
        (64, ()),
        (65, ("age 65 and over",)),
    ],
)
def test_age_becomes_a_condition(age: float, words: tuple[str, ...]) -> None:
    assert PatientFacts(age=age).conditions == words
    assert PatientFacts(pregnant=True, breastfeeding=False).conditions == ("pregnancy",)


# Maxima for everybody, mg a day, typed again from the labels.
MAXIMA = {
    "sertraline": 200, "escitalopram": 20, "citalopram": 40, "fluoxetine": 80, "fluvoxamine": 300, "vortioxetine": 20,
    "vilazodone": 40, "desvenlafaxine": 400, "duloxetine": 120, "levomilnacipran": 120, "milnacipran": 200,
    "bupropion": 450, "mirtazapine": 45, "trazodone": 400, "nefazodone": 600, "agomelatine": 50, "reboxetine": 12,
    "amitriptyline": 300, "nortriptyline": 150, "imipramine": 300, "clomipramine": 250, "doxepin": 300,
    "phenelzine": 90, "tranylcypromine": 60, "isocarboxazid": 60, "moclobemide": 600, "quetiapine": 800,
    "brexpiprazole": 4, "cariprazine": 6, "olanzapine": 20, "clozapine": 900, "pimozide": 10, "iloperidone": 24,
    "lurasidone": 160, "amisulpride": 1200, "lumateperone": 42, "pimavanserin": 34, "lithium": 1800,
    "carbamazepine": 1600, "oxcarbazepine": 2400, "gabapentin": 3600, "pregabalin": 600, "levetiracetam": 3000,
    "clobazam": 40, "diazepam": 40, "lorazepam": 10, "clonazepam": 20, "zaleplon": 20, "zopiclone": 7.5,
    "eszopiclone": 3, "suvorexant": 20, "lemborexant": 10, "daridorexant": 50, "buspirone": 60, "modafinil": 400,
    "lisdexamfetamine": 70, "donepezil": 23, "galantamine": 24, "tetrabenazine": 100, "deutetrabenazine": 48,
    "valbenazine": 80, "varenicline": 2, "disulfiram": 500, "tramadol": 400,
    "primidone": 2000, "brivaracetam": 200, "felbamate": 3600, "gepirone": 72.6, "zuranolone": 50, "rasagiline": 1,
    "safinamide": 100, "perampanel": 12, "vigabatrin": 3000, "cenobamate": 400, "zonisamide": 600, "tasimelteon": 20,
    "solriamfetol": 150, "sodium oxybate": 9000, "nitrazepam": 10, "flurazepam": 30, "estazolam": 2,
    "methamphetamine": 25, "lofepramine": 210, "rosuvastatin": 40, "atorvastatin": 80, "celecoxib": 400,
    "naproxen": 1500, "rizatriptan": 30, "eletriptan": 80, "tizanidine": 36, "domperidone": 30, "solifenacin": 10,
    "darifenacin": 15, "sitagliptin": 100, "apixaban": 20, "tapentadol": 600, "losartan": 100, "amlodipine": 10,
}  # fmt: skip


def test_maxima_are_the_labels() -> None:
    """limits.csv"""
    ours = {d: max(of.maximum for of in limits(d) if not of.when and of.unit == "mg/day") for d in MAXIMA}
    assert ours == MAXIMA


# What labels rule out, or the maximum that they set, under one condition; typed again.
CONDITIONAL = [
    ("gepirone", "liver=C", 0), ("gepirone", "crcl<50", 36.3), ("safinamide", "liver=C", 0),
    ("rasagiline", "liver=A", 0.5),
    ("perampanel", "liver=B", 4), ("lacosamide", "crcl<30", 300), ("solriamfetol", "egfr<15", 0),
    ("nalmefene", "egfr<30", 0), ("rizatriptan", "with=propranolol", 15), ("naratriptan", "crcl<15", 0),
    ("simvastatin", "with=verapamil", 10), ("simvastatin", "with=amiodarone", 20), ("lovastatin", "with=diltiazem", 20),
    ("rosuvastatin", "with=gemfibrozil", 10), ("solifenacin", "liver=C", 0), ("metoclopramide", "CYP2D6=poor", 20),
    ("sitagliptin", "egfr<30", 25), ("eslicarbazepine", "crcl<50", 600), ("eliglustat", "CYP2D6=poor", 84),
    ("zolpidem", "sex=female", 5), ("flurazepam", "age>=65", 15),
]  # fmt: skip


@pytest.mark.parametrize(("drug", "when", "maximum"), CONDITIONAL)
def test_a_maximum_under_a_condition_is_that_of_the_label(drug: str, when: str, maximum: float) -> None:
    assert maximum in [of.maximum for of in limits(drug) if of.when == when]


def test_every_limit_is_of_a_drug_in_the_catalogue_and_can_be_read() -> None:
    units = {"mg/day", "mg/kg/day", "mg/month", "mg/2 months", "of usual"}
    for row in rows("limits"):
        assert normalise(row["drug"]) == row["drug"]
        assert row["unit"] in units
        parts = [p for p in row["when"].split(" & ") if p]
        assert all(
            re.fullmatch(r"(age|crcl|egfr|weight)(>=|<=|<|>)\d+|(sex|liver|with|condition|CYP\w+)=.+", p) for p in parts
        )
        assert len(parts) == len(next(of for of in limits(row["drug"]) if of.when == row["when"]).conditions)
        assert row["unit"] != "of usual" or 0 < float(row["maximum"]) < 1
        assert not row["start_mg"] or float(row["start_mg"]) > 0


_SHARED_FORMS = {"ER": "", "IR": "immediate", "CR": "extended", "XR": "extended", "OROS": "extended",
                 "sublingual": "sublingual", "transdermal": "transdermal", "Maintena": "depot", "Asimtufii": "depot",
                 "monthly": "depot", "palmitate": "depot"}  # fmt: skip


def test_every_maximum_of_the_kept_table_is_one_of_ours() -> None:
    absent = []
    for row in shared_rows("drugs/dose_limits.csv"):
        drug = normalise(row["drug"].split()[0])
        assert drug is not None, row
        share = re.match(r"(\d+) % of usual", row["max_daily_dose"])
        wanted = float(share[1]) / 100 if share else float(row["max_daily_dose"])
        if not any(of.maximum == pytest.approx(wanted, rel=1e-3) for of in limits(drug)):
            absent.append((row["drug"], row["population"], row["max_daily_dose"]))
    assert absent == []
