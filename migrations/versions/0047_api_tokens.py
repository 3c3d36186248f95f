"""API tokens with scopes, and the answers kept by idempotency key."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"

GUARDS = """
CREATE FUNCTION api_token_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'what an API token opens is never changed, and what was revoked stays so'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER api_token_stays BEFORE UPDATE ON api_tokens FOR EACH ROW
    WHEN ((OLD.id, OLD.name, OLD.digest, OLD.scopes, OLD.made_by, OLD.made_at, OLD.expires_at)
          IS DISTINCT FROM (NEW.id, NEW.name, NEW.digest, NEW.scopes, NEW.made_by, NEW.made_at, NEW.expires_at)
          OR (OLD.revoked_at IS NOT NULL
              AND (OLD.revoked_at, OLD.revoked_by) IS DISTINCT FROM (NEW.revoked_at, NEW.revoked_by)))
    EXECUTE FUNCTION api_token_stays();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON api_tokens FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
GRANT SELECT, INSERT ON api_tokens TO doisoat_app;
GRANT UPDATE (revoked_at, revoked_by, last_used_at) ON api_tokens TO doisoat_app;
GRANT SELECT, INSERT, DELETE ON api_idempotency TO doisoat_app;
GRANT UPDATE (at) ON api_idempotency TO doisoat_app;  -- for the lock that a row is forgotten under
"""


def upgrade() -> None:
    """Apply."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("revoked_at", moment, nullable=True),
        sa.Column("revoked_by", sa.Text(), server_default="", nullable=False),
        sa.Column("last_used_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
        sa.CheckConstraint("name <> '' AND made_by <> ''", name=op.f("ck_api_tokens_named")),
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_api_tokens_allows_something")),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revoked_by = '')", name=op.f("ck_api_tokens_revoked_by_somebody")
        ),
    )
    op.create_index(
        "uq_api_tokens_live_name", "api_tokens", ["name"], unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "api_idempotency",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_idempotency")),
        sa.UniqueConstraint("token_id", "key", name=op.f("uq_api_idempotency_token_id_key")),
    )
    op.create_index(op.f("ix_api_idempotency_at"), "api_idempotency", ["at"])
    op.execute(GUARDS)
