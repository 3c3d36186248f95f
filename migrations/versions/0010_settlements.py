"""Settlements: people's answers, the limit above which two of them are needed, and pairs that stay apart."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

LIMIT = 2_000_000
"""What one person may move alone until the owner of the tables says otherwise, in đồng."""

GUARD = """
CREATE FUNCTION settlement_limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'proposed' OR NEW.checker <> '' OR NEW.moves <> 0 THEN
        RAISE EXCEPTION 'a settlement is born as a proposal' USING ERRCODE = 'check_violation';
    END IF;
    -- Neither how much it moves nor how much may be moved is taken from whoever writes it. What one person has moved
    -- of this payment alone counts: a large answer in small pieces is a large answer.
    NEW.minor := greatest(
        (SELECT coalesce(sum(part), 0) FROM unnest(NEW.minors) AS part),
        (SELECT coalesce(sum(a.minor), 0) FROM public.allocations a
         WHERE a.id = ANY(NEW.undoes) AND a.payment_id = NEW.payment_id AND a.undone_at IS NULL));
    NEW.limit_minor := greatest(0,
        coalesce((SELECT minor FROM public.approval_limits WHERE action = 'settle'), 0)
        - coalesce((SELECT sum(s.minor) FROM public.settlements s
                    WHERE s.payment_id = NEW.payment_id AND s.state = 'applied' AND s.checker = s.maker), 0));
    RETURN NEW;
END $$;
CREATE TRIGGER settlement_limit BEFORE INSERT ON settlements FOR EACH ROW EXECUTE FUNCTION settlement_limit();
-- A temporary table of the caller's comes first where the path does not say that it comes last.
ALTER FUNCTION count_allocations() SET search_path = pg_catalog, public, pg_temp;
ALTER FUNCTION refresh_statistics() SET search_path = pg_catalog, public, pg_temp;
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON settlements FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "approval_limits",
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("action", name=op.f("pk_approval_limits")),
    )
    numbers = sa.ARRAY(sa.BigInteger())
    op.create_table(
        "settlements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mismatch_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("undoes", numbers, server_default="{}", nullable=False),
        sa.Column("bills", numbers, server_default="{}", nullable=False),
        sa.Column("minors", numbers, server_default="{}", nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("limit_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checker", sa.Text(), server_default="", nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_why", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("moves", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlements")),
        sa.ForeignKeyConstraint(["mismatch_id"], ["mismatches.id"], name=op.f("fk_settlements_mismatch_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_settlements_payment_id")),
        sa.CheckConstraint(
            "state IN ('applied', 'proposed', 'refused', 'withdrawn')", name=op.f("ck_settlements_state")
        ),
        sa.CheckConstraint("minor > 0", name=op.f("ck_settlements_moves_money")),
        sa.CheckConstraint(
            "cardinality(bills) = cardinality(minors)", name=op.f("ck_settlements_each_bill_its_amount")
        ),
        sa.CheckConstraint(
            "why <> '' AND maker <> ''", name=op.f("ck_settlements_made_by_somebody_for_a_reason")
        ),
        sa.CheckConstraint(
            "state <> 'applied' OR minor <= limit_minor OR (checker <> '' AND checker <> maker)",
            name=op.f("ck_settlements_checked_by_another"),
        ),
    )
    op.create_index(
        "uq_settlements_proposed",
        "settlements",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("state = 'proposed'"),
    )
    op.create_index(op.f("ix_settlements_mismatch_id"), "settlements", ["mismatch_id"])
    op.create_index(op.f("ix_settlements_payment_id"), "settlements", ["payment_id"])
    op.add_column("allocations", sa.Column("barred", sa.Boolean(), server_default="false", nullable=False))
    op.create_index(
        "ix_allocations_barred", "allocations", ["payment_id", "bill_id"], postgresql_where=sa.text("barred")
    )
    op.execute(GUARD)
    op.execute(f"INSERT INTO approval_limits (action, minor) VALUES ('settle', {LIMIT})")  # noqa: S608 - a constant
    op.execute(
        """
        GRANT SELECT ON approval_limits, settlements TO doisoat_app;
        GRANT INSERT ON settlements TO doisoat_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
        GRANT UPDATE (state, moves, checker, checked_at, checked_why) ON settlements TO doisoat_app;
        GRANT UPDATE (barred) ON allocations TO doisoat_app;
        """
    )
