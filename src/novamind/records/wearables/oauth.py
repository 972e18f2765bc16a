"""How a person lets Novamind read from a maker's service: OAuth 2.0, authorization code with PKCE.

The person's browser is sent to :attr:`Authorization.url`, agrees there, and comes back to the application's address
with a code; the code and the verifier that never left here are exchanged for tokens (RFC 6749, section 4.1; RFC 7636
with ``S256``). Access tokens end after hours and are renewed. Each renewal replaces the renewal token as well, so
``on_renewed`` must store the new tokens before it returns.

Tokens and secrets are in no ``repr`` and in no error.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from novamind.errors import AuthenticationError, DataProcessingError, ServiceUnavailableError

#: Tokens are renewed so long before they end.
_MARGIN = timedelta(minutes=2)
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Service:
    """Where a maker's service lets people agree, and what is asked for.

    Attributes
    ----------
    secret_in_header
        The application's secret goes into the ``Authorization`` header (HTTP Basic) instead of the form.
    form
        Further fields of every request for tokens.
    enveloped
        The answer is the ``body`` of another object, which has a ``status`` of its own.
    """

    name: str
    authorize_url: str
    token_url: str
    scopes: tuple[str, ...]
    scope_separator: str = " "
    secret_in_header: bool = False
    form: Mapping[str, str] = field(default_factory=dict)
    enveloped: bool = False


OURA = Service(
    "Oura",
    "https://cloud.ouraring.com/oauth/authorize",
    "https://api.ouraring.com/oauth/token",
    ("daily", "heartrate", "spo2", "workout", "session"),
)
FITBIT = Service(
    "Fitbit",
    "https://www.fitbit.com/oauth2/authorize",
    "https://api.fitbit.com/oauth2/token",
    ("activity", "heartrate", "oxygen_saturation", "respiratory_rate", "sleep", "temperature", "weight"),
    secret_in_header=True,
)
WITHINGS = Service(
    "Withings",
    "https://account.withings.com/oauth2_user/authorize2",
    "https://wbsapi.withings.net/v2/oauth2",
    ("user.metrics", "user.activity"),
    scope_separator=",",
    form={"action": "requesttoken"},
    enveloped=True,
)


@dataclass(frozen=True, slots=True)
class Application:
    """Novamind as the service knows it; who registers it there gets these values."""

    client_id: str
    redirect_uri: str
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """A person's agreement that is under way: keep it until the browser comes back."""

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What lets Novamind read, until it ends. It belongs sealed at rest."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


class OAuthClient:
    """Gets and renews tokens of one service."""

    def __init__(
        self, service: Service, application: Application, *, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        self._service, self._application = service, application
        self._client = httpx.Client(timeout=timeout_seconds, follow_redirects=False)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def begin(self) -> Authorization:
        """Return where to send the person's browser, and what to keep until it comes back."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._application.client_id,
                "redirect_uri": self._application.redirect_uri,
                "scope": self._service.scope_separator.join(self._service.scopes),
                "state": state,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        return Authorization(f"{self._service.authorize_url}?{query}", state, verifier)

    def finish(self, authorization: Authorization, callback_url: str) -> Tokens:
        """Return the tokens for the address with which the browser came back.

        Raises
        ------
        AuthenticationError
            The person did not agree, the address belongs to another request, or the service refuses the code.
        ServiceUnavailableError, DataProcessingError
            The service cannot be reached, or answers in another form than OAuth's.
        """
        query = {name: values[0] for name, values in parse_qs(urlsplit(callback_url).query).items()}
        if not secrets.compare_digest(query.get("state", "").encode(), authorization.state.encode()):
            raise AuthenticationError(f"the answer of {self._service.name} belongs to another request: begin again")
        if "code" not in query:
            raise AuthenticationError(f"{self._service.name} was not allowed to share data: begin again")
        return self._request(
            {
                "grant_type": "authorization_code",
                "code": query["code"],
                "redirect_uri": self._application.redirect_uri,
                "code_verifier": authorization.verifier,
            }
        )

    def renewed(self, tokens: Tokens) -> Tokens:
        """Return new tokens for those that end; errors as :meth:`finish`."""
        if tokens.refresh_token is None:
            raise AuthenticationError(f"the tokens of {self._service.name} cannot be renewed: begin again")
        fresh = self._request({"grant_type": "refresh_token", "refresh_token": tokens.refresh_token})
        return fresh if fresh.refresh_token else Tokens(fresh.access_token, tokens.refresh_token, fresh.expires_at)

    def _request(self, form: Mapping[str, str]) -> Tokens:
        name, client_id, secret = self._service.name, self._application.client_id, self._application.client_secret
        data, auth = {**self._service.form, "client_id": client_id, **form}, httpx.Auth()
        if secret is not None and self._service.secret_in_header:
            auth = httpx.BasicAuth(client_id, secret)
        elif secret is not None:
            data["client_secret"] = secret
        try:
            response = self._client.post(self._service.token_url, data=data, auth=auth)
            answer = response.json()
        except httpx.TransportError as error:
            raise ServiceUnavailableError(f"{name} cannot be reached: try again later") from error
        except ValueError as error:
            raise DataProcessingError(f"{name} answers in another form than OAuth's") from error
        if response.is_server_error:
            raise ServiceUnavailableError(f"{name} answers {response.status_code}: try again later")
        if self._service.enveloped and isinstance(answer, dict):
            refused = answer.get("status") != 0
            answer = answer.get("body")
        else:
            refused = response.is_error
        if refused:
            raise AuthenticationError(f"{name} refuses the code or the tokens: begin again")
        return _tokens(answer, name)


def _tokens(answer: Any, name: str) -> Tokens:
    access, refresh = (
        answer.get(key) if isinstance(answer, dict) else None for key in ("access_token", "refresh_token")
    )
    if not isinstance(access, str) or not access:
        raise DataProcessingError(f"{name} answers in another form than OAuth's")
    seconds = answer.get("expires_in")
    ends = datetime.now(UTC) + timedelta(seconds=seconds) if isinstance(seconds, int | float) else None
    return Tokens(access, refresh if isinstance(refresh, str) else None, ends)


class RenewingTokens:
    """Tokens that are renewed shortly before they end, and when the service refuses them.

    Parameters
    ----------
    on_renewed
        Stores new tokens; it is called before they are used.
    """

    def __init__(self, client: OAuthClient, tokens: Tokens, on_renewed: Callable[[Tokens], None]) -> None:
        self._client, self._tokens, self._on_renewed = client, tokens, on_renewed

    def access_token(self) -> str:
        """Return a token that has not ended."""
        ends = self._tokens.expires_at
        if ends is not None and ends - _MARGIN <= datetime.now(UTC):
            self.renew()
        return self._tokens.access_token

    def renew(self) -> bool:
        """Replace the tokens; return whether that was possible."""
        if self._tokens.refresh_token is None:
            return False
        fresh = self._client.renewed(self._tokens)
        self._on_renewed(fresh)
        self._tokens = fresh
        return True
