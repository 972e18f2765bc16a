"""Each result's one JSON: figures as the result has them, and null where there is none."""

import json
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import pytest

from novamind.populations import InterventionConfig, SimulationEngine
from novamind.populations.codec import PopulationBody, StoredSimulationBody, TwinModelBody
from tests.populations import by_hand


def test_figures_of_a_model_are_those_of_the_result() -> None:
    metrics = by_hand.metrics(warnings=("a",), rules=("b",))
    assert metrics.to_dict() == json.loads(json.dumps(asdict(metrics)))


@pytest.mark.parametrize("missing", [float("nan"), float("inf"), -float("inf")])
def test_a_figure_that_the_data_do_not_give_is_null(missing: float) -> None:
    assert by_hand.graded(correlation=missing).to_dict()["correlation"] is None
    shown = by_hand.metrics(train_r2=missing, feature_importance={"a": missing, "b": 0.5}).to_dict()
    assert (shown["train_r2"], shown["feature_importance"]) == (None, {"a": None, "b": 0.5})


def test_a_grade_has_all_its_figures() -> None:
    report = by_hand.graded(warnings=("a",))
    figures = asdict(report)
    for name in ("model_id", "population_id", "measured_at"):
        del figures[name]
    assert report.to_dict() == figures | {"warnings": ["a"]}


def test_a_population_shows_its_first_twins_with_missing_values_as_null() -> None:
    population = by_hand.population()
    body = PopulationBody.of(population)
    assert body.twins == len(body.first) == len(population) < 20
    for row, twin in enumerate(body.first):
        assert twin.features == population.twin(row).features
        assert (twin.expected_outcome, twin.outcome_low, twin.outcome_high) == (
            population.expected_outcome[row], population.outcome_low[row], population.outcome_high[row],
        )  # fmt: skip
    shown = json.loads(body.model_dump_json())["first"]
    assert any(value is None for twin in shown for value in twin["features"].values())


@pytest.mark.parametrize(("twins", "shown"), [(19, 19), (20, 20), (21, 20)])
def test_at_most_twenty_twins_are_shown(twins: int, shown: int) -> None:
    import numpy as np

    population = by_hand.population()
    body = PopulationBody.of(population.take(np.arange(twins) % len(population)))
    assert (body.twins, len(body.first)) == (twins, shown)


def test_a_stored_simulation_is_the_simulation_and_its_id() -> None:
    result = SimulationEngine(by_hand.population()).simulate(InterventionConfig("email_campaign"))
    stored = StoredSimulationBody.of_stored(UUID(int=5), result)
    assert stored.model_dump(mode="json") == result.to_dict() | {"simulation_id": str(UUID(int=5))}


def test_a_model_is_described_by_its_generator() -> None:
    class Generator:
        twin_type, brand, target, trained_at = "hcp", "b", None, None
        metrics: Any = None

    known: dict[str, Any] = {"model_id": UUID(int=1), "twin_type": "hcp", "brand": "b", "target": None}
    model = Generator()
    assert TwinModelBody.of(UUID(int=1), model).model_dump() == known | {"trained_at": None, "metrics": None}
    model.metrics = replace(by_hand.metrics(), warnings=("a",))
    metrics = TwinModelBody.of(UUID(int=1), model).metrics
    assert metrics is not None
    assert metrics.model_dump(mode="json") == model.metrics.to_dict()
