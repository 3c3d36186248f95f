"""Lines are checked to be of a statement all together: a foreign key took as long as half of their copy."""

from alembic import op

revision = "0024"
down_revision = "0023"

LINES = """
CREATE FUNCTION lines_name_statements() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM (SELECT DISTINCT statement_id FROM added) a LEFT JOIN public.statements s ON s.id = a.statement_id
        WHERE s.id IS NULL
    ) THEN
        RAISE EXCEPTION 'a line is of a statement that is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER lines_name_statements AFTER INSERT ON statement_lines REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION lines_name_statements();
CREATE TRIGGER statement_stays BEFORE UPDATE OF statement_id ON statement_lines FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON statements FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER id_stays BEFORE UPDATE OF id ON statements FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();
ALTER TABLE statement_lines DROP CONSTRAINT fk_statement_lines_statement_id;
"""


def upgrade() -> None:
    """Apply."""
    op.execute(LINES)
