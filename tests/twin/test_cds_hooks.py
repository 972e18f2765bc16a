"""CDS Hooks 2.0: valid cards for valid requests, a clear refusal for the rest, never silence and never an accident."""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from uuid import UUID

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import event, given, settings
from hypothesis import strategies as st

from novamind.drugs.catalogue import catalogue
from novamind.drugs.domain import Caution, Evidence, Severity, Source
from novamind.errors import ValidationError
from novamind.pharmacogenomics import DrugReview, recommend
from novamind.pharmacogenomics.domain import Action
from novamind.twin.cds import HOOKS, PrefetchError, discovery
from novamind.twin.cds import cards as making
from novamind.twin.cds.class_allergies import CLASSES, class_of
from novamind.twin.cds.duplicates import ONE_OF_A_CLASS
from novamind.twin.domain import CLINICAL_JUDGEMENT
from tests.golden import check_golden
from tests.twin.cds_requests import (
    PATIENT,
    allergy,
    ask,
    condition,
    dose,
    gene,
    measured,
    of,
    order,
    request,
    sign,
    statement,
    taken,
)
from tests.twin.people import TODAY, case

HOOKS_DATA = Path(__file__).parents[3] / "shared" / "data" / "interop" / "cds_hooks"
needs_data = pytest.mark.skipif(not HOOKS_DATA.is_dir(), reason="the shared interoperability data are not here")
POOR = [gene("CYP2C19", "*2/*2"), gene("CYP2D6", "*4/*4")]


def problems(cards: Any, strict: bool = True) -> Iterator[str]:
    """Every way in which cards break CDS Hooks 2.0.1; ``strict`` adds what we promise beside it."""
    if not isinstance(cards, list):
        yield "no list of cards"
        return
    for card in cards:
        summary = card.get("summary")
        if not isinstance(summary, str) or not summary or len(summary) >= 140:
            yield "summary"
        if card.get("indicator") not in ("info", "warning", "critical"):
            yield "indicator"
        if not isinstance(card.get("source", {}).get("label"), str):
            yield "source"
        if strict and set(card.get("source", {}).get("topic", {})) != {"system", "code", "display"}:
            yield "topic"
        if strict and not card["detail"].endswith(CLINICAL_JUDGEMENT):
            yield "detail"
        for link in card.get("links", []):
            if not {"label", "url", "type"} <= set(link) or link["type"] not in ("absolute", "smart"):
                yield "link"
            if not urlparse(link["url"]).scheme.startswith("http"):
                yield "link address"
        if card.get("suggestions") and card.get("selectionBehavior") not in ("at-most-one", "any"):
            yield "selectionBehavior"
        for reason in card.get("overrideReasons", []):
            if not {"code", "system", "display"} <= set(reason):
                yield "overrideReason"
        for suggestion in card.get("suggestions", []):
            if not isinstance(suggestion.get("label"), str):
                yield "suggestion"
            for action in suggestion.get("actions", []):
                if action.get("type") not in ("create", "update", "delete") or not action.get("description"):
                    yield "action"
                if action.get("type") == "delete" and strict and not isinstance(action.get("resourceId"), str):
                    yield "resourceId"
                if action.get("type") in ("create", "update") and "resource" not in action:
                    yield "resource"
        if strict:
            for one in (card, *card.get("suggestions", [])):
                UUID(one["uuid"])


def checked(cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert not list(problems(cards))
    json.dumps(cards, allow_nan=False)
    indicators = [card["indicator"] for card in cards]
    assert indicators == sorted(indicators, key=("critical", "warning", "info").index), "the most serious first"
    return cards


# -- what a clinician is to be told


def test_a_citalopram_named_with_its_brand_is_read_and_its_genotype_asks_for_another_dose() -> None:
    (card,) = checked(sign(order("citalopram (CELEXA) 20 mg tablet"), genomics=POOR[:1]))
    assert card["summary"].startswith("citalopram: adjust the dose.")
    assert "CPIC" in card["detail"]
    assert card["links"][0]["url"] == card["source"]["url"]


def test_a_draft_that_is_not_selected_counts_beside_the_selected_one() -> None:
    body = request("order-select", order("sertraline 50 mg"), order("phenelzine 15 mg", "draft-2"))
    body["context"]["selections"] = ["MedicationRequest/draft-1"]
    (card,) = checked(ask(body))
    assert (card["indicator"], card["summary"][:18]) == ("critical", "sertraline: avoid.")
    assert "MAO inhibitor" in card["detail"]


def test_codeine_of_an_ultrarapid_metaboliser_is_to_be_avoided() -> None:
    (card,) = checked(sign(order("Codeine sulfate 15 MG Oral Tablet"), genomics=[gene("CYP2D6", "*1/*1x3")]))
    assert (card["indicator"], card["summary"]) == ("critical", "codeine: avoid. Do not use it.")


@pytest.mark.parametrize(("days", "said"), [(0, 14), (5, 9), (13, 1), (14, None)])
def test_after_an_mao_inhibitor_fourteen_days_are_waited(days: int, said: int | None) -> None:
    end = TODAY.fromordinal(TODAY.toordinal() - days).isoformat()
    stopped = statement("phenelzine", status="completed", effectivePeriod={"start": "2025-01-01", "end": end})
    cards = checked(sign(order("sertraline"), statements=[stopped]))
    critical = [card for card in cards if card["indicator"] == "critical"]
    assert len(critical) == (said is not None)
    if days:  # on its last day it is still taken
        assert said is None or f"wait {said} more" in critical[0]["summary"]


@pytest.mark.parametrize(("days", "waits"), [(34, True), (35, False)])
def test_fluoxetine_acts_on_for_five_weeks(days: int, waits: bool) -> None:
    end = TODAY.fromordinal(TODAY.toordinal() - days).isoformat()
    stopped = statement("fluoxetine", status="stopped", effectivePeriod={"start": "2024-01-01", "end": end})
    cards = checked(sign(order("phenelzine 15 mg"), statements=[stopped]))
    assert bool(of(cards, "phenelzine")) is waits


def test_a_stop_on_an_unknown_day_is_told_of() -> None:
    stopped = order("phenelzine 15 mg", "old", status="stopped", authoredOn="2025-01-05")
    (card,) = checked(sign(order("sertraline"), medications=[stopped]))
    assert "stopped on an unknown day" in card["summary"]


@pytest.mark.parametrize("allergen", ["Allergy to citalopram", "Celexa allergy", "citalopram"])
def test_an_allergy_to_citalopram_speaks_against_escitalopram(allergen: str) -> None:
    (card,) = checked(sign(order("Escitalopram 10 MG Oral Tablet"), allergies=[allergy(allergen)]))
    assert card["indicator"] == "critical"
    assert "It is one half of citalopram" in card["summary"]
    assert not any("citalopram" in offer["label"] for offer in card["suggestions"][1:]), "nor is another put forward"


def test_a_coded_allergy_counts_as_one_in_words() -> None:
    coded = allergy("") | {
        "code": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "2556"}]}
    }
    (card,) = checked(sign(order("escitalopram 10 mg"), allergies=[coded]))
    assert card["indicator"] == "critical"


@pytest.mark.parametrize(
    ("allergen", "drug", "is_told"),
    [
        ("SSRIs", "sertraline", True), ("Allergy to tricyclic antidepressants", "amitriptyline", True),
        ("NSAID allergy", "ibuprofen", True), ("Benzodiazepine", "lorazepam", True), ("MAO-Hemmer", "phenelzine", True),
        ("SSRIs", "amitriptyline", False), ("Barbiturates", "sertraline", False),
    ],
)  # fmt: skip
def test_an_allergy_to_a_class_speaks_against_each_drug_of_it(allergen: str, drug: str, is_told: bool) -> None:
    cards = checked(sign(order(drug), allergies=[allergy(allergen)]))
    assert any("An active allergy to its class" in card["summary"] for card in of(cards, drug)) is is_told
    assert not any("Allergies to drugs outside" in card["detail"] for card in cards), "the class is known"


#: The words for classes, entered apart from the source.
WORDS_OF_CLASSES = {
    "ssri": "ssri, selective serotonin reuptake inhibitor",
    "snri": "snri, serotonin norepinephrine reuptake inhibitor",
    "tca": "tca, tricyclic, tricyclic antidepressant, trizyklisches antidepressivum, trizyklische antidepressiva",
    "maoi": "maoi, mao inhibitor, monoamine oxidase inhibitor, mao hemmer",
    "antidepressant": "antidepressant, antidepressiva",
    "antipsychotic": "antipsychotic, neuroleptic, neuroleptika, antipsychotika",
    "benzodiazepine": "benzodiazepine, benzodiazepin", "barbiturate": "barbiturate, barbiturat",
    "opioid": "opioid, opiate, narcotic, opiat", "nsaid": "nsaid, nonsteroidal anti-inflammatory drug, nsar",
    "triptan": "triptan", "ace_inhibitor": "ace inhibitor, ace hemmer", "thiazide": "thiazide", "z_drug": "z-drug",
}  # fmt: skip


def test_the_words_for_classes_are_these() -> None:
    assert {word: shared for shared, words in WORDS_OF_CLASSES.items() for word in words.split(", ")} == CLASSES


@pytest.mark.parametrize("place", ["context", "userId", "user"])
def test_the_user_may_stand_where_drafts_of_the_specification_had_it(place: str) -> None:
    body = request("order-sign", order("Sertraline 50 MG"))
    user = body["context"].pop("userId")
    with pytest.raises(ValidationError, match=r"'context.userId' is required by CDS Hooks 2.0"):
        ask(body)
    (body["context"] if place == "context" else body)["userId" if place == "context" else place] = user
    assert ask(body) == []


@pytest.mark.parametrize(("end", "is_taken"), [("2025-06-01", True), ("2025-05-20", False), ("2025-01-20", False)])
def test_a_prescription_lasts_as_long_as_the_bounds_of_its_dosage(end: str, is_taken: bool) -> None:
    bounds = {"boundsPeriod": {"start": "2025-01-01", "end": end}, "frequency": 1, "period": 1, "periodUnit": "d"}
    use = taken("phenelzine 15 mg", dosageInstruction=[{"text": "15 mg daily", "timing": {"repeat": bounds}}])
    found = of(sign(order("sertraline 50 mg"), medications=[use]), "sertraline")
    waits = end == "2025-05-20"
    assert bool(found) is (is_taken or waits)
    assert not found or ("was stopped" in found[0]["summary"]) is waits


def test_classes_of_duplicates_and_of_allergies_are_those_of_the_catalogue() -> None:
    assert {drug.drug_class for drug in catalogue().values()} >= ONE_OF_A_CLASS
    assert {tag for drug in catalogue().values() for tag in drug.tags} >= set(CLASSES.values())
    assert class_of("sertraline") is None


def test_no_drug_of_the_class_of_an_allergy_is_put_forward() -> None:
    (card,) = checked(sign(order("Sertraline 50 mg"), allergies=[allergy("Allergy to SSRIs")]))
    offered = [offer["label"].removeprefix("Replace by ") for offer in card["suggestions"][1:]]
    assert len(offered) == 3
    assert not set(offered) & {"citalopram", "escitalopram", "fluoxetine", "fluvoxamine", "paroxetine", "sertraline"}


@pytest.mark.parametrize(
    ("status", "is_taken"),
    [
        ("active", True), ("unknown", True), ("intended", True), ("draft", True), ("Active", True), (None, True),
        ("not-taken", False), ("entered-in-error", False), ("cancelled", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["medications", "statements"])
def test_what_is_not_plainly_over_counts_as_taken(key: str, status: str | None, is_taken: bool) -> None:
    use = statement("phenelzine") if key == "statements" else taken("phenelzine")
    cards = checked(sign(order("sertraline 50 mg"), **{key: [use | {"status": status}]}))
    assert ([card["indicator"] for card in of(cards, "sertraline")] == ["critical"]) is is_taken


def test_an_allergy_that_is_refuted_or_to_something_else_says_nothing() -> None:
    refuted = allergy("Citalopram") | {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    for one in (refuted, allergy("Sertraline")):
        assert not of(sign(order("Escitalopram 10 MG"), allergies=[one]), "escitalopram")


@pytest.mark.parametrize(
    ("milligrams", "more", "words"),
    [
        (40, {}, None),
        (40.5, {}, "40.5 mg/day is above 40 mg/day"),
        (20, {"genomics": POOR[:1]}, None),
        (60, {"genomics": POOR[:1]}, "60 mg/day is above 20 mg/day, the maximum in CYP2C19 poor metabolisers."),
        (20, {"patient": PATIENT | {"birthDate": "1950-02-03"}}, None),
        (30, {"patient": PATIENT | {"birthDate": "1950-02-03"}}, "the maximum above 60 years"),
        (30, {"medications": [taken("omeprazole 20 mg capsule")]}, "30 mg/day is above 20 mg/day"),
        (30, {"medications": [taken("pantoprazole 20 mg")]}, None),
    ],
)
def test_the_dose_of_an_order_is_held_against_the_limits_of_this_person(
    milligrams: float, more: dict[str, Any], words: str | None
) -> None:
    cards = checked(sign(order("citalopram 20 mg tablet", dosageInstruction=dose(milligrams)), **more))
    lines = "\n".join(card["detail"] for card in of(cards, "citalopram"))
    assert ("mg/day is above" in lines) == (words is not None)
    assert words is None or words in lines
    if words is not None:
        assert of(cards, "citalopram")[0]["indicator"] != "info"


def test_the_kidney_limits_lithium_by_the_creatinine_that_was_sent() -> None:
    values = [measured("2160-0", 2.5, "mg/dL"), measured("29463-7", 60, "kg")]  # 27 mL/min
    (card,) = checked(sign(order("lithium carbonate 450 mg", dosageInstruction=dose(900)), laboratory=values))
    assert "creatinine clearance" in card["detail"]
    assert card["indicator"] == "warning"


def test_a_limit_that_depends_on_what_is_missing_is_named() -> None:
    (card,) = checked(sign(order("citalopram 20 mg", dosageInstruction=dose(30)), genomics=[]))
    assert card["summary"].startswith("Not checked: citalopram: The limit of 20 mg/day in CYP2C19 poor metabolisers")
    assert card["indicator"] == "info"


def test_the_same_drug_twice_and_the_same_class_twice_are_told_of() -> None:
    twice = checked(sign(order("sertraline 50 mg tablet"), order("Zoloft 100 mg", "draft-2")))
    (card,) = of(twice, "sertraline")
    assert (card["indicator"], "sertraline is ordered 2 times." in card["detail"]) == ("warning", True)
    (renewed,) = of(checked(sign(order("Zoloft"), medications=[taken("sertraline 50 mg")])), "sertraline")
    assert (renewed["indicator"], "on the list of what is taken" in renewed["detail"]) == ("info", True)
    (classed,) = of(checked(sign(order("Lorazepam 1 mg"), medications=[taken("diazepam 5 mg")])), "lorazepam")
    assert "lorazepam and diazepam are of one class (benzodiazepine)" in classed["detail"]


def test_the_doses_of_two_orders_of_a_drug_add_up() -> None:
    pair = [
        order("citalopram 20 mg", dosageInstruction=dose(20)),
        order("citalopram 40 mg", "b", dosageInstruction=dose(40)),
    ]
    (card,) = of(checked(sign(*pair)), "citalopram")
    assert "60 mg/day is above 40 mg/day" in card["detail"]


def test_every_part_of_a_combination_is_looked_at() -> None:
    product = order("acetaminophen 300 mg / codeine 30 mg oral tablet")
    (card,) = of(checked(sign(product, genomics=[gene("CYP2D6", "*1/*1x3")])), "codeine")
    assert card["indicator"] == "critical"


# -- what was not checked


def test_an_empty_list_says_that_everything_was_checked() -> None:
    assert sign(order("Sertraline 50 MG"), genomics=[gene("CYP2C19", "*1/*1")]) == []
    assert ask(request("patient-view")) == []


def test_a_drug_outside_the_tables_is_named_whether_ordered_or_taken() -> None:
    (card,) = checked(sign(order("zorblaxin 50 mg tablet")))
    assert (card["indicator"], card["summary"]) == (
        "warning",
        "Not checked: zorblaxin 50 mg tablet is not in our tables",
    )
    (beside,) = checked(sign(order("sertraline 50 mg"), medications=[taken("zorblaxin 50 mg tablet")]))
    assert beside["indicator"] == "info"
    assert "zorblaxin" in beside["summary"]


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ("medications", "prescriptions"), ("statements", "what the patient takes"), ("conditions", "conditions"),
        ("allergies", "allergies"), ("genomics", "gene results"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("null", [False, True])
def test_what_was_not_sent_is_named(left_out: str, words: str, null: bool) -> None:
    body = request("order-sign", order("sertraline 50 mg"))
    body["prefetch"][left_out] = None
    if not null:
        del body["prefetch"][left_out]
    (card,) = checked(ask(body))
    reason = "sent as null, which counts as none on record" if null else "not sent with the request"
    assert card["summary"] == f"Not checked: {words}: {reason}."


def test_conditions_and_allergies_without_a_rule_are_named() -> None:
    more = {"conditions": [condition("ingrown toenail")], "allergies": [allergy("Latex")]}
    (card,) = checked(sign(order("sertraline 50 mg"), **more))
    assert "ingrown toenail" in card["detail"]
    assert "Latex" in card["detail"]


def test_drafts_that_are_no_order_and_selections_of_none_are_named() -> None:
    test = {"resourceType": "ServiceRequest", "id": "s", "status": "draft", "subject": {"reference": "Patient/p1"}}
    stop = order("sertraline", "x", doNotPerform=True)
    body = request("order-select", order("Amitriptyline 75 MG"), test, stop, genomics=POOR)
    del body["context"]["draftOrders"]["entry"][0]["resource"]["id"]
    body["context"]["selections"] = ["MedicationRequest/None", "MedicationRequest/"]
    (card,) = checked(ask(body))
    for words in (
        "ServiceRequest: only MedicationRequest is read",
        "no order to take",
        "2 of the selections name none",
    ):
        assert words in card["detail"]


def test_words_of_the_record_stay_words_in_markdown() -> None:
    (card,) = checked(sign(order("[zorblaxin](https://evil.example) <b>x</b>")))
    assert "](" not in card["detail"]
    assert "<b>" not in card["detail"].replace("\\<", "")


# -- cards


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_a_draft_against_the_genotype_gets_a_card_with_a_way_out(hook: str) -> None:
    (card,) = checked(ask(request(hook, order("Amitriptyline 75 MG Oral Tablet"), genomics=POOR)))
    assert card["indicator"] in ("warning", "critical")
    first, *others = card["suggestions"]
    assert [a["type"] for a in first["actions"]] == ["delete"]
    assert first["actions"][0]["resourceId"] == "MedicationRequest/draft-1"
    assert others
    for offer in others:
        created = offer["actions"][-1]["resource"]
        get_fhir_model_class("MedicationRequest").model_validate(created)
        safe = sign(created | {"id": "offered"}, genomics=POOR)
        assert all(c["indicator"] == "info" for c in safe), "what is offered must not raise a warning itself"


def test_what_is_offered_is_coded_and_has_its_labelled_starting_dose() -> None:
    (card,) = checked(sign(order("Amitriptyline 75 MG"), genomics=POOR))
    drafts = [offer["actions"][-1]["resource"] for offer in card["suggestions"][1:]]
    systems = [{c["system"] for c in draft["medicationCodeableConcept"]["coding"]} for draft in drafts]
    assert all("http://www.whocc.no/atc" in of_draft for of_draft in systems)
    dosed = [draft for draft in drafts if "dosageInstruction" in draft]
    assert dosed
    for draft in dosed:
        quantity = draft["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
        assert (quantity["code"], quantity["value"] > 0) == ("mg", True)


def test_the_patients_own_medication_is_looked_at_when_the_chart_opens() -> None:
    active = taken("Citalopram 40 MG", dosageInstruction=dose(40))
    view = checked(ask(request("patient-view", medications=[active], genomics=POOR)))
    (card,) = of(view, "citalopram")
    assert "suggestions" not in card
    assert "40 mg/day is above 20 mg/day" in card["detail"]


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_what_is_prefetched_and_what_is_drafted_beside_it_count_alike(hook: str) -> None:
    beside = checked(ask(request(hook, order("Sertraline 50 MG"), medications=[taken("Phenelzine 15 MG")])))
    both = checked(ask(request(hook, order("Sertraline 50 MG"), order("Phenelzine 15 MG", "draft-2"))))
    assert len(both) == 2
    for card in (beside[0], of(both, "sertraline")[0], of(both, "phenelzine")[0]):
        assert card["indicator"] == "critical"
    assert "**contraindicated**, phenelzine: " in beside[0]["detail"]


def test_the_same_content_has_the_same_uuid_and_other_content_another() -> None:
    first, again = (sign(order("Amitriptyline 75 MG"), genomics=POOR) for _ in range(2))
    assert first == again
    other = sign(order("Amitriptyline 75 MG"), genomics=[gene("CYP2D6", "*4/*4")])
    assert first[0]["uuid"] != other[0]["uuid"]


def test_an_order_without_an_id_cannot_be_taken_back() -> None:
    (card,) = of(sign({k: v for k, v in order("Amitriptyline").items() if k != "id"}, genomics=POOR), "amitriptyline")
    assert "suggestions" not in card
    assert {reason["code"] for reason in card["overrideReasons"]} >= {"known-and-tolerated", "benefit-outweighs"}


def _review(**how: Any) -> DrugReview:
    plain = {"concern": 0, "guidelines": (), "guidelines_before": (), "interactions": (), "caution": (), "standing": ""}
    return replace(recommend({}, ("sertraline",))["sertraline"], **plain | how)


SOURCE = Source("s", 2020, Evidence.UNVERIFIED, "A source", "https://example.org")


def caution(severity: Severity, text: str, section: str = "") -> Caution:
    return Caution(severity, text, "lithium", SOURCE, section)


@pytest.mark.parametrize(
    ("concern", "severity", "indicator"),
    [
        (0, None, None), (1, None, None), (2, None, "info"), (3, None, "warning"), (4, None, "critical"),
        (0, Severity.INFORMATION, None), (0, Severity.MODERATE, "info"), (2, Severity.MAJOR, "warning"),
        (3, Severity.CONTRAINDICATED, "critical"), (4, Severity.MODERATE, "critical"),
    ],
)  # fmt: skip
def test_the_gravest_reason_decides_on_the_indicator(
    concern: int, severity: Severity | None, indicator: str | None
) -> None:
    cautions = [] if severity is None else [caution(severity, "text")]
    assert making.indicator_of(_review(concern=concern), cautions) == indicator


def test_what_the_genotype_alone_advises_counts_beside_any_other_drug() -> None:
    usual = recommend(case(genotype={"CYP2C19": "*2/*2"}).genotype, ("sertraline",))["sertraline"].guidelines[0]
    review = _review(guidelines_before=(replace(usual, action=Action.AVOID, text="AVOID IT"),))
    assert making.indicator_of(review, []) == "critical"
    assert "by the genotype alone: AVOID IT" in making.drug_card(review, [], "critical", [])["detail"]


def test_a_severe_interaction_leads_the_summary_and_else_the_guideline() -> None:
    advice = recommend(case(genotype={"CYP2C19": "*2/*2"}).genotype, ("sertraline",))["sertraline"].guidelines
    usual, first = (replace(advice[0], action=Action(name), text=name) for name in ("STANDARD_DOSE", "REDUCE_DOSE"))
    none = replace(advice[0], action=Action.NO_RECOMMENDATION, text="none")
    review = _review(concern=3, guidelines=(none, usual, first))
    mild = caution(Severity.MODERATE, "mild")
    card = making.drug_card(review, [mild], "warning", [])
    assert card["summary"] == "sertraline: consider another drug. REDUCE_DOSE"
    for severity in (Severity.MAJOR, Severity.CONTRAINDICATED):
        severe = [caution(severity, "listed"), caution(severity, "labelled", "label 4"), mild]
        card = making.drug_card(review, severe, "warning", [])
        assert card["summary"] == "sertraline: consider another drug. labelled"
    lines = card["detail"].split("\n")
    assert [line for line in lines if "none" in line or "STANDARD" in line] == []
    assert "- **moderate**, lithium: mild (A source (2020); not confirmed at the source)" in lines
    assert "- **contraindicated**, lithium: labelled (label 4; A source (2020); not confirmed at the source)" in lines
    assert lines[0].startswith("- CPIC: REDUCE_DOSE (CPIC ")
    assert lines[-2:] == ["", CLINICAL_JUDGEMENT]


def test_only_addresses_over_tls_become_links_each_once() -> None:
    plain = replace(SOURCE, url="http://example.org")
    both = [replace(caution(Severity.MAJOR, "a"), source=s) for s in (plain, SOURCE, SOURCE)]
    card = making.drug_card(_review(), both, "warning", [])
    assert card["links"] == [{"label": "A source", "url": "https://example.org", "type": "absolute"}]
    assert card["source"]["url"] == "https://example.org"
    assert "links" not in making.drug_card(_review(), both[:1], "warning", [])


@pytest.mark.parametrize(
    ("length", "shown"), [(139, 139), (140, 134), (200, 134)], ids=["just fits", "just does not", "far too long"]
)
def test_a_summary_is_cut_at_a_word(length: int, shown: int) -> None:
    text = "word " * 27  # the last blank before the limit is at 134
    text = (text + "x" * length)[:length]
    assert making.short(text) == (text if shown == length else f"{('word ' * 27).rstrip()}…")


# -- adding a draft


PARTNERS = [
    "phenelzine 15 mg", "fluoxetine 20 mg", "lithium carbonate 300 mg", "carbamazepine XR 200 mg 12 hr tablet",
    "omeprazole 20 mg", "zorblaxin 5 mg", "codeine 30 mg", "tramadol 50 mg", "clozapine 100 mg", "ibuprofen 600 mg",
    "paroxetine 20 mg", "ketoconazole 200 mg",
]  # fmt: skip


def reasons(cards: list[dict[str, Any]], drug: str) -> set[str]:
    """The cautions of a drug's card, each with its severity."""
    lines = [line for card in of(cards, drug) for line in card["detail"].split("\n")]
    return {line for line in lines if line.startswith("- **")}


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from(PARTNERS), min_size=1, max_size=4, unique=True), st.sampled_from(PARTNERS))
def test_adding_a_draft_never_takes_a_caution_away(partners: list[str], added: str) -> None:
    drafts = [
        order("citalopram 40 mg", dosageInstruction=dose(40)),
        *(order(p, f"d{i}") for i, p in enumerate(partners)),
    ]
    before = sign(*drafts, genomics=POOR)
    after = sign(*drafts, order(added, "added"), genomics=POOR)
    event(f"{len(reasons(before, 'citalopram')) > 1} cautions")
    assert reasons(before, "citalopram") <= reasons(after, "citalopram")
    rank = ("critical", "warning", "info").index
    assert rank(of(after, "citalopram")[0]["indicator"]) <= rank(of(before, "citalopram")[0]["indicator"])


# -- hostile and foreign requests


def outcome(body: Any, hook: str) -> str:
    """``cards`` when they are valid, ``refused`` for the errors that a server answers with 400 or 412."""
    try:
        cards = ask(body, hook)
    except ValidationError:
        return "refused"
    return "invalid" if list(problems(cards)) else "cards"


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "resourceType", "entry", "resource", "id", "patientId", "userId", "medicationCodeableConcept",
                    "coding", "text", "code", "system", "timing", "repeat", "doseAndRate", "value",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(HOOKS),
    st.sampled_from(["context", "prefetch", "draftOrders", "selections", "fhirServer", "fhirAuthorization", "hook"]),
    anything,
)
def test_no_body_makes_an_accident(hook: str, where: str, value: Any) -> None:
    body = request(hook, order("Sertraline 50 MG"), genomics=POOR)
    (body["context"] if where in ("draftOrders", "selections") else body)[where] = value
    assert outcome(body, hook) in ("cards", "refused")


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(
        ["medicationCodeableConcept", "medicationReference", "medication", "dosageInstruction", "status", "subject",
         "contained", "doNotPerform"]
    ),
    st.booleans(),
    anything,
)  # fmt: skip
def test_no_element_of_an_order_or_a_medication_makes_an_accident(name: str, drafted: bool, value: Any) -> None:
    one = order("Sertraline 50 MG", dosageInstruction=dose(50)) | {name: value}
    body = request("order-sign", one) if drafted else request("order-sign", order("Lithium"), medications=[one])
    assert outcome(body, "order-sign") in ("cards", "refused")


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["valueQuantity", "effectiveDateTime", "code", "status", "birthDate", "gender"]), anything)
def test_no_fact_of_the_person_makes_an_accident(name: str, value: Any) -> None:
    of_patient = {name: value} if name in ("birthDate", "gender") else {}
    values = [measured("2160-0", 1.0, "mg/dL") | {name: value}, measured("29463-7", 60, "kg")]
    body = request("order-sign", order("Lithium"), patient=PATIENT | of_patient, laboratory=values)
    assert outcome(body, "order-sign") in ("cards", "refused")


@needs_data
@pytest.mark.parametrize(
    "file",
    sorted(HOOKS_DATA.glob("requests/*.json")) + sorted(HOOKS_DATA.glob("spec_blocks/*_request.json")),
    ids=lambda f: f.stem,
)
def test_every_request_gets_valid_cards_or_a_refusal(file: Path) -> None:
    body = json.loads(file.read_text())
    for hook in HOOKS:
        assert outcome(body, hook) in ("cards", "refused")
        if body.get("hook") != hook:
            assert outcome(body, hook) == "refused"


@needs_data
@pytest.mark.parametrize("name", ["v201_02_request", "docs_03_request", "v300ballot_04_request"])
def test_the_specifications_own_requests_lack_the_patient_or_name_what_they_lack(name: str) -> None:
    body = json.loads((HOOKS_DATA / "spec_blocks" / f"{name}.json").read_text())
    with contextlib.suppress(PrefetchError):
        assert of(ask(body), "Not checked")


@needs_data
@pytest.mark.parametrize("file", sorted(HOOKS_DATA.glob("spec_blocks/*_response.json")), ids=lambda f: f.stem)
def test_our_validator_accepts_the_specifications_cards(file: Path) -> None:
    response = json.loads(file.read_text())
    if "cards" in response:
        shortened = {"indicator"} if file.stem in ("v201_18_response", "v300ballot_20_response") else set()
        assert set(problems(response["cards"], strict=False)) - {"selectionBehavior"} == shortened


# -- as they are sent


def test_discovery() -> None:
    services = discovery()["services"]
    assert [s["hook"] for s in services] == list(HOOKS)
    for service in services:
        assert {"hook", "description", "id"} <= set(service)
        assert all(re.fullmatch(r"[A-Za-z]+[/?].*", query) for query in service["prefetch"].values())


def test_discovery_as_it_is_sent() -> None:
    check_golden(__file__, "cds_discovery", discovery())


def test_cards_of_varied_patients_as_they_are_sent() -> None:
    """Every field of the cards: several drafts, what is taken, an allergy, alternatives, links, reasons to override."""
    paroxetine = taken("Paroxetine 20 MG", dosageInstruction=dose(20))
    fast = [gene("CYP2D6", "*1x2/*2"), gene("CYP2C19", "*1/*1")]
    found = {
        "poor": sign(order("Amitriptyline 75 MG"), genomics=POOR),
        "fast": ask(request("order-select", order("Paroxetine 20 MG"), genomics=fast)),
        "allergic": sign(order("Sertraline 50 MG"), allergies=[allergy("Sertraline")], genomics=fast),
        "codeine beside": sign(order("Codeine 30 MG"), order("Atomoxetine 40 MG", "d2"), medications=[paroxetine]),
        "chart": ask(request("patient-view", medications=[paroxetine], genomics=fast)),
        "unknown": sign(order("zorblaxin 5 mg")),
    }
    check_golden(__file__, "cds_cards", found)
