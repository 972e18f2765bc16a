"""REST of patients, with a house that a test holds: what each route asks for, and its answer."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest

from novamind.errors import ValidationError
from novamind.records import MedicationCourse
from novamind.server import patients
from novamind.server.clinic import PatientSummary, Regimen, SignalSamples
from novamind.twin.domain import Options
from tests.server.parts import ADMIN, P, Q, did


def summary(number: int = 1) -> PatientSummary:
    return PatientSummary(UUID(int=number), {"mrn": "1"}, {"name": "N"})


@pytest.mark.parametrize(("limit", "next_id"), [(2, UUID(int=2)), (3, None), (1, None)])
def test_a_page_says_where_the_next_begins(limit: int, next_id: UUID | None) -> None:
    page, calls = did(patients.list_patients, ADMIN, P, limit, patients=[summary(1), summary(2)])
    assert calls == [("patients", ADMIN, P, limit)]
    assert ([one.patient_id for one in page.items], page.next) == ([UUID(int=1), UUID(int=2)], next_id)
    assert page.items[0].model_dump() == {
        "patient_id": UUID(int=1),
        "identifiers": {"mrn": "1"},
        "details": {"name": "N"},
    }


def test_who_is_registered_is_as_they_were_stated() -> None:
    born, zone = date(1980, 5, 17), "Europe/Berlin"
    new = patients.NewPatient(name="N", birth_date=born, timezone=zone, identifiers={"mrn": "1"})
    made, calls = did(patients.register_patient, ADMIN, new, register=P)
    assert made.ids == [P]
    ((_, _, identity),) = calls
    assert identity.identifiers == {"mrn": "1"}
    assert identity.details == {"name": "N", "birth_date": "1980-05-17", "timezone": zone}
    with pytest.raises(ValidationError):
        patients.NewPatient(name="N", timezone="Europe/Nowhere").identity()


def test_reports_come_as_they_were_stored() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    content = {"symptom": "PHQ-9", "timestamp": "2026-03-01T08:00:00+01:00", "value": 3}
    one = SimpleNamespace(record_id=Q, recorded_at=at, content=content)
    other = SimpleNamespace(record_id=Q, recorded_at=at, content="samples")
    found, calls = did(patients.read_reports, ADMIN, P, 7, reports=[one, other])
    assert calls == [("reports", ADMIN, P, 7)]
    (item,) = found.items
    assert (item.id, item.recorded_at, item.symptom, item.value) == (Q, at, "PHQ-9", 3.0)


def test_what_is_stored_goes_to_the_clinic_with_its_key() -> None:
    report = {"symptom": "PHQ-9", "timestamp": "2026-03-01T08:00:00+01:00", "value": 3}
    new = patients.NewReports(reports=[report])
    made, calls = did(patients.add_reports, ADMIN, P, new, "key-12345", add_reports=[Q])
    assert (made.ids, calls) == ([Q], [("add_reports", ADMIN, P, new.reports, "key-12345")])
    when = datetime(2026, 3, 1, 8, tzinfo=UTC)
    stretch = {"signal": "steps", "unit": "1", "timestamps": [when], "values": [5]}
    samples = patients.NewSamples(stretches=[stretch])
    made, calls = did(patients.add_biometrics, ADMIN, P, samples, None, add_samples=[Q])
    assert calls == [("add_samples", ADMIN, P, [SignalSamples("steps", "1", [when], [5.0])], None)]
    with pytest.raises(ValidationError, match="give at least one gene"):
        did(patients.add_genotype, ADMIN, P, patients.GenotypeBody(genes={}))
    made, calls = did(
        patients.add_genotype, ADMIN, P, patients.GenotypeBody(genes={"CYP2D6": "*1/*1"}), add_genotype=[Q]
    )
    assert (made.ids, calls) == ([Q], [("add_genotype", ADMIN, P, {"CYP2D6": "*1/*1"})])


def test_a_course_goes_in_and_comes_out() -> None:
    body = patients.Course(
        medication="lithium", start=date(2026, 1, 1), end=date(2026, 2, 1), dose_mg=900, stopped=True
    )
    course = MedicationCourse("lithium", date(2026, 1, 1), date(2026, 2, 1), 900, stopped=True)
    made, calls = did(patients.add_medication, ADMIN, P, body, add_medication=[Q])
    assert (made.ids, calls) == ([Q], [("add_medication", ADMIN, P, course)])
    found, _ = did(patients.read_medications, ADMIN, P, medications=[(Q, course)])
    assert [one.model_dump() for one in found.items] == [body.model_dump() | {"id": Q}]


def test_questions_reach_the_clinic_with_what_was_asked() -> None:
    answer, calls = did(patients.forecast_patient, ADMIN, P, 7, 10.0, forecast=b"{}")
    assert (answer.body, answer.media_type, calls) == (b"{}", "application/json", [("forecast", ADMIN, P, 7, 10.0)])
    found = SimpleNamespace(model_version="links-1", value=SimpleNamespace(to_dict=lambda: {"links": [{"a": 1}]}))
    answer, calls = did(patients.read_correlations, ADMIN, P, 60, correlations=found)
    assert (answer.model_version, answer.links, calls) == ("links-1", [{"a": 1}], [("correlations", ADMIN, P, 60)])
    regimen = patients.RegimenBody(drug="sertraline", dose_mg=50)
    plain = {
        "drug": "sertraline", "dose_mg": 50, "weeks": 8, "exposure_ratio": 1, "verdict": "v", "unknown": [],
        "model_version": "m", "seed": 0, "ensemble": 50, "more": 1,
    }  # fmt: skip
    answer, calls = did(patients.ask_what_if, ADMIN, P, regimen, what_if=SimpleNamespace(to_dict=lambda: plain))
    assert calls == [("what_if", ADMIN, P, Regimen("sertraline", 50, 24, 8, 50, 0))]
    assert answer.model_dump() == plain
    answer, calls = did(patients.read_audit, ADMIN, P, 5, audit_trail=[{"a": 1}])
    assert (answer.entries, calls) == ([{"a": 1}], [("audit_trail", ADMIN, P, 5)])
    answer, calls = did(patients.read_consents, ADMIN, P, consents={"research": True})
    assert (answer.decisions, calls) == ({"research": True}, [("consents", ADMIN, P)])
    _, calls = did(patients.decide_consent, ADMIN, P, "research", patients.Decision(granted=False))
    assert calls == [("decide", ADMIN, P, "research", False)]
    until = datetime(2026, 1, 1, tzinfo=UTC)
    answer, calls = did(patients.open_emergency, ADMIN, P, patients.Reason(reason="x"), open_emergency=until)
    assert (answer.until, calls) == (until, [("open_emergency", ADMIN, P, "x")])
    answer, calls = did(patients.export_fhir, ADMIN, P, True, fhir_bundle={"a": 1})
    assert calls == [("fhir_bundle", ADMIN, P, {"with_insights": True})]
    assert (answer.media_type, answer.body) == ("application/fhir+json", b'{"a":1}')


def test_insights_are_asked_with_horizon_and_lookback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patients, "insights_to_dict", lambda found: found)
    plain = {
        "patient_id": "p", "made_on": date(2026, 1, 1), "complete": True, "missing": {}, "options": {},
        "model_versions": {}, "recommendations": [], "results": {}, "tracking": [], "notes": [], "disclaimer": "d",
    }  # fmt: skip
    answer, calls = did(patients.read_insights, ADMIN, P, 7, 60, insights=plain)
    assert calls == [("insights", ADMIN, P, Options(forecast_days=7, biometric_lookback_days=60))]
    assert answer.model_dump() == plain


def test_the_example_of_a_patient_has_the_form_that_it_shows() -> None:
    example = patients.NewPatient.model_json_schema()["examples"][0]
    assert patients.NewPatient.model_validate(example).model_dump(mode="json") == example
    genes = patients.GenotypeBody.model_json_schema()["examples"][0]
    assert patients.GenotypeBody.model_validate(genes).genes == {"CYP2D6": "*1/*4", "CYP2C19": "*1/*2"}
