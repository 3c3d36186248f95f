"""A statement may be withdrawn: a person undid its import; and the index that its questions are found by."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply."""
    op.drop_constraint(op.f("ck_statements_state"), "statements", type_="check")
    op.create_check_constraint(
        op.f("ck_statements_state"),
        "statements",
        "state IN ('accepted', 'loading', 'quarantined', 'resent', 'withdrawn')",
    )
    op.create_index(op.f("ix_mismatches_statement_id"), "mismatches", ["statement_id"], unique=False)
