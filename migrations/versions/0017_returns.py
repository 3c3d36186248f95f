"""Returns: what banks took back after their statement had shown it, and money that came once more."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Apply."""
    op.add_column("statement_lines", sa.Column("turn", sa.SmallInteger(), server_default="1", nullable=False))
    op.drop_index("uq_statement_lines_payment", table_name="statement_lines")
    op.create_index(
        "uq_statement_lines_payment",
        "statement_lines",
        ["payment_id", "direction", "turn"],
        unique=True,
        postgresql_where=sa.text("payment_id IS NOT NULL AND counts"),
    )
    op.create_index(
        "ix_statement_lines_out",
        "statement_lines",
        ["statement_id"],
        postgresql_where=sa.text("direction = 'out' AND counts"),
    )
    op.drop_constraint(op.f("ck_messages_event"), "messages", type_="check")
    op.create_check_constraint(
        op.f("ck_messages_event"), "messages", "event IN ('before_debit', 'payment_recorded', 'payment_returned')"
    )
    op.create_table(
        "returns",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("returned_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("bills", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("again_line_id", sa.BigInteger(), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returns")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_returns_payment_id")),
        sa.ForeignKeyConstraint(["line_id"], ["statement_lines.id"], name=op.f("fk_returns_line_id")),
        sa.ForeignKeyConstraint(["again_line_id"], ["statement_lines.id"], name=op.f("fk_returns_again_line_id")),
        sa.CheckConstraint("minor > 0", name=op.f("ck_returns_positive")),
    )
    op.create_index(
        "uq_returns_line", "returns", ["line_id"], unique=True, postgresql_where=sa.text("undone_at IS NULL")
    )
    op.create_index(op.f("ix_returns_payment_id"), "returns", ["payment_id"])
    op.execute(
        """
        CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON returns FOR EACH STATEMENT
            EXECUTE FUNCTION only_added_to();
        GRANT SELECT, INSERT ON returns TO doisoat_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
        GRANT UPDATE (again_line_id, undone_at, undone_why) ON returns TO doisoat_app;
        GRANT UPDATE (turn) ON statement_lines TO doisoat_app;
        """
    )
