"""What goes out is valid R4 and comes back whole."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.records import FhirImportError, MedicationCourse, PatientRecord, read_fhir, record_bundle, symptom_frame
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
