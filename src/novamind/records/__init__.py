"""A person's record in and out: long frames, CSV and Parquet files, one patient's directory."""

from novamind.records.directory import (
    MedicationCourse,
    PatientRecord,
    read_patient_directory,
    write_patient_directory,
)
from novamind.records.frames import LongFrame, SeriesKey, native_frame, signal_frame, symptom_frame
from novamind.records.tables import read_table, require_columns
from novamind.records.wearables import WearableRecord, WearableSummary, convert_wearables, read_wearables

__all__ = [
    "LongFrame",
    "MedicationCourse",
    "PatientRecord",
    "SeriesKey",
    "WearableRecord",
    "WearableSummary",
    "convert_wearables",
    "native_frame",
    "read_patient_directory",
    "read_table",
    "read_wearables",
    "require_columns",
    "signal_frame",
    "symptom_frame",
    "write_patient_directory",
]
