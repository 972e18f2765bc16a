"""SMART App Launch on the wire, beside the login: choosing a patient, launches from within, what tokens are, their end.

These routes are described by ``/fhir/.well-known/smart-configuration``.
"""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import JSONResponse

from novamind.errors import AuthenticationError, AuthorizationError
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.identity.identity_tokens import ALGORITHMS
from novamind.infrastructure.identity.smart_scopes import FHIR_USER
from novamind.server import oauth
from novamind.server.container import Container
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.middleware import CHOICE, FHIR, INTROSPECTION, OPENID, REVOCATION

routes = APIRouter(include_in_schema=False)
_LONGEST: Final = 4000
Secret = Annotated[str, Form(max_length=_LONGEST)]
PatientId = Annotated[UUID, Form()]


@routes.get(f"{FHIR}/.well-known/smart-configuration")
async def configuration(container: ContainerDep) -> JSONResponse:
    """Say where everything is, at the address where FHIR clients look for it."""
    return JSONResponse(await oauth.configuration(container))


@routes.get(OPENID)
async def openid_configuration(container: ContainerDep) -> JSONResponse:
    """Say where everything is, and how identity tokens are signed (OpenID Connect Discovery 1.0)."""
    described = dict(await oauth.configuration(container))
    described.pop("capabilities")
    about_tokens = {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "claims_supported": ["iss", "aud", "sub", "iat", "exp", "nonce", FHIR_USER],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
    return JSONResponse(described | about_tokens)


@routes.post(CHOICE)
async def choose_patient(container: ContainerDep, code: Secret, patient_id: PatientId, state: Secret = "") -> Response:
    """Keep the patient whom a person chose for an app, and lead back to it."""
    redirect_uri = await container.identity.launches.choose(code, patient_id)
    return oauth.led_back(container, redirect_uri, code, state)


@routes.post("/oauth/launch", status_code=201)
async def begin_launch(container: ContainerDep, caller: Caller, patient_id: PatientId) -> dict[str, str]:
    """Begin the launch of an app with a patient: its address is opened with ``iss`` and ``launch``."""
    await container.identity.access.permit_patient(caller, Permission.PATIENTS_READ, patient_id)
    if caller.role not in (Role.CLINICIAN, Role.PATIENT):
        raise AuthorizationError("launches are for people; a machine asks with its own scopes")
    launch = await container.identity.launches.begin(caller, patient_id)
    return {"iss": container.settings.public_url + FHIR, "launch": launch}


@routes.post(INTROSPECTION)
async def introspect(container: ContainerDep, caller: Caller, token: Secret) -> JSONResponse:
    """Say what a token is (RFC 7662): one's own, or to a machine those of its organisation."""
    try:
        owner = await _owner(container, token)
    except AuthenticationError:
        return JSONResponse({"active": False})
    is_own = owner.session_id == caller.session_id
    is_of_organisation = caller.role is Role.SERVICE and owner.organisation_id == caller.organisation_id
    session = await container.identity.launches.session_of(owner)
    if session is None or not (is_own or is_of_organisation):
        return JSONResponse({"active": False})
    claims: dict[str, Any] = {
        "active": True,
        "scope": " ".join(sorted(session.scopes)),
        "client_id": str(session.client_id),
        "sub": str(owner.subject),
        "iss": container.settings.public_url,
        "token_type": "Bearer",
        "exp": _expiry(container, token, int(session.expires_at.timestamp())),
    }
    if session.launch_patient_id is not None:
        claims["patient"] = str(session.launch_patient_id)
    return JSONResponse(claims)


@routes.post(REVOCATION)
async def revoke(container: ContainerDep, token: Secret) -> Response:
    """End a token with its session (RFC 7009); who holds the token may, and an unknown token is over already."""
    try:
        await container.identity.sessions.end(await _owner(container, token))
    except AuthenticationError:
        return Response(status_code=200)
    return Response(status_code=200)


async def _owner(container: Container, token: str) -> Principal:
    """Return whose an access or refresh token is."""
    session_id = await container.identity.launches.session_to_refresh(token)
    if session_id is not None:
        return await container.identity.sessions.authenticate_session(session_id)
    return await container.identity.sessions.authenticate(token)


def _expiry(container: Container, token: str, of_session: int) -> int:
    """Return when a token expires: an access token says it, a refresh token ends with its session."""
    try:
        return container.identity.tokens.read(token).expires
    except AuthenticationError:
        return of_session
