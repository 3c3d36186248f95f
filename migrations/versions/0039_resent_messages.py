"""Messages that a person had sent again, each naming the one it repeats."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Apply."""
    op.add_column("messages", sa.Column("resent_of", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_messages_resent"), "messages", "resent_of IS NULL OR version > 1")
