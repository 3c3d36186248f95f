"""Webhook events that were taken are cleared away when they are old, by one function and nobody else."""

from alembic import op

revision = "0060"
down_revision = "0059"

CLEARING = """
DROP TRIGGER only_added_to ON webhook_events;
DROP TRIGGER only_added_to ON webhook_attempts;
DROP TRIGGER only_added_to ON webhook_sendings;
CREATE TRIGGER only_added_to BEFORE UPDATE OR TRUNCATE ON webhook_events FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE UPDATE OR TRUNCATE ON webhook_attempts FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE TRUNCATE ON webhook_sendings FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();
-- Tries and events hang on their sendings: none of one that was not taken can go.
CREATE TRIGGER untaken_stay BEFORE DELETE ON webhook_sendings FOR EACH ROW WHEN (OLD.state <> 'delivered')
    EXECUTE FUNCTION only_added_to();

-- Looks at `most` events past a place; tells where it stopped, NULL when there was none. Waits for nobody's lock, so that
-- it never stands in the way of whoever sends an old event again.
CREATE FUNCTION clear_told_webhooks(
    after_at timestamptz, after_id bigint, before timestamptz, most int,
    OUT cleared bigint, OUT last_at timestamptz, OUT last_id bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    looked bigint[];
    events bigint[];
    told bigint[];
BEGIN
    looked := ARRAY(
        SELECT id FROM public.webhook_events WHERE (at, id) > (after_at, after_id) AND at < before
        ORDER BY at, id LIMIT most
    );
    SELECT e.at, e.id INTO last_at, last_id FROM public.webhook_events e WHERE e.id = looked[cardinality(looked)];
    events := ARRAY(SELECT id FROM public.webhook_events WHERE id = ANY(looked) FOR UPDATE SKIP LOCKED);
    told := ARRAY(
        SELECT id FROM public.webhook_sendings WHERE event_id = ANY(events) AND state = 'delivered'
        FOR UPDATE SKIP LOCKED
    );
    events := ARRAY(
        SELECT e.id FROM unnest(events) AS e (id) WHERE NOT EXISTS (
            SELECT 1 FROM public.webhook_sendings s WHERE s.event_id = e.id AND s.id <> ALL(told))
    );
    told := ARRAY(SELECT id FROM public.webhook_sendings WHERE event_id = ANY(events));
    DELETE FROM public.webhook_attempts WHERE sending_id = ANY(told);
    DELETE FROM public.webhook_sendings WHERE id = ANY(told);
    DELETE FROM public.webhook_events WHERE id = ANY(events);
    GET DIAGNOSTICS cleared = ROW_COUNT;
END $$;
REVOKE ALL ON FUNCTION clear_told_webhooks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clear_told_webhooks TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    op.execute(CLEARING)
    op.drop_index(op.f("ix_webhook_events_at"), "webhook_events")
    op.create_index(op.f("ix_webhook_events_at_id"), "webhook_events", ["at", "id"])
