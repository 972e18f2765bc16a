"""The audit: who saw or changed what, when and why, as a chain in which every alteration shows.

Each entry's digest covers its content and the digest before it (SHA-256), so changing, removing, adding or reordering
entries breaks the chain at that place. Every hundredth entry is a checkpoint signed with Ed25519, so
that rewriting the whole chain takes the signing key. Checkpoints are also added to a *witness*, a file outside the
database. The witness shows a database that was set back or cut off, and a chain rewritten with the signing key.

An entry holds identifiers, kinds and counts. Every field has a form, so no text of a person fits in.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from novamind.errors import DataProcessingError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.database import MAINTENANCE_SECONDS, Batcher, Database
from novamind.infrastructure.logs import message, patient_hash
from novamind.infrastructure.tables import AuditCheckpoint, AuditEntry, Organisation

CHECKPOINT_EVERY: Final = 100
NOTHING: Final = bytes(32)  # the digest before the first entry
_LOCK: Final = 0x6E6F7661617564  # the advisory lock of whoever appends: "novaaud"
_PAGE: Final = 5000
#: Origin of the present request, as a pseudonym; empty for the shell and for work in the background.
ORIGIN: Final[ContextVar[str]] = ContextVar("origin", default="here")
_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}")
_CLOCK_TOLERANCE: Final = timedelta(seconds=5)
_END: Final = sa.select(AuditEntry.sequence, AuditEntry.digest).order_by(AuditEntry.sequence.desc()).limit(1)
_ADD: Final = sa.insert(cast("sa.Table", AuditEntry.__table__))
_WITNESS_SILENT: Final = message("the audit's witness cannot be written")
_SET_BACK: Final = message("the clock was set back; the audit's entries keep their order by number")

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who asks, in which role, what for, in which request, and from where.

    Raises
    ------
    ValidationError
        If a field is anything but an identifier (letters, digits and ``:._-``, at most 64): names, addresses and
        reasons in words have no place in the audit.
    """

    actor: str
    role: str
    purpose: str
    correlation_id: str
    origin: str = field(default_factory=ORIGIN.get)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not _FORM.fullmatch(value):
                raise ValidationError(f"{name} must be an identifier of at most 64 letters, digits and :._-")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something to be recorded.

    Attributes
    ----------
    action
        Such as ``read``, ``write``, ``purge``, ``key.rotated``.
    what
        Kind of what was touched, such as ``symptom_report``.
    patient_id
        Whose; the entry holds the pseudonym alone.
    outcome
        Such as ``success``, ``denied``, ``not_found``, ``tampered``.
    count
        How many.
    references
        Identifiers of what was touched, or digests that prove it.
    """

    access: Access
    action: str
    what: str
    patient_id: UUID | None = None
    outcome: str = "success"
    count: int = 1
    references: Sequence[str] = ()

    def __post_init__(self) -> None:
        for value in (self.action, self.what, self.outcome, *self.references):
            if not _FORM.fullmatch(value):
                raise ValidationError("an audit entry takes identifiers of at most 64 letters, digits and :._-")


@dataclass(frozen=True)
class Checkpoint:
    """A signed statement: the number of entries of the chain, and the digest of its end."""

    sequence: int
    digest: bytes
    signed_at: datetime
    signer: str
    signature: bytes

    def statement(self) -> bytes:
        """Return the bytes that are signed."""
        return f"novamind audit\n{self.sequence}\n{self.digest.hex()}\n{self.signed_at.isoformat()}\n".encode()

    def line(self) -> str:
        """Return the checkpoint as one line of a witness."""
        fields = asdict(self) | {
            "digest": self.digest.hex(),
            "signed_at": self.signed_at.isoformat(),
            "signature": base64.b64encode(self.signature).decode(),
        }
        return json.dumps(fields) + "\n"

    @classmethod
    def read(cls, line: str) -> "Checkpoint":
        """Return the checkpoint in a line of a witness."""
        fields = json.loads(line)
        return cls(
            fields["sequence"],
            bytes.fromhex(fields["digest"]),
            datetime.fromisoformat(fields["signed_at"]),
            fields["signer"],
            base64.b64decode(fields["signature"]),
        )


@dataclass
class Verification:
    """Result of checking the whole chain.

    Attributes
    ----------
    entries
        Entries that are as they were written.
    checkpoints
        Checkpoints, of the database and the witness, that agree with them.
    broken_at
        Sequence number of the first entry that is not; ``None`` if all are.
    reason
        What is wrong there.
    unsigned
        Entries after the last checkpoint: cutting these off could not be noticed.
    clock_set_back
        Entries that are dated before their predecessor.
    """

    entries: int = 0
    checkpoints: int = 0
    broken_at: int | None = None
    reason: str = ""
    unsigned: int = 0
    clock_set_back: list[int] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Return whether nothing was altered."""
        return self.broken_at is None


class AuditLog:
    """Appends to the chain, reads it and checks it.

    Parameters
    ----------
    database
        Where the chain is kept.
    signing_key
        Signs checkpoints.
    pseudonym_key
        Makes patients' pseudonyms, the same as in the logs.
    witness
        File to which checkpoints are added; keep it where the database's administrators cannot write.
    """

    def __init__(
        self,
        database: Database,
        signing_key: Ed25519PrivateKey,
        pseudonym_key: bytes,
        witness: Path | None = None,
    ) -> None:
        self._database = database
        self._signing_key = signing_key
        self._pseudonym_key = pseudonym_key
        self._witness = witness
        self._batcher = Batcher(self._append_all)
        self._latest = datetime.min.replace(tzinfo=UTC)

    async def append(self, *events: Event) -> None:
        """Append; return when the entries are on disk. Callers that wait at the same time share one commit.

        Raises
        ------
        ServiceUnavailableError
            If they could not be stored: the caller must then do nothing.
        """
        await self._batcher.do(events)

    async def _append_all(self, batch: Sequence[Sequence[Event]]) -> list[None]:
        async with self._database.transaction() as session:
            await self.append_within(session, *(event for events in batch for event in events))
        return [None] * len(batch)

    async def append_within(self, session: AsyncSession, *events: Event) -> None:
        """Append within the caller's transaction, so that change and entry are kept together or not at all.

        From here to the commit everybody else who appends waits: call it last.

        Raises
        ------
        ServiceUnavailableError
            If the entries cannot be stored, for whatever reason: leave the transaction with it.
        """
        try:
            await self._append_to_end(session, events)
        except DBAPIError as error:  # of any kind: a full disk, a lock, a table that refuses
            raise ServiceUnavailableError("the audit cannot be written now, so nothing is done; try later") from error

    async def _append_to_end(self, session: AsyncSession, events: Sequence[Event]) -> None:
        sequence, digest = await self._end(session)
        rows, checkpoints, now = [], [], self._now()
        for event in events:
            sequence += 1
            content = self._content(sequence, now, event)
            digest = chain_digest(digest, content)
            subject = self.pseudonym(event.patient_id)
            rows.append({"sequence": sequence, "content": content, "subject": subject, "digest": digest})
            if sequence % CHECKPOINT_EVERY == 0:
                checkpoints.append(self._sign(sequence, digest))
        await session.execute(_ADD, rows)
        if checkpoints:
            await self._add(session, checkpoints)

    def pseudonym(self, patient_id: UUID | None) -> str | None:
        """Return the name under which a patient appears in the audit."""
        return None if patient_id is None else patient_hash(str(patient_id), self._pseudonym_key)

    def origin(self, address: str) -> str:
        """Return the name of a network address in the audit; without the key nobody can test a guess."""
        return patient_hash(f"address {address}", self._pseudonym_key)[:32]

    async def checkpoint(self) -> None:
        """Sign the end of the chain now, wherever it stands."""
        async with self._database.transaction() as session:
            sequence, digest = await self._end(session)
            if sequence and await session.get(AuditCheckpoint, sequence) is None:
                await self._add(session, [self._sign(sequence, digest)])

    async def entries(self, patient_id: UUID, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest entries about one patient, the newest first."""
        query = sa.select(AuditEntry.content).where(AuditEntry.subject == self.pseudonym(patient_id))
        async with self._database.snapshot() as session:
            contents = await session.scalars(query.order_by(AuditEntry.sequence.desc()).limit(limit))
            return [json.loads(content) for content in contents]

    async def verify(self, progress: Callable[[int], None] | None = None) -> Verification:
        """Check every entry and every checkpoint, of the database and of the witness.

        Raises
        ------
        DataProcessingError
            If the witness cannot be read.
        """
        public, verification = self._signing_key.public_key(), Verification()
        async with self._database.snapshot(MAINTENANCE_SECONDS) as session:
            kept = [_checkpoint(row) for row in await session.scalars(sa.select(AuditCheckpoint))]
            check = _Check(verification, public, kept, self._read_witness())
            while rows := (await session.execute(_page(check.sequence))).all():
                if not all(check.entry(*row) for row in rows):
                    return verification
                if progress:
                    progress(verification.entries)
            check.end(await session.scalar(sa.select(sa.func.count()).select_from(Organisation)) or 0)
        return verification

    async def _end(self, session: AsyncSession) -> tuple[int, bytes]:
        """Return number and digest of the last entry; nobody else appends until the transaction has ended."""
        if not self._database.is_sqlite:
            await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        last = (await session.execute(_END)).one_or_none()
        return (0, NOTHING) if last is None else (last.sequence, last.digest)

    def _now(self) -> datetime:
        """Return the time, with an alarm if it is well before that of the last entry of this process."""
        now = datetime.now(UTC)
        if now + _CLOCK_TOLERANCE < self._latest:
            log.error(_SET_BACK)
        self._latest = now
        return now

    def _content(self, sequence: int, now: datetime, event: Event) -> str:
        fields: dict[str, Any] = {
            "sequence": sequence,
            "at": now.isoformat(timespec="microseconds"),
            **vars(event.access),
            "action": event.action,
            "what": event.what,
            "patient": self.pseudonym(event.patient_id),
            "outcome": event.outcome,
            "count": event.count,
            "references": list(event.references),
        }
        return json.dumps(fields, separators=(",", ":"))

    def _sign(self, sequence: int, digest: bytes) -> Checkpoint:
        unsigned = Checkpoint(sequence, digest, datetime.now(UTC), _signer(self._signing_key.public_key()), b"")
        return replace(unsigned, signature=self._signing_key.sign(unsigned.statement()))

    async def _add(self, session: AsyncSession, checkpoints: list[Checkpoint]) -> None:
        """Store checkpoints, and write them to the witness once they are committed."""
        await session.execute(sa.insert(AuditCheckpoint), [asdict(checkpoint) for checkpoint in checkpoints])
        witness = self._witness
        if witness is None:
            return

        def tell(_session: object) -> None:
            try:
                with witness.open("a") as file:
                    file.writelines(checkpoint.line() for checkpoint in checkpoints)
            except OSError as error:  # the entries are committed; the next checkpoint covers this one's
                log.error(_WITNESS_SILENT, exc_info=error)

        sa.event.listen(session.sync_session, "after_commit", tell, once=True)

    def _read_witness(self) -> list[Checkpoint]:
        if self._witness is None or not self._witness.exists():
            return []
        try:
            return [Checkpoint.read(line) for line in self._witness.read_text().splitlines()]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataProcessingError("the audit's witness cannot be read; restore the file") from error


def chain_digest(before: bytes, content: str) -> bytes:
    """Return an entry's digest: SHA-256 over the digest before it and its content."""
    return hashlib.sha256(before + content.encode()).digest()


class _Check:
    """Walks along the chain and stops at the first entry that is not as it was written."""

    def __init__(
        self, verification: Verification, public: Ed25519PublicKey, kept: list[Checkpoint], witnessed: list[Checkpoint]
    ) -> None:
        self.sequence = -(2**63)  # of the last entry seen: the first page begins before anything
        self._verification = verification
        self._public = public
        self._kept = {checkpoint.sequence for checkpoint in kept}
        self._due: dict[int, list[Checkpoint]] = {}
        for checkpoint in (*kept, *witnessed):
            self._due.setdefault(checkpoint.sequence, []).append(checkpoint)
        self._digest = NOTHING
        self._signed = 0  # the last entry that a good checkpoint covers
        self._at = datetime.min.replace(tzinfo=UTC)

    def entry(self, sequence: int, content: str, subject: str | None, digest: bytes) -> bool:
        """Check the next entry and return whether to go on."""
        expected = self._verification.entries + 1
        if sequence != expected:
            if sequence < expected:
                return self._broken(sequence, "it was added afterwards")
            return self._broken(expected, "it is missing")
        self._digest = chain_digest(self._digest, content)
        if self._digest != digest:
            return self._broken(sequence, "it was changed, or put in another's place")
        fields = json.loads(content)
        if fields["sequence"] != sequence or fields["patient"] != subject:
            return self._broken(sequence, "it was changed, or put in another's place")
        if sequence % CHECKPOINT_EVERY == 0 and sequence not in self._kept:
            return self._broken(sequence, "its checkpoint is missing")
        due = self._due.pop(sequence, [])
        if not all(checkpoint.digest == self._digest and self._genuine(checkpoint) for checkpoint in due):
            return self._broken(self._signed + 1, f"the entries from here to {sequence} are not those that were signed")
        if due:
            self._signed = sequence
            self._verification.checkpoints += len(due)
        at = datetime.fromisoformat(fields["at"])
        if at + _CLOCK_TOLERANCE < self._at:
            self._verification.clock_set_back.append(sequence)
        self._at, self.sequence = at, sequence
        self._verification.entries += 1
        return True

    def end(self, organisations: int) -> None:
        """Check that nothing was cut off."""
        self._verification.unsigned = self._verification.entries - self._signed
        if self._due:
            self._broken(self._verification.entries + 1, f"the chain was cut off: {max(self._due)} entries were signed")
        elif organisations and not self._verification.entries:
            self._broken(1, "the chain is empty though the database is not")

    def _genuine(self, checkpoint: Checkpoint) -> bool:
        try:
            self._public.verify(checkpoint.signature, checkpoint.statement())
        except InvalidSignature:
            return False
        return True

    def _broken(self, sequence: int, reason: str) -> bool:
        self._verification.broken_at, self._verification.reason = sequence, reason
        return False


def _page(after: int) -> sa.Select[int, str, str | None, bytes]:
    columns = (AuditEntry.sequence, AuditEntry.content, AuditEntry.subject, AuditEntry.digest)
    return sa.select(*columns).where(AuditEntry.sequence > after).order_by(AuditEntry.sequence).limit(_PAGE)


def _checkpoint(row: AuditCheckpoint) -> Checkpoint:
    return Checkpoint(row.sequence, row.digest, row.signed_at, row.signer, row.signature)


def _signer(public: Ed25519PublicKey) -> str:
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]
