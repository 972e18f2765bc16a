"""A model is loaded as it was signed or not at all."""

import base64
import json
import os
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from novamind.errors import ModelInferenceError, NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.model_store import MANIFEST, SIGNATURE, ModelStore, _complaint, public_key
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


def test_what_is_stored_is_signed_and_the_manifest_comes_last(model: Path, tmp_path: Path) -> None:
    import hashlib

    import obstore

    order: list[str] = []
    put = obstore.put

    def noted(store: object, path: str, *arguments: object, **options: object) -> object:
        order.append(f"{path} {options.get('mode', '')}".strip())
        return put(store, path, *arguments, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(obstore, "put", noted)
        (model / MANIFEST).write_text("old")
        (model / SIGNATURE).write_text("old")
        ModelStore(str(tmp_path / "deep" / "store"), KEY.public_key()).publish(model, "symptoms", "1.0", KEY)
    at = "symptoms/1.0"
    assert order == [f"{at}/{SIGNATURE} create", f"{at}/stack.json", f"{at}/trees.ubj", f"{at}/{MANIFEST}"]
    place = tmp_path / "deep" / "store" / "symptoms" / "1.0"
    stated = (place / MANIFEST).read_bytes()
    KEY.public_key().verify(base64.b64decode((place / SIGNATURE).read_bytes()), stated)
    files = {name: hashlib.sha256((model / name).read_bytes()).hexdigest() for name in ("stack.json", "trees.ubj")}
    assert json.loads(stated) == {"files": files, "name": "symptoms", "version": "1.0"}
    assert stated == json.dumps(json.loads(stated), indent=1, sort_keys=True).encode()
    assert (MANIFEST, SIGNATURE) == ("signed-manifest.json", "signed-manifest.sig")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        *((f"a{suffix}", b"1", "") for suffix in (".onnx", ".ubj", ".json", ".safetensors", ".csv", ".parquet")),
        *((f"a{suffix}", b"1", "is of a form that may run code") for suffix in (".pkl", ".pt", ".py", ".ONNX", "")),
        *((f"a{n}.onnx", bytes((0x80, n)), "is a pickle or an archive") for n in (2, 3, 4, 5)),
        *((f"a{n}.onnx", bytes((0x80, n)), "") for n in (1, 6)),
        ("a.onnx", b"x\x80\x04", ""),
        ("a" * 95 + ".onnx", b"1", ""),
        ("a" * 96 + ".onnx", b"1", "is not a plain file"),
        (".onnx", b"1", "is not a plain file"),
        ("-a.onnx", b"1", "is not a plain file"),
        ("a b.onnx", b"1", "is not a plain file"),
    ],
)
def test_a_file_is_taken_or_refused_for_this_reason(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert complaint in _complaint(path)
    assert bool(_complaint(path)) is bool(complaint)


def test_links_folders_and_archives_are_no_plain_files(tmp_path: Path) -> None:
    import zipfile

    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "plain.onnx").write_bytes(b"1")
    (tmp_path / "link.onnx").symlink_to(tmp_path / "plain.onnx")
    with zipfile.ZipFile(tmp_path / "zip.onnx", "w") as archive:
        archive.writestr("x", "y")
    assert _complaint(tmp_path / "folder.onnx") == "'folder.onnx' is not a plain file"
    assert _complaint(tmp_path / "link.onnx") == "'link.onnx' is not a plain file"
    assert _complaint(tmp_path / "zip.onnx") == "zip.onnx is a pickle or an archive under another name"
    assert _complaint(tmp_path / "plain.onnx") == ""
    allowed = ".csv, .json, .onnx, .parquet, .safetensors, .ubj"
    (tmp_path / "a.py").write_bytes(b"")
    assert _complaint(tmp_path / "a.py") == f"a.py is of a form that may run code; allowed are {allowed}"


@pytest.mark.parametrize(("name", "good"), [("a", True), ("a" * 100, True), ("a" * 101, False), (".a", False)])
def test_a_models_name_and_version_have_up_to_100_plain_characters(
    stored: tuple[ModelStore, Path], tmp_path: Path, name: str, good: bool
) -> None:
    store, _ = stored
    for what in ((name, "1.0"), ("symptoms", name)):
        with pytest.raises(NotFoundError if good else ValidationError):
            store.fetch(*what, tmp_path / "into")


def test_each_refusal_of_a_model_is_told_apart(stored: tuple[ModelStore, Path], tmp_path: Path) -> None:
    store, place = stored

    def refused(text: str) -> None:
        with pytest.raises(ModelInferenceError, match=text):
            store.fetch("symptoms", "1.0", tmp_path / "into")

    good = json.loads((place / MANIFEST).read_text())
    resigned(place, KEY, name="other")
    refused("another model in this one's place")
    resigned(place, KEY, version="1.1", name="symptoms")
    refused("another model in this one's place")
    resigned(place, KEY, **good | {"files": {"a/b.json": "0"}})
    refused("a file whose name is not plain")
    resigned(place, KEY, **good | {"files": good["files"] | {"stack.json": "0" * 64}})
    refused("stack.json is not the file that the manifest describes")
    assert list((tmp_path / "into").iterdir()) == []
    other_key(place)
    refused("not signed with the configured key; publish it again")
    resigned(place, KEY, **good)
    assert store.fetch("symptoms", "1.0", tmp_path / "into") == tmp_path / "into"
    (place / "trees.ubj").unlink()
    with pytest.raises(NotFoundError, match="no such model, or not all of its files"):
        store.fetch("symptoms", "1.0", tmp_path / "into")


def test_a_store_that_does_not_answer_is_told(stored: tuple[ModelStore, Path], tmp_path: Path) -> None:
    import obstore
    from obstore.exceptions import GenericError

    def away(*_: object, **__: object) -> None:
        raise GenericError("away")

    store, place = stored
    with pytest.MonkeyPatch.context() as patched:
        for name in ("get", "put"):
            patched.setattr(obstore, name, away)
        for work in (
            lambda: store.fetch("symptoms", "1.0", tmp_path / "into"),
            lambda: store.publish(tmp_path / "model", "symptoms", "1.1", KEY),
        ):
            with pytest.raises(ServiceUnavailableError, match="does not answer; check NOVAMIND_MODEL_STORAGE_URL"):
                work()
    assert place.exists()
