"""Options keep their limits; a check and a set of results say in words what they hold."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from novamind.errors import ValidationError
from novamind.twin.domain import ForecastCheck, Options, Priority, ServiceResult, Status
from novamind.twin.results import Insights

DAY = date(2025, 6, 1)
CHECK = ForecastCheck("PHQ-9", DAY, 14, 8, 0.75, 0.875, 1.256, 15.0, 0.421, True, "m")


def test_what_is_asked_for_unless_somebody_says_otherwise() -> None:
    assert Options() == Options(True, True, True, 14, 30)
    assert Options.of(None) == Options.of({}) == Options()
    chosen = Options(forecast_days=3)
    assert Options.of(chosen) is chosen
    assert Options.of({"include_symptom_forecast": False, "forecast_days": 3}) == Options(False, True, True, 3, 30)


@pytest.mark.parametrize(("name", "least", "most"), [("forecast_days", 1, 30), ("biometric_lookback_days", 7, 3650)])
def test_days_are_whole_numbers_within_their_limits(name: str, least: int, most: int) -> None:
    for right in (least, most):
        assert getattr(Options.of({name: right}), name) == right
    for wrong in (least - 1, most + 1, True, 7.0, "7", None):
        with pytest.raises(ValidationError, match=rf"option '{name}' must be a whole number from {least} to {most}"):
            Options.of({name: wrong})


@pytest.mark.parametrize(
    "name", ["include_symptom_forecast", "include_biometric_correlations", "include_medication_predictions"]
)
def test_switches_are_true_or_false(name: str) -> None:
    assert getattr(Options.of({name: False}), name) is False
    for wrong in (1, 0, "yes", None):
        with pytest.raises(ValidationError, match=f"option '{name}' must be true or false"):
            Options.of({name: wrong})


def test_an_option_that_nobody_knows_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValidationError, match=r"include_symptom_forecast, .*, forecast_days, biometric_lookback_days$"):
        Options.of({"horizon": 3})


def test_the_most_pressing_has_the_lowest_number() -> None:
    assert [int(one) for one in Priority] == [1, 2, 3, 4]
    assert [one.words for one in Priority] == ["today", "soon", "next visit", "when convenient"]


def test_states_are_written_as_people_read_them() -> None:
    assert [str(one) for one in Status] == [
        "available", "not asked", "no data", "unavailable", "timed out", "failed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {},
            "PHQ-9, made on 2025-06-01 for 14 days: 75 % of 8 reports inside the 80 % interval, 88 % inside the 95 %"
            " interval; mean error 1.26 points. The probability given for reaching 15 was up to 42 %: it was reached.",
        ),
        (
            {"reached": False, "replayed": True, "threshold": 12.5},
            "PHQ-9, replayed from 2025-06-01 for 14 days: 75 % of 8 reports inside the 80 % interval, 88 % inside the"
            " 95 % interval; mean error 1.26 points. The probability given for reaching 12.5 was up to 42 %: it was"
            " not reached.",
        ),
        (
            {"warned": None},
            "PHQ-9, made on 2025-06-01 for 14 days: 75 % of 8 reports inside the 80 % interval, 88 % inside the 95 %"
            " interval; mean error 1.26 points.",
        ),
        (
            {"threshold": None},
            "PHQ-9, made on 2025-06-01 for 14 days: 75 % of 8 reports inside the 80 % interval, 88 % inside the 95 %"
            " interval; mean error 1.26 points.",
        ),
        (
            {"covered_80": 0.0, "covered_95": 0.0, "warned": None},
            "PHQ-9, made on 2025-06-01 for 14 days: 0 % of 8 reports inside the 80 % interval, 0 % inside the 95 %"
            " interval; mean error 1.26 points.",
        ),
        ({"reports": 0}, "PHQ-9, made on 2025-06-01 for 14 days: no report since, so nothing can be said."),
    ],
)
def test_a_check_in_words(change: dict[str, Any], says: str) -> None:
    assert replace(CHECK, **change).sentence == says


def test_a_forecast_was_made_at_the_time_unless_it_is_called_a_replay() -> None:
    assert not CHECK.replayed


def test_what_is_missing_says_why_and_what_was_not_asked_leaves_the_whole_complete() -> None:
    results = {
        "a": ServiceResult("a", Status.AVAILABLE, 1, model_version="a-1"),
        "b": ServiceResult("b", Status.NOT_ASKED, reason="option off", model_version="b-1"),
    }
    whole = Insights("p", DAY, Options(), results, ())
    assert whole.complete
    assert whole.missing == {"b": "not asked: option off"}
    assert whole.model_versions == {"a": "a-1"}
    for status in (Status.NO_DATA, Status.UNAVAILABLE, Status.TIMED_OUT, Status.FAILED):
        part = replace(whole, results=results | {"c": ServiceResult("c", status, reason="why")})
        assert not part.complete
        assert part.missing["c"] == f"{status}: why"


def test_a_result_is_fresh_untried_and_without_words_unless_said() -> None:
    assert ServiceResult("a", Status.NO_DATA) == ServiceResult("a", Status.NO_DATA, None, "", "", False, 0)
