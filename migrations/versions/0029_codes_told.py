"""Which codes of a payment its callbacks told: those that only a line told go with the line's import."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Apply."""
    op.add_column("payments", sa.Column("told", ARRAY(sa.Text()), server_default="{}", nullable=False))
    # Of payments told before, nobody noted which: all that they quote, as until now.
    op.execute("UPDATE payments SET told = quoted WHERE source_reference NOT LIKE 'line:%'")
    op.execute("GRANT UPDATE (told) ON payments TO doisoat_app")
