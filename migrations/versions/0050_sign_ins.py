"""The log of signing in: who, when, from where, how it ended; it is only added to."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("agent", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("factor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_sign_ins_staff_id")),
        sa.CheckConstraint(
            "outcome IN ('half', 'inactive', 'locked', 'signed_in', 'unknown', 'wrong')",
            name=op.f("ck_sign_ins_outcome"),
        ),
        sa.CheckConstraint(
            "factor IN ('passkey', 'password', 'recovery', 'totp')", name=op.f("ck_sign_ins_factor")
        ),
        sa.CheckConstraint("(staff_id IS NULL) = (outcome = 'unknown')", name=op.f("ck_sign_ins_known")),
    )
    op.create_index(op.f("ix_sign_ins_staff_id_id"), "sign_ins", ["staff_id", "id"])
    op.execute("""
        CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON sign_ins FOR EACH STATEMENT
            EXECUTE FUNCTION only_added_to();
        GRANT SELECT, INSERT ON sign_ins TO doisoat_app;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
    """)
