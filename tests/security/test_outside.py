"""C11, C13, D10, D14 and D16 of the attack plan: what could lead out of the server or into it sideways, or lie open."""

import base64
import math
import random
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from novamind.infrastructure.keys import new_key
from novamind.server.builtin_client import BUILTIN_CLIENT
from tests.security.test_authentication import filled, operations
from tests.security.test_authorisation import BODIES
from tests.server.world import BASE, CALLBACK, FHIR_JSON, World
from tests.weak import careless, must_fail

# --- C13, D10: nobody is called ---

_LEADING_OUT = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen"}
)
_watched: set[str] = _LEADING_OUT
_seen: list[tuple[str, Any]] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is not None and event in _watched:
        _seen.append((event, arguments[1:2] if event.startswith("socket.c") else arguments[:1]))


@cache
def _hook() -> None:
    sys.addaudithook(_watch)  # for ever; it does nothing while nobody watches


@contextmanager
def watched(events: set[str] = _LEADING_OUT) -> Iterator[list[tuple[str, Any]]]:
    """Every name that is looked up, every connection and process that is begun by this process meanwhile."""
    global _seen, _watched
    _watched = events
    _hook()
    _seen = []
    try:
        yield _seen
    finally:
        _seen = None


def addresses(port: int) -> list[str]:
    hosts = ("127.0.0.1", "[::1]", "localhost", "0x7f000001", "2130706433", "0177.0.0.1", "rebind.example", "127.1")
    spelled = [f"http://{host}:{port}/keys" for host in hosts]
    return [
        *spelled,
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        f"http://user@127.0.0.1:{port}@x/",
    ]


def with_address(world: World, url: str) -> None:
    """Name an address wherever the interface has room for one."""
    patient = {"resourceType": "Patient", "id": "p", "photo": [{"url": url}], "birthDate": "1980-05-17"}
    link = {"reference": url}
    found = {"resourceType": "Observation", "status": "final", "subject": link, "code": {"coding": [{"system": url}]}}
    bundle = {"resourceType": "Bundle", "type": "collection", "link": [{"relation": "next", "url": url}]}
    bundle |= {"entry": [{"fullUrl": url, "resource": patient}, {"fullUrl": url, "resource": found}]}
    at = f"/api/v1/patients/{world.patients['P2']}"
    world.call("POST", f"{at}/fhir", "C11", json=bundle, headers={"Content-Type": FHIR_JSON})
    hook = {"hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "fhirServer": url}
    hook |= {"fhirAuthorization": {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "scope": "x"}}
    hook |= {"context": {"userId": url, "patientId": "p"}, "prefetch": {"patient": patient | {"link": [link]}}}
    world.call("POST", "/cds-services/novamind-patient-view", "service1", json=hook)
    world.call("POST", "/api/v1/clients", "admin", json={"name": "x", "redirect_uris": [url]})
    form = {
        "client_id": str(BUILTIN_CLIENT),
        "redirect_uri": url,
        "code_challenge": "c" * 43,
        "username": "x",
        "password": "x",
    }
    world.call("POST", "/oauth/authorize", data=form)
    assertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {"grant_type": "client_credentials", "client_id": str(world.users["service1"])}
    form |= {"client_assertion_type": assertion, "client_assertion": url, "jwks_uri": url, "request_uri": url}
    world.call("POST", "/oauth/token", data=form)
    headers = {"X-Forwarded-Host": url, "Referer": url, "Forwarded": f"host={url}", "Link": f"<{url}>"}
    world.call("GET", at, "C11", headers=headers)
    question = {"query": "{ __typename }", "extensions": {"persistedQuery": {"url": url}}, "variables": {"url": url}}
    world.call("POST", "/graphql", "C11", json=question)


def test_c13_no_address_that_somebody_names_is_visited(small_world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with watched() as seen:
            for url in addresses(listener.getsockname()[1]):
                with_address(small_world, url)
        assert seen == []
        with watched() as seen, socket.create_connection(listener.getsockname()):  # it would have been noticed
            pass
        assert ("socket.connect", (listener.getsockname(),)) in seen


ENDS = {"logOut", "changePassword", "disableUser", "changeRole", "beginSecondFactor"}


def test_d10_nothing_that_is_asked_of_it_makes_it_call_anybody(small_world: World) -> None:
    with watched() as seen:
        for method, path, what in operations(small_world):
            if what["operationId"] not in ENDS:
                at = filled(path.replace("{patient_id}", small_world.patients["P1"]))
                who = {"administration": "admin", "populations": "analyst"}.get(what["tags"][0], "C11")
                small_world.call(method.upper(), at, who, json=BODIES.get(what["operationId"]))
    assert seen == []


# --- C11: paths ---

PATHS = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%252e%252e%252fetc%252fpasswd",
    "..\\..\\etc\\passwd",
    "....//....//etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "passwd%00.js",
    "\\\\host\\share\\passwd",
    "%c0%ae%c0%ae/etc/passwd",
)


def test_c11_a_path_in_a_name_opens_nothing(small_world: World) -> None:
    places = [("GET", path, "analyst") for path in ("/api/v1/populations/{}", "/api/v1/populations/models/{}")]
    places += [("GET", path, "C11") for path in ("/static/{}", "/patients/{}", "/api/v1/patients/{}/fhir", "/{}")]
    places += [("GET", "/api/v1/jobs/{}", "analyst"), ("DELETE", "/api/v1/keys/{}", "admin")]
    wrong = []
    with watched({"open"}) as seen:
        for method, place, who in places:
            for path in PATHS:
                answer = small_world.call(method, place.format(path), who)
                if answer.status_code not in (400, 401, 404, 422) or "root:" in answer.text:
                    wrong.append(f"{place.format(path)}: {answer.status_code}")
    assert wrong == []
    assert [one for one in seen if "passwd" in str(one) or "share" in str(one)] == []
    with watched({"open"}) as seen:
        Path("/etc/passwd").read_bytes()
    assert [one for one in seen if "passwd" in str(one)]


def test_c11_a_file_that_is_sent_is_not_put_where_its_name_says(small_world: World, tmp_path: Path) -> None:
    at = f"/patients/{small_world.patients['P2']}/upload"
    for name in (f"{tmp_path}/x.csv", "../../x.csv", f"..%2f{tmp_path}/x.csv", "x.csv\\0.py", "..\\x.csv"):
        with watched({"open"}) as seen:
            small_world.call("POST", at, "C11", files={"file": (name, b"timestamp,value,symptom\n")})
        assert [one for one in seen if str(tmp_path) in str(one) or ".." in str(one)] == []
    assert list(tmp_path.iterdir()) == []


# --- D14: other sites ---


def changing(world: World) -> list[tuple[str, str]]:
    """Every route that changes something, of the interface and of the pages."""
    waiting, found = list(world.apps[0].routes), set()
    while waiting:
        route: Any = waiting.pop()
        waiting += getattr(getattr(route, "original_router", None), "routes", [])
        for method in getattr(route, "methods", None) or ():
            if method not in ("GET", "HEAD", "OPTIONS"):
                found.add((method, route.path))
    return sorted(found)


FORMS = {
    "a form": {"content": b"granted=true&medication=lithium&words=x", "type": "application/x-www-form-urlencoded"},
    "JSON as text": {"content": b'{"granted": true}', "type": "text/plain"},
    "a file": {"content": b"--x\r\n\r\n--x--", "type": "multipart/form-data; boundary=x"},
}


#: Forms that need no cookie: what they hold says who sends them.
OPEN_FORMS = ("/oauth/token", "/oauth/authorize", "/oauth/patient", "/oauth/revoke")


def test_d14_a_cookie_is_worth_nothing_to_other_sites(small_world: World) -> None:
    world = small_world
    sessions: Any = world.container.identity.sessions
    cookie = world.run(sessions.exchange_code_for_cookie(BUILTIN_CLIENT, world.code("C11"), "v" * 43, CALLBACK))
    routes = changing(world)
    assert len(routes) > 30
    through = []
    for method, path in routes:
        at = filled(path.replace("{patient_id}", world.patients["P2"]))
        for name, form in FORMS.items():
            for origin in ("https://evil.example", "null", f"{BASE}.evil.example", None):
                headers = {"Cookie": f"novamind={cookie}", "Content-Type": form["type"]}
                headers |= {"Origin": origin, "Sec-Fetch-Site": "cross-site"} if origin else {}
                answer = world.call(method, at, headers=headers, content=form["content"])
                public = origin is None and path in OPEN_FORMS
                if answer.status_code not in ((400, 422) if public else (401, 403)):
                    through.append(f"{method} {path} {name} {origin}: {answer.status_code}")
    assert through == []
    own = {"Cookie": f"novamind={cookie}", "Origin": BASE}
    decide = f"/api/v1/patients/{world.patients['P2']}/consents/sharing"
    assert world.call("PUT", decide, headers=own, json={"granted": True}).status_code == 204  # from our own pages


@pytest.mark.weak("goes where it is told, opens what is named, takes any cookie", "C11", "C13", "D10", "D14")
@pytest.mark.parametrize(
    "test",
    [
        test_c13_no_address_that_somebody_names_is_visited,
        test_d10_nothing_that_is_asked_of_it_makes_it_call_anybody,
        test_c11_a_path_in_a_name_opens_nothing,
        test_d14_a_cookie_is_worth_nothing_to_other_sites,
    ],
)
def test_each_fails_on_a_careless_server(small_world: World, test: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    must_fail(test, careless(small_world, monkeypatch))


@pytest.mark.weak("a file that is sent is opened by its name", "C11")
def test_c11_fails_where_a_file_is_opened_by_the_name_that_is_sent(
    small_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = test_c11_a_file_that_is_sent_is_not_put_where_its_name_says
    must_fail(test, careless(small_world, monkeypatch), tmp_path)


# --- D16: secrets in the repository ---

FORBIDDEN = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "cloud key": r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{35}\b",
    "token of a forge": r"\b(gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20}|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{40})",
    "token of a chat": r"\bxox[abprs]-[\w-]{10,}",
    "JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}",
    "our API key": r"\bnmk_[\w-]{30,}",
    "password in an address": r"\b[a-z]+://[^\s:/@{}]{1,30}:(?!CANARY|p@|secret|password)[^\s:/@{}<>]{6,}@",
    "assigned secret": r"NOVAMIND_\w*(KEY|SECRET|TOKEN)=[A-Za-z0-9+/]{20,}",
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{28,}")
_RANDOM_BITS = 4.3  # a character; random base64 of 44 characters has 4.8, words and identifiers about 3.8


def entropy(text: str) -> float:
    """Shannon's, in bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def secrets_in(text: str) -> list[str]:
    text = _UUID.sub("", text)
    found = [name for name, form in FORBIDDEN.items() if re.search(form, text)]
    for long in _LONG.findall(text):
        mixed = all(re.search(form, long) for form in ("[a-z]", "[A-Z]", "[0-9]"))
        if mixed and entropy(long) > _RANDOM_BITS and not re.search("[a-z]{8}", long):
            found.append(f"random text {long[:4]}…")
    return found


def test_d16_the_repository_holds_no_secret() -> None:
    root = Path(__file__).parents[2]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this copy is no git repository, so there is no list of its files")
    wrong = {}
    for name in filter(None, listed.stdout.split("\0")):
        content = (root / name).read_bytes() if (root / name).is_file() else b""
        if b"\0" not in content[:1000] and (found := secrets_in(content.decode("utf-8", "replace"))):
            wrong[name] = found
    assert wrong == {}


@pytest.mark.weak("secrets are planted", "D16")
def test_d16_the_scan_finds_secrets_that_are_planted() -> None:
    chance = random.Random(0)

    def drawn() -> str:
        return base64.urlsafe_b64encode(chance.randbytes(32)).decode()

    planted = [
        f"NOVAMIND_INDEX_KEY={new_key()}",
        "-----BEGIN " + "PRIVATE KEY-----",
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "ghp_" + "a1B2" * 9,
        "nmk_" + drawn(),
        "postgresql://novamind:" + "hunter2hunter2@db.example/novamind",
        *(f'key = "{drawn()}"' for _ in range(20)),
    ]
    assert [one for one in planted if not secrets_in(one)] == []
