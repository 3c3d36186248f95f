"""Closes: days and months signed by two, entries that name their bank, and a lock that late entries are dated around."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from alembic import op

revision = "0015"
down_revision = "0014"

# What has been booked belongs to the bank of its accounts, or of the payment it matches.
WHOSE = """
ALTER TABLE entries DISABLE TRIGGER only_added_to;
UPDATE entries e SET bank = split_part(p.account, ':', 2) FROM postings p
WHERE p.entry_id = e.id AND p.account LIKE 'bank:%';
UPDATE entries e SET bank = p.source FROM allocations a JOIN payments p ON p.id = a.payment_id
WHERE e.key IN ('allocation:' || a.id, 'allocation:' || a.id || '/undone');
UPDATE entries e SET bank = p.source FROM placements l JOIN payments p ON p.id = l.payment_id
WHERE e.key IN ('placement:' || l.id, 'placement:' || l.id || '/undone');
ALTER TABLE entries ENABLE TRIGGER only_added_to;
"""

# Whoever books shares the bank's lock until it commits, whoever signs holds it alone: each sees what the other did.
LOCK = """
CREATE FUNCTION close_key(bank text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended('closing of ' || bank, 0)
$$;
CREATE FUNCTION open_day(of_bank text, wanted date) RETURNS date LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE found date := wanted;
BEGIN
    IF of_bank = '' THEN RETURN wanted; END IF;
    PERFORM pg_advisory_xact_lock_shared(public.close_key(of_bank));
    WHILE EXISTS (
        SELECT 1 FROM public.closes c WHERE c.bank = of_bank AND c.state = 'signed'
          AND (c.period, c.day) IN (('day', found), ('month', date_trunc('month', found)::date))
    ) LOOP
        found := found + 1;
    END LOOP;
    RETURN found;
END $$;
CREATE FUNCTION signed_days_stay() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE one record;
BEGIN
    FOR one IN SELECT DISTINCT bank FROM added WHERE bank <> '' ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock_shared(public.close_key(one.bank));
    END LOOP;
    SELECT a.bank, a.business_date INTO one
    FROM (SELECT DISTINCT bank, business_date FROM added WHERE bank <> '') a JOIN public.closes c
        ON c.bank = a.bank AND c.state = 'signed'
        AND c.day = CASE c.period WHEN 'day' THEN a.business_date ELSE date_trunc('month', a.business_date)::date END
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the % of % is signed and accepts no further entries', one.business_date, one.bank
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER signed_days_stay AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION signed_days_stay();

CREATE OR REPLACE FUNCTION postings_join_now() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE wrong record;
BEGIN
    -- Without this an old, balanced entry could be added to later, past the check of its balance; and without a bank
    -- an entry over a bank's money would get past its signed days.
    SELECT e.transaction <> pg_current_xact_id()::text::bigint AS late, added.account INTO wrong
    FROM added JOIN entries e ON e.id = added.entry_id
    WHERE e.transaction <> pg_current_xact_id()::text::bigint OR CASE
        WHEN added.account LIKE 'bank:%' THEN split_part(added.account, ':', 2) <> e.bank
        WHEN added.account = 'suspense' THEN e.bank = '' END
    LIMIT 1;
    IF FOUND AND wrong.late THEN
        RAISE EXCEPTION 'a posting belongs to the transaction of its entry' USING ERRCODE = 'check_violation';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'an entry over % names its bank', wrong.account USING ERRCODE = 'check_violation';
    END IF;
    -- Both sides come in one statement: otherwise a side could follow after the check above was made to run early.
    IF EXISTS (SELECT 1 FROM added GROUP BY entry_id, currency HAVING sum(minor) <> 0) THEN
        RAISE EXCEPTION 'the postings of an entry do not balance' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""

CLOSES = """
CREATE FUNCTION closes_follow_their_course() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE until date; untouched boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'open' OR NEW.moves <> 0 OR NEW.maker <> '' OR NEW.checker <> '' OR NEW.version <>
            1 + (SELECT coalesce(max(version), 0) FROM public.closes c
                 WHERE (c.bank, c.period, c.day) = (NEW.bank, NEW.period, NEW.day)) THEN
            RAISE EXCEPTION 'a close is born open, a version after the last' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.bank, NEW.period, NEW.day, NEW.version, NEW.created_at)
        IS DISTINCT FROM (OLD.bank, OLD.period, OLD.day, OLD.version, OLD.created_at) THEN
        RAISE EXCEPTION 'a close stays that of its period' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT (OLD.state = NEW.state AND OLD.state <> 'reopened' AND OLD.state <> 'withdrawn'
            OR (OLD.state, NEW.state) IN (('open', 'balanced'), ('balanced', 'signed'), ('balanced', 'withdrawn'),
                                          ('signed', 'reopened'))) THEN
        RAISE EXCEPTION 'a close that is % does not become %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    untouched := (NEW.figures, NEW.digest, NEW.maker, NEW.made_at) IS NOT DISTINCT FROM
                 (OLD.figures, OLD.digest, OLD.maker, OLD.made_at);
    IF OLD.state <> 'open' AND NOT untouched THEN
        RAISE EXCEPTION 'what was balanced is never changed: it is withdrawn, or reopened as another version'
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state = 'signed' AND (NEW.checker, NEW.signed_at, NEW.entries, NEW.booked_minor)
        IS DISTINCT FROM (OLD.checker, OLD.signed_at, OLD.entries, OLD.booked_minor) THEN
        RAISE EXCEPTION 'what was signed is never changed' USING ERRCODE = 'check_violation';
    END IF;
    until := CASE NEW.period WHEN 'day' THEN NEW.day ELSE (NEW.day + interval '1 month - 1 day')::date END;
    IF (OLD.state, NEW.state) = ('balanced', 'signed') THEN
        PERFORM pg_advisory_xact_lock(public.close_key(NEW.bank));
        SELECT count(DISTINCT e.id), coalesce(sum(p.minor) FILTER (WHERE p.minor > 0), 0)
        INTO NEW.entries, NEW.booked_minor
        FROM public.entries e JOIN public.postings p ON p.entry_id = e.id
        WHERE e.bank = NEW.bank AND e.business_date BETWEEN NEW.day AND until;
        IF NEW.period = 'month' AND EXISTS (
            SELECT 1 FROM generate_series(NEW.day, until, interval '1 day') AS d
            WHERE EXISTS (SELECT 1 FROM public.entries e WHERE e.business_date = d::date AND e.bank = NEW.bank)
              AND NOT EXISTS (SELECT 1 FROM public.closes c WHERE c.bank = NEW.bank AND c.period = 'day'
                              AND c.day = d::date AND c.state = 'signed')
        ) THEN
            RAISE EXCEPTION 'a month is signed once all its days are' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    IF NEW.state = 'reopened' AND NEW.period = 'day' AND EXISTS (
        SELECT 1 FROM public.closes c WHERE c.bank = NEW.bank AND c.period = 'month' AND c.state = 'signed'
          AND c.day = date_trunc('month', NEW.day)::date
    ) THEN
        RAISE EXCEPTION 'a day of a signed month is not reopened' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER closes_follow_their_course BEFORE INSERT OR UPDATE ON closes FOR EACH ROW
    EXECUTE FUNCTION closes_follow_their_course();
CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON closes FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON close_items FOR EACH STATEMENT
    EXECUTE FUNCTION only_added_to();
CREATE FUNCTION items_of_open_closes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added JOIN public.closes c ON c.id = added.close_id WHERE c.state <> 'open') THEN
        RAISE EXCEPTION 'what was balanced is never changed' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER items_of_open_closes AFTER INSERT ON close_items REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION items_of_open_closes();
GRANT SELECT, INSERT ON closes, close_items TO doisoat_app;
GRANT UPDATE (figures, digest, entries, booked_minor, maker, made_at, checker, signed_at, reopened_by, reopened_at,
              reopened_why, state, moves) ON closes TO doisoat_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    text, day, number, moment = sa.Text(), sa.Date(), sa.BigInteger(), sa.DateTime(timezone=True)
    op.add_column("entries", sa.Column("bank", text, server_default="", nullable=False))
    op.add_column("entries", sa.Column("late_for", day, nullable=True))
    op.execute(WHOSE)
    op.drop_index("ix_entries_business_date", "entries")
    op.create_index(op.f("ix_entries_business_date_bank"), "entries", ["business_date", "bank"])
    op.create_index(
        "ix_entries_late", "entries", ["late_for", "bank"], postgresql_where=sa.text("late_for IS NOT NULL")
    )
    op.create_index(
        op.f("ix_statement_lines_booked_on"), "statement_lines", ["booked_on"], postgresql_using="brin"
    )
    op.create_index(
        "ix_payments_taken_back", "payments", ["denied_at"], postgresql_where=sa.text("denied_at IS NOT NULL")
    )
    op.create_table(
        "closes",
        sa.Column("id", number, sa.Identity(always=True), nullable=False),
        sa.Column("bank", text, nullable=False),
        sa.Column("period", text, nullable=False),
        sa.Column("day", day, nullable=False),
        sa.Column("version", number, nullable=False),
        sa.Column("figures", JSONB(), server_default="{}", nullable=False),
        sa.Column("digest", text, server_default="", nullable=False),
        sa.Column("entries", number, server_default="0", nullable=False),
        sa.Column("booked_minor", number, server_default="0", nullable=False),
        sa.Column("maker", text, server_default="", nullable=False),
        sa.Column("made_at", moment, nullable=True),
        sa.Column("checker", text, server_default="", nullable=False),
        sa.Column("signed_at", moment, nullable=True),
        sa.Column("reopened_by", text, server_default="", nullable=False),
        sa.Column("reopened_at", moment, nullable=True),
        sa.Column("reopened_why", text, server_default="", nullable=False),
        sa.Column("state", text, server_default="open", nullable=False),
        sa.Column("moves", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closes")),
        sa.UniqueConstraint("bank", "period", "day", "version", name=op.f("uq_closes_bank_period_day_version")),
        sa.CheckConstraint("period IN ('day', 'month')", name=op.f("ck_closes_period")),
        sa.CheckConstraint(
            "state IN ('balanced', 'open', 'reopened', 'signed', 'withdrawn')", name=op.f("ck_closes_state")
        ),
        sa.CheckConstraint("bank <> ''", name=op.f("ck_closes_of_a_bank")),
        sa.CheckConstraint("period = 'day' OR EXTRACT(day FROM day) = 1", name=op.f("ck_closes_month_by_its_first")),
        sa.CheckConstraint(
            "state = 'open' OR (maker <> '' AND made_at IS NOT NULL AND digest <> '')",
            name=op.f("ck_closes_balanced"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('signed', 'reopened') OR (checker <> '' AND checker <> maker AND signed_at IS NOT NULL)",
            name=op.f("ck_closes_signed_by_two"),
        ),
        sa.CheckConstraint(
            "(state = 'reopened') = (reopened_by <> '') AND (state <> 'reopened' OR (reopened_why <> ''"
            " AND reopened_at IS NOT NULL AND reopened_by <> maker AND reopened_by <> checker))",
            name=op.f("ck_closes_reopened_by_a_third_for_a_reason"),
        ),
    )
    op.create_index(
        "uq_closes_live",
        "closes",
        ["bank", "period", "day"],
        unique=True,
        postgresql_where=sa.text("state IN ('open', 'balanced', 'signed')"),
    )
    op.create_table(
        "close_items",
        sa.Column("id", number, sa.Identity(always=True), nullable=False),
        sa.Column("close_id", number, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("payment_id", number, nullable=True),
        sa.Column("line_id", number, nullable=True),
        sa.Column("mismatch_id", number, nullable=True),
        sa.Column("reference", text, server_default="", nullable=False),
        sa.Column("currency", text, nullable=False),
        sa.Column("told_minor", number, server_default="0", nullable=False),
        sa.Column("booked_minor", number, server_default="0", nullable=False),
        sa.Column("shown_minor", number, server_default="0", nullable=False),
        sa.Column("minor", number, server_default="0", nullable=False),
        sa.Column("verdict", text, nullable=False),
        sa.Column("code", text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_close_items")),
        sa.ForeignKeyConstraint(["close_id"], ["closes.id"], name=op.f("fk_close_items_close_id")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_close_items_payment_id")),
        sa.ForeignKeyConstraint(["line_id"], ["statement_lines.id"], name=op.f("fk_close_items_line_id")),
        sa.ForeignKeyConstraint(["mismatch_id"], ["mismatches.id"], name=op.f("fk_close_items_mismatch_id")),
        sa.CheckConstraint("kind IN ('difference', 'question')", name=op.f("ck_close_items_kind")),
    )
    op.create_index(op.f("ix_close_items_close_id_id"), "close_items", ["close_id", "id"])
    op.execute(LOCK)
    op.execute(CLOSES)
