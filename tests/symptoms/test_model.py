"""A model is loaded only as it was saved, and covers what it states for people it has not seen."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from novamind.cohorts import OTHER_POPULATION, simulate
from novamind.errors import ModelInferenceError
from novamind.symptoms import Scale, SymptomForecastingService, forecast_many
from novamind.symptoms.domain import LEVELS
from novamind.symptoms.forecaster.model import MANIFEST, SymptomModel
from novamind.symptoms.forecaster.preprocessing import Histories
from novamind.symptoms.service import SHIPPED, default_service
from tests.symptoms.diaries import START, cohort, long_frame, names, usual


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped model's folder, to be tampered with."""
    return shutil.copytree(SHIPPED, tmp_path / "weights")


def weights_of(folder: Path) -> list[str]:
    return list(json.loads((folder / MANIFEST).read_text())["files"])


def test_every_shipped_file_is_in_the_manifest() -> None:
    files = {path.name for path in SHIPPED.iterdir()}
    assert files == {MANIFEST, *weights_of(SHIPPED)}
    assert not any(name.endswith((".pkl", ".pickle", ".pt", ".joblib")) for name in files)


TAMPERED: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "changed": lambda path: path.write_bytes(path.read_bytes()[:-9] + b"!" + path.read_bytes()[-8:]),
    "another": lambda path: path.write_bytes(b"{}"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_weights_that_are_not_the_saved_ones_are_refused(copy: Path, how: str) -> None:
    for name in weights_of(SHIPPED):
        TAMPERED[how](copy / name)
        with pytest.raises(ModelInferenceError, match="model"):
            SymptomModel.load(copy)
        shutil.copy(SHIPPED / name, copy / name)
    assert SymptomModel.load(copy).version == default_service().model.version


@pytest.mark.parametrize("text", [None, "", "{", '{"name": "x"}'])
def test_a_folder_without_a_whole_manifest_is_no_model(copy: Path, text: str | None) -> None:
    if text is None:
        (copy / MANIFEST).unlink()
    else:
        (copy / MANIFEST).write_text(text)
    with pytest.raises(ModelInferenceError, match="novamind train symptoms"):
        SymptomModel.load(copy)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe junk", b"[]", b"null", b'{"files": {}}', b'{"files": {}, "name": "x", "coverage": {}}']
)
def test_a_manifest_that_is_none_is_refused(copy: Path, content: bytes) -> None:
    (copy / MANIFEST).write_bytes(content)
    with pytest.raises(ModelInferenceError, match="novamind train symptoms"):
        SymptomModel.load(copy)


@pytest.mark.parametrize("part", ["levels", "weights", "experts"])
def test_weights_of_another_shape_are_refused(copy: Path, part: str) -> None:
    """A folder whose digests agree but whose arrays are those of another version."""
    manifest, stack = (json.loads((copy / name).read_text()) for name in (MANIFEST, "stack.json"))
    stack[part] = stack[part][:1]
    (copy / "stack.json").write_text(json.dumps(stack))
    manifest["files"]["stack.json"] = hashlib.sha256((copy / "stack.json").read_bytes()).hexdigest()
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelInferenceError, match="novamind train symptoms"):
        SymptomModel.load(copy)


def test_a_large_batch_is_forecast_like_small_ones() -> None:
    reports = simulate(700, 40, seed=8, settings=OTHER_POPULATION).reports
    reports = reports[np.isfinite(reports).any(1)]
    histories = Histories.untreated(reports, np.zeros(len(reports), np.float32), np.zeros(len(reports), np.int64))
    model = default_service().model
    whole = model.predict(histories, 14)
    part = model.predict(histories.rows(np.arange(500, 600)), 14)
    np.testing.assert_allclose(whole.quantiles[500:600], part.quantiles, atol=1e-5)
    np.testing.assert_allclose(whole.weights[500:600], part.weights, atol=1e-4)
    np.testing.assert_allclose(whole.summary.table[500:600], part.summary.table, atol=1e-5)


def test_no_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelInferenceError, match="novamind train symptoms"):
        SymptomModel.load(tmp_path / "nothing")


def test_saved_and_loaded_it_forecasts_the_same(copy: Path) -> None:
    model = default_service().model
    before = json.loads((copy / MANIFEST).read_text())
    model.save(copy, {"name": before["name"]})
    loaded = SymptomModel.load(copy)
    assert loaded.version == model.version
    assert (loaded.validation_error, loaded.coverage) == (model.validation_error, model.coverage)
    again = SymptomForecastingService(loaded).forecast(long_frame(cohort()), scale=(0, 16), step=1)
    assert again.frame.equals(usual().frame)


@pytest.mark.parametrize("member", ["own mean", "boosted trees"])
def test_a_member_left_out_has_no_weight(member: str) -> None:
    model = default_service().model.without([member])
    forecasts = SymptomForecastingService(model).forecast(long_frame(cohort()), scale=(0, 16), step=1)
    assert np.isfinite(forecasts.continuous_quantiles).all()
    weights = {m.name: m.weight for m in forecasts[0].members}
    assert weights.pop(member) == 0
    assert sum(weights.values()) == pytest.approx(1, abs=1e-5)


def test_new_people_of_another_population_are_covered_as_stated() -> None:
    """Outcomes of 14 days of 900 simulated people that no training, stacking or calibration has seen."""
    days, horizon = 90, 14
    people = simulate(900, days + horizon, seed=424_242, settings=OTHER_POPULATION)
    usable = (np.isfinite(people.reports[:, :days]).sum(1) >= 8) & np.isfinite(people.reports[:, days - 1])
    past, future, step = people.reports[usable, :days], people.reports[usable, days:], people.step[usable]
    ids = names(len(past))
    rows = long_frame(past).rename({"patient_id": "symptom"})
    scales = {name: Scale(0, 1, float(s) if s > 0 else None) for name, s in zip(ids, step, strict=True)}
    forecasts = forecast_many(rows, horizon, scale=scales)
    assert [s.key.name for s in forecasts.series] == ids
    assert {s.days[-1] for s in forecasts.series} == {START + days - 1}
    quantiles = np.array([f"q{level:g}" for level in LEVELS])
    values = forecasts.frame.select(quantiles).to_numpy().reshape(len(past), horizon, 21)
    known = np.isfinite(future)
    assert known.sum() > 3000

    def coverage(low: int, high: int) -> float:
        # Reports are single precision.
        inside = (future >= values[..., low] - 1e-6) & (future <= values[..., high] + 1e-6)
        return float(inside[known].mean())

    assert 0.76 <= coverage(2, 18) <= 0.88
    assert 0.92 <= coverage(0, 20) <= 0.99
    # Both sides miss alike, and the middle is the middle; reports at a quantile count on neither side.
    assert np.mean((future < values[..., 2] - 1e-6)[known]) < 0.14
    assert np.mean((future > values[..., 18] + 1e-6)[known]) < 0.14
    assert np.mean((future < values[..., 10] - 1e-6)[known]) < 0.5
    assert np.mean((future > values[..., 10] + 1e-6)[known]) < 0.5


def test_its_forecasts_are_sharper_than_the_population() -> None:
    """The person's own interval is far narrower than that of people at large."""
    quantiles = usual().continuous_quantiles
    own = (quantiles[..., 18] - quantiles[..., 2]).mean()
    everyone = np.subtract(*np.nanquantile(cohort(), [0.9, 0.1]))
    assert own < 0.6 * everyone


def test_days_at_risk_come_as_often_as_stated() -> None:
    """Of days with a stated risk of 30 to 70 %, about the stated share crosses the person's own threshold."""
    people = simulate(700, 97, seed=31_337, settings=OTHER_POPULATION)
    usable = (np.isfinite(people.reports[:, :90]).sum(1) >= 30) & np.isfinite(people.reports[:, 89])
    whole = np.round(people.reports[usable].astype(float) * 16)[:120]
    forecasts = forecast_many(long_frame(whole[:, :90]), 7, scale=(0, 16), step=1)
    thresholds = np.nanquantile(whole[:, :90], 0.7, axis=1)
    said = np.array([f.risk(t).probability for f, t in zip(forecasts, thresholds, strict=True)])
    middling = (said > 0.3) & (said < 0.7) & np.isfinite(whole[:, 90:])
    came = whole[:, 90:] >= thresholds[:, None]
    assert middling.sum() > 150
    assert np.mean(came[middling]) == pytest.approx(np.mean(said[middling]), abs=0.12)
