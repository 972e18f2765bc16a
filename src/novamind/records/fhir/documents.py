"""FHIR JSON at the door: size, depth and number of resources are limited before anything is looked at.

A file is one resource, a Bundle, a Parameters resource, or NDJSON (one resource a line, as bulk export writes);
in a folder files count by name. References are never followed further than one step, so a cycle of them costs nothing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from novamind.errors import DataProcessingError, NotFoundError, NovamindError
from novamind.records.fhir.outcome import Issue, refused
from novamind.records.tables.files import read_bytes
from novamind.settings import Settings

#: Deepest nesting of objects and lists; the deepest real resource we know has 17.
MAX_DEPTH = 60
#: How our own export says in ``meta.source`` where a datum was first read.
SOURCE_PREFIX = "urn:novamind:source:"
_SUFFIXES = (".json", ".ndjson")

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Located:
    """A resource, where it stands (FHIRPath), and what it can refer to."""

    resource: Resource
    place: str
    full_url: str = ""
    contained: Mapping[str, Resource] = field(default_factory=dict)
    parent: Resource | None = None

    @property
    def kind(self) -> str:
        """Return the ``resourceType``."""
        return str(self.resource["resourceType"])

    @property
    def name(self) -> str:
        """Return where our own export says that it was first read, else type and id, else the place."""
        meta = self.resource.get("meta")
        first = meta.get("source") if isinstance(meta, Mapping) else None
        if isinstance(first, str) and first.startswith(SOURCE_PREFIX):
            return unquote(first.removeprefix(SOURCE_PREFIX))
        own = self.resource.get("id")
        return f"{self.kind}/{own}" if isinstance(own, str) and own else self.place


def load(source: str | Path | bytes | Resource, settings: Settings | None = None) -> tuple[list[Located], list[Issue]]:
    """Return all resources of a file, a folder of files, bytes, or JSON that is already parsed, and the issues.

    Raises
    ------
    FhirImportError
        The input breaks a limit or is no FHIR JSON at all.
    NotFoundError, DataProcessingError
        The file does not exist or cannot be read.
    """
    settings = settings or Settings()
    issues: list[Issue] = []
    resources: list[Located] = []
    for document, start in _documents(source, settings, issues):
        _check_depth(document)
        for located in _walk(document, start, issues):
            resources.append(located)
            if len(resources) > settings.max_fhir_resources:
                raise refused(
                    "too-costly",
                    f"more than {settings.max_fhir_resources} resources: split the file by patient or raise "
                    "NOVAMIND_MAX_FHIR_RESOURCES",
                )
    return resources, issues


def _documents(
    source: str | Path | bytes | Resource, settings: Settings, issues: list[Issue]
) -> Iterator[tuple[Any, str]]:
    if isinstance(source, Mapping):
        yield source, ""
        return
    limit = settings.max_fhir_bytes
    if isinstance(source, bytes):
        contents = [source]
    elif Path(source).is_dir():
        files = sorted(file for file in Path(source).iterdir() if file.suffix in _SUFFIXES)
        if not files:
            raise NotFoundError(f"{Path(source).name} holds no .json or .ndjson file")
        contents = [_content(file, limit) for file in files]
    else:
        contents = [_content(Path(source), limit)]
    if sum(map(len, contents)) > limit:
        raise refused("too-costly", f"larger than {limit} bytes: split it by patient or raise NOVAMIND_MAX_FHIR_BYTES")
    for number, content in enumerate(contents, 1):
        yield from _parsed(content, f"file {number}: " if len(contents) > 1 else "", issues)


def _content(path: Path, limit: int) -> bytes:
    try:
        return read_bytes(path, limit)
    except (NotFoundError, DataProcessingError):
        raise
    except NovamindError as error:
        raise refused("too-costly", f"larger than {limit} bytes: raise NOVAMIND_MAX_FHIR_BYTES to read it") from error


def _parsed(content: bytes, start: str, issues: list[Issue]) -> Iterator[tuple[Any, str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused("structure", "the file is not UTF-8 text: FHIR JSON must be") from error
    try:
        yield _json(text), start
        return
    except RecursionError as error:
        raise refused("too-costly", f"nested more than {MAX_DEPTH} levels deep") from error
    except ValueError as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if len(lines) < 2 or not _is_object(lines[0][1]):
            hint = "; FHIR XML is not read, convert it to JSON" if text.lstrip()[:1] == "<" else ""
            raise refused("structure", f"the file is not valid JSON{hint}") from error
    for number, line in lines:
        try:
            yield _json(line), f"{start}line {number}: "
        except (ValueError, RecursionError):
            issues.append(
                Issue("error", "structure", "a line of the NDJSON file is not valid JSON", (f"{start}line {number}",))
            )


def _is_object(line: str) -> bool:
    try:
        return isinstance(_json(line), dict)
    except (ValueError, RecursionError):
        return False


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                below.extend(value for value in item.values() if isinstance(value, Mapping | list))
            elif isinstance(item, list):
                below.extend(value for value in item if isinstance(value, Mapping | list))
        if not below:
            return
        level = below
    raise refused("too-costly", f"nested more than {MAX_DEPTH} levels deep")


def _walk(document: Any, start: str, issues: list[Issue]) -> Iterator[Located]:
    """Return the document, or the resources that a Bundle or Parameters carries, each with its contained resources."""
    if not isinstance(document, Mapping) or not isinstance(document.get("resourceType"), str):
        issues.append(
            Issue("error", "structure", "JSON, but no FHIR resource: it has no 'resourceType'", _places(start))
        )
        return
    pending: list[tuple[Any, str, str]] = [(document, f"{start}{document['resourceType'][:40]}", "")]
    while pending:
        resource, place, full_url = pending.pop()
        kind = resource["resourceType"]
        if kind == "Bundle":
            pending.extend(reversed(_inside(resource.get("entry"), f"{place}.entry", issues)))
        elif kind == "Parameters":
            pending.extend(reversed(_parts(resource.get("parameter"), f"{place}.parameter", issues)))
        else:
            contained = {
                item["id"]: item
                for item in _list(resource.get("contained"))
                if isinstance(item, Mapping) and isinstance(item.get("id"), str)
            }
            yield Located(resource, place, full_url, contained)
            for i, item in enumerate(_list(resource.get("contained"))):
                if isinstance(item, Mapping) and isinstance(item.get("resourceType"), str):
                    yield Located(item, f"{place}.contained[{i}]", "", contained, resource)


def _inside(entries: Any, place: str, issues: list[Issue]) -> list[tuple[Any, str, str]]:
    resources = []
    for i, entry in enumerate(_list(entries)):
        here = f"{place}[{i}]"
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if not isinstance(resource, Mapping) or not isinstance(resource.get("resourceType"), str):
            issues.append(Issue("error", "structure", "an entry without a resource", (here,)))
            continue
        url = entry.get("fullUrl")
        resources.append((resource, f"{here}.resource", url if isinstance(url, str) else ""))
    return resources


def _parts(parameters: Any, place: str, issues: list[Issue]) -> list[tuple[Any, str, str]]:
    resources, pending = [], [(parameters, place)]
    while pending:
        items, where = pending.pop(0)
        for i, item in enumerate(_list(items)):
            here = f"{where}[{i}]"
            if not isinstance(item, Mapping):
                issues.append(Issue("error", "structure", "a parameter that is no object", (here,)))
                continue
            resource = item.get("resource")
            if isinstance(resource, Mapping) and isinstance(resource.get("resourceType"), str):
                resources.append((resource, f"{here}.resource", ""))
            pending.append((item.get("part"), f"{here}.part"))
    return resources


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _places(start: str) -> tuple[str, ...]:
    return (start.removesuffix(": "),) if start else ()
