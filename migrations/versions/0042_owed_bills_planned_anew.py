"""What is owed follows at the pace of the statement: each change of bills is planned for as many as there are.

A plan is kept for the session: made for one bill, it compared each of the next five thousand with each.
"""

from alembic import op

revision = "0042"
down_revision = "0041"

OWED = """
CREATE OR REPLACE FUNCTION owed_bills_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.owed_bills (bill_id, bank, due_on)
        SELECT id, bank, due_on FROM added WHERE live AND paid_minor < minor ORDER BY id;
        RETURN NULL;
    END IF;
    EXECUTE 'DELETE FROM public.owed_bills o USING added a JOIN before b USING (id)
        WHERE o.bill_id = a.id AND b.live AND b.paid_minor < b.minor AND NOT (a.live AND a.paid_minor < a.minor)';
    EXECUTE 'INSERT INTO public.owed_bills (bill_id, bank, due_on)
        SELECT a.id, a.bank, a.due_on FROM added a JOIN before b USING (id)
        WHERE a.live AND a.paid_minor < a.minor AND NOT (b.live AND b.paid_minor < b.minor) ORDER BY a.id';
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    """Apply."""
    op.execute(OWED)
