"""Pages in Chromium: every one walked, with what assistive technology and the security policy say of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.patient_store import Identity
from novamind.records import MedicationCourse
from tests.dashboard.conftest import Live
from tests.dashboard.test_pages import ABOUT_ONE, IMAGE, SCRIPT, table
from tests.patience import patient

_RUN = "window.pwned=1"
_HANDLERS = ("onerror", "onload", "onfocus autofocus", "onmouseover", "ontoggle open", "onanimationstart", "onbegin")
_ELEMENTS = ("img src=x", "svg", "input", "details", "video src=x", "body", "iframe", "marquee")
#: What has run somewhere: handlers on elements, scripts, addresses, ends of attributes, templates, odd encodings.
PAYLOADS = (
    *(f"<{element} {handler}={_RUN}>" for element in _ELEMENTS[:6] for handler in _HANDLERS),
    f"<script>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f"</title><script>{_RUN}</script>",
    f"</textarea><script>{_RUN}</script>",
    f"<ScRiPt>{_RUN}</sCrIpT>",
    f"<script src=data:,{_RUN}></script>",
    f'"><script>{_RUN}</script>',
    f"'><script>{_RUN}</script>",
    f"' onmouseover='{_RUN}",
    f'" autofocus onfocus="{_RUN}',
    f"<a href=javascript:{_RUN}>x</a>",
    f"javascript:{_RUN}",
    f"<iframe src=javascript:{_RUN}>",
    f"<object data=javascript:{_RUN}>",
    f"<form action=javascript:{_RUN}><button>x</button></form>",
    f"<svg><animate onbegin={_RUN} attributeName=x dur=1s>",
    f"<math href=javascript:{_RUN}>x</math>",
    f"<style>@import 'javascript:{_RUN}'</style>",
    f"<meta http-equiv=refresh content=0;url=javascript:{_RUN}>",
    f"<div hx-on:load={_RUN} hx-get=/ hx-trigger=load>x</div>",
    f"{{{{constructor.constructor('{_RUN}')()}}}}",
    f"${{{_RUN}}}",
    f"%3Cscript%3E{_RUN}%3C/script%3E",
    f"&lt;script&gt;{_RUN}&lt;/script&gt;",
    f"\\x3cscript\\x3e{_RUN}\\x3c/script\\x3e",
)

DESKTOP, TABLET = {"width": 1280, "height": 900}, {"width": 768, "height": 1024}
PHONE = {"width": 390, "height": 844}
LOADED = "body[data-loaded]"


class Walk:
    """A browser window that remembers whatever should not have happened in it."""

    def __init__(self, chromium: Any, live: Live, **options: Any) -> None:
        self.live, self.wrong = live, []
        self.context = chromium.new_context(**{"viewport": DESKTOP} | options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * patient(30))
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.wrong.append(said.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append("a dialog"), dialog.dismiss()))
        self.page.on("request", self._request)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.live.address):
            self.wrong.append(f"a request to {request.url}")

    def log_in(self, name: str) -> None:
        self.page.goto(self.live.address)
        self.accessible()
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(self.live.passwords[name])
        self.go("button", "Log in")

    def go(self, role: Any, name: str) -> None:
        """Press what leads to another page, and wait until that one is there with its script run."""
        with self.page.expect_navigation(wait_until="load"):
            self.page.get_by_role(role, name=name).click()

    def accessible(self) -> None:
        """No rule of axe-core is broken (WCAG 2.2 A and AA, and its best practices), nothing overflows sideways.

        Light on a desktop by every rule, dark on a tablet by those of contrast. Pictures are one image each, with
        their words beside them; what is inside of them is not asked.
        """
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
        only_contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
        for scheme, viewport, options in (("light", DESKTOP, None), ("dark", TABLET, only_contrast)):
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size(viewport)
            found = axe.run(self.page, context={"exclude": [[".picture svg"]]}, options=options).response
            assert found["passes"]
            told = [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found["violations"]]
            assert not told, (self.page.url, scheme, told)
            width = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1], (self.page.url, width)

    def close(self) -> None:
        self.context.close()
        assert not self.wrong, self.wrong


@pytest.fixture
def walk(chromium: Any, live: Live) -> Iterator[Any]:
    opened: list[Walk] = []

    def begin(**options: Any) -> Walk:
        opened.append(Walk(chromium, live, **options))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def test_a_clinician_walks_every_page(walk: Any) -> None:
    seen = walk()
    page = seen.page
    seen.log_in("demo")
    page.wait_for_selector(LOADED)
    assert page.get_by_text("Risk in 14 days").count() == 3
    seen.accessible()
    page.get_by_label("Name or identifier").fill("person 7")
    seen.go("button", "Search")
    seen.go("link", "Simulated Person 7")
    page.wait_for_selector(LOADED)
    for heading in ("What to consider", "Forecast for 14 days", "Leading signals", "Medication", "Data quality"):
        assert page.get_by_role("heading", name=heading, exact=True).is_visible(), heading
    assert page.locator(".picture svg").count() >= 3
    shown = page.inner_text("main")
    assert "biometrics-detector" in shown
    assert "Insight(" not in shown
    assert "The record ends" not in shown  # the demo is of today
    page.get_by_role("combobox", name="Drug").select_option("venlafaxine")
    page.get_by_role("spinbutton", name="Weeks").fill("2")
    page.get_by_role("button", name="Simulate").click()
    page.wait_for_selector("#whatif-answer .picture svg")
    for folded in page.locator("details:not([open]) > summary").all()[:2]:
        if folded.is_visible():
            folded.click()
    page.get_by_role("button", name="Withdraw consent to research").click()
    page.locator("#consents-part strong").wait_for()
    assert page.get_by_role("button", name="Withdraw consent to research").count() == 0
    seen.accessible()
    seen.go("link", "Add data")
    seen.accessible()
    page.goto(f"{seen.live.address}/patients")
    page.wait_for_selector(LOADED)
    page.get_by_text("Register a patient").click()
    page.get_by_label("Full name").fill("New Person")
    page.get_by_label("Date of birth").fill("1990-02-28")
    seen.accessible()
    seen.go("button", "Register")
    page.wait_for_selector(LOADED)
    assert page.get_by_role("heading", level=1).inner_text() == "New Person"
    seen.go("link", "Account")
    seen.accessible()
    seen.go("button", "Log out")
    page.get_by_role("heading", name="You are logged out").wait_for()
    seen.accessible()


def test_an_administrator_registers_somebody_who_opens_a_record_in_an_emergency(walk: Any, live: Live) -> None:
    name, password = f"dr.{uuid4().hex[:8]}", uuid4().hex
    seen = walk()
    page = seen.page
    seen.log_in("demo-admin")
    page.get_by_role("heading", name="Register somebody").wait_for()
    page.get_by_label("User name").fill(name)
    page.get_by_label("First password").fill(password)
    page.get_by_role("combobox", name="Role").select_option("clinician")
    seen.go("button", "Register")
    assert page.get_by_role("row", name=name).inner_text().split()[:4] == [name, "clinician", "none", "open"]
    seen.accessible()
    seen.go("button", "Log out")
    live.passwords[name] = password
    seen.log_in(name)
    page.get_by_text("You have no patients yet").wait_for()
    patient_id = live.run(_somebody(live))
    page.get_by_text("Emergency: open the record").click()
    page.get_by_label("Patient id").fill(str(patient_id))
    page.get_by_label("Reason").fill("unconscious in the corridor")
    seen.accessible()
    seen.go("button", "Open in an emergency")
    page.wait_for_selector(LOADED)
    assert page.get_by_role("heading", level=1).inner_text() == "Somebody Else"
    assert "to read, until" in page.inner_text("main")
    assert page.get_by_role("link", name="Add data").count() == 0
    assert page.get_by_role("button", name="Withdraw").count() == 0
    seen.go("button", "Log out")
    seen.log_in("demo-admin")
    for button, told in (("Begin treatment", "begun"), ("End treatment", "ended")):
        page.get_by_role("combobox", name="Clinician").select_option(name)
        page.get_by_label("Id of the patient").fill(str(patient_id))
        seen.go("button", button)
        page.get_by_role("status").filter(has_text=f"The treatment has {told}").wait_for()
    seen.accessible()
    seen.go("button", f"Shut the account of {name}")
    assert "shut" in page.get_by_role("row", name=name).inner_text()


async def _somebody(live: Live) -> UUID:
    """Registered by nobody who treats them, with nothing in the record."""
    import sqlalchemy as sa

    from novamind.infrastructure.patient_store import Identity
    from novamind.infrastructure.tables import Patient

    container = live.app.state.container
    async with container.foundation.database.snapshot() as session:
        clinic = (await session.scalars(sa.select(Patient.organisation_id).limit(1))).one()
    registered: UUID = await container.foundation.store.register(
        clinic, Identity({}, {"name": "Somebody Else"}), container.operator("test")
    )
    return registered


def test_an_analyst_walks_every_page(walk: Any, tmp_path: Path) -> None:
    seen = walk()
    page = seen.page
    seen.log_in("demo-analyst")
    seen.accessible()
    (tmp_path / "table.csv").write_bytes(table())
    page.get_by_label("Brand").fill("kisqali")
    page.get_by_label("Table, CSV").set_input_files(tmp_path / "table.csv")
    seen.go("button", "Train")
    seen.accessible()
    seen.go("link", "To the model")
    page.wait_for_selector("text=Generate a population")
    seen.accessible()
    page.get_by_label("Twins").fill("60")
    seen.go("button", "Generate")
    page.get_by_role("button", name="Simulate").click()
    page.wait_for_selector("#tried .picture svg")
    (tmp_path / "came.csv").write_text("actual\n" + "".join(f"{0.1 * i}\n" for i in range(60)))
    page.get_by_label("CSV with a column").set_input_files(tmp_path / "came.csv")
    page.get_by_role("button", name="Grade").click()
    page.wait_for_selector("text=Grade:")
    seen.accessible()


def test_errors_are_pages_too(walk: Any) -> None:
    seen = walk()
    seen.log_in("demo-analyst")
    for path, words in (("/patients", "This is not open to you"), ("/nowhere", "There is nothing here")):
        seen.page.goto(seen.live.address + path)
        assert seen.page.get_by_role("heading", name=words).is_visible()
        seen.accessible()
    assert all("status of 40" in said for said in seen.wrong), seen.wrong  # the browser tells of the status itself
    seen.wrong.clear()


def test_d13_what_somebody_wrote_does_not_run(walk: Any, live: Live) -> None:
    """D13 of the attack plan: sixty payloads in every field that takes text, on every page that shows it.

    Names, identifiers, medications; notes, conditions, allergies and narratives that came as FHIR; GraphQL's errors.
    """
    assert len(PAYLOADS) >= 60
    patient_id, named = live.run(_hostile(live))
    seen = walk()
    seen.log_in("demo")
    seen.page.wait_for_selector(LOADED)
    for path in ABOUT_ONE:
        seen.page.goto(f"{live.address}/patients/{patient_id}{path}")
        seen.page.wait_for_load_state("load")
        assert seen.page.evaluate("typeof window.pwned") == "undefined", path
    for path in ("", f"/{named}"):
        seen.page.goto(f"{live.address}/patients{path}")
        seen.page.wait_for_selector(LOADED)
        assert seen.page.evaluate("typeof window.pwned") == "undefined", path
        shown = seen.page.inner_text("main")
        assert " ".join(" ".join(PAYLOADS).split()) in " ".join(shown.split()), path
    told = seen.page.evaluate(
        """async payloads => { const said = [];
             for (const one of payloads) {
               const options = {method: "POST", headers: {"Content-Type": "application/json"},
                                body: JSON.stringify({query: `{ patient(id: "${one}") { ${one} } }`})};
               const answer = await fetch("/graphql", options);
               said.push([answer.headers.get("Content-Type"), await answer.text()]); }
             return said; }""",
        PAYLOADS[-25:],
    )
    assert len(told) == 25
    assert all(kind.startswith("application/json") and _RUN not in text for kind, text in told), told
    assert all("status of 400" in said for said in seen.wrong), seen.wrong  # the browser tells of the status itself
    seen.wrong.clear()
    seen.page.goto(f"{live.address}/patients/{patient_id}")
    seen.page.wait_for_selector(LOADED)
    assert seen.page.get_by_role("heading", name=SCRIPT, exact=True).is_visible()
    shown = seen.page.inner_text("main")
    assert IMAGE in shown
    assert [one for one in PAYLOADS if " ".join(one.split()) not in " ".join(shown.split())] == []
    seen.page.goto(f"{live.address}/patients")
    seen.page.wait_for_selector(LOADED)
    seen.page.get_by_label("Name or identifier").fill(SCRIPT)
    seen.go("button", "Search")
    assert seen.page.evaluate("typeof window.pwned") == "undefined"
    assert SCRIPT in seen.page.inner_text("main")


@pytest.mark.weak("a page escapes nothing", "D13")
def test_d13_the_browser_would_run_what_is_not_escaped(chromium: Any) -> None:
    page = chromium.new_page()
    page.set_default_timeout(1000 * patient(30))
    page.set_content("".join(f"<p>{one}</p>" for one in PAYLOADS))
    page.wait_for_function("window.pwned === 1")
    page.close()


async def _hostile(live: Live) -> tuple[UUID, UUID]:
    import sqlalchemy as sa

    from novamind.infrastructure.identity.tables import User

    container = live.app.state.container
    async with container.foundation.database.snapshot() as session:
        clinicians = sa.select(User).where(User.role == "clinician").order_by(User.created_at)
        user = (await session.scalars(clinicians.limit(1))).one()
    everything = frozenset(Permission)
    clinician = Principal(user.user_id, uuid4(), Role.CLINICIAN, user.organisation_id, None, everything)
    patient_id: UUID = await container.clinic.register(clinician, Identity({"mrn": IMAGE}, {"name": SCRIPT}))
    for drug in (SCRIPT, IMAGE, *PAYLOADS):
        await container.clinic.add(clinician, patient_id, MedicationCourse(drug, None))
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": list(_hostile_resources())}
    await container.clinic.import_fhir(clinician, patient_id, json.dumps(bundle).encode(), confirm_identity=True)
    everything_said = " ".join(PAYLOADS)
    named: UUID = await container.clinic.register(
        clinician, Identity({"mrn": everything_said}, {"name": everything_said})
    )
    return patient_id, named


def _hostile_resources() -> Iterator[dict[str, Any]]:
    narrative = {"status": "generated", "div": f"<div xmlns='http://www.w3.org/1999/xhtml'>{''.join(PAYLOADS)}</div>"}
    subject, when = {"reference": "Patient/p"}, "2026-03-01T08:00:00+01:00"
    yield {"resource": {"resourceType": "Patient", "id": "p", "text": narrative, "name": [{"text": SCRIPT}]}}
    score = {"code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}], "text": SCRIPT}}
    score |= {"valueQuantity": {"value": 9, "unit": SCRIPT}, "status": "final", "note": [{"text": SCRIPT}]}
    yield {
        "resource": {"resourceType": "Observation", "text": narrative, "subject": subject, "effectiveDateTime": when}
        | score
    }
    for one in PAYLOADS:
        said = {"code": {"text": one}, "text": narrative, "note": [{"text": one}]}
        yield {"resource": {"resourceType": "Condition", "subject": subject} | said}
        yield {"resource": {"resourceType": "AllergyIntolerance", "patient": subject} | said}


def test_a_file_is_dropped_and_one_is_chosen(walk: Any, tmp_path: Path) -> None:
    seen = walk()
    page = seen.page
    seen.log_in("demo")
    seen.go("link", "Simulated Person 11")
    seen.go("link", "Add data")
    now = datetime.now(UTC)
    rows = [f"{now - timedelta(days=day):%Y-%m-%dT%H:%M:%S},{day},GAD-7" for day in range(1, 20)]
    text = "timestamp,value,symptom\n" + "\n".join(rows)
    dropped = page.evaluate_handle(
        """text => { const moved = new DataTransfer();
                     moved.items.add(new File([text], "reports.csv", {type: "text/csv"})); return moved; }""",
        text,
    )
    page.dispatch_event(".drop", "drop", {"dataTransfer": dropped})
    page.get_by_role("heading", name="Nothing is stored yet").wait_for()
    assert page.get_by_role("row", name="GAD-7").get_by_role("cell").all_inner_texts()[1] == "19"
    seen.accessible()
    page.get_by_role("button", name="Store it").click()
    page.get_by_text("19 symptom report").wait_for()
    assert page.inner_text("#announcement") == "Done: the answer is below the form"
    (tmp_path / "notes.csv").write_text("nothing of use\n")
    page.get_by_label("File up to").set_input_files(tmp_path / "notes.csv")
    page.get_by_role("button", name="Show what it holds").click()
    page.get_by_role("alert").wait_for()
    page.get_by_text("How a table is written").click()
    seen.accessible()
    assert all("status of 422" in said for said in seen.wrong), seen.wrong
    seen.wrong.clear()


def test_a_record_is_corrected_withdrawn_and_taken_back(walk: Any, tmp_path: Path) -> None:
    """Each act by clicks, on a desktop and on a phone; the patient's page then says what the record says."""
    seen = walk()
    page, name = seen.page, f"Record {uuid4().hex[:8]}"

    def fits() -> None:
        seen.accessible()
        page.set_viewport_size(PHONE)
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], (page.url, width)
        page.set_viewport_size(DESKTOP)

    def patient_says(part: str) -> str:
        page.goto(at)
        page.wait_for_selector(LOADED)
        return " ".join(page.locator(f'[data-part$="{part}"]').inner_text().split())

    seen.log_in("demo")
    page.get_by_text("Register a patient").click()
    page.get_by_label("Full name").fill(name)
    seen.go("button", "Register")
    at = page.url
    days = [datetime.now(UTC) - timedelta(days=day) for day in range(1, 25)]
    rows = [f"{when:%Y-%m-%dT%H:%M:%S+00:00},{5 + i % 3},PHQ-9" for i, when in enumerate(days)]
    (tmp_path / "diary.csv").write_text("timestamp,value,symptom\n" + "\n".join(rows))
    with page.expect_navigation(wait_until="load"):  # insights without data offer the same link a moment later
        page.get_by_role("navigation", name="On this page").get_by_role("link", name="Add data").click()
    page.get_by_label("File up to").set_input_files(tmp_path / "diary.csv")
    page.get_by_role("button", name="Show what it holds").click()
    page.get_by_role("button", name="Store it").wait_for()
    fits()
    page.get_by_role("button", name="Store it").click()
    page.get_by_text("24 symptom report").wait_for()
    assert "Symptom reports 24 PHQ-9: 5" in patient_says("/record")
    seen.go("link", "Medication courses")
    seen.go("link", "Add a course")
    fits()
    page.get_by_label("Medication").fill("sertraline")
    page.get_by_label("Dose a day").fill("50")
    page.get_by_label("First day").fill("2026-01-01")
    seen.go("button", "Store")
    assert "Taken now sertraline 50 mg a day" in patient_says("/insights")
    before = page.locator('[data-part$="/insights"] .picture').first.inner_html()

    seen.go("link", "Symptom reports")
    fits()
    page.get_by_role("link", name="Correct: PHQ-9: 5").first.click()
    page.get_by_label("Value", exact=False).first.fill("28")
    seen.go("button", "Save")
    assert page.get_by_label("Value", exact=False).first.input_value() == "28"
    assert "off its scale" in page.locator("#value-wrong").inner_text()
    assert page.evaluate("document.activeElement.id") == "value"
    fits()
    page.get_by_label("Value", exact=False).first.fill("27")
    seen.go("button", "Save")
    page.get_by_role("status").filter(has_text="Corrected").wait_for()
    assert page.get_by_role("heading", level=2).first.inner_text() == "PHQ-9: 27"
    assert "Symptom reports 24 PHQ-9: 27" in patient_says("/record")
    assert page.locator('[data-part$="/insights"] .picture').first.inner_html() != before

    seen.go("link", "Medication courses")
    seen.go("link", "Entered in error: sertraline")
    fits()
    seen.go("link", "Leave it as it is")
    seen.go("link", "Entered in error: sertraline")
    seen.go("button", "Withdraw it")
    page.get_by_role("status").filter(has_text="Withdrawn").wait_for()
    assert "Taken now nothing recorded" in patient_says("/insights")

    seen.go("link", "Uploads")
    seen.go("link", "Take this upload back: diary.csv")
    assert "Brought 24 symptom report" in page.inner_text("main")
    seen.go("button", "Take it back")
    page.get_by_role("status").filter(has_text="Taken back").wait_for()
    assert "No forecast: the record holds no symptom reports" in patient_says("/insights")
    assert "Symptom reports 0 none" in patient_says("/record")
    assert all("status of 422" in said for said in seen.wrong), seen.wrong
    seen.wrong.clear()


def test_everything_is_reached_by_keyboard(walk: Any) -> None:
    seen = walk()
    page = seen.page
    seen.log_in("demo")
    page.wait_for_selector(LOADED)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "words"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.type("person 23")
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="1 found").wait_for()
    page.get_by_role("link", name="Simulated Person 23").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.wait_for_selector(LOADED)
    assert page.inner_text("#announcement").endswith("loaded")


def test_it_works_without_javascript(walk: Any, tmp_path: Path) -> None:
    seen = walk(java_script_enabled=False)
    page = seen.page
    page.goto(seen.live.address)
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill(seen.live.passwords["demo"])
    seen.go("button", "Log in")
    seen.go("link", "Simulated Person 7")
    patient = page.url
    seen.go("link", "Show the insights")
    page.get_by_role("heading", name="Leading signals").wait_for()
    page.goto(patient)
    page.get_by_role("spinbutton", name="Weeks").fill("2")
    page.get_by_role("button", name="Simulate").click()
    page.get_by_text("Ensemble of").wait_for()
    (tmp_path / "Tagebuch.csv").write_text("Datum;GAD-7\n11.01.2026;7\n12.01.2026;8\n")
    page.goto(f"{patient}/upload")
    page.get_by_label("File up to").set_input_files(tmp_path / "Tagebuch.csv")
    page.get_by_text("How a table is written").click()
    page.get_by_role("combobox", name="Dates").select_option("de")
    seen.go("button", "Show what it holds")
    page.get_by_label("The same file again").set_input_files(tmp_path / "Tagebuch.csv")
    seen.go("button", "Store it")
    assert "2 symptom report" in page.inner_text("main")
    page.goto(patient)
    seen.go("link", "Show what is stored")
    seen.go("link", "Allergies")
    seen.go("link", "Add an allergy")
    page.get_by_label("Allergy or intolerance").fill("Allergy to lithium")
    seen.go("button", "Store")
    seen.go("link", "Correct: Allergy to lithium")
    page.get_by_label("Criticality").select_option("high")
    seen.go("button", "Save")
    assert "Criticality: high." in page.inner_text("main")
    seen.go("link", "Entered in error: Allergy to lithium")
    seen.go("button", "Withdraw it")
    assert "Nothing is stored here" in page.inner_text("main")


def test_a_passkey_is_added_and_opens_the_login(walk: Any, live: Live) -> None:
    """A13: a virtual authenticator of Chromium, which verifies its owner, at the real pages."""
    seen = walk()
    devices = seen.context.new_cdp_session(seen.page)
    devices.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    accounts = live.app.state.container.identity.accounts
    operator = live.app.state.container.operator("test")
    name, password = f"passkey-{uuid4().hex}", uuid4().hex
    live.run(accounts.add_user(name, password, Role.RESEARCHER, operator))
    live.passwords[name] = password
    seen.log_in(name)
    seen.page.goto(f"{live.address}/account")
    seen.go("button", "Add a passkey")
    assert seen.page.get_by_text("Added 20").count() == 1
    seen.accessible()
    seen.go("button", "Log out")
    seen.page.goto(live.address)
    seen.page.get_by_label("User name").fill(name)
    seen.page.get_by_label("Password").fill(password)
    seen.accessible()
    seen.go("button", "Use a passkey")
    seen.page.wait_for_url("**/account")
    assert seen.page.get_by_text("last used 20").count() == 1
    (account,) = [one for one in live.run(accounts.users(None, None, 100, operator)) if one.name == name]
    assert account.second_factor
