"""Debits: runs, their files and what banks say of each, recalls, holds, other days, printed notices, and the rules."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

RULES = {
    "notice_hours": "24", "abnormal_times": "3", "retries": "3", "retry_days": "7", "paydays": "1 5 10 15 20 25 30",
    "answer_hours": "24", "unreachable": "hold",
}  # fmt: skip


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
    for name, value in RULES.items():
        op.execute(f"INSERT INTO debit_rules VALUES ('{name}', '{value}')")
    op.drop_constraint(op.f("ck_messages_event"), "messages", type_="check")
    op.create_check_constraint(
        op.f("ck_messages_event"), "messages",
        "event IN ('before_debit', 'debit_failed', 'payment_recorded', 'payment_returned')",
    )  # fmt: skip
