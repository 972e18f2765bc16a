"""Limits on attempts, such as logins: the database counts them, so that all workers agree."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import NovamindError
from novamind.infrastructure.database import Database, insert_missing
from novamind.infrastructure.identity.tables import Attempts
from novamind.infrastructure.vault import BlindIndex


class TooManyAttemptsError(NovamindError):
    """The caller has tried too often.

    Attributes
    ----------
    seconds
        After which it is worth trying again.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__("too many attempts; wait before you try again")
        self.seconds = seconds


class AttemptCounter:
    """Counts attempts in windows. Without the database nothing is counted and nothing is let through.

    Parameters
    ----------
    database
        Where the counts are.
    index
        Makes the keyed digest of what is counted and for whom.
    """

    def __init__(self, database: Database, index: BlindIndex) -> None:
        self._database = database
        self._index = index

    async def check(self, what: str, who: str, limit: int) -> None:
        """Refuse if the limit was reached in the present window.

        Raises
        ------
        TooManyAttemptsError
            If it was.
        """
        now = datetime.now(UTC)
        async with self._database.snapshot() as session:
            row = await session.get(Attempts, self._digest(what, who))
        if row is not None and row.ends_at > now and row.count >= limit:
            raise TooManyAttemptsError(1 + int((row.ends_at - now).total_seconds()))

    async def count(self, what: str, who: str, window: timedelta) -> int:
        """Add one attempt and return their number in this window. A window begins with its first attempt."""
        now, key = datetime.now(UTC), self._digest(what, who)
        async with self._database.transaction() as session:
            await session.execute(sa.delete(Attempts).where(Attempts.digest == key, Attempts.ends_at <= now))
            await insert_missing(session, Attempts, digest=key, count=0, ends_at=now + window)
            counted = await session.scalar(
                sa.update(Attempts)
                .where(Attempts.digest == key)
                .values(count=Attempts.count + 1)
                .returning(Attempts.count)
            )
        return counted or 1

    async def take(self, what: str, who: str, limit: int, window: timedelta) -> None:
        """Count an attempt, and refuse it beyond the limit.

        Raises
        ------
        TooManyAttemptsError
            If it is.
        """
        if await self.count(what, who, window) > limit:
            await self.check(what, who, limit)

    async def once(self, session: AsyncSession, what: str, who: str, until: datetime) -> bool:
        """Return whether a key is new until then, within the caller's transaction; delete expired keys."""
        await session.execute(sa.delete(Attempts).where(Attempts.ends_at <= datetime.now(UTC)))
        return await insert_missing(session, Attempts, digest=self._digest(what, who), count=1, ends_at=until)

    async def forget(self, what: str, who: str) -> None:
        """Reset the count, after a success."""
        async with self._database.transaction() as session:
            await session.execute(sa.delete(Attempts).where(Attempts.digest == self._digest(what, who)))

    def _digest(self, what: str, who: str) -> bytes:
        return self._index.keyed("attempts", what, who)
