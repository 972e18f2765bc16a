"""Work in the background, kept in the database until it is done: it survives the process, and any worker may do it.

None of the kept job libraries fits: procrastinate needs PostgreSQL, arq, saq, dramatiq and taskiq a broker, and huey
stores pickles; this server runs on one SQLite file as well. So a job is a row. A worker
claims it by a lease and renews the lease while the job runs. If the worker dies, another takes over.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Mapped, mapped_column

from novamind.errors import NotFoundError, NovamindError, ServiceUnavailableError
from novamind.infrastructure.database import Base, Database
from novamind.infrastructure.logs import message
from novamind.infrastructure.tasks import end

ATTEMPTS: Final = 3
_LEASE: Final = timedelta(seconds=30)
_PAUSE_SECONDS: Final = 1.0
_MOST_WAITING: Final = 20  # of one owner
_FAILED = message("a job failed")

log = structlog.get_logger()
Handler = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class State(StrEnum):
    """State of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Base):
    """One piece of work. Its input and output are identifiers and figures, nothing of a patient."""

    __tablename__ = "jobs"
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[UUID] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(sa.String(40))
    state: Mapped[str] = mapped_column(sa.String(10), index=True)
    asked: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    result: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    problem: Mapped[str | None] = mapped_column(sa.Text)
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """State of a job, as its owner sees it; ``asked`` is what it was given."""

    job_id: UUID
    kind: str
    state: State
    created_at: datetime
    result: dict[str, Any] | None
    problem: str | None
    asked: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


class Jobs:
    """Takes jobs in and does them, one after another in each process.

    Parameters
    ----------
    database
        Where they wait.
    handlers
        Kind to the function that does the job; its result is kept as JSON.
    """

    def __init__(self, database: Database, handlers: Mapping[str, Handler]) -> None:
        self._database = database
        self._handlers = dict(handlers)
        self._running: dict[UUID, asyncio.Future[dict[str, Any]]] = {}
        self._cancelled: set[UUID] = set()

    async def submit(self, kind: str, owner: UUID, asked: Mapping[str, Any]) -> UUID:
        """Put a job in the queue and return its id.

        Raises
        ------
        ServiceUnavailableError
            If the owner has too many waiting already.
        """
        job_id = uuid4()
        waiting = sa.select(sa.func.count()).where(Job.owner == owner, Job.state.in_((State.WAITING, State.RUNNING)))
        async with self._database.transaction() as session:
            if (await session.scalar(waiting) or 0) >= _MOST_WAITING:
                raise ServiceUnavailableError("too many of your jobs are waiting; come back when some are done")
            await session.execute(
                sa.insert(Job).values(
                    job_id=job_id,
                    owner=owner,
                    kind=kind,
                    state=State.WAITING,
                    asked=dict(asked),
                    attempts=0,
                    created_at=datetime.now(UTC),
                )
            )
        return job_id

    async def status(self, job_id: UUID, owner: UUID) -> JobStatus:
        """Return the state of one's own job.

        Raises
        ------
        NotFoundError
            If there is none, or it is somebody else's.
        """
        async with self._database.snapshot() as session:
            row = await session.get(Job, job_id)
        if row is None or row.owner != owner:
            raise NotFoundError("there is no job of this id")
        return JobStatus(row.job_id, row.kind, State(row.state), row.created_at, row.result, row.problem, row.asked)

    async def cancel(self, job_id: UUID, owner: UUID) -> bool:
        """Cancel one's own job and return whether it was not over yet; what it has done so far stays done.

        A job that runs in another process notices it when it renews its lease.
        """
        goes_on = Job.state.in_((State.WAITING, State.RUNNING))
        async with self._database.transaction() as session:
            cancelled = await session.scalar(
                sa.update(Job)
                .where(Job.job_id == job_id, Job.owner == owner, goes_on)
                .values(state=State.CANCELLED, leased_until=None)
                .returning(Job.job_id)
            )
        self._stop(job_id)
        return cancelled is not None

    def _stop(self, job_id: UUID) -> None:
        if job_id in self._running:
            self._cancelled.add(job_id)
            self._running[job_id].cancel()

    async def waiting(self) -> int:
        """Return the number of jobs that are not done yet."""
        query = sa.select(sa.func.count()).where(Job.state.in_((State.WAITING, State.RUNNING)))
        async with self._database.snapshot() as session:
            return await session.scalar(query) or 0

    async def work(self) -> None:
        """Do waiting jobs for ever, in a task of its own."""
        while True:
            try:
                done = await self.step()
            except ServiceUnavailableError as error:  # the database is away; it will be back
                log.error(_FAILED, exc_info=error)
                done = False
            if not done:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def step(self) -> bool:
        """Do one job and return whether there was one."""
        job = await self._claim()
        if job is None:
            return False
        work = self._running[job.job_id] = asyncio.ensure_future(self._handlers[job.kind](job.asked))
        renewing = asyncio.create_task(self._renew(job.job_id))
        result, problem = None, None
        try:
            result = await work
        except asyncio.CancelledError:
            if job.job_id not in self._cancelled:
                raise  # the server stops, and another goes on with the job
            return True
        except NovamindError as error:
            problem = str(error)
        except Exception as error:
            log.error(_FAILED, exc_info=error)
            problem = "something went wrong here; the operators can find it in the log"
        finally:
            await end([renewing])
            del self._running[job.job_id]
            self._cancelled.discard(job.job_id)
        state = State.DONE if problem is None else State.FAILED
        async with self._database.transaction() as session:
            await session.execute(
                sa.update(Job)
                .where(Job.job_id == job.job_id, Job.state == State.RUNNING)
                .values(state=state, result=result, problem=problem, leased_until=None)
            )
        return True

    async def _claim(self) -> Job | None:
        now = datetime.now(UTC)
        free = sa.or_(Job.state == State.WAITING, sa.and_(Job.state == State.RUNNING, Job.leased_until < now))
        query = sa.select(Job).where(free, Job.kind.in_(list(self._handlers))).order_by(Job.created_at).limit(1)
        async with self._database.snapshot() as session:
            if await session.scalar(query) is None:  # looking costs no writer anything
                return None
        async with self._database.transaction() as session:
            job = await session.scalar(query.with_for_update(skip_locked=True))
            if job is None:
                return None
            job.attempts += 1
            if job.attempts > ATTEMPTS:
                job.state, job.problem = State.FAILED, f"given up after {ATTEMPTS} attempts that were interrupted"
                return None
            job.state, job.leased_until = State.RUNNING, now + _LEASE
        return job

    async def _renew(self, job_id: UUID) -> None:
        while True:
            await asyncio.sleep(_LEASE.total_seconds() / 3)
            with contextlib.suppress(ServiceUnavailableError):
                async with self._database.transaction() as session:
                    until = datetime.now(UTC) + _LEASE
                    renewed = await session.scalar(
                        sa.update(Job)
                        .where(Job.job_id == job_id, Job.state == State.RUNNING)
                        .values(leased_until=until)
                        .returning(Job.job_id)
                    )
                if renewed is None:
                    self._stop(job_id)
