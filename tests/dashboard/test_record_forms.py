"""Forms of a record without a server: texts to pieces and back, and what is said of texts that cannot be used."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from novamind.clinic import SymptomReport
from novamind.errors import ValidationError
from novamind.records import Allergy, Condition, MedicationCourse
from novamind.server.dashboard.record_forms import ALLERGY, CONDITION, COURSE, REPORT, Form, clock_of
from novamind.symptoms.domain import Scale

BERLIN = ZoneInfo("Europe/Berlin")
SUMMER = datetime(2026, 7, 1, 8, 30, tzinfo=BERLIN)
REPORT_TEXTS = {"symptom": "PHQ-9", "timestamp": "2026-07-01T08:30", "value": "14"}
COURSE_TEXTS = {"medication": "sertraline"}


@pytest.mark.parametrize(
    ("form", "piece"),
    [
        (REPORT, SymptomReport("PHQ-9", SUMMER, 14)),
        (REPORT, SymptomReport("Schlaf (früh)", SUMMER, 0.1 + 0.2)),
        (COURSE, MedicationCourse("sertraline", None)),
        (COURSE, MedicationCourse("lithium", date(2026, 1, 1), date(2026, 2, 1), 0.30000000000000004)),
        (COURSE, MedicationCourse("lithium", None, stopped=True)),
        (CONDITION, Condition("Fallsucht", None, None, "2020", "2021-03", active=False)),
        (ALLERGY, Allergy("Penicillin", None, None, "unable-to-assess")),
    ],
    ids=["report", "odd report", "course", "ended course", "stopped course", "condition", "allergy"],
)
def test_a_piece_goes_through_its_form_unchanged(form: Form, piece: Any) -> None:
    texts = form.texts(piece, BERLIN)
    assert texts.keys() <= {field.name for field in form.fields}
    assert form.piece(texts, BERLIN, piece) == piece


def test_a_condition_that_rules_know_gets_their_word() -> None:
    assert CONDITION.piece({"name": "Long QT"}, UTC, None) == Condition("Long QT", word="long qt", active=False)


@pytest.mark.parametrize(
    ("text", "clock", "moment"),
    [
        ("2026-01-01T08:30", BERLIN, datetime(2026, 1, 1, 7, 30, tzinfo=UTC)),
        ("2026-07-01T08:30", BERLIN, datetime(2026, 7, 1, 6, 30, tzinfo=UTC)),
        ("2026-07-01T08:30:01.5", UTC, datetime(2026, 7, 1, 8, 30, 1, 500_000, tzinfo=UTC)),
        ("2026-07-01T08:30+05:00", BERLIN, datetime(2026, 7, 1, 3, 30, tzinfo=UTC)),
    ],
    ids=["winter", "summer", "seconds", "own offset"],
)
def test_a_time_is_of_the_clock_unless_it_says_otherwise(text: str, clock: Any, moment: datetime) -> None:
    report: Any = REPORT.piece(REPORT_TEXTS | {"timestamp": text}, clock, None)
    assert report.timestamp == moment
    assert report.timestamp.tzinfo is not None


@pytest.mark.parametrize("fold", [0, 1])
def test_a_time_that_nobody_touched_stays_to_the_microsecond_and_to_the_fold(fold: int) -> None:
    offset = timezone(timedelta(hours=2 - fold))
    stored = SymptomReport("PHQ-9", datetime(2025, 10, 26, 2, 30, 0, 123_456, tzinfo=offset), 3)
    texts = REPORT.texts(stored, BERLIN)
    assert texts["timestamp"] == "2025-10-26T02:30:00.123"
    kept: Any = REPORT.piece(texts | {"value": "4"}, BERLIN, stored)
    assert kept.timestamp == stored.timestamp
    moved: Any = REPORT.piece(texts | {"timestamp": "2025-10-26T03:30"}, BERLIN, stored)
    assert moved.timestamp == datetime(2025, 10, 26, 2, 30, tzinfo=UTC)


def test_the_clock_is_the_patients_then_the_reports_then_utc() -> None:
    offset = timezone(timedelta(hours=5))
    report = SymptomReport("PHQ-9", datetime(2026, 1, 1, tzinfo=offset), 3)
    local = SymptomReport("PHQ-9", datetime(2026, 1, 1), 3)  # noqa: DTZ001 - files bring such
    assert clock_of(BERLIN, report) is BERLIN
    assert clock_of(None, report) == offset
    assert clock_of(None, local) is clock_of(None, None) is UTC
    stored: Any = REPORT.piece(REPORT.texts(local, UTC), UTC, local)
    assert stored.timestamp == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_scale_comes_with_the_report_where_one_is_typed() -> None:
    texts = REPORT_TEXTS | {"symptom": "mood", "low": "0", "high": "10", "worse": "low"}
    report: Any = REPORT.piece(texts, UTC, None)
    assert report.scale == Scale(0, 10, None, "low")
    stepped: Any = REPORT.piece(texts | {"step": "0.5", "worse": ""}, UTC, None)
    assert stepped.scale == Scale(0, 10, 0.5, "high")
    none: Any = REPORT.piece(REPORT_TEXTS | {"worse": "low"}, UTC, None)
    assert none.scale is None


@pytest.mark.parametrize(
    ("form", "texts", "field", "says"),
    [
        (REPORT, {"value": "many"}, "value", "give a number"),
        (REPORT, {"value": ""}, "value", "is needed"),
        (REPORT, {"value": "nan"}, "value", "should be a finite number"),
        (REPORT, {"symptom": " \x07"}, "symptom", "is not in the form described here"),
        (REPORT, {"symptom": "x" * 201}, "symptom", "is not in the form described here"),
        (REPORT, {"timestamp": ""}, "timestamp", "is needed"),
        (REPORT, {"timestamp": "yesterday"}, "timestamp", "give day and time, such as 2026-03-01 08:30"),
        (REPORT, {"timestamp": "2201-01-01T08:00"}, "timestamp", "lies outside 1900 to 2200"),
        (REPORT, {"low": "0"}, "high", "is needed"),
        (REPORT, {"low": "10", "high": "0"}, "low", "scale must be (low, high) with two finite numbers and low < high"),
        (
            REPORT,
            {"low": "0", "high": "10", "step": "11"},
            "step",
            "step must be positive and no larger than the scale's range, or None",
        ),
        (REPORT, {"low": "0", "high": "10", "step": "0"}, "step", "should be greater than 0"),
        (COURSE, {"medication": ""}, "medication", "is needed"),
        (COURSE, {"medication": "x" * 201}, "medication", "should have at most 200 characters"),
        (COURSE, {"dose_mg": "-5"}, "dose_mg", "should be greater than 0"),
        (COURSE, {"dose_mg": "1e9"}, "dose_mg", "should be less than or equal to 100000"),
        (COURSE, {"start": "2026-02-30"}, "start", "give a day, such as 2026-03-01"),
        (COURSE, {"start": "2026-02-02", "end": "2026-02-01"}, "end", "lies before the first day"),
        (CONDITION, {"abatement": "2024-5"}, "abatement", "is not in the form described here"),
        (ALLERGY, {"name": "Penicillin", "criticality": "grave"}, "criticality", "choose from the list"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_each_reason_stands_at_its_field_and_repeats_no_value(
    form: Form, texts: dict[str, str], field: str, says: str
) -> None:
    good = {id(REPORT): REPORT_TEXTS, id(COURSE): COURSE_TEXTS}.get(id(form), {"name": "x"})
    form.piece(good, UTC, None)
    with pytest.raises(ValidationError) as refused:
        form.piece(good | texts, UTC, None)
    assert dict(form.reasons(refused.value)) == {field: says}


@pytest.mark.parametrize(
    ("form", "error", "reasons"),
    [
        (REPORT, "report 1 of 1: a report lies in the future", {"timestamp": "a report lies in the future"}),
        (REPORT, "something else", {"": "something else"}),
        (COURSE, "the scale of it", {"": "the scale of it"}),
        (COURSE, "column 'dose_mg': must be above 0", {"dose_mg": "must be above 0"}),
    ],
    ids=["time", "unknown", "no such field", "column"],
)
def test_a_refusal_of_the_clinic_stands_at_its_field_or_above_the_form(
    form: Form, error: str, reasons: dict[str, str]
) -> None:
    assert form.reasons(ValidationError(error)) == reasons


def test_several_reasons_come_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        COURSE.piece({"dose_mg": "0", "start": "x"}, UTC, None)
    assert COURSE.reasons(refused.value).keys() == {"medication", "dose_mg", "start"}
