"""The form of every request and answer as it is described: types, meanings, limits, defaults, statuses, names."""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.openapi.utils import get_openapi

from novamind.server.app import ROOMS, create_app
from novamind.server.dashboard.routes import PAGES
from novamind.server.graphql.schema import schema
from novamind.settings import Settings
from tests.golden import check_golden
from tests.json_schema import free, unexplained
from tests.server.world import routes_of

SNAPSHOT = Path(__file__).parents[2] / "docs" / "openapi.json"
SERVED = [(), *((room,) for room in ROOMS)]
#: Where anything may stand, and why. A FHIR resource is no free object: it has a kind, and its elements are FHIR's.
OPEN = {
    "GraphQuestion.variables|0": "GraphQL: the query says which variables there are",
    "Answer.data|0": "GraphQL: the query says what is answered",
    "NewPasskey.credential.clientExtensionResults": "WebAuthn: each extension of a browser has an output of its own",
    "JsonWebKey": "RFC 7517: a key may have members that nobody here knows",
}


@cache
def described(only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a server says of itself, and the whole one by default."""
    return dict(create_app(Settings(), only).openapi())


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def schemas(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema that a description holds, with its name or place."""
    yield from description["components"]["schemas"].items()
    for place, operation in operations(description):
        for parameter in operation.get("parameters", ()):
            yield f"{place} {parameter['name']}", parameter["schema"]
        for answer in (operation.get("requestBody", {}), *operation["responses"].values()):
            for medium in answer.get("content", {}).values():
                yield place, medium["schema"]


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app(Settings())


@pytest.mark.parametrize("only", SERVED, ids=lambda only: only[0] if only else "all")
def test_nothing_is_free_but_what_its_specification_leaves_open(only: tuple[str, ...]) -> None:
    found = {place for name, one in schemas(described(only)) for place in free(one, name)}
    assert found == ({"JsonWebKey"} if only else OPEN.keys())


@pytest.mark.parametrize("only", SERVED, ids=lambda only: only[0] if only else "all")
def test_every_form_property_and_parameter_says_what_it_means(only: tuple[str, ...]) -> None:
    description = described(only)
    forms = description["components"]["schemas"]

    def resolve(reference: str) -> dict[str, Any]:
        return dict(forms[reference.rpartition("/")[2]])

    assert [place for name, one in schemas(description) for place in unexplained(one, resolve, name)] == []
    made_of_parameters = {"Body_getTokens", "Body_logIn"}
    assert {name for name, form in forms.items() if not form.get("description")} <= made_of_parameters
    parameters = [one for _, operation in operations(description) for one in operation.get("parameters", ())]
    assert [one["name"] for one in parameters if not one.get("description")] == []


@pytest.mark.parametrize("only", SERVED, ids=lambda only: only[0] if only else "all")
def test_every_operation_has_a_name_a_purpose_and_its_problems(only: tuple[str, ...]) -> None:
    names = []
    for place, operation in operations(described(only)):
        names.append(operation["operationId"])
        assert re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"]), place
        assert operation["summary"], place
        assert operation["description"].endswith("."), place
        assert {"401", "403", "404", "412", "413", "422", "429", "503"} <= set(operation["responses"]), place
        for status, answer in operation["responses"].items():
            reference = f"#/components/responses/Problem{status}"
            is_redirect_or_empty = status in ("204", "303")
            assert is_redirect_or_empty or answer.get("$ref") == reference or answer["content"], (place, status)
    assert len(names) == len(set(names)) > 5


def test_what_says_nothing_is_noticed() -> None:
    form = {"description": "A form.", "type": "object", "properties": {"own": {"type": "string", "title": "Own"}}}
    whole = {"type": "object", "properties": {"a": {"$ref": "#/form"}, "b": {"items": form, "description": "B."}}}
    assert list(unexplained(whole, lambda _: form)) == [".b[].own"]
    assert list(unexplained(whole, lambda _: {})) == [".a", ".b[].own"]


def test_every_problem_is_described() -> None:
    answers = described()["components"]["responses"]
    assert len(answers) > 8
    for answer in answers.values():
        assert answer["description"]
        assert answer["content"]["application/problem+json"]["schema"]["$ref"] == "#/components/schemas/Problem"


def test_the_snapshot_is_what_the_server_says_of_itself() -> None:
    text = json.dumps(described(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("NOVAMIND_GOLDEN") == "write":
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8"), (
        "the interface has changed: run this test with NOVAMIND_GOLDEN=write and read what changed in docs/openapi.json"
    )


def test_a_room_alone_describes_what_it_shares_with_the_whole_server_in_the_same_way() -> None:
    whole = described()
    for room in ROOMS:
        alone = described((room,))
        for path, methods in alone["paths"].items():
            assert methods == whole["paths"][path], path
        forms = alone["components"]["schemas"]
        assert {name: whole["components"]["schemas"][name] for name in forms} == forms


def test_pages_take_the_forms_that_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = [route for pages in PAGES for route in pages.routes]
    for route in routes:
        monkeypatch.setattr(route, "include_in_schema", True)
    found = get_openapi(title="pages", version="1", routes=routes)
    operations = {
        f"{method} {path}": {
            "parameters": operation.get("parameters", []),
            "body": operation.get("requestBody", {}),
        }
        for path, of_path in found["paths"].items()
        for method, operation in of_path.items()
    }
    check_golden(__file__, "forms", operations)
    bodies = {name: one for name, one in found["components"]["schemas"].items() if name.startswith(("Body_", "_"))}
    check_golden(__file__, "forms_schemas", bodies)


def test_the_form_of_the_graph() -> None:
    check_golden(__file__, "graphql", schema(introspection=True).as_str().split("\n"))


def test_what_is_served_and_what_of_it_alone(app: Any) -> None:
    check_golden(
        __file__,
        "routes",
        {
            "whole": sorted(routes_of(app)),
            "one room": sorted(routes_of(create_app(Settings(), ("symptoms",)))),
            "two rooms": sorted(
                routes_of(create_app(Settings(), ("neurochemistry", "pharmacogenomics", "neurochemistry")))
            ),
        },
    )


def test_limits_of_bodies_and_public_paths_reach_the_door() -> None:
    def door(**settings: Any) -> dict[str, Any]:
        only = settings.pop("only", ())
        sizes = {"max_fhir_bytes": 1, "max_table_bytes": 2, "max_body_bytes": 3}
        made = create_app(Settings.model_construct(**Settings().model_dump() | sizes | settings), only)
        (found,) = [one.kwargs for one in made.user_middleware if one.cls.__name__ == "GuardMiddleware"]
        assert [one.cls.__name__ for one in made.user_middleware] == [
            "ErrorPages",
            "FhirOutcomes",
            "GuardMiddleware",
        ], "forms of errors outside, then the door"
        return dict(found)

    known = door()
    sizes = {form.pattern: size for form, size in known["file_routes"].items()}
    assert sizes == {
        "/api/v1/patients/[^/]+/fhir": 1,
        r"/fhir(?:/(?:[A-Z]\w+|\$import))?": 1,
        "/api/v1/patients/[^/]+/files": 1,
        "/api/v1/populations/models": 2,
        "/patients/[^/]+/upload": 1,
        "/populations/models": 2,
    }
    public = {
        "/health", "/ready", "/oauth/authorize", "/oauth/token", "/.well-known/jwks.json",
        "/.well-known/smart-configuration", "/cds-services", "/static/app.css", "/static/app.js", "/static/icon.svg",
        "/favicon.ico", "/fhir/.well-known/smart-configuration", "/oauth/patient", "/oauth/revoke",
        "/.well-known/openid-configuration",
    }  # fmt: skip
    assert known["public"] == public | {"/login", "/callback", "/openapi.json", "/fhir/metadata"}
    assert door(environment="production")["public"] == public | {"/login", "/callback", "/fhir/metadata"}
    assert door(only=("symptoms",))["public"] == public | {"/openapi.json"}


def test_in_production_the_graph_tells_nobody_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    from novamind.server.graphql import endpoint

    told: list[bool] = []
    right = endpoint.routes
    monkeypatch.setattr(
        endpoint, "routes", lambda *, introspection: told.append(introspection) or right(introspection=introspection)
    )
    for environment in ("development", "production"):
        create_app(Settings.model_construct(**Settings().model_dump() | {"environment": environment}))
    assert told == [True, False]


def test_the_description_is_made_once(app: Any) -> None:
    assert app.openapi() is app.openapi()
