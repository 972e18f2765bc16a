import os
from types import SimpleNamespace

import pytest

from novamind.errors import ServiceUnavailableError, ValidationError
from novamind.populations import TwinGenerator
from novamind.populations.storage.mlflow_log import EMBEDDED, log_training


# MLflow builds its tables and queries in ways that SQLAlchemy 2.1 will drop.
@pytest.mark.filterwarnings("ignore")
def test_a_training_run_is_logged_and_its_model_registered(generator, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed (extra 'mlflow').")
    uri = f"sqlite:///{tmp_path}/runs.db"
    runs = [log_training(generator, uri, tmp_path / "files") for _ in range(2)]
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    run = client.get_run(runs[0])
    assert client.get_experiment(run.info.experiment_id).name == "digital_twin_hcp_kisqali"
    assert run.data.metrics == pytest.approx(
        {
            name: getattr(generator.metrics, name)
            for name in (
                *("train_r2", "train_mae", "train_rmse", "cv_r2_mean", "cv_r2_std"),  # the specification's
                *("twin_fidelity", "coverage_95"),
            )
        }
    )
    assert run.data.params == {
        "model_type": generator.metrics.model_type,
        "training_samples": "3000",
        "target": "prescribing_change",
        "seed": "0",
        "rules": str(len(generator.metrics.rules)),
        "epsilon": "None",
    }
    assert run.info.status == "FINISHED"
    assert client.get_run(runs[1]).info.experiment_id == run.info.experiment_id
    svg = next((tmp_path / "files" / runs[0]).rglob("feature_importance.svg"))
    assert "share of explained variation" in svg.read_text()
    assert {f.path for f in client.list_artifacts(runs[0])} == {"twins.model", "feature_importance.svg"}
    newest = client.get_model_version("digital_twin_hcp_kisqali", "2")
    assert newest.run_id == runs[1]
    stored = next((tmp_path / "files" / runs[1]).rglob("twins.model"))
    assert TwinGenerator.load(stored).metrics == generator.metrics


def test_what_cannot_be_logged_is_explained(generator, tmp_path, monkeypatch):
    with pytest.raises(ValidationError, match="train"):
        log_training(TwinGenerator("hcp", "kisqali"))
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(ServiceUnavailableError, match="extra 'mlflow'"):
        log_training(generator, f"sqlite:///{tmp_path}/runs.db")


class RefusedError(Exception):
    """What MLflow raises."""


class Client:
    """MLflow's client as far as it is asked, with a note of everything."""

    def __init__(self, notes, tracking_uri, registry_uri):
        self.notes = notes
        notes.append(("client", tracking_uri, registry_uri))

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id="4") if ("experiment", name) in self.notes else None

    def create_experiment(self, name, artifact_location):
        self.notes += [("experiment", name), ("place", artifact_location)]
        return "4"

    def create_run(self, experiment):
        self.notes.append(("run", experiment))
        return SimpleNamespace(info=SimpleNamespace(run_id=17, artifact_uri="file:/runs/17"))

    def log_artifact(self, run, path):
        with open(path, "rb") as file:
            self.notes.append(("artifact", run, os.path.basename(path), file.read(4)))

    def search_registered_models(self, wanted):
        return [n for n in self.notes if n[0] == "create_registered_model" and wanted == f"name = '{n[1]}'"]

    def __getattr__(self, name):
        return lambda *of: self.notes.append((name, *of))


@pytest.fixture
def notes(monkeypatch):
    found = []
    fake = SimpleNamespace(
        MlflowClient=lambda **of: Client(found, **of), exceptions=SimpleNamespace(MlflowException=RefusedError)
    )
    monkeypatch.setitem(__import__("sys").modules, "mlflow", fake)
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    return found


def test_everything_about_a_run_is_handed_over(quick, notes, tmp_path):
    assert log_training(quick, artifacts=tmp_path) == "17"
    name, figures = "digital_twin_hcp_kisqali", quick.metrics
    assert os.environ.pop("MLFLOW_DISABLE_TELEMETRY") == "true"
    specified = ("train_r2", "train_mae", "train_rmse", "cv_r2_mean", "cv_r2_std", "twin_fidelity", "coverage_95")
    assert notes[:4] == [
        ("client", EMBEDDED, EMBEDDED),
        ("experiment", name),
        ("place", tmp_path.resolve().as_uri()),
        ("run", "4"),
    ]
    assert notes[4:11] == [("log_metric", "17", key, getattr(figures, key)) for key in specified]
    assert notes[11:17] == [
        ("log_param", "17", "model_type", figures.model_type),
        ("log_param", "17", "training_samples", 1_000),
        ("log_param", "17", "target", "prescribing_change"),
        ("log_param", "17", "seed", 3),
        ("log_param", "17", "rules", len(figures.rules)),
        ("log_param", "17", "epsilon", None),
    ]
    assert notes[17:] == [
        ("artifact", "17", "twins.model", b"PK\x03\x04"),
        ("artifact", "17", "feature_importance.svg", b"<svg"),
        ("set_terminated", "17"),
        ("create_registered_model", name),
        ("create_model_version", name, "file:/runs/17/twins.model", "17"),
    ]
    assert EMBEDDED == "sqlite:///novamind_mlflow.db"
    before = len(notes)
    log_training(quick, "sqlite:///other.db")
    assert [n[0] for n in notes[before:]].count("experiment") == 0  # it is known by now, as the model's name is
    assert [n[0] for n in notes[before:]].count("create_registered_model") == 0


def test_a_new_experiment_lies_where_mlflow_wants(quick, notes):
    log_training(quick)
    assert ("place", None) in notes


def test_a_run_that_is_refused_is_explained(quick, notes, monkeypatch):
    def refused(*_):
        raise RefusedError

    monkeypatch.setattr(Client, "create_run", refused)
    with pytest.raises(ServiceUnavailableError, match="does not answer or refuses the run"):
        log_training(quick)
    assert notes
