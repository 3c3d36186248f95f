"""The guards: what the database itself refuses, whoever asks.

- Counters of paid and matched money follow the live allocations and nothing else.
- An entry that does not sum to zero per currency can't commit; a posting joins its entry in the same transaction only,
  and never without its other side.
- The ledger, the history, the audit and the kept bytes are only ever added to.
- The application's role lacks the right to do otherwise; the triggers hold for the owner too.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

ROLE = "doisoat_app"
APPEND_ONLY = ("entries", "postings", "transitions", "audit", "audit_checkpoints", "delivery_chunks", "refusals")

COUNTERS = """
CREATE FUNCTION count_allocations() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    -- One pass per statement, however many rows: bulk matching stays set-based. Rows are locked in the order of ids.
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT 1 FROM added JOIN bills b ON b.id = added.bill_id WHERE b.state IN ('cancelled', 'replaced')) THEN
            RAISE EXCEPTION 'a cancelled or replaced bill takes no allocation' USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (SELECT 1 FROM added WHERE undone_at IS NOT NULL) THEN
            RAISE EXCEPTION 'an allocation is born live' USING ERRCODE = 'check_violation';
        END IF;
        UPDATE payments p SET matched_minor = p.matched_minor + s.minor
        FROM (SELECT payment_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE p.id = s.payment_id;
        UPDATE bills b SET paid_minor = b.paid_minor + s.minor
        FROM (SELECT bill_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE b.id = s.bill_id;
    ELSE
        IF EXISTS (
            SELECT 1 FROM added a JOIN before o USING (id)
            WHERE (a.payment_id, a.bill_id, a.minor, a.rule, a.quoted, a.evidence, a.by, a.at)
                IS DISTINCT FROM (o.payment_id, o.bill_id, o.minor, o.rule, o.quoted, o.evidence, o.by, o.at)
               OR o.undone_at IS NOT NULL OR a.undone_at IS NULL
        ) THEN
            RAISE EXCEPTION 'an allocation can only be undone, once' USING ERRCODE = 'check_violation';
        END IF;
        UPDATE payments p SET matched_minor = p.matched_minor - s.minor
        FROM (SELECT payment_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE p.id = s.payment_id;
        UPDATE bills b SET paid_minor = b.paid_minor - s.minor
        FROM (SELECT bill_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE b.id = s.bill_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON allocations REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_allocations();
CREATE TRIGGER count_undone AFTER UPDATE ON allocations REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION count_allocations();
"""

BALANCE = """
CREATE FUNCTION entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE wrong record;
BEGIN
    SELECT currency, sum(minor) AS minor INTO wrong FROM postings WHERE entry_id = NEW.id
        GROUP BY currency HAVING sum(minor) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % does not balance: % % too much', NEW.key, wrong.minor, wrong.currency
            USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT 1 FROM postings WHERE entry_id = NEW.id) THEN
        RAISE EXCEPTION 'entry % has no postings', NEW.key USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION entry_balances();

CREATE FUNCTION postings_join_now() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Without this an old, balanced entry could be added to later, past the check above.
    IF EXISTS (
        SELECT 1 FROM added JOIN entries e ON e.id = added.entry_id
        WHERE e.transaction <> pg_current_xact_id()::text::bigint
    ) THEN
        RAISE EXCEPTION 'a posting belongs to the transaction of its entry' USING ERRCODE = 'check_violation';
    END IF;
    -- Both sides come in one statement: otherwise a side could follow after the check above was made to run early.
    IF EXISTS (SELECT 1 FROM added GROUP BY entry_id, currency HAVING sum(minor) <> 0) THEN
        RAISE EXCEPTION 'the postings of an entry do not balance' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER postings_join_now AFTER INSERT ON postings REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION postings_join_now();
"""

KEPT = """
CREATE FUNCTION only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION bytes_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a bank sent, and what it was told, is never changed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER bytes_stay BEFORE UPDATE OF source, kind, event_id, digest, size, head, body, answer_status, answer_body,
    received_at ON deliveries FOR EACH ROW
    WHEN ((OLD.source, OLD.kind, OLD.event_id, OLD.digest, OLD.size, OLD.head, OLD.body, OLD.answer_status,
           OLD.answer_body, OLD.received_at)
          IS DISTINCT FROM (NEW.source, NEW.kind, NEW.event_id, NEW.digest, NEW.size, NEW.head, NEW.body,
           NEW.answer_status, NEW.answer_body, NEW.received_at))
    EXECUTE FUNCTION bytes_stay();
"""


def upgrade() -> None:
    """Apply."""
    op.execute(COUNTERS)
    op.execute(BALANCE)
    op.execute(KEPT)
    for table in (*APPEND_ONLY, "deliveries", "allocations"):
        events = "DELETE OR TRUNCATE" if table in ("deliveries", "allocations") else "UPDATE OR DELETE OR TRUNCATE"
        op.execute(
            f"CREATE TRIGGER only_added_to BEFORE {events} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION only_added_to()"
        )
    op.execute(
        f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}') THEN CREATE ROLE {ROLE} NOLOGIN; END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$;
        GRANT {ROLE} TO CURRENT_USER;
        GRANT USAGE ON SCHEMA public TO {ROLE};
        GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {ROLE};
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {ROLE};
        GRANT UPDATE ON customers, mismatches, messages, staff, web_sessions TO {ROLE};
        GRANT UPDATE (credit_minor, debit_minor, lines, left_out, difference_minor, state, reason, only_gap, moves)
            ON statements TO {ROLE};
        GRANT UPDATE (payment_id, state, reason) ON statement_lines TO {ROLE};
        GRANT DELETE ON web_sessions TO {ROLE};
        GRANT UPDATE (state, reason, moves, attempts, lease_until, read_at) ON deliveries TO {ROLE};
        GRANT UPDATE (state, moves) ON bills TO {ROLE};
        GRANT UPDATE (source_reference, bank_reference, end_to_end_id, confirmed_minor, paid_at, business_date, channel, narrative, quoted, delivery_id,
                      reported_at, due_at, state, moves) ON payments TO {ROLE};
        GRANT UPDATE (undone_at, undone_by, undone_why) ON allocations TO {ROLE};
        REVOKE INSERT ON alembic_version FROM {ROLE};
        """
    )
