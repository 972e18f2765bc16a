"""What is recommended rests on results, comes in order, and never puts a drug forward against a caution."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.pharmacogenomics import recommend
from novamind.pharmacogenomics.domain import Severity
from novamind.pharmacogenomics.interactions import known_conditions
from novamind.pharmacogenomics.medications import psychiatric
from novamind.twin.analyses import MEDICATIONS, review_of
from novamind.twin.case import Case
from novamind.twin.domain import Evidence, Priority, Recommendation, ServiceResult, Status
from novamind.twin.recommendations import contradictions, recommendations
from tests.twin.people import TODAY, case, diary

DRUGS = sorted(psychiatric())
people = st.fixed_dictionaries(
    {
        "medications": st.lists(
            st.sampled_from([*DRUGS, "quinidine", "amiodarone", "codeine", "phenelzine", "linezolid", "warfarin"]),
            max_size=4,
            unique=True,
        ).map(tuple),
        "genotype": st.fixed_dictionaries(
            {},
            optional={
                "CYP2D6": st.sampled_from(["*1/*1", "*4/*4", "*1/*4", "*1x2/*2", "*1/*999"]),
                "CYP2C19": st.sampled_from(["*1/*1", "*2/*2", "*17/*17", "Intermediate Metabolizer"]),
                "HLA-B": st.sampled_from(["*15:02 positive", "*15:02 negative"]),
            },
        ),
        "conditions": st.lists(st.sampled_from(known_conditions()), max_size=3, unique=True).map(tuple),
        "allergies": st.lists(st.sampled_from(DRUGS), max_size=3, unique=True).map(tuple),
    }
)


def reviewed(patient: Case) -> dict[str, ServiceResult]:
    return {MEDICATIONS: ServiceResult(MEDICATIONS, Status.AVAILABLE, review_of(patient))}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(people)
def test_no_drug_is_put_forward_against_a_caution(known: dict[str, Any]) -> None:
    patient = case(**known)
    for one in recommendations(patient, reviewed(patient)):
        for drug in one.proposes:
            # Asked anew, for this drug alone, without the code under test.
            kept = [name for name in patient.medications if name != one.instead_of]
            fresh = recommend(patient.genotype, (drug,), kept, patient.conditions, known["allergies"])[drug]
            assert fresh.concern < 3, (drug, fresh.verdict)
            assert not [c for c in fresh.caution if c.severity in (Severity.CONTRAINDICATED, Severity.MAJOR)]
            assert drug not in known["allergies"]
            assert drug not in patient.medications
            assert any(drug in e.statement for e in one.evidence), "each drug comes with its own evidence"
        named = [drug for drug in DRUGS if drug in one.text.replace(",", " ").split() and "alternatives" in one.topic]
        assert set(named) <= {*one.proposes, one.topic.split()[0]}, "a drug in the text is proposed or warned of"


def test_the_property_has_something_to_hold() -> None:
    patient = case(medications=("paroxetine",), genotype={"CYP2D6": "*1x2/*2", "CYP2C19": "*1/*1"})
    proposed = [one for one in recommendations(patient, reviewed(patient)) if one.proposes]
    assert len(proposed) == 1
    assert len(proposed[0].proposes) == 3


def test_the_gate_catches_what_slipped_through() -> None:
    patient = case(medications=("pimozide",), genotype={"CYP2D6": "*4/*4"}, allergies=("mirtazapine",))
    review = reviewed(patient)[MEDICATIONS].value
    evidence = (Evidence("x", "y", "z"),)

    def put_forward(*drugs: str) -> list[str]:
        one = Recommendation(Priority.SOON, "t", "x", evidence, "low", "r", drugs)
        return [drug for _, drug, _ in contradictions((one,), review)]

    assert put_forward("sertraline", "mirtazapine", "unheard of") == ["sertraline", "mirtazapine", "unheard of"]
    assert contradictions((Recommendation(Priority.SOON, "t", "x", evidence, "low", "r", ("x",)),), None)


def test_without_a_review_no_drug_is_named() -> None:
    patient = case(medications=("sertraline",), genotype={"CYP2C19": "*2/*2"})
    failed = {MEDICATIONS: ServiceResult(MEDICATIONS, Status.TIMED_OUT, reason="late")}
    assert recommendations(patient, failed) == ()


def test_a_recommendation_without_evidence_cannot_be_made() -> None:
    with pytest.raises(ValidationError, match="rests on"):
        Recommendation(Priority.SOON, "t", "x", (), "low", "r")


@pytest.mark.parametrize(("answers", "asked"), [([0.0, 0, 1], True), ([3.0, 0, 0], True), ([0.0, 0, 0], False)])
def test_thoughts_of_death_come_first(answers: list[float], asked: bool) -> None:
    patient = case(symptoms=diary(answers, "PHQ-9 item 9"), medications=("citalopram",), conditions=("long qt",))
    found = recommendations(patient, reviewed(patient))
    assert (found[0].topic == "safety") is asked
    assert [one.priority for one in found] == sorted(one.priority for one in found)


def test_an_old_answer_does_not_ask_for_today() -> None:
    patient = case(symptoms=diary([2.0, *[0.0] * 60], "PHQ-9 item 9"))
    assert recommendations(patient, {}) == ()


@pytest.mark.parametrize(("age", "priority"), [(30, Priority.TODAY), (31, Priority.SOON), (400, Priority.SOON)])
def test_an_answer_is_of_today_only_where_the_calendar_says_so(age: int, priority: Priority) -> None:
    patient = case(symptoms=diary([1.0], "PHQ-9 item 9", TODAY - timedelta(days=age)))
    (found,) = recommendations(patient, {})
    assert found.priority is priority
    assert ("days ago" in found.text) is (priority is Priority.SOON)
    assert f"{TODAY - timedelta(days=age):%b %Y}" in found.evidence[0].statement


def test_warnings_come_before_what_could_be_done_about_them() -> None:
    patient = case(
        medications=("citalopram",), genotype={"CYP2D6": "*1/*1"}, conditions=("long qt",), allergies=("citalopram",)
    )
    topics = [one.topic for one in recommendations(patient, reviewed(patient))]
    assert topics == [
        "citalopram allergy",
        "citalopram now taken",
        "citalopram alternatives",
        "citalopram genotype",
    ]
