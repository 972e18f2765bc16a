"""REST of administrators: accounts, clients, keys, who treats whom; and of everybody: oneself."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, SkipValidation

from novamind.errors import NotFoundError, ValidationError
from novamind.infrastructure.audit import Access
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.identity.sessions import access_of
from novamind.infrastructure.identity.smart_scopes import CONTEXT
from novamind.infrastructure.identity.smart_scopes import FORM as SMART_SCOPE
from novamind.server.container import Container
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.oauth import JsonWebKeySet
from novamind.server.passkey_forms import CreationOptions, RegistrationResponse
from novamind.server.patients import After, Limit, PatientId

routes = APIRouter(prefix="/api/v1", tags=["administration"])

Secret = Annotated[SecretStr, Field(min_length=1, max_length=256, description="Password.")]
UserId = Annotated[UUID, Path(description="Identifier of the account.")]
ClientId = Annotated[UUID, Path(description="Identifier of the client.")]
KeyId = Annotated[UUID, Path(description="Identifier of the API key.")]
PasskeyId = Annotated[UUID, Path(description="Identifier of the passkey.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewUser(_Body):
    """An account to make."""

    name: Annotated[str, Field(min_length=1, max_length=200, examples=["dr.simulated"], description="To log in with.")]
    password: Secret
    role: Literal["clinician", "patient", "researcher", "analyst", "admin", "auditor"] = Field(
        description="What the person is here."
    )
    organisation_id: UUID | None = Field(default=None, description="Clinic; your own if it is missing.")
    patient_id: UUID | None = Field(default=None, description="The patient who will use the account.")


class NewRole(_Body):
    """Another role."""

    role: Literal["clinician", "researcher", "analyst", "admin", "auditor"] = Field(
        description="What the person is here from now on."
    )


class AccountBody(BaseModel):
    """An account."""

    user_id: UUID = Field(description="Identifier of the account.")
    name: str = Field(description="To log in with.")
    role: Role = Field(description="What the person is here.")
    organisation_id: UUID | None = Field(description="Clinic; null for none.")
    patient_id: UUID | None = Field(description="The patient who uses the account; null for others.")
    second_factor: bool = Field(description="Whether there is a second factor.")
    disabled: bool = Field(description="Whether the account is shut.")


class AccountPage(BaseModel):
    """A page of accounts."""

    items: list[AccountBody] = Field(description="Accounts, in the order of their identifiers.")
    next: UUID | None = Field(description="Give it as `after` for the next page; null on the last.")


class Made(BaseModel):
    """The id of what was made."""

    id: UUID = Field(description="Identifier.")


class NewClientBody(_Body):
    """A client of a machine, or with redirect addresses of people."""

    name: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,79}$", examples=["ward-gateway"], description="Name.")
    ]
    role: Literal["service", "analyst"] | None = Field(
        default=None, description="What a machine is here; null for a client of people."
    )
    scopes: Annotated[
        list[Permission | Annotated[str, Field(pattern=rf"^(?:{SMART_SCOPE}|{'|'.join(sorted(CONTEXT))})$")]] | None,
        Field(max_length=50, description="What it may ask for; all that its role may if it is missing."),
    ] = None
    redirect_uris: Annotated[
        list[Annotated[str, Field(pattern=r"^https?://[^\s#]{1,480}$")]],
        Field(max_length=10, description="Where a login of people may lead."),
    ] = []
    jwks: JsonWebKeySet | None = Field(
        default=None, description="Public keys of a machine that signs for itself (private_key_jwt)."
    )
    id_token_signed_response_alg: Literal["RS256", "ES256"] | None = Field(
        default=None, description="How identity tokens of people's clients are signed; RS256 if it is missing."
    )


class ClientMade(Made):
    """A client; the secret is shown this once, and there is none where it signs."""

    secret: str | None = Field(description="Secret of the client; null where it has none.")


class NewKey(_Body):
    """How long an API key lives."""

    days: Annotated[int, Field(ge=1, le=365, description="How long it lives, in days.")] = 90


class KeyMade(Made):
    """An API key; it is shown this once."""

    key: str = Field(description="API key.")


class NewPassword(_Body):
    """The password now, and the new one."""

    password: Secret


class SecondFactor(BaseModel):
    """The secret for an authenticator app (TOTP, RFC 6238)."""

    secret: str = Field(description="Secret, as base32.")
    uri: str = Field(description="The same as an address that apps read.")


class Code(_Body):
    """A one-time code."""

    code: Annotated[str, Field(pattern=r"^\d{6}$", examples=["123456"], description="Of an authenticator app.")]


class PasskeyBody(BaseModel):
    """A passkey of one's own."""

    passkey_id: UUID = Field(description="Identifier of the passkey.")
    created_at: datetime = Field(description="When it was added.")
    used_at: datetime | None = Field(description="When somebody last logged in with it; null if never.")


class NewPasskey(_Body):
    """A passkey to add."""

    credential: Annotated[RegistrationResponse, SkipValidation, Field(description="What the browser made.")]


class Me(BaseModel):
    """Who one is here."""

    subject: UUID = Field(description="Identifier of the account or client.")
    role: Role = Field(description="What you are here.")
    organisation_id: UUID | None = Field(description="Your clinic; null for none.")
    patient_id: UUID | None = Field(description="The patient you are; null for others.")
    second_factor: bool = Field(description="Whether this session has shown a second factor.")
    permissions: list[Permission] = Field(description="What you may do.")


async def _manage(container: Container, caller: Principal) -> Access:
    return await container.identity.access.permit(caller, Permission.USERS_MANAGE)


@routes.get("/users", operation_id="listUsers")
async def list_users(container: ContainerDep, caller: Caller, after: After = None, limit: Limit = 50) -> AccountPage:
    """List the accounts of your organisation; of all, if you belong to none."""
    access = await _manage(container, caller)
    accounts = await container.identity.accounts.users(caller.organisation_id, after, limit, access)
    items = [AccountBody.model_validate(account, from_attributes=True) for account in accounts]
    return AccountPage(items=items, next=accounts[-1].user_id if len(accounts) == limit else None)


@routes.post("/users", status_code=201, operation_id="addUser")
async def add_user(container: ContainerDep, caller: Caller, new: NewUser) -> Made:
    """Make an account."""
    access = await _manage(container, caller)
    if caller.organisation_id is not None and new.organisation_id not in (None, caller.organisation_id):
        raise NotFoundError("there is no such organisation")
    if new.patient_id is not None:
        await container.identity.access.patient_within(caller, new.patient_id)
    user_id = await container.identity.accounts.add_user(
        new.name,
        new.password.get_secret_value(),
        Role(new.role),
        access,
        organisation_id=new.organisation_id or caller.organisation_id,
        patient_id=new.patient_id,
    )
    return Made(id=user_id)


@routes.put("/users/{user_id}/role", status_code=204, operation_id="changeRole")
async def change_role(container: ContainerDep, caller: Caller, user_id: UserId, new: NewRole) -> None:
    """Give an account another role; its sessions end."""
    access = await _manage(container, caller)
    await container.identity.accounts.change_role(user_id, Role(new.role), access, caller.organisation_id)


@routes.delete("/users/{user_id}", status_code=204, operation_id="disableUser")
async def disable_user(container: ContainerDep, caller: Caller, user_id: UserId) -> None:
    """Shut an account at once."""
    access = await _manage(container, caller)
    await container.identity.accounts.disable(user_id, access, caller.organisation_id)


@routes.delete("/users/{user_id}/second-factor", status_code=204, operation_id="removeSecondFactor")
async def remove_second_factor(container: ContainerDep, caller: Caller, user_id: UserId) -> None:
    """Take a second factor away, so that its owner can set up another."""
    access = await _manage(container, caller)
    await container.identity.accounts.remove_second_factor(user_id, access, caller.organisation_id)


@routes.put("/users/{user_id}/patients/{patient_id}", status_code=204, operation_id="beginTreatment")
async def begin_treatment(container: ContainerDep, caller: Caller, user_id: UserId, patient_id: PatientId) -> None:
    """Let a clinician treat a patient."""
    access = await _manage(container, caller)
    await container.identity.access.patient_within(caller, patient_id)
    await container.identity.accounts.require_clinician(user_id, caller.organisation_id)
    await container.foundation.store.relate(user_id, patient_id, access)


@routes.delete("/users/{user_id}/patients/{patient_id}", status_code=204, operation_id="endTreatment")
async def end_treatment(container: ContainerDep, caller: Caller, user_id: UserId, patient_id: PatientId) -> None:
    """End a clinician's treatment of a patient; it counts from the next request on."""
    access = await _manage(container, caller)
    await container.identity.access.patient_within(caller, patient_id)
    await container.foundation.store.unrelate(user_id, patient_id, access)


@routes.post("/clients", status_code=201, operation_id="addClient")
async def add_client(container: ContainerDep, caller: Caller, new: NewClientBody) -> ClientMade:
    """Make an OAuth client."""
    access = await _manage(container, caller)
    made = await container.identity.accounts.add_client(
        new.name,
        access,
        role=None if new.role is None else Role(new.role),
        organisation_id=caller.organisation_id,
        scopes=new.scopes,
        redirect_uris=new.redirect_uris,
        key_set=new.jwks,
        id_token_algorithm=new.id_token_signed_response_alg,
    )
    return ClientMade(id=made.client_id, secret=made.secret)


@routes.post("/clients/{client_id}/keys", status_code=201, operation_id="addKey")
async def add_key(container: ContainerDep, caller: Caller, client_id: ClientId, new: NewKey) -> KeyMade:
    """Make an API key of a machine's client."""
    access = await _manage(container, caller)
    key_id, key = await container.identity.accounts.add_api_key(
        client_id, timedelta(days=new.days), access, caller.organisation_id
    )
    return KeyMade(id=key_id, key=key)


@routes.delete("/keys/{key_id}", status_code=204, operation_id="revokeKey")
async def revoke_key(container: ContainerDep, caller: Caller, key_id: KeyId) -> None:
    """End an API key at once."""
    access = await _manage(container, caller)
    await container.identity.accounts.revoke_api_key(key_id, access, caller.organisation_id)


@routes.get("/me", operation_id="whoAmI")
async def who_am_i(caller: Caller) -> Me:
    """Say who you are here and what you may do."""
    return Me(
        subject=caller.subject,
        role=caller.role,
        organisation_id=caller.organisation_id,
        patient_id=caller.patient_id,
        second_factor=caller.second_factor,
        permissions=sorted(permission for permission in Permission if caller.may(permission)),
    )


@routes.put("/me/password", status_code=204, operation_id="changePassword")
async def change_password(container: ContainerDep, caller: Caller, new: NewPassword) -> None:
    """Set another password; every session ends."""
    _person(caller)
    await container.identity.accounts.change_password(
        caller.subject, new.password.get_secret_value(), access_of(caller, "identity")
    )


@routes.post("/me/second-factor", status_code=201, operation_id="beginSecondFactor")
async def begin_second_factor(container: ContainerDep, caller: Caller) -> SecondFactor:
    """Draw the secret of a second factor; it counts once a code of it was confirmed."""
    _person(caller)
    secret = await container.identity.accounts.begin_second_factor(caller.subject, access_of(caller, "identity"))
    return SecondFactor(secret=secret, uri=f"otpauth://totp/Novamind?secret={secret}&issuer=Novamind")


@routes.post("/me/second-factor/confirm", status_code=204, operation_id="confirmSecondFactor")
async def confirm_second_factor(container: ContainerDep, caller: Caller, code: Code) -> None:
    """Begin to use the second factor."""
    _person(caller)
    await container.identity.attempts.take("second-factor", str(caller.subject), 10, timedelta(minutes=15))
    await container.identity.accounts.confirm_second_factor(caller, code.code, access_of(caller, "identity"))


@routes.get("/me/passkeys", operation_id="listPasskeys")
async def list_passkeys(container: ContainerDep, caller: Caller) -> list[PasskeyBody]:
    """List your passkeys."""
    _person(caller)
    passkeys = await container.identity.passkeys.list(caller.subject)
    return [PasskeyBody.model_validate(passkey, from_attributes=True) for passkey in passkeys]


@routes.get("/me/passkeys/options", operation_id="passkeyOptions", response_model=CreationOptions)
async def passkey_options(container: ContainerDep, caller: Caller) -> dict[str, Any]:
    """Say what to ask a browser for (``PublicKeyCredentialCreationOptionsJSON`` of WebAuthn); good for ten minutes."""
    _person(caller)
    return await container.identity.passkeys.options_to_add(caller)


@routes.post("/me/passkeys", status_code=201, operation_id="addPasskey")
async def add_passkey(container: ContainerDep, caller: Caller, new: NewPasskey) -> Made:
    """Add a passkey or security key as a second factor."""
    _person(caller)
    await container.identity.attempts.take("second-factor", str(caller.subject), 10, timedelta(minutes=15))
    return Made(
        id=await container.identity.passkeys.add(
            caller, cast("dict[str, Any]", new.credential), access_of(caller, "identity")
        )
    )


@routes.delete("/me/passkeys/{passkey_id}", status_code=204, operation_id="removePasskey")
async def remove_passkey(container: ContainerDep, caller: Caller, passkey_id: PasskeyId) -> None:
    """Remove a passkey; the last second factor only an administrator takes away."""
    _person(caller)
    await container.identity.passkeys.remove(caller, passkey_id, access_of(caller, "identity"))


def _person(caller: Principal) -> None:
    if caller.role is Role.SERVICE:
        raise ValidationError("a machine has neither password nor second factor")
