"""What is recommended rests on results, comes in order, and never puts a drug forward against a caution."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from novamind.biometrics.early_warning import EarlyWarning
from novamind.drugs.catalogue import psychiatric
from novamind.drugs.cautions import known_conditions
from novamind.drugs.domain import Caution, Severity, Source
from novamind.drugs.domain import Evidence as Checked
from novamind.errors import ValidationError
from novamind.pharmacogenomics import DrugReview, Review, recommend
from novamind.pharmacogenomics.review import Alternative
from novamind.records import PatientRecord, symptom_frame
from novamind.symptoms.domain import Trend
from novamind.twin.analyses import BIOMETRICS, COURSES, MEDICATIONS, SYMPTOMS, review_of
from novamind.twin.case import Case
from novamind.twin.domain import Evidence, Priority, Recommendation, ServiceResult, Status
from novamind.twin.recommendations import contradictions, recommendations
from novamind.twin.results import WhatIf
from novamind.twin.treatment import Span
from novamind.twin.what_if import what_if
from tests.golden import check_golden
from tests.twin.people import TODAY, WHO5, available, case, diary, fixed, forecast

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
    found = recommendations(patient, reviewed(patient))
    event("a drug is put forward" if any(one.proposes for one in found) else "nothing is put forward")
    for one in found:
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
    assert put_forward("haloperidol") == ["haloperidol"], "no published response is known of it"
    assert contradictions((Recommendation(Priority.SOON, "t", "x", evidence, "low", "r", ("x",)),), None)


def test_a_drug_is_put_forward_as_it_is_once_the_other_is_stopped() -> None:
    patient = case(medications=("phenelzine", "warfarin"))
    review = review_of(patient)
    instead = Recommendation(
        Priority.SOON, "t", "x", (Evidence("x", "y", "z"),), "low", "r", ("sertraline",), instead_of="phenelzine"
    )
    assert contradictions((instead,), review) == []
    ((_, drug, why),) = contradictions((replace(instead, instead_of=""),), review)
    assert drug == "sertraline"
    assert why in {c.text for c in review["sertraline"].severe if c.severity is Severity.CONTRAINDICATED}
    assert contradictions((replace(instead, instead_of="warfarin"),), review)


def alternatives_of(drug: str, **known: Any) -> Recommendation:
    patient = case(**known)
    (found,) = [one for one in recommendations(patient, reviewed(patient)) if one.topic == f"{drug} alternatives"]
    assert found.instead_of == drug
    return found


def test_alternatives_are_of_after_the_switch_and_the_overlap_is_told_apart() -> None:
    """Beside venlafaxine agomelatine alone had no caution; nobody goes on with both."""
    found = alternatives_of("venlafaxine", medications=("venlafaxine",), allergies=("desvenlafaxine",))
    assert found.proposes == ("duloxetine", "amitriptyline", "escitalopram")
    assert found.text == (
        "If venlafaxine is changed, these raise the least concern for this person once it is stopped: duloxetine,"
        " amitriptyline, escitalopram. Cautions of their own apply while both act. Cross-tapering is not covered"
        " here."
    )
    told = [one.statement for one in found.evidence if "still acts" in one.statement]
    assert told[0] == (
        "duloxetine while venlafaxine still acts, major: Two inhibitors of serotonin reuptake do the same twice: labels"
        " advise against it outside a cross-taper."
    )
    for drug in found.proposes:
        assert [one for one in told if one.startswith(f"{drug} while venlafaxine still acts, ")]
    assert not [one for one in told if ", information: " in one], "an information is not worth a line"


def test_alternatives_to_an_inhibitor_of_mao_come_with_the_wait() -> None:
    found = alternatives_of("phenelzine", medications=("phenelzine",), allergies=("phenelzine",))
    assert found.priority is Priority.TODAY
    assert found.proposes == ("duloxetine", "amitriptyline", "escitalopram")
    told = [one.statement for one in found.evidence if "still acts" in one.statement]
    for drug in found.proposes:
        assert [one for one in told if one.startswith(f"{drug} while phenelzine still acts, contraindicated: ")]
        assert [one for one in told if one.startswith(drug) and "14 days" in one]


def test_without_an_overlap_nothing_is_said_of_one() -> None:
    found = alternatives_of("agomelatine", medications=("agomelatine",), allergies=("agomelatine",))
    assert found.proposes == ("duloxetine", "amitriptyline", "escitalopram")
    assert found.text == (
        "If agomelatine is changed, these raise the least concern for this person once it is stopped: duloxetine,"
        " amitriptyline, escitalopram. Cross-tapering is not covered here."
    )
    assert not [one for one in found.evidence if "still acts" in one.statement]


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


# -- which drugs may be put forward, and in which order


SOURCE = Source("s", 2020, Checked.READ, "A source", "https://example.org")


def fictional(**drugs: dict[str, Any]) -> Review:
    """A review in which real drugs have the concern, efficacy and cautions that a test gives them."""
    base = recommend({}, tuple(drugs))
    changed = {
        name: replace(base[name], **{"concern": 0, "caution": (), "standing": ""} | how) for name, how in drugs.items()
    }
    return fixed(base, **changed)


def rated(odds: float) -> Any:
    known = recommend({}, ("sertraline",))["sertraline"].efficacy
    assert known is not None
    return replace(known, odds_ratio=odds)


def caution(severity: Severity) -> Caution:
    return Caution(severity, f"{severity}: take care", "cause", SOURCE)


def names(found: Sequence[DrugReview]) -> list[str]:
    return [one.drug for one in found]


def offered(review: Review, drug: str) -> list[str]:
    return [one.review.drug for one in review.alternatives(drug)]


def test_the_least_concern_comes_first_then_genotype_advice_then_published_response_then_the_name() -> None:
    review = fictional(
        paroxetine={"concern": 3},
        mirtazapine={"efficacy": rated(9), "concern": 1},
        bupropion={"efficacy": rated(9), "standing": "no guideline"},
        sertraline={"efficacy": rated(1.4)},
        fluoxetine={"efficacy": rated(1.5)},
        escitalopram={"efficacy": rated(1.4)},
    )
    assert names(review.ranking) == [
        "fluoxetine", "escitalopram", "sertraline", "bupropion", "mirtazapine", "paroxetine",
    ]  # fmt: skip
    assert offered(review, "paroxetine") == ["fluoxetine", "escitalopram", "sertraline"]


@pytest.mark.parametrize(
    ("how", "fits"),
    [
        ({"efficacy": rated(1.2)}, True),
        ({"efficacy": rated(1.2), "concern": 1}, True),
        ({"efficacy": rated(1.2), "concern": 2}, False),
        ({"efficacy": rated(1.2), "concern": 3}, False),
        ({"efficacy": None}, False),
        ({"efficacy": rated(1.2), "caution": (caution(Severity.MODERATE),)}, True),
        ({"efficacy": rated(1.2), "caution": (caution(Severity.MODERATE), caution(Severity.MAJOR))}, False),
        ({"efficacy": rated(1.2), "caution": (caution(Severity.CONTRAINDICATED),)}, False),
    ],
)
def test_an_alternative_has_published_response_and_hardly_any_concern(how: dict[str, Any], fits: bool) -> None:
    review = fictional(paroxetine={"concern": 3}, sertraline=how)
    assert bool(offered(review, "paroxetine")) is fits


def test_what_is_taken_is_no_alternative() -> None:
    review = fictional(paroxetine={"concern": 3}, sertraline={"efficacy": rated(1.2)})
    assert offered(review, "paroxetine") == ["sertraline"]
    assert offered(replace(review, comedications=("sertraline",)), "paroxetine") == []


def test_alternatives_are_of_the_same_group_and_a_drug_of_no_group_has_none() -> None:
    likely = {"efficacy": rated(1.2)}
    review = fictional(paroxetine=likely, sertraline=likely, haloperidol=likely, quetiapine=likely, lithium=likely)
    assert offered(review, "paroxetine") == ["sertraline"]
    assert offered(review, "haloperidol") == ["quetiapine"]
    assert offered(review, "lithium") == []
    assert offered(review, "unheard of") == []


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"concern": 2}, None),
        ({"efficacy": None}, "no published response is in the tables"),
        ({"concern": 3}, "consider another drug"),
        ({"concern": 4}, "avoid"),
        ({"caution": (caution(Severity.MODERATE), caution(Severity.INFORMATION))}, None),
        ({"caution": (caution(Severity.MODERATE), caution(Severity.MAJOR))}, "major: take care"),
        ({"caution": (caution(Severity.CONTRAINDICATED), caution(Severity.MAJOR))}, "contraindicated: take care"),
    ],
)
def test_what_speaks_against_putting_a_drug_forward(how: dict[str, Any], why: str | None) -> None:
    one = Recommendation(Priority.SOON, "t", "x", (Evidence("a", "b", "c"),), "low", "r", ("sertraline",))
    found = contradictions((one,), fictional(sertraline=how))
    assert found == ([] if why is None else [(one, "sertraline", why)])
    (unreviewed,) = contradictions((one,), fictional(lithium={}))
    assert unreviewed[2] == "no pharmacogenomic review"


def test_what_is_put_forward_against_a_caution_is_taken_out_of_what_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    review = fictional(paroxetine={"concern": 3}, sertraline={"efficacy": rated(1.2), "concern": 4})
    patient = case(medications=("paroxetine",), genotype={"CYP2D6": "*1/*1"})
    monkeypatch.setattr(Review, "alternatives", lambda *_: (Alternative(review["sertraline"], ()),))
    assert not [one for one in recommendations(patient, available(MEDICATIONS, review)) if one.proposes]


# -- what is taken


@pytest.mark.parametrize(
    ("concern", "priority"), [(0, None), (1, None), (2, Priority.NEXT_VISIT), (3, Priority.SOON), (4, Priority.TODAY)]
)
def test_the_concern_of_what_is_taken_decides_how_soon(concern: int, priority: Priority | None) -> None:
    review = fictional(sertraline={"concern": concern}, fluoxetine={"efficacy": rated(1.2)})
    patient = case(medications=("sertraline",), genotype={"CYP2C19": "*1/*1", "CYP2B6": "*1/*1"})
    found = {one.topic: one.priority for one in recommendations(patient, available(MEDICATIONS, review))}
    assert found.get("sertraline now taken") == priority
    assert found.get("sertraline alternatives") == (priority if concern >= 3 else None)


def reliability(drug: str, **how: Any) -> tuple[str, str]:
    genes = {"CYP2D6": "*1/*1", "CYP2C19": "*1/*1", "CYP2B6": "*1/*1"}
    patient = case(medications=(drug,), genotype=genes)
    base = recommend(patient.genotype, (drug,))
    review = replace(base, drugs={drug: replace(base[drug], concern=2, **how)})
    (one,) = [o for o in recommendations(patient, available(MEDICATIONS, review)) if o.topic == f"{drug} now taken"]
    return one.reliability, one.reliability_reason


def test_how_far_a_review_can_be_relied_on() -> None:
    patient = case(genotype={"CYP2D6": "*1/*1", "CYP2C19": "*1/*1"})
    base = recommend(patient.genotype, ("citalopram",))["citalopram"]
    checked = tuple(replace(source, evidence=Checked.READ) for source in base.evidence)
    doubted = (*checked, replace(SOURCE, evidence=Checked.UNVERIFIED))
    strong = tuple(replace(one, strength="Strong") for one in base.guidelines)
    weak = tuple(replace(one, strength="Optional") for one in base.guidelines)
    unseen = tuple(replace(one, after=replace(one.after, provisional=True)) for one in base.phenotypes)
    assert strong
    assert unseen
    told = {
        ("high", "a guideline's strong recommendation"): {"guidelines": strong, "evidence": checked},
        ("medium", "no strong guideline recommendation"): {"guidelines": weak, "evidence": checked},
        ("medium", "one of its sources is general knowledge that was not confirmed"): {
            "guidelines": strong, "evidence": doubted,
        },
        ("low", "a genotype that it rests on is provisional"): {
            "guidelines": strong, "evidence": checked, "phenotypes": unseen,
        },
    }  # fmt: skip
    assert {reliability("citalopram", **how) for how in told.values()} == set(told)
    for said, how in told.items():
        assert reliability("citalopram", **how) == said


def test_a_guideline_that_has_no_recommendation_and_a_mere_information_are_no_evidence() -> None:
    patient = case(genotype={"CYP2D6": "*4/*4", "CYP2C19": "*2/*2"}, medications=("citalopram",))
    base = recommend(patient.genotype, ("citalopram",))
    guidelines = tuple(replace(a, action="NO_RECOMMENDATION") for a in base["citalopram"].guidelines)
    how = {"guidelines": guidelines, "interactions": (caution(Severity.INFORMATION),), "concern": 2, "standing": ""}

    def evidence(**more: Any) -> list[str]:
        review = replace(base, drugs={"citalopram": replace(base["citalopram"], **how | more)})
        (one,) = [o for o in recommendations(patient, available(MEDICATIONS, review)) if "now taken" in o.topic]
        return [e.statement for e in one.evidence]

    assert evidence() == ["citalopram: no caution"]
    assert evidence(standing="no advice") == ["citalopram: no advice"]
    assert evidence(interactions=(caution(Severity.MODERATE),) * 2) == [
        "citalopram, moderate, cause: moderate: take care"
    ]


def test_guideline_genes_without_a_result_are_named() -> None:
    topics = {}
    for genes in ({}, {"CYP2C19": "*1/*1"}, {"CYP2C19": "*1/*1", "CYP2B6": "*1/*1"}):
        patient = case(medications=("sertraline", "Obscurol"), genotype=genes)
        found = recommendations(patient, reviewed(patient))
        topics[tuple(genes)] = [one.text for one in found if one.topic.endswith("genotype")]
    assert topics[()] == ["Guidelines for sertraline look at CYP2B6, CYP2C19; no result is recorded."]
    assert topics["CYP2C19",] == ["Guidelines for sertraline look at CYP2B6; no result is recorded."]
    assert topics["CYP2C19", "CYP2B6"] == []


def test_recommendations_about_drugs_as_they_are_worded() -> None:
    """Every field of what is said of three patients: a caution of each weight, an allergy, alternatives, open genes."""
    patients = {
        "poor metaboliser": case(
            medications=("citalopram", "nortriptyline"), genotype={"CYP2D6": "*4/*4", "CYP2C19": "*2/*2"}
        ),
        "two serotonergic drugs": case(medications=("phenelzine", "sertraline"), genotype={"CYP2C19": "*1/*1"}),
        "allergic": case(medications=("citalopram",), conditions=("long qt",), allergies=("citalopram",)),
        "unusual": case(medications=("warfarin", "paroxetine"), genotype={"CYP2D6": "*1x2/*2", "CYP2C19": "*1/*1"}),
    }
    check_golden(
        __file__, "recommendations", {name: recommendations(one, reviewed(one)) for name, one in patients.items()}
    )


# -- thoughts of death


ITEM = "PHQ-9 item 9"


@pytest.mark.parametrize(("days", "counts"), [(0, True), (30, True), (31, False)])
def test_a_low_answer_of_later_takes_nothing_back_for_thirty_days(days: int, counts: bool) -> None:
    answers = diary([2.0, *[0.0] * days], ITEM)
    assert bool(recommendations(case(symptoms=answers), {})) is counts


@pytest.mark.parametrize("spelling", [ITEM, "phq9 item 9", "PHQ_9_item_9"])
@pytest.mark.parametrize(
    ("age", "later", "priority", "text"),
    [
        (0, 0, Priority.TODAY, "Ask about thoughts of death and self-harm now, and act on the answer."),
        (30, 0, Priority.TODAY, "Ask about thoughts of death and self-harm now, and act on the answer."),
        (
            31, 0, Priority.SOON,
            "Ask about thoughts of death and self-harm: PHQ-9 item 9 was 2 of 3 on 1 May 2025, 31 days ago; not"
            " answered since.",
        ),
        (
            400, 0, Priority.SOON,
            "Ask about thoughts of death and self-harm: PHQ-9 item 9 was 2 of 3 on 27 Apr 2024, 400 days ago; not"
            " answered since.",
        ),
        (30, 9, Priority.TODAY, "Ask about thoughts of death and self-harm now, and act on the answer."),
        (
            31, 9, Priority.SOON,
            "Ask about thoughts of death and self-harm: PHQ-9 item 9 was 2 of 3 on 1 May 2025, 31 days ago; a lower"
            " answer since does not take it back.",
        ),
    ],
)  # fmt: skip
def test_now_is_within_thirty_days_of_the_calendar_and_an_older_answer_says_its_age(
    age: int, later: int, priority: Priority, text: str, spelling: str
) -> None:
    """Whatever else was reported since: a fresh total does not make an old answer one of today."""
    answers = diary([2.0, *[0.0] * later], spelling, TODAY - timedelta(days=age - later))
    (found,) = recommendations(case(symptoms=answers.vstack(diary([5.0], "PHQ-9"))), {})
    assert (found.priority, found.topic, found.text) == (priority, "safety", text)


def test_what_counts_as_of_today_depends_on_the_day_that_is_asked_about() -> None:
    known = case(symptoms=diary([1.0], ITEM)).record
    later = TODAY + timedelta(days=31)
    assert [recommendations(Case(known, day), {})[0].priority for day in (TODAY, later)] == [
        Priority.TODAY, Priority.SOON,
    ]  # fmt: skip


@pytest.mark.parametrize(("answer", "asked"), [(0.0, False), (0.99, False), (1.0, True), (3.0, True)])
def test_from_several_days_on_the_question_is_asked(answer: float, asked: bool) -> None:
    found = recommendations(case(symptoms=diary([answer], ITEM)), {})
    assert [one.topic for one in found] == (["safety"] if asked else [])


def test_the_newest_answer_that_counts_is_shown_with_its_source() -> None:
    symptoms = symptom_frame(diary([2.0, 1, 0, 5], ITEM).vstack(diary([3.0], "PHQ-9")))
    (one,) = recommendations(case(symptoms=diary([2.0, 3, 0], ITEM)), {})
    assert one.evidence == (Evidence("record", "PHQ-9 item 9 was 3 of 3 on 31 May 2025.", "record"),)
    known = PatientRecord("p", symptoms=symptoms, symptom_sources=("a", "b", "c", "d", "e"))
    (sourced,) = recommendations(Case(known, TODAY), {})
    assert sourced.evidence[0].source == "e"  # rows stand in the order of the series' names
    check_golden(__file__, "thoughts_of_death", one)


# -- forecasts


def of_forecast(*forecasts: Any) -> tuple[Recommendation, ...]:
    return recommendations(case(), available(SYMPTOMS, forecasts))


def test_a_risk_of_half_or_more_asks_to_see_the_person_before_it_begins() -> None:
    calm = forecast([8.0] * 20, middle=8, spread=4)
    soon = forecast([8.0] * 20, middle=6, spread=4, drift=1)  # 10 is the median on the fifth day
    there = forecast([12.0] * 19 + [11.0], middle=12, spread=3)
    assert of_forecast(calm) == ()
    (one,) = of_forecast(soon)
    assert (one.priority, one.topic) == (Priority.SOON, "PHQ-9 risk")
    assert one.text == "See the person before 6 Jun 2025: PHQ-9 may reach 10 or higher (moderate)."
    assert (one.reliability, one.reliability_reason) == ("medium", "few reports; long gaps")
    assert of_forecast(there) == ()
    check_golden(__file__, "risk", one)


def as_of(day: int, *forecasts: Any) -> tuple[Recommendation, ...]:
    """What is recommended so many days after the record ends; the forecasts are of the five days after it."""
    return recommendations(Case(PatientRecord("p"), TODAY + timedelta(days=day)), available(SYMPTOMS, forecasts))


@pytest.mark.parametrize(
    ("day", "when"),
    [
        (0, "before 6 Jun 2025"),  # 10 is the median on 6 June, the fifth day
        (4, "before 6 Jun 2025"),
        (5, "now"),
    ],
)
def test_a_person_is_seen_before_a_day_to_come_or_now(day: int, when: str) -> None:
    (one,) = as_of(day, forecast([8.0] * 20, middle=6, spread=4, drift=1))
    assert one.text == f"See the person {when}: PHQ-9 may reach 10 or higher (moderate)."


@pytest.mark.parametrize(("day", "when"), [(0, "before 2 Jun 2025"), (1, "now"), (3, "now"), (5, "now")])
def test_a_period_that_has_begun_is_now(day: int, when: str) -> None:
    (one,) = as_of(day, forecast([23.0] * 20, middle=23, spread=3))
    assert one.text == f"See the person {when}: PHQ-9 may stay at 20 or higher (severe)."


def test_a_period_that_has_passed_is_not_spoken_of() -> None:
    early = forecast([8.0] * 20, middle=12, spread=4, drift=-2)  # 10 is reached on the first two days alone
    trend = Trend(1.0, 0.4, 1.6, 0.99, "worsening", 28)
    assert [one.text[:18] for one in as_of(2, early)] == ["See the person now"]
    assert as_of(3, early) == ()
    assert [one.topic for one in as_of(3, replace(early, trend=trend))] == ["PHQ-9 trend"]


@pytest.mark.parametrize("day", [6, 7, 400])
def test_a_forecast_of_past_days_asks_for_a_new_report_and_for_nothing_else(day: int) -> None:
    trend = Trend(1.0, 0.4, 1.6, 0.99, "worsening", 28)
    (one,) = as_of(day, forecast([23.0] * 20, middle=23, spread=3, trend=trend))
    assert (one.priority, one.topic) == (Priority.NEXT_VISIT, "PHQ-9 record")
    assert one.text == f"Ask for a new report of PHQ-9: the last is {day} days old, and a forecast from it is past."
    assert (one.reliability, one.reliability_reason) == ("high", "dates of the record")
    assert [(e.service, e.source) for e in one.evidence] == [(SYMPTOMS, "model symptoms-test")]


@pytest.mark.parametrize("day", range(8))
def test_no_day_that_is_named_has_passed_or_is_today(day: int) -> None:
    today = TODAY + timedelta(days=day)
    made = (
        forecast([23.0] * 20, middle=23, spread=3),
        forecast([8.0] * 20, middle=6, spread=4, drift=1),
        forecast([60.0] * 20, "WHO-5", WHO5, middle=60, spread=10, drift=-3),
    )
    for one in as_of(day, *made):
        for named in re.findall(r"before (\d+ \w+ \d{4})", one.text):
            assert datetime.strptime(named, "%d %b %Y").date() > today  # noqa: DTZ007


@pytest.mark.parametrize(
    ("last", "verb"), [(22.0, "stay at"), (20.0, "stay at"), (19.0, "reach"), (float("nan"), "stay at")]
)
def test_a_risk_of_what_is_there_already_is_that_it_stays(last: float, verb: str) -> None:
    (one,) = of_forecast(forecast([23.0] * 19 + [last], middle=23, spread=3))
    assert one.text == f"See the person before 2 Jun 2025: PHQ-9 may {verb} 20 or higher (severe)."


@pytest.mark.parametrize(("last", "verb"), [(48.0, "stay at"), (50.0, "stay at"), (52.0, "reach")])
def test_where_low_is_worse_the_risk_looks_down(last: float, verb: str) -> None:
    (one,) = of_forecast(forecast([24.0] * 19 + [last], "WHO-5", WHO5, middle=20, spread=8))
    assert f"WHO-5 may {verb} 50 or lower" in one.text


@pytest.mark.parametrize("direction", ["worsening", "improving", "stable", "uncertain"])
@pytest.mark.parametrize("symptom", ["PHQ-9", "mood"])
def test_without_such_a_risk_only_a_worsening_is_asked_about(direction: Any, symptom: str) -> None:
    trend = Trend(1.0, 0.4, 1.6, 0.99, direction, 28)
    found = of_forecast(forecast([8.0] * 20, symptom, middle=8, spread=4, trend=trend))
    assert bool(found) is (direction == "worsening")
    if found:
        assert (found[0].priority, found[0].topic) == (Priority.NEXT_VISIT, f"{symptom} trend")
        check_golden(__file__, f"trend_{symptom}", found)


def test_a_risk_is_said_instead_of_the_trend_not_beside_it() -> None:
    trend = Trend(1.0, 0.4, 1.6, 0.99, "worsening", 28)
    assert [one.topic for one in of_forecast(forecast([23.0] * 20, middle=23, spread=3, trend=trend))] == ["PHQ-9 risk"]


# -- levels


@cache
def simulated() -> WhatIf:
    return what_if(case(), "sertraline", 20, weeks=1, ensemble=0)


def level_of(ratio: float, **how: Any) -> tuple[Recommendation, ...]:
    """What is said of a simulated course whose level is so many times the reference's."""
    course = {
        "exposure_ratio": ratio,
        "review": simulated().review,
        "level": Span(31.4159, 20.5, 42.25),
        "level_in_range": Span(31.4159, 20.5, 42.25),
        "unit": "ng/mL",
        "dose_mg": 10.0,
        "course": simulated().course,
    }
    return recommendations(case(), available(COURSES, {"sertraline": SimpleNamespace(**course | how)}))


@pytest.mark.parametrize(
    ("ratio", "how"),
    [(1.49, None), (1.5, "higher"), (3.0, "higher"), (1.0, None), (0.67, None), (1 / 1.5, "lower"), (0.3, "lower")],
)
def test_a_level_half_as_much_again_or_two_thirds_asks_for_a_measurement(ratio: float, how: str | None) -> None:
    found = level_of(ratio)
    assert [one.text for one in found] == (
        []
        if how is None
        else [f"Consider measuring the plasma level of sertraline: it is expected to be {how} than usual."]
    )


def test_a_level_is_said_with_its_band_and_the_usual_range() -> None:
    (one,) = level_of(2.25)
    assert one.evidence[0].statement == (
        "Simulated level of sertraline at 10 mg: 31.4 ng/mL (90 % band 20.5 to 42.2);"
        " sertraline is at 2.2 times a normal metaboliser's."
    )
    (bare,) = level_of(2.25, level_in_range=Span(31.4159, None, None))
    assert "31.4 ng/mL; sertraline is at 2.2 times" in bare.evidence[0].statement
    (alone,) = level_of(2.25, level_in_range=None)  # no level of the range's analyte: no range beside it
    assert len(alone.evidence) == 1
    assert one.priority is Priority.NEXT_VISIT
    check_golden(__file__, "level", one)


def test_without_a_usual_range_no_level_is_asked_for() -> None:
    without = replace(simulated().review, therapeutic_range=None)
    assert level_of(9.0, review=without) == ()


# -- links


@dataclass(frozen=True)
class Series:
    begin: np.datetime64

    def at(self, hour: int) -> np.datetime64:
        return self.begin + np.timedelta64(hour, "h")


@dataclass(frozen=True)
class Link:
    signal: str
    symptom: str
    sign: int
    lag_hours: float = 30.4
    lag_low: float = 20.6
    lag_high: float = 41.5
    q_value: float = 0.0123
    effect: float = 0.456
    effect_low: float = 0.234
    effect_high: float = 0.678
    n_effective: float = 45.6


@dataclass(frozen=True)
class Insight:
    signal: str
    symptom: str
    action: str


@dataclass(frozen=True)
class Person:
    links: tuple[Link, ...] = ()
    insights: tuple[Insight, ...] = ()
    early_warning: tuple[Any, ...] = ()
    series: Series = Series(np.datetime64(TODAY) - np.timedelta64(2, "D"))

    def person(self) -> "Person":
        return self


def of_links(**known: Any) -> tuple[Recommendation, ...]:
    return recommendations(case(), available(BIOMETRICS, Person(**known)))


def test_a_link_that_may_be_spoken_of_is_watched_with_its_direction_and_lag() -> None:
    links = (Link("hrv", "anxiety", -1), Link("sleep", "mood", 1), Link("steps", "mood", 1))
    insights = (Insight("sleep", "mood", "Look at sleep."), Insight("hrv", "anxiety", "Look at hrv."))
    found = of_links(links=links, insights=insights)
    assert [one.text for one in found] == [
        "Watch hrv: when it rises, anxiety falls some 30 hours later. Look at hrv.",
        "Watch sleep: when it rises, mood rises some 30 hours later. Look at sleep.",
    ]
    assert {one.priority for one in found} == {Priority.WHEN_CONVENIENT}
    check_golden(__file__, "links", found)


def warning(hour: int, horizon_high: float, direction: int = 1) -> EarlyWarning:
    return EarlyWarning(
        "hrv", "anxiety", hour, 2.1, 0.5, 0.2, 0.8, direction, 20.0, 10.0, horizon_high, "medium", "hrv has moved"
    )


@pytest.mark.parametrize(
    ("hour", "horizon", "said"),
    [(24, 24.0, True), (24, 23.0, False), (24, 23.1, True), (40, 7.5, True), (0, 47.0, False)],
)
def test_a_warning_is_said_as_long_as_its_time_has_not_passed(hour: int, horizon: float, said: bool) -> None:
    """The series begins two days before midnight of today, so hour 48 is today's first."""
    assert bool(of_links(early_warning=(warning(hour, horizon),))) is said


def test_a_warning_says_which_way_and_until_when() -> None:
    up, down = of_links(early_warning=(warning(40, 20.4), warning(40, 20.4, -1)))
    assert up.text == "Ask about anxiety: it may rise until 2025-06-01 13 h."
    assert down.text == "Ask about anxiety: it may fall until 2025-06-01 13 h."
    assert (up.topic, down.topic) == ("anxiety may rise", "anxiety may fall")
    check_golden(__file__, "warning", up)


def test_within_one_priority_safety_goes_before_symptoms_and_these_before_drugs() -> None:
    patient = case(
        medications=("citalopram",),
        conditions=("long qt",),
        genotype={"CYP2D6": "*4/*4", "CYP2C19": "*2/*2"},
        symptoms=diary([2.0], ITEM),
    )
    results = {
        **available(BIOMETRICS, Person(early_warning=(warning(48, 5),))),
        **available(COURSES, {}),
        **reviewed(patient),
        **available(SYMPTOMS, (forecast([23.0] * 20, middle=23, spread=3),)),
    }
    found = [(int(one.priority), one.topic) for one in recommendations(patient, results)]
    assert found[:5] == [
        (1, "safety"),
        (1, "citalopram now taken"),
        (1, "citalopram alternatives"),
        (2, "PHQ-9 risk"),
        (2, "anxiety may rise"),
    ]


def test_results_that_did_not_come_say_nothing() -> None:
    late = {
        name: ServiceResult(name, Status.TIMED_OUT, value)
        for name, value in {
            SYMPTOMS: (forecast([23.0] * 20, middle=23, spread=3),),
            BIOMETRICS: Person(early_warning=(warning(48, 5),)),
            MEDICATIONS: fictional(sertraline={"concern": 4}),
            COURSES: {},
        }.items()
    }
    assert recommendations(case(medications=("sertraline",)), late) == ()
