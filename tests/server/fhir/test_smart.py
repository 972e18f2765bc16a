"""SMART App Launch: an app gets what it asks and no more, for the patient of its launch, until it is revoked."""

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.infrastructure.test_identity_tokens import checked
from tests.server.fhir.conftest import matches
from tests.server.world import BASE, CALLBACK, World, challenge

VERIFIER = "v" * 43
FHIR = f"{BASE}/fhir"


@pytest.fixture
def app(world: World) -> str:
    """A registered app of people."""
    access = world.container.operator("test")
    made = world.run(
        world.container.identity.accounts.add_client(f"app {uuid4().hex[:8]}", access, redirect_uris=[CALLBACK])
    )
    return str(made.client_id)


def authorize(world: World, app: str, who: str, scope: str, **more: str) -> Any:
    """Log in at an app's request; the answer to the login."""
    asked = {"client_id": app, "redirect_uri": CALLBACK, "code_challenge": challenge(VERIFIER), "scope": scope}
    page = world.call("GET", "/oauth/authorize", params=asked | {"response_type": "code", "aud": FHIR} | more)
    assert page.status_code == 200, page.text
    form = asked | {"username": who, "password": world.passwords[who]} | more
    return world.call("POST", "/oauth/authorize", data=form)


def redeemed(world: World, app: str, answer: Any) -> dict[str, Any]:
    """Tokens for the code that a login or a choice led back with."""
    assert answer.status_code == 303, answer.text
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    tokens = world.token(
        grant_type="authorization_code", client_id=app, code=code, code_verifier=VERIFIER, redirect_uri=CALLBACK
    )
    assert tokens.status_code == 200, tokens.text
    return dict(tokens.json())


def pending(answer: Any) -> str:
    """The code that waits on the page where a patient is chosen."""
    assert answer.status_code == 200, answer.text
    return str(answer.text.partition('name="code" value="')[2].partition('"')[0])


def chosen(world: World, app: str, who: str, scope: str, patient_id: str) -> dict[str, Any]:
    """Tokens of a standalone launch with a patient."""
    form = {"code": pending(authorize(world, app, who, scope)), "patient_id": patient_id}
    return redeemed(world, app, world.call("POST", "/oauth/patient", data=form))


def test_an_app_gets_no_more_than_it_asks(world: World, app: str) -> None:
    tokens = redeemed(world, app, authorize(world, app, "C11", "patients:read"))
    assert tokens["scope"] == "patients:read"
    assert tokens["refresh_token"] == tokens["refresh_token"] is not None
    token = tokens["access_token"]
    p1 = world.patients["P1"]
    assert world.call("GET", f"/api/v1/patients/{p1}", token).status_code == 200
    assert world.call("GET", f"/api/v1/patients/{p1}/reports", token).status_code == 403
    assert world.call("GET", f"/fhir/Observation?patient={p1}", token).status_code == 403
    assert world.call("POST", f"/api/v1/patients/{p1}/emergency", token, json={"reason": "x" * 20}).status_code == 403
    again = world.token(grant_type="refresh_token", client_id=app, refresh_token=tokens["refresh_token"]).json()
    assert again["scope"] == "patients:read"


def test_an_app_gets_no_more_than_the_person_may(world: World, app: str) -> None:
    scope = "user/*.rs patient/*.rs launch/patient calculate emergency:open"
    tokens = redeemed(world, app, authorize(world, app, "researcher", scope))
    assert set(tokens["scope"].split()) == {"calculate", "launch/patient"}
    assert tokens["patient"] is None
    assert world.call("GET", "/fhir/Patient", tokens["access_token"]).status_code == 403


def test_an_app_that_asks_for_nothing_it_may_have_is_refused(world: World, app: str) -> None:
    asked = {"client_id": app, "redirect_uri": CALLBACK, "code_challenge": challenge(VERIFIER), "aud": FHIR}
    for scope in ("system/*.rs", "nonsense", "patient/*.d"):
        answer = world.call("GET", "/oauth/authorize", params=asked | {"scope": scope})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope"), scope


@pytest.mark.parametrize("aud", ["", "https://elsewhere.example/fhir"])
def test_an_app_says_with_which_server_it_will_use_its_token(world: World, app: str, aud: str) -> None:
    asked = {"client_id": app, "redirect_uri": CALLBACK, "code_challenge": challenge(VERIFIER)}
    answer = world.call(
        "GET", "/oauth/authorize", params=asked | {"scope": "user/*.rs"} | ({"aud": aud} if aud else {})
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_standalone_launch_opens_one_patient_alone(world: World, app: str) -> None:
    p1, p2 = world.patients["P1"], world.patients["P2"]
    scope = "launch/patient openid fhirUser patient/*.read user/*.rs"
    page = authorize(world, app, "C11", scope)
    assert p1 in page.text
    assert p2 in page.text
    assert world.patients["P3"] not in page.text
    assert page.headers["cache-control"] == "no-store"
    code = pending(page)
    early = world.token(
        grant_type="authorization_code", client_id=app, code=code, code_verifier=VERIFIER, redirect_uri=CALLBACK
    )
    assert early.status_code == 400
    assert (
        world.call("POST", "/oauth/patient", data={"code": code, "patient_id": world.patients["P3"]}).status_code == 404
    )
    tokens = redeemed(world, app, world.call("POST", "/oauth/patient", data={"code": code, "patient_id": p1}))
    assert tokens["patient"] == p1
    assert set(tokens["scope"].split()) == {"fhirUser", "launch/patient", "openid", "patient/*.rs"}
    assert tokens["refresh_token"] is None
    token = tokens["access_token"]
    for path in (f"Patient/{p1}", f"Observation?patient={p1}", f"Patient/{p1}/$everything", "MedicationStatement"):
        assert world.call("GET", f"/fhir/{path}", token).status_code == 200, path
    for path in (f"Patient/{p2}", f"Observation?patient={p2}", f"Patient/{p2}/$everything"):
        assert world.call("GET", f"/fhir/{path}", token).status_code == 404, path
    assert [r["id"] for r in matches(world.call("GET", "/fhir/Patient", token).json())] == [p1]
    assert world.call("GET", f"/api/v1/patients/{p1}/reports", token).status_code == 403
    assert world.call("POST", "/oauth/patient", data={"code": code, "patient_id": p2}).status_code == 401


def test_a_patient_of_whom_little_is_known_can_be_chosen(world: World, app: str) -> None:
    made = world.call(
        "POST", "/api/v1/patients", "C11", json={"name": "No Birthday", "identifiers": {"mrn": "no-birthday"}}
    )
    assert made.status_code == 201, made.text
    page = authorize(world, app, "C11", "launch/patient patient/*.read")
    assert page.status_code == 200
    assert f'<option value="{made.json()["ids"][0]}">No Birthday</option>' in page.text


def test_types_of_patient_scopes_are_kept_to(world: World, app: str) -> None:
    p1 = world.patients["P1"]
    token = chosen(world, app, "C11", "patient/Observation.rs patient/Patient.read", p1)["access_token"]
    assert world.call("GET", f"/fhir/Observation?patient={p1}", token).status_code == 200
    assert world.call("GET", f"/fhir/Patient/{p1}", token).status_code == 200
    assert world.call("GET", f"/fhir/Condition?patient={p1}", token).status_code == 403
    made = {"resourceType": "Observation", "subject": {"reference": f"Patient/{p1}"}}
    answer = world.call("POST", "/fhir/Observation", token, json=made)
    assert answer.status_code == 403


def test_a_patient_opens_an_app_with_themselves(world: World, app: str) -> None:
    tokens = redeemed(
        world, app, authorize(world, app, "P1-self", "launch/patient patient/*.rs openid fhirUser", nonce="n-1")
    )
    assert tokens["patient"] == world.patients["P1"]
    keys = world.call("GET", "/.well-known/jwks.json").json()["keys"]
    header, claims = checked(tokens["id_token"], keys)
    assert header["alg"] == "RS256"
    assert claims["fhirUser"] == f"{FHIR}/Patient/{world.patients['P1']}"
    assert (claims["aud"], claims["nonce"], claims["iss"]) == (app, "n-1", BASE)
    assert claims["sub"] == str(world.users["P1-self"])
    assert world.call("GET", "/api/v1/me", tokens["id_token"]).status_code == 401  # it is no access token


def test_a_client_that_asks_for_es256_gets_it_and_no_identity_token_without_openid(world: World) -> None:
    registered = {"name": f"app {uuid4().hex[:8]}", "redirect_uris": [CALLBACK]}
    chosen_algorithm = registered | {"id_token_signed_response_alg": "ES256"}
    app = world.call("POST", "/api/v1/clients", "admin", json=chosen_algorithm).json()["id"]
    first = redeemed(world, app, authorize(world, app, "C11", "openid fhirUser user/*.rs offline_access"))
    again = world.token(grant_type="refresh_token", client_id=app, refresh_token=first["refresh_token"]).json()
    keys = world.call("GET", "/.well-known/jwks.json").json()["keys"]
    for tokens in (first, again):
        header, claims = checked(tokens["id_token"], keys)
        assert header["alg"] == "ES256"
        assert claims["fhirUser"] == f"{FHIR}/Practitioner/{world.users['C11']}"
        path = urlsplit(claims["fhirUser"]).path
        person = world.call("GET", path, tokens["access_token"])
        assert (person.status_code, person.json()["id"]) == (200, str(world.users["C11"]))
        assert world.call("GET", path, "C12").status_code == world.call("GET", path, "service1").status_code == 404
    _, without = checked(redeemed(world, app, authorize(world, app, "C11", "openid"))["id_token"], keys)
    assert "fhirUser" not in without
    assert redeemed(world, app, authorize(world, app, "C11", "user/*.rs"))["id_token"] is None
    refused = world.call("POST", "/api/v1/clients", "admin", json=registered | {"id_token_signed_response_alg": "none"})
    assert refused.status_code == 422


def test_what_openid_connect_discovery_says_is_true(world: World) -> None:
    said = world.call("GET", "/.well-known/openid-configuration").json()
    assert (said["issuer"], said["subject_types_supported"]) == (BASE, ["public"])
    keys = world.call("GET", urlsplit(said["jwks_uri"]).path).json()["keys"]
    assert set(said["id_token_signing_alg_values_supported"]) == {"RS256", "ES256"} <= {key["alg"] for key in keys}
    assert set(said["claims_supported"]) == {"iss", "aud", "sub", "iat", "exp", "nonce", "fhirUser"}
    smart = world.call("GET", "/.well-known/smart-configuration").json()
    shared = said.keys() & smart.keys()
    assert {name: said[name] for name in shared} == {name: smart[name] for name in shared}
    assert {"authorization_endpoint", "token_endpoint", "response_types_supported", "scopes_supported"} <= shared
    assert "userinfo_endpoint" not in said


def test_user_scopes_reach_whom_the_person_sees(world: World, app: str) -> None:
    tokens = redeemed(world, app, authorize(world, app, "C11", "user/*.rs patient/*.x offline_access"))
    assert tokens["patient"] is None
    assert tokens["refresh_token"]
    bundle = world.call("GET", "/fhir/Patient", tokens["access_token"]).json()
    assert {world.patients["P1"], world.patients["P2"]} <= {r["id"] for r in matches(bundle)}
    assert world.call("GET", f"/fhir/Patient/{world.patients['P3']}", tokens["access_token"]).status_code == 404


def test_a_launch_from_within_is_for_its_person_once(world: World, app: str) -> None:
    p2 = world.patients["P2"]
    assert world.call("POST", "/oauth/launch", "C12", data={"patient_id": p2}).status_code == 404
    begun = world.call("POST", "/oauth/launch", "C11", data={"patient_id": p2}).json()
    assert begun["iss"] == FHIR
    scope = "launch patient/Patient.rs"
    stranger = authorize(world, app, "C12", scope, launch=begun["launch"])
    assert stranger.status_code == 401
    tokens = redeemed(world, app, authorize(world, app, "C11", scope, launch=begun["launch"]))
    assert tokens["patient"] == p2
    assert world.call("GET", f"/fhir/Patient/{p2}", tokens["access_token"]).status_code == 200
    assert world.call("GET", f"/fhir/Patient/{world.patients['P1']}", tokens["access_token"]).status_code == 404
    assert authorize(world, app, "C11", scope, launch=begun["launch"]).status_code == 401


def test_a_token_says_what_it_is_and_ends(world: World, app: str) -> None:
    p1 = world.patients["P1"]
    tokens = chosen(world, app, "C11", "patient/*.rs offline_access", p1)
    for token in (tokens["access_token"], tokens["refresh_token"]):
        said = world.call("POST", "/oauth/introspect", "service1", data={"token": token}).json()
        assert (said["active"], said["client_id"], said["patient"]) == (True, app, p1)
        assert set(said["scope"].split()) == {"patient/*.rs", "offline_access"}
        assert isinstance(said["exp"], int)
        for who in ("service2", "C12", "admin"):
            assert world.call("POST", "/oauth/introspect", who, data={"token": token}).json() == {"active": False}
    assert world.call("POST", "/oauth/introspect", data={"token": "x"}).status_code == 401
    assert world.call("POST", "/oauth/introspect", "service1", data={"token": "x"}).json() == {"active": False}
    assert world.call("POST", "/oauth/revoke", data={"token": "x"}).status_code == 200
    assert world.call("POST", "/oauth/revoke", data={"token": tokens["refresh_token"]}).status_code == 200
    assert world.call("GET", f"/fhir/Patient/{p1}", tokens["access_token"]).status_code == 401
    said = world.call("POST", "/oauth/introspect", "service1", data={"token": tokens["access_token"]})
    assert said.json() == {"active": False}


def test_where_everything_is_stands_at_the_base_of_fhir_too(world: World) -> None:
    said = world.call("GET", "/fhir/.well-known/smart-configuration").json()
    assert said == world.call("GET", "/.well-known/smart-configuration").json()
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert {"launch-ehr", "launch-standalone", "context-standalone-patient", "permission-v2"} <= set(
        said["capabilities"]
    )
    for name in ("introspection_endpoint", "revocation_endpoint", "token_endpoint"):
        assert world.call("POST", urlsplit(said[name]).path).status_code in (401, 422)
