"""What payments without a bill claim to pay is read out of their index, not one payment after the other."""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_payments_unmatched", "payments")
    op.create_index(
        "ix_payments_unmatched", "payments", ["id"],
        postgresql_where=sa.text("matched_minor < minor"), postgresql_include=["state", "quoted"],
    )  # fmt: skip
