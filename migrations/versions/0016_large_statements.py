"""Large statements are booked by the piece: from which line on one is still to be booked, and since when."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Apply."""
    op.add_column("statements", sa.Column("booking_from", sa.BigInteger(), nullable=True))
    op.add_column("statements", sa.Column("booked_lines", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("statements", sa.Column("booking_since", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_statements_in_work", "statements", ["bank"], postgresql_where=sa.text("booking_from IS NOT NULL")
    )
    op.execute("GRANT UPDATE (booking_from, booked_lines, booking_since) ON statements TO doisoat_app")
