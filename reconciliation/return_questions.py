"""What is asked about outgoing lines: M09 where money was taken back, with the payments it may be; M12 for the rest."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from reconciliation import mismatches
from reconciliation.return_facts import Gathered
from reconciliation.return_walk import Walked, others

_WANTED = """
    SELECT w.code, 'line:' || l.id AS subject, CAST(:bank AS text) AS source, -l.minor AS minor, l.currency,
        w.payment_id, l.id AS line_id, l.statement_id,
        jsonb_build_object('verdict', w.verdict, 'paid', l.minor, 'reason', l.return_reason, 'quoted', l.quoted)
            || w.facts AS facts
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS w (line_id bigint, code text, verdict text, payment_id bigint, facts jsonb)
    JOIN statement_lines l ON l.id = w.line_id
"""
_COLUMNS = "code, subject, source, minor, currency, payment_id, line_id, statement_id, facts"
_OPEN = "SELECT id, code, line_id, facts FROM mismatches WHERE subject = ANY(:subjects) AND state <> 'resolved'"
_RETELL = f"""
    UPDATE mismatches m SET facts = w.facts FROM ({_WANTED}) w
    WHERE m.subject = w.subject AND m.code = w.code AND m.state <> 'resolved' AND m.facts <> w.facts
"""  # noqa: S608 - put together from constants


def ask(session: Session, bank: str, gathered: Gathered, walked: Walked, *, now: datetime) -> None:
    """Ask about the lines that return nothing for certain, under the code and with the candidates that hold now."""
    rows: list[dict[str, object]] = []
    codes: dict[int, str] = {}
    for line, doubt in walked.doubts.items():
        code = "M09" if gathered.outs[line].flagged or doubt.payments else "M12"
        codes[line] = code
        facts: dict[str, object] = {}
        if doubt.payments:
            facts["candidates"] = others([gathered.names[one] for one in doubt.payments])
        if doubt.verdict == "return_differs":
            facts["expected"] = gathered.ins[doubt.payments[0]].keys.minor
        rows.append({"line_id": line, "code": code, "verdict": doubt.verdict, "facts": facts})
    values = {"bank": bank, "rows": json.dumps(rows), "now": now}
    outdated = [one.id for one in _open(session, list(codes)) if one.code != codes[one.line_id]]
    mismatches.resolve(session, outdated, by="returns", resolution="asked anew under another code", now=now)
    session.execute(text(_RETELL), values)
    mismatches.ask(session, _COLUMNS, _WANTED, values)


def answer(session: Session, bank: str, proven: dict[int, tuple[int, str]], *, now: datetime) -> None:
    """Note M09 about lines that return a payment (line → payment, and why it is this one), and close it with that."""
    rows = [
        {"line_id": line, "code": "M09", "verdict": "returned", "payment_id": payment, "facts": {}}
        for line, (payment, _) in proven.items()
    ]
    outdated = [one.id for one in _open(session, list(proven)) if one.code != "M09"]
    mismatches.resolve(session, outdated, by="returns", resolution="asked anew under another code", now=now)
    values = {"bank": bank, "rows": json.dumps(rows), "now": now}
    mismatches.ask(session, _COLUMNS, _WANTED, values)
    for one in _open(session, list(proven)):
        mismatches.resolve(session, [one.id], by="returns", resolution=proven[one.line_id][1], now=now)


def _open(session: Session, lines: Sequence[int]) -> Sequence[Row[tuple[int, str, int, dict[str, object]]]]:
    return session.execute(text(_OPEN), {"subjects": [f"line:{line}" for line in lines]}).all()
