"""The training commands run, are seeded, and leave what can be loaded."""

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from novamind.biometrics import training
from novamind.biometrics.detector import NETWORK, SHIPPED, AmortisedDetector, neighbours
from novamind.biometrics.domain import PairInputs
from novamind.biometrics.engine import analyse
from novamind.biometrics.features import CHANNELS, FEATURES, REACH, pair_inputs
from novamind.biometrics.training import PRESETS, calibrate, measured, train
from novamind.cohorts.wearables import OTHER_WEARABLES, Pair, WearablePatient, WearableSettings, simulate_wearables
from novamind.errors import ServiceUnavailableError
from novamind.infrastructure.onnx_file import open_network
from tests.cohorts.summary import summary
from tests.golden import check_golden

torch = pytest.importorskip("torch")

from novamind.biometrics import network  # noqa: E402
from novamind.biometrics.network import Committee, Lesson, pair_log_odds, train_pairs  # noqa: E402


def test_calibration_makes_odds_true() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(-2, 2, 20_000)
    label = (rng.random(20_000) < expit(truth)).astype(np.float32)
    label[:50] = np.nan
    other = rng.standard_normal(20_000)
    weights, intercept = calibrate(np.column_stack([2 * truth + 3, -other]), label)
    assert weights == pytest.approx([0.5, 0], abs=0.06)
    assert intercept == pytest.approx(-1.5, abs=0.15)


def test_perfect_odds_measure_one() -> None:
    label = np.array([1, 1, 0, 0, 0, np.nan], np.float32)
    figures = measured(np.array([3.0, 2, 1, 0, -1, 9]), label)
    assert figures["auc"] == figures["power_at_fdr_0.1"] == 1


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Persons of four weeks with few signals, scanned a little way: seconds become tenths."""
    few = {"days": (28, 29), "signals": (4, 4), "symptoms": (2, 2), "linked_probability": 1.0}
    monkeypatch.setattr(training, "WearableSettings", lambda: WearableSettings(**few))
    monkeypatch.setattr(training, "OTHER_WEARABLES", replace(OTHER_WEARABLES, **few))
    monkeypatch.setattr(training, "analyse", lambda series, seed: analyse(series, 12, seed, 10))


TINY = training.Preset(2, 3, members=1, epochs=1, lstm_hidden=4, lstm_layers=1)


@pytest.mark.usefixtures("small")
def test_a_detector_is_fitted_exported_and_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported: list[Committee] = []

    def export(committee: Committee, path: Path) -> None:
        exported.append(committee)  # tracing takes seconds: test_what_is_exported_says_what_was_fitted
        path.write_bytes((SHIPPED / NETWORK).read_bytes())

    monkeypatch.setattr(network, "export", export)
    said: list[str] = []
    figures = train(TINY, "detector", seed=1, out=tmp_path / "a" / "b", workers=1, progress=said.append)
    assert said[:5] == [f"{n} of {of} persons analysed" for of in (2, 3) for n in range(1, of + 1)]
    detector = AmortisedDetector.load(tmp_path / "a" / "b")
    manifest = json.loads((tmp_path / "a" / "b" / "manifest.json").read_text())
    assert detector.version == f"biometrics-detector-{manifest['files']['detector.onnx'][:8]}"
    assert manifest["validation"] == figures
    assert manifest["features"] == list(FEATURES)
    del manifest["files"]
    check_golden(__file__, "manifest", manifest, 1e-2, 1e-2)

    # Its weights are those of calibration on the other population.
    learn = [Lesson(*k) for k in training.lessons(training.WearableSettings(), 2, 2, 1, lambda _: None)]
    held = [Lesson(*k) for k in training.lessons(training.OTHER_WEARABLES, 3, 3, 1, lambda _: None)]
    fitted = Committee([train_pairs(learn, held[:1], 1, 1, lambda _: None)])
    raw = pair_log_odds(fitted, held)
    evidence = np.concatenate([k.pairs.scalars[:, 0] for k in held]).astype(float)
    label = np.concatenate([k.label for k in held])
    weights, intercept = calibrate(np.column_stack([raw, evidence]), label)
    assert manifest["weights"] == pytest.approx(weights, abs=1e-3)
    assert manifest["intercept"] == pytest.approx(intercept, abs=1e-3)
    assert pair_log_odds(exported[0], held) == pytest.approx(raw, abs=1e-5)
    last = len(held[0].label)  # the first person of three stopped the fit
    assert figures["evidence"] == measured(evidence[last:], label[last:])
    assert figures["network"] == measured(raw[last:], label[last:])
    assert figures["both"]["pairs"] == int(np.isfinite(label[last:]).sum())


@pytest.mark.slow
def test_what_is_exported_says_what_was_fitted(tmp_path: Path) -> None:
    """One file for any number of pairs."""
    torch.manual_seed(0)
    committee = Committee([network.PairNetwork(), network.PairNetwork()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        network.export(committee, tmp_path / NETWORK)
    session = open_network(tmp_path / NETWORK)
    assert [one.name for one in session.get_outputs()] == ["log_odds"]
    rng = np.random.default_rng(1)
    for pairs in (1, 2, 9):
        inputs = {
            "profiles": rng.standard_normal((pairs, CHANNELS, 2 * REACH + 1)).astype(np.float32),
            "scalars": rng.standard_normal((pairs, len(FEATURES))).astype(np.float32),
            "same_symptom": neighbours(np.arange(pairs) % 2),
            "same_signal": neighbours(np.arange(pairs) // 2),
        }
        (said,) = session.run(["log_odds"], inputs)
        with torch.no_grad():
            expected = committee.eval()(*map(torch.from_numpy, inputs.values()))
        assert said == pytest.approx(expected.numpy(), abs=1e-4)


@pytest.mark.usefixtures("small")
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # eight persons are one step: here are two
def test_the_specifications_network_is_fitted_and_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    figures = train(TINY, "lstm", seed=1, out=tmp_path, workers=2, progress=lambda _: None)
    assert threads == [figures["threads"]] == [2]
    described = json.loads((tmp_path / "lstm.json").read_text())
    assert described["validation"] == figures
    check_golden(__file__, "lstm", described, 1e-2, 1e-2)
    weights = torch.load(tmp_path / "lstm.pt", weights_only=True)
    check_golden(__file__, "lstm weights", {name: summary(each) for name, each in weights.items()}, 1e-2, 1e-3)


def patient(seed: int = 3, **settings: Any) -> WearablePatient:
    (one,) = simulate_wearables(1, seed, WearableSettings(days=(28, 29), **settings))
    return one


def test_a_simulated_person_is_read_as_it_is() -> None:
    one = replace(patient(medication_probability=1.0), weekday=3, illness=np.zeros(28 * 24))
    series = training.series_of(one)
    assert series.start == np.datetime64("2024-01-04T00")  # a Thursday
    assert set(series.confounders) == {"medication", "illness"}
    assert series.confounders["medication"] is one.medication
    assert (series.signals, series.symptoms) == (one.signals, one.symptoms)
    assert series.hourly is one.hourly
    assert series.reports is one.reports
    assert series.report_hours is one.report_hours
    assert not series.offset.any()
    assert len(series.offset) == len(one.signals)
    bare = training.series_of(replace(one, medication=0 * one.medication, illness=None, weekday=0))
    assert bare.confounders == {}
    assert bare.start == np.datetime64("2024-01-01T00")


def test_what_is_direct_is_1_and_what_goes_through_others_teaches_nothing() -> None:
    kinds = ("direct", "mediated", "common", "external", "null", "direct")
    pairs = tuple(Pair(i % 3, i // 3, kind) for i, kind in enumerate(kinds))
    asked = PairInputs(
        np.zeros(0), np.zeros((0, 0), np.float32), np.array([2, 0, 1, 0, 1, 2]), np.array([1, 0, 0, 1, 1, 0])
    )
    told = training.labels(replace(patient(), pairs=pairs), asked)
    assert np.array_equal(told, np.array([1, 1, np.nan, 0, 0, 0], np.float32), equal_nan=True)
    assert told.dtype == np.float32


def test_lessons_come_in_order_with_progress_at_every_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(training, "_lesson", lambda settings, seed, i: None if i == 3 else (settings, seed, i))
    settings = WearableSettings()
    found = list(training.lessons(settings, 9, 25, 1, said.append))
    assert found == [(settings, 9, i) for i in range(25) if i != 3]
    assert said == [f"{n} of 25 persons analysed" for n in range(2, 25, 2)]
    said.clear()
    list(training.lessons(settings, 9, 5, 1, said.append))
    assert said == [f"{n} of 5 persons analysed" for n in range(1, 6)]


def test_more_workers_give_the_same_lessons(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pool:
        def __init__(self, workers: int, **_: Any) -> None:
            assert workers == 3

        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def map(self, of: Any, *columns: Any, chunksize: int) -> Any:
            assert chunksize == 8
            return map(of, *columns)

    monkeypatch.setattr(training, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(training, "_lesson", lambda *what: what)
    settings = WearableSettings()
    assert list(training.lessons(settings, 9, 4, 3, lambda _: None)) == [(settings, 9, i) for i in range(4)]


def test_a_lesson_is_a_person_through_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = WearableSettings(days=(28, 29), signals=(4, 4), symptoms=(2, 2))
    monkeypatch.setattr(training, "analyse", lambda series, seed: analyse(series, 12, seed, 10))
    told = training._lesson(settings, 5, 2)
    assert told is not None
    pairs, label = told
    (one,) = simulate_wearables(1, 5, settings, first=2)
    expected = pair_inputs(analyse(training.series_of(one), 12, 2, 10))
    assert pairs.profiles.dtype == np.float16
    assert pairs.profiles == pytest.approx(expected.profiles.astype(np.float16))
    assert pairs.scalars == pytest.approx(expected.scalars)
    assert np.array_equal(label, training.labels(one, expected), equal_nan=True)
    nothing = replace(analyse(training.series_of(one), 2, 0, 2), symptoms=())
    monkeypatch.setattr(training, "analyse", lambda *_, **__: nothing)
    assert training._lesson(settings, 5, 2) is None


def test_calibration_is_the_best_of_its_likelihood_with_platts_targets() -> None:
    rng = np.random.default_rng(1)
    odds = rng.normal(0, 2, (60, 1))
    label = (rng.random(60) < expit(1.5 * odds[:, 0] - 1)).astype(np.float32)
    label[:5] = np.nan
    (weight,), intercept = calibrate(odds, label)
    x, y = odds[5:, 0], label[5:]
    target = np.where(y > 0, (y.sum() + 1) / (y.sum() + 2), 1 / ((1 - y).sum() + 2))
    error = expit(weight * x + intercept) - target
    assert error.mean() == pytest.approx(0, abs=1e-4)
    assert (error * x).mean() == pytest.approx(0, abs=1e-4)


def test_figures_by_hand() -> None:
    """Ten links and twenty others; the surest twelve hold one false one, and three lie above the best 5 %."""
    label = np.array([1] * 10 + [0] * 20 + [np.nan], np.float32)
    odds = np.concatenate([[30, 29, 28, 27, 26, 25, 24, 23, 22, 1.5], [27.5, *np.arange(19) / 10], [99]])
    figures = measured(odds, label)
    assert figures["pairs"] == 30
    better = sum((odds[10:30] < linked).sum() + 0.5 * (odds[10:30] == linked).sum() for linked in odds[:10])
    assert figures["auc"] == pytest.approx(better / 200, abs=5e-5)
    limit = np.quantile(odds[10:30], 0.95)
    assert figures["power_at_fpr_0.05"] == pytest.approx((odds[:10] > limit).mean())
    assert figures["power_at_fdr_0.1"] == 0.9
    assert measured(np.array([1.0, 2.0]), np.array([1.0, 1.0], np.float32)) == {"pairs": 2}
    assert measured(np.array([1.0, 2.0]), np.array([0.0, 0.0], np.float32)) == {"pairs": 2}
    wrong = measured(np.array([3.0, 2, 1]), np.array([0, 1, 0], np.float32))
    assert wrong["power_at_fdr_0.1"] == 0


def test_presets_are_the_documented_ones() -> None:
    check_golden(__file__, "presets", PRESETS)


def test_training_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ServiceUnavailableError, match=r"training needs torch: pip install 'novamind\[train\]'"):
        train(PRESETS["smoke"], "detector", seed=0, out=tmp_path, workers=1, progress=lambda _: None)
