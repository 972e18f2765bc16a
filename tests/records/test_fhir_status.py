"""What each status of FHIR R4 means to a record: in force, over, or never so."""

from datetime import date
from typing import Any

import pytest

from novamind.drugs.names import RXNORM
from novamind.records import FhirImport, read_fhir
from novamind.records.fhir.terminology import SNOMED
from novamind.records.instruments.domain import find
from tests.records.fhir_input import bundle, medication, observation, patient, response, values

PHQ = [item.loinc for item in find("PHQ-9").items]
DAY = date(2024, 2, 1)
WITHDRAWN = "withdrawn (entered in error); not read"


def read(*resources: dict[str, Any]) -> FhirImport:
    return read_fhir(bundle(patient(), *resources))


def said(found: FhirImport) -> list[tuple[str, str, str]]:
    return [(i.severity, i.code, i.diagnostics) for i in found.outcome.issues]


def concept(code: str) -> dict[str, Any]:
    return {"coding": [{"code": code}]}


# -- medications: read?, taken on a day without a stated end, taken before a stated end
REQUEST = {
    "active": (True, True), "on-hold": (True, False), "completed": (True, False), "stopped": (True, False),
    "ended": (True, False), "cancelled": (False, False), "entered-in-error": (False, False), "draft": (False, False),
    "unknown": (False, False), "": (False, False),
}  # fmt: skip
STATEMENT = {
    "active": (True, True), "completed": (True, False), "on-hold": (True, False), "stopped": (True, False),
    "entered-in-error": (False, False), "intended": (False, False), "unknown": (False, False),
    "not-taken": (False, False), "ended": (False, False), "": (False, False),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "status", "used", "taken"),
    [
        *(("MedicationRequest", status, *meaning) for status, meaning in REQUEST.items()),
        *(("MedicationStatement", status, *meaning) for status, meaning in STATEMENT.items()),
    ],
)
def test_status_of_a_medication(kind: str, status: str, used: bool, taken: bool) -> None:
    found = read(medication("Sertraline 50 MG", (RXNORM, "36437"), resourceType=kind, status=status))
    assert len(found.record.medications) == used
    assert [c.taken_on(DAY) for c in found.record.medications] == [taken] * used
    if used:
        assert said(found) == []
        (ended,) = read(
            medication(
                "Sertraline 50 MG",
                (RXNORM, "36437"),
                resourceType=kind,
                status=status,
                effectivePeriod={"start": "2024-01-05", "end": "2024-02-01"},
            )
        ).record.medications
        assert (ended.start, ended.end, ended.stopped) == (date(2024, 1, 5), DAY, False)
        assert [ended.taken_on(date(2024, 2, day)) for day in (1, 2)] == [True, False]
    else:
        text = (
            WITHDRAWN
            if status == "entered-in-error"
            else f"{kind} that was not taken (draft, plan, cancelled); not read"
        )
        assert said(found) == [("information", "informational", text)]


@pytest.mark.parametrize(
    ("intent", "used"),
    [
        ("proposal", False), ("plan", False), ("option", False), ("order", True), ("original-order", True),
        ("reflex-order", True), ("filler-order", True), ("instance-order", True), ("directive", True), (None, True),
    ],
)  # fmt: skip
def test_intent_of_a_medication_request(intent: str | None, used: bool) -> None:
    resource = medication("Sertraline 50 MG", (RXNORM, "36437"))
    del resource["intent"]
    found = read(resource if intent is None else resource | {"intent": intent})
    assert len(found.record.medications) == used
    assert len(said(found)) == (not used)


def test_what_shall_not_be_given_is_not_taken() -> None:
    assert read(medication("Sertraline 50 MG", doNotPerform=True)).record.medications == ()
    assert len(read(medication("Sertraline 50 MG", doNotPerform=False)).record.medications) == 1


def test_a_medication_that_ends_before_it_starts_has_no_known_end() -> None:
    backwards = {"effectivePeriod": {"start": "2024-03-02", "end": "2024-03-01"}}
    found = read(medication("Sertraline 50 MG", (RXNORM, "36437"), **backwards))
    (course,) = found.record.medications
    assert (course.start, course.end, course.stopped) == (date(2024, 3, 2), None, False)
    assert said(found) == [("warning", "value", "MedicationRequest ends before it starts; its end is left out")]
    over = read(medication("Sertraline 50 MG", (RXNORM, "36437"), status="completed", **backwards)).record.medications[
        0
    ]
    assert (over.end, over.stopped) == (None, True)
    same = {"effectivePeriod": {"start": "2024-03-02", "end": "2024-03-02"}}
    one_day = read(medication("Sertraline 50 MG", (RXNORM, "36437"), **same))
    assert (one_day.record.medications[0].end, said(one_day)) == (date(2024, 3, 2), [])


@pytest.mark.parametrize(
    ("change", "start", "end"),
    [
        ({}, date(2024, 1, 5), None),
        ({"authoredOn": "2024-01-05T23:30:00-08:00"}, date(2024, 1, 5), None),
        ({"effectiveDateTime": "2024-01-07"}, date(2024, 1, 7), None),
        ({"effectiveDateTime": "2024-01-07", "effectivePeriod": {"start": "2024-01-08"}}, date(2024, 1, 8), None),
        ({"effectivePeriod": {"end": "2024-02-08"}}, date(2024, 1, 5), date(2024, 2, 8)),
        (
            {
                "dosageInstruction": [
                    {"timing": {"repeat": {"boundsPeriod": {"start": "2024-01-09", "end": "2024-01-11"}}}}
                ]
            },
            date(2024, 1, 9),
            date(2024, 1, 11),
        ),
        (
            {"dosage": [{}, {"timing": {}}, {"timing": {"repeat": {"boundsPeriod": {"start": "2024-01-09"}}}}]},
            date(2024, 1, 9),
            None,
        ),
        (
            {
                "effectivePeriod": {"start": "2024-01-10"},
                "dosage": [{"timing": {"repeat": {"boundsPeriod": {"start": "2024-01-09", "end": "2024-01-11"}}}}],
            },
            date(2024, 1, 10),
            None,
        ),
        ({"authoredOn": None}, None, None),
    ],
)
def test_when_a_medication_begins_and_ends(change: dict[str, Any], start: date | None, end: date | None) -> None:
    found = read(medication("Sertraline 50 MG", (RXNORM, "36437")) | change)
    assert [(c.start, c.end) for c in found.record.medications] == [(start, end)]
    assert said(found) == []


def test_a_day_that_is_no_full_day_is_left_open() -> None:
    found = read(medication("Sertraline 50 MG", (RXNORM, "36437"), authoredOn="2024-01"))
    assert found.record.medications[0].start is None
    assert said(found) == [("warning", "value", "MedicationRequest with a date that is not a full day; left open")]
    assert [(n.source, n.reason) for n in found.record.not_understood] == [
        ("Bundle.entry[1].resource", "MedicationRequest with a date that is not a full day; left open")
    ]


# -- conditions
def condition(**more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": SNOMED, "code": "35489007"}], "text": "Depression"}
    return {"resourceType": "Condition", "subject": {"reference": "Patient/p-1"}, "code": code} | more


@pytest.mark.parametrize(
    ("status", "abated", "active"),
    [
        ("active", None, True), ("recurrence", None, True), ("relapse", None, True), ("inactive", None, False),
        ("remission", None, False), ("resolved", None, False), ("unheard-of", None, False),
        ("active", "2020", True), ("relapse", "2020", True), ("resolved", "2020", False),
        (None, None, True), (None, "2020", False),
    ],
)  # fmt: skip
def test_clinical_status_of_a_condition(status: str | None, abated: str | None, active: bool) -> None:
    more = {} if status is None else {"clinicalStatus": concept(status)}
    (one,) = read(condition(abatementDateTime=abated, **more)).record.conditions
    assert (one.active, one.abatement, one.word) == (active, abated, "depression")


@pytest.mark.parametrize(
    ("status", "used"),
    [
        ("unconfirmed", True), ("provisional", True), ("differential", True), ("confirmed", True),
        ("refuted", False), ("entered-in-error", False),
    ],
)  # fmt: skip
def test_verification_of_a_condition(status: str, used: bool) -> None:
    found = read(condition(verificationStatus=concept(status)))
    assert len(found.record.conditions) == used
    text = "Condition that was refuted or withdrawn; not read"
    assert said(found) == ([] if used else [("information", "informational", text)])


@pytest.mark.parametrize(
    ("code", "name", "word"),
    [
        ({"text": "Depression"}, "Depression", "depression"),
        ({"text": " LONG QT "}, "LONG QT", "long qt"),
        ({"text": "melancholy"}, "melancholy", None),
        ({"coding": [{"system": SNOMED, "code": "35489007"}]}, "35489007", "depression"),
        (
            {"coding": [{"system": "urn:x", "code": "1"}, {"system": SNOMED, "code": "35489007"}], "text": "sad"},
            "sad",
            "depression",
        ),
        (
            {"coding": [{"system": SNOMED, "code": "9651007", "display": "LQTS"}], "text": "depression"},
            "depression",
            "long qt",
        ),
    ],
)
def test_a_condition_by_code_or_by_text_alone(code: dict[str, Any], name: str, word: str | None) -> None:
    (one,) = read(condition(code=code)).record.conditions
    assert (one.name, one.word) == (name, word)


def test_the_code_that_is_understood_is_kept_else_the_first() -> None:
    two = [{"system": "urn:x", "code": "1"}, {"system": SNOMED, "code": "35489007"}]
    (one,) = read(condition(code={"coding": two})).record.conditions
    assert str(one.code) == f"{SNOMED}|35489007"
    (other,) = read(condition(code={"coding": [two[0], {"system": "urn:x", "code": "2"}]})).record.conditions
    assert str(other.code) == "urn:x|1"


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("Family history of long QT", False), ("FH: depression", False), ("FHx depression", False),
        ("Familienanamnese: Depression", False), ("History of depression", True), ("Familial long QT", True),
    ],
)  # fmt: skip
def test_what_runs_in_the_family_is_not_the_patients(text: str, own: bool) -> None:
    found = read(condition(code={"text": text}))
    assert len(found.record.conditions) == own
    assert [one[2] for one in said(found)] == ([] if own else ["Condition of the family, not of the patient; not read"])


@pytest.mark.parametrize("kind", ["Condition", "AllergyIntolerance", "Procedure"])
@pytest.mark.parametrize("code", [None, {}, {"coding": [{"system": SNOMED}], "text": " "}])
def test_what_has_neither_code_nor_text_is_refused(kind: str, code: object) -> None:
    who = "patient" if kind == "AllergyIntolerance" else "subject"
    found = read(
        {
            "resourceType": kind,
            "status": "completed",
            who: {"reference": "Patient/p-1"},
            **({"code": code} if code else {}),
        }
    )
    assert (found.record.conditions, found.record.allergies, found.record.procedures) == ((), (), ())
    assert said(found) == [("error", "required", f"{kind} without code or text; not read")]


# -- allergies
def allergy(**more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": RXNORM, "code": "1191"}], "text": "Acetylsalicylic acid"}
    return {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p-1"}, "code": code} | more


@pytest.mark.parametrize(
    ("status", "active"),
    [("active", True), ("inactive", False), ("resolved", False), ("unheard-of", False), (None, True)],
)
def test_clinical_status_of_an_allergy(status: str | None, active: bool) -> None:
    more = {} if status is None else {"clinicalStatus": concept(status)}
    (one,) = read(allergy(criticality="high", **more)).record.allergies
    assert (one.active, one.medication, one.criticality, str(one.code)) == (active, "aspirin", "high", f"{RXNORM}|1191")


@pytest.mark.parametrize(
    ("status", "used"),
    [("unconfirmed", True), ("presumed", True), ("confirmed", True), ("refuted", False), ("entered-in-error", False)],
)
def test_a_refuted_allergy_is_none(status: str, used: bool) -> None:
    found = read(allergy(verificationStatus=concept(status)))
    assert len(found.record.allergies) == used
    text = "AllergyIntolerance refuted or withdrawn; not read"
    assert said(found) == ([] if used else [("information", "informational", text)])


@pytest.mark.parametrize(
    ("code", "name", "drug", "kept"),
    [
        ({"text": "Aspirin 81 MG"}, "Aspirin 81 MG", "aspirin", None),
        ({"text": "Peanut"}, "Peanut", None, None),
        ({"text": "A / Aspirin"}, "A / Aspirin", None, None),
        ({"coding": [{"system": "urn:x", "code": "1"}], "text": "aspirin"}, "aspirin", "aspirin", "urn:x|1"),
        (
            {"coding": [{"system": "urn:x", "code": "1"}, {"system": RXNORM, "code": "4493"}], "text": "x"},
            "x",
            "fluoxetine",
            f"{RXNORM}|4493",
        ),
    ],
)
def test_an_allergy_to_a_drug_we_know(code: dict[str, Any], name: str, drug: str | None, kept: str | None) -> None:
    (one,) = read(allergy(code=code)).record.allergies
    assert (one.name, one.medication, one.code and str(one.code)) == (name, drug, kept)


# -- observations
@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("preliminary", None), ("final", None), ("amended", None), ("corrected", None),
        ("registered", "Observation without a final status; not read"),
        ("cancelled", "Observation without a final status; not read"),
        ("unknown", "Observation without a final status; not read"),
        ("entered-in-error", WITHDRAWN),
    ],
)  # fmt: skip
def test_status_of_an_observation(status: str, text: str | None) -> None:
    found = read(observation("44261-6", 12, status=status))
    assert (found.record.symptoms is not None) == (text is None)
    assert said(found) == ([] if text is None else [("information", "informational", text)])


@pytest.mark.parametrize("status", ["registered", "preliminary", "final", "amended", "corrected", "cancelled"])
def test_a_gene_result_counts_before_it_is_final(status: str) -> None:
    gene = {"code": {"coding": [{"code": "48018-6"}]}, "valueCodeableConcept": {"text": "CYP2D6"}}
    found = read(
        observation(
            "84413-4", 0, status=status, component=[gene], valueQuantity=None, valueCodeableConcept={"text": "*1/*4"}
        )
    )
    assert found.record.genotype == ({} if status == "cancelled" else {"CYP2D6": "*1/*4"})


# -- questionnaires
@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("completed", None), ("amended", None),
        ("in-progress", "QuestionnaireResponse that is not completed; not read"),
        ("stopped", "QuestionnaireResponse that is not completed; not read"),
        ("", "QuestionnaireResponse that is not completed; not read"),
        ("entered-in-error", WITHDRAWN),
    ],
)  # fmt: skip
def test_status_of_a_questionnaire_response(status: str, text: str | None) -> None:
    found = read(response([1] * 9, PHQ, status=status))
    assert (found.record.symptoms is not None) == (text is None)
    assert said(found) == ([] if text is None else [("information", "informational", text)])


def test_an_answer_without_a_score_is_named_and_the_others_are_read() -> None:
    given = response([2] * 8 + [None], PHQ)
    given["item"][0]["item"].append({"linkId": f"/{PHQ[8]}", "answer": [{"valueCoding": {"display": "now and then"}}]})
    found = read(given)
    alone = "items of PHQ-9 of which no total is made: not all are there at one time"
    assert said(found) == [
        ("error", "value", "an item of PHQ-9 has an answer without a score; not read"),
        ("information", "incomplete", alone),
    ]
    assert found.outcome.issues[0].expression == ("Bundle.entry[1].resource.item[0].item[8].answer[0]",)
    assert (values(found.record, "PHQ-9"), values(found.record, "PHQ-9 item 1")) == ([], [2])


# -- procedures and consents
@pytest.mark.parametrize(
    ("status", "used"),
    [
        ("preparation", False), ("in-progress", True), ("not-done", False), ("on-hold", True), ("stopped", True),
        ("completed", True), ("entered-in-error", False), ("unknown", True), ("", False),
    ],
)  # fmt: skip
def test_status_of_a_procedure(status: str, used: bool) -> None:
    found = read(
        {
            "resourceType": "Procedure",
            "status": status,
            "subject": {"reference": "Patient/p-1"},
            "code": {"coding": [{"system": SNOMED, "code": "29303009"}], "text": "ECG"},
            "performedPeriod": {"start": "2024-01-05", "end": "2024-01-06"},
        }
    )
    done = [(p.name, str(p.code), p.performed, p.source) for p in found.record.procedures]
    assert done == [("ECG", f"{SNOMED}|29303009", "2024-01-05", "Bundle.entry[1].resource")] * used
    text = (
        "Procedure: kept with the record, used by no service"
        if used
        else "Procedure that was not done or is withdrawn; not read"
    )
    assert said(found) == [("information", "informational", text)]


@pytest.mark.parametrize("status", ["draft", "proposed", "active", "rejected", "inactive"])
@pytest.mark.parametrize(
    ("given", "decision"), [("permit", "permit"), ("deny", "deny"), ("perhaps", None), (None, None)]
)
def test_a_consent_keeps_its_status_and_its_decision(status: str, given: str | None, decision: str | None) -> None:
    found = read(
        {
            "resourceType": "Consent",
            "status": status,
            "patient": {"reference": "Patient/p-1"},
            "scope": {"coding": [{"code": "research"}], "text": "studies"},
            "dateTime": "2024-01-05",
            **({"provision": {"type": given}} if given else {}),
        }
    )
    (one,) = found.record.consents
    assert (one.scope, one.status, one.decision, one.dated) == ("research", status, decision, "2024-01-05")
    assert said(found) == []


def test_a_consent_entered_in_error_was_never_given() -> None:
    who = {"reference": "Patient/p-1"}
    found = read({"resourceType": "Consent", "status": "entered-in-error", "patient": who})
    assert found.record.consents == ()
    assert said(found) == [("information", "informational", WITHDRAWN)]
    plain = {"resourceType": "Consent", "status": "active", "patient": who}
    assert [c.scope for c in read(plain, plain | {"scope": {"text": "treatment"}}).record.consents] == ["", "treatment"]
