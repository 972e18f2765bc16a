"""How a record is put together from what the store holds, and taken apart again."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from novamind.clinic import PatientSummary, SignalSamples, SymptomReport
from novamind.clinic import record_mapping as mapping
from novamind.errors import ValidationError
from novamind.infrastructure.patient_store import Kind, Samples, StoredRecord
from novamind.records import (
    Allergy,
    Coding,
    Condition,
    Consent,
    MedicationCourse,
    NotUnderstood,
    PatientRecord,
    Procedure,
    signal_frame,
    symptom_frame,
)
from novamind.symptoms.domain import Scale
from novamind.twin.domain import ForecastMade, Options, Priority, RecommendationMade, Snapshot

CODE = Coding("http://loinc.org", "1-2")
P = uuid4()
HOUR = 3_600_000
BERLIN = "Europe/Berlin"
WHO = PatientSummary(P, {}, {"timezone": BERLIN})
UNREAD = "stored, but it cannot be read; correct it"


def stored(content: Any, kind: Kind = Kind.SYMPTOM_REPORT) -> StoredRecord:
    return StoredRecord(uuid4(), 1, kind, content, datetime(2026, 3, 1, tzinfo=UTC))


def report(when: str, value: Any, symptom: str = "PHQ-9") -> dict[str, Any]:
    return {"symptom": symptom, "timestamp": when, "value": value}


def stretch(signal: str, unit: str, values: Any, first: int = 0) -> StoredRecord:
    times = first + HOUR * np.arange(len(values), dtype=np.int64)
    return stored(Samples(signal, unit, times, np.array(values, float)), Kind.BIOMETRIC_SAMPLES)


def record(
    reports: Any = (), samples: Any = (), medications: Any = (), listed: Any = (), genes: Any = (), who: Any = WHO
) -> PatientRecord:
    return mapping.record_of(who, reports, samples, medications, listed, (genes, False))


def symptoms(*contents: Any, who: Any = WHO) -> list[tuple[str, str, float]]:
    """Name, local time and value of every row."""
    frame = record([stored(one) for one in contents], who=who).symptoms
    assert frame is not None
    names = [frame.series[i].name for i in frame.series_index]
    return list(zip(names, [str(when)[:19] for when in frame.timestamps], frame.values.tolist(), strict=True))


def signals(*stretches: StoredRecord) -> tuple[dict[str, tuple[str | None, list[float]]], list[str]]:
    """Signal to unit and values, and what is said of those that are left out."""
    known = record(samples=stretches)
    frame = known.signals
    found = {}
    if frame is not None:
        found = {key.name: (frame.units[i], frame.values[frame.part(i)].tolist()) for i, key in enumerate(frame.series)}
    return found, [one.reason for one in known.not_understood]


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
    found = mapping.samples_of(SignalSamples("sleep_duration", "h", [when], [7.5]))
    assert (found.signal, found.unit) == ("sleep_duration", "h")
    assert (found.timestamps.tolist(), found.values.tolist()) == ([milliseconds], [7.5])
    assert (found.timestamps.dtype, found.values.dtype) == (np.int64, np.float64)


@pytest.mark.parametrize("values", [[], [1.0, 2.0]])
def test_there_are_as_many_times_as_values(values: list[float]) -> None:
    with pytest.raises(ValidationError, match="a stretch of a signal needs as many timestamps as values"):
        mapping.samples_of(SignalSamples("a", "h", [datetime(1970, 1, 1, tzinfo=UTC)], values))


def test_a_mapping_is_no_samples() -> None:
    with pytest.raises(ValidationError, match="a record that should be a mapping holds samples"):
        mapping.mapping_of(stored(Samples("a", "h", np.zeros(1, np.int64), np.zeros(1))))
    assert mapping.mapping_of(stored({"a": 1})) == {"a": 1}


# -- units, and what no device shows


def test_a_signal_keeps_the_unit_of_its_first_stretch() -> None:
    found, told = signals(
        stretch("sleep_duration", "h", [7.5]),
        stretch("sleep_duration", "min", [480.0], HOUR),
        stretch("body_temperature", "[degF]", [98.6]),
        stretch("body_temperature", "°C", [37.5], HOUR),
        stretch("heart_rate", "Hz", [1.5]),
        stretch("heart_rate", " BPM ", [66.0], HOUR),
    )
    assert {name: unit for name, (unit, _) in found.items()} == {
        "sleep_duration": "h", "body_temperature": "[degF]", "heart_rate": "Hz"
    }  # fmt: skip
    assert found["sleep_duration"][1] == [7.5, 8.0]
    assert found["body_temperature"][1] == pytest.approx([98.6, 99.5])
    assert found["heart_rate"][1] == pytest.approx([1.5, 1.1])
    assert told == []


def test_a_name_from_before_the_one_vocabulary_is_the_same_series() -> None:
    found, unread = signals(
        stretch("body_weight", "kg", [70]), stretch("weight", "[lb_av]", [165], first=HOUR),
        stretch("steps_per_day", "/d", [4000]), stretch("daily_steps", "count", [5000], first=HOUR),
    )  # fmt: skip
    assert found == {
        "weight": ("kg", [70.0, pytest.approx(165 * 0.45359237)]),
        "daily_steps": ("/d", [4000.0, 5000.0]),
    }
    assert unread == []


def test_a_unit_that_cannot_be_brought_to_that_of_its_series_is_named_and_left_out() -> None:
    strange = stretch("heart_rate", "furlong", [60.0])
    other = stretch("mood_swing", "kg", [3.0], HOUR)
    kept = [stretch("heart_rate", "bpm", [61.0], HOUR), stretch("mood_swing", "points", [2.0])]
    known = record(samples=[strange, *kept, other])
    assert known.not_understood == tuple(
        NotUnderstood(f"biometric_samples {one.record_id}", UNREAD) for one in (strange, other)
    )
    found, _ = signals(strange, *kept, other)
    assert found == {"heart_rate": ("bpm", [61.0]), "mood_swing": ("points", [2.0])}
    with pytest.raises(ValidationError, match="the unit of a signal cannot be brought to that of its series; it is"):
        mapping.in_series_unit(strange.content)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=r"cannot be brought to that of its series$"):
        mapping.in_series_unit(other.content, "points")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signal", "unit", "values", "kept"),
    [
        ("heart_rate", "bpm", [0, 24.9, 25, 250, 250.1, -1], [25, 250]),
        ("heart_rate", "Hz", [0, 1, 5], [1]),
        ("steps", "count", [-1, 0, 30_000, 30_001], [0, 30_000]),
        ("skin_temperature", "°F", [32, 59, 113, 200], [59, 113]),
        ("sleep_duration", "h", [-0.5, 8, 26, 26.1], [8, 26]),
        ("mood_swing", "points", [-1e9, 1e9], [-1e9, 1e9]),
    ],
)
def test_what_no_device_on_a_living_person_shows_is_dropped_and_counted(
    signal: str, unit: str, values: list[float], kept: list[float]
) -> None:
    one = stretch(signal, unit, values)
    assert isinstance(one.content, Samples)
    samples, dropped = mapping.in_series_unit(one.content)
    assert (samples.signal, samples.unit, samples.values.tolist()) == (signal, unit, kept)
    assert samples.timestamps.tolist() == [HOUR * i for i, value in enumerate(values) if value in kept]
    assert dropped == len(values) - len(kept)
    known = record(samples=[one])
    told = f"{dropped} value(s) of {signal} are none that a living person's device can show"
    assert known.not_understood == (
        (NotUnderstood(f"biometric_samples {one.record_id}", told),) if dropped else ()
    )  # fmt: skip


def test_what_is_dropped_is_looked_at_before_it_is_brought_to_another_unit() -> None:
    samples, dropped = mapping.in_series_unit(stretch("heart_rate", "bpm", [0, 60]).content, "Hz")  # type: ignore[arg-type]
    assert (samples.unit, samples.values.tolist(), samples.timestamps.tolist(), dropped) == ("Hz", [1.0], [HOUR], 1)


def test_a_stretch_of_nothing_but_marks_leaves_no_signal_and_still_gives_the_unit() -> None:
    found, told = signals(stretch("sleep_duration", "h", [-1, 99]), stretch("sleep_duration", "min", [480.0]))
    assert found == {"sleep_duration": ("h", [8.0])}
    assert told == ["2 value(s) of sleep_duration are none that a living person's device can show"]
    assert record(samples=[stretch("heart_rate", "bpm", [0])]).signals is None


def test_samples_of_another_time_are_counted_and_the_others_stay() -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    day = 24 * HOUR
    times = [-(2**63) + 1, -3_000_000_000_000, -2_177_452_800_001, -2_177_452_800_000, 0, now + day - HOUR,
             now + day + HOUR, 2**63 - 1]  # fmt: skip
    values = np.arange(len(times), dtype=float)
    known = record(samples=[stored(Samples("steps", "1", np.array(times, np.int64), values), Kind.BIOMETRIC_SAMPLES)])
    assert known.signals is not None
    assert known.signals.values.tolist() == [3.0, 4.0, 5.0]
    assert [one.reason for one in known.not_understood] == [
        "3 value(s) of steps lie before 1901",
        "2 value(s) of steps lie in the future",
    ]


def test_units_are_those_of_first_stretches() -> None:
    found = mapping.units_of(
        [stretch("steps", "1", [1]), stretch("steps", "count", [1]), stored({"not": "samples"}), stretch("a", "b", [1])]
    )
    assert found == {"steps": "1", "a": "b"}


# -- reports


def test_of_two_reports_at_one_time_the_one_stored_last_counts() -> None:
    assert symptoms(
        report("2026-03-01T08:00:00+01:00", 5), report("2026-03-01T08:00:00+01:00", 7, "GAD-7"),
        report("2026-03-01T07:00:00+00:00", 9)
    ) == [("GAD-7", "2026-03-01T08:00:00", 7.0), ("PHQ-9", "2026-03-01T08:00:00", 9.0)]  # fmt: skip


def test_all_spellings_are_one_series() -> None:
    found = symptoms(report("2026-03-01T08:00:00+01:00", 5, "phq 9"), report("2026-03-02T08:00:00+01:00", 6, "PHQ9"))
    assert [name for name, _, _ in found] == ["PHQ-9", "PHQ-9"]


def test_reports_are_brought_to_the_patients_clock_or_keep_their_own() -> None:
    contents = [report("2026-03-01T23:30:00+00:00", 5), report("2026-07-01T23:30:00+02:00", 6)]
    assert [when for _, when, _ in symptoms(*contents)] == ["2026-03-02T00:30:00", "2026-07-01T23:30:00"]
    nowhere = PatientSummary(P, {}, {})
    assert [when for _, when, _ in symptoms(*contents, who=nowhere)] == ["2026-03-01T23:30:00", "2026-07-01T23:30:00"]


def test_one_report_without_an_offset_makes_all_of_them_local() -> None:
    contents = [report("2026-03-01T08:00:00-05:00", 5), report("2026-03-02T08:00:00", 6)]
    frame = record([stored(one) for one in contents]).symptoms
    assert frame is not None
    assert frame.utc_offset is None
    assert [when for _, when, _ in symptoms(*contents)] == ["2026-03-01T08:00:00", "2026-03-02T08:00:00"]


TOMORROW = (datetime.now(UTC) + timedelta(days=1, hours=1)).isoformat()
GOOD = "2026-03-01T08:00:00+01:00"


@pytest.mark.parametrize(
    "strange",
    [
        report(GOOD, 27.5),
        report(GOOD, -1),
        report(GOOD, float("nan")),
        report(GOOD, float("inf"), "own"),
        report(GOOD, "many"),
        report(GOOD, None),
        report(GOOD, 3, ""),
        report(TOMORROW, 3),
        report("1900-12-31T23:59:59+00:00", 3),
        report("1900-01-01T00:00:00+14:00", 3),
        report("2201-01-01T00:00:00+00:00", 3),
        report("9999-12-31T23:59:59-14:00", 3),
        report("once", 3),
        {"symptom": "PHQ-9", "value": 3},
        {},
        None,
        [1],
        "text",
        Samples("steps", "1", np.zeros(1, np.int64), np.zeros(1)),
    ],
    ids=[f"strange {i}" for i in range(19)],  # not by content: one holds the present time
)
def test_a_report_that_cannot_be_read_is_named_and_the_others_stay(strange: Any) -> None:
    odd, one = stored(strange), stored(report(GOOD, 5))
    known = record([odd, one])
    assert known.symptoms is not None
    assert known.symptoms.values.tolist() == [5.0]
    assert known.not_understood == (NotUnderstood(f"symptom_report {odd.record_id}", UNREAD),)
    alone = record([odd])
    assert (alone.symptoms, len(alone.not_understood)) == (None, 1)


@pytest.mark.parametrize(
    ("when", "value", "symptom"),
    [
        ("1901-01-01T00:00:00+14:00", 0, "PHQ-9"),
        ((datetime.now(UTC) + timedelta(hours=23)).isoformat(), 27, "PHQ-9"),
        (GOOD, 1e6, "own"),
    ],
    ids=["earliest", "latest", "own"],
)
def test_the_ends_of_scale_and_time_are_read_and_an_own_series_has_its_scale_elsewhere(
    when: str, value: float, symptom: str
) -> None:
    known = record([stored(report(when, value, symptom))])
    assert known.symptoms is not None
    assert (known.symptoms.values.tolist(), known.not_understood) == ([value], ())


def test_what_can_be_read_is_told_from_what_cannot() -> None:
    pieces = [stored({"a": 1}), stored({}), stored({"a": 2})]
    assert mapping.readable(pieces, lambda one: mapping.mapping_of(one)["a"]) == ([1, 2], [pieces[1]])

    def broken(_: StoredRecord) -> Any:
        raise RuntimeError("a fault of ours is no fault of the record")

    with pytest.raises(RuntimeError):
        mapping.readable(pieces, broken)


# -- scales of a patient's own series


def own(symptom: str, low: float, high: float) -> StoredRecord:
    return stored({"symptom": symptom, "scale": {"low": low, "high": high}}, Kind.SCALE)


def borne(symptom: str, low: float, high: float) -> StoredRecord:
    return stored(report(GOOD, low, symptom) | {"scale": {"low": low, "high": high}})


def test_a_stored_scale_goes_before_that_of_the_first_report() -> None:
    reports = [stored(report(GOOD, 1, "craving")), borne("craving", 0, 5), borne("craving", 0, 7), borne("pain", 0, 10)]
    found = mapping.stored_scales_of([], reports)
    assert found == {"pain": (reports[3], Scale(0, 10)), "craving": (reports[1], Scale(0, 5))}
    scales = [own("craving", 0, 50), own(" craving ", 0, 100)]
    assert mapping.stored_scales_of(scales, reports) == found | {"craving": (scales[1], Scale(0, 100))}
    assert mapping.scales_of(scales, reports) == {"craving": Scale(0, 100), "pain": Scale(0, 10)}


def test_a_scale_ends_with_its_series_and_an_instrument_has_its_own() -> None:
    scales = [own("craving", 0, 100), own("PHQ-9", 0, 100)]
    assert mapping.scales_of(scales, [stored(report(GOOD, 1))]) == {}
    assert mapping.scales_of(scales, [borne("PHQ-9", 0, 5), stored(report(GOOD, 1, "craving"))]) == {
        "craving": Scale(0, 100)
    }


@pytest.mark.parametrize("strange", [own("craving", 5, 1), own("craving", 0, float("nan")), stored({"scale": 3})])
def test_a_scale_that_cannot_be_read_gives_way_to_that_of_the_report(strange: StoredRecord) -> None:
    assert mapping.scales_of([strange], [borne("craving", 0, 5)]) == {"craving": Scale(0, 5)}
    assert mapping.scales_of([strange], [stored(report(GOOD, 1, "craving")), stored(None)]) == {}


# -- a record out of the store


def test_a_record_is_put_together_from_every_kind() -> None:
    summary = PatientSummary(
        P, {"mrn": "1"}, {"name": "N", "birth_date": "1980-05-17", "timezone": BERLIN, "gender": "female"}
    )
    samples = [
        stored(Samples("sleep_duration", "h", np.array([0, HOUR], np.int64), np.array([7.0, 8.0]))),
        stored(Samples("sleep_duration", "h", np.array([HOUR], np.int64), np.array([9.0]))),
        stored(Samples("steps", "1", np.array([0], np.int64), np.array([100.0]))),
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
    found = mapping.record_of(
        summary,
        [stored(report(GOOD, 5))],
        samples,
        [stored(one) for one in medications],
        [stored(one) for one in listed],
        ([stored({"genes": {"CYP2D6": "*4/*4"}})], False),
    )
    assert (found.patient_id, found.timezone) == (str(P), BERLIN)
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
    found = mapping.record_of(PatientSummary(P, {}, {"name": "N"}), [], [], [], [], ([], True))
    assert (found.timezone, found.demographics, found.symptoms, found.signals) == (None, {}, None, None)
    (note,) = found.not_understood
    assert (note.source, note.reason) == ("genotype", "not used: the patient withdrew consent to genomics")


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", 7])
def test_a_zone_that_is_not_known_is_named(name: Any) -> None:
    found = record([stored(report(GOOD, 5))], who=PatientSummary(P, {}, {"timezone": name}))
    assert found.timezone is None
    assert found.not_understood == (NotUnderstood("timezone", "its name is not known; days are those of UTC"),)


def test_signals_of_somebody_without_a_zone_are_of_universal_time() -> None:
    one = stored(Samples("steps", "1", np.array([1500], np.int64), np.array([1.0])), Kind.BIOMETRIC_SAMPLES)
    found = record(samples=[one], who=PatientSummary(P, {}, {})).signals
    assert found is not None
    assert found.timestamps[0] == np.datetime64("1970-01-01T00:00:01.500")


@pytest.mark.parametrize(
    ("reports", "hours"),
    [
        (["2026-03-01T08:00:00+02:00", "2026-03-03T08:00:00-05:00"], [2, 2, 2, -5]),
        (["2026-03-03T08:00:00-05:00", "2026-03-01T08:00:00+02:00"], [2, 2, 2, -5]),
    ],
)
def test_signals_of_somebody_without_a_zone_follow_the_clock_of_the_reports(
    reports: list[str], hours: list[int]
) -> None:
    instants = ["2026-02-01T12:00:00", "2026-03-01T06:00:00", "2026-03-03T12:59:59", "2026-03-03T13:00:00"]
    times = np.array(instants, "datetime64[ms]")
    one = stored(Samples("steps", "1", times.astype(np.int64), np.arange(4.0)), Kind.BIOMETRIC_SAMPLES)
    found = record([stored(report(when, 5)) for when in reports], [one], who=PatientSummary(P, {}, {})).signals
    assert found is not None
    assert found.values.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert (found.timestamps - times).astype("timedelta64[h]").astype(int).tolist() == hours
    assert found.utc_offset is not None
    assert found.utc_offset.astype("timedelta64[h]").astype(int).tolist() == hours


def test_signals_beside_reports_that_name_no_clock_are_taken_to_be_by_theirs_and_a_note_says_so() -> None:
    times = np.array(["2026-03-01T06:00:00"], "datetime64[ms]")
    sample = stored(Samples("steps", "1", times.astype(np.int64), np.ones(1)), Kind.BIOMETRIC_SAMPLES)
    naive = record([stored(report("2026-03-03T08:00:00", 5))], [sample], who=PatientSummary(P, {}, {}))
    assert naive.signals is not None
    assert naive.signals.utc_offset is None
    assert naive.signals.timestamps[0] == times[0]
    assert [(note.source, note.reason[:22]) for note in naive.not_understood] == [
        ("timezone", "the patient has none; ")
    ]
    at_home = record(
        [stored(report("2026-03-03T08:00:00", 5))], [sample], who=PatientSummary(P, {}, {"timezone": "UTC"})
    )
    assert at_home.not_understood == ()


def test_later_results_of_a_gene_replace_earlier_ones() -> None:
    pages = [stored({"genes": {"CYP2D6": "*1/*1", "CYP2C19": "*1/*2"}}), stored({"genes": {"CYP2D6": "*4/*4"}})]
    unread: list[NotUnderstood] = []
    assert mapping.genes_of(pages, unread) == {"CYP2D6": "*4/*4", "CYP2C19": "*1/*2"}
    assert unread == []


SAMPLES = Samples("steps", "1", np.zeros(1, np.int64), np.zeros(1))


@pytest.mark.parametrize(
    ("kind", "place", "right", "strange"),
    [
        (Kind.BIOMETRIC_SAMPLES, "samples", SAMPLES, {"not": "samples"}),
        (Kind.MEDICATION, "medications", {"medication": "lithium"}, {"medication": "lithium", "start": "soon"}),
        (Kind.MEDICATION, "medications", {"medication": "lithium"}, {"drug": "lithium"}),
        (Kind.MEDICATION, "medications", {"medication": "lithium"}, SAMPLES),
        (Kind.CONDITION, "listed", {"list": "allergies", "name": "nuts"}, {"list": "wishes", "name": "nuts"}),
        (Kind.CONDITION, "listed", {"list": "allergies", "name": "nuts"}, {"name": "nuts"}),
        (Kind.CONDITION, "listed", {"list": "conditions", "name": "gout"}, {"list": "conditions", "name": "x", "y": 1}),
        (Kind.CONDITION, "listed", {"list": "conditions", "name": "gout"}, {"list": "conditions", "code": {"a": 1}}),
        (Kind.GENOTYPE, "genes", {"genes": {"CYP2D6": "*1/*1"}}, {"genes": {"CYP2D6": 7}}),
        (Kind.GENOTYPE, "genes", {"genes": {"CYP2D6": "*1/*1"}}, {"genes": {"CYP2D6": " "}}),
        (Kind.GENOTYPE, "genes", {"genes": {"CYP2D6": "*1/*1"}}, {"results": {}}),
    ],
    ids=repr,
)
def test_any_piece_that_cannot_be_read_is_named_and_the_others_stay(
    kind: Kind, place: str, right: Any, strange: Any
) -> None:
    odd = stored(strange, kind)
    known = record(**{place: [odd, stored(right, kind)]})
    assert known.not_understood == (NotUnderstood(f"{kind} {odd.record_id}", UNREAD),)
    parts = (known.medications, known.conditions, known.allergies, known.genotype)
    assert sum(len(part) for part in parts) + (known.signals is not None) == 1


# -- a record into the store


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "+00:00"), (3600, "+01:00"), (-12600, "-03:30"), (20700, "+05:45"), (-60, "-00:01")]
)
def test_an_offset_in_words(seconds: int, text: str) -> None:
    assert mapping._offset(seconds) == text


def reports_of(known: PatientRecord) -> list[Any]:
    return mapping.contents_of(known)[Kind.SYMPTOM_REPORT]


def samples_of(known: PatientRecord) -> list[Samples]:
    return mapping.contents_of(known)[Kind.BIOMETRIC_SAMPLES]


def test_reports_are_stored_with_their_offset_and_without_gaps() -> None:
    when = ["2026-03-01T08:00:00+01:00", "2026-03-02T08:00:00+02:00", "2026-03-03T08:00:00-03:30"]
    table = pl.DataFrame({"timestamp": when, "value": [5.0, None, 6.5], "symptom": "PHQ-9", "patient_id": "p"})
    assert reports_of(PatientRecord("p", symptoms=symptom_frame(table))) == [report(when[0], 5.0), report(when[2], 6.5)]
    local = symptom_frame(table.with_columns(timestamp=pl.Series([one[:19] for one in when])))
    assert reports_of(PatientRecord("p", symptoms=local))[0]["timestamp"] == "2026-03-01T08:00:00"
    spelt = symptom_frame(table.with_columns(symptom=pl.lit("phq 9")))
    assert {one["symptom"] for one in reports_of(PatientRecord("p", symptoms=spelt))} == {"PHQ-9"}
    assert reports_of(PatientRecord("p")) == []


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
    found = samples_of(PatientRecord("p", signals=signal_frame(table)))
    assert {one.signal: (one.unit, one.timestamps.tolist(), one.values.tolist()) for one in found} == {
        "sleep_duration": ("h", [0, 1500], [7.0, 8.0]),
        "steps": ("", [0], [100.0]),
    }
    local = signal_frame(table.head(1).with_columns(timestamp=pl.Series(["1970-01-01T02:00:00"])))
    assert samples_of(PatientRecord("p", signals=local))[0].timestamps.tolist() == [7_200_000]
    assert samples_of(PatientRecord("p")) == []


def test_what_says_nothing_is_not_stored() -> None:
    course = MedicationCourse("lithium", date(2026, 1, 1), dose_mg=900, code=CODE)
    assert mapping.json_fields(course) == {
        "medication": "lithium", "start": "2026-01-01", "dose_mg": 900, "stopped": False,
        "code": {"system": CODE.system, "code": CODE.code},
    }  # fmt: skip
    assert mapping.course_of(stored(mapping.json_fields(course))) == course
    assert mapping.json_fields(Condition("gout", active=False)) == {"name": "gout", "active": False}


@pytest.mark.parametrize(
    ("piece", "kind", "content"),
    [
        (
            SymptomReport("phq 9", datetime(2026, 3, 1, 8, tzinfo=timezone(timedelta(hours=1))), 3.0),
            Kind.SYMPTOM_REPORT,
            report("2026-03-01T08:00:00+01:00", 3.0),
        ),
        (MedicationCourse("lithium", date(2026, 1, 1)), Kind.MEDICATION,
         {"medication": "lithium", "start": "2026-01-01", "stopped": False}),
        (Condition("gout"), Kind.CONDITION, {"list": "conditions", "name": "gout", "active": True}),
        (Allergy("nuts"), Kind.CONDITION, {"list": "allergies", "name": "nuts", "active": True}),
        ({"CYP2D6": "*1/*1"}, Kind.GENOTYPE, {"genes": {"CYP2D6": "*1/*1"}}),
    ],
)  # fmt: skip
def test_each_piece_has_its_kind(piece: Any, kind: Kind, content: Any) -> None:
    found = mapping.piece_content(piece)
    assert found == (kind, content)
    assert json.loads(json.dumps(found[1])) == content


def test_a_stretch_is_stored_in_its_own_unit_without_what_no_device_shows() -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC)
    kind, content = mapping.piece_content(SignalSamples("sleep_duration", "h", [at, at + timedelta(hours=1)], [8, 99]))
    assert kind is Kind.BIOMETRIC_SAMPLES
    assert (content.unit, content.timestamps.tolist(), content.values.tolist()) == ("h", [0], [8.0])


def test_everything_of_a_record_goes_in_and_comes_out() -> None:
    table = pl.DataFrame({"timestamp": [GOOD], "value": [5.0], "symptom": "PHQ-9", "patient_id": str(P)})
    samples = pl.DataFrame(
        {"timestamp": [GOOD], "value": [60.0], "signal": "heart_rate", "unit": "bpm", "patient_id": str(P)}
    )
    known = PatientRecord(
        str(P),
        timezone=BERLIN,
        symptoms=symptom_frame(table, timezone=BERLIN),
        signals=signal_frame(samples, timezone=BERLIN),
        medications=(MedicationCourse("lithium", date(2026, 1, 1), code=CODE),),
        genotype={"CYP2D6": "*1/*1"},
        genotype_sources={"CYP2D6": "s"},
        conditions=(Condition("gout", onset="2020-01"),),
        allergies=(Allergy("nuts", medication="citalopram"),),
        procedures=(Procedure("ECT"),),
        consents=(Consent("research", "active"),),
    )
    contents = mapping.contents_of(known)
    assert contents[Kind.GENOTYPE] == [{"genes": {"CYP2D6": "*1/*1"}, "sources": {"CYP2D6": "s"}}]
    assert [one["list"] for one in contents[Kind.CONDITION]] == ["conditions", "allergies", "procedures", "consents"]
    kept = {kind: [stored(one, kind) for one in of_kind] for kind, of_kind in contents.items()}
    back = record(*(kept[kind] for kind in (
        Kind.SYMPTOM_REPORT, Kind.BIOMETRIC_SAMPLES, Kind.MEDICATION, Kind.CONDITION, Kind.GENOTYPE)))  # fmt: skip
    for name in ("medications", "genotype", "conditions", "allergies", "procedures", "consents", "timezone"):
        assert getattr(back, name) == getattr(known, name), name
    for name in ("symptoms", "signals"):
        frame, other = getattr(back, name), getattr(known, name)
        assert (frame.values.tolist(), frame.timestamps.tolist(), frame.units) == (
            other.values.tolist(),
            other.timestamps.tolist(),
            other.units,
        )
    assert back.not_understood == ()
    assert mapping.contents_of(PatientRecord("p"))[Kind.GENOTYPE] == []


def test_insights_come_back_as_they_were_given() -> None:
    days = (date(2026, 3, 2), date(2026, 3, 3))
    made = ForecastMade(
        "PHQ-9", Scale(0, 27, 1), days, ((0, 1.5, 2, 3, 4), (1, 2, 3, 4, 0.1 + 0.2)), 10.0, 0.25, "m", days[0]
    )
    mood = replace(made, symptom="mood", scale=Scale(-5, 5.5, None, "low"), threshold=None, warned=None)
    snapshot = Snapshot(
        "p",
        date(2026, 3, 1),
        (made, mood),
        (RecommendationMade(Priority.TODAY, "safety", "Ask."), RecommendationMade(Priority.WHEN_CONVENIENT, "x", "y")),
        Options(include_biometric_correlations=False, forecast_days=7),
        {"symptoms": "m", "biometrics": "n"},
    )
    content = json.loads(json.dumps(mapping.snapshot_content(snapshot)))
    back = mapping.snapshot_of("p", stored(content, Kind.INSIGHT))
    assert back == snapshot
    assert set(back.forecasts) == {made, mood}, "a forecast is found among others"
    assert content["model_version"], "a model's result is stored with its version"


CODED = {"code": {"system": "s", "code": "c"}, "source": "Condition/1"}


@pytest.mark.parametrize(
    ("content", "stored", "kept"),
    [
        ({"list": "conditions", "name": "x"}, {"list": "conditions", "name": "x", "word": "epilepsy", **CODED},
         {"word": "epilepsy", **CODED}),
        ({"list": "conditions", "name": "x", "word": "gout"}, {"list": "conditions", "name": "x", "word": "epilepsy"},
         {}),
        ({"list": "conditions", "name": "y"}, {"list": "conditions", "name": "x", "word": "epilepsy", **CODED}, {}),
        ({"list": "conditions", "name": "x"}, {"list": "conditions", "name": "x", "onset": "2020", "active": False},
         {}),
        ({"list": "allergies", "name": "x"}, {"list": "allergies", "name": "x", "medication": "citalopram"},
         {"medication": "citalopram"}),
        ({"list": "allergies", "name": "x", "medication": "lithium"},
         {"list": "allergies", "name": "x", "medication": "citalopram"}, {}),
        ({"medication": "x", "dose_mg": 5}, {"medication": "x", "dose_mg": 9, "start": "2026-01-01", **CODED}, CODED),
        ({"medication": "y"}, {"medication": "x", **CODED}, {}),
        ({"genes": {"CYP2D6": "*1/*1"}}, {"genes": {"CYP2D6": "*1/*1"}, "source": "x"}, {}),
        ({"symptom": "PHQ-9", "value": 3}, {"symptom": "PHQ-9", "value": 4, "source": "x"}, {}),
        ({"medication": "x"}, [1], {}),
    ],
)  # fmt: skip
def test_a_correction_that_names_the_same_thing_keeps_its_origin(content: Any, stored: Any, kept: Any) -> None:
    assert mapping.with_origin(content, stored) == content | kept


# -- exports that grow
def grown(first_hour: int, values: list[float], export: str = "e", signal: str = "steps") -> StoredRecord:
    one = stretch(signal, "count", values, HOUR * first_hour)
    return replace(one, content=replace(one.content, export=export))


@pytest.mark.parametrize(
    ("stretches", "values"),
    [
        ([grown(0, [1, 2, 3]), grown(1, [20, 30, 40])], [1, 20, 30, 40]),
        ([grown(1, [20, 30, 40]), grown(0, [1, 2])], [1, 2, 30, 40]),
        ([grown(0, [1, 2, 3]), grown(0, [10, 20, 30, 40]), grown(1, [200])], [10, 200, 30, 40]),
        # of another kind of export, of none, or of another signal, nothing is replaced but the same moment
        ([grown(0, [1, 2, 3]), grown(2, [30, 40], "f")], [1, 2, 30, 40]),
        ([grown(0, [1, 2, 3], ""), grown(1, [20], "")], [1, 20, 3]),
        ([grown(0, [1, 2, 3]), grown(0, [1, 1, 1], signal="floors")], [1, 2, 3]),
        ([grown(0, [])], []),
    ],
)
def test_a_later_export_replaces_what_it_covers(stretches: list[StoredRecord], values: list[float]) -> None:
    signals = record(samples=stretches).signals
    if not values:
        assert signals is None
        return
    assert signals is not None
    (steps,) = (i for i, key in enumerate(signals.series) if key.name == "steps")
    assert signals.values[signals.part(steps)].tolist() == values


def test_steps_of_the_phone_give_way_to_those_of_a_watch_that_synchronised_later() -> None:
    """400 of the phone from 8 to 9; then 500 of the watch from 7:50, and the phone keeps 10 minutes of its hour."""
    half_past = np.array([HOUR // 6], np.int64)
    phone = Samples("steps", "count", half_past, np.array([400.0]), "apple")
    both = Samples("steps", "count", np.array([0, HOUR], np.int64), np.array([500.0, 400 / 6]), "apple")
    signals = record(samples=[stored(one, Kind.BIOMETRIC_SAMPLES) for one in (phone, both)]).signals
    assert signals is not None
    assert signals.values.sum() == pytest.approx(566.7, abs=0.1)


def test_the_kind_of_export_goes_with_every_stretch() -> None:
    row = {"patient_id": ["p"], "timestamp": ["2026-03-01T08:00"], "signal": ["steps"], "value": [3.0]}
    frame = signal_frame(pl.DataFrame(row))
    for export in ("", "wearable export: Apple Health"):
        (samples,) = mapping.contents_of(PatientRecord("p", signals=frame), export)[Kind.BIOMETRIC_SAMPLES]
        assert samples.export == export
