"""The report holds what the forecast says, in one safe, accessible file."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novamind.errors import ValidationError
from novamind.symptoms.domain import LEVELS, Member, Reliability, Scale, SymptomForecast
from novamind.symptoms.forecaster.explanation import RECORD_PARTS
from novamind.symptoms.instruments import find
from novamind.symptoms.presentation import report
from novamind.symptoms.presentation.report import render
from tests.golden import check_golden
from tests.symptoms.conftest import moved_by

VOID = {"meta", "br", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """Tags, attributes and text of a document, and whether its tags close in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page() -> Page:
    from tests.symptoms.conftest import build_forecast

    return Page(render(build_forecast(), 15, find("PHQ-9")))


def test_the_report_says_who_what_when_and_how(page: Page) -> None:
    for said in (
        "Patient patient-7",
        "record to 14 Mar 2025",
        "forecast 15 Mar 2025 to 28 Mar 2025",
        "PHQ-9 is expected around",
        "Getting worse: +0.42 points a week",
        "The probability of 15 or higher is 50 % or more on 24 to 28 Mar 2025",
        "Medium: 14 % of the last 28 days have no report.",
        "Reports rose by 3 points over the last six weeks.",
        "Kroenke, Spitzer & Williams 2001",
        "moderately severe",
        "It moves from there by: the week before +3.10, last report +1.40, weekday +0.60, earlier reports -0.20.",
        "Shapley values of the whole forecast",
        "test-1",
        "80 % intervals held 80.6 % of the outcomes",
        "Clinical judgement decides.",
        "not a diagnosis",
    ):
        assert re.sub(r"\s+", " ", said) in page.text, said


def test_every_day_stands_in_the_table(phq9: SymptomForecast) -> None:
    html = render(phq9, 15)
    rows = [
        re.sub(r"\s+", " ", " ".join(Page(row).words)).strip()
        for row in re.findall(r'<th scope="row">\d+ Mar 2025.*?(?=</tr>)', html)
    ]
    assert len(rows) == phq9.horizon
    low50, low80, low95 = (phq9.interval(level).low[0] for level in (0.5, 0.8, 0.95))
    high50, high80, high95 = (phq9.interval(level).high[0] for level in (0.5, 0.8, 0.95))
    chance = 100 * phq9.risk(15).probability[0]
    assert rows[0] == (
        f"15 Mar 2025 {phq9.median[0]:.0f} {low50:.0f} to {high50:.0f} {low80:.0f} to {high80:.0f} "
        f"{low95:.0f} to {high95:.0f} {chance:.0f} %"
    )


def test_members_errors_are_in_points_and_sorted_by_weight(make_forecast: Any) -> None:
    members = (Member("small", 0.2, None, 10.0), Member("large", 0.8, 20.0, 30.0))
    text = Page(render(replace(make_forecast(), members=members))).text
    assert re.search(r"large 80 % 5\.40 8\.10 .*small 20 % record too short 2\.70", text)


def test_what_is_not_known_is_left_out(make_forecast: Any) -> None:
    text = Page(render(make_forecast(patient_id=None))).text
    for absent in ("Patient", "Risk", "Threshold reached", "Published cut-offs", "None", "nan"):
        assert absent not in text


def test_the_file_is_self_contained_and_runs_nothing(page: Page) -> None:
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("href", "src", "action", "xlink:href", "srcset"), (tag, name)
            assert "url(" not in (value or "")
    policy = next(m for m in page.named("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert len(page.named("svg")) == 2


def test_the_file_is_accessible(page: Page) -> None:
    assert page.named("html") == [{"lang": "en"}]
    assert not page.open
    assert len(page.named("h1")) == len(page.named("main")) == len(page.named("title")) == 1
    assert all(header.get("scope") in ("row", "col") for header in page.named("th"))
    assert len(page.named("caption")) == len(page.named("table"))
    pictures = [a for a in page.named("div") if a.get("role") == "img"]
    assert len(pictures) == 2
    assert all("stand in the table below" in (a["aria-label"] or "") for a in pictures)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    named = {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a}
    assert named <= set(ids)


def test_light_dark_and_print_are_styled(phq9: SymptomForecast) -> None:
    html = render(phq9)
    assert "@media (prefers-color-scheme: dark)" in html
    assert "@media print" in html
    assert ".picture { background: #fff" in html  # the picture's own ground is light in both


ATTACKS = (
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "</style></svg><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;script&gt; & <b>",
    "]]><!--",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_names_cannot_become_markup(make_forecast: Any, attack: str) -> None:
    forecast = replace(
        make_forecast(symptom=attack, patient_id=attack),
        explain=moved_by(make_forecast().continuous_quantiles, {attack: 1.0}),
        insights=(attack,),
        members=(Member(attack, 1.0, None, 1.0),),
        reliability=Reliability("low", (attack,)),
        model_version=attack,
    )
    found, harmless = Page(render(forecast, 15)), Page(render(make_forecast(), 15))
    assert {tag for tag, _ in found.tags} <= {tag for tag, _ in harmless.tags}
    assert {name for _, a in found.tags for name in a} <= {name for _, a in harmless.tags for name in a}
    assert not found.open
    assert " ".join(attack.split()) in found.text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40), st.text(max_size=20))
def test_any_name_can_be_reported(make_forecast: Any, symptom: str, patient: str) -> None:
    forecast = make_forecast(symptom=symptom, patient_id=patient.encode("utf-8", "replace").decode(), days=20)
    assert not Page(render(forecast)).open


def test_same_forecast_same_bytes(make_forecast: Any) -> None:
    assert render(make_forecast(), 15, find("PHQ-9")) == render(make_forecast(), 15, find("PHQ-9"))


def test_scales_where_high_is_better(make_forecast: Any) -> None:
    forecast = make_forecast(symptom="WHO-5", scale=Scale(0, 100, 4, "low"))
    text = Page(render(forecast, 50, find("WHO-5"))).text
    assert "higher is better" in text
    assert "50 or lower positive screen for depression" in text
    assert "last report +1.40 +0.00 towards better" in text
    assert "earlier reports -0.20 +0.00 towards worse" in text


def test_a_threshold_off_the_scale_is_refused(phq9: SymptomForecast) -> None:
    with pytest.raises(ValidationError, match="0 to 27"):
        render(phq9, 28)


@pytest.mark.parametrize("which", ["full", "plain", "better"])
def test_reports_are_what_they_were(make_forecast: Any, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    """The whole page but its pictures, which have tests of their own."""
    monkeypatch.setattr(report, "to_svg", lambda _: "<svg></svg>")
    forecast = make_forecast(horizon=3)
    if which == "full":
        known = replace(
            forecast,
            covariates={"sleep": 1.2},
            explain=lambda: replace(
                forecast.explanation, shifts={"weekday": np.outer([0, 1, -2], LEVELS), "last report": np.ones((3, 21))}
            ),
        )
        page = render(known, 15, find("PHQ-9"))
    elif which == "plain":
        quiet = make_forecast(horizon=1, patient_id=None, scale=Scale(0, 1))
        nothing = moved_by(quiet.continuous_quantiles, dict.fromkeys(RECORD_PARTS, 0.0))
        page = render(replace(quiet, insights=(), explain=nothing))
    else:
        page = render(make_forecast(scale=Scale(0, 100, 4, "low"), horizon=2), 50, find("WHO-5"))
    body = page[page.index("</style>") :]
    check_golden(__file__, f"report_{which}", [line for line in body.splitlines() if line.strip()])


def test_the_style_is_what_it_was(phq9: SymptomForecast) -> None:
    page = render(phq9)
    check_golden(__file__, "report_style", page[: page.index("</style>")].splitlines())
