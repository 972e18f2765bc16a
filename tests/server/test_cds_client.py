"""A CDS client in Chromium, on an origin of its own: it reads discovery, fills the prefetch from the FHIR server, asks,
shows cards, follows a suggestion and tells what became of the card.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.dashboard.conftest import chromium  # noqa: F401 - the fixture
from tests.patience import patient
from tests.server.fhir.served import Served
from tests.twin.cds_requests import order

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>CDS client</title>
<ul id="drafts"></ul><p id="status"></p><div id="cards"></div>
<script>
let base, token, patientId, drafts = [];
const say = text => { document.getElementById("status").textContent = text };
const json = {"Content-Type": "application/json"};
const call = (path, options = {}) => fetch(base + path,
  {...options, headers: {...options.headers, Authorization: `Bearer ${token}`}});

async function prefetched(service, left) {
  const filled = {};
  for (const [key, template] of Object.entries(service.prefetch)) {
    if (left.includes(key)) continue;
    const answer = await call("/fhir/" + template.replaceAll("{{context.patientId}}", patientId));
    if (answer.ok) filled[key] = await answer.json();  // a query that failed is not sent, as the specification asks
  }
  return filled;
}

function show(card, service) {
  const box = document.createElement("article");
  box.className = card.indicator;
  const heading = document.createElement("h2");
  heading.textContent = card.summary;
  box.append(heading);
  for (const suggestion of card.suggestions ?? []) {
    const button = document.createElement("button");
    button.textContent = suggestion.label;
    button.onclick = () => follow(card, suggestion, service);
    box.append(button);
  }
  document.getElementById("cards").append(box);
}

async function follow(card, suggestion, service) {
  for (const action of suggestion.actions) {
    if (action.type === "delete") drafts = drafts.filter(d => `MedicationRequest/${d.id}` !== action.resourceId);
    if (action.type === "create") drafts.push({...action.resource, id: crypto.randomUUID()});
  }
  list();
  const outcome = {card: card.uuid, outcome: "accepted", acceptedSuggestions: [{id: suggestion.uuid}],
    outcomeTimestamp: new Date().toISOString()};
  const answer = await call(`/cds-services/${service.id}/feedback`,
    {method: "POST", headers: json, body: JSON.stringify({feedback: [outcome]})});
  say(`feedback ${answer.status}`);
}

function list() {
  document.getElementById("drafts").replaceChildren(...drafts.map(draft => {
    const item = document.createElement("li");
    item.textContent = draft.medicationCodeableConcept.text;
    return item;
  }));
}

async function sign(at, key, of, orders, left = []) {
  [base, token, patientId, drafts] = [at, key, of, orders];
  document.getElementById("cards").replaceChildren();
  list();
  try {
    const {services} = await (await fetch(base + "/cds-services")).json();
    const service = services.find(one => one.hook === "order-sign");
    const entry = drafts.map(resource => ({resource}));
    const context = {userId: "Practitioner/1", patientId, draftOrders: {resourceType: "Bundle", entry}};
    const body = {hook: "order-sign", hookInstance: crypto.randomUUID(), context,
      prefetch: await prefetched(service, left)};
    const options = {method: "POST", headers: json, body: JSON.stringify(body)};
    const answer = await call(`/cds-services/${service.id}`, options);
    const told = await answer.json();
    if (!answer.ok) return say(`${answer.status} ${told.issue?.[0]?.diagnostics ?? told.detail}`);
    told.cards.forEach(card => show(card, service));
    say(told.cards.length ? `${told.cards.length} cards` : "All clear!");
  } catch (error) { say("the browser keeps it back") }
}
</script></html>"""


class Client(BaseHTTPRequestHandler):
    """Serves the page."""

    def do_GET(self) -> None:
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of this file's own."""
    with Served(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="module")
def origins() -> Iterator[tuple[str, str]]:
    """Two origins that serve the page."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Client) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    first, second = (f"http://localhost:{server.server_address[1]}" for server in servers)
    yield first, second
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join(patient(10))


def test_a_cds_client_asks_shows_follows_and_tells(
    live: Served,
    origins: tuple[str, str],
    chromium: Any,  # noqa: F811
) -> None:
    registered, stranger = origins
    token = live.token()
    with httpx.Client(base_url=live.address, timeout=patient(30)) as api:
        client = {"name": "CDS client", "redirect_uris": [f"{registered}/callback"]}
        admin = {"Authorization": f"Bearer {live.token('demo-admin')}"}
        assert api.post("/api/v1/clients", json=client, headers=admin).status_code == 201
        api.headers["Authorization"] = f"Bearer {token}"
        somebody = api.get("/fhir/Patient").json()["entry"][0]["resource"]["id"]
        mao = {
            "resourceType": "MedicationStatement",
            "status": "active",
            "subject": {"reference": f"Patient/{somebody}"},
        }
        mao |= {"medicationCodeableConcept": {"text": "phenelzine"}, "effectivePeriod": {"start": "2025-03-01"}}
        assert api.post("/fhir/MedicationStatement", json=mao).status_code == 201
    page = chromium.new_context().new_page()
    page.set_default_timeout(1000 * patient(30))

    def sign(*names: str, left: tuple[str, ...] = ()) -> str:
        subject = {"subject": {"reference": f"Patient/{somebody}"}}
        drafts = [order(name, f"d{i}", **subject) for i, name in enumerate(names)]
        page.evaluate("of => sign(...of)", [live.address, token, somebody, drafts, list(left)])
        return str(page.locator("#status").inner_text())

    page.goto(registered)
    sign("sertraline (ZOLOFT) 50 mg tablet")
    critical = page.locator("article.critical")
    assert critical.locator("h2").all_inner_texts()[0].startswith("sertraline: avoid.")
    replacement = critical.get_by_role("button", name="Replace by").first
    name = replacement.inner_text().removeprefix("Replace by ")
    replacement.click()
    page.wait_for_function("document.getElementById('status').textContent.startsWith('feedback')")
    assert page.locator("#status").inner_text() == "feedback 200"
    assert page.locator("#drafts li").all_inner_texts() == [name], "the draft was replaced"

    assert sign("zorblaxin 5 mg tablet") != "All clear!"
    warned = page.locator("article.warning h2").all_inner_texts()
    assert warned == ["Not checked: zorblaxin 5 mg tablet is not in our tables"]

    assert sign("sertraline", left=("patient",)).startswith("412 prefetch 'patient' is missing")

    page.goto(stranger)
    assert sign("sertraline") == "the browser keeps it back"
    page.context.close()
