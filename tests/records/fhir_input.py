"""FHIR resources as hospitals write them, for the tests."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novamind.records import LongFrame, PatientRecord

INTEROP = Path(__file__).parents[3] / "shared" / "data" / "interop"
needs_interop = pytest.mark.skipif(not INTEROP.is_dir(), reason="the shared interoperability data are not here")


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


def patient(name: str = "p-1", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": name, "gender": "female", "birthDate": "1990-05-17"} | more


def observation(code: str, value: float, when: str | None = "2024-03-01", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p-1"},
        **({"effectiveDateTime": when} if when else {}),
        "valueQuantity": {"value": value},
    } | more


def medication(text: str = "", code: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    coding = [{"system": code[0], "code": code[1]}] if code else []
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p-1"},
        "authoredOn": "2024-01-05",
        "medicationCodeableConcept": {"coding": coding, **({"text": text} if text else {})},
    } | more


def response(scores: list[int | None], codes: list[str], total: float | None = None, **more: Any) -> dict[str, Any]:
    items: list[dict[str, Any]] = [
        {
            "linkId": f"/{code}",
            "answer": [{"valueCoding": {"code": ("LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9")[s]}}],
        }
        for s, code in zip(scores, codes, strict=True)
        if s is not None
    ]
    if total is not None:
        items.append({"linkId": "/44261-6", "answer": [{"valueInteger": total}]})
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "q1",
        "status": "completed",
        "subject": {"reference": "Patient/p-1"},
        "authored": "2024-03-01T08:00:00+01:00",
        "item": [{"linkId": "group", "item": items}],
    } | more


def values(record: PatientRecord, name: str) -> list[float]:
    frame = record.symptoms
    assert frame is not None
    return [frame.values[i] for i in range(len(frame)) if frame.series[frame.series_index[i]].name == name]


def plain(record: PatientRecord) -> dict[str, Any]:
    """A record as values that compare; what was not understood stays with the file it was in."""
    shown = {name: getattr(record, name) for name in record.__slots__ if name != "not_understood"}
    for name in ("symptoms", "signals"):
        shown[name] = _rows(shown[name])
    return shown


def _rows(frame: LongFrame | None) -> object:
    if frame is None:
        return None
    offset = None if frame.utc_offset is None else frame.utc_offset.astype("timedelta64[s]").tolist()
    texts = [str(v) for v in frame.values]
    return (
        frame.series,
        frame.units,
        frame.series_index.tolist(),
        np.datetime_as_string(frame.timestamps).tolist(),
        offset,
        texts,
    )
