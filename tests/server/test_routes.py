"""REST of patients and administration, with a house that a test holds: what each route asks for, and its answer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from starlette.requests import Request

from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.identity.accounts import Account
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.records import MedicationCourse
from novamind.server import administration, caller, cds, jobs, patients
from novamind.server.clinic import PatientSummary, Regimen, SignalSamples
from novamind.twin.domain import Options

P, Q, CLINIC = UUID(int=1), UUID(int=2), UUID(int=3)
ADMIN = Principal(UUID(int=9), uuid4(), Role.ADMIN, CLINIC, None, frozenset(Permission))
NOBODYS = replace(ADMIN, organisation_id=None)


class Part:
    def __init__(self, calls: list[Any], answers: dict[str, Any]) -> None:
        self._calls, self._answers = calls, answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*given: Any, **named: Any) -> Any:
            self._calls.append((name, *given, *([named] if named else [])))
            answer = self._answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def did(work: Callable[..., Any], *given: Any, **answers: Any) -> tuple[Any, list[Any]]:
    """The answer of a route and what it asked of the house."""
    calls: list[Any] = []
    part = Part(calls, {"permit": "access"} | answers)
    identity = SimpleNamespace(access=part, accounts=part, attempts=part, passkeys=part)
    house = SimpleNamespace(
        clinic=part, identity=identity, jobs=part, foundation=SimpleNamespace(store=part), settings="settings"
    )
    return asyncio.run(work(house, *given)), calls


# -- patients


def summary(number: int = 1) -> PatientSummary:
    return PatientSummary(UUID(int=number), {"mrn": "1"}, {"name": "N"})


@pytest.mark.parametrize(("limit", "next_id"), [(2, UUID(int=2)), (3, None), (1, None)])
def test_a_page_says_where_the_next_begins(limit: int, next_id: UUID | None) -> None:
    page, calls = did(patients.list_patients, ADMIN, P, limit, patients=[summary(1), summary(2)])
    assert calls == [("patients", ADMIN, P, limit)]
    assert ([one.patient_id for one in page.items], page.next) == ([UUID(int=1), UUID(int=2)], next_id)
    assert page.items[0].model_dump() == {
        "patient_id": UUID(int=1),
        "identifiers": {"mrn": "1"},
        "details": {"name": "N"},
    }


def test_who_is_registered_is_as_they_were_stated() -> None:
    born, zone = date(1980, 5, 17), "Europe/Berlin"
    new = patients.NewPatient(name="N", birth_date=born, timezone=zone, identifiers={"mrn": "1"})
    made, calls = did(patients.register_patient, ADMIN, new, register=P)
    assert made.ids == [P]
    ((_, _, identity),) = calls
    assert identity.identifiers == {"mrn": "1"}
    assert identity.details == {"name": "N", "birth_date": "1980-05-17", "timezone": zone}
    with pytest.raises(ValidationError):
        patients.NewPatient(name="N", timezone="Europe/Nowhere").identity()


def test_reports_come_as_they_were_stored() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    content = {"symptom": "PHQ-9", "timestamp": "2026-03-01T08:00:00+01:00", "value": 3}
    one = SimpleNamespace(record_id=Q, recorded_at=at, content=content)
    other = SimpleNamespace(record_id=Q, recorded_at=at, content="samples")
    found, calls = did(patients.read_reports, ADMIN, P, 7, reports=[one, other])
    assert calls == [("reports", ADMIN, P, 7)]
    (item,) = found.items
    assert (item.id, item.recorded_at, item.symptom, item.value) == (Q, at, "PHQ-9", 3.0)


def test_what_is_stored_goes_to_the_clinic_with_its_key() -> None:
    report = {"symptom": "PHQ-9", "timestamp": "2026-03-01T08:00:00+01:00", "value": 3}
    new = patients.NewReports(reports=[report])
    made, calls = did(patients.add_reports, ADMIN, P, new, "key-12345", add_reports=[Q])
    assert (made.ids, calls) == ([Q], [("add_reports", ADMIN, P, new.reports, "key-12345")])
    when = datetime(2026, 3, 1, 8, tzinfo=UTC)
    stretch = {"signal": "steps", "unit": "1", "timestamps": [when], "values": [5]}
    samples = patients.NewSamples(stretches=[stretch])
    made, calls = did(patients.add_biometrics, ADMIN, P, samples, None, add_samples=[Q])
    assert calls == [("add_samples", ADMIN, P, [SignalSamples("steps", "1", [when], [5.0])], None)]
    with pytest.raises(ValidationError, match="give at least one gene"):
        did(patients.add_genotype, ADMIN, P, patients.GenotypeBody(genes={}))
    made, calls = did(
        patients.add_genotype, ADMIN, P, patients.GenotypeBody(genes={"CYP2D6": "*1/*1"}), add_genotype=[Q]
    )
    assert (made.ids, calls) == ([Q], [("add_genotype", ADMIN, P, {"CYP2D6": "*1/*1"})])


def test_a_course_goes_in_and_comes_out() -> None:
    body = patients.Course(
        medication="lithium", start=date(2026, 1, 1), end=date(2026, 2, 1), dose_mg=900, stopped=True
    )
    course = MedicationCourse("lithium", date(2026, 1, 1), date(2026, 2, 1), 900, stopped=True)
    made, calls = did(patients.add_medication, ADMIN, P, body, add_medication=[Q])
    assert (made.ids, calls) == ([Q], [("add_medication", ADMIN, P, course)])
    found, _ = did(patients.read_medications, ADMIN, P, medications=[(Q, course)])
    assert [one.model_dump() for one in found.items] == [body.model_dump() | {"id": Q}]


def test_questions_reach_the_clinic_with_what_was_asked() -> None:
    answer, calls = did(patients.forecast_patient, ADMIN, P, 7, 10.0, forecast=b"{}")
    assert (answer.body, answer.media_type, calls) == (b"{}", "application/json", [("forecast", ADMIN, P, 7, 10.0)])
    found = SimpleNamespace(model_version="links-1", value=SimpleNamespace(to_dict=lambda: {"links": [{"a": 1}]}))
    answer, calls = did(patients.read_correlations, ADMIN, P, 60, correlations=found)
    assert (answer.model_version, answer.links, calls) == ("links-1", [{"a": 1}], [("correlations", ADMIN, P, 60)])
    regimen = patients.RegimenBody(drug="sertraline", dose_mg=50)
    plain = {
        "drug": "sertraline", "dose_mg": 50, "weeks": 8, "exposure_ratio": 1, "verdict": "v", "unknown": [],
        "model_version": "m", "seed": 0, "ensemble": 50, "more": 1,
    }  # fmt: skip
    answer, calls = did(patients.ask_what_if, ADMIN, P, regimen, what_if=SimpleNamespace(to_dict=lambda: plain))
    assert calls == [("what_if", ADMIN, P, Regimen("sertraline", 50, 24, 8, 50, 0))]
    assert answer.model_dump() == plain
    answer, calls = did(patients.read_audit, ADMIN, P, 5, audit_trail=[{"a": 1}])
    assert (answer.entries, calls) == ([{"a": 1}], [("audit_trail", ADMIN, P, 5)])
    answer, calls = did(patients.read_consents, ADMIN, P, consents={"research": True})
    assert (answer.decisions, calls) == ({"research": True}, [("consents", ADMIN, P)])
    _, calls = did(patients.decide_consent, ADMIN, P, "research", patients.Decision(granted=False))
    assert calls == [("decide", ADMIN, P, "research", False)]
    until = datetime(2026, 1, 1, tzinfo=UTC)
    answer, calls = did(patients.open_emergency, ADMIN, P, patients.Reason(reason="x"), open_emergency=until)
    assert (answer.until, calls) == (until, [("open_emergency", ADMIN, P, "x")])
    answer, calls = did(patients.export_fhir, ADMIN, P, True, fhir_bundle={"a": 1})
    assert calls == [("fhir_bundle", ADMIN, P, {"with_insights": True})]
    assert (answer.media_type, answer.body) == ("application/fhir+json", b'{"a":1}')


def test_insights_are_asked_with_horizon_and_lookback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patients, "insights_to_dict", lambda found: found)
    plain = {
        "patient_id": "p", "made_on": date(2026, 1, 1), "complete": True, "missing": {}, "options": {},
        "model_versions": {}, "recommendations": [], "results": {}, "tracking": [], "notes": [], "disclaimer": "d",
    }  # fmt: skip
    answer, calls = did(patients.read_insights, ADMIN, P, 7, 60, insights=plain)
    assert calls == [("insights", ADMIN, P, Options(forecast_days=7, biometric_lookback_days=60))]
    assert answer.model_dump() == plain


# -- administration


MANAGE = ("permit", ADMIN, Permission.USERS_MANAGE)


@pytest.mark.parametrize(("limit", "next_id"), [(1, P), (2, None)])
def test_accounts_are_listed_within_ones_organisation(limit: int, next_id: UUID | None) -> None:
    account = Account(P, "n", Role.CLINICIAN, CLINIC, None, second_factor=True, disabled=False)
    page, calls = did(administration.list_users, ADMIN, Q, limit, users=[account])
    assert calls == [MANAGE, ("users", CLINIC, Q, limit, "access")]
    assert page.next == next_id
    assert page.items[0].model_dump() == {
        "user_id": P, "name": "n", "role": Role.CLINICIAN, "organisation_id": CLINIC, "patient_id": None,
        "second_factor": True, "disabled": False,
    }  # fmt: skip


def new_user(**more: Any) -> administration.NewUser:
    return administration.NewUser(name="n", password=SecretStr("secret"), role="clinician", **more)


@pytest.mark.parametrize(
    ("who", "stated", "organisation"),
    [(ADMIN, None, CLINIC), (ADMIN, CLINIC, CLINIC), (NOBODYS, Q, Q), (NOBODYS, None, None)],
)
def test_an_account_is_made_in_the_makers_organisation(who: Any, stated: Any, organisation: Any) -> None:
    made, calls = did(administration.add_user, who, new_user(organisation_id=stated), add_user=Q)
    named = {"organisation_id": organisation, "patient_id": None}
    assert (made.id, calls[1:]) == (Q, [("add_user", "n", "secret", Role.CLINICIAN, "access", named)])


def test_another_organisation_is_none_and_a_patient_is_of_ones_own() -> None:
    with pytest.raises(NotFoundError, match="there is no such organisation"):
        did(administration.add_user, ADMIN, new_user(organisation_id=Q))
    _, calls = did(administration.add_user, ADMIN, new_user(patient_id=P), add_user=Q)
    assert calls[1] == ("patient_within", ADMIN, P)
    with pytest.raises(NotFoundError):
        did(administration.add_user, ADMIN, new_user(patient_id=P), patient_within=NotFoundError("x"))


@pytest.mark.parametrize(
    ("work", "given", "calls"),
    [
        (
            administration.change_role, (Q, administration.NewRole(role="auditor")),
            [("change_role", Q, Role.AUDITOR, "access", CLINIC)],
        ),
        (administration.disable_user, (Q,), [("disable", Q, "access", CLINIC)]),
        (administration.remove_second_factor, (Q,), [("remove_second_factor", Q, "access", CLINIC)]),
        (
            administration.begin_treatment, (Q, P),
            [("patient_within", ADMIN, P), ("require_clinician", Q, CLINIC), ("relate", Q, P, "access")],
        ),
        (administration.end_treatment, (Q, P), [("patient_within", ADMIN, P), ("unrelate", Q, P, "access")]),
        (administration.revoke_key, (Q,), [("revoke_api_key", Q, "access", CLINIC)]),
    ],
)  # fmt: skip
def test_what_administrators_do_is_permitted_first_and_within_their_organisation(
    work: Any, given: Any, calls: Any
) -> None:
    assert did(work, ADMIN, *given)[1] == [MANAGE, *calls]


def test_clients_and_keys_are_shown_once() -> None:
    client = administration.NewClientBody(
        name="ward", role="service", scopes=["calculate"], redirect_uris=["https://a.example"], jwks={"keys": []}
    )
    made, calls = did(administration.add_client, ADMIN, client, add_client=SimpleNamespace(client_id=Q, secret="s"))  # noqa: S106
    assert (made.id, made.secret) == (Q, "s")
    named = {
        "role": Role.SERVICE, "organisation_id": CLINIC, "scopes": ["calculate"], "redirect_uris": ["https://a.example"],
        "key_set": {"keys": []},
    }  # fmt: skip
    assert calls[1] == ("add_client", "ward", "access", named)
    bare = administration.NewClientBody(name="ward")
    _, calls = did(administration.add_client, ADMIN, bare, add_client=SimpleNamespace(client_id=Q, secret=None))
    assert calls[1][3]["role"] is None
    key, calls = did(administration.add_key, ADMIN, Q, administration.NewKey(days=3), add_api_key=(P, "k"))
    assert (key.id, key.key) == (P, "k")
    assert calls[1] == ("add_api_key", Q, timedelta(days=3), "access", CLINIC)


def test_oneself_and_what_one_may() -> None:
    me = asyncio.run(administration.who_am_i(replace(ADMIN, patient_id=P)))
    assert (me.subject, me.role, me.organisation_id, me.patient_id) == (ADMIN.subject, Role.ADMIN, CLINIC, P)
    assert me.permissions == sorted(one for one in Permission if ADMIN.may(one))
    assert me.second_factor


def test_people_change_their_own_secrets_and_attempts_are_counted() -> None:
    _, calls = did(administration.change_password, ADMIN, administration.NewPassword(password=SecretStr("new")))
    ((name, subject, password, access),) = calls
    assert (name, subject, password, access.purpose) == ("change_password", ADMIN.subject, "new", "identity")
    begun, calls = did(administration.begin_second_factor, ADMIN, begin_second_factor="SECRET")
    assert (begun.secret, begun.uri) == ("SECRET", "otpauth://totp/Novamind?secret=SECRET&issuer=Novamind")
    assert (calls[0][1], calls[0][2].purpose) == (ADMIN.subject, "identity")
    taken = ("take", "second-factor", str(ADMIN.subject), 10, timedelta(minutes=15))
    _, calls = did(administration.confirm_second_factor, ADMIN, administration.Code(code="123456"))
    assert (calls[0], calls[1][:3], calls[1][3].purpose) == (
        taken,
        ("confirm_second_factor", ADMIN, "123456"),
        "identity",
    )
    made, calls = did(administration.add_passkey, ADMIN, administration.NewPasskey(credential={"a": 1}), add=Q)
    assert (made.id, calls[0], calls[1][:3], calls[1][3].purpose) == (Q, taken, ("add", ADMIN, {"a": 1}), "identity")
    _, calls = did(administration.remove_passkey, ADMIN, Q)
    assert (calls[0][:3], calls[0][3].purpose) == (("remove", ADMIN, Q), "identity")
    options, calls = did(administration.passkey_options, ADMIN, options_to_add={"a": 1})
    assert (options, calls) == ({"a": 1}, [("options_to_add", ADMIN)])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    key = SimpleNamespace(passkey_id=Q, created_at=at, used_at=None)
    (found,), calls = did(administration.list_passkeys, ADMIN, list=[key])
    assert (found.passkey_id, found.created_at, found.used_at, calls) == (Q, at, None, [("list", ADMIN.subject)])


@pytest.mark.parametrize(
    ("work", "given"),
    [
        (administration.change_password, (administration.NewPassword(password=SecretStr("new")),)),
        (administration.begin_second_factor, ()),
        (administration.confirm_second_factor, (administration.Code(code="123456"),)),
        (administration.list_passkeys, ()),
        (administration.passkey_options, ()),
        (administration.add_passkey, (administration.NewPasskey(credential={}),)),
        (administration.remove_passkey, (Q,)),
    ],
)
def test_a_machine_has_no_such_secrets(work: Any, given: Any) -> None:
    with pytest.raises(ValidationError, match="a machine has neither password nor second factor"):
        did(work, replace(ADMIN, role=Role.SERVICE), *given)


# -- hooks, jobs, callers


def test_cards_are_for_who_may_calculate_and_a_wrong_request_is_400(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def answer(*given: Any) -> Any:
        seen.append(given)
        return {"cards": [{"a": 1}]}

    monkeypatch.setattr(cds, "answer", answer)
    found, calls = did(cds.cards, ADMIN, "order-sign", {"hook": "x"})
    assert (found.cards, calls) == ([{"a": 1}], [("permit", ADMIN, Permission.CALCULATE)])
    assert seen == [("order-sign", {"hook": "x"}, datetime.now(UTC).date(), "settings")]

    def refuse(*_: Any) -> Any:
        raise ValidationError("'hook' must be another")

    monkeypatch.setattr(cds, "answer", refuse)
    refused, _ = did(cds.cards, ADMIN, "order-sign", {})
    assert refused.status_code == 400
    assert b'"type":"urn:novamind:problem:cds-request"' in refused.body
    assert b"'hook' must be another" in refused.body
    assert len(asyncio.run(cds.services()).services) == 3


def test_a_job_is_read_by_who_may_use_populations() -> None:
    status = SimpleNamespace(state="done", result={"a": 1}, problem=None)
    found, calls = did(jobs.read_job, ADMIN, Q, status=status)
    assert calls == [("permit", ADMIN, Permission.POPULATIONS_USE), ("status", Q, ADMIN.subject)]
    assert (found.job_id, str(found.state), found.result, found.problem) == (Q, "done", {"a": 1}, None)


@pytest.mark.parametrize("state", [{}, {"principal": None}, {"principal": "somebody"}])
def test_whom_the_door_did_not_let_in_is_nobody(state: Any) -> None:
    from novamind.errors import AuthenticationError

    def request(known: Any) -> Request:
        return Request({"type": "http", "state": known, "headers": []})

    with pytest.raises(AuthenticationError, match="say who you are"):
        asyncio.run(caller._principal(request(state), None))
    assert asyncio.run(caller._principal(request({"principal": ADMIN}), None)) is ADMIN


@pytest.mark.parametrize(("operation", "told"), [("trainTwins", "trainTwins"), (None, "train"), ("", "train")])
def test_who_uses_populations_is_admitted_to_a_route_by_its_name(operation: Any, told: str) -> None:
    calls: list[Any] = []
    house: Any = SimpleNamespace(identity=SimpleNamespace(access=Part(calls, {})))
    route = SimpleNamespace(name="train", operation_id=operation)
    request = Request({"type": "http", "route": route, "headers": []})
    asyncio.run(caller.may_use_populations(request, house, ADMIN))
    assert calls == [("admit", ADMIN, Permission.POPULATIONS_USE, told)]


def test_routes_get_the_house_of_their_application() -> None:
    app = SimpleNamespace(state=SimpleNamespace(house="house"))
    assert asyncio.run(caller._house(Request({"type": "http", "app": app, "headers": []}))) == "house"
