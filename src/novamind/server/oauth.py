"""OAuth 2.1 on the wire: the login page, codes for tokens, refresh, client credentials, keys, logging out."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NotRequired
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from novamind.errors import AuthenticationError
from novamind.infrastructure.identity.assertions import ALGORITHMS, LONGEST_SIGNED
from novamind.infrastructure.identity.attempts import TooManyAttemptsError
from novamind.infrastructure.identity.domain import Permission, Principal
from novamind.infrastructure.identity.sessions import (
    TOKEN_ENDPOINT,
    AuthorizationRequest,
    ClientProof,
    Credentials,
    GrantError,
    Tokens,
)
from novamind.infrastructure.identity.smart_scopes import CONTEXT, MACHINE, PERSON, is_smart
from novamind.server.container import Container
from novamind.server.dashboard.rendering import page
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.middleware import CONTENT_SECURITY_POLICY, FHIR, INTROSPECTION, REVOCATION

_LONGEST: Final = 1000
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")

_CLIENT: Final = "Identifier of the client."
_REDIRECT: Final = "Where the answer goes; one of the client's registered addresses."
_CHALLENGE: Final = "SHA-256 of the client's verifier, as base64url (RFC 7636)."
_STATE: Final = "Comes back to the client as it is."
_SCOPE: Final = "What the client asks for, as words with spaces between; all that it may if empty."
_AUDIENCE: Final = "Address of the FHIR server with which the client will use its token (SMART App Launch)."
_LAUNCH: Final = "Secret of a launch that began here (SMART App Launch)."
_NONCE: Final = "Comes back in the identity token (OpenID Connect)."
#: Patients among whom a person chooses at most.
_MOST_CHOICES: Final = 500

routes = APIRouter(tags=["identity"])


class TokenBody(BaseModel):
    """Tokens (RFC 6749, section 5.1)."""

    access_token: str = Field(description="Say who you are with it: `Authorization: Bearer …`.")
    token_type: Literal["Bearer"] = Field(default="Bearer", description="How it is sent.")
    expires_in: int = Field(description="How long it lives, in seconds.")
    refresh_token: str | None = Field(
        default=None, description="Gets the next tokens, once; null for machines, and for apps that did not ask."
    )
    scope: str = Field(description="What it may, as words with spaces between.")
    patient: UUID | None = Field(default=None, description="Patient of the launch (SMART App Launch); null without.")
    id_token: str | None = Field(default=None, description="Who logged in (OpenID Connect), where that was asked for.")


class OAuthProblem(BaseModel):
    """An error of the token endpoint (RFC 6749, section 5.2)."""

    error: str = Field(description="Kind of error, as the RFC names it.")
    error_description: str = Field(description="What is wrong, and what to do.")


@with_config(ConfigDict(extra="allow"))  # RFC 7517 lets a key have further members; a private one is refused, not cut
class JsonWebKey(TypedDict):
    """A public key (RFC 7517); a key that signs for a machine is RSA of 2048 bits or more, or P-384."""

    kty: Annotated[str, Field(description="Kind of key.", examples=["EC"])]
    kid: Annotated[str, Field(description="Identifier within the set.")]
    alg: NotRequired[Annotated[str, Field(description="Algorithm it is for.", examples=["ES384"])]]
    use: NotRequired[Annotated[str, Field(description="What it is for.", examples=["sig"])]]
    crv: NotRequired[Annotated[str, Field(description="Curve, where the kind has one.", examples=["P-384"])]]
    x: NotRequired[Annotated[str, Field(description="First coordinate of the point, as base64url.")]]
    y: NotRequired[Annotated[str, Field(description="Second coordinate of the point, as base64url.")]]
    n: NotRequired[Annotated[str, Field(description="Modulus of an RSA key, as base64url.")]]
    e: NotRequired[Annotated[str, Field(description="Exponent of an RSA key, as base64url.")]]


@with_config(ConfigDict(extra="ignore"))
class JsonWebKeySet(TypedDict):
    """Public keys (RFC 7517)."""

    keys: Annotated[list[JsonWebKey], Field(description="Each with an identifier of its own.")]


class SmartConfiguration(TypedDict):
    """Where everything is and what is supported (RFC 8414, SMART App Launch)."""

    issuer: Annotated[str, Field(description="Address of this server.")]
    jwks_uri: Annotated[str, Field(description="Where the keys are that sign tokens.")]
    authorization_endpoint: Annotated[str, Field(description="Where people log in.")]
    token_endpoint: Annotated[str, Field(description="Where tokens are got.")]
    introspection_endpoint: Annotated[str, Field(description="Where a token says what it is (RFC 7662).")]
    revocation_endpoint: Annotated[str, Field(description="Where a token ends (RFC 7009).")]
    grant_types_supported: Annotated[list[str], Field(description="For what tokens are given.")]
    response_types_supported: Annotated[list[str], Field(description="What a login gives.")]
    code_challenge_methods_supported: Annotated[list[str], Field(description="How a code is bound (RFC 7636).")]
    token_endpoint_auth_methods_supported: Annotated[list[str], Field(description="How clients prove themselves.")]
    token_endpoint_auth_signing_alg_values_supported: Annotated[
        list[str], Field(description="Algorithms with which machines may sign.")
    ]
    scopes_supported: Annotated[list[str], Field(description="What can be asked for.")]
    capabilities: Annotated[list[str], Field(description="Of SMART App Launch.")]


_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {status: {"model": OAuthProblem} for status in (400, 401)}


@routes.get("/oauth/authorize", response_class=HTMLResponse, operation_id="loginPage")
async def login_page(
    request: Request,
    container: ContainerDep,
    client_id: Annotated[UUID, Query(description=_CLIENT)],
    redirect_uri: Annotated[str, Query(max_length=_LONGEST, description=_REDIRECT)],
    code_challenge: Annotated[str, Query(max_length=_LONGEST, description=_CHALLENGE)],
    response_type: Annotated[Literal["code"], Query(description="What the login gives.")] = "code",
    code_challenge_method: Annotated[Literal["S256"], Query(description="How the challenge was made.")] = "S256",
    state: Annotated[str, Query(max_length=_LONGEST, description=_STATE)] = "",
    scope: Annotated[str, Query(max_length=_LONGEST, description=_SCOPE)] = "",
    aud: Annotated[str, Query(max_length=_LONGEST, description=_AUDIENCE)] = "",
    launch: Annotated[str, Query(max_length=_LONGEST, description=_LAUNCH)] = "",
    nonce: Annotated[str, Query(max_length=200, description=_NONCE)] = "",
) -> Response:
    """The page on which people log in; a client sends them here (RFC 6749 4.1.1 with RFC 7636)."""
    del response_type, code_challenge_method
    asked = AuthorizationRequest(client_id, redirect_uri, code_challenge, _scopes(scope), launch, nonce)
    try:
        _check_audience(container, asked, aud)
        await container.identity.sessions.check_request(asked)
    except GrantError as error:
        return _refused(error)
    return _page(request, container, asked, state)


@routes.post("/oauth/authorize", response_class=RedirectResponse, status_code=303, operation_id="logIn")
async def log_in(
    request: Request,
    container: ContainerDep,
    client_id: Annotated[UUID, Form(description=_CLIENT)],
    redirect_uri: Annotated[str, Form(max_length=_LONGEST, description=_REDIRECT)],
    code_challenge: Annotated[str, Form(max_length=_LONGEST, description=_CHALLENGE)],
    username: Annotated[str, Form(max_length=_LONGEST, description="Name of the account.")],
    password: Annotated[str, Form(max_length=_LONGEST, description="Password of the account.")],
    one_time_code: Annotated[str, Form(max_length=_LONGEST, description="Code of an authenticator app.")] = "",
    passkey: Annotated[
        str, Form(max_length=LONGEST_SIGNED, description="What a passkey says, as JSON of WebAuthn.")
    ] = "",
    state: Annotated[str, Form(max_length=_LONGEST, description=_STATE)] = "",
    scope: Annotated[str, Form(max_length=_LONGEST, description=_SCOPE)] = "",
    launch: Annotated[str, Form(max_length=_LONGEST, description=_LAUNCH)] = "",
    nonce: Annotated[str, Form(max_length=200, description=_NONCE)] = "",
) -> Response:
    """Log in: name, password and second factor at once; the answer leads back to the client with a code.

    The second factor is a one-time code, or what a passkey says (``AuthenticationResponseJSON`` of WebAuthn).
    """
    asked = AuthorizationRequest(client_id, redirect_uri, code_challenge, _scopes(scope), launch, nonce)
    address = request.client.host if request.client else "unknown"
    try:
        code = await container.identity.sessions.log_in(
            asked, Credentials(username, password, one_time_code.strip(), address, passkey)
        )
    except GrantError as error:
        return _refused(error)
    except AuthenticationError as error:
        return _page(request, container, asked, state, str(error), 401)
    except TooManyAttemptsError as error:
        return _page(request, container, asked, state, str(error), 429, {"Retry-After": str(error.seconds)})
    if asked.scopes is not None and (chooser := await container.identity.launches.chooser(code)) is not None:
        return await choice_page(request, container, chooser, redirect_uri, code, state)
    return led_back(container, redirect_uri, code, state)


def led_back(container: Container, redirect_uri: str, code: str, state: str) -> RedirectResponse:
    """Return the way back to the client, with a code."""
    answer = {"code": code, "iss": container.settings.public_url} | ({"state": state} if state else {})
    return RedirectResponse(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(answer)}", 303)


async def choice_page(
    request: Request, container: Container, chooser: Principal, redirect_uri: str, code: str, state: str
) -> Response:
    """Return the page on which a person chooses the patient with whom an app opens."""
    patients = await container.clinic.patients(chooser, None, _MOST_CHOICES)
    context = {"patients": patients, "code": code, "state": state}
    return page(request, "choose_patient.html", context, 200, _form_may_lead_to(redirect_uri))


@routes.post(TOKEN_ENDPOINT, responses=_REFUSALS, operation_id="getTokens")
async def get_tokens(
    request: Request,
    container: ContainerDep,
    grant_type: Annotated[
        Literal["authorization_code", "refresh_token", "client_credentials"],
        Form(description="For what tokens are asked."),
    ],
    client_id: Annotated[UUID | None, Form(description=_CLIENT)] = None,
    client_secret: Annotated[str, Form(max_length=_LONGEST, description="A machine's proof.")] = "",
    client_assertion_type: Annotated[
        Literal["", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
        Form(description="Kind of the token that a machine signed."),
    ] = "",
    client_assertion: Annotated[
        str, Form(max_length=LONGEST_SIGNED, description="The token that a machine signed, instead of a secret.")
    ] = "",
    code: Annotated[str, Form(max_length=_LONGEST, description="What a login gave.")] = "",
    code_verifier: Annotated[str, Form(max_length=_LONGEST, description="What the challenge was made of.")] = "",
    redirect_uri: Annotated[str, Form(max_length=_LONGEST, description="The same as at the login.")] = "",
    refresh_token: Annotated[str, Form(max_length=_LONGEST, description="From the tokens before.")] = "",
    scope: Annotated[str, Form(max_length=_LONGEST, description="What a machine wants; all it may if empty.")] = "",
) -> TokenBody:
    """Get tokens: for a code with its verifier, for a refresh token (each works once), or for a machine's proof.

    A machine proves itself by its secret, or by a token that it signed (``private_key_jwt`` of SMART App Launch).
    """
    sessions = container.identity.sessions
    address = request.client.host if request.client else "unknown"
    try:
        if grant_type == "client_credentials":
            proof = ClientProof(client_id, client_secret, client_assertion if client_assertion_type else "", address)
            tokens = await sessions.client_credentials(proof, _scopes(scope))
        elif client_id is None:
            raise GrantError("invalid_request", "client_id is missing")
        elif grant_type == "authorization_code":
            tokens = await sessions.exchange_code(client_id, code, code_verifier, redirect_uri)
        else:
            tokens = await sessions.refresh(client_id, refresh_token)
    except GrantError as error:
        return _refused(error)  # type: ignore[return-value]
    return _body(tokens)


@routes.post("/oauth/logout", status_code=204, operation_id="logOut")
async def log_out(container: ContainerDep, caller: Caller) -> None:
    """End this session with all its tokens, at once."""
    await container.identity.sessions.end(caller)


@routes.get("/.well-known/jwks.json", operation_id="keySet", response_model=JsonWebKeySet)
async def key_set(container: ContainerDep) -> dict[str, Any]:
    """The public keys that sign access tokens and identity tokens."""
    of_access = container.identity.tokens.public_keys()
    return {"keys": [*of_access["keys"], *await container.identity.identity_tokens.public_keys()]}


@routes.get("/.well-known/smart-configuration", operation_id="configuration")
async def configuration(container: ContainerDep) -> SmartConfiguration:
    """Where everything is and what is supported (RFC 8414, SMART App Launch)."""
    at = container.settings.public_url
    return {
        "issuer": at,
        "jwks_uri": f"{at}/.well-known/jwks.json",
        "authorization_endpoint": f"{at}/oauth/authorize",
        "token_endpoint": at + TOKEN_ENDPOINT,
        "introspection_endpoint": at + INTROSPECTION,
        "revocation_endpoint": at + REVOCATION,
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": [
            *sorted(Permission),
            *(f"{level}/*.{letters}" for level in (MACHINE, *PERSON) for letters in ("rs", "c")),
            *sorted(CONTEXT),
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


def _body(tokens: Tokens) -> TokenBody:
    return TokenBody(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in,
        scope=" ".join(sorted(tokens.scopes)),
        patient=tokens.patient_id,
        id_token=tokens.id_token,
    )


def _scopes(text: str) -> frozenset[str] | None:
    return frozenset(text.split()) or None


def _check_audience(container: Container, asked: AuthorizationRequest, audience: str) -> None:
    """Refuse a client that would use its token elsewhere, or that asks for FHIR data and does not say where."""
    at = container.settings.public_url
    wants_data = asked.scopes is not None and any(is_smart(scope, PERSON) for scope in asked.scopes)
    if audience.rstrip("/") not in {at, f"{at}{FHIR}"} and (audience or wants_data):
        raise GrantError("invalid_request", f"aud must be the address of this FHIR server, {at}{FHIR}")


def _refused(error: GrantError) -> JSONResponse:
    status = 401 if error.code == "invalid_client" else 400
    return JSONResponse({"error": error.code, "error_description": str(error)}, status)


def _page(
    request: Request,
    container: Container,
    asked: AuthorizationRequest,
    state: str,
    refusal: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    passkeys = container.identity.passkeys
    passkey = json.dumps(passkeys.options_to_prove(asked.challenge)) if passkeys.offered else None
    context = {"asked": asked, "state": state, "refusal": refusal, "passkey": passkey}
    return page(request, "login.html", context, status, {**_form_may_lead_to(asked.redirect_uri), **(headers or {})})


def _form_may_lead_to(redirect_uri: str) -> dict[str, str]:
    """Browsers hold ``form-action`` against the redirect after the form too, so it names the client's origin."""
    parts = urlsplit(redirect_uri)
    origin = f"{parts.scheme}://{parts.netloc}"
    allowed = f"form-action 'self' {origin}" if _ORIGIN.fullmatch(origin) else "form-action 'self'"
    return {"Content-Security-Policy": CONTENT_SECURITY_POLICY.replace("form-action 'self'", allowed)}
