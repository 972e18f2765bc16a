"""How a record is put together from what the store holds, and taken apart again."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from novamind.errors import (
    AuthorizationError,
    InsufficientDataError,
    NotFoundError,
    ServiceUnavailableError,
    ValidationError,
)
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.identity.sessions import access_of
from novamind.infrastructure.patient_store import Kind, Samples
from novamind.records import (
    Allergy,
    Coding,
    Condition,
    Consent,
    MedicationCourse,
    PatientRecord,
    Procedure,
    signal_frame,
    symptom_frame,
)
from novamind.server import clinic
from novamind.server.clinic import PatientSummary, SignalSamples
from novamind.symptoms.endpoints import Report
from novamind.twin.domain import Options, ServiceResult, Status

CODE = Coding("http://loinc.org", "1-2")
P = uuid4()


def stored(content: Any) -> Any:
    return SimpleNamespace(content=content, record_id=uuid4())


def report(when: str, value: float, symptom: str = "PHQ-9") -> dict[str, Any]:
    return {"symptom": symptom, "timestamp": when, "value": value}


# -- samples


@pytest.mark.parametrize(
    ("when", "milliseconds"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 0, 1, 500_999, tzinfo=UTC), 1500),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (datetime(2026, 3, 1, 7, tzinfo=timezone(timedelta(hours=1))), 1_772_344_800_000),
    ],
)
def test_samples_are_kept_at_milliseconds_of_universal_time(when: datetime, milliseconds: int) -> None:
    found = clinic._samples(SignalSamples("sleep_duration", "h", [when], [7.5]))
    assert (found.signal, found.unit) == ("sleep_duration", "h")
    assert (found.timestamps.tolist(), found.values.tolist()) == ([milliseconds], [7.5])
    assert (found.timestamps.dtype, found.values.dtype) == (np.int64, np.float64)


@pytest.mark.parametrize("values", [[], [1.0, 2.0]])
def test_there_are_as_many_times_as_values(values: list[float]) -> None:
    with pytest.raises(ValidationError, match="a stretch of a signal needs as many timestamps as values"):
        clinic._samples(SignalSamples("a", "h", [datetime(1970, 1, 1, tzinfo=UTC)], values))


def test_a_mapping_is_no_samples() -> None:
    with pytest.raises(ValidationError, match="a record that should be a mapping holds samples"):
        clinic._mapping(stored(Samples("a", "h", np.zeros(1, np.int64), np.zeros(1))))
    assert clinic._mapping(stored({"a": 1})) == {"a": 1}


# -- reports


def test_of_two_reports_at_one_time_the_one_stored_last_counts() -> None:
    frame = clinic._reports_frame(
        [report("2026-03-01T08:00:00+01:00", 5), report("2026-03-01T08:00:00+01:00", 7, "GAD-7"),
         report("2026-03-01T07:00:00+00:00", 9)]
    )  # fmt: skip
    assert frame.rows() == [("PHQ-9", "2026-03-01T08:00:00+01:00", 9.0), ("GAD-7", "2026-03-01T08:00:00+01:00", 7.0)]


def test_one_report_without_an_offset_makes_all_of_them_local() -> None:
    frame = clinic._reports_frame([report("2026-03-01T08:00:00+01:00", 5), report("2026-03-02T08:00:00", 6)])
    assert frame["timestamp"].to_list() == ["2026-03-01T08:00:00", "2026-03-02T08:00:00"]
    offsets = clinic._reports_frame([report("2026-03-01T08:00:00+01:00", 5), report("2026-03-02T08:00:00+02:00", 6)])
    assert offsets["timestamp"].to_list() == ["2026-03-01T08:00:00+01:00", "2026-03-02T08:00:00+02:00"]


# -- a record out of the store


def test_a_record_is_put_together_from_every_kind() -> None:
    summary = PatientSummary(
        P, {"mrn": "1"}, {"name": "N", "birth_date": "1980-05-17", "timezone": "Europe/Berlin", "gender": "female"}
    )
    hour = 3_600_000
    samples = [
        stored(Samples("sleep_duration", "h", np.array([0, hour], np.int64), np.array([7.0, 8.0]))),
        stored(Samples("sleep_duration", "h", np.array([hour], np.int64), np.array([9.0]))),
        stored(Samples("steps", "", np.array([0], np.int64), np.array([100.0]))),
    ]
    listed = [
        {"list": "conditions", "name": "QT", "word": "long qt", "code": {"system": CODE.system, "code": CODE.code}},
        {"list": "allergies", "name": "nuts"},
        {"list": "procedures", "name": "ECT"},
        {"list": "consents", "scope": "research", "status": "active"},
        {"list": "conditions", "name": "gout"},
    ]
    medications = [
        {"medication": "lithium", "start": "2026-01-01", "end": "2026-02-01", "dose_mg": 900.0},
        {"medication": "sertraline", "stopped": True, "code": {"system": CODE.system, "code": CODE.code}},
    ]
    found = clinic._record(
        summary,
        [stored(report("2026-03-01T08:00:00+01:00", 5))],
        samples,
        [stored(one) for one in medications],
        [stored(one) for one in listed],
        ({"CYP2D6": "*4/*4"}, False),
    )
    assert (found.patient_id, found.timezone) == (str(P), "Europe/Berlin")
    assert found.demographics == {"birth_year": 1980, "gender": "female"}, "no name and no day of birth"
    assert found.symptoms is not None
    assert found.symptoms.values.tolist() == [5.0]
    assert found.symptoms.series[0] == (str(P), "PHQ-9")
    assert found.signals is not None
    sleep = found.signals.part([key.name for key in found.signals.series].index("sleep_duration"))
    assert found.signals.values[sleep].tolist() == [7.0, 9.0], "of two at one time the later one"
    assert [str(when) for when in found.signals.timestamps[sleep].astype("datetime64[h]")] == [
        "1970-01-01T01",
        "1970-01-01T02",
    ]
    assert found.medications == (
        MedicationCourse("lithium", date(2026, 1, 1), date(2026, 2, 1), 900.0),
        MedicationCourse("sertraline", None, stopped=True, code=CODE),
    )
    assert found.conditions == (Condition("QT", CODE, "long qt"), Condition("gout"))
    assert found.allergies == (Allergy("nuts"),)
    assert found.procedures == (Procedure("ECT"),)
    assert found.consents == (Consent("research", "active"),)
    assert (found.genotype, found.not_understood) == ({"CYP2D6": "*4/*4"}, ())


def test_a_record_of_whom_only_the_name_is_known() -> None:
    found = clinic._record(PatientSummary(P, {}, {"name": "N"}), [], [], [], [], ({}, True))
    assert (found.timezone, found.demographics, found.symptoms, found.signals) == (None, {}, None, None)
    (note,) = found.not_understood
    assert (note.source, note.reason) == ("genotype", "not used: the patient withdrew consent to genomics")


def test_signals_of_somebody_without_a_zone_are_of_universal_time() -> None:
    found = clinic._signals("p", [stored(Samples("steps", "", np.array([1500], np.int64), np.array([1.0])))], None)
    assert found is not None
    assert found.timestamps[0] == np.datetime64("1970-01-01T00:00:01.500")
    assert clinic._signals("p", [stored({"not": "samples"})], None) is None


def test_later_results_of_a_gene_replace_earlier_ones() -> None:
    pages = [stored({"genes": {"CYP2D6": "*1/*1", "CYP2C19": "*1/*2"}}), stored({"genes": {"CYP2D6": "*4/*4"}})]
    assert clinic._genes(pages) == ({"CYP2D6": "*4/*4", "CYP2C19": "*1/*2"}, False)


def test_the_newest_identity_is_who_it_is() -> None:
    pages = [
        stored({"identifiers": {"a": "1"}, "details": {}}),
        stored({"identifiers": {"a": "2"}, "details": {"name": "N"}}),
    ]
    assert clinic._summary(P, pages) == PatientSummary(P, {"a": "2"}, {"name": "N"})


def test_an_error_in_the_place_of_an_answer_stays_one_until_it_is_needed() -> None:
    error = NotFoundError("x")
    assert clinic._summary(P, error) is error
    assert clinic._genes(error) is error
    assert clinic._right(7) == 7
    with pytest.raises(NotFoundError):
        clinic._right(error)


# -- a record into the store


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "+00:00"), (3600, "+01:00"), (-12600, "-03:30"), (20700, "+05:45"), (-60, "-00:01")]
)
def test_an_offset_in_words(seconds: int, text: str) -> None:
    assert clinic._offset(seconds) == text


def test_reports_are_stored_with_their_offset_and_without_gaps() -> None:
    when = ["2026-03-01T08:00:00+01:00", "2026-03-02T08:00:00+02:00", "2026-03-03T08:00:00-03:30"]
    table = pl.DataFrame({"timestamp": when, "value": [5.0, None, 6.5], "symptom": "PHQ-9", "patient_id": "p"})
    known = PatientRecord("p", symptoms=symptom_frame(table))
    assert clinic._reports_of(known) == [report(when[0], 5.0), report(when[2], 6.5)]
    local = symptom_frame(table.with_columns(timestamp=pl.Series([one[:19] for one in when])))
    assert clinic._reports_of(PatientRecord("p", symptoms=local))[0]["timestamp"] == "2026-03-01T08:00:00"
    assert clinic._reports_of(PatientRecord("p")) == []


def test_signals_are_stored_as_stretches_at_milliseconds() -> None:
    table = pl.DataFrame(
        {
            "timestamp": ["1970-01-01T02:00:00+02:00", "1970-01-01T00:00:01.5+00:00", "1970-01-01T00:00:00+00:00",
                          "1970-01-01T01:00:00+00:00"],
            "value": [7.0, 8.0, 100.0, None],
            "signal": ["sleep_duration", "sleep_duration", "steps", "heart_rate"],
            "unit": ["h", "h", None, "/min"],
            "patient_id": "p",
        }
    )  # fmt: skip
    found = clinic._samples_of(PatientRecord("p", signals=signal_frame(table)))
    assert {one.signal: (one.unit, one.timestamps.tolist(), one.values.tolist()) for one in found} == {
        "sleep_duration": ("h", [0, 1500], [7.0, 8.0]),
        "steps": ("", [0], [100.0]),
    }
    local = signal_frame(table.head(1).with_columns(timestamp=pl.Series(["1970-01-01T02:00:00"])))
    assert clinic._samples_of(PatientRecord("p", signals=local))[0].timestamps.tolist() == [7_200_000]
    assert clinic._samples_of(PatientRecord("p")) == []


def test_what_says_nothing_is_not_stored() -> None:
    course = MedicationCourse("lithium", date(2026, 1, 1), dose_mg=900, code=CODE)
    assert clinic._plain(course) == {
        "medication": "lithium", "start": "2026-01-01", "dose_mg": 900, "stopped": False,
        "code": {"system": CODE.system, "code": CODE.code},
    }  # fmt: skip
    assert clinic._course(clinic._plain(course)) == course
    assert clinic._plain(Condition("gout", active=False)) == {"name": "gout", "active": False}


# -- use cases, with a clinic whose doors a test holds


WHO = Principal(uuid4(), uuid4(), Role.CLINICIAN, uuid4(), None, frozenset(Permission))
ACCESS = access_of(WHO, "treatment")
PERMITTED = {"permit": ACCESS, "permit_patient": ACCESS, "permit_revision": (ACCESS, 7)}


class Part:
    """A part of the clinic: every call is noted, and answered by what the test gave it."""

    def __init__(self, calls: list[Any], **answers: Any) -> None:
        self._calls, self._answers = calls, answers

    def __getattr__(self, name: str) -> Any:
        async def call(*given: Any, **named: Any) -> Any:
            self._calls.append((name, *given, *([named] if named else [])))
            answer = self._answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer(*given, **named) if callable(answer) else answer

        return call


def clinic_of(calls: list[Any], **answers: Any) -> Any:
    part = Part(calls, **PERMITTED | answers)
    symptoms: Any = SimpleNamespace(model=SimpleNamespace(version="m-1"))
    return clinic.Clinic(part, part, part, part, symptoms, part, part)  # type: ignore[arg-type]


def did(name: str, *given: Any, calls: list[Any] | None = None, **answers: Any) -> Any:
    return asyncio.run(getattr(clinic_of([] if calls is None else calls, **answers), name)(*given))


@pytest.mark.parametrize(("role", "treats"), [(Role.CLINICIAN, True), (Role.SERVICE, False)])
def test_a_clinician_treats_whom_they_register(role: Role, treats: bool) -> None:
    calls: list[Any] = []
    who = replace(WHO, role=role)
    assert did("register", who, "identity", calls=calls, register=P) == P
    assert calls[:2] == [
        ("permit", who, Permission.PATIENTS_CREATE),
        ("register", WHO.organisation_id, "identity", ACCESS),
    ]
    assert calls[2:] == ([("relate", WHO.subject, P, ACCESS)] if treats else [])
    with pytest.raises(ValidationError, match="patients are registered by somebody who belongs to an organisation"):
        did("register", replace(who, organisation_id=None), "identity")


@pytest.mark.parametrize(("ahead", "right"), [(timedelta(hours=23), True), (timedelta(days=1, minutes=5), False)])
def test_a_report_may_be_of_another_zones_today_and_not_of_the_future(ahead: timedelta, right: bool) -> None:
    calls: list[Any] = []
    one = Report(symptom="PHQ-9", timestamp=datetime.now(UTC) + ahead, value=3)
    if right:
        assert did("add_reports", WHO, P, [one], "key", calls=calls, append=["id"]) == ["id"]
        name, patient_id, kind, (content,), access, key = calls[1]
        assert (name, patient_id, kind, access, key) == (
            "append",
            P,
            Kind.SYMPTOM_REPORT,
            ACCESS,
            {"idempotency_key": "key"},
        )
        assert (content["symptom"], content["value"], "scale" in content) == ("PHQ-9", 3.0, False)
    else:
        with pytest.raises(ValidationError, match="a report lies in the future"):
            did("add_reports", WHO, P, [one], None)
    assert not calls or calls[0] == ("permit_patient", WHO, Permission.RECORDS_WRITE, P)


@pytest.mark.parametrize(("decided", "right"), [({}, True), ({"genomics": True}, True), ({"genomics": False}, False)])
def test_a_genotype_is_stored_unless_consent_was_withdrawn(decided: dict[str, bool], right: bool) -> None:
    calls: list[Any] = []
    known = PatientRecord("p", genotype={"CYP2D6": "*1/*1"}, genotype_sources={"CYP2D6": "s"})
    if right:
        assert did("add_genotype", WHO, P, {"CYP2D6": "*1/*1"}, calls=calls, consents=decided, append=["id"]) == ["id"]
        assert calls[-1] == ("append", P, Kind.GENOTYPE, [{"genes": {"CYP2D6": "*1/*1"}}], ACCESS)
        with pytest.raises(ValidationError):
            did("add_genotype", WHO, P, {"CYP2D6": "nonsense"}, consents=decided)
    else:
        for name, given in (("add_genotype", {"CYP2D6": "*1/*1"}), ("import_record", known)):
            with pytest.raises(
                ValidationError, match="the patient withdrew consent to genomics; no genotype can be stored"
            ):
                did(name, WHO, P, given, consents=decided)
        assert did("import_record", WHO, P, PatientRecord("p"), consents=decided)["genotype"] == 0


def test_a_record_is_imported_kind_by_kind_each_once() -> None:
    calls: list[Any] = []
    table = pl.DataFrame({"timestamp": ["2026-03-01"], "value": [5.0], "symptom": "PHQ-9", "patient_id": "p"})
    known = PatientRecord(
        "p",
        symptoms=symptom_frame(table),
        medications=(MedicationCourse("lithium", None),),
        genotype={"CYP2D6": "*1/*1"},
        genotype_sources={"CYP2D6": "s"},
        conditions=(Condition("gout"),),
        allergies=(Allergy("nuts"),),
        consents=(Consent("research", "active"),),
    )
    found = did("import_record", WHO, P, known, "once", calls=calls, consents={})
    assert found == {"symptom_report": 1, "biometric_samples": 0, "medication": 1, "genotype": 1, "condition": 3}
    stored = {str(kind): (contents, named["idempotency_key"]) for name, _, kind, contents, _, named in calls[2:]}
    assert {key for _, key in stored.values()} == {f"once:{kind}" for kind in stored}
    assert stored["genotype"][0] == [{"genes": {"CYP2D6": "*1/*1"}, "sources": {"CYP2D6": "s"}}]
    assert [one["list"] for one in stored["condition"][0]] == ["conditions", "allergies", "consents"]
    assert calls[0] == ("permit_patient", WHO, Permission.RECORDS_WRITE, P)
    calls.clear()
    did("import_record", WHO, P, PatientRecord("p"), calls=calls)
    assert {call[-1]["idempotency_key"] for call in calls[1:]} == {None}


@pytest.mark.parametrize(("kept", "read"), [(b"kept", 0), (None, 1)])
def test_a_forecast_comes_from_the_cache_while_nothing_changes_and_the_audit_is_told(kept: Any, read: int) -> None:
    calls: list[Any] = []
    made = SimpleNamespace(model_dump_json=lambda: "made")
    one = clinic_of(calls, get=kept, read=["stored"])

    async def forecast_of(*given: Any) -> Any:
        assert given == (["stored"], 14, 10.0)
        return made

    one.forecast_of = forecast_of
    assert asyncio.run(one.forecast(WHO, P, 14, 10.0)) == (kept or b"made")
    what = ("forecast", "m-1", "14", "10.0")
    assert calls[:2] == [("permit_revision", WHO, Permission.RESULTS_READ, P), ("get", P, 7, *what)]
    if read:
        assert calls[2:] == [("read", P, Kind.SYMPTOM_REPORT, ACCESS), ("put", P, 7, *what, {"value": b"made"})]
    else:
        ((name, event),) = calls[2:]
        assert (name, event.action, event.what, event.patient_id) == ("append", "read", Kind.FORECAST, P)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.AVAILABLE, None),
        (Status.NO_DATA, InsufficientDataError),
        (Status.TIMED_OUT, ServiceUnavailableError),
        (Status.FAILED, ServiceUnavailableError),
        (Status.UNAVAILABLE, ServiceUnavailableError),
    ],
)
def test_links_or_why_there_are_none(status: Status, error: Any) -> None:
    calls: list[Any] = []
    result = ServiceResult("biometrics", status, reason="why")
    insights = SimpleNamespace(results={"biometrics": result})
    known = PatientRecord("p")
    answers = {"generate_comprehensive_patient_insights": insights}
    if error is None:
        assert did("correlations_of", known, 60, calls=calls, **answers) is result
        options = Options(False, True, False, biometric_lookback_days=60)
        assert calls == [("generate_comprehensive_patient_insights", "p", known, options)]
    else:
        with pytest.raises(error, match=r"^why$"):
            did("correlations_of", known, 60, **answers)


def test_only_known_decisions_are_stored() -> None:
    calls: list[Any] = []
    for category in ("genomics", "research", "sharing"):
        did("decide", WHO, P, category, False, calls=calls)
    assert calls[1::2] == [("decide", P, one, False, ACCESS) for one in ("genomics", "research", "sharing")]
    assert calls[0] == ("permit_patient", WHO, Permission.CONSENTS_WRITE, P)
    with pytest.raises(NotFoundError, match="there is no such category; these are genomics, research, sharing"):
        did("decide", WHO, P, "photos", True)


@pytest.mark.parametrize(
    "types", [None, frozenset({"Observation"}), frozenset({"Patient", "Observation", "Condition"})]
)
def test_a_token_for_some_types_reads_and_writes_these_alone(types: Any) -> None:
    limits = {} if types is None else {Permission.FHIR_READ: types, Permission.FHIR_WRITE: types}
    who = replace(WHO, fhir_types=limits)
    known = PatientRecord("p", conditions=(Condition("gout"),))
    calls: list[Any] = []
    one = clinic_of(calls, refuse=AuthorizationError("x"))

    async def record(*given: Any) -> Any:
        assert given == (who, P, Permission.FHIR_READ)
        return known

    one.record = record
    bundle = asyncio.run(one.fhir_bundle(who, P, with_insights=False))
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert kinds == {"Patient", "Condition"} & (types or {"Patient", "Condition"})
    found = SimpleNamespace(types={"Observation", "Condition"}, record=known)
    if types is None or types >= found.types:
        assert asyncio.run(one.import_fhir(who, P, found, "key"))["condition"] == 1
        assert calls[0] == ("permit_patient", who, Permission.FHIR_WRITE, P)
    else:
        with pytest.raises(AuthorizationError):
            asyncio.run(one.import_fhir(who, P, found, "key"))
        assert calls == [("refuse", who, Permission.FHIR_WRITE, P)]


@pytest.mark.parametrize(
    ("name", "what", "needed"),
    [("audit_trail", "audit", Permission.AUDIT_READ), ("consents", "consent", Permission.PATIENTS_READ)],
)
def test_reading_the_audit_and_decisions_is_itself_in_the_audit(name: str, what: str, needed: Permission) -> None:
    calls: list[Any] = []
    more = (5,) if name == "audit_trail" else ()
    assert did(name, WHO, P, *more, calls=calls, entries=["e"], consents=["e"]) == ["e"]
    assert calls[0] == ("permit_patient", WHO, needed, P)
    (event,) = [call[1] for call in calls if call[0] == "append"]
    assert (event.action, event.what, event.patient_id, event.access) == ("read", what, P, ACCESS)


def test_genes_of_several_are_read_where_they_may_be() -> None:
    calls: list[Any] = []
    q = uuid4()
    answers = {
        "consents_each": {P: {}, q: {"genomics": False}},
        "read_each": {P: [stored({"genes": {"CYP2D6": "*1/*1"}})]},
    }
    found = did("_genotypes", {P: ACCESS, q: ACCESS}, calls=calls, **answers)
    assert found == {P: ({"CYP2D6": "*1/*1"}, False), q: ({}, True)}
    assert calls[1] == ("read_each", {P: ACCESS}, Kind.GENOTYPE), "what is closed is not even read"


def test_advice_rests_on_what_is_taken_today_and_on_active_conditions() -> None:
    calls: list[Any] = []
    today = datetime.now(UTC).date()
    known = PatientRecord(
        "p",
        genotype={"CYP2D6": "*4/*4"},
        medications=(
            MedicationCourse("lithium", today - timedelta(days=9)),
            MedicationCourse("sertraline", today - timedelta(days=9), today - timedelta(days=3)),
            MedicationCourse("codeine", today + timedelta(days=9)),
        ),
        conditions=(
            Condition("QT", word="long qt"),
            Condition("old", word="glaucoma", active=False),
            Condition("gout"),
        ),
    )
    assert did("advice_of", known, "paroxetine", calls=calls, predict_medication_response="review") == "review"
    data = {"genotype": {"CYP2D6": "*4/*4"}, "comedications": ["lithium"], "conditions": ["long qt"]}
    assert calls == [("predict_medication_response", data, "paroxetine")]


def test_without_reports_nothing_is_forecast() -> None:
    with pytest.raises(InsufficientDataError, match="nothing to forecast: there are no symptom reports yet"):
        did("forecast_of", [], 14, None)


def test_a_replay_needs_a_known_instrument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clinic.PatientTwin, "replayed", lambda _: ("replayed",))
    table = pl.DataFrame({"timestamp": ["2026-03-01"], "value": [5.0], "symptom": "PHQ-9", "patient_id": "p"})
    assert did("replayed_of", PatientRecord("p")) == ()
    assert did("replayed_of", PatientRecord("p", symptoms=symptom_frame(table))) == ("replayed",)
