"""Marks of bills that a written-off difference settles: a bill's paid amount grows by placements as well."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply."""
    op.execute(
        """
        CREATE FUNCTION note_placement_marks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, public, pg_temp AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO public.marks_waiting (bill_id, change_minor, transaction, at)
                SELECT bill_id, sum(minor), pg_current_xact_id()::text::bigint, max(at)
                FROM added WHERE bill_id IS NOT NULL GROUP BY bill_id;
            ELSE
                INSERT INTO public.marks_waiting (bill_id, change_minor, transaction, at)
                SELECT a.bill_id, -sum(a.minor), pg_current_xact_id()::text::bigint, max(a.undone_at)
                FROM added a JOIN before o USING (id)
                WHERE a.bill_id IS NOT NULL AND a.undone_at IS NOT NULL AND o.undone_at IS NULL GROUP BY a.bill_id;
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER note_added AFTER INSERT ON placements REFERENCING NEW TABLE AS added
            FOR EACH STATEMENT EXECUTE FUNCTION note_placement_marks();
        CREATE TRIGGER note_undone AFTER UPDATE ON placements REFERENCING NEW TABLE AS added OLD TABLE AS before
            FOR EACH STATEMENT EXECUTE FUNCTION note_placement_marks();
        INSERT INTO marks_waiting (bill_id, change_minor, transaction, at)
            SELECT bill_id, sum(minor), pg_current_xact_id()::text::bigint, max(at) FROM placements
            WHERE undone_at IS NULL AND bill_id IS NOT NULL GROUP BY bill_id ORDER BY max(id);
        """
    )
