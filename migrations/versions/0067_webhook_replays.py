"""A try of a webhook keeps who asked for it anew; a day that is reopened is noted for webhooks as a signed one is."""

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"


NOTING = """
CREATE OR REPLACE FUNCTION note_day_for_webhooks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM public.webhook_endpoints WHERE state <> 'disabled') THEN
        INSERT INTO public.webhook_waiting (kind, subject_id, transaction, at)
        VALUES (TG_ARGV[0], NEW.id, pg_current_xact_id()::text::bigint, coalesce(NEW.reopened_at, NEW.signed_at));
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER note_for_webhooks ON closes;
CREATE TRIGGER note_for_webhooks_closed AFTER UPDATE OF state ON closes FOR EACH ROW
    WHEN (NEW.period = 'day' AND NEW.state = 'signed' AND OLD.state = 'balanced')
    EXECUTE FUNCTION note_day_for_webhooks('day.closed');
CREATE TRIGGER note_for_webhooks_reopened AFTER UPDATE OF state ON closes FOR EACH ROW
    WHEN (NEW.period = 'day' AND NEW.state = 'reopened' AND OLD.state = 'signed')
    EXECUTE FUNCTION note_day_for_webhooks('day.reopened');
"""


def upgrade() -> None:
    """Apply."""
    for table in ("webhook_sendings", "webhook_attempts"):
        op.add_column(table, sa.Column("asked_by", sa.Text(), server_default="", nullable=False))
    op.execute("GRANT UPDATE (asked_by) ON webhook_sendings TO doisoat_app")
    op.execute(NOTING)
