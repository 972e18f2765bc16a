"""Tables, populations and reports whose every value is typed: for rules that need no trained model."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np

from novamind.populations.domain import TwinType
from novamind.populations.population import TwinPopulation
from novamind.populations.results import FidelityReport, TwinModelMetrics
from novamind.populations.table import Column, Table

NAN = float("nan")
POPULATION_ID = UUID("12345678-1234-4678-9234-5678abcdef00")
MODEL_ID = UUID("00000000-0000-4000-8000-000000000001")
DAY = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def table(backend: str = "polars") -> Table:
    """Twelve rows: words, true/false, whole numbers, fractions, gaps."""
    return Table(
        (
            Column("specialty", "category", ("hematology", "oncology", None)),
            Column("region", "category", ("north", "south", "west")),
            Column("covered", "category", (False, True)),
            Column("decile", "number", decimals=0),
            Column("visits", "number", decimals=0),
            Column("score", "number"),
        ),
        {
            "specialty": np.array([0, 1, 1, 2, 0, 1, 0, 1, 2, 0, 1, 1], dtype=np.int32),
            "region": np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], dtype=np.int32),
            "covered": np.array([0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0], dtype=np.int32),
            "decile": np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10], dtype=float),
            "visits": np.array([3, NAN, 0, 7, 2, 2, NAN, 5, 1, 9, 4, 4]),
            "score": np.array([0.25, 0.5, NAN, 0.125, 0.75, 0.375, 0.5, 0.0, 1.0, 0.625, 0.875, 0.5]),
        },
        backend,
    )


def population(n: int = 12, **changes: Any) -> TwinPopulation:
    """A population of the first ``n`` rows of the table; twelve more from its beginning on, as often as needed."""
    rows = np.arange(n) % 12
    expected = 0.01 * (rows - 5.5)
    drawn = expected + 0.02 * np.array([1, -1, 2, -2, 0, 3, -3, 1, 0, -1, 1, -1])[rows] + 1e-4 * (np.arange(n) // 12)
    made = TwinPopulation(
        population_id=POPULATION_ID,
        model_id=MODEL_ID,
        twin_type=TwinType.HCP,
        brand="kisqali",
        target=Column("prescribing_change", "number"),
        features=table().take(rows),
        baseline_behavior=drawn,
        expected_outcome=expected,
        outcome_low=expected - 0.05,
        outcome_high=expected + 0.04,
        filters={"decile": (1, None)},
        seed=7,
        created_at=DAY,
        name="first wave",
    )
    return replace(made, **changes)


def graded(**changes: Any) -> FidelityReport:
    """A report without anything to remark."""
    return replace(
        FidelityReport(
            mae=0.1,
            rmse=0.2,
            correlation=0.85,
            coverage_95=0.95,
            sample_size=100,
            missing=4,
            outliers=2,
            calibration_slope=0.9,
            bias=0.01,
            grade="good",
            warnings=(),
            model_id=MODEL_ID,
            population_id=POPULATION_ID,
            measured_at=DAY,
        ),
        **changes,
    )


def metrics(**changes: Any) -> TwinModelMetrics:
    """Figures of a model, each another number."""
    return replace(
        TwinModelMetrics(
            model_type="shallow_boosting",
            training_samples=1234,
            train_r2=0.61,
            train_mae=0.011,
            train_rmse=0.022,
            cv_r2_mean=0.4567,
            cv_r2_std=0.0341,
            cv_mae=0.033,
            cv_rmse=0.044,
            twin_fidelity=0.66,
            coverage_95=0.951,
            worst_group_coverage=0.923,
            group="specialty",
            feature_importance={"score": 0.6, "decile": 0.3, "specialty": 0.1},
            rules=("a <= b",),
            warnings=("Careful: R² is <low>.",),
        ),
        **changes,
    )
