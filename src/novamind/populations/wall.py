"""The wall: population twins are commercial, so clinical content and identities are refused.

Names are read word by word (``dateOfBirth``, ``date_of_birth`` and ``Date of birth`` are the same three words),
so that ``romania_share`` is no mania and ``total_patient_volume`` no patient.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from novamind.errors import ValidationError

if TYPE_CHECKING:
    from novamind.populations.table import Table

_PERSON: Final = (
    r"(patient|physician|doctor|hcp|prescriber|provider|person|member|customer|account|contact|subscriber|beneficiary)"
)
_IDENTITY: Final = re.compile(
    r"(^|_)(ssn|npi|mrn|dob|mbi|passport|fingerprint|latitude|longitude|birthdate|birthday|surname|firstname|lastname|fullname)(_|$)"
    r"|^(name|e_?mail|e_?mail_address|(tele)?phone|(tele)?phone_number|fax(_number)?|address|url)$"
    r"|(^|_)(first|last|full|middle|maiden|family|given)_name$"
    rf"|(^|_){_PERSON}_(name|number|no|key|uuid)$|(^|_)(patient|member|subscriber|beneficiary)_id$"
    r"|date_of_birth|birth_date|medical_record|social_security|national_provider|(street|home|mail(ing)?|ip)_address"
    r"|licen[cs]e_(no|number)|device_(id|serial)|(policy|insurance)(_member)?_number|face_photo"
)
_CLINICAL: Final = re.compile(
    r"(^|_)(phq|gad|madrs|ham_?[ad]|hdrs|ymrs|panss|bdi|bprs|cgi|moca|mmse|hads|isi|pcl|qids|epds|whodas|c_?ssrs|audit_c|core_om|beck"
    r"|hamilton)(_?\d+)?(_|$)"
    r"|(^|_)(hba1_?c|a1_?c|egfr|ldl|hdl|creatinine|systolic|diastolic|hrv|bmi|weight_kg|genotype|phenotype|diplotype|cyp\d\w*)(_|$)"
    r"|blood_pressure|heart_rate|sleep_(hours|duration|quality)|lab_result|side_effect|adverse_event|clinical_note"
    r"|progress_note|(^|_)(ehr|emr)(_|$)|diagnosis_(text|description|name)|medication_list"
)
_CLINICAL_WORDS: Final = re.compile(
    r"(^|_)(symptoms?|symptomatic|suicid\w*|self_harm|depress\w*|anxiety|psycho(sis|ses|tic)|(hypo)?mania|manic|mood|doses?|dosage|mg)(_|$)"
)
_TRADE: Final = re.compile(r"(^|_)(claims?|share|volume|sales|sold|cost|market|revenue|units|spend)(_|$)")
"""Beside one of these words a clinical word names a market (``anxiety_class_claims``), not a person's state."""
_MEDICAL: Final = re.compile(
    r"(^|_)(titrat\w+|taper\w*|\w*therap(y|ies)_(start|switch|stop)|psychotherapy|medication_(start|switch|stop|change))(_|$)"
)
_DIAGNOSIS_NAME: Final = re.compile(r"(^|_)(diagnosis|diagnoses|dx|icd(_?\d+)?)(_|$)")
_CODE: Final = re.compile(r"[A-Za-z0-9.+/_-]*\d[A-Za-z0-9.+/_-]*|[A-Z]{1,6}|other|unknown|none", re.ASCII)
_LONGEST_CODE: Final = 10
_CELLS: Final = (
    (re.compile(r"[\w.+-]+@[\w-]+\.\w+"), "e-mail addresses"),
    (re.compile(r"\b\d{3}-\d{2}-\d{4}\b"), "social security numbers"),
    (re.compile(r"\(?\b[2-9]\d{2}\)?[-. ]\d{3}[-. ]\d{4}\b"), "telephone numbers"),
    (re.compile(r"\b(19|20)\d\d-\d\d-\d\d\b"), "calendar dates"),
    (re.compile(r"\b(MRN|DOB|SSN)\b"), "record identifiers"),
)
_DIAGNOSIS: Final = re.compile(
    r"\b(disorder|syndrome|carcinoma|schizophreni|bipolar|depress|anxiety|urticaria|complains of|denies |history of)",
    re.IGNORECASE,
)
_DIAGNOSIS_SHARE: Final = 0.25
_FREE_TEXT_WORDS: Final = 8
_NPI_SHARE: Final = 0.9
"""One number in ten passes the check digit by chance; of real identifiers all do."""


def inspect(table: "Table") -> None:
    """Refuse a table that carries clinical content or identities.

    Raises
    ------
    ValidationError
        Naming the column and the reason, never a value.
    """
    for column in table.columns:
        reason = _reason(column.name, [level for level in column.levels if isinstance(level, str)])
        if reason is None and column.decimals == 0 and _npi_share(table.values[column.name]) > _NPI_SHARE:
            reason = "holds National Provider Identifiers"
        if reason is not None:
            raise ValidationError(
                f"column {column.name!r} {reason}; population twins are commercial and take neither clinical content "
                "nor identities; drop the column"
            )


def inspect_intervention(name: str) -> None:
    """Refuse an intervention that is medical.

    Raises
    ------
    ValidationError
        If the name is one of a treatment rather than of a campaign.
    """
    words = _words(name)
    if _MEDICAL.search(words) or _names_clinical(words):
        raise ValidationError(
            f"the intervention {name!r} names a medical one; population twins simulate commercial campaigns only"
        )


def _words(name: str) -> str:
    """Write a name in lower case with one underscore between words."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[\W_]+", "_", apart).strip("_").lower()


def _names_clinical(words: str) -> bool:
    return bool(_CLINICAL.search(words) or (_CLINICAL_WORDS.search(words) and not _TRADE.search(words)))


def _reason(name: str, levels: Sequence[str]) -> str | None:
    words = _words(name)
    if _IDENTITY.search(words):
        return "names an identity"
    if _names_clinical(words):
        return "names clinical content"
    for pattern, what in _CELLS:
        if any(pattern.search(level) for level in levels):
            return f"holds {what}"
    if _DIAGNOSIS_NAME.search(words):
        coded = all(len(level) <= _LONGEST_CODE and _CODE.fullmatch(level) for level in levels)
        return None if coded else "holds diagnoses in words where codes such as 'L50.1' may stand"
    diagnoses = sum(bool(_DIAGNOSIS.search(level)) for level in levels)
    if diagnoses > _DIAGNOSIS_SHARE * len(levels) and "special" not in words:
        return "holds diagnoses in words"
    if levels and sum(len(level.split()) for level in levels) / len(levels) > _FREE_TEXT_WORDS:
        return "holds free text"
    return None


def _npi_share(values: NDArray[Any]) -> float:
    """Return the share of numbers in the form of a National Provider Identifier (Luhn check digit, prefix 80840)."""
    present = values[~np.isnan(values)].astype(np.int64)
    digits = present[:, None] // 10 ** np.arange(10) % 10
    digits[:, 1::2] = 2 * digits[:, 1::2] // 10 + 2 * digits[:, 1::2] % 10
    valid = (present >= 1_000_000_000) & (present < 3_000_000_000) & ((digits.sum(axis=1) + 24) % 10 == 0)
    return float(valid.mean())
