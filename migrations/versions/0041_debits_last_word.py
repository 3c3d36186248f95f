"""No debit leaves whose customer was told something else since its notice; banks' words on mandates are the liaison's."""

from alembic import op

revision = "0041"
down_revision = "0040"

GUARDS = """
CREATE FUNCTION debits_leave_as_last_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE wrong text;
BEGIN
    EXECUTE $q$
        WITH leaving AS MATERIALIZED (
            SELECT id FROM before WHERE state = 'planned' INTERSECT SELECT id FROM added WHERE state = 'sent'
        )
        SELECT a.end_to_end_id FROM leaving JOIN public.debits a USING (id)
        LEFT JOIN public.printed_notices p ON p.id = a.printed_id
        JOIN public.messages l ON l.bill_id = a.bill_id AND (l.id > a.notice_id OR l.created_at > p.handed_at)
        WHERE l.event IN ('before_debit', 'debit_failed') AND l.state NOT IN ('withdrawn', 'expired', 'failed')
          AND (l.event = 'debit_failed' OR (l.facts->>'debit_on')::date <> a.charge_on
               OR (l.facts->>'amount')::bigint <> a.minor)
        LIMIT 1
    $q$ INTO wrong;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'debit % may not leave: its customer was told something else since its notice', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_leave_as_last_told AFTER UPDATE ON debits REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION debits_leave_as_last_told();

UPDATE mismatches SET owner = 'liaison' WHERE subject LIKE 'mandate_answer:%' AND state <> 'resolved';
"""


def upgrade() -> None:
    """Apply."""
    op.execute(GUARDS)
