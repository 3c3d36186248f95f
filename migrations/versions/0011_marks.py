"""Marks: what the billing system is told of bills paid and no longer paid, and the batches it goes in."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

GUARD = """
CREATE FUNCTION note_marks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- Every update of an allocation undoes it: `count_allocations` refuses any other. It runs before this one, by its
    -- name, and holds the bills' rows by now: the ids given here tell which change of a bill came first.
    INSERT INTO public.marks_waiting (bill_id, change_minor, transaction, at)
    SELECT bill_id, CASE TG_OP WHEN 'INSERT' THEN sum(minor) ELSE -sum(minor) END,
        pg_current_xact_id()::text::bigint, max(coalesce(undone_at, at))
    FROM added GROUP BY bill_id;
    RETURN NULL;
END $$;
CREATE TRIGGER note_added AFTER INSERT ON allocations REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_marks();
CREATE TRIGGER note_undone AFTER UPDATE ON allocations REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_marks();

CREATE FUNCTION number_marks() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE made bigint;
BEGIN
    -- One statement, one moment: a bill's paid amount is what it was before, and all of its changes taken here.
    WITH taken AS (
        DELETE FROM public.marks_waiting RETURNING id, bill_id, change_minor, transaction, at
    ), changed AS (
        SELECT bill_id, sum(change_minor)::bigint AS change, max(id) AS turn, max(at) AS at FROM taken
        GROUP BY bill_id, transaction HAVING sum(change_minor) <> 0
    )
    INSERT INTO public.marks (number, bill_id, change_minor, paid_minor, at)
    SELECT (SELECT coalesce(max(number), 0) FROM public.marks) + row_number() OVER (ORDER BY c.turn), c.bill_id,
        c.change,
        b.paid_minor - coalesce(sum(c.change) OVER (
            PARTITION BY c.bill_id ORDER BY c.turn ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), 0),
        c.at
    FROM changed c JOIN public.bills b ON b.id = c.bill_id ORDER BY c.turn;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION number_marks() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION number_marks() TO doisoat_app;

CREATE FUNCTION mark_batch_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a batch of marks is sent again as it was sent' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER mark_batch_stays BEFORE UPDATE ON mark_batches FOR EACH ROW
    WHEN ((OLD.id, OLD.first, OLD.last, OLD.marks, OLD.marked_minor, OLD.unmarked_minor, OLD.made_at)
          IS DISTINCT FROM (NEW.id, NEW.first, NEW.last, NEW.marks, NEW.marked_minor, NEW.unmarked_minor, NEW.made_at)
          OR (OLD.digest IS NOT NULL AND OLD.digest IS DISTINCT FROM NEW.digest))
    EXECUTE FUNCTION mark_batch_stays();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON marks FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON mark_batches FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
-- What was paid before there were marks.
INSERT INTO marks_waiting (bill_id, change_minor, transaction, at)
    SELECT bill_id, sum(minor), pg_current_xact_id()::text::bigint, max(at) FROM allocations
    WHERE undone_at IS NULL GROUP BY bill_id ORDER BY max(id);
GRANT SELECT ON marks_waiting, marks, mark_batches TO doisoat_app;
GRANT INSERT ON mark_batches TO doisoat_app;
GRANT UPDATE (digest, attempts, tried_at, not_before, said, state, moves) ON mark_batches TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "marks_waiting",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bill_id", sa.BigInteger(), nullable=False),
        sa.Column("change_minor", sa.BigInteger(), nullable=False),
        sa.Column("transaction", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "marks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bill_id", sa.BigInteger(), nullable=False),
        sa.Column("change_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_marks")),
        sa.CheckConstraint("change_minor <> 0", name=op.f("ck_marks_changes_something")),
        sa.CheckConstraint("paid_minor >= 0", name=op.f("ck_marks_not_below_nothing")),
    )
    op.create_index(op.f("ix_marks_bill_id_number"), "marks", ["bill_id", "number"])
    op.create_table(
        "mark_batches",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("marks", sa.BigInteger(), nullable=False),
        sa.Column("marked_minor", sa.BigInteger(), nullable=False),
        sa.Column("unmarked_minor", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("moves", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mark_batches")),
        sa.CheckConstraint("state IN ('acknowledged', 'waiting')", name=op.f("ck_mark_batches_state")),
        sa.CheckConstraint("first > 0 AND last = first + marks - 1", name=op.f("ck_mark_batches_of_all_between")),
    )
    op.create_index(
        "ix_mark_batches_waiting", "mark_batches", ["id"], postgresql_where=sa.text("state = 'waiting'")
    )
    op.execute(GUARD)
