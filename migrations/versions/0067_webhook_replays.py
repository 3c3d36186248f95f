"""A try of a webhook keeps who asked for it anew."""

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"


def upgrade() -> None:
    """Apply."""
    for table in ("webhook_sendings", "webhook_attempts"):
        op.add_column(table, sa.Column("asked_by", sa.Text(), server_default="", nullable=False))
    op.execute("GRANT UPDATE (asked_by) ON webhook_sendings TO doisoat_app")
