"""Queued messages are found by until when they must leave: what may not leave yet is not looked through each second."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_messages_queued", "messages", ["not_after", "id"], postgresql_where=sa.text("state = 'queued'")
    )
    op.create_index(
        "ix_messages_queued_others", "messages", ["not_after", "id"],
        postgresql_where=sa.text("state = 'queued' AND event NOT IN ('mandate_code', 'before_debit')"),
    )  # fmt: skip
    op.drop_index("ix_messages_waiting", "messages")
    op.drop_index("ix_messages_codes", "messages")
    op.create_index(
        "ix_messages_codes", "messages", ["not_after", "id"],
        postgresql_where=sa.text("event = 'mandate_code' AND state IN ('queued', 'unsure')"),
    )  # fmt: skip
