"""Use cases of a clinic whose doors a test holds: who is asked for what, in which order, and what is refused."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import polars as pl
import pytest

from novamind.clinic import CONSENTS, Clinic, PatientSummary, Regimen, SignalSamples, SymptomReport, service
from novamind.clinic import record_mapping as mapping
from novamind.errors import (
    AuthorizationError,
    IdentityError,
    NotFoundError,
    NovamindError,
    OutdatedError,
    ValidationError,
)
from novamind.infrastructure.identity.domain import Permission, Principal, Role
from novamind.infrastructure.identity.sessions import access_of
from novamind.infrastructure.patient_store import Kind, Samples, StoredRecord
from novamind.records import Allergy, Condition, Consent, MedicationCourse, PatientRecord, symptom_frame
from novamind.records.fhir.patients import Claims
from novamind.symptoms.domain import Scale
from novamind.twin.case import Case
from novamind.twin.domain import Options, ServiceResult, Snapshot, Status
from novamind.twin.results import Insights

P, Q = UUID(int=1), UUID(int=2)
WHO = Principal(uuid4(), uuid4(), Role.CLINICIAN, uuid4(), None, frozenset(Permission))
ACCESS = access_of(WHO, "treatment")
PERMITTED = {
    "permit": ACCESS,
    "permit_patient": ACCESS,
    "permit_revision": (ACCESS, 7),
    "permit_patients": lambda _who, _needed, ids: dict.fromkeys(ids, ACCESS),
    "consents": {},
}
MAY_WRITE = ("permit_patient", WHO, Permission.RECORDS_WRITE, P)
TEN = Scale(0, 10)
FIVE = Scale(0, 5)


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


def clinic_of(calls: list[Any], **answers: Any) -> Clinic:
    part: Any = Part(calls, **PERMITTED | answers)
    return Clinic(part, part, part, part)


def did(name: str, *given: Any, calls: list[Any] | None = None, **answers: Any) -> Any:
    return asyncio.run(getattr(clinic_of([] if calls is None else calls, **answers), name)(*given))


def stored(content: Any, kind: Kind = Kind.SYMPTOM_REPORT, version: int = 1) -> StoredRecord:
    return StoredRecord(uuid4(), version, kind, content, datetime(2026, 3, 1, tzinfo=UTC))


def kept(*records: StoredRecord) -> dict[str, Any]:
    """Answers of a store that holds these."""

    def read(_patient: UUID, kind: Kind, _access: Any, newest: int | None = None) -> list[StoredRecord]:
        found = [one for one in records if one.kind is kind]
        return found if newest is None else found[-newest:]

    def read_each(accesses: Any, kind: Kind, newest: int | None = None) -> dict[UUID, list[StoredRecord]]:
        return {one: read(one, kind, None, newest) for one in accesses}

    return {"read": read, "read_each": read_each, "consents_each": lambda ids: {one: {} for one in ids}}


def stored_report(symptom: str = "PHQ-9", value: float = 3, scale: Scale | None = None) -> StoredRecord:
    content: dict[str, Any] = {"symptom": symptom, "timestamp": "2026-03-01T08:00:00+01:00", "value": value}
    if scale is not None:
        content["scale"] = {"low": scale.low, "high": scale.high}
    return stored(content)


def stored_scale(symptom: str, scale: Scale) -> StoredRecord:
    return stored({"symptom": symptom, "scale": {"low": scale.low, "high": scale.high}}, Kind.SCALE)


def stored_stretch(signal: str, unit: str) -> StoredRecord:
    return stored(Samples(signal, unit, np.zeros(1, np.int64), np.ones(1)), Kind.BIOMETRIC_SAMPLES)


IDENTITY = stored({"identifiers": {"mrn": "1"}, "details": {"name": "N", "timezone": "Europe/Berlin"}}, Kind.IDENTITY)


def report(symptom: str = "PHQ-9", value: float = 3, scale: Scale | None = None, ahead: Any = None) -> SymptomReport:
    when = datetime(2026, 3, 1, 8, tzinfo=UTC) if ahead is None else datetime.now(UTC) + ahead
    return SymptomReport(symptom, when, value, scale)


def stretch(signal: str = "heart_rate", unit: str = "bpm", values: Any = (60,), ahead: Any = None) -> SignalSamples:
    first = datetime(2026, 3, 1, 8, tzinfo=UTC) if ahead is None else datetime.now(UTC) + ahead
    return SignalSamples(signal, unit, [first + timedelta(minutes=i) for i in range(len(values))], values)


def changes(calls: list[Any]) -> list[Any]:
    """What was changed in the store; to add nothing changes nothing."""
    done = [call for call in calls if call[0] in ("append", "amend", "withdraw")]
    return [call for call in done if call[0] != "append" or call[3]]


# -- patients


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
    with pytest.raises(ValidationError, match="only members of an organisation can register patients"):
        did("register", replace(who, organisation_id=None), "identity")


def test_a_list_of_patients_is_read_as_a_list_in_the_order_of_access() -> None:
    calls: list[Any] = []
    found = did("patients", WHO, None, 50, calls=calls, patients=[Q, P], **kept(IDENTITY))
    summary = PatientSummary(Q, {"mrn": "1"}, {"name": "N", "timezone": "Europe/Berlin"})
    assert found == [summary, replace(summary, patient_id=P)]
    list_access = access_of(WHO, "list")
    assert calls == [
        ("patients", WHO, None, 50),
        ("read_each", {Q: list_access, P: list_access}, Kind.IDENTITY, {"newest": 1}),
    ]


def test_the_newest_identity_is_who_it_is() -> None:
    pages = [
        stored({"identifiers": {"a": "1"}, "details": {}}),
        stored({"identifiers": {"a": "2"}, "details": {"name": "N"}}),
    ]
    assert service._summary(P, pages) == PatientSummary(P, {"a": "2"}, {"name": "N"})


def test_an_error_in_the_place_of_an_answer_stays_one_until_it_is_needed() -> None:
    error = NotFoundError("x")
    assert service._summary(P, error) is error
    assert service._unwrap(7) == 7
    with pytest.raises(NotFoundError):
        service._unwrap(error)


@pytest.mark.parametrize(
    ("name", "needed"),
    [("summaries", Permission.PATIENTS_READ), ("histories", Permission.RESULTS_READ), ("cases", Permission.FHIR_READ)],
)
def test_of_several_patients_each_has_their_own_answer(name: str, needed: Permission) -> None:
    refused, gone = AuthorizationError("x"), NotFoundError("y")
    calls: list[Any] = []
    r = UUID(int=3)

    def read_each(accesses: Any, kind: Kind, **_: Any) -> Any:
        assert list(accesses) == [P, r]
        return {P: [IDENTITY] if kind is Kind.IDENTITY else [], r: gone}

    answers = {
        "permit_patients": {P: ACCESS, Q: refused, r: ACCESS}, "read_each": read_each, "consents_each": {P: {}, r: {}}
    }  # fmt: skip
    more = (needed,) if name == "cases" else ()
    found = did(name, WHO, [P, Q, r], *more, calls=calls, **answers)
    assert calls[0] == ("permit_patients", WHO, needed, [P, Q, r])
    assert (found[Q], found[r]) == (refused, gone)
    assert not isinstance(found[P], NovamindError)


def test_one_patient_is_who_the_store_says_or_the_error_is_raised() -> None:
    assert did("patient", WHO, P, **kept(IDENTITY)).identifiers == {"mrn": "1"}
    with pytest.raises(AuthorizationError):
        did("patient", WHO, P, permit_patients={P: AuthorizationError("x")}, **kept(IDENTITY))


# -- reports


@pytest.mark.parametrize(("ahead", "right"), [(timedelta(hours=23), True), (timedelta(days=1, minutes=5), False)])
def test_a_report_may_be_of_another_zones_today_and_not_of_the_future(ahead: timedelta, right: bool) -> None:
    calls: list[Any] = []
    one = report(ahead=ahead)
    if right:
        assert did("add_reports", WHO, P, [one], "key", calls=calls, append=["id"]) == ["id"]
        content = {"symptom": "PHQ-9", "timestamp": one.timestamp.isoformat(), "value": 3}
        assert calls == [
            MAY_WRITE,
            ("append", P, Kind.SYMPTOM_REPORT, [content], ACCESS, {"idempotency_key": "key"}),
        ]
    else:
        with pytest.raises(ValidationError, match=r"^report 1 of 1: a report lies in the future$"):
            did("add_reports", WHO, P, [one], None, calls=calls)
        assert calls == [MAY_WRITE]


def test_what_a_record_cannot_read_for_its_age_is_refused_at_the_door() -> None:
    calls: list[Any] = []
    ahead, behind = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    right = [datetime(1901, 1, 1, tzinfo=zone) for zone in (ahead, UTC, behind)]
    did("add_reports", WHO, P, [replace(report(), timestamp=when) for when in right], None, calls=calls)
    wrong = replace(report(), timestamp=datetime(1900, 12, 31, 23, 59, 59, tzinfo=behind))
    with pytest.raises(ValidationError, match=r"^report 2 of 2: a report lies before 1901$"):
        did("add_reports", WHO, P, [report(), wrong], None, calls=calls)
    did("add_samples", WHO, P, [SignalSamples("heart_rate", "bpm", right[1:], [60, 61])], None, calls=calls)
    with pytest.raises(ValidationError, match=r"^sample 1 of heart_rate lies before 1901 \(1 in all\)$"):
        did("add_samples", WHO, P, [SignalSamples("heart_rate", "bpm", right, [60, 61, 62])], None, calls=calls)
    reports, samples = changes(calls)
    record = mapping.record_of(
        PatientSummary(P, {}, {"timezone": "Pacific/Pago_Pago"}),
        [stored(one) for one in reports[3]], [stored(one) for one in samples[3]], [], [], ([], False),
    )  # fmt: skip
    assert record.symptoms is not None
    assert record.signals is not None
    assert (len(record.symptoms), len(record.signals), record.not_understood) == (3, 2, ())


def test_reports_are_stored_all_or_none_and_the_wrong_one_is_named() -> None:
    calls: list[Any] = []
    with pytest.raises(ValidationError, match=r"^report 2 of 3: a value is off its scale, which runs from 0 to 27$"):
        did("add_reports", WHO, P, [report(), report(value=28), report(value=99)], None, calls=calls)
    with pytest.raises(ValidationError, match=r"^report 1 of 1: the symptom is no known instrument: give its scale"):
        did("add_reports", WHO, P, [report("craving")], None, calls=calls, **kept())
    with pytest.raises(ValidationError, match=r"^report 1 of 1: the scale of a known instrument is published"):
        did("add_reports", WHO, P, [report(scale=TEN)], None, calls=calls)
    assert changes(calls) == []


def test_a_series_is_given_its_scale_with_its_first_report_and_the_reports_do_not_bear_it() -> None:
    calls: list[Any] = []
    new = [report("craving", 3, TEN), report(" craving ", 9), report("PHQ-9", 5), report("pain", 1, FIVE)]
    did("add_reports", WHO, P, new, "key", calls=calls, append=["id"], **kept())
    scales, reports = changes(calls)
    whole = {"step": None, "worse": "high"}
    assert scales == (
        "append",
        P,
        Kind.SCALE,
        [
            {"symptom": "craving", "scale": {"low": 0, "high": 10} | whole},
            {"symptom": "pain", "scale": {"low": 0, "high": 5} | whole},
        ],
        ACCESS,
    )
    assert (reports[2], [one["symptom"] for one in reports[3]]) == (
        Kind.SYMPTOM_REPORT,
        ["craving", "craving", "PHQ-9", "pain"],
    )
    assert not any("scale" in one for one in reports[3])


@pytest.mark.parametrize(
    "held",
    [
        (stored_report("craving"), stored_scale("craving", TEN)),
        (stored_report("craving", scale=TEN),),
        (stored_report("craving", scale=FIVE), stored_scale(" craving ", TEN)),
    ],
)
def test_a_series_keeps_the_scale_that_it_has(held: Any) -> None:
    calls: list[Any] = []
    did("add_reports", WHO, P, [report("craving", 9)], None, calls=calls, append=["id"], **kept(*held))
    assert [call[2] for call in changes(calls)] == [Kind.SYMPTOM_REPORT]
    for wrong, said in ((report("craving", 3, FIVE), "the series has another scale"), (report("craving", 11), "off")):
        with pytest.raises(ValidationError, match=said):
            did("add_reports", WHO, P, [wrong], None, **kept(*held))


def test_a_series_that_ended_begins_anew_in_the_place_of_its_earlier_scale() -> None:
    calls: list[Any] = []
    earlier = stored_scale("craving", TEN)
    did("add_reports", WHO, P, [report("craving", 3, FIVE)], None, calls=calls, append=["id"], **kept(earlier))
    amended, added = changes(calls)
    assert amended[:3] == ("amend", P, earlier)
    assert (amended[3]["symptom"], amended[3]["scale"]["high"], added[2]) == ("craving", 5, Kind.SYMPTOM_REPORT)


# -- scales of series


def test_scales_are_told_with_where_they_are_stored() -> None:
    calls: list[Any] = []
    reports = [stored_report("craving", scale=FIVE), stored_report("pain", scale=TEN), stored_report()]
    scale = stored_scale("craving", TEN)
    found = did("scales", WHO, P, calls=calls, **kept(*reports, scale))
    assert found == {"craving": (scale, TEN), "pain": (reports[1], TEN)}
    assert calls[0] == ("permit_patient", WHO, Permission.RESULTS_READ, P)


def test_a_scale_is_changed_in_its_place_or_stored_beside_the_report_that_bore_it() -> None:
    calls: list[Any] = []
    scale = stored_scale("craving", FIVE)
    did("change_scale", WHO, P, " craving ", TEN, calls=calls, **kept(stored_report("craving"), scale))
    content = {"symptom": "craving", "scale": {"low": 0, "high": 10, "step": None, "worse": "high"}}
    assert calls[0] == MAY_WRITE
    assert changes(calls) == [("amend", P, scale, content, ACCESS)]
    calls.clear()
    did("change_scale", WHO, P, "craving", TEN, calls=calls, **kept(stored_report("craving", scale=FIVE)))
    assert changes(calls) == [("append", P, Kind.SCALE, [content], ACCESS)]


def test_the_scale_of_an_instrument_and_of_no_series_cannot_be_changed() -> None:
    calls: list[Any] = []
    for name in ("PHQ-9", "phq 9"):
        with pytest.raises(ValidationError, match="the scale of a known instrument is published and can't be changed"):
            did("change_scale", WHO, P, name, TEN, calls=calls, **kept(stored_report()))
    with pytest.raises(NotFoundError, match="there is no report of such a series; its first report gives its scale"):
        did("change_scale", WHO, P, "craving", TEN, calls=calls, **kept(stored_report(), stored_scale("craving", TEN)))
    assert changes(calls) == []


# -- signals


def test_stretches_are_stored_as_they_were_measured() -> None:
    calls: list[Any] = []
    given = [stretch(values=(0, 60, 300, 61)), stretch("sleep_duration", "h", (7.5,))]
    assert did("add_samples", WHO, P, given, "key", calls=calls, append=["id"]) == ["id"]
    assert calls[0] == MAY_WRITE
    ((_, patient, kind, contents, access, named),) = calls[1:]
    assert (patient, kind, access, named) == (P, Kind.BIOMETRIC_SAMPLES, ACCESS, {"idempotency_key": "key"})
    assert [(one.signal, one.unit, one.values.tolist()) for one in contents] == [
        ("heart_rate", "bpm", [60.0, 61.0]),
        ("sleep_duration", "h", [7.5]),
    ]


def test_samples_of_the_future_are_refused_at_the_door_and_counted() -> None:
    calls: list[Any] = []
    day = timedelta(days=1)
    soon = stretch(values=(60, 61, 62), ahead=day - timedelta(seconds=90))
    with pytest.raises(ValidationError, match=r"^sample 3 of heart_rate lies in the future \(1 in all\)$"):
        did("add_samples", WHO, P, [stretch(), soon], None, calls=calls)
    with pytest.raises(ValidationError, match=r"^sample 1 of heart_rate lies in the future \(3 in all\)$"):
        did("add_samples", WHO, P, [stretch(values=(60, 61, 62), ahead=2 * day)], None, calls=calls)
    assert changes(calls) == []
    did("add_samples", WHO, P, [stretch(ahead=day - timedelta(minutes=5))], None, calls=calls)
    assert len(changes(calls)) == 1


def test_a_stretch_in_which_nothing_was_measured_is_refused() -> None:
    said = r"^heart_rate has no value that a living person's device can show \(2 given\)$"
    with pytest.raises(ValidationError, match=said):
        did("add_samples", WHO, P, [stretch(values=(0, 0))], None)


def test_a_signal_that_we_know_comes_in_units_in_which_it_is_measured() -> None:
    calls: list[Any] = []
    with pytest.raises(ValidationError, match=r"brought to that of its series; it is measured in bpm, /min, Hz$"):
        did("add_samples", WHO, P, [stretch(unit="kg")], None, calls=calls)
    did("add_samples", WHO, P, [stretch(), stretch(unit="Hz", values=(1,))], None, calls=calls)
    assert not [call for call in calls if call[0] == "read"], "its unit can be brought to that of the series later"


def test_a_signal_that_we_do_not_know_keeps_its_unit() -> None:
    held = kept(stored_stretch("grip", "kg"), stored_stretch("heart_rate", "Hz"))
    did("add_samples", WHO, P, [stretch("grip", "kg"), stretch("jumps", "1")], None, **held)
    for given in ([stretch("grip", "lb")], [stretch("jumps", "1"), stretch("jumps", "m")]):
        with pytest.raises(ValidationError, match="the unit of a signal cannot be brought to that of its series"):
            did("add_samples", WHO, P, given, None, **held)


# -- one piece


@pytest.mark.parametrize(
    ("piece", "kind", "content"),
    [
        (MedicationCourse("lithium", date(2026, 1, 1)), Kind.MEDICATION,
         {"medication": "lithium", "start": "2026-01-01", "stopped": False}),
        (Condition("gout"), Kind.CONDITION, {"list": "conditions", "name": "gout", "active": True}),
        (Allergy("nuts"), Kind.CONDITION, {"list": "allergies", "name": "nuts", "active": True}),
        ({"CYP2D6": "*1/*1"}, Kind.GENOTYPE, {"genes": {"CYP2D6": "*1/*1"}}),
    ],
)  # fmt: skip
def test_a_piece_is_stored_once(piece: Any, kind: Kind, content: Any) -> None:
    calls: list[Any] = []
    assert did("add", WHO, P, piece, "key", calls=calls, append=["id"]) == ["id"]
    assert calls[0] == MAY_WRITE
    assert changes(calls) == [("append", P, kind, [content], ACCESS, {"idempotency_key": "key"})]
    calls.clear()
    did("add", WHO, P, piece, calls=calls)
    assert changes(calls)[0][-1] == {"idempotency_key": None}


@pytest.mark.parametrize(("decided", "right"), [({}, True), ({"genomics": True}, True), ({"genomics": False}, False)])
def test_a_genotype_is_stored_unless_consent_was_withdrawn(decided: dict[str, bool], right: bool) -> None:
    calls: list[Any] = []
    known = PatientRecord("p", genotype={"CYP2D6": "*1/*1"}, genotype_sources={"CYP2D6": "s"})
    held = stored({"genes": {"CYP2D6": "*2/*2"}}, Kind.GENOTYPE)
    answers: dict[str, Any] = {"consents": decided, "read_one": held}
    if right:
        assert did("add", WHO, P, {"CYP2D6": "*1/*1"}, calls=calls, append=["id"], **answers) == ["id"]
        with pytest.raises(ValidationError):
            did("add", WHO, P, {"CYP2D6": "nonsense"}, calls=calls, **answers)
        assert len(changes(calls)) == 1
    else:
        for name, given in (
            ("add", ({"CYP2D6": "*1/*1"},)),
            ("correct", (held.record_id, {"CYP2D6": "*1/*1"})),
            ("import_record", (known,)),
        ):
            with pytest.raises(
                ValidationError, match="the patient withdrew consent to genomics; no genotype can be stored"
            ):
                did(name, WHO, P, *given, calls=calls, **answers)
        assert changes(calls) == []
        assert did("import_record", WHO, P, PatientRecord("p"), append=[], **answers)["genotype"] == 0


@pytest.mark.parametrize(("decided", "shown"), [({}, 1), ({"genomics": True}, 1), ({"genomics": False}, 0)])
def test_pieces_of_a_kind_are_read_and_genes_where_they_may_be(decided: dict[str, bool], shown: int) -> None:
    calls: list[Any] = []
    gene, course = stored({"genes": {"CYP2D6": "*1/*1"}}, Kind.GENOTYPE), stored({}, Kind.MEDICATION)
    answers = kept(gene, course) | {"consents": decided, "consents_each": {P: decided}}
    assert did("pieces", WHO, P, Kind.GENOTYPE, calls=calls, **answers) == [gene] * shown
    assert calls[0] == ("permit_patient", WHO, Permission.RESULTS_READ, P)
    assert [call[0] for call in calls[1:]] == ["consents", *["read"] * shown], "what is closed is not even read"
    assert did("pieces", WHO, P, Kind.MEDICATION, **answers) == [course]
    calls.clear()
    assert did("genotype", WHO, P, calls=calls, **answers) == ({"CYP2D6": "*1/*1"} if shown else {})
    assert calls[0] == ("permit_patient", WHO, Permission.RESULTS_READ, P)


def test_the_newest_reports_are_read_in_the_order_in_which_they_were_stored() -> None:
    calls: list[Any] = []
    held = [stored_report(value=i) for i in range(3)]
    assert did("reports", WHO, P, 2, calls=calls, **kept(*held)) == held[1:]
    assert calls == [
        ("permit_patients", WHO, Permission.RESULTS_READ, [P]),
        ("read_each", {P: ACCESS}, Kind.SYMPTOM_REPORT, {"newest": 2}),
    ]


# -- correcting


CORRECTIONS: list[tuple[Any, StoredRecord]] = [
    (report(), stored_report(value=9)),
    (stretch(), stored_stretch("heart_rate", "Hz")),
    (MedicationCourse("lithium", None), stored({"medication": "x"}, Kind.MEDICATION)),
    (Condition("gout"), stored({"list": "conditions", "name": "x"}, Kind.CONDITION)),
    (Allergy("nuts"), stored({"list": "allergies", "name": "x"}, Kind.CONDITION)),
    ({"CYP2D6": "*1/*1"}, stored({"genes": {"CYP2D6": "*2/*2"}}, Kind.GENOTYPE)),
]
OTHERS = (
    stored({"list": "procedures", "name": "ECT"}, Kind.CONDITION),
    IDENTITY,
    stored_scale("craving", TEN),
    stored({}, Kind.IMPORT),
)


@pytest.mark.parametrize(("piece", "held"), CORRECTIONS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("version", [None, 4])
def test_a_correction_takes_the_place_of_the_version_that_was_read(
    piece: Any, held: StoredRecord, version: int | None
) -> None:
    calls: list[Any] = []
    held = replace(held, version=4)
    assert did("correct", WHO, P, held.record_id, piece, version, calls=calls, read_one=held, **kept(held)) == 5
    assert calls[:2] == [MAY_WRITE, ("read_one", P, held.record_id, ACCESS)]
    ((name, patient, place, content, access),) = changes(calls)
    assert (name, patient, place, access) == ("amend", P, held, ACCESS)
    if isinstance(piece, SignalSamples):
        assert (content.unit, content.values.tolist()) == ("bpm", [60.0])
    else:
        assert content == service.piece_content(piece)[1]


def test_a_correction_keeps_where_the_piece_came_from() -> None:
    calls: list[Any] = []
    before = stored({"list": "conditions", "name": "Fallsucht", "word": "epilepsy", "source": "x"}, Kind.CONDITION)
    did("correct", WHO, P, before.record_id, Condition("Fallsucht", onset="2020"), calls=calls, read_one=before)
    ((*_, content, _access),) = changes(calls)
    after = {"list": "conditions", "name": "Fallsucht", "word": "epilepsy", "source": "x", "onset": "2020"}
    assert content == after | {"active": True}


@pytest.mark.parametrize(("piece", "held"), CORRECTIONS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("version", [1, 3, 5])
def test_another_version_than_was_read_is_outdated(piece: Any, held: StoredRecord, version: int) -> None:
    calls: list[Any] = []
    held = replace(held, version=4)
    with pytest.raises(OutdatedError, match="the record was changed by somebody else; read it again"):
        did("correct", WHO, P, held.record_id, piece, version, calls=calls, read_one=held, **kept(held))
    assert changes(calls) == []


@pytest.mark.parametrize(("piece", "own"), CORRECTIONS, ids=lambda one: type(one).__name__)
def test_a_correction_is_of_the_same_kind(piece: Any, own: StoredRecord) -> None:
    for held in [held for _, held in CORRECTIONS if held is not own] + list(OTHERS):
        calls: list[Any] = []
        with pytest.raises(ValidationError, match="the stored record is of another kind than what is to take its pl"):
            did("correct", WHO, P, held.record_id, piece, calls=calls, read_one=held, **kept(held))
        assert changes(calls) == []


def test_what_cannot_be_read_can_be_corrected() -> None:
    for content, piece, kind in (
        ({"not": "listed"}, Condition("gout"), Kind.CONDITION),
        (None, Allergy("nuts"), Kind.CONDITION),
        ({"text": 1}, report(), Kind.SYMPTOM_REPORT),
        ({"not": "samples"}, stretch(), Kind.BIOMETRIC_SAMPLES),
    ):
        held = stored(content, kind)
        assert did("correct", WHO, P, held.record_id, piece, read_one=held, **kept(held)) == 2


def test_a_correction_keeps_the_rules_of_the_door() -> None:
    one, samples = stored_report(), stored_stretch("heart_rate", "bpm")
    for held, wrong, said in (
        (one, report(value=28), "report 1 of 1: a value is off its scale"),
        (one, report(ahead=timedelta(days=2)), "report 1 of 1: a report lies in the future"),
        (one, report("craving"), "give its scale with the first report"),
        (samples, stretch(ahead=timedelta(days=2)), "sample 1 of heart_rate lies in the future"),
        (samples, stretch(values=(0,)), "has no value that a living person's device can show"),
        (samples, stretch(unit="kg"), "it is measured in bpm"),
        (stored({"genes": {}}, Kind.GENOTYPE), {"CYP2D6": "nonsense"}, "CYP2D6"),
    ):
        calls: list[Any] = []
        with pytest.raises(ValidationError, match=said):
            did("correct", WHO, P, held.record_id, wrong, calls=calls, read_one=held, **kept(held))
        assert changes(calls) == []


def test_the_only_stretch_of_a_signal_may_be_corrected_to_another_unit() -> None:
    held, other = stored_stretch("grip", "kg"), stored_stretch("grip", "kg")
    given = stretch("grip", "lb")
    assert did("correct", WHO, P, held.record_id, given, read_one=held, **kept(held)) == 2
    with pytest.raises(ValidationError, match="the unit of a signal cannot be brought to that of its series"):
        did("correct", WHO, P, held.record_id, given, read_one=held, **kept(held, other))


def test_the_scale_that_a_report_bore_stays_that_of_its_series() -> None:
    calls: list[Any] = []
    held = stored_report("craving", 3, TEN)
    did("correct", WHO, P, held.record_id, report("craving", 9), calls=calls, read_one=held, **kept(held))
    scale, amended = changes(calls)
    whole = {"symptom": "craving", "scale": {"low": 0, "high": 10, "step": None, "worse": "high"}}
    assert scale == ("append", P, Kind.SCALE, [whole], ACCESS)
    assert amended[:3] == ("amend", P, held)
    assert "scale" not in amended[3]
    with pytest.raises(ValidationError, match="the series has another scale already"):
        did("correct", WHO, P, held.record_id, report("craving", 3, FIVE), read_one=held, **kept(held))
    calls.clear()
    known = kept(held, stored_scale("craving", TEN))
    did("correct", WHO, P, held.record_id, report("craving", 9), calls=calls, read_one=held, **known)
    assert [call[0] for call in changes(calls)] == ["amend"]


# -- withdrawing


def test_what_was_entered_in_error_is_withdrawn() -> None:
    calls: list[Any] = []
    did("withdraw", WHO, P, Q, calls=calls)
    assert calls == [MAY_WRITE, ("withdraw", P, [Q], ACCESS, service.PIECES)]
    assert Kind.IMPORT not in service.PIECES, "it is taken back as a whole"
    assert Kind.IDENTITY not in service.PIECES


def test_a_version_that_was_read_is_withdrawn_and_no_other() -> None:
    calls: list[Any] = []
    held = replace(stored_report(), version=4)
    did("withdraw", WHO, P, held.record_id, 4, calls=calls, read_one=held)
    assert calls == [MAY_WRITE, ("read_one", P, held.record_id, ACCESS), ("amend", P, held, None, ACCESS)]
    calls.clear()
    for version in (3, 5):
        with pytest.raises(OutdatedError, match="the record was changed by somebody else; read it again"):
            did("withdraw", WHO, P, held.record_id, version, calls=calls, read_one=held)
    for other in (IDENTITY, stored({}, Kind.IMPORT), stored({}, Kind.NOTE)):
        with pytest.raises(NotFoundError, match="there is no such record, or it was withdrawn already"):
            did("withdraw", WHO, P, other.record_id, 1, calls=calls, read_one=other)
    assert changes(calls) == []


# -- imports


def test_a_record_is_imported_together_and_each_kind_once() -> None:
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

    brought_ids = [UUID(int=i) for i in range(6)]

    brought = {"symptom_report": 1, "biometric_samples": 0, "medication": 1, "genotype": 1, "condition": 3}
    given = (WHO, P, known, "once", Permission.RECORDS_WRITE, "diary.csv")
    assert did("import_record", *given, calls=calls, append_all=brought_ids, append=[UUID(int=9)]) == brought
    (_, _, parts, _, together), (_, _, kind, (noted,), _, alone) = calls[2:]
    assert (together["idempotency_key"], alone["idempotency_key"]) == ("once", "once:import")
    assert {str(name): len(contents) for name, contents in parts.items()} == brought
    assert parts["genotype"] == [{"genes": {"CYP2D6": "*1/*1"}, "sources": {"CYP2D6": "s"}}]
    assert [one["list"] for one in parts["condition"]] == ["conditions", "allergies", "consents"]
    assert calls[0] == MAY_WRITE
    assert (kind, noted["name"], noted["counts"]) == (Kind.IMPORT, "diary.csv", brought)
    assert noted["records"] == [str(record_id) for record_id in brought_ids]
    calls.clear()
    did("import_record", WHO, P, PatientRecord("p"), calls=calls, append_all=[])
    assert {call[-1]["idempotency_key"] for call in calls[1:]} == {None}
    assert [call[0] for call in calls[1:]] == ["append_all"], "nothing was brought, so nothing can be taken back"


def imported(*records: UUID, **change: Any) -> StoredRecord:
    content = {"name": "a.csv", "records": [str(one) for one in records], "counts": {"condition": len(records)}}
    return stored(content | change, Kind.IMPORT)


def test_imports_are_listed_as_they_were_stored() -> None:
    calls: list[Any] = []
    first, second = imported(P, Q), imported(Q, name="b.json")
    found = did("imports", WHO, P, calls=calls, **kept(first, imported(records=["no id"]), second))
    assert [(one.import_id, one.name, one.records) for one in found] == [
        (first.record_id, "a.csv", (P, Q)),
        (second.record_id, "b.json", (Q,)),
    ]
    assert (found[0].recorded_at, found[0].counts) == (first.recorded_at, {"condition": 2})
    assert calls[0] == ("permit_patient", WHO, Permission.RESULTS_READ, P)


def test_an_import_is_taken_back_with_all_that_still_counts_of_it() -> None:
    calls: list[Any] = []
    one = imported(P, Q)
    gone = [Q, one.record_id]
    assert did("take_back", WHO, P, one.record_id, calls=calls, read_one=one, withdraw=gone) == 1
    assert calls == [
        MAY_WRITE,
        ("read_one", P, one.record_id, ACCESS),
        ("withdraw", P, [P, Q, one.record_id], ACCESS),
    ]


@pytest.mark.parametrize("content", [{}, {"name": "x", "records": ["no id"], "counts": {}}, [1]])
def test_an_import_that_cannot_be_read_says_what_to_do(content: Any) -> None:
    calls: list[Any] = []
    damaged = stored(content, Kind.IMPORT)
    with pytest.raises(ValidationError, match="this import cannot be read; withdraw what it brought piece by piece"):
        did("take_back", WHO, P, damaged.record_id, calls=calls, read_one=damaged)
    assert changes(calls) == []


@pytest.mark.parametrize("other", [stored_report(), IDENTITY, stored_stretch("heart_rate", "bpm")])
def test_what_is_no_import_cannot_be_taken_back(other: StoredRecord) -> None:
    calls: list[Any] = []
    with pytest.raises(NotFoundError, match="there is no such import, or it was taken back already"):
        did("take_back", WHO, P, other.record_id, calls=calls, read_one=other)
    assert changes(calls) == []


# -- decisions and audit


def test_only_known_decisions_are_stored() -> None:
    calls: list[Any] = []
    for category in ("genomics", "research", "sharing"):
        did("decide", WHO, P, category, False, calls=calls)
    assert calls[1::2] == [("decide", P, one, False, ACCESS) for one in ("genomics", "research", "sharing")]
    assert calls[0] == ("permit_patient", WHO, Permission.CONSENTS_WRITE, P)
    assert CONSENTS == ("genomics", "research", "sharing")
    with pytest.raises(NotFoundError, match="there is no such category; these are genomics, research, sharing"):
        did("decide", WHO, P, "photos", True)


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


def test_who_sees_what_is_kept_is_asked_and_told() -> None:
    calls: list[Any] = []
    assert did("revision", WHO, P, calls=calls) == (ACCESS, 7)
    did("note_forecast_read", ACCESS, P, calls=calls)
    asked, (name, event) = calls
    assert asked == ("permit_revision", WHO, Permission.RESULTS_READ, P)
    assert (name, event.action, event.what, event.patient_id, event.access) == (
        "append",
        "read",
        Kind.FORECAST,
        P,
        ACCESS,
    )


def test_an_emergency_is_opened_by_whoever_decides_on_access() -> None:
    calls: list[Any] = []
    assert did("open_emergency", WHO, P, "unconscious", calls=calls, open_emergency="until") == "until"
    assert calls == [("open_emergency", WHO, P, "unconscious")]


# -- what is said of a patient


def test_a_case_is_all_that_is_stored_on_the_patients_own_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "today_in", lambda zone: date(2026, 5, 1) if zone == "Europe/Berlin" else None)
    held = [
        IDENTITY, stored_report("craving", 3, FIVE), stored_scale("craving", TEN), stored_stretch("heart_rate", "Hz"),
        stored({"medication": "lithium"}, Kind.MEDICATION), stored({"list": "allergies", "name": "x"}, Kind.CONDITION),
        stored({"genes": {"CYP2D6": "*1/*1"}}, Kind.GENOTYPE), stored({"list": "no"}, Kind.CONDITION),
    ]  # fmt: skip
    calls: list[Any] = []
    found = did("case", WHO, P, calls=calls, **kept(*held))
    assert isinstance(found, Case)
    record = found.record
    assert (found.today, found.own_scales) == (date(2026, 5, 1), {"craving": TEN})
    assert (record.patient_id, record.timezone) == (str(P), "Europe/Berlin")
    assert record.symptoms is not None
    assert record.signals is not None
    assert (record.medications, record.allergies) == ((MedicationCourse("lithium", None),), (Allergy("x"),))
    assert record.genotype == {"CYP2D6": "*1/*1"}
    assert [one.source for one in record.not_understood] == [f"condition {held[-1].record_id}"]
    assert calls[0] == ("permit_patients", WHO, Permission.RESULTS_READ, [P])
    asked = {call[2] for call in calls if call[0] == "read_each"}
    assert asked == {Kind.IDENTITY, *service.PIECES}
    assert [call[0] for call in calls].count("read_each") == len(asked), "as many queries as kinds, of one or of many"


def test_genes_of_several_are_read_where_they_may_be() -> None:
    calls: list[Any] = []
    gene = stored({"genes": {"CYP2D6": "*1/*1"}}, Kind.GENOTYPE)
    held = kept(IDENTITY, gene) | {"consents_each": {P: {}, Q: {"genomics": False}}}
    found = did("cases", WHO, [P, Q], calls=calls, **held)
    assert (found[P].record.genotype, found[P].record.not_understood) == ({"CYP2D6": "*1/*1"}, ())
    assert found[Q].record.genotype == {}
    assert [one.reason for one in found[Q].record.not_understood] == [
        "not used: the patient withdrew consent to genomics"
    ]
    (asked,) = [call[1] for call in calls if call[0] == "read_each" and call[2] is Kind.GENOTYPE]
    assert asked == {P: ACCESS}, "what is closed is not even read"


REGIMEN = Regimen("sertraline", 50, 24, 8, 50, 0)
OPTIONS = Options(forecast_days=7)


@pytest.mark.parametrize(
    ("name", "given", "asked"),
    [
        ("medication_advice", ("lithium",), ("advice", "case", "lithium")),
        ("medication_advice", (None,), ("advice", "case", None)),
        ("correlations", (60,), ("correlate", "case", 60)),
        ("what_if", (REGIMEN,), ("what_if", "case", {"drug": "sertraline", "dose_mg": 50, "interval_hours": 24,
                                                     "weeks": 8, "ensemble": 50, "seed": 0})),
    ],
)  # fmt: skip
def test_everything_that_is_said_comes_from_the_twin_and_rests_on_the_case(name: str, given: Any, asked: Any) -> None:
    calls: list[Any] = []
    one = clinic_of(calls, **{asked[0]: "said"})

    async def case(*who: Any) -> Any:
        assert who == (WHO, P)
        return "case"

    one.case = case  # type: ignore[method-assign, assignment]
    found = asyncio.run(getattr(one, name)(WHO, P, *given))
    assert (calls, found) == ([asked], "said")


@pytest.mark.parametrize(("given", "horizon"), [((7,), 7), ((), 14)])
def test_a_forecast_comes_from_the_twin_rests_on_the_case_and_is_remembered(
    given: tuple[int, ...], horizon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    one = clinic_of(calls, forecast="said")

    async def case(*who: Any) -> Any:
        assert who == (WHO, P)
        return "case"

    async def remember(taken: Any) -> None:
        calls.append(taken)

    one.case = case  # type: ignore[method-assign, assignment]
    one._remember = remember  # type: ignore[method-assign, assignment]
    monkeypatch.setattr("novamind.clinic.service.forecast_snapshot", lambda *what: ("remember", *what))
    assert asyncio.run(one.forecast(WHO, P, *given)) == "said"
    assert calls == [("forecast", "case", horizon), ("remember", "case", "said")]


# -- memory

CASE = Case(PatientRecord(str(P)), date(2026, 3, 1))
SAID = Insights(str(P), date(2026, 3, 1), OPTIONS, {"room": ServiceResult("room", Status.AVAILABLE, 1, "", "7")}, ())
REMEMBERED = Snapshot(str(P), date(2026, 3, 1), (), (), OPTIONS, {"room": "7"})


def overview_with(memory: Any, name: str = "overview", said: Insights = SAID) -> tuple[Any, list[Any]]:
    """What is answered, and which calls it took, where a store remembers this."""
    calls: list[Any] = []
    one = clinic_of(calls, read=memory, insights=said)

    async def case(*who: Any) -> Any:
        assert who == (WHO, P)
        return CASE

    one.case = case  # type: ignore[method-assign, assignment]
    return asyncio.run(getattr(one, name)(WHO, P, OPTIONS)), calls


def test_insights_rest_on_the_case_and_on_what_was_said_before_and_are_remembered_by_the_twin_itself() -> None:
    before = replace(REMEMBERED, made_on=date(2026, 2, 1))
    memory = [stored(mapping.snapshot_content(before), Kind.INSIGHT), stored({"made_on": "?"}, Kind.INSIGHT)]
    found, calls = overview_with(memory)
    assert (found.case, found.insights, found.earlier) == (CASE, SAID, [before])
    *before_it, (name, patient_id, kind, contents, access, key) = calls
    assert before_it == [
        ("permit_patient", WHO, Permission.RESULTS_READ, P),
        ("read", P, Kind.INSIGHT, ACCESS, {"newest": 400}),
        ("insights", CASE, OPTIONS, [before]),
    ]
    assert (name, patient_id, kind, contents) == ("append", P, Kind.INSIGHT, [mapping.snapshot_content(REMEMBERED)])
    assert (access.actor, access.role, access.purpose) == ("twin", "system", "memory")
    assert key["idempotency_key"].startswith(f"{P}:")
    assert overview_with([], "insights")[0] == SAID


def test_only_what_is_new_is_remembered_under_a_key_of_its_content() -> None:
    assert changes(overview_with([stored(mapping.snapshot_content(REMEMBERED), Kind.INSIGHT)])[1]) == []
    assert changes(overview_with([], said=replace(SAID, results={}))[1]) == [], "where no service answered"
    several = [SAID, replace(SAID), replace(SAID, made_on=date(2026, 3, 2)), replace(SAID, options=Options())]
    keys = [changes(overview_with([], said=said)[1])[0][-1]["idempotency_key"] for said in several]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    "types", [None, frozenset({"Observation"}), frozenset({"Patient", "Observation", "Condition"})]
)
def test_a_token_for_some_types_reads_and_writes_these_alone(types: Any) -> None:
    limits = {} if types is None else {Permission.FHIR_READ: types, Permission.FHIR_WRITE: types}
    who = replace(WHO, fhir_types=limits)
    known = PatientRecord("p", conditions=(Condition("gout"),))
    calls: list[Any] = []
    one = clinic_of(calls, refuse=AuthorizationError("x"), append=[], **kept(IDENTITY))

    async def case(*given: Any) -> Any:
        assert given == (who, P, Permission.FHIR_READ)
        return Case(known, date(2026, 3, 1))

    one.case = case  # type: ignore[method-assign, assignment]
    bundle = asyncio.run(one.fhir_bundle(who, P, with_insights=False))
    assert calls == [], "nobody asked for what the services say"
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert kinds == {"Patient", "Condition"} & (types or {"Patient", "Condition"})
    subject = {"reference": "Patient/p"}
    sent = [
        {"resourceType": "Condition", "code": {"text": "gout"}, "subject": subject},
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject},
    ]
    content = json.dumps(sent).encode()
    if types is None or types >= {"Observation", "Condition"}:
        assert asyncio.run(one.import_fhir(who, P, content, "key")).counts["condition"] == 1
        assert {call[-1]["idempotency_key"] for call in changes(calls)} <= {f"key:{kind}" for kind in Kind}
    else:
        with pytest.raises(AuthorizationError):
            asyncio.run(one.import_fhir(who, P, content, "key"))
        assert calls[-1] == ("refuse", who, Permission.FHIR_WRITE, P)
        assert changes(calls) == []
    assert calls[0] == ("permit_patient", who, Permission.FHIR_WRITE, P)


@pytest.mark.parametrize(
    ("who", "refused"),
    [(WHO, None), (replace(WHO, role=Role.SERVICE), Permission.PATIENTS_CREATE)],
)
def test_a_person_confirms_an_identity_a_machine_cannot(who: Principal, refused: Permission | None) -> None:
    other, calls = Claims(names=("Somebody Else",)), list[Any]()
    answers = {"refuse": AuthorizationError("x"), **kept(IDENTITY)}
    with pytest.raises(IdentityError, match="differ from this patient in name; nothing was stored"):
        asyncio.run(clinic_of(calls, **answers).check_identity(who, P, other))
    assert (calls[0], calls[-1][1].outcome) == (("permit_patient", who, Permission.RECORDS_WRITE, P), "refused")
    one = clinic_of(calls, **answers)
    if refused is None:
        assert asyncio.run(one.check_identity(who, P, other, confirmed=True))
        assert (calls[-1][1].outcome, calls[-1][1].references) == ("confirmed", ("name",))
        assert ("permit", who, Permission.PATIENTS_CREATE) in calls
    else:
        with pytest.raises(AuthorizationError):
            asyncio.run(one.check_identity(who, P, other, confirmed=True))
        assert calls[-1] == ("refuse", who, refused, P)
    denied = clinic_of(calls, **answers | {"permit": AuthorizationError("x")})
    with pytest.raises(AuthorizationError):
        asyncio.run(denied.check_identity(who, P, other, confirmed=True))
    assert asyncio.run(one.check_identity(who, P, Claims(names=("N",)))) is True
    assert asyncio.run(one.check_identity(who, P, Claims())) is False


def test_a_bundle_has_what_the_services_say_if_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    one = clinic_of(calls, insights=SAID, read=[])

    async def case(*_: Any) -> Any:
        return CASE

    one.case = case  # type: ignore[method-assign, assignment]
    monkeypatch.setattr(service, "to_fhir", lambda *given: given)
    assert asyncio.run(one.fhir_bundle(WHO, P, with_insights=True)) == (CASE.record, SAID)
    assert [call for call in calls if call[0] in ("permit_patient", "insights")] == [
        ("permit_patient", WHO, Permission.FHIR_READ, P),
        ("insights", CASE, None, []),
    ]
