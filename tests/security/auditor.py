"""An auditor's own check of the audit, written from docs/security.md alone: it imports nothing of the product.

What can be had of a plain hash chain: that an entry stands in what was signed is proved by the digest before it and
the contents from it to the next checkpoint, at most a hundred; that one checkpoint continues another, by the contents
between them. A Merkle tree (RFC 6962) would prove both with a logarithm of that; this log is none.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BEGINNING = "00" * 32


@dataclass(frozen=True)
class Signed:
    """A checkpoint: so many entries, ending in this digest."""

    sequence: int
    digest: str
    signed_at: str
    signer: str
    signature: str

    @classmethod
    def read(cls, line: str) -> "Signed":
        return cls(**json.loads(line))

    def genuine(self, key: bytes) -> bool:
        statement = f"novamind audit\n{self.sequence}\n{self.digest}\n{self.signed_at}\n"
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(
                base64.b64decode(self.signature, validate=True), statement.encode()
            )
        except (InvalidSignature, ValueError):
            return False
        return self.signer == hashlib.sha256(key).hexdigest()[:16]


@dataclass(frozen=True)
class Proof:
    """The digest before, and the contents after it in their order."""

    before: str
    contents: tuple[str, ...]


def fold(before: str, contents: Iterable[str]) -> str:
    digest = bytes.fromhex(before)
    for content in contents:
        digest = hashlib.sha256(digest + content.encode()).digest()
    return digest.hex()


def numbered(contents: Sequence[str], first: int) -> bool:
    """Whether the entries say of themselves that they follow each other from ``first``."""
    return [json.loads(content)["sequence"] for content in contents] == list(range(first, first + len(contents)))


def included(sequence: int, content: str, proof: Proof, signed: Signed, key: bytes) -> bool:
    """Whether the entry of this number and content stands in what was signed."""
    return (
        signed.genuine(key)
        and proof.contents[:1] == (content,)
        and numbered(proof.contents, sequence)
        and sequence + len(proof.contents) - 1 == signed.sequence
        and fold(proof.before, proof.contents) == signed.digest
    )


def continues(older: Signed, newer: Signed, between: Sequence[str], key: bytes) -> bool:
    """Whether nothing of what the older one covers was altered in what the newer one covers."""
    return (
        older.genuine(key)
        and newer.genuine(key)
        and older.sequence + len(between) == newer.sequence
        and numbered(between, older.sequence + 1)
        and fold(older.digest, between) == newer.digest
    )


def split(mine: Iterable[Signed], theirs: Iterable[Signed], key: bytes) -> int | None:
    """The first size of which two different logs were signed: two auditors were shown two truths."""
    seen = {one.sequence: one.digest for one in mine if one.genuine(key)}
    told = {one.sequence: one.digest for one in theirs if one.genuine(key)}
    return min((size for size in seen.keys() & told.keys() if seen[size] != told[size]), default=None)


def first_wrong(rows: Sequence[tuple[int, str, str]], signed: Iterable[Signed], key: bytes) -> int | None:
    """Number of the first entry that is not as it was written, of (number, content, digest); ``None`` if all are."""
    before, due = BEGINNING, {one.sequence: one for one in signed}
    covered = 0
    for expected, (sequence, content, digest) in enumerate(rows, 1):
        before = fold(before, [content])
        if sequence != expected or before != digest or not numbered([content], sequence):
            return expected
        if (one := due.pop(sequence, None)) is not None:
            if one.digest != before or not one.genuine(key):
                return covered + 1
            covered = sequence
    return len(rows) + 1 if due else None


def out_of_order(rows: Iterable[tuple[int, str, Any]], tolerance_seconds: float = 5) -> list[int]:
    """Entries that the clock dates before their predecessor."""
    found, latest = [], float("-inf")
    for sequence, content, _ in rows:
        at = datetime.fromisoformat(json.loads(content)["at"]).timestamp()
        if at + tolerance_seconds < latest:
            found.append(sequence)
        latest = at
    return found
