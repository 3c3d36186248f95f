"""A file is found by its name."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    """Apply."""
    op.create_index(op.f("ix_deliveries_name"), "deliveries", ["name"], postgresql_where=sa.text("name <> ''"))
