"""Pages of other origins: descriptions are open to all, FHIR and tokens to registered apps, the rest to nobody."""

from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from novamind.infrastructure.identity.launches import origin_of
from novamind.infrastructure.identity.tables import OAuthClient
from novamind.server import cross_origin
from tests.server.world import BASE, World

DESCRIBED = (
    "/fhir/metadata", "/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration",
    "/.well-known/openid-configuration", "/.well-known/jwks.json", "/cds-services",
)  # fmt: skip
OF_APPS = (
    "/fhir", "/fhir/Patient", "/fhir/Observation/_search", "/oauth/token", "/oauth/introspect", "/oauth/revoke",
    "/cds-services/novamind-order-sign",
)  # fmt: skip
CLOSED = (
    "/api/v1/patients",
    "/oauth/authorize",
    "/oauth/patient",
    "/oauth/launch",
    "/graphql",
    "/",
    "/fhirs",
    "/cds-servicesx",
)
STRANGER = "https://evil.example"
ALLOWED = "access-control-allow-origin"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was registered a moment ago counts."""
    monkeypatch.setattr(cross_origin, "_REMEMBERED", -1.0)


def registered(world: World, *redirect_uris: str) -> str:
    """The id of an app with these addresses."""
    body = {"name": f"app {uuid4().hex[:8]}", "redirect_uris": redirect_uris}
    answer = world.call("POST", "/api/v1/clients", "admin", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def origin(sqlite_world: World) -> str:
    """The origin of a registered app."""
    address = f"https://{uuid4().hex[:8]}.example:8443"
    registered(sqlite_world, f"{address}/callback")
    return address


def preflight(world: World, path: str, origin: str, method: str = "POST") -> Any:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return world.call("OPTIONS", path, headers=headers)


@pytest.mark.parametrize("path", OF_APPS)
def test_a_registered_app_may_send_and_read_and_others_may_not(sqlite_world: World, origin: str, path: str) -> None:
    answer = preflight(sqlite_world, path, origin)
    assert (answer.status_code, answer.headers[ALLOWED], answer.headers["vary"]) == (204, origin, "Origin")
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert {"authorization", "if-match", "prefer"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers
    other_port, other_scheme = origin.replace("8443", "8444"), origin.replace("https", "http")
    for other in (STRANGER, "null", other_port, other_scheme, f"{origin}.evil.example", origin.upper()):
        refused = preflight(sqlite_world, path, other)
        assert (refused.status_code, ALLOWED in refused.headers) == (403, False), other


@pytest.mark.parametrize("path", DESCRIBED)
def test_descriptions_can_be_read_from_anywhere(sqlite_world: World, path: str) -> None:
    for who in (STRANGER, "null"):
        assert preflight(sqlite_world, path, who, "GET").status_code == 204
        answer = sqlite_world.call("GET", path, headers={"Origin": who})
        assert (answer.status_code, answer.headers[ALLOWED]) == (200, "*")


@pytest.mark.parametrize("path", CLOSED)
def test_nothing_else_is_open_to_apps(sqlite_world: World, origin: str, path: str) -> None:
    answer = preflight(sqlite_world, path, origin)
    assert answer.status_code >= 400
    assert ALLOWED not in answer.headers
    assert ALLOWED not in sqlite_world.call("GET", path, "C11", headers={"Origin": origin}).headers
    sent = sqlite_world.call("POST", path, "C11", headers={"Origin": origin}, json={})
    assert (sent.status_code, sent.json()["type"]) == (403, "urn:novamind:problem:origin")


def test_an_app_reads_answers_and_errors_alike(sqlite_world: World, origin: str) -> None:
    headers, p1 = {"Origin": origin}, sqlite_world.patients["P1"]
    for path, who, status in (
        (f"Patient/{p1}", "C11", 200),
        (f"Patient/{uuid4()}", "C11", 404),
        ("Patient", None, 401),
    ):
        answer = sqlite_world.call("GET", f"/fhir/{path}", who, headers=headers)
        assert (answer.status_code, answer.headers[ALLOWED]) == (status, origin)
        assert answer.headers["content-type"] == "application/fhir+json"
    assert "ETag" in answer.headers["access-control-expose-headers"].split(", ")
    token = sqlite_world.call("POST", "/oauth/token", headers=headers, data={"grant_type": "refresh_token"})
    assert (token.status_code, token.headers[ALLOWED]) == (400, origin)
    found = sqlite_world.call("POST", "/fhir/Patient/_search", "C11", headers=headers, data={"_id": p1})
    assert (found.status_code, found.json()["total"]) == (200, 1)
    for path in ("/fhir/Patient", "/oauth/token"):
        stranger = sqlite_world.call("POST", path, "C11", headers={"Origin": STRANGER}, json={})
        assert (stranger.status_code, ALLOWED in stranger.headers) == (403, False)
    unread = sqlite_world.call("GET", f"/fhir/Patient/{p1}", "C11", headers={"Origin": STRANGER})
    assert ALLOWED not in unread.headers


def test_an_app_elsewhere_is_nobody_by_a_cookie(sqlite_world: World, origin: str) -> None:
    tokens = sqlite_world.run(_cookie(sqlite_world))
    path = f"/fhir/Patient/{sqlite_world.patients['P1']}"
    cookie = {"Cookie": f"novamind={tokens}"}
    assert sqlite_world.call("GET", path, headers=cookie).status_code == 200
    assert sqlite_world.call("GET", path, headers=cookie | {"Origin": BASE}).status_code == 200
    assert sqlite_world.call("GET", path, headers=cookie | {"Origin": origin}).status_code == 401


async def _cookie(world: World) -> str:
    from novamind.server.builtin_client import BUILTIN_CLIENT
    from tests.server.world import CALLBACK, challenge

    form = {"client_id": str(BUILTIN_CLIENT), "redirect_uri": CALLBACK, "code_challenge": challenge("v" * 43)}
    login = {"username": "C11", "password": world.passwords["C11"]}
    answer = await world.acall("POST", "/oauth/authorize", data=form | login)
    code = answer.headers["location"].partition("code=")[2].partition("&")[0]
    sessions = world.container.identity.sessions
    return await sessions.exchange_code_for_cookie(BUILTIN_CLIENT, code, "v" * 43, CALLBACK)


def test_a_client_that_is_disabled_opens_no_origin(sqlite_world: World) -> None:
    address = f"https://{uuid4().hex[:8]}.example"
    app = registered(sqlite_world, f"{address}/callback", "http://127.0.0.1:9/callback")
    assert preflight(sqlite_world, "/fhir", address).status_code == 204
    assert preflight(sqlite_world, "/fhir", "http://127.0.0.1:9").status_code == 204

    async def disable() -> None:
        from datetime import UTC, datetime
        from uuid import UUID

        async with sqlite_world.container.foundation.database.transaction() as session:
            of = OAuthClient.client_id == UUID(app)
            await session.execute(sa.update(OAuthClient).where(of).values(disabled_at=datetime.now(UTC)))

    sqlite_world.run(disable())
    assert preflight(sqlite_world, "/fhir", address).status_code == 403


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://app.example/callback?x=1", "https://app.example"),
        ("https://app.example:443/", "https://app.example"),
        ("http://app.example:443/", "http://app.example:443"),
        ("http://APP.example:80/", "http://app.example"),
        ("http://[::1]:8080/cb", "http://[::1]:8080"),
        ("https://somebody@app.example/", "https://app.example"),
        ("com.example.app:/callback", None),
        ("https:///callback", None),
        ("https://app.example:port/", None),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(address: str, origin: str | None) -> None:
    assert origin_of(address) == origin
