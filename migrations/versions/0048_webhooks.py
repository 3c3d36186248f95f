"""Outgoing webhooks, and what lists of the API are found by."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"

GUARDS = """
CREATE FUNCTION note_for_webhooks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.webhook_endpoints WHERE state <> 'disabled') THEN RETURN NULL; END IF;
    -- Every update of an allocation undoes it: `count_allocations` refuses any other.
    INSERT INTO public.webhook_waiting (kind, subject_id, payment_id, transaction, at)
    SELECT TG_ARGV[0], id, payment_id, pg_current_xact_id()::text::bigint, coalesce(undone_at, at)
    FROM added ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER note_for_webhooks_added AFTER INSERT ON allocations REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_for_webhooks('payment.matched');
CREATE TRIGGER note_for_webhooks_undone AFTER UPDATE ON allocations REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_for_webhooks('payment.reversed');

CREATE FUNCTION note_day_for_webhooks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM public.webhook_endpoints WHERE state <> 'disabled') THEN
        INSERT INTO public.webhook_waiting (kind, subject_id, transaction, at)
        VALUES ('day.closed', NEW.id, pg_current_xact_id()::text::bigint, NEW.signed_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_for_webhooks AFTER UPDATE OF state ON closes FOR EACH ROW
    WHEN (NEW.period = 'day' AND NEW.state = 'signed' AND OLD.state = 'balanced')
    EXECUTE FUNCTION note_day_for_webhooks();

CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON webhook_events FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON webhook_attempts FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON webhook_sendings FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON webhook_endpoints FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
GRANT SELECT, DELETE ON webhook_waiting TO doisoat_app;
GRANT SELECT, INSERT ON webhook_endpoints, webhook_events, webhook_sendings, webhook_attempts TO doisoat_app;
GRANT UPDATE (secret, old_secret, old_until, state, why, failures, rests_until) ON webhook_endpoints TO doisoat_app;
GRANT UPDATE (state, attempts, next_at) ON webhook_sendings TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    moment, number, words = sa.DateTime(timezone=True), sa.BigInteger(), sa.Text()
    identity = sa.Identity(always=True)
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", number, identity, nullable=False),
        sa.Column("url", words, nullable=False),
        sa.Column("events", sa.ARRAY(words), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_until", moment, nullable=True),
        sa.Column("state", words, server_default="live", nullable=False),
        sa.Column("why", words, server_default="", nullable=False),
        sa.Column("failures", number, server_default="0", nullable=False),
        sa.Column("rests_until", moment, nullable=True),
        sa.Column("made_by", words, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
        sa.CheckConstraint("state IN ('ailing', 'disabled', 'live')", name=op.f("ck_webhook_endpoints_state")),
        sa.CheckConstraint("url <> '' AND made_by <> ''", name=op.f("ck_webhook_endpoints_named")),
        sa.CheckConstraint("cardinality(events) > 0", name=op.f("ck_webhook_endpoints_hears_something")),
        sa.CheckConstraint(
            "(old_secret IS NULL) = (old_until IS NULL)", name=op.f("ck_webhook_endpoints_old_secret_ends")
        ),
    )
    op.create_table(
        "webhook_waiting",
        sa.Column("id", number, identity, nullable=False),
        sa.Column("kind", words, nullable=False),
        sa.Column("subject_id", number, nullable=False),
        sa.Column("payment_id", number, nullable=True),
        sa.Column("transaction", number, nullable=False),
        sa.Column("at", moment, nullable=False),
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", number, identity, nullable=False),
        sa.Column("uid", words, nullable=False),
        sa.Column("type", words, nullable=False),
        sa.Column("event_key", words, nullable=False),
        sa.Column("body", words, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
        sa.UniqueConstraint("uid", name=op.f("uq_webhook_events_uid")),
        sa.UniqueConstraint("event_key", name=op.f("uq_webhook_events_event_key")),
    )
    op.create_index(op.f("ix_webhook_events_at"), "webhook_events", ["at"])
    op.create_table(
        "webhook_sendings",
        sa.Column("id", number, identity, nullable=False),
        sa.Column("event_id", number, nullable=False),
        sa.Column("endpoint_id", number, nullable=False),
        sa.Column("state", words, server_default="waiting", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("next_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_sendings")),
        sa.UniqueConstraint("event_id", "endpoint_id", name=op.f("uq_webhook_sendings_event_id_endpoint_id")),
        sa.CheckConstraint("state IN ('delivered', 'failed', 'waiting')", name=op.f("ck_webhook_sendings_state")),
        sa.ForeignKeyConstraint(
            ["event_id"], ["webhook_events.id"], name=op.f("fk_webhook_sendings_event_id_webhook_events")
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_sendings_endpoint_id_webhook_endpoints")
        ),
    )
    op.create_index(
        "ix_webhook_sendings_due", "webhook_sendings", ["endpoint_id", "next_at", "id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(op.f("ix_webhook_sendings_endpoint_id_id"), "webhook_sendings", ["endpoint_id", "id"])
    op.create_table(
        "webhook_attempts",
        sa.Column("id", number, identity, nullable=False),
        sa.Column("sending_id", number, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("said", words, server_default="", nullable=False),
        sa.Column("took_ms", number, nullable=False),
        sa.Column("next_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempts")),
        sa.ForeignKeyConstraint(
            ["sending_id"], ["webhook_sendings.id"], name=op.f("fk_webhook_attempts_sending_id_webhook_sendings")
        ),
    )
    op.create_index(op.f("ix_webhook_attempts_sending_id_id"), "webhook_attempts", ["sending_id", "id"])
    op.execute(GUARDS)
    op.create_index(op.f("ix_bills_issued_on_id"), "bills", ["issued_on", "id"])
    op.create_index("ix_payments_returned", "payments", ["id"], postgresql_where=sa.text("state = 'returned'"))
    # Messages come in the order of their moments: a few pages find a day's, and a load hardly notices.
    op.create_index(op.f("ix_messages_created_at"), "messages", ["created_at"], postgresql_using="brin")
    op.create_index("ix_bills_withdrawn", "bills", ["id"], postgresql_where=sa.text("NOT live"))
