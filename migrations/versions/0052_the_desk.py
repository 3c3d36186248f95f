"""The mismatch desk: whose case it is, who looks at it now, its orders, and one answer that holds per question."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"

UNSETTLED = sa.text("state <> 'resolved'")


def upgrade() -> None:
    """Apply."""
    moment = sa.DateTime(timezone=True)
    op.add_column("mismatches", sa.Column("assignee", sa.Text(), server_default="", nullable=False))
    for column in ("opened_at", "minor", "due_at", "assignee"):
        op.create_index(f"ix_mismatches_unsettled_{column}", "mismatches", [column, "id"], postgresql_where=UNSETTLED)
    # Whoever answers second meets the first one's answer, whatever the program has read before.
    op.create_index(
        "uq_settlements_holding", "settlements", ["mismatch_id"], unique=True,
        postgresql_where=sa.text("state IN ('proposed', 'applied')"),
    )
    op.drop_constraint(op.f("ck_remarks_kind"), "remarks")
    op.create_check_constraint(
        op.f("ck_remarks_kind"), "remarks",
        "kind IN ('assigned', 'comment', 'evidence', 'expected', 'noted', 'resumed', 'trace', 'trace_answer')",
    )
    op.create_table(
        "case_visits",
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("mismatch_id", sa.BigInteger(), nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_case_visits")),
        sa.ForeignKeyConstraint(["mismatch_id"], ["mismatches.id"], name=op.f("fk_case_visits_mismatch_id")),
    )
    op.create_index(op.f("ix_case_visits_mismatch_id"), "case_visits", ["mismatch_id"])
    op.execute("GRANT SELECT, INSERT, UPDATE ON case_visits TO doisoat_app")
