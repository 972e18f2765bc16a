"""Each error has its status, kind and words; nothing that somebody sent is said again."""

import asyncio
import json
from typing import Annotated, Any

import httpx
import pytest
import structlog
from fastapi import FastAPI, Header
from pydantic import BaseModel, ConfigDict, Field

from novamind.errors import (
    AuthenticationError,
    AuthorizationError,
    DataProcessingError,
    IdentityError,
    InsufficientDataError,
    ModelInferenceError,
    NotFoundError,
    NovamindError,
    OutdatedError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.infrastructure.identity.attempts import TooManyAttemptsError
from novamind.infrastructure.vault import TamperedError
from novamind.records import FhirImportError, read_fhir
from novamind.server import problems
from novamind.server.problems import PROBLEM_RESPONSES, RESPONSES, Wrong, kind_of, of_error, problem, unexpected


@pytest.mark.parametrize(
    ("error", "status", "kind", "logged"),
    [
        (AuthenticationError("x"), 401, "not-authenticated", False),
        (AuthorizationError("x"), 403, "not-allowed", False),
        (NotFoundError("x"), 404, "not-found", False),
        (OutdatedError("x"), 412, "outdated", False),
        (IdentityError("x"), 409, "another-person", False),
        (InsufficientDataError("x"), 422, "insufficient-data", False),
        (ValidationError("x"), 422, "invalid", False),
        (TamperedError("x"), 503, "stored-value-altered", True),
        (DataProcessingError("x"), 422, "unreadable", False),
        (ModelInferenceError("x"), 503, "model-unavailable", True),
        (ServiceUnavailableError("x"), 503, "unavailable", True),
        (NovamindError("x"), 422, "invalid", False),
    ],
)
def test_each_of_our_errors(error: NovamindError, status: int, kind: str, logged: bool) -> None:
    with structlog.testing.capture_logs() as lines:
        assert kind_of(error) == (status, kind, "x")
    assert [(one["event"], one["exc_info"]) for one in lines] == ([("a request failed", error)] if logged else [])


WRONG = "something went wrong here; the operators can find it by the X-Request-Id"
NO_MEMORY = "this process has no memory left for this request; try again, or send less at once"


@pytest.mark.parametrize(
    ("error", "status", "kind", "says"),
    [
        (KeyError("secret"), 500, "internal", WRONG),
        (MemoryError("secret"), 503, "unavailable", NO_MEMORY),
        (RuntimeError("can't start new thread"), 503, "unavailable", NO_MEMORY),
        (RuntimeError("secret"), 500, "internal", WRONG),
        (OSError("can't start new thread"), 500, "internal", WRONG),
    ],
)  # fmt: skip
def test_each_accident(error: Exception, status: int, kind: str, says: str) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = unexpected(error)
    told = json.loads(bytes(answer.body))
    assert (answer.status_code, told["type"], told["detail"]) == (status, f"urn:novamind:problem:{kind}", says)
    assert [one["exc_info"] for one in lines] == [error]


def test_a_problem_has_the_form_of_rfc_9457() -> None:
    answer = problem(400, "json", "the body is not JSON", {"Connection": "close"}, [Wrong(location="a", problem="b")])
    assert answer.media_type == answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert json.loads(bytes(answer.body)) == {
        "type": "urn:novamind:problem:json",
        "title": "Bad Request",
        "status": 400,
        "detail": "the body is not JSON",
        "errors": [{"location": "a", "problem": "b"}],
    }
    assert "errors" not in json.loads(bytes(problem(404, "x", "y").body))


def test_some_statuses_say_what_to_do_in_a_header() -> None:
    assert problem(401, "x", "y").headers["www-authenticate"] == "Bearer"
    assert problem(503, "x", "y").headers["retry-after"] == "5"
    assert not {"www-authenticate", "retry-after"} & set(problem(403, "x", "y").headers)
    assert of_error(TooManyAttemptsError(17)).headers["retry-after"] == "17"
    assert "retry-after" not in of_error(NotFoundError("x")).headers


def test_openapi_knows_every_status_that_any_route_may_give() -> None:
    assert list(RESPONSES) == [400, 401, 403, 404, 408, 412, 413, 415, 422, 429, 503]
    assert RESPONSES[413] == {
        "$ref": "#/components/responses/Problem413",
        "description": "The request is too large.",
    }
    assert {f"Problem{status}" for status in RESPONSES} == PROBLEM_RESPONSES.keys()
    assert PROBLEM_RESPONSES["Problem413"] == {
        "description": "The request is too large.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: Annotated[int, Field(ge=1)] = 1
    when: Any = None


def ask(method: str, path: str, **options: Any) -> httpx.Response:
    app = FastAPI()
    problems.register(app)

    @app.post("/body")
    async def body(given: Body) -> None:
        assert given

    @app.get("/typed/{number}")
    async def typed(number: int, day: Annotated[str, Field(max_length=3)] = "") -> None:
        assert number, day

    @app.get("/headed")
    async def headed(once: Annotated[str, Header(alias="Once-Key", pattern="^[a-z]+$")]) -> None:
        assert once

    @app.get("/fails")
    async def fails() -> None:
        raise NotFoundError("there is none")

    @app.get("/fhir")
    async def fhir() -> None:
        read_fhir({"resourceType": "Nothing"})

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, path, **options)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"size": "secret"}, [("body.size", "is not a valid int")]),
        ({"size": 0}, [("body.size", "Input should be greater than or equal to 1")]),
        ({"secret": 1}, [("body.secret", "Extra inputs are not permitted")]),
        ({"Secret Key": 1}, [("body.…", "Extra inputs are not permitted")]),
        ({"a" * 41: 1}, [("body.…", "Extra inputs are not permitted")]),
        ({"a" * 40: 1}, [(f"body.{'a' * 40}", "Extra inputs are not permitted")]),
        ({f"x{i}": 1 for i in range(30)}, [(f"body.{'…'}", "Extra inputs are not permitted")] * 20),
    ],
)
def test_what_does_not_fit_is_listed_by_place_and_rule(given: Any, wrong: list[tuple[str, str]]) -> None:
    answer = ask("POST", "/body", json=given)
    told = answer.json()
    assert (answer.status_code, told["type"]) == (422, "urn:novamind:problem:invalid")
    assert told["detail"] == "the request does not have the form that /openapi.json describes"
    assert [(one["location"], one["problem"]) for one in told["errors"]] == wrong


def test_a_header_that_does_not_fit_is_named() -> None:
    for headers, said in (({"Once-Key": "SECRET"}, "String should match pattern '^[a-z]+$'"), ({}, "Field required")):
        (wrong,) = ask("GET", "/headed", headers=headers).json()["errors"]
        assert wrong == {"location": "header.Once-Key", "problem": said}


def test_broken_json_says_where_and_not_what() -> None:
    (wrong,) = ask("POST", "/body", content=b'{"a": secret', headers={"content-type": "application/json"}).json()[
        "errors"
    ]
    assert wrong == {"location": "body.6", "problem": "is not a valid json"}


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/nowhere", 404, "there is nothing here"),
        ("DELETE", "/body", 405, "this method is not offered here"),
        ("GET", "/fails", 404, "there is none"),
    ],
)
def test_what_the_framework_refuses_is_a_problem_too(method: str, path: str, status: int, detail: str) -> None:
    answer = ask(method, path)
    assert (answer.status_code, answer.json()["detail"]) == (status, detail)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == (
        "urn:novamind:problem:not-found" if path == "/fails" else "urn:novamind:problem:http"
    )
    assert ("allow" in answer.headers) is (status == 405)


def test_fhir_is_refused_with_an_operation_outcome() -> None:
    answer = ask("GET", "/fhir")
    with pytest.raises(FhirImportError) as caught:
        read_fhir({"resourceType": "Nothing"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/fhir+json")
    assert answer.json() == caught.value.outcome.to_fhir()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("uuid_parsing", "is not a valid uuid"),
        ("json_invalid", "is not a valid json"),
        ("float_parsing", "is not a valid float"),
        ("datetime_from_date_parsing", "is not a valid datetime"),
        ("greater_than", "the rule"),
    ],
)
def test_a_rule_in_words(kind: str, says: str) -> None:
    assert problems._text({"type": kind, "msg": "the rule"}) == says


def test_a_place_is_numbers_and_names() -> None:
    assert problems._place(["body", "items", 0, "Somebody's name", "x_1"]) == "body.items.0.….…"
