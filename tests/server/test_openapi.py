"""The form of every request and answer as it is described: paths, limits, defaults, statuses, names."""

import json
from typing import Any

import pytest
from fastapi.openapi.utils import get_openapi

from novamind.server.app import create_app
from novamind.server.dashboard.routes import PAGES
from novamind.server.graphql.schema import schema
from novamind.settings import Settings
from tests.golden import check_golden
from tests.server.world import routes_of

#: What other rooms say of themselves is tested there.
OWN = (
    "patients", "administration", "identity", "operations", "live", "CDS Hooks", "GraphQL", "populations", "biometrics",
    "twin",
)  # fmt: skip


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app(Settings())


@pytest.fixture(scope="module")
def described(app: Any) -> dict[str, Any]:
    return dict(app.openapi())


def without_problems(operation: dict[str, Any]) -> dict[str, Any]:
    """Without the answers that any route may give, and without sentences."""
    usual = {"400", "401", "403", "404", "408", "412", "413", "415", "422", "429", "503"}
    kept = {name: value for name, value in operation.items() if name not in ("description", "security")}
    kept["responses"] = {
        s: a for s, a in operation["responses"].items() if s not in usual or "Problem" not in json.dumps(a)
    }
    return kept


@pytest.mark.parametrize("tag", OWN)
def test_operations_have_the_form_that_callers_know(described: dict[str, Any], tag: str) -> None:
    mine = {
        f"{method} {path}": without_problems(operation)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if tag in operation.get("tags", ())
    }
    assert mine
    check_golden(__file__, f"openapi_{tag.replace(' ', '_').lower()}", mine)


def test_bodies_have_the_limits_that_callers_know(described: dict[str, Any]) -> None:
    from novamind.biometrics import endpoints as biometrics
    from novamind.records import codec as records
    from novamind.server import administration, cds, jobs, live, oauth, patients, problems
    from novamind.twin import endpoints as twin

    own = {
        name
        for module in (administration, biometrics, cds, jobs, live, oauth, patients, problems, records, twin)
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    }
    schemas = described["components"]["schemas"]
    check_golden(
        __file__, "openapi_schemas", {name: one for name, one in schemas.items() if name in own or "Problem" in name}
    )
    assert described["info"]["title"] == "Novamind"
    assert described["info"]["summary"] == "Digital twins for psychiatry"


def test_any_route_may_answer_with_any_problem(described: dict[str, Any]) -> None:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert {"401", "403", "404", "412", "413", "429", "503"} <= set(operation["responses"]), (method, path)


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
        assert [one.cls.__name__ for one in made.user_middleware] == ["ErrorPages", "GuardMiddleware"], (
            "pages outside, then the door"
        )
        return dict(found)

    known = door()
    sizes = {form.pattern: size for form, size in known["file_routes"].items()}
    assert sizes == {
        "/api/v1/patients/[^/]+/fhir": 1,
        "/api/v1/populations/models": 2,
        "/patients/[^/]+/upload": 1,
        "/populations/models": 2,
    }
    public = {
        "/health", "/ready", "/oauth/authorize", "/oauth/token", "/.well-known/jwks.json",
        "/.well-known/smart-configuration", "/cds-services", "/static/app.css", "/static/app.js", "/static/icon.svg",
        "/favicon.ico",
    }  # fmt: skip
    assert known["public"] == public | {"/login", "/callback", "/openapi.json"}
    assert door(environment="production")["public"] == public | {"/login", "/callback"}
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
