"""CDS Hooks on the wire: who may ask, which refusal has which status, what is read from the EHR's own server."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from novamind.infrastructure.identity.domain import Permission
from novamind.server import cds, cds_fetch
from novamind.server.cds_fetch import completed, may_read
from novamind.settings import Settings
from novamind.twin.cds import HookRequest, read_request
from tests.server.parts import ADMIN
from tests.server.world import World
from tests.twin.cds_requests import PATIENT, allergy, bundle, order, request, statement, taken

EHR = "https://ehr.example/fhir"
LISTED = ("https://ehr.example",)


def asked(body: Any, hook: str = "order-sign") -> tuple[Any, list[Any]]:
    """The answer of the route, and what was asked of the access control."""
    calls: list[Any] = []

    async def permit(*of: Any) -> None:
        calls.append(of)

    container = SimpleNamespace(identity=SimpleNamespace(access=SimpleNamespace(permit=permit)), settings=Settings())
    return asyncio.run(cds.cards(container, ADMIN, hook, body)), calls  # type: ignore[arg-type]


def test_cards_are_for_who_may_calculate_and_a_wrong_request_is_400(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def answer(*of: Any) -> Any:
        seen.append(of)
        return {"cards": [{"a": 1}]}

    body = request("order-sign", order("sertraline"))
    with monkeypatch.context() as patch:
        patch.setattr(cds, "answer", answer)
        assert asked(body) == ({"cards": [{"a": 1}]}, [(ADMIN, Permission.CALCULATE)])
    (arguments,) = seen
    assert arguments[:2] == (read_request("order-sign", body), datetime.now(UTC).date())
    refused, _ = asked({})
    assert refused.status_code == 400
    assert b'"type":"urn:novamind:problem:cds-request"' in refused.body
    assert b"'hook' must be order-sign" in refused.body


def test_prefetch_that_cannot_be_leaned_on_is_412_with_an_outcome_that_names_each_key() -> None:
    body = request("order-sign", order("sertraline"))
    body["prefetch"] |= {"patient": None, "allergies": {"resourceType": "OperationOutcome", "issue": []}}
    refused, _ = asked(body)
    outcome = json.loads(refused.body)
    assert (refused.status_code, refused.media_type) == (412, "application/fhir+json")
    assert outcome["resourceType"] == "OperationOutcome"
    texts = [issue["diagnostics"] for issue in outcome["issue"]]
    assert [text.split("'")[1] for text in texts] == ["allergies", "patient"]
    assert {issue["code"] for issue in outcome["issue"]} == {"required"}


def test_three_services_are_listed() -> None:
    assert len(asyncio.run(cds.services())["services"]) == 3


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"context": {"userId": "u", "patientId": "p1", "draftOrders": bundle(*[order("x")] * 3000)}}, 400),
        ({"context": {"userId": "u", "patientId": ["p1"], "draftOrders": bundle()}}, 400),
        ({"context": {"userId": "u", "patientId": "p1", "draftOrders": bundle() | {"entry": [7]}}}, 400),
        ({"prefetch": {"patient": PATIENT, "x": [[[]]]}}, 412),
        ({"prefetch": "x"}, 400),
        ({"fhirServer": 7}, 400),
        ({"hook": 7}, 400),
    ],
    ids=["whole", "3000 drafts", "a list as an id", "a number as an entry", "lists", "a text", "no address", "no hook"],
)
def test_hostile_requests_are_refused_with_a_reason(sqlite_world: World, change: dict[str, Any], status: int) -> None:
    body = request("order-sign", order("sertraline 50 mg")) | change
    answer = sqlite_world.call("POST", "/cds-services/novamind-order-sign", "service1", json=body)
    assert answer.status_code == status, answer.text
    assert status == 200 or len(answer.text) > 50
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "content",
    [b"[" * 5000 + b"]" * 5000, b'{"hook": ' * 300 + b"1" + b"}" * 300, b"{", b"", b"7", b'{"a": 1, "a": 2}'],
    ids=["deep lists", "deep objects", "half", "nothing", "a number", "a key twice"],
)
def test_what_is_no_object_of_json_is_refused(sqlite_world: World, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    path = "/cds-services/novamind-order-sign"
    answer = sqlite_world.call("POST", path, "service1", content=content, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text


# -- the EHR's own server


def at_ehr(body: dict[str, Any]) -> HookRequest:
    more = {"fhirServer": EHR, "fhirAuthorization": {"access_token": "t0ken", "token_type": "Bearer"}}
    return read_request(body["hook"], body | more)


class Ehr:
    """A FHIR server that answers by path and query, and remembers what it was asked."""

    def __init__(self, answers: Mapping[str, Any] | Callable[[httpx.Request], httpx.Response]) -> None:
        self.answers = answers
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if callable(self.answers):
            return self.answers(request)
        path = request.url.raw_path.decode().removeprefix("/fhir/")
        answer = next((answer for start, answer in self.answers.items() if path.startswith(start)), None)
        return httpx.Response(404) if answer is None else httpx.Response(200, json=answer)


def read(request_: HookRequest, ehr: Ehr, origins: tuple[str, ...] = LISTED) -> HookRequest:
    return asyncio.run(completed(request_, origins, httpx.MockTransport(ehr)))


def bare() -> dict[str, Any]:
    return request("order-sign", order("sertraline")) | {"prefetch": {}}


def test_what_was_left_out_is_read_with_the_token_of_the_call() -> None:
    ehr = Ehr({"Patient/p1": PATIENT, "AllergyIntolerance?patient=p1": bundle(allergy("sertraline"))})
    found = read(at_ehr(bare()), ehr)
    assert found.prefetch["patient"] == PATIENT
    assert found.prefetch["allergies"]["entry"][0]["resource"]["code"]["text"] == "sertraline"
    assert "medications" not in found.prefetch, "what is not given stays missing"
    assert {one.headers["Authorization"] for one in ehr.asked} == {"Bearer t0ken"}
    assert all(one.method == "GET" for one in ehr.asked)


def test_what_was_sent_whole_is_not_read_again() -> None:
    ehr = Ehr({})
    whole = at_ehr(request("order-sign", order("sertraline")))
    assert read(whole, ehr) is whole
    assert ehr.asked == []


def test_pages_are_followed_to_the_end() -> None:
    first = bundle(taken("phenelzine", "m1"), link=[{"relation": "next", "url": f"{EHR}?page=2"}])
    body = request("order-sign", order("sertraline"))
    body["prefetch"]["medications"] = first
    ehr = Ehr(
        lambda asked_: httpx.Response(
            200, json=bundle(taken("lithium", "m2")) if "page=2" in str(asked_.url) else first
        )
    )
    entries = read(at_ehr(body), ehr).prefetch["medications"]["entry"]
    assert [entry["resource"]["id"] for entry in entries] == ["m1", "m2"]
    assert len(ehr.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
        httpx.Response(500),
        httpx.Response(200, content=b"{"),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, content=b'{"a": 1, "a": 2}'),
        httpx.Response(200, json=bundle(link=[{"relation": "next", "url": "https://elsewhere.example/fhir?page=2"}])),
        httpx.Response(200, json=bundle(link=[{"relation": "next", "url": 7}])),
        httpx.Response(200, json=bundle() | {"entry": 7}),
        httpx.Response(200, content=b" " * (cds_fetch.MOST_BYTES + 1)),
    ],
    ids=["moved", "broken", "half", "no object", "a key twice", "another server", "no address", "no list", "too large"],
)
def test_an_answer_that_is_not_whole_is_none(answer: httpx.Response) -> None:
    def one(_: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    ehr = Ehr(one)
    found = read(at_ehr(bare()), ehr)
    assert found.prefetch == {}
    assert {request_.url.host for request_ in ehr.asked} == {"ehr.example"}


def test_pages_without_end_and_servers_without_answer_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = bundle(link=[{"relation": "next", "url": f"{EHR}?page=next"}])
    ehr = Ehr(lambda _: httpx.Response(200, json=endless))
    assert read(at_ehr(bare()), ehr).prefetch == {}
    assert len(ehr.asked) == cds_fetch.MOST_PAGES * 7

    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        return httpx.Response(200)

    monkeypatch.setattr(cds_fetch, "SECONDS", 0.05)
    assert asyncio.run(completed(at_ehr(bare()), LISTED, httpx.MockTransport(silent))).prefetch == {}


@pytest.mark.parametrize(
    ("server", "origins", "may"),
    [
        (EHR, LISTED, True),
        (EHR, ("https://ehr.example/",), True),
        (EHR, (), False),
        ("http://ehr.example/fhir", ("http://ehr.example",), False),  # a name without TLS: nobody knows who answers
        ("http://10.1.2.3:8080/fhir", ("http://10.1.2.3:8080",), True),
        ("http://10.1.2.3:8081/fhir", ("http://10.1.2.3:8080",), False),
        ("http://127.0.0.1/fhir", LISTED, False),
        ("http://169.254.169.254/latest", LISTED, False),
        ("https://ehr.example:444/fhir", LISTED, False),
        ("https://ehr.example@127.0.0.1/fhir", LISTED, False),
        ("https://ehr.example.evil.example/fhir", LISTED, False),
        ("https://ehr.example/fhir?x=", LISTED, False),
        ("https://[::1/fhir", LISTED, False),
        ("file:///etc/passwd", ("file://",), False),
        ("", ("",), False),
    ],
)
def test_only_listed_origins_are_read(server: str, origins: tuple[str, ...], may: bool) -> None:
    assert may_read(server, origins) is may


@pytest.mark.parametrize(
    "change", [{"fhirAuthorization": None}, {"fhirAuthorization": {"access_token": "a\r\nb"}}, {"fhirServer": None}]
)
def test_without_a_token_or_a_server_nothing_is_read(change: dict[str, Any]) -> None:
    ehr = Ehr({"Patient/p1": PATIENT})
    more = {"fhirServer": EHR, "fhirAuthorization": {"access_token": "t"}} | change
    read(read_request("order-sign", bare() | more), ehr)
    assert ehr.asked == []


def test_an_id_that_is_none_of_fhir_gets_into_no_address() -> None:
    body = bare()
    body["context"]["patientId"] = "p1&_count=1"
    ehr = Ehr({})
    read(at_ehr(body), ehr)
    assert ehr.asked == []


def test_another_patients_answer_is_no_use() -> None:
    ehr = Ehr({"Patient/p1": PATIENT | {"id": "p2"}, "MedicationStatement": bundle(statement("lithium"))})
    refused, _ = asked(bare())
    assert refused.status_code == 412
    found = read(at_ehr(bare()), ehr)
    assert set(cds_fetch.faults(found)) == {"patient"}
