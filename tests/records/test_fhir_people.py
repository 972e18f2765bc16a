"""Whatever a file is made of, no value ends at a person to whom the file does not give it.

A model knows whose each value is: people of several servers and of none, told apart by ``fullUrl``, id, identifier or
container; values that name them in every way that FHIR has, and values that are nobody's; versions, corrections,
withdrawals and deletions. The order of entries, and how they are spread over files, must not matter.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from novamind.records import FhirImport, FhirImportError, read_fhir
from novamind.records.fhir import documents, reader, references, versions
from novamind.records.fhir.identity import People
from novamind.records.fhir.references import Target
from tests.weak import must_fail

SERVERS = ("https://a.example/fhir", "https://b.example/fhir")
OTHER = "https://c.example/fhir"
FIRST = date(2023, 1, 1)
Json = dict[str, Any]


@dataclass
class Somebody:
    """A person of the model; the birth year is theirs alone and tells their record."""

    number: int
    server: str
    own_id: str
    form: str
    identifier: tuple[str, str] | None

    @property
    def year(self) -> int:
        return 1950 + self.number

    @property
    def urn(self) -> str:
        return f"urn:uuid:{UUID(int=self.number + 1, version=4)}"

    def resource(self, own_id: str = "") -> Json:
        resource = {"resourceType": "Patient", "birthDate": f"{self.year}-05-01", "gender": "female"}
        if own_id or self.own_id:
            resource["id"] = own_id or self.own_id
        if self.identifier:
            system, value = self.identifier
            resource["identifier"] = [{"system": system, "value": value}]
        return resource

    def entry(self) -> Json:
        url = {"server": f"{self.server}/Patient/{self.own_id}", "urn": self.urn}.get(self.form)
        return {"resource": self.resource(), **({"fullUrl": url} if url else {})}


@dataclass
class Model:
    """Entries of a file, and whose the value of each day is; ``None`` for nobody of the model."""

    people: list[Somebody]
    entries: list[Json] = field(default_factory=list)
    owners: dict[int, int | None] = field(default_factory=dict)


def total(day: int, subject: Json | None, **more: Any) -> Json:
    """A PHQ-9 total on a day of its own."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
        "effectiveDateTime": str(FIRST + timedelta(days=day)),
        "valueInteger": day % 28,
        **({"subject": subject} if subject is not None else {}),
    } | more


def reference(text: str, **more: Any) -> Json:
    return {"reference": text} | more


def names(person: Somebody, random: Random) -> tuple[str, Json, Json]:
    """One way to give a value to a person: the server of its entry, the subject, more of the resource."""
    ways: list[tuple[str, Json, Json]] = []
    relative = f"Patient/{person.own_id}"
    if person.form == "server":
        ways += [("", reference(f"{person.server}/{relative}"), {}), (person.server, reference(relative), {})]
        ways += [(person.server, reference(f"{relative}/_history/{random.randint(1, 3)}"), {})]
        ways += [(random.choice(SERVERS), reference(f"{person.server}/{relative}", type="Patient"), {})]
    elif person.form == "urn":
        ways += [(random.choice(("", *SERVERS)), reference(person.urn), {})]
    elif person.form == "bare":
        ways += [("", reference(relative), {})]
    if person.identifier:
        system, value = person.identifier
        logical = {"identifier": {"system": system, "value": value}}
        inner = person.resource("pt")
        if person.form != "contained":
            ways += [("", reference(f"Patient?identifier={system}|{value}"), {}), ("", logical, {})]
            ways += [(server, subject | logical, more) for server, subject, more in ways[:2]]
        ways += [("", reference("#pt"), {"contained": [inner]})]
    elif person.form == "contained":
        ways += [("", reference("#pt"), {"contained": [person.resource("pt")]})]
    server, subject, more = random.choice(ways)
    if random.random() < 0.2:
        more = more | {"focus": [subject]}
    return server, subject, more


def nobodys(people: list[Somebody], random: Random) -> tuple[str, Json | None, Json]:
    """One way to give a value to nobody of the model."""
    person = random.choice(people)
    own_id = person.own_id or "1"
    mine, mine_of = (names(person, random) for _ in range(2))
    others = [other for other in people if other is not person and other.identifier and other.form != "contained"]
    ways: list[tuple[str, Json | None, Json]] = [
        ("", reference(f"Group/{own_id}"), {}),
        ("", reference(f"Device/{own_id}"), {}),
        ("", reference(own_id), {}),
        ("", reference(f"patient/{own_id}"), {}),
        ("", reference(f"x/Patient/{own_id}/"), {}),
        ("", reference(f"{OTHER}/Patient/{own_id}"), {}),
        ("", reference(f"urn:uuid:{own_id}"), {}),
        ("", reference("#pt"), {}),
        ("", reference("#pt"), {"contained": [{"resourceType": "Group", "id": "pt"}]}),
        ("", reference("#pt"), {"contained": [person.resource("pt"), person.resource("pt")]}),
        ("", reference("Patient?identifier=urn:nobody|7"), {}),
        ("", reference(f"Patient?name={own_id}"), {}),
        ("", {"identifier": {"system": "urn:nobody", "value": "7"}}, {}),
        ("", {"display": "somebody else"}, {}),
        (mine[0], mine[1] | {"type": "Group"}, mine[2]),
        (mine[0], mine[1], {**mine[2], "focus": [{"reference": "RelatedPerson/1"}]}),
        (mine[0], mine[1], {**mine[2], "focus": [{"display": "fetus"}]}),
        (mine_of[0], mine_of[1], {**mine_of[2], "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}),
        (mine_of[0], mine_of[1], {**mine_of[2], "implicitRules": "urn:x"}),
        (mine_of[0], mine_of[1], {**mine_of[2], "status": "entered-in-error"}),
    ]
    if sum(other.form != "contained" for other in people) > 1:
        ways.append(("", None, {}))
    if others and "reference" in mine[1] and not mine[1]["reference"].startswith("#"):
        system, value = random.choice(others).identifier or ("", "")
        ways.append((mine[0], mine[1] | {"identifier": {"system": system, "value": value}}, mine[2]))
    return random.choice(ways)


def stamped(resource: Json, version: int, how: str) -> Json:
    meta = {"lastUpdated": f"2024-02-{version:02d}T0{9 - version}:00:00Z", "versionId": str(version)}
    return resource | {"meta": {name: text for name, text in meta.items() if how in (name, "both")}}


def add_value(model: Model, random: Random) -> None:
    """Add one value, often with a history: earlier versions, a withdrawal, a deletion."""
    day = len(model.owners)
    owner: Somebody | None = random.choice(model.people)
    if random.random() < 0.4 or owner is None:
        owner, (server, subject, more) = None, nobodys(model.people, random)
    else:
        server, subject, more = names(owner, random)
        if owner.form == "contained" and not owner.identifier:
            model.people.remove(owner)  # known within its container alone: no other value can be theirs
    resource = total(day, subject, **more)
    model.owners[day] = owner.number if owner else None
    url, own_id = f"{server}/Observation/o{day}" if server else "", f"o{day}"
    entry = {"resource": resource | {"id": own_id}, **({"fullUrl": url} if url else {})}
    history = random.choice(["none", "none", "corrected", "withdrawn", "deleted", "recreated"])
    if history == "none":
        model.entries.append(entry)
        return
    how = random.choice(["lastUpdated", "versionId", "both"])
    earlier = random.choice(model.people or [Somebody(99, "", "99", "bare", None)])
    model.owners[day + 1] = None  # the earlier version, of another day and perhaps of somebody else
    old = total(day + 1, names(earlier, random)[1] if earlier.form != "contained" else subject, id=own_id)
    model.entries.append(entry | {"resource": stamped(old, 1, how)})
    last = stamped(entry["resource"], 2, how)
    if history == "withdrawn":
        last |= {"status": "entered-in-error"}
    if history in ("withdrawn", "deleted"):
        model.owners[day] = None
    model.entries.append(entry | {"resource": last})
    if history in ("deleted", "recreated"):
        moment = "2024-02-03T00:00:00Z" if history == "deleted" else "2024-02-01T12:00:00Z"
        etag = 'W/"3"' if history == "deleted" else 'W/"1"'
        response = {"lastModified": moment, "etag": etag}
        request = {"method": "DELETE", "url": random.choice([f"Observation/o{day}", url or f"Observation/o{day}"])}
        model.entries.append({"request": request, "response": response})


def made(seed: int) -> tuple[Model, Random]:
    random = Random(seed)
    people: list[Somebody] = []
    taken = set()
    for number in range(random.randint(2, 5)):
        form = random.choice(["server", "server", "urn", "bare", "contained"])
        server, own_id = random.choice(SERVERS), random.choice("12")
        if form == "bare" and any(other.form == "bare" and other.own_id == own_id for other in people):
            own_id = f"only-{number}"
        if form == "server" and (server, own_id) in taken:
            own_id = f"only-{number}"
        taken.add((server, own_id))
        if form == "urn":  # beside a bare Patient of the same id, Patient/id would be either
            own_id = random.choice(["", f"urn-{number}"])
        identifier = random.choice([None, ("urn:mrn:a", str(number)), ("urn:mrn:b", str(number // 2 * 2 + 50))])
        if identifier and any(other.identifier == identifier for other in people):
            identifier = ("urn:mrn:a", str(number))
        people.append(Somebody(number, server, own_id, form, identifier))
    model = Model(list(people), [person.entry() for person in people if person.form != "contained"])
    for _ in range(random.randint(1, 7)):
        if model.people:
            add_value(model, random)
    random.shuffle(model.entries)
    return model, random


def read(documents: list[Json]) -> FhirImport | None:
    try:
        return read_fhir(json.dumps(documents).encode())
    except FhirImportError:
        return None


def rows(result: FhirImport | None) -> dict[str, tuple[object, set[tuple[int, float]]]]:
    """Record to birth year and days with values."""
    shown = {}
    for record in result.records if result else ():
        frame = record.symptoms
        days = [] if frame is None else [(t.astype("datetime64[D]").item() - FIRST).days for t in frame.timestamps]
        scores = [] if frame is None else frame.values.tolist()
        shown[record.patient_id] = record.demographics.get("birth_year"), set(zip(days, scores, strict=True))
    return shown


def check(seed: int) -> None:
    model, random = made(seed)
    whole = rows(read([{"resourceType": "Bundle", "type": "history", "entry": model.entries}]))
    read_days = {}
    for year, values in whole.values():
        for day, value in values:
            owner = model.owners[day]
            assert year == (None if owner is None else 1950 + owner), "a value is with somebody else"
            assert value == day % 28
            read_days[day] = owner
    assert read_days.keys() >= {day for day, owner in model.owners.items() if owner is not None}, "a value is lost"
    shuffled = random.sample(model.entries, len(model.entries))
    cut = random.randint(0, len(shuffled))
    parts = [{"resourceType": "Bundle", "entry": part} for part in (shuffled[:cut], shuffled[cut:])]
    assert rows(read(parts)) == whole, "the order of entries or files matters"


seeds = st.integers(0, 10**9)


@given(seeds)
@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
def test_no_value_ends_with_somebody_else(seed: int) -> None:
    check(seed)


@given(seeds)
@settings(max_examples=15)
def test_folders_of_files_and_their_order_are_alike(seed: int) -> None:
    model, random = made(seed)
    whole = rows(read([{"resourceType": "Bundle", "entry": model.entries}]))
    with tempfile.TemporaryDirectory() as folder:
        for entry in model.entries:
            path = Path(folder, random.choice(["", "inner", "inner/deeper"]), f"{random.random()}.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"resourceType": "Bundle", "entry": [entry]}))
        assert rows(read_fhir(folder) if whole else None) == whole


# -- the property notices when a guard is gone


REFERRED, ADDRESS, TARGET = People._referred, references.address, references.target


def by_last_segment(self: People, subject: Target, entry: Any) -> object:
    people = [p for p in self._people if p.name == subject.text.rstrip("/").rpartition("/")[2]]
    return people[0] if people else REFERRED(self, subject, entry)


def any_kind(self: People, subject: Target, entry: Any) -> object:
    written = subject.address
    return REFERRED(self, subject._replace(address=written and written._replace(kind="Patient")), entry)


def without_server(text: str) -> Any:
    written = ADDRESS(text)
    return written and written._replace(server="")


def without_identifier(reference: Any) -> Target:
    written = TARGET(reference)
    return written._replace(identifier=None) if written.text else written


def everywhere(entry: documents.Located) -> None:
    POST_INIT(entry)
    object.__setattr__(entry, "container_place", "")


POST_INIT = documents.Located.__post_init__
WEAK: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "the last segment counts": lambda patch: patch.setattr(People, "_referred", by_last_segment),
    "the server does not count": lambda patch: patch.setattr(references, "address", without_server),
    "contained resources are known everywhere": lambda patch: patch.setattr(
        documents.Located, "__post_init__", everywhere
    ),
    "focus is not looked at": lambda patch: patch.setattr(People, "_focused", lambda _self, _entry, person: person),
    "modifiers are not looked at": lambda patch: patch.setattr(versions, "_is_modified", lambda _: False),
    "all versions are read": lambda patch: patch.setattr(
        reader, "current", lambda loaded: versions.Current(loaded.resources, set(), set(), [])
    ),
    "the first version is read": lambda patch: patch.setattr(versions, "_newest", lambda same, _: same[0]),
    "deletions are not followed": lambda patch: patch.setattr(versions._Removals, "of", lambda *_: None),
    "without a subject the first person is meant": lambda patch: patch.setattr(
        People, "_sole", lambda self, _: self._people[0]
    ),
    "reference and identifier may differ": lambda patch: patch.setattr(references, "target", without_identifier),
    "groups are patients": lambda patch: patch.setattr(People, "_referred", any_kind),
}


@pytest.mark.parametrize("flaw", WEAK)
def test_the_property_fails_where_a_guard_is_gone(flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    WEAK[flaw](monkeypatch)

    @given(seeds)
    @settings(max_examples=400, phases=[Phase.generate], database=None)
    def run(seed: int) -> None:
        check(seed)

    must_fail(run)


def test_the_model_gives_every_kind_of_person_and_value() -> None:
    models = [made(seed)[0] for seed in range(60)]
    assert {person.form for model in models for person in model.people} == {"server", "urn", "bare", "contained"}
    owners = [owner for model in models for owner in model.owners.values()]
    assert 0.2 < sum(owner is None for owner in owners) / len(owners) < 0.8
