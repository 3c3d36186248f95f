"""A comment or evidence given by mistake is taken back by a remark of its own; evidence so taken back proves nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0066"
down_revision = "0065"

_PROVES = (
    "WHERE r.mismatch_id = NEW.mismatch_id AND r.kind = 'evidence')",
    """WHERE r.mismatch_id = NEW.mismatch_id AND r.kind = 'evidence'
                       AND NOT EXISTS (SELECT 1 FROM public.remarks w WHERE w.withdraws = r.id))""",
)


def upgrade() -> None:
    """Apply."""
    op.add_column("remarks", sa.Column("turn", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("remarks", sa.Column("withdraws", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_remarks_withdraws"), "remarks", "remarks", ["withdraws"], ["id"])
    op.create_unique_constraint(op.f("uq_remarks_withdraws"), "remarks", ["withdraws"])
    op.drop_constraint(op.f("uq_remarks_mismatch_id_digest"), "remarks")
    op.create_unique_constraint(op.f("uq_remarks_mismatch_id_digest_turn"), "remarks", ["mismatch_id", "digest", "turn"])
    op.drop_constraint(op.f("ck_remarks_kind"), "remarks")
    op.create_check_constraint(
        op.f("ck_remarks_kind"), "remarks",
        "kind IN ('assigned', 'comment', 'evidence', 'expected', 'noted', 'resumed', 'trace', 'trace_answer',"
        " 'withdrawn')",
    )  # fmt: skip
    op.create_check_constraint(
        op.f("ck_remarks_withdrawn_is_another"), "remarks", "(kind = 'withdrawn') = (withdraws IS NOT NULL)"
    )
    was, now = _PROVES
    connection = op.get_bind()
    said = connection.scalar(sa.text("SELECT pg_get_functiondef('settlement_limit'::regproc)"))
    assert said.count(was) == 1, "what a transfer needs stands elsewhere than in 0059"
    connection.exec_driver_sql(said.replace(was, now).replace("%", "%%"))
