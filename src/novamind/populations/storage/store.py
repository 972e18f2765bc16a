"""Models, populations, simulations and fidelity in a database; the twins in Parquet shards beside it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from novamind.errors import DataProcessingError, NotFoundError, ServiceUnavailableError, ValidationError
from novamind.infrastructure.database import NAMING, UtcDateTime, upgrade, with_driver
from novamind.infrastructure.manifest import digest
from novamind.populations.domain import DigitalTwin, TwinType
from novamind.populations.fidelity.fidelity_tracker import FidelityRecord
from novamind.populations.generation.generator import TwinGenerator
from novamind.populations.generation.shards import ROWS as SHARD_ROWS
from novamind.populations.generation.shards import read as read_shard
from novamind.populations.generation.shards import write as write_shard
from novamind.populations.population import TwinPopulation
from novamind.populations.ports import TrainedModel
from novamind.populations.results import FidelityReport, SimulationResult
from novamind.populations.table import Column, Table, concatenate
from novamind.settings import Settings

_POSTGRES_PORT: Final = 5432


metadata = sa.MetaData(naming_convention=NAMING)
_key = sa.Uuid()

models = sa.Table(
    "digital_twin_models",
    metadata,
    sa.Column("model_id", _key, primary_key=True),
    sa.Column("twin_type", sa.String(20), nullable=False),
    sa.Column("brand", sa.String(100), nullable=False, index=True),
    sa.Column("model_type", sa.String(50), nullable=False),
    sa.Column("training_samples", sa.Integer, nullable=False),
    sa.Column("target_variable", sa.String(200), nullable=False),
    sa.Column("features", sa.JSON, nullable=False),
    sa.Column("hyperparameters", sa.JSON, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("mlflow_run_id", sa.String(64)),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("trained_at", UtcDateTime, nullable=False),
    sa.Column("deprecated_at", UtcDateTime),
)
twins = sa.Table(
    "digital_twins",
    metadata,
    sa.Column("twin_id", _key, primary_key=True),
    sa.Column("model_id", _key, sa.ForeignKey("digital_twin_models.model_id"), index=True),
    sa.Column("twin_type", sa.String(20), nullable=False),
    sa.Column("features", sa.JSON, nullable=False),
    sa.Column("baseline_behavior", sa.Float, nullable=False),
    sa.Column("expected_outcome", sa.Float, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
populations = sa.Table(
    "twin_populations",
    metadata,
    sa.Column("population_id", _key, primary_key=True),
    sa.Column("model_id", _key, sa.ForeignKey("digital_twin_models.model_id"), index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("twin_count", sa.Integer, nullable=False),
    sa.Column("filters_applied", sa.JSON, nullable=False),
    sa.Column("layout", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
)
members = sa.Table(
    "twin_population_members",
    metadata,
    sa.Column("population_id", _key, sa.ForeignKey("twin_populations.population_id"), primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("file", sa.String(300), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
)
simulations = sa.Table(
    "simulation_runs",
    metadata,
    sa.Column("simulation_id", _key, primary_key=True),
    sa.Column("population_id", _key, sa.ForeignKey("twin_populations.population_id"), index=True),
    sa.Column("intervention_config", sa.JSON, nullable=False),
    sa.Column("filters", sa.JSON, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("results", sa.JSON),
    sa.Column("recommendation", sa.String(20)),
    sa.Column("recommendation_reason", sa.Text),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("completed_at", UtcDateTime),
    sa.Column("error_message", sa.Text),
)
fidelity = sa.Table(
    "fidelity_tracking",
    metadata,
    sa.Column("tracking_id", _key, primary_key=True),
    sa.Column("twin_id", _key, nullable=False, index=True),
    sa.Column("population_id", _key),
    sa.Column("predicted_value", sa.Float, nullable=False),
    sa.Column("actual_value", sa.Float, nullable=False),
    sa.Column("error", sa.Float, nullable=False),
    sa.Column("metric_type", sa.String(50), nullable=False),
    sa.Column("tracked_at", UtcDateTime, nullable=False),
)
snapshots = sa.Table(
    "fidelity_snapshots",
    metadata,
    sa.Column("snapshot_id", _key, primary_key=True),
    sa.Column("model_id", _key, index=True),
    sa.Column("population_id", _key, index=True),
    sa.Column("mae", sa.Float, nullable=False),
    sa.Column("rmse", sa.Float, nullable=False),
    sa.Column("correlation", sa.Float, nullable=False),
    sa.Column("coverage_95pct", sa.Float, nullable=False),
    sa.Column("sample_size", sa.Integer, nullable=False),
    sa.Column("report", sa.JSON, nullable=False),
    sa.Column("snapshot_date", UtcDateTime, nullable=False),
)


def synchronous(url: str) -> str:
    """Name the blocking driver for a database URL: PostgreSQL by pg8000, SQLite by the standard library.

    A socket's folder stands in ``host``, as libpq has it; pg8000 wants the socket itself.
    """
    parsed = make_url(with_driver(url, sqlite="sqlite", postgresql="postgresql+pg8000"))
    folder = parsed.query.get("host")
    if parsed.get_backend_name() == "postgresql" and isinstance(folder, str) and folder.startswith("/"):
        socket = f"{folder}/.s.PGSQL.{parsed.port or _POSTGRES_PORT}"
        parsed = parsed.difference_update_query(["host"]).update_query_dict({"unix_sock": socket})
    return parsed.render_as_string(hide_password=False)


def migrate(engine: sa.Engine) -> None:
    """Bring the database to the newest schema (Alembic)."""
    with engine.begin() as connection:
        upgrade(connection, Path(__file__).with_name("migrations"))


class TwinRepository:
    """Save and load models, twins and populations.

    Parameters
    ----------
    database_url
        SQLite or PostgreSQL; the settings' when omitted.
    folder
        Where population shards go; the settings' when omitted.

    Raises
    ------
    ServiceUnavailableError
        If the database does not answer.
    """

    def __init__(self, database_url: str | None = None, folder: str | Path | None = None) -> None:
        settings = Settings()
        url = database_url or settings.population_database_url
        self._folder = Path(folder or settings.population_dir)
        try:
            self._engine = sa.create_engine(synchronous(url))
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _enforce_references)
            migrate(self._engine)
        except ModuleNotFoundError as error:
            raise ServiceUnavailableError(
                "PostgreSQL needs the extra 'postgres': pip install 'novamind[postgres]'"
            ) from error
        except SQLAlchemyError as error:
            raise ServiceUnavailableError("the twin database does not answer; check its URL") from error

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """All or nothing; trouble with the database in our own words."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            if _breaks_reference(error):
                raise ValidationError("save the model or population that this belongs to first") from error
            raise ServiceUnavailableError("the twin database does not answer; check its URL") from error

    def save_model(self, generator: TrainedModel, mlflow_run_id: str | None = None) -> UUID:
        """Store a trained generator and return its id; it replaces earlier ones of its type, brand and target."""
        content, metrics = generator.to_bytes(), generator.metrics
        if metrics is None or generator.trained_at is None:
            raise ValidationError("train the generator before it is stored")
        model_id = uuid4()
        with self._transaction() as connection:
            connection.execute(
                models.update()
                .where(
                    models.c.twin_type == str(generator.twin_type),
                    models.c.brand == generator.brand,
                    models.c.target_variable == generator.target,
                    models.c.deprecated_at.is_(None),
                )
                .values(deprecated_at=datetime.now(UTC))
            )
            connection.execute(
                models.insert().values(
                    model_id=model_id,
                    twin_type=str(generator.twin_type),
                    brand=generator.brand,
                    model_type=metrics.model_type,
                    training_samples=metrics.training_samples,
                    target_variable=generator.target,
                    features=list(metrics.feature_importance),
                    hyperparameters={
                        "seed": generator.seed,
                        "declared_rules": list(generator.declared_rules),
                    },
                    metrics=asdict(metrics),
                    mlflow_run_id=mlflow_run_id,
                    content=content,
                    sha256=hashlib.sha256(content).hexdigest(),
                    trained_at=generator.trained_at,
                )
            )
        return model_id

    def load_model(self, model_id: UUID) -> TwinGenerator:
        """Load a generator.

        Raises
        ------
        NotFoundError
            If there is none of this id.
        DataProcessingError
            If the stored content was altered.
        """
        row = self._single_row(
            sa.select(models.c.content, models.c.sha256).where(models.c.model_id == model_id), "twin model"
        )
        if hashlib.sha256(row.content).hexdigest() != row.sha256:
            raise DataProcessingError("the stored twin model was altered; restore it or train again")
        return TwinGenerator.from_bytes(row.content, model_id)

    def current_model(self, twin_type: TwinType | str, brand: str) -> UUID:
        """Return the id of the newest model of a type and brand that nothing has replaced.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        query = (
            sa.select(models.c.model_id)
            .where(models.c.twin_type == str(twin_type), models.c.brand == brand, models.c.deprecated_at.is_(None))
            .order_by(models.c.trained_at.desc())
            .limit(1)
        )
        return UUID(str(self._single_row(query, "current twin model").model_id))

    def save_twin(self, twin: DigitalTwin, twin_type: TwinType | str = TwinType.HCP) -> UUID:
        """Store one twin."""
        with self._transaction() as connection:
            connection.execute(twins.delete().where(twins.c.twin_id == twin.twin_id))
            connection.execute(
                twins.insert().values(
                    twin_id=twin.twin_id,
                    model_id=twin.model_id,
                    twin_type=str(twin_type),
                    features=dict(twin.features),
                    baseline_behavior=twin.baseline_behavior,
                    expected_outcome=twin.expected_outcome,
                    metadata={},
                    created_at=datetime.now(UTC),
                )
            )
        return twin.twin_id

    def load_twin(self, twin_id: UUID) -> DigitalTwin:
        """Load one twin that was stored by itself."""
        return _twin(self._single_row(sa.select(twins).where(twins.c.twin_id == twin_id), "twin"))

    def query_twins(
        self, *, model_id: UUID | None = None, twin_type: TwinType | str | None = None, limit: int = 100
    ) -> tuple[DigitalTwin, ...]:
        """Return twins stored by themselves, oldest first."""
        query = sa.select(twins).order_by(twins.c.created_at, twins.c.twin_id).limit(limit)
        if model_id is not None:
            query = query.where(twins.c.model_id == model_id)
        if twin_type is not None:
            query = query.where(twins.c.twin_type == str(twin_type))
        with self._transaction() as connection:
            return tuple(_twin(row) for row in connection.execute(query))

    def save_population(
        self, population: TwinPopulation, *, description: str = "", expires_at: datetime | None = None
    ) -> UUID:
        """Store a population: one row per shard in the database, the twins as Parquet.

        Raises
        ------
        DataProcessingError
            If the shards cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        shards = []
        for shard, start in enumerate(range(0, len(population), SHARD_ROWS)):
            name = f"{population.population_id}-{shard:05d}.parquet"
            rows = np.arange(start, min(start + SHARD_ROWS, len(population)))
            write_shard(population, rows, self._folder / name)
            shards.append(
                {
                    "population_id": population.population_id,
                    "shard": shard,
                    "rows": len(rows),
                    "file": name,
                    "sha256": digest(self._folder / name),
                }
            )
        layout = {
            "columns": [vars(c) for c in population.features.columns],
            "backend": population.features.backend,
            "seed": population.seed,
            "twin_type": str(population.twin_type),
            "brand": population.brand,
            "target": vars(population.target),
        }
        row = {
            "model_id": population.model_id,
            "name": population.name,
            "description": description,
            "twin_count": len(population),
            "filters_applied": json.loads(json.dumps(dict(population.filters), default=_plain_json)),
            "layout": layout,
            "created_at": population.created_at,
            "expires_at": expires_at,
        }
        mine = populations.c.population_id == population.population_id
        with self._transaction() as connection:
            connection.execute(members.delete().where(members.c.population_id == population.population_id))
            if not connection.execute(populations.update().where(mine).values(row)).rowcount:
                connection.execute(populations.insert().values(population_id=population.population_id, **row))
            connection.execute(members.insert(), shards)
        return population.population_id

    def load_population(self, population_id: UUID) -> TwinPopulation:
        """Load a population.

        Raises
        ------
        NotFoundError
            If there is none of this id.
        DataProcessingError
            If a shard is absent or was altered.
        """
        row = self._single_row(sa.select(populations).where(populations.c.population_id == population_id), "population")
        with self._transaction() as connection:
            shards = connection.execute(
                sa.select(members).where(members.c.population_id == population_id).order_by(members.c.shard)
            ).all()
        parts = []
        for shard in shards:
            path = self._folder / shard.file
            if not path.is_file() or digest(path) != shard.sha256:
                raise DataProcessingError(f"shard {shard.shard} of the population is absent or was altered")
            parts.append(read_shard(path))
        features, outcomes = (concatenate(part) for part in zip(*parts, strict=True))
        layout, shown = row.layout, dict[str, Any](outcomes)
        columns = tuple(_column(c) for c in layout["columns"])
        return TwinPopulation(
            population_id=population_id,
            model_id=row.model_id,
            twin_type=TwinType(layout["twin_type"]),
            brand=layout["brand"],
            target=_column(layout["target"]),
            features=Table(columns, features, layout["backend"]),
            **shown,
            filters=row.filters_applied,
            seed=layout["seed"],
            created_at=row.created_at,
            name=row.name,
        )

    def save_simulation(
        self, result: SimulationResult, started_at: datetime, filters: dict[str, Any] | None = None
    ) -> UUID:
        """Store a finished simulation."""
        simulation_id = uuid4()
        with self._transaction() as connection:
            connection.execute(
                simulations.insert().values(
                    simulation_id=simulation_id,
                    population_id=result.population_id,
                    intervention_config=asdict(result.intervention),
                    filters=json.loads(json.dumps(filters or {}, default=_plain_json)),
                    status="completed",
                    results=result.to_dict(),
                    recommendation=str(result.recommendation),
                    recommendation_reason=result.reason,
                    started_at=started_at,
                    completed_at=datetime.now(UTC),
                )
            )
        return simulation_id

    def load_simulation(self, simulation_id: UUID) -> dict[str, Any]:
        """Load the results of a simulation."""
        row = self._single_row(
            sa.select(simulations.c.results).where(simulations.c.simulation_id == simulation_id), "simulation"
        )
        return dict(row.results)

    def list_models(self, newest: int = 50) -> tuple[Any, ...]:
        """The newest models: ``model_id, twin_type, brand, target_variable, metrics, trained_at, deprecated_at``."""
        columns = models.c[
            "model_id", "twin_type", "brand", "target_variable", "metrics", "trained_at", "deprecated_at"
        ]
        query = sa.select(*columns).order_by(models.c.trained_at.desc()).limit(newest)
        with self._transaction() as connection:
            return tuple(connection.execute(query).all())

    def list_populations(self, model_id: UUID, newest: int = 50) -> tuple[Any, ...]:
        """Return the newest populations of a model: ``population_id, twin_count, created_at``."""
        query = sa.select(*populations.c["population_id", "twin_count", "created_at"])
        query = query.where(populations.c.model_id == model_id).order_by(populations.c.created_at.desc()).limit(newest)
        with self._transaction() as connection:
            return tuple(connection.execute(query).all())

    def list_simulations(self, population_id: UUID, newest: int = 50) -> tuple[Any, ...]:
        """The newest simulations of a population: ``simulation_id, intervention_config, results, completed_at``."""
        query = sa.select(*simulations.c["simulation_id", "intervention_config", "results", "completed_at"])
        query = query.where(simulations.c.population_id == population_id)
        with self._transaction() as connection:
            return tuple(connection.execute(query.order_by(simulations.c.completed_at.desc()).limit(newest)).all())

    def purge(self, now: datetime | None = None) -> int:
        """Delete expired populations with their shards and simulations; say how many."""
        limit = now or datetime.now(UTC)
        with self._transaction() as connection:
            expired = connection.scalars(
                sa.select(populations.c.population_id).where(populations.c.expires_at <= limit)
            ).all()
            files = connection.scalars(sa.select(members.c.file).where(members.c.population_id.in_(expired))).all()
            for table in (members, simulations, populations):
                connection.execute(table.delete().where(table.c.population_id.in_(expired)))
        for name in files:
            (self._folder / name).unlink(missing_ok=True)
        return len(expired)

    def save_fidelity(self, records: Sequence[FidelityRecord]) -> None:
        """Store outcomes compared with predictions."""
        rows = [
            {
                "tracking_id": uuid4(),
                "twin_id": r.twin_id,
                "predicted_value": r.predicted,
                "actual_value": r.actual,
                "error": r.error,
                "metric_type": "outcome",
                "tracked_at": r.tracked_at,
            }
            for r in records
        ]
        with self._transaction() as connection:
            connection.execute(fidelity.insert(), rows)

    def fidelity_history(self, twin_id: UUID) -> tuple[FidelityRecord, ...]:
        """Return everything noted about one twin, oldest first."""
        query = sa.select(fidelity).where(fidelity.c.twin_id == twin_id).order_by(fidelity.c.tracked_at)
        with self._transaction() as connection:
            return tuple(
                FidelityRecord(r.twin_id, r.predicted_value, r.actual_value, r.error, r.tracked_at)
                for r in connection.execute(query)
            )

    def save_snapshot(self, report: FidelityReport) -> None:
        """Store a population's grade."""
        figures = asdict(report)
        for name in ("model_id", "population_id", "measured_at"):
            del figures[name]
        with self._transaction() as connection:
            connection.execute(
                snapshots.insert().values(
                    snapshot_id=uuid4(),
                    model_id=report.model_id,
                    population_id=report.population_id,
                    mae=report.mae,
                    rmse=report.rmse,
                    correlation=report.correlation,
                    coverage_95pct=report.coverage_95,
                    sample_size=report.sample_size,
                    report=figures,
                    snapshot_date=report.measured_at or datetime.now(UTC),
                )
            )

    def fidelity_snapshots(
        self, *, population_id: UUID | None = None, model_id: UUID | None = None
    ) -> tuple[FidelityReport, ...]:
        """Return the grades of a population or of a model, oldest first."""
        query = sa.select(snapshots).order_by(snapshots.c.snapshot_date)
        for column, wanted in ((snapshots.c.population_id, population_id), (snapshots.c.model_id, model_id)):
            query = query if wanted is None else query.where(column == wanted)
        with self._transaction() as connection:
            rows = connection.execute(query).all()
        return tuple(
            FidelityReport(
                **{**r.report, "warnings": tuple(r.report["warnings"])},
                model_id=r.model_id,
                population_id=r.population_id,
                measured_at=r.snapshot_date,
            )
            for r in rows
        )

    def _single_row(self, query: Any, what: str) -> Any:
        with self._transaction() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no {what} of this id")
        return row


def _enforce_references(connection: Any, record: Any) -> None:
    """Let SQLite refuse a row whose population or model is absent, as PostgreSQL does."""
    del record
    connection.execute("PRAGMA foreign_keys = ON")


def _breaks_reference(error: SQLAlchemyError) -> bool:
    """Return whether a constraint refused the row; pg8000 reports it by SQLSTATE class 23 alone."""
    arguments = getattr(error.orig, "args", ()) if isinstance(error, DBAPIError) else ()
    state = arguments[0].get("C", "") if arguments and isinstance(arguments[0], dict) else ""
    return isinstance(error, IntegrityError) or state.startswith("23")


def _column(description: dict[str, Any]) -> Column:
    return Column(description["name"], description["kind"], tuple(description["levels"]), description["decimals"])


def _twin(row: Any) -> DigitalTwin:
    return DigitalTwin(row.twin_id, row.features, row.baseline_behavior, row.expected_outcome, row.model_id)


def _plain_json(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else list(value)
