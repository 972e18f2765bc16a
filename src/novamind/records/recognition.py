"""What a file is, by its name and its beginning."""

import gzip
import io
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

import polars as pl

from novamind.errors import DataProcessingError, ValidationError
from novamind.records.genotypes.recognition import is_genotype
from novamind.records.tables.files import read_bytes
from novamind.records.tables.grid import is_table
from novamind.records.wearables import long_table
from novamind.records.wearables.files import DAMAGED, ExportFile
from novamind.records.wearables.formats import maker_of

_HEAD: Final = 65_536
#: Where the system has a folder in memory: what came as bytes is never put on a disk.
IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


class ImportedFile:
    """One file, recognised by its name and its beginning."""

    def __init__(self, path: Path, content: bytes | None, limit: int) -> None:
        self._path, self._bytes, self._limit = path, content, limit
        self.name = path.name
        self._single: tuple[str, bytes] | None = None
        if self.name.lower().endswith(".gz") and is_table(self.name[:-3]):
            self._single = (self.name[:-3], self._unpacked())
        if self.head.startswith(b"PK\x03\x04") and not self.name.lower().endswith((".xlsx", ".xlsm")):
            self._single = self._only_member()

    @cached_property
    def head(self) -> bytes:
        """Return how the file begins, unpacked where it is gzip."""
        if self._bytes is not None:
            head = self._bytes[:_HEAD]
        else:
            try:
                with self._path.open("rb") as stream:
                    head = stream.read(_HEAD)
            except OSError as error:
                raise DataProcessingError(f"{self.name} cannot be read: {error.strerror}") from error
        if head.startswith(b"\x1f\x8b"):
            try:
                return gzip.GzipFile(fileobj=io.BytesIO(head)).read1(_HEAD)
            except (OSError, EOFError):
                return head
        return head

    def content(self) -> bytes:
        """Return the content, whole."""
        return read_bytes(self._path, self._limit) if self._bytes is None else self._bytes

    @property
    def is_fhir(self) -> bool:
        """Return whether it is FHIR: JSON or NDJSON whose objects say their type."""
        head = self.head.lstrip(b"\xef\xbb\xbf \r\n\t")
        return head[:1] in (b"{", b"[") and b'"resourceType"' in head

    @property
    def genes(self) -> bytes | None:
        """Return the content of a genotype file, ``None`` of any other."""
        head = self._single[1][:_HEAD] if self._single else self.head
        if not is_genotype(head):
            return None
        return self._single[1] if self._single else self.content()

    @property
    def table(self) -> tuple[bytes, str] | None:
        """Return content and name of a table that no maker of wearables wrote, ``None`` of anything else."""
        name, content = self._single if self._single is not None else (self.name, None)
        if not is_table(name) and not (self._path.suffix == "" and _is_text(self.head)):
            return None
        content = self.content() if content is None else content
        file = ExportFile(name, len(content), self._limit, lambda: io.BytesIO(content))
        maker = maker_of(file)
        long = maker is long_table and file.suffix in (".parquet", ".pq") and "signal" not in _columns(content)
        return (content, name) if maker is None or long else None

    def _unpacked(self) -> bytes:
        """Return the content of a gzip file, within the limit."""
        try:
            content = gzip.GzipFile(fileobj=io.BytesIO(self.content())).read(self._limit + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValidationError(f"{self.name} is damaged: pack it again") from error
        if len(content) > self._limit:
            raise ValidationError(f"{self.name}: unpacks to more than the limit: raise NOVAMIND_MAX_FILE_BYTES")
        return content

    def _only_member(self) -> tuple[str, bytes] | None:
        """Return name and content of a zip's only file, where that is text or a table."""
        try:
            with zipfile.ZipFile(self._path if self._bytes is None else io.BytesIO(self._bytes)) as archive:
                members = [m for m in archive.infolist() if not m.is_dir() and "__MACOSX" not in m.filename]
                if len(members) != 1 or not (is_table(members[0].filename) or members[0].filename.endswith(".vcf")):
                    return None
                if members[0].file_size > self._limit:
                    raise ValidationError(f"{self.name}: unpacks to more than the limit: raise NOVAMIND_MAX_FILE_BYTES")
                return Path(members[0].filename).name, archive.read(members[0])
        except DAMAGED:
            return None  # the reader of exports says what is wrong

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """Give the path of the file; what came as bytes lies in memory where the system has a folder there."""
        if self._bytes is None:
            yield self._path
            return
        with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
            place = Path(folder) / self.name
            place.write_bytes(self._bytes)
            yield place


def _columns(parquet: bytes) -> list[str]:
    try:
        return list(pl.read_parquet_schema(io.BytesIO(parquet)))
    except (pl.exceptions.PolarsError, OSError):
        return []


def _is_text(head: bytes) -> bool:
    return b"\0" not in head or head.startswith((b"\xff\xfe", b"\xfe\xff"))
