"""Parts of messages and the receipts of carriers that tell of each part."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0038"
down_revision = "0037"

GUARDS = """
-- What is known of a part only grows: taken after all, then one final word. Its name stays once it has one.
CREATE FUNCTION part_keeps_its_word() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.message_id, NEW.ordinal, NEW.provider, NEW.answered_at)
            IS DISTINCT FROM (OLD.id, OLD.message_id, OLD.ordinal, OLD.provider, OLD.answered_at)
        OR (OLD.ref_key IS NOT NULL
            AND (NEW.provider_ref, NEW.ref_key) IS DISTINCT FROM (OLD.provider_ref, OLD.ref_key))
        OR (NEW.state <> OLD.state AND (OLD.state NOT IN ('unsure', 'accepted')
            OR NEW.state NOT IN ('accepted', 'delivered', 'undelivered')))
    THEN
        RAISE EXCEPTION 'a part that is % does not become %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER part_keeps_its_word BEFORE UPDATE ON message_parts FOR EACH ROW
    EXECUTE FUNCTION part_keeps_its_word();
CREATE FUNCTION receipt_stays_applied() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a receipt that was applied stays so' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER receipt_stays_applied BEFORE UPDATE ON carrier_receipts FOR EACH ROW
    WHEN (OLD.state = 'applied' AND (NEW.state, NEW.part_id) IS DISTINCT FROM (OLD.state, OLD.part_id))
    EXECUTE FUNCTION receipt_stays_applied();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON message_parts FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON carrier_receipts FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
GRANT SELECT, INSERT ON message_parts, carrier_receipts TO doisoat_app;
GRANT UPDATE (provider_ref, ref_key, state, reason, told_at) ON message_parts TO doisoat_app;
GRANT UPDATE (state, part_id, next_at) ON carrier_receipts TO doisoat_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    text, moment, number, octets = sa.Text(), sa.DateTime(timezone=True), sa.BigInteger(), sa.LargeBinary()
    op.create_table(
        "message_parts",
        sa.Column("id", number, sa.Identity(always=True), nullable=False),
        sa.Column("message_id", number, nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("provider", text, nullable=False),
        sa.Column("provider_ref", text, nullable=True),
        sa.Column("ref_key", text, nullable=True),
        sa.Column("state", text, nullable=False),
        sa.Column("reason", text, server_default="", nullable=False),
        sa.Column("answered_at", moment, nullable=False),
        sa.Column("told_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_parts")),
        sa.UniqueConstraint("message_id", "ordinal", name=op.f("uq_message_parts_message_id_ordinal")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_parts_message_id")),
        sa.CheckConstraint(
            "state IN ('accepted', 'delivered', 'refused', 'undelivered', 'unsure')", name=op.f("ck_message_parts_state")
        ),
        sa.CheckConstraint("ordinal > 0", name=op.f("ck_message_parts_ordinal")),
        sa.CheckConstraint(
            "(provider_ref IS NULL) = (ref_key IS NULL)", name=op.f("ck_message_parts_ref_has_its_key")
        ),
        sa.CheckConstraint(
            "ref_key IS NULL OR state NOT IN ('refused', 'unsure')", name=op.f("ck_message_parts_named_when_taken")
        ),
    )
    op.create_index(
        "uq_message_parts_provider_ref_key", "message_parts", ["provider", "ref_key"], unique=True,
        postgresql_where=sa.text("ref_key IS NOT NULL"),
    )  # fmt: skip
    op.create_table(
        "carrier_receipts",
        sa.Column("id", number, sa.Identity(always=True), nullable=False),
        sa.Column("provider", text, nullable=False),
        sa.Column("digest", octets, nullable=False),
        sa.Column("raw_sealed", octets, nullable=False),
        sa.Column("provider_ref", text, server_default="", nullable=False),
        sa.Column("ref_key", text, server_default="", nullable=False),
        sa.Column("other_keys", ARRAY(text), nullable=False),
        sa.Column("number_hash", octets, nullable=True),
        sa.Column("said", text, nullable=False),
        sa.Column("code", text, server_default="", nullable=False),
        sa.Column("told_at", moment, nullable=True),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("state", text, server_default="waiting", nullable=False),
        sa.Column("part_id", number, nullable=True),
        sa.Column("next_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carrier_receipts")),
        sa.UniqueConstraint("provider", "digest", name=op.f("uq_carrier_receipts_provider_digest")),
        sa.ForeignKeyConstraint(["part_id"], ["message_parts.id"], name=op.f("fk_carrier_receipts_part_id")),
        sa.CheckConstraint(
            "said IN ('delivered', 'under_way', 'undelivered')", name=op.f("ck_carrier_receipts_said")
        ),
        sa.CheckConstraint(
            "state IN ('applied', 'unmatched', 'waiting')", name=op.f("ck_carrier_receipts_state")
        ),
    )
    op.create_index(
        "ix_carrier_receipts_waiting", "carrier_receipts", ["provider", "next_at"],
        postgresql_where=sa.text("state = 'waiting'"),
    )  # fmt: skip
    op.create_index(op.f("ix_carrier_receipts_part_id"), "carrier_receipts", ["part_id"])
    op.execute(GUARDS)
