"""Section 3 of the attack plan: what is sent is checked, bounded and never repeated."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.server import strict_json
from tests.security.test_authentication import filled, operations
from tests.server.world import BASE, FHIR_JSON, NOT_EXPLODED, World
from tests.weak import careless, must_fail

JSON = {"Content-Type": "application/json"}
STRINGS = [
    "' OR '1'='1",
    "'; DROP TABLE patients; --",
    '" UNION SELECT * FROM users --',
    "{{7*7}}${7*7}<%= 7*7 %>",
    "$(touch /tmp/pwned)`id`|id;id",
    "*)(uid=*))(|(uid=*",
    '{"$ne": null}',
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "line\r\nSet-Cookie: evil=1",
    'line\n{"level": "info", "message": "forged"}',
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "%s%s%s%n",
    "a" * 200,
    "\u202egnp.exe",
    "\ufeff",
    "𝕏" * 50,
]


def reports(**wrong: Any) -> dict[str, Any]:
    return {"reports": [{"symptom": "PHQ-9", "timestamp": "2026-03-30T08:00:00+02:00", "value": 3} | wrong]}


def sent(world: World, body: bytes, headers: dict[str, str] | None = None, where: str = "reports") -> Any:
    at = f"/api/v1/patients/{world.patients['P2']}/{where}"
    return world.call("POST", at, "C11", content=body, headers=JSON | (headers or {}))


TRAPS = {
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "1e400": b'{"a": 1e400}',
    "4000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "duplicate": b'{"a": 1, "a": 2}',
    "deep": b'{"a":' * 100 + b"1" + b"}" * 100,
    "very deep": b"[" * 100_000 + b"]" * 100_000,
    "half surrogate": b'{"a": "\\ud800"}',
    "BOM": b'\xef\xbb\xbf{"a": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "latin-1": b'{"a": "\xe9"}',
    "cut off": b'{"a": 1',
    "trailing": b'{"a": 1} x',
}


@pytest.mark.parametrize("trap", TRAPS)
def test_c04_the_traps_of_json_are_refused(world: World, trap: str) -> None:
    with pytest.raises(ValidationError):
        strict_json.check(TRAPS[trap])
    answer = sent(world, TRAPS[trap])
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.weak("bodies are read by the standard parser", "C04")
def test_c04_the_traps_do_pass_a_plain_parser() -> None:
    through = []
    for trap, body in TRAPS.items():
        try:
            json.loads(body)
            through.append(trap)
        except (ValueError, RecursionError):
            pass
    assert {"NaN", "Infinity", "1e400", "duplicate", "deep", "half surrogate", "UTF-16"} <= set(through)


def test_c04_plain_json_passes() -> None:
    strict_json.check(b'{"a": [1, -0.0, 1e3, "\\ud83d\\ude00", "\\u0000", null, true], "b": {}}')


def test_c04_a_body_is_bounded_stated_or_not(world: World) -> None:
    large = b" " * (world.settings.max_body_bytes + 1)
    assert sent(world, large).status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        taken = 0
        while True:
            taken += 1
            assert taken < 1000, "the server reads on and on"
            yield b" " * 65536

    async def stream() -> int:
        at = f"/api/v1/patients/{world.patients['P2']}/reports"
        return (await world.acall("POST", at, "C11", content=endless(), headers=JSON)).status_code

    assert world.run(stream()) == 413
    assert sent(world, b"{}", {"Content-Length": "12x"}).status_code == 400
    assert sent(world, json.dumps({str(i): i for i in range(50_000)}).encode()).status_code == 422


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-gzip, identity"])
def test_c05_compressed_bodies_are_refused_before_they_are_opened(world: World, encoding: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    begun = time.process_time()
    assert sent(world, bomb, {"Content-Encoding": encoding}).status_code == 415
    assert time.process_time() - begun < NOT_EXPLODED


@pytest.mark.parametrize(
    "wrong",
    [
        {"timestamp": "1" * 1_000_000},
        {"timestamp": "2024-02-30T08:00:00Z"},
        {"timestamp": "99999-01-01T08:00:00Z"},
        {"timestamp": "2026-03-30T08:00:00+99:99"},
        {"timestamp": "2026-03-30T08:00:00"},
        {"timestamp": 1e18},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"timestamp": "2150-01-01T00:00:00Z"},
        {"value": 28},
        {"value": -1},
        {"value": "3"[:0]},
        {"symptom": "no instrument"},
        {"symptom": ""},
        {"scale": {"low": 5, "high": 1}},
        {"scale": {"low": -1e308, "high": 1e308}},
    ],
)
def test_c09_dates_and_values_off_their_range_are_refused_quickly(world: World, wrong: dict[str, Any]) -> None:
    begun = time.process_time()
    answer = sent(world, json.dumps(reports(**wrong)).encode())
    assert answer.status_code in (413, 422)
    assert time.process_time() - begun < NOT_EXPLODED
    assert all(str(value) not in answer.text for value in wrong.values() if len(str(value)) > 6)


def test_c10_strings_that_mean_something_elsewhere_are_stored_as_they_are(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    for text in STRINGS:
        made = world.call("POST", "/api/v1/patients", "C11", json={"name": text, "identifiers": {"mrn": text}})
        assert made.status_code == 201, text
        patient = world.call("GET", f"/api/v1/patients/{made.json()['ids'][0]}", "C11")
        assert patient.json()["details"]["name"] == text
        assert "set-cookie" not in patient.headers
        for where in (f"/api/v1/patients/{text}", f"/api/v1/patients?after={text}"):
            try:
                answer = world.call("GET", where, "C11", headers={"X-Correlation-Id": text.encode().hex()})
            except Exception:  # noqa: BLE001, S112 - the client itself will not send it
                continue
            assert answer.status_code < 500
            assert "set-cookie" not in answer.headers
        assert world.authorize(text, text).status_code == 401
    assert '\n{"level": "info", "message": "forged"}' not in capfd.readouterr().err


def test_an_answer_to_bad_input_repeats_nothing_of_it(world: World) -> None:
    secret = "CANARY-Ada-Lovelace"  # noqa: S105
    wrong = [
        {"name": [secret]},
        {"name": "x", "gender": secret},
        {"name": "x", "birth_date": secret},
        {"name": "x", "timezone": secret},
        {"name": "x", secret: 1},
        {"name": "x", "identifiers": {secret: "1"}},
        secret,
    ]
    for body in wrong:
        answer = world.call("POST", "/api/v1/patients", "C11", json=body)
        assert answer.status_code == 422
        assert secret not in answer.text
    for path in (f"/api/v1/patients/{secret}", f"/api/v1/patients?after={secret}", f"/{secret}"):
        assert secret not in world.call("GET", path, "C11").text


def test_c08_fhir_that_cannot_be_read_is_an_outcome_and_stores_nothing(world: World) -> None:
    before = world.call("GET", f"/api/v1/patients/{world.patients['P2']}/reports", "C11").json()
    bundle = {"resourceType": "Bundle", "type": "collection"}
    contained: Any = {"resourceType": "Patient"}
    for _ in range(40):
        contained = {"resourceType": "Patient", "contained": [contained]}
    for wrong in (
        b"[]",
        b'{"resourceType": "Evil"}',
        json.dumps(bundle | {"entry": [{"resource": None}]}).encode(),
        json.dumps(bundle | {"entry": [{"resource": {"resourceType": "Observation", "id": "<script>"}}]}).encode(),
        json.dumps(bundle | {"entry": [{"resource": contained}]}).encode(),
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Patient>&e;</Patient>',
        b"",
    ):
        answer = sent(world, wrong, {"Content-Type": FHIR_JSON}, "fhir")
        assert answer.status_code in (201, 400, 413, 422), wrong
        if answer.status_code == 422:
            assert answer.json().get("resourceType", "OperationOutcome") == "OperationOutcome"
        assert "root:" not in answer.text
        assert "<script>" not in answer.text
    assert world.call("GET", f"/api/v1/patients/{world.patients['P2']}/reports", "C11").json() == before


def test_c16_a_repeated_request_is_carried_out_once(world: World) -> None:
    at = f"/api/v1/patients/{world.patients['P1']}/reports"
    body = reports(timestamp="2026-03-31T08:00:00+02:00")
    key = {"Idempotency-Key": "key-for-the-test-1"}

    async def twice() -> list[Any]:
        calls = (world.acall("POST", at, "C11", i % 2, json=body, headers=key) for i in range(6))
        return list(await asyncio.gather(*calls))

    answers = world.run(twice())
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    stored = world.call("GET", at, "C11").json()["items"]
    assert sum(one["timestamp"].startswith("2026-03-31") for one in stored) == 1
    assert world.call("POST", at, "C11", json=reports(value=4), headers=key).status_code == 422
    other = world.call("POST", at, "service1", json=reports(timestamp="2026-03-30T09:00:00+02:00"), headers=key)
    assert other.status_code == 201
    assert other.json() != answers[0].json()
    assert world.call("POST", at, "C11", json=body, headers={"Idempotency-Key": "x"}).status_code == 422


def test_d11_every_answer_has_the_headers_that_protect_it(world: World) -> None:
    for path, who in (("/health", None), ("/nothing", "C11"), ("/api/v1/patients", None), ("/api/v1/patients", "C11")):
        headers = world.call("GET", path, who).headers
        policy = headers.get("content-security-policy", "*")
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers
        assert "x-powered-by" not in headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{BASE}.evil.example", "http://127.0.0.1:80001"])
def test_d12_other_origins_get_nothing(world: World, origin: str) -> None:
    for method, path in (("GET", "/api/v1/patients"), ("OPTIONS", "/api/v1/patients"), ("POST", "/api/v1/patients")):
        answer = world.call(method, path, "C11", headers={"Origin": origin}, json={"name": "x"})
        assert "access-control-allow-origin" not in answer.headers
        assert method == "GET" or answer.status_code in (403, 405)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", ""])
def test_another_host_name_is_not_served(world: World, host: str) -> None:
    assert world.call("GET", "/health", headers={"Host": host}).status_code == 400


def test_d09_no_canary_is_in_logs_or_metrics(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("", "/reports", "/forecast", "/genotype", "/insights", "/audit"):
        world.call("GET", f"/api/v1/patients/{world.patients['P1']}{path}", "C11")
    metrics = world.call("GET", "/metrics", "admin").text
    written = capfd.readouterr()
    wanted = [*world.canaries, *world.tokens.values(), *world.patients.values()]
    assert [one for one in wanted if one in metrics + written.err + written.out] == []
    assert "novamind_request_seconds_bucket" in metrics
    assert 'route="/api/v1/patients/{patient_id}/forecast"' in metrics


def test_no_operation_answers_500_to_rubbish(world: World) -> None:
    """A coarse net over every operation; schemathesis is the fine one."""
    rubbish: list[Any] = [None, [], {}, {"x": 1}, "x", 1, [{}] * 50, {"reports": [None]}, {"name": {"a": []}}]
    skipped = {"logOut", "changePassword", "disableUser", "changeRole"}
    asked = [one for one in operations(world) if one[2]["operationId"] not in skipped]
    wrong = []

    async def send(method: str, path: str, what: dict[str, Any], body: Any) -> None:
        at = filled(path.replace("{patient_id}", world.patients["P2"]))
        who = {"administration": "admin", "populations": "analyst"}.get(what["tags"][0], "C11")
        answer = await world.acall(method.upper(), at, who, json=body)
        if answer.status_code >= 500 and what["operationId"] != "readCorrelations":
            wrong.append(f"{what['operationId']} {body}: {answer.status_code}")

    async def sweep() -> None:
        for one in asked:  # not all of the rubbish is refused before there is work to do
            await asyncio.gather(*(send(*one, body) for body in rubbish))

    world.run(sweep())
    assert wrong == []


@pytest.mark.weak("opens what is compressed, takes every value", "C05", "C08", "C09", "C16")
@pytest.mark.weak("answers every origin and has no headers", "D11", "D12")
@pytest.mark.parametrize(
    ("test", "more"),
    [
        (test_c05_compressed_bodies_are_refused_before_they_are_opened, ("gzip",)),
        (test_c08_fhir_that_cannot_be_read_is_an_outcome_and_stores_nothing, ()),
        (test_c09_dates_and_values_off_their_range_are_refused_quickly, ({"timestamp": "2024-02-30T08:00:00Z"},)),
        (test_c16_a_repeated_request_is_carried_out_once, ()),
        (test_d11_every_answer_has_the_headers_that_protect_it, ()),
        (test_d12_other_origins_get_nothing, ("https://evil.example",)),
    ],
)
def test_each_fails_on_a_careless_server(
    small_world: World, test: Any, more: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    must_fail(test, careless(small_world, monkeypatch), *more)


@pytest.mark.weak("prints what it hears as it is", "C10", "D09")
@pytest.mark.parametrize(
    "test",
    [
        test_c10_strings_that_mean_something_elsewhere_are_stored_as_they_are,
        test_d09_no_canary_is_in_logs_or_metrics,
    ],
)
def test_c10_d09_fail_where_everything_is_printed(
    small_world: World, test: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    must_fail(test, careless(small_world, monkeypatch), capfd)
