"""A model's files as its manifest lists them, each by its SHA-256."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from novamind.errors import ModelInferenceError


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_files(folder: Path, digests: Mapping[str, str]) -> None:
    """Check that each file of a folder is the one that the manifest lists.

    Raises
    ------
    ModelInferenceError
        If one is another.
    OSError
        If one is missing.
    """
    for name, expected in digests.items():
        if digest(folder / name) != expected:
            raise ModelInferenceError(
                f"{name} is not the file that the manifest describes; fit or install the model again"
            )
