"""A model is loaded as it was signed or not at all."""

import base64
import json
import os
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from novamind.errors import ModelInferenceError, NotFoundError, ValidationError
from novamind.infrastructure.model_store import MANIFEST, SIGNATURE, ModelStore, public_key
from tests.weak import must_fail

KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "trees.ubj").write_bytes(b"{numbers" * 1000)
    (folder / "stack.json").write_text('{"weights": [0.5, 0.5]}')
    return folder


@pytest.fixture
def stored(tmp_path: Path, model: Path) -> tuple[ModelStore, Path]:
    store = ModelStore(str(tmp_path / "store"), KEY.public_key())
    store.publish(model, "symptoms", "1.0", KEY)
    return store, tmp_path / "store" / "symptoms" / "1.0"


def test_a_model_comes_back_from_a_folder_and_from_an_object_store(model: Path, tmp_path: Path) -> None:
    for url in (str(tmp_path / "store"), "memory:///models"):
        store = ModelStore(url, KEY.public_key())
        store.publish(model, "symptoms", "1.0", KEY)
        into = store.fetch("symptoms", "1.0", tmp_path / f"got-{len(url)}")
        assert {path.name: path.read_bytes() for path in into.iterdir()} == {
            path.name: path.read_bytes() for path in model.iterdir()
        }
        with pytest.raises(ValidationError, match="already"):
            store.publish(model, "symptoms", "1.0", KEY)
        with pytest.raises(NotFoundError):
            store.fetch("symptoms", "2.0", tmp_path / "none")


def resigned(place: Path, key: Ed25519PrivateKey, **changes: object) -> None:
    manifest = json.dumps(json.loads((place / MANIFEST).read_text()) | changes).encode()
    (place / MANIFEST).write_bytes(manifest)
    (place / SIGNATURE).write_bytes(base64.b64encode(key.sign(manifest)))


def change_file(place: Path) -> None:
    (place / "trees.ubj").write_bytes(b"[numbers" * 1000)


def change_manifest(place: Path) -> None:
    (place / MANIFEST).write_text((place / MANIFEST).read_text() + " ")


def no_signature(place: Path) -> None:
    (place / SIGNATURE).unlink()


def garbled_signature(place: Path) -> None:
    (place / SIGNATURE).write_text("§")


def other_key(place: Path) -> None:
    resigned(place, Ed25519PrivateKey.generate())


def older_version(place: Path) -> None:
    resigned(place, KEY, version="0.9")


def escape(place: Path) -> None:
    resigned(place, KEY, files={"../pwned.json": "0" * 64})


@pytest.mark.parametrize(
    "attack", [change_file, change_manifest, no_signature, garbled_signature, other_key, older_version, escape]
)
def test_what_is_not_as_it_was_signed_is_refused(
    stored: tuple[ModelStore, Path], tmp_path: Path, attack: object
) -> None:
    """C12 of the attack plan."""

    store, place = stored
    attack(place)  # type: ignore[operator]
    into = tmp_path / "into"
    with pytest.raises(ModelInferenceError):
        store.fetch("symptoms", "1.0", into)
    assert not into.exists() or list(into.iterdir()) == []
    assert not (tmp_path / "pwned.json").exists()


@pytest.mark.weak("nothing is compared with the manifest, nor the manifest with its signature", "C12")
@pytest.mark.parametrize("attack", [change_file, change_manifest, other_key])
def test_what_was_changed_is_seen_to_be_fetched_unchecked(
    stored: tuple[ModelStore, Path], tmp_path: Path, attack: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Believes:
        def verify(self, *_: object) -> None:
            """Nothing."""

    monkeypatch.setattr(stored[0], "_public_key", Believes())
    monkeypatch.setattr("novamind.infrastructure.model_store.check_files", lambda *_: None)
    must_fail(test_what_is_not_as_it_was_signed_is_refused, stored, tmp_path, attack)


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("name", ["weights.pkl", "weights.pt", "weights.onnx", "code.py"])
def test_what_could_run_is_neither_stored_nor_fetched(
    stored: tuple[ModelStore, Path], model: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C12 of the attack plan."""

    monkeypatch.chdir(tmp_path)
    store, place = stored
    (model / name).write_bytes(pickle.dumps(Payload()))
    with pytest.raises(ValidationError, match="cannot be stored"):
        store.publish(model, "symptoms", "1.1", KEY)
    import hashlib

    (place / name).write_bytes((model / name).read_bytes())
    resigned(place, KEY, files={name: hashlib.sha256((model / name).read_bytes()).hexdigest()})
    with pytest.raises(ModelInferenceError, match="refused"):
        store.fetch("symptoms", "1.0", tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "/etc", "a\0", "", "%2e%2e", "a\\b"])
def test_names_lead_nowhere_else(stored: tuple[ModelStore, Path], tmp_path: Path, name: str) -> None:
    """C11 of the attack plan."""

    store, _ = stored
    with pytest.raises(ValidationError, match="letters"):
        store.fetch(name, "1.0", tmp_path / "into")
    with pytest.raises(ValidationError, match="letters"):
        store.fetch("symptoms", name, tmp_path / "into")


def test_the_public_key_is_one() -> None:
    text = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
    assert public_key(text) == KEY.public_key()
    for wrong in ("", "dev", text[:-8]):
        with pytest.raises(ValidationError, match="NOVAMIND_MODEL_PUBLIC_KEY"):
            public_key(wrong)
