"""E01 of the attack plan: what every route leaves in the audit, told apart by the id of each request.

The tables are written down here, apart from the code: an operation that is in none of them fails the test, so that
nobody adds a route without saying what the audit is told. One entry stands for one opening of one kind of one record.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pyotp
import pytest
import sqlalchemy as sa

from novamind.infrastructure.audit import AuditLog
from novamind.infrastructure.identity.access import AccessControl
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.tables import AuditEntry
from novamind.server.builtin_client import BUILTIN_CLIENT
from novamind.server.dashboard import routes as dashboard
from tests.security.test_authentication import filled, operations
from tests.security.test_authorisation import BODIES, stored
from tests.server.world import BASE, CALLBACK, World, challenge

#: Action and what of an entry.
Told = tuple[str, str]
KINDS = ("identity", "symptom_report", "biometric_samples", "medication", "condition", "genotype", "scale")
STORED = ("symptom_report", "biometric_samples", "medication", "genotype", "condition", "import")
RECORD: list[Told] = [("read", kind) for kind in KINDS]
#: Insights look back at earlier ones. That they are remembered is told of too, as an act of the twin's own.
INSIGHTS: list[Told] = [*RECORD, ("read", "insight")]

#: Operations about P1, asked by C11 who treats them, to what is told.
ABOUT_A_PATIENT: dict[str, list[Told]] = {
    "readPatient": [("read", "identity")],
    "readReports": [("read", "symptom_report")],
    "readGenotype": [("read", "genotype")],
    "readMedications": [("read", "medication")],
    "readConsents": [("read", "consent")],
    "readAudit": [("read", "audit")],
    "readBiometrics": [("read", "biometric_samples")],
    "readScales": [("read", "scale"), ("read", "symptom_report")],
    "readGenotypeResults": [("read", "genotype")],
    "readProblems": [("read", "condition")],
    "readImports": [("read", "import")],
    "forecastPatient": RECORD,  # the first time; then it is the forecast that is read
    "adviseMedication": RECORD,
    "readCorrelations": RECORD,
    "readInsights": INSIGHTS,
    "exportFhir": RECORD,
    "askWhatIf": RECORD,
    "askRegimen": RECORD,
    "askSwitch": RECORD,
    "addReports": [("write", "symptom_report")],
    "addBiometrics": [("write", "biometric_samples")],
    "addGenotype": [("write", "genotype")],
    "addMedication": [("write", "medication")],
    "addCondition": [("write", "condition")],
    "addAllergy": [("write", "condition")],
    "changeScale": [("read", "symptom_report"), ("read", "scale"), ("amended", "scale")],
    "correctReport": [("read", "symptom_report"), ("amended", "symptom_report")],
    "correctBiometrics": [("read", "biometric_samples"), ("amended", "biometric_samples")],
    "correctGenotype": [("read", "genotype"), ("amended", "genotype")],
    "correctMedication": [("read", "medication"), ("amended", "medication")],
    "correctCondition": [("read", "condition"), ("amended", "condition")],
    "correctAllergy": [("read", "condition"), ("amended", "condition")],
    "withdrawRecord": [("withdrawn", "condition")],
    "importFhir": [("read", "identity"), ("write", "condition"), ("write", "import")],
    "takeImportBack": [("read", "import"), ("withdrawn", "condition"), ("withdrawn", "import")],
    "decideConsent": [("granted", "consent")],
}
#: Operations of administrators, of people about themselves, of machines; ``setting_up`` makes what they need.
ADMINISTRATION: dict[str, list[Told]] = {
    "listUsers": [("read", "user")],
    "addUser": [("write", "user")],
    "changeRole": [("role_changed", "user")],
    "removeSecondFactor": [("second_factor_removed", "user")],
    "disableUser": [("disabled", "user")],
    "beginTreatment": [("began", "relationship")],
    "endTreatment": [("ended", "relationship")],
    "addClient": [("write", "client")],
    "addKey": [("write", "api_key")],
    "revokeKey": [("revoked", "api_key")],
}
POPULATIONS = {
    "trainTwins",
    "readTwinModel",
    "drawPopulation",
    "readPopulation",
    "simulateCampaign",
    "gradePopulation",
}
#: Tested one by one below, and the devices beside the maker that they need (tests/server/test_devices.py).
APART = {
    "importFile",
    "readDevices",
    "connectDevice",
    "finishDevice",
    "fetchDevice",
    "disconnectDevice",
    "listPatients",
    "registerPatient",
    "openEmergency",
    "newTicket",
    "logIn",
    "getTokens",
    "logOut",
    "changePassword",
    "beginSecondFactor",
    "confirmSecondFactor",
    "addPasskey",
    "removePasskey",
    "graphql",
    "cdsFeedback",
}
#: What opens no record and changes nothing: figures of the process, one's own role, what is public; calculators and CDS
#: Hooks, to which all data come with the request; the state of one's own job.
SILENT = {
    "health",
    "ready",
    "metrics",
    "loginPage",
    "keySet",
    "configuration",
    "cdsServices",
    "whoAmI",
    "listPasskeys",
    "passkeyOptions",
    "readJob",
    "cdsCards",
    "forecastDiary",
    "reviewMedications",
    "simulateRegimen",
    "simulateWholeRegimen",
    "proposeSwitch",
    "readLevels",
    "correlateSignals",
    "insightsOfRecord",
    "whatIfOfRecord",
    "regimenOfRecord",
    "switchOfRecord",
}
#: Pages about a patient; ``changes`` opens the reports once for the services and once for when each was stored.
PAGES: dict[str, list[Told]] = {
    "one_patient": [("read", "identity")],
    "changes": [*INSIGHTS, ("read", "symptom_report")],
    "insights": INSIGHTS,
    "tracking": INSIGHTS,
    "consents": [("read", "consent")],
    "audit": [("read", "audit")],
    "form": [("read", "identity")],
    "record_summary": [("read", what) for what in ("identity", *STORED)],
    "record_entries": [("read", what) for what in ("identity", "medication", "import")],
    "new_entry": [("read", "identity")],
    "correction": [("read", "identity"), ("read", "medication")],
    "withdrawal": [("read", "identity"), ("read", "medication")],
}
#: What such a page is about, in the words of an operation that is about the same.
ABOUT_THE_SAME = {"correction": "correctMedication", "withdrawal": "correctMedication"}
GENERAL_BODIES = BODIES | {
    "importFhir": {
        "resourceType": "Condition",
        "code": {"text": "asthma"},
        "subject": {"reference": "Patient/p"},
    }
}


def entries(world: World, answer: httpx.Response) -> list[dict[str, Any]]:
    """What this request has told of its caller, looked up by the id that its answer has."""
    query = sa.select(AuditEntry.content).where(AuditEntry.content.contains(answer.headers["x-request-id"]))

    async def read() -> list[str]:
        async with world.container.foundation.database.snapshot() as session:
            return list(await session.scalars(query.order_by(AuditEntry.sequence)))

    found = [json.loads(content) for content in world.run(read())]
    own_acts = [one for one in found if one["actor"] == "twin"]
    assert {(one["role"], one["action"], one["what"]) for one in own_acts} <= {("system", "write", "insight")}
    return [one for one in found if one not in own_acts]


def checked(world: World, answer: httpx.Response, who: str | None, patient: str | None = None) -> Counter[Told]:
    """What was told, once it is sure that each entry says who, when, where, why and in which request."""
    found, audit = entries(world, answer), world.container.foundation.audit
    for one in found:
        assert one["actor"] == (str(world.users[who]) if who else "anonymous")
        assert datetime.fromisoformat(one["at"]).tzinfo == UTC
        assert one["origin"] == audit.origin("127.0.0.1") != "127.0.0.1"
        assert one["correlation_id"] == answer.headers["x-request-id"]
        if patient is not None:
            assert one["patient"] == audit.pseudonym(UUID(patient))
        assert (one["purpose"] == "none") == (one["outcome"] == "denied" and one["role"] != "none")
        assert one["outcome"] == ("denied" if answer.status_code in (401, 403, 404) else "success"), one
    return Counter((one["action"], one["what"]) for one in found)


@pytest.fixture(scope="module")
def walked(small_world: World) -> World:
    for name in ("C11", "C12", "C21", "admin", "auditor", "researcher", "analyst", "P1-self"):
        small_world.log_in(name)
    return small_world


def by_id(world: World) -> dict[str, tuple[str, str]]:
    return {what["operationId"]: (method, path) for method, path, what in operations(world)}


def test_e01_no_operation_is_left_out(walked: World) -> None:
    tables = [set(ABOUT_A_PATIENT), set(ADMINISTRATION), POPULATIONS, APART, SILENT]
    assert set(by_id(walked)) == set().union(*tables)
    assert sum(map(len, tables)) == len(set().union(*tables))


def incomplete(world: World, *only: str) -> list[str]:
    """Operations and pages about a patient, all or some, that do not tell exactly what the tables say."""
    wrong, patient = [], world.patients["P1"]
    pages = {route.name: (method, route.path) for route, method in page_routes() if "{patient_id}" in route.path}
    for name, (method, path) in (by_id(world) | pages).items():
        expected = ABOUT_A_PATIENT.get(name) or PAGES.get(name)
        if expected is None or (only and name not in only):
            continue
        piece = world.run(stored(world, ABOUT_THE_SAME.get(name, name), patient, "C11"))
        path = path.replace("{patient_id}", patient).replace("{record_id}", piece).replace("{kind}", "medication")
        at, body = filled(path), GENERAL_BODIES.get(name)
        good = world.call(method.upper(), at, "C11", json=body)
        empty = {("readCorrelations", 422), ("askSwitch", 422)}  # nothing to correlate; the drug is not taken
        assert good.status_code < 300 or (name, good.status_code) in empty, (name, good.text)
        if checked(world, good, "C11", patient) != Counter(expected):
            wrong.append(f"{name}: {entries(world, good)}")
        for who, status in (("C21", 404), ("C12", 404), ("researcher", 403), ("admin", 403)):
            refused = world.call(method.upper(), at, who, json=body)
            assert refused.status_code == status, (name, who, refused.text)
            told = checked(world, refused, who, patient)
            if told.total() != 1 or {what for _, what in told} != {"patient"}:
                wrong.append(f"{name} refused to {who}: {told}")
        assert entries(world, world.call(method.upper(), at, json=body)) == []  # nobody is known
    return wrong


def page_routes() -> Iterator[tuple[Any, str]]:
    for router in dashboard.PAGES:
        yield from ((route, method) for route in router.routes for method in route.methods if method == "GET")


@pytest.mark.weak("entries are written twice; refusals are not written", "E01")
def test_e01_every_look_at_a_record_and_every_refusal_is_told_exactly_once(
    walked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert incomplete(walked) == []
    at = f"/api/v1/patients/{walked.patients['P1']}/forecast"
    walked.call("GET", at, "C11")  # the record was changed since; this one is kept
    assert checked(walked, walked.call("GET", at, "C11"), "C11") == {("read", "forecast"): 1}
    honest = AuditLog.append

    async def twice(self: AuditLog, *events: Any) -> None:
        await honest(self, *events, *events)

    async def never(*_: Any) -> None:
        return

    with monkeypatch.context() as patched:  # the sweep sees what is told twice, and what is not told
        patched.setattr(AuditLog, "append", twice)
        assert len(incomplete(walked, "readPatient", "exportFhir")) > 1
    with monkeypatch.context() as patched:
        patched.setattr(AccessControl, "_refused", never)
        assert {one.partition(" ")[0] for one in incomplete(walked, "readPatient", "one_patient")} == {
            "readPatient",
            "one_patient",
        }


def test_e01_feedback_on_cards_is_told(walked: World) -> None:
    at, body = "/cds-services/novamind-order-sign/feedback", GENERAL_BODIES["cdsFeedback"]
    assert checked(walked, walked.call("POST", at, "C11", json=body), "C11") == {("write", "card_feedback"): 1}
    refused = checked(walked, walked.call("POST", at, "auditor", json=body), "auditor")
    assert refused == {("calculate", "route"): 1}


def test_e01_a_file_that_is_imported_is_told(walked: World) -> None:
    patient = walked.patients["P1"]
    at, kind = f"/api/v1/patients/{patient}/files", {"Content-Type": "application/octet-stream"}
    table = b"Datum;PHQ-9\n01.10.2025;12\n14.10.2025;9\n"

    def sent(who: str, **query: Any) -> httpx.Response:
        return walked.call("POST", at, who, params={"name": "t.csv", **query}, content=table, headers=kind)

    read = {("read", "identity"): 1}
    assert checked(walked, sent("C11", dry_run=True), "C11", patient) == read
    stored = checked(walked, sent("C11"), "C11", patient)
    assert stored == Counter(read) + Counter([("read", "import"), ("write", "symptom_report"), ("write", "import")])
    assert checked(walked, sent("auditor"), "auditor", patient) == {("records.write", "patient"): 1}


def test_e01_lists_tell_of_each_patient_in_them(walked: World) -> None:
    for path in ("/api/v1/patients", "/patients"):
        listed = walked.call("GET", path, "C12")
        told = entries(walked, listed)
        shown = {walked.container.foundation.audit.pseudonym(UUID(walked.patients["P3"]))}
        assert {one["patient"] for one in told} >= shown
        assert max(Counter(one["patient"] for one in told).values()) == 1
        refused = checked(walked, walked.call("GET", path, "researcher"), "researcher")
        assert refused == {("patients.read", "route"): 1}
    made = walked.call("POST", "/api/v1/patients", "C12", json={"name": "Somebody"})
    assert checked(walked, made, "C12", made.json()["ids"][0]) == {
        ("write", "identity"): 1,
        ("began", "relationship"): 1,
    }
    refused = walked.call("POST", "/api/v1/patients", "researcher", json={"name": "Somebody"})
    assert checked(walked, refused, "researcher") == {("patients.create", "route"): 1}


def test_e01_administration_is_told_and_so_is_who_may_not(walked: World) -> None:
    world, name = walked, f"told-{uuid4().hex}"
    user = str(world.add_user(name, Role.CLINICIAN, world.organisations[0]))
    client = world.call("POST", "/api/v1/clients", "admin", json={"name": f"a {uuid4().hex}", "role": "service"}).json()
    key = world.call("POST", f"/api/v1/clients/{client['id']}/keys", "admin", json={}).json()["id"]
    ids = {"user_id": user, "client_id": client["id"], "key_id": key, "patient_id": world.patients["P1"]}
    bodies = GENERAL_BODIES | {
        "addUser": {"name": uuid4().hex, "password": uuid4().hex, "role": "analyst"},
        "addClient": {"name": f"b {uuid4().hex}", "role": "service"},
    }
    for operation, expected in ADMINISTRATION.items():
        method, path = by_id(world)[operation]
        at = re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)
        refused = world.call(method.upper(), at, "C11", json=bodies.get(operation))
        assert checked(world, refused, "C11") == {("users.manage", "route"): 1}, operation
        if operation == "changeRole":
            nobody = world.call("PUT", f"/api/v1/users/{uuid4()}/role", "admin", json=bodies[operation])
            assert [(one["action"], one["outcome"]) for one in entries(world, nobody)] == [
                ("role_changed", "not_found")
            ]
        if operation == "beginTreatment":
            ids["user_id"] = str(world.add_user(f"{name}-2", Role.CLINICIAN, world.organisations[0]))
            at = re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)
        good = world.call(method.upper(), at, "admin", json=bodies.get(operation))
        assert good.status_code < 300, (operation, good.text)
        assert checked(world, good, "admin") == Counter(expected), operation


def test_e01_whoever_uses_population_twins_is_told(walked: World) -> None:
    for operation in POPULATIONS:
        method, path = by_id(walked)[operation]
        asked = walked.call(method.upper(), filled(path), "analyst", json=GENERAL_BODIES.get(operation))
        told = [(one["action"], one["what"], one["outcome"]) for one in entries(walked, asked)]
        assert told == [(operation, "population", "admitted")]
        refused = walked.call(method.upper(), filled(path), "C11", json=GENERAL_BODIES.get(operation))
        assert checked(walked, refused, "C11") == {("populations.use", "route"): 1}


def test_e01_logins_and_what_people_do_with_their_account(walked: World) -> None:
    world, name = walked, f"myself-{uuid4().hex}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    wrong = world.authorize(name, "not the password")
    assert [(one["action"], one["outcome"]) for one in entries(world, wrong)] == [("login", "denied")]
    right = world.authorize(name, world.passwords[name])
    assert checked(world, right, name) == {("login", "session"): 1}
    code = httpx.URL(right.headers["location"]).params["code"]
    tokens = world.redeem(code)
    assert entries(world, tokens) == []  # the login goes on
    again = world.redeem(code)
    assert [one["action"] for one in entries(world, again)] == ["code_reuse"]
    world.log_in(name)
    begun = world.call("POST", "/api/v1/me/second-factor", name)
    assert checked(world, begun, name) == {("second_factor_begun", "user"): 1}
    now = pyotp.TOTP(begun.json()["secret"]).now()
    for given, outcome in ((f"{(int(now) + 1) % 10**6:06d}", "denied"), (now, "success")):
        confirmed = world.call("POST", "/api/v1/me/second-factor/confirm", name, json={"code": given})
        told = [(one["action"], one["outcome"]) for one in entries(world, confirmed)]
        assert told == [("second_factor_added", outcome)]
    refreshed = world.refresh(world.refresh_tokens[name])
    assert entries(world, refreshed) == []
    stolen = world.refresh(world.refresh_tokens[name])
    assert [one["action"] for one in entries(world, stolen)] == ["refresh_reuse"]
    other = f"other-{uuid4().hex}"
    world.add_user(other, Role.CLINICIAN, world.organisations[0])
    world.log_in(other)
    left = world.call("POST", "/oauth/logout", other)
    assert checked(world, left, other) == {("logout", "session"): 1}
    world.log_in(other)
    changed = world.call("PUT", "/api/v1/me/password", other, json={"password": uuid4().hex})
    assert checked(world, changed, other) == {("password_changed", "user"): 1}


def test_e01_machines_that_log_in_or_may_not(walked: World) -> None:
    client = walked.call(
        "POST", "/api/v1/clients", "admin", json={"name": f"m {uuid4().hex}", "role": "service"}
    ).json()
    for secret, outcome in ((client["secret"], "success"), ("wrong", "denied")):
        answer = walked.token(grant_type="client_credentials", client_id=client["id"], client_secret=secret)
        (told,) = entries(walked, answer)
        assert (told["action"], told["outcome"]) == ("client_login", outcome)


def test_e01_an_emergency_and_a_live_forecast(walked: World) -> None:
    world = walked
    name = f"emergency-{uuid4().hex}"
    world.add_user(name, Role.CLINICIAN, world.organisations[0])
    world.log_in(name)
    patient = world.patients["P1"]
    asked = {"reason": "unconscious in the corridor"}
    for who, status in (("C21", 404), ("researcher", 403)):
        refused = world.call("POST", f"/api/v1/patients/{patient}/emergency", who, json=asked)
        assert refused.status_code == status
        assert checked(world, refused, who).total() == 1
    opened = world.call("POST", f"/api/v1/patients/{patient}/emergency", name, json=asked)
    assert opened.status_code == 201, opened.text
    assert checked(world, opened, name, patient) == {("emergency.opened", "patient"): 1}
    (seen,) = entries(world, world.call("GET", f"/api/v1/patients/{patient}", name))
    assert seen["purpose"] == "emergency"
    ticket = world.call("POST", "/api/v1/live/tickets", "C21", json={"patient_id": patient})
    assert checked(world, ticket, "C21", patient) == {("results.read", "patient"): 1}


def test_e01_graphql_tells_of_each_opening(walked: World) -> None:
    def asked(fields: str, who: str = "C11") -> Counter[Told]:
        query = f'{{ patient(id: "{walked.patients["P1"]}") {{ {fields} }} }}'
        return Counter(
            (one["action"], one["what"])
            for one in entries(walked, walked.call("POST", "/graphql", who, json={"query": query}))
        )

    assert asked("id") == {("read", "identity"): 1}
    assert asked("symptoms(newest: 3) { value }") == Counter([("read", "identity"), ("read", "symptom_report")])
    assert asked("insights { notes } medicationAdvice { ranking }") == Counter([("read", "identity"), *INSIGHTS])
    assert asked("id symptoms { value }", "C21") == {("patients.read", "patient"): 1}


def test_e01_no_caller_chooses_the_id_of_a_request(walked: World) -> None:
    headers = {"X-Correlation-Id": "deadbeef-0000", "X-Request-Id": "deadbeef-0000"}
    answer = walked.call("GET", f"/api/v1/patients/{walked.patients['P1']}", "C11", headers=headers)
    assert checked(walked, answer, "C11").total() == 1
    assert "deadbeef" not in answer.headers["x-request-id"]


def test_e01_silent_routes_are_silent(walked: World) -> None:
    for operation in SILENT:
        method, path = by_id(walked)[operation]
        params = {"client_id": str(BUILTIN_CLIENT), "redirect_uri": CALLBACK, "code_challenge": challenge("v" * 43)}
        who = {"metrics": "admin", "readJob": "analyst"}.get(operation, "C11")
        answer = walked.call(method.upper(), filled(path), who, json=GENERAL_BODIES.get(operation), params=params)
        assert entries(walked, answer) == [], operation


def test_e01_nothing_that_anybody_said_is_in_the_audit(walked: World) -> None:
    said = walked.audited()
    assert len(said) > 30
    text = str(said)
    assert [one for one in (*walked.canaries, *walked.patients.values(), BASE, "unconscious") if one in text] == []
