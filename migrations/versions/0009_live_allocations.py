"""The live allocations of a bill in one look-up: by its number alone a new table was read through for each bill."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_allocations_of_bill", "allocations", ["bill_id", "undone_at"])
    op.drop_index("ix_allocations_bill_id", "allocations")
