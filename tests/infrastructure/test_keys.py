"""Where keys come from: what stands in the file, what a key service is asked, and what each mistake is called."""

import asyncio
import base64
import hashlib
import io
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novamind.errors import DataProcessingError, ServiceUnavailableError, ValidationError
from novamind.infrastructure import keys as module
from novamind.infrastructure.keys import KeyFile, LocalKeys, TransitKeys, new_key, open_keys
from novamind.settings import Settings

NOT_THIS_KEY = "a data key cannot be unwrapped: it was altered, or the encryption key is another one"


def name_of(key: bytes) -> str:
    return "local:" + hashlib.sha256(b"novamind encryption key" + key).hexdigest()[:16]


def test_a_local_key_wraps_with_a_nonce_of_its_own_and_earlier_ones_unwrap() -> None:
    new, old = os.urandom(32), os.urandom(32)

    async def work() -> None:
        name, wrapped = await LocalKeys(old).wrap(b"data key", b"context")
        assert name == name_of(old)
        assert AESGCM(old).decrypt(wrapped[:12], wrapped[12:], b"context") == b"data key"
        both = LocalKeys(new, old)
        assert await both.current() == name_of(new)
        assert await both.unwrap(name, wrapped, b"context") == b"data key"
        assert (await both.wrap(b"x", b""))[0] == name_of(new)
        assert (await both.wrap(b"x", b""))[1][:12] != (await both.wrap(b"x", b""))[1][:12]
        for keys, given in ((LocalKeys(new), wrapped), (both, wrapped[:-1]), (both, b"")):
            with pytest.raises(DataProcessingError, match=NOT_THIS_KEY):
                await keys.unwrap(name, given, b"context")

    asyncio.run(work())


def test_a_key_file_holds_three_kinds_and_follows_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    file, other = KeyFile(path), KeyFile(path)
    first = json.loads(path.read_text())
    assert list(first) == ["encryption", "index", "audit_signing"]
    assert file.key("index") == base64.b64decode(first["index"]) != file.key("audit_signing")
    old = name_of(base64.b64decode(first["encryption"][0]))
    assert asyncio.run(other.current()) == old
    name, wrapped = asyncio.run(other.wrap(b"x", b"c"))
    file.add()
    second = json.loads(path.read_text())
    assert second["encryption"][1:] == first["encryption"]
    assert second["index"] == first["index"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.with_suffix(".new").exists()
    assert asyncio.run(other.current()) == name_of(base64.b64decode(second["encryption"][0]))
    assert asyncio.run(other.unwrap(name, wrapped, b"c")) == b"x"
    file.drop([old])
    assert json.loads(path.read_text())["encryption"] == second["encryption"][:1]
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DataProcessingError):
        asyncio.run(other.unwrap(name, wrapped, b"c"))


@pytest.mark.parametrize("mode", [0o601, 0o602, 0o604, 0o610, 0o620, 0o640])
def test_a_key_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    file = KeyFile(path)
    path.chmod(mode)
    with pytest.raises(DataProcessingError, match="can be read by others; run chmod 600"):
        file.key("index")
    path.chmod(0o700)
    assert len(file.key("index")) == 32


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "cannot be read"),
        ("é", "cannot be read"),
        ("[]", "is incomplete"),
        ('{"index": "", "encryption": []}', "is incomplete"),
        ('{"index": "", "audit_signing": ""}', "is incomplete"),
        ('{"encryption": [], "audit_signing": ""}', "is incomplete"),
    ],
)
def test_a_damaged_key_file_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "keys.json"
    file = KeyFile(path)
    path.write_text(text)
    with pytest.raises(DataProcessingError, match=complaint):
        file.local()
    path.unlink()
    with pytest.raises(DataProcessingError, match="cannot be read"):
        file.local()


def test_a_weak_key_in_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    KeyFile(path)
    path.write_text(json.dumps({"encryption": ["weak"], "index": "weak", "audit_signing": "weak"}))
    for name in ("index", "audit_signing"):
        with pytest.raises(ValidationError, match=f"^{name} in the key file must be"):
            KeyFile(path).key(name)
    with pytest.raises(ValidationError, match=r"^encryption in the key file must be"):
        KeyFile(path).local()


def test_each_provider_gives_the_three_keys_of_the_settings(tmp_path: Path) -> None:
    stated = {name: new_key() for name in ("encryption_key", "index_key", "audit_signing_key")}
    raw = {name: base64.b64decode(key) for name, key in stated.items()}
    opened = open_keys(Settings(key_provider="environment", **stated))
    assert opened.index == raw["index_key"]
    assert opened.audit_signing.private_bytes_raw() == raw["audit_signing_key"]
    assert asyncio.run(opened.encryption.current()) == name_of(raw["encryption_key"])
    old = new_key()
    several = open_keys(
        Settings(key_provider="environment", previous_encryption_keys=f" {old} , ,{new_key()},", **stated)
    )
    assert isinstance(several.encryption, LocalKeys)
    assert len(several.encryption._keys) == 3
    assert name_of(base64.b64decode(old)) in several.encryption._keys
    assert asyncio.run(several.encryption.current()) == name_of(raw["encryption_key"])
    transit = {"key_provider": "transit", "transit_token": "t", "transit_key": "k", **stated}
    kms = open_keys(Settings(transit_url="https://kms/", **transit)).encryption
    assert isinstance(kms, TransitKeys)
    assert (kms._url, kms._token, kms._key) == ("https://kms", "t", "k")
    for less in ({"transit_url": "https://kms", "transit_token": None}, {}):
        with pytest.raises(ValidationError, match="NOVAMIND_TRANSIT_URL and NOVAMIND_TRANSIT_TOKEN must be set"):
            open_keys(Settings(**(transit | less)))
    file = open_keys(Settings(key_file=tmp_path / "keys.json"))
    kept = json.loads((tmp_path / "keys.json").read_text())
    assert isinstance(file.encryption, KeyFile)
    assert file.index == base64.b64decode(kept["index"])
    assert file.audit_signing.private_bytes_raw() == base64.b64decode(kept["audit_signing"])


class Service:
    """A key management service that notes what it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answers = list(answers)
        monkeypatch.setattr(module.urllib.request, "urlopen", self._open)

    def _open(self, request: urllib.request.Request, timeout: float) -> Any:
        body = json.loads(request.data) if request.data else None  # type: ignore[arg-type]
        self.asked.append((request.method, request.full_url, body, request.headers, timeout))
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            raise urllib.error.HTTPError(request.full_url, answer, "no", None, io.BytesIO())  # type: ignore[arg-type]
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def test_a_key_service_is_asked_as_transit_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API of HashiCorp Vault's and OpenBao's transit engine: keys/:name, encrypt/:name, decrypt/:name."""
    service = Service(
        monkeypatch,
        {"data": {"latest_version": 3}},
        {"data": {"ciphertext": "vault:v3:abc"}},
        {"data": {"plaintext": base64.b64encode(b"data key").decode()}},
    )
    keys, encoded = TransitKeys("https://kms/", "token", "novamind"), lambda raw: base64.b64encode(raw).decode()
    assert asyncio.run(keys.current()) == "transit:novamind:v3"
    assert asyncio.run(keys.wrap(b"data key", b"here")) == ("transit:novamind:v3", b"vault:v3:abc")
    assert asyncio.run(keys.unwrap("any", b"vault:v3:abc", b"here")) == b"data key"
    headers = {"X-vault-token": "token", "Content-type": "application/json"}
    at = "https://kms/v1/transit"
    bound = {"associated_data": encoded(b"here")}
    assert service.asked == [
        ("GET", f"{at}/keys/novamind", None, headers, 5),
        ("POST", f"{at}/encrypt/novamind", {"plaintext": encoded(b"data key")} | bound, headers, 5),
        ("POST", f"{at}/decrypt/novamind", {"ciphertext": "vault:v3:abc"} | bound, headers, 5),
    ]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (400, DataProcessingError, NOT_THIS_KEY),
        (403, ServiceUnavailableError, "refuses; check its token and key"),
        (404, ServiceUnavailableError, "refuses; check its token and key"),
        (500, ServiceUnavailableError, "refuses; check its token and key"),
        (TimeoutError(), ServiceUnavailableError, "does not answer; try again"),
        (urllib.error.URLError("gone"), ServiceUnavailableError, "does not answer; try again"),
        (b"<html>", ServiceUnavailableError, "does not answer; try again"),
        ({"errors": []}, ServiceUnavailableError, "does not answer; try again"),
    ],
)
def test_what_a_key_service_refuses_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, answer: Any, error: type[Exception], text: str
) -> None:
    Service(monkeypatch, answer)
    with pytest.raises(error, match=text):
        asyncio.run(TransitKeys("https://kms", "token", "novamind").unwrap("n", b"vault:v1:x", b"here"))
