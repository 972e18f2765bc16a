"""The files of an export: one file, a folder, or an archive, with the archives inside it.

Nothing is unpacked to the disk. An archive inside an archive is read into memory, one at a time, within the limit on
the size of a file; what unpacks to far more than an export would is refused, by its own header, before it is unpacked.
"""

import codecs
import gzip
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any
from zoneinfo import ZoneInfo

from novamind.errors import DataProcessingError, NotFoundError, ValidationError
from novamind.records.tables.damages import DAMAGES
from novamind.records.wearables.json_files import parsed
from novamind.records.wearables.json_slices import WHOLE_BYTES, Slices
from novamind.records.wearables.samples import Tally

JSON_SUFFIXES = (".json", ".ndjson", ".jsonl")
#: By so much of its beginning a file is recognised.
HEAD_BYTES = 1 << 16
#: Texts of exports compress 10 to 40 times; more than this is an archive made to fill a disk.
GREATEST_RATIO = 300
_SMALL_BYTES = 16 << 20
_DEEPEST_ARCHIVE = 3
_MOST_FILES = 200_000
#: What a file that cannot be read raises, whatever layer it fails in.
DAMAGED = (OSError, *DAMAGES)


@dataclass(eq=False)
class ExportFile:
    """One file of an export, not yet read.

    Attributes
    ----------
    path
        Its place inside the export, with ``/``; makers are recognised by it.
    size
        Bytes as stored, for progress.
    limit
        Largest number of bytes that :meth:`read` takes.
    before
        Of a part of a file: how many entries of its list came before.
    """

    path: str
    size: int
    limit: int
    _opener: Callable[[], IO[bytes]]
    before: int = 0

    @property
    def name(self) -> str:
        """Return the last part of the path, without ``.gz``."""
        name = PurePosixPath(self.path).name
        return name[:-3] if name.lower().endswith(".gz") else name

    @property
    def suffix(self) -> str:
        """Return the ending of the name, in lower case, with its dot."""
        return PurePosixPath(self.name.lower()).suffix

    def open(self) -> IO[bytes]:
        """Return the content as a stream, unpacked."""
        if not self.path.lower().endswith(".gz"):
            return self._opener()
        with self._opener() as stream, gzip.GzipFile(fileobj=stream) as unpacked:
            return BytesIO(self._within_limit(unpacked))

    def read(self) -> bytes:
        """Return the whole content.

        Raises
        ------
        ValidationError
            It is larger than the limit on a file.
        """
        with self.open() as stream:
            return self._within_limit(stream)

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB."""
        with self.open() as stream:
            return stream.read(HEAD_BYTES)

    @property
    def head_text(self) -> str:
        """Return the first 64 KiB as text, without a byte order mark; what is no text reads as odd characters."""
        marks = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
        return self.head.decode(marks.get(self.head[:2], "utf-8-sig"), errors="replace").replace("\r", "\n")

    @cached_property
    def document(self) -> Any:
        """The JSON document, parsed once; a list where the file holds one a line.

        Of a large one the first entry of each list, by which it is recognised; :meth:`parts` has the others.
        """
        return parsed(self.read(), self.path) if self._slices is None else self._slices.sample()

    def parts(self) -> Iterator["ExportFile"]:
        """Return the file as it is, or a large JSON document as files of the same form with some of its entries."""
        if self.suffix not in JSON_SUFFIXES or self._slices is None:
            yield self
            return
        for part in self._slices:
            file = ExportFile(self.path, self.size, self.limit, self._opener, part.before)
            file.__dict__ |= {"document": part.document, "head": self.head}
            yield file

    @cached_property
    def _slices(self) -> Slices | None:
        """What cuts the document; ``None`` where it is small enough to be parsed whole."""
        if self.size <= WHOLE_BYTES:
            with self.open() as stream:
                if len(stream.read(WHOLE_BYTES + 1)) <= WHOLE_BYTES:
                    return None
        return Slices(self.open, self.path, self.limit)

    def close(self) -> None:
        """Forget what was read."""
        for name in ("document", "head", "_slices"):
            self.__dict__.pop(name, None)

    def _within_limit(self, stream: IO[bytes] | gzip.GzipFile) -> bytes:
        content = stream.read(self.limit + 1)
        if len(content) > self.limit:
            raise ValidationError(f"{self.path}: is larger than the limit: raise NOVAMIND_MAX_FILE_BYTES")
        return content


@dataclass(slots=True)
class Context:
    """What a maker's reader may know besides its file.

    Attributes
    ----------
    tally
        Where everything that is not read is counted.
    files
        All files of the export: one may explain another.
    zone
        The clock the person lives by, where it was given.
    advance
        Called with the bytes of this file read so far, and all of them.
    memory
        What makers have learnt from other files of the export, by their names: each is read once.
    """

    tally: Tally
    files: Sequence[ExportFile] = ()
    zone: ZoneInfo | None = None
    advance: Callable[[int, int], None] = lambda _done, _total: None
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Export:
    """All files under a path, sorted by path; a context manager, since archives stay open while their files are read.

    ``alone`` says that the path is one plain file.
    """

    path: Path
    limit: int
    tally: Tally
    files: list[ExportFile] = field(default_factory=list)
    alone: bool = False
    _archives: list[zipfile.ZipFile] = field(default_factory=list)
    _inner: tuple[ExportFile, zipfile.ZipFile] | None = None

    def __enter__(self) -> "Export":
        if not self.path.exists():
            raise NotFoundError(f"{self.path.name} does not exist: check the path")
        if self.path.is_dir():
            for file in sorted(self.path.rglob("*")):
                if file.is_file():
                    name = file.relative_to(self.path).as_posix().encode(errors="replace").decode()
                    self._take(self._plain(file, name), 0)
        elif self.path.suffix.lower() == ".zip":
            try:
                self._list(self._opened(self.path), "", self.path.stat().st_size, 1)
            except DAMAGED as error:
                self.__exit__()
                reason = getattr(error, "strerror", None) or "it is damaged"
                raise DataProcessingError(f"{self.path.name} cannot be read: {reason}") from error
            except ValidationError:
                self.__exit__()
                raise
        else:
            self.alone = True
            self.files.append(self._plain(self.path, self.path.name))
        self.files.sort(key=lambda file: file.path)
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._archives:
            archive.close()

    def _plain(self, file: Path, path: str) -> ExportFile:
        return ExportFile(path, file.stat().st_size, self.limit, lambda: file.open("rb"))

    def _take(self, file: ExportFile, depth: int) -> None:
        """Add a file, or the files of an archive."""
        parts = PurePosixPath(file.path).parts
        if "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini"):
            self.tally.skip_file(file.path, "file of the operating system")
        elif file.suffix != ".zip" or parts[-1].lower().endswith(".gz"):
            self.files.append(file)
            if len(self.files) > _MOST_FILES:
                raise ValidationError(f"{self.path.name}: holds more than {_MOST_FILES:,} files: give fewer at a time")
        elif depth >= _DEEPEST_ARCHIVE:
            self.tally.skip_file(file.path, "archive inside archives, too deep: unpack it")
        else:
            try:
                if depth == 0:
                    self._list(self._opened(self.path / file.path), f"{file.path}/", file.size, 1)
                else:
                    self._list(self._inside(file), f"{file.path}/", file.size, depth + 1, within=file)
            except ValidationError as error:
                self.tally.skip_file(file.path, str(error).removeprefix(f"{file.path}: "))
            except DAMAGED:
                self.tally.skip_file(
                    file.path, "the archive is damaged or locked: unpack it with its password, or export it again"
                )

    def _opened(self, path: Path) -> zipfile.ZipFile:
        archive = zipfile.ZipFile(path)
        self._archives.append(archive)
        return archive

    def _inside(self, file: ExportFile) -> zipfile.ZipFile:
        """Return an archive inside an archive; the last one stays in memory."""
        if self._inner is None or self._inner[0] is not file:
            self._inner = (file, zipfile.ZipFile(BytesIO(file.read())))
        return self._inner[1]

    def _list(
        self, archive: zipfile.ZipFile, prefix: str, size: int, depth: int, within: ExportFile | None = None
    ) -> None:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if sum(member.file_size for member in members) > max(_SMALL_BYTES, GREATEST_RATIO * size):
            raise ValidationError(
                f"{prefix.removesuffix('/') or self.path.name}: unpacks to far more than an export would"
            )
        for member in sorted(members, key=lambda info: info.filename):
            path = prefix + member.filename.replace("\\", "/")
            if member.file_size > max(_SMALL_BYTES, GREATEST_RATIO * member.compress_size):
                self.tally.skip_file(path, "unpacks to far more than an export would")
            elif within is None:
                self._take(ExportFile(path, member.file_size, self.limit, _member(lambda a=archive: a, member)), depth)  # type: ignore[misc]
            else:
                inner = _member(lambda file=within: self._inside(file), member)  # type: ignore[misc]
                self._take(ExportFile(path, member.file_size, self.limit, inner), depth)


def _member(archive: Callable[[], zipfile.ZipFile], member: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive().open(member)
