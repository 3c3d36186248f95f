"""Bills and payments are found by their amount; what is dear to count is counted ahead."""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_bills_minor", "bills", ["minor"])
    op.create_index("ix_payments_minor", "payments", ["minor"])
    op.create_table(
        "counted_figures",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counted_figures")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON counted_figures TO doisoat_app")
