"""FHIR JSON at the door: what a file holds, where it stands, and the limits on both sides."""

import json
from pathlib import Path
from typing import Any

import pytest

from novamind.errors import DataProcessingError, NotFoundError
from novamind.records import FhirImportError
from novamind.records.fhir.documents import MAX_DEPTH, Located, load
from novamind.settings import Settings

BASIC = {"resourceType": "Basic"}


def places(
    source: Any, settings: Settings | None = None
) -> tuple[list[tuple[str, str]], list[tuple[str, tuple[str, ...]]]]:
    located, _, issues = load(source, settings or Settings())
    assert all((i.severity, i.code) == ("error", "structure") for i in issues)
    return [(one.place, one.full_url) for one in located], [(i.diagnostics, i.expression) for i in issues]


def test_one_resource_a_bundle_and_what_they_contain() -> None:
    assert places(BASIC) == ([("Basic", "")], [])
    parent = BASIC | {"id": "outer", "contained": [BASIC | {"id": "a"}, BASIC | {"id": 7}, {"id": "b"}, 7]}
    inner = {"resourceType": "Bundle", "entry": [{"resource": BASIC}]}
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "urn:1", "resource": parent},
            {"fullUrl": 7, "resource": inner},
            {"resource": {"resourceType": 7}},
            7,
            {"resource": BASIC | {"contained": {}}},
        ],
    }
    found, issues = places(bundle)
    assert found == [
        ("Bundle.entry[0].resource", "urn:1"),
        ("Bundle.entry[0].resource.contained[0]", "urn:1"),
        ("Bundle.entry[0].resource.contained[1]", "urn:1"),
        ("Bundle.entry[1].resource.entry[0].resource", ""),
        ("Bundle.entry[4].resource", ""),
    ]
    assert issues == [("an entry without a resource", (f"Bundle.entry[{i}]",)) for i in (2, 3)]
    outer, first, *_ = load(bundle, Settings()).resources
    assert outer.contained == first.contained == {"a": BASIC | {"id": "a"}, "b": {"id": "b"}}
    assert (outer.parent, first.parent) == (None, parent)


def test_parameters_carry_resources_at_any_depth() -> None:
    parts = [{"name": "x", "part": [{"resource": BASIC}, 7, {"resource": {"resourceType": None}}]}]
    document = {"resourceType": "Parameters", "parameter": [{"resource": BASIC}, *parts, {"part": {}}]}
    assert places(document) == (
        [("Parameters.parameter[0].resource", ""), ("Parameters.parameter[1].part[0].resource", "")],
        [("a parameter that is no object", ("Parameters.parameter[1].part[1]",))],
    )


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ({"id": "7"}, "Basic/7"),
        ({"id": ""}, "here"),
        ({"id": 7}, "here"),
        ({}, "here"),
        ({"id": "7", "meta": {"source": "urn:novamind:source:Observation%2F9%20x"}}, "Observation/9 x"),
        ({"id": "7", "meta": {"source": "urn:other"}}, "Basic/7"),
        ({"id": "7", "meta": {"source": 7}}, "Basic/7"),
        ({"id": "7", "meta": "urn:novamind:source:x"}, "Basic/7"),
    ],
)
def test_what_a_resource_is_called(resource: dict[str, Any], name: str) -> None:
    one = Located(BASIC | resource, "here")
    assert (one.name, one.kind) == (name, "Basic")


def lines(*texts: str) -> bytes:
    return "\n".join(texts).encode()


def test_ndjson_is_a_resource_a_line() -> None:
    one = json.dumps(BASIC)
    assert places(lines(one, "", one, "  ", one)) == (
        [("line 1: Basic", ""), ("line 3: Basic", ""), ("line 5: Basic", "")],
        [],
    )
    broken = "a line of the NDJSON file is not valid JSON"
    assert places(lines(one, "{", one)) == ([("line 1: Basic", ""), ("line 3: Basic", "")], [(broken, ("line 2",))])
    assert places(lines(one, "[" * 100_000)) == ([("line 1: Basic", "")], [(broken, ("line 2",))])
    nothing = "JSON, but no FHIR resource: it has no 'resourceType'"
    assert places(lines(one, "7")) == ([("line 1: Basic", "")], [(nothing, ("line 2",))])
    assert places(b"7") == ([], [(nothing, ())])
    assert places(("\ufeff" + one).encode()) == ([("Basic", "")], [])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "the file is not valid JSON"),
        (lines("[", json.dumps(BASIC)), "the file is not valid JSON"),
        (lines("7", json.dumps(BASIC)), "the file is not valid JSON"),
        (lines("[" * 100_000 + "x", "{}"), f"nested more than {MAX_DEPTH} levels deep"),
        (b'{"a": Infinity}', "the file is not valid JSON"),
        (b" <Patient/>", "the file is not valid JSON; FHIR XML is not read, convert it to JSON"),
        (b"\xff", "the file is not UTF-8 text: FHIR JSON must be"),
        (b"[" * 100_000, f"nested more than {MAX_DEPTH} levels deep"),
    ],
)
def test_what_is_no_fhir_json(content: bytes, text: str) -> None:
    with pytest.raises(FhirImportError) as refusal:
        load(content, Settings())
    assert [i.diagnostics for i in refusal.value.outcome.issues] == [text]


def test_sixty_levels_are_deep_enough_for_anything_real() -> None:
    def deep(levels: int, *, lists: bool) -> dict[str, Any]:
        inner: Any = 7
        for _ in range(levels - 1):
            inner = [inner] if lists else {"a": inner}
        return {"resourceType": "Basic", "a": inner}

    for lists in (True, False):
        assert len(load(deep(60, lists=lists), Settings()).resources) == 1
        with pytest.raises(FhirImportError, match="nested more than 60 levels deep"):
            load(deep(61, lists=lists), Settings())
    mixed = BASIC | {"a": [1, {"b": 2}], "c": "text"}
    assert len(load(mixed, Settings()).resources) == 1
    assert MAX_DEPTH == 60


def test_a_folder_and_its_sub_folders_are_read_by_path_and_what_is_not_is_named(tmp_path: Path) -> None:
    for name in ("b.json", "a.NDJSON", "c.txt", "inner/deeper/d.jsonl", "inner/e.Json", "f.ndjson.gz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(BASIC))
    located, _, issues = load(tmp_path, Settings())
    assert [one.place for one in located] == [f"file {number}: Basic" for number in (1, 2, 3, 4)]
    left_out = "a file that is no .json, .ndjson or .jsonl is left out"
    assert [(i.severity, i.diagnostics, i.expression) for i in issues] == [
        ("information", left_out, ("c.txt",)),
        ("information", left_out, ("f.ndjson.gz",)),
    ]


def test_a_damaged_file_of_a_folder_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(BASIC))
    (tmp_path / "a.json").write_text("{broken")
    (tmp_path / "c.json").write_bytes(b"\xff")
    assert places(tmp_path) == (
        [("file 2: Basic", "")],
        [("a file of the folder is not FHIR JSON in UTF-8; the others are read", (f"file {n}",)) for n in (1, 3)],
    )
    (tmp_path / "d.json").write_text("[" * 100_000)
    with pytest.raises(FhirImportError, match="nested more than"):
        load(tmp_path, Settings())


def test_a_folder_without_anything_to_read(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(BASIC))
    assert places(str(tmp_path))[0] == [("Basic", "")]
    (tmp_path / "b.json").write_text("7")
    assert places(tmp_path)[1][0][1] == ()
    (tmp_path / "b.json").unlink()
    with pytest.raises(NotFoundError, match=r"holds no \.json, \.ndjson or \.jsonl file"):
        load(tmp_path, Settings())
    with pytest.raises(NotFoundError, match="does not exist"):
        load(tmp_path / "x.json", Settings())


def test_a_list_of_resources_is_read_one_by_one() -> None:
    assert places(json.dumps([BASIC, 7, [BASIC]]).encode()) == (
        [("[0]: Basic", "")],
        [("JSON, but no FHIR resource: it has no 'resourceType'", (place,)) for place in ("[1]", "[2]")],
    )


def test_a_line_ends_at_a_line_feed_alone() -> None:
    odd = json.dumps(BASIC | {"a": "\u2028 \x85 \x1c"}, ensure_ascii=False).replace("\\u001c", "\\u001c")
    assert len(places(lines(odd, odd))[0]) == 2
    assert len(places("\r\n".join([odd, odd]).encode())[0]) == 2


def test_requests_that_change_resources_unseen_are_kept_apart() -> None:
    entries = [
        {"request": {"method": "DELETE", "url": "Basic/1"}, "fullUrl": "urn:1", "response": {"etag": 'W/"2"'}},
        {"request": {"method": "PATCH", "url": 7}, "resource": BASIC},
        {"request": {"method": "PUT", "url": "Basic/2"}, "resource": BASIC},
        {"request": "DELETE"},
    ]
    located, removals, issues = load({"resourceType": "Bundle", "entry": entries}, Settings())
    assert [one.place for one in located] == ["Bundle.entry[2].resource"]
    assert [tuple(removal) for removal in removals] == [
        ("DELETE", "Basic/1", "Bundle.entry[0]", "urn:1", {"etag": 'W/"2"'}),
        ("PATCH", "", "Bundle.entry[1]", "", {}),
    ]
    assert [i.expression for i in issues] == [("Bundle.entry[3]",)]


def test_a_page_of_several_says_so() -> None:
    page = {"resourceType": "Bundle", "link": [7, {"relation": "next", "url": "x"}], "entry": [{"resource": BASIC}]}
    (issue,) = load(page, Settings()).issues
    assert (issue.severity, issue.code, issue.expression) == ("information", "incomplete", ("Bundle",))
    assert load(page | {"link": [{"relation": "self"}]}, Settings()).issues == []


def test_limits_on_bytes_and_resources_hold_exactly(tmp_path: Path) -> None:
    content = json.dumps({"resourceType": "Bundle", "entry": [{"resource": BASIC}] * 3}).encode()
    size = len(content)
    file = tmp_path / "a.json"
    file.write_bytes(content)
    for source in (content, file, tmp_path):
        assert len(load(source, Settings(max_fhir_bytes=size, max_fhir_resources=3)).resources) == 3
        with pytest.raises(FhirImportError, match=f"larger than {size - 1} bytes") as refusal:
            load(source, Settings(max_fhir_bytes=size - 1))
        assert refusal.value.outcome.issues[0].code == "too-costly"
        with pytest.raises(FhirImportError, match="more than 2 resources: split the file by patient or raise NOVAMIND"):
            load(source, Settings(max_fhir_resources=2))
    (tmp_path / "b.json").write_bytes(content)
    assert len(load(tmp_path, Settings(max_fhir_bytes=2 * size)).resources) == 6
    with pytest.raises(FhirImportError, match="larger than"):
        load(tmp_path, Settings(max_fhir_bytes=2 * size - 1))


def test_a_file_that_the_system_withholds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "a.json"
    file.write_text("{}")
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(DataProcessingError, match="Permission denied"):
        load(file, Settings())
