"""Pictures: each value that is drawn, and the whole specification of each as it is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from novamind.errors import ValidationError
from novamind.populations import InterventionConfig, SimulationEngine
from novamind.populations.interventions.evidence import AssumedEffect
from novamind.populations.presentation import plots
from novamind.populations.table import Column, Table
from tests.golden import check_golden
from tests.populations import by_hand


def tables(chart: Any) -> list[list[dict[str, Any]]]:
    """What is drawn, each table once, in the order of the specification."""
    return list(chart.to_dict()["datasets"].values())


def shown(chart: Any) -> Any:
    """The specification, without Altair's version and the names that it makes from what the tables hold."""

    def left(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {k: v for k, v in value.items() if k not in ("$schema", "name", "config", "datasets")}
            return {k: left(v) for k, v in kept.items()}
        return [left(v) for v in value] if isinstance(value, list) else value

    return {"chart": left(chart.to_dict()), "tables": tables(chart)}


def other() -> Any:
    return by_hand.population(20).features.take(np.arange(3, 20))


def test_marginals_are_shares_of_levels_and_cumulative_shares_of_numbers() -> None:
    chart = plots.marginals(by_hand.table(), other(), ["specialty", "visits"])
    word, number = tables(chart)
    assert chart.to_dict()["columns"] == 3
    assert [part["title"] for part in chart.to_dict()["concat"]] == ["specialty", "visits"]
    shares = {(r["of"], r["value"]): r["share"] for r in word}
    assert shares["real", "oncology"] == 6 / 12
    assert shares["twins", "oncology"] == pytest.approx(np.mean(other().values["specialty"] == 1))
    assert shares["real", "None"] == 2 / 12
    cumulative = {(r["of"], r["value"]): r["share"] for r in number}
    assert cumulative["real", 0.0] == 0.1  # of the ten known ones
    assert cumulative["real", 2.0] == 0.4
    assert cumulative["real", 9.0] == 1.0
    assert len(plots.marginals(by_hand.table(), other()).to_dict()["concat"]) == 6


def test_a_number_is_drawn_at_forty_quantiles() -> None:
    many = Table((Column("n", "number"),), {"n": np.arange(1_000.0)}, "polars")
    (rows,) = tables(plots.marginals(many, many))
    drawn = [r["value"] for r in rows if r["of"] == "real"]
    np.testing.assert_allclose(drawn, np.linspace(0, 999, 41))


def test_marginals_as_they_are() -> None:
    check_golden(__file__, "plot_marginals", shown(plots.marginals(by_hand.table(), other())))


def test_associations_are_rank_correlations_with_gaps_at_the_median() -> None:
    table = by_hand.table()
    chart = plots.associations(table, other())
    found = {(r["of"], r["a"], r["b"]): r["correlation"] for r in tables(chart)[0]}
    assert len(found) == 18
    visits = table.values["visits"].copy()
    visits[np.isnan(visits)] = np.nanmedian(visits)

    def ranks(values: np.ndarray) -> list[float]:
        return [float(np.sum(values < v) + (np.sum(values == v) + 1) / 2) for v in values]

    expected = np.corrcoef(ranks(table.values["decile"]), ranks(visits))[0, 1]
    assert found["real", "decile", "visits"] == pytest.approx(expected)
    assert found["real", "visits", "decile"] == pytest.approx(expected)
    assert found["real", "score", "score"] == pytest.approx(1.0)
    assert plots._ranks(visits).tolist() == ranks(visits)
    check_golden(__file__, "plot_associations", shown(chart))


def test_effects_have_a_row_each_and_the_limit_to_deploy() -> None:
    engine = SimulationEngine(by_hand.population(), AssumedEffect(0.2, 0.05), minimum_effect=0.07)
    result = engine.simulate(InterventionConfig("email_campaign"))
    chart = plots.effects(result)
    check_golden(__file__, "plot_effects", shown(chart))
    rows, limit = tables(chart)
    assert [r["group"] for r in rows][:2] == ["all twins", "region: north"]
    assert (rows[0]["effect"], rows[0]["low"], rows[0]["high"]) == (result.average_treatment_effect, *result.interval)
    first = result.heterogeneity["region"][0]
    assert (rows[1]["effect"], rows[1]["low"], rows[1]["high"]) == (first.effect, first.low, first.high)
    assert limit == [{"x": 0.07}]
    assert chart.to_dict()["title"] == "Advice: test_further"


def test_grades_over_time() -> None:
    reports = [by_hand.graded(), by_hand.graded(mae=0.3, coverage_95=0.88)]
    chart = plots.fidelity(reports)
    assert tables(chart)[0] == [
        {"grade": 1, "measure": "mean absolute error", "value": 0.1},
        {"grade": 1, "measure": "coverage of 95 % intervals", "value": 0.95},
        {"grade": 2, "measure": "mean absolute error", "value": 0.3},
        {"grade": 2, "measure": "coverage of 95 % intervals", "value": 0.88},
    ]
    check_golden(__file__, "plot_fidelity", shown(chart))
    with pytest.raises(ValidationError, match="no grade to draw yet"):
        plots.fidelity([])


def test_importance_is_drawn_as_it_was_measured() -> None:
    chart = plots.feature_importance(replace(by_hand.metrics(), feature_importance={"b": 0.7, "a": 0.3}))
    assert tables(chart)[0] == [{"feature": "b", "share": 0.7}, {"feature": "a", "share": 0.3}]
    check_golden(__file__, "plot_importance", shown(chart))
