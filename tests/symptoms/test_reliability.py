"""Each weakness of a record lowers the grade and is named; a good record says what its grade rests on."""

from typing import Any

import numpy as np
import pytest

from novamind.symptoms.forecaster.reliability import reliability

ORDER = ("low", "medium", "high")


def graded(history: np.ndarray, ratio: float = 1.0, scored_days: int = 28, reports_per_day: float = 1.0) -> Any:
    return reliability(history, ratio, scored_days, reports_per_day)


def diary(days: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(3, 15, days).astype(float)


def test_a_full_diary_is_reliable_and_says_why() -> None:
    grade = graded(diary())
    assert grade.level == "high"
    assert grade.reasons == (
        "60 days with reports, 100 % of the last 28 days",
        "earlier forecasts of this record erred 1.0 times as far as stated",
    )


@pytest.mark.parametrize(
    ("days", "level", "reason"),
    [
        (5, "low", "only 5 days with reports"),
        (7, "low", "only 7 days with reports"),
        (8, "medium", "8 days with reports"),
        (19, "medium", "19 days"),
    ],
)
def test_short_records(days: int, level: str, reason: str) -> None:
    grade = graded(diary(days))
    assert grade.level == level
    assert grade.reasons[0].startswith(reason)


@pytest.mark.parametrize(("silent", "level"), [(0, "high"), (4, "high"), (5, "medium"), (14, "medium"), (15, "low")])
def test_silence_before_the_forecast(silent: int, level: str) -> None:
    history = diary(120)
    history[len(history) - silent :] = np.nan
    grade = graded(history)
    assert grade.level == level
    assert (f"no report in the last {silent} days" in grade.reasons) == (level != "high")


@pytest.mark.parametrize(("every", "level"), [(1, "high"), (2, "medium"), (7, "low")])
def test_thin_reporting(every: int, level: str) -> None:
    history = np.full(280, np.nan)
    history[::-every] = diary(-(-280 // every))
    grade = graded(history)
    assert grade.level == level


@pytest.mark.parametrize(("ratio", "level"), [(0.5, "high"), (1.35, "high"), (1.5, "medium"), (2.0, "low")])
def test_earlier_errors_count_once_there_are_enough_of_them(ratio: float, level: str) -> None:
    assert graded(diary(), ratio).level == level
    assert graded(diary(), ratio, scored_days=6).level == "high"
    said = f"earlier forecasts of this record erred {ratio:.1f} times as far as stated"
    assert said in graded(diary(), ratio).reasons
    assert said not in graded(diary(), ratio, scored_days=6).reasons


def test_a_constant_record_is_never_highly_reliable() -> None:
    grade = graded(np.full(60, 4.0))
    assert grade.level == "medium"
    assert grade.reasons == ("every report is the same, so the person's variation is not known",)


def test_averaged_reports_are_said() -> None:
    assert "2.4 reports a day, averaged" in graded(diary(), reports_per_day=2.4).reasons


def test_every_weakness_is_named_gravest_first() -> None:
    history = np.full(60, np.nan)
    history[[10, 20, 30, 39, 40]] = [4, 5, 6, 5, 5]
    grade = graded(history, ratio=1.5)
    assert grade.level == "low"
    assert [reason.split(" ")[0] for reason in grade.reasons] == ["only", "no", "reports", "earlier"]


@pytest.mark.parametrize("seed", range(20))
def test_losing_reports_never_raises_the_grade(seed: int) -> None:
    rng = np.random.default_rng(seed)
    history = diary(int(rng.integers(20, 120)))
    grades = [graded(history).level]
    for day in rng.permutation(len(history) - 5)[: len(history) - 9]:
        history[day] = np.nan
        grades.append(graded(history).level)
    assert [ORDER.index(g) for g in grades] == sorted((ORDER.index(g) for g in grades), reverse=True)


def with_gap(gap: int, days: int = 120) -> np.ndarray:
    history = diary(days)
    history[days - gap :] = np.nan
    return history


@pytest.mark.parametrize(("gap", "level"), [(4, "high"), (5, "medium"), (11, "medium"), (14, "medium"), (15, "low")])
def test_silence_counts_from_five_days_and_gravely_from_fifteen(gap: int, level: str) -> None:
    grade = graded(with_gap(gap))
    silence = f"no report in the last {gap} days"
    assert (silence in grade.reasons) == (gap > 4)
    assert grade.level == level
    assert (grade.reasons[0] == silence) == (gap > 4)


@pytest.mark.parametrize(("reports", "level"), [(28, "high"), (17, "high"), (16, "medium"), (7, "medium"), (6, "low")])
def test_density_counts_over_28_days(reports: int, level: str) -> None:
    """0.6 of 28 days are 16.8, a quarter are 7."""
    history = diary(120)
    history[-28:] = np.nan
    history[-28:][np.linspace(0, 27, reports).round().astype(int)] = np.arange(reports)
    grade = graded(history)
    assert grade.level == level
    if level != "high":
        assert grade.reasons[0] == f"reports on {100 * reports / 28:.0f} % of the last 28 days"


@pytest.mark.parametrize(
    ("ratio", "days", "level"),
    [
        (1.35, 7, "high"), (1.36, 7, "medium"), (1.8, 7, "medium"), (1.81, 7, "low"),
        (1.81, 6, "high"), (1.36, 6, "high"), (0.2, 7, "high"),
    ],
)  # fmt: skip
def test_earlier_errors_count_from_seven_days_on(ratio: float, days: int, level: str) -> None:
    grade = graded(diary(), ratio, days)
    assert grade.level == level
    named = f"earlier forecasts of this record erred {ratio:.1f} times as far as stated" in grade.reasons
    assert named == (days >= 7)


@pytest.mark.parametrize(("per_day", "named"), [(1.3, False), (1.31, True)])
def test_averages_are_named_where_there_are_several_a_day(per_day: float, named: bool) -> None:
    assert ("1.3 reports a day, averaged" in graded(diary(), reports_per_day=per_day).reasons) == named


@pytest.mark.parametrize(("reports", "level"), [(20, "high"), (19, "medium"), (8, "medium"), (7, "low")])
def test_few_reports_count(reports: int, level: str) -> None:
    grade = graded(diary(reports))
    assert grade.level == level
    reasons = {
        "low": "only 7 days with reports",
        "medium": f"{reports} days with reports; 20 or more tell the person's own pattern",
        "high": "20 days with reports, 100 % of the last 20 days",
    }
    assert grade.reasons[0] == reasons[level]


@pytest.mark.parametrize(("days", "named"), [(7, False), (8, True)])
def test_a_record_of_one_answer_says_so(days: int, named: bool) -> None:
    same = "every report is the same, so the person's variation is not known"
    assert (same in graded(np.full(days, 4.0)).reasons) == named
    assert same not in graded(np.append(np.full(days, 4.0), 5.0)).reasons


def test_grave_reasons_stand_first() -> None:
    history = np.full(60, np.nan)
    history[[0, 10, 20, 30, 40]] = 4
    assert graded(history, 1.5, 20).reasons == (
        "only 5 days with reports",
        "no report in the last 19 days",
        "reports on 4 % of the last 28 days",
        "earlier forecasts of this record erred 1.5 times as far as stated",
    )
