"""A month's figures, counted ahead of whoever looks at them."""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0052"


def _amounts(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "payment_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        *_amounts("payments", "minor", "matched", "matched_minor", "confirmed_minor"),
        sa.PrimaryKeyConstraint("day", "bank", "channel", name=op.f("pk_payment_days")),
    )
    op.create_table(
        "due_days",
        sa.Column("day", sa.Date(), nullable=False),
        *_amounts("bills", "minor", "paid_minor"),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_due_days")),
    )
    op.create_table(
        "office_months",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("office", sa.Text(), nullable=False),
        *_amounts("bills", "minor", "paid_bills", "paid_minor"),
        sa.PrimaryKeyConstraint("month", "office", name=op.f("pk_office_months")),
    )
    op.create_table(
        "counted_months",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_counted_months")),
    )
    for table in ("payment_days", "due_days", "office_months", "counted_months"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO doisoat_app")
