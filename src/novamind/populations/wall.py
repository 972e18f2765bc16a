"""The wall: population twins are commercial, so clinical columns and identities are refused."""

import re
from typing import Final

from novamind.errors import ValidationError
from novamind.populations.table import Table

_IDENTITY: Final = re.compile(
    r"^(ssn|npi|mrn|dob|email|phone|telephone|fax|passport|birthdate|birthday|firstname|lastname|surname"
    r"|fullname|streetaddress|ipaddress)$"
)
_IDENTITY_PAIRS: Final = re.compile(
    r"(first|last|full|patient|physician|doctor|hcp|middle|maiden)_?name$|^name$|date_of_birth|birth_date"
    r"|medical_record|social_security|street_address|home_address|e_?mail_address|phone_number|patient_id$|member_id$"
    r"|account_number|licen[cs]e_number"
)
_CLINICAL: Final = re.compile(
    r"(^|_)(phq|gad|madrs|hamd|hdrs|ymrs|panss|bdi|bprs|cgi|moca|mmse|hads|isi|pcl|qids)(_?\d+)?(_|$)"
    r"|symptom|suicid|self_harm|depressi(on|ve)|anxiety|psychos|mania|mood|side_effect|adverse_event"
    r"|(^|_)(hba1c|egfr|ldl|hdl|creatinine|blood_pressure|systolic|diastolic|heart_rate|hrv|bmi|sleep_hours|lab_result)(_|$)"
    r"|genotype|phenotype|diplotype|cyp\d|clinical_note|diagnosis_(text|description|name)|(^|_)(dose|dosage)(_mg)?(_|$)"
    r"|medication_list|progress_note"
)
_CELLS: Final = (
    (re.compile(r"[\w.+-]+@[\w-]+\.\w+"), "e-mail addresses"),
    (re.compile(r"\b\d{3}-\d{2}-\d{4}\b"), "social security numbers"),
    (re.compile(r"\(?\b\d{3}\)?[-. ]\d{3}[-. ]\d{4}\b"), "telephone numbers"),
    (re.compile(r"\b(19|20)\d\d-\d\d-\d\d\b"), "calendar dates"),
    (re.compile(r"\b(MRN|DOB|SSN)\b", re.IGNORECASE), "record identifiers"),
)
_DIAGNOSIS: Final = re.compile(
    r"\b(disorder|syndrome|diagnosed|carcinoma|schizophreni|bipolar|depressi|anxiety|urticaria|complains|denies"
    r"|history of)",
    re.IGNORECASE,
)
_FREE_TEXT_WORDS: Final = 8


def inspect(table: Table) -> None:
    """Refuse a table that carries clinical content or identities.

    Raises
    ------
    ValidationError
        Naming the column and the reason, never a value.
    """
    for column in table.columns:
        reason = _reason(column.name, [level for level in column.levels if isinstance(level, str)])
        if reason is not None:
            raise ValidationError(
                f"Column {column.name!r} {reason}. Population twins are commercial "
                "and take neither clinical content "
                "nor identities; drop the column."
            )


def _reason(name: str, levels: list[str]) -> str | None:
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace(" ", "_").replace("-", "_")
    if _IDENTITY.search(plain.replace("_", "")) or _IDENTITY_PAIRS.search(plain):
        return "names an identity"
    if _CLINICAL.search(plain):
        return "names clinical content"
    for pattern, what in _CELLS:
        if any(pattern.search(level) for level in levels):
            return f"holds {what}"
    if plain.endswith("diagnosis_code"):
        return None if all(len(level) <= 10 for level in levels) else "should hold codes but holds text"
    diagnosis_words = sum(bool(_DIAGNOSIS.search(level)) for level in levels)
    if diagnosis_words > len(levels) / 4 and "special" not in plain:
        return "holds diagnoses in words"
    if levels and sum(len(level.split()) for level in levels) / len(levels) > _FREE_TEXT_WORDS:
        return "holds free text"
    return None
