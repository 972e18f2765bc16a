"""Whose session it is and what ties them to a patient, at the moments where that begins and ends."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.infrastructure.identity.domain import Role, Ties
from novamind.infrastructure.identity.secrets import digest
from novamind.infrastructure.identity.tables import EmergencyAccess
from novamind.infrastructure.tables import Relationship
from tests.infrastructure.clinic import CALLBACK, SHELL, VERIFIER, Clinic, Clock


@pytest.fixture
def here(clinic: Clinic, clock: Clock) -> UUID:
    del clock
    return clinic.organisation()


def ties(clinic: Clinic, who: UUID, patient: UUID) -> Ties:
    found = clinic.run(clinic.identity.sessions._session_lookup.of_subject(who, [patient]))
    assert list(found) == [patient]
    return Ties(
        *(getattr(found[patient], name) for name in ("organisation_id", "treats", "emergency_until", "revision"))
    )


def opened(clinic: Clinic, who: UUID, patient: UUID, until: timedelta, clock: Clock) -> None:
    values = {"user_id": who, "patient_id": patient, "reason": b"", "opened_at": clock.at}
    clinic.execute(sa.insert(EmergencyAccess).values(emergency_id=uuid4(), expires_at=clock.at + until, **values))


def test_a_treatment_counts_from_its_beginning_to_its_end(clinic: Clinic, clock: Clock, here: UUID) -> None:
    patient, ada = clinic.patient(here), clinic.user("ada", organisation=here)
    assert ties(clinic, ada, patient) == Ties(here)
    begins, ends = clock.at + timedelta(minutes=1), clock.at + timedelta(minutes=2)
    values = {"clinician_id": ada, "patient_id": patient, "begins_at": begins, "ends_at": ends}
    clinic.execute(sa.insert(Relationship).values(relationship_id=uuid4(), **values))
    expected = {59: False, 60: True, 119: True, 120: False}
    begun = clock.at
    for seconds, treats in expected.items():
        clock.at = begun + timedelta(seconds=seconds)
        assert ties(clinic, ada, patient).treats is treats
    clinic.execute(sa.update(Relationship).values(ends_at=None))
    assert ties(clinic, ada, patient).treats
    assert not ties(clinic, uuid4(), patient).treats
    other = clinic.patient(here)
    assert not ties(clinic, ada, other).treats


def test_an_emergency_counts_until_its_end_and_the_longest_one_does(clinic: Clinic, clock: Clock, here: UUID) -> None:
    patient, ada = clinic.patient(here), clinic.user("ada", organisation=here)
    bob = clinic.user("bob", organisation=here)
    begun = clock.at
    for minutes in (5, 9, 2):
        opened(clinic, ada, patient, timedelta(minutes=minutes), clock)
    assert ties(clinic, ada, patient).emergency_until == begun + timedelta(minutes=9)
    assert ties(clinic, bob, patient).emergency_until is None
    clock.move(minutes=9, seconds=-1)
    assert ties(clinic, ada, patient).emergency_until == begun + timedelta(minutes=9)
    clock.move(1)
    assert ties(clinic, ada, patient) == Ties(here)


def test_a_patient_whom_nobody_knows_is_tied_to_nobody(clinic: Clinic, here: UUID) -> None:
    ada = clinic.user("ada", organisation=here)
    assert ties(clinic, ada, uuid4()) == Ties()
    patient = clinic.patient(here)
    clinic.run(clinic.foundation.store.relate(ada, patient, SHELL))
    assert ties(clinic, ada, patient) == Ties(here, True, None, 1)


def test_those_who_ask_at_one_moment_are_answered_each_for_themselves(clinic: Clinic, clock: Clock, here: UUID) -> None:
    app, store = clinic.app(), clinic.foundation.store
    ada, bob = (clinic.user(name, organisation=here) for name in ("ada", "bob"))
    mine, his, emergency = (clinic.patient(here) for _ in range(3))
    clinic.run(store.relate(ada, mine, SHELL))
    clinic.run(store.relate(bob, his, SHELL))
    opened(clinic, ada, emergency, timedelta(minutes=5), clock)
    session = clinic.whoever(clinic.log_in(app, "ada").access_token).session_id
    code = clinic.code(app, "bob")
    cookie = digest(clinic.run(clinic.identity.sessions.exchange_code_for_cookie(app, code, VERIFIER, CALLBACK)))
    standing, asked = clinic.identity.sessions._session_lookup, []
    read = standing._batcher._work

    async def counted(questions):  # type: ignore[no-untyped-def]
        asked.append(len(questions))
        return await read(questions)

    standing._batcher._work = counted
    clock.monotonic = 1234.5
    everybody = [mine, his, emergency]

    async def together() -> list[object]:
        return await asyncio.gather(
            standing.of_session(session, everybody),
            standing.of_session(cookie, everybody),
            standing.of_session(uuid4(), everybody),
            standing.of_session(b"x" * 32, [mine]),
            standing.of_subject(bob, [his]),
            standing.of_session(session, []),
        )

    first, second, third, fourth, fifth, sixth = clinic.run(together())
    assert asked == [6]
    assert (first[0].session_id, first[0].user_id, second[0].user_id) == (session, ada, bob)
    assert (third[0], fourth[0]) == (None, None)
    until = clock.at + timedelta(minutes=5)
    assert first[1] == {
        mine: Ties(here, True, None, 1, 1234.5),
        his: Ties(here, False, None, 1, 1234.5),
        emergency: Ties(here, False, until, 0, 1234.5),
    }
    assert second[1] == {
        mine: Ties(here, False, None, 1, 1234.5),
        his: Ties(here, True, None, 1, 1234.5),
        emergency: Ties(here, False, None, 0, 1234.5),
    }
    assert third[1] == dict.fromkeys(everybody, Ties(read_at=1234.5))
    assert fifth == {his: Ties(here, True, None, 1, 1234.5)}
    assert sixth == (first[0], {})


def test_a_session_row_says_whose_it_is_in_which_role(clinic: Clinic, here: UUID) -> None:
    ada = clinic.user("ada", organisation=here)
    session = clinic.whoever(clinic.log_in(clinic.app(), "ada").access_token).session_id
    row, _ = clinic.run(clinic.identity.sessions._session_lookup.of_session(session, []))
    assert (row.user_id, row.role, row.organisation_id, row.patient_id) == (ada, Role.CLINICIAN, here, None)
    assert (row.client_role, row.client_organisation_id, row.cookie_digest) == (None, None, None)
