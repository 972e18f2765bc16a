"""OAuth on the wire, with sessions that a test holds: what is asked of them and what is answered."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from starlette.requests import Request

from novamind.errors import AuthenticationError
from novamind.infrastructure.identity.assertions import ALGORITHMS
from novamind.infrastructure.identity.attempts import TooManyAttemptsError
from novamind.infrastructure.identity.domain import Permission
from novamind.infrastructure.identity.sessions import AuthorizationRequest, ClientProof, Credentials, GrantError, Tokens
from novamind.server import oauth
from novamind.settings import Settings

CLIENT = UUID(int=7)
ASKED = AuthorizationRequest(CLIENT, "https://app.example/cb", "challenge")
BARE = "form-action 'self'"


class Sessions:
    def __init__(self, answer: Any) -> None:
        self.answer, self.calls = answer, []

    def __getattr__(self, name: str) -> Any:
        async def call(*given: Any) -> Any:
            self.calls.append((name, *given))
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


async def _no_keys() -> list[Any]:
    return []


def container(answer: Any = None, offered: bool = False) -> Any:
    passkeys = SimpleNamespace(offered=offered, options_to_prove=lambda challenge: {"for": challenge})
    keys = SimpleNamespace(public_keys=lambda: {"keys": []})
    identity_keys = SimpleNamespace(public_keys=_no_keys)
    identity = SimpleNamespace(sessions=Sessions(answer), passkeys=passkeys, tokens=keys, identity_tokens=identity_keys)
    return SimpleNamespace(identity=identity, settings=Settings(public_url="https://clinic.example"))


def request(client: Any = ("10.0.0.9", 1)) -> Request:
    known = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "state": {}}
    return Request(known | {"client": client})


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    got: list[Any] = []

    def page(_request: Any, *given: Any) -> Any:
        got.append(given)
        return given

    monkeypatch.setattr(oauth, "page", page)
    return got


def policy(action: str) -> str:
    return f"default-src 'self'; base-uri 'none'; {action}; frame-ancestors 'none'; object-src 'none'"


# -- the login page


def test_the_login_page_shows_the_request_and_may_lead_to_its_client(shown: Any) -> None:
    here = container(offered=True)
    asyncio.run(oauth.login_page(request(), here, CLIENT, ASKED.redirect_uri, "challenge", state="s"))
    assert here.identity.sessions.calls == [("check_request", ASKED)]
    context = {"asked": ASKED, "state": "s", "refusal": "", "passkey": '{"for": "challenge"}'}
    headers = {"Content-Security-Policy": policy("form-action 'self' https://app.example")}
    assert shown == [("login.html", context, 200, headers)]
    asyncio.run(oauth.login_page(request(), container(), CLIENT, ASKED.redirect_uri, "challenge"))
    assert shown[-1][1]["passkey"] is None


@pytest.mark.parametrize(
    ("address", "action"),
    [
        ("https://app.example/cb", "form-action 'self' https://app.example"),
        ("http://127.0.0.1:9000/cb?x=1", "form-action 'self' http://127.0.0.1:9000"),
        ("http://[::1]:9000/", "form-action 'self' http://[::1]:9000"),
        ("https://a;script-src *", BARE),
        ("app://x/cb", BARE),
        ("https:///cb", BARE),
        ("https://user@app.example/", BARE),
    ],
)
def test_a_form_leads_to_the_clients_origin_alone(address: str, action: str) -> None:
    assert oauth._form_may_lead_to(address) == {"Content-Security-Policy": policy(action)}


@pytest.mark.parametrize(
    ("code", "status"), [("invalid_client", 401), ("invalid_grant", 400), ("invalid_request", 400)]
)
def test_a_refusal_has_the_form_of_rfc_6749(code: str, status: int) -> None:
    refused = GrantError(code, "so it is")
    for work in (
        oauth.login_page(request(), container(refused), CLIENT, "u", "c"),
        oauth.log_in(request(), container(refused), CLIENT, "u", "c", "n", "p"),
        oauth.get_tokens(request(), container(refused), "refresh_token", CLIENT),
    ):
        answer: Any = asyncio.run(work)
        assert answer.status_code == status
        assert json.loads(answer.body) == {"error": code, "error_description": "so it is"}


# -- logging in


@pytest.mark.parametrize(
    ("address", "state", "place"),
    [
        ("https://app.example/cb", "", "https://app.example/cb?code=c&iss=https%3A%2F%2Fclinic.example"),
        (
            "https://app.example/cb?a=1",
            "s",
            "https://app.example/cb?a=1&code=c&iss=https%3A%2F%2Fclinic.example&state=s",
        ),
    ],
)
def test_a_login_leads_back_with_a_code(address: str, state: str, place: str) -> None:
    here = container("c")
    answer = asyncio.run(
        oauth.log_in(request(), here, CLIENT, address, "challenge", "n", "p", " 123456 ", "key", state)
    )
    assert (answer.status_code, answer.headers["location"]) == (303, place)
    asked = AuthorizationRequest(CLIENT, address, "challenge")
    assert here.identity.sessions.calls == [("log_in", asked, Credentials("n", "p", "123456", "10.0.0.9", "key"))]


def test_an_address_that_is_not_known_counts_as_one() -> None:
    here = container("c")
    asyncio.run(oauth.log_in(request(None), here, CLIENT, "u", "c", "n", "p"))
    assert here.identity.sessions.calls[0][2].address == "unknown"
    here = container(Tokens("a", None, 1, frozenset()))
    asyncio.run(oauth.get_tokens(request(None), here, "client_credentials"))
    assert here.identity.sessions.calls[0][1].address == "unknown"


@pytest.mark.parametrize(
    ("error", "status", "more"),
    [(AuthenticationError("not right"), 401, {}), (TooManyAttemptsError(17), 429, {"Retry-After": "17"})],
)
def test_a_login_that_fails_shows_the_page_again(error: Exception, status: int, more: Any, shown: Any) -> None:
    asyncio.run(oauth.log_in(request(), container(error), CLIENT, ASKED.redirect_uri, "challenge", "n", "p", state="s"))
    ((template, context, told, headers),) = shown
    assert (template, told, context["refusal"], context["state"]) == ("login.html", status, str(error), "s")
    assert headers == {"Content-Security-Policy": policy("form-action 'self' https://app.example")} | more


# -- tokens


TOKENS = Tokens("access", "refresh", 300, frozenset({"b", "a"}))


def tokens(*given: Any, **named: Any) -> tuple[Any, list[Any]]:
    here = container(TOKENS)
    return asyncio.run(oauth.get_tokens(request(), here, *given, **named)), here.identity.sessions.calls


def test_tokens_are_answered_in_their_form() -> None:
    answer, _ = tokens("refresh_token", CLIENT)
    assert answer.model_dump() == {
        "access_token": "access", "token_type": "Bearer", "expires_in": 300, "refresh_token": "refresh", "scope": "a b",
        "patient": None, "id_token": None,
    }  # fmt: skip


def test_each_grant_asks_with_its_own_proof() -> None:
    _, calls = tokens("authorization_code", CLIENT, code="c", code_verifier="v", redirect_uri="u", refresh_token="r")  # noqa: S106
    assert calls == [("exchange_code", CLIENT, "c", "v", "u")]
    _, calls = tokens("refresh_token", CLIENT, code="c", refresh_token="r")  # noqa: S106
    assert calls == [("refresh", CLIENT, "r")]
    secret = ClientProof(CLIENT, "s", "", "10.0.0.9")
    _, calls = tokens("client_credentials", CLIENT, "s", "", "assertion", scope=" a  b ")
    assert calls == [("client_credentials", secret, frozenset({"a", "b"}))]
    signed = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    _, calls = tokens("client_credentials", None, "", signed, "assertion")
    assert calls == [("client_credentials", ClientProof(None, "", "assertion", "10.0.0.9"), None)]


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token"])
def test_people_name_their_client(grant: str) -> None:
    answer, calls = tokens(grant)
    assert (answer.status_code, calls) == (400, [])
    assert json.loads(answer.body) == {"error": "invalid_request", "error_description": "client_id is missing"}


# -- what is told of it


def test_the_configuration_names_every_place_and_what_is_supported() -> None:
    at = "https://clinic.example"
    assert asyncio.run(oauth.configuration(container())) == {
        "issuer": at,
        "jwks_uri": f"{at}/.well-known/jwks.json",
        "authorization_endpoint": f"{at}/oauth/authorize",
        "token_endpoint": f"{at}/oauth/token",
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_endpoint": "https://clinic.example/oauth/introspect",
        "revocation_endpoint": "https://clinic.example/oauth/revoke",
        "scopes_supported": [
            *sorted(Permission),
            "system/*.rs",
            "system/*.c",
            "patient/*.rs",
            "patient/*.c",
            "user/*.rs",
            "user/*.c",
            "fhirUser",
            "launch",
            "launch/patient",
            "offline_access",
            "online_access",
            "openid",
            "profile",
        ],
        "capabilities": [
            "launch-ehr",
            "launch-standalone",
            "client-public",
            "client-confidential-asymmetric",
            "sso-openid-connect",
            "context-ehr-patient",
            "context-standalone-patient",
            "permission-offline",
            "permission-online",
            "permission-patient",
            "permission-user",
            "permission-v1",
            "permission-v2",
        ],
    }
    assert asyncio.run(oauth.key_set(container())) == {"keys": []}
    here = container()
    asyncio.run(oauth.log_out(here, "caller"))  # type: ignore[arg-type]
    assert here.identity.sessions.calls == [("end", "caller")]
