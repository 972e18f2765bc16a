"""F03 of the attack plan: events are committed with their deed, handed out at least once, and one that nobody can
handle holds up nobody. The bus is the outbox in the database and the handlers of the process."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.infrastructure import events
from novamind.infrastructure.bootstrap import Foundation
from novamind.infrastructure.events import ATTEMPTS, Event, InProcessBus, Outbox, record_event
from novamind.infrastructure.patient_store import Identity, Kind
from novamind.infrastructure.tables import OutboxEvent
from tests.infrastructure.clinic import Clinic, Clock
from tests.infrastructure.conftest import CLINICIAN, Run


async def patient(here: Foundation) -> UUID:
    organisation = await here.store.add_organisation("Clinic", CLINICIAN)
    return await here.store.register(organisation, Identity({}, {}), CLINICIAN)


def test_a_stored_report_is_told_once_and_names_only_ids(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        bus, heard = InProcessBus(), list[Event]()

        async def hear(event: Event) -> None:
            heard.append(event)

        bus.subscribe("symptom_report.added", hear)
        outbox, patient_id = Outbox(here.database, bus), await patient(here)
        ids = [await here.store.append(patient_id, Kind.SYMPTOM_REPORT, [{"n": n}], CLINICIAN) for n in range(3)]
        assert await outbox.dispatch(limit=2) == 2
        assert await outbox.dispatch() == 1
        assert await outbox.dispatch() == 0
        assert [(event.patient_id, list(event.record_ids)) for event in heard] == [(patient_id, one) for one in ids]

    run(work)


def test_what_is_rolled_back_is_not_told(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        with pytest.raises(KeyError):
            async with here.database.transaction() as session:
                await record_event(session, "x", None, [])
                raise KeyError
        assert await Outbox(here.database, InProcessBus()).dispatch() == 0

    run(work)


def test_an_event_that_fails_is_tried_again_and_then_laid_aside(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        bus, tries = InProcessBus(), list[str]()

        async def fail(_event: Event) -> None:
            tries.append("poison")
            raise RuntimeError("CANARY")

        async def hear(_event: Event) -> None:
            tries.append("good")

        bus.subscribe("poison", fail)
        bus.subscribe("good", hear)
        outbox = Outbox(here.database, bus)
        async with here.database.transaction() as session:
            await record_event(session, "poison", uuid4(), [])
            await record_event(session, "good", uuid4(), [])
        for _ in range(ATTEMPTS + 2):
            await outbox.dispatch()
            async with here.database.transaction() as session:  # a minute goes by
                past = datetime.now(UTC) - timedelta(minutes=1)
                await session.execute(sa.update(OutboxEvent).values(claimed_until=past))
        assert tries.count("poison") == ATTEMPTS
        assert tries.count("good") == 1
        assert await outbox.failed() == 1

    run(work)


def test_what_a_dead_process_had_in_hand_is_free_again_and_not_before(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        outbox = Outbox(here.database, InProcessBus())
        async with here.database.transaction() as session:
            await record_event(session, "x", None, [])
        assert len(await outbox._claim(10)) == 1
        assert await outbox.dispatch() == 0
        async with here.database.transaction() as session:
            past = datetime.now(UTC) - timedelta(seconds=1)
            await session.execute(sa.update(OutboxEvent).values(claimed_until=past))
        assert await outbox.dispatch() == 1

    run(work)


async def minutes_go_by(here: Foundation, minutes: int) -> None:
    """For what waits in the outbox."""
    async with here.database.transaction() as session:
        for row in await session.scalars(sa.select(OutboxEvent).where(OutboxEvent.claimed_until.is_not(None))):
            assert row.claimed_until is not None
            row.claimed_until -= timedelta(minutes=minutes)


def test_f03_an_hour_without_the_bus_delays_events_and_loses_none(run: Run[None]) -> None:
    class Bus:
        """Gone, until it is back."""

        def __init__(self) -> None:
            self.there, self.carried = False, Counter[UUID]()

        async def publish(self, event: Event) -> None:
            if not self.there:
                raise ConnectionError
            self.carried[event.event_id] += 1

    async def work(here: Foundation) -> None:
        bus, patient_id = Bus(), await patient(here)
        outbox = Outbox(here.database, bus)
        ids = [await here.store.append(patient_id, Kind.SYMPTOM_REPORT, [{"n": n}], CLINICIAN) for n in range(5)]
        for _ in range(6):
            assert await outbox.dispatch() == 0
            await minutes_go_by(here, 10)
        bus.there = True
        late = await here.store.append(patient_id, Kind.SYMPTOM_REPORT, [{"n": 99}], CLINICIAN)
        assert late
        assert await outbox.dispatch() == 1  # what is new does not wait for what is old
        for _ in range(6):
            await minutes_go_by(here, 10)
            await outbox.dispatch()
        assert sorted(bus.carried.values()) == [1] * (len(ids) + 1)
        assert await outbox.failed() == 0

    run(work)


def test_f03_a_handler_that_never_ends_is_given_up(run: Run[None], monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(here: Foundation) -> None:
        bus, heard = InProcessBus(), list[UUID]()

        async def hang(_event: Event) -> None:
            await asyncio.Event().wait()

        async def hear(event: Event) -> None:
            heard.append(event.event_id)

        bus.subscribe("stuck", hang)
        bus.subscribe("good", hear)
        async with here.database.transaction() as session:
            await record_event(session, "stuck", None, [])
            await record_event(session, "good", None, [])
        assert await Outbox(here.database, bus).dispatch() == 1
        assert len(heard) == 1

    monkeypatch.setattr(events, "_HANDLING_SECONDS", 0.05)
    run(work)


@pytest.mark.weak("a handler does not ask whether it has handled the event before", "F03")
@pytest.mark.parametrize("asks", [True, False])
def test_f03_one_event_has_one_effect_however_often_and_in_which_order_it_comes(run: Run[None], asks: bool) -> None:
    """A handler that keeps what it does under the event's id; dispatchers at the same time, one that died, disorder."""

    async def work(here: Foundation) -> None:
        bus, patient_id, calls = InProcessBus(), await patient(here), Counter[UUID]()

        async def take_note(event: Event) -> None:
            calls[event.event_id] += 1
            what = [{"about": str(event.record_ids[0])}]
            once = f"note:{event.event_id}" if asks else None
            await here.store.append(patient_id, Kind.NOTE, what, CLINICIAN, idempotency_key=once)

        bus.subscribe("symptom_report.added", take_note)
        for n in range(10):
            await here.store.append(patient_id, Kind.SYMPTOM_REPORT, [{"n": n}], CLINICIAN)
        dead = list(await Outbox(here.database, bus)._claim(6))
        random.Random(1).shuffle(dead)
        for row in dead[:4]:  # handled, and then the process died before it could say so
            ids = tuple(map(UUID, row.record_ids))
            await bus.publish(Event(row.event_id, row.kind, row.patient_id, ids, row.created_at))
        await minutes_go_by(here, 2)
        for _ in range(3):
            await asyncio.gather(*(Outbox(here.database, bus).dispatch(3) for _ in range(3)))
        kept = await here.store.read(patient_id, Kind.NOTE, CLINICIAN)
        reports = await here.store.read(patient_id, Kind.SYMPTOM_REPORT, CLINICIAN)
        about = sorted(str(note.content["about"]) for note in kept)  # type: ignore[index]
        assert (about == sorted(str(one.record_id) for one in reports)) is asks
        assert sorted(calls.values()) == [1] * 6 + [2] * 4

    run(work)


# --- with a clock that stands still ---


def waiting(clinic: Clinic, *kinds: str) -> None:
    async def work() -> None:
        async with clinic.foundation.database.transaction() as session:
            for kind in kinds:
                await record_event(session, kind, None, [])

    clinic.run(work())


def test_an_event_is_what_was_written(clinic: Clinic, clock: Clock) -> None:
    patient_id, ids, heard = uuid4(), [uuid4(), uuid4()], list[tuple[str, Event]]()
    bus = InProcessBus()

    def hearing(name: str) -> events.Handler:
        async def hear(event: Event) -> None:
            heard.append((name, event))

        return hear

    for name, kind in (("first", "note.added"), ("other", "note"), ("second", "note.added")):
        bus.subscribe(kind, hearing(name))

    async def write() -> None:
        async with clinic.foundation.database.transaction() as session:
            await record_event(session, "note.added", patient_id, ids)

    clinic.run(write())
    (row,) = clinic.rows(OutboxEvent)
    assert (row.attempts, row.claimed_until, row.record_ids) == (0, None, [str(one) for one in ids])
    begun = clock.at
    clock.move(100)
    assert clinic.run(Outbox(clinic.foundation.database, bus).dispatch()) == 1
    event = Event(row.event_id, "note.added", patient_id, tuple(ids), begun)
    assert heard == [("first", event), ("second", event)]
    assert clinic.rows(OutboxEvent) == []


def test_tries_are_a_minute_4_16_and_64_apart_and_there_are_five(
    clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[tuple[str, list[str]]] = []

    class Log:
        def error(self, text: str, **fields: object) -> None:
            lines.append((text, sorted(fields)))

    class Gone:
        async def publish(self, event: Event) -> None:
            raise ConnectionError(event.kind)

    monkeypatch.setattr(events, "log", Log())
    outbox = Outbox(clinic.foundation.database, Gone())
    waiting(clinic, "x")
    begun = clock.at
    for attempt, minutes in enumerate((0, 1, 5, 21, 85), start=1):
        clock.at = begun + timedelta(minutes=minutes)
        if minutes:  # at the very end of the pause it is not tried yet
            clinic.run(outbox.dispatch())
            assert clinic.rows(OutboxEvent)[0].attempts == attempt - 1
        clock.move(microseconds=1)
        assert clinic.run(outbox.failed()) == 0
        assert clinic.run(outbox.dispatch()) == 0
        (row,) = clinic.rows(OutboxEvent)
        assert row.attempts == attempt
        assert row.claimed_until == clock.at + timedelta(seconds=60 * 4 ** (attempt - 1))
        begun += timedelta(microseconds=1)
    assert clinic.run(outbox.failed()) == 1
    clock.move(days=10)
    clinic.run(outbox.dispatch())
    again = "an event could not be handled"
    last = "an event could not be handled for the last time; it stays in the outbox"
    assert lines == [(again, ["correlation_id", "exc_info"])] * 4 + [(last, ["correlation_id", "exc_info"])]


def test_a_hundred_are_handed_out_at_once_the_oldest_first(clinic: Clinic, clock: Clock) -> None:
    heard = list[str]()
    bus = InProcessBus()

    async def hear(event: Event) -> None:
        heard.append(event.kind)

    kinds = [f"k{n}" for n in range(102)]
    for kind in kinds:
        bus.subscribe(kind, hear)
    waiting(clinic, *kinds)
    outbox = Outbox(clinic.foundation.database, bus)
    assert [clinic.run(outbox.dispatch()) for _ in range(3)] == [100, 2, 0]
    assert heard == kinds
    assert events._HANDLING_SECONDS == 10.0
    del clock
