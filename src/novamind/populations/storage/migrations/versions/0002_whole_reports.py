"""Snapshots keep the whole report, not its headline figures alone."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Start the snapshots anew: those of before cannot be completed."""
    op.execute("DELETE FROM fidelity_snapshots")
    with op.batch_alter_table("fidelity_snapshots") as table:
        table.add_column(sa.Column("report", sa.JSON, nullable=False))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("fidelity_snapshots") as table:
        table.drop_column("report")
