"""Requests to a maker's API, tried again where a fault may pass.

Passing faults are tried again: answers 429 and 5xx, time-outs, broken connections, and answers that are cut off.
Between tries the wait doubles, with random jitter (stamina). If the server says how long to wait (``Retry-After``, in
seconds or as a date), that counts, up to ``longest_wait_seconds``. Lasting faults raise at once: a refused token, a
missing permission, a request the server does not understand. A token that can be renewed is renewed once.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol

import httpx
import stamina

from novamind.errors import (
    AuthenticationError,
    AuthorizationError,
    DataProcessingError,
    ServiceUnavailableError,
    ValidationError,
)

_LARGEST_ANSWER = 64 * 1024 * 1024


class TokenSource(Protocol):
    """Interface of what knows a person's access token."""

    def access_token(self) -> str:
        """Return a token that has not ended."""
        ...

    def renew(self) -> bool:
        """Replace a token that the service refuses; return whether that was possible."""
        ...


class FixedToken:
    """An access token that its caller renews."""

    def __init__(self, access_token: str) -> None:
        if not access_token or not access_token.isascii() or not access_token.isprintable():
            raise ValidationError("the access token is empty or holds characters that no token has")
        self._access_token = access_token

    def access_token(self) -> str:
        """Return the token."""
        return self._access_token

    def renew(self) -> bool:
        """Return ``False``: there is nothing to renew it with."""
        return False


class TryAgainError(Exception):
    """An answer that may be better next time."""

    def __init__(self, reason: str, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class ServiceClient:
    """Requests to one service in one person's name.

    Parameters
    ----------
    tokens
        The person's OAuth 2.0 access token, or what renews it; nothing of it is kept or shown.
    base_url
        Where the API is.
    attempts
        How often one request is tried.
    timeout_seconds
        How long one try may take to connect, and to send each next piece of its answer.
    first_wait_seconds, longest_wait_seconds
        The first pause between tries, and the longest. A server that asks for a longer one is not waited for.
    """

    def __init__(
        self,
        tokens: str | TokenSource,
        base_url: str,
        *,
        attempts: int = 6,
        timeout_seconds: float = 30.0,
        first_wait_seconds: float = 0.5,
        longest_wait_seconds: float = 120.0,
    ) -> None:
        if attempts < 1:
            raise ValidationError("attempts must be at least 1")
        self._tokens = FixedToken(tokens) if isinstance(tokens, str) else tokens
        # A redirect could carry the token elsewhere.
        self._client = httpx.Client(base_url=base_url, timeout=timeout_seconds, follow_redirects=False)
        self._attempts = attempts
        self._first_wait, self._longest_wait = first_wait_seconds, longest_wait_seconds

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def get(self, path: str, parameters: Mapping[str, str]) -> Any:
        """Return the JSON that a ``GET`` answers.

        Raises
        ------
        AuthenticationError, AuthorizationError
            The token is refused, or lacks a permission.
        ServiceUnavailableError
            The service did not answer well in any of the tries, or asks for too long a pause.
        DataProcessingError
            The service does not take the request, or its answer is too large.
        """
        return self._answer("GET", path, {"params": dict(parameters)})

    def post(self, path: str, form: Mapping[str, str]) -> Any:
        """Return the JSON that a ``POST`` of a form answers; errors as :meth:`get`."""
        return self._answer("POST", path, {"data": dict(form)})

    def _answer(self, method: str, path: str, content: dict[str, Any]) -> Any:
        try:
            return self._retried(method, path, content)
        except AuthenticationError:
            if not self._tokens.renew():
                raise
            return self._retried(method, path, content)

    def _retried(self, method: str, path: str, content: dict[str, Any]) -> Any:
        def pause(error: Exception) -> bool | float:
            """Return whether to try again, or the seconds to wait where the server says so."""
            if not isinstance(error, TryAgainError):
                return False
            if error.wait_seconds is None:
                return True
            return error.wait_seconds if error.wait_seconds <= self._longest_wait else False

        try:
            for attempt in stamina.retry_context(
                on=pause,
                attempts=self._attempts,
                timeout=None,
                wait_initial=self._first_wait,
                wait_max=self._longest_wait,
                wait_jitter=self._first_wait,
            ):
                with attempt:
                    return self._tried(method, path, content)
        except TryAgainError as error:
            waiting = "" if error.wait_seconds is None else f"; it asks to wait {error.wait_seconds:.0f} s"
            raise ServiceUnavailableError(f"the wearable's service {error}{waiting}: try again later") from error
        raise AssertionError("a retry ends with an answer or an error")

    def _tried(self, method: str, path: str, content: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self._tokens.access_token()}"}
        try:
            with self._client.stream(method, path, headers=headers, **content) as response:
                check_status(response)
                body = b""
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _LARGEST_ANSWER:
                        raise DataProcessingError("the service's answer is larger than any real one")
        except httpx.TimeoutException as error:
            raise TryAgainError("did not answer in time") from error
        except httpx.TransportError as error:
            raise TryAgainError("cannot be reached or broke the connection") from error
        try:
            return json.loads(body)
        except ValueError as error:
            raise TryAgainError("sent an answer that is cut off") from error


def check_status(response: httpx.Response) -> None:
    """Raise what an answer's status means, unless it is 200."""
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    if status == HTTPStatus.UNAUTHORIZED:
        raise AuthenticationError("the wearable's service refuses the access token: renew it")
    if status == HTTPStatus.FORBIDDEN:
        raise AuthorizationError("the access token lacks a permission, or the person's membership has ended")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        reason = "allows no more requests for now" if status == HTTPStatus.TOO_MANY_REQUESTS else f"answers {status}"
        raise TryAgainError(reason, retry_after(response.headers.get("Retry-After")))
    raise DataProcessingError(f"the wearable's service does not take the request (it answers {status})")


def retry_after(header: str | None) -> float | None:
    """Return the seconds that the server asks to wait; ``None`` where it names none that can be understood."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
        except ValueError:
            return None
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.fromtimestamp(time.time(), UTC)).total_seconds()
    return max(seconds, 0.0) if seconds < float("inf") else None
