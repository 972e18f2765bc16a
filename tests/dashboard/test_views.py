"""Each page's own work, with a container that a test holds: what is asked of it, and what the template gets."""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import pydantic
import pytest
from starlette.requests import Request

from novamind.clinic import PatientSummary, Regimen
from novamind.drugs.kinetics import drug_names, kinetics
from novamind.errors import IdentityError, ValidationError
from novamind.infrastructure.identity.domain import Permission, Principal, Role, Ties
from novamind.infrastructure.identity.sessions import GrantError
from novamind.populations.presentation import plots as population_plots
from novamind.records import FhirImportError
from novamind.server import files
from novamind.server.builtin_client import BUILTIN_CLIENT
from novamind.server.dashboard import (
    account,
    error_pages,
    login,
    patients,
    populations,
    rendering,
    static_files,
    upload,
    users,
)
from novamind.server.dashboard.rendering import home_of
from novamind.server.patients import RegimenBody
from novamind.settings import Settings
from novamind.symptoms.presentation import plots as symptom_plots
from novamind.twin.domain import Options

EVERYTHING = frozenset(Permission)
P, Q = UUID(int=1), UUID(int=2)
CLINICIAN = Principal(UUID(int=9), uuid4(), Role.CLINICIAN, uuid4(), None, EVERYTHING)


def somebody(role: Role, **more: Any) -> Principal:
    return replace(CLINICIAN, role=role, **more)


class Part:
    """A part of the container: every call is noted, and answered by what the test gave it."""

    def __init__(self, calls: list[Any], answers: dict[str, Any]) -> None:
        self._calls, self._answers = calls, answers
        self.twin = self

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*given: Any, **named: Any) -> Any:
            self._calls.append((name, *given, *([named] if named else [])))
            answer = self._answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer(*given, **named) if callable(answer) else answer

        return call


@pytest.fixture
def calls() -> list[Any]:
    return []


@pytest.fixture
def container(calls: list[Any]) -> Callable[..., Any]:
    def made(url: str = "http://127.0.0.1:8000", **answers: Any) -> Any:
        part = Part(calls, answers)
        offered = SimpleNamespace(
            offered=answers.get("offered", True), list=part.list, options_to_add=part.options_to_add
        )
        return SimpleNamespace(
            settings=Settings(public_url=url),
            clinic=part,
            identity=SimpleNamespace(sessions=part, passkeys=offered, accounts=part),
            jobs=part,
        )

    return made


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What templates get instead of pages."""
    got: list[Any] = []

    def page(_request: Any, template: str, context: Any, status: int = 200, headers: Any = None) -> Any:
        got.append((template, dict(context), status))
        return rendering.HTMLResponse(template, status, headers)

    for module in (patients, login, account, users, populations, upload):
        monkeypatch.setattr(module, "page", page)
    return got


def request(path: str = "/", method: str = "GET", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": path, "headers": raw, "query_string": b"", "state": {}})


def run(work: Any) -> Any:
    return asyncio.run(work)


def summaries(count: int, first: int = 1) -> list[PatientSummary]:
    return [
        PatientSummary(UUID(int=first + i), {"mrn": f"N-{first + i}"}, {"name": f"Person {first + i}"})
        for i in range(count)
    ]


# -- the list of patients


@pytest.mark.parametrize(("count", "more"), [(0, False), (49, False), (50, True)])
def test_a_list_has_fifty_and_says_where_it_goes_on(
    count: int, more: bool, container: Any, shown: Any, calls: Any
) -> None:
    found = summaries(count)
    run(patients.patient_list(request(), container(patients=found), CLINICIAN, Q))
    assert calls == [("patients", CLINICIAN, Q, 50)]
    ((template, context, _),) = shown
    assert (template, context["patients"], context["asked"]) == ("patients.html", found, None)
    assert context["after"] == (found[-1].patient_id if more else None)


@pytest.mark.parametrize(
    ("caller", "minutes", "register"),
    [
        (CLINICIAN, 15, True),
        (somebody(Role.PATIENT), None, False),
        (somebody(Role.SERVICE), None, True),
        (replace(CLINICIAN, scopes=frozenset()), None, False),
    ],
)
def test_the_list_offers_what_the_caller_may(
    caller: Any, minutes: Any, register: bool, container: Any, shown: Any
) -> None:
    run(patients.patient_list(request(), container(patients=[]), caller))
    assert (shown[0][1]["emergency"], shown[0][1]["may_register"]) == (minutes, register)


@pytest.mark.parametrize(
    ("words", "found"),
    [("", 120), ("person 7", 21), ("PERSON 77", 1), ("n-77 person", 1), ("person nobody", 0), ("n-1 5", 3)],
)
def test_a_search_goes_through_all_pages_and_shows_fifty(
    words: str, found: int, container: Any, shown: Any, calls: Any
) -> None:
    everybody = summaries(120)

    def page(_caller: Any, after: UUID | None, limit: int) -> Any:
        begin = 0 if after is None else after.int
        return everybody[begin : begin + limit]

    run(patients.search(request(), container(patients=page), CLINICIAN, words))
    assert [call[2] for call in calls] == [None, UUID(int=50), UUID(int=100)]
    context = shown[0][1]
    right = [one for one in everybody if all(word in patients._searched_text(one) for word in words.casefold().split())]
    assert len(right) == found
    assert (context["patients"], context["asked"], context["after"]) == (right[:50], words, None)


def test_a_search_ends_with_two_thousand(container: Any, shown: Any, calls: Any) -> None:
    run(patients.search(request(), container(patients=lambda *_: summaries(50)), CLINICIAN, "nobody"))
    assert len(calls) == 2000 / 50
    assert shown[0][1]["patients"] == []


def test_a_search_without_words_shows_everybody(container: Any, shown: Any) -> None:
    run(patients.search(request(), container(patients=summaries(3)), CLINICIAN))
    assert (len(shown[0][1]["patients"]), shown[0][1]["asked"]) == (3, "")


def test_somebody_without_a_name_is_found_by_number() -> None:
    assert patients._searched_text(PatientSummary(P, {"mrn": "ÄB-1", "email": "X@y"}, {})) == " äb-1 x@y"


def test_registering_and_emergencies_lead_to_the_patient(container: Any, calls: Any) -> None:
    form = {"name": "N", "birth_date": date(1990, 2, 28), "record_number": "R-1"}
    new = patients._Registering(**form)
    answer = run(patients.register(container(register=P), CLINICIAN, new))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/patients/{P}")
    ((_, _, identity),) = calls
    assert identity.identifiers == {"mrn": "R-1"}
    assert identity.details == {"name": "N", "birth_date": "1990-02-28"}
    assert patients._Registering(name="N").identity().identifiers == {}
    calls.clear()
    asked = patients._Emergency(patient_id=P, reason="unconscious")
    answer = run(patients.emergency(container(), CLINICIAN, asked))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/patients/{P}")
    assert calls == [("open_emergency", CLINICIAN, P, "unconscious")]


# -- one patient


NOW = datetime.now(UTC)


def tied(**ties: Any) -> Principal:
    return replace(CLINICIAN, ties={P: Ties(CLINICIAN.organisation_id, **ties)})


@pytest.mark.parametrize(
    ("caller", "audit", "add", "until"),
    [
        (tied(treats=True), True, True, None),
        (tied(emergency_until=NOW + timedelta(hours=1)), False, False, NOW + timedelta(hours=1)),
        (tied(treats=True, emergency_until=NOW), True, True, None),
        (replace(tied(), role=Role.PATIENT, patient_id=P), True, True, None),
        (replace(tied(emergency_until=NOW), role=Role.AUDITOR), True, False, None),
        (CLINICIAN, False, False, None),
    ],
)
def test_a_patients_page_offers_what_the_caller_may(
    caller: Any, audit: bool, add: bool, until: Any, container: Any, shown: Any
) -> None:
    run(patients.one_patient(request(), container(patient="who"), caller, P))
    ((template, context, _),) = shown
    assert template == "patient.html"
    assert context["patient"] == "who"
    assert context["drugs"] == {drug: kinetics(drug).usual_dose for drug in drug_names()}
    assert (context["add"], context["until"]) == (add, until)
    assert context["audit"] is audit


def test_the_parts_of_a_patients_page_ask_what_they_show(
    container: Any, shown: Any, calls: Any, monkeypatch: Any
) -> None:
    overview = SimpleNamespace(case="case", insights=SimpleNamespace(tracking=("told",)))
    monkeypatch.setattr(patients, "changes_of", lambda *given: given)
    monkeypatch.setattr(patients, "overview_of", lambda given: {"overview": given})
    monkeypatch.setattr(patients, "what_if_section", lambda found: f"section of {found}")
    monkeypatch.setattr(patients, "visits", lambda entries, own: (entries, own))
    asked = container(
        overview=overview, reports=["r"], replayed=("replayed",), consents={"genomics": False},
        audit_trail=["a", "b"], what_if="found",
    )  # fmt: skip
    everything = Options(biometric_lookback_days=120)
    listed = Options(biometric_lookback_days=120, include_biometric_correlations=False)
    run(patients.changes(request(), asked, CLINICIAN, P))
    assert calls == [("overview", CLINICIAN, P, listed), ("reports", CLINICIAN, P, 1000)]
    template, context, _ = shown[-1]
    assert (template, context["patient_id"], context["shown"][:2]) == ("changes.html", P, (overview, ["r"]))
    assert abs(context["shown"][2] - datetime.now(UTC)) < timedelta(minutes=10)
    calls.clear()
    run(patients.insights(request(), asked, CLINICIAN, P))
    assert calls == [("overview", CLINICIAN, P, everything)]
    assert shown[-1][:2] == ("insights.html", {"patient_id": P, "add": False, "overview": overview})
    calls.clear()
    run(patients.tracking(request(), asked, CLINICIAN, P))
    assert calls == [("overview", CLINICIAN, P, listed), ("replayed", "case")]
    assert shown[-1][:2] == ("tracking.html", {"patient_id": P, "checks": ("told", "replayed")})
    calls.clear()
    run(patients.consents(request(), asked, CLINICIAN, P))
    meanings = {
        "genomics": "genetic results are shown, exported and used for advice",
        "research": "recorded for people who take data out for research",
        "sharing": "recorded for people who hand data to others",
    }
    known = {"patient_id": P, "categories": meanings, "decisions": {"genomics": False}, "may_decide": False}
    assert shown[-1][:2] == ("consents.html", known)
    calls.clear()
    run(patients.decide(request(), asked, CLINICIAN, P, "genomics", False))
    assert calls == [("decide", CLINICIAN, P, "genomics", False), ("consents", CLINICIAN, P)]
    calls.clear()
    run(patients.audit(request(), asked, CLINICIAN, P))
    assert calls == [("audit_trail", CLINICIAN, P, 200)]
    assert shown[-1][:2] == (
        "audit.html",
        {"patient_id": P, "visits": (["a", "b"], str(CLINICIAN.subject)), "entries": 2},
    )
    calls.clear()
    run(patients.what_if(request(), asked, CLINICIAN, P, RegimenBody(drug="sertraline", dose_mg=50)))
    assert calls == [("what_if", CLINICIAN, P, Regimen("sertraline", 50, 24, 8, 50, 0))]
    assert shown[-1][:2] == ("what_if.html", {"patient_id": P, "asked": "section of found"})


# -- logging in


def cookies(answer: Any) -> list[str]:
    return [value.decode() for name, value in answer.raw_headers if name == b"set-cookie"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://clinic.example"])
def test_a_login_begins_with_a_challenge_whose_verifier_waits_in_the_browser(url: str, container: Any) -> None:
    answer = run(login.begin(container(url), "/patients/abc-1"))
    place, _, query = answer.headers["location"].partition("?")
    asked = {name: value for name, (value,) in parse_qs(query).items()}
    (cookie,) = cookies(answer)
    name, _, rest = cookie.partition("=")
    verifier, _, to = rest.split(";")[0].strip('"').partition(":")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert (answer.status_code, place) == (303, "/oauth/authorize")
    assert asked == {
        "response_type": "code", "client_id": str(BUILTIN_CLIENT), "redirect_uri": f"{url}/callback",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    secure = url.startswith("https")
    assert name == ("__Host-novamind-login" if secure else "novamind-login")
    assert to.replace("\\057", "/") == "/patients/abc-1"
    assert ("Max-Age=600" in cookie, "Path=/" in cookie, "HttpOnly" in cookie, "SameSite=lax" in cookie) == (True,) * 4
    assert ("Secure" in cookie) is secure
    assert len(verifier) >= 43


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        ("/patients", True), ("/populations/a-1", True), ("/users", True), ("/account", True), ("/patients/a/b", True),
        ("/", False), ("/oauth/token", False), ("//evil", False), ("/patients/../x", False), ("/patientsx", False),
        ("/patients/A", False), ("https://evil.example/patients", False), ("/patients?x=1", False),
    ],
)  # fmt: skip
def test_a_login_leads_to_our_own_pages_alone(to: str, kept: bool, container: Any, calls: Any) -> None:
    kept_by = request(cookie=f'novamind-login="verifier:{to}"')
    answer = run(login.finish(kept_by, container(exchange_code_for_cookie="session"), "code"))
    assert (answer.status_code, answer.headers["location"]) == (303, to if kept else "/")
    assert calls == [("exchange_code_for_cookie", BUILTIN_CLIENT, "code", "verifier", "http://127.0.0.1:8000/callback")]
    session, waiting = cookies(answer)
    assert session.startswith("novamind=session; ")
    assert f"Max-Age={12 * 3600}" in session
    assert waiting.startswith('novamind-login=""; ')
    assert "Max-Age=0" in waiting
    (begun,) = cookies(run(login.begin(container(), to)))
    assert (f':{to}"' in begun or f":{to};" in begun) is (kept or to == "/")


def test_a_code_that_is_not_valid_is_a_page(container: Any, shown: Any) -> None:
    answer = run(login.finish(request(), container(exchange_code_for_cookie=GrantError("invalid_grant", "x")), "code"))
    said = {"title": "This login is no longer valid", "detail": "Log in again.", "errors": (), "login": True}
    assert shown == [("error.html", said, 400)]
    assert (answer.status_code, cookies(answer)) == (400, [])


def test_logging_out_ends_the_session_and_takes_the_cookie_away(container: Any, shown: Any, calls: Any) -> None:
    asked = request()
    asked.state.principal = CLINICIAN
    (cookie,) = cookies(run(login.leave(asked, container(), CLINICIAN)))
    assert calls == [("end", CLINICIAN)]
    assert asked.state.principal is None
    assert shown == [("logged_out.html", {}, 200)]
    assert cookie.startswith('novamind=""; ')
    assert "Max-Age=0" in cookie


@pytest.mark.parametrize(
    ("caller", "place"),
    [
        (CLINICIAN, "/patients"),
        (somebody(Role.PATIENT, patient_id=P), f"/patients/{P}"),
        (somebody(Role.PATIENT), "/patients"),
        (somebody(Role.CLINICIAN, patient_id=P), "/patients"),
        (somebody(Role.ANALYST), "/populations"),
        (somebody(Role.ADMIN), "/users"),
        (somebody(Role.AUDITOR, second_factor=False), "/account"),
    ],
)
def test_the_first_page_of_each(caller: Any, place: str) -> None:
    assert home_of(caller) == place
    answer = run(login.home(caller))
    assert (answer.status_code, answer.headers["location"]) == (303, place)


# -- account and users


def test_the_account_says_what_one_may_and_offers_passkeys(container: Any, shown: Any, calls: Any) -> None:
    asked = container(list=["key"], options_to_add={"a": 1})
    run(account.account(request(), asked, CLINICIAN))
    may = sorted(permission for permission in Permission if CLINICIAN.may(permission))
    known = {
        "caller": CLINICIAN,
        "may": may,
        "begun": None,
        "confirmed": False,
        "passkeys": ["key"],
        "options": '{"a": 1}',
    }
    assert shown == [("account.html", known, 200)]
    assert calls == [("list", CLINICIAN.subject), ("options_to_add", CLINICIAN)]
    for other, who in ((container(offered=False), CLINICIAN), (container(), somebody(Role.SERVICE))):
        run(account.account(request(), other, who))
        assert (shown[-1][1]["passkeys"], shown[-1][1]["options"]) == (None, "")


def test_a_second_factor_is_begun_and_confirmed(container: Any, shown: Any, monkeypatch: Any) -> None:
    async def begun(*_: Any) -> str:
        return "begun"

    async def done(*_: Any) -> None:
        return None

    monkeypatch.setattr(account, "begin_second_factor", begun)
    monkeypatch.setattr(account, "confirm_second_factor", done)
    asked = container(list=[], options_to_add={})
    run(account.begin(request(), asked, CLINICIAN))
    assert (shown[-1][1]["begun"], shown[-1][1]["confirmed"], shown[-1][1]["may"]) == ("begun", False, ())
    run(account.confirm(request(), asked, CLINICIAN, None))  # type: ignore[arg-type]
    assert (shown[-1][1]["begun"], shown[-1][1]["confirmed"]) == (None, True)


def test_what_is_done_with_accounts_leads_back_to_their_page(container: Any, calls: Any, monkeypatch: Any) -> None:
    did = Part(calls, {})
    for module, names in (
        (account, ("add_passkey", "remove_passkey")),
        (users, ("add_user", "begin_treatment", "end_treatment", "disable_user", "remove_second_factor")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(did, name))
    here = container()

    def led(work: Any) -> Any:
        answer = run(work)
        return answer.status_code, answer.headers["location"], calls.pop()

    add = led(account.add(here, CLINICIAN, {"id": 1}))
    assert add[:2] == (303, "/account")
    assert add[2][0] == "add_passkey"
    assert add[2][3].credential == {"id": 1}
    assert led(account.remove(here, CLINICIAN, P)) == (303, "/account", ("remove_passkey", here, CLINICIAN, P))
    assert led(users.register(here, CLINICIAN, "new")) == (303, "/users", ("add_user", here, CLINICIAN, "new"))  # type: ignore[arg-type]
    for how, name in (("begun", "begin_treatment"), ("ended", "end_treatment")):
        asked = users._Treatment(user_id=Q, patient_id=P, treatment=how)  # type: ignore[arg-type]
        assert led(users.treat(here, CLINICIAN, asked)) == (
            303,
            f"/users?treatment={how}",
            (name, here, CLINICIAN, Q, P),
        )
    assert led(users.disable(here, CLINICIAN, Q)) == (303, "/users", ("disable_user", here, CLINICIAN, Q))
    assert led(users.forget_second_factor(here, CLINICIAN, Q)) == (
        303,
        "/users",
        ("remove_second_factor", here, CLINICIAN, Q),
    )


def test_accounts_are_listed_fifty_at_a_time(container: Any, shown: Any, calls: Any, monkeypatch: Any) -> None:
    page = SimpleNamespace(items=["a"], next=Q)
    monkeypatch.setattr(users, "list_users", Part(calls, {"list_users": page}).list_users)
    here = container()
    run(users.accounts(request(), here, CLINICIAN, P, "begun"))
    assert calls == [("list_users", here, CLINICIAN, P, 50)]
    known = {"accounts": ["a"], "following": Q, "caller": CLINICIAN, "treatment": "begun"}
    assert shown == [("users.html", known, 200)]


# -- files


def upload_of(
    content: bytes, filename: str | None, here: Any, shown: str = "", *, confirmed: bool = False, **declared: str
) -> Any:
    async def read() -> bytes:
        return content

    file = SimpleNamespace(filename=filename, read=read)
    options = upload.Declared(**declared)
    return run(upload.upload(request(), here, CLINICIAN, P, file, options, shown, confirmed))  # type: ignore[arg-type]


SYMPTOMS = b"patient_id,timestamp,value,symptom\nx,2026-04-01T08:00:00,7,PHQ-9\nx,2026-04-02T08:00:00,70,PHQ-9\n"
SIGNALS = b"timestamp,signal,value,unit\n2026-04-01T07:00:00,sleep_duration,7.5,h\n"


def test_a_file_is_shown_and_then_stored_once_by_its_content(container: Any, shown: Any, calls: Any) -> None:
    who = PatientSummary(P, {}, {"timezone": "Europe/Berlin"})
    here = container(patient=who, permit_import=None, import_record={"symptom_report": 1, "medication": 0})
    once = hashlib.sha256(P.bytes + SYMPTOMS).hexdigest()
    notes = ["1 left out of PHQ-9: is off the scale of 0 to 27 (first: row 2)"]
    assert upload_of(SYMPTOMS, "Diary.CSV", here).status_code == 200
    ((template, context, _),) = shown
    assert (template, context["digest"], context["notes"], context["another"]) == (
        "upload_preview.html",
        once,
        notes,
        False,
    )
    assert context["understood"].zone == "Europe/Berlin"
    assert [call[0] for call in calls] == ["patient", "permit_import"]
    assert upload_of(SYMPTOMS, "Diary.CSV", here, once).status_code == 201
    assert shown[-1] == ("uploaded.html", {"patient": who, "stored": {"symptom report": 1}, "notes": notes}, 201)
    (_, caller, patient_id, record, key, more) = calls[-1]
    assert (caller, patient_id, key, more) == (CLINICIAN, P, once, {"name": "Diary.CSV", "anew": True, "export": ""})
    assert [key.name for key in record.symptoms.series] == ["PHQ-9"]
    assert upload_of(SYMPTOMS, "Diary.CSV", here, once, missing="8").status_code == 200  # read in another way


@pytest.mark.parametrize(("filename", "name"), [("../a/b.csv", "b.csv"), ("x" * 300 + ".csv", "x" * 196 + ".csv")])
def test_the_name_of_a_file_is_kept_short(container: Any, shown: Any, filename: str, name: str) -> None:
    upload_of(SYMPTOMS, filename, container(patient=PatientSummary(P, {}, {}), permit_import=None))
    assert shown[-1][1]["name"] == name


def test_fhir_that_cannot_be_read_is_told_issue_by_issue(container: Any, shown: Any) -> None:
    bundle = json.dumps({"resourceType": "Bundle", "entry": 3}).encode()
    with pytest.raises(FhirImportError) as caught:
        files.understand(bundle, "b.json", None, Settings(), upload.Declared().options())
    upload_of(bundle, "b.json", container(patient=PatientSummary(P, {}, {}), permit_import=None))
    ((template, context, status),) = shown
    assert (template, status, context["stored"]) == ("uploaded.html", 422, None)
    assert context["notes"] == [issue.diagnostics for issue in caught.value.outcome.issues]


def test_fhir_of_another_person_is_shown_as_such_and_stored_where_that_is_confirmed(
    container: Any, shown: Any, calls: Any
) -> None:
    value = {"resourceType": "Observation", "status": "final", "effectiveDateTime": "2024-03-01", "valueInteger": 9}
    value |= {"code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]}}
    bundle = json.dumps([{"resourceType": "Patient", "id": "x", "gender": "male"}, value]).encode()
    once = hashlib.sha256(P.bytes + bundle).hexdigest()

    def check(_who: Any, _patient: Any, claims: Any, *, confirmed: bool) -> bool:
        assert claims.gender == "male"
        if not confirmed:
            raise IdentityError("the data differ in sex")
        return True

    answers = {"patient": PatientSummary(P, {}, {}), "permit_import": None, "import_record": {"symptom_report": 1}}
    here = container(check_identity=check, **answers)
    for confirmed, sent, status in ((False, "", 200), (True, "", 200), (False, once, 409), (True, once, 201)):
        assert upload_of(bundle, "b.json", here, sent, confirmed=confirmed).status_code == status
        assert ("import_record" in [call[0] for call in calls]) == (status == 201)
    assert [context.get("differs") for _, context, _ in shown] == ["the data differ in sex"] * 3 + [None]
    assert not any("says whose it is" in note for _, context, _ in shown for note in context["notes"])
    upload_of(bundle, "b.json", container(check_identity=False, **answers))
    assert "says whose it is" in shown[-1][1]["notes"][-1]
    page = rendering.page(request(), "upload_preview.html", shown[0][1] | {"patient": PatientSummary(P, {}, {})})
    assert b'name="confirm_identity"' in page.body


def test_the_form_says_how_large_a_file_may_be(container: Any, shown: Any) -> None:
    run(upload.form(request(), container(patient="who"), CLINICIAN, P))
    kinds = ".csv,.tsv,.txt,.xlsx,.parquet,.pq,.json,.ndjson,.jsonl,.xml,.zip,.gz,.fit,.db,.vcf"
    assert shown == [("upload.html", {"patient": "who", "largest": 64, "kinds": kinds}, 200)]


def test_a_table_of_signals_is_one_of_a_wearable() -> None:
    understood = files.understand(SIGNALS, "watch.csv", "Europe/Berlin", Settings(), upload.Declared().options())
    assert [(series.name, series.kind, series.unit) for series in understood.series] == [
        ("sleep_duration", "signal", "min")
    ]


@pytest.mark.parametrize("name", ["notes.exe", "notes", "", "notes.doc"])
def test_a_kind_of_file_that_is_not_read_is_named(name: str) -> None:
    with pytest.raises(ValidationError, match=r"this kind of file is not read; send one of \.csv, \.tsv, .*\.vcf"):
        files.understand(SYMPTOMS, name, None, Settings(), upload.Declared().options())


def test_a_file_holds_one_person() -> None:
    two = b"patient_id,timestamp,PHQ-9\na,2026-04-01,3\nb,2026-04-02,4\n"
    with pytest.raises(ValidationError, match="several persons; send one person's, or say whose are read"):
        files.understand(two, "two.csv", None, Settings(), upload.Declared().options())
    assert files.understand(two, "two.csv", None, Settings(), upload.Declared(person="b").options()).persons == ("b",)


def test_what_is_declared_about_a_table() -> None:
    declared = upload.Declared(
        dates="de", columns="timestamp = Datum\n\nPHQ-9=Summe\n", missing="999, -9", person=" a "
    )
    assert declared.options() == {
        "dates": "de", "mapping": {"timestamp": "Datum", "PHQ-9": "Summe"}, "missing": ("999", "-9"), "patient_id": "a",
    }  # fmt: skip
    assert upload.Declared(sheet=" ").options() == {}
    genotype = upload.Declared(sample=" S ", absent="reference")
    assert genotype.options() == {"sample": "S", "absent_is_reference": True}
    with pytest.raises(ValidationError, match="one a line"):
        upload.Declared(columns="Datum").options()


def test_many_reasons_are_counted() -> None:
    left_out = tuple(SimpleNamespace(what=f"s{i}", reason="why", count=i, first_row=None) for i in range(1, 26))
    lines = files.left_out(SimpleNamespace(left_out=left_out), upload._MOST_NOTES)  # type: ignore[arg-type]
    assert (len(lines), lines[0], lines[-1]) == (21, "1 left out of s1: why", "5 more reasons")


# -- populations


def test_what_breaks_a_rule_beside_a_file_is_named() -> None:
    class Form(pydantic.BaseModel):
        a: int
        b: int

    assert populations._checked(Form, a=1, b=2) == Form(a=1, b=2)
    with pytest.raises(ValidationError, match=r"^not as it should be: a, b$"):
        populations._checked(Form, b="x", a="y")


def test_outcomes_are_numbers_of_one_column() -> None:
    assert populations._outcomes(b"actual,x\n1.5,a\n,b\n2,c\n") == [1.5, None, 2.0]
    for wrong in (b"other\n1\n", b"actual\nmany\n"):
        with pytest.raises(
            ValidationError, match="send CSV with a column 'actual', one row for each twin in their order"
        ):
            populations._outcomes(wrong)


def test_pages_of_populations_show_what_the_store_holds(
    container: Any, shown: Any, calls: Any, monkeypatch: Any
) -> None:
    class Kept:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            return lambda *given, **named: SimpleNamespace(
                told=(name, *given, named), population_id=P, target=SimpleNamespace(name="rx")
            )

    monkeypatch.setattr(populations, "twin_repository", lambda *_: Kept())
    monkeypatch.setattr(populations, "PopulationBody", SimpleNamespace(of=lambda one: ("described", one.told)))
    monkeypatch.setattr(
        populations, "draw", lambda *given: SimpleNamespace(population_id=(Q, *given[1:])[0], given=given)
    )
    monkeypatch.setattr(populations, "try_campaign", lambda *given: (None, ("tried", *given[1:])))
    monkeypatch.setattr(populations, "grade", lambda *given: ("graded", *given[1:]))
    monkeypatch.setattr(population_plots, "effects", lambda given: f"effects of {given[0]}")
    monkeypatch.setattr(symptom_plots, "to_svg", lambda chart: f"<svg>{chart}</svg>")
    here = container(status="stands")

    def told(value: Any) -> Any:
        return value.told

    run(populations.overview(request(), here))
    assert shown[-1][0] == "populations.html"
    assert told(shown[-1][1]["models"]) == ("list_models", {})
    assert shown[-1][1]["twin_types"] == list(populations.TwinType)
    run(populations.job(request(), here, CLINICIAN, P))
    assert shown[-1][:2] == ("job.html", {"job": "stands"})
    assert calls == [("status", P, CLINICIAN.subject)]
    run(populations.model(request(), here, P))
    template, context, _ = shown[-1]
    assert (template, context["model_id"], context["most"]) == ("model.html", P, populations.MOST_TWINS)
    assert (told(context["model"]), told(context["populations"])) == (
        ("load_model", P, {}),
        ("list_populations", P, {}),
    )
    answer = run(populations.draw_population(here, P, 50))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/populations/{Q}")
    run(populations.one_population(request(), here, P))
    template, context, _ = shown[-1]
    assert (template, context["population"], context["target"]) == (
        "population.html",
        ("described", ("load_population", P, {})),
        "rx",
    )
    assert told(context["tried"]) == ("list_simulations", P, {})
    assert told(context["grades"]) == ("fidelity_snapshots", {"population_id": P})
    assert (context["campaigns"], context["shown_twins"]) == (list(populations.InterventionType), 8)
    run(populations.simulate(request(), here, P, "campaign"))  # type: ignore[arg-type]
    template, context, _ = shown[-1]
    assert (template, context["population_id"], context["result"]) == ("simulation.html", P, ("tried", P, "campaign"))
    assert (context["picture"], told(context["tried"])) == ("<svg>effects of tried</svg>", ("list_simulations", P, {}))


@pytest.mark.parametrize(("grades", "picture"), [(1, None), (2, "<svg>2</svg>")])
def test_grades_are_drawn_from_the_second_on(
    grades: int, picture: Any, container: Any, shown: Any, monkeypatch: Any
) -> None:
    kept = SimpleNamespace(fidelity_snapshots=lambda population_id: [population_id] * grades)
    monkeypatch.setattr(populations, "twin_repository", lambda *_: kept)
    monkeypatch.setattr(populations, "grade", lambda *given: given[1:])
    monkeypatch.setattr(population_plots, "fidelity", len)
    monkeypatch.setattr(symptom_plots, "to_svg", lambda chart: f"<svg>{chart}</svg>")

    async def content() -> bytes:
        return b"actual\n1\n"

    run(populations.grade_population(request(), container(), P, SimpleNamespace(read=content)))  # type: ignore[arg-type]
    template, context, _ = shown[-1]
    assert (template, context["population_id"], context["picture"]) == ("fidelity.html", P, picture)
    assert (context["report"][0], context["report"][1].actual) == (P, [1.0])


# -- what every page has


def page(principal: Principal | None, path: str = "/x", **headers: str) -> Any:
    asked = request(path, **headers)
    asked.state.principal = principal
    return rendering.page(asked, "logged_out.html", {}, 203, {"X-Other": "1"})


def test_a_page_knows_its_caller_and_where_they_may_go() -> None:
    whole = page(CLINICIAN, "/patients")
    text = bytes(whole.body).decode()
    assert (whole.status_code, whole.headers["x-other"]) == (203, "1")
    assert (whole.headers["referrer-policy"], whole.headers["vary"]) == ("same-origin", "x-fragment")
    assert "<html" in text
    assert ('href="/patients"' in text, 'href="/populations"' in text, 'href="/users"' in text) == (True, False, False)
    analyst = bytes(page(somebody(Role.ANALYST)).body).decode()
    assert ('href="/populations"' in analyst, 'href="/patients"' in analyst) == (True, False)
    assert 'href="/users"' in bytes(page(somebody(Role.ADMIN)).body).decode()
    assert "clinician" in text
    assert "clinician" not in bytes(page(None).body).decode()


def test_the_script_gets_the_inside_of_a_page_alone() -> None:
    assert "<html" not in bytes(page(CLINICIAN, x_fragment="1").body).decode()


# -- errors in words


async def answered(
    status: int, accept: str = "text/html", method: str = "GET", kind: str = "application/problem+json", **headers: str
) -> Any:
    body = json.dumps(
        {"title": "Teapot", "status": status, "detail": "so it is", "errors": [{"location": "a", "problem": "b"}]}
    )

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        raw = [
            (b"content-type", kind.encode()),
            (b"content-length", b"99"),
            (b"x-request-id", b"7"),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body[:20].encode(), "more_body": True})
        await send({"type": "http.response.body", "body": body[20:].encode()})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(b"accept", accept.encode()), *((n.replace("_", "-").encode(), v.encode()) for n, v in headers.items())]
    scope = {
        "type": "http",
        "method": method,
        "path": "/patients/a b",
        "headers": raw,
        "query_string": b"",
        "state": {},
    }
    await error_pages.ErrorPages(app)(scope, None, send)  # type: ignore[arg-type]
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, b"".join(one.get("body", b"") for one in sent[1:]).decode()


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (401, "Please log in"), (403, "This is not open to you"), (404, "There is nothing here"),
        (405, "This cannot be done here"), (413, "This file is too large"), (422, "This cannot be used as it is"),
        (429, "Too many requests"), (500, "Something went wrong here"), (503, "This does not answer now"),
        (418, "Teapot"),
    ],
)  # fmt: skip
def test_each_problem_has_a_title_in_words(status: int, title: str) -> None:
    found, headers, text = run(answered(status, method="POST"))
    assert found == status
    assert f"<h1>{title}</h1>" in text
    assert "So it is" in text
    assert re.search(r"a</\w+>: b|<li>a: b|a: b", re.sub(r"</?(code|strong)>", "", text))
    assert headers["content-type"].startswith("text/html")
    assert (headers["x-request-id"], headers["cache-control"]) == ("7", "no-store")
    assert headers["content-length"] == str(len(text.encode()))
    assert ('href="/login' in text) is (status == 401)


def test_who_is_not_logged_in_is_led_to_the_login_and_back() -> None:
    status, headers, _ = run(answered(401))
    assert (status, headers["location"]) == (303, "/login?to=%2Fpatients%2Fa+b")
    assert run(answered(401, x_fragment="1"))[0] == 401
    assert run(answered(403))[0] == 403


@pytest.mark.parametrize("options", [{"accept": "application/json"}, {"accept": ""}, {"kind": "application/json"}])
def test_programs_and_other_answers_are_left_as_they_are(options: dict[str, str]) -> None:
    status, headers, text = run(answered(404, **options))
    assert (status, headers["content-length"]) == (404, "99")
    assert json.loads(text)["title"] == "Teapot"


# -- static files


def test_static_files_have_their_types_and_are_kept_by_their_tag() -> None:
    types = {"/static/app.css": "text/css", "/static/app.js": "text/javascript", "/static/icon.svg": "image/svg+xml"}
    assert set(static_files.PATHS) == {*types, "/favicon.ico"}
    for path, kind in (types | {"/favicon.ico": "image/svg+xml"}).items():
        answer = run(static_files._file(request(path)))
        assert answer.headers["content-type"].split(";")[0] == kind
        assert answer.headers["cache-control"] == "no-cache"
        tag = answer.headers["etag"]
        assert tag == f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
        again = run(static_files._file(request(path, if_none_match=tag)))
        assert (again.status_code, again.body, again.headers["etag"]) == (304, b"", tag)
        assert run(static_files._file(request(path, if_none_match="other"))).status_code == 200


def test_an_export_that_grows_is_stored_as_one(container: Any, calls: Any) -> None:
    apple = (
        b'<HealthData><Record type="HKQuantityTypeIdentifierStepCount" unit="count" value="5" '
        b'startDate="2024-05-01 08:00:00 +0200" endDate="2024-05-01 08:10:00 +0200"/></HealthData>'
    )
    here = container(patient=PatientSummary(P, {}, {}), permit_import=None, import_record={"biometric_samples": 1})
    digest = hashlib.sha256(P.bytes + apple).hexdigest()
    assert upload_of(apple, "export.xml", here, digest).status_code == 201
    assert calls[-1][-1]["export"] == "wearable export: Apple Health"
