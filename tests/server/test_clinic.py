"""How a record is put together from what the store holds, and taken apart again."""

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from novamind.infrastructure.patient_store import Samples
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


def clinic_of(**parts: Any) -> Any:
    names = ("access", "store", "audit", "cache", "symptoms", "pharmacogenomics", "twin")
    return clinic.Clinic(*(parts.get(name) for name in names))  # type: ignore[arg-type]


def test_advice_rests_on_what_is_taken_today_and_on_active_conditions() -> None:
    told: list[Any] = []

    async def predict(*asked: Any) -> str:
        told.append(asked)
        return "review"

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
    asked = clinic_of(pharmacogenomics=SimpleNamespace(predict_medication_response=predict))
    assert asyncio.run(asked.advice_of(known, "paroxetine")) == "review"
    data = {"genotype": {"CYP2D6": "*4/*4"}, "comedications": ["lithium"], "conditions": ["long qt"]}
    assert told == [(data, "paroxetine")]


def test_without_reports_nothing_is_forecast() -> None:
    with pytest.raises(InsufficientDataError, match="nothing to forecast: there are no symptom reports yet"):
        asyncio.run(clinic_of().forecast_of([], 14, None))
