"""What goes out is valid R4 and comes back whole."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.records import (
    Allergy,
    Coding,
    Condition,
    Consent,
    FhirImportError,
    LongFrame,
    MedicationCourse,
    PatientRecord,
    Procedure,
    read_fhir,
    record_bundle,
    signal_frame,
    symptom_frame,
)
from novamind.records.fhir import export
from tests.golden import check_golden
from tests.records.fhir_input import INTEROP, bundle, medication, needs_interop, observation, patient, plain

FILES = (
    [
        *(f for f in sorted(INTEROP.rglob("*.json")) if "cds_hooks" not in f.parts),
        *sorted(INTEROP.rglob("*.ndjson")),
        INTEROP / "bulk_ndjson",
        INTEROP / "mii_phq9",
    ]
    if INTEROP.is_dir()
    else []
)


def there_and_back(record: PatientRecord) -> PatientRecord:
    out = record_bundle(record)
    for entry in out["entry"]:
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])
    return read_fhir(out).record


@needs_interop
@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name[:40])
def test_every_file_is_imported_without_loss_or_refused_with_an_outcome(file: Any) -> None:
    try:
        found = read_fhir(file)
    except FhirImportError as refusal:
        outcome = refusal.outcome.to_fhir()
        assert outcome["issue"][0]["severity"] == "fatal"
        assert len(outcome["issue"]) > 1, "it says what it saw instead"
    else:
        outcome = found.outcome.to_fhir()
        for record in found.records:
            assert plain(there_and_back(record)) == plain(record)
    get_fhir_model_class("OperationOutcome").model_validate(outcome)


days = st.dates(date(1980, 1, 1), date(2026, 1, 1)).map(str)
clock = st.tuples(days, st.sampled_from(["Z", "+01:00", "-05:30"]), st.integers(0, 23)).map(
    lambda t: f"{t[0]}T{t[2]:02d}:15:30.25{t[1]}"
)
moments = st.one_of(days, clock)
names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
scores = st.builds(observation, st.sampled_from(["44261-6", "70274-6"]), st.integers(0, 21), moments)
items = st.builds(observation, st.sampled_from(["44250-9", "44260-8", "69725-0"]), st.integers(0, 3), moments)
signals = st.builds(
    lambda code, value, unit, when: observation(code, value, when, valueQuantity={"value": value, "code": unit}),
    st.sampled_from(["8867-4", "93832-4"]),
    st.floats(0, 1e6),
    st.sampled_from(["/min", "h", "min"]),
    moments,
)
genes = st.builds(
    lambda gene, result: observation(
        "84413-4",
        0,
        component=[{"code": {"coding": [{"code": "48018-6"}]}, "valueCodeableConcept": {"text": gene}}],
        valueQuantity=None,
        valueCodeableConcept={"text": result},
    ),
    st.sampled_from(["CYP2D6", "CYP2C19"]),
    st.sampled_from(["*1/*4", "Poor metaboliser", "HLA-B*15:02"]),
)
drugs = st.builds(
    lambda text, code, status, when, dose: (
        medication(text, code, status=status, authoredOn=when)
        | {
            "dosageInstruction": [
                {
                    "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                    "doseAndRate": [{"doseQuantity": {"value": dose, "code": "mg"}}],
                }
            ]
        }
    ),
    st.one_of(names, st.sampled_from(["Sertraline 50 MG", "A 1 MG / B 2 MG", "5-HTP 50"])),
    st.sampled_from([None, ("http://www.whocc.no/atc", "N06AB10"), ("urn:x", "1")]),
    st.sampled_from(["active", "stopped", "completed"]),
    st.one_of(st.none(), moments),
    st.floats(0.001, 1e5),
)
conditions = st.builds(
    lambda text, code, onset, status: {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/p-1"},
        "code": {"text": text, "coding": [{"system": "http://snomed.info/sct", "code": code}] if code else []},
        "onsetDateTime": onset,
        "clinicalStatus": {"coding": [{"code": status}]} if status else None,
    },
    names,
    st.sampled_from([None, "9651007", "1"]),
    st.sampled_from([None, "2016", "2016-05", "2016-05-04"]),
    st.sampled_from([None, "active", "resolved"]),
)
people = st.builds(
    lambda born, zone: patient(birthDate=born, extension=zone),
    st.sampled_from(["1980", "1980-02", "1980-02-03", None]),
    st.sampled_from(
        [[], [{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "America/New_York"}]]
    ),
)


@settings(max_examples=60, deadline=None)
@given(people, st.lists(st.one_of(scores, items, signals, genes, drugs, conditions), max_size=12))
def test_import_export_import_is_lossless(person: dict[str, Any], resources: list[dict[str, Any]]) -> None:
    record = read_fhir(bundle(person, *resources)).record
    assert plain(there_and_back(record)) == plain(record)


def test_a_record_that_was_no_fhir_comes_back_too() -> None:
    frame = pl.DataFrame({"timestamp": ["2024-01-01", "2024-01-02"], "value": [3.5, None], "symptom": ["my  mood"] * 2})
    record = PatientRecord(
        'p, "17"',
        timezone="Europe/Berlin",
        symptoms=symptom_frame(frame.with_columns(patient_id=pl.lit('p, "17"'))),
        medications=(
            MedicationCourse("vitamin d 3", None, dose_mg=0.1),
            MedicationCourse("lithium", None, stopped=True),
        ),
    )
    assert plain(there_and_back(record)) == plain(record) | {
        "symptom_sources": tuple(f"Bundle.entry[{i}].resource" for i in (1, 2)),
        "medications": tuple(
            MedicationCourse(c.medication, None, None, c.dose_mg, c.stopped, None, f"Bundle.entry[{i}].resource")
            for i, c in enumerate(record.medications, 3)
        ),
    }


def test_clock_times_need_a_timezone() -> None:
    frame = pl.DataFrame({"timestamp": ["2024-01-01T08:00"], "value": [3], "patient_id": ["p"]})
    record = PatientRecord("p", symptoms=symptom_frame(frame))
    with pytest.raises(ValidationError, match="timezone"):
        record_bundle(record)


def rich() -> PatientRecord:
    def symptoms(rows: list[tuple[str, float | None, str]]) -> LongFrame:
        columns = ["timestamp", "value", "symptom"]
        return symptom_frame(pl.DataFrame(rows, schema=columns, orient="row").with_columns(patient_id=pl.lit("p-1")))

    signals = pl.DataFrame(
        [
            ("2024-03-01T00:00:00+05:30", 61.5, "heart_rate", "/min"),
            ("2024-03-01T00:00:00+05:30", 61.0, "resting_heart_rate", "bpm"),
            ("2024-02-29T23:59:59.25-03:30", 7.0, "mood ring", None),
            ("2024-03-02T00:00:00+05:30", None, "heart_rate", "/min"),
        ],
        schema=["timestamp", "value", "signal", "unit"],
        orient="row",
    )
    code = Coding("http://snomed.info/sct", "9651007")
    return PatientRecord(
        "p-1",
        timezone="Asia/Kolkata",
        demographics={"gender": "female", "birth_year": 990, "deceased": True, "town": "CANARY"},
        symptoms=symptoms(
            [
                ("2024-03-01", 12.0, "PHQ-9"),
                ("2024-03-01", 2.0, "PHQ-9 item 9"),
                ("2024-03-02", 1.5, "my mood"),
                ("2024-03-02", None, "GAD-7"),
            ]
        ),
        signals=signal_frame(signals.with_columns(patient_id=pl.lit("p-1"))),
        medications=(
            MedicationCourse(
                "lithium", date(2024, 1, 1), date(2024, 2, 1), 600.0, code=Coding("", "x"), source="a b/c"
            ),
            MedicationCourse("vitamin d", None, date(2024, 2, 1)),
            MedicationCourse("sertraline", date(2024, 1, 1), stopped=True),
            MedicationCourse("clozapine", date(2024, 1, 1), code=code),
        ),
        genotype={"CYP2D6": "*1/*4", "CYP2C19": "Poor Metaboliser", "HLA-B": "*15:02 positive"},
        conditions=(Condition("LQTS", code, "long qt", "2016", "2020", active=False), Condition("sad", source="x")),
        allergies=(Allergy("aspirin", criticality="high"), Allergy("codeine", active=False)),
        procedures=(Procedure("ECG", code, "2020-01-02"), Procedure("ECT")),
        consents=(Consent("research", "active", "deny", "2020"), Consent("treatment", "inactive")),
        genotype_sources={"CYP2D6": "Observation/g"},
    )


def test_a_rich_record_goes_out_as_it_did() -> None:
    out = record_bundle(rich())
    check_golden(__file__, "fhir_export", out)
    for entry in out["entry"]:
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])
    assert "CANARY" not in str(out)


@pytest.mark.parametrize(
    ("about", "resource"),
    [
        ({"gender": "other"}, {"gender": "other"}),
        ({"gender": "F"}, {}),
        ({"birth_year": "1990"}, {}),
        ({"birth_year": 1990}, {"birthDate": "1990"}),
        ({"deceased": False}, {}),
        ({"deceased": True}, {"deceasedBoolean": True}),
        *(({"gender": gender}, {"gender": gender}) for gender in ("male", "female", "unknown")),
    ],
)
def test_what_goes_out_of_the_person(about: dict[str, Any], resource: dict[str, Any]) -> None:
    (entry,) = record_bundle(PatientRecord("p.1-A", demographics=about))["entry"]
    assert entry["resource"] == {"resourceType": "Patient", "id": "p.1-A"} | resource


@pytest.mark.parametrize("name", ["a b", "x" * 65, "ä", "a_b"])
def test_a_name_that_is_no_fhir_id_goes_out_as_an_identifier(name: str) -> None:
    (entry,) = record_bundle(PatientRecord(name, timezone="Asia/Kolkata"))["entry"]
    assert entry["resource"] == {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:novamind:patient", "value": name}],
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "Asia/Kolkata"}],
    }
    assert record_bundle(PatientRecord("x" * 64))["entry"][0]["resource"]["id"] == "x" * 64


@pytest.mark.parametrize(
    ("times", "zone", "written"),
    [
        (["2024-03-01", "2024-03-02"], None, ["2024-03-01", "2024-03-02"]),
        (["2024-03-01T00:00", "2024-03-02"], "Asia/Kolkata", ["2024-03-01", "2024-03-02"]),
        (
            ["2024-03-01T00:00:01", "2024-03-02"],
            "Asia/Kolkata",
            ["2024-03-01T00:00:01+05:30", "2024-03-02T00:00:00+05:30"],
        ),
        (["2024-07-01T08:00"], "America/St_Johns", ["2024-07-01T08:00:00-02:30"]),
        (["2024-03-01T08:00+05:45"], None, ["2024-03-01T08:00:00+05:45"]),
        (["2024-03-01T08:00:00.5Z"], None, ["2024-03-01T08:00:00.500000+00:00"]),
        (["2024-03-01T08:00+05:45"], "UTC", ["2024-03-01T08:00:00+05:45"]),
    ],
)
def test_times_go_out_with_their_clock(times: list[str], zone: str | None, written: list[str]) -> None:
    frame = pl.DataFrame({"timestamp": times, "value": [1.0] * len(times), "patient_id": ["p"] * len(times)})
    out = record_bundle(PatientRecord("p", timezone=zone, symptoms=symptom_frame(frame)))
    assert [entry["resource"]["effectiveDateTime"] for entry in out["entry"][1:]] == written


@pytest.mark.parametrize(
    ("course", "status"),
    [
        (MedicationCourse("x", None, stopped=True), "stopped"),
        (MedicationCourse("x", None, date(2024, 1, 1)), "completed"),
        (MedicationCourse("x", None, date(2024, 1, 1), stopped=True), "stopped"),
        (MedicationCourse("x", None), "active"),
    ],
)
def test_the_status_of_a_course(course: MedicationCourse, status: str) -> None:
    assert record_bundle(PatientRecord("p", medications=(course,)))["entry"][1]["resource"]["status"] == status


def test_what_a_series_has_in_common_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    of_series = export._of_series

    def counted(name: str, *given: Any) -> Any:
        made.append(name)
        return of_series(name, *given)

    monkeypatch.setattr(export, "_of_series", counted)
    rows = {"patient_id": "a", "signal": ["heart_rate", "steps"] * 50, "value": [60.0, 5.0] * 50}
    units = {"unit": ["/min", "1"] * 50}
    times = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=n) for n in range(100)]
    frame = signal_frame(pl.DataFrame(rows | units | {"timestamp": times}), today=date(2026, 4, 1), timezone="UTC")
    entries = record_bundle(PatientRecord("a", timezone="UTC", signals=frame))["entry"]
    assert (len(entries), sorted(made)) == (101, ["heart_rate", "steps"])
