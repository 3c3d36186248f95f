"""What prepaid carriers told of their balance, and since when one is low."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    """Apply."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "sms_balances",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=True),
        sa.Column("told_at", moment, nullable=True),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("untold_why", sa.Text(), server_default="", nullable=False),
        sa.Column("untold_since", moment, nullable=True),
        sa.Column("low_since", moment, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sms_balances")),
        sa.CheckConstraint("(balance_minor IS NULL) = (told_at IS NULL)", name=op.f("ck_sms_balances_told")),
        sa.CheckConstraint("low_since IS NULL OR told_at IS NOT NULL", name=op.f("ck_sms_balances_low")),
        sa.CheckConstraint("(untold_since IS NULL) = (untold_why = '')", name=op.f("ck_sms_balances_untold")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON sms_balances TO doisoat_app")
