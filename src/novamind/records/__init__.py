"""A person's record in and out: long frames, CSV and Parquet files, one patient's directory, FHIR R4."""

from typing import TYPE_CHECKING

from novamind.lazy import public_names

if TYPE_CHECKING:
    from novamind.records.directory import read_patient_directory, write_patient_directory
    from novamind.records.fhir.export import record_bundle
    from novamind.records.fhir.outcome import FhirImportError, OperationOutcome
    from novamind.records.fhir.reader import FhirImport, read_fhir
    from novamind.records.instruments.columns import item_of, items_of
    from novamind.records.instruments.scoring import Score, score
    from novamind.records.intake import import_file
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
    from novamind.records.results import FileImport, SeriesSummary
    from novamind.records.tables.files import read_table
    from novamind.records.tables.frames import (
        LongFrame,
        SeriesKey,
        native_frame,
        require_columns,
        signal_frame,
        symptom_frame,
    )
    from novamind.records.tables.observations import LeftOut
    from novamind.records.tables.profile import TableProfile, load_profile
    from novamind.records.wearables import WearableRecord, WearableSummary, convert_wearables, read_wearables
else:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "directory": ("read_patient_directory", "write_patient_directory"),
            "fhir.export": ("record_bundle",),
            "fhir.outcome": ("FhirImportError", "OperationOutcome"),
            "fhir.reader": ("FhirImport", "read_fhir"),
            "instruments.columns": ("item_of", "items_of"),
            "instruments.scoring": ("Score", "score"),
            "intake": ("import_file",),
            "patient": (
                "Allergy",
                "Coding",
                "Condition",
                "Consent",
                "MedicationCourse",
                "NotUnderstood",
                "PatientRecord",
                "Procedure",
            ),
            "results": ("FileImport", "SeriesSummary"),
            "tables.files": ("read_table",),
            "tables.frames": (
                "LongFrame",
                "SeriesKey",
                "native_frame",
                "require_columns",
                "signal_frame",
                "symptom_frame",
            ),
            "tables.observations": ("LeftOut",),
            "tables.profile": ("TableProfile", "load_profile"),
            "wearables": ("WearableRecord", "WearableSummary", "convert_wearables", "read_wearables"),
        },
    )

__all__ = [
    "Allergy",
    "Coding",
    "Condition",
    "Consent",
    "FhirImport",
    "FhirImportError",
    "FileImport",
    "LeftOut",
    "LongFrame",
    "MedicationCourse",
    "NotUnderstood",
    "OperationOutcome",
    "PatientRecord",
    "Procedure",
    "Score",
    "SeriesKey",
    "SeriesSummary",
    "TableProfile",
    "WearableRecord",
    "WearableSummary",
    "convert_wearables",
    "import_file",
    "item_of",
    "items_of",
    "load_profile",
    "native_frame",
    "read_fhir",
    "read_patient_directory",
    "read_table",
    "read_wearables",
    "record_bundle",
    "require_columns",
    "score",
    "signal_frame",
    "symptom_frame",
    "write_patient_directory",
]
