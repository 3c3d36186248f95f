"""Messages are counted ahead with their month; an office's customers are found by it."""

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
