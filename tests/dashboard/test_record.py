"""What is stored of a patient, over HTTP: looked at, added, corrected, withdrawn, taken back."""

import html
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from novamind.clinic import Clinic
from novamind.infrastructure.patient_store import Kind
from novamind.records import MedicationCourse
from novamind.server.dashboard.record_sections import SECTIONS
from tests.dashboard.conftest import Person
from tests.dashboard.test_pages import IMAGE, SCRIPT
from tests.server.world import World
from tests.uploads import store

#: A full form of each kind that has one, what of it a list then shows, and where the API reads it.
REPORT = {"symptom": "phq9", "timestamp": "2026-05-02T08:30", "value": "14"}
COURSE = {"medication": "sertraline", "dose_mg": "50", "start": "2026-02-01", "end": "", "stopped": ""}
CONDITION = {"name": "Depression", "onset": "2024-05", "abatement": "", "active": "on"}
ALLERGY = {"name": "Allergy to citalopram", "medication": "citalopram", "criticality": "high", "active": "on"}
FORMS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "reports": (REPORT, ("PHQ-9: 14", "2 May 2026, 08:30")),
    "medication": (COURSE, ("sertraline 50 mg a day", "from 1 Feb 2026")),
    "conditions": (CONDITION, ("Depression", "from 2024-05")),
    "allergies": (ALLERGY, ("Allergy to citalopram", "Drug: citalopram. Criticality: high.")),
}


@pytest.fixture(scope="module")
def clinician(world: World) -> Iterator[Person]:
    somebody = Person(world, "C11")
    yield somebody
    somebody.close()


@pytest.fixture
def at(world: World) -> str:
    """The record of somebody in Berlin of whom nothing is stored."""
    body = {"name": "Somebody", "timezone": "Europe/Berlin"}
    return f"/patients/{world.call('POST', '/api/v1/patients', 'C11', json=body).json()['ids'][0]}/record"


def api(world: World, at: str, part: str) -> Any:
    answer = world.call("GET", f"/api/v1{at.removesuffix('/record')}/{part}", "C11")
    assert answer.status_code == 200, answer.text
    return answer.json()


def words(answer: httpx.Response) -> str:
    """What a page says, in one line."""
    inside = answer.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", inside)).split())


def fields(answer: httpx.Response) -> dict[str, str]:
    """What the form on a page would send."""
    inside = answer.text.partition("<main")[2]
    found = {}
    for tag in re.findall(r"<input [^>]*>", inside):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") != "checkbox" or re.search(r"\schecked\b", tag):
            found[attributes["name"]] = html.unescape(attributes.get("value", "on"))
    for name, options in re.findall(r'<select [^>]*?name="(\w+)"[^>]*>(.*?)</select>', inside):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        found[name] = chosen[1] if chosen else ""
    return found


def links(answer: httpx.Response, doing: str) -> list[str]:
    return re.findall(rf'href="([^"]*/{doing})"', answer.text)


def added(person: Person, at: str, kind: str, form: dict[str, str]) -> str:
    """Store what a form says; the address of the piece."""
    answer = person.post(f"{at}/{kind}/new", data=form | {"once": uuid4().hex})
    assert answer.status_code == 303, words(answer)
    return links(person.get(f"{at}/{kind}"), "correct")[0].removesuffix("/correct")


# --- adding and correcting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMS)
def test_what_is_added_by_form_is_listed_and_its_form_shows_it(clinician: Person, at: str, kind: str) -> None:
    form, said = FORMS[kind]
    new = clinician.get(f"{at}/{kind}/new")
    assert new.status_code == 200
    assert fields(new).keys() - {"once"} >= form.keys() - {"stopped"}
    piece = added(clinician, at, kind, form)
    listed = words(clinician.get(f"{at}/{kind}?done=added"))
    assert all(part in listed for part in (*said, "Stored.", "entered singly"))
    shown = fields(clinician.get(f"{piece}/correct"))
    assert shown.pop("version") == "1"
    expected = form | ({"symptom": "PHQ-9"} if kind == "reports" else {})
    assert {name: text for name, text in shown.items() if text and name != "worse"} == {
        name: text for name, text in expected.items() if text
    }


@pytest.mark.parametrize(
    ("kind", "change", "said", "gone"),
    [
        ("reports", {"value": "7"}, "PHQ-9: 7", "PHQ-9: 14"),
        ("reports", {"timestamp": "2026-05-03T07:00"}, "3 May 2026, 07:00", "2 May 2026"),
        ("medication", {"end": "2026-03-01"}, "from 1 Feb 2026 until 1 Mar 2026", "from 1 Feb 2026 Stored"),
        ("medication", {"stopped": "on"}, "No longer taken.", ""),
        ("conditions", {"active": ""}, "No longer active.", ""),
        ("allergies", {"criticality": "low"}, "Criticality: low.", "Criticality: high."),
    ],
    ids=lambda value: str(value)[:12] if isinstance(value, str) else "-".join(value),
)
def test_a_correction_counts_and_the_earlier_version_no_longer_does(
    clinician: Person, at: str, kind: str, change: dict[str, str], said: str, gone: str
) -> None:
    piece = added(clinician, at, kind, FORMS[kind][0])
    form = fields(clinician.get(f"{piece}/correct")) | change
    saved = clinician.post(f"{piece}/correct", data={name: text for name, text in form.items() if text})
    assert saved.status_code == 303, words(saved)
    assert saved.headers["location"] == f"{at}/{kind}?done=corrected"
    listed = words(clinician.get(saved.headers["location"]))
    assert said in listed
    assert "corrected since" in listed
    assert not gone or gone not in listed
    assert fields(clinician.get(f"{piece}/correct"))["version"] == "2"


def test_a_form_keeps_what_it_does_not_show(clinician: Person, world: World, at: str) -> None:
    """Codes, sources and the rules' word for a condition come from files; they stay with an unchanged name."""
    code = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "G40.9"}], "text": "Fallsucht"}
    resource = {"resourceType": "Condition", "code": code, "subject": {"reference": "Patient/p"}}
    sent = world.call("POST", f"/api/v1{at.removesuffix('/record')}/fhir", "C11", json=resource)
    assert sent.status_code == 201, sent.text
    (piece,) = links(clinician.get(f"{at}/conditions"), "correct")

    def stored() -> dict[str, Any]:
        access, store = world.container.operator("test"), world.container.foundation.store
        (record,) = world.run(store.read(UUID(at.split("/")[2]), Kind.CONDITION, access))
        return dict(record.content)

    before = stored()
    assert {"code", "source"} <= before.keys()
    form = fields(clinician.get(piece))
    assert clinician.post(piece, data=form | {"onset": "2020"}).status_code == 303
    assert stored() == before | {"onset": "2020"}
    form = fields(clinician.get(piece))
    assert clinician.post(piece, data=form | {"name": "Asthma"}).status_code == 303
    assert not {"code", "source", "word"} & stored().keys()


def test_a_time_is_of_the_patients_clock_and_one_that_stays_is_not_touched(
    clinician: Person, world: World, at: str
) -> None:
    added(clinician, at, "reports", REPORT | {"timestamp": "2026-01-15T08:30"})
    added(clinician, at, "reports", REPORT | {"timestamp": "2026-07-15T08:30"})
    reports = api(world, at, "reports")["items"]
    assert sorted(one["timestamp"][-14:] for one in reports) == ["08:30:00+01:00", "08:30:00+02:00"]
    moment = "2026-10-25T02:30:00.123456+01:00"  # the second of two half past two of that night in Berlin
    path = f"/api/v1{at.removesuffix('/record')}/reports"
    body = {"reports": [{"symptom": "GAD-7", "timestamp": moment, "value": 3}]}
    record_id = world.call("POST", path, "C11", json=body).json()["ids"][0]
    piece = f"{at}/reports/{record_id}/correct"
    form = fields(clinician.get(piece))
    assert form["timestamp"] == "2026-10-25T02:30:00.123"
    assert clinician.post(piece, data=form | {"value": "4"}).status_code == 303
    (now,) = [one for one in api(world, at, "reports")["items"] if one["id"] == record_id]
    assert (now["timestamp"], now["value"]) == (moment, 4)


def test_a_form_sent_twice_is_stored_once(clinician: Person, world: World, at: str) -> None:
    form = COURSE | {"once": uuid4().hex}
    for dose, stored in (("50", 1), ("50", 1), ("75", 2)):  # somebody went back and wrote another dose
        assert clinician.post(f"{at}/medication/new", data=form | {"dose_mg": dose}).status_code == 303
        assert len(api(world, at, "medications")["items"]) == stored
    for path, once in (("reports", uuid4().hex), ("reports", uuid4().hex)):
        form = REPORT | {"symptom": "sleepiness", "low": "0", "high": "10", "value": "3", "once": once}
        for _ in range(2):
            assert clinician.post(f"{at}/{path}/new", data=form).status_code == 303
    assert len(api(world, at, "reports")["items"]) == 2


# --- input that cannot be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "wrong", "field", "says"),
    [
        ("reports", {"value": "28"}, "value", "A value is off its scale, which runs from 0 to 27."),
        ("reports", {"symptom": "mood", "value": "3"}, "low", "give its scale with the first report"),
        ("reports", {"timestamp": "2199-01-01T08:00"}, "timestamp", "A report lies in the future."),
        ("reports", {"timestamp": "1900-06-01T08:00"}, "timestamp", "A report lies before 1901."),
        ("medication", {"end": "2025-12-31"}, "end", "Lies before the first day."),
        ("conditions", {"onset": "May 2024"}, "onset", "Is not in the form described here."),
        ("allergies", {"name": ""}, "name", "Is needed."),
    ],
    ids=lambda value: value[:9] if isinstance(value, str) else "-".join(value),
)
@pytest.mark.parametrize("doing", ["add", "correct"])
def test_bad_input_comes_back_with_the_reason_beside_the_field(
    clinician: Person, at: str, kind: str, wrong: dict[str, str], field: str, says: str, doing: str
) -> None:
    path, sent = f"{at}/{kind}/new", FORMS[kind][0] | wrong
    if doing == "correct":
        path = f"{added(clinician, at, kind, FORMS[kind][0])}/correct"
        sent = fields(clinician.get(path)) | wrong
    before = words(clinician.get(f"{at}/{kind}"))
    answer = clinician.post(path, data=sent)
    assert answer.status_code == 422, words(answer)
    assert "Nothing was stored" in words(answer)
    (reason,) = re.findall(rf'<p class="reason" id="{field}-wrong">(.*?)</p>', answer.text)
    assert says in html.unescape(reason)
    (tag,) = re.findall(rf'<input id="{field}"[^>]*>', answer.text)
    assert f"{field}-wrong" in tag
    assert 'aria-invalid="true" autofocus' in tag
    kept = fields(answer)
    assert {name: kept.get(name, "") for name in sent} == sent
    assert words(clinician.get(f"{at}/{kind}")) == before


# --- two people at once ---------------------------------------------------------------------------------------------


def test_who_comes_second_sees_both_and_loses_nothing(clinician: Person, world: World, at: str) -> None:
    piece = added(clinician, at, "medication", COURSE)
    record_id = piece.rpartition("/")[2]
    form = fields(clinician.get(f"{piece}/correct"))
    theirs = {"medication": "sertraline", "start": "2026-02-01", "dose_mg": 75}
    course = f"/api/v1{at.removesuffix('/record')}/medications/{record_id}"
    assert world.call("PUT", course, "C11", json=theirs).status_code == 200
    mine = form | {"dose_mg": "100", "end": "2026-04-01"}
    assert clinician.post(f"{piece}/correct", data=mine | {"dose_mg": "-1"}).status_code == 412  # that goes first
    second = clinician.post(f"{piece}/correct", data=mine)
    assert second.status_code == 412
    assert "Somebody else has changed this course" in words(second)
    assert "Stored now: 75" in words(second)
    assert "Stored now: nothing" in words(second)  # the last day
    assert fields(second) == mine | {"version": "2"}
    assert [one["dose_mg"] for one in api(world, at, "medications")["items"]] == [75]
    assert clinician.post(f"{piece}/correct", data=fields(second)).status_code == 303
    assert [(one["dose_mg"], one["end"]) for one in api(world, at, "medications")["items"]] == [(100, "2026-04-01")]


def test_what_somebody_else_has_withdrawn_can_be_stored_anew(clinician: Person, world: World, at: str) -> None:
    piece = added(clinician, at, "medication", COURSE)
    form = fields(clinician.get(f"{piece}/correct")) | {"dose_mg": "100"}
    assert clinician.post(f"{piece}/withdraw", data={"version": "1"}).status_code == 303
    late = clinician.post(f"{piece}/correct", data=form)
    assert late.status_code == 404
    assert "somebody else has withdrawn it" in words(late)
    again = fields(late)
    assert again.items() >= {name: text for name, text in form.items() if name != "version"}.items()
    (action,) = re.findall(r'<form method="post" action="([^"]*/new)"', late.text)
    assert clinician.post(action, data=again).status_code == 303
    assert [one["dose_mg"] for one in api(world, at, "medications")["items"]] == [100]
    assert clinician.get(f"{piece}/correct").status_code == 404
    assert clinician.get(f"{piece}/withdraw").status_code == 404
    assert clinician.post(f"{piece}/withdraw", data={"version": "1"}).status_code == 404


@pytest.mark.parametrize(("theirs", "status"), [("correct", 412), ("withdraw", 404)])
def test_who_is_overtaken_while_the_form_is_saved_sees_the_same(
    clinician: Person, world: World, at: str, monkeypatch: pytest.MonkeyPatch, theirs: str, status: int
) -> None:
    piece = added(clinician, at, "medication", COURSE)
    form = fields(clinician.get(f"{piece}/correct")) | {"dose_mg": "100"}
    honest = Clinic.correct

    async def overtaken(clinic: Clinic, caller: Any, patient_id: UUID, record_id: UUID, *given: Any) -> int:
        if theirs == "correct":
            await honest(clinic, caller, patient_id, record_id, MedicationCourse("sertraline", None, dose_mg=75))
        else:
            await clinic.withdraw(caller, patient_id, record_id)
        return await honest(clinic, caller, patient_id, record_id, *given)

    monkeypatch.setattr(Clinic, "correct", overtaken)
    answer = clinician.post(f"{piece}/correct", data=form)
    assert answer.status_code == status
    assert ("Stored now: 75" in words(answer)) == (theirs == "correct")
    assert fields(answer).items() >= {name: text for name, text in form.items() if name != "version"}.items()
    stored = [one["dose_mg"] for one in api(world, at, "medications")["items"]]
    assert stored == ([75] if theirs == "correct" else [])


def test_what_changed_since_is_not_withdrawn_unseen(clinician: Person, world: World, at: str) -> None:
    piece = added(clinician, at, "reports", REPORT)
    asked = clinician.get(f"{piece}/withdraw")
    assert "PHQ-9: 14" in words(asked)
    form = fields(clinician.get(f"{piece}/correct"))
    assert clinician.post(f"{piece}/correct", data=form | {"value": "9"}).status_code == 303
    second = clinician.post(f"{piece}/withdraw", data=fields(asked))
    assert second.status_code == 412
    assert "Nothing was withdrawn" in words(second)
    assert "PHQ-9: 9" in words(second)
    assert len(api(world, at, "reports")["items"]) == 1
    assert clinician.post(f"{piece}/withdraw", data=fields(second)).status_code == 303
    assert api(world, at, "reports")["items"] == []
    for version in ("", "x", "-1", "²", "9" * 10):
        refused = clinician.post(f"{piece}/withdraw", data={"version": version})
        assert refused.status_code == 422, version
        assert "open it again" in words(refused)


# --- withdrawing and taking back ------------------------------------------------------------------------------------


def test_every_kind_is_listed_and_withdrawn(clinician: Person, world: World, at: str) -> None:
    for kind, (form, _) in FORMS.items():
        added(clinician, at, kind, form)
    api_at = f"/api/v1{at.removesuffix('/record')}"
    stretch = {"signal": "sleep_duration", "unit": "h", "values": [7.5, 8]}
    stretch |= {"timestamps": ["2026-03-01T07:00:00+01:00", "2026-03-02T07:00:00+01:00"]}
    assert world.call("POST", f"{api_at}/biometrics", "C11", json={"stretches": [stretch]}).status_code == 201
    assert world.call("POST", f"{api_at}/genotype", "C11", json={"genes": {"CYP2D6": "*1/*4"}}).status_code == 201
    said = {kind: parts[0] for kind, (_, parts) in FORMS.items()}
    said |= {"signals": "sleep duration: 2 values in h", "genotype": "CYP2D6 *1/*4"}
    summary = words(clinician.get(at))
    for kind, headline in said.items():
        assert f"{SECTIONS[kind].title} 1 {headline}" in summary
        listed = clinician.get(f"{at}/{kind}")
        assert headline in words(listed)
        (leads,) = links(listed, "withdraw")
        asked = clinician.get(leads)
        assert headline in words(asked)
        assert clinician.get(f"{at}/{kind}").text == listed.text  # asking withdraws nothing
        done = clinician.post(leads, data=fields(asked))
        assert done.headers["location"] == f"{at}/{kind}?done=withdrawn"
        after = words(clinician.get(done.headers["location"]))
        assert "Nothing is stored here" in after
        assert "Withdrawn as entered in error" in after
        assert headline not in after
    assert "1 Mar 2026, 07:00 to 2 Mar 2026, 07:00" not in words(clinician.get(at))


def test_an_upload_is_taken_back_with_all_that_it_brought(clinician: Person, world: World, at: str) -> None:
    added(clinician, at, "reports", REPORT)
    rows = "".join(f"2026-04-{day:02d}T08:00:00,{day % 20},GAD-7\n" for day in range(1, 21))
    file = {"file": ("diary <b>.csv", f"timestamp,value,symptom\n{rows}".encode())}
    upload = f"{at.removesuffix('/record')}/upload"
    assert store(lambda data: clinician.post(upload, files=file, data=data)).status_code == 201
    listed = words(clinician.get(f"{at}/reports"))
    assert listed.count("from diary <b>.csv") == 20
    assert listed.index("PHQ-9: 14") < listed.index("20 Apr 2026") < listed.index("19 Apr 2026")  # the newest first
    imports = clinician.get(f"{at}/imports")
    assert "diary <b>.csv Brought 20 symptom report." in words(imports)
    assert "diary <b>" not in imports.text
    (leads,) = links(imports, "withdraw")
    asked = clinician.get(leads)
    assert "Brought 20 symptom report." in words(asked)
    assert links(imports, "correct") == []
    done = clinician.post(leads, data=fields(asked))
    assert done.headers["location"] == f"{at}/imports?done=taken-back"
    assert "Nothing is stored here" in words(clinician.get(done.headers["location"]))
    assert [one["symptom"] for one in api(world, at, "reports")["items"]] == ["PHQ-9"]
    assert clinician.post(leads, data={}).status_code == 404


def test_what_cannot_be_read_is_named_corrected_and_withdrawn(clinician: Person, world: World, at: str) -> None:
    store, access = world.container.foundation.store, world.container.operator("test")
    patient_id = UUID(at.split("/")[2])

    def broken(kind: Kind, content: dict[str, Any]) -> str:
        return str(world.run(store.append(patient_id, kind, [content], access))[0])

    report = broken(Kind.SYMPTOM_REPORT, {"symptom": "PHQ-9", "timestamp": "once", "value": 3})
    course = broken(Kind.MEDICATION, {"medication": "", "start": "soon"})
    listed_nowhere = broken(Kind.CONDITION, {"list": "dreams", "name": "x"})
    broken(Kind.IMPORT, {"name": "from nowhere"})  # of which nobody knows what it brought
    off = broken(Kind.SYMPTOM_REPORT, {"symptom": "PHQ-9", "timestamp": "2026-03-01T08:00:00+01:00", "value": 99})
    summary = words(clinician.get(at))
    assert summary.count("1 cannot be read") == 4
    uploads = clinician.get(f"{at}/imports")
    assert "Cannot be read" in words(uploads)
    assert links(uploads, "withdraw") == []
    reports = words(clinician.get(f"{at}/reports"))
    assert reports.index("Cannot be read") < reports.index("PHQ-9: 99")
    assert "Not used in any answer: off its scale" in reports
    form = fields(clinician.get(f"{at}/medication/{course}/correct"))
    assert {name for name, text in form.items() if text} == {"version"}
    assert clinician.post(f"{at}/medication/{course}/correct", data=form | COURSE).status_code == 303
    assert [one["medication"] for one in api(world, at, "medications")["items"]] == ["sertraline"]
    for kind, record_id in (("reports", report), ("reports", off), ("conditions", listed_nowhere)):
        asked = clinician.get(f"{at}/{kind}/{record_id}/withdraw")
        assert clinician.post(f"{at}/{kind}/{record_id}/withdraw", data=fields(asked)).status_code == 303
    assert api(world, at, "reports") == {"items": [], "not_read": []}
    assert api(world, at, "problems") == {"conditions": [], "allergies": [], "not_read": []}
    assert words(clinician.get(at)).count("cannot be read") == 1


@pytest.mark.parametrize(("count", "pages"), [(50, 1), (51, 2), (101, 3)])
def test_a_list_has_fifty_on_a_page(clinician: Person, world: World, at: str, count: int, pages: int) -> None:
    reports = [
        {"symptom": "PHQ-9", "timestamp": f"2026-0{1 + day // 28}-{1 + day % 28:02d}T08:00:00+01:00", "value": day % 28}
        for day in range(count)
    ]
    sent = world.call("POST", f"/api/v1{at.removesuffix('/record')}/reports", "C11", json={"reports": reports})
    assert sent.status_code == 201, sent.text
    seen: list[str] = []
    path: str | None = f"{at}/reports"
    shown = 0
    while path is not None:
        answer = clinician.get(path)
        seen += links(answer, "correct")
        shown += 1
        older = re.search(r'href="([^"]*)">Older<', answer.text)
        path = older[1] if older else None
    assert (shown, len(seen), len(set(seen))) == (pages, count, count)
    assert "There is no such page" in words(clinician.get(f"{at}/reports?page={pages + 1}"))
    assert clinician.get(f"{at}/reports?page=0").status_code == 422


# --- who may --------------------------------------------------------------------------------------------------------


def pages_of(at: str, record_id: str) -> list[str]:
    pieces = [f"{at}/{kind}/{record_id}/{doing}" for kind in SECTIONS for doing in ("correct", "withdraw")]
    return [f"{at}/{kind}/new" for kind in SECTIONS] + pieces


def test_who_only_reads_is_offered_nothing_and_refused(
    person: Callable[..., Person], world: World, at: str, clinician: Person
) -> None:
    """In an emergency a record opens to read: writing is refused as to anybody who does not treat the patient."""
    piece = added(clinician, at, "medication", COURSE)
    patient_id = at.split("/")[2]
    reader = person("C12")
    form = {"patient_id": patient_id, "reason": "unconscious in the corridor"}
    assert reader.get(at).status_code == 404
    assert reader.post("/patients/emergency", data=form).status_code == 303
    listed = reader.get(f"{at}/medication")
    assert "sertraline 50 mg" in words(listed)
    assert not re.search(r"Correct|Entered in error|Add a", words(listed))
    before = len(world.audited(outcome="denied"))
    writing = pages_of(at, piece.rpartition("/")[2])
    assert {reader.post(path, data=COURSE).status_code for path in writing} == {404}
    assert {reader.get(path).status_code for path in writing} == {404}
    refused = world.audited(outcome="denied")[before:]
    assert [one["action"] for one in refused] == ["records.write"] * 2 * len(writing)
    assert [one["dose_mg"] for one in api(world, at, "medications")["items"]] == [50]


@pytest.mark.parametrize("who", ["researcher", "admin", "auditor", "analyst"])
def test_a_role_that_may_not_write_is_refused(
    person: Callable[..., Person], world: World, at: str, clinician: Person, who: str
) -> None:
    record_id = added(clinician, at, "medication", COURSE).rpartition("/")[2]
    somebody = person(who)
    for path in pages_of(at, record_id):
        assert somebody.post(path, data=COURSE | {"version": "1"}).status_code == 403, path
        assert somebody.get(path).status_code == 403, path
    assert [one["dose_mg"] for one in api(world, at, "medications")["items"]] == [50]


def test_a_piece_is_reached_through_its_own_patient_alone(clinician: Person, world: World, at: str) -> None:
    other = world.call("POST", "/api/v1/patients", "C11", json={"name": "Other"}).json()["ids"][0]
    record_id = added(clinician, at, "medication", COURSE).rpartition("/")[2]
    theirs = f"/patients/{other}/record/medication/{record_id}"
    nobodys = f"/patients/{other}/record/medication/{uuid4()}"
    for doing in ("correct", "withdraw"):
        assert clinician.get(f"{theirs}/{doing}").status_code == 404
        form = COURSE | {"version": "1"}
        answers = [clinician.post(f"{at}/{doing}", data=form) for at in (theirs, nobodys)]
        assert [one.status_code for one in answers] == [404, 404]
        hidden = [re.sub(r"[0-9a-f]{32}", "ONCE", re.sub(r"[0-9a-f-]{36}", "ID", one.text)) for one in answers]
        assert hidden[0] == hidden[1]
    assert clinician.get(f"{at}/reports/{record_id}/correct").status_code == 404
    allergy = added(clinician, at, "allergies", ALLERGY).rpartition("/")[2]
    assert clinician.get(f"{at}/conditions/{allergy}/correct").status_code == 404
    assert clinician.get(f"{at}/identity").status_code == 404
    assert clinician.get(f"{at}/signals/new").status_code == 404
    assert [one["dose_mg"] for one in api(world, at, "medications")["items"]] == [50]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_forms_of_other_sites_change_nothing(clinician: Person, world: World, at: str, origin: str | None) -> None:
    piece = added(clinician, at, "medication", COURSE)
    changed = COURSE | {"version": "1", "dose_mg": "500"}
    for path in (f"{at}/medication/new", f"{piece}/correct", f"{piece}/withdraw"):
        assert clinician.post(path, origin, data=changed).status_code in (401, 403)
    assert [one["dose_mg"] for one in api(world, at, "medications")["items"]] == [50]


def test_every_act_is_in_the_audit_once(clinician: Person, world: World, at: str) -> None:
    def told(path: str, form: dict[str, str]) -> list[tuple[str, str]]:
        before = len(world.audited())
        assert clinician.post(path, data=form).status_code == 303
        entries = world.audited()[before:]
        assert {one["actor"] for one in entries} == {str(world.users["C11"])}
        return [(one["action"], one["what"]) for one in entries if one["action"] != "read"]

    assert told(f"{at}/medication/new", COURSE) == [("write", "medication")]
    (correct,) = links(clinician.get(f"{at}/medication"), "correct")
    assert told(correct, COURSE | {"version": "1", "dose_mg": "75"}) == [("amended", "medication")]
    withdraw = correct.replace("/correct", "/withdraw")
    assert told(withdraw, {"version": "2"}) == [("withdrawn", "medication")]


class Elements(HTMLParser):
    """Names of a page's elements and of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(f"{tag} {name}" for name, _ in attrs)}


def test_what_somebody_wrote_is_text(clinician: Person, at: str) -> None:
    harmless: set[str] = set()
    for wrote in ("nothing special", f"{SCRIPT} {IMAGE} ' onfocus=alert(1) autofocus '"):
        for kind, form, name in (
            ("medication", COURSE, "medication"),
            ("conditions", CONDITION, "name"),
            ("allergies", ALLERGY, "medication"),
        ):
            piece = added(clinician, at, kind, form | {name: wrote})
            shown = [clinician.get(path) for path in (at, f"{at}/{kind}", f"{piece}/correct", f"{piece}/withdraw")]
            shown.append(clinician.post(f"{piece}/correct", data=form | {name: wrote * 20, "version": "1"}))
            shown.append(clinician.post(f"{piece}/correct", data=form | {name: wrote, "version": "2"}))
            shown.append(clinician.post(f"{at}/{kind}/{uuid4()}/correct", data=form | {name: wrote, "version": "1"}))
            assert [answer.status_code for answer in shown] == [200, 200, 200, 200, 422, 412, 404]
            assert fields(shown[2])[name] == wrote
            elements = set().union(*(Elements(answer.text).names for answer in shown))
            if wrote == "nothing special":
                harmless |= elements
            assert elements <= harmless
            assert clinician.post(f"{piece}/withdraw", data={"version": "1"}).status_code == 303


def test_the_first_of_several_wrong_fields_has_the_focus(clinician: Person, at: str) -> None:
    answer = clinician.post(f"{at}/medication/new", data={"dose_mg": "0", "start": "x"})
    assert re.findall(r'id="([\w-]+)-wrong"', answer.text) == ["medication", "dose_mg", "start"]
    assert len(re.findall(r"\sautofocus", answer.text)) == 1
    assert re.search(r'<input id="medication"[^>]*\sautofocus', answer.text)
    folded = clinician.post(f"{at}/reports/new", data=REPORT | {"step": "0"})
    assert "<details open>" in folded.text
    assert "<details>" in clinician.get(f"{at}/reports/new").text
