"""Mandates in: those that banks hold already come by the file; a known one changes nothing, or gets a new version.

Rows are copied beside the tables, held against them all together, and taken over by a few statements.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import audit
from reconciliation.business_days import local_day
from reconciliation.copying import copy_all
from reconciliation.lifecycle import MANDATE, move
from reconciliation.mandates import IN_FORCE

STATES = ("submitted", "active", "paused")
"""What a mandate may be as it comes in: with the bank and not answered yet, or in force."""


class MandateIn(NamedTuple):
    """One mandate as a file tells it; the account comes sealed, hashed and cut from the shell.

    `number` counts the rows of the file, `place` says where it stood ("line 12").
    """

    number: int
    place: str
    bank: str
    reference: str
    customer_code: str
    account_sealed: bytes
    account_hash: bytes
    account_tail: str
    cap_minor: int
    valid_from: date
    valid_to: date | None
    consent_text: str
    consent_at: datetime
    consent_channel: str
    assisted_by: str
    state: str


class Problem(NamedTuple):
    """What is wrong with one row: its number in the file, and words that begin with its place."""

    number: int
    says: str


class Taken(NamedTuple):
    """What an import did: mandates that are new, that got a new version, and that were known."""

    new: int
    changed: int
    unchanged: int


_COLUMNS = ", ".join(MandateIn._fields)
_STAGE = """
    CREATE TEMP TABLE staged_mandates (
        number bigint, place text, bank text, reference text, customer_code text, account_sealed bytea,
        account_hash bytea, account_tail text, cap_minor bigint, valid_from date, valid_to date, consent_text text,
        consent_at timestamptz, consent_channel text, assisted_by text, state text
    ) ON COMMIT DROP
"""
_TERMS = "account_hash, cap_minor, valid_from, valid_to, consent_text, consent_at, consent_channel, assisted_by"
_NAMES = _TERMS.split(", ")
_SAME = f"({', '.join('s.' + one for one in _NAMES)}) IS NOT DISTINCT FROM ({', '.join('v.' + one for one in _NAMES)})"
_KNOWN = f"EXISTS (SELECT 1 FROM mandate_versions v WHERE v.mandate_id = m.id AND {_SAME})"  # noqa: S608 - put together from constants, here and below

_LOCAL = r"to_char({}.consent_at AT TIME ZONE 'Asia/Ho_Chi_Minh', 'YYYY-MM-DD HH24\:MI\:SS')"

# Every way a row can contradict what is known, or another row.
_PROBLEMS = f"""
    WITH judged AS (
        SELECT s.*, c.id AS customer_id, m.id AS mandate_id, m.customer_id AS holder_id, m.state AS stands,
            m.version, {_KNOWN} AS known
        FROM staged_mandates s LEFT JOIN customers c ON c.code = s.customer_code
        LEFT JOIN mandates m ON (m.bank, m.reference) = (s.bank, s.reference)
    )
    SELECT number, place || ', customer_code: expected a customer we know, got ' || customer_code AS says
    FROM judged WHERE customer_id IS NULL
    UNION ALL
    SELECT s.number, s.place || ', reference: expected a mandate once in a file, got ' || s.reference || ' of '
        || s.bank || ' in ' || min(o.place) || ' too'
    FROM staged_mandates s JOIN staged_mandates o ON (o.bank, o.reference) = (s.bank, s.reference)
    WHERE o.number <> s.number GROUP BY s.number, s.place, s.reference, s.bank
    UNION ALL
    SELECT number, place || ', customer_code: expected ' || h.code || ', whose mandate ' || reference || ' of ' || bank
        || ' is, got ' || customer_code
    FROM judged JOIN customers h ON h.id = holder_id WHERE holder_id <> customer_id
    UNION ALL
    SELECT number, place || ', valid_to: expected a day from ' || CAST(:today AS date) || ' on, got ' || valid_to
    FROM judged WHERE valid_to < :today AND NOT coalesce(known, false)
    UNION ALL
    SELECT number, place || ', reference: expected a mandate that is not over, or its terms as they were, got '
        || 'other terms for ' || reference || ' of ' || bank || ', which is ' || stands
    FROM judged WHERE holder_id = customer_id AND NOT known AND stands IN ('ended', 'refused', 'expired')
    UNION ALL
    SELECT j.number, j.place || ', consent_at: expected a consent after ' || {_LOCAL.format("n")}
        || ' for other terms of ' || j.reference || ' of ' || j.bank || ', got ' || {_LOCAL.format("j")}
    FROM judged j JOIN mandate_versions n ON n.mandate_id = j.mandate_id AND n.version = j.version
    WHERE j.holder_id = j.customer_id AND NOT j.known AND j.consent_at <= n.consent_at
    UNION ALL
    SELECT j.number, j.place || ', customer_code: expected a customer without another mandate in force, got '
        || j.customer_code || ', who has ' || min(o.reference) || ' of ' || min(o.bank)
    FROM judged j JOIN mandates o ON o.customer_id = j.customer_id AND o.{IN_FORCE}
    WHERE j.mandate_id IS NULL AND j.state IN ('active', 'paused') GROUP BY j.number, j.place, j.customer_code
    UNION ALL
    SELECT j.number, j.place || ', customer_code: expected one mandate in force a customer, got ' || j.customer_code
        || ' in ' || min(o.place) || ' too'
    FROM judged j JOIN judged o ON o.customer_id = j.customer_id AND o.number <> j.number
    WHERE j.mandate_id IS NULL AND o.mandate_id IS NULL AND (j.bank, j.reference) <> (o.bank, o.reference)
      AND j.state IN ('active', 'paused') AND o.state IN ('active', 'paused')
    GROUP BY j.number, j.place, j.customer_code
    ORDER BY 1, 2
"""  # noqa: S608
_INSERT = """
    INSERT INTO mandates (bank, reference, customer_id, created_at)
    SELECT s.bank, s.reference, c.id, :now FROM staged_mandates s JOIN customers c ON c.code = s.customer_code
    WHERE NOT EXISTS (SELECT 1 FROM mandates m WHERE (m.bank, m.reference) = (s.bank, s.reference))
    ORDER BY s.number RETURNING id
"""
_VERSIONS = f"""
    INSERT INTO mandate_versions (mandate_id, version, account_sealed, account_tail, {_TERMS}, made_by, made_at)
    SELECT m.id, m.version + 1, s.account_sealed, s.account_tail, s.{_TERMS.replace(", ", ", s.")}, :by, :now
    FROM staged_mandates s JOIN mandates m USING (bank, reference) WHERE NOT {_KNOWN} ORDER BY m.id
"""  # noqa: S608
_TO_MOVE = """
    SELECT m.id FROM staged_mandates s JOIN mandates m USING (bank, reference)
    WHERE m.id = ANY(:made) AND s.state = ANY(:states) ORDER BY m.id
"""


def stage(session: Session, rows: Iterable[MandateIn], *, now: datetime) -> list[Problem]:
    """Copy `rows` beside the tables and return what is wrong with them, by their order; nothing is taken in yet."""
    session.execute(text(_STAGE))
    copy_all(session, f"staged_mandates ({_COLUMNS})", rows)
    session.execute(text("ANALYZE staged_mandates"))
    return [Problem(*row) for row in session.execute(text(_PROBLEMS), {"today": local_day(now)})]


def leave_out(session: Session, problems: Sequence[Problem]) -> None:
    """Let the rows go that something is wrong with."""
    numbers = sorted({one.number for one in problems})
    session.execute(text("DELETE FROM staged_mandates WHERE number = ANY(:numbers)"), {"numbers": numbers})


def take_in(session: Session, *, name: str, by: str, now: datetime) -> Taken:
    """Take in what is staged, which nothing is wrong with; `name` is the file's, for the history and the audit."""
    staged = int(session.scalar(text("SELECT count(*) FROM staged_mandates")) or 0)
    made = list(session.scalars(text(_INSERT), {"now": now}))
    versions = session.execute(text(_VERSIONS), {"by": by, "now": now}).rowcount  # type: ignore[attr-defined]
    for at, state in enumerate(STATES):
        # Each passes through the states before its own: what was with the bank was handed to it once.
        ids = session.scalars(text(_TO_MOVE), {"made": made, "states": list(STATES[at:])}).all()
        move(session, MANDATE, ids, state, by=by, why=f"imported from {name}", now=now)
    taken = Taken(len(made), versions - len(made), staged - versions)
    facts = {"file": name, **taken._asdict()}
    audit.append(session, actor=by, action="mandates_imported", subject="", facts=facts, now=now)
    return taken
