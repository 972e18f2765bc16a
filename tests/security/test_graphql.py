"""Sections 2 and 3 of the attack plan over GraphQL: the same rule by every edge, and no query that costs too much."""

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import pytest
from fastapi import APIRouter
from graphql import GraphQLError, build_ast_schema, get_introspection_query, parse, parse_value, print_schema, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes

from novamind.infrastructure.identity import access
from novamind.infrastructure.identity.domain import Ground
from novamind.server.app import create_app
from novamind.server.graphql import endpoint, limits
from novamind.server.graphql.schema import schema
from novamind.settings import Settings
from tests.security.test_authorisation import EVERYBODY, LIST, PEOPLE, SUPERVISED
from tests.server.world import NOT_EXPLODED, World
from tests.weak import must_fail

#: A way to each part of a patient; the costly ones share one rule and one loader with the cheap ones.
EDGES = (
    "{ patient(id: $id) { name } }",
    "{ patient(id: $id) { symptoms { value } } }",
    "{ patient(id: $id) { medications { medication } genotype } }",
    '{ _entities(representations: [{ __typename: "Patient", id: $id }]) { ... on Patient { name } } }',
)


TRAIL = "{ auditTrail(patientId: $id) { action } }"


def sent(world: World, query: Any, who: str | None = "C11", **more: Any) -> Any:
    return world.call("POST", "/graphql", who, json={"query": query} | more)


def differences(world: World, *edges: str) -> list[str]:
    """Edges by which somebody gets what the oracle does not give them, or does not get what it does."""
    wrong, nobody = [], str(uuid4())

    async def by_edge(who: str, edge: str, patient_id: str) -> Any:
        query = {"query": edge.replace("$id", json.dumps(patient_id))}
        return await world.acall("POST", "/graphql", who, json=query)

    async def check(who: str, edge: str) -> None:
        oracle = PEOPLE | SUPERVISED if edge == TRAIL else LIST
        missing = await by_edge(who, edge, nobody)
        for patient, patient_id in world.patients.items():
            answer = await by_edge(who, edge, patient_id)
            may = patient in oracle.get(who, set())
            if may and "errors" in answer.json():
                wrong.append(f"{who} {edge} of {patient}: refused, though they may")
            if not may and (answer.status_code, answer.text) != (missing.status_code, missing.text):
                wrong.append(f"{who} {edge} of {patient}: {answer.text}, though they may not")

    async def sweep() -> None:
        for edge in edges:  # everybody at once, since their entries in the audit then share commits
            await asyncio.gather(*(check(who, edge) for who in EVERYBODY))

    world.run(sweep())
    return wrong


def test_b01_every_edge_follows_the_one_rule(world: World) -> None:
    before = len(world.audited(outcome="denied"))
    assert differences(world, *EDGES, TRAIL) == []
    assert len(world.audited(outcome="denied")) > before + 50


@pytest.mark.weak("the rule asks for the role and forgets the relationship", "B01")
def test_b01_the_sweep_finds_a_rule_that_forgets_the_relationship(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        access, "ground", lambda principal, permission, *_: Ground.TREATMENT if principal.may(permission) else None
    )
    assert any(one.startswith("C12 { patient(id: $id) { name } } of P1") for one in differences(world, EDGES[0]))


def test_b02_the_list_holds_ones_own_patients(world: World) -> None:
    for who, theirs in LIST.items():
        shown = {one["id"] for one in sent(world, "{ patients(limit: 50) { id } }", who).json()["data"]["patients"]}
        assert {world.patients[name] for name in theirs} <= shown
        assert not shown & {patient_id for name, patient_id in world.patients.items() if name not in theirs}


def test_b08_the_other_realm_does_not_get_as_far_as_the_schema(world: World) -> None:
    for who in ("analyst", "researcher", "admin"):
        answer = sent(world, "{ __typename }", who)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
    assert sent(world, "{ __typename }", None).status_code == 401


def chain(length: int) -> str:
    """Fragments each of which holds the next one twice."""
    links = "".join(f"fragment f{i} on Query {{ ...f{i + 1} ...f{i + 1} }} " for i in range(length))
    return f"{{ ...f0 }} {links} fragment f{length} on Query {{ __typename }}"


BOMBS = {
    "depth 12": "{ a" * 12 + "}" * 12,
    "depth 30": "{ a" * 30 + "}" * 30,
    "depth 200": "{ a" * 200 + "}" * 200,
    "depth 5000": "{ a" * 5000 + "}" * 5000,
    "arguments within arguments": "{ a(b: " + "[" * 900 + "]" * 900 + ") }",
    "16 aliases": "{ " + " ".join(f"a{i}: __typename" for i in range(16)) + " }",
    "5000 aliases": "{ " + " ".join(f"a{i}: __typename" for i in range(5000)) + " }",
    "__typename flood": "{ " + "__typename " * 900 + "}",
    "10000 fields": "{ " + "__typename " * 10_000 + "}",
    "aliases of costly fields": '{ patient(id: "x") { '
    + " ".join(f"a{i}: insights {{ notes }}" for i in range(12))
    + "}}",
    "a long list of costly fields": "{ patients(limit: 100) { insights { notes } } }",
    "a list of unknown length": "query ($n: Int!) { patients(limit: $n) { forecasts { skipped { reason } } } }",
    "many entities": "{ _entities(representations: [" + "{}" * 99 + "]) { ... on Patient { insights { notes } } } }",
    "circular fragments": "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
    "a fragment in itself": "{ ...a } fragment a on Query { ...a }",
    "fragments that double": chain(40),
    "100000 directives": "{ __typename " + "@skip(if: false) " * 100_000 + "}",
    "1500 directives": "{ __typename " + "@a " * 990 + "}",
}
#: Refused, or no query at all, whatever they cost.
BAD = {
    "mutation": 'mutation { patient(id: "x") { id } }',
    "subscription": "subscription { patients { id } }",
    "subscription flood": "subscription { a } " * 300,
    "not a query": "SELECT * FROM patients",
    "empty": "",
    "a comment": "# nothing",
    "no such field": "{ patientz { id } }",
    "two operations": "query a { __typename } query b { __typename }",
    "an unknown fragment": "{ ...nothing }",
    "a number for a query": 7,
    "null": None,
    "a list": ["{ __typename }"],
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_c03_a_query_that_costs_too_much_is_refused_before_it_costs(world: World, bomb: str) -> None:
    begun = time.process_time()
    answer = sent(world, BOMBS[bomb], variables={"n": 10**9})
    assert time.process_time() - begun < NOT_EXPLODED
    assert answer.status_code in (400, 413)
    assert "data" not in answer.json()


@pytest.mark.parametrize("bad", BAD)
def test_c03_what_is_no_query_here_is_refused(world: World, bad: str) -> None:
    answer = sent(world, BAD[bad])
    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_c03_batches_are_refused(world: World, size: int) -> None:
    assert world.call("POST", "/graphql", "C11", json=[{"query": "{ __typename }"}] * size).status_code == 400


def test_c03_variables_count_as_the_body_they_are_in(world: World) -> None:
    query = "query ($id: UUID!) { patient(id: $id) { id } }"
    assert sent(world, query, variables={"id": "x" * 5_000_000}).status_code == 413
    assert sent(world, query + " " * 60_000).status_code == 400


def test_c03_other_ways_in_are_shut(world: World) -> None:
    assert world.call("GET", "/graphql?query={__typename}", "C11").status_code == 405
    for kind in ("application/graphql", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = world.call("POST", "/graphql", "C11", content=b"{ __typename }", headers={"Content-Type": kind})
        assert answer.status_code == 400, kind


@pytest.mark.weak("queries are parsed and not measured", "C03")
@pytest.mark.parametrize("bomb", ["16 aliases", "a long list of costly fields"])
def test_c03_fails_where_queries_are_not_measured(world: World, bomb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser and the validator alone let these through."""
    assert validate(schema(introspection=True)._schema, parse(BOMBS[bomb])) == []
    monkeypatch.setattr("novamind.server.graphql.schema.parsed", lambda query, *_, **__: parse(query))
    must_fail(test_c03_a_query_that_costs_too_much_is_refused_before_it_costs, world, bomb)


def measured(query: str, **variables: Any) -> bool:
    try:
        limits.parsed(query, variables, introspection=True)
    except GraphQLError:
        return False
    return True


def test_c03_the_limits_are_where_they_are_said_to_be() -> None:
    assert measured("{ a" * limits.DEPTH + "}" * limits.DEPTH)
    assert not measured("{ a" * (limits.DEPTH + 1) + "}" * (limits.DEPTH + 1))
    assert measured("{ " + " ".join(f"a{i}: b" for i in range(limits.ALIASES)) + " }")
    assert measured("{ " + "b " * (limits.ALIASES + 1) + " }")
    assert not measured("{ " + "b " * (limits.ALIASES + 2) + " }")
    assert measured("{ " + " ".join(f"b{i}" for i in range(limits.COST)) + " }")
    assert not measured("{ " + " ".join(f"b{i}" for i in range(limits.COST + 1)) + " }")
    assert measured("{ patients(limit: 49) { forecasts } }")
    assert not measured("{ patients(limit: 50) { forecasts } }")
    assert measured("query ($n: Int = 5) { patients(limit: $n) { insights } }")
    assert measured("query ($n: Int!) { patients(limit: $n) { insights } }", n=9)
    assert not measured("query ($n: Int!) { patients(limit: $n) { insights } }", n=10)
    assert not measured("query ($r: [_Any!]!) { _entities(representations: $r) { insights } }", r=[{}] * 10)
    assert not measured("{ a { ...f ...f } } fragment f on A { " + " ".join(f"b{i}" for i in range(500)) + " }")
    assert measured(get_introspection_query())


def test_c03_in_production_the_schema_tells_nothing_of_itself() -> None:
    closed = schema(introspection=False)
    for query in (
        get_introspection_query(),
        "{ __schema { types { name } } }",
        '{ __type(name: "Patient") { name } }',
        "{ _service { sdl } }",
        "{ ...f } fragment f on Query { a: __schema { types { name } } }",
    ):
        with pytest.raises(limits.RefusedError, match="not shown here"):
            limits.parsed(query, {}, introspection=False)
    assert measured("{ __schema { types { name } } }")
    assert closed.execute_sync("{ __typename }").data == {"__typename": "Query"}


@pytest.mark.parametrize("environment", ["development", "production"])
def test_c03_the_schema_is_shut_in_production(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def routes(*, introspection: bool) -> APIRouter:
        told.append(introspection)
        return APIRouter()

    monkeypatch.setattr(endpoint, "routes", routes)
    create_app(Settings.model_construct(**Settings().model_dump() | {"environment": environment}))
    assert told == [environment == "development"]


def test_errors_suggest_nothing_and_repeat_nothing(world: World) -> None:
    secret = "Ada_Lovelace_CANARY"  # noqa: S105
    for query, variables in (
        ("{ patientz { id } }", {}),
        (f"{{ {secret} }}", {}),
        (f'{{ patient(id: "{secret}") {{ id }} }}', {}),
        ("query ($id: UUID!) { patient(id: $id) { id } }", {"id": secret}),
        ("query ($n: Int!) { patients(limit: $n) { id } }", {"n": secret}),
        ("{ patients(limit: 1) { id } ", {}),
        (f'{{ patients(limit: "{secret}") {{ id }} }}', {}),
        (f"{{ ...{secret} }}", {}),
    ):
        answer = sent(world, query, variables=variables)
        assert answer.status_code == 400, query
        assert secret not in answer.text
        assert "did you mean" not in answer.text.lower()
        assert "patients" not in answer.text


def test_an_accident_inside_is_told_to_the_log_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def accident(*_: object) -> None:
        raise RuntimeError("CANARY-inside")

    monkeypatch.setattr(type(world.container.clinic.twin), "forecast", accident)
    patient = world.patients["P1"]
    answer = sent(world, f'{{ patient(id: "{patient}") {{ id forecasts {{ skipped {{ reason }} }} }} }}')
    assert answer.json()["data"]["patient"] == {"id": patient, "forecasts": None}
    assert "CANARY-inside" not in answer.text
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "internal", "status": 500}


def unharmed(world: World, query: str) -> int:
    """Check that it was no accident; the status."""
    answer = sent(world, query)
    told = answer.json().get("errors", [])
    assert all(error.get("extensions", {}).get("code") != "internal" for error in told), query
    return int(answer.status_code)


def test_c02_no_query_of_the_schema_makes_it_fall(world: World) -> None:
    described = build_ast_schema(parse(print_schema(schema(introspection=True)._schema)))
    scalars = {
        "UUID": st.sampled_from([*world.patients.values(), str(uuid4()), "x"]).map(nodes.String),
        "_Any": st.sampled_from(["Patient", "Doctor"]).map(
            lambda kind: parse_value(f'{{ __typename: "{kind}", id: "{uuid4()}" }}')
        ),
    }
    statuses: set[int] = set()

    @given(query=from_schema(described, custom_scalars=scalars))
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def run(query: str) -> None:
        statuses.add(unharmed(world, query))

    run()
    assert statuses == {200, 400}


@pytest.mark.weak("an accident in a resolver", "C02")
def test_c02_fails_where_an_accident_is_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def accident(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(type(world.container.clinic), "patients", accident)
    must_fail(unharmed, world, "{ patients(limit: 5) { id } }")
