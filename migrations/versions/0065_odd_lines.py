"""Lines without a payment of their amount are listed: what nobody can explain is found without reading a day's lines.

Whatever gives a line a state, a payment or a netted fee is seen by a trigger that looks at its payment already; nearly
all lines are over what their payment is, and are not listed.
"""

from alembic import op

revision = "0065"
down_revision = "0064"

# A line that waits to be booked is found by its state, one that is rejected stands for nothing, a notice's only tells.
_ODD = "l.counts AND l.state <> 'rejected' AND (l.state <> 'pending' OR l.payment_id IS NOT NULL)"
_LISTED = """
LOCK TABLE statement_lines, fees IN ACCESS EXCLUSIVE MODE;
CREATE TABLE odd_lines (
    line_id bigint CONSTRAINT pk_odd_lines PRIMARY KEY,
    day date
);
INSERT INTO odd_lines
SELECT l.id, coalesce(l.booked_on, s.closing_on, s.to_on)
FROM statement_lines l JOIN statements s ON s.id = l.statement_id LEFT JOIN payments p ON p.id = l.payment_id
WHERE {odd} AND p.minor IS DISTINCT FROM l.minor
   OR l.id IN (SELECT line_id FROM fees WHERE charged = 'netted') ORDER BY l.id;
CREATE INDEX ix_odd_lines_day ON odd_lines (day);
GRANT SELECT ON odd_lines TO doisoat_app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON odd_lines FROM PUBLIC, doisoat_app;

CREATE OR REPLACE FUNCTION lines_name_payments() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE gone boolean;
BEGIN
    WITH other AS MATERIALIZED (
        SELECT l.*, p.id AS there FROM changed l LEFT JOIN public.payments p ON p.id = l.payment_id
        WHERE (l.state <> 'pending' OR l.payment_id IS NOT NULL) AND p.minor IS DISTINCT FROM l.minor
    ), listed AS (
        INSERT INTO public.odd_lines (line_id, day)
        SELECT l.id, coalesce(l.booked_on, s.closing_on, s.to_on)
        FROM other l JOIN public.statements s ON s.id = l.statement_id WHERE {odd} ORDER BY l.id
        ON CONFLICT DO NOTHING
    )
    SELECT EXISTS (SELECT 1 FROM other WHERE payment_id IS NOT NULL AND there IS NULL) INTO gone;
    IF gone THEN
        RAISE EXCEPTION 'a line proves a payment that is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER line_names_payment ON statement_lines;
DROP FUNCTION line_names_payment();
CREATE TRIGGER added_lines_name_payments AFTER INSERT ON statement_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION lines_name_payments();

CREATE FUNCTION netted_lines_are_odd() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.odd_lines (line_id, day)
    SELECT DISTINCT l.id, coalesce(l.booked_on, s.closing_on, s.to_on)
    FROM added f JOIN public.statement_lines l ON l.id = f.line_id JOIN public.statements s ON s.id = l.statement_id
    WHERE f.charged = 'netted' ORDER BY l.id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER netted_lines_are_odd AFTER INSERT ON fees REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION netted_lines_are_odd();
"""


def upgrade() -> None:
    """Apply."""
    op.execute(_LISTED.format(odd=_ODD))
    op.execute("ANALYZE odd_lines")
