"""Parts and receipts of messages cost less to keep: whose they are is asked once a statement, not once a row."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"

# What they name can't go: messages and parts are never deleted nor numbered anew.
NAMED = """
CREATE FUNCTION parts_are_of_messages() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (SELECT count(*) FROM public.messages m WHERE m.id = ANY(ARRAY(SELECT message_id FROM added)))
        <> (SELECT count(DISTINCT message_id) FROM added)
    THEN
        RAISE EXCEPTION 'a part is of a message that is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER parts_are_of_messages AFTER INSERT ON message_parts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION parts_are_of_messages();
ALTER TABLE message_parts DROP CONSTRAINT fk_message_parts_message_id;

CREATE FUNCTION receipts_are_of_parts() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (SELECT count(*) FROM public.message_parts p WHERE p.id = ANY(ARRAY(SELECT part_id FROM changed)))
        <> (SELECT count(DISTINCT part_id) FROM changed)
    THEN
        RAISE EXCEPTION 'a receipt is of a part that is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER receipts_are_of_parts AFTER UPDATE ON carrier_receipts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION receipts_are_of_parts();
-- Receipts are kept before it is known what they are of.
CREATE FUNCTION receipt_waits_first() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a receipt is kept before it is applied' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER receipt_waits_first BEFORE INSERT ON carrier_receipts FOR EACH ROW WHEN (NEW.part_id IS NOT NULL)
    EXECUTE FUNCTION receipt_waits_first();
ALTER TABLE carrier_receipts DROP CONSTRAINT fk_carrier_receipts_part_id;

-- The same rule as before, asked without a call for each row that keeps it.
DROP TRIGGER part_keeps_its_word ON message_parts;
CREATE OR REPLACE FUNCTION part_keeps_its_word() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a part that is % does not become %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER part_keeps_its_word BEFORE UPDATE ON message_parts FOR EACH ROW WHEN (
    NEW.id <> OLD.id OR NEW.message_id <> OLD.message_id OR NEW.ordinal <> OLD.ordinal
    OR NEW.provider <> OLD.provider OR NEW.answered_at <> OLD.answered_at
    OR (OLD.ref_key IS NOT NULL
        AND (NEW.provider_ref IS DISTINCT FROM OLD.provider_ref OR NEW.ref_key IS DISTINCT FROM OLD.ref_key))
    OR (NEW.state <> OLD.state AND (OLD.state NOT IN ('unsure', 'accepted')
        OR NEW.state NOT IN ('accepted', 'delivered', 'undelivered')))
) EXECUTE FUNCTION part_keeps_its_word();
-- Room beside each part for what becomes of it: nothing of that is in an index.
ALTER TABLE message_parts SET (fillfactor = 70);
"""


def upgrade() -> None:
    """Apply."""
    op.execute(NAMED)
    op.drop_index(op.f("ix_messages_payment_id"), "messages")
    op.create_index(
        op.f("ix_messages_payment_id"), "messages", ["payment_id"], postgresql_where=sa.text("payment_id IS NOT NULL")
    )
