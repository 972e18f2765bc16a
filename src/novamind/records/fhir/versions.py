"""Which resources count: those of R4 whose meaning is understood, in the newest version that was not taken back.

A ``modifierExtension`` or ``implicitRules`` may turn the meaning of a resource round (R4, "Extensibility", "Resource");
no such extension is known here. The marks of other versions of FHIR are elements that R4 does not have or has in
another form.

A history, or a folder of exports, may hold one resource several times. The order of entries and files says nothing;
``meta.lastUpdated``, else ``meta.versionId``, does (a history may give both beside the resource, in ``response``).
Where neither decides, no version is read. A ``DELETE`` takes back every version that is not newer than itself.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from novamind.records.fhir.documents import Loaded, Located, Removal, Resource
from novamind.records.fhir.outcome import Issue
from novamind.records.fhir.references import Address, Identifier, Key, address, conditional, searched

MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")
#: Kinds of resources that are read.
READ = frozenset({
    "Patient", "Observation", "QuestionnaireResponse", "Condition", "AllergyIntolerance", "Procedure", "Consent",
    *MEDICATIONS,
})  # fmt: skip
#: What we read of these is the same in STU3 and R4.
_SAME_IN_STU3 = ("Patient", "QuestionnaireResponse")
_ANY_SERVER = "*"
_TAKEN_BACK = {
    "DELETE": "deleted by the file; not read",
    "PATCH": "changed by a PATCH, which is not applied; not read",
}
_ETAG = re.compile(r'(?:W/)?"?(\d{1,18})"?')


class Current(NamedTuple):
    """What counts, and issues on the rest.

    Attributes
    ----------
    entries
        Resources, each followed by those that it contains.
    deleted
        What the file deletes.
    disputed
        Where Patients live, on servers that the file does not name, of whom it is not known that they are one.
    """

    entries: list[Located]
    deleted: set[Key]
    disputed: set[Key]
    issues: list[Issue]


def current(loaded: Loaded) -> Current:
    """Return the newest version of each resource that the file does not take back."""
    issues: list[Issue] = []
    removals = _Removals(loaded.removals, issues)
    versions: dict[Key | int, list[Located]] = defaultdict(list)
    for position, entry in enumerate(loaded.resources):
        if entry.parent is None:
            # A form is named by its own canonical version: responses may refer to an earlier one.
            key = None if entry.kind == "Questionnaire" else entry.names.key
            versions[position if key is None else key].append(entry)
    kept: set[int] = set()
    disputed: set[Key] = set()
    for same in versions.values():
        newest = _newest(same, issues) if len(same) > 1 else same[0]
        if newest is None:
            if same[0].kind == "Patient" and not same[0].full_url:
                disputed.add(same[0].names.key or "")
            continue
        removal = removals.of(newest)
        if removal is not None:
            issues.append(Issue("information", "deleted", _TAKEN_BACK[removal.method], (newest.place,)))
            continue
        kept.add(id(newest))
    entries, container_is_kept = [], False
    for entry in loaded.resources:  # what a resource contains follows it
        container_is_kept = id(entry) in kept if entry.parent is None else container_is_kept
        if container_is_kept:
            problem = _obstacle(entry)
            if problem is None:
                entries.append(entry)
            else:
                issues.append(problem)
    return Current(entries, removals.deleted, disputed, issues)


def _newest(versions: list[Located], issues: list[Issue]) -> Located | None:
    """Return the newest version; ``None`` where it cannot be known."""
    top = _latest(_latest(versions, _updated), _number)
    agreed = all(entry.resource == top[0].resource for entry in top)
    numbers = [number for number in map(_number, versions) if number is not None]
    contrary = len(numbers) == len(versions) and _number(top[0]) != max(numbers)
    if not agreed or contrary or any(_are_two_people(top[0], entry) for entry in versions):
        text = "versions of one resource of which neither lastUpdated nor versionId shows the newest; none is read"
        issues.extend(Issue("error", "conflict", text, (entry.place,)) for entry in versions)
        return None
    for entry in versions:
        if entry is not top[0]:
            again = entry.resource == top[0].resource
            text = "the same resource again; read once" if again else "an earlier version of a resource; not read"
            issues.append(Issue("information", "informational", text, (entry.place,)))
    return top[0]


def _are_two_people(first: Located, second: Located) -> bool:
    """Return whether Patients of one id, whose servers the file does not name, differ in two marks of a person."""
    if first.kind != "Patient" or first.full_url or first is second:
        return False
    mine, other = first.resource, second.resource
    marks = [mine.get(name) and other.get(name) and mine[name] != other[name] for name in ("gender", "birthDate")]
    identifiers = first.names.identifiers, second.names.identifiers
    return sum(map(bool, marks)) + (all(identifiers) and identifiers[0].isdisjoint(identifiers[1])) > 1


def _latest(versions: list[Located], measure: Callable[[Located], Any]) -> list[Located]:
    """Return the versions of the greatest measure; all of them where one has none."""
    measures = [measure(entry) for entry in versions]
    if None in measures:
        return versions
    greatest = max(measures)
    return [entry for entry, value in zip(versions, measures, strict=True) if value == greatest]


def _updated(entry: Located | Removal) -> datetime | None:
    meta = entry.resource.get("meta") if isinstance(entry, Located) else None
    text = (meta.get("lastUpdated") if isinstance(meta, dict) else None) or entry.response.get("lastModified")
    if not isinstance(text, str):
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
            return moment.astimezone(UTC) if moment.tzinfo else None
        except (ValueError, OverflowError):
            continue
    return None


def _number(entry: Located | Removal) -> int | None:
    meta = entry.resource.get("meta") if isinstance(entry, Located) else None
    text = (meta.get("versionId") if isinstance(meta, dict) else None) or entry.response.get("etag")
    match = _ETAG.fullmatch(str(text)) if isinstance(text, str | int) else None
    return int(match[1]) if match else None


class _Removals:
    """What the file takes back, by address and by identifier."""

    def __init__(self, removals: list[Removal], issues: list[Issue]) -> None:
        self._by_key: dict[Key, list[Removal]] = defaultdict(list)
        self._by_identifier: dict[tuple[str, Identifier], list[Removal]] = defaultdict(list)
        for removal in removals:
            search = conditional(removal.url)
            keys = [key for key in (address(removal.full_url) or removal.full_url, address(removal.url)) if key]
            for key in keys:
                self._by_key[key].append(removal)
                if isinstance(key, Address):
                    self._by_key[key._replace(server=_ANY_SERVER)].append(removal)
            if search is not None:
                self._by_identifier[search].append(removal)
            elif not keys:
                text = f"a {removal.method} that names no resource by id or identifier is not followed"
                issues.append(Issue("error", "not-supported", text, (removal.place,)))

    @property
    def deleted(self) -> set[Key]:
        """Return what was deleted, as a reference may name it."""
        return {
            key
            for key, removals in self._by_key.items()
            if not (isinstance(key, Address) and key.server == _ANY_SERVER)
            and any(r.method == "DELETE" for r in removals)
        }

    def of(self, entry: Located) -> Removal | None:
        """Return what takes a resource back after this version of it."""
        own, relative = entry.names.key, entry.names.relative
        removals = [*self._by_key.get(own, ())] if own is not None else []
        if relative is not None:  # a server that either side leaves open may be the other's
            removals += self._by_key.get(relative._replace(server=""), ())
            removals += self._by_key.get(relative._replace(server=_ANY_SERVER), ()) if not relative.server else ()
        for identifier in entry.names.identifiers:
            for search in searched(identifier):
                removals += self._by_identifier.get((entry.kind, search), ())
        return next((removal for removal in removals if not _newer(entry, removal)), None)


def _newer(entry: Located, removal: Removal) -> bool:
    """Return whether a version is known to be later than a removal."""
    updated, removed = _updated(entry), _updated(removal)
    if updated is not None and removed is not None:
        return updated > removed
    number, last = _number(entry), _number(removal)
    return number is not None and last is not None and number > last


def _obstacle(entry: Located) -> Issue | None:
    """Return why a resource of a kind that we read must not be read; ``None`` where it may be."""
    if entry.kind not in READ:
        return None
    version = None if entry.kind in _SAME_IN_STU3 else _other_version(entry.resource)
    if version is not None:
        text = f"{entry.kind} of FHIR {version}: only R4 is read, convert it"
        return Issue("error", "not-supported", text, (entry.place,))
    # Who somebody is does not depend on what contains the Patient.
    container = None if entry.kind == "Patient" else entry.parent
    if container is not None and container.get("status") == "entered-in-error":
        text = "contained in what was entered in error; not read"
        return Issue("information", "informational", text, (entry.place,))
    if _is_modified(entry.resource) or (container is not None and _is_modified(container)):
        text = f"{entry.kind} with a modifierExtension or implicitRules that may change its meaning; not read"
        return Issue("error", "extension", text, (entry.place,))
    return None


def _other_version(resource: Resource) -> str | None:
    """Return the other version of FHIR whose elements a resource shows; ``None`` for R4."""
    kind = resource["resourceType"]
    if kind == "Observation":
        old = isinstance(resource.get("category"), dict) or "context" in resource or "related" in resource
    elif kind in MEDICATIONS:
        if isinstance(resource.get("medication"), dict):
            return "R5"
        requester = resource.get("requester")
        old = (
            ("context" in resource and kind == "MedicationRequest")
            or any(name in resource for name in ("taken", "notGiven", "notDone", "wasNotGiven", "wasNotTaken"))
            or (isinstance(requester, dict) and "agent" in requester)
        )
    elif kind in ("Condition", "AllergyIntolerance"):
        old = isinstance(resource.get("clinicalStatus"), str)
    elif kind == "Procedure":
        old = "context" in resource or "notDone" in resource
    else:
        old = "animal" in resource
    return "STU3" if old else None


def _is_modified(resource: Resource) -> bool:
    """Return whether a modifier that is not known stands anywhere in a resource, what it contains left out."""
    if resource.get("implicitRules"):
        return True
    pending: list[Any] = [value for name, value in resource.items() if name not in ("contained", "modifierExtension")]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            if value.get("modifierExtension"):
                return True
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return bool(resource.get("modifierExtension"))
