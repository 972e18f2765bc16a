"""FHIR JSON at the door: size, depth and number of resources are limited before anything is looked at.

A file is one resource, a Bundle, a Parameters resource, a list of these, or NDJSON (one resource a line, as bulk export
writes). In a folder and its sub-folders files count by path; those of other kinds are named. References are never
followed further than one step, so a cycle of them costs nothing.
"""

import json
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from novamind.errors import DataProcessingError, NotFoundError, NovamindError
from novamind.records.fhir.outcome import FhirImportError, Issue, refused
from novamind.records.fhir.references import Names, Target, names_of, subject
from novamind.records.tables.files import read_bytes
from novamind.settings import Settings

#: Deepest nesting of objects and lists; the deepest real resource we know has 17.
MAX_DEPTH = 60
#: How our own export says in ``meta.source`` where a datum was first read.
SOURCE_PREFIX = "urn:novamind:source:"
_SUFFIXES = (".json", ".ndjson", ".jsonl")
_CHANGED = "with a modifierExtension or implicitRules that may change its meaning; not read"
#: Requests of a Bundle that change a resource without giving it.
_CHANGES = ("DELETE", "PATCH")

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Located:
    """A resource, where it stands (FHIRPath), and what it can refer to.

    Attributes
    ----------
    full_url
        ``Bundle.entry.fullUrl``, where relative references start; of a contained resource that of its container.
    contained
        What the container holds, by id; an id that occurs twice is left out.
    parent
        The container of a contained resource.
    response
        ``Bundle.entry.response`` of a history.
    kind
        The ``resourceType``.
    name
        Where our own export says that it was first read, else type and id, else the place.
    names
        What references may call it.
    subject
        Whom it names as the person whom it is about.
    container_place
        Where ``#id`` means something: the place of its container, or its own.
    """

    resource: Resource
    place: str
    full_url: str = ""
    contained: Mapping[str, Resource] = field(default_factory=dict)
    parent: Resource | None = None
    response: Resource = field(default_factory=dict)
    kind: str = field(init=False)
    name: str = field(init=False)
    names: Names = field(init=False)
    subject: Target | None = field(init=False)
    container_place: str = field(init=False)

    def __post_init__(self) -> None:
        kind, own, meta = str(self.resource["resourceType"]), self.resource.get("id"), self.resource.get("meta")
        first = meta.get("source") if isinstance(meta, Mapping) else None
        name = f"{kind}/{own}" if isinstance(own, str) and own else self.place
        if isinstance(first, str) and first.startswith(SOURCE_PREFIX):
            name = unquote(first.removeprefix(SOURCE_PREFIX))
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "names", names_of(kind, self.full_url, self.resource))
        object.__setattr__(self, "subject", subject(self.resource, self.parent))
        place = self.place if self.parent is None else self.place.rpartition(".contained[")[0]
        object.__setattr__(self, "container_place", place)


class Removal(NamedTuple):
    """A request of a Bundle that takes a resource back (``DELETE``), or changes it unseen (``PATCH``)."""

    method: str
    url: str
    place: str
    full_url: str
    response: Resource


class Loaded(NamedTuple):
    """All that a source holds."""

    resources: list[Located]
    removals: list[Removal]
    issues: list[Issue]


def load(source: str | Path | bytes | Resource, settings: Settings) -> Loaded:
    """Return all resources of a file, a folder of files, bytes, or JSON that is already parsed.

    Raises
    ------
    FhirImportError
        The input breaks a limit or is no FHIR JSON at all.
    NotFoundError, DataProcessingError
        The file does not exist or cannot be read.
    """
    loaded = Loaded([], [], [])
    for document, start in _documents(source, settings, loaded.issues):
        _check_depth(document)
        for item, place in _items(document, start):
            for part in _walk(item, place, loaded.issues):
                if isinstance(part, Removal):
                    loaded.removals.append(part)
                else:
                    loaded.resources.append(part)
                if len(loaded.resources) + len(loaded.removals) > settings.max_fhir_resources:
                    raise refused(
                        "too-costly",
                        f"more than {settings.max_fhir_resources} resources: split the file by patient or raise "
                        "NOVAMIND_MAX_FHIR_RESOURCES",
                    )
    return loaded


def _documents(
    source: str | Path | bytes | Resource, settings: Settings, issues: list[Issue]
) -> Iterator[tuple[Any, str]]:
    if isinstance(source, Mapping):
        yield source, ""
        return
    limit, size = settings.max_fhir_bytes, 0
    paths = [] if isinstance(source, bytes) else _files(Path(source), issues)
    for number, content in enumerate([source] if isinstance(source, bytes) else (_content(p, limit) for p in paths), 1):
        size += len(content)
        if size > limit:
            text = f"larger than {limit} bytes: split it by patient or raise NOVAMIND_MAX_FHIR_BYTES"
            raise refused("too-costly", text)
        try:
            yield from _parsed(content, f"file {number}: " if len(paths) > 1 else "", issues)
        except FhirImportError as error:
            if len(paths) < 2 or any(issue.code == "too-costly" for issue in error.outcome.issues):
                raise
            text = "a file of the folder is not FHIR JSON in UTF-8; the others are read"
            issues.append(Issue("error", "structure", text, (f"file {number}",)))


def _files(path: Path, issues: list[Issue]) -> list[Path]:
    """Return the files that are read, by path; those of a folder that are not are listed in the issues."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file())
    read = [file for file in files if file.suffix.lower() in _SUFFIXES]
    if not read:
        raise NotFoundError(f"{path.name} holds no .json, .ndjson or .jsonl file")
    for file in files:
        if file.suffix.lower() not in _SUFFIXES:
            text = "a file that is no .json, .ndjson or .jsonl is left out"
            issues.append(Issue("information", "not-supported", text, (file.relative_to(path).as_posix(),)))
    return read


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
        # Not splitlines(), which also breaks at characters that may stand within a JSON text.
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
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
    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; one that gives a name twice could be read in two ways, so it is refused."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return made


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


def _items(document: Any, start: str) -> Iterator[tuple[Any, str]]:
    """Return the documents of a list, or the document."""
    if not isinstance(document, list):
        yield document, start
        return
    for i, item in enumerate(document):
        yield item, f"{start}[{i}]: "


def _walk(document: Any, start: str, issues: list[Issue]) -> Iterator[Located | Removal]:
    """Return the document, or what a Bundle or Parameters carries, each with its contained resources."""
    if not isinstance(document, Mapping) or not isinstance(document.get("resourceType"), str):
        issues.append(
            Issue("error", "structure", "JSON, but no FHIR resource: it has no 'resourceType'", _places(start))
        )
        return
    pending: list[tuple[Any, str, str, Resource]] = [(document, f"{start}{document['resourceType'][:40]}", "", {})]
    while pending:
        resource, place, full_url, response = pending.pop()
        if isinstance(resource, Removal):
            yield resource
        elif resource.get("implicitRules") and resource["resourceType"] in ("Bundle", "Parameters"):
            issues.append(Issue("error", "extension", f"{resource['resourceType']} {_CHANGED}", (place,)))
        elif resource["resourceType"] == "Bundle":
            if any(
                isinstance(link, Mapping) and link.get("relation") == "next" for link in _list(resource.get("link"))
            ):
                text = "the Bundle is one page of several: what stands on the next is read only if the file has it"
                issues.append(Issue("information", "incomplete", text, (place,)))
            pending.extend(reversed(_inside(resource.get("entry"), f"{place}.entry", issues)))
        elif resource["resourceType"] == "Parameters":
            pending.extend(reversed(_parts(resource.get("parameter"), f"{place}.parameter", issues)))
        else:
            yield from _with_contained(resource, place, full_url, response)


def _with_contained(resource: Resource, place: str, full_url: str, response: Resource) -> Iterator[Located]:
    parts = [
        (item, f"{place}.contained[{i}]")
        for i, item in enumerate(_list(resource.get("contained")))
        if isinstance(item, Mapping)
    ]
    ids = [item.get("id") for item, _ in parts]
    once = {own for own, times in Counter(own for own in ids if isinstance(own, str)).items() if times == 1}
    contained = {item["id"]: item for item, _ in parts if isinstance(item.get("id"), str) and item["id"] in once}
    yield Located(resource, place, full_url, contained, None, response)
    for item, here in parts:
        if isinstance(item.get("resourceType"), str):
            yield Located(item, here, full_url, contained, resource)


def _inside(entries: Any, place: str, issues: list[Issue]) -> list[tuple[Any, str, str, Resource]]:
    resources: list[tuple[Any, str, str, Resource]] = []
    for i, entry in enumerate(_list(entries)):
        here = f"{place}[{i}]"
        if not isinstance(entry, Mapping):
            issues.append(Issue("error", "structure", "an entry without a resource", (here,)))
            continue
        if entry.get("modifierExtension"):
            issues.append(Issue("error", "extension", f"entry {_CHANGED}", (here,)))
            continue
        resource, request, url, response = (entry.get(name) for name in ("resource", "request", "fullUrl", "response"))
        url, response = url if isinstance(url, str) else "", response if isinstance(response, Mapping) else {}
        method = request.get("method") if isinstance(request, Mapping) else None
        if method in _CHANGES:
            target = request.get("url") if isinstance(request, Mapping) else None
            removal = Removal(method, target if isinstance(target, str) else "", here, url, response)
            resources.append((removal, here, url, response))
        elif isinstance(resource, Mapping) and isinstance(resource.get("resourceType"), str):
            resources.append((resource, f"{here}.resource", url, response))
        else:
            issues.append(Issue("error", "structure", "an entry without a resource", (here,)))
    return resources


def _parts(parameters: Any, place: str, issues: list[Issue]) -> list[tuple[Any, str, str, Resource]]:
    resources: list[tuple[Any, str, str, Resource]] = []
    pending = deque([(parameters, place)])
    while pending:
        items, where = pending.popleft()
        for i, item in enumerate(_list(items)):
            here = f"{where}[{i}]"
            if not isinstance(item, Mapping):
                issues.append(Issue("error", "structure", "a parameter that is no object", (here,)))
                continue
            resource = item.get("resource")
            if isinstance(resource, Mapping) and isinstance(resource.get("resourceType"), str):
                resources.append((resource, f"{here}.resource", "", {}))
            pending.append((item.get("part"), f"{here}.part"))
    return resources


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _places(start: str) -> tuple[str, ...]:
    return (start.removesuffix(": "),) if start else ()
