"""Money that goes to no bill, small differences written off, denials by people, and remarks on questions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"

DIFFERENCE = 5_000
"""The largest difference that may be written off, in đồng, until the owner of the tables says otherwise."""

GUARDS = """
CREATE OR REPLACE FUNCTION settlement_limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'proposed' OR NEW.checker <> '' OR NEW.moves <> 0 THEN
        RAISE EXCEPTION 'a settlement is born as a proposal' USING ERRCODE = 'check_violation';
    END IF;
    -- Neither how much it moves nor how much may be moved is taken from whoever writes it. What one person has moved
    -- of this payment alone counts: a large answer in small pieces is a large answer.
    NEW.minor := greatest(
        (SELECT coalesce(sum(part), 0) FROM unnest(NEW.minors) AS part)
        + (SELECT coalesce(sum((place->>'minor')::bigint), 0) FROM jsonb_array_elements(NEW.places) AS place),
        (SELECT coalesce(sum(a.minor), 0) FROM public.allocations a
         WHERE a.id = ANY(NEW.undoes) AND a.payment_id = NEW.payment_id AND a.undone_at IS NULL)
        + (SELECT coalesce(sum(l.minor), 0) FROM public.placements l
           WHERE l.id = ANY(NEW.lifts) AND l.undone_at IS NULL),
        CASE WHEN NEW.denies THEN (SELECT p.minor FROM public.payments p WHERE p.id = NEW.payment_id) ELSE 0 END);
    NEW.limit_minor := greatest(0,
        coalesce((SELECT minor FROM public.approval_limits WHERE action = 'settle'), 0)
        - coalesce((SELECT sum(s.minor) FROM public.settlements s
                    WHERE s.payment_id = NEW.payment_id AND s.state = 'applied' AND s.checker = s.maker), 0));
    -- From one customer to another: whatever its amount, two people on evidence.
    IF EXISTS (
        SELECT 1 FROM public.allocations a JOIN public.bills b ON b.id = a.bill_id
        JOIN public.bills n ON n.id = ANY(NEW.bills)
        WHERE a.payment_id = NEW.payment_id AND (a.id = ANY(NEW.undoes) OR a.barred) AND n.customer_id <> b.customer_id
    ) THEN
        NEW.limit_minor := 0;
        IF NOT EXISTS (SELECT 1 FROM public.remarks r WHERE r.mismatch_id = NEW.mismatch_id AND r.kind = 'evidence')
        THEN
            RAISE EXCEPTION 'a transfer to another customer needs evidence' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION count_placements() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (
            SELECT 1 FROM added WHERE undone_at IS NOT NULL OR line_id IS NOT NULL OR NOT EXISTS (
                SELECT 1 FROM public.settlements s WHERE s.id = added.settlement_id AND s.state = 'applied'
                    AND (added.payment_id IS NULL OR s.payment_id = added.payment_id))
        ) THEN
            RAISE EXCEPTION 'a placement is made by a settlement that is carried out' USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (
            SELECT 1 FROM public.settlements s JOIN (SELECT DISTINCT settlement_id AS id FROM added) a USING (id)
            WHERE (SELECT coalesce(sum((place->>'minor')::bigint), 0) FROM jsonb_array_elements(s.places) AS place)
                <> (SELECT sum(minor) FROM public.placements p WHERE p.settlement_id = s.id)
        ) THEN
            RAISE EXCEPTION 'a settlement places what it says, once' USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (SELECT 1 FROM added WHERE kind = 'difference' AND minor >
                   coalesce((SELECT minor FROM public.approval_limits WHERE action = 'difference'), 0)) THEN
            RAISE EXCEPTION 'a difference is small' USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (SELECT 1 FROM added JOIN public.bills b ON b.id = added.bill_id
                   WHERE b.state IN ('cancelled', 'replaced')) THEN
            RAISE EXCEPTION 'a cancelled or replaced bill lacks nothing' USING ERRCODE = 'check_violation';
        END IF;
        UPDATE public.payments p SET matched_minor = p.matched_minor + s.minor
        FROM (SELECT payment_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE p.id = s.payment_id;
        UPDATE public.bills b SET paid_minor = b.paid_minor + s.minor
        FROM (SELECT bill_id, sum(minor) AS minor FROM added GROUP BY 1 ORDER BY 1) s WHERE b.id = s.bill_id;
    ELSE
        IF EXISTS (
            SELECT 1 FROM added a JOIN before o USING (id)
            WHERE (a.settlement_id, a.kind, a.payment_id, a.bill_id, a.customer_id, a.account, a.minor, a.by, a.at)
                IS DISTINCT FROM (o.settlement_id, o.kind, o.payment_id, o.bill_id, o.customer_id, o.account, o.minor,
                    o.by, o.at)
               OR o.undone_at IS NOT NULL
        ) THEN
            RAISE EXCEPTION 'a placement can only be paid out or undone, once' USING ERRCODE = 'check_violation';
        END IF;
        UPDATE public.payments p SET matched_minor = p.matched_minor - s.minor
        FROM (SELECT a.payment_id, sum(a.minor) AS minor FROM added a WHERE a.undone_at IS NOT NULL
              GROUP BY 1 ORDER BY 1) s WHERE p.id = s.payment_id;
        UPDATE public.bills b SET paid_minor = b.paid_minor - s.minor
        FROM (SELECT a.bill_id, sum(a.minor) AS minor FROM added a WHERE a.undone_at IS NOT NULL
              GROUP BY 1 ORDER BY 1) s WHERE b.id = s.bill_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON placements REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_placements();
CREATE TRIGGER count_undone AFTER UPDATE ON placements REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION count_placements();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON placements FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON remarks FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
"""


def upgrade() -> None:
    """Apply."""
    numbers = sa.ARRAY(sa.BigInteger())
    op.add_column("settlements", sa.Column("lifts", numbers, server_default="{}", nullable=False))
    op.add_column("settlements", sa.Column("places", JSONB(), server_default="[]", nullable=False))
    op.add_column("settlements", sa.Column("denies", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("mismatches", sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True))
    _placements()
    _remarks()
    op.execute(GUARDS)
    op.execute(f"INSERT INTO approval_limits (action, minor) VALUES ('difference', {DIFFERENCE})")  # noqa: S608 - a constant
    op.execute(
        """
        GRANT SELECT, INSERT ON placements, remarks TO doisoat_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
        GRANT UPDATE (line_id, undone_at, undone_by, undone_why) ON placements TO doisoat_app;
        """
    )


def _placements() -> None:
    op.create_table(
        "placements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("settlement_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("bill_id", sa.BigInteger(), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Text(), server_default="", nullable=False),
        sa.Column("undone_why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placements")),
        sa.ForeignKeyConstraint(["settlement_id"], ["settlements.id"], name=op.f("fk_placements_settlement_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_placements_payment_id")),
        sa.ForeignKeyConstraint(["bill_id"], ["bills.id"], name=op.f("fk_placements_bill_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_placements_customer_id")),
        sa.ForeignKeyConstraint(["line_id"], ["statement_lines.id"], name=op.f("fk_placements_line_id")),
        sa.CheckConstraint("minor > 0", name=op.f("ck_placements_positive")),
        sa.CheckConstraint(
            "(payment_id IS NULL) <> (bill_id IS NULL)", name=op.f("ck_placements_of_a_payment_or_a_bill")
        ),
        sa.CheckConstraint("bill_id IS NULL OR kind = 'difference'", name=op.f("ck_placements_a_bill_only_differs")),
        sa.CheckConstraint(
            "(kind = 'credit') = (customer_id IS NOT NULL)", name=op.f("ck_placements_a_credit_is_somebodys")
        ),
        sa.CheckConstraint(
            "line_id IS NULL OR (account = 'refunds_payable' AND undone_at IS NULL)",
            name=op.f("ck_placements_owed_money_leaves"),
        ),
        sa.CheckConstraint("kind IN ('credit', 'difference', 'refund', 'return')", name=op.f("ck_placements_kind")),
        sa.CheckConstraint(
            "account IN ('customer_credit', 'expense:bank-fees', 'expense:differences', 'income:differences',"
            " 'refunds_payable')",
            name=op.f("ck_placements_account"),
        ),
    )
    for name, column, where in (
        ("ix_placements_of_payment", "payment_id", "payment_id IS NOT NULL"),
        ("ix_placements_of_bill", "bill_id", "bill_id IS NOT NULL"),
        ("ix_placements_owed", "minor", "account = 'refunds_payable' AND line_id IS NULL"),
    ):
        op.create_index(name, "placements", [column], postgresql_where=sa.text(where))
    op.create_index(
        "uq_placements_line", "placements", ["line_id"], unique=True, postgresql_where=sa.text("line_id IS NOT NULL")
    )
    op.create_index(op.f("ix_placements_settlement_id"), "placements", ["settlement_id"])


def _remarks() -> None:
    op.create_table(
        "remarks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mismatch_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("media_type", sa.Text(), server_default="", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remarks")),
        sa.ForeignKeyConstraint(["mismatch_id"], ["mismatches.id"], name=op.f("fk_remarks_mismatch_id")),
        sa.UniqueConstraint("mismatch_id", "digest", name=op.f("uq_remarks_mismatch_id_digest")),
        sa.CheckConstraint(
            "kind IN ('comment', 'evidence', 'expected', 'trace', 'trace_answer')", name=op.f("ck_remarks_kind")
        ),
        sa.CheckConstraint("text <> '' AND by <> ''", name=op.f("ck_remarks_said_by_somebody")),
        sa.CheckConstraint("(kind = 'evidence') = (body IS NOT NULL)", name=op.f("ck_remarks_evidence_has_bytes")),
        sa.CheckConstraint(
            "(kind IN ('trace', 'expected')) = (until IS NOT NULL)", name=op.f("ck_remarks_a_wait_has_an_end")
        ),
    )
    op.create_index(op.f("ix_remarks_mismatch_id_id"), "remarks", ["mismatch_id", "id"])
