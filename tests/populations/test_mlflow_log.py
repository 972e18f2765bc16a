import pytest

from novamind.errors import ServiceUnavailableError, ValidationError
from novamind.populations import TwinGenerator
from novamind.populations.mlflow_log import log_training


# MLflow builds its tables and queries in ways that SQLAlchemy 2.1 will drop.
@pytest.mark.filterwarnings("ignore")
def test_a_training_run_is_logged_and_its_model_registered(generator, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed (extra 'mlflow').")
    uri = f"sqlite:///{tmp_path}/runs.db"
    runs = [log_training(generator, uri, tmp_path / "files") for _ in range(2)]
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    run = client.get_run(runs[0])
    assert client.get_experiment(run.info.experiment_id).name == "digital_twin_hcp_kisqali"
    assert run.data.metrics["cv_r2_mean"] == pytest.approx(generator.metrics.cv_r2_mean)
    assert {f.path for f in client.list_artifacts(runs[0])} == {"twins.model", "feature_importance.svg"}
    newest = client.get_model_version("digital_twin_hcp_kisqali", "2")
    assert newest.run_id == runs[1]
    stored = next((tmp_path / "files" / runs[1]).rglob("twins.model"))
    assert TwinGenerator.load(stored).metrics == generator.metrics


def test_what_cannot_be_logged_is_explained(generator, tmp_path, monkeypatch):
    with pytest.raises(ValidationError, match="Train"):
        log_training(TwinGenerator("hcp", "kisqali"))
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(ServiceUnavailableError, match="extra 'mlflow'"):
        log_training(generator, f"sqlite:///{tmp_path}/runs.db")
