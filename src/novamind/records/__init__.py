"""A person's record in and out: long frames, CSV and Parquet files, one patient's directory."""

from novamind.records.directory import (
    MedicationCourse,
    PatientRecord,
    read_patient_directory,
    write_patient_directory,
)
from novamind.records.frames import LongFrame, SeriesKey, native_frame, signal_frame, symptom_frame
from novamind.records.tables import read_table, require_columns

__all__ = [
    "LongFrame",
    "MedicationCourse",
    "PatientRecord",
    "SeriesKey",
    "native_frame",
    "read_patient_directory",
    "read_table",
    "require_columns",
    "signal_frame",
    "symptom_frame",
    "write_patient_directory",
]
