"""Debits in figures, for those who look at them: what became of a run, one bill's debiting, and what waits for people.

Nothing here changes anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import BigInteger, Row, Select, column, select, text
from sqlalchemy.orm import Session

from reconciliation.audit import AuditEntry
from reconciliation.bill_holds import BillHold
from reconciliation.bills import Bill
from reconciliation.business_days import local_day
from reconciliation.debit_days import DAY, DebitDate
from reconciliation.debit_notices import PrintedNotice
from reconciliation.debits import NEWEST, Debit, DebitRun
from reconciliation.mandates import IN_FORCE
from reconciliation.payments import Payment

_OUTCOMES = """
    SELECT state, reason, count(*) AS debits, CAST(sum(minor) AS bigint) AS minor FROM (
        SELECT d.state, d.minor, CASE WHEN d.state = 'dropped' THEN coalesce((
            SELECT t.why FROM transitions t WHERE t.kind = 'debit' AND t.subject_id = d.id AND t.to_state = 'dropped'
            ORDER BY t.sort_key DESC LIMIT 1), '') ELSE d.reason END AS reason
        FROM debits d WHERE d.run_id = :run) o
    GROUP BY 1, 2 ORDER BY 1, 2
"""
_LEFT_OUT = """
    SELECT reason, count(*) AS bills, CAST(sum(minor) AS bigint) AS minor FROM debit_exclusions WHERE run_id = :run
    GROUP BY 1 ORDER BY 1
"""
_CONTROL = """
    SELECT s.debits, s.minor, s.dropped, s.dropped_minor, f.debits AS filed, f.minor AS filed_minor,
        s.filed AS in_files, s.filed_minor AS in_files_minor
    FROM (SELECT count(*) AS debits, CAST(coalesce(sum(minor), 0) AS bigint) AS minor,
            count(*) FILTER (WHERE state = 'dropped') AS dropped,
            CAST(coalesce(sum(minor) FILTER (WHERE state = 'dropped'), 0) AS bigint) AS dropped_minor,
            count(file_id) AS filed,
            CAST(coalesce(sum(minor) FILTER (WHERE file_id IS NOT NULL), 0) AS bigint) AS filed_minor
          FROM debits WHERE run_id = :run) s
    CROSS JOIN (SELECT CAST(coalesce(sum(debits), 0) AS bigint) AS debits,
                    CAST(coalesce(sum(total_minor), 0) AS bigint) AS minor
                FROM debit_files WHERE run_id = :run) f
"""
# By the id that the bank repeats; else by the mandate that the bank names on the line that pays the bill.
_PAYMENTS = f"""
    SELECT p.id FROM debits d JOIN payments p ON p.source = d.bank AND p.end_to_end_id = d.end_to_end_id
    WHERE d.id = :debit AND p.end_to_end_id <> ''
    UNION
    SELECT p.id FROM debits d JOIN mandates m ON m.id = d.mandate_id
    JOIN allocations a ON a.bill_id = d.bill_id AND a.undone_at IS NULL
    JOIN payments p ON p.id = a.payment_id AND p.source = d.bank AND p.end_to_end_id = ''
    JOIN statement_lines l ON l.payment_id = p.id AND l.mandate_id = m.reference
    WHERE d.id = :debit AND {NEWEST}
"""  # noqa: S608 - put together from constants, here and below
_MANDATE = f"""
    SELECT m.reference, m.bank, m.state, m.version, m.valid_to, v.valid_from, v.cap_minor, v.account_tail
    FROM mandates m JOIN mandate_versions v ON v.mandate_id = m.id AND v.version = m.version
    WHERE m.customer_id = :customer AND m.{IN_FORCE}
"""  # noqa: S608
_ABNORMAL = """
    SELECT h.bill_id FROM bill_holds h JOIN bills b ON b.id = h.bill_id AND b.live AND b.state = 'open'
    WHERE h.kind = 'abnormal' AND h.released_at IS NULL
"""
_MISSED = f"""
    SELECT b.id FROM owed_bills o JOIN bills b ON b.id = o.bill_id AND b.paid_minor = 0
    CROSS JOIN LATERAL (SELECT {DAY.format(bill="b")} AS day) due
    WHERE o.bank <> ''
      AND (b.charge_on < :today OR b.id IN (SELECT bill_id FROM debit_dates WHERE charge_on < :today))
      AND due.day < :today AND NOT EXISTS (
        SELECT 1 FROM debits d WHERE d.bill_number = b.number AND d.charge_on >= due.day AND d.state <> 'dropped')
"""  # noqa: S608
_COUNTED = 10_000
_COUNT_MISSED = f"""
    INSERT INTO counted_figures (name, value, counted_at)
    SELECT 'missed_debits', count(*), :now FROM ({_MISSED} LIMIT {_COUNTED}) m
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, counted_at = excluded.counted_at
"""  # noqa: S608
_WAITING = f"""
    SELECT (SELECT count(*) FROM debit_runs WHERE state = 'proposed') AS runs,
        (SELECT count(*) FROM debit_files WHERE state = 'claimed' AND attempts > 0) AS files,
        (SELECT count(*) FROM debits WHERE state = 'unknown' AND ask_at IS NOT NULL) AS asked_after,
        (SELECT count(*) FROM mismatches
         WHERE code = 'M16' AND state <> 'resolved' AND subject LIKE 'debit:%') AS given_up,
        (SELECT count(*) FROM ({_ABNORMAL}) a) AS abnormal,
        (SELECT coalesce(max(value), 0) FROM counted_figures WHERE name = 'missed_debits') AS missed
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for people: counts. `asked_after` are unknown debits that the schedule asks about, `given_up` others.

    `missed` are bills owed whole whose day passed without a debit that left or is about to, up to 10,000, as the
    schedule counted them last (`count_missed`).
    """

    runs: int
    files: int
    asked_after: int
    given_up: int
    abnormal: int
    missed: int

    def __bool__(self) -> bool:
        return any((self.runs, self.files, self.asked_after, self.given_up, self.abnormal, self.missed))


@dataclass(frozen=True, slots=True)
class Control:
    """A run's count and sum as made, what was left out of it before sending, and what its files say and hold."""

    debits: int
    minor: int
    dropped: int
    dropped_minor: int
    filed: int
    filed_minor: int
    in_files: int
    in_files_minor: int

    def agrees(self, debits: int, minor: int, *, sent: bool) -> bool:
        """Tell whether the run's own figures, its debits, its files and what they hold agree."""
        whole = (self.debits, self.minor) == (debits, minor)
        files = (self.filed, self.filed_minor) == (self.in_files, self.in_files_minor)
        rest = (self.debits - self.dropped, self.minor - self.dropped_minor)
        return whole and files and (not sent or (self.filed, self.filed_minor) == rest)


@dataclass(frozen=True, slots=True)
class Debiting:
    """How one bill is debited: its day now, every day it was put off to, holds, notices on paper, debits, and acts."""

    day: date | None
    days: Sequence[DebitDate]
    holds: Sequence[BillHold]
    printed: Sequence[PrintedNotice]
    debits: Sequence[Debit]
    mandate: Row[tuple[object, ...]] | None
    acts: Sequence[AuditEntry]


def outcomes(session: Session, run_id: int) -> Sequence[Row[tuple[str, str, int, int]]]:
    """Return (state, reason, debits, minor) of what became of a run's debits; of a dropped one, why it was."""
    return session.execute(text(_OUTCOMES), {"run": run_id}).all()


def left_out(session: Session, run_id: int) -> Sequence[Row[tuple[str, int, int]]]:
    """Return (reason, bills, minor) of what a run leaves out."""
    return session.execute(text(_LEFT_OUT), {"run": run_id}).all()


def control(session: Session, run_id: int) -> Control:
    """Return the control sums of a run and of its files."""
    return Control(**session.execute(text(_CONTROL), {"run": run_id}).mappings().one())


def payments_of(session: Session, debit_id: int) -> Sequence[Payment]:
    """Return the payments that brought a debit's money."""
    ids = session.scalars(text(_PAYMENTS), {"debit": debit_id}).all()
    return session.scalars(select(Payment).where(Payment.id.in_(ids)).order_by(Payment.id)).all()


def of_bill(session: Session, bill: Bill) -> Debiting:
    """Return how a bill is debited."""
    day = session.scalar(text(f"SELECT {DAY.format(bill='b')} FROM bills b WHERE b.id = :id"), {"id": bill.id})  # noqa: S608
    of_this = {"customer": bill.customer_id}
    return Debiting(
        day,
        session.scalars(select(DebitDate).where(DebitDate.bill_id == bill.id).order_by(DebitDate.ordinal)).all(),
        session.scalars(select(BillHold).where(BillHold.bill_id == bill.id).order_by(BillHold.id)).all(),
        session.scalars(select(PrintedNotice).where(PrintedNotice.bill_id == bill.id).order_by(PrintedNotice.id)).all(),
        session.scalars(select(Debit).where(Debit.bill_number == bill.number).order_by(Debit.attempt)).all(),
        session.execute(text(_MANDATE), of_this).one_or_none(),
        session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject == f"bill:{bill.number}", AuditEntry.action.in_(ACTS_ON_BILLS))
            .order_by(AuditEntry.id)
        ).all(),
    )


ACTS_ON_BILLS = ("bill_held", "bill_released", "notice_printed")
"""What people do to a bill's debiting, as the audit trail calls it."""


def waiting(session: Session) -> Waiting:
    """Count what waits for people."""
    return Waiting(**session.execute(text(_WAITING)).mappings().one())


def runs(session: Session, since: date, until: date) -> Sequence[DebitRun]:
    """Return the runs whose debits fall on a day from `since` to `until`, but for those that were turned down."""
    wanted = select(DebitRun).where(
        DebitRun.charge_on.between(since, until), DebitRun.state.in_(["proposed", "approved", "sent"])
    )
    return session.scalars(wanted.order_by(DebitRun.charge_on, DebitRun.bank, DebitRun.id)).all()


def count_missed(session: Session, *, now: datetime) -> None:
    """Count the bills whose day passed without a debit, for who asks what waits; the caller commits."""
    session.execute(text(_COUNT_MISSED), {"today": local_day(now), "now": now})


def missed(now: datetime) -> Select[tuple[int]]:
    """Return the query for the ids of bills whose day passed without a debit."""
    found = text(_MISSED).bindparams(today=local_day(now)).columns(column("id", BigInteger)).subquery()
    return select(found.c.id)


def abnormal() -> Select[tuple[int]]:
    """Return the query for the ids of bills that are owed and held because their usage looks wrong."""
    found = text(_ABNORMAL).columns(column("bill_id", BigInteger)).subquery()
    return select(found.c.bill_id)
