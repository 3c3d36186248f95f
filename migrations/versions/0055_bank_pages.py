"""Since when each secret is known, by its fingerprint, and the indexes by which a bank's page finds its calls."""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "secret_sightings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "fingerprint", name=op.f("pk_secret_sightings")),
    )
    op.execute("GRANT SELECT, INSERT ON secret_sightings TO doisoat_app")
    op.create_index(
        op.f("ix_deliveries_source_kind_received_at"), "deliveries", ["source", "kind", "received_at"], unique=False
    )
    op.create_index(
        "ix_deliveries_for_people",
        "deliveries",
        ["source", "received_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('set_aside', 'conflicting', 'unreadable')"),
    )
    op.create_index(op.f("ix_refusals_source_received_at"), "refusals", ["source", "received_at"], unique=False)
