"""Section 5 of the attack plan: without an audit there is no access, and outsiders can check it by themselves."""

import asyncio
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from novamind.errors import ServiceUnavailableError
from novamind.infrastructure import audit as module
from novamind.infrastructure.audit import AuditLog, Event
from novamind.infrastructure.bootstrap import Foundation, open_foundation
from novamind.infrastructure.logs import configure
from novamind.infrastructure.patient_store import Identity, Kind
from novamind.infrastructure.tables import AuditEntry, Record
from novamind.settings import Settings
from tests.infrastructure.conftest import CLINICIAN, Run, run, settings
from tests.security.auditor import BEGINNING, Proof, Signed, continues, first_wrong, included, out_of_order, split
from tests.security.test_authorisation import BODIES, WITH_A_MAKER, about_patients, stored
from tests.server.world import FHIR_JSON, World
from tests.weak import must_fail

__all__ = ["run", "settings"]

BODY = BODIES | {"openEmergency": {"reason": "unconscious in the emergency room"}}


# --- E08: no audit, no access ---


@contextmanager
def refusing(world: World) -> Iterator[None]:
    """The audit's table takes nothing; everything else of the database works."""

    async def do(statement: str) -> None:
        async with world.container.foundation.database.transaction() as session:
            await session.execute(sa.text(statement))

    no = "CREATE TRIGGER refuse BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    world.run(do(no))
    try:
        yield
    finally:
        world.run(do("DROP TRIGGER refuse"))


def rows(world: World) -> dict[str, list[Any]]:
    """Everything that is stored of patients."""
    tables = ("patients", "patient_records", "consents", "relationships", "emergency_accesses", "patient_identifiers")

    async def read() -> dict[str, list[Any]]:
        async with world.container.foundation.database.snapshot() as session:
            return {one: list(await session.execute(sa.text(f"SELECT * FROM {one}"))) for one in tables}  # noqa: S608

    return dict(world.run(read()))


def calls(world: World) -> dict[str, Callable[[], Any]]:
    """Every way to see or change something of a patient: operations, lists, pages, a file, a question."""
    patient = world.patients["P1"]
    record = world.call("GET", f"/api/v1/patients/{patient}/fhir", "C11").content
    table = b"timestamp,value,symptom\n2026-03-30T08:00:00,9,PHQ-9\n"

    def asked(name: str, method: str, path: str) -> Callable[[], Any]:
        at = path.replace("{patient_id}", patient).replace("{category}", "sharing")
        at = at.replace("{user_id}", str(world.users["C12"]))
        at = at.replace("{record_id}", world.run(stored(world, name, patient, "C11")))
        who = {"openEmergency": "C12", "beginTreatment": "admin", "endTreatment": "admin"}.get(name, "C11")
        if name == "importFhir":
            body: dict[str, Any] = {"content": record, "headers": {"Content-Type": FHIR_JSON}}
        elif name == "importFile":
            body = {"content": table, "headers": {"Content-Type": "application/octet-stream"}}
            at += "?name=table.csv"
        else:
            body = {"json": BODY.get(name)}
        return lambda: world.call(method.upper(), at, who, **body)

    operations = {name: one for name, one in about_patients(world).items() if name not in WITH_A_MAKER}
    found = {name: asked(name, *one[:2]) for name, one in operations.items()}
    found["listPatients"] = lambda: world.call("GET", "/api/v1/patients", "C11")
    found["registerPatient"] = lambda: world.call("POST", "/api/v1/patients", "C11", json={"name": "x"})
    question: dict[str, Any] = {"query": "query ($id: UUID!) { patient(id: $id) { identifiers symptoms { value } } }"}
    question |= {"variables": {"id": patient}}
    found["graphql"] = lambda: world.call("POST", "/graphql", "C11", json=question)
    found["page"] = lambda: world.call("GET", f"/patients/{patient}", "C11")
    at = f"/patients/{patient}/upload"
    found["upload"] = lambda: world.call("POST", at, "C11", files={"file": ("table.csv", table)})
    return found


def let_through(world: World, asked: dict[str, Callable[[], Any]]) -> list[str]:
    """What was answered with anything but 503 while the audit could not be written."""
    through = []
    with refusing(world):
        for name, call in asked.items():
            answer = call()
            told = answer.json() if name == "graphql" else {}
            if told and told["data"] == {"patient": None} and told["errors"][0]["extensions"]["status"] == 503:
                continue  # GraphQL has the status beside the part that is missing
            if answer.status_code != 503:
                through.append(f"{name}: {answer.status_code}")
    return through


def test_e08_while_the_audit_cannot_be_written_nobody_sees_or_changes_anything(small_world: World) -> None:
    asked = calls(small_world)
    small_world.call("GET", f"/api/v1/patients/{small_world.patients['P1']}/forecast", "C11")  # now it is in the cache
    before, entries = rows(small_world), len(small_world.audited())
    assert let_through(small_world, asked) == []
    assert rows(small_world) == before
    assert len(small_world.audited()) >= entries
    patient = f"/api/v1/patients/{small_world.patients['P1']}"
    assert small_world.call("GET", patient, "C11").status_code == 200  # recovered by itself
    assert small_world.run(small_world.container.foundation.audit.verify()).intact


THREE = {"readPatient", "readMedications", "addReports"}


@pytest.mark.weak("what cannot be written into the audit is passed over", "E08")
def test_e08_the_sweep_finds_a_server_that_goes_on_without_its_audit(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = AuditLog.append

    async def careless(self: AuditLog, *events: Any) -> None:
        with suppress(ServiceUnavailableError):
            await honest(self, *events)

    monkeypatch.setattr(AuditLog, "append", careless)
    asked = {name: call for name, call in calls(small_world).items() if name in THREE}
    through = let_through(small_world, asked)
    assert through == ["readPatient: 200", "readMedications: 200"]  # a change has its entry in its own transaction


@pytest.mark.parametrize("fault", ["locked", "full"])
def test_e08_whatever_keeps_the_audit_from_its_table_is_one_clean_error(run: Run[None], fault: str) -> None:
    """On each database: a table that somebody holds, a disk that is full (on PostgreSQL with that error's code)."""

    async def work(here: Foundation) -> None:
        clinic = await here.store.add_organisation("Clinic", CLINICIAN)
        patient_id = await here.store.register(clinic, Identity({}, {}), CLINICIAN)
        await here.store.append(patient_id, Kind.NOTE, [{"n": 1}], CLINICIAN)
        count = sa.select(sa.func.count())
        async with here.database.engine.connect() as other:
            if fault == "locked" and here.database.is_sqlite:
                connect = here.database.engine.connect
                async with connect() as one, connect() as two:  # the pool's connections that will be used next
                    for waiting in (one, two):
                        await waiting.exec_driver_sql("PRAGMA busy_timeout = 100")
                        await waiting.rollback()
                await other.exec_driver_sql("SELECT 1")  # begins, and takes the lock
            elif fault == "locked":
                await other.exec_driver_sql("LOCK TABLE audit_entries IN ACCESS EXCLUSIVE MODE")
            elif here.database.is_sqlite:
                no = "CREATE TRIGGER refuse BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(FAIL, 'full'); END"
                await other.exec_driver_sql(no)
                await other.commit()
            else:
                no = "BEGIN RAISE EXCEPTION USING ERRCODE = ''53100''; END"
                await other.exec_driver_sql(f"CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS '{no}'")
                each = "BEFORE INSERT ON audit_entries EXECUTE FUNCTION full()"
                await other.exec_driver_sql(f"CREATE TRIGGER refuse {each}")
                await other.commit()
            tried = await asyncio.gather(
                here.store.read(patient_id, Kind.NOTE, CLINICIAN),
                here.store.append(patient_id, Kind.NOTE, [{"n": 2}], CLINICIAN),
                return_exceptions=True,
            )
            assert [type(one) for one in tried] == [ServiceUnavailableError] * 2
            await other.rollback()
        async with here.database.snapshot() as session:
            assert await session.scalar(count.where(Record.kind == "note")) == 1
            assert await session.scalar(count.select_from(AuditEntry)) == 3

    run(work)


# --- E06, E07: an auditor who does not trust us ---


def event(n: int) -> Event:
    return Event(access=CLINICIAN, action="read", what="note", references=[str(n)])


async def written(here: Foundation) -> list[tuple[int, str, str]]:
    async with here.database.snapshot() as session:
        columns = (AuditEntry.sequence, AuditEntry.content, AuditEntry.digest)
        found = await session.execute(sa.select(*columns).order_by(AuditEntry.sequence))
        return [(sequence, content, digest.hex()) for sequence, content, digest in found]


def witnessed(file: Path) -> list[Signed]:
    return [Signed.read(line) for line in file.read_text().splitlines()]


Chain = tuple[list[tuple[int, str, str]], list[Signed], bytes]


@pytest.fixture
def chain(run: Run[Any], settings: Settings) -> Chain:
    """Entries, signed checkpoints and public key, as an auditor gets them."""

    async def work(here: Foundation) -> Any:
        for start in range(0, 2200, 220):
            await here.audit.append(*(event(start + n) for n in range(220)))
        assert settings.audit_witness is not None
        key = here.keys.audit_signing.public_key().public_bytes_raw()
        return await written(here), witnessed(settings.audit_witness), key

    return tuple(run(work))  # type: ignore[return-value]


def proof_of(chain: Chain, sequence: int) -> tuple[int, str, Proof, Signed, bytes]:
    entries, signed, key = chain
    by = next(one for one in signed if one.sequence >= sequence)
    before = entries[sequence - 2][2] if sequence > 1 else BEGINNING
    contents = tuple(content for _, content, _ in entries[sequence - 1 : by.sequence])
    return sequence, entries[sequence - 1][1], Proof(before, contents), by, key


def altered(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text))
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def spoiled(chance: random.Random, arguments: tuple[int, str, Proof, Signed, bytes]) -> tuple[Any, ...]:
    """The same proof with one thing wrong."""
    sequence, content, proof, signed, key = arguments
    at = chance.randrange(len(proof.contents))
    less = proof.contents[:at] + proof.contents[at + 1 :]
    changed = (*proof.contents[:at], proof.contents[at] + " ", *proof.contents[at + 1 :])
    name = chance.choice(["digest", "signed_at", "signer", "signature"])
    return chance.choice(
        [
            (sequence + 1, content, proof, signed, key),
            (sequence, content.replace("read", "list"), proof, signed, key),
            (sequence, content, replace(proof, before=altered(chance, proof.before)), signed, key),
            (sequence, content, replace(proof, contents=less), signed, key),
            (sequence, changed[0], replace(proof, contents=changed), signed, key),
            (sequence, content, proof, replace(signed, **{name: altered(chance, getattr(signed, name))}), key),
            (sequence, content, proof, replace(signed, sequence=signed.sequence + 100), key),
            (sequence, content, proof, signed, bytes(32)),
        ]
    )


def test_e07_an_independent_verifier_accepts_every_right_proof_and_no_wrong_one(chain: Chain) -> None:
    entries, signed, key = chain
    chance = random.Random(0)
    assert first_wrong(entries, signed, key) is None
    assert all(included(*proof_of(chain, chance.randint(1, 2200))) for _ in range(100))
    accepted = sum(included(*spoiled(chance, proof_of(chain, chance.randint(1, 2200)))) for _ in range(500))
    assert accepted == 0
    for _ in range(20):
        older, newer = sorted(chance.sample(signed, 2), key=lambda one: one.sequence)
        between = [content for _, content, _ in entries[older.sequence : newer.sequence]]
        assert continues(older, newer, between, key)
        assert not continues(older, newer, [*between[:-1], between[-1].replace("read", "list")], key)
        assert not continues(older, newer, between[1:], key)
        assert not continues(older, replace(newer, digest=older.digest), between, key)


@pytest.mark.weak("a verifier does not look at signatures", "E07")
def test_e07_both_verifiers_name_the_same_entry(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    entries, signed, key = chain
    changed = [(n, content + " " * (n == 1234), digest) for n, content, digest in entries]
    assert first_wrong(changed, signed, key) == 1234
    assert first_wrong(entries[:1999], signed, key) == 2000  # cut off, and the witness knows
    forged = [replace(one, digest=one.digest, signature=signed[0].signature) for one in signed]
    assert first_wrong(entries, forged, key) == 101
    monkeypatch.setattr(Signed, "genuine", lambda *_: True)  # a verifier that does not look at signatures
    assert first_wrong(entries, forged, key) is None


def test_e06_two_auditors_who_are_shown_two_logs_find_out(tmp_path: Path) -> None:
    """Somebody with the signing key keeps two histories from entry 151 on, and shows each auditor one."""
    mine = Settings(
        database_url=f"sqlite:///{tmp_path}/mine.db",  # type: ignore[arg-type]
        key_file=tmp_path / "keys",
        audit_witness=tmp_path / "mine",
    )
    theirs = mine.model_copy(
        update={"database_url": type(mine.database_url)(f"sqlite:///{tmp_path}/theirs.db")}
        | {"audit_witness": tmp_path / "theirs"}
    )

    async def grow(settings: Settings, *numbers: int) -> bytes:
        async with open_foundation(settings) as here:
            await here.audit.append(*map(event, numbers))
            assert (await here.audit.verify()).intact  # each by itself
            return here.keys.audit_signing.public_key().public_bytes_raw()

    async def checked(settings: Settings) -> int | None:
        async with open_foundation(settings) as here:
            return (await here.audit.verify()).broken_at

    key = asyncio.run(grow(mine, *range(150)))
    shutil.copy(tmp_path / "mine.db", tmp_path / "theirs.db")
    shutil.copy(tmp_path / "mine", tmp_path / "theirs")
    seen = witnessed(tmp_path / "mine")
    assert split(seen, witnessed(tmp_path / "theirs"), key) is None
    asyncio.run(grow(mine, *range(150, 250)))
    asyncio.run(grow(theirs, *range(1150, 1250)))
    assert split(witnessed(tmp_path / "mine"), witnessed(tmp_path / "theirs"), key) == 200
    assert asyncio.run(checked(mine.model_copy(update={"audit_witness": tmp_path / "theirs"}))) == 101


@pytest.mark.weak("an entry's digest does not depend on what it says", "E06")
def test_e06_fails_where_a_digest_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "chain_digest", lambda before, _content: before)
    must_fail(test_e06_two_auditors_who_are_shown_two_logs_find_out, tmp_path)


# --- E13: the clock ---


def test_e13_a_clock_set_back_is_an_alarm_and_the_numbers_go_on(
    run: Run[None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Earlier(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            del tz
            return datetime.now(UTC) - timedelta(hours=1)

    lines = io.StringIO()
    configure(settings, lines)

    async def work(here: Foundation) -> None:
        await here.audit.append(event(0))
        assert lines.getvalue() == ""
        monkeypatch.setattr(module, "datetime", Earlier)
        await here.audit.append(event(1))
        await here.audit.append(event(2))  # the alarm was given
        monkeypatch.undo()
        rows = await written(here)
        assert [sequence for sequence, _, _ in rows] == [1, 2, 3]
        assert all({"sequence", "at"} <= json.loads(content).keys() for _, content, _ in rows)
        assert out_of_order(rows) == (await here.audit.verify()).clock_set_back == [2]

    run(work)
    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["level"] == "error"
    assert json.loads(line)["message"].startswith("the clock was set back")


@pytest.mark.weak("a clock that is a day behind is tolerated", "E13")
def test_e13_fails_where_every_clock_is_right(
    run: Run[None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CLOCK_TOLERANCE", timedelta(days=1))
    with monkeypatch.context() as patched:
        must_fail(test_e13_a_clock_set_back_is_an_alarm_and_the_numbers_go_on, run, settings, patched)
