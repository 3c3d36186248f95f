"""What collecting on behalf needs: a customer's name as a cashier may read it, and payments that were taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply."""
    op.add_column("customers", sa.Column("name_masked", sa.Text(), server_default="", nullable=False))
    op.add_column("payments", sa.Column("denied_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_payments_denied", "payments", ["source"], unique=False, postgresql_where=sa.text("state = 'denied'")
    )
    op.execute("GRANT UPDATE (denied_at) ON payments TO doisoat_app")
