"""Days that people said a settlement line is not of."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

GUARDS = """
CREATE OR REPLACE FUNCTION lump_pinned() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.pinned AND coalesce((
        SELECT c.kind FROM public.lump_choices c
        WHERE c.lump_id = NEW.id AND c.state = 'applied' AND c.kind IN ('settles', 'takes_back')
        ORDER BY c.id DESC LIMIT 1), '') <> 'settles'
    THEN
        RAISE EXCEPTION 'a settlement is pinned by a choice that is carried out' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION lump_day_denied() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.day IS NOT NULL AND NOT NEW.pinned AND NEW.undone_at IS NULL AND coalesce((
        SELECT c.kind FROM public.lump_choices c WHERE c.lump_id = NEW.id AND c.day = NEW.day AND c.state = 'applied'
        ORDER BY c.id DESC LIMIT 1), '') = 'not_day'
    THEN
        RAISE EXCEPTION 'a settlement is not weighed to be of a day that a person denied'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lump_day_denied BEFORE INSERT OR UPDATE OF day, pinned ON lump_sums FOR EACH ROW
    EXECUTE FUNCTION lump_day_denied();
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("lump_choices", sa.Column("kind", sa.Text(), server_default="settles", nullable=False))
    op.add_column("lump_choices", sa.Column("day", sa.Date(), nullable=True))
    op.execute("UPDATE lump_choices SET kind = 'takes_back' WHERE payments = '{}'")
    op.alter_column("lump_choices", "kind", server_default=None)
    for name, rule in (
        ("kind", "kind IN ('day_again', 'not_day', 'settles', 'takes_back')"),
        ("payments_settled", "(kind = 'settles') = (payments <> '{}')"),
        ("a_day_denied", "(kind IN ('not_day', 'day_again')) = (day IS NOT NULL)"),
    ):
        op.create_check_constraint(op.f(f"ck_lump_choices_{name}"), "lump_choices", rule)
    op.execute(GUARDS)
