"""What makes the books the same in every order of the facts, and the indexes that looking back needs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.add_column("payments", sa.Column("reversal", sa.Boolean(), server_default="false", nullable=False))
    op.create_index(
        "ix_payments_quoted",
        "payments",
        ["quoted"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.execute("GRANT UPDATE (minor, currency) ON payments TO doisoat_app")
    op.add_column(
        "statements",
        sa.Column(
            "year",
            sa.BigInteger(),
            sa.Computed("coalesce(EXTRACT(year FROM closing_on), 0)::bigint", persisted=True),
            nullable=False,
        ),
    )
    op.drop_index("uq_statements_accepted", table_name="statements")
    op.create_index(
        "uq_statements_accepted",
        "statements",
        ["bank", "account_hash", "kind", "statement_id", "page", "year"],
        unique=True,
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.execute("GRANT UPDATE (closing_minor, closing_on) ON statements TO doisoat_app")
