"""Keys that sign identity tokens, and the algorithm that a client asks for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "signing_keys",
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("algorithm", sa.String(length=10), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_signing_keys"),
    )
    op.add_column("oauth_clients", sa.Column("id_token_algorithm", sa.String(length=10), nullable=True))
