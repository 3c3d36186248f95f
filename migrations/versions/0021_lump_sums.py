"""Lines that settle many payments at once, and what each brings of which payment."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

DAY = """
                CASE WHEN p.paid_at IS NULL THEN p.business_date ELSE (p.paid_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date
                + CASE WHEN (p.paid_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::time >= a.cut_off THEN 1 ELSE 0 END END
"""
GUARDS = """
CREATE FUNCTION lump_choice_limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'proposed' OR NEW.checker <> '' OR NEW.moves <> 0 THEN
        RAISE EXCEPTION 'a choice is born as a proposal' USING ERRCODE = 'check_violation';
    END IF;
    -- Neither how much it moves nor how much may be moved is taken from whoever writes it.
    NEW.minor := (SELECT minor FROM public.lump_sums WHERE id = NEW.lump_id);
    NEW.limit_minor := coalesce((SELECT minor FROM public.approval_limits WHERE action = 'settle'), 0);
    RETURN NEW;
END $$;
CREATE TRIGGER lump_choice_limit BEFORE INSERT ON lump_choices FOR EACH ROW EXECUTE FUNCTION lump_choice_limit();
CREATE FUNCTION lump_pinned() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.pinned AND coalesce((
        SELECT cardinality(c.payments) FROM public.lump_choices c
        WHERE c.lump_id = NEW.id AND c.state = 'applied' ORDER BY c.id DESC LIMIT 1), 0) = 0
    THEN
        RAISE EXCEPTION 'a settlement is pinned by a choice that is carried out' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lump_pinned BEFORE INSERT OR UPDATE OF pinned ON lump_sums FOR EACH ROW
    EXECUTE FUNCTION lump_pinned();
CREATE FUNCTION lump_whole() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
    IF NOT NEW.pinned AND NOT EXISTS (
        SELECT 1 FROM public.lump_agreements a
        WHERE a.id = NEW.agreement_id AND NEW.day BETWEEN NEW.booked_on - a.within_days AND NEW.booked_on - a.after_days
          AND NOT EXISTS (
            SELECT 1 FROM public.line_parts b JOIN public.payments p ON p.id = b.payment_id
            WHERE b.lump_id = NEW.id AND b.undone_at IS NULL AND NEW.day <> {DAY})
          AND NOT EXISTS (
            SELECT 1 FROM public.payments p
            WHERE p.source = NEW.source AND p.business_date BETWEEN NEW.day - 1 AND NEW.day AND p.state = 'reported'
              AND p.confirmed_minor = 0 AND p.currency = 'VND' AND NOT p.reversal
              AND NEW.day = {DAY}
              AND NOT EXISTS (SELECT 1 FROM public.line_parts b WHERE b.payment_id = p.id AND b.undone_at IS NULL)
              AND NOT EXISTS (SELECT 1 FROM public.statement_lines n WHERE n.payment_id = p.id AND n.counts)))
    THEN
        RAISE EXCEPTION 'a settlement that is weighed is the whole of one day within reach'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lump_whole BEFORE INSERT OR UPDATE OF day, pinned ON lump_sums FOR EACH ROW
    EXECUTE FUNCTION lump_whole();
CREATE FUNCTION parts_beforehand() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM made b JOIN public.lump_sums s ON s.id = b.lump_id WHERE s.day IS NOT NULL) THEN
        RAISE EXCEPTION 'a settlement that is taken apart gets no more parts' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER parts_beforehand AFTER INSERT ON line_parts REFERENCING NEW TABLE AS made FOR EACH STATEMENT
    EXECUTE FUNCTION parts_beforehand();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON lump_choices FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "lump_agreements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("words", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("cut_off", sa.Time(), nullable=True),
        sa.Column("after_days", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("within_days", sa.SmallInteger(), server_default="3", nullable=False),
        sa.Column("declared_by", sa.Text(), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lump_agreements")),
        sa.CheckConstraint(
            "cardinality(words) > 0 AND after_days >= 0 AND within_days BETWEEN after_days AND 31",
            name=op.f("ck_lump_agreements_within_reason"),
        ),
    )
    op.create_index("uq_lump_agreements_source", "lump_agreements", ["source"], unique=True)
    op.create_index(op.f("ix_lump_agreements_bank"), "lump_agreements", ["bank"])
    op.create_table(
        "lump_sums",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("agreement_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("pinned", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("times", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lump_sums")),
        sa.ForeignKeyConstraint(["agreement_id"], ["lump_agreements.id"], name=op.f("fk_lump_sums_agreement_id")),
        sa.ForeignKeyConstraint(["line_id"], ["statement_lines.id"], name=op.f("fk_lump_sums_line_id")),
    )
    op.create_index(
        "uq_lump_sums_line", "lump_sums", ["line_id"], unique=True, postgresql_where=sa.text("undone_at IS NULL")
    )
    op.create_index(op.f("ix_lump_sums_source_booked_on"), "lump_sums", ["source", "booked_on"])
    op.create_table(
        "line_parts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lump_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_parts")),
        sa.ForeignKeyConstraint(["lump_id"], ["lump_sums.id"], name=op.f("fk_line_parts_lump_id")),
        sa.ForeignKeyConstraint(["line_id"], ["statement_lines.id"], name=op.f("fk_line_parts_line_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_line_parts_payment_id")),
        sa.CheckConstraint(
            "fee_minor >= 0 AND vat_minor >= 0 AND minor + fee_minor + vat_minor > 0",
            name=op.f("ck_line_parts_positive"),
        ),
    )
    op.create_index(
        "uq_line_parts_payment", "line_parts", ["payment_id"], unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )  # fmt: skip
    op.create_index(op.f("ix_line_parts_lump_id"), "line_parts", ["lump_id"])
    op.create_table(
        "lump_choices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lump_id", sa.BigInteger(), nullable=False),
        sa.Column("payments", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        sa.Column("minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("limit_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checker", sa.Text(), server_default="", nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("moves", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lump_choices")),
        sa.ForeignKeyConstraint(["lump_id"], ["lump_sums.id"], name=op.f("fk_lump_choices_lump_id")),
        sa.CheckConstraint(
            "state IN ('applied', 'proposed', 'refused', 'withdrawn')", name=op.f("ck_lump_choices_state")
        ),
        sa.CheckConstraint(
            "why <> '' AND maker <> ''", name=op.f("ck_lump_choices_made_by_somebody_for_a_reason")
        ),
        sa.CheckConstraint(
            "state <> 'applied' OR minor <= limit_minor OR (checker <> '' AND checker <> maker)",
            name=op.f("ck_lump_choices_checked_by_another"),
        ),
    )
    op.create_index(
        "uq_lump_choices_proposed", "lump_choices", ["lump_id"], unique=True,
        postgresql_where=sa.text("state = 'proposed'"),
    )  # fmt: skip
    op.create_index(op.f("ix_lump_choices_lump_id"), "lump_choices", ["lump_id"])
    op.execute(GUARDS.replace("{DAY}", DAY.strip()))
    op.execute(
        """
        CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON lump_sums FOR EACH STATEMENT
            EXECUTE FUNCTION only_added_to();
        CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON line_parts FOR EACH STATEMENT
            EXECUTE FUNCTION only_added_to();
        GRANT SELECT ON lump_agreements TO doisoat_app;
        GRANT SELECT, INSERT ON lump_sums, line_parts, lump_choices TO doisoat_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
        GRANT UPDATE (day, pinned, times, undone_at, undone_why) ON lump_sums TO doisoat_app;
        GRANT UPDATE (state, moves, checker, checked_at) ON lump_choices TO doisoat_app;
        GRANT UPDATE (undone_at) ON line_parts TO doisoat_app;
        """
    )
