"""Lines that bear an agreement's words and are, as a person said, no settlement."""

from alembic import op

revision = "0028"
down_revision = "0027"

KINDS = "kind IN ('day_again', 'no_settlement', 'not_day', 'settlement_again', 'settles', 'takes_back')"
GUARDS = """
CREATE FUNCTION lump_released() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.undone_at IS NOT NULL AND NEW.undone_at IS NULL AND coalesce((
        SELECT c.kind FROM public.lump_choices c
        WHERE c.lump_id = NEW.id AND c.kind IN ('no_settlement', 'settlement_again') AND c.state = 'applied'
        ORDER BY c.id DESC LIMIT 1), '') <> 'no_settlement'
    THEN
        RAISE EXCEPTION 'only what a person called no settlement becomes one again' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lump_released BEFORE UPDATE OF undone_at ON lump_sums FOR EACH ROW EXECUTE FUNCTION lump_released();
"""


def upgrade() -> None:
    """Apply."""
    op.drop_constraint(op.f("ck_lump_choices_kind"), "lump_choices")
    op.create_check_constraint(op.f("ck_lump_choices_kind"), "lump_choices", KINDS)
    op.execute(GUARDS)
