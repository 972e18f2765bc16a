"""Fitting is seeded, judged on people it has not seen, and refuses what is too little to learn from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from diaries import cohort, long_frame

from novamind.cohorts import OTHER_POPULATION, simulate
from novamind.errors import InsufficientDataError
from novamind.symptoms import SymptomForecastingService
from novamind.symptoms.model import MANIFEST, SymptomModel
from novamind.symptoms.training import (
    MAX_HORIZON,
    PRESETS,
    Diary,
    Windows,
    own_windows,
    simulated_windows,
    topped_up,
    train,
)

# PyTorch's exporter to ONNX uses what PyTorch has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


@dataclass(frozen=True)
class Fitted:
    """A model as training returned it, what it wrote and what it said on the way."""

    model: SymptomModel
    folder: Path
    said: list[str]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fitted]:
    """The whole training at its smallest."""
    folder, said = tmp_path_factory.mktemp("smoke"), []
    model = train(PRESETS["smoke"], seed=0, out=folder, name="smoke", progress=said.append)
    return Fitted(model, folder, said)


def test_smoke_training_beats_the_own_mean_on_people_it_has_not_seen(smoke: Fitted) -> None:
    error = smoke.model.validation_error
    assert set(error) == {*(m.name for m in smoke.model.members), "ensemble"}
    assert error["ensemble"] < error["own mean"]
    assert error["ensemble"] < 1.005 * min(error.values())


def test_smoke_training_covers_what_it_states(smoke: Fitted) -> None:
    coverage = smoke.model.coverage
    assert 0.5 <= coverage[0.5] < coverage[0.8] < coverage[0.95]
    # Steps cover more than is stated, never less.
    assert 0.77 < coverage[0.8] < 0.9
    assert 0.93 < coverage[0.95] < 0.99


def test_what_was_written_is_what_was_fitted(smoke: Fitted) -> None:
    loaded = SymptomModel.load(smoke.folder)
    assert [m.name for m in loaded.members] == [m.name for m in smoke.model.members]
    assert (loaded.validation_error, loaded.coverage) == (smoke.model.validation_error, smoke.model.coverage)
    a, b = (
        SymptomForecastingService(model).forecast(long_frame(cohort()), scale=(0, 16), step=1).continuous_quantiles
        for model in (loaded, smoke.model)
    )
    np.testing.assert_allclose(a, b, atol=0.02)  # of 16; weights are written with five digits


def test_the_manifest_tells_how_it_was_made(smoke: Fitted) -> None:
    manifest = json.loads((smoke.folder / MANIFEST).read_text())
    assert (manifest["name"], manifest["seed"], manifest["own_series"]) == ("smoke", 0, 0)
    assert manifest["preset"] == vars(PRESETS["smoke"])
    assert manifest["data"] == "simulated cohorts only"
    assert manifest["validation_error"] == smoke.model.validation_error
    assert {path.name for path in smoke.folder.iterdir()} == {MANIFEST, *manifest["files"]}


def test_every_stage_is_announced(smoke: Fitted) -> None:
    stages = ("simulating", "experts", "trees", "transformer", "weighing", "calibrating", "measuring")
    places = [next(i for i, line in enumerate(smoke.said) if stage in line) for stage in stages]
    assert places == sorted(places)


def test_the_same_seed_writes_the_same_bytes(smoke: Fitted, tmp_path: Path) -> None:
    train(PRESETS["smoke"], seed=0, out=tmp_path, name="smoke")
    names = sorted(path.name for path in smoke.folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (tmp_path / name).read_bytes() == (smoke.folder / name).read_bytes(), name


def numbered(days: int, weekday: int = 0) -> Diary:
    """A diary whose values tell their day: day ``t`` says ``t / 1000``."""
    return Diary(np.arange(days, dtype=np.float32) / 1000, 0.0, weekday)


def days_of(values: np.ndarray) -> np.ndarray:
    return np.round(values[np.isfinite(values)] * 1000)


@pytest.mark.parametrize("days", [40, 75, 200])
def test_own_windows_part_the_early_from_the_late(days: int) -> None:
    early, late = own_windows([numbered(days) for _ in range(60)], seed=0)
    assert days_of(early.future).max() < days_of(late.future).min()
    # Tuned on the early part, nothing has seen an outcome of the late one.
    assert days_of(early.histories.values).max() < days_of(late.future).min()


@pytest.mark.parametrize("part", [0, 1])
def test_own_windows_end_where_their_outcomes_begin(part: int) -> None:
    windows = own_windows([numbered(90, weekday=3) for _ in range(40)], seed=0)[part]
    for history, future, weekday in zip(
        windows.histories.values, windows.future, windows.histories.weekday, strict=True
    ):
        origin = days_of(history).max() + 1
        assert days_of(future)[0] == origin
        assert len(days_of(future)) <= MAX_HORIZON
        assert weekday == (3 + origin) % 7


def test_own_windows_without_dates_have_no_weekday() -> None:
    for part in own_windows([numbered(90, weekday=-1) for _ in range(40)], seed=0):
        assert (part.histories.weekday == -1).all()


@pytest.mark.parametrize(("series", "days"), [(0, 0), (3, 200), (10, 30), (200, 11)])
def test_too_little_to_learn_from_is_refused(series: int, days: int, tmp_path: Path) -> None:
    diaries = [numbered(days) for _ in range(series)]
    with pytest.raises(InsufficientDataError, match="at least about 20 series of 30 days"):
        own_windows(diaries, seed=0)
    if diaries:
        with pytest.raises(InsufficientDataError):
            train(PRESETS["smoke"], seed=0, out=tmp_path, diaries=diaries)


def test_twenty_series_of_forty_days_are_enough() -> None:
    early, late = own_windows([numbered(40) for _ in range(20)], seed=0)
    assert min(len(early.histories), len(late.histories)) >= 200


def test_simulated_persons_stand_in_only_where_own_are_few() -> None:
    rng = np.random.default_rng(0)
    own, _ = own_windows([Diary(rng.random(60).astype(np.float32), 0.0, 0) for _ in range(60)], seed=0)
    stand_ins = simulated_windows(500, 3)
    both = topped_up(own, stand_ins)
    added = both.rows(np.arange(len(own.histories), len(both.histories)))
    reports = np.isfinite(added.histories.values).sum(1)
    assert 100 < len(reports) <= len(stand_ins.histories)
    # Sixty days have near outcomes of 21 to 35 reports in plenty, and no record of more than 60.
    middling = (reports > 20) & (reports <= 35)
    assert not np.isfinite(added.future[middling, 3:7]).any()
    assert np.isfinite(added.future[reports > 60]).any()


def test_fitted_on_own_series_it_forecasts_everyone(tmp_path: Path) -> None:
    """Also records longer, and days further ahead, than any of the own series."""
    drawn = simulate(40, 60, seed=3)
    own = [Diary(*d) for d in zip(drawn.reports, map(float, drawn.step), map(int, drawn.weekday), strict=True)]
    least = replace(PRESETS["smoke"], rounds=2, trials=0, trajectories=256)
    model = train(least, seed=1, out=tmp_path, diaries=own)
    assert np.isfinite(model.stack.weights).all()
    forecasts = SymptomForecastingService(model).forecast(long_frame(cohort()), 30, scale=(0, 16))
    assert np.isfinite(forecasts.continuous_quantiles).all()


def test_simulated_windows_are_seeded_and_usable() -> None:
    def drawn(seed: int) -> Windows:
        return simulated_windows(600, seed, OTHER_POPULATION)

    once, again, other = drawn(0), drawn(0), drawn(1)
    assert once.future.tobytes() == again.future.tobytes()
    assert once.histories.values.tobytes() == again.histories.values.tobytes()
    assert once.future.tobytes() != other.future.tobytes()
    assert (np.isfinite(once.histories.values).sum(1) >= 4).all()
    assert np.isfinite(once.future).any(1).all()
    lengths = np.isfinite(once.histories.values).sum(1)
    assert np.quantile(lengths, 0.2) < 20 < 60 < np.quantile(lengths, 0.95)  # short records are the normal case
    undated = once.histories.weekday == -1
    assert 0.1 < undated.mean() < 0.2
