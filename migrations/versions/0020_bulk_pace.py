"""The pace of large statements: what guards the books looks at all rows of a statement together, not one by one.

Four foreign keys give way to checks of the same strength: their rows may only name what is there when they come, what
they name can't be deleted or numbered anew, by nobody, and they can't be made to name something else.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

# One row for each statement that makes entries, gone again when the check at commit has seen them.
BALANCE = """
CREATE UNLOGGED TABLE entries_to_prove (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_entries_to_prove PRIMARY KEY,
    first_id bigint NOT NULL,
    last_id bigint NOT NULL
);
REVOKE ALL ON entries_to_prove FROM PUBLIC, doisoat_app;

CREATE FUNCTION entries_will_be_proven() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.entries_to_prove (first_id, last_id) SELECT min(id), max(id) FROM added HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE FUNCTION entries_balance() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE wrong record;
BEGIN
    -- Planned for these ids each time: a plan made while the ledger was empty would read all of it for each entry.
    EXECUTE 'SELECT e.key, p.currency, sum(p.minor) AS minor
        FROM public.entries e LEFT JOIN public.postings p ON p.entry_id = e.id
        WHERE e.id BETWEEN $1 AND $2 AND e.transaction = pg_current_xact_id()::text::bigint
        GROUP BY e.id, e.key, p.currency HAVING sum(p.minor) IS DISTINCT FROM 0 LIMIT 1'
        INTO wrong USING NEW.first_id, NEW.last_id;
    IF wrong.key IS NOT NULL AND wrong.minor IS NULL THEN
        RAISE EXCEPTION 'entry % has no postings', wrong.key USING ERRCODE = 'check_violation';
    ELSIF wrong.key IS NOT NULL THEN
        RAISE EXCEPTION 'entry % does not balance: % % too much', wrong.key, wrong.minor, wrong.currency
            USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM public.entries_to_prove WHERE id = NEW.id;
    RETURN NULL;
END $$;
DROP TRIGGER entry_balances ON entries;
DROP FUNCTION entry_balances();
CREATE TRIGGER entries_will_be_proven AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION entries_will_be_proven();
CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON entries_to_prove DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION entries_balance();
"""

# Entries and postings are never edited nor deleted: whether the entry is there is all a foreign key would ask.
JOIN = """
CREATE OR REPLACE FUNCTION postings_join_now() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE wrong record;
BEGIN
    -- Without this an old, balanced entry could be added to later, past the check of its balance; and without a bank
    -- an entry over a bank's money would get past its signed days.
    SELECT e.id IS NULL AS alone, e.transaction <> pg_current_xact_id()::text::bigint AS late, added.account,
        added.entry_id INTO wrong
    FROM added LEFT JOIN public.entries e ON e.id = added.entry_id
    WHERE e.id IS NULL OR e.transaction <> pg_current_xact_id()::text::bigint OR CASE
        WHEN added.account LIKE 'bank:%' THEN split_part(added.account, ':', 2) <> e.bank
        WHEN added.account = 'suspense' THEN e.bank = '' END
    LIMIT 1;
    IF FOUND AND wrong.alone THEN
        RAISE EXCEPTION 'a posting joins an entry, and there is none of the number %', wrong.entry_id
            USING ERRCODE = 'foreign_key_violation';
    ELSIF FOUND AND wrong.late THEN
        RAISE EXCEPTION 'a posting belongs to the transaction of its entry' USING ERRCODE = 'check_violation';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'an entry over % names its bank', wrong.account USING ERRCODE = 'check_violation';
    END IF;
    -- Both sides come in one statement: otherwise a side could follow after the check above was made to run early.
    IF EXISTS (SELECT 1 FROM added GROUP BY entry_id, currency HAVING sum(minor) <> 0) THEN
        RAISE EXCEPTION 'the postings of an entry do not balance' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
ALTER TABLE postings DROP CONSTRAINT fk_postings_entry_id;
"""

# The counters are written row by row anyway: whoever is not among the rows written is not there.
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
        SELECT count(DISTINCT payment_id), count(DISTINCT bill_id) INTO of_payments, of_bills FROM added;
        UPDATE public.payments p SET matched_minor = p.matched_minor + s.minor
        FROM (SELECT payment_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE p.id = s.payment_id;
        GET DIAGNOSTICS counted = ROW_COUNT;
        IF counted <> of_payments THEN
            RAISE EXCEPTION 'an allocation is of a payment that is there' USING ERRCODE = 'foreign_key_violation';
        END IF;
        UPDATE public.bills b SET paid_minor = b.paid_minor + s.minor
        FROM (SELECT bill_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s
        WHERE b.id = s.bill_id AND b.state NOT IN ('cancelled', 'replaced');
        GET DIAGNOSTICS counted = ROW_COUNT;
        IF counted <> of_bills AND EXISTS (
            SELECT 1 FROM added JOIN public.bills b ON b.id = added.bill_id WHERE b.state IN ('cancelled', 'replaced')
        ) THEN
            RAISE EXCEPTION 'a cancelled or replaced bill takes no allocation' USING ERRCODE = 'check_violation';
        ELSIF counted <> of_bills THEN
            RAISE EXCEPTION 'an allocation is to a bill that is there' USING ERRCODE = 'foreign_key_violation';
        END IF;
    ELSE
        IF EXISTS (
            SELECT 1 FROM added a JOIN before o USING (id)
            WHERE (a.payment_id, a.bill_id, a.minor, a.rule, a.quoted, a.evidence, a.by, a.at)
                IS DISTINCT FROM (o.payment_id, o.bill_id, o.minor, o.rule, o.quoted, o.evidence, o.by, o.at)
               OR o.undone_at IS NOT NULL OR a.undone_at IS NULL
        ) THEN
            RAISE EXCEPTION 'an allocation can only be undone, once' USING ERRCODE = 'check_violation';
        END IF;
        UPDATE public.payments p SET matched_minor = p.matched_minor - s.minor
        FROM (SELECT payment_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE p.id = s.payment_id;
        UPDATE public.bills b SET paid_minor = b.paid_minor - s.minor
        FROM (SELECT bill_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE b.id = s.bill_id;
    END IF;
    RETURN NULL;
END $$;
ALTER TABLE allocations DROP CONSTRAINT fk_allocations_payment_id, DROP CONSTRAINT fk_allocations_bill_id;
"""

# A foreign key looks at a row again whenever the transaction that made it changes anything of it.
NAMED = """
CREATE FUNCTION bills_name_customers() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added LEFT JOIN public.customers c ON c.id = added.customer_id WHERE c.id IS NULL) THEN
        RAISE EXCEPTION 'a bill is of a customer who is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER bills_name_customers AFTER INSERT ON bills REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION bills_name_customers();
CREATE TRIGGER customer_stays BEFORE UPDATE OF customer_id ON bills FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
ALTER TABLE bills DROP CONSTRAINT fk_bills_customer_id;
"""
# Before the statement that would: whatever it would find.
STAY = """
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();
CREATE TRIGGER id_stays BEFORE UPDATE OF id ON {table} FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();
"""

# Between two pieces, with all that was written committed, the database knows which tables have grown.
STATISTICS = """
CREATE FUNCTION refresh_grown_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE one name;
BEGIN
    FOR one IN SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (
            '{bills,customers,payments,allocations,messages,statement_lines}')
          AND pg_stat_get_mod_since_analyze(c.oid) > 500 + 0.3 * greatest(c.reltuples, 0)
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) public.%I', one);
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION refresh_grown_statistics() TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    op.execute(BALANCE)
    op.execute(JOIN)
    op.execute(COUNTERS)
    op.execute(NAMED)
    for table in ("payments", "bills", "customers"):
        op.execute(STAY.format(table=table))
    op.execute(STATISTICS)
    op.drop_index("ix_bills_charge_on", "bills")
    op.create_index("ix_bills_charge_on", "bills", ["charge_on"], postgresql_where=sa.text("charge_on IS NOT NULL"))
