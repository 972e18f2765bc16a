"""A17 and A18 of the attack plan: machines that prove themselves with tokens of their own making."""

import base64
import json
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from novamind.errors import ValidationError
from novamind.infrastructure.identity.assertions import HookClients, key_ring
from novamind.infrastructure.identity.domain import Permission
from novamind.infrastructure.identity.sessions import Sessions
from novamind.infrastructure.identity.smart_scopes import granted, narrowed
from tests.server.world import BASE, World

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SANDBOX = "https://sandbox.cds-hooks.example"
KEYS_AT = f"{SANDBOX}/.well-known/jwks.json"
HOOK = "/cds-services/novamind-patient-view"
INTEROP = Path(__file__).parents[3] / "shared" / "data" / "interop" / "cds_hooks"
REQUEST: dict[str, Any] = {
    "hook": "patient-view",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "context": {"userId": "Practitioner/1", "patientId": "1"},
    "prefetch": {"patient": {"resourceType": "Patient", "id": "1"}},
}
GENUINE = {"ES384", "RS384", "a list of one"}


def signed(key: Any, algorithm: str, claims: dict[str, Any], **header: Any) -> str:
    return jwt.encode({"alg": algorithm, "typ": "JWT", **header}, claims, key, algorithms=[algorithm])


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


@lru_cache
def keys() -> tuple[ECKey, RSAKey]:
    return ECKey.generate_key("P-384", {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "2"})


def public() -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys()]}


def tokens_of(issuer: str, audience: str, **more: Any) -> dict[str, str]:
    """Tokens as an honest client makes them, and as an attacker would, by what is wrong with each."""
    elliptic, rsa = keys()
    now = int(time.time())
    shared = OctKey.import_key(json.dumps(public()["keys"][0]))
    stranger = ECKey.generate_key("P-384", {"kid": "1"})

    def good(**other: Any) -> dict[str, Any]:
        fixed = {"iss": issuer, "sub": issuer, "aud": audience, "iat": now, "exp": now + 240, "jti": uuid4().hex}
        return fixed | other

    def without(name: str) -> dict[str, Any]:
        return {claim: value for claim, value in good().items() if claim != name}

    return {
        "ES384": signed(elliptic, "ES384", good(), kid="1"),
        "RS384": signed(rsa, "RS384", good(), kid="2"),
        "a list of one": signed(elliptic, "ES384", good(aud=[audience]), kid="1"),
        "audience": signed(elliptic, "ES384", good(aud="https://other.example"), kid="1"),
        "audiences": signed(elliptic, "ES384", good(aud=[audience, "https://other.example"]), kid="1"),
        "longer than 5 minutes": signed(elliptic, "ES384", good(exp=now + 320), kid="1"),
        "expired": signed(elliptic, "ES384", good(exp=now - 60), kid="1"),
        "of tomorrow": signed(elliptic, "ES384", good(nbf=now + 200), kid="1"),
        "exp in words": signed(elliptic, "ES384", good(exp="soon"), kid="1"),
        **{f"no {name}": signed(elliptic, "ES384", without(name), kid="1") for name in ("exp", "jti", "aud")},
        "issuer": signed(elliptic, "ES384", good(iss="https://evil.example"), kid="1"),
        "kid": signed(elliptic, "ES384", good(), kid="3"),
        "kid of another key": signed(rsa, "RS384", good(), kid="1"),
        "no kid": signed(elliptic, "ES384", good()),
        "key of a stranger": signed(stranger, "ES384", good(), kid="1"),
        "key address": signed(stranger, "ES384", good(), kid="1", jku="http://127.0.0.1:9/keys"),
        "own key, other address": signed(elliptic, "ES384", good(), kid="1", jku="http://127.0.0.1:9/keys"),
        "key inside": signed(stranger, "ES384", good(), kid="1", jwk=stranger.as_dict(private=False)),
        "RS256": signed(rsa, "RS256", good(), kid="2"),
        "HS256": signed(shared, "HS256", good(), kid="1"),
        "none": unsigned(good()),
        "rubbish": "a.b.c",
        **more,
    }


def machine(world: World, *scopes: str, **more: Any) -> dict[str, str]:
    body = {"name": f"backend {uuid4().hex}", "role": "service", "scopes": list(scopes), **more}
    made = world.call("POST", "/api/v1/clients", "admin", json=body).json()
    return {"client_id": made["id"]} | ({"client_secret": made["secret"]} if made["secret"] else {})


def backend(world: World, *scopes: str) -> str:
    """A client that signs."""
    made = machine(world, *scopes, jwks=public())
    assert "client_secret" not in made
    return made["client_id"]


def presented(world: World, token: str, **more: str) -> Any:
    form = {"client_assertion_type": ASSERTION, "client_assertion": token, **more}
    return world.token(grant_type="client_credentials", **form)


def at_the_endpoint(world: World, client_id: str) -> set[str]:
    """Which of the tokens get in; every other answer is as SMART asks."""
    found = set()
    for name, token in tokens_of(client_id, f"{BASE}/oauth/token").items():
        answer = presented(world, token)
        if answer.status_code == 200:
            found.add(name)
        else:
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), name
        as_grant = world.token(grant_type=ASSERTION, assertion=token, client_id=client_id)
        assert as_grant.status_code == 422, name
    return found


@pytest.fixture
def patient_world(small_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """So patient that the limit on attempts does not answer for the check."""
    sessions = small_world.container.identity.sessions
    monkeypatch.setattr(sessions, "_limits", replace(sessions._limits, per_account=1000))
    return small_world


def test_a17_a_registered_client_that_signs_gets_in_and_whoever_only_seems_to_does_not(patient_world: World) -> None:
    world = patient_world
    client_id = backend(world, "patients:read")
    denied = len(world.audited("client_login", "denied"))
    assert at_the_endpoint(world, client_id) == GENUINE
    refused = len(tokens_of(client_id, "")) - len(GENUINE)
    assert len(world.audited("client_login", "denied")) == denied + refused
    assert world.audited("client_login", "success")[-1]["actor"] == client_id


def test_a17_a_token_is_good_once_for_its_own_client_and_instead_of_no_secret(patient_world: World) -> None:
    world, token = patient_world, f"{BASE}/oauth/token"
    one, two = backend(world, "patients:read"), backend(world, "patients:read")
    with_secret = machine(world, "patients:read")
    said = tokens_of(one, token)
    assert presented(world, said["ES384"], client_id=two).status_code == 401
    assert presented(world, said["ES384"], client_id=one).status_code == 200
    assert presented(world, said["ES384"]).status_code == 401  # its jti was here
    assert presented(world, said["RS384"]).status_code == 200
    other_subject = signed(keys()[0], "ES384", {**_claims(said["ES384"]), "sub": two, "jti": "x"}, kid="1")
    assert presented(world, other_subject).status_code == 401
    of_secret = tokens_of(with_secret["client_id"], token)["ES384"]
    assert presented(world, of_secret).status_code == 401  # it has no keys here
    assert presented(world, of_secret, client_secret=with_secret["client_secret"]).status_code == 401
    guessed = world.token(grant_type="client_credentials", client_id=one, client_secret="")
    assert (guessed.status_code, guessed.json()["error"]) == (401, "invalid_client")
    supported = world.call("GET", "/.well-known/smart-configuration").json()
    assert "private_key_jwt" in supported["token_endpoint_auth_methods_supported"]
    assert supported["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]


def _claims(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))


@pytest.mark.weak("whoever says so is a client", "A17")
def test_a17_the_sweep_finds_a_server_that_believes(patient_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client_id = backend(patient_world, "patients:read")

    async def careless(*_: Any) -> bool:  # whoever says so is it
        return True

    monkeypatch.setattr(Sessions, "_is_proved", careless)
    assert {"none", "HS256", "kid", "longer than 5 minutes"} <= at_the_endpoint(patient_world, client_id)


def test_a17_scopes_are_reduced_to_what_was_registered_and_reading_is_no_writing(small_world: World) -> None:
    client = machine(small_world, "patients:read", "results:read")
    for scope in ("records:write", "system/*.rs", "system/*.cruds", "*", "nonsense"):
        asked = small_world.token(grant_type="client_credentials", scope=scope, **client)
        assert (asked.status_code, asked.json()["error"]) == (400, "invalid_scope"), scope
    reduced = small_world.token(grant_type="client_credentials", scope="patients:read records:write", **client).json()
    assert reduced["scope"] == "patients:read"
    given = small_world.token(grant_type="client_credentials", **client).json()
    assert given["scope"] == "patients:read results:read"
    at = f"/api/v1/patients/{small_world.patients['P1']}"
    assert small_world.call("GET", at, given["access_token"]).status_code == 200
    course = {"medication": "lithium"}
    assert small_world.call("POST", f"{at}/medications", given["access_token"], json=course).status_code == 403
    assert small_world.call("GET", f"{at}/fhir", given["access_token"]).status_code == 403


def test_a17_a_token_for_observations_reads_observations_and_nothing_else(patient_world: World) -> None:
    """Registered is ``system/Observation.rs``, asked is ``system/*.rs``."""
    world = patient_world
    client_id = backend(world, "system/Observation.rs", "system/Condition.c")
    said = tokens_of(client_id, f"{BASE}/oauth/token")
    got = presented(world, said["ES384"], scope="system/*.rs").json()
    assert got["scope"] == "system/Observation.rs"
    token, at = got["access_token"], f"/api/v1/patients/{world.patients['P1']}"
    bundle = world.call("GET", f"{at}/fhir?with_insights=true", token).json()
    assert {one["resource"]["resourceType"] for one in bundle["entry"]} == {"Observation"}
    whole = world.call("GET", f"{at}/fhir", "service1").json()
    assert {"Patient", "MedicationStatement"} <= {one["resource"]["resourceType"] for one in whole["entry"]}
    for path in ("", "/reports", "/genotype", "/medications", "/consents", "/insights", "/audit"):
        assert world.call("GET", at + path, token).status_code == 403, path
    asked = {"query": f'{{ patient(id: "{world.patients["P1"]}") {{ symptoms {{ value }} }} }}'}
    assert world.call("POST", "/graphql", token, json=asked).json().get("data") in (None, {"patient": None})
    observation = bundle["entry"][0]["resource"] | {"subject": {"reference": "Patient/p"}}
    patient = {"resourceType": "Patient", "id": "p"}
    condition = {"resourceType": "Condition", "code": {"text": "asthma"}, "subject": {"reference": "Patient/p"}}
    sent = {"resourceType": "Bundle", "type": "collection"}
    refused = len(world.audited("fhir.write", "denied"))
    only_reading = world.call("POST", f"{at}/fhir", token, json=sent | {"entry": [{"resource": observation}]})
    assert only_reading.status_code == 403
    writing = presented(world, said["RS384"], scope="system/*.cruds").json()
    assert writing["scope"] == "system/Condition.c system/Observation.rs"
    for more in ([patient], [observation]):
        entries = [{"resource": one} for one in (condition, *more)]
        answer = world.call("POST", f"{at}/fhir", writing["access_token"], json=sent | {"entry": entries})
        assert answer.status_code == 403
    assert len(world.audited("fhir.write", "denied")) == refused + 3
    answer = world.call("POST", f"{at}/fhir", writing["access_token"], json=sent | {"entry": [{"resource": condition}]})
    assert answer.status_code == 201, answer.text
    assert answer.json()["stored"]["condition"] == 1


@pytest.mark.parametrize(
    ("asked", "registered", "given"),
    [
        ("system/*.rs", "system/Observation.rs", "system/Observation.rs"),
        ("system/Observation.rs", "system/*.rs", "system/Observation.rs"),
        ("system/Observation.cruds", "system/*.rs", "system/Observation.rs"),
        ("system/*.rs", "fhir:read", "system/*.rs"),
        ("system/*.cruds", "fhir:read fhir:write", "system/*.crs"),
        (
            "system/Patient.rs system/Observation.c",
            "system/Patient.rs system/*.c",
            "system/Observation.c system/Patient.rs",
        ),
        ("system/*.rs system/Patient.rs", "system/*.rs", "system/*.rs"),
        ("system/Patient.rs", "system/Observation.rs", ""),
        ("system/Patient.c", "system/Patient.rs", ""),
        ("user/*.rs patient/*.rs system/*. system/*.sr", "system/*.rs", ""),
        ("patients:read", "results:read", ""),
    ],
)
def test_a17_scopes_meet(asked: str, registered: str, given: str) -> None:
    assert " ".join(sorted(narrowed(asked.split(), registered.split()))) == given


kinds = st.sampled_from(["*", "Patient", "Observation", "Condition"])
scopes = st.lists(
    st.builds("system/{}.{}".format, kinds, st.sampled_from(["c", "rs", "crs", "r", "cruds"])), max_size=4
)


@given(asked=scopes, registered=scopes)
def test_a17_nobody_gets_more_than_was_registered(asked: list[str], registered: list[str]) -> None:
    def reach(stated: Any) -> set[tuple[Permission, str]]:
        permissions, limited = granted(stated)
        everything = {"Patient", "Observation", "Condition", "Other"}
        return {(one, kind) for one in permissions for kind in limited.get(one, everything)}

    assert reach(narrowed(asked, registered)) <= reach(registered) & reach(asked)
    assert reach(narrowed(registered, registered)) == reach(registered)


BAD_KEYS: dict[str, Any] = {
    "symmetric": lambda: OctKey.generate_key(256).as_dict(),
    "private": lambda: keys()[0].as_dict(private=True),
    "short RSA": lambda: {**RSAKey.generate_key(1024).as_dict(private=False), "kid": "x"},
    "other curve": lambda: {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "x"},
    "Ed25519": lambda: OKPKey.generate_key("Ed25519").as_dict(private=False),
    "no kid": lambda: {name: value for name, value in public()["keys"][0].items() if name != "kid"},
    "no object": lambda: 7,
    "no key": lambda: {"kty": "EC", "kid": "x"},
}


@pytest.mark.parametrize("what", BAD_KEYS)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a17_what_is_no_strong_public_key_is_not_registered(small_world: World, what: str) -> None:
    body = {"name": f"weak {uuid4().hex}", "role": "service", "jwks": {"keys": [BAD_KEYS[what]()]}}
    assert small_world.call("POST", "/api/v1/clients", "admin", json=body).status_code == 422
    for wrong in ({}, {"keys": []}, {"keys": public()["keys"] * 2}):
        with pytest.raises(ValidationError):
            key_ring(wrong)


def test_a17_keys_and_system_scopes_are_for_services(small_world: World) -> None:
    of_people = {"name": f"app {uuid4().hex}", "redirect_uris": [f"{BASE}/x"]}
    analyst = {"name": f"analyst {uuid4().hex}", "role": "analyst"}
    for body in (
        of_people | {"jwks": public()},
        of_people | {"scopes": ["system/*.rs"]},
        analyst | {"scopes": ["system/*.rs"]},
    ):
        assert small_world.call("POST", "/api/v1/clients", "admin", json=body).status_code == 422


# --- A18 ---


@pytest.fixture
def hooks(small_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """The world with one EHR on the list."""
    listed = tmp_path / "cds_clients.json"
    listed.write_text(json.dumps({SANDBOX: {"jwks": public(), "jku": KEYS_AT}}))
    identity = small_world.container.identity
    made = HookClients(listed, small_world.container.foundation.database, identity.attempts)
    monkeypatch.setattr(identity.hook_clients, "_issuers", made._issuers)
    return small_world


def hooked(world: World, token: str, hook: str = HOOK) -> int:
    return world.call("POST", hook, token, json=REQUEST | {"hook": hook.partition("novamind-")[2]}).status_code


def of_the_sandbox() -> dict[str, str]:
    elliptic, now = keys()[0], int(time.time())
    known = {"iss": SANDBOX, "aud": f"{BASE}{HOOK}", "iat": now, "exp": now + 300, "jti": uuid4().hex}
    return tokens_of(
        SANDBOX, f"{BASE}{HOOK}", **{"its own address": signed(elliptic, "ES384", known, kid="1", jku=KEYS_AT)}
    )


def test_a18_an_ehr_on_the_list_gets_cards_and_nobody_else(hooks: World) -> None:
    answers = {name: hooked(hooks, token) for name, token in of_the_sandbox().items()}
    assert {name for name, status in answers.items() if status == 200} == GENUINE | {"its own address"}
    assert set(answers.values()) == {200, 401}
    assert hooked(hooks, "service1") == 200  # and whoever has a token of ours


def test_a18_a_token_is_good_once_for_one_service_and_opens_no_record(hooks: World) -> None:
    said = of_the_sandbox()
    assert hooked(hooks, said["ES384"], "/cds-services/novamind-order-sign") == 401
    for path in ("/api/v1/me", "/api/v1/patients", f"/api/v1/patients/{hooks.patients['P1']}", "/metrics"):
        assert hooks.call("GET", path, said["ES384"]).status_code == 401
    assert hooked(hooks, said["ES384"]) == 200
    assert hooked(hooks, said["ES384"]) == 401  # its jti was here
    known = hooks.run(hooks.container.identity.hook_clients.authenticate(said["RS384"], f"{BASE}{HOOK}"))
    assert known.subject == uuid5(NAMESPACE_URL, SANDBOX)
    assert known.scopes == {Permission.CALCULATE}
    assert known.organisation_id is None


@pytest.mark.weak("every token is somebody's", "A18")
def test_a18_without_a_list_nobody_signs_for_themselves(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = {name: hooked(small_world, token) for name, token in of_the_sandbox().items()}
    assert set(answered.values()) == {401}
    somebody = small_world.run(small_world.container.identity.sessions.authenticate(small_world.tokens["service1"]))

    async def anybody(*_: Any) -> Any:
        return somebody

    monkeypatch.setattr(Sessions, "authenticate", anybody)
    assert {hooked(small_world, token) for token in of_the_sandbox().values()} == {200}


def test_a18_the_example_of_the_specification_is_let_in(hooks: World, tmp_path: Path) -> None:
    """CDS Hooks 2.0.1 prints a token's header, the key pair and the key set; the sandbox publishes its own set."""
    if not INTEROP.is_dir():
        pytest.skip("there is no ../shared/data/interop beside this checkout")
    header, key_set, private = (
        json.loads((INTEROP / "spec_blocks" / f"v201_{number}_other.json").read_text()) for number in (22, 24, 25)
    )
    listed = tmp_path / "both.json"
    sandbox = json.loads((INTEROP / "sandbox_jwks_public.json").read_text())
    issuer = "https://fhir-ehr.example.com"
    listed.write_text(json.dumps({issuer: {"jwks": key_set, "jku": header["jku"]}, SANDBOX: {"jwks": sandbox}}))
    identity = hooks.container.identity
    made = HookClients(listed, hooks.container.foundation.database, identity.attempts)
    now = int(time.time())
    claims = {"iss": issuer, "aud": f"{BASE}{HOOK}", "iat": now, "exp": now + 300, "jti": uuid4().hex}
    token = jwt.encode(header, claims, ECKey.import_key(private), algorithms=["ES384"])
    assert made.knows(token)
    assert hooks.run(made.authenticate(token, f"{BASE}{HOOK}")).subject == uuid5(NAMESPACE_URL, issuer)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"jwks": {"keys": []}}}', '{"a": {"jwks": 1}}'])
def test_a18_a_list_that_cannot_be_read_stops_the_start(small_world: World, tmp_path: Path, text: str) -> None:
    listed = tmp_path / "list.json"
    listed.write_text(text)
    with pytest.raises(ValidationError):
        HookClients(listed, small_world.container.foundation.database, small_world.container.identity.attempts)
