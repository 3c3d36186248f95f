"""Customers are found by their office, acts by who did them and by their kind."""

from alembic import op

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    """Apply."""
    op.create_index(op.f("ix_customers_office_id"), "customers", ["office", "id"])
    op.create_index(op.f("ix_audit_actor_id"), "audit", ["actor", "id"])
    op.create_index(op.f("ix_audit_action_id"), "audit", ["action", "id"])
