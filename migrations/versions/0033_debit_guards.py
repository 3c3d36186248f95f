"""The guards of debits: runs checked by another than their maker, one live debit a bill, none without its notice."""

from alembic import op

revision = "0033"
down_revision = "0032"

# kind, table, the state its rows begin in, moves
LIFECYCLES = (
    ("debit_run", "debit_runs", "proposed", {"proposed": "approved refused withdrawn", "approved": "sent withdrawn"}),
    ("debit_file", "debit_files", "claimed", {"claimed": "handed"}),
    (
        "debit",
        "debits",
        "planned",
        {
            "planned": "sent dropped",
            "sent": "accepted paid rejected recalled unknown",
            "accepted": "paid rejected recalled unknown",
            "unknown": "accepted paid rejected recalled",
            "rejected": "paid",
            "recalled": "paid rejected",
            "paid": "returned accepted rejected recalled unknown",
            "returned": "paid",
        },
    ),
    (
        "recall",
        "debit_recalls",
        "wanted",
        {"wanted": "handed dropped", "dropped": "wanted", "handed": "honoured refused", "refused": "honoured"},
    ),
)
ONLY_ADDED_TO = ("debit_reports", "debit_dates", "printed_notices", "debit_exclusions")
KEPT = ("debit_runs", "debit_files", "debits", "debit_recalls", "bill_holds")
STAYS = {
    "debit_runs": "id, bank, charge_on, debits, total_minor, maker, made_at",
    "debit_files": "id, kind, run_id, bank, message_id, debits, total_minor, made_at",
    "debits": "id, run_id, bill_id, bill_number, mandate_id, mandate_version, attempt, bank, charge_on, minor,"
              " end_to_end_id, sequence, created_at",
    "debit_recalls": "id, debit_id, why, wanted_at",
    "bill_holds": "id, bill_id, kind, why, made_by, made_at",
}  # fmt: skip

GUARDS = """
CREATE FUNCTION debits_are_of_owed_bills() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE wrong text;
BEGIN
    -- Planned anew for each statement, here and below: a run has one debit or a hundred thousand.
    EXECUTE $q$
        SELECT a.end_to_end_id FROM added a
        LEFT JOIN public.bills b ON b.id = a.bill_id
        LEFT JOIN public.debit_runs r ON r.id = a.run_id
        LEFT JOIN public.mandate_versions v ON (v.mandate_id, v.version) = (a.mandate_id, a.mandate_version)
        WHERE b.id IS NULL OR v.id IS NULL OR b.number <> a.bill_number OR b.minor <> a.minor OR b.state <> 'open'
           OR b.paid_minor <> 0 OR r.state <> 'proposed' OR (r.bank, r.charge_on) <> (a.bank, a.charge_on)
           OR EXISTS (SELECT 1 FROM public.debits d WHERE d.bill_number = a.bill_number AND d.state = 'paid')
        LIMIT 1
    $q$ INTO wrong;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'debit % is of a bill that is owed, by an agreed mandate, in a run that is being made', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_are_of_owed_bills AFTER INSERT ON debits REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION debits_are_of_owed_bills();

-- The gate: what leaves was approved by another than its maker, is owed as it was announced, long enough ago, to a
-- customer whose mandate allows it, and is held by nobody.
CREATE FUNCTION debits_leave_by_the_gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE wrong text; lead interval; printed boolean;
BEGIN
    EXECUTE $q$
        SELECT end_to_end_id FROM (
            SELECT end_to_end_id, file_id, sent_at, notice_id, printed_id FROM before WHERE state <> 'planned'
            EXCEPT SELECT end_to_end_id, file_id, sent_at, notice_id, printed_id FROM added) changed
        LIMIT 1
    $q$ INTO wrong;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'how debit % left stays as it was', wrong USING ERRCODE = 'check_violation';
    END IF;
    SELECT make_interval(hours => value::integer) INTO lead FROM public.debit_rules WHERE name = 'notice_hours';
    SELECT value = 'printed' INTO printed FROM public.debit_rules WHERE name = 'unreachable';
    EXECUTE $q$
        WITH leaving AS MATERIALIZED (
            SELECT id FROM before WHERE state = 'planned' INTERSECT SELECT id FROM added WHERE state = 'sent'
        )
        SELECT a.end_to_end_id FROM leaving JOIN public.debits a USING (id)
        JOIN public.debit_runs r ON r.id = a.run_id
        JOIN public.bills b ON b.id = a.bill_id
        JOIN public.mandates m ON m.id = a.mandate_id
        JOIN public.mandate_versions v ON (v.mandate_id, v.version) = (m.id, m.version)
        LEFT JOIN public.messages n ON n.id = a.notice_id AND n.bill_id = a.bill_id AND n.event = 'before_debit'
            AND n.state IN ('sent', 'delivered') AND n.sent_at <= a.sent_at - $1
            AND (n.facts->>'amount')::bigint = a.minor AND (n.facts->>'debit_on')::date = a.charge_on
        LEFT JOIN public.printed_notices p ON $2 AND p.id = a.printed_id AND p.bill_id = a.bill_id
            AND p.minor = a.minor AND p.charge_on = a.charge_on AND p.handed_at <= a.sent_at - $1
        WHERE NOT coalesce(
            r.state IN ('approved', 'sent') AND b.state = 'open' AND b.paid_minor = 0 AND b.minor = a.minor
            AND m.state = 'active' AND m.version = a.mandate_version AND m.bank = a.bank
            AND m.customer_id = b.customer_id AND v.cap_minor >= a.minor
            AND a.charge_on >= v.valid_from AND a.charge_on <= coalesce(v.valid_to, 'infinity')
            AND num_nonnulls(n.id, p.id) = 1
            AND NOT EXISTS (SELECT 1 FROM public.bill_holds h WHERE h.bill_id = b.id AND h.released_at IS NULL), false)
        LIMIT 1
    $q$ INTO wrong USING lead, printed;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'debit % may not leave: its bill, mandate, approval or notice is not as it must be', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_leave_by_the_gate AFTER UPDATE ON debits REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION debits_leave_by_the_gate();

CREATE FUNCTION run_is_approved_whole() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (SELECT (count(*), coalesce(sum(minor), 0)) FROM public.debits WHERE run_id = NEW.id)
       <> (NEW.debits, NEW.total_minor::numeric) THEN
        RAISE EXCEPTION 'run % has other debits than its count and sum say', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER run_is_approved_whole AFTER UPDATE ON debit_runs FOR EACH ROW
    WHEN (NEW.state = 'approved' AND OLD.state = 'proposed') EXECUTE FUNCTION run_is_approved_whole();

CREATE FUNCTION hold_is_released_once() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a hold that was released stays so' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER hold_is_released_once BEFORE UPDATE ON bill_holds FOR EACH ROW
    WHEN (OLD.released_at IS NOT NULL) EXECUTE FUNCTION hold_is_released_once();

-- Whatever concerns a debit is noted with it, whichever road it came by.
CREATE FUNCTION debits_hear_of_payments() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.debits) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        EXECUTE $q$
            INSERT INTO public.debit_news (debit_id) SELECT d.id FROM added a
            JOIN public.debits d ON d.end_to_end_id = a.end_to_end_id AND d.bank = a.source WHERE a.end_to_end_id <> ''
        $q$;
    ELSE
        EXECUTE $q$
            INSERT INTO public.debit_news (debit_id) SELECT d.id FROM added a JOIN before b USING (id)
            JOIN public.debits d ON d.end_to_end_id = a.end_to_end_id AND d.bank = a.source
            WHERE a.end_to_end_id <> '' AND (a.end_to_end_id <> b.end_to_end_id
                OR (a.state IN ('reported', 'confirmed')) <> (b.state IN ('reported', 'confirmed')))
        $q$;
        -- A bill may stay paid while other money pays it, and a line may come to a payment that had paid already.
        EXECUTE $q$
            INSERT INTO public.debit_news (debit_id) SELECT d.id FROM added a JOIN before b USING (id)
            JOIN public.allocations m ON m.payment_id = a.id JOIN public.debits d ON d.bill_id = m.bill_id
                AND d.bank = a.source AND d.sent_at IS NOT NULL
            WHERE a.end_to_end_id = '' AND (a.state, a.matched_minor) <> (b.state, b.matched_minor)
        $q$;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_hear_of_new_payments AFTER INSERT ON payments REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION debits_hear_of_payments();
CREATE TRIGGER debits_hear_of_payments AFTER UPDATE ON payments REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION debits_hear_of_payments();
CREATE FUNCTION debits_hear_of_bills() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.debits) THEN
        RETURN NULL;
    END IF;
    EXECUTE $q$
        INSERT INTO public.debit_news (debit_id) SELECT d.id FROM added a JOIN before b USING (id)
        JOIN public.debits d ON d.bill_id = a.id WHERE a.state <> b.state
    $q$;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_hear_of_bills AFTER UPDATE ON bills REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION debits_hear_of_bills();
CREATE FUNCTION debits_hear_of_reports() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.debit_news (debit_id) SELECT DISTINCT debit_id FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_hear_of_reports AFTER INSERT ON debit_reports REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION debits_hear_of_reports();

GRANT SELECT ON debit_rules TO doisoat_app;
GRANT SELECT, INSERT ON debit_runs, debit_files, debits, debit_exclusions, debit_reports, debit_recalls, debit_dates,
    printed_notices, bill_holds TO doisoat_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON debit_news TO doisoat_app;
GRANT UPDATE (checker, checked_at, checked_why, state, moves) ON debit_runs TO doisoat_app;
GRANT UPDATE (size, digest, attempts, not_before, said, handed_at, state, moves) ON debit_files TO doisoat_app;
GRANT UPDATE (file_id, notice_id, printed_id, sent_at, ask_at, asked, reason, state, moves) ON debits TO doisoat_app;
GRANT UPDATE (file_id, state, moves) ON debit_recalls TO doisoat_app;
GRANT UPDATE (released_by, released_at, released_why) ON bill_holds TO doisoat_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    for kind, _table, start, moves in LIFECYCLES:
        for state, after in moves.items():
            for to in after.split():
                op.execute(f"INSERT INTO lifecycle_moves VALUES ('{kind}', '{state}', '{to}')")
        op.execute(f"INSERT INTO lifecycle_births VALUES ('{kind}', '{start}', 0)")
    op.execute(GUARDS)
    for table in ONLY_ADDED_TO:
        op.execute(
            f"CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
            " EXECUTE FUNCTION only_added_to()"
        )
    for table in KEPT:
        op.execute(
            f"CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
            " EXECUTE FUNCTION only_added_to()"
        )
    for table, columns in STAYS.items():
        op.execute(
            f"CREATE TRIGGER what_was_made_stays BEFORE UPDATE OF {columns} ON {table} FOR EACH STATEMENT"
            " EXECUTE FUNCTION only_added_to()"
        )
    for kind, table, start, _moves in LIFECYCLES:
        op.execute(f"SELECT guard_lifecycle('{kind}', '{table}', '{start}')")
