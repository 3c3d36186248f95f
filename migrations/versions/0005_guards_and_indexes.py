"""Indexes for what is asked every second, and counters that can't be born with a value."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

COUNTERS = """
CREATE FUNCTION counters_start_at_zero() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% counts from nothing', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER counters_start_at_zero BEFORE INSERT ON payments FOR EACH ROW WHEN (NEW.matched_minor <> 0)
    EXECUTE FUNCTION counters_start_at_zero();
CREATE TRIGGER counters_start_at_zero BEFORE INSERT ON bills FOR EACH ROW WHEN (NEW.paid_minor <> 0)
    EXECUTE FUNCTION counters_start_at_zero();
"""


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_messages_waiting", table_name="messages")
    op.create_index(
        "ix_messages_waiting",
        "messages",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'sending', 'unsure')"),
    )
    op.create_index(op.f("ix_messages_payment_id"), "messages", ["payment_id"], unique=False)
    op.create_index(op.f("ix_statement_lines_payment_id"), "statement_lines", ["payment_id"], unique=False)
    op.create_index(op.f("ix_payments_delivery_id"), "payments", ["delivery_id"], unique=False)
    op.create_index(op.f("ix_mismatches_subject"), "mismatches", ["subject"], unique=False)
    op.create_index(op.f("ix_mismatches_delivery_id"), "mismatches", ["delivery_id"], unique=False)
    op.execute(COUNTERS)
