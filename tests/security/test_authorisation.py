"""Section 2 of the attack plan: known is not allowed. The oracle is written down here, apart from the code."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.errors import NotFoundError
from novamind.infrastructure.identity import access
from novamind.infrastructure.identity.access import AccessControl
from novamind.infrastructure.identity.attempts import AttemptCounter
from novamind.infrastructure.identity.domain import Ground, Permission, Role
from novamind.infrastructure.identity.tables import EmergencyAccess
from novamind.infrastructure.patient_store import PatientStore
from novamind.infrastructure.tables import OutboxEvent, Patient
from tests import patience
from tests.security.test_authentication import filled, operations
from tests.server.world import PATIENTS, World
from tests.weak import careless, must_fail

LIST = {
    "C11": {"P1", "P2"},
    "C12": {"P3"},
    "C21": {"P4"},
    "service1": {"P1", "P2", "P3"},
    "service2": {"P4"},
    "P1-self": {"P1"},
}
SUPERVISED = {"auditor": {"P1", "P2", "P3"}}
EVERYBODY = (*LIST, *SUPERVISED, "admin", "researcher", "analyst")
PEOPLE = {name: those for name, those in LIST.items() if not name.startswith("service")}

#: Operation about a patient to who may do it to whom.
ORACLE: dict[str, dict[str, set[str]]] = dict.fromkeys(
    (
        "readPatient",
        "readReports",
        "readGenotype",
        "readMedications",
        "readConsents",
        "forecastPatient",
        "adviseMedication",
        "readCorrelations",
        "readInsights",
        "exportFhir",
        "askWhatIf",
        "askRegimen",
        "askSwitch",
        "readBiometrics",
        "readScales",
        "readGenotypeResults",
        "readProblems",
        "readImports",
        "addReports",
        "addBiometrics",
        "addGenotype",
        "addMedication",
        "addCondition",
        "addAllergy",
        "changeScale",
        "importFhir",
        "correctReport",
        "correctBiometrics",
        "correctGenotype",
        "correctMedication",
        "correctCondition",
        "correctAllergy",
        "withdrawRecord",
        "takeImportBack",
    ),
    LIST,
) | {"decideConsent": PEOPLE, "readAudit": PEOPLE | SUPERVISED}
#: Tested by themselves below.
APART = {"openEmergency", "beginTreatment", "endTreatment", "newTicket"}
#: Beside a maker's server and with files (tests/server/test_devices.py, tests/server/test_files.py).
WITH_A_MAKER = {"readDevices", "connectDevice", "finishDevice", "fetchDevice", "disconnectDevice"}
APART |= WITH_A_MAKER | {"importFile"}
#: Operations about nobody's record to who may do them.
CALCULATORS = {"C11", "C12", "C21", "P1-self", "researcher", "service1", "service2"}
GENERAL = {
    "listPatients": set(LIST),
    "registerPatient": {"C11", "C12", "C21", "service1", "service2"},
    "forecastDiary": CALCULATORS,
    "reviewMedications": CALCULATORS,
    "simulateRegimen": CALCULATORS,
    "simulateWholeRegimen": CALCULATORS,
    "proposeSwitch": CALCULATORS,
    "readLevels": CALCULATORS,
    "correlateSignals": CALCULATORS,
    "insightsOfRecord": CALCULATORS,
    "whatIfOfRecord": CALCULATORS,
    "regimenOfRecord": CALCULATORS,
    "switchOfRecord": CALCULATORS,
    "cdsCards": CALCULATORS,
    "cdsFeedback": CALCULATORS,
    "listUsers": {"admin"},
    "addUser": {"admin"},
    "changeRole": {"admin"},
    "disableUser": {"admin"},
    "removeSecondFactor": {"admin"},
    "addClient": {"admin"},
    "addKey": {"admin"},
    "revokeKey": {"admin"},
    "trainTwins": {"analyst"},
    "readTwinModel": {"analyst"},
    "drawPopulation": {"analyst"},
    "readPopulation": {"analyst"},
    "simulateCampaign": {"analyst"},
    "gradePopulation": {"analyst"},
    "readJob": {"analyst"},
    "metrics": {"admin", "auditor", "service1", "service2"},
    "graphql": set(LIST) | {"auditor"},
    "whoAmI": set(EVERYBODY),
}
#: About oneself or about nobody, open to all who are known or to all.
OWN = {"changePassword", "beginSecondFactor", "confirmSecondFactor", "logOut"}
OWN |= {"listPasskeys", "passkeyOptions", "addPasskey", "removePasskey"}
PUBLIC = {"health", "ready", "loginPage", "logIn", "getTokens", "keySet", "configuration", "cdsServices"}

_REPORT = {"symptom": "PHQ-9", "timestamp": "2026-03-29T08:00:00+02:00", "value": 9}
_STRETCH = {"signal": "steps", "unit": "{count}", "timestamps": ["2026-03-29T08:00:00+02:00"], "values": [9000]}
BODIES: dict[str, Any] = {
    "adviseMedication": {"medication": "paroxetine"},
    "addReports": {"reports": [_REPORT]},
    "correctReport": _REPORT,
    "addBiometrics": {"stretches": [_STRETCH]},
    "correctBiometrics": _STRETCH,
    "changeScale": {"symptom": "mood", "scale": {"low": 0, "high": 10}},
    "addGenotype": {"genes": {"CYP2C19": "*1/*1"}},
    "correctGenotype": {"genes": {"CYP2C19": "*1/*1"}},
    "addMedication": {"medication": "lithium"},
    "correctMedication": {"medication": "lithium"},
    "addCondition": {"name": "gout"},
    "correctCondition": {"name": "gout"},
    "addAllergy": {"name": "nuts"},
    "correctAllergy": {"name": "nuts"},
    "importFhir": {"resourceType": "Patient", "id": "p", "birthDate": "1980-05-17"},
    "decideConsent": {"granted": True},
    "askWhatIf": {"drug": "sertraline", "dose_mg": 50, "weeks": 1, "ensemble": 2},
    "askRegimen": {"steps": [{"drug": "sertraline", "dose_mg": 50}], "weeks": 1, "ensemble": 2},
    "askSwitch": {"old": "paroxetine", "new": "mirtazapine"},
    "registerPatient": {"name": "Somebody"},
    "forecastDiary": {"reports": [{"symptom": "PHQ-9", "timestamp": "2026-03-29T08:00:00+02:00", "value": 9}]},
    "reviewMedications": {"medication": "sertraline"},
    "simulateRegimen": {"drug": "sertraline", "dose_mg": 50, "weeks": 1, "ensemble": 2},
    "simulateWholeRegimen": {"steps": [{"drug": "sertraline", "dose_mg": 50}], "weeks": 1, "ensemble": 2},
    "proposeSwitch": {"old": "sertraline", "new": "mirtazapine"},
    "readLevels": {
        "levels": [{"drug": "lithium", "value": 0.8, "day": 20, "hours_since_dose": 12}],
        "steps": [{"drug": "lithium", "dose_mg": 600}],
    },
    "regimenOfRecord": {"regimen": {"steps": [{"drug": "sertraline", "dose_mg": 50}], "weeks": 1, "ensemble": 2}},
    "switchOfRecord": {
        "medications": [{"medication": "sertraline", "dose_mg": 50}],
        "switch": {"old": "sertraline", "new": "mirtazapine"},
    },
    "correlateSignals": {"reports": [_REPORT], "stretches": [_STRETCH]},
    "insightsOfRecord": {},
    "whatIfOfRecord": {"regimen": {"drug": "sertraline", "dose_mg": 50, "weeks": 1, "ensemble": 2}},
    "addUser": {"name": "x", "password": "x", "role": "analyst"},
    "changeRole": {"role": "analyst"},
    "addClient": {"name": "x", "redirect_uris": []},
    "addKey": {},
    "cdsCards": {},
    "cdsFeedback": {
        "feedback": [{"card": str(uuid4()), "outcome": "accepted", "outcomeTimestamp": "2026-03-29T08:00:00Z"}]
    },
    "graphql": {"query": "{ __typename }"},
    "drawPopulation": {"n": 1},
    "simulateCampaign": {"intervention_type": "email_campaign"},
    "gradePopulation": {"actual": [1]},
}
TAKING = {"withdrawRecord", "takeImportBack"}
COSTLY = {
    "readInsights", "readCorrelations", "exportFhir", "adviseMedication", "askWhatIf", "askRegimen", "askSwitch",
    "forecastPatient",
}  # fmt: skip


#: Operation about a stored piece to the one that stores such a piece.
STORED_BY = {
    "correctReport": "addReports",
    "correctBiometrics": "addBiometrics",
    "correctGenotype": "addGenotype",
    "correctMedication": "addMedication",
    "correctCondition": "addCondition",
    "correctAllergy": "addAllergy",
    "withdrawRecord": "addAllergy",
    "takeImportBack": "importFhir",
}
_IMPORTED = {"resourceType": "Condition", "code": {"text": "asthma"}, "subject": {"reference": "Patient/p"}}
_MOOD = {"reports": [_REPORT | {"symptom": "mood", "value": 5, "scale": {"low": 0, "high": 10}}]}


async def ask(world: World, who: str, operation: tuple[str, str, dict[str, Any]], patient_id: str, piece: str) -> Any:
    method, path, what = operation
    at = path.replace("{patient_id}", patient_id).replace("{record_id}", piece)
    return await world.acall(method.upper(), filled(at), who, json=BODIES.get(what["operationId"]))


async def stored(world: World, operation: str, patient_id: str, who: str) -> str:
    """Store what an operation is about, as somebody who may; its id."""
    at = f"/api/v1/patients/{patient_id}"
    if operation == "changeScale":
        assert (await world.acall("POST", f"{at}/reports", who, json=_MOOD)).status_code == 201
    if operation not in STORED_BY:
        return ""
    path = {"addReports": "reports", "addBiometrics": "biometrics", "addGenotype": "genotype", "importFhir": "fhir",
            "addMedication": "medications", "addCondition": "conditions", "addAllergy": "allergies"}  # fmt: skip
    adding = STORED_BY[operation]
    body = _IMPORTED if adding == "importFhir" else BODIES[adding]
    made = await world.acall("POST", f"{at}/{path[adding]}", who, json=body)
    assert made.status_code == 201, made.text
    if adding == "importFhir":
        made = await world.acall("GET", f"{at}/imports", who)
        return str(made.json()["items"][-1]["id"])
    return str(made.json()["ids"][0])


def about_patients(world: World) -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {one[2]["operationId"]: one for one in operations(world) if "{patient_id}" in one[1]}


def differences(world: World, names: set[str]) -> list[str]:
    """Cells of the matrix in which the server does not do what the oracle says."""
    wrong, nobody, operations = [], str(uuid4()), about_patients(world)
    pieces: dict[tuple[str, str], str] = {}

    async def check(name: str, who: str) -> None:
        operation, theirs = operations[name], ORACLE[name].get(who)
        missing = await ask(world, who, operation, nobody, str(uuid4()))
        if missing.status_code != (404 if theirs is not None else 403):
            wrong.append(f"{who} {name} of nobody: {missing.status_code}")
        for patient, patient_id in world.patients.items():
            if theirs and patient in theirs:
                if name in COSTLY and (who, patient) not in {("C11", "P1"), ("P1-self", "P1"), ("service2", "P4")}:
                    continue
                status = (await ask(world, who, operation, patient_id, pieces[who, patient])).status_code
                if status in (401, 403, 404):
                    wrong.append(f"{who} {name} of {patient}: {status}, though they may")
                continue
            answer = await ask(world, who, operation, patient_id, pieces[who, patient])
            if (answer.status_code, answer.text) != (missing.status_code, missing.text):
                wrong.append(f"{who} {name} of {patient}: {answer.status_code}, though they may not")

    async def sweep() -> None:
        for name in sorted(names):  # everybody at once, since their entries in the audit then share commits
            for patient, patient_id in world.patients.items():
                one = await stored(world, name, patient_id, PATIENTS[patient])
                for who in EVERYBODY:  # what is taken back is there once for each who may
                    taken = name in TAKING and patient in ORACLE[name].get(who, ())
                    own = await stored(world, name, patient_id, PATIENTS[patient]) if taken else one
                    pieces[who, patient] = own
            await asyncio.gather(*(check(name, who) for who in EVERYBODY))

    world.run(sweep())
    return wrong


def test_the_oracle_knows_every_operation(world: World) -> None:
    known = ORACLE.keys() | GENERAL.keys() | APART | OWN | PUBLIC
    assert {what["operationId"] for _, _, what in operations(world)} == known


def test_b01_everybody_reaches_the_records_that_are_theirs_to_reach_and_no_other(world: World) -> None:
    before = len(world.audited(outcome="denied"))
    assert differences(world, set(ORACLE)) == []
    assert len(world.audited(outcome="denied")) > before + 100


@pytest.mark.weak("the rule asks for the role and forgets the relationship", "B01")
def test_b01_the_sweep_finds_a_rule_that_forgets_the_relationship(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        access, "ground", lambda principal, permission, *_: Ground.TREATMENT if principal.may(permission) else None
    )
    assert "C12 readPatient of P1: 200, though they may not" in differences(world, {"readPatient"})


def test_b01_every_refusal_of_a_record_is_in_the_audit(world: World) -> None:
    for who, patient in (("C12", "P1"), ("C21", "P1"), ("researcher", "P2"), ("admin", "P3")):
        before = world.audited(outcome="denied")
        world.call("GET", f"/api/v1/patients/{world.patients[patient]}/forecast", who)
        (entry,) = world.audited(outcome="denied")[len(before) :]
        assert entry["actor"] == str(world.users[who])
        assert entry["patient"] == world.container.foundation.audit.pseudonym(UUID(world.patients[patient]))


def misplaced(world: World, names: set[str]) -> list[str]:
    """Operations about nobody's record that are shut to their roles or open to others."""
    wrong, asked = [], [one for one in operations(world) if one[2]["operationId"] in names]

    async def check(operation: tuple[str, str, dict[str, Any]], who: str) -> None:
        name, status = operation[2]["operationId"], (await ask(world, who, operation, "", "")).status_code
        if (status == 403) == (who in GENERAL[name]) or status in (401, 500):
            wrong.append(f"{who} {name}: {status}")

    async def sweep() -> None:
        for operation in asked:
            await asyncio.gather(*(check(operation, who) for who in EVERYBODY))

    world.run(sweep())
    return wrong


def test_b08_operations_about_nobodys_record_are_for_their_roles_alone(world: World) -> None:
    assert misplaced(world, set(GENERAL)) == []


@pytest.mark.weak("no permission is asked for", "B08")
def test_b08_the_sweep_finds_what_is_open_to_every_role(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def anybody(_self: AccessControl, principal: Any, permission: Permission) -> Any:
        return access.access_of(principal, permission.replace(":", "."))

    monkeypatch.setattr(AccessControl, "permit", anybody)
    assert {"C11 listUsers: 200", "auditor listUsers: 200"} <= set(misplaced(world, {"listUsers"}))


def test_b02_lists_hold_ones_own_patients_page_by_page(world: World) -> None:
    for who, theirs in LIST.items():
        found, after = set(), ""
        while True:
            page = world.call("GET", f"/api/v1/patients?limit=1{after}", who).json()
            found |= {one["patient_id"] for one in page["items"]}
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert {world.patients[name] for name in theirs} <= found
        others = {patient_id for name, patient_id in world.patients.items() if name not in theirs}
        assert not found & others, who


@pytest.mark.weak("lists hold every patient there is", "B02")
def test_b02_fails_where_lists_hold_everybody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def everybody(*_: object) -> list[UUID]:
        return [UUID(patient_id) for patient_id in world.patients.values()]

    monkeypatch.setattr(AccessControl, "patients", everybody)
    must_fail(test_b02_lists_hold_ones_own_patients_page_by_page, world)


def test_b03_identifiers_are_random(world: World) -> None:
    form = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    stored = world.call("GET", f"/api/v1/patients/{world.patients['P1']}/reports", "C11").json()["items"]
    ids = [*world.patients.values(), *(one["id"] for one in stored), *map(str, world.users.values())]
    assert all(form.fullmatch(one) for one in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.weak("a patient has the seventh number", "B03")
def test_b03_fails_where_patients_are_numbered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(world.patients, "P7", str(UUID(int=7)))
    must_fail(test_b03_identifiers_are_random, world)


@pytest.mark.parametrize(
    "extra",
    [
        {"role": "admin"},
        {"organisation_id": str(uuid4())},
        {"patient_id": str(uuid4())},
        {"revision": 9},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"__class__": "x"},
        {"is_admin": True},
    ],
)
def test_b04_fields_that_are_not_asked_for_are_refused(world: World, extra: dict[str, Any]) -> None:
    patient = world.patients["P2"]

    async def row() -> Any:
        async with world.container.foundation.database.snapshot() as session:
            return (
                await session.execute(sa.select(Patient.__table__).where(Patient.patient_id == UUID(patient)))
            ).one()

    before = world.run(row())
    for name, operation in about_patients(world).items():
        body = BODIES.get(name)
        if body and operation[0] != "get" and name != "importFhir":
            path = filled(operation[1].replace("{patient_id}", patient))
            answer = world.call(operation[0].upper(), path, "C11", json=body | extra)
            assert answer.status_code == 422, name
    assert world.call("POST", "/api/v1/patients", "C11", json={"name": "x"} | extra).status_code == 422
    assert world.run(row()) == before


@pytest.mark.weak("whatever fields come are taken", "B04")
def test_b04_fails_on_a_careless_server(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    must_fail(test_b04_fields_that_are_not_asked_for_are_refused, careless(small_world, monkeypatch), {"role": "admin"})


def test_b05_a_relationship_counts_from_its_beginning_to_its_end(world: World) -> None:
    at = f"/api/v1/patients/{world.patients['P3']}"
    treats = f"/api/v1/users/{world.users['C11']}/patients/{world.patients['P3']}"
    assert world.call("GET", at, "C11").status_code == 404
    assert world.call("PUT", treats, "admin").status_code == 204
    assert [world.call("GET", at, "C11", worker=i).status_code for i in (0, 1)] == [200, 200]
    assert world.call("DELETE", treats, "admin").status_code == 204
    assert [world.call("GET", at, "C11", worker=i).status_code for i in (0, 1)] == [404, 404]
    assert world.call("PUT", treats, "C11").status_code == 403
    foreign = f"/api/v1/users/{world.users['C21']}/patients/{world.patients['P3']}"
    assert world.call("PUT", foreign, "admin").status_code == 404
    assert world.call("PUT", treats.replace(world.patients["P3"], world.patients["P4"]), "admin").status_code == 404


@pytest.mark.weak("the end of a treatment is acknowledged and not kept", "B05", "B09")
def test_b05_b09_fail_where_a_treatment_does_not_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        return

    unrelate = PatientStore.unrelate
    monkeypatch.setattr(PatientStore, "unrelate", nothing)
    for test in (
        test_b05_a_relationship_counts_from_its_beginning_to_its_end,
        test_b09_nobody_slips_through_while_a_relationship_ends,
    ):
        must_fail(test, world)
        ended = (world.users["C11"], UUID(world.patients["P3"]), world.container.operator("test"))
        world.run(unrelate(world.container.foundation.store, *ended))


def test_b06_withdrawn_genomics_disappears_everywhere(world: World) -> None:
    at = f"/api/v1/patients/{world.add_patient(f'genes-{uuid4().hex}', 'C11')}"
    seen = [
        ("genotype", world.call("GET", f"{at}/genotype", "C11")),
        ("advice", world.call("POST", f"{at}/medication-advice", "C11", json={"medication": "paroxetine"})),
        ("export", world.call("GET", f"{at}/fhir?with_insights=true", "C11")),
        ("insights", world.call("GET", f"{at}/insights", "C11")),
        ("what if", world.call("POST", f"{at}/what-if", "C11", json=BODIES["askWhatIf"] | {"drug": "paroxetine"})),
    ]
    assert [name for name, answer in seen if answer.status_code != 200] == []
    assert [name for name, answer in seen if "*4/*4" not in answer.text and name != "what if"] == []
    assert world.call("PUT", f"{at}/consents/genomics", "C11", json={"granted": False}).status_code == 204
    for worker in (0, 1):
        for path in ("genotype", "medication-advice", "fhir?with_insights=true", "insights"):
            method = "POST" if path == "medication-advice" else "GET"
            answer = world.call(method, f"{at}/{path}", "C11", worker, json={})
            assert answer.status_code == 200
            assert "*4/*4" not in answer.text, path
        asked = world.call("POST", f"{at}/what-if", "C11", worker, json=BODIES["askWhatIf"] | {"drug": "paroxetine"})
        assert "Poor Metabolizer" not in asked.text
    assert "withdrew consent" in world.call("GET", f"{at}/insights", "C11").text
    refused = world.call("POST", f"{at}/genotype", "C11", json=BODIES["addGenotype"])
    assert refused.status_code == 422
    world.call("PUT", f"{at}/consents/genomics", "C11", json={"granted": True})
    assert "*4/*4" in world.call("GET", f"{at}/genotype", "C11").text


@pytest.mark.weak("consent is written down and not asked for", "B06")
def test_b06_fails_where_consent_is_not_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(_self: PatientStore, patient_ids: Any) -> dict[UUID, dict[str, bool]]:
        return {patient_id: {} for patient_id in patient_ids}

    with monkeypatch.context() as patched:
        patched.setattr(PatientStore, "consents_each", none)
        must_fail(test_b06_withdrawn_genomics_disappears_everywhere, world)


def test_b07_an_emergency_opens_a_record_for_a_reason_and_a_while(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    at = f"/api/v1/patients/{world.patients['P1']}"
    name = f"C13-{uuid4().hex}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    world.log_in(name)
    reason = {"reason": "unconscious in the emergency room"}
    assert world.call("GET", at, name).status_code == 404
    assert world.call("POST", f"{at}/emergency", name, json={}).status_code == 422
    assert world.call("POST", f"{at}/emergency", name, json={"reason": " " * 20}).status_code == 422
    for who in ("researcher", "analyst", "service1", "P1-self", "admin"):
        assert world.call("POST", f"{at}/emergency", who, json=reason).status_code == 403
    assert world.call("POST", f"{at}/emergency", "C21", json=reason).status_code == 404
    opened = world.call("POST", f"{at}/emergency", name, json=reason)
    assert opened.status_code == 201
    assert world.call("GET", at, name, worker=1).status_code == 200
    assert world.call("POST", f"{at}/medications", name, json=BODIES["addMedication"]).status_code == 404
    assert {entry["purpose"] for entry in world.audited("read") if entry["actor"] == str(world.users[name])} == {
        "emergency"
    }
    assert world.audited("emergency.opened")

    async def shut_and_told() -> list[str]:
        async with world.container.foundation.database.transaction() as session:
            ended = datetime.now(UTC) - timedelta(seconds=1)
            await session.execute(sa.update(EmergencyAccess).values(expires_at=ended))
            reasons = await session.scalars(sa.select(EmergencyAccess.reason))
            assert all(b"unconscious" not in sealed for sealed in reasons)
            return list(await session.scalars(sa.select(OutboxEvent.kind)))

    waiting = world.run(shut_and_told())  # unless the privacy officer has been told already
    told, end = "", time.monotonic() + patience.patient(10)
    while "emergency.opened" not in waiting and "tell the privacy officer" not in told and time.monotonic() < end:
        time.sleep(0.05)
        told += capsys.readouterr().out
    assert "emergency.opened" in waiting or "tell the privacy officer" in told
    assert world.call("GET", at, name).status_code == 404
    statuses = [world.call("POST", f"{at}/emergency", name, json=reason, worker=i % 2).status_code for i in range(3)]
    assert statuses == [201, 201, 429]


@pytest.mark.weak("nobody counts how often a record is opened in an emergency", "B07")
def test_b07_fails_where_emergencies_are_not_counted(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None:
        return

    monkeypatch.setattr(AttemptCounter, "check", nothing)
    must_fail(test_b07_an_emergency_opens_a_record_for_a_reason_and_a_while, world, capsys)


def test_b09_nobody_slips_through_while_a_relationship_ends(world: World) -> None:
    at = f"/api/v1/patients/{world.patients['P3']}"
    treats = f"/api/v1/users/{world.users['C11']}/patients/{world.patients['P3']}"
    assert world.call("PUT", treats, "admin").status_code == 204

    async def race() -> tuple[list[int], list[int]]:
        early = [asyncio.ensure_future(world.acall("GET", at, "C11", worker=i % 2)) for i in range(20)]
        assert (await world.acall("DELETE", treats, "admin")).status_code == 204
        late = await asyncio.gather(*(world.acall("GET", at, "C11", worker=i % 2) for i in range(30)))
        return [(await one).status_code for one in early], [one.status_code for one in late]

    early, late = world.run(race())
    assert set(early) <= {200, 404}
    assert set(late) == {404}


def test_b05_what_was_read_with_the_session_counts_for_a_moment_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody whose body arrives slowly is asked about again."""
    identity, store, patient = world.container.identity, world.container.foundation.store, UUID(world.patients["P2"])
    caller = world.run(identity.sessions.authenticate(world.tokens["C11"], patient))
    assert caller.ties[patient].treats
    world.run(store.unrelate(world.users["C11"], patient, world.container.operator("test")))
    monkeypatch.setattr(access, "_FRESH_SECONDS", 0.0)
    with pytest.raises(NotFoundError):
        world.run(identity.access.permit_patient(caller, Permission.RESULTS_READ, patient))
    world.run(store.relate(world.users["C11"], patient, world.container.operator("test")))
    world.run(identity.access.permit_patient(caller, Permission.RESULTS_READ, patient))


def test_a_forecast_made_before_costs_two_queries_and_one_entry(world: World) -> None:
    at = f"/api/v1/patients/{world.patients['P1']}/forecast"
    assert world.call("GET", at, "C11").status_code == 200
    said: list[str] = []
    engine = world.container.foundation.database.engine.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked = re.match(
            r"SELECT.*?FROM (sessions|patients|patient_\w+|audit_entries)|INSERT INTO (\w+)", statement, re.S
        )
        said.extend(name for name in (asked.groups() if asked else ()) if name)

    sa.event.listen(engine, "after_cursor_execute", note)
    try:
        assert world.call("GET", at, "C11").status_code == 200
    finally:
        sa.event.remove(engine, "after_cursor_execute", note)
    assert said == ["sessions", "patients", "audit_entries", "audit_entries"]


def test_b10_nothing_of_a_patient_may_be_kept_by_a_cache(world: World) -> None:
    at = f"/api/v1/patients/{world.patients['P1']}"
    mine = world.call("GET", at, "C11")
    assert mine.headers.get("cache-control") == "no-store"
    assert "etag" not in mine.headers
    for headers in ({"If-None-Match": "*"}, {"Range": "bytes=0-10"}, {"Accept": "text/html"}):
        assert world.call("GET", at, "C21", headers=headers).status_code == 404
        assert world.call("GET", at, "C11", headers=headers).json() == mine.json()
    assert world.call("HEAD", at, "C21").status_code in (404, 405)


def test_b11_doubled_and_disguised_parameters_are_refused(world: World) -> None:
    at = f"/api/v1/patients/{world.patients['P1']}"
    assert world.call("GET", "/api/v1/patients?limit=1&limit=50", "C11").status_code == 400
    override = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "PUT"}
    assert (
        world.call("POST", f"{at}/consents/genomics", "C11", headers=override, json={"granted": True}).status_code
        == 405
    )
    doubled = world.call(
        "POST",
        f"{at}/medications",
        "C11",
        content=b'{"medication": "lithium", "medication": "clozapine"}',
        headers={"Content-Type": "application/json"},
    )
    assert doubled.status_code == 400
    disguised = world.patients["P4"].translate({ord(str(i)): chr(0xFF10 + i) for i in range(10)})
    assert world.call("GET", f"/api/v1/patients/{disguised}", "C11").status_code in (404, 422)
    for verb in ("TRACE", "CONNECT", "PATCH", "FOO"):
        assert world.call(verb, at, "C11").status_code == 405


@pytest.mark.weak("everybody gets the same answer, by whatever verb and parameters", "B10", "B11")
@pytest.mark.parametrize(
    "test",
    [test_b10_nothing_of_a_patient_may_be_kept_by_a_cache, test_b11_doubled_and_disguised_parameters_are_refused],
)
def test_b10_b11_fail_on_a_careless_server(small_world: World, test: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    must_fail(test, careless(small_world, monkeypatch))
