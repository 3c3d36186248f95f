"""Money that a person writes to suspense, until somebody says whose it is."""

from alembic import op

revision = "0022"
down_revision = "0021"

_KINDS = "kind IN ('credit', 'difference', 'held', 'refund', 'return')"
_ACCOUNTS = (
    "account IN ('customer_credit', 'expense:bank-fees', 'expense:differences', 'income:differences',"
    " 'refunds_payable', 'suspense:held')"
)


def upgrade() -> None:
    """Apply."""
    for name, rule in (("kind", _KINDS), ("account", _ACCOUNTS)):
        op.drop_constraint(op.f(f"ck_placements_{name}"), "placements")
        op.create_check_constraint(op.f(f"ck_placements_{name}"), "placements", rule)
