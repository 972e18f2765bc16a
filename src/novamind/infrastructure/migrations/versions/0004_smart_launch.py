"""SMART App Launch: what an app asked for, the patient of its launch, and launches that begin here."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "launches",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_launches_user_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_launches"),
    )
    op.add_column("authorization_codes", sa.Column("scopes", sa.JSON(), nullable=True))
    op.add_column("authorization_codes", sa.Column("nonce", sa.String(length=200), nullable=True))
    op.add_column("authorization_codes", sa.Column("launch_patient_id", sa.Uuid(), nullable=True))
    op.add_column("authorization_codes", sa.Column("lacks_patient", sa.Boolean(), nullable=True))
    op.add_column("sessions", sa.Column("launch_patient_id", sa.Uuid(), nullable=True))
