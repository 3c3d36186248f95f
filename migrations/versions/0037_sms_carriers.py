"""Several carriers: which one a message is for, which ones refused it, and how each carrier does."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"

GUARDS = r"""
-- What was on its way when there was but one carrier is that carrier's.
UPDATE messages SET carrier = 'http' WHERE state IN ('sending', 'unsure');

-- Once a byte may have left, another carrier would send a second SMS: only what is queued changes hands, and what was
-- refused comes back to the queue first.
CREATE FUNCTION message_changes_carrier() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'message % may have left by %: no other carrier takes it', OLD.id, OLD.carrier
        USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER message_changes_carrier BEFORE UPDATE OF carrier ON messages FOR EACH ROW
    WHEN (OLD.carrier IS DISTINCT FROM NEW.carrier AND OLD.state <> 'queued')
    EXECUTE FUNCTION message_changes_carrier();

GRANT SELECT, INSERT, UPDATE ON sms_carriers TO doisoat_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sms_carrier_minutes TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    moment, count = sa.DateTime(timezone=True), sa.BigInteger()
    op.add_column("messages", sa.Column("carrier", sa.Text(), nullable=True))
    op.add_column(
        "messages", sa.Column("refused_by", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("messages", sa.Column("asked_at", moment, nullable=True))
    op.create_index(
        "ix_messages_routed", "messages", ["carrier", "id"],
        postgresql_where=sa.text("state = 'queued' AND carrier IS NOT NULL"),
    )  # fmt: skip
    # Those under way are few, among however many wait: asking again and what lapsed look at them alone.
    op.create_index(
        "ix_messages_under_way", "messages", ["state", "carrier", "id"],
        postgresql_where=sa.text("state IN ('sending', 'unsure')"),
    )  # fmt: skip
    op.create_table(
        "sms_carriers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ill_since", moment, nullable=True),
        sa.Column("ill_why", sa.Text(), server_default="", nullable=False),
        sa.Column("needs_person", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("tried", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("try_at", moment, nullable=True),
        sa.Column("counted_from", moment, nullable=True),
        sa.Column("paced_until", moment, nullable=True),
        sa.Column("last_word", sa.Text(), server_default="", nullable=False),
        sa.Column("last_word_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sms_carriers")),
        sa.CheckConstraint("(ill_since IS NULL) = (try_at IS NULL)", name=op.f("ck_sms_carriers_tried_again")),
    )
    op.create_table(
        "sms_carrier_minutes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("minute", moment, nullable=False),
        sa.Column("accepted", count, server_default="0", nullable=False),
        sa.Column("refused", count, server_default="0", nullable=False),
        sa.Column("troubled", count, server_default="0", nullable=False),
        sa.Column("milliseconds", count, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", "minute", name=op.f("pk_sms_carrier_minutes")),
    )
    op.execute(GUARDS)
