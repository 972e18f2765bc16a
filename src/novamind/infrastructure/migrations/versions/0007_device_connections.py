"""Devices whose makers' services give data: sealed agreements and tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "device_connections",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("state_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.patient_id"], name="fk_device_connections_patient_id"),
        sa.PrimaryKeyConstraint("connection_id", name="pk_device_connections"),
        sa.UniqueConstraint("state_digest", name="uq_device_connections_state_digest"),
    )
    op.create_index("ix_device_connections_patient_id", "device_connections", ["patient_id"])
