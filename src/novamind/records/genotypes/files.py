"""Opening a genotype file: plain, gzip, or a zip with one file in it, within the limit on size."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.tables.damages import DAMAGES
from novamind.settings import Settings

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


@contextmanager
def open_genotype_file(source: str | Path | bytes, what: str) -> Iterator[IO[bytes]]:
    """Open a file or its content as a stream, unpacked where it is gzip or a zip with one file.

    Parameters
    ----------
    source
        Path of the file, or its content.
    what
        What the file is, for messages.

    Raises
    ------
    DataProcessingError
        The file cannot be opened, or a zip holds no file, several, or one that is encrypted.
    ValidationError
        The file is larger than ``NOVAMIND_MAX_FILE_BYTES``.
    """
    limit = Settings().max_file_bytes
    with ExitStack() as opened:
        try:
            stream: IO[bytes] = (
                io.BytesIO(source) if isinstance(source, bytes) else opened.enter_context(Path(source).open("rb"))
            )
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
        except OSError as error:
            raise DataProcessingError(f"cannot open the {what}: {error.strerror}") from error
        if size > limit:
            raise _too_large(what, limit)
        start = stream.read(4)
        stream.seek(0)
        if start == _ZIP:
            stream, start = _only_member(stream, what, opened)
        if start[:2] == _GZIP:
            stream = opened.enter_context(gzip.open(stream))  # type: ignore[arg-type]
        yield stream


def _too_large(what: str, limit: int) -> ValidationError:
    return ValidationError(f"the {what} is larger than {limit} bytes; raise NOVAMIND_MAX_FILE_BYTES to read it")


def _only_member(stream: IO[bytes], what: str, opened: ExitStack) -> tuple[IO[bytes], bytes]:
    """Return the one file of a zip, and its first bytes."""
    try:
        archive = opened.enter_context(zipfile.ZipFile(stream))
        members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
        if len(members) != 1:
            raise DataProcessingError(f"the zip holds {len(members)} files; give the {what} alone")
        member = opened.enter_context(archive.open(members[0]))
        start = member.read(2)
        member.seek(0)
    except DAMAGES as error:
        raise DataProcessingError(f"the zip with the {what} is damaged or encrypted; unpack it first") from error
    return member, start


def read_text(source: str | Path | bytes, what: str) -> str:
    """Return a small text file, unpacked, as text.

    Raises
    ------
    DataProcessingError
        The file cannot be opened, is damaged or is not text.
    ValidationError
        It, or what it unpacks to, is larger than ``NOVAMIND_MAX_FILE_BYTES``.
    """
    limit = Settings().max_file_bytes
    content = read_start(source, what, limit + 1)
    if len(content) > limit:
        raise _too_large(what, limit)
    try:
        return content.decode("utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataProcessingError(f"the {what} is not UTF-8 text") from error


def read_start(source: str | Path | bytes, what: str, size: int) -> bytes:
    """Return at most ``size`` first bytes of a file, unpacked."""
    with open_genotype_file(source, what) as handle:
        try:
            return handle.read(size)
        except DAMAGES as error:
            raise DataProcessingError(f"the compressed {what} is cut off or damaged; fetch it again") from error
