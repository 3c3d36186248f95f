"""Bills that are owed again, and debits whose money was given back though its line named the mandate alone."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"

GUARDS = """
CREATE OR REPLACE FUNCTION debits_hear_of_bills() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM public.debit_exclusions) THEN
        EXECUTE $q$
            INSERT INTO public.reopened_bills (bill_id)
            SELECT id FROM added WHERE state = 'open' INTERSECT SELECT id FROM before WHERE state <> 'open'
        $q$;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM public.debits) THEN
        RETURN NULL;
    END IF;
    EXECUTE $q$
        INSERT INTO public.debit_news (debit_id) SELECT d.id FROM added a JOIN before b USING (id)
        JOIN public.debits d ON d.bill_id = a.id WHERE a.state <> b.state
    $q$;
    RETURN NULL;
END $$;

-- Money that came back may never have been matched: the line that brought it names the mandate.
CREATE FUNCTION debits_hear_of_returned_lines() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.debit_news (debit_id) SELECT d.id FROM public.statement_lines l
    JOIN public.mandates m ON m.reference = l.mandate_id AND m.bank = NEW.source
    JOIN public.debits d ON d.mandate_id = m.id AND d.minor = NEW.minor AND d.sent_at IS NOT NULL
    WHERE l.payment_id = NEW.id AND l.mandate_id <> '';
    RETURN NULL;
END $$;
CREATE TRIGGER debits_hear_of_returned_lines AFTER UPDATE OF state ON payments FOR EACH ROW
    WHEN (NEW.end_to_end_id = '' AND OLD.state <> NEW.state AND 'returned' IN (OLD.state, NEW.state))
    EXECUTE FUNCTION debits_hear_of_returned_lines();
GRANT SELECT, UPDATE, DELETE ON reopened_bills TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "reopened_bills",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bill_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reopened_bills")),
    )
    op.create_index(
        "ix_statement_lines_mandate_id", "statement_lines", ["mandate_id"],
        postgresql_where=sa.text("mandate_id <> '' AND payment_id IS NOT NULL"),
    )  # fmt: skip
    op.execute(GUARDS)
