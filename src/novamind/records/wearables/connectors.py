"""Live data from a maker's API: one interface, and Oura's API v2 behind it.

The caller brings an OAuth 2.0 access token and renews it; nothing of it is kept or shown. Passing faults are tried
again: answers 429 and 5xx, time-outs, broken connections, and answers that are cut off. Between tries the wait doubles,
with random jitter (stamina). If the server says how long to wait (``Retry-After``, in seconds or as a date), that
counts, up to ``longest_wait_seconds``. Lasting faults raise at once: a refused token, a missing permission, a request
the server does not understand.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
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

_OURA = "https://api.ouraring.com"
#: Collections of Oura's API v2 that hold our signals, and whether they are asked for by time or by day.
_COLLECTIONS = {
    "sleep": "date",
    "heartrate": "datetime",
    "daily_activity": "date",
    "daily_readiness": "date",
    "daily_spo2": "date",
    "vO2_max": "date",
}
#: Oura answers questions on heart rate for at most 30 days.
_DAYS_A_REQUEST = 30
_LARGEST_ANSWER = 64 * 1024 * 1024
_MOST_PAGES = 10_000


class WearableConnector(Protocol):
    """Interface of a maker's API."""

    def documents(self, start: date, end: date) -> dict[str, list[dict[str, Any]]]:
        """Return all documents from ``start`` to ``end`` (local days, both included), by collection.

        The answer, as JSON, is a file that :func:`novamind.records.wearables.read_wearables` reads.
        """
        ...


class _TryAgainError(Exception):
    """An answer that may be better next time."""

    def __init__(self, reason: str, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class OuraConnector:
    """Oura's API v2.

    Parameters
    ----------
    access_token
        The person's OAuth 2.0 access token, with the scopes ``daily heartrate spo2``.
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
        access_token: str,
        *,
        base_url: str = _OURA,
        attempts: int = 6,
        timeout_seconds: float = 30.0,
        first_wait_seconds: float = 0.5,
        longest_wait_seconds: float = 120.0,
    ) -> None:
        if not access_token or not access_token.isascii() or not access_token.isprintable():
            raise ValidationError("the access token is empty or holds characters that no token has")
        if attempts < 1:
            raise ValidationError("attempts must be at least 1")
        self._client = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {access_token}"},
            timeout=timeout_seconds,
            follow_redirects=False,  # a redirect could carry the token elsewhere
        )
        self._attempts = attempts
        self._first_wait, self._longest_wait = first_wait_seconds, longest_wait_seconds

    def __enter__(self) -> "OuraConnector":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def documents(
        self, start: date, end: date, *, progress: Callable[[str, int], None] = lambda _collection, _count: None
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the documents of every collection, fetched page after page.

        Parameters
        ----------
        start, end
            Local days, both included.
        progress
            Called after each page with the collection and the documents it has so far.

        Raises
        ------
        AuthenticationError, AuthorizationError
            The token is refused, or lacks a permission.
        ServiceUnavailableError
            The service did not answer well in any of the tries, or asks for too long a pause.
        DataProcessingError
            An answer has another form than the API's.
        """
        if end < start:
            raise ValidationError("end lies before start: give the first day, then the last")
        by_collection: dict[str, list[dict[str, Any]]] = {}
        for collection in _COLLECTIONS:
            documents = by_collection.setdefault(collection, [])
            for page in self._pages(collection, start, end):
                documents += page
                progress(collection, len(documents))
        return by_collection

    def _pages(self, collection: str, start: date, end: date) -> Iterator[list[dict[str, Any]]]:
        first = start
        while first <= end:
            last = min(first + timedelta(days=_DAYS_A_REQUEST - 1), end)
            yield from self._span(collection, first, last)
            first = last + timedelta(days=1)

    def _span(self, collection: str, first: date, last: date) -> Iterator[list[dict[str, Any]]]:
        if _COLLECTIONS[collection] == "date":
            span = {"start_date": first.isoformat(), "end_date": last.isoformat()}
        else:
            after = last + timedelta(days=1)
            span = {"start_datetime": f"{first}T00:00:00+00:00", "end_datetime": f"{after}T00:00:00+00:00"}
        token: str | None = None
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            answer = self._get(
                f"/v2/usercollection/{collection}", span if token is None else {**span, "next_token": token}
            )
            data = answer.get("data") if isinstance(answer, dict) else None
            if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
                raise DataProcessingError("the service's answer holds no list of documents: its interface has changed")
            yield data
            token = answer.get("next_token")
            if token is None:
                return
            if not isinstance(token, str) or token in seen:
                break
            seen.add(token)
        raise DataProcessingError("the service repeats its pages without end: try a shorter span")

    def _get(self, path: str, parameters: dict[str, str]) -> Any:
        def pause(error: Exception) -> bool | float:
            """Return whether to try again, or the seconds to wait where the server says so."""
            if not isinstance(error, _TryAgainError):
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
                    return self._tried(path, parameters)
        except _TryAgainError as error:
            waiting = "" if error.wait_seconds is None else f"; it asks to wait {error.wait_seconds:.0f} s"
            raise ServiceUnavailableError(f"the wearable's service {error}{waiting}: try again later") from error
        raise AssertionError("a retry ends with an answer or an error")

    def _tried(self, path: str, parameters: dict[str, str]) -> Any:
        try:
            with self._client.stream("GET", path, params=parameters) as response:
                _check_status(response)
                body = b""
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _LARGEST_ANSWER:
                        raise DataProcessingError("the service's answer is larger than any real one")
        except httpx.TimeoutException as error:
            raise _TryAgainError("did not answer in time") from error
        except httpx.TransportError as error:
            raise _TryAgainError("cannot be reached or broke the connection") from error
        try:
            return json.loads(body)
        except ValueError as error:
            raise _TryAgainError("sent an answer that is cut off") from error


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    if status == HTTPStatus.UNAUTHORIZED:
        raise AuthenticationError("the wearable's service refuses the access token: renew it")
    if status == HTTPStatus.FORBIDDEN:
        raise AuthorizationError("the access token lacks a permission, or the person's membership has ended")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        reason = "allows no more requests for now" if status == HTTPStatus.TOO_MANY_REQUESTS else f"answers {status}"
        raise _TryAgainError(reason, _retry_after(response.headers.get("Retry-After")))
    raise DataProcessingError(f"the wearable's service does not take the request (it answers {status})")


def _retry_after(header: str | None) -> float | None:
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
