"""Clients that nobody here wrote, and apps of SMART in Chromium, against the server as people start it."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirpy import SyncFHIRClient

from tests.dashboard.conftest import chromium  # noqa: F401 - the fixture
from tests.patience import patient
from tests.server.fhir.served import VERIFIER, Served
from tests.server.world import challenge

LOINC = "http://loinc.org"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of this file's own."""
    with Served(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="module")
def token(live: Served) -> str:
    """An access token of the demo's clinician, without a scope that would narrow it."""
    return live.token()


@pytest.fixture(scope="module")
def api(live: Served, token: str) -> Iterator[httpx.Client]:
    """FHIR as plain HTTP."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{live.address}/fhir/", headers=headers, timeout=patient(30)) as client:
        yield client


@pytest.fixture(scope="module")
def somebody(api: httpx.Client) -> str:
    """A patient of the demo."""
    return str(api.get("Patient").json()["entry"][0]["resource"]["id"])


def test_fhirclient_reads_searches_pages_and_creates(live: Served, token: str, somebody: str) -> None:
    smart = FHIRClient({"app_id": "test", "api_base": f"{live.address}/fhir"})
    smart.prepare()
    smart.server.auth.access_token = token
    assert Patient.read(somebody, smart.server).identifier[0].value.startswith("SIM-")
    search = Observation.where({"subject": somebody, "category": "survey", "_count": "7"})
    found = list(search.perform_resources_iter(smart.server))
    pages = list(search.perform_iter(smart.server))
    assert all(isinstance(page, Bundle) for page in pages)
    assert len(found) == pages[0].total > 7
    assert {observation.valueQuantity.unit for observation in found} == {"{score}"}
    made = Observation(
        {
            "resourceType": "Observation", "status": "final", "subject": {"reference": f"Patient/{somebody}"},
            "code": {"coding": [{"system": LOINC, "code": "44261-6"}]},
            "effectiveDateTime": "2020-01-02",
            "valueQuantity": {"value": 5, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"},
        }
    ).create(smart.server)  # fmt: skip
    assert Observation.read(made["id"], smart.server).valueQuantity.value == 5


def test_fhirpy_reads_searches_saves_and_deletes(live: Served, token: str, somebody: str) -> None:
    client = SyncFHIRClient(f"{live.address}/fhir", authorization=f"Bearer {token}")
    assert client.reference("Patient", somebody).to_resource()["id"] == somebody
    surveys = client.resources("Observation").search(patient=somebody, category="survey")
    assert len(surveys.limit(5).fetch_all()) == surveys.count() > 5
    course = client.resource(
        "MedicationStatement",
        status="active",
        medicationCodeableConcept={"text": "mirtazapine"},
        subject={"reference": f"Patient/{somebody}"},
        effectivePeriod={"start": "2025-01-01"},
    )
    course.save()
    course["effectivePeriod"] = {"start": "2025-01-01", "end": "2025-02-01"}
    course.save()
    again = client.resources("MedicationStatement").search(_id=course.id).get()
    assert (again["effectivePeriod"]["end"], again["meta"]["versionId"]) == ("2025-02-01", "2")
    course.delete()
    assert client.resources("MedicationStatement").search(_id=course.id).fetch() == []


def computed(api: httpx.Client, path: str) -> dict[str, Any]:
    """A search of what services compute; a machine that is busy for longer than they may take answers it later."""
    ends = time.monotonic() + patient(20)
    bundle = api.get(path).json()
    while not bundle.get("total") and time.monotonic() < ends:
        time.sleep(1)
        bundle = api.get(path).json()
    return dict(bundle)


def test_every_resource_is_r4(api: httpx.Client, somebody: str) -> None:
    places = (
        "$everything", "Observation?_count=50&_revinclude=Provenance:target", "RiskAssessment", "DiagnosticReport",
        "MedicationRequest", "Condition", "AllergyIntolerance",
    )  # fmt: skip
    kinds = set()
    for place in places:
        join = "&" if "?" in place else "?"
        path = f"Patient/{somebody}/{place}" if place[0] == "$" else f"{place}{join}patient={somebody}"
        bundle = computed(api, path) if place in ("RiskAssessment", "DiagnosticReport") else api.get(path).json()
        get_fhir_model_class("Bundle").model_validate(bundle | {"entry": bundle.get("entry", [])[:60]})
        for entry in bundle.get("entry", []):
            kinds.add(entry["resource"]["resourceType"])
    assert kinds >= {"Patient", "Observation", "MedicationStatement", "RiskAssessment", "Provenance"}


#: Reads and searches of US Core (7.0, STU 7) that concern what is kept here, as Inferno asks them; {p} is the patient.
US_CORE = (
    "Patient/{p}",
    "Patient?_id={p}",
    "AllergyIntolerance?patient={p}",
    "AllergyIntolerance?patient=Patient/{p}&clinical-status=http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical|active",
    "Condition?patient={p}",
    "Condition?patient={p}&category=problem-list-item",
    "Condition?patient={p}&category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item",
    "Condition?patient={p}&clinical-status=active",
    "Condition?patient={p}&code=370143000",
    "Condition?patient={p}&onset-date=ge2000",
    "Condition?patient={p}&_lastUpdated=gt2020-01-01T00:00:00Z",
    "DiagnosticReport?patient={p}",
    "DiagnosticReport?patient={p}&category=http://terminology.hl7.org/CodeSystem/v2-0074|LAB",
    "DiagnosticReport?patient={p}&category=LAB&date=gt2020",
    "DiagnosticReport?patient={p}&code=83006-7",
    "MedicationRequest?patient={p}&intent=order,plan",
    "MedicationRequest?patient={p}&intent=order&status=active",
    "Observation?patient={p}&category=survey",
    "Observation?patient={p}&category=http://terminology.hl7.org/CodeSystem/observation-category|survey&date=gt2020-01-01",
    "Observation?patient={p}&category=vital-signs",
    "Observation?patient={p}&category=vital-signs&date=ge2020-01-01&date=lt2100-01-01",
    "Observation?patient={p}&category=laboratory&status=final",
    "Observation?patient={p}&code=http://loinc.org|44261-6",
    "Observation?patient={p}&code=8867-4,40443-4&date=gt2020-01-01T00:00:00Z",
    "Procedure?patient={p}",
    "Procedure?patient={p}&status=completed&date=gt2020",
    "QuestionnaireResponse?patient={p}&authored=gt2020",
    "Observation?patient={p}&_revinclude=Provenance:target",
)  # fmt: skip


@pytest.mark.parametrize("path", US_CORE, ids=range(len(US_CORE)))
def test_reads_and_searches_of_us_core(api: httpx.Client, somebody: str, path: str) -> None:
    answer = api.get(path.format(p=somebody))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    if "?" not in path:
        assert body["id"] == somebody
        return
    assert (body["resourceType"], body["type"]) == ("Bundle", "searchset")
    shown = [entry["resource"] for entry in body.get("entry", []) if entry["search"]["mode"] == "match"]
    assert {resource["resourceType"] for resource in shown} <= {path.partition("?")[0]}
    assert all(somebody in str(resource) for resource in shown)


#: Elements that US Core (7.0) must support and that are kept here, by profile: path of the search, then paths of which
#: each occurs in at least one of the resources (``a.b`` within lists too; ``a|b`` is one of several).
MUST_SUPPORT = {
    "Patient": ("Patient?_id={p}", ("identifier.system", "identifier.value", "name.text", "gender", "birthDate")),
    "survey": (
        "Observation?patient={p}&category=survey",
        ("status", "category.coding.code", "code.coding.code", "code.coding.system", "subject.reference",
         "effectiveDateTime", "valueQuantity.value", "valueQuantity.code", "valueQuantity.system"),
    ),
    "vital signs": (
        "Observation?patient={p}&category=vital-signs",
        ("status", "category.coding.code", "code.coding.code", "subject.reference", "effectiveDateTime",
         "valueQuantity.value", "valueQuantity.unit", "valueQuantity.system", "valueQuantity.code"),
    ),
    "Condition": (
        "Condition?patient={p}",
        ("clinicalStatus.coding.code", "category.coding.code", "code.coding.code", "subject.reference",
         "onsetDateTime"),
    ),
    "AllergyIntolerance": (
        "AllergyIntolerance?patient={p}", ("clinicalStatus.coding.code", "code.text", "patient.reference"),
    ),
    "MedicationStatement": (
        "MedicationStatement?patient={p}",
        ("status", "medicationCodeableConcept.text", "subject.reference", "effectivePeriod.start"),
    ),
    "DiagnosticReport": (
        "DiagnosticReport?patient={p}",
        ("status", "category.coding.code", "code.coding.code", "subject.reference", "effectiveDateTime"),
    ),
    "Provenance": (
        "Provenance?patient={p}", ("target.reference", "recorded", "agent.type.coding.code", "agent.who.display"),
    ),
}  # fmt: skip


def values_at(value: Any, path: str) -> list[Any]:
    """Every value of an element."""
    if isinstance(value, list):
        return [found for part in value for found in values_at(part, path)]
    first, _, rest = path.partition(".")
    inner = value.get(first) if isinstance(value, dict) else None
    return [] if inner is None else values_at(inner, rest) if rest else [inner]


@pytest.fixture(scope="module")
def whole(api: httpx.Client, somebody: str) -> str:
    """The patient, with one resource of every profile."""
    of = {"reference": f"Patient/{somebody}"}
    made: list[dict[str, Any]] = [
        {"resourceType": "Condition", "subject": of, "onsetDateTime": "2024-01-02",
         "code": {"coding": [{"system": "http://snomed.info/sct", "code": "370143000"}], "text": "Depression"}},
        {"resourceType": "AllergyIntolerance", "patient": of, "code": {"text": "Penicillin"}, "criticality": "high"},
        {"resourceType": "MedicationStatement", "subject": of, "status": "active",
         "medicationCodeableConcept": {"text": "lithium"}, "effectivePeriod": {"start": "2025-03-01"}},
    ]  # fmt: skip
    for resource in made:
        answer = api.post(resource["resourceType"], json=resource)
        assert answer.status_code == 201, answer.text
    return somebody


@pytest.mark.parametrize("profile", MUST_SUPPORT)
def test_must_support_of_us_core_is_there_and_each_is_read_by_its_address(
    api: httpx.Client, whole: str, profile: str
) -> None:
    path, elements = MUST_SUPPORT[profile]
    bundle = computed(api, path.format(p=whole))
    shown = [entry for entry in bundle["entry"] if entry["search"]["mode"] == "match"]
    resources = [entry["resource"] for entry in shown]
    missing = [element for element in elements if not any(values_at(resource, element) for resource in resources)]
    assert missing == []
    assert api.get(shown[0]["fullUrl"]).json() == resources[0]
    form = dict(pair.split("=") for pair in path.format(p=whole).partition("?")[2].split("&"))
    posted = api.post(f"{path.partition('?')[0]}/_search", data=form).json()
    assert posted["total"] == bundle["total"]


def test_pages_hold_every_match_once(api: httpx.Client, whole: str) -> None:
    ids, at = [], f"Observation?patient={whole}&category=survey&_count=40"
    while at:
        bundle = api.get(at).json()
        ids += [entry["resource"]["id"] for entry in bundle["entry"] if entry["search"]["mode"] == "match"]
        at = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    assert len(ids) == len(set(ids)) == bundle["total"] > 40


class App(BaseHTTPRequestHandler):
    """An app of our own: its first page leads to the login, its second shows the reports of the patient."""

    fhir = ""
    client_id = ""

    def do_GET(self) -> None:
        """Answer the two pages of the app."""
        asked = urlsplit(self.path)
        if asked.path == "/launch":
            at = httpx.get(f"{self.fhir}/.well-known/smart-configuration").json()["authorization_endpoint"]
            query = {
                "response_type": "code", "client_id": self.client_id, "redirect_uri": self._back(), "aud": self.fhir,
                "scope": "launch/patient openid fhirUser patient/Observation.rs patient/Patient.rs", "state": "s-1",
                "code_challenge": challenge(VERIFIER), "code_challenge_method": "S256",
            }  # fmt: skip
            self.send_response(302)
            self.send_header("Location", f"{at}?{urlencode(query)}")
            self.end_headers()
            return
        if asked.path == "/page":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<title>page</title>")
            return
        if asked.path != "/callback":
            self.send_error(404)
            return
        text = self._shown(parse_qs(asked.query)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text)

    def _back(self) -> str:
        return f"http://localhost:{self.server.server_address[1]}/callback"

    def _shown(self, query: dict[str, list[str]]) -> str:
        endpoint = httpx.get(f"{self.fhir}/.well-known/smart-configuration").json()["token_endpoint"]
        form = {"grant_type": "authorization_code", "client_id": self.client_id, "code": query["code"][0],
                "code_verifier": VERIFIER, "redirect_uri": self._back()}  # fmt: skip
        tokens = httpx.post(endpoint, data=form).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        who = httpx.get(f"{self.fhir}/Patient/{tokens['patient']}", headers=headers).json()
        reports = httpx.get(f"{self.fhir}/Observation?category=survey", headers=headers, timeout=patient(20)).json()
        everybody = httpx.get(f"{self.fhir}/Patient", headers=headers).json()["total"]
        return (
            f"<title>{query['state'][0]}</title><h1>{who['name'][0]['text']}</h1><p id=total>{reports['total']}</p>"
            f"<p id=everybody>{everybody}</p><p id=scope>{tokens['scope']}</p>"
        )

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def app(live: Served) -> Iterator[str]:
    """The app's address; it is registered with the server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), App)
    address = f"http://localhost:{server.server_address[1]}"
    registered = {"name": f"app {server.server_address[1]}", "redirect_uris": [f"{address}/callback"]}
    headers = {"Authorization": f"Bearer {live.token('demo-admin')}"}
    made = httpx.post(f"{live.address}/api/v1/clients", json=registered, headers=headers, timeout=patient(20))
    App.fhir, App.client_id = f"{live.address}/fhir", made.json()["id"]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield address
    server.shutdown()
    server.server_close()
    thread.join(patient(10))


def test_an_app_of_smart_is_launched_in_chromium(live: Served, app: str, chromium: Any) -> None:  # noqa: F811
    page = chromium.new_context().new_page()
    page.set_default_timeout(1000 * patient(30))
    page.goto(f"{app}/launch")
    assert page.locator("code").count() == 5  # the scopes that it asks for
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill(live.passwords["demo"])
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Patient").select_option(index=1)
    name = page.locator("option:checked").inner_text().partition(",")[0]
    page.get_by_role("button", name="Open the app").click()
    page.wait_for_url(f"{app}/callback*")
    assert page.title() == "s-1"
    assert page.locator("h1").inner_text() == name
    assert int(page.locator("#total").inner_text()) > 10
    assert page.locator("#everybody").inner_text() == "1"
    scopes = set(page.locator("#scope").inner_text().split())
    assert scopes == {"launch/patient", "openid", "fhirUser", "patient/Observation.rs", "patient/Patient.rs"}
    page.context.close()


#: What a page of an app does: asks for FHIR with a header that makes the browser ask first, and for tokens with a form.
_OF_A_PAGE = """async ([fhir, token]) => {
    const attempt = async (url, options) => {
        try { const answer = await fetch(url, options); return [answer.status, answer.headers.get("etag")]; }
        catch (error) { return "the browser keeps it back"; }
    };
    const json = "application/fhir+json";
    const headers = {
        "Authorization": `Bearer ${token}`, "Accept": json, "Content-Type": json, "Prefer": "return=minimal",
    };
    return {
        read: await attempt(`${fhir.url}/Patient/${fhir.patient}`, {headers}),
        corrected: await attempt(`${fhir.url}/Condition/unknown`, {method: "PUT", headers, body: "{}"}),
        described: await attempt(`${fhir.url}/metadata`, {headers: {"X-Correlation-Id": "00000000"}}),
        tokens: await attempt(fhir.url.replace("/fhir", "/oauth/token"), {method: "POST", body: new URLSearchParams()}),
        api: await attempt(fhir.url.replace("/fhir", "/api/v1/patients"), {headers}),
    };
}"""


def test_a_page_of_a_registered_app_reads_fhir_in_chromium_and_another_does_not(
    live: Served,
    app: str,
    chromium: Any,  # noqa: F811
    token: str,
    somebody: str,
) -> None:
    stranger = ThreadingHTTPServer(("127.0.0.1", 0), App)
    thread = threading.Thread(target=stranger.serve_forever, daemon=True)
    thread.start()
    page = chromium.new_context().new_page()
    page.set_default_timeout(1000 * patient(30))
    asked = [{"url": f"{live.address}/fhir", "patient": somebody}, token]
    page.goto(f"{app}/page")
    ours = page.evaluate(_OF_A_PAGE, asked)
    page.goto(f"http://localhost:{stranger.server_address[1]}/page")
    theirs = page.evaluate(_OF_A_PAGE, asked)
    page.context.close()
    stranger.shutdown()
    stranger.server_close()
    thread.join(patient(10))
    kept_back = "the browser keeps it back"
    assert ours == {
        "read": [200, 'W/"1"'], "corrected": [422, None], "described": [200, None], "tokens": [422, None],
        "api": kept_back,
    }  # fmt: skip
    assert theirs == dict.fromkeys(ours, kept_back) | {"described": [200, None]}
