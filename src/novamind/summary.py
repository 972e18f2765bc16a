"""What a result shows of itself: a line in a shell, a small table in a notebook. Neither names the patient."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import NamedTuple

_LONGEST_LINE = 300
_LONGEST_CELL = 80
_MOST_ROWS = 14


class Summary(NamedTuple):
    """What a result is, and a table of it; the first rows are shown."""

    text: str
    header: Sequence[str] = ()
    rows: Iterable[Sequence[object]] = ()


class Summarised(ABC):
    """A result with a short ``repr`` and, for notebooks, ``_repr_html_``; both come from :meth:`_summary`."""

    __slots__ = ()

    @abstractmethod
    def _summary(self) -> Summary:
        """Return what is shown, without the name or id of a person."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {clipped(self._summary().text, _LONGEST_LINE)}>"

    def _repr_html_(self) -> str:
        text, header, rows = self._summary()
        title = f"<p><b>{type(self).__name__}</b>: {escape(clipped(text, _LONGEST_LINE))}</p>"
        if not header:
            return title
        first = list(islice(rows, _MOST_ROWS + 1))
        lines = [_line("th", header), *(_line("td", row) for row in first[:_MOST_ROWS])]
        more = "<p>…</p>" if len(first) > _MOST_ROWS else ""
        return f"{title}<table>{''.join(lines)}</table>{more}"


def clipped(text: str, longest: int = _LONGEST_CELL) -> str:
    """Return a text on one line, cut where it is longer than that."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def sentence(text: str) -> str:
    """Return a remark, which begins in lower case and has no full stop, as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 series``, ``2 drugs``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _line(tag: str, cells: Iterable[object]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(clipped(_text(cell)))}</{tag}>" for cell in cells) + "</tr>"


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)
