"""Pages over HTTP: who gets in, who sees what, what is told to the audit, what every answer carries."""

import asyncio
import json
import re
import time
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from novamind.server.dashboard.routes import PAGES
from tests.dashboard.conftest import Person
from tests.patience import patient
from tests.server.world import BASE, World, routes_of
from tests.uploads import shown_in, store

ABOUT_ONE = ("", "/changes", "/insights", "/tracking", "/consents", "/audit", "/upload", "/record")
FORBIDDEN = re.compile(r"<script(?![^>]*\ssrc=\"/static/)|<style|\sstyle=|\son\w+=|javascript:|(src|action)=\"https?:")
SCRIPT = "<script>window.pwned=1</script>"
IMAGE = '"><img src=x onerror="window.pwned=1">'


def routes() -> list[tuple[str, str]]:
    return [(method, route.path) for pages in PAGES for route in pages.routes for method in route.methods]


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", str(uuid4()), path)


def visible_twins(text: str) -> str:
    """The page without what differs by address."""
    return re.sub(r"[0-9a-f-]{36}", "ID", text)


# --- getting in and out ---------------------------------------------------------------------------------------------


def test_logging_in_leads_to_the_page_that_was_asked_for(person: Any, world: World) -> None:
    somebody = person("C11")
    assert somebody.landed.headers["location"] == "/"
    assert somebody.get("/").headers["location"] == "/patients"
    cookies = somebody.landed.headers.get_list("set-cookie")
    assert all("HttpOnly" in one and "SameSite=lax" in one for one in cookies)
    wanted = f"/patients/{world.patients['P1']}"
    assert Person(world).log_in("C11", wanted).headers["location"] == wanted


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example/patients", "/patients/../../x", "/oauth/token"]
)
def test_a_login_leads_nowhere_else(person: Any, to: str) -> None:
    assert person().log_in("C11", to).headers["location"] == "/"


def test_a_code_of_another_browser_gives_no_session(person: Any, world: World) -> None:
    begun = person().get("/login")
    victim = person()
    victim.get("/login")
    asked = dict(victim.world.run(victim.client.get(begun.headers["location"])).url.params)
    form = {name: asked[name] for name in ("client_id", "redirect_uri", "code_challenge")}
    form |= {"username": "C12", "password": world.passwords["C12"]}
    led = person().post("/oauth/authorize", data=form)
    forged = victim.get(led.headers["location"])
    assert forged.status_code == 400
    assert "Log in again" in forged.text
    assert victim.get("/patients").status_code == 303


def test_nobody_gets_in_without_a_session(person: Any) -> None:
    stranger = person()
    for method, path in routes():
        if path in ("/login", "/callback"):
            continue
        if method == "GET":
            answer = stranger.get(filled(path))
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login?to="), path
        else:
            answer = stranger.post(filled(path))
            assert answer.status_code == 401, path
            assert "Log in" in answer.text


def test_the_session_ends_at_once(person: Any) -> None:
    somebody = person("C12")
    kept = dict(somebody.client.cookies)
    assert somebody.post("/logout").status_code == 200
    somebody.client.cookies.update(kept)
    assert somebody.get("/patients").headers["location"].startswith("/login")


def test_setting_up_a_second_factor(person: Any, world: World) -> None:
    import pyotp

    from novamind.infrastructure.identity.domain import Role

    world.add_user("C13", Role.CLINICIAN, world.organisations[0])
    somebody = person("C13")
    assert "clinician" in somebody.get("/account").text
    begun = somebody.post("/account/second-factor").text
    secret = re.search(r"<code>([A-Z2-7]+)</code>", begun).group(1)  # type: ignore[union-attr]
    wrong = somebody.post("/account/second-factor/confirm", data={"code": "abc"})
    assert wrong.status_code == 422
    right = somebody.post("/account/second-factor/confirm", data={"code": pyotp.TOTP(secret).now()})
    assert "counts from now on" in right.text


# --- who sees what --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["C12", "C21", "admin", "researcher"])
def test_anothers_patient_looks_like_none(person: Any, world: World, who: str) -> None:
    somebody, drug = person(who), {"drug": "sertraline", "dose_mg": "50"}
    for path in ABOUT_ONE:
        theirs = somebody.get(f"/patients/{world.patients['P1']}{path}")
        nobodys = somebody.get(f"/patients/{uuid4()}{path}")
        assert theirs.status_code == nobodys.status_code, path
        assert theirs.status_code in (403, 404)
        assert visible_twins(theirs.text) == visible_twins(nobodys.text)
    for path, form in (("/what-if", {"data": drug}), ("/upload", {"files": {"file": ("a.csv", b"x")}})):
        theirs = somebody.post(f"/patients/{world.patients['P1']}{path}", **form)
        nobodys = somebody.post(f"/patients/{uuid4()}{path}", **form)
        assert theirs.status_code == nobodys.status_code
        assert theirs.status_code in (403, 404)
        assert visible_twins(theirs.text) == visible_twins(nobodys.text)


def test_the_two_realms_exclude_each_other(person: Any, world: World) -> None:
    analyst, clinician = person("analyst"), person("C11")
    assert analyst.get("/").headers["location"] == "/populations"
    for path in ("/patients", *(f"/patients/{world.patients['P1']}{part}" for part in ABOUT_ONE)):
        assert analyst.get(path).status_code in (403, 404), path
    for method, path in routes():
        if path.startswith("/populations"):
            answer = clinician.get(filled(path)) if method == "GET" else clinician.post(filled(path))
            assert answer.status_code in (403, 422), path
            assert world.canaries[0] not in answer.text
    assert clinician.get("/populations").status_code == 403


def test_the_list_holds_whom_one_treats(person: Any, world: World) -> None:
    shown = person("C11").get("/patients").text
    assert all(f"/patients/{world.patients[name]}" in shown for name in ("P1", "P2"))
    assert not any(world.patients[name] in shown for name in ("P3", "P4"))


def test_a_patient_sees_their_own_record_alone(person: Any, world: World) -> None:
    own = person("P1-self")
    assert own.get("/").headers["location"] == f"/patients/{world.patients['P1']}"
    assert own.get(f"/patients/{world.patients['P1']}").status_code == 200
    assert own.get(f"/patients/{world.patients['P2']}").status_code == 404


def test_search_finds_by_name_and_identifier_and_no_name_stands_in_an_address(person: Any, world: World) -> None:
    somebody = person("C11")
    patient = world.call("GET", f"/api/v1/patients/{world.patients['P2']}", "C11").json()
    for words in (patient["details"]["name"].lower(), patient["identifiers"]["mrn"][-16:]):
        found = somebody.post("/patients/search", data={"words": words})
        assert found.status_code == 200
        assert world.patients["P2"] in found.text
        assert world.patients["P1"] not in found.text
        assert words not in str(found.url)
    assert "None of your patients matches" in somebody.post("/patients/search", data={"words": "zzz"}).text


def test_every_look_and_every_refusal_is_in_the_audit(person: Any, world: World) -> None:
    somebody, at = person("C11"), f"/patients/{world.patients['P1']}"
    before = len(world.audited())
    somebody.get(f"{at}/insights")
    looked = [one for one in world.audited()[before:] if one["actor"] != "twin"]  # which remembers what it said
    assert {one["actor"] for one in looked} == {str(world.users["C11"])}
    assert {"symptom_report", "medication", "genotype"} <= {one["what"] for one in looked}
    before = len(world.audited(outcome="denied"))
    person("C12").get(f"{at}/insights")
    assert world.audited(outcome="denied")[before:]
    trail = somebody.get(f"{at}/audit").text
    assert "you" in trail
    assert "symptom report" in trail
    assert "denied" in trail


def test_somebody_is_registered_and_found_by_number(person: Any, world: World) -> None:
    somebody, number = person("C11"), f"R-{uuid4().hex}"
    form = {"name": "New Person", "birth_date": "1990-02-28", "gender": "", "record_number": number, "timezone": ""}
    made = somebody.post("/patients", data=form)
    assert made.status_code == 303, made.text
    patient_id = made.headers["location"].rpartition("/")[2]
    stored = world.call("GET", f"/api/v1/patients/{patient_id}", "C11").json()
    details = {name: text for name, text in stored["details"].items() if text is not None}
    assert details == {"name": "New Person", "birth_date": "1990-02-28"}
    assert patient_id in somebody.post("/patients/search", data={"words": number}).text
    for wrong in ({"birth_date": "yesterday"}, {"name": ""}, {"timezone": "Europe/Nowhere"}, {"role": "admin"}):
        refused = somebody.post("/patients", data=form | wrong)
        assert refused.status_code == 422, wrong
        assert number not in refused.text
    for who in ("admin", "researcher", "P1-self"):
        assert person(who).post("/patients", data=form).status_code == 403
    assert "Register a patient" not in person("P1-self").get("/patients").text


def test_an_administrator_begins_and_ends_a_treatment(person: Any, world: World) -> None:
    admin, patient = person("admin"), world.patients["P3"]
    form = {"user_id": str(world.users["C11"]), "patient_id": patient}
    at = f"/api/v1/patients/{patient}"
    for treatment, status in (("begun", 200), ("ended", 404)):
        done = admin.post("/users/treatments", data=form | {"treatment": treatment})
        assert done.headers["location"] == f"/users?treatment={treatment}"
        assert f"The treatment has {treatment}" in admin.get(done.headers["location"]).text
        assert world.call("GET", at, "C11").status_code == status
    begin = form | {"treatment": "begun"}
    for other in ({"user_id": str(world.users["C21"])}, {"patient_id": world.patients["P4"]}):
        assert admin.post("/users/treatments", data=begin | other).status_code == 404
    assert admin.post("/users/treatments", data=form | {"treatment": "x"}).status_code == 422
    assert person("C11").post("/users/treatments", data=begin).status_code == 403
    assert world.call("GET", at, "C11").status_code == 404


# --- what every answer carries --------------------------------------------------------------------------------------


def pages_of(world: World) -> dict[str, tuple[str, ...]]:
    at = f"/patients/{world.patients['P1']}"
    return {
        "C11": ("/patients", "/account", *(f"{at}{part}" for part in ABOUT_ONE), "/patients/nobody"),
        "analyst": ("/populations", "/account"),
        "admin": ("/users", "/account"),
    }


@pytest.mark.parametrize("who", ["C11", "analyst", "admin"])
def test_no_page_needs_anything_that_the_policy_forbids(person: Any, world: World, who: str) -> None:
    somebody = person(who)
    for path in pages_of(world)[who]:
        answer = somebody.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        tags = " ".join(re.findall(r"<[^>]*>", answer.text))  # names hold anything, as text
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)|<style|\sstyle=|\son\w+=|javascript:", tags), path
        assert not re.search(r"(src|action)=\"https?:", answer.text), path
        assert answer.text.count("<h1") == 1, path


def test_what_somebody_wrote_is_text(person: Any, world: World) -> None:
    body = {"name": SCRIPT, "identifiers": {"mrn": IMAGE}, "gender": "other"}
    made = world.call("POST", "/api/v1/patients", "C11", json=body)
    patient_id = made.json()["ids"][0]
    for drug in (SCRIPT, IMAGE):
        course = {"medication": drug, "start": "2026-01-01"}
        assert world.call("POST", f"/api/v1/patients/{patient_id}/medications", "C11", json=course).status_code == 201
    named = {"symptom": "PHQ-9", "timestamp": "2026-03-01T08:00:00+01:00", "value": 3}
    world.call("POST", f"/api/v1/patients/{patient_id}/reports", "C11", json={"reports": [named]})
    somebody = person("C11")
    found = somebody.post("/patients/search", data={"words": SCRIPT})
    for text in (found.text, *(somebody.get(f"/patients/{patient_id}{part}").text for part in ABOUT_ONE)):
        assert SCRIPT not in text
        assert "<img src=x" not in text
    assert "&lt;script&gt;" in found.text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_forms_of_other_sites_are_refused(person: Any, world: World, origin: str | None) -> None:
    somebody, at = person("C11"), f"/patients/{world.patients['P1']}"
    file = {"file": ("reports.csv", b"timestamp,value,symptom\n2026-04-01T08:00:00,7,PHQ-9\n")}
    before = reports_of(world, world.patients["P1"])
    assert somebody.post(f"{at}/upload", origin, files=file).status_code in (401, 403)
    assert somebody.post("/logout", origin).status_code in (401, 403)
    assert somebody.get("/patients").status_code == 200
    assert reports_of(world, world.patients["P1"]) == before


def test_an_error_is_words_for_people_and_a_problem_for_programs(person: Any, world: World) -> None:
    somebody = person("C11")
    shown = somebody.get(f"/patients/{uuid4()}")
    assert shown.status_code == 404
    assert shown.headers["content-type"].startswith("text/html")
    assert "there is no patient of this id" in shown.text.lower()
    assert "Log out" in shown.text
    part = somebody.get(f"/patients/{uuid4()}/insights", headers={"X-Fragment": "1"})
    assert "<html" not in part.text
    assert 'role="alert"' in part.text
    for_programs = world.call("GET", f"/api/v1/patients/{uuid4()}", "C11")
    assert for_programs.headers["content-type"] == "application/problem+json"


def test_static_files_are_public_and_kept(person: Any) -> None:
    stranger = person()
    for path in ("/static/app.css", "/static/app.js", "/static/icon.svg", "/favicon.ico"):
        answer = stranger.get(path)
        assert answer.status_code == 200
        again = stranger.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    assert stranger.get("/static/../app.py").status_code in (303, 404)


# --- what is on them ------------------------------------------------------------------------------------------------


def test_the_patient_page_says_what_it_rests_on(person: Any, world: World) -> None:
    somebody, at = person("C11"), f"/patients/{world.patients['P1']}"
    shown = somebody.get(f"{at}/insights").text
    for words in (
        "symptoms-compact",
        "95 %",
        "Reliability",
        "normal metaboliser = 1",
        "No leading signal can be named:",
    ):
        assert words in shown.replace("\xa0", " "), words
    assert "Data quality" in shown
    assert "28 of 28 (100" in shown
    assert "The record ends" in shown  # reports are of March
    assert "replayed from" in somebody.get(f"{at}/tracking").text
    asked = {"drug": "venlafaxine", "dose_mg": "75", "interval_hours": "12", "weeks": "2"}
    simulated = somebody.post(f"{at}/what-if", data=asked).text.replace("\xa0", " ")
    assert "75 mg every 12 h" in simulated
    assert "90 % band" in simulated
    assert "Not known:" in simulated
    refused = somebody.post(f"{at}/what-if", data=asked | {"dose_mg": "-3"})
    assert refused.status_code == 422
    assert "dose_mg" in refused.text


def test_an_empty_record_says_why_there_is_nothing(person: Any, world: World) -> None:
    made = world.call("POST", "/api/v1/patients", "C11", json={"name": "New Person"})
    at = f"/patients/{made.json()['ids'][0]}"
    somebody = person("C11")
    shown = somebody.get(f"{at}/insights")
    assert shown.status_code == 200
    assert "the record holds no symptom reports" in shown.text
    assert "the record holds no signals" in shown.text
    assert "No forecast can be checked" in somebody.get(f"{at}/tracking").text
    assert "No forecast" in somebody.get(f"{at}/changes").text


# --- files ----------------------------------------------------------------------------------------------------------


def new_patient(world: World) -> str:
    return str(world.call("POST", "/api/v1/patients", "C11", json={"name": "Somebody"}).json()["ids"][0])


def reports_of(world: World, patient_id: str) -> list[dict[str, Any]]:
    return world.call("GET", f"/api/v1/patients/{patient_id}/reports", "C11").json()["items"]


def upload(somebody: Any, patient_id: str, file: Any, **declared: str) -> Any:
    at = f"/patients/{patient_id}/upload"
    return store(lambda data: somebody.post(at, files=file, data=declared | data))


def test_nothing_is_stored_before_it_was_shown(person: Any, world: World) -> None:
    somebody, patient_id = person("C11"), new_patient(world)
    at = f"/patients/{patient_id}/upload"
    german = "\ufeffDatum;PHQ-9;Laune <b>\r\n01.04.2026;7,0;3\r\n02.04.2026;99,0;4\r\n13.04.2026;8,0;5\r\n".encode()
    file = {"file": ("Tagebuch <b>.csv", german)}
    page = somebody.post(at, files=file)
    assert page.status_code == 200
    assert reports_of(world, patient_id) == []
    for words in (
        "Nothing is stored yet", "Tagebuch &lt;b&gt;.csv", "Laune &lt;b&gt;", "numbers are read with a decimal comma",
        "times of &#39;Datum&#39;: day first (31.12.2025)", "1 left out of PHQ-9: is off the scale of 0 to 27",
    ):  # fmt: skip
        assert words in page.text, words
    another = {"file": ("Tagebuch.csv", german.replace(b"7,0", b"9,0"))}
    page = somebody.post(at, files=another, data={"shown": shown_in(page.text)})
    assert (page.status_code, reports_of(world, patient_id)) == (200, [])
    assert "another file, or is read in another way" in page.text
    stored = somebody.post(at, files=another, data={"shown": shown_in(page.text)})
    assert stored.status_code == 201
    assert sorted(one["value"] for one in reports_of(world, patient_id) if one["symptom"] == "PHQ-9") == [8, 9]


def test_what_a_table_does_not_say_is_declared(person: Any, world: World) -> None:
    somebody, patient_id = person("C11"), new_patient(world)
    file = {"file": ("diary.csv", b"id;when;score\na;01.02.2026;7\na;02.02.2026;-9\nb;03.02.2026;9\n")}
    refused = upload(somebody, patient_id, file)
    assert refused.status_code == 422
    assert "declare the form of the dates" in refused.text
    declared = {"dates": "de", "instrument": "phq9", "columns": "timestamp=when\nvalue=score", "missing": "-9, 99"}
    assert "several persons" in upload(somebody, patient_id, file, **declared).text
    assert upload(somebody, patient_id, file, **declared, person="a").status_code == 201
    assert [(one["symptom"], one["value"]) for one in reports_of(world, patient_id)] == [("PHQ-9", 7)]
    assert "timestamp=Datum, one a line" in upload(somebody, patient_id, file, columns="when").text


def test_genes_of_an_array_are_shown_by_their_names(person: Any, world: World) -> None:
    somebody, patient_id = person("C11"), new_patient(world)
    panel = b"gene\tdiplotype\nCYP2C19\t*1/*2\n"
    page = somebody.post(f"/patients/{patient_id}/upload", files={"file": ("panel.tsv", panel)})
    assert "Genes: CYP2C19 *1/*2." in page.text


def test_a_symptom_table_is_stored_once(person: Any, world: World) -> None:
    somebody, patient_id = person("C11"), new_patient(world)
    rows = "".join(f"export-17,2026-04-{day:02d}T08:00:00,{day % 20},GAD-7\n" for day in range(1, 21))
    file = {"file": ("reports.csv", f"patient_id,timestamp,value,symptom\n{rows}".encode())}
    for _ in range(2):
        sent = upload(somebody, patient_id, file)
        assert sent.status_code == 201, sent.text
        assert "20 symptom report" in sent.text
    assert len(reports_of(world, patient_id)) == 20
    other = new_patient(world)
    assert upload(somebody, other, file).status_code == 201
    assert len(reports_of(world, other)) == 20


def test_a_wearable_table_and_a_bundle_are_stored(person: Any, world: World) -> None:
    somebody, patient_id = person("C11"), new_patient(world)
    rows = "".join(f"2026-04-{day:02d}T07:00:00+02:00,sleep_duration,7.5,h\n" for day in range(1, 21))
    file = {"file": ("watch.csv", f"timestamp,signal,value,unit\n{rows}".encode())}
    sent = upload(somebody, patient_id, file)
    assert sent.status_code == 201, sent.text
    assert "biometric samples" in sent.text
    code = {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]}
    observation = {"resourceType": "Observation", "status": "final", "code": code, "valueQuantity": {"value": 12}}
    observation |= {"subject": {"reference": "Patient/a"}, "effectiveDateTime": "2026-04-03"}
    entries = [{"resource": {"resourceType": "Patient", "id": "a"}}, {"resource": observation}]
    bundle = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    sent = upload(somebody, patient_id, {"file": ("bundle.json", bundle)})
    assert sent.status_code == 201, sent.text
    assert [one["symptom"] for one in reports_of(world, patient_id)] == ["PHQ-9"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("notes.exe", b"MZ", "this kind of file is not read"),
        ("two.csv", b"patient_id,timestamp,value\na,2026-04-01,3\nb,2026-04-02,4\n", "several persons"),
        ("bad.csv", b"timestamp,value\n2026-04-01,many\n", "is not a number"),
        ("empty.json", b"{", "cannot be"),
        ("bundle.json", b'{"resourceType": "Bundle", "entry": 3}', "cannot be read as it is"),
        ("bomb.zip", b"PK\x03\x04nothing", "zip"),
        ("<img src=x onerror=alert(1)>.csv", b"\xff\xfe\x00", ""),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(
    person: Any, world: World, name: str, content: bytes, says: str
) -> None:
    somebody, patient_id = person("C11"), new_patient(world)
    sent = somebody.post(f"/patients/{patient_id}/upload", files={"file": (name, content)})
    assert sent.status_code == 422, sent.text
    assert says.lower() in sent.text.lower()
    assert "<img src=x" not in sent.text
    assert "Traceback" not in sent.text
    assert reports_of(world, patient_id) == []


# --- populations ----------------------------------------------------------------------------------------------------


def table(rows: int = 1000) -> bytes:
    rng = np.random.default_rng(3)
    decile = rng.integers(1, 11, rows)
    change = 0.3 * decile + rng.standard_normal(rows)
    columns = {"decile": decile, "region": rng.choice(["<b>north</b>", "south"], rows), "prescribing_change": change}
    return pl.DataFrame(columns).write_csv().encode()


def test_an_analyst_trains_generates_simulates_compares_and_grades(person: Any, world: World) -> None:
    analyst = person("analyst")
    stated = {"twin_type": "hcp", "brand": "kisqali"}
    assert (
        analyst.post("/populations/models", data=stated | {"brand": "<b>"}, files={"table": table()}).status_code == 422
    )
    sent = analyst.post("/populations/models", data=stated, files={"table": ("t.csv", table())})
    assert sent.status_code == 303, sent.text
    job = sent.headers["location"]
    deadline = time.monotonic() + patient(40)
    shown = ""
    while time.monotonic() < deadline:
        shown = analyst.get(job).text
        if "To the model" in shown or "Not trained" in shown:
            break
        world.run(asyncio.sleep(0.2))
    model = re.search(r"/populations/models/[0-9a-f-]{36}", shown).group()  # type: ignore[union-attr]
    assert model in analyst.get("/populations").text
    assert "Coverage of 95" in analyst.get(model).text
    drawn = analyst.post(f"{model}/populations", data={"n": "50", "seed": "1"})
    assert drawn.status_code == 303, drawn.text
    population = drawn.headers["location"]
    assert "50 twins" in analyst.get(population).text
    for campaign in ("email_campaign", "peer_to_peer_referral"):
        tried = analyst.post(f"{population}/simulations", data={"intervention_type": campaign})
        assert tried.status_code == 200, tried.text
        assert "assumed" in tried.text
    assert "email campaign" in tried.text  # beside the other
    came = b"actual\n" + b"\n".join(b"%.2f" % (0.1 * i) for i in range(50)) + b"\n"
    graded = analyst.post(f"{population}/fidelity", files={"outcomes": ("o.csv", came)})
    assert graded.status_code == 200, graded.text
    assert "Grade:" in graded.text
    wrong = analyst.post(f"{population}/fidelity", files={"outcomes": ("o.csv", b"other\n1\n")})
    assert wrong.status_code == 422
    assert "<b>north" not in analyst.get(population).text


def test_only_rooms_have_no_pages() -> None:
    from novamind.server.app import create_app
    from novamind.settings import Settings

    whole, room = (routes_of(create_app(Settings(public_url=BASE), only)) for only in ((), ("symptoms",)))
    assert "GET /patients" in whole
    assert "GET /login" in whole
    assert "POST /api/v1/symptoms/forecast" in room
    assert not [
        one for one in room if one.split(" ")[1].startswith(("/patients", "/populations", "/users", "/account"))
    ]
