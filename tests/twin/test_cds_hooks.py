"""CDS Hooks 2.0: valid cards for valid requests, a clear refusal for the rest, never an accident."""

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
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.drugs.domain import Caution, Evidence, Severity, Source
from novamind.errors import ValidationError
from novamind.pharmacogenomics import recommend
from novamind.pharmacogenomics.domain import Action
from novamind.settings import Settings
from novamind.twin import cds_hooks
from novamind.twin.cds_hooks import HOOKS, answer, discovery
from novamind.twin.domain import CLINICAL_JUDGEMENT
from tests.golden import check_golden
from tests.twin.people import TODAY, case, fixed

HOOKS_DATA = Path(__file__).parents[3] / "shared" / "data" / "interop" / "cds_hooks"
needs_data = pytest.mark.skipif(not HOOKS_DATA.is_dir(), reason="the shared interoperability data are not here")


def order(text: str, name: str = "draft-1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "subject": {"reference": "Patient/p1"},
    } | more


def gene(name: str, result: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "84413-4"}]},
        "subject": {"reference": "Patient/p1"},
        "valueCodeableConcept": {"text": result},
        "component": [{"code": {"coding": [{"code": "48018-6"}]}, "valueCodeableConcept": {"text": name}}],
    }


def request(hook: str, *orders: dict[str, Any], **prefetch: Any) -> dict[str, Any]:
    context: dict[str, Any] = {"userId": "Practitioner/1", "patientId": "p1"}
    if hook != "patient-view":
        context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": one} for one in orders]}
    if hook == "order-select":
        context["selections"] = [f"MedicationRequest/{one['id']}" for one in orders]
    bundles = {
        name: {"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}
        for name, resources in prefetch.items()
    }
    call = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
    return {"hook": hook, "hookInstance": call, "context": context, "prefetch": bundles}


def problems(response: Any, strict: bool = True) -> Iterator[str]:
    """Every way in which a response breaks CDS Hooks 2.0.1; ``strict`` adds what we promise beside it."""
    if not isinstance(response, dict) or not isinstance(response.get("cards"), list):
        yield "no cards"
        return
    for card in response["cards"]:
        if not isinstance(card.get("summary"), str) or len(card["summary"]) >= 140:
            yield "summary"
        if card.get("indicator") not in ("info", "warning", "critical"):
            yield "indicator"
        if not isinstance(card.get("source"), dict) or not isinstance(card["source"].get("label"), str):
            yield "source"
        if not isinstance(card.get("detail", ""), str):
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


def cards(hook: str, *orders: dict[str, Any], **prefetch: Any) -> list[dict[str, Any]]:
    response = answer(hook, request(hook, *orders, **prefetch), TODAY)
    assert not list(problems(response))
    json.dumps(response, allow_nan=False)
    return response["cards"]  # type: ignore[no-any-return]


POOR = [gene("CYP2C19", "*2/*2"), gene("CYP2D6", "*4/*4")]


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_a_draft_against_the_genotype_gets_a_card_with_a_way_out(hook: str) -> None:
    (card,) = cards(hook, order("Amitriptyline 75 MG Oral Tablet"), genomics=POOR)
    assert card["indicator"] in ("warning", "critical")
    assert card["summary"].startswith("amitriptyline:")
    assert "Clinical judgement decides" in card["detail"]
    assert "CPIC" in card["detail"]
    first, *others = card["suggestions"]
    assert [a["type"] for a in first["actions"]] == ["delete"]
    assert first["actions"][0]["resourceId"] == "MedicationRequest/draft-1"
    for offer in others:
        created = offer["actions"][-1]["resource"]
        get_fhir_model_class("MedicationRequest").model_validate(created)
        (drug,) = [created["medicationCodeableConcept"]["text"]]
        safe = cards(hook, order(drug), genomics=POOR)
        assert all(c["indicator"] == "info" for c in safe), "what is offered must not raise a warning itself"


def test_nothing_to_say_is_no_card() -> None:
    assert cards("order-sign", order("Sertraline 50 MG"), genomics=[gene("CYP2C19", "*1/*1")]) == []
    assert cards("order-sign", order("Amoxicillin 500 mg tablet")) == []
    assert cards("patient-view") == []


def test_the_patients_own_medication_is_looked_at_when_the_chart_opens() -> None:
    active = order("Citalopram 40 MG", status="active")
    (card,) = cards("patient-view", medications=[active], genomics=POOR)
    assert "suggestions" not in card
    assert card["summary"].startswith("citalopram")


def test_drafts_are_checked_against_what_is_taken_and_against_each_other() -> None:
    taken = order("Phenelzine 15 MG", status="active")
    (card,) = cards("order-sign", order("Sertraline 50 MG"), medications=[taken])
    assert card["indicator"] == "critical"
    pair = cards("order-sign", order("Sertraline 50 MG"), order("Phenelzine 15 MG", "draft-2"))
    assert [c["indicator"] for c in pair] == ["critical", "critical"]


def test_only_selected_drafts_are_looked_at_while_choosing() -> None:
    body = request("order-select", order("Sertraline 50 MG"), order("Amitriptyline 75 MG", "draft-2"))
    body["context"]["selections"] = ["MedicationRequest/draft-1"]
    body["prefetch"] = {"genomics": {"resourceType": "Bundle", "entry": [{"resource": r} for r in POOR]}}
    assert [c["summary"].split(":")[0] for c in answer("order-select", body, TODAY)["cards"]] == ["sertraline"]


def allergy(text: str) -> dict[str, Any]:
    return {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p1"}, "code": {"text": text}}


def test_an_allergy_is_critical() -> None:
    (card,) = cards("order-sign", order("Sertraline 50 MG"), allergies=[allergy("Sertraline")])
    assert (card["indicator"], "allergy" in card["summary"]) == ("critical", True)


def test_resources_of_other_patients_are_not_used() -> None:
    foreign = [one | {"subject": {"reference": "Patient/other"}} for one in POOR]
    assert cards("order-sign", order("Amitriptyline 75 MG"), genomics=foreign) == []


@pytest.mark.parametrize(
    ("reference", "used"),
    [
        ("Patient/p1", True),
        ("https://ehr.example/fhir/Patient/p1", True),
        ("https://other.example/fhir/Patient/p1", False),
        ("p1", False),
    ],
)
def test_the_server_that_asks_is_the_patients_home(reference: str, used: bool) -> None:
    reported = allergy("citalopram") | {"patient": {"reference": reference}}
    body = request("order-sign", order("Citalopram 20 MG"), known=[reported])
    body |= {"fhirServer": "https://ehr.example/fhir/"}
    body["prefetch"] |= {"patient": {"resourceType": "Patient", "id": "p1"}}
    indicators = [card["indicator"] for card in answer("order-sign", body, TODAY)["cards"]]
    assert ("critical" in indicators) == used


@pytest.mark.parametrize("subject", [None, {"identifier": {"value": "7"}}, {"display": "x"}, {"reference": "#p"}])
def test_a_draft_is_for_the_patient_of_the_request_however_it_names_them(subject: Any) -> None:
    draft = order("Citalopram 20 MG", subject=subject)
    assert [card["indicator"] for card in cards("order-sign", draft, known=[allergy("citalopram")])] == ["critical"]


def test_the_same_content_has_the_same_uuid_and_other_content_another() -> None:
    first, again = (cards("order-sign", order("Amitriptyline 75 MG"), genomics=POOR) for _ in range(2))
    assert first == again
    other = cards("order-sign", order("Amitriptyline 75 MG"), genomics=[gene("CYP2D6", "*4/*4")])
    assert first[0]["uuid"] != other[0]["uuid"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hook": "order-select"}, "hook"),
        ({"hook": "medication-prescribe"}, "hook"),
        ({"hookInstance": None}, "hookInstance"),
        ({"context": None}, "context"),
        ({"context": {"patientId": "p1"}}, "userId"),
        ({"context": {"userId": "u", "patientId": ""}}, "patientId"),
        ({"context": {"userId": "u", "patientId": "p"}}, "draftOrders"),
        ({"context": {"userId": "u", "patientId": "p", "draftOrders": {"resourceType": "List"}}}, "draftOrders"),
        ({"prefetch": []}, "prefetch"),
    ],
)
def test_what_is_no_request_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        answer("order-sign", request("order-sign") | change, TODAY)


def test_discovery() -> None:
    services = discovery()["services"]
    assert [s["hook"] for s in services] == list(HOOKS)
    for service in services:
        assert {"hook", "description", "id"} <= set(service)
        assert all(re.fullmatch(r"[A-Za-z]+[/?].*", query) for query in service["prefetch"].values())


def outcome(hook: str, body: dict[str, Any]) -> str:
    """``cards`` when they are valid, ``refused`` for the one error that a server answers with 400."""
    try:
        response = answer(hook, body, TODAY)
    except ValidationError:
        return "refused"
    return "invalid" if list(problems(response)) else "cards"


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["resourceType", "entry", "resource", "id", "patientId", "userId", "medicationCodeableConcept"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(HOOKS), st.sampled_from(["context", "prefetch", "draftOrders", "selections"]), anything)
def test_no_body_makes_an_accident(hook: str, where: str, value: Any) -> None:
    body = request(hook, order("Sertraline 50 MG"), genomics=POOR)
    (body if where in body else body["context"])[where] = value
    assert outcome(hook, body) in ("cards", "refused")


# -- requests and responses that nobody here wrote


def blocks(kind: str) -> list[Path]:
    return sorted(HOOKS_DATA.glob(f"spec_blocks/*_{kind}.json")) if HOOKS_DATA.is_dir() else []


@needs_data
@pytest.mark.parametrize("file", sorted(HOOKS_DATA.glob("requests/*.json")) + blocks("request"), ids=lambda f: f.stem)
def test_every_request_gets_valid_cards_or_a_refusal(file: Path) -> None:
    body = json.loads(file.read_text())
    for hook in HOOKS:
        assert outcome(hook, body) in ("cards", "refused")
        if body.get("hook") != hook:
            assert outcome(hook, body) == "refused"


@needs_data
@pytest.mark.parametrize("name", ["v201_02_request", "docs_03_request", "v300ballot_04_request"])
def test_the_specifications_own_requests_are_answered(name: str) -> None:
    body = json.loads((HOOKS_DATA / "spec_blocks" / f"{name}.json").read_text())
    assert answer(body["hook"], body, TODAY) == {"cards": []}


@needs_data
@pytest.mark.parametrize("file", blocks("response"), ids=lambda f: f.stem)
def test_our_validator_accepts_the_specifications_cards(file: Path) -> None:
    response = json.loads(file.read_text())
    if "cards" in response:
        shortened = {"indicator"} if file.stem in ("v201_18_response", "v300ballot_20_response") else set()
        assert set(problems(response, strict=False)) - {"selectionBehavior"} == shortened


# -- rules of the cards


def test_discovery_as_it_is_sent() -> None:
    check_golden(__file__, "cds_discovery", discovery())


def test_cards_of_varied_patients_as_they_are_sent() -> None:
    """Every field of the cards: several drafts, what is taken, an allergy, alternatives, links, reasons to override."""
    taken = order("Paroxetine 20 MG", "taken", status="active")
    fast = [gene("CYP2D6", "*1x2/*2"), gene("CYP2C19", "*1/*1")]
    found = {
        "poor": cards("order-sign", order("Amitriptyline 75 MG"), genomics=POOR),
        "fast": cards("order-select", order("Paroxetine 20 MG"), genomics=fast),
        "allergic": cards("order-sign", order("Sertraline 50 MG"), allergies=[allergy("Sertraline")], genomics=fast),
        "codeine beside": cards(
            "order-sign", order("Codeine 30 MG"), order("Atomoxetine 40 MG", "d2"), medications=[taken]
        ),
        "chart": cards("patient-view", medications=[taken], genomics=fast),
    }
    check_golden(__file__, "cds_cards", found)


def review(**drugs: Any) -> Any:
    """A review in which real drugs have the concern and cautions that a test gives them."""
    base = recommend({}, tuple(drugs))
    plain = {"concern": 0, "guidelines": (), "interactions": (), "caution": (), "standing": ""}
    return fixed(base, **{name: replace(base[name], **plain | how) for name, how in drugs.items()})


def card_of(how: dict[str, Any], orders: tuple[str, ...] = ("MedicationRequest/1",), **known: Any) -> Any:
    found = review(sertraline=how, mirtazapine={"efficacy": recommend({}, ("mirtazapine",))["mirtazapine"].efficacy})
    hook = known.pop("hook", "order-sign")
    return cds_hooks._card("sertraline", found["sertraline"], list(orders), hook, case(**known), found)


@pytest.mark.parametrize(
    ("concern", "indicator", "ways"),
    [(0, None, 0), (1, None, 0), (2, "info", 0), (3, "warning", 2), (4, "critical", 2)],
)
def test_the_concern_decides_on_the_card_and_on_ways_out(concern: int, indicator: str | None, ways: int) -> None:
    card = card_of({"concern": concern})
    assert (card and card["indicator"]) == indicator
    if card:
        assert len(card.get("suggestions", [])) == ways
        assert ("overrideReasons" in card, "selectionBehavior" in card) == (ways > 0, ways > 0)


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize(
    ("allergen", "drug", "indicator", "words"),
    [
        (
            "Citalopram", "Citalopram", "critical",
            "An active allergy to this drug is recorded: labels rule it out after an allergy to it.",
        ),
        (
            "Citalopram", "Escitalopram", "critical",
            "It is one half of citalopram: the label rules it out after an allergy to citalopram.",
        ),
        (
            "Allergy to citalopram", "Escitalopram", "critical",
            "It is one half of citalopram: the label rules it out after an allergy to citalopram.",
        ),
        (
            "Carbamazepine", "Oxcarbazepine", "warning",
            "A quarter to a third of people who are allergic to carbamazepine react to oxcarbazepine as well: use it"
            " only if the benefit is worth that.",
        ),
    ],
)  # fmt: skip
def test_an_allergy_decides_on_the_card_of_the_drug_and_of_those_like_it(
    hook: str, allergen: str, drug: str, indicator: str, words: str
) -> None:
    (card,) = cards(hook, order(f"{drug} 10 MG Oral Tablet"), allergies=[allergy(allergen)])
    assert card["indicator"] == indicator
    assert card["summary"].startswith(f"{drug.lower()}: ")
    assert words in card["detail"]
    assert card["suggestions"][0]["label"] == f"Remove the order of {drug.lower()}"
    assert not any("citalopram" in offer["label"] for offer in card["suggestions"][1:]), "nor is another put forward"


def test_an_allergy_that_is_refuted_or_to_something_else_says_nothing() -> None:
    refuted = allergy("Citalopram") | {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    for one in (refuted, allergy("Sertraline"), allergy("Penicillin")):
        assert cards("order-sign", order("Escitalopram 10 MG"), allergies=[one]) == []


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_what_is_prefetched_and_what_is_drafted_beside_it_count_alike(hook: str) -> None:
    """Phenelzine among what is taken, or among the drafts that are not selected: never together with sertraline."""
    taken = cards(hook, order("Sertraline 50 MG"), medications=[order("Phenelzine 15 MG", "t", status="active")])
    body = request(hook, order("Sertraline 50 MG"), order("Phenelzine 15 MG", "draft-2"))
    if hook == "order-select":
        body["context"]["selections"] = ["MedicationRequest/draft-1"]
    drafted = answer(hook, body, TODAY)["cards"]
    assert [card["summary"].split(":")[0] for card in drafted][:1] == ["sertraline"]
    assert len(drafted) == (1 if hook == "order-select" else 2), "a card is of what was selected"
    for card in (taken[0], drafted[0]):
        assert card["indicator"] == "critical"
        assert card["summary"].startswith("sertraline: avoid. Serotonin syndrome: never together with an MAO inhibitor")
        assert "- **contraindicated**, phenelzine: " in card["detail"]


def test_a_selected_draft_without_an_id_is_no_selection() -> None:
    body = request("order-select", order("Amitriptyline 75 MG"), genomics=POOR)
    del body["context"]["draftOrders"]["entry"][0]["resource"]["id"]
    body["context"]["selections"] = ["MedicationRequest/None", "MedicationRequest/"]
    assert answer("order-select", body, TODAY)["cards"] == []


def test_the_chart_offers_nothing_and_an_order_without_an_id_cannot_be_taken_back() -> None:
    assert "suggestions" not in card_of({"concern": 4}, hook="patient-view")
    assert "suggestions" not in card_of({"concern": 4}, orders=("",))
    card = card_of({"concern": 4}, orders=("", "MedicationRequest/1", "MedicationRequest/2"))
    deleted = [
        [action["resourceId"] for action in one["actions"] if action["type"] == "delete"] for one in card["suggestions"]
    ]
    assert deleted == [["MedicationRequest/1", "MedicationRequest/2"]] * 2


def test_a_severe_interaction_leads_the_summary_and_else_the_guideline() -> None:
    source = Source("s", 2020, Evidence.UNVERIFIED, "A source", "https://example.org")

    def caution(severity: Severity, text: str) -> Caution:
        return Caution(severity, text, "lithium", source)

    advice = recommend(case(genotype={"CYP2C19": "*2/*2"}).genotype, ("sertraline",))["sertraline"].guidelines
    usual, first = (replace(advice[0], action=Action(name), text=name) for name in ("STANDARD_DOSE", "REDUCE_DOSE"))
    none = replace(advice[0], action=Action.NO_RECOMMENDATION, text="none")
    guidelines = (none, usual, first)
    mild = (caution(Severity.MODERATE, "mild"),)
    assert card_of({"concern": 3, "guidelines": guidelines, "interactions": mild, "caution": mild})["summary"] == (
        "sertraline: consider another drug. REDUCE_DOSE"
    )
    for severity in (Severity.MAJOR, Severity.CONTRAINDICATED):
        both = (*mild, caution(severity, "severe"))
        card = card_of({"concern": 3, "guidelines": guidelines, "interactions": both, "caution": both})
        assert card["summary"] == "sertraline: consider another drug. severe"
    assert card_of({"concern": 3})["summary"] == "sertraline: consider another drug."
    lines = card["detail"].split("\n")
    assert [line for line in lines if "none" in line or "STANDARD" in line] == []
    assert "- **moderate**, lithium: mild (A source (2020); not confirmed at the source)" in lines
    assert lines[0].startswith("- CPIC: REDUCE_DOSE (CPIC ")
    assert "not confirmed" not in lines[0]
    assert lines[-2:] == ["", CLINICAL_JUDGEMENT]


def test_only_addresses_over_tls_become_links_each_once() -> None:
    advice = recommend(case(genotype={"CYP2C19": "*2/*2"}).genotype, ("sertraline",))["sertraline"].guidelines[0]
    advice = replace(advice, action=Action.REDUCE_DOSE)
    plain = replace(advice, reference=replace(advice.reference, url="http://example.org"))
    links = card_of({"concern": 3, "guidelines": (plain, advice, advice)})["links"]
    assert links == [{"label": advice.reference.title, "url": advice.url, "type": "absolute"}]
    assert "links" not in card_of({"concern": 3, "guidelines": (plain,)})


def test_cards_come_with_the_most_serious_first() -> None:
    taken = order("Phenelzine 15 MG", status="active")
    found = cards(
        "order-sign", order("Amitriptyline 75 MG"), order("Sertraline 50 MG", "d2"), medications=[taken], genomics=POOR
    )
    order_of = [one["indicator"] for one in found]
    assert order_of == sorted(order_of, key=("critical", "warning", "info").index)
    indicators = iter(("info", "critical", "warning"))

    def card(*_: Any) -> Any:
        return {"indicator": next(indicators)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cds_hooks, "_card", card)
        drafts = [order(f"{name} 10 MG", name) for name in ("Sertraline", "Codeine", "Lithium")]
        mixed = answer("order-sign", request("order-sign", *drafts), TODAY)["cards"]
    assert [one["indicator"] for one in mixed] == ["critical", "warning", "info"]


@pytest.mark.parametrize(
    ("length", "shown"), [(139, 139), (140, 134), (200, 134)], ids=["just fits", "just does not", "far too long"]
)
def test_a_summary_is_cut_at_a_word(length: int, shown: int) -> None:
    text = "word " * 27  # the last blank before the limit is at 134
    text = (text + "x" * length)[:length]
    short = cds_hooks._short(text)
    assert len(short) == (shown if shown == length else 135)
    assert short == (text if shown == length else f"{('word ' * 27).rstrip()}…")


@pytest.mark.parametrize(
    ("value", "right"),
    [("x", True), (" ", False), ("", False), ("x" * 1023, True), ("x" * 1024, False), (7, False), (None, False)],
)
def test_what_is_a_text(value: Any, right: bool) -> None:
    assert cds_hooks._text(value) is right


@pytest.mark.parametrize("place", ["context.userId", "userId", "user"])
def test_the_user_may_stand_where_drafts_of_the_specification_had_it(place: str) -> None:
    body = request("order-sign", order("Sertraline 50 MG"))
    del body["context"]["userId"]
    with pytest.raises(ValidationError, match=r"'context.userId' is required by CDS Hooks 2.0"):
        answer("order-sign", body, TODAY)
    (body["context"] if "." in place else body)[place.rpartition(".")[2]] = "Practitioner/1"
    assert answer("order-sign", body, TODAY) == {"cards": []}


@pytest.mark.parametrize("selections", [None, "MedicationRequest/1", ["MedicationRequest/1", 3], [""]])
def test_selections_are_a_list_of_references(selections: Any) -> None:
    body = request("order-select", order("Sertraline 50 MG"))
    body["context"]["selections"] = selections
    with pytest.raises(ValidationError, match=r"'context.selections' is required and must be a list of references"):
        answer("order-select", body, TODAY)
    assert answer("order-sign", body | {"hook": "order-sign"}, TODAY) == {"cards": []}


def test_what_is_no_service_or_no_object_is_refused() -> None:
    with pytest.raises(
        ValidationError, match="no service for this hook; there are patient-view, order-select, order-sign"
    ):
        answer("medication-prescribe", {"hook": "medication-prescribe"}, TODAY)
    with pytest.raises(ValidationError, match="a CDS Hooks request is a JSON object"):
        answer("order-sign", [], TODAY)  # type: ignore[arg-type]
    body = request("patient-view")
    del body["prefetch"]
    assert answer("patient-view", body, TODAY) == {"cards": []}
    with pytest.raises(ValidationError, match="'prefetch' must be an object"):
        answer("patient-view", body | {"prefetch": 3}, TODAY)


def test_a_patient_may_be_named_by_a_reference_and_a_prefetch_wrapped_with_its_response() -> None:
    body = request("order-sign", order("Amitriptyline 75 MG"), genomics=POOR)
    plain = answer("order-sign", body, TODAY)["cards"]
    assert plain
    body["context"]["patientId"] = "Patient/p1"
    assert answer("order-sign", body, TODAY)["cards"] == plain
    body["prefetch"] = {
        name: {"response": {"status": "200"}, "resource": bundle} for name, bundle in body["prefetch"].items()
    }
    body["prefetch"] |= {"nothing": None, "list": [1], "no type": {"a": 1}}
    assert answer("order-sign", body, TODAY)["cards"] == plain


def test_drafts_that_cannot_be_read_or_are_no_medication_are_passed_over() -> None:
    body = request("order-sign", order("Amitriptyline 75 MG"), genomics=POOR)
    entries = body["context"]["draftOrders"]["entry"]
    right = answer("order-sign", body, TODAY)["cards"]
    body["context"]["draftOrders"]["entry"] = [
        None,
        {"resource": None},
        {"resource": order("Amitriptyline 75 MG", "s", resourceType="ServiceRequest")},
        {"resource": order("Nothing that we know", "n")},
        {"resource": {"resourceType": "MedicationRequest", "id": "broken", "dosageInstruction": 3}},
        *entries,
    ]
    assert answer("order-sign", body, TODAY)["cards"] == right
    body["context"]["draftOrders"]["entry"] = {"resource": order("Amitriptyline 75 MG")}
    assert answer("order-sign", body, TODAY)["cards"] == []


def test_a_prefetch_that_is_too_costly_is_refused_and_one_that_is_broken_tells_nothing() -> None:
    body = request("order-sign", order("Amitriptyline 75 MG"), genomics=POOR)
    with pytest.raises(ValidationError, match="the prefetch cannot be read: "):
        answer("order-sign", body, TODAY, Settings(max_fhir_resources=1))
    body["prefetch"]["genomics"]["entry"] = 3
    assert answer("order-sign", body, TODAY)["cards"] == []


def test_several_orders_of_one_drug_get_one_card() -> None:
    pair = (order("Amitriptyline 75 MG"), order("Amitriptyline 25 MG", "draft-2"))
    (card,) = cards("order-sign", *pair, genomics=POOR)
    removed = [action["resourceId"] for action in card["suggestions"][0]["actions"]]
    assert removed == ["MedicationRequest/draft-1", "MedicationRequest/draft-2"]
