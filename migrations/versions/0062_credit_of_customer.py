"""A customer's credit is found by its customer."""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0058"


def upgrade() -> None:
    """Apply."""
    named = sa.text("customer_id IS NOT NULL")
    op.create_index("ix_placements_of_customer", "placements", ["customer_id"], postgresql_where=named)
