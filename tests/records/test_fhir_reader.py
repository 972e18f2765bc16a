# ruff: noqa: DTZ001 - wall-clock times
"""Whose value it is, when it was, how much, and what is said of the rest: the rules of the FHIR import, one by one."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novamind.drugs.names import ATC, RXNORM
from novamind.errors import NotFoundError, ValidationError
from novamind.records import FhirImport, FhirImportError, PatientRecord, read_fhir
from novamind.records.fhir import reader
from novamind.records.fhir.models import read_moment
from novamind.records.fhir.terminology import LOINC, OWN, SNOMED
from novamind.records.instruments.domain import find
from tests.golden import check_golden
from tests.records.fhir_input import bundle, medication, observation, patient, response, values

PHQ, GAD = ([item.loinc for item in find(name).items] for name in ("PHQ-9", "GAD-7"))
TODAY = date(2024, 6, 1)


def read(*resources: dict[str, Any]) -> FhirImport:
    return read_fhir(bundle(*resources), today=TODAY)


def said(found: FhirImport) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(i.severity, i.code, i.diagnostics, i.expression) for i in found.outcome.issues]


def shown(record: PatientRecord) -> list[tuple[object, ...]]:
    frame = record.symptoms
    assert frame is not None
    offsets = [None] * len(frame) if frame.utc_offset is None else [o.item() for o in frame.utc_offset]
    return [
        (frame.series[i].name, when.item(), offset, float(value))
        for i, when, offset, value in zip(frame.series_index, frame.timestamps, offsets, frame.values, strict=True)
    ]


# -- whose it is
def without_subject(**more: Any) -> dict[str, Any]:
    resource = observation("44261-6", 12, **more)
    del resource["subject"]
    return resource


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p-1",
        "Patient/p-1/_history/3",
        "urn:uuid:7",
        "Patient/p-1/",
    ],
)
def test_a_subject_by_reference(reference: str) -> None:
    document = bundle(patient(), observation("44261-6", 12, subject={"reference": reference}))
    document["entry"][0]["fullUrl"] = "urn:uuid:7"
    found = read_fhir(document, today=TODAY)
    assert [r.patient_id for r in found.records] == ["p-1"]
    assert values(found.record, "PHQ-9") == [12]


@pytest.mark.parametrize("reference", ["urn:uuid:8", "#p-1"])
def test_a_subject_that_is_not_in_the_file(reference: str) -> None:
    found = read(patient(), observation("44261-6", 12, subject={"reference": reference}))
    assert found.record.symptoms is None
    text = "the subject refers to nothing in the file; not read"
    assert said(found) == [("error", "not-found", text, ("Bundle.entry[1].resource",))]


def test_without_a_subject_the_one_patient_is_meant_or_nobody_known() -> None:
    assert values(read(patient("a b"), without_subject()).of("a b"), "PHQ-9") == [12]
    assert [r.patient_id for r in read(without_subject()).records] == ["unnamed"]
    several = read(patient("a"), patient("b"), without_subject())
    assert all(r.symptoms is None for r in several.records)
    assert said(several) == [
        (
            "error",
            "required",
            "names no subject in a file that is not of one Patient; not read",
            ("Bundle.entry[2].resource",),
        )
    ]


def test_what_is_contained_belongs_to_whom_its_parent_belongs() -> None:
    outer = {
        "resourceType": "Basic",
        "subject": {"reference": "Patient/b"},
        "contained": [without_subject(id="inner")],
    }
    found = read(patient("a"), patient("b"), outer)
    assert (found.of("a").symptoms, values(found.of("b"), "PHQ-9")) == (None, [12])
    assert found.of("b").symptom_sources == ("Observation/inner",)
    own = outer | {"contained": [observation("44261-6", 3, subject={"reference": "Patient/a"})]}
    assert values(read(patient("a"), patient("b"), own).of("a"), "PHQ-9") == [3]


def test_a_record_is_asked_for_by_patient() -> None:
    two = read(patient("a"), patient("b"))
    assert two.of("b").patient_id == "b"
    with pytest.raises(ValidationError, match=r"holds 2 patients: choose one with \.of\(patient_id\)"):
        _ = two.record
    with pytest.raises(NotFoundError, match="no such patient in the file, which holds 2"):
        two.of("c")
    assert read(patient("a")).record.patient_id == "a"
    assert two.types == {"Patient"}


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ({"id": "p"}, "p"),
        ({"id": " p "}, "p"),
        ({}, "unnamed"),
        ({"id": " "}, "unnamed"),
        ({"id": "p", "identifier": [{"system": f"{OWN}:patient", "value": "own name"}]}, "own name"),
        ({"id": "p", "identifier": [{"system": "urn:x", "value": "y"}]}, "p"),
    ],
)  # fmt: skip
def test_what_a_patient_is_called(resource: dict[str, Any], name: str) -> None:
    assert [r.patient_id for r in read({"resourceType": "Patient"} | resource).records] == [name]


def test_what_is_told_of_the_person() -> None:
    record = read(patient(deceasedBoolean=True)).record
    assert record.demographics == {"gender": "female", "birth_year": 1990, "deceased": True}
    assert read(patient(deceasedDateTime="2020")).record.demographics["deceased"] is True
    assert "deceased" not in read(patient(deceasedBoolean=False)).record.demographics
    assert read({"resourceType": "Patient", "id": "p", "birthDate": "1980-02"}).record.demographics == {
        "birth_year": 1980
    }
    wrong = read(patient(birthDate="1990-13"))
    assert wrong.record.demographics == {"gender": "female"}
    text = "Patient.birthDate is no FHIR date; left out"
    assert said(wrong) == [("warning", "value", text, ("Bundle.entry[0].resource.birthDate",))]
    assert [(n.source, n.reason) for n in wrong.record.not_understood] == [("Patient/p-1", text)]


def zoned(name: str, *more: dict[str, Any]) -> dict[str, Any]:
    return patient(extension=[*more, {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": name}])


def test_the_persons_timezone() -> None:
    assert read(zoned("Asia/Kolkata", {"url": "urn:x", "valueCode": "y"})).record.timezone == "Asia/Kolkata"
    unknown = read(zoned("Mars/Base"))
    assert unknown.record.timezone is None
    assert said(unknown)[0][:3] == ("warning", "value", "the Patient's timezone is not known; left out")


# -- when it was
def test_half_hours_and_midnights_stay_what_they_say() -> None:
    when = ["2024-03-01T00:00:00+05:30", "2024-03-01T23:59:59.999999999-03:30", "2024-03-02T12:00:00.5+12:45"]
    record = read(patient(), *(observation("44261-6", n, w) for n, w in enumerate(when))).record
    assert shown(record) == [
        ("PHQ-9", datetime(2024, 3, 1), timedelta(hours=5, minutes=30), 0.0),
        ("PHQ-9", datetime(2024, 3, 2, 12, 0, 0, 500_000), timedelta(hours=12, minutes=45), 2.0),
        ("PHQ-9", datetime(2024, 3, 1, 23, 59, 59, 999_999), -timedelta(hours=3, minutes=30), 1.0),
    ]


def test_one_instant_is_one_time_whatever_its_offset() -> None:
    twice = (observation("44261-6", n, w) for n, w in ((9, "2024-03-01T00:00:00+05:30"), (9, "2024-02-29T18:30:00Z")))
    assert values(read(patient(), *twice).record, "PHQ-9") == [9]
    contrary = read(
        patient(),
        observation("44261-6", 9, "2024-03-01T00:00:00+05:30", id="a"),
        observation("44261-6", 8, "2024-02-29T18:30:00Z", id="b"),
    )
    text = "PHQ-9 has different values at one time: none of them is used"
    assert contrary.record.symptoms is None
    assert said(contrary) == [("warning", "conflict", text, ("Bundle.entry[1].resource", "Bundle.entry[2].resource"))]
    assert [(n.source, n.reason) for n in contrary.record.not_understood] == [("Observation/a, Observation/b", text)]


def test_an_absent_value_gives_way_to_a_value_at_the_same_time() -> None:
    absent = observation(PHQ[0], 0, id="absent", valueQuantity=None, dataAbsentReason={"text": "unknown"})
    for both in ((absent, observation(PHQ[0], 2, id="given")), (observation(PHQ[0], 2, id="given"), absent)):
        record = read(patient(), *both).record
        assert (values(record, "PHQ-9 item 1"), record.symptom_sources) == ([2], ("Observation/given",))


def test_times_come_to_the_persons_own_clock() -> None:
    record = read(zoned("Asia/Kathmandu"), observation("44261-6", 9, "2024-02-29T18:20:00Z")).record
    assert shown(record) == [("PHQ-9", datetime(2024, 3, 1, 0, 5), timedelta(hours=5, minutes=45), 9.0)]


def test_a_date_beside_times_is_the_midnight_of_the_persons_timezone() -> None:
    both = (observation("44261-6", 9, "2024-03-03T12:00:00Z"), observation("44261-6", 8, "2024-07-01"))
    record = read_fhir(bundle(zoned("America/St_Johns"), *both), today=date(2024, 8, 1)).record
    assert shown(record)[1] == ("PHQ-9", datetime(2024, 7, 1), -timedelta(hours=2, minutes=30), 8.0)


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2024-03-01", 1),
        ("2024-03-03", 1),
        ("2024-03-05", 1),
        ("2024-03-06", 5.5),
        ("2024-03-07", 5.5),
        ("2024-03-20", 5.5),
    ],
)
def test_a_date_beside_times_takes_the_offset_nearest_in_time(day: str, hours: float) -> None:
    timed = [
        observation("44261-6", 9, "2024-03-03T12:00:00+01:00"),
        observation("44261-6", 8, "2024-03-07T12:00:00+05:30"),
    ]
    record = read(patient(), *timed, observation("44261-6", 7, day)).record
    moved = datetime.fromisoformat(day)
    assert ("PHQ-9", moved, timedelta(hours=hours), 7.0) in shown(record)


@pytest.mark.parametrize(("day", "hours"), [(2, 1), (5, 1), (6, 2), (9, 2), (12, 2), (15, 2), (16, 3), (25, 3)])
def test_of_many_times_the_nearest_counts(day: int, hours: int) -> None:
    timed = [
        observation("44261-6", 9, f"2024-03-{at:02d}T12:00:00+{ahead:02d}:00")
        for at, ahead in ((1, 1), (10, 2), (20, 3))
    ]
    record = read(patient(), *timed, observation("44261-6", 7, f"2024-03-{day:02d}")).record
    assert ("PHQ-9", datetime(2024, 3, day), timedelta(hours=hours), 7.0) in shown(record)


def test_a_date_that_becomes_a_reported_midnight_is_one_row_with_it() -> None:
    timed = observation("44261-6", 9, "2024-03-03T00:00:00+01:00", id="timed")
    record = read(patient(), timed, observation("44261-6", 9, "2024-03-03", id="dated")).record
    assert values(record, "PHQ-9") == [9]
    assert record.symptom_sources == ("Observation/timed",)


@pytest.mark.parametrize(
    ("element", "value", "when"),
    [
        ("effectiveInstant", "2024-03-02T08:00:00Z", datetime(2024, 3, 2, 8)),
        ("effectivePeriod", {"start": "2024-03-02", "end": "2024-03-03"}, datetime(2024, 3, 3)),
        ("effectivePeriod", {"start": "2024-03-02"}, datetime(2024, 3, 2)),
    ],
)
def test_an_instant_or_the_end_of_a_period_is_a_time_too(element: str, value: object, when: datetime) -> None:
    record = read(patient(), observation("44261-6", 9, None, **{element: value})).record
    assert [row[1] for row in shown(record)] == [when]


@pytest.mark.parametrize(
    ("when", "used"),
    [
        ("1900-01-01", True), ("1899-12-31", False), ("2024-06-01", True), ("2024-06-02", False),
        ("2024-06-01T23:59:59-11:00", True), ("2024-02-29", True), ("2023-02-29", False), ("2024-03", False),
        ("2024-03-01T08:00:00.123456789+14:00", True), ("2024-03-01T08:00:00.1234567890+14:00", False),
        ("2024-03-01T24:00:00Z", False), ("2024-03-01T08:00Z", False), ("2024-03-01T08:00:00", False),
        ("2024-3-1", False), (" 2024-03-01", False), ("", False),
    ],
)  # fmt: skip
def test_which_times_are_full_dates_that_can_be(when: str, used: bool) -> None:
    found = read(patient(), observation("44261-6", 9, when, effectiveDateTime=when))
    assert (found.record.symptoms is not None) == used
    if not used and when:
        (issue,) = said(found)
        assert issue[3] == ("Bundle.entry[1].resource.effective",)
        assert issue[2] in {
            "Observation has a time that is no full FHIR date; not read",
            "Observation lies before 1900 or in the future; not read",
        }


def test_what_has_no_time_is_named() -> None:
    timeless = read(patient(), observation("44261-6", 9, None), response([1] * 9, PHQ, authored=None))
    assert timeless.record.symptoms is None
    assert said(timeless) == [
        ("error", "required", "Observation has no time; not read", ("Bundle.entry[1].resource.effective",)),
        ("error", "required", "QuestionnaireResponse has no time; not read", ("Bundle.entry[2].resource.authored",)),
    ]


@pytest.mark.parametrize(
    ("birth", "year"),
    [("1980", 1980), ("1980-12", 1980), ("1980-12-31", 1980), ("1980-00", None), ("1980-12-32", None), ("80", None)],
)
def test_a_date_may_be_as_exact_as_it_is(birth: str, year: int | None) -> None:
    assert read(patient(birthDate=birth)).record.demographics.get("birth_year") == year


def test_without_a_day_given_nothing_is_later_than_tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frozen(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Frozen":
            return cls(2024, 2, 28, 23, 30, tzinfo=tz)

    monkeypatch.setattr(reader, "datetime", Frozen)
    read_one = [read_fhir(bundle(patient(), observation("44261-6", 9, f"2024-{day}"))) for day in ("02-29", "03-01")]
    assert [found.record.symptoms is not None for found in read_one] == [True, False]


# -- how much it is
def test_the_parts_of_a_panel_are_read_and_its_own_value_too() -> None:
    def part(code: str, value: float, unit: str) -> dict[str, Any]:
        concept = {"coding": [{"system": LOINC, "code": code}]}
        return {"code": concept, "valueQuantity": {"value": value, "code": unit}}

    panel = observation("85354-9", 0, component=[part("8480-6", 120, "mm[Hg]"), part("8462-4", 80, "mm[Hg]")])
    del panel["valueQuantity"]
    found = read(patient(), panel)
    assert found.record.signals is not None
    assert [(k.name, v) for k, v in zip(found.record.signals.series, found.record.signals.values, strict=True)] == [
        ("blood_pressure_diastolic", 80.0), ("blood_pressure_systolic", 120.0),
    ]  # fmt: skip
    assert said(found) == []
    both = read(patient(), observation("44261-6", 9, component=[part("8480-6", 120, "mm[Hg]"), part("1-1", 3, "x")]))
    assert (values(both.record, "PHQ-9"), len(both.record.signals or ())) == ([9], 1)
    assert said(both) == [
        (
            "information",
            "not-supported",
            "no use for Observation http://loinc.org|1-1; not read",
            ("Bundle.entry[1].resource.component[1].code",),
        )
    ]


@pytest.mark.parametrize(
    ("code", "value", "read_as"),
    [
        ("44261-6", {"valueQuantity": {"value": 27}}, 27),
        ("44261-6", {"valueQuantity": {"value": 28}}, None),
        ("44261-6", {"valueQuantity": {"value": 0}}, 0),
        ("44261-6", {"valueInteger": 21}, 21),
        ("44261-6", {"valueDecimal": 21.0}, 21),
        ("44261-6", {"valueDecimal": 20.5}, None),
        ("44261-6", {"valueCodeableConcept": {"coding": [{"code": "LA6571-9"}]}}, None),
        ("70274-6", {"valueInteger": 21}, 21),
        ("70274-6", {"valueInteger": 22}, None),
        ("44249-1", {"valueInteger": 22}, 22),
        ("44250-9", {"valueInteger": 3}, 3),
        ("44250-9", {"valueInteger": 4}, None),
        ("44250-9", {"valueInteger": -1}, None),
        ("44250-9", {"valueCodeableConcept": {"coding": [{"code": "x"}, {"code": "LA6571-9"}]}}, 3),
        ("44250-9", {"valueCodeableConcept": {"coding": [{"code": "LA6568-5"}]}}, 0),
        ("44250-9", {"valueCodeableConcept": {"text": "often"}}, None),
        ("44250-9", {"valueQuantity": {"value": 2, "comparator": "<"}}, None),
        ("44250-9", {"dataAbsentReason": {"text": "asked, declined"}}, np.nan),
        ("44250-9", {"valueInteger": 2, "dataAbsentReason": {"text": "asked, declined"}}, 2),
        ("44250-9", {"valueString": "x"}, None),
    ],
)
def test_scores_stand_on_their_scale(code: str, value: dict[str, Any], read_as: float | None) -> None:
    resource = observation(code, 0)
    del resource["valueQuantity"]
    found = read(patient(), resource | value)
    if read_as is None:
        assert found.record.symptoms is None
        (issue,) = said(found)
        assert issue[:2] == ("error", "value")
        assert found.record.not_understood[0].reason == issue[2]
    else:
        assert said(found) == []
        np.testing.assert_array_equal([row[3] for row in shown(found.record)], [read_as])


@pytest.mark.parametrize(
    "system", ["http://loinc.org", "http://loinc.org/", "https://loinc.org", "urn:oid:2.16.840.1.113883.6.1"]
)
def test_loinc_as_senders_write_it(system: str) -> None:
    found = read(patient(), observation("44261-6", 7) | {"code": {"coding": [{"system": system, "code": "44261-6"}]}})
    assert [row[3] for row in shown(found.record)] == [7]
    other = {"code": {"coding": [{"system": f"{system}x", "code": "44261-6"}]}}
    assert read(patient(), observation("44261-6", 7) | other).record.symptoms is None


@pytest.mark.parametrize(
    ("value", "is_read"),
    [(25, True), (24.9, False), (250, True), (250.1, False), (2880, False), (-1, False), (0, False)],
)
def test_what_no_living_person_shows_is_not_read(value: float, is_read: bool) -> None:
    beats = observation("8867-4", value) | {"valueQuantity": {"value": value, "code": "/min"}}
    found = read(patient(), beats)
    assert (found.record.signals is not None) == is_read
    text = "heart_rate lies outside the plausible 25 to 250 bpm; not read"
    assert [issue[:3] for issue in said(found)] == [("error", "value", text)] * (not is_read)


def test_plausible_is_judged_in_the_own_unit() -> None:
    pounds = observation("29463-7", 880) | {"valueQuantity": {"value": 880, "code": "[lb_av]"}}
    assert read(patient(), pounds).record.signals is not None
    assert read(patient(), pounds | {"valueQuantity": {"value": 880, "code": "kg"}}).record.signals is None


@pytest.mark.parametrize(
    ("codes", "name"),
    [
        (("44261-6", "70274-6"), None),
        (("44261-6", "44250-9"), None),
        (("44261-6", "8867-4"), None),
        (("44261-6", "12345-6"), "PHQ-9"),
        (("44261-6", "44261-6"), "PHQ-9"),
        (("44255-8", "44255-8"), "PHQ-9 item 2"),
    ],
)
def test_codes_that_name_different_things(codes: tuple[str, ...], name: str | None) -> None:
    coding = [{"system": "http://loinc.org", "code": code} for code in codes]
    found = read(patient(), observation(codes[0], 2) | {"code": {"coding": coding}})
    if name is None:
        text = "Observation whose codes name different things; not read"
        assert said(found) == [("error", "conflict", text, ("Bundle.entry[1].resource.code",))]
        assert found.record.symptoms is None
    else:
        assert [row[0] for row in shown(found.record)] == [name]


GAD = ("69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7")
ALONE = (
    "information", "incomplete", "items of GAD-7 of which no total is made: not all are there at one time",
    ("Bundle.entry[1].resource",),
)  # fmt: skip


def items_of_gad(count: int, **more: Any) -> list[dict[str, Any]]:
    return [observation(code, 1, id=f"o{i}", **more) for i, code in enumerate(GAD[:count])]


def test_a_panel_that_lists_its_members_has_no_value_of_its_own() -> None:
    panel = observation("69737-5", 0, hasMember=[{"reference": f"Observation/o{i}"} for i in range(7)])
    del panel["valueQuantity"]
    found = read(patient(), panel, *items_of_gad(7))
    assert said(found) == []
    assert [row[3] for row in shown(found.record) if row[0] == "GAD-7"] == [7]
    assert said(read(patient(), {k: v for k, v in panel.items() if k != "hasMember"}))[0][0] == "error"


@pytest.mark.parametrize(("count", "told"), [(1, 0), (2, 1), (6, 1), (7, 0)])
def test_items_that_make_no_total_are_told_of(count: int, told: int) -> None:
    assert said(read(patient(), *items_of_gad(count))) == [ALONE] * told


def test_items_of_other_times_or_beside_a_total() -> None:
    clocks = [f"2024-03-01T10:00:0{i}Z" for i in range(7)]
    spread = [observation(code, 1, clock) for code, clock in zip(GAD, clocks, strict=True)]
    zone = patient(
        extension=[{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "Europe/Berlin"}]
    )
    assert said(read(zone, *spread)) == [ALONE]
    assert said(read(zone, *spread, observation("70274-6", 7, clocks[0]))) == []
    late = [observation(code, 1, "2024-03-01T22:30:00-04:00") for code in GAD[:2]]
    assert said(read(zone, *late, observation("70274-6", 7, "2024-03-01T22:30:05-04:00"))) == []


def test_an_absent_measurement_keeps_its_signals_unit() -> None:
    resource = observation("8867-4", 0, dataAbsentReason={"text": "unknown"})
    del resource["valueQuantity"]
    signals = read(patient(), resource).record.signals
    assert signals is not None
    assert (signals.units, np.isnan(signals.values).all()) == (("bpm",), True)


def test_a_code_is_looked_for_among_all_codings() -> None:
    codes = [{"system": SNOMED, "code": "1"}, {"system": LOINC}, {"system": LOINC, "code": "1-8"}]
    several = observation("44261-6", 12) | {"code": {"coding": [*codes, {"system": LOINC, "code": "44261-6"}]}}
    assert values(read(patient(), several).record, "PHQ-9") == [12]


def test_names_of_our_own_are_read_as_they_were_written() -> None:
    mood = observation("x", 3.5) | {
        "code": {"coding": [{"system": f"{OWN}:symptom", "code": "my%20mood"}], "text": "my mood"}
    }
    pulse = observation("x", 3.5) | {
        "code": {"coding": [{"system": f"{OWN}:signal", "code": "pulse"}], "text": "pulse"}
    }
    pulse["valueQuantity"] = {"value": 3.5, "unit": "thuds"}
    record = read(patient(), mood, pulse).record
    assert [row[0] for row in shown(record)] == ["my mood"]
    assert record.signals is not None
    assert (record.signals.series[0].name, record.signals.units) == ("pulse", ("thuds",))


@pytest.mark.parametrize(
    "code", ["48018-6", "84413-4", "53040-2", "53041-0", "69548-6", "84414-2", "therapeutic-implication"]
)
def test_genomics_that_give_no_genes_result_are_told(code: str) -> None:
    found = read(patient(), observation(code, 3))
    text = "a genomics result that does not give one gene's genotype or phenotype is not read"
    assert said(found) == [("information", "not-supported", text, ("Bundle.entry[1].resource.code",))]


def test_what_has_no_use_is_named_by_its_code() -> None:
    plain = read(patient(), observation("x", 3) | {"code": {"text": "my own"}})
    assert said(plain)[0][2] == "no use for Observation text only; not read"
    long = read(patient(), observation("9" * 300, 3))
    assert len(said(long)[0][2]) == len("no use for Observation ; not read") + 120


# -- totals and items
def test_the_sum_of_all_items_is_the_total() -> None:
    record = read(patient(), response([3] * 9, PHQ, total=27), response([1] * 7, GAD, id="q2")).record
    assert (values(record, "PHQ-9"), values(record, "GAD-7")) == ([27], [7])
    assert len(record.symptoms or ()) == 18
    missing = read(patient(), response([3] * 9, PHQ), observation("44250-9", 0, "2024-03-01T08:00:00+01:00", **ABSENT))
    assert values(missing.record, "PHQ-9") == [27]


ABSENT: dict[str, Any] = {"valueQuantity": None, "dataAbsentReason": {"text": "unknown"}}


def test_a_missing_item_makes_no_sum_and_a_stated_total_stands() -> None:
    eight = [observation(code, 2, id=code) for code in PHQ[:8]]
    absent = observation(PHQ[8], 0, **ABSENT)
    assert values(read(patient(), *eight, absent).record, "PHQ-9") == []
    assert values(read(patient(), *eight, observation("44261-6", 19)).record, "PHQ-9") == [19]
    assert values(read(patient(), *eight, observation(PHQ[8], 2), observation("44261-6", 18)).record, "PHQ-9") == [18]
    other_day = observation("44261-6", 3, "2024-03-02")
    record = read(patient(), *eight, observation(PHQ[8], 2), other_day).record
    assert values(record, "PHQ-9") == [18, 3]


def test_a_wrong_total_is_named_with_its_place() -> None:
    items = [observation(code, 2, id=code) for code in PHQ]
    found = read(patient(), *items, observation("44261-6", 17, id="total"))
    text = "the reported total of PHQ-9 differs from the sum of its items: the sum is used"
    assert said(found) == [("warning", "conflict", text, ("Bundle.entry[10].resource",))]
    assert values(found.record, "PHQ-9") == [18]
    assert [(n.source, n.reason) for n in found.record.not_understood] == [("Observation/total", text)]


# -- medications
def dosage(quantity: dict[str, Any] | None, **repeat: Any) -> dict[str, Any]:
    rate = {} if quantity is None else {"doseQuantity": quantity}
    return {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"} | repeat}, "doseAndRate": [rate]}


#: Days in each unit of time that a timing may have (UCUM; a month and a year are left open, they have no one length).
DAYS = {"h": 1 / 24, "d": 1.0, "wk": 7.0}


@pytest.mark.parametrize("unit", ["s", "min", "h", "d", "wk", "mo", "a"])
@pytest.mark.parametrize(("frequency", "period"), [(1, 1), (2, 1), (3, 2), (1, 12)])
def test_a_daily_dose_is_what_a_long_time_holds(unit: str, frequency: int, period: int) -> None:
    given = medication(
        "Sertraline 25 MG",
        dosageInstruction=[dosage({"value": 50, "code": "mg"}, frequency=frequency, period=period, periodUnit=unit)],
    )
    (course,) = read(patient(), given).record.medications
    if unit not in DAYS:
        assert course.dose_mg is None
        return
    days = 8400 * DAYS[unit] * period  # 8,400 periods
    taken_in_all = 50 * frequency * 8400
    assert course.dose_mg == pytest.approx(taken_in_all / days, rel=1e-12)


@pytest.mark.parametrize(
    ("quantity", "text", "dose"),
    [
        ({"value": 50, "code": "mg"}, "x", 50),
        ({"value": 0.5, "code": "mg"}, "x", 0.5),
        ({"value": 50, "unit": "MG"}, "x", 50),
        ({"value": 0.3, "unit": "g"}, "x", 300),
        *(({"value": 50, "code": unit, "unit": "mg"}, "x", 0.05) for unit in ("ug", "mcg", "µg")),
        ({"value": 50, "code": "[iU]", "unit": "mg"}, "x", None),
        ({"value": 1.5}, "Sertraline 50 MG", 75),
        *(
            ({"value": 2, "unit": u}, "Sertraline 50 MG", 100)
            for u in ("tbl", "tablet", "Tablets", "capsule", "cap", "caps", "pill", "{tablet}", "{tbl}", "1")
        ),
        ({"value": 2, "unit": "drop"}, "Sertraline 50 MG", None),
        ({"value": 2, "unit": "tablet"}, "Sertraline", None),
        ({"value": 2, "unit": "tablet"}, "Sertraline 20 MG/ML", None),
        ({"value": 0, "code": "mg"}, "x", None),
        ({"value": -5, "code": "mg"}, "x", None),
        ({"code": "mg"}, "x", None),
        (None, "Sertraline 50 MG", None),
    ],
)
def test_a_dose_in_milligrams_or_in_units_of_a_stated_strength(
    quantity: dict[str, Any] | None, text: str, dose: float | None
) -> None:
    (course,) = read(patient(), medication(text, dosageInstruction=[dosage(quantity)])).record.medications
    assert course.dose_mg == (None if dose is None else pytest.approx(dose))


MG = {"value": 50, "code": "mg"}


@pytest.mark.parametrize(
    "doses",
    [
        [dosage(MG), dosage(MG)],
        [dosage(MG) | {"asNeededBoolean": True}],
        [dosage(MG) | {"doseAndRate": []}],
        [dosage(MG) | {"doseAndRate": [{"doseQuantity": MG}] * 2}],
        [dosage(MG) | {"timing": {}}],
        [{"doseAndRate": [{"doseQuantity": MG}]}],
        [dosage(MG, frequency=None)],
        [dosage(MG, frequency=0)],
        [dosage(MG, frequency=-1)],
        [dosage({"value": 1e-320, "code": "mg"}, period=1e10)],
        [dosage(MG, period=None)],
        [dosage(MG, period=0)],
        [dosage(MG, period=-1)],
        [dosage(MG, periodUnit=None)],
        [dosage({"value": 1e308, "code": "g"}, frequency=10)],
    ],
)
def test_a_dose_that_is_not_one_regular_amount_is_left_open(doses: list[dict[str, Any]]) -> None:
    (course,) = read(patient(), medication("Sertraline 50 MG", dosageInstruction=doses)).record.medications
    assert course.dose_mg is None


def test_a_dose_may_stand_in_a_statement_and_not_as_needed() -> None:
    given = medication(
        "Sertraline 50 MG", resourceType="MedicationStatement", dosage=[dosage(MG) | {"asNeededBoolean": False}]
    )
    assert read(patient(), given).record.medications[0].dose_mg == 50


UNKNOWN = "a medication is not in our tables: kept under the name in its text"


@pytest.mark.parametrize(
    ("concept", "names", "code", "remark"),
    [
        ({"coding": [{"system": RXNORM, "code": "36437"}]}, ("sertraline",), f"{RXNORM}|36437", ""),
        (
            {"coding": [{"system": "urn:x", "code": "1"}, {"system": RXNORM, "code": "36437"}], "text": "Sertraline"},
            ("sertraline",),
            f"{RXNORM}|36437",
            "",
        ),
        ({"coding": [{"system": ATC, "code": "N06AB06"}], "text": "Zoloft"}, ("sertraline",), f"{ATC}|N06AB06", ""),
        (
            {"coding": [{"system": ATC, "code": "N06AB06"}], "text": "Paroxetine 20 MG"},
            ("paroxetine",),
            f"{ATC}|N06AB06",
            "a medication's code and its text name different drugs: the text is used",
        ),
        (
            {"coding": [{"system": ATC, "code": "N06AB06"}], "text": "Paroxetine 20 MG / Sertraline 20 MG"},
            ("sertraline",),
            f"{ATC}|N06AB06",
            "",
        ),
        (
            {"coding": [{"system": "urn:x", "code": "1"}]},
            ("urn:x|1",),
            "urn:x|1",
            "a medication's code is in no table and it has no text: kept under its code",
        ),
        (
            {"coding": [{"system": "urn:x", "code": "1"}], "text": "Obscurol forte"},
            ("obscurol forte",),
            "urn:x|1",
            UNKNOWN,
        ),
        ({"text": "Obscurol forte"}, ("obscurol forte",), None, UNKNOWN),
        ({"text": "Sertraline 1 MG / Obscurol 2 MG"}, ("sertraline", "obscurol"), None, ""),
        (
            {
                "coding": [
                    {"system": f"{OWN}:medication", "code": "x", "display": "Vitamin D 3"},
                    {"system": "urn:x", "code": "1"},
                ],
                "text": "other",
            },
            ("Vitamin D 3",),
            "urn:x|1",
            "",
        ),
        ({"coding": [{"system": f"{OWN}:medication", "code": "x"}], "text": "Vitamin D 3"}, ("Vitamin D 3",), None, ""),
        ({"coding": [{"system": RXNORM}], "text": "Sertraline"}, ("sertraline",), None, ""),
    ],
)
def test_what_a_medication_is_called(
    concept: dict[str, Any], names: tuple[str, ...], code: str | None, remark: str
) -> None:
    found = read(patient(), medication(medicationCodeableConcept=concept))
    assert tuple(c.medication for c in found.record.medications) == names
    assert {c.code and str(c.code) for c in found.record.medications} == {code}
    assert [(s, c, t) for s, c, t, _ in said(found)] == ([("warning", "code-invalid", remark)] if remark else [])


def test_of_a_combination_no_dose_is_known() -> None:
    both = medication("A 1 MG / B 2 MG", dosageInstruction=[dosage(MG)])
    assert [c.dose_mg for c in read(patient(), both).record.medications] == [None, None]


def test_the_same_course_twice_is_one() -> None:
    one = medication("Sertraline 50 MG", id="m1")
    assert len(read(patient(), one, one).record.medications) == 1
    (joined,) = read(patient(), one, one | {"id": "m2"}).record.medications
    assert joined.source == "MedicationRequest/m1, MedicationRequest/m2"


def test_a_reference_to_a_medication_is_followed_in_the_file_or_read_by_its_display() -> None:
    def named(reference: dict[str, Any], **more: Any) -> dict[str, Any]:
        return medication(medicationCodeableConcept=None, medicationReference=reference, **more)

    product = {"resourceType": "Medication", "id": "m", "code": {"text": "Sertraline 50 MG"}}
    by_url = bundle(patient(), named({"reference": "urn:uuid:9"}), product)
    by_url["entry"][2]["fullUrl"] = "urn:uuid:9"
    cases = [
        by_url,
        bundle(patient(), named({"reference": "Medication/m"}), product),
        bundle(patient(), named({"reference": "#m"}, contained=[product])),
        bundle(patient(), named({"display": "Sertraline 50 MG"})),
        bundle(patient(), named({"reference": "Medication/gone", "display": "sertraline"})),
    ]
    assert [read_fhir(case).record.medications[0].medication for case in cases] == ["sertraline"] * 5
    for reference, more in (({"reference": "#other"}, {"contained": [product]}), ({}, {})):
        found = read(patient(), named(reference, **more))
        assert said(found)[0][:3] == ("error", "required", "MedicationRequest names no medication; not read")
    broken = named({"reference": "#m"}, contained=[product | {"code": 7}])
    assert read(patient(), broken).record.medications == ()


# -- genes
def gene(symbol: str, code: str, text: str, **more: Any) -> dict[str, Any]:
    part = {"code": {"coding": [{"code": "48018-6"}]}, "valueCodeableConcept": {"text": symbol}}
    return observation(code, 0, component=[part], valueQuantity=None, valueCodeableConcept={"text": text}) | more


def test_a_genotype_goes_before_a_phenotype_and_contradictions_are_unknown() -> None:
    found = read(
        patient(),
        gene("CYP2D6", "84413-4", "*1/*4", id="a"),
        gene("CYP2D6", "84413-4", "*1/*4", id="b"),
        gene("CYP2D6", "53040-2", "Poor metabolizer", id="c"),
        gene("CYP2C19", "53040-2", "Poor metabolizer", id="d"),
        gene("CYP1A2", "53040-2", "Poor metabolizer", id="f"),
        gene("CYP1A2", "53040-2", "Normal metabolizer", id="e"),
    )
    record = found.record
    assert list(record.genotype.items()) == [("CYP2C19", "Poor metabolizer"), ("CYP2D6", "*1/*4")]
    assert record.genotype_sources == {"CYP2D6": "Observation/a", "CYP2C19": "Observation/d"}
    text = "CYP1A2 has different results: none of them is used"
    assert said(found) == [("warning", "conflict", text, ())]
    assert [(n.source, n.reason) for n in record.not_understood] == [("Observation/e, Observation/f", text)]


# -- other versions of FHIR, other resources, other forms
@pytest.mark.parametrize(
    ("kind", "mark", "version"),
    [
        ("Observation", {"category": {"text": "x"}}, "STU3"),
        ("Observation", {"context": {}}, "STU3"),
        ("Observation", {"related": []}, "STU3"),
        ("MedicationRequest", {"medication": {"concept": {}}}, "R5"),
        ("MedicationStatement", {"medication": {"concept": {}}}, "R5"),
        ("MedicationRequest", {"context": {}}, "STU3"),
        ("MedicationStatement", {"taken": "y"}, "STU3"),
        ("MedicationRequest", {"taken": "y"}, "STU3"),
        ("MedicationRequest", {"requester": {"agent": {}}}, "STU3"),
        ("Condition", {"clinicalStatus": "active"}, "STU3"),
        ("AllergyIntolerance", {"clinicalStatus": "active"}, "STU3"),
        ("Procedure", {"context": {}}, "STU3"),
        ("Procedure", {"notDone": False}, "STU3"),
        ("Consent", {"animal": {}}, "STU3"),
    ],
)  # fmt: skip
def test_marks_of_another_version_of_fhir(kind: str, mark: dict[str, Any], version: str) -> None:
    found = read(patient(), {"resourceType": kind, "status": "active"} | mark)
    text = f"{kind} of FHIR {version}: only R4 is read, convert it"
    assert said(found) == [("error", "not-supported", text, ("Bundle.entry[1].resource",))]


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("Observation", {"category": [{"text": "x"}]}),
        ("MedicationStatement", {"context": {"reference": "Encounter/1"}}),
        ("MedicationRequest", {"requester": {"reference": "Practitioner/1"}}),
        ("MedicationRequest", {"requester": "agent"}),
        ("Condition", {"context": {}}),
        ("AllergyIntolerance", {"taken": "y"}),
        ("Consent", {"context": {}}),
    ],
)
def test_what_looks_alike_but_is_r4(kind: str, element: dict[str, Any]) -> None:
    found = read(patient(), {"resourceType": kind, "subject": {"reference": "Patient/p-1"}} | element)
    assert not any("only R4" in text for _, _, text, _ in said(found))


def test_a_patient_and_a_response_of_stu3_are_read() -> None:
    animal = read(patient(animal={"species": {}}))
    assert (animal.record.patient_id, said(animal)) == ("p-1", [])
    old = response([2] * 9, PHQ, questionnaire={"reference": "Questionnaire/phq"})
    assert values(read(patient(), old).record, "PHQ-9") == [18]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Encounter", "Encounter resources are not read"),
        ("E" * 49, f"{'E' * 49} resources are not read"),
        ("E" * 50, "of unknown type resources are not read"),
        ("<b>", "of unknown type resources are not read"),
        ("Questionnaire", "Questionnaire: a form without answers, used to read responses"),
        ("Medication", "Medication: used to read what refers to it"),
    ],
)
def test_other_resources_are_counted(kind: str, text: str) -> None:
    found = read(patient(), {"resourceType": kind})
    assert said(found) == [("information", "not-supported", text, ("Bundle.entry[1].resource",))]
    assert found.record.not_understood == ()
    assert found.types == {"Patient", kind}


def test_wrong_forms_are_named_by_element_at_most_three() -> None:
    wrong = observation("44261-6", 3, status=7, id=7, effectiveDateTime=7, component=[{"code": None}])
    del wrong["code"]
    found = read(patient(), wrong)
    assert [(s, c, t) for s, c, t, _ in said(found)] == [
        ("error", "required", "Observation: code is missing; not read"),
        ("error", "value", "Observation: id has a form that FHIR R4 does not allow; not read"),
        ("error", "value", "Observation: status has a form that FHIR R4 does not allow; not read"),
    ]
    deep = read(patient(), observation("44261-6", 3, component=[{"code": {}}, {"code": {"coding": [{"code": 7}]}}]))
    assert said(deep) == [
        (
            "error",
            "value",
            "Observation: component.code.coding.code has a form that FHIR R4 does not allow; not read",
            ("Bundle.entry[1].resource.component[1].code.coding[0].code",),
        )
    ]


def test_nothing_to_read_says_what_was_seen() -> None:
    with pytest.raises(FhirImportError) as refusal:
        read({"resourceType": "Encounter"})
    assert [(i.severity, i.code, i.diagnostics) for i in refusal.value.outcome.issues] == [
        ("fatal", "not-found", "nothing in the input can be read into a patient's record"),
        ("information", "not-supported", "Encounter resources are not read"),
    ]


def test_many_places_of_one_reason_are_three_and_a_number() -> None:
    wrong = [observation("44261-6", 99, id=f"o{n}") for n in range(5)]
    (note,) = read(patient(), *wrong).record.not_understood
    assert note.source == "Observation/o0, Observation/o1, Observation/o2 and 2 more"
    (three,) = read(patient(), *wrong[:3]).record.not_understood
    assert three.source == "Observation/o0, Observation/o1, Observation/o2"


def test_a_rich_record_stays_as_it_is(tmp_path: Path) -> None:
    """Several people, forms, units and flaws at once: records, sources, outcome."""
    other = {"reference": "Patient/b"}
    lines = [
        zoned("Asia/Kolkata"),
        patient("b", gender="male", birthDate="1955", deceasedBoolean=True),
        response([0, 1, 2, 3, 0, 1, 2, 3, 0], PHQ, total=12),
        response([3, 2, 1, 0, 3, 2, None], GAD, id="q2", authored="2024-03-02T23:59:00-03:30"),
        response([1] * 9, PHQ, id="q3", total=10, subject=other, authored="2024-04-01"),
        observation("70274-6", 11, "2024-03-05", id="o1"),
        observation("70274-6", 12, "2024-03-05", id="o2"),
        observation("44261-6", 30, "2024-03-06", id="o3"),
        observation(
            "8867-4", 61, "2024-03-01T07:00:00+01:00", id="o4", valueQuantity={"value": 61, "unit": "beats/min"}
        ),
        observation("29463-7", 150, "2024-03-01", id="o5", valueQuantity={"value": 150, "code": "[lb_av]"}),
        observation("93832-4", 450, "2024-03-01", id="o6", subject=other, valueQuantity={"value": 450, "code": "min"}),
        observation("1-8", 4, id="o7"),
        gene("CYP2D6", "84413-4", "*1/*4", id="g1"),
        gene("HLA-B", "84413-4", "HLA-B*15:02", id="g2"),
        medication("Lithium Carbonate 300 MG", id="m1", dosageInstruction=[dosage({"value": 1}, frequency=3)]),
        medication("Paroxetine 20 MG", (RXNORM, "36437"), id="m2", status="stopped", subject=other),
        medication("Sertraline 50 MG", id="m3", intent="plan"),
        {
            "resourceType": "Condition",
            "id": "c1",
            "subject": other,
            "code": {"coding": [{"system": SNOMED, "code": "9651007"}]},
            "onsetDateTime": "2016-05",
            "abatementDateTime": "2016-13",
        },
        {"resourceType": "AllergyIntolerance", "id": "a1", "patient": other, "code": {"text": "Codeine 30 MG"}},
        {"resourceType": "Procedure", "id": "p1", "status": "completed", "subject": other, "code": {"text": "ECT"}},
        {"resourceType": "Consent", "id": "k1", "status": "active", "patient": other, "scope": {"text": "research"}},
        {"resourceType": "Device", "id": "d1"},
    ]
    (tmp_path / "a.ndjson").write_text("\n".join(json.dumps(line) for line in [*lines[:12], "x"]))
    (tmp_path / "b.json").write_text(json.dumps(bundle(*lines[12:])))
    found = read_fhir(tmp_path, today=TODAY)
    check_golden(__file__, "fhir_import", [found.records, found.outcome.to_fhir(), sorted(found.types)])


def test_full_dates_and_times() -> None:
    assert read_moment("2024-03-01T08:00:00.1234567Z").when == datetime(2024, 3, 1, 8, 0, 0, 123456, tzinfo=UTC)
    assert read_moment("2024-03-01T08:00:00-05:45").when == datetime(
        2024, 3, 1, 8, tzinfo=timezone(-timedelta(hours=5, minutes=45))
    )
    assert (read_moment("2024-03-01").when, read_moment("2024").when, read_moment("").when) == (
        date(2024, 3, 1),
        None,
        None,
    )


def test_each_person_of_a_file_has_a_timezone_of_their_own() -> None:
    def seen(own_id: str) -> list[dict[str, Any]]:
        observation = {
            "resourceType": "Observation", "status": "final", "subject": {"reference": f"Patient/{own_id}"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
            "effectiveDateTime": "2026-04-02T22:30:00Z", "valueQuantity": {"value": 5},
        }  # fmt: skip
        return [{"resourceType": "Patient", "id": own_id}, observation]

    text = "\n".join(json.dumps(resource) for own_id in "abc" for resource in seen(own_id)).encode()
    imported = read_fhir(text, timezone={"a": "Europe/Berlin", "b": "America/Los_Angeles"}, today=date(2026, 5, 1))
    days = {record.patient_id: str(record.symptoms.timestamps[0])[:16] for record in imported.records}  # type: ignore[union-attr]
    assert days == {"a": "2026-04-03T00:30", "b": "2026-04-02T15:30", "c": "2026-04-02T22:30"}
    assert [record.timezone for record in imported.records] == ["Europe/Berlin", "America/Los_Angeles", None]
    assert [tuple(placed) for placed in imported.resources[:3]] == [
        ("line 1: Patient", "Patient", "a"), ("line 2: Observation", "Observation", "a"),
        ("line 3: Patient", "Patient", "b"),
    ]  # fmt: skip
    (issue,) = imported.issues
    assert issue.expression == ("line 6: Observation",)


def test_a_resource_of_nobody_is_placed_without_a_person() -> None:
    nobody = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Group/1"}}
    holder = {"resourceType": "Patient", "id": "a", "contained": [{"resourceType": "Organization", "id": "o"}]}
    text = "\n".join(json.dumps(resource) for resource in (holder, nobody)).encode()
    assert [placed.patient_id for placed in read_fhir(text).resources] == ["a", None]
