"""What clinicians did with cards of CDS Hooks: sealed with AES-256-GCM, bound to its place, told to the audit.

A comment may speak of a patient, so all but the time and who sent it is sealed; what is older than a year is deleted.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa

from novamind.infrastructure.audit import Access, AuditLog, Event
from novamind.infrastructure.database import Database
from novamind.infrastructure.identity.secrets import Seal, derived_key
from novamind.infrastructure.tables import CardFeedback

KEPT: Final = timedelta(days=365)
_KIND: Final = "card_feedback"


class CardFeedbackStore:
    """Keeps feedback on cards.

    Parameters
    ----------
    key
        The system's key of which that of the feedback is derived.
    """

    def __init__(self, database: Database, audit: AuditLog, key: bytes) -> None:
        self._database = database
        self._audit = audit
        self._seal = Seal(derived_key(key, "card feedback"))

    async def keep(self, owner: UUID, access: Access, feedback: Sequence[Mapping[str, Any]]) -> None:
        """Store what one client says of its cards, and delete what is older than a year."""
        now = datetime.now(UTC)
        rows = [self._row(owner, now, outcome) for outcome in feedback]
        async with self._database.transaction() as session:
            await session.execute(sa.delete(CardFeedback).where(CardFeedback.received_at < now - KEPT))
            await session.execute(sa.insert(CardFeedback), rows)
            await self._audit.append_within(session, Event(access=access, action="write", what=_KIND, count=len(rows)))

    async def read(self, access: Access) -> list[dict[str, Any]]:
        """Return all feedback in the order in which it came.

        Raises
        ------
        DataProcessingError
            If one was altered.
        """
        async with self._database.snapshot() as session:
            rows = (await session.scalars(sa.select(CardFeedback).order_by(CardFeedback.received_at))).all()
        await self._audit.append(Event(access=access, action="read", what=_KIND, count=len(rows)))
        return [self._opened(row) for row in rows]

    def _row(self, owner: UUID, now: datetime, outcome: Mapping[str, Any]) -> dict[str, Any]:
        feedback_id = uuid4()
        sealed = self._seal.seal(json.dumps(outcome).encode(), _place(feedback_id, owner))
        return {"feedback_id": feedback_id, "owner": owner, "payload": sealed, "received_at": now}

    def _opened(self, row: CardFeedback) -> dict[str, Any]:
        message = "feedback on a card was altered; restore it from a backup"
        content: dict[str, Any] = json.loads(self._seal.open(row.payload, _place(row.feedback_id, row.owner), message))
        return content


def _place(feedback_id: UUID, owner: UUID) -> str:
    return f"{CardFeedback.__tablename__}:{feedback_id.hex}:{owner.hex}"
