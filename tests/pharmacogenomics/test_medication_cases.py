"""What a review says of whole persons: cases on which a review was silent or wrong once, and nothing without a row."""

import itertools
import re
from time import perf_counter, process_time

import pytest

from novamind.drugs.catalogue import catalogue, psychiatric
from novamind.drugs.cautions import cautions, known_conditions, not_checked, rules, sum_rules
from novamind.drugs.domain import Severity
from novamind.drugs.limits import DOSE, Dosage, PatientFacts
from novamind.drugs.names import drugs_of
from novamind.drugs.regimen import interactions
from novamind.errors import ValidationError
from novamind.pharmacogenomics import genotype, recommend
from novamind.pharmacogenomics.drug_review import DrugReview
from tests.patience import patient

NORMAL = {"CYP2D6": "*1/*1", "CYP2C19": "*1/*1", "CYP2B6": "*1/*1"}


def review_of(drug: str, *taken: str, reported: dict[str, str] | None = None, **more: object) -> DrugReview:
    return recommend(genotype(NORMAL if reported is None else reported), (drug,), taken, **more)[drug]


def dose_alarms(review: DrugReview) -> list[str]:
    return [c.text for c in review.interactions if c.cause == DOSE and c.severity is Severity.MAJOR]


# -- doses -------------------------------------------------------------------------------------------------------------


def test_an_alarm_asks_for_another_dose_and_names_the_limit() -> None:
    review = review_of("aripiprazole", doses={"aripiprazole": 50})
    assert dose_alarms(review) == ["50 mg/day is above 30 mg/day, the maximum."]
    assert (review.concern, review.verdict) == (2, "adjust the dose")
    assert review.against == dose_alarms(review)[0]
    assert dose_alarms(review_of("aripiprazole", doses={"aripiprazole": 30})) == []


@pytest.mark.parametrize(
    ("drug", "taken", "reported", "dose", "person", "limit"),
    [
        ("citalopram", (), None, 40, PatientFacts(age=70), "20 mg/day, the maximum above 60 years"),
        ("citalopram", ("omeprazole",), None, 40, None, "20 mg/day, the maximum with omeprazole"),
        ("citalopram", ("fluconazole",), None, 40, None, "20 mg/day, the maximum with fluconazole"),
        ("citalopram", (), {"CYP2C19": "*2/*2"}, 60, None, "20 mg/day, the maximum in CYP2C19 poor metabolisers"),
        ("lithium", (), None, 900, PatientFacts(creatinine_clearance=30), "600 mg/day, the maximum at creatinine"),
        ("lithium", (), None, Dosage(10000, 8), None, "1800 mg/day, the maximum"),
    ],
    ids=["age", "omeprazole", "fluconazole", "genotype", "kidney", "mistyped"],
)
def test_a_dose_above_the_limit_of_this_person_is_an_alarm(
    drug: str,
    taken: tuple[str, ...],
    reported: dict[str, str] | None,
    dose: Dosage | float,
    person: PatientFacts | None,
    limit: str,
) -> None:
    review = review_of(drug, *taken, reported=reported, doses={drug: dose}, person=person)
    assert any(f"is above {limit}" in text for text in dose_alarms(review)), dose_alarms(review)
    assert review.concern >= 2


@pytest.mark.parametrize(
    ("result", "alarm", "missing"),
    [
        ("Poor Metabolizer", True, False),
        ("Likely Poor Metabolizer", True, False),
        ("Normal Metabolizer", False, False),
        ("Likely Intermediate Metabolizer", False, False),
        ("*1/*999", False, True),
        ("Indeterminate", False, True),
    ],
)
def test_a_limit_by_genotype_holds_for_the_likely_and_is_not_passed_over_for_the_unknown(
    result: str, alarm: bool, missing: bool
) -> None:
    review = review_of("citalopram", reported={"CYP2C19": result}, doses={"citalopram": 40})
    texts = [c.text for c in review.interactions]
    assert any("in CYP2C19 poor metabolisers." in t and "is above" in t for t in texts) is alarm
    assert any("a result of CYP2C19 is missing" in t for t in texts) is missing


def test_two_doses_of_one_drug_are_refused_and_an_empty_name_is_named() -> None:
    with pytest.raises(ValidationError, match="add them up"):
        recommend(genotype({}), ("sertraline",), doses={"Zoloft": 150, "sertraline": 100})
    assert any("an empty name" in note for note in recommend(genotype({}), ("sertraline",), (" ",)).notes)


@pytest.mark.parametrize("product", ["Sinemet", "levodopa/benserazide", "Augmentin", "Symbicort", "Arthrotec"])
def test_a_product_of_several_drugs_is_reviewed_with_each_of_them(product: str) -> None:
    review = recommend(genotype({}), ("sertraline",), (product,))
    assert review.comedications == drugs_of(product)
    assert not any(product in note for note in review.notes)


def test_a_dose_of_a_drug_without_a_limit_is_named_as_unchecked() -> None:
    review = recommend({}, ("sertraline",), (), doses={"montelukast": 10, "unheardofine": 3})
    assert "No dose limit is in our tables, so the dose was not checked: montelukast." in review.notes
    assert any("unheardofine" in note for note in review.notes)
    for dose in (-1, 0, "50", float("nan")):
        with pytest.raises(ValidationError):
            recommend({}, ("sertraline",), doses={"sertraline": dose})


# -- co-medication, stopping, conditions -------------------------------------------------------------------------------


def test_citalopram_with_fluconazole_rises_by_an_interval_and_is_limited() -> None:
    review = review_of("citalopram", "fluconazole")
    assert review.exposure.ratio is not None
    assert review.exposure.low is not None
    assert review.exposure.high is not None
    assert review.exposure.low < review.exposure.ratio < review.exposure.high
    assert review.exposure.ratio > 1.2
    assert review.verdict == "consider another drug"
    assert any("limits citalopram to 20 mg/day" in c.text for c in review.severe)


@pytest.mark.parametrize(
    ("drug", "other"),
    [
        ("pimozide", "clarithromycin"), ("pimozide", "fluoxetine"), ("lurasidone", "ketoconazole"),
        ("phenelzine", "tranylcypromine"), ("agomelatine", "ciprofloxacin"), ("alprazolam", "ketoconazole"),
    ],
)  # fmt: skip
def test_what_a_label_rules_out_is_to_be_avoided_in_a_review_with_the_section(drug: str, other: str) -> None:
    review = review_of(drug, other)
    assert review.verdict == "avoid"
    assert review.severe[0].severity is Severity.CONTRAINDICATED
    assert all(c.section for c in review.severe if c.severity is Severity.CONTRAINDICATED)


def test_a_smoker_and_lithium_with_an_anti_inflammatory_are_told() -> None:
    smoker = review_of("olanzapine", person=PatientFacts(smoker=True))
    assert "tobacco smoking" in {c.cause for c in smoker.interactions}
    assert "tobacco smoking" not in {c.cause for c in review_of("olanzapine").interactions}
    assert "celecoxib" in {c.cause for c in review_of("lithium", "celecoxib").severe}


def test_what_was_stopped_counts_while_it_acts() -> None:
    assert review_of("sertraline", stopped={"Nardil": 5}).verdict == "avoid"
    assert review_of("sertraline", stopped={"Nardil": 14}).verdict != "avoid"
    assert review_of("sertraline", stopped={"phenelzine": None}).verdict == "avoid"
    for days in (-1, "3", 2.5):
        with pytest.raises(ValidationError):
            recommend({}, ("sertraline",), stopped={"phenelzine": days})


@pytest.mark.parametrize(
    ("drug", "condition", "severity"),
    [
        ("valproate", "pregnant", "contraindicated"), ("valproate", "Z33", "contraindicated"),
        ("bupropion", "epilepsy", "contraindicated"), ("bupropion", "G40.9", "contraindicated"),
        ("bupropion", "Bulimia", "contraindicated"), ("bupropion", "F50.2", "contraindicated"),
        ("lithium", "kidney disease", "major"), ("lithium", "N18.4", "major"), ("duloxetine", "cirrhosis", "major"),
    ],
)  # fmt: skip
def test_conditions_are_known_by_synonym_and_code(drug: str, condition: str, severity: str) -> None:
    review = recommend({}, (drug,), (), (condition,))
    assert severity in {c.severity for c in review[drug].severe}
    assert not any("were not used" in note for note in review.notes)


def test_age_and_pregnancy_of_the_person_are_conditions() -> None:
    young = review_of("sertraline", person=PatientFacts(age=20))
    assert "age under 25" in {c.cause for c in young.interactions}
    old = review_of("lorazepam", person=PatientFacts(age=70))
    assert "age 65 and over" in {c.cause for c in old.interactions}
    assert review_of("valproate", person=PatientFacts(pregnant=True)).verdict == "avoid"


def test_what_the_tables_cannot_answer_is_in_the_notes() -> None:
    unrouted = next(drug for drug in sorted(catalogue()) if not_checked((drug,)))
    for asked, taken in (((unrouted,), ()), (("sertraline",), (unrouted,))):
        assert not_checked((unrouted,))[0] in recommend(genotype(NORMAL), asked, taken).notes
    assert recommend(genotype(NORMAL), ("sertraline",), ("lithium",), person=PatientFacts(smoker=True)).notes == ()


# -- genes -------------------------------------------------------------------------------------------------------------


def test_oxcarbazepine_with_hla_b_1502_is_about_severe_skin_reactions() -> None:
    review = review_of("oxcarbazepine", reported={"HLA-B": "*15:02 positive"})
    fda = [a.text for a in review.guidelines if a.source == "FDA"]
    assert fda == ["Weigh benefit against the higher risk of a severe skin reaction."]


@pytest.mark.parametrize("drug", ["codeine", "tramadol", "metoprolol"])
def test_drugs_beside_psychiatry_have_their_actions(drug: str) -> None:
    review = review_of(drug, reported={"CYP2D6": "*4/*4"})
    assert {a.source for a in review.guidelines} == {"CPIC", "DPWG", "FDA"}
    assert review.standing == ""


def test_absence_says_what_was_searched() -> None:
    assert review_of("lithium").standing == (
        "No row of CPIC, DPWG or the FDA table of pharmacogenetic associations for lithium is in our tables; that does"
        " not say that none exists."
    )


# -- everything --------------------------------------------------------------------------------------------------------


def test_a_review_and_the_list_of_interactions_say_the_same_of_every_pair() -> None:
    drugs = sorted(catalogue())
    sums = {rule.caution for rule in sum_rules()}
    for one, two in itertools.islice(itertools.combinations(drugs[::6], 2), 0, None, 23):
        pairs = {c for p in interactions((one, two)).pairs for c in p.cautions}
        assert pairs == set(cautions(one, (two,))) - sums
        assert {(c.severity, c.text) for c in pairs} == {
            (c.severity, c.text) for c in cautions(two, (one,)) if c not in sums
        }


def test_every_sentence_of_a_review_stands_in_a_row() -> None:
    """A caution is the text of a rule, of a sum, of an enzyme, of an allergy or of a limit; nothing else."""
    ours = {r.text for r in rules()} | {r.caution.text for r in sum_rules()}
    made = re.compile(
        r"(.+ (is a \w+ [\w-]+ (inhibitor|inducer)|is listed as a [\w-]+ (inhibitor|inducer)) and can (raise|lower) .+)"
        r"|([\d.e+]+ mg\S* is above [\d.]+ mg\S*, .+)|(Not to be used .+)"
        r"|((The limit of|That it is not to be used) .+ was not checked: .+ is missing\.)"
        r"|((?P<rule>.+) [A-Z].+ was stopped .+; .+\.)"
    )
    everything = sorted(catalogue())
    person = PatientFacts(age=70, creatinine_clearance=25, smoker=True)
    doses = dict.fromkeys(everything, 5000.0)
    review = recommend(
        genotype({"CYP2D6": "*4/*4"}),
        everything[::9],
        everything[::7],
        known_conditions(),
        doses=doses,
        person=person,
        stopped=dict.fromkeys(everything[3::11], 3),
    )
    for found in review.values():
        for caution in found.interactions:
            match = made.fullmatch(caution.text)
            assert caution.text in ours or match, caution.text
            assert caution.source.title


def test_one_answer_is_quick() -> None:
    taken = ("sertraline", "omeprazole", "quetiapine", "lithium")
    recommend(genotype(NORMAL), ("citalopram",), taken)
    began = perf_counter()
    for _ in range(20):
        recommend(genotype(NORMAL), ("citalopram",), taken, doses={"citalopram": 20})
    assert perf_counter() - began < patient(20 * 0.05)


def test_a_review_of_every_psychiatric_drug_is_quick() -> None:
    taken = ("sertraline", "paroxetine", "carbamazepine", "lithium", "tobacco smoking")
    recommend(genotype(NORMAL), None, taken)
    began = process_time()
    for _ in range(20):
        assert len(recommend(genotype(NORMAL), None, taken)) == len(psychiatric())
    assert process_time() - began < patient(20 * 0.05)
