"""Codes by SMS that prove a customer, and the holder of a mandate's account."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"

GUARDS = r"""
-- Tries are counted here and nowhere else: one at a time, never back, and none once the code was used or is locked.
CREATE FUNCTION tries_are_counted() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.tries NOT IN (OLD.tries, OLD.tries + 1)
        OR (OLD.used_at IS NOT NULL AND (NEW.used_at, NEW.tries) IS DISTINCT FROM (OLD.used_at, OLD.tries))
        OR (OLD.used_at IS NULL AND NEW.used_at IS NOT NULL AND NEW.tries = OLD.tries)
        OR (OLD.mandate_id IS NOT NULL AND NEW.mandate_id IS DISTINCT FROM OLD.mandate_id)
        OR (NEW.mandate_id IS NOT NULL AND NEW.used_at IS NULL)
    THEN
        RAISE EXCEPTION 'a code is tried one time after another, and works once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tries_are_counted BEFORE UPDATE ON mandate_codes FOR EACH ROW EXECUTE FUNCTION tries_are_counted();
GRANT SELECT, INSERT, DELETE ON mandate_codes TO doisoat_app;
GRANT UPDATE (tries, used_at, mandate_id, released_at) ON mandate_codes TO doisoat_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;

-- A code stands in its message until that has left or never will.
CREATE FUNCTION code_is_forgotten() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.body := regexp_replace(NEW.body, '\m[0-9]{6}\M', '······', 'g');
    RETURN NEW;
END $$;
CREATE TRIGGER code_is_forgotten BEFORE UPDATE OF state ON messages FOR EACH ROW
    WHEN (NEW.event = 'mandate_code' AND NEW.state NOT IN ('queued', 'sending', 'unsure'))
    EXECUTE FUNCTION code_is_forgotten();
"""


def upgrade() -> None:
    """Apply."""
    moment, number = sa.DateTime(timezone=True), sa.BigInteger()
    op.create_table(
        "mandate_codes",
        sa.Column("id", number, sa.Identity(always=True), nullable=False),
        sa.Column("handle", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("number", number, nullable=False),
        sa.Column("customer_id", number, nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("used_at", moment, nullable=True),
        sa.Column("mandate_id", number, nullable=True),
        sa.Column("released_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate_codes")),
        sa.UniqueConstraint("handle", name=op.f("uq_mandate_codes_handle")),
        sa.UniqueConstraint("code_hash", "number", name=op.f("uq_mandate_codes_code_hash_number")),
        sa.UniqueConstraint("mandate_id", name=op.f("uq_mandate_codes_mandate_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_mandate_codes_customer_id")),
        sa.ForeignKeyConstraint(["mandate_id"], ["mandates.id"], name=op.f("fk_mandate_codes_mandate_id")),
        sa.CheckConstraint("tries BETWEEN 0 AND 5", name=op.f("ck_mandate_codes_tries")),
        sa.CheckConstraint("expires_at > asked_at", name=op.f("ck_mandate_codes_expires")),
        sa.CheckConstraint(
            "used_at IS NULL OR customer_id IS NOT NULL", name=op.f("ck_mandate_codes_proves_somebody")
        ),
    )
    op.create_index(op.f("ix_mandate_codes_asked_at"), "mandate_codes", ["asked_at"])
    op.add_column("mandate_versions", sa.Column("holder_sealed", sa.LargeBinary(), nullable=True))
    op.drop_constraint(op.f("ck_messages_event"), "messages", type_="check")
    op.create_check_constraint(
        op.f("ck_messages_event"), "messages",
        "event IN ('before_debit', 'debit_failed', 'mandate_code', 'payment_recorded', 'payment_returned')",
    )  # fmt: skip
    op.create_index(
        "ix_messages_codes", "messages", ["id"],
        postgresql_where=sa.text("event = 'mandate_code' AND state IN ('queued', 'unsure')"),
    )  # fmt: skip
    op.execute(GUARDS)
