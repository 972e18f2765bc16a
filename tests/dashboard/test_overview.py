"""What of a reading stands on the pages: words, counts, order, age."""

import json
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from novamind.biometrics import plots as signal_plots
from novamind.biometrics.domain import Link
from novamind.biometrics.early_warning import EarlyWarning
from novamind.clinic import Overview
from novamind.infrastructure.patient_store import Kind, StoredRecord
from novamind.pharmacogenomics import recommend
from novamind.records import signal_frame
from novamind.server.dashboard import overview, rendering
from novamind.server.dashboard.overview import changes_of, moment, overview_of, visits
from novamind.symptoms.presentation import plots as symptom_plots
from novamind.twin.case import Case
from novamind.twin.domain import Options, Status
from novamind.twin.results import Insights
from novamind.twin.tracking import snapshot
from tests.golden import check_golden
from tests.twin.people import TODAY, available, case, diary, forecast, full_case, full_insights, record

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        symptom_plots, "to_svg", lambda chart: f"<svg>{chart}</svg>" if isinstance(chart, str) else "<svg/>"
    )
    monkeypatch.setattr(signal_plots, "link_map", lambda _person, hours: f"map to {hours} h")


def reading(of: Case, made_on: date = TODAY, **results: Any) -> Overview:
    return Overview(of, replace(full_insights(), made_on=made_on, results=full_insights().results | results))


# -- signals


BEGIN = np.datetime64("2025-05-01T00")
LINK = Link(
    "p",
    "sleep_duration",
    "low_mood",
    True,
    3.0,
    0.01,
    0.0123,
    30.4,
    20.6,
    41.5,
    -1,
    -0.456,
    -0.678,
    -0.234,
    None,
    45.6,
    0.1,
    0.2,
)


def linked(**change: Any) -> Link:
    return replace(LINK, **change)


def warned(hour: int = 30, **change: Any) -> EarlyWarning:
    one = EarlyWarning("sleep_duration", "low_mood", hour, -2.14, 0.512, 0.2, 0.8, 1, 20.4, 10.2, 30.6, "medium", "x")
    return replace(one, **change)


def strange(alarm_hour: int, start_hour: int = 5) -> Any:
    return SimpleNamespace(alarm_hour=alarm_hour, start_hour=start_hour, mean_deviation=-2.345, evidence=1.26)


def links(*found: Link, warnings: tuple[Any, ...] = (), anomalies: Any = None) -> Any:
    person = SimpleNamespace(
        links=found,
        insights=("said",),
        early_warning=warnings,
        anomalies=anomalies or {},
        monitoring_plan=("plan",),
        skipped={"steps": "too few"},
        reliability="r",
        series=SimpleNamespace(at=lambda hour: BEGIN + np.timedelta64(hour, "h")),
    )
    return SimpleNamespace(persons=(person,), fdr=0.05, max_lag_hours=72, model_version="links-1")


@pytest.mark.parametrize(
    ("change", "course"),
    [
        ({"lag_low": 20.0, "lag_high": 40.0}, "leads"),
        ({"lag_low": -5.0, "lag_high": 5.0}, "at about the same time"),
        ({"lag_low": -5.0, "lag_high": 0.0}, "at about the same time"),
        ({"lag_low": -9.0, "lag_high": -0.1}, "follows"),
    ],
)
def test_which_of_the_two_goes_before(change: dict[str, Any], course: str) -> None:
    assert overview._link(linked(**change))["course"] == course


@pytest.mark.parametrize(("q", "shown"), [(0.0009, "< 0.001"), (0.001, "0.001"), (0.0456, "0.046")])
def test_a_small_q_is_no_zero(q: float, shown: str) -> None:
    assert overview._link(linked(q_value=q))["q"] == shown


def test_confirmed_links_stand_apart_the_surest_first() -> None:
    found = overview._signals(
        links(
            linked(signal="a", score=1.0),
            linked(signal="b_c", score=2.0),
            linked(signal="d", detected=False, q_value=0.9),
            linked(signal="e", detected=False, q_value=0.3, explained_by="other_signal"),
            warnings=tuple(warned(hour) for hour in range(1, 8)),
            anomalies={"a_b": (strange(40), strange(10)), "c": (strange(20), *(strange(50 + i) for i in range(5)))},
        )
    )
    assert found is not None
    assert [one["signal"] for one in found["confirmed"]] == ["b c", "a"]
    assert [one["signal"] for one in found["others"]] == ["e", "d"]
    check_golden(__file__, "signals", json.loads(json.dumps(found)))
    assert len(found["warnings"]) == len(found["anomalies"]) == 5, "the newest five"
    assert overview._signals(None) is None


def test_a_warning_in_words() -> None:
    found = overview._signals(links(warnings=(warned(30),)))
    assert found is not None
    assert found["warnings"] == [
        {
            "signal": "sleep duration",
            "symptom": "low mood",
            "since": "2 May 2025",
            "moved": "-2.1",
            "expected": "+0.51",
            "expected_interval": "+0.20 to +0.80",
            "horizon": "20 h",
            "horizon_interval": "10 to 31 h",
            "reliability": "medium",
        }
    ]


# -- medication options


def test_options_are_of_the_groups_that_are_taken_and_else_antidepressants() -> None:
    def groups(*taken: str) -> str:
        return str(overview._options(recommend({}, None, taken), taken)["groups"])

    assert groups() == groups("lithium") == groups("Obscurol") == "antidepressants"
    assert groups("haloperidol") == "antipsychotics"
    assert groups("haloperidol", "sertraline") == "antidepressants and antipsychotics"


def test_options_stand_in_the_order_of_the_review_eight_first_and_others_apart() -> None:
    patient = case(genotype={"CYP2D6": "*4/*4", "CYP2C19": "*2/*2"}, medications=("sertraline",))
    review = recommend(patient.genotype, None, ("sertraline",))
    found = overview._options(review, ("sertraline",))
    names = [one["drug"] for one in (*found["first"], *found["rest"])]
    assert len(found["first"]) == 8
    assert names == [one.drug for one in review.ranking if one.drug in names]
    assert [one["drug"] for one in (*found["first"], *found["rest"]) if one["taken"]] == ["sertraline"]
    others = [one["drug"] for one in found["others"]]
    assert "haloperidol" in others
    assert not set(others) & set(names)
    assert found["leads"] == review.comparison(names)
    assert list(found["sources"].values()) == list(range(1, len(found["sources"]) + 1))
    cited = {one["advice_source"] for one in (*found["first"], *found["rest"], *found["others"])} - {None}
    assert cited <= set(found["sources"].values())
    check_golden(
        __file__,
        "options",
        {
            "first": [{k: v for k, v in one.items() if k != "cautions"} for one in found["first"]],
            "cautions": {one["drug"]: one["cautions"] for one in (*found["first"], *found["rest"])},
            "others": others,
            "leads": found["leads"],
            "sources": {source.id: number for source, number in found["sources"].items()},
        },
    )


@pytest.mark.parametrize(
    ("concern", "standing", "shown"), [(0, "no advice", None), (0, "", 0), (1, "no advice", 1), (4, "", 4)]
)
def test_no_advice_is_no_green_light(concern: int, standing: str, shown: int | None) -> None:
    found = replace(recommend({}, ("sertraline",))["sertraline"], concern=concern, standing=standing)
    assert overview._option(found, True, overview._Sources())["concern"] == shown


def test_sources_are_numbered_as_they_are_first_cited() -> None:
    cite = overview._Sources()
    first, second = (one.reference for one in recommend(
        case(genotype={"CYP2C19": "*2/*2"}).genotype, ("citalopram",))["citalopram"].guidelines[:2])  # fmt: skip
    assert [cite(first), cite(second), cite(first), cite(None)] == [1, 2, 1, None]


# -- what there is, how old it is


def test_a_series_says_how_much_of_its_time_it_covers() -> None:
    values = [1.0, float("nan"), 3.0, 4.0]
    when = [datetime(2025, 5, day, 8, tzinfo=UTC).replace(tzinfo=None) for day in (1, 2, 3, 10)]
    table = pl.DataFrame(
        {"timestamp": when, "value": values, "signal": "heart_rate", "unit": "/min", "patient_id": "p"}
    )
    twice = table.vstack(table.head(1).with_columns(pl.col("timestamp") + timedelta(hours=3)))
    assert overview._series(signal_frame(twice), "signal") == [
        {
            "name": "heart rate",
            "kind": "signal",
            "unit": "/min",
            "count": 4,
            "window": "1 to 10 May 2025",
            "days": "3 of 10",
            "share": 30,
            "longest_gap": 6,
        }
    ]
    assert overview._series(signal_frame(table.slice(1, 1)), "signal") == [], "nothing but gaps"
    (one,) = overview._series(signal_frame(table.head(1)), "signal")
    assert (one["days"], one["share"], one["longest_gap"]) == ("1 of 1", 100, 0)
    assert overview._series(None, "signal") == []


@pytest.mark.parametrize(("days", "old"), [(0, False), (14, False), (15, True)])
def test_a_record_is_old_after_two_weeks(days: int, old: bool) -> None:
    given = reading(case(symptoms=diary([5.0] * 3)), TODAY + days * DAY)
    said = "The record ends 15 days ago, on 1 Jun 2025: forecasts are for the days after that, not for today."
    assert overview._age(given) == (said if old else "")
    assert overview._age(reading(case())) == ""


# -- the two pages


def reported(timestamp: str | None, stored_at: datetime) -> StoredRecord:
    content = {"symptom": "PHQ-9", "timestamp": timestamp, "value": 3.0}
    return StoredRecord(uuid4(), 1, Kind.SYMPTOM_REPORT, content, stored_at)


def test_what_changed_counts_what_came_in_the_last_week() -> None:
    now = datetime(2025, 6, 1, 12, tzinfo=UTC)
    ages = (timedelta(), timedelta(days=7), timedelta(days=7, seconds=1), timedelta(days=30))
    stored = [reported((now - age).isoformat(), now) for age in ages]
    shown = changes_of(reading(full_case()), stored, now)
    assert (shown["new"], shown["days"]) == (2, 7)
    check_golden(__file__, "changes", shown)


@pytest.mark.parametrize(
    ("timestamp", "new"),
    [
        ("2025-05-25T12:00:00+00:00", 1),
        ("2025-05-25T14:00:00+02:00", 1),
        ("2025-05-25T13:59:59+02:00", 0),
        ("2025-05-25T12:00:00", 1),
        ("2025-05-25T11:59:59", 0),
        ("once upon a time", 0),
        (None, 0),
    ],
)
def test_a_report_is_new_by_its_own_date_and_not_by_that_of_its_import(timestamp: str | None, new: int) -> None:
    now = datetime(2025, 6, 1, 12, tzinfo=UTC)
    assert changes_of(reading(full_case()), [reported(timestamp, now)], now)["new"] == new
    later = reported(timestamp, now - timedelta(days=300))
    assert changes_of(reading(full_case()), [later], now)["new"] == new


def test_what_is_recommended_anew_and_no_longer_stands_beside_the_day_before() -> None:
    now = reading(full_case())
    first, *others = now.insights.recommendations
    gone = replace(first, topic="gone", text="what is closed by now")
    before = snapshot(replace(now.insights, made_on=TODAY - DAY, recommendations=(*others, gone)))
    assert before is not None
    shown = changes_of(replace(now, earlier=[before]), (), datetime(2025, 6, 1, tzinfo=UTC))
    assert shown["since"] == {
        "day": "31 May 2025",
        "begun": [(first.topic, first.priority.words)],
        "ended": ["gone"],
    }
    page = rendering._ENVIRONMENT.get_template("changes.html").render(
        shown=shown, layout="fragment.html", fragment=True
    )
    assert f"Now: {first.topic} ({first.priority.words})" in page
    assert "No longer: gone" in page
    assert "what is closed by now" not in page
    today = replace(now, earlier=[replace(before, made_on=TODAY)])
    assert changes_of(today, (), datetime(2025, 6, 1, tzinfo=UTC))["since"] is None


def test_without_a_forecast_the_page_says_why() -> None:
    failed = replace(full_insights().results["symptoms"], status=Status.NO_DATA, reason="nothing there")
    shown = changes_of(reading(full_case(), symptoms=failed), (), datetime(2025, 6, 1, tzinfo=UTC))
    assert (shown["missing"], shown["latest"], shown["trends"], shown["risks"]) == ("nothing there", [], [], [])


def test_the_latest_report_is_the_last_that_has_a_number() -> None:
    given = forecast([5.0, 7.0, float("nan")])
    assert overview._latest(given) == "PHQ-9 7 on 31 May 2025"


def test_everything_of_the_patient_page() -> None:
    given = reading(full_case(), TODAY + 20 * DAY, biometrics=available("biometrics", links(linked()))["biometrics"])
    del given.insights.results["late"]  # type: ignore[attr-defined]
    shown = overview_of(given)
    assert [int(one.priority) for one in shown["pressing"]] == [
        int(one.priority) for one in given.insights.recommendations if one.priority <= 2
    ]
    assert shown["insights"] is given.insights
    kept = {
        name: shown[name]
        for name in ("forecasts", "skipped", "reasons", "lookback_days", "genotype", "conditions", "allergies",
                     "series",
                     "last", "made", "old")
    }  # fmt: skip
    kept["statuses"] = [name for name, _ in shown["statuses"]]
    kept["medications"] = list(shown["medications"])
    kept["taken"] = [one["drug"] for one in shown["taken"]]
    kept["courses"] = [one["drug"] for one in shown["courses"]]
    kept["options"] = shown["options"]["groups"]
    check_golden(__file__, "overview", json.loads(json.dumps(kept, default=asdict)))


def test_the_page_of_a_record_in_which_nothing_is() -> None:
    results = {
        name: replace(one, status=Status.NO_DATA, value=None)
        for name, one in full_insights().results.items()
        if name != "late"
    }
    shown = overview_of(Overview(Case(record(), TODAY), Insights("p", TODAY, Options(), results, ())))
    empty = (
        "pressing",
        "forecasts",
        "skipped",
        "medications",
        "genotype",
        "conditions",
        "allergies",
        "taken",
        "courses",
        "series",
    )
    assert not [name for name in empty if shown[name]]
    assert (shown["signals"], shown["options"], shown["last"], shown["old"]) == (None, None, "", "")
    assert shown["made"] == "1 Jun 2025"


def test_a_forecast_without_a_cut_off_has_no_risk_picture() -> None:
    bare = overview._forecast(forecast([5.0] * 20, "mood"))
    assert (bare["threshold"], bare["periods"], bare["risk_picture"]) == (None, [], None)
    risky = overview._forecast(forecast([23.0] * 20, middle=23, spread=3))
    assert (risky["threshold"], risky["risk_picture"]) == ("20 or higher", "<svg/>")
    assert risky["periods"] == [("2 to 6 Jun 2025", "98 %")]


# -- who looked


def entry(**change: Any) -> dict[str, Any]:
    known = {
        "correlation_id": "c1", "actor": "0123456789", "action": "record.read", "outcome": "ok", "role": "clinician",
        "purpose": "treatment", "at": "2025-06-01T08:05:00+02:00", "what": "symptom_report", "count": 2,
    }  # fmt: skip
    return known | change


def test_entries_of_one_request_are_one_visit() -> None:
    found = visits([entry(), entry(what="genotype", count=1), entry(count=3)], "somebody else")
    assert found == [
        {
            "at": "1 Jun 2025, 06:05 UTC",
            "who": "01234567",
            "role": "clinician",
            "purpose": "treatment",
            "action": "record read",
            "outcome": "ok",
            "what": {"symptom report": 5, "genotype": 1},
        }
    ]


@pytest.mark.parametrize(
    "change", [{"correlation_id": "c2"}, {"actor": "x"}, {"action": "write"}, {"outcome": "denied"}]
)
def test_another_request_person_deed_or_outcome_is_another_visit(change: dict[str, Any]) -> None:
    assert len(visits([entry(), entry(**change)], "")) == 2
    assert len(visits([entry(), entry(role="admin", purpose="x")], "")) == 1


def test_one_is_called_you() -> None:
    own = str(uuid4())
    assert [one["who"] for one in visits([entry(actor=own), entry()], own)] == ["you", "01234567"]


def test_moments_are_of_universal_time() -> None:
    assert moment("2025-12-31T23:59:59-05:00") == "1 Jan 2026, 04:59 UTC"
