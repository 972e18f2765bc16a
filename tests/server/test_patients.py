"""REST of patients, with a container that a test holds: what each route asks for, and its answer."""

import asyncio
import json
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from novamind.biometrics.codec import PersonLinksBody
from novamind.clinic import Import, PatientSummary, Regimen, SignalSamples, SymptomReport
from novamind.errors import NotFoundError, OutdatedError, ValidationError
from novamind.infrastructure.patient_store import Kind, Samples, StoredRecord
from novamind.pharmacogenomics import recommend
from novamind.records import Allergy, Condition, MedicationCourse
from novamind.server import dependencies, patients, problems
from novamind.symptoms.domain import Scale
from novamind.twin.domain import COURSES, Options
from tests.server.parts import ADMIN, P, Q, did
from tests.twin.people import Links, full_insights


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
        "details": {"name": "N", "birth_date": None, "gender": None, "timezone": None},
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


AT = datetime(2026, 3, 1, tzinfo=UTC)
REPORT = {"symptom": "PHQ-9", "timestamp": "2026-03-01T08:00:00+01:00", "value": 3}
MOMENT = datetime.fromisoformat("2026-03-01T08:00:00+01:00")
COURSE = MedicationCourse("lithium", date(2026, 1, 1), date(2026, 2, 1), 900, stopped=True)
STRETCH = {"signal": "steps", "unit": "1", "timestamps": [MOMENT.isoformat()], "values": [5]}
GOUT = Condition("gout", onset="2020-01")
NUTS = Allergy("nuts", medication="citalopram", criticality="high")
KEY = "key-12345"


def stored(content: Any, kind: Kind = Kind.SYMPTOM_REPORT, version: int = 4) -> StoredRecord:
    return StoredRecord(UUID(int=7), version, kind, content, AT)


UNREAD = StoredRecord(UUID(int=8), 1, Kind.NOTE, {}, AT)
KNOWN = {"id": UUID(int=7), "version": 4}


def test_reports_come_as_they_were_stored() -> None:
    found, calls = did(patients.read_reports, ADMIN, P, 7, reports=[stored(REPORT), UNREAD])
    assert calls == [("reports", ADMIN, P, 7)]
    (item,) = found.items
    assert item.model_dump() == KNOWN | {"recorded_at": AT, "symptom": "PHQ-9", "timestamp": MOMENT, "value": 3.0}
    assert found.not_read == [UNREAD.record_id]


def test_stretches_come_without_their_values() -> None:
    samples = Samples("steps", "1", np.array([2000, 1000, 3500], np.int64), np.arange(3.0))
    found, calls = did(patients.read_biometrics, ADMIN, P, pieces=[stored(samples), UNREAD])
    assert calls == [("pieces", ADMIN, P, Kind.BIOMETRIC_SAMPLES)]
    (item,) = found.items
    assert item.model_dump() == KNOWN | {
        "recorded_at": AT, "signal": "steps", "unit": "1", "count": 3,
        "first": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "last": datetime(1970, 1, 1, 0, 0, 3, 500_000, tzinfo=UTC),
    }  # fmt: skip
    assert found.not_read == [UNREAD.record_id]


def test_courses_results_and_problems_come_as_they_were_stored() -> None:
    plain = {"medication": "lithium", "start": "2026-01-01", "end": "2026-02-01", "dose_mg": 900, "stopped": True}
    found, calls = did(patients.read_medications, ADMIN, P, pieces=[stored(plain), UNREAD, stored({"medication": "x"})])
    assert calls == [("pieces", ADMIN, P, Kind.MEDICATION)]
    assert [one.model_dump(mode="json") for one in found.items] == [
        {"id": str(UUID(int=7)), "version": 4} | plain,
        {"id": str(UUID(int=7)), "version": 4, "medication": "x", "start": None, "end": None, "dose_mg": None,
         "stopped": False},
    ]  # fmt: skip
    assert found.not_read == [UNREAD.record_id]
    genes = {"CYP2D6": "*1/*1"}
    found, calls = did(patients.read_genotype_results, ADMIN, P, pieces=[UNREAD, stored({"genes": genes})])
    assert calls == [("pieces", ADMIN, P, Kind.GENOTYPE)]
    assert [one.model_dump() for one in found.items] == [KNOWN | {"genes": genes}]
    assert found.not_read == [UNREAD.record_id]
    found, calls = did(patients.read_genotype, ADMIN, P, genotype=genes)
    assert (found.genes, calls) == (genes, [("genotype", ADMIN, P)])
    listed = [
        {"list": "conditions", "name": "gout", "onset": "2020-01", "word": "gout", "active": False},
        {"list": "procedures", "name": "ECT"},
        {"list": "allergies", "name": "nuts", "medication": "citalopram", "criticality": "high"},
    ]
    found, calls = did(patients.read_problems, ADMIN, P, pieces=[*map(stored, listed), UNREAD])
    assert calls == [("pieces", ADMIN, P, Kind.CONDITION)]
    assert [one.model_dump() for one in found.conditions] == [
        KNOWN | {"name": "gout", "active": False, "onset": "2020-01", "abatement": None}
    ]
    assert [one.model_dump() for one in found.allergies] == [
        KNOWN | {"name": "nuts", "medication": "citalopram", "criticality": "high", "active": True}
    ]
    assert found.not_read == [UNREAD.record_id], "a procedure can be read; it is no problem"


def test_scales_are_read_and_changed() -> None:
    found, calls = did(patients.read_scales, ADMIN, P, scales={"craving": (stored({}), Scale(0, 10, 1, "low"))})
    assert calls == [("scales", ADMIN, P)]
    scale = {"low": 0, "high": 10, "step": 1, "worse": "low"}
    assert [one.model_dump() for one in found.items] == [KNOWN | {"symptom": "craving", "scale": scale}]
    new = patients.SeriesScale(symptom="craving", scale=scale)
    done, calls = did(patients.change_scale, ADMIN, P, new)
    assert (done, calls) == (None, [("change_scale", ADMIN, P, "craving", Scale(0, 10, 1, "low"))])
    wrong = patients.SeriesScale(symptom="craving", scale={"low": 5, "high": 1})
    with pytest.raises(ValidationError, match="low < high"):
        did(patients.change_scale, ADMIN, P, wrong)


def test_imports_are_read_and_taken_back() -> None:
    one = Import(Q, "a.csv", AT, (P,), {"condition": 1})
    found, calls = did(patients.read_imports, ADMIN, P, imports=[one])
    assert calls == [("imports", ADMIN, P)]
    assert [one.model_dump() for one in found.items] == [
        {"id": Q, "name": "a.csv", "recorded_at": AT, "counts": {"condition": 1}}
    ]
    gone, calls = did(patients.take_import_back, ADMIN, P, Q, take_back=3)
    assert (gone.records, calls) == (3, [("take_back", ADMIN, P, Q)])


def test_what_is_stored_goes_to_the_clinic_with_its_key() -> None:
    new = patients.NewReports(reports=[REPORT, REPORT | {"symptom": "craving", "scale": {"low": 0, "high": 10}}])
    made, calls = did(patients.add_reports, ADMIN, P, new, KEY, add_reports=[Q])
    reports = [SymptomReport("PHQ-9", MOMENT, 3.0), SymptomReport("craving", MOMENT, 3.0, Scale(0, 10))]
    assert (made.ids, calls) == ([Q], [("add_reports", ADMIN, P, reports, KEY)])
    samples = patients.NewSamples(stretches=[STRETCH])
    made, calls = did(patients.add_biometrics, ADMIN, P, samples, None, add_samples=[Q])
    assert calls == [("add_samples", ADMIN, P, [SignalSamples("steps", "1", [MOMENT], [5.0])], None)]


@pytest.mark.parametrize("method", ["add", "correct"])
def test_results_name_a_gene(method: str) -> None:
    work = patients.add_genotype if method == "add" else patients.correct_genotype
    given = (ADMIN, P) if method == "add" else (ADMIN, P, Q)
    with pytest.raises(ValidationError, match="give at least one gene"):
        did(work, *given, patients.GenotypeBody(genes={}))


# -- headers, over HTTP


class Clinic:
    """What routes ask of the clinic, with the answer that the test gave it."""

    def __init__(self, answer: Any = None) -> None:
        self.calls: list[Any] = []
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        async def call(*given: Any, **named: Any) -> Any:
            self.calls.append((name, *given, *([named] if named else [])))
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer

        return call


def ask(clinic: Clinic, method: str, path: str, **options: Any) -> httpx.Response:
    app = FastAPI()
    app.include_router(patients.routes)
    problems.register(app)
    app.dependency_overrides = {
        dependencies._container: lambda: SimpleNamespace(clinic=clinic, settings="settings"),
        dependencies._principal: lambda: ADMIN,
    }

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.request(method, f"/api/v1/patients/{P}/{path}", **options)

    return asyncio.run(run())


PLAIN_COURSE = {
    "medication": "lithium", "start": "2026-01-01", "end": "2026-02-01", "dose_mg": 900, "stopped": True
}  # fmt: skip
PLAIN_GOUT = {"name": "gout", "onset": "2020-01"}
PLAIN_NUTS = {"name": "nuts", "medication": "citalopram", "criticality": "high"}
GENES = {"CYP2D6": "*1/*1"}
#: Path, body, and the piece that the clinic is given.
PIECES: list[Any] = [
    ("medications", PLAIN_COURSE, COURSE),
    ("genotype", {"genes": GENES}, GENES),
    ("conditions", PLAIN_GOUT, GOUT),
    ("conditions", {"name": "Long QT", "active": False}, Condition("Long QT", word="long qt", active=False)),
    ("allergies", PLAIN_NUTS, NUTS),
    ("allergies", {"name": "nuts", "active": False}, Allergy("nuts", active=False)),
]
CORRECTED: list[Any] = [
    *PIECES,
    ("reports", REPORT, SymptomReport("PHQ-9", MOMENT, 3.0)),
    ("biometrics", STRETCH, SignalSamples("steps", "1", [MOMENT], [5.0])),
]


@pytest.mark.parametrize(("path", "body", "piece"), PIECES)
@pytest.mark.parametrize("key", [None, "k" * 8, "Ab-_" + "9" * 124])
def test_a_piece_is_added_once_for_a_key(path: str, body: Any, piece: Any, key: str | None) -> None:
    clinic = Clinic([Q])
    answer = ask(clinic, "POST", path, json=body, headers={} if key is None else {"Idempotency-Key": key})
    assert (answer.status_code, answer.json()) == (201, {"ids": [str(Q)]})
    assert clinic.calls == [("add", ADMIN, P, piece, key)]


@pytest.mark.parametrize("key", ["short", "k" * 129, "with space", "k" * 8 + "!", ""])
def test_a_key_that_could_not_be_kept_is_refused_by_all_that_add(key: str) -> None:
    bodies = [("reports", {"reports": [REPORT]}), ("biometrics", {"stretches": [STRETCH]}), ("fhir", {})]
    for path, body in [(path, body) for path, body, _ in PIECES] + bodies:
        clinic = Clinic([Q])
        answer = ask(clinic, "POST", path, json=body, headers={"Idempotency-Key": key})
        assert (answer.status_code, clinic.calls) == (422, [])
        assert answer.json()["errors"][0]["location"] == "header.Idempotency-Key"


FORMS = [(None, None), ('"1"', 1), ('W/"1"', 1), ('"0"', 0), ('"999999999"', 999_999_999), ('"007"', 7)]


@pytest.mark.parametrize(("path", "body", "piece"), CORRECTED)
@pytest.mark.parametrize(("form", "version"), FORMS)
def test_a_correction_is_of_the_version_that_was_read(
    path: str, body: Any, piece: Any, form: str | None, version: int | None
) -> None:
    clinic = Clinic(5)
    answer = ask(clinic, "PUT", f"{path}/{Q}", json=body, headers={} if form is None else {"If-Match": form})
    assert (answer.status_code, answer.json()) == (200, {"version": 5})
    assert clinic.calls == [("correct", ADMIN, P, Q, piece, version)]


@pytest.mark.parametrize(("form", "version"), FORMS)
def test_a_record_is_withdrawn_in_the_version_that_was_read(form: str | None, version: int | None) -> None:
    clinic = Clinic()
    answer = ask(clinic, "DELETE", f"records/{Q}", headers={} if form is None else {"If-Match": form})
    assert (answer.status_code, answer.content, clinic.calls) == (204, b"", [("withdraw", ADMIN, P, Q, version)])


@pytest.mark.parametrize("form", ["1", "*", '"a"', '"1", "2"', '"1000000000"', '"-1"', 'w/"1"', '""', "", '"1'])
def test_another_form_of_if_match_is_refused(form: str) -> None:
    requests = [("PUT", f"{path}/{Q}", body) for path, body, _ in CORRECTED] + [("DELETE", f"records/{Q}", None)]
    for method, path, body in requests:
        clinic = Clinic(5)
        answer = ask(clinic, method, path, json=body, headers={"If-Match": form})
        assert (answer.status_code, clinic.calls) == (422, []), path
        assert answer.json()["errors"][0]["location"] == "header.If-Match"


def test_what_was_changed_since_is_a_failed_precondition_and_what_is_gone_not_found() -> None:
    for error, status, kind in ((OutdatedError("x"), 412, "outdated"), (NotFoundError("x"), 404, "not-found")):
        for method, path, body in (
            ("PUT", f"medications/{Q}", PLAIN_COURSE),
            ("DELETE", f"records/{Q}", None),
            ("DELETE", f"imports/{Q}", None),
        ):
            answer = ask(Clinic(error), method, path, json=body, headers={"If-Match": '"1"'})
            assert (answer.status_code, answer.json()["type"]) == (status, f"urn:novamind:problem:{kind}")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("conditions", {"name": ""}),
        ("conditions", {"name": "x" * 201}),
        ("conditions", {"name": "gout", "onset": "January"}),
        ("conditions", {"name": "gout", "word": "gout"}),
        ("allergies", {"name": "nuts", "criticality": "awful"}),
        ("allergies", {"medication": "citalopram"}),
        ("medications", {"medication": "lithium", "dose_mg": 0}),
    ],
)
def test_what_does_not_have_its_form_is_not_stored(path: str, body: Any) -> None:
    for method, place in (("POST", path), ("PUT", f"{path}/{Q}")):
        clinic = Clinic([Q])
        assert (ask(clinic, method, place, json=body).status_code, clinic.calls) == (422, [])


def test_questions_reach_the_clinic_with_what_was_asked() -> None:
    answer, calls = did(patients.forecast_patient, ADMIN, P, 7, 10.0, json=b"{}")
    assert (answer.body, answer.media_type, calls) == (
        b"{}",
        "application/json",
        [("json", ADMIN, P, 7, 10.0, {"explain": False})],
    )
    person = Links()
    answer, calls = did(patients.read_correlations, ADMIN, P, 60, correlations=person)
    assert calls == [("correlations", ADMIN, P, 60)]
    assert json.loads(answer.body) == PersonLinksBody.of(person.person()).model_dump(mode="json")
    regimen = patients.RegimenBody(drug="sertraline", dose_mg=50)
    treatment = full_insights().results[COURSES].value["citalopram"]
    answer, calls = did(patients.ask_what_if, ADMIN, P, regimen, what_if=treatment)
    assert calls == [("what_if", ADMIN, P, Regimen("sertraline", 50, 24, 8, 50, 0))]
    assert json.loads(answer.body) == treatment.to_dict()
    asked, review = patients.AskedDrug(medication="venlafaxine"), recommend({}, ("venlafaxine",))
    answer, calls = did(patients.advise_medication, ADMIN, P, asked, medication_advice=review)
    assert calls == [("medication_advice", ADMIN, P, "venlafaxine")]
    assert (json.loads(answer.body), answer.media_type) == (review.to_dict(), "application/json")
    entry = {
        "sequence": 7, "at": datetime(2026, 1, 1, tzinfo=UTC), "actor": "a", "role": "clinician",
        "purpose": "treatment", "correlation_id": "c", "origin": "o", "action": "read", "what": "identity",
        "patient": "p", "outcome": "success", "count": 1, "references": ["r"],
    }  # fmt: skip
    answer, calls = did(patients.read_audit, ADMIN, P, 5, audit_trail=[entry])
    assert (answer.model_dump(), calls) == ({"entries": [entry]}, [("audit_trail", ADMIN, P, 5)])
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


def test_insights_are_asked_with_horizon_and_lookback() -> None:
    answer, calls = did(patients.read_insights, ADMIN, P, 7, 60, insights=full_insights())
    assert calls == [("insights", ADMIN, P, Options(forecast_days=7, biometric_lookback_days=60))]
    assert json.loads(answer.body) == full_insights().to_dict()


def test_the_example_of_a_patient_has_the_form_that_it_shows() -> None:
    example = patients.NewPatient.model_json_schema()["examples"][0]
    assert patients.NewPatient.model_validate(example).model_dump(mode="json") == example
    genes = patients.GenotypeBody.model_json_schema()["examples"][0]
    assert patients.GenotypeBody.model_validate(genes).genes == {"CYP2D6": "*1/*4", "CYP2C19": "*1/*2"}
