"""Keys change under a running system, killed or not; what is purged is gone, from backups too once its key is."""

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from novamind import cli
from novamind.errors import DataProcessingError, NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.bootstrap import Foundation, open_foundation
from novamind.infrastructure.database import Base
from novamind.infrastructure.keys import KeyFile
from novamind.infrastructure.patient_store import Identity, Kind
from novamind.infrastructure.tables import IdempotencyKey, Patient, PatientKey, Record
from novamind.settings import Settings
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
    Settings(environment="production", key_provider="environment")
