"""Jobs wait in the database, are done in their order by whoever comes, and are given up in the end."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.errors import NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure import jobs as module
from novamind.infrastructure.jobs import Job, Jobs, JobStatus, State
from tests.infrastructure.clinic import Clinic, Clock
from tests.patience import patient

ME, OTHER = UUID(int=1), UUID(int=2)
pytestmark = pytest.mark.usefixtures("clock")


class Bench:
    """Workers on a clinic's database, and what they were asked."""

    def __init__(self, clinic: Clinic, clock: Clock) -> None:
        self.clinic, self.clock = clinic, clock
        self.asked: list[Any] = []
        self.jobs = self.worker()

    def worker(self, *kinds: str) -> Jobs:
        async def double(asked: Mapping[str, Any]) -> dict[str, Any]:
            self.asked.append(asked["n"])
            if asked["n"] == "known":
                raise ValidationError("the table has no rows")
            if asked["n"] == "unknown":
                raise RuntimeError("CANARY")
            return {"twice": asked["n"] * 2}

        return Jobs(self.clinic.foundation.database, dict.fromkeys(kinds or ("double",), double))

    def submit(self, n: Any, owner: UUID = ME, kind: str = "double") -> UUID:
        self.clock.move(1)
        return UUID(str(self.clinic.run(self.jobs.submit(kind, owner, {"n": n}))))

    def step(self, jobs: Jobs | None = None) -> bool:
        done = self.clinic.run((jobs or self.jobs).step())
        assert isinstance(done, bool)
        return done

    def status(self, job: UUID, owner: UUID = ME) -> JobStatus:
        status: JobStatus = self.clinic.run(self.jobs.status(job, owner))
        return status

    def row(self, job: UUID) -> Job:
        (row,) = self.clinic.rows(Job, Job.job_id == job)
        return row  # type: ignore[no-any-return]

    def set(self, **values: Any) -> None:
        self.clinic.execute(sa.update(Job).values(values))

    def waiting(self) -> int:
        return int(self.clinic.run(self.jobs.waiting()))


@pytest.fixture
def bench(clinic: Clinic, clock: Clock) -> Bench:
    return Bench(clinic, clock)


def test_a_job_waits_is_done_and_tells_its_owner_alone(bench: Bench, clock: Clock) -> None:
    job = bench.submit(21)
    begun = clock.at
    assert bench.status(job) == JobStatus(job, "double", State.WAITING, begun, None, None)
    row = bench.row(job)
    assert (row.owner, row.asked, row.attempts, row.leased_until) == (ME, {"n": 21}, 0, None)
    assert bench.waiting() == 1
    clock.move(60)
    assert bench.step()
    assert bench.status(job) == JobStatus(job, "double", State.DONE, begun, {"twice": 42}, None)
    assert (bench.row(job).attempts, bench.row(job).leased_until) == (1, None)
    assert bench.waiting() == 0
    assert not bench.step()
    for which, owner in ((job, OTHER), (uuid4(), ME)):
        with pytest.raises(NotFoundError, match="there is no job of this id"):
            bench.status(which, owner)


def test_states_have_the_names_that_are_stored() -> None:
    assert [str(state) for state in State] == ["waiting", "running", "done", "failed", "cancelled"]


def test_jobs_are_done_in_their_order_and_only_those_that_one_knows(bench: Bench) -> None:
    other = bench.submit("other", kind="other")
    for n in (1, 2, 3):
        bench.submit(n)
    while bench.step():
        pass
    assert bench.asked == [1, 2, 3]
    assert bench.status(other).state is State.WAITING
    assert bench.step(bench.worker("other"))
    assert bench.asked == [1, 2, 3, "other"]


def test_what_went_wrong_is_told_in_our_words_or_not_at_all(bench: Bench) -> None:
    known, unknown = bench.submit("known"), bench.submit("unknown")
    assert [bench.step(), bench.step(), bench.step()] == [True, True, False]
    assert (bench.status(known).state, bench.status(known).problem) == (State.FAILED, "the table has no rows")
    hidden = "something went wrong here; the operators can find it in the log"
    assert (bench.status(unknown).state, bench.status(unknown).problem) == (State.FAILED, hidden)
    assert (bench.status(known).result, bench.waiting()) == (None, 0)


def test_twenty_jobs_of_one_owner_wait_and_no_more(bench: Bench) -> None:
    for n in range(20):
        bench.submit(n)
    with pytest.raises(ServiceUnavailableError, match="too many of your jobs are waiting"):
        bench.submit(20)
    bench.submit(20, OTHER)
    bench.set(state=State.RUNNING)
    with pytest.raises(ServiceUnavailableError):
        bench.submit(20)
    bench.clinic.execute(sa.update(Job).where(Job.owner == ME).values(state=State.DONE))
    bench.submit(20)
    assert bench.waiting() == 2


@pytest.mark.parametrize(("seconds", "taken"), [(-1, False), (0, False), (1, True)])
def test_a_job_whose_lease_is_over_is_taken_by_another(bench: Bench, clock: Clock, seconds: int, taken: bool) -> None:
    job = bench.submit(1)
    claimed = bench.clinic.run(bench.jobs._claim())
    assert (claimed.job_id, claimed.attempts, claimed.state) == (job, 1, State.RUNNING)
    assert bench.row(job).leased_until == clock.at + timedelta(seconds=30)
    assert bench.waiting() == 1
    clock.move(30 + seconds)
    assert bench.step(bench.worker()) is taken
    assert bench.status(job).state is (State.DONE if taken else State.RUNNING)
    assert bench.row(job).attempts == 1 + taken


def test_a_job_that_is_interrupted_three_times_is_given_up(bench: Bench, clock: Clock) -> None:
    job = bench.submit(1)
    for attempt in (1, 2, 3):
        assert bench.clinic.run(bench.jobs._claim()).attempts == attempt
        clock.move(31)
    assert not bench.step()
    assert bench.status(job).state is State.FAILED
    assert bench.status(job).problem == "given up after 3 attempts that were interrupted"
    assert bench.asked == []


def test_a_lease_is_renewed_while_the_job_runs(bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    loops: list[asyncio.AbstractEventLoop] = []
    sleep = asyncio.sleep

    async def quick(seconds: float) -> None:
        if asyncio.get_running_loop() in loops:  # others sleep in threads of their own
            pauses.append(seconds)
        await sleep(0.01)  # the test itself must find the database free between two renewals

    async def work() -> None:
        loops.append(asyncio.get_running_loop())
        renewed = asyncio.Event()

        async def long(_asked: Mapping[str, Any]) -> dict[str, Any]:
            clock.move(25)
            async with asyncio.timeout(patient(20)):
                while not renewed.is_set():
                    await sleep(0.001)
                    async with bench.clinic.foundation.database.snapshot() as session:
                        until = await session.scalar(sa.select(Job.leased_until))
                    if until == clock.at + timedelta(seconds=30):
                        renewed.set()
            return {}

        monkeypatch.setattr(module.asyncio, "sleep", quick)
        assert await Jobs(bench.clinic.foundation.database, {"double": long}).step()
        assert len(asyncio.all_tasks()) == 1  # nobody renews any more

    job = bench.submit(1)
    other = bench.submit(2, kind="other")
    bench.clinic.run(work())
    assert set(pauses) == {10.0}
    assert (bench.row(job).leased_until, bench.row(other).leased_until) == (None, None)


def test_a_worker_goes_on_when_the_database_is_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Any] = [True, ServiceUnavailableError("away"), True, False, asyncio.CancelledError()]
    paused: list[float] = []

    async def step() -> bool:
        outcome = steps.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return bool(outcome)

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr(bench.jobs, "step", step)
    monkeypatch.setattr(module.asyncio, "sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        bench.clinic.run(bench.jobs.work())
    assert steps == []
    assert paused == [1.0, 1.0]


def test_a_job_that_waits_is_cancelled_by_its_owner_alone_and_once(bench: Bench) -> None:
    job, done = bench.submit(1), bench.submit(2, OTHER)
    assert not bench.clinic.run(bench.jobs.cancel(job, OTHER))
    assert bench.clinic.run(bench.jobs.cancel(job, ME))
    assert bench.status(job).state is State.CANCELLED
    assert not bench.clinic.run(bench.jobs.cancel(job, ME))
    assert [bench.step(), bench.step()] == [True, False]
    assert (bench.asked, bench.waiting()) == ([2], 0)
    assert not bench.clinic.run(bench.jobs.cancel(done, OTHER))
    assert bench.status(done, OTHER).state is State.DONE


@pytest.mark.parametrize("is_here", [True, False])
def test_a_job_that_runs_ends_when_it_is_cancelled_here_or_at_the_next_renewal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_here: bool
) -> None:
    sleep = asyncio.sleep
    monkeypatch.setattr(module.asyncio, "sleep", lambda _seconds: sleep(0))
    ended: list[str] = []

    async def work(job: UUID) -> None:
        begun = asyncio.Event()

        async def long(_asked: Mapping[str, Any]) -> dict[str, Any]:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("kept what was done")
            return {}

        worker = Jobs(bench.clinic.foundation.database, {"double": long})
        step = asyncio.create_task(worker.step())
        await begun.wait()
        assert await (worker if is_here else bench.jobs).cancel(job, ME)
        assert await asyncio.wait_for(step, patient(20))
        assert worker._running == {}

    job = bench.submit(1)
    bench.clinic.run(work(job))
    assert ended == ["kept what was done"]
    assert (bench.status(job).state, bench.status(job).result) == (State.CANCELLED, None)


def test_a_server_that_stops_leaves_its_job_to_another(bench: Bench) -> None:
    async def work() -> None:
        begun = asyncio.Event()

        async def long(_asked: Mapping[str, Any]) -> dict[str, Any]:
            begun.set()
            await asyncio.Event().wait()
            return {}

        step = asyncio.create_task(Jobs(bench.clinic.foundation.database, {"double": long}).step())
        await begun.wait()
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step

    job = bench.submit(1)
    bench.clinic.run(work())
    assert bench.status(job).state is State.RUNNING
