"""The parts of identity are made from the settings: each limit where it belongs, each key for one purpose."""

import base64
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from novamind.errors import ValidationError
from novamind.infrastructure.identity.passwords import Passwords
from novamind.infrastructure.identity.secrets import derived_key
from novamind.infrastructure.identity.sessions import Lifetimes, LoginLimits
from novamind.infrastructure.identity.tokens import AccessTokens
from novamind.infrastructure.identity.wiring import open_identity
from novamind.settings import Settings
from tests.infrastructure.clinic import CHEAP, Clinic

OPTIONS: dict[str, Any] = {
    "session_idle_seconds": 11,
    "session_seconds": 12,
    "emergency_seconds": 13,
    "login_attempts": 14,
    "login_failures_per_address": 15,
    "login_window_seconds": 16,
    "access_token_seconds": 17,
    "public_url": "https://clinic.example",
    "require_second_factor": True,
}


def test_each_limit_goes_where_it_belongs(template: Path, tmp_path: Path) -> None:
    with Clinic(template, tmp_path / "clinic", **OPTIONS) as clinic:
        sessions, access = clinic.identity.sessions, clinic.identity.access
        assert sessions._lifetimes == Lifetimes(timedelta(seconds=11), timedelta(seconds=12))
        assert sessions._limits == LoginLimits(14, 15, timedelta(seconds=16))
        assert sessions._session_lookup._idle == timedelta(seconds=11)
        assert access._emergency_lifetime == timedelta(seconds=13)
        assert clinic.identity.tokens.lifetime == 17
        assert clinic.identity.tokens._issuer == "https://clinic.example"
        assert sessions._token_endpoint == "https://clinic.example/oauth/token"  # noqa: S105
        assert sessions._second_factor_needed
        passkeys = clinic.identity.passkeys
        assert (passkeys._origin, passkeys._relying_party) == ("https://clinic.example", "clinic.example")
        index = clinic.foundation.keys.index
        assert passkeys._key == derived_key(index, "passkey challenges")
        sealed = clinic.identity.accounts._seal.seal("x", "c", row := UUID(int=1))
        assert type(access._seal)(derived_key(index, "accounts")).open(sealed, "c", row) == "x"
        assert clinic.identity.hook_clients._issuers == {}
        made = open_identity(clinic.settings, clinic.foundation)
        assert isinstance(made.accounts._passwords, Passwords)
        assert made.accounts._passwords._nobody.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def kids(tokens: AccessTokens) -> list[str]:
    return [key["kid"] for key in tokens.public_keys()["keys"]]


def test_tokens_are_signed_with_the_secret_the_one_before_or_in_development_a_derived_one(
    template: Path, tmp_path: Path
) -> None:
    first, second = os.urandom(32), os.urandom(32)
    stated = {"jwt_secret": base64.b64encode(first).decode()}
    before = {"previous_jwt_secret": base64.b64encode(second).decode()}
    with Clinic(template, tmp_path / "clinic") as clinic:
        derived = derived_key(clinic.foundation.keys.index, "development tokens")
        for options, secrets in (({}, (derived,)), (stated, (first,)), (stated | before, (first, second))):
            settings = Settings(**options)
            made = open_identity(settings, clinic.foundation, CHEAP)
            assert kids(made.tokens) == kids(AccessTokens(secrets, "x", 1))
        production = Settings().model_copy(update={"environment": "production"})
        with pytest.raises(ValidationError, match="NOVAMIND_JWT_SECRET must be set in production"):
            open_identity(production, clinic.foundation, CHEAP)
