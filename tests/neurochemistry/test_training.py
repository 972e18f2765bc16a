from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novamind.errors import ModelInferenceError
from novamind.neurochemistry import training
from novamind.neurochemistry.dynamics import PRIOR, ensemble
from novamind.neurochemistry.published_checks import fits_calibration
from novamind.neurochemistry.training import draw_ensemble, draw_patients, train, write_ensemble
from tests.golden import check_golden


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


def test_the_ensemble_is_drawn_again_as_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (training._BATCH, training._MAXIMUM_DRAWS) == (2000, 100_000)
    assert ensemble().count == training.ENSEMBLE_SIZE

    # the first five sets that pass lie among the first 500 of a batch; the others need no judgement here
    def first_500(sets: Any) -> np.ndarray:
        return np.append(fits_calibration(sets.take(np.arange(500))), np.zeros(sets.count - 500, dtype=bool))

    monkeypatch.setattr(training, "fits_calibration", first_500)
    shipped = {name: getattr(ensemble(), name)[:5, 0] for name in PRIOR}
    drawn = draw_ensemble(seed=0, size=5, progress=lambda _: None)
    for name, values in shipped.items():
        np.testing.assert_array_equal(drawn[name], values)
    write_ensemble(drawn, tmp_path / "ensemble.csv")
    assert len((tmp_path / "ensemble.csv").read_text().splitlines()) == 6


def test_a_training_makes_the_ensemble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def drawn(seed: int, progress: training.Progress) -> dict[str, np.ndarray]:
        calls.append((seed, progress))
        return {"symptom_days": np.array([1.0, 2.5])}

    monkeypatch.setattr(training, "draw_ensemble", drawn)
    assert train(tmp_path / "new", 5, print) == {"sets": 2}
    assert (tmp_path / "new" / "reference" / "ensemble.csv").read_text() == "symptom_days\n1.0\n2.5\n"
    train(tmp_path)
    assert calls == [(5, print), (0, print)]
