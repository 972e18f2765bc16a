"""Live data from makers' APIs: one interface, and Oura (API v2), Fitbit (Web API) and Withings (API) behind it.

What a connector returns is, as JSON, a file that :func:`novamind.records.wearables.read_wearables` reads by the rules
of its maker. The person's agreement comes from :mod:`novamind.records.wearables.oauth`; how far a device is fetched is
kept by :mod:`novamind.records.wearables.sync`. Garmin opens its Health API to companies by contract only: its account
export is read instead.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from types import TracebackType
from typing import Any, Protocol, Self

from novamind.errors import AuthenticationError, DataProcessingError, ServiceUnavailableError, ValidationError
from novamind.records.wearables.service_client import ServiceClient, TokenSource

_OURA = "https://api.ouraring.com"
_FITBIT = "https://api.fitbit.com"
_WITHINGS = "https://wbsapi.withings.net"
#: Collections of Oura's API v2 that hold our signals, and whether they are asked for by time or by day.
_COLLECTIONS = {
    "sleep": "date",
    "heartrate": "datetime",
    "daily_activity": "date",
    "daily_readiness": "date",
    "daily_spo2": "date",
    "vO2_max": "date",
}
#: Fitbit's daily series: ``{key of the answer: path of a span}``.
_FITBIT_SERIES = {
    "sleep": "/1.2/user/-/sleep/date/{start}/{end}.json",
    "activities-heart": "/1/user/-/activities/heart/date/{start}/{end}.json",
    "activities-steps": "/1/user/-/activities/steps/date/{start}/{end}.json",
    "activities-distance": "/1/user/-/activities/distance/date/{start}/{end}.json",
    "activities-calories": "/1/user/-/activities/calories/date/{start}/{end}.json",
    "hrv": "/1/user/-/hrv/date/{start}/{end}.json",
    "br": "/1/user/-/br/date/{start}/{end}.json",
    "spo2": "/1/user/-/spo2/date/{start}/{end}.json",
    "tempSkin": "/1/user/-/temp/skin/date/{start}/{end}.json",
}
#: Withings' collections: ``{key of the answer: (path, action, whether days are given as epoch seconds)}``.
_WITHINGS_SERIES = {
    "measuregrps": ("/measure", "getmeas", True),
    "activities": ("/v2/measure", "getactivity", False),
    "series": ("/v2/sleep", "getsummary", False),
}
_WITHINGS_SLEEP_FIELDS = (
    "total_sleep_time,lightsleepduration,deepsleepduration,remsleepduration,wakeupduration,sleep_latency,"
    "sleep_efficiency,sleep_score,hr_average,rr_average"
)
_WITHINGS_TOKEN, _WITHINGS_BUSY = 401, (601, 2554, 2555)
#: Oura answers questions on heart rate, and Fitbit on nights' values, for at most 30 days.
_DAYS_A_REQUEST = 30
_MOST_PAGES = 10_000

Progress = Callable[[str, int], None]


class WearableConnector(Protocol):
    """Interface of a maker's API."""

    def documents(self, start: date, end: date) -> dict[str, Any]:
        """Return all documents from ``start`` to ``end`` (local days, both included), by collection.

        The answer, as JSON, is a file that :func:`novamind.records.wearables.read_wearables` reads.
        """
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...


class _Connector:
    """What connectors share: a client, and spans of at most a month."""

    _URL: str

    def __init__(self, tokens: str | TokenSource, *, base_url: str | None = None, **options: Any) -> None:
        self._service = ServiceClient(tokens, base_url or self._URL, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._service.close()


def _spans(start: date, end: date) -> Iterator[tuple[date, date]]:
    if end < start:
        raise ValidationError("end lies before start: give the first day, then the last")
    while start <= end:
        last = min(start + timedelta(days=_DAYS_A_REQUEST - 1), end)
        yield start, last
        start = last + timedelta(days=1)


def _listed(answer: Any, key: str) -> list[dict[str, Any]]:
    """Return the documents under a key of an answer."""
    documents = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(documents, list) or not all(isinstance(entry, dict) for entry in documents):
        raise DataProcessingError("the service's answer holds no list of documents: its interface has changed")
    return documents


class OuraConnector(_Connector):
    """Oura's API v2.

    Parameters
    ----------
    tokens
        The person's OAuth 2.0 access token, with the scopes ``daily heartrate spo2``, or what renews it.
    base_url
        Where the API is.
    options
        Of :class:`novamind.records.wearables.service_client.ServiceClient`: ``attempts``, ``timeout_seconds``,
        ``first_wait_seconds``, ``longest_wait_seconds``.
    """

    _URL = _OURA

    def documents(
        self, start: date, end: date, *, progress: Progress = lambda _collection, _count: None
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
        spans = list(_spans(start, end))
        by_collection: dict[str, list[dict[str, Any]]] = {}
        for collection in _COLLECTIONS:
            documents = by_collection.setdefault(collection, [])
            for first, last in spans:
                for page in self._pages(collection, first, last):
                    documents += page
                    progress(collection, len(documents))
        return by_collection

    def _pages(self, collection: str, first: date, last: date) -> Iterator[list[dict[str, Any]]]:
        if _COLLECTIONS[collection] == "date":
            span = {"start_date": first.isoformat(), "end_date": last.isoformat()}
        else:
            after = last + timedelta(days=1)
            span = {"start_datetime": f"{first}T00:00:00+00:00", "end_datetime": f"{after}T00:00:00+00:00"}
        token: str | None = None
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            answer = self._service.get(
                f"/v2/usercollection/{collection}", span if token is None else {**span, "next_token": token}
            )
            yield _listed(answer, "data")
            token = answer.get("next_token")
            if token is None:
                return
            if not isinstance(token, str) or token in seen:
                break
            seen.add(token)
        raise DataProcessingError("the service repeats its pages without end: try a shorter span")


class FitbitConnector(_Connector):
    """Fitbit's Web API: daily series and nights; parameters as :class:`OuraConnector`, errors as its ``documents``."""

    _URL = _FITBIT

    def documents(
        self, start: date, end: date, *, progress: Progress = lambda _collection, _count: None
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the series of every kind, a month at a time."""
        spans = list(_spans(start, end))
        by_collection: dict[str, list[dict[str, Any]]] = {}
        for key, path in _FITBIT_SERIES.items():
            documents = by_collection.setdefault(key, [])
            for first, last in spans:
                answer = self._service.get(path.format(start=first.isoformat(), end=last.isoformat()), {})
                # Oxygen saturation alone is a list without a name.
                documents += _listed({key: answer} if isinstance(answer, list) else answer, key)
                progress(key, len(documents))
        return by_collection


class WithingsConnector(_Connector):
    """Withings' API: measures, days and nights; parameters as :class:`OuraConnector`, errors as its ``documents``."""

    _URL = _WITHINGS

    def documents(
        self, start: date, end: date, *, progress: Progress = lambda _collection, _count: None
    ) -> dict[str, Any]:
        """Return the documents of every kind, and the ``timezone`` of the account."""
        spans = list(_spans(start, end))
        documents: dict[str, Any] = {key: [] for key in _WITHINGS_SERIES}
        for key, (path, action, in_seconds) in _WITHINGS_SERIES.items():
            for first, last in spans:
                for body in self._pages(path, action, _withings_span(first, last, in_seconds=in_seconds)):
                    documents[key] += _listed(body, key)
                    documents.setdefault("timezone", body.get("timezone"))
                    progress(key, len(documents[key]))
        return documents

    def _pages(self, path: str, action: str, span: dict[str, str]) -> Iterator[dict[str, Any]]:
        form = {"action": action, **span, **({"data_fields": _WITHINGS_SLEEP_FIELDS} if action == "getsummary" else {})}
        offset: object = None
        for _ in range(_MOST_PAGES):
            body = self._body(path, form if offset is None else {**form, "offset": str(offset)})
            yield body
            if not body.get("more"):
                return
            if body.get("offset") in (None, offset):
                break
            offset = body["offset"]
        raise DataProcessingError("the service repeats its pages without end: try a shorter span")

    def _body(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        answer = self._service.post(path, form)
        status = answer.get("status") if isinstance(answer, dict) else None
        if status == _WITHINGS_TOKEN:
            raise AuthenticationError("the wearable's service refuses the access token: renew it")
        if status in _WITHINGS_BUSY:
            raise ServiceUnavailableError("the wearable's service allows no more requests for now: try again later")
        body = answer.get("body") if status == 0 else None
        if not isinstance(body, dict):
            raise DataProcessingError("the service's answer holds no list of documents: its interface has changed")
        return body


def _withings_span(first: date, last: date, *, in_seconds: bool) -> dict[str, str]:
    if not in_seconds:
        return {"startdateymd": first.isoformat(), "enddateymd": last.isoformat()}
    begin, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    return {"startdate": str(int(begin.timestamp())), "enddate": str(int(end.timestamp()))}
