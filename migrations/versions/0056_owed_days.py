"""What is owed by bank and due day, counted ahead; bills that are debited are found among all that are owed."""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "owed_days",
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("bills", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bank", "due_on", name=op.f("pk_owed_days")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON owed_days TO doisoat_app")
    op.create_index("ix_owed_bills_debited", "owed_bills", ["bill_id"], postgresql_where=sa.text("bank <> ''"))
