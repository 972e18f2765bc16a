"""The page: words, figures and rows as they stand there."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from novamind.pharmacogenomics import recommend
from novamind.symptoms.presentation import plots
from novamind.twin.domain import Status
from novamind.twin.report import exposure_words, forecast_section, render, review_section, what_if_section
from novamind.twin.what_if import what_if
from tests.golden import check_golden
from tests.twin.people import PHQ9, case, forecast, full_case, full_insights


def lines(page: str) -> list[str]:
    """What a reader sees, a line for each block; pictures and style left out."""
    bare = re.sub(r"<(svg|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    split = re.sub(r"</?(p|li|h\d|tr|section|header|footer|caption|ul|ol)\b[^>]*>", "\n", bare)
    words = (" ".join(unescape(re.sub(r"<[^>]+>", " ", one)).split()) for one in split.split("\n"))
    return [one for one in words if one]


@pytest.fixture(scope="module", autouse=True)
def sketched() -> Iterator[None]:
    """Pictures are drawn elsewhere; here it counts that they are there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "to_svg", lambda chart: f"<svg>{type(chart).__name__}</svg>")
        yield


@pytest.fixture(scope="module")
def page() -> str:
    asked = what_if(full_case(), "venlafaxine", 75, weeks=1, interval_hours=12, ensemble=0)
    return render(full_insights(), full_case(), (asked,))


def test_every_sentence_and_figure_of_the_page(page: str) -> None:
    check_golden(__file__, "report", lines(page))


def test_the_most_pressing_leads_the_page_and_else_the_first(page: str) -> None:
    def lead(insights: Any) -> str:
        return str(re.search(r'<p class="lead">(.*?)</p>', render(insights, full_case()))[1])  # type: ignore[index]

    insights = full_insights()
    assert insights.recommendations[0].priority == 1
    assert unescape(lead(insights)) == insights.recommendations[0].text
    later = tuple(one for one in insights.recommendations if one.priority > 1)
    assert later
    assert unescape(lead(replace(insights, recommendations=later))) == later[0].text
    assert lead(replace(insights, recommendations=())) == "Nothing in the results asks for action."
    assert page.count("<svg") == 6, "three forecasts, two courses, one what-if"


def test_parts_without_a_result_are_left_out_and_their_reason_is_said() -> None:
    late = {name: replace(one, status=Status.TIMED_OUT, reason="late") for name, one in full_insights().results.items()}
    shown = lines(render(replace(full_insights(), results=late, recommendations=(), tracking=()), full_case()))
    assert not [line for line in shown if "forecast" in line and "Model" in line]
    assert [line for line in shown if line.startswith("Symptom forecast")] == ["Symptom forecast timed out: late v1"]
    assert "Current medication, for this genotype and co-medication" not in shown
    check_golden(__file__, "report_without_results", shown)


def test_an_empty_record_has_a_page() -> None:
    nobody = replace(full_insights(), results={}, recommendations=(), tracking=(), notes=())
    check_golden(__file__, "report_of_nobody", lines(render(nobody, case())))


@pytest.mark.parametrize(
    ("days", "rows"),
    [(1, ["2 Jun 2025"]), (2, ["2 Jun 2025", "3 Jun 2025"]), (5, ["2 Jun 2025", "4 Jun 2025", "6 Jun 2025"])],
)
def test_a_forecast_shows_its_first_middle_and_last_day(days: int, rows: list[str]) -> None:
    given = forecast([8.0] * 20, middle=8, spread=6, drift=1)
    short = replace(
        given,
        days=given.days[:days],
        quantiles=given.quantiles[:days],
        continuous_quantiles=given.continuous_quantiles[:days],
    )
    section = forecast_section(short)
    assert [row[0] for row in section["rows"]] == rows
    # Quantiles at p are 2 + 12 p: 80 % from 3.2 to 12.8 and 95 % from 2.3 to 13.7, on whole points.
    assert section["rows"][0][1:] == ("8", "3 to 13", "2 to 14")
    assert section["coverage"] == "80 % intervals held 81.2 %; 95 % intervals held 94.6 %"


def test_a_risk_is_shown_where_there_is_a_cut_off() -> None:
    assert "10 or higher" in forecast_section(forecast([8.0] * 20))["risk"]
    assert forecast_section(forecast([8.0] * 20, "mood", PHQ9))["risk"] is None


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ((1.234, 1.1, 1.456), "1.23 (95 % 1.10 to 1.46)"),
        ((None, 0.5, 2.0), "0.50 to 2.00"),
        ((1.0, None, 2.0), "not known"),
        ((1.0, 0.5, None), "not known"),
        ((None, None, None), "not known"),
    ],
)
def test_an_exposure_in_words(figures: tuple[float | None, ...], words: str) -> None:
    assert exposure_words(*figures) == words  # type: ignore[arg-type]


def test_a_review_shows_what_is_taken_and_was_reviewed() -> None:
    review = full_insights().results["pharmacogenomics"].value
    shown = review_section(review, full_case())
    assert [one["drug"] for one in shown] == ["citalopram", "atomoxetine"]
    assert review_section(None, full_case()) == []
    converted = case(medications=("fluoxetine", "atomoxetine"), genotype={"CYP2D6": "*1/*1"})
    both = recommend(converted.genotype, ("atomoxetine",), ("fluoxetine", "atomoxetine"))
    (one,) = review_section(both, converted)
    check_golden(__file__, "review_section", one | {"source": str(one["source"])})


def test_a_simulated_course_says_how_often_and_gives_its_figures() -> None:
    daily = what_if(case(), "sertraline", 50, weeks=1, ensemble=0)
    twice = what_if(case(), "sertraline", 50, weeks=1, interval_hours=12, ensemble=3)
    assert what_if_section(daily)["dose"] == "50 mg a day"
    assert what_if_section(twice)["dose"] == "50 mg every 12 h"
    name, value, band, source = what_if_section(daily)["rows"][0]
    assert (name, band, source) == ("mean plasma level, week 1 (ng/mL)", "none", "neurochemistry-1")
    assert value == f"{daily.level.value:.3g}"
    held = next(row for row in what_if_section(twice)["rows"] if row[0] == "SERT occupancy, last day")
    span = twice.occupancy["SERT"]
    assert span.low is not None
    assert span.high is not None
    assert held[1:3] == (f"{100 * span.value:.0f} %", f"{100 * span.low:.0f} % to {100 * span.high:.0f} %")
    section = what_if_section(what_if(case(), "haloperidol", 5, weeks=1, ensemble=0))
    assert any(row[0].endswith(", position in its range") for row in section["rows"])
    assert any(
        row[0] == "difference from placebo, average trial patient (standardised)"
        for row in what_if_section(daily)["rows"]
    )
