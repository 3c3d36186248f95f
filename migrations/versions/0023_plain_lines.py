"""The pace of plain lines: bills change in place, and a payment may be born with what it settles.

An update that changes no indexed column writes no index (HOT): a bill that is paid wrote eight. What is owed is kept in
a table of its own; whether a bill lives, which its unique codes ask, is a column that paying does not change.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

OWED = """
CREATE TABLE owed_bills (
    bill_id bigint CONSTRAINT pk_owed_bills PRIMARY KEY,
    bank text NOT NULL,
    due_on date NOT NULL
);
INSERT INTO owed_bills SELECT id, bank, due_on FROM bills WHERE state IN ('open', 'part_paid') ORDER BY id;
GRANT SELECT ON owed_bills TO doisoat_app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON owed_bills FROM PUBLIC, doisoat_app;

CREATE FUNCTION owed_bills_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.owed_bills (bill_id, bank, due_on)
        SELECT id, bank, due_on FROM added WHERE live AND paid_minor < minor ORDER BY id;
        RETURN NULL;
    END IF;
    -- Planned each time: a plan is kept for the session, and one made for a single bill would compare each of the next
    -- five thousand with each.
    EXECUTE 'DELETE FROM public.owed_bills o USING added a JOIN before b USING (id)
        WHERE o.bill_id = a.id AND b.live AND b.paid_minor < b.minor AND NOT (a.live AND a.paid_minor < a.minor)';
    EXECUTE 'INSERT INTO public.owed_bills (bill_id, bank, due_on)
        SELECT a.id, a.bank, a.due_on FROM added a JOIN before b USING (id)
        WHERE a.live AND a.paid_minor < a.minor AND NOT (b.live AND b.paid_minor < b.minor) ORDER BY a.id';
    RETURN NULL;
END $$;
CREATE TRIGGER owed_bills_added AFTER INSERT ON bills REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION owed_bills_follow();
CREATE TRIGGER owed_bills_changed AFTER UPDATE ON bills REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION owed_bills_follow();
"""

# A payment that is born with its settlement is written once instead of twice, with all of its index entries.
BORN = """
ALTER TABLE allocations ADD COLUMN born boolean NOT NULL DEFAULT false;
DROP TRIGGER counters_start_at_zero ON payments;
CREATE FUNCTION payments_are_born() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added p WHERE p.matched_minor <> 0 AND NOT EXISTS (
        SELECT 1 FROM public.allocations a
        WHERE a.payment_id = p.id AND a.undone_at IS NULL AND a.born AND a.minor = p.matched_minor))
    THEN
        RAISE EXCEPTION 'payments counts from nothing, or from the one match made with it'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT 1 FROM (SELECT DISTINCT delivery_id AS id FROM added WHERE delivery_id IS NOT NULL) n
               WHERE NOT EXISTS (SELECT 1 FROM public.deliveries d WHERE d.id = n.id)) THEN
        RAISE EXCEPTION 'a payment is of a delivery that is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payments_are_born AFTER INSERT ON payments REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION payments_are_born();
"""
COUNTERS = """
CREATE OR REPLACE FUNCTION count_allocations() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE of_payments bigint; of_bills bigint; counted bigint;
BEGIN
    -- One pass per statement, however many rows: bulk matching stays set-based. Rows are locked in the order of ids.
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT 1 FROM added WHERE undone_at IS NOT NULL) THEN
            RAISE EXCEPTION 'an allocation is born live' USING ERRCODE = 'check_violation';
        END IF;
        SELECT count(DISTINCT payment_id) FILTER (WHERE NOT born), count(DISTINCT bill_id) INTO of_payments, of_bills
        FROM added;
        IF of_payments > 0 THEN
            UPDATE public.payments p SET matched_minor = p.matched_minor + s.minor
            FROM (SELECT payment_id, sum(minor) AS minor FROM added WHERE NOT born GROUP BY 1 ORDER BY 1) s
            WHERE p.id = s.payment_id;
            GET DIAGNOSTICS counted = ROW_COUNT;
            IF counted <> of_payments THEN
                RAISE EXCEPTION 'an allocation is of a payment that is there' USING ERRCODE = 'foreign_key_violation';
            END IF;
        END IF;
        -- The counter of a payment that came with its match is there already, and stands for nothing else.
        IF EXISTS (SELECT 1 FROM added a LEFT JOIN public.payments p ON p.id = a.payment_id
            WHERE a.born AND (p.matched_minor IS DISTINCT FROM a.minor
                OR EXISTS (SELECT 1 FROM public.allocations o
                           WHERE o.payment_id = a.payment_id AND o.undone_at IS NULL AND o.id <> a.id)
                OR EXISTS (SELECT 1 FROM public.placements o
                           WHERE o.payment_id = a.payment_id AND o.undone_at IS NULL)))
        THEN
            RAISE EXCEPTION 'a match is born with its payment, whose whole counter it is'
                USING ERRCODE = 'check_violation';
        END IF;
        UPDATE public.bills b SET paid_minor = b.paid_minor + s.minor
        FROM (SELECT bill_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s
        WHERE b.id = s.bill_id AND b.live;
        GET DIAGNOSTICS counted = ROW_COUNT;
        IF counted <> of_bills AND EXISTS (
            SELECT 1 FROM added JOIN public.bills b ON b.id = added.bill_id WHERE NOT b.live
        ) THEN
            RAISE EXCEPTION 'a cancelled or replaced bill takes no allocation' USING ERRCODE = 'check_violation';
        ELSIF counted <> of_bills THEN
            RAISE EXCEPTION 'an allocation is to a bill that is there' USING ERRCODE = 'foreign_key_violation';
        END IF;
    ELSE
        -- Planned each time: one made for a single match would compare each of many with each.
        EXECUTE 'SELECT count(*) FROM added a JOIN before o USING (id)
            WHERE (a.payment_id, a.bill_id, a.minor, a.rule, a.quoted, a.evidence, a.by, a.at, a.born)
                IS DISTINCT FROM (o.payment_id, o.bill_id, o.minor, o.rule, o.quoted, o.evidence, o.by, o.at, o.born)
               OR o.undone_at IS NOT NULL OR a.undone_at IS NULL' INTO counted;
        IF counted > 0 THEN
            RAISE EXCEPTION 'an allocation can only be undone, once' USING ERRCODE = 'check_violation';
        END IF;
        UPDATE public.payments p SET matched_minor = p.matched_minor - s.minor
        FROM (SELECT payment_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE p.id = s.payment_id;
        UPDATE public.bills b SET paid_minor = b.paid_minor - s.minor
        FROM (SELECT bill_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE b.id = s.bill_id;
    END IF;
    RETURN NULL;
END $$;
"""

# What joins an entry balances, statement by statement, and joins it in its own transaction: whether anything does is
# all that is left to ask at its end.
BALANCE = """
CREATE OR REPLACE FUNCTION entries_balance() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE alone text;
BEGIN
    -- Planned for these ids each time: a plan made while the ledger was empty would read all of it for each entry.
    EXECUTE 'SELECT e.key FROM public.entries e
        WHERE e.id BETWEEN $1 AND $2 AND e.transaction = pg_current_xact_id()::text::bigint
          AND NOT EXISTS (SELECT 1 FROM public.postings p WHERE p.entry_id = e.id) LIMIT 1'
        INTO alone USING NEW.first_id, NEW.last_id;
    IF alone IS NOT NULL THEN
        RAISE EXCEPTION 'entry % has no postings', alone USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM public.entries_to_prove WHERE id = NEW.id;
    RETURN NULL;
END $$;
"""

# What they name can't go: deliveries and payments are never deleted nor numbered anew.
NAMED = """
CREATE FUNCTION payment_names_delivery() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.deliveries d WHERE d.id = NEW.delivery_id) THEN
        RAISE EXCEPTION 'a payment is of a delivery that is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payment_names_delivery AFTER UPDATE OF delivery_id ON payments FOR EACH ROW
    WHEN (NEW.delivery_id IS NOT NULL AND NEW.delivery_id IS DISTINCT FROM OLD.delivery_id)
    EXECUTE FUNCTION payment_names_delivery();
CREATE TRIGGER id_stays BEFORE UPDATE OF id ON deliveries FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();
ALTER TABLE payments DROP CONSTRAINT fk_payments_delivery_id;

CREATE FUNCTION lines_name_payments() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM changed l WHERE l.payment_id IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM public.payments p WHERE p.id = l.payment_id)) THEN
        RAISE EXCEPTION 'a line proves a payment that is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION line_names_payment() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.payments p WHERE p.id = NEW.payment_id) THEN
        RAISE EXCEPTION 'a line proves a payment that is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER lines_name_payments AFTER UPDATE ON statement_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION lines_name_payments();
-- Lines are loaded without a payment: this one is hardly ever asked.
CREATE TRIGGER line_names_payment AFTER INSERT ON statement_lines FOR EACH ROW WHEN (NEW.payment_id IS NOT NULL)
    EXECUTE FUNCTION line_names_payment();
ALTER TABLE statement_lines DROP CONSTRAINT fk_statement_lines_payment_id;

CREATE FUNCTION messages_name_theirs() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added m WHERE NOT EXISTS (SELECT 1 FROM public.customers c WHERE c.id = m.customer_id))
        OR EXISTS (SELECT 1 FROM added m WHERE m.bill_id IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM public.bills b WHERE b.id = m.bill_id))
        OR EXISTS (SELECT 1 FROM added m WHERE m.payment_id IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM public.payments p WHERE p.id = m.payment_id))
    THEN
        RAISE EXCEPTION 'a message is to a customer, of a bill and a payment that are there'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER messages_name_theirs AFTER INSERT ON messages REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION messages_name_theirs();
CREATE FUNCTION message_names_others() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.customers c WHERE c.id = NEW.customer_id)
        OR (NEW.bill_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM public.bills b WHERE b.id = NEW.bill_id))
        OR (NEW.payment_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM public.payments p WHERE p.id = NEW.payment_id))
    THEN
        RAISE EXCEPTION 'a message is to a customer, of a bill and a payment that are there'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER message_names_others AFTER UPDATE ON messages FOR EACH ROW
    WHEN ((NEW.customer_id, NEW.bill_id, NEW.payment_id) IS DISTINCT FROM (OLD.customer_id, OLD.bill_id, OLD.payment_id))
    EXECUTE FUNCTION message_names_others();
ALTER TABLE messages DROP CONSTRAINT fk_messages_customer_id, DROP CONSTRAINT fk_messages_bill_id,
    DROP CONSTRAINT fk_messages_payment_id;
"""
# Indexes that no query asks, or that another one answers as well.
SLIMMER = """
DROP INDEX ix_transitions_at;
DROP INDEX ix_statement_lines_payment_id;
DROP INDEX uq_statement_lines_payment;
CREATE UNIQUE INDEX uq_statement_lines_payment ON statement_lines
    (payment_id, direction, turn, NULLIF(counts, false)) WHERE payment_id IS NOT NULL;
DROP INDEX ix_payments_delivery_id;
CREATE INDEX ix_payments_delivery_id ON payments (delivery_id) WHERE source_reference NOT LIKE 'line:%';
ALTER TABLE messages DROP CONSTRAINT uq_messages_provider_provider_ref;
CREATE UNIQUE INDEX uq_messages_provider_provider_ref ON messages (provider, provider_ref)
    WHERE provider_ref IS NOT NULL;
DROP INDEX ix_postings_account_currency;
CREATE INDEX ix_postings_fees ON postings (id) WHERE account IN ('expense:bank-fees', 'input-vat');
DROP INDEX ix_postings_entry_id;
ALTER TABLE postings DROP CONSTRAINT pk_postings, ADD CONSTRAINT pk_postings PRIMARY KEY (entry_id, id);
"""


def upgrade() -> None:
    """Apply."""
    live = sa.Computed("state NOT IN ('cancelled', 'replaced')", persisted=True)
    op.add_column("bills", sa.Column("live", sa.Boolean(), live, nullable=False))
    for name, column in (("uq_bills_live_number", "number"), ("uq_bills_live_payment_code", "payment_code")):
        op.drop_index(name, "bills")
        op.create_index(name, "bills", [column], unique=True, postgresql_where=sa.text("live"))
    op.drop_index("ix_bills_customer_id_state", "bills")
    op.create_index("ix_bills_customer_id", "bills", ["customer_id"])
    op.drop_index("ix_bills_owed", "bills")
    op.execute(OWED)
    op.execute(BORN)
    op.execute(COUNTERS)
    op.execute(BALANCE)
    op.execute(NAMED)
    op.execute(SLIMMER)
