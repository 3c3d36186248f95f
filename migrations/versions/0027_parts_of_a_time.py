"""Which time of a settlement's being taken apart each of its parts is of."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Apply."""
    op.add_column("line_parts", sa.Column("time", sa.BigInteger(), server_default="1", nullable=False))
    op.execute(
        """
        UPDATE line_parts p SET time = n.time
        FROM (SELECT id, dense_rank() OVER (PARTITION BY lump_id ORDER BY at) AS time FROM line_parts) n
        WHERE n.id = p.id AND n.time <> 1
        """
    )
    op.alter_column("line_parts", "time", server_default=None)
