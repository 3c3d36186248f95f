"""Mandates: what customers let banks take from their accounts, in versions that are only added to."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

MOVES = {
    "draft": "submitted ended expired",
    "submitted": "active refused ended expired",
    "active": "paused ended expired",
    "paused": "active ended expired",
}
OPEN = "state IN ('draft', 'submitted', 'active', 'paused')"

GUARDS = """
-- What a mandate says of its newest version is kept by the database alone.
CREATE FUNCTION versions_are_followed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE counted bigint;
BEGIN
    UPDATE public.mandates m SET version = a.version, valid_to = a.valid_to
    FROM (SELECT * FROM added ORDER BY mandate_id) a
    WHERE m.id = a.mandate_id AND a.version = m.version + 1 AND m.state NOT IN ('ended', 'refused', 'expired');
    GET DIAGNOSTICS counted = ROW_COUNT;
    IF counted <> (SELECT count(*) FROM added) THEN
        RAISE EXCEPTION 'a version follows the newest one of a mandate that is not over'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER versions_are_followed AFTER INSERT ON mandate_versions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION versions_are_followed();
CREATE FUNCTION mandate_has_no_version_yet() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a mandate begins without a version' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER mandate_has_no_version_yet BEFORE INSERT ON mandates FOR EACH ROW
    WHEN (NEW.version <> 0 OR NEW.valid_to IS NOT NULL) EXECUTE FUNCTION mandate_has_no_version_yet();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON mandate_versions FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON mandates FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE TRIGGER mandate_stays BEFORE UPDATE OF id, bank, reference, customer_id, created_at ON mandates
    FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();

GRANT SELECT, INSERT ON mandates, mandate_versions TO doisoat_app;
GRANT UPDATE (state, moves) ON mandates TO doisoat_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    text, moment, day = sa.Text(), sa.DateTime(timezone=True), sa.Date()
    op.create_table(
        "mandates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bank", text, nullable=False),
        sa.Column("reference", text, nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("valid_to", day, nullable=True),
        sa.Column("state", text, server_default="draft", nullable=False),
        sa.Column("moves", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandates")),
        sa.UniqueConstraint("bank", "reference", name=op.f("uq_mandates_bank_reference")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_mandates_customer_id")),
        sa.CheckConstraint("state = 'draft' OR version > 0", name=op.f("ck_mandates_says_what_was_agreed")),
        sa.CheckConstraint(
            "state IN ('active', 'draft', 'ended', 'expired', 'paused', 'refused', 'submitted')",
            name=op.f("ck_mandates_state"),
        ),
    )
    op.create_index(
        "uq_mandates_in_force", "mandates", ["customer_id"], unique=True,
        postgresql_where=sa.text("state IN ('active', 'paused')"),
    )  # fmt: skip
    op.create_index(op.f("ix_mandates_customer_id"), "mandates", ["customer_id"])
    op.create_index(
        op.f("ix_mandates_valid_to"), "mandates", ["valid_to"],
        postgresql_where=sa.text(f"{OPEN} AND valid_to IS NOT NULL"),
    )  # fmt: skip
    op.create_table(
        "mandate_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mandate_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("account_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("account_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_tail", text, server_default="", nullable=False),
        sa.Column("cap_minor", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", day, nullable=False),
        sa.Column("valid_to", day, nullable=True),
        sa.Column("consent_text", text, nullable=False),
        sa.Column("consent_at", moment, nullable=False),
        sa.Column("consent_channel", text, nullable=False),
        sa.Column("assisted_by", text, server_default="", nullable=False),
        sa.Column("made_by", text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate_versions")),
        sa.UniqueConstraint("mandate_id", "version", name=op.f("uq_mandate_versions_mandate_id_version")),
        sa.ForeignKeyConstraint(["mandate_id"], ["mandates.id"], name=op.f("fk_mandate_versions_mandate_id")),
        sa.CheckConstraint("cap_minor > 0", name=op.f("ck_mandate_versions_cap")),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_mandate_versions_begins_before_it_ends")
        ),
        sa.CheckConstraint("consent_text <> ''", name=op.f("ck_mandate_versions_consent")),
        sa.CheckConstraint(
            "consent_channel IN ('app', 'bank', 'counter', 'paper', 'phone', 'web')",
            name=op.f("ck_mandate_versions_consent_channel"),
        ),
    )
    op.create_index(op.f("ix_mandate_versions_account_hash"), "mandate_versions", ["account_hash"])
    for state, after in MOVES.items():
        for to in after.split():
            op.execute(f"INSERT INTO lifecycle_moves VALUES ('mandate', '{state}', '{to}')")
    op.execute("INSERT INTO lifecycle_births VALUES ('mandate', 'draft', 0)")
    op.execute("SELECT guard_lifecycle('mandate', 'mandates', 'draft')")
    op.execute(GUARDS)
