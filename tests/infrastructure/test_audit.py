"""The audit is one chain however many write it, and whatever is done to it is found and named."""

import asyncio
import base64
import hashlib
import json
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import DataProcessingError, ServiceUnavailableError, ValidationError
from novamind.infrastructure import audit as module
from novamind.infrastructure.audit import (
    CHECKPOINT_EVERY,
    NOTHING,
    ORIGIN,
    Access,
    AuditLog,
    Checkpoint,
    Event,
    Verification,
    chain_digest,
)
from novamind.infrastructure.bootstrap import Foundation
from novamind.infrastructure.database import Database
from novamind.infrastructure.tables import AuditCheckpoint, AuditEntry
from novamind.settings import Settings
from tests.infrastructure.clinic import Clinic, Clock
from tests.infrastructure.conftest import CLINICIAN, Run
from tests.infrastructure.processes import Other, write_audit
from tests.weak import must_fail

ENTRIES = 230  # two checkpoints, at 100 and 200
PATIENT = uuid4()


def event(n: int = 0) -> Event:
    return Event(access=CLINICIAN, action="read", what="note", patient_id=PATIENT, references=[str(n)])


async def filled(here: Foundation) -> None:
    await here.audit.append(*(event(n) for n in range(ENTRIES)))


async def without_refusal(database: Database, *statements: sa.Executable) -> None:
    """What somebody may do who owns the database: the triggers are no obstacle."""
    async with database.transaction() as session:
        for table in ("audit_entries", "audit_checkpoints"):
            if database.is_sqlite:
                for action in ("update", "delete"):
                    await session.execute(sa.text(f"DROP TRIGGER IF EXISTS {table}_{action}"))
            else:
                await session.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            await session.execute(statement)


def test_an_untouched_chain_is_intact(run: Run[None]) -> None:
    async def work(here: Foundation) -> None:
        await filled(here)
        found = await here.audit.verify()
        assert (found.entries, found.checkpoints, found.unsigned) == (ENTRIES, 4, 30)  # each also in the witness
        assert found.intact
        await here.audit.checkpoint()
        await here.audit.checkpoint()
        assert (await here.audit.verify()).unsigned == 0

    run(work)


def test_many_who_wait_share_a_commit_and_the_chain_has_no_gap(run: Run[None], monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(here: Foundation) -> None:
        commits = 0
        within = here.audit.append_within

        async def counted(*arguments: object) -> None:
            nonlocal commits
            commits += 1
            await within(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(here.audit, "append_within", counted)
        await asyncio.gather(*(here.audit.append(event(n)) for n in range(100)))
        assert commits <= 3
        assert (await here.audit.verify()).entries == 100

        async def fail(*_arguments: object) -> None:
            raise ServiceUnavailableError("down")

        monkeypatch.setattr(here.audit, "append_within", fail)
        results = await asyncio.gather(*(here.audit.append(event()) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(result, ServiceUnavailableError) for result in results)

    run(work)


def test_two_processes_write_one_chain(settings: Settings, run: Run[Verification]) -> None:
    """E10 of the attack plan."""

    async def work(here: Foundation) -> Verification:
        other = Other(write_audit, settings, 150)
        while other.process.is_alive():
            await asyncio.gather(*(here.audit.append(event(n)) for n in range(5)))
            await asyncio.sleep(0.02)
        assert list(other.kill()) == []
        assert other.process.exitcode == 0
        return await here.audit.verify()

    one_chain(run(work))


def one_chain(found: Verification) -> None:
    """Check that both have written it."""
    assert found.intact
    assert found.entries > 150


@pytest.mark.weak("a process chains its entries to nothing that others have written", "E10")
def test_two_chains_in_one_are_seen(run: Run[Verification], monkeypatch: pytest.MonkeyPatch) -> None:
    end = AuditLog._end

    async def work(here: Foundation) -> Verification:
        other = AuditLog(here.database, here.keys.audit_signing, b"0123456789abcdef")

        async def own_end(self: AuditLog, session: AsyncSession) -> tuple[int, bytes]:
            sequence, digest = await end(self, session)
            return sequence, NOTHING if self is other else digest

        monkeypatch.setattr(AuditLog, "_end", own_end)
        for n in range(20):
            await asyncio.gather(*(log.append(*(event(n) for _ in range(5))) for log in (here.audit, other)))
        return await here.audit.verify()

    must_fail(one_chain, run(work))


E = AuditEntry
DELETE = sa.delete(E)
MUTATIONS = {
    "middle deleted": ([DELETE.where(E.sequence == 57)], 57),
    "first deleted": ([DELETE.where(E.sequence == 1)], 1),
    "tail past a checkpoint cut off": ([DELETE.where(E.sequence > 150)], 151),
    "tail and its checkpoint cut off": (
        [DELETE.where(E.sequence > 150), sa.delete(AuditCheckpoint).where(AuditCheckpoint.sequence > 150)],
        151,  # the witness knows
    ),
    "all deleted": ([DELETE, sa.delete(AuditCheckpoint)], 1),
    "content changed": ([sa.update(E).where(E.sequence == 90).values(content=E.content + " ")], 90),
    "digest changed": ([sa.update(E).where(E.sequence == 91).values(digest=NOTHING)], 91),
    "subject changed": ([sa.update(E).where(E.sequence == 92).values(subject=None)], 92),
    "renumbered": ([sa.update(E).where(E.sequence == ENTRIES).values(sequence=ENTRIES + 5)], ENTRIES),
    "inserted before": ([sa.insert(E).values(sequence=0, content="{}", subject=None, digest=NOTHING)], 0),
    "forged at the end": (
        [sa.insert(E).values(sequence=ENTRIES + 1, content="{}", subject=None, digest=NOTHING)],
        ENTRIES + 1,
    ),
    "duplicated": (
        [
            sa.insert(E).from_select(
                ["sequence", "content", "subject", "digest"],
                sa.select(sa.literal(ENTRIES + 1), E.content, E.subject, E.digest).where(E.sequence == 7),
            )
        ],
        ENTRIES + 1,
    ),
    "swapped": (
        [
            sa.update(E).where(E.sequence == 40).values(sequence=-1),
            sa.update(E).where(E.sequence == 41).values(sequence=40),
            sa.update(E).where(E.sequence == -1).values(sequence=41),
        ],
        40,
    ),
    "checkpoint deleted": ([sa.delete(AuditCheckpoint).where(AuditCheckpoint.sequence == 100)], 100),
    "signature changed": (
        [sa.update(AuditCheckpoint).where(AuditCheckpoint.sequence == 200).values(signature=bytes(64))],
        101,
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_was_done_to_the_chain_is_found_and_named(run: Run[None], name: str) -> None:
    """E02 of the attack plan."""

    statements, broken_at = MUTATIONS[name]

    async def work(here: Foundation) -> None:
        await here.store.add_organisation("Clinic", CLINICIAN)  # entry 1
        await here.audit.append(*(event(n) for n in range(ENTRIES - 1)))
        await without_refusal(here.database, *statements)
        found = await here.audit.verify()
        assert found.broken_at == broken_at
        assert found.reason

    run(work)


@pytest.mark.weak("an entry's digest does not depend on what it says; checkpoints are not checked", "E02", "E03")
def test_what_was_done_is_seen_to_stay_hidden_without_digests_and_checkpoints(
    run: Run[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, "chain_digest", lambda _before, _content: NOTHING)
        must_fail(test_what_was_done_to_the_chain_is_found_and_named, run, "digest changed")
    monkeypatch.setattr(AuditLog, "_read_witness", lambda _: [])
    must_fail(test_a_database_set_back_is_noticed, run)


async def rewritten(here: Foundation, key: Ed25519PrivateKey) -> None:
    """Put other entries in the place of all, with right digests and new checkpoints."""
    digest, entries, checkpoints = NOTHING, [], []
    forger = AuditLog(here.database, key, b"0123456789abcdef")
    for sequence in range(1, ENTRIES + 1):
        content = forger._content(sequence, forger._now(), event(0))
        digest = chain_digest(digest, content)
        entries.append(
            {"sequence": sequence, "content": content, "subject": forger.pseudonym(PATIENT), "digest": digest}
        )
        if sequence % CHECKPOINT_EVERY == 0:
            checkpoints.append(vars(forger._sign(sequence, digest)))
    await without_refusal(here.database, sa.delete(AuditEntry), sa.delete(AuditCheckpoint))
    async with here.database.transaction() as session:
        await session.execute(sa.insert(AuditEntry), entries)
        await session.execute(sa.insert(AuditCheckpoint), checkpoints)


@pytest.mark.weak("somebody has the signing key, and there is no witness", "E04", "E05")
@pytest.mark.parametrize(("has_key", "has_witness", "noticed"), [(0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 0, 0)])
def test_a_rewritten_chain_needs_the_signing_key_and_even_then_the_witness_knows(
    run: Run[None], settings: Settings, has_key: int, has_witness: int, noticed: int
) -> None:
    """E04 and E05 of the attack plan."""

    async def work(here: Foundation) -> None:
        await filled(here)
        await rewritten(here, here.keys.audit_signing if has_key else Ed25519PrivateKey.generate())
        assert settings.audit_witness is not None
        if not has_witness:
            settings.audit_witness.unlink()
        found = await here.audit.verify()
        assert found.broken_at == (1 if noticed else None)  # the last case is why there is a witness

    run(work)


def test_a_database_set_back_is_noticed(run: Run[None]) -> None:
    """E03 of the attack plan."""

    async def work(here: Foundation) -> None:
        await filled(here)
        # as in a consistent older copy, the entries and checkpoints after 150 are simply not there
        await without_refusal(
            here.database,
            sa.delete(AuditEntry).where(AuditEntry.sequence > 150),
            sa.delete(AuditCheckpoint).where(AuditCheckpoint.sequence > 150),
        )
        await here.audit.append(*(event(n) for n in range(100)))  # and life goes on, past the lost checkpoint
        found = await here.audit.verify()
        assert found.broken_at == 101
        assert "not those that were signed" in found.reason

    run(work)


def test_random_bytes_changed_anywhere_are_found_at_their_place(run: Run[None]) -> None:
    """E02 of the attack plan."""

    async def work(here: Foundation) -> None:
        await filled(here)
        await without_refusal(here.database)
        chance = random.Random(0)
        for _ in range(60):
            sequence = chance.randint(1, ENTRIES)
            one = sa.select(AuditEntry.content).where(AuditEntry.sequence == sequence)
            async with here.database.snapshot() as session:
                content = await session.scalar(one)
            assert content is not None
            at = chance.randrange(len(content))
            changed = content[:at] + chr(ord(content[at]) ^ 1) + content[at + 1 :]
            place = sa.update(AuditEntry).where(AuditEntry.sequence == sequence)
            await without_refusal(here.database, place.values(content=changed))
            assert (await here.audit.verify()).broken_at == sequence
            await without_refusal(here.database, place.values(content=content))
        assert (await here.audit.verify()).intact

    run(work)


def test_a_clock_set_back_is_told_and_breaks_nothing(run: Run[None], monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(here: Foundation) -> None:
        await here.audit.append(event())

        class Earlier(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:
                del tz
                return datetime.now(UTC) - timedelta(hours=1)

        monkeypatch.setattr(module, "datetime", Earlier)
        await here.audit.append(event())
        monkeypatch.undo()
        found = await here.audit.verify()
        assert found.intact
        assert found.clock_set_back == [2]

    run(work)


def test_a_damaged_witness_is_an_error_of_its_own(run: Run[None], settings: Settings) -> None:
    async def work(here: Foundation) -> None:
        assert settings.audit_witness is not None
        settings.audit_witness.write_text("{}\n")
        with pytest.raises(DataProcessingError, match="witness"):
            await here.audit.verify()

    run(work)


@pytest.mark.parametrize("value", ["Ada Lovelace", "ada@example.org", "", "a" * 65, "läßt", "a\nb"])
def test_there_is_no_room_for_what_a_person_said(value: str) -> None:
    with pytest.raises(ValidationError):
        Access(actor=value, role="clinician", purpose="treatment", correlation_id="1")
    with pytest.raises(ValidationError):
        Event(access=CLINICIAN, action="read", what=value)


# --- with a clock that stands still ---


class Log:
    """What the module logs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[tuple[str, list[str]]] = []
        monkeypatch.setattr(module, "log", self)

    def error(self, text: str, **fields: object) -> None:
        self.lines.append((text, sorted(fields)))


def test_an_entry_says_this_and_nothing_else(clinic: Clinic, clock: Clock) -> None:
    clock.move(microseconds=7)
    one = Event(
        access=CLINICIAN,
        action="read",
        what="note",
        patient_id=PATIENT,
        outcome="denied",
        count=3,
        references=["a", "b:c"],
    )
    clinic.run(clinic.foundation.audit.append(one, event()))
    first, second = sorted(clinic.rows(AuditEntry), key=lambda row: row.sequence)
    pseudonym = clinic.foundation.audit.pseudonym(PATIENT)
    assert first.content == (
        '{"sequence":1,"at":"2026-03-29T00:30:00.000007+00:00","actor":"clinician-1","role":"clinician",'
        '"purpose":"treatment","correlation_id":"request-1","origin":"here","action":"read","what":"note",'
        f'"patient":"{pseudonym}","outcome":"denied","count":3,"references":["a","b:c"]}}'
    )
    assert (first.subject, second.subject) == (pseudonym, pseudonym)
    assert first.digest == hashlib.sha256(bytes(32) + first.content.encode()).digest()
    assert second.digest == hashlib.sha256(first.digest + second.content.encode()).digest()
    about_nobody = Event(access=CLINICIAN, action="read", what="route")
    assert (about_nobody.outcome, about_nobody.count, about_nobody.references) == ("success", 1, ())


def test_the_newest_entries_about_a_patient_come_first(clinic: Clinic) -> None:
    audit = clinic.foundation.audit
    clinic.run(audit.append(*(event(n) for n in range(105)), Event(access=CLINICIAN, action="x", what="y")))
    found = clinic.run(audit.entries(PATIENT))
    assert [one["references"] for one in found] == [[str(n)] for n in range(104, 4, -1)]
    assert [one["sequence"] for one in clinic.run(audit.entries(PATIENT, 2))] == [105, 104]
    assert clinic.run(audit.entries(uuid4())) == []


def test_every_hundredth_entry_is_signed_for_the_database_and_the_witness(
    clinic: Clinic, clock: Clock, settings_of: Settings
) -> None:
    audit, witness = clinic.foundation.audit, settings_of.audit_witness
    assert witness is not None
    clinic.run(audit.append(*(event(n) for n in range(99))))
    assert clinic.rows(AuditCheckpoint) == []
    assert not witness.exists()
    clinic.run(audit.append(*(event(n) for n in range(102))))
    kept = sorted(clinic.rows(AuditCheckpoint), key=lambda row: row.sequence)
    assert [row.sequence for row in kept] == [100, 200]
    entries = {row.sequence: row.digest for row in clinic.rows(AuditEntry)}
    public = clinic.foundation.keys.audit_signing.public_key()
    for row, line in zip(kept, witness.read_text().splitlines(), strict=True):
        assert (row.digest, row.signed_at) == (entries[row.sequence], clock.at)
        assert row.signer == hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]
        at = "2026-03-29T00:30:00+00:00"
        statement = f"novamind audit\n{row.sequence}\n{row.digest.hex()}\n{at}\n"
        public.verify(row.signature, statement.encode())
        assert json.loads(line) == {
            "sequence": row.sequence,
            "digest": row.digest.hex(),
            "signed_at": at,
            "signer": row.signer,
            "signature": base64.b64encode(row.signature).decode(),
        }
        read = Checkpoint(row.sequence, row.digest, row.signed_at, row.signer, row.signature)
        assert Checkpoint.read(line) == read
        assert read.line() == line + "\n"
    clinic.run(audit.checkpoint())
    assert {row.sequence for row in clinic.rows(AuditCheckpoint)} == {100, 200, 201}
    clinic.run(audit.checkpoint())
    assert len(witness.read_text().splitlines()) == 3
    found = clinic.run(audit.verify())
    assert (found.entries, found.checkpoints, found.unsigned, found.intact) == (201, 6, 0, True)


@pytest.fixture
def settings_of(clinic: Clinic) -> Settings:
    return clinic.settings


def test_nothing_is_signed_where_nothing_is(clinic: Clinic) -> None:
    clinic.run(clinic.foundation.audit.checkpoint())
    assert clinic.rows(AuditCheckpoint) == []
    found = clinic.run(clinic.foundation.audit.verify())
    assert found == Verification()
    assert (found.intact, found.entries, found.unsigned, found.clock_set_back) == (True, 0, 0, [])


def test_a_witness_that_cannot_be_written_is_told_and_stops_nobody(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(monkeypatch)
    witness = clinic.settings.audit_witness
    assert witness is not None
    witness.mkdir()
    clinic.run(clinic.foundation.audit.append(event()))
    clinic.run(clinic.foundation.audit.checkpoint())
    assert log.lines == [("the audit's witness cannot be written", ["exc_info"])]
    with pytest.raises(DataProcessingError, match="the audit's witness cannot be read; restore the file"):
        clinic.run(clinic.foundation.audit.verify())
    witness.rmdir()
    clinic.run(clinic.foundation.audit.append(event()))
    clinic.run(clinic.foundation.audit.checkpoint())
    assert len(witness.read_text().splitlines()) == 1
    assert clinic.run(clinic.foundation.audit.verify()).checkpoints == 3
    assert len(log.lines) == 1


def test_a_checkpoint_of_what_is_undone_is_not_witnessed(clinic: Clinic) -> None:
    async def undone() -> None:
        with pytest.raises(KeyError):
            async with clinic.foundation.database.transaction() as session:
                await clinic.foundation.audit.append_within(session, *(event(n) for n in range(100)))
                raise KeyError

    clinic.run(undone())
    assert clinic.settings.audit_witness is not None
    assert not clinic.settings.audit_witness.exists()
    assert clinic.entries() == []


@pytest.mark.parametrize(("seconds", "told"), [(-5, False), (-5.1, True), (0, False), (60, False)])
def test_a_clock_may_be_five_seconds_off(
    clinic: Clinic, clock: Clock, seconds: float, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(monkeypatch)
    clinic.run(clinic.foundation.audit.append(event()))
    clock.move(seconds)
    clinic.run(clinic.foundation.audit.append(event(), event()))
    text = "the clock was set back; the audit's entries keep their order by number"
    assert log.lines == ([(text, [])] if told else [])
    assert clinic.run(clinic.foundation.audit.verify()).clock_set_back == ([2] if told else [])


def test_the_check_goes_page_by_page_and_says_how_far_it_is(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._PAGE == 5000
    monkeypatch.setattr(module, "_PAGE", 3)
    clinic.run(clinic.foundation.audit.append(*(event(n) for n in range(7))))
    seen: list[int] = []
    found = clinic.run(clinic.foundation.audit.verify(seen.append))
    assert seen == [3, 6, 7]
    assert (found.entries, found.unsigned) == (7, 7)


REASONS = {
    "it was added afterwards": (
        [sa.insert(E).values(sequence=-(2**62), content="{}", subject=None, digest=NOTHING)],
        -(2**62),
        0,
        0,
    ),
    "it is missing": ([DELETE.where(E.sequence == 5)], 5, 4, 0),
    "it was changed, or put in another's place": (
        [sa.update(E).where(E.sequence == 6).values(content=E.content + " ")],
        6,
        5,
        0,
    ),
    "its checkpoint is missing": (
        [sa.delete(AuditCheckpoint).where(AuditCheckpoint.sequence == 100)],
        100,
        99,
        0,
    ),
    "the entries from here to 200 are not those that were signed": (
        [
            sa.update(AuditCheckpoint)
            .where(AuditCheckpoint.sequence == 200)
            .values(signed_at=datetime(2020, 1, 1, tzinfo=UTC))
        ],
        101,
        199,
        2,
    ),
    "the chain was cut off: 200 entries were signed": ([DELETE.where(E.sequence > 150)], 151, 150, 2),
    "the chain is empty though the database is not": ([DELETE, sa.delete(AuditCheckpoint)], 1, 0, 0),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_is_wrong_is_said_in_words(clinic: Clinic, reason: str) -> None:
    statements, broken_at, entries, checkpoints = REASONS[reason]
    clinic.organisation()
    clinic.run(clinic.foundation.audit.append(*(event(n) for n in range(209))))
    if "empty" in reason:
        assert clinic.settings.audit_witness is not None
        clinic.settings.audit_witness.unlink()
    clinic.run(without_refusal(clinic.foundation.database, *statements))
    found = clinic.run(clinic.foundation.audit.verify())
    assert (found.reason, found.broken_at, found.intact) == (reason, broken_at, False)
    assert (found.entries, found.checkpoints) == (entries, checkpoints)


def test_a_pseudonym_is_the_one_of_the_logs_and_an_address_has_one_too(clinic: Clinic) -> None:
    audit = clinic.foundation.audit
    key = clinic.foundation.index.keyed("pseudonym")
    from novamind.infrastructure.logs import patient_hash

    assert audit.pseudonym(None) is None
    assert audit.pseudonym(PATIENT) == patient_hash(str(PATIENT), key)
    assert audit.origin("10.0.0.1") == patient_hash("address 10.0.0.1", key)[:32]
    assert ORIGIN.get() == "here"
    token = ORIGIN.set(audit.origin("10.0.0.1"))
    assert Access(actor="a", role="b", purpose="c", correlation_id="d").origin == audit.origin("10.0.0.1")
    ORIGIN.reset(token)


@pytest.mark.parametrize("form", ["a", "A9:._-", "0" * 64])
@pytest.mark.parametrize("name", ["actor", "role", "purpose", "correlation_id", "origin"])
def test_an_identifier_has_up_to_64_characters_in_every_field(name: str, form: str) -> None:
    stated = dict.fromkeys(("actor", "role", "purpose", "correlation_id", "origin"), "x")
    assert getattr(Access(**stated | {name: form}), name) == form
    for wrong in ("", "0" * 65, "-a", f"{form} ", f"{form}\n"):
        with pytest.raises(ValidationError, match=f"^{name} must be an identifier of at most 64"):
            Access(**stated | {name: wrong})


@pytest.mark.parametrize("name", ["action", "what", "outcome", "references"])
def test_every_text_of_an_event_is_an_identifier(name: str) -> None:
    stated = {"action": "a", "what": "b", "outcome": "c", "references": ["d", "e"]}
    Event(access=CLINICIAN, **stated)  # type: ignore[arg-type]
    for wrong in ("", "0" * 65, "Ada Lovelace"):
        with pytest.raises(ValidationError, match="an audit entry takes identifiers of at most 64"):
            Event(access=CLINICIAN, **stated | {name: ["d", wrong] if name == "references" else wrong})  # type: ignore[arg-type]


def test_an_audit_that_cannot_be_written_is_told_so(clinic: Clinic) -> None:
    clinic.execute(sa.text("DROP TABLE audit_entries"))
    with pytest.raises(ServiceUnavailableError, match="the audit cannot be written now, so nothing is done"):
        clinic.run(clinic.foundation.audit.append(event()))
