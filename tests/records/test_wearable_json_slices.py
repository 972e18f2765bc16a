"""Large JSON documents in slices: together they are the document, faults are named, memory holds a slice."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.records.wearables import files, json_slices, read_wearables
from novamind.records.wearables.json_slices import Slices
from tests.records.wearable_input import LIMIT, export_file

ENTRIES = 3
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False)
)
LISTS = st.lists(st.dictionaries(st.text(max_size=3), SCALARS, max_size=2) | SCALARS, max_size=10)
OBJECTS = st.dictionaries(
    st.text(max_size=3), SCALARS | LISTS | st.dictionaries(st.text(max_size=3), SCALARS | LISTS, max_size=3), max_size=4
)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut every document, after few entries of any length, and read few bytes at a time."""
    monkeypatch.setattr(json_slices, "_ENTRIES", ENTRIES)
    monkeypatch.setattr(json_slices, "_SHORTEST_ENTRY", 0)
    monkeypatch.setattr(json_slices, "_CHUNK", 7)
    monkeypatch.setattr(files, "WHOLE_BYTES", -1)


def cut(content: bytes, limit: int = LIMIT) -> Slices:
    return Slices(lambda: BytesIO(content), "x.json", limit)


def joined(whole: Any, part: Any) -> Any:
    """Return a document with the entries of a further slice behind its own."""
    if isinstance(whole, list):
        return whole + part
    if isinstance(whole, dict):
        return {key: joined(value, part[key]) for key, value in whole.items()}
    return whole


def together(content: bytes) -> Any:
    whole: Any = None
    for part in cut(content):
        whole = part.document if whole is None else joined(whole, part.document)
    return whole


@pytest.mark.usefixtures("short")
def test_the_slices_together_are_the_document() -> None:
    @given(LISTS | OBJECTS, st.sampled_from([None, 1]), st.booleans())
    def check(document: Any, indent: int | None, mark: bool) -> None:
        text = json.dumps(document, indent=indent, ensure_ascii=mark)
        content = (b"\xef\xbb\xbf" if mark else b"") + text.encode()
        event(f"{type(document).__name__}, {'several slices' if len(list(cut(content))) > 1 else 'one'}")
        assert together(content) == document
        assert all(len(part) <= ENTRIES for part in lists_of(cut(content)))

    check()


def lists_of(parts: Slices) -> list[list[Any]]:
    return [part.document for part in parts if isinstance(part.document, list)]


@pytest.mark.usefixtures("short")
def test_short_lists_stay_together_and_long_ones_come_alone() -> None:
    document = {"a": 1, "short": [1, 2], "long": [1, 2, 3, 4], "in": {"long": list(range(7)), "b": 2}}
    assert [(part.document, part.before) for part in cut(json.dumps(document).encode())] == [
        ({"a": 1, "short": [1, 2], "long": [], "in": {"long": [], "b": 2}}, 0),
        ({"a": 1, "short": [], "long": [1, 2, 3], "in": {"long": [], "b": 2}}, 0),
        ({"a": 1, "short": [], "long": [4], "in": {"long": [], "b": 2}}, 3),
        ({"a": 1, "short": [], "long": [], "in": {"long": [0, 1, 2], "b": 2}}, 0),
        ({"a": 1, "short": [], "long": [], "in": {"long": [3, 4, 5], "b": 2}}, 3),
        ({"a": 1, "short": [], "long": [], "in": {"long": [6], "b": 2}}, 6),
    ]
    assert cut(json.dumps(document).encode()).sample() == {
        "a": 1, "short": [1, 2], "long": [1], "in": {"long": [0], "b": 2},
    }  # fmt: skip


@pytest.mark.usefixtures("short")
def test_a_document_a_line() -> None:
    content = b"".join(b'{"n": %d}\r\n' % number for number in range(7))
    assert [part.before for part in cut(content)] == [0, 3, 6]
    assert together(content) == [{"n": number} for number in range(7)]
    assert cut(content).sample() == [{"n": 0}]


@pytest.mark.usefixtures("short")
def test_what_is_no_number_is_nothing() -> None:
    assert together(b'[NaN, -Infinity, {"a": NaN}]') == [None, None, {"a": None}]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'[{"a": 1},\n{"a": 2},\n{"a": 3},\n{"a": 4', "line 4 is not JSON: the file is cut off or damaged"),
        (b'{"a": [1, 2, 3, 4\n, ]}', "line 2 is not JSON"),
        (b"[1, 2\n 3]", "line 2 is not JSON"),
        (b"[1, 2]\n[3]", "line 2 is not JSON"),
        (b'{"a": 1}x', "line 1 is not JSON"),
        (b"{1: 2}", "line 1 is not JSON"),
        (b'{"a" 2}', "line 1 is not JSON"),
        (b'"text"', "is no list or object of JSON"),
        (b"", "is no list or object of JSON"),
        (b'["\xff"]', "is not UTF-8 text"),
        (b"[" + b"7" * 5_000 + b"]", "line 1 is not JSON"),
        (b'[{"a":' + b"[" * 100_000, "is nested too deeply to be an export"),
        (b'{"a":' * 100_000, "is nested too deeply to be an export"),
    ],
    ids=range(13),
)
def test_a_fault_is_named(content: bytes, words: str) -> None:
    with pytest.raises(ValidationError, match=rf"x\.json: {words}"):
        list(cut(content))


@pytest.mark.usefixtures("short")
def test_slices_before_a_fault_are_given() -> None:
    parts = iter(cut(b"[1, 2, 3, 4, x]"))
    assert next(parts).document == [1, 2, 3]
    with pytest.raises(ValidationError, match="line 1 is not JSON"):
        next(parts)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_slices, "_LARGEST_ENTRY", 1_000)
    monkeypatch.setattr(json_slices, "_CHUNK", 100)
    with pytest.raises(ValidationError, match="an entry larger than any real one: export a shorter span"):
        list(cut(b'[{"a": "' + b"x" * 5_000 + b'"}]'))
    assert together(b'["' + b"x" * 900 + b'"]') == ["x" * 900]
    assert together(b"[1, 2, 3, 4]") == [1, 2, 3, 4]
    with pytest.raises(ValidationError, match="larger than the limit: raise NOVAMIND_MAX_FILE_BYTES"):
        list(cut(b"[1, 2, 3, 4]", limit=11))
    list(cut(b"[1, 2, 3, 4]", limit=12))
    monkeypatch.setattr(json_slices, "_MOST_NAMES", 2)
    list(cut(b'{"a": 1, "b": 2}'))
    with pytest.raises(ValidationError, match="more names than an export has"):
        list(cut(b'{"a": 1, "b": 2, "c": 3}'))


def test_very_many_entries_that_hold_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_slices, "_ENTRIES", 4)
    assert len(list(cut(b"[" + b",".join([b'"' + b"x" * 21 + b'"'] * 9) + b"]"))) == 3
    for content in (b"[" + b"{}," * 8 + b"{}]", b'{"a": 1}\n' * 9):
        with pytest.raises(ValidationError, match="entries are too short to hold measurements"):
            list(cut(content))


@pytest.mark.usefixtures("short")
def test_a_large_file_reads_as_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = [
        {"dateTime": f"07/01/23 06:{minute:02d}:00", "value": {"bpm": 60 + minute % 7, "confidence": 2}}
        for minute in range(50)
    ]
    day[4]["value"] = {"bpm": 0, "confidence": 0}
    day[20]["value"] = {"bpm": 4_000, "confidence": 2}
    file = tmp_path / "heart_rate-2023-07-01.json"
    file.write_text(json.dumps(day))
    cut_up = read_wearables(file, timezone="Europe/Berlin")
    monkeypatch.setattr(files, "WHOLE_BYTES", 1 << 20)
    whole = read_wearables(file, timezone="Europe/Berlin")
    assert cut_up.frame.equals(whole.frame)
    assert cut_up.summary == whole.summary
    assert [entry["first_row"] for entry in whole.summary.left_out] == [5, 21]


@pytest.mark.usefixtures("short")
def test_parts_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def parts(path: str) -> list[tuple[Any, int, str]]:
        file = export_file(path, json.dumps(list(range(5))))
        return [(part.document, part.before, part.path) for part in file.parts()]

    assert parts("a.json") == [([0, 1, 2], 0, "a.json"), ([3, 4], 3, "a.json")]
    monkeypatch.setattr(files, "WHOLE_BYTES", len("[0, 1, 2, 3, 4]") - 1)
    assert len(parts("a.json")) == 2
    monkeypatch.setattr(files, "WHOLE_BYTES", len("[0, 1, 2, 3, 4]"))
    assert parts("a.json") == [([0, 1, 2, 3, 4], 0, "a.json")]
    table = export_file("a.csv", "a,b")
    assert list(table.parts()) == [table]
