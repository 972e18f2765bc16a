"""Search by the rules of R4: tokens, dates with prefixes and precision; what is not offered is refused or named."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.server.fhir.search import Search, _offset_of, _span, _zone_of, interval, parsed

CONCEPT = {"coding": [{"system": "http://loinc.org", "code": "44261-6"}, {"code": "own"}], "text": "PHQ-9"}


def observation(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "a", "code": CONCEPT, "status": "final"} | more


def search(**wanted: str) -> Search:
    return parsed("Observation", [(name.replace("_h", "-h"), value) for name, value in wanted.items()], in_address=True)


@pytest.mark.parametrize(
    ("token", "is_match"),
    [
        ("44261-6", True),
        ("http://loinc.org|44261-6", True),
        ("http://loinc.org|", True),
        ("|own", True),
        ("own", True),
        ("http://loinc.org|own", False),  # the code is of another system
        ("|44261-6", False),
        ("44261", False),
        ("69737-5,44261-6", True),
        ("http://snomed.info/sct|44261-6", False),
    ],
)
def test_tokens(token: str, is_match: bool) -> None:
    assert search(code=token).matches(observation()) is is_match


@pytest.mark.parametrize(
    ("value", "when", "is_match"),
    [
        ("2026-03-05", "2026-03-05T08:00:00+01:00", True),
        ("2026-03-05", "2026-03-05T00:30:00+01:00", True),  # the local day of the report
        ("2026-03-05", "2026-03-06", False),
        ("2026-03", "2026-03-31T23:59:59-10:00", True),
        ("2026", "2026-03", True),
        ("2026-03-05", "2026-03", False),  # the month is no part of the day
        ("ne2026-03-05", "2026-03", True),
        ("gt2026-03-05", "2026-03-05T23:59:59Z", False),
        ("gt2026-03-05", "2026-03-06", True),
        ("gt2026-03-05", "2026-03", True),  # part of the month is later
        ("ge2026-03-05", "2026-03-05", True),
        ("ge2026-03-06", "2026-03-05", False),
        ("lt2026-03-05", "2026-03-04T23:00:00Z", True),
        ("lt2026-03-05", "2026-03-05", False),
        ("le2026-03-05", "2026-03-05", True),
        ("le2026-03-04", "2026-03-05", False),
        ("sa2026-03-04", "2026-03-05", True),
        ("sa2026-03-05", "2026-03-05", False),
        ("eb2026-03-06", "2026-03-05", True),
        ("eb2026-03-05", "2026-03-05", False),
        ("2026-03-05T07:00:00Z", "2026-03-05T08:00:00+01:00", True),  # one instant, two clocks
        ("2026-03-05T08:00:00Z", "2026-03-05T08:00:00+01:00", False),
    ],
)
def test_dates(value: str, when: str, is_match: bool) -> None:
    assert search(date=value).matches(observation(effectiveDateTime=when)) is is_match


@pytest.mark.parametrize(
    ("period", "value", "is_match"),
    [
        ({"start": "2026-03-01", "end": "2026-03-31"}, "2026-03", True),
        ({"start": "2026-02-28", "end": "2026-03-31"}, "2026-03", False),
        ({"start": "2026-03-01"}, "2026-03", False),  # it goes on
        ({"start": "2026-03-01"}, "ge2027", True),
        ({"end": "2026-03-31"}, "lt2020", True),
        ({"start": "2026-03-01", "end": "2026-03-31"}, "sa2026-02", True),
    ],
)
def test_periods(period: dict[str, str], value: str, is_match: bool) -> None:
    course = {"resourceType": "MedicationStatement", "effectivePeriod": period}
    assert parsed("MedicationStatement", [("effective", value)], in_address=True).matches(course) is is_match


def test_several_parameters_are_and_several_values_or() -> None:
    span = parsed("Observation", [("date", "ge2026-03-05"), ("date", "lt2026-03-07")], in_address=True)
    days = [f"2026-03-{day:02d}" for day in range(1, 12)]
    assert [day for day in days if span.matches(observation(effectiveDateTime=day))] == ["2026-03-05", "2026-03-06"]
    assert not search(code="44261-6", status="preliminary").matches(observation())
    assert search(code="x,44261-6", status="amended,final").matches(observation())


def test_what_lacks_the_element_does_not_match() -> None:
    assert not search(date="ge1900").matches(observation())
    assert not search(category="survey").matches(observation())


@pytest.mark.parametrize(
    "pairs",
    [
        [("value-quantity", "5")],
        [("code:in", "x")],
        [("date", "ap2026")],
        [("date", "2026-13")],
        [("date", "yesterday")],
        [("code", "")],
        [("_count", "-1")],
        [("_count", "1"), ("_count", "2")],
        [("_sort", "code")],
        [("_summary", "true")],
        [("_format", "xml")],
        [("_include", "Observation:encounter")],
        [("_revinclude", "Provenance:agent")],
    ],
    ids=lambda pairs: "-".join("=".join(pair) for pair in pairs),
)
def test_what_is_not_offered_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(ValidationError):
        parsed("Observation", pairs, in_address=False)


def test_a_lenient_client_is_told_what_was_ignored() -> None:
    lenient = parsed("Observation", [("value-quantity", "5"), ("x\n", "1")], in_address=True, is_lenient=True)
    assert lenient.criteria == ()
    assert lenient.ignored == ("value-quantity",)  # nothing that could be anything is repeated


def test_what_identifies_a_person_stands_in_no_address() -> None:
    for name in ("identifier", "name", "birthdate"):
        with pytest.raises(ValidationError, match="body of Patient/_search"):
            parsed("Patient", [(name, "1980-05-17")], in_address=True)
        parsed("Patient", [(name, "1980-05-17")], in_address=False)


def test_the_span_of_a_date_has_its_precision() -> None:
    east = timezone(timedelta(hours=2))
    assert interval("2024-02", UTC) == (datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
    assert interval("2024-12-31", east)[1] == datetime(2025, 1, 1, tzinfo=east)
    assert interval("2024-05-17T08:30+02:00", None)[1] == datetime(2024, 5, 17, 8, 31, tzinfo=east)
    assert interval("2024-05-17T08:30:01Z", None)[1] == datetime(2024, 5, 17, 8, 30, 2, tzinfo=UTC)


def test_order() -> None:
    days = ("2026-03-05", "2026-03-01", "2026-03-09")
    resources = [observation(id=str(i), effectiveDateTime=day) for i, day in enumerate(days)]

    def ids(sort: str) -> str:
        return "".join(r["id"] for r in search(_sort=sort).selected(resources))

    assert (ids("date"), ids("-date"), ids("-_id"), ids("_id")) == ("102", "201", "210", "012")


@pytest.mark.parametrize(
    "text", ["2026-03-29T01:30:00+02:00", "2026-03-29T23:59:59-11:30", "2024-05-17T08:30:00.1234Z", "2026-03-29"]
)
def test_times_that_are_read_quickly_are_read_as_all_others(text: str) -> None:
    for zone in (None, UTC):
        assert _span(text, zone) == interval(text, zone)
    offset = _offset_of(text)
    assert _zone_of(text) == (None if offset is None else interval(text, None)[0].tzinfo)
