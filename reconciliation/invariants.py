"""The invariants of the house, each proven by a query on any database at any time, with the figures behind it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from reconciliation import audit, close_proof, continuity, inbox, ledger, lifecycle, lump_sums, marks, orphans, returns
from reconciliation.debit_proof import BROKEN as DEBITS_BROKEN
from reconciliation.mandates import BROKEN as MANDATES_BROKEN
from reconciliation.odd_lines import MISSED as ODD_LINES_MISSED
from reconciliation.outbox import ABOUT_DEBITS
from reconciliation.sealing import Sealer
from reconciliation.statements import BOOKED


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant: its number in the design, what it says, whether it holds, and the figures that show it."""

    number: int
    says: str
    holds: bool
    figures: str


def _count(session: Session, query: str) -> int:
    return int(session.scalar(text(query)) or 0)


def prove(
    session: Session, audit_key: bytes | None, *, sealer: Sealer | None = None, kept: Iterable[audit.Kept] = ()
) -> Iterator[Finding]:
    """Yield one finding per invariant, in order; reads only.

    With a `sealer` every kept byte is opened as well; `kept` are the audit's checkpoints as noted outside the database.
    The findings are of one moment only in a session that reads one snapshot (REPEATABLE READ).
    """
    yield _inbox(session, sealer)
    for check in (_one_payment, _entries, _bounds, _balances, _statements, _explained):
        yield check(session)
    for check in (_closes, _messages, _states):
        yield check(session)
    faults = audit.faults(session, audit_key, kept)
    acts, points = (_count(session, f"SELECT count(*) FROM {table}") for table in ("audit", "audit_checkpoints"))  # noqa: S608 - constants
    said = f"{acts} acts, {points} checkpoints" + (f"; {faults[0]}" if faults else "")
    yield Finding(11, "the audit chain verifies against its checkpoints", not faults, said)


def _finding(session: Session, number: int, says: str, counted: str, broken: dict[str, str]) -> Finding:
    """Make a finding of `counted` (one row of named figures) and `broken` (queries that must each count zero)."""
    row = session.execute(text(counted)).mappings().one()
    # Asked one by one, most of the time would go into asking.
    together = "SELECT " + ", ".join(f"({query})" for query in broken.values())
    found = session.execute(text(together)).one()
    wrong = {name: int(count) for name, count in zip(broken, found, strict=True) if count}
    figures = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items())
    if wrong:
        figures += "; BROKEN: " + ", ".join(f"{name} {count}" for name, count in wrong.items())
    return Finding(number, says, not wrong, figures)


def _inbox(session: Session, sealer: Sealer | None) -> Finding:
    found = _finding(
        session, 1, "every delivery is kept with its bytes and its answer",
        """SELECT count(*) AS deliveries, count(*) FILTER (WHERE state = 'read') AS read,
            count(*) FILTER (WHERE state = 'received') AS waiting, count(*) FILTER (WHERE state = 'conflicting')
            AS conflicting FROM deliveries""",
        {
            "callbacks without bytes or answer": """SELECT count(*) FROM deliveries WHERE kind = 'callback'
                AND (body IS NULL OR head IS NULL OR answer_body IS NULL OR answer_status IS NULL)""",
            "files without all their bytes": f"""SELECT count(*) FROM deliveries d WHERE kind = 'statement' AND
                (size + {inbox.CHUNK - 1}) / {inbox.CHUNK}
                <> (SELECT count(*) FROM delivery_chunks c WHERE c.delivery_id = d.id)""",  # noqa: S608 - a constant
            "payments of no delivery": """SELECT count(*) FROM payments p WHERE p.delivery_id IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = p.delivery_id)""",
            "statements of no delivery": """SELECT count(*) FROM statements s
                WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = s.delivery_id)""",
            "kept for a person whom nobody asked": f"""SELECT count(*) FROM deliveries d
                WHERE d.state IN {inbox.FOR_PEOPLE_SQL} AND NOT EXISTS
                    (SELECT 1 FROM mismatches m WHERE m.subject = 'delivery:' || d.id)""",  # noqa: S608 - a constant
        },
    )  # fmt: skip
    changed = inbox.changed_bytes(session, sealer) if sealer is not None else 0
    if not changed:
        return found
    return replace(found, holds=False, figures=f"{found.figures}; BROKEN: deliveries with other bytes {changed}")


_UNSHOWN = f"""
    SELECT count(*) FROM payments p WHERE confirmed_minor <> coalesce((
        SELECT sum(l.minor) FROM statement_lines l JOIN statements s ON s.id = l.statement_id
        WHERE l.payment_id = p.id AND l.counts AND {BOOKED}), 0) + coalesce((
        SELECT sum(f.minor + f.vat_minor) FROM fees f JOIN statement_lines l ON l.id = f.line_id
        JOIN statements s ON s.id = l.statement_id
        WHERE f.payment_id = p.id AND f.undone_at IS NULL AND {BOOKED}), 0) + {lump_sums.OF_PAYMENT}
"""  # noqa: S608 - put together from constants


def _one_payment(session: Session) -> Finding:
    return _finding(
        session, 2, "one bank transaction is one payment",
        "SELECT count(*) AS payments, count(DISTINCT (source, source_reference)) AS transactions FROM payments",
        {
            # Put together, not joined: by what statistics say of them, each line would look at all over its amount.
            "transactions told and confirmed apart": """SELECT count(*) FROM (
                SELECT 1 FROM payments WHERE bank_reference <> '' AND (state = 'reported' AND origin = 'callback'
                    OR state = 'confirmed' AND source_reference LIKE 'line:%' AND NOT reversal)
                GROUP BY source, bank_reference, minor, currency
                HAVING bool_or(state = 'reported') AND bool_or(state = 'confirmed')) t""",
            "confirmed payments without their line": _UNSHOWN,
            **lump_sums.APART,
            **returns.APART,
        },
    )  # fmt: skip


def _entries(session: Session) -> Finding:
    return _finding(
        session, 3, "each ledger entry sums to zero per currency",
        "SELECT count(*) AS entries FROM entries",
        {
            "entries over no amount": "SELECT count(*) FROM entries WHERE minor <= 0",
            "entries of one account": "SELECT count(*) FROM entries WHERE debit = credit",
        },
    )  # fmt: skip


_LIVE_PARTS = """(
    SELECT payment_id, bill_id, minor FROM allocations WHERE undone_at IS NULL UNION ALL
    SELECT payment_id, bill_id, minor FROM placements WHERE undone_at IS NULL) parts"""


def _bounds(session: Session) -> Finding:
    return _finding(
        session, 4, "0 ≤ matched ≤ payment and 0 ≤ paid ≤ bill, both equal to the live allocations and placements",
        """SELECT count(*) AS allocations, count(*) FILTER (WHERE undone_at IS NOT NULL) AS undone,
            coalesce(sum(minor) FILTER (WHERE undone_at IS NULL), 0) AS allocated_vnd,
            (SELECT coalesce(sum(minor), 0) FROM placements WHERE undone_at IS NULL) AS placed_vnd FROM allocations""",
        {
            **orphans.BROKEN,
            "matches by a person without their settlement": """SELECT count(*) FROM allocations a
                WHERE a.rule = 'person' AND NOT EXISTS (SELECT 1 FROM settlements s
                    WHERE s.payment_id = a.payment_id AND s.state = 'applied'
                      AND a.minor = s.minors[array_position(s.bills, a.bill_id)])""",
            "payments": f"""SELECT count(*) FROM payments t LEFT JOIN (SELECT payment_id AS id, sum(minor) AS minor
                FROM {_LIVE_PARTS} GROUP BY 1) live USING (id)
                WHERE matched_minor NOT BETWEEN 0 AND t.minor OR matched_minor <> coalesce(live.minor, 0)""",  # noqa: S608 - a constant  # noqa: S608 - a constant
            "bills": f"""SELECT count(*) FROM bills t LEFT JOIN (SELECT bill_id AS id, sum(minor) AS minor
                FROM {_LIVE_PARTS} GROUP BY 1) live USING (id)
                WHERE paid_minor NOT BETWEEN 0 AND t.minor OR paid_minor <> coalesce(live.minor, 0)""",  # noqa: S608 - a constant  # noqa: S608 - a constant
        },
    )  # fmt: skip


# account, what it must amount to, per currency
_BALANCES = rf"""
    WITH parts AS (
        SELECT 'receivable' AS account, currency, sum(minor - paid_minor) AS minor FROM bills
            WHERE state IN ('open', 'part_paid', 'paid') GROUP BY 2
        UNION ALL SELECT 'suspense', currency, -sum(minor - matched_minor)
            FROM payments WHERE state NOT IN ('denied', 'returned') GROUP BY 2
        UNION ALL SELECT 'bank:' || source || '\:reported', currency, sum(minor - confirmed_minor) FROM payments
            WHERE state NOT IN ('denied', 'returned') GROUP BY 1, 2
        UNION ALL SELECT 'revenue', currency, -sum(minor) FROM bills WHERE state IN ('open', 'part_paid', 'paid')
            GROUP BY 2
        UNION ALL SELECT 'bank:' || s.bank || '\:outgoing', l.currency, -sum(l.minor)
            FROM statement_lines l JOIN statements s ON s.id = l.statement_id
            WHERE s.state = 'accepted' AND l.counts AND l.minor < 0 AND {BOOKED} AND l.payment_id IS NULL
              AND NOT EXISTS (SELECT 1 FROM fees f WHERE f.line_id = l.id AND f.undone_at IS NULL) GROUP BY 1, 2
        UNION ALL SELECT 'expense:bank-fees', 'VND', sum(minor) FROM fees WHERE undone_at IS NULL
        UNION ALL SELECT 'input-vat', 'VND', sum(vat_minor) FROM fees WHERE undone_at IS NULL
        {lump_sums.BALANCES}
        UNION ALL SELECT 'bank:' || s.bank || '\:confirmed', l.currency, sum(l.minor)
            FROM statement_lines l JOIN statements s ON s.id = l.statement_id
            WHERE s.state = 'accepted' AND l.counts AND {BOOKED} GROUP BY 1, 2
        UNION ALL SELECT account, 'VND', CASE WHEN bill_id IS NULL THEN -minor ELSE minor END
            FROM placements WHERE undone_at IS NULL AND line_id IS NULL
        UNION ALL SELECT 'bank:' || s.bank || '\:outgoing', 'VND', -p.minor
            FROM placements p JOIN statement_lines l ON l.id = p.line_id JOIN statements s ON s.id = l.statement_id
    ), expected AS (
        SELECT account, currency, sum(minor) AS minor FROM parts GROUP BY 1, 2
    ), booked AS (
        {ledger.BALANCES}
    )
    SELECT coalesce(e.account, b.account) AS account, coalesce(e.currency, b.currency) AS currency,
        coalesce(e.minor, 0)\:\:bigint AS expected, coalesce(b.minor, 0)\:\:bigint AS booked
    FROM expected e FULL JOIN booked b ON e.account = b.account AND e.currency = b.currency
    ORDER BY 1, 2
"""  # noqa: S608 - put together from constants


def _balances(session: Session) -> Finding:
    rows = session.execute(text(_BALANCES)).all()
    wrong = [row for row in rows if row.expected != row.booked]
    shown = wrong or [row for row in rows if row.currency == "VND"]
    figures = ", ".join(f"{row.account} {row.booked} {row.currency}" for row in shown)
    if wrong:
        figures = "BROKEN: " + ", ".join(
            f"{row.account} expected {row.expected}, booked {row.booked} {row.currency}" for row in wrong
        )
    return Finding(5, "the ledger's balances say what the tables say", not wrong, figures or "no entries yet")


def _statements(session: Session) -> Finding:
    return _finding(
        session, 6, "opening + lines = closing for every accepted statement",
        """SELECT count(*) FILTER (WHERE state = 'accepted') AS accepted, count(*) FILTER (WHERE state = 'quarantined')
            AS quarantined, count(*) FILTER (WHERE state = 'resent') AS resent FROM statements""",
        {
            "accepted but unbalanced": """SELECT count(*) FROM statements WHERE state = 'accepted'
                AND opening_minor + credit_minor + debit_minor <> closing_minor""",
            "line counts that differ": """SELECT count(*) FROM statements s WHERE s.lines <>
                (SELECT count(*) FROM statement_lines l WHERE l.statement_id = s.id)""",
            "totals that differ": """SELECT count(*) FROM statements s WHERE s.credit_minor + s.debit_minor <>
                (SELECT coalesce(sum(minor), 0) FROM statement_lines l WHERE l.statement_id = s.id)""",
            "openings apart from the closing before them": continuity.APART,
            "quarantined without a question": """SELECT count(*) FROM statements s WHERE state = 'quarantined'
                AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.statement_id = s.id AND m.code = 'M15')""",
        },
    )  # fmt: skip


# A line that waits for its piece of a large statement is in work: neither explained nor open, and booked nowhere.
_LINES = f"""
    SELECT count(*) AS lines,
        count(*) FILTER (WHERE why = 'matched') AS matched, count(*) FILTER (WHERE why = 'mismatch') AS in_mismatch,
        count(*) FILTER (WHERE why = 'rejected') AS rejected, count(*) FILTER (WHERE why = 'in work') AS in_work,
        coalesce(sum(abs(minor)) FILTER (WHERE why = 'unexplained' AND currency = 'VND'), 0) AS unexplained_lines_vnd,
        count(*) FILTER (WHERE why = 'unexplained') AS unexplained_lines
    FROM (
        SELECT l.minor, l.currency, CASE
            WHEN NOT {BOOKED} THEN 'in work'
            WHEN l.state = 'rejected' AND (l.minor = 0 OR NOT l.counts) THEN 'rejected'
            WHEN NOT l.counts AND p.state = 'denied' THEN 'rejected'
            WHEN p.state = 'returned' OR (l.direction = 'out' AND l.payment_id IS NOT NULL) THEN 'matched'
            WHEN p.matched_minor = p.minor AND l.minor + coalesce(f.minor + f.vat_minor, 0) = p.minor THEN 'matched'
            WHEN f.charged = 'apart' OR lump.day IS NOT NULL THEN 'matched'
            WHEN EXISTS (SELECT 1 FROM mismatches m WHERE m.line_id = l.id
                         AND (m.state <> 'resolved' OR m.resolved_by <> '')) THEN 'mismatch'
            WHEN EXISTS (SELECT 1 FROM mismatches m WHERE m.payment_id = p.id AND m.state <> 'resolved') THEN 'mismatch'
            ELSE 'unexplained' END AS why
        FROM statement_lines l JOIN statements s ON s.id = l.statement_id
        LEFT JOIN payments p ON p.id = l.payment_id LEFT JOIN fees f ON f.line_id = l.id AND f.undone_at IS NULL
        LEFT JOIN lump_sums lump ON lump.line_id = l.id AND lump.undone_at IS NULL
        WHERE s.state = 'accepted'
    ) judged
"""  # noqa: S608 - put together from constants
_PAYMENTS = """
    SELECT coalesce(sum(p.minor - p.matched_minor), 0) FROM payments p
    WHERE p.matched_minor < p.minor AND p.currency = 'VND' AND p.state NOT IN ('denied', 'returned')
      AND NOT EXISTS (SELECT 1 FROM mismatches m WHERE m.payment_id = p.id AND m.state <> 'resolved')
"""


def unexplained_vnd(session: Session) -> int:
    """Return the đồng nobody can explain: on statement lines, and in payments that no open question covers."""
    lines = session.execute(text(_LINES)).one()
    return int(lines.unexplained_lines_vnd) + _count(session, _PAYMENTS)


def _explained(session: Session) -> Finding:
    lines = session.execute(text(_LINES)).one()
    total = int(lines.unexplained_lines_vnd) + _count(session, _PAYMENTS)
    figures = (
        f"lines {lines.lines} = matched {lines.matched} + in mismatch {lines.in_mismatch} + rejected {lines.rejected}"
        + (f" + in work {lines.in_work}" if lines.in_work else "")
        + f" + unexplained {lines.unexplained_lines}; unexplained {total} đ"
    )
    holds = total == 0 and lines.unexplained_lines == 0
    return Finding(7, "statement lines = matched + in mismatch + rejected: 0 unexplained đồng", holds, figures)


def _closes(session: Session) -> Finding:
    says = "a signed day accepts no further entries"
    found = _finding(session, 8, says, close_proof.COUNTED, close_proof.BROKEN)
    changed = close_proof.changed(session)
    if not changed:
        return found
    return replace(found, holds=False, figures=f"{found.figures}; BROKEN: closes with other figures {changed}")


def _messages(session: Session) -> Finding:
    return _finding(
        session, 9, "one SMS per event and version, none before a debit after it, none to a payer who has paid",
        """SELECT count(*) AS promised, count(*) FILTER (WHERE state IN ('sent', 'delivered', 'undelivered')) AS sent,
            count(*) FILTER (WHERE state = 'unsure') AS unsure FROM messages""",
        {
            "events told twice": f"""SELECT count(*) FROM (SELECT 1 FROM messages
                WHERE sent_at IS NOT NULL AND resent_of IS NULL AND event NOT IN {ABOUT_DEBITS}
                GROUP BY event_key, bill_id, payment_id HAVING count(*) > 1) t""",  # noqa: S608
            "told after the debit": """SELECT count(*) FROM messages m JOIN transitions c ON c.kind = 'message'
                AND c.subject_id = m.id AND c.to_state = 'sending'
                WHERE m.event = 'before_debit' AND m.sent_at IS NOT NULL AND c.at >= m.not_after""",
            # A sender holds the bill while it claims, so the order of the two notes tells which came first; their times
            # may cross while one waits for the other, though never by an hour.
            "told of a debit after paying": """SELECT count(*) FROM messages m
                JOIN LATERAL (SELECT id, at FROM transitions c WHERE c.kind = 'message' AND c.subject_id = m.id
                              AND c.to_state = 'sending' ORDER BY c.id LIMIT 1) claimed ON true
                JOIN transitions paid ON paid.kind = 'bill' AND paid.subject_id = m.bill_id AND paid.to_state = 'paid'
                WHERE m.event = 'before_debit' AND m.sent_at IS NOT NULL
                  AND (paid.id < claimed.id OR paid.at < claimed.at - interval '1 hour')
                  AND NOT EXISTS (SELECT 1 FROM transitions again WHERE again.kind = 'bill'
                      AND again.subject_id = m.bill_id AND again.from_state = 'paid' AND again.to_state <> 'paid'
                      AND again.id > paid.id AND again.id < claimed.id)""",
            "delivered without a part": """SELECT count(DISTINCT m.id) FROM message_parts p
                JOIN messages m ON m.id = p.message_id
                WHERE p.state IN ('refused', 'undelivered') AND m.state = 'delivered'""",
        },
    )  # fmt: skip


_MOVED = """
    SELECT count(*) FROM {table} s LEFT JOIN (
        SELECT subject_id, count(*) AS moves, (array_agg(to_state ORDER BY sort_key DESC))[1] AS state
        FROM transitions WHERE kind = '{kind}' GROUP BY 1) t ON t.subject_id = s.id
    WHERE s.moves <> coalesce(t.moves, 0) OR NOT coalesce(s.state = t.state, s.state IN ({born}))
"""


def _states(session: Session) -> Finding:
    return _finding(
        session, 10, "every state follows from the facts, whatever order they came in",
        """SELECT count(*) AS transitions FROM transitions""",
        {
            "bills in another state than their paid amount": """SELECT count(*) FROM bills WHERE
                (state = 'open' AND paid_minor <> 0) OR (state = 'paid' AND paid_minor <> minor)
                OR (state = 'part_paid' AND (paid_minor = 0 OR paid_minor = minor))
                OR (state IN ('cancelled', 'replaced') AND paid_minor <> 0)""",
            "bills owed that are not, or the other way round": """SELECT count(*) FROM owed_bills o
                FULL JOIN (SELECT * FROM bills WHERE state IN ('open', 'part_paid')) b ON b.id = o.bill_id
                WHERE o.bill_id IS NULL OR b.id IS NULL OR (o.bank, o.due_on) <> (b.bank, b.due_on)""",
            "payments in another state than their line": """SELECT count(*) FROM payments WHERE
                (state = 'confirmed') <> (confirmed_minor <> 0)""",
            "payments taken back that still settle something": """SELECT count(*) FROM payments WHERE
                (state = 'denied' AND denied_at IS NULL)
                OR (state IN ('denied', 'returned') AND (matched_minor <> 0 OR confirmed_minor <> 0))""",
            **ODD_LINES_MISSED,
            **marks.ORPHANS,
            **MANDATES_BROKEN,
            **DEBITS_BROKEN,
            **{f"moves of {one.table} without history": _moved(one) for one in lifecycle.ALL},
        },
    )  # fmt: skip


def _moved(one: lifecycle.Lifecycle) -> str:
    born = ", ".join(f"'{state}'" for state, moves in {one.start: 0, **one.births}.items() if not moves)
    return _MOVED.format(kind=one.kind, table=one.table, born=born)
