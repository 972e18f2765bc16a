"""Keys change under a running system, killed or not; what is purged is gone, from backups too once its key is."""

import asyncio
import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from novamind import cli
from novamind.errors import DataProcessingError, NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure import rotation as module
from novamind.infrastructure.bootstrap import Foundation, open_foundation
from novamind.infrastructure.database import Base
from novamind.infrastructure.identity.domain import Role
from novamind.infrastructure.identity.tables import RefreshToken, Session, User
from novamind.infrastructure.keys import KeyFile
from novamind.infrastructure.patient_store import Identity, Kind
from novamind.infrastructure.retention import PurgePlan
from novamind.infrastructure.tables import IdempotencyKey, Patient, PatientKey, Record, WrappingKey
from novamind.settings import Settings
from tests.infrastructure.clinic import Clinic, Clock
from tests.infrastructure.conftest import CLINICIAN, Run
from tests.infrastructure.processes import SHELL, Other, ingest, rotate

TOMORROW = datetime.now(UTC) + timedelta(days=1)


async def patients(here: Foundation, count: int, notes: int = 3) -> list[UUID]:
    organisation = await here.store.add_organisation("Clinic", CLINICIAN)
    made = []
    for i in range(count):
        made.append(await here.store.register(organisation, Identity({"mrn": str(i)}, {"n": i}), CLINICIAN))
        await here.store.append(made[-1], Kind.NOTE, [{"patient": i, "n": n} for n in range(notes)], CLINICIAN)
    return made


async def all_open(here: Foundation, ids: list[UUID], notes: int = 3) -> None:
    for i, patient_id in enumerate(ids):
        here.vault.forget(patient_id)
        records = await here.store.read(patient_id, Kind.NOTE, CLINICIAN)
        assert sorted(record.content["n"] for record in records) == list(range(notes))
        assert {record.content["patient"] for record in records} == {i}


def test_an_encryption_key_is_replaced_retired_and_destroyed(run: Run[None], settings: Settings) -> None:
    async def work(here: Foundation) -> None:
        ids = await patients(here, 7)
        keys = here.keys.encryption
        assert isinstance(keys, KeyFile)
        old = await keys.current()
        keys.add()
        rotation = here.rotation(CLINICIAN)
        assert await rotation.retire() == set()  # it is still needed
        assert await rotation.pending() == 7
        assert await rotation.rewrap() == 7
        assert await rotation.rewrap() == 0
        await all_open(here, ids)
        assert await rotation.retire() == {old}
        keys.drop({old})
        await all_open(here, ids)
        assert old not in settings.key_file.read_text()
        assert len(json.loads(settings.key_file.read_text())["encryption"]) == 1

    run(work)


def test_a_process_with_a_retired_key_cannot_make_what_nobody_could_read(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        await patients(here, 1)
        keys = here.keys.encryption
        assert isinstance(keys, KeyFile)
        stale = keys.local()  # a process that has not heard of the rotation
        keys.add()
        await here.rotation(CLINICIAN).rewrap()
        await here.rotation(CLINICIAN).retire()
        here.vault._encryption = stale
        with pytest.raises(ServiceUnavailableError, match="retired"):
            await here.store.register((await patients_organisation(here)), Identity({}, {}), CLINICIAN)

    run(work)


async def patients_organisation(here: Foundation) -> UUID:
    async with here.database.snapshot() as session:
        return (await session.scalars(sa.select(Patient.organisation_id))).one()


def test_data_keys_are_replaced_while_others_read_and_write(run: Run[None], settings: Settings) -> None:
    """D06 of the attack plan."""

    async def work(here: Foundation) -> None:
        ids = await patients(here, 4)
        async with open_foundation(settings) as other:  # another process, with the earlier keys in its memory
            await all_open(other, ids)
            done = asyncio.Event()

            async def traffic() -> int:
                written = 0
                while not (done.is_set() and written):
                    await other.store.append(ids[0], Kind.CONDITION, [{"n": written}], CLINICIAN)
                    written += 1
                    assert len(await other.store.read(ids[0], Kind.CONDITION, CLINICIAN)) == written
                return written

            busy = asyncio.create_task(traffic())
            assert await here.rotation(CLINICIAN).renew_data_keys(TOMORROW) == 4
            done.set()
            assert await busy > 0
            await all_open(other, ids)
        await all_open(here, ids)
        async with here.database.snapshot() as session:
            assert await session.scalar(sa.select(sa.func.count()).select_from(PatientKey)) == 4
            assert set(await session.scalars(sa.select(PatientKey.generation))) == {2}
        assert await here.rotation(CLINICIAN).renew_data_keys(datetime.now(UTC) - timedelta(days=1)) == 0

    run(work)


@pytest.mark.weak("an encryption key is destroyed before what it wraps is wrapped again", "D06")
def test_records_are_seen_not_to_open_when_their_key_was_destroyed_too_early(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        ids = await patients(here, 2)
        keys = here.keys.encryption
        assert isinstance(keys, KeyFile)
        old = await keys.current()
        keys.add()
        keys.drop({old})
        with pytest.raises(DataProcessingError):
            await all_open(here, ids)

    run(work)


def test_a_rotation_that_is_killed_leaves_everything_readable_and_goes_on(
    run: Run[list[UUID]], settings: Settings
) -> None:
    """D06 of the attack plan."""

    ids = run(lambda here: patients(here, 6))
    for pause in (0.2,) if "postgres" in settings.database_url.get_secret_value() else (0.05, 0.3):
        other = Other(rotate, settings)
        assert other.says() == "ready"
        other.process.join(pause)
        assert other.process.is_alive()
        assert list(other.kill()) == []

        async def work(here: Foundation) -> list[UUID]:
            await all_open(here, ids)
            rotation = here.rotation(CLINICIAN)
            await rotation.rewrap()
            await rotation.renew_data_keys(TOMORROW)
            await all_open(here, ids)
            async with here.database.snapshot() as session:
                assert await session.scalar(sa.select(sa.func.count()).select_from(PatientKey)) == 6
            assert (await here.audit.verify()).intact
            return ids

        run(work)


async def differing(here: Foundation, patient_id: UUID) -> set[str]:
    """Records that the audit does not tell of, and records that it tells of and that are not there."""
    entries = await here.audit.entries(patient_id, 10_000)
    told = {one for entry in entries if entry["what"] == "symptom_report" for one in entry["references"]}
    async with here.database.snapshot() as session:
        reports = sa.select(Record.record_id).where(Record.kind == Kind.SYMPTOM_REPORT, Record.patient_id == patient_id)
        kept = await session.scalars(reports)
        return told ^ set(map(str, kept))


@pytest.mark.weak("a record is deleted apart from its entry", "E09")
def test_what_was_acknowledged_is_there_after_a_kill_and_nothing_by_halves(run: Run[UUID], settings: Settings) -> None:
    """Also E09 of the attack plan: no change without its audit entry, no entry of a change that was undone."""

    async def first(here: Foundation) -> UUID:
        return (await patients(here, 1))[0]

    patient_id = run(first)
    acknowledged: dict[int, list[UUID]] = {}
    for start in (0, 100_000):
        other = Other(ingest, settings, patient_id, start)
        acknowledged |= dict([other.says() for _ in range(20)])
        acknowledged |= dict(other.kill())

    async def check(here: Foundation) -> UUID:
        records = await here.store.read(patient_id, Kind.SYMPTOM_REPORT, CLINICIAN)
        stored: dict[int, set[UUID]] = {}
        for record in records:
            stored.setdefault(record.content["n"], set()).add(record.record_id)
        assert all(set(ids) == stored[n] for n, ids in acknowledged.items())
        assert {len(ids) for ids in stored.values()} == {2}  # each pair whole
        n, ids = next(iter(acknowledged.items()))
        pair = [{"n": n}, {"n": n}]
        again = await here.store.append(patient_id, Kind.SYMPTOM_REPORT, pair, SHELL, idempotency_key=str(n))
        assert again == ids
        found = await here.audit.verify()
        assert found.intact
        entries = await here.audit.entries(patient_id, 10_000)
        assert sum(entry["what"] == "symptom_report" and entry["action"] == "write" for entry in entries) == len(stored)
        assert await differing(here, patient_id) == set()
        async with here.database.transaction() as session:  # as if the two were stored apart
            await session.execute(sa.delete(Record).where(Record.record_id == ids[0]))
        assert await differing(here, patient_id) == {str(ids[0])}
        return patient_id

    run(check)


async def rows_of(here: Foundation, patient_id: UUID) -> int:
    count = 0
    async with here.database.snapshot() as session:
        for table in Base.metadata.sorted_tables:
            if "patient_id" in table.c:
                query = sa.select(sa.func.count()).select_from(table).where(table.c.patient_id == patient_id)
                count += await session.scalar(query) or 0
    return count


def test_a_forgotten_patient_leaves_nothing_but_the_proof(run: Run[None]) -> None:
    """D08 of the attack plan."""

    async def work(here: Foundation) -> None:
        gone, stays = await patients(here, 2)
        await here.store.decide(gone, "research", True, CLINICIAN)
        await here.store.relate(uuid4(), gone, CLINICIAN)
        cipher = await here.vault.cipher(gone)
        await here.retention.forget(gone, CLINICIAN)
        assert await rows_of(here, gone) == 0
        for attempt in (
            here.store.read(gone, Kind.NOTE, CLINICIAN),
            here.store.append(gone, Kind.NOTE, [{}], CLINICIAN),
            here.retention.forget(gone, CLINICIAN),
        ):
            with pytest.raises(NotFoundError):
                await attempt
        here.vault._ciphers[gone] = cipher  # a process that has the data key in its memory still
        with pytest.raises(NotFoundError):
            await here.store.append(gone, Kind.NOTE, [{}], CLINICIAN)
        assert len(await here.store.read(stays, Kind.NOTE, CLINICIAN)) == 3
        (proof,) = [entry for entry in await here.audit.entries(gone) if entry["action"] == "purge"]
        assert len(proof["references"]) == 1
        assert (await here.audit.verify()).intact

    run(work)


@pytest.mark.weak("the data key is destroyed, and the encryption key of a backup is not", "D08")
def test_a_backup_from_before_opens_no_more_when_its_encryption_key_is_destroyed(tmp_path: Path) -> None:
    """D06 and D08 of the attack plan."""

    settings = Settings(database_url=f"sqlite:///{tmp_path}/live.db", key_file=tmp_path / "keys.json")
    backup = settings.model_copy(
        update={"database_url": Settings(database_url=f"sqlite:///{tmp_path}/backup.db").database_url}
    )

    async def main() -> None:
        async with open_foundation(settings) as here:
            (patient_id,) = await patients(here, 1)
        shutil.copy(tmp_path / "live.db", tmp_path / "backup.db")
        async with open_foundation(settings) as here:
            await here.retention.forget(patient_id, CLINICIAN)
            keys, rotation = here.keys.encryption, here.rotation(CLINICIAN)
            assert isinstance(keys, KeyFile)
            async with open_foundation(backup) as restored:
                assert len(await restored.store.read(patient_id, Kind.NOTE, CLINICIAN)) == 3  # hence the next step
            keys.add()
            await rotation.rewrap()
            keys.drop(await rotation.retire())
        async with open_foundation(backup) as restored:
            with pytest.raises(DataProcessingError):
                await restored.store.read(patient_id, Kind.NOTE, CLINICIAN)

    asyncio.run(main())


async def aged(here: Foundation, patient_id: UUID, days: int) -> None:
    past = datetime.now(UTC) - timedelta(days=days)
    async with here.database.transaction() as session:
        await session.execute(sa.update(Patient).where(Patient.patient_id == patient_id).values(created_at=past))
        await session.execute(sa.update(Record).where(Record.patient_id == patient_id).values(recorded_at=past))
        await session.execute(sa.update(IdempotencyKey).values(created_at=past))


def test_what_has_outlived_its_purpose_is_planned_first_and_then_deleted(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        old, mixed, new = await patients(here, 3)
        await here.store.append(new, Kind.NOTE, [{}], CLINICIAN, idempotency_key="k")
        await aged(here, old, 4000)
        await aged(here, mixed, 4000)
        await here.store.append(mixed, Kind.NOTE, [{"new": True}], CLINICIAN)
        plan = await here.retention.plan()
        assert (plan.patients, plan.records, plan.idempotency_keys) == ((old,), 3, 1)
        assert await rows_of(here, old) > 0
        await here.retention.carry_out(plan, CLINICIAN)
        assert await rows_of(here, old) == 0
        assert [r.content for r in await here.store.read(mixed, Kind.NOTE, CLINICIAN)] == [{"new": True}]
        assert len(await here.store.read(mixed, Kind.IDENTITY, CLINICIAN)) == 1
        plan = await here.retention.plan()
        assert (plan.patients, plan.records, plan.idempotency_keys) == ((), 0, 0)

    run(work)


def test_the_shell_rotates_retires_purges_and_verifies(
    run: Run[list[UUID]], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = run(lambda here: patients(here, 2))
    monkeypatch.setenv("NOVAMIND_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("NOVAMIND_KEY_FILE", str(settings.key_file))
    monkeypatch.setenv("NOVAMIND_AUDIT_WITNESS", str(settings.audit_witness))

    def shell(*words: object, code: int = 0) -> str:
        done = CliRunner().invoke(cli.app, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done.stdout

    assert json.loads(shell("keys", "rotate", "--data-keys", "--json")) == {"rewrapped": 2, "renewed": 2}
    assert len(json.loads(shell("keys", "retire", "--json"))["retired"]) == 1
    assert "1 patients" in shell("purge", "--patient", first)
    shell("purge", "--patient", first, "--execute")
    assert "0 patients" in shell("purge", "--execute")
    with pytest.raises(NotFoundError):
        CliRunner().invoke(cli.app, ["purge", "--patient", str(first)], catch_exceptions=False)
    with pytest.raises(ValidationError, match="UUID"):
        CliRunner().invoke(cli.app, ["purge", "--patient", "Ada"], catch_exceptions=False)
    assert "intact" in shell("audit", "verify")

    async def attack(here: Foundation) -> list[UUID]:
        async with here.database.transaction() as session:
            drop = "DROP TRIGGER audit_entries_delete"
            disable = "ALTER TABLE audit_entries DISABLE TRIGGER USER"
            await session.execute(sa.text(drop if here.database.is_sqlite else disable))
            await session.execute(sa.text("DELETE FROM audit_entries WHERE sequence = 3"))
        return [second]

    run(attack)
    assert "broken at entry 3: it is missing" in shell("audit", "verify", code=1)
    assert json.loads(shell("audit", "verify", "--json", code=1))["broken_at"] == 3


def test_new_keys_are_good_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = CliRunner().invoke(cli.app, ["keys", "generate"]).stdout.splitlines()
    for line in lines:
        monkeypatch.setenv(*line.split("=", 1))
    settings = Settings(environment="production", key_provider="environment")
    names = ("encryption_key", "index_key", "audit_signing_key", "jwt_secret")
    assert len({settings.key(name) for name in names}) == 4


# --- on SQLite, with a clock that stands still ---


def made(clinic: Clinic, count: int, notes: int = 3) -> list[UUID]:
    return list(clinic.run(patients(clinic.foundation, count, notes)))


def test_records_are_kept_to_the_last_moment_of_their_time(clinic: Clinic, clock: Clock) -> None:
    retention, begun = clinic.foundation.retention, clock.at
    (mine,) = made(clinic, 1)
    kept = timedelta(days=3650)
    clock.at = begun + kept
    plan = clinic.run(retention.plan())
    assert plan == PurgePlan(begun, (), 0, 0)
    clock.move(microseconds=1)
    plan = clinic.run(retention.plan())
    assert (plan.patients, plan.records, plan.cutoff) == ((mine,), 0, begun + timedelta(microseconds=1))
    assert clinic.run(retention.plan(begun)).patients == ()
    clinic.run(retention.carry_out(plan, CLINICIAN))
    assert clinic.rows(Patient) == []
    assert clinic.last() == [("purge", "patient", "success", 8)]


def test_results_are_kept_for_four_hundred_days_and_keep_nobody(clinic: Clinic, clock: Clock) -> None:
    retention, store, begun = clinic.foundation.retention, clinic.foundation.store, clock.at
    (mine,) = made(clinic, 1)

    def store_result() -> None:
        clinic.run(store.append(mine, Kind.INSIGHT, [{"model_version": "m"}], CLINICIAN))

    store_result()
    clock.at = begun + timedelta(days=400)
    store_result()
    assert clinic.run(retention.plan()).records == 0
    clock.move(microseconds=1)
    plan = clinic.run(retention.plan())
    assert plan.records == 1
    clinic.run(retention.carry_out(plan, CLINICIAN))
    assert [row.recorded_at for row in clinic.rows(Record, Record.kind == Kind.INSIGHT)] == [
        begun + timedelta(days=400)
    ]
    clock.at = begun + timedelta(days=3650, microseconds=1)
    store_result()
    assert clinic.run(retention.plan()).patients == (mine,), "who is only looked at does not come any more"


def test_old_records_of_a_patient_who_still_comes_are_deleted_and_told(clinic: Clinic, clock: Clock) -> None:
    retention, store = clinic.foundation.retention, clinic.foundation.store
    mine, other = made(clinic, 2, 2)
    begun = clock.at
    clock.at = begun + timedelta(days=3650)
    clinic.run(store.append(mine, Kind.NOTE, [{"n": 7}], CLINICIAN))
    clinic.run(store.append(other, Kind.CONDITION, [{"n": 8}], CLINICIAN))
    (first, *_) = clinic.run(store.read(mine, Kind.NOTE, CLINICIAN))
    assert clinic.run(retention.plan()).records == 0
    clock.move(1)
    plan = clinic.run(retention.plan())
    assert (plan.patients, plan.records) == ((), 4)
    clinic.run(retention.carry_out(plan, CLINICIAN))
    told = {(one["action"], one["what"], one["count"], one["patient"]) for one in clinic.entries()[-2:]}
    pseudonym = clinic.foundation.audit.pseudonym
    assert told == {("purge", "records", 2, pseudonym(one)) for one in (mine, other)}
    assert sorted(row.kind for row in clinic.rows(Record)) == ["condition", "identity", "identity", "note"]
    before = len(clinic.entries())
    clinic.run(retention.carry_out(clinic.run(retention.plan()), CLINICIAN))
    assert len(clinic.entries()) == before
    assert first.content["n"] in (0, 1)


def test_an_identity_is_kept_while_it_holds_and_its_earlier_forms_for_their_time(clinic: Clinic, clock: Clock) -> None:
    retention, store = clinic.foundation.retention, clinic.foundation.store
    (mine,) = made(clinic, 1, 1)
    (identity,) = clinic.run(store.read(mine, Kind.IDENTITY, CLINICIAN))
    clinic.run(store.amend(mine, identity, {"identifiers": {}, "details": {"name": "new"}}, CLINICIAN))
    begun = clock.at
    clock.at = begun + timedelta(days=3650)
    clinic.run(store.append(mine, Kind.NOTE, [{}], CLINICIAN))
    clinic.run(retention.carry_out(clinic.run(retention.plan()), CLINICIAN))
    assert len([row for row in clinic.rows(Record) if row.kind == "identity"]) == 2
    clock.move(microseconds=1)
    clinic.run(retention.carry_out(clinic.run(retention.plan()), CLINICIAN))
    assert [row.version for row in clinic.rows(Record) if row.kind == "identity"] == [2]


def test_a_noted_request_is_kept_for_a_day(clinic: Clinic, clock: Clock) -> None:
    retention, store = clinic.foundation.retention, clinic.foundation.store
    (mine,) = made(clinic, 1)
    clinic.run(store.append(mine, Kind.NOTE, [{}], CLINICIAN, idempotency_key="k"))
    clock.move(days=1)
    assert clinic.run(retention.plan()).idempotency_keys == 0
    clinic.run(retention.carry_out(clinic.run(retention.plan()), CLINICIAN))
    assert len(clinic.rows(IdempotencyKey)) == 1
    clock.move(microseconds=1)
    assert clinic.run(retention.plan()).idempotency_keys == 1
    clinic.run(retention.carry_out(clinic.run(retention.plan()), CLINICIAN))
    assert clinic.rows(IdempotencyKey) == []


def test_the_proof_of_forgetting_is_the_digest_of_each_destroyed_key(clinic: Clinic) -> None:
    mine, other = made(clinic, 2)
    clinic.run(clinic.foundation.vault.renew(mine))
    wrapped = [row.wrapped for row in clinic.rows(PatientKey, PatientKey.patient_id == mine)]
    clinic.run(clinic.foundation.retention.forget(mine, CLINICIAN))
    told = clinic.entries()[-1]
    assert (told["action"], told["what"], told["count"]) == ("purge", "patient", 9)
    assert sorted(told["references"]) == sorted(hashlib.sha256(key).hexdigest() for key in wrapped)
    assert mine not in clinic.foundation.vault._ciphers
    with pytest.raises(NotFoundError, match="there is no patient of this id"):
        clinic.run(clinic.foundation.retention.forget(mine, CLINICIAN))
    assert {row.patient_id for row in clinic.rows(Record)} == {other}


def test_what_points_to_a_forgotten_patient_goes_with_them(clinic: Clinic) -> None:
    here = clinic.organisation()
    mine, other = clinic.patient(here), clinic.patient(here)
    clinic.user("pat", Role.PATIENT, here, mine)
    clinic.user("ada", organisation=here)
    app = clinic.app()
    clinic.log_in(app, "pat")
    clinic.log_in(app, "ada")
    clinic.run(clinic.foundation.retention.forget(mine, CLINICIAN))
    assert len(clinic.rows(User)) == len(clinic.rows(Session)) == len(clinic.rows(RefreshToken)) == 1
    assert clinic.rows(User)[0].role == "clinician"
    assert [row.patient_id for row in clinic.rows(Patient)] == [other]


def test_rewrapping_goes_on_in_batches_and_is_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._BATCH == 100
    monkeypatch.setattr(module, "_BATCH", 2)
    ids = made(clinic, 5, 1)
    keys: Any = clinic.foundation.keys.encryption
    keys.add()
    seen: list[int] = []
    rotation = clinic.foundation.rotation(CLINICIAN, seen.append)
    assert clinic.run(rotation.pending()) == 5
    assert clinic.run(rotation.rewrap()) == 5
    assert seen == [2, 4, 5]
    assert clinic.last(3) == [("rewrapped", "data_key", "success", n) for n in (2, 2, 1)]
    assert {row.wrapping_key for row in clinic.rows(PatientKey)} == {clinic.run(keys.current())}
    assert clinic.run(rotation.pending()) == 0
    for one in ids:
        clinic.foundation.vault.forget(one)
        assert len(clinic.run(clinic.foundation.store.read(one, Kind.NOTE, CLINICIAN))) == 1


def test_a_key_is_retired_when_it_wraps_nothing_and_never_the_present_one(clinic: Clinic, clock: Clock) -> None:
    made(clinic, 1)
    keys: Any = clinic.foundation.keys.encryption
    rotation, old = clinic.foundation.rotation(CLINICIAN), clinic.run(keys.current())
    keys.add()
    assert clinic.run(rotation.retire()) == set()
    clinic.run(rotation.rewrap())
    clock.move(60)
    assert clinic.run(rotation.retire()) == {old}
    assert clinic.last() == [("retired", "encryption_key", "success", 1)]
    assert clinic.entries()[-1]["references"] == [old]
    retired = {row.name: row.retired_at for row in clinic.rows(WrappingKey)}
    assert retired == {old: clock.at, clinic.run(keys.current()): None}
    before = len(clinic.entries())
    clock.move(60)
    assert clinic.run(rotation.retire()) == {old}
    assert len(clinic.entries()) == before
    assert {row.name: row.retired_at for row in clinic.rows(WrappingKey)} == retired


def test_data_keys_from_before_a_moment_are_renewed_and_what_was_begun_is_finished(
    clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 2)
    old, begun = made(clinic, 2, 5)
    clock.move(60)
    (new,) = made(clinic, 1)
    clinic.run(clinic.foundation.vault.renew(begun))  # and then it was interrupted
    seen: list[int] = []
    rotation = clinic.foundation.rotation(CLINICIAN, seen.append)
    assert clinic.run(rotation.renew_data_keys(clock.at)) == 2
    assert seen == [1, 2]
    generations = {row.patient_id: row.generation for row in clinic.rows(PatientKey)}
    assert generations == {old: 2, begun: 2, new: 1}
    assert {row.key_id for row in clinic.rows(Record)} == {row.key_id for row in clinic.rows(PatientKey)}
    assert clinic.last(2) == [("destroyed", "data_key", "success", 1)] * 2
    told = clinic.entries()[-2:]
    assert {one["patient"] for one in told} == {clinic.foundation.audit.pseudonym(one) for one in (old, begun)}
    assert all(len(one["references"]) == 1 for one in told)
    for one in (old, begun):
        assert len(clinic.run(clinic.foundation.store.read(one, Kind.NOTE, CLINICIAN))) == 5
    assert clinic.run(rotation.renew_data_keys(clock.at)) == 0


def test_a_patient_who_is_written_faster_than_sealed_is_given_up_after_ten_times(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(clinic, 1)
    rotation, tries = clinic.foundation.rotation(CLINICIAN), []

    async def busy(patient_id: UUID) -> bool:
        tries.append(patient_id)
        return False

    monkeypatch.setattr(rotation, "_drop_earlier", busy)
    with pytest.raises(ValidationError, match="written faster than they can be sealed again; try again later"):
        clinic.run(rotation.renew_data_keys(TOMORROW))
    assert len(tries) == 10


def test_a_key_under_which_somebody_wrote_meanwhile_is_not_destroyed(clinic: Clinic) -> None:
    (mine,) = made(clinic, 1)
    clinic.run(clinic.foundation.vault.renew(mine))
    rotation = clinic.foundation.rotation(CLINICIAN)
    before = len(clinic.entries())
    assert clinic.run(rotation._drop_earlier(mine)) is False
    assert len(clinic.entries()) == before
    assert len(clinic.rows(PatientKey)) == 2
    clinic.run(rotation._reseal(mine))
    assert clinic.run(rotation._drop_earlier(mine)) is True
    assert len(clinic.rows(PatientKey)) == 1


def test_a_rotation_goes_by_what_is_stored_and_not_by_what_it_remembers(clinic: Clinic) -> None:
    (mine,) = made(clinic, 1)
    vault = clinic.foundation.vault
    stale = clinic.run(vault.cipher(mine))
    clinic.run(vault.renew(mine))
    newest = clinic.run(vault.cipher(mine)).key_id
    vault._ciphers[mine] = stale  # of a process that has not heard of the new key
    assert clinic.run(clinic.foundation.rotation(CLINICIAN).renew_data_keys(TOMORROW)) == 1
    assert [row.key_id for row in clinic.rows(PatientKey)] == [newest]
    cipher = clinic.run(vault.cipher(mine))
    assert (cipher.knows(newest), cipher.knows(stale.key_id)) == (True, False)


@pytest.mark.parametrize("how", ["one", "plan"])
def test_nothing_of_what_was_deleted_stays_in_the_log_of_sqlite(clinic: Clinic, clock: Clock, how: str) -> None:
    retention = clinic.foundation.retention
    (mine,) = made(clinic, 1)
    log = Path(str(clinic.settings.database_url.get_secret_value()).removeprefix("sqlite:///") + "-wal")
    assert log.stat().st_size > 0
    if how == "one":
        clinic.run(retention.forget(mine, CLINICIAN))
    else:
        clock.move(days=3649)
        clinic.run(clinic.foundation.store.append(mine, Kind.NOTE, [{}], CLINICIAN))
        clock.move(days=2)
        clinic.run(retention.carry_out(clinic.run(retention.plan()), CLINICIAN))
    assert log.stat().st_size == 0
