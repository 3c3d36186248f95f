"""What banks are told of mandates, in files that are handed over once."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"

GUARDS = """
-- An order goes into one file and stays there; a file's bytes and its handing over are noted once.
CREATE FUNCTION order_stays_in_its_file() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'an order stays in the file it went into' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER order_stays_in_its_file BEFORE UPDATE ON mandate_orders FOR EACH ROW
    WHEN (OLD.file_id IS NOT NULL) EXECUTE FUNCTION order_stays_in_its_file();
CREATE FUNCTION mandate_file_stays() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a file that was handed over stays as it was' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER mandate_file_stays BEFORE UPDATE ON mandate_files FOR EACH ROW
    WHEN (OLD.handed_at IS NOT NULL OR (OLD.digest IS NOT NULL AND NEW.digest IS DISTINCT FROM OLD.digest))
    EXECUTE FUNCTION mandate_file_stays();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON mandate_orders FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON mandate_files FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
GRANT SELECT, INSERT ON mandate_orders, mandate_files TO doisoat_app;
GRANT UPDATE (file_id) ON mandate_orders TO doisoat_app;
GRANT UPDATE (digest, handed_at) ON mandate_files TO doisoat_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    text, moment, number = sa.Text(), sa.DateTime(timezone=True), sa.BigInteger()
    op.create_table(
        "mandate_files",
        sa.Column("id", number, sa.Identity(always=True), nullable=False),
        sa.Column("bank", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("made_by", text, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("handed_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate_files")),
        sa.UniqueConstraint("name", name=op.f("uq_mandate_files_name")),
    )
    op.create_index(
        "uq_mandate_files_under_way", "mandate_files", ["bank"], unique=True,
        postgresql_where=sa.text("handed_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "mandate_orders",
        sa.Column("id", number, sa.Identity(always=True), nullable=False),
        sa.Column("mandate_id", number, nullable=False),
        sa.Column("action", text, nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("file_id", number, nullable=True),
        sa.Column("made_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate_orders")),
        sa.UniqueConstraint(
            "mandate_id", "action", "version", name=op.f("uq_mandate_orders_mandate_id_action_version")
        ),
        sa.ForeignKeyConstraint(["mandate_id"], ["mandates.id"], name=op.f("fk_mandate_orders_mandate_id")),
        sa.ForeignKeyConstraint(["file_id"], ["mandate_files.id"], name=op.f("fk_mandate_orders_file_id")),
        sa.CheckConstraint("action IN ('cancel', 'register')", name=op.f("ck_mandate_orders_action")),
    )
    op.create_index(
        "uq_mandate_orders_cancel", "mandate_orders", ["mandate_id"], unique=True,
        postgresql_where=sa.text("action = 'cancel'"),
    )  # fmt: skip
    op.create_index(
        "ix_mandate_orders_waiting", "mandate_orders", ["id"], postgresql_where=sa.text("file_id IS NULL")
    )
    op.create_index(op.f("ix_mandate_orders_file_id"), "mandate_orders", ["file_id"])
    op.execute(GUARDS)
