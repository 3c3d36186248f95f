"""Debits: what banks are asked to take for bills, run by run; one row for each attempt, and one live one a bill.

A debit's state follows from facts that are kept: what banks report of it, and the payments that bear its end-to-end id.
"""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Row, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.db import Base, Id, Label, Minor, Moves, one_of
from reconciliation.lifecycle import DEBIT, DEBIT_FILE, DEBIT_RUN

LIVE = "state IN ('planned', 'sent', 'accepted', 'unknown')"
"""The states of a debit that may still take money: no other one of its bill may be in any of them."""
MEANT = "state <> 'dropped'"
"""What never left counts as no attempt, and its id may be borne by the next one."""
NEWEST = """NOT EXISTS (SELECT 1 FROM debits o WHERE o.bill_number = d.bill_number AND o.attempt > d.attempt
                AND o.sent_at IS NOT NULL)"""
"""Whether of a bill's debits that left, d is the newest: the one that money without an end-to-end id is of."""
VERDICTS = ["accepted", "rejected", "cancelled", "not_cancelled"]
"""What is said of a debit; the last two answer a recall, and the first of them comes without one too."""
GROUP_NUMBER = "dense_rank() OVER (PARTITION BY d.file_id ORDER BY d.sequence)"
"""The number of a debit's payment group in its file, over all debits d of that file."""
FIRST, RECURRENT = "FRST", "RCUR"
Fact = Row[tuple[object, ...]]
"""What is known of one debit, and the state that calls for (`target`): see `debit_following`."""


class DebitRun(Base):
    """The debits of one bank and day that one person chose and another approves; count and sum are fixed as made."""

    __tablename__ = "debit_runs"
    __table_args__ = (
        Index("uq_debit_runs_open", "bank", "charge_on", unique=True, postgresql_where=text("state = 'proposed'")),
        one_of("state", DEBIT_RUN.states),
        CheckConstraint("debits >= 0 AND total_minor >= debits", name="sums"),
        CheckConstraint("maker <> ''", name="made_by_somebody"),
        CheckConstraint(
            "state NOT IN ('approved', 'sent') OR (checker <> '' AND checker <> maker)", name="checked_by_another"
        ),
    )

    id: Mapped[Id]
    bank: Mapped[str]
    charge_on: Mapped[date]
    debits: Mapped[int]
    total_minor: Mapped[Minor]
    maker: Mapped[str]
    made_at: Mapped[datetime]
    checker: Mapped[Label]
    checked_at: Mapped[datetime | None]
    checked_why: Mapped[Label]
    state: Mapped[str] = mapped_column(server_default=DEBIT_RUN.start)
    moves: Mapped[Moves]


class DebitFile(Base):
    """What one bank gets at once, by the message id it answers under; its bytes are made anew from it, always the same.

    `size` and `digest` (SHA-256) are those of the bytes that were handed over.
    """

    __tablename__ = "debit_files"
    __table_args__ = (
        UniqueConstraint("message_id"),
        Index("ix_debit_files_waiting", "id", postgresql_where=text("state = 'claimed'")),
        Index(None, "run_id"),
        one_of("state", DEBIT_FILE.states),
        one_of("kind", ["debits", "recalls"]),
        CheckConstraint("(kind = 'debits') = (run_id IS NOT NULL)", name="debits_of_a_run"),
        CheckConstraint("debits > 0 AND total_minor >= debits", name="sums"),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("debit_runs.id"))
    bank: Mapped[str]
    message_id: Mapped[str]
    debits: Mapped[int]
    total_minor: Mapped[Minor]
    made_at: Mapped[datetime]
    size: Mapped[int | None]
    digest: Mapped[bytes | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    not_before: Mapped[datetime | None]
    """When handing it over may be tried again."""
    said: Mapped[Label]
    """What the road to the bank answered last."""
    handed_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(server_default=DEBIT_FILE.start)
    moves: Mapped[Moves]


class Debit(Base):
    """One attempt at one bill; `notice_id` or `printed_id` is how the customer was told before."""

    __tablename__ = "debits"
    __table_args__ = (
        Index("uq_debits_end_to_end_id", "end_to_end_id", unique=True, postgresql_where=text(MEANT)),
        Index("uq_debits_attempt", "bill_number", "attempt", unique=True, postgresql_where=text(MEANT)),
        Index("uq_debits_live", "bill_number", unique=True, postgresql_where=text(LIVE)),
        Index(None, "run_id"),
        Index(None, "file_id"),
        Index(None, "bill_id"),
        Index(None, "mandate_id"),
        Index("ix_debits_awaited", "ask_at", postgresql_where=text("ask_at IS NOT NULL")),
        one_of("state", DEBIT.states),
        one_of("sequence", [FIRST, RECURRENT]),
        CheckConstraint("minor > 0", name="takes_money"),
        CheckConstraint("state IN ('planned', 'dropped') OR (file_id IS NOT NULL AND sent_at IS NOT NULL"
                        " AND num_nonnulls(notice_id, printed_id) = 1)", name="sent_in_a_file_and_announced"),
        {"postgresql_with": {"fillfactor": 70}},
    )  # fmt: skip

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(ForeignKey("debit_runs.id"))
    bill_id: Mapped[int]
    """There, as the guard of debits sees to."""
    bill_number: Mapped[str]
    mandate_id: Mapped[int]
    mandate_version: Mapped[int] = mapped_column(SmallInteger)
    attempt: Mapped[int] = mapped_column(SmallInteger)
    bank: Mapped[str]
    charge_on: Mapped[date]
    minor: Mapped[Minor]
    end_to_end_id: Mapped[str]
    sequence: Mapped[str]
    file_id: Mapped[int | None] = mapped_column(ForeignKey("debit_files.id"))
    notice_id: Mapped[int | None]
    printed_id: Mapped[int | None]
    sent_at: Mapped[datetime | None]
    ask_at: Mapped[datetime | None]
    """When the bank is asked (again), unless it has spoken before."""
    asked: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    reason: Mapped[Label]
    """The bank's code for why it took nothing, or gave back."""
    state: Mapped[str] = mapped_column(server_default=DEBIT.start)
    moves: Mapped[Moves]
    created_at: Mapped[datetime]


class Exclusion(Base):
    """A bill that its run leaves out, and why; `detail` says what was expected and what is."""

    __tablename__ = "debit_exclusions"

    run_id: Mapped[int] = mapped_column(ForeignKey("debit_runs.id"), primary_key=True)
    bill_id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str]
    minor: Mapped[Minor]


class DebitReport(Base):
    """What a bank, or a person for it, said of one debit; facts that are only added to, and count in any order."""

    __tablename__ = "debit_reports"
    __table_args__ = (
        UniqueConstraint("delivery_id", "ordinal"),
        Index(None, "debit_id"),
        one_of("verdict", VERDICTS),
        CheckConstraint("(delivery_id IS NULL) = (made_by <> '')", name="by_a_bank_or_a_person"),
    )

    id: Mapped[Id]
    debit_id: Mapped[int] = mapped_column(ForeignKey("debits.id"))
    delivery_id: Mapped[int | None] = mapped_column(ForeignKey("deliveries.id"))
    ordinal: Mapped[int]
    verdict: Mapped[str]
    status: Mapped[Label]
    reason: Mapped[Label]
    detail: Mapped[Label]
    made_by: Mapped[Label]
    at: Mapped[datetime]


class DebitNews(Base):
    """A debit of which more is known than its state says; noted by triggers, taken away by whoever follows them.

    Not unique: nobody who books a payment waits for another one, or for whoever follows.
    """

    __tablename__ = "debit_news"

    id: Mapped[Id]
    debit_id: Mapped[int]


class ReopenedBill(Base):
    """A bill that is owed again after it was not; noted by a trigger, as debits' news are."""

    __tablename__ = "reopened_bills"

    id: Mapped[Id]
    bill_id: Mapped[int]
