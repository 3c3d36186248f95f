"""Agreements about lump sums in versions: each counts from its day until the next one's, or until it is ended."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

PAID_ON = "coalesce((p.paid_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, p.business_date)"
DAY = f"({PAID_ON} + CASE WHEN (p.paid_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::time >= a.cut_off THEN 1 ELSE 0 END)"
TERM = f"a.source = p.source AND {PAID_ON} >= a.since AND {PAID_ON} < a.until"
GUARDS = f"""
CREATE VIEW lump_terms AS
    SELECT id, source, bank, words, cut_off, after_days, within_days, since, until
    FROM (SELECT *, lead(since, 1, 'infinity'::date) OVER (PARTITION BY source ORDER BY since) AS until
          FROM lump_agreements) versions
    WHERE NOT ends;
GRANT SELECT ON lump_terms TO doisoat_app;
CREATE FUNCTION agreement_follows() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.since <= (SELECT max(since) FROM public.lump_agreements WHERE source = NEW.source)
       OR (NEW.ends AND NOT coalesce((SELECT NOT ends FROM public.lump_agreements
                                      WHERE source = NEW.source ORDER BY since DESC LIMIT 1), false))
    THEN
        RAISE EXCEPTION 'a version of an agreement follows on the one before' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreement_follows BEFORE INSERT ON lump_agreements FOR EACH ROW EXECUTE FUNCTION agreement_follows();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON lump_agreements FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE OR REPLACE FUNCTION lump_whole() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.day IS NULL OR NEW.undone_at IS NOT NULL THEN
        RETURN NEW;
    END IF;
    IF NEW.minor <> coalesce((
        SELECT sum(b.minor) FROM public.line_parts b WHERE b.lump_id = NEW.id AND b.undone_at IS NULL), 0)
    THEN
        RAISE EXCEPTION 'a settlement is taken apart into what comes to it' USING ERRCODE = 'check_violation';
    END IF;
    -- Whatever else it may be of is a person's word, and needs one more above the limit.
    IF NOT NEW.pinned AND NOT (
        EXISTS (
            SELECT 1 FROM public.lump_terms t WHERE t.source = NEW.source AND NEW.day >= t.since AND NEW.day < t.until
                AND NEW.booked_on - NEW.day BETWEEN t.after_days AND t.within_days)
        AND NOT EXISTS (
            SELECT 1 FROM public.line_parts b JOIN public.payments p ON p.id = b.payment_id
            LEFT JOIN public.lump_terms a ON {TERM}
            WHERE b.lump_id = NEW.id AND b.undone_at IS NULL AND (a.id IS NULL OR NEW.day <> {DAY}))
        AND NOT EXISTS (
            SELECT 1 FROM public.payments p JOIN public.lump_terms a ON {TERM}
            WHERE p.source = NEW.source AND p.business_date BETWEEN NEW.day - 1 AND NEW.day AND p.state = 'reported'
              AND p.confirmed_minor = 0 AND p.currency = 'VND' AND NOT p.reversal AND NEW.day = {DAY}
              AND NOT EXISTS (SELECT 1 FROM public.line_parts b WHERE b.payment_id = p.id AND b.undone_at IS NULL)
              AND NOT EXISTS (SELECT 1 FROM public.statement_lines n WHERE n.payment_id = p.id AND n.counts)))
    THEN
        RAISE EXCEPTION 'a settlement that is weighed is the whole of one day within reach'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    """Apply."""
    # What was declared before there were versions has counted for every day.
    op.add_column("lump_agreements", sa.Column("since", sa.Date(), server_default="2000-01-01", nullable=False))
    op.add_column("lump_agreements", sa.Column("ends", sa.Boolean(), server_default="false", nullable=False))
    op.drop_index("uq_lump_agreements_source", "lump_agreements")
    op.create_index("uq_lump_agreements_source", "lump_agreements", ["source", "since"], unique=True)
    op.execute(GUARDS)
