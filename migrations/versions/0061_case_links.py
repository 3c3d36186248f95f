"""A question knows which one it came out of; credit and statements are found by what people name."""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "case_links",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("from_id", sa.BigInteger(), nullable=False),
        sa.Column("to_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("to_id <> from_id", name=op.f("ck_case_links_of_two_cases")),
        sa.CheckConstraint("kind IN ('again', 'doubt', 'rest')", name=op.f("ck_case_links_kind")),
        sa.ForeignKeyConstraint(["from_id"], ["mismatches.id"], name=op.f("fk_case_links_from_id_mismatches")),
        sa.ForeignKeyConstraint(["to_id"], ["mismatches.id"], name=op.f("fk_case_links_to_id_mismatches")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_links")),
        sa.UniqueConstraint("to_id", "from_id", "kind", name=op.f("uq_case_links_to_id_from_id_kind")),
    )
    op.create_index("ix_case_links_from_id", "case_links", ["from_id"])
    op.execute("GRANT SELECT, INSERT ON case_links TO doisoat_app")
    named = sa.text("customer_id IS NOT NULL")
    op.create_index("ix_placements_of_customer", "placements", ["customer_id"], postgresql_where=named)
    op.create_index("ix_statements_statement_id", "statements", ["statement_id"])
