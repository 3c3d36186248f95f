"""Reports: lists for finance, each one query whose rows are read as they are wanted, however many there are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation.ageing import SPANS
from reconciliation.business_days import local_day
from reconciliation.ledger import FEE_ACCOUNTS, SIDES

_AT_ONCE = 1_000
"""Rows held at a time."""


@dataclass(frozen=True, slots=True)
class Report:
    """A name, a query over :now, :today, :bank ("" for all) and :run, and its columns, each with what its values are.

    Kinds: text, number (a count), money (smallest units of the row's `currency`, or đồng), day, moment, deadline (the
    end of a day); and what a page has words for: question (a mismatch's code), state (of a mismatch, or that it
    rests), payment (state of a payment), owner (a role), span (of ages), bank, reference (a payment's), subject (of a
    mismatch), actor, reason, account, entry (its key), memo, debit (state of a debit), reason_code (a bank's), left_out
    (why a bill is). What programs go by stands once more as it is, in columns
    called *_code.
    """

    name: str
    columns: Mapping[str, str]
    query: str


_AGE = "greatest(0, CAST(:today AS date) - CAST({moment} AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date))"
_SPAN = (
    "CASE "
    + " ".join(f"WHEN {{age}} <= {most} THEN '{name}'" for name, (_, most) in SPANS.items() if most is not None)
    + f" ELSE '{next(name for name, (_, most) in SPANS.items() if most is None)}' END"
)
_OPENED = _AGE.format(moment="m.opened_at")

AGEING = Report(
    "ageing",
    {
        "bank": "bank", "code": "text", "question": "question", "owner": "owner", "span": "span",
        "questions": "number", "overdue": "number", "resting": "number", "amount": "money", "resting_amount": "money",
        "bank_code": "text",
    },
    f"""
    SELECT m.source AS bank, m.code, m.code AS question, m.owner, {_SPAN.format(age=_OPENED)} AS span,
        count(*) AS questions,
        count(*) FILTER (WHERE greatest(m.due_at, m.rests_until) <= :now) AS overdue,
        count(*) FILTER (WHERE m.rests_until > :now) AS resting,
        CAST(coalesce(sum(m.minor) FILTER (WHERE m.currency = 'VND'), 0) AS bigint) AS amount,
        CAST(coalesce(sum(m.minor) FILTER (WHERE m.currency = 'VND' AND m.rests_until > :now), 0) AS bigint)
            AS resting_amount,
        m.source AS bank_code
    FROM mismatches m WHERE m.state <> 'resolved' AND (:bank = '' OR m.source = :bank)
    GROUP BY m.source, m.code, m.owner, span ORDER BY m.source, m.code, m.owner, span
    """,  # noqa: S608 - put together from constants
)  # fmt: skip

SUSPENSE = Report(
    "suspense",
    {
        "bank": "bank", "reference": "reference", "bank_reference": "text", "business_date": "day", "paid_at": "moment",
        "payment_state": "payment", "currency": "text", "amount": "money", "matched": "money", "left": "money",
        "held": "money", "days": "number", "span": "span", "code": "text", "question": "question", "owner": "owner",
        "due_at": "deadline", "bank_code": "text", "reference_code": "text",
    },
    f"""
    SELECT p.source AS bank, p.source_reference AS reference, p.bank_reference, p.business_date, p.paid_at,
        p.state AS payment_state, p.currency, p.minor AS amount, p.matched_minor - written.held AS matched,
        p.minor - p.matched_minor + written.held AS left, written.held, old.days,
        {_SPAN.format(age="old.days")} AS span, m.code, m.code AS question, m.owner, m.due_at,
        p.source AS bank_code, p.source_reference AS reference_code
    FROM (
        SELECT id, CAST(sum(held) AS bigint) AS held FROM (
            SELECT id, 0 AS held FROM payments WHERE matched_minor < minor AND state <> 'denied'
            UNION ALL
            SELECT payment_id, minor FROM placements WHERE kind = 'held' AND undone_at IS NULL
        ) parts GROUP BY id
    ) written JOIN payments p USING (id)
    CROSS JOIN LATERAL (SELECT greatest(0, CAST(:today AS date) - p.business_date) AS days) old
    LEFT JOIN LATERAL (
        SELECT code, owner, due_at FROM mismatches q
        WHERE q.payment_id = p.id AND q.state <> 'resolved' ORDER BY q.subject <> 'payment:' || p.id, q.id LIMIT 1
    ) m ON true
    WHERE :bank = '' OR p.source = :bank
    ORDER BY p.id
    """,  # noqa: S608 - put together from constants
)  # fmt: skip

MISMATCHES = Report(
    "mismatches",
    {
        "id": "number", "code": "text", "question": "question", "bank": "bank", "subject": "subject", "bill": "text",
        "reference": "reference", "currency": "text", "amount": "money", "state": "state", "owner": "owner",
        "opened_at": "moment", "days": "number", "span": "span", "due_at": "deadline", "rests_until": "deadline",
        "resolved_at": "moment", "resolved_by": "actor", "resolution": "reason", "bank_code": "text",
        "subject_code": "text", "reference_code": "text",
    },
    f"""
    SELECT m.id, m.code, m.code AS question, m.source AS bank, m.subject, b.number AS bill,
        p.source_reference AS reference, m.currency, m.minor AS amount,
        CASE WHEN m.state <> 'resolved' AND m.rests_until > :now THEN 'resting' ELSE m.state END AS state, m.owner,
        m.opened_at, old.days,
        {_SPAN.format(age="old.days")} AS span, m.due_at, m.rests_until, m.resolved_at, m.resolved_by, m.resolution,
        m.source AS bank_code, m.subject AS subject_code, p.source_reference AS reference_code
    FROM mismatches m LEFT JOIN bills b ON b.id = m.bill_id LEFT JOIN payments p ON p.id = m.payment_id
    CROSS JOIN LATERAL (SELECT CASE WHEN m.resolved_at IS NULL THEN {_OPENED} ELSE greatest(
        0, CAST(m.resolved_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date)
            - CAST(m.opened_at AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date)) END AS days) old
    WHERE :bank = '' OR m.source = :bank
    ORDER BY m.id
    """,  # noqa: S608 - put together from constants
)  # fmt: skip

FEES = Report(
    "fees",
    {
        "business_date": "day", "bank": "bank", "account": "account", "entry": "entry", "memo": "memo",
        "currency": "text", "amount": "money", "bank_code": "text", "account_code": "text", "entry_code": "text",
    },
    f"""
    SELECT e.business_date, e.bank, side.account, e.key AS entry, e.memo, e.currency, side.minor AS amount,
        e.bank AS bank_code, side.account AS account_code, e.key AS entry_code
    FROM entries e {SIDES}
    WHERE (e.debit IN {FEE_ACCOUNTS} OR e.credit IN {FEE_ACCOUNTS}) AND side.account IN {FEE_ACCOUNTS}
      AND (:bank = '' OR e.bank = :bank)
    ORDER BY e.id, side.minor DESC
    """,  # noqa: S608 - put together from constants
)  # fmt: skip

DEBIT_RUN = Report(
    "debit_run",
    {
        "bill": "text", "charge_on": "day", "amount": "money", "end_to_end_id": "text", "attempt": "number",
        "debit_state": "debit", "code": "text", "code_meaning": "reason_code", "file": "text", "left_out": "left_out",
        "debit_state_code": "text", "left_out_code": "text",
    },
    """
    SELECT d.bill_number AS bill, d.charge_on, d.minor AS amount, d.end_to_end_id, d.attempt, d.state AS debit_state,
        d.reason AS code, d.reason AS code_meaning, coalesce(f.message_id, '') AS file, '' AS left_out,
        d.state AS debit_state_code, '' AS left_out_code
    FROM debits d LEFT JOIN debit_files f ON f.id = d.file_id WHERE d.run_id = :run
    UNION ALL
    SELECT b.number, r.charge_on, x.minor, '', NULL, '', '', '', '', x.reason, '', x.reason
    FROM debit_exclusions x JOIN bills b ON b.id = x.bill_id JOIN debit_runs r ON r.id = x.run_id
    WHERE x.run_id = :run
    ORDER BY bill
    """,
)  # fmt: skip

REPORTS: Mapping[str, Report] = {one.name: one for one in (AGEING, SUSPENSE, FEES, MISMATCHES)}
"""Every report, by its name; one more is one more of these, with words for its columns in the shell."""
OF_ONE: Mapping[str, Report] = {DEBIT_RUN.name: DEBIT_RUN}
"""Reports on one thing, given on its own page."""


def rows(session: Session, report: Report, *, bank: str = "", run: int = 0, now: datetime) -> Iterator[Row[Any]]:
    """Yield the report's rows, read by a cursor in the server: of any number of them few are held at a time."""
    values = {"now": now, "today": local_day(now), "bank": bank, "run": run}
    yield from session.execute(text(report.query), values, execution_options={"yield_per": _AT_ONCE})
