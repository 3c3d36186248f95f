"""What a match has beaten, what a utility lets matching do by itself, and who has paid from one account before."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Apply."""
    op.add_column("allocations", sa.Column("beaten", JSONB(), server_default="[]", nullable=False))
    op.create_table(
        "matching_policies",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_matching_policies")),
        sa.CheckConstraint("name IN ('oldest_first', 'part_payment')", name=op.f("ck_matching_policies_name")),
    )
    op.create_index(
        "ix_payments_payer", "payments", ["payer_hash"], postgresql_where=sa.text("payer_hash IS NOT NULL")
    )
    op.execute("GRANT SELECT ON matching_policies TO doisoat_app")
