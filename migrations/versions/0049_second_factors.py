"""Second factors: secrets for one-time codes, passkeys, recovery codes; and from where a session came."""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    """Apply."""
    moment, number, raw = sa.DateTime(timezone=True), sa.BigInteger(), sa.LargeBinary()
    op.add_column("staff", sa.Column("must_change_password", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("staff", sa.Column("totp_sealed", raw, nullable=True))
    op.add_column("staff", sa.Column("totp_since", moment, nullable=True))
    op.add_column("staff", sa.Column("totp_step", number, server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_staff_totp"), "staff", "(totp_sealed IS NULL) = (totp_since IS NULL)")
    op.add_column("web_sessions", sa.Column("address", sa.Text(), server_default="", nullable=False))
    op.add_column("web_sessions", sa.Column("agent", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "passkeys",
        sa.Column("id", number, sa.Identity(always=True), nullable=False),
        sa.Column("staff_id", number, nullable=False),
        sa.Column("credential_id", raw, nullable=False),
        sa.Column("public_key", raw, nullable=False),
        sa.Column("sign_count", number, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("used_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_passkeys_staff_id")),
    )
    op.create_index(op.f("ix_passkeys_staff_id"), "passkeys", ["staff_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("id", number, sa.Identity(always=True), nullable=False),
        sa.Column("staff_id", number, nullable=False),
        sa.Column("code_hash", raw, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("used_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("staff_id", "code_hash", name=op.f("uq_recovery_codes_staff_id_code_hash")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_recovery_codes_staff_id")),
    )
    op.execute("""
        GRANT SELECT, INSERT, DELETE ON passkeys, recovery_codes TO doisoat_app;
        GRANT UPDATE (name, sign_count, used_at) ON passkeys TO doisoat_app;
        GRANT UPDATE (used_at) ON recovery_codes TO doisoat_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
    """)
