"""Lifecycles in the database: whatever moves a row, or makes one, keeps to the tables of its lifecycle.

All rows of a statement are looked at together: each pair of states that occurs is compared once, however many rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

# kind, table, the state its rows begin in, moves
LIFECYCLES = (
    ("delivery", "deliveries", "received", {
        "received": "read unreadable conflicting set_aside", "set_aside": "received", "read": "received",
        "unreadable": "received"}),
    ("bill", "bills", "open", {
        "open": "part_paid paid cancelled replaced", "part_paid": "open paid cancelled replaced",
        "paid": "open part_paid cancelled replaced"}),
    ("payment", "payments", "reported", {
        "reported": "confirmed denied", "confirmed": "returned reported denied", "returned": "confirmed denied",
        "denied": "confirmed"}),
    ("statement", "statements", "loading", {
        "loading": "accepted quarantined resent", "accepted": "withdrawn",
        "quarantined": "accepted resent withdrawn"}),
    ("message", "messages", "queued", {
        "queued": "sending expired withdrawn failed", "sending": "sent unsure queued failed",
        "unsure": "sent delivered undelivered failed", "sent": "delivered undelivered"}),
    ("mismatch", "mismatches", "open", {"open": "proposed resolved", "proposed": "open resolved"}),
    ("settlement", "settlements", "proposed", {"proposed": "applied refused withdrawn"}),
    ("lump_choice", "lump_choices", "proposed", {"proposed": "applied refused withdrawn"}),
    ("mark_batch", "mark_batches", "waiting", {"waiting": "acknowledged"}),
    ("close", "closes", "open", {"open": "balanced", "balanced": "signed withdrawn", "signed": "reopened"}),
)
BORN_OTHERWISE = (
    ("delivery", "set_aside", 0), ("delivery", "conflicting", 0), ("delivery", "unreadable", 0),
    ("payment", "confirmed", 1),
)
ID_MAY_CHANGE = ("messages", "mismatches", "settlements", "lump_choices", "mark_batches", "closes")

GUARDS = """
CREATE FUNCTION moves_are_allowed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    -- A plan is kept for the session: one made for a single row must not serve five thousand.
    SET enable_nestloop = off AS $$
DECLARE wrong record;
BEGIN
    SELECT m.was, m.becomes INTO wrong FROM (
        SELECT DISTINCT b.state AS was, a.state AS becomes FROM added a JOIN before b USING (id) WHERE a.state <> b.state
    ) m LEFT JOIN public.lifecycle_moves k ON (k.kind, k.from_state, k.to_state) = (TG_ARGV[0], m.was, m.becomes)
    WHERE k.kind IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a % that is % does not become %', TG_ARGV[0], wrong.was, wrong.becomes
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION notes_are_of_allowed_moves() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET enable_nestloop = off AS $$
DECLARE wrong record;
BEGIN
    SELECT m.kind, m.from_state, m.to_state INTO wrong
    FROM (SELECT DISTINCT kind, from_state, to_state FROM added) m
    LEFT JOIN public.lifecycle_moves k USING (kind, from_state, to_state) WHERE k.kind IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a % that is % does not become %', wrong.kind, wrong.from_state, wrong.to_state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION births_are_allowed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET enable_nestloop = off AS $$
DECLARE wrong record;
BEGIN
    SELECT b.state, b.moves INTO wrong FROM (SELECT DISTINCT state, moves FROM added) b
    LEFT JOIN public.lifecycle_births k ON (k.kind, k.state, k.moves) = (TG_ARGV[0], b.state, b.moves)
    WHERE k.kind IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a % does not come into being as % after % moves', TG_ARGV[0], wrong.state, wrong.moves
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION birth_is_allowed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.lifecycle_births k
                   WHERE (k.kind, k.state, k.moves) = (TG_ARGV[0], NEW.state, NEW.moves)) THEN
        RAISE EXCEPTION 'a % does not come into being as % after % moves', TG_ARGV[0], NEW.state, NEW.moves
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER notes_are_of_allowed_moves AFTER INSERT ON transitions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION notes_are_of_allowed_moves();

-- Guards a table by what lifecycle_moves and lifecycle_births say of its kind.
CREATE FUNCTION guard_lifecycle(kind text, guarded regclass, start text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER moves_are_allowed AFTER UPDATE ON %s
        REFERENCING NEW TABLE AS added OLD TABLE AS before
        FOR EACH STATEMENT EXECUTE FUNCTION moves_are_allowed(%L)', guarded, kind);
    -- What begins at the start costs nothing; what is made in bulk past it is looked at together.
    IF EXISTS (SELECT 1 FROM public.lifecycle_births b WHERE b.kind = guard_lifecycle.kind AND b.moves > 0) THEN
        EXECUTE format('CREATE TRIGGER births_are_allowed AFTER INSERT ON %s REFERENCING NEW TABLE AS added
            FOR EACH STATEMENT EXECUTE FUNCTION births_are_allowed(%L)', guarded, kind);
    ELSE
        EXECUTE format('CREATE TRIGGER birth_is_allowed AFTER INSERT ON %s FOR EACH ROW
            WHEN (NEW.state <> %L OR NEW.moves <> 0) EXECUTE FUNCTION birth_is_allowed(%L)', guarded, start, kind);
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION guard_lifecycle(text, regclass, text) FROM PUBLIC;
"""


def upgrade() -> None:
    """Apply."""
    text = sa.Text()
    op.create_table(
        "lifecycle_moves",
        sa.Column("kind", text, nullable=False),
        sa.Column("from_state", text, nullable=False),
        sa.Column("to_state", text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "from_state", "to_state", name=op.f("pk_lifecycle_moves")),
    )
    op.create_table(
        "lifecycle_births",
        sa.Column("kind", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("moves", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "state", name=op.f("pk_lifecycle_births")),
    )
    op.execute(
        """
        REVOKE ALL ON lifecycle_moves, lifecycle_births FROM PUBLIC, doisoat_app;
        GRANT SELECT ON lifecycle_moves, lifecycle_births TO doisoat_app;
        """
    )
    for kind, _table, start, moves in LIFECYCLES:
        for state, after in moves.items():
            for to in after.split():
                op.execute(f"INSERT INTO lifecycle_moves VALUES ('{kind}', '{state}', '{to}')")
        op.execute(f"INSERT INTO lifecycle_births VALUES ('{kind}', '{start}', 0)")
    for kind, state, made in BORN_OTHERWISE:
        op.execute(f"INSERT INTO lifecycle_births VALUES ('{kind}', '{state}', {made})")
    op.execute(GUARDS)
    for kind, table, start, _moves in LIFECYCLES:
        op.execute(f"SELECT guard_lifecycle('{kind}', '{table}', '{start}')")
    for table in ID_MAY_CHANGE:
        op.execute(
            f"CREATE TRIGGER id_stays BEFORE UPDATE OF id ON {table} FOR EACH STATEMENT EXECUTE FUNCTION only_added_to()"
        )
