"""The schema's history, run revision by revision up and down."""

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from novamind.populations.storage import store
from tests.golden import check_golden
from tests.populations.conftest import VERSIONS, revision


def run(connection: sa.Connection, step: Any) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        step()


def described(connection: sa.Connection) -> dict[str, Any]:
    seen = sa.inspect(connection)
    return {
        table: {
            "columns": [[c["name"], str(c["type"]), c["nullable"], c["primary_key"]] for c in seen.get_columns(table)],
            "keys": [[k["name"], k["constrained_columns"], k["referred_table"]] for k in seen.get_foreign_keys(table)],
            "indexes": sorted([i["name"], i["column_names"]] for i in seen.get_indexes(table)),
        }
        for table in sorted(seen.get_table_names())
    }


def test_the_revisions_make_the_tables_of_the_code_and_take_them_away_again() -> None:
    first, second = revision("0001_first_schema.py"), revision("0002_whole_reports.py")
    assert [m.revision for m in (first, second)] == ["0001", "0002"]
    assert [m.down_revision for m in (first, second)] == [None, "0001"]
    assert sorted(path.name for path in VERSIONS.glob("*.py")) == ["0001_first_schema.py", "0002_whole_reports.py"]
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        run(connection, first.upgrade)
        before = described(connection)
        connection.execute(
            sa.text(
                "INSERT INTO fidelity_snapshots (snapshot_id, mae, rmse, correlation, coverage_95pct, sample_size, "
                "snapshot_date) VALUES ('a', 1, 1, 1, 1, 1, '2026-01-01')"
            )
        )
        run(connection, second.upgrade)
        assert compare_metadata(MigrationContext.configure(connection), store.metadata) == []
        assert connection.scalar(sa.text("SELECT count(*) FROM fidelity_snapshots")) == 0
        check_golden(__file__, "schema", described(connection))
        run(connection, second.downgrade)
        assert described(connection) == before
        run(connection, first.downgrade)
        assert described(connection) == {}
    engine.dispose()


def test_every_time_has_its_zone_and_every_column_is_the_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    # SQLite keeps no zones, so what is asked for is looked at.
    first = revision("0001_first_schema.py")
    asked: dict[str, list[sa.Column[Any]]] = {}

    def create_table(name: str, *parts: Any) -> None:
        asked[name] = [part for part in parts if isinstance(part, sa.Column)]

    monkeypatch.setattr(first.op, "create_table", create_table)
    monkeypatch.setattr(first.op, "create_index", lambda *_: None)
    first.upgrade()
    assert set(asked) == set(store.metadata.tables)
    for name, columns in asked.items():
        told = {c.name: c for c in store.metadata.tables[name].columns}
        for column in columns:
            times = isinstance(column.type, sa.DateTime)
            assert times == (type(told[column.name].type).__name__ == "UtcDateTime")
            assert not times or column.type.timezone
            assert (column.nullable, column.primary_key) == (told[column.name].nullable, told[column.name].primary_key)


def test_the_tables_of_the_specification() -> None:
    specified = {
        "digital_twin_models": "model_id twin_type brand model_type training_samples target_variable features "
        "hyperparameters metrics mlflow_run_id trained_at deprecated_at",
        "digital_twins": "twin_id model_id twin_type features baseline_behavior metadata created_at",
        "twin_populations": "population_id model_id name description twin_count filters_applied created_at expires_at",
        "twin_population_members": "population_id",
        "simulation_runs": "simulation_id population_id intervention_config filters status results recommendation "
        "recommendation_reason started_at completed_at error_message",
        "fidelity_tracking": "tracking_id twin_id population_id predicted_value actual_value error metric_type "
        "tracked_at",
        "fidelity_snapshots": "snapshot_id model_id population_id mae rmse correlation coverage_95pct sample_size "
        "snapshot_date",
    }
    assert set(store.metadata.tables) == set(specified)
    for table, columns in specified.items():
        assert {*columns.split()} <= {c.name for c in store.metadata.tables[table].columns}
