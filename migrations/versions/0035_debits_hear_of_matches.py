"""Debits hear of payments that name a mandate alone, whenever what these settle changes."""

from alembic import op

revision = "0035"
down_revision = "0034"

HEARS = """
CREATE OR REPLACE FUNCTION debits_hear_of_payments() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
        {matches}
    END IF;
    RETURN NULL;
END $$;
"""
# A bill may stay paid while other money pays it, and a line may come to a payment that had paid already.
MATCHES = """EXECUTE $q$
            INSERT INTO public.debit_news (debit_id) SELECT d.id FROM added a JOIN before b USING (id)
            JOIN public.allocations m ON m.payment_id = a.id JOIN public.debits d ON d.bill_id = m.bill_id
                AND d.bank = a.source AND d.sent_at IS NOT NULL
            WHERE a.end_to_end_id = '' AND (a.state, a.matched_minor) <> (b.state, b.matched_minor)
        $q$;"""


def upgrade() -> None:
    """Apply."""
    op.execute(HEARS.format(matches=MATCHES))


def downgrade() -> None:
    """Take back."""
    op.execute(HEARS.format(matches=""))
