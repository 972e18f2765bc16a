"""Models in a folder or an S3-compatible store: signed when they are stored, checked before they are loaded.

A manifest lists a model's files by SHA-256 and is signed with Ed25519. The store refuses a model that is
unsigned, signed with another key, changed, or of another name or version. It also refuses every file that could run
code when it is loaded: only forms that hold numbers are taken.
"""

import base64
import binascii
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from novamind.errors import ModelInferenceError, NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.manifest import check_files, digest

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MANIFEST: Final = "signed-manifest.json"
SIGNATURE: Final = "signed-manifest.sig"
#: Forms of file that hold numbers and nothing that runs.
SUFFIXES: Final = frozenset({".onnx", ".ubj", ".json", ".safetensors", ".csv", ".parquet"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PICKLE_PROTOCOLS: Final = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


class ModelStore:
    """Stores models and fetches them.

    Parameters
    ----------
    url
        A folder, or a URL of an object store such as ``s3://bucket/models``; its credentials are read from the
        environment by the names that it documents (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` ...).
    public_key
        Key whose signature every model must have.
    """

    def __init__(self, url: str, public_key: Ed25519PublicKey) -> None:
        from obstore.store import LocalStore, from_url

        self._public_key = public_key
        self._store: ObjectStore = from_url(url) if "://" in url else LocalStore(Path(url).absolute(), mkdir=True)

    def publish(self, folder: Path, name: str, version: str, signing_key: Ed25519PrivateKey) -> None:
        """Sign a folder's files as one version of a model and store them; a version is stored once.

        Raises
        ------
        ValidationError
            If a name is not plain, a file is not one of numbers, or the version is there already.
        ServiceUnavailableError
            If the store does not answer.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        at = _place(name, version)
        files = sorted(path for path in folder.iterdir() if path.name not in (MANIFEST, SIGNATURE))
        for path in files:
            if complaint := _complaint(path):
                raise ValidationError(f"the model cannot be stored: {complaint}")
        contents = {"name": name, "version": version, "files": {path.name: digest(path) for path in files}}
        manifest = json.dumps(contents, indent=1, sort_keys=True).encode()
        signature = base64.b64encode(signing_key.sign(manifest))
        with _answers():
            try:
                obstore.put(self._store, f"{at}/{SIGNATURE}", signature, mode="create")
            except AlreadyExistsError as error:
                raise ValidationError("this version of the model is there already; give it a new version") from error
            for path in files:
                obstore.put(self._store, f"{at}/{path.name}", path)
            obstore.put(self._store, f"{at}/{MANIFEST}", manifest)  # last: until then there is no model

    def fetch(self, name: str, version: str, into: Path) -> Path:
        """Copy a checked model to a folder, and return the folder.

        Raises
        ------
        NotFoundError
            If there is no such model.
        ModelInferenceError
            If it is not signed, was changed, or could run code. Nothing of it can be loaded then.
        ServiceUnavailableError
            If the store does not answer.
        """
        at = _place(name, version)
        manifest = self._read(f"{at}/{MANIFEST}")
        try:
            self._public_key.verify(base64.b64decode(self._read(f"{at}/{SIGNATURE}"), validate=True), manifest)
            contents: dict[str, Any] = json.loads(manifest)
        except (InvalidSignature, binascii.Error, NotFoundError, ValueError) as error:
            raise ModelInferenceError("the model is not signed with the configured key; publish it again") from error
        if (contents["name"], contents["version"]) != (name, version):
            raise ModelInferenceError("the store holds another model in this one's place; publish it again")
        into.mkdir(parents=True, exist_ok=True)
        for file in contents["files"]:
            if not _PLAIN.fullmatch(file):
                raise ModelInferenceError("the model has a file whose name is not plain")
            (into / file).write_bytes(self._read(f"{at}/{file}"))
        refused = [complaint for file in contents["files"] if (complaint := _complaint(into / file))]
        try:
            check_files(into, contents["files"])
            if refused:
                raise ModelInferenceError(f"the model is refused: {refused[0]}")
        except ModelInferenceError:
            for file in contents["files"]:
                (into / file).unlink()
            raise
        return into

    def _read(self, path: str) -> bytes:
        import obstore

        with _answers():
            return bytes(obstore.get(self._store, path).bytes())


@contextmanager
def _answers() -> Iterator[None]:
    """Turn the store's errors into ours."""
    from obstore.exceptions import BaseError
    from obstore.exceptions import NotFoundError as Missing

    try:
        yield
    except (Missing, FileNotFoundError) as error:
        raise NotFoundError("the store has no such model, or not all of its files") from error
    except BaseError as error:
        raise ServiceUnavailableError("the model store does not answer; check NOVAMIND_MODEL_STORAGE_URL") from error


def public_key(text: str) -> Ed25519PublicKey:
    """Return the public key in NOVAMIND_MODEL_PUBLIC_KEY.

    Raises
    ------
    ValidationError
        If it is no Ed25519 public key.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise ValidationError("NOVAMIND_MODEL_PUBLIC_KEY must be 32 bytes in base64") from error


def _place(name: str, version: str) -> str:
    if not (_PLAIN.fullmatch(name) and _PLAIN.fullmatch(version)):
        raise ValidationError("a model's name and version take letters, digits and ._-")
    return f"{name}/{version}"


def _complaint(path: Path) -> str:
    """Return why a file is refused; empty if it is not."""
    if path.is_symlink() or not path.is_file() or not _PLAIN.fullmatch(path.name):
        return f"{path.name!r} is not a plain file"
    if path.suffix not in SUFFIXES:
        return f"{path.name} is of a form that may run code; allowed are {', '.join(sorted(SUFFIXES))}"
    with path.open("rb") as file:
        start = file.read(2)
    if start.startswith(_PICKLE_PROTOCOLS) or zipfile.is_zipfile(path):
        return f"{path.name} is a pickle or an archive under another name"
    return ""
