"""Events are committed with their deed, handed out at least once, and one that nobody can handle holds up nobody."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.infrastructure.bootstrap import Foundation
from novamind.infrastructure.events import ATTEMPTS, Event, InProcessBus, Outbox, record_event
from novamind.infrastructure.patient_store import Identity, Kind
from novamind.infrastructure.tables import OutboxEvent
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
