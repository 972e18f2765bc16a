"""JSON of WebAuthn (level 3) between a server and a browser; :mod:`webauthn` writes and checks it."""

from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

_AS_BROWSERS_DO: Final = ConfigDict(extra="ignore")  # who sends more is no stranger


class RelyingParty(TypedDict):
    """The server that a passkey is for."""

    id: Annotated[str, Field(description="Host name.")]
    name: Annotated[str, Field(description="Name to show.")]


class PasskeyOwner(TypedDict):
    """The account that a passkey is for."""

    id: Annotated[str, Field(description="Identifier of the account, as base64url.")]
    name: Annotated[str, Field(description="Name of the account.")]
    displayName: Annotated[str, Field(description="Name to show.")]


class KeyKind(TypedDict):
    """A kind of key that is accepted."""

    type: Annotated[Literal["public-key"], Field(description="Always the same.")]
    alg: Annotated[int, Field(description="Algorithm, by its number in COSE.")]


class KnownKey(TypedDict):
    """A key that the account has."""

    type: Annotated[Literal["public-key"], Field(description="Always the same.")]
    id: Annotated[str, Field(description="Identifier of the credential, as base64url.")]


class AuthenticatorSelection(TypedDict):
    """Which authenticators are accepted."""

    residentKey: Annotated[Literal["required"], Field(description="It must remember the account.")]
    requireResidentKey: Annotated[bool, Field(description="The same, for older browsers.")]
    userVerification: Annotated[Literal["required"], Field(description="It must check its owner.")]


class CreationOptions(TypedDict):
    """What to ask of a browser (``PublicKeyCredentialCreationOptionsJSON``)."""

    rp: Annotated[RelyingParty, Field(description="Whom the passkey is for.")]
    user: Annotated[PasskeyOwner, Field(description="Whose it will be.")]
    challenge: Annotated[str, Field(description="To be signed, as base64url; good for ten minutes and once.")]
    pubKeyCredParams: Annotated[list[KeyKind], Field(description="Kinds of key, the preferred first.")]
    timeout: Annotated[int, Field(description="How long the browser may wait, in milliseconds.")]
    excludeCredentials: Annotated[list[KnownKey], Field(description="Keys that the account has already.")]
    authenticatorSelection: Annotated[AuthenticatorSelection, Field(description="Which authenticators are accepted.")]
    attestation: Annotated[Literal["none"], Field(description="Nobody asks what made the key.")]


@with_config(_AS_BROWSERS_DO)
class AttestationResponse(TypedDict):
    """What the authenticator made."""

    clientDataJSON: Annotated[str, Field(description="What the browser was asked, as base64url.")]
    attestationObject: Annotated[str, Field(description="The new public key, as base64url.")]
    transports: NotRequired[Annotated[list[str], Field(description="How the authenticator is reached.")]]
    authenticatorData: NotRequired[Annotated[str, Field(description="A part of the attestation, as base64url.")]]
    publicKey: NotRequired[Annotated[str | None, Field(description="The public key alone, as base64url.")]]
    publicKeyAlgorithm: NotRequired[Annotated[int, Field(description="Its algorithm, by its number in COSE.")]]


@with_config(_AS_BROWSERS_DO)
class RegistrationResponse(TypedDict):
    """What a browser made (``RegistrationResponseJSON``)."""

    id: Annotated[str, Field(description="Identifier of the credential, as base64url.")]
    rawId: Annotated[str, Field(description="The same.")]
    type: Annotated[Literal["public-key"], Field(description="Always the same.")]
    response: Annotated[AttestationResponse, Field(description="What the authenticator made.")]
    authenticatorAttachment: NotRequired[Annotated[str | None, Field(description="Part of the device, or beside it.")]]
    clientExtensionResults: NotRequired[
        Annotated[dict[str, Any], Field(description="What extensions of WebAuthn say; not used.")]
    ]
