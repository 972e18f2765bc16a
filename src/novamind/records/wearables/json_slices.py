"""Large JSON documents, in slices of their long lists, so that memory holds a slice and not the document.

An export's documents are a list of entries, or an object that holds lists of them (one object deep or two), or NDJSON.
A slice is a document of the same form with some of the entries of one long list; of an object with several, the first
slice has the short lists, and what is in no list stands in every slice. Python's parser takes many times a document's
size in objects.
"""

import codecs
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

from novamind.errors import ValidationError

#: Documents up to this size are parsed whole.
WHOLE_BYTES: Final = 8 << 20
_CHUNK: Final = 1 << 20
_ENTRIES: Final = 20_000
_LONGEST_LINE: Final = 1 << 20  # in which NDJSON shows itself
_LARGEST_ENTRY: Final = 32 << 20
_MOST_NAMES: Final = 10_000
#: The shortest entry that holds a time and a value is longer; so many that are shorter fill a file and hold nothing.
_SHORTEST_ENTRY: Final = 24
_DEEPEST_LIST: Final = 3

_SPACE: Final = " \t\n\r"
_DECODER: Final = json.JSONDecoder(parse_constant=lambda _: None)


@dataclass(frozen=True, slots=True)
class Slice:
    """A document with some entries of one list, and how many entries of that list came before them."""

    document: Any
    before: int
    is_last: bool = True


class Slices:
    """A large document as smaller ones.

    Parameters
    ----------
    opened
        Gives the content from its beginning.
    limit
        Most bytes of the content.
    """

    def __init__(self, opened: Callable[[], IO[bytes]], file: str, limit: int) -> None:
        self._opened, self._file, self._limit = opened, file, limit
        self._rest: dict[str, Any] | None = None

    @contextmanager
    def _text(self) -> Iterator["_Text"]:
        with self._opened() as stream:
            yield _Text(stream, self._file, self._limit)

    def sample(self) -> Any:
        """Return a small document of the same form: what is in no list, short lists, and one entry of each long one.

        Raises
        ------
        ValidationError
            The text is no JSON, or no document of an export.
        """
        with self._text() as text:
            if text.peek() == "{" and not text.is_lines():
                self._rest = _sample(text, 1)
                text.end()
                return self._rest
        return next((part.document[:1] for part in self), [])

    def __iter__(self) -> Iterator[Slice]:
        """Return the slices; errors as of :meth:`sample`, after the slices before the fault."""
        with self._text() as text:
            first = text.peek()
            if first == "[":
                yield from text.entries()
                text.end()
            elif first == "{" and text.is_lines():
                yield from text.lines()
            elif first == "{":
                sample = self.sample() if self._rest is None else self._rest
                yield Slice(_without(_LongList, sample), 0)
                yield from _members(text, sample, 1)
            else:
                raise ValidationError(f"{self._file}: is no list or object of JSON: export it again")


class _LongList(list[Any]):
    """The first entry of a list that is cut."""


def _sample(text: "_Text", depth: int) -> dict[str, Any]:
    """Return an object with its short lists, and the first entry of each long one."""
    sample: dict[str, Any] = {}
    for key in text.names():
        if text.peek() == "[":
            first, *others = [part.document if part.is_last else part.document[:1] for part in text.entries()]
            sample[key] = _LongList(first) if others else first
        elif text.peek() == "{" and depth < _DEEPEST_LIST:
            sample[key] = _sample(text, depth + 1)
        else:
            sample[key] = text.value()
        if len(sample) > _MOST_NAMES:
            raise ValidationError(f"{text.file}: holds more names than an export has")
    return sample


def _members(text: "_Text", sample: dict[str, Any], depth: int) -> Iterator[Slice]:
    """Return an object once for each slice of its long lists, with no other list."""
    rest = _without(list, sample)
    for key in text.names():
        if text.peek() == "[":
            for part in text.entries():
                if isinstance(sample[key], _LongList):
                    yield Slice({**rest, key: part.document}, part.before)
        elif text.peek() == "{" and depth < _DEEPEST_LIST:
            for part in _members(text, sample[key], depth + 1):
                yield Slice({**rest, key: part.document}, part.before)
        else:
            text.value()


def _without(kind: type[list[Any]], value: Any) -> Any:
    """Return a document whose lists of a kind are empty."""
    if isinstance(value, dict):
        return {key: _without(kind, member) for key, member in value.items()}
    return [] if isinstance(value, kind) else value


class _Text:
    """JSON text as it is read from a stream: the part that is not parsed yet, and where it begins."""

    def __init__(self, stream: IO[bytes], file: str, limit: int) -> None:
        self.file = file
        self._stream, self._utf8, self._left = stream, codecs.getincrementaldecoder("utf-8-sig")(), limit
        self._text, self._at, self._before, self._line, self._ended = "", 0, 0, 1, False

    def peek(self) -> str:
        """Return the next character that is no space; none at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more()

    def value(self) -> Any:
        """Return the next value, whole."""
        self.peek()
        while True:
            fault = self._at
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise ValidationError(f"{self.file}: is nested too deeply to be an export") from error
            except json.JSONDecodeError as error:
                fault = error.pos
            except ValueError as error:  # a number of thousands of digits
                raise self._damaged(self._at) from error
            else:
                # A number at the end of what was read may go on, also behind a mark that it cannot end with.
                if self._ended or self._text[end : end + 1] not in ("", ".", "e", "E"):
                    self._at = end
                    return value
            if self._ended:
                raise self._damaged(fault)
            if len(self._text) - self._at > _LARGEST_ENTRY:
                raise ValidationError(f"{self.file}: holds an entry larger than any real one: export a shorter span")
            self._more()

    def entries(self) -> Iterator[Slice]:
        """Return the entries of a list, some at a time; of an empty list none, once."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            yield Slice([], 0)
            return
        before, is_last = 0, False
        while not is_last:
            entries, start = list[Any](), self._passed
            while not is_last and len(entries) < _ENTRIES and self._passed - start < WHOLE_BYTES:
                entries.append(self.value())
                is_last = self.peek() == "]"
                self._take("]" if is_last else ",")
            self._measure(entries, start)
            yield Slice(entries, before, is_last)
            before += len(entries)

    def names(self) -> Iterator[str]:
        """Return the names of an object; the caller takes each value before the next name."""
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            name = self.value()
            if not isinstance(name, str):
                raise self._damaged(self._at)
            self._take(":")
            yield name
            if self.peek() == "}":
                self._at += 1
                return
            self._take(",")

    def is_lines(self) -> bool:
        """Return whether the first line is a document and others follow."""
        while "\n" not in self._text and not self._ended and len(self._text) < _LONGEST_LINE:
            self._more()
        line, mark, _ = self._text[self._at :].partition("\n")
        try:
            return bool(mark) and bool(json.loads(line))
        except (ValueError, RecursionError):
            return False

    def lines(self) -> Iterator[Slice]:
        """Return the documents of NDJSON, some at a time."""
        before = 0
        while self.peek():
            entries, start = list[Any](), self._passed
            while self.peek() and len(entries) < _ENTRIES and self._passed - start < WHOLE_BYTES:
                entries.append(self.value())
            self._measure(entries, start)
            yield Slice(entries, before)
            before += len(entries)

    def _measure(self, entries: list[Any], start: int) -> None:
        """Refuse many entries that are too short for what an export writes."""
        if len(entries) == _ENTRIES and self._passed - start < _SHORTEST_ENTRY * _ENTRIES:
            raise ValidationError(f"{self.file}: its entries are too short to hold measurements")

    def end(self) -> None:
        """Refuse what follows the document."""
        if self.peek():
            raise self._damaged(self._at)

    def _take(self, mark: str) -> None:
        if self.peek() != mark:
            raise self._damaged(self._at)
        self._at += 1

    @property
    def _passed(self) -> int:
        return self._before + self._at

    def _more(self) -> None:
        """Read on, as much again as waits to be parsed, so that a long value is not tried again too often."""
        waiting = len(self._text) - self._at
        try:
            data = self._stream.read(max(_CHUNK, waiting))
            text = self._utf8.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise ValidationError(f"{self.file}: is not UTF-8 text: export it again") from error
        self._left -= len(data)
        if self._left < 0:
            raise ValidationError(f"{self.file}: is larger than the limit: raise NOVAMIND_MAX_FILE_BYTES")
        self._ended = not data
        self._line += self._text.count("\n", 0, self._at)
        self._before += self._at
        self._text, self._at = self._text[self._at :] + text, 0

    def _damaged(self, place: int) -> ValidationError:
        line = self._line + self._text.count("\n", 0, place)
        return ValidationError(f"{self.file}: line {line} is not JSON: the file is cut off or damaged")
