"""Customers are told of a bill that is looked at before it is debited, and may be reminded of one that is overdue."""

from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    """Apply."""
    op.drop_constraint(op.f("ck_messages_event"), "messages", type_="check")
    op.create_check_constraint(
        op.f("ck_messages_event"), "messages",
        "event IN ('before_debit', 'bill_held', 'debit_failed', 'mandate_code', 'overdue', 'payment_recorded',"
        " 'payment_returned')",
    )  # fmt: skip
