"""Debits: runs made by one and checked by another, one live debit a bill, none that leaves without its notice."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

# kind, table, the state its rows begin in, moves
LIFECYCLES = (
    ("debit_run", "debit_runs", "proposed", {"proposed": "approved refused withdrawn", "approved": "sent withdrawn"}),
    ("debit_file", "debit_files", "claimed", {"claimed": "handed"}),
    (
        "debit",
        "debits",
        "planned",
        {
            "planned": "sent dropped",
            "sent": "accepted paid rejected recalled unknown",
            "accepted": "paid rejected recalled unknown",
            "unknown": "accepted paid rejected recalled",
            "rejected": "paid",
            "recalled": "paid rejected",
            "paid": "returned accepted rejected recalled unknown",
            "returned": "paid",
        },
    ),
    (
        "recall",
        "debit_recalls",
        "wanted",
        {"wanted": "handed dropped", "dropped": "wanted", "handed": "honoured refused", "refused": "honoured"},
    ),
)
RULES = {
    "notice_hours": "24", "abnormal_times": "3", "retries": "3", "retry_days": "7", "paydays": "1 5 10 15 20 25 30",
    "answer_hours": "24", "unreachable": "hold",
}  # fmt: skip
ONLY_ADDED_TO = ("debit_reports", "debit_dates", "printed_notices", "debit_exclusions")
KEPT = ("debit_runs", "debit_files", "debits", "debit_recalls", "bill_holds")
STAYS = {
    "debit_runs": "id, bank, charge_on, debits, total_minor, maker, made_at",
    "debit_files": "id, kind, run_id, bank, message_id, debits, total_minor, made_at",
    "debits": "id, run_id, bill_id, bill_number, mandate_id, mandate_version, attempt, bank, charge_on, minor,"
              " end_to_end_id, sequence, created_at",
    "debit_recalls": "id, debit_id, why, wanted_at",
    "bill_holds": "id, bill_id, kind, why, made_by, made_at",
}  # fmt: skip

GUARDS = """
CREATE FUNCTION debits_are_of_owed_bills() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE wrong text;
BEGIN
    -- Planned anew for each statement, here and below: a run has one debit or a hundred thousand.
    EXECUTE $q$
        SELECT a.end_to_end_id FROM added a
        LEFT JOIN public.bills b ON b.id = a.bill_id
        LEFT JOIN public.debit_runs r ON r.id = a.run_id
        LEFT JOIN public.mandate_versions v ON (v.mandate_id, v.version) = (a.mandate_id, a.mandate_version)
        WHERE b.id IS NULL OR v.id IS NULL OR b.number <> a.bill_number OR b.minor <> a.minor OR b.state <> 'open'
           OR b.paid_minor <> 0 OR r.state <> 'proposed' OR (r.bank, r.charge_on) <> (a.bank, a.charge_on)
           OR EXISTS (SELECT 1 FROM public.debits d WHERE d.bill_number = a.bill_number AND d.state = 'paid')
        LIMIT 1
    $q$ INTO wrong;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'debit % is of a bill that is owed, by an agreed mandate, in a run that is being made', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_are_of_owed_bills AFTER INSERT ON debits REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION debits_are_of_owed_bills();

-- The gate: what leaves was approved by another than its maker, is owed as it was announced, long enough ago, to a
-- customer whose mandate allows it, and is held by nobody.
CREATE FUNCTION debits_leave_by_the_gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE wrong text; lead interval; printed boolean;
BEGIN
    EXECUTE $q$
        SELECT end_to_end_id FROM (
            SELECT end_to_end_id, file_id, sent_at, notice_id, printed_id FROM before WHERE state <> 'planned'
            EXCEPT SELECT end_to_end_id, file_id, sent_at, notice_id, printed_id FROM added) changed
        LIMIT 1
    $q$ INTO wrong;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'how debit % left stays as it was', wrong USING ERRCODE = 'check_violation';
    END IF;
    SELECT make_interval(hours => value::integer) INTO lead FROM public.debit_rules WHERE name = 'notice_hours';
    SELECT value = 'printed' INTO printed FROM public.debit_rules WHERE name = 'unreachable';
    EXECUTE $q$
        WITH leaving AS MATERIALIZED (
            SELECT id FROM before WHERE state = 'planned' INTERSECT SELECT id FROM added WHERE state = 'sent'
        )
        SELECT a.end_to_end_id FROM leaving JOIN public.debits a USING (id)
        JOIN public.debit_runs r ON r.id = a.run_id
        JOIN public.bills b ON b.id = a.bill_id
        JOIN public.mandates m ON m.id = a.mandate_id
        JOIN public.mandate_versions v ON (v.mandate_id, v.version) = (m.id, m.version)
        LEFT JOIN public.messages n ON n.id = a.notice_id AND n.bill_id = a.bill_id AND n.event = 'before_debit'
            AND n.state IN ('sent', 'delivered') AND n.sent_at <= a.sent_at - $1
            AND (n.facts->>'amount')::bigint = a.minor AND (n.facts->>'debit_on')::date = a.charge_on
        LEFT JOIN public.printed_notices p ON $2 AND p.id = a.printed_id AND p.bill_id = a.bill_id
            AND p.minor = a.minor AND p.charge_on = a.charge_on AND p.handed_at <= a.sent_at - $1
        WHERE NOT coalesce(
            r.state IN ('approved', 'sent') AND b.state = 'open' AND b.paid_minor = 0 AND b.minor = a.minor
            AND m.state = 'active' AND m.version = a.mandate_version AND m.bank = a.bank
            AND m.customer_id = b.customer_id AND v.cap_minor >= a.minor
            AND a.charge_on >= v.valid_from AND a.charge_on <= coalesce(v.valid_to, 'infinity')
            AND num_nonnulls(n.id, p.id) = 1
            AND NOT EXISTS (SELECT 1 FROM public.bill_holds h WHERE h.bill_id = b.id AND h.released_at IS NULL), false)
        LIMIT 1
    $q$ INTO wrong USING lead, printed;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'debit % may not leave: its bill, mandate, approval or notice is not as it must be', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_leave_by_the_gate AFTER UPDATE ON debits REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION debits_leave_by_the_gate();

CREATE FUNCTION run_is_approved_whole() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (SELECT (count(*), coalesce(sum(minor), 0)) FROM public.debits WHERE run_id = NEW.id)
       <> (NEW.debits, NEW.total_minor::numeric) THEN
        RAISE EXCEPTION 'run % has other debits than its count and sum say', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER run_is_approved_whole AFTER UPDATE ON debit_runs FOR EACH ROW
    WHEN (NEW.state = 'approved' AND OLD.state = 'proposed') EXECUTE FUNCTION run_is_approved_whole();

CREATE FUNCTION hold_is_released_once() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a hold that was released stays so' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER hold_is_released_once BEFORE UPDATE ON bill_holds FOR EACH ROW
    WHEN (OLD.released_at IS NOT NULL) EXECUTE FUNCTION hold_is_released_once();

-- Whatever concerns a debit is noted with it, whichever road it came by.
CREATE FUNCTION debits_hear_of_payments() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.debits) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        EXECUTE $q$
            INSERT INTO public.debit_news (debit_id) SELECT d.id FROM added a
            JOIN public.debits d ON d.end_to_end_id = a.end_to_end_id AND d.bank = a.source WHERE a.end_to_end_id <> ''
        $q$;
    ELSE
        EXECUTE $q$
            INSERT INTO public.debit_news (debit_id) SELECT d.id FROM added a JOIN before b USING (id)
            JOIN public.debits d ON d.end_to_end_id = a.end_to_end_id AND d.bank = a.source
            WHERE a.end_to_end_id <> '' AND (a.end_to_end_id <> b.end_to_end_id
                OR (a.state IN ('reported', 'confirmed')) <> (b.state IN ('reported', 'confirmed')))
        $q$;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_hear_of_new_payments AFTER INSERT ON payments REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION debits_hear_of_payments();
CREATE TRIGGER debits_hear_of_payments AFTER UPDATE ON payments REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION debits_hear_of_payments();
CREATE FUNCTION debits_hear_of_bills() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM public.debits) THEN
        RETURN NULL;
    END IF;
    EXECUTE $q$
        INSERT INTO public.debit_news (debit_id) SELECT d.id FROM added a JOIN before b USING (id)
        JOIN public.debits d ON d.bill_id = a.id WHERE a.state <> b.state
    $q$;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_hear_of_bills AFTER UPDATE ON bills REFERENCING NEW TABLE AS added OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION debits_hear_of_bills();
CREATE FUNCTION debits_hear_of_reports() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.debit_news (debit_id) SELECT DISTINCT debit_id FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER debits_hear_of_reports AFTER INSERT ON debit_reports REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION debits_hear_of_reports();

GRANT SELECT ON debit_rules TO doisoat_app;
GRANT SELECT, INSERT ON debit_runs, debit_files, debits, debit_exclusions, debit_reports, debit_recalls, debit_dates,
    printed_notices, bill_holds TO doisoat_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON debit_news TO doisoat_app;
GRANT UPDATE (checker, checked_at, checked_why, state, moves) ON debit_runs TO doisoat_app;
GRANT UPDATE (size, digest, attempts, not_before, said, handed_at, state, moves) ON debit_files TO doisoat_app;
GRANT UPDATE (file_id, notice_id, printed_id, sent_at, ask_at, asked, reason, state, moves) ON debits TO doisoat_app;
GRANT UPDATE (file_id, state, moves) ON debit_recalls TO doisoat_app;
GRANT UPDATE (released_by, released_at, released_why) ON bill_holds TO doisoat_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doisoat_app;
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "bill_holds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bill_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.Text(), server_default="", nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_why", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "(released_at IS NULL) = (released_by = '')", name=op.f("ck_bill_holds_released_by_somebody")
        ),
        sa.CheckConstraint("kind IN ('abnormal', 'dispute', 'person')", name=op.f("ck_bill_holds_kind")),
        sa.CheckConstraint("why <> '' AND made_by <> ''", name=op.f("ck_bill_holds_by_somebody_for_a_reason")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill_holds")),
    )
    op.create_index(op.f("ix_bill_holds_bill_id"), "bill_holds", ["bill_id"], unique=False)
    op.create_index(
        "uq_bill_holds_live",
        "bill_holds",
        ["bill_id", "kind"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "debit_dates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bill_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("charge_on", sa.Date(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("made_by <> '' AND why <> ''", name=op.f("ck_debit_dates_by_somebody_for_a_reason")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debit_dates")),
        sa.UniqueConstraint("bill_id", "ordinal", name=op.f("uq_debit_dates_bill_id_ordinal")),
    )
    op.create_index(op.f("ix_debit_dates_charge_on"), "debit_dates", ["charge_on"], unique=False)
    op.create_table(
        "debit_news",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("debit_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debit_news")),
    )
    op.create_table(
        "debit_rules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_debit_rules")),
    )
    op.create_table(
        "debit_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("charge_on", sa.Date(), nullable=False),
        sa.Column("debits", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checker", sa.Text(), server_default="", nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_why", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("moves", sa.SmallInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("maker <> ''", name=op.f("ck_debit_runs_made_by_somebody")),
        sa.CheckConstraint(
            "state IN ('approved', 'proposed', 'refused', 'sent', 'withdrawn')", name=op.f("ck_debit_runs_state")
        ),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'sent') OR (checker <> '' AND checker <> maker)",
            name=op.f("ck_debit_runs_checked_by_another"),
        ),
        sa.CheckConstraint("debits >= 0 AND total_minor >= debits", name=op.f("ck_debit_runs_sums")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debit_runs")),
    )
    op.create_index(
        "uq_debit_runs_open",
        "debit_runs",
        ["bank", "charge_on"],
        unique=True,
        postgresql_where=sa.text("state = 'proposed'"),
    )
    op.create_table(
        "printed_notices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bill_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_on", sa.Date(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("handed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("made_by <> ''", name=op.f("ck_printed_notices_by_somebody")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_printed_notices")),
        sa.UniqueConstraint("bill_id", "charge_on", "minor", name=op.f("uq_printed_notices_bill_id_charge_on_minor")),
    )
    op.create_table(
        "debit_exclusions",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("bill_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["debit_runs.id"], name=op.f("fk_debit_exclusions_run_id")),
        sa.PrimaryKeyConstraint("run_id", "bill_id", name=op.f("pk_debit_exclusions")),
    )
    op.create_table(
        "debit_files",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("debits", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.Column("handed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default="claimed", nullable=False),
        sa.Column("moves", sa.SmallInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("(kind = 'debits') = (run_id IS NOT NULL)", name=op.f("ck_debit_files_debits_of_a_run")),
        sa.CheckConstraint("kind IN ('debits', 'recalls')", name=op.f("ck_debit_files_kind")),
        sa.CheckConstraint("state IN ('claimed', 'handed')", name=op.f("ck_debit_files_state")),
        sa.CheckConstraint("debits > 0 AND total_minor >= debits", name=op.f("ck_debit_files_sums")),
        sa.ForeignKeyConstraint(["run_id"], ["debit_runs.id"], name=op.f("fk_debit_files_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debit_files")),
        sa.UniqueConstraint("message_id", name=op.f("uq_debit_files_message_id")),
    )
    op.create_index(op.f("ix_debit_files_run_id"), "debit_files", ["run_id"], unique=False)
    op.create_index(
        "ix_debit_files_waiting", "debit_files", ["id"], unique=False, postgresql_where=sa.text("state = 'claimed'")
    )
    op.create_table(
        "debits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("bill_id", sa.BigInteger(), nullable=False),
        sa.Column("bill_number", sa.Text(), nullable=False),
        sa.Column("mandate_id", sa.BigInteger(), nullable=False),
        sa.Column("mandate_version", sa.SmallInteger(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("charge_on", sa.Date(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("end_to_end_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=True),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("printed_id", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("moves", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sequence IN ('FRST', 'RCUR')", name=op.f("ck_debits_sequence")),
        sa.CheckConstraint(
            "state IN ('accepted', 'dropped', 'paid', 'planned', 'recalled', 'rejected', 'returned', 'sent', 'unknown')",
            name=op.f("ck_debits_state"),
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'dropped') OR (file_id IS NOT NULL AND sent_at IS NOT NULL AND num_nonnulls(notice_id, printed_id) = 1)",
            name=op.f("ck_debits_sent_in_a_file_and_announced"),
        ),
        sa.CheckConstraint("minor > 0", name=op.f("ck_debits_takes_money")),
        sa.ForeignKeyConstraint(["file_id"], ["debit_files.id"], name=op.f("fk_debits_file_id")),
        sa.ForeignKeyConstraint(["run_id"], ["debit_runs.id"], name=op.f("fk_debits_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debits")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_debits_awaited", "debits", ["ask_at"], unique=False, postgresql_where=sa.text("ask_at IS NOT NULL")
    )
    op.create_index(op.f("ix_debits_bill_id"), "debits", ["bill_id"], unique=False)
    op.create_index(op.f("ix_debits_file_id"), "debits", ["file_id"], unique=False)
    op.create_index(op.f("ix_debits_mandate_id"), "debits", ["mandate_id"], unique=False)
    op.create_index(op.f("ix_debits_run_id"), "debits", ["run_id"], unique=False)
    for name, columns in (("uq_debits_end_to_end_id", ["end_to_end_id"]), ("uq_debits_attempt", ["bill_number", "attempt"])):
        op.create_index(name, "debits", columns, unique=True, postgresql_where=sa.text("state <> 'dropped'"))
    op.create_index(
        "uq_debits_live",
        "debits",
        ["bill_number"],
        unique=True,
        postgresql_where=sa.text("state IN ('planned', 'sent', 'accepted', 'unknown')"),
    )
    op.create_table(
        "debit_recalls",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("debit_id", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=True),
        sa.Column("wanted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="wanted", nullable=False),
        sa.Column("moves", sa.SmallInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('dropped', 'handed', 'honoured', 'refused', 'wanted')", name=op.f("ck_debit_recalls_state")
        ),
        sa.ForeignKeyConstraint(["debit_id"], ["debits.id"], name=op.f("fk_debit_recalls_debit_id")),
        sa.ForeignKeyConstraint(["file_id"], ["debit_files.id"], name=op.f("fk_debit_recalls_file_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debit_recalls")),
        sa.UniqueConstraint("debit_id", name=op.f("uq_debit_recalls_debit_id")),
    )
    op.create_index(op.f("ix_debit_recalls_file_id"), "debit_recalls", ["file_id"], unique=False)
    op.create_index(
        "ix_debit_recalls_wanted", "debit_recalls", ["id"], unique=False, postgresql_where=sa.text("state = 'wanted'")
    )
    op.create_table(
        "debit_reports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("debit_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("made_by", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(delivery_id IS NULL) = (made_by <> '')", name=op.f("ck_debit_reports_by_a_bank_or_a_person")
        ),
        sa.CheckConstraint("verdict IN ('accepted', 'cancelled', 'not_cancelled', 'rejected')", name=op.f("ck_debit_reports_verdict")),
        sa.ForeignKeyConstraint(["debit_id"], ["debits.id"], name=op.f("fk_debit_reports_debit_id")),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_debit_reports_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debit_reports")),
        sa.UniqueConstraint("delivery_id", "ordinal", name=op.f("uq_debit_reports_delivery_id_ordinal")),
    )
    op.create_index(op.f("ix_debit_reports_debit_id"), "debit_reports", ["debit_id"], unique=False)
    for kind, _table, start, moves in LIFECYCLES:
        for state, after in moves.items():
            for to in after.split():
                op.execute(f"INSERT INTO lifecycle_moves VALUES ('{kind}', '{state}', '{to}')")
        op.execute(f"INSERT INTO lifecycle_births VALUES ('{kind}', '{start}', 0)")
    for name, value in RULES.items():
        op.execute(f"INSERT INTO debit_rules VALUES ('{name}', '{value}')")
    op.drop_constraint(op.f("ck_messages_event"), "messages", type_="check")
    op.create_check_constraint(
        op.f("ck_messages_event"), "messages",
        "event IN ('before_debit', 'debit_failed', 'payment_recorded', 'payment_returned')",
    )  # fmt: skip
    op.execute(GUARDS)
    for table in ONLY_ADDED_TO:
        op.execute(
            f"CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
            " EXECUTE FUNCTION only_added_to()"
        )
    for table in KEPT:
        op.execute(
            f"CREATE TRIGGER only_added_to BEFORE DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
            " EXECUTE FUNCTION only_added_to()"
        )
    for table, columns in STAYS.items():
        op.execute(
            f"CREATE TRIGGER what_was_made_stays BEFORE UPDATE OF {columns} ON {table} FOR EACH STATEMENT"
            " EXECUTE FUNCTION only_added_to()"
        )
    for kind, table, start, _moves in LIFECYCLES:
        op.execute(f"SELECT guard_lifecycle('{kind}', '{table}', '{start}')")
