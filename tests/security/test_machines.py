"""A17 and A18 of the attack plan: machines that prove themselves with tokens of their own making.

This server takes a machine's secret or API key and its own access tokens, and says so in its configuration. It
registers no client's public keys and trusts no issuer of CDS Hooks tokens: such tokens, forged or genuine, are refused.
"""

import base64
import json
import time
from dataclasses import replace
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from novamind.infrastructure.identity.sessions import Sessions
from tests.server.world import BASE, World

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SANDBOX = "https://sandbox.cds-hooks.example"
HOOK = "/cds-services/novamind-patient-view"


def signed(key: Any, algorithm: str, claims: dict[str, Any], **header: Any) -> str:
    return jwt.encode({"alg": algorithm, "typ": "JWT", **header}, claims, key, algorithms=[algorithm])


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


@lru_cache
def keys() -> tuple[ECKey, RSAKey]:
    return ECKey.generate_key("P-384", {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "2"})


def tokens_of(issuer: str, audience: str, public: dict[str, Any]) -> dict[str, str]:
    """Tokens as an attacker, and as an honest client, would make them."""
    elliptic, rsa = keys()
    now = int(time.time())
    good = {"iss": issuer, "sub": issuer, "aud": audience, "iat": now, "exp": now + 240, "jti": "one"}
    shared = OctKey.import_key(json.dumps(public))
    return {
        "ES384": signed(elliptic, "ES384", good, kid="1"),
        "RS384": signed(rsa, "RS384", good, kid="2"),
        "again": signed(elliptic, "ES384", good, kid="1"),
        "audience": signed(elliptic, "ES384", good | {"aud": "https://other.example"}, kid="1"),
        "too long": signed(elliptic, "ES384", good | {"exp": now + 3600}, kid="1"),
        "expired": signed(elliptic, "ES384", good | {"exp": now - 60}, kid="1"),
        "issuer": signed(elliptic, "ES384", good | {"iss": "https://evil.example"}, kid="1"),
        "key address": signed(elliptic, "ES384", good, kid="1", jku="http://127.0.0.1:9/keys"),
        "key inside": signed(elliptic, "ES384", good, jwk=elliptic.as_dict(private=False)),
        "key of ours": signed(elliptic, "ES384", good, kid=public["kid"]),
        "HS256": signed(shared, "HS256", good, kid=public["kid"]),
        "none": unsigned(good),
        "rubbish": "a.b.c",
    }


def machine(world: World, *scopes: str) -> dict[str, str]:
    body = {"name": f"backend {uuid4().hex}", "role": "service", "scopes": list(scopes)}
    made = world.call("POST", "/api/v1/clients", "admin", json=body).json()
    return {"client_id": made["id"], "client_secret": made["secret"]}


def let_in(world: World, client_id: str) -> list[str]:
    public = world.house.identity.tokens.public_keys()["keys"][0]
    found = []
    for name, token in tokens_of(client_id, f"{BASE}/oauth/token", public).items():
        form = {"client_assertion_type": ASSERTION, "client_assertion": token, "client_id": client_id}
        answer = world.token(grant_type="client_credentials", **form)
        if (answer.status_code, answer.json().get("error")) != (401, "invalid_client"):
            found.append(name)
        as_bearer = world.token(grant_type=ASSERTION, assertion=token, client_id=client_id)
        if as_bearer.status_code not in (400, 422):
            found.append(f"{name} as a grant")
    return found


def test_a17_an_assertion_stands_for_no_secret(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world
    monkeypatch.setattr(world.house.identity.sessions, "_limits", _generous(world))
    client = machine(world, "patients:read")
    assert let_in(world, client["client_id"]) == []
    supported = world.call("GET", "/.well-known/smart-configuration").json()["token_endpoint_auth_methods_supported"]
    assert "private_key_jwt" not in supported
    assert world.token(grant_type="client_credentials", **client).status_code == 200
    honest = Sessions.client_credentials

    async def careless(self: Sessions, client_id: UUID, _secret: str, *rest: Any) -> Any:  # whoever says so is it
        return await honest(self, client_id, client["client_secret"], *rest)

    monkeypatch.setattr(Sessions, "client_credentials", careless)
    assert {"none", "HS256", "issuer"} <= set(let_in(world, client["client_id"]))


def _generous(world: World) -> Any:
    """So that the limit on attempts does not answer for the check."""
    return replace(world.house.identity.sessions._limits, per_account=1000)


def test_a17_scopes_are_what_was_registered_and_reading_is_no_writing(small_world: World) -> None:
    client = machine(small_world, "patients:read", "results:read")
    for scope in ("records:write", "patients:read records:write", "system/*.rs", "system/*.cruds", "*"):
        asked = small_world.token(grant_type="client_credentials", scope=scope, **client)
        assert (asked.status_code, asked.json()["error"]) == (400, "invalid_scope"), scope
    given = small_world.token(grant_type="client_credentials", **client).json()
    assert given["scope"] == "patients:read results:read"
    at = f"/api/v1/patients/{small_world.patients['P1']}"
    assert small_world.call("GET", at, given["access_token"]).status_code == 200
    course = {"medication": "lithium"}
    assert small_world.call("POST", f"{at}/medications", given["access_token"], json=course).status_code == 403


def test_a18_a_cds_client_with_a_token_of_its_own_gets_no_cards(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = {"hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"}
    request |= {"context": {"userId": "Practitioner/1", "patientId": "1"}}
    public = small_world.house.identity.tokens.public_keys()["keys"][0]

    def answered() -> dict[str, int]:
        forged = tokens_of(SANDBOX, f"{BASE}{HOOK}", public)
        return {name: small_world.call("POST", HOOK, token, json=request).status_code for name, token in forged.items()}

    assert {name for name, status in answered().items() if status != 401} == set()
    assert small_world.call("POST", HOOK, "service1", json=request).status_code == 200  # with one of ours
    somebody = small_world.run(small_world.house.identity.sessions.authenticate(small_world.tokens["service1"]))

    async def anybody(*_: Any) -> Any:
        return somebody

    monkeypatch.setattr(Sessions, "authenticate", anybody)
    assert set(answered().values()) == {200}
