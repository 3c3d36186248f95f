"""Debit reports: what banks say of debits becomes facts; one not named shares its group's word, or its file's."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from banks.records import (
    DebitOutcome,
    FileEvent,
    RecallClosed,
    RecallOpened,
    RecallOutcome,
    RecallVerdict,
    ReportClosed,
    ReportOpened,
    Verdict,
)
from reconciliation import audit
from reconciliation.copying import copy_all
from reconciliation.debits import GROUP_NUMBER, VERDICTS

_RECALLED = {RecallVerdict.CANCELLED: "cancelled", RecallVerdict.REJECTED: "not_cancelled"}
_CANCELLED = "CANC"
"""The status of a debit that a bank cancelled before it carried it out."""


class NoDebit(ValueError):
    """A word on a debit that was not sent; says what was expected and what arrived."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a report was of: debits it told of, and ids it names that no debit of ours at that bank bears."""

    debits: int
    unknown: tuple[str, ...]
    unknown_count: int


_STAGE = """
    CREATE TEMP TABLE IF NOT EXISTS staged_outcomes (
        ordinal bigint, request text, message_id text, level text, payment_group text, end_to_end_id text, verdict text,
        status text, reason text, detail text
    ) ON COMMIT DELETE ROWS
"""
# Our groups are numbered by what tells them apart, in the order in which the file has them. An answer to a recall is of
# what that recall was of, and of nothing else.
_TAKE = f"""
    WITH concerned AS MATERIALIZED (
        SELECT id FROM debit_files WHERE bank = :bank AND kind = 'debits'
            AND message_id IN (SELECT message_id FROM staged_outcomes WHERE request = '' AND level <> 'debit')
        UNION
        SELECT d.file_id FROM debit_files f JOIN debit_recalls r ON r.file_id = f.id JOIN debits d ON d.id = r.debit_id
        WHERE f.bank = :bank AND f.message_id IN (SELECT request FROM staged_outcomes WHERE level <> 'debit')
    ), grouped AS MATERIALIZED (
        SELECT d.id AS debit_id, f.message_id, f.message_id || '-'
            || lpad(CAST({GROUP_NUMBER} AS text), 4, '0') AS payment_group
        FROM concerned c JOIN debit_files f ON f.id = c.id JOIN debits d ON d.file_id = f.id
    ), called_back AS MATERIALIZED (
        SELECT r.debit_id, f.message_id AS request FROM debit_files f JOIN debit_recalls r ON r.file_id = f.id
        WHERE f.bank = :bank AND f.message_id IN (SELECT request FROM staged_outcomes)
    ), told AS (
        SELECT d.id AS debit_id, 1 AS rank, s.* FROM staged_outcomes s
        JOIN debits d ON d.end_to_end_id = s.end_to_end_id AND d.bank = :bank AND d.sent_at IS NOT NULL
        WHERE s.level = 'debit'
        UNION ALL
        SELECT g.debit_id, CASE s.level WHEN 'group' THEN 2 ELSE 3 END, s.* FROM staged_outcomes s
        JOIN grouped g ON g.message_id = s.message_id AND (s.level = 'file' OR g.payment_group = s.payment_group)
        LEFT JOIN called_back c ON c.debit_id = g.debit_id AND c.request = s.request
        WHERE s.level IN ('file', 'group') AND (s.request = '' OR c.debit_id IS NOT NULL)
        UNION ALL
        SELECT c.debit_id, 4, s.* FROM staged_outcomes s JOIN called_back c USING (request) WHERE s.level = 'request'
    ), said AS (
        SELECT DISTINCT ON (debit_id) * FROM told ORDER BY debit_id, rank, ordinal DESC
    ), noted AS (
        INSERT INTO debit_reports (debit_id, delivery_id, ordinal, verdict, status, reason, detail, at)
        SELECT debit_id, :delivery, row_number() OVER (ORDER BY debit_id), verdict, status, reason, detail, :now
        FROM said WHERE verdict = ANY(:verdicts) RETURNING 1
    )
    SELECT count(*) FROM noted
"""  # noqa: S608 - put together from constants
_UNKNOWN = """
    SELECT s.end_to_end_id, count(*) OVER () AS all_of_them FROM staged_outcomes s
    WHERE s.level = 'debit' AND NOT EXISTS (
        SELECT 1 FROM debits d WHERE d.end_to_end_id = s.end_to_end_id AND d.bank = :bank AND d.sent_at IS NOT NULL)
    ORDER BY s.ordinal LIMIT 3
"""
_REFUSED = """
    INSERT INTO debit_reports (debit_id, delivery_id, ordinal, verdict, reason, at)
    SELECT d.id, w.delivery, row_number() OVER (PARTITION BY w.delivery ORDER BY d.id), 'rejected', min(w.reason), :now
    FROM unnest(CAST(:banks AS text[]), CAST(:deliveries AS bigint[]), CAST(:ids AS text[]), CAST(:reasons AS text[]))
        AS w (bank, delivery, id, reason)
    JOIN debits d ON d.end_to_end_id = w.id AND d.bank = w.bank AND d.sent_at IS NOT NULL
    WHERE NOT EXISTS (SELECT 1 FROM debit_reports r WHERE r.delivery_id = w.delivery)
    GROUP BY d.id, w.delivery RETURNING debit_id
"""
_BY_PERSON = """
    INSERT INTO debit_reports (debit_id, ordinal, verdict, reason, detail, made_by, at)
    SELECT id, 1, :verdict, :reason, :why, :by, :now FROM debits WHERE end_to_end_id = :id AND sent_at IS NOT NULL
    RETURNING debit_id
"""
_NOTE = """
    INSERT INTO debit_reports (debit_id, ordinal, verdict, status, reason, made_by, at)
    VALUES (:id, 1, :verdict, :status, :reason, :by, :now)
"""
_OURS = "SELECT EXISTS (SELECT 1 FROM debit_files WHERE bank = :bank AND message_id = :message)"


def is_ours(session: Session, bank: str, report: ReportOpened | RecallOpened) -> bool:
    """Tell whether a report is of a file, or an answer to a recall, that we sent to this bank."""
    sent = report.original_message_id if isinstance(report, ReportOpened) else report.request_id
    return bool(session.scalar(text(_OURS), {"bank": bank, "message": sent}))


def take_in(session: Session, events: Iterable[FileEvent], *, bank: str, delivery_id: int, now: datetime) -> Taken:
    """Note what reports say, as a stream of their events; whoever follows moves the debits. Reads all of `events`."""
    session.execute(text(_STAGE))
    session.execute(text("DELETE FROM staged_outcomes"))
    copy_all(session, "staged_outcomes", _rows(events))
    session.execute(text("ANALYZE staged_outcomes"))
    values = {"bank": bank, "delivery": delivery_id, "verdicts": VERDICTS, "now": now}
    told = session.scalar(text(_TAKE), values)
    unknown = session.execute(text(_UNKNOWN), values).all()
    count = unknown[0].all_of_them if unknown else 0
    return Taken(int(told or 0), tuple(row.end_to_end_id for row in unknown), count)


class Refused(NamedTuple):
    """A debit that its bank tells by a callback not to have carried out: the delivery that says so, and the code."""

    bank: str
    delivery_id: int
    end_to_end_id: str
    reason: str


def hear(session: Session, refused: Sequence[Refused], *, now: datetime) -> int:
    """Note what callbacks say of debits that failed; return how many of ours they name."""
    if not refused:
        return 0
    columns = dict(zip(("banks", "deliveries", "ids", "reasons"), map(list, zip(*refused, strict=True)), strict=True))
    return len(session.scalars(text(_REFUSED), {**columns, "now": now}).all())


def say(session: Session, end_to_end_id: str, verdict: str, *, reason: str, why: str, by: str, now: datetime) -> None:
    """Note what a person heard from the bank of one debit; raises NoDebit."""
    values = {"id": end_to_end_id, "verdict": verdict, "reason": reason, "why": why, "by": by, "now": now}
    found = session.scalar(text(_BY_PERSON), values)
    if found is None:
        raise NoDebit(f"expected the end-to-end id of a debit that was sent, got {end_to_end_id[:40]!r}")
    facts = {"debit": end_to_end_id, "verdict": verdict, "reason": reason, "why": why}
    audit.append(session, actor=by, action="debit_answered", subject=f"debit:{found}", facts=facts, now=now)


def note(
    session: Session, debit_id: int, status: str, verdict: Verdict, *, reason: str, by: str, now: datetime
) -> None:
    """Note what a bank answered that was asked after one debit; nothing where it says nothing yet."""
    said = _said(status, verdict)
    if said in VERDICTS:
        values = {"id": debit_id, "verdict": said, "status": status, "reason": reason, "by": by, "now": now}
        session.execute(text(_NOTE), values)


def _said(status: str, verdict: Verdict) -> str:
    return "cancelled" if status == _CANCELLED else verdict.value


_Row = tuple[int, str, str, str, str, str, str, str, str, str]


def _rows(events: Iterable[FileEvent]) -> Iterator[_Row]:
    message = request = ""
    for number, event in enumerate(events, 1):
        match event:
            case ReportOpened():
                message, request = event.original_message_id, ""
            case RecallOpened():
                message, request = "", event.request_id
            case DebitOutcome():
                yield _row(number, request, message, event, _said(event.status, event.verdict))
            case RecallOutcome():
                yield _row(number, request, event.original_message_id, event, _RECALLED.get(event.verdict, ""))
            case ReportClosed() | RecallClosed():
                pass
            case _:
                raise TypeError(f"expected reports on debits alone, got a {type(event).__name__}")


def _row(number: int, request: str, message: str, event: DebitOutcome | RecallOutcome, verdict: str) -> _Row:
    return (
        number, request, message, event.level, event.payment_group, event.end_to_end_id, verdict, event.status[:35],
        event.reason[:35], event.detail[:500],
    )  # fmt: skip
