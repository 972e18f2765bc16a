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
    located, issues = load(source, settings)
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
        ("Bundle.entry[0].resource.contained[0]", ""),
        ("Bundle.entry[0].resource.contained[1]", ""),
        ("Bundle.entry[1].resource.entry[0].resource", ""),
        ("Bundle.entry[4].resource", ""),
    ]
    assert issues == [("an entry without a resource", (f"Bundle.entry[{i}]",)) for i in (2, 3)]
    outer, first, *_ = load(bundle)[0]
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
        load(content)
    assert [i.diagnostics for i in refusal.value.outcome.issues] == [text]


def test_sixty_levels_are_deep_enough_for_anything_real() -> None:
    def deep(levels: int, *, lists: bool) -> dict[str, Any]:
        inner: Any = 7
        for _ in range(levels - 1):
            inner = [inner] if lists else {"a": inner}
        return {"resourceType": "Basic", "a": inner}

    for lists in (True, False):
        assert len(load(deep(60, lists=lists))[0]) == 1
        with pytest.raises(FhirImportError, match="nested more than 60 levels deep"):
            load(deep(61, lists=lists))
    mixed = BASIC | {"a": [1, {"b": 2}], "c": "text"}
    assert len(load(mixed)[0]) == 1
    assert MAX_DEPTH == 60


def test_a_folder_is_read_by_name_and_its_files_are_numbered(tmp_path: Path) -> None:
    for name in ("b.json", "a.ndjson", "c.txt"):
        (tmp_path / name).write_text(json.dumps(BASIC))
    assert [place for place, _ in places(tmp_path)[0]] == ["file 1: Basic", "file 2: Basic"]
    (tmp_path / "a.ndjson").unlink()
    assert places(str(tmp_path))[0] == [("Basic", "")]
    (tmp_path / "b.json").write_text("7")
    assert places(tmp_path)[1][0][1] == ()
    (tmp_path / "b.json").unlink()
    with pytest.raises(NotFoundError, match=r"holds no \.json or \.ndjson file"):
        load(tmp_path)
    with pytest.raises(NotFoundError, match="does not exist"):
        load(tmp_path / "x.json")


def test_limits_on_bytes_and_resources_hold_exactly(tmp_path: Path) -> None:
    content = json.dumps({"resourceType": "Bundle", "entry": [{"resource": BASIC}] * 3}).encode()
    size = len(content)
    file = tmp_path / "a.json"
    file.write_bytes(content)
    for source in (content, file, tmp_path):
        assert len(load(source, Settings(max_fhir_bytes=size, max_fhir_resources=3))[0]) == 3
        with pytest.raises(FhirImportError, match=f"larger than {size - 1} bytes") as refusal:
            load(source, Settings(max_fhir_bytes=size - 1))
        assert refusal.value.outcome.issues[0].code == "too-costly"
        with pytest.raises(FhirImportError, match="more than 2 resources: split the file by patient or raise NOVAMIND"):
            load(source, Settings(max_fhir_resources=2))
    (tmp_path / "b.json").write_bytes(content)
    assert len(load(tmp_path, Settings(max_fhir_bytes=2 * size))[0]) == 6
    with pytest.raises(FhirImportError, match="larger than"):
        load(tmp_path, Settings(max_fhir_bytes=2 * size - 1))


def test_a_file_that_the_system_withholds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "a.json"
    file.write_text("{}")
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(DataProcessingError, match="Permission denied"):
        load(file)
