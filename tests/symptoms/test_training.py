"""Fitting is seeded, judged on people it has not seen, and refuses what is too little to learn from."""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from novamind.cohorts import OTHER_POPULATION, simulate
from novamind.errors import InsufficientDataError, ServiceUnavailableError, ValidationError
from novamind.records import symptom_frame
from novamind.symptoms import SymptomForecastingService, training
from novamind.symptoms.forecaster.boosting import BoostedQuantiles
from novamind.symptoms.forecaster.experts import EXPERTS, GROUPS, fit_expert
from novamind.symptoms.forecaster.features import FEATURES, summarise
from novamind.symptoms.forecaster.model import (
    MANIFEST,
    NETWORK_FILE,
    TRANSFORMER_FILE,
    Backtest,
    Prediction,
    SymptomModel,
)
from novamind.symptoms.forecaster.transformer import TransformerQuantiles
from novamind.symptoms.service import SHIPPED
from novamind.symptoms.training import (
    MAX_HORIZON,
    PRESETS,
    Diary,
    Preset,
    Windows,
    _cut,
    _earlier,
    _learning_rate,
    _table,
    assembled,
    diaries,
    own_windows,
    simulated_windows,
    train,
)
from tests.golden import check_golden
from tests.symptoms.conftest import with_few_judges
from tests.symptoms.diaries import cohort, long_frame

# On a busy machine threads that wait for one another make minutes of seconds.
torch.set_num_threads(1)

# PyTorch's exporter to ONNX uses what PyTorch has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


#: A fifth of the persons of the preset "smoke", and one lesson of the network.
SMALLEST = replace(PRESETS["smoke"], persons=600, rounds=8, trajectories=512)


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
    with pytest.MonkeyPatch.context() as patch:
        with_few_judges(patch)
        model = train(SMALLEST, seed=0, out=folder, name="smoke", progress=said.append)
    return Fitted(model, folder, said)


def test_the_network_s_file_names_no_folder_of_the_machine(smoke: Fitted) -> None:
    from novamind.symptoms.forecaster import network

    written = (smoke.folder / "transformer.onnx").read_bytes()
    assert str(Path(network.__file__).parent).encode() not in written


def test_smoke_training_beats_the_own_mean_on_people_it_has_not_seen(smoke: Fitted) -> None:
    error = smoke.model.validation_error
    assert set(error) == {*(m.name for m in smoke.model.members), "ensemble"}
    assert error["ensemble"] < error["own mean"]
    # Intervals on coarse scales are kept as narrow as their coverage allows, which costs a little of the score.
    assert error["ensemble"] < 1.025 * min(error.values())


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
    np.testing.assert_array_equal(a, b)


def test_the_manifest_tells_how_it_was_made(smoke: Fitted) -> None:
    manifest = json.loads((smoke.folder / MANIFEST).read_text())
    assert (manifest["name"], manifest["seed"], manifest["own_series"]) == ("smoke", 0, 0)
    assert manifest["preset"] == vars(SMALLEST)
    assert manifest["data"] == "simulated cohorts only"
    assert manifest["validation_error"] == smoke.model.validation_error
    assert {path.name for path in smoke.folder.iterdir()} == {MANIFEST, *manifest["files"]}


def test_every_stage_is_announced(smoke: Fitted) -> None:
    stages = ("simulating", "experts", "trees", "transformer", "weighing", "calibrating", "measuring")
    places = [next(i for i, line in enumerate(smoke.said) if stage in line) for stage in stages]
    assert places == sorted(places)


@pytest.mark.usefixtures("quick")
def test_the_same_seed_writes_the_same_bytes(smoke: Fitted, tmp_path: Path) -> None:
    train(SMALLEST, seed=0, out=tmp_path, name="smoke")
    names = sorted(path.name for path in smoke.folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in set(names) - {MANIFEST}:
        assert (tmp_path / name).read_bytes() == (smoke.folder / name).read_bytes(), name
    once, again = (json.loads((folder / MANIFEST).read_text()) for folder in (smoke.folder, tmp_path))
    # A commit may be made while the tests run.
    assert {**once, "git_revision": ""} == {**again, "git_revision": ""}


@pytest.mark.usefixtures("quick")
def test_a_network_goes_on_where_it_was_left(tmp_path: Path) -> None:
    from novamind.symptoms.forecaster import network

    size = network.Architecture(16, 1, 2, 32)
    begun = network.train_network(size, network.Schedule(64, batch=4), seed=0, checkpoint=tmp_path / "a")
    network.save(begun, tmp_path / "n.safetensors")
    loaded = network.load(tmp_path / "n.safetensors")
    assert loaded.size == size
    tokens = network.simulated_batch(8, 1).channels
    np.testing.assert_array_equal(loaded(tokens).detach(), begun(tokens).detach())


@pytest.mark.usefixtures("quick")
def test_schooling_fits_the_diaries_at_hand(tmp_path: Path) -> None:
    """Diaries in which every day repeats one of two values by turns are foretold better after lessons with them."""
    from novamind.symptoms.forecaster import network

    size = network.Architecture(16, 1, 2, 32)
    begun = network.train_network(size, network.Schedule(128, batch=4), seed=0, checkpoint=tmp_path / "a")
    turns = [np.where(np.arange(60) % 2 == i % 2, 0.3, 0.7).astype(np.float32) for i in range(24)]
    own = [Diary(values, 0.0, -1) for values in turns]
    lessons = network.Schedule(512, batch=4, rate=2e-2, validate_every=128)
    schooled = network.train_network(size, lessons, seed=0, checkpoint=tmp_path / "b", begin=begun, diaries=own)
    batch = network.diary_batch(own, 64, seed=5)
    days = torch.arange(20, 50).expand(64, -1)
    before, after = (
        network.loss(m, batch.at(slice(64), days, torch.device("cpu")), days).item() for m in (begun, schooled)
    )
    assert after < 0.95 * before


def test_drawn_diaries_keep_their_days() -> None:
    """A short diary stands from its first day on; of a long one a stretch, with what came before it."""
    from novamind.symptoms.forecaster import network

    short = network.diary_batch([numbered(30, weekday=2)], 4, seed=0)
    assert torch.isfinite(short.outcome).any()
    # Its day 29 is forecast one day ahead from day 28, and nothing lies beyond it.
    assert short.outcome[0, 28, 0] == pytest.approx(0.029)
    assert not torch.isfinite(short.outcome[0, 29]).any()
    long = network.diary_batch([numbered(300)], 16, seed=0)
    ahead = long.outcome[:, :, 0]
    np.testing.assert_allclose(np.diff(ahead, axis=1), 0.001, atol=1e-5)
    assert len({float(first) for first in ahead[:, 0]}) > 5


def numbered(days: int, weekday: int = 0) -> Diary:
    """A diary whose values tell their day: day ``t`` says ``t / 1000``."""
    return Diary(np.arange(days, dtype=np.float32) / 1000, 0.0, weekday)


def days_of(values: np.ndarray) -> np.ndarray:
    return np.round(values[np.isfinite(values)] * 1000)


@pytest.mark.parametrize("days", [40, 75, 200])
def test_own_windows_part_the_early_from_the_late(days: int) -> None:
    early, late = own_windows([numbered(days) for _ in range(20)], seed=0)
    assert days_of(early.future).max() < days_of(late.future).min()
    # Tuned on the early part, nothing has seen an outcome of the late one.
    assert days_of(early.histories.values).max() < days_of(late.future).min()


@pytest.mark.parametrize("part", [0, 1])
def test_own_windows_end_where_their_outcomes_begin(part: int) -> None:
    windows = own_windows([numbered(90, weekday=3) for _ in range(20)], seed=0)[part]
    for history, future, weekday in zip(
        windows.histories.values, windows.future, windows.histories.weekday, strict=True
    ):
        origin = days_of(history).max() + 1
        assert days_of(future)[0] == origin
        assert len(days_of(future)) <= MAX_HORIZON
        assert weekday == (3 + origin) % 7


def test_only_the_symptoms_named_have_no_weekdays() -> None:
    rows = long_frame(cohort())
    frame = symptom_frame(pl.concat([rows.with_columns(symptom=pl.lit(name)) for name in ("mood", "sleep")]))
    scales = dict.fromkeys(("mood", "sleep"), (0, 16))
    weekdays = [
        {diary.weekday >= 0 for diary in diaries(frame, scales, undated=undated)}
        for undated in ((), ["sleep"], ["mood", "sleep"])
    ]
    assert weekdays == [{True}, {True, False}, {False}]
    with pytest.raises(ValidationError, match="no symptom anger: check --undated"):
        diaries(frame, scales, undated=["anger", "mood"])


def test_own_windows_weigh_as_much_as_simulated_ones() -> None:
    drawn = simulated_windows(900, 0)
    half = np.arange(len(drawn.histories)) % 2 == 0
    for one, other in zip(_table(drawn, 0), _table(replace(drawn, own=half), 0), strict=True):
        np.testing.assert_array_equal(one, other)


def test_own_windows_without_dates_have_no_weekday() -> None:
    for part in own_windows([numbered(90, weekday=-1) for _ in range(20)], seed=0):
        assert (part.histories.weekday == -1).all()


@pytest.mark.parametrize(("series", "days"), [(0, 0), (3, 200), (10, 30), (200, 11)])
def test_too_little_to_learn_from_is_refused(series: int, days: int, tmp_path: Path) -> None:
    diaries = [numbered(days) for _ in range(series)]
    with pytest.raises(InsufficientDataError, match="at least about 20 series of 40 days"):
        own_windows(diaries, seed=0)
    if diaries:
        with pytest.raises(InsufficientDataError):
            train(PRESETS["smoke"], seed=0, out=tmp_path, diaries=diaries)


def test_twenty_series_of_forty_days_are_enough() -> None:
    early, late = own_windows([numbered(40) for _ in range(20)], seed=0)
    assert min(len(early.histories), len(late.histories)) >= 200


@pytest.mark.usefixtures("quick")
def test_fitted_on_own_series_it_forecasts_everyone(tmp_path: Path) -> None:
    """Also records longer, and days further ahead, than any of the own series."""
    drawn = simulate(40, 60, seed=3)
    own = [Diary(*d) for d in zip(drawn.reports, map(float, drawn.step), map(int, drawn.weekday), strict=True)]
    least = replace(PRESETS["smoke"], persons=300, rounds=2, trials=0, trajectories=256)
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


@pytest.mark.parametrize(("own", "rate"), [(True, 4.0), (False, 0.0)])
def test_own_windows_alone_decide_how_fast_a_record_moves_the_weights(own, rate):
    # One member always says 0.3, the other 0.7. The records of the user's own persons tell who will be right; those of
    # the simulated ones, who are twenty times as many, tell the contrary.
    windows = simulated_windows(1_000, 5)
    count = len(windows.histories)
    mine = np.arange(count) % 20 == 0
    answer = np.where(np.arange(count) % 3 == 0, 0.3, 0.7).astype(np.float32)
    windows = replace(windows, own=mine & own, future=np.repeat(answer[:, None], MAX_HORIZON, 1))
    said = np.broadcast_to(np.array([0.3, 0.7], np.float32)[:, None, None, None], (2, count, MAX_HORIZON, 21))
    right = np.column_stack([answer == np.float32(0.3), answer == np.float32(0.7)])
    backtest = Backtest(
        np.where(right == mine[:, None], 0.0, 0.1).astype(np.float32),
        np.full(count, 20, np.float32),
        np.ones(count, np.float32),
    )
    summary = summarise(windows.histories)
    even = np.full((*GROUPS, 2), 0.5, np.float32)
    prediction = Prediction(summary, said[0], even, backtest)
    assert _learning_rate(even, said, prediction, windows) == rate


def facts(windows: Windows) -> dict[str, Any]:
    histories = windows.histories
    return {
        "reports": np.isfinite(histories.values).sum(1),
        "latest": np.nan_to_num(histories.values[:, -3:], nan=-1),
        "step": histories.step,
        "weekday": histories.weekday,
        "treated": np.nan_to_num(histories.treated, nan=-1),
        "future": np.nan_to_num(windows.future[:, [0, 6, 29]], nan=-1),
        "series": windows.series,
        "own": windows.own,
    }


def own_diaries(count: int = 30) -> list[Diary]:
    drawn = simulate(count, 60, seed=3)
    return [Diary(*d) for d in zip(drawn.reports, map(float, drawn.step), map(int, drawn.weekday), strict=True)]


@pytest.mark.parametrize(("seed", "settings", "days"), [(4, None, 230), (5, OTHER_POPULATION, 210)])
def test_simulated_windows_are_what_they_were(seed: int, settings: Any, days: int) -> None:
    check_golden(__file__, f"windows_{seed}", facts(simulated_windows(24, seed, settings, days)), relative=1e-4)


def test_own_windows_are_what_they_were() -> None:
    early, late = own_windows(own_diaries(), seed=2, per_series=14)
    answer = {"early": facts(early.rows(np.arange(0, 200, 23))), "late": facts(late.rows(np.arange(0, 200, 23)))}
    check_golden(__file__, "own_windows", {"counts": (len(early.future), len(late.future)), **answer}, relative=1e-4)


def test_rows_for_the_trees_are_what_they_were() -> None:
    features, target, weight = _table(simulated_windows(60, 6), 7)
    assert features.shape[1] == len(FEATURES)
    answer = (len(target), features[::9, [0, 5, 20, 27, 28, 29, 30]], target[::9], weight[::9])
    check_golden(__file__, "table", answer, relative=1e-3, absolute=1e-4)


@pytest.mark.parametrize(("length", "cut"), [(5, 10), (10, 10), (14, 10), (15, 10), (16, 11), (100, 70), (101, 70)])
def test_seven_tenths_of_a_diary_are_its_earlier_part(length: int, cut: int) -> None:
    diary = numbered(length)
    assert _cut(diary) == cut
    assert len(_earlier([diary])[0].values) == min(cut, length)


def simple(persons: int = 200) -> tuple[SymptomModel, Windows]:
    """Experts alone, fitted and weighed as in training."""
    fit, weigh, calibrate, measure = (simulated_windows(persons, seed) for seed in range(4))
    summary = summarise(fit.histories)
    experts = tuple(fit_expert(*expert, summary, fit.future) for expert in EXPERTS[1:])
    lines: list[str] = []
    model = assembled(experts, weigh, calibrate, measure, "simple", lines.append)
    assert lines == [
        "weighing the members", "calibrating the intervals", "measuring on a cohort that nothing has seen",
    ]  # fmt: skip
    return model, measure


def test_a_model_is_assembled_as_it_was() -> None:
    model, measure = simple()
    answer = {
        "version": model.version,
        "weights": model.stack.weights,
        "rate": model.stack.learning_rate,
        "width": model.calibration.width,
        "levels": model.calibration.levels,
        "own_days": model.calibration.own_days,
        "error": model.validation_error,
        "coverage": model.coverage,
    }
    check_golden(__file__, "assembled", answer, relative=1e-3, absolute=2e-3)
    # What was measured, by its definition: days 1 to 14, rounded to the scale's steps.
    prediction = model.predict(measure.histories, 14)
    step = measure.histories.step[:, None, None]
    width = np.where(step > 0, step, 1)
    answers = np.where(step > 0, np.round(prediction.quantiles / width) * width, prediction.quantiles)
    outcome = measure.future[:, :14]
    known = np.isfinite(outcome)
    for level, (low, high) in {0.5: (5, 15), 0.8: (2, 18), 0.95: (0, 20)}.items():
        inside = (outcome >= answers[..., low] - 1e-6) & (outcome <= answers[..., high] + 1e-6)
        assert model.coverage[level] == pytest.approx(inside[known].mean(), abs=6e-4)
    error = outcome[..., None] - answers[..., 1:-1]
    levels = np.arange(1, 20) / 20
    score = 200 * np.nanmean(np.maximum(levels * error, (levels - 1) * error).mean(-1))
    assert model.validation_error["ensemble"] == pytest.approx(score, abs=1e-3)


class Stub:
    """The shipped network where a raised one is wanted."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, preset: Preset, seed: int, out: Path, diaries: Sequence[Diary], _: Any) -> Any:
        self.calls.append((preset, seed, [len(d.values) for d in diaries]))
        out.mkdir(parents=True, exist_ok=True)
        for name in (TRANSFORMER_FILE, NETWORK_FILE):
            shutil.copy(SHIPPED / name, out / name)
        return TransformerQuantiles.load(out / TRANSFORMER_FILE)


@pytest.mark.parametrize("own", [False, True])
def test_models_are_fitted_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    """All but the network, on a few hundred persons: simulated, tuned, weighed, calibrated, measured and written."""
    stub, lines = Stub(), []
    monkeypatch.setattr(training, "_transformer", stub)
    preset = replace(PRESETS["smoke"], persons=240, rounds=4, trials=0 if own else 2)
    own_series = own_diaries() if own else []
    model = train(preset, seed=3, out=tmp_path / "m", name="n", diaries=own_series, progress=lines.append)
    written = (tmp_path / "m" / MANIFEST).read_text()
    manifest = json.loads(written)
    assert written == json.dumps(manifest, indent=1) + "\n"
    stack = json.loads((tmp_path / "m" / "stack.json").read_text())
    assert stub.calls == [(preset, 3, [42] * 30 if own else [])]
    assert len(manifest.pop("git_revision")) in (40, len("unknown"))
    assert set(manifest.pop("files")) == {"boosting.ubj", TRANSFORMER_FILE, NETWORK_FILE, "stack.json"}
    answer = {
        "lines": lines,
        "manifest": manifest,
        "rate": stack["learning_rate"],
        "own_days": stack["own_days"],
        "weights": np.array(stack["weights"])[::2, ::2],
        "width": stack["width"],
        "levels": stack["levels"],
        "rounds": next(m for m in model.members if isinstance(m, BoostedQuantiles)).booster.num_boosted_rounds(),
    }
    check_golden(__file__, f"fitted_{own}", answer, relative=2e-3, absolute=3e-3)


def test_presets_and_parameters_are_as_the_docs_say() -> None:
    assert {name: tuple(vars(preset).values()) for name, preset in PRESETS.items()} == {
        "compact": (45_000, 100, 8, 64, 3, 4, 192, 0.0, 500_000),
        "full": (300_000, 300, 30, 512, 12, 8, 2048, 0.1, 20_000_000),
        "smoke": (3_000, 15, 1, 16, 1, 2, 32, 0.0, 4_096),
    }
    assert training.PARAMETERS == {
        "eta": 0.1, "max_depth": 5, "min_child_weight": 200, "subsample": 0.7, "colsample_bytree": 0.6,
        "reg_lambda": 5.0,
    }  # fmt: skip
    assert MAX_HORIZON == 30


@pytest.mark.parametrize("own", [False, True])
def test_the_network_is_raised_or_goes_to_school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    """With diaries the shipped network is the start where it has the preset's size, and 60,000 lessons are the most."""
    from novamind.symptoms.forecaster import network

    calls: list[tuple[Any, ...]] = []
    shipped = network.load(SHIPPED / NETWORK_FILE)

    def raised(size: Any, schedule: Any, **options: Any) -> Any:
        calls.append((size, schedule, options.get("begin") is not None, len(options.get("diaries", ()))))
        (options["checkpoint"]).touch()
        return shipped

    monkeypatch.setattr(network, "train_network", raised)
    monkeypatch.setattr(network, "export", lambda _, path: shutil.copy(SHIPPED / TRANSFORMER_FILE, path))
    size = network.Architecture(64, 3, 4, 192)
    diaries = own_diaries() if own else []
    training._transformer(PRESETS["compact"], 1, tmp_path / "a", diaries, lambda _: None)
    school = network.Schedule(60_000, rate=5e-4, validate_every=6_000)
    whole = network.Schedule(500_000)
    assert calls == ([(size, school, True, 30)] if own else [(size, whole, False, 0)])
    assert {path.name for path in (tmp_path / "a").iterdir()} == {TRANSFORMER_FILE, NETWORK_FILE}
    calls.clear()
    training._transformer(PRESETS["smoke"], 1, tmp_path / "b", diaries, lambda _: None)
    small, few = network.Architecture(16, 1, 2, 32), network.Schedule(4_096)
    lessons = [(small, replace(school, trajectories=4_096), True, 30)] if own else []
    assert calls == [(small, few, False, 0), *lessons]


def test_the_revision_is_unknown_where_there_is_no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(training.subprocess, "run", none)
    assert training._revision() == "unknown"
    monkeypatch.setattr(training.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=" abc\n"))
    assert training._revision() == "abc"
    monkeypatch.setattr(training.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=""))
    assert training._revision() == "unknown"


@pytest.mark.parametrize("days", [50.0, 100.0, 200.0, 400.0])
def test_own_days_are_those_with_the_least_loss(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    monkeypatch.setattr(training, "_scaled", lambda _, tried: np.full((1, 1, 21), abs(np.log(tried / days))))
    assert training._own_days(None, np.zeros((1, 1))) == days  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "trials", "answer"),
    [
        ("optuna", 1, "tuning needs Optuna: pip install"),
        ("novamind.symptoms.forecaster.network", 0, "training needs PyTorch: pip install"),
    ],
)
def test_what_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, trials: int, answer: str
) -> None:
    import novamind.symptoms.forecaster

    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delattr(novamind.symptoms.forecaster, "network", raising=False)
    with pytest.raises(ServiceUnavailableError, match=answer):
        train(replace(SMALLEST, persons=240, rounds=1, trials=trials), seed=0, out=tmp_path)
