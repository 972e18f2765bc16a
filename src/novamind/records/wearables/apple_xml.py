"""The XML of Apple Health's export, piece by piece, past the lines that are no XML.

Apps have written attribute names with spaces, control characters and document types that are not well-formed into
exports. What is no XML is left out to the next record or line and named by its line; the elements around it stay
open. An export that is cut off is read to where it ends.

No entity can be expanded or fetched: the document type is cut off, and one that declares an entity is refused. Neither
depth nor a single element can grow without bound, whatever the version of expat underneath.
"""

import re
import xml.parsers.expat as expat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Protocol

from novamind.errors import ValidationError

ROOT = b"<HealthData"
CHUNK_BYTES = 1 << 20
_CONTROL = bytes(32 if code < 32 and code not in (9, 10, 13) else code for code in range(256))
DEEPEST = 64
_LONGEST_ELEMENT = 8 << 20
_MOST_LINES = 1_000
_LONGEST_START = len(b"<ActivitySummary ")
#: Where reading goes on behind what is no XML: the next line, or the next record on the same line.
_RESUME = re.compile(rb"\n|(?=<(?:Record|Workout|Correlation|StateOfMind|ActivitySummary|/HealthData)[ >])")
_TAG_MISMATCH, _AFTER_ROOT = 7, 9  # expat's XML_ERROR_TAG_MISMATCH and XML_ERROR_JUNK_AFTER_DOC_ELEMENT


class Elements(Protocol):
    """What is called for each element; keeps the names of the open ones."""

    open_names: list[str]
    #: Set to true by every call.
    moved: bool

    def start(self, name: str, attributes: dict[str, str], /) -> None:
        """Take an element that opens."""
        ...

    def end(self, name: str, /) -> None:
        """Take an element that closes."""
        ...


@dataclass(slots=True)
class Damage:
    """Lines that are no XML, with the reason of the first; and the line after which the rest is missing."""

    lines: list[int] = field(default_factory=list)
    reason: str = ""
    cut_off: int | None = None

    def note(self, line: int, error: expat.ExpatError, file: str) -> None:
        """Add a line; refuse a file that has too many."""
        self.reason = self.reason or expat.ErrorString(error.code)
        self.lines.append(line)
        if len(self.lines) > _MOST_LINES:
            raise ValidationError(f"{file}: more than {_MOST_LINES:,} lines are not well-formed XML: export it again")

    def sentence(self) -> str | None:
        """Return what was left out, as people read it; ``None`` where nothing was."""
        parts = []
        if self.lines:
            more = f" and {len(self.lines) - 1} more lines are" if len(self.lines) > 1 else " is"
            parts.append(f"line {self.lines[0]}{more} not well-formed XML ({self.reason}) and left out")
        if self.cut_off is not None:
            parts.append(f"it is cut off at line {self.cut_off}: what stands before is read, export it again")
        return "; ".join(parts) or None


def walk(stream: IO[bytes], file: str, elements: Elements, damage: Damage) -> Iterator[int]:
    """Parse an export; give the bytes read so far after each piece.

    Raises
    ------
    ValidationError
        It holds no ``HealthData``, declares entities, nests deeper or has a longer element than any export, or more
        than 1,000 of its lines are no XML.
    """
    head = _head(stream, file)
    at = head.index(ROOT)
    done, chunk, lines = len(head), head[at:].translate(_CONTROL), head.count(b"\n", 0, at)
    parser, broken, quiet = _Parser(elements, lines), 0, 0
    while chunk:
        elements.moved = False
        try:
            parser.feed(chunk)
        except expat.ExpatError as error:
            offset, line = parser.position(error)
            closing = error.code == _TAG_MISMATCH
            if closing and broken:
                broken -= 1  # the end of an element whose start was left out
            else:
                damage.note(line, error, file)
                broken += error.code not in (_TAG_MISMATCH, _AFTER_ROOT)
            if error.code == _AFTER_ROOT or (closing and chunk.startswith(b"HealthData", offset)):
                return
            offset += chunk.startswith(b"<", offset)  # the element that is no XML itself
            while (resume := _RESUME.search(chunk, offset)) is None:
                piece = stream.read(CHUNK_BYTES).translate(_CONTROL)
                done += len(piece)
                if not piece:
                    damage.cut_off = line
                    return
                lines += chunk.count(b"\n", 0, offset)
                chunk, offset = chunk[max(offset, len(chunk) - _LONGEST_START) :] + piece, 0
            lines += chunk.count(b"\n", 0, resume.end())
            chunk = chunk[resume.end() :]
            parser = _Parser(elements, lines)
            if chunk:
                continue
        else:
            lines += chunk.count(b"\n")
            quiet = 0 if elements.moved else quiet + len(chunk)
            if quiet > _LONGEST_ELEMENT:
                raise ValidationError(f"{file}: line {lines + 1} holds a longer element than any export has")
        yield done
        chunk = stream.read(CHUNK_BYTES).translate(_CONTROL)
        done += len(chunk)
    try:
        parser.feed(b"", last=True)
    except expat.ExpatError as error:
        damage.cut_off = parser.position(error)[1]


class _Parser:
    """An expat parser that begins inside the elements that are open."""

    def __init__(self, elements: Elements, lines: int) -> None:
        self._lines = lines
        self._parser = expat.ParserCreate()
        self._before = "".join(f"<{name}>" for name in elements.open_names).encode()
        if self._before:
            self._parser.Parse(self._before, False)
        self._fed = len(self._before)
        self._parser.StartElementHandler = elements.start
        self._parser.EndElementHandler = elements.end

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        """Parse the next piece."""
        self._chunk_start = self._fed
        self._parser.Parse(chunk, last)
        self._fed += len(chunk)

    def position(self, error: expat.ExpatError) -> tuple[int, int]:
        """Return where in the last piece an error is, and its line in the file."""
        return max(self._parser.ErrorByteIndex - self._chunk_start, 0), self._lines + error.lineno


def _head(stream: IO[bytes], file: str) -> bytes:
    """Return everything up to the root element, and the start of what follows."""
    head = stream.read(CHUNK_BYTES)
    if ROOT not in head:
        raise ValidationError(f"{file}: is not Apple Health's export.xml: it holds no HealthData")
    if b"<!ENTITY" in head[: head.index(ROOT)].upper():
        raise ValidationError(f"{file}: its document type declares entities, which no export does: it is not read")
    return head
