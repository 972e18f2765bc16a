"""Whose a resource is, and which version of it counts: the rules one by one."""

import json
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.records import FhirImport, read_fhir
from novamind.records.fhir.genomics import read_fhir_genomics
from novamind.records.fhir.references import Address, Identifier, address, conditional
from tests.records.fhir_input import bundle, observation, patient, values

A, B = "https://a.example/fhir", "https://b.example/R4"
MRN = {"system": "urn:mrn", "value": "7"}
Json = dict[str, Any]


def entry(resource: Json, url: str = "", **more: Any) -> Json:
    return {"resource": resource, **({"fullUrl": url} if url else {}), **more}


def read(*entries: Json, **options: Any) -> FhirImport:
    return read_fhir({"resourceType": "Bundle", "type": "collection", "entry": [*entries]}, **options)


def total(value: float, reference: Json | str | None, **more: Any) -> Json:
    resource = observation("44261-6", value, **more)
    subject = {"reference": reference} if isinstance(reference, str) else reference
    return {name: part for name, part in (resource | {"subject": subject}).items() if part is not None}


def scores(result: FhirImport) -> dict[str, list[float]]:
    return {r.patient_id: values(r, "PHQ-9") if r.symptoms else [] for r in result.records}


def texts(result: FhirImport) -> list[str]:
    return [issue.diagnostics for issue in result.outcome.issues]


# -- references


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Patient/1", ("", "Patient", "1")),
        ("Patient/1/", ("", "Patient", "1")),
        ("Patient/1/_history/2", ("", "Patient", "1")),
        ("https://A.example/fhir/Patient/1", (A, "Patient", "1")),
        ("https://a.example/Fhir/Patient/1", ("https://a.example/Fhir", "Patient", "1")),
        ("http://a.example/fhir/Patient/1", ("http://a.example/fhir", "Patient", "1")),
        ("https://a.example/Patient/1/_history/x", ("https://a.example", "Patient", "1")),
        ("https://a.example/fhir/Group/1", (A, "Group", "1")),
        ("patient/1", None),
        ("1", None),
        ("fhir/Patient/1", None),
        ("urn:uuid:1", None),
        ("#1", None),
        ("Patient/", None),
        ("Patient/1?x=y", None),
        ("https://a.example/fhir/Patient?identifier=1", None),
        ("Patient/" + "1" * 5000, None),
    ],
)  # fmt: skip
def test_what_a_reference_writes(text: str, parts: tuple[str, str, str] | None) -> None:
    assert address(text) == (None if parts is None else Address(*parts))


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("Patient?identifier=urn:mrn|7", ("Patient", ("urn:mrn", "7"))),
        ("Patient?identifier=urn%3Amrn%7C7", ("Patient", ("urn:mrn", "7"))),
        ("https://a.example/fhir/Patient?identifier=urn:mrn|7", ("Patient", ("urn:mrn", "7"))),
        ("Patient?identifier=|7", ("Patient", ("", "7"))),
        ("Patient?identifier=7", ("Patient", ("*", "7"))),
        ("Group?identifier=7", ("Group", ("*", "7"))),
        ("Patient?identifier=7&active=true", None),
        ("Patient?name=7", None),
        ("Patient/7", None),
    ],
)
def test_a_search_for_an_identifier(text: str, search: tuple[str, tuple[str, str]] | None) -> None:
    assert conditional(text) == (None if search is None else (search[0], Identifier(*search[1])))


# -- two servers, and none


def test_patients_of_one_id_on_two_servers_are_two() -> None:
    result = read(
        entry(patient("1"), f"{A}/Patient/1"),
        entry(patient("1", gender="male"), f"{B}/Patient/1"),
        entry(total(3, f"{A}/Patient/1")),
        entry(total(4, "Patient/1"), f"{B}/Observation/9"),
        entry(total(5, "Patient/1", when="2024-03-02"), f"{A}/Observation/9"),
        entry(total(6, "Patient/1", when="2024-03-03")),
    )
    assert scores(result) == {f"{A}/Patient/1": [3, 5], f"{B}/Patient/1": [4]}
    assert texts(result) == ["the subject may be one of several people; not read, give fullUrl"]


def test_an_absolute_reference_to_another_server_is_not_the_patient_of_the_file() -> None:
    known = read(entry(patient("1"), f"{A}/Patient/1"), entry(total(3, f"{B}/Patient/1")))
    assert scores(known) == {f"{A}/Patient/1": [], f"{B}/Patient/1": [3]}
    unknown = read(entry(patient("1")), entry(total(3, f"{B}/Patient/1")))
    assert scores(unknown) == {"1": []}
    assert texts(unknown) == ["the subject is on a server that no Patient here is from; not read, give fullUrl"]


def test_a_patient_without_a_server_is_that_of_the_one_server_of_the_file() -> None:
    searchset = bundle() | {"entry": [entry(total(3, "Patient/1"), f"{A}/Observation/9")]}
    joined = read_fhir(json.dumps([patient("1"), searchset]).encode())
    assert scores(joined) == {"1": [3]}
    assert "on the file's one server" in texts(joined)[0]
    other = entry(total(4, "Patient/1"), f"{B}/Observation/9")
    assert scores(read(entry(patient("1")), *searchset["entry"], other)) == {"1": []}
    assert scores(read(entry(patient("1"), f"{A}/Patient/1"), entry(total(3, "Patient/1")))) == {"1": [3]}
    none = read(entry(patient("1"), f"{A}/Patient/1"), other, entry(total(3, "Patient/1")))
    assert scores(none) == {f"{A}/Patient/1": [], f"{B}/Patient/1": [4]}


def test_people_are_told_apart_by_their_full_url_alone() -> None:
    result = read(
        entry({"resourceType": "Patient", "gender": "female"}, "urn:uuid:aa"),
        entry({"resourceType": "Patient", "gender": "male"}, "urn:uuid:bb"),
        entry(total(20, "urn:uuid:aa")),
        entry(total(2, "urn:uuid:bb")),
    )
    assert scores(result) == {"aa": [20], "bb": [2]}
    assert [r.demographics["gender"] for r in result.records] == ["female", "male"]
    nameless = read(
        *(entry({"resourceType": "Patient", "gender": g}) for g in ("male", "female")), entry(total(2, None))
    )
    assert [(r.patient_id, r.demographics) for r in nameless.records] == [
        ("unnamed 1", {"gender": "female"}),
        ("unnamed 2", {"gender": "male"}),
    ]


def test_a_modifier_of_an_entry_leaves_it_out() -> None:
    mark = {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    result = read(entry(patient()), entry(total(3, "Patient/p-1")), entry(total(20, "Patient/p-1"), **mark))
    assert scores(result) == {"p-1": [3]}
    assert [(issue.code, issue.expression) for issue in result.outcome.issues] == [("extension", ("Bundle.entry[2]",))]


@pytest.mark.parametrize("kind", ["Bundle", "Parameters"])
def test_implicit_rules_leave_out_all_that_they_rule(kind: str) -> None:
    inside = {"entry": [entry(total(20, "Patient/p-1"))], "parameter": [{"resource": total(20, "Patient/p-1")}]}
    ruled = {"resourceType": kind, "implicitRules": "urn:x", **inside}
    result = read(entry(patient()), entry(ruled))
    assert scores(result) == {"p-1": []}
    assert [(issue.code, issue.expression) for issue in result.outcome.issues] == [
        ("extension", ("Bundle.entry[1].resource",))
    ]


@pytest.mark.parametrize("kind", ["replaced-by", "replaces", "refer", "seealso"])
def test_linked_patients_are_not_joined_and_told_of(kind: str) -> None:
    link = [{"other": {"reference": "Patient/p-2"}, "type": kind}]
    result = read(entry(patient(link=link)), entry(patient("p-2")), entry(total(3, "Patient/p-1")))
    assert scores(result) == {"p-1": [3], "p-2": []}
    assert texts(result) == [
        "a Patient whose link says that another Patient is the same person; the two are not joined"
    ]


@pytest.mark.parametrize("reference", ["Patient/p-1 ", "\nPatient/p-1"])
def test_spaces_around_a_reference_make_no_other_person(reference: str) -> None:
    result = read(entry(patient()), entry(total(3, reference)))
    assert scores(result) == {"p-1": [3]}


@pytest.mark.parametrize("reference", ["p-1", "patient/p-1", "x/Patient/p-1", "Patient", "/p-1", "Patient/P-1"])
def test_a_last_segment_or_another_spelling_is_not_enough(reference: str) -> None:
    assert scores(read(entry(patient()), entry(total(3, reference))))["p-1"] == []


@pytest.mark.parametrize("kind", ["Group", "Device", "Location", "Practitioner", "RelatedPerson"])
def test_a_subject_that_is_no_patient(kind: str) -> None:
    result = read(
        entry(patient("17")),
        entry(total(3, f"{kind}/17")),
        entry(total(4, {"reference": "Patient/17", "type": kind})),
        entry(total(5, {"identifier": MRN, "type": kind})),
        entry(total(6, f"{kind}?identifier=urn:mrn|7")),
    )
    assert scores(result) == {"17": []}
    assert texts(result) == ["the subject is no Patient; not read"]
    assert result.outcome.issues[0].count == 4


# -- identifiers


@pytest.mark.parametrize(
    ("subject", "known"),
    [
        ({"identifier": MRN}, True),
        ({"identifier": {"value": "7"}}, False),
        ({"identifier": MRN | {"value": "8"}, "display": "somebody else"}, False),
        ({"reference": "Patient?identifier=urn:mrn|7"}, True),
        ({"reference": "Patient?identifier=7"}, True),
        ({"reference": "Patient?identifier=|7"}, False),
        ({"reference": "Patient?identifier=urn:mrn|8"}, False),
        ({"reference": "Patient?identifier=urn:other|7"}, False),
        ({"reference": "Patient?birthdate=1990-05-17"}, False),
        ({"reference": "Patient/p-1", "identifier": MRN}, True),
        ({"reference": "Patient/p-1", "identifier": MRN | {"value": "8"}}, False),
        ({"reference": "Patient/p-1", "identifier": {"system": "urn:other", "value": "8"}}, True),
        ({"reference": "Patient/p-1", "identifier": {"system": "urn:mrn", "value": "9"}}, False),
        ({"display": "somebody"}, False),
        ({}, False),
    ],
)
def test_a_subject_by_identifier(subject: Json, known: bool) -> None:
    other = patient("p-2", identifier=[MRN | {"value": "9"}])
    result = read(entry(patient(identifier=[MRN])), entry(other), entry(total(3, subject)))
    assert scores(result) == {"p-1": [3] if known else [], "p-2": []}
    assert len(texts(result)) == (not known)


def test_an_identifier_of_two_people_is_nobodys() -> None:
    people = [entry(patient(name, identifier=[MRN])) for name in ("a", "b")]
    for subject in ({"identifier": MRN}, {"reference": "Patient?identifier=urn:mrn|7"}):
        assert scores(read(*people, entry(total(3, subject)))) == {"a": [], "b": []}


# -- contained


def containing(value: float, inner: Json, **more: Any) -> Json:
    return total(value, "#pt", contained=[inner | {"id": "pt"}], **more)


def test_a_contained_patient_is_known_within_its_container() -> None:
    woman, man = patient("pt"), patient("pt", gender="male", birthDate="1950-01-01")
    result = read(entry(containing(11, woman)), entry(containing(19, man)), entry(total(5, "#pt")))
    assert {(r.demographics["birth_year"], *values(r, "PHQ-9")) for r in result.records} == {(1990, 11), (1950, 19)}
    assert texts(result) == ["the subject refers to nothing in the file; not read"]


def test_a_contained_patient_with_an_identifier_is_one_person_in_many_containers() -> None:
    inner = patient("pt", identifier=[MRN])
    again = read(entry(containing(11, inner)), entry(containing(12, inner, when="2024-03-02")))
    assert scores(again) == {"pt": [11, 12]}
    outside = read(entry(patient(identifier=[MRN])), entry(containing(11, inner)))
    assert scores(outside) == {"p-1": [11]}
    assert texts(outside) == ["a contained Patient who has another resource; not read"]
    contrary = read(entry(patient(identifier=[MRN])), entry(containing(11, inner | {"gender": "male"})))
    assert scores(contrary) == {"p-1": []}


def test_contained_patients_that_nobody_needs_make_no_record() -> None:
    result = read(entry(patient()), entry(total(3, "Patient/p-1", contained=[patient("x")])))
    assert scores(result) == {"p-1": [3]}
    assert texts(result) == ["a contained Patient to whom nothing belongs; not read"]


def test_what_a_patient_contains_is_theirs() -> None:
    inner = total(3, "#")
    assert scores(read(entry(patient(contained=[inner])), entry(patient("p-2")))) == {"p-1": [3], "p-2": []}
    assert scores(read(entry(total(1, "Patient/p-1", contained=[inner])), entry(patient())))["p-1"] == [1]


def test_two_contained_resources_of_one_id_are_neither() -> None:
    twice = total(3, "#pt", contained=[patient("pt"), patient("pt", gender="male")])
    assert scores(read(entry(patient()), entry(twice))) == {"p-1": []}


# -- nobody's by what they say


@pytest.mark.parametrize(
    ("more", "used"),
    [
        ({"focus": [{"reference": "RelatedPerson/fetus"}]}, False),
        ({"focus": [{"display": "the donor"}]}, False),
        ({"focus": [{"reference": "Patient/p-1"}, {"reference": "Device/1"}]}, False),
        ({"focus": [{"reference": "Patient/p-1"}]}, True),
        ({"focus": []}, True),
        ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, False),
        ({"modifierExtension": []}, True),
        ({"component": [{"code": {}, "modifierExtension": [{"url": "urn:x"}]}]}, False),
        ({"implicitRules": "urn:rules"}, False),
        ({"extension": [{"url": "urn:x", "valueBoolean": True}]}, True),
        ({"contained": [{"resourceType": "Device", "id": "d", "modifierExtension": [{"url": "urn:x"}]}]}, True),
    ],
)
def test_what_may_mean_something_else_is_not_read(more: Json, used: bool) -> None:
    assert scores(read(entry(patient()), entry(total(3, "Patient/p-1", **more)))) == {"p-1": [3] if used else []}


@pytest.mark.parametrize("mark", [{"status": "entered-in-error"}, {"implicitRules": "urn:x"}])
def test_what_stands_in_a_withdrawn_container_is_withdrawn(mark: Json) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "subject": {"reference": "Patient/p-1"},
        "contained": [total(3, None)],
    }
    assert scores(read(entry(patient()), entry(report))) == {"p-1": [3]}
    assert scores(read(entry(patient()), entry(report | mark))) == {"p-1": []}


# -- versions


MAY_1, MAY_3 = "2024-05-01T10:00:00Z", "2024-05-03T10:00:00Z"


def versions_of(*parts: tuple[float, Json], **more: Any) -> list[Json]:
    return [entry(total(value, "Patient/p-1", id="o1", meta=meta) | more) for value, meta in parts]


@pytest.mark.parametrize(
    ("first", "second", "newest"),
    [
        ({"versionId": "1"}, {"versionId": "2"}, 2),
        ({"versionId": "9"}, {"versionId": "10"}, 2),
        ({"versionId": 9}, {"versionId": 10}, 2),
        ({"lastUpdated": MAY_1}, {"lastUpdated": MAY_3}, 2),
        ({"lastUpdated": "2024-05-01T10:00:00-08:00"}, {"lastUpdated": "2024-05-01T12:00:00+02:00"}, 1),
        ({"lastUpdated": "2024-05-01T10:00:00.123456789Z"}, {"lastUpdated": "2024-05-01T10:00:00.2Z"}, 2),
        ({"versionId": "a", "lastUpdated": MAY_1}, {"lastUpdated": MAY_3}, 2),
        ({"versionId": "1", "lastUpdated": MAY_1}, {"versionId": "2"}, 2),
        ({"versionId": "2", "lastUpdated": MAY_1}, {"versionId": "1", "lastUpdated": MAY_3}, None),
        ({"versionId": "a"}, {"versionId": "b"}, None),
        ({"versionId": "1"}, {}, None),
        ({"lastUpdated": "2024-05-01"}, {"lastUpdated": "2024-05-02"}, None),
        ({}, {}, None),
    ],
)  # fmt: skip
def test_the_newest_version_counts_whatever_the_order(first: Json, second: Json, newest: int | None) -> None:
    both = versions_of((1, first), (2, second))
    for entries in (both, both[::-1]):
        result = read(entry(patient()), *entries)
        assert scores(result) == {"p-1": [] if newest is None else [newest]}
        assert len(texts(result)) == 1


def test_a_history_may_say_beside_the_resource_when_it_was() -> None:
    old, new = versions_of((1, {}), (2, {}))
    old["response"] = {"lastModified": "2024-05-01T10:00:00Z"}
    new["response"] = {"lastModified": "2024-05-02T10:00:00Z"}
    assert scores(read(entry(patient()), new, old)) == {"p-1": [2]}
    old["response"], new["response"] = {"etag": 'W/"1"'}, {"etag": 'W/"2"'}
    assert scores(read(entry(patient()), new, old)) == {"p-1": [2]}


def test_the_same_resource_twice_is_one_and_a_newer_one_of_another_day_replaces_it() -> None:
    one, other = versions_of((1, {"versionId": "1"}), (1, {"versionId": "1"}))
    twice = read(entry(patient()), one, other)
    assert (scores(twice), texts(twice)) == ({"p-1": [1]}, ["the same resource again; read once"])
    moved = entry(total(1, "Patient/p-2", id="o1", when="2024-03-05", meta={"versionId": "2"}))
    assert scores(read(entry(patient()), one, moved)) == {"p-1": [], "p-2": [1]}


def test_a_withdrawal_takes_the_value_back() -> None:
    final, wrong = versions_of((25, {"versionId": "1"}), (25, {"versionId": "2"}))
    wrong["resource"]["status"] = "entered-in-error"
    result = read(entry(patient()), wrong, final)
    assert scores(result) == {"p-1": []}
    assert set(texts(result)) == {
        "an earlier version of a resource; not read",
        "withdrawn (entered in error); not read",
    }
    del wrong["resource"]["meta"], final["resource"]["meta"]
    assert scores(read(entry(patient()), wrong, final)) == {"p-1": []}


def deletion(url: str, method: str = "DELETE", **more: Any) -> Json:
    return {"request": {"method": method, "url": url}, **more}


@pytest.mark.parametrize(
    ("removal", "kept"),
    [
        (deletion("Observation/o1"), False),
        (deletion(f"{A}/Observation/o1"), False),
        (deletion(f"{B}/Observation/o1"), True),
        (deletion("Observation/o1", fullUrl=f"{A}/Observation/o1"), False),
        (deletion("Observation/o2"), True),
        (deletion("Condition/o1"), True),
        (deletion("Observation?identifier=urn:mrn|7"), False),
        (deletion("Observation?identifier=7"), False),
        (deletion("Observation?identifier=urn:mrn|8"), True),
        (deletion("Observation?code=44261-6"), True),
        (deletion("Observation/o1", "PATCH"), False),
        (deletion("Observation/o1", "PUT"), True),
        (deletion("Observation/o1", response={"lastModified": "2024-05-02T00:00:00Z"}), False),
        (deletion("Observation/o1", response={"lastModified": "2024-05-01T00:00:00Z"}), True),
        (deletion("Observation/o1", response={"lastModified": "Wed, 01 May 2024 00:00:00 GMT"}), True),
        (deletion("Observation/o1", response={"etag": 'W/"4"'}), False),
        (deletion("Observation/o1", response={"etag": 'W/"2"'}), True),
    ],
)  # fmt: skip
def test_a_deletion_takes_back_what_is_not_newer(removal: Json, kept: bool) -> None:
    meta = {"versionId": "3", "lastUpdated": "2024-05-01T12:00:00Z"}
    resource = total(3, f"{A}/Patient/p-1", id="o1", identifier=[MRN], meta=meta)
    for entries in (
        [removal, entry(resource, f"{A}/Observation/o1")],
        [entry(resource, f"{A}/Observation/o1"), removal],
    ):
        assert scores(read(entry(patient(), f"{A}/Patient/p-1"), *entries)) == {"p-1": [3] if kept else []}


def test_what_belongs_to_a_deleted_patient_is_not_read() -> None:
    gone = deletion("Patient/p-1")
    result = read(gone, entry(patient()), entry(total(3, "Patient/p-1")), entry(patient("p-2")))
    assert scores(result) == {"p-2": []}
    assert "the subject was deleted by the file; not read" in texts(result)
    patched = read(deletion("Patient/p-1", "PATCH"), entry(total(3, "Patient/p-1")))
    assert scores(patched) == {"p-1": [3]}


def test_the_newest_patient_says_who_they_are() -> None:
    old = patient(meta={"versionId": "1"}, birthDate="1980", identifier=[MRN])
    new = patient(meta={"versionId": "2"}, birthDate="1990")
    result = read(entry(new), entry(old), entry(total(3, {"identifier": MRN})))
    assert result.record.demographics["birth_year"] == 1990
    assert scores(result) == {"p-1": []}


A_WOMAN = patient("1", identifier=[MRN])
A_MAN = patient("1", gender="male", birthDate="1950-01-01")


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        (A_WOMAN, A_WOMAN, True),
        (A_WOMAN, A_MAN, False),
        (A_WOMAN | {"meta": {"versionId": "1"}}, A_MAN | {"meta": {"versionId": "2"}}, False),
        (
            A_WOMAN | {"meta": {"versionId": "1"}},
            A_WOMAN | {"birthDate": "1991", "identifier": [MRN | {"value": "8"}], "meta": {"versionId": "2"}},
            False,
        ),
        (A_WOMAN | {"meta": {"versionId": "1"}}, A_MAN | {"gender": "female", "meta": {"versionId": "2"}}, True),
    ],
)
def test_exports_of_two_unnamed_servers_are_not_put_together(first: Json, second: Json, one: bool) -> None:
    both = [entry(total(3, "Patient/1")), entry(total(4, "Patient/1", when="2024-03-02", id="o"))]
    other = entry(patient("other"))
    plain = read(entry(first), *both, entry(second), other)
    assert scores(plain) == ({"1": [3, 4]} if one else {}) | {"other": []}
    history = read(entry(first, f"{A}/Patient/1"), *both, entry(second, f"{A}/Patient/1"), other)
    assert scores(history) == {"1": [3, 4], "other": []}


# -- whose genes they are


def test_gene_results_of_two_people_are_not_put_together() -> None:
    def gene(symbol: str, who: str | None) -> Json:
        part = {"code": {"coding": [{"code": "48018-6"}]}, "valueCodeableConcept": {"text": symbol}}
        subject = {} if who is None else {"subject": {"reference": f"Patient/{who}"}}
        code = {"coding": [{"code": "84413-4"}]}
        result = {"resourceType": "Observation", "status": "final", "code": code, "component": [part]}
        return result | {"valueCodeableConcept": {"text": "*1/*4"}} | subject

    def both(*genes: Json) -> bytes:
        return json.dumps(bundle(*genes)).encode()

    assert read_fhir_genomics(both(gene("CYP2D6", "a"), gene("CYP2C19", "a"))) == {
        "CYP2D6": "*1/*4",
        "CYP2C19": "*1/*4",
    }
    assert len(read_fhir_genomics(both(gene("CYP2D6", None), gene("CYP2C19", None)))) == 2
    with pytest.raises(ValidationError, match="of several people; give one person's"):
        read_fhir_genomics(both(gene("CYP2D6", "a"), gene("CYP2C19", "b")))
    with pytest.raises(ValidationError, match="cannot be known: names no subject"):
        read_fhir_genomics(both(gene("CYP2D6", "a"), gene("CYP2C19", None)))
