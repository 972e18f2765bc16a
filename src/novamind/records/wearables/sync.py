"""How far each device of a person is fetched, so that a later fetch asks for what is new and what may have changed.

Makers score nights again for some days, and watches deliver late: the last days are always asked for once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from novamind.errors import NovamindError, ValidationError
from novamind.records.wearables.connectors import WearableConnector

#: Days before the last fetched one that may still change.
OVERLAP_DAYS = 3


@dataclass(frozen=True, slots=True)
class SyncState:
    """How far one device is fetched.

    Attributes
    ----------
    service
        Whose API it is.
    device
        The person's name for the device or account; one service may have several.
    complete_until
        Last day that is fetched whole; ``None`` where nothing is.
    fetched_at
        When a fetch last went well.
    failure
        Why the last fetch failed, in a sentence without values; ``None`` where it went well.
    error
        The name of that error, such as ``AuthenticationError``.
    """

    service: str
    device: str
    complete_until: date | None = None
    fetched_at: datetime | None = None
    failure: str | None = None
    error: str | None = None

    def span(self, first_day: date, today: date) -> tuple[date, date]:
        """Return the days to ask for, both included."""
        if self.complete_until is None:
            return min(first_day, today), today
        return min(max(first_day, self.complete_until - timedelta(days=OVERLAP_DAYS - 1)), today), today

    def failed(self, error: NovamindError) -> "SyncState":
        """Return the state after a fetch that failed: as far as before."""
        return replace(self, failure=str(error), error=type(error).__name__)

    def to_dict(self) -> dict[str, Any]:
        """Return the state in plain values, for JSON."""
        return {
            "service": self.service,
            "device": self.device,
            "complete_until": None if self.complete_until is None else self.complete_until.isoformat(),
            "fetched_at": None if self.fetched_at is None else self.fetched_at.isoformat(),
            "failure": self.failure,
            "error": self.error,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SyncState":
        """Return the state that :meth:`to_dict` wrote."""
        try:
            day, moment = values["complete_until"], values["fetched_at"]
            return cls(
                str(values["service"]),
                str(values["device"]),
                None if day is None else date.fromisoformat(day),
                None if moment is None else datetime.fromisoformat(moment),
                values.get("failure"),
                values.get("error"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError("the state of a sync has another form: begin the sync anew") from error


def synchronise(
    connector: WearableConnector, state: SyncState, *, first_day: date, now: datetime
) -> tuple[dict[str, Any] | None, SyncState]:
    """Fetch what is new of one device.

    Parameters
    ----------
    first_day
        The first day of interest.
    now
        The present, on the person's clock; today is fetched, and asked for again by the next fetch.

    Returns
    -------
    documents
        As the connector returns them; ``None`` where the fetch failed.
    state
        The new state. After a failure it is as far as before and says why, so that other devices go on.
    """
    today = now.date()
    start, end = state.span(first_day, today)
    try:
        documents = connector.documents(start, end)
    except NovamindError as error:
        return None, state.failed(error)
    whole = today - timedelta(days=1)
    return documents, replace(state, complete_until=whole, fetched_at=now, failure=None, error=None)
