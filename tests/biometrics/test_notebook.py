"""What ``nm.biometrics.correlate`` promises."""

import asyncio
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import novamind as nm
from novamind.biometrics.domain import PersonSeries
from novamind.biometrics.service import BiometricCorrelationService, default_service
from novamind.errors import InsufficientDataError, NotFoundError, ValidationError
from tests.biometrics.conftest import LAG, Frames, frames, person

COLUMNS = [
    "signal", "symptom", "detected", "score", "p_value", "q_value", "lag_hours", "lag_low", "lag_high", "sign",
    "effect", "effect_low", "effect_high", "explained_by", "n_effective", "pearson", "spearman",
]  # fmt: skip


@pytest.fixture(scope="module")
def found(tables: Frames) -> nm.biometrics.Correlations:
    return nm.biometrics.correlate(tables.biometrics, tables.symptoms)


def test_finds_the_lead_and_nothing_else(found: nm.biometrics.Correlations) -> None:
    links = found.links
    assert isinstance(links, pl.DataFrame)
    assert links.columns == COLUMNS
    lead, other = (links.row(by_predicate=pl.col("signal") == name, named=True) for name in ("hrv", "steps"))
    assert lead["detected"]
    assert lead["lag_low"] <= LAG <= lead["lag_high"]
    assert lead["sign"] == 1
    assert lead["effect_low"] > 0.2
    assert lead["p_value"] < 1e-3
    assert not other["detected"]
    edges = [edge for edge in found.graph.edges if edge.kind == "leads"]
    assert [(edge.source, edge.target) for edge in edges] == [("hrv", "anxiety")]


def test_pandas_in_pandas_out_with_the_same_figures(found: nm.biometrics.Correlations, tables: Frames) -> None:
    again = nm.biometrics.correlate(tables.biometrics.to_pandas(), tables.symptoms.to_pandas()).links
    assert isinstance(again, pd.DataFrame)
    assert again["score"].tolist() == found.links["score"].to_list()


def test_other_persons_change_nothing(found: nm.biometrics.Correlations) -> None:
    mine, other = frames(person(), "a"), frames(person(5, days=30), "b")
    both = nm.biometrics.correlate(
        pl.concat([other.biometrics, mine.biometrics]), pl.concat([other.symptoms, mine.symptoms])
    )
    assert both.links.filter(pl.col("patient_id") == "a").drop("patient_id").equals(found.links)
    with pytest.raises(ValidationError, match="2 persons"):
        _ = both.graph
    assert both.person("b").patient_id == "b"
    with pytest.raises(NotFoundError):
        both.person("c")


def test_nothing_is_infinite_or_missing(found: nm.biometrics.Correlations) -> None:
    numbers = found.links.select(pl.col(pl.Float64)).to_numpy()
    assert np.isfinite(numbers).all()
    assert set(found.links["detected"]) <= {True, False}


def test_short_and_constant_series_are_left_out_with_the_reason(record: PersonSeries) -> None:
    few = np.full(record.hours, np.nan)
    few[[5, 50, 500]] = 1.0, 2.0, 3.0
    odd = replace(
        record,
        signals=(*record.signals, "three", "flat"),
        offset=np.zeros(4),
        hourly=np.column_stack([record.hourly, few, np.full(record.hours, 36.5)]),
        symptoms=("anxiety", "never"),
        reports=np.column_stack([record.reports, np.zeros(len(record.reports))]),
    )
    tables = frames(odd)
    found = nm.biometrics.correlate(tables.biometrics.drop_nulls(), tables.symptoms)
    skipped = found.person().skipped
    assert set(skipped) == {"three", "flat", "never"}
    assert "hours" in skipped["three"]
    assert "values" in skipped["flat"]
    assert "same" in skipped["never"]
    assert set(found.links["signal"]) == {"hrv", "steps"}


def test_too_little_of_everything_is_an_error(tables: Frames) -> None:
    with pytest.raises(InsufficientDataError, match="too few reports"):
        nm.biometrics.correlate(tables.biometrics, tables.symptoms.head(6))
    with pytest.raises(InsufficientDataError, match="patient_id"):
        nm.biometrics.correlate(
            tables.biometrics.with_columns(patient_id=pl.lit("a")), tables.symptoms.with_columns(patient_id=pl.lit("b"))
        )


@pytest.mark.parametrize(
    "options",
    [{"max_lag_hours": 0}, {"max_lag_hours": 169}, {"max_lag_hours": 2.5}, {"fdr": 0}, {"fdr": 0.7}, {"seed": -1}],
)
def test_options_out_of_range_are_refused(tables: Frames, options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        nm.biometrics.correlate(tables.biometrics, tables.symptoms, **options)


def test_service_methods(tables: Frames, found: nm.biometrics.Correlations) -> None:
    service = default_service()
    one = asyncio.run(service.analyze_correlations({"patient_id": "a", "symptoms": tables.symptoms}, tables.biometrics))
    assert one.links.equals(found.links)
    days = asyncio.run(service.analyze_lag_correlations(tables.biometrics, tables.symptoms, max_lag=2))
    assert days.max_lag_hours == 48
    named = frames(person(), "b")
    with pytest.raises(ValidationError, match="another patient"):
        asyncio.run(
            service.analyze_correlations(
                {"patient_id": "a", "symptoms": named.symptoms, "biometrics": named.biometrics}
            )
        )
    with pytest.raises(ValidationError, match="unknown"):
        asyncio.run(service.analyze_correlations({"symptoms": 1, "biometrics": 1, "threshold": 2}))
    with pytest.raises(ValidationError, match="days"):
        asyncio.run(service.analyze_lag_correlations(tables.biometrics, tables.symptoms, max_lag=9))


def test_effect_filter_comes_after_the_decision(found: nm.biometrics.Correlations, tables: Frames) -> None:
    strict = BiometricCorrelationService(default_service().detector, min_effect=0.95)
    links = strict.correlate(tables.biometrics, tables.symptoms).links
    assert not links["detected"].any()
    assert links["q_value"].equals(found.links["q_value"])


def test_what_only_looks_linked_is_told_its_cause(record: PersonSeries) -> None:
    """Steps and anxiety both follow the clock."""
    hour = np.arange(record.hours)
    wave = np.cos(2 * np.pi * hour / 24)
    at = record.report_hours
    clocked = replace(
        record,
        hourly=np.column_stack([record.hourly[:, 0], record.hourly[:, 1] * np.exp(2 * wave)]),
        reports=record.reports + 3 * np.round(np.cos(2 * np.pi * at / 24))[:, None],
    )
    tables = frames(clocked)
    links = nm.biometrics.correlate(tables.biometrics, tables.symptoms).links
    row = links.row(by_predicate=pl.col("signal") == "steps", named=True)
    assert not row["detected"]
    assert row["explained_by"] == "time of day"
    assert abs(row["pearson"]) <= 1
