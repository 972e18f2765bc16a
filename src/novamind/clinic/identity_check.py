"""Whether data are of the patient to whom they are sent: identifiers, birth date, sex and name, none of them shown.

Only what both sides state is compared. Names agree where the words of one are among those of the other, so that a
second forename or a missing title does not count.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from novamind.clinic.domain import PatientSummary
from novamind.records.fhir.patients import Claims

#: Stored identifiers that are no number of a record; a Patient resource has them elsewhere.
_CONTACTS = ("email", "phone")
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa"})


class Comparison(NamedTuple):
    """What differs, in words, and whether anything could be compared at all."""

    differences: tuple[str, ...]
    is_decided: bool


def compared(patient: PatientSummary, claims: Claims) -> Comparison:
    """Return in what a Patient resource differs from the stored patient."""
    checks = {
        "identifier": _same_identifier(patient, claims),
        **_birth(str(patient.details.get("birth_date") or ""), claims.birth_date),
        "sex": _same_sex(str(patient.details.get("gender") or ""), claims.gender),
        "name": _same_name(str(patient.details.get("name") or ""), claims.names),
    }
    differences = tuple(what for what, agrees in checks.items() if agrees is False)
    return Comparison(differences, any(agrees is not None for agrees in checks.values()))


def _same_identifier(patient: PatientSummary, claims: Claims) -> bool | None:
    """Return whether an identifier is the same; an id that may be one of ours before all others."""
    own = _uuid(claims.record_id)
    if own is not None:
        return own == patient.patient_id
    mine = {_plain(value) for kind, value in patient.identifiers.items() if kind not in _CONTACTS}
    others = {_plain(identifier.value) for identifier in claims.identifiers}
    return bool(mine & others) if mine and others else None


def _birth(mine: str, other: str) -> dict[str, bool | None]:
    length = min(len(mine), len(other))
    if length < 4:
        return {}
    same_year = mine[:4] == other[:4]
    return {"birth year" if not same_year else "birth date": mine[:length] == other[:length]}


def _same_sex(mine: str, other: str) -> bool | None:
    return mine == other if {mine, other}.isdisjoint({"", "unknown"}) else None


def _same_name(mine: str, others: Iterable[str]) -> bool | None:
    words = _words(mine)
    named = [spelled for other in others if (spelled := _words(other))]
    return any(spelled <= words or words <= spelled for spelled in named) if words and named else None


def _words(name: str) -> frozenset[str]:
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_SPELLED))
    return frozenset(re.findall(r"[^\W\d_]+", "".join(c for c in plain if not unicodedata.combining(c))))


def _plain(identifier: str) -> str:
    return "".join(identifier.split()).casefold()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
