"""A way for the application to bring the planner's statistics up to date after a bulk load."""

from alembic import op

revision = "0008"
down_revision = "0007"

REFRESH = """
CREATE FUNCTION refresh_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    -- Whoever else does so at this moment does it for us too.
    ANALYZE (SKIP_LOCKED) bills, customers, payments, allocations, messages, statement_lines;
END $$;
"""


def upgrade() -> None:
    """Apply."""
    op.execute(REFRESH)
