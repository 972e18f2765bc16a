"""A person's record in and out: long frames, CSV and Parquet files, one patient's directory, FHIR R4."""

from novamind.records.directory import read_patient_directory, write_patient_directory
from novamind.records.fhir import FhirImport, read_fhir
from novamind.records.fhir_export import record_bundle
from novamind.records.fhir_outcome import FhirImportError, OperationOutcome
from novamind.records.frames import LongFrame, SeriesKey, native_frame, signal_frame, symptom_frame
from novamind.records.patient import (
    Allergy,
    Coding,
    Condition,
    Consent,
    MedicationCourse,
    NotUnderstood,
    PatientRecord,
    Procedure,
)
from novamind.records.tables import read_table, require_columns

__all__ = [
    "Allergy",
    "Coding",
    "Condition",
    "Consent",
    "FhirImport",
    "FhirImportError",
    "LongFrame",
    "MedicationCourse",
    "NotUnderstood",
    "OperationOutcome",
    "PatientRecord",
    "Procedure",
    "SeriesKey",
    "native_frame",
    "read_fhir",
    "read_patient_directory",
    "read_table",
    "record_bundle",
    "require_columns",
    "signal_frame",
    "symptom_frame",
    "write_patient_directory",
]
