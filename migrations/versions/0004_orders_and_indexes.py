"""What makes the books the same in every order of the facts, and the indexes that looking back needs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# The application has no right to change an amount; these are the only ways, each while nothing has been confirmed by it.
CORRECTION = """
CREATE FUNCTION correct_payments(ids bigint[], minors bigint[], currencies text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE corrected bigint;
BEGIN
    UPDATE public.payments p SET minor = w.minor, currency = w.currency
    FROM unnest(ids, minors, currencies) AS w (id, minor, currency)
    WHERE p.id = w.id AND p.state = 'reported' AND p.confirmed_minor = 0;
    GET DIAGNOSTICS corrected = ROW_COUNT;
    IF corrected <> cardinality(ids) THEN
        RAISE EXCEPTION 'only a reported payment that no statement has confirmed gets another amount'
            USING ERRCODE = 'check_violation';
    END IF;
END $$;
"""
CLOSING = """
CREATE FUNCTION close_statement(statement bigint, closing bigint, closing_day date) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE public.statements SET closing_minor = closing, closing_on = closing_day
    WHERE id = statement AND state = 'loading';
$$;
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("payments", sa.Column("reversal", sa.Boolean(), server_default="false", nullable=False))
    op.create_index(
        "ix_payments_quoted",
        "payments",
        ["quoted"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.add_column(
        "statements",
        sa.Column(
            "year",
            sa.BigInteger(),
            sa.Computed("coalesce(EXTRACT(year FROM closing_on), 0)::bigint", persisted=True),
            nullable=False,
        ),
    )
    op.drop_index("uq_statements_accepted", table_name="statements")
    op.create_index(
        "uq_statements_accepted",
        "statements",
        ["bank", "account_hash", "kind", "statement_id", "page", "year"],
        unique=True,
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.execute(CORRECTION)
    op.execute(CLOSING)
    for function in ("correct_payments(bigint[], bigint[], text[])", "close_statement(bigint, bigint, date)"):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO doisoat_app")
