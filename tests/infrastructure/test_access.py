"""One place decides, and the audit is told of every refusal; an emergency opens a record for a reason and a while."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from novamind.errors import AuthorizationError, NotFoundError, NovamindError, ValidationError
from novamind.infrastructure.identity import access as module
from novamind.infrastructure.identity.access import AccessControl
from novamind.infrastructure.identity.attempts import TooManyAttemptsError
from novamind.infrastructure.identity.domain import Permission, Principal, Role, Ties
from novamind.infrastructure.identity.tables import EmergencyAccess
from novamind.infrastructure.tables import OutboxEvent, Patient, Relationship
from tests.infrastructure.clinic import SHELL, Clinic, Clock, principal

READ, WRITE = Permission.PATIENTS_READ, Permission.RECORDS_WRITE
REASON = "unconscious, unknown medication"
NOT_ALLOWED = "your role, or this token's scopes, do not allow this"
NO_PATIENT = "there is no patient of this id"


@pytest.fixture
def here(clinic: Clinic, clock: Clock) -> UUID:
    del clock
    return clinic.organisation()


@pytest.fixture
def access(clinic: Clinic) -> AccessControl:
    return clinic.identity.access


def refusal(clinic: Clinic, work: Any) -> tuple[type[NovamindError], str]:
    with pytest.raises(NovamindError) as caught:
        clinic.run(work)
    return type(caught.value), str(caught.value)


def told(clinic: Clinic, *parts: str) -> tuple[Any, ...]:
    entry = clinic.entries()[-1]
    return tuple(entry[part] for part in parts)


def test_what_is_about_nobody_is_permitted_or_told(clinic: Clinic, access: AccessControl) -> None:
    who = principal(Role.ADMIN)
    given = clinic.run(access.permit(who, Permission.USERS_MANAGE))
    assert (given.actor, given.role, given.purpose) == (str(who.subject), "admin", "users.manage")
    assert clinic.entries() == []
    assert refusal(clinic, access.permit(who, READ)) == (AuthorizationError, NOT_ALLOWED)
    assert told(clinic, "action", "what", "outcome", "count", "patient", "purpose", "actor") == (
        "patients.read",
        "route",
        "denied",
        0,
        None,
        "none",
        str(who.subject),
    )
    half = principal(second_factor=False)
    assert refusal(clinic, access.permit(half, READ)) == (
        AuthorizationError,
        "set up a second factor first: POST /api/v1/me/second-factor",
    )


def test_of_which_of_the_two_a_patient_is_refused_is_not_told(
    clinic: Clinic, access: AccessControl, here: UUID
) -> None:
    mine, other, store = clinic.patient(here), clinic.patient(here), clinic.foundation.store
    who = principal(organisation=here)
    clinic.run(store.relate(who.subject, mine, SHELL))
    given, revision = clinic.run(access.permit_revision(who, READ, mine))
    assert (given.purpose, given.actor, revision) == ("treatment", str(who.subject), 1)
    assert clinic.run(access.permit_patient(who, READ, mine)).purpose == "treatment"
    for patient in (other, uuid4()):
        assert refusal(clinic, access.permit_patient(who, READ, patient)) == (NotFoundError, NO_PATIENT)
        assert told(clinic, "action", "what", "outcome", "count", "patient") == (
            "patients.read",
            "patient",
            "denied",
            0,
            clinic.foundation.audit.pseudonym(patient),
        )
    admin = principal(Role.ADMIN, here)
    assert refusal(clinic, access.permit_patient(admin, READ, mine)) == (AuthorizationError, NOT_ALLOWED)
    before = len(clinic.entries())
    answers = clinic.run(access.permit_patients(who, READ, [mine, other]))
    assert list(answers) == [mine, other]
    assert answers[mine].purpose == "treatment"
    assert isinstance(answers[other], NotFoundError)
    assert len(clinic.entries()) == before + 1


def test_who_uses_population_twins_is_told_before(clinic: Clinic, access: AccessControl) -> None:
    analyst = principal(Role.ANALYST)
    clinic.run(access.admit(analyst, Permission.POPULATIONS_USE, "population.trained"))
    assert told(clinic, "action", "what", "outcome", "count", "purpose", "role") == (
        "population.trained",
        "population",
        "admitted",
        1,
        "populations.use",
        "analyst",
    )
    assert refusal(clinic, access.admit(principal(), Permission.POPULATIONS_USE, "x")) == (
        AuthorizationError,
        NOT_ALLOWED,
    )
    patient = uuid4()
    assert refusal(clinic, access.refuse(principal(), Permission.FHIR_READ, patient)) == (
        AuthorizationError,
        NOT_ALLOWED,
    )
    assert told(clinic, "action", "what", "outcome", "patient") == (
        "fhir.read",
        "patient",
        "denied",
        clinic.foundation.audit.pseudonym(patient),
    )


def test_patients_are_listed_for_whoever_may_read_them(
    clinic: Clinic, access: AccessControl, here: UUID, clock: Clock
) -> None:
    there = clinic.organisation("Other")
    ours = sorted(clinic.patient(here) for _ in range(4))
    other = clinic.patient(there)
    clinician, store = principal(organisation=here), clinic.foundation.store
    for patient in (ours[0], ours[2], ours[3], other):
        clinic.run(store.relate(clinician.subject, patient, SHELL))
    clinic.run(store.relate(uuid4(), ours[1], SHELL))

    def listed(who: Principal, after: UUID | None = None, limit: int = 10) -> list[UUID]:
        return list(clinic.run(access.patients(who, after, limit)))

    assert listed(clinician) == [ours[0], ours[2], ours[3]]
    assert listed(clinician, limit=2) == [ours[0], ours[2]]
    assert listed(clinician, after=ours[0]) == [ours[2], ours[3]]
    assert listed(principal(Role.SERVICE, here)) == ours
    assert listed(principal(Role.SERVICE, there)) == [other]
    assert listed(principal(Role.PATIENT, here, patient_id=ours[1])) == [ours[1]]
    clock.move(10)
    clinic.run(store.unrelate(clinician.subject, ours[2], SHELL))
    assert listed(clinician) == [ours[0], ours[3]]
    clinic.execute(sa.update(Relationship).values(begins_at=clock.at + timedelta(seconds=1)))
    assert listed(clinician) == []
    assert refusal(clinic, access.patients(principal(Role.ADMIN), None, 1))[0] is AuthorizationError
    assert clinic.rows(Patient)


def test_an_administrator_names_patients_of_their_own_clinic(clinic: Clinic, access: AccessControl, here: UUID) -> None:
    patient = clinic.patient(here)
    for organisation in (here, None):
        clinic.run(access.patient_within(principal(Role.ADMIN, organisation), patient))
    for organisation, whom in ((clinic.organisation("Other"), patient), (here, uuid4()), (None, uuid4())):
        work = access.patient_within(principal(Role.ADMIN, organisation), whom)
        assert refusal(clinic, work) == (NotFoundError, NO_PATIENT)
        assert told(clinic, "action", "what", "outcome") == ("users.manage", "patient", "denied")


def test_an_emergency_opens_a_record_for_looking_for_a_quarter_of_an_hour(
    clinic: Clinic, access: AccessControl, here: UUID, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[tuple[str, dict[str, Any]]] = []

    class Log:
        def warning(self, text: str, **fields: Any) -> None:
            warned.append((text, fields))

    monkeypatch.setattr(module, "log", Log())
    patient = clinic.patient(here)
    who = principal(organisation=here, subject=clinic.user("ada", organisation=here))
    until = clinic.run(access.open_emergency(who, patient, REASON))
    assert until == clock.at + timedelta(seconds=900)
    pseudonym = clinic.foundation.audit.pseudonym(patient)
    assert warned == [("a record was opened in an emergency", {"patient_id_hash": pseudonym})]
    (row,) = clinic.rows(EmergencyAccess)
    assert (row.user_id, row.patient_id, row.opened_at, row.expires_at) == (who.subject, patient, clock.at, until)
    assert b"unconscious" not in row.reason
    seal = access._seal
    assert seal.open(row.reason, "emergency_accesses.reason", row.emergency_id) == REASON
    assert told(clinic, "action", "what", "outcome", "count", "patient", "purpose", "references") == (
        "emergency.opened",
        "patient",
        "success",
        1,
        pseudonym,
        "emergency",
        [str(row.emergency_id)],
    )
    (event,) = clinic.rows(OutboxEvent, OutboxEvent.kind == "emergency.opened")
    assert (event.patient_id, event.record_ids) == (patient, [str(row.emergency_id)])
    assert clinic.run(access.permit_patient(who, READ, patient)).purpose == "emergency"
    assert refusal(clinic, access.permit_patient(who, WRITE, patient))[0] is NotFoundError
    clock.move(899)
    assert clinic.run(access.permit_patient(who, READ, patient)).purpose == "emergency"
    clock.move(1)
    assert refusal(clinic, access.permit_patient(who, READ, patient)) == (NotFoundError, NO_PATIENT)


@pytest.mark.parametrize(("reason", "good"), [("a" * 9, False), ("a" * 10, True), (f"  {'a' * 9}  ", False)])
def test_an_emergency_has_a_reason_of_ten_characters(
    clinic: Clinic, access: AccessControl, here: UUID, reason: str, good: bool
) -> None:
    patient, who = clinic.patient(here), principal(organisation=here, subject=clinic.user("ada", organisation=here))
    work = access.open_emergency(who, patient, reason)
    if good:
        clinic.run(work)
    else:
        assert refusal(clinic, work) == (ValidationError, "give the reason in at least 10 characters")
        assert clinic.rows(EmergencyAccess) == []


def test_an_emergency_is_for_clinicians_of_the_clinic_three_times_a_day(
    clinic: Clinic, access: AccessControl, here: UUID, clock: Clock
) -> None:
    patient, there = clinic.patient(here), clinic.organisation("Other")
    who = principal(organisation=here, subject=clinic.user("ada", organisation=here))
    elsewhere = principal(organisation=there)
    for somebody, whom, error in (
        (principal(Role.AUDITOR, here), patient, AuthorizationError),
        (elsewhere, patient, NotFoundError),
        (who, uuid4(), NotFoundError),
        (principal(organisation=None), uuid4(), NotFoundError),
    ):
        assert refusal(clinic, access.open_emergency(somebody, whom, REASON))[0] is error
        assert told(clinic, "action", "outcome") == ("emergency.open", "denied")
    begun = clock.at
    for _ in range(3):
        clinic.run(access.open_emergency(who, patient, REASON))
        clock.move(1)
    assert refusal(clinic, access.open_emergency(who, patient, REASON))[0] is TooManyAttemptsError
    clock.at = begun + timedelta(days=1, seconds=-1)
    assert refusal(clinic, access.open_emergency(who, patient, REASON))[0] is TooManyAttemptsError
    clock.move(1)
    clinic.run(access.open_emergency(who, patient, REASON))


@pytest.mark.parametrize(
    ("age", "known", "asks"),
    [(0.0, "all", False), (0.999, "all", False), (1.0, "all", True), (0.0, "one", True), (0.0, "none", True)],
)
def test_what_was_read_with_the_session_counts_for_less_than_a_second(
    clinic: Clinic, access: AccessControl, here: UUID, clock: Clock, age: float, known: str, asks: bool
) -> None:
    patients = [clinic.patient(here) for _ in range(2)]
    at_hand = {"all": patients, "one": patients[:1], "none": []}[known]
    ties = {one: Ties(here, True, None, 7, clock.monotonic - age) for one in at_hand}
    who = principal(organisation=here, ties=ties)
    answers = clinic.run(access.permit_patients(who, READ, patients))
    treated: Callable[[Any], bool] = lambda answer: not isinstance(answer, NovamindError)  # noqa: E731
    assert [treated(answer) for answer in answers.values()] == [not asks] * 2
    if not asks:
        assert clinic.run(access.permit_revision(who, READ, patients[0]))[1] == 7
        twice = clinic.run(access.permit_patients(who, READ, [patients[0], patients[0]]))
        assert list(twice) == [patients[0]]
