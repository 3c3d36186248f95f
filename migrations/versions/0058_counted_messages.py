"""Messages are counted ahead with their month; what was undone, is due or bears no day is found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "office_messages",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("office", sa.Text(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("parts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("month", "office", name=op.f("pk_office_messages")),
    )
    op.create_table(
        "message_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "bank", name=op.f("pk_message_days")),
    )
    for table in ("office_messages", "message_days"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO doisoat_app")
    undone = sa.text("undone_at IS NOT NULL")
    op.create_index("ix_allocations_undone", "allocations", ["payment_id"], postgresql_where=undone)
    op.create_index("ix_bills_due_on_id", "bills", ["due_on", "id"])
    undated = sa.text("booked_on IS NULL")
    op.create_index("ix_statement_lines_undated", "statement_lines", ["statement_id"], postgresql_where=undated)
    # Counted anew, month by month; until then their pages say that they have not been.
    op.execute("DELETE FROM payment_days")
    op.execute("DELETE FROM counted_months")
    op.add_column("payment_days", sa.Column("placed_minor", sa.BigInteger(), nullable=False))
