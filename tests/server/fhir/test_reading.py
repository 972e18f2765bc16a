"""Reading over FHIR: the same as what is stored, to those who may, in the audit, with versions."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from novamind.infrastructure.identity.domain import Role
from novamind.records import read_fhir
from novamind.records.signals import SIGNALS
from novamind.server.fhir.search import parsed
from tests.server.fhir.conftest import Get, matches
from tests.server.world import BASE, World


def test_a_search_gives_what_is_stored(world: World, get: Get, p1: str) -> None:
    stored = world.call("GET", f"/api/v1/patients/{p1}/reports?newest=100", "C11").json()["items"]
    found = matches(get(f"Observation?patient={p1}&category=survey"))
    assert {(r["id"], r["valueQuantity"]["value"]) for r in found} == {(s["id"], s["value"]) for s in stored}
    assert {r["subject"]["reference"] for r in found} == {f"Patient/{p1}"}
    assert {r["code"]["coding"][0]["code"] for r in found} == {"44261-6"}


def test_search_and_read_give_one_resource(get: Get, p1: str) -> None:
    for found in (
        *matches(get(f"Observation?patient={p1}&_count=1000"))[::9],
        *matches(get(f"MedicationStatement?patient={p1}")),
        *matches(get("Patient")),
    ):
        path = f"{found['resourceType']}/{found['id']}"
        assert get(path) == found
        assert get(f"{found['resourceType']}?_id={found['id']}")["entry"][0]["fullUrl"] == f"{BASE}/fhir/{path}"


def test_pages_hold_every_match_once_and_their_links_tell_nothing(get: Get, p1: str) -> None:
    at = f"Observation?patient={p1}&code=44261-6&date=ge2026-03-02&_count=10&_sort=-date"
    seen: list[str] = []
    page = get(at)
    while True:
        seen += [r["effectiveDateTime"] for r in matches(page)]
        links = {link["relation"]: link["url"] for link in page["link"]}
        if "next" not in links:
            break
        assert p1 not in links["next"]
        assert "44261" not in links["next"]
        page = get(links["next"].removeprefix(f"{BASE}/fhir/"))
    assert len(seen) == len(set(seen)) == page["total"] == 27
    assert seen == sorted(seen, reverse=True)
    assert get(links["previous"].removeprefix(f"{BASE}/fhir/"), who="C12", status=400)["issue"][0]["code"] == "invalid"


def test_a_search_by_post_tells_its_parameters_in_no_link(world: World, p1: str) -> None:
    number = matches(world.call("GET", f"/fhir/Patient?_id={p1}", "C11").json())[0]["identifier"][0]
    form = {"identifier": f"{number['system']}|{number['value']}"}
    answer = world.call("POST", "/fhir/Patient/_search", "C11", data=form)
    assert [r["id"] for r in matches(answer.json())] == [p1]
    assert number["value"] not in answer.json()["link"][0]["url"]
    again = world.call("GET", answer.json()["link"][0]["url"].removeprefix(BASE), "C11").json()
    assert [r["id"] for r in matches(again)] == [p1]
    assert world.call("POST", "/fhir/Patient/_search", "C12", data=form).json()["total"] == 0
    other = {"identifier": f"{number['system']}|{number['value']}x"}
    assert world.call("POST", "/fhir/Patient/_search", "C11", data=other).json()["total"] == 0


@pytest.mark.parametrize(
    "narrow",
    ["code=44261-6", "code=http://loinc.org|93832-4", "code=84413-4", "code=44261-6,93832-4", "category=survey",
     "category=vital-signs", "category=laboratory", "category=survey&code=84413-4", "code=urn:novamind:symptom|x"],
)  # fmt: skip
def test_a_search_reads_less_and_finds_the_same(get: Get, p1: str, narrow: str) -> None:
    wanted = parsed("Observation", [tuple(part.split("=")) for part in narrow.split("&")], in_address=True)  # type: ignore[misc]
    everything = matches(get(f"Observation?patient={p1}&_count=1000"))
    expected = [resource["id"] for resource in everything if wanted.matches(resource)]
    assert [resource["id"] for resource in matches(get(f"Observation?patient={p1}&_count=1000&{narrow}"))] == expected


def test_patients_of_a_search_are_those_of_every_parameter(world: World, get: Get, p1: str) -> None:
    p2 = world.patients["P2"]
    each = [get(f"MedicationStatement?patient={p}&_count=0")["total"] for p in (p1, p2)]
    assert get(f"MedicationStatement?patient={p1},{p2}&_count=0")["total"] == sum(each)
    assert get(f"MedicationStatement?patient={p1}&subject=Patient/{p2}&_count=0")["total"] == 0
    assert get(f"MedicationStatement?patient={p1},{p2}&patient={BASE}/fhir/Patient/{p2}&_count=0")["total"] == each[1]
    assert get("Patient?_id=x")["total"] == 0


def test_includes(get: Get, p1: str) -> None:
    bundle = get(f"Observation?patient={p1}&_count=2&_include=Observation:patient&_revinclude=Provenance:target")
    targets = [r["target"][0]["reference"] for r in matches(bundle, "include") if r["resourceType"] == "Provenance"]
    assert targets == [f"Observation/{r['id']}" for r in matches(bundle)]
    assert [r["id"] for r in matches(bundle, "include") if r["resourceType"] == "Patient"] == [p1]
    (provenance,) = matches(get(f"Provenance?target={targets[0]}"))
    assert provenance == get(f"Provenance/{provenance['id']}")


def test_results_of_the_services(get: Get, p1: str) -> None:
    (risk,) = matches(get(f"RiskAssessment?patient={p1}"))
    assert risk["status"] == "preliminary"
    assert get(f"RiskAssessment/{risk['id']}")["prediction"] == risk["prediction"]
    assert matches(get(f"DiagnosticReport?patient={p1}&code=83006-7&category=GE"))


@pytest.mark.parametrize(
    ("name", "other"), [("MedicationRequest", "MedicationStatement"), ("QuestionnaireResponse", "Observation")]
)
def test_an_empty_search_says_where_the_data_are(get: Get, p1: str, name: str, other: str) -> None:
    bundle = get(f"{name}?patient={p1}")
    assert bundle["total"] == 0
    assert other in matches(bundle, "outcome")[0]["issue"][0]["diagnostics"]


def test_who_may_not_see_the_patient_sees_no_resource(world: World, get: Get, p1: str) -> None:
    report = matches(get(f"Observation?patient={p1}&_count=1"))[0]["id"]
    places = (f"Patient/{p1}", f"Observation/{report}", f"Observation?patient={p1}", f"Observation/{report}/_history",
              f"Observation/{report}/_history/1", f"Patient/{p1}/$everything", f"Provenance/{report}.p",
              f"RiskAssessment?patient={p1}", f"Provenance?target=Observation/{report}")  # fmt: skip
    for place in places:
        refused = len(world.audited("fhir.read", "denied"))
        answer = get(place, 404, who="C12")
        assert len(world.audited("fhir.read", "denied")) == refused + 1, place
        nobody = get(place.replace(p1, str(uuid4())).replace(report, str(uuid4())), 404, who="C12")
        assert answer["issue"][0]["code"] == nobody["issue"][0]["code"] == "not-found"
        for who in ("admin", "researcher", "auditor"):
            get(place, 403, who=who)
        get(place, 401, who=None)
    assert get(f"Observation?_id={report}", who="C12")["total"] == 0
    assert get("Observation", who="P1-self")["total"] == get(f"Observation?patient={p1}")["total"]
    assert [r["id"] for r in matches(get("Patient", who="P1-self"))] == [p1]


def test_a_token_of_one_type_reads_that_type_alone(world: World, get: Get, p1: str) -> None:
    made = world.run(
        world.container.identity.accounts.add_client(
            f"one type {uuid4().hex[:8]}", world.container.operator("test"), role=Role.SERVICE,
            organisation_id=world.organisations[0], scopes=["system/Observation.rs"],
        )
    )  # fmt: skip
    token = world.token(
        grant_type="client_credentials", client_id=str(made.client_id), client_secret=str(made.secret)
    ).json()["access_token"]
    assert get(f"Observation?patient={p1}&_count=0", who=token)["total"] > 0
    for place in (f"Patient/{p1}", f"MedicationStatement?patient={p1}", f"RiskAssessment?patient={p1}",
                  f"Observation?patient={p1}&_include=Observation:patient",
                  f"Observation?patient={p1}&_revinclude=Provenance:target"):  # fmt: skip
        get(place, 403, who=token)
    kinds = {entry["resource"]["resourceType"] for entry in get(f"Patient/{p1}/$everything", who=token)["entry"]}
    assert kinds == {"Observation"}


def test_every_reading_is_in_the_audit(world: World, get: Get, p1: str) -> None:
    before = len(world.audited("read"))
    get(f"MedicationStatement?patient={p1}")
    entries = world.audited("read")[before:]
    assert {entry["what"] for entry in entries} == {"identity", "medication"}


def test_versions(world: World, get: Get) -> None:
    p = world.add_patient("Versions", "C11")
    at = f"/api/v1/patients/{p}"
    stored = world.call("GET", f"{at}/reports?newest=100", "C11").json()["items"][0]
    body = {"symptom": "PHQ-9", "timestamp": stored["timestamp"], "value": 3}
    path = f"Observation/{stored['id']}"
    first = get(path)
    assert world.call("PUT", f"{at}/reports/{stored['id']}", "C11", json=body).json() == {"version": 2}
    second = world.call("GET", f"/fhir/{path}", "C11", headers={"If-None-Match": 'W/"1"'})
    assert (second.status_code, second.headers["etag"]) == (200, 'W/"2"')
    assert second.json()["valueQuantity"]["value"] == 3
    assert second.json()["meta"]["lastUpdated"] > first["meta"]["lastUpdated"]
    assert get(path, 304, headers={"If-None-Match": 'W/"2"'}) is None
    assert get(f"{path}/_history/1") == first
    assert get(f"{path}/_history/2") == second.json()
    changed = f"Observation?patient={p}&_lastUpdated=gt{first['meta']['lastUpdated'].replace('+', '%2B')}"
    assert [r["id"] for r in matches(get(changed)) if r["code"].get("text") == "PHQ-9"] == [stored["id"]]
    assert world.call("DELETE", f"{at}/records/{stored['id']}", "C11").status_code == 204
    assert get(path, 410)["issue"][0]["code"] == "deleted"
    entries = get(f"{path}/_history")["entry"]
    assert [(e["request"]["method"], e["response"]["etag"]) for e in entries] == [
        ("DELETE", 'W/"3"'), ("PUT", 'W/"2"'), ("POST", 'W/"1"')]  # fmt: skip
    get(f"{path}/_history/3", 410)
    get(f"{path}/_history/4", 404)
    assert get(f"Observation?patient={p}&category=survey")["total"] == 27


def test_genes_are_closed_by_the_patients_decision(world: World, get: Get) -> None:
    p = world.add_patient("Closed", "C11")
    (gene,) = matches(get(f"Observation?patient={p}&category=laboratory"))
    world.call("PUT", f"/api/v1/patients/{p}/consents/genomics", "C11", json={"granted": False})
    assert get(f"Observation?patient={p}&category=laboratory")["total"] == 0
    for place in (f"Observation/{gene['id']}", f"Observation/{gene['id']}/_history"):
        get(place, 404)


def rows(frame: Any) -> list[Any]:
    """Series, wall clock, offset and value in the canonical unit, row by row."""
    found = []
    for row, (index, when) in enumerate(zip(frame.series_index, frame.timestamps, strict=True)):
        name, value = frame.series[index].name, float(frame.values[row])
        if name in SIGNALS:
            factor, shift = SIGNALS[name].conversion(frame.units[index])
            value = value * factor + shift
        found.append((name, str(when), str(frame.utc_offset[row]), value))
    return found


def test_the_whole_record_imports_elsewhere(world: World, get: Get, p1: str) -> None:
    again = read_fhir(get(f"Patient/{p1}/$everything")).record
    caller = world.run(world.container.identity.sessions.authenticate(world.tokens["C11"]))
    record = world.run(world.container.clinic.case(caller, UUID(p1))).record
    assert rows(again.symptoms) == rows(record.symptoms)
    assert rows(again.signals) == rows(record.signals)
    courses = [[(c.medication, c.start, c.end, c.dose_mg) for c in each.medications] for each in (again, record)]
    assert courses[0] == courses[1] != []
    assert dict(again.genotype) == dict(record.genotype) != {}
    assert again.timezone == record.timezone


@pytest.mark.parametrize("accept", ["application/fhir+xml", "text/turtle"])
def test_other_formats_are_refused(get: Get, p1: str, accept: str) -> None:
    assert get(f"Patient/{p1}", 406, headers={"Accept": accept})["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "place", ["Patient/x", "Observation/1", "Nothing/1", "RiskAssessment/1", "Encounter?patient=1"]
)
def test_what_is_not_there_is_an_outcome(get: Get, place: str) -> None:
    assert get(place, 404)["resourceType"] == "OperationOutcome"


def test_where_each_resource_comes_from_is_read_by_its_address(get: Get, p1: str) -> None:
    all_of_it = matches(get(f"Provenance?patient={p1}&_count=1000"))
    for provenance in (all_of_it[0], all_of_it[1], all_of_it[-1]):
        assert get(f"Provenance/{provenance['id']}") == provenance
    assert all_of_it[0]["target"] == [{"reference": f"Patient/{p1}"}]
    get(f"Provenance/{all_of_it[0]['id']}", 404, who="C12")
    get("Provenance/8f1f0f0e-0000-4000-8000-000000000000.p", 404)
