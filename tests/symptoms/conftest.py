"""A forecast built by hand, so that pictures and reports are tested without a model; and the shell."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from novamind.cli import main
from novamind.symptoms.domain import LEVELS, Explanation, Floats, Member, Reliability, Scale, SymptomForecast, Trend

MakeForecast = Callable[..., SymptomForecast]


def moved_by(quantiles: Floats, points: Mapping[str, float]) -> Callable[[], Explanation]:
    """An explanation by hand: parts move the quantiles of every day by so many points, and widen nothing."""
    shifts = {name: np.full(quantiles.shape, shift) for name, shift in points.items()}
    return lambda: Explanation(quantiles - sum(points.values()), shifts)


def build_forecast(
    *,
    symptom: str = "PHQ-9",
    patient_id: str | None = "patient-7",
    scale: Scale = Scale(0, 27, step=1),  # noqa: B008 - frozen
    days: int = 120,
    horizon: int = 14,
    centre: float = 0.5,
    spread: float = 0.12,
    origin: str = "2025-03-14",
    seed: int = 7,
) -> SymptomForecast:
    """A slowly worsening record with gaps, a widening fan; ``centre`` and ``spread`` on the unit scale."""
    rng = np.random.default_rng(seed)
    last = np.datetime64(origin)
    history_days = last - np.arange(days)[::-1]
    level = centre + 0.15 * (np.linspace(-1, 0, days)) + 0.05 * np.sin(np.arange(days) * 2 * np.pi / 7)
    history = scale.snap(scale.from_unit(np.clip(level + rng.normal(0, 0.07, days), 0, 1)))
    history[rng.random(days) < 0.12] = np.nan
    history[days // 2 : days // 2 + 9] = np.nan
    history[-1] = scale.snap(scale.from_unit(np.array([centre])))[0]
    widening = spread * np.sqrt(1 + np.arange(horizon) / 7)
    drift = centre + 0.004 * np.arange(1, horizon + 1)
    unit = np.clip(drift[:, None] + widening[:, None] * norm.ppf(LEVELS)[None, :], 0, 1)
    continuous = scale.from_unit(unit)
    if scale.worse == "low":
        continuous = continuous[:, ::-1]
    return SymptomForecast(
        symptom=symptom,
        patient_id=patient_id,
        scale=scale,
        history_days=history_days,
        history=history,
        days=last + np.arange(1, horizon + 1),
        quantile_levels=LEVELS,
        quantiles=scale.snap(continuous),
        continuous_quantiles=continuous,
        trend=Trend(0.42, 0.1, 0.74, 0.95, "worsening", 42),
        reliability=Reliability("medium", ("14 % of the last 28 days have no report",)),
        members=(
            Member("boosted trees", 0.55, 5.1, 6.2),
            Member("shrunk mean", 0.3, 5.6, 6.5),
            Member("local level", 0.15, None, 6.9),
        ),
        explain=moved_by(
            continuous, {"the week before": 3.1, "last report": 1.4, "weekday": 0.6, "earlier reports": -0.2}
        ),
        coverage={0.5: 0.503, 0.8: 0.806, 0.95: 0.951},
        model_version="test-1",
        seed=0,
        insights=("Reports rose by 3 points over the last six weeks.",),
    )


@pytest.fixture
def make_forecast() -> MakeForecast:
    """Build forecasts by hand with the given changes."""
    return build_forecast


@pytest.fixture
def phq9(make_forecast: MakeForecast) -> SymptomForecast:
    """Two weeks of PHQ-9 ahead of 120 days of record."""
    return make_forecast()


@dataclass(frozen=True)
class Ran:
    """What a shell command left behind."""

    code: int
    out: str
    err: str


Shell = Callable[..., Ran]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    """Run ``novamind ...`` in this process, in an empty folder, and put logging back afterwards."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["novamind", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        code = left.value.code
        return Ran(code if isinstance(code, int) else 0, captured.out, captured.err)

    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    """Eight weeks of one person's PHQ-9 with gaps, as CSV."""
    rng = np.random.default_rng(3)
    days = [day for day in range(56) if rng.random() > 0.2]
    rows = [f"{date(2025, 1, 6) + timedelta(day)},{rng.integers(8, 15)}" for day in days]
    path = tmp_path / "diary.csv"
    path.write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    return path


def with_few_judges(patch: pytest.MonkeyPatch) -> None:
    """While a network is raised, its judges are a few dozen instead of two thousand, and its batches a sixteenth."""
    from novamind.symptoms.forecaster import network

    def fewer(real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return real(*(24 if part == 2048 else part for part in arguments), **options)

    for name in ("simulated_batch", "diary_batch"):
        patch.setattr(network, name, partial(fewer, getattr(network, name)))
    patch.setattr(network, "Schedule", partial(network.Schedule, batch=8))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are raised with few judges."""
    with_few_judges(monkeypatch)
