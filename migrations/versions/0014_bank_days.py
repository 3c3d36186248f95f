"""Bank days: what people note of single days; bills still owed by their due day."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

def upgrade() -> None:
    """Apply."""
    op.create_table(
        "bank_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_bank_days")),
        sa.CheckConstraint("why <> '' AND by <> ''", name=op.f("ck_bank_days_said_by_somebody_for_a_reason")),
    )
    op.create_index(
        "ix_bills_owed", "bills", ["due_on", "bank"], postgresql_where=sa.text("state IN ('open', 'part_paid')")
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON bank_days TO doisoat_app")
