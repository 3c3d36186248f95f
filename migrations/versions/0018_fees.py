"""Tariffs that banks charge by, and the fees that lines took."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"

FUNCTIONS = """
-- Rounds half up to the whole dong; nth counts the payments of a month from 1.
CREATE FUNCTION tariff_fee(t tariffs, amount bigint, nth bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT least(coalesce(t.most_minor, 9223372036854775807), greatest(t.least_minor,
        coalesce((tier->>'flat')::bigint, CASE WHEN tier IS NULL THEN t.flat_minor ELSE 0 END)
        + (amount * coalesce((tier->>'basis_points')::bigint, CASE WHEN tier IS NULL THEN t.basis_points ELSE 0 END)
           + 5000) / 10000))
    FROM (SELECT (
        SELECT one FROM jsonb_array_elements(t.tiers) AS one
        WHERE (one->>'over')::bigint < CASE t.tiers_by WHEN 'amount' THEN amount ELSE nth END
        ORDER BY (one->>'over')::bigint DESC LIMIT 1) AS tier) chosen
$$;
CREATE FUNCTION tariff_vat(t tariffs, fee bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (fee * t.vat_basis_points + 5000) / 10000
$$;
-- A payment of a line alone becomes as large as line and fee together, once: nothing else may change its amount.
CREATE FUNCTION gross_up_payments(ids bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE grown bigint;
BEGIN
    UPDATE public.payments p
    SET minor = l.minor + f.minor + f.vat_minor, confirmed_minor = l.minor + f.minor + f.vat_minor
    FROM public.fees f JOIN public.statement_lines l ON l.id = f.line_id
    WHERE f.id = ANY(ids) AND f.payment_id = p.id AND l.payment_id = p.id AND f.undone_at IS NULL
      AND f.credit = 'suspense' AND p.minor = l.minor AND p.confirmed_minor = l.minor;
    GET DIAGNOSTICS grown = ROW_COUNT;
    IF grown <> cardinality(ids) THEN
        RAISE EXCEPTION 'only a payment of exactly its line grows, and only by the fee that the line kept'
            USING ERRCODE = 'check_violation';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION gross_up_payments(bigint[]) FROM PUBLIC;
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON fees FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON tariffs FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();
GRANT EXECUTE ON FUNCTION gross_up_payments(bigint[]) TO doisoat_app;
GRANT SELECT ON tariffs TO doisoat_app;
GRANT SELECT, INSERT ON fees TO doisoat_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
GRANT UPDATE (undone_at, undone_why) ON fees TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    _tariffs()
    _fees()
    op.execute(FUNCTIONS)


def _tariffs() -> None:
    op.create_table(
        "tariffs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), server_default="", nullable=False),
        sa.Column("charged", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("flat_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("basis_points", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("least_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("most_minor", sa.BigInteger(), nullable=True),
        sa.Column("vat_basis_points", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tiers_by", sa.Text(), server_default="", nullable=False),
        sa.Column("tiers", JSONB(), server_default="[]", nullable=False),
        sa.Column("words", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("period", sa.Text(), server_default="day", nullable=False),
        sa.Column("declared_by", sa.Text(), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariffs")),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_tariffs_begins_before_it_ends")
        ),
        sa.CheckConstraint(
            "flat_minor >= 0 AND basis_points BETWEEN 0 AND 10000 AND least_minor >= 0"
            " AND coalesce(most_minor, least_minor) >= least_minor AND vat_basis_points BETWEEN 0 AND 10000",
            name=op.f("ck_tariffs_within_reason"),
        ),
        sa.CheckConstraint("charged = 'apart' OR tiers_by <> 'count'", name=op.f("ck_tariffs_netted_alone")),
        sa.CheckConstraint("charged IN ('apart', 'netted')", name=op.f("ck_tariffs_charged")),
        sa.CheckConstraint("tiers_by IN ('', 'amount', 'count')", name=op.f("ck_tariffs_tiers_by")),
        sa.CheckConstraint(
            "period IN ('day', 'day_before', 'month', 'month_before')", name=op.f("ck_tariffs_period")
        ),
    )
    op.create_index("uq_tariffs_from", "tariffs", ["bank", "channel", "valid_from"], unique=True)


def _fees() -> None:
    op.create_table(
        "fees",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("charged", sa.Text(), nullable=False),
        sa.Column("tariff_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fees")),
        sa.ForeignKeyConstraint(["tariff_id"], ["tariffs.id"], name=op.f("fk_fees_tariff_id")),
        sa.ForeignKeyConstraint(["line_id"], ["statement_lines.id"], name=op.f("fk_fees_line_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_fees_payment_id")),
        sa.CheckConstraint(
            "minor >= 0 AND vat_minor >= 0 AND minor + vat_minor > 0", name=op.f("ck_fees_positive")
        ),
        sa.CheckConstraint(
            "(charged = 'netted') = (payment_id IS NOT NULL)", name=op.f("ck_fees_netted_from_a_payment")
        ),
        sa.CheckConstraint("charged IN ('apart', 'netted')", name=op.f("ck_fees_charged")),
    )
    op.create_index("uq_fees_line", "fees", ["line_id"], unique=True, postgresql_where=sa.text("undone_at IS NULL"))
    op.create_index(op.f("ix_fees_payment_id"), "fees", ["payment_id"])
    op.create_index(op.f("ix_fees_bank_from_on"), "fees", ["bank", "from_on"])
