import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novamind.errors import ModelInferenceError
from novamind.neurochemistry import surrogate, training
from novamind.neurochemistry.domain import BrainRegion
from novamind.neurochemistry.dynamics import PRIOR, Parameters, ensemble
from novamind.neurochemistry.simulation import region_level
from novamind.neurochemistry.surrogate import FEATURE_NAMES, manifest
from novamind.neurochemistry.training import (
    draw_ensemble,
    draw_patients,
    r_squared,
    simulate_examples,
    train,
    train_surrogate,
    write_ensemble,
)
from novamind.neurochemistry.treatment import Treatment
from tests.golden import check_golden


def test_the_shipped_weights_were_made_by_these_settings() -> None:
    shipped = manifest()
    assert shipped["training_patients"] == training.TRAINING_PATIENTS
    assert shipped["held_out_patients"] == training.HELD_OUT_PATIENTS
    assert shipped["features"] == list(FEATURE_NAMES)
    assert shipped["trees"] == training._TREES | {"rounds": training._ROUNDS}
    assert ensemble().count == training.ENSEMBLE_SIZE
    assert (training._BATCH, training._MAXIMUM_DRAWS, training._STEP_HOURS) == (2000, 100_000, 12.0)


def test_the_ensemble_is_what_passes_in_order_of_its_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third draw passes: the sets are the first of these, drawn over the ranges and rounded."""
    monkeypatch.setattr(training, "_BATCH", 12)
    monkeypatch.setattr(training, "fits_calibration", lambda sets: np.arange(sets.count) % 3 == 2)
    notes: list[str] = []
    drawn = draw_ensemble(4, 6, notes.append)
    rng = np.random.default_rng(4)
    batches = [{name: rng.uniform(low, high, 12).round(5) for name, (low, high, _) in PRIOR.items()} for _ in range(2)]
    assert list(drawn) == list(PRIOR)
    for name, values in drawn.items():
        expected = np.concatenate([batch[name][2::3] for batch in batches])[:6]
        np.testing.assert_array_equal(values, expected)
    assert notes == ["ensemble: 4 of 6 sets after 12 draws", "ensemble: 8 of 6 sets after 24 draws"]
    assert len(draw_ensemble(4, 4, notes.append)["symptom_days"]) == 4
    assert notes[-1] == "ensemble: 4 of 4 sets after 12 draws"


@pytest.mark.parametrize(("least", "right"), [(4, True), (5, False)])
def test_draws_end_at_their_limit(monkeypatch: pytest.MonkeyPatch, least: int, right: bool) -> None:
    monkeypatch.setattr(training, "_BATCH", 10)
    monkeypatch.setattr(training, "_MAXIMUM_DRAWS", 40)
    monkeypatch.setattr(training, "fits_calibration", lambda sets: np.arange(sets.count) == 0)
    notes: list[str] = []
    if right:
        assert len(draw_ensemble(0, least, notes.append)["symptom_days"]) == least
    else:
        with pytest.raises(ModelInferenceError, match="too few"):
            draw_ensemble(0, least, notes.append)
    assert len(notes) == 4


def test_sets_are_written_one_a_row(tmp_path: Path) -> None:
    write_ensemble({"a": np.array([1.5, 2.0]), "b": np.array([0.25, 3.0])}, tmp_path / "sets.csv")
    assert (tmp_path / "sets.csv").read_bytes() == b"a,b\n1.5,0.25\n2.0,3.0\n"


def test_patients_as_they_are_drawn_today() -> None:
    patients = draw_patients(np.random.default_rng(1), 2)
    check_golden(__file__, "patients", {name: getattr(patients, name)[:, 0] for name in PRIOR})


def test_patients_are_drawn_over_the_whole_of_the_ranges() -> None:
    patients = draw_patients(np.random.default_rng(8), 500)
    rng = np.random.default_rng(8)
    for name, (low, high, _) in PRIOR.items():
        values = getattr(patients, name)
        np.testing.assert_array_equal(values[:, 0], rng.uniform(low, high, 500))
        assert values.min() < low + 0.05 * (high - low)
        assert values.max() > high - 0.05 * (high - low)


def test_examples_as_they_are_today() -> None:
    rng = np.random.default_rng(2)
    inputs, levels = simulate_examples(draw_patients(rng, 5), rng)
    assert inputs.shape == (levels.size, len(FEATURE_NAMES))
    days = np.expm1(inputs[:, FEATURE_NAMES.index("log_day")])
    assert 0.5 <= days.min() <= days.max() <= 84
    check_golden(__file__, "examples", {"inputs": inputs[::9, 14:], "levels": levels[::9], "count": levels.size})


def test_an_example_is_the_twins_own_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Levels at the drawn step of the drawn patient, with the release that its row of inputs states."""
    monkeypatch.setattr(training, "MAPPED_REGIONS", (BrainRegion.AMYGDALA,))
    patients = draw_patients(np.random.default_rng(3), 8)
    inputs, levels = simulate_examples(patients, np.random.default_rng(4))
    assert levels.size == 3 * 3 * 2  # a quarter of eight patients for each pair
    treated, observed = (
        [FEATURE_NAMES.index(f"{kind}_{name}") for name in ("serotonin", "norepinephrine", "dopamine")]
        for kind in ("treated", "observed")
    )
    names = list(training.MONOAMINES)
    for row, level in zip(inputs[::4], levels[::4], strict=True):
        own = Parameters.from_columns(
            {name: np.array([row[FEATURE_NAMES.index(name)]]) for name in PRIOR if name != "symptom_days"}
            | {"symptom_days": np.array([10.0])}
        )
        day = np.expm1(row[FEATURE_NAMES.index("log_day")])
        effect = float(np.expm1(row[FEATURE_NAMES.index("log_release")]))
        chemistry = Treatment({names[int(row[treated].argmax())]: effect}).chemistry(day, own)
        expected = region_level(chemistry, names[int(row[observed].argmax())], BrainRegion.AMYGDALA)
        assert level == pytest.approx(np.log(expected[0, -1]), abs=1e-6)


def test_r_squared_is_the_share_of_variance() -> None:
    truth = np.array([1.0, 2.0, 3.0, 6.0])
    assert r_squared(truth, truth) == 1.0
    assert r_squared(truth, np.full(4, 3.0)) == 0.0
    assert r_squared(truth, truth + np.array([1.0, -1.0, 1.0, -1.0])) == pytest.approx(1 - 4 / 14)


def test_a_small_training_states_how_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TRAINING_PATIENTS", 8)
    monkeypatch.setattr(training, "HELD_OUT_PATIENTS", 4)
    monkeypatch.setattr(training, "_ROUNDS", 5)
    notes: list[str] = []
    metrics = train_surrogate(tmp_path / "deep" / "new", seed=1, progress=notes.append)
    written = json.loads((tmp_path / "deep" / "new" / surrogate.MANIFEST_FILE).read_text("utf-8"))
    assert (
        written.pop("sha256")
        == training.hashlib.sha256((tmp_path / "deep" / "new" / surrogate.WEIGHTS_FILE).read_bytes()).hexdigest()
    )
    assert written["metrics"] == metrics
    check_golden(__file__, "small_training", {"manifest": written, "notes": notes}, relative=1e-4)


def test_a_training_makes_the_ensemble_and_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def drawn(seed: int, progress: training.Progress) -> dict[str, np.ndarray]:
        calls.append((seed, progress))
        return {"a": np.array([1.0])}

    monkeypatch.setattr(training, "draw_ensemble", drawn)
    monkeypatch.setattr(training, "train_surrogate", lambda *arguments: calls.append(arguments) or {"r2": 1.0})
    (tmp_path / "reference").mkdir()
    assert train(tmp_path, 5, print) == {"r2": 1.0}
    assert calls == [(5, print), (tmp_path / "weights", 5, print)]
    assert (tmp_path / "reference" / "ensemble.csv").read_text() == "a\n1.0\n"
    train(tmp_path)
    assert calls[2] == (0, print)
