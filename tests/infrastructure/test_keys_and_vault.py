"""Keys are real or refused; what is sealed opens in its place and nowhere else."""

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import DataProcessingError, NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure import vault as module
from novamind.infrastructure.bootstrap import Foundation
from novamind.infrastructure.keys import KeyFile, LocalKeys, TransitKeys, new_key, open_keys
from novamind.infrastructure.patient_store import Identity, Kind
from novamind.infrastructure.vault import BlindIndex, PatientCipher, Place, TamperedError, Vault
from novamind.settings import Settings, random_key
from tests.infrastructure.conftest import CLINICIAN, Run
from tests.weak import must_fail

GOOD = {name: new_key() for name in ("encryption_key", "index_key", "audit_signing_key")}
PRODUCTION = {"environment": "production", "key_provider": "environment"}


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


WEAK = {
    "absent": None,
    "empty": "",
    "text": "dev_secret",
    "short": encoded(os.urandom(31)),
    "long": encoded(os.urandom(33)),
    "one byte": encoded(b"x"),
    "all zero": encoded(bytes(32)),
    "repeated": encoded(b"\x01\x02\x03\x04" * 8),
    "words": encoded(b"correct horse battery staple 123"),
    "url": "https://CANARY@example.org",
}


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.parametrize("weak", WEAK)
def test_production_refuses_keys_that_are_not_random(field: str, weak: str) -> None:
    """A09 of the attack plan."""

    with pytest.raises(ValidationError) as caught:
        Settings(**(PRODUCTION | GOOD | {field: WEAK[weak]}))
    assert f"NOVAMIND_{field.upper()}" in str(caught.value)
    assert not WEAK[weak] or str(WEAK[weak]) not in str(caught.value)


@pytest.mark.weak("any 32 bytes are a key", "A09")
@pytest.mark.parametrize("weak", ["text", "short", "all zero", "repeated", "words"])
def test_production_is_seen_to_start_with_weak_keys(weak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novamind.settings.random_key", lambda text, _name: f"{text:32.32}".encode())
    must_fail(test_production_refuses_keys_that_are_not_random, "index_key", weak)


@pytest.mark.parametrize("name", ["DEBUG", "TESTING", "NOVAMIND_DEBUG", "NOVAMIND_TESTING"])
def test_production_refuses_to_be_debugged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Settings(**PRODUCTION, **GOOD)
    monkeypatch.setenv(name, "true")
    Settings()
    with pytest.raises(ValidationError, match=f"^{name} must not"):
        Settings(**PRODUCTION, **GOOD)


def test_production_refuses_one_key_for_two_things_a_key_file_and_a_kms_in_the_clear() -> None:
    with pytest.raises(ValidationError, match="differ"):
        Settings(**PRODUCTION, **(GOOD | {"index_key": GOOD["encryption_key"]}))
    with pytest.raises(ValidationError, match="NOVAMIND_KEY_PROVIDER"):
        Settings(environment="production", **GOOD)
    transit = PRODUCTION | GOOD | {"key_provider": "transit", "transit_token": "t"}
    with pytest.raises(ValidationError, match="NOVAMIND_TRANSIT_URL"):
        Settings(**transit)
    with pytest.raises(ValidationError, match="https"):
        Settings(**transit, transit_url="http://kms")
    assert GOOD["index_key"] not in repr(Settings(**transit, transit_url="https://kms"))


@pytest.mark.parametrize(
    ("name", "value"), [("ENCRYPTION_KEY", "CANARY-dev_secret"), ("DEBUG", "1"), ("INDEX_KEY", None)]
)
def test_the_program_does_not_start_with_them(name: str, value: str | None, tmp_path: Path) -> None:
    """A09 of the attack plan."""

    set_ = {f"NOVAMIND_{key.upper()}": text for key, text in (PRODUCTION | GOOD).items()}
    set_ |= {f"NOVAMIND_{name}": value} if value else {}
    if value is None:
        del set_[f"NOVAMIND_{name}"]
    done = subprocess.run(
        [Path(sys.executable).with_name("novamind"), "audit", "verify"],
        env=os.environ | set_,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"NOVAMIND_{name}" in done.stderr
    assert "CANARY" not in done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_environment_gives_the_current_and_the_previous_keys() -> None:
    old = new_key()
    keys = open_keys(Settings(**PRODUCTION, **GOOD, previous_encryption_keys=f"{old}, {new_key()}"))

    async def work() -> None:
        name, wrapped = await LocalKeys(random_key(old, "old")).wrap(b"data key", b"here")
        assert await keys.encryption.unwrap(name, wrapped, b"here") == b"data key"
        assert await keys.encryption.current() != name
        with pytest.raises(DataProcessingError):
            await keys.encryption.unwrap(name, wrapped, b"there")
        name, wrapped = await LocalKeys(os.urandom(32)).wrap(b"data key", b"here")
        with pytest.raises(DataProcessingError):
            await keys.encryption.unwrap(name, wrapped, b"here")

    asyncio.run(work())
    with pytest.raises(ValidationError, match="NOVAMIND_PREVIOUS_ENCRYPTION_KEYS"):
        open_keys(Settings(**PRODUCTION, **GOOD, previous_encryption_keys="dev_secret"))


def test_a_key_file_is_its_owners_alone_and_is_not_made_twice(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    first, second = KeyFile(path), KeyFile(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.key("index") == second.key("index")
    path.chmod(0o640)
    with pytest.raises(DataProcessingError, match="chmod"):
        first.key("index")
    path.chmod(0o600)
    for damaged in ("", "{}", "[]"):
        path.write_text(damaged)
        with pytest.raises(DataProcessingError, match="backup"):
            first.local()


class FakeTransit(BaseHTTPRequestHandler):
    """As much of the Transit interface as a key needs."""

    keys = {1: AESGCM(AESGCM.generate_key(256))}  # noqa: RUF012

    def _answer(self, status: int, data: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"data": data}).encode())

    def do_GET(self) -> None:
        self._answer(200, {"latest_version": max(self.keys)})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["X-Vault-Token"] != "token":
            self._answer(403, {})
            return
        bound = base64.b64decode(body["associated_data"])
        if "/encrypt/" in self.path:
            nonce, newest = os.urandom(12), max(self.keys)
            sealed = nonce + self.keys[newest].encrypt(nonce, base64.b64decode(body["plaintext"]), bound)
            self._answer(200, {"ciphertext": f"vault:v{newest}:{encoded(sealed)}"})
            return
        _, version, text = body["ciphertext"].split(":")
        sealed = base64.b64decode(text)
        try:
            plain = self.keys[int(version[1:])].decrypt(sealed[:12], sealed[12:], bound)
        except InvalidTag:
            self._answer(400, {})
            return
        self._answer(200, {"plaintext": encoded(plain)})

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def transit() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), FakeTransit)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_key_management_service_wraps_without_handing_out_its_key(transit: str) -> None:
    async def work() -> None:
        service = TransitKeys(transit, "token", "novamind")
        name, wrapped = await service.wrap(b"data key", b"here")
        assert name == await service.current() == "transit:novamind:v1"
        FakeTransit.keys[2] = AESGCM(AESGCM.generate_key(256))
        assert await service.current() == "transit:novamind:v2"
        assert await service.unwrap(name, wrapped, b"here") == b"data key"
        with pytest.raises(DataProcessingError):
            await service.unwrap(name, wrapped, b"there")
        with pytest.raises(ServiceUnavailableError, match="token"):
            await TransitKeys(transit, "wrong", "novamind").wrap(b"data key", b"here")
        with pytest.raises(ServiceUnavailableError, match="answer"):
            await TransitKeys("http://127.0.0.1:1", "token", "novamind").current()

    asyncio.run(work())


names = st.text(max_size=8)
places = st.builds(Place, names, names, names, st.integers(0, 5))


def cipher() -> PatientCipher:
    made = PatientCipher(uuid4(), [(uuid4(), os.urandom(32)), (uuid4(), os.urandom(32))])
    made.messages_left = 10**9
    return made


@given(plain=st.binary(max_size=300), put=places, looked=places)
def test_what_is_sealed_opens_in_its_place_and_in_no_other(plain: bytes, put: Place, looked: Place) -> None:
    """D03 of the attack plan."""

    vault = cipher()
    sealed = vault.seal(plain, put)
    assert vault.open(sealed, vault.key_id, put) == plain
    if looked != put:
        with pytest.raises(TamperedError):
            vault.open(sealed, vault.key_id, looked)


@given(plain=st.binary(max_size=60), at=st.integers(0, 88), bit=st.integers(0, 7), cut=st.integers(1, 60))
@settings(max_examples=500)
def test_no_altered_bit_and_no_shorter_text_opens(plain: bytes, at: int, bit: int, cut: int) -> None:
    """D04 of the attack plan."""

    vault, where = cipher(), Place("t", "c", "r")
    sealed = vault.seal(plain, where)
    flipped = bytearray(sealed)
    flipped[at % len(sealed)] ^= 1 << bit
    for altered in (bytes(flipped), sealed[:-cut], sealed + b"\0"):
        with pytest.raises(TamperedError):
            vault.open(altered, vault.key_id, where)


@pytest.mark.weak("what is sealed is bound to no place", "D03")
def test_a_seal_without_a_place_is_seen_to_open_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientCipher, "_bound", lambda *_: b"")
    must_fail(test_what_is_sealed_opens_in_its_place_and_in_no_other)
    must_fail(test_neither_another_patient_nor_another_key_opens_it)


@pytest.mark.weak("a stream cipher without a tag", "D04")
def test_a_seal_without_a_tag_is_seen_to_open_altered(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_counter_mode(_self: PatientCipher, sealed: bytes, *_: object) -> bytes:
        counter = CTR(sealed[1:13] + b"\0\0\0\2")  # of GCM, without what authenticates
        return Cipher(AES(bytes(32)), counter).decryptor().update(sealed[13:-16])

    monkeypatch.setattr(PatientCipher, "open", in_counter_mode)
    must_fail(test_no_altered_bit_and_no_shorter_text_opens)


def test_neither_another_patient_nor_another_key_opens_it() -> None:
    one, where = cipher(), Place("t", "c", "r")
    sealed = one.seal(b"x", where)
    keys = [(key_id, os.urandom(32)) for key_id in one._keys]
    same_keys = PatientCipher(uuid4(), keys)
    same_keys._keys = one._keys
    with pytest.raises(TamperedError):
        same_keys.open(sealed, one.key_id, where)
    with pytest.raises(TamperedError):
        one.open(sealed, next(iter(one._keys)), where)
    with pytest.raises(TamperedError):
        one.open(sealed, uuid4(), where)


def test_nonces_do_not_repeat_and_ciphertext_looks_random() -> None:
    """D02 and D05 of the attack plan."""

    vault, where = cipher(), Place("t", "c", "r")
    sealed = [vault.seal(b"PHQ-9: 17", where) for _ in range(100_000)]
    different(sealed)
    random_looking(sealed)


def different(sealed: Sequence[bytes]) -> None:
    """Check that no two nonces are the same."""
    assert len({text[1:13] for text in sealed}) == len(sealed)


def random_looking(sealed: Sequence[bytes]) -> None:
    """Check that all bytes come equally often."""
    counts = Counter(b"".join(text[13:] for text in sealed))
    total = sum(counts.values())
    chi_square = sum((counts[byte] - total / 256) ** 2 / (total / 256) for byte in range(256))
    assert chi_square < 330.5  # the 99.9th percentile of chi-square with 255 degrees of freedom


@pytest.mark.weak("a constant for a nonce", "D02", "D05")
def test_repeated_nonces_and_what_they_seal_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    vault, where = cipher(), Place("t", "c", "r")
    monkeypatch.setattr(module.os, "urandom", bytes)
    sealed = [vault.seal(b"PHQ-9: 17", where) for _ in range(1000)]
    must_fail(different, sealed)
    must_fail(random_looking, sealed)


@given(value=st.text(alphabet="Aaéß ÅZ", max_size=6), other=st.text(alphabet="Aaéß ÅZ", max_size=6))
def test_a_blind_index_tells_identifiers_apart_and_not_their_spelling(value: str, other: str) -> None:
    """D07 of the attack plan."""

    index, clinic = BlindIndex(os.urandom(32)), uuid4()
    digest = index.digest("mrn", clinic, value)
    assert digest == index.digest("mrn", clinic, f"  {value.swapcase() if 'ß' not in value else value} ")
    alike = " ".join(value.casefold().split()) == " ".join(other.casefold().split())
    assert (digest == index.digest("mrn", clinic, other)) == alike
    others = (index.digest("email", clinic, value), index.digest("mrn", uuid4(), value))
    assert digest not in (*others, BlindIndex(os.urandom(32)).digest("mrn", clinic, value))


@pytest.mark.weak("a hash without a key stands for an identifier", "D07")
def test_an_index_without_a_key_is_seen_to_be_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    def hashed(_self: BlindIndex, *parts: str) -> bytes:
        return hashlib.sha256(json.dumps(parts).encode()).digest()

    monkeypatch.setattr(BlindIndex, "keyed", hashed)
    must_fail(test_a_blind_index_tells_identifiers_apart_and_not_their_spelling)


def test_a_data_key_that_is_used_up_gives_way_to_a_new_one(run: Run[None]) -> None:
    """D05 of the attack plan."""

    async def work(here: Foundation) -> None:
        organisation = await here.store.add_organisation("Clinic", CLINICIAN)
        patient_id = await here.store.register(organisation, Identity({}, {}), CLINICIAN)
        small = Vault(here.database, here.keys.encryption, messages_per_key=module._RESERVED_AT_ONCE + 10)
        first = await small.cipher(patient_id, messages=1)
        for _ in range(first.messages_left + 1):
            second = await small.cipher(patient_id, messages=1)
            sealed = second.seal(b"x", Place("t", "c", "r"))
        assert second.key_id != first.key_id
        again = await here.vault.cipher(patient_id, key_id=second.key_id)
        assert again.open(sealed, second.key_id, Place("t", "c", "r")) == b"x"
        assert again.knows(first.key_id)
        with pytest.raises(RuntimeError, match="reserved"):
            PatientCipher(patient_id, [(uuid4(), os.urandom(32))]).seal(b"x", Place("t", "c", "r"))
        with pytest.raises(ValidationError, match="parts"):
            await small.cipher(patient_id, messages=10**6)
        with pytest.raises(NotFoundError):
            await here.vault.cipher(uuid4())
        await here.store.append(patient_id, Kind.NOTE, [{}], CLINICIAN)

    run(work)
