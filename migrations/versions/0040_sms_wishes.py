"""What customers wish of SMS: events they refuse, and texts with Vietnamese signs."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Apply."""
    op.add_column("customers", sa.Column("refused", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False))
    op.add_column("customers", sa.Column("diacritics", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_check_constraint(
        op.f("ck_customers_refused"), "customers", "NOT 'mandate_code' = ANY (refused)"
    )
