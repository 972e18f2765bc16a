"""Whose a resource is: each subject resolved to a person of the file, before anything else is read.

Two servers' ``Patient/1`` are two people. A reference names a person by ``fullUrl``, by server, type and id, by a
conditional search for an identifier, or by the identifier itself; never by its last segment alone. What a resource
contains is known within it alone. Where the file does not settle whose a resource is, it is not read, with the reason.
Nothing here depends on the order of entries or files.
"""

import json
from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from novamind.records.fhir.documents import Located
from novamind.records.fhir.outcome import Issue, Severity
from novamind.records.fhir.references import Address, Identifier, Key, Target, searched, target
from novamind.records.fhir.terminology import OWN

PATIENT_IDENTIFIER = f"{OWN}:patient"


def export_url(patient_id: str, position: int) -> str:
    """Return the ``fullUrl`` of a resource of our own export; the Patient is at position 0."""
    name = f"{OWN}:record:{patient_id}:{position}".encode("utf-8", "replace").decode()
    return f"urn:uuid:{uuid5(NAMESPACE_URL, name)}"


#: Whose record it is where neither a Patient nor a subject says so.
UNNAMED = "unnamed"


@dataclass(eq=False, slots=True)
class Person:
    """Somebody whom the file speaks of.

    Attributes
    ----------
    name
        The record's ``patient_id``, different for each person of the file.
    full_name
        What tells people of one name apart.
    entry
        Their Patient resource, where the file has it.
    """

    name: str
    full_name: str
    entry: Located | None = None


class Problem(NamedTuple):
    """Why a resource is nobody's."""

    severity: Severity
    code: str
    text: str


_NOT_IN_FILE = Problem("error", "not-found", "the subject refers to nothing in the file; not read")
_NOT_A_PATIENT = Problem("error", "not-supported", "the subject is no Patient; not read")
_SEVERAL = Problem("error", "multiple-matches", "the subject may be one of several people; not read, give fullUrl")
_OTHER_SERVER = Problem(
    "error", "not-found", "the subject is on a server that no Patient here is from; not read, give fullUrl"
)
_DELETED = Problem("error", "deleted", "the subject was deleted by the file; not read")
_IN_WORDS = Problem("error", "required", "the subject has neither reference nor identifier; not read")
_NO_IDENTIFIER = Problem("error", "not-found", "the subject's identifier is no Patient's in the file; not read")
_CONTRARY = Problem("error", "conflict", "the subject's reference and identifier name two people; not read")
_NO_SUBJECT = Problem("error", "required", "names no subject in a file that is not of one Patient; not read")
_FOCUS = Problem("information", "informational", "about somebody or something else than the patient (focus); not read")
_UNUSED = Problem("information", "informational", "a contained Patient to whom nothing belongs; not read")
_ELSEWHERE = Problem("information", "informational", "a contained Patient who has another resource; not read")
_JOINED = "a Patient or reference without a server is taken for that of the same id on the file's one server"


class People:
    """The people of a file, and whose each resource is.

    Attributes
    ----------
    subjects
        One per entry: the person, or why there is none. A Patient is its own subject.
    issues
        Where a server was left open and filled in.
    """

    def __init__(self, entries: list[Located], deleted: Set[Key], disputed: Set[Key]) -> None:
        self._disputed = disputed
        self.issues: list[Issue] = []
        self._people: list[Person] = []
        self._by_key: dict[Key, list[Person]] = defaultdict(list)
        self._by_identifier: dict[Identifier, dict[Person, None]] = defaultdict(dict)
        self._by_reference: dict[Address, Person] = {}
        self._by_place: dict[str, Person] = {}
        self._contained: dict[tuple[str, str], Located] = {}
        self._by_contained: dict[object, Person] = {}
        self._servers: dict[str, set[str]] = defaultdict(set)
        self._homes: dict[str, set[str]] = defaultdict(set)
        self._deleted: dict[str, set[str]] = defaultdict(set)
        self._joined: set[str] = set()
        for key in deleted:
            if isinstance(key, Address) and key.kind == "Patient":
                self._deleted[key.id].add(key.server)
        for entry in entries:
            self._note_mention(entry)
        answers = [self._subject(entry) for entry in entries]
        sole = self._sole(answers)
        self.subjects: list[Person | Problem] = [
            self._focused(entry, sole if answer is None else answer)
            for entry, answer in zip(entries, answers, strict=True)
        ]
        for i, entry in enumerate(entries):
            if entry.kind == "Patient" and entry.parent is not None:
                person = self._by_place.get(entry.place)
                self.subjects[i] = _UNUSED if person is None else person if person.entry is entry else _ELSEWHERE
        _name_apart(self._people)

    def _note_mention(self, entry: Located) -> None:
        """Note the people whom Patient resources bring, and on which servers there are Patients of an id."""
        if entry.kind != "Patient":
            written = entry.subject.address if entry.subject else None
            if written is not None and written.kind == "Patient":
                self._servers[written.id] |= {written.server or entry.names.server} - {""}
        elif entry.parent is not None:
            own_id = entry.resource.get("id")
            if isinstance(own_id, str):
                self._contained[entry.container_place, own_id] = entry
        else:
            key, relative, _, identifiers = entry.names
            full_name = "/".join(filter(None, key)) if isinstance(key, Address) else key or ""
            person = self._by_place[entry.place] = self._new(_name(entry), full_name, entry)
            for each in {key, relative}:
                if each is not None:
                    self._by_key[each].append(person)
            if relative is not None:
                self._servers[relative.id] |= {relative.server} - {""}
                self._homes[relative.id].add(relative.server)
            for identifier in identifiers:
                for search in searched(identifier):
                    self._by_identifier[search][person] = None

    def _new(self, name: str, full_name: str, entry: Located | None = None) -> Person:
        person = Person(name, full_name, entry)
        self._people.append(person)
        return person

    def _sole(self, answers: list[Person | Problem | None]) -> Person | Problem:
        """Return whom a resource without a subject belongs to: the one Patient of a file about nobody else."""
        if not self._people and None in answers:
            return self._new(UNNAMED, "")
        strangers = any(isinstance(answer, Problem) and answer is not _NOT_A_PATIENT for answer in answers)
        person = self._people[0] if len(self._people) == 1 else None
        alone = person is not None and person.entry is not None and person.entry.parent is None
        return person if alone and not strangers and person is not None else _NO_SUBJECT

    # -- one subject

    def _subject(self, entry: Located) -> Person | Problem | None:
        """Return the person, why there is none, or ``None`` where the resource names no subject at all."""
        if entry.kind == "Patient":
            return self._by_place.get(entry.place, _UNUSED)
        return None if entry.subject is None else self._person(entry.subject, entry)

    def _person(self, subject: Target, entry: Located) -> Person | Problem:
        if subject.kind and subject.kind.rpartition("/")[2] != "Patient":
            return _NOT_A_PATIENT
        identifier = subject.identifier
        if not subject.text:
            return _IN_WORDS if identifier is None else self._identified(identifier)
        person = self._referred(subject, entry)
        if isinstance(person, Person) and identifier is not None:
            others = self._by_identifier.get(identifier, {})
            systems = {} if person.entry is None else dict(person.entry.names.identifiers)
            if (others and person not in others) or (not others and identifier.system in systems):
                return _CONTRARY
        return person

    def _identified(self, identifier: Identifier) -> Person | Problem:
        people = self._by_identifier.get(identifier, {})
        return next(iter(people)) if len(people) == 1 else _SEVERAL if people else _NO_IDENTIFIER

    def _referred(self, subject: Target, entry: Located) -> Person | Problem:
        if subject.text.startswith("#"):
            return self._within(subject.text[1:], entry)
        people = self._by_key.get(subject.text, [])
        if subject.text in self._disputed:
            return _SEVERAL
        if people:
            return people[0] if len(people) == 1 else _SEVERAL
        written = subject.address
        if subject.search is not None:
            kind, identifier = subject.search
            return self._identified(identifier) if kind == "Patient" else _NOT_A_PATIENT
        if written is None:
            return _NOT_IN_FILE
        if written.kind != "Patient":
            return _NOT_A_PATIENT
        return self._at(written if written.server else written._replace(server=entry.names.server), entry)

    def _at(self, home: Address, entry: Located) -> Person | Problem:
        """Return who lives at an address; a server that one side leaves open is the one that the file names."""
        exact = self._by_key.get(home, [])
        if exact:
            return exact[0] if len(exact) == 1 else _SEVERAL
        if home in self._disputed or home._replace(server="") in self._disputed:
            return _SEVERAL
        gone = self._deleted.get(home.id, set())
        if gone and (not home.server or gone & {home.server, ""}):
            return _DELETED
        homes, servers = self._homes.get(home.id, set()), self._servers[home.id]
        if not homes or (home.server and "" not in homes):
            if home not in self._by_reference:
                self._by_reference[home] = self._new(home.id, "/".join(filter(None, home)))
            return self._by_reference[home]
        if home.server and home.server != entry.names.server:
            return _OTHER_SERVER
        people = self._by_key[home._replace(server="" if home.server else next(iter(homes)))]
        if len(people) > 1 or len(servers) > 1:
            return _SEVERAL
        if home.id not in self._joined:
            self._joined.add(home.id)
            self.issues.append(Issue("information", "informational", _JOINED, (entry.place,)))
        return people[0]

    def _within(self, own_id: str, entry: Located) -> Person | Problem:
        """Return the person of a contained Patient: known within its container, or by an identifier beyond it."""
        place = entry.container_place
        if not own_id:  # "#" alone names the container
            return self._by_place.get(place, _NOT_A_PATIENT)
        patient = self._contained.get((place, own_id)) if own_id in entry.contained else None
        if patient is None:
            return _NOT_A_PATIENT if own_id in entry.contained else _NOT_IN_FILE
        marks = patient.names.identifiers
        matches = [self._by_identifier[mark] for mark in marks if mark in self._by_identifier]
        people = {person for match in matches for person in islice(match, 2)}
        if len(people) > 1:
            return _SEVERAL
        person = next(iter(people), None)
        if person is None:
            about = (patient.resource.get("gender"), patient.resource.get("birthDate"))
            key = (marks, *map(str, about)) if marks else (place, own_id)
            if key not in self._by_contained:
                self._by_contained[key] = self._new(_name(patient), "", patient)
            person = self._by_contained[key]
            if person.entry is not patient and person.entry is not None and _rank(patient) < _rank(person.entry):
                person.entry, person.name = patient, _name(patient)
        elif _differ(person.entry, patient):
            return _CONTRARY
        self._by_place[patient.place] = person
        return person

    def _focused(self, entry: Located, person: Person | Problem) -> Person | Problem:
        """Return the person, unless an Observation is about somebody or something else than its subject."""
        focus = entry.resource.get("focus") if entry.kind == "Observation" else None
        if isinstance(person, Problem) or not focus:
            return person
        others = focus if isinstance(focus, list) else [focus]
        own = all(self._person(target(other), entry) is person for other in others)
        return person if own else _FOCUS


def _name(entry: Located) -> str:
    """Return what a Patient is called: the name that our own export gave, its id, or its ``fullUrl``."""
    own = sorted(i.value for i in entry.names.identifiers if i.system == PATIENT_IDENTIFIER)
    key, own_id = entry.names.key, entry.resource.get("id")
    written = key.id if isinstance(key, Address) else (key or "").removeprefix("urn:uuid:")
    if entry.parent is not None:
        written = ""
    return own[0] if own else (own_id.strip() if isinstance(own_id, str) else "") or written or UNNAMED


def _differ(first: Located | None, second: Located) -> bool:
    """Return whether two Patient resources contradict each other in sex or birth date."""
    mine, other = ({} if first is None else first.resource), second.resource
    return any(mine.get(name) and other.get(name) not in (None, mine[name]) for name in ("gender", "birthDate"))


def _rank(entry: Located) -> str:
    """Return a text that orders resources by what they say, not by where they stand."""
    return json.dumps((entry.resource, entry.parent), sort_keys=True, default=dict)


def _person_rank(person: Person) -> tuple[str, str]:
    return person.full_name, "" if person.entry is None else _rank(person.entry)


def _name_apart(people: list[Person]) -> None:
    """Give people of one name what tells them apart, in an order that is not that of the file."""
    by_name: dict[str, list[Person]] = defaultdict(list)
    for person in people:
        by_name[person.name].append(person)
    for name, same in by_name.items():
        several = sum(1 for person in same if person.full_name) > 1
        for number, person in enumerate(sorted(same, key=_person_rank) if len(same) > 1 else (), 1):
            if several or not person.full_name:
                person.name = person.full_name or f"{name} {number}"
    if len({person.name for person in people}) < len(people):
        for number, person in enumerate(sorted(people, key=_person_rank), 1):
            person.name = f"{person.name} {number}"
