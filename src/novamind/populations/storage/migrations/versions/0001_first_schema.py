"""The seven tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "digital_twin_models",
        sa.Column("model_id", sa.Uuid(), primary_key=True),
        sa.Column("twin_type", sa.String(20), nullable=False),
        sa.Column("brand", sa.String(100), nullable=False),
        sa.Column("model_type", sa.String(50), nullable=False),
        sa.Column("training_samples", sa.Integer, nullable=False),
        sa.Column("target_variable", sa.String(200), nullable=False),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("hyperparameters", sa.JSON, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("mlflow_run_id", sa.String(64)),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("trained_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deprecated_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_digital_twin_models_brand", "digital_twin_models", ["brand"])
    op.create_table(
        "digital_twins",
        sa.Column("twin_id", sa.Uuid(), primary_key=True),
        sa.Column("model_id", sa.Uuid()),
        sa.Column("twin_type", sa.String(20), nullable=False),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("baseline_behavior", sa.Float, nullable=False),
        sa.Column("expected_outcome", sa.Float, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["digital_twin_models.model_id"], name="fk_digital_twins_model_id"),
    )
    op.create_index("ix_digital_twins_model_id", "digital_twins", ["model_id"])
    op.create_table(
        "twin_populations",
        sa.Column("population_id", sa.Uuid(), primary_key=True),
        sa.Column("model_id", sa.Uuid()),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("twin_count", sa.Integer, nullable=False),
        sa.Column("filters_applied", sa.JSON, nullable=False),
        sa.Column("layout", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["model_id"], ["digital_twin_models.model_id"], name="fk_twin_populations_model_id"),
    )
    op.create_index("ix_twin_populations_model_id", "twin_populations", ["model_id"])
    op.create_table(
        "twin_population_members",
        sa.Column("population_id", sa.Uuid(), primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("file", sa.String(300), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["population_id"],
            ["twin_populations.population_id"],
            name="fk_twin_population_members_population_id",
        ),
    )
    op.create_table(
        "simulation_runs",
        sa.Column("simulation_id", sa.Uuid(), primary_key=True),
        sa.Column("population_id", sa.Uuid()),
        sa.Column("intervention_config", sa.JSON, nullable=False),
        sa.Column("filters", sa.JSON, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("results", sa.JSON),
        sa.Column("recommendation", sa.String(20)),
        sa.Column("recommendation_reason", sa.Text),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("error_message", sa.Text),
        sa.ForeignKeyConstraint(
            ["population_id"], ["twin_populations.population_id"], name="fk_simulation_runs_population_id"
        ),
    )
    op.create_index("ix_simulation_runs_population_id", "simulation_runs", ["population_id"])
    op.create_table(
        "fidelity_tracking",
        sa.Column("tracking_id", sa.Uuid(), primary_key=True),
        sa.Column("twin_id", sa.Uuid(), nullable=False),
        sa.Column("population_id", sa.Uuid()),
        sa.Column("predicted_value", sa.Float, nullable=False),
        sa.Column("actual_value", sa.Float, nullable=False),
        sa.Column("error", sa.Float, nullable=False),
        sa.Column("metric_type", sa.String(50), nullable=False),
        sa.Column("tracked_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_fidelity_tracking_twin_id", "fidelity_tracking", ["twin_id"])
    op.create_table(
        "fidelity_snapshots",
        sa.Column("snapshot_id", sa.Uuid(), primary_key=True),
        sa.Column("model_id", sa.Uuid()),
        sa.Column("population_id", sa.Uuid()),
        sa.Column("mae", sa.Float, nullable=False),
        sa.Column("rmse", sa.Float, nullable=False),
        sa.Column("correlation", sa.Float, nullable=False),
        sa.Column("coverage_95pct", sa.Float, nullable=False),
        sa.Column("sample_size", sa.Integer, nullable=False),
        sa.Column("snapshot_date", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_fidelity_snapshots_model_id", "fidelity_snapshots", ["model_id"])
    op.create_index("ix_fidelity_snapshots_population_id", "fidelity_snapshots", ["population_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("fidelity_snapshots")
    op.drop_table("fidelity_tracking")
    op.drop_table("simulation_runs")
    op.drop_table("twin_population_members")
    op.drop_table("twin_populations")
    op.drop_table("digital_twins")
    op.drop_table("digital_twin_models")
