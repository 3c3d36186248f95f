"""Sending debits: an approved run is looked at once more, put into files and called sent before a byte leaves.

A file's bytes follow from its row and its debits, so whoever hands it over after a kill hands over the same file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import debit_asking, debit_choice, debit_rules
from reconciliation.business_days import local_day
from reconciliation.debit_choice import Wanted
from reconciliation.debit_limits import FileLimits
from reconciliation.debits import DebitFile, DebitRun
from reconciliation.lifecycle import DEBIT, DEBIT_FILE, DEBIT_RUN, move

BY = "debits"
_AT_ONCE = 2_000
_MOVED_AT_ONCE = 10_000
"""Debits whose ids stand in memory at a time."""

# A bill that is being paid at this moment is waited for, so that what leaves is owed when the claim is committed.
_LOCK = """
    WITH held AS (
        SELECT id FROM bills WHERE id IN (SELECT bill_id FROM debits WHERE run_id = :run AND state = 'planned')
        ORDER BY id FOR SHARE
    ) SELECT count(*) FROM held
"""
_OBJECTIONS = """
    SELECT d.id, coalesce(j.reason, CASE WHEN j.bill_id IS NULL THEN 'not_due' ELSE 'changed' END) AS reason
    FROM debits d LEFT JOIN judged j ON j.bill_id = d.bill_id
    WHERE d.run_id = :run AND d.state = 'planned' AND (j.reason IS NOT NULL OR j.bill_id IS NULL
        OR (j.mandate_id, j.version, j.minor) <> (d.mandate_id, d.mandate_version, d.minor))
    ORDER BY d.id
"""
# The oldest first. Files are cut by count, and within it where the sum would be too large: a file's sum before its last
# debit lies within a slot that leaves room for the largest debit.
_FILES = """
    CREATE TEMP TABLE IF NOT EXISTS files_of_run (
        debit_id bigint PRIMARY KEY, notice_id bigint, printed_id bigint, number bigint, minor bigint, file_id bigint
    ) ON COMMIT DELETE ROWS
"""
_CUT = """
    INSERT INTO files_of_run
    SELECT id, notice_id, printed_id, dense_rank() OVER (ORDER BY by_count, by_sum), minor FROM (
        SELECT d.id, j.notice_id, j.printed_id, d.minor, (d.ordinal - 1) / :debits AS by_count,
            CAST((sum(d.minor) OVER (PARTITION BY (d.ordinal - 1) / :debits ORDER BY d.ordinal) - d.minor)
                / greatest(:total - max(d.minor) OVER (), 1) AS bigint) AS by_sum
        FROM (SELECT *, row_number() OVER (ORDER BY id) AS ordinal FROM debits
              WHERE run_id = :run AND state = 'planned') d JOIN judged j ON j.bill_id = d.bill_id
    ) c
"""
_MAKE = """
    WITH made AS (
        INSERT INTO debit_files (kind, run_id, bank, message_id, debits, total_minor, made_at)
        SELECT 'debits', :run, :bank, 'TN' || to_char(CAST(:day AS date), 'YYYYMMDD') || '-' || :run || '-' || number,
            count(*), sum(minor), :now
        FROM files_of_run GROUP BY number ORDER BY number RETURNING id
    )
    UPDATE files_of_run r SET file_id = f.id FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM made) f
    WHERE f.number = r.number
"""
_NEXT = "SELECT debit_id FROM files_of_run WHERE debit_id > :after ORDER BY debit_id LIMIT :limit"
_LEAVE = """
    (file_id, notice_id, printed_id) = (
        SELECT f.file_id, f.notice_id, f.printed_id FROM files_of_run f WHERE f.debit_id = t.id),
    sent_at = :now, ask_at = CAST(:now AS timestamptz) + interval '{hours} hours'
"""


@dataclass(frozen=True, slots=True)
class Left:
    """What became of a run: the files that are to be handed over, and how many debits stay behind, by reason."""

    files: list[int]
    dropped: dict[str, int]


def claim(session: Session, run_id: int, limits: FileLimits, *, now: datetime) -> Left:
    """Call an approved run sent, without what speaks against any of its debits by now; the caller commits, then sends.

    About what a mandate keeps behind a person is asked, and its customers are told that it is not debited.
    Nothing happens to a run in any other state.
    """
    run = session.get(DebitRun, run_id, with_for_update=True, populate_existing=True)
    if run is None or run.state != "approved":
        return Left([], {})
    these = {"run": run.id, "bank": run.bank, "day": run.charge_on, "now": now}
    session.execute(text(_LOCK), these)
    rules = debit_rules.rules(session)
    debit_choice.judge(session, Wanted(run.bank, run.charge_on, now, limits.debit_minor), rules, run=run.id)
    dropped = _drop(session, session.execute(text(_OBJECTIONS), these).all(), now)
    debit_asking.ask_of_kept_out(session, run, debit_asking.AT_SENDING, now=now)
    session.execute(text(_FILES))
    bounds = {"debits": limits.debits or 10**9, "total": limits.total_minor or 10**17}
    session.execute(text(_CUT), {**these, **bounds})
    session.execute(text(_MAKE), these)
    files = list(session.scalars(text("SELECT DISTINCT file_id FROM files_of_run ORDER BY 1")))
    noting, after = _LEAVE.format(hours=rules.answer_hours), 0
    while leaving := session.scalars(text(_NEXT), {"after": after, "limit": _MOVED_AT_ONCE}).all():
        move(session, DEBIT, leaving, "sent", by=BY, why="", now=now, noting=noting)
        after = leaving[-1]
    why = "its debits leave" if files else "nothing may leave of it"
    move(session, DEBIT_RUN, [run.id], "sent" if files else "withdrawn", by=BY, why=why, now=now)
    return Left(files, dropped)


def _drop(session: Session, objections: Sequence[Row[tuple[int, str]]], now: datetime) -> dict[str, int]:
    by_reason: dict[str, list[int]] = {}
    for one in objections:
        by_reason.setdefault(one.reason, []).append(one.id)
    for reason, ids in by_reason.items():
        move(session, DEBIT, ids, "dropped", by=BY, why=reason, now=now)
    return {reason: len(ids) for reason, ids in by_reason.items()}


_DUE = """
    SELECT id FROM debit_runs WHERE state = 'approved' AND bank = :bank AND charge_on <= :day AND debits > 0
    ORDER BY charge_on, id
"""
_WAITING = """
    SELECT id FROM debit_files WHERE state = 'claimed' AND (not_before IS NULL OR not_before <= :now)
        AND NOT bank = ANY(CAST(:banks AS text[]))
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_HEADS = """
    SELECT charge_on, sequence, count(*) AS debits, CAST(sum(minor) AS bigint) AS minor FROM debits
    WHERE file_id = :file GROUP BY 1, 2 ORDER BY 1, 2
"""
_ROWS = """
    SELECT d.end_to_end_id, d.minor, d.charge_on, d.sequence, m.reference, v.account_sealed,
        CAST(v.consent_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date) AS signed_on, c.code AS customer, b.period,
        b.payment_code
    FROM debits d JOIN bills b ON b.id = d.bill_id JOIN customers c ON c.id = b.customer_id
    JOIN mandates m ON m.id = d.mandate_id
    JOIN mandate_versions v ON v.mandate_id = d.mandate_id AND v.version = d.mandate_version
    WHERE d.file_id = :file ORDER BY d.sequence, d.id
"""


def due(session: Session, bank: str, *, lead: timedelta, now: datetime) -> list[int]:
    """Return the approved runs of `bank` that may leave: from `lead` before their day begins in Vietnam."""
    return list(session.scalars(text(_DUE), {"bank": bank, "day": local_day(now + lead)}))


def waiting_file(session: Session, *, not_at: Sequence[str] = (), now: datetime) -> DebitFile | None:
    """Take one file that is to be handed over, locked until the transaction ends; None when there is none.

    `not_at` are banks whose files are left for later.
    """
    found = session.scalar(text(_WAITING), {"now": now, "banks": list(not_at)})
    return None if found is None else session.get_one(DebitFile, found)


def heads(session: Session, file_id: int) -> Sequence[Row[tuple[date, str, int, int]]]:
    """Return (day, sequence, debits, đồng) of each group of a file, in the order in which `debits_of` yields them."""
    return session.execute(text(_HEADS), {"file": file_id}).all()


def debits_of(session: Session, file_id: int) -> Iterator[Row[tuple[object, ...]]]:
    """Yield a file's debits with all that its bank must know of each, a few at a time; accounts stand sealed."""
    yield from session.execute(
        text(_ROWS), {"file": file_id}, execution_options={"stream_results": True, "yield_per": _AT_ONCE}
    )


def handed(session: Session, file: DebitFile, *, size: int, digest: bytes, now: datetime) -> None:
    """Note that the bank has the file."""
    file.size, file.digest, file.handed_at, file.said = size, digest, now, ""
    session.flush()
    move(session, DEBIT_FILE, [file.id], "handed", by=BY, why="", now=now)
    session.refresh(file)


def not_handed(session: Session, file: DebitFile, *, said: str, again_at: datetime) -> None:
    """Note why the file could not be handed over, and when it is tried again."""
    file.attempts, file.said, file.not_before = file.attempts + 1, said, again_at
    session.flush()
