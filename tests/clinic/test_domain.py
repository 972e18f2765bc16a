"""On which scale a report counts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from novamind.clinic import SymptomReport
from novamind.clinic.domain import checked_scale
from novamind.errors import ValidationError
from novamind.symptoms.domain import Scale

PUBLISHED = "the scale of a known instrument is published and can't be changed by a report: leave it out"
ANOTHER = "the series has another scale already: leave it out, or change that of the whole series"
FIRST = "the symptom is no known instrument: give its scale with the first report"
TEN, PHQ = Scale(0, 10), Scale(0, 27, 1)


def report(symptom: str, value: float, scale: Scale | None = None) -> SymptomReport:
    return SymptomReport(symptom, datetime(2026, 3, 1, tzinfo=UTC), value, scale)


@pytest.mark.parametrize(
    ("one", "own", "scale"),
    [
        (report("PHQ-9", 0), {}, PHQ),
        (report("phq 9", 27), {}, PHQ),
        (report("PHQ-9", 27, PHQ), {}, PHQ),
        (report("PHQ-9", 27), {"PHQ-9": Scale(0, 5)}, PHQ),
        (report("craving", 0, TEN), {}, TEN),
        (report("craving", 10), {"craving": TEN}, TEN),
        (report(" craving ", 10, TEN), {"craving": TEN}, TEN),
    ],
)
def test_a_known_instrument_has_its_own_and_a_series_that_of_its_first_report(
    one: SymptomReport, own: Any, scale: Scale
) -> None:
    assert checked_scale(one, own) == scale


@pytest.mark.parametrize(
    ("one", "own", "said"),
    [
        (report("craving", 3), {}, FIRST),
        (report("craving", 3), {"pain": TEN}, FIRST),
        (report("PHQ-9", 3, Scale(0, 28, 1)), {}, PUBLISHED),
        (report("craving", 3, Scale(0, 5)), {"craving": TEN}, ANOTHER),
        (report("PHQ-9", 28), {}, "a value is off its scale, which runs from 0 to 27"),
        (report("PHQ-9", -1), {}, "a value is off its scale, which runs from 0 to 27"),
        (report("craving", 10.5), {"craving": TEN}, "a value is off its scale, which runs from 0 to 10"),
        (report("craving", 0.4, Scale(0.5, 1)), {}, "a value is off its scale, which runs from 0.5 to 1"),
        (report("craving", float("nan")), {"craving": TEN}, "a value is off its scale, which runs from 0 to 10"),
    ],
)
def test_what_a_report_may_not_say(one: SymptomReport, own: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        checked_scale(one, own)
    assert str(caught.value) == said


def test_all_spellings_are_one_series() -> None:
    assert [report(name, 1).series for name in ("PHQ-9", "phq9", "phq 9", "craving")] == [*["PHQ-9"] * 3, "craving"]
