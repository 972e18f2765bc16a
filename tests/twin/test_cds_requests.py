"""Over two hundred requests as EHRs send them: the right card, a refusal that names the key, or "not checked"."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from novamind.drugs.catalogue import catalogue
from novamind.drugs.cautions import cautions
from novamind.drugs.limits import PatientFacts
from novamind.twin.cds import PREFETCH, PrefetchError
from tests.twin.cds_requests import (
    LOINC,
    PATIENT,
    RXNORM,
    allergy,
    ask,
    bundle,
    condition,
    dose,
    gene,
    of,
    order,
    request,
    sign,
    taken,
)

ATC = "http://www.whocc.no/atc"
#: Generic name, German name, US brand, salt, strength, RxNorm ingredient, ATC.
DRUGS = [
    ("citalopram", "Citalopram", "Celexa", "hydrobromide", 20, "2556", "N06AB04"),
    ("sertraline", "Sertralin", "Zoloft", "hydrochloride", 50, "36437", "N06AB06"),
    ("paroxetine", "Paroxetin", "Paxil", "hydrochloride", 20, "32937", "N06AB05"),
    ("fluoxetine", "Fluoxetin", "Prozac", "hydrochloride", 20, "4493", "N06AB03"),
    ("venlafaxine", "Venlafaxin", "Effexor", "hydrochloride", 75, "39786", "N06AX16"),
    ("clomipramine", "Clomipramin", "Anafranil", "hydrochloride", 25, "2597", "N06AA04"),
    ("tramadol", "Tramadol", "Ultram", "hydrochloride", 50, "10689", "N02AX02"),
    ("bupropion", "Bupropion", "Wellbutrin", "hydrochloride", 150, "42347", "N06AX12"),
]  # fmt: skip
Drug = tuple[str, str, str, str, int, str, str]


def _text(make: Callable[[Drug], str]) -> Callable[[Drug], dict[str, Any]]:
    return lambda drug: {"medicationCodeableConcept": {"text": make(drug)}}


def _coded(system: str, position: int) -> Callable[[Drug], dict[str, Any]]:
    return lambda drug: {"medicationCodeableConcept": {"coding": [{"system": system, "code": drug[position]}]}}


#: How health records write a medication.
STYLES: dict[str, Callable[[Drug], dict[str, Any]]] = {
    "generic (BRAND)": _text(lambda d: f"{d[0]} ({d[2].upper()}) {d[4]} mg tablet"),
    "clinical drug": _text(lambda d: f"{d[0]} {d[3]} {d[4]} MG Oral Tablet"),
    "branded drug": _text(lambda d: f"{d[0]} {d[4]} MG Oral Tablet [{d[2]}]"),
    "brand": _text(lambda d: d[2]),
    "German": _text(lambda d: f"{d[1]} {d[4]} mg Filmtabletten"),
    "maker": _text(lambda d: f"{d[1]}-ratiopharm {d[4]}mg N3"),
    "capitals": _text(lambda d: f"{d[0].upper()} HCL {d[4]}MG TAB PO DAILY"),
    "RxNorm code": _coded(RXNORM, 5),
    "ATC code": _coded(ATC, 6),
    "display": lambda d: {
        "medicationCodeableConcept": {
            "text": "see order",
            "coding": [{"system": "urn:local", "code": "4711", "display": f"{d[0]} {d[4]} mg tablet"}],
        }
    },
    "contained": lambda d: {
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "#m"},
        "contained": [{"resourceType": "Medication", "id": "m", "code": {"text": f"{d[0]} {d[4]} mg tablet"}}],
    },
    "words beside a reference": lambda d: {
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "Medication/elsewhere", "display": f"{d[0]} {d[4]} MG"},
    },
}


def _bare(resource: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (resource | more).items() if value is not None}


@pytest.mark.parametrize("style", STYLES)
def test_every_way_to_write_a_drug_is_read_in_both_directions(style: str) -> None:
    """Phenelzine with each drug is contraindicated: whichever is ordered, and however the other is written."""
    missed = []
    for drug in DRUGS:
        written = STYLES[style](drug)
        ordered = sign(_bare(order(""), written), medications=[taken("phenelzine 15 mg tablet")])
        beside = sign(order("phenelzine 15 mg tablet"), medications=[_bare(taken(""), written)])
        both = sign(_bare(order(""), written), order("Nardil", "d2"))
        for cards, name in ((ordered, drug[0]), (beside, "phenelzine"), (both, drug[0]), (both, "phenelzine")):
            if [card["indicator"] for card in of(cards, name)] != ["critical"]:
                missed.append((drug[0], name, [card["summary"] for card in cards]))
    assert missed == []


def test_a_reference_finds_the_medication_in_the_drafts_and_in_the_prefetch() -> None:
    medication = {"resourceType": "Medication", "id": "m", "code": {"coding": [{"system": RXNORM, "code": "36437"}]}}
    for reference in (
        "Medication/m",
        "https://ehr.example/fhir/Medication/m",
        "urn:uuid:0a1b",
        "Medication/m/_history/2",
    ):
        draft = _bare(order(""), {"medicationCodeableConcept": None, "medicationReference": {"reference": reference}})
        body = request("order-sign", draft, medications=[taken("phenelzine")])
        body["context"]["draftOrders"]["entry"].append({"fullUrl": "urn:uuid:0a1b", "resource": medication})
        assert of(ask(body), "sertraline")[0]["indicator"] == "critical", reference
        if not reference.startswith("urn:"):
            apart = request("order-sign", draft, medications=[taken("phenelzine"), medication])
            assert of(ask(apart), "sertraline")[0]["indicator"] == "critical", reference


def test_ingredients_of_a_medication_without_a_code_are_read_all_or_not_at_all() -> None:
    def part(text: str, milligrams: float) -> dict[str, Any]:
        strength = {"numerator": {"value": milligrams, "code": "mg"}, "denominator": {"value": 1}}
        return {"itemCodeableConcept": {"text": text}, "strength": strength}

    for second, unread in (("codeine", False), ("zorblaxin", True)):
        medication = {
            "resourceType": "Medication",
            "id": "m",
            "ingredient": [part("paracetamol", 500), part(second, 30)],
        }
        more = {
            "medicationCodeableConcept": None,
            "medicationReference": {"reference": "#m"},
            "contained": [medication],
        }
        cards = sign(_bare(order(""), more), genomics=[gene("CYP2D6", "*1/*1x3")])
        assert bool(of(cards, "codeine")) is not unread
        assert [card["indicator"] for card in of(cards, "Not checked")] == (["warning"] if unread else [])


def test_a_name_and_a_code_of_different_drugs_are_both_checked_and_told_of() -> None:
    concept = {"text": "sertraline 50 mg", "coding": [{"system": RXNORM, "code": "42347"}]}
    cards = sign(order("", medicationCodeableConcept=concept), medications=[taken("phenelzine")])
    assert [card["indicator"] for card in (*of(cards, "sertraline"), *of(cards, "bupropion"))] == ["critical"] * 2
    assert "its names and codes are of different drugs" in of(cards, "Not checked")[0]["detail"]


@pytest.mark.parametrize("seed", range(4))
def test_cards_say_of_a_pair_what_the_drugs_room_says_in_both_directions(seed: int) -> None:
    """Pairs drawn from the catalogue: every caution is on a card, and the gravest decides on how urgent it is."""
    drawn = random.Random(seed)
    drugs = sorted(name for name, drug in catalogue().items() if drug.drug_class not in ("habit", "food", "dietary"))
    psychiatric = [name for name in drugs if catalogue()[name].group == "psychiatric"]
    urgency = {"contraindicated": "critical", "major": "warning", "moderate": "info", "information": "info"}
    silent, wrong = [], []
    for _ in range(25):
        first, second = drawn.choice(psychiatric), drawn.choice(drugs)
        for ordered, beside in ((first, second), (second, first)):
            if first == second:
                continue
            known = cautions(ordered, (beside,), PatientFacts(age=44).conditions)
            cards = sign(order(ordered), medications=[taken(beside)])
            said = "\n".join(card["detail"] for card in cards)
            silent += [(ordered, beside, caution.text) for caution in known if caution.text not in said]
            if known and known[0].severity != "information":
                (card,) = of(cards, ordered)
                order_of = ("critical", "warning", "info").index
                if order_of(card["indicator"]) > order_of(urgency[known[0].severity]):
                    wrong.append((ordered, beside))
    assert (silent, wrong) == ([], [])


def test_doubts_about_what_is_taken_are_told_of_and_its_dose_where_the_chart_opens() -> None:
    concept = {"text": "sertraline 50 mg", "coding": [{"system": RXNORM, "code": "42347"}]}
    use = taken("", medicationCodeableConcept=concept, dosageInstruction=[{"text": "as directed"}])
    for hook, orders in (("order-sign", (order("lorazepam 1 mg"),)), ("patient-view", ())):
        detail = of(ask(request(hook, *orders, medications=[use])), "Not checked")[0]["detail"]
        assert "its names and codes are of different drugs" in detail
        assert ("does not say without doubt how much" in detail) is (hook == "patient-view")


def test_a_liver_is_healthy_where_conditions_came_under_another_key() -> None:
    body = request("order-sign", order("sertraline 50 mg", dosageInstruction=dose(150)))
    conditions = body["prefetch"].pop("conditions")
    assert of(ask(body), "Not checked")[0]["detail"].count("liver function") >= 1
    conditions["entry"].append({"resource": condition("insomnia")})
    detail = of(ask(body | {"prefetch": body["prefetch"] | {"problems": conditions}}), "Not checked")[0]["detail"]
    assert "liver function" not in detail


# -- doses


def _every(**repeat: Any) -> dict[str, Any]:
    return {"timing": {"repeat": repeat}}


_RANGE = {"doseRange": {"low": {"value": 20, "unit": "mg"}, "high": {"value": 60, "unit": "mg"}}}
_MOST = {"numerator": {"value": 40, "unit": "mg"}, "denominator": {"value": 1, "unit": "d"}}
#: Dosage of "citalopram 20 mg tablet", and mg a day, or why it is not read; the general limit is 40 mg/day.
DOSES: list[tuple[str, list[dict[str, Any]], float | None]] = [
    ("mg", dose(40), 40),
    ("mg above", dose(41), 41),
    ("g", dose(0.05, unit="g"), 50),
    ("tablets", dose(2, unit="tablet"), 40),
    ("tablets above", dose(3, unit="TAB"), 60),
    ("UCUM pieces", dose(3, unit="{tbl}"), 60),
    ("twice", dose(20.5, 2), 41),
    ("every eight hours", [dose(14)[0] | _every(frequency=1, period=8, periodUnit="h")], 42),
    ("a code", [dose(21)[0] | {"timing": {"code": {"coding": [{"code": "BID"}]}}}], 42),
    ("words of a code", [dose(21)[0] | {"timing": {"code": {"text": "twice daily"}}}], 42),
    ("words alone", [{"text": "Take 1 tablet by mouth three times a day"}], 60),
    ("a scheme", [{"text": "1-1-1"}], 60),
    ("a range", [dose(0)[0] | {"doseAndRate": [_RANGE]}], 60),
    ("a range of frequencies", [dose(20)[0] | _every(frequency=1, frequencyMax=3, period=1, periodUnit="d")], 60),
    ("as needed", dose(20, 3, asNeededBoolean=True), 60),
    ("most a day", dose(20, 3, maxDosePerPeriod=_MOST), 40),
    ("morning and evening", [*dose(20), *dose(30)], 50),
    ("one after the other", [dose(20, sequence=1)[0], dose(60, sequence=2)[0]], 60),
    ("times of day", [dose(20)[0] | _every(timeOfDay=["08:00:00", "14:00:00", "20:00:00"])], 60),
    ("five days a week", [dose(70)[0] | _every(dayOfWeek=["mon", "tue", "wed", "thu", "fri"])], 50),
    ("no timing", [{"doseAndRate": [{"doseQuantity": {"value": 60, "unit": "mg"}}]}], None),
    ("puffs", dose(2, unit="puff"), None),
    ("as directed", [{"text": "as directed"}], None),
    ("no form of FHIR", [{"doseAndRate": "60 mg"}], None),
    ("two amounts", [dose(20)[0] | {"doseAndRate": [of[0]["doseAndRate"][0] for of in (dose(20), dose(60))]}], None),
    ("less than nothing", dose(-60), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "dosage", "daily"), DOSES, ids=[name for name, *_ in DOSES])
def test_every_way_to_write_a_dose_is_read_or_said_not_to_be(
    name: str, dosage: list[dict[str, Any]], daily: float | None
) -> None:
    cards = sign(order("citalopram 20 mg tablet", dosageInstruction=dosage), genomics=[gene("CYP2C19", "*1/*1")])
    details = "\n".join(card["detail"] for card in cards)
    alarm = None if daily is None or daily <= 40 else f"{daily:g} mg/day is above 40 mg/day"
    assert ("mg/day is above 40" in details) == (alarm is not None), name
    assert alarm is None or alarm in details
    assert ("its dos" in details) == (daily is None)


def test_a_dose_in_pieces_needs_a_strength_of_which_there_is_no_doubt() -> None:
    pieces = dose(3, unit="tablet")
    for concept, words in (
        ({"text": "citalopram"}, "whose strength in mg the order does not say"),
        ({"text": "citalopram 20 mg", "coding": [{"display": "citalopram 40 mg tablet"}]}, "different strengths"),
    ):
        cards = sign(order("", medicationCodeableConcept=concept, dosageInstruction=pieces))
        assert words in of(cards, "Not checked")[0]["detail"]


# -- prefetch


def _breaking() -> Iterator[tuple[str, Any, str]]:
    """What may stand in the place of an answer, and how the refusal calls it."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}
    other = {"subject": {"reference": "Patient/p2"}, "patient": {"reference": "Patient/p2"}}
    yield "an outcome", outcome, "OperationOutcome"
    yield "wrapped outcome", {"response": {"status": "403"}, "resource": outcome}, "OperationOutcome"
    yield "a page", bundle(link=[{"relation": "next", "url": "https://ehr.example/2"}]), "one page of several"
    yield "less than its total", bundle(total=2), "fewer entries than its total"
    yield "an outcome within", bundle(outcome), "an error in place of data"
    yield "another patient's", bundle(allergy("x") | other), "another patient"
    yield (
        "of another server",
        bundle(taken("x", subject={"reference": "https://b.example/Patient/p1"})),
        "another patient",
    )
    yield "another person", bundle(PATIENT | {"id": "p2"}), "another patient"
    yield "no resource", "text", "no FHIR resource"
    yield "an empty entry", {"resourceType": "Bundle", "entry": [{}]}, "holds no resource"
    yield "nested", bundle(bundle()), "Bundle within a Bundle"
    yield "no list", {"resourceType": "Bundle", "entry": 7}, "no list"


@pytest.mark.parametrize(("name", "sent", "reason"), list(_breaking()), ids=[name for name, *_ in _breaking()])
@pytest.mark.parametrize("key", PREFETCH)
def test_prefetch_that_cannot_be_leaned_on_is_refused_with_its_key(key: str, name: str, sent: Any, reason: str) -> None:
    body = request("order-sign", order("sertraline 50 mg"))
    body["prefetch"][key] = sent
    with pytest.raises(PrefetchError, match=reason) as refusal:
        ask(body)
    assert set(refusal.value.faults) <= {key, "patient"}, name
    assert key in refusal.value.faults


@pytest.mark.parametrize(
    "sent",
    [
        bundle(allergy("sertraline"), total=1),
        bundle(allergy("sertraline"), link=[{"relation": "self", "url": "https://ehr.example/1"}]),
        bundle(allergy("sertraline"), {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}),
        allergy("sertraline"),
        {"response": {"status": "200 OK"}, "resource": bundle(allergy("sertraline"))},
        bundle(allergy("sertraline", patient={"reference": "Patient/p1/_history/7"})),
    ],
    ids=["total", "self", "a warning", "a lone resource", "wrapped", "a version"],
)
def test_what_is_whole_is_used(sent: Any) -> None:
    body = request("order-sign", order("sertraline 50 mg"))
    body["prefetch"]["allergies"] = sent
    assert of(ask(body), "sertraline")[0]["indicator"] == "critical"


@pytest.mark.parametrize(
    ("server", "reference", "is_own"),
    [
        ("https://ehr.example/fhir/", "https://ehr.example/fhir/Patient/p1", True),
        ("https://ehr.example/fhir", "Patient/p1", True),
        ("https://ehr.example/fhir", "https://other.example/fhir/Patient/p1", False),
        (None, "https://ehr.example/fhir/Patient/p1", False),
        (None, "p1", False),
        (None, "Patient/p11", False),
    ],
)
def test_the_server_that_asks_is_the_patients_home(server: str | None, reference: str, is_own: bool) -> None:
    body = request(
        "order-sign", order("citalopram"), allergies=[allergy("citalopram", patient={"reference": reference})]
    )
    body |= {"fhirServer": server}
    if is_own:
        assert of(ask(body), "citalopram")[0]["indicator"] == "critical"
    else:
        with pytest.raises(PrefetchError, match="another patient"):
            ask(body)


def test_the_address_of_the_patient_in_a_bundle_names_them() -> None:
    named = allergy("citalopram", patient={"reference": "urn:uuid:0a1b"})
    both = {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:uuid:0a1b", "resource": PATIENT}, {"resource": named}]}
    body = request("order-sign", order("citalopram"))
    body["prefetch"] |= {"allergies": both}
    assert of(ask(body), "citalopram")[0]["indicator"] == "critical"


@pytest.mark.parametrize("subject", [None, {"identifier": {"value": "7"}}, {"display": "x"}, {"reference": "#p"}])
def test_a_draft_is_for_the_patient_of_the_request_however_it_names_them(subject: Any) -> None:
    draft = order("Citalopram 20 MG", subject=subject)
    assert sign(draft, allergies=[allergy("citalopram")])[0]["indicator"] == "critical"


def test_what_a_key_brings_beside_what_was_asked_for_is_counted_and_named() -> None:
    about = {"subject": {"reference": "Patient/p1"}, "status": "final"}
    report = {"resourceType": "DiagnosticReport", "code": {"text": "panel"}} | about
    variant = {"resourceType": "Observation", "code": {"coding": [{"system": LOINC, "code": "69548-6"}]}} | about
    encounter = {"resourceType": "Encounter", "id": "e"} | about
    (card,) = sign(order("sertraline 50 mg"), genomics=[report, report, variant, encounter, gene("CYP2C19", "*1/*1")])
    assert "gene results: 2 DiagnosticReport of a kind that is not read here." in card["detail"]
    assert "gene results: 1 Observation of a kind that is not read here." in card["detail"]
    assert "Encounter" not in card["detail"]


def test_parts_that_lie_in_another_key_count_as_sent() -> None:
    body = request("order-sign", order("sertraline 50 mg"))
    everything = [taken("lithium"), allergy("Celexa"), gene("CYP2C19", "*1/*1")]
    body["prefetch"] = {"all": bundle(PATIENT, *everything)}
    (card,) = of(ask(body), "Not checked")
    assert "what the patient takes, conditions: not sent" in card["detail"]
    assert not any(word in card["detail"] for word in ("prescriptions", "allergies:", "gene results"))
