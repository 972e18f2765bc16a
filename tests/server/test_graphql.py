"""GraphQL says what REST says, with no more queries for many patients than for one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from graphql import get_named_type

from novamind.pharmacogenomics.codec import ReviewBody
from novamind.server.graphql import limits
from novamind.server.graphql.schema import schema
from novamind.symptoms.codec import ForecastsBody
from novamind.twin.codec import InsightsBody
from tests.server.graph import as_graphql, whole
from tests.server.world import World


def asked(world: World, query: str, who: str = "C11", **variables: Any) -> dict[str, Any]:
    answer = world.call("POST", "/graphql", who, json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    return answer.json()


def data(world: World, query: str, who: str = "C11", **variables: Any) -> Any:
    answer = asked(world, query, who, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def rest(world: World, path: str, who: str = "C11", patient: str = "P1") -> Any:
    return world.call("GET", f"/api/v1/patients/{world.patients[patient]}{path}", who).json()


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """What the database is asked about patients meanwhile; others, such as the outbox, ask at any time."""
    told: list[str] = []
    engine = world.container.foundation.database.engine.sync_engine

    def tell(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT") and re.search("FROM (patient|consents)", statement):
            told.append(statement)

    sa.event.listen(engine, "before_cursor_execute", tell)
    yield told
    sa.event.remove(engine, "before_cursor_execute", tell)


def test_a_patient_is_the_same_as_over_rest(world: World) -> None:
    query = """query ($id: UUID!) { patient(id: $id) {
      id identifiers name birthDate timezone genotype
      symptoms(newest: 5) { id recordedAt symptom timestamp value }
      medications { medication doseMg start end stopped } } }"""
    got = data(world, query, id=world.patients["P1"])["patient"]
    who, reports = rest(world, ""), rest(world, "/reports?newest=5")
    assert got["id"] == who["patient_id"]
    assert got["identifiers"] == who["identifiers"]
    assert (got["name"], got["birthDate"], got["timezone"]) == tuple(
        who["details"][name] for name in ("name", "birth_date", "timezone")
    )
    assert got["genotype"] == rest(world, "/genotype")["genes"]
    same = ("id", "symptom", "value")
    assert [[one[name] for name in same] for one in got["symptoms"]] == [
        [one[name] for name in same] for one in reports["items"]
    ]
    medications = rest(world, "/medications")["items"]
    assert [one["doseMg"] for one in got["medications"]] == [one["dose_mg"] for one in medications]
    assert [one["start"] for one in got["medications"]] == [one["start"] for one in medications]


def test_results_are_the_same_as_over_rest(world: World) -> None:
    query = f"""query ($id: UUID!) {{ patient(id: $id) {{
      forecasts(horizon: 7, threshold: 10, explain: true) {whole("Forecasts")}
      medicationAdvice(medication: "paroxetine") {whole("Review")} }} }}"""
    got = data(world, query, id=world.patients["P1"])["patient"]
    forecasts = ForecastsBody.model_validate(rest(world, "/forecast?horizon=7&threshold=10&explain=true"))
    assert forecasts.forecasts[0].risk is not None
    assert forecasts.forecasts[0].explanation is not None
    assert got["forecasts"] == as_graphql(forecasts)
    at = f"/api/v1/patients/{world.patients['P1']}/medication-advice"
    advice = ReviewBody.model_validate(world.call("POST", at, "C11", json={"medication": "paroxetine"}).json())
    assert got["medicationAdvice"] == as_graphql(advice)
    assert "*4/*4" in str(advice.drugs)


def test_insights_are_the_same_as_over_rest(world: World) -> None:
    query = f"query ($id: UUID!) {{ patient(id: $id) {{ insights {whole('Insights')} }} }}"
    got = data(world, query, id=world.patients["P1"])["patient"]["insights"]
    theirs = as_graphql(InsightsBody.model_validate(rest(world, "/insights")))
    for answer in (got, theirs):
        for result in answer["results"].values():
            if result is not None:
                del result["reused"]
    assert got == theirs


def test_the_limit_of_depth_lets_the_deepest_field_through() -> None:
    """Results hold no patients, so that a question for the whole of the schema has an end."""

    def depth(kind: Any) -> int:
        fields = getattr(get_named_type(kind), "fields", {})
        return 1 + max(depth(field.type) for field in fields.values()) if fields else 0

    query = schema(introspection=True)._schema.query_type
    assert query is not None
    assert max(depth(of.type) for name, of in query.fields.items() if name != "_service") + 1 == limits.DEPTH


def test_leading_signals_are_there_or_say_why_not(world: World) -> None:
    query = "query ($id: UUID!) { patient(id: $id) { id leadingSignals { modelVersion links { signal symptom } } } }"
    got = asked(world, query, id=world.patients["P1"])
    theirs = world.call("GET", f"/api/v1/patients/{world.patients['P1']}/correlations", "C11")
    signals = got["data"]["patient"]["leadingSignals"]
    if theirs.status_code == 200:
        assert [one["signal"] for one in signals["links"]] == [one["signal"] for one in theirs.json()["links"]]
    else:
        (error,) = got["errors"]
        assert signals is None
        assert error["path"] == ["patient", "leadingSignals"]
        assert error["message"]
        assert error["extensions"]["status"] == theirs.status_code


def test_the_list_is_rests_list_page_by_page(world: World) -> None:
    found, after = [], None
    while True:
        page = data(world, "query ($after: UUID) { patients(limit: 1, after: $after) { id } }", after=after)["patients"]
        if not page:
            break
        found.append(after := page[0]["id"])
    assert found == [
        one["patient_id"] for one in world.call("GET", "/api/v1/patients?limit=100", "C11").json()["items"]
    ]


@pytest.mark.parametrize("fields", ["name", "symptoms(newest: 3) { value }", "medications { medication } genotype"])
def test_a_list_asks_the_database_as_often_as_one_patient_does(world: World, fields: str) -> None:
    counts = []
    for limit in (1, 3):
        world.container.foundation.vault._ciphers.clear()
        with statements(world) as told:
            answer = asked(world, f"{{ patients(limit: {limit}) {{ id {fields} }} }}", "service1")
            patients = answer["data"]["patients"]  # some may have no reports yet
        assert len(patients) == limit
        counts.append(told)
    one, several = counts
    assert len(one) == len(several), several


def test_every_patient_that_a_list_reads_is_in_the_audit(world: World) -> None:
    before = len(world.audited("read"))
    shown = data(world, "{ patients(limit: 3) { id medications { medication } } }", "service1")["patients"]
    read = world.audited("read")[before:]
    pseudonym = world.container.foundation.audit.pseudonym
    for kind in ("identity", "medication"):
        assert {one["patient"] for one in read if one["what"] == kind} == {pseudonym(one["id"]) for one in shown}
    assert {one["actor"] for one in read} == {str(world.users["service1"])}


def test_the_audit_trail_is_for_those_who_may(world: World) -> None:
    query = "query ($id: UUID!) { auditTrail(patientId: $id, newest: 5) { actor action what outcome at } }"
    patient = world.patients["P1"]
    for who in ("C11", "auditor", "P1-self"):
        got = data(world, query, who, id=patient)["auditTrail"]
        theirs = rest(world, "/audit?newest=5", who)["entries"]
        assert [one["action"] for one in got] == [one["action"] for one in theirs]
    refused = asked(world, query, "service1", id=patient)
    assert refused["data"] == {"auditTrail": None}
    assert refused["errors"][0]["extensions"] == {"code": "not-allowed", "status": 403}


def test_a_gateway_resolves_patients_by_their_key(world: World) -> None:
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Patient { id name } } }"
    one = {"__typename": "Patient", "id": world.patients["P1"]}
    wrong = [{"__typename": "Doctor", "id": one["id"]}, {"__typename": "Patient", "id": "x"}, {}, 7]
    got = asked(world, query, r=[one, *wrong])
    assert got["data"]["_entities"] == [
        {"id": world.patients["P1"], "name": rest(world, "")["details"]["name"]},
        *[None] * len(wrong),
    ]
    assert {error["extensions"]["status"] for error in got["errors"]} == {404, 422}
    sdl = data(world, "{ _service { sdl } }")["_service"]["sdl"]
    assert 'type Patient @key(fields: "id")' in sdl
    assert sdl.strip() in schema(introspection=True).as_str()


@pytest.mark.parametrize(
    "field",
    ["symptoms(newest: 0) { id }", "symptoms(newest: 501) { id }", "forecasts(horizon: 31) { skipped { reason } }"],
)
def test_arguments_have_rests_limits(world: World, field: str) -> None:
    got = asked(world, f'{{ patient(id: "{world.patients["P1"]}") {{ {field} }} }}')
    (error,) = got["errors"]
    assert error["extensions"]["status"] == 422
