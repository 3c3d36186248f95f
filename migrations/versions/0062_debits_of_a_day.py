"""The bills that one bank is to debit on a day are found without those of the others."""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_bills_charge_on", "bills")
    dated = sa.text("charge_on IS NOT NULL")
    op.create_index("ix_bills_charge_on_bank", "bills", ["charge_on", "bank"], postgresql_where=dated)
