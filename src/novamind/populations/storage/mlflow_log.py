"""A training run in MLflow: experiment ``digital_twin_{twin_type}_{brand}``, figures, model file, importance plot."""

import importlib
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from novamind.errors import ServiceUnavailableError, ValidationError
from novamind.populations.generation.generator import TwinGenerator
from novamind.populations.presentation import plots

EMBEDDED: Final = "sqlite:///novamind_mlflow.db"
_METRICS: Final = ("train_r2", "train_mae", "train_rmse", "cv_r2_mean", "cv_r2_std", "twin_fidelity", "coverage_95")


def log_training(generator: TwinGenerator, tracking_uri: str = EMBEDDED, artifacts: str | Path | None = None) -> str:
    """Log a trained generator, register its model file as the next version, and return the run's id.

    Parameters
    ----------
    tracking_uri
        MLflow's server or database; an SQLite file in the working folder when omitted.
    artifacts
        Folder of a new experiment's files; MLflow's own choice when omitted.

    Raises
    ------
    ValidationError
        If the generator was not trained.
    ServiceUnavailableError
        If MLflow is not installed (extra ``mlflow``) or does not answer.
    """
    metrics = generator.metrics
    if metrics is None:
        raise ValidationError("train the generator before it is logged")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        mlflow: Any = importlib.import_module("mlflow")
    except ModuleNotFoundError as error:
        raise ServiceUnavailableError("MLflow needs the extra 'mlflow': pip install 'novamind[mlflow]'") from error
    name = f"digital_twin_{generator.twin_type}_{generator.brand}"
    try:
        client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        existing = client.get_experiment_by_name(name)
        place = None if artifacts is None else Path(artifacts).resolve().as_uri()
        experiment = existing.experiment_id if existing else client.create_experiment(name, artifact_location=place)
        run = client.create_run(experiment)
        run_id = str(run.info.run_id)
        for key in _METRICS:
            client.log_metric(run_id, key, getattr(metrics, key))
        parameters = {
            "model_type": metrics.model_type,
            "training_samples": metrics.training_samples,
            "target": generator.target,
            "seed": generator.seed,
            "rules": len(metrics.rules),
            "epsilon": metrics.epsilon,
        }
        for key, value in parameters.items():
            client.log_param(run_id, key, value)
        with tempfile.TemporaryDirectory() as folder:
            client.log_artifact(run_id, str(generator.save(Path(folder) / "twins.model")))
            picture = Path(folder) / "feature_importance.svg"
            plots.feature_importance(metrics).save(picture)
            client.log_artifact(run_id, str(picture))
        client.set_terminated(run_id)
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        client.create_model_version(name, f"{run.info.artifact_uri}/twins.model", run_id)
    except mlflow.exceptions.MlflowException as error:
        raise ServiceUnavailableError("MLflow does not answer or refuses the run; check its URI") from error
    return run_id
